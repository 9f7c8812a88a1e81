"""The lecture's chain of one neuron per layer. PyTorch's counterpart is autograd; the rest is in test_gradflow.py."""

import math
from functools import partial

import numpy as np
import torch
from hypothesis import strategies as st

from components import Case, Component, Wrong
from pnnlib.activations import (
    leaky_relu, leaky_relu_derivative, relu, relu_derivative, sigmoid, sigmoid_derivative, tanh, tanh_derivative,
)
from pnnlib.gradflow import chain_factors, chain_forward, chain_updates


def relu_slope(net):
    return relu_derivative(net, at_zero=0)  # PyTorch's, at the corner


# φ, φ′; then the same for one number alone, with nothing of the library; and in PyTorch
ACTIVATIONS = [
    (sigmoid, sigmoid_derivative, lambda net: 1 / (1 + math.exp(-net)),
     lambda net: math.exp(-net) / (1 + math.exp(-net)) ** 2, torch.sigmoid),
    (tanh, tanh_derivative, lambda net: 1 - 2 / (math.exp(2 * net) + 1), lambda net: 1 / math.cosh(net) ** 2,
     torch.tanh),
    (relu, relu_slope, lambda net: max(net, 0), lambda net: 1 if net > 0 else 0, torch.relu),
    (leaky_relu, leaky_relu_derivative, lambda net: max(net, 0.01 * net), lambda net: 1 if net > 0 else 0.01,
     torch.nn.functional.leaky_relu),
]
ALONE = {f: alone for phi, phi_prime, *both, _ in ACTIVATIONS for f, alone in zip((phi, phi_prime), both)}
IN_TORCH = {phi: theirs for phi, *_, theirs in ACTIVATIONS}


# A case is called as f(w, x=…): x and t are numbers, and only w is an array.


def w_first(function):
    return lambda w, x, **options: function(x=x, w=w, **options)


# The lecture's formulas, every product from the beginning.


def output(j, x, w, phi):
    """The output of neuron j, the first, j = 0, being the input."""
    return float(x) if j == 0 else ALONE[phi](w[j - 1] * output(j - 1, x, w, phi))


def forward_loops(w, x, phi):
    return np.array([output(j, x, w, phi) for j in range(len(w) + 1)])


def factors_loops(w, x, phi, phi_prime):
    return np.array([ALONE[phi_prime](w[j] * output(j, x, w, phi)) * w[j] for j in range(len(w))])


def updates_loops(w, x, t, phi, phi_prime, eta):
    updates = np.empty(len(w))
    for j in range(len(w)):
        update = eta * (t - output(len(w), x, w, phi))
        for later in range(len(w) - 1, j, -1):
            update *= ALONE[phi_prime](w[later] * output(later, x, w, phi)) * w[later]
        updates[j] = update * ALONE[phi_prime](w[j] * output(j, x, w, phi)) * output(j, x, w, phi)
    return updates


# PyTorch


def torch_forward(w, x, phi):
    y = [torch.tensor(x, dtype=w.dtype)]
    for w_j in w:
        y.append(IN_TORCH[phi](w_j * y[-1]))
    return torch.stack(y)


def torch_factors(w, x, phi, phi_prime):
    factors = []
    for j, y in enumerate(torch_forward(w, x, phi)[:-1]):
        y = y.detach().requires_grad_()
        factors.append(torch.autograd.grad(IN_TORCH[phi](w[j] * y), y)[0])
    return torch.stack(factors) if factors else torch.empty(0, dtype=w.dtype)


def torch_updates(w, x, t, phi, phi_prime, eta):
    w = w.clone().requires_grad_()
    cost = 0.5 * (t - torch_forward(w, x, phi)[-1]) ** 2
    return -eta * torch.autograd.grad(cost, w, materialize_grads=True)[0] if len(w) else w


# The cases.


def chains(rng, prime=True, **more):
    """Chains of every φ, deep and shallow, with weights of both signs and all sizes; on the corner, and of nothing."""
    for phi, phi_prime, *_ in ACTIVATIONS:
        options = {"phi": phi, **({"phi_prime": phi_prime} if prime else {}), **more}
        for n, spread in [(4, 1), (1, 2), (0, 1), (12, 1.2), (3, 5)]:
            yield Case((spread * rng.normal(size=n),), {"x": rng.normal(), **options})
        yield Case((np.array([1.5, 0.5, 1.0, 2.0]),), {"x": 0.8, **options})
        if phi is relu:
            yield Case((np.array([2.0, 0.0, 3.0]),), {"x": 0.5, **options}, smooth=False)
            yield Case((np.array([2.0, 1.0]),), {"x": 0.0, **options}, smooth=False)


@st.composite
def any_chain(draw, prime=True, **more):
    phi, phi_prime, *_ = draw(st.sampled_from(ACTIVATIONS))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    w = draw(st.sampled_from([0.1, 1, 2])) * rng.normal(size=draw(st.integers(0, 8)))
    return Case((w,), {"x": rng.normal(), "phi": phi, **({"phi_prime": phi_prime} if prime else {}), **more})


NO_BACKWARD = "it is the chain's backward itself"
W = np.ones(3)


def refused(before, after, functions):
    """What all three refuse: `before` stands before w, `after` are the functions and what follows them."""
    rest = before[1:]
    return (
        Wrong((None, *rest, W, *after), "x must be an array of numbers, got None", error=TypeError),
        Wrong(([1, 2], *rest, W, *after), "x must be one number, got (2,)"),
        Wrong((*before, "steep", *after), "w must be an array of real numbers", error=TypeError),
        Wrong((*before, 0.5, *after), "w must be (n,), one weight from each neuron to the next, got ()"),
        Wrong((*before, np.ones((3, 2)), *after), "got (3, 2): the chain has one neuron per layer"),
        *(wrong for place, name in enumerate(functions) for wrong in (
            Wrong((*before, W, *_with(after, place, "tanh")),
                  f"{name} must be a function of net, such as activations.tanh, got 'tanh'", error=TypeError),
            Wrong((*before, W, *_with(after, place, lambda net: None)),
                  f"{name}(net) must be an array of numbers, got None: does what made it return it?", error=TypeError),
            Wrong((*before, W, *_with(after, place, lambda net: np.ones(2))),
                  f"{name}(net) must be one number for one net input, got (2,)"),
        )),
    )


def _with(values, place, value):
    return *values[:place], value, *values[place + 1:]


COMPONENTS = (
    Component(
        chain_forward,
        forward=w_first(chain_forward),
        no_backward="see chain_updates",
        loops=forward_loops,
        torch=torch_forward,
        cases=partial(chains, prime=False),
        draw=partial(any_chain, prime=False),
        wrong=refused((1,), (tanh,), ["phi"]),
    ),
    Component(
        chain_factors,
        forward=w_first(chain_factors),
        no_backward=NO_BACKWARD,
        loops=factors_loops,
        torch=torch_factors,
        cases=chains,
        draw=any_chain,
        wrong=refused((1,), (tanh, tanh_derivative), ["phi", "phi_prime"]),
    ),
    Component(
        chain_updates,
        forward=w_first(chain_updates),
        no_backward=NO_BACKWARD,
        loops=updates_loops,
        torch=torch_updates,
        cases=partial(chains, t=0.3, eta=0.2),
        draw=partial(any_chain, t=-0.6, eta=0.1),
        wrong=(
            *refused((1, 2), (tanh, tanh_derivative, 0.1), ["phi", "phi_prime"]),
            Wrong((1, [1, 2], W, tanh, tanh_derivative, 0.1), "t must be one number, got (2,)"),
            Wrong((1, 1, W, tanh, tanh_derivative, W), "eta must be one number, got (3,)"),
            Wrong((1, 1, W, tanh, tanh_derivative, None), "eta must be an array of numbers, got None",
                  error=TypeError),
        ),
    ),
)
ELSEWHERE = dict.fromkeys(
    [
        "layer_outputs", "layer_errors", "activation_statistics", "error_statistics", "gradient_statistics",
        "update_ratios",
    ],
    "test_gradflow.py",
)
