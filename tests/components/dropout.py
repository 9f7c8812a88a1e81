"""Dropout, with the mask that PyTorch draws: what chance does without it, test_dropout.py holds."""

import numpy as np
import torch
from hypothesis import strategies as st

from components import Case, Component, Wrong
from pnnlib.dropout import dropout, dropout_backward


def torch_dropout(x, p=0.5, training=True, mask=None):
    """PyTorch takes no mask. From the same seed it draws the same one again."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return torch.nn.functional.dropout(x, p, training)


def mask_of_torch(shape, p):
    return (torch_dropout(torch.ones(shape, dtype=torch.float64), p) != 0).numpy().astype(float)


def dropout_loops(x, p=0.5, training=True, mask=None):
    y = np.empty_like(x)
    for place in np.ndindex(x.shape):
        if not training:
            y[place] = x[place]
        elif mask[place] == 1:
            y[place] = x[place] / (1 - p)
        else:
            y[place] = 0
    return y


def masked(rng):
    for shape in [(9,), (1, 1), (3, 4), (2, 3, 5), (2, 1, 4, 3)]:
        for p in (0, 0.2, 0.5, 0.9, 1):
            yield Case((rng.normal(size=shape),), {"p": p, "mask": mask_of_torch(shape, p)})
        yield Case((rng.normal(size=shape),), {"training": False})
        yield Case((rng.normal(size=shape),), {"p": 0.2, "training": False, "mask": mask_of_torch(shape, 0.2)})


@st.composite
def any_mask(draw):
    shape = tuple(draw(st.lists(st.integers(0, 5), min_size=1, max_size=4)))
    p = draw(st.sampled_from([0, 1, 0.5]) | st.floats(0.01, 0.99))
    x = np.random.default_rng(draw(st.integers(0, 99))).normal(size=shape)
    return Case((x,), {"p": p, "training": draw(st.booleans()), "mask": mask_of_torch(shape, p)})


X = np.ones((2, 3))
COMPONENTS = (
    Component(
        dropout,
        backward=dropout_backward,
        loops=dropout_loops,
        torch=torch_dropout,
        cases=masked,
        draw=any_mask,
        wrong=(
            Wrong((X, 50), "p must be a number from 0 to 1, got 50: 20 % is 0.2"),
            Wrong((X, -0.1), "p must be a number from 0 to 1, got -0.1: the share that is dropped"),
            Wrong((X, None), "p must be a number from 0 to 1, got None"),
            Wrong((X, np.nan, False), "p must be a number from 0 to 1, got nan"),
            Wrong((X, 0.5, True, np.ones(3)), "mask must be (2, 3), the shape of x, got (3,): every value is dropped "
                  "on its own, dropout_mask(x.shape, p)"),
            Wrong((X, 0.5, True, False), "mask must be (2, 3), the shape of x, got ()"),
            Wrong((X, 0.5, True, 2 * X), "mask must hold zeros and ones only, got 2 in it: is it divided by 1 - p"),
            Wrong((X, 0.5, X), "training must be True or False, got array", error=TypeError),
            Wrong((None,), "x must be an array of numbers, got None", error=TypeError),
            Wrong((X, 0.5, True, "mask"), "mask must be an array of real numbers", error=TypeError),
        ),
        wrong_backward=(
            Wrong((X.T, X), "dy must be (2, 3), the shape of x and of the result of the forward, got (3, 2): is it the "
                  "gradient of another layer?"),
            Wrong((X, X), "mask must be the mask that the forward used, got None: draw it before", error=TypeError),
            Wrong((X, X, 0.5, True, np.ones(4)), "mask must be (2, 3), the shape of x, got (4,)"),
            Wrong((X, X, 0.5, True, 2 * X), "mask must hold zeros and ones only, got 2"),
            Wrong((X, X, 1.5), "p must be a number from 0 to 1, got 1.5"),
            Wrong((X, X, 0.5, X), "training must be True or False, got array", error=TypeError),
            Wrong((None, X), "dy must be an array of numbers, got None", error=TypeError),
        ),
    ),
)
ELSEWHERE = {"dropout_mask": "test_dropout.py"}
