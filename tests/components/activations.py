"""What a neuron makes of its net input."""

import math
from functools import partial

import numpy as np
from hypothesis import strategies as st
from torch.nn import functional as F

from components import Case, Component, Wrong
from pnnlib.activations import (
    leaky_relu, leaky_relu_backward, prelu, prelu_backward, relu, relu_backward, sigmoid, sigmoid_backward, softmax,
    softmax_backward, tanh, tanh_backward,
)

SHAPES = [(7,), (2, 5), (1, 1), (2, 3, 4), (3, 1, 2, 5)]
CORNER = np.array([[-2.0, -0.0, 0.0], [1e-30, -1e-30, 3.0]])
LARGE = np.array([[-1e5, -1000.0, -745.0, -90.0], [90.0, 710.0, 1000.0, 1e5]])  # from 710 on, e^net is no float64
SLOPES = [{}, {"negative_slope": 0.2}, {"negative_slope": 0}, {"negative_slope": 1.5}, {"negative_slope": -0.3}]


# The formulas of the lecture, applied to one net input after the other.


def number_by_number(phi):
    def loops(x, **options):
        y = np.empty_like(x)
        for place in np.ndindex(x.shape):
            y[place] = phi(x[place], **options)
        return y

    return loops


def sigmoid_of(net):
    return 1 / (1 + math.exp(-net)) if net > -700 else 0


def tanh_of(net):
    if abs(net) > 350:
        return 1 if net > 0 else -1
    return (math.exp(net) - math.exp(-net)) / (math.exp(net) + math.exp(-net))


def leaky_relu_of(net, negative_slope=0.01):
    return net if net >= 0 else negative_slope * net


def prelu_loops(x, weight):
    y = np.empty_like(x)
    for place in np.ndindex(x.shape):
        a = weight[0] if len(weight) == 1 else weight[place[1]]
        y[place] = leaky_relu_of(x[place], a)
    return y


def softmax_loops(x, dim):
    y = np.empty_like(x)
    for place in np.ndindex(x.shape):
        total = 0
        for j in range(x.shape[dim]):
            other = list(place)
            other[dim] = j
            total += math.exp(x[tuple(other)])
        y[place] = math.exp(x[place]) / total
    return y


# The cases.


def smooth_nets(rng):
    """Net inputs of all sizes, also those where φ is flat (too flat for a derivative by differences)."""
    for shape in SHAPES:
        yield Case((rng.normal(size=shape),))
    yield Case((CORNER,))
    yield Case((LARGE,), smooth=False)


def nets(rng, options=({},)):
    """Net inputs of all sizes, and those on the corner of φ."""
    for option in options:
        for shape in SHAPES:
            yield Case((away_from_zero(rng.normal(size=shape)),), option)
        yield Case((CORNER,), option, smooth=False)
        yield Case((LARGE,), option, smooth=False)


def away_from_zero(net):
    """A derivative by differences must not step over the corner."""
    return np.where(np.abs(net) < 0.01, 0.5, net)


def nets_and_slopes(rng):
    """Slopes for each channel and for all, small, large, negative and zero."""
    for shape in SHAPES:
        x = away_from_zero(rng.normal(size=shape))
        yield Case((x, rng.normal(size=1)))
        if len(shape) > 1:
            yield Case((x, rng.normal(size=shape[1])))
    yield Case((CORNER, np.array([0.25, -1.0, 3.0])), smooth=False)
    yield Case((CORNER, np.array([0.25])), smooth=False)
    yield Case((np.repeat(CORNER[:, :, None], 4, axis=2), np.array([0.0, 1.0, 2.0])), smooth=False)


def nets_and_axes(rng):
    for shape in SHAPES:
        x = rng.normal(size=shape)
        for dim in range(-1, len(shape)):
            yield Case((x,), {"dim": dim})
    yield Case((rng.normal(size=(2, 10)) + 300,), {"dim": 1})
    yield Case((np.array([[0.5, 0.5, 0.5], [2.0, 2.0, -1.0]]),), {"dim": 1})


@st.composite
def drawn(draw, case, least=1):
    """A case made by `case(rng, shape, draw)`, of any shape."""
    shape = tuple(draw(st.lists(st.integers(1, 4), min_size=least, max_size=4)))
    return case(np.random.default_rng(draw(st.integers(0, 99))), shape, draw)


def any_smooth_net(rng, shape, draw):
    return Case((rng.normal(size=shape),))


def any_net(rng, shape, draw):
    return Case((away_from_zero(rng.normal(0, 3, size=shape)),))


def any_net_and_slope(rng, shape, draw):
    return Case((away_from_zero(rng.normal(0, 3, size=shape)),), {"negative_slope": draw(st.integers(-20, 20)) / 10})


def any_net_and_slopes(rng, shape, draw):
    return Case((away_from_zero(rng.normal(0, 3, size=shape)), rng.normal(size=draw(st.sampled_from([1, shape[1]])))))


def any_net_and_axis(rng, shape, draw):
    return Case((rng.normal(size=shape),), {"dim": draw(st.integers(-len(shape), len(shape) - 1))})


# The corner: these are PyTorch's slopes there.


def leaky_relu_gradients(dy, x, negative_slope=0.01):
    return leaky_relu_backward(dy, x, negative_slope, at_zero=negative_slope)


def prelu_gradients(dy, x, weight):
    return prelu_backward(dy, x, weight, at_zero=weight)


NOT_NUMBERS = (
    Wrong((None,), "x must be an array of numbers, got None", error=TypeError),
    Wrong((["a"],), "x must be an array of real numbers, got one of dtype <U1", error=TypeError),
    Wrong(([[1, 2], [3]],), "x must be an array of numbers, got rows of unequal length"),
)
OTHER_SHAPE = Wrong((np.ones((3, 2)), np.ones((2, 3))), "dy must be (2, 3), the shape of x")
IMAGES = np.ones((2, 3, 4, 5))

COMPONENTS = (
    Component(
        sigmoid,
        backward=sigmoid_backward,
        loops=number_by_number(sigmoid_of),
        torch=F.sigmoid,
        cases=smooth_nets,
        draw=partial(drawn, any_smooth_net),
        wrong=NOT_NUMBERS,
        wrong_backward=(OTHER_SHAPE,),
    ),
    Component(
        tanh,
        backward=tanh_backward,
        loops=number_by_number(tanh_of),
        torch=F.tanh,
        cases=smooth_nets,
        draw=partial(drawn, any_smooth_net),
        wrong=NOT_NUMBERS,
        wrong_backward=(OTHER_SHAPE,),
    ),
    Component(
        relu,
        backward=relu_backward,
        gradients=partial(relu_backward, at_zero=0),
        loops=number_by_number(lambda net: net if net >= 0 else 0),
        torch=F.relu,
        cases=nets,
        draw=partial(drawn, any_net),
        wrong=NOT_NUMBERS,
        wrong_backward=(OTHER_SHAPE,),
    ),
    Component(
        leaky_relu,
        backward=leaky_relu_backward,
        gradients=leaky_relu_gradients,
        loops=number_by_number(leaky_relu_of),
        torch=F.leaky_relu,
        cases=partial(nets, options=SLOPES),
        draw=partial(drawn, any_net_and_slope),
        wrong=(
            *NOT_NUMBERS,
            Wrong((IMAGES, np.ones(3)), "negative_slope must be one number, got (3,): slopes that differ"),
            Wrong((IMAGES, "steep"), "negative_slope must be an array of real numbers", error=TypeError),
        ),
        wrong_backward=(
            OTHER_SHAPE,
            Wrong((IMAGES, IMAGES, [0.1, 0.2]), "negative_slope must be one number, got (2,): slopes that differ"),
            Wrong((IMAGES, IMAGES, 0.1, [0, 1]), "at_zero must be one number, got (2,)"),
        ),
    ),
    Component(
        prelu,
        backward=prelu_backward,
        gradients=prelu_gradients,
        loops=prelu_loops,
        torch=F.prelu,
        cases=nets_and_slopes,
        draw=partial(drawn, any_net_and_slopes, least=2),
        wrong=(
            Wrong((None, np.ones(3)), "x must be an array of numbers, got None", error=TypeError),
            Wrong((IMAGES, None), "weight must be an array of numbers, got None", error=TypeError),
            Wrong((IMAGES, np.ones(4)),
                  "weight must be (3,), one number for each channel, or (1,) for an input of shape (2, 3, 4, 5), "
                  "got (4,): the input has 3 channels, weight has 4 numbers"),
            Wrong((IMAGES, np.ones(5)), "got (5,): channels go second: np.moveaxis(x, -1, 1)"),
            Wrong((IMAGES, np.ones((3, 1, 1))), "got (3, 1, 1): all numbers in one row: weight.ravel()"),
            Wrong((np.ones(5), np.ones(5)),
                  "weight must be (1,) for an input of shape (5,), got (5,): without a second axis there are no "
                  "channels; one sample alone needs an axis for the batch: x[None]"),
            Wrong((IMAGES, []), "got (0,): the input has 3 channels, weight has 0 numbers"),
        ),
        wrong_backward=(
            Wrong((np.ones((3, 2)), np.ones((2, 3)), np.ones(3)), "dy must be (2, 3), the shape of x"),
            Wrong((IMAGES, IMAGES, np.ones(4)), "weight must be (3,), one number for each channel, or (1,)"),
            Wrong((IMAGES, IMAGES, np.ones(3), np.ones(2)), "at_zero must be (3,), one number for each channel"),
        ),
    ),
    Component(
        softmax,
        backward=softmax_backward,
        loops=softmax_loops,
        torch=F.softmax,
        cases=nets_and_axes,
        draw=partial(drawn, any_net_and_axis),
        wrong=(
            Wrong((None, 0), "x must be an array of numbers, got None", error=TypeError),
            Wrong((np.ones((2, 3)), 2), "dim must be an axis of x, from -2 to 1 for shape (2, 3), got 2: classes are"),
            Wrong((np.ones((2, 3)), -3), "dim must be an axis of x, from -2 to 1 for shape (2, 3), got -3"),
            Wrong((np.ones((2, 3)), None), "dim must be an int, the axis of the classes, got None", error=TypeError),
            Wrong((np.ones((2, 3)), 1.0), "dim must be an int, the axis of the classes, got 1.0", error=TypeError),
            Wrong((5.0, 0), "x must have an axis along which to share out, got a single number"),
        ),
        wrong_backward=(
            Wrong((np.ones((3, 2)), np.ones((2, 3)), 1), "dy must be (2, 3), the shape of x"),
            Wrong((np.ones((2, 3)), np.ones((2, 3)), 2), "dim must be an axis of x"),
        ),
    ),
)
ELSEWHERE = dict.fromkeys(
    [
        "threshold", "threshold_derivative", "sigmoid_derivative", "tanh_derivative", "relu_derivative",
        "leaky_relu_derivative", "prelu_derivative",
    ],
    "test_activations.py",
)
