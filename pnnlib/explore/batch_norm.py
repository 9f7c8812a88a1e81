"""The batch normalisation explorable: two inputs of a neuron before and after, in training and in use.

`samples`, `running_statistics`, `normalised` and `shares` are the model; `BatchNorm` is the panel.
"""

from functools import lru_cache

import numpy as np

from pnnlib import norm
from pnnlib.explore.panel import Button, Choice, Look, Number, Panel, Plot, Preset, Slider, Verdict
from pnnlib.explore.panel import beside, name_of, nice_limits, take_function

MOST = 200  # samples in a batch
FIRST = (1.2, -0.6)  # the first sample is the same in every draw: only its company changes
BATCHES, SEEN = 60, 32  # of the training before use: so many batches at most, of so many samples
MOMENTUM = 0.1
MODES = ("training", "use")
DRIFTS = np.array([-3.0, -1.0, 0.0, 1.0, 3.0])  # between them all is straight


def samples(n, draw, scales, mean=0.0):
    """Return a batch x (n, 2): two inputs with their spreads `scales`, and means of `mean` such spreads.

    The first sample is the same in every draw. PyTorch: the same lines; `code()` of the panel gives them.

    >>> samples(2, draw=0, scales=(1, 100))[0]
    array([  1.2, -60. ])
    """
    z = np.random.default_rng(draw).standard_normal((n, 2))
    z[0] = FIRST
    return (mean + z) * scales


@lru_cache(maxsize=64)
def running_statistics(scales, mean=0.0):
    """Return running means and variances (61, 2) of a training, before it and after each of its 60 batches of 32.

    They begin with 0 and 1 and follow `norm.update_running` with momentum 0.1 (part c).
    PyTorch: a `torch.nn.BatchNorm1d(2)` in training, its `running_mean` and `running_var`.

    >>> means, variances = running_statistics((1, 100))
    >>> means.shape, variances[0], variances[60].round(1)
    ((61, 2), array([1., 1.]), array([1.00000e+00, 1.06975e+04]))
    """
    means, variances = [np.zeros(2)], [np.ones(2)]
    for z in np.random.default_rng(1).standard_normal((BATCHES, SEEN, 2)):
        mean_after, var_after = norm.update_running((mean + z) * scales, means[-1], variances[-1], MOMENTUM)
        means.append(mean_after)
        variances.append(var_after)
    return np.array(means), np.array(variances)


def normalised(x, gamma, beta, eps, running=None):
    """Return (y, E, Var) of batch normalisation: with the batch's own E and Var, or with those in running = (E, Var).

        y = β + γ (x − E) / √(Var + ε)

    A batch of one is what it comes to by the formula, although `norm.batch_norm` and PyTorch refuse it: x is its own
    mean, so y = β.
    Shapes: x (n, 2), numbers gamma, beta and eps, running two arrays (2,) → y as x, and two arrays (2,).
    PyTorch: `torch.nn.functional.batch_norm`.

    >>> y, mean, var = normalised(np.array([[1.0, 10.0], [3.0, 30.0]]), gamma=1, beta=5, eps=1e-5)
    >>> y.round(3), mean, var
    (array([[4., 4.],
           [6., 6.]]), array([ 2., 20.]), array([  1., 100.]))
    """
    weight, bias = np.full(2, float(gamma)), np.full(2, float(beta))
    if running is not None:
        return norm.batch_norm(x, *running, weight, bias, training=False, eps=eps), *running
    if len(x) == 1:
        return np.full_like(x, beta), x[0], np.zeros(2)
    return norm.batch_norm(x, None, None, weight, bias, training=True, eps=eps), x.mean(0), x.var(0)


def shares(x):
    """Return, for each input of x (n, 2), its part of their variances' sum: how much of a neuron's answer it decides.

    The neuron adds both up with the same weight. Where nothing varies, each has NaN.

    >>> shares(np.array([[0.0, 0.0], [1.0, 3.0]]))
    array([0.1, 0.9])
    """
    var = x.var(0)
    return var / var.sum() if var.sum() > 0 else np.full(2, np.nan)


# The panel.


def _in_use(s):
    return s.mode == MODES[1]


def _scales(s):
    return (s.scale1, s.scale2)


def _running(s):
    """E and Var for use, after the batches of the training, which the drift came after."""
    means, variances = running_statistics(_scales(s), s.mean)
    return means[s.batches], variances[s.batches]


class BatchNorm(Panel):
    """The panel of `explore_batch_norm`."""

    title = "Batch normalisation: two inputs before and after"
    controls = [
        Choice("mode", "Mode", MODES),
        Slider("n", "Samples in the batch", 1, MOST, start=MOST),
        Slider("scale1", "Spread of input 1", 0.01, 1000, log=True, start=1.0),
        Slider("scale2", "Spread of input 2", 0.01, 1000, log=True, start=1.0),
        Slider("mean", "Mean, in spreads", -3.0, 3.0, 0.1, start=0.0),
        Slider("drift", "Drift, in spreads", -3.0, 3.0, 0.1, start=0.0),
        Slider("gamma", "γ", -3.0, 3.0, 0.1, start=1.0),
        Slider("beta", "β", -5.0, 5.0, 0.1, start=0.0),
        Slider("eps", "ε", 1e-5, 10, log=True, start=1e-5),
        Slider("batches", "Batches seen in training", 0, BATCHES, start=BATCHES, shown=_in_use),
        Number("draw", "Random draw", 0, 0, 1e6, whole=True),
        Button("draw_again", "Draw the other samples again"),
    ]
    presets = [
        Preset(
            "Two scales",
            "A neuron adds up both inputs with the same weight. How much of its answer does input 2 decide, before "
            "and after?",
            scale1=100, scale2=10, mean=1.0,
        ),
        Preset(
            "Drift",
            "Move the drift of the earlier layers. How far does the mean move that the next layer gets, without "
            "normalisation and with it?",
            drift=1.0, scale1=2.0, scale2=0.5,
        ),
        Preset(
            "γ and β",
            "The network may undo all this. With which γ and β comes out what went in, y = x?",
            scale1=2.0, scale2=2.0, mean=1.0,
        ),
        Preset(
            "Batch of one",
            "One sample alone, in training. What is its y, and does it depend on x? Move the drift. Then choose use.",
            n=1, drift=1.0, beta=0.5,
        ),
        Preset(
            "Training and use",
            "How many batches of training does it take until use gives what training gives?",
            mode=MODES[1], batches=5, scale1=2.0, scale2=0.5, mean=2.0,
        ),
    ]  # fmt: skip

    def __init__(self, function=None, question=None, **values):
        self._function = take_function("explore_batch_norm", "function", function)
        super().__init__(question, **values)

    def draw_again(self, s):
        return {"draw": s.draw + 1}

    def close(self):
        self._function = None
        super().close()

    def look(self, s):
        x = samples(s.n, s.draw, _scales(s), s.mean + s.drift)
        running = _running(s) if _in_use(s) else None
        y, mean, var = normalised(x, s.gamma, s.beta, s.eps, running)
        in_training = normalised(x, s.gamma, s.beta, s.eps)[0]
        return Look(
            [_histogram(s, x, "before", "x"), _histogram(s, y, "after", "y"), _drift_plot(s)],
            caption=_caption(s, x, y, in_training),
            lines=_equation(s, x, y, mean, var),
            table=_table(x, y),
            notes=_notes(s, x, var),
            verdict=self._function and self._verdict(s, x, y),
        )

    def lines(self, s):
        scales = f"torch.tensor([{s.scale1}, {s.scale2}], dtype=torch.float64)"
        layer = (
            f"layer = torch.nn.BatchNorm1d(2, eps={s.eps}, dtype=torch.float64)\n"
            f"torch.nn.init.constant_(layer.weight, {s.gamma})\ntorch.nn.init.constant_(layer.bias, {s.beta})\n"
        )
        batch = (
            f"import numpy as np\nimport torch\n\nz = np.random.default_rng({s.draw}).standard_normal(({s.n}, 2))\n"
            f"z[0] = {FIRST}\nx = ({s.mean} + {s.drift} + torch.tensor(z)) * {scales}\n"
        )
        if _in_use(s):
            training = (
                f"for z in np.random.default_rng(1).standard_normal(({BATCHES}, {SEEN}, 2))[:{s.batches}]:\n"
                f"    layer(({s.mean} + torch.tensor(z)) * {scales})\n"
            )
            return f"{batch}{layer}{training}layer.eval()\ny = layer(x)\nprint(y.mean(0), y.std(0, correction=0))"
        if s.n == 1:
            return (
                f"{batch}# torch.nn.functional.batch_norm refuses a batch of one in training; by the formula:\n"
                f"y = {s.beta} + {s.gamma} * (x - x.mean(0)) / torch.sqrt(x.var(0, correction=0) + {s.eps})\nprint(y)"
            )
        return f"{batch}{layer}y = layer(x)\nprint(y.mean(0), y.std(0, correction=0))"

    def _verdict(self, s, x, y):
        if _in_use(s):
            name = name_of(self._function)
            return Verdict(f"{name} takes no running statistics: it can be compared in training mode.")
        arguments = (x, np.full(2, s.gamma), np.full(2, s.beta), s.eps)
        return beside(self._function, arguments, y, ("x", "gamma", "beta", "eps"), ("y",))


def _short(number):
    """Three digits; what is only rounding is 0."""
    return "–" if np.isnan(number) else f"{(0.0 if abs(number) < 1e-12 else number) + 0.0:.3g}"


def _percent(share):
    return "–" if np.isnan(share) else f"{100 * share:.3g} %"


def _histogram(s, values, when, letter):
    means, spreads = values.mean(0), values.std(0)
    alt = f"Histograms {when} the normalisation, {s.n} sample{'s' * (s.n > 1)}. " + " ".join(
        f"Input {i + 1} has mean {_short(means[i])} and spread {_short(spreads[i])}; its first sample is "
        f"{_short(values[0, i])}." for i in range(2)
    )  # fmt: skip
    low, high = nice_limits(values, least=1.0 if when == "after" else 1e-3)
    bins = np.linspace(low, high, 31)
    counts = [np.histogram(values[:, i], bins)[0] for i in range(2)]
    most = nice_limits([0, max(c.max() for c in counts)], padding=0.12)[1]
    plot = Plot(alt, x=(low, high), y=(0, most), title=f"{letter}, {when}", x_label=f"{letter}, with counts upwards")
    plot.bars((bins[1:] + bins[:-1]) / 2, counts[0], 0, width=0.9 * (bins[1] - bins[0]), label="input 1")
    plot.line(np.repeat(bins, 2), np.r_[0, np.repeat(counts[1], 2), 0], 1, "solid", label="input 2")
    plot.points(values[0], np.full(2, 0.04 * most), "ink", "diamond", label="sample 1")
    return plot


def _drift_plot(s):
    """What becomes of input 1 for each drift: its mean, and a band of its spread on either side."""
    means, bands = {}, {}
    for name, mode in (("x", None), ("training", MODES[0]), ("use", MODES[1])):
        rows = []
        for drift in DRIFTS:
            x = samples(s.n, s.draw, _scales(s), s.mean + drift)
            if mode:
                x = normalised(x, s.gamma, s.beta, s.eps, _running(s) if mode == MODES[1] else None)[0]
            rows.append((x[:, 0].mean(), x[:, 0].std()))
        means[name], bands[name] = np.array(rows).T
    chosen = "use" if _in_use(s) else "training"
    said = ", ".join(
        f"{word} from {_short(means[name][0])} to {_short(means[name][-1])}"
        for name, word in (("x", "x itself"), ("training", "y in training"), ("use", "y in use"))
    )
    edges = [means[name] + side * bands[name] for name in ("x", chosen) for side in (-1, 1)]
    low, high = nice_limits([*np.concatenate(edges), *means["use"]], least=1.0)
    plot = Plot(
        f"The mean of input 1 over a drift from -3 to 3 spreads: {said}. The mark is at {_short(s.drift)}.",
        x=(-3, 3), y=(low, high), title="Input 1 over the drift", x_label="drift of the earlier layers, in spreads",
        moves=("drift", None),
    )  # fmt: skip
    color = {"training": 2, "use": 3}
    plot.area(DRIFTS, means[chosen] - bands[chosen], means[chosen] + bands[chosen], color[chosen])
    plot.line(DRIFTS, means["x"], 0, "dashed", label="x")
    plot.line(DRIFTS, means["training"], 2, "solid", width=3 if chosen == "training" else 1.5, label="y, training")
    plot.line(DRIFTS, means["use"], 3, "dotted", width=3 if chosen == "use" else 2, label="y, use")
    at = np.interp(s.drift, DRIFTS, means[chosen])
    return plot.rule(x=s.drift, style="dotted").points([s.drift], [at], color[chosen], "circle", size=1.2)


def _caption(s, x, y, in_training):
    before, after = shares(x)[1], shares(y)[1]
    if s.n == 1 and not _in_use(s):
        return (
            f"One value is its own mean: x − E is 0, and y is β = {_short(s.beta)} for x = {_short(x[0, 0])} and "
            f"for x = {_short(x[0, 1])} alike."
        )
    said = (
        f"Input 1 comes with mean {_short(x[:, 0].mean())} and spread {_short(x[:, 0].std())}, and leaves with mean "
        f"{_short(y[:, 0].mean())} and spread {_short(y[:, 0].std())}. Sample 1 has y = {_short(y[0, 0])}. "
    )
    if _in_use(s):
        mean, spread = _short(in_training[:, 0].mean()), _short(in_training[:, 0].std())
        return f"{said}Training would give it mean {mean}, spread {spread} and y = {_short(in_training[0, 0])}."
    said += f"Input 2 decides {_percent(before)} of the neuron's answer before, {_percent(after)} after. "
    return f"{said}The largest difference of y and x is {_short(np.abs(y - x).max())}."


def _equation(s, x, y, mean, var):
    source = "running" if _in_use(s) else "of the batch"
    numbers = [_short(v) for v in (s.beta, s.gamma, x[0, 0], mean[0], var[0], s.eps)]
    beta, gamma, value, e, v, eps = (f"({n})" if n.startswith("-") else n for n in numbers)
    return [
        ("E, Var", f"{_short(mean[0])}, {_short(var[0])}: {source}, of input 1"),
        ("y", "β + γ (x − E) / √(Var + ε) of sample 1"),
        ("", f"{beta} + {gamma} · ({value} − {e}) / √({v} + {eps})"),
        ("", _short(y[0, 0])),
    ]


def _table(x, y):
    rows = [["", "mean of x", "spread of x", "decides", "mean of y", "spread of y", "decides"]]
    for i in range(2):
        numbers = [
            text for a in (x, y) for text in (_short(a[:, i].mean()), _short(a[:, i].std()), _percent(shares(a)[i]))
        ]
        rows.append([f"input {i + 1}", *numbers])
    return rows


def _notes(s, x, var):
    if s.n == 1 and not _in_use(s):
        try:
            norm.batch_norm(x, training=True, eps=s.eps)
        except ValueError as error:
            return [f"That is the formula. The library refuses it: {error}."]
    notes = []
    if s.eps > 0.05 * var.min():
        i = int(np.argmin(var))
        notes.append(f"ε is no longer small beside the variance of input {i + 1}, {_short(var[i])}: y is narrower.")
    if s.gamma == 0:
        notes.append("γ = 0: every sample gives β, and nothing of x is left.")
    return notes


def explore_batch_norm(function=None, question=None, **settings):
    """Show batch normalisation of two inputs, before and after, with γ, β, ε, and in training and in use (part c).

    With `function(x, gamma, beta, eps)`, the exercise `batch_norm`, says whether it gives the same y. `settings` are
    those of `state()`: `explore_batch_norm(n=3, beta=0.5)`.
    The panel has `state()`, `load(state)`, `set(**settings)`, `code()` and `close()`.

    Shapes: function gets x (n, 2), gamma and beta (2,) and a number eps, and returns y (n, 2).
    PyTorch: `code()` gives the lines.

    >>> panel = explore_batch_norm(n=1, beta=2.0)
    >>> panel.caption[:59]
    'One value is its own mean: x − E is 0, and y is β = 2 for x'
    """
    return BatchNorm(function, question, **settings)
