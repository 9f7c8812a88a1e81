"""The pooling explorable: a pattern moves over a map. How many numbers change before pooling, and how many after?

`pool_maps`, `pattern_maps`, `looked_at` and `changed` are the model; `Pooling` is the panel.
"""

import math
from types import SimpleNamespace

import numpy as np

from pnnlib import pool
from pnnlib.explore.grids import grids, numbers, outline
from pnnlib.explore.panel import Button, Cells, Choice, Look, Panel, Preset, Slider, Switch, Verdict
from pnnlib.explore.panel import beside, name_of, take_function
from pnnlib.windows import taps

KINDS = {"max": "the maximum", "mean": "the mean"}
REGIONS, WHOLE, ACROSS = "regions of each map", "the map as a whole", "neighbouring maps"
SIDE, SMALL, MAPS = 8, 4, 4  # one map of 8×8; or 4 maps of 4×4, or two typed inputs of 4×4
PEAK, RIM, PARTS = "one peak", "a peak with a rim", "two parts"
PATTERNS = (PEAK, RIM, PARTS)
WRITTEN_OUT = 16  # so many numbers of a region can be read in a line
ONE = ((9, 1, 0, 2), (3, 4, 5, 1), (0, 2, 7, 3), (3, 1, 6, 8))  # two inputs with the same maxima in 2×2 regions
TWO = ((9, 1, 4, 2), (3, 4, 5, 1), (0, 2, 7, 1), (3, 1, 6, 8))
# A student's exercises: what they pool with, and over what.
EXERCISES = {
    "max_pool": ("max", REGIONS),
    "average_pool": ("mean", REGIONS),
    "global_average_pool": ("mean", WHOLE),
    "cross_channel_max_pool": ("max", ACROSS),
}


def pool_maps(x, kind, over, size=2, stride=2, group=2):
    """Pool the maps x of one input (part e): `kind` "max" or "mean", `over` one of three kinds of regions.

        Y(c, i, j) = max_{k,l<s} X(c, i·t + k, j·t + l)     regions of each map, of s × s pixels, with stride t
        Y(c, 0, 0) = max_{i,j} X(c, i, j)                   the map as a whole: global pooling
        Y(o, i, j) = max_{g<G} X(o·G + g, i, j)             neighbouring maps: cross-channel pooling

    or the mean in place of the maximum.

    Shapes: x (C, H, W) → (C, OH, OW), (C, 1, 1) or (C/G, H, W).
    PyTorch: `max_pool2d(x, s, t)`, `adaptive_max_pool2d(x, 1)`, `x.unflatten(0, (-1, G)).amax(1)`, and for means alike.

    >>> pool_maps(np.arange(16.0).reshape(1, 4, 4), "mean", REGIONS)
    array([[[ 2.5,  4.5],
            [10.5, 12.5]]])
    """
    x = np.asarray(x, float)[None]
    largest = kind == "max"
    if over == WHOLE:
        return (pool.global_max_pool if largest else pool.global_avg_pool)(x)[0][:, None, None]
    if over == ACROSS:
        return (pool.cross_channel_max_pool if largest else pool.cross_channel_avg_pool)(x, group)[0]
    return (pool.max_pool2d if largest else pool.avg_pool2d)(x, size, stride)[0]


def pattern(name, apart=2):
    """Return a pattern (rows, columns) as it stands in a map; the two parts of "two parts" are so many pixels apart.

    >>> pattern("two parts", 3)
    array([[9., 0., 0., 5.]])
    """
    if name == PEAK:
        return np.array([[9.0]])
    if name == RIM:
        return np.array([[1.0, 2, 1], [2, 9, 2], [1, 2, 1]])
    parts = np.zeros((1, apart + 1))
    parts[0, [0, -1]] = 9, 5
    return parts


def pattern_maps(pattern, row, column, shape, which=0):
    """Return maps (C, H, W) of zeros with a pattern in map `which`, its first pixel at (row, column).

    >>> pattern_maps([[9, 5]], 1, 0, (1, 2, 3))
    array([[[0., 0., 0.],
            [9., 5., 0.]]])
    """
    pattern, x = np.asarray(pattern, float), np.zeros(shape)
    rows, columns = pattern.shape
    x[which, row : row + rows, column : column + columns] = pattern
    return x


def looked_at(side, size, stride):
    """Return in how many regions each pixel of a map (side, side) lies: 0 where the map has left over pixels.

    >>> looked_at(5, 2, 2)[0]
    array([1, 1, 1, 1, 0])
    """
    count = np.zeros((side, side), int)
    for _, tap in taps(count, (size, size), (stride, stride)):
        tap += 1
    return count


def changed(before, now):
    """Return which numbers changed, and by how much all of them, relative to their size before.

        ‖now − before‖ / ‖before‖      NaN where all were 0

    Shapes: before and now alike → bools of the same shape, and a number.

    >>> changed(np.array([3.0, 4.0]), np.array([3.0, 1.5]))
    (array([False,  True]), 0.5)
    """
    size = float(np.linalg.norm(before))
    # Means of the same numbers in another order may differ in their last digit.
    other = ~np.isclose(before, now, rtol=0, atol=1e-9 * max(1.0, np.abs(before).max(initial=0.0)))
    return other, float(np.linalg.norm(now - before)) / size if size else math.nan


# The panel.


def _over_regions(s):
    return s.over == REGIONS


def _across(s):
    return s.over == ACROSS


def _typed(s):
    return s.typed and not _across(s)


def _moves(s):
    return not _typed(s)


def _side(s):
    return SMALL if _across(s) or s.typed else SIDE


def _last(axis, apart="apart"):
    """How far the pattern can go along an axis: it always lies on the map as a whole."""
    return lambda s: _side(s) - pattern(s.pattern, min(getattr(s, apart), _side(s) - 1)).shape[axis]


def _never(s):
    return False


class Pooling(Panel):
    """The panel of `explore_pooling`."""

    title = "Pooling: what it does not notice"
    controls = [
        Choice("kind", "Keep of each region", KINDS),
        Choice("over", "A region is", (REGIONS, WHOLE, ACROSS)),
        Switch("typed", "Type two inputs", shown=lambda s: not _across(s)),
        Slider("size", "Size of a region", 1, _side, start=2, shown=_over_regions),
        Slider("stride", "Stride", 1, _side, start=2, shown=_over_regions),
        Choice("group", "Maps in a group", ("4", "2"), shown=_across),
        Choice("pattern", "Pattern", PATTERNS, shown=_moves),
        Slider("apart", "Distance of the parts", 1, lambda s: _side(s) - 1, start=3,
               shown=lambda s: _moves(s) and s.pattern == PARTS),
        Slider("row", "Row of the pattern", 0, _last(0), start=2, shown=_moves),
        Slider("column", "Column of the pattern", 0, _last(1), start=2, shown=_moves),
        Slider("map", "Map of the pattern", 0, MAPS - 1, shown=_across),
        # Where it was: what is compared with. `from_here` sets them.
        Slider("apart_before", "Distance of the parts before", 1, lambda s: _side(s) - 1, start=3, shown=_never),
        Slider("row_before", "Row before", 0, _last(0, "apart_before"), start=2, shown=_never),
        Slider("column_before", "Column before", 0, _last(1, "apart_before"), start=2, shown=_never),
        Slider("map_before", "Map before", 0, MAPS - 1, shown=_never),
        Button("from_here", "Compare with here", shown=_moves),
        Cells("one", "Input A", ONE, -99, 99, shown=_never),
        Cells("two", "Input B", ONE, -99, 99, shown=_typed),
        Button("another_way", "Show one way", shown=_typed),
    ]  # fmt: skip
    presets = [
        Preset("Move it", "How far, and in which directions, can the peak move before a number after pooling changes?"),
        Preset(
            "Maximum or mean",
            "Move the pattern one pixel at a time. Which changes in more places: the maxima or the means?",
            pattern=RIM, size=4, stride=4, row=0, column=0, row_before=0, column_before=0,
        ),
        Preset(
            "Whole map",
            "Move the two parts, and change their distance. When does the one number that is left change?",
            over=WHOLE, pattern=PARTS,
        ),
        Preset(
            "Across maps",
            "Which does the result not notice: that the pattern moves to another place, or to another map?",
            over=ACROSS, pattern=PEAK, row=1, column=1, row_before=1, column_before=1,
        ),
        Preset(
            "Same output",
            "Change input B. In how many of its 16 pixels can it differ from A, while both outputs stay the same?",
            typed=True, two=TWO,
        ),
    ]  # fmt: skip

    def __init__(self, function=None, question=None, **values):
        self._function = take_function("explore_pooling", "function", function)
        kind, over = EXERCISES.get(getattr(function, "__name__", ""), (None, None))
        if kind and not {"kind", "over"} & set(values):
            values = {"kind": kind, "over": over, **values}
        super().__init__(question, **values)

    def from_here(self, s):
        return {"row_before": s.row, "column_before": s.column, "apart_before": s.apart, "map_before": s.map}

    def another_way(self, s):
        """Input A again, with the numbers of each 2×2 region moved on by one place: another input, the same output."""
        x = np.array(s.one)
        for i, j in np.ndindex(2, 2):
            region = x[2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
            (a, b), (c, d) = region.tolist()
            region[...] = [[c, a], [d, b]]
        return {"two": x, **({"size": 2, "stride": 2} if _over_regions(s) else {})}

    def look(self, s):
        before, now = _inputs(s)
        how = _how(s)
        y_before, y = pool_maps(before, **how), pool_maps(now, **how)
        of = SimpleNamespace(
            before=before, now=now, y_before=y_before, y=y,
            x_changed=changed(before, now), y_changed=changed(y_before, y),
        )  # fmt: skip
        plots = _four_plots(s, of) if _typed(s) else [_map_plot(s, of), _pooled_plot(s, of.y, of.y_changed[0])]
        return Look(
            plots,
            caption=_caption(s, of),
            lines=_equation(s, of),
            table=_table(s, of),
            notes=_notes(s),
            verdict=self._function and self._verdict(s, now, y),
        )

    def lines(self, s):
        before, now = _inputs(s)
        if _typed(s):
            given = "".join(
                f"{name} = torch.tensor({x.tolist()}, dtype=torch.float64)\n"
                for name, x in (("before", before), ("now", now))
            )
        else:
            made = {
                "before": (_pattern_before(s), s.row_before, s.column_before, _before(s)),
                "now": (_pattern(s), s.row, s.column, _which(s)),
            }
            given = (
                f"def maps(pattern, row, column, which):\n"
                f"    x, pattern = torch.zeros({now.shape}, dtype=torch.float64), torch.tensor(pattern)\n"
                f"    rows, columns = pattern.shape\n"
                f"    x[which, row : row + rows, column : column + columns] = pattern\n"
                f"    return x\n\n\n"
            ) + "".join(
                f"{name} = maps({what.tolist()}, {row}, {column}, {which})\n"
                for name, (what, row, column, which) in made.items()
            )
        name = {"max": "max", "mean": "avg"}[s.kind]
        if s.over == REGIONS:
            pooled = f"torch.nn.functional.{name}_pool2d(x, {s.size}, {s.stride})"
        elif s.over == WHOLE:
            pooled = f"torch.nn.functional.adaptive_{name}_pool2d(x, 1)"
        else:
            pooled = f"x.unflatten(0, (-1, {s.group})).{'amax' if s.kind == 'max' else 'mean'}(1)"
        return (
            f"import torch\n\n\n{given}\n\n"
            f"def pool(x):\n    return {pooled}\n\n\n"
            f"y_before, y = pool(before), pool(now)\n"
            f"print(int((now != before).sum()), 'of', now.numel(), 'changed before pooling')\n"
            f"print(int((~torch.isclose(y, y_before)).sum()), 'of', y.numel(), 'after')"
        )

    def close(self):
        self._function = None
        super().close()

    def _verdict(self, s, x, y):
        name = name_of(self._function)
        kind, over = EXERCISES.get(name, (s.kind, s.over))
        if (kind, over) != (s.kind, s.over):
            return Verdict(f"{name} keeps {KINDS[kind]} of {over}: choose these, and it can be compared.")
        more = {REGIONS: {"size": s.size, "stride": s.stride}, WHOLE: {}, ACROSS: {"group": int(s.group)}}[over]
        expected = y[:, 0, 0] if over == WHOLE else y
        return beside(self._function, (x, *more.values()), expected, ("x", *more), ("y",))


def _how(s):
    return {"kind": s.kind, "over": s.over, "size": s.size, "stride": s.stride, "group": int(s.group)}


def _pattern(s):
    return pattern(s.pattern, s.apart)


def _pattern_before(s):
    return pattern(s.pattern, s.apart_before)


def _which(s):
    return s.map if _across(s) else 0


def _before(s):
    return s.map_before if _across(s) else 0


def _inputs(s):
    """The maps (C, H, W) before and now."""
    if _typed(s):
        return np.array([s.one]), np.array([s.two])
    shape = (MAPS if _across(s) else 1, _side(s), _side(s))
    return (
        pattern_maps(_pattern_before(s), s.row_before, s.column_before, shape, _before(s)),
        pattern_maps(_pattern(s), s.row, s.column, shape, _which(s)),
    )


def _short(number):
    return f"{number + 0.0:.3g}"


def _size(array):
    return "×".join(map(str, array.shape[-2:]))


def _place(s):
    return f"row {s.row}, column {s.column}" + f" of map {s.map}" * _across(s)


def _frames(plot, s, centre):
    """The regions on a map: all of them where they lie side by side, the first two where they overlap."""
    side = _side(s)
    if s.over == WHOLE:
        return outline(plot, centre, 0, 0, side, side, 2, "dashed", label="the region", width=2)
    if s.over == ACROSS or s.size == 1:
        return plot
    if s.stride >= s.size:
        for i, j in np.ndindex(*(2 * ((side - s.size) // s.stride + 1,))):
            outline(plot, centre, i * s.stride, j * s.stride, s.size, s.size, 2, "dashed", "a region", 2)
        return plot
    outline(plot, centre, 0, 0, s.size, s.size, 2, "dashed", "first region", 2, inset=0.06)
    if s.stride + s.size <= side:
        outline(plot, centre, 0, s.stride, s.size, s.size, 3, "dotted", "the next", 2, inset=0.14)
    return plot


def _map_plot(s, of):
    marks, _ = of.x_changed
    there = "the map" if len(of.now) == 1 else "the four maps"
    alt = f"Before pooling: {there}, {_size(of.now)}, with {s.pattern} at {_place(s)}. "
    where = f"row {s.row_before}, column {s.column_before}" + f" of map {s.map_before}" * _across(s)
    alt += f"It is compared with {where}: {marks.sum()} of {marks.size} numbers changed."
    names = [f"map {c}" for c in range(len(of.now))] if _across(s) else None
    plot, centres = grids(
        alt, of.now, texts=[_sparse(x, m) for x, m in zip(of.now, marks)], marked=marks, names=names,
        columns=2 if _across(s) else None, title="Before pooling; changed: thick frame", most=300, room=1,
        moves=("column", "row") if not _across(s) else (None, None),
    )  # fmt: skip
    if s.over != ACROSS:
        _frames(plot, s, centres[0])
    rows, columns = _pattern_before(s).shape
    return outline(
        plot, centres[_before(s)], s.row_before, s.column_before, rows, columns, 1, label="where it was", inset=0.12
    )


def _sparse(table, marks):
    """The numbers of a table, but no zero that has always been there."""
    return [[text if value or mark else "" for text, value, mark in zip(*row)]
            for row in zip(numbers(table), table.tolist(), marks.tolist())]  # fmt: skip


def _pooled_plot(s, y, marks, title="After pooling; changed: thick frame", which=""):
    alt = f"After pooling{which}, {KINDS[s.kind]} of {_over(s)}: {_maps(len(y))} of {_size(y)}. "
    largest = np.unravel_index(np.argmax(np.abs(y)), y.shape)
    if y.size <= 16:
        alt += "The number is " if y.size == 1 else "The numbers are "
        alt += "; ".join(" ".join(map(_short, row)) for m in y.tolist() for row in m) + ". "
    else:
        alt += f"The largest is {_short(y[largest])} at row {largest[1]}, column {largest[2]}. "
        alt += f"{np.count_nonzero(y)} of {y.size} are not 0. "
    alt += f"{marks.sum()} of {marks.size} numbers changed."
    names = [f"maps {_first(s, o)} to {_first(s, o + 1) - 1}" for o in range(len(y))] if _across(s) else None
    plot, _ = grids(
        alt, y, marked=marks, names=names, title=title, most=300,
        moves=("column", "row") if _across(s) and len(y) == 1 else (None, None),
    )  # fmt: skip
    return plot


def _first(s, group):
    return group * int(s.group)


def _maps(many):
    return "one map" if many == 1 else f"{many} maps"


def _over(s):
    if s.over == REGIONS:
        return f"regions of {s.size}×{s.size}, stride {s.stride}"
    return f"every {s.group} neighbouring maps" if _across(s) else WHOLE


def _four_plots(s, of):
    marks, _ = of.x_changed
    plots = []
    for name, x, words in (("A", of.before, ""), ("B", of.now, f" {marks.sum()} of {marks.size} differ from A.")):
        rows = "; ".join(" ".join(map(_short, row)) for row in x[0].tolist())
        plot, (centre,) = grids(
            f"Input {name}, row by row: {rows}.{words}", x, marked=marks if name == "B" else None,
            title="Input A" if name == "A" else "Input B; different: thick frame", room=1,
        )  # fmt: skip
        plots.append(_frames(plot, s, centre))
    same = np.zeros_like(of.y_changed[0])
    plots.append(_pooled_plot(s, of.y_before, same, "Output of A", " input A"))
    plots.append(_pooled_plot(s, of.y, of.y_changed[0], "Output of B; different: thick frame", " input B"))
    return plots


def _caption(s, of):
    (x_marks, _), (y_marks, _) = of.x_changed, of.y_changed
    if _typed(s):
        many = f"{x_marks.sum()} of {x_marks.size} pixels"
        if not x_marks.any():
            return "B is the same input as A. Change it."
        if not y_marks.any():
            same = "pooling makes the same of both: nothing behind it can tell them apart"
            return f"A and B differ in {many}, and {same}."
        out = f"{y_marks.sum()} of {y_marks.size} outputs"
        return f"A and B differ in {many}, and still in {out}: pooling keeps them apart."
    if not x_marks.any():
        what = f"The pattern, {s.pattern}, is at {_place(s)}, where it was"
        return f"{what}: nothing has changed. Move it with the arrow keys or the sliders."
    way = [_steps(s.row - s.row_before, "down", "up"), _steps(s.column - s.column_before, "right", "left")]
    if _across(s) and s.map != s.map_before:
        way.append(f"from map {s.map_before} to map {s.map}")
    if s.pattern == PARTS and s.apart != s.apart_before:
        way.append(f"with {s.apart} pixels between its parts instead of {s.apart_before}")
    moved = " and ".join(step for step in way if step)
    return (
        f"The pattern has gone {moved}. {x_marks.sum()} of {x_marks.size} numbers changed before pooling, "
        f"{y_marks.sum()} of {y_marks.size} after it."
    )


def _steps(by, forward, back):
    return f"{abs(by)} {forward if by > 0 else back}" if by else ""


def _table(s, of):
    """Before pooling, and after it with the maximum and with the mean: how many changed, and by how much."""
    rows = [["", "numbers", "differ" if _typed(s) else "changed", "relative change"]]
    before = [("before pooling", of.before, of.now)]
    both = [
        (f"after it, {kind}", *(pool_maps(x, **{**_how(s), "kind": kind}) for x in (of.before, of.now)))
        for kind in KINDS
    ]
    for name, a, b in before + both:
        marks, by = changed(a, b)
        rows.append([name, marks.size, marks.sum(), "–" if math.isnan(by) else f"{by:.0%}"])
    return rows


def _equation(s, of):
    """The first output that changed, or the largest, with the numbers it is made of."""
    at = np.unravel_index(np.argmax(of.y_changed[0] if of.y_changed[0].any() else np.abs(of.y)), of.y.shape)
    o, i, j = map(int, at)
    left = f"Y({i}, {j})" if len(of.y) == 1 else f"Y({o}, {i}, {j})"
    if s.over == WHOLE:
        left = "Y"
    names = (" of A", " of B") if _typed(s) else (" before", " now")
    lines = []
    for name, x, y in zip(names, (of.before, of.now), (of.y_before, of.y)):
        members = _region(s, x, o, i, j)
        what = f"of {members.size} numbers" if members.size > WRITTEN_OUT else f"({', '.join(map(_short, members))})"
        lines += [(f"{left}{name}", f"{s.kind} {what}" if "of" in what else f"{s.kind}{what}"), ("", _short(y[at]))]
    return lines


def _region(s, x, o, i, j):
    """The numbers (n,) of which output (o, i, j) is made."""
    if s.over == WHOLE:
        return x[o].ravel()
    if s.over == ACROSS:
        return x[_first(s, o) : _first(s, o + 1), i, j]
    top, left = i * s.stride, j * s.stride
    return x[o, top : top + s.size, left : left + s.size].ravel()


def _notes(s):
    notes = []
    if _over_regions(s):
        count = looked_at(_side(s), s.size, s.stride)
        out = int((count == 0).sum())
        if out:
            notes.append(f"{out} of {count.size} pixels lie in no region: what happens there is not seen at all.")
        if count.max() > 1:
            notes.append(f"Regions overlap: a pixel lies in up to {count.max()} of them.")
        if s.size == 1 and s.stride == 1:
            notes.append("Regions of one pixel, stride 1: nothing is pooled.")
    if s.over == WHOLE:
        notes.append("One number is left of the map. It says what is there, and not where.")
    return notes


def explore_pooling(function=None, question=None, **settings):
    """Show a pattern that moves over a map, and which numbers change before and after pooling (part e).

    Pooling by maximum or mean, over regions, over the whole map, or across maps; or two typed inputs beside each other.
    With `function`, one of the exercises `max_pool`, `average_pool`, `global_average_pool` or `cross_channel_max_pool`,
    says whether it gives the same. `settings` are those of `state()`: `explore_pooling(kind="mean", size=4, stride=4)`.
    The panel has `state()`, `load(state)`, `set(**settings)`, `code()` and `close()`.

    Shapes: function(x, size, stride), (x) or (x, group) gets x (C, H, W), and returns what the exercise says.
    PyTorch: `code()` gives the lines.

    >>> panel = explore_pooling(column=3)
    >>> print(panel.caption)
    The pattern has gone 1 right. 2 of 64 numbers changed before pooling, 0 of 16 after it.
    """
    return Pooling(function, question, **settings)
