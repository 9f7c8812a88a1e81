"""Whether chance can decide about an answer that is judged by features.

A right answer must not fail by bad luck, and a wrong one must not pass by good
luck. So the oracle is run with many seeds, and the spread of its features is
held against the tolerances.
"""

from __future__ import annotations

from collections.abc import Iterator
from time import monotonic

import numpy as np

from pnnlib.exercises.calling import call
from pnnlib.exercises.case import Case
from pnnlib.exercises.comparing import form_difference
from pnnlib.exercises.exercise import Chaff, Exercise
from pnnlib.exercises.features import ByFeatures
from pnnlib.exercises.given import Seed

# Two samples of a right answer are compared. Of their difference an extreme value (the largest of
# many) has the heaviest tail of what is used here, exp(-k) beyond k standard deviations: 3e-7 at 15.
DEVIATIONS = 15
RUNS = 40
SECONDS = 20.0  # of one exercise; one that trains is run a few times only


def faults_of_chance(exercise: Exercise, cases: list[Case]) -> list[str]:
    """A sentence for every tolerance that is too small for chance, and every chaff too near to what is right.

    Empty for an exercise that is not judged by features.
    """
    if not isinstance(exercise.comparison, ByFeatures):
        return []
    narrow = dict(found for case in cases for found in _narrow(exercise, case, monotonic() + SECONDS / len(cases)))
    near = [c.name for c in exercise.chaffs if not any(_far_off(exercise, c, case) for case in cases)]
    near = [f"chaff {name} is nowhere off by twice a tolerance" for name in near]
    return [f"{exercise.name}: {fault}" for fault in (*narrow.values(), *near)]


def _narrow(exercise: Exercise, case: Case, end: float) -> Iterator[tuple[str, str]]:
    """The features whose tolerance is too small, each with a sentence."""
    samples = []
    for n in range(RUNS):
        if monotonic() > end and len(samples) > 2:
            break
        other = Case(_reseeded(case.args, 1_000_003 + n), _reseeded(dict(case.options), n))
        value = exercise.oracle(*other.args, **other.options)
        samples.append(exercise.comparison.features(value, value, case))
    for name, (_, tolerance) in samples[0].items():
        values = np.array([sample[name][0] for sample in samples], dtype=float)
        spread = float(np.max(values.std(axis=0), initial=0.0))
        if spread * DEVIATIONS > np.min(tolerance) + 1e-9:
            yield name, f"{name}: the tolerance {np.min(tolerance):.2g} is too small, chance alone makes {spread:.2g}"


def _reseeded(value, n: int):
    if isinstance(value, Seed):
        return Seed(value.n + n)
    if isinstance(value, dict):
        return {key: _reseeded(item, n) for key, item in value.items()}
    return type(value)(_reseeded(item, n) for item in value) if type(value) in (list, tuple) else value


def _far_off(exercise: Exercise, chaff: Chaff, case: Case) -> bool:
    """Whether the chaff is so far off in this case that no chance brings it back."""
    expected = exercise.oracle(*case.args, **case.options)
    outcome = call(chaff.function, *case.arguments, seconds=60)
    if outcome.kind != "returned" or form_difference(outcome.value, expected):
        return True
    right = exercise.comparison.features(expected, expected, case)
    wrong = exercise.comparison.features(outcome.value, expected, case)
    if isinstance(wrong, str):
        return True
    return any(
        name not in wrong
        or wrong[name][0].shape != number.shape
        or np.any(np.abs(wrong[name][0].astype(float) - number.astype(float)) > 2 * np.asarray(tolerance) + 1e-9)
        for name, (number, tolerance) in right.items()
    )
