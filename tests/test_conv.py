import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings, strategies as st
from torch.nn import functional as F
from witnesses import check_derivative, check_purity, check_torch, check_values, conv_loops

import pnnlib.conv
from pnnlib.conv import (
    conv1d, conv1d_backward, conv2d, conv2d_backward, convolve, cross_correlate, mask_as_matrix,
)

X = np.array([[-1, 1, 0.5, 1], [0, -2, -1, 0], [0.5, -1, -1, 1], [-1, 1, 0, -2]])
H = np.array([[-1, 1], [0, -2]])

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
CASES = [
    *((conv2d, conv2d_backward, F.conv2d, *s, o) for s in SHAPES_2D for o in OPTIONS_2D),
    *((conv1d, conv1d_backward, F.conv1d, *s, o) for s in SHAPES_1D for o in OPTIONS_1D),
]


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def hear_all_witnesses(forward, backward, torch_forward, x, w, b, rng, **options):
    check_values(forward(x, w, b, **options), conv_loops(x, w, b, **options))
    check_torch(forward, torch_forward, x, w, b, backward=backward, rng=rng, **options)
    check_derivative(forward, backward, x, w, b, rng=rng, **options)


@pytest.mark.parametrize("forward, backward, torch_forward, x_shape, w_shape, options", CASES)
def test_layer(forward, backward, torch_forward, x_shape, w_shape, options, rng):
    x, w, b = rng.normal(size=x_shape), rng.normal(size=w_shape), rng.normal(size=w_shape[0])
    hear_all_witnesses(forward, backward, torch_forward, x, w, b, rng, **options)
    hear_all_witnesses(forward, backward, torch_forward, x, w, None, rng, **options)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_layer_on_any_sizes(data):
    axes = data.draw(st.sampled_from([1, 2]), "axes")
    sizes = lambda least, most: tuple(data.draw(st.integers(least, most)) for _ in range(axes))
    n, c, o = (data.draw(st.integers(1, 3)) for _ in range(3))
    options = {"stride": sizes(1, 3), "padding": sizes(0, 3), "dilation": sizes(1, 3)}
    spatial, kernel = sizes(1, 8), sizes(1, 4)
    for size, k, p, d in zip(spatial, kernel, options["padding"], options["dilation"]):
        assume(size + 2 * p > d * (k - 1))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    x, w, b = rng.normal(size=(n, c, *spatial)), rng.normal(size=(o, c, *kernel)), rng.normal(size=o)
    layer = (conv1d, conv1d_backward, F.conv1d) if axes == 1 else (conv2d, conv2d_backward, F.conv2d)
    hear_all_witnesses(*layer, x, w, b, rng, **options)


@pytest.mark.parametrize("images_per_chunk", [1, 2, 3])
def test_a_batch_in_chunks_is_the_batch(images_per_chunk, rng, monkeypatch):
    x, w, b = rng.normal(size=(5, 2, 6, 7)), rng.normal(size=(3, 2, 2, 3)), rng.normal(size=3)
    chunks = [slice(i, i + images_per_chunk) for i in range(0, 5, images_per_chunk)]
    monkeypatch.setattr(pnnlib.conv, "_chunks", lambda *_: iter(chunks))
    hear_all_witnesses(conv2d, conv2d_backward, F.conv2d, x, w, b, rng, stride=(1, 2), padding=(1, 0))


def test_a_batch_larger_than_the_cache_is_divided(rng):
    x, w = rng.normal(size=(7, 2, 33, 32)), rng.normal(size=(2, 2, 3, 3))
    chunks = list(pnnlib.conv._chunks(x, kernel=(3, 3), out=(31, 30)))
    assert 1 < len(chunks) < 7
    assert np.concatenate([np.arange(7)[images] for images in chunks]).tolist() == list(range(7))
    check_torch(conv2d, F.conv2d, x, w, backward=conv2d_backward, rng=rng)


def test_an_empty_batch(rng):
    x, w, b = np.ones((0, 2, 5, 6)), rng.normal(size=(3, 2, 2, 3)), rng.normal(size=3)
    y = conv2d(x, w, b)
    assert y.shape == (0, 3, 4, 4)
    dx, dw, db = conv2d_backward(y, x, w, b)
    assert dx.shape == x.shape
    check_values(dw, np.zeros_like(w))
    check_values(db, np.zeros_like(b))


def test_no_masks_make_no_maps():
    x, w, b = np.ones((2, 3, 5, 6)), np.ones((0, 3, 2, 3)), np.ones(0)
    y = conv2d(x, w, b)
    assert y.shape == (2, 0, 4, 4)
    dx, dw, db = conv2d_backward(y, x, w, b)
    check_values(dx, np.zeros_like(x))
    check_values(dw, w)
    check_values(db, b)


def test_one_by_one_convolution_is_a_weighted_sum_of_the_channels(rng):
    x, w = rng.normal(size=(2, 3, 4, 5)), rng.normal(size=(6, 3, 1, 1))
    check_values(conv2d(x, w), np.moveaxis(np.moveaxis(x, 1, -1) @ w[:, :, 0, 0].T, -1, 1))


# One channel


def test_the_lectures_example():
    assert cross_correlate(X, H)[0, 0] == 6
    x = X.ravel(order="F")
    np.testing.assert_array_equal(x, [-1, 0, 0.5, -1, 1, -2, -1, 1, 0.5, -1, -1, 0, 1, 0, 1, -2])
    w = mask_as_matrix(H, X.shape, order="F")[0]
    np.testing.assert_array_equal(w, [-1, 0, 0, 0, 1, -2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    assert w @ x == 6
    check_values(convolve(X, H), cross_correlate(X, [[-2, 0], [1, -1]]))


@pytest.mark.parametrize("options", OPTIONS_2D)
@pytest.mark.parametrize("shape, kernel", [((7, 10), (2, 3)), ((8, 7), (3, 2)), ((5, 9), (1, 4)), ((8, 6), (1, 1))])
def test_cross_correlation_convolution_and_matrix(shape, kernel, options, rng):
    x, h = rng.normal(size=shape), rng.normal(size=kernel)
    y = conv_loops(x[None, None], h[None, None], **options)[0, 0]
    check_values(cross_correlate(x, h, **options), y)
    check_values(cross_correlate(x, h, **options), conv2d(x[None, None], h[None, None], **options)[0, 0])
    theirs = F.conv2d(torch.tensor(x)[None, None], torch.tensor(h)[None, None], **options)[0, 0]
    check_values(cross_correlate(x, h, **options), theirs.numpy())

    rotated = np.array([[h[-1 - k, -1 - l] for l in range(kernel[1])] for k in range(kernel[0])])
    check_values(convolve(x, h, **options), conv_loops(x[None, None], rotated[None, None], **options)[0, 0])
    theirs = F.conv2d(torch.tensor(x)[None, None], torch.tensor(h).flip(0, 1)[None, None], **options)[0, 0]
    check_values(convolve(x, h, **options), theirs.numpy())

    for order in "CF":
        matrix = mask_as_matrix(h, shape, **options, order=order)
        assert matrix.shape == (y.size, x.size)
        check_values(matrix @ x.ravel(order), y.ravel(order))


def test_convolution_as_signal_processing_knows_it(rng):
    x, h = rng.normal(size=9), rng.normal(size=4)
    check_values(convolve(x, h), np.convolve(x, h, mode="valid"))
    check_values(cross_correlate(x, h), np.correlate(x, h, mode="valid"))


def test_matrix_of_a_signal(rng):
    x, h = rng.normal(size=9), rng.normal(size=4)
    for shape in (9, (9,)):
        matrix = mask_as_matrix(h, shape, stride=2, padding=1)
        check_values(matrix @ x, cross_correlate(x, h, stride=2, padding=1))


def test_transposed_matrix_is_the_backward(rng):
    x, h = rng.normal(size=(1, 1, 6, 5)), rng.normal(size=(1, 1, 2, 3))
    options = {"stride": (2, 1), "padding": (1, 2), "dilation": (2, 1)}
    dy = rng.normal(size=conv2d(x, h, **options).shape)
    dx, _, _ = conv2d_backward(dy, x, h, **options)
    check_values(mask_as_matrix(h[0, 0], (6, 5), **options).T @ dy.ravel(), dx.ravel())


# Every function, whatever its arguments are made of


def test_purity(rng):
    x, w, b = rng.normal(size=(2, 3, 6, 7)), rng.normal(size=(4, 3, 2, 3)), rng.normal(size=4)
    for options in ({}, {"stride": (2, 1), "padding": (1, 2), "dilation": 2}):
        dy = rng.normal(size=conv2d(x, w, **options).shape)
        check_purity(conv2d, x, w, b, **options)
        check_purity(conv2d, x, w, None, **options)
        check_purity(conv2d_backward, dy, x, w, b, **options)
        check_purity(conv2d_backward, dy, x, w, None, **options)
        check_purity(cross_correlate, x[0, 0], w[0, 0], **options)
        check_purity(convolve, x[0, 0], w[0, 0], **options)
    check_purity(conv1d, x[:, :, 0], w[:, :, 0], b, stride=2, padding=1)
    check_purity(conv1d_backward, rng.normal(size=(2, 4, 5)), x[:, :, 0], w[:, :, 0], b)
    check_purity(lambda h: mask_as_matrix(h, (4, 5)), w[0, 0])


def test_broadcast_input(rng):
    # One number standing for many: strides of 0, read-only.
    x = np.broadcast_to(rng.normal(size=(1, 2, 1, 6)), (3, 2, 5, 6))
    w = np.broadcast_to(rng.normal(size=(2, 1, 1)), (4, 2, 2, 3))
    dy = np.broadcast_to(rng.normal(size=4)[:, None, None], (3, 4, 4, 4))
    check_values(conv2d(x, w), conv2d(x.copy(), w.copy()))
    for ours, expected in zip(conv2d_backward(dy, x, w)[:2], conv2d_backward(dy.copy(), x.copy(), w.copy())[:2]):
        check_values(ours, expected)


def test_a_result_is_not_a_view_of_its_argument(rng):
    x, w = rng.normal(size=(1, 1, 3, 4)), np.ones((1, 1, 1, 1))
    assert not np.shares_memory(conv2d(x, w), x)
    assert not np.shares_memory(cross_correlate(x[0, 0], w[0, 0]), x)
    dx, _, _ = conv2d_backward(x, x, w)
    assert not np.shares_memory(dx, x)


def test_integers_are_taken_as_float64():
    x, h = np.full((3, 4), 200, np.uint8), np.full((2, 2), 3, np.uint8)
    np.testing.assert_array_equal(cross_correlate(x, h), np.full((2, 3), 2400.0))
    np.testing.assert_array_equal(conv2d(x[None, None], h[None, None])[0, 0], np.full((2, 3), 2400.0))
    assert conv2d(x[None, None], h[None, None]).dtype == mask_as_matrix(h, (3, 4)).dtype == np.float64
    assert conv2d(x[None, None], np.ones((1, 1, 2, 2), np.float32)).dtype == np.float32


# Errors

W = np.ones((16, 3, 5, 5))


@pytest.mark.parametrize("function, arguments, message", [
    (conv2d, (np.ones((32, 28, 28, 3)), W),
     "conv2d: x must be (N, 3, H, W) for w of shape (16, 3, 5, 5), got (32, 28, 28, 3): channels go second"),
    (conv2d, (np.ones((3, 28, 28)), W), "got (3, 28, 28): for one image alone add an axis: x[None]"),
    (conv2d, (np.ones((28, 28)), np.ones((1, 1, 5, 5))), "got (28, 28): add axes for image and channel: x[None, None]"),
    (conv2d, (np.ones(28), W), "got (28,): x needs 4 axes, it has 1"),
    (conv2d, (np.ones((2, 16, 9, 9)), W), "got (2, 16, 9, 9): w has 16 masks of 3 channels"),
    (conv2d, (np.ones((2, 4, 9, 9)), W), "got (2, 4, 9, 9): x has 4 channels, every mask in w has 3"),
    (conv2d, (np.ones((2, 3, 9, 9)), np.ones((5, 5))), "conv2d: w must be (O, C, KH, KW), got (5, 5): one mask alone"),
    (conv2d, (np.ones((2, 3, 9, 9)), np.ones((3, 5, 5))), "conv2d: w must be (O, C, KH, KW), got (3, 5, 5)"),
    (conv2d, (np.ones((2, 3, 9, 9)), W, np.ones((16, 1, 1))),
     "conv2d: b must be (16,) for w of shape (16, 3, 5, 5), got (16, 1, 1): one number for each output channel"),
    (conv2d, (np.ones((2, 3, 9, 9)), W, 2), "one number for each output channel; options come after b: stride="),
    (conv2d, (np.ones((2, 3, 4, 9)), W), "conv2d: the mask must fit into the input, got a mask of size 5"),
    (conv2d, (np.ones((2, 3, 9, 9)), W, None, 0), "conv2d: stride must be at least 1, got 0"),
    (conv2d, (np.ones((2, 3, 9, 9)), W, None, 1, -1), "conv2d: padding must be at least 0, got -1"),
    (conv2d, (np.ones((2, 3, 9, 9)), W, None, 1, 0, (1, 0)), "conv2d: dilation must be at least 1, got (1, 0)"),
    (conv2d_backward, (np.ones((2, 16, 9, 9)), np.ones((2, 3, 9, 9)), W),
     "conv2d_backward: dy must be (N, O, OH, OW) = (2, 16, 5, 5), the shape of the result of the forward, "
     "got (2, 16, 9, 9): give both the same stride, padding and dilation"),
    (conv1d, (np.ones((2, 9, 3)), np.ones((4, 3, 5))),
     "conv1d: x must be (N, 3, L) for w of shape (4, 3, 5), got (2, 9, 3): channels go second"),
    (conv1d, (np.ones((2, 3, 9)), np.ones(5)), "conv1d: w must be (O, C, K), got (5,): one mask alone"),
    (conv1d_backward, (np.ones((2, 4)), np.ones((2, 3, 9)), np.ones((4, 3, 5))),
     "conv1d_backward: dy must be (N, O, OL) = (2, 4, 5)"),
    (cross_correlate, (np.ones((3, 9, 9)), H), "cross_correlate: x must be (H, W) and h (KH, KW)"),
    (cross_correlate, (H, X), "cross_correlate: the mask must fit into the input, got a mask of size 4"),
    (convolve, (H, X), "convolve: the mask must fit"),
    (convolve, (5, 3), "convolve: x must be (H, W) and h (KH, KW), or (L,) and (K,), got x of shape ()"),
    (mask_as_matrix, (H, 4), "mask_as_matrix: x must be (H, W) and h (KH, KW)"),
    (mask_as_matrix, (H, X), "mask_as_matrix: shape must be a shape, such as (4, 4), got an array (4, 4): x.shape?"),
    (mask_as_matrix, (X, (2, 2)), "mask_as_matrix: the mask must fit"),
])
def test_errors_name_the_operation_the_shapes_and_the_cause(function, arguments, message):
    with pytest.raises(ValueError) as caught:
        function(*arguments)
    assert message in str(caught.value)


@pytest.mark.parametrize("function, arguments, message", [
    (conv2d, (np.ones((2, 3, 9, 9)), W, None, 1, "same"), "conv2d: padding must be an int or 2 ints, got 'same'"),
    (conv1d, (np.ones((2, 3, 9)), np.ones((4, 3, 5)), None, (1, 2)), "conv1d: stride must be an int, got (1, 2)"),
    (conv2d, (None, W), "conv2d: x must be an array of numbers, got None"),
    (conv2d_backward, (np.ones((2, 16, 5, 5)), np.ones((2, 3, 9, 9)), None), "conv2d_backward: w must be an array"),
    (cross_correlate, (X, "mask"), "cross_correlate: h must be an array of real numbers, got one of dtype <U4"),
])
def test_errors_of_type(function, arguments, message):
    with pytest.raises(TypeError) as caught:
        function(*arguments)
    assert message in str(caught.value)
