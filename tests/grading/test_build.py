"""The road from the masters to the students' notebooks: its rules on a tiny master, then the real course."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import jupytext
import nbformat
import pytest
from nbgrader.api import Gradebook

from grading import build as building
from grading.build import build
from grading.handin import grade_id
from grading.masters import BEGIN, END, BuildError, engine_points, read_master
from grading.questions import questions_of
from pnnlib.exercises.calling import Outcome

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "grading" / "source"
# nbgrader's own way with its database
pytestmark = pytest.mark.filterwarnings("ignore:Object of type <Submitted:sqlalchemy.exc.SAWarning")
MASTERS = sorted(SOURCE.glob("[!_]*.py"))

TINY = r'''# ---
# jupyter:
#   course:
#     notebook: part_x_tiny
#     assignment: part_x
# ---

# %% [markdown] tags=["card"]
r"""
# Doubling, $\alpha \to 2\alpha$
"""

# %% tags=["explore"]
import numpy as np

# %% nbgrader={"grade_id": "double", "solution": true}
def double(x):
    """Twice x."""
    ### BEGIN SOLUTION
    two = np.sqrt(4)
    return two * x
    ### END SOLUTION

# %% nbgrader={"grade_id": "check-double", "grade": true}
print(double(2))

# %% nbgrader={"grade_id": "question-1", "solution": true}
### BEGIN SOLUTION
answer_1 = "b"
### END SOLUTION

# %% nbgrader={"grade_id": "check-question-1", "grade": true}
print(answer_1)

# %%
print("the same")

# %%
print("the same")
'''
POINTS = {"double": 1.5, "question-1": 1.0}


class Course:
    """A course of its own in a temporary folder."""

    def __init__(self, folder: Path):
        self.source, self.course, self.notebooks = folder / "source", folder / "course", folder / "notebooks"
        self.source.mkdir()
        self.write(TINY)

    def write(self, text: str, name: str = "part_x.py") -> None:
        (self.source / name).write_text(text, encoding="utf-8")

    def build(self, points=POINTS):
        return build(self.source, self.course, self.notebooks, lambda part: points)

    @property
    def gradebook(self) -> Path:
        return self.course / "gradebook.db"

    @property
    def url(self) -> str:
        return f"sqlite:///{self.gradebook}"

    @property
    def student(self) -> Path:
        return self.notebooks / "part_x_tiny.ipynb"


@pytest.fixture(scope="module")
def gradebook(tmp_path_factory) -> Path:
    """An empty gradebook: nbgrader takes seconds to make one."""
    course = Course(tmp_path_factory.mktemp("empty"))
    course.build()
    with Gradebook(course.url) as gradebook:
        gradebook.remove_assignment("part_x")
    return course.gradebook


@pytest.fixture
def tiny(tmp_path, gradebook) -> Course:
    course = Course(tmp_path)
    course.course.mkdir()
    shutil.copy(gradebook, course.gradebook)
    return course


def edited(*replacements: tuple[str, str]) -> str:
    text = TINY
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new, 1)
    return text


def cells_by_id(path: Path) -> dict:
    return {cell.id: cell for cell in nbformat.read(path, as_version=4).cells}


# The rules, on a tiny master --------------------------------------------------------------


def test_the_release_has_stubs_and_the_source_solutions(tiny):
    assert tiny.build() == [tiny.student]
    released = cells_by_id(tiny.student)
    assert released["double"].source == (
        'def double(x):\n    """Twice x."""\n'
        '    raise NotImplementedError("double is not written yet")  # replace this line'
    )
    assert released["question-1"].source.startswith("answer_1 = None  #")
    solved = cells_by_id(tiny.course / "source/part_x/part_x_tiny.ipynb")
    assert "return two * x" in solved["double"].source and 'answer_1 = "b"' in solved["question-1"].source
    assert list(solved) == list(released)


@pytest.mark.parametrize("answer, wanted", [
    ('"b"', "your letter instead of None"), ("0.5", "your number instead of None"), ("-0.5", "your number instead of None"),
    ("[0.5, -1]", "your 2 numbers [..., ...] instead of None"), ("0.5, 1, 2", "your 3 numbers [..., ..., ...] instead of None"),
])  # fmt: skip
def test_the_stub_of_a_question_says_what_is_wanted(tiny, answer, wanted):
    tiny.write(edited(('answer_1 = "b"', f"answer_1 = {answer}")))
    tiny.build()
    assert cells_by_id(tiny.student)["question-1"].source == f"answer_1 = None  # {wanted}"


def test_nbgraders_metadata_is_complete(tiny):
    tiny.build()
    cells = cells_by_id(tiny.student)
    answer, check = cells["double"].metadata, cells["check-double"].metadata
    assert answer.nbgrader.items() >= {
        "schema_version": 3, "grade_id": "double", "solution": True, "grade": False, "locked": False, "task": False
    }.items()  # fmt: skip
    assert check.nbgrader.items() >= {"solution": False, "grade": True, "locked": True, "points": 1.5}.items()
    assert "points" not in answer.nbgrader and check.editable is False
    with Gradebook(tiny.url) as gradebook:
        assert gradebook.find_assignment("part_x").max_score == sum(POINTS.values())


def test_only_what_a_notebook_needs_is_kept(tiny):
    tiny.build()
    notebook = nbformat.read(tiny.student, as_version=4)
    assert notebook.metadata == building.NOTEBOOK_METADATA
    assert [cell.metadata.get("tags") for cell in notebook.cells[:3]] == [["card"], ["explore", "raises-exception"], None]
    assert notebook.cells[0].metadata.keys() == {"tags"}
    assert notebook.cells[0].source == r"# Doubling, $\alpha \to 2\alpha$"


def test_an_id_stays_when_other_cells_come(tiny):
    tiny.build()
    before = cells_by_id(tiny.student)
    tiny.write(edited(("# %% tags", "# %%\nprint('new')\n\n# %% tags")))
    tiny.build()
    after = cells_by_id(tiny.student)
    assert len(after) == len(before) + 1
    assert {i: c.source for i, c in before.items()}.items() <= {i: c.source for i, c in after.items()}.items()


def test_building_again_from_anywhere_gives_the_same_bytes(tiny, monkeypatch, tmp_path):
    """Also where the environment is not activated, so that alembic is not on the PATH."""
    tiny.gradebook.unlink()
    monkeypatch.setenv("PATH", "")
    tiny.build()
    first = tiny.student.read_bytes()
    tiny.student.unlink()
    monkeypatch.chdir(tmp_path.parent)
    tiny.build()
    assert tiny.student.read_bytes() == first and first.endswith(b"}\n")
    assert os.environ["PATH"] == "" and Path.cwd() == tmp_path.parent


def test_building_again_keeps_the_marks_of_a_class(tiny):
    tiny.build()
    with Gradebook(tiny.url) as gradebook:
        gradebook.add_student("ada")
        gradebook.add_submission("part_x", "ada")
        gradebook.find_grade("check-double", "part_x_tiny", "part_x", "ada").manual_score = 1.25
        gradebook.db.commit()
    tiny.write(edited(('"the same"', '"other"')))
    tiny.build()
    with Gradebook(tiny.url) as gradebook:
        assert gradebook.find_submission("part_x", "ada").score == 1.25
    assert "other" in tiny.student.read_text()


def test_an_exercise_cannot_be_added_under_a_class_that_has_handed_in(tiny):
    tiny.build()
    with Gradebook(tiny.url) as gradebook:
        gradebook.add_student("ada")
        gradebook.add_submission("part_x", "ada")
    tiny.write(TINY + TINY.partition("# ---\n\n")[2].replace("double", "triple").replace("question-1", "question-2")
               .replace("answer_1", "answer_2"))  # fmt: skip
    with pytest.raises(BuildError, match="(?s)could not release part_x.*submissions associated"):
        tiny.build(POINTS | {"triple": 1.0, "question-2": 1.0})


def test_nbgrader_in_the_course_uses_our_settings(tiny):
    tiny.build()
    released = tiny.course / "release/part_x/part_x_tiny.ipynb"
    first = released.read_bytes()
    released.unlink()
    command = [sys.executable, "-m", "nbgrader", "generate_assignment", "part_x", "--force"]
    done = subprocess.run(command, check=False, cwd=tiny.course, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert released.read_bytes() == first


def test_a_master_without_assignment_is_not_released_through_nbgrader(tiny):
    header = TINY.partition("\n\n")[0].replace("part_x_tiny", "start_here").replace("#     assignment: part_x\n", "")
    tiny.write(header + '\n\n# %% [markdown]\nr"""\n# Welcome\n"""\n', "start_here.py")
    tiny.write("this is a draft", "_part_y.py")
    assert {path.name for path in tiny.build()} == {"start_here.ipynb", "part_x_tiny.ipynb"}
    assert sorted(p.name for p in tiny.course.rglob("*.ipynb")) == ["part_x_tiny.ipynb"] * 2


def test_a_renamed_notebook_is_not_released_twice(tiny):
    tiny.build()
    tiny.write(edited(("part_x_tiny", "part_x_renamed")))
    tiny.build()
    for folder in ("source", "release"):
        assert [p.name for p in (tiny.course / folder / "part_x").iterdir()] == ["part_x_renamed.ipynb"]


SOLUTION = '# %% nbgrader={"grade_id": "double", "solution": true}'
CHECK = '# %% nbgrader={"grade_id": "check-double", "grade": true}\nprint(double(2))\n'
FAULTS = {
    "copied cell": ([(CHECK, CHECK + "\n" + CHECK)], "part_x.py, cell 5: check-double stands already in cell 4"),
    "no check cell": ([(CHECK, "")], "part_x.py: no cell has the grade_id check-double"),
    "no answer cell": ([('"grade_id": "double", "solution"', '"grade_id": "check-question-1", "grade"')], "check-q"),
    "unknown name": ([('"check-double"', '"check-treble"')], "cell 4: there is no exercise for check-treble"),
    "check above": ([(CHECK, ""), (SOLUTION, CHECK + "\n" + SOLUTION)], "cell 3: check-double comes before double"),
    "wrong mark": ([('"double", "solution"', '"double", "grade"')], 'cell 3: double must be marked .*"solution": true'),
    "both marks": ([('"check-double", ', '"check-double", "solution": true, ')], "check-double must be marked"),
    "no grade_id": ([('"grade_id": "double", ', "")], 'cell 3: its nbgrader metadata lacks a "grade_id"'),
    "solution in the open": ([(SOLUTION, "# %%")], "cell 3: a solution stands in a cell that is not marked"),
    "answer outside of the marks": ([("    " + BEGIN, "")], "cell 3: put the answer of double between"),
    "another function": ([("def double", "def twice")], "cell 3: the cell does not define double"),
    "answer in markdown": ([(SOLUTION, SOLUTION.replace("%%", "%% [markdown]"))], "double must be a code cell"),
    "solution not closed": ([(END, "# " + BEGIN)], "put the answer of double between"),
    "nested solution": ([(BEGIN, BEGIN + "\n    " + BEGIN)], "put the answer of double between"),
    "no header": ([("course:", "curse:")], "the header does not name the notebook"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_master_is_refused_with_its_place(tiny, fault):
    replacements, message = FAULTS[fault]
    tiny.write(edited(*replacements))
    with pytest.raises(BuildError, match=message):
        tiny.build()


def test_two_masters_of_one_name_and_none_at_all_are_refused(tiny):
    tiny.write(TINY, "part_y.py")
    with pytest.raises(BuildError, match="part_x.py and part_y.py are both called part_x_tiny"):
        tiny.build()
    for path in tiny.source.iterdir():
        path.unlink()
    with pytest.raises(BuildError, match="no master"):
        tiny.build()


def test_an_unknown_part_is_refused():
    with pytest.raises(BuildError, match="assignment part_z"):
        engine_points("part_z")


# The course -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fresh(tmp_path_factory) -> Path:
    """A fresh build of the course: a folder with course/ and notebooks/."""
    folder = tmp_path_factory.mktemp("fresh")
    build(SOURCE, folder / "course", folder / "notebooks")
    return folder


@pytest.fixture(scope="module")
def released(fresh) -> list[Path]:
    """Every notebook that may reach a student."""
    found = [*(ROOT / "notebooks").glob("*.ipynb"), *(fresh / "course/release").rglob("*.ipynb")]
    assert len(found) > len(MASTERS)
    return found


@pytest.fixture(scope="module", params=MASTERS, ids=lambda path: path.stem)
def master(request):
    """One master after the other."""
    return read_master(request.param)


def test_the_solved_notebooks_are_the_masters(fresh):
    """So it is enough that those run: see test_solved.py."""
    solved = {path.name: path for path in (fresh / "course/source").rglob("*.ipynb")}
    masters = {f"{m.notebook}.ipynb": m for m in map(read_master, MASTERS) if m.assignment}
    assert solved.keys() == masters.keys()
    for name, path in solved.items():
        assert nbformat.read(path, as_version=4) == masters[name].content, name


def test_the_committed_notebooks_are_a_fresh_build(fresh):
    committed = {path.name: path.read_bytes() for path in (ROOT / "notebooks").glob("*.ipynb")}
    built = {path.name: path.read_bytes() for path in (fresh / "notebooks").iterdir()}
    assert committed.keys() == built.keys(), "run `make build` and commit notebooks/"
    assert [name for name in built if built[name] != committed[name]] == [], "run `make build` and commit notebooks/"


def strings(value):
    """All text in a notebook, wherever it stands."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from strings(key)
            yield from strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)


def solution_lines(text: str) -> set[str]:
    """The lines of the solutions that give something away.

    Not the short ones, and not those that open a block: many a loop looks alike.
    """
    lines, inside = set(), False
    for line in map(str.strip, text.splitlines()):
        if line in (BEGIN, END):
            inside = line == BEGIN
        elif inside and len(line) > 12 and not line.endswith(":"):
            lines.add(line)
    return lines


def test_nothing_of_a_solution_is_released(released):
    secrets = set().union(*(solution_lines(path.read_text(encoding="utf-8")) for path in MASTERS))
    assert len(secrets) > 20
    for path in released:
        text = "\n".join(strings(nbformat.read(path, as_version=4)))
        assert [line for line in secrets if line in text] == [], path.name
        assert not re.search(r"(BEGIN|END) (SOLUTION|HIDDEN TESTS|MARK SCHEME)", text), path.name
        assert not re.search(r"^\s*answer_\d+ *=(?! *None)", text, re.MULTILINE), path.name  # "# answer_1 =" may be
        assert not re.search(r"^\s*(import|from) grading\b", text, re.MULTILINE), path.name


def test_nothing_released_was_run(released):
    for path in released:
        for cell in nbformat.read(path, as_version=4).cells:
            assert not cell.get("outputs") and cell.get("execution_count") is None, path.name


def test_every_cell_keeps_its_place_and_its_tags(master):
    text = jupytext.read(master.path)
    notebook = nbformat.read(ROOT / "notebooks" / f"{master.notebook}.ipynb", as_version=4)
    # one tag is the build's: where an exercise may still be open, "run all cells" goes on
    kept = [[tag for tag in c.metadata.get("tags", []) if tag != "raises-exception"] for c in notebook.cells]
    assert kept == [c.metadata.get("tags", []) for c in text.cells]
    assert [c.id for c in notebook.cells] == [c.id for c in master.content.cells]


def test_the_answers_in_the_masters_are_the_judges(master):
    questions = questions_of(master.assignment)
    answers = {}
    for cell in master.content.cells:
        if grade_id(cell) in questions:
            for node in ast.parse(cell.source).body:
                answers[grade_id(cell)] = ast.literal_eval(node.value)  # the last assignment counts
    assert answers.keys() == questions.keys()
    for name, question in questions.items():
        assert question.diagnose(Outcome("returned", answers[name])).passed, name


HEADING = re.compile(
    r"^### (?:Exercise \d+ · (?P<exercise>\w+)|Question (?P<question>\d+))\n\n"
    r"about \d+ minutes · difficulty [1-5] of 5 · importance [1-5] of 5 · (?P<points>[\d.]+) points?$",
    re.MULTILINE,
)


def test_every_exercise_has_a_heading_that_says_what_it_takes_and_what_it_earns(master):
    headings, above = [], {}
    for cell in master.content.cells:
        for match in HEADING.finditer(cell.source):
            headings.append((match["exercise"] or f"question-{match['question']}", float(match["points"])))
        name = grade_id(cell)
        if name and not name.startswith("check-"):
            above[name] = headings[-1]
    points = engine_points(master.assignment) if master.assignment else {}
    assert above == {name: (name, worth) for name, worth in points.items()}
    assert len(headings) == len(points)
