"""Networks that made history, from their published layer tables, to count parameters without making them (part f).

Only shapes are followed through the layers, so 138 million parameters cost no
memory. A network is described by a list of layers, the first four as in the exercises:

    ("conv", out, k, stride, padding)   out maps, masks of k × k, and a threshold for each map. Two more options:
                                        how many maps each of them looks at, one int for all, a list with one for
                                        each, or None for every map there is; and False for no thresholds
    ("pool", k, stride)                 nothing is learnt; a padding may follow
    ("flatten",)
    ("linear", out)                     fully connected, with thresholds
    ("global pool",)                    the mean of each map
    ("norm",)                           batch normalisation: γ and β for each map
    ("scale",)                          LeNet-5: a factor and a threshold for each map
    ("rbf", out)                        LeNet-5: distances to patterns that were drawn by hand, so nothing is learnt
    ("residual", body, shortcut)        lists of layers, added; without a shortcut, the input is
    ("parallel", branch, branch, …)     lists of layers, side by side; an empty one passes the input on

Activations, dropout and normalisation of another kind change no shape and learn nothing: they are left out.
"""

from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import NamedTuple

from pnnlib.windows import geometry


class Row(NamedTuple):
    """A layer in words, the shape of its result (without N), and how many parameters it learns."""

    layer: str
    shape: tuple
    parameters: int


@dataclass(frozen=True)
class Architecture:
    """A network as its authors published it, or your own: what it looks like, and how many parameters it has.

    A convolution has C_in · k · k weights and a threshold for each map (part d), a
    fully connected layer one weight for each pair of neurons and a threshold for each
    (part e). Print it for the table. PyTorch: `sum(p.numel() for p in module.parameters())`.

    year, note    when it was published, and what of the table is not obvious
    rows          a `Row` for each layer, those inside a "residual" or "parallel" indented below it
    total         the number of parameters
    depth         layers with weights along the longest way through: the number in a name such as VGG-16
    sequential    whether the layers are of the four kinds of the exercises, so that your function can take `layers`

    >>> Architecture("mine", 2025, (1, 8, 8), [("conv", 4, 3, 1, 0), ("pool", 2, 2), ("flatten",), ("linear", 10)])
    mine (2025)
    layer        result        parameters
    input        (N, 1, 8, 8)
    conv 3×3, 4  (N, 4, 6, 6)          40
    pool 2×2     (N, 4, 3, 3)           0
    flatten      (N, 36)                0
    linear, 10   (N, 10)              370
    total                             410
    """

    name: str
    year: int
    input_shape: tuple
    layers: list
    note: str = ""

    @cached_property
    def _walked(self):
        return _walk(self.layers, tuple(self.input_shape))

    @property
    def rows(self):
        return self._walked[0]

    @property
    def depth(self):
        return self._walked[2]

    @property
    def total(self):
        return sum(row.parameters for row in self.rows)

    @property
    def sequential(self):
        options = {"conv": 4, "pool": 2, "flatten": 0, "linear": 1}
        return all(options.get(kind) == len(rest) for kind, *rest in self.layers)

    def __str__(self):
        lines = [("layer", "result", "parameters"), ("input", _with_n(self.input_shape), "")]
        lines += [(layer, _with_n(shape), f"{parameters:,}") for layer, shape, parameters in self.rows]
        lines.append(("total", "", f"{self.total:,}"))
        widths = [max(map(len, column)) for column in zip(*lines)]
        table = "\n".join(
            f"{layer:<{widths[0]}}  {shape:<{widths[1]}}  {parameters:>{widths[2]}}".rstrip()
            for layer, shape, parameters in lines
        )
        return f"{self.name} ({self.year})\n{table}"

    __repr__ = __str__  # what a notebook shows


def _walk(layers, shape, level=0):
    """Follow a shape through a list of layers: (rows, the shape at the end, the depth)."""
    rows, depth = [], 0
    for kind, *options in layers:
        if kind in ("residual", "parallel"):
            branches = [*options, []] if kind == "residual" and len(options) == 1 else options
            inner, ends, depths = zip(*(_walk(branch, shape, level + 1) for branch in branches))
            shape = _joined(kind, ends)
            rows += [Row("  " * level + kind, shape, 0), *(row for branch in inner for row in branch)]
            depth += max(depths)
        elif kind in _KINDS:
            words, shape, parameters = _KINDS[kind](shape, *options)
            rows.append(Row("  " * level + words, shape, parameters))
            depth += kind in ("conv", "linear", "rbf")
        else:
            kinds = ", ".join([*_KINDS, "residual", "parallel"])
            raise ValueError(f"Architecture: a layer must be one of {kinds}, got {kind!r}")
    return rows, shape, depth


def _joined(kind, shapes):
    alike = shapes if kind == "residual" else [shape[1:] for shape in shapes]
    if len(set(alike)) > 1:
        what = "everything" if kind == "residual" else "rows and columns"
        raise ValueError(
            f"Architecture: the branches of a {kind!r} must agree in {what}, got {', '.join(map(str, shapes))}: "
            f"is there a stride or a padding in one only?"
        )
    return shapes[0] if kind == "residual" else (sum(c for c, *_ in shapes), *shapes[0][1:])


# Each kind of layer: (shape, options) → (words, shape, parameters).


def _conv(shape, out, k, stride=1, padding=0, sees=None, thresholds=True):
    c, *_ = _maps("conv", shape)
    sees = [c if sees is None else sees] * out if sees is None or isinstance(sees, int) else list(sees)
    if len(sees) != out or max(sees) > c:
        raise ValueError(f"Architecture: each of the {out} maps can look at {c} maps at most, got {sees}")
    words = f"conv {k}×{k}, {out}" + (f", stride {stride}" if stride > 1 else "")
    if sum(sees) < out * c:
        words += f", each on {min(sees)}" + (f" to {max(sees)}" if len(set(sees)) > 1 else "") + f" of {c}"
    return words, (out, *_slid("conv", shape, k, stride, padding)), sum(sees) * k * k + out * thresholds


def _pool(shape, k, stride, padding=0):
    words = f"pool {k}×{k}" + (f", stride {stride}" if stride != k else "")
    return words, (shape[0], *_slid("pool", shape, k, stride, padding)), 0


def _global_pool(shape):
    return "global pool", (_maps("global pool", shape)[0], 1, 1), 0


def _flatten(shape):
    return "flatten", (prod(shape),), 0


def _linear(shape, out):
    return f"linear, {out}", (out,), (_neurons("linear", shape) + 1) * out


def _rbf(shape, out):
    _neurons("rbf", shape)
    return f"rbf, {out}, not learnt", (out,), 0


def _norm(shape):
    return "norm", shape, 2 * shape[0]


def _scale(shape):
    return "scale", shape, 2 * shape[0]


_KINDS = {
    "conv": _conv, "pool": _pool, "flatten": _flatten, "linear": _linear, "global pool": _global_pool, "norm": _norm,
    "scale": _scale, "rbf": _rbf,
}


def _slid(kind, shape, k, stride, padding):
    return geometry(f"Architecture: {kind}", _maps(kind, shape)[1:], k, stride, padding, 1, "window")[0]


def _maps(kind, shape):
    if len(shape) != 3:
        raise ValueError(f"Architecture: before {kind!r} there must be maps (C, H, W), got {shape}: after a flatten?")
    return shape


def _neurons(kind, shape):
    if len(shape) != 1:
        raise ValueError(
            f"Architecture: before {kind!r} there must be one axis of neurons, got {shape}: add ('flatten',)"
        )
    return shape[0]


def _with_n(shape):
    return f"({', '.join(['N', *map(str, shape)])})"


# What the networks are made of.


def _normed(out, k, stride=1, padding=0, sees=None):
    """A convolution and its batch normalisation, whose β makes thresholds superfluous."""
    return [("conv", out, k, stride, padding, sees, False), ("norm",)]


def _vgg(*stages):
    """Stages of 3×3 convolutions, as many as said, each stage ended by a pooling."""
    layers = []
    for many, out in stages:
        layers += [("conv", out, 3, 1, 1)] * many + [("pool", 2, 2)]
    return layers + [("flatten",), ("linear", 4096), ("linear", 4096), ("linear", 1000)]


def _inception(one, before_three, three, before_five, five, after_pool):
    return ("parallel",
            [("conv", one, 1, 1, 0)],
            [("conv", before_three, 1, 1, 0), ("conv", three, 3, 1, 1)],
            [("conv", before_five, 1, 1, 0), ("conv", five, 5, 1, 2)],
            [("pool", 3, 1, 1), ("conv", after_pool, 1, 1, 0)])


def _resnet(block, *stages):
    """Four stages of residual blocks. Each begins with a shortcut of its own where the shape changes."""
    layers, maps = [*_normed(64, 7, 2, 3), ("pool", 3, 2, 1)], 64
    for stage, many in enumerate(stages):
        for i in range(many):
            stride = 2 if stage > 0 and i == 0 else 1
            body, out = block(64 * 2**stage, stride)
            layers.append(("residual", body, *([_normed(out, 1, stride)] if maps != out else [])))
            maps = out
    return layers + [("global pool",), ("flatten",), ("linear", 1000)]


def _basic(out, stride):
    return _normed(out, 3, stride, 1) + _normed(out, 3, 1, 1), out


def _bottleneck(out, stride):
    return _normed(out, 1, stride) + _normed(out, 3, 1, 1) + _normed(4 * out, 1), 4 * out


def _densenet(growth, *stages):
    """Four stages, in which each pair of layers adds maps to all that there are; in between, half of the maps stay."""
    layers, maps = [*_normed(2 * growth, 7, 2, 3), ("pool", 3, 2, 1)], 2 * growth
    for stage, many in enumerate(stages):
        if stage > 0:
            maps //= 2
            layers += [("norm",), ("conv", maps, 1, 1, 0, None, False), ("pool", 2, 2)]
        body = [("norm",), *_normed(4 * growth, 1), ("conv", growth, 3, 1, 1, None, False)]
        layers += [("parallel", [], body)] * many
        maps += many * growth
    return layers + [("norm",), ("global pool",), ("flatten",), ("linear", 1000)]


def _mobilenet(*blocks):
    """Each 3×3 mask looks at one map only (depthwise), and 1×1 convolutions mix the maps."""
    layers, maps = _normed(32, 3, 2, 1), 32
    for out, stride in blocks:
        layers += _normed(maps, 3, stride, 1, 1) + _normed(out, 1)
        maps = out
    return layers + [("global pool",), ("flatten",), ("linear", 1000)]


_IMAGENET = (3, 224, 224)


def _by_name(*architectures):
    return {architecture.name: architecture for architecture in architectures}


# As they were published, in order of time. All but LeNet-5 tell 1000 classes of ImageNet's colour pictures apart.
ARCHITECTURES = _by_name(
    Architecture("LeNet-5", 1998, (1, 32, 32), [
        ("conv", 6, 5, 1, 0), ("pool", 2, 2), ("scale",),
        ("conv", 16, 5, 1, 0, [3] * 6 + [4] * 9 + [6]), ("pool", 2, 2), ("scale",),
        ("conv", 120, 5, 1, 0), ("flatten",), ("linear", 84), ("rbf", 10),
    ], "In the second convolution each map looks at 3, 4 or 6 of the 6 maps, by a table in the paper. Pooling takes "
       "the sum, times a factor that is learnt. The output layer was drawn by hand."),
    Architecture("AlexNet", 2012, _IMAGENET, [
        ("conv", 96, 11, 4, 2), ("pool", 3, 2), ("conv", 256, 5, 1, 2, 48), ("pool", 3, 2), ("conv", 384, 3, 1, 1),
        ("conv", 384, 3, 1, 1, 192), ("conv", 256, 3, 1, 1, 192), ("pool", 3, 2),
        ("flatten",), ("linear", 4096), ("linear", 4096), ("linear", 1000),
    ], "The published one, on two GPUs: in three convolutions, each map looks only at those on its own GPU, which is "
       "half of them. The paper is silent on padding; with 2, the first layer has the 55 × 55 pixels that it shows."),
    Architecture("VGG-16", 2014, _IMAGENET, _vgg((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))),
    Architecture("VGG-19", 2014, _IMAGENET, _vgg((2, 64), (2, 128), (4, 256), (4, 512), (4, 512))),
    Architecture("GoogLeNet", 2014, _IMAGENET, [
        ("conv", 64, 7, 2, 3), ("pool", 3, 2, 1), ("conv", 64, 1, 1, 0), ("conv", 192, 3, 1, 1), ("pool", 3, 2, 1),
        _inception(64, 96, 128, 16, 32, 32), _inception(128, 128, 192, 32, 96, 64), ("pool", 3, 2, 1),
        _inception(192, 96, 208, 16, 48, 64), _inception(160, 112, 224, 24, 64, 64),
        _inception(128, 128, 256, 24, 64, 64), _inception(112, 144, 288, 32, 64, 64),
        _inception(256, 160, 320, 32, 128, 128), ("pool", 3, 2, 1),
        _inception(256, 160, 320, 32, 128, 128), _inception(384, 192, 384, 48, 128, 128),
        ("global pool",), ("flatten",), ("linear", 1000),
    ], "Inception-v1, without the two extra classifiers in the middle, which only help in training."),
    Architecture("ResNet-18", 2015, _IMAGENET, _resnet(_basic, 2, 2, 2, 2)),
    Architecture("ResNet-50", 2015, _IMAGENET, _resnet(_bottleneck, 3, 4, 6, 3)),
    Architecture("DenseNet-121", 2016, _IMAGENET, _densenet(32, 6, 12, 24, 16)),
    Architecture("MobileNet", 2017, _IMAGENET, _mobilenet(
        (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1),
    ), "The first version, at full width."),
)

# As they are often built today: simpler than what was published, of the four kinds of layers of the exercises.
VARIANTS = _by_name(
    Architecture("LeNet-5, simplified", 1998, (1, 32, 32), [
        ("conv", 6, 5, 1, 0), ("pool", 2, 2), ("conv", 16, 5, 1, 0), ("pool", 2, 2), ("conv", 120, 5, 1, 0),
        ("flatten",), ("linear", 84), ("linear", 10),
    ], "Every map looks at all maps, pooling learns nothing, and the output layer is learnt."),
    Architecture("AlexNet, one tower", 2014, _IMAGENET, [
        ("conv", 64, 11, 4, 2), ("pool", 3, 2), ("conv", 192, 5, 1, 2), ("pool", 3, 2), ("conv", 384, 3, 1, 1),
        ("conv", 256, 3, 1, 1), ("conv", 256, 3, 1, 1), ("pool", 3, 2),
        ("flatten",), ("linear", 4096), ("linear", 4096), ("linear", 1000),
    ], "What PyTorch's torchvision calls AlexNet: for one GPU, with fewer maps."),
)
