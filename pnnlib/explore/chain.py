"""The chain explorable: a deep network with one neuron per layer, and the factor φ′(net)·w on each of its edges.

`run_chain` is the model: forward, and the error on its way back. `Chain` is its panel.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np

from pnnlib import activations
from pnnlib.explore.cross_correlation import brief
from pnnlib.explore.panel import Button, Choice, Look, Number, Panel, Plot, Preset, Slider, Switch, Verdict
from pnnlib.explore.panel import beside, name_of, nice_limits, take_function

ONE_BY_ONE = 5  # up to so many weights have a slider each
SHOWN = 5  # and so many edges fit into the drawing
LEAK = 0.1
# φ and φ′, with PyTorch's slope at 0, so that whole chains agree with it, and how PyTorch writes it.
PHI = {
    "sigmoid": (activations.sigmoid, activations.sigmoid_derivative, "torch.sigmoid(w[j] * y[j])"),
    "tanh": (activations.tanh, activations.tanh_derivative, "torch.tanh(w[j] * y[j])"),
    "ReLU": (activations.relu, partial(activations.relu_derivative, at_zero=0), "torch.relu(w[j] * y[j])"),
    f"LReLU, a = {LEAK}": (
        partial(activations.leaky_relu, negative_slope=LEAK),
        partial(activations.leaky_relu_derivative, negative_slope=LEAK, at_zero=LEAK),
        f"torch.nn.functional.leaky_relu(w[j] * y[j], {LEAK})",
    ),
}
SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


@dataclass(frozen=True)
class ChainRun:
    """What a chain of n weights computes, forward and back.

    y (n + 1,) outputs, y[0] the input; net, slope, factor (n,): net input, φ′(net), and by what the error is
    multiplied on its way past that neuron; error (n + 1,) that arrives at each output; dw (n,).
    """

    y: np.ndarray
    net: np.ndarray
    slope: np.ndarray
    factor: np.ndarray
    error: np.ndarray
    dw: np.ndarray


def run_chain(x, t, w, phi, phi_prime, eta, skip=False):
    """Run a chain with one neuron per layer forward and back (part b); with `skip`, past every neuron leads a by-pass.

        y_{j+1} = φ(w_j y_j)          factor_j = φ′(w_j y_j) w_j
        y_{j+1} = φ(w_j y_j) + y_j    factor_j = φ′(w_j y_j) w_j + 1     with skip connections (part c)

    Shapes: x, the target t and the learning rate eta numbers, w (n,), phi and phi_prime functions of single numbers
    → `ChainRun`. Without skip connections its numbers are those of `pnnlib.gradflow`.
    PyTorch: `code()` of the panel gives the lines.

    >>> run = run_chain(3, 31, [2, 0.5, 10], activations.relu, activations.relu_derivative, eta=0.1)
    >>> run.y, run.dw
    (array([ 3.,  6.,  3., 30.]), array([1.5, 6. , 0.3]))
    """
    w = np.asarray(w, float)
    by_pass = 1.0 if skip else 0.0
    y, net, slope = [float(x)], [], []
    for w_j in w.tolist():
        net.append(w_j * y[-1])
        slope.append(float(phi_prime(net[-1])))
        y.append(float(phi(net[-1])) + by_pass * y[-1])
    factor = np.array(slope) * w + by_pass
    error = [t - y[-1]]
    for f in factor[::-1].tolist():
        error.append(f * error[-1])
    y, net, slope, error = np.array(y), np.array(net), np.array(slope), np.array(error[::-1])
    return ChainRun(y, net, slope, factor, error, eta * error[1:] * slope * y[:-1])


def weights_of(s):
    """The weights (depth,) that the settings stand for: a few one by one, many by their mean and spread."""
    if s.depth <= ONE_BY_ONE:
        return np.array([getattr(s, f"w{j + 1}") for j in range(s.depth)])
    return s.mean + s.spread * np.random.default_rng(s.draw).standard_normal(s.depth)


def _w(j):
    """The lecture's name of weight j, from neuron j to the next: w₂₁ for the first."""
    return "w" + (f"{j + 1}{j}" if j < 9 else f"{j + 1},{j}").translate(SUBSCRIPTS)


def _y(j):
    return f"y{j}".translate(SUBSCRIPTS)


def _few(s):
    return s.depth <= ONE_BY_ONE


def _many(s):
    return s.depth > ONE_BY_ONE


class Chain(Panel):
    """The panel of `explore_chain`."""

    title = "A chain of neurons: what becomes of the error on its way back"
    controls = [
        Choice("phi", "Activation function φ", PHI),
        Slider("depth", "Number of weights", 3, 50, start=4),
        *(
            Slider(f"w{j}", f"Weight {_w(j)}", -5.0, 5.0, 0.1, start=1.0, shown=lambda s, j=j: _few(s) and j <= s.depth)
            for j in range(1, ONE_BY_ONE + 1)
        ),
        Slider("mean", "Mean of the weights", -5.0, 5.0, 0.1, start=1.0, shown=_many),
        Slider("spread", "Their spread", 0.0, 5.0, 0.1, shown=_many),
        Number("draw", "Random draw", 0, 0, 1e6, whole=True, shown=lambda s: _many(s) and s.spread > 0),
        Button("draw_again", "Draw again", shown=lambda s: _many(s) and s.spread > 0),
        Switch("skip", "Skip connections"),
        Slider("edge", "Weight to look at, number", 1, lambda s: s.depth, start=3),
        Slider("x", "Input x", -2.0, 2.0, 0.1, start=1.0),
        Slider("t", "Target t", -2.0, 2.0, 0.1, start=1.0),
        Slider("eta", "Learning rate η", 0.01, 100, log=True, start=2.0),
    ]
    presets = [
        Preset(
            "Four weights",
            "Δw₃₂ is larger in size than Δw₄₃, although the error has come further. Why?",
            w1=2.0, w2=-1.0, w3=2.0, w4=-2.0, edge=2,
        ),
        Preset(
            "Vanishing",
            "Twenty sigmoids. Move the mean of the weights: can you bring the factors near 1?",
            depth=20, edge=10,
        ),
        Preset(
            "Exploding",
            "Thirty weights of 1.5, and a φ that is nowhere flat. At which mean does the error keep its size?",
            depth=30, edge=1, phi=f"LReLU, a = {LEAK}", mean=1.5, eta=0.01,
        ),
        Preset(
            "By-passed",
            "The same twenty sigmoids. What does a by-pass add to each factor? Switch it off and on.",
            depth=20, edge=10, skip=True,
        ),
        Preset(
            "Random weights",
            "Draw again, several times. How many powers of ten lie between the chains?",
            depth=30, edge=1, phi="tanh", mean=0.0, spread=1.5,
        ),
    ]  # fmt: skip

    def __init__(self, function=None, question=None, **values):
        self._function = take_function("explore_chain", "function", function)
        super().__init__(question, **values)

    def draw_again(self, s):
        return {"draw": s.draw + 1}

    def look(self, s):
        w, (phi, phi_prime, _) = weights_of(s), PHI[s.phi]
        run = run_chain(s.x, s.t, w, phi, phi_prime, s.eta, s.skip)
        return Look(
            [_drawing(s, w, run), _sizes(s, run)],
            caption=_caption(s, run),
            lines=_equation(s, w, run),
            notes=_notes(s, run),
            verdict=self._function and self._verdict(s, w, phi, phi_prime, run.dw),
        )

    def lines(self, s):
        numbers = ", ".join(f"{w:.17g}" for w in weights_of(s).tolist())
        by_pass = " + y[j]" if s.skip else ""
        return (
            f"import torch\n\nx, t, eta = torch.tensor({s.x}, dtype=torch.float64), {s.t}, {s.eta}\n"
            f"w = torch.tensor([{numbers}], dtype=torch.float64, requires_grad=True)\n"
            f"y = [x]\nfor j in range(len(w)):\n    y.append({PHI[s.phi][2]}{by_pass})\n"
            f"(0.5 * (t - y[-1]) ** 2).backward()\ndw = -eta * w.grad"
        )

    def close(self):
        self._function = None
        super().close()

    def _verdict(self, s, w, phi, phi_prime, expected):
        if s.skip:
            name = name_of(self._function)
            return Verdict(f"{name} takes no skip connections: it can be compared while they are off.")
        arguments = (s.x, s.t, w, phi, phi_prime, s.eta)
        return beside(self._function, arguments, expected, ("x", "t", "w", "phi", "phi_prime", "eta"), ("Δw",))


def _short(number):
    text = f"{number + 0.0:.3g}"
    return f"{number:.1e}" if "e" in text else text


def _brief(number):
    return brief(_short(number))  # what fits into a neuron


def _drawing(s, w, run):
    n, k = s.depth, min(s.depth, SHOWN)
    first = min(max(s.edge - SHOWN // 2, 1), n - k + 1)  # the first neuron in the drawing
    edges, neurons = range(first, first + k), range(first, first + k + 1)
    part = "" if n <= SHOWN else f" Drawn are neurons {first} to {first + k}."
    alt = (
        f"A chain of {n + 1} neurons{', each with a by-pass' * s.skip}.{part} On its way back, the error is multiplied "
        + ", ".join(f"past neuron {j + 1} by {_short(run.factor[j - 1])}" for j in reversed(edges))
    )
    plot = Plot(f"{alt}.", x=(first - 0.4, first + k + 0.4), y=(0, 4), axes=False, height=240,
                x_label="in each neuron y, below it the error that arrives")  # fmt: skip
    arc = np.linspace(0.08, 0.92, 15)
    forward, back, by_pass = "forward: times w, then φ", "back: times φ′(net)·w" + " + 1" * s.skip, "by-pass: plus y"
    for j in edges:
        chosen = j == s.edge
        plot.arrow(j + 0.34, 2, j + 0.68, 2, 0, width=3.5 if chosen else 2, label=forward)
        plot.arrow(j + 0.85, 3.3, j + 0.15, 3.3, 1, "dashed", label=back)
        if s.skip:
            plot.line(j + arc, 2.45 + 0.4 * np.sin(np.pi * arc), 2, "dotted", label=by_pass)
            plot.arrow(j + 0.88, 2.62, j + 0.95, 2.4, 2)
        plot.text(j + 0.5, 3.3, _brief(run.factor[j - 1]), 1, dy=-7, size=11, bold=True)
        plot.text(j + 0.5, 2, _brief(w[j - 1]), 0, dy=22, size=11, bold=chosen)
    for j in neurons:
        plot.disc(j, 2, _brief(run.y[j - 1]), radius=17, filled=j in (s.edge, s.edge + 1), size=10)
        plot.text(j, 2, _y(j), "quiet", dy=34)
        plot.text(j, 0.3, _brief(run.error[j - 1]), 1, size=10.5)
    for there, at, anchor, dx in ((first > 1, first, "end", -18), (first + k <= n, first + k, "start", 18)):
        if there:
            plot.text(at, 2, "…", anchor=anchor, dx=dx)
    return plot


def _sizes(s, run):
    n, number = s.depth, np.arange(1, s.depth + 1)
    dw, error = np.abs(run.dw), np.abs(run.error[1:])
    low, high = nice_limits([*dw, *error], log=True, least=2)
    some = dw > 0
    alt = "Sizes on a logarithmic scale, weight by weight. "
    if some.any():
        largest, smallest = (number[some][pick(dw[some])] for pick in (np.argmax, np.argmin))
        alt += f"The largest change is {_short(dw[largest - 1])} at {_w(largest)}, "
        alt += f"the smallest {_short(dw[smallest - 1])} at {_w(smallest)}"
        alt += "." if some.all() else f"; {n - some.sum()} of {n} weights do not change at all."
    else:
        alt += "No weight changes."
    plot = Plot(
        alt, x=(0.3, n + 0.7), y=(low, high), y_log=True, title="Size of each Δw", x_label="number of the weight",
        moves=("edge", None),
    )  # fmt: skip
    plot.area([s.edge - 0.5, s.edge + 0.5], low, high)
    negative = run.dw < 0
    plot.bars(number[~negative], dw[~negative], 0, label="Δw > 0")
    plot.bars(number[negative], dw[negative], 0, hollow=True, label="Δw < 0")
    plot.line(number, error, 1, "dashed", width=1.5)
    plot.points(number, error, 1, "diamond", size=0.9, label="error behind the weight")
    for j in number[~some]:
        plot.text(j, low, "0", "ink", dy=-3)
    return plot


def _caption(s, run):
    n = s.depth
    last, early = run.error[-1], run.error[1]
    if last == 0:
        return f"Output and target are both {_short(run.y[-1])}: there is no error, and no weight changes."
    by = early / last
    return (
        f"The error is {_short(last)} at the last neuron and {_short(early)} at neuron 2: "
        f"{n - 1} factors have multiplied it by {_short(by)}. "
        f"The last weight changes by {_short(run.dw[-1])}, the first by {_short(run.dw[0])}."
    )


def _equation(s, w, run):
    """Δw of the chosen weight as the lecture writes it, and with its numbers."""
    n, j = s.depth, s.edge
    one = " + 1" if s.skip else ""
    letters, numbers = [f"η (t − {_y(n + 1)})"], [f"{_short(s.eta)} · {_bracket(run.error[-1])}"]
    behind = list(range(n, j, -1))  # the weights whose factors the error meets, from the end
    left_out = behind[2:-1] if len(behind) > 4 else []
    for i in behind:
        if left_out and i == left_out[0]:
            letters.append(f"({len(left_out)} more factors)")
            numbers.append(_bracket(np.prod([run.factor[i - 1] for i in left_out])))
        if i in left_out:
            continue
        letters.append(f"(φ′({_w(i)}{_y(i)}) {_w(i)}{one})")
        numbers.append(f"({_short(run.slope[i - 1])} · {_bracket(w[i - 1])}{one})")
    letters.append(f"φ′({_w(j)}{_y(j)}) {_y(j)}")
    numbers.append(f"{_short(run.slope[j - 1])} · {_bracket(run.y[j - 1])}")
    return [(f"Δ{_w(j)}", " · ".join(letters)), ("", " · ".join(numbers)), ("", _short(run.dw[j - 1]))]


def _bracket(number):
    text = _short(number)
    return f"({text})" if text.startswith("-") else text


def _notes(s, run):
    dead = [j + 2 for j, slope in enumerate(run.slope) if slope == 0]
    if s.phi == "ReLU" and dead:
        way = "The error gets past it only by the skip connection." if s.skip else "No error gets past it."
        return [f"The slope of neuron {dead[-1]} is 0: its net input is not positive. {way}"]
    return []


def explore_chain(function=None, question=None, **settings):
    """Show a deep network with one neuron per layer, with the factor φ′(net)·w on each edge (parts b and c).

    With `function(x, t, w, phi, phi_prime, eta)`, the exercise `chain_updates`, says whether it gives the same Δw.
    `settings` are those of `state()`: `explore_chain(depth=20, phi="tanh", mean=0.5)`.
    The panel has `state()`, `load(state)`, `set(**settings)`, `code()` and `close()`.

    Shapes: function gets and returns what `pnnlib.gradflow.chain_updates` does: w (n,) → Δw (n,).
    PyTorch: `code()` gives the lines.

    >>> panel = explore_chain(depth=20, phi="sigmoid")
    >>> panel.state()["depth"]
    20
    """
    return Chain(function, question, **settings)
