"""`check(f)`: what a student calls below an exercise."""

from __future__ import annotations

import difflib
import importlib
import os
import pkgutil
import sys
from collections.abc import Callable
from functools import cache

from .answers import choice_in, numbers_in, shown_numbers
from .borrowed import borrowed
from .calling import call
from .comparing import describe
from .diagnosis import Verdict, diagnose
from .exercise import Exercise

# A part is a module of this name; nothing else knows which parts there are.
PARTS = tuple(
    sorted(module.name for module in pkgutil.iter_modules([os.path.dirname(__file__)]) if module.name.startswith("part_"))
)


@cache
def exercises_of(part: str) -> dict[str, Exercise]:
    """All exercises of a part, by name, in the order of the notebook.

    >>> list(exercises_of("part_d"))[0]
    'cross_correlate'
    """
    if part not in PARTS:
        raise ValueError(f"there is no {part!r}; the parts are {', '.join(PARTS)}")
    module = importlib.import_module(f"{__package__}.{part}")
    return {e.name: e for e in vars(module).values() if isinstance(e, Exercise)}


def check(function: Callable, seconds: float | None = None) -> Verdict:
    """Try your function on the public cases, print what is found, and return it.

    PyTorch gives the right answers. When marked, your function meets other
    numbers, so an answer that fits only these cases earns nothing.

    Args:
        function: your implementation, under the exercise's name.
        seconds: a call that takes longer is stopped; by default what the exercise allows.

    >>> def output_size(n, k, stride=1, padding=0, dilation=1):
    ...     return (n + padding - dilation * (k - 1) - 1) // stride + 1
    >>> check(output_size).chaff  # doctest: +ELLIPSIS
    ✗ output_size: ...
    'padding_once'
    """
    exercise = _exercise_for(function, sys._getframe(1).f_globals)
    verdict = tried(exercise, function, seconds)
    _say(str(verdict), verdict.passed)
    foreign = borrowed(function, exercise.library)
    if foreign and verdict.passed:
        instead = "build it from pnnlib's layers, or in NumPy" if exercise.library else "write it in NumPy"
        _say(f"✗ But it uses {foreign}, which is not there when you are marked: {instead}.", False)
    return verdict


def tried(exercise: Exercise, function: Callable, seconds: float | None = None) -> Verdict:
    """Call a function on the public cases of an exercise, and judge what it did."""
    seconds = exercise.seconds if seconds is None else seconds
    cases, outcomes = exercise.draw(), []
    for case in cases:
        outcomes.append(call(function, *case.arguments, exercise.parameters, seconds))
        if outcomes[-1].kind == "out of time" or outcomes[0].kind == "not implemented":
            break
    return diagnose(exercise, cases, outcomes)


def check_question(number: int, choices: str = "abcd", numbers: int = 0) -> None:
    """Tell whether an answer to a question is recorded, not whether it is right.

    Args:
        number: of the question; the answer is the variable `answer_<number>`.
        choices: the letters to choose from.
        numbers: how many numbers the answer is, where it is not a letter.
    """
    name = f"answer_{number}"
    answer = sys._getframe(1).f_globals.get(name)
    try:
        recorded = shown_numbers(numbers_in(answer, numbers)) if numbers else repr(choice_in(answer, choices))
    except ValueError as error:
        _say(f"✗ question {number}: {error}".replace("ANSWER", name), False)
    else:
        said = f"• question {number}: your answer {recorded} is recorded. "
        _say(said + "Whether it is right you learn with your marks.", True)


class WrongCall(TypeError):
    """`check` was called with something that it cannot check. A notebook shows the message alone."""

    def _render_traceback_(self) -> list[str]:
        return [f"✗ {self}"]


def _exercise_for(function: Callable, namespace: dict) -> Exercise:
    if isinstance(function, str):
        raise WrongCall(f"check: give the function itself, check({function}), not its name in quotes")
    if not callable(function):
        raise WrongCall(
            "check: give the function itself, without calling it, for instance check(convolve); "
            f"what came is {describe(function)}"
        )
    names = [getattr(function, "__name__", "")]
    # a lambda or a wrapped function carries another name; take the one it is bound to
    names += [name for name, value in namespace.items() if value is function]
    for name in names:
        for part in PARTS:
            if name in exercises_of(part):
                return exercises_of(part)[name]
    raise WrongCall(
        f"check: no exercise is called {names[0] or function!r}. Keep the name that the exercise gives"
        + _similar(names[0])
    )


def _similar(name: str) -> str:
    known = [other for part in PARTS for other in exercises_of(part)]
    close = difflib.get_close_matches(str(name), known, n=3, cutoff=0.7)
    return f"; is it {' or '.join(close)}?" if close else "."


def _say(text: str, good: bool) -> None:
    """Print, with a coloured first line where colour is welcome; the text says it all without."""
    notebook = type(sys.stdout).__module__.startswith("ipykernel")
    if "NO_COLOR" not in os.environ and (notebook or sys.stdout.isatty()):
        head, newline, rest = text.partition("\n")
        text = f"\x1b[{32 if good else 31};1m{head[:1]}\x1b[0m{head[1:]}{newline}{rest}"
    print(text)
