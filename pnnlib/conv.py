"""Cross-correlation, convolution, and the convolutional layer in one and two dimensions (part d).

A mask slides over the input and writes, at every place, the sum of the
products of what lies on top of each other. Everything here is that sum, taken
not place by place but tap by tap: one weight of the mask times the shifted
input X(i+k, j+l) it meets.
"""

import math

import numpy as np

from pnnlib.arrays import as_floats
from pnnlib.columns import Lines, portions
from pnnlib.windows import cure_for_axes, geometry, pad, taps


def cross_correlate(x, h, stride=1, padding=0, dilation=1):
    """Slide the mask h over the single-channel input x.

    Cross-correlation (part d), with stride s, padding p and dilation d:

        Y(i, j) = Σ_{k,l} X(i + k, j + l) H(k, l)
        Y(i, j) = Σ_{k,l} X(i·s + k·d − p, j·s + l·d − p) H(k, l),   X = 0 outside

    Shapes: x (H, W), h (KH, KW) → (OH, OW), sizes as in `windows.output_size`;
    or x (L,), h (K,) → (OL,). Each option is an int, or one int per axis.
    Backward: that of `conv2d`, with one channel.
    PyTorch: `torch.nn.functional.conv2d(x[None, None], h[None, None])[0, 0]`.

    >>> x = [[-1, 1, .5, 1], [0, -2, -1, 0], [.5, -1, -1, 1], [-1, 1, 0, -2]]
    >>> float(cross_correlate(x, [[-1, 1], [0, -2]])[0, 0])
    6.0
    """
    x, h = as_floats("cross_correlate", x=x, h=h)
    out, _, stride, padding, dilation = _check_mask("cross_correlate", x.shape, h, stride, padding, dilation)
    y = np.zeros(out, x.dtype)
    for position, tap in taps(pad(x, padding), h.shape, stride, dilation):
        y += h[position] * tap
    return y


def convolve(x, h, stride=1, padding=0, dilation=1):
    """Convolve x with h: cross-correlate it with the mask rotated by 180°.

    Convolution (part d): Y(i, j) = Σ_{k,l} X(i + k, j + l) H(−k, −l). The result
    starts where the whole mask first lies on the input, so this is the "valid"
    convolution of signal processing. Convolutional layers do not rotate.

    Shapes: as `cross_correlate`. Backward: that of `conv2d` with the rotated mask.
    PyTorch: `torch.nn.functional.conv2d` with the mask `h.flip(0, 1)`.

    >>> convolve([1, 2, 4], [1, 10]), cross_correlate([1, 2, 4], [1, 10])
    (array([12., 24.]), array([21., 42.]))
    """
    x, h = as_floats("convolve", x=x, h=h)
    _check_mask("convolve", x.shape, h, stride, padding, dilation)
    return cross_correlate(x, np.flip(h), stride, padding, dilation)


def mask_as_matrix(h, shape, stride=1, padding=0, dilation=1, order="C"):
    """Return the matrix whose product with the input, as one long vector, is the cross-correlation with h.

    Cross-correlation is a vector product (part d): each output is w·x, with a
    weight vector that is zero outside its receptive field. These vectors are
    the rows, all with the same few weights: that is weight sharing.

        M x = y,   M[(i, j), (i·s + k·d − p, j·s + l·d − p)] = H(k, l)

    Shapes: h (KH, KW), shape (H, W) → (OH·OW, H·W); `mask_as_matrix(h, x.shape) @
    x.ravel()` equals `cross_correlate(x, h).ravel()`. The lecture writes x column
    by column: `order="F"`, here and in both `ravel(order)`.
    Backward: dx.ravel() = M.T @ dy.ravel(). PyTorch: no function.

    >>> mask_as_matrix([[-1, 1], [0, -2]], (4, 4), order="F")[0].astype(int)
    array([-1,  0,  0,  0,  1, -2,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0])
    """
    (h,) = as_floats("mask_as_matrix", h=h)
    shape = np.atleast_1d(shape)
    if shape.ndim != 1:
        raise ValueError(f"mask_as_matrix: shape must be a shape, such as (4, 4), got an array {shape.shape}: x.shape?")
    shape = tuple(shape.tolist())
    out, _, stride, padding, dilation = _check_mask("mask_as_matrix", shape, h, stride, padding, dilation)
    # Slide the mask over a picture of pixel numbers: what a weight meets is the column it belongs in.
    pixels = np.arange(np.prod(shape)).reshape(shape, order=order)
    places = np.arange(np.prod(out)).reshape(out, order=order)
    outside = pixels.size  # the padding gets one column more, dropped at the end
    matrix = np.zeros((places.size, pixels.size + 1), h.dtype)
    for position, tap in taps(pad(pixels, padding, value=outside), h.shape, stride, dilation):
        matrix[places, tap] = h[position]
    return matrix[:, :outside].copy()


def conv2d(x, w, b=None, stride=1, padding=0, dilation=1):
    """Apply a convolutional layer: cross-correlate every input channel with every mask, and add the channels up.

    The transfer function of a layer with O masks of C channels (part d):

        Y(n, o, i, j) = b(o) + Σ_{c,k,l} X(n, c, i·s + k·d − p, j·s + l·d − p) W(o, c, k, l)

    Shapes: x (N, C, H, W), w (O, C, KH, KW), b (O,) or None → y (N, O, OH, OW),
    sizes as in `windows.output_size`. Each option is an int, or a pair for the
    two axes. With KH = KW = 1 it is the 1×1 convolution: a weighted sum of the
    channels at every pixel.
    PyTorch: `torch.nn.functional.conv2d(x, w, b, stride, padding, dilation)`.

    >>> x, w = np.arange(12.).reshape(1, 1, 3, 4), np.ones((2, 1, 2, 2))
    >>> conv2d(x, w, b=[0, 100], stride=2).ravel()
    array([ 10.,  18., 110., 118.])
    """
    return _conv("conv2d", 2, x, w, b, stride, padding, dilation)


def conv2d_backward(dy, x, w, b=None, stride=1, padding=0, dilation=1):
    """Return (dx, dw, db), the gradients of a loss, given its gradient dy at the result of `conv2d`.

    Every product X·W in the sum hands dy·W to its pixel and dy·X to its weight:

        dX(n, c, i·s + k·d − p, j·s + l·d − p)  +=  dY(n, o, i, j) W(o, c, k, l)   for all o, i, j, k, l
        dW(o, c, k, l) = Σ_{n,i,j} dY(n, o, i, j) X(n, c, i·s + k·d − p, j·s + l·d − p)
        db(o) = Σ_{n,i,j} dY(n, o, i, j)

    Shapes: dy (N, O, OH, OW), the rest as given to `conv2d` → dx, dw, db shaped
    as x, w, b. Without a b, db is None. PyTorch: `y.backward(dy)`, then
    `x.grad, w.grad, b.grad`.

    >>> x, w, dy = np.arange(4.).reshape(1, 1, 2, 2), np.ones((1, 1, 1, 2)), np.ones((1, 1, 2, 1))
    >>> dx, dw, db = conv2d_backward(dy, x, w, b=np.zeros(1))
    >>> dx.ravel(), dw.ravel(), db
    (array([1., 1., 1., 1.]), array([2., 4.]), array([2.]))
    """
    return _conv_backward("conv2d_backward", 2, dy, x, w, b, stride, padding, dilation)


def conv1d(x, w, b=None, stride=1, padding=0, dilation=1):
    """Apply a convolutional layer to signals, such as sound: `conv2d` with one axis less.

    Y(n, o, i) = b(o) + Σ_{c,k} X(n, c, i·s + k·d − p) W(o, c, k)   (part d, 1-D input and mask)

    Shapes: x (N, C, L), w (O, C, K), b (O,) or None → y (N, O, OL).
    PyTorch: `torch.nn.functional.conv1d(x, w, b, stride, padding, dilation)`.

    >>> conv1d([[[1, 2, 3, 4]]], [[[-1, 1]]])
    array([[[1., 1., 1.]]])
    """
    return _conv("conv1d", 1, x, w, b, stride, padding, dilation)


def conv1d_backward(dy, x, w, b=None, stride=1, padding=0, dilation=1):
    """Return (dx, dw, db), the gradients of a loss, given its gradient dy at the result of `conv1d`.

    dX(n, c, i·s + k·d − p) += dY(n, o, i) W(o, c, k), summed over all o, i, k;
    dW and db as in `conv2d_backward`, without j and l.

    Shapes: dy (N, O, OL), the rest as given to `conv1d` → dx, dw, db shaped as
    x, w, b. Without a b, db is None. PyTorch: `y.backward(dy)`, then the `.grad`s.

    >>> dx, dw, db = conv1d_backward([[[1, 1, 1]]], [[[1, 2, 3, 4]]], [[[-1, 1]]])
    >>> dx, dw, db
    (array([[[-1.,  0.,  0.,  1.]]]), array([[[6., 9.]]]), None)
    """
    return _conv_backward("conv1d_backward", 1, dy, x, w, b, stride, padding, dilation)


# The layer in any number of dimensions. Under the mask, at one place, lie C·KH·KW
# numbers. Write them as a column, one column for every place, and the sum is a
# matrix product: y = w cols. Its gradients are dw = dy colsᵀ and dcols = wᵀ dy.
# The bias is one weight more, for a number that is 1 at every place. How columns
# are made fast, in portions, is in `columns`.


def _conv(operation, axes, x, w, b, stride, padding, dilation):
    x, w, b = as_floats(operation, x=x, w=w, b=b, optional=["b"])
    lines = Lines(x.shape, *_check_layer(operation, axes, x, w, b, stride, padding, dilation))
    w2d = _weights_as_matrix(w, b)
    y = np.empty((len(x), len(w), *lines.out), x.dtype)
    for images, parts in portions(len(x), lines.places, w2d.shape[1] * x.itemsize):
        read = lines.read(x[images])
        wide = np.empty((len(read), len(w), math.prod(lines.wide)), x.dtype)
        for places in parts:
            np.matmul(w2d, lines.columns(read, places, ones=b is not None), out=wide[..., places])
        y[images] = lines.cut(wide)
    return y


def _conv_backward(operation, axes, dy, x, w, b, stride, padding, dilation):
    dy, x, w, b = as_floats(operation, dy=dy, x=x, w=w, b=b, optional=["b"])
    lines = Lines(x.shape, *_check_layer(operation, axes, x, w, b, stride, padding, dilation))
    _check_dy(operation, dy, (len(x), len(w), *lines.out))
    w2d = _weights_as_matrix(w)
    dw2d = np.zeros((w2d.shape[1] + (b is not None), len(w)), x.dtype)  # transposed: BLAS multiplies faster so
    dx = np.empty(x.shape, x.dtype)
    for images, parts in portions(len(x), lines.places, len(dw2d) * x.itemsize):
        read = lines.read(x[images])
        dread = np.zeros_like(read)
        dwide = lines.widen(dy[images])
        for places in parts:
            cols = lines.columns(read, places, ones=b is not None)
            dw2d += (cols @ dwide[..., places].swapaxes(1, 2)).sum(axis=0)
            dcols = np.matmul(w2d.T, dwide[..., places], out=cols[:, :w2d.shape[1]])  # cols are done with
            lines.add_columns(dread, places, dcols)
        dx[images] = lines.unread(dread)
    db = None if b is None else dw2d[-1].copy()
    return dx, np.ascontiguousarray(dw2d[:w2d.shape[1]].T).reshape(w.shape), db


def _weights_as_matrix(w, b=None):
    """Write each mask as a row, with its bias at the end: (O, C·KH·KW), or one column more."""
    w2d = w.reshape(len(w), math.prod(w.shape[1:]))
    return w2d if b is None else np.column_stack([w2d, b])


# What can go wrong, said so that the cause can be found.


def _check_mask(operation, shape, h, stride, padding, dilation):
    if h.ndim != len(shape) or h.ndim not in (1, 2):
        raise ValueError(
            f"{operation}: x must be (H, W) and h (KH, KW), or (L,) and (K,), got x of shape {tuple(shape)} "
            f"and h of shape {h.shape}: channels and batches are for conv1d and conv2d"
        )
    return geometry(operation, shape, h.shape, stride, padding, dilation)


def _check_layer(operation, axes, x, w, b, stride, padding, dilation):
    spatial, kernel = (("L",), ("K",)) if axes == 1 else (("H", "W"), ("KH", "KW"))
    if w.ndim != axes + 2:
        cause = "one mask alone needs axes for its output and input channel: w[None, None]" if w.ndim == axes else (
            "output channels first, then input channels, then the mask")
        raise ValueError(f"{operation}: w must be {_letters('O', 'C', *kernel)}, got {w.shape}: {cause}")
    many, channels = w.shape[:2]
    if x.ndim != axes + 2 or x.shape[1] != channels:
        cause = cure_for_axes(x, axes) or f"x has {x.shape[1]} channels, every mask in w has {channels}"
        if x.ndim == axes + 2 and x.shape[-1] == channels:
            cause = "channels go second: np.moveaxis(x, -1, 1)"
        elif x.ndim == axes + 2 and x.shape[1] == many:
            cause = f"w has {many} masks of {channels} channels, not the other way round: swap its first two axes?"
        expected = _letters("N", channels, *spatial)
        raise ValueError(f"{operation}: x must be {expected} for w of shape {w.shape}, got {x.shape}: {cause}")
    if b is not None and b.shape != (many,):
        cause = "one number for each output channel" + ("; options come after b: stride=…" if b.ndim == 0 else "")
        raise ValueError(f"{operation}: b must be ({many},) for w of shape {w.shape}, got {b.shape}: {cause}")
    return geometry(operation, x.shape[2:], w.shape[2:], stride, padding, dilation)


def _check_dy(operation, dy, expected):
    if dy.shape != expected:
        letters = "(N, O, OL)" if len(expected) == 3 else "(N, O, OH, OW)"
        raise ValueError(
            f"{operation}: dy must be {letters} = {expected}, the shape of the result of the forward, got "
            f"{dy.shape}: give both the same stride, padding and dilation"
        )


def _letters(*names):
    return f"({', '.join(map(str, names))})"
