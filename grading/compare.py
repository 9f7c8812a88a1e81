"""Whose marks have changed between two markings, and why."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

Marks = dict[tuple[str, str], dict[str, str]]


def marks_in(out: Path) -> Marks:
    """The rows of the marks.csv of a marking, by student and exercise.

    Raises:
        OSError: if there is none.
    """
    with (out / "marks.csv").open(encoding="utf-8", newline="") as file:
        return {(row["student"], row["exercise"]): row for row in csv.DictReader(file)}


def changes(old: Mapping, new: Mapping) -> list[str]:
    """A line for each mark that has changed, a student's lines together.

    >>> row = {"points": "1", "max_points": "2", "verdict": "wrong values", "message": "A."}
    >>> changes({("ada", "relu"): row}, {("ada", "relu"): row | {"points": "2", "message": "right."}})
    ['ada, relu: 1 → 2 of 2. Before: A. Now: right.']
    """
    lines = []
    for key in sorted(old.keys() | new.keys()):
        before, now = old.get(key), new.get(key)
        who = ", ".join(key)
        if before is None or now is None:
            there, row = ("is new", now) if before is None else ("is no longer there", before)
            lines.append(f"{who}: {there}, {row['points']} of {row['max_points']}.")
        elif float(before["points"]) != float(now["points"]):
            why = f"Before: {before['message']} Now: {now['message']}"
            lines.append(f"{who}: {before['points']} → {now['points']} of {now['max_points']}. {why}")
    return lines
