"""Mark a class: every hand-in through the judge, then tables, feedback and evidence.

    OUT/marks.csv                 a row for each student and exercise
    OUT/totals.csv                a row for each student
    OUT/feedback/<student>/*.html what the student is told
    OUT/evidence/students/        what the marks of each student rest on
    OUT/evidence/run.json         how the class was marked, with the secret seed

No hand-in stops the class: where nothing can be judged, the marks are 0 and
the reason is written down.
"""

from __future__ import annotations

import hashlib
import json
import platform
import secrets
import shutil
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

import nbformat

from pnnlib.exercises.diagnosis import Verdict

from .build import Master, engine_points, released, solutions
from .feedback import feedback_page
from .handin import Unreadable, grade_id, is_check, sanitise
from .judge import Judgement, judge
from .limits import Limits
from .sheets import MARKS, TOTALS, write_sheet
from .submissions import Submission, as_text, choose, submissions_in
from .walls import require_walls

NO_JAIL = "Marked without a jail (--no-jail): this hand-in ran with the rights of whoever marked it."


@dataclass
class Marked:
    """The result of one student.

    notes   sentences about the hand-in as a whole
    file    name of the notebook that was judged, and the SHA-256 of its bytes in `digest`
    fault   why the marking itself failed; "" if it did not
    """

    student: str
    verdicts: list[Verdict]
    notes: list[str] = field(default_factory=list)
    file: str = ""
    digest: str = ""
    fault: str = ""
    judgement: Judgement | None = None
    sanitised: nbformat.NotebookNode | None = None

    @property
    def score(self) -> float:
        return sum(verdict.points for verdict in self.verdicts)


@dataclass(frozen=True)
class Marking:
    """How a class is marked: the assignment as released, its right answers, and what the judge needs."""

    master: Master
    references: Mapping[str, str]
    secret: str
    limits: Limits = Limits()
    bare: bool = False

    @property
    def assignment(self) -> str:
        return self.master.assignment

    def mark(self, submission: Submission) -> Marked:
        """Judge what one student handed in; never raises."""
        result = Marked(submission.student, [])
        try:
            self._judge(submission, result)
        except Unreadable as error:
            result.notes.append(str(error))
            result.verdicts = self._nothing(str(error))
        except Exception as error:  # a fault of ours must cost neither the class nor, unseen, this student
            result.fault = f"{type(error).__name__}: {error}"
            reason = "The marking itself failed on this hand-in; it has to be marked by hand."
            result.notes.append(reason)
            result.verdicts = self._nothing(reason)
        return result

    def _judge(self, submission: Submission, result: Marked) -> None:
        content = self.master.content
        graded = {grade_id(cell) for cell in content.cells} - {""}
        path, notebook, result.notes = choose(submission, self.master.notebook, graded)
        result.file, result.digest = as_text(path.name), hashlib.sha256(path.read_bytes()).hexdigest()
        hand_in = sanitise(notebook, content)
        result.notes += hand_in.notes
        result.sanitised = hand_in.notebook
        seed = student_seed(self.secret, submission.student)
        result.judgement = judge(hand_in.notebook, self.assignment, seed, self.limits, self.bare, self.references)
        result.verdicts = result.judgement.verdicts
        result.notes += result.judgement.notes

    def _nothing(self, reason: str) -> list[Verdict]:
        points = engine_points(self.assignment)
        names = [grade_id(cell).removeprefix("check-") for cell in self.master.content.cells if is_check(cell)]
        return [Verdict(name, "missing", reason, max_points=points[name]) for name in names]


def student_seed(secret: str, student: str) -> str:
    """What a student's cases are drawn from: the same for the same secret, different for everyone."""
    return f"{secret}/{student}"


def mark_class(
    assignment: str,
    folder: Path,
    out: Path,
    workers: int = 1,
    secret: str = "",
    bare: bool = False,
    limits: Limits = Limits(),
    progress: Callable[[Iterable, int], Iterable] = lambda results, count: results,
) -> list[Marked]:
    """Mark every hand-in in `folder` and write all results to `out`.

    Args:
        assignment: for instance "part_d".
        folder: see `submissions`.
        out: is made; an earlier result in it is replaced.
        workers: how many hand-ins are judged at once.
        secret: seed of the secret cases; without one a fresh one is drawn, and kept in the evidence.
        bare: mark without a jail.
        limits: for each hand-in.
        progress: wraps the results as they come, given their number.

    Returns:
        The results, by student.

    Raises:
        JailUnavailable, BuildError, FileNotFoundError, ValueError: before anything is marked.
    """
    if not bare:
        require_walls()
    marking = Marking(released(assignment), solutions(assignment), secret or secrets.token_hex(16), limits, bare)
    submissions = submissions_in(folder)
    if out.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"{out} lies among the hand-ins in {folder}; the next marking would take it for one.")
    started = datetime.now(timezone.utc)
    _make_room(out)
    results = []
    with ThreadPoolExecutor(workers) as pool:
        waiting = [pool.submit(marking.mark, submission) for submission in submissions]
        for done in progress(as_completed(waiting), len(waiting)):
            result = done.result()
            try:
                _write_feedback(out, marking, result)
                _write_evidence(out, marking, result)
            except Exception as error:  # one page that cannot be written stops nobody else's
                result.fault += f"{type(error).__name__}: {error}"
            results.append(result)
    results.sort(key=lambda result: result.student)
    _write_tables(out, marking, results)
    _write_run(out, marking, started)
    return results


# What is written --------------------------------------------------------------------------


def _make_room(out: Path) -> None:
    """Remove an earlier result, and only what is one."""
    if (out / "evidence" / "run.json").exists():
        shutil.rmtree(out / "feedback", ignore_errors=True)
        shutil.rmtree(out / "evidence")
    for name in ("feedback", "evidence/students"):
        (out / name).mkdir(parents=True, exist_ok=True)


def _folder(parent: Path, student: str) -> Path:
    """A student's folder, named after him as far as the file system can take it."""
    if len(student.encode()) > 255:
        student = f"{student[:40]} {hashlib.sha256(student.encode()).hexdigest()}"
    folder = parent / student
    folder.mkdir(exist_ok=True)
    return folder


def _write_tables(out: Path, marking: Marking, results: list[Marked]) -> None:
    extra, said = (("jail",), ("no",)) if marking.bare else ((), ())
    marks = [
        (r.student, marking.assignment, v.exercise, v.points, v.max_points, v.kind, v.sentence, *said)
        for r in results
        for v in r.verdicts
    ]
    totals = [
        (r.student, marking.assignment, r.score, sum(v.max_points for v in r.verdicts), *said) for r in results
    ]
    write_sheet(out / "marks.csv", (*MARKS, *extra), marks)
    write_sheet(out / "totals.csv", (*TOTALS, *extra), totals)


def _write_feedback(out: Path, marking: Marking, result: Marked) -> None:
    page = feedback_page(
        result.student,
        marking.assignment,
        result.verdicts,
        [*result.notes, *([NO_JAIL] if marking.bare else [])],
        result.file,
        result.sanitised,
        result.judgement.outputs if result.judgement else None,
    )
    folder = _folder(out / "feedback", result.student)
    (folder / f"{marking.master.notebook}.html").write_text(page, encoding="utf-8")


def _write_evidence(out: Path, marking: Marking, result: Marked) -> None:
    record = {
        "student": result.student,
        "file": result.file,
        "sha256 of the file": result.digest,
        "sha256 of what was judged": _hash(result.sanitised) if result.sanitised else "",
        "sha256 of the master": _hash(marking.master.content),
        "seed": student_seed(marking.secret, result.student),
        "jail": not marking.bare,
        "seconds": round(result.judgement.seconds, 3) if result.judgement else None,
        "notes": result.notes,
        "fault": result.fault,
        "verdicts": [asdict(verdict) for verdict in result.verdicts],
    }
    _write_json(_folder(out / "evidence" / "students", result.student) / f"{marking.master.notebook}.json", record)


def _write_run(out: Path, marking: Marking, started: datetime) -> None:
    packages = ("pnnlib", "numpy", "torch", "ipykernel", "nbgrader")
    record = {
        "assignment": marking.assignment,
        "secret": marking.secret,
        "jail": not marking.bare,
        "limits": asdict(marking.limits),
        "started": started.isoformat(timespec="seconds"),
        "ended": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in packages}},
    }
    _write_json(out / "evidence" / "run.json", record)


def _write_json(path: Path, record: dict) -> None:
    path.write_text(json.dumps(record, indent=1, ensure_ascii=False), encoding="utf-8", errors="replace")


def _hash(notebook: nbformat.NotebookNode) -> str:
    return hashlib.sha256(nbformat.writes(notebook).encode(errors="replace")).hexdigest()
