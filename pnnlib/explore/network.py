"""The network explorable: any network, layer by layer, with one of its numbers written out, forward and backward.

What a number is made of is in `network_cell`; `Network` is the panel.
"""

import copy
from functools import lru_cache

import numpy as np

from pnnlib import layers, pretrained
from pnnlib.explore.few_digits import few_digits
from pnnlib.explore.network_cell import made_of, sees, walk
from pnnlib.explore.panel import Choice, Look, Panel, Plot, Preset, Slider, nice_limits
from pnnlib.explore.pictures import framed
from pnnlib.layers import Module, _field_in_words
from pnnlib.train import outputs

FORWARD, BACKWARD = "forward", "backward"
OWN = "its own"
MOST_MAPS = 64  # that are drawn
MOST_TERMS = 9  # that are written out
MOST_NUMBERS = 64  # cells that can be read in a map
PICTURES = 10


@lru_cache(maxsize=1)
def default_network():
    """Return the network of `pnnlib.pretrained`, which knows the digits 0 to 4, with pictures that it has never seen.

    Shapes: → the network, x (10, 1, 12, 12), y (10,).
    PyTorch: `bridge.to_torch` of the network.

    >>> model, x, y = default_network()
    >>> x.shape, y
    ((10, 1, 12, 12), array([0, 1, 2, 3, 4, 0, 1, 2, 3, 4]))
    """
    few = few_digits()
    x, y = pretrained.only(few.x_test[:20], few.y_test[:20], pretrained.CLASSES)
    return pretrained.model().astype(np.float64), pretrained.anywhere(x, rng=0), y


def _as_maps(a):
    """An array of one sample, with up to three axes, as (channels, rows, columns)."""
    return a.reshape(a.shape[0], *(1,) * (3 - a.ndim), *a.shape[1:])


def take_network(model, x, y):
    """Return (model, x, y): a student's network as one of pnnlib, a copy, with pictures for it, and their classes.

    >>> from pnnlib.networks import mlp
    >>> model, x, y = take_network(mlp([64, 5, 10], rng=0), None, None)
    >>> x.shape, y[:3]
    ((10, 64), array([0, 1, 2]))
    """
    if isinstance(model, Module):
        model = copy.deepcopy(model)
    elif hasattr(model, "state_dict") and not isinstance(model, type):
        from pnnlib.bridge import from_torch

        model = from_torch(model)
    else:
        raise TypeError(f"explore_network: model must be a network of pnnlib or PyTorch, got {model!r}")
    if x is None:
        few = few_digits()
        x, y = few.x_test[:PICTURES], few.y_test[:PICTURES] if y is None else y
        try:
            outputs(model, x)
        except ValueError as error:
            x = x.reshape(len(x), -1)  # perhaps it takes rows of numbers
            try:
                outputs(model, x)
            except ValueError:
                error.add_note("explore_network tried ten digits of 8×8 pixels: give x= with pictures for this network")
                raise error from None
    x = np.asarray(x, float)
    if not 2 <= x.ndim <= 4 or len(x) == 0:
        raise ValueError(f"explore_network: x must be (N, C, H, W), (N, C, L) or (N, m), got {x.shape}")
    output = outputs(model, x)
    if output.ndim != 2:
        raise ValueError(f"explore_network: model must give (N, classes), where the error starts, got {output.shape}")
    y = output.argmax(axis=1) if y is None else np.asarray(y)
    if y.shape != (len(x),) or y.dtype.kind not in "iu" or y.min() < 0 or y.max() >= output.shape[1]:
        raise ValueError(
            f"explore_network: y must be ({len(x)},), classes from 0 to {output.shape[1] - 1}, got {y.shape} of {y.dtype}"
        )
    return model, x, y


class Network(Panel):
    """The panel of `explore_network`; its controls depend on the network, so they are made with it."""

    title = "A network from the inside: one number at a time"
    presets = [
        Preset(
            "Layer by layer",
            "Go through the layers from the first to the last. Where do the maps get smaller, and where do they get more?",
        ),
        Preset(
            "One number",
            "This number adds up one sum for each of the 8 maps below. Which map has the most say?",
            layer=4, channel=11, row=2, column=3,
        ),
        Preset(
            "What it sees",
            "This number looks at a part of the picture only. How large is it? Move it into a corner: what is missing?",
            layer=4, channel=11, row=3, column=3,
        ),
        Preset(
            "The way back",
            "Global max pooling, backward: how many of the 36 places of a map get any error at all?",
            layer=10, direction=BACKWARD, wanted="2", channel=3, row=2, column=2,
        ),
        Preset(
            "A dead end",
            "Backward through ReLU: where does the error end, and what was the number there on the way forward?",
            layer=2, direction=BACKWARD, wanted="2", channel=6, row=6, column=6,
        ),
    ]  # fmt: skip

    def __init__(self, model=None, x=None, y=None, question=None, **values):
        self._given = model is not None
        self._model, self._x, self._y = take_network(model, x, y) if self._given else default_network()
        self._rows = self._model.summary(self._x.shape[1:]).rows
        self._walks = {}
        titles = [f"{name} {type(layer).__name__}".strip() for name, layer, *_ in self._rows]
        self.controls = [
            Choice("layer", "Layer", titles),
            Choice("direction", "Way through the layer", [FORWARD, BACKWARD]),
            Choice("wanted", "Class that is wanted", [OWN, *map(str, range(self._classes()))],
                   shown=lambda s: s.direction == BACKWARD),
            Slider("picture", "Picture, number", 0, len(self._x) - 1, start=3 % len(self._x)),
            Slider("channel", "Channel", 0, lambda s: self._shape(s)[0] - 1, start=0,
                   shown=lambda s: self._shape(s)[0] > 1),
            Slider("row", "Row", 0, lambda s: self._shape(s)[1] - 1, start=5, shown=lambda s: self._shape(s)[1] > 1),
            Slider("column", "Column", 0, lambda s: self._shape(s)[2] - 1, start=5,
                   shown=lambda s: self._shape(s)[2] > 1),
        ]  # fmt: skip
        named = [Preset(p.name, p.question, **{**p.values, "layer": titles[p.values.get("layer", 0)]})
                 for p in self.presets] if not self._given else _presets_of(titles)  # fmt: skip
        self.presets = named
        super().__init__(question, **values)

    def close(self):
        self._model = self._x = self._y = self._rows = None
        self._walks = {}
        super().close()

    def look(self, s):
        stop, way = self._stop(s)
        backward = s.direction == BACKWARD
        shown = _as_maps(stop.dx if backward else stop.y)
        place = self._place(s, stop)
        made = made_of(stop, place, backward)
        plots = [self._picture(s, way, stop, place), _maps(s, shown, stop, backward)]
        if shown[0].size > 1:
            plots.append(_one_map(s, shown, backward))
        if made.kind == "sum" and len(made.sums) > 1:
            plots.append(_sums(s, made, backward))
        return Look(
            plots,
            caption=self._caption(s, way, stop, place, made),
            lines=_written(made, place, backward, stop.layer),
            table=self._table(s),
        )

    def lines(self, s):
        stop, _ = self._stop(s)
        backward = s.direction == BACKWARD
        place = ", ".join(map(str, (0, *self._place(s, stop))))
        if self._given:
            model, x = "your_network", "your_pictures"
            head = "import torch\nfrom pnnlib.bridge import to_torch\n\n"
            data = f"model = to_torch({model}).double().eval()  # or your module of PyTorch itself\n"
        else:
            x = "x"
            head = "import torch\nfrom pnnlib.bridge import to_torch\nfrom pnnlib.explore.network import default_network\n\n"
            data = "model, x, _ = default_network()\nmodel = to_torch(model).eval()\n"
        get = f"model.get_submodule({stop.name!r})"
        result = f"kept['dx'][{place}].item()" if backward else f"kept['y'][{place}].item()"
        return (
            f"{head}{data}x = torch.tensor({x}[[{s.picture}]], dtype=torch.float64, requires_grad=True)\nkept = {{}}\n"
            f"layer = {get}\nlayer.register_forward_hook(lambda layer, x, y: kept.update(y=y))\n"
            f"layer.register_full_backward_hook(lambda layer, dx, dy: kept.update(dx=dx[0]))\n"
            f"torch.nn.functional.cross_entropy(model(x), torch.tensor([{self._label(s)}])).backward()\nprint({result})"
        )

    # What is there to see.

    def _index(self, s):
        return self.controls[0].options.index(s.layer)

    def _classes(self):
        return self._rows[-1][2][1]

    def _label(self, s):
        return int(self._y[s.picture]) if s.wanted == OWN else int(s.wanted)

    def _stop(self, s):
        which = s.picture, self._label(s)
        if which not in self._walks:
            self._walks[which] = walk(self._model, self._x[[s.picture]], self._label(s))
        way = self._walks[which]
        return way.stops[self._rows[self._index(s)][0]], way

    def _shape(self, s):
        """The maps that can be looked at, as channels, rows, columns."""
        index = self._index(s)
        if s.direction == BACKWARD:
            stop, _ = self._stop(s)
            return _as_maps(stop.dx).shape
        return _as_maps(np.empty(self._rows[index][2][1:])).shape

    def _place(self, s, stop):
        """The chosen number in the layer's own array."""
        axes = (stop.dx if s.direction == BACKWARD else stop.y).ndim
        return (s.channel, s.row, s.column) if axes == 3 else (s.channel, s.column)[:axes]

    def _picture(self, s, way, stop, place):
        x = self._x[s.picture]
        picture = _as_maps(x)[0] if x.ndim > 1 else x[None]
        seen = sees(way, stop.name, place[1:], before=s.direction == BACKWARD)
        seen = np.broadcast_to(seen, picture.shape) if seen.ndim < 2 else seen
        if x.ndim == 1 and round(x.size**0.5) ** 2 == x.size:
            picture, seen = (a.reshape(round(x.size**0.5), -1) for a in (picture, seen))
        rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
        top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
        alt = (
            f"Picture {s.picture}, of class {self._y[s.picture]}, {picture.shape[0]} by {picture.shape[1]} pixels. The "
            f"chosen number depends on {int(seen.sum())} of them: rows {top} to {bottom - 1}, columns {left} to {right - 1}."
        )
        h, w = picture.shape
        plot = Plot(alt, x=(-0.5, w + 0.5), y=(h + 0.5, -0.5), axes=False, title=f"Picture {s.picture}: what it sees")
        plot = _square(plot, h + 1, w + 1)
        framed(plot, picture, 0, 0, limit=1.0)
        return _frame(plot, left, top, right, bottom)

    def _caption(self, s, way, stop, place, made):
        name = f"layer {s.layer}" if stop.name else f"the {s.layer}"
        what = f"dx[{_at(place)}]" if s.direction == BACKWARD else f"y[{_at(place)}]"
        shape = _in_brackets((stop.dx if s.direction == BACKWARD else stop.y).shape)
        said = f"In {name}, {what} is {_short(made.value)}, one of {shape} numbers"
        if s.direction == BACKWARD:
            return f"{said} that it hands back. The loss is {_short(way.loss)}: wanted is class {self._label(s)}."
        answer = int(way.stops[self._rows[-1][0]].y.argmax())
        return f"{said} that it gives. The network takes picture {s.picture} for class {answer}."

    def _table(self, s):
        chosen = self._index(s)
        rows = [("layer", "gives", "weights", "sees")]
        for i, (name, layer, shape, own, field) in enumerate(self._rows):
            title = "▸ " * (i == chosen) + f"{name} {type(layer).__name__}".strip()
            rows.append((title, _in_brackets(shape[1:]).replace(" ", ""), f"{own:,}", _field_in_words(field)))
        return rows


def _presets_of(titles):
    """The presets of a student's network: its first layer, its last, and its last on the way back."""
    return [
        Preset("First layer", "Where does the first layer answer to the picture, and why there?"),
        Preset("Last layer", "What does the largest number of the last layer owe to each number below it?", layer=titles[-1]),
        Preset(
            "The way back",
            "The error sets out at the last layer. Which numbers below should change most?",
            layer=titles[-1], direction=BACKWARD,
        ),
    ]  # fmt: skip


def _short(number):
    return f"{number + 0.0:.3g}"


def _at(place):
    return ", ".join(map(str, place))


def _in_brackets(shape):
    return " × ".join(map(str, shape))


def _square(plot, rows, columns):
    """Give a plot without axes limits in which a cell is a square, in the middle."""
    _, _, width, height = plot.box()
    scale = max(rows / height, columns / width)
    more_x, more_y = (scale * width - columns) / 2, (scale * height - rows) / 2
    plot.x.low, plot.x.high = plot.x.low - more_x, plot.x.high + more_x
    plot.y.low, plot.y.high = plot.y.low + more_y, plot.y.high - more_y
    return plot


def _frame(plot, left, top, right, bottom):
    """A frame that can be told from what lies under it, light or dark."""
    x, y = [left, right, right, left, left], [top, top, bottom, bottom, top]
    return plot.line(x, y, 1, width=3)


def _maps(s, shown, stop, backward):
    """All channels side by side; where each is one number, as bars."""
    channels, h, w = shown.shape
    what = "Error handed back" if backward else "Numbers given"
    limit = float(np.abs(shown).max()) or 1.0
    largest = np.unravel_index(int(np.abs(shown).argmax()), shown.shape)
    alt = (
        f"What the layer {stop.name} {type(stop.layer).__name__} {'hands back' if backward else 'gives'}: {channels} "
        f"channel{'s' * (channels > 1)} of {h} by {w}, {np.mean(shown == 0):.0%} of the numbers 0, the largest in size "
        f"{_short(float(shown[largest]))} in channel {largest[0]}. Chosen is channel {s.channel}."
    )
    if h * w == 1:
        values = shown[:, 0, 0]
        low, high = nice_limits([*values, 0.0])
        plot = Plot(alt, x=(-0.6, channels - 0.4), y=(low, high), title=f"{what}, by channel", x_label="channel",
                    moves=("channel", None))  # fmt: skip
        plot.area([s.channel - 0.5, s.channel + 0.5], low, high)
        return plot.bars(np.arange(channels), values, 0, hollow=values < 0).rule(y=0, style="solid", width=1)
    drawn = min(channels, MOST_MAPS)
    across = int(np.ceil((1.4 * drawn * h / w) ** 0.5)) if h > 1 else 1
    down = -(-drawn // across)
    wall = np.zeros((down * (h + 1) - 1, across * (w + 1) - 1))
    for n in range(drawn):
        r, c = divmod(n, across)
        wall[r * (h + 1) : r * (h + 1) + h, c * (w + 1) : c * (w + 1) + w] = shown[n]
    rows, columns = wall.shape
    title = f"{what}: {'all' if drawn == channels else f'{drawn} of'} {channels} maps, blue +"
    plot = Plot(alt, x=(-0.5, columns + 0.5), y=(rows + 0.5, -0.5), axes=False, title=title)
    plot = _square(plot, rows + 1, columns + 1)
    plot.image(wall, (0, columns, rows, 0), -limit, limit, signed=True)
    for n in range(drawn):
        r, c = divmod(n, across)
        x, y = c * (w + 1), r * (h + 1)
        if n == s.channel:
            _frame(plot, x - 0.3, y - 0.3, x + w + 0.3, y + h + 0.3)
    return plot


def _one_map(s, shown, backward):
    """The chosen channel, with its numbers where they can be read."""
    table = shown[s.channel]
    h, w = table.shape
    limit = float(np.abs(shown).max()) or 1.0
    alt = (
        f"Channel {s.channel}, {h} by {w}: from {_short(float(table.min()))} to {_short(float(table.max()))}, "
        f"{int((table != 0).sum())} of {table.size} are not 0. Chosen is row {s.row}, column {s.column}: "
        f"{_short(float(table[s.row, s.column]))}."
    )
    plot = Plot(alt, x=(-0.5, w - 0.5), y=(h - 0.5, -0.5), axes=False, title=f"Channel {s.channel} of them",
                moves=("column", "row"))  # fmt: skip
    plot = _square(plot, h, w)
    if table.size <= MOST_NUMBERS:
        marked = np.zeros(table.shape, bool)
        marked[s.row, s.column] = True
        texts = [[f"{v + 0.0:.2g}" for v in row] for row in table.tolist()]
        return plot.cells(table, texts, at=(-0.5, -0.5), marked=marked, limit=limit)
    plot.image(table, (-0.5, w - 0.5, h - 0.5, -0.5), -limit, limit, signed=True)
    return _frame(plot, s.column - 0.5, s.row - 0.5, s.column + 0.5, s.row + 0.5)


def _sums(s, made, backward):
    sums, n = made.sums, len(made.sums)
    most = int(np.abs(sums).argmax())
    below = "error above" if backward else "map below"
    alt = (
        f"What each of {n} {'channels above' if backward else 'channels below'} adds to the chosen number: the most, "
        f"{_short(float(sums[most]))}, comes from channel {most}; together {_short(float(sums.sum()))}."
    )
    low, high = nice_limits([*sums, 0.0], least=1e-9)
    plot = Plot(alt, x=(-0.6, n - 0.4), y=(low, high), title=f"What each {below} adds", x_label="channel")
    plot.bars(np.arange(n), sums, 2, hollow=sums < 0).rule(y=0, style="solid", width=1)
    return plot.points([most], [sums[most]], 1, "diamond", label="the most in size")


# The number in writing.


def _signed(number):
    text = _short(number)
    return f"({text})" if text.startswith("-") else text


def _sum_of(texts, values):
    """Terms as one sum; of many, the largest in size, and the rest in one number."""
    if len(values) <= MOST_TERMS:
        return " + ".join(texts)
    largest = np.sort(np.argsort(-np.abs(values), kind="stable")[: MOST_TERMS - 2])
    rest = float(values.sum() - values[largest].sum())
    return f"{' + '.join(texts[i] for i in largest)} + {_signed(rest)} (all {len(values) - len(largest)} others)"


PHI = {layers.ReLU: "max(0, {})", layers.Tanh: "tanh({})", layers.Sigmoid: "1 / (1 + exp(−{}))"}


def _written(made, place, backward, layer):
    """Equations that give the number, (left, right) each."""
    left, value = f"{'dx' if backward else 'y'}[{_at(place)}]", _short(made.value)
    if made.kind == "sum":
        return _written_sum(made, backward, isinstance(layer, (layers._Pool, layers._GlobalPool)), left, value)
    numbers = [_signed(n) for n in made.numbers]
    if made.kind in ("max", "mean"):
        numbers = [_short(n) for n in made.numbers] if made.kind == "max" else numbers
        shown = numbers if len(numbers) <= 16 else [*numbers[:12], "…"]
        if made.kind == "max":
            return [(left, f"the largest of {len(numbers)} numbers"), ("", f"max({', '.join(shown)})"), ("", value)]
        return [(left, f"the mean of {len(numbers)} numbers"), ("", f"({' + '.join(shown)}) / {len(numbers)}"), ("", value)]
    if made.kind == "norm":
        gamma, x, mean, spread, beta = numbers
        return [(left, "γ · (x − μ) / √(σ² + ε) + β"), ("", f"{gamma} · ({x} − {mean}) / √{spread} + {beta}"), ("", value)]
    if made.kind == "slope":
        return [(left, "dy · slope of this layer here"), ("", " · ".join(numbers)), ("", value)]
    if made.kind == "value":
        phi = PHI.get(type(layer), "φ({})")
        return [(left, f"{phi.format('x')}, with x at the same place"), ("", phi.format(_short(made.numbers[0]))), ("", value)]
    if made.kind == "copy":
        return [(left, f"{'dy' if backward else 'x'}[{_at(made.source)}]"), ("", value)]
    return [(left, value)]


def _written_sum(made, backward, pools, left, value):
    of = "dy" if backward else "x"
    names = [f"{_signed(a)}·{_signed(b)}" for a, b in zip(made.a.ravel().tolist(), made.b.ravel().tolist())]
    bias = f" + {_signed(made.bias)}" if made.bias else ""
    if not made.a.size:
        return [(left, "of no use: no window of the layer reaches it"), ("", value)]
    if made.a.shape[1] == 1 or len(made.a) == 1:  # every term is a channel of its own, or all are of one
        letters = f"Σ w · {of}" + " + b" * bool(bias)
        if backward and pools:
            letters = "Σ share · dy, over the windows that use it"
        return [(left, letters), ("", _sum_of(names, (made.a * made.b).ravel()) + bias), ("", value)]
    sums, most = made.sums, int(np.abs(made.sums).argmax())
    per_channel = _sum_of([_signed(v) for v in sums.tolist()], sums)
    terms = made.a.shape[1]
    products = _sum_of(names[most * terms : (most + 1) * terms], made.a[most] * made.b[most])
    return [
        (left, f"Σ over {len(sums)} channels" + " + b" * bool(bias)), ("", per_channel + bias), ("", value),
        (f"channel {most}", f"Σ w · {of} of {terms} weights"), ("", products), ("", _short(float(sums[most]))),
    ]  # fmt: skip


def explore_network(model=None, x=None, y=None, question=None, **settings):
    """Show a network layer by layer: real numbers of a picture, and how a chosen one came about (parts d and e).

    Without a model, the network of `pnnlib.pretrained`, which knows the digits 0 to 4. `model` is a network of
    pnnlib or PyTorch, `x` pictures for it, by default ten digits of 8×8 pixels, and `y` their classes, by default
    what the network takes them for. It is shown as it is in usage; it stays as it is.
    `settings` are those of `state()`: `explore_network(picture=2, channel=5)`.
    The panel has `state()`, `load(state)`, `set(**settings)`, `code()` and `close()`.

    Shapes: x (N, C, H, W), (N, C, L) or (N, m), y (N,) ints; model gives (N, classes).
    PyTorch: `code()` gives the lines.

    >>> panel = explore_network(layer="12 Linear", channel=3)
    >>> panel.caption
    'In layer 12 Linear, y[3] is 8.09, one of 5 numbers that it gives. The network takes picture 3 for class 3.'
    """
    return Network(model, x, y, question, **settings)
