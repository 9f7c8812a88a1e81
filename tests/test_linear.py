import numpy as np
import pytest
from witnesses import check_values

from pnnlib.conv import conv2d, mask_as_matrix
from pnnlib.linear import flatten, flatten_backward, linear, linear_backward

X = np.array([[-1, 1, 0.5, 1], [0, -2, -1, 0], [0.5, -1, -1, 1], [-1, 1, 0, -2]])
BY_COLUMNS = [-1, 0, 0.5, -1, 1, -2, -1, 1, 0.5, -1, -1, 0, 1, 0, 1, -2]


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_flatten_by_columns_gives_the_lectures_vector():
    np.testing.assert_array_equal(flatten(X[None, None], order="F"), [BY_COLUMNS])


def test_flatten_concatenates_the_vectors_of_the_maps():
    two_maps = np.stack([X, -10 * X])
    np.testing.assert_array_equal(flatten(two_maps[None], order="F"), [BY_COLUMNS + [-10 * v for v in BY_COLUMNS]])
    np.testing.assert_array_equal(flatten(two_maps[None]), [[*X.ravel(), *(-10 * X).ravel()]])


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (2, 3, 5), (2, 7), (2, 2, 3, 4, 5), (0, 3, 4, 5), (2, 0, 3, 4)])
def test_flatten_backward_brings_every_number_home(order, shape):
    x = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    home = flatten_backward(flatten(x, order), x, order)
    assert home.shape == shape and home.dtype == np.float32
    np.testing.assert_array_equal(home, x)


def test_flatten_reads_volumes_with_the_first_axis_fastest(rng):
    x = rng.normal(size=(2, 3, 2, 4, 5))
    for sample, vector in zip(x, flatten(x, order="F")):
        np.testing.assert_array_equal(vector, np.concatenate([volume.ravel("F") for volume in sample]))


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_convolution_is_a_fully_connected_layer_on_the_flattened_input(rng, order):
    x, mask = rng.normal(size=(3, 1, 4, 6)), rng.normal(size=(2, 3))
    as_layer = linear(flatten(x, order), mask_as_matrix(mask, x.shape[2:], order=order))
    check_values(as_layer, flatten(conv2d(x, mask[None, None]), order))


def test_a_fully_connected_layer_is_a_convolution_with_a_mask_as_large_as_the_input(rng):
    x, masks, b = rng.normal(size=(2, 3, 4, 5)), rng.normal(size=(6, 3, 4, 5)), rng.normal(size=6)
    check_values(linear(flatten(x), flatten(masks), b), conv2d(x, masks, b)[:, :, 0, 0])


@pytest.mark.parametrize("x, many", [((0, 3), 2), ((2, 0), 3), ((2, 0, 3), 4), ((3, 2), 0)])
def test_nothing_in_gives_nothing_or_the_bias(x, many):
    x, w, b = np.ones(x), np.ones((many, x[-1])), np.arange(many)
    y = linear(x, w, b)
    np.testing.assert_array_equal(y, np.broadcast_to(b, (*x.shape[:-1], many)) + x.shape[-1])
    dx, dw, db = linear_backward(y, x, w, b)
    assert (dx.shape, dw.shape, db.shape) == (x.shape, w.shape, b.shape)
    check_values(dw, np.zeros(w.shape))


def test_float32_stays_with_lists_and_plain_numbers_beside():
    x, w = np.ones((2, 3), np.float32), np.ones((4, 3), np.float32)
    assert linear(x, w).dtype == np.float32
    assert {g.dtype for g in linear_backward(linear(x, w), x, w, np.zeros(4, np.float32))} == {np.dtype(np.float32)}
    assert flatten(np.ones((2, 2, 2, 2), np.uint8)).dtype == np.float64
