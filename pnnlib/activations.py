"""What a neuron makes of its net input: y = φ(net), and the derivative φ′(net) that backpropagation needs.

Below each φ stand its derivative and its backward, dx = dy · φ′(x). Where φ has
a corner or a jump, the derivative there is a convention: `at_zero` chooses it.
"""

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
    return (net > theta).astype(net.dtype) + net.dtype.type(at_zero) * (net == theta)


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
