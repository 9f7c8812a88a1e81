"""The cross-correlation explorable: the mask on the input, one window at a time.

Three layers, from the inside out. `Setting` is what a user chooses, and
`change` what a user does to it. `picture` is everything there is to see of a
setting, as text and places: all arithmetic happens on the way there.
`CrossCorrelation` keeps the picture in step with the setting; the JavaScript
beside this file draws it, and steps through it without asking Python again.
"""

import inspect
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import anywidget
import numpy as np
import traitlets

from pnnlib.conv import convolve, cross_correlate
from pnnlib.exercises.calling import call
from pnnlib.exercises.comparing import as_numbers, difference
from pnnlib.explore.panel import Code
from pnnlib.windows import pad, per_axis, taps

AXES = ("rows", "columns")
REFERENCE = {"cross-correlation": cross_correlate, "convolution": convolve}
OPTIONS = {"stride": 1, "padding": 0, "dilation": 1}
# Least and most of everything that is counted: what can still be read as single numbers.
LIMITS = {"x": (1, 10), "h": (1, 5), "stride": (1, 4), "padding": (0, 3), "dilation": (1, 4)}
LARGEST = 1e6
TOLERANCE = 1e-6


# What a user chooses.


@dataclass(frozen=True)
class Setting:
    """An input x, a mask h, how the mask moves, and whether it is rotated first.

    Shapes: x (H, W) and h (KH, KW) as tuples of rows; stride, padding and
    dilation (rows, columns).

    >>> Setting(((1, 2, 3),), ((1, 1),), padding=(0, 1)).y()
    array([[1., 3., 5., 3.]])
    """

    x: tuple
    h: tuple
    stride: tuple = (1, 1)
    padding: tuple = (0, 0)
    dilation: tuple = (1, 1)
    operation: str = "cross-correlation"

    def options(self):
        return {name: getattr(self, name) for name in OPTIONS}

    def mask(self):
        """The mask as it lies on the input: rotated by 180° for a true convolution."""
        h = np.array(self.h, float)
        return np.flip(h) if self.operation == "convolution" else h

    def size(self, axis):
        """Size along one axis, as the letters of the formula: n, k, s, p, d."""
        n, k = np.shape(self.x)[axis], np.shape(self.h)[axis]
        return n, k, self.stride[axis], self.padding[axis], self.dilation[axis]

    def room(self, axis):
        """How far the mask can move along an axis; negative when it does not fit."""
        n, k, s, p, d = self.size(axis)
        return n + 2 * p - d * (k - 1) - 1

    def fits(self):
        return self.room(0) >= 0 and self.room(1) >= 0

    def y(self):
        """The output (OH, OW), or None when the mask does not fit."""
        if not self.fits():
            return None
        return REFERENCE[self.operation](np.array(self.x, float), np.array(self.h, float), **self.options())


def setting(x, h, stride=1, padding=0, dilation=1, operation="cross-correlation"):
    """Return a `Setting` of numbers that were checked, or raise a ValueError that says what is wrong.

    Shapes: x (H, W) or (W,), h (KH, KW) or (KW,), as arrays or lists; each option
    an int or a pair (rows, columns).

    >>> setting([1, 2, 3], [1, 1], padding=(0, 1)).x
    ((1.0, 2.0, 3.0),)
    """
    chosen = {"x": _table("x", x), "h": _table("h", h)}
    for name, value in {"stride": stride, "padding": padding, "dilation": dilation}.items():
        least, most = LIMITS[name]
        chosen[name] = per_axis("explore_cross_correlation", name, value, 2, least)
        if max(chosen[name]) > most:
            raise ValueError(f"{name} must be at most {most} here, got {value!r}")
    if operation not in REFERENCE:
        raise ValueError(f"operation must be 'cross-correlation' or 'convolution', got {operation!r}")
    return Setting(**chosen, operation=operation)


def _table(name, values):
    try:
        array = np.array(values, float)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be a table of numbers, got {values!r}") from None
    if array.ndim == 1:
        array = array[None]
    least, most = LIMITS[name]
    if array.ndim != 2 or not all(least <= n <= most for n in array.shape):
        raise ValueError(f"{name} must have {least} to {most} rows and columns here, got shape {array.shape}")
    if not (np.isfinite(array).all() and np.abs(array).max() <= LARGEST):
        raise ValueError(f"{name} must hold numbers between {-LARGEST:g} and {LARGEST:g}")
    return tuple(map(tuple, array.tolist()))


LECTURE_X = ((-1, 1, 0.5, 1), (0, -2, -1, 0), (0.5, -1, -1, 1), (-1, 1, 0, -2))
LECTURE_H = ((-1, 1), (0, -2))
# Name: (setting, the question it is there for).
PRESETS = {
    "Lecture": (
        setting(LECTURE_X, LECTURE_H),
        "Which window gives the largest output – and why there?",
    ),
    "Padding": (
        setting(LECTURE_X, ((-1, 1, 0), (0, -2, -2), (-1, 1, 0.1)), padding=1),
        "Why is the output exactly as large as the input – and which outputs depend on zeros that were never there?",
    ),
    "Stride": (
        setting(
            ((1, 0, 2, -1, 1), (0, 1, -1, 2, 0), (2, -1, 1, 0, 1), (0, 2, -2, 1, -1), (1, 1, 0, -1, 2)),
            LECTURE_H,
            stride=2,
        ),
        "Which numbers of x does no output ever see – and what is the least change that lets them be seen?",
    ),
    "Dilation": (
        setting(LECTURE_X, LECTURE_H, dilation=2),
        "There are still four weights: how large is the part of x that one output looks at?",
    ),
    "1-D signal": (
        setting((0, 1, 0, -2, -2, -1, 1, 0, -2), (1, 0, -2, -2, -1)),
        "Where in the signal does the mask find its own pattern?",
    ),
}


# What a user does.


def change(present, intent):
    """Return the setting after what a user did, or raise a ValueError that says why nothing changed.

    `intent` is a dictionary: what to `do` ("number", "size", "option" or
    "operation"), and to what, in words as they were typed.

    >>> change(PRESETS["Lecture"][0], {"do": "number", "of": "h", "at": [0, 1], "text": "2.5"}).h
    ((-1.0, 2.5), (0.0, -2.0))
    """
    match intent:
        case {"do": "number", "of": "x" | "h" as name, "at": [row, column], "text": text}:
            return _with_number(present, name, row, column, text)
        case {"do": "size", "of": "x" | "h" as name, "axis": 0 | 1 as axis, "text": text}:
            table = np.array(getattr(present, name))
            size = _whole(f"size of {name}, {AXES[axis]}", text, table.shape[axis], *LIMITS[name])
            return replace(present, **{name: _resized(name, table, axis, size)})
        case {"do": "option", "of": "stride" | "padding" | "dilation" as name, "axis": 0 | 1 as axis, "text": text}:
            values = list(getattr(present, name))
            values[axis] = _whole(f"{name}, {AXES[axis]}", text, values[axis], *LIMITS[name])
            return replace(present, **{name: tuple(values)})
        case {"do": "operation", "to": operation} if operation in REFERENCE:
            return replace(present, operation=operation)
    raise ValueError(f"nothing changed: {intent!r} is not understood")


def _with_number(present, name, row, column, text):
    table = [list(numbers) for numbers in getattr(present, name)]
    keeps = f"{name}[{row}, {column}] stays {show(table[row][column])}"
    typed = text.strip().replace("−", "-")
    try:
        number = float(typed.replace("_", "?"))
    except ValueError:
        comma = " Write a point, not a comma." if "," in typed else ""
        said = f"“{typed}” is not a number" if typed else "an empty cell is not a number"
        raise ValueError(f"{keeps}: {said}.{comma}") from None
    if not abs(number) <= LARGEST:
        raise ValueError(f"{keeps}: it must be a number between {-LARGEST:.0f} and {LARGEST:.0f}.")
    table[row][column] = number
    return replace(present, **{name: tuple(map(tuple, table))})


def _whole(name, text, now, least, most):
    try:
        number = int(text)
    except ValueError:
        number = None
    if number is None or not least <= number <= most:
        raise ValueError(f"{name}: stays {now}, it must be a whole number from {least} to {most}.")
    return number


def _resized(name, table, axis, size):
    """Cut an axis, or let it grow: x repeats its pattern, h gets weights of 0, which change no sum."""
    now = table.shape[axis]
    if size > now:
        more = [(0, 0), (0, 0)]
        more[axis] = (0, size - now)
        table = np.pad(table, more, mode="wrap" if name == "x" else "constant")
    return tuple(map(tuple, np.take(table, range(size), axis).tolist()))


# What there is to see.


def show(number, scale=0.0):
    """Return a number as text, short and exact enough to follow; what is only rounding beside `scale` is 0.

    >>> show(-0.0), show(0.5), show(1 / 3), show(0.1 + 0.2 - 0.3, scale=0.3)
    ('0', '0.5', '0.333333', '0')
    """
    if abs(number) < 1e-12 * scale:
        number = 0.0
    return f"{number + 0.0:.6g}"


def brief(text):
    """Return a shown number shortened to what a cell of the grid can hold.

    >>> brief("-3.14159"), brief("-0.0371234"), brief("12345.6"), brief("123456789")
    ('-3.14', '-0.037', '12346', '1e+08')
    """
    if len(text) <= 5:
        return text
    number = float(text)
    formats = (".3g", ".2g", ".1g") if abs(number) < 1000 else (".0f", ".0e")
    return next((short for short in (f"{number:{f}}" for f in formats) if len(short) <= 6), f"{number:.0e}")


def picture(present, my_function=None):
    """Return everything there is to see of a setting: numbers as text, and places in the padded input.

    The result holds only lists, strings and ints, so that it can be sent to the
    page. `steps` has one entry for each output, row by row: the `cells` under the
    mask, their `values`, the `sum` of the products, the same in words (`say`),
    and the `places` of the cells in x as one long vector, in both orders.

    >>> first = picture(PRESETS["Lecture"][0])["steps"][0]
    >>> first["values"], first["products"], first["sum"]
    (['-1', '1', '0', '-2'], '1 + 1 + 0 + 4', '6')
    """
    x, mask, y = np.array(present.x), present.mask(), present.y()
    return {
        "x": [[f"{v + 0.0:.12g}" for v in row] for row in present.x],
        "h": [[f"{v + 0.0:.12g}" for v in row] for row in present.h],
        "mask": [[show(v) for v in row] for row in mask],
        "marks": [brief(show(v)) for v in mask.ravel()],
        "operation": present.operation,
        **{name: list(pair) for name, pair in present.options().items()},
        "limits": LIMITS,
        "y": [] if y is None else _brief(y, _scale(present)),
        "steps": [] if y is None else _steps(present, y),
        "unseen": [] if y is None else _unseen(present),
        "sizes": [_size_formula(present, axis) for axis in (0, 1)],
        "notes": _notes(present),
        "vector": {order: [show(v) for v in x.ravel(order)] for order in "CF"},
        "code": pytorch_code(present),
        "yours": beside(my_function, present) if my_function else None,
    }


def _brief(array, scale):
    return [[brief(show(v, scale)) for v in row] for row in array.tolist()]


def _scale(present):
    return np.abs(present.x).max() * np.abs(present.h).max()


def _windows(present, values, outside):
    """What lies under the mask at every place: (OH·OW, KH·KW) of the values of x, `outside` in the padding."""
    padded = pad(values, present.padding, outside)
    under = [tap.ravel() for _, tap in taps(padded, np.shape(present.h), present.stride, present.dilation)]
    return np.array(under).T


def _places(present):
    """Rows and columns of the padded input under the mask, each (OH·OW, KH·KW)."""
    padded = np.array(np.shape(present.x)) + 2 * np.array(present.padding)
    bare = replace(present, padding=(0, 0))
    return [_windows(bare, grid, 0) for grid in np.indices(padded)]


def _steps(present, y):
    x, weights = np.array(present.x), present.mask().ravel()
    values = _windows(present, x, 0.0)
    inside = _windows(present, np.ones(x.shape, bool), False)
    number = np.arange(x.size)
    vector = {order: _windows(present, number.reshape(x.shape, order=order), -1).tolist() for order in "CF"}
    rows, columns = _places(present)
    scale = _scale(present)
    steps = []
    for n, (i, j) in enumerate(np.ndindex(y.shape)):
        steps.append(
            {
                "at": [i, j],
                "cells": np.stack([rows[n], columns[n]], 1).tolist(),
                "values": [show(v) for v in values[n]],
                "products": _sum_of(values[n] * weights),
                "sum": show(y[i, j], scale),
                "places": {order: vector[order][n] for order in "CF"},
                "say": _say(present, n, y, rows[n], columns[n], inside[n]),
            }
        )
    return steps


def _sum_of(numbers):
    first, *rest = numbers
    return show(first) + "".join(f" - {show(-v)}" if show(v).startswith("-") else f" + {show(v)}" for v in rest)


def _say(present, n, y, rows, columns, inside):
    i, j = np.unravel_index(n, y.shape)
    said = f"Step {n + 1} of {y.size}: y[{i}, {j}] = {show(y[i, j], _scale(present))}. The mask lies on "
    if not inside.any():
        return said + "padding only."
    on = [_listed(name, np.unique(place[inside]) - p) for name, place, p in zip(AXES, (rows, columns), present.padding)]
    beside_x = len(inside) - int(inside.sum())
    return (
        said
        + " and ".join(on)
        + " of x"
        + (f", {beside_x} of its {len(inside)} weights on padding." if beside_x else ".")
    )


def _listed(axis, numbers):
    if len(numbers) == 1:
        return f"{axis[:-1]} {numbers[0]}"
    if len(numbers) > 2 and np.ptp(numbers) == len(numbers) - 1:
        return f"{axis} {numbers[0]} to {numbers[-1]}"
    return f"{axis} {', '.join(map(str, numbers[:-1]))} and {numbers[-1]}"


def _unseen(present):
    """Places of the padded input that lie under no weight of any window."""
    padded = np.ones(np.array(np.shape(present.x)) + 2 * np.array(present.padding), bool)
    rows, columns = _places(present)
    padded[rows, columns] = False
    return np.argwhere(padded).tolist()


def _size_formula(present, axis):
    n, k, s, p, d = present.size(axis)
    return f"⌊({n} + 2·{p} − {d}·({k} − 1) − 1) / {s}⌋ + 1 = {present.room(axis) // s + 1}"


def _notes(present):
    if not present.fits():
        short = " and ".join(_too_long(present, axis) for axis in (0, 1) if present.room(axis) < 0)
        return [
            f"The mask does not fit: it spans {short}. Make x larger, the mask or its dilation smaller, or add padding."
        ]
    left = [present.room(axis) % present.stride[axis] for axis in (0, 1)]
    ends = [
        f"{count} {name[:-1] if count == 1 else name} {where}"
        for count, name, where in zip(left, AXES, ("at the bottom", "on the right"))
        if count
    ]
    notes = []
    if ends:
        padded = "the padded x" if any(present.padding) else "x"
        notes.append(
            f"Left over: {' and '.join(ends)} of {padded}. The next step of the stride would leave x, "
            "so no window looks there."
        )
    last = [size - over for size, over in zip(_padded_size(present), left)]
    between = sum(row < last[0] and column < last[1] for row, column in _unseen(present))
    if between:
        cells, them = ("1 cell lies", "it") if between == 1 else (f"{between} cells lie", "them")
        notes.append(f"{cells} between the windows, or between the weights of each: no output sees {them}.")
    return notes


def _padded_size(present):
    return [n + 2 * p for n, p in zip(np.shape(present.x), present.padding)]


def _too_long(present, axis):
    n, k, s, p, d = present.size(axis)
    dilated = f" (dilation {d}: {d}·({k} − 1) + 1)" if d > 1 else ""
    padded = f" with its padding ({n} + 2·{p})" if p else ""
    return f"{d * (k - 1) + 1} {AXES[axis]}{dilated}, where x has only {n + 2 * p}{padded}"


def pytorch_code(present):
    """Return the PyTorch lines that give the output of a setting.

    >>> print(pytorch_code(setting([1, 2, 4], [1, 10], padding=(0, 1), operation="convolution")))
    import torch
    from torch.nn.functional import conv2d
    <BLANKLINE>
    x = torch.tensor([[1, 2, 4]], dtype=torch.float64)
    h = torch.tensor([[1, 10]], dtype=torch.float64)
    mask = h.flip(0, 1)  # conv2d is cross-correlation: a convolution needs the rotated mask
    y = conv2d(x[None, None], mask[None, None], stride=1, padding=(0, 1), dilation=1)[0, 0]
    """
    options = ", ".join(f"{name}={_short(pair)}" for name, pair in present.options().items())
    mask = "h"
    lines = [
        "import torch",
        "from torch.nn.functional import conv2d",
        "",
        *(
            f"{name} = torch.tensor({_literal(table, f'{name} = torch.tensor(')}, dtype=torch.float64)"
            for name, table in (("x", present.x), ("h", present.h))
        ),
    ]
    if present.operation == "convolution":
        mask = "mask"
        lines.append("mask = h.flip(0, 1)  # conv2d is cross-correlation: a convolution needs the rotated mask")
    lines.append(f"y = conv2d(x[None, None], {mask}[None, None], {options})[0, 0]")
    return "\n".join(lines)


def _short(pair):
    """2 for (2, 2): how an option is usually written."""
    return pair[0] if pair[0] == pair[1] else tuple(pair)


def _literal(table, start):
    """A table as Python writes it, its rows below each other."""
    rows = [str([int(v) if v == int(v) else v for v in row]) for row in table]
    return "[" + (",\n" + " " * (len(start) + 1)).join(rows) + "]"


# A student's function beside ours.


def beside(my_function, present):
    """Return what a student's function gives for a setting, and where it first differs from the sum.

    The result has a `sentence`, whether it `agrees`, the function's own output as
    text (`y`, None where there is none to draw), the steps at which it `differs`,
    and the `first` of them, row by row.

    >>> found = beside(lambda x, h: np.zeros((3, 3)), PRESETS["Lecture"][0])
    >>> found["first"], found["sentence"]
    (0, 'The first output that differs, row by row, is y[0, 0]: yours is 0, the sum over the window is 6. 7 of 9 differ.')
    """
    name = getattr(my_function, "__name__", "your function")
    name = "your function" if name == "<lambda>" else name
    found = {"name": name, "agrees": False, "y": None, "differs": [], "first": None}
    expected = present.y()
    if expected is None:
        return {**found, "sentence": "The mask does not fit, so there is no output to compare with."}
    wanted = {option: _short(pair) for option, pair in present.options().items()}
    wanted = {option: value for option, value in wanted.items() if value != OPTIONS[option]}
    refused = [option for option in wanted if not _accepts(my_function, option)]
    if refused:
        default = " and ".join(f"{option} is {OPTIONS[option]}" for option in refused)
        sentence = f"{name} takes no {' and no '.join(refused)}: it can be compared only while {default}."
        return {**found, "sentence": sentence}
    outcome = call(my_function, (np.array(present.x), np.array(present.h)), wanted, names=("x", "h"), seconds=2.0)
    if outcome.kind != "returned":
        said = {
            "not implemented": f"{name} is not implemented yet.",
            "out of time": f"{name} did not end: it was {outcome.error}. Is there a loop that never stops?",
        }
        return {**found, "sentence": said.get(outcome.kind, f"{name} stopped with an error. {outcome.error}")}
    return _compared(found, outcome, present, expected)


def _accepts(function, option):
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):  # some functions written in C do not tell
        return True
    return option in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())


def _compared(found, outcome, present, expected):
    changed = ""
    if outcome.changed:
        changed = f" It changed its own argument {' and '.join(outcome.changed)}: work on a copy."
    wrong = difference(outcome.value, expected, TOLERANCE)
    if wrong and wrong.got is None:
        sentence = f"Nothing to compare: {wrong.sentence}" + ("" if wrong.sentence.endswith("?") else ".")
        return {**found, "sentence": sentence + changed}
    got = as_numbers(outcome.value).astype(float)
    drawable = got.ndim == 2 and 0 < got.size <= 400
    found = {**found, "y": _brief(got, _scale(present)) if drawable else None}
    if not wrong:
        kind = type(outcome.value).__name__
        note = "" if kind == "ndarray" else f" It returned a {kind}: an array is better."
        many = "the one output agrees" if got.size == 1 else f"all {got.size} outputs agree"
        return {**found, "agrees": not changed, "sentence": f"{found['name']}: {many} with ours.{note}{changed}"}
    if wrong.kind == "wrong shape":
        return {**found, "sentence": f"The output of {found['name']} has the wrong shape: {wrong.sentence}.{changed}"}
    tolerance = TOLERANCE * max(1.0, np.abs(expected).max())
    off = ~(np.abs(got - expected) <= tolerance)  # so that NaN is off
    differs = np.flatnonzero(off).tolist()
    i, j = map(int, np.unravel_index(differs[0], off.shape))
    yours, ours = show(got[i, j]), show(expected[i, j], _scale(present))
    if yours == ours:  # they differ further behind
        yours, ours = f"{got[i, j]:.12g}", f"{expected[i, j]:.12g}"
    sentence = (
        f"The first output that differs, row by row, is y[{i}, {j}]: yours is {yours}, the sum over the "
        f"window is {ours}. {len(differs)} of {off.size} differ."
    )
    other = "convolution" if present.operation == "cross-correlation" else "cross-correlation"
    if difference(got, replace(present, operation=other).y(), TOLERANCE) is None:
        rotated = "rotated" if other == "convolution" else "not rotated"
        sentence += f" Yours is the {'true ' if other == 'convolution' else ''}{other}: the mask is {rotated}."
    return {**found, "differs": differs, "first": differs[0], "sentence": sentence + changed}


# The widget.


class CrossCorrelation(anywidget.AnyWidget):
    """The panel. `picture` goes to the page, `step` and `order` both ways; what a user does comes as a message."""

    _esm = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")
    _css = Path(__file__).with_suffix(".css").read_text(encoding="utf-8")

    picture = traitlets.Dict().tag(sync=True)
    step = traitlets.Int(0).tag(sync=True)
    order = traitlets.Enum(("C", "F"), "C").tag(sync=True)
    unfold = traitlets.List(traitlets.Unicode()).tag(sync=True)

    def __init__(self, start, my_function=None, question=None, unfold=()):
        super().__init__(unfold=list(unfold))
        self._my_function = my_function
        self._start = start
        own = (asked for preset, asked in PRESETS.values() if preset == start)
        self._first_question = question or next(own, PRESETS["Lecture"][1])
        self._question = self._first_question
        self._answers = 0
        self._set(start)
        self.on_msg(self._heard)

    def state(self):
        """Return what was chosen, as lists and numbers that can be kept in a file: `load` takes it back.

        >>> explore_cross_correlation(x=[1, 2, 3], h=[1, 1]).state()["x"]
        [[1.0, 2.0, 3.0]]
        """
        chosen = {name: _lists(value) for name, value in asdict(self._setting).items()}
        steps = self.picture["steps"]
        return {**chosen, "order": self.order, "at": steps[self.step]["at"] if steps else None}

    def load(self, state):
        """Go to a state that `state()` returned; what it leaves out gets its default.

        >>> w = explore_cross_correlation()
        >>> w.load({"x": [[1, 2, 3]], "h": [[1, 1]], "at": [0, 1]})
        >>> w.state()["at"]
        [0, 1]
        """
        chosen = {name: state[name] for name in ("x", "h", *OPTIONS, "operation") if name in state}
        new = setting(**{"x": LECTURE_X, "h": LECTURE_H, **chosen})
        self.order = state.get("order", "C")
        self._set(new, at=state.get("at"))

    def code(self):
        """Return the PyTorch lines that give the output shown.

        >>> explore_cross_correlation(stride=2).code().splitlines()[-1]
        'y = conv2d(x[None, None], h[None, None], stride=2, padding=0, dilation=1)[0, 0]'
        """
        return Code(self.picture["code"])

    def close(self):
        """Take the panel off the page and let go of the function."""
        self._my_function = None
        self.layout.close()  # a widget of its own, which stays otherwise
        super().close()

    @traitlets.validate("step")
    def _within(self, proposal):
        return min(max(proposal["value"], 0), max(len(self.picture.get("steps", ())) - 1, 0))

    def _set(self, new, message="", at=None):
        """Show a setting at an output: the one given, or the first wrong one, or where we were."""
        old = getattr(self, "_setting", None)
        seen = picture(new, self._my_function) if new != old else dict(self.picture)
        here = self.picture["steps"][self.step]["at"] if old and self.picture["steps"] else [0, 0]
        wrong = seen["yours"] and seen["yours"]["first"]
        if at is None and wrong is not None and new != old:
            step = wrong
        else:
            step = _step_at(seen, here if at is None else at)
        self._setting = new
        self._answers += 1
        with self.hold_sync():
            self.picture = {
                **seen,
                "presets": list(PRESETS),
                "preset": next((name for name, (preset, _) in PRESETS.items() if preset == new), ""),
                "question": self._question,
                "message": message,
                "answers": self._answers,  # so that a refusal, which changes nothing, is drawn as well
            }
            self.step = step

    def _heard(self, _widget, intent, _buffers):
        """Do what a user asked for. Whatever goes wrong is said in the panel, and the last state stays."""
        if intent == {"do": "nothing"}:  # see `acknowledge` in panel.js
            return
        try:
            at = None
            if intent.get("do") == "reset":
                self._question, new, at = self._first_question, self._start, [0, 0]
            elif intent.get("do") == "preset":
                new, self._question = PRESETS[intent["name"]]
                at = [0, 0]
            else:
                new = change(self._setting, intent)
            self._set(new, at=None if self._my_function else at)
        except ValueError as error:
            self._set(self._setting, message=str(error))
        except Exception as error:
            self._set(self._setting, message=f"That did not work ({type(error).__name__}: {error}); nothing changed.")


def _lists(value):
    return [_lists(v) for v in value] if isinstance(value, tuple) else value


def _step_at(seen, at):
    """The step of an output, or of the nearest one that exists."""
    if not seen["steps"]:
        return 0
    i, j = (min(max(int(n), 0), size - 1) for n, size in zip(at, (len(seen["y"]), len(seen["y"][0]))))
    return i * len(seen["y"][0]) + j


def explore_cross_correlation(
    my_function=None,
    x=None,
    h=None,
    stride=1,
    padding=0,
    dilation=1,
    operation="cross-correlation",
    question=None,
    unfold="settings",
):
    """Show the mask h on the input x, window by window, with every product and sum written out (part d).

    With `my_function(x, h)`, shows its output beside ours and stops at the first
    number that differs. A function that takes `stride`, `padding` or `dilation`
    is called with those that are not at their default; it gets copies.

    Shapes: x (H, W) or (W,), up to 10 × 10, and h (KH, KW) or (KW,), up to 5 × 5,
    the lecture's by default; each option an int or a pair (rows, columns).
    `operation` is "cross-correlation" or "convolution", which rotates the mask.
    `question` stands above the panel. `unfold` names the parts that start open:
    "settings", "vector" (the output as w·x) and "code", one or a list of them.
    The panel has `state()`, `load(state)`, `code()` and `close()`.
    PyTorch: `code()` gives the lines.

    >>> panel = explore_cross_correlation(lambda x, h: x[1:, 1:] * h[0, 0], padding=(1, 0))
    >>> panel.state()["at"], panel.state()["padding"]
    ([0, 0], [1, 0])
    """
    if my_function is not None and not callable(my_function):
        raise TypeError(f"explore_cross_correlation: my_function must be a function, got {my_function!r}")
    x = LECTURE_X if x is None else x
    h = LECTURE_H if h is None else h
    start = setting(x, h, stride, padding, dilation, operation)
    unfold = [unfold] if isinstance(unfold, str) else list(unfold)
    unknown = set(unfold) - {"settings", "vector", "code"}
    if unknown:
        raise ValueError(f"unfold must name settings, vector or code, got {sorted(unknown)}")
    return CrossCorrelation(start, my_function, question, unfold)
