"""The judge: each exercise earns what it is worth by itself, whatever the rest of the notebook does."""

import nbformat
import pytest

from grading import judge as judging
from grading.build import ROOT
from grading.handin import grade_id, sanitise
from grading.jail import Jail
from grading.judge import judge
from grading.limits import Limits
from grading.masters import read_master, released, solutions
from grading.samples.part_d import EVERYTHING, Student

pytestmark = pytest.mark.jail

# Long enough for an honest cell on a slow machine with a cold disk, whatever else runs there.
LIMITS = Limits(seconds=10)
# The same for part d, whose honest cells take milliseconds; what never ends takes all of it.
PART_D = Limits(seconds=5)
REFERENCES = solutions("part_d")


def judged(student, limits=PART_D):
    hand_in = sanitise(student.notebook, student.release.content)
    return judge(hand_in.notebook, "part_d", "a seed", limits, references=REFERENCES)


def lost(judgement):
    """The exercises that did not earn full marks."""
    return {v.exercise: v.kind for v in judgement.verdicts if v.points < v.max_points}


def sentence(judgement, name):
    (verdict,) = [v for v in judgement.verdicts if v.exercise == name]
    return verdict.sentence


@pytest.fixture
def student():
    return Student(*EVERYTHING)


def add_cell(student, source, before):
    cell = nbformat.v4.new_code_cell(source, metadata={})
    student.notebook.cells.insert(student.notebook.cells.index(student.cell(before)), cell)
    return cell


ASSIGNMENTS = [m.assignment for m in map(read_master, sorted((ROOT / "grading/source").glob("[!_]*.py"))) if m.assignment]


@pytest.mark.parametrize("part", ASSIGNMENTS)
def test_the_masters_own_answers_earn_everything(part):
    content, right = released(part).content, solutions(part)
    for cell in content.cells:
        cell.source = right.get(grade_id(cell), cell.source)
    result = judge(sanitise(content, released(part).content).notebook, part, "a seed", LIMITS)
    assert lost(result) == {} and result.score == pytest.approx(20)


@pytest.mark.parametrize("name", [name for name in EVERYTHING if not name.startswith("question")])
def test_a_typo_costs_one_exercise_only(student, name):
    student.cell(name).source = student.cell(name).source.replace("return", "retrun", 1)
    assert lost(judged(student)) .keys() == {name}


@pytest.mark.parametrize("name, body", [
    ("cross_correlate", "return np.zeros((x.shape[0] - h.shape[0] + 1, x.shape[1] - h.shape[1] + 1))"),
    ("output_size", "return 1"),
    ("cross_correlate_general", "return [stride, padding"),
    ("conv_layer", "while True: pass"),
    ("output_size", "import os; os._exit(0)"),
    ("cross_correlate", "raise NotImplementedError"),
])  # fmt: skip
def test_what_builds_on_a_wrong_answer_does_not_pay_for_it(student, name, body):
    student.write(name, body)
    assert list(lost(judged(student))) == [name]


def test_two_wrong_answers_that_make_a_right_one_keep_their_points(student):
    student.write("cross_correlate", "return np.array(_right(x, h[::-1, ::-1]))")
    student.write("convolve", "return cross_correlate(x, h)")
    add_cell(student, REFERENCES["cross_correlate"].replace("def cross_correlate", "def _right"), "cross_correlate")
    assert list(lost(judged(student))) == ["cross_correlate"]


def test_a_reference_comes_after_the_verdict_on_what_it_replaces(student):
    """What a student's code can see of the others' answers when it is judged, and when it is tried again."""
    student.write("cross_correlate", "return None")
    student.write("convolve", "import inspect\nprint(inspect.getsource(cross_correlate))\nreturn None")
    student.write("output_size", "return globals().get('cross_correlate_general').__code__.co_code and None")
    student.write("cross_correlate_general", "return None")
    result = judged(student)
    assert {"cross_correlate", "convolve", "output_size", "cross_correlate_general"} <= lost(result).keys()
    shown = str(result.outputs) + str(result.verdicts)
    assert "weight meets one shifted input" not in shown


def test_a_notebook_that_stops_the_references_comes_to_an_end(student):
    """It waits for the cell that comes from us, and loops then."""
    student.write("cross_correlate", "return None")
    add_cell(student, """
def wait(lines):
    while any("shifted input" in line for line in lines): pass
    return lines
get_ipython().input_transformers_post.append(wait)""", "cross_correlate")
    assert list(lost(judged(student))) == ["cross_correlate", "convolve", "threshold_layer"]


def test_one_wrong_exercise_starts_no_second_kernel(student, monkeypatch):
    started = []
    monkeypatch.setattr(judging, "Jail", lambda *a, **k: started.append(1) or Jail(*a, **k))
    student.write("receptive_field", "return 0")
    assert list(lost(judged(student))) == ["receptive_field"]
    assert len(started) == 1


@pytest.mark.parametrize("source", [
    "import os; os._exit(1)", "import ctypes; ctypes.string_at(0)", "while True: pass",
    "x = [bytearray(10 ** 8) for _ in range(100)]", "raise ValueError", "exit()", "1 +",
    "print('x' * 10 ** 8)", "import sys; sys.stdout.close(); sys.stdin = None", "%reset -f", "del np", "import torch, pnnlib",
])  # fmt: skip
def test_a_cell_that_goes_wrong_costs_nothing(student, source):
    imports = student.notebook.cells[0].source
    add_cell(student, source, "output_size")
    add_cell(student, imports, "output_size")
    assert lost(judged(student)) == {}


def test_cells_to_explore_are_not_run(student):
    cell = add_cell(student, "def convolve(x, h): return 0", "check-convolve")
    cell.metadata["tags"] = ["explore"]
    assert lost(judged(student)) == {}


def test_state_that_leaks_between_calls_costs(student):
    student.write("receptive_field", """
global calls
calls = globals().get("calls", 0) + 1
field = apart = 1
for kernel, stride, dilation in layers:
    field, apart = field + dilation * (kernel - 1) * apart, apart * stride
return field if calls < 11 else 0""")
    assert list(lost(judged(student))) == ["receptive_field"]


def test_an_exercise_is_judged_at_its_check(student):
    add_cell(student, "def convolve(x, h): return 0", "threshold_layer")
    assert lost(judged(student)) == {}


def test_an_answer_may_write_nan_or_a_class_and_earns_nothing(student):
    student.write("conv_1x1", "return np.full((len(w), *x.shape[1:]), np.nan)")
    student.write("receptive_field", "return type('N', (int,), {'__eq__': lambda *_: True})(7)")
    assert list(lost(judged(student))) == ["conv_1x1", "receptive_field"]


@pytest.mark.parametrize("answer, right", [
    ('answer_1 = "c"', True), ('answer_1 = " (C) "', True), ('answer_1 = "a"', False), ("answer_1 = None", False),
    ('answer_1 = ["a", "b", "c", "d"]', False), ('answer_1 = "abcd"', False), ("answer_1 = c", False), ("", False),
    ('class S(str):\n    strip = lower = __eq__ = lambda *_: True\nanswer_1 = S("a")', False),
])  # fmt: skip
def test_a_question_has_one_answer(answer, right):
    student = Student()
    student.cell("question-1").source = answer
    assert ("question-1" not in lost(judged(student))) == right


def test_a_notebook_that_takes_too_long_as_a_whole_comes_to_an_end(student, monkeypatch):
    monkeypatch.setattr(judging, "NOTEBOOK_SECONDS", 10.0)
    for number in range(20):
        add_cell(student, f"import time; time.sleep({3 + number / 100})", "output_size")
    result = judged(student)
    assert result.seconds < 60  # the time of all its cells
    assert "as a whole took too long" in sentence(result, "receptive_field")
    assert "cross_correlate" not in lost(result)


def test_the_same_seed_gives_the_same_verdicts(student):
    student.write("output_size", "return (n + padding - dilation * (k - 1) - 1) // stride + 1")
    assert judged(student).verdicts == judged(student).verdicts


# What a second try must not give away ------------------------------------------------------


def test_a_question_has_no_second_try(student):
    student.cell("question-1").source = 'answer_1 = "a"'
    student.cell("question-2").source = 'answer_2 = "c" if answer_1 == "c" else "b"'
    assert list(lost(judged(student))) == ["question-1", "question-2"]


def test_nobody_gets_the_reference_that_an_earlier_exercise_asks_for(student):
    """cross_correlate_general, moved up and not written, must not answer cross_correlate."""
    cells = student.notebook.cells
    for name in ("check-cross_correlate_general", "cross_correlate_general", "check-output_size", "output_size"):
        cell = student.cell(name)
        cells.remove(cell)
        cells.insert(1, cell)
    student.write("cross_correlate_general", "return None")
    student.write("cross_correlate", "return cross_correlate_general(x, h)")
    assert {"cross_correlate_general", "cross_correlate"} <= set(lost(judged(student)))


def test_a_second_try_does_not_quote_the_reference(student):
    student.write("cross_correlate", "return None")
    student.write("convolve", """
if len(x) == 1:
    raise ValueError("QUOTE " + repr(In[-3:]))
return cross_correlate(x, h[::-1, ::-1])""")
    verdict = next(v for v in judged(student).verdicts if v.exercise == "convolve")
    assert verdict.points == 0.75 and "Tried with a right cross_correlate" in verdict.sentence
    assert "QUOTE" not in str(verdict)
