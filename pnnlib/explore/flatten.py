"""The flatten explorable: which cell of which map goes to which slot of the vector, and what another size breaks.

`slots_of`, `reader` and `through` are the model; `Flatten` is the panel.
"""

from functools import lru_cache

import numpy as np

from pnnlib import layers, linear
from pnnlib.explore.grids import grids
from pnnlib.explore.panel import Choice, Look, Panel, Preset, Slider, Switch, Verdict, beside, name_of, take_function

CELLS, NETWORK = "cells and slots", "a network"
ORDERS = {"PyTorch's: row by row": "C", "the lecture's: column by column": "F"}
BY_ROWS, BY_COLUMNS = ORDERS
A_CELL, A_SLOT = "a cell of a map", "a slot of the vector"
MADE_FOR, MASKS, CLASSES = (8, 8), 2, 3  # the network's pictures, maps and classes
LINE = 6  # slots in a line of the drawing


def slots_of(shape, order="C"):
    """Return in which slot of the flattened vector each cell of the maps lies (part e).

        slot = (c·H + i)·W + j     order "C", PyTorch's: each map row by row
        slot = (c·W + j)·H + i     order "F", the lecture's: each map column by column

    Shapes: (C, H, W), a shape → an array of ints of this shape.
    PyTorch: the places of `torch.arange(C * H * W)` in `torch.flatten(x, 1)`, or in that of `x.transpose(2, 3)`.

    >>> slots_of((1, 2, 3))[0].tolist(), slots_of((1, 2, 3), "F")[0].tolist()
    ([[0, 1, 2], [3, 4, 5]], [[0, 2, 4], [1, 3, 5]])
    """
    x = np.zeros((1, *shape))
    return linear.flatten_backward(np.arange(x.size)[None], x, order)[0].astype(int)


def reader(average=False):
    """Return a small network for 8×8 pictures; with `average`, each map is averaged before it is flattened.

    >>> reader()(np.zeros((1, 1, 8, 8))).shape
    (1, 3)
    """
    each = 1 if average else (MADE_FOR[0] // 2) * (MADE_FOR[1] // 2)
    return layers.Sequential(
        layers.Conv2d(1, MASKS, 3, padding=1, rng=0),
        layers.MaxPool2d(2),
        *([layers.AdaptiveAvgPool2d(1)] if average else []),
        layers.Flatten(),
        layers.Linear(MASKS * each, CLASSES, rng=0),
    )


@lru_cache(maxsize=512)
def through(rows, columns, average=False):
    """Return the result's shape after each layer of `reader`, as far as it gets, and the error that stops it, or "".

    >>> shapes, error = through(10, 10)
    >>> shapes["Flatten"], error[:38]
    ((1, 50), 'linear: x must be (N, 32) for w of sha')
    """
    x, shapes = np.zeros((1, 1, rows, columns)), {}
    for layer in reader(average).layers:
        try:
            x = layer(x)
        except ValueError as error:
            return shapes, str(error)
        shapes[type(layer).__name__] = x.shape
    return shapes, ""


# The panel.


def _cells(s):
    return s.view == CELLS


def _network(s):
    return s.view == NETWORK


def _shape(s):
    """The maps (C, H, W) before the vector is made."""
    return (s.maps, s.rows, s.columns) if _cells(s) else _pooled(s.height, s.width)


def _pooled(rows, columns):
    shapes, _ = through(rows, columns)
    return shapes["MaxPool2d"][1:]


def _last_slot(s):
    if _network(s):
        return through(*MADE_FOR, s.average)[0]["Flatten"][1] - 1
    return s.maps * s.rows * s.columns - 1


def _by_cell(s):
    return _cells(s) and s.point == A_CELL


class Flatten(Panel):
    """The panel of `explore_flatten`."""

    title = "Flatten: from maps to one vector"
    controls = [
        Choice("view", "Look at", (CELLS, NETWORK)),
        Slider("maps", "Number of maps", 1, 3, shown=_cells),
        Slider("rows", "Rows of a map", 1, 4, start=4, shown=_cells),
        Slider("columns", "Columns of a map", 1, 5, start=4, shown=_cells),
        Choice("order", "Order", ORDERS, shown=_cells),
        Choice("point", "Point at", (A_CELL, A_SLOT), shown=_cells),
        Slider("map", "Map of the cell", 0, lambda s: s.maps - 1, shown=lambda s: _by_cell(s) and s.maps > 1),
        Slider("row", "Row of the cell", 0, lambda s: s.rows - 1, shown=lambda s: _by_cell(s) and s.rows > 1),
        Slider("column", "Column of the cell", 0, lambda s: s.columns - 1,
               shown=lambda s: _by_cell(s) and s.columns > 1),
        Slider("height", "Rows of the picture", 2, 16, start=8, shown=_network),
        Slider("width", "Columns of the picture", 2, 16, start=8, shown=_network),
        Switch("average", "Average each map first", shown=_network),
        Slider("slot", "Slot to look at", 0, _last_slot,
               shown=lambda s: (_network(s) or s.point == A_SLOT) and _last_slot(s) > 0),
    ]  # fmt: skip
    presets = [
        Preset(
            "Two orders",
            "In which slot will row 1, column 2 stand: in PyTorch's order, and in the lecture's?",
        ),
        Preset(
            "Several maps",
            "Go from map to map and keep row and column. By how many slots do you go on, in each of the two orders?",
            maps=3, rows=2, columns=3, row=1, column=2,
        ),
        Preset(
            "Slot to cell",
            "A weight of the next layer reads slot 17. Which pixel of which map is that?",
            maps=2, rows=3, columns=4, point=A_SLOT, slot=0,
        ),
        Preset(
            "Another size",
            "This network was made for pictures of 8×8. Which others does it take without an error, and rightly?",
            view=NETWORK, height=10, width=10, slot=5,
        ),
        Preset(
            "Average first",
            "Now each map is averaged before it is flattened. Which sizes does this network take?",
            view=NETWORK, average=True, height=10, width=10, slot=0,
        ),
    ]  # fmt: skip

    def __init__(self, function=None, question=None, **values):
        self._function = take_function("explore_flatten", "function", function)
        super().__init__(question, **values)

    def look(self, s):
        seen = _cell_look(s) if _cells(s) else _network_look(s)
        return Look(**seen, verdict=self._function and self._verdict(s))

    def lines(self, s):
        if _cells(s):
            shape, (c, i, j) = _shape(s), _cell(s)
            turned = "x" if s.order == BY_ROWS else "x.transpose(2, 3)"
            return (
                f"import torch\n\nx = torch.arange({int(np.prod(shape))}).reshape(1, {', '.join(map(str, shape))})\n"
                f"vector = torch.flatten({turned}, 1)[0]\n"
                f"slot = int((vector == x[0, {c}, {i}, {j}]).nonzero())\nprint(slot)"
            )
        weights, pool = _last_slot(s) + 1, "    torch.nn.AdaptiveAvgPool2d(1),\n" * s.average
        return (
            f"import torch\n\nnetwork = torch.nn.Sequential(\n    torch.nn.Conv2d(1, {MASKS}, 3, padding=1),\n"
            f"    torch.nn.MaxPool2d(2),\n{pool}    torch.nn.Flatten(),\n"
            f"    torch.nn.Linear({weights}, {CLASSES}),\n)\n"
            f"x = torch.zeros(1, 1, {s.height}, {s.width})\nfor layer in network:\n    try:\n        x = layer(x)\n"
            f"    except RuntimeError as error:\n        print(type(layer).__name__, 'cannot do its work:', error)\n"
            f"        break\n    print(type(layer).__name__, tuple(x.shape))"
        )

    def close(self):
        self._function = None
        super().close()

    def _verdict(self, s):
        if _cells(s) and s.order == BY_COLUMNS:
            name = name_of(self._function)
            return Verdict(f"{name} is compared in PyTorch's order, which the exercise asks for: choose that.")
        x = np.arange(2.0 * np.prod(_shape(s))).reshape(2, *_shape(s))
        return beside(self._function, (x,), linear.flatten(x), ("x",), ("the vector",))


def _cell(s):
    """The chosen cell (c, i, j)."""
    if s.point == A_CELL:
        return s.map, s.row, s.column
    return tuple(map(int, np.argwhere(slots_of(_shape(s), ORDERS[s.order]) == s.slot)[0]))


def _place(c, i, j):
    return f"row {i}, column {j} of map {c}"


def _size(shape):
    many = f"{shape[0]} map{'s' * (shape[0] > 1)}"
    return f"{many} of {shape[1]}×{shape[2]}"


def _whole(table):
    return [[str(int(v)) for v in row] for row in table]


# Cells and slots.


def _cell_look(s):
    shape, order, (c, i, j) = _shape(s), ORDERS[s.order], _cell(s)
    slots = slots_of(shape, order)
    slot = int(slots[c, i, j])
    return {
        "plots": [_maps_plot(s, slots, slot), _vector_plot(s, slots, slot)],
        "caption": (
            f"In {s.order.split(':')[0]} order, {_place(c, i, j)} stands in slot {slot} of {slots.size}, "
            f"counted from 0."
        ),
        "lines": _formula(shape, c, i, j),
        "table": _distances(s),
        "notes": ["Maps of one row or one column: both orders agree."] if 1 in shape[1:] else [],
    }


def _maps_plot(s, slots, slot):
    c, i, j = _cell(s)
    alt = f"{_size(slots.shape)}; in each cell its slot. Chosen is {_place(c, i, j)}: slot {slot}. "
    alt += f"Map 0, row by row: {'; '.join(' '.join(row) for row in _whole(slots[0]))}."
    plot, _ = grids(
        alt, slots + 1, texts=[_whole(table) for table in slots], marked=slots == slot,
        names=[f"map {n}" for n in range(len(slots))] if len(slots) > 1 else None,
        columns=2 if len(slots) > 2 else None, title="Each cell's slot", most=270, limit=slots.size,
        moves=("column", "row") if s.point == A_CELL else (None, None),
    )  # fmt: skip
    return plot


def _vector_plot(s, slots, slot):
    """The vector in lines: from which map, row and column each slot comes."""
    origin = np.argwhere(slots >= 0)[np.argsort(slots.ravel())]
    texts = [",".join(map(str, cell)) for cell in origin.tolist()]
    lines = range(0, slots.size, LINE)
    ends = [min(n + LINE, slots.size) for n in lines]
    row = np.arange(slots.size)
    few = "; ".join(texts[:6])
    plot, starts = grids(
        f"The vector of {slots.size} slots; in each the map, row and column it comes from: {few}"
        f"{' and so on' * (slots.size > 6)}. Slot {slot} is chosen: {texts[slot]}.",
        [row[n:end][None] + 1 for n, end in zip(lines, ends)], texts=[[texts[n:end]] for n, end in zip(lines, ends)],
        marked=[(row[n:end] == slot)[None] for n, end in zip(lines, ends)], columns=1,
        title="The vector: map, row, column", most=380, limit=slots.size,
    )  # fmt: skip
    for n, (_, y) in zip(lines, starts):
        plot.text(-0.6, y, n, "quiet", anchor="end", size=11)
    return plot


def _formula(shape, c, i, j):
    _, rows, columns = shape
    return [
        ("PyTorch", f"(c·H + i)·W + j = ({c}·{rows} + {i})·{columns} + {j} = {(c * rows + i) * columns + j}"),
        ("lecture", f"(c·W + j)·H + i = ({c}·{columns} + {j})·{rows} + {i} = {(c * columns + j) * rows + i}"),
    ]


def _distances(s):
    """How far apart in the vector cells lie that are neighbours in the maps."""
    shape, rows = _shape(s), [["a step to the next", *(name.split(":")[0] for name in ORDERS)]]
    for axis, name in ((2, "column"), (1, "row"), (0, "map")):
        if shape[axis] > 1:
            steps = [int(np.diff(slots_of(shape, order), axis=axis).flat[0]) for order in ORDERS.values()]
            rows.append([name, *(f"{step} slot{'s' * (step > 1)}" for step in steps)])
    return rows


# A network.


def _network_look(s):
    shapes, error = through(s.height, s.width, s.average)
    made, now = _network_slots(_pooled(*MADE_FOR), s.average), _network_slots(_shape(s), s.average)
    moved = 0 if error or s.average else _moved(made, now)
    weights, numbers = _last_slot(s) + 1, shapes["Flatten"][1]
    return {
        "plots": [
            _slots_plot(s, made, f"Made for: {_size(made.shape)}", "The network was made for", weights),
            _slots_plot(s, now, f"Now: {_size(now.shape)}", f"The picture of {s.height}×{s.width} makes", weights),
        ],
        "caption": _network_caption(s, now.shape, numbers, weights, moved),
        "table": [
            ["layer", "result"], ["picture", str((1, 1, s.height, s.width))],
            *([name, str(shape)] for name, shape in shapes.items()), *([["Linear", "error"]] if error else []),
        ],
        "notes": [f"{error}."] if error else _network_notes(s, made, now, moved),
    }  # fmt: skip


def _network_slots(shape, average):
    """The slot of each number of the pooled maps: its own, or with `average` one for the whole map."""
    return np.broadcast_to(np.arange(shape[0])[:, None, None], shape) if average else slots_of(shape)


def _moved(made, now):
    """How many slots hold another map, row or column than the one they were made for."""
    cells = (np.argwhere(slots >= 0)[np.argsort(slots.ravel())] for slots in (made, now))
    return int(np.not_equal(*cells).any(axis=1).sum())


def _slots_plot(s, slots, title, begin, weights):
    many = int(slots.max()) + 1
    alt = f"{begin} {_size(slots.shape)}: slots 0 to {many - 1}. "
    there = np.argwhere(slots == s.slot)
    if s.average:
        alt += f"Each map has one slot, that of its mean. Slot {s.slot} is all of map {s.slot}."
    else:
        alt += f"Slot {s.slot} is {_place(*there[0])}." if len(there) else f"There is no slot {s.slot}."
    if many > weights:
        alt += f" The last {many - weights} have no weight, and are white."
    plot, _ = grids(
        alt, np.where(slots < weights, 1.0, 0.0), texts=[_whole(table) for table in slots], marked=slots == s.slot,
        names=[f"map {n}" for n in range(len(slots))], title=title, most=230, limit=3,
    )  # fmt: skip
    return plot


def _network_caption(s, shape, numbers, weights, moved):
    begin = f"A picture of {s.height}×{s.width} makes {_size(shape)}, and a vector of {numbers}. "
    begin += f"Each neuron of the last layer has {weights} weights"
    if numbers > weights:
        return f"{begin}: there is none for {numbers - weights} of the numbers."
    if numbers < weights:
        return f"{begin}: {weights - numbers} of them have nothing to read."
    if s.average:
        return f"{begin}. There is one number for each map, whatever the size."
    if moved:
        return f"{begin}. There is no error, but {moved} of them read another place than they were made for."
    return f"{begin}. They fit, and each reads the place that it was made for."


def _network_notes(s, made, now, moved):
    if moved:
        was, reads = (np.argwhere(slots == s.slot)[0] for slots in (made, now))
        return [f"The weight of slot {s.slot} was made for {_place(*was)}, and now reads {_place(*reads)}."]
    left = [f"last {name}" for name, size in (("row", s.height), ("column", s.width)) if size % 2]
    if left and not s.average:
        what = f"The {' and the '.join(left)} of the maps {'is' if len(left) == 1 else 'are'}"
        return [f"{what} left out by pooling: that is why they fit."]
    return []


def explore_flatten(function=None, question=None, **settings):
    """Show which cell of a map goes to which slot of the flattened vector, and what another input size breaks (part e).

    With `function(x)`, the exercise `flatten`, says whether it gives the same vectors. `settings` are those of
    `state()`: `explore_flatten(maps=3, rows=2, columns=2)`, or `explore_flatten(view="a network", height=12)`.
    The panel has `state()`, `load(state)`, `set(**settings)`, `code()` and `close()`.

    Shapes: function gets x (N, C, H, W), and returns (N, C·H·W).
    PyTorch: `code()` gives the lines.

    >>> panel = explore_flatten(row=1, column=2)
    >>> print(panel.caption)
    In PyTorch's order, row 1, column 2 of map 0 stands in slot 6 of 16, counted from 0.
    """
    return Flatten(function, question, **settings)
