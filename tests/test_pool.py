"""What pooling promises beyond the table of components: gradients that get lost, portions of maps, the whole map."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from witnesses import check_torch, check_values

import pnnlib.pool
from pnnlib.pool import (
    avg_pool1d, avg_pool2d, avg_pool2d_backward, cross_channel_avg_pool, cross_channel_avg_pool_backward,
    cross_channel_max_pool, cross_channel_max_pool_backward, global_avg_pool, global_avg_pool_backward,
    global_max_pool, global_max_pool_backward, max_pool1d, max_pool1d_backward, max_pool2d, max_pool2d_backward,
)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


# No gradient is lost


@pytest.mark.parametrize("value", [-np.inf, -1e300, -5.0, 0.0, np.inf, np.nan])
@pytest.mark.parametrize("options", [
    {"kernel_size": 3, "padding": 1}, {"kernel_size": (2, 4), "stride": (1, 3), "padding": (1, 2)},
    {"kernel_size": 2, "stride": 3, "padding": 1}, {"kernel_size": 3, "stride": 2, "padding": 1, "dilation": 2},
])
def test_padding_is_nobodys_maximum_so_no_gradient_is_lost(value, options, rng):
    x = np.full((2, 3, 6, 7), value)
    dy = rng.normal(size=max_pool2d(x, **options).shape)
    dx = max_pool2d_backward(dy, x, **options)
    check_values(dx.sum(axis=(2, 3)), dy.sum(axis=(2, 3)))
    check_torch(max_pool2d, F.max_pool2d, x, backward=max_pool2d_backward, rng=rng, **options)


def test_means_without_padding_lose_no_gradient(rng):
    x, options = np.ones((2, 3, 6, 7)), {"kernel_size": 3, "stride": 2, "padding": 1, "count_include_pad": False}
    dy = rng.normal(size=avg_pool2d(x, **options).shape)
    check_values(avg_pool2d_backward(dy, x, **options).sum(axis=(2, 3)), dy.sum(axis=(2, 3)))
    check_values(avg_pool2d(x, **options), np.ones(dy.shape))


def test_regions_on_padding_alone_have_no_maximum():
    # It takes dilation, and a map so small that the window steps over it. (PyTorch's backward writes out of bounds.)
    x = np.ones((1, 1, 2))
    y = max_pool1d(x, 2, padding=1, dilation=3)
    np.testing.assert_array_equal(y, [[[-np.inf]]])
    np.testing.assert_array_equal(max_pool1d_backward(np.ones_like(y), x, 2, padding=1, dilation=3), [[[0, 0]]])


def test_of_several_nans_the_last_is_the_maximum_as_in_pytorch():
    x = np.array([[[[np.nan, 1, 7, 8], [np.nan, 2, np.nan, 9]]]])
    np.testing.assert_array_equal(max_pool2d(x, 2), [[[[np.nan, np.nan]]]])
    dx = max_pool2d_backward([[[[10, 20]]]], x, 2)
    np.testing.assert_array_equal(dx, [[[[0, 0, 0, 0], [10, 0, 20, 0]]]])
    check_torch(max_pool2d, F.max_pool2d, x, backward=max_pool2d_backward, rng=0, kernel_size=2)


@pytest.mark.parametrize("x", [[np.nan, 1.0], [1.0, np.nan]])
def test_a_nan_among_channels_and_in_a_map(x):
    x = np.array(x).reshape(1, 2, 1)
    assert np.isnan(cross_channel_max_pool(x, 2)).all()
    np.testing.assert_array_equal(cross_channel_max_pool_backward([[[5]]], x, 2), np.where(np.isnan(x), 5, 0))
    np.testing.assert_array_equal(
        global_max_pool_backward([[5]], x.reshape(1, 1, 2)), np.where(np.isnan(x), 5, 0).reshape(1, 1, 2)
    )


def test_the_first_of_equal_maxima_in_reading_order():
    x = np.ones((1, 1, 3, 3))
    np.testing.assert_array_equal(
        max_pool2d_backward([[[[1, 2], [4, 8]]]], x, 2, stride=1)[0, 0], [[1, 2, 0], [4, 8, 0], [0, 0, 0]]
    )
    x[0, 0, 1, 1] = 2  # now the maximum of all four regions
    assert max_pool2d_backward([[[[1, 2], [4, 8]]]], x, 2, stride=1)[0, 0, 1, 1] == 15
    assert global_max_pool_backward([[3]], np.ones((1, 1, 2, 2))).tolist() == [[[[3, 0], [0, 0]]]]
    assert cross_channel_max_pool_backward([[[3]]], np.ones((1, 2, 1)), 2).tolist() == [[[3], [0]]]


@pytest.mark.parametrize("options", [{"kernel_size": 2}, {"kernel_size": 2, "stride": 1}])
def test_pixels_without_gradient_have_0_not_minus_0(options, rng):
    x = rng.normal(size=(1, 2, 5, 6))
    dx = max_pool2d_backward(-np.ones(max_pool2d(x, **options).shape), x, **options)
    assert not np.signbit(dx[dx == 0]).any()
    dx = cross_channel_max_pool_backward(-np.ones((1, 1, 5, 6)), x, 2)
    assert not np.signbit(dx[dx == 0]).any()


# The same idea in other words


def test_global_pooling_is_pooling_with_a_region_of_the_size_of_the_input(rng):
    x = rng.integers(0, 5, size=(3, 2, 4, 5)).astype(float)
    dy = rng.normal(size=(3, 2))
    check_values(global_max_pool(x), max_pool2d(x, (4, 5))[:, :, 0, 0])
    check_values(global_avg_pool(x), avg_pool2d(x, (4, 5))[:, :, 0, 0])
    check_values(global_max_pool_backward(dy, x), max_pool2d_backward(dy[:, :, None, None], x, (4, 5)))
    check_values(global_avg_pool_backward(dy, x), avg_pool2d_backward(dy[:, :, None, None], x, (4, 5)))


def test_cross_channel_pooling_is_pooling_along_the_channels(rng):
    x = rng.integers(0, 3, size=(2, 6, 5)).astype(float)
    check_values(cross_channel_max_pool(x, 3), max_pool1d(x.swapaxes(1, 2), 3).swapaxes(1, 2))
    check_values(cross_channel_avg_pool(x, 3), avg_pool1d(x.swapaxes(1, 2), 3).swapaxes(1, 2))
    dy = rng.normal(size=(2, 2, 5))
    expected = max_pool1d_backward(dy.swapaxes(1, 2), x.swapaxes(1, 2), 3).swapaxes(1, 2)
    check_values(cross_channel_max_pool_backward(dy, x, 3), expected)
    check_values(cross_channel_avg_pool_backward(dy, x, 3), np.repeat(dy, 3, axis=1) / 3)


def test_max_pooling_tolerates_where_in_the_region_a_pattern_is():
    x = np.zeros((4, 1, 4, 4))
    for image, (i, j) in enumerate([(2, 2), (2, 3), (3, 2), (3, 3)]):
        x[image, 0, i, j] = 1
    np.testing.assert_array_equal(max_pool2d(x, 2), np.broadcast_to([[0, 0], [0, 1]], (4, 1, 2, 2)))


# Maps in portions


@pytest.mark.parametrize("cache", [1, 1000, 2500])
def test_maps_in_portions_are_the_maps(cache, rng, monkeypatch):
    monkeypatch.setattr(pnnlib.pool._portions, "__kwdefaults__", {"cache": cache})
    x, options = rng.normal(size=(5, 3, 6, 7)), {"kernel_size": 3, "stride": 2, "padding": 1}
    check_torch(max_pool2d, F.max_pool2d, x, backward=max_pool2d_backward, rng=rng, **options)
    check_torch(avg_pool2d, F.avg_pool2d, x, backward=avg_pool2d_backward, rng=rng, **options)


def test_more_maps_than_the_cache_holds_are_divided(rng):
    x = rng.normal(size=(7, 3, 80, 81))
    sizes = [len(some_x) for some_x, _ in pnnlib.pool._portions(x, x[:, :, ::2])]
    assert 1 < len(sizes) < 21 and sum(sizes) == 21
    check_torch(max_pool2d, F.max_pool2d, x, backward=max_pool2d_backward, rng=rng, kernel_size=2)
    check_torch(avg_pool2d, F.avg_pool2d, x, backward=avg_pool2d_backward, rng=rng, kernel_size=2)


# Whatever the arguments are made of

PAIRS = [
    (max_pool2d, max_pool2d_backward, {"kernel_size": 2, "stride": 1, "padding": 1}),
    (avg_pool2d, avg_pool2d_backward, {"kernel_size": 2}),
    (avg_pool2d, avg_pool2d_backward, {"kernel_size": 3, "padding": 1, "count_include_pad": False}),
    (global_max_pool, global_max_pool_backward, {}),
    (global_avg_pool, global_avg_pool_backward, {}),
    (cross_channel_max_pool, cross_channel_max_pool_backward, {"group": 2}),
    (cross_channel_avg_pool, cross_channel_avg_pool_backward, {"group": 2}),
]
EACH_PAIR = pytest.mark.parametrize("forward, backward, options", PAIRS)


@EACH_PAIR
@pytest.mark.parametrize("shape", [(0, 2, 4, 5), (2, 0, 4, 5)])
def test_no_images_or_no_channels(forward, backward, options, shape):
    x = np.ones(shape)
    y = forward(x, **options)
    assert y.size == 0 and y.shape[0] == shape[0] and y.shape[2:] == forward(np.ones((1, 2, 4, 5)), **options).shape[2:]
    assert backward(y, x, **options).shape == shape


@EACH_PAIR
@pytest.mark.parametrize("dtype", [np.float16, np.longdouble])
def test_every_floating_point_type_is_kept(forward, backward, options, dtype, rng):
    x = rng.integers(0, 5, size=(2, 4, 4, 5)).astype(dtype)
    y = forward(x, **options)
    assert y.dtype == backward(y, x, **options).dtype == dtype
    np.testing.assert_allclose(y, forward(x.astype(float), **options), rtol=1e-3)


@EACH_PAIR
def test_integers_are_taken_as_float64(forward, backward, options):
    x = np.full((1, 2, 4, 5), 200, np.uint8)
    y = forward(x, **options)
    assert y.dtype == np.float64 and y.max() == 200
    assert backward(y.astype(int), x, **options).dtype == np.float64
    assert backward(y.astype(np.float32), x.astype(np.float32), **options).dtype == np.float32


@EACH_PAIR
def test_a_result_is_an_array_of_its_own(forward, backward, options, rng):
    x = rng.normal(size=(1, 2, 4, 5))
    y = forward(x, **options)
    dx = backward(y, x, **options)
    assert not np.shares_memory(y, x) and not np.shares_memory(dx, x) and not np.shares_memory(dx, y)
    assert dx.flags.writeable and dx.flags.c_contiguous


def test_regions_of_one_pixel_are_a_copy(rng):
    x = rng.normal(size=(2, 4, 4, 5))
    for forward, options in ((max_pool2d, {"kernel_size": 1}), (avg_pool2d, {"kernel_size": 1}),
                             (cross_channel_max_pool, {"group": 1}), (cross_channel_avg_pool, {"group": 1})):
        y = forward(x, **options)
        np.testing.assert_array_equal(y, x)
        assert not np.shares_memory(y, x)


def test_one_number_standing_for_many(rng):
    x = np.broadcast_to(rng.normal(size=(1, 2, 1, 6)), (3, 2, 5, 6))  # strides of 0, read-only
    dy = np.broadcast_to(rng.normal(size=(2, 1, 1)), (3, 2, 2, 3))
    check_values(max_pool2d(x, 2), max_pool2d(x.copy(), 2))
    check_values(max_pool2d_backward(dy, x, 2), max_pool2d_backward(dy.copy(), x.copy(), 2))
    check_values(avg_pool2d_backward(dy, x, 2), avg_pool2d_backward(dy.copy(), x.copy(), 2))


def test_lists_and_mixed_types():
    assert max_pool1d([[[1, 3, 2, 5]]], [2]).tolist() == [[[3, 5]]]
    assert max_pool2d(np.ones((1, 1, 2, 4), np.float32), np.int64(2)).dtype == np.float32
    dy, x = np.ones((1, 1, 1, 2)), np.ones((1, 1, 2, 4), np.float32)
    assert max_pool2d_backward(dy, x, 2).dtype == np.float64


def test_pytorch_in_float32_is_followed_to_the_last_bit(rng):
    x = rng.normal(size=(4, 3, 9, 11)).astype(np.float32)
    for options in ({"kernel_size": 2}, {"kernel_size": 3, "stride": 2, "padding": 1}):
        np.testing.assert_array_equal(max_pool2d(x, **options), F.max_pool2d(torch.tensor(x), **options).numpy())
