"""A network as a picture, both ways that part e shows: stacks of feature maps, or rotated cuboids.

    draw(model, (1, 28, 28))                     # feature maps, every layer named
    draw(model, (1, 28, 28), style="cuboids")    # height, width and channels as the sides of a box

First the model becomes a `Chain` of `Stage`s (an array that a layer puts out) and
`Fork`s (`Parallel`, `Residual`), with the shapes from `Module.summary`. Then
these are measured and placed, in inches, and at last painted.
"""

import textwrap
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from pnnlib import layers
from pnnlib.explore.figure import show_figure

STYLES = ("maps", "cuboids")


def draw(model, input_shape, style="maps", caption=""):
    """Show a network as a picture, and return its `FigureView`; the picture is described in words, too.

    `input_shape` is that of one input, without N, as for `summary`. Style "maps"
    draws what each layer puts out as a stack of feature maps, and names every layer.
    "cuboids" draws it as a box: height upwards, channels to the right, width into
    the picture. In it is a smaller box, the mask of the next layer; pooling is
    not drawn. Fully connected layers are columns of units. Large numbers of
    maps and units are cut short: the numbers beside them are the true ones.

    >>> from pnnlib.networks import mlp
    >>> draw(mlp([4, 3, 2]), (4,)).alt
    'A network as stacks of feature maps, from left to right. input: 4 units. fc, ReLU: 3 units. fc: 2 units.'
    """
    return show_figure(*picture(model, input_shape, style), caption=caption)


def picture(model, input_shape, style="maps"):
    """Return (figure, alt): the same picture as a matplotlib figure, and what it shows in words."""
    if style not in STYLES:
        raise ValueError(f"draw: style must be one of {', '.join(map(repr, STYLES))}, got {style!r}")
    if not isinstance(model, layers.Module):
        hint = ": make an instance of it, with brackets" if isinstance(model, type) else ""
        raise TypeError(f"draw: model must be a network of pnnlib's layers, got {type(model).__name__}{hint}")
    chain = _chain_of(model, input_shape, hide=(*_POOLING, layers.Flatten) if style == "cuboids" else ())
    word = "step" if any(isinstance(module, layers.RNN) for module in model.modules()) else "map"
    kind = "stacks of feature maps" if style == "maps" else "rotated cuboids"
    alt = f"A network as {kind}, from left to right. {_in_words(chain, word)}"
    return (_Maps if style == "maps" else _Cuboids)(chain, word).figure(), alt


# The network as stages and forks


@dataclass(eq=False)
class Stage:
    """What is put out at one place: its shape without N, and the names of the layers that made it.

    shape     None where there is nothing to draw but the names
    kind      "input", "conv", "pool", "units" or "other", for the colour
    window    mask or pooling region, as a share of the input along each axis, or None; `mask` is its size in words
    hidden    names of layers after it that are not drawn
    """

    shape: tuple
    names: list
    kind: str = "other"
    window: tuple = None
    mask: str = ""
    hidden: list = field(default_factory=list)


@dataclass(eq=False)
class Fork:
    """Chains side by side, and how they come together: "add" or "concatenate"; a chain of nothing is a by-pass."""

    branches: list
    join: str
    names: list = field(default_factory=list)
    hidden: list = field(default_factory=list)


_POOLING = (layers._Pool, layers._GlobalPool, layers._CrossChannelPool)


def _chain_of(model, input_shape, hide):
    """The stages of a whole model. Layers of the classes in `hide` get none."""
    summary = model.summary(input_shape)  # refuses, in its own words, what does not fit
    shapes = {id(module): shape[1:] for _, module, shape, *_ in summary.rows}
    chain = [Stage(summary.input_shape, ["input"], "input")]
    shape = _extend(chain, model, summary.input_shape, shapes, hide)
    if chain[-1].hidden and isinstance(chain[-1], Stage) and chain[-1].shape != shape:
        chain.append(Stage(shape, ["output"], "units" if len(shape) == 1 else "other"))
    return chain


def _extend(chain, module, before, shapes, hide):
    """Append the stages of a layer that takes an array of shape `before`; return the shape after it."""
    if isinstance(module, layers.Sequential):
        for layer in module:
            before = _extend(chain, layer, before, shapes, hide)
        return before
    after = shapes[id(module)]
    if isinstance(module, (layers.Parallel, layers.Residual)):
        branches = [_branch(part, before, shapes, hide) for _, part in module.named_children()]
        if isinstance(module, layers.Residual):
            chain.append(Fork(branches if module.shortcut is not None else [*branches, []], "add"))
        else:
            chain += [Fork(branches, "concatenate"), Stage(after, ["concatenated"])]
        return after
    name, kind, window, mask = _describe(module, before)
    axes = max(0, len(before) - 1)
    if isinstance(module, hide):
        if chain:
            chain[-1].hidden.append(name)
    elif before == after and module.windows(axes) == [()] * axes:  # pixel by pixel: no picture of its own
        if chain:
            chain[-1].names.append(name)
        else:
            chain.append(Stage(None, [name]))
    else:
        only_names = chain and isinstance(chain[-1], Stage) and chain[-1].shape is None
        first = chain.pop().names if only_names else []  # such as a norm before a convolution
        chain.append(Stage(after, [*first, name], kind, window, mask))
    return after


def _branch(module, before, shapes, hide):
    chain = []
    _extend(chain, module, before, shapes, hide)
    hidden = [layer for layer in module.modules() if isinstance(layer, hide)]
    return chain or [Stage(None, [_describe(layer, before)[0]]) for layer in hidden]  # something to see in every branch


def _describe(module, before):
    """(name, kind, window as shares of the input, mask in words) of a layer."""
    title = _NAMES.get(type(module).__name__, type(module).__name__)
    if isinstance(module, (layers._Convolution, layers._Pool)):
        sizes = layers.per_axis("draw", "kernel_size", module.kernel_size, module.axes, least=1)
        dilation = layers.per_axis("draw", "dilation", getattr(module, "dilation", 1), module.axes, least=1)
        strides = layers.per_axis("draw", "stride", module.stride, module.axes, least=1)
        spans = [(k - 1) * d + 1 for k, d in zip(sizes, dilation)]
        mask = _times(sizes)
        name = f"{title} {mask}"
        usual = sizes if isinstance(module, layers._Pool) else (1,) * module.axes
        if strides != usual:
            name += f", stride {_times(strides if len(set(strides)) > 1 else strides[:1])}"
        if set(dilation) != {1}:
            name += f", dilation {_times(dilation if len(set(dilation)) > 1 else dilation[:1])}"
        window = tuple(min(1.0, k / n) for k, n in zip(spans, before[1:]))
        return name, "conv" if isinstance(module, layers._Convolution) else "pool", window, mask
    if isinstance(module, layers._GlobalPool):
        return title, "pool", (1.0,) * module.axes, ""
    if isinstance(module, layers._CrossChannelPool):
        return f"{title}, groups of {module.group}", "pool", None, ""
    if isinstance(module, layers.Dropout):
        return f"dropout {module.p:g}", "other", None, ""
    return title, "units" if isinstance(module, layers.Linear) else "other", None, ""


_NAMES = {
    "Linear": "fc", "Conv1d": "conv", "Conv2d": "conv", "MaxPool1d": "max pooling", "MaxPool2d": "max pooling",
    "AvgPool1d": "average pooling", "AvgPool2d": "average pooling", "AdaptiveMaxPool1d": "global max pooling",
    "AdaptiveMaxPool2d": "global max pooling", "AdaptiveAvgPool1d": "global average pooling",
    "AdaptiveAvgPool2d": "global average pooling", "CrossChannelMaxPool": "cross-channel max pooling",
    "CrossChannelAvgPool": "cross-channel average pooling", "BatchNorm1d": "batch norm", "BatchNorm2d": "batch norm",
    "Flatten": "flatten", "Identity": "identity", "LastStep": "last step", "Softmax": "softmax", "Tanh": "tanh",
    "Sigmoid": "sigmoid",
}


# In words


def _in_words(chain, word):
    return " ".join(_node_in_words(node, word) for node in chain)


def _node_in_words(node, word):
    hidden = f", then {' and '.join(node.hidden)}, not drawn" if node.hidden else ""
    if isinstance(node, Fork):
        ways = [_in_words(branch, word)[:-1].replace(". ", "; ") for branch in node.branches]
        ways = [way or "a line past the others" for way in ways]
        numbered = "; ".join(f"({i}) {way}" for i, way in enumerate(ways, 1))
        added = f" Then they are {', '.join(['added up', *node.names])}{hidden}." if node.join == "add" else ""
        return f"Side by side: {numbered}.{added}"
    what = ", ".join(node.names)
    return f"{what}: {_shape_in_words(node.shape, word)}{hidden}." if node.shape is not None else f"{what}{hidden}."


def _shape_in_words(shape, word):
    return " of ".join(_shape_lines(shape, word))


def _shape_lines(shape, word):
    """A shape as the lines that stand above its picture: how many, and how large each is."""
    if len(shape) == 1:
        return [_many(shape[0], "unit")]
    if len(shape) == 2:
        return [_many(shape[0], word), _many(shape[1], "number" if word == "step" else "pixel")]
    if len(shape) == 3:
        return [_many(shape[0], "map"), _times(shape[1:])]
    return [_times(shape)]


def _many(number, word):
    return f"{number:,} {word}{'s' * (number != 1)}"


def _times(sizes):
    return "×".join(map(str, sizes))


# Measuring, placing and painting, in inches; the network runs along a line from left to right

PAGE, TALL = 9.4, 7.5  # no larger, where it can be helped: then text has the size of the notebook's
SCALES = (1.0, 0.85, 0.7, 0.55, 0.45)  # of what is drawn; text stays as large as it is
GAP, MARGIN, LINE = 0.34, 0.15, 0.16
RADIUS = 0.1  # of the circle in which branches come together
TEXT, SMALL = 8.5, 7.5  # points
INK, MASK = "#333333", "#e4574c"
COLOURS = {"input": "#d9d9d9", "conv": "#a6cbe8", "pool": "#f6cf9b", "units": "#b5dcb0", "other": "#dcd3ea"}


@dataclass(eq=False)
class _Block:
    """A node and its place: its middle (x, y), half its body's width, and the room that it takes."""

    node: object
    width: float
    up: float
    down: float
    half: float = 0.0
    rows: list = field(default_factory=list)  # of a fork: the blocks of each branch,
    offsets: list = field(default_factory=list)  # how far each lies above the middle,
    join: float = 0.0  # and how far to the right the branches come together
    x: float = 0.0
    y: float = 0.0

    @property
    def is_array(self):
        return isinstance(self.node, Stage) and self.node.shape is not None

    @property
    def left(self):
        return self.x - (self.width / 2 if isinstance(self.node, Fork) else self.half)

    @property
    def right(self):
        return self.x + (self.join + RADIUS if isinstance(self.node, Fork) else self.half)


class _Painter:
    """What both styles share: stages one after the other, forks, columns of units, text and lines."""

    def __init__(self, chain, word):
        self.chain, self.word = chain, word
        shapes = [stage.shape for stage in _stages(chain) if stage.shape is not None and len(stage.shape) in (2, 3)]
        self.longest = max((max(shape[1:]) for shape in shapes), default=1)
        self.deepest = max((shape[0] for shape in shapes), default=1)

    def figure(self):
        from matplotlib.figure import Figure

        rows, width, height = self.fitted()
        figure = Figure(figsize=(width, height))
        self.axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(0, height))
        self.axes.set_axis_off()
        y, previous = height - MARGIN, None
        for row in rows:
            self.place(row, MARGIN, y - _up(row))
            if previous is not None:
                self.carry_over(previous, row[0], (MARGIN / 3, width - MARGIN / 2), y + MARGIN)
            previous = self.paint_row(row)
            y -= _up(row) + _down(row) + 2 * MARGIN
        return figure

    # Measuring

    def fitted(self):
        """The blocks in rows, as few as can be, at the largest scale that does it; width and height of the figure."""
        tried = []
        for self.scale in SCALES:
            rows = _wrapped([self.block(node) for node in self.chain])
            width = MARGIN + max(map(_row_width, rows)) + GAP + MARGIN
            height = sum(_up(row) + _down(row) + 2 * MARGIN for row in rows)
            tried.append((self.scale, rows, width, height))
        fewest = len(tried[-1][1])
        fits = [t for t in tried if len(t[1]) == fewest and t[2] <= PAGE + GAP + 2 * MARGIN and t[3] <= TALL]
        self.scale, rows, width, height = (fits or tried[-1:])[0]
        return rows, width, height

    def block(self, node):
        if isinstance(node, Fork):
            return self.fork_block(node)
        half, height = self.body(node.shape)
        over, under = self.over(node.shape), _lines(node.names)
        width = max(2 * half, *(_text_width(line) for line in over), *(_text_width(*line) for line in under))
        if node.shape is None:
            half = width / 2 + 0.05
        return _Block(node, width, height / 2 + LINE * len(over) + 0.06, height / 2 + LINE * len(under) + 0.08, half)

    def fork_block(self, fork):
        rows = [[self.block(node) for node in branch] for branch in fork.branches]
        inner = max(_row_width(row) for row in rows)
        text = max((_text_width(line) for line, _ in _lines(fork.names)), default=0)
        width = GAP + inner + GAP + 2 * RADIUS + max(0, text - GAP)
        block = _Block(fork, width, 0, 0, rows=rows)
        block.join = GAP + inner + GAP + RADIUS - width / 2
        ups, downs = list(map(_up, rows)), list(map(_down, rows))
        if not fork.branches[-1]:  # the by-pass leads over the body
            block.offsets = [0.0, ups[0] + LINE]
            block.up, block.down = block.offsets[1] + 0.1, downs[0]
        else:
            total = sum(ups) + sum(downs) + LINE * (len(rows) - 1)
            top = block.up = block.down = total / 2
            for up, down in zip(ups, downs):
                block.offsets.append(top - up)
                top -= up + down + LINE
        block.down = max(block.down, RADIUS + LINE * len(_lines(fork.names)))
        return block

    def side(self, pixels, longest=1.15):
        """How long so many pixels are drawn: by the root, or small maps would vanish beside large ones."""
        return self.scale * max(0.14, longest * (pixels / self.longest) ** 0.5)

    def place(self, row, x, y):
        for block in row:
            block.x, block.y = x + block.width / 2, y
            if isinstance(block.node, Fork):
                room = block.join + block.width / 2 - 2 * GAP - RADIUS
                for inner, offset in zip(block.rows, block.offsets):
                    self.place(inner, x + GAP + (room - _row_width(inner)) / 2, y + offset)
            x += block.width + GAP

    # Painting

    def paint_row(self, row, previous=None):
        """Paint blocks and what leads from each to the next; return the last."""
        for block in row:
            if previous is not None:
                self.link(previous, block)
            if isinstance(block.node, Fork):
                self.paint_fork(block, previous)
            else:
                self.paint_stage(block)
            previous = block
        return previous

    def paint_stage(self, block):
        node, (_, height) = block.node, self.body(block.node.shape)
        if node.shape is not None:
            (self.paint_units if len(node.shape) == 1 else self.paint_body)(block)
        for i, line in enumerate(reversed(self.over(node.shape))):
            self.text(block.x, block.y + height / 2 + 0.1 + LINE * i, line)
        under = height / 2 + 0.13 if node.shape is not None else 0
        for i, (line, bold) in enumerate(_lines(node.names)):
            self.text(block.x, block.y - under - LINE * i, line, weight="bold" if bold else "normal")

    def paint_fork(self, block, previous):
        join, seen = block.x + block.join, set()
        for row, offset in zip(block.rows, block.offsets):
            y, straight = block.y + offset, abs(offset) < 1e-9
            end = (join - RADIUS, y) if straight else (join, block.y + (RADIUS if offset > 0 else -RADIUS))
            start, corner = (block.left, y), [] if straight else [(join, y)]
            if not straight:
                self.line([(block.left, block.y), start])
            if row:
                self.arrow(start, (row[0].left, y))
                if previous is not None and previous.is_array and row[0].is_array:
                    key = (row[0].node.mask, row[0].node.kind)
                    if straight or key not in seen:
                        self.window(previous, row[0], lines=straight)
                    seen.add(key)
                start = (self.paint_row(row).right, y)
            path = [start, *corner, end]
            self.line(path[:-1])
            self.arrow(path[-2], end)
        self.circle(join, block.y, RADIUS, "white")
        self.text(join, block.y, "+" if block.node.join == "add" else "‖", size=11)
        for i, (line, _) in enumerate(_lines(block.node.names)):
            self.text(join + RADIUS, block.y - RADIUS - 0.04 - LINE * i, line, ha="left")

    def link(self, source, target):
        """What leads from one block to the next: an arrow, the window on its way, or every unit to every unit."""
        if source.is_array and target.is_array and len(source.node.shape) == len(target.node.shape) == 1:
            for y in self.units(source):
                for z in self.units(target):
                    self.line([(source.right, y), (target.left, z)], 0.35, "#999999")
            return
        start, end = (source.right, source.y), (target.left, target.y)
        if isinstance(target.node, Fork):
            self.line([start, end])
        else:
            self.arrow(start, end)
        if source.is_array and target.is_array:
            self.window(source, target)

    def carry_over(self, source, target, edges, between):
        """From the end of one row, between the two, to the beginning of the next."""
        left, right = edges
        self.line([(source.right, source.y), (right, source.y), (right, between), (left, between), (left, target.y)])
        self.arrow((left, target.y), (target.left, target.y))

    # Columns of units

    UNITS, APART, UNIT = 8, 0.15, 0.055

    def units(self, block):
        """The heights of the units that are drawn; where there are more of them, a gap stands for the rest."""
        n, many = block.node.shape[0], min(block.node.shape[0], self.UNITS)
        places = range(n) if n <= self.UNITS else [i for i in range(many) if i != many // 2]
        return [block.y + self.APART * ((many - 1) / 2 - i) for i in places]

    def paint_units(self, block):
        for y in self.units(block):
            self.circle(block.x, y, self.UNIT, COLOURS[block.node.kind])
        if block.node.shape[0] > self.UNITS:
            for step in (-0.035, 0, 0.035):
                self.circle(block.x, block.y - self.APART / 2 + step, 0.008, INK)

    # What is on the paper

    def text(self, x, y, text, size=TEXT, ha="center", **options):
        from matplotlib.patheffects import withStroke

        readable = [withStroke(linewidth=2, foreground="white")]  # where lines pass
        self.axes.text(x, y, text, size=size, ha=ha, va="center", color=INK, zorder=5, path_effects=readable, **options)

    def line(self, points, width=0.9, colour=INK, style="-", order=1):
        self.axes.plot(*zip(*points), color=colour, linewidth=width, linestyle=style, zorder=order)

    def arrow(self, start, end):
        head = "-|>,head_width=0.14,head_length=0.28"
        look = {"arrowstyle": head, "color": INK, "linewidth": 0.9, "shrinkA": 0, "shrinkB": 0}
        self.axes.annotate("", end, start, arrowprops=look, zorder=1)

    def circle(self, x, y, radius, colour):
        from matplotlib.patches import Circle

        self.axes.add_patch(Circle((x, y), radius, facecolor=colour, edgecolor=INK, linewidth=0.8, zorder=4))

    def polygon(self, points, colour, order, style="-", alpha=1.0):
        from matplotlib.patches import Polygon

        look = {"edgecolor": INK, "linewidth": 0.8, "linestyle": style, "alpha": alpha, "zorder": order}
        self.axes.add_patch(Polygon(points, facecolor=colour, **look))


class _Maps(_Painter):
    """Stacks of feature maps; of more than six, six are drawn."""

    SHEETS = 6

    def over(self, shape):
        return [] if shape is None else _shape_lines(shape, self.word)

    def body(self, shape):
        """Half the width, and the height, of what is drawn of an array."""
        if shape is None:
            return 0.0, LINE
        if len(shape) == 1:
            return self.UNIT, self.APART * min(shape[0], self.UNITS)
        width, height, sheets, right, up = self.sheets(shape)
        return (width + (sheets - 1) * right) / 2, height + (sheets - 1) * up

    def sheets(self, shape):
        """Width and height of a sheet, how many there are, and how far each is moved to the right and up."""
        if len(shape) == 2:
            return self.side(shape[1]), 0.13, min(shape[0], self.SHEETS), 0.075 * self.scale, 0.16
        height, width = map(self.side, shape[1:3])
        return width, height, min(shape[0], self.SHEETS), 0.075 * self.scale, 0.075 * self.scale

    def corner(self, block):
        """Bottom left of the sheet in front."""
        half, height = self.body(block.node.shape)
        return block.x - half, block.y - height / 2

    def paint_body(self, block):
        width, height, sheets, right, up = self.sheets(block.node.shape)
        x, y = self.corner(block)
        for i in reversed(range(sheets)):
            sheet = _rectangle(x + i * right, y + i * up, width, height)
            self.polygon(sheet, COLOURS[block.node.kind], 2 + (sheets - i) / 50)

    def window(self, source, target, lines=True):
        """The mask or the region on the front sheet, and lines to the number that is computed from it."""
        if target.node.window is None:
            return
        *_, down, across = 1.0, *target.node.window
        style = "--" if target.node.kind == "pool" else "-"
        width, height, *_ = self.sheets(source.node.shape)
        (x, y), w, h = self.corner(source), max(0.05, width * across), max(0.05, height * down)
        x, y = x + 0.75 * (width - w), y + 0.75 * (height - h)
        self.polygon(_rectangle(x, y, w, h), "none", 3.2, style)
        if lines:
            width, height, *_ = self.sheets(target.node.shape)
            left, bottom = self.corner(target)
            for start in ((x + w, y + h), (x + w, y)):
                self.line([start, (left + 0.6 * width, bottom + 0.6 * height)], 0.6, INK, style, 3.2)


class _Cuboids(_Painter):
    """Rotated cuboids: height upwards, channels to the right, width into the picture."""

    ROOM = 0.2  # for the numbers at the sides

    def over(self, shape):
        return _shape_lines(shape, self.word) if shape is not None and len(shape) == 1 else []

    def body(self, shape):
        if shape is None:
            return 0.0, LINE
        if len(shape) == 1:
            return self.UNIT, self.APART * min(shape[0], self.UNITS)
        channels, height, into = self.sides(shape)
        return (self.ROOM + channels + max(into, self.ROOM)) / 2, self.ROOM + height + into

    def sides(self, shape):
        """(channels, height, width) as they are drawn; signals have no width."""
        channels = self.scale * (0.12 + 0.75 * (shape[0] / self.deepest) ** 0.5)
        return channels, self.side(shape[1], 1.4), 0.4 * self.side(shape[2], 1.4) if len(shape) > 2 else 0.1

    def corner(self, block):
        """Bottom left of the face in front."""
        half, height = self.body(block.node.shape)
        return block.x - half + self.ROOM, block.y - height / 2 + self.ROOM

    def paint_body(self, block):
        shape = block.node.shape
        (x, y), (channels, height, into) = self.corner(block), self.sides(shape)
        self.cuboid(x, y, channels, height, into, COLOURS[block.node.kind], 2)
        self.text(x + channels / 2, y - 0.09, f"{shape[0]:,}", SMALL)
        self.text(x - 0.1, y + height / 2, f"{shape[1]:,}", SMALL, rotation=90)
        if len(shape) > 2:
            self.text(x + channels + into / 2 + 0.1, y + into / 2 - 0.05, f"{shape[2]:,}", SMALL)

    def cuboid(self, x, y, channels, height, into, colour, order, alpha=1.0):
        def moved(points):
            return [(x + across + deep * into, y + up + deep * into) for across, up, deep in points]

        front = [(0, 0, 0), (channels, 0, 0), (channels, height, 0), (0, height, 0)]
        top = [(0, height, 0), (channels, height, 0), (channels, height, 1), (0, height, 1)]
        right = [(channels, 0, 0), (channels, 0, 1), (channels, height, 1), (channels, height, 0)]
        for face, shade in ((front, 1.0), (top, 1.15), (right, 0.82)):
            self.polygon(moved(face), _shaded(colour, shade), order, alpha=alpha)

    def window(self, source, target, lines=True):
        """The mask inside the cuboid, through all its channels, and lines to the number that is computed from it."""
        if target.node.kind != "conv":
            return
        down, across = (*target.node.window, 1.0)[:2]
        channels, height, into = self.sides(source.node.shape)
        (x, y), h, deep = self.corner(source), max(0.06, height * down), max(0.03, into * across)
        x, y = x + (into - deep) / 2, y + (into - deep) / 2 + 0.6 * (height - h)
        self.cuboid(x, y, channels, h, deep, MASK, 3, alpha=0.75)
        self.text(x + (channels + deep) / 2, y + h + deep + 0.08, target.node.mask, SMALL)
        if lines:
            (left, bottom), (channels_after, height_after, _) = self.corner(target), self.sides(target.node.shape)
            tip = left + channels_after / 2, bottom + 0.6 * height_after
            for start in ((x + channels + deep, y + h + deep), (x + channels, y)):
                self.line([start, tip], 0.6, INK, "-", 3.2)


def _stages(chain):
    for node in chain:
        if isinstance(node, Stage):
            yield node
        else:
            for branch in node.branches:
                yield from _stages(branch)


def _lines(names):
    """Names of layers as the lines below a picture, (text, bold); options, after a comma, begin a new one."""
    parts = [(part, name is names[0] and not i) for name in names for i, part in enumerate(name.split(", "))]
    return [(line, bold) for part, bold in parts for line in textwrap.wrap(part, 16, break_on_hyphens=False)]


def _wrapped(blocks):
    """Blocks as rows that are no wider than the page."""
    rows = [[]]
    for block in blocks:
        if rows[-1] and _row_width([*rows[-1], block]) > PAGE:
            rows.append([])
        rows[-1].append(block)
    return rows


def _row_width(row):
    return sum(block.width for block in row) + GAP * max(0, len(row) - 1)


def _up(row):
    return max((block.up for block in row), default=0.1)


def _down(row):
    return max((block.down for block in row), default=0.1)


def _rectangle(x, y, width, height):
    return [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]


@lru_cache(maxsize=2000)
def _text_width(text, bold=False):
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    weight = FontProperties(weight="bold" if bold else "normal")
    return TextPath((0, 0), text, size=TEXT, prop=weight).get_extents().width / 72


def _shaded(colour, light):
    """A colour, darker below 1 and lighter above."""
    from matplotlib.colors import to_rgb

    rgb = np.array(to_rgb(colour))
    return tuple(rgb * light if light <= 1 else 1 - (1 - rgb) * (1 - 3 * (light - 1)))
