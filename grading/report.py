"""The class at a glance: how each exercise went, which misconceptions are frequent, and everybody's marks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2

from pnnlib.exercises import exercises_of
from pnnlib.exercises.diagnosis import Verdict

from .printed import plain_text
from .sheets import write_sheet

if TYPE_CHECKING:
    from .mark import Marked

HEADING = ("exercise", "answers", "right", "share_right", "mean_points", "max_points", "misconception", "times")
BINS = 10


@dataclass(frozen=True)
class Summary:
    """How one exercise went.

    misconceptions  (times, name, sentence), the most frequent first
    other           how many were wrong in another way
    missing         how many handed in nothing for it
    """

    exercise: str
    answers: int
    right: int
    mean: float
    max_points: float
    misconceptions: tuple[tuple[int, str, str], ...]
    other: int
    missing: int

    @property
    def share(self) -> float:
        return self.right / self.answers if self.answers else 0.0


def summaries(assignment: str, results: Sequence[Marked]) -> list[Summary]:
    """One for each exercise and question, in the order of the assignment."""
    by_exercise: dict[str, list[Verdict]] = {}
    for result in results:
        for verdict in result.verdicts:
            by_exercise.setdefault(verdict.exercise, []).append(verdict)
    return [_summary(assignment, name, verdicts) for name, verdicts in by_exercise.items()]


def _summary(assignment: str, name: str, verdicts: list[Verdict]) -> Summary:
    exercise = exercises_of(assignment).get(name)
    why = {chaff.name: chaff.why for chaff in exercise.chaffs} if exercise else {}
    named = Counter(verdict.chaff for verdict in verdicts if verdict.chaff)
    missing = sum(verdict.kind in ("missing", "not implemented") for verdict in verdicts)
    right = sum(verdict.passed for verdict in verdicts)
    return Summary(
        name,
        len(verdicts),
        right,
        sum(verdict.points for verdict in verdicts) / len(verdicts),
        verdicts[0].max_points,
        tuple((times, chaff, why.get(chaff, f"the answer {chaff}")) for chaff, times in named.most_common()),
        len(verdicts) - right - missing - sum(named.values()),
        missing,
    )


def write_report(out: Path, assignment: str, results: Sequence[Marked], bare: bool = False) -> None:
    """Write report.html and report.csv into `out`; what the marking failed on counts in neither.

    Args:
        out: an existing folder.
        assignment: for instance "part_d".
        results: one for each student.
        bare: say that they were marked without a jail.
    """
    found = summaries(assignment, [result for result in results if not result.fault])
    (out / "report.html").write_text(_page(assignment, found, results, bare), encoding="utf-8", errors="replace")
    rows = []
    extra, said = (("jail",), ("no",)) if bare else ((), ())
    for item in found:
        common = (item.exercise, item.answers, item.right, item.share, item.mean, item.max_points)
        rows += [(*common, sentence, times, *said) for times, _, sentence in item.misconceptions] or [(*common, "", 0, *said)]
    write_sheet(out / "report.csv", (*HEADING, *extra), rows)


def _page(assignment: str, found: list[Summary], results: Sequence[Marked], bare: bool) -> str:
    marked = [result for result in results if result.max_score and not result.fault]
    shares = [result.total / result.max_score for result in marked]
    bins = Counter(min(int(share * BINS), BINS - 1) for share in shares)
    names = [item.exercise for item in found]
    return _template().render(
        assignment=assignment,
        bare=bare,
        count=len(results),
        mean=f"{sum(r.total for r in marked) / len(marked):.3g}" if marked else "–",
        max_score=f"{results[0].max_score:g}" if results else "–",
        summaries=found,
        bins=[(f"{100 * i // BINS}–{100 * (i + 1) // BINS} %", bins[i], bins[i] / max(bins.values())) for i in range(BINS)]
        if bins else [],
        names=names,
        students=[_student(result, names) for result in results],
        faults=[plain_text(f"{result.student}: {result.fault}") for result in results if result.fault],
    )  # fmt: skip


def _student(result: Marked, names: list[str]) -> dict:
    points = {verdict.exercise: verdict for verdict in result.verdicts}
    cells = [points.get(name) for name in names]
    return {
        "name": plain_text(result.student),
        "total": f"{result.total:g}",
        "late": f"{result.late:g}" if result.late else "",
        "cells": [("", "open") if v is None else (f"{v.points:g}", _style(v)) for v in cells],
    }


def _style(verdict: Verdict) -> str:
    return "right" if verdict.passed else "part" if verdict.points else "wrong"


@cache
def _template() -> jinja2.Template:
    source = Path(__file__).with_name("report.html").read_text(encoding="utf-8")
    return jinja2.Environment(autoescape=True, trim_blocks=True, undefined=jinja2.StrictUndefined).from_string(source)
