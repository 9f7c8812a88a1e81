"""Right answers to the exercises of part d: with loops, with views, with einsum, with lists."""

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from . import wheat


def pair(value):
    return (value, value) if np.ndim(value) == 0 else tuple(value)


# cross_correlate, convolve, threshold_layer


@wheat("cross_correlate")
def cross_correlate_loops(x, h):
    (rows, columns), (k, l) = x.shape, h.shape
    y = np.zeros((rows - k + 1, columns - l + 1))
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            y[i, j] = np.sum(x[i : i + k, j : j + l] * h)
    return y


@wheat("cross_correlate")
def cross_correlate_windows(x, h):
    return np.einsum("ijkl,kl->ij", sliding_window_view(x, h.shape), h)


@wheat("cross_correlate")
def cross_correlate_taps(x, h):
    rows, columns = x.shape[0] - h.shape[0] + 1, x.shape[1] - h.shape[1] + 1
    y = 0
    for (k, l), weight in np.ndenumerate(h):
        y = y + weight * x[k : k + rows, l : l + columns]
    return y


@wheat("cross_correlate")
def cross_correlate_lists(x, h):
    x, h = x.tolist(), h.tolist()
    return [
        [
            sum(x[i + k][j + l] * h[k][l] for k in range(len(h)) for l in range(len(h[0])))
            for j in range(len(x[0]) - len(h[0]) + 1)
        ]
        for i in range(len(x) - len(h) + 1)
    ]


@wheat("cross_correlate")
def cross_correlate_single_precision(x, h):
    return cross_correlate_loops(x.astype(np.float32), h.astype(np.float32)).astype(np.float32)


@wheat("convolve")
def convolve_rotate(x, h):
    return cross_correlate_loops(x, h[::-1, ::-1])


@wheat("convolve")
def convolve_rot90(x, h):
    return cross_correlate_windows(x, np.rot90(h, 2))


@wheat("convolve")
def convolve_both_turned(x, h):
    return cross_correlate_taps(x[::-1, ::-1], h)[::-1, ::-1]


@wheat("convolve")
def convolve_sum(x, h):
    (k, l) = h.shape
    y = np.empty((x.shape[0] - k + 1, x.shape[1] - l + 1))
    for i, j in np.ndindex(y.shape):
        y[i, j] = sum(
            x[i + k - 1 - a, j + l - 1 - b] * h[a, b] for a in range(k) for b in range(l)
        )
    return y


@wheat("threshold_layer")
def threshold_compare(x, h, theta):
    return cross_correlate_loops(x, h) >= theta


@wheat("threshold_layer")
def threshold_heaviside(x, h, theta):
    return np.heaviside(cross_correlate_windows(x, h) - theta, 1.0)


@wheat("threshold_layer")
def threshold_strict_where(x, h, theta):
    return np.where(cross_correlate_taps(x, h) > theta, 1, 0)


# output_size


@wheat("output_size")
def output_size_formula(n, k, stride=1, padding=0, dilation=1):
    return (n + 2 * padding - dilation * (k - 1) - 1) // stride + 1


@wheat("output_size")
def output_size_count(n, k, stride=1, padding=0, dilation=1):
    span = dilation * (k - 1) + 1
    return len(range(-padding, n + padding - span + 1, stride))


@wheat("output_size")
def output_size_floor(n, k, stride=1, padding=0, dilation=1):
    return np.floor((n + 2 * padding - (dilation * (k - 1) + 1)) / stride + 1)


# cross_correlate_general, mask_as_matrix


@wheat("cross_correlate_general")
def general_loops(x, h, stride=1, padding=0, dilation=1):
    (s, t), (p, q), (d, e) = pair(stride), pair(padding), pair(dilation)
    x = np.pad(x, ((p, p), (q, q)))
    rows = output_size_formula(x.shape[0], h.shape[0], s, 0, d)
    columns = output_size_formula(x.shape[1], h.shape[1], t, 0, e)
    y = np.zeros((rows, columns))
    for i, j in np.ndindex(y.shape):
        for k, l in np.ndindex(h.shape):
            y[i, j] += x[i * s + k * d, j * t + l * e] * h[k, l]
    return y


@wheat("cross_correlate_general")
def general_spread_mask(x, h, stride=1, padding=0, dilation=1):
    (s, t), (p, q), (d, e) = pair(stride), pair(padding), pair(dilation)
    spread = np.zeros((d * (h.shape[0] - 1) + 1, e * (h.shape[1] - 1) + 1))
    spread[::d, ::e] = h
    padded = np.zeros((x.shape[0] + 2 * p, x.shape[1] + 2 * q))
    padded[p : p + x.shape[0], q : q + x.shape[1]] = x
    return cross_correlate_windows(padded, spread)[::s, ::t]


@wheat("mask_as_matrix")
def matrix_units(h, shape):
    columns = []
    for place in range(math.prod(shape)):
        unit = np.zeros(math.prod(shape))
        unit[place] = 1
        columns.append(cross_correlate_loops(unit.reshape(shape), h).ravel())
    return np.stack(columns, axis=1)


@wheat("mask_as_matrix")
def matrix_rows(h, shape):
    rows, columns = shape[0] - h.shape[0] + 1, shape[1] - h.shape[1] + 1
    m = np.zeros((rows, columns, *shape))
    for i in range(rows):
        for j in range(columns):
            m[i, j, i : i + h.shape[0], j : j + h.shape[1]] = h
    return m.reshape(rows * columns, -1)


# conv_layer, conv_1x1


@wheat("conv_layer")
def conv_layer_loops(x, w, b, stride=1, padding=0, dilation=1):
    maps = []
    for mask, bias in zip(w, b):
        maps.append(sum(general_loops(c, m, stride, padding, dilation) for c, m in zip(x, mask)) + bias)
    return np.array(maps)


@wheat("conv_layer")
def conv_layer_einsum(x, w, b, stride=1, padding=0, dilation=1):
    (s, t), (p, q), (d, e) = pair(stride), pair(padding), pair(dilation)
    x = np.pad(x, ((0, 0), (p, p), (q, q)))
    span = (d * (w.shape[2] - 1) + 1, e * (w.shape[3] - 1) + 1)
    windows = sliding_window_view(x, span, axis=(1, 2))[:, ::s, ::t, ::d, ::e]
    return np.einsum("cijkl,ockl->oij", windows, w) + b[:, None, None]


@wheat("conv_1x1")
def conv_1x1_tensordot(x, w):
    return np.tensordot(w, x, 1)


@wheat("conv_1x1")
def conv_1x1_reshape(x, w):
    return (w @ x.reshape(len(x), -1)).reshape(len(w), *x.shape[1:])


@wheat("conv_1x1")
def conv_1x1_loops(x, w):
    y = np.zeros((len(w), *x.shape[1:]))
    for o in range(len(w)):
        for c in range(len(x)):
            y[o] += w[o, c] * x[c]
    return y


# conv_layer_backward, receptive_field


@wheat("conv_layer_backward")
def backward_loops(dy, x, w, stride=1, padding=0):
    (s, t), (p, q) = pair(stride), pair(padding)
    xp = np.pad(x, ((0, 0), (p, p), (q, q)))
    dxp, dw = np.zeros(xp.shape), np.zeros(w.shape)
    for o, i, j in np.ndindex(dy.shape):
        window = np.s_[:, i * s : i * s + w.shape[2], j * t : j * t + w.shape[3]]
        dxp[window] += dy[o, i, j] * w[o]
        dw[o] += dy[o, i, j] * xp[window]
    return dxp[:, p : p + x.shape[1], q : q + x.shape[2]], dw, dy.sum((1, 2))


@wheat("conv_layer_backward")
def backward_taps(dy, x, w, stride=1, padding=0):
    (s, t), (p, q) = pair(stride), pair(padding)
    xp = np.pad(x, ((0, 0), (p, p), (q, q)))
    dxp, dw = np.zeros_like(xp), np.zeros_like(w)
    (rows, columns) = dy.shape[1:]
    for k in range(w.shape[2]):
        for l in range(w.shape[3]):
            tap = np.s_[:, k : k + s * rows : s, l : l + t * columns : t]
            dxp[tap] += np.einsum("oij,oc->cij", dy, w[:, :, k, l])
            dw[:, :, k, l] = np.einsum("oij,cij->oc", dy, xp[tap])
    dx = dxp[:, p : dxp.shape[1] - p, q : dxp.shape[2] - q]
    return [dx, dw, np.einsum("oij->o", dy)]


@wheat("conv_layer_backward")
def backward_full_correlation(dy, x, w, stride=1, padding=0):
    """dx as the full cross-correlation of the spread-out dy with the turned masks."""
    (s, t), (p, q) = pair(stride), pair(padding)
    (k, l) = w.shape[2:]
    (rows, columns) = dy.shape[1:]
    height, width = x.shape[1] + 2 * p - k + 1, x.shape[2] + 2 * q - l + 1
    spread = np.zeros((len(dy), height, width))
    spread[:, ::s, ::t][:, :rows, :columns] = dy
    turned = w[:, :, ::-1, ::-1].transpose(1, 0, 2, 3)
    dx = conv_layer_einsum(spread, turned, np.zeros(len(x)), padding=(k - 1, l - 1))
    xp = np.pad(x, ((0, 0), (p, p), (q, q)))
    dw = np.stack([[cross_correlate_windows(channel, d) for channel in xp] for d in spread])
    return dx[:, p : p + x.shape[1], q : q + x.shape[2]], dw, dy.sum(axis=2).sum(axis=1)


@wheat("receptive_field")
def field_forwards(layers):
    field = apart = 1
    for k, s, d in layers:
        field += d * (k - 1) * apart
        apart *= s
    return field


@wheat("receptive_field")
def field_backwards(layers):
    field = 1
    for k, s, d in reversed(layers):
        field = (field - 1) * s + d * (k - 1) + 1
    return field
