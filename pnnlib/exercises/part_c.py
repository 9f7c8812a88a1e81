"""The exercises of part c: what overcomes the difficulties of training deep networks.

PyTorch is the oracle: its activation functions and their gradients, its optimisers with the state
that a case gives, its batch normalisation. Where chance is in the answer, its features are compared.
"""

from __future__ import annotations

import math

import numpy as np

from .. import optim
from .exercise import Case, exercise
from .given import Function, Seed

# Numbers for the cases --------------------------------------------------------------------


def numbers(rng, *shape):
    """Quarters between -4.5 and 4.5: short to read, and exact in binary."""
    return rng.integers(-18, 19, shape) / 4


def nonzero(rng, *shape):
    """Halves between -4.5 and 4.5 without 0, of both signs where there are two or more."""
    while True:
        a = rng.integers(1, 10, shape) * rng.choice([-0.5, 0.5], shape)
        if a.size < 2 or a.min() < 0 < a.max():
            return a


def distinct(rng, n, low=1, high=9):
    """Quarters, no two of them equal."""
    return rng.choice(np.arange(low, high), n, replace=False) / 4


def one_of(rng, *values):
    return float(rng.choice(values))


def spread(rng, n, d):
    """Columns of quarters that vary, each in its own way and around its own mean."""
    while True:
        x = numbers(rng, n, d) * rng.choice([0.5, 1.0, 2.0], d) + rng.integers(-3, 4, d)
        if x.std(axis=0).min() > 0.4 and (n == 2 or (abs(x - x.mean(axis=0)) > 1e-9).any(axis=0).all()):
            return x


# The oracle -------------------------------------------------------------------------------


def tensor(a, **options):
    import torch

    return torch.tensor(np.asarray(a, float), **options)


def torch_activation(name, net, *args):
    """φ(net) of `torch.nn.functional`."""
    import torch

    return getattr(torch.nn.functional, name)(tensor(net), *args).numpy()


def torch_step(optimiser, w, grad, state, **options):
    """(w, state) after one step of PyTorch's optimiser, which before it had this state.

    The state is given in float64, all of it: NAdam's own `mu_product` would be float32.
    """
    import torch

    w = tensor(w, requires_grad=True)
    w.grad = tensor(grad)
    stepper = getattr(torch.optim, optimiser)([w], foreach=False, **options)
    stepper.state[w].update({name: tensor(value) for name, value in state.items()})
    stepper.step()
    return w.detach().numpy(), {name: value.numpy() for name, value in stepper.state[w].items()}


def torch_batch_norm(x, gamma, beta, eps):
    import torch

    return torch.nn.functional.batch_norm(x, None, None, gamma, beta, training=True, eps=eps)


# relu, leaky_relu, leaky_relu_derivative --------------------------------------------------


@exercise({"basic": 0.5})
def relu(net):
    """net where it is positive, else 0, an array like net."""
    return torch_activation("relu", net)


@relu.cases
def _(rng):
    yield Case((nonzero(rng, 5),))
    yield Case((numbers(rng, 2, 3),))
    yield Case((nonzero(rng, 3, 4),))
    yield Case((np.append(nonzero(rng, 3), [0.0, 0.25, -0.25]),))
    yield Case((-abs(nonzero(rng, 4)),))


@relu.chaff("You took the absolute value: negative net inputs must become 0, not positive.")
def absolute_value(net):
    return abs(net)


@relu.chaff("Your signs are exchanged: you keep what is negative and make the rest 0.")
def negative_kept(net):
    return np.minimum(net, 0)


@relu.chaff("This is the derivative, 0 or 1 (the step): ReLU keeps a positive net input as it is.")
def step_for_relu(net):
    return (net > 0) * 1.0


@relu.chaff("Negative net inputs pass unchanged; ReLU makes them 0.")
def identity_for_relu(net):
    return net.copy()


@relu.chaff("You left the negative ones out, so the others have moved up: put a 0 where each of them was.")
def negative_removed(net):
    return net[net >= 0]


@relu.chaff("Your negative net inputs leak, with slope 0.01. That is LReLU; ReLU makes them 0.")
def leaks(net):
    return np.where(net > 0, net, 0.01 * net)


@relu.chaff("Your output stops growing at 1; ReLU has no upper limit, which is why its slope stays 1.")
def clipped_at_one(net):
    return np.clip(net, 0, 1)


@relu.chaff("You compare all numbers with one and the same number: compare each with 0 by itself.")
def largest_only(net):
    return np.full_like(net, max(net.max(), 0))


@exercise({"basic": 0.5})
def leaky_relu(net, a):
    """net where it is positive, else a times net, an array like net."""
    return torch_activation("leaky_relu", net, a)


@leaky_relu.cases
def _(rng):
    yield Case((nonzero(rng, 4), 0.25))
    yield Case((nonzero(rng, 5), one_of(rng, 0.125, 0.375)))
    yield Case((nonzero(rng, 2, 3), one_of(rng, 0.01, 0.02)))
    yield Case((np.append(nonzero(rng, 3), [0.0, 0.25, -0.25]), one_of(rng, 0.5, 0.75)))
    yield Case((nonzero(rng, 3, 4), 0.0))  # then it is ReLU


@leaky_relu.chaff("You multiplied everything by a; a net input that is positive passes as it is.")
def a_everywhere(net, a):
    return a * net


@leaky_relu.chaff("You took the larger of a and net; below 0 it is a times net, which differs from net to net.")
def larger_of_a_and_net(net, a):
    return np.maximum(a, net)


@leaky_relu.chaff("Below 0 your output is positive: a times the absolute value. It must be a times net, which is negative.")
def leak_turned_up(net, a):
    return np.where(net > 0, net, a * abs(net))


@leaky_relu.chaff("The leak is missing: this is ReLU. Below 0 the output is a times net, not 0.")
def leak_missing(net, a):
    return np.maximum(net, 0)


@leaky_relu.chaff("You took the absolute value; below 0 the output is a times net, which is negative.")
def leaky_absolute_value(net, a):
    return abs(net)


@leaky_relu.chaff("Your two cases are exchanged: you multiply by a what is positive, and keep what is negative.")
def leaky_cases_exchanged(net, a):
    return np.where(net > 0, a * net, net)


@leaky_relu.chaff("Below 0 you return a itself. That is the slope there; the output is a times net.")
def slope_for_output(net, a):
    return np.where(net > 0, net, a)


@leaky_relu.chaff("Below 0 you added a or subtracted it; the net input is multiplied by a.")
def a_subtracted(net, a):
    return np.where(net > 0, net, net - a)


@leaky_relu.chaff("Below 0 you divided by a; multiply by it, which makes the output smaller than net.")
def divided_by_a(net, a):
    with np.errstate(divide="ignore"):
        return np.where(net > 0, net, net / np.float64(a))


@leaky_relu.chaff("You compare with a where you must compare with 0: what lies between 0 and a is positive, and passes.")
def compared_with_a(net, a):
    return np.where(net > a, net, a * net)


@leaky_relu.chaff("Below 0 you always use slope 0.01, a common choice; use the argument a.")
def slope_fixed(net, a):
    return np.where(net > 0, net, 0.01 * net)


# No case has a net input of exactly 0, so either value there is right, the lecture's 1 and PyTorch's a.
@exercise({"basic": 0.5})
def leaky_relu_derivative(net, a):
    """The slope of leaky_relu: 1 where net is positive, a where it is negative, an array like net."""
    import torch

    net = tensor(net, requires_grad=True)
    torch.nn.functional.leaky_relu(net, a).sum().backward()
    return net.grad.numpy()


@leaky_relu_derivative.cases
def _(rng):
    yield Case((nonzero(rng, 4), 0.25))
    yield Case((nonzero(rng, 5), one_of(rng, 0.125, 0.375)))
    yield Case((nonzero(rng, 2, 3), one_of(rng, 0.01, 0.02)))
    yield Case((np.append(nonzero(rng, 3), [0.25, -0.25]), one_of(rng, 0.5, 0.75)))
    yield Case((nonzero(rng, 3, 4), 0.0))


@leaky_relu_derivative.chaff(
    "Your slope depends on the size of net: a where it is small, 1 where it is large. It depends on the sign alone."
)
def derivative_from_size(net, a):
    return np.where(abs(net) > 1, 1.0, a)


@leaky_relu_derivative.chaff("Your slope is a on both sides; where net is positive it is 1.")
def a_on_both_sides(net, a):
    return np.full_like(net, a)


@leaky_relu_derivative.chaff("Your slope is 1 on both sides; where net is negative it is a.")
def one_on_both_sides(net, a):
    return np.ones_like(net)


@leaky_relu_derivative.chaff(
    "Below 0 your slope is -a. There net is negative, but the line a·net still rises: its slope is a."
)
def minus_a(net, a):
    return np.where(net > 0, 1.0, -a)


@leaky_relu_derivative.chaff("Your two cases are exchanged: the slope is 1 where net is positive, a where it is negative.")
def slopes_exchanged(net, a):
    return np.where(net > 0, a, 1.0)


@leaky_relu_derivative.chaff("Below 0 your slope is 0, as for ReLU; here it is a.")
def slope_of_relu(net, a):
    return (net > 0) * 1.0


@leaky_relu_derivative.chaff("This is the function itself, φ(net); its slope is 1 or a, whatever the size of net.")
def function_itself(net, a):
    return np.where(net > 0, net, a * net)


@leaky_relu_derivative.chaff("Below 0 you returned a times net, the output; the slope there is a.")
def output_below(net, a):
    return np.where(net > 0, 1.0, a * net)


@leaky_relu_derivative.chaff("Above 0 you returned net; the slope of y = net is 1.")
def output_above(net, a):
    return np.where(net > 0, net, a)


@leaky_relu_derivative.chaff("You compare with a where you must compare with 0.")
def derivative_compared_with_a(net, a):
    return np.where(net > a, 1.0, a)


@leaky_relu_derivative.chaff("Below 0 your slope is 0.01, a common choice; use the argument a.")
def derivative_with_fixed_slope(net, a):
    return np.where(net > 0, 1.0, 0.01)


@leaky_relu_derivative.chaff("This is the sign, 1 or -1; where net is negative the slope is a.")
def sign_for_slope(net, a):
    return np.sign(net)


# prelu_backward ---------------------------------------------------------------------------


@exercise({"basic": 1.0, "edge cases": 0.5}, results=("dnet", "da"))
def prelu_backward(dy, net, a):
    """The gradients (dnet, da) of the cost for net and for the slopes a; dnet is (N, n), da is (n,)."""
    import torch

    net, a = tensor(net, requires_grad=True), tensor(a, requires_grad=True)
    torch.nn.functional.prelu(net, a).backward(tensor(dy))
    return net.grad.numpy(), a.grad.numpy()


@prelu_backward.cases
def _(rng):
    def case(n, d, criterion="basic"):
        net = nonzero(rng, n, d)
        if n > 1:  # both signs for each neuron, twice the negative one where there is room
            net = abs(net) * np.where(np.arange(n)[:, None] < max(1, n // 2), 1, -1)
            net = rng.permuted(net, axis=0)
        return Case((nonzero(rng, n, d), net, distinct(rng, d)), criterion=criterion)

    yield case(3, 2)
    yield case(4, 3)
    yield case(5, 2)
    yield case(2, 4)
    one = case(1, 3, "edge cases")
    yield one
    yield case(4, 1, "edge cases")
    alive = case(3, 2).args
    yield Case((alive[0], abs(alive[1]), alive[2]), criterion="edge cases")  # nothing is negative: da is 0
    yield Case((alive[0] * [0, 1], alive[1], -alive[2]), criterion="edge cases")  # a learnt slope may be negative


def _prelu(dy, net, a):
    return dy * np.where(net > 0, 1, a), dy * np.where(net > 0, 0, net)


@prelu_backward.chaff(
    "Your da is not summed: all samples of the batch share the slope of a neuron, so its gradient is a sum "
    "over the batch, one number for each neuron."
)
def da_not_summed(dy, net, a):
    return _prelu(dy, net, a)


@prelu_backward.chaff("Your da is one number for all neurons; each neuron has a slope of its own, so sum over the batch only.")
def one_shared_a(dy, net, a):
    dnet, da = _prelu(dy, net, a)
    return dnet, da.sum()


@prelu_backward.chaff(
    "Your da is the same for all neurons, the sum over everything; each neuron has a slope of its own, so sum over "
    "the batch only."
)
def shared_a_repeated(dy, net, a):
    dnet, da = _prelu(dy, net, a)
    return dnet, np.full_like(a, da.sum())


@prelu_backward.chaff("Your da sums over the wrong axis: one number for each sample. Sum over the batch, axis 0.")
def da_for_each_sample(dy, net, a):
    dnet, da = _prelu(dy, net, a)
    return dnet, da.sum(axis=1)


@prelu_backward.chaff(
    "Your da comes from the positive side. There y = net, without a; the slope is used where net is negative."
)
def da_over_positive_side(dy, net, a):
    return _prelu(dy, net, a)[0], (dy * np.maximum(net, 0)).sum(axis=0)


@prelu_backward.chaff("Your da comes from both sides. Where net is positive, y = net does not depend on a.")
def da_over_both_sides(dy, net, a):
    return _prelu(dy, net, a)[0], (dy * net).sum(axis=0)


@prelu_backward.chaff("dy is left out of da: by the chain rule it is the sum of dy times net where net is negative.")
def dy_left_out_of_da(dy, net, a):
    return _prelu(dy, net, a)[0], np.minimum(net, 0).sum(axis=0)


@prelu_backward.chaff("net is left out of da: below 0 y = a·net, so its derivative for a is net, not 1.")
def net_left_out_of_da(dy, net, a):
    return _prelu(dy, net, a)[0], (dy * (net < 0)).sum(axis=0)


@prelu_backward.chaff("dy is left out of both gradients: these are the derivatives of y alone; multiply by dy.")
def dy_left_out(dy, net, a):
    return np.where(net > 0, 1.0, a), np.minimum(net, 0).sum(axis=0)


@prelu_backward.chaff("dy is left out of dnet: you return φ'(net), which the chain rule multiplies by dy.")
def dy_left_out_of_dnet(dy, net, a):
    return np.where(net > 0, 1.0, a), _prelu(dy, net, a)[1].sum(axis=0)


@prelu_backward.chaff("Your da is the mean over the batch. The cost collects all samples, so it is the sum.")
def da_mean(dy, net, a):
    dnet, da = _prelu(dy, net, a)
    return dnet, da.mean(axis=0)


@prelu_backward.chaff("Your da has the factor a in it: below 0 y = a·net, and its derivative for a is net alone.")
def da_times_a(dy, net, a):
    dnet, da = _prelu(dy, net, a)
    return dnet, a * da.sum(axis=0)


@prelu_backward.chaff("Your da has the wrong sign: net is negative where the slope is used, and stays negative in the product.")
def da_sign(dy, net, a):
    dnet, da = _prelu(dy, net, a)
    return dnet, -da.sum(axis=0)


@prelu_backward.chaff("Your dnet is 0 where net is negative, as for ReLU; with PReLU a part of dy passes there, a·dy.")
def dnet_of_relu(dy, net, a):
    return dy * (net > 0), _prelu(dy, net, a)[1].sum(axis=0)


@prelu_backward.chaff("Your dnet is multiplied by net: the derivative of φ for net is its slope, 1 or a, and not φ(net).")
def dnet_with_phi(dy, net, a):
    return dy * np.where(net > 0, net, a * net), _prelu(dy, net, a)[1].sum(axis=0)


@prelu_backward.chaff("In dnet the two sides are exchanged: 1 where net is positive, a where it is negative.")
def dnet_sides_exchanged(dy, net, a):
    return dy * np.where(net > 0, a, 1), _prelu(dy, net, a)[1].sum(axis=0)


@prelu_backward.chaff("You looked at the sign of dy; which side a neuron is on depends on net.")
def sides_from_dy(dy, net, a):
    return dy * np.where(dy > 0, 1, a), (np.where(dy < 0, net, 0) * dy).sum(axis=0)


# xavier_uniform, xavier_normal, kaiming_uniform, kaiming_normal ----------------------------


def torch_weights(method, m, n, rng):
    """Weights of `torch.nn.init`; the seed of its generator is drawn from rng."""
    import torch

    generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
    options = {"nonlinearity": "relu"} if method.startswith("kaiming") else {}
    w = torch.empty(n, m, dtype=torch.float64)
    return getattr(torch.nn.init, f"{method}_")(w, generator=generator, **options).numpy()


def uniform_within(bound):
    return lambda w: {
        "the largest weight": (abs(w).max(), 0.02 * bound),
        "the standard deviation of the weights": (w.std(), 0.08 * bound / math.sqrt(3)),
    }


def normal_with(deviation):
    def features(w):
        mean, std = w.mean(), w.std()
        share = np.count_nonzero(abs(w - mean) < std) / w.size
        return {
            "the standard deviation of the weights": (std, 0.13 * deviation),
            "the share of weights within one standard deviation of their mean": (share, 0.052),
        }

    return features


def describe_weights(w, size, own):
    """The features of weights that are about as large as `size`, and those of their own distribution."""
    if not np.isfinite(w).all():
        return "some of the weights are infinite, or not a number."
    return {
        "the mean of the weights": (w.mean(), 0.18 * size),
        **own(w),
        "each row has weights of its own": bool(abs(w[1:, :9] - w[0, :9]).max(axis=1).min() > 1e-6 * size),
        "each column has weights of its own": bool(abs(w[:9, 1:] - w[:9, :1]).max(axis=0).min() > 1e-6 * size),
    }


def initialiser_cases(rng):
    """Many inputs and few outputs, and the reverse; never as many of both."""
    for m, n in ((250, 52), (52, 250)):
        yield Case((m + int(rng.integers(20)), n + int(rng.integers(10)), Seed(int(rng.integers(1000)))))


def wrong_weights(initialiser, draws):
    """Declare chaffs: name → (why, draw(m, n, rng)); draw returns weights (n, m)."""
    for name, (why, draw) in draws.items():
        draw.__name__ = f"{initialiser.name}_{name}"
        initialiser.chaff(why)(draw)


def within(bound):
    """Draw uniformly between -bound(m, n) and bound(m, n)."""

    def draw(m, n, rng):
        b = bound(m, n)
        return rng.uniform(-b, b, (n, m))

    return draw


def with_deviation(deviation):
    """Draw from a normal distribution with mean 0 and this standard deviation; in single precision, which is quick."""

    def draw(m, n, rng):
        return deviation(m, n) * rng.standard_normal((n, m), dtype=np.float32)

    return draw


def transposed(draw):
    return lambda m, n, rng: draw(n, m, rng)


def same_rows(draw):
    return lambda m, n, rng: np.tile(draw(m, n, rng)[:1], (n, 1))


def same_columns(draw):
    return lambda m, n, rng: np.tile(draw(m, n, rng)[:, :1], (1, m))


def glorot_range(m, n):
    return math.sqrt(6 / (m + n))


def glorot_deviation(m, n):
    return math.sqrt(2 / (m + n))


def he_range(m, n):
    return math.sqrt(6 / m)


def he_deviation(m, n):
    return math.sqrt(2 / m)


SHAPE = "Your weights are (m, n): one row for each input. They are (n, m), one row for each neuron, so that net = w @ x."
SAME_ROWS = "All your rows are the same, so all neurons would compute and learn the same. Draw every weight by itself."
SAME_COLUMNS = "Within a row all your weights are the same, so a neuron could not tell its inputs apart. Draw every weight by itself."
NOT_UNIFORM = "Your weights are normally distributed, with the right standard deviation; this one asks for the uniform distribution."
NOT_NORMAL = "Your weights are uniformly distributed, with the right standard deviation; this one asks for the normal distribution."
POSITIVE = "Your weights lie between 0 and the range; they lie on both sides of 0, from -range to +range."
HALF = "Your weights lie within half of the range: the range is to both sides, from -range to +range."
ROOT = "The square root is missing."


@exercise({"basic": 0.5})
def xavier_uniform(m, n, rng):
    """Weights (n, m), uniform between ±√(6/(m+n))."""
    return torch_weights("xavier_uniform", m, n, rng)


xavier_uniform.cases(initialiser_cases)


@xavier_uniform.features
def _(w, m, n, rng):
    return describe_weights(w, glorot_deviation(m, n), uniform_within(glorot_range(m, n)))


wrong_weights(xavier_uniform, {
    "shape": (SHAPE, transposed(within(glorot_range))),
    "deviation_as_range": (
        "You took the standard deviation √(2/(m+n)) for the range. A uniform distribution with it reaches √3 times "
        "as far, to √(6/(m+n)).", within(glorot_deviation)),
    "only_m": ("You divided by m, the number of inputs, alone. That is Kaiming's; Xavier's has m + n.", within(he_range)),
    "only_n": ("You divided by n, the number of outputs, alone; Xavier's has m + n.",
               within(lambda m, n: math.sqrt(6 / n))),
    "half_range": (HALF, within(lambda m, n: glorot_range(m, n) / 2)),
    "positive": (POSITIVE, lambda m, n, rng: rng.uniform(0, glorot_range(m, n), (n, m))),
    "range_as_deviation": (
        "You took the range √(6/(m+n)) for the standard deviation of a normal distribution. Draw uniformly, from "
        "-range to +range.", with_deviation(glorot_range)),
    "normal": (NOT_UNIFORM, with_deviation(glorot_deviation)),
    "no_root": (ROOT + " The range is √(6/(m+n)).", within(lambda m, n: 6 / (m + n))),
    "mean_of_both": ("You divided by the mean of m and n; the 6 goes with their sum.",
                     within(lambda m, n: glorot_range(m, n) * math.sqrt(2))),
    "between_0_and_1": ("These weights lie between 0 and 1, whatever m and n are: give the range to rng.uniform.",
                        lambda m, n, rng: rng.random((n, m))),
    "same_rows": (SAME_ROWS, same_rows(within(glorot_range))),
    "same_columns": (SAME_COLUMNS, same_columns(within(glorot_range))),
    "constant": ("All your weights are equal. Then all neurons compute the same, and get the same gradient: draw them.",
                 lambda m, n, rng: np.full((n, m), glorot_range(m, n))),
    "zero": ("All your weights are 0. Then all neurons compute the same, and get the same gradient: draw them.",
             lambda m, n, rng: np.zeros((n, m))),
})  # fmt: skip


@exercise({"basic": 0.5})
def xavier_normal(m, n, rng):
    """Weights (n, m), normal with mean 0 and standard deviation √(2/(m+n))."""
    return torch_weights("xavier_normal", m, n, rng)


xavier_normal.cases(initialiser_cases)


@xavier_normal.features
def _(w, m, n, rng):
    return describe_weights(w, glorot_deviation(m, n), normal_with(glorot_deviation(m, n)))


wrong_weights(xavier_normal, {
    "shape": (SHAPE, transposed(with_deviation(glorot_deviation))),
    "variance_as_deviation": (
        "You took the variance for the standard deviation: rng.normal wants the root, √(2/(m+n)).",
        with_deviation(lambda m, n: 2 / (m + n))),
    "range_as_deviation": (
        "You took √(6/(m+n)) for the standard deviation. That is the range of the uniform distribution; the normal "
        "one has √(2/(m+n)).", with_deviation(glorot_range)),
    "only_m": ("You divided by m, the number of inputs, alone. That is Kaiming's; Xavier's has m + n.",
               with_deviation(he_deviation)),
    "only_n": ("You divided by n, the number of outputs, alone; Xavier's has m + n.",
               with_deviation(lambda m, n: math.sqrt(2 / n))),
    "one_over_sum": ("Your standard deviation is √(1/(m+n)); it is √(2/(m+n)).",
                     with_deviation(lambda m, n: math.sqrt(1 / (m + n)))),
    "half_deviation": ("Your standard deviation is half of what it should be, √(2/(m+n)).",
                       with_deviation(lambda m, n: glorot_deviation(m, n) / 2)),
    "mean_of_both": ("You divided by the mean of m and n; the 2 goes with their sum.",
                     with_deviation(lambda m, n: math.sqrt(4 / (m + n)))),
    "uniform": (NOT_NORMAL, within(glorot_range)),
    "deviation_as_range": (
        "You drew uniformly between ± the standard deviation. Use rng.normal, which takes the standard deviation "
        "itself.", within(glorot_deviation)),
    "standard": ("These weights have standard deviation 1, whatever m and n are: scale them by √(2/(m+n)).",
                 with_deviation(lambda m, n: 1.0)),
    "moved": ("The mean of your weights is not 0: in rng.normal the mean comes first, the standard deviation second.",
              lambda m, n, rng: rng.normal(glorot_deviation(m, n), 1.0, (n, m))),
    "positive": ("All your weights are positive: their mean must be 0.",
                 lambda m, n, rng: abs(rng.normal(0, glorot_deviation(m, n), (n, m)))),
    "same_rows": (SAME_ROWS, same_rows(with_deviation(glorot_deviation))),
    "same_columns": (SAME_COLUMNS, same_columns(with_deviation(glorot_deviation))),
})  # fmt: skip


@exercise({"basic": 0.5})
def kaiming_uniform(m, n, rng):
    """Weights (n, m), uniform between ±√(6/m)."""
    return torch_weights("kaiming_uniform", m, n, rng)


kaiming_uniform.cases(initialiser_cases)


@kaiming_uniform.features
def _(w, m, n, rng):
    return describe_weights(w, he_deviation(m, n), uniform_within(he_range(m, n)))


wrong_weights(kaiming_uniform, {
    "shape": (SHAPE, transposed(within(lambda m, n: math.sqrt(6 / n)))),
    "n_for_m": ("You divided by n, the number of outputs; Kaiming's range has m, the number of inputs that a neuron adds up.",
                within(lambda m, n: math.sqrt(6 / n))),
    "xaviers": ("You divided by m + n. That is Xavier's, for sigmoid and tanh; Kaiming's has m alone.", within(glorot_range)),
    "deviation_as_range": (
        "You took the standard deviation √(2/m) for the range. A uniform distribution with it reaches √3 times as "
        "far, to √(6/m).", within(he_deviation)),
    "pytorchs_layer": (
        "Your range is √(1/m), with which torch.nn.Linear begins; Kaiming's for ReLU is √(6/m).",
        within(lambda m, n: math.sqrt(1 / m))),
    "three": ("Your range is √(3/m): that keeps the size without an activation function. ReLU drops half, so it is √(6/m).",
              within(lambda m, n: math.sqrt(3 / m))),
    "half_range": (HALF, within(lambda m, n: he_range(m, n) / 2)),
    "positive": (POSITIVE, lambda m, n, rng: rng.uniform(0, he_range(m, n), (n, m))),
    "range_as_deviation": (
        "You took the range √(6/m) for the standard deviation of a normal distribution. Draw uniformly, from -range "
        "to +range.", with_deviation(he_range)),
    "normal": (NOT_UNIFORM, with_deviation(he_deviation)),
    "no_root": (ROOT + " The range is √(6/m).", within(lambda m, n: 6 / m)),
    "same_rows": (SAME_ROWS, same_rows(within(he_range))),
    "same_columns": (SAME_COLUMNS, same_columns(within(he_range))),
})  # fmt: skip


@exercise({"basic": 0.5})
def kaiming_normal(m, n, rng):
    """Weights (n, m), normal with mean 0 and standard deviation √(2/m)."""
    return torch_weights("kaiming_normal", m, n, rng)


kaiming_normal.cases(initialiser_cases)


@kaiming_normal.features
def _(w, m, n, rng):
    return describe_weights(w, he_deviation(m, n), normal_with(he_deviation(m, n)))


wrong_weights(kaiming_normal, {
    "shape": (SHAPE, transposed(with_deviation(lambda m, n: math.sqrt(2 / n)))),
    "n_for_m": ("You divided by n, the number of outputs; Kaiming's has m, the number of inputs that a neuron adds up.",
                with_deviation(lambda m, n: math.sqrt(2 / n))),
    "xaviers": ("You divided by m + n. That is Xavier's, for sigmoid and tanh; Kaiming's has m alone.",
                with_deviation(glorot_deviation)),
    "variance_as_deviation": (
        "You took the variance for the standard deviation: rng.normal wants the root, √(2/m).",
        with_deviation(lambda m, n: 2 / m)),
    "range_as_deviation": (
        "You took √(6/m) for the standard deviation. That is the range of the uniform distribution; the normal one "
        "has √(2/m).", with_deviation(he_range)),
    "one_over_m": ("Your standard deviation is √(1/m): that keeps the size without an activation function. ReLU drops half, "
                   "so it is √(2/m).", with_deviation(lambda m, n: math.sqrt(1 / m))),
    "half_deviation": ("Your standard deviation is half of what it should be, √(2/m).",
                       with_deviation(lambda m, n: he_deviation(m, n) / 2)),
    "uniform": (NOT_NORMAL, within(he_range)),
    "deviation_as_range": (
        "You drew uniformly between ± the standard deviation. Use rng.normal, which takes the standard deviation "
        "itself.", within(he_deviation)),
    "standard": ("These weights have standard deviation 1, whatever m is: scale them by √(2/m).",
                 with_deviation(lambda m, n: 1.0)),
    "moved": ("The mean of your weights is not 0: in rng.normal the mean comes first, the standard deviation second.",
              lambda m, n, rng: rng.normal(he_deviation(m, n), 1.0, (n, m))),
    "positive": ("All your weights are positive: their mean must be 0.",
                 lambda m, n, rng: abs(rng.normal(0, he_deviation(m, n), (n, m)))),
    "same_rows": (SAME_ROWS, same_rows(with_deviation(he_deviation))),
    "same_columns": (SAME_COLUMNS, same_columns(with_deviation(he_deviation))),
})  # fmt: skip


# The optimisers: one step in each call ------------------------------------------------------


def gradients(rng, *shape):
    """Two gradients of which no number is 0, then one with a 0 in it, then one that points elsewhere."""
    first, second, third = (nonzero(rng, *shape) for _ in range(3))
    return [first, second, third * (np.arange(third.size).reshape(shape) % 3 > 0), -2 * first + 0.25]


def walk(step, state, settings):
    """Make cases: some steps in a row from the state before the first, each a call with the state it finds.

    `step(w, grad, *state, *settings)` is the right answer; where t is among the
    state, a step is given its own.
    """

    def cases(rng, shape, criterion, few=4):
        w, now, constants = numbers(rng, *shape), state(shape), settings(rng)
        for t, grad in enumerate(gradients(rng, *shape)[:few], start=1):
            found = tuple(t if value is None else value for value in now)
            yield Case((w, grad, *found, *constants), criterion=criterion)
            w, *new = step(w, grad, *found, *constants)
            kept = iter(new)
            now = tuple(None if value is None else next(kept) for value in now)

    return cases


def steps(walk_of, rng):
    """Four steps in a row; elsewhere two more with two axes; and steps that meet only zeros."""
    yield from walk_of(rng, (3,), "basic")
    yield from walk_of(rng, (2, 3), "edge cases", few=2)
    *_, last = walk_of(rng, (2,), "edge cases", few=2)
    w, _, *rest = last.args
    yield Case((w, np.zeros(2), *rest), criterion="edge cases")  # the gradient is 0, the memory is not
    first = next(walk_of(rng, (2,), "edge cases"))
    w, _, *rest = first.args
    yield Case((w, np.zeros(2), *rest), criterion="edge cases")  # neither now a gradient nor before


def zeros(count):
    return lambda shape: tuple(np.zeros(shape) for _ in range(count))


# momentum_step ----------------------------------------------------------------------------


@exercise({"basic": 0.75, "edge cases": 0.25}, results=("w", "v"))
def momentum_step(w, grad, v, lr, beta):
    """(w, v) after one step of gradient descent with momentum, v = βv + g and w = w - lr·v."""
    w, state = torch_step("SGD", w, grad, {"momentum_buffer": v}, lr=lr, momentum=beta)
    return w, state["momentum_buffer"]


@momentum_step.cases
def _(rng):
    def settings(rng):
        return one_of(rng, 0.125, 0.25, 0.5), one_of(rng, 0.6, 0.8, 0.9)

    yield from steps(walk(optim.momentum_step, zeros(1), settings), rng)


@momentum_step.chaff("You go uphill: the step is subtracted from w, w - lr·v.")
def momentum_uphill(w, grad, v, lr, beta):
    v = beta * v + grad
    return w + lr * v, v


@momentum_step.chaff("You forget the velocity at each step: the v that comes in must be part of the new one, βv + g.")
def velocity_reset(w, grad, v, lr, beta):
    return w - lr * grad, grad.copy()


@momentum_step.chaff(
    "You weigh the gradient with 1-β, as some books do. Here (and in PyTorch) it is v = βv + g; the other form needs a "
    "larger learning rate for the same steps."
)
def weighted_average(w, grad, v, lr, beta):
    v = beta * v + (1 - beta) * grad
    return w - lr * v, v


@momentum_step.chaff(
    "Your velocity has the learning rate in it, v = βv + lr·g. Here v collects gradients alone, and lr comes in when w "
    "moves. (While lr stays the same, both move w alike; only the v that you return differs.)"
)
def rate_inside_velocity(w, grad, v, lr, beta):
    v = beta * v + lr * grad
    return w - v, v


@momentum_step.chaff(
    "The learning rate is in it twice: in your v, where it does not belong, and again when w moves."
)
def rate_twice(w, grad, v, lr, beta):
    v = beta * v + lr * grad
    return w - lr * v, v


@momentum_step.chaff("Your velocity is the step itself, -lr·g included. Here v = βv + g, and w = w - lr·v.")
def velocity_is_the_step(w, grad, v, lr, beta):
    v = beta * v - lr * grad
    return w + v, v


@momentum_step.chaff("Your w moves with the velocity that came in; first compute the new one, then move with it.")
def old_velocity_used(w, grad, v, lr, beta):
    return w - lr * v, beta * v + grad


@momentum_step.chaff("Your w moves with the gradient alone: it must move with the velocity, w - lr·v.")
def moved_by_gradient(w, grad, v, lr, beta):
    return w - lr * grad, beta * v + grad


@momentum_step.chaff("Your w moves rightly, but you return the velocity that came in: the next step needs the new one.")
def old_velocity_returned(w, grad, v, lr, beta):
    return w - lr * (beta * v + grad), v.copy()


@momentum_step.chaff("β is left out: without it v is the sum of all gradients and never slows down.")
def beta_left_out(w, grad, v, lr, beta):
    v = v + grad
    return w - lr * v, v


@momentum_step.chaff("β multiplies the gradient in your code; it is the old velocity that is damped, βv + g.")
def beta_on_gradient(w, grad, v, lr, beta):
    v = v + beta * grad
    return w - lr * v, v


@momentum_step.chaff("1-β stands where β belongs: v = βv + g.")
def one_minus_beta_on_velocity(w, grad, v, lr, beta):
    v = (1 - beta) * v + grad
    return w - lr * v, v


@momentum_step.chaff("This is Nesterov's momentum, which looks one step ahead; plain momentum moves w by -lr·v.")
def nesterov(w, grad, v, lr, beta):
    v = beta * v + grad
    return w - lr * (grad + beta * v), v


@momentum_step.chaff("The learning rate is left out of the step: w = w - lr·v.")
def momentum_rate_left_out(w, grad, v, lr, beta):
    v = beta * v + grad
    return w - v, v


@momentum_step.chaff("Your two results are exchanged: first w, then v.")
def momentum_results_exchanged(w, grad, v, lr, beta):
    v = beta * v + grad
    return v, w - lr * v


# adagrad_step, rmsprop_step ---------------------------------------------------------------


@exercise({"basic": 0.5, "edge cases": 0.25}, results=("w", "s"))
def adagrad_step(w, grad, s, lr, eps):
    """(w, s) after one step of AdaGrad, s = s + g² and w = w - lr·g/(√s + ε)."""
    w, state = torch_step("Adagrad", w, grad, {"step": 0.0, "sum": s}, lr=lr, eps=eps)
    return w, state["sum"]


@adagrad_step.cases
def _(rng):
    def settings(rng):
        return one_of(rng, 0.25, 0.5, 0.75), one_of(rng, 0.05, 0.1, 0.2)

    yield from steps(walk(optim.adagrad_step, zeros(1), settings), rng)


def stopping_at_nan(function):
    """A wrong answer that stops at 0/0 or at √ of a negative number, where the learner's own may go on with nan."""

    def wrong(*args):
        with np.errstate(invalid="raise"):
            return function(*args)

    wrong.__name__ = function.__name__
    return wrong


def adaptive(collect, *, old=1, square=np.square, divisor=lambda s, eps: np.sqrt(s) + eps, move=None, returned=None):
    """AdaGrad or RMSprop, after `collect(s, g², *share)`, with what a chaff changes.

    `move(lr, grad, divisor)` is the step, `returned(s, new)` the s that is given back.
    """

    def wrong(w, grad, s, lr, *others):
        *share, eps = others
        new = collect(old * s, square(grad), *share)
        by = divisor(new, eps)
        step = lr * grad / by if move is None else move(lr, grad, by)
        return w - step, returned(s, new) if returned else new

    return wrong


def adaptive_chaffs(exercise, collect, formula):
    """Declare the mistakes that AdaGrad and RMSprop share."""

    def declare(name, why, function=None, **changes):
        function = function or adaptive(collect, **changes)
        function.__name__ = f"{exercise.name.removesuffix('_step')}_{name}"
        exercise.chaff(why)(function)

    def old_used(w, grad, s, lr, *others):
        *share, eps = others
        return w - lr * grad / (np.sqrt(s) + eps), collect(s, grad**2, *share)

    def sign_only(w, grad, s, lr, *others):
        *share, eps = others
        return w - lr * grad / (abs(grad) + eps), collect(s, grad**2, *share)

    declare("no_root", "You divide by s, the squares; divide by their root, √s + ε.", divisor=lambda s, eps: s + eps)
    declare("eps_inside", "Your ε is inside the root, √(s + ε); as in PyTorch it is added after it, √s + ε.",
            divisor=lambda s, eps: np.sqrt(s + eps))
    declare("eps_left_out", "Your ε is left out; where s is 0 you would divide by 0. The divisor is √s + ε.",
            stopping_at_nan(adaptive(collect, divisor=lambda s, eps: np.sqrt(s))))
    declare("eps_for_zero", "Your ε is used only where s is 0; it is added everywhere, √s + ε.",
            divisor=lambda s, eps: np.where(s > 0, np.sqrt(s), eps))
    declare("not_kept", "You forget the squares of the earlier gradients: the s that comes in belongs in the new one, "
            f"{formula}.", old=0)
    declare("old_returned", "Your w moves rightly, but you return the s that came in; the next step needs the new one.",
            returned=lambda s, new: s.copy())
    declare("old_used", "You divide by the root of the s that came in; first compute the new s, then use it.", old_used)
    declare("not_squared", "Your s collects the gradients themselves, as momentum does; it must collect their squares, g².",
            stopping_at_nan(adaptive(collect, square=np.array)))
    declare("absolute", "Your s collects absolute values, |g|; it must collect squares, g².", square=abs)
    declare("uphill", "You go uphill: the step is subtracted from w.", move=lambda lr, grad, by: -lr * grad / by)
    declare("one_rate", "You use one learning rate for all parameters, from the sum of s over all of them. Each has its "
            "own: do not sum.", divisor=lambda s, eps: np.sqrt(s.sum()) + eps)
    declare("sign_only", "You divide by the size of this one gradient, so that little more than its sign is left; divide by "
            "√s + ε, which remembers the earlier ones.", sign_only)
    declare("multiplied", "You multiply by √s + ε. Large gradients need smaller steps, so divide by it.",
            move=lambda lr, grad, by: lr * grad * by)
    declare("no_gradient", "The gradient is left out of the step: it is lr/(√s + ε) times the gradient.",
            move=lambda lr, grad, by: lr / by)
    declare("rate_left_out", "The learning rate is left out of the step: it is lr·g/(√s + ε).",
            move=lambda lr, grad, by: grad / by)
    declare("results_exchanged", "Your two results are exchanged: first w, then s.",
            lambda *args: adaptive(collect)(*args)[::-1])


adaptive_chaffs(adagrad_step, lambda s, square: s + square, "s + g²")


@adagrad_step.chaff(
    "Your s decays, 0.9·s + 0.1·g², which is RMSprop; AdaGrad adds up all squares and forgets none."
)
def decayed_sum(w, grad, s, lr, eps):
    s = 0.9 * s + 0.1 * grad**2
    return w - lr * grad / (np.sqrt(s) + eps), s


@adagrad_step.chaff("Your s is the mean of the old sum and the new square; AdaGrad adds them, s + g².")
def mean_of_old_and_new(w, grad, s, lr, eps):
    s = (s + grad**2) / 2
    return w - lr * grad / (np.sqrt(s) + eps), s


@exercise({"basic": 0.5, "edge cases": 0.25}, results=("w", "s"))
def rmsprop_step(w, grad, s, lr, rho, eps):
    """(w, s) after one step of RMSprop, s = ρs + (1-ρ)g² and w = w - lr·g/(√s + ε)."""
    w, state = torch_step("RMSprop", w, grad, {"step": 0.0, "square_avg": s}, lr=lr, alpha=rho, eps=eps)
    return w, state["square_avg"]


@rmsprop_step.cases
def _(rng):
    def settings(rng):
        return one_of(rng, 0.25, 0.5, 0.75), one_of(rng, 0.7, 0.8, 0.9), one_of(rng, 0.05, 0.15)

    yield from steps(walk(optim.rmsprop_step, zeros(1), settings), rng)


adaptive_chaffs(rmsprop_step, lambda s, square, rho: rho * s + (1 - rho) * square, "ρs + (1-ρ)g²")


@rmsprop_step.chaff("Your s is the plain sum of the squares. That is AdaGrad; RMSprop lets the old ones fade, ρs + (1-ρ)g².")
def plain_sum(w, grad, s, lr, rho, eps):
    s = s + grad**2
    return w - lr * grad / (np.sqrt(s) + eps), s


@rmsprop_step.chaff("ρ and 1-ρ are exchanged: ρ weighs what is remembered, 1-ρ the new square.")
def rho_exchanged(w, grad, s, lr, rho, eps):
    s = (1 - rho) * s + rho * grad**2
    return w - lr * grad / (np.sqrt(s) + eps), s


@rmsprop_step.chaff("The factor 1-ρ of the new square is missing: s = ρs + (1-ρ)g².")
def no_share_for_the_new(w, grad, s, lr, rho, eps):
    s = rho * s + grad**2
    return w - lr * grad / (np.sqrt(s) + eps), s


@rmsprop_step.chaff("The factor ρ of the old s is missing: s = ρs + (1-ρ)g².")
def no_share_for_the_old(w, grad, s, lr, rho, eps):
    s = s + (1 - rho) * grad**2
    return w - lr * grad / (np.sqrt(s) + eps), s


@rmsprop_step.chaff("You squared 1-ρ along with the gradient: it is (1-ρ)·g², not ((1-ρ)·g)².")
def share_squared(w, grad, s, lr, rho, eps):
    s = rho * s + ((1 - rho) * grad) ** 2
    return w - lr * grad / (np.sqrt(s) + eps), s


# adam_step --------------------------------------------------------------------------------


@exercise({"basic": 1.0, "edge cases": 0.5}, results=("w", "m", "v"))
def adam_step(w, grad, m, v, t, lr, beta1, beta2, eps):
    """(w, m, v) after step number t of Adam."""
    state = {"step": t - 1.0, "exp_avg": m, "exp_avg_sq": v}
    w, state = torch_step("Adam", w, grad, state, lr=lr, betas=(beta1, beta2), eps=eps)
    return w, state["exp_avg"], state["exp_avg_sq"]


def two_averages(shape):
    """m, v, and a place for t."""
    return np.zeros(shape), np.zeros(shape), None


def adam_settings(rng):
    return one_of(rng, 0.25, 0.5, 0.75), one_of(rng, 0.6, 0.7), one_of(rng, 0.8, 0.9), one_of(rng, 0.05, 0.15)


@adam_step.cases
def _(rng):
    yield from steps(walk(optim.adam_step, two_averages, adam_settings), rng)
    late = int(rng.integers(8, 15))
    yield Case((numbers(rng, 3), nonzero(rng, 3), nonzero(rng, 3), abs(nonzero(rng, 3)), late, *adam_settings(rng)),
               criterion="edge cases")  # fmt: skip


def _adam(w, grad, m, v, t, lr, beta1, beta2, eps, *, sign=-1, m_t=None, v_t=None, square=2, give="mv"):
    """Adam with what a chaff changes: t in the corrections (math.inf for none), the power of the gradient."""
    m = beta1 * m + (1 - beta1) * grad
    v = beta2 * v + (1 - beta2) * grad**square
    m_hat = m * (1 / (1 - beta1 ** (t if m_t is None else m_t)))  # in Python's numbers: it stops where it divides by 0
    v_hat = v * (1 / (1 - beta2 ** (t if v_t is None else v_t)))
    w = w + sign * lr * m_hat / (np.sqrt(v_hat) + eps)
    return (w, m, v) if give == "mv" else (w, m_hat, v_hat)


@adam_step.chaff(
    "The bias correction is missing: m and v begin at 0 and are too small at first. Divide m by 1-β1ᵗ and v by 1-β2ᵗ."
)
def no_correction(*args):
    return _adam(*args, m_t=math.inf, v_t=math.inf)


@adam_step.chaff("Only m is corrected; v begins at 0 as well, so divide it by 1-β2ᵗ.")
def only_m_corrected(*args):
    return _adam(*args, v_t=math.inf)


@adam_step.chaff("Only v is corrected; m begins at 0 as well, so divide it by 1-β1ᵗ.")
def only_v_corrected(*args):
    return _adam(*args, m_t=math.inf)


@adam_step.chaff("Your corrections use t-1. t counts from 1, so it is βᵗ (with t-1 the first step would divide by 0).")
def t_minus_one(w, grad, m, v, t, lr, beta1, beta2, eps):
    return _adam(w, grad, m, v, t, lr, beta1, beta2, eps, m_t=t - 1, v_t=t - 1)


@adam_step.chaff("Your corrections use t+1. t counts from 1 already, so it is βᵗ.")
def t_plus_one(w, grad, m, v, t, lr, beta1, beta2, eps):
    return _adam(w, grad, m, v, t, lr, beta1, beta2, eps, m_t=t + 1, v_t=t + 1)


@adam_step.chaff("Your corrections lack the power: they divide by 1-β, at every step; it is 1-βᵗ.")
def power_missing(*args):
    return _adam(*args, m_t=1, v_t=1)


@adam_step.chaff("Your ε is inside the root; as in PyTorch it is added after it, √v̂ + ε.")
def adam_eps_inside(w, grad, m, v, t, lr, beta1, beta2, eps):
    m, v = beta1 * m + (1 - beta1) * grad, beta2 * v + (1 - beta2) * grad**2
    return w - lr * (m / (1 - beta1**t)) / np.sqrt(v / (1 - beta2**t) + eps), m, v


@adam_step.chaff("ε is left out of the divisor, √v̂ + ε.")
@stopping_at_nan
def adam_eps_left_out(w, grad, m, v, t, lr, beta1, beta2, eps):
    return _adam(w, grad, m, v, t, lr, beta1, beta2, 0.0)


@adam_step.chaff(
    "You add ε to √v before the correction, as TensorFlow does; as in PyTorch it is added to √v̂, after it."
)
def eps_before_correction(w, grad, m, v, t, lr, beta1, beta2, eps):
    m, v = beta1 * m + (1 - beta1) * grad, beta2 * v + (1 - beta2) * grad**2
    return w - lr * math.sqrt(1 - beta2**t) / (1 - beta1**t) * m / (np.sqrt(v) + eps), m, v


@adam_step.chaff("β1 and β2 are exchanged: β1 belongs to m, β2 to v.")
def betas_exchanged(w, grad, m, v, t, lr, beta1, beta2, eps):
    return _adam(w, grad, m, v, t, lr, beta2, beta1, eps)


@adam_step.chaff("β and 1-β are exchanged: β weighs what is remembered, 1-β what is new.")
def betas_complemented(w, grad, m, v, t, lr, beta1, beta2, eps):
    return _adam(w, grad, m, v, t, lr, 1 - beta1, 1 - beta2, eps)


@adam_step.chaff("The corrections are exchanged: m is divided by 1-β1ᵗ, v by 1-β2ᵗ.")
def corrections_exchanged(w, grad, m, v, t, lr, beta1, beta2, eps):
    m, v = beta1 * m + (1 - beta1) * grad, beta2 * v + (1 - beta2) * grad**2
    return w - lr * (m / (1 - beta2**t)) / (np.sqrt(v / (1 - beta1**t)) + eps), m, v


@adam_step.chaff("Your v averages the gradients, not their squares: g² belongs into it.")
@stopping_at_nan  # the root of a negative number
def gradient_for_square(*args):
    return _adam(*args, square=1)


@adam_step.chaff("The root is missing: divide by √v̂ + ε, not by v̂ + ε.")
def adam_no_root(w, grad, m, v, t, lr, beta1, beta2, eps):
    m, v = beta1 * m + (1 - beta1) * grad, beta2 * v + (1 - beta2) * grad**2
    return w - lr * (m / (1 - beta1**t)) / (v / (1 - beta2**t) + eps), m, v


@adam_step.chaff(
    "Your w is right, but you return the corrected m̂ and v̂. The next step needs m and v as they are, "
    "or they are corrected twice."
)
def corrected_returned(*args):
    return _adam(*args, give="hats")


@adam_step.chaff("Your w is right, but you return the m and v that came in; the next step needs the new ones.")
def adam_state_not_kept(w, grad, m, v, *rest):
    return _adam(w, grad, m, v, *rest)[0], m.copy(), v.copy()


@adam_step.chaff("The shares 1-β1 and 1-β2 of the new gradient are missing: m = β1·m + (1-β1)·g, and v the same with g².")
def adam_shares_missing(w, grad, m, v, t, lr, beta1, beta2, eps):
    m, v = beta1 * m + grad, beta2 * v + grad**2
    return w - lr * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + eps), m, v


@adam_step.chaff("Your step has the gradient where m̂ belongs: that is RMSprop, without momentum.")
def gradient_for_m(w, grad, m, v, t, lr, beta1, beta2, eps):
    m, v = beta1 * m + (1 - beta1) * grad, beta2 * v + (1 - beta2) * grad**2
    return w - lr * grad / (np.sqrt(v / (1 - beta2**t)) + eps), m, v


@adam_step.chaff("You go uphill: the step is subtracted from w.")
def adam_uphill(*args):
    return _adam(*args, sign=1)


@adam_step.chaff("Your results stand in another order: w, then m, then v.")
def adam_results_exchanged(*args):
    w, m, v = _adam(*args)
    return w, v, m


@adam_step.chaff("Your v averages the squares of m; it averages the squares of the gradient, g².")
def square_of_m(w, grad, m, v, t, lr, beta1, beta2, eps):
    m = beta1 * m + (1 - beta1) * grad
    v = beta2 * v + (1 - beta2) * m**2
    return w - lr * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + eps), m, v


# nadam_step -------------------------------------------------------------------------------


@exercise({"basic": 1.0, "edge cases": 0.5}, results=("w", "m", "v", "mu_product"))
def nadam_step(w, grad, m, v, t, mu_product, lr, beta1, beta2, eps, momentum_decay):
    """(w, m, v, mu_product) after step number t of PyTorch's NAdam."""
    state = {"step": t - 1.0, "mu_product": mu_product, "exp_avg": m, "exp_avg_sq": v}
    options = {"lr": lr, "betas": (beta1, beta2), "eps": eps, "momentum_decay": momentum_decay}
    w, state = torch_step("NAdam", w, grad, state, **options)
    return w, state["exp_avg"], state["exp_avg_sq"], float(state["mu_product"])


@nadam_step.cases
def _(rng):
    def settings(rng):  # a schedule that is felt within four steps
        return *adam_settings(rng), one_of(rng, 2.0, 3.0, 4.0)

    def state(shape):
        return *two_averages(shape), 1.0

    yield from steps(walk(optim.nadam_step, state, settings), rng)
    late, product = int(rng.integers(8, 15)), one_of(rng, 0.03125, 0.0625)
    yield Case((numbers(rng, 3), nonzero(rng, 3), nonzero(rng, 3), abs(nonzero(rng, 3)), late, product, *settings(rng)),
               criterion="edge cases")  # fmt: skip


def _mu(beta1, t, decay):
    return beta1 * (1 - 0.5 * 0.96 ** (t * decay))


def _nadam(
    w, grad, m, v, t, product, lr, beta1, beta2, eps, decay, *, mu=_mu, ahead=1, g_correction=True, m_correction=True,
    v_correction=True, m_ahead=True, inside=False, share=None, give=None
):
    """NAdam with what a chaff changes."""
    m = beta1 * m + (1 - beta1) * grad
    v = beta2 * v + (1 - beta2) * grad**2
    mu_now, mu_next = mu(beta1, t, decay), mu(beta1, t + ahead, decay)
    product = product * mu_now
    part_m = mu_next * m / (1 - product * (mu_next if m_ahead else 1) if m_correction else 1)
    part_g = (1 - mu_now if share is None else share) * grad / (1 - product if g_correction else 1)
    v_hat = v / (1 - beta2**t) if v_correction else v
    divisor = np.sqrt(v_hat + eps) if inside else np.sqrt(v_hat) + eps
    return w - lr * (part_m + part_g) / divisor, m, v, give(product, mu_now, mu_next) if give else product


@nadam_step.chaff("This is plain Adam, which does not look ahead: m̂ has two parts, one of m with μ of the next step, one of the gradient.")
def plain_adam(w, grad, m, v, t, mu_product, lr, beta1, beta2, eps, momentum_decay):
    product = mu_product * _mu(beta1, t, momentum_decay)
    return *_adam(w, grad, m, v, t, lr, beta1, beta2, eps), product


@nadam_step.chaff("This is plain Adam, and mu_product comes back as it came: m̂ has two parts here, and mu_product takes in μ_t.")
def plain_adam_product_kept(w, grad, m, v, t, mu_product, lr, beta1, beta2, eps, momentum_decay):
    return *_adam(w, grad, m, v, t, lr, beta1, beta2, eps), mu_product


@nadam_step.chaff("You use μ_t for both parts. The part of m has μ of the next step, μ_{t+1}: that is the look ahead.")
def no_look_ahead(*args):
    return _nadam(*args, ahead=0)


@nadam_step.chaff("Your μ's are one step ahead: μ_{t+1} and μ_{t+2} for μ_t and μ_{t+1}. t counts from 1 already.")
def one_step_too_far(*args):
    return _nadam(*args, mu=lambda beta1, t, decay: _mu(beta1, t + 1, decay))


@nadam_step.chaff("Your μ's are one step late: μ_{t-1} and μ_t for μ_t and μ_{t+1}. t counts from 1.")
def one_step_too_late(*args):
    return _nadam(*args, mu=lambda beta1, t, decay: _mu(beta1, t - 1, decay))


@nadam_step.chaff("Your w is right, but mu_product comes back as it came. Return the product with μ_t in it: the next step needs it.")
def product_not_kept(w, grad, m, v, t, mu_product, *rest):
    return _nadam(w, grad, m, v, t, mu_product, *rest, give=lambda *_: mu_product)


@nadam_step.chaff("You return the product with μ_{t+1} in it. It belongs in one place only, under m; what is kept ends with μ_t.")
def product_too_far(*args):
    return _nadam(*args, give=lambda product, now, following: product * following)


@nadam_step.chaff("You return μ_t for the product of all μ so far.")
def mu_for_product(*args):
    return _nadam(*args, give=lambda product, now, following: now)


@nadam_step.chaff("You forget the earlier μ's: the product is μ_t alone in your code; multiply the mu_product that came in by it.")
def product_forgotten(w, grad, m, v, t, mu_product, *rest):
    return _nadam(w, grad, m, v, t, 1.0, *rest)


@nadam_step.chaff("The part of the gradient is not corrected: divide (1-μ_t)·g by 1 - Π_t, with Π_t the product up to μ_t.")
def gradient_not_corrected(*args):
    return _nadam(*args, g_correction=False)


@nadam_step.chaff("The part of m is not corrected: divide μ_{t+1}·m by 1 - Π_t·μ_{t+1}.")
def m_not_corrected(*args):
    return _nadam(*args, m_correction=False)


@nadam_step.chaff("The part of m is divided by 1 - Π_t; it is 1 - Π_t·μ_{t+1}, because m gets μ_{t+1} ahead of time.")
def m_corrected_with_product(*args):
    return _nadam(*args, m_ahead=False)


@nadam_step.chaff("v is not corrected: divide it by 1-β2ᵗ, as in Adam.")
def v_not_corrected(*args):
    return _nadam(*args, v_correction=False)


@nadam_step.chaff("Your ε is inside the root; it is added after it, √v̂ + ε.")
def nadam_eps_inside(*args):
    return _nadam(*args, inside=True)


@nadam_step.chaff("ε is left out of the divisor, √v̂ + ε.")
@stopping_at_nan
def nadam_eps_left_out(*args):
    return _nadam(*args[:9], 0.0, *args[10:])


@nadam_step.chaff("You have no schedule: μ is β1 at every step. That is Dozat's simpler form; PyTorch's rises from about β1/2 to β1.")
def no_schedule(*args):
    return _nadam(*args, mu=lambda beta1, t, decay: beta1)


@nadam_step.chaff("The momentum decay ψ is left out of your schedule: μ_t = β1·(1 - 0.5·0.96^(t·ψ)).")
def decay_left_out(*args):
    return _nadam(*args, mu=lambda beta1, t, decay: _mu(beta1, t, 1))


@nadam_step.chaff("The factor 0.5 is missing in your schedule: μ_t = β1·(1 - 0.5·0.96^(t·ψ)).")
def half_missing(*args):
    return _nadam(*args, mu=lambda beta1, t, decay: beta1 * (1 - 0.96 ** (t * decay)))


@nadam_step.chaff("The part of the gradient has the share 1-β1; here it is 1-μ_t, which follows the schedule.")
def share_of_beta(w, grad, m, v, t, mu_product, lr, beta1, *rest):
    return _nadam(w, grad, m, v, t, mu_product, lr, beta1, *rest, share=1 - beta1)


@nadam_step.chaff("Your m takes μ_t for β1: m and v are Adam's, with β1 and β2; the μ's come in afterwards.")
def mu_in_m(w, grad, m, v, t, mu_product, lr, beta1, beta2, eps, momentum_decay):
    now = _mu(beta1, t, momentum_decay)
    new = now * m + (1 - now) * grad
    given = (new - (1 - beta1) * grad) / beta1  # the m from which β1 leads to it
    return _nadam(w, grad, given, v, t, mu_product, lr, beta1, beta2, eps, momentum_decay)


@nadam_step.chaff("You use the m that came in; the part of m has the new one, β1·m + (1-β1)·g.")
def old_m_used(w, grad, m, v, t, mu_product, lr, beta1, beta2, eps, momentum_decay):
    right = _nadam(w, grad, m, v, t, mu_product, lr, beta1, beta2, eps, momentum_decay)
    following = _mu(beta1, t + 1, momentum_decay)
    factor = lr * following / (1 - right[3] * following) / (np.sqrt(right[2] / (1 - beta2**t)) + eps)
    return right[0] + factor * (right[1] - m), *right[1:]


@nadam_step.chaff("You go uphill: the step is subtracted from w.")
def nadam_uphill(w, *rest):
    new, *state = _nadam(w, *rest)
    return 2 * w - new, *state


# batch_norm -------------------------------------------------------------------------------


def betas(rng, d):
    """Halves of which none is 0 or 1, to be added."""
    return rng.choice([-3.0, -2.5, -2.0, -1.5, 1.5, 2.0, 2.5, 3.0], d, replace=False)


def gammas(rng, d):
    """Factors of which none is 0 or 1."""
    return rng.choice([0.25, 0.5, 0.75, 1.25, 1.75, 2.25, -0.5, 3.5], d, replace=False)


def batch(rng, n, d, *, constant=False):
    """(x, gamma, beta, eps); with `constant`, the last column is the same in all samples."""
    x = spread(rng, n, d)
    if constant:
        x[:, -1] = x[0, -1]
    return x, gammas(rng, d), betas(rng, d), one_of(rng, 0.05, 0.1, 0.25)


@exercise({"basic": 1.0, "edge cases": 0.5})
def batch_norm(x, gamma, beta, eps):
    """Each column of x with the batch's mean and (biased) variance taken out, times γ plus β, an array (N, D)."""
    return torch_batch_norm(tensor(x), tensor(gamma), tensor(beta), eps).numpy()


@batch_norm.cases
def _(rng):
    yield Case(batch(rng, 3, 2))
    yield Case(batch(rng, 4, 3))
    yield Case(batch(rng, 5, 2))
    yield Case(batch(rng, 2, 4))
    yield Case(batch(rng, 4, 1), criterion="edge cases")
    yield Case(batch(rng, 3, 2, constant=True), criterion="edge cases")
    x, gamma, beta, eps = batch(rng, 4, 2)
    yield Case((x + [12, -8], gamma, beta, eps), criterion="edge cases")


def _normal(x, gamma, beta, eps, *, axis=0, ddof=0, centre=True):
    mean, var = x.mean(axis, keepdims=True), x.var(axis, ddof=ddof, keepdims=True)
    return beta + gamma * (x - mean if centre else x) / np.sqrt(var + eps)


@batch_norm.chaff(
    "Your variance is divided by N-1 (ddof=1). Batch normalisation divides by N, also in PyTorch; N-1 is for the "
    "running variance."
)
def unbiased(x, gamma, beta, eps):
    return _normal(x, gamma, beta, eps, ddof=1)


@batch_norm.chaff("Your ε is outside the root, √Var + ε; here it is inside, √(Var + ε).")
def eps_outside(x, gamma, beta, eps):
    return beta + gamma * (x - x.mean(0)) / (x.std(0) + eps)


@batch_norm.chaff("ε is left out: where a column is constant you would divide by 0. Divide by √(Var + ε).")
@stopping_at_nan
def norm_without_eps(x, gamma, beta, eps):
    return beta + gamma * (x - x.mean(0)) / x.std(0)


@batch_norm.chaff("You divide by the variance; divide by its root, √(Var + ε).")
def divided_by_variance(x, gamma, beta, eps):
    return beta + gamma * (x - x.mean(0)) / (x.var(0) + eps)


@batch_norm.chaff("You normalise each sample over its features (axis 1): that is layer normalisation. The mean is over the batch, axis 0.")
def over_features(x, gamma, beta, eps):
    return _normal(x, gamma, beta, eps, axis=1)


@batch_norm.chaff("You take one mean and one variance of the whole array; each column, that is each neuron, has its own.")
def over_everything(x, gamma, beta, eps):
    return _normal(x, gamma, beta, eps, axis=None)


@batch_norm.chaff("γ and β are exchanged: γ multiplies, β is added.")
def gamma_and_beta_exchanged(x, gamma, beta, eps):
    return _normal(x, beta, gamma, eps)


@batch_norm.chaff("β is added before the multiplication, so γ scales it too: γ·x̂ + β, not γ·(x̂ + β).")
def beta_scaled(x, gamma, beta, eps):
    return gamma * (beta + _normal(x, 1, 0, eps))


@batch_norm.chaff("γ and β are left out: this is the normalised x̂.")
def gamma_and_beta_left_out(x, gamma, beta, eps):
    return _normal(x, 1, 0, eps)


@batch_norm.chaff("γ is left out: γ·x̂ + β.")
def gamma_left_out(x, gamma, beta, eps):
    return _normal(x, 1, beta, eps)


@batch_norm.chaff("β is left out: γ·x̂ + β.")
def beta_of_norm_left_out(x, gamma, beta, eps):
    return _normal(x, gamma, 0, eps)


@batch_norm.chaff("The mean is not taken out: x - E(x) stands above the root.")
def not_centred(x, gamma, beta, eps):
    return _normal(x, gamma, beta, eps, centre=False)


@batch_norm.chaff("The mean is taken out, but you do not divide by √(Var + ε).")
def not_scaled(x, gamma, beta, eps):
    return beta + gamma * (x - x.mean(0))


@batch_norm.chaff("For the variance you averaged the squares of x itself; the mean has to be taken out first.")
def second_moment(x, gamma, beta, eps):
    return beta + gamma * (x - x.mean(0)) / np.sqrt((x**2).mean(0) + eps)


@batch_norm.chaff("You took the sum of the squared deviations for the variance: divide it by N.")
def sum_for_variance(x, gamma, beta, eps):
    return beta + gamma * (x - x.mean(0)) / np.sqrt(x.var(0) * len(x) + eps)


@batch_norm.chaff("You brought each column to the range from 0 to 1 (minimum and maximum); here it is mean and variance.")
def min_max(x, gamma, beta, eps):
    return beta + gamma * (x - x.min(0)) / (np.ptp(x, axis=0) + eps)


@batch_norm.chaff("You took the median for the mean.")
def median_for_mean(x, gamma, beta, eps):
    centred = x - np.median(x, axis=0)
    return beta + gamma * centred / np.sqrt((centred**2).mean(0) + eps)


# update_running ---------------------------------------------------------------------------


@exercise({"basic": 0.75, "edge cases": 0.25}, results=("running_mean", "running_var"))
def update_running(x, running_mean, running_var, momentum):
    """(running_mean, running_var) after the batch x, as PyTorch keeps them."""
    import torch

    mean, var = tensor(running_mean), tensor(running_var)
    torch.nn.functional.batch_norm(tensor(x), mean, var, training=True, momentum=momentum)
    return mean.numpy(), var.numpy()


@update_running.cases
def _(rng):
    def case(n, d, momentum, criterion="basic"):
        mean, var = distinct(rng, d, 12, 30) * rng.choice([-1, 1]), distinct(rng, d, 5, 24)
        return Case((spread(rng, n, d), mean, var, momentum), criterion=criterion)

    yield case(3, 2, one_of(rng, 0.1, 0.2))
    yield case(4, 3, 0.1)
    yield case(5, 2, one_of(rng, 0.25, 0.3))
    yield Case((spread(rng, 4, 2), np.zeros(2), np.ones(2), 0.1))  # as they are before the first batch
    yield case(2, 3, 0.2, "edge cases")
    yield case(4, 1, 0.3, "edge cases")
    yield case(3, 2, 1.0, "edge cases")  # forgets all that was before
    yield case(3, 2, 0.0, "edge cases")  # and takes nothing in


def _running(x, mean, var, share, ddof=1, old=None):
    old = 1 - share if old is None else old
    return old * mean + share * x.mean(0), old * var + share * x.var(0, ddof=ddof)


@update_running.chaff(
    "Your momentum weighs the old value. In PyTorch it weighs the new one: (1 - momentum)·old + momentum·new."
)
def momentum_on_old(x, running_mean, running_var, momentum):
    return _running(x, running_mean, running_var, 1 - momentum)


@update_running.chaff(
    "Your variance is divided by N. To normalise a batch that is right; into running_var goes the unbiased one, "
    "divided by N-1."
)
def biased(x, running_mean, running_var, momentum):
    return _running(x, running_mean, running_var, momentum, ddof=0)


@update_running.chaff(
    "Two things: your momentum weighs the old value, and your variance is divided by N. In PyTorch it weighs the new "
    "one, and the variance is divided by N-1."
)
def momentum_on_old_and_biased(x, running_mean, running_var, momentum):
    return _running(x, running_mean, running_var, 1 - momentum, ddof=0)


@update_running.chaff("Your running_var takes in the standard deviation; it keeps the variance, its square.")
def deviation_kept(x, running_mean, running_var, momentum):
    mean, _ = _running(x, running_mean, running_var, momentum)
    return mean, (1 - momentum) * running_var + momentum * x.std(0, ddof=1)


@update_running.chaff("Your running_var takes in a standard deviation that is divided by N; it keeps the variance, divided by N-1.")
def biased_deviation_kept(x, running_mean, running_var, momentum):
    mean, _ = _running(x, running_mean, running_var, momentum)
    return mean, (1 - momentum) * running_var + momentum * x.std(0)


@update_running.chaff("The old values do not fade: they have to be multiplied by 1 - momentum.")
def old_does_not_fade(x, running_mean, running_var, momentum):
    return _running(x, running_mean, running_var, momentum, old=1.0)


@update_running.chaff("You return the statistics of this batch alone; the old ones are part of the running ones.")
def batch_alone(x, running_mean, running_var, momentum):
    return x.mean(0), x.var(0, ddof=1)


@update_running.chaff("Your variance is taken around the running mean; it is that of the batch, around the batch's own mean.")
def around_running_mean(x, running_mean, running_var, momentum):
    mean, _ = _running(x, running_mean, running_var, momentum)
    var = ((x - running_mean) ** 2).sum(0) / (len(x) - 1)
    return mean, (1 - momentum) * running_var + momentum * var


@update_running.chaff("Your variance is taken around the new running mean; it is that of the batch, around the batch's own mean.")
def around_new_running_mean(x, running_mean, running_var, momentum):
    mean, _ = _running(x, running_mean, running_var, momentum)
    return mean, (1 - momentum) * running_var + momentum * ((x - mean) ** 2).sum(0) / (len(x) - 1)


@update_running.chaff("You take one mean and one variance of the whole array; each column has its own.")
def running_over_everything(x, running_mean, running_var, momentum):
    return (1 - momentum) * running_mean + momentum * x.mean(), (1 - momentum) * running_var + momentum * x.var(ddof=1)


@update_running.chaff("Your results are exchanged: first the mean, then the variance.")
def running_exchanged(x, running_mean, running_var, momentum):
    return _running(x, running_mean, running_var, momentum)[::-1]


@update_running.chaff("Only the mean is updated; running_var needs the same with the batch's variance.")
def variance_not_updated(x, running_mean, running_var, momentum):
    return _running(x, running_mean, running_var, momentum)[0], running_var.copy()


@update_running.chaff("The new value has no weight in your sum: multiply it by momentum.")
def new_unweighted(x, running_mean, running_var, momentum):
    old = 1 - momentum
    return old * running_mean + x.mean(0), old * running_var + x.var(0, ddof=1)


# batch_norm_backward ----------------------------------------------------------------------


@exercise({"basic": 1.5, "edge cases": 0.5}, results=("dx", "dgamma", "dbeta"))
def batch_norm_backward(dy, x, gamma, eps):
    """The gradients (dx, dgamma, dbeta) of the cost, from its gradient dy at the output of batch_norm."""
    x, gamma = tensor(x, requires_grad=True), tensor(gamma, requires_grad=True)
    beta = tensor(np.zeros(len(gamma)), requires_grad=True)
    torch_batch_norm(x, gamma, beta, eps).backward(tensor(dy))
    return x.grad.numpy(), gamma.grad.numpy(), beta.grad.numpy()


@batch_norm_backward.cases
def _(rng):
    def case(n, d, criterion="basic", **options):
        x, gamma, _, eps = batch(rng, n, d, **options)
        while True:
            dy = nonzero(rng, n, d)
            normal = _normal(x, 1, 0, eps)
            if abs(dy.sum(0)).min() > 0.4 and (abs((dy * normal).sum(0)) > 0.2)[: d - options.get("constant", 0)].all():
                return Case((dy, x, gamma, eps), criterion=criterion)

    yield case(3, 2)
    yield case(4, 3)
    yield case(5, 2)
    yield case(2, 3, "edge cases")
    yield case(4, 1, "edge cases")
    yield case(3, 2, "edge cases", constant=True)
    far = case(4, 2).args
    yield Case((far[0], far[1] + [12, -8], *far[2:]), criterion="edge cases")


def _norm_backward(dy, x, gamma, eps, *, mean=True, var=True, ddof=0):
    """The backward; without `mean` or `var` these are taken as constants."""
    std = np.sqrt(x.var(0, ddof=ddof) + eps)
    normal, n = (x - x.mean(0)) / std, len(x)
    dgamma, dbeta = (dy * normal).sum(0), dy.sum(0)
    dx = gamma / std * (dy - mean * dbeta / n - var * normal * dgamma / n)
    return dx, dgamma, dbeta


@batch_norm_backward.chaff(
    "Your dx takes the mean and the variance as constants. In training both depend on every x of the batch, so the "
    "gradient also flows through them."
)
def statistics_constant(dy, x, gamma, eps):
    return _norm_backward(dy, x, gamma, eps, mean=False, var=False)


@batch_norm_backward.chaff("In your dx the gradient flows through the mean, but not through the variance: the part with x̂ is missing.")
def only_through_mean(dy, x, gamma, eps):
    return _norm_backward(dy, x, gamma, eps, var=False)


@batch_norm_backward.chaff("In your dx the gradient flows through the variance, but not through the mean: the part with dβ is missing.")
def only_through_variance(dy, x, gamma, eps):
    return _norm_backward(dy, x, gamma, eps, mean=False)


@batch_norm_backward.chaff("Your dγ is the sum of dy·x; γ multiplies the normalised x̂, so it is the sum of dy·x̂.")
def dgamma_without_normalising(dy, x, gamma, eps):
    dx, _, dbeta = _norm_backward(dy, x, gamma, eps)
    return dx, (dy * x).sum(0), dbeta


@batch_norm_backward.chaff("Your dγ has x with only the mean taken out; γ multiplies x̂, so divide by √(Var + ε) as well.")
def dgamma_only_centred(dy, x, gamma, eps):
    dx, _, dbeta = _norm_backward(dy, x, gamma, eps)
    return dx, (dy * (x - x.mean(0))).sum(0), dbeta


@batch_norm_backward.chaff("Your dγ and dβ are means over the batch; the cost collects all samples, so they are sums.")
def means_for_sums(dy, x, gamma, eps):
    dx, dgamma, dbeta = _norm_backward(dy, x, gamma, eps)
    return dx, dgamma / len(x), dbeta / len(x)


@batch_norm_backward.chaff("In your dx the sums are not divided by N: it is dy - (dβ + x̂·dγ)/N.")
def sums_for_means(dy, x, gamma, eps):
    std = np.sqrt(x.var(0) + eps)
    dx, dgamma, dbeta = _norm_backward(dy, x, gamma, eps)
    return gamma / std * (dy - dbeta - (x - x.mean(0)) / std * dgamma), dgamma, dbeta


@batch_norm_backward.chaff("γ is left out of dx: the error passes through γ on its way back.")
def gamma_left_out_of_dx(dy, x, gamma, eps):
    return _norm_backward(dy, x, np.ones_like(gamma), eps)


@batch_norm_backward.chaff("The division by √(Var + ε) is left out of dx.")
def deviation_left_out_of_dx(dy, x, gamma, eps):
    dx, dgamma, dbeta = _norm_backward(dy, x, gamma, eps)
    return dx * np.sqrt(x.var(0) + eps), dgamma, dbeta


@batch_norm_backward.chaff("Your dγ has the factor γ in it: y = γ·x̂ + β, and its derivative for γ is x̂ alone.")
def dgamma_times_gamma(dy, x, gamma, eps):
    dx, dgamma, dbeta = _norm_backward(dy, x, gamma, eps)
    return dx, gamma * dgamma, dbeta


@batch_norm_backward.chaff("In the part of dx that comes through the variance, x̂ is missing: it is x̂·dγ/N, different for each sample.")
def normal_left_out(dy, x, gamma, eps):
    std = np.sqrt(x.var(0) + eps)
    _, dgamma, dbeta = _norm_backward(dy, x, gamma, eps)
    return gamma / std * (dy - dbeta / len(x) - dgamma / len(x)), dgamma, dbeta


@batch_norm_backward.chaff("In dx the parts that come through mean and variance are added; they are subtracted.")
def parts_added(dy, x, gamma, eps):
    std = np.sqrt(x.var(0) + eps)
    dx, dgamma, dbeta = _norm_backward(dy, x, gamma, eps)
    return 2 * gamma / std * dy - dx, dgamma, dbeta


@batch_norm_backward.chaff("Your variance is divided by N-1; batch normalisation divides by N.")
def backward_unbiased(dy, x, gamma, eps):
    return _norm_backward(dy, x, gamma, eps, ddof=1)


@batch_norm_backward.chaff("ε is left out of √(Var + ε).")
@stopping_at_nan
def backward_without_eps(dy, x, gamma, eps):
    return _norm_backward(dy, x, gamma, 0.0)


@batch_norm_backward.chaff("Your dγ and dβ are not summed: all samples share γ and β, so sum over the batch, axis 0.")
def not_summed(dy, x, gamma, eps):
    normal = (x - x.mean(0)) / np.sqrt(x.var(0) + eps)
    return _norm_backward(dy, x, gamma, eps)[0], dy * normal, dy.copy()


@batch_norm_backward.chaff("dγ and dβ are exchanged: dx, then dγ, the sum of dy·x̂, then dβ, the sum of dy.")
def dgamma_and_dbeta_exchanged(dy, x, gamma, eps):
    dx, dgamma, dbeta = _norm_backward(dy, x, gamma, eps)
    return dx, dbeta, dgamma


@batch_norm_backward.chaff("Your dβ has the factor γ in it: β is added after γ, so dβ is the sum of dy alone.")
def dbeta_times_gamma(dy, x, gamma, eps):
    dx, dgamma, dbeta = _norm_backward(dy, x, gamma, eps)
    return dx, dgamma, gamma * dbeta


# residual, residual_backward --------------------------------------------------------------


def layer(rng, d):
    """A small layer (N, d) → (N, d) as a `Function`: weights that differ from the unit matrix, then tanh."""
    w = nonzero(rng, d, d).tolist()
    return Function("tanh_of_linear", f"lambda x: np.tanh(x @ np.array({w}))")


def scaling(rng):
    """A function x → a·x, with a in its name."""
    a = one_of(rng, -1.5, -0.5, 0.75, 2.5)
    return Function(f"times_{a}".replace("-", "minus_").replace(".", "_"), f"lambda x: {a!r} * x")


SQUARE = Function("square", "lambda x: x ** 2")
RELU = Function("relu", "lambda x: np.maximum(x, 0)")


@exercise({"basic": 0.5})
def residual(x, f):
    """The input plus what f makes of it, x + f(x), an array like x."""
    x = tensor(x)
    return (x + tensor(f(x.numpy()))).numpy()


@residual.cases
def _(rng):
    yield Case((nonzero(rng, 4), scaling(rng)))
    yield Case((nonzero(rng, 2, 3), layer(rng, 3)))
    yield Case((nonzero(rng, 3, 2), layer(rng, 2)))
    yield Case((nonzero(rng, 5), SQUARE))
    yield Case((nonzero(rng, 3, 4), RELU))
    yield Case((nonzero(rng, 2, 2, 2, 3), scaling(rng)))


@residual.chaff("You put x and f(x) side by side (concatenation); a skip connection adds them.")
def concatenated(x, f):
    return np.concatenate([x, f(x)], axis=-1)


@residual.chaff("You put x and f(x) below each other (concatenation); a skip connection adds them.")
def concatenated_below(x, f):
    return np.concatenate([x, f(x)])


@residual.chaff("This is f(x) alone; the skip connection adds x to it.")
def skip_missing(x, f):
    return f(x)


@residual.chaff("You multiplied x and f(x); a skip connection adds them.")
def multiplied(x, f):
    return x * f(x)


@residual.chaff("You took the mean of x and f(x); a skip connection adds them.")
def mean_of_both(x, f):
    return (x + f(x)) / 2


@residual.chaff("You subtracted; a skip connection adds, x + f(x).")
def subtracted(x, f):
    return x - f(x)


@residual.chaff("You gave f(x) to f once more; x itself is added to f(x).")
def f_twice(x, f):
    return f(x) + f(f(x))


@residual.chaff("You gave the sum to f: x goes round f, and is added after it.")
def f_of_sum(x, f):
    return f(x + f(x))


@residual.chaff("You added x twice: it is x + f(x).")
def x_twice(x, f):
    return 2 * x + f(x)


@residual.chaff("You applied ReLU to the sum; here the sum is returned as it is.")
def relu_of_sum(x, f):
    return np.maximum(x + f(x), 0)


@exercise({"basic": 0.5})
def residual_backward(dy, f_backward):
    """The gradient of the cost for x: dy plus what f's backward makes of it, an array like dy."""
    dy = tensor(dy)
    return (dy + tensor(f_backward(dy.numpy()))).numpy()


@residual_backward.cases
def _(rng):
    def backward(d):
        """dy @ w.T of a linear layer, whose slopes by φ differ from neuron to neuron."""
        w, slopes = nonzero(rng, d, d).tolist(), distinct(rng, d).tolist()
        return Function("backward_of_linear", f"lambda dy: (dy * np.array({slopes})) @ np.array({w})")

    yield Case((nonzero(rng, 4), scaling(rng)))
    yield Case((nonzero(rng, 2, 3), backward(3)))
    yield Case((nonzero(rng, 3, 2), backward(2)))
    yield Case((nonzero(rng, 5), Function("times_0", "lambda dy: 0 * dy")))
    yield Case((nonzero(rng, 2, 2, 2, 3), scaling(rng)))


@residual_backward.chaff(
    "The gradient of the skip connection is lost: x also reaches the output directly, with slope 1, so add dy itself."
)
def identity_lost(dy, f_backward):
    return f_backward(dy)


@residual_backward.chaff("You return dy alone; what comes back through f is to be added, f_backward(dy).")
def f_lost(dy, f_backward):
    return dy.copy()


@residual_backward.chaff("You multiplied the two gradients; the paths join in a sum, so their gradients are added.")
def gradients_multiplied(dy, f_backward):
    return dy * f_backward(dy)


@residual_backward.chaff("You added 1, the slope of the skip connection, without dy; by the chain rule it is 1·dy.")
def one_for_dy(dy, f_backward):
    return 1 + f_backward(dy)


@residual_backward.chaff("You halved the gradient, as if the two paths shared it. A sum passes the whole dy on to each of them: add the two.")
def gradient_halved(dy, f_backward):
    return (dy + f_backward(dy)) / 2


@residual_backward.chaff("You subtracted; the gradients of the two paths are added.")
def gradients_subtracted(dy, f_backward):
    return dy - f_backward(dy)


@residual_backward.chaff("You put the two gradients side by side; they are added, because both paths begin at the same x.")
def gradients_concatenated(dy, f_backward):
    return np.concatenate([dy, f_backward(dy)], axis=-1)


@residual_backward.chaff("You gave the sum to f_backward again: each path is walked once.")
def backward_twice(dy, f_backward):
    return f_backward(dy + f_backward(dy))
