"""The text masters of the notebooks: read, checked, with and without their solutions.

A master is a Python file in grading/source: cells in jupytext's py:percent
form, with solutions. Its header names the notebook, and the assignment if it
is marked:

    # ---
    # jupyter:
    #   course:
    #     notebook: part_d_convolution
    #     assignment: part_d
    # ---

An exercise is two cells, a question likewise:

    # %% nbgrader={"grade_id": "convolve", "solution": true}
    # %% nbgrader={"grade_id": "check-convolve", "grade": true}

A file whose name starts with an underscore is no master. Nothing here needs
nbgrader, which takes seconds to import.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import jupytext
import nbformat
from nbformat import NotebookNode

from pnnlib.exercises import exercises_of

from .handin import answer_name, defined, grade_id, is_check
from .questions import questions_of

SOURCE = Path(__file__).resolve().parent / "source"
BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"

# All that a notebook says about its language; anything more would change with who builds it.
NOTEBOOK_METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
# How a cell is written in the text, which is nothing to a notebook.
JUPYTEXT_KEYS = ("cell_marker", "lines_to_next_cell", "lines_to_end_of_cell_marker")


class BuildError(Exception):
    """A master cannot be released; the message says where and what to do."""


@dataclass(frozen=True)
class Master:
    """A master as a notebook that nbgrader understands, with its solutions.

    notebook    file name without .ipynb
    assignment  nbgrader's name for it, "" if it is not marked
    """

    path: Path
    notebook: str
    assignment: str
    content: NotebookNode


def engine_points(part: str) -> dict[str, float]:
    """What every exercise and question of a part is worth, by name.

    >>> engine_points("part_d")["conv_layer"]
    3.0
    """
    try:
        graded = [*exercises_of(part).values(), *questions_of(part).values()]
    except ValueError as error:
        raise BuildError(f"assignment {part}: {error}") from None
    return {item.name: float(item.points) for item in graded}


def released(assignment: str, source: Path = SOURCE) -> Master:
    """The master of an assignment as students receive it, without its solutions.

    Raises:
        BuildError: if no master names this assignment.
    """
    master = _master_of(assignment, source)
    for cell in master.content.cells:
        leave_stub(cell)
    return master


def solutions(assignment: str, source: Path = SOURCE) -> dict[str, str]:
    """The right answers of an assignment's master: the source of each solution cell, by name."""
    found = {}
    for cell in _master_of(assignment, source).content.cells:
        if grade_id(cell) and not is_check(cell):
            lines = cell.source.splitlines()
            found[grade_id(cell)] = "\n".join(line for line in lines if line.strip() not in (BEGIN, END))
    return found


def _master_of(assignment: str, source: Path) -> Master:
    masters = [read_master(path) for path in sorted(source.glob("[!_]*.py"))]
    for master in masters:
        if master.assignment == assignment:
            return master
    known = ", ".join(master.assignment for master in masters if master.assignment)
    raise BuildError(f"There is no assignment {assignment}; the assignments are {known}.")


# Masters ----------------------------------------------------------------------------------


def read_master(path: Path, points_of: Callable[[str], Mapping[str, float]] = engine_points) -> Master:
    """The master in `path`, complete: nbgrader's metadata, cell ids that stay, nothing run."""
    content = jupytext.read(path, fmt="py:percent")
    header = content.metadata.get("course", {})
    if "notebook" not in header:
        raise BuildError(
            f"{path.name}: the header does not name the notebook. Start the file with\n"
            "# ---\n# jupyter:\n#   course:\n#     notebook: part_x_title\n#     assignment: part_x\n# ---\n"
            "and leave the line with assignment out if it is not marked."
        )
    assignment = header.get("assignment", "")
    _complete(path, content, points_of(assignment) if assignment else {})
    _fix_ids(content)
    for cell in content.cells:
        for key in JUPYTEXT_KEYS:
            cell.metadata.pop(key, None)
    content.metadata = nbformat.from_dict(NOTEBOOK_METADATA)
    return Master(path, header["notebook"], assignment, content)


def _complete(path: Path, content: NotebookNode, points: Mapping[str, float]) -> None:
    """Write nbgrader's metadata out in full; refuse whatever it would release or mark wrongly."""
    expected = [name for exercise in points for name in (exercise, f"check-{exercise}")]
    seen: dict[str, int] = {}
    for number, cell in enumerate(content.cells, start=1):
        place = f"{path.name}, cell {number}"
        name = grade_id(cell)
        if not name:
            if "nbgrader" in cell.metadata:
                raise BuildError(f'{place}: its nbgrader metadata lacks a "grade_id".')
            if BEGIN in cell.source or END in cell.source:
                raise BuildError(
                    f"{place}: a solution stands in a cell that is not marked as one, so students would "
                    'see it. Write # %% nbgrader={"grade_id": "<exercise>", "solution": true}'
                )
            continue
        if name in seen:
            raise BuildError(f"{place}: {name} stands already in cell {seen[name]}. Remove one of the two.")
        if name not in expected:
            known = ", ".join(points) or "none, because the header names no assignment"
            raise BuildError(f"{place}: there is no exercise for {name}. The exercises are {known}.")
        seen[name] = number
        exercise = name.removeprefix("check-")
        check = name != exercise
        _refuse_mislabelled(place, cell, name, check)
        if check and exercise not in seen:
            raise BuildError(f"{place}: {name} comes before {exercise}. Put the check below the answer.")
        cell.metadata.nbgrader = nbformat.from_dict(
            {
                "schema_version": 3,
                "grade_id": name,
                "cell_type": cell.cell_type,
                "solution": not check,
                "grade": check,
                "locked": check,
                "task": False,
            }
            | ({"points": points[exercise]} if check else {})
        )
    missing = [name for name in expected if name not in seen]
    if missing:
        raise BuildError(f"{path.name}: no cell has the grade_id {', '.join(missing)}. Add it.")


def _refuse_mislabelled(place: str, cell: NotebookNode, name: str, check: bool) -> None:
    given = cell.metadata.nbgrader
    right, wrong = ("grade", "solution") if check else ("solution", "grade")
    if not given.get(right) or given.get(wrong):
        raise BuildError(f'{place}: {name} must be marked {{"grade_id": "{name}", "{right}": true}} and no more.')
    if cell.cell_type != "code":
        raise BuildError(f"{place}: {name} must be a code cell; the judge calls what it defines.")
    if check:
        return
    marks = re.findall(f"{BEGIN}|{END}", cell.source)
    if not marks or marks != [BEGIN, END] * (len(marks) // 2):  # not closed, or one within another
        raise BuildError(f'{place}: put the answer of {name} between "{BEGIN}" and "{END}".')
    answer = answer_name(name)
    if answer not in defined(cell.source):
        raise BuildError(f"{place}: the cell does not define {answer}, the name that the judge looks for.")


def _fix_ids(content: NotebookNode) -> None:
    """A graded cell is called after its exercise, any other after its text.

    So an id stays when other cells come or go, and hand-ins of different
    builds can be compared.
    """
    copies: dict[str, int] = {}
    for cell in content.cells:
        cell.id = grade_id(cell) or hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:8]
        copies[cell.id] = copies.get(cell.id, 0) + 1
        if copies[cell.id] > 1:
            cell.id += f"-{copies[cell.id]}"


# Without solutions ------------------------------------------------------------------------


def leave_stub(cell: NotebookNode) -> None:
    """Put a line that names what is missing in the place of a solution."""
    answer = answer_name(grade_id(cell))
    if answer.startswith("answer_"):
        stub = f"{answer} = None  # your {_kind_of_answer(cell.source, answer)} instead of None"
    else:
        stub = f'raise NotImplementedError("{answer} is not written yet")  # replace this line'
    solution = re.compile(rf"^([ \t]*){BEGIN}$.*?^[ \t]*{END}$", re.MULTILINE | re.DOTALL)
    cell.source = solution.sub(lambda found: found[1] + stub, cell.source)
    if "explore" in cell.metadata.get("tags", ()):
        # it may call an exercise that is still open; "run all cells" must go on after it
        cell.metadata["tags"] = [*cell.metadata["tags"], "raises-exception"]


def _kind_of_answer(source: str, name: str) -> str:
    """What a student is to write, from what the solution is.

    >>> _kind_of_answer("answer_1 = 'c'", "answer_1"), _kind_of_answer("answer_2 = [0.5, -1]", "answer_2")
    ('letter', '2 numbers [..., ...]')
    """
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in node.targets):
            if isinstance(node.value, (ast.List, ast.Tuple)):
                count = len(node.value.elts)
                return f"{count} numbers [{', '.join(['...'] * count)}]"
            if not isinstance(node.value, ast.Constant) or not isinstance(node.value.value, str):
                return "number"
    return "letter"
