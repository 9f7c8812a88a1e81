"""The two tables of a marked class: marks.csv and totals.csv."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from .printed import plain_text

MARKS = ("student", "assignment", "exercise", "points", "max_points", "verdict", "message")
TOTALS = ("student", "assignment", "score", "max_score")


def write_sheet(path: Path, heading: Sequence[str], rows: Iterable[Sequence]) -> None:
    """Write a table as CSV, which spreadsheets open without running anything in it."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(heading)
        writer.writerows([safe_cell(item) for item in row] for row in rows)


def safe_cell(item) -> str:
    """One cell: on one line, no control characters, and never the start of a formula.

    >>> safe_cell("=1+1"), safe_cell(2.0), safe_cell(0.5), safe_cell("two\\nlines")
    ("'=1+1", '2', '0.5', 'two lines')
    """
    if isinstance(item, float):
        return f"{item:g}"
    text = " ".join(plain_text(str(item)).split())
    # full-width forms are signs of a formula to some spreadsheets, too
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "＝", "＋", "－", "＠")) else text
