"""The wide-or-deep explorable: units and layers of a ReLU network, its straight pieces, and its parameters.

`folds`, `random_network` and `fitted` make the networks, `straight_pieces` finds exactly where the graph of one has
its corners; `WideOrDeep` is the panel.
"""

import copy
from functools import lru_cache

import numpy as np

from pnnlib import init, layers
from pnnlib.explore.panel import Button, Choice, Look, Number, Panel, Plot, Preset, Slider
from pnnlib.explore.panel import beside, nice_limits, take_function
from pnnlib.explore.panel_plot import SUPERSCRIPT
from pnnlib.networks import mlp

MOST_PIECES = 1024  # what folds may make: more is a grey field
MOST_UNITS, MOST_EACH = 256, 16  # of one hidden layer, and of each of several
MOST_FITTED = 128
DRAWS = 10  # random networks beside the one that is shown
AT = np.linspace(0, 1, 513)  # where a curve is fitted
FOLDS, RANDOM, FITTED, YOURS = "folds", "random", "fitted to a curve", "your network"
RANGE = {FOLDS: (0.0, 1.0), RANDOM: (-3.0, 3.0), FITTED: (0.0, 1.0), YOURS: (-3.0, 3.0)}
PIECEWISE = (layers.ReLU, layers.LeakyReLU, layers.PReLU)  # straight but for a corner at net = 0


def folds(units, depth):
    """Return a network that folds the line from 0 to 1 into so many parts as a layer has units, in each layer anew.

    Width adds, depth multiplies (part a): unit i of a layer has its corner at i/n, and with n units a layer is

        fold(x) = n max(0, x) − 2n max(0, x − 1/n) + 2n max(0, x − 2/n) − …,

    a zigzag of n pieces between 0 and 1; after k layers it has nᵏ. With n = 2 these are the folds of the lecture.

    Shapes: units n and depth k ints → a `Sequential` [1, n, …, n, 1], without φ at the end.
    PyTorch: `bridge.to_torch` of the result.

    >>> folds(2, 3)(np.array([[0.0], [0.125], [0.25], [1.0]])).ravel()
    array([0., 1., 0., 0.])
    """
    model = mlp([1, *[units] * depth, 1], rng=0)
    corners = np.arange(units) / units
    zigzag = units * np.where(np.arange(units) == 0, 1.0, 2.0 * (-1.0) ** np.arange(units))
    first, *others, last = linear_layers(model)
    first.weight.data = np.ones((units, 1))
    for layer in others:
        layer.weight.data = np.tile(zigzag, (units, 1))
    for layer in (first, *others):
        layer.bias.data = -corners
    last.weight.data, last.bias.data = zigzag[None], np.zeros(1)
    return model


def random_network(units, depth, draw=0):
    """Return a network as before training: weights by Kaiming's method, biases from a normal distribution (σ = ½).

    With biases of 0, all units of the first layer would have their corner at 0.

    Shapes: ints → a `Sequential` [1, units, …, units, 1], without φ at the end.
    PyTorch: `torch.nn.init.kaiming_normal_` and `normal_(std=0.5)`, layer by layer.

    >>> parameters(random_network(8, 5, draw=0))
    313
    """
    rng = np.random.default_rng(draw)
    model = layers.initialise(mlp([1, *[units] * depth, 1], rng=0), init.kaiming_normal, rng)
    for layer in linear_layers(model):
        layer.bias.data = rng.normal(0, 0.5, layer.bias.data.shape)
    return model


def curve(x):
    """The curve that is fitted, that of the notebook.

    >>> curve(np.array([0.0, 0.25])).round(9)
    array([0. , 0.5])
    """
    return np.sin(2 * np.pi * x) + 0.5 * np.sin(6 * np.pi * x)


def fitted(units):
    """Return a network of one hidden layer with corners at 0, 1/n, 2/n, …, its output fitted to `curve`.

    Three layers approximate any continuous function (part a): the graph is a chain of straight pieces, and the
    weights of the output that bring it closest to the curve are found by least squares.

    Shapes: units n an int → a `Sequential` [1, n, 1], without φ at the end.
    PyTorch: `torch.linalg.lstsq` finds the weights.

    >>> bool(abs(fitted(16)(AT[:, None])[:, 0] - curve(AT)).max() < 0.07)
    True
    """
    model = mlp([1, units, 1], rng=0)
    first, last = linear_layers(model)
    first.weight.data, first.bias.data = np.ones((units, 1)), -np.arange(units) / units
    with_bias = np.hstack([model[:2](AT[:, None]), np.ones((AT.size, 1))])
    weights = np.linalg.lstsq(with_bias, curve(AT), rcond=None)[0]
    last.weight.data, last.bias.data = weights[None, :-1], weights[-1:]
    return model


def straight_pieces(model, low, high):
    """Return (x, y): the ends of the straight pieces that the graph of a network has between low and high.

    Found exactly, layer by layer: between two neighbouring corners everything is straight, so a unit's net input is 0
    at one place at most, and there its ReLU makes a new corner. Corners at which the slope stays the same are left out.

    Shapes: model from one number to one, of `Linear` and `ReLU` layers → x (P + 1,), y (P + 1,) for P pieces.
    PyTorch: no function.

    >>> x, y = straight_pieces(folds(2, 2), 0, 1)
    >>> x, y
    (array([0.  , 0.25, 0.5 , 0.75, 1.  ]), array([0., 1., 0., 1., 0.]))
    """
    x = np.array([low, high], float)
    y = x[:, None]
    for layer in _in_order(model):
        if isinstance(layer, PIECEWISE):
            x, y = _with_corners(x, y)
        y = layer(y)
    x, y = x[_apart(x)], y[_apart(x), 0]
    middle = (x[1:] + x[:-1]) / 2
    model(middle[:, None])
    slope = model.backward(np.ones((middle.size, 1)))[:, 0]
    turns = np.abs(np.diff(slope)) > 1e-9 * max(1.0, float(np.abs(slope).max()))
    kept = np.r_[True, turns, True]
    return x[kept], y[kept]


def _with_corners(x, net):
    """Add the places between neighbours where one of the net inputs (places, units) is 0."""
    before, after = net[:-1], net[1:]
    gap, unit = np.nonzero(before * after < 0)
    part = before[gap, unit] / (before[gap, unit] - after[gap, unit])
    new = before[gap] + part[:, None] * (after[gap] - before[gap])
    new[np.arange(gap.size), unit] = 0.0
    x, net = np.r_[x, x[gap] + part * (x[gap + 1] - x[gap])], np.r_[net, new]
    order = np.argsort(x, kind="stable")
    return x[order], net[order]


def _apart(x):
    """Which places (n,), in order, are not the one before once more, but for rounding; both ends always."""
    least = 1e-12 * (x[-1] - x[0])
    return np.r_[True, (np.diff(x)[:-1] > least) & (x[-1] - x[1:-1] > least), True]


def linear_layers(model):
    """List the fully connected layers of a network.

    >>> len(linear_layers(folds(2, 3)))
    4
    """
    return [layer for layer in model.modules() if isinstance(layer, layers.Linear)]


def parameters(model):
    """Count the weights and biases of a network.

    >>> parameters(folds(2, 8))
    49
    """
    return sum(p.data.size for p in model.parameters())


def _in_order(model):
    """The layers of a network, out of their `Sequential`s."""
    return [layer for layer in model.modules() if not isinstance(layer, layers.Sequential)]


def take_network(model):
    """Return a copy of a student's network, or say why its pieces cannot be counted."""
    if not isinstance(model, layers.Module):
        hint = ": make an instance of it, with brackets" if isinstance(model, type) else ": bridge.from_torch makes one"
        raise TypeError(f"explore_wide_or_deep: model must be a network of pnnlib's layers, got {model!r}{hint}")
    for layer in _in_order(model):
        if not isinstance(layer, (layers.Linear, layers.Identity, *PIECEWISE)):
            raise ValueError(
                f"explore_wide_or_deep: model must be of Linear and ReLU layers, got {layer!r}: "
                f"only these make straight pieces of a line"
            )
    ends = linear_layers(model)
    sizes = [ends[0].in_features, ends[-1].out_features] if ends else []
    if sizes != [1, 1]:
        raise ValueError(f"explore_wide_or_deep: model must go from 1 number to 1, got {sizes}: only this can be drawn")
    return copy.deepcopy(model).astype(np.float64).eval()


# The panel.


@lru_cache(maxsize=32)
def _made(weights, units, depth, draw):
    """A network, its parameters, and the ends of its pieces, for settings that are few."""
    make = {FOLDS: folds, RANDOM: random_network, FITTED: lambda units, _: fitted(units)}[weights]
    model = make(units, depth, draw) if weights == RANDOM else make(units, depth)
    return model, parameters(model), *straight_pieces(model, *RANGE[weights])


@lru_cache(maxsize=32)
def _pieces_of_others(units, depth):
    """The pieces of so many random networks of these sizes."""
    return tuple(len(straight_pieces(random_network(units, depth, draw), *RANGE[RANDOM])[0]) - 1 for draw in range(DRAWS))


@lru_cache(maxsize=MOST_FITTED)
def _error(units):
    return float(np.abs(fitted(units)(AT[:, None])[:, 0] - curve(AT)).max())


FEW = (2, 4, 8, 16, 32, 64, 128)  # the units of the fits that are drawn in any case


def _depth(s):
    return 1 if s.weights == FITTED else s.depth


def _most_units(s):
    if s.weights == FITTED:
        return MOST_FITTED
    if s.weights == RANDOM:
        return MOST_UNITS if s.depth == 1 else MOST_EACH
    return min(MOST_UNITS, int(MOST_PIECES ** (1 / s.depth) + 1e-9))


class WideOrDeep(Panel):
    """The panel of `explore_wide_or_deep`."""

    title = "Wide or deep: what a network makes of its parameters"
    controls = [
        Choice("weights", "Weights", [FOLDS, RANDOM, FITTED]),
        Slider("depth", "Hidden layers", 1, 10, start=1, shown=lambda s: s.weights in (FOLDS, RANDOM)),
        Slider("units", "Units in each of them", 1, _most_units, start=2, shown=lambda s: s.weights != YOURS),
        Number("draw", "Random draw", 0, 0, 1e6, whole=True, shown=lambda s: s.weights == RANDOM),
        Button("draw_again", "Draw again", shown=lambda s: s.weights == RANDOM),
    ]
    presets = [
        Preset(
            "Deep",
            "Three layers of two units make 8 straight pieces. How many layers does it take for 256, and how many "
            "parameters?",
            depth=3, units=2,
        ),
        Preset(
            "Wide",
            "One hidden layer of 8 units makes 8 pieces as well. How many units does it need for 64, and how many "
            "parameters?",
            depth=1, units=8,
        ),
        Preset(
            "Sixteen units",
            "Sixteen units can stand in 1, 2, 4 or 8 equal layers. Two of these networks have 49 parameters. How many "
            "pieces has each?",
            depth=2, units=8,
        ),
        Preset(
            "Random weights",
            "As before training, at random: do five layers of 8 units have 8⁵ = 32 768 pieces? Draw again.",
            weights=RANDOM, depth=5, units=8,
        ),
        Preset(
            "Any curve",
            "With 16 units the largest error is 0.06. How many units does it take for a tenth of it?",
            weights=FITTED, units=16,
        ),
    ]  # fmt: skip

    def __init__(self, function=None, model=None, question=None, **values):
        self._function = take_function("explore_wide_or_deep", "function", function)
        self._own = None
        if model is not None:
            model = take_network(model)
            self._own = model, parameters(model), *straight_pieces(model, *RANGE[YOURS])
            first, *others = self.controls
            self.controls = [Choice("weights", first.label, [*first.options, YOURS]), *others]
            values = {"weights": YOURS, **values}
        super().__init__(question, **values)

    def draw_again(self, s):
        return {"draw": s.draw + 1}

    def look(self, s):
        model, count, x, y = self._network(s)
        sizes = _sizes(model)
        second = _error_plot(s) if s.weights == FITTED else _pieces_plot(s, count, len(x) - 1)
        return Look(
            [_graph(s, sizes, x, y), second],
            caption=_caption(s, sizes, count, len(x) - 1),
            lines=_lines(s, sizes, count, len(x) - 1),
            notes=_notes(s, sizes, count, len(x) - 1),
            verdict=self._function and beside(self._function, (sizes,), count, ("layer_sizes",), ("parameters",)),
        )

    def lines(self, s):
        return _code(s, *RANGE[s.weights])

    def close(self):
        self._function = self._own = None
        super().close()

    def _network(self, s):
        if s.weights == YOURS:
            return self._own
        return _made(s.weights, s.units, _depth(s), s.draw if s.weights == RANDOM else 0)


def _sizes(model):
    """The layer sizes as the exercises write them, the input's first."""
    linear = linear_layers(model)
    return [linear[0].in_features, *(layer.out_features for layer in linear)]


def _in_words(sizes):
    """[1, 2, …, 2, 1] for a list of sizes, in full where it is short."""
    short = sizes if len(sizes) <= 6 else [*sizes[:2], "…", *sizes[-2:]]
    return f"[{', '.join(map(str, short))}]"


def _wide(count):
    """The units of one hidden layer with at most so many parameters, which has 3n + 1; its most pieces are n + 1."""
    return max((count - 1) // 3, 1)


def _graph(s, sizes, x, y):
    low, high = nice_limits(np.r_[y, [-1.5, 1.5] if s.weights == FITTED else []], least=0.5)
    pieces = len(x) - 1
    alt = (
        f"The graph of the network {_in_words(sizes)} over x from {x[0]:g} to {x[-1]:g}: "
        f"{_many(pieces, 'straight piece')}, y from {y.min():.3g} to {y.max():.3g}."
    )
    if s.weights == FITTED:
        alt += f" Behind it the curve that it is fitted to; it is at most {_error(s.units):.2g} away."
    plot = Plot(alt, x=(x[0], x[-1]), y=(low, high), title="What the network computes", x_label="x", height=235)
    if s.weights == FITTED:
        plot.line(AT[::2], curve(AT[::2]), "quiet", width=6, label="the curve")
    plot.line(x, y, 0, label="network" if s.weights == FITTED else None)
    if pieces <= 40:
        plot.points(x[1:-1], y[1:-1], 1, "circle", size=0.8, label="a corner" if pieces > 1 else None)
    return plot


def _pieces_plot(s, count, pieces):
    wide, deep = np.array([1, 3, 10, 30, 100, 300, 1000, 3000]), np.arange(1, 11)
    others = _pieces_of_others(s.units, s.depth) if s.weights == RANDOM else ()
    most = 30_000 if count > 3000 else 3000
    alt = (
        f"Straight pieces over parameters, both on logarithmic scales. This network has {_many(pieces, 'piece')} and "
        f"{_many(count, 'parameter')}. One hidden layer makes at most 7 pieces with 19 parameters and 21 with 61; two "
        f"units a layer, folded, make 8 and 1024."
    )
    if others:
        alt += f" {DRAWS} random networks of the same size have from {min(others)} to {max(others)}."
    plot = Plot(alt, x=(3, most), y=(1, 2000), x_log=True, y_log=True, title="Straight pieces, by parameters",
                x_label="parameters", height=235)  # fmt: skip
    plot.line(3 * wide + 1, wide + 1, 1, "dashed", label="one layer, at most")
    plot.line(6 * deep + 1, 2.0**deep, 2, "dotted", width=2.5, label="two units a layer")
    if others:
        plot.points([count] * DRAWS, others, "quiet", "cross", size=0.8, label="other draws")
    return plot.points([count], [pieces], 0, "diamond", size=1.6, label="this network")


def _error_plot(s):
    errors = [_error(n) for n in FEW]
    here = _error(s.units)
    plot = Plot(
        f"The largest error over the number of units, both on logarithmic scales: {here:.2g} with {s.units}. "
        f"It falls from {errors[0]:.2g} with {FEW[0]} units to {errors[-1]:.2g} with {FEW[-1]}.",
        x=(1, 200), y=(0.0005, 2), x_log=True, y_log=True, title="Largest error, by units", x_label="units", height=235,
        moves=("units", None),
    )  # fmt: skip
    plot.line(FEW, errors, 1, "dashed").points(FEW, errors, 1, "square", size=0.7, label="other networks")
    return plot.points([s.units], [here], 0, "diamond", size=1.6, label="this network")


def _many(number, what):
    return f"{number:,} {what}{'s' * (number != 1)}"


def _caption(s, sizes, count, pieces):
    hidden = len(sizes) - 2
    said = f"{_in_words(sizes)}: {_many(hidden, 'hidden layer')}, {_many(count, 'parameter')}, {_many(pieces, 'piece')}."
    if s.weights == FITTED:
        return f"{said} The largest error is {_error(s.units):.2g}."
    if s.weights == RANDOM:
        others = _pieces_of_others(s.units, s.depth)
        said += f" Of {DRAWS} random draws, the middle one has {_many(round(float(np.median(others))), 'piece')}."
    n = _wide(count)
    if hidden == 1:
        return f"{said} One hidden layer of {_many(n, 'unit')} has at most {_many(n + 1, 'piece')}, whatever its weights."
    return f"{said} One hidden layer with as many parameters has {_many(n, 'unit')}, so at most {_many(n + 1, 'piece')}."


def _lines(s, sizes, count, pieces):
    terms = [f"({m} + 1)·{n}" for m, n in zip(sizes, sizes[1:])]
    if len(terms) > 4:
        terms = [terms[0], f"{len(terms) - 2}·{terms[1]}", terms[-1]] if len(set(sizes[1:-1])) == 1 else [*terms[:3], "…"]
    lines = [("parameters", " + ".join(terms)), ("", f"{count:,}")]
    if s.weights == FOLDS:
        return [*lines, ("pieces", "units to the power of layers"), ("", f"{s.units}{str(s.depth).translate(SUPERSCRIPT)} = {s.units**s.depth:,}")]
    corners = f"{pieces - 1:,} corner{'s' * (pieces != 2)} in sight + 1"
    return [*lines, ("pieces", f"{corners}, of {_many(sum(sizes[1:-1]), 'hidden unit')}"), ("", f"{pieces:,}")]


def _notes(s, sizes, count, pieces):
    if s.weights == FOLDS and pieces > 256:
        return ["The pieces are too short to be seen one by one."]
    return []


def _code(s, low, high):
    head = "import numpy as np\nimport torch\n\n"
    tail = "parameters = sum(p.numel() for p in model.parameters())\n"
    # Between two corners the slope stays the same: autograd gives it at many places.
    places = 4 * s.units**s.depth if s.weights == FOLDS else 20_000
    count = (
        f"x = ({low} + {high - low} * (torch.arange({places}, dtype=torch.float64) + 0.5) / {places})[:, None]"
        f".requires_grad_()\n(slope,) = torch.autograd.grad(model(x).sum(), x)\n"
        f"pieces = 1 + int((slope.diff(dim=0).abs() > 1e-9 * slope.abs().max()).sum())\nprint(parameters, pieces)"
    )
    if s.weights == YOURS:
        return f"{head}from pnnlib.bridge import to_torch\n\nmodel = to_torch(your_network).double()\n{tail}{count}"
    sizes = [1, *[s.units] * _depth(s), 1]
    make = (
        f"sizes = {sizes}\nlayers = []\nfor m, n in zip(sizes, sizes[1:]):\n"
        f"    layers += [torch.nn.Linear(m, n, dtype=torch.float64), torch.nn.ReLU()]\n"
        f"model = torch.nn.Sequential(*layers[:-1])\nlinear = model[::2]\n"
    )
    if s.weights == FOLDS:
        weights = (
            f"n = {s.units}\nzigzag = n * torch.tensor([1.0] + [2.0 * (-1) ** i for i in range(1, n)])\n"
            f"with torch.no_grad():\n    for layer in linear[:-1]:\n"
            f"        layer.weight.copy_(zigzag if layer.in_features == n else torch.ones(1))\n"
            f"        layer.bias.copy_(-torch.arange(n, dtype=torch.float64) / n)\n"
            f"    linear[-1].weight.copy_(zigzag)\n    linear[-1].bias.zero_()\n"
        )
    elif s.weights == RANDOM:
        weights = (
            f"rng = np.random.default_rng({s.draw})  # the same draw as in the panel\nwith torch.no_grad():\n"
            f"    for layer in linear:\n        m = layer.in_features\n"
            f"        layer.weight.copy_(torch.tensor(rng.normal(0, np.sqrt(2 / m), layer.weight.shape)))\n"
            f"    for layer in linear:\n"
            f"        layer.bias.copy_(torch.tensor(rng.normal(0, 0.5, layer.bias.shape)))\n"
        )
    else:
        weights = (
            f"n, at = {s.units}, torch.linspace(0, 1, {AT.size}, dtype=torch.float64)\n"
            f"curve = torch.sin(2 * torch.pi * at) + 0.5 * torch.sin(6 * torch.pi * at)\nwith torch.no_grad():\n"
            f"    linear[0].weight.fill_(1)\n    linear[0].bias.copy_(-torch.arange(n) / n)\n"
            f"    hidden = torch.hstack([model[:2](at[:, None]), torch.ones({AT.size}, 1, dtype=torch.float64)])\n"
            f"    fitted = torch.linalg.lstsq(hidden, curve[:, None], driver='gelsd').solution[:, 0]\n"
            f"    linear[1].weight.copy_(fitted[:-1])\n    linear[1].bias.copy_(fitted[-1:])\n"
            f"    error = (model(at[:, None])[:, 0] - curve).abs().max()\n"
        )
        return head + make + weights + tail + count.replace("pieces)", "pieces, error)")
    return head + make + weights + tail + count


def explore_wide_or_deep(function=None, model=None, question=None, **settings):
    """Show units and layers of a ReLU network, the straight pieces of its function, and its parameters (part a).

    With `function(layer_sizes)`, the exercise `count_parameters`, says whether it gives the same number. With `model`,
    a network of `Linear` and `ReLU` layers from one number to one, draws this one too, from −3 to 3. `settings` are
    those of `state()`: `explore_wide_or_deep(depth=8)`.
    The panel has `state()`, `load(state)`, `set(**settings)`, `code()` and `close()`.

    Shapes: function gets a list of ints, the input layer's first, and returns an int.
    PyTorch: `code()` gives the lines.

    >>> panel = explore_wide_or_deep(depth=8)
    >>> panel.caption[:69]
    '[1, 2, …, 2, 1]: 8 hidden layers, 49 parameters, 256 pieces. One hidd'
    """
    return WideOrDeep(function, model, question, **settings)
