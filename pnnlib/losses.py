"""How wrong is the output? One number for a whole batch, and the gradient that backpropagation starts from.

Value and gradient come together, `loss, dx = …`, since the training loop needs
both: the one to watch, the other to learn from.
"""

import numpy as np

from pnnlib.arrays import as_floats


def mse_loss(input, target, *, reduction="mean"):
    """Return the squared error of the outputs, averaged over all of them, and its gradient.

    The cost (part c) whose gradient is the lecture's output error (part b), t − y, with the sign turned:

        J = 1/D Σ (y − t)²,    dY = 2/D (y − t),    D outputs in all

    reduction "sum" leaves the 1/D out.

    Shapes: input y and target t alike, any → (loss, a number; dinput as input).
    PyTorch: `torch.nn.functional.mse_loss(input, target, reduction=…)`, then
    `loss.backward()` and `input.grad`.

    >>> loss, dinput = mse_loss([1, 2, 5], target=[1, 1, 1])
    >>> float(loss * 3), dinput * 3
    (17.0, array([0., 2., 8.]))
    """
    y, t = as_floats("mse_loss", input=input, target=target)
    if y.shape != t.shape:
        cause = "a number for each output"
        if y.size == t.size:
            cause = f"give both the same axes: target.reshape{y.shape}"
        raise ValueError(f"mse_loss: target must be {y.shape}, the shape of input, got {t.shape}: {cause}")
    error = y - t
    many = _divisor("mse_loss", reduction, error.size)
    return (error * error).sum() / many, error * (2 / many)


def cross_entropy(logits, target, *, reduction="mean"):
    """Return how surprised the network is by the right labels, averaged over the samples, and its gradient.

    The outputs z, one for each class, become probabilities p by softmax, and the
    cost of a sample with label t is −log p(t): 0 where the network is sure and right.

        p(n, c) = exp z(n, c) / Σ_k exp z(n, k)
        J = −1/N Σ_n log p(n, t(n)),    dZ(n, c) = 1/N (p(n, c) − [c = t(n)])

    This is the smooth cost that stands for the number of misclassified samples
    (part c), which has no useful gradient. reduction "sum" leaves the 1/N out.

    Shapes: logits z (N, C), before any softmax; target (N,) class numbers from 0
    to C − 1 → (loss, a number; dlogits (N, C)).
    PyTorch: `torch.nn.functional.cross_entropy(logits, target, reduction=…)`,
    then `loss.backward()` and `logits.grad`.

    >>> loss, dlogits = cross_entropy([[0, 0], [1000, -1000]], target=[1, 0])
    >>> round(float(loss), 4), dlogits
    (0.3466, array([[ 0.25, -0.25],
           [ 0.  ,  0.  ]]))
    """
    (logits,) = as_floats("cross_entropy", logits=logits)
    target = _labels("cross_entropy", logits, target)
    many = _divisor("cross_entropy", reduction, len(logits))
    at_label = np.arange(len(logits)), target
    # softmax stays the same when a row is shifted, and exp cannot overflow below 0
    shifted = logits - logits.max(axis=1, keepdims=True)
    minus_log_p = np.log(np.exp(shifted).sum(axis=1, keepdims=True)) - shifted
    dlogits = np.exp(-minus_log_p)
    dlogits[at_label] -= 1
    return minus_log_p[at_label].sum() / many, dlogits / many


def misclassified(logits, target):
    """Count the samples whose largest output is not at their label.

    The cost that the lecture gives as an example (part c): the number of
    misclassified samples, Σ_n [argmax_c z(n, c) ≠ t(n)].

    Gradient descent cannot use it. A small step in the weights moves the outputs
    a little and changes no decision, so the count is flat almost everywhere, with
    gradient 0; at the jumps in between it has none. Learn with `cross_entropy`,
    and judge by this count.

    Of several largest outputs the first decides; nan decides nothing, and counts as wrong.

    Shapes: logits (N, C), or any other outputs with the largest at the class
    chosen; target (N,) class numbers from 0 to C − 1 → an int.
    PyTorch: `(logits.argmax(1) != target).sum()`.

    >>> misclassified([[2, 1], [2, 1], [0, 5]], target=[0, 1, 1])
    1
    """
    (logits,) = as_floats("misclassified", logits=logits)
    target = _labels("misclassified", logits, target)
    undecided = np.isnan(logits).any(axis=1)
    return int(np.count_nonzero(undecided | (logits.argmax(axis=1) != target)))


def _divisor(operation, reduction, many):
    if reduction == "sum":
        return 1
    if reduction != "mean":
        raise ValueError(f'{operation}: reduction must be "mean" or "sum", got {reduction!r}')
    if many == 0:
        raise ValueError(f"{operation}: the mean must be over at least one sample, got none: an empty batch?")
    return many


def _labels(operation, logits, target):
    """Return target as an array of class numbers, one for each row of logits, or say what is wrong with either."""
    if logits.ndim != 2 or logits.shape[1] == 0:
        cause = "for one sample alone add an axis: logits[None]" if logits.ndim == 1 else (
            "a row for each sample, a column for each class")
        raise ValueError(f"{operation}: logits must be (N, C), got {logits.shape}: {cause}")
    samples, classes = logits.shape
    as_floats(operation, target=target)  # are they numbers at all?
    target = np.asarray(target)
    if target.shape != (samples,):
        if target.shape == logits.shape and classes > 1:
            cause = "labels are class numbers; from one-hot rows, target.argmax(axis=1)"
        elif target.size == samples:
            cause = "one axis alone: np.ravel(target)"
        else:
            cause = "one label for each sample"
        raise ValueError(
            f"{operation}: target must be ({samples},) for logits of shape {logits.shape}, got {target.shape}: {cause}"
        )
    if target.dtype.kind not in "iu":
        raise TypeError(
            f"{operation}: target must be class numbers, ints, got an array of {target.dtype}: target.astype(int)?"
        )
    outside = target[(target < 0) | (target >= classes)]
    if outside.size:
        from_one = target.min() > 0 and target.max() == classes
        cause = "if labels count from 1, subtract 1" if from_one else "is there an output for every class?"
        raise ValueError(
            f"{operation}: target must be class numbers from 0 to {classes - 1} for logits of shape {logits.shape}, "
            f"got {outside[0]}: {cause}"
        )
    return target
