"""`python -m grading …`: build the course, certify its exercises, mark a class."""

from __future__ import annotations

import os
import time
from functools import partial
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
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
    place: Annotated[Path, typer.Option("--from", help="the hand-ins: a folder or zip of <student>/<any name>.ipynb, or Moodle's download")],
    out: Annotated[Path, typer.Option("--to", help="where marks, feedback, report and evidence go")],
    worksheet: Annotated[Path | None, typer.Option(help="Moodle's grading worksheet, to be filled in")] = None,
    due: Annotated[str, typer.Option(help='deadline, in Moodle\'s time: "2026-11-20 17:00"; needs --worksheet')] = "",
    late: Annotated[float, typer.Option(min=0, max=100, help="percent of the maximum that each day begun after it costs")] = 0.0,
    workers: Annotated[int, typer.Option(min=1, help="hand-ins judged at once")] = os.cpu_count() or 1,
    scheduler: Annotated[str, typer.Option(help="address of a dask scheduler, to mark on its workers")] = "",
    seed: Annotated[str, typer.Option(help="secret of the cases; if none is given that of the last marking into --to, or a fresh one")] = "",
    no_jail: Annotated[bool, typer.Option("--no-jail", help="run hand-ins with all your rights")] = False,
    seconds: Annotated[float, typer.Option(min=0.1, help="for one cell and for one call")] = Limits.seconds,
    memory: Annotated[int, typer.Option(min=1, help="MB of a hand-in and all it starts")] = Limits.memory // MB,
    disk: Annotated[int, typer.Option(min=1, help="MB of each of /tmp and /dev/shm")] = Limits.disk // MB,
    processes: Annotated[int, typer.Option(min=1, help="of one hand-in")] = Limits.processes,
    output: Annotated[int, typer.Option(min=0, help="characters kept of what a cell prints")] = Limits.output,
    compare: Annotated[Path | None, typer.Option(help="an earlier --to: say whose marks have changed, and why")] = None,
) -> None:  # fmt: skip
    """Mark a class; what an earlier marking into the same place has judged is not judged again.

    Exit status 0 when every hand-in got a result.
    """
    from .masters import BuildError
    from .compare import changes, marks_in
    from .jail import JailUnavailable
    from .lateness import Deadline
    from .mark import mark_class
    from .moodle import moment
    from .printed import plain_text

    limits = Limits(seconds, memory * MB, disk * MB, processes, output)
    try:
        if (due or late) and not (worksheet and due and late):
            raise ValueError("Lateness needs all three: --worksheet, --due and --late.")
        deadline = Deadline(moment(due), late / 100) if due else None
        earlier = marks_in(compare) if compare else None
        marked = mark_class(
            assignment, place, out, workers, seed, no_jail, limits, partial(_progress, assignment), scheduler,
            worksheet, deadline,
        )  # fmt: skip
    except (BuildError, JailUnavailable, OSError, ValueError) as error:
        _stop(error)
    if no_jail:
        typer.echo("Marked without a jail (--no-jail): the hand-ins ran with your rights.", err=True)
    count = "1 hand-in is" if len(marked) == 1 else f"{len(marked)} hand-ins are"
    typer.echo(f"{count} marked; the results are in {out}", err=True)
    if earlier is not None:
        typer.echo("\n".join(changes(earlier, marks_in(out)) or ["No mark has changed."]))
    if worksheet:
        typer.echo(_about_worksheet(worksheet, marked), err=True)
    faults = [plain_text(f"{result.student}: {result.fault}") for result in marked if result.fault]
    if faults:
        typer.echo("\n".join(["The marking itself failed on these, mark them by hand:", *faults]), err=True)
        raise typer.Exit(1)


def _progress(assignment: str, results, count: int):
    """Say how many are done, how fast, how long it will take, and how many have failed so far."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("marking {task.description}"), BarColumn(), MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"), TimeRemainingColumn(), TextColumn("{task.fields[failed]} failed"),
    )  # fmt: skip
    started, failed = time.monotonic(), 0
    console = Console(stderr=True)
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(assignment, total=count, rate="", failed=0)
        for number, result in enumerate(results, start=1):
            yield result  # the fault may come when it is written down
            failed += bool(result.fault)
            rate = number / max(time.monotonic() - started, 1e-3)
            bar.update(task, advance=1, rate=f"{60 * rate:.3g} a minute", failed=failed)
            if not console.is_terminal and number % max(1, count // 10) == 0:
                left = (count - number) / rate
                typer.echo(f"{number} of {count}, {60 * rate:.3g} a minute, {left:.0f} s left, {failed} failed", err=True)


def _about_worksheet(path: Path, marked: list) -> str:
    """What the worksheet and the hand-ins do not have in common."""
    from .moodle import Worksheet

    rows = Worksheet.read(path).rows
    students = {result.student for result in marked}
    nothing, strangers = len(rows.keys() - students), sorted(students - rows.keys())
    said = [f"{nothing} of {len(rows)} participants handed in nothing; their rows are as they were."] if nothing else []
    if strangers:
        said.append(f"Not in the worksheet, so not for Moodle: {', '.join(strangers)}.")
    return "\n".join(said) or "Every participant of the worksheet has a grade."


@app.command()
def explain(
    student: Annotated[str, typer.Argument(help="as in marks.csv")],
    exercise: Annotated[str, typer.Argument(help="for instance conv_layer")],
    out: Annotated[Path, typer.Option("--to", help="where the marking went")],
) -> None:
    """Judge one answer again, from the evidence, and show what the mark rests on."""
    from .explain import explained
    from .jail import JailUnavailable

    try:
        typer.echo(explained(out, student, exercise))
    except (OSError, ValueError, JailUnavailable) as error:
        _stop(error)


@app.command()
def doctor() -> None:
    """Say what this machine has for marking, what it lacks, and the line that installs it."""
    from .doctor import findings

    found = findings()
    for finding in found:
        typer.echo(str(finding))
    if not all(finding.good for finding in found if finding.needed):
        raise typer.Exit(1)


@app.command()
def worker(
    scheduler: Annotated[str, typer.Argument(help="its address, for instance tcp://10.0.0.1:8786")],
    workers: Annotated[int, typer.Option(min=1, help="hand-ins judged at once")] = os.cpu_count() or 1,
) -> None:
    """Judge hand-ins for whoever marks with --scheduler ADDRESS."""
    from .parallel import work_for

    work_for(scheduler, workers)


def _stop(error: Exception) -> NoReturn:
    """End with the message alone: whoever reads it needs no traceback into our code."""
    typer.echo(f"{error}", err=True)
    raise typer.Exit(1)


if __name__ == "__main__":
    app()
