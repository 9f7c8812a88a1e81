"""Moodle's files: the grading worksheet, and the folders of a bulk download and of a feedback upload.

Everything is joined on the participant number, which Moodle writes into both:
"Participant 4711" in the worksheet's first column, and
"Zoë O'Neill-Smith_4711_assignsubmission_file" as the name of a folder.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from .sheets import safe_cell

IDENTIFIER, NAME, GRADE, MAXIMUM = "Identifier", "Full name", "Grade", "Maximum Grade"
SUBMITTED, COMMENTS = "Last modified (submission)", "Feedback comments"
NEEDED = (IDENTIFIER, GRADE, MAXIMUM, COMMENTS)

# Newer Moodles end the folder's name with "file", older ones with "file_"; where submissions are not
# downloaded in folders, the file's own name follows. A name may itself hold underscores.
_FOLDER = re.compile(r"(?P<name>.*)_(?P<number>\d+)_assignsubmission_file(?:_(?P<file>.*))?", re.DOTALL)
# Moodle writes times in the language pack's long form; English ones differ by country.
_TIMES = (
    "%A, %d %B %Y, %I:%M %p", "%A, %d %B %Y, %H:%M", "%A, %B %d, %Y, %I:%M %p", "%A, %B %d, %Y, %H:%M",
    "%d %B %Y, %I:%M %p", "%d %B %Y, %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M",
)  # fmt: skip


class WorksheetError(ValueError):
    """A worksheet that cannot be used; the message says what to download instead."""


@dataclass(frozen=True)
class Row:
    """A participant: `number` as a text, `maximum` of the grade, when the hand-in was `submitted`, if it was."""

    number: str
    name: str
    maximum: float
    submitted: datetime | None


@dataclass(frozen=True)
class Field:
    """A cell of the sheet: what it says, and where it stands in the text."""

    value: str
    start: int
    end: int


class Worksheet:
    """A grading worksheet. `filled` gives it back with grades and comments, and every other byte as it was.

    Raises:
        WorksheetError: if it is none.
    """

    def __init__(self, raw: bytes):
        self._encoding = _encoding_of(raw)
        self._text = raw.decode(self._encoding)
        heading, *rows = _records(self._text)
        names = [field.value.lstrip("\ufeff") for field in heading]
        missing = [name for name in NEEDED if name not in names]
        if missing:
            raise WorksheetError(
                f"The worksheet has no column {' and no column '.join(map(repr, missing))}; its columns are "
                f"{', '.join(names)}. Download it in Moodle, in English, under Submissions, Download grading "
                "worksheet; the assignment's settings must allow offline grading worksheets and feedback comments."
            )
        self._column = {name: position for position, name in enumerate(names)}
        self._fields = {}
        self.rows: dict[str, Row] = {}
        for fields in rows:
            if len(fields) == 1 and not fields[0].value.strip():
                continue  # an empty line
            if len(fields) < len(names):
                raise WorksheetError(f"A row of the worksheet is cut off: {fields[0].value[:60]!r}.")
            row = self._row(fields)
            if row.number in self.rows:
                raise WorksheetError(f"Participant {row.number} stands twice in the worksheet.")
            self.rows[row.number], self._fields[row.number] = row, fields

    @classmethod
    def read(cls, path: Path) -> Worksheet:
        return cls(path.read_bytes())

    def _row(self, fields: list[Field]) -> Row:
        identifier = self._value(fields, IDENTIFIER)
        number = re.search(r"\d+", identifier)
        if number is None:
            raise WorksheetError(f"There is no participant number in {identifier[:60]!r}, the first cell of a row.")
        maximum = self._value(fields, MAXIMUM).replace(",", ".")
        try:
            maximum = float(maximum)
        except ValueError:
            raise WorksheetError(
                f"The maximum grade of participant {number[0]} is {maximum!r}: the assignment must be graded in points."
            ) from None
        return Row(number[0], self._value(fields, NAME), maximum, moment(self._value(fields, SUBMITTED)))

    def _value(self, fields: list[Field], name: str) -> str:
        return fields[self._column[name]].value.strip() if name in self._column else ""

    def filled(self, marks: Mapping[str, tuple[float, str]]) -> bytes:
        """The worksheet's bytes with these grades and comments, by participant number.

        A grade is rounded to Moodle's two digits; it must not be above the maximum, or Moodle ignores the row.
        """
        changes = []
        for number, (grade, comment) in marks.items():
            grade = min(max(grade, 0.0), self.rows[number].maximum)
            for name, value in ((GRADE, f"{grade:.2f}"), (COMMENTS, _comment(comment))):
                field = self._fields[number][self._column[name]]
                changes.append((field.start, field.end, _quoted(value)))
        text = self._text
        for start, end, value in sorted(changes, reverse=True):
            text = text[:start] + value + text[end:]
        return text.encode(self._encoding)


def participant_of(folder: str) -> str | None:
    """The participant number in the name of a folder, or of a file, of a bulk download.

    >>> participant_of("Zoë O'Neill-Smith_4711_assignsubmission_file"), participant_of("ada")
    ('4711', None)
    """
    found = _FOLDER.fullmatch(folder)
    return found["number"] if found else None


def file_in(name: str) -> str | None:
    """The student's own name for a file of a bulk download without folders.

    >>> file_in("Jo_5_assignsubmission_file_part_d.ipynb"), file_in("Jo_5_assignsubmission_file_")
    ('part_d.ipynb', None)
    """
    found = _FOLDER.fullmatch(name)
    return (found["file"] or None) if found else None


def feedback_folder(row: Row) -> str:
    """The folder of a participant in a zip that Moodle takes as feedback files.

    >>> feedback_folder(Row("5", "Ann_Marie O/Hara", 20, None))
    'Ann Marie O Hara_5_assignsubmission_file'
    """
    name = re.sub(r'[\x00-\x1f/\\:*?"<>|_]+', " ", row.name).strip() or "Participant"
    return f"{name}_{row.number}_assignsubmission_file"


def moment(text: str) -> datetime | None:
    """A time as Moodle writes it, or as people type it; "" and "-" are none.

    Raises:
        ValueError: if it is another text.

    >>> moment("Friday, 20 November 2026, 4:59 PM") == moment("2026-11-20 16:59")
    True
    """
    text = " ".join(text.split())  # Moodle has narrow spaces before PM
    if text in ("", "-"):
        return None
    for form in _TIMES:
        try:
            return datetime.strptime(text.replace("am", "AM").replace("pm", "PM"), form)
        except ValueError:
            continue
    raise ValueError(f"{text!r} is no time that can be read; write for instance 2026-11-20 17:00")


def _encoding_of(raw: bytes) -> str:
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16-le" if raw.startswith(b"\xff\xfe") else "utf-16-be"  # keeps the mark, as a character
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return "cp1252" if b"\x00" not in raw and _decodes(raw, "cp1252") else "latin-1"  # a spreadsheet saved it
    return "utf-8"


def _decodes(raw: bytes, encoding: str) -> bool:
    try:
        raw.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _records(text: str) -> list[list[Field]]:
    """The cells of a CSV, row by row, with their places: `csv` would not tell where they stand."""
    first_line = text.lstrip("\ufeff").partition("\n")[0]
    delimiter = re.escape(max(",;\t", key=first_line.count))
    cell = re.compile(rf'(?:"((?:[^"]|"")*)"|((?!")[^{delimiter}\r\n]*))({delimiter}|\r\n|\r|\n|\Z)')
    records, fields, place = [], [], len(text) - len(text.lstrip("\ufeff"))
    while True:
        found = cell.match(text, place)
        if found is None:
            raise WorksheetError(f"The worksheet is no CSV: a quote is not closed near {text[place : place + 40]!r}.")
        value = found[1].replace('""', '"') if found[1] is not None else found[2]
        fields.append(Field(value, found.start(), found.start(3)))
        place = found.end()
        if not re.fullmatch(delimiter, found[3]):
            records.append(fields)
            fields = []
            if place >= len(text):
                return records


def _comment(text: str) -> str:
    """As HTML, which Moodle takes comments for, and never the start of a formula."""
    return html.escape(safe_cell(text), quote=False)


def _quoted(value: str) -> str:
    return '"' + value.replace('"', '""') + '"' if re.search(r'[",;\t\r\n]', value) else value
