"""Hints from the pattern of the differences, for wrong answers that no chaff explains."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .exercise import Case


def value_hint(got: np.ndarray, expected: np.ndarray) -> str:
    """One sentence about how `got` differs from `expected`, two arrays of one shape.

    >>> value_hint(np.array([2.0, 4.0]), np.array([1.0, 2.0]))
    'Your values are 2 times what they should be.'
    >>> value_hint(np.array([[1.0, 3.0], [2.0, 4.0]]), np.array([[1.0, 2.0], [3.0, 4.0]]))
    'Your answer is transposed.'
    """
    got, expected = np.asarray(got, float), np.asarray(expected, float)
    if not np.isfinite(got).all() and np.isfinite(expected).all():
        return "Some of your values are infinite or not a number (nan)."
    for pattern in (_whole_numbers, _scaled, _offset, _moved, _place):
        sentence = pattern(got, expected)
        if sentence:
            return sentence
    return "The values differ."


def _close(a, b) -> bool:
    return np.allclose(a, b, rtol=1e-6, atol=1e-9)


def _whole_numbers(got, expected) -> str:
    if _close(got, np.trunc(expected)):
        return "Your values are cut to whole numbers: was the result put into an array of integers?"
    if _close(got, np.abs(expected)):
        return "Your values have lost their sign."
    return ""


def _scaled(got, expected) -> str:
    if not got.any():
        return "All your values are 0."
    weight = float(np.sum(expected * expected))
    factor = float(np.sum(got * expected)) / weight if weight else 0.0
    if got.size > 1 and factor and _close(got, factor * expected):
        if np.isclose(factor, -1):
            return "Your values have the wrong sign."
        return f"Your values are {factor:.4g} times what they should be."
    return ""


def _offset(got, expected) -> str:
    shift = float(np.mean(got - expected))
    if got.size > 1 and _close(got, expected + shift):
        return f"Your values are all off by the same amount, {shift:+.4g}."
    return ""


def _moved(got, expected) -> str:
    """The right values in the wrong places."""
    if got.ndim == 2 and got.shape[0] == got.shape[1] and _close(got, expected.T):
        return "Your answer is transposed."
    for axis in range(got.ndim):
        if got.shape[axis] > 1 and _close(got, np.flip(expected, axis)):
            return f"Your answer is reversed along axis {axis}."
    if got.ndim >= 2 and _close(got, np.flip(expected, (-2, -1))):
        return "Your answer is turned by 180 degrees."
    if _close(np.sort(got, None), np.sort(expected, None)):
        return "Your values are right but stand in the wrong places."
    return ""


def _place(got, expected) -> str:
    """Where the wrong values are, when they are not everywhere."""
    wrong = ~np.isclose(got, expected, rtol=1e-6, atol=1e-9)
    if wrong.all() or got.ndim == 0:
        return ""
    if got.ndim >= 2 and min(got.shape[-2:]) > 3 and not wrong[..., 1:-1, 1:-1].any():
        return "The inside is right, only the border differs."
    for axis, length in enumerate(got.shape):
        others = tuple(i for i in range(got.ndim) if i != axis)
        bad = np.flatnonzero(wrong.any(axis=others))
        if len(bad) < length and bad[0] > 0 and len(bad) == length - bad[0]:
            until = "the first is right" if bad[0] == 1 else f"the first {bad[0]} are right"
            return f"Along axis {axis} {until}, the rest differs."
        if length > 2 and len(bad) == 1:
            return f"Only position {bad[0]} along axis {axis} differs."
    return f"{int(wrong.sum())} of {wrong.size} values differ."


def option_hint(cases: Sequence[Case], failing: Sequence[Case]) -> str:
    """What all failing cases have in common and no passing case has.

    >>> easy, hard = Case((1,)), Case((1,), {"stride": 2})
    >>> option_hint([easy, hard], [hard])
    'Right whenever stride is left at its default, wrong whenever it is not.'
    """
    passing = [case for case in cases if not any(case is other for other in failing)]
    names = {name for case in cases for name in case.options}
    for name in sorted(names):
        if all(name in c.options for c in failing) and not any(name in c.options for c in passing):
            return f"Right whenever {name} is left at its default, wrong whenever it is not."

    def has_pair(case: Case) -> bool:
        return any(isinstance(value, tuple) for value in case.options.values())

    if all(map(has_pair, failing)) and not any(map(has_pair, passing)):
        return "Wrong only where an option is a pair (rows, columns)."
    return ""
