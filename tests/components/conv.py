"""Cross-correlation, convolution, and the convolutional layer."""

from functools import partial
from itertools import product

import numpy as np
from hypothesis import strategies as st
from torch.nn import functional as F

from components import Case, Component, Wrong
from pnnlib.conv import conv1d, conv1d_backward, conv2d, conv2d_backward, convolve, cross_correlate


def conv_loops(x, w, b=None, stride=1, padding=0, dilation=1):
    """The convolutional layer, one product at a time: x (N, C, *spatial), w (O, C, *kernel), any number of axes.

    It knows nothing of output sizes or padded arrays: it moves the mask as long
    as it lies on the input and its border, and reads 0 outside the input.
    """
    axes = w.ndim - 2
    stride, padding, dilation = (np.broadcast_to(o, axes).tolist() for o in (stride, padding, dilation))
    spatial, kernel = x.shape[2:], w.shape[2:]
    corners = [
        range(-p, n + p - d * (k - 1), s) for n, k, s, p, d in zip(spatial, kernel, stride, padding, dilation)
    ]
    y = np.zeros((len(x), len(w), *map(len, corners)))
    for n, o in product(range(len(x)), range(len(w))):
        for place, corner in zip(np.ndindex(y.shape[2:]), product(*corners)):
            for c, *position in np.ndindex(w.shape[1:]):
                pixel = [i + k * d for i, k, d in zip(corner, position, dilation)]
                if all(0 <= i < size for i, size in zip(pixel, spatial)):
                    y[(n, o, *place)] += x[(n, c, *pixel)] * w[(o, c, *position)]
            y[(n, o, *place)] += 0 if b is None else b[o]
    return y


def correlation_loops(x, h, **options):
    return conv_loops(x[None, None], h[None, None], **options)[0, 0]


def convolution_loops(x, h, **options):
    return correlation_loops(x, np.array([[row[-1 - l] for l in range(len(row))] for row in h[::-1]]), **options)


# Sizes and options that differ between the axes, and that do not divide.
OPTIONS_2D = [
    {},
    {"stride": 2},
    {"stride": (2, 3)},
    {"padding": 1},
    {"padding": (2, 1)},
    {"dilation": 2},
    {"dilation": (1, 2)},
    {"stride": (3, 1), "padding": (0, 2), "dilation": (2, 1)},
    {"stride": (2, 3), "padding": (3, 1), "dilation": (2, 3)},
]
SHAPES_2D = [  # x, w
    ((2, 3, 7, 10), (4, 3, 2, 3)),
    ((1, 1, 8, 7), (1, 1, 3, 2)),
    ((3, 2, 5, 7), (2, 2, 1, 1)),
    ((2, 2, 6, 9), (3, 2, 1, 3)),
    ((1, 3, 9, 7), (2, 3, 4, 2)),
]
OPTIONS_1D = [{}, {"stride": 2}, {"padding": 2}, {"dilation": 2}, {"stride": 3, "padding": 1, "dilation": 2}]
SHAPES_1D = [((2, 3, 11), (4, 3, 3)), ((1, 1, 8), (1, 1, 4)), ((3, 2, 7), (2, 2, 1)), ((1, 2, 9), (3, 2, 2))]
SHAPES_ONE_CHANNEL = [((7, 10), (2, 3)), ((8, 7), (3, 2)), ((5, 9), (1, 4)), ((8, 6), (1, 1))]


def layers(shapes, options, rng):
    for (x, w), option in product(shapes, options):
        yield Case((rng.normal(size=x), rng.normal(size=w), rng.normal(size=w[0])), option)
        yield Case((rng.normal(size=x), rng.normal(size=w), None), option)


def single(rng):
    for (x, h), option in product(SHAPES_ONE_CHANNEL, OPTIONS_2D):
        yield Case((rng.normal(size=x), rng.normal(size=h)), option)


@st.composite
def any_layer(draw, axes, channels=True):
    sizes = lambda least, most: tuple(draw(st.integers(least, most)) for _ in range(axes))
    stride, padding, dilation, kernel = sizes(1, 3), sizes(0, 3), sizes(1, 3), sizes(1, 4)
    spans = [d * (k - 1) + 1 for d, k in zip(dilation, kernel)]
    spatial = tuple(max(1, s - 2 * p) + draw(st.integers(0, 5)) for s, p in zip(spans, padding))
    options = {"stride": stride, "padding": padding, "dilation": dilation}
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    if not channels:
        return Case((rng.normal(size=spatial), rng.normal(size=kernel)), options)
    n, c, o = (draw(st.integers(1, 3)) for _ in range(3))
    b = rng.normal(size=o) if draw(st.booleans()) else None
    return Case((rng.normal(size=(n, c, *spatial)), rng.normal(size=(o, c, *kernel)), b), options)


def torch_correlation(x, h, **options):
    return F.conv2d(x[None, None], h[None, None], **options)[0, 0]


X, H = np.ones((4, 4)), np.ones((2, 2))
W = np.ones((16, 3, 5, 5))
OK = np.ones((2, 3, 9, 9))
COMPONENTS = (
    Component(
        cross_correlate,
        loops=correlation_loops,
        torch=torch_correlation,
        cases=single,
        draw=partial(any_layer, axes=2, channels=False),
        no_backward="that of conv2d, with one channel",
        wrong=(
            Wrong((np.ones((3, 9, 9)), H), "x must be (H, W) and h (KH, KW)"),
            Wrong((H, X), "the mask must fit into the input, got a mask of size 4"),
            Wrong((X, "mask"), "h must be an array of real numbers, got one of dtype <U4", error=TypeError),
        ),
    ),
    Component(
        convolve,
        loops=convolution_loops,
        torch=lambda x, h, **options: torch_correlation(x, h.flip(0, 1), **options),
        cases=single,
        draw=partial(any_layer, axes=2, channels=False),
        no_backward="that of conv2d, with the rotated mask",
        wrong=(
            Wrong((H, X), "the mask must fit"),
            Wrong((5, 3), "x must be (H, W) and h (KH, KW), or (L,) and (K,), got x of shape ()"),
        ),
    ),
    Component(
        conv2d,
        backward=conv2d_backward,
        loops=conv_loops,
        torch=F.conv2d,
        cases=partial(layers, SHAPES_2D, OPTIONS_2D),
        draw=partial(any_layer, axes=2),
        wrong=(
            Wrong((np.ones((32, 28, 28, 3)), W),
                  "x must be (N, 3, H, W) for w of shape (16, 3, 5, 5), got (32, 28, 28, 3): channels go second"),
            Wrong((np.ones((3, 28, 28)), W), "got (3, 28, 28): for one image alone add an axis: x[None]"),
            Wrong((np.ones((28, 28)), np.ones((1, 1, 5, 5))),
                  "got (28, 28): add axes for image and channel: x[None, None]"),
            Wrong((np.ones(28), W), "got (28,): x needs 4 axes, it has 1"),
            Wrong((np.ones((2, 16, 9, 9)), W), "got (2, 16, 9, 9): w has 16 masks of 3 channels"),
            Wrong((np.ones((2, 4, 9, 9)), W), "got (2, 4, 9, 9): x has 4 channels, every mask in w has 3"),
            Wrong((OK, np.ones((5, 5))), "w must be (O, C, KH, KW), got (5, 5): one mask alone"),
            Wrong((OK, np.ones((3, 5, 5))), "w must be (O, C, KH, KW), got (3, 5, 5)"),
            Wrong((OK, W, np.ones((16, 1, 1))),
                  "b must be (16,) for w of shape (16, 3, 5, 5), got (16, 1, 1): one number for each output channel"),
            Wrong((OK, W, 2), "one number for each output channel; options come after b: stride="),
            Wrong((np.ones((2, 3, 4, 9)), W), "the mask must fit into the input, got a mask of size 5"),
            Wrong((OK, W, None, 0), "stride must be at least 1, got 0"),
            Wrong((OK, W, None, 1, -1), "padding must be at least 0, got -1"),
            Wrong((OK, W, None, 1, 0, (1, 0)), "dilation must be at least 1, got (1, 0)"),
            Wrong((OK, W, None, 1, "same"), "padding must be an int or 2 ints, got 'same'", error=TypeError),
            Wrong((None, W), "x must be an array of numbers, got None", error=TypeError),
        ),
        wrong_backward=(
            Wrong((np.ones((2, 16, 9, 9)), OK, W),
                  "dy must be (N, O, OH, OW) = (2, 16, 5, 5), the shape of the result of the forward, "
                  "got (2, 16, 9, 9): give both the same stride, padding and dilation"),
            Wrong((np.ones((2, 16, 5, 5)), OK, None), "w must be an array", error=TypeError),
        ),
    ),
    Component(
        conv1d,
        backward=conv1d_backward,
        loops=conv_loops,
        torch=F.conv1d,
        cases=partial(layers, SHAPES_1D, OPTIONS_1D),
        draw=partial(any_layer, axes=1),
        wrong=(
            Wrong((np.ones((2, 9, 3)), np.ones((4, 3, 5))),
                  "x must be (N, 3, L) for w of shape (4, 3, 5), got (2, 9, 3): channels go second"),
            Wrong((np.ones((2, 3, 9)), np.ones(5)), "w must be (O, C, K), got (5,): one mask alone"),
            Wrong((np.ones((2, 3, 9)), np.ones((4, 3, 5)), None, (1, 2)), "stride must be an int, got (1, 2)",
                  error=TypeError),
        ),
        wrong_backward=(
            Wrong((np.ones((2, 4)), np.ones((2, 3, 9)), np.ones((4, 3, 5))), "dy must be (N, O, OL) = (2, 4, 5)"),
        ),
    ),
)
ELSEWHERE = {"mask_as_matrix": "test_conv.py"}
