"""Pooling: maximum and mean over windows, whole maps, and groups of channels."""

import math
from functools import partial
from itertools import product

import numpy as np
from hypothesis import strategies as st
from torch.nn import functional as F

from components import Case, Component, Wrong
from pnnlib import pool


def largest(region, size=None):
    best = -math.inf
    for value in region:
        if value > best or value != value:  # a nan is the maximum
            best = value
    return best


def mean(region, size):
    total = 0
    for value in region:
        total += value
    return total / size


def pool_loops(value, x, kernel_size, stride=None, padding=0, dilation=1, count_include_pad=True):
    """Pooling, one number at a time, in any number of axes: `value` makes one number of the pixels in a region.

    It knows nothing of output sizes or padded arrays: it moves the window as long
    as it lies on the input and its border, and leaves out what is outside the input.
    """
    axes = x.ndim - 2
    stride = kernel_size if stride is None else stride
    kernel, stride, padding, dilation = (
        np.broadcast_to(o, axes).tolist() for o in (kernel_size, stride, padding, dilation)
    )
    corners = [
        range(-p, n + p - d * (k - 1), s) for n, k, s, p, d in zip(x.shape[2:], kernel, stride, padding, dilation)
    ]
    y = np.zeros((*x.shape[:2], *map(len, corners)))
    for one_map in np.ndindex(x.shape[:2]):
        for place, corner in zip(np.ndindex(y.shape[2:]), product(*corners)):
            region = []
            for position in np.ndindex(*kernel):
                pixel = [i + k * d for i, k, d in zip(corner, position, dilation)]
                if all(0 <= i < size for i, size in zip(pixel, x.shape[2:])):
                    region.append(x[(*one_map, *pixel)])
            y[(*one_map, *place)] = value(region, math.prod(kernel) if count_include_pad else len(region))
    return y


def global_loops(value, x):
    y = np.zeros(x.shape[:2])
    for one_map in np.ndindex(y.shape):
        pixels = [x[(*one_map, *pixel)] for pixel in np.ndindex(x.shape[2:])]
        y[one_map] = value(pixels, len(pixels))
    return y


def cross_channel_loops(value, x, group):
    y = np.zeros((x.shape[0], x.shape[1] // group, *x.shape[2:]))
    for n, o, *pixel in np.ndindex(y.shape):
        y[(n, o, *pixel)] = value([x[(n, o * group + g, *pixel)] for g in range(group)], group)
    return y


# Sizes and options that differ between the axes, and that do not divide. Where a
# maximum is taken, `distinct` numbers keep it away from ties, `equal` ones make many.
GRID_2D = [
    ((2, 3, 7, 10), {"kernel_size": 2}),
    ((2, 3, 7, 10), {"kernel_size": (2, 3)}),
    ((1, 1, 8, 7), {"kernel_size": (3, 2), "stride": 2}),
    ((2, 2, 6, 9), {"kernel_size": (3, 4), "stride": (1, 2)}),
    ((1, 3, 9, 8), {"kernel_size": (2, 1), "stride": (3, 2)}),
    ((3, 2, 5, 7), {"kernel_size": 1}),
    ((2, 1, 5, 7), {"kernel_size": (5, 7)}),
    ((2, 3, 7, 10), {"kernel_size": 3, "padding": 1}),
    ((1, 2, 7, 8), {"kernel_size": (2, 4), "stride": (1, 3), "padding": (1, 2)}),
    ((2, 1, 6, 5), {"kernel_size": (3, 2), "stride": (2, 1), "padding": (0, 1)}),
]
GRID_1D = [
    ((2, 3, 11), {"kernel_size": 3}),
    ((1, 1, 8), {"kernel_size": 4, "stride": 3}),
    ((3, 2, 9), {"kernel_size": 3, "stride": 1, "padding": 1}),
    ((2, 1, 7), {"kernel_size": 2, "stride": 3, "padding": 1}),
    ((1, 2, 5), {"kernel_size": 1}),
]
DILATED_2D = [
    ((2, 2, 7, 10), {"kernel_size": (2, 3), "stride": 1, "dilation": (3, 2)}),
    ((1, 3, 9, 8), {"kernel_size": (3, 2), "stride": (3, 2), "padding": 1, "dilation": 2}),
]
DILATED_1D = [((2, 3, 11), {"kernel_size": 3, "stride": 2, "padding": 1, "dilation": 3})]
SHAPES = [(2, 3, 4, 5), (1, 1, 3, 2), (3, 2, 1, 1), (2, 3, 7), (1, 2, 2, 3, 4)]
GROUPS = [((2, 6, 3, 4), 2), ((1, 6, 2, 5), 3), ((3, 4, 2, 3), 1), ((2, 3, 5), 3), ((2, 4), 2), ((1, 8, 1, 1), 4)]


def normal(shape, rng):
    return rng.normal(size=shape)


def distinct(shape, rng):
    return (rng.permutation(math.prod(shape)) - math.prod(shape) // 2).reshape(shape) / 8


def equal(shape, rng):
    return rng.integers(-1, 2, size=shape).astype(float)


def extreme(shape, rng):
    return rng.choice([-np.inf, -np.inf, np.inf, -1.0, 1.0, np.nan], size=shape)


def means(grid, rng):
    for shape, options in grid:
        yield Case((normal(shape, rng),), options)
        if options.get("padding"):
            yield Case((normal(shape, rng),), {**options, "count_include_pad": False})


def maxima(grid, rng, nans=True):
    for shape, options in grid:
        yield Case((distinct(shape, rng),), options)
        yield Case((equal(shape, rng),), options, smooth=False)
        yield Case((np.full(shape, -np.inf),), options, smooth=False)
        if nans:
            yield Case((extreme(shape, rng),), options, smooth=False)


@st.composite
def any_window(draw, axes, maximum):
    sizes = lambda least, most: tuple(draw(st.integers(least, most)) for _ in range(axes))
    kernel, stride, dilation = sizes(1, 4), sizes(1, 4), sizes(1, 3) if maximum else (1,) * axes
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    # no region on padding alone (it takes dilation, and a map smaller than this): PyTorch's gradient has no place there
    least = [max(1, d, d * (k - 1) + 1 - 2 * p) for k, d, p in zip(kernel, dilation, padding)]
    spatial = tuple(n + draw(st.integers(0, 5)) for n in least)
    options = {"kernel_size": kernel, "stride": draw(st.sampled_from([None, stride])), "padding": padding}
    options |= {"dilation": dilation} if maximum else {"count_include_pad": draw(st.booleans())}
    return draw(any_numbers((draw(st.integers(1, 3)), draw(st.integers(1, 3)), *spatial), options, maximum))


@st.composite
def any_map(draw, maximum):
    shape = draw(st.lists(st.integers(1, 4), min_size=3, max_size=5))
    return draw(any_numbers(tuple(shape), {}, maximum))


@st.composite
def any_channels(draw, maximum):
    group = draw(st.integers(1, 4))
    n, c, *spatial = draw(st.lists(st.integers(1, 4), min_size=2, max_size=4))
    return draw(any_numbers((n, c * group, *spatial), {"group": group}, maximum))


@st.composite
def any_numbers(draw, shape, options, maximum):
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    ties = maximum and draw(st.booleans())
    return Case((equal(shape, rng) if ties else distinct(shape, rng),), options, smooth=not ties)


def of_maps(grid):
    return [(shape, {}) for shape in grid]


def of_groups(grid):
    return [(shape, {"group": group}) for shape, group in grid]


X, X1 = np.ones((2, 3, 9, 8)), np.ones((2, 3, 9))
HALF = "padding must be at most half of the kernel_size (3, 2), got (1, 2): a region could lie on padding alone"


def wrong_2d():
    return (
        Wrong((np.ones((28, 28)), 2), "x must be (N, C, H, W), got (28, 28): add axes for image and channel"),
        Wrong((np.ones((3, 28, 28)), 2), "got (3, 28, 28): for one image alone add an axis: x[None]"),
        Wrong((np.ones(28), 2), "got (28,): x needs 4 axes, it has 1"),
        Wrong((np.ones((2, 3, 0, 4)), 2, 1, 1), "x must be (N, C, H, W), got (2, 3, 0, 4): its maps have no pixels"),
        Wrong((X, 0), "kernel_size must be at least 1, got 0"),
        Wrong((X, (2, 2, 2)), "kernel_size must be an int or 2 ints, got (2, 2, 2)", error=TypeError),
        Wrong((X, None), "kernel_size must be an int or 2 ints, got None", error=TypeError),
        Wrong((X, 2, 0), "stride must be at least 1, got 0"),
        Wrong((X, 2, 2, -1), "padding must be at least 0, got -1"),
        Wrong((X, (3, 2), 2, (1, 2)), HALF),
        Wrong((X, (2, 9)), "must fit into the input, got a window of size 9, on an axis of 8 pixels"),
        Wrong((None, 2), "x must be an array of numbers, got None", error=TypeError),
    )


def wrong_1d():
    return (
        Wrong((np.ones(9), 2), "x must be (N, C, L), got (9,): add axes for image and channel"),
        Wrong((X, 2), "x must be (N, C, L), got (2, 3, 9, 8): x needs 3 axes, it has 4"),
        Wrong((X1, (2, 2)), "kernel_size must be an int, got (2, 2)", error=TypeError),
        Wrong((X1, 3, 1, 2), "padding must be at most half of the kernel_size (3,), got (2,)"),
    )


WRONG_DY_2D = (
    Wrong((X, X, 2), "dy must be (N, C, OH, OW) = (2, 3, 4, 4), the shape of the result of the forward, "
                     "got (2, 3, 9, 8): give the forward and the backward the same x and options"),
    Wrong((None, X, 2), "dy must be an array", error=TypeError),
    Wrong((X, X, (3, 2), 2, (1, 2)), HALF),
)
WRONG_DY_1D = (Wrong((X1, X1, 2), "dy must be (N, C, OL) = (2, 3, 4)"),)
WRONG_MAPS = (
    Wrong((np.ones((3, 4)),), "x must be (N, C, H, W), got (3, 4): x needs at least 3 axes, it has 2"),
    Wrong((np.ones((2, 3, 4, 0)),), "got (2, 3, 4, 0): its maps have no pixels"),
)
WRONG_DY_MAPS = (
    Wrong((np.ones((2, 3, 1, 1)), X), "dy must be (N, C) = (2, 3), the shape of the result of the forward"),
    Wrong((np.ones(4), np.ones(4)), "x must be (N, C, H, W), got (4,)"),
)
WRONG_GROUPS = (
    Wrong((X, 2), "x must be (N, C, H, W), with a C that group = 2 divides, got (2, 3, 9, 8): it has 3 channels"),
    Wrong((np.ones(4), 2), "got (4,): channels go second"),
    Wrong((X, 0), "group must be at least 1, got 0"),
    Wrong((X, (1, 1)), "group must be an int, got (1, 1)", error=TypeError),
)
WRONG_DY_GROUPS = (
    Wrong((X, X, 3), "dy must be (N, C/group, H, W) = (2, 1, 9, 8), the shape of the result of the forward"),
    Wrong((X, X, 2), "with a C that group = 2 divides"),
)

COMPONENTS = (
    Component(
        pool.max_pool2d,
        backward=pool.max_pool2d_backward,
        loops=partial(pool_loops, largest),
        torch=F.max_pool2d,
        cases=partial(maxima, GRID_2D + DILATED_2D),
        draw=partial(any_window, axes=2, maximum=True),
        wrong=(*wrong_2d(), Wrong((X, 2, 2, 0, 0), "dilation must be at least 1, got 0"),
               Wrong((X, 3, 1, 0, (1, 4)), "got a window of size 3, with dilation 4 it spans 9, on an axis of 8 pixels")),
        wrong_backward=WRONG_DY_2D,
    ),
    Component(
        pool.max_pool1d,
        backward=pool.max_pool1d_backward,
        loops=partial(pool_loops, largest),
        torch=F.max_pool1d,
        cases=partial(maxima, GRID_1D + DILATED_1D),
        draw=partial(any_window, axes=1, maximum=True),
        wrong=wrong_1d(),
        wrong_backward=WRONG_DY_1D,
    ),
    Component(
        pool.avg_pool2d,
        backward=pool.avg_pool2d_backward,
        loops=partial(pool_loops, mean),
        torch=F.avg_pool2d,
        cases=partial(means, GRID_2D),
        draw=partial(any_window, axes=2, maximum=False),
        wrong=wrong_2d(),
        wrong_backward=WRONG_DY_2D,
    ),
    Component(
        pool.avg_pool1d,
        backward=pool.avg_pool1d_backward,
        loops=partial(pool_loops, mean),
        torch=F.avg_pool1d,
        cases=partial(means, GRID_1D),
        draw=partial(any_window, axes=1, maximum=False),
        wrong=wrong_1d(),
        wrong_backward=WRONG_DY_1D,
    ),
    Component(
        pool.global_max_pool,
        backward=pool.global_max_pool_backward,
        loops=partial(global_loops, largest),
        torch=lambda x: x.flatten(2).max(2).values,
        cases=partial(maxima, of_maps(SHAPES)),
        draw=partial(any_map, maximum=True),
        wrong=WRONG_MAPS,
        wrong_backward=WRONG_DY_MAPS,
    ),
    Component(
        pool.global_avg_pool,
        backward=pool.global_avg_pool_backward,
        loops=partial(global_loops, mean),
        torch=lambda x: x.flatten(2).mean(2),
        cases=partial(means, of_maps(SHAPES)),
        draw=partial(any_map, maximum=False),
        wrong=WRONG_MAPS,
        wrong_backward=WRONG_DY_MAPS,
    ),
    Component(
        pool.cross_channel_max_pool,
        backward=pool.cross_channel_max_pool_backward,
        loops=partial(cross_channel_loops, largest),
        torch=lambda x, group: x.unflatten(1, (-1, group)).max(2).values,
        # of several nans PyTorch's max takes the first, its max_pool, like ours, the last
        cases=partial(maxima, of_groups(GROUPS), nans=False),
        draw=partial(any_channels, maximum=True),
        wrong=WRONG_GROUPS,
        wrong_backward=WRONG_DY_GROUPS,
    ),
    Component(
        pool.cross_channel_avg_pool,
        backward=pool.cross_channel_avg_pool_backward,
        loops=partial(cross_channel_loops, mean),
        torch=lambda x, group: x.unflatten(1, (-1, group)).mean(2),
        cases=partial(means, of_groups(GROUPS)),
        draw=partial(any_channels, maximum=False),
        wrong=WRONG_GROUPS,
        wrong_backward=WRONG_DY_GROUPS,
    ),
)
