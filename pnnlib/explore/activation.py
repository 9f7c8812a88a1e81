"""The activation explorable: φ and its slope φ′, with one cursor through both, and the net inputs of a layer below.

`slope_of` and `hardly_learn` are the model, and `learn_slope`, for PReLU; `Activation` is the panel.
"""

from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np

from pnnlib import activations
from pnnlib.exercises.calling import call
from pnnlib.exercises.comparing import as_numbers
from pnnlib.explore.panel import Choice, Look, Panel, Plot, Preset, Slider, Verdict
from pnnlib.explore.panel import name_of, nice_limits, take_function

LEFT, RIGHT = -6.0, 6.0
NET = np.linspace(LEFT, RIGHT, 241)
FLAT = 0.05  # as in gradflow.activation_statistics: so flat that hardly an error passes
UNITS = np.random.default_rng(0).standard_normal(1000)  # what the net inputs of a layer are drawn from
STEPS, FARTHEST = 60, 1000.0
YOURS = "your function"
SECONDS = 2.0
NAMES = ("sigmoid", "tanh", "ReLU", "LReLU", "PReLU")
TORCH = {
    "sigmoid": "torch.sigmoid(net)",
    "tanh": "torch.tanh(net)",
    "ReLU": "torch.relu(net)",
    "LReLU": "torch.nn.functional.leaky_relu(net, {a})",
    "PReLU": "torch.nn.functional.prelu(net, torch.tensor([{a}], dtype=torch.float64))",
}
FORMULAS = {
    "sigmoid": ("1 / (1 + e^(−net))", "φ (1 − φ)"),
    "tanh": ("(e^net − e^(−net)) / (e^net + e^(−net))", "1 − φ²"),
    "ReLU": ("net where net ≥ 0, else 0", "1 where net ≥ 0, else 0"),
    "LReLU": ("net where net ≥ 0, else a·net", "1 where net ≥ 0, else a"),
    "PReLU": ("net where net ≥ 0, else a·net", "1 where net ≥ 0, else a"),
}


def phi_and_slope(name, a=0.0):
    """Return φ and φ′ as functions of net inputs; a is the slope on the negative side, at 0 it is the lecture's, 1.

    >>> phi, phi_prime = phi_and_slope("LReLU", 0.1)
    >>> phi([-2, 3]), phi_prime([-2, 0, 3])
    (array([-0.2,  3. ]), array([0.1, 1. , 1. ]))
    """
    return {
        "sigmoid": (activations.sigmoid, activations.sigmoid_derivative),
        "tanh": (activations.tanh, activations.tanh_derivative),
        "ReLU": (activations.relu, activations.relu_derivative),
        "LReLU": (
            partial(activations.leaky_relu, negative_slope=a),
            partial(activations.leaky_relu_derivative, negative_slope=a),
        ),
        "PReLU": (partial(activations.prelu, weight=[a]), partial(activations.prelu_derivative, weight=[a])),
    }[name]


def hardly_learn(slopes, largest=None):
    """Return the share of slopes (n,) that are below 5 % of the `largest` in size: units that hardly an error passes.

    >>> float(hardly_learn(np.array([1.0, 0.5, 0.04, 0.0])))
    0.5
    """
    slopes = np.abs(slopes)
    return np.mean(slopes < FLAT * (slopes.max() if largest is None else largest))


def learn_slope(net, a, target, eta, steps=STEPS):
    """Return the slopes a (steps + 1,) of a PReLU that learns, by gradient descent, to answer as one of slope `target`.

        J = 1/(2N) Σ (φ(net_i) − y_i)²,    da = 1/N Σ (φ(net_i) − y_i) min(net_i, 0),    a ← a − η da

    Only negative net inputs have a say. Steps that are too long would lead out of all numbers: a stays within ±1000.

    Shapes: net (N,), the rest numbers.
    PyTorch: `torch.nn.PReLU(init=a)`, 0.5 · `mse_loss` and `torch.optim.SGD`.

    >>> learn_slope(np.array([-1.0, 1.0]), a=0.0, target=1.0, eta=1.0, steps=2)
    array([0.  , 0.5 , 0.75])
    """
    net = np.asarray(net, float)
    wanted, path = activations.prelu(net, [target]), [float(a)]
    for _ in range(steps):
        error = (activations.prelu(net, [path[-1]]) - wanted) / net.size
        _, da = activations.prelu_backward(error, net, [path[-1]])
        path.append(min(max(path[-1] - eta * float(da[0]), -FARTHEST), FARTHEST))
    return np.array(path)


# A student's φ and φ′.


@dataclass(frozen=True)
class Own:
    """A student's φ on the net inputs NET, its slope, and what is to be said about them."""

    y: np.ndarray
    slope: np.ndarray
    verdict: Verdict


def take_own(function, derivative=None):
    """Run a student's φ, and compare φ′ with the slope that φ has by differences, except at corners.

    >>> take_own(np.tanh, lambda net: 1 - np.tanh(net)).verdict.sentence[:73]
    'your function: the slope of tanh at net = -6 is 2.46e-05 by differences, '
    """
    y, wrong = _values(function, NET)
    if wrong:
        return Own(np.full(NET.shape, np.nan), np.full(NET.shape, np.nan), Verdict(wrong))
    h = 1e-5
    after, _ = _values(function, NET + h)
    before, _ = _values(function, NET - h)
    if after is None or before is None:
        after, before = y + h * np.gradient(y, NET), y - h * np.gradient(y, NET)
    with np.errstate(invalid="ignore"):
        by_differences = (after - before) / (2 * h)
        smooth = np.abs((after - y) - (y - before)) / h < 1e-3
    name = name_of(function)
    if derivative is None:
        return Own(y, by_differences, Verdict(f"{name} is drawn; its slope is found by differences.", True))
    slope, wrong = _values(derivative, NET)
    if wrong:
        return Own(y, by_differences, Verdict(wrong))
    off = smooth & ~(np.abs(slope - by_differences) < 1e-4 * np.maximum(1, np.abs(by_differences)))
    if off.any():
        i = int(np.argmax(off))
        sentence = (
            f"{name_of(derivative)}: the slope of {name} at net = {NET[i]:.4g} is {by_differences[i]:.3g} "
            f"by differences, yours is {slope[i]:.3g}. {int(off.sum())} of {int(smooth.sum())} slopes differ."
        )
        return Own(y, slope, Verdict(sentence))
    sentence = f"{name_of(derivative)} is the slope of {name} at all {int(smooth.sum())} net inputs."
    return Own(y, slope, Verdict(sentence, True))


def _values(function, net):
    """What a student's function gives for net inputs (n,), or None and what is wrong."""
    outcome, name = call(function, (net,), {}, names=("net",), seconds=SECONDS), name_of(function)
    if outcome.kind == "not implemented":
        return None, f"{name} is not implemented yet."
    if outcome.kind != "returned":
        return None, f"{name} did not give numbers: {outcome.error}"
    if outcome.changed:
        return None, f"{name} changed its own argument: work on a copy."
    try:
        values = as_numbers(outcome.value).astype(float)
    except TypeError as error:
        return None, f"{name}: {error}"
    if values.shape != net.shape:
        return None, f"{name} must return as many numbers as it gets, {net.shape}, got {values.shape}"
    return values, ""


# The panel.


def _units(mean, spread):
    return mean + spread * UNITS


@lru_cache(maxsize=64)  # the cursor moves more often than anything that the path depends on
def _path(mean, spread, a, target, eta):
    return learn_slope(_units(mean, spread), a, target, eta)


def _leaky(s):
    return s.phi in ("LReLU", "PReLU")


def _learns(s):
    return s.phi == "PReLU"


class Activation(Panel):
    """The panel of `explore_activation`."""

    title = "Activation functions and their slopes"
    controls = [
        Choice("phi", "Activation function φ", NAMES),
        Slider("net", "Cursor: net input", LEFT, RIGHT, 0.05, start=1.0),
        Slider("a", "Slope a on the left", -1.0, 1.0, 0.01, start=0.1, shown=_leaky),
        Slider("mean", "Mean of the layer's net inputs", -5.0, 5.0, 0.1, start=0.0),
        Slider("spread", "Their spread", 0.1, 5.0, 0.1, start=1.0),
        Slider("target", "Slope that is to be learnt", -1.0, 1.0, 0.01, start=0.6, shown=_learns),
        Slider("eta", "Learning rate η", 0.01, 10, log=True, start=0.1, shown=_learns),
        Slider("step", "Steps of learning", 0, STEPS, start=0, shown=_learns),
    ]
    presets = [
        Preset("Sigmoid", "Where must the cursor stand for most of an error to pass, and how much of it passes there?"),
        Preset(
            "Saturated tanh",
            "Net inputs with a spread of 3. Which spread lets nearly all of these units learn?",
            phi="tanh", spread=3.0, net=2.0,
        ),
        Preset(
            "Dead ReLU",
            "What does a unit learn whose net inputs lie left of 0? Move the mean to the right.",
            phi="ReLU", mean=-2.0, net=-1.0,
        ),
        Preset(
            "Leaky ReLU",
            "How large must a be before a unit on the left counts as learning?",
            phi="LReLU", a=0.01, mean=-1.0, net=-2.0,
        ),
        Preset(
            "PReLU learns",
            "Step by step, a goes to the slope of the target. Then move the mean to 5: why does it learn no more?",
            phi="PReLU", a=0.0, mean=-0.5, net=-2.0, step=10, eta=0.2,
        ),
    ]  # fmt: skip

    def __init__(self, function=None, derivative=None, question=None, **values):
        take_function("explore_activation", "function", function)
        take_function("explore_activation", "derivative", derivative)
        if derivative is not None and function is None:
            raise ValueError("explore_activation: a derivative needs its function, give function= as well")
        self._own = take_own(function, derivative) if function else None
        self._name = name_of(function) if function else ""
        if function is not None:
            first, *others = self.controls
            self.controls = [Choice("phi", first.label, [*NAMES, YOURS]), *others]
            values = {"phi": YOURS, **values}
        super().__init__(question, **values)

    def look(self, s):
        units, own = _units(s.mean, s.spread), self._own
        a, path = s.a, None
        if s.phi == "PReLU":
            path = _path(s.mean, s.spread, s.a, s.target, s.eta)
            a = float(path[s.step])
        if s.phi == YOURS:
            phi, phi_prime = (partial(np.interp, xp=NET, fp=fp) for fp in (own.y, own.slope))
        else:
            phi, phi_prime = phi_and_slope(s.phi, a)
        y, slope, of_units = phi(NET), phi_prime(NET), phi_prime(units)
        here, steep = float(phi(s.net)), float(phi_prime(s.net))
        largest = float(np.nanmax(np.abs(slope), initial=0.0))
        share = float(hardly_learn(of_units, largest))
        plots = [_phi_plot(s, y, here, steep, units), _slope_plot(s, slope, steep, largest, units, share)]
        if path is not None:
            plots.append(_path_plot(s, path))
        return Look(
            plots,
            caption=_caption(s, steep, share, largest),
            lines=_lines(s, a, here, steep),
            notes=_notes(s, units, path),
            verdict=own and own.verdict,
        )

    def lines(self, s):
        if s.phi == YOURS:
            net = f"import torch\n\nnet = torch.tensor({s.net}, requires_grad=True)"
            return f"{net}\n# {self._name}, written with torch, goes here"
        if s.phi == "PReLU":
            return (
                f"import torch\n\nnet = torch.tensor([...], dtype=torch.float64)  # the layer's net inputs\n"
                f"phi = torch.nn.PReLU(init={s.a}, dtype=torch.float64)\n"
                f"wanted = torch.nn.functional.prelu(net, torch.tensor([{s.target}], dtype=torch.float64))\n"
                f"optimiser = torch.optim.SGD(phi.parameters(), lr={s.eta})\n"
                f"for step in range({s.step}):\n    optimiser.zero_grad()\n"
                f"    (0.5 * torch.nn.functional.mse_loss(phi(net), wanted)).backward()\n"
                f"    optimiser.step()\nprint(phi.weight)"
            )
        return (
            f"import torch\n\nnet = torch.tensor({s.net}, dtype=torch.float64, requires_grad=True)\n"
            f"y = {TORCH[s.phi].format(a=s.a)}\ny.backward()\nprint(y.item(), net.grad.item())"
        )


def _short(number):
    return f"{number + 0.0:.3g}"


def _phi_plot(s, y, here, steep, units):
    seen = np.clip(np.nan_to_num(y), -3, 3)
    low, high = nice_limits([seen.min() - 0.3 * max(np.ptp(seen), 1.0), seen.max(), 1.0])  # room for the net inputs
    plot = Plot(
        f"φ = {s.phi} over net inputs from {LEFT:g} to {RIGHT:g}. At the cursor, net = {_short(s.net)}, "
        f"φ is {_short(here)}, and the tangent has the slope {_short(steep)}. Below, the net inputs of a layer: "
        f"the middle 80 % from {_short(np.quantile(units, 0.1))} to {_short(np.quantile(units, 0.9))}.",
        x=(LEFT, RIGHT), y=(low, high), title="φ(net)", x_label="net", moves=("net", None),
    )  # fmt: skip
    counts, edges = np.histogram(units, bins=48, range=(LEFT, RIGHT))
    plot.bars((edges[1:] + edges[:-1]) / 2, low + counts / max(counts.max(), 1) * 0.28 * (high - low), "quiet",
              width=0.85 * (edges[1] - edges[0]), base=low, label="net inputs of a layer")  # fmt: skip
    plot.rule(x=s.net, style="dotted")
    plot.line(NET, y, 0, width=2.5)
    tangent = np.array([LEFT, RIGHT])
    plot.line(tangent, here + steep * (tangent - s.net), 1, "dashed", label="tangent")
    return plot.points([s.net], [here], 1, "circle", size=1.2)


def _slope_plot(s, slope, steep, largest, units, share):
    low, high = nice_limits([*np.nan_to_num(slope), 0.0, 0.3])
    plot = Plot(
        f"The slope φ′ of {s.phi}: {_short(steep)} at the cursor, {_short(largest)} at most. "
        f"{share:.0%} of the layer's units lie where it is below {FLAT:.0%} of that.",
        x=(LEFT, RIGHT), y=(low, high), title="its slope φ′(net)", x_label="net", moves=("net", None),
    )  # fmt: skip
    flat = np.abs(slope) < FLAT * largest
    plot.area(NET, low, np.where(flat, high, low), label="hardly learns")
    plot.rule(x=s.net, style="dotted")
    plot.line(NET, slope, 0, width=2.5)
    return plot.points([s.net], [steep], 1, "circle", size=1.2)


def _path_plot(s, path):
    low, high = nice_limits([*np.clip(path, -3, 3), s.target])
    plot = Plot(
        f"The slope a, step by step: it starts at {_short(path[0])}, is {_short(path[s.step])} after {s.step} steps "
        f"and {_short(path[-1])} after {STEPS}; the target's slope is {_short(s.target)}.",
        x=(0, STEPS), y=(low, high), title="slope a while it learns", x_label="step", moves=("step", None),
    )  # fmt: skip
    plot.rule(y=s.target, color=2, style="dashed", label="target")
    plot.line(np.arange(STEPS + 1), path, 0, label="a").rule(x=s.step, style="dotted")
    return plot.points([s.step], [path[s.step]], 1, "circle", size=1.2)


def _caption(s, steep, share, largest):
    return (
        f"At net = {_short(s.net)}, φ′ is {_short(steep)}: of an error of 1, {_short(steep)} passes. "
        f"{share:.0%} of this layer's units hardly learn: "
        f"their slope is below {FLAT:.0%} of the largest, {_short(largest)}."
    )


def _lines(s, a, here, steep):
    if s.phi == YOURS:
        return [(f"φ({_short(s.net)})", _short(here)), (f"φ′({_short(s.net)})", _short(steep))]
    phi, prime = FORMULAS[s.phi]
    slope = [("a", _short(a))] if _leaky(s) else []
    return [("φ(net)", phi), ("", _short(here)), ("φ′(net)", prime), ("", _short(steep)), *slope]


def _notes(s, units, path):
    if s.net == 0 and s.phi in ("ReLU", "LReLU", "PReLU"):
        left = "0" if s.phi == "ReLU" else "a"
        where = "There is a corner at net = 0."
        return [f"{where} The lecture takes the slope on its right, 1; PyTorch the one on its left, {left}."]
    if path is None:
        return []
    negative = int((units < 0).sum())
    notes = [] if negative else ["No net input is negative: da is 0, and the slope stays what it is."]
    if not np.abs(path).max() < 100:
        notes.append("The steps are too long: a jumps over the target, further each time. Make η smaller.")
    return notes


def explore_activation(function=None, derivative=None, question=None, **settings):
    """Show an activation function and its slope, with one cursor, and which units of a layer hardly learn (part c).

    With `function(net)`, an own φ for arrays, and perhaps its `derivative(net)`, these are drawn, and the
    derivative is compared with the slope that φ has by differences. `settings` are those of `state()`:
    `explore_activation(phi="PReLU", a=0.25)`. The panel has `state()`, `load(state)`, `set(**settings)`, `code()`
    and `close()`.

    Shapes: function and derivative (n,) → (n,).
    PyTorch: `code()` gives the lines.

    >>> panel = explore_activation(phi="sigmoid", net=0)
    >>> panel.caption[:55]
    'At net = 0, φ′ is 0.25: of an error of 1, 0.25 passes. '
    """
    return Activation(function, derivative, question, **settings)
