"""The unfolding explorable: a recurrent network over a sequence, step by step, and the gradient that reaches each step.

`run_unfolded` is the model: the layers of `pnnlib.rnn.unfold`, forward, and back; `Unfold` is the panel.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np

from pnnlib import activations
from pnnlib.explore.cross_correlation import brief
from pnnlib.explore.panel import Button, Choice, Look, Number, Panel, Plot, Preset, Slider, Verdict
from pnnlib.explore.panel import beside, name_of, nice_limits, take_function
from pnnlib.linear import linear, linear_backward
from pnnlib.rnn import unfold

SHOWN = 4  # steps that fit into the drawing
ALTERNATING, CLICK, ONES, NOISE = "1, 0, 1, 0, …", "a click, then silence", "all 1", "random"
INPUT_SPREAD = 0.2  # of the weights from the input to many units
# φ, its backward, with PyTorch's slope at 0, and PyTorch's name.
PHI = {
    "tanh": (activations.tanh, activations.tanh_backward, "torch.tanh"),
    "ReLU": (activations.relu, partial(activations.relu_backward, at_zero=0), "torch.relu"),
}
SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


@dataclass(frozen=True)
class Unfolded:
    """What an unfolded network of T layers and m units computes, forward and back.

    h (T + 1, m) states, h[0] before the first step; g (T + 1, m) the gradient that reaches each of them; delta (T, m)
    at the net input of each step; dw_xh (T, m, n) and dw_hh (T, m, m) what each step adds to the gradient of the
    weights, which all steps share.
    """

    h: np.ndarray
    g: np.ndarray
    delta: np.ndarray
    dw_xh: np.ndarray
    dw_hh: np.ndarray


def run_unfolded(x, h0, w_xh, w_hh, b, dh, phi="tanh"):
    """Run a recurrent network as the deep network that it is, one layer for each step, forward and back (part a).

        h_t = φ(W_hh h_{t−1} + (W_xh x_t + b))         a layer with the weight W_hh and a bias of its own
        δ_t = g_t φ′(net_t),    g_{t−1} = W_hhᵀ δ_t    from g_T = dh on
        dW_xh = Σ_t δ_t x_tᵀ,    dW_hh = Σ_t δ_t h_{t−1}ᵀ,    db = Σ_t δ_t

    The sums are those of `rnn.rnn_backward`; here each step's part is kept.

    Shapes: x (T, n), h0 (m,), w_xh (m, n), w_hh (m, m), b (m,), dh (m,) the gradient at the last state → `Unfolded`.
    PyTorch: `code()` of the panel gives the lines.

    >>> run = run_unfolded([[1.0], [0.0], [1.0]], [0.0], [[1.0]], [[0.5]], [0.0], [1.0])
    >>> run.h.ravel().round(4), run.delta.ravel().round(4)
    (array([0.    , 0.7616, 0.3634, 0.828 ]), array([0.0287, 0.1365, 0.3144]))
    """
    forward, backward, _ = PHI[phi]
    x, h0, dh = np.asarray(x, float), np.asarray(h0, float), np.asarray(dh, float)
    states, nets, layers = [h0[None]], [], unfold(x[:, None], h0[None], w_xh, w_hh, b)
    for weight, bias in layers:
        nets.append(linear(states[-1], weight) + bias)
        states.append(forward(nets[-1]))
    g, delta, dw_xh, dw_hh = [dh[None]], [], [], []
    for t in reversed(range(len(x))):
        delta.append(backward(g[-1], nets[t]))
        dx, dw, _ = linear_backward(delta[-1], states[t], layers[t][0])
        g.append(dx)
        dw_hh.append(dw)
        dw_xh.append(np.outer(delta[-1], x[t]))
    return Unfolded(np.concatenate(states), np.concatenate(g[::-1]), np.concatenate(delta[::-1]),
                    np.array(dw_xh[::-1]), np.array(dw_hh[::-1]))  # fmt: skip


def network_of(s):
    """Return (x, h0, w_xh, w_hh, b, dh) that the settings stand for: one unit typed by hand, or many drawn at random.

    The gradient that sets out at the last state has the length 1.
    """
    rng = np.random.default_rng(s.draw)
    m = s.units
    if m == 1:
        weights = np.array([[s.w_xh]]), np.array([[s.w_hh]]), np.array([s.b])
        dh = np.ones(1)
    else:
        weights = rng.normal(0, INPUT_SPREAD, (m, 1)), rng.normal(0, s.scale / np.sqrt(m), (m, m)), np.zeros(m)
        dh = rng.normal(size=m)
        dh /= np.linalg.norm(dh)
    t = np.arange(s.steps)
    x = {ALTERNATING: (t + 1) % 2, CLICK: t == 0, ONES: t >= 0}[s.sequence] if s.sequence != NOISE else rng.normal(size=t.size)
    return np.asarray(x, float)[:, None], np.zeros(m), *weights, dh


def _one(s):
    return s.units == 1


def _many(s):
    return s.units > 1


def _drawn(s):
    return s.units > 1 or s.sequence == NOISE


class Unfold(Panel):
    """The panel of `explore_unfold`."""

    title = "Unfolding: a recurrent network, one layer for each step"
    controls = [
        Slider("steps", "Time steps T", 2, 50, start=3),
        Slider("step", "Step to look at", 1, lambda s: s.steps, start=2),
        Choice("sequence", "Input", [ALTERNATING, CLICK, ONES, NOISE]),
        Choice("phi", "Activation function φ", PHI),
        Slider("units", "Hidden units", 1, 16, start=1),
        Slider("w_hh", "Weight back to itself, w_hh", -2.0, 2.0, 0.05, start=0.5, shown=_one),
        Slider("w_xh", "Weight of the input, w_xh", -2.0, 2.0, 0.05, start=1.0, shown=_one),
        Slider("b", "Bias b", -1.0, 1.0, 0.05, start=0.0, shown=_one),
        Slider("scale", "Scale s of W_hh", 0.1, 3.0, 0.1, start=1.0, shown=_many),
        Number("draw", "Random draw", 0, 0, 1e6, whole=True, shown=_drawn),
        Button("draw_again", "Draw again", shown=_drawn),
    ]
    presets = [
        Preset(
            "Three steps",
            "A gradient of 1 sets out at the last state. How much of it reaches h₀, and which two factors does each step "
            "put on?",
        ),
        Preset(
            "Thirty steps",
            "Nothing comes in after the first step. Which w_hh lets a thousandth of the gradient come back to the start?",
            steps=30, step=15, sequence=CLICK,
        ),
        Preset(
            "It explodes",
            "ReLU, and a weight of 1.5: how large is the gradient at the start? At which weight does it keep its size?",
            steps=30, step=15, sequence=CLICK, phi="ReLU", w_hh=1.5,
        ),
        Preset(
            "Sixteen units",
            "Weights at random: draw again, several times. How many powers of ten lie between what reaches the start?",
            steps=50, step=25, sequence=NOISE, units=16, scale=1.0,
        ),
    ]  # fmt: skip

    def __init__(self, function=None, question=None, **values):
        self._function = take_function("explore_unfold", "function", function)
        super().__init__(question, **values)

    def draw_again(self, s):
        return {"draw": s.draw + 1}

    def look(self, s):
        numbers = network_of(s)
        run = run_unfolded(*numbers, s.phi)
        return Look(
            [_drawing(s, numbers[0], run), _states(s, run), _gradients(s, run)],
            caption=_caption(s, run),
            lines=_lines(s, numbers[0], run) if s.units == 1 else _lengths(s, run),
            notes=_notes(s, run),
            verdict=self._function and self._verdict(s, numbers, run),
        )

    def lines(self, s):
        head = "import torch\n\n"
        t = f"t = torch.arange({s.steps})\n"
        x = {ALTERNATING: "(t + 1) % 2", CLICK: "t == 0", ONES: "t >= 0"}.get(s.sequence)
        x = f"{t}x = ({x}).double()[:, None]\n" if x else f"x = torch.tensor(rng.normal(size=({s.steps}, 1)))\n"
        m, draw = s.units, f"import numpy as np\nimport torch\n\nrng = np.random.default_rng({s.draw})  # the panel's draw\n"
        if m == 1:
            head = draw if s.sequence == NOISE else head
            weights = (
                f"w_xh = torch.tensor([[{s.w_xh}]], dtype=torch.float64, requires_grad=True)\n"
                f"w_hh = torch.tensor([[{s.w_hh}]], dtype=torch.float64, requires_grad=True)\n"
                f"b = torch.tensor([{s.b}], dtype=torch.float64)\ndh = torch.ones(1, dtype=torch.float64)\n"
            )
        else:
            head = draw
            weights = (
                f"w_xh = torch.tensor(rng.normal(0, {INPUT_SPREAD}, ({m}, 1)), requires_grad=True)\n"
                f"w_hh = torch.tensor(rng.normal(0, {s.scale} / np.sqrt({m}), ({m}, {m})), requires_grad=True)\n"
                f"b = torch.zeros({m}, dtype=torch.float64)\ndh = torch.tensor(rng.normal(size={m}))\ndh = dh / dh.norm()\n"
            )
        return (
            f"{head}{weights}{x}h = [torch.zeros({m}, dtype=torch.float64, requires_grad=True)]\nfor x_t in x:\n"
            f"    h.append({PHI[s.phi][2]}(w_xh @ x_t + w_hh @ h[-1] + b))\n"
            f"    h[-1].retain_grad()\nh[-1].backward(dh)\nreached = [one.grad.norm().item() for one in h]\n"
            f"print(reached, w_xh.grad, w_hh.grad)"
        )

    def close(self):
        self._function = None
        super().close()

    def _verdict(self, s, numbers, run):
        x, h0, w_xh, w_hh, _, dh = numbers
        if s.phi != "tanh":
            return Verdict(f"{name_of(self._function)} goes back through tanh: it can be compared while φ is tanh.")
        expected = run.dw_xh.sum(axis=0), run.dw_hh.sum(axis=0), run.delta.sum(axis=0)
        arguments = (dh, x, run.h[1:], h0, w_xh, w_hh)
        names = ("dh", "x", "h", "h0", "w_xh", "w_hh")
        return beside(self._function, arguments, expected, names, ("dw_xh", "dw_hh", "db"))


def _short(number):
    text = f"{number + 0.0:.3g}"
    return f"{number:.1e}" if "e" in text else text


def _signed(number):
    text = _short(number)
    return f"({text})" if text.startswith("-") else text


def _length(vector):
    return float(np.linalg.norm(vector))


def _named(letter, t):
    return f"{letter}{t}".translate(SUBSCRIPTS)


def _size(s, vector):
    """One unit's number, or the length of the vector of many."""
    return float(vector[0]) if s.units == 1 else _length(vector)


def _drawing(s, x, run):
    k = min(s.steps, SHOWN)
    first = min(max(s.step - k // 2, 1), s.steps - k + 1)  # the first step in the drawing
    steps, states = range(first, first + k), range(first - 1, first + k)
    what = "" if s.units == 1 else "length of the "
    alt = (
        f"The network unfolded over {s.steps} steps, drawn are steps {first} to {first + k - 1}: from each state an arrow "
        f"to the next, and to each an arrow from its input. Back from right to left, the {what}gradient that "
        f"reaches a state: " + ", ".join(f"{_short(_size(s, run.g[t]))} at h {t}" for t in reversed(states))
    )
    plot = Plot(f"{alt}.", x=(first - 1.45, first + k - 0.55), y=(-0.3, 4.4), axes=False, height=250,
                title=f"Steps {first} to {first + k - 1} of {s.steps}", moves=("step", None))  # fmt: skip
    for t in steps:
        chosen = t == s.step
        plot.arrow(t - 0.7, 2.1, t - 0.3, 2.1, 0, width=3.5 if chosen else 2, label="w_hh, then φ")
        plot.arrow(t, 0.75, t, 1.55, 2, "dotted", width=2.5, label="w_xh")
        plot.arrow(t - 0.15, 3.4, t - 0.85, 3.4, 1, "dashed", label="gradient")
        plot.text(t, 0.3, _brief(x[t - 1, 0]), 2, size=11, bold=chosen)
        plot.text(t, 0.3, _named("x", t), "quiet", dy=20, size=11)
    for t in states:
        value = _brief(run.h[t, 0]) if s.units == 1 else _named("h", t)
        plot.disc(t, 2.1, value, radius=17, filled=t in (s.step - 1, s.step), size=10)
        if s.units == 1:
            plot.text(t, 2.1, _named("h", t), "quiet", dy=-22, size=11)
        plot.text(t, 3.75, _brief(_size(s, run.g[t])), 1, size=11, bold=t in (s.step - 1, s.step))
    return plot


def _brief(number):
    return brief(_short(number))


def _states(s, run):
    t, now = np.arange(s.steps + 1), run.h[s.step]
    if s.units == 1:
        alt = (
            f"The state over {s.steps} steps: from 0, up to {_short(float(run.h.max()))} and down to "
            f"{_short(float(run.h.min()))}; it is {_short(float(now[0]))} at step {s.step} and "
            f"{_short(float(run.h[-1, 0]))} at the end."
        )
    else:
        alt = (
            f"The states of {s.units} units over {s.steps} steps, each a thin line, from {_short(float(run.h.min()))} to "
            f"{_short(float(run.h.max()))}; at step {s.step} the state has the length {_short(_length(now))}."
        )
    huge = bool(s.phi == "ReLU" and run.h.max() > 1000)  # then none is negative, and ticks would have too many digits
    low, high = nice_limits(run.h, log=True) if huge else nice_limits([*run.h.ravel(), -0.1, 0.1])
    title = ("State h" if s.units == 1 else "State h of each unit") + ", logarithmic" * huge
    plot = Plot(alt, x=(-0.5, s.steps + 0.5), y=(low, high), y_log=huge, title=title, x_label="step",
                moves=("step", None))  # fmt: skip
    shown = np.where(run.h > 0, run.h, np.nan) if huge else run.h
    plot.rule(x=s.step, style="dotted")
    for unit in range(s.units):
        plot.line(t, shown[:, unit], 0, width=2.5 if s.units == 1 else 1)
    if s.units == 1:
        plot.points([s.step], shown[s.step], 1, "circle", size=1.2)
    return plot


def _gradients(s, run):
    t = np.arange(s.steps + 1)
    reached, adds = np.linalg.norm(run.g, axis=1), np.linalg.norm(run.dw_hh, axis=(1, 2))
    alt = (
        f"The size of the gradient that reaches each state, on a logarithmic scale: {_short(float(reached[-1]))} at the "
        f"last, {_short(float(reached[s.step]))} at step {s.step}, {_short(float(reached[0]))} before the first. "
        f"Step {s.step} adds {_short(float(adds[s.step - 1]))} in size to the gradient of the weights w_hh."
    )
    low, high = nice_limits([*reached, *adds], log=True, least=2)
    low = max(low, high * 1e-30)
    plot = Plot(alt, x=(-0.7, s.steps + 0.7), y=(low, high), y_log=True, title="Gradient that reaches each state",
                x_label="step", moves=("step", None))  # fmt: skip
    plot.area([s.step - 0.5, s.step + 0.5], low, high)
    plot.bars(t, reached, 1, label="reaches h")
    plot.points(t[1:], np.where(adds >= low, adds, np.nan), 0, "diamond", size=0.8, label="added to dw_hh")
    for n in t[reached < low]:
        plot.text(n, low, "0", dy=-3)
    return plot


def _caption(s, run):
    last, first = _length(run.g[-1]), _length(run.g[0])
    m = s.units
    count = m * m + 2 * m
    said = f"{s.steps} layers share {count} parameters. Of a gradient of {_short(last)} at the last state, "
    if first == 0:
        return f"{said}nothing reaches the start."
    factor = (first / last) ** (1 / s.steps)
    return f"{said}{_short(first)} reaches the start: each step back multiplies its size by {_short(factor)} on average."


def _lines(s, x, run):
    t = s.step
    h, before, g, delta = (float(v) for v in (run.h[t, 0], run.h[t - 1, 0], run.g[t, 0], run.delta[t - 1, 0]))
    net = f"{_signed(s.w_xh)}·{_signed(float(x[t - 1, 0]))} + {_signed(s.w_hh)}·{_signed(before)} + {_signed(s.b)}"
    name = "tanh" if s.phi == "tanh" else "relu"
    slope = f"(1 − {_signed(h)}²)" if s.phi == "tanh" else f"{1 if h > 0 else 0}"
    ht, hb, gt, gb, dt = _named("h", t), _named("h", t - 1), _named("g", t), _named("g", t - 1), _named("δ", t)
    prime = f"(1 − {ht}²)" if s.phi == "tanh" else "φ′"
    return [
        (ht, f"{name}(w_xh·{_named('x', t)} + w_hh·{hb} + b)"), ("", f"{name}({net})"), ("", _short(h)),
        (dt, f"{gt} · {prime}"), ("", f"{_signed(g)} · {slope}"), ("", _short(delta)),
        (gb, f"w_hh · {dt}"), ("", f"{_signed(s.w_hh)} · {_signed(delta)}"), ("", _short(float(run.g[t - 1, 0]))),
        ("dw_hh", f"sum of δ·h before it, here {_signed(delta)}·{_signed(before)}"), ("", _short(float(run.dw_hh.sum()))),
    ]  # fmt: skip


def _lengths(s, run):
    t = s.step
    return [
        (f"length of {_named('g', t)}", _short(_length(run.g[t]))),
        (f"length of {_named('δ', t)}", f"{_short(_length(run.delta[t - 1]))}, after the slope of {s.phi}"),
        (f"length of {_named('g', t - 1)}", f"{_short(_length(run.g[t - 1]))}, after W_hh"),
    ]


def _notes(s, run):
    dead = np.flatnonzero((run.delta == 0).all(axis=1))
    if s.phi == "ReLU" and dead.size:
        return [f"At step {dead[-1] + 1} no net input is positive, so ReLU has the slope 0: no gradient gets past it."]
    return []


def explore_unfold(function=None, question=None, **settings):
    """Show a recurrent network unfolded in time, and the gradient that reaches each step (parts a and b).

    With `function(dh, x, h, h0, w_xh, w_hh)`, the exercise `bptt`, says whether it gives the same gradients.
    `settings` are those of `state()`: `explore_unfold(steps=30, w_hh=0.9)`.
    The panel has `state()`, `load(state)`, `set(**settings)`, `code()` and `close()`.

    Shapes: function gets dh (m,), x (T, 1), h (T, m), h0 (m,), w_xh (m, 1), w_hh (m, m) → (dw_xh, dw_hh, db).
    PyTorch: `code()` gives the lines.

    >>> panel = explore_unfold(steps=30)
    >>> panel.caption[:89]
    '30 layers share 3 parameters. Of a gradient of 1 at the last state, 2.1e-18 reaches the s'
    """
    return Unfold(function, question, **settings)
