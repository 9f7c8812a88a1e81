"""Right answers to every exercise, at least two written differently. They never leave this folder.

Every one must earn full marks (`python -m grading certify`), so that no check
insists on one way of writing.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable

_WHEATS: dict[str, list[Callable]] = {}


def wheat(exercise: str) -> Callable[[Callable], Callable]:
    """Declare a right answer to the exercise of this name."""

    def declare(function: Callable) -> Callable:
        _WHEATS.setdefault(exercise, []).append(function)
        return function

    return declare


def wheats_of(part: str) -> dict[str, list[Callable]]:
    """The right answers of a part, by exercise."""
    module = importlib.import_module(f"{__name__}.{part}")
    own = {name: [f for f in fs if f.__module__ == module.__name__] for name, fs in _WHEATS.items()}
    return {name: fs for name, fs in own.items() if fs}
