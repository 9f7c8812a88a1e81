"""`python -m grading …`: build the course, certify its exercises, mark a class."""

from __future__ import annotations

from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.table import Table

app = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__)


@app.command()
def build() -> None:
    """Write notebooks/ and the nbgrader course from the masters in grading/source."""
    from .build import BuildError, build as build_course

    try:
        for path in build_course():
            typer.echo(path)
    except BuildError as error:
        _stop(error)


@app.command()
def certify(part: Annotated[str, typer.Argument(help="for instance part_d")]) -> None:
    """Prove that every right answer passes and every wrong one fails and is named."""
    from .certify import SECRET_SEEDS, certify as rows_of

    table = Table(title=f"{part}: public cases | {len(SECRET_SEEDS)} secret seeds")
    for heading in ("exercise", "wheats accepted", "chaffs killed", "chaffs named"):
        table.add_column(heading, justify="left" if heading == "exercise" else "right")
    faults = []
    for public, secret in rows_of(part):
        pairs = [
            (f"{getattr(public, done)}/{getattr(public, of)}", f"{getattr(secret, done)}/{getattr(secret, of)}")
            for done, of in (("accepted", "wheats"), ("killed", "chaffs"), ("named", "chaffs"))
        ]
        table.add_row(public.exercise, *(f"{a} | {b:>7}" for a, b in pairs))
        faults += [*public.faults, *secret.faults]
    Console(width=100).print(table)
    for fault in faults:
        typer.echo(fault, err=True)
    if faults:
        raise typer.Exit(1)
    typer.echo("certified")


def _stop(error: Exception) -> NoReturn:
    """End with the message alone: whoever reads it needs no traceback into our code."""
    typer.echo(f"{error}", err=True)
    raise typer.Exit(1)


if __name__ == "__main__":
    app()
