"""Losses: value and gradient come together, so the gradient of the value is dy times what the function gives."""

from decimal import Decimal

import numpy as np
from hypothesis import strategies as st
from torch.nn import functional as F

from components import Case, Component, Wrong
from pnnlib.losses import cross_entropy, mse_loss


def value(loss):
    return lambda x, target, **options: loss(x, target, **options)[0]


def gradient(loss):
    return lambda dy, x, target, **options: dy * loss(x, target, **options)[1]


def mse_loops(x, target, reduction="mean"):
    total = 0.0
    for place in np.ndindex(x.shape):
        total += (target[place] - x[place]) ** 2
    return total / x.size if reduction == "mean" else total


def cross_entropy_loops(x, target, reduction="mean"):
    """−log of the softmax at the label, in decimal numbers, whose exponential neither overflows nor underflows."""
    total = Decimal(0)
    for outputs, label in zip(x, target):
        exps = [Decimal(float(z)).exp() for z in outputs]
        total -= (exps[label] / sum(exps)).ln()
    return float(total / len(x) if reduction == "mean" else total)


def outputs(rng):
    for shape in [(5, 3), (1, 4), (3, 1), (1, 1), (7,), (2, 3, 4)]:
        for options in ({}, {"reduction": "sum"}):
            yield Case((rng.normal(size=shape),), {"target": rng.normal(size=shape), **options})
    yield Case((1000 * rng.normal(size=(2, 3)),), {"target": np.zeros((2, 3))})


def decisions(rng):
    for n, c in [(5, 3), (1, 4), (3, 1), (1, 1), (4, 2), (2, 10)]:
        for options in ({}, {"reduction": "sum"}):
            yield Case((rng.normal(size=(n, c)),), {"target": rng.integers(0, c, n), **options})
    far = np.array([[1000.0, -1000, 0], [-1000, 1000, 1000], [1000, 1000, -1000], [-1000, -1000, -1000]])
    for target in ([0, 1, 2, 0], [1, 0, 0, 2], [2, 2, 1, 1]):
        yield Case((far,), {"target": np.array(target)})
    yield Case((np.zeros((3, 4)),), {"target": np.array([3, 0, 3], np.uint8)})


@st.composite
def any_outputs(draw):
    shape = draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    x, target = np.random.default_rng(draw(st.integers(0, 99))).normal(size=(2, *shape))
    return Case((x,), {"target": target, "reduction": draw(st.sampled_from(["mean", "sum"]))})


@st.composite
def any_decisions(draw):
    n, c = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    x = draw(st.sampled_from([0.1, 1, 3])) * rng.normal(size=(n, c))
    return Case((x,), {"target": rng.integers(0, c, n), "reduction": draw(st.sampled_from(["mean", "sum"]))})


Z = np.zeros((4, 3))
WRONG_LABELS = (  # `misclassified` refuses them, too
    Wrong((Z, [1, 2, 3, 1]), "target must be class numbers from 0 to 2 for logits of shape (4, 3), got 3: "
          "if labels count from 1, subtract 1"),
    Wrong((Z, [0, 1, 2, 3]), "got 3: is there an output for every class?"),
    Wrong((Z, [0, -1, 2, 1]), "got -1: is there an output for every class?"),
    Wrong((Z, [0, 1, 2]), "target must be (4,) for logits of shape (4, 3), got (3,): one label for each sample"),
    Wrong((Z, np.eye(3)[[0, 1, 2, 0]]),
          "got (4, 3): labels are class numbers; from one-hot rows, target.argmax(axis=1)"),
    Wrong((Z, [[0], [1], [2], [0]]), "got (4, 1): one axis alone: np.ravel(target)"),
    Wrong((Z[:1], 2), "target must be (1,) for logits of shape (1, 3), got (): one axis alone: np.ravel(target)"),
    Wrong((Z, [0.0, 1, 2, 0]),
          "target must be class numbers, ints, got an array of float64: target.astype(int)?", error=TypeError),
    Wrong((Z, [True, False, True, True]), "ints, got an array of bool", error=TypeError),
    Wrong((Z, ["cat", "dog", "cat", "cow"]), "target must be an array of real numbers", error=TypeError),
    Wrong((Z, None), "target must be an array of numbers, got None", error=TypeError),
    Wrong((Z, [[1, 0], [1], [0], [1]]), "target must be an array of numbers, got rows of unequal length"),
    Wrong((Z[0], [1]), "logits must be (N, C), got (3,): for one sample alone add an axis: logits[None]"),
    Wrong((np.zeros((2, 3, 4, 4)), [1, 0]), "logits must be (N, C), got (2, 3, 4, 4): a row for each sample"),
    Wrong((np.zeros((2, 0)), [1, 0]), "logits must be (N, C), got (2, 0)"),
)
COMPONENTS = (
    Component(
        mse_loss,
        forward=value(mse_loss),
        gradients=gradient(mse_loss),
        loops=mse_loops,
        torch=F.mse_loss,
        cases=outputs,
        draw=any_outputs,
        wrong=(
            Wrong((np.ones((4, 1)), np.ones(4)), "target must be (4, 1), the shape of input, got (4,): give both the "
                  "same axes: target.reshape(4, 1)"),
            Wrong((np.ones((4, 3)), np.ones((4, 1))), "got (4, 1): a number for each output"),
            Wrong((np.ones((4, 3)), 1), "target must be (4, 3), the shape of input, got ()"),
            Wrong((np.ones(3), np.ones(3)), 'reduction must be "mean" or "sum", got \'none\'', {"reduction": "none"}),
            Wrong((np.ones((0, 3)), np.ones((0, 3))), "the mean must be over at least one sample, got none"),
            Wrong((np.ones(3), None), "target must be an array of numbers, got None", error=TypeError),
        ),
    ),
    Component(
        cross_entropy,
        forward=value(cross_entropy),
        gradients=gradient(cross_entropy),
        loops=cross_entropy_loops,
        torch=lambda x, target, **options: F.cross_entropy(x, target.long(), **options),
        cases=decisions,
        draw=any_decisions,
        wrong=(
            *WRONG_LABELS,
            Wrong((Z, [0, 1, 2, 0]), 'reduction must be "mean" or "sum", got None', {"reduction": None}),
            Wrong((np.zeros((0, 3)), np.zeros(0, int)), "the mean must be over at least one sample, got none"),
        ),
    ),
)
ELSEWHERE = {"misclassified": "test_losses.py"}
