"""Dropout (part f): in training a random share of the neurons is silent, in use all of them speak.

So no neuron can rely on any other one, and every batch trains another part of
the network. Who is silent is a value: a mask of zeros and ones, drawn by
`dropout_mask` and given to the forward and to its backward.
"""

import numbers
import operator

import numpy as np

from pnnlib.arrays import as_floats


def dropout_mask(shape, p=0.5, rng=None):
    """Draw who speaks: 1 for what is kept, 0 for what is dropped, which happens with probability p.

    In every iteration of the training, chance selects anew (part f):

        Z(i) = 0 with probability p, else 1,   for every value on its own

    Shapes: shape, such as x.shape, p from 0 to 1 → a mask Z of this shape. The
    same `rng`, an int, gives the same mask; a Generator goes on to the next one.
    PyTorch: `torch.empty(shape).bernoulli_(1 - p)`.

    >>> dropout_mask((2, 5), p=0.4, rng=1)
    array([[1., 1., 0., 1., 0.],
           [1., 1., 1., 1., 0.]])
    """
    _check_shape("dropout_mask", shape)
    _check_p("dropout_mask", p)
    rng = np.random.default_rng(rng)
    return (rng.random(shape) >= p).astype(np.float64)


def dropout(x, p=0.5, training=True, mask=None, rng=None):
    """Silence a random share p of x in training, and make the rest louder by as much; in use, change nothing.

    The activity of the neurons that chance selects is set to 0 (part f), with Z from `dropout_mask`:

        Y = Z · X             as the lecture has it
        Y = Z · X / (1 − p)   in training, here and in PyTorch: *inverted* dropout
        Y = X                 in use, where nobody is silent

    Why the division: what a neuron of the next layer receives is a sum, of which
    only a share 1 − p arrives in training, but all of it in use. Without scaling,
    its net input would be larger in use, by 1/(1 − p), than what its weights were
    trained for. Either use must multiply by 1 − p, or training divide, so that
    the mean of Y over all masks is X: then use needs no dropout at all.

    Shapes: x any, mask as x or None for one drawn with `rng` → y as x. For a
    backward, draw the mask with `dropout_mask` and give it to both. With p = 1
    nothing is kept, and y is 0.
    PyTorch: `torch.nn.functional.dropout(x, p, training)`, which draws its own mask.

    >>> x = np.array([1.0, 2.0, 3.0, 4.0])
    >>> dropout(x, p=0.5, mask=[1, 0, 0, 1]), dropout(x, training=False)
    (array([2., 0., 0., 8.]), array([1., 2., 3., 4.]))
    """
    (x,) = as_floats("dropout", x=x)
    _check_options("dropout", p, training)
    if not training:
        return x.copy()
    mask = dropout_mask(x.shape, p, rng) if mask is None else _as_mask("dropout", mask, x)
    return x * _scaled(mask, p, x.dtype)


def dropout_backward(dy, x, p=0.5, training=True, mask=None):
    """Return dx, the gradient of a loss, given its gradient dy at the result of `dropout`.

    What was silent changed nothing, and the rest counted 1/(1 − p) times:

        dX = dY · Z / (1 − p)   in training, with the Z of the forward
        dX = dY                 in use

    Shapes: dy and mask as x → dx as x. A mask is needed in training only.
    PyTorch: `y.backward(dy)`, then `x.grad`.

    >>> dropout_backward([10, 20, 30, 40], [1, 2, 3, 4], p=0.5, mask=[1, 0, 0, 1])
    array([20.,  0.,  0., 80.])
    """
    dy, x = as_floats("dropout_backward", dy=dy, x=x)
    _check_options("dropout_backward", p, training)
    if dy.shape != x.shape:
        raise ValueError(
            f"dropout_backward: dy must be {x.shape}, the shape of x and of the result of the forward, got {dy.shape}: "
            f"is it the gradient of another layer?"
        )
    if not training:
        return dy.copy()
    if mask is None:
        raise TypeError(
            "dropout_backward: mask must be the mask that the forward used, got None: draw it before the forward, with "
            "dropout_mask, and give it to both"
        )
    return dy * _scaled(_as_mask("dropout_backward", mask, x), p, dy.dtype)


def _scaled(mask, p, dtype):
    """Return Z / (1 − p) as the type of x; for p = 1, where nothing is kept, 0."""
    scaled = mask.astype(dtype)
    scaled *= 0 if p == 1 else 1 / (1 - p)
    return scaled


# What can go wrong, said so that the cause can be found.


def _as_mask(operation, mask, x):
    (mask,) = as_floats(operation, mask=mask)
    if mask.shape != x.shape:
        raise ValueError(
            f"{operation}: mask must be {x.shape}, the shape of x, got {mask.shape}: every value is dropped "
            f"on its own, dropout_mask(x.shape, p)"
        )
    if not np.all((mask == 0) | (mask == 1)):
        worst = mask[(mask != 0) & (mask != 1)][0]
        raise ValueError(
            f"{operation}: mask must hold zeros and ones only, got {worst:.6g} in it: is it divided by 1 - p already?"
        )
    return mask


def _check_options(operation, p, training):
    _check_p(operation, p)
    if not isinstance(training, (bool, np.bool_, int)):
        raise TypeError(f"{operation}: training must be True or False, got {training!r}: give the mask by name, mask=…")


def _check_shape(operation, shape):
    try:
        sizes = [operator.index(size) for size in np.atleast_1d(shape)]
    except (TypeError, ValueError):
        sizes = [-1]
    if min(sizes, default=0) < 0:
        got = f"an array {np.shape(shape)}: x.shape?" if isinstance(shape, np.ndarray) else repr(shape)
        raise TypeError(f"{operation}: shape must be a shape, such as (4, 4), got {got}")


def _check_p(operation, p):
    if not isinstance(p, numbers.Real) or not 0 <= p <= 1:
        cause = "20 % is 0.2" if isinstance(p, numbers.Real) and p > 1 else "the share that is dropped"
        raise ValueError(f"{operation}: p must be a number from 0 to 1, got {p!r}: {cause}")
