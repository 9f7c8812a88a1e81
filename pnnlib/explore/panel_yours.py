"""A student's function beside ours, in a panel: does it agree, and if not, what is the first number that differs?

    take_function       refuse what is no function
    beside              call it on copies, compare, and say it in a sentence
"""

from dataclasses import dataclass

import numpy as np

from pnnlib.exercises.calling import call
from pnnlib.exercises.comparing import as_numbers, difference, leaves

TOLERANCE = 1e-6
SECONDS = 2.0


@dataclass(frozen=True)
class Verdict:
    """What came of a comparison: a sentence, whether all agrees, and what the function returned, if it can be drawn."""

    sentence: str
    agrees: bool = False
    value: object = None


def take_function(panel, name, function):
    """Return a student's function, or say that it is none."""
    if function is not None and not callable(function):
        raise TypeError(f"{panel}: {name} must be a function, got {function!r}")
    return function


def name_of(function):
    """The name that a sentence calls a function by."""
    name = getattr(function, "__name__", "your function")
    return "your function" if name == "<lambda>" else name


def beside(function, arguments, expected, names=(), results=("the result",), tolerance=TOLERANCE):
    """Call a student's function on copies of the arguments and return the `Verdict`.

    `names` are those of the arguments, to say which was changed; `expected` is an array, or a tuple of several
    results, which `results` names.

    >>> verdict = beside(lambda x: 2 * x, (np.array([0.0, 1.0]),), np.array([0.0, 1.0]), ["x"], ["y"])
    >>> print(verdict.sentence)
    your function: the first number that differs is y[1]: yours is 2, ours is 1. 1 of 2 differ.
    """
    name = name_of(function)
    outcome = call(function, tuple(arguments), {}, names=tuple(names), seconds=SECONDS)
    if outcome.kind == "not implemented":
        return Verdict(f"{name} is not implemented yet.")
    if outcome.kind == "out of time":
        return Verdict(f"{name} did not end: it was {outcome.error}. Is there a loop that never stops?")
    if outcome.kind != "returned":
        return Verdict(f"{name} stopped with an error. {outcome.error}")
    changed = ""
    if outcome.changed:
        changed = f" It changed its own argument {' and '.join(outcome.changed)}: work on a copy."
    several = expected if isinstance(expected, tuple) else (expected,)
    tolerance *= min(1.0, _largest(*several)) or 1.0  # what has vanished must still be right
    wrong = difference(outcome.value, expected, tolerance)
    if wrong is None:
        numbers = sum(np.size(one) for _, _, one in leaves(outcome.value, expected))
        many = "the one number agrees" if numbers == 1 else f"all {numbers} numbers agree"
        return Verdict(f"{name}: {many} with ours.{changed}", not changed, outcome.value)
    what = results[wrong.place[0] if wrong.place else 0]
    if wrong.kind != "wrong values":
        sentence = wrong.sentence + ("" if wrong.sentence.endswith("?") else ".")
        where = f"{what}: " if len(results) > 1 else ""
        return Verdict(f"{name}: nothing to compare. {where}{sentence[0].upper()}{sentence[1:]}{changed}")
    return Verdict(f"{name}: {_first_difference(wrong, what, tolerance)}{changed}", False, outcome.value)


def _first_difference(wrong, what, tolerance):
    got, expected = wrong.got.astype(float), wrong.expected.astype(float)
    off = ~np.isclose(got, expected, rtol=0, atol=tolerance * max(1.0, _largest(expected)))
    at = np.unravel_index(int(np.argmax(off)), off.shape)
    yours, ours = f"{got[at]:.6g}", f"{expected[at]:.6g}"
    if yours == ours:  # they differ further behind
        yours, ours = f"{got[at]:.12g}", f"{expected[at]:.12g}"
    if off.size == 1:
        return f"{what} differs: yours is {yours}, ours is {ours}."
    place = ", ".join(map(str, map(int, at)))
    return (
        f"the first number that differs is {what}[{place}]: yours is {yours}, ours is {ours}. "
        f"{int(off.sum())} of {off.size} differ."
    )


def _largest(*arrays):
    return max(float(np.max(np.abs(a[np.isfinite(a)]), initial=0.0)) for a in map(np.asarray, arrays))
