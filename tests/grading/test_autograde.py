"""`nbgrader autograde` in the built course gives the marks that `python -m grading mark` gives."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbgrader.api import Gradebook

from grading.build import build
from grading.handin import grade_id
from grading.samples import part_d as samples
from test_mark import EXPECTED  # what test_mark.py holds the other command to

ROOT = Path(__file__).resolve().parents[2]
NAME = "part_d_convolution.ipynb"

pytestmark = pytest.mark.jail


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """The course, with part d only, and a marked class: those of the sample class whose notebook nbgrader can find."""
    folder = tmp_path_factory.mktemp("autograde")
    (folder / "source").mkdir()
    shutil.copy(ROOT / "grading/source/part_d.py", folder / "source")
    build(folder / "source", folder / "course", folder / "notebooks")
    for student in samples.FOLDER.iterdir():
        if (student / NAME).exists():
            target = folder / "course/submitted" / student.name / "part_d"
            target.mkdir(parents=True)
            (target / NAME).write_bytes((student / NAME).read_bytes())
    nbgrader(folder / "course", "autograde", "part_d", "--Judge.seed=test", "--Judge.limits=seconds=5", status=1)
    return folder / "course"


def nbgrader(course, *command, status=0):
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    command = [sys.executable, "-m", "nbgrader", *command]
    done = subprocess.run(command, cwd=course, env=os.environ | {"PATH": path}, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stderr[-5000:]
    return done.stderr


def test_the_marks_are_the_same(course):
    compared = []
    with Gradebook(f"sqlite:///{course}/gradebook.db") as gradebook:
        for student in (course / "submitted").iterdir():
            if student.name == "cut_off":  # nbgrader cannot read it, and says so in its log
                continue
            submission = gradebook.find_submission("part_d", student.name)
            scores = {grade.name.removeprefix("check-"): grade.auto_score for grade in submission.notebooks[0].grades}
            assert scores == EXPECTED[student.name], student.name
            compared.append(student.name)
    assert len(compared) == 11


def test_the_check_cells_carry_the_verdict(course):
    notebook = nbformat.read(course / "autograded/pads_one_side/part_d" / NAME, as_version=4)
    (cell,) = [cell for cell in notebook.cells if grade_id(cell) == "check-output_size"]
    text, result = cell.outputs
    assert "Padding is counted once" in text.text
    assert result.data["text/plain"] == "0.0"


def test_nbgrader_goes_on_to_feedback_and_export(course):
    nbgrader(course, "generate_feedback", "part_d", "--student=pads_one_side")
    page = (course / "feedback/pads_one_side/part_d/part_d_convolution.html").read_text()
    assert "Padding is counted once" in page
    nbgrader(course, "export")
    rows = (course / "grades.csv").read_text().splitlines()
    assert any(row.startswith("part_d,,,all_right") and ",20.0," in row for row in rows)
    assert any(row.startswith("part_d,,,fakes") and ",0.0," in row for row in rows)
