import tracemalloc
from functools import partial

import numpy as np
import pytest
from components.conv import OPTIONS_2D, SHAPES_ONE_CHANNEL, conv_loops
from torch.nn import functional as F
from witnesses import check_derivative, check_purity, check_torch, check_values

import pnnlib.conv
from pnnlib.columns import portions
from pnnlib.conv import conv2d, conv2d_backward, convolve, cross_correlate, mask_as_matrix

X = np.array([[-1, 1, 0.5, 1], [0, -2, -1, 0], [0.5, -1, -1, 1], [-1, 1, 0, -2]])
H = np.array([[-1, 1], [0, -2]])


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def hear_all_witnesses(forward, backward, torch_forward, x, w, b, rng, **options):
    check_values(forward(x, w, b, **options), conv_loops(x, w, b, **options))
    check_torch(forward, torch_forward, x, w, b, backward=backward, rng=rng, **options)
    check_derivative(forward, backward, x, w, b, rng=rng, **options)


@pytest.mark.parametrize("cache", [1, 500, 3000, 10_000])
def test_portions_of_a_batch_or_of_an_image_give_the_whole(cache, rng, monkeypatch):
    x, w, b = rng.normal(size=(5, 2, 6, 7)), rng.normal(size=(3, 2, 2, 3)), rng.normal(size=3)
    monkeypatch.setattr(pnnlib.conv, "portions", partial(portions, cache=cache))
    for options in ({"stride": (1, 2), "padding": (1, 0)}, {"dilation": 2}):
        hear_all_witnesses(conv2d, conv2d_backward, F.conv2d, x, w, b, rng, **options)
        hear_all_witnesses(conv2d, conv2d_backward, F.conv2d, x, w, None, rng, **options)


@pytest.mark.parametrize("images, places, column, cache", [(7, 10, 8, 240), (3, 100, 8, 240), (2, 30, 8, 240), (0, 5, 8, 99)])
def test_portions_cover_everything_once_and_fit_into_the_cache(images, places, column, cache):
    seen = np.zeros((images, places))
    for some, parts in portions(images, places, column, cache):
        for part in parts:
            seen[some, part] += 1
            assert seen[some, part].size * column <= cache
    assert (seen == 1).all()


@pytest.mark.parametrize("x_shape, w_shape", [((8, 64, 56, 56), (64, 64, 3, 3)), ((1, 3, 256, 256), (8, 3, 7, 7))])
def test_memory_stays_in_proportion_to_input_and_output(x_shape, w_shape):
    """Columns of the whole would take 9 and 49 times the input."""
    x, w = np.ones(x_shape, np.float32), np.ones(w_shape, np.float32)
    y = conv2d(x, w, padding=1)
    for call in (lambda: conv2d(x, w, padding=1), lambda: conv2d_backward(y, x, w, padding=1)):
        tracemalloc.start()
        call()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak <= 3 * (x.nbytes + y.nbytes)


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
@pytest.mark.parametrize("shape, kernel", SHAPES_ONE_CHANNEL)
def test_cross_correlation_is_a_product_with_a_matrix(shape, kernel, options, rng):
    x, h = rng.normal(size=shape), rng.normal(size=kernel)
    y = conv_loops(x[None, None], h[None, None], **options)[0, 0]
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


def test_purity_of_the_matrix(rng):
    check_purity(lambda h: mask_as_matrix(h, (4, 5)), rng.normal(size=(2, 3)))


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


@pytest.mark.parametrize("h, shape, message", [
    (H, 4, "x must be (H, W) and h (KH, KW)"),
    (H, X, "shape must be a shape, such as (4, 4), got an array (4, 4): x.shape?"),
    (X, (2, 2), "the mask must fit"),
])
def test_the_matrix_refuses_what_is_no_shape(h, shape, message):
    with pytest.raises(ValueError) as caught:
        mask_as_matrix(h, shape)
    assert str(caught.value).startswith("mask_as_matrix: ") and message in str(caught.value)
