"""Gradient flow: what becomes of the signal on its way forward, and of the error on its way back (parts b and c).

    chain_…                 the lecture's deep network with one neuron per layer, where a factor φ′(net)·w for each
                            layer says it all
    activation_statistics   a real network forward: the spread of each layer, and the neurons that can hardly learn
    error_statistics        and back: the error that arrives at each layer,
    gradient_statistics     what each weight gets of it,
    update_ratios           and how far that moves it

The tables print themselves, and each of their columns is an array to plot:

    errors = error_statistics(model, x, labels)
    plt.semilogy(errors.norm[errors.layer == "Tanh"])

They run a copy of the network, in the mode that the network is in: `model.train()`
first shows what training sees. The network itself stays as it is, to the last
detail: what its layers remember, gradients, running statistics, dropout's rng.
"""

import copy

import numpy as np

from pnnlib import layers
from pnnlib.arrays import as_floats
from pnnlib.losses import cross_entropy

# One neuron per layer


def chain_forward(x, w, phi):
    """Run a deep network with one neuron per layer, and return the output of every neuron.

    The lecture's chain (part b), without biases; y_1 is the input itself:

        y_1 = x,    y_{j+1} = φ(w_j y_j)

    The lecture calls w_j, from neuron j to the next, w_{j+1,j}: with four weights w is (w_21, w_32, w_43, w_54).

    Shapes: x a number, w (n,), phi a function net → y of single numbers → y (n + 1,).
    PyTorch: no function; a loop, `y = phi(w[j] * y)`.

    >>> from pnnlib.activations import relu
    >>> chain_forward(3, w=[2, 0.5, 10], phi=relu)
    array([ 3.,  6.,  3., 30.])
    """
    x, w = _take_chain("chain_forward", x=x, w=w)
    (phi,) = _of_one_number("chain_forward", phi=phi)
    y = [x]
    for w_j in w:
        y.append(phi(w_j * y[-1]))
    return np.array(y, w.dtype)


def chain_factors(x, w, phi, phi_prime):
    """Return the factors by which the error is multiplied on its way back through the chain, one for each weight.

    The lecture's explanation of vanishing and exploding gradients (part b):

        factor_j = φ′(w_j y_j) w_j = ∂y_{j+1} / ∂y_j

    The error of an early layer is multiplied by many of them. If they are below 1
    in size it vanishes, if they are above 1 it explodes: 0.25ⁿ or 2ⁿ after n layers.

    Shapes: x a number, w (n,), phi and its derivative phi_prime functions of single numbers → (n,).
    PyTorch: `torch.autograd.grad(y[j + 1], y[j])` for each j.

    >>> from pnnlib.activations import sigmoid, sigmoid_derivative
    >>> chain_factors(0, [1, 1, 1], sigmoid, sigmoid_derivative).round(3)
    array([0.25 , 0.235, 0.227])
    """
    x, w = _take_chain("chain_factors", x=x, w=w)
    phi, phi_prime = _of_one_number("chain_factors", phi=phi, phi_prime=phi_prime)
    y = chain_forward(x, w, phi)
    return np.array([phi_prime(w_j * y_j) * w_j for w_j, y_j in zip(w, y)], w.dtype)


def chain_updates(x, t, w, phi, phi_prime, eta):
    """Return Δw for every weight of the chain, one step of gradient descent on the cost ½ (t − y)².

    Backpropagation (part b): the error t − y, times the factors φ′(net)·w of all
    later layers, times φ′(net) and the input of the weight's own neuron. For the last three weights of four:

        Δw_54 = η (t − y_5) φ′(w_54 y_4) y_4
        Δw_43 = η (t − y_5) φ′(w_54 y_4) w_54 φ′(w_43 y_3) y_3
        Δw_32 = η (t − y_5) φ′(w_54 y_4) w_54 φ′(w_43 y_3) w_43 φ′(w_32 y_2) y_2

    It is −η times the gradient: the minus is in t − y.

    Shapes: x, the target t and the learning rate eta numbers, w (n,), phi and its derivative phi_prime functions of
    single numbers → Δw (n,), in the order of w.
    PyTorch: `(0.5 * (t - y[-1]) ** 2).backward()`, then `-eta * w.grad`.

    >>> from pnnlib.activations import relu, relu_derivative
    >>> chain_updates(3, 31, [2, 0.5, 10], relu, relu_derivative, eta=0.1)
    array([1.5, 6. , 0.3])
    """
    x, t, w = _take_chain("chain_updates", x=x, t=t, w=w)
    phi, phi_prime = _of_one_number("chain_updates", phi=phi, phi_prime=phi_prime)
    eta = float(_one_number("chain_updates", "eta", eta))
    y = chain_forward(x, w, phi)
    updates, error = [], t - y[-1]
    for w_j, y_j in reversed(list(zip(w, y))):
        dnet = error * phi_prime(w_j * y_j)
        updates.append(eta * dnet * y_j)
        error = dnet * w_j  # one factor φ′(w_j y_j) w_j further back
    return np.array(updates[::-1], w.dtype)


# What the layers of a network give on, and what comes back to them


def layer_outputs(model, x):
    """Return what each layer gives on to the next, by the layer's name: for histograms of the activations.

    Names and order are those of `summary`: no `Sequential`, whose output is its
    last layer's, but `Residual` and `Parallel`, each before what it is made of.

    Shapes: x as the network takes it, (N, …) → a dict, name → array.
    PyTorch: `register_forward_hook` on every module, its output.

    >>> model = layers.Sequential(layers.Linear(3, 2, rng=0), layers.ReLU())
    >>> {name: y.shape for name, y in layer_outputs(model, np.ones((4, 3))).items()}
    {'0': (4, 2), '1': (4, 2)}
    """
    twin, outputs, _ = _run("layer_outputs", model, x)
    return {name: y for name, _, y in _by_layer(twin, outputs)}


def layer_errors(model, x, y, loss=cross_entropy):
    """Return the error that arrives at each layer, by the layer's name: for histograms of the gradients.

    That is dY = ∂J/∂Y, the gradient of the cost for what the layer gave on: at
    the last layer the lecture's t − y (part b) with the sign turned, or whatever
    error the loss has, at the others what is left of it on its way back. A loss
    that is a mean over N samples divides by N.

    Shapes: x as the network takes it, (N, …), y as the loss takes it,
    `loss(output, y)` → (value, gradient) → a dict, name → array, as `layer_outputs`.
    PyTorch: `register_full_backward_hook` on every module, its grad_output.

    >>> model = layers.Sequential(layers.Linear(3, 2, rng=0), layers.ReLU())
    >>> {name: dy.shape for name, dy in layer_errors(model, np.ones((4, 3)), [0, 1, 1, 0]).items()}
    {'0': (4, 2), '1': (4, 2)}
    """
    twin, _, errors = _run("layer_errors", model, x, y, loss)
    return {name: dy for name, _, dy in _by_layer(twin, errors)}


# The same in numbers, a row for each layer


class Table:
    """What the statistics return: it prints itself, goes through its rows, and has each column as an attribute.

    Columns are arrays, so a mask picks rows: `table.std[table.layer == "Tanh"]`.
    `pandas.DataFrame(vars(table))` takes them all.

    >>> table = Table([("0.weight", 1.0), ("2.weight", 0.25)], "name", "norm")
    >>> table
    weights   norm
    0.weight     1
    2.weight  0.25
    >>> table.norm, len(table), list(table)[1]
    (array([1.  , 0.25]), 2, ('2.weight', 0.25))
    """

    def __init__(self, rows, *columns):
        for place, column in enumerate(columns):
            setattr(self, column, np.array([row[place] for row in rows], str if column in ("name", "layer") else float))

    def __len__(self):
        return len(self.name)

    def __iter__(self):
        return zip(*(column.tolist() for column in vars(self).values()))

    def __str__(self):
        columns = dict(vars(self))
        names, kinds = columns.pop("name"), columns.pop("layer", None)
        lines = [("weights" if kinds is None else "layer", *(column.replace("_", " ") for column in columns))]
        for i, name in enumerate(names):
            title = name if kinds is None else f"{'  ' * name.count('.')}{name}  {kinds[i]}" if name else kinds[i]
            lines.append((title, *(_in_words(column, values[i]) for column, values in columns.items())))
        widths = [max(map(len, column)) for column in zip(*lines)]
        return "\n".join(
            "  ".join([first.ljust(widths[0]), *map(str.rjust, rest, widths[1:])]).rstrip() for first, *rest in lines
        )

    __repr__ = __str__  # what a notebook shows


def activation_statistics(model, x, flat=0.05):
    """Measure what each layer gives on: does the signal shrink or grow, and which neurons can hardly learn?

    For part c: with the right initialisation, std stays about the same from layer
    to layer, and batch normalisation keeps net inputs where φ has a slope.

        mean, std   of all numbers that the layer gives on
        saturated   sigmoid and tanh: the share of them where φ is so flat that hardly an error passes: where
                    φ′(net) < flat · max φ′. By default that is |tanh(net)| > 0.975. nan for other layers
        dead        ReLU, and LReLU and PReLU should their slope be 0: the share of neurons that gave 0 for every
                    sample of x, so that no error passes, and they learn nothing. nan for other layers
        zero        the share of numbers that are 0

    Neurons are along axis 1: in (N, C, H, W) each map is one, copied, and dead if all its pixels
    are 0. An `RNN` has φ inside, its neurons along the last axis; of its layers, the last is measured.

    Shapes: x as the network takes it, (N, …), flat a number → a `Table` with name, layer and these columns.
    PyTorch: no function; `register_forward_hook` on every module, and then the same means.

    >>> from pnnlib.networks import mlp
    >>> x = np.random.default_rng(0).normal(size=(100, 8))
    >>> activation_statistics(mlp([8, 20, 20, 3], layers.Tanh, rng=0), 10 * x)
    layer          mean    std  saturated  dead  zero
    0  Linear    -0.093   6.09                   0.0%
    1  Tanh    -0.00747  0.932      71.2%        0.0%
    2  Linear    0.0253  0.494                   0.0%
    3  Tanh        0.02  0.414       0.0%        0.0%
    4  Linear    0.0215  0.298                   0.0%
    """
    if not 0 <= _one_number("activation_statistics", "flat", flat) <= 1:
        raise ValueError(
            f"activation_statistics: flat must be from 0 to 1, got {flat}: it is a share of the largest slope"
        )
    twin, outputs, _ = _run("activation_statistics", model, x)
    rows = [
        (name, type(layer).__name__, _measure(np.mean, y), _measure(np.std, y), _saturated(layer, y, flat),
         _dead(layer, y), np.mean(y == 0))
        for name, layer, y in _by_layer(twin, outputs)
    ]
    return Table(rows, "name", "layer", "mean", "std", "saturated", "dead", "zero")


def error_statistics(model, x, y, loss=cross_entropy):
    """Measure the error that arrives at each layer: does it vanish on its way back, or explode?

    From layer to layer it is multiplied by φ′(net) and by the weights (part b), so
    read the table from below: the error comes from the loss, at the last layer.

        norm            the root of the sum of its squares (Frobenius)
        mean_abs, std   of all its numbers

    Shapes: as `layer_errors` → a `Table` with name, layer and these columns.
    PyTorch: no function; `register_full_backward_hook` on every module, and then `.norm()` and the like.

    >>> from pnnlib.networks import mlp
    >>> x = np.random.default_rng(0).normal(size=(100, 8))
    >>> error_statistics(mlp([8, 20, 20, 3], layers.Sigmoid, rng=0), x, np.arange(100) % 3)
    layer          norm  mean abs       std
    0  Linear   0.00142  2.49e-05  3.16e-05
    1  Sigmoid  0.00613  0.000109  0.000137
    2  Linear    0.0112  0.000207   0.00025
    3  Sigmoid   0.0458  0.000851   0.00102
    4  Linear    0.0818   0.00445   0.00472
    """
    twin, _, errors = _run("error_statistics", model, x, y, loss)
    rows = [(name, type(layer).__name__, *_sizes(dy)) for name, layer, dy in _by_layer(twin, errors)]
    return Table(rows, "name", "layer", "norm", "mean_abs", "std")


def gradient_statistics(model, x, y, loss=cross_entropy):
    """Measure the gradient of each layer's weights: which layers learn, and which hardly do?

    Where the gradient has vanished, neurons in early layers learn much more
    slowly than those in later ones (part b).

        norm            the root of the sum of its squares (Frobenius)
        mean_abs, std   of all its numbers
        ratio           norm, over the norm of the weights themselves; inf if they are all 0

    Weights are the parameters with two axes or more. Biases, γ, β and PReLU's
    slopes are left out: they are few, and often start at 0, where a ratio says nothing.

    Shapes: as `layer_errors` → a `Table` with the name as in `state_dict`, and these columns.
    PyTorch: `loss.backward()`, then `w.grad.norm()`, `w.grad.abs().mean()`, `w.grad.std(correction=0)`.

    >>> from pnnlib.networks import mlp
    >>> x = np.random.default_rng(0).normal(size=(100, 8))
    >>> gradient_statistics(mlp([8, 20, 20, 3], layers.Sigmoid, rng=0), x, np.arange(100) % 3)
    weights      norm  mean abs       std    ratio
    0.weight  0.00365  0.000218  0.000288  0.00134
    2.weight   0.0168  0.000711  0.000842  0.00671
    4.weight    0.121    0.0143    0.0156    0.126
    """
    twin, _, _ = _run("gradient_statistics", model, x, y, loss)
    rows = []
    for name, p in twin.named_parameters():
        if p.data.ndim >= 2 and p.grad is not None:
            norm, *others = _sizes(p.grad)
            rows.append((name, norm, *others, _ratio(norm, _measure(np.linalg.norm, p.data))))
    return Table(rows, "name", "norm", "mean_abs", "std", "ratio")


def update_ratios(before, after):
    """Measure how far the weights moved, compared with how large they are.

        update   ‖W_after − W_before‖, the root of the sum of the squares (Frobenius)
        weight   ‖W_before‖
        ratio    update / weight; inf if the weights were all 0

    For one step, a ratio about 0.001 is a rule of thumb: with much less the layer
    hardly learns, with much more its weights jump about. Over a whole training,
    the ratio shows which layers kept their random first weights (part b).

    Shapes: what `model.state_dict()` returned before and after → a `Table` with the name and these columns, and a
    row for each array with two axes or more, as in `gradient_statistics`.
    PyTorch: no function; `(after - before).norm() / before.norm()` for each weight.

    >>> update_ratios(before={"weight": np.full((2, 2), 10.0)}, after={"weight": np.full((2, 2), 10.1)})
    weights  update  weight  ratio
    weight      0.2      20   0.01
    """
    _check_states(before, after)
    rows = []
    for name in before:
        first, last = as_floats("update_ratios", **{f"before {name}": before[name], f"after {name}": after[name]})
        if first.shape != last.shape:
            raise ValueError(
                f"update_ratios: {name} must be {first.shape} after as it was before, got {last.shape}: "
                f"are they states of the same network?"
            )
        if first.ndim >= 2:
            update = _measure(np.linalg.norm, last.astype(np.float64) - first)
            weight = _measure(np.linalg.norm, first)
            rows.append((name, update, weight, _ratio(update, weight)))
    return Table(rows, "name", "update", "weight", "ratio")


# How a network is watched


def _run(operation, model, x, y=None, loss=None):
    """Run a copy of the network, with a loss also back; return it and what its layers noted: outputs, errors."""
    if not isinstance(model, layers.Module):
        raise TypeError(
            f"{operation}: model must be a network of pnnlib.layers, got {_kind(model)}: "
            f"for a network of PyTorch, bridge.from_torch"
        )
    (x,) = as_floats(operation, x=x)
    if x.ndim < 2 or x.size == 0:
        cause = "for one sample alone add an axis: x[None]" if x.size else "of nothing there are no statistics"
        raise ValueError(f"{operation}: x must be (N, …), with N samples, got {x.shape}: {cause}")
    twin, outputs, errors = copy.deepcopy(model), {}, {}
    for p in twin.parameters():
        p.grad = None  # an earlier backward's
    for name, layer in twin.named_modules():
        if not isinstance(layer, layers.Sequential):
            layer.forward = _noting_result(layer.forward, outputs, name)
            layer.backward = _noting_argument(layer.backward, errors, name)
    output = twin(x)
    if loss is not None:
        answer = loss(output, y)
        if not isinstance(answer, tuple) or len(answer) != 2:
            raise TypeError(
                f"{operation}: loss must return (value, gradient), got {_kind(answer)}: "
                f"losses.cross_entropy and losses.mse_loss do"
            )
        twin.backward(answer[1])
    return twin, outputs, errors


def _noting_result(function, notes, name):
    def noting(x):
        notes[name] = function(x)
        return notes[name]

    return noting


def _noting_argument(function, notes, name):
    def noting(dy):
        notes[name] = dy
        return function(dy)

    return noting


def _by_layer(model, notes):
    """Yield (name, layer, what was noted) in the order of `summary`; a layer that was not used has no note."""
    return ((name, layer, notes[name]) for name, layer in model.named_modules() if name in notes)


# What is measured


def _measure(statistic, a):
    """Return statistic(a), in float64. The squares of what has vanished or exploded must not become 0 or inf."""
    a = np.asarray(a, np.float64)
    largest = np.max(np.abs(a), initial=0)
    scale = float(largest) if 0 < largest < np.inf else 1.0
    with np.errstate(invalid="ignore"):  # what is inf already is said in the table
        return scale * float(statistic(a / scale))


def _sizes(a):
    return _measure(np.linalg.norm, a), _measure(np.mean, np.abs(a)), _measure(np.std, a)


def _ratio(change, size):
    return change / size if size else np.inf if change else np.nan


def _saturated(layer, y, flat):
    """Return the share of numbers where the slope of φ, which y = φ(net) tells, is below `flat` of its largest."""
    if isinstance(layer, layers.Sigmoid):
        return np.mean(4 * y * (1 - y) < flat)
    if isinstance(layer, layers.Tanh) or (isinstance(layer, layers.RNN) and layer.nonlinearity == "tanh"):
        return np.mean(1 - y * y < flat)
    return np.nan


def _dead(layer, y):
    """Return the share of neurons whose output is 0 for every sample."""
    if isinstance(layer, (layers.ReLU, layers.LeakyReLU, layers.PReLU)):
        neurons = 1
    elif isinstance(layer, layers.RNN) and layer.nonlinearity == "relu":
        neurons = y.ndim - 1
    else:
        return np.nan
    return np.mean(np.all(y == 0, axis=tuple(axis for axis in range(y.ndim) if axis != neurons)))


def _in_words(column, value):
    if column in ("saturated", "dead", "zero"):
        return "" if np.isnan(value) else f"{value:.1%}"
    return f"{value:.3g}"


# The chain's arguments, and what can go wrong, said so that the cause can be found.


def _take_chain(operation, w, **numbers):
    """Return the numbers and w in the one type that holds them all."""
    *values, w = as_floats(operation, **numbers, w=w)
    for name, value in zip(numbers, values):
        _one_number(operation, name, value)
    if w.ndim != 1:
        raise ValueError(
            f"{operation}: w must be (n,), one weight from each neuron to the next, got {w.shape}: "
            f"the chain has one neuron per layer"
        )
    return *(value[()] for value in values), w


def _one_number(operation, name, value):
    (a,) = as_floats(operation, **{name: value})
    if a.ndim:
        raise ValueError(f"{operation}: {name} must be one number, got {a.shape}")
    return a


def _of_one_number(operation, **functions):
    """Return φ and φ′ as functions that give one number for one number, in its type, or say what is wrong."""
    return [_checked(operation, name, function) for name, function in functions.items()]


def _checked(operation, name, function):
    if not callable(function):
        raise TypeError(f"{operation}: {name} must be a function of net, such as activations.tanh, got {function!r}")

    def checked(net):
        (value,) = as_floats(operation, **{f"{name}(net)": function(net)})
        if value.ndim:
            raise ValueError(f"{operation}: {name}(net) must be one number for one net input, got {value.shape}")
        return net.dtype.type(value)

    return checked


def _check_states(before, after):
    for when, state in (("before", before), ("after", after)):
        if not hasattr(state, "keys"):
            cause = "a network itself moves on, its state_dict() is a copy" if hasattr(state, "state_dict") else (
                "what model.state_dict() returned")
            raise TypeError(f"update_ratios: {when} must be a state, names and arrays, got {_kind(state)}: {cause}")
    if set(before.keys()) != set(after.keys()):
        odd = sorted(set(before.keys()) ^ set(after.keys()))
        raise ValueError(
            f"update_ratios: before and after must have the same names, got {odd[0]} in one of them only: "
            f"are they states of the same network?"
        )


def _kind(value):
    return f"{value!r}" if isinstance(value, type) else f"a {type(value).__module__}.{type(value).__name__}"
