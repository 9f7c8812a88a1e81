"""The receptive field explorable: what one neuron sees of the input, through a stack of layers, along one axis.

`paths` and `layers_of` are the model, beside `pnnlib.windows.receptive_field`; `ReceptiveField` is the panel.
"""

from math import prod

import numpy as np

from pnnlib.explore.panel import Look, Panel, Plot, Preset, Slider, Switch, beside, nice_limits, take_function
from pnnlib.windows import receptive_field, taps

MOST = 6  # layers
FEW = 400  # so many connections can be drawn one by one, and so many pixels have a bar each
LIMITS = {"kernel": (1, 7), "stride": (1, 3), "dilation": (1, 27)}
OPTIONS = tuple(LIMITS)


def paths(layers):
    """Return, layer by layer, on how many ways each number reaches one neuron on top of the stack.

    Each layer is (kernel, stride, dilation), the first layer first (part d). From a number of layer m there are as many
    ways as from all the neurons that read it together: the gradient of the neuron, were all weights 1. A number that
    is never read has none, though it may lie within the receptive field.

    Shapes: n layers → n + 1 arrays of ints, the first for the input, (R,) with R the receptive field; the last is [1].
    PyTorch: the gradient that comes back through a stack of `conv1d` with weights 1.

    >>> paths([(3, 1, 1), (3, 1, 1)])[0], paths([(3, 1, 2)])[0]
    (array([1, 2, 3, 2, 1]), array([1, 0, 1, 0, 1]))
    """
    levels = [np.ones(1, int)]
    for kernel, stride, dilation in reversed(layers):
        above = levels[0]
        below = np.zeros((len(above) - 1) * stride + dilation * (kernel - 1) + 1, int)
        for _, tap in taps(below, (kernel,), (stride,), (dilation,)):
            tap += above
        levels.insert(0, below)
    return levels


def layers_of(model):
    """Return (kernel, stride, dilation) of a network's layers along columns, up to the one that sees all of the input.

    Layers that work pixel by pixel, such as ReLU, see no further and are left out. Residual and parallel layers have
    more than one way through them, and are refused.

    Shapes: a network of pnnlib or PyTorch, layers one after the other → a list of tuples of ints.
    PyTorch: any module that `pnnlib.bridge.from_torch` takes.

    >>> from pnnlib.networks import digits_cnn
    >>> layers_of(digits_cnn())
    [(3, 1, 1), (3, 1, 1), (2, 2, 1)]
    """
    from pnnlib.layers import Module, Parallel, Residual, Sequential

    if not isinstance(model, Module):
        if not hasattr(model, "state_dict"):
            raise TypeError(f"explore_receptive_field: model must be a network of pnnlib or PyTorch, got {model!r}")
        from pnnlib.bridge import from_torch

        model = from_torch(model)

    def in_order(module):
        if isinstance(module, (Residual, Parallel)):
            raise ValueError(
                f"explore_receptive_field: model must be layers one after the other, got a {type(module).__name__}: "
                f"there is more than one way through it"
            )
        if isinstance(module, Sequential):
            for _, child in module.named_children():
                yield from in_order(child)
        else:
            yield module

    found = []
    for module in in_order(model):
        try:
            windows = module.windows(2)
        except TypeError:  # options for one axis only
            windows = module.windows(1)
        if windows is None:
            break
        if windows[-1]:
            found.append(tuple(windows[-1]))
    return found


# The panel.


def _stack(s):
    return [tuple(getattr(s, f"{option}{n}") for option in OPTIONS) for n in range(1, s.depth + 1)]


def _settings(layers):
    """The settings that a list of layers stands for."""
    receptive_field(layers)  # says in the library's words what is no layer
    if not 1 <= len(layers) <= MOST:
        raise ValueError(f"explore_receptive_field: there must be 1 to {MOST} layers here, got {len(layers)}")
    named = {"depth": len(layers)}
    for n, layer in enumerate(layers, 1):
        named |= {f"{option}{n}": value for option, value in zip(OPTIONS, (*layer, 1, 1))}
    return named


class ReceptiveField(Panel):
    """The panel of `explore_receptive_field`."""

    title = "The receptive field of a stack of layers"
    controls = [
        Slider("depth", "Number of layers", 1, MOST, start=4),
        Slider("layer", "Layer to change", 1, lambda s: s.depth, start=1, shown=lambda s: s.depth > 1),
        *(
            Slider(
                f"{option}{n}", f"{option.capitalize()} of layer {n}", *LIMITS[option],
                start=3 if option == "kernel" else 1, shown=lambda s, n=n: s.layer == n,
            )
            for n in range(1, MOST + 1) for option in OPTIONS
        ),
        Switch("both", "Show the neuron beside it"),
    ]  # fmt: skip
    presets = [
        Preset(
            "A second layer",
            "A neuron with 3 weights sees 3 pixels. How many does one see on top of two such layers: 3, 5, 6 or 9?",
            depth=1,
        ),
        Preset(
            "A stride",
            "Give one of the four layers a stride of 2. In which of them does the field become largest?",
        ),
        Preset(
            "Dilations",
            "A dilation of 2 in each layer leaves holes. Which four dilations leave none, and reach furthest?",
            dilation1=2, dilation2=2, dilation3=2, dilation4=2,
        ),
        Preset(
            "Middle and rim",
            "Five plain layers see 11 pixels. Has the first of them as much of a say as the one in the middle?",
            depth=5,
        ),
        Preset(
            "Side by side",
            "Two neurons side by side have 11 pixels in common. Which strides leave them none?",
            depth=3, stride1=2, stride2=2, both=True,
        ),
    ]  # fmt: skip

    def __init__(self, function=None, layers=None, model=None, question=None, **values):
        self._function = take_function("explore_receptive_field", "function", function)
        if model is not None:
            layers = layers_of(model)
            if not layers:
                raise ValueError(
                    "explore_receptive_field: model must begin with convolutional or pooling layers, got none of them"
                )
        super().__init__(question, **({} if layers is None else _settings(layers)), **values)

    def look(self, s):
        layers = _stack(s)
        levels, field = paths(layers), receptive_field(layers)
        return Look(
            [_cone(s, layers, levels), _shares(s, layers, levels[0])],
            caption=_caption(s, layers, levels[0]),
            lines=_sum(layers, field),
            table=_table(s, layers),
            notes=_notes(s, layers, levels[0]),
            verdict=self._function and beside(self._function, (layers,), np.array(field), ("layers",), ("r",)),
        )

    def lines(self, s):
        layers, reach = _stack(s), receptive_field(_stack(s))
        return (
            f"import torch\n\nx = torch.zeros(1, 1, {reach}, dtype=torch.float64, requires_grad=True)\n"
            f"y = x\nfor kernel, stride, dilation in {layers}:\n"
            f"    ones = torch.ones(1, 1, kernel, dtype=torch.float64)\n"
            f"    y = torch.nn.functional.conv1d(y, ones, stride=stride, dilation=dilation)\n"
            f"paths = torch.autograd.grad(y[0, 0, 0], x)[0][0, 0]\n"
            f"print(len(paths), 'pixels,', int((paths > 0).sum()), 'of them looked at')"
        )

    def close(self):
        self._function = None
        super().close()


def _apart(layers):
    return prod(stride for _, stride, _ in layers)


def _many(number, word):
    return f"{number:,} {word}{'s' * (number != 1)}"


def _shared(layers, ways):
    """How many pixels a neuron and the one beside it both look at."""
    by = _apart(layers)
    return int((ways[by:] * ways[: len(ways) - by] > 0).sum()) if by < len(ways) else 0


def _cone(s, layers, levels):
    """The neuron on top, and all the numbers below that reach it, each in the middle of what it sees itself."""
    depth, reach = len(layers), len(levels[0])
    apart = [_apart(layers[:n]) for n in range(depth + 1)]
    middle = [(receptive_field(layers[:n]) - 1) / 2 for n in range(depth + 1)]
    seen = int((levels[0] > 0).sum())
    right = reach - 1 + (apart[-1] if s.both else 0)
    alt = (
        f"A neuron on top of {_many(depth, 'layer')} and what reaches it. From the top down it reaches "
        f"{', '.join(f'{len(level):,}' for level in levels[-2::-1])} numbers, the last of them pixels. "
        f"Of the {reach:,} pixels it looks at {seen:,}. Layer {s.layer} is chosen."
    )
    if s.both:
        alt += f" The neuron beside it reaches as many, from pixel {apart[-1]:,} on."
    room = 0.16 * (right + 2)
    plot = Plot(
        alt, x=(-1 - room, right + 1), y=(0.05, depth + 0.9), axes=False, height=190 + 22 * depth,
        title="What reaches a neuron", moves=(None, "layer"),
    )  # fmt: skip
    connections = sum(int((level > 0).sum()) * kernel for level, (kernel, _, _) in zip(levels[1:], layers))
    looks = [(0, 0, "solid", "a neuron")] + [(1, 1, "dashed", "the one beside it")] * s.both
    for which, color, style, label in reversed(looks):
        # Where the numbers of each level that reach this neuron lie.
        first = [which * _apart(layers[n:]) for n in range(depth + 1)]
        at = [(first[n] + np.arange(len(level))) * apart[n] + middle[n] for n, level in enumerate(levels)]
        for n, (kernel, stride, dilation) in enumerate(layers):
            width = 2.5 if n + 1 == s.layer and depth > 1 else 1
            if connections <= FEW:
                upper = np.flatnonzero(levels[n + 1])
                lower = upper[:, None] * stride + dilation * np.arange(kernel)
                x = np.full((upper.size, kernel, 3), np.nan)
                x[..., 0], x[..., 1] = at[n + 1][upper, None], at[n][lower]
                y = np.broadcast_to([n + 1.5, n + 0.5, np.nan], x.shape)
                plot.line(x, y, color, style, label, width)
            else:
                for end in (0, -1):
                    plot.line([at[n + 1][end], at[n][end]], [n + 1.5, n + 0.5], color, style, label, width)
        if connections <= FEW:
            size = min(1.0, 40 / (right + 1))
            for n, level in enumerate(levels):
                there = at[n][level > 0]
                # The pixels of the neuron beside it lie a little below, so that both can be told.
                marker, y = ("circle", n + 0.5) if n else (("square", 0.5), ("triangle", 0.25))[which]
                plot.points(there, np.full(there.size, y), color, marker, size=size)
            if which == 0 and seen < reach and not s.both:
                holes = at[0][levels[0] == 0]
                plot.points(holes, np.full(holes.size, 0.5), "quiet", "cross", size=0.7 * size, label="not looked at")
        else:
            for n in range(depth + 1):
                plot.line(at[n][[0, -1]], [n + 0.5] * 2, color, style, width=3)
    for n in range(depth + 1):
        plot.text(-1 - room, n + 0.5, f"layer {n}" if n else "input", "quiet", anchor="start", size=11)
    return plot


def _shares(s, layers, ways):
    """The share of all paths that each pixel has."""
    share, by = ways / ways.sum(dtype=float), _apart(layers)
    reach, middle = len(ways), len(ways) // 2
    alt = (
        f"The share that each of {_many(reach, 'pixel')} has in the neuron, counted in paths: "
        f"{_percent(share[0])} for the first, {_percent(share[middle])} for the middle one, "
        f"{_percent(share.max())} at most."
    )
    if reach > FEW:  # pixels in groups, each as large as the last may be
        group = -(-reach // FEW)
        share = np.pad(share, (0, -reach % group)).reshape(-1, group).mean(axis=1)
        place = (np.arange(share.size) + 0.5) * group - 0.5
    else:
        place = np.arange(reach)
    _, high = nice_limits([0.0, 100 * share.max()])
    right = reach + by * s.both
    plot = Plot(
        alt, x=(-0.01 * right - 0.5, 1.01 * right - 0.5), y=(0, high), title="Share of all paths, in per cent",
        x_label="pixel",
    )  # fmt: skip
    plot.bars(place, 100 * share, 0, width=0.8 * (place[1] - place[0]) if reach > 1 else 0.8)
    if s.both:
        plot.points(place + by, 100 * share, 1, "triangle", size=min(1.0, 40 / right), label="the neuron beside it")
    return plot


def _percent(share):
    if 0 < share < 0.0001:
        return "less than 0.01%"
    return f"{share:.2%}" if 0 < share < 0.01 else f"{share:.0%}"


def _caption(s, layers, ways):
    seen, reach = int((ways > 0).sum()), len(ways)
    weights = sum(kernel for kernel, _, _ in layers)
    looks = "and looks at all of them" if seen == reach else f"and looks at {seen:,} of them"
    text = f"One neuron on top of {_many(len(layers), 'layer')} with {weights} weights "
    text += f"reaches {_many(reach, 'pixel')} {looks}."
    if s.both:
        both = _shared(layers, ways)
        return f"{text} The one beside it lies {_many(_apart(layers), 'pixel')} further; both look at {both:,} pixels."
    share = ways / ways.sum(dtype=float)
    return f"{text} The first has {_percent(share[0])} of the paths, the middle one {_percent(share[reach // 2])}."


def _sum(layers, field):
    terms = [
        "·".join(map(str, [dilation, kernel - 1, *([_apart(layers[:n])] if n else [])]))
        for n, (kernel, _, dilation) in enumerate(layers)
    ]
    return [("r", "1 + Σ d (k − 1) · (all strides before)"), ("", f"1 + {' + '.join(terms)} = {field}")]


def _table(s, layers):
    rows = [["layer", "k", "s", "d", "grows", "r", "apart"], ["input", "", "", "", "", 1, 1]]
    for n, (kernel, stride, dilation) in enumerate(layers, 1):
        grows = dilation * (kernel - 1) * _apart(layers[: n - 1])
        name = f"▸{n}" if n == s.layer and len(layers) > 1 else str(n)
        rows.append([name, kernel, stride, dilation, grows, receptive_field(layers[:n]), _apart(layers[:n])])
    return rows


def _notes(s, layers, ways):
    notes, missed = [], int((ways == 0).sum())
    if missed:
        notes.append(f"{missed:,} of the {len(ways):,} pixels are never looked at: they lie between the weights.")
    elif len(layers) > 1 and ways.max() == 1:
        notes.append("One path to each pixel: with these weights no stack reaches further and leaves no holes.")
    if layers[-1][1] > 1:
        notes.append("The stride of the last layer moves its neurons apart; it makes none of them see more.")
    return notes


def explore_receptive_field(function=None, layers=None, model=None, question=None, **settings):
    """Show what one neuron sees of the input through a stack of layers, along one axis (part d).

    It starts with `layers`, a list of (kernel, stride, dilation), or with those of a network, `model`. With
    `function(layers)`, the exercise `receptive_field`, says whether it gives the same size. `settings` are those of
    `state()`: `explore_receptive_field(depth=2, stride1=2)`.
    The panel has `state()`, `load(state)`, `set(**settings)`, `code()` and `close()`.

    Shapes: function gets a list of tuples of ints, and returns an int.
    PyTorch: `code()` gives the lines.

    >>> panel = explore_receptive_field(layers=[(3, 2), (3, 1, 2)])
    >>> panel.picture["lines"][1][1]
    '1 + 1·2 + 2·2·2 = 11'
    """
    return ReceptiveField(function, layers, model, question, **settings)
