"""Batch normalisation (part c): whatever a channel holds, shift and scale it to the mean β and standard deviation γ.

    BN(x) = β + γ (x − E(x)) / √(Var(x) + ε)

In training, E(x) and Var(x) are those of the current batch, so that they move
with every x in it: this is what makes the backward longer than the formula. In
use there may be one sample only, and they are constants: running averages over
the batches of the training, which `update_running` keeps.
"""

import math
import numbers
import operator

import numpy as np

from pnnlib.arrays import as_floats

_PER_CHANNEL = "running_mean", "running_var", "weight", "bias"


def batch_norm(x, running_mean=None, running_var=None, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    """Shift and scale every channel of x to the mean β and the standard deviation γ.

    Batch normalisation (part c), where γ = weight and β = bias are learnt:

        BN(x) = β + γ (x − E(x)) / √(Var(x) + ε)

    When training, and where there are no running statistics, E and Var are the
    mean and the variance (biased: divided by m, not m − 1) of the m = N, N·L or
    N·H·W values that this channel has in this batch. Otherwise E = running_mean
    and Var = running_var.

    Shapes: x (N, C), (N, C, L) or (N, C, H, W); running_mean, running_var, weight,
    bias (C,) or None, where no weight is γ = 1 and no bias β = 0 → y as x. Nothing
    is written into the statistics, so `momentum` does nothing here: it is for
    `update_running`, which returns the next ones.
    PyTorch: `torch.nn.functional.batch_norm` with the same arguments; it writes into
    the statistics, and without them refuses training=False, where its layers
    `torch.nn.BatchNorm1d` and `BatchNorm2d` do what is done here.

    >>> batch_norm([[1, 10], [3, 30]], weight=[1, 2], bias=[0, 5], training=True).round(3)
    array([[-1.,  3.],
           [ 1.,  7.]])
    """
    shape, (x, mean, var, gamma, beta) = _take(
        "batch_norm", training, eps, x=x, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias)
    y = np.empty(x.shape, x.dtype)
    for c in _channels(x):
        y_c = y[:, c]  # a view: the formula, step by step, in the place of its result
        var_c = _centre(x, c, mean, var, out=y_c)  # x − E
        y_c *= _each(gamma[c] / np.sqrt(var_c + eps), x)  # γ (x − E) / √(Var + ε)
        y_c += _each(beta[c], x)
    return y.reshape(shape)


def batch_norm_backward(
    dy, x, running_mean=None, running_var=None, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5
):
    """Return (dx, dweight, dbias), the gradients of a loss, given its gradient dy at the result of `batch_norm`.

    With x̂ = (x − E(x)) / √(Var(x) + ε), and sums over the m values of a channel:

        dβ = Σ dy
        dγ = Σ dy x̂
        dx = γ / √(Var(x) + ε) · dy                             in use, where E and Var are constants
        dx = γ / √(Var(x) + ε) · (dy − (dβ / m + x̂ dγ / m))     in training, where they depend on x

    In training an x reaches every y of its channel: through the mean, which it
    moves by 1/m, and through the variance, which it moves by 2(x − E(x))/m. What
    these take away leaves a dx that sums to 0, and so does dx x̂ (but for ε):
    to shift or stretch the whole channel would change nothing.

    Shapes: dy as x, the rest as given to `batch_norm` → dx as x; dweight and dbias
    (C,), or None where there is no weight or bias.
    PyTorch: `y.backward(dy)`, then `x.grad, weight.grad, bias.grad`.

    >>> dx, dweight, dbias = batch_norm_backward([[3], [0], [0]], [[0], [1], [2]], weight=[1], bias=[0], training=True)
    >>> dx.round(3).ravel(), dweight.round(3), dbias
    (array([ 0.612, -1.225,  0.612]), array([-3.674]), array([3.]))
    """
    shape, (dy, x, mean, var, gamma, beta) = _take(
        "batch_norm_backward", training, eps,
        dy=dy, x=x, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias)
    m = _values(x)
    dx, dgamma, dbeta = np.empty(x.shape, x.dtype), np.zeros_like(gamma), np.zeros_like(beta)
    for c in _channels(x):
        dy_c, dx_c = dy[:, c], dx[:, c]
        var_c = _centre(x, c, mean, var, out=dx_c)  # dx_c is x − E for now, which is x̂ · std
        std = np.sqrt(var_c + eps)
        dbeta[c] = _sum(dy_c)
        dgamma[c] = _sum(dy_c, dx_c) / std
        if mean is None:
            dx_c *= _each(dgamma[c] / m / std, x)
            dx_c += _each(dbeta[c] / m, x)  # dβ / m + x̂ dγ / m
            dy_c = np.subtract(dy_c, dx_c, out=dx_c)
        np.multiply(_each(gamma[c] / std, x), dy_c, out=dx_c)
    return dx.reshape(shape), None if weight is None else dgamma.ravel(), None if bias is None else dbeta.ravel()


def update_running(x, running_mean, running_var, momentum=0.1, batches=None):
    """Return (running_mean, running_var) after one more batch of the training, for `batch_norm` in use.

    E(x) and Var(x) from the training data presented so far (part c). The batch x
    weighs α = momentum, so that an old batch fades away; with momentum None all
    batches weigh the same, α = 1 / (batches + 1):

        running_mean ← (1 − α) running_mean + α E(x)
        running_var  ← (1 − α) running_var  + α Var(x) · m / (m − 1)

    Var · m/(m − 1) is the unbiased variance. It is an average of the variances
    inside the batches: how far their means lie apart is not in it.

    Shapes: x (N, C), (N, C, L) or (N, C, H, W) with m > 1 values in every channel;
    running_mean, running_var (C,), to begin with 0 and 1; batches, how many were
    seen before, an int, asked for with momentum None → two arrays (C,). An empty
    batch leaves them as they are.
    PyTorch: what a `torch.nn.BatchNorm2d(C, momentum=…)` in training does to its
    `running_mean` and `running_var`; batches is its `num_batches_tracked`.

    >>> update_running([[1], [3]], running_mean=[0], running_var=[1])
    (array([0.2]), array([1.1]))
    >>> update_running([[1], [3]], running_mean=[0], running_var=[1], momentum=None, batches=0)
    (array([2.]), array([2.]))
    """
    share = _share(momentum, batches)
    shape, (x, old_mean, old_var) = _as_maps_and_columns(
        "update_running", x=x, running_mean=running_mean, running_var=running_var)
    _check_many("update_running", shape)
    m = _values(x)
    mean, var = old_mean.copy(), old_var.copy()
    for c in _channels(x):
        mean_c, var_c = _batch_statistics(x[:, c])
        mean[c] = (1 - share) * old_mean[c] + share * mean_c
        var[c] = (1 - share) * old_var[c] + share * var_c * m / (m - 1)
    return mean.ravel(), var.ravel()


# Inside, x is (N, C, L): every map is one row of L pixels. What there is one of for
# each channel is a column (C, 1), and c is a slice of a few channels.


def _centre(x, c, mean, var, out):
    """Write x − E(x) of the channels c into out and return Var(x): of the batch, where no mean and var are given."""
    if mean is None:
        return _batch_statistics(x[:, c], out)[1]
    np.subtract(x[:, c], _each(mean[c], x), out)
    return var[c]


def _batch_statistics(x, out=None):
    """Return E(x) and Var(x), and write x − E(x) into out.

    The sum of the squares of x − E(x) is safe where E(x²) − E(x)² is not: with a
    mean of 1e6 that is the difference of two numbers near 1e12, of which float32
    knows seven digits. The mean itself is rounded, too, but what is left of it in
    x − E(x) is small, and gone after subtracting the mean once more.
    """
    m = _values(x)
    mean = _sum(x) / m
    centred = np.subtract(x, _each(mean, x), out)
    rest = _sum(centred) / m
    centred -= _each(rest, x)
    return mean + rest, _sum(centred, centred) / m


def _sum(a, b=None):
    """Sum every channel of a, or of the product a·b, over all images and pixels."""
    over_images = np.einsum("ncl->cl", a) if b is None else np.einsum("ncl,ncl->cl", a, b)
    return over_images.sum(axis=1, keepdims=True)


def _each(column, x):
    """Write each channel's number out for all its pixels: (C, 1) → (C, L), which lines up with x in long rows."""
    return np.repeat(column, x.shape[2], axis=1)


def _values(x):
    """Return m, how many values every channel has."""
    return x.shape[0] * x.shape[2]


def _channels(x, cache=1 << 19, row=4096):
    """Yield slices of so many channels that their part of x stays in the cache through all steps.

    But of so many that their pixels of one image make a row of 4096 numbers, or
    the whole image: shorter rows NumPy copies into a buffer before it computes,
    which takes three times as long. Nothing, where x is empty.
    """
    if not x.size:
        return
    channels, pixels = x.shape[1:]
    many = max(cache // (_values(x) * x.itemsize), math.ceil(row / pixels))
    blocks = max(1, channels // many)
    for i in range(blocks):
        yield slice(i * channels // blocks, (i + 1) * channels // blocks)


# What can go wrong, said so that the cause can be found.


def _take(operation, training, eps, **arrays):
    """Return the shape of x, and all arrays as the code above wants them: no statistics where those of x are meant."""
    if not isinstance(training, (bool, np.bool_, int)):
        raise TypeError(f"{operation}: training must be True or False, got {training!r}: give the options by name")
    statistics = {name: arrays[name] for name in ("running_mean", "running_var")}
    missing = [name for name, given in statistics.items() if given is None]
    if len(missing) == 1:
        raise ValueError(
            f"{operation}: running_mean and running_var must be given both or neither, got {missing[0]} None")
    shape, (*dy, x, mean, var, gamma, beta) = _as_maps_and_columns(operation, _PER_CHANNEL, **arrays)
    in_use = mean is not None and not training
    if not isinstance(eps, numbers.Real) or not (eps >= 0 if in_use else eps > 0):
        raise ValueError(
            f"{operation}: eps must be a positive number, got {eps!r}: it prevents division by zero where all values "
            f"of a channel are the same")
    if not in_use:
        _check_many(operation, shape)
        mean = var = None
    elif np.any(var < 0):
        raise ValueError(f"{operation}: running_var must not be negative, got {var.min():.3g}: swapped with the mean?")
    gamma = np.ones((x.shape[1], 1), x.dtype) if gamma is None else gamma
    beta = np.zeros((x.shape[1], 1), x.dtype) if beta is None else beta
    return shape, (*dy, x, mean, var, gamma, beta)


def _as_maps_and_columns(operation, optional=(), **arrays):
    """Return the shape of x, and x and dy as (N, C, L), all others as (C, 1)."""
    taken = dict(zip(arrays, as_floats(operation, optional, **arrays)))
    shape = taken["x"].shape
    if len(shape) < 2:
        cause = "one sample of several channels is x[None], samples of one channel are x[:, None]"
        raise ValueError(f"{operation}: x must be (N, C), (N, C, L) or (N, C, H, W), got {shape}: {cause}")
    channels = shape[1]
    result = []
    for name, a in taken.items():
        if name in ("dy", "x"):
            if a.shape != shape:
                raise ValueError(
                    f"{operation}: dy must be {shape}, the shape of x and of the result of the forward, got {a.shape}: "
                    f"is it the gradient of another layer?")
            result.append(a.reshape(shape[0], channels, math.prod(shape[2:])))
            continue
        if a is not None and a.shape != (channels,):
            cause = f"one number for each of the {channels} channels"
            if a.ndim == 1 and a.shape[0] == shape[-1]:
                cause = "channels go second: np.moveaxis(x, -1, 1)"
            elif a.size == channels:
                cause += f": {name}.ravel()"
            elif a.ndim == 0:
                cause += "; options come after bias: training=…"
            expected = f"({channels},) for x of shape {shape}"
            raise ValueError(f"{operation}: {name} must be {expected}, got {a.shape}: {cause}")
        result.append(None if a is None else a[:, None])
    return shape, result


def _check_many(operation, shape):
    if shape[0] * math.prod(shape[2:]) == 1:
        raise ValueError(
            f"{operation}: x must have more than one value in every channel when training, got {shape}: a batch of one "
            f"has no variance; to use the trained layer, give running statistics and training=False")


def _share(momentum, batches):
    """Return how much the new batch weighs in the running statistics."""
    if momentum is not None:
        if not isinstance(momentum, numbers.Real) or not 0 <= momentum <= 1:
            raise ValueError(
                f"update_running: momentum must be a number from 0 to 1, what the new batch weighs, or None for the "
                f"average over all batches, got {momentum!r}")
        return float(momentum)
    try:
        seen = operator.index(batches)
    except TypeError:
        seen = -1
    if seen < 0:
        raise ValueError(
            f"update_running: batches must be how many batches were seen before this one, an int, where momentum is "
            f"None, got {batches!r}: 0 for the first")
    return 1 / (seen + 1)
