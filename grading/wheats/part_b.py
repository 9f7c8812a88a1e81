"""Right answers to the exercises of part b: with loops, backwards, by products, by recursion, with lists."""

import math

import numpy as np

from . import wheat

# sigmoid_derivative, tanh_derivative


def sigmoid(net):
    return 1 / (1 + np.exp(-net))


@wheat("sigmoid_derivative")
def sigmoid_derivative_from_y(net):
    y = 1 / (1 + np.exp(-net))
    return y * (1 - y)


@wheat("sigmoid_derivative")
def sigmoid_derivative_quotient(net):
    return np.exp(-net) / (1 + np.exp(-net)) ** 2


@wheat("sigmoid_derivative")
def sigmoid_derivative_by_cosh(net):
    return 1 / (4 * np.cosh(np.asarray(net) / 2) ** 2)


@wheat("sigmoid_derivative")
def sigmoid_derivative_lists(net):
    if isinstance(net, np.ndarray):
        return [sigmoid_derivative_lists(row) for row in net]
    return math.exp(-net) / (1 + math.exp(-net)) ** 2


@wheat("sigmoid_derivative")
def sigmoid_derivative_single_precision(net):
    y = 1 / (1 + np.exp(-np.asarray(net, np.float32)))
    return y * (1 - y)


@wheat("tanh_derivative")
def tanh_derivative_from_y(net):
    return 1 - np.tanh(net) ** 2


@wheat("tanh_derivative")
def tanh_derivative_by_cosh(net):
    return 1 / np.cosh(net) ** 2


@wheat("tanh_derivative")
def tanh_derivative_by_sigmoid(net):
    y = sigmoid(2 * net)
    return 4 * y * (1 - y)


@wheat("tanh_derivative")
def tanh_derivative_exponentials(net):
    tanh = (np.exp(net) - np.exp(-net)) / (np.exp(net) + np.exp(-net))
    return (1 - tanh) * (1 + tanh)


# chain_forward, chain_updates, chain_factors


@wheat("chain_forward")
def chain_forward_append(x, w, phi):
    y = [x]
    for w_j in w:
        y.append(phi(w_j * y[-1]))
    return np.array(y)


@wheat("chain_forward")
def chain_forward_list(x, w, phi):
    y = [x]
    for j in range(len(w)):
        y += [float(phi(w[j] * y[j]))]
    return y


@wheat("chain_forward")
def chain_forward_fill(x, w, phi):
    y = np.empty(len(w) + 1)
    y[0] = x
    for j in range(len(w)):
        y[j + 1] = phi(w[j] * y[j])
    return y


@wheat("chain_forward")
def chain_forward_recursive(x, w, phi):
    return [x] if len(w) == 0 else [x, *chain_forward_recursive(phi(w[0] * x), w[1:], phi)]


@wheat("chain_forward")
def chain_forward_single_precision(x, w, phi):
    y = np.zeros(len(w) + 1, np.float32)
    y[0] = x
    for j, w_j in enumerate(w.astype(np.float32)):
        y[j + 1] = phi(w_j * y[j])
    return y


@wheat("chain_updates")
def updates_backward(x, t, w, phi, phi_prime, eta):
    y = chain_forward_fill(x, w, phi)
    dw, error = np.zeros(len(w)), t - y[-1]
    for j in range(len(w) - 1, -1, -1):
        error = error * phi_prime(w[j] * y[j])
        dw[j] = eta * error * y[j]
        error = error * w[j]
    return dw


@wheat("chain_updates")
def updates_as_the_lecture_writes_them(x, t, w, phi, phi_prime, eta):
    y = chain_forward_list(x, w, phi)
    changes = []
    for j in range(len(w)):
        change = eta * (t - y[-1])
        for k in range(len(w) - 1, j, -1):
            change *= phi_prime(w[k] * y[k]) * w[k]
        changes.append(change * phi_prime(w[j] * y[j]) * y[j])
    return changes


@wheat("chain_updates")
def updates_by_cumulative_product(x, t, w, phi, phi_prime, eta):
    y = chain_forward_append(x, w, phi)
    slopes = np.array([phi_prime(net) for net in w * y[:-1]])
    later = np.append(np.cumprod((slopes * w)[::-1])[::-1][1:], 1)
    return eta * (t - y[-1]) * later * slopes * y[:-1]


@wheat("chain_updates")
def updates_vectorised_slopes(x, t, w, phi, phi_prime, eta):
    y = np.array(chain_forward_recursive(x, w, phi))
    slopes = phi_prime(w * y[:-1])
    gradient, dy = [], -(t - y[-1])
    for slope, w_j, y_j in zip(slopes[::-1], w[::-1], y[-2::-1]):
        gradient.insert(0, dy * slope * y_j)
        dy *= slope * w_j
    return -eta * np.array(gradient)


@wheat("chain_factors")
def factors_list(x, w, phi, phi_prime):
    y = chain_forward_list(x, w, phi)
    return [phi_prime(w[j] * y[j]) * w[j] for j in range(len(w))]


@wheat("chain_factors")
def factors_on_the_way(x, w, phi, phi_prime):
    factors = np.zeros_like(w)
    y = x
    for j in range(w.size):
        net = w[j] * y
        factors[j] = w[j] * phi_prime(net)
        y = phi(net)
    return factors


@wheat("chain_factors")
def factors_vectorised(x, w, phi, phi_prime):
    return phi_prime(w * chain_forward_fill(x, w, phi)[:-1]) * w


# layers_to_vanish


@wheat("layers_to_vanish")
def layers_loop(factor, threshold):
    if abs(factor) >= 1:
        return math.inf
    n = 1
    while abs(factor) ** n >= threshold:
        n += 1
    return n


@wheat("layers_to_vanish")
def layers_product(factor, threshold):
    size = product = abs(factor)
    if size >= 1:
        return float("inf")
    layers = 1
    while not product < threshold:
        product *= size
        layers += 1
    return layers


@wheat("layers_to_vanish")
def layers_logarithm(factor, threshold):
    size = abs(factor)
    if size >= 1:
        return np.inf
    if size == 0:
        return 1
    return math.floor(math.log(threshold) / math.log(size)) + 1


@wheat("layers_to_vanish")
def layers_logarithm_numpy(factor, threshold):
    size = np.abs(factor)
    if size == 0:
        return 1
    return np.floor(np.log10(threshold) / np.log10(size)) + 1 if size < 1 else np.inf


# gradient_norms


@wheat("gradient_norms")
def norms_backward(x, dy, weights, phi, phi_prime):
    y, nets = [x], []
    for w in weights:
        nets.append(y[-1] @ w.T)
        y.append(phi(nets[-1]))
    norms = []
    for w, net, before in zip(weights[::-1], nets[::-1], y[-2::-1]):
        dnet = dy * phi_prime(net)
        norms.append(np.linalg.norm(dnet.T @ before))
        dy = dnet @ w
    return norms[::-1]


@wheat("gradient_norms")
def norms_sample_by_sample(x, dy, weights, phi, phi_prime):
    gradients = [np.zeros(w.shape) for w in weights]
    for one, error in zip(x, dy):
        inputs, nets = [], []
        for w in weights:
            inputs.append(one)
            nets.append(w @ one)
            one = phi(nets[-1])
        for i in range(len(weights) - 1, -1, -1):
            delta = phi_prime(nets[i]) * error
            gradients[i] += np.outer(delta, inputs[i])
            error = weights[i].T @ delta
    return np.array([np.sqrt(np.sum(g * g)) for g in gradients])


@wheat("gradient_norms")
def norms_recursive(x, dy, weights, phi, phi_prime):
    def run(x, weights):
        """The norms of these layers, and the gradient at x."""
        if not weights:
            return (), dy
        net = np.einsum("ni,oi->no", x, weights[0])
        norms, error = run(phi(net), weights[1:])
        dnet = error * phi_prime(net)
        dw = np.einsum("no,ni->oi", dnet, x)
        return (float((dw**2).sum() ** 0.5), *norms), np.einsum("no,oi->ni", dnet, weights[0])

    return run(x, weights)[0]


@wheat("gradient_norms")
def norms_columns_are_samples(x, dy, weights, phi, phi_prime):
    x, dy = x.T.copy(), dy.T.copy()
    nets, inputs = [], [x]
    for w in weights:
        nets.append(np.dot(w, inputs[-1]))
        inputs.append(phi(nets[-1]))
    norms = np.zeros(len(weights))
    for i in reversed(range(len(weights))):
        dy *= phi_prime(nets[i])
        norms[i] = np.linalg.norm(dy @ inputs[i].T, "fro")
        dy = weights[i].T @ dy
    return norms
