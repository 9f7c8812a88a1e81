"""From the text masters (`masters`) to what students open.

`build` adds what nbgrader wants to know, writes the solved notebooks to
course/source, lets nbgrader release them to course/release, and copies the
release to notebooks/. The same masters give the same bytes.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbgrader.converters import GenerateAssignment
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import NbGraderPreprocessor
from nbgrader.utils import capture_log
from traitlets.config import PyFileConfigLoader

from .masters import NOTEBOOK_METADATA, SOURCE, BuildError, Master, engine_points, leave_stub, read_master

ROOT = Path(__file__).resolve().parent.parent


def build(
    source: Path = SOURCE,
    course: Path = ROOT / "course",
    notebooks: Path = ROOT / "notebooks",
    points_of: Callable[[str], Mapping[str, float]] | None = None,
) -> list[Path]:
    """Build the nbgrader course and the students' notebooks from the masters.

    Building again, from anywhere and also when students have handed in, gives
    the same files; marks in the gradebook stay.

    Args:
        source: folder of the masters.
        course: nbgrader's course directory, with its gradebook.
        notebooks: where students find their notebooks.
        points_of: what each exercise and question of an assignment is worth, by
            name; the exercise engine knows, only tests ask something else.

    Returns:
        The notebooks for students.

    Raises:
        BuildError: with the place in the master and what to do about it.
    """
    source, course, notebooks = (path.resolve() for path in (source, course, notebooks))
    masters = [read_master(path, points_of or engine_points) for path in sorted(source.glob("[!_]*.py"))]
    _refuse_twins(masters)
    _write_config(course)
    masters.sort(key=lambda master: (master.assignment, master.notebook))
    written = []
    for assignment, group in groupby(masters, lambda master: master.assignment):
        contents = {master.notebook: master.content for master in group}
        if assignment:
            contents = _release(course, assignment, contents)
        for name, content in contents.items():
            content.metadata = nbformat.from_dict(NOTEBOOK_METADATA)
            written.append(_write(content, notebooks / f"{name}.ipynb"))
    return written


def _refuse_twins(masters: list[Master]) -> None:
    if not masters:
        raise BuildError("there is no master: grading/source has no .py file.")
    paths: dict[str, Path] = {}
    for master in masters:
        other = paths.setdefault(master.notebook, master.path)
        if other is not master.path:
            raise BuildError(f"{other.name} and {master.path.name} are both called {master.notebook}.")


# nbgrader ---------------------------------------------------------------------------------


class LeaveStub(NbGraderPreprocessor):
    """nbgrader's step that removes solutions, replaced by ours."""

    def preprocess_cell(self, cell, resources, cell_index):
        leave_stub(cell)
        return cell, resources


def _release(course: Path, assignment: str, contents: Mapping[str, NotebookNode]) -> dict[str, NotebookNode]:
    """Let nbgrader make the students' versions of the notebooks of an assignment."""
    folder = course / "source" / assignment
    for old in folder.glob("*.ipynb"):  # one that was renamed must not be released again
        old.unlink()
    for name, content in contents.items():
        _write(content, folder / f"{name}.ipynb")

    config = PyFileConfigLoader("nbgrader_config.py", path=str(course)).load_config()
    config.CourseDirectory.root = str(course)
    config.CourseDirectory.assignment_id = assignment
    converter = GenerateAssignment(coursedir=CourseDirectory(config=config), config=config, force=True)
    with _own_programs_first():
        result = capture_log(converter)
    if not result["success"]:
        raise BuildError(f"nbgrader could not release {assignment}. It says:\n{result['log']}")
    released = course / "release" / assignment
    return {name: nbformat.read(released / f"{name}.ipynb", as_version=4) for name in contents}


@contextmanager
def _own_programs_first() -> Iterator[None]:
    """nbgrader calls alembic by name, which an environment that is not activated does not offer."""
    before = os.environ.get("PATH", "")
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), before])
    try:
        yield
    finally:
        os.environ["PATH"] = before


def _write_config(course: Path) -> None:
    """Make `nbgrader …` inside `course` find the settings in grading/nbgrader_config.py."""
    course.mkdir(parents=True, exist_ok=True)
    (course / "nbgrader_config.py").write_text(
        "# Written by `python -m grading build`. The settings are in grading/nbgrader_config.py.\n"
        "import sys\n\n"
        f"sys.path.insert(0, {str(ROOT)!r})\n"
        f"load_subconfig('nbgrader_config.py', path={str(ROOT / 'grading')!r})\n",
        encoding="utf-8",
    )


def _write(content: NotebookNode, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = nbformat.writes(content, version=4).rstrip("\n") + "\n"
    path.write_text(text, encoding="utf-8", newline="\n")
    return path
