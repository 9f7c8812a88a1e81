"""Right answers to the exercises of part c: with loops, with masks, with lists, in single precision."""

import math

import numpy as np

from . import wheat

# relu, leaky_relu, leaky_relu_derivative


@wheat("relu")
def relu_maximum(net):
    return np.maximum(net, 0)


@wheat("relu")
def relu_product(net):
    return (net >= 0) * net


@wheat("relu")
def relu_elements(net):
    y = np.empty(net.shape)
    for place in np.ndindex(net.shape):
        y[place] = net[place] if net[place] >= 0 else 0
    return y.tolist()


@wheat("relu")
def relu_on_a_copy(net):
    y = net.astype(np.float32)
    y[y < 0] = 0
    return y


@wheat("leaky_relu")
def leaky_where(net, a):
    return np.where(net >= 0, net, a * net)


@wheat("leaky_relu")
def leaky_maximum(net, a):
    return np.maximum(net, a * net)  # a < 1


@wheat("leaky_relu")
def leaky_sum(net, a):
    return np.maximum(net, 0) + a * np.minimum(net, 0)


@wheat("leaky_relu")
def leaky_on_a_copy(net, a):
    y = net.copy()
    y[net < 0] *= a
    return y


@wheat("leaky_relu_derivative")
def slope_where(net, a):
    return np.where(net >= 0, 1, a)  # at 0 the lecture's value


@wheat("leaky_relu_derivative")
def slope_pytorch(net, a):
    return np.where(net > 0, 1.0, a)  # at 0 PyTorch's


@wheat("leaky_relu_derivative")
def slope_heaviside(net, a):
    return a + (1 - a) * np.heaviside(net, 0.5)


@wheat("leaky_relu_derivative")
def slope_loops(net, a):
    if net.ndim:
        return [slope_loops(part, a) for part in net]
    return 1 if net >= 0 else a


# prelu_backward


@wheat("prelu_backward")
def prelu_where(dy, net, a):
    return dy * np.where(net >= 0, 1, a), np.sum(dy * np.where(net >= 0, 0, net), axis=0)


@wheat("prelu_backward")
def prelu_masks(dy, net, a):
    negative = net < 0
    dnet = dy.copy()
    dnet[negative] = (dy * a)[negative]
    return [dnet, np.einsum("ij,ij->j", dy, np.minimum(net, 0))]


@wheat("prelu_backward")
def prelu_loops(dy, net, a):
    dnet, da = np.zeros_like(net), np.zeros(len(a))
    for i, j in np.ndindex(net.shape):
        if net[i, j] > 0:
            dnet[i, j] = dy[i, j]
        else:
            dnet[i, j] = a[j] * dy[i, j]
            da[j] += dy[i, j] * net[i, j]
    return dnet, da


# the initialisers


@wheat("xavier_uniform")
def xavier_uniform_range(m, n, rng):
    a = math.sqrt(6 / (m + n))
    return rng.uniform(-a, a, (n, m))


@wheat("xavier_uniform")
def xavier_uniform_scaled(m, n, rng):
    return (2 * rng.random((n, m), dtype=np.float32) - 1) * np.sqrt(6 / (n + m))


@wheat("xavier_uniform")
def xavier_uniform_rows(m, n, rng):
    return [rng.uniform(-np.sqrt(6) / np.sqrt(m + n), np.sqrt(6) / np.sqrt(m + n), m) for _ in range(n)]


@wheat("xavier_normal")
def xavier_normal_deviation(m, n, rng):
    return rng.normal(0, math.sqrt(2 / (m + n)), (n, m))


@wheat("xavier_normal")
def xavier_normal_scaled(m, n, rng):
    return np.sqrt(2 / (m + n)) * rng.standard_normal((m, n)).T


@wheat("kaiming_uniform")
def kaiming_uniform_range(m, n, rng):
    return rng.uniform(-math.sqrt(6 / m), math.sqrt(6 / m), size=(n, m))


@wheat("kaiming_uniform")
def kaiming_uniform_scaled(m, n, rng):
    return (rng.random(n * m).reshape(n, m) - 0.5) * math.sqrt(24 / m)


@wheat("kaiming_normal")
def kaiming_normal_deviation(m, n, rng):
    return rng.normal(0, (2 / m) ** 0.5, (n, m))


@wheat("kaiming_normal")
def kaiming_normal_scaled(m, n, rng):
    return rng.standard_normal((n, m)) / np.sqrt(m / 2)


# the optimisers


def rows(function):
    """A right answer for single numbers, applied to the numbers of the arrays one after the other."""

    def by_number(*args):
        arrays = [a for a in args if isinstance(a, np.ndarray)]
        results = None
        for place in np.ndindex(arrays[0].shape):
            found = function(*(a[place] if isinstance(a, np.ndarray) else a for a in args))
            results = results or [np.zeros(arrays[0].shape) for _ in found]
            for array, value in zip(results, found, strict=True):
                array[place] = value
        return results

    return by_number


def single(function):
    """A right answer in single precision."""

    def in_single(*args):
        return function(*(a.astype(np.float32) if isinstance(a, np.ndarray) else a for a in args))

    return in_single


def momentum(w, grad, v, lr, beta):
    v = beta * v + grad
    return w - lr * v, v


def momentum_expanded(w, grad, v, lr, beta):
    return [w - lr * grad - lr * beta * v, grad + v * beta]


def adagrad(w, grad, s, lr, eps):
    s = s + grad * grad
    return w - lr * grad / (np.sqrt(s) + eps), s


def adagrad_rate(w, grad, s, lr, eps):
    new = np.square(grad) + s
    rate = lr / (new**0.5 + eps)
    return [w - rate * grad, new]


def rmsprop(w, grad, s, lr, rho, eps):
    s = rho * s + (1 - rho) * grad**2
    return w - lr * grad / (np.sqrt(s) + eps), s


def rmsprop_nudged(w, grad, s, lr, rho, eps):
    s = s + (1 - rho) * (grad**2 - s)
    return w - lr / (np.sqrt(s) + eps) * grad, s


def adam(w, grad, m, v, t, lr, beta1, beta2, eps):
    m = beta1 * m + (1 - beta1) * grad
    v = beta2 * v + (1 - beta2) * grad**2
    return w - lr * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + eps), m, v


def adam_as_pytorch(w, grad, m, v, t, lr, beta1, beta2, eps):
    m = m + (1 - beta1) * (grad - m)
    v = v * beta2 + grad * grad * (1 - beta2)
    step_size = lr / (1 - beta1**t)
    return [w - step_size * m / (np.sqrt(v) / math.sqrt(1 - beta2**t) + eps), m, v]


def nadam(w, grad, m, v, t, mu_product, lr, beta1, beta2, eps, momentum_decay):
    mu = [beta1 * (1 - 0.5 * 0.96 ** (k * momentum_decay)) for k in (t, t + 1)]
    m = beta1 * m + (1 - beta1) * grad
    v = beta2 * v + (1 - beta2) * grad**2
    mu_product = mu_product * mu[0]
    m_hat = mu[1] * m / (1 - mu_product * mu[1]) + (1 - mu[0]) * grad / (1 - mu_product)
    return w - lr * m_hat / (np.sqrt(v / (1 - beta2**t)) + eps), m, v, mu_product


def nadam_as_pytorch(w, grad, m, v, t, mu_product, lr, beta1, beta2, eps, momentum_decay):
    mu = beta1 * (1.0 - 0.5 * (0.96 ** (t * momentum_decay)))
    mu_next = beta1 * (1.0 - 0.5 * (0.96 ** ((t + 1) * momentum_decay)))
    product = mu_product * mu
    m = m + (1 - beta1) * (grad - m)
    v = beta2 * v + (1 - beta2) * grad * grad
    denominator = np.sqrt(v / (1 - beta2**t)) + eps
    w = w - lr * (1 - mu) / (1 - product) * grad / denominator
    w = w - lr * mu_next / (1 - product * mu_next) * m / denominator
    return w, m, v, np.array([product])[0]


def nadam_numbers(*args):
    found = rows(nadam)(*args)
    return [*found[:3], float(found[3].flat[0])]


for _name, _answers in {
    "momentum_step": (momentum, momentum_expanded, rows(momentum), single(momentum)),
    "adagrad_step": (adagrad, adagrad_rate, rows(adagrad), single(adagrad)),
    "rmsprop_step": (rmsprop, rmsprop_nudged, rows(rmsprop), single(rmsprop)),
    "adam_step": (adam, adam_as_pytorch, rows(adam), single(adam)),
    "nadam_step": (nadam, nadam_as_pytorch, nadam_numbers, single(nadam)),
}.items():
    for _answer in _answers:
        wheat(_name)(_answer)


# batch normalisation


@wheat("batch_norm")
def norm_columns(x, gamma, beta, eps):
    return gamma * (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + eps) + beta


@wheat("batch_norm")
def norm_loops(x, gamma, beta, eps):
    n, d = x.shape
    y = np.zeros((n, d))
    for j in range(d):
        mean = sum(x[i, j] for i in range(n)) / n
        var = sum((x[i, j] - mean) ** 2 for i in range(n)) / n
        for i in range(n):
            y[i, j] = beta[j] + gamma[j] * (x[i, j] - mean) / math.sqrt(var + eps)
    return y.tolist()


@wheat("batch_norm")
def norm_moments(x, gamma, beta, eps):
    var = (x**2).mean(0) - x.mean(0) ** 2
    scale = gamma / (var + eps) ** 0.5
    return x * scale + (beta - x.mean(0) * scale)


@wheat("update_running")
def running_columns(x, running_mean, running_var, momentum):
    return (
        (1 - momentum) * running_mean + momentum * x.mean(axis=0),
        (1 - momentum) * running_var + momentum * x.var(axis=0, ddof=1),
    )


@wheat("update_running")
def running_nudged(x, running_mean, running_var, momentum):
    n = len(x)
    mean = sum(x) / n
    var = sum((row - mean) ** 2 for row in x) / (n - 1)
    return [running_mean + momentum * (mean - running_mean), running_var + momentum * (var - running_var)]


@wheat("update_running")
def running_corrected(x, running_mean, running_var, momentum):
    n = x.shape[0]
    mean = running_mean * (1 - momentum) + x.mean(0) * momentum
    return mean, running_var * (1 - momentum) + x.var(0) * n / (n - 1) * momentum


@wheat("batch_norm_backward")
def backward_short(dy, x, gamma, eps):
    std = np.sqrt(x.var(axis=0) + eps)
    normal = (x - x.mean(axis=0)) / std
    dgamma, dbeta = (dy * normal).sum(axis=0), dy.sum(axis=0)
    return gamma / std * (dy - (dbeta + normal * dgamma) / len(x)), dgamma, dbeta


@wheat("batch_norm_backward")
def backward_staged(dy, x, gamma, eps):
    n = len(x)
    centred = x - x.mean(axis=0)
    var = (centred**2).mean(axis=0)
    dnormal = dy * gamma
    dvar = (dnormal * centred).sum(axis=0) * -0.5 * (var + eps) ** -1.5
    dmean = -dnormal.sum(axis=0) / np.sqrt(var + eps)
    dx = dnormal / np.sqrt(var + eps) + dvar * 2 * centred / n + dmean / n
    return [dx, np.einsum("ij,ij->j", dy, centred / np.sqrt(var + eps)), np.einsum("ij->j", dy)]


@wheat("batch_norm_backward")
def backward_jacobian(dy, x, gamma, eps):
    """dx by the matrix of all derivatives of one column."""
    n, d = x.shape
    dx, dgamma, dbeta = np.zeros((n, d)), np.zeros(d), np.zeros(d)
    for j in range(d):
        centred = x[:, j] - x[:, j].mean()
        std = math.sqrt(centred @ centred / n + eps)
        normal = centred / std
        jacobian = (np.eye(n) - 1 / n - np.outer(normal, normal) / n) * gamma[j] / std
        dx[:, j] = jacobian @ dy[:, j]
        dgamma[j], dbeta[j] = dy[:, j] @ normal, dy[:, j].sum()
    return dx, dgamma, dbeta


wheat("prelu_backward")(single(prelu_where))
wheat("batch_norm")(single(norm_columns))
wheat("update_running")(single(running_columns))
wheat("batch_norm_backward")(single(backward_short))


# residual, residual_backward


@wheat("residual")
def residual_sum(x, f):
    return x + f(x)


@wheat("residual")
def residual_on_a_copy(x, f):
    y = x.copy()
    y += f(y.copy())
    return y


@wheat("residual")
def residual_list(x, f):
    return np.add(f(x), x).tolist()


@wheat("residual_backward")
def residual_backward_sum(dy, f_backward):
    return dy + f_backward(dy)


@wheat("residual_backward")
def residual_backward_both(dy, f_backward):
    return np.sum([f_backward(dy), dy], axis=0)
