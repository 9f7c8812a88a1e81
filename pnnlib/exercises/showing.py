"""How a case and two answers are shown, as text: short, aligned, in no more than 80 columns where it can be."""

from __future__ import annotations

import numpy as np

WIDTH = 80  # characters; a notebook breaks longer lines within words
MANY = 2000  # numbers of a stack of arrays, such as a set of images


def labelled(name: str, value) -> list[str]:
    """An argument with its name.

    >>> labelled("w", [np.ones((2, 2)), np.zeros(2)])
    ['w = [[[1. 1.]', '      [1. 1.]],', '     [0. 0.]]']
    """
    rows = text_of(value).splitlines()
    head = f"{name} = "
    return [head + rows[0], *(" " * len(head) + row for row in rows[1:])]


def text_of(value) -> str:
    """A value as a learner wants to see it: arrays in rows, functions by their names."""
    if isinstance(value, np.ndarray) and value.ndim > 4:
        return f"(too many axes to show, {value.ndim})"
    if isinstance(value, np.ndarray) and value.ndim > 2 and value.size > MANY:
        return f"(too many numbers to show, an array of shape {value.shape})"
    if isinstance(value, (np.ndarray, float)):
        return np.array2string(
            np.asarray(value), precision=4, suppress_small=True, threshold=80, edgeitems=3
        )
    if isinstance(value, (list, tuple)) and any(isinstance(item, (list, tuple, np.ndarray)) for item in value):
        return _items_text(value)
    return repr(value)


def _items_text(value: list | tuple) -> str:
    start, end = "[]" if isinstance(value, list) else "()"
    items = [text_of(item) for item in value]
    line = f"{start}{', '.join(items)}{end}"
    if "\n" not in line and len(line) < WIDTH - 12:
        return line
    return start + ",\n ".join(item.replace("\n", "\n ") for item in items) + end


def answer_lines(value) -> list[str]:
    """An expected answer; several results stand one below the other."""
    several = isinstance(value, tuple) and any(isinstance(item, np.ndarray) for item in value)
    return "\n".join(map(text_of, value)).splitlines() if several else text_of(value).splitlines()


def side_by_side(got: np.ndarray, expected: np.ndarray) -> list[str]:
    shapes = [f", shape {value.shape}" if got.shape or expected.shape else "" for value in (got, expected)]
    left = [f"your answer{shapes[0]}", *text_of(got).splitlines()]
    right = [f"PyTorch's{shapes[1]}", *text_of(expected).splitlines()]
    width = max(map(len, left)) + 4
    if width + max(map(len, right)) > WIDTH:
        return [*left, "", *right]
    height = max(len(left), len(right))
    left += [""] * (height - len(left))
    right += [""] * (height - len(right))
    return [f"{a:<{width}}{b}".rstrip() for a, b in zip(left, right, strict=True)]


ORDINALS = "first second third fourth fifth sixth seventh eighth ninth tenth".split()


def place_name(place: tuple[int, ...], expected, results: tuple[str, ...]) -> str:
    """Which of several results: their own names where they have some.

    >>> place_name((2, 1), [(np.ones((1, 1)), np.ones(1))] * 4, ("weight", "bias"))
    'in the third pair `bias`'
    >>> place_name((0,), (np.ones(2), np.ones(3)), ())
    'result number 1'
    """
    words = []
    for number in place:
        if isinstance(expected, tuple) and len(results) == len(expected):
            words.append(f"`{results[number]}`")
        elif isinstance(expected, tuple):
            words.append(f"{'entry' if words else 'result'} number {number + 1}")
        else:
            which = ORDINALS[number] if number < len(ORDINALS) else f"{number + 1}th"
            words.append(f"the {which} {_noun(expected[number])}")
        expected = expected[number]
    return "".join(f"in {word} " for word in words[:-1]) + "".join(words[-1:])


def _noun(value) -> str:
    if isinstance(value, np.ndarray):
        return "array"
    holds_arrays = isinstance(value, tuple) and any(isinstance(item, np.ndarray) for item in value)
    return "pair" if holds_arrays and len(value) == 2 else "entry"
