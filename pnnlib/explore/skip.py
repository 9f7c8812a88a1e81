"""The skip connection explorable: what arrives of a gradient, block by block, with by-passes and without.

`run_blocks` is the model: the same weights as a plain network and with skip connections. `Skip` is the panel.
"""

from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np

from pnnlib import layers
from pnnlib.explore.panel import Button, Choice, Look, Number, Panel, Plot, Preset, Slider, Verdict
from pnnlib.explore.panel import beside, nice_limits, take_function

NEURONS, SAMPLES = 20, 20
MOST = 60  # layers
LEAK = 0.1
PHI = {
    "tanh": (layers.Tanh, "torch.tanh({})"),
    "sigmoid": (layers.Sigmoid, "torch.sigmoid({})"),
    "ReLU": (layers.ReLU, "torch.relu({})"),
    f"LReLU, a = {LEAK}": (partial(layers.LeakyReLU, LEAK), f"torch.nn.functional.leaky_relu({{}}, {LEAK})"),
}


@dataclass(frozen=True)
class Run:
    """What a network of blocks computes, with its numbers for 20 samples of 20 neurons.

    x and dy, lists of blocks + 1: what goes into each block, and the gradient that arrives there, the last of them
    at the network's output; signal and error (blocks + 1,), their norms, as parts of those at the input and at the
    output; dw (blocks · over,), the norm of the gradient of each layer's weights; bodies, the blocks without by-passes.
    """

    x: list
    dy: list
    signal: np.ndarray
    error: np.ndarray
    dw: np.ndarray
    bodies: list


def run_blocks(phi, gain, over, blocks, draw, skip):
    """Run a network of blocks forward and back; with `skip`, past each block leads a skip connection (part c).

        f(x) = φ(W φ(… W x))  with `over` layers       weights ~ N(0, gain² / 20)
        without:  y = f(x)         dx = f's backward of dy
        with:     y = x + f(x)     dx = dy + f's backward of dy

    Shapes: phi a name in PHI, gain a number, over, blocks and draw ints → `Run`.
    PyTorch: `code()` of the panel gives the lines.

    >>> plain, by_passed = (run_blocks("tanh", 0.5, over=1, blocks=50, draw=0, skip=skip) for skip in (False, True))
    >>> print(f"{plain.error[0]:.0e} {by_passed.error[0]:.0e}")
    1e-16 8e+00
    """
    rng = np.random.default_rng(draw)
    bodies = []
    for _ in range(blocks):
        body = []
        for _ in range(over):
            linear = layers.Linear(1, 1, bias=False, rng=0)  # its own first weights are not needed
            linear.weight.data = rng.normal(0, gain / np.sqrt(NEURONS), (NEURONS, NEURONS))
            body += [linear, PHI[phi][0]()]
        bodies.append(layers.Sequential(*body))
    network = [layers.Residual(body) if skip else body for body in bodies]
    x, dy = [rng.standard_normal((SAMPLES, NEURONS))], [rng.standard_normal((SAMPLES, NEURONS))]
    for block in network:
        x.append(block(x[-1]))
    for block in reversed(network):
        dy.append(block.backward(dy[-1]))
    dw = [np.linalg.norm(layer.weight.grad) for body in bodies for layer in body if isinstance(layer, layers.Linear)]
    signal, error = (np.array([np.linalg.norm(a) for a in arrays]) for arrays in (x, dy[::-1]))
    return Run(x, dy[::-1], signal / signal[0], error / error[-1], np.array(dw), bodies)


@lru_cache(maxsize=32)
def _runs(phi, gain, over, blocks, draw):
    return tuple(run_blocks(phi, gain, over, blocks, draw, skip) for skip in (False, True))


class Skip(Panel):
    """The panel of `explore_skip`."""

    title = "Skip connections: a way back without factors"
    controls = [
        Choice("phi", "Activation function φ", PHI),
        Slider("gain", "Size of the weights, times 1/√20", 0.02, 3.0, log=True, start=0.5),
        Slider("over", "Layers that a by-pass leads past", 1, 6, start=1),
        Slider("blocks", "Blocks", 2, lambda s: MOST // s.over, start=50),
        Slider("block", "Block to look at", 1, lambda s: s.blocks, start=1),
        Number("draw", "Random draw", 0, 0, 1e6, whole=True),
        Button("draw_again", "Draw again"),
    ]
    presets = [
        Preset(
            "Fifty layers",
            "Fifty layers, weights a little too small. What part of the gradient arrives at the first, without "
            "by-passes and with them?",
        ),
        Preset(
            "It explodes",
            "With by-passes this gradient explodes. How small must the weights be for less than 10 to arrive?",
            phi="ReLU", gain=1.0,
        ),
        Preset(
            "Weights near 0",
            "With weights near 0 each f does hardly anything. Does the first layer get a gradient all the same?",
            gain=0.05,
        ),
        Preset(
            "Past five layers",
            "A by-pass past five layers at a time. Do the weights get as much gradient as with one past each layer?",
            over=5, blocks=10, block=5,
        ),
    ]  # fmt: skip

    def __init__(self, function=None, backward=None, question=None, **values):
        self._function = take_function("explore_skip", "function", function)
        self._backward = take_function("explore_skip", "backward", backward)
        super().__init__(question, **values)

    def draw_again(self, s):
        return {"draw": s.draw + 1}

    def close(self):
        self._function = self._backward = None
        super().close()

    def look(self, s):
        plain, with_skip = _runs(s.phi, s.gain, s.over, s.blocks, s.draw)
        return Look(
            [_drawing(s, with_skip), _errors_plot(s, plain, with_skip), _weights_plot(s, plain, with_skip)],
            caption=_caption(s, plain, with_skip),
            lines=_equations(s, with_skip),
            table=_table(s, plain, with_skip),
            verdict=self._verdict(s, with_skip) if self._function or self._backward else None,
        )

    def lines(self, s):
        phi = PHI[s.phi][1].format("f @ one.T")
        return (
            f"import numpy as np\nimport torch\n\nrng = np.random.default_rng({s.draw})\n"
            f"w = [torch.tensor(rng.normal(0, {s.gain} / {NEURONS} ** 0.5, ({NEURONS}, {NEURONS})),"
            f" requires_grad=True)\n     for layer in range({s.blocks * s.over})]\n"
            f"start, dy = (torch.tensor(rng.standard_normal(({SAMPLES}, {NEURONS}))) for _ in range(2))\n"
            f"arrives, dw = {{}}, {{}}\n"
            f"for skip in (False, True):\n    x = y = start.clone().requires_grad_()\n"
            f"    for block in range({s.blocks}):\n        f = y\n"
            f"        for one in w[block * {s.over}:(block + 1) * {s.over}]:\n            f = {phi}\n"
            f"        y = y + f if skip else f\n"
            f"    dx, *grads = torch.autograd.grad(y, [x, *w], dy)\n"
            f"    arrives[skip] = (dx.norm() / dy.norm()).item()\n"
            f"    dw[skip] = [one.norm().item() for one in grads]\nprint(arrives)"
        )

    def _verdict(self, s, run):
        x, dy, body = run.x[s.block - 1], run.dy[s.block], run.bodies[s.block - 1]
        verdicts = []
        if self._function:
            verdicts.append(beside(self._function, (x, lambda x: body(x)), run.x[s.block], ("x", "f"), ("y",)))
        if self._backward:
            body(x)  # its backward belongs to what it has seen last
            arguments = (dy, lambda dy: body.backward(dy))
            verdicts.append(beside(self._backward, arguments, run.dy[s.block - 1], ("dy", "f_backward"), ("dx",)))
        return Verdict(" ".join(one.sentence for one in verdicts), all(one.agrees for one in verdicts))


def _short(number):
    text = f"{number + 0.0:.3g}"
    return f"{number:.1e}" if "e" in text else text


def _ways(s, run):
    """The norms in the chosen block, on the way back: of dy, of what comes through f, and of both together."""
    dx, dy = run.dy[s.block - 1], run.dy[s.block]
    return [float(np.linalg.norm(a)) for a in (dy, dx - dy, dx)]


def _drawing(s, run):
    """The chosen block with its two ways back."""
    whole, through, both = _ways(s, run)
    k = s.block
    plot = Plot(
        f"Block {k} of {s.blocks} with its by-pass. On the way back a gradient of size {_short(whole)} arrives. "
        f"Past f goes all of it, {_short(whole)}; through f come {_short(through)}; together {_short(both)}.",
        x=(0, 10), y=(0, 6), axes=False, height=250, title=f"Block {k} of {s.blocks}, back in dashes",
        x_label="sizes of gradients (norms)",
    )  # fmt: skip
    plot.disc(1, 3, "x", radius=15).disc(5, 3, "f", radius=17, filled=True, size=13).disc(9, 3, "+", radius=15, size=15)
    plot.arrow(1.6, 3, 4.3, 3, 0, label="forward").arrow(5.7, 3, 8.4, 3, 0)
    arc = np.linspace(np.pi, 0, 25)
    plot.line(5 + 3.9 * np.cos(arc), 3.5 + 1.5 * np.sin(arc), 0).arrow(8.85, 3.75, 8.9, 3.5, 0)
    plot.arrow(8.4, 2.4, 5.7, 2.4, 1, "dashed", label="back").arrow(4.3, 2.4, 1.6, 2.4, 1, "dashed")
    plot.line(5 + 3.4 * np.cos(arc), 3.6 + 0.95 * np.sin(arc), 1, "dashed").arrow(1.65, 3.75, 1.6, 3.6, 1)
    plot.text(5, 4.55, _short(whole), 1, dy=14, size=12, bold=True)
    plot.text(7.1, 2.4, _short(whole), 1, dy=17, bold=True).text(2.9, 2.4, _short(through), 1, dy=17, bold=True)
    plot.text(9.3, 1.2, f"dy {_short(whole)}", 1, anchor="end").text(0.7, 1.2, f"dx {_short(both)}", 1, anchor="start")
    return plot.text(5, 1.2, "through f", "quiet").text(5, 5.0, "by-pass", "quiet", dy=-8)


def _errors_plot(s, plain, with_skip):
    number = np.arange(1, s.blocks + 2)
    low, high = nice_limits([*plain.error, *with_skip.error], log=True, least=2)
    at = s.block - 1
    plot = Plot(
        f"What arrives of the gradient in front of each block, on a logarithmic scale, 1 at the output. In front of "
        f"block 1: {_short(plain.error[0])} without by-passes, {_short(with_skip.error[0])} with them. "
        f"In front of block {s.block}: {_short(plain.error[at])} and {_short(with_skip.error[at])}.",
        x=(0.5, s.blocks + 1.5), y=(low, high), y_log=True, title="Gradient, block by block",
        x_label="in front of block", height=250, moves=("block", None),
    )  # fmt: skip
    plot.rule(x=s.block, style="dotted").rule(y=1, style="dotted")
    return _two(plot, number, plain.error, with_skip.error)


def _weights_plot(s, plain, with_skip):
    number = np.arange(1, len(plain.dw) + 1)
    low, high = nice_limits([*plain.dw, *with_skip.dw], log=True, least=2)
    first, last = (s.block - 1) * s.over, s.block * s.over - 1
    where = f"layer {first + 1}" if s.over == 1 else f"layers {first + 1} to {last + 1}, of block {s.block}"
    plot = Plot(
        f"Size of the gradient of each layer's weights, on a logarithmic scale. In {where}: without by-passes "
        f"{_range(plain.dw[first : last + 1])}, with them {_range(with_skip.dw[first : last + 1])}. In the last layer "
        f"{_short(plain.dw[-1])} and {_short(with_skip.dw[-1])}.",
        x=(0.5, len(number) + 0.5), y=(low, high), y_log=True, title="Gradient of the weights", x_label="layer",
        height=250,
    )  # fmt: skip
    plot.area([first + 0.5, last + 1.5], low, high)
    return _two(plot, number, plain.dw, with_skip.dw)


def _two(plot, number, plain, with_skip):
    for values, color, style, marker, name in (
        (plain, 1, "dashed", "diamond", "without"), (with_skip, 0, "solid", "circle", "with by-passes"),
    ):  # fmt: skip
        plot.line(number, values, color, style).points(number, values, color, marker, size=0.7, label=name)
    return plot


def _range(values):
    low, high = float(values.min()), float(values.max())
    return _short(low) if low == high else f"{_short(low)} to {_short(high)}"


def _caption(s, plain, with_skip):
    return (
        f"At the input of {s.blocks * s.over} layers {_short(plain.error[0])} of the gradient arrives without "
        f"by-passes, and {_short(with_skip.error[0])} with them. The weights of layer 1 get {_short(plain.dw[0])} and "
        f"{_short(with_skip.dw[0])}. The signal leaves with {_short(plain.signal[-1])} and "
        f"{_short(with_skip.signal[-1])} times its size."
    )


def _equations(s, run):
    """One number of the chosen block, forward and back."""
    k = s.block
    x, y, dx, dy = (float(a[0, 0]) for a in (run.x[k - 1], run.x[k], run.dy[k - 1], run.dy[k]))
    f, back = (_bracket(value) for value in (y - x, dx - dy))
    return [
        ("y", "x + f(x), the first number of the block"),
        ("", f"{_short(x)} + {f}"),
        ("", _short(y)),
        ("dx", "dy + f's backward of dy"),
        ("", f"{_short(dy)} + {back}"),
        ("", _short(dx)),
    ]


def _bracket(number):
    text = _short(number)
    return f"({text})" if text.startswith("-") else text


def _table(s, plain, with_skip):
    rows = [["", "without", "with by-passes"]]
    for name, part in (
        ("gradient at the input, of 1", lambda run: run.error[0]),
        ("signal at the output, of 1", lambda run: run.signal[-1]),
        ("gradient of the first weights", lambda run: run.dw[0]),
        ("gradient of the last weights", lambda run: run.dw[-1]),
    ):
        rows.append([name, _short(part(plain)), _short(part(with_skip))])
    return rows


def explore_skip(function=None, backward=None, question=None, **settings):
    """Show what arrives of a gradient, block by block, in a network with skip connections and without them (part c).

    With `function(x, f)` and `backward(dy, f_backward)`, the exercises `residual` and `residual_backward`, says whether
    they give the same for the chosen block. `settings` are those of `state()`: `explore_skip(phi="ReLU", gain=0.2)`.
    The panel has `state()`, `load(state)`, `set(**settings)`, `code()` and `close()`.

    Shapes: x and dy (20, 20); f and f_backward are functions of such arrays.
    PyTorch: `code()` gives the lines.

    >>> panel = explore_skip(blocks=20)
    >>> panel.caption[:59]
    'At the input of 20 layers 6.2e-07 of the gradient arrives w'
    """
    return Skip(function, backward, question, **settings)
