"""The channels explorable: a mask lies on all channels at once, its parts are added up, and many masks make many maps.

`channel_parts` is the model, beside `pnnlib.conv.conv2d`; `Channels` is the panel.
"""

from functools import lru_cache

import numpy as np

from pnnlib.conv import conv2d, cross_correlate
from pnnlib.explore.grids import grids, outline
from pnnlib.explore.panel import Button, Cells, Choice, Look, Number, Panel, Preset, Slider, Verdict
from pnnlib.explore.panel import beside, name_of, take_function

HAND, MIXED, DRAWN = "the worked example", "a stroke on a background", "drawn at random"
SIDE, MOST = 4, 3  # of the inputs that are drawn; and so many channels, masks and rows of a mask at most
# Part d's exercise by hand.
HAND_X = (((1, 0, 2), (0, 1, 1), (2, 1, 0)), ((0, 1, 1), (1, 0, 2), (1, 2, 0)))
HAND_W = ((((1, 0), (0, -1)), ((0, 1), (1, 0))), (((0, 0), (0, 0)), ((1, -1), (0, 0))))
HAND_B = (-2, 1)
# Channel 0 is channel 1 and a stroke from corner to corner.
BACKGROUND = ((3, 1, 2, 4), (1, 5, 2, 3), (4, 2, 6, 1), (2, 3, 1, 5))
STROKE = 2


def channel_parts(x, w):
    """Return what each channel has to say to one mask: the terms whose sum over c is the mask's map, but for its bias.

        part(c, i, j) = Σ_{k,l} X(c, i + k, j + l) W(c, k, l)        Y(i, j) = b + Σ_c part(c, i, j)

    Cross-correlation of multi-channel input (part d).

    Shapes: x (C, H, W), w (C, KH, KW) → (C, OH, OW).
    PyTorch: `torch.nn.functional.conv2d(x, w[:, None], groups=C)`.

    >>> x, w = np.array(HAND_X), np.array(HAND_W)
    >>> channel_parts(x, w[0]).astype(int).tolist()
    [[[0, -1], [-1, 1]], [[2, 1], [1, 4]]]
    """
    return np.array([cross_correlate(channel, part) for channel, part in zip(x, w)])


@lru_cache(maxsize=64)
def draw(seed):
    """Return an input (3, 4, 4), masks (3, 3, 3, 3) and biases (3,) of small whole numbers; a layer takes the first.

    >>> [a.shape for a in draw(0)]
    [(3, 4, 4), (3, 3, 3, 3), (3,)]
    """
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 4, (MOST, SIDE, SIDE))
    w = rng.integers(-2, 3, (MOST, MOST, MOST, MOST))
    return x.astype(float), w.astype(float), rng.integers(-2, 3, MOST).astype(float)


def layer_of(s):
    """The input x (C, H, W), masks w (O, C, K, K) and biases b (O,) that the settings stand for."""
    if s.numbers == HAND:
        return np.array(HAND_X, float), np.array([[s.w00, s.w01], [s.w10, s.w11]]), np.array(s.b[0])
    if s.numbers == MIXED:
        background = np.array(BACKGROUND, float)
        x = np.array([background + STROKE * np.fliplr(np.eye(SIDE)), background])
        return x, np.array([s.weight0, s.weight1]).reshape(1, 2, 1, 1), np.zeros(1)
    x, w, b = draw(s.draw)
    return x[: s.channels], w[: s.masks, : s.channels, : s.size, : s.size], b[: s.masks]


# The panel.


def _hand(s):
    return s.numbers == HAND


def _mixed(s):
    return s.numbers == MIXED


def _drawn(s):
    return s.numbers == DRAWN


def _last_mask(s):
    return {HAND: len(HAND_W), MIXED: 1, DRAWN: s.masks}[s.numbers] - 1


def _last_place(s):
    return {HAND: 1, MIXED: SIDE - 1, DRAWN: SIDE - s.size}[s.numbers]


def _slice(mask, channel):
    return Cells(
        f"w{mask}{channel}", f"W({mask}, {channel})", HAND_W[mask][channel], -99, 99,
        shown=lambda s: _hand(s) and s.mask == mask,
    )  # fmt: skip


class Channels(Panel):
    """The panel of `explore_channels`."""

    title = "Channels: many masks, each on the whole input"
    controls = [
        Choice("numbers", "Numbers", (HAND, MIXED, DRAWN), start=DRAWN),
        Slider("channels", "Channels of the input", 1, MOST, start=3, shown=_drawn),
        Slider("masks", "Number of masks", 1, MOST, start=1, shown=_drawn),
        Slider("size", "Rows and columns of a mask", 1, MOST, start=2, shown=_drawn),
        Number("draw", "Random draw", 0, 0, 1e6, whole=True, shown=_drawn),
        Button("draw_again", "Draw again", shown=_drawn),
        Slider("mask", "Mask to look at", 0, _last_mask, shown=lambda s: _last_mask(s) > 0),
        Slider("row", "Row of the output", 0, _last_place, start=0),
        Slider("column", "Column of the output", 0, _last_place, start=0),
        *(_slice(mask, channel) for mask in range(2) for channel in range(2)),
        Cells("b", "Bias b", [HAND_B], -99, 99, shown=_hand),
        Slider("weight0", "Weight on channel 0", -2.0, 2.0, 0.5, start=1.0, shown=_mixed),
        Slider("weight1", "Weight on channel 1", -2.0, 2.0, 0.5, start=1.0, shown=_mixed),
    ]
    presets = [
        Preset(
            "One mask",
            "Three channels go in, and there is one mask. How many maps come out, one or three? And with two masks?",
        ),
        Preset(
            "Two masks",
            "Change a number of mask 1, then its bias. Which of the two maps change, and in how many places?",
            numbers=HAND, mask=1,
        ),
        Preset(
            "1×1",
            "A mask of one pixel sees no shapes. Which two weights take the background away, and leave the stroke?",
            numbers=MIXED,
        ),
        Preset(
            "Weights",
            "This layer makes two maps of three. How many weights has it, and how many with masks of 3×3?",
            masks=2, size=1, row=1, column=2,
        ),
    ]  # fmt: skip

    def __init__(self, function=None, question=None, **values):
        self._function = take_function("explore_channels", "function", function)
        super().__init__(question, **values)

    def draw_again(self, s):
        return {"draw": s.draw + 1}

    def look(self, s):
        x, w, b = layer_of(s)
        parts, y = channel_parts(x, w[s.mask]), conv2d(x[None], w, b)[0]
        return Look(
            [_input_plot(s, x, w), _mask_plot(s, w, b), _parts_plot(s, parts, y, b), _output_plot(s, y)],
            caption=_caption(s, parts, y, w, b),
            lines=_sum(s, x, w, b, parts, y),
            table=_table(x, w, b, y),
            verdict=self._function and self._verdict(s, x, w, b, y),
        )

    def lines(self, s):
        x, w, b = layer_of(s)
        return (
            f"import torch\n\nx = torch.tensor({x.tolist()}, dtype=torch.float64)\n"
            f"w = torch.tensor({w.tolist()}, dtype=torch.float64)\n"
            f"b = torch.tensor({b.tolist()}, dtype=torch.float64)\n"
            f"parts = torch.nn.functional.conv2d(x, w[{s.mask}][:, None], groups={len(x)})\n"
            f"y = torch.nn.functional.conv2d(x, w, b)\n"
            f"print(parts[:, {s.row}, {s.column}], b[{s.mask}], y[{s.mask}, {s.row}, {s.column}])"
        )

    def close(self):
        self._function = None
        super().close()

    def _verdict(self, s, x, w, b, y):
        name = name_of(self._function)
        if name != "conv_1x1":
            return beside(self._function, (x, w, b), y, ("x", "w", "b"), ("y",))
        if w.shape[2:] != (1, 1):
            return Verdict(f"{name} takes masks of 1×1: it can be compared where the masks have one row and column.")
        return beside(self._function, (x, w[:, :, 0, 0]), y - b[:, None, None], ("x", "w"), ("y",))


def _short(number):
    return f"{number + 0.0:.4g}"


def _bracket(number):
    text = _short(number)
    return f"({text})" if text.startswith("-") else text


def _and(words):
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last


def _many(number, word):
    return f"{number} {word}{'s' * (number != 1)}"


def _rows(table):
    return "; ".join(" ".join(map(_short, row)) for row in table.tolist())


def _input_plot(s, x, w):
    k = w.shape[2]
    marked = np.zeros(x.shape[1:], bool)
    marked[s.row : s.row + k, s.column : s.column + k] = True
    window = "pixel, at" if k == 1 else f"{k}×{k} pixels, from"
    alt = f"The input, {_many(len(x), 'channel')} of {x.shape[1]}×{x.shape[2]}. In each, the mask lies on the same "
    alt += f"{window} row {s.row}, column {s.column}: "
    alt += ". ".join(f"channel {c}: {_rows(m[s.row : s.row + k, s.column : s.column + k])}" for c, m in enumerate(x))
    plot, centres = grids(
        f"{alt}.", x, names=[f"channel {c}" for c in range(len(x))], columns=2 if len(x) > 2 else None,
        title="Input; the mask lies on the frame", most=260,
    )  # fmt: skip
    for centre in centres:
        outline(plot, centre, s.row, s.column, k, k, 1)
    return plot


def _mask_plot(s, w, b):
    k, mask = w.shape[2], w[s.mask]
    alt = f"Mask {s.mask} of {len(w)}, {k}×{k} with a slice for each channel: "
    alt += ". ".join(f"slice {c}: {_rows(part)}" for c, part in enumerate(mask))
    tables, names, each = mask, [f"slice {c}" for c in range(len(mask))], "slice"
    if k == 1:  # the weights beside each other
        tables, names, each = [mask[:, :, 0].T], None, "weight"
    plot, _ = grids(
        f"{alt}. Its bias is {_short(b[s.mask])}.", tables, names=names, most=260,
        title=f"Mask {s.mask}: a {each} for each channel",
    )  # fmt: skip
    return plot


def _parts_plot(s, parts, y, b):
    here = np.zeros(parts.shape[1:], bool)
    here[s.row, s.column] = True
    alt = f"Map {s.mask} is the sum of {_many(len(parts), 'part')} and the bias {_short(b[s.mask])}. "
    alt += f"At row {s.row}, column {s.column}: " + ", ".join(
        f"part {c} {_short(part[s.row, s.column])}" for c, part in enumerate(parts)
    )
    title = f"Map {s.mask}: the parts added up" + (f", {_signed(b[s.mask])}" if b[s.mask] else "")
    plot, _ = grids(
        f"{alt}, the map {_short(y[s.mask, s.row, s.column])}.", [y[s.mask], *parts], marked=[here] * (1 + len(parts)),
        names=[f"map {s.mask} ="] + [f"{'+ ' * (c > 0)}part {c}" for c in range(len(parts))],
        columns=2, title=title, most=300, moves=("column", "row"),
    )  # fmt: skip
    return plot


def _signed(number):
    return f"{'−' if number < 0 else '+'} {_short(abs(number))}"


def _output_plot(s, y):
    here = np.zeros(y.shape, bool)
    here[s.mask, s.row, s.column] = True
    maps = ". ".join(f"Map {o}: {_rows(m)}" for o, m in enumerate(y))
    plot, _ = grids(
        f"The output, {_many(len(y), 'map')} of {y.shape[1]}×{y.shape[2]}. {maps}.", y, marked=here,
        names=[f"map {o}" for o in range(len(y))], columns=2 if len(y) > 2 or y.shape[2] > 3 else None,
        title="Output: one map for each mask", most=300,
    )  # fmt: skip
    return plot


def _caption(s, parts, y, w, b):
    here = parts[:, s.row, s.column]
    if len(parts) == 1:
        made = f"Mask {s.mask} lies on the one channel: {_short(here[0])}"
    else:
        made = f"Mask {s.mask} lies on {len(parts)} channels at once; their parts {_and(list(map(_short, here)))}"
    made += f" and the bias {_short(b[s.mask])} make one number, {_short(y[s.mask, s.row, s.column])}. "
    if _mixed(s):
        gone = int((y == 0).sum())
        return made + f"{gone} of {y.size} outputs are 0; the background has {y.size - SIDE} pixels."
    many = f"{_many(len(w), 'mask')} make{'s' * (len(w) == 1)} {_many(len(y), 'map')} of {y.shape[1]}×{y.shape[2]}"
    return made + f"{many}, with {_many(w.size, 'weight')} and {len(b)} bias{'es' * (len(b) > 1)}."


def _sum(s, x, w, b, parts, y):
    k, lines = w.shape[2], []
    for c, channel in enumerate(x):
        pixels = channel[s.row : s.row + k, s.column : s.column + k].ravel()
        products = " + ".join(f"{_short(v)}·{_bracket(h)}" for v, h in zip(pixels, w[s.mask, c].ravel()))
        lines.append((f"part {c}", f"{products} = {_short(parts[c, s.row, s.column])}"))
    terms = [_bracket(n) for n in parts[:, s.row, s.column]] + [_bracket(b[s.mask])]
    left = f"Y({s.mask}, {s.row}, {s.column})"
    return [*lines, (left, f"{' + '.join(terms)} = {_short(y[s.mask, s.row, s.column])}")]


def _table(x, w, b, y):
    axes = ("channels, rows, columns", "masks, channels, rows, columns", "masks", "masks, rows, columns")
    rows = [[name, str(array.shape), of, array.size] for name, array, of in zip("xwby", (x, w, b, y), axes)]
    return [["", "shape", "axes", "numbers"], *rows]


def explore_channels(function=None, question=None, **settings):
    """Show a convolutional layer with many channels and many masks, and the parts that are added up (part d).

    With `function(x, w, b)`, the exercise `conv_layer`, or with `conv_1x1(x, w)`, says whether it gives the same maps.
    `settings` are those of `state()`: `explore_channels(channels=2, masks=3, size=1)`.
    The panel has `state()`, `load(state)`, `set(**settings)`, `code()` and `close()`.

    Shapes: function gets x (C, H, W), w (O, C, K, K) and b (O,), and returns (O, OH, OW).
    PyTorch: `code()` gives the lines.

    >>> panel = explore_channels(numbers="the worked example")
    >>> panel.picture["lines"][-1]
    ['Y(0, 0, 0)', '0 + 2 + (-2) = 0']
    """
    return Channels(function, question, **settings)
