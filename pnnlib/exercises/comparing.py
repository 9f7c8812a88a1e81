"""Compare what a student's function returned with what it should have returned.

Accepted everywhere: nested lists where an array is natural, tuples or lists,
NumPy scalars and bools for Python's, 0/1 for False/True, float32 for float64.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from .hints import value_hint


@dataclass(frozen=True)
class Difference:
    """How a value differs from the expected one, in one sentence for the learner.

    kind   "wrong type", "wrong shape" or "wrong values"
    place  where, if several results are expected: the number of the result, and so on inward
    got, expected: the two arrays, for "wrong values" and "wrong shape"
    """

    kind: str
    sentence: str
    place: tuple[int, ...] = ()
    got: np.ndarray | None = None
    expected: np.ndarray | None = None


def difference(value, expected, tolerance: float) -> Difference | None:
    """The first difference between `value` and `expected`, or None where they agree.

    A tuple stands for several results, and so does a list of arrays or of lists; anything else is an array.

    >>> difference([1, 2], np.array([1.0, 2.0]), 1e-6)
    >>> difference(None, np.array([1.0, 2.0]), 1e-6).sentence
    'it returned None: is the `return` line missing?'
    >>> difference(np.ones((2, 3)), np.ones((3, 3)), 1e-6).sentence
    'its shape is (2, 3), expected (3, 3): axis 0 has 2, not 3'
    >>> difference([np.ones(2), np.ones(4)], [np.ones(2), np.ones(3)], 1e-6).place
    (1,)
    """
    found = form_difference(value, expected)
    if found:
        return found
    for place, one, wanted in leaves(value, expected):
        got, wanted = as_numbers(one), np.asarray(wanted)
        if not agree(got, wanted, tolerance):
            return Difference("wrong values", "the values differ", place, got, wanted)
    return None


def form_difference(value, expected, inner: bool = False) -> Difference | None:
    """The first difference in type or shape; `inner` where it is only one of several results."""
    if is_several(expected) and not (inner and _is_row(expected)):
        return _several_difference(value, expected, inner)
    try:
        got = as_numbers(value)
    except TypeError as error:
        return Difference("wrong type", str(error))
    array = np.asarray(expected)
    if got.shape != array.shape:
        row = isinstance(expected, (list, tuple)) and isinstance(value, (list, tuple, int))
        said = f"it is {describe(value)}, expected {describe(expected)}" if inner and row else ""
        return Difference("wrong shape", said or _shape_sentence(got.shape, array.shape), (), got, array)
    return None


def is_several(expected) -> bool:
    """Whether what is expected is several results, not one array.

    >>> is_several((0.5, 1)), is_several([1, 2]), is_several([np.ones(2)]), is_several([(1, 2), (3,)])
    (True, False, True, True)
    """
    if isinstance(expected, list):
        return any(isinstance(item, (list, tuple, np.ndarray)) for item in expected)
    return isinstance(expected, tuple)


def leaves(value, expected, place: tuple[int, ...] = ()) -> Iterator[tuple[tuple[int, ...], object, object]]:
    """Each place of what is expected, with the two values there. Their forms must agree."""
    if not is_several(expected) or place and _is_row(expected):
        yield place, value, expected
    else:
        for i, (one, wanted) in enumerate(zip(value, expected, strict=True)):
            yield from leaves(one, wanted, (*place, i))


def _is_row(value: list | tuple) -> bool:
    """A row of numbers, for instance the shape of an array, is one thing where it is one of several."""
    return all(isinstance(item, (int, float, np.number, np.bool_)) for item in value)


def _several_difference(value, expected: tuple | list, inner: bool) -> Difference | None:
    array = isinstance(value, np.ndarray) and value.ndim > 0 and value.dtype.kind in "biuf"
    if isinstance(expected, list):
        wanted, fits = f"a list of {len(expected)}", array or isinstance(value, (list, tuple))
    else:
        wanted = f"{len(expected)} entries" if inner else f"{len(expected)} results, separated by commas"
        fits = isinstance(value, (list, tuple))
    if value is None:
        return Difference("wrong type", "it returned None: is the `return` line missing?")
    if not fits:
        return Difference("wrong type", f"it returned {describe(value)}, expected {wanted}")
    if len(value) != len(expected):
        results = isinstance(expected, tuple) and not inner
        what = f"{len(value)} result{'s' * (len(value) != 1)}" if results else describe(value)
        return Difference("wrong type", f"it returned {what}, expected {wanted}")
    for number, (one, wanted_one) in enumerate(zip(value, expected, strict=True)):
        found = Difference("wrong type", "it is None") if one is None else form_difference(one, wanted_one, inner=True)
        if found:
            sentence = found.sentence.replace("it returned", "it is", 1)
            return replace(found, sentence=sentence, place=(number, *found.place))
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


class ByValues:
    """Compares answers number by number; the other way is `features.ByFeatures`."""

    agrees = "agrees with PyTorch", "agree with PyTorch"

    def __init__(self, tolerance: float):
        self.tolerance = tolerance

    def difference(self, value, expected, case) -> Difference | None:
        """How `value` differs from what is expected."""
        return difference(value, expected, self.tolerance)

    def alike(self, value, other, case) -> bool:
        """Whether `value` could come from the function that gave `other`, a wrong answer."""
        return difference(value, plain(other), self.tolerance) is None

    def explain(self, found: Difference, others: list[Difference]) -> str:
        """What is wrong, in a sentence; `others` are the differences in further cases."""
        same_place = [found, *(other for other in others if other.place == found.place)]
        return value_hint([(one.got, one.expected) for one in same_place])

    def praise(self, values, expected) -> str:
        """How closely right answers agree."""
        worst = max(map(_distance, values, expected), default=0.0)
        return f" to within {worst:.0e}" if worst else " exactly"

    def repeats(self, value, earlier) -> bool:
        """Whether this is the right answer to an earlier call, which for a single number is chance."""
        return (is_several(earlier) or np.size(earlier) > 1) and difference(value, earlier, self.tolerance) is None

    def table(self, value, expected, case) -> list[str]:
        return []  # the difference itself holds the two arrays to show


def plain(value):
    """A chaff's value in the form in which expected values stand."""
    if is_several(value):
        try:
            return type(value)(map(plain, value)) if isinstance(value, tuple) else np.array(value)
        except ValueError:  # a list of arrays of different shapes
            return list(map(plain, value))
    return np.asarray(value)


def _distance(value, expected) -> float:
    worst = 0.0
    for _, one, wanted in leaves(value, expected):
        with np.errstate(invalid="ignore"):  # inf - inf
            gaps = np.abs(as_numbers(one).astype(float) - wanted)
        worst = max(worst, float(np.max(gaps[np.isfinite(gaps)], initial=0.0)))
    return worst


def agree(got: np.ndarray, expected: np.ndarray, tolerance: float) -> bool:
    """Whether two arrays of one shape agree, relative to the size of the expected answer."""
    if got.dtype.kind in "bu":  # True - 1 and an unsigned subtraction would not be numbers
        got = got.astype(float)
    # no right answer holds nan, but a wrong one that is known may
    return bool(np.allclose(got, expected, rtol=0, atol=tolerance * _scale(expected), equal_nan=True))


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
