"""Mark a class: every hand-in through the judge, then tables, feedback and evidence.

    OUT/marks.csv                 a row for each student and exercise
    OUT/totals.csv                a row for each student
    OUT/report.html, report.csv   the class at a glance
    OUT/feedback/<student>/*.html what the student is told
    OUT/evidence/                 what the marks rest on, with the secret seed
    OUT/<worksheet>, feedback.zip for Moodle, if its worksheet was given

No hand-in stops the class: where nothing can be judged, the marks are 0 and
the reason is written down. Marking again judges only what has changed.
"""

from __future__ import annotations

import hashlib
import secrets
import shutil
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path

from pnnlib.exercises.diagnosis import Verdict

from . import evidence
from .masters import Master, engine_points, released, solutions
from .cells import Cell
from .feedback import feedback_page
from .handin import Unreadable, grade_id, is_check, sanitise
from .judge import judge
from .lateness import Deadline
from .limits import Limits
from .moodle import Worksheet, feedback_folder, participant_of
from .parallel import judged
from .report import write_report
from .sheets import MARKS, TOTALS, write_sheet
from .submissions import HandedIn, Submission, choose, submissions_in
from .walls import require_walls

NO_JAIL = "Marked without a jail (--no-jail): this hand-in ran with the rights of whoever marked it."
OWN_FILES = ("marks.csv", "totals.csv", "report.html", "report.csv", "feedback.zip")
FAILED = "The marking itself failed on this hand-in; it has to be marked by hand."


@dataclass
class Marked:
    """The result of one student.

    key       hash of all that it depends on, see `evidence`
    seed      what the secret cases were drawn from
    verdicts  one for every exercise and question
    notes     sentences about the hand-in as a whole: what was repaired or left out
    file      name of the notebook that was judged, and the SHA-256 of its bytes in `digest`
    judged    the SHA-256 of what was judged, after repairs
    cells     what was judged, cell by cell
    seconds   that judging took
    fault     why the marking itself failed; "" if it did not
    late      points that are taken off because it came late; never in the evidence
    """

    student: str
    key: str = ""
    seed: str = ""
    verdicts: list[Verdict] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    file: str = ""
    digest: str = ""
    judged: str = ""
    cells: list[Cell] = field(default_factory=list)
    seconds: float = 0.0
    fault: str = ""
    late: float = 0.0

    @property
    def score(self) -> float:
        return sum(verdict.points for verdict in self.verdicts)

    @property
    def total(self) -> float:
        """The score, without what lateness costs."""
        return self.score - self.late

    @property
    def max_score(self) -> float:
        return sum(verdict.max_points for verdict in self.verdicts)

    @classmethod
    def from_record(cls, record: Mapping) -> Marked:
        """What `asdict` made a record of.

        Raises:
            TypeError, KeyError: if it is none.
        """
        found = cls(**{name: record[name] for name in cls.__dataclass_fields__})
        found.verdicts = [Verdict(**verdict) for verdict in found.verdicts]
        found.cells = [Cell(**cell) for cell in found.cells]
        return found


@dataclass(frozen=True)
class Marking:
    """How a class is marked: the assignment as released, its right answers, and what the judge needs."""

    master: Master
    references: Mapping[str, str]
    secret: str
    limits: Limits = Limits()
    bare: bool = False
    engine: str = field(default_factory=evidence.engine)

    @property
    def assignment(self) -> str:
        return self.master.assignment

    def key(self, handed_in: HandedIn) -> str:
        """The hash of all that the result for this hand-in depends on."""
        seed = student_seed(self.secret, handed_in.student)
        about = asdict(self.limits), self.bare, self.references, self.engine, seed
        return evidence.digest([handed_in.digest, self.master.content, *about])

    def mark(self, handed_in: HandedIn) -> Marked:
        """Judge what one student handed in; never raises."""
        result = Marked(handed_in.student, self.key(handed_in), student_seed(self.secret, handed_in.student))
        try:
            if self.engine != evidence.engine():
                raise RuntimeError("this worker runs another version of the course than whoever marks")
            self._judge(handed_in, result)
        except Unreadable as error:
            result.notes.append(str(error))
            result.verdicts = self._nothing(str(error))
        except Exception as error:  # a fault of ours must cost neither the class nor, unseen, this student
            return self.give_up(handed_in, error)
        return result

    def give_up(self, handed_in: HandedIn, error: BaseException) -> Marked:
        """The result where the marking itself failed."""
        result = Marked(handed_in.student, "", student_seed(self.secret, handed_in.student), notes=[FAILED])
        result.fault = f"{type(error).__name__}: {error}"
        result.verdicts = self._nothing(FAILED)
        return result

    def _judge(self, handed_in: HandedIn, result: Marked) -> None:
        content = self.master.content
        graded = {grade_id(cell) for cell in content.cells} - {""}
        result.file, raw, notebook, result.notes = choose(handed_in, self.master.notebook, graded)
        result.digest = hashlib.sha256(raw).hexdigest()
        repaired = sanitise(notebook, content)
        result.notes += repaired.notes
        result.judged = evidence.digest(repaired.notebook)
        judgement = judge(
            repaired.notebook, self.assignment, result.seed, self.limits, self.bare, self.references
        )
        result.verdicts, result.seconds = judgement.verdicts, round(judgement.seconds, 3)
        result.notes += judgement.notes
        result.cells = [
            Cell.of(cell, judgement.outputs.get(position, [])) for position, cell in enumerate(repaired.notebook.cells)
        ]

    def _nothing(self, reason: str) -> list[Verdict]:
        points = engine_points(self.assignment)
        names = [grade_id(cell).removeprefix("check-") for cell in self.master.content.cells if is_check(cell)]
        return [Verdict(name, "missing", reason, max_points=points[name]) for name in names]


def student_seed(secret: str, student: str) -> str:
    """What a student's cases are drawn from: the same for the same secret, different for everyone."""
    return f"{secret}/{student}"


def mark_class(
    assignment: str,
    place: Path,
    out: Path,
    workers: int = 1,
    secret: str = "",
    bare: bool = False,
    limits: Limits = Limits(),
    progress: Callable[[Iterable[Marked], int], Iterable[Marked]] = lambda results, count: results,
    scheduler: str = "",
    worksheet: Path | None = None,
    deadline: Deadline | None = None,
) -> list[Marked]:
    """Mark every hand-in in `place` and write all results to `out`.

    Args:
        assignment: for instance "part_d".
        place: a folder or a zip, see `submissions`.
        out: is made; an earlier result in it is brought up to date.
        workers: how many hand-ins are judged at once.
        secret: seed of the secret cases; without one that of an earlier result in `out`, or else a fresh one.
        bare: mark without a jail.
        limits: for each hand-in.
        progress: wraps the results as they come, given their number.
        scheduler: address of a dask scheduler, to mark on its workers.
        worksheet: Moodle's grading worksheet; students then are participant numbers.
        deadline: takes points off what the worksheet says came later.

    Returns:
        The results, by student.

    Raises:
        JailUnavailable, BuildError, OSError, ValueError: before anything is marked.
    """
    if not bare:
        require_walls()
    secret = secret or evidence.read(out / "evidence" / "run.json").get("secret") or secrets.token_hex(16)
    marking = Marking(released(assignment), solutions(assignment), secret, limits, bare)
    submissions = submissions_in(place)
    if place.is_dir() and out.resolve().is_relative_to(place.resolve()):
        raise ValueError(f"{out} lies among the hand-ins in {place}; the next marking would take it for one.")
    if worksheet and worksheet.name in OWN_FILES:
        raise ValueError(f"The worksheet is called {worksheet.name}, as one of the results is; give it another name.")
    sheet = Worksheet.read(worksheet) if worksheet else None
    if sheet:
        submissions = _participants(submissions, sheet)
    _clear(out, {submission.student for submission in submissions})
    _write_run(out, marking)
    results = []
    for result in progress(_results(marking, submissions, out, workers, scheduler), len(submissions)):
        if sheet and deadline and result.student in sheet.rows:
            _take_off(result, deadline, sheet.rows[result.student].submitted)
        try:
            _write_feedback(out, marking, result)
        except Exception as error:  # one page that cannot be written stops nobody else's
            result.fault += f"{type(error).__name__}: {error}"
        result.cells = []  # a class must fit into memory
        results.append(result)
    results.sort(key=lambda result: result.student)
    _write_tables(out, marking, results)
    write_report(out, marking.assignment, results, bare)
    if sheet:
        _write_moodle(out, marking, results, sheet, worksheet.name)
    _write_run(out, marking, ended=True)
    return results


def _participants(submissions: list[Submission], sheet: Worksheet) -> list[Submission]:
    """The hand-ins under their participants' numbers; what belongs to nobody in the sheet keeps its name."""
    numbered: dict[str, Submission] = {}
    for submission in submissions:
        number = participant_of(submission.student)
        name = number if number in sheet.rows else submission.student
        into = numbered.setdefault(name, Submission(name))  # of one participant there may be more than one folder
        for part in ("files", "archives", "faults", "others"):
            getattr(into, part).extend(getattr(submission, part))
    return list(numbered.values())


def _results(
    marking: Marking, submissions: list[Submission], out: Path, workers: int, scheduler: str
) -> Iterator[Marked]:
    """Each result as it comes: those that are in the evidence already, then those that have to be judged.

    A result is in the evidence before it is handed on, so that it is never lost.
    """
    changed = []
    for submission in submissions:
        handed_in = submission.load()
        known = _known(out, marking, handed_in)
        if known:
            yield known
        else:
            changed.append(submission)
    if not changed:
        return
    # loaded once more, and only as fast as they are judged: a class must fit into memory
    hand_ins = (submission.load() for submission in changed)
    for result in judged(marking, hand_ins, marking.give_up, min(workers, len(changed)), scheduler):
        try:
            evidence.write(_record_of(out, marking, result.student), _record(marking, result))
        except Exception as error:  # one record that cannot be written stops nobody else's
            result.fault += f"{type(error).__name__}: {error}"
        yield result


def _known(out: Path, marking: Marking, handed_in: HandedIn) -> Marked | None:
    """The result of an earlier marking, if it would come out the same."""
    record = evidence.read(_record_of(out, marking, handed_in.student))
    if not record.get("key") or record["key"] != marking.key(handed_in):
        return None
    try:
        return Marked.from_record(record)
    except (TypeError, KeyError):
        return None


def _take_off(result: Marked, deadline: Deadline, submitted: datetime | None) -> None:
    result.late = min(result.score, round(deadline.share_lost(submitted) * result.max_score, 2))
    if deadline.late(submitted):
        result.notes.append(deadline.sentence(submitted, result.late))


# What is written --------------------------------------------------------------------------


def _clear(out: Path, students: set[str]) -> None:
    """Remove what an earlier marking wrote about people who are no longer there, and only that."""
    for part in ("feedback", "evidence/students"):
        folder = out / part
        if (out / "evidence" / "run.json").exists() and folder.exists():
            kept = {evidence.folder_name(student) for student in students}
            for old in folder.iterdir():
                if old.name not in kept:
                    shutil.rmtree(old, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)


def _record_of(out: Path, marking: Marking, student: str) -> Path:
    return evidence.folder_of(out / "evidence" / "students", student) / f"{marking.master.notebook}.json"


def _record(marking: Marking, result: Marked) -> dict:
    return {
        **asdict(result),
        "assignment": marking.assignment,
        "sha256 of the file": result.digest,
        "sha256 of what was judged": result.judged,
        "sha256 of the master": evidence.digest(marking.master.content),
        "engine": marking.engine,
        "versions": evidence.versions(),
        "limits": asdict(marking.limits),
        "jail": not marking.bare,
    }


def _write_tables(out: Path, marking: Marking, results: list[Marked]) -> None:
    extra, said = (("jail",), ("no",)) if marking.bare else ((), ())
    marks = [
        (r.student, marking.assignment, v.exercise, v.points, v.max_points, v.kind, v.sentence, *said)
        for r in results
        for v in r.verdicts
    ]
    totals = [(r.student, marking.assignment, r.total, r.max_score, *said) for r in results]
    write_sheet(out / "marks.csv", (*MARKS, *extra), marks)
    write_sheet(out / "totals.csv", (*TOTALS, *extra), totals)


def _write_feedback(out: Path, marking: Marking, result: Marked) -> None:
    notes = [*result.notes, *([NO_JAIL] if marking.bare else [])]
    page = feedback_page(
        result.student, marking.assignment, result.verdicts, notes, result.file, result.cells, result.late
    )
    folder = evidence.folder_of(out / "feedback", result.student)
    evidence.write_whole(folder / f"{marking.master.notebook}.html", page.encode("utf-8", "replace"))


def _write_moodle(out: Path, marking: Marking, results: list[Marked], sheet: Worksheet, name: str) -> None:
    """The worksheet with grades and comments, and the feedback pages in the folders that Moodle takes."""
    marks = {}
    with zipfile.ZipFile(out / "feedback.zip.part", "w", zipfile.ZIP_DEFLATED) as archive:
        for result in results:
            row = sheet.rows.get(result.student)
            if row is None or result.fault:
                continue
            share = result.total / result.max_score if result.max_score else 0.0
            marks[row.number] = share * row.maximum, _comment(result)
            page = f"{marking.master.notebook}.html"
            content = (evidence.folder_of(out / "feedback", result.student) / page).read_bytes()
            archive.writestr(zipfile.ZipInfo(f"{feedback_folder(row)}/{page}"), content, zipfile.ZIP_DEFLATED)
    (out / "feedback.zip.part").replace(out / "feedback.zip")
    evidence.write_whole(out / name, sheet.filled(marks))


def _comment(result: Marked) -> str:
    """A line for Moodle's table; the page in feedback.zip says the rest."""
    lost = [f"{v.exercise} {v.points:g}/{v.max_points:g}" for v in result.verdicts if v.points < v.max_points]
    late = f", {result.late:g} points off for lateness" if result.late else ""
    return f"{result.total:g} of {result.max_score:g} points{late}. " + (
        f"Not full marks: {', '.join(lost)}. The feedback file says why." if lost else "Everything is right."
    )


def _write_run(out: Path, marking: Marking, ended: bool = False) -> None:
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    path = out / "evidence" / "run.json"
    record = {
        "assignment": marking.assignment,
        "secret": marking.secret,
        "jail": not marking.bare,
        "limits": asdict(marking.limits),
        "engine": marking.engine,
        "versions": evidence.versions(),
        "started": evidence.read(path).get("started") if ended else now,
        "ended": now if ended else None,
    }
    evidence.write(path, record)
