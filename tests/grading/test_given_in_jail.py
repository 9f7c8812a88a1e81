"""Functions and generators among the arguments, and answers judged by features, through the real jail."""

import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest

from grading import judge as judging
from grading.inside import wire
from grading.jail import Jail
from grading.judge import judge
from grading.limits import Limits
from grading.questions import NumberQuestion
from pnnlib.exercises.diagnosis import diagnose
from pnnlib.exercises.given import Function, Seed, recipe_of

sys.path.insert(0, str(Path(__file__).parents[1] / "exercises"))
from throwaway import EXERCISES, TANH  # noqa: E402

pytestmark = pytest.mark.jail

LIMITS = Limits(seconds=20)

RIGHT = {
    "after_sum": "def after_sum(x, w, phi):\n    return phi(x @ w)",
    "side_by_side": "def side_by_side(x, branches):\n    return [value for branch in branches for value in branch(x)]",
    "uniform_weights": "def uniform_weights(m, n, rng):\n    return rng.uniform(-1, 1, (n, m)) * np.sqrt(6 / (m + n))",
    "drop": "def drop(x, p, rng):\n    mask = rng.random(x.shape) > p\n    return [x * mask / (1 - p), mask.astype(int)]",
    "layers_of": "def layers_of(x, w):\n    return [[w, list(w @ row)] for row in x]",
}


@pytest.fixture(scope="module")
def jail():
    with Jail(LIMITS) as jail:
        jail.run_cell("import numpy as np")
        yield jail


def verdict_in(jail, name, source):
    result = jail.run_cell(source)
    assert result.status == "ok", result.error
    exercise = EXERCISES[name]
    cases = exercise.draw("a secret")
    outcomes = [jail.call(name, *case.arguments, exercise.parameters) for case in cases]
    return diagnose(exercise, cases, outcomes)


@pytest.mark.parametrize("name", RIGHT)
def test_right_answers(jail, name):
    verdict = verdict_in(jail, name, RIGHT[name])
    assert verdict.passed and verdict.points == 1


@pytest.mark.parametrize("name, source, chaff", [
    ("after_sum", "def after_sum(x, w, phi):\n    return sum(x * w)", "no_phi"),
    ("after_sum", "def after_sum(x, w, phi):\n    return sum(b * phi(a) for a, b in zip(x, w))", "phi_before_the_sum"),
    ("side_by_side", "def side_by_side(x, branches):\n    return sum(branch(x) for branch in branches)", "added"),
    ("uniform_weights", RIGHT["uniform_weights"] + " / 3 ** .5", "deviation_for_range"),
    ("uniform_weights", RIGHT["uniform_weights"].replace("(n, m)", "(m, n)"), "shape_m_n"),
    ("drop", RIGHT["drop"].replace(" / (1 - p)", ""), "not_scaled"),
    ("layers_of", "def layers_of(x, w):\n    return [(w, np.zeros(len(w))) for _ in x]", "no_bias"),
])  # fmt: skip
def test_misconceptions_are_named(jail, name, source, chaff):
    assert verdict_in(jail, name, source).chaff == chaff


@pytest.mark.parametrize("name, source, kind, said", [
    ("after_sum", """
def after_sum(x, w, phi):
    y = phi(x @ w)
    phi.__code__ = (lambda net: 0.0).__code__
    phi.__globals__["np"] = None
    return y""", "passed", ""),
    ("after_sum", "def after_sum(x, w, phi):\n\n    return phi(x, w)", "raised", "takes 1 positional argument but 2 were given (line 3 of your cell)"),
    ("after_sum", "def after_sum(x, w, phi):\n    return phi", "wrong type", "a function"),
    ("after_sum", "def after_sum(x, w, phi):\n    x[0] = 1\n    return phi(x @ w)", "changed arguments", "`x`"),
    ("side_by_side", """
def side_by_side(x, branches):
    y = np.concatenate([branch(x) for branch in branches])
    branches.reverse()
    return y""", "changed arguments", "`branches`"),
    ("side_by_side", """
def side_by_side(x, branches):
    y = np.concatenate([branch(x) for branch in branches])
    branches[0] = lambda x: x
    return y""", "changed arguments", "`branches`"),
    ("uniform_weights", """
np.random.default_rng = lambda *_: None
def uniform_weights(m, n, rng):
    assert type(rng).__name__ == "Generator"
    return rng.uniform(-1, 1, (n, m)) * np.sqrt(6 / (m + n))""", "passed", ""),
    ("uniform_weights", "def uniform_weights(m, n, rng):\n    return rng", "wrong type", "a Generator"),
    ("uniform_weights", """
class Liar(np.ndarray):
    std = max = mean = __abs__ = lambda *_, **__: 0.5
def uniform_weights(m, n, rng):
    return np.zeros((n, m)).view(Liar)""", "wrong values", "The largest weight is 0, expected about"),
])  # fmt: skip
def test_an_ordinary_verdict(jail, name, source, kind, said):
    verdict = verdict_in(jail, name, source)
    assert verdict.kind == kind and said in verdict.sentence


def test_what_a_student_sees_of_a_function_is_its_text_and_nothing_of_ours(jail):
    source = """
import inspect
def after_sum(x, w, phi):
    seen = [phi.__name__, sorted(k for k in phi.__globals__ if k != "__builtins__")]
    for frame in inspect.stack()[1:]:
        seen += [type(v).__name__ + str(v)[:300] for v in frame.frame.f_locals.values()]
    raise ValueError(" ".join(map(str, seen)))"""
    jail.run_cell(source)
    (x, w) = np.ones(2), np.ones(2)
    error = jail.call("after_sum", (x, w, TANH), {}, ("x", "w", "phi")).error
    assert error.startswith("ValueError: tanh ['np', 'tanh']")
    assert not any(word in error for word in ("oracle", "chaff", "secret", "expected"))


def test_a_call_that_writes_to_its_function_finds_it_whole_at_the_next(jail):
    jail.run_cell("def spoil(phi):\n    phi.__code__ = (lambda v: v).__code__\n    phi.__globals__.clear()")
    assert jail.call("spoil", (TANH,), {}, ("phi",)).changed == ()
    jail.run_cell("def use(phi):\n    return phi(0.5)")
    assert jail.call("use", (TANH,), {}).value == np.tanh(0.5)


def test_every_case_gets_its_generator_anew(jail):
    jail.run_cell("def first(rng):\n    return rng.random()")
    for n in (3, 3, 4):
        assert jail.call("first", (Seed(n),), {}).value == np.random.default_rng(n).random()


def test_no_recipe_is_cooked_outside():
    """A hostile kernel may send one: it is a program."""
    frames = wire.encode([Function("f", "print('cooked') or len")], recipe=recipe_of)
    with pytest.raises(wire.WireError, match="an unknown kind"):
        wire.decode(frames)


def test_a_forged_recipe_is_no_answer(jail):
    with Jail(LIMITS) as other:
        other.run_cell("""
import gc
for found in gc.get_objects():
    if isinstance(found, dict) and found.get("__name__") == "harness":
        found["_returned"] = lambda *_: ({"kind": "returned", "changed": []}, [b'{"recipe": ["function", "f", "import os; f = os.getpid()"]}'])
def after_sum(x, w, phi): return 1""")
        outcome = other.call("after_sum", (1, 2, TANH), {})
        assert (outcome.kind, outcome.error) == ("raised", "an answer that is no data and could not be read")


# The whole judge ---------------------------------------------------------------------------

QUESTIONS = {
    "question-1": NumberQuestion("question-1", [0.6225, -3], "Because.", names=("y", "w"), wrong={(0.6225, 3): "The sign."}, points=2)
}


def notebook_of(**sources):
    cells = []
    for name, source in sources.items():
        cell = nbformat.v4.new_code_cell(source, metadata={"nbgrader": {"grade_id": name.replace("question_", "question-")}})
        check = nbformat.v4.new_code_cell("", metadata={"nbgrader": {"grade_id": "check-" + cell.metadata.nbgrader.grade_id}})
        cells += [cell, check]
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("import numpy as np"), *cells])


@pytest.fixture
def part(monkeypatch):
    monkeypatch.setattr(judging, "exercises_of", lambda part: EXERCISES)
    monkeypatch.setattr(judging, "questions_of", lambda part: QUESTIONS)


def test_a_hand_in_of_all_kinds(part):
    judgement = judge(notebook_of(**RIGHT, question_1="answer_1 = np.array([0.622, -3])"), "part_x", "a secret", LIMITS)
    assert [(v.exercise, v.kind, v.points) for v in judgement.verdicts] == [
        *((name, "passed", 1.0) for name in RIGHT), ("question-1", "passed", 2.0),
    ]  # fmt: skip


def test_what_builds_on_a_wrong_answer_is_tried_with_the_reference(part):
    sources = {
        "after_sum": "def after_sum(x, w, phi):\n    return 0",
        "uniform_weights": "def uniform_weights(m, n, rng):\n    bound = after_sum(np.ones(1), np.ones(1), lambda v: np.sqrt(6 / (m + n)))\n"
        "    return rng.uniform(-1, 1, (n, m)) * bound",
        "question_1": "answer_1 = 0.622, 3",
    }
    judgement = judge(notebook_of(**sources), "part_x", "a secret", LIMITS, references={**RIGHT, "question-1": "answer_1 = 1"})
    after, weights, question = judgement.verdicts
    assert after.points == 0 and weights.points == 1 and "Tried with a right after_sum" in weights.sentence
    assert question.points == 1 and question.sentence == "1 of 2 numbers are right. Not right: w. The sign."
