"""The simple recurrent network: its hidden neurons hear the input, and what they themselves said a step ago (part a).

Unfolded in time, it is a deep network with one layer for each step, and all
layers share their weights. This is not only a picture: `rnn` computes the
unfolded network layer by layer, and `rnn_backward` is backpropagation through it.
"""

import numpy as np

from pnnlib.activations import relu, tanh
from pnnlib.arrays import as_floats
from pnnlib.linear import linear, linear_backward


def rnn(x, h0, w_ih, w_hh, b_ih=None, b_hh=None, nonlinearity="tanh"):
    """Run a simple recurrent network over sequences, and return its hidden state after every step.

    The output of every hidden neuron is an additional input at the next step (part a):

        h_t = φ(W_ih x_t + b_ih + W_hh h_{t−1} + b_hh),    t = 1 … T

    with φ = tanh or ReLU. One bias would do; PyTorch has the two.

    Shapes: x (T, N, n), T steps of N sequences; h0 (N, m), the state before the
    first step; w_ih (m, n), w_hh (m, m), b_ih and b_hh (m,) or None → h (T, N, m),
    of which h[-1] is the last state.
    PyTorch: the first result of `torch.nn.RNN(n, m, nonlinearity=…)(x, h0[None])`.

    >>> x, h0 = [[[1]], [[0]], [[0]]], [[0]]  # a click, then silence
    >>> rnn(x, h0, w_ih=[[1]], w_hh=[[0.5]], nonlinearity="relu").ravel()
    array([1.  , 0.5 , 0.25])
    """
    x, h0, w_ih, w_hh, b_ih, b_hh = _take("rnn", x, h0, w_ih, w_hh, b_ih, b_hh)
    phi, _ = _activation("rnn", nonlinearity)
    states = [h0]
    for weight, bias in _layers(x, w_ih, w_hh, b_ih, b_hh):
        states.append(phi(states[-1] @ weight.T + bias))
    return np.stack(states[1:])


def rnn_backward(dy, x, h0, w_ih, w_hh, b_ih=None, b_hh=None, nonlinearity="tanh", h=None):
    """Return (dx, dh0, dw_ih, dw_hh, db_ih, db_hh), given the gradient dy of a loss at the result of `rnn`.

    Backpropagation through the unfolded network, from the last layer to the
    first (part a). A state is owed by the loss at its own step, and by all later
    steps through the one that follows:

        dnet_t = φ′(net_t) · (dY_t + dnet_{t+1} W_hh),    dnet_{T+1} = 0
        dX_t = dnet_t W_ih,    dh0 = dnet_1 W_hh

    The layers share their weights, so what each owes to them adds up:

        dW_ih = Σ_t dnet_tᵀ X_t,    dW_hh = Σ_t dnet_tᵀ h_{t−1},    db_ih = db_hh = Σ_{t,n} dnet_t

    Once for every step, dnet is multiplied by φ′(net) and W_hh: this is where the
    gradients of long sequences vanish or explode (part b). φ′ follows from h: it
    is 1 − h² for tanh, and for ReLU 1 where h > 0, so φ′(0) = 0 as in PyTorch.

    Shapes: dy (T, N, m), the rest as given to `rnn` → the gradients shaped as x,
    h0, w_ih, w_hh, b_ih, b_hh, None without a bias. If only the last state
    counts, dy is 0 at all others. h (T, N, m) is the result of `rnn` where it is
    at hand, and is computed again where it is not.
    PyTorch: `y.backward(dy)`, then the `.grad`s.

    >>> dy = [[[0]], [[0]], [[1]]]
    >>> dx, dh0, *_ = rnn_backward(dy, np.ones((3, 1, 1)), [[0]], [[1]], [[0.5]], nonlinearity="relu")
    >>> dx.ravel(), dh0
    (array([0.25, 0.5 , 1.  ]), array([[0.125]]))
    """
    x, h0, w_ih, w_hh, b_ih, b_hh, dy, h = _take("rnn_backward", x, h0, w_ih, w_hh, b_ih, b_hh, dy=dy, h=h)
    _, slope_at = _activation("rnn_backward", nonlinearity)
    if h is None:
        h = rnn(x, h0, w_ih, w_hh, b_ih, b_hh, nonlinearity)
    slope = slope_at(h)
    dnet = np.empty_like(dy)
    from_later = np.zeros_like(h0)
    for t in reversed(range(len(x))):
        dnet[t] = slope[t] * (dy[t] + from_later)
        from_later = dnet[t] @ w_hh
    dx, dw_ih, db_ih = linear_backward(dnet, x, w_ih, b_ih)
    before = np.concatenate([h0[None], h[:-1]])
    dw_hh = np.tensordot(dnet, before, axes=((0, 1), (0, 1)))
    db_hh = None if b_hh is None else dnet.sum(axis=(0, 1))
    return dx, from_later, dw_ih, dw_hh, db_ih, db_hh


def unfold(x, h0, w_ih, w_hh, b_ih=None, b_hh=None):
    """Unfold a recurrent network in time: return the layers of the deep network that it is, one for each step.

    Layer t, the one of step t (part a), takes the state h_{t−1} and gives the next:

        h_t = φ(W h_{t−1} + b_t),    W = W_hh,    b_t = W_ih x_t + b_ih + b_hh

    All layers share one weight: every pair holds the same array, w_hh itself.
    What the sequences say at step t comes in as a bias, one for each of the N. A
    network for long sequences is thus very deep.

    Shapes: as `rnn` → a list of T pairs (weight (m, m), bias (N, m)), such that
    `h = phi(h @ weight.T + bias)`, from h0 on, gives what `rnn` gives, bit for bit.
    Backward: that of `rnn`. PyTorch: no function.

    >>> x, h0, w_ih, w_hh = np.ones((50, 1, 2)), np.zeros((1, 3)), np.eye(3, 2), np.eye(3) / 2
    >>> h = h0
    >>> for weight, bias in unfold(x, h0, w_ih, w_hh):
    ...     h = tanh(h @ weight.T + bias)
    >>> np.array_equal(h, rnn(x, h0, w_ih, w_hh)[-1])
    True
    """
    x, _, w_ih, w_hh, b_ih, b_hh = _take("unfold", x, h0, w_ih, w_hh, b_ih, b_hh)
    return list(_layers(x, w_ih, w_hh, b_ih, b_hh))


def _layers(x, w_ih, w_hh, b_ih, b_hh):
    # One product for all steps: the inputs do not wait for the states.
    net = linear(x, w_ih, b_ih)
    if b_hh is not None:
        net += b_hh
    return ((w_hh, bias) for bias in net)


def _activation(operation, nonlinearity):
    """Return φ, and the function that finds φ′(net) from h = φ(net)."""
    choices = {"tanh": (tanh, lambda h: 1 - h * h), "relu": (relu, lambda h: h > 0)}
    if not isinstance(nonlinearity, str) or nonlinearity not in choices:
        raise ValueError(f'{operation}: nonlinearity must be "tanh" or "relu", got {nonlinearity!r}')
    return choices[nonlinearity]


# What can go wrong, said so that the cause can be found.


def _take(operation, x, h0, w_ih, w_hh, b_ih, b_hh, **states):
    """Return all arguments in one floating-point type; `states` are dy and h, as large as the result."""
    x, h0, w_ih, w_hh, b_ih, b_hh, *values = as_floats(
        operation, x=x, h0=h0, w_ih=w_ih, w_hh=w_hh, b_ih=b_ih, b_hh=b_hh, **states, optional=["b_ih", "b_hh", "h"]
    )
    if x.ndim != 3:
        cause = "for one sequence alone add an axis: x[:, None]" if x.ndim == 2 else "steps, sequences, inputs"
        raise ValueError(f"{operation}: x must be (T, N, n), got {x.shape}: {cause}")
    steps, sequences, inputs = x.shape
    if steps == 0:
        raise ValueError(f"{operation}: x must have at least one step, got (T, N, n) = {x.shape}: an empty sequence?")
    if w_ih.ndim != 2 or w_ih.shape[1] != inputs:
        swapped = w_ih.ndim == 2 and w_ih.shape[0] == inputs
        cause = "swap its axes: w_ih.T" if swapped else "a row for each hidden neuron, a column for each input"
        raise ValueError(f"{operation}: w_ih must be (m, {inputs}) for x of shape {x.shape}, got {w_ih.shape}: {cause}")
    hidden = len(w_ih)

    def check(name, a, letters, expected, cause):
        if a is not None and a.shape != expected:
            raise ValueError(
                f"{operation}: {name} must be {letters} = {expected} for x of shape {x.shape} and w_ih of shape "
                f"{w_ih.shape}, got {a.shape}: {cause}"
            )

    check("w_hh", w_hh, "(m, m)", (hidden, hidden), "a row and a column for each hidden neuron")
    if h0.shape == (1, sequences, hidden):
        cause = "PyTorch's has an axis more, for layers: h0[0]"
    elif h0.shape == (steps, hidden):
        cause = "x has steps first, then sequences: x.swapaxes(0, 1)"
    else:
        cause = "a state for each sequence, a number for each hidden neuron"
    check("h0", h0, "(N, m)", (sequences, hidden), cause)
    check("b_ih", b_ih, "(m,)", (hidden,), "one number for each hidden neuron")
    check("b_hh", b_hh, "(m,)", (hidden,), "one number for each hidden neuron")
    for name, a in zip(states, values):
        last_alone = a is not None and a.shape == (sequences, hidden)
        cause = f"{name} has all steps" + ("; where only the last counts, dy is 0 at the others" if last_alone else "")
        check(name, a, "(T, N, m)", (steps, sequences, hidden), cause)
    return x, h0, w_ih, w_hh, b_ih, b_hh, *values
