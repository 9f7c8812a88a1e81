"""How the weights move: one step of each rule, from any state.

The results of a step, the new weights and what the rule remembers, are stacked
into one array for the witnesses. Longer runs, and the classes, are in `test_optim.py`.
"""

from functools import partial
from itertools import product
from math import sqrt

import numpy as np
import torch
from hypothesis import strategies as st

from components import Case, Component, Wrong
from pnnlib.optim import (
    adagrad_step, adam_step, momentum_step, nadam_step, nesterov_step, rmsprop_step, sgd_step,
)


def stacked(step):
    """The step, its results in one array."""

    def forward(*arrays, **options):
        results = step(*arrays, **options)
        w, *kept = results if isinstance(results, tuple) else (results,)
        return np.stack([w, *(np.full(w.shape, k, w.dtype) if isinstance(k, float) else k for k in kept)])

    forward.__name__ = step.__name__
    return forward


# The formulas, for a single weight


def sgd(w, g, lr):
    return (w - lr * g,)


def momentum(w, g, v, lr, beta=0.9):
    return w - lr * (beta * v + g), beta * v + g


def nesterov(w, g, v, lr, beta=0.9):
    return w - lr * g - lr * beta * (beta * v + g), beta * v + g


def adagrad(w, g, s, lr=0.01, eps=1e-10):
    return w - lr * g / (sqrt(s + g * g) + eps), s + g * g


def rmsprop(w, g, s, lr=0.01, rho=0.99, eps=1e-8):
    s = rho * s + (1 - rho) * g * g
    return w - lr * g / (sqrt(s) + eps), s


def adam(w, g, m, v, t, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8):
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g * g
    return w - lr * (m / (1 - beta1**t)) / (sqrt(v / (1 - beta2**t)) + eps), m, v


def nadam(w, g, m, v, t, mu_product, lr=0.002, beta1=0.9, beta2=0.999, eps=1e-8, momentum_decay=0.004):
    mu = [beta1 * (1 - 0.5 * 0.96 ** (step * momentum_decay)) for step in (t, t + 1)]
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g * g
    by_gradient = (1 - mu[0]) / (1 - mu_product * mu[0]) * g
    by_average = mu[1] / (1 - mu_product * mu[0] * mu[1]) * m
    rate = lr / (sqrt(v / (1 - beta2**t)) + eps)
    return w - rate * by_gradient - rate * by_average, m, v, mu_product * mu[0]


def one_by_one(formula):
    def loops(w, *others, **options):
        moved = [formula(float(w[i]), *(float(a[i]) for a in others), **options) for i in np.ndindex(w.shape)]
        return np.array(moved).T.reshape(-1, *w.shape)

    return loops


# PyTorch's optimisers, from a given state


def torch_step(optimizer, w, grad, **state):
    """The weights, and the entries of the state, after one step; a step number alone is not handed back."""
    p = torch.nn.Parameter(w.clone())
    p.grad = grad.clone()
    optimizer = optimizer([p])
    optimizer.state[p] = {name: torch.as_tensor(value, dtype=torch.float64).clone() for name, value in state.items()}
    optimizer.step()
    kept = [optimizer.state[p][name].expand(w.shape) for name in state if name != "step"]
    return torch.stack([p.detach(), *kept])


def torch_sgd(w, grad, lr):
    return torch_step(partial(torch.optim.SGD, lr=lr), w, grad)


def torch_momentum(w, grad, v, lr, beta=0.9, nesterov=False):
    sgd = partial(torch.optim.SGD, lr=lr, momentum=beta, nesterov=nesterov)
    return torch_step(sgd, w, grad, momentum_buffer=v)


def torch_adagrad(w, grad, s, **options):
    return torch_step(partial(torch.optim.Adagrad, **options), w, grad, step=5, sum=s)


def torch_rmsprop(w, grad, s, rho=0.99, **options):
    return torch_step(partial(torch.optim.RMSprop, alpha=rho, **options), w, grad, step=5, square_avg=s)


def torch_adam(w, grad, m, v, t, beta1=0.9, beta2=0.999, **options):
    adam = partial(torch.optim.Adam, betas=(beta1, beta2), **options)
    return torch_step(adam, w, grad, step=t - 1, exp_avg=m, exp_avg_sq=v)


def torch_nadam(w, grad, m, v, t, mu_product, beta1=0.9, beta2=0.999, **options):
    nadam = partial(torch.optim.NAdam, betas=(beta1, beta2), **options)
    return torch_step(nadam, w, grad, step=t - 1, exp_avg=m, exp_avg_sq=v, mu_product=mu_product)


# States and options. Of the letters, w, g, m are any numbers, and s, the squares, are not negative.

SHAPES = [(7,), (2, 5), (1, 1), (3, 1, 2, 4)]


def arrays(rng, letters, shape):
    drawn = [rng.normal(size=shape) ** (2 if letter == "s" else 1) for letter in letters]
    drawn[1].flat[0] = 0  # a weight that got no gradient now,
    for a in drawn[1:]:
        a.flat[-1] = 0  # and one that never got any
    return tuple(drawn)


def states(letters, option_sets, rng):
    for shape, options in product(SHAPES, option_sets):
        yield Case(arrays(rng, letters, shape), options)


@st.composite
def any_state(draw, letters, option_set):
    shape = draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    options = {name: draw(value) for name, value in option_set.items()}
    return Case(arrays(np.random.default_rng(draw(st.integers(0, 99))), letters, shape), options)


# Not so extreme that what is left of a difference, such as 1 − βᵗ, is rounding for the most part.
LR, EPS, BELOW_ONE = st.floats(0, 1), st.floats(0.1, 1), st.floats(0, 0.99)
T, DECAY = st.integers(1, 2000), st.floats(0, 10)
START = {"t": 1, "mu_product": 1.0}
LATER = {"t": 7, "mu_product": 0.01, "lr": 0.1, "beta1": 0.8, "beta2": 0.95, "eps": 0.03, "momentum_decay": 0.5}


def adams(options):
    return {name: value for name, value in options.items() if name not in ("mu_product", "momentum_decay")}


ONES, OTHER = np.ones((2, 3)), np.ones((3, 2))
SAMPLES = np.ones((8, 2, 3))
UPDATE = "an update, not a layer"


def row(step, letters, formula, torch_step, options, draw, wrong):
    return Component(
        step,
        forward=stacked(step),
        loops=one_by_one(formula),
        torch=torch_step,
        cases=partial(states, letters, options),
        draw=partial(any_state, letters, draw),
        no_backward=UPDATE,
        wrong=wrong,
    )


COMPONENTS = (
    row(
        sgd_step, "wg", sgd, torch_sgd,
        options=[{"lr": 0.1}, {"lr": 0}, {"lr": 3}],
        draw={"lr": LR},
        wrong=(
            Wrong((ONES, OTHER, 0.1), "grad must be (2, 3), the shape of w, got (3, 2): is it transposed?"),
            Wrong((ONES, SAMPLES, 0.1), "got (8, 2, 3): is it one gradient for each sample, not yet summed over the"),
            Wrong((ONES, np.ones(3), 0.1), "grad must be (2, 3), the shape of w, got (3,): is it the gradient of ano"),
            Wrong((ONES, None, 0.1), "grad must be an array of numbers, got None", error=TypeError),
            Wrong((ONES, ONES, -0.1), "lr must be finite and at least 0, got -0.1: the formula has its minus already"),
            Wrong((ONES, ONES, float("nan")), "lr must be finite and at least 0, got nan: did its computation go wro"),
            Wrong((ONES, ONES, np.inf), "lr must be finite and at least 0, got inf"),
            Wrong((ONES, ONES, None), "lr must be a number, got None", error=TypeError),
            Wrong((ONES, ONES, "0.1"), "lr must be a number, got '0.1'", error=TypeError),
            Wrong((ONES, ONES, [0.1]), "lr must be a number, got [0.1]", error=TypeError),
        ),
    ),
    row(
        momentum_step, "wgv", momentum, torch_momentum,
        options=[{"lr": 0.1}, {"lr": 0.3, "beta": 0.5}],
        draw={"lr": LR, "beta": st.floats(0.001, 1.5)},
        wrong=(
            Wrong((ONES, ONES, 0, 0.1), "v must be (2, 3), the shape of w, got (): start with v = np.zeros_like(w)"),
            Wrong((ONES, ONES, ONES, 0.1, -1), "beta must be finite and at least 0, got -1.0: are two arguments swa"),
        ),
    ),
    row(
        nesterov_step, "wgv", nesterov, partial(torch_momentum, nesterov=True),
        options=[{"lr": 0.1}, {"lr": 0.3, "beta": 0.5}],
        draw={"lr": LR, "beta": st.floats(0.001, 1.5)},
        wrong=(Wrong((ONES, ONES, OTHER, 0.1), "v must be (2, 3), the shape of w, got (3, 2)"),),
    ),
    row(
        adagrad_step, "wgs", adagrad, torch_adagrad,
        options=[{}, {"lr": 0.5, "eps": 0.03}],
        draw={"lr": LR, "eps": EPS},
        wrong=(
            Wrong((ONES, ONES, OTHER), "s must be (2, 3), the shape of w, got (3, 2)"),
            Wrong((ONES, ONES, ONES, 0.1, -1), "eps must be finite and at least 0, got -1.0"),
        ),
    ),
    row(
        rmsprop_step, "wgs", rmsprop, torch_rmsprop,
        options=[{}, {"lr": 0.5, "rho": 0.7, "eps": 0.03}],
        draw={"lr": LR, "rho": BELOW_ONE, "eps": EPS},
        wrong=(
            Wrong((ONES, ONES, OTHER), "s must be (2, 3), the shape of w, got (3, 2)"),
            Wrong((ONES, ONES, ONES, 0.1, 1), "rho must be below 1, got 1.0: it is the share of the old average"),
        ),
    ),
    row(
        adam_step, "wgms", adam, torch_adam,
        options=[adams(START), {"t": 3}, adams(LATER)],
        draw={"t": T, "lr": LR, "beta1": BELOW_ONE, "beta2": BELOW_ONE, "eps": EPS},
        wrong=(
            Wrong((ONES, ONES, ONES, OTHER, 1), "v must be (2, 3), the shape of w, got (3, 2)"),
            Wrong((ONES, ONES, ONES, ONES, 0), "t must be at least 1, got 0: the first step has t = 1"),
            Wrong((ONES, ONES, ONES, ONES, 1.5), "t must be an int, the number of this step, got 1.5",
                  error=TypeError),
            Wrong((ONES, ONES, ONES, ONES, 1, 0.1, 0.9, 1), "beta2 must be below 1, got 1.0"),
        ),
    ),
    row(
        nadam_step, "wgms", nadam, torch_nadam,
        options=[START, {"t": 3, "mu_product": 0.2}, LATER],
        draw={
            "t": T, "mu_product": st.floats(0, 1), "lr": LR,
            "beta1": BELOW_ONE, "beta2": BELOW_ONE, "eps": EPS, "momentum_decay": DECAY,
        },
        wrong=(
            Wrong((ONES, ONES, OTHER, ONES, 1, 1), "m must be (2, 3), the shape of w, got (3, 2)"),
            Wrong((ONES, ONES, ONES, ONES, 0, 1), "t must be at least 1, got 0"),
            Wrong((ONES, ONES, ONES, ONES, 1, 1.5), "mu_product must be at most 1, got 1.5: it is 1 before the first"),
            Wrong((ONES, ONES, ONES, ONES, 1, ONES), "mu_product must be a number, got array(", error=TypeError),
        ),
    ),
)
