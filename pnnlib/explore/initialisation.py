"""The initialisation explorable: a signal through a deep network with random first weights, and the gradient back.

`METHODS` draw the weights, `run_deep` sends a signal through and a gradient back: these are the model.
`Initialisation` is the panel.
"""

import math
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np

from pnnlib import init, layers
from pnnlib.exercises.calling import call
from pnnlib.exercises.comparing import as_numbers
from pnnlib.explore.panel import Button, Choice, Look, Number, Panel, Plot, Preset, Slider, Verdict
from pnnlib.explore.panel import name_of, nice_limits, take_function

SAMPLES = 60
LEAK = 0.1
FLAT = 0.05  # as in gradflow.activation_statistics: so flat that hardly an error passes
SECONDS = 2.0
YOURS = "your function"
# Each φ: its layer, how PyTorch writes it, and the part of the net inputs' mean square that it keeps, if that is known.
PHI = {
    "sigmoid": (layers.Sigmoid, "torch.sigmoid({})", None),
    "tanh": (layers.Tanh, "torch.tanh({})", None),
    "ReLU": (layers.ReLU, "torch.relu({})", 0.5),
    f"LReLU, a = {LEAK}": (
        partial(layers.LeakyReLU, LEAK), f"torch.nn.functional.leaky_relu({{}}, {LEAK})", (1 + LEAK**2) / 2
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Method:
    """A way to draw weights: `draw(shape, deviation, rng)`, its standard deviation for m inputs and n outputs, that in
    letters, and the lines of NumPy that draw the same."""

    draw: object
    deviation: object
    letters: str
    numpy: str


def _xavier(m, n, deviation):
    return math.sqrt(2 / (m + n))


def _kaiming(m, n, deviation):
    return math.sqrt(2 / m)


METHODS = {
    "Xavier, normal": Method(
        lambda shape, deviation, rng: init.xavier_normal(shape, rng=rng), _xavier, "√(2 / (m + n))",
        "rng.normal(0, (2 / (m + n)) ** 0.5, (n, m))",
    ),
    "Xavier, uniform": Method(
        lambda shape, deviation, rng: init.xavier_uniform(shape, rng=rng), _xavier, "√(6 / (m + n)) / √3",
        "rng.uniform(-((6 / (m + n)) ** 0.5), (6 / (m + n)) ** 0.5, (n, m))",
    ),
    "Kaiming, normal": Method(
        lambda shape, deviation, rng: init.kaiming_normal(shape, rng=rng), _kaiming, "√(2 / m)",
        "rng.normal(0, (2 / m) ** 0.5, (n, m))",
    ),
    "Kaiming, uniform": Method(
        lambda shape, deviation, rng: init.kaiming_uniform(shape, rng=rng), _kaiming, "√(6 / m) / √3",
        "rng.uniform(-((6 / m) ** 0.5), (6 / m) ** 0.5, (n, m))",
    ),
    "normal, any deviation": Method(
        lambda shape, deviation, rng: rng.normal(0, deviation, shape), lambda m, n, deviation: deviation, "as chosen",
        "rng.normal(0, {deviation}, (n, m))",
    ),
    "all weights equal": Method(
        lambda shape, deviation, rng: np.full(shape, deviation), lambda m, n, deviation: deviation, "as chosen",
        "np.full((n, m), {deviation})",
    ),
}  # fmt: skip
FREE = ("normal, any deviation", "all weights equal")


@dataclass(frozen=True)
class Deep:
    """What a deep network computes, layer by layer: y, a list of (60, neurons), the input left out; dw, the gradients
    of the weights, a list of (n, m); and how large these are, their root mean squares (depth,)."""

    y: list
    dw: list
    size_y: np.ndarray
    size_dw: np.ndarray


def run_deep(phi, draw, m, n, depth, rng):
    """Send 60 samples of random numbers through a deep network, a random gradient back, and return the `Deep`.

        y_0 ~ N(0, 1),    y_k = φ(W_k y_{k−1}),    dy_depth ~ N(0, 1),    without biases

    W_1 leads from m inputs to n outputs, W_2 from these n to m, and so on in turns.
    Shapes: phi a name in PHI, draw(shape, rng) → weights of this shape; rng a seed.
    PyTorch: `code()` of the panel gives the lines.

    >>> deep = run_deep("ReLU", lambda shape, rng: init.kaiming_normal(shape, rng=rng), m=100, n=100, depth=3, rng=0)
    >>> deep.size_y.round(1), deep.dw[0].shape
    (array([1., 1., 1.]), (100, 100))
    """
    rng = np.random.default_rng(rng)
    y, ys, network = rng.standard_normal((SAMPLES, m)), [], []
    for k in range(depth):
        linear = layers.Linear(1, 1, bias=False, rng=0)  # its own first weights are not needed
        linear.weight.data = draw((n, m) if k % 2 == 0 else (m, n), rng)
        network.append(layers.Sequential(linear, PHI[phi][0]()))
        y = network[-1](y)
        ys.append(y)
    dy = rng.standard_normal(y.shape)
    for layer in reversed(network):
        dy = layer.backward(dy)
    dws = [layer[0].weight.grad for layer in network]
    return Deep(ys, dws, _sizes(ys), _sizes(dws))


def _sizes(arrays):
    return np.array([math.sqrt(float(np.mean(np.square(a)))) for a in arrays])


def share_flat(phi, y):
    """Return the share of activations where φ is flat, so that hardly an error passes: saturated, or ReLU's zeros.

    >>> share_flat("tanh", np.array([0.0, 0.5, 0.99])).round(2), share_flat("ReLU", np.array([0.0, 2.0]))
    (np.float64(0.33), np.float64(0.5))
    """
    slope = {"sigmoid": 4 * y * (1 - y), "tanh": 1 - y**2, "ReLU": np.sign(y)}
    return np.mean(slope.get(phi, np.ones(y.shape)) < FLAT)


def factor(phi, m, deviation):
    """Return by what a layer multiplies the mean square of its inputs, on average, or None for sigmoid and tanh.

    A net input is a sum of m products, whose mean square is m σ² times that of the inputs. ReLU keeps half of it.

    >>> factor("ReLU", 100, 0.5), factor("tanh", 100, 0.1)
    (12.5, None)
    """
    kept = PHI[phi][2]
    return None if kept is None else kept * m * deviation**2


@lru_cache(maxsize=64)
def _run(phi, method, deviation, m, n, depth, draw):
    return run_deep(phi, lambda shape, rng: METHODS[method].draw(shape, deviation, rng), m, n, depth, draw)


def _fans(s, layer):
    """Inputs and outputs of a layer, which is counted from 1."""
    return (s.m, s.n) if layer % 2 else (s.n, s.m)


class Initialisation(Panel):
    """The panel of `explore_initialisation`."""

    title = "First weights: a signal through a deep network, and the gradient back"
    controls = [
        Choice("phi", "Activation function φ", PHI, start="ReLU"),
        Choice("method", "First weights", METHODS),
        Slider("deviation", "Standard deviation, or value", 0.001, 3.0, log=True, start=0.1,
               shown=lambda s: s.method in FREE),
        Slider("m", "m inputs", 2, 100, start=100),
        Slider("n", "n outputs, in turns", 2, 100, start=100),
        Slider("depth", "Depth: layers", 2, 30, start=20),
        Slider("layer", "Layer to look at", 1, lambda s: s.depth, start=1),
        Number("draw", "Random draw", 0, 0, 1e6, whole=True),
        Button("draw_again", "Draw again"),
    ]  # fmt: skip
    presets = [
        Preset(
            "ReLU with Xavier's",
            "Xavier's weights before ReLU: what is left of a signal of size 1 after 20 layers, and with Kaiming's?",
            layer=20,
        ),
        Preset(
            "Sigmoid",
            "The signal keeps its size. How many powers of ten does the gradient lose on its way back to layer 1?",
            phi="sigmoid",
        ),
        Preset(
            "tanh, too large",
            "Weights of deviation 1. How many activations are saturated, and does the gradient vanish or explode?",
            phi="tanh", method=FREE[0], deviation=1.0, layer=10,
        ),
        Preset(
            "Unequal layers",
            "Layers of 100 and of 10 neurons in turns. Where does Xavier's let the signal grow, and where shrink?",
            phi="tanh", n=10, layer=2,
        ),
        Preset(
            "All equal",
            "Every weight is 0.01. How many different neurons has a layer of 100?",
            phi="tanh", method=FREE[1], deviation=0.01, layer=2, depth=8,
        ),
    ]  # fmt: skip

    def __init__(self, function=None, question=None, **values):
        self._function = take_function("explore_initialisation", "function", function)
        self._own = None  # settings, and what came of the student's weights
        if function is not None:
            phi, first, *others = self.controls
            self.controls = [phi, Choice("method", first.label, [*METHODS, YOURS]), *others]
            values = {"method": YOURS, **values}
        super().__init__(question, **values)

    def draw_again(self, s):
        return {"draw": s.draw + 1}

    def close(self):
        self._function = self._own = None
        super().close()

    def look(self, s):
        verdict = None
        if s.method == YOURS:
            deep, verdict = self._of_yours(s)
        else:
            deep = _run(s.phi, s.method, s.deviation, s.m, s.n, s.depth, s.draw)
        if deep is None:
            nothing = Plot("Nothing to see: the function gave no weights.")
            return Look([nothing], caption=f"{name_of(self._function)} gave no weights to look at.", verdict=verdict)
        return Look(
            [_heat("activations", deep.y, deep.size_y, s), _heat("gradients of the weights", deep.dw, deep.size_dw, s),
             _sizes_plot(s, deep), _one_layer(s, deep)],
            caption=_caption(s, deep),
            lines=_equations(s),
            table=_table(s, deep),
            notes=_notes(s, deep),
            verdict=verdict,
        )  # fmt: skip

    def lines(self, s):
        weights = f"{name_of(self._function)}(m, n, rng)" if s.method == YOURS else METHODS[s.method].numpy
        phi = PHI[s.phi][1].format("y @ w[-1].T")
        return (
            f"import numpy as np\nimport torch\n\nrng = np.random.default_rng({s.draw})\n"
            f"y, w, size_y = torch.tensor(rng.standard_normal(({SAMPLES}, {s.m}))), [], []\n"
            f"for layer in range({s.depth}):\n    m, n = ({s.m}, {s.n}) if layer % 2 == 0 else ({s.n}, {s.m})\n"
            f"    w.append(torch.tensor({weights.format(deviation=s.deviation)}, requires_grad=True))\n"
            f"    y = {phi}\n    size_y.append(y.square().mean().sqrt().item())\n"
            f"y.backward(torch.tensor(rng.standard_normal(y.shape)))\n"
            f"size_dw = [one.grad.square().mean().sqrt().item() for one in w]\nprint(size_y, size_dw)"
        )

    def _of_yours(self, s):
        """What comes of a student's weights, which are drawn anew only when something has changed that they need."""
        depends = (s.phi, s.m, s.n, s.depth, s.draw)
        if self._own is None or self._own[0] != depends:
            self._own = depends, *_take_weights(self._function, *depends)
        return self._own[1:]


def _take_weights(function, phi, m, n, depth, draw):
    """The `Deep` of a student's weights, or None, and what is to be said about them."""
    name, drawn = name_of(function), []

    def weights(shape, rng):
        w = as_numbers(function(shape[1], shape[0], rng)).astype(float)
        if w.shape != shape:
            raise ValueError(
                f"{name} must return weights (n, m) = {shape} for m = {shape[1]} and n = {shape[0]}, got {w.shape}"
            )
        drawn.append(w)
        return w

    outcome = call(lambda: run_deep(phi, weights, m, n, depth, draw), (), {}, seconds=SECONDS)
    if outcome.kind == "not implemented":
        return None, Verdict(f"{name} is not implemented yet.")
    if outcome.kind != "returned":
        return None, Verdict(f"{name} did not give weights: {outcome.error}")
    if not np.isfinite(drawn[0]).all():
        return None, Verdict(f"{name}: some weights are infinite, or not a number.")
    found = float(drawn[0].std())
    said = f"{name}: for m = {m} and n = {n} its weights have the standard deviation {_short(found)}"
    method = {key.replace(", ", "_").lower(): one for key, one in METHODS.items()}.get(name)
    if method is None:
        return outcome.value, Verdict(f"{said}.", True)
    expected = method.deviation(m, n, None)
    agrees = abs(found / expected - 1) < 5 / math.sqrt(2 * m * n)  # five times what chance does to m n numbers
    return outcome.value, Verdict(f"{said}, wanted is {method.letters} = {_short(expected)}.", agrees)


def _short(number):
    return f"{number + 0.0:.3g}"


BINS = 41


def _counts(array, low, high):
    """A histogram with the ends' bins for what lies beyond; `np.histogram` takes ten times as long."""
    bins = ((array.ravel() - low) * (BINS / (high - low))).clip(0, BINS - 1).astype(np.intp)
    return np.bincount(bins, minlength=BINS)


def _heat(what, arrays, sizes, s):
    """A histogram for each layer, as a row of an image."""
    size = 3 * float(sizes.max()) or 1.0
    low, high = -size, size
    if what == "activations" and s.phi in ("sigmoid", "tanh", "ReLU"):
        low, high = {"sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0)}.get(s.phi, (0.0, size))
    counts = np.array([_counts(a, low, high) for a in arrays], float)
    at = sorted({1, s.layer, s.depth})
    said = ", ".join(f"{_short(arrays[k - 1].std())} in layer {k}" for k in at)
    plot = Plot(
        f"Histograms of the {what}, a row for each of {s.depth} layers, dark where many are. Their spread is {said}.",
        x=(low, high), y=(s.depth + 0.5, 0.5), title=f"{what}, layer by layer".capitalize(), height=250,
        x_label="value, with layer 1 on top", moves=(None, "layer"),
    )  # fmt: skip
    plot.image(1 - 0.9 * np.sqrt(counts / np.maximum(counts.max(1, keepdims=True), 1)))
    return plot.rule(y=s.layer - 0.5, color=1, style="solid").rule(y=s.layer + 0.5, color=1, style="solid")


def _sizes_plot(s, deep):
    number = np.arange(1, s.depth + 1)
    low, high = nice_limits([*deep.size_y, *deep.size_dw, 1.0], log=True, least=2)
    plot = Plot(
        f"Sizes, root mean squares, on a logarithmic scale. Activations: {_short(deep.size_y[0])} in layer 1, "
        f"{_short(deep.size_y[-1])} in layer {s.depth}. Gradients of the weights: {_short(deep.size_dw[0])} and "
        f"{_short(deep.size_dw[-1])}; in layer {s.layer}, {_short(deep.size_y[s.layer - 1])} and "
        f"{_short(deep.size_dw[s.layer - 1])}.",
        x=(0.5, s.depth + 0.5), y=(low, high), y_log=True, title="Size, layer by layer", x_label="layer", height=250,
        moves=("layer", None),
    )  # fmt: skip
    plot.rule(x=s.layer, style="dotted").rule(y=1, style="dotted")
    plot.line(number, deep.size_y, 0).points(number, deep.size_y, 0, "circle", size=0.8, label="activations")
    plot.line(number, deep.size_dw, 1, "dashed")
    return plot.points(number, deep.size_dw, 1, "diamond", size=0.8, label="gradients")


def _one_layer(s, deep):
    y = deep.y[s.layer - 1]
    flat, different = share_flat(s.phi, y), _different(y)
    limits = {"sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0)}.get(s.phi) or nice_limits(y, least=1e-12)
    counts, edges = np.histogram(y, 40, limits)
    most = nice_limits([0, counts.max()], padding=0.05)[1]
    word = "are 0" if s.phi == "ReLU" else "are saturated"
    plot = Plot(
        f"Histogram of the activations of layer {s.layer}: mean {_short(y.mean())}, spread {_short(y.std())}. "
        f"{flat:.0%} {word}. {different} of its {y.shape[1]} neurons are different.",
        x=limits, y=(0, most), title=f"Activations of layer {s.layer}", x_label="value, with counts upwards",
        height=250,
    )  # fmt: skip
    width = edges[1] - edges[0]
    return plot.bars((edges[1:] + edges[:-1]) / 2, counts, 0, width=0.9 * width)


def _different(y):
    """How many neurons do not compute the same as another, of those that are not dead.

    Each is told by one number, a sum over the samples with weights that do not cancel by chance.
    """
    marks = np.cos(np.arange(len(y))) @ y[:, np.any(y != 0, axis=0)]
    return len(np.unique(np.round(marks / (np.abs(marks).max(initial=0) or 1.0), 9)))


def _caption(s, deep):
    lost = deep.size_dw[0] / deep.size_dw[-1] if deep.size_dw[-1] else np.nan
    said = f"The signal comes in with size 1 and leaves {s.depth} layers with {_short(deep.size_y[-1])}. "
    if np.isnan(lost):
        return f"{said}No gradient comes back."
    said += f"The gradient of layer 1 is {_short(deep.size_dw[0])}, {_short(lost)} times that of layer {s.depth}. "
    y = deep.y[s.layer - 1]
    kind = "are 0" if s.phi == "ReLU" else "are saturated"
    return f"{said}In layer {s.layer}, {share_flat(s.phi, y):.0%} of the activations {kind}."


def _equations(s):
    m, n = _fans(s, s.layer)
    if s.method == YOURS:
        return [("σ", "as your function draws it")]
    method = METHODS[s.method]
    sigma = method.deviation(m, n, s.deviation)
    lines = [("σ", f"{method.letters}, of layer {s.layer} with m = {m} and n = {n}"), ("", _short(sigma))]
    if s.method == FREE[1]:
        return [("w", f"{_short(s.deviation)}, each of them")]
    share = factor(s.phi, m, sigma)
    if share is None:
        return [*lines, ("m σ²", f"{m} · {_short(sigma)}²"), ("", _short(m * sigma**2))]
    kept = {"ReLU": "½"}.get(s.phi, "(1 + a²)/2")
    return [
        *lines,
        (f"{kept} m σ²", f"{_short(PHI[s.phi][2])} · {m} · {_short(sigma)}²"),
        ("", f"{_short(share)}: of the mean square; of the size, {_short(math.sqrt(share))}"),
    ]


def _table(s, deep):
    rows = [["layer", "size of y", "size of dW", "zero" if s.phi == "ReLU" else "saturated", "different neurons"]]
    for k in sorted({1, s.layer, s.depth}):
        y = deep.y[k - 1]
        flat, different = share_flat(s.phi, y), _different(y)
        rows.append([k, _short(deep.size_y[k - 1]), _short(deep.size_dw[k - 1]), f"{flat:.0%}",
                     f"{different} of {y.shape[1]}"])  # fmt: skip
    return rows


def _notes(s, deep):
    if s.method == FREE[1]:
        same = "Neurons with equal weights compute the same."
        return [f"{same} Below the last layer they also get the same gradient, and stay twins for ever."]
    y = deep.y[-1]
    if not y.any():
        return ["The signal has died: every activation of the last layer is 0."]
    return []


def explore_initialisation(function=None, question=None, **settings):
    """Show what first weights do to a signal on its way through a deep network, and to the gradient back (part c).

    With `function(m, n, rng)`, one of the exercises `xavier_uniform`, `xavier_normal`, `kaiming_uniform` and
    `kaiming_normal`, or a method of one's own, its weights are among the methods. `settings` are those of `state()`:
    `explore_initialisation(phi="tanh", depth=10)`.
    The panel has `state()`, `load(state)`, `set(**settings)`, `code()` and `close()`.

    Shapes: function gets two ints and a `numpy.random.Generator`, and returns weights (n, m).
    PyTorch: `code()` gives the lines.

    >>> panel = explore_initialisation(phi="sigmoid", depth=10)
    >>> panel.caption[:69]
    'The signal comes in with size 1 and leaves 10 layers with 0.516. The '
    """
    return Initialisation(function, question, **settings)
