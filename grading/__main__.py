"""`python -m grading …`: build the course, certify its exercises, mark a class."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from .limits import Limits

MB = 1_000_000

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


@app.command()
def mark(
    assignment: Annotated[str, typer.Argument(help="for instance part_d")],
    folder: Annotated[Path, typer.Option("--from", help="the hand-ins: <student>/<any name>.ipynb")],
    out: Annotated[Path, typer.Option("--to", help="where marks.csv, totals.csv, feedback/ and evidence/ go")],
    workers: Annotated[int, typer.Option(min=1, help="hand-ins judged at once")] = os.cpu_count() or 1,
    seed: Annotated[str, typer.Option(help="secret of the cases; a fresh one if none is given")] = "",
    no_jail: Annotated[bool, typer.Option("--no-jail", help="run hand-ins with all your rights")] = False,
    seconds: Annotated[float, typer.Option(min=0.1, help="for one cell and for one call")] = Limits.seconds,
    memory: Annotated[int, typer.Option(min=1, help="MB of a hand-in and all it starts")] = Limits.memory // MB,
    disk: Annotated[int, typer.Option(min=1, help="MB of each of /tmp and /dev/shm")] = Limits.disk // MB,
    processes: Annotated[int, typer.Option(min=1, help="of one hand-in")] = Limits.processes,
    output: Annotated[int, typer.Option(min=0, help="characters kept of what a cell prints")] = Limits.output,
) -> None:
    """Mark a class. Exit status 0 when every hand-in got a result."""
    from .build import BuildError
    from .jail import JailUnavailable
    from .mark import mark_class
    from .printed import plain_text

    limits = Limits(seconds, memory * MB, disk * MB, processes, output)
    console = Console(stderr=True)

    def progress(results, count):
        return track(results, f"marking {assignment}", total=count, console=console)

    try:
        marked = mark_class(assignment, folder, out, workers, seed, no_jail, limits, progress)
    except (BuildError, JailUnavailable, OSError, ValueError) as error:
        _stop(error)
    if no_jail:
        typer.echo("Marked without a jail (--no-jail): the hand-ins ran with your rights.", err=True)
    count = "1 hand-in is" if len(marked) == 1 else f"{len(marked)} hand-ins are"
    typer.echo(f"{count} marked; the results are in {out}", err=True)
    faults = [plain_text(f"{result.student}: {result.fault}") for result in marked if result.fault]
    if faults:
        typer.echo("\n".join(["The marking itself failed on these, mark them by hand:", *faults]), err=True)
        raise typer.Exit(1)


def _stop(error: Exception) -> NoReturn:
    """End with the message alone: whoever reads it needs no traceback into our code."""
    typer.echo(f"{error}", err=True)
    raise typer.Exit(1)


if __name__ == "__main__":
    app()
