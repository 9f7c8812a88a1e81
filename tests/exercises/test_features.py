"""Answers with chance in them are judged by their features."""

import numpy as np
import pytest
from throwaway import EXERCISES

from grading import chance
from grading.certify import certify, judge
from pnnlib.exercises.diagnosis import Known
from pnnlib.exercises.exercise import Case, Exercise
from pnnlib.exercises.given import Seed


def verdict_on(name, function, seed="public"):
    return judge(function, Known(EXERCISES[name], EXERCISES[name].draw(seed)))


def bound(m, n):
    return np.sqrt(6 / (m + n))


def own_generator(m, n, rng):
    """A generator of its own, but made from the one that was given."""
    return (2 * np.random.default_rng(rng.integers(2**32)).random((n, m)) - 1) * bound(m, n)


def own_chance(m, n, rng):
    return np.random.default_rng().uniform(-bound(m, n), bound(m, n), (n, m))


def own_seed(m, n, rng):
    return np.random.default_rng(7).uniform(-bound(m, n), bound(m, n), (n, m))


def by_lists(m, n, rng):
    return [[float(rng.uniform(-bound(m, n), bound(m, n))) for _ in range(m)] for _ in range(n)]


def mask_first(x, p, rng):
    keep = (rng.random(x.shape) < 1 - p).astype(int)
    return [x * keep / (1 - p), keep.tolist()]


@pytest.mark.parametrize("name, function", [
    ("uniform_weights", own_generator), ("uniform_weights", by_lists), ("drop", mask_first),
    ("uniform_weights", lambda *args: own_generator(*args).astype("float32")),
    ("uniform_weights", lambda *args: np.ma.array(own_generator(*args))),
])  # fmt: skip
def test_a_right_answer_is_right_however_it_draws(name, function):
    for seed in ("public", *map(str, range(5))):
        assert verdict_on(name, function, seed).passed
    verdict = verdict_on(name, function)
    assert verdict.sentence == f"right. All {verdict.cases} cases are as expected."


@pytest.mark.parametrize("function, said", [
    (own_chance, "The same call with the same generator gave two different answers"),
    (own_seed, "Another generator gave the very same answer"),
])  # fmt: skip
def test_chance_that_does_not_come_from_the_generator_earns_nothing(function, said):
    for seed in ("public", "0", "1"):
        verdict = verdict_on("uniform_weights", function, seed)
        assert verdict.points == 0 and said in verdict.sentence


class Liar(np.ndarray):
    std = max = mean = __abs__ = __array__ = __array_ufunc__ = __array_function__ = lambda *_, **__: 0.5


@pytest.mark.parametrize("name, function, kind, said", [
    ("uniform_weights", lambda m, n, rng: np.zeros((n, m)), "wrong values", "The largest weight is 0, expected about 0.15."),
    ("uniform_weights", lambda m, n, rng: 3 * own_generator(m, n, rng), "wrong values", "The largest weight is 0.46, expected about 0.15."),
    ("uniform_weights", lambda m, n, rng: 2 * own_generator(n, m, rng), "wrong shape", "shape is (150, 100), expected (100, 150)"),
    ("uniform_weights", lambda m, n, rng: None, "wrong type", "is the `return` line missing?"),
    ("uniform_weights", lambda m, n, rng: "weights", "wrong type", "a str"),
    ("uniform_weights", lambda m, n, rng: np.full((n, m), np.nan), "wrong values", "infinite or not a number (nan)"),
    ("uniform_weights", lambda m, n, rng: np.where(np.eye(n, m), np.nan, own_generator(m, n, rng)), "wrong values", "nan"),
    ("uniform_weights", lambda m, n, rng: np.zeros((n, m)).view(Liar), "wrong", ""),
    ("drop", lambda x, p, rng: (x, np.ones(x.shape)), "wrong values", "The share that is kept is 1, expected about 0.7"),
    ("drop", lambda x, p, rng: (x, 2 * np.ones(x.shape)), "wrong values", "The mask holds other values than 0 and 1."),
    ("drop", lambda x, p, rng: (3 * x, rng.random(x.shape) > p), "wrong values", "The factor of what is kept is 3, expected about 1.3."),
    ("drop", lambda x, p, rng: (x / (1 - p), rng.random(x.shape) > p), "wrong values", "This is not so, but should be: y is x times the mask"),
    ("drop", lambda x, p, rng: x, "wrong type", "expected 2 results"),
    ("drop", lambda x, p, rng: (x, np.ones(3)), "wrong shape", "`mask` is wrong: its shape is (3,)"),
    ("drop", lambda x, p, rng: (x, None), "wrong type", "`mask` is wrong: it is None"),
])  # fmt: skip
def test_what_is_said(name, function, kind, said):
    verdict = verdict_on(name, function)
    assert verdict.kind.startswith(kind) and verdict.points == 0 and said in verdict.sentence
    assert ".." not in verdict.sentence and "PyTorch" not in verdict.sentence


def test_the_features_are_shown_side_by_side():
    detail = verdict_on("uniform_weights", lambda m, n, rng: np.zeros((n, m))).detail
    assert "rng = np.random.default_rng(" in detail
    rows = [line.split("   ") for line in detail.splitlines() if line.startswith("the ")]
    assert [(row[0], row[-1].strip()) for row in rows] == [
        ("the largest weight", "about 0.15"),
        ("the standard deviation of the weights", "about 0.09"),
        ("the weights differ from each other", "yes"),
    ]


def test_a_misconception_is_recognised_by_its_features():
    verdict = verdict_on("uniform_weights", lambda m, n, rng: own_generator(m, n, rng) / np.sqrt(3))
    assert verdict.chaff == "deviation_for_range" and "the range is √3 times as large" in verdict.sentence
    verdict = verdict_on("uniform_weights", lambda m, n, rng: own_generator(n, m, rng))
    assert verdict.chaff == "shape_m_n"


def test_state_that_leaks_is_noticed():
    calls = []

    def fades(m, n, rng):
        calls.append(1)
        return own_generator(m, n, rng) / (1 + (len(calls) > 3))

    assert "The same call gave the right answer first" in verdict_on("uniform_weights", fades).sentence


def normal_weights(m, rng):
    """Weights."""
    return rng.normal(size=m)


def test_a_value_must_not_choose_its_own_tolerance():
    exercise = Exercise(normal_weights, {"basic": 1.0}, 1e-6)
    exercise.features(lambda w, m, rng: {"the deviation": (w.std(), 0.5 * w.std())})
    exercise.cases(lambda rng: iter([Case((1000, Seed(int(rng.integers(1000))))),]))
    known = Known(exercise, exercise.draw())
    assert not judge(lambda m, rng: 1e6 * rng.normal(size=m), known).passed
    assert judge(lambda m, rng: 1.2 * rng.normal(size=m), known).passed


@pytest.mark.parametrize("features, said", [
    (lambda w, m, rng: "no features", "the oracle's own value has no features: no features"),
    (lambda w, m, rng: 1 / 0, "division by zero"),
])  # fmt: skip
def test_an_oracle_without_features_is_no_oracle(features, said):
    """Otherwise an answer without features would be as good."""
    exercise = Exercise(normal_weights, {"basic": 1.0}, 1e-6)
    exercise.features(features)
    exercise.cases(lambda rng: iter([Case((10, Seed(int(rng.integers(1000)))))]))
    with pytest.raises((ValueError, ZeroDivisionError), match=said):
        judge(lambda m, rng: rng.normal(size=m), Known(exercise, exercise.draw()))


# What certify must notice -----------------------------------------------------------------


@pytest.mark.parametrize("name", ["uniform_weights", "drop"])
def test_chance_decides_nothing(name):
    assert chance.faults_of_chance(EXERCISES[name], EXERCISES[name].draw()) == []


def test_a_tolerance_within_reach_of_chance_is_a_fault(monkeypatch):
    exercise = Exercise(normal_weights, {"basic": 1.0}, 1e-6)
    exercise.features(lambda w, m, rng: {"the mean": (w.mean(), 0.1), "the deviation": (w.std(), 0.7)})
    exercise.cases(lambda rng: iter([Case((1000, Seed(int(rng.integers(1000)))))]))
    exercise.chaff("Too wide.")(lambda m, rng: 2 * normal_weights(m, rng))
    said = chance.faults_of_chance(exercise, exercise.draw())
    assert any("the mean: the tolerance 0.1 is too small, chance alone makes 0.03" in fault for fault in said)
    assert any("is nowhere off by twice a tolerance" in fault for fault in said) and len(said) == 2
    monkeypatch.setattr("grading.certify.exercises_of", lambda part: {"normal_weights": exercise})
    monkeypatch.setattr("grading.certify.wheats_of", lambda part: {"normal_weights": [normal_weights] * 2})
    ((public, secret),) = certify("part_x")
    assert any("chance alone" in fault for fault in public.faults)


def test_a_bool_that_chance_turns_is_a_fault():
    exercise = Exercise(normal_weights, {"basic": 1.0}, 1e-6)
    exercise.features(lambda w, m, rng: {"the first is positive": bool(w[0] > 0)})
    exercise.cases(lambda rng: iter([Case((10, Seed(int(rng.integers(1000)))))]))
    assert "the first is positive: the tolerance 0 is too small" in chance.faults_of_chance(exercise, exercise.draw())[0]
