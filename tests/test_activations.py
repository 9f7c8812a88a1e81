"""What the table of components (components/activations.py) cannot say of activations: slopes, corners, extremes."""

import warnings
from functools import partial

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from witnesses import check_purity, check_torch, check_values

from pnnlib.activations import (
    leaky_relu, leaky_relu_backward, leaky_relu_derivative, prelu, prelu_backward, prelu_derivative, relu,
    relu_backward, relu_derivative, sigmoid, sigmoid_backward, sigmoid_derivative, softmax, softmax_backward, tanh,
    tanh_backward, tanh_derivative, threshold, threshold_derivative,
)

ON_THE_CORNER = np.array([[-2.0, -0.0, 0.0], [1e-300, -1e-300, 3.0]])
SLOPES = np.array([0.25, -0.5, 1.5])

# φ, φ′, the backward, and PyTorch's φ; the slopes of prelu are an argument.
ELEMENTWISE = {
    "sigmoid": (sigmoid, sigmoid_derivative, sigmoid_backward, F.sigmoid),
    "tanh": (tanh, tanh_derivative, tanh_backward, F.tanh),
    "relu": (relu, relu_derivative, relu_backward, F.relu),
    "leaky_relu": (leaky_relu, leaky_relu_derivative, leaky_relu_backward, F.leaky_relu),
    "leaky_relu, steep": (*(partial(f, negative_slope=1.5) for f in (
        leaky_relu, leaky_relu_derivative, leaky_relu_backward, F.leaky_relu)),),
    "prelu": (
        partial(prelu, weight=SLOPES),
        partial(prelu_derivative, weight=SLOPES),
        lambda dy, x: prelu_backward(dy, x, SLOPES)[0],
        lambda x: F.prelu(x, torch.tensor(SLOPES)),
    ),
}
EACH = pytest.mark.parametrize("phi, derivative, backward, torch_phi", ELEMENTWISE.values(), ids=ELEMENTWISE)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


# The slopes.


@EACH
def test_the_derivative_is_the_slope_that_pytorch_finds(phi, derivative, backward, torch_phi, rng):
    net = rng.normal(size=(4, 3, 2, 5))
    theirs = torch.tensor(net, requires_grad=True)
    torch_phi(theirs).sum().backward()
    check_values(derivative(net), theirs.grad.numpy())


@EACH
def test_the_derivative_is_the_slope_between_two_near_points(phi, derivative, backward, torch_phi, rng):
    net = rng.normal(size=(4, 3, 2, 5))
    net[np.abs(net) < 0.01] = 0.5
    step = 1e-5
    check_values(derivative(net), (phi(net + step) - phi(net - step)) / (2 * step), atol=1e-9)


@EACH
def test_the_backward_multiplies_by_the_derivative(phi, derivative, backward, torch_phi, rng):
    net = np.where(rng.random(size=(4, 3, 2, 5)) < 0.2, 0, rng.normal(size=(4, 3, 2, 5)))  # some on the corner
    dy = rng.normal(size=net.shape)
    check_values(backward(dy, net), dy * derivative(net), atol=1e-15)


def test_the_slopes_of_sigmoid_and_tanh_are_largest_at_zero_and_vanish():
    assert sigmoid_derivative(0) == 0.25
    assert tanh_derivative(0) == 1
    net = np.linspace(-20, 20, 41)
    for derivative in (sigmoid_derivative, tanh_derivative):
        assert np.argmax(derivative(net)) == 20
        check_values(derivative(net[[0, -1]]), [0, 0], atol=1e-8)


# The corners.


def test_at_the_corner_the_lecture_has_1_and_pytorch_the_slope_on_the_left(rng):
    np.testing.assert_array_equal(relu_derivative(ON_THE_CORNER), [[0, 1, 1], [1, 0, 1]])
    np.testing.assert_array_equal(relu_derivative(ON_THE_CORNER, at_zero=0.5), [[0, 0.5, 0.5], [1, 0, 1]])
    np.testing.assert_array_equal(leaky_relu_derivative(ON_THE_CORNER, 0.1), [[0.1, 1, 1], [1, 0.1, 1]])
    np.testing.assert_array_equal(leaky_relu_derivative(ON_THE_CORNER, 0.1, 0.5), [[0.1, 0.5, 0.5], [1, 0.1, 1]])
    np.testing.assert_array_equal(prelu_derivative(ON_THE_CORNER, SLOPES), [[0.25, 1, 1], [1, -0.5, 1]])
    np.testing.assert_array_equal(prelu_derivative(ON_THE_CORNER, SLOPES, 0.5), [[0.25, 0.5, 0.5], [1, -0.5, 1]])
    np.testing.assert_array_equal(
        prelu_derivative(ON_THE_CORNER, SLOPES, at_zero=SLOPES), [[0.25, -0.5, 1.5], [1, -0.5, 1]]
    )


def test_at_the_corner_the_backward_does_as_the_derivative(rng):
    dy = rng.normal(size=ON_THE_CORNER.shape)
    np.testing.assert_array_equal(relu_backward(dy, ON_THE_CORNER), dy * [[0, 1, 1], [1, 0, 1]])
    np.testing.assert_array_equal(leaky_relu_backward(dy, ON_THE_CORNER, 0.1), dy * [[0.1, 1, 1], [1, 0.1, 1]])
    np.testing.assert_array_equal(prelu_backward(dy, ON_THE_CORNER, [0.1])[0], dy * [[0.1, 1, 1], [1, 0.1, 1]])
    check_torch(relu, F.relu, ON_THE_CORNER, backward=partial(relu_backward, at_zero=0), rng=rng)


# How the rectifiers are related.


def test_leaky_relu_lies_between_relu_and_a_straight_line(rng):
    x = rng.normal(size=(3, 4))
    np.testing.assert_array_equal(leaky_relu(x, 0), relu(x))
    np.testing.assert_array_equal(leaky_relu(x, 1), x)
    np.testing.assert_array_equal(leaky_relu(x, -1), np.abs(x))
    np.testing.assert_array_equal(leaky_relu_derivative(x, 0), relu_derivative(x))


def test_prelu_with_one_slope_for_all_is_leaky_relu(rng):
    for shape in [(5,), (2, 3), (2, 3, 4, 5)]:
        dy, x = rng.normal(size=(2, *shape))
        for slope in (0.2, [0.2]):
            np.testing.assert_array_equal(prelu(x, slope), leaky_relu(x, 0.2))
            np.testing.assert_array_equal(prelu_backward(dy, x, slope)[0], leaky_relu_backward(dy, x, 0.2))


def test_the_gradient_of_a_shared_slope_is_the_sum_over_the_channels(rng):
    dy, x = rng.normal(size=(2, 2, 3, 4, 5))
    _, each = prelu_backward(dy, x, [0.2, 0.2, 0.2])
    _, shared = prelu_backward(dy, x, [0.2])
    check_values(shared, [each.sum()])


# Softmax.


def test_softmax_shares_1_out(rng):
    x = rng.normal(0, 5, size=(4, 3, 2))
    y = softmax(x, 1)
    check_values(y.sum(axis=1), np.ones((4, 2)))
    assert np.all(y > 0)
    np.testing.assert_array_equal(y.argmax(axis=1), x.argmax(axis=1))
    check_values(softmax(x + rng.normal(size=(4, 1, 2)), 1), y)
    check_values(softmax_backward(rng.normal(size=x.shape), x, 1).sum(axis=1), np.zeros((4, 2)))


def test_softmax_of_two_is_the_sigmoid_of_their_difference(rng):
    x = rng.normal(0, 5, size=(20, 2))
    check_values(softmax(x, 1)[:, 0], sigmoid(x[:, 0] - x[:, 1]))


def test_softmax_leaves_out_minus_infinity():
    check_values(softmax([[0, -np.inf, 0], [-np.inf, 0, -np.inf]], 1), [[0.5, 0, 0.5], [0, 1, 0]])


# Extremes: no overflow, no nan, and in the tails as many digits as there are.


EXTREME = [-1e30, -1e4, -1000, -800, -100, 0, 100, 800, 1000, 1e4, 1e30]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@EACH
def test_net_inputs_of_any_size(phi, derivative, backward, torch_phi, dtype):
    net = np.repeat(np.array([EXTREME], dtype).T, 3, axis=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        y, slope, dx = phi(net), derivative(net), backward(np.full_like(net, 2), net)
    assert np.all(np.isfinite([y, slope, dx]))
    np.testing.assert_allclose(y, torch_phi(torch.tensor(net, dtype=torch.float64)).numpy(), rtol=1e-6, atol=1e-40)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_softmax_of_net_inputs_of_any_size(dtype):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        x = np.array([EXTREME, EXTREME[::-1]], dtype)
        np.testing.assert_array_equal(softmax(x, 1), np.eye(len(EXTREME))[[-1, 0]])
        np.testing.assert_array_equal(softmax_backward(x / 2, x, 1), np.zeros_like(x))
        x = np.array([[1000, 1000, -1000], [-1000, -1000, -1000 - np.log(2)]], dtype)
        np.testing.assert_allclose(softmax(x, 1), [[0.5, 0.5, 0], [0.4, 0.4, 0.2]], rtol=1e-4)


def test_the_tail_of_sigmoid_is_exponential():
    net = np.array([-40.0, -300.0, -700.0])
    np.testing.assert_allclose(sigmoid(net), np.exp(net), rtol=1e-12)
    np.testing.assert_allclose(sigmoid_derivative(net), np.exp(net), rtol=1e-12)
    np.testing.assert_allclose(sigmoid(np.float32([-80])), np.exp(-80), rtol=1e-5)
    assert sigmoid(-1000) == 0 and sigmoid(1000) == 1


@EACH
def test_what_is_not_a_number_stays_so(phi, derivative, backward, torch_phi):
    np.testing.assert_array_equal(np.isnan(phi([[np.nan, 1, -1]])), [[True, False, False]])


# The threshold.


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


# What holds for all, also for those that are not in the table.


DERIVATIVES = [
    sigmoid_derivative, tanh_derivative, relu_derivative, leaky_relu_derivative,
    partial(prelu_derivative, weight=0.25), threshold_derivative,
]


def test_purity(rng):
    x = rng.normal(size=(2, 3, 4))
    for function in [threshold, *DERIVATIVES]:
        check_purity(function, x)
    check_purity(threshold, x, rng.normal(size=(3, 1)))
    check_purity(threshold_derivative, x, rng.normal(size=(3, 1)))
    check_purity(prelu_derivative, x, rng.normal(size=3))
    check_purity(prelu_derivative, x, rng.normal(size=3), at_zero=rng.normal(size=3))


@pytest.mark.parametrize(
    "function", [threshold, sigmoid, tanh, relu, leaky_relu, partial(prelu, weight=0.25), partial(softmax, dim=0),
                 *DERIVATIVES]
)
def test_integers_become_floats(function):
    result = function(np.array([0, 3], np.uint8))
    assert result.dtype == np.float64
    np.testing.assert_array_equal(result, function([0.0, 3.0]))


def test_a_plain_number_leaves_float32_alone():
    x = np.float32([[1, -2]])
    assert threshold(x, 1.5).dtype == np.float32
    assert prelu(x, 0.25).dtype == np.float32
    for a in (0.25, np.float64(0.25), np.array(0.25)):
        assert leaky_relu(x, a).dtype == np.float32
        assert leaky_relu_derivative(x, a, at_zero=a).dtype == np.float32
        assert leaky_relu_backward(x, x, a, at_zero=a).dtype == np.float32
        assert prelu_derivative(x, np.float32([1, 2]), at_zero=a).dtype == np.float32


@pytest.mark.parametrize("shape", [(0, 3), (2, 3, 0)])
def test_nothing_to_do(shape):
    x = np.ones(shape)
    for phi, derivative, backward, _ in ELEMENTWISE.values():
        assert phi(x).shape == derivative(x).shape == backward(x, x).shape == shape
    for dim in range(len(shape)):
        assert softmax(x, dim).shape == softmax_backward(x, x, dim).shape == shape
    np.testing.assert_array_equal(prelu_backward(x, x, SLOPES)[1], np.zeros(3))
    assert prelu_backward(np.ones((2, 0)), np.ones((2, 0)), np.ones(0))[1].shape == (0,)


def test_errors_name_the_operation_and_the_cause():
    with pytest.raises(ValueError, match=r"^threshold: theta must .* net of shape \(2, 3, 4, 5\), got \(3,\).*reshape"):
        threshold(np.ones((2, 3, 4, 5)), np.ones(3))
    with pytest.raises(ValueError, match="^threshold_derivative: theta must"):
        threshold_derivative(np.ones(2), np.ones((2, 2)))
    with pytest.raises(TypeError, match="^sigmoid_derivative: net must be an array of numbers, got None"):
        sigmoid_derivative(None)
    with pytest.raises(TypeError, match="^tanh_derivative: net must be an array of numbers, got None"):
        tanh_derivative(None)
    with pytest.raises(ValueError, match=r"^leaky_relu_derivative: negative_slope must be one number, got \(3,\)"):
        leaky_relu_derivative(np.ones((2, 3)), SLOPES)
    with pytest.raises(ValueError, match=r"^prelu_derivative: weight must be \(4,\), one number for each channel, or"):
        prelu_derivative(np.ones((2, 4)), SLOPES)
    with pytest.raises(ValueError, match=r"^prelu_derivative: at_zero must be \(3,\), .* got \(4,\)"):
        prelu_derivative(np.ones((2, 3)), SLOPES, at_zero=np.ones(4))
