"""`check(f)`: what a student calls below an exercise."""

from __future__ import annotations

import importlib
import os
import string
import sys
from collections.abc import Callable
from functools import cache

from .borrowed import borrowed
from .calling import call
from .comparing import describe
from .diagnosis import Verdict, diagnose
from .exercise import Exercise

PARTS = ("part_d",)


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


def check(function: Callable, seconds: float = 5.0) -> Verdict:
    """Try your function on the public cases, print what is found, and return it.

    PyTorch gives the right answers. When marked, your function meets other
    numbers, so an answer that fits only these cases earns nothing.

    Args:
        function: your implementation, under the exercise's name.
        seconds: a call that takes longer is stopped.

    >>> def output_size(n, k, stride=1, padding=0, dilation=1):
    ...     return (n + padding - dilation * (k - 1) - 1) // stride + 1
    >>> check(output_size).chaff  # doctest: +ELLIPSIS
    ✗ output_size: ...
    'padding_once'
    """
    exercise = _exercise_for(function, sys._getframe(1).f_globals)
    cases = exercise.draw()
    names, outcomes = exercise.parameters, []
    for case in cases:
        outcomes.append(call(function, *case.arguments, names, seconds))
        if outcomes[-1].kind == "out of time" or outcomes[0].kind == "not implemented":
            break
    verdict = diagnose(exercise, cases, outcomes)
    _say(str(verdict), verdict.passed)
    foreign = borrowed(function)
    if foreign and verdict.passed:
        _say(f"✗ But it uses {foreign}, which is not there when you are marked: write it in NumPy.", False)
    return verdict


def check_question(number: int, choices: str = "abcd") -> None:
    """Tell whether an answer to a multiple-choice question is recorded, not whether it is right.

    Args:
        number: of the question; the answer is the variable `answer_<number>`.
        choices: the letters to choose from.
    """
    name = f"answer_{number}"
    answer = sys._getframe(1).f_globals.get(name)
    if answer is None:
        _say(f"✗ question {number}: no answer yet. Write for instance {name} = \"{choices[0]}\"", False)
    elif normal_choice(answer) not in tuple(choices):
        shown = repr(answer[:20]) if isinstance(answer, str) else describe(answer)
        allowed = ", ".join(f'"{c}"' for c in choices)
        _say(f"✗ question {number}: {name} is {shown}, but the choices are {allowed}.", False)
    else:
        said = f"• question {number}: your answer {normal_choice(answer)!r} is recorded. "
        _say(said + "Whether it is right you learn with your marks.", True)


def normal_choice(answer) -> str:
    """A choice as one lower-case letter: " B) " and "b" are the same answer.

    >>> normal_choice(" B) ")
    'b'
    """
    return answer.strip(f"().:{string.whitespace}").lower() if isinstance(answer, str) else ""


class WrongCall(TypeError):
    """`check` was called with something that it cannot check. A notebook shows the message alone."""

    def _render_traceback_(self) -> list[str]:
        return [f"✗ {self}"]


def _exercise_for(function: Callable, namespace: dict) -> Exercise:
    known = {name: e for part in PARTS for name, e in exercises_of(part).items()}
    if isinstance(function, str):
        raise WrongCall(f"check: give the function itself, check({function}), not its name in quotes")
    if not callable(function):
        raise WrongCall(
            f"check: give the function itself, without calling it, for instance check({next(iter(known))}); "
            f"what came is {describe(function)}"
        )
    names = [getattr(function, "__name__", "")]
    # a lambda or a wrapped function carries another name; take the one it is bound to
    names += [name for name, value in namespace.items() if value is function]
    for name in names:
        if name in known:
            return known[name]
    raise WrongCall(
        f"check: no exercise is called {names[0] or function!r}. Keep the name that the exercise "
        f"gives: {', '.join(known)}"
    )


def _say(text: str, good: bool) -> None:
    """Print, with a coloured first line where colour is welcome; the text says it all without."""
    notebook = type(sys.stdout).__module__.startswith("ipykernel")
    if "NO_COLOR" not in os.environ and (notebook or sys.stdout.isatty()):
        head, newline, rest = text.partition("\n")
        text = f"\x1b[{32 if good else 31};1m{head[:1]}\x1b[0m{head[1:]}{newline}{rest}"
    print(text)
