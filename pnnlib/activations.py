"""What a neuron makes of its net input: y = φ(net), and the derivative φ′(net) that backpropagation needs.

Below each φ stand its derivative and its backward, dx = dy · φ′(x). Where φ has
a corner or a jump, the derivative there is a convention: `at_zero` chooses it.

They come as one led to the next: a step, which no gradient passes; the
smooth sigmoid and tanh, whose slopes vanish for most net inputs; the rectifiers,
whose slopes don't. Softmax, last, looks at all neurons of a layer together.
"""

import operator

import numpy as np

from pnnlib.arrays import as_floats


def threshold(net, theta=0, at_zero=1):
    """Fire or not: 1 where net reaches the threshold θ, 0 below it.

    The linear threshold unit (part d): y_j = H(Σ_i w_ji x_i − θ_j), with the
    Heaviside function H(a) = 1 for a > 0, 0 for a < 0. The lecture leaves H(0)
    open: `at_zero`, by default 1, so that net = θ is enough to fire.

    Shapes: net any, theta a number or an array that broadcasts to net (for one
    threshold per map of (N, O, H, W): (O, 1, 1)) → y as net.
    PyTorch: `torch.heaviside(net - theta, torch.ones_like(net))`; not
    `torch.nn.functional.threshold`, which is something else.

    >>> threshold([-1, 2, 3], theta=2)
    array([0., 1., 1.])
    """
    net, theta = as_floats("threshold", net=net, theta=theta)
    _check_broadcast("threshold", "theta", theta, "net", net)
    above = (net > theta).astype(net.dtype)
    return above + net.dtype.type(at_zero) * (net == theta) if np.any(at_zero) else above


def threshold_derivative(net, theta=0, at_zero=0):
    """Return the slope of `threshold`, which is 0: a step is flat on both sides.

    φ′(net) = 0 for net ≠ θ. At the jump there is no derivative, and `at_zero`,
    by default 0, stands in. No error can be propagated through this: networks
    that learn by gradient descent need another φ.

    Shapes: as `threshold`. PyTorch: refuses to differentiate `torch.heaviside`.

    >>> threshold_derivative([-1, 2, 3], theta=2)
    array([0., 0., 0.])
    """
    net, theta = as_floats("threshold_derivative", net=net, theta=theta)
    _check_broadcast("threshold_derivative", "theta", theta, "net", net)
    return net.dtype.type(at_zero) * (net == theta)


def sigmoid(x):
    """Squash a net input smoothly between 0 and 1: a threshold with its edge rounded.

    Logistic sigmoid (named in parts b and c): φ(net) = 1 / (1 + e^(−net)).

    Shapes: x any → y as x. PyTorch: `torch.nn.functional.sigmoid(x)`.

    >>> sigmoid([-1000, 0, 1000])
    array([0. , 0.5, 1. ])
    """
    (x,) = as_floats("sigmoid", x=x)
    with np.errstate(over="ignore"):  # far below zero e^(−net) becomes inf, and 1/inf is the right 0
        return 1 / (1 + np.exp(-x))


def sigmoid_derivative(net):
    """Return the slope of `sigmoid`: 1/4 where it is steepest, and next to nothing for most net inputs.

    φ′(net) = φ(net) (1 − φ(net)). Every layer multiplies the error by this, 1/4 at
    most, and the weight: a cause of vanishing gradients (part b).

    Shapes: net any → as net. PyTorch: `sigmoid(net).sum().backward()`, then `net.grad`.

    >>> sigmoid_derivative([-1000, 0, 1000])
    array([0.  , 0.25, 0.  ])
    """
    (net,) = as_floats("sigmoid_derivative", net=net)
    y = sigmoid(net)
    return y * (1 - y)


def sigmoid_backward(dy, x):
    """Return dx, the gradient of a loss, given its gradient dy at the result of `sigmoid`.

    dX = dY · φ′(X), with φ′ = φ (1 − φ).

    Shapes: dy and x alike → dx as x. PyTorch: `y.backward(dy)`, then `x.grad`.

    >>> sigmoid_backward([10, 20], [-1000, 0])
    array([0., 5.])
    """
    dy, x = as_floats("sigmoid_backward", dy=dy, x=x)
    _check_same("sigmoid_backward", dy, x)
    return dy * sigmoid_derivative(x)


def tanh(x):
    """Squash a net input smoothly between −1 and 1.

    Hyperbolic tangent (named in parts b and c):

        φ(net) = (e^net − e^(−net)) / (e^net + e^(−net)) = 2 sigmoid(2 net) − 1

    Shapes: x any → y as x. PyTorch: `torch.nn.functional.tanh(x)`.

    >>> tanh([-1000, 0, 1000])
    array([-1.,  0.,  1.])
    """
    (x,) = as_floats("tanh", x=x)
    return np.tanh(x)


def tanh_derivative(net):
    """Return the slope of `tanh`: 1 at zero, and next to nothing for most net inputs.

    φ′(net) = 1 − φ(net)². Small for most net inputs: a cause of vanishing gradients (part b).

    Shapes: net any → as net. PyTorch: `tanh(net).sum().backward()`, then `net.grad`.

    >>> tanh_derivative([-1000, 0, 1000])
    array([0., 1., 0.])
    """
    (net,) = as_floats("tanh_derivative", net=net)
    return 1 - np.tanh(net) ** 2


def tanh_backward(dy, x):
    """Return dx, the gradient of a loss, given its gradient dy at the result of `tanh`.

    dX = dY · φ′(X), with φ′ = 1 − φ².

    Shapes: dy and x alike → dx as x. PyTorch: `y.backward(dy)`, then `x.grad`.

    >>> tanh_backward([10, 20], [-1000, 0])
    array([ 0., 20.])
    """
    dy, x = as_floats("tanh_backward", dy=dy, x=x)
    _check_same("tanh_backward", dy, x)
    return dy * tanh_derivative(x)


def relu(x):
    """Rectify: let positive net inputs pass, and make 0 of the rest.

    Rectified linear unit (parts c and d): φ(net) = net if net ≥ 0, 0 if net < 0.

    Shapes: x any → y as x. PyTorch: `torch.nn.functional.relu(x)`.

    >>> relu([-2, 0, 3])
    array([0., 0., 3.])
    """
    (x,) = as_floats("relu", x=x)
    return np.maximum(x, 0)


def relu_derivative(net, at_zero=1):
    """Return the slope of `relu`: 1 for positive net inputs, 0 for negative ones.

    φ′(net) = 1 if net ≥ 0, 0 if net < 0 (part c). At the corner, the lecture
    takes the slope on the right, 1, and PyTorch the one on the left: `at_zero=0`.

    Shapes: net any → as net. PyTorch: `relu(net).sum().backward()`, then `net.grad`.

    >>> relu_derivative([-2, 0, 3]), relu_derivative([-2, 0, 3], at_zero=0)
    (array([0., 1., 1.]), array([0., 0., 1.]))
    """
    return threshold(net, at_zero=at_zero)  # the slope of a ramp is a step


def relu_backward(dy, x, at_zero=1):
    """Return dx, the gradient of a loss, given its gradient dy at the result of `relu`.

    dX = dY · φ′(X), with φ′(0) = `at_zero`: by default the lecture's 1, PyTorch's is 0.

    Shapes: dy and x alike → dx as x. PyTorch: `y.backward(dy)`, then `x.grad`.

    >>> relu_backward([10, 20, 30], [-2, 0, 3])
    array([ 0., 20., 30.])
    """
    dy, x = as_floats("relu_backward", dy=dy, x=x)
    _check_same("relu_backward", dy, x)
    return dy * relu_derivative(x, at_zero)


def leaky_relu(x, negative_slope=0.01):
    """Rectify, but let a little of the negative net inputs through, so that they keep a slope.

    Leaky rectified linear unit (part c): φ(net) = net if net ≥ 0, a·net if net < 0,
    with a = `negative_slope`, a fixed number, the same for all neurons.

    Shapes: x any → y as x. PyTorch: `torch.nn.functional.leaky_relu(x, negative_slope)`.

    >>> leaky_relu([-2, 0, 3], negative_slope=0.1)
    array([-0.2,  0. ,  3. ])
    """
    (x,) = as_floats("leaky_relu", x=x)
    a = _number("leaky_relu", "negative_slope", negative_slope, x)
    return np.maximum(x, 0) + a * np.minimum(x, 0)


def leaky_relu_derivative(net, negative_slope=0.01, at_zero=1):
    """Return the slope of `leaky_relu`: 1 for positive net inputs, a for negative ones.

    φ′(net) = 1 if net ≥ 0, a if net < 0 (part c). At the corner, the lecture takes
    the slope on the right, 1, and PyTorch the one on the left: `at_zero=negative_slope`.

    Shapes: net any → as net. PyTorch: `leaky_relu(net).sum().backward()`, then `net.grad`.

    >>> leaky_relu_derivative([-2, 0, 3]), leaky_relu_derivative([-2, 0, 3], at_zero=0.01)
    (array([0.01, 1.  , 1.  ]), array([0.01, 0.01, 1.  ]))
    """
    (net,) = as_floats("leaky_relu_derivative", net=net)
    a = _number("leaky_relu_derivative", "negative_slope", negative_slope, net)
    return _slopes(net, a, _number("leaky_relu_derivative", "at_zero", at_zero, net))


def leaky_relu_backward(dy, x, negative_slope=0.01, at_zero=1):
    """Return dx, the gradient of a loss, given its gradient dy at the result of `leaky_relu`.

    dX = dY · φ′(X), with φ′(0) = `at_zero`: by default the lecture's 1, PyTorch's is `negative_slope`.

    Shapes: dy and x alike → dx as x. PyTorch: `y.backward(dy)`, then `x.grad`.

    >>> leaky_relu_backward([10, 20, 30], [-2, 0, 3])
    array([ 0.1, 20. , 30. ])
    """
    dy, x = as_floats("leaky_relu_backward", dy=dy, x=x)
    _check_same("leaky_relu_backward", dy, x)
    a = _number("leaky_relu_backward", "negative_slope", negative_slope, x)
    return dy * _slopes(x, a, _number("leaky_relu_backward", "at_zero", at_zero, x))


def prelu(x, weight):
    """Rectify as `leaky_relu` does, with slopes that are learnt.

    Parametric rectified linear unit (part c): φ(net_j) = net_j if net_j ≥ 0,
    a_j·net_j if net_j < 0. `weight` holds the slopes a_j: one for each channel,
    whose pixels are copies of one neuron, or a single one for all.

    Shapes: x (N, C, *), weight (C,) → y as x; or x any, weight (1,).
    PyTorch: `torch.nn.functional.prelu(x, weight)`.

    >>> prelu([[-2, -2], [3, 3]], weight=[0.1, 0.5])
    array([[-0.2, -1. ],
           [ 3. ,  3. ]])
    """
    x, weight = as_floats("prelu", x=x, weight=weight)
    a = _per_channel("prelu", "weight", weight, x)
    return np.maximum(x, 0) + a * np.minimum(x, 0)


def prelu_derivative(net, weight, at_zero=1):
    """Return the slope of `prelu` along the net input: 1 for positive net inputs, a_j for negative ones.

    φ′(net_j) = 1 if net_j ≥ 0, a_j if net_j < 0 (part c). At the corner, the lecture
    takes the slope on the right, 1, and PyTorch the one on the left: `at_zero=weight`.

    Shapes: net (N, C, *), weight (C,) → as net; or net any, weight (1,); at_zero a
    number, or as weight. PyTorch: `prelu(net, weight).sum().backward()`, then `net.grad`.

    >>> prelu_derivative([[-2, -2], [3, 3]], weight=[0.1, 0.5])
    array([[0.1, 0.5],
           [1. , 1. ]])
    """
    net, weight = as_floats("prelu_derivative", net=net, weight=weight)
    a = _per_channel("prelu_derivative", "weight", weight, net)
    return _slopes(net, a, _per_channel("prelu_derivative", "at_zero", at_zero, net))


def prelu_backward(dy, x, weight, at_zero=1):
    """Return (dx, dweight), the gradients of a loss, given its gradient dy at the result of `prelu`.

    A slope has a say in all negative net inputs of its channel, in every image and at every pixel:

        dX = dY · φ′(X)
        da_j = Σ_{n, pixels} dY(n, j, pixel) · min(X(n, j, pixel), 0)

    with φ′(0) = `at_zero`: by default the lecture's 1, PyTorch's is `weight`. A
    slope shared by all channels gets the sum over these, too.

    Shapes: dy and x alike, weight (C,) or (1,) → dx as x, dweight as weight.
    PyTorch: `y.backward(dy)`, then `x.grad, weight.grad`.

    >>> prelu_backward([[10, 20], [30, 40]], [[-2, -2], [3, -1]], weight=[0.1, 0.5])
    (array([[ 1., 10.],
           [30., 20.]]), array([-20., -80.]))
    """
    dy, x, weight = as_floats("prelu_backward", dy=dy, x=x, weight=weight)
    _check_same("prelu_backward", dy, x)
    a = _per_channel("prelu_backward", "weight", weight, x)
    dx = dy * _slopes(x, a, _per_channel("prelu_backward", "at_zero", at_zero, x))
    sharing = None if weight.size == 1 else (0, *range(2, x.ndim))  # the axes along which the slope is the same
    dweight = np.sum(dy * np.minimum(x, 0), axis=sharing)
    return dx, dweight.reshape(weight.shape)


def softmax(x, dim):
    """Turn net inputs into shares of 1: the larger a net input, the more of it is its.

    Not in the lecture's text, but what the last layer of a classifier (part d)
    commonly ends with, so that its outputs are probabilities:

        y_i = e^(net_i) / Σ_j e^(net_j)   over the neurons j along the axis `dim`

    Every output depends on every net input along the axis, so there is no φ′ to
    multiply by; see `softmax_backward`.

    Shapes: x any, dim one of its axes, 1 for the classes of (N, C) → y as x.
    PyTorch: `torch.nn.functional.softmax(x, dim)`.

    >>> softmax([[1000, 1000], [0, -1000]], dim=1)
    array([[0.5, 0.5],
           [1. , 0. ]])
    """
    (x,) = as_floats("softmax", x=x)
    dim = _axis("softmax", dim, x)
    # A number added to all net inputs cancels out: with the largest made 0, none is too large for exp.
    # (`initial` is for an empty axis, which has no largest.)
    y = np.exp(x - np.max(x, axis=dim, keepdims=True, initial=-np.inf))
    return y / np.sum(y, axis=dim, keepdims=True)


def softmax_backward(dy, x, dim):
    """Return dx, the gradient of a loss, given its gradient dy at the result of `softmax`.

    ∂y_i/∂net_j = y_i (1 − y_i) if i = j, −y_i y_j if not; summed up over the outputs i,

        dX_j = Y_j (dY_j − Σ_i dY_i Y_i)

    Shapes: dy and x alike, dim as given to `softmax` → dx as x.
    PyTorch: `y.backward(dy)`, then `x.grad`.

    >>> softmax_backward([[8, 4]], [[0, 0]], dim=1)
    array([[ 1., -1.]])
    """
    dy, x = as_floats("softmax_backward", dy=dy, x=x)
    _check_same("softmax_backward", dy, x)
    dim = _axis("softmax_backward", dim, x)
    y = softmax(x, dim)
    return y * (dy - np.sum(dy * y, axis=dim, keepdims=True))


# What leaky_relu and prelu share: two straight lines that meet at zero.


def _slopes(net, below, at_zero):
    return (net > 0) + below * (net < 0) + at_zero * (net == 0)


def _per_channel(operation, name, a, x):
    """View a, one number for each channel of x or one for all, so that it broadcasts to x, in the type of x."""
    (a,) = as_floats(operation, **{name: a})
    channels = x.shape[1] if x.ndim > 1 else 1
    if a.ndim > 1 or a.size not in (1, channels):
        _refuse_per_channel(operation, name, a, x, channels)
    a = a.astype(x.dtype, copy=False)
    return a.reshape(()) if a.size == 1 else a.reshape(-1, *(1,) * (x.ndim - 2))


# What can go wrong, said so that the cause can be found.


def _number(operation, name, value, x):
    """Return an option that is one number, in the type of x."""
    (a,) = as_floats(operation, **{name: value})
    if a.ndim:
        raise ValueError(
            f"{operation}: {name} must be one number, got {a.shape}: slopes that differ between channels are for prelu"
        )
    return a.astype(x.dtype)


def _refuse_per_channel(operation, name, a, x, channels):
    if a.ndim > 1:
        cause = f"all numbers in one row: {name}.ravel()"
    elif x.ndim < 2:
        cause = "without a second axis there are no channels; one sample alone needs an axis for the batch: x[None]"
    elif x.shape[-1] == a.size:
        cause = "channels go second: np.moveaxis(x, -1, 1)"
    else:
        cause = f"the input has {channels} channels, {name} has {a.size} numbers"
    expected = "(1,)" if channels == 1 else f"({channels},), one number for each channel, or (1,)"
    raise ValueError(f"{operation}: {name} must be {expected} for an input of shape {x.shape}, got {a.shape}: {cause}")


def _axis(operation, dim, x):
    try:
        axis = operator.index(dim)
    except TypeError:
        raise TypeError(f"{operation}: dim must be an int, the axis of the classes, got {dim!r}") from None
    if x.ndim == 0:
        raise ValueError(f"{operation}: x must have an axis along which to share out, got a single number")
    if not -x.ndim <= axis < x.ndim:
        raise ValueError(
            f"{operation}: dim must be an axis of x, from {-x.ndim} to {x.ndim - 1} for shape {x.shape}, got {dim}: "
            f"classes are axis 1 of (N, C)"
        )
    return axis


def _check_same(operation, dy, x):
    if dy.shape != x.shape:
        raise ValueError(
            f"{operation}: dy must be {x.shape}, the shape of x and of the result of the forward, got {dy.shape}: "
            f"is it the gradient of another layer?"
        )


def _check_broadcast(operation, name, a, other, b):
    try:
        fits = np.broadcast_shapes(a.shape, b.shape) == b.shape
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(
            f"{operation}: {name} must be a number or broadcast to {other} of shape {b.shape}, got {a.shape}: "
            f"one for each map of (N, O, H, W) is {name}.reshape(-1, 1, 1)"
        )
