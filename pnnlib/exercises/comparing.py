"""Compare what a student's function returned with what it should have returned.

Accepted everywhere: nested lists where an array is natural, tuples or lists,
NumPy scalars and bools for Python's, 0/1 for False/True, float32 for float64.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Difference:
    """How a value differs from the expected one, in one sentence for the learner.

    kind  "wrong type", "wrong shape" or "wrong values"
    part  which element, where a tuple of several results is expected
    got, expected: the two arrays, for "wrong values" and "wrong shape"
    """

    kind: str
    sentence: str
    part: int | None = None
    got: np.ndarray | None = None
    expected: np.ndarray | None = None


def difference(value, expected, tolerance: float) -> Difference | None:
    """The first difference between `value` and `expected`, or None where they agree.

    >>> difference([1, 2], np.array([1.0, 2.0]), 1e-6)
    >>> difference(None, np.array([1.0, 2.0]), 1e-6).sentence
    'it returned None: is the `return` line missing?'
    >>> difference(np.ones((2, 3)), np.ones((3, 3)), 1e-6).sentence
    'its shape is (2, 3), expected (3, 3): axis 0 has 2, not 3'
    """
    if isinstance(expected, tuple):
        return _tuple_difference(value, expected, tolerance)
    try:
        got = as_numbers(value)
    except TypeError as error:
        return Difference("wrong type", str(error))
    expected = np.asarray(expected)
    if got.shape != expected.shape:
        return Difference(
            "wrong shape", _shape_sentence(got.shape, expected.shape), None, got, expected
        )
    if not agree(got, expected, tolerance):
        return Difference("wrong values", "the values differ", None, got, expected)
    return None


def _tuple_difference(value, expected: tuple, tolerance: float) -> Difference | None:
    wanted = f"{len(expected)} results, separated by commas"
    if not isinstance(value, (tuple, list)):
        return Difference("wrong type", f"it returned {describe(value)}, expected {wanted}")
    if len(value) != len(expected):
        return Difference("wrong type", f"it returned {len(value)} results, expected {wanted}")
    for part, (one, wanted_one) in enumerate(zip(value, expected, strict=True)):
        if one is None:
            return Difference("wrong type", "it is None", part)
        found = difference(one, wanted_one, tolerance)
        if found:
            return Difference(found.kind, found.sentence, part, found.got, found.expected)
    return None


_KINDS = {"c": "complex numbers", "O": "Python objects", "U": "texts", "S": "texts"}


def as_numbers(value) -> np.ndarray:
    """`value` as an array of numbers, or a TypeError that says what it is instead."""
    if value is None:
        raise TypeError("it returned None: is the `return` line missing?")
    if isinstance(value, (str, bytes, dict, set)):
        raise TypeError(f"it returned {describe(value)}, expected numbers")
    if isinstance(value, (list, tuple)) and _holds_text(value):
        raise TypeError(f"it returned {describe(value)} that holds texts, expected real numbers")
    try:
        array = np.asarray(value)
    except Exception:  # ragged lists, objects with an __array__ of their own
        rows = ": are its rows equally long?" if isinstance(value, (list, tuple)) else ""
        raise TypeError(f"it returned {describe(value)} that is no array of numbers{rows}") from None
    if array.dtype.kind not in "biuf":
        what = _KINDS.get(array.dtype.kind, f"values of type {array.dtype}")
        inside = f" that holds {what}" if array.ndim else ""
        raise TypeError(f"it returned {describe(value)}{inside}, expected real numbers")
    return array


def _holds_text(value: list | tuple) -> bool:
    """Asked before an array is made, in which every text would be as long as the longest."""
    waiting, seen = [value], set()
    while waiting:
        item = waiting.pop()
        if isinstance(item, (str, bytes)):
            return True
        if isinstance(item, (list, tuple)) and id(item) not in seen:
            seen.add(id(item))
            waiting.extend(item)
    return False


def agree(got: np.ndarray, expected: np.ndarray, tolerance: float) -> bool:
    """Whether two arrays of one shape agree, relative to the size of the expected answer."""
    if got.dtype.kind in "bu":  # True - 1 and an unsigned subtraction would not be numbers
        got = got.astype(float)
    return bool(np.allclose(got, expected, rtol=0, atol=tolerance * _scale(expected)))


def _scale(expected: np.ndarray) -> float:
    finite = np.abs(expected[np.isfinite(expected)], dtype=float)
    return max(1.0, finite.max(initial=0.0))


def describe(value) -> str:
    """A few words for what `value` is.

    >>> describe([1, [2, 3]])
    'a list of 2'
    """
    if value is None:
        return "None"
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    if isinstance(value, (list, tuple)):
        return f"a {type(value).__name__} of {len(value)}"
    if isinstance(value, int) and abs(value) >= 10**20:
        return f"a number of {value.bit_length()} bits"
    if isinstance(value, (bool, int, float, np.number)):
        return f"the number {value}"
    name = type(value).__name__
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def _shape_sentence(got: tuple, expected: tuple) -> str:
    if not expected:
        return f"it is an array of shape {got}, expected one number"
    if not got:
        return f"it is one number, expected an array of shape {expected}"
    if len(got) != len(expected):
        detail = f"{len(got)} {'axis' if len(got) == 1 else 'axes'}, not {len(expected)}"
    else:
        wrong = [i for i in range(len(got)) if got[i] != expected[i]]
        detail = ", ".join(f"axis {i} has {got[i]}, not {expected[i]}" for i in wrong)
        if len(wrong) == 2 and sorted(got) == sorted(expected):
            detail += " (axes swapped?)"
    return f"its shape is {got}, expected {expected}: {detail}"
