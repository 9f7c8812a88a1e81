"""The answers that students type in: one letter, or a few numbers. Only their form is read here."""

from __future__ import annotations

import math
import string
from collections.abc import Iterable

import numpy as np

from .comparing import describe


def choice_in(answer, choices: Iterable[str]) -> str:
    """The letter that was chosen.

    Raises:
        ValueError: if there is none; the message says "ANSWER" for the name of the variable.

    >>> choice_in(" B) ", "abcd")
    'b'
    """
    choices = tuple(choices)
    if answer is None:
        raise ValueError(f'no answer yet. Write for instance ANSWER = "{choices[0]}"')
    letter = answer.strip(f"().:{string.whitespace}").lower() if isinstance(answer, str) else ""
    if letter not in choices:
        shown = repr(answer[:20]) if isinstance(answer, str) else describe(answer)
        allowed = ", ".join(f'"{c}"' for c in choices)
        raise ValueError(f"ANSWER is {shown}, but the choices are {allowed}.")
    return letter


def numbers_in(answer, count: int) -> list[float | None]:
    """The numbers that were typed in; None stands for one that is still open.

    Raises:
        ValueError: if they are not `count` numbers; the message says "ANSWER" for the name of the variable.

    >>> numbers_in((0.62, None), 2), numbers_in(3, 1)
    ([0.62, None], [3.0])
    """
    example = "0.25" if count == 1 else f"[{', '.join(['0.25', '-3', '0.5', '12'][i % 4] for i in range(count))}]"
    wanted = f"{'a number' if count == 1 else f'{count} numbers'}, for instance ANSWER = {example}"
    items = _flat(answer, 4 * count)
    if not items or all(item is None for item in items):
        raise ValueError(f"no answer yet. It is {wanted}")
    if any(isinstance(item, str) for item in items):
        raise ValueError(f"ANSWER is a text: write {wanted}, without quotes.")
    numbers = [None if item is None else _number(item) for item in items]
    if any(number is None and item is not None for number, item in zip(numbers, items, strict=True)):
        raise ValueError(f"ANSWER is {describe(answer)}, expected {wanted}.")
    if len(numbers) != count:
        comma = " Python writes decimals with a point: 0.5, not 0,5." if len(numbers) == 2 * count else ""
        many = f"more than {len(numbers) - 1}" if len(numbers) > 4 * count else len(numbers)
        raise ValueError(f"ANSWER holds {many} number{'s' * (many != 1)}, expected {wanted}.{comma}")
    if not all(number is None or math.isfinite(number) for number in numbers):
        raise ValueError("ANSWER holds an infinity or what is not a number (nan).")
    return numbers


def _flat(answer, most: int, depth: int = 5) -> list:
    """Everything in lists, tuples and arrays, one after the other; no more than `most` and one."""
    if isinstance(answer, np.ndarray):
        return answer.ravel()[: most + 1].tolist()
    if not isinstance(answer, (list, tuple)) or not depth:
        return [answer]
    found = []
    for item in answer[: most + 1]:
        found += _flat(item, most, depth - 1)
        if len(found) > most:
            break
    return found[: most + 1]


def _number(item) -> float | None:
    if not isinstance(item, (int, float, np.number, np.bool_)) or isinstance(item, np.complexfloating):
        return None
    try:
        return float(item)
    except OverflowError:
        return math.inf


def shown_numbers(numbers: list[float | None]) -> str:
    """As they were understood.

    >>> shown_numbers([0.62, None, 3.0])
    '[0.62, None, 3]'
    """
    texts = ["None" if number is None else f"{number:.10g}" for number in numbers]
    return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
