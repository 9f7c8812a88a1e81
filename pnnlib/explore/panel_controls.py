"""The controls of a panel: what can be chosen, with its limits, as a declaration.

    Slider      a number between limits, linear or logarithmic
    Choice      one of a few names
    Switch      on or off
    Number      a number that is typed
    Cells       a table of numbers that are typed
    Button      something to do: a method of the panel

The page knows a control by its label and by the `place` of what is chosen: the third stop of a slider, the second
of the options. What a place means is worked out here, so what a control offers cannot be invalid. A limit may
depend on the other settings: a function of them in place of a number.

Each control has `check(value, s)`: the value as it will be kept, or a ValueError that says what is wrong. `s` holds the
present settings, an attribute for each control.
"""

import math
from bisect import bisect_left

import numpy as np

LARGEST = 1e6
STOPS_PER_DECADE = 20


class Control:
    """What all controls have: a name in the settings, a label on the page, a value to start from.

    `shown`, a function of the settings, hides a control where it means nothing. `only_looks` says that it changes only
    what is seen of a result, so that a training that was done need not be done again.
    """

    kind = ""

    def __init__(self, name, label, start, shown=None, only_looks=False):
        self.name, self.label, self.start = name, label, start
        self.shown, self.only_looks = shown, only_looks

    def fit(self, value, s):
        """The value again, or the nearest that the other settings allow."""
        return value

    def page(self, value, s):
        """What the page needs to show it."""
        hidden = self.shown is not None and not self.shown(s)
        return {"name": self.name, "kind": self.kind, "label": self.label, "hidden": hidden, **self._page(value, s)}

    def typed(self, text, at, value, s):
        """The value after what was typed; only some controls have it."""
        raise ValueError(f"{self.label} cannot be typed")


class _Placed(Control):
    """A control whose values can be counted."""

    def stops(self, s):
        """All values that the page offers, in order."""
        raise NotImplementedError

    def at(self, place, s):
        """The value at a place; places beyond the ends are the ends."""
        stops = self.stops(s)
        return stops[min(max(int(place), 0), len(stops) - 1)]

    def place(self, value, s):
        return self.stops(s).index(value)


class Slider(_Placed):
    """A number from `least` to `most` in steps, or with `log=True` in equal ratios.

    `step` is the step of a linear slider; whole limits and a whole step make a whole number. `unit` is written behind
    the value. A panel may start, or be loaded, with a value between two steps.

    >>> depth = Slider("depth", "Number of weights", 3, 50, start=4)
    >>> depth.stops(None)[:3], Slider("eta", "Learning rate η", 1e-3, 1e3, log=True, start=1).stops(None)[18:23]
    ([3, 4, 5], [0.00794, 0.00891, 0.01, 0.0112, 0.0126])
    >>> depth.check(2, None)
    Traceback (most recent call last):
    ...
    ValueError: Number of weights must be a whole number from 3 to 50, got 2
    """

    kind = "slider"

    def __init__(self, name, label, least, most, step=1, start=None, log=False, unit="", **others):
        super().__init__(name, label, least if start is None else start, **others)
        self.least, self.most, self.step, self.log, self.unit = least, most, step, log, unit
        numbers = [number for number in (least, most, step) if not callable(number)]
        self.whole = not log and all(isinstance(number, int) for number in numbers)
        self._made = None

    def limits(self, s):
        return tuple(limit(s) if callable(limit) else limit for limit in (self.least, self.most))

    def stops(self, s):
        limits = self.limits(s)
        if self._made is None or self._made[0] != limits:
            self._made = limits, self._stops(*limits)
        return self._made[1]

    def _stops(self, least, most):
        if self.log:
            first, decades = math.log10(least), math.log10(most / least)
            count = max(round(decades * STOPS_PER_DECADE), 1)
            between = [float(f"{10 ** (first + n * decades / count):.3g}") for n in range(1, count)]
            return [least, *between, most]
        count = int((most - least) / self.step + 1e-9)
        values = [least + n * self.step for n in range(count + 1)]
        return values if self.whole else [round(v, 10) + 0.0 for v in values]

    def check(self, value, s):
        least, most = self.limits(s)
        kind = "a whole number" if self.whole else "a number"
        number = _number(value)
        if number is None or not least <= number <= most or (self.whole and number != int(number)):
            raise ValueError(f"{self.label} must be {kind} from {least:g} to {most:g}, got {value!r}")
        return int(number) if self.whole else number

    def fit(self, value, s):
        least, most = self.limits(s)
        return min(max(value, least), most)

    def place(self, value, s):
        stops = self.stops(s)
        here = min(bisect_left(stops, value), len(stops) - 1)
        return here - (here > 0 and abs(stops[here - 1] - value) < abs(stops[here] - value))

    def near(self, value, s):
        """The stop next to a number, for a pointer in a plot."""
        return self.at(self.place(value, s), s)

    def _page(self, value, s):
        last = len(self.stops(s)) - 1
        return {"place": self.place(value, s), "last": last, "text": f"{value:.6g}{self.unit}"}


class Choice(_Placed):
    """One of a few names.

    >>> Choice("phi", "Activation function φ", ["sigmoid", "tanh"]).check("relu", None)
    Traceback (most recent call last):
    ...
    ValueError: Activation function φ must be 'sigmoid' or 'tanh', got 'relu'
    """

    kind = "choice"

    def __init__(self, name, label, options, start=None, **others):
        self.options = list(options)
        super().__init__(name, label, self.options[0] if start is None else start, **others)

    def stops(self, s):
        return self.options

    def check(self, value, s):
        if value not in self.options:
            *most, last = map(repr, self.options)
            raise ValueError(f"{self.label} must be {', '.join(most)}{' or ' * bool(most)}{last}, got {value!r}")
        return value

    def _page(self, value, s):
        return {"place": self.place(value, s), "options": self.options}


class Switch(_Placed):
    """On or off.

    >>> Switch("skip", "Skip connections").start
    False
    """

    kind = "switch"

    def __init__(self, name, label, start=False, **others):
        super().__init__(name, label, start, **others)

    def stops(self, s):
        return [False, True]

    def check(self, value, s):
        if not isinstance(value, (bool, np.bool_)):
            raise ValueError(f"{self.label} must be True or False, got {value!r}")
        return bool(value)

    def _page(self, value, s):
        return {"place": int(value)}


class Number(Control):
    """A number that is typed, for what needs to be exact.

    >>> Number("t", "Target t", start=1).typed("0,5", None, 1, None)
    Traceback (most recent call last):
    ...
    ValueError: Target t stays 1: “0,5” is not a number. Write a point, not a comma.
    """

    kind = "number"

    def __init__(self, name, label, start, least=-LARGEST, most=LARGEST, whole=False, **others):
        super().__init__(name, label, start, **others)
        self.least, self.most, self.whole = least, most, whole

    def check(self, value, s):
        number = _number(value)
        if number is None or not self._allows(number):
            raise ValueError(f"{self.label} must be {self._wanted()}, got {value!r}")
        return int(number) if self.whole else number

    def typed(self, text, at, value, s):
        stays = f"{self.label} stays {value:g}"
        number = read_number(text, stays)
        if not self._allows(number):
            raise ValueError(f"{stays}: it must be {self._wanted()}.")
        return int(number) if self.whole else number

    def _allows(self, number):
        return self.least <= number <= self.most and not (self.whole and number != int(number))

    def _wanted(self):
        return f"a {'whole ' * self.whole}number from {self.least:.12g} to {self.most:.12g}"

    def _page(self, value, s):
        return {"text": f"{value:.12g}"}


class Cells(Control):
    """A table of numbers (rows, columns) that are typed, kept as a tuple of rows.

    The label of a cell is `label[row, column]`, or `label[place]` in a table with one row.

    >>> x = Cells("x", "x", [[1, 2], [3, 4]])
    >>> x.typed("−2.5", [0, 1], x.start, None)
    ((1.0, -2.5), (3.0, 4.0))
    """

    kind = "cells"

    def __init__(self, name, label, start, least=-LARGEST, most=LARGEST, **others):
        super().__init__(name, label, _rows(start), **others)
        self.least, self.most = least, most

    def check(self, value, s):
        try:
            array = np.array(value, float)
        except (TypeError, ValueError):
            raise ValueError(f"{self.label} must be a table of numbers, got {value!r}") from None
        if array.shape != np.shape(self.start):
            raise ValueError(f"{self.label} must be {np.shape(self.start)}, got {array.shape}")
        if not ((self.least <= array) & (array <= self.most)).all():
            raise ValueError(f"{self.label} must hold numbers from {self.least:.12g} to {self.most:.12g}")
        return _rows(array)

    def typed(self, text, at, value, s):
        row, column = at
        name = self._names(value)[row][column]
        stays = f"{name} stays {value[row][column]:g}"
        number = read_number(text, stays)
        if not self.least <= number <= self.most:
            raise ValueError(f"{stays}: it must be a number from {self.least:.12g} to {self.most:.12g}.")
        table = [list(numbers) for numbers in value]
        table[row][column] = number
        return _rows(table)

    def _names(self, value):
        one = len(value) == 1
        return [
            [f"{self.label}[{c}]" if one else f"{self.label}[{r}, {c}]" for c in range(len(row))]
            for r, row in enumerate(value)
        ]

    def _page(self, value, s):
        return {"texts": [[f"{v + 0.0:.12g}" for v in row] for row in value], "names": self._names(value)}


class Button(Control):
    """Something to do: calls the panel's method `name`, which returns the settings to change, or None.

    A method that is a generator is long work, done piece by piece: see `Panel`.

    >>> Button("draw_again", "Draw again").kind
    'button'
    """

    kind = "button"

    def __init__(self, name, label, shown=None):
        super().__init__(name, label, None, shown)

    def _page(self, value, s):
        return {}


def read_number(text, stays):
    """Return the number that someone typed, or say, after `stays`, why it is none."""
    text = str(text).strip().replace("−", "-")
    try:
        number = float(text.replace("_", "?"))
    except ValueError:
        comma = " Write a point, not a comma." if "," in text else ""
        said = f"“{text}” is not a number" if text else "an empty field is not a number"
        raise ValueError(f"{stays}: {said}.{comma}") from None
    if not math.isfinite(number):
        raise ValueError(f"{stays}: it must be a finite number.")
    return number


def _number(value):
    """The value as a finite number of Python, or None."""
    if isinstance(value, (bool, str)):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    if not math.isfinite(number):
        return None
    return int(number) if isinstance(value, (int, np.integer)) else number


def _rows(table):
    return tuple(map(tuple, np.array(table, float).tolist()))
