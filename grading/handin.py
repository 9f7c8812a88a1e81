"""From whatever a student handed in to a notebook that can be judged.

`sanitise` lines a hand-in up with the master: what was deleted is put back,
what was copied is thinned out, what lost its metadata is found again. The
result holds every graded cell exactly once, in the order in which the student
runs them, and says in `notes` what had to be repaired.
"""

from __future__ import annotations

import ast
import json
import re
from dataclasses import dataclass, field

import nbformat
from nbformat import NotebookNode

MAX_CELLS = 5_000


class Unreadable(Exception):
    """A hand-in from which no notebook can be read; the message is for the student."""


@dataclass
class HandIn:
    """A notebook ready to be judged.

    notebook   a v4 notebook; `grade_ids` gives a cell's name
    notes      what was repaired, a sentence each
    """

    notebook: NotebookNode
    notes: list[str] = field(default_factory=list)


def read(name: str, raw: bytes) -> NotebookNode:
    """The notebook in a file as nbformat 4, whatever version it was saved in.

    Args:
        name: of the file, for the sentences.
        raw: its content.

    Raises:
        Unreadable: with a sentence that says what the file is instead.
    """
    encoding = "utf-16" if raw.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    text = raw.decode(encoding, errors="replace")
    if not text.strip("\0 \r\n\t"):
        raise Unreadable(f"{name} is empty.")
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        raise Unreadable(
            f"{name} is not a notebook: it is not in the JSON format of .ipynb files, or it was "
            "cut off when it was saved or uploaded. Hand in the file that Jupyter saved."
        ) from None
    cells = data.get("cells") if isinstance(data, dict) else None
    if isinstance(cells, list) and len(cells) > MAX_CELLS:
        raise Unreadable(f"{name} has {len(cells)} cells; more than {MAX_CELLS} are not marked.")
    try:
        return _version_4(data)
    except Exception:  # nbformat raises many kinds on malformed input
        raise Unreadable(f"{name} is JSON but not a notebook: it has no list of cells.") from None


def _version_4(data) -> NotebookNode:
    if data.get("nbformat", 4) < 4:
        data = nbformat.convert(nbformat.from_dict(data), 4)
    cells = []
    for cell in data["cells"]:  # only what is judged is taken over: no outputs, no attachments
        if not isinstance(cell, dict) or cell.get("cell_type") not in ("code", "markdown", "raw"):
            continue
        source = cell.get("source", "")
        source = "".join(map(str, source)) if isinstance(source, list) else str(source)
        source = source.encode(errors="replace").decode()  # JSON may hold half a character
        metadata = cell.get("metadata") if isinstance(cell.get("metadata"), dict) else {}
        tags = metadata.get("tags")
        kept = {"tags": [t for t in tags if isinstance(t, str)]} if isinstance(tags, list) else {}
        nbgrader = metadata.get("nbgrader")
        if isinstance(nbgrader, dict) and isinstance(nbgrader.get("grade_id"), str):
            kept["nbgrader"] = {"grade_id": nbgrader["grade_id"]}
        fresh = {
            "code": nbformat.v4.new_code_cell,
            "markdown": nbformat.v4.new_markdown_cell,
            "raw": nbformat.v4.new_raw_cell,
        }[cell["cell_type"]](source, metadata=kept)
        if cell["cell_type"] == "code" and isinstance(cell.get("execution_count"), int):
            fresh.execution_count = cell["execution_count"]
        cells.append(fresh)
    return nbformat.v4.new_notebook(cells=cells)


def grade_id(cell: NotebookNode) -> str:
    """The name of a graded cell, "" for any other."""
    return cell.metadata.get("nbgrader", {}).get("grade_id", "")


def sanitise(notebook: NotebookNode, master: NotebookNode) -> HandIn:
    """Line a student's notebook up with the master (the release or the solved one)."""
    graded = {grade_id(cell): cell for cell in master.cells if grade_id(cell)}
    stubs = {name: cell.source for name, cell in graded.items() if not is_check(cell)}
    notes: list[str] = []
    cells = [_copy(cell) for cell in notebook.cells if cell.cell_type == "code"]

    _drop_foreign(cells, graded)
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


def _drop_foreign(cells: list[NotebookNode], graded: dict) -> None:
    """A name that the master does not know makes an ordinary cell."""
    for cell in cells:
        if grade_id(cell) and grade_id(cell) not in graded:
            del cell.metadata["nbgrader"]


def _find_lost_answers(cells: list[NotebookNode], graded: dict, notes: list[str]) -> None:
    """An answer whose cell was made anew is found by the name that it defines."""
    present = {grade_id(cell) for cell in cells}
    for name in graded:
        if name in present or is_check(graded[name]):
            continue
        found = [c for c in cells if not grade_id(c) and answer_name(name) in defined(c.source)]
        for cell in found:
            cell.metadata["nbgrader"] = {"grade_id": name}
        if found:
            notes.append(f"The cell of {name} was replaced; the answer was found in another cell.")
        elif not any(answer_name(name) in defined(cell.source) for cell in cells):
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
