"""Published numbers of parameters, and PyTorch modules written by hand: the same layers, shapes and counts."""

import tracemalloc
from dataclasses import replace

import pytest
import torch
from torch import nn

from pnnlib import layers as ours
from pnnlib.architectures import ARCHITECTURES, VARIANTS, Architecture

ALL = ARCHITECTURES | VARIANTS

# As published, or as the model zoos count them: the descriptions must lead to these.
PUBLISHED = {
    "LeNet-5": 60_000,  # LeCun et al. 1998, section II.B
    "AlexNet": 60_965_224,
    "VGG-16": 138_357_544,
    "VGG-19": 143_667_240,
    "GoogLeNet": 6_998_552,
    "ResNet-18": 11_689_512,
    "ResNet-50": 25_557_032,
    "DenseNet-121": 7_978_856,
    "MobileNet": 4_231_976,
    "LeNet-5, simplified": 61_706,
    "AlexNet, one tower": 61_100_840,
}

DEPTHS = {"LeNet-5": 5, "AlexNet": 8, "VGG-16": 16, "VGG-19": 19, "GoogLeNet": 22, "ResNet-18": 18, "ResNet-50": 50,
          "DenseNet-121": 121, "MobileNet": 28, "LeNet-5, simplified": 5, "AlexNet, one tower": 8}


def test_numbers_are_the_published_ones():
    assert {name: architecture.total for name, architecture in ALL.items()} == PUBLISHED


def test_depths_are_those_in_the_names_and_papers():
    assert {name: architecture.depth for name, architecture in ALL.items()} == DEPTHS


def test_the_4_to_140_million_of_the_lecture():
    colour = [a.total for a in ARCHITECTURES.values() if a.input_shape[0] == 3]
    assert 4_000_000 < min(colour) < 4_500_000 and max(colour) > 140_000_000
    years = [a.year for a in ARCHITECTURES.values()]
    assert years == sorted(years)


# PyTorch's modules, on the device "meta", where tensors have shapes and no numbers.


class Sampling(nn.Module):
    """LeNet-5's sub-sampling: the sum of a window, times a factor, and a threshold."""

    def __init__(self, maps):
        super().__init__()
        self.pool = nn.AvgPool2d(2)
        self.factor, self.threshold = (nn.Parameter(torch.ones(maps, 1, 1)) for _ in range(2))

    def forward(self, x):
        return 4 * self.pool(x) * self.factor + self.threshold


class Table(nn.Module):
    """LeNet-5's second convolution: a small convolution for each map, over the maps that the table gives it."""

    columns = (
        *((i, (i + 1) % 6, (i + 2) % 6) for i in range(6)),
        *((i, (i + 1) % 6, (i + 2) % 6, (i + 3) % 6) for i in range(6)),
        (0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5), (0, 1, 2, 3, 4, 5),
    )

    def __init__(self):
        super().__init__()
        self.masks = nn.ModuleList(nn.Conv2d(len(column), 1, 5) for column in self.columns)

    def forward(self, x):
        return torch.cat([mask(x[:, list(column)]) for mask, column in zip(self.masks, self.columns)], dim=1)


class Add(nn.Module):
    def __init__(self, body, shortcut=None):
        super().__init__()
        self.body, self.shortcut = body, shortcut or nn.Identity()

    def forward(self, x):
        return self.body(x) + self.shortcut(x)


class Cat(nn.Module):
    def __init__(self, *branches):
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x):
        return torch.cat([branch(x) for branch in self.branches], dim=1)


def lenet():
    return nn.Sequential(
        nn.Conv2d(1, 6, 5), Sampling(6), Table(), Sampling(16), nn.Conv2d(16, 120, 5), nn.Flatten(), nn.Linear(120, 84)
    )


def lenet_simplified():
    return nn.Sequential(
        nn.Conv2d(1, 6, 5), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.MaxPool2d(2), nn.Conv2d(16, 120, 5), nn.Flatten(),
        nn.Linear(120, 84), nn.Linear(84, 10),
    )


def alexnet():
    return nn.Sequential(
        nn.Conv2d(3, 96, 11, stride=4, padding=2), nn.MaxPool2d(3, 2),
        nn.Conv2d(96, 256, 5, padding=2, groups=2), nn.MaxPool2d(3, 2),
        nn.Conv2d(256, 384, 3, padding=1), nn.Conv2d(384, 384, 3, padding=1, groups=2),
        nn.Conv2d(384, 256, 3, padding=1, groups=2), nn.MaxPool2d(3, 2),
        nn.Flatten(), nn.Linear(256 * 6 * 6, 4096), nn.Linear(4096, 4096), nn.Linear(4096, 1000),
    )


def alexnet_one_tower():
    return nn.Sequential(
        nn.Conv2d(3, 64, 11, stride=4, padding=2), nn.MaxPool2d(3, 2), nn.Conv2d(64, 192, 5, padding=2),
        nn.MaxPool2d(3, 2), nn.Conv2d(192, 384, 3, padding=1), nn.Conv2d(384, 256, 3, padding=1),
        nn.Conv2d(256, 256, 3, padding=1), nn.MaxPool2d(3, 2),
        nn.Flatten(), nn.Linear(9216, 4096), nn.Linear(4096, 4096), nn.Linear(4096, 1000),
    )


def vgg(letters):
    modules, c = [], 3
    for letter in letters:
        modules.append(nn.MaxPool2d(2) if letter == "M" else nn.Conv2d(c, letter, 3, padding=1))
        c = c if letter == "M" else letter
    return nn.Sequential(
        *modules, nn.Flatten(), nn.Linear(512 * 7 * 7, 4096), nn.Linear(4096, 4096), nn.Linear(4096, 1000)
    )


def inception(c, a, b1, b2, c1, c2, d):
    return Cat(
        nn.Conv2d(c, a, 1),
        nn.Sequential(nn.Conv2d(c, b1, 1), nn.Conv2d(b1, b2, 3, padding=1)),
        nn.Sequential(nn.Conv2d(c, c1, 1), nn.Conv2d(c1, c2, 5, padding=2)),
        nn.Sequential(nn.MaxPool2d(3, 1, padding=1), nn.Conv2d(c, d, 1)),
    )


def googlenet():
    """As the layer table has it, where the pooling of the stages rounds up."""
    def pool():
        return nn.MaxPool2d(3, 2, ceil_mode=True)
    return nn.Sequential(
        nn.Conv2d(3, 64, 7, 2, 3), pool(), nn.Conv2d(64, 64, 1), nn.Conv2d(64, 192, 3, padding=1), pool(),
        inception(192, 64, 96, 128, 16, 32, 32), inception(256, 128, 128, 192, 32, 96, 64), pool(),
        inception(480, 192, 96, 208, 16, 48, 64), inception(512, 160, 112, 224, 24, 64, 64),
        inception(512, 128, 128, 256, 24, 64, 64), inception(512, 112, 144, 288, 32, 64, 64),
        inception(528, 256, 160, 320, 32, 128, 128), pool(),
        inception(832, 256, 160, 320, 32, 128, 128), inception(832, 384, 192, 384, 48, 128, 128),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1024, 1000),
    )


def normed(c, out, k, **options):
    return [nn.Conv2d(c, out, k, bias=False, **options), nn.BatchNorm2d(out)]


def resnet18():
    def block(c, out, stride):
        body = nn.Sequential(*normed(c, out, 3, stride=stride, padding=1), *normed(out, out, 3, padding=1))
        return Add(body, None if c == out else nn.Sequential(*normed(c, out, 1, stride=stride)))
    return nn.Sequential(
        *normed(3, 64, 7, stride=2, padding=3), nn.MaxPool2d(3, 2, 1),
        block(64, 64, 1), block(64, 64, 1), block(64, 128, 2), block(128, 128, 1),
        block(128, 256, 2), block(256, 256, 1), block(256, 512, 2), block(512, 512, 1),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 1000),
    )


def resnet50():
    def block(c, narrow, stride):
        body = [*normed(c, narrow, 1, stride=stride), *normed(narrow, narrow, 3, padding=1),
                *normed(narrow, 4 * narrow, 1)]
        return Add(
            nn.Sequential(*body), None if c == 4 * narrow else nn.Sequential(*normed(c, 4 * narrow, 1, stride=stride))
        )
    return nn.Sequential(
        *normed(3, 64, 7, stride=2, padding=3), nn.MaxPool2d(3, 2, 1),
        block(64, 64, 1), *(block(256, 64, 1) for _ in range(2)),
        block(256, 128, 2), *(block(512, 128, 1) for _ in range(3)),
        block(512, 256, 2), *(block(1024, 256, 1) for _ in range(5)),
        block(1024, 512, 2), *(block(2048, 512, 1) for _ in range(2)),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2048, 1000),
    )


def densenet():
    def block(c, many):
        return [
            Cat(nn.Identity(), nn.Sequential(
                nn.BatchNorm2d(c + 32 * i), *normed(c + 32 * i, 128, 1), nn.Conv2d(128, 32, 3, padding=1, bias=False)
            )) for i in range(many)
        ]

    def transition(c):
        return nn.BatchNorm2d(c), nn.Conv2d(c, c // 2, 1, bias=False), nn.AvgPool2d(2)

    return nn.Sequential(
        *normed(3, 64, 7, stride=2, padding=3), nn.MaxPool2d(3, 2, 1), *block(64, 6), *transition(256),
        *block(128, 12), *transition(512), *block(256, 24), *transition(1024), *block(512, 16),
        nn.BatchNorm2d(1024), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1024, 1000),
    )


def mobilenet():
    def block(c, out, stride):
        return [*normed(c, c, 3, stride=stride, padding=1, groups=c), *normed(c, out, 1)]
    return nn.Sequential(
        *normed(3, 32, 3, stride=2, padding=1),
        *block(32, 64, 1), *block(64, 128, 2), *block(128, 128, 1), *block(128, 256, 2), *block(256, 256, 1),
        *block(256, 512, 2), *(module for _ in range(5) for module in block(512, 512, 1)),
        *block(512, 1024, 2), *block(1024, 1024, 1),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1024, 1000),
    )


MODULES = {
    "LeNet-5": lenet,
    "AlexNet": alexnet,
    "VGG-16": lambda: vgg([64, 64, "M", 128, 128, "M", *[256] * 3, "M", *[512] * 3, "M", *[512] * 3, "M"]),
    "VGG-19": lambda: vgg([64, 64, "M", 128, 128, "M", *[256] * 4, "M", *[512] * 4, "M", *[512] * 4, "M"]),
    "GoogLeNet": googlenet,
    "ResNet-18": resnet18,
    "ResNet-50": resnet50,
    "DenseNet-121": densenet,
    "MobileNet": mobilenet,
    "LeNet-5, simplified": lenet_simplified,
    "AlexNet, one tower": alexnet_one_tower,
}
LAYERS = (Table, Sampling, nn.Conv2d, nn.BatchNorm2d, nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.Flatten,
          nn.Linear)


@pytest.mark.parametrize("name", ALL)
def test_layers_shapes_and_parameters_are_those_of_pytorch(name):
    with torch.device("meta"):
        module = MODULES[name]()
    seen = []  # (shape, parameters) of each layer, as the picture comes by

    def look(layer, _, y):
        seen.append((tuple(y.shape[1:]), sum(p.numel() for p in layer.parameters())))

    inside = {id(part) for whole in module.modules() if isinstance(whole, (Table, Sampling))
              for part in whole.modules() if part is not whole}
    for layer in module.modules():
        if isinstance(layer, LAYERS) and id(layer) not in inside:
            layer.register_forward_hook(look)
    module.eval()(torch.empty(2, *ALL[name].input_shape, device="meta"))

    rows = ALL[name].rows
    expected = []
    for row in rows:
        words = row.layer.strip()
        if words == "scale":  # one layer with the pooling before it
            expected[-1] = (row.shape, row.parameters)
        elif words not in ("residual", "parallel") and not words.startswith("rbf"):
            expected.append((row.shape, row.parameters))
    assert seen == expected
    assert sum(p.numel() for p in module.parameters()) == ALL[name].total


def test_sequential_ones_have_layers_as_in_the_exercises():
    assert {name for name, a in ALL.items() if a.sequential} == {"VGG-16", "VGG-19", *VARIANTS}
    kinds = {"conv": 5, "pool": 3, "flatten": 1, "linear": 2}
    for architecture in ALL.values():
        if architecture.sequential:
            assert all(kinds[layer[0]] == len(layer) for layer in architecture.layers)


def build(layers, c):
    """The same layers from pnnlib.layers, with all their numbers; c is the number of maps, or of neurons, before."""
    built = []
    for kind, *options in layers:
        if kind == "conv":
            out, k, stride, padding, *rest = options
            built.append(ours.Conv2d(c, out, k, stride, padding, bias=(*rest, None, True)[1], rng=0))
            c = out
        elif kind == "pool":
            built.append(ours.MaxPool2d(*options))
        elif kind == "global pool":
            built.append(ours.AdaptiveAvgPool2d(1))
        elif kind == "norm":
            built.append(ours.BatchNorm2d(c))
        elif kind == "flatten":
            built.append(ours.Flatten())
        elif kind == "linear":
            built.append(ours.Linear(c, *options, rng=0))
            (c,) = options
        elif kind == "residual":
            branches, ends = zip(*(build(branch, c) for branch in options))
            built.append(ours.Residual(*branches))
            c = ends[0]
        else:
            branches, ends = zip(*(build(branch, c) for branch in options))
            built.append(ours.Parallel(*branches))
            c = sum(ends)
    return ours.Sequential(*built), c


SMALL = [
    ("conv", 4, 3, 2, 1, None, False), ("norm",), ("pool", 3, 2, 1),
    ("residual", [("conv", 4, 3, 1, 1), ("norm",)]),
    ("residual", [("conv", 6, 3, 2, 1), ("conv", 6, 1, 1, 0)], [("conv", 6, 1, 2, 0)]),
    ("parallel", [], [("conv", 3, 1, 1, 0), ("residual", [("conv", 3, 5, 1, 2)])], [("pool", 3, 1, 1)]),
    ("global pool",), ("flatten",), ("linear", 7),
]


@pytest.mark.parametrize("layers, shape", [
    (VARIANTS["LeNet-5, simplified"].layers, (1, 32, 32)),
    (SMALL, (2, 20, 27)),
])
def test_the_table_is_that_of_a_network_of_the_library(layers, shape):
    architecture = Architecture("small", 2025, shape, layers)
    summary = build(layers, shape[0])[0].summary(shape)
    assert [(row.shape, row.parameters) for row in architecture.rows] == [
        (tuple(s[1:]), own) for _, module, s, own, _ in summary.rows if not isinstance(module, ours.Identity)
    ]
    assert architecture.total == summary.total


def test_a_map_may_look_at_some_maps_only():
    def total(*options):
        return Architecture("", 0, (6, 9, 9), [("conv", 4, 3, 1, 0, *options)]).total
    assert total() == total(None) == total(6) == total([6] * 4) == 4 * (6 * 9 + 1)
    assert total(3) == 4 * (3 * 9 + 1)
    assert total([1, 2, 3, 6]) == 12 * 9 + 4
    assert total(None, False) == 4 * 6 * 9


def test_depth_is_that_of_the_longest_way():
    assert Architecture("", 0, (2, 20, 27), SMALL).depth == 1 + 1 + 2 + 2 + 1


def test_the_printed_table_has_every_layer_and_the_total():
    lines = str(ARCHITECTURES["ResNet-18"]).splitlines()
    assert lines[0] == "ResNet-18 (2015)" and len(lines) == 4 + len(ARCHITECTURES["ResNet-18"].rows)
    assert lines[-1].split() == ["total", "11,689,512"]
    assert repr(ARCHITECTURES["ResNet-18"]) == str(ARCHITECTURES["ResNet-18"])
    inner = [line for line in lines if line.startswith("  conv")]
    assert len(inner) == 16 + 3  # indented: what is in a residual block, its shortcut too


@pytest.mark.parametrize("layers, sentence", [
    ([("dense", 10)], "a layer must be one of conv, .*, got 'dense'"),
    ([("linear", 10)], r"before 'linear' there must be one axis of neurons, got \(3, 8, 8\): add \('flatten',\)"),
    ([("flatten",), ("conv", 4, 3, 1, 0)], r"before 'conv' there must be maps \(C, H, W\), got \(192,\)"),
    ([("flatten",), ("pool", 2, 2)], r"before 'pool' there must be maps"),
    ([("rbf", 10)], "before 'rbf' there must be one axis of neurons"),
    ([("conv", 4, 9, 1, 0)], "Architecture: conv: the window must fit into the input"),
    ([("conv", 4, 3, 1, 0, 5)], "can look at 3 maps at most"),
    ([("conv", 4, 3, 1, 0, [1, 2])], "each of the 4 maps"),
    ([("residual", [("conv", 4, 3, 1, 1)])], r"of a 'residual' must agree in everything, got \(4, 8, 8\), \(3, 8, 8\)"),
    ([("parallel", [("pool", 2, 2)], [])], r"of a 'parallel' must agree in rows and columns, got \(3, 4, 4\), \(3, 8"),
])
def test_what_is_refused(layers, sentence):
    with pytest.raises(ValueError, match=f"^Architecture: .*{sentence.removeprefix('Architecture: ')}"):
        Architecture("mine", 2025, (3, 8, 8), layers).total


def test_nothing_large_is_made():
    tracemalloc.start()
    try:
        assert sum(replace(a).total for a in ALL.values()) == sum(PUBLISHED.values())
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 2**20
