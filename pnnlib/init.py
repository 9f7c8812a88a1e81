"""With which weights to begin: so large that neither activations nor gradients vanish or explode on their way.

Part c gives two methods, each with a uniform and with a normal distribution, for
weights that connect m inputs to n outputs:

    method            activation function    uniform between ±     normal with standard deviation
    Xavier / Glorot   sigmoid, tanh          √(6 / (m + n))        √(2 / (m + n))
    Kaiming / He      ReLU, LReLU, PReLU     √(6 / m)              √(2 / m)

Both distributions have mean 0 and, in a row, the same variance: that of numbers
between −r and r is r²/3. For a convolution, m and n count the mask's area, too:
see `fans`. Biases begin at 0.
"""

import math

import numpy as np

from pnnlib.arrays import as_floats
from pnnlib.windows import per_axis


def fans(shape):
    """Return (m, n): how many inputs an output adds up, and to how many outputs an input contributes.

    Part c: weights connect m inputs to n outputs. In a fully connected layer these
    are its inputs and its outputs. In a convolutional layer an output looks at
    KH·KW pixels of each of the C input channels, and an input pixel is looked at
    from as many places, by each of the O masks:

        m = C · KH · KW,   n = O · KH · KW

    Shapes: shape (n, m) or (O, C, *kernel), that of the weights → two ints.
    PyTorch: `torch.nn.init._calculate_fan_in_and_fan_out(w)`.

    >>> fans((10, 784)), fans((16, 3, 5, 5))
    ((784, 10), (75, 400))
    """
    return _fans("fans", shape)


def xavier_uniform(shape, gain=1, rng=None):
    """Draw weights for sigmoid or tanh neurons from a uniform distribution.

    Xavier or Glorot initialisation (part c): between ±√(6 / (m + n)), times
    `gain`, for m inputs and n outputs. For a convolution, m and n count the mask's
    area (see `fans`).

    Shapes: shape (n, m) or (O, C, *kernel) → weights of this shape, in float64.
    rng is a seed, a `numpy.random.Generator`, or None for new weights at each call.
    PyTorch: `torch.nn.init.xavier_uniform_(w, gain)`.

    >>> w = xavier_uniform((2, 4), rng=0)  # ±√(6 / (4 + 2)) = ±1
    >>> w.shape, bool(np.all(np.abs(w) <= 1))
    ((2, 4), True)
    """
    m, n = _fans("xavier_uniform", shape)
    bound = _number("xavier_uniform", "gain", gain, least=0) * math.sqrt(6 / (m + n))
    return np.random.default_rng(rng).uniform(-bound, bound, shape)


def xavier_normal(shape, gain=1, rng=None):
    """Draw weights for sigmoid or tanh neurons from a normal distribution.

    Xavier or Glorot initialisation (part c): mean 0 and standard deviation
    √(2 / (m + n)), times `gain`, for m inputs and n outputs. For a convolution, m
    and n count the mask's area (see `fans`).

    Shapes: as `xavier_uniform`. PyTorch: `torch.nn.init.xavier_normal_(w, gain)`.

    >>> w = xavier_normal((50, 150), rng=0)  # √(2 / (150 + 50)) = 0.1
    >>> w.shape, round(float(w.std()), 2)
    ((50, 150), 0.1)
    """
    m, n = _fans("xavier_normal", shape)
    std = _number("xavier_normal", "gain", gain, least=0) * math.sqrt(2 / (m + n))
    return np.random.default_rng(rng).normal(0, std, shape)


def kaiming_uniform(shape, a=0, mode="fan_in", rng=None):
    """Draw weights for ReLU, LReLU or PReLU neurons from a uniform distribution.

    Kaiming or He initialisation (part c): between ±√(6 / m) for m inputs. For a
    convolution, m counts the mask's area (see `fans`). With the slope `a` of
    negative net inputs, which the lecture leaves out (a = 0), it is
    ±√(6 / ((1 + a²) m)).

    `mode="fan_in"` keeps the size of activations from layer to layer,
    `mode="fan_out"`, with n in place of m, that of gradients on their way back.

    Shapes: as `xavier_uniform`. PyTorch: `torch.nn.init.kaiming_uniform_(w, a, mode)`.
    Its layers begin with a = √5, which is ±1 / √m.

    >>> w = kaiming_uniform((4, 6), rng=0)  # ±√(6 / 6) = ±1
    >>> w.shape, bool(np.all(np.abs(w) <= 1))
    ((4, 6), True)
    """
    fan = _fan("kaiming_uniform", shape, mode)
    bound = math.sqrt(6 / ((1 + _number("kaiming_uniform", "a", a) ** 2) * fan))
    return np.random.default_rng(rng).uniform(-bound, bound, shape)


def kaiming_normal(shape, a=0, mode="fan_in", rng=None):
    """Draw weights for ReLU, LReLU or PReLU neurons from a normal distribution.

    Kaiming or He initialisation (part c): mean 0 and standard deviation √(2 / m)
    for m inputs. For a convolution, m counts the mask's area (see `fans`). With
    the slope `a` of negative net inputs it is √(2 / ((1 + a²) m)); `a` and `mode`
    as in `kaiming_uniform`.

    Shapes: as `xavier_uniform`. PyTorch: `torch.nn.init.kaiming_normal_(w, a, mode)`.

    >>> w = kaiming_normal((50, 8, 5, 5), rng=0)  # √(2 / (8·5·5)) = 0.1
    >>> w.shape, round(float(w.std()), 2)
    ((50, 8, 5, 5), 0.1)
    """
    fan = _fan("kaiming_normal", shape, mode)
    std = math.sqrt(2 / ((1 + _number("kaiming_normal", "a", a) ** 2) * fan))
    return np.random.default_rng(rng).normal(0, std, shape)


def _fans(operation, shape):
    n, m, *kernel = _check_shape(operation, shape)
    area = math.prod(kernel)
    return m * area, n * area


def _fan(operation, shape, mode):
    m, n = _fans(operation, shape)
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f'{operation}: mode must be "fan_in", to count inputs, or "fan_out", outputs, got {mode!r}')
    return m if mode == "fan_in" else n


def _check_shape(operation, shape):
    expected = f"{operation}: shape must be that of weights, (outputs, inputs) or (outputs, inputs, *kernel), "
    if getattr(shape, "ndim", 1) > 1:
        raise TypeError(f"{expected}got an array {tuple(shape.shape)}: w.shape?")
    if not np.iterable(shape) or len(shape) < 2:
        raise ValueError(f"{expected}got {shape!r}: biases have no inputs to count, let them begin at 0")
    return per_axis(operation, "every size in shape", shape, len(shape), least=1)


def _number(operation, name, value, least=-math.inf):
    (a,) = as_floats(operation, **{name: value})
    if a.ndim or not least <= a < math.inf:
        kind = "a number" if least < 0 else f"a number, at least {least}"
        raise ValueError(f"{operation}: {name} must be {kind}, got {value!r}")
    return float(a)
