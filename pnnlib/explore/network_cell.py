"""One number within a network: what it was made of on the way forward, or on the way back, and what it has seen.

    walk     run a network forward and back, and keep what each layer took, gave, and handed back
    sees     which pixels of the input a number of a layer depends on
    made_of  how a layer makes one of its numbers: a weighted sum with its channels, a maximum, a slope, …

Of one sample alone; arrays have no axis for samples. Vectors are maps of one pixel, signals maps of one row.
"""

import copy
from dataclasses import dataclass, field
from itertools import product

import numpy as np

from pnnlib import layers
from pnnlib.gradflow import layer_errors, layer_outputs
from pnnlib.losses import cross_entropy
from pnnlib.windows import pad, per_axis, taps

POINTWISE = (
    layers.ReLU, layers.LeakyReLU, layers.PReLU, layers.Sigmoid, layers.Tanh, layers.Identity, layers.Dropout,
)  # fmt: skip


@dataclass(frozen=True)
class Stop:
    """A layer on the way: what it takes x, gives y, the error dy that arrives at it, and dx that it hands back."""

    name: str
    layer: object
    x: np.ndarray
    y: np.ndarray
    dy: np.ndarray
    dx: np.ndarray


@dataclass(frozen=True)
class Walk:
    """A network's way forward and back with one sample: its `Stop`s by name, the loss, and the network, a copy."""

    stops: dict
    loss: float
    model: object


def walk(model, x, label):
    """Run a network forward and back with one sample, in usage mode, and return the `Walk`. The network stays as it is.

    Shapes: x (1, …) as the network takes it, label an int, for the cross-entropy of an output (1, classes).
    PyTorch: `register_forward_hook` and `register_full_backward_hook` on every module.

    >>> way = walk(layers.Sequential(layers.Linear(3, 2, rng=0), layers.ReLU()), np.ones((1, 3)), 1)
    >>> [(name, stop.x.shape, stop.y.shape) for name, stop in way.stops.items()]
    [('0', (3,), (2,)), ('1', (2,), (2,))]
    """
    model = copy.deepcopy(model).eval()
    outputs, errors = layer_outputs(model, x), layer_errors(model, x, [label])
    loss, dy = cross_entropy(model(x), [label])
    model.backward(dy)
    found = dict(model.named_modules())
    stops = {}
    for name, y in outputs.items():
        layer = found[name]
        stops[name] = Stop(name, layer, layer.x[0], y[0], errors[name][0], layer.backward(errors[name])[0])
    return Walk(stops, float(loss), model)


# What a number has seen.


def sees(way, name, place, before=False):
    """Return which pixels of the input a number of a layer depends on, True or False, or all: its receptive field.

    Of what the layer gives; `before`, of what it takes. From the layer back to the input, a number was made of all
    that lay under the mask there (part d), in a residual or parallel layer under one of the masks.

    Shapes: place (row, column) or (row,) or () of the number in its map → bools of the shape of one channel of the
    input, () for a vector.
    PyTorch: no function.

    >>> model = layers.Sequential(layers.Conv2d(1, 2, 3, rng=0), layers.ReLU())
    >>> sees(walk(layers.Sequential(*model, layers.Flatten()), np.ones((1, 1, 4, 4)), 0), "1", (0, 1)).astype(int)
    array([[0, 1, 1, 1],
           [0, 1, 1, 1],
           [0, 1, 1, 1],
           [0, 0, 0, 0]])
    """
    stop = way.stops[name]
    seen = np.zeros((stop.x if before else stop.y).shape[1:], bool)
    seen[place] = True
    if not before:
        seen = _back(stop.layer, seen)
    return _from(way.model, name.split(".") if name else [], seen)


def _from(module, names, seen):
    """From before a layer, which `names` lead to, back to before the module that it is a part of."""
    if not names:
        return seen
    children = dict(module.named_children())
    seen = _from(children[names[0]], names[1:], seen)
    if isinstance(module, layers.Sequential):
        for layer in reversed(module.layers[: int(names[0])]):
            seen = _back(layer, seen)
    return seen


def _back(layer, seen):
    """From behind a layer to before it."""
    shape = np.shape(layer.x)[2:]
    if isinstance(layer, layers.Sequential):
        for one in reversed(layer.layers):
            seen = _back(one, seen)
        return seen
    if isinstance(layer, (layers.Residual, layers.Parallel)):
        ways = [_back(child, seen) for _, child in layer.named_children()]
        if isinstance(layer, layers.Residual) and layer.shortcut is None:
            ways.append(seen)
        return np.logical_or.reduce(ways)
    windows = layer.windows(len(shape))
    if windows is None:
        return np.ones(shape, bool)
    if not any(windows):
        return seen
    kernel, stride, padding, dilation = _window(layer)
    padded = pad(np.zeros(shape, bool), padding)
    for _, tap in taps(padded, kernel, stride, dilation):
        tap |= seen
    return padded[tuple(slice(p, p + n) for p, n in zip(padding, shape))]


def _window(layer):
    """Kernel, stride, padding and dilation of a layer with a window, one number for each axis."""
    options = ((name, getattr(layer, name, 1)) for name in ("kernel_size", "stride", "padding", "dilation"))
    return [per_axis("explore_network", name, value, layer.axes, least=0) for name, value in options]


# What a number is made of.


@dataclass(frozen=True)
class Made:
    """How a number came about.

    kind      "sum", "max", "mean", "norm", "slope", "value", "copy" or "other"
    value     the number, as the layer has it
    a, b      (channels, terms): a sum is Σ a·b + bias, channel by channel; a is weights, or shares of an error
    bias      of a sum
    numbers   what a maximum or a mean is of; γ, x, μ, σ² + ε and β of a normalisation; x or (dy, slope) of a φ
    source    the place that a copy comes from
    """

    kind: str
    value: float
    a: np.ndarray = None
    b: np.ndarray = None
    bias: float = 0.0
    numbers: tuple = ()
    source: tuple = field(default=())

    @property
    def sums(self):
        """What each channel adds to a sum, (channels,)."""
        return (self.a * self.b).sum(axis=1)


def made_of(stop, place, backward=False):
    """Return how one number came about: y[place] of what a layer gives, or backward dx[place] of what it hands back.

    Forward the layer's formula, with the weights of this place. Backward, what the number x[place] was used for: for
    each use a weight times the error there, and their sum.

    Shapes: place (channel, row, column) or fewer.
    PyTorch: no function; the value is that of hooks.

    >>> way = walk(layers.Linear(3, 2, rng=0), np.array([[1.0, 2.0, 3.0]]), 1)
    >>> made = made_of(way.stops[""], (0,))
    >>> made.b.ravel(), bool(np.isclose(made.sums.sum() + made.bias, made.value))
    (array([1., 2., 3.]), True)
    """
    value = float((stop.dx if backward else stop.y)[place])
    for kinds, how in ((layers._Convolution, _of_convolution), (layers.Linear, _of_linear), (layers._Pool, _of_pool),
                       (layers._GlobalPool, _of_global_pool), (layers._BatchNorm, _of_norm),
                       (layers.Flatten, _of_flatten), (POINTWISE, _of_point)):  # fmt: skip
        if isinstance(stop.layer, kinds):
            return how(stop, place, backward, value)
    return Made("other", value)


def _uses(stop, place):
    """Where a number of x is used by a layer with a window: (place in the mask, place in y) for each use."""
    kernel, stride, padding, dilation = _window(stop.layer)
    uses = []
    for tap in product(*map(range, kernel)):
        steps = [i + p - k * d for i, p, k, d in zip(place[1:], padding, tap, dilation)]
        out = tuple(n // s for n, s in zip(steps, stride))
        if all(n % s == 0 and 0 <= o < size for n, s, o, size in zip(steps, stride, out, stop.y.shape[1:])):
            uses.append((tap, out))
    return uses


def _under(stop, place, outside):
    """What lies under a window at a place of y, (channels, *kernel), with a number for what lies outside."""
    kernel, stride, padding, dilation = _window(stop.layer)
    padded = pad(stop.x, padding, outside)
    return padded[(slice(None), *(slice(i * s, i * s + (k - 1) * d + 1, d)
                                  for i, s, k, d in zip(place[1:], stride, kernel, dilation)))]  # fmt: skip


def _of_convolution(stop, place, backward, value):
    w = stop.layer.weight.data
    if backward:
        uses, channel = _uses(stop, place), place[0]
        a = np.array([[w[(o, channel, *tap)] for tap, _ in uses] for o in range(len(w))])
        b = np.array([[stop.dy[(o, *out)] for _, out in uses] for o in range(len(w))])
        return Made("sum", value, a, b)
    bias = 0.0 if stop.layer.bias is None else float(stop.layer.bias.data[place[0]])
    under = _under(stop, place, 0.0)
    return Made("sum", value, w[place[0]].reshape(len(under), -1), under.reshape(len(under), -1), bias)


def _of_linear(stop, place, backward, value):
    if stop.x.ndim != 1:
        return Made("other", value)
    w = stop.layer.weight.data
    if backward:
        return Made("sum", value, w[:, place[0], None], stop.dy[:, None])
    bias = 0.0 if stop.layer.bias is None else float(stop.layer.bias.data[place[0]])
    return Made("sum", value, w[place[0], :, None], stop.x[:, None], bias)


def _shares(stop, place, outs):
    """How much of the error at each of some places of y gets to x[place]: for the maximum all of it or nothing."""
    shares = []
    for out in outs:
        one = np.zeros((1, *stop.y.shape))
        one[(0, place[0], *out)] = 1.0
        shares.append(float(stop.layer.backward(one)[(0, *place)]))
    return shares


def _of_pool(stop, place, backward, value):
    if backward:
        outs = [out for _, out in _uses(stop, place)]
        b = np.array([[stop.dy[(place[0], *out)] for out in outs]])
        return Made("sum", value, np.array([_shares(stop, place, outs)]), b)
    largest = isinstance(stop.layer, layers._MaxPool)
    under = _under(stop, place, -np.inf if largest else np.nan)[place[0]].ravel()
    if largest:
        return Made("max", value, numbers=tuple(under[under > -np.inf].tolist()))
    if stop.layer.count_include_pad:
        return Made("mean", value, numbers=tuple(np.nan_to_num(under).tolist()))
    return Made("mean", value, numbers=tuple(under[~np.isnan(under)].tolist()))


def _of_global_pool(stop, place, backward, value):
    if backward:
        outs = [(0,) * (stop.y.ndim - 1)]
        return Made("sum", value, np.array([_shares(stop, place, outs)]), np.array([[stop.dy[(place[0], *outs[0])]]]))
    largest = isinstance(stop.layer, (layers.AdaptiveMaxPool1d, layers.AdaptiveMaxPool2d))
    return Made("max" if largest else "mean", value, numbers=tuple(stop.x[place[0]].ravel().tolist()))


def _of_norm(stop, place, backward, value):
    layer, c = stop.layer, place[0]
    if layer.running_mean is None:
        return Made("other", value)
    gamma, beta = (float(p.data[c]) for p in (layer.weight, layer.bias)) if layer.affine else (1.0, 0.0)
    spread = float(layer.running_var[c]) + layer.eps
    if backward:
        return Made("slope", value, numbers=(float(stop.dy[place]), gamma / spread**0.5))
    return Made("norm", value, numbers=(gamma, float(stop.x[place]), float(layer.running_mean[c]), spread, beta))


def _of_flatten(stop, place, backward, value):
    number = np.arange(stop.x.size).reshape(1, *stop.x.shape)
    order = np.asarray(stop.layer.function(number, stop.layer.order)[0], int)
    if backward:
        source = (int(np.flatnonzero(order == number[(0, *place)])[0]),)
    else:
        source = tuple(map(int, np.unravel_index(order[place], stop.x.shape)))
    return Made("copy", value, source=source)


def _of_point(stop, place, backward, value):
    if not backward:
        return Made("value", value, numbers=(float(stop.x[place]),))
    slope = float(stop.layer.backward(np.ones((1, *stop.y.shape)))[(0, *place)])
    return Made("slope", value, numbers=(float(stop.dy[place]), slope))
