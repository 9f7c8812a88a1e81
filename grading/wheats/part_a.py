"""Right answers to the exercises of part a: with loops, with matrices, with lists."""

import itertools
import math

import numpy as np

from . import wheat

# is_deep, count_parameters


@wheat("is_deep")
def is_deep_length(layer_sizes):
    return len(layer_sizes) > 3


@wheat("is_deep")
def is_deep_two_hidden_layers(layer_sizes):
    hidden = layer_sizes[1:-1]
    if len(hidden) >= 2:
        return 1
    return 0


@wheat("is_deep")
def is_deep_numpy(layer_sizes):
    return np.greater(np.size(layer_sizes), 3)


@wheat("count_parameters")
def count_by_neurons(layer_sizes):
    total = 0
    for i in range(1, len(layer_sizes)):
        total += (layer_sizes[i - 1] + 1) * layer_sizes[i]
    return total


@wheat("count_parameters")
def count_dot(layer_sizes):
    n = np.array(layer_sizes)
    return n[:-1] @ n[1:] + n[1:].sum()


@wheat("count_parameters")
def count_by_arrays(layer_sizes):
    return float(sum(m * n + n for m, n in itertools.pairwise(layer_sizes)))


# mlp_forward


@wheat("mlp_forward")
def mlp_rows(x, weights, biases, phi):
    y = x
    for w, b in zip(weights, biases):
        y = phi(y @ w.T + b)
    return y


@wheat("mlp_forward")
def mlp_columns(x, weights, biases, phi):
    y = x.T
    for w, b in zip(weights, biases):
        y = phi(w @ y + b[:, None])
    return y.T


@wheat("mlp_forward")
def mlp_neuron_by_neuron(x, weights, biases, phi):
    outputs = []
    for sample in x:
        y = list(sample)
        for w, b in zip(weights, biases):
            y = [phi(sum(w[j][i] * y[i] for i in range(len(y))) + b[j]) for j in range(len(b))]
        outputs.append(y)
    return outputs


@wheat("mlp_forward")
def mlp_bias_as_a_weight(x, weights, biases, phi):
    y = np.float32(x)
    for w, b in zip(weights, biases):
        y = np.hstack([y, np.ones((len(y), 1))]) @ np.hstack([w, b.reshape(-1, 1)]).T
        y = np.array([[phi(float(net)) for net in row] for row in y])
    return y


@wheat("mlp_forward")
def mlp_recursive(x, weights, biases, phi):
    if not weights:
        return x
    first = np.array([phi(weights[0] @ sample + biases[0]) for sample in x])
    return mlp_recursive(first, weights[1:], biases[1:], phi)


# count_linear_pieces


@wheat("count_linear_pieces")
def pieces_loop(x, y):
    pieces, before = 0, None
    for i in range(len(x) - 1):
        slope = (y[i + 1] - y[i]) / (x[i + 1] - x[i])
        if before is None or abs(slope - before) > 1e-9:
            pieces += 1
        before = slope
    return pieces


@wheat("count_linear_pieces")
def pieces_isclose(x, y):
    slopes = np.diff(y) / np.diff(x)
    return np.count_nonzero(~np.isclose(slopes[1:], slopes[:-1])) + 1


@wheat("count_linear_pieces")
def pieces_cross_products(x, y):
    dx, dy = np.diff(x), np.diff(y)
    corners = np.abs(dx[:-1] * dy[1:] - dx[1:] * dy[:-1]) > 1e-8
    return 1 + corners.sum()


@wheat("count_linear_pieces")
def pieces_rounded(x, y):
    slopes = [round((d - c) / (b - a), 4) for a, b, c, d in zip(x, x[1:], y, y[1:])]
    return len(list(itertools.groupby(slopes)))


# rnn_forward, unfold


@wheat("rnn_forward")
def rnn_loop(x, h0, w_xh, w_hh, b):
    h, states = h0, []
    for x_t in x:
        h = np.tanh(w_xh @ x_t + w_hh @ h + b)
        states.append(h)
    return np.array(states)


@wheat("rnn_forward")
def rnn_filled(x, h0, w_xh, w_hh, b):
    h = np.empty((len(x), len(b)))
    net = x @ w_xh.T + b
    for t in range(len(x)):
        h[t] = np.tanh(net[t] + (h[t - 1] if t > 0 else h0) @ w_hh.T)
    return h


@wheat("rnn_forward")
def rnn_lists(x, h0, w_xh, w_hh, b):
    states = [list(h0)]
    for x_t in x.tolist():
        h = states[-1]
        states.append([
            math.tanh(
                sum(w * v for w, v in zip(w_xh[j], x_t)) + sum(w * v for w, v in zip(w_hh[j], h)) + b[j]
            )
            for j in range(len(b))
        ])  # fmt: skip
    return states[1:]


@wheat("rnn_forward")
def rnn_one_matrix(x, h0, w_xh, w_hh, b):
    w = np.concatenate([w_xh, w_hh, b[:, None]], axis=1).astype(np.float32)
    h, states = h0.copy(), np.zeros((len(x), len(h0)), np.float32)
    for t, x_t in enumerate(x):
        h[:] = np.tanh(w @ np.concatenate([x_t, h, [1]]))
        states[t] = h
    return states


@wheat("rnn_forward")
def rnn_by_unfolding(x, h0, w_xh, w_hh, b):
    states = []
    for weight, bias in unfold_pairs(h0, x, w_xh, w_hh, b):
        h0 = np.tanh(weight @ h0 + bias)
        states.append(h0)
    return np.stack(states)


@wheat("unfold")
def unfold_pairs(h0, x, w_xh, w_hh, b):
    return [(w_hh, w_xh @ x_t + b) for x_t in x]


@wheat("unfold")
def unfold_copies(h0, x, w_xh, w_hh, b):
    layers = []
    for bias in x @ w_xh.T + b:
        layers.append([w_hh.copy(), bias])
    return layers


@wheat("unfold")
def unfold_tuple_of_lists(h0, x, w_xh, w_hh, b):
    biases = [[sum(w * v for w, v in zip(row, x_t)) + c for row, c in zip(w_xh, b)] for x_t in x]
    return tuple((w_hh.tolist(), bias) for bias in biases)


@wheat("unfold")
def unfold_zip(h0, x, w_xh, w_hh, b):
    return list(zip([w_hh] * len(x), np.float32(x @ w_xh.T + b)))


# bptt


@wheat("bptt")
def bptt_loop(dh, x, h, h0, w_xh, w_hh):
    dw_xh, dw_hh, db = np.zeros(w_xh.shape), np.zeros(w_hh.shape), np.zeros(len(dh))
    for t in range(len(x) - 1, -1, -1):
        delta = dh * (1 - h[t] ** 2)
        dw_xh += np.outer(delta, x[t])
        dw_hh += np.outer(delta, h[t - 1] if t > 0 else h0)
        db += delta
        dh = w_hh.T @ delta
    return dw_xh, dw_hh, db


@wheat("bptt")
def bptt_matrices(dh, x, h, h0, w_xh, w_hh):
    before = np.vstack([h0, h[:-1]])
    deltas = np.empty_like(h)
    for t in reversed(range(len(x))):
        deltas[t] = (dh if t == len(x) - 1 else deltas[t + 1] @ w_hh) * (1 - h[t] * h[t])
    return deltas.T @ x, deltas.T @ before, deltas.sum(axis=0)


@wheat("bptt")
def bptt_recursive(dh, x, h, h0, w_xh, w_hh):
    if len(x) == 0:
        return [0 * w_xh, 0 * w_hh, 0 * h0]
    delta = dh * (1 - h[-1]) * (1 + h[-1])
    before = h[-2] if len(h) > 1 else h0
    own = np.outer(delta, x[-1]), np.outer(delta, before), delta
    earlier = bptt_recursive(delta @ w_hh, x[:-1], h[:-1], h0, w_xh, w_hh)
    return [a + b for a, b in zip(own, earlier)]


@wheat("bptt")
def bptt_forwards(dh, x, h, h0, w_xh, w_hh):
    """The derivatives of the state by every weight, carried along from the first step to the last."""
    m, n = w_xh.shape
    by_xh, by_hh, by_b = np.zeros((m, m, n)), np.zeros((m, m, m)), np.zeros((m, m))
    state = h0
    for x_t, h_t in zip(x, h):
        by_xh, by_hh, by_b = (np.tensordot(w_hh, d, 1) for d in (by_xh, by_hh, by_b))
        for j in range(m):
            by_xh[j, j] += x_t
            by_hh[j, j] += state
            by_b[j, j] += 1
        slope = 1 - h_t**2
        by_xh, by_hh, by_b = slope[:, None, None] * by_xh, slope[:, None, None] * by_hh, slope[:, None] * by_b
        state = h_t
    return np.tensordot(dh, by_xh, 1), np.tensordot(dh, by_hh, 1), dh @ by_b
