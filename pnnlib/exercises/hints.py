"""Hints from the pattern of the differences, for wrong answers that no chaff explains."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .case import Case


def value_hint(pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> str:
    """One sentence about how answers differ from the expected ones.

    Args:
        pairs: (got, expected) of all cases whose values are wrong, two arrays of one shape each;
            the one that is shown comes first. A pattern is stated if it holds for all of them.

    >>> value_hint([(np.array([2.0, 4.0]), np.array([1.0, 2.0]))])
    'Your values are 2 times what they should be.'
    >>> value_hint([(np.array([[1.0, 3.0], [2.0, 4.0]]), np.array([[1.0, 2.0], [3.0, 4.0]]))])
    'Your answer is transposed.'
    """
    pairs = [(np.asarray(got, float), np.asarray(expected, float)) for got, expected in pairs]
    with np.errstate(all="ignore"):  # an expected infinity has no patterns
        return _value_hint(pairs)


def _value_hint(pairs) -> str:
    if any(not np.isfinite(got).all() and np.isfinite(expected).all() for got, expected in pairs):
        return "Some of your values are infinite or not a number (nan)."
    for pattern in (_rounded, _scaled, _offset, _moved):
        sentence = pattern(pairs)
        if sentence:
            return sentence
    return _place(*pairs[0])


def _close(a, b) -> bool:
    return np.allclose(a, b, rtol=1e-6, atol=1e-9)


def _all(pairs, change) -> bool:
    """Whether every answer is the expected one after `change`."""
    changed = ((got, change(expected)) for got, expected in pairs)
    return all(got.shape == other.shape and _close(got, other) for got, other in changed)


def _together(pairs) -> tuple[np.ndarray, np.ndarray]:
    """All answers in one vector, and all expected ones."""
    got, expected = zip(*pairs, strict=True)
    return np.concatenate([a.ravel() for a in got]), np.concatenate([a.ravel() for a in expected])


def _rounded(pairs) -> str:
    if any(got.any() for got, _ in pairs) and _all(pairs, np.trunc):
        return "Your values are cut to whole numbers: was the result put into an array of integers?"
    if any(_all(pairs, lambda expected, d=digits: np.round(expected, d)) for digits in range(7)):
        return "Your values are rounded; return them as they are."
    if _all(pairs, np.abs):
        return "Your values have lost their sign."
    return ""


def _scaled(pairs) -> str:
    got, expected = _together(pairs)
    if not got.any():
        return "All your values are 0." if len(pairs) == 1 else "In every case that goes wrong all your values are 0."
    weight = float(np.sum(expected * expected))
    factor = float(np.sum(got * expected)) / weight if weight else 0.0
    if got.size > 1 and factor and _close(got, factor * expected):
        if np.isclose(factor, -1):
            return "Your values have the wrong sign."
        return f"Your values are {factor:.4g} times what they should be."
    return ""


def _offset(pairs) -> str:
    got, expected = _together(pairs)
    shift = float(np.mean(got - expected))
    if got.size > 1 and _close(got, expected + shift):
        return f"Your values are all off by the same amount, {shift:+.4g}."
    return ""


def _moved(pairs) -> str:
    """The right values in the wrong places."""
    axes = min(got.ndim for got, _ in pairs)
    if axes == 2 and _all(pairs, np.transpose):
        return "Your answer is transposed."
    for axis in range(axes):
        if _all(pairs, lambda expected, axis=axis: np.flip(expected, axis)):
            return f"Your answer is reversed along axis {axis}."
    if axes >= 2 and _all(pairs, lambda expected: np.flip(expected, (-2, -1))):
        return "Your answer is turned by 180 degrees."
    if all(_close(np.sort(got, None), np.sort(expected, None)) for got, expected in pairs):
        return "Your values are right but stand in the wrong places."
    return ""


def _place(got, expected) -> str:
    """Where in the case that is shown the wrong values are."""
    wrong = ~np.isclose(got, expected, rtol=1e-6, atol=1e-9)
    if wrong.all() or not wrong.any():
        return "The values differ."
    if got.ndim >= 2 and min(got.shape[-2:]) > 3 and not wrong[..., 1:-1, 1:-1].any():
        return "In the case below the inside is right, only the border differs."
    for axis, length in enumerate(got.shape):
        others = tuple(i for i in range(got.ndim) if i != axis)
        bad = np.flatnonzero(wrong.any(axis=others))
        name = {1: ["number"], 2: ["row", "column"]}.get(got.ndim, ["position"] * got.ndim)[axis]
        along = f" along axis {axis}" if name == "position" else ""
        if len(bad) < length and bad[0] > 0 and len(bad) == length - bad[0]:
            until = f"the first {name} is" if bad[0] == 1 else f"the first {bad[0]} {name}s are"
            return f"In the case below {until} right{along}, the rest differs."
        if length > 2 and len(bad) == 1:
            return f"In the case below only {name} {bad[0]}{along} differs, counted from 0."
    return f"In the case below {int(wrong.sum())} of {wrong.size} values differ."


def order_hint(cases: Sequence[Case], failing: Sequence[Case]) -> str:
    """Whether exactly those cases fail that pass the options in their places.

    >>> named, placed = (Case((7, 3), {"stride": 2}, by_name=by_name) for by_name in (True, False))
    >>> order_hint([named, placed], [placed])
    'Wrong only where the options are given without their names: their order is stride.'
    """
    placed = [case for case in cases if not case.by_name]
    if placed and {id(case) for case in failing} == {id(case) for case in placed}:
        order = ", ".join(placed[0].options)
        return f"Wrong only where the options are given without their names: their order is {order}."
    return ""


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
