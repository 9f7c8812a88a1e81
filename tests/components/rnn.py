"""The simple recurrent network."""

import numpy as np
import torch
from hypothesis import strategies as st

from components import Case, Component, Wrong
from pnnlib.rnn import rnn, rnn_backward


def rnn_loops(x, h0, w_ih, w_hh, b_ih=None, b_hh=None, nonlinearity="tanh"):
    """Step by step, sequence by sequence, neuron by neuron, one product at a time."""
    return phi(net_loops(x, h0, w_ih, w_hh, b_ih, b_hh, nonlinearity), nonlinearity)


def net_loops(x, h0, w_ih, w_hh, b_ih=None, b_hh=None, nonlinearity="tanh"):
    (steps, sequences, inputs), hidden = x.shape, len(w_ih)
    nets = np.zeros((steps, sequences, hidden))
    before = h0
    for t in range(steps):
        for s in range(sequences):
            for j in range(hidden):
                for i in range(inputs):
                    nets[t, s, j] += w_ih[j, i] * x[t, s, i]
                for i in range(hidden):
                    nets[t, s, j] += w_hh[j, i] * before[s, i]
                for b in (b_ih, b_hh):
                    nets[t, s, j] += 0 if b is None else b[j]
        before = phi(nets[t], nonlinearity)
    return nets


def phi(net, nonlinearity):
    return np.tanh(net) if nonlinearity == "tanh" else np.where(net > 0, net, 0)


def torch_rnn(x, h0, w_ih, w_hh, b_ih=None, b_hh=None, nonlinearity="tanh"):
    """PyTorch's own module with our weights in it, without the gradient being cut off."""
    hidden, inputs = w_ih.shape
    biased = b_ih is not None or b_hh is not None
    module = torch.nn.RNN(inputs, hidden, nonlinearity=nonlinearity, bias=biased, dtype=x.dtype)
    weights = {"weight_ih_l0": w_ih, "weight_hh_l0": w_hh}
    if biased:
        zero = torch.zeros(hidden, dtype=x.dtype)
        weights |= {"bias_ih_l0": zero if b_ih is None else b_ih, "bias_hh_l0": zero if b_hh is None else b_hh}
    return torch.func.functional_call(module, weights, (x, h0[None]))[0]


SIZES = [  # T, N, n, m
    (5, 3, 4, 2),
    (4, 2, 1, 3),
    (3, 1, 2, 3),
    (6, 2, 3, 1),
    (1, 2, 3, 4),
    (1, 1, 1, 1),
]


def networks(rng):
    for size in SIZES:
        for nonlinearity in ("tanh", "relu"):
            for biases in ((True, True), (False, False)):
                yield network(rng, size, biases, nonlinearity)
    yield network(rng, (3, 2, 2, 2), (True, False), "tanh")
    yield network(rng, (3, 2, 2, 2), (False, True), "relu")
    yield Case((np.zeros((2, 1, 1)), np.zeros((1, 2)), np.ones((2, 1)), np.eye(2), None, None),
               {"nonlinearity": "relu"}, smooth=False)


def network(rng, size, biases, nonlinearity):
    """Random weights and sequences; for ReLU, a difference must not step over the corner, so no net input is near 0."""
    steps, sequences, inputs, hidden = size
    while True:
        shapes = (steps, sequences, inputs), (sequences, hidden), (hidden, inputs), (hidden, hidden)
        x, h0, w_ih, w_hh = (rng.normal(size=shape) for shape in shapes)
        b_ih, b_hh = (0.3 * rng.normal(size=hidden) if b else None for b in biases)
        arrays = x, h0, 0.3 * w_ih, 0.3 * w_hh, b_ih, b_hh
        if nonlinearity == "tanh" or np.abs(net_loops(*arrays, nonlinearity)).min() > 0.005:
            # The gradient of a single number may be next to nothing by chance, as no gradient of several is. Then
            # the error of a difference, in proportion to φ‴, tells more than the gradient.
            smooth = min(a.size for a in arrays if a is not None) > 1
            return Case(arrays, {"nonlinearity": nonlinearity}, smooth)


@st.composite
def any_network(draw):
    size = [draw(st.integers(1, 4)) for _ in range(4)]
    biases = draw(st.booleans()), draw(st.booleans())
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    return network(rng, size, biases, draw(st.sampled_from(["tanh", "relu"])))


X, H0, W_IH, W_HH = np.ones((5, 2, 3)), np.ones((2, 4)), np.ones((4, 3)), np.ones((4, 4))
WRONG_ARGUMENTS = (  # `unfold` refuses them, too
    Wrong((X[:, 0], H0, W_IH, W_HH), "x must be (T, N, n), got (5, 3): for one sequence alone add an axis: x[:, None]"),
    Wrong((X[None], H0, W_IH, W_HH), "x must be (T, N, n), got (1, 5, 2, 3): steps, sequences, inputs"),
    Wrong((X[:0], H0, W_IH, W_HH), "x must have at least one step, got (T, N, n) = (0, 2, 3)"),
    Wrong((X, H0, np.ones((4, 2)), W_HH),
          "w_ih must be (m, 3) for x of shape (5, 2, 3), got (4, 2): a row for each hidden neuron"),
    Wrong((X, H0, W_IH.T, W_HH), "w_ih must be (m, 3) for x of shape (5, 2, 3), got (3, 4): swap its axes: w_ih.T"),
    Wrong((X, H0, np.ones(3), W_HH), "w_ih must be (m, 3)"),
    Wrong((X, H0, W_IH, W_IH), "w_hh must be (m, m) = (4, 4) for x of shape (5, 2, 3) and w_ih of shape (4, 3), "
          "got (4, 3): a row and a column for each hidden neuron"),
    Wrong((X, H0[None], W_IH, W_HH), "h0 must be (N, m) = (2, 4) for x of shape (5, 2, 3) and w_ih of shape (4, 3), "
          "got (1, 2, 4): PyTorch's has an axis more, for layers: h0[0]"),
    Wrong((X.swapaxes(0, 1), H0, W_IH, W_HH), "got (2, 4): x has steps first, then sequences: x.swapaxes(0, 1)"),
    Wrong((X, H0[0], W_IH, W_HH), "got (4,): a state for each sequence, a number for each hidden neuron"),
    Wrong((X, H0, W_IH, W_HH, np.ones(3)), "b_ih must be (m,) = (4,)"),
    Wrong((X, H0, W_IH, W_HH, None, np.ones((4, 1))), "b_hh must be (m,) = (4,)"),
    Wrong((X, None, W_IH, W_HH), "h0 must be an array of numbers, got None", error=TypeError),
)
COMPONENTS = (
    Component(
        rnn,
        backward=rnn_backward,
        loops=rnn_loops,
        torch=torch_rnn,
        cases=networks,
        draw=any_network,
        wrong=(
            *WRONG_ARGUMENTS,
            Wrong((X, H0, W_IH, W_HH, None, None, "sigmoid"), 'nonlinearity must be "tanh" or "relu", got \'sigmoid\''),
            Wrong((X, H0, W_IH, W_HH, "relu"), "b_ih must be an array of real numbers", error=TypeError),
        ),
        wrong_backward=(
            Wrong((H0, X, H0, W_IH, W_HH), "dy must be (T, N, m) = (5, 2, 4) for x of shape (5, 2, 3) and w_ih of "
                  "shape (4, 3), got (2, 4): dy has all steps; where only the last counts, dy is 0 at the others"),
            Wrong((X, X, H0, W_IH, W_HH), "got (5, 2, 3): dy has all steps"),
            Wrong((np.ones((5, 2, 4)), X, H0, W_IH, W_HH), "h must be (T, N, m) = (5, 2, 4)", {"h": X}),
            Wrong((np.ones((5, 2, 4)), X, H0, W_IH, W_HH), "nonlinearity must be", {"nonlinearity": X}),
        ),
    ),
)
ELSEWHERE = {"unfold": "test_rnn.py"}
