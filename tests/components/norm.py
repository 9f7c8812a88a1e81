"""Batch normalisation: the layer in training and in use, and its running statistics."""

import math
from itertools import cycle

import numpy as np
import torch
from hypothesis import strategies as st
from torch.nn import functional as F

from components import Case, Component, Wrong
from pnnlib.norm import batch_norm, batch_norm_backward, update_running


def forward(x, weight, bias, **options):
    """What has a gradient comes first; PyTorch's order has the statistics in between."""
    return batch_norm(x, weight=weight, bias=bias, **options)


def gradients(dy, x, weight, bias, **options):
    return batch_norm_backward(dy, x, weight=weight, bias=bias, **options)


def channel(x, c):
    """The values of one channel, one after the other, and their places in x."""
    places = [place for place in np.ndindex(x.shape) if place[1] == c]
    return [x[place] for place in places], places


def mean_and_variance(values):
    mean = sum(values) / len(values)
    return mean, sum((value - mean) ** 2 for value in values) / len(values)


def norm_loops(x, weight, bias, running_mean=None, running_var=None, training=False, momentum=0.1, eps=1e-5):
    y = np.empty_like(x)
    for c in range(x.shape[1]):
        values, places = channel(x, c)
        of_the_batch = training or running_mean is None
        mean, variance = mean_and_variance(values) if of_the_batch else (running_mean[c], running_var[c])
        gamma, beta = 1 if weight is None else weight[c], 0 if bias is None else bias[c]
        for value, place in zip(values, places):
            y[place] = beta + gamma * (value - mean) / math.sqrt(variance + eps)
    return y


def torch_norm(x, weight, bias, running_mean=None, running_var=None, training=False, **options):
    training = training or running_mean is None  # as torch.nn.BatchNorm2d calls it
    return F.batch_norm(x, running_mean, running_var, weight, bias, training, **options)


def running_loops(x, running_mean, running_var, momentum=0.1, batches=None):
    means, variances = [], []
    for c in range(x.shape[1]):
        values, _ = channel(x, c)
        mean, variance = mean_and_variance(values)
        unbiased = variance * len(values) / (len(values) - 1)
        if momentum is None:  # all batches weigh the same: add the new one to the sum of those before
            means.append((running_mean[c] * batches + mean) / (batches + 1))
            variances.append((running_var[c] * batches + unbiased) / (batches + 1))
        else:
            means.append(running_mean[c] + momentum * (mean - running_mean[c]))
            variances.append(running_var[c] + momentum * (unbiased - running_var[c]))
    return means, variances


def torch_running(x, running_mean, running_var, momentum=0.1, batches=None):
    layer = (torch.nn.BatchNorm2d if x.ndim == 4 else torch.nn.BatchNorm1d)(x.shape[1], momentum=momentum).double()
    layer.running_mean.copy_(running_mean)
    layer.running_var.copy_(running_var)
    layer.num_batches_tracked.fill_(batches or 0)
    layer(x)
    return torch.stack([layer.running_mean, layer.running_var])


SHAPES = [(5, 3), (2, 1), (4, 3, 5), (1, 2, 7), (3, 1, 1), (3, 2, 4, 5), (1, 1, 3, 2), (4, 3, 1, 1)]


def inputs(rng, shape):
    """x with another mean and spread in every channel, and statistics that are not x's."""
    each = (shape[1], *(1 for _ in shape[2:]))
    x = rng.normal(size=shape) * rng.uniform(0.5, 3, size=each) + rng.normal(0, 5, size=each)
    return x, rng.normal(0, 5, size=shape[1]), rng.uniform(0.5, 9, size=shape[1])


def layers(rng):
    parameters = cycle([(True, True), (False, False), (True, False), (False, True), (True, True)])
    for shape in SHAPES:
        x, mean, var = inputs(rng, shape)
        statistics = {"running_mean": mean, "running_var": var}
        # Two values are mapped to ±1 whatever they are, and the derivative is nearly 0, unless ε is large.
        eps = {} if x[:, 0].size > 5 else {"eps": 0.5}
        for options in (
            {"training": True, **eps},
            {"training": True, "momentum": 0.7, **statistics, **eps},
            {"training": False, **eps},
            statistics,
            {"eps": 0.3, **statistics},
        ):
            weight, bias = (rng.normal(1, 2, size=shape[1]) if given else None for given in next(parameters))
            yield Case((x, weight, bias), options)
    x, mean, var = inputs(rng, (1, 3))  # one sample: in use only
    yield Case((x, mean, var), {"running_mean": mean, "running_var": var})
    yield Case((x, mean, var), {"running_mean": mean, "running_var": np.zeros(3), "eps": 1e-3})


@st.composite
def any_shape(draw):
    shape = draw(st.lists(st.integers(1, 4), min_size=2, max_size=4))
    if shape[0] * math.prod(shape[2:]) == 1:
        shape[0] = 2
    return tuple(shape)


@st.composite
def any_layer(draw):
    shape = draw(any_shape())
    x, mean, var = inputs(np.random.default_rng(draw(st.integers(0, 99))), shape)
    x += 4 * np.arange(x.size).reshape(shape)  # far enough apart for a derivative by differences
    options = {"training": draw(st.booleans()), "eps": draw(st.sampled_from([1, 3.0]))}
    if draw(st.booleans()):
        options.update(running_mean=mean, running_var=var)
    weight, bias = (draw(st.sampled_from([None, a])) for a in (mean, var))
    return Case((x, weight, bias), options)


def averages(rng):
    for shape, momentum in zip(SHAPES, cycle([0.1, 0.7, 0, 1])):
        yield Case(inputs(rng, shape), {"momentum": momentum})
        for batches in (0, 1, 6):
            yield Case(inputs(rng, shape), {"momentum": None, "batches": batches})


@st.composite
def any_average(draw):
    arrays = inputs(np.random.default_rng(draw(st.integers(0, 99))), draw(any_shape()))
    if draw(st.booleans()):
        return Case(arrays, {"momentum": None, "batches": draw(st.integers(0, 1000))})
    return Case(arrays, {"momentum": draw(st.floats(0, 1)), "batches": draw(st.sampled_from([None, 3]))})


X, THREE, FIVE = np.ones((2, 3, 4, 5)), np.ones(3), np.ones(5)
ONE_VALUE = "x must have more than one value in every channel when training, got (1, 3): a batch of one has no variance"
COMPONENTS = (
    Component(
        batch_norm,
        backward=batch_norm_backward,
        forward=forward,
        gradients=gradients,
        loops=norm_loops,
        torch=torch_norm,
        cases=layers,
        draw=any_layer,
        wrong=(
            Wrong((np.ones(5),), "x must be (N, C), (N, C, L) or (N, C, H, W), got (5,): one sample of several channels"
                  " is x[None], samples of one channel are x[:, None]"),
            Wrong((3.0,), "x must be (N, C), (N, C, L) or (N, C, H, W), got ()"),
            Wrong((X, FIVE, FIVE), "running_mean must be (3,) for x of shape (2, 3, 4, 5), got (5,): channels go second"
                  ": np.moveaxis(x, -1, 1)"),
            Wrong((X, THREE, np.ones((3, 1, 1))), "running_var must be (3,) for x of shape (2, 3, 4, 5), got (3, 1, 1):"
                  " one number for each of the 3 channels: running_var.ravel()"),
            Wrong((X, None, None, np.ones(2)), "weight must be (3,) for x of shape (2, 3, 4, 5), got (2,): one number "
                  "for each of the 3 channels"),
            Wrong((X, THREE, THREE, THREE, True), "bias must be (3,) for x of shape (2, 3, 4, 5), got (): one number "
                  "for each of the 3 channels; options come after bias: training="),
            Wrong((X, THREE), "running_mean and running_var must be given both or neither, got running_var None"),
            Wrong((X, None, THREE), "running_mean and running_var must be given both or neither, got running_mean None",
                  {"training": True}),
            Wrong((X, -THREE, THREE, THREE, THREE, 1e-5), "training must be True or False, got 1e-05", error=TypeError),
            Wrong((X, THREE, THREE, THREE, THREE, THREE), "training must be True or False, got array", error=TypeError),
            Wrong((np.ones((1, 3)),), ONE_VALUE),
            Wrong((np.ones((1, 3)), THREE, THREE), ONE_VALUE, {"training": True}),
            Wrong((np.ones((1, 3, 1, 1)),), "when training, got (1, 3, 1, 1)", {"training": True}),
            Wrong((X,), "eps must be a positive number, got 0: it prevents division by zero", {"eps": 0}),
            Wrong((X, THREE, THREE), "eps must be a positive number, got -1e-05", {"eps": -1e-5}),
            Wrong((X,), "eps must be a positive number, got None", {"eps": None}),
            Wrong((X, THREE, -THREE), "running_var must not be negative, got -1: swapped with the mean?"),
            Wrong((None,), "x must be an array of numbers, got None", error=TypeError),
            Wrong(([[1, 2], [3]],), "x must be an array of numbers, got rows of unequal length"),
        ),
        wrong_backward=(
            Wrong((np.ones((2, 3, 5, 4)), X), "dy must be (2, 3, 4, 5), the shape of x and of the result of the "
                  "forward, got (2, 3, 5, 4): is it the gradient of another layer?"),
            Wrong((5.0, X), "dy must be (2, 3, 4, 5)"),
            Wrong((X, np.ones(4)), "x must be (N, C), (N, C, L) or (N, C, H, W), got (4,)"),
            Wrong((np.ones((1, 3)), np.ones((1, 3))), ONE_VALUE),
            Wrong((X, X, None, None, FIVE), "weight must be (3,)"),
            Wrong((None, X), "dy must be an array of numbers, got None", error=TypeError),
        ),
    ),
    Component(
        update_running,
        loops=running_loops,
        torch=torch_running,
        cases=averages,
        draw=any_average,
        no_backward="they only keep count, training does not differentiate them",
        wrong=(
            Wrong((np.ones((1, 3)), THREE, THREE), ONE_VALUE),
            Wrong((X, FIVE, THREE), "running_mean must be (3,) for x of shape (2, 3, 4, 5), got (5,): channels go"),
            Wrong((X, THREE, None), "running_var must be an array of numbers, got None", error=TypeError),
            Wrong((np.ones(4), THREE, THREE), "x must be (N, C), (N, C, L) or (N, C, H, W), got (4,)"),
            Wrong((X, THREE, THREE, 10), "momentum must be a number from 0 to 1, what the new batch weighs, or None"),
            Wrong((X, THREE, THREE, "none"), "average over all batches, got 'none'"),
            Wrong((X, THREE, THREE, None), "batches must be how many batches were seen before this one, an int, where "
                  "momentum is None, got None: 0 for the first"),
            Wrong((X, THREE, THREE, None, -1), "momentum is None, got -1"),
            Wrong((X, THREE, THREE, None, 0.5), "momentum is None, got 0.5"),
        ),
    ),
)
