"""Windows that slide over an array: where they fit, and what lies under them.

Convolution and pooling look at an input through the same window, moved from
place to place. Seen the other way round, each position (k, l) inside the
window meets, over all places (i, j), one shifted and strided copy of the
input: the *tap* X(i+k, j+l). A tap is a view made by one slice, so a forward
reads a few taps, and a backward adds into the same few taps of the gradient.
"""

import operator
from itertools import product

import numpy as np


def output_size(n, k, stride=1, padding=0, dilation=1):
    """Return at how many places a mask of size k fits along an axis of size n.

    With p zeros on each side and gaps of dilation d, the mask spans
    d(k−1) + 1 pixels, and moves on by s pixels (part d: padding, stride, dilation):

        ⌊(n + 2p − d(k−1) − 1) / s⌋ + 1

    What is left over when the sizes do not divide is not looked at.

    Shapes: every argument and the result are single ints; use it once per axis.
    PyTorch: the `H_out` and `W_out` of `torch.nn.Conv2d`.

    >>> output_size(4, 2), output_size(4, 2, stride=2), output_size(4, 2, padding=1, dilation=2)
    (3, 2, 4)
    """
    (size,), *_ = geometry("output_size", (n,), k, stride, padding, dilation)
    return size


def receptive_field(layers):
    """Return how many input pixels, along one axis, one output of a stack of layers depends on.

    A neuron receives input only from its receptive field (part d). Each layer
    is (kernel, stride, dilation), the first layer first; stride and dilation
    may be left out. A layer widens the field by d(k−1) of its own inputs, and
    these are as many pixels apart as all strides before it multiplied:

        1 + Σ_layers d(k−1) · Π_(layers before) s

    Shapes: a list of tuples of ints → an int; use it once per axis.
    PyTorch: no function; the same number for a stack of `Conv2d` and `MaxPool2d`.

    >>> receptive_field([(3,), (3,)]), receptive_field([(3, 2), (3, 1, 2)])
    (5, 11)
    """
    field = apart = 1
    for layer in layers:
        if not isinstance(layer, (tuple, list)) or not 1 <= len(layer) <= 3:
            raise TypeError(f"receptive_field: every layer must be (kernel, stride, dilation), got {layer!r}")
        kernel, stride, dilation = (*layer, 1, 1)[:3]
        (k,) = per_axis("receptive_field", "kernel", kernel, 1, least=1)
        (s,) = per_axis("receptive_field", "stride", stride, 1, least=1)
        (d,) = per_axis("receptive_field", "dilation", dilation, 1, least=1)
        field += d * (k - 1) * apart
        apart *= s
    return field


def pad(x, padding, value=0):
    """Return x with `value`s appended to both ends of its last axes.

    Padding is the number of zeros appended to each edge of the input (part d).

    Shapes: x (…, H, W), padding (ph, pw) → (…, H + 2·ph, W + 2·pw); one number
    in padding for each axis, so (p,) pads only the last. x itself where there is
    nothing to append. PyTorch: `torch.nn.functional.pad(x, (pw, pw, ph, ph))`.

    >>> pad(np.ones((1, 2)), (1, 0))
    array([[0., 0.],
           [1., 1.],
           [0., 0.]])
    """
    x = np.asarray(x)
    axes = _count_axes("pad", "padding", padding, x)
    padding = per_axis("pad", "padding", padding, axes, least=0)
    if not any(padding):
        return x
    spatial = x.shape[x.ndim - axes:]
    padded = np.full((*x.shape[: x.ndim - axes], *(n + 2 * p for n, p in zip(spatial, padding))), value, x.dtype)
    padded[(..., *(slice(p, p + n) for n, p in zip(spatial, padding)))] = x
    return padded


def taps(x, kernel, stride=1, dilation=1):
    """Yield, for every position in the mask, what this position meets in x: (k, l), X(i·s + k·d, j·s + l·d).

    These are the terms X(i+k, j+l) of the lecture's sum (part d), for all
    places (i, j) at once. Each is a view: whoever writes into it writes into x,
    which is how a backward hands every pixel what it is owed, tap by tap.

    Shapes: x (…, H, W), padded already; kernel (kh, kw) → kh·kw pairs of the
    position and a view (…, OH, OW). One number in kernel for each axis, so (k,)
    slides along the last only. PyTorch: `torch.nn.functional.unfold` has all of
    them in one array.

    >>> for (k,), tap in taps(np.arange(6), (2,), stride=2):
    ...     print(k, tap)
    0 [0 2 4]
    1 [1 3 5]
    """
    x = np.asarray(x)
    axes = _count_axes("taps", "kernel", kernel, x)
    out, kernel, stride, _, dilation = geometry("taps", x.shape[x.ndim - axes:], kernel, stride, 0, dilation)
    for position in product(*map(range, kernel)):
        window = (slice(k * d, k * d + (o - 1) * s + 1, s) for k, d, o, s in zip(position, dilation, out, stride))
        yield position, x[(..., *window)]


def geometry(operation, shape, kernel, stride, padding, dilation, window="mask"):
    """Return (out, kernel, stride, padding, dilation), each with one int per axis, or say why the mask does not fit.

    `out` is `output_size` along every axis of `shape`, the spatial part of an
    input; `operation` is the name that errors begin with, `window` what slides.

    >>> geometry("conv2d", (4, 6), (2, 3), 1, (0, 1), 1)
    ((3, 6), (2, 3), (1, 1), (0, 1), (1, 1))
    """
    axes = len(shape)
    shape = per_axis(operation, "the input's size", tuple(shape), axes, least=0)
    kernel = per_axis(operation, f"the {window}'s size", kernel, axes, least=1)
    stride = per_axis(operation, "stride", stride, axes, least=1)
    padding = per_axis(operation, "padding", padding, axes, least=0)
    dilation = per_axis(operation, "dilation", dilation, axes, least=1)
    out = []
    for n, k, s, p, d in zip(shape, kernel, stride, padding, dilation):
        span = d * (k - 1) + 1
        if span > n + 2 * p:
            dilated = f", with dilation {d} it spans {span}" if d > 1 else ""
            raise ValueError(
                f"{operation}: the {window} must fit into the input, got a {window} of size {k}{dilated}, on an axis of "
                f"{n} pixels with padding {p}, which makes {n + 2 * p}: use a smaller {window}, or more padding"
            )
        out.append((n + 2 * p - span) // s + 1)
    return tuple(out), kernel, stride, padding, dilation


def per_axis(operation, name, value, axes, least):
    """Return an option as one int per axis: 2 means (2, 2) in two dimensions, a pair stays what it is.

    >>> per_axis("conv2d", "stride", 2, axes=2, least=1), per_axis("conv2d", "stride", (2, 3), axes=2, least=1)
    ((2, 2), (2, 3))
    """
    try:
        values = tuple(map(operator.index, value)) if np.iterable(value) else (operator.index(value),) * axes
    except TypeError:
        values = ()
    if len(values) != axes:
        many = "an int" if axes == 1 else f"an int or {axes} ints"
        raise TypeError(f"{operation}: {name} must be {many}, got {value!r}")
    if min(values, default=least) < least:
        raise ValueError(f"{operation}: {name} must be at least {least}, got {value!r}")
    return values


def cure_for_axes(x, axes):
    """Say what to do about an input that is not (N, C, *spatial) with so many spatial axes; "" where it is.

    >>> cure_for_axes(np.ones((28, 28)), axes=2)
    'add axes for image and channel: x[None, None]'
    """
    if x.ndim == axes + 2:
        return ""
    if x.ndim == axes:
        return "add axes for image and channel: x[None, None]"
    if x.ndim == axes + 1:
        return "for one image alone add an axis: x[None]"
    return f"x needs {axes + 2} axes, it has {x.ndim}"


def _count_axes(operation, name, value, x):
    # An int would leave open which axes of x are spatial.
    if not np.iterable(value) or not 1 <= len(value) <= x.ndim:
        raise TypeError(
            f"{operation}: {name} must hold one int for each spatial axis, such as (2, 2), "
            f"got {value!r} for x of shape {x.shape}"
        )
    return len(value)
