"""A class is marked: the sample class to the point, and whatever else a folder may hold."""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from grading import mark
from grading.__main__ import app
from grading.cells import Cell
from grading.feedback import feedback_page
from grading.jail import JailUnavailable
from grading.judge import Judgement
from grading.limits import Limits
from grading.mark import mark_class
from grading.samples import part_d as samples
from grading.sheets import safe_cell
from pnnlib.exercises.diagnosis import Verdict
from typer.testing import CliRunner

ROOT = Path(__file__).resolve().parents[2]
LIMITS = Limits(seconds=5)  # see test_judge.py

pytestmark = pytest.mark.jail


def table(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """The sample class, marked once."""
    folder = tmp_path_factory.mktemp("marked")
    mark_class("part_d", samples.FOLDER, folder, workers=2, secret="test", limits=LIMITS)
    return folder


# The sample class -------------------------------------------------------------------------

FULL = {
    "cross_correlate": 2, "convolve": 1, "threshold_layer": 1, "question-1": 1, "output_size": 1,
    "cross_correlate_general": 3, "mask_as_matrix": 2, "conv_layer": 3, "conv_1x1": 1,
    "conv_layer_backward": 3, "receptive_field": 1, "question-2": 1,
}  # fmt: skip
NOTHING = dict.fromkeys(FULL, 0)
FIRST_HALF = ("cross_correlate", "convolve", "threshold_layer", "question-1", "output_size", "cross_correlate_general")
EXPECTED = {
    "all_right": FULL,
    "half_done": NOTHING | {name: FULL[name] for name in FIRST_HALF},
    "untouched": NOTHING,
    "turns_the_mask": FULL | {"cross_correlate": 0},
    "pads_one_side": NOTHING | {"cross_correlate": 2, "convolve": 1, "threshold_layer": 1},
    "bias_for_each_channel": FULL | {"conv_layer": 0, "conv_1x1": 0, "conv_layer_backward": 0, "question-2": 0},
    "typo": FULL | {"mask_as_matrix": 0},
    "loops_for_ever": FULL | {"output_size": 0},
    "fakes": NOTHING,
    "copied_cell": FULL,
    "deleted_cells": FULL | {"receptive_field": 0},
    "renamed": FULL,
    "cut_off": NOTHING,
    "wrong_file": NOTHING,
}


def test_the_committed_class_is_what_the_script_writes(tmp_path):
    """After a change of part d: python -m grading.samples.part_d"""
    samples.write(tmp_path)
    fresh = {p.relative_to(tmp_path): p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    committed = {p.relative_to(samples.FOLDER): p.read_bytes() for p in samples.FOLDER.rglob("*") if p.is_file()}
    assert committed.keys() == fresh.keys()
    assert [str(name) for name in fresh if fresh[name] != committed[name]] == []


def test_everyone_is_marked(out):
    assert [row["student"] for row in table(out / "totals.csv")] == sorted(EXPECTED)


@pytest.mark.parametrize("student", EXPECTED)
def test_exact_marks(out, student):
    rows = [row for row in table(out / "marks.csv") if row["student"] == student]
    assert {row["exercise"]: float(row["points"]) for row in rows} == EXPECTED[student]
    assert {row["exercise"]: float(row["max_points"]) for row in rows} == FULL
    (total,) = [row for row in table(out / "totals.csv") if row["student"] == student]
    assert total == {
        "student": student, "assignment": "part_d", "max_score": "20",
        "score": f"{sum(EXPECTED[student].values()):g}",
    }  # fmt: skip


@pytest.mark.parametrize("student, exercise, said", [
    ("turns_the_mask", "cross_correlate", "You turned the mask by 180 degrees"),
    ("turns_the_mask", "convolve", "Tried with a right cross_correlate in place of yours"),
    ("pads_one_side", "output_size", "Padding is counted once"),
    ("pads_one_side", "cross_correlate_general", "only at the top and on the left"),
    ("pads_one_side", "question-1", "the map grows from 8×8 to 98×98"),
    ("bias_for_each_channel", "conv_layer", "added once for every input channel"),
    ("bias_for_each_channel", "conv_1x1", "You used w transposed"),
    ("typo", "mask_as_matrix", "its cell stopped with SyntaxError"),
    ("loops_for_ever", "output_size", "did not come to an end: stopped after 5 seconds"),
    ("fakes", "threshold_layer", "torch.nn.functional.conv2d is not available"),
    ("untouched", "convolve", "not written yet"),
    ("cut_off", "convolve", "is not a notebook"),
    ("wrong_file", "convolve", "report.txt"),
])  # fmt: skip
def test_what_is_said(out, student, exercise, said):
    (row,) = [r for r in table(out / "marks.csv") if (r["student"], r["exercise"]) == (student, exercise)]
    assert said in row["message"]
    assert said in text_of(out, student)


def text_of(out, student):
    page = (out / "feedback" / student / "part_d_convolution.html").read_text(encoding="utf-8")
    return re.sub(r"<[^>]*>", "", page).replace("&#34;", '"').replace("&#39;", "'")


@pytest.mark.parametrize("student, said", [
    ("copied_cell", "There were 2 cells of convolve; the last one that was run counts."),
    ("deleted_cells", "The cell of conv_1x1 was replaced"),
    ("loops_for_ever", 'that begins with "while True:" could not be run to its end'),
])  # fmt: skip
def test_what_was_repaired_is_said(out, student, said):
    assert said in text_of(out, student)


def test_feedback_shows_score_code_and_both_answers(out):
    text = text_of(out, "pads_one_side")
    assert "4 of 20 points" in text
    assert "x = np.pad(x, ((p, 0), (q, 0)))" in text
    assert "your answer" in text and "PyTorch's" in text


def test_evidence(out):
    run = json.loads((out / "evidence/run.json").read_text())
    assert (run["secret"], run["jail"], run["limits"]["seconds"]) == ("test", True, 5)
    assert {"python", "numpy", "torch", "pnnlib"} <= run["versions"].keys()
    for student in EXPECTED:
        record = json.loads((out / f"evidence/students/{student}/part_d_convolution.json").read_text())
        assert sum(v["points"] for v in record["verdicts"]) == sum(EXPECTED[student].values())
        assert record["seed"] == f"test/{student}" and record["fault"] == ""
    record = json.loads((out / "evidence/students/all_right/part_d_convolution.json").read_text())
    assert all(len(record[f"sha256 of {what}"]) == 64 for what in ("the file", "what was judged", "the master"))


def test_the_right_answers_are_in_no_feedback(out):
    """A reference that stood in for a wrong answer must not show."""
    assert "weight meets one shifted input" not in text_of(out, "turns_the_mask")
    assert "span = dilation" not in text_of(out, "loops_for_ever")


# Whatever else there may be ---------------------------------------------------------------


def hand_in(folder, student, make=samples.untouched):
    path = folder / student / "part_d_convolution.ipynb"
    path.parent.mkdir(parents=True)
    path.write_bytes(make().bytes())
    return path


@pytest.fixture
def judged(monkeypatch):
    """Let a function stand in for the judge, which is slow and tested elsewhere."""

    def stand_in(verdicts, outputs=None):
        monkeypatch.setattr(mark, "judge", lambda *_: Judgement(verdicts, outputs or {}))

    return stand_in


def test_what_hand_ins_wrote_stays_text(tmp_path, judged):
    evil = "<script>alert(1)</script>"
    student = "=cmd|' calc'!A0"
    hand_in(tmp_path / "class", student, lambda: evil_hand_in(evil))
    judged([Verdict("convolve", "raised", f"\x1b[31m{evil}\x00", detail=f"{evil}\x07", max_points=1.0)],
           dict.fromkeys(range(100), [
               {"output_type": "stream", "name": "stdout", "text": evil},
               {"output_type": "error", "ename": evil, "evalue": evil, "traceback": []},
               {"output_type": "display_data", "data": {"text/html": evil, "text/plain": evil}},
           ]))  # fmt: skip
    out = tmp_path / "out"
    mark_class("part_d", tmp_path / "class", out)
    page = (out / "feedback" / student / "part_d_convolution.html").read_text()
    assert "<script" not in page
    assert page.count("&lt;script&gt;") == 7  # sentence, detail, code, and four times in the outputs
    assert "default-src 'none'" in page and "\x1b" not in page
    for name in ("marks.csv", "totals.csv"):
        (row,) = table(out / name)
        assert not any(str(cell).startswith(("=", "+", "-", "@", "\t", "\r")) for cell in row.values())
        assert row["student"] == f"'{student}"
    text = (out / "marks.csv").read_text()
    assert "\x1b" not in text and "\x00" not in text


def evil_hand_in(evil):
    student = samples.untouched()
    student.cell("convolve").source = f'"{evil}"'
    return student


@pytest.mark.parametrize("start", ["=1", "+1", "-1", "@x", "\t=1", "\r=1", " =1", "\x00=1", "＝1", "\x1b[0m=1"])
def test_no_cell_starts_a_formula(start):
    assert safe_cell(start).startswith("'")


def test_a_picture_is_shown_and_nothing_else_in_its_place():
    outputs = [{"output_type": "display_data", "data": {"image/png": "iVBORw0=", "text/plain": "<Figure>"}}]
    cells = [Cell("convolve", "plot()", [], outputs)]
    page = feedback_page("ada", "part_d", [Verdict("convolve", "passed", "right.")], [], "x", cells)
    assert 'src="data:image/png;base64,iVBORw0="' in page and "Figure" not in page


def test_a_fault_of_ours_is_told_and_stops_nobody(tmp_path, monkeypatch):
    for student in ("ada", "boris"):
        hand_in(tmp_path / "class", student)
    verdict = Verdict("convolve", "passed", "right.", points=1.0, max_points=1.0)

    def judge(notebook, part, seed, *_):
        if seed.endswith("ada"):
            raise RuntimeError("something of ours")
        return Judgement([verdict])

    monkeypatch.setattr(mark, "judge", judge)
    ada, boris = mark_class("part_d", tmp_path / "class", tmp_path / "out")
    assert (ada.score, ada.fault) == (0, "RuntimeError: something of ours")
    assert (boris.score, boris.fault) == (1, "")
    assert "has to be marked by hand" in text_of(tmp_path / "out", "ada")
    result = invoke("part_d", "--from", tmp_path / "class", "--to", tmp_path / "o2", "--workers", 1)
    assert result.exit_code == 1 and "ada: RuntimeError: something of ours" in result.stderr


@pytest.mark.parametrize("student", ["run", "x" * 255, b"\xff" * 255, "a b\nc", "\x1b[2J", "students", "'; DROP TABLE"])
def test_a_student_of_any_name(tmp_path, judged, student):
    folder = os.fsencode(tmp_path / "class") + b"/" + (student if isinstance(student, bytes) else student.encode())
    os.makedirs(folder)
    judged([])
    (result,) = mark_class("part_d", tmp_path / "class", tmp_path / "out")
    assert result.fault == ""
    (record,) = (tmp_path / "out/evidence/students").glob("*/*.json")
    assert json.loads(record.read_text())["student"] == result.student
    assert len(list((tmp_path / "out/feedback").glob("*/*.html"))) == 1


def test_a_page_that_cannot_be_written_stops_nobody(tmp_path, judged, monkeypatch):
    for student in ("ada", "boris"):
        hand_in(tmp_path / "class", student)
    judged([])

    def page(student, *_):
        if student == "ada":
            raise OSError("disk full")
        return "page"

    monkeypatch.setattr(mark, "feedback_page", page)
    ada, boris = mark_class("part_d", tmp_path / "class", tmp_path / "out")
    assert (ada.fault, boris.fault) == ("OSError: disk full", "")


def test_marking_again_replaces_the_result_and_nothing_else(tmp_path, judged):
    judged([])
    hand_in(tmp_path / "class", "ada")
    hand_in(tmp_path / "class", "boris")
    out = tmp_path / "out"
    mark_class("part_d", tmp_path / "class", out)
    (out / "my notes.txt").write_text("keep")
    shutil.rmtree(tmp_path / "class/ada")
    mark_class("part_d", tmp_path / "class", out)
    assert [p.name for p in (out / "feedback").iterdir()] == ["boris"]
    assert (out / "my notes.txt").exists()


def test_feedback_that_is_not_ours_is_left_alone(tmp_path, judged):
    judged([])
    hand_in(tmp_path / "class", "ada")
    (tmp_path / "out/feedback").mkdir(parents=True)
    (tmp_path / "out/feedback/theirs").write_text("keep")
    mark_class("part_d", tmp_path / "class", tmp_path / "out")
    assert (tmp_path / "out/feedback/theirs").exists()


def test_each_student_and_each_marking_has_its_own_seed(tmp_path, monkeypatch):
    seeds = []
    monkeypatch.setattr(mark, "judge", lambda notebook, part, seed, *_: seeds.append(seed) or Judgement())
    for student in ("ada", "boris"):
        hand_in(tmp_path / "class", student)
    for out in ("one", "other"):
        mark_class("part_d", tmp_path / "class", tmp_path / out)
    assert len(set(seeds)) == 4
    # into the same place with the same secret: nothing has changed
    mark_class("part_d", tmp_path / "class", tmp_path / "other")
    assert len(seeds) == 4


# The command ------------------------------------------------------------------------------


def invoke(*arguments):
    return CliRunner().invoke(app, ["mark", *map(str, arguments)])


def test_every_limit_is_an_option(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(mark, "judge", lambda *arguments: asked.append(arguments[3]) or Judgement([]))
    hand_in(tmp_path / "class", "ada")
    paths = ("part_d", "--from", tmp_path / "class", "--to", tmp_path / "out")
    assert invoke(*paths).exit_code == 0
    options = ("--seconds", 7.5, "--memory", 900, "--disk", 50, "--processes", 40, "--output", 5000)
    assert invoke(*paths, *options).exit_code == 0
    assert asked == [Limits(), Limits(7.5, 900_000_000, 50_000_000, 40, 5000)]
    assert json.loads((tmp_path / "out/evidence/run.json").read_text())["limits"] == asdict(asked[1])


def test_without_a_jail_it_refuses_and_says_how_to_get_one(tmp_path, monkeypatch):
    def missing():
        raise JailUnavailable("Install it with\n    sudo apt-get install bubblewrap")

    monkeypatch.setattr(mark, "require_walls", missing)
    hand_in(tmp_path / "class", "ada")
    result = invoke("part_d", "--from", tmp_path / "class", "--to", tmp_path / "out")
    assert result.exit_code == 1
    assert "sudo apt-get install bubblewrap" in result.stderr and "Traceback" not in result.output
    assert not (tmp_path / "out").exists()


def test_no_jail_is_said_in_every_output(tmp_path):
    hand_in(tmp_path / "class", "ada", samples.half_done)
    (tmp_path / "class/boris").mkdir()
    result = invoke("part_d", "--from", tmp_path / "class", "--to", tmp_path / "out", "--no-jail")
    assert result.exit_code == 0 and "without a jail" in result.stderr
    out = tmp_path / "out"
    files = [path for path in out.rglob("*") if path.is_file()]
    assert len(files) == 9
    for path in files:
        text = path.read_text()
        assert "without a jail" in text or '"jail": false' in text or "jail" in text.splitlines()[0], path
    assert {row["jail"] for name in ("marks.csv", "totals.csv") for row in table(out / name)} == {"no"}
    assert [row["score"] for row in table(out / "totals.csv")] == ["9", "0"]


@pytest.mark.parametrize("assignment, folder, out, said", [
    ("part_z", "class", "out", "There is no assignment part_z; the assignments are part_a, part_b"),
    ("part_d", "nowhere", "out", "There is no"),
    ("part_d", "class/ada/part_d_convolution.ipynb", "out", "is neither a folder nor a zip"),
    ("part_d", "class", "class/marked", "lies among the hand-ins"),
])  # fmt: skip
def test_a_wrong_call_is_explained(tmp_path, assignment, folder, out, said):
    hand_in(tmp_path / "class", "ada")
    result = invoke(assignment, "--from", tmp_path / folder, "--to", tmp_path / out)
    assert result.exit_code == 1 and said in result.stderr.replace("\n", " ")
    assert "Traceback" not in result.output and not (tmp_path / out).exists()


def test_as_a_command(tmp_path):
    hand_in(tmp_path / "class", "ada", samples.half_done)
    command = [sys.executable, "-m", "grading", "mark", "part_d", "--from", tmp_path / "class", "--to", tmp_path / "out"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "" and "1 hand-in is marked" in done.stderr
    assert table(tmp_path / "out/totals.csv")[0]["score"] == "9"
