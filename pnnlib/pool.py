"""Pooling: replace the numbers in a region of the input by a single one, their maximum or their mean (part e).

The region is a window that slides as a mask does, and everything here goes tap
by tap, as in `conv`: the maximum or the sum of the shifted inputs that the
positions in the window meet. Pooling is specified, not learnt: it has no weights.
"""

import math

import numpy as np

from pnnlib.arrays import as_floats
from pnnlib.windows import cure_for_axes, geometry, pad, per_axis, taps


def max_pool2d(x, kernel_size, stride=None, padding=0, dilation=1):
    """Replace every region of each map by its maximum: a pattern counts wherever in the region it is.

    Max pooling (part e), with stride s, padding p and dilation d:

        Y(n, c, i, j) = max_{k,l} X(n, c, i·s + k·d − p, j·s + l·d − p),   X = −∞ outside

    Shapes: x (N, C, H, W) → y (N, C, OH, OW), sizes as in `windows.output_size`.
    Each option is an int, or a pair for the two axes; a stride of None is the
    kernel_size, so that the regions lie side by side.
    PyTorch: `torch.nn.functional.max_pool2d(x, kernel_size, stride, padding, dilation)`.

    >>> max_pool2d([[[[1, 2, 0, 0], [3, 4, 0, 5]]]], 2)
    array([[[[4., 5.]]]])
    """
    return _max_pool("max_pool2d", 2, x, kernel_size, stride, padding, dilation)


def max_pool2d_backward(dy, x, kernel_size, stride=None, padding=0, dilation=1):
    """Return dx, the gradient of a loss, given its gradient dy at the result of `max_pool2d`.

    Only the maximum of a region had a say, so it alone is handed the region's dy:

        dX(n, c, i·s + k·d − p, j·s + l·d − p)  +=  dY(n, c, i, j)   for all i, j, at their maximum (k, l)

    Of equal maxima it is the first, row by row; a nan counts as the maximum, as
    in the forward, and of several the last. All this is PyTorch's.

    Shapes: dy (N, C, OH, OW), the rest as given to `max_pool2d` → dx as x.
    PyTorch: `y.backward(dy)`, then `x.grad`.

    >>> max_pool2d_backward([[[[10, 20]]]], [[[[1, 2, 0, 0], [3, 4, 0, 5]]]], 2)
    array([[[[ 0.,  0.,  0.,  0.],
             [ 0., 10.,  0., 20.]]]])
    """
    return _max_pool_backward("max_pool2d_backward", 2, dy, x, kernel_size, stride, padding, dilation)


def max_pool1d(x, kernel_size, stride=None, padding=0, dilation=1):
    """Replace every region of a signal, such as sound, by its maximum: `max_pool2d` with one axis less.

    Y(n, c, i) = max_k X(n, c, i·s + k·d − p),   X = −∞ outside   (part e, 1-D input)

    Shapes: x (N, C, L) → y (N, C, OL).
    PyTorch: `torch.nn.functional.max_pool1d(x, kernel_size, stride, padding, dilation)`.

    >>> max_pool1d([[[1, 2, 4, 3, 0, 0]]], 3, stride=1)
    array([[[4., 4., 4., 3.]]])
    """
    return _max_pool("max_pool1d", 1, x, kernel_size, stride, padding, dilation)


def max_pool1d_backward(dy, x, kernel_size, stride=None, padding=0, dilation=1):
    """Return dx, the gradient of a loss, given its gradient dy at the result of `max_pool1d`.

    dX(n, c, i·s + k·d − p) += dY(n, c, i) for all i, at their maximum k: the
    first of equal ones. Where regions overlap, one pixel may be the maximum of many.

    Shapes: dy (N, C, OL), the rest as given to `max_pool1d` → dx as x.
    PyTorch: `y.backward(dy)`, then `x.grad`.

    >>> max_pool1d_backward([[[1, 10, 100, 1000]]], [[[1, 2, 4, 3, 0, 0]]], 3, stride=1)
    array([[[   0.,    0.,  111., 1000.,    0.,    0.]]])
    """
    return _max_pool_backward("max_pool1d_backward", 1, dy, x, kernel_size, stride, padding, dilation)


def avg_pool2d(x, kernel_size, stride=None, padding=0, *, count_include_pad=True):
    """Replace every region of each map by its mean.

    Average pooling (part e), with a window of KH·KW positions (k, l), stride s and padding p:

        Y(n, c, i, j) = 1/(KH·KW) Σ_{k,l} X(n, c, i·s + k − p, j·s + l − p),   X = 0 outside

    With `count_include_pad=False` the divisor is the number of pixels in the
    region, without its padding, which otherwise pulls means at the edge to 0.

    Shapes: x (N, C, H, W) → y (N, C, OH, OW), sizes as in `windows.output_size`;
    options as in `max_pool2d`. PyTorch: `torch.nn.functional.avg_pool2d(x,
    kernel_size, stride, padding, count_include_pad=…)`, which has ceil_mode in between.

    >>> avg_pool2d([[[[1, 2, 0, 0], [3, 4, 0, 5]]]], 2)
    array([[[[2.5 , 1.25]]]])
    """
    return _avg_pool("avg_pool2d", 2, x, kernel_size, stride, padding, count_include_pad)


def avg_pool2d_backward(dy, x, kernel_size, stride=None, padding=0, *, count_include_pad=True):
    """Return dx, the gradient of a loss, given its gradient dy at the result of `avg_pool2d`.

    All pixels of a region had the same say, so each is handed the same share of its dy:

        dX(n, c, i·s + k − p, j·s + l − p)  +=  dY(n, c, i, j) / (KH·KW)   for all i, j, k, l

    or divided by the number of pixels, as in the forward. The values of x do not matter.

    Shapes: dy (N, C, OH, OW), the rest as given to `avg_pool2d` → dx as x.
    PyTorch: `y.backward(dy)`, then `x.grad`.

    >>> avg_pool2d_backward([[[[10, 20]]]], [[[[1, 2, 0, 0], [3, 4, 0, 5]]]], 2)
    array([[[[2.5, 2.5, 5. , 5. ],
             [2.5, 2.5, 5. , 5. ]]]])
    """
    return _avg_pool_backward("avg_pool2d_backward", 2, dy, x, kernel_size, stride, padding, count_include_pad)


def avg_pool1d(x, kernel_size, stride=None, padding=0, *, count_include_pad=True):
    """Replace every region of a signal by its mean: `avg_pool2d` with one axis less.

    Y(n, c, i) = 1/K Σ_k X(n, c, i·s + k − p),   X = 0 outside   (part e, 1-D input)

    Shapes: x (N, C, L) → y (N, C, OL). PyTorch: `torch.nn.functional.avg_pool1d(x,
    kernel_size, stride, padding, count_include_pad=…)`, which has ceil_mode in between.

    >>> x = [[[6, 6, 6, 6]]]
    >>> avg_pool1d(x, 3, padding=1), avg_pool1d(x, 3, padding=1, count_include_pad=False)
    (array([[[4., 4.]]]), array([[[6., 6.]]]))
    """
    return _avg_pool("avg_pool1d", 1, x, kernel_size, stride, padding, count_include_pad)


def avg_pool1d_backward(dy, x, kernel_size, stride=None, padding=0, *, count_include_pad=True):
    """Return dx, the gradient of a loss, given its gradient dy at the result of `avg_pool1d`.

    dX(n, c, i·s + k − p) += dY(n, c, i) / K, for all i, k, or divided by the
    number of pixels, as in the forward.

    Shapes: dy (N, C, OL), the rest as given to `avg_pool1d` → dx as x.
    PyTorch: `y.backward(dy)`, then `x.grad`.

    >>> avg_pool1d_backward([[[30, 3]]], [[[1, 2, 3, 4, 5]]], 3, stride=2)
    array([[[10., 10., 11.,  1.,  1.]]])
    """
    return _avg_pool_backward("avg_pool1d_backward", 1, dy, x, kernel_size, stride, padding, count_include_pad)


def global_max_pool(x):
    """Replace each map as a whole by its maximum: is the pattern anywhere?

    Global pooling (part e), where the region has the size of the input:
    Y(n, c) = max_{i,j} X(n, c, i, j).

    Shapes: x (N, C, H, W), or with any other number of axes after the channels → y (N, C).
    PyTorch: `x.flatten(2).max(2).values`, or `adaptive_max_pool2d(x, 1).flatten(1)`.

    >>> global_max_pool([[[[1, 2], [4, 3]], [[-5, -6], [-8, -7]]]])
    array([[ 4., -5.]])
    """
    (x,) = as_floats("global_max_pool", x=x)
    return _check_maps("global_max_pool", x).max(axis=2)


def global_max_pool_backward(dy, x):
    """Return dx, the gradient of a loss, given its gradient dy at the result of `global_max_pool`.

    dX(n, c, i, j) = dY(n, c) where (i, j) is the first maximum of its map, row by row, and 0 elsewhere.

    Shapes: dy (N, C), x (N, C, H, W) → dx as x. PyTorch: `y.backward(dy)`, then `x.grad`.

    >>> global_max_pool_backward([[10, 20]], [[[[1, 2], [4, 3]], [[-5, -6], [-8, -7]]]]).reshape(2, 4)
    array([[ 0.,  0., 10.,  0.],
           [20.,  0.,  0.,  0.]])
    """
    dy, x = as_floats("global_max_pool_backward", dy=dy, x=x)
    maps = _check_maps("global_max_pool_backward", x)
    _check_dy("global_max_pool_backward", dy, x.shape[:2], "(N, C)")
    dmaps = np.zeros(maps.shape, x.dtype)
    np.put_along_axis(dmaps, maps.argmax(axis=2, keepdims=True), dy[:, :, None], axis=2)
    return dmaps.reshape(x.shape)


def global_avg_pool(x):
    """Replace each map as a whole by its mean: how much of the pattern is there?

    Global pooling (part e), where the region has the size of the input:
    Y(n, c) = 1/(H·W) Σ_{i,j} X(n, c, i, j).

    Shapes: x (N, C, H, W), or with any other number of axes after the channels → y (N, C).
    PyTorch: `x.flatten(2).mean(2)`, or `adaptive_avg_pool2d(x, 1).flatten(1)`.

    >>> global_avg_pool([[[[1, 2], [4, 3]], [[-5, -6], [-8, -7]]]])
    array([[ 2.5, -6.5]])
    """
    (x,) = as_floats("global_avg_pool", x=x)
    return _check_maps("global_avg_pool", x).mean(axis=2)


def global_avg_pool_backward(dy, x):
    """Return dx, the gradient of a loss, given its gradient dy at the result of `global_avg_pool`.

    dX(n, c, i, j) = dY(n, c) / (H·W): every pixel of a map is handed the same share.

    Shapes: dy (N, C), x (N, C, H, W) → dx as x. PyTorch: `y.backward(dy)`, then `x.grad`.

    >>> global_avg_pool_backward([[4, 8]], [[[[1, 2], [4, 3]], [[-5, -6], [-8, -7]]]]).reshape(2, 4)
    array([[1., 1., 1., 1.],
           [2., 2., 2., 2.]])
    """
    dy, x = as_floats("global_avg_pool_backward", dy=dy, x=x)
    maps = _check_maps("global_avg_pool_backward", x)
    _check_dy("global_avg_pool_backward", dy, x.shape[:2], "(N, C)")
    return np.repeat(dy / maps.shape[2], maps.shape[2]).reshape(x.shape)


def cross_channel_max_pool(x, group):
    """Replace every `group` maps that follow each other by one, their maximum at each pixel.

    Cross-channel pooling (part e) reduces the number of channels, and keeps the
    size of the maps. With G channels in a group:

        Y(n, o, i, j) = max_{g < G} X(n, o·G + g, i, j)

    Shapes: x (N, C, H, W), or with any number of axes after the channels, C
    divisible by group → y (N, C/group, H, W).
    PyTorch: `x.unflatten(1, (-1, group)).max(2).values`.

    >>> cross_channel_max_pool([[[1, 2], [0, 3], [4, 5], [6, 0]]], 2)
    array([[[1., 3.],
            [6., 5.]]])
    """
    (x,) = as_floats("cross_channel_max_pool", x=x)
    return _members("cross_channel_max_pool", x, group).max(axis=0)


def cross_channel_max_pool_backward(dy, x, group):
    """Return dx, the gradient of a loss, given its gradient dy at the result of `cross_channel_max_pool`.

    dX(n, o·G + g, i, j) = dY(n, o, i, j) where channel g is the first maximum of its group, and 0 elsewhere.

    Shapes: dy (N, C/group, H, W), x (N, C, H, W) → dx as x. PyTorch: `y.backward(dy)`, then `x.grad`.

    >>> cross_channel_max_pool_backward([[[10, 20]]], [[[1, 2], [0, 3]]], 2)
    array([[[10.,  0.],
            [ 0., 20.]]])
    """
    operation = "cross_channel_max_pool_backward"
    dy, x = as_floats(operation, dy=dy, x=x)
    members = _members(operation, x, group)
    _check_dy(operation, dy, members.shape[1:], "(N, C/group, H, W)")
    dx = np.zeros(x.shape, x.dtype)
    _hand_to_maximum(dy, members, _members(operation, dx, group))
    return dx


def cross_channel_avg_pool(x, group):
    """Replace every `group` maps that follow each other by one, their mean at each pixel.

    Cross-channel pooling (part e), with G channels in a group:

        Y(n, o, i, j) = 1/G Σ_{g < G} X(n, o·G + g, i, j)

    Shapes: x (N, C, H, W), or with any number of axes after the channels, C
    divisible by group → y (N, C/group, H, W).
    PyTorch: `x.unflatten(1, (-1, group)).mean(2)`.

    >>> cross_channel_avg_pool([[[1, 2], [0, 3], [4, 5], [6, 0]]], 2)
    array([[[0.5, 2.5],
            [5. , 2.5]]])
    """
    (x,) = as_floats("cross_channel_avg_pool", x=x)
    return _members("cross_channel_avg_pool", x, group).mean(axis=0)


def cross_channel_avg_pool_backward(dy, x, group):
    """Return dx, the gradient of a loss, given its gradient dy at the result of `cross_channel_avg_pool`.

    dX(n, o·G + g, i, j) = dY(n, o, i, j) / G: every channel of a group is handed the same share.

    Shapes: dy (N, C/group, H, W), x (N, C, H, W) → dx as x. PyTorch: `y.backward(dy)`, then `x.grad`.

    >>> cross_channel_avg_pool_backward([[[10, 20]]], [[[1, 2], [0, 3]]], 2)
    array([[[ 5., 10.],
            [ 5., 10.]]])
    """
    operation = "cross_channel_avg_pool_backward"
    dy, x = as_floats(operation, dy=dy, x=x)
    members = _members(operation, x, group)
    _check_dy(operation, dy, members.shape[1:], "(N, C/group, H, W)")
    return np.repeat(dy / len(members), len(members), axis=1)


# Pooling in any number of dimensions. Each map is pooled for itself, so that maps can be taken in any portions.


def _max_pool(operation, axes, x, kernel_size, stride, padding, dilation):
    (x,) = as_floats(operation, x=x)
    out, window, padding = _check_pool(operation, axes, x, kernel_size, stride, padding, dilation)
    y = np.empty((*x.shape[:2], *out), x.dtype)
    for some_x, some_y in _portions(x, y):
        some_y[...] = _fold(np.maximum, _taps(pad(some_x, padding, -np.inf), window))
    return y


def _max_pool_backward(operation, axes, dy, x, kernel_size, stride, padding, dilation):
    dy, x = as_floats(operation, dy=dy, x=x)
    out, window, padding = _check_pool(operation, axes, x, kernel_size, stride, padding, dilation)
    _check_dy(operation, dy, (*x.shape[:2], *out))
    dx = np.empty(x.shape, x.dtype)
    for some_dy, some_x, some_dx in _portions(dy, x, dx):
        if any(padding):  # a pixel of −inf must not lose its dy to the padding: lift it to the lowest number
            some_x = np.maximum(some_x, np.finfo(x.dtype).min)
        padded = pad(some_x, padding, -np.inf)
        dpadded = np.zeros(padded.shape, x.dtype)
        _hand_to_maximum(some_dy, _taps(padded, window), _taps(dpadded, window), _apart(window))
        np.add(dpadded[_inside(x, padding)], 0, out=some_dx)  # 0 added to −0 is 0
    return dx


def _hand_to_maximum(dy, x_taps, dx_taps, apart=False):
    """Add dy, place by place, to the tap of dx whose tap of x is the maximum there."""
    y = _fold(np.maximum, x_taps)
    waiting = np.ones(y.shape, bool)  # the places whose maximum we have not come across yet
    for tap, dtap in zip(x_taps, dx_taps):
        here = waiting & (tap == y)
        _hand(dtap, dy * here, apart)
        waiting ^= here
    if waiting.any():  # a nan equals nothing, not even itself: such a place takes its last nan, as in PyTorch
        for tap, dtap in zip(x_taps[::-1], dx_taps[::-1]):
            here = waiting & np.isnan(tap)
            dtap += dy * here
            waiting ^= here


def _avg_pool(operation, axes, x, kernel_size, stride, padding, count_include_pad):
    (x,) = as_floats(operation, x=x)
    out, window, padding = _check_pool(operation, axes, x, kernel_size, stride, padding, 1)
    count = _count(x, window, padding, count_include_pad)
    y = np.empty((*x.shape[:2], *out), x.dtype)
    for some_x, some_y in _portions(x, y):
        some_y[...] = _fold(np.add, _taps(pad(some_x, padding), window)) / count
    return y


def _avg_pool_backward(operation, axes, dy, x, kernel_size, stride, padding, count_include_pad):
    dy, x = as_floats(operation, dy=dy, x=x)
    out, window, padding = _check_pool(operation, axes, x, kernel_size, stride, padding, 1)
    _check_dy(operation, dy, (*x.shape[:2], *out))
    count, apart = _count(x, window, padding, count_include_pad), _apart(window)
    dx = np.empty(x.shape, x.dtype)
    for some_dy, some_dx in _portions(dy, dx):
        share = some_dy / count
        dpadded = pad(np.zeros(some_dx.shape, x.dtype), padding)
        for dtap in _taps(dpadded, window):
            _hand(dtap, share, apart)
        some_dx[...] = dpadded[_inside(x, padding)]
    return dx


def _hand(dtap, share, apart):
    """Add share to a tap of the gradient; in regions that lie apart nobody else has, and writing is faster."""
    if apart:
        dtap[...] = share
    else:
        dtap += share


def _apart(window):
    """Return whether the regions lie apart, so that a pixel is in one at most."""
    return all(s > d * (k - 1) for k, s, d in zip(*window))


def _count(x, window, padding, count_include_pad):
    """Return of how many numbers each mean is taken: one int for all, or an array with one number per place."""
    if count_include_pad:
        return math.prod(window[0])
    pixels = np.ones(x.shape[2:], x.dtype)
    return _fold(np.add, _taps(pad(pixels, padding), window))


def _taps(x, window):
    return [tap for _, tap in taps(x, *window)]


def _fold(operation, arrays):
    """Return the maximum (`np.maximum`) or the sum (`np.add`) of many arrays, place by place."""
    first, *others = arrays
    result = first.copy()
    for array in others:
        operation(result, array, out=result)
    return result


def _portions(*arrays, cache=1 << 19):
    """Yield views of so many maps at a time that they stay in the cache from one tap to the next."""
    maps = [a.reshape(a.shape[0] * a.shape[1], *a.shape[2:]) for a in arrays]
    largest = max(a.nbytes for a in maps)
    many = max(1, cache * len(maps[0]) // max(1, largest))
    for start in range(0, len(maps[0]), many):
        yield [a[start: start + many] for a in maps]


def _inside(x, padding):
    """Return the index that takes the padding off again."""
    return (..., *(slice(p, p + n) for p, n in zip(padding, x.shape[2:])))


def _members(operation, x, group):
    """View x (N, C, *) as (G, N, C/G, *): the first channel of every group, then the second, …"""
    (group,) = per_axis(operation, "group", group, 1, least=1)
    if x.ndim < 2 or x.shape[1] % group:
        cause = f"it has {x.shape[1]} channels" if x.ndim > 1 else "channels go second"
        raise ValueError(
            f"{operation}: x must be (N, C, H, W), with a C that group = {group} divides, got {x.shape}: {cause}"
        )
    n, channels, *spatial = x.shape
    return np.moveaxis(x.reshape(n, channels // group, group, *spatial), 2, 0)


# What can go wrong, said so that the cause can be found.


def _check_pool(operation, axes, x, kernel_size, stride, padding, dilation):
    """Return (out, window, padding), where the window is what `taps` wants to know: kernel, stride, dilation."""
    if x.ndim != axes + 2 or 0 in x.shape[2:]:
        cause = cure_for_axes(x, axes) or "its maps have no pixels"
        letters = "(N, C, L)" if axes == 1 else "(N, C, H, W)"
        raise ValueError(f"{operation}: x must be {letters}, got {x.shape}: {cause}")
    kernel = per_axis(operation, "kernel_size", kernel_size, axes, least=1)
    stride = kernel if stride is None else stride
    out, kernel, stride, padding, dilation = geometry(
        operation, x.shape[2:], kernel, stride, padding, dilation, window="window"
    )
    if any(2 * p > k for p, k in zip(padding, kernel)):
        raise ValueError(
            f"{operation}: padding must be at most half of the kernel_size {kernel}, got {padding}: "
            f"a region could lie on padding alone"
        )
    return out, (kernel, stride, dilation), padding


def _check_maps(operation, x):
    """View x (N, C, *) as (N, C, P): all the P pixels of a map in one axis."""
    if x.ndim < 3 or 0 in x.shape[2:]:
        cause = "its maps have no pixels" if x.ndim > 2 else f"x needs at least 3 axes, it has {x.ndim}"
        raise ValueError(f"{operation}: x must be (N, C, H, W), got {x.shape}: {cause}")
    return x.reshape(*x.shape[:2], math.prod(x.shape[2:]))


def _check_dy(operation, dy, expected, letters=None):
    if dy.shape != expected:
        letters = letters or {3: "(N, C, OL)", 4: "(N, C, OH, OW)"}[len(expected)]
        raise ValueError(
            f"{operation}: dy must be {letters} = {expected}, the shape of the result of the forward, got {dy.shape}: "
            f"give the forward and the backward the same x and options"
        )
