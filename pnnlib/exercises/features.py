"""Judge an answer by its features, where chance is in it: its values may be any, its distribution may not.

    @xavier_uniform.features
    def _(w, m, n, rng):
        return {"the largest weight": (abs(w).max(), 0.02), "the rows of w differ": bool(w.std(axis=0).min() > 0)}

A feature is a number or an array, together with the difference that is still
all right, or a bool. Its name stands in sentences for students: of a number
"<name> is 0.41, expected about 0.82", of a bool it is a statement. A student's
features are compared with those of the oracle's own value. Both are samples,
so the allowed difference has room for chance in both; `grading.chance` tells
whether it has.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .comparing import Difference, as_numbers, form_difference, is_several, leaves, plain
from .given import fresh

Features = dict[str, tuple]
UNREADABLE = "the numbers in it are not what was asked for"
NOT_FINITE = "some of your values are infinite or not a number (nan)"


class ByFeatures:
    """Compares values by what `describe(value, *args, **options)` says of them.

    It gets arrays of floats, and the case's arguments; it returns the features, or a sentence about
    a value that has none.
    """

    agrees = "is as expected", "are as expected"

    def __init__(self, describe: Callable):
        self.describe = describe

    def difference(self, value, expected, case) -> Difference | None:
        """The first feature in which `value` differs from the oracle's own value."""
        found = form_difference(value, expected)
        if found:
            return found
        wanted = self._described(expected, expected, case)
        if isinstance(wanted, str):
            raise ValueError(f"the oracle's own value has no features: {wanted}")
        got = self.features(value, expected, case)
        if isinstance(got, str):
            return Difference("wrong values", got)
        for name in wanted:
            if not _close(got.get(name), wanted[name]):
                return Difference("wrong values", _sentence(name, got.get(name), wanted[name]))
        return None

    def alike(self, value, other, case) -> bool:
        """Whether `value` could come from the function that gave `other`, a wrong answer."""
        other = plain(other)
        if form_difference(value, other):
            return False
        one, two = self.features(value, other, case), self.features(other, other, case)
        if isinstance(one, str) or isinstance(two, str):
            return one == two
        return one.keys() == two.keys() and all(_close(one[name], two[name]) for name in two)

    def features(self, value, like, case) -> Features | str:
        """The features of a value of the form of `like`, each with its tolerance; a sentence, if it has none."""
        if not all(np.isfinite(as_numbers(one)).all() for _, one, _ in leaves(value, like)):
            return NOT_FINITE
        try:
            with np.errstate(all="ignore"):
                return self._described(value, like, case)
        except Exception:  # wrong answers may be anything
            return UNREADABLE

    def _described(self, value, like, case) -> Features | str:
        args, options = case.arguments
        found = self.describe(_floats(value, like), *fresh(args), **fresh(options))
        return found if isinstance(found, str) else {name: _with_tolerance(item) for name, item in found.items()}

    def explain(self, found: Difference, others: list[Difference]) -> str:
        """What is wrong, in a sentence."""
        return found.sentence.rstrip(".") + "."

    def praise(self, values, expected) -> str:
        return ""

    def repeats(self, value, earlier) -> bool:
        return False  # all right answers of one size have the same features

    def table(self, value, expected, case) -> list[str]:
        """The features of both, side by side."""
        got, wanted = self.features(value, expected, case), self.features(expected, expected, case)
        if isinstance(got, str):
            return []
        rows = [("", "yours", "expected")]
        rows += [(name, *_texts(got.get(name), wanted[name])) for name in wanted]
        wide = [max(len(row[i]) for row in rows) + 3 for i in range(2)]
        return [f"{a:<{wide[0]}}{b:<{wide[1]}}{c}".rstrip() for a, b, c in rows]


def _floats(value, like):
    """Plain arrays of floats, whatever kind of array or list a student returned."""
    if is_several(like):
        return tuple(map(_floats, value, like))
    return as_numbers(value).astype(float)


def _with_tolerance(item) -> tuple:
    number, tolerance = item if isinstance(item, tuple) else (item, 0.0)
    return np.asarray(number), tolerance


def _close(got: tuple | None, wanted: tuple) -> bool:
    """The tolerance is the expected one's: a student's value must not choose its own."""
    if got is None or got[0].shape != wanted[0].shape:
        return False
    gap = np.abs(got[0].astype(float) - wanted[0].astype(float))
    return bool(np.all(gap <= wanted[1] + 1e-9))


def _sentence(name: str, got: tuple | None, wanted: tuple) -> str:
    if wanted[0].dtype == bool:
        right = wanted[0].all()
        return f"this is {'not ' if right else ''}so, but should {'' if right else 'not '}be: {name}"
    if got is None or got[0].shape != wanted[0].shape:
        return f"{name}: there are not as many as expected"
    yours, expected = _texts(got, wanted)
    return f"{name} is {yours}, expected {expected}"


def _texts(got: tuple | None, wanted: tuple) -> tuple[str, str]:
    """Both in as many digits as it takes to see that they differ."""
    if got is None:
        return "?", "?"
    if wanted[0].dtype == bool:
        return tuple("yes" if item[0].all() else "no" for item in (got, wanted))
    about = "about " if np.any(wanted[1]) else ""
    for digits in (3,) if _close(got, wanted) else (2, 3, 4, 6, 9):
        yours, expected = (_number_text(item[0], digits) for item in (got, wanted))
        if yours != expected:
            break
    return yours, about + expected


def _number_text(array: np.ndarray, digits: int) -> str:
    text = f"{float(array):.{digits}g}" if not array.shape else " ".join(f"{x:.{digits}g}" for x in array.ravel()[:6])
    return text if array.size < 7 else f"{text} …"
