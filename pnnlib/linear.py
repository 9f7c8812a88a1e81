"""The fully connected layer, and the flattening that turns feature maps into its input (part e).

Every output is a weighted sum of all inputs: the layer of a traditional
network, which a convolutional network ends with.
"""

import math

import numpy as np

from pnnlib.arrays import as_floats


def linear(x, w, b=None):
    """Apply a fully connected layer: every neuron sums all inputs, each times a weight of its own.

    The transfer function of neuron j (parts d and e), for all samples n at once Y = X Wᵀ + b:

        Y(n, j) = b(j) + Σ_i W(j, i) X(n, i)

    The threshold of the lecture is a negative bias: θ_j = −b(j).

    Shapes: x (N, m), w (n, m), b (n,) or None → y (N, n). There may be more axes
    before the last, or none: x (N, T, m) → (N, T, n), x (m,) → (n,).
    PyTorch: `torch.nn.functional.linear(x, w, b)`.

    >>> linear([[1, 2, 3], [0, 0, 1]], [[1, 1, 1], [0, 0, -1]], b=[0, 10])
    array([[6., 7.],
           [1., 9.]])
    """
    x, w, b = as_floats("linear", x=x, w=w, b=b, optional=["b"])
    _check_layer("linear", x, w, b)
    y = _as_matrix(x) @ w.T
    if b is not None:
        y += b
    return y.reshape(*x.shape[:-1], len(w))


def linear_backward(dy, x, w, b=None):
    """Return (dx, dw, db), the gradients of a loss, given its gradient dy at the result of `linear`.

    Every product W·X in the sum hands dy·W to its input and dy·X to its weight:

        dX(n, i) = Σ_j dY(n, j) W(j, i)        dX = dY W
        dW(j, i) = Σ_n dY(n, j) X(n, i)        dW = dYᵀ X
        db(j) = Σ_n dY(n, j)

    Shapes: dy (N, n), the rest as given to `linear` → dx, dw, db shaped as x, w,
    b. More axes before the last are summed over like n. Without a b, db is None.
    PyTorch: `y.backward(dy)`, then `x.grad, w.grad, b.grad`.

    >>> linear_backward([[1, 10]], x=[[2, 3]], w=[[1, 0], [0, 1]], b=[0, 0])
    (array([[ 1., 10.]]), array([[ 2.,  3.],
           [20., 30.]]), array([ 1., 10.]))
    """
    dy, x, w, b = as_floats("linear_backward", dy=dy, x=x, w=w, b=b, optional=["b"])
    _check_layer("linear_backward", x, w, b)
    expected = (*x.shape[:-1], len(w))
    if dy.shape != expected:
        raise ValueError(
            f"linear_backward: dy must be {expected}, the shape of the result of the forward, got {dy.shape}: "
            f"is it the gradient of another layer?"
        )
    dy2d = _as_matrix(dy)
    dx = (dy2d @ w).reshape(x.shape)
    dw = dy2d.T @ _as_matrix(x)
    db = None if b is None else dy2d.sum(axis=0)
    return dx, dw, db


def flatten(x, order="C"):
    """Write all feature maps of each sample into one long vector, the input of a fully connected layer.

    Vectorisation (part e): the vectors of the maps, one after the other. A map is
    read row by row, order "C", or as in the lecture column by column, order "F":

        Y(n, (c·H + i)·W + j) = X(n, c, i, j)        order "C"
        Y(n, (c·W + j)·H + i) = X(n, c, i, j)        order "F"

    Shapes: x (N, C, H, W) → y (N, C·H·W); or (N, C, L), where a map is one row
    and both orders agree; or any other (N, …). y may be a view of x.
    PyTorch: `torch.flatten(x, 1)`; for order "F" `torch.flatten(x.transpose(2, 3), 1)`.

    >>> x = [[[[1, 2], [3, 4]]]]
    >>> flatten(x), flatten(x, order="F")
    (array([[1., 2., 3., 4.]]), array([[1., 3., 2., 4.]]))
    """
    (x,) = as_floats("flatten", x=x)
    _check_flatten("flatten", x, order)
    return x.transpose(_reading(x, order)).reshape(len(x), math.prod(x.shape[1:]))


def flatten_backward(dy, x, order="C"):
    """Return dx, the gradient of a loss, given its gradient dy at the result of `flatten`: each number goes home.

    dX(n, c, i, j) = dY(n, (c·H + i)·W + j)   in order "C", and likewise in order "F".

    Shapes: dy (N, C·H·W), x (N, C, H, W), of which only the shape counts → dx as
    x. PyTorch: `y.backward(dy)`, then `x.grad`.

    >>> flatten_backward([[10, 20, 30, 40]], np.ones((1, 1, 2, 2)), order="F")
    array([[[[10., 30.],
             [20., 40.]]]])
    """
    dy, x = as_floats("flatten_backward", dy=dy, x=x)
    _check_flatten("flatten_backward", x, order)
    expected = (len(x), math.prod(x.shape[1:]))
    if dy.shape != expected:
        raise ValueError(
            f"flatten_backward: dy must be {expected} for x of shape {x.shape}, got {dy.shape}: "
            f"one number for each of x, a row for each sample"
        )
    reading = _reading(x, order)
    return dy.reshape([x.shape[axis] for axis in reading]).transpose(np.argsort(reading))


def _reading(x, order):
    """Return the axes of x from the slowest to the fastest: in order "F" those within a map the other way round."""
    within = range(2, x.ndim)
    return (0, 1, *(within if order == "C" else reversed(within)))


def _as_matrix(x):
    """View x as one row of features for each sample: one large matrix product is faster than many small ones."""
    return x.reshape(math.prod(x.shape[:-1]), x.shape[-1])


# What can go wrong, said so that the cause can be found.


def _check_layer(operation, x, w, b):
    if w.ndim != 2:
        cause = "for one neuron alone add an axis: w[None]" if w.ndim == 1 else "a row of weights for each output"
        raise ValueError(f"{operation}: w must be (n, m), got {w.shape}: {cause}")
    many, features = w.shape
    if x.ndim == 0 or x.shape[-1] != features:
        if math.prod(x.shape[1:]) == features and x.ndim > 2:
            cause = "each sample must be one row: flatten(x)"
        elif x.ndim > 0 and x.shape[-1] == many:
            cause = "w has a row of weights for each output, not for each input: w.T"
        elif x.ndim == 2 and x.shape[0] == features:
            cause = "samples go first, features last: x.T"
        elif x.ndim > 2:
            cause = f"flattened it is {(len(x), math.prod(x.shape[1:]))}, every neuron in w has {features} weights"
        elif x.ndim == 0:
            cause = "x needs an axis of features, it is a single number"
        else:
            cause = f"x has {x.shape[-1]} features, every neuron in w has {features} weights"
        raise ValueError(f"{operation}: x must be (N, {features}) for w of shape {w.shape}, got {x.shape}: {cause}")
    if b is not None and b.shape != (many,):
        raise ValueError(
            f"{operation}: b must be ({many},) for w of shape {w.shape}, got {b.shape}: one number for each output"
        )


def _check_flatten(operation, x, order):
    if x.ndim < 2:
        raise ValueError(f"{operation}: x must be (N, …), got {x.shape}: for one sample alone add an axis: x[None]")
    if not isinstance(order, str) or order not in ("C", "F"):
        raise ValueError(f'{operation}: order must be "C", row by row, or "F", column by column, got {order!r}')
