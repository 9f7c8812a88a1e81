from functools import partial

import numpy as np
import pytest
import torch
from witnesses import check_derivative, check_purity, check_torch, check_values

from pnnlib.activations import relu, relu_backward, relu_derivative, threshold, threshold_derivative

ON_THE_CORNER = np.array([[-2.0, -0.0, 0.0], [1e-300, -1e-300, 3.0]])


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_relu_is_the_lectures_case_by_case(rng):
    x = rng.normal(size=(2, 3, 4))
    expected = np.empty_like(x)
    for place in np.ndindex(x.shape):
        expected[place] = x[place] if x[place] >= 0 else 0
    check_values(relu(x), expected)


def test_relu_agrees_with_pytorch_and_with_its_derivative(rng):
    x = rng.normal(size=(2, 3, 4, 5))
    x[np.abs(x) < 0.01] = 0.5  # away from the corner the convention does not matter
    check_torch(relu, torch.nn.functional.relu, x, backward=relu_backward, rng=rng)
    check_derivative(relu, relu_backward, x, rng=rng)


def test_at_the_corner_the_lecture_has_1_and_pytorch_0(rng):
    np.testing.assert_array_equal(relu_derivative(ON_THE_CORNER), [[0, 1, 1], [1, 0, 1]])
    np.testing.assert_array_equal(relu_derivative(ON_THE_CORNER, at_zero=0.5), [[0, 0.5, 0.5], [1, 0, 1]])
    dy = rng.normal(size=ON_THE_CORNER.shape)
    np.testing.assert_array_equal(relu_backward(dy, ON_THE_CORNER), dy * [[0, 1, 1], [1, 0, 1]])
    backward = partial(relu_backward, at_zero=0)
    check_torch(relu, torch.nn.functional.relu, ON_THE_CORNER, backward=backward, rng=rng)


@pytest.mark.parametrize("theta", [0, 0.5, "one per map"])
def test_threshold_is_the_lectures_linear_threshold_unit(rng, theta):
    net = rng.normal(size=(2, 3, 4, 5))
    theta = rng.normal(size=(3, 1, 1)) if theta == "one per map" else theta
    per_net = np.broadcast_to(theta, net.shape)
    expected = [1.0 if net[place] - per_net[place] >= 0 else 0.0 for place in np.ndindex(net.shape)]
    check_values(threshold(net, theta).ravel(), expected)
    theirs = torch.heaviside(torch.tensor(net - theta), torch.ones(1, dtype=torch.float64))
    check_values(threshold(net, theta), theirs.numpy())


@pytest.mark.parametrize("at_zero", [0, 0.5, 1])
def test_threshold_on_the_threshold(at_zero):
    net = [1.0, 2.0, 3.0]
    np.testing.assert_array_equal(threshold(net, 2, at_zero=at_zero), [0, at_zero, 1])
    np.testing.assert_array_equal(threshold_derivative(net, 2, at_zero=at_zero), [0, at_zero, 0])
    np.testing.assert_array_equal(threshold_derivative(net, 2), [0, 0, 0])


def test_threshold_is_flat(rng):
    net = rng.normal(size=(3, 4))
    step = 1e-9
    slope = (threshold(net + step, 0.5) - threshold(net - step, 0.5)) / (2 * step)
    check_values(threshold_derivative(net, 0.5), slope)


def test_purity(rng):
    x, dy = rng.normal(size=(2, 2, 3, 4))
    check_purity(relu, x)
    check_purity(relu_derivative, x)
    check_purity(relu_backward, dy, x)
    check_purity(threshold, x)
    check_purity(threshold, x, rng.normal(size=(3, 1)))
    check_purity(threshold_derivative, x)


@pytest.mark.parametrize("function", [relu, relu_derivative, threshold, threshold_derivative])
def test_integers_become_floats(function):
    result = function(np.array([0, 3], np.uint8))
    assert result.dtype == np.float64
    np.testing.assert_array_equal(result, function([0.0, 3.0]))


def test_a_plain_number_as_threshold_leaves_float32_alone():
    assert threshold(np.float32([1, 2]), 1.5).dtype == np.float32


def test_errors_name_the_operation_and_the_cause():
    with pytest.raises(ValueError, match=r"^relu_backward: dy must be \(2, 3\), .* got \(3, 2\)"):
        relu_backward(np.ones((3, 2)), np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"^threshold: theta must .* net of shape \(2, 3, 4, 5\), got \(3,\).*reshape"):
        threshold(np.ones((2, 3, 4, 5)), np.ones(3))
    with pytest.raises(ValueError, match="^threshold_derivative: theta must"):
        threshold_derivative(np.ones(2), np.ones((2, 2)))
    with pytest.raises(TypeError, match="^relu: x must be an array of numbers, got None"):
        relu(None)
    with pytest.raises(TypeError, match="^relu: x must be an array of real numbers, got one of dtype <U1"):
        relu(["a"])
    with pytest.raises(ValueError, match="^relu: x must be an array of numbers, got rows of unequal length"):
        relu([[1, 2], [3]])
