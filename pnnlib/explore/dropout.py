"""The dropout explorable: the sub-network of this step, and what all sub-networks together make of a neuron's input.

`all_masks` and `net_inputs` are the model; `DropoutPanel` is the panel. The network is small enough that all of its
sub-networks can be run: ten hidden neurons, 1024 of them.
"""

from dataclasses import dataclass
from functools import lru_cache
from types import SimpleNamespace

import numpy as np

from pnnlib.activations import relu
from pnnlib.dropout import dropout, dropout_mask
from pnnlib.exercises.calling import call
from pnnlib.exercises.given import Seed
from pnnlib.explore.cross_correlation import brief
from pnnlib.explore.panel import Look, Panel, Plot, Preset, Slider, Switch, Verdict
from pnnlib.explore.panel import beside, name_of, nice_limits, take_function
from pnnlib.linear import linear

INPUTS, HIDDEN = 3, 5
MASKS = 2 ** (2 * HIDDEN)
STEPS = 200
X = np.array([1.0, 0.5, -1.0])
W1 = np.array([[0.6, 0.4, -0.2], [0.2, 0.8, -0.4], [0.5, -0.2, -0.6], [0.9, 0.2, 0.1], [0.3, 0.6, -0.3]])
W2 = np.array(
    [[0.8, -0.3, 0.5, 0.2, -0.2], [-0.4, 0.9, 0.3, 0.6, -0.3], [0.5, 0.4, -0.6, 0.3, 0.7], [0.7, -0.5, 0.6, -0.3, 0.6],
     [-0.2, 0.6, 0.4, 0.8, -0.4]]
)  # fmt: skip
BINS = 24


@lru_cache(maxsize=64)
def last_weights(share):
    """Return w3 (1, 5): neuron 2 of the last hidden layer has this share of the output in use, the others equal parts.

    Whatever the share, the output's net input in use is 1.

    >>> last_weights(0.2).shape
    (1, 5)
    """
    y2 = relu(linear(relu(linear(X[None], W1)), W2))[0]
    parts = np.full(HIDDEN, (1 - share) / (HIDDEN - 1))
    parts[1] = share
    return (parts / y2)[None]


@lru_cache(maxsize=1)
def all_masks():
    """Return every choice of who speaks, (1024, 10): 1 for a neuron that takes part, 0 for one that is dropped.

    >>> all_masks().shape, int(all_masks().sum())
    ((1024, 10), 5120)
    """
    return (np.arange(MASKS)[:, None] >> np.arange(2 * HIDDEN) & 1).astype(float)


def probabilities(masks, p):
    """Return how probable each of the masks is: p for every neuron that is dropped, 1 − p for every one that is not.

    Shapes: masks (K, 10) → (K,).

    >>> float(probabilities(all_masks(), 0.3).sum().round(9))
    1.0
    """
    return np.prod(np.where(masks == 1, 1 - p, p), axis=1)


def net_inputs(w3, masks, p, scaled=True, both=True, training=True):
    """Run the network under each mask, and return the activities of the hidden layers and the output's net input.

        y1 = dropout(relu(W₁ x)),   y2 = dropout(relu(W₂ y1)),   net = w₃ · y2

    Without `scaled`, what is kept is not divided by 1 − p, as the lecture has it; without `both`, there is no dropout
    in the first hidden layer.

    Shapes: masks (K, 10), the first five for the first hidden layer → y1 (K, 5), y2 (K, 5), net (K,).
    PyTorch: `torch.relu`, `torch.nn.functional.linear`, and the masks by hand.

    >>> y1, y2, net = net_inputs(last_weights(0.2), np.ones((1, 10)), p=0.5, training=False)
    >>> net.round(9)
    array([1.])
    """
    share = p if scaled else 0.0  # dropout with p = 0 divides by 1, and a mask is what it is
    first, second = masks[:, :HIDDEN], masks[:, HIDDEN:]
    y1 = np.broadcast_to(relu(linear(X[None], W1)), first.shape)
    y1 = dropout(y1, share, training and both, mask=first)
    y2 = dropout(relu(linear(y1, W2)), share, training, mask=second)
    return y1, y2, linear(y2, w3)[:, 0]


def masks_of(s, steps):
    """Return the masks (steps, 10) that training draws, step by step.

    >>> masks_of(SimpleNamespace(p=0.5, both=False, draw=0), 2)[:, :5]
    array([[1., 1., 1., 1., 1.],
           [1., 1., 1., 1., 1.]])
    """
    masks = dropout_mask((steps, 2 * HIDDEN), s.p, np.random.default_rng(s.draw))
    if not s.both:
        masks[:, :HIDDEN] = 1
    return masks


@dataclass(frozen=True)
class Everything:
    """All sub-networks at once: their net inputs, how probable each is, the mean and the spread; net in use."""

    net: np.ndarray
    probability: np.ndarray
    mean: float
    spread: float
    use: float


@lru_cache(maxsize=128)
def everything(share, p, scaled, both):
    """Return what all sub-networks give, exactly, without drawing any.

    >>> run = everything(0.2, 0.5, True, False)
    >>> round(run.mean, 9), round(run.use, 9)
    (1.0, 1.0)
    """
    w3, masks = last_weights(share), all_masks()
    if not both:
        masks = masks[masks[:, :HIDDEN].all(axis=1)]
    probability = probabilities(masks if both else masks[:, HIDDEN:], p)
    net = net_inputs(w3, masks, p, scaled, both)[2]
    mean = float(probability @ net)
    spread = float(np.sqrt(probability @ (net - mean) ** 2))
    return Everything(net, probability, mean, spread, float(net_inputs(w3, masks[:1], p, training=False)[2][0]))


class DropoutPanel(Panel):
    """The panel of `explore_dropout`."""

    title = "Dropout: another sub-network in every step"
    controls = [
        Slider("p", "Share p that is dropped", 0.0, 0.9, 0.05, start=0.5),
        Slider("step", "Step of the training", 1, STEPS, shown=lambda s: s.training),
        Switch("training", "Training (off: use)", start=True),
        Switch("scaled", "Divide by 1 − p in training", start=True),
        Switch("both", "In both hidden layers", start=True),
        Slider("share", "Part of neuron 2 in the output", 0.0, 1.0, 0.05, start=0.2),
        Slider("draw", "Random draw", 0, 50, shown=lambda s: s.training),
    ]
    presets = [
        Preset("One step", "Go through some steps of the training. Does any hidden neuron take part in all of them?"),
        Preset(
            "Not divided",
            "Half of the neurons are dropped, and nothing makes up for it. How many times larger is the mean in use?",
            scaled=False, both=False, step=4,
        ),
        Preset(
            "Divided",
            "What is kept is divided by 1 − p. For which p is the mean over all sub-networks what comes in use?",
            both=False, p=0.25, step=4,
        ),
        Preset(
            "Use",
            "Switch training on and off. Who is silent in use, and does p matter there?",
            training=False, p=0.3,
        ),
        Preset(
            "One alone",
            "One neuron makes nearly all of the output. Share it out: what becomes of the spread over sub-networks?",
            both=False, share=0.9, step=4,
        ),
    ]  # fmt: skip

    def __init__(self, function=None, question=None, **values):
        self._function = take_function("explore_dropout", "function", function)
        super().__init__(question, **values)

    def look(self, s):
        w3, run = last_weights(s.share), everything(s.share, s.p, s.scaled, s.both)
        masks = masks_of(s, STEPS)
        nets = net_inputs(w3, masks, s.p, s.scaled, s.both)[2]
        here = masks[[s.step - 1]] if s.training else np.ones((1, 2 * HIDDEN))
        y1, y2, net = net_inputs(w3, here, s.p, s.scaled, s.both, s.training)
        return Look(
            [_network(s, here[0], y1[0], y2[0], net[0]), _distribution(s, run, net[0]), _mean_so_far(s, run, nets)],
            caption=_caption(s, here[0], net[0], run),
            lines=_sum(s, w3[0], here[0], y2[0], net[0]),
            notes=_notes(s, run),
            verdict=self._function and self._verdict(s, w3),
        )

    def lines(self, s):
        mask = masks_of(s, s.step)[-1] if s.training else np.ones(2 * HIDDEN)
        divided = f" / (1 - {s.p})" if s.scaled and s.training else ""
        numbers = {"x": X, "w1": W1, "w2": W2, "w3": last_weights(s.share)}
        text = "".join(f"{name} = torch.tensor({a.tolist()}, dtype=torch.float64)\n" for name, a in numbers.items())
        return (
            f"import torch\n\n{text}z1, z2 = torch.tensor({mask.reshape(2, HIDDEN).tolist()}, dtype=torch.float64)\n"
            f"y1 = torch.relu(w1 @ x) * z1{divided if s.both else ''}\ny2 = torch.relu(w2 @ y1) * z2{divided}\n"
            f"net = w3 @ y2\nprint(net.item())"
        )

    def close(self):
        self._function = None
        super().close()

    def _verdict(self, s, w3):
        """What a student's `dropout(x, p, rng, training)` makes of the last hidden layer, by its own mask."""
        name, x = name_of(self._function), net_inputs(w3, np.ones((1, 2 * HIDDEN)), s.p, training=False)[1][0]
        arguments, names = (x, s.p, Seed(s.draw), s.training), ("x", "p", "rng", "training")
        outcome = call(self._function, arguments, {}, names, seconds=2.0)
        if outcome.kind == "returned":
            if not isinstance(outcome.value, tuple) or len(outcome.value) != 2:
                return Verdict(f"{name} must return two arrays, y and the mask.")
            mask = np.asarray(outcome.value[1])
            if mask.shape != x.shape or not np.isin(mask, (0, 1)).all():
                return Verdict(f"{name}: the mask must be like x, {x.shape}, and hold zeros and ones, got {mask!r}.")
            expected = (dropout(x, s.p, s.training, mask=mask), mask if s.training else np.ones(x.shape))
        else:
            expected = (x, np.ones(x.shape))
        return beside(self._function, arguments, expected, names, ("y", "mask"))


def _short(number):
    return f"{number + 0.0:.3g}"


def _dropped(mask):
    """Which neurons are silent, in words."""
    parts = []
    for layer, some in enumerate(mask.reshape(2, HIDDEN), 1):
        gone = [str(n + 1) for n in range(HIDDEN) if not some[n]]
        if gone:
            parts.append(f"{', '.join(gone)} of hidden layer {layer}")
    return " and ".join(parts) or "none"


def _network(s, mask, y1, y2, net):
    alt = (
        f"A network with three inputs, two hidden layers of five neurons and one output, "
        f"{f'in step {s.step} of the training' if s.training else 'in use'}. Dropped: {_dropped(mask)}. "
        f"The output's net input is {_short(net)}."
    )
    plot = Plot(alt, x=(-0.35, 3.35), y=(0, 6), axes=False, height=250, title="The network " + (
        f"of step {s.step}" if s.training else "in use"))  # fmt: skip
    heights = [np.array([4.5, 3, 1.5]), np.arange(5, 0, -1.0), np.arange(5, 0, -1.0), np.array([3.0])]
    alive = [np.ones(INPUTS), mask[:HIDDEN], mask[HIDDEN:], np.ones(1)]
    for layer in range(3):
        x, y = [], []
        for a, there in zip(heights[layer], alive[layer]):
            for b, then in zip(heights[layer + 1], alive[layer + 1]):
                if there and then:
                    x += [layer + 0.1, layer + 0.9, np.nan]
                    y += [a, b, np.nan]
        plot.line(x, y, "quiet", width=1)
    for layer, values in enumerate((X, y1, y2, [net])):
        for height, value, there in zip(heights[layer], values, alive[layer]):
            if there:
                plot.disc(layer, height, brief(_short(value)), radius=15, filled=layer in (1, 2), size=10)
            else:
                plot.points([layer], [height], 1, "cross", size=1.8)
    if not mask.all():
        plot.points([], [], 1, "cross", label="dropped: its activity is 0")
    return plot


def _distribution(s, run, net):
    low, high = nice_limits([*run.net, run.use, 0], least=1.0)
    counts, edges = np.histogram(run.net, BINS, (low, high), weights=run.probability)
    top = nice_limits([0, counts.max()])[1]
    plot = Plot(
        f"How probable each net input of the output is, over all {len(run.net)} sub-networks. The mean is "
        f"{_short(run.mean)}, the spread {_short(run.spread)}; in use it is {_short(run.use)}. "
        f"{'In this step' if s.training else 'Now'} it is {_short(net)}.",
        x=(low, high), y=(0, top), title=f"How probable, of {len(run.net)} sub-networks",
        x_label="net input of the output",
    )  # fmt: skip
    plot.bars((edges[1:] + edges[:-1]) / 2, counts, "quiet", width=0.9 * (edges[1] - edges[0]))
    plot.rule(x=run.use, color=2, style="solid", label="use").rule(x=run.mean, color=1, style="dashed", label="mean")
    return plot.points([net], [0.04 * top], 0, "triangle", label="this step" if s.training else "now", size=1.4)


def _mean_so_far(s, run, nets):
    steps = np.arange(1, STEPS + 1)
    so_far = np.cumsum(nets) / steps
    low, high = nice_limits([*so_far[4:], run.use, run.mean], least=0.5)
    plot = Plot(
        f"The mean of the net input over the first steps of the training: {_short(so_far[s.step - 1])} after {s.step}, "
        f"{_short(so_far[-1])} after {STEPS}. All sub-networks have the mean {_short(run.mean)}, in use it is "
        f"{_short(run.use)}.",
        x=(0, STEPS), y=(low, high), title="Mean of the steps so far", x_label="step", moves=("step", None),
    )  # fmt: skip
    plot.rule(y=run.use, color=2, style="solid", label="use").rule(y=run.mean, color=1, label="mean of all")
    plot.line(steps, so_far, 0, label="so far")
    return plot.points([s.step], [so_far[s.step - 1]], 0, size=1.2) if s.training else plot


def _caption(s, mask, net, run):
    kept = int(mask[HIDDEN:].sum()) + (int(mask[:HIDDEN].sum()) if s.both else HIDDEN)
    now = f"In step {s.step}, {kept} of 10 hidden neurons take part" if s.training else "In use, all neurons take part"
    ratio = "" if not run.mean else f", {_short(run.use / run.mean)} times the mean"
    return (
        f"{now}, and the output's net input is {_short(net)}. Over all {len(run.net)} sub-networks it is "
        f"{_short(run.mean)} ± {_short(run.spread)}; in use it is {_short(run.use)}{ratio}."
    )


def _sum(s, w3, mask, y2, net):
    """The output's net input, as a sum over the last hidden layer."""
    divided = s.training and s.scaled and s.p > 0
    letters = "Σ w(i) z(i) x(i) / (1 − p)" if divided else "Σ w(i) z(i) x(i)" if s.training else "Σ w(i) x(i)"
    terms = [f"{_short(w3[i])} · {_short(y2[i])}" for i in range(HIDDEN) if mask[HIDDEN + i]]
    return [("net", letters), ("", " + ".join(terms) or "0: no neuron is left"), ("", _short(net))]


def _notes(s, run):
    notes = []
    if s.both and s.scaled and abs(run.mean - run.use) > 0.005 * abs(run.use):
        notes.append(
            "Two layers with a ReLU between them: a mean passes a sum unchanged, but not a ReLU, so it is only near."
        )
    if s.training and not s.scaled and s.p > 0:
        notes.append("The lecture mentions no scaling. PyTorch divides by 1 − p in training.")
    return notes


def explore_dropout(function=None, question=None, **settings):
    """Show a small network under dropout: the sub-network of a step, all of them together, and the one in use (part f).

    With `function(x, p, rng, training)`, the exercise `dropout`, says whether its y fits its own mask. `settings` are
    those of `state()`: `explore_dropout(p=0.2, scaled=False)`.
    The panel has `state()`, `load(state)`, `set(**settings)`, `code()` and `close()`.

    Shapes: function gets x (5,) and returns y and the mask, as x.
    PyTorch: `code()` gives the lines.

    >>> panel = explore_dropout(scaled=False, both=False)
    >>> panel.caption[-39:]
    '.224; in use it is 1, 2 times the mean.'
    """
    return DropoutPanel(function, question, **settings)
