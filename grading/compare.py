"""Whose marks have changed between two markings, and why."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

TOTAL = "total"

Marks = dict[str, dict[str, dict[str, str]]]


def marks_in(out: Path) -> Marks:
    """The rows of the marks.csv of a marking, by student and exercise, with what totals.csv has as "total".

    Raises:
        OSError: if there is none.
        ValueError: if they are other tables.
    """
    found: Marks = defaultdict(dict)
    try:
        for row in _rows(out / "marks.csv"):
            found[row["student"]][row["exercise"]] = row
        for row in _rows(out / "totals.csv"):
            late = sum(float(mark["points"]) for mark in found[row["student"]].values()) - float(row["score"])
            said = f"{late:.3g} points are taken off for lateness." if late > 0.005 else ""
            found[row["student"]][TOTAL] = {"points": row["score"], "max_points": row["max_score"], "message": said}
    except (KeyError, TypeError, csv.Error):
        raise ValueError(f"The tables in {out} are not those of a marking.") from None
    return dict(found)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def changes(old: Mapping, new: Mapping) -> list[str]:
    """A line for each mark that has changed, a student's lines together.

    >>> row = {"points": "1", "max_points": "2", "message": "A."}
    >>> changes({"ada": {"relu": row}}, {"ada": {"relu": row | {"points": "2", "message": "right."}}})
    ['ada, relu: 1 → 2 of 2. Before: A. Now: right.']
    """
    lines = []
    for student in sorted(old.keys() | new.keys()):
        before, now = old.get(student, {}), new.get(student, {})
        if before and now:
            exercises = dict.fromkeys([*before, *now])
            lines += [_change(student, name, before.get(name), now.get(name)) for name in exercises]
        else:
            lines.append(_change(student, TOTAL, before.get(TOTAL), now.get(TOTAL)))
    return [line for line in lines if line]


def _change(student: str, exercise: str, before: Mapping | None, now: Mapping | None) -> str:
    """The line for one mark, "" if it is as it was."""
    who = f"{student}, {exercise}"
    if before is None or now is None:
        there, row = ("is new", now) if before is None else ("is no longer there", before)
        return f"{who}: {there}, {row['points']} of {row['max_points']}." if row else ""
    if float(before["points"]) == float(now["points"]):
        return ""
    said = [f"{when}: {row['message']}" for when, row in (("Before", before), ("Now", now)) if row["message"]]
    return " ".join([f"{who}: {before['points']} → {now['points']} of {now['max_points']}.", *said])
