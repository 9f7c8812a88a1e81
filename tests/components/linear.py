"""The fully connected layer, and flattening."""

from itertools import product

import numpy as np
from hypothesis import strategies as st
from torch.nn import functional as F

from components import Case, Component, Wrong
from pnnlib.linear import flatten, flatten_backward, linear, linear_backward


def linear_loops(x, w, b=None):
    """The sum of every neuron for every sample, one product at a time."""
    y = np.zeros((*x.shape[:-1], len(w)))
    for place in np.ndindex(y.shape):
        *sample, j = place
        for i in range(x.shape[-1]):
            y[place] += w[j, i] * x[(*sample, i)]
        y[place] += 0 if b is None else b[j]
    return y


def flatten_loops(x, order="C"):
    """One number after the other: of every sample every map, row by row, or column by column."""
    y = []
    for sample in x:
        vector = []
        for feature_map in sample:
            if feature_map.ndim == 2 and order == "F":
                vector += [feature_map[i, j] for j in range(feature_map.shape[1]) for i in range(feature_map.shape[0])]
            elif feature_map.ndim == 2:
                vector += [feature_map[i, j] for i in range(feature_map.shape[0]) for j in range(feature_map.shape[1])]
            else:
                vector += [*feature_map] if feature_map.ndim else [feature_map]
        y.append(vector)
    return np.array(y)


def torch_flatten(x, order="C"):
    return (x.transpose(2, 3) if order == "F" and x.ndim == 4 else x).flatten(1)


SHAPES = [  # x, outputs
    ((5, 7), 3),
    ((1, 4), 6),
    ((3, 1), 2),
    ((2, 5), 1),
    ((1, 1), 1),
    ((2, 3, 4), 5),
    ((4, 1, 3), 2),
    ((2, 1, 3, 5), 4),
    ((6,), 4),
]
PICTURES = [(2, 3, 4, 5), (1, 1, 3, 2), (3, 2, 1, 4), (2, 1, 4, 1), (1, 2, 1, 1), (2, 3, 5), (1, 1, 4), (3, 6)]


def layers(rng):
    for (shape, many), with_b in product(SHAPES, (True, False)):
        b = rng.normal(size=many) if with_b else None
        yield Case((rng.normal(size=shape), rng.normal(size=(many, shape[-1])), b))


def pictures(rng):
    for shape in PICTURES:
        yield Case((rng.normal(size=shape),))
        yield Case((rng.normal(size=shape),), {"order": "F"})


@st.composite
def any_layer(draw):
    *samples, m = draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))
    many = draw(st.integers(1, 5))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    b = rng.normal(size=many) if draw(st.booleans()) else None
    return Case((rng.normal(size=(*samples, m)), rng.normal(size=(many, m)), b))


@st.composite
def any_picture(draw):
    shape = draw(st.lists(st.integers(1, 4), min_size=2, max_size=4))
    x = np.random.default_rng(draw(st.integers(0, 99))).normal(size=shape)
    return Case((x,), {"order": draw(st.sampled_from("CF"))})


W = np.ones((10, 48))
COMPONENTS = (
    Component(
        linear,
        backward=linear_backward,
        loops=linear_loops,
        torch=F.linear,
        cases=layers,
        draw=any_layer,
        wrong=(
            Wrong((np.ones((2, 3, 4, 4)), W), "x must be (N, 48) for w of shape (10, 48), got (2, 3, 4, 4): "
                  "each sample must be one row: flatten(x)"),
            Wrong((np.ones((2, 3, 4, 5)), W),
                  "got (2, 3, 4, 5): flattened it is (2, 60), every neuron in w has 48 weights"),
            Wrong((np.ones((2, 10)), W),
                  "got (2, 10): w has a row of weights for each output, not for each input: w.T"),
            Wrong((np.ones((48, 2)), W), "got (48, 2): samples go first, features last: x.T"),
            Wrong((np.ones((2, 47)), W), "got (2, 47): x has 47 features, every neuron in w has 48 weights"),
            Wrong((5, W), "got (): x needs an axis of features"),
            Wrong((np.ones((2, 48)), np.ones(48)), "w must be (n, m), got (48,): for one neuron alone add an axis"),
            Wrong((np.ones((2, 48)), np.ones((10, 3, 4, 4))), "w must be (n, m), got (10, 3, 4, 4): a row of weights"),
            Wrong((np.ones((2, 48)), W, np.ones((10, 1))),
                  "b must be (10,) for w of shape (10, 48), got (10, 1): one number for each output"),
            Wrong((np.ones((2, 48)), W, np.ones(48)), "b must be (10,)"),
            Wrong((None, W), "x must be an array of numbers, got None", error=TypeError),
        ),
        wrong_backward=(
            Wrong((np.ones((2, 48)), np.ones((2, 48)), W),
                  "dy must be (2, 10), the shape of the result of the forward, got (2, 48)"),
            Wrong((np.ones((6, 10)), np.ones((2, 3, 48)), W), "dy must be (2, 3, 10)"),
            Wrong((np.ones((2, 10)), np.ones((2, 47)), W), "x must be (N, 48)"),
        ),
    ),
    Component(
        flatten,
        backward=flatten_backward,
        loops=flatten_loops,
        torch=torch_flatten,
        cases=pictures,
        draw=any_picture,
        wrong=(
            Wrong((np.ones(4),), "x must be (N, …), got (4,): for one sample alone add an axis: x[None]"),
            Wrong((np.ones((2, 3, 4, 4)), "K"), 'order must be "C", row by row, or "F", column by column, got \'K\''),
            Wrong((np.ones((2, 3, 4, 4)), 1), "order must be"),
            Wrong((np.ones((2, 3, 4, 4)), np.ones((2, 48))), "order must be"),
        ),
        wrong_backward=(
            Wrong((np.ones((2, 3, 4, 4)), np.ones((2, 3, 4, 4))),
                  "dy must be (2, 48) for x of shape (2, 3, 4, 4), got (2, 3, 4, 4): one number for each of x"),
            Wrong((np.ones((2, 12)), np.ones((2, 12)), "f"), "order must be"),
        ),
    ),
)
