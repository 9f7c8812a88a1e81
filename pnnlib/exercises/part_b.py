"""The exercises of part b: vanishing and exploding gradients.

PyTorch is the oracle: it runs the network forward and differentiates it. φ
comes as a NumPy function with its derivative, and PyTorch is told of both.
"""

from __future__ import annotations

import functools
import math

import numpy as np

from .exercise import Case, exercise
from .given import Function

SIGMOID = Function("sigmoid", "lambda net: 1 / (1 + np.exp(-net))")
SIGMOID_PRIME = Function("sigmoid_prime", "lambda net: np.exp(-net) / (1 + np.exp(-net)) ** 2")
TANH = Function("tanh", "lambda net: np.tanh(net)")
TANH_PRIME = Function("tanh_prime", "lambda net: 1 - np.tanh(net) ** 2")
SOFTPLUS = Function("softplus", "lambda net: np.log1p(np.exp(net))")  # the smooth ReLU; its slope is the sigmoid
SOFTPLUS_PRIME = SIGMOID
RELU = Function("relu", "lambda net: np.maximum(net, 0.0)")
RELU_PRIME = Function("relu_prime", "lambda net: 1.0 * (net > 0)")


# Numbers for the cases --------------------------------------------------------------------


def numbers(rng, *shape):
    """Halves between -4.5 and 4.5, none of them 0."""
    return rng.choice([-1, 1], shape) * rng.integers(1, 10, shape) / 2


def number(rng, low, high):
    """One multiple of 1/4 between low and high, a Python float."""
    return float(rng.integers(4 * low, 4 * high + 1)) / 4


def weights(rng, n, positive=False):
    """Multiples of 1/8 from 0.5 to 2, all of different size, at least one of them negative."""
    w = rng.choice(np.arange(4, 17), n, replace=False) / 8
    if positive:
        return w
    sign = rng.choice([-1, 1], n)
    sign[rng.integers(n)] = -1
    return w * sign


def matrices(rng, *sizes):
    """For each pair of neighbouring sizes (m, n) a matrix (n, m) of eighths between -1 and 1, none of them 0."""
    return [
        rng.choice([-1, 1], (n, m)) * rng.integers(1, 9, (n, m)) / 8 for m, n in zip(sizes, sizes[1:], strict=False)
    ]


def steeper_tanh(rng):
    """A φ of its own and its derivative: whoever took φ for tanh or sigmoid is wrong here."""
    a, b = float(rng.integers(5, 9)) / 4, float(rng.integers(2, 4)) / 4
    phi = Function("phi", f"lambda net: {a} * np.tanh({b} * net)")
    return phi, Function("phi_prime", f"lambda net: {a * b} * (1 - np.tanh({b} * net) ** 2)")


# The oracle -------------------------------------------------------------------------------


@functools.cache
def _phi_in_torch():
    import torch

    class Phi(torch.autograd.Function):
        @staticmethod
        def forward(ctx, net, phi, phi_prime):
            ctx.save_for_backward(net)
            ctx.phi_prime = phi_prime
            return torch.as_tensor(np.asarray(phi(net.numpy()), float))

        @staticmethod
        def backward(ctx, dy):
            (net,) = ctx.saved_tensors
            return dy * torch.as_tensor(np.asarray(ctx.phi_prime(net.numpy()), float)), None, None

    return Phi.apply


def in_torch(phi, phi_prime=None):
    """φ as an operation that PyTorch can differentiate, with φ′ in its backward."""
    return lambda net: _phi_in_torch()(net, phi, phi_prime)


def torch_chain(x, w, phi, phi_prime=None):
    """All y of the chain as tensors, and the tensor of its weights."""
    import torch

    w = torch.tensor(np.asarray(w, float), requires_grad=phi_prime is not None)
    y = [torch.tensor(float(x), dtype=torch.float64, requires_grad=phi_prime is not None)]
    for w_j in w:
        y.append(in_torch(phi, phi_prime)(w_j * y[-1]))
    return y, w


def torch_slope(phi, net):
    """φ′(net) by autograd, for one of PyTorch's own functions."""
    import torch

    net = torch.tensor(np.asarray(net, float), requires_grad=True)
    (slope,) = torch.autograd.grad(phi(net).sum(), net)
    return slope.numpy()


# chain_forward ----------------------------------------------------------------------------


@exercise({"basic": 1.5, "edge cases": 0.5})
def chain_forward(x, w, phi):
    """The outputs y of all neurons, the input x first, an array of length len(w) + 1."""
    y, _ = torch_chain(x, w, phi)
    return np.array([y_j.item() for y_j in y])


@chain_forward.cases
def _(rng):
    yield Case((number(rng, 1, 2), weights(rng, 2), SIGMOID))
    yield Case((number(rng, -2, -1), weights(rng, 3), TANH))
    yield Case((number(rng, 1, 3), weights(rng, 4), SOFTPLUS))
    yield Case((number(rng, 1, 2), weights(rng, 5), steeper_tanh(rng)[0]))
    yield Case((number(rng, 1, 3), weights(rng, 1), TANH), criterion="edge cases")
    yield Case((0.0, weights(rng, 3), SIGMOID), criterion="edge cases")
    yield Case((number(rng, 1, 2), weights(rng, 3, positive=True), RELU), criterion="edge cases")
    yield Case((number(rng, 2, 3), weights(rng, 9), SIGMOID), criterion="edge cases")


def _forward(x, w, phi):
    y = [x]
    for w_j in w:
        y.append(phi(w_j * y[-1]))
    return np.array(y, float)


@chain_forward.chaff("You applied φ to the input; y_1 is x itself.")
def phi_on_the_input(x, w, phi):
    return _forward(phi(x), w, phi)


@chain_forward.chaff("The last neuron is missing its φ: every weighted input goes through φ, the last one too.")
def last_without_phi(x, w, phi):
    y = _forward(x, w, phi)
    y[-1] = w[-1] * y[-2]
    return y


@chain_forward.chaff("You used the weights from the last to the first; w[0] belongs to the first connection.")
def weights_in_reverse(x, w, phi):
    return _forward(x, w[::-1], phi)


@chain_forward.chaff("Your y begins with the second neuron; the input x is y_1 and stands first.")
def input_left_out(x, w, phi):
    return _forward(x, w, phi)[1:]


@chain_forward.chaff("The last output is missing: there is one more y than there are weights.")
def output_left_out(x, w, phi):
    return _forward(x, w, phi)[:-1]


@chain_forward.chaff("The last output is still 0: the loop ends one neuron too early.")
def last_output_zero(x, w, phi):
    y = _forward(x, w, phi)
    y[-1] = 0
    return y


@chain_forward.chaff("Only the output of the last neuron is returned; all y are asked for, the input first.")
def only_the_last(x, w, phi):
    return _forward(x, w, phi)[-1]


@chain_forward.chaff("You return the net inputs w_j·y_j; apply φ to each to get the outputs.")
def net_inputs(x, w, phi):
    y = _forward(x, w, phi)
    return np.array([x, *(w * y[:-1])])


@chain_forward.chaff("φ is left out everywhere: your chain only multiplies.")
def phi_left_out(x, w, phi):
    return _forward(x, w, lambda net: net)


@chain_forward.chaff("φ came before the weight: y_{j+1} is φ(w_j·y_j), not w_j·φ(y_j).")
def phi_before_weight(x, w, phi):
    y = [x]
    for w_j in w:
        y.append(w_j * phi(y[-1]))
    return np.array(y, float)


@chain_forward.chaff("Every neuron got x as its input; it gets the output of the neuron before.")
def always_x(x, w, phi):
    return np.array([x, *(phi(w_j * x) for w_j in w)], float)


@chain_forward.chaff("You added the weight to the input; a weight multiplies.")
def weight_added(x, w, phi):
    y = [x]
    for w_j in w:
        y.append(phi(w_j + y[-1]))
    return np.array(y, float)


@chain_forward.chaff("Every neuron got the first weight; each connection has its own.")
def first_weight_for_all(x, w, phi):
    return _forward(x, np.full_like(w, w[0]), phi)


@chain_forward.chaff("Your chain always uses the sigmoid; apply the function that comes as phi.")
def sigmoid_built_in(x, w, phi):
    return _forward(x, w, _sigmoid)


@chain_forward.chaff("Your chain always uses tanh; apply the function that comes as phi.")
def tanh_built_in(x, w, phi):
    return _forward(x, w, np.tanh)


@chain_forward.chaff("The right outputs, from the last neuron back to the first; the input stands first.")
def outputs_reversed(x, w, phi):
    return _forward(x, w, phi)[::-1]


# sigmoid_derivative -----------------------------------------------------------------------


@exercise({"basic": 1.0, "edge cases": 0.5})
def sigmoid_derivative(net):
    """The slope of the sigmoid at every net input, in the shape of net."""
    import torch

    return torch_slope(torch.sigmoid, net)


def _net_cases(rng):
    yield Case((numbers(rng, 3) / 2,))
    yield Case((number(rng, 1, 3) * float(rng.choice([-1, 1])),))
    yield Case((numbers(rng, 2, 3) / 2,))
    yield Case((rng.integers(-3000, 3001, (3, 2)) / 1000,))
    yield Case((np.array([0.0, *numbers(rng, 2)]),), criterion="edge cases")
    yield Case((0.0,), criterion="edge cases")
    yield Case((np.array([-30.0, 20.0, -0.5]) + numbers(rng, 3),), criterion="edge cases")
    yield Case((numbers(rng, 2, 1, 3),), criterion="edge cases")


sigmoid_derivative.cases(_net_cases)


def _sigmoid(net):
    return 1 / (1 + np.exp(-np.asarray(net, float)))


@sigmoid_derivative.chaff(
    "You took net for y. The slope y(1-y) holds for the output y = φ(net), so compute y first."
)
def net_taken_for_y(net):
    return np.asarray(net) * (1 - np.asarray(net))


@sigmoid_derivative.chaff("This is φ(net) itself; asked for is its slope.")
def sigmoid_itself(net):
    return _sigmoid(net)


@sigmoid_derivative.chaff(
    "This is 1-φ(net), one factor of the slope φ(net)·(1-φ(net)). In the quotient e^(-net)/(1+e^(-net))² it "
    "comes from a missing square."
)
def one_minus_sigmoid(net):
    return 1 - _sigmoid(net)


@sigmoid_derivative.chaff(
    "This is φ(net)²: the factor 1-φ(net) is missing, or in the quotient the e^(-net) on top."
)
def sigmoid_squared(net):
    return _sigmoid(net) ** 2


@sigmoid_derivative.chaff("1-φ² is the slope of tanh; the sigmoid's is φ(1-φ).")
def slope_of_tanh_from_sigmoid(net):
    return 1 - _sigmoid(net) ** 2


@sigmoid_derivative.chaff("This is the slope of tanh.")
def tanh_slope(net):
    return 1 - np.tanh(net) ** 2


@sigmoid_derivative.chaff(
    "The sign is wrong: the sigmoid rises everywhere. The minus of the exponent appears twice when you "
    "differentiate, and cancels."
)
def negative_slope(net):
    return -_sigmoid(net) * (1 - _sigmoid(net))


@sigmoid_derivative.chaff("One of your factors is φ(net), the other 1-net; it must be 1-φ(net).")
def half_way_net(net):
    return _sigmoid(net) * (1 - np.asarray(net))


@sigmoid_derivative.chaff("One of your factors is 1-φ(net), the other net; it must be φ(net).")
def half_way_net_first(net):
    return np.asarray(net) * (1 - _sigmoid(net))


@sigmoid_derivative.chaff(
    "You took the slope at y = φ(net): the sigmoid was applied once too often. The slope is wanted at net."
)
def slope_at_y(net):
    y = _sigmoid(_sigmoid(net))
    return y * (1 - y)


@sigmoid_derivative.chaff("Your answer is multiplied by net. The derivative is by net, and nothing lies inside net here.")
def times_net(net):
    return np.asarray(net) * _sigmoid(net) * (1 - _sigmoid(net))


@sigmoid_derivative.chaff("This is φ-φ³ or φ(1-φ²); the slope is φ(1-φ), without the square.")
def inner_square(net):
    return _sigmoid(net) * (1 - _sigmoid(net) ** 2)


# tanh_derivative --------------------------------------------------------------------------


@exercise({"basic": 0.75, "edge cases": 0.25})
def tanh_derivative(net):
    """The slope of tanh at every net input, in the shape of net."""
    import torch

    return torch_slope(torch.tanh, net)


tanh_derivative.cases(_net_cases)


@tanh_derivative.chaff("You took net for y. The slope 1-y² holds for the output y = tanh(net), so compute y first.")
def tanh_net_taken_for_y(net):
    return 1 - np.asarray(net) ** 2


@tanh_derivative.chaff("The square is missing: the slope is 1-tanh(net)².")
def tanh_square_missing(net):
    return 1 - np.tanh(net)


@tanh_derivative.chaff("The square is in the wrong place: not tanh(net²), but the square of tanh(net).")
def tanh_square_inside(net):
    return 1 - np.tanh(np.asarray(net) ** 2)


@tanh_derivative.chaff("This is the slope of the sigmoid.")
def sigmoid_slope(net):
    return _sigmoid(net) * (1 - _sigmoid(net))


@tanh_derivative.chaff("y(1-y) is the slope of the sigmoid; with y = tanh(net) it is 1-y².")
def sigmoid_form(net):
    return np.tanh(net) * (1 - np.tanh(net))


@tanh_derivative.chaff("This is tanh(net) itself; asked for is its slope.")
def tanh_itself(net):
    return np.tanh(net)


@tanh_derivative.chaff("This is tanh(net)²; subtract it from 1.")
def tanh_squared(net):
    return np.tanh(net) ** 2


@tanh_derivative.chaff("The sign is wrong: 1-tanh(net)², not the other way round. tanh rises everywhere.")
def tanh_negative(net):
    return np.tanh(net) ** 2 - 1


@tanh_derivative.chaff("You added the square; the slope is 1 minus it, and never above 1.")
def tanh_plus(net):
    return 1 + np.tanh(net) ** 2


@tanh_derivative.chaff("You squared the difference, (1-tanh)²; only tanh is squared.")
def difference_squared(net):
    return (1 - np.tanh(net)) ** 2


@tanh_derivative.chaff("This is 1/cosh(net); the slope is its square.")
def cosh_square_missing(net):
    return 1 / np.cosh(net)


@tanh_derivative.chaff(
    "You took the slope at y = tanh(net): tanh was applied once too often. The slope is wanted at net."
)
def tanh_slope_at_y(net):
    return 1 - np.tanh(np.tanh(net)) ** 2


# chain_updates ----------------------------------------------------------------------------


@exercise({"basic": 3.0, "edge cases": 1.0})
def chain_updates(x, t, w, phi, phi_prime, eta):
    """The change of every weight for one step of gradient descent, in the order of w."""
    y, w = torch_chain(x, w, phi, phi_prime)
    (0.5 * (t - y[-1]) ** 2).backward()
    return -eta * w.grad.numpy()


_RATES = (0.25, 0.5, 2.0, 3.0)


@chain_updates.cases
def _(rng):
    def case(n, phi, phi_prime, criterion="basic", positive=False, x=None):
        x = number(rng, 1, 2) if x is None else x
        t = number(rng, 4, 8) * float(rng.choice([-1, 1]))
        return Case((x, t, weights(rng, n, positive), phi, phi_prime, float(rng.choice(_RATES))), criterion=criterion)

    yield case(2, SIGMOID, SIGMOID_PRIME)
    yield case(3, TANH, TANH_PRIME)
    yield case(4, SOFTPLUS, SOFTPLUS_PRIME)
    yield case(3, SIGMOID, SIGMOID_PRIME)
    yield case(5, *steeper_tanh(rng))
    yield case(4, TANH, TANH_PRIME, x=number(rng, -2, -1))
    yield case(1, TANH, TANH_PRIME, "edge cases")
    yield case(1, SOFTPLUS, SOFTPLUS_PRIME, "edge cases")
    yield case(3, RELU, RELU_PRIME, "edge cases", positive=True)
    yield case(3, RELU, RELU_PRIME, "edge cases")  # some neuron is silent: nothing learns
    yield case(3, SIGMOID, SIGMOID_PRIME, "edge cases", x=0.0)
    yield case(8, SOFTPLUS, SOFTPLUS_PRIME, "edge cases")


def _right(x, t, w, phi, phi_prime, eta, *, slope=None, pass_on=None, own=None, first_error=None):
    """The right answer, with the places where people go wrong: `slope(j, net, y)` is what stands for φ′(net_j),
    `pass_on(j, dnet, change)` the error that goes on to neuron j, `own(j, dnet, y)` the change of weight j without η,
    `first_error(y)` the error of the last neuron."""
    y = _forward(x, w, phi)
    net = w * y[:-1]
    error = t - y[-1] if first_error is None else first_error(y)
    changes = np.zeros(len(w))
    for j in reversed(range(len(w))):
        dnet = error * (phi_prime(net[j]) if slope is None else slope(j, net, y))
        changes[j] = eta * (dnet * y[j] if own is None else own(j, dnet, y))
        error = dnet * w[j] if pass_on is None else pass_on(j, dnet, changes[j])
    return changes


@chain_updates.chaff(
    "The sign is wrong: this is +η times the gradient, which climbs. Δw goes downhill, and with the error t-y "
    "the minus is already inside."
)
def climbs(x, t, w, phi, phi_prime, eta):
    return -_right(x, t, w, phi, phi_prime, eta)


@chain_updates.chaff(
    "You took φ′ at the neuron's output. It belongs at its net input: φ′(w_j·y_j), not φ′(y_{j+1})."
)
def slope_at_the_output(x, t, w, phi, phi_prime, eta):
    return _right(x, t, w, phi, phi_prime, eta, slope=lambda j, net, y: phi_prime(y[j + 1]))


@chain_updates.chaff("You took φ′ at the input y_j, without its weight. It belongs at the net input: φ′(w_j·y_j).")
def slope_at_the_input(x, t, w, phi, phi_prime, eta):
    return _right(x, t, w, phi, phi_prime, eta, slope=lambda j, net, y: phi_prime(y[j]))


@chain_updates.chaff("The last factor is missing: the change of w_j ends with its own input y_j.")
def own_input_missing(x, t, w, phi, phi_prime, eta):
    return _right(x, t, w, phi, phi_prime, eta, own=lambda j, dnet, y: dnet)


@chain_updates.chaff("You multiplied by the output of the weight's neuron; it is its input y_j, the y before the weight.")
def output_for_input(x, t, w, phi, phi_prime, eta):
    return _right(x, t, w, phi, phi_prime, eta, own=lambda j, dnet, y: dnet * y[j + 1])


@chain_updates.chaff("Every change is multiplied by the input x; each weight's own input is y_j.")
def x_for_every_input(x, t, w, phi, phi_prime, eta):
    return _right(x, t, w, phi, phi_prime, eta, own=lambda j, dnet, y: dnet * y[0])


@chain_updates.chaff(
    "On the way back the error is multiplied by the weight of the wrong layer. Past w_j, from neuron j+1 to neuron j, "
    "the factor is φ′(w_j·y_j)·w_j; you took the weight before w_j."
)
def weight_of_the_wrong_layer(x, t, w, phi, phi_prime, eta):
    return _right(x, t, w, phi, phi_prime, eta, pass_on=lambda j, dnet, _: dnet * w[max(j - 1, 0)])


@chain_updates.chaff(
    "On the way back the error is multiplied by the weight of the wrong layer. Past w_j, from neuron j+1 to neuron j, "
    "the factor is φ′(w_j·y_j)·w_j; you took the weight after w_j."
)
def weight_of_the_layer_after(x, t, w, phi, phi_prime, eta):
    last = len(w) - 1
    return _right(x, t, w, phi, phi_prime, eta, pass_on=lambda j, dnet, _: dnet * w[min(j + 1, last)])


@chain_updates.chaff(
    "One factor too many: the change of w_j is multiplied by w_j itself. Only weights of later layers stand in it."
)
def own_weight_too(x, t, w, phi, phi_prime, eta):
    return _right(x, t, w, phi, phi_prime, eta, own=lambda j, dnet, y: dnet * w[j] * y[j])


@chain_updates.chaff(
    "One factor φ′ too many: every change is multiplied twice by the slope of its own neuron. It stands in it once."
)
def own_slope_twice(x, t, w, phi, phi_prime, eta):
    return _right(x, t, w, phi, phi_prime, eta, own=lambda j, dnet, y: dnet * phi_prime(w[j] * y[j]) * y[j])


@chain_updates.chaff(
    "One factor is missing: the slope of the weight's own neuron, φ′(w_j·y_j), belongs into its change too."
)
def own_slope_missing(x, t, w, phi, phi_prime, eta):
    y = _forward(x, w, phi)
    error, changes = t - y[-1], np.zeros(len(w))
    for j in reversed(range(len(w))):
        changes[j] = eta * error * y[j]
        error = error * phi_prime(w[j] * y[j]) * w[j]
    return changes


@chain_updates.chaff("The learning rate η is left out.")
def rate_left_out(x, t, w, phi, phi_prime, eta):
    return _right(x, t, w, phi, phi_prime, 1.0)


@chain_updates.chaff("η stands in it once for every layer that was passed; it stands there once.")
def rate_for_every_layer(x, t, w, phi, phi_prime, eta):
    return _right(x, t, w, phi, phi_prime, eta, pass_on=lambda j, dnet, _: eta * dnet * w[j])


@chain_updates.chaff("The weights are missing in the factors: on its way back the error is multiplied by φ′(net)·w.")
def weights_left_out(x, t, w, phi, phi_prime, eta):
    return _right(x, t, w, phi, phi_prime, eta, pass_on=lambda j, dnet, _: dnet)


@chain_updates.chaff("The slopes φ′(net) are left out everywhere.")
def slopes_left_out(x, t, w, phi, phi_prime, eta):
    return _right(x, t, w, phi, phi_prime, eta, slope=lambda j, net, y: 1.0)


@chain_updates.chaff(
    "The slopes of the later neurons are missing: on its way back the error is multiplied by φ′(net)·w, not by w alone."
)
def slopes_only_own(x, t, w, phi, phi_prime, eta):
    y = _forward(x, w, phi)
    error, changes = t - y[-1], np.zeros(len(w))
    for j in reversed(range(len(w))):
        changes[j] = eta * error * phi_prime(w[j] * y[j]) * y[j]
        error = error * w[j]
    return changes


@chain_updates.chaff(
    "The error goes back through weights that have already been changed. All changes are worked out with the old "
    "weights, and only then are the weights moved."
)
def weights_already_changed(x, t, w, phi, phi_prime, eta):
    return _right(x, t, w, phi, phi_prime, eta, pass_on=lambda j, dnet, change: dnet * (w[j] + change))


@chain_updates.chaff("Every weight got the error of the output as it is; on its way back it is multiplied by φ′(net)·w.")
def error_not_passed_back(x, t, w, phi, phi_prime, eta):
    y = _forward(x, w, phi)
    return np.array([eta * (t - y[-1]) * phi_prime(w_j * y_j) * y_j for w_j, y_j in zip(w, y, strict=False)])


@chain_updates.chaff("You compared every neuron with the target t; only the last one has a target.")
def target_for_every_neuron(x, t, w, phi, phi_prime, eta):
    y = _forward(x, w, phi)
    return np.array([eta * (t - y[j + 1]) * phi_prime(w[j] * y[j]) * y[j] for j in range(len(w))])


@chain_updates.chaff("The error t-y of the output is left out.")
def error_left_out(x, t, w, phi, phi_prime, eta):
    return _right(x, t, w, phi, phi_prime, eta, first_error=lambda y: 1.0)


@chain_updates.chaff("You put the cost ½(t-y)² where its derivative belongs: the error is t-y.")
def cost_for_error(x, t, w, phi, phi_prime, eta):
    return _right(x, t, w, phi, phi_prime, eta, first_error=lambda y: 0.5 * (t - y[-1]) ** 2)


@chain_updates.chaff("Your changes are twice as large: the ½ of the cost ½(t-y)² cancels the 2 of the square.")
def half_forgotten(x, t, w, phi, phi_prime, eta):
    return 2 * _right(x, t, w, phi, phi_prime, eta)


@chain_updates.chaff("The right changes, from the last weight to the first; return them in the order of w.")
def changes_reversed(x, t, w, phi, phi_prime, eta):
    return _right(x, t, w, phi, phi_prime, eta)[::-1]


@chain_updates.chaff("These are the new weights w + Δw; asked for are the changes Δw.")
def new_weights(x, t, w, phi, phi_prime, eta):
    return w + _right(x, t, w, phi, phi_prime, eta)


@chain_updates.chaff("You wrote the sigmoid's slope y(1-y) into it; use the function that comes as phi_prime.")
def sigmoid_slope_built_in(x, t, w, phi, phi_prime, eta):
    return _right(x, t, w, phi, phi_prime, eta, slope=lambda j, net, y: y[j + 1] * (1 - y[j + 1]))


@chain_updates.chaff("You wrote tanh's slope 1-y² into it; use the function that comes as phi_prime.")
def tanh_slope_built_in(x, t, w, phi, phi_prime, eta):
    return _right(x, t, w, phi, phi_prime, eta, slope=lambda j, net, y: 1 - y[j + 1] ** 2)


@chain_updates.chaff("φ stands where its slope belongs: use phi_prime on the way back.")
def phi_for_its_slope(x, t, w, phi, phi_prime, eta):
    return _right(x, t, w, phi, phi_prime, eta, slope=lambda j, net, y: phi(net[j]))


# chain_factors ----------------------------------------------------------------------------


@exercise({"basic": 1.5, "edge cases": 0.5})
def chain_factors(x, w, phi, phi_prime):
    """For each weight the factor φ′(w_j y_j) w_j by which an error is multiplied on its way back past it."""
    import torch

    y, _ = torch_chain(x, w, phi, phi_prime)
    pairs = zip(y, y[1:], strict=False)
    return np.array([torch.autograd.grad(after, before, retain_graph=True)[0].item() for before, after in pairs])


@chain_factors.cases
def _(rng):
    def case(n, phi, phi_prime, criterion="basic", positive=False, x=None):
        x = number(rng, 1, 2) if x is None else x
        return Case((x, weights(rng, n, positive), phi, phi_prime), criterion=criterion)

    yield case(2, TANH, TANH_PRIME)
    yield case(3, SIGMOID, SIGMOID_PRIME)
    yield case(4, SOFTPLUS, SOFTPLUS_PRIME)
    yield case(5, *steeper_tanh(rng))
    yield case(4, TANH, TANH_PRIME, x=number(rng, -2, -1))
    yield case(1, SIGMOID, SIGMOID_PRIME, "edge cases")
    yield case(3, SIGMOID, SIGMOID_PRIME, "edge cases", x=0.0)
    yield case(3, RELU, RELU_PRIME, "edge cases", positive=True)
    yield case(9, SIGMOID, SIGMOID_PRIME, "edge cases")


def _factors(x, w, phi, phi_prime, at=None):
    y = _forward(x, w, phi)
    net = w * y[:-1] if at is None else at(y)
    return np.array([phi_prime(n) * w_j for n, w_j in zip(net, w, strict=True)], float)


@chain_factors.chaff("The weight is missing: the factor is φ′(w_j·y_j)·w_j. A slope below 1 is not yet a factor below 1.")
def factor_without_weight(x, w, phi, phi_prime):
    return _factors(x, w, phi, phi_prime) / w


@chain_factors.chaff("The slope is missing: the factor is φ′(w_j·y_j)·w_j.")
def factor_without_slope(x, w, phi, phi_prime):
    return 1.0 * w


@chain_factors.chaff("You took φ′ at the input y_j, without its weight; it belongs at the net input w_j·y_j.")
def factor_slope_at_input(x, w, phi, phi_prime):
    return _factors(x, w, phi, phi_prime, lambda y: y[:-1])


@chain_factors.chaff("You took φ′ at the neuron's output; it belongs at its net input w_j·y_j.")
def factor_slope_at_output(x, w, phi, phi_prime):
    return _factors(x, w, phi, phi_prime, lambda y: y[1:])


@chain_factors.chaff("You took φ′ at the weight alone; it belongs at the net input w_j·y_j.")
def factor_slope_at_weight(x, w, phi, phi_prime):
    return _factors(x, w, phi, phi_prime, lambda y: w)


@chain_factors.chaff("You dropped the sign: a negative weight turns the error round, and the factor is negative.")
def factor_absolute(x, w, phi, phi_prime):
    return abs(_factors(x, w, phi, phi_prime))


@chain_factors.chaff("You multiplied the factors up from the first on; asked for is each factor by itself.")
def factors_accumulated(x, w, phi, phi_prime):
    return np.cumprod(_factors(x, w, phi, phi_prime))


@chain_factors.chaff("You multiplied the factors up from the last back; asked for is each factor by itself.")
def factors_accumulated_from_the_end(x, w, phi, phi_prime):
    return np.cumprod(_factors(x, w, phi, phi_prime)[::-1])[::-1]


@chain_factors.chaff("You multiplied all factors into one number; asked for is each factor by itself.")
def factors_product(x, w, phi, phi_prime):
    return np.prod(_factors(x, w, phi, phi_prime))


@chain_factors.chaff("φ stands where its slope belongs: the factor is φ′(w_j·y_j)·w_j.")
def factor_phi_for_slope(x, w, phi, phi_prime):
    return _factors(x, w, phi, phi)


@chain_factors.chaff("The right factors, from the last weight to the first; return them in the order of w.")
def factors_reversed(x, w, phi, phi_prime):
    return _factors(x, w, phi, phi_prime)[::-1]


@chain_factors.chaff(
    "You multiplied by the input y_j. That ends the change of w_j; what carries the error further back is the weight w_j."
)
def input_for_weight(x, w, phi, phi_prime):
    return _factors(x, w, phi, phi_prime) / w * _forward(x, w, phi)[:-1]


@chain_factors.chaff("Slope and weight of a factor do not belong together: beside φ′(w_j·y_j) stands w_j, not the weight before it.")
def weight_of_the_layer_before(x, w, phi, phi_prime):
    slopes = _factors(x, w, phi, phi_prime) / w
    return slopes * w[np.maximum(np.arange(len(w)) - 1, 0)]


@chain_factors.chaff("Every slope is taken at the net input that x would give; a later neuron sees y_j.")
def factor_always_x(x, w, phi, phi_prime):
    return _factors(x, w, phi, phi_prime, lambda y: w * x)


# layers_to_vanish -------------------------------------------------------------------------


@exercise({"basic": 1.0, "edge cases": 0.5})
def layers_to_vanish(factor, threshold):
    """The fewest layers n with abs(factor)ⁿ < threshold, an int; math.inf if there are none."""
    import torch

    if abs(factor) >= 1:
        return math.inf
    powers = torch.cumprod(torch.full((10_000,), abs(factor), dtype=torch.float64), 0)
    return int((powers < threshold).nonzero()[0, 0]) + 1


@layers_to_vanish.cases
def _(rng):
    def plain(thresholds, low=0.1, high=0.9):
        """A factor and a threshold whose logarithms do not divide: how one computes cannot matter."""
        while True:
            factor = round(float(rng.uniform(low, high)), 2)
            threshold = float(rng.choice(thresholds))
            if 0.05 < math.log(threshold) / math.log(factor) % 1 < 0.95:
                return factor, threshold

    yield Case(plain([0.01, 0.001]))
    yield Case(plain([0.1, 0.02], 0.2, 0.4))
    yield Case(plain([1e-6, 1e-8], 0.2, 0.3))  # the sigmoid's best
    yield Case(plain([0.5, 0.3], 0.85, 0.98))
    yield Case(plain([1e-3], 0.85, 0.98))
    for _ in range(2):
        factor, threshold = plain([0.01, 0.001], 0.3, 0.9)
        yield Case((-factor, threshold), criterion="edge cases")
    # equal after n layers is not yet below: binary fractions, where every logarithm divides without a rest
    for factor in (0.5, -0.25):
        n = int(rng.choice([2, 4, 5]))
        yield Case((factor, abs(factor) ** n), criterion="edge cases")
    yield Case((0.5, 1.0), criterion="edge cases")
    yield Case(plain([0.5, 0.7], 0.1, 0.3), criterion="edge cases")  # one layer is enough
    yield Case((0.0, float(rng.choice([0.1, 0.01]))), criterion="edge cases")
    yield Case((round(float(rng.uniform(1.1, 3)), 1), 0.01), criterion="edge cases")
    yield Case((-round(float(rng.uniform(1.1, 3)), 1), 0.01), criterion="edge cases")
    yield Case((1.0, 0.1), criterion="edge cases")
    yield Case((-1.0, 0.1), criterion="edge cases")


def _layers(factor, threshold):
    if abs(factor) >= 1:
        return math.inf
    n = 1
    while abs(factor) ** n >= threshold:
        n += 1
    return n


@layers_to_vanish.chaff(
    "One layer too few: after that many layers the product is not yet below the threshold. Rounding the quotient of "
    "the logarithms down, or counting from 0, does this."
)
def one_layer_too_few(factor, threshold):
    return _layers(factor, threshold) - 1


@layers_to_vanish.chaff("One layer too many: after one layer less the product is already below the threshold.")
def one_layer_too_many(factor, threshold):
    return _layers(factor, threshold) + 1


@layers_to_vanish.chaff(
    "Where the product just reaches the threshold you stop; it must be *below* it, so one more layer is needed. "
    "(Rounding up the quotient of the logarithms does this.)"
)
def stops_on_the_threshold(factor, threshold):
    if abs(factor) >= 1:
        return math.inf
    n = 1
    while abs(factor) ** n > threshold:
        n += 1
    return n


def _next_whole(quotient):
    return math.floor(quotient) + 1


def _by_quotient(factor, quotient, whole=_next_whole):
    """By logarithms; a factor of 0 stops it, as it stops a student's program."""
    return math.inf if abs(factor) >= 1 else whole(quotient(abs(factor)))


@layers_to_vanish.chaff("The quotient of the logarithms is turned round: it is log(threshold) / log(factor).")
def quotient_turned_round(factor, threshold):
    return _by_quotient(factor, lambda size: math.log(size) / math.log(threshold))


@layers_to_vanish.chaff(
    "Your two logarithms have different bases, 10 for the threshold and e for the factor. Any base will do, but the "
    "same for both."
)
def bases_mixed(factor, threshold):
    return _by_quotient(factor, lambda size: math.log10(threshold) / math.log(size))


@layers_to_vanish.chaff(
    "Your two logarithms have different bases, e for the threshold and 10 for the factor. Any base will do, but the "
    "same for both."
)
def bases_mixed_the_other_way(factor, threshold):
    return _by_quotient(factor, lambda size: math.log(threshold) / math.log10(size))


@layers_to_vanish.chaff("This is log(threshold) only: divide by the logarithm of the factor.")
def logarithm_of_the_threshold(factor, threshold):
    return math.inf if abs(factor) >= 1 else math.ceil(-math.log(threshold))


@layers_to_vanish.chaff("The number of layers is whole: the first whole n above the quotient of the logarithms.")
def not_rounded(factor, threshold):
    return _by_quotient(factor, lambda size: math.log(threshold) / math.log(size), lambda q: q)


@layers_to_vanish.chaff(
    "The quotient of the logarithms is rounded to the nearest whole number; asked for is the first n above it."
)
def rounded_to_nearest(factor, threshold):
    return _by_quotient(factor, lambda size: math.log(threshold) / math.log(size), round)


@layers_to_vanish.chaff(
    "A factor of size 1 or more never vanishes: return math.inf. (The logarithms give a negative number there, or "
    "divide by 0.)"
)
def no_infinity(factor, threshold):
    return _next_whole(math.log(threshold) / math.log(abs(factor)))


@layers_to_vanish.chaff(
    "Two things: a factor of size 1 or more never vanishes (return math.inf), and where the product only just reaches "
    "the threshold one more layer is needed. Rounding up the quotient of the logarithms gets both wrong."
)
def quotient_rounded_up(factor, threshold):
    return math.ceil(math.log(threshold) / math.log(abs(factor)))


@layers_to_vanish.chaff("Where it never vanishes you return 0; 0 layers would mean at once. Return math.inf.")
def zero_for_never(factor, threshold):
    return 0 if abs(factor) >= 1 else _layers(factor, threshold)


@layers_to_vanish.chaff("Where it never vanishes you return -1; return math.inf.")
def minus_one_for_never(factor, threshold):
    return -1 if abs(factor) >= 1 else _layers(factor, threshold)


@layers_to_vanish.chaff(
    "The sign of a negative factor misleads you: a negative product is below any threshold, but not small. Compare "
    "abs(factor)ⁿ."
)
def sign_kept(factor, threshold):
    if factor >= 1:
        return math.inf
    n = 1
    while factor**n >= threshold:
        n += 1
    return n


@layers_to_vanish.chaff(
    "A negative factor also vanishes if its size is below 1: the sign only turns from layer to layer. Use abs(factor)."
)
def negative_never(factor, threshold):
    return math.inf if factor < 0 else _layers(factor, threshold)


@layers_to_vanish.chaff("-1 and whatever is below never vanish: ask whether abs(factor) is at least 1.")
def only_positive_ones_never(factor, threshold):
    return _layers(factor, threshold) if abs(factor) < 1 or factor >= 1 else 1


@layers_to_vanish.chaff("A factor of 0 vanishes after one layer: 0 is below the threshold.")
def zero_never(factor, threshold):
    return math.inf if factor == 0 else _layers(factor, threshold)


# gradient_norms ---------------------------------------------------------------------------


@exercise({"basic": 2.0, "edge cases": 1.0})
def gradient_norms(x, dy, weights, phi, phi_prime):
    """The Frobenius norm of the gradient of every weight matrix, the first layer first, one number for each."""
    import torch

    weights = [torch.tensor(np.asarray(w, float), requires_grad=True) for w in weights]
    y = torch.tensor(np.asarray(x, float))
    for w in weights:
        y = in_torch(phi, phi_prime)(y @ w.T)
    y.backward(torch.tensor(np.asarray(dy, float)))
    return np.array([w.grad.norm().item() for w in weights])


@gradient_norms.cases
def _(rng):
    def case(n, sizes, phi, phi_prime, criterion="basic"):
        x, dy = numbers(rng, n, sizes[0]) / 2, numbers(rng, n, sizes[-1])
        return Case((x, dy, matrices(rng, *sizes), phi, phi_prime), criterion=criterion)

    yield case(2, (2, 3, 2), TANH, TANH_PRIME)
    yield case(3, (3, 2, 4), SIGMOID, SIGMOID_PRIME)
    yield case(4, (3, 4, 2, 3), SOFTPLUS, SOFTPLUS_PRIME)
    yield case(5, (2, 4, 3, 3, 2), *steeper_tanh(rng))
    yield case(3, (4, 4, 4, 4), TANH, TANH_PRIME)  # a transposed matrix would fit
    yield case(1, (3, 2, 4), TANH, TANH_PRIME, "edge cases")
    yield case(4, (3, 2), SIGMOID, SIGMOID_PRIME, "edge cases")  # one layer
    yield case(3, (1, 1, 1, 1), TANH, TANH_PRIME, "edge cases")  # the chain
    yield case(3, (3, 5, 4, 2), RELU, RELU_PRIME, "edge cases")
    yield case(2, (3, 4, 4, 4, 4, 4, 4, 2), SOFTPLUS, SOFTPLUS_PRIME, "edge cases")


def _frobenius(dw, dnet, y):
    return np.sqrt((dw**2).sum())


def _norms(x, dy, weights, phi, phi_prime, *, slope=None, norm=_frobenius, layer_input=None):
    """The right answer, with the places where people go wrong. `slope(j, net, y)` is what stands for φ′(net),
    `y` being the outputs, the input first."""
    y, net = [np.asarray(x, float)], []
    for w in weights:
        net.append(y[-1] @ w.T)
        y.append(phi(net[-1]))
    norms = []
    for j in reversed(range(len(weights))):
        dnet = dy * (phi_prime(net[j]) if slope is None else slope(j, net, y))
        before = y[j] if layer_input is None else layer_input(j, net, y)
        norms.append(norm(dnet.T @ before, dnet, before))
        dy = dnet @ weights[j]
    return np.array(norms[::-1])


@gradient_norms.chaff("You took the mean over the batch; every sample adds its share, so it is a sum.")
def mean_over_the_batch(x, dy, weights, phi, phi_prime):
    return _norms(x, dy, weights, phi, phi_prime) / len(x)


@gradient_norms.chaff("The slopes φ′(net) are left out: the error passes through every φ on its way back.")
def norm_slopes_left_out(x, dy, weights, phi, phi_prime):
    return _norms(x, dy, weights, phi, phi_prime, slope=lambda j, net, y: 1.0)


@gradient_norms.chaff("The slope of the last layer is missing: dy arrives behind its φ, so multiply by φ′(net) first.")
def last_slope_missing(x, dy, weights, phi, phi_prime):
    last = len(weights) - 1
    return _norms(x, dy, weights, phi, phi_prime, slope=lambda j, net, y: 1.0 if j == last else phi_prime(net[j]))


@gradient_norms.chaff("You took φ′ at the outputs of the layers; it belongs at their net inputs.")
def norm_slope_at_output(x, dy, weights, phi, phi_prime):
    return _norms(x, dy, weights, phi, phi_prime, slope=lambda j, net, y: phi_prime(y[j + 1]))


@gradient_norms.chaff("The right norms, from the last layer to the first; return them in the order of weights.")
def norms_reversed(x, dy, weights, phi, phi_prime):
    return _norms(x, dy, weights, phi, phi_prime)[::-1]


@gradient_norms.chaff(
    "These are the norms of the errors at the net inputs. The gradient of a weight is that error times the input of "
    "the layer, summed over the batch."
)
def norm_of_the_deltas(x, dy, weights, phi, phi_prime):
    return _norms(x, dy, weights, phi, phi_prime, norm=lambda dw, dnet, y: np.sqrt((dnet**2).sum()))


@gradient_norms.chaff("The root is missing: these are the sums of the squares.")
def root_missing(x, dy, weights, phi, phi_prime):
    return _norms(x, dy, weights, phi, phi_prime) ** 2


@gradient_norms.chaff(
    "You added up the norms of the samples. Add up their gradients first, with their signs, and take one norm of the sum."
)
def norms_added_over_samples(x, dy, weights, phi, phi_prime):
    def norm(dw, dnet, y):
        return sum(np.sqrt((np.outer(d, v) ** 2).sum()) for d, v in zip(dnet, y, strict=True))

    return _norms(x, dy, weights, phi, phi_prime, norm=norm)


@gradient_norms.chaff(
    "You squared the gradient of each sample before adding up; add the gradients up first, with their signs."
)
def squares_added_over_samples(x, dy, weights, phi, phi_prime):
    def norm(dw, dnet, y):
        return np.sqrt(sum((np.outer(d, v) ** 2).sum() for d, v in zip(dnet, y, strict=True)))

    return _norms(x, dy, weights, phi, phi_prime, norm=norm)


@gradient_norms.chaff("This is the largest singular value of dW (what ord=2 gives); the Frobenius norm is asked for.")
def spectral_norm(x, dy, weights, phi, phi_prime):
    return _norms(x, dy, weights, phi, phi_prime, norm=lambda dw, dnet, y: np.linalg.norm(dw, 2))


@gradient_norms.chaff(
    "You added up the sizes of the entries; the Frobenius norm is the root of the sum of their squares."
)
def sum_of_sizes(x, dy, weights, phi, phi_prime):
    return _norms(x, dy, weights, phi, phi_prime, norm=lambda dw, dnet, y: abs(dw).sum())


@gradient_norms.chaff("You took the mean of the squares under the root; the Frobenius norm takes their sum.")
def mean_of_squares(x, dy, weights, phi, phi_prime):
    return _norms(x, dy, weights, phi, phi_prime, norm=lambda dw, dnet, y: np.sqrt((dw**2).mean()))


@gradient_norms.chaff("This is the largest entry of each gradient; asked for is its Frobenius norm.")
def largest_entry(x, dy, weights, phi, phi_prime):
    return _norms(x, dy, weights, phi, phi_prime, norm=lambda dw, dnet, y: abs(dw).max())


@gradient_norms.chaff(
    "You multiplied by the net input of the layer before instead of its output: the input of a layer is what φ gave."
)
def net_of_the_layer_before(x, dy, weights, phi, phi_prime):
    def layer_input(j, net, y):
        return net[j - 1] if j else y[0]

    return _norms(x, dy, weights, phi, phi_prime, layer_input=layer_input)


@gradient_norms.chaff(
    "You multiplied by the layer's own output; the gradient of a weight is the error at the net input times the *input* "
    "of the layer."
)
def own_output(x, dy, weights, phi, phi_prime):
    return _norms(x, dy, weights, phi, phi_prime, layer_input=lambda j, net, y: y[j + 1])


@gradient_norms.chaff("You applied φ to the input x; the first layer gets x as it is.")
def norm_phi_on_the_input(x, dy, weights, phi, phi_prime):
    return _norms(phi(x), dy, weights, phi, phi_prime)


@gradient_norms.chaff("You wrote tanh's slope 1-y² into it; use the function that comes as phi_prime.")
def norm_tanh_slope_built_in(x, dy, weights, phi, phi_prime):
    return _norms(x, dy, weights, phi, phi_prime, slope=lambda j, net, y: 1 - y[j + 1] ** 2)


@gradient_norms.chaff("You wrote the sigmoid's slope y(1-y) into it; use the function that comes as phi_prime.")
def norm_sigmoid_slope_built_in(x, dy, weights, phi, phi_prime):
    return _norms(x, dy, weights, phi, phi_prime, slope=lambda j, net, y: y[j + 1] * (1 - y[j + 1]))


@gradient_norms.chaff("φ stands where its slope belongs: use phi_prime on the way back.")
def norm_phi_for_its_slope(x, dy, weights, phi, phi_prime):
    return _norms(x, dy, weights, phi, phi_prime, slope=lambda j, net, y: phi(net[j]))


@gradient_norms.chaff(
    "The slopes of the later layers are missing: what a layer passes back must already be multiplied by φ′(net), "
    "before it is multiplied by the weights."
)
def passed_on_without_slope(x, dy, weights, phi, phi_prime):
    y, net = [x], []
    for w in weights:
        net.append(y[-1] @ w.T)
        y.append(phi(net[-1]))
    norms = []
    for j in reversed(range(len(weights))):
        dnet = dy * phi_prime(net[j])
        norms.append(np.linalg.norm(dnet.T @ y[j]))
        dy = dy @ weights[j]
    return np.array(norms[::-1])


@gradient_norms.chaff("These are the norms of the weights; asked for are those of their gradients.")
def norms_of_the_weights(x, dy, weights, phi, phi_prime):
    return np.array([np.linalg.norm(w) for w in weights])


@gradient_norms.chaff(
    "Only the first sample of the batch counts in your answer; the gradients of all samples are added up."
)
def first_sample_only(x, dy, weights, phi, phi_prime):
    return _norms(x[:1], dy[:1], weights, phi, phi_prime)


@gradient_norms.chaff("The last norm is missing: there is one for every weight matrix.")
def last_layer_missing(x, dy, weights, phi, phi_prime):
    return _norms(x, dy, weights, phi, phi_prime)[:-1]
