"""From whatever a student handed in to a notebook that can be judged.

`sanitise` lines a hand-in up with the master: what was deleted is put back,
what was copied is thinned out, what lost its metadata is found again. The
result holds every graded cell exactly once, in the order in which the student
runs them, and says in `notes` what had to be repaired.
"""

from __future__ import annotations

import ast
import codecs
import json
import re
from dataclasses import dataclass, field

import nbformat
from nbformat import NotebookNode

MAX_CELLS = 5_000
MAX_CODE = 1_000_000  # characters of all cells together, for which Python's parser may take half a gigabyte
LARGE = 5_000_000  # bytes; nobody writes as much, so it must be outputs
BLANK = "\0 \r\n\t"
_V4 = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}}  # made by hand: nbformat would check each cell, slowly


class Unreadable(Exception):
    """A hand-in from which no notebook can be read; the message is for the student."""


@dataclass
class HandIn:
    """A notebook, and what was repaired in it: a sentence each in `notes`."""

    notebook: NotebookNode
    notes: list[str] = field(default_factory=list)


def read(name: str, raw: bytes) -> HandIn:
    """The code of a notebook as nbformat 4, whatever version it was saved in.

    Args:
        name: of the file, for the sentences.
        raw: its content.

    Raises:
        Unreadable: with a sentence that says what the file is instead.
    """
    notes: list[str] = []
    encoding = json.detect_encoding(raw)
    text = raw.decode(encoding, errors="replace")
    if not text.strip(BLANK):
        raise Unreadable(f"{name} is empty.")
    if encoding not in ("utf-8", "utf-8-sig"):
        notes.append(f"{name} is written in {encoding.upper()} instead of UTF-8; it was read all the same.")
    elif text.encode() != raw.removeprefix(codecs.BOM_UTF8):
        notes.append(f"{name} is not written in UTF-8; characters that cannot be read were replaced.")
    if text.rstrip("\r\n\t ").endswith("\0"):
        notes.append(f"{name} ended in bytes that are no text; they were left out.")
    try:
        data = json.loads(text.strip(BLANK), strict=False)
    except (ValueError, RecursionError):
        raise Unreadable(
            f"{name} is not a notebook: it is not in the JSON format of .ipynb files, or it was "
            "cut off when it was saved or uploaded. Hand in the file that Jupyter saved."
        ) from None
    try:
        found = _cells_in(data)
    except (AttributeError, KeyError, TypeError):
        raise Unreadable(f"{name} is JSON but not a notebook: it has no list of cells.") from None
    if len(found) > MAX_CELLS:
        raise Unreadable(f"{name} has {len(found)} cells; more than {MAX_CELLS} are not marked.")
    if len(raw) > LARGE:
        notes.append(f"{name} has {len(raw) / 10**6:.0f} MB because of its outputs, which are not marked; clear them next time.")
    _note_formats(data, found, notes)
    return HandIn(nbformat.from_dict(_V4 | {"cells": _code(found, notes)}), notes)


def _cells_in(data) -> list:
    """The cells, which formats before 4 keep on worksheets."""
    cells = data["cells"] if "cells" in data else [cell for sheet in data["worksheets"] for cell in sheet["cells"]]
    if not isinstance(cells, list):
        raise TypeError
    return cells


def _note_formats(data: dict, cells: list, notes: list[str]) -> None:
    """Say which formats are not those of the release."""
    if "cells" not in data:
        notes.append("It was saved in an old format of notebooks and was converted.")
    language = _dict(_dict(data.get("metadata")).get("kernelspec")).get("language", "python")
    if str(language).lower() != "python":
        notes.append(f"It asks for a kernel of {str(language)[:40]}; it was run with Python.")
    if any(_nbgrader(cell).get("schema_version", 3) != 3 for cell in cells):
        notes.append("Its cells carry nbgrader's metadata in another version than the release, whose own counts.")


def _code(cells: list, notes: list[str]) -> list[dict]:
    """The code cells: what is judged and no more, so no outputs, texts or attachments."""
    found, left, broken = [], MAX_CODE, 0
    for cell in cells:
        if not isinstance(cell, dict):
            broken += 1
            continue
        if cell.get("cell_type") != "code":
            continue
        source = cell.get("source", cell.get("input", ""))  # formats before 4 call it input
        source = "".join(map(str, source)) if isinstance(source, list) else str(source)
        if len(source) > left:
            notes.append(f"A cell with {len(source)} characters was left out: more than {MAX_CODE} in all are not run.")
            source = ""
        left -= len(source)
        found.append(_as_code(cell, _clean(source, notes)))
    if broken:
        notes.append(f"{broken} of its cells {'is' if broken == 1 else 'are'} no cells of a notebook and were left out.")
    return found


def _clean(source: str, notes: list[str]) -> str:
    """Without what Python cannot read: null bytes, and the half characters that JSON may hold."""
    clean = source.replace("\0", "").encode(errors="replace").decode()
    note = "A cell held null bytes or half a character; they were left out or became question marks."
    if clean != source and note not in notes:
        notes.append(note)
    return clean


def _as_code(cell: dict, source: str) -> dict:
    metadata: dict = {}
    tags = _dict(cell.get("metadata")).get("tags")
    if isinstance(tags, list):
        metadata["tags"] = [tag for tag in tags if isinstance(tag, str)]
    if isinstance(_nbgrader(cell).get("grade_id"), str):
        metadata["nbgrader"] = {"grade_id": _nbgrader(cell)["grade_id"]}
    count = cell.get("execution_count", cell.get("prompt_number"))
    return {
        "cell_type": "code",
        "metadata": metadata,
        "source": source,
        "execution_count": count if isinstance(count, int) else None,
        "outputs": [],
    }


def _nbgrader(cell) -> dict:
    return _dict(_dict(_dict(cell).get("metadata")).get("nbgrader"))


def _dict(item) -> dict:
    return item if isinstance(item, dict) else {}


def grade_id(cell: NotebookNode) -> str:
    """The name of a graded cell, "" for any other."""
    return cell.metadata.get("nbgrader", {}).get("grade_id", "")


def sanitise(notebook: NotebookNode, master: NotebookNode) -> HandIn:
    """Line a student's notebook up with the master (the release or the solved one)."""
    graded = {grade_id(cell): cell for cell in master.cells if grade_id(cell)}
    stubs = {name: cell.source for name, cell in graded.items() if not is_check(cell)}
    notes: list[str] = []
    cells = [_copy(cell) for cell in notebook.cells if cell.cell_type == "code"]

    _put_first_what_was_given(cells, master, notes)
    _drop_foreign(cells, graded, notes)
    _find_lost_answers(cells, graded, notes)
    cells = _thin_out_copies(cells, graded, stubs, notes)
    _put_back(cells, graded, notes)
    for position, cell in enumerate(cells):
        name = grade_id(cell)
        if name and is_check(graded[name]):
            cells[position] = _copy(graded[name])  # whatever the student made of it
        elif name:
            cell.metadata = _copy(graded[name]).metadata
    for number, cell in enumerate(cells):
        cell.id = grade_id(cell) or f"cell-{number}"
        cell.pop("outputs", None)
        cell.outputs, cell.execution_count = [], None
    return HandIn(nbformat.v4.new_notebook(cells=cells, metadata=master.metadata), notes)


def is_check(cell: NotebookNode) -> bool:
    return grade_id(cell).startswith("check-")


def _copy(cell: NotebookNode) -> NotebookNode:
    return nbformat.from_dict(json.loads(json.dumps(cell)))


def _put_first_what_was_given(cells: list[NotebookNode], master: NotebookNode, notes: list[str]) -> None:
    """What the release runs beside the answers, its imports: nobody's answers fail for want of them."""
    ordinary = [cell for cell in master.cells if cell.cell_type == "code" and not grade_id(cell)]
    given = [cell for cell in ordinary if "explore" not in cell.metadata.get("tags", ())]
    present = {cell.source.strip() for cell in cells}
    lost = [_copy(cell) for cell in given if cell.source.strip() not in present]
    cells[:0] = lost
    if lost:
        notes.append("The cell with the imports was changed or deleted; that of the release was run before all others.")


def _drop_foreign(cells: list[NotebookNode], graded: dict, notes: list[str]) -> None:
    """A name that the master does not know makes an ordinary cell."""
    foreign = [cell for cell in cells if grade_id(cell) and grade_id(cell) not in graded]
    if foreign:
        names = ", ".join(dict.fromkeys(grade_id(cell)[:40] for cell in foreign[:3]))
        more = " and others" if len(foreign) > 3 else ""
        notes.append(f"There are cells of another assignment ({names}{more}); they were run, but earn nothing here.")
    for cell in foreign:
        del cell.metadata["nbgrader"]


def _find_lost_answers(cells: list[NotebookNode], graded: dict, notes: list[str]) -> None:
    """An answer whose cell was made anew is found by the name that it defines."""
    present = {grade_id(cell) for cell in cells}
    lost = [name for name in graded if name not in present and not is_check(graded[name])]
    names = [defined(cell.source) for cell in cells] if lost else []
    for name in lost:
        defining = [cell for cell, own in zip(cells, names) if answer_name(name) in own]
        found = [cell for cell in defining if not grade_id(cell)]
        for cell in found:
            cell.metadata["nbgrader"] = {"grade_id": name}
        if found:
            notes.append(f"The cell of {name} was replaced; the answer was found in another cell.")
        elif not defining:
            notes.append(f"The cell of {name} is missing.")


def answer_name(name: str) -> str:
    """What an exercise or a question makes a student define.

    >>> answer_name("convolve"), answer_name("question-1")
    ('convolve', 'answer_1')
    """
    return name.replace("question-", "answer_")


def defined(source: str) -> set[str]:
    """The names that a cell defines at its top level, as far as it can be read.

    >>> sorted(defined("def f(x):\\n    y = x\\nanswer_1, z = 'b', 2"))
    ['answer_1', 'f', 'z']
    """
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set(re.findall(r"^def (\w+)", source, re.M)) | set(re.findall(r"^(\w+) *=", source, re.M))
    names = set()
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef)):
            names.add(node.name)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)}
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names |= {alias.asname or alias.name for alias in node.names}
    return names


def _thin_out_copies(cells, graded: dict, stubs: dict[str, str], notes: list[str]) -> list:
    """Of copies the last that was run counts; a copy in which nothing was written never does.

    A copy that does not define the answer, one to try it out or the half of a split cell, is an
    ordinary cell. Copies of a check cell: the last, so that all answers above it have been run.
    """
    drop = set()
    for name in graded:
        copies = [i for i, cell in enumerate(cells) if grade_id(cell) == name]
        if len(copies) > 1 and not is_check(graded[name]):
            answers = [i for i in copies if answer_name(name) in defined(cells[i].source)]
            for i in copies if answers else ():
                if i not in answers:
                    del cells[i].metadata["nbgrader"]
            copies = answers or copies
        if len(copies) < 2:
            continue
        written = [i for i in copies if cells[i].source.strip() != stubs.get(name, "").strip()]
        candidates = written or copies
        run = [i for i in candidates if cells[i].execution_count is not None]
        kept = (run or candidates)[-1]
        drop |= {i for i in copies if i != kept}
        if not is_check(graded[name]):
            notes.append(f"There were {len(copies)} cells of {name}; the last one that was run counts.")
    return [cell for i, cell in enumerate(cells) if i not in drop]


def _put_back(cells: list[NotebookNode], graded: dict, notes: list[str]) -> None:
    """Every answer has a place, and its check comes after it."""
    for name, cell in graded.items():
        if is_check(cell):
            continue
        check = f"check-{name}"
        position = {grade_id(c): i for i, c in enumerate(cells) if grade_id(c)}
        if name not in position:
            empty = _copy(cell)
            empty.source = ""
            cells.insert(position.get(check, len(cells)), empty)
            position = {grade_id(c): i for i, c in enumerate(cells) if grade_id(c)}
        if check not in graded:
            continue
        if check not in position:
            notes.append(f"The check cell of {name} was deleted; it was put back.")
            cells.insert(position[name] + 1, _copy(graded[check]))
        elif position[check] < position[name]:
            moved = cells.pop(position[check])
            cells.insert(position[name], moved)  # one place to the left of where it was
