"""Functions and random generators among the arguments: real ones for every call, whatever became of the last."""

import numpy as np
import pytest
from throwaway import EXERCISES, SQUARE, TANH, TWICE

from grading.certify import judge
from pnnlib.exercises.calling import call, same
from pnnlib.exercises.diagnosis import Known
from pnnlib.exercises.exercise import Case
from pnnlib.exercises.given import Function, Seed, fresh
from pnnlib.exercises.showing import labelled


def verdict_on(name, function):
    return judge(function, Known(EXERCISES[name], EXERCISES[name].draw()))


@pytest.mark.parametrize("function", [TANH, SQUARE, TWICE])
def test_a_function_works_on_numbers_and_arrays_and_has_its_name(function):
    made = fresh(function)
    assert made.__name__ == function.name and type(made) is type(fresh)
    assert np.array_equal(made(np.array([0.5, 0.5])), [made(0.5)] * 2)


def test_every_call_gets_its_own():
    args = (TANH, [TWICE, (Seed(3), 1)], {"rng": Seed(3)})
    one, two = fresh(args), fresh(args)
    assert one[0] is not two[0] and one[1][0] is not two[1][0] and one[0].__globals__ is not two[0].__globals__
    assert one[1][1][0].random() == two[1][1][0].random() == one[2]["rng"].random()
    assert type(one[1][1]) is tuple


def test_what_is_given_is_shown_by_its_name():
    shown = ["phi = tanh"], ["branches = [twice, square]"], ["rng = np.random.default_rng(7)"]
    given = ("phi", TANH), ("branches", [TWICE, SQUARE]), ("rng", Seed(7))
    assert tuple(labelled(*item) for item in given) == shown


def test_the_same_function_and_the_same_seed_are_equal():
    assert same((TANH, Seed(1)), (TANH, Seed(1)))
    assert not same(TANH, TWICE) and not same(Seed(1), Seed(2)) and not same(TANH, Seed(1))
    assert hash(TANH) == hash(Function(TANH.name, TANH.source))


@pytest.mark.parametrize("name, right", [
    ("after_sum", lambda x, w, phi: phi(sum(a * b for a, b in zip(x, w, strict=True)))),
    ("side_by_side", lambda x, branches: [value for branch in branches for value in branch(x)]),
    ("side_by_side", lambda x, branches: np.hstack([[branch(value) for value in x] for branch in branches])),
    ("uniform_weights", lambda m, n, rng: rng.uniform(-1, 1, (n, m)) * np.sqrt(6 / (m + n))),
])  # fmt: skip
def test_right_answers(name, right):
    assert verdict_on(name, right).passed


@pytest.mark.parametrize("name, chaff", [(name, chaff.name) for name, e in EXERCISES.items() for chaff in e.chaffs])
def test_misconceptions_are_named(name, chaff):
    function = next(c.function for c in EXERCISES[name].chaffs if c.name == chaff)
    verdict = verdict_on(name, function)
    assert verdict.chaff == chaff and verdict.points == 0


# What a student's code may do to them ------------------------------------------------------


def right(x, w, phi):
    return phi(w @ x)


def replaces_its_code(x, w, phi):
    y = phi(w @ x)
    phi.__code__ = (lambda net: 0.0).__code__
    phi.__globals__["np"] = None
    phi.extra = 1
    return y


def shape_error(x, w, phi):
    return phi(w[:, None] @ x[:, None])


def forgets_the_call(x, w, phi):
    return phi


def swaps(x, branches):
    y = np.concatenate([branch(x) for branch in branches])
    branches[0], branches[1] = branches[1], branches[0]
    return y


def changes_what_it_gave(x, branches):
    for branch in branches:
        made = branch(x)
        x[0] = 3
    return made


def draws(m, n, rng):
    rng.random(1000)
    return rng.uniform(-1, 1, (n, m)) * np.sqrt(6 / (m + n))


@pytest.mark.parametrize("name, function, kind, said", [
    ("after_sum", replaces_its_code, "passed", ""),
    ("after_sum", shape_error, "raised", "It stopped with ValueError: matmul"),
    ("after_sum", lambda x, w, phi: phi(x, w), "raised", "It stopped with TypeError: "),
    ("after_sum", forgets_the_call, "wrong type", "It returned a function, expected real numbers"),
    ("side_by_side", swaps, "changed arguments", "changed its argument `branches`"),
    ("side_by_side", lambda x, branches: branches.pop()(x), "wrong shape", "Its shape is (3,), expected (6,)"),
    ("side_by_side", changes_what_it_gave, "wrong shape", ""),
    ("uniform_weights", draws, "passed", ""),
    ("uniform_weights", lambda m, n, rng: rng, "wrong type", "It returned a Generator"),
    ("uniform_weights", lambda m, n, rng: rng.uniform(), "wrong shape", "one number"),
    ("uniform_weights", lambda m, n, rng: rng(n, m), "raised", "TypeError"),
])  # fmt: skip
def test_an_ordinary_verdict(name, function, kind, said):
    verdict = verdict_on(name, function)
    assert verdict.kind == kind and said in verdict.sentence


def test_the_line_of_an_error_is_the_students():
    verdict = verdict_on("after_sum", shape_error)
    assert f"(line {shape_error.__code__.co_firstlineno + 1} of your cell)" in verdict.sentence


def test_a_generator_that_is_patched_away_harms_only_the_student(monkeypatch):
    """`check` and the oracle share the student's process; they keep their own."""
    monkeypatch.setattr(np.random, "default_rng", None)
    assert verdict_on("uniform_weights", draws).passed
    assert verdict_on("after_sum", right).passed


def test_drawing_changes_no_argument():
    assert call(draws, (5, 4, Seed(1)), {}, ("m", "n", "rng")).changed == ()
    assert call(lambda rng: rng.random(), (), {"rng": Seed(1)}).value == np.random.default_rng(1).random()


def test_the_size_of_a_case_counts_every_number():
    case = Case(([np.zeros((3, 2)), np.zeros((4, 3))], [("conv", 8, 3), ("flatten",)], TANH, Seed(1)))
    assert case.size == 6 + 12 + 4 + 2
