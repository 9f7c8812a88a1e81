"""What is left to chance, by its properties: no seed is right, any draw may be.

A share of n draws lies within 6 standard deviations of p, 6 √(p(1 − p) / n),
unless something is wrong: chance alone does that twice in a thousand million.
"""

import numpy as np
import pytest
import torch

from pnnlib.dropout import dropout, dropout_backward, dropout_mask

SHARES = [0, 0.1, 0.5, 0.8, 1]


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize("p", SHARES)
def test_the_share_p_is_dropped(p, rng):
    mask = dropout_mask((200, 500), p, rng)
    assert mask.shape == (200, 500) and mask.dtype == np.float64
    assert np.isin(mask, [0, 1]).all()
    assert abs((1 - mask).mean() - p) <= 6 * np.sqrt(p * (1 - p) / mask.size)


@pytest.mark.parametrize("p", [0.2, 0.5])
def test_every_value_is_dropped_on_its_own(p, rng):
    """Rows, columns and neighbours know nothing of each other: pairs are dropped together with probability p²."""
    dropped = 1 - dropout_mask((300, 40, 10), p, rng)
    p2 = p * p
    for one, other in (
        (dropped[:-1], dropped[1:]),
        (dropped[:, :-1], dropped[:, 1:]),
        (dropped[..., :-1], dropped[..., 1:]),
        (dropped[:150], dropped[150:]),
    ):
        # neighbouring pairs share a value, which widens the spread: at most double
        assert abs((one * other).mean() - p2) <= 12 * np.sqrt(p2 * (1 - p2) / one.size)
    # no value of an image is dropped more often than others, and none always with its image
    for axes, many in (((1, 2), 400), (0, 300)):
        assert abs(dropped.mean(axis=axes) - p).max() <= 6 * np.sqrt(p * (1 - p) / many)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.8])
def test_the_mean_over_many_masks_is_x_because_of_the_scaling(p, rng):
    x = rng.normal(size=5)
    many = 40_000
    masks = dropout_mask((many, 5), p, rng)
    error = np.abs(x) * np.sqrt(p / (1 - p) / many)  # standard deviation of the mean of y
    ys = np.array([dropout(x, p, mask=mask) for mask in masks[:100]])
    np.testing.assert_allclose(ys, dropout(np.tile(x, (100, 1)), p, mask=masks[:100]))
    mean = dropout(np.tile(x, (many, 1)), p, mask=masks).mean(axis=0)
    assert (np.abs(mean - x) <= 6 * error).all()
    # the lecture's form without scaling is smaller, by 1 - p
    assert (np.abs((masks * x).mean(axis=0) - (1 - p) * x) <= 6 * error).all()


def test_a_value_is_either_silent_or_scaled(rng):
    x = rng.normal(size=(30, 40))
    y = dropout(x, 0.2, rng=1)
    silent = y == 0
    np.testing.assert_array_equal(y[~silent], x[~silent] * (1 / 0.8))
    assert 0 < silent.sum() < x.size


def test_the_same_rng_the_same_mask_and_a_generator_goes_on(rng):
    x = rng.normal(size=(20, 30))
    np.testing.assert_array_equal(dropout_mask(x.shape, 0.3, 7), dropout_mask(x.shape, 0.3, 7))
    np.testing.assert_array_equal(
        dropout(x, 0.3, rng=7), dropout(x, 0.3, mask=dropout_mask(x.shape, 0.3, rng=np.random.default_rng(7)))
    )
    generator = np.random.default_rng(7)
    first, second = dropout_mask(x.shape, 0.3, generator), dropout_mask(x.shape, 0.3, generator)
    assert (first != second).any()
    assert (dropout_mask(x.shape, 0.3, 7) != dropout_mask(x.shape, 0.3, 8)).any()
    assert (dropout_mask(x.shape) != dropout_mask(x.shape)).any()


def test_global_randomness_is_not_touched():
    before = np.random.get_state()[1].copy()
    dropout(np.ones(9)), dropout(np.ones(9), rng=3)
    np.testing.assert_array_equal(before, np.random.get_state()[1])


def test_the_backward_is_silent_where_the_forward_was(rng):
    x, dy = rng.normal(size=(2, 7, 9))
    mask = dropout_mask(x.shape, 0.4, rng)
    y, dx = dropout(x, 0.4, mask=mask), dropout_backward(dy, x, 0.4, mask=mask)
    np.testing.assert_array_equal(y == 0, dx == 0)
    np.testing.assert_allclose(y / x, dx / dy)
    np.testing.assert_allclose(np.sum(dy * y), np.sum(dx * x))  # linear: both are Σ Z x dy / (1 − p)


def test_nothing_is_kept_with_p_1_and_everything_with_p_0(rng):
    x, dy = rng.normal(size=(2, 4, 5))
    np.testing.assert_array_equal(dropout(x, p=1, rng=0), 0)
    np.testing.assert_array_equal(dropout_backward(dy, x, p=1, mask=dropout_mask(x.shape, 1)), 0)
    np.testing.assert_array_equal(dropout(x, p=1, mask=np.ones_like(x)), 0)
    np.testing.assert_array_equal(dropout(x, p=0, rng=0), x)
    np.testing.assert_array_equal(dropout_backward(dy, x, p=0, mask=dropout_mask(x.shape, 0)), dy)


def test_in_use_nothing_changes_and_nothing_is_shared(rng):
    x, dy = rng.normal(size=(2, 4, 5))
    for p in SHARES:
        np.testing.assert_array_equal(dropout(x, p, training=False), x)
        np.testing.assert_array_equal(dropout_backward(dy, x, p, training=False), dy)
    assert not np.shares_memory(dropout(x, training=False), x)
    assert not np.shares_memory(dropout_backward(dy, x, training=False), dy)
    assert not np.shares_memory(dropout(x, p=0, rng=0), x)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.float32, np.float64])
def test_a_mask_of_any_type_leaves_the_type_of_x_alone(dtype, rng):
    mask = dropout_mask((5, 6), 0.5, rng)
    x = rng.normal(size=(5, 6)).astype(np.float32)
    for y in (dropout(x, 0.5, mask=mask.astype(dtype)), dropout_backward(x, x, 0.5, mask=mask.astype(dtype))):
        assert y.dtype == np.float32
        np.testing.assert_array_equal(y, x * mask.astype(np.float32) * 2)
    assert dropout(x, np.float64(0.5), rng=0).dtype == np.float32


def test_integers_become_floats():
    y = dropout(np.full(9, 200, np.uint8), 0.5, mask=[1] * 9)
    assert y.dtype == np.float64
    np.testing.assert_array_equal(y, 400)


@pytest.mark.parametrize("shape", [(0,), (0, 3), (2, 0, 4)])
def test_nothing_of_nothing(shape):
    assert dropout(np.ones(shape), rng=0).shape == dropout_mask(shape).shape == shape
    assert dropout_backward(np.ones(shape), np.ones(shape), mask=np.ones(shape)).shape == shape


def test_a_single_number(rng):
    assert float(dropout(3.0, 0.5, mask=1)) == 6 and float(dropout(3.0, 0.5, mask=0)) == 0
    assert float(dropout(3.0, 0.5, rng=0)) in (0, 6)


def test_what_is_not_finite_stays_so_as_in_pytorch():
    x = np.array([np.nan, np.inf, 1.0])
    ours = dropout(x, 0.5, mask=[1, 1, 0])
    np.testing.assert_array_equal(ours, [np.nan, np.inf, 0])
    theirs = torch.nn.functional.dropout(torch.tensor(x), 1.0).numpy()
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(dropout(x, 1.0), theirs)


@pytest.mark.parametrize("arguments, sentence", [
    ((np.ones((2, 3)),), "shape must be a shape, such as (4, 4), got an array (2, 3): x.shape?"),
    (("x",), "shape must be a shape, such as (4, 4), got 'x'"),
    (((2, -1),), "shape must be a shape, such as (4, 4), got (2, -1)"),
    ((None,), "shape must be a shape, such as (4, 4), got None"),
])
def test_errors_of_the_mask(arguments, sentence):
    with pytest.raises(TypeError) as caught:
        dropout_mask(*arguments)
    assert str(caught.value) == "dropout_mask: " + sentence
    with pytest.raises(ValueError, match="^dropout_mask: p must be a number from 0 to 1, got 2: 20 % is 0.2"):
        dropout_mask((2, 3), 2)
