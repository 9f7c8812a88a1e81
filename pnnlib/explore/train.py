"""The training explorable: a small network learns digits live, with its curves, its masks, and each layer's gradient.

`start` makes the networks, `learn` trains one, step by step; `Train` is the panel.
"""

import copy
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from pnnlib import layers, optim
from pnnlib.explore.few_digits import few_digits, take_network
from pnnlib.explore.panel import Button, Choice, Look, Number, Panel, Plot, Preset, Slider, nice_limits
from pnnlib.explore.pictures import pictures
from pnnlib.gradflow import gradient_statistics
from pnnlib.losses import cross_entropy, misclassified
from pnnlib.networks import mlp
from pnnlib.train import batches, outputs

CONV, WIDE, DEEP, YOURS = "convolutional", "one hidden layer", "five hidden layers", "your network"
PHI = {"ReLU": layers.ReLU, "tanh": layers.Tanh, "sigmoid": layers.Sigmoid}
# Each optimiser here, in PyTorch, and its rule.
RULES = {
    "SGD": (optim.SGD, {}, "w − η dw"),
    "SGD, momentum 0.9": (optim.SGD, {"momentum": 0.9}, "w − η v, with v ← 0.9 v + dw"),
    "Adam": (optim.Adam, {}, "w − η m̂ / (√v̂ + ε)"),
}
MASKS = 8  # of the first layer, that are drawn
LOOKED_AT = 100  # digits that the gradient is measured on
FARTHEST = 1e4  # a loss beyond it is drawn there


def start(network, phi="ReLU", draw=0):
    """Return a network for the 8×8 pixels of a digit as it is before training.

    Shapes: network and phi names, draw an int → a `Sequential` that takes x (N, 1, 8, 8) and gives (N, 10).
    PyTorch: `bridge.to_torch(start(…))`.

    >>> start("convolutional").summary((1, 8, 8)).total, start("five hidden layers").summary((1, 8, 8)).total
    (1370, 3190)
    """
    rng, activation = np.random.default_rng(draw), PHI[phi]
    if network == CONV:
        return layers.Sequential(
            layers.Conv2d(1, MASKS, 3, padding=1, rng=rng), activation(), layers.MaxPool2d(2), layers.Flatten(),
            layers.Linear(MASKS * 16, 10, rng=rng),
        )  # fmt: skip
    return layers.Sequential(layers.Flatten(), *mlp([64, *([32] if network == WIDE else [20] * 5), 10], activation, rng))


@dataclass(frozen=True)
class Run:
    """What is known of a training so far, a row for each epoch, the first before any training.

    loss, accuracy (epochs + 1, 2): on known and on new digits; gradient (epochs + 1, layers): the mean size of the
    numbers in each layer's gradient; cosine (epochs + 1, layers): between its weights and their start; masks: a list
    of the first layer's weights; names of the layers with weights; lost: the loss is no finite number any more.
    """

    loss: np.ndarray
    accuracy: np.ndarray
    gradient: np.ndarray
    cosine: np.ndarray
    masks: tuple
    names: tuple
    lost: bool = False

    @property
    def epochs(self):
        return len(self.loss) - 1

    def and_then(self, other):
        """The run with one more epoch, the last row of another."""
        rows = {name: np.vstack([getattr(self, name), getattr(other, name)[-1:]]) for name in _ROWS}
        return Run(**rows, masks=(*self.masks, *other.masks), names=self.names, lost=other.lost)


_ROWS = ("loss", "accuracy", "gradient", "cosine")


def measure(model, first, known, new):
    """Return a `Run` of one row: how a network does now, on digits (x, y) that it knows and on new ones.

    `first` holds the weights that it had at the start, as `weights_of` gives them.

    >>> model, few = start("one hidden layer"), few_digits()
    >>> run = measure(model, weights_of(model), (few.x_train, few.y_train), (few.x_test, few.y_test))
    >>> run.loss.round(1), run.cosine
    (array([[2.3, 2.3]]), array([[1., 1.]]))
    """
    loss, accuracy = [], []
    for x, y in (known, new):
        output = outputs(model, x)
        loss.append(float(cross_entropy(output, y)[0]))
        accuracy.append((len(y) - misclassified(output, y)) / len(y))
    gradient = gradient_statistics(model, *(part[:LOOKED_AT] for part in known))
    weights = weights_of(model)
    cosine = [float((a * first[n]).sum() / (np.linalg.norm(a) * np.linalg.norm(first[n]) or 1)) for n, a in weights.items()]
    return Run(np.array([loss]), np.array([accuracy]), gradient.mean_abs[None], np.array([cosine]),
               (next(iter(weights.values())),), tuple(weights))  # fmt: skip


def weights_of(model):
    """Return the weights of each layer by name, but no biases: arrays with two axes or more.

    >>> [(name, w.shape) for name, w in weights_of(start("convolutional")).items()]
    [('0.weight', (8, 1, 3, 3)), ('4.weight', (10, 128))]
    """
    return {name: p.data for name, p in model.named_parameters() if p.data.ndim > 1}


def learn(model, optimizer, known, new, epochs, batch_size, rng=0):
    """Train a network, and yield (part that is done, epoch, `Run` so far) after every step; `train.fit`, to look into.

    In every epoch (part e), for each batch: the output, its error, the gradients on the way back, a step. Ends early
    when the loss is no finite number any more.

    Shapes: known and new pairs (x (N, …), y (N,)), the rest as `train.fit` takes it.
    PyTorch: `code()` of the panel has the loop.

    >>> model, few = start("one hidden layer"), few_digits()
    >>> known, new = (few.x_train[:100], few.y_train[:100]), (few.x_test, few.y_test)
    >>> *_, (done, epoch, run) = learn(model, optim.Adam(model.parameters(), lr=0.01), known, new, 5, 10)
    >>> done, epoch, run.epochs, bool(run.accuracy[-1, 0] > 0.8)
    (1.0, 5, 5, True)
    """
    rng, first = np.random.default_rng(rng), weights_of(model)
    run, step, steps = measure(model, first, known, new), 0, epochs * -(-len(known[0]) // batch_size)
    with np.errstate(over="ignore", invalid="ignore"):
        for epoch in range(1, epochs + 1):
            model.train()
            for x, y in batches(*known, batch_size, rng):
                value, dy = cross_entropy(model(x), y)
                lost = not np.isfinite(value)
                if not lost:
                    model.backward(dy)
                    optimizer.step()
                    lost = not all(np.isfinite(p.data).all() for p in optimizer.params)
                step += 1
                if lost:
                    yield 1.0, epoch, Run(**{**vars(run), "lost": True})
                    return
                if step % -(-len(known[0]) // batch_size):
                    yield step / steps, epoch, run
            model.eval()
            run = run.and_then(measure(model, first, known, new))
            yield step / steps, epoch, run


# The panel.


@lru_cache(maxsize=32)
def _before(network, phi, draw, samples):
    few, model = few_digits(), start(network, phi, draw)
    return measure(model, weights_of(model), *_parts(few, samples))


def _parts(few, samples):
    return (few.x_train[:samples], few.y_train[:samples]), (few.x_test, few.y_test)


def _ours(s):
    return s.network != YOURS


class Train(Panel):
    """The panel of `explore_train`."""

    title = "Training: a network learns to read digits"
    controls = [
        Button("train", "Train"),
        Slider("epoch", "Epoch to look at", 0, lambda s: s.epochs, start=30, only_looks=True),
        Choice("network", "Network", [CONV, WIDE, DEEP]),
        Choice("phi", "Activation function φ", PHI, shown=_ours),
        Choice("rule", "Optimiser", RULES, start="Adam"),
        Slider("eta", "Learning rate η", 0.0001, 10, log=True, start=0.01),
        Slider("samples", "Digits to learn from", 20, 500, 20, start=500),
        Slider("batch", "Digits in a batch", 5, 100, 5, start=25),
        Slider("epochs", "Epochs", 1, 30, start=10),
        Number("draw", "Random start", 0, 0, 1e6, whole=True),
    ]
    presets = [
        Preset(
            "It learns",
            "By chance, 10 of 100 digits are right. Press Train: how many new ones are right after one epoch, how many "
            "after ten?",
        ),
        Preset(
            "Learning rate",
            "Train: with this learning rate nothing is learnt. From where to where do 10 epochs get 8 of 10 new digits "
            "right?",
            network=WIDE, rule="SGD", eta=10.0,
        ),
        Preset(
            "Few digits",
            "Only 40 digits to learn from: how far apart do the two accuracies end? And with 500?",
            network=WIDE, samples=40, batch=10, epochs=20,
        ),
        Preset(
            "Deep sigmoids",
            "How many times smaller is the first layer's gradient than the last one's? Does the network learn? And with "
            "tanh?",
            network=DEEP, phi="sigmoid", rule="SGD, momentum 0.9", eta=0.05, epochs=20,
        ),
        Preset(
            "Masks",
            "Train, then move the epoch between 0 and 20. How far do the masks of the first layer turn away from their "
            "random start?",
            epochs=20, eta=0.003,
        ),
    ]  # fmt: skip

    def __init__(self, model=None, question=None, **values):
        self._own = None
        if model is not None:
            self._own = copy.deepcopy(take_network("explore_train", model, few_digits().x_test, 10))
            first = weights_of(self._own)
            if not first:
                raise ValueError("explore_train: model must have weights that can be learnt, got none")
            self.controls = [
                Choice("network", c.label, [*c.options, YOURS]) if c.name == "network" else c for c in self.controls
            ]
            values = {"network": YOURS, **values}
        super().__init__(question, **values)

    def train(self, s):
        model = copy.deepcopy(self._own) if s.network == YOURS else start(s.network, s.phi, s.draw)
        rule, options, _ = RULES[s.rule]
        optimizer = rule(model.parameters(), lr=s.eta, **options)
        known, new = _parts(few_digits(), s.samples)
        for part, epoch, run in learn(model, optimizer, known, new, s.epochs, s.batch, s.draw):
            yield part, f"epoch {epoch} of {s.epochs}", run

    def look(self, s):
        run = self.result or self._untrained(s)
        at = min(s.epoch, run.epochs)
        return Look(
            [_loss(s, run, at), _accuracy(s, run, at), _gradients(s, run, at), _masks(s, run, at)],
            caption=_caption(s, run, at, self.result is not None),
            lines=[("next w", RULES[s.rule][2]), ("η", f"{s.eta:g}")],
            table=_table(run, at),
            notes=_notes(s, run),
        )

    def lines(self, s):
        done = self.result.epochs if self.result else 0
        rule, options, _ = RULES[s.rule]
        more = "".join(f", {name}={value}" for name, value in options.items())
        make = "your_network" if s.network == YOURS else f"start({s.network!r}, {s.phi!r}, {s.draw})"
        bring = "" if s.network == YOURS else "from pnnlib.explore.train import start\n"
        return (
            f"import numpy as np\nimport torch\nfrom pnnlib.bridge import to_torch\n"
            f"from pnnlib.explore.few_digits import few_digits\n{bring}from pnnlib.train import batches\n\n"
            f"few, rng = few_digits(), np.random.default_rng({s.draw})\nmodel = to_torch({make})  # the same weights\n"
            f"optimiser = torch.optim.{rule.__name__}(model.parameters(), lr={s.eta}{more})\n"
            f"for epoch in range({min(s.epoch, done)}):\n    model.train()\n"
            f"    for x, y in batches(few.x_train[:{s.samples}], few.y_train[:{s.samples}], {s.batch}, rng):\n"
            f"        loss = torch.nn.functional.cross_entropy(model(torch.tensor(x)), torch.tensor(y))\n"
            f"        optimiser.zero_grad()\n        loss.backward()\n        optimiser.step()\n"
            f"net = model.eval()(torch.tensor(few.x_test))\n"
            f"right = (net.argmax(1) == torch.tensor(few.y_test)).double().mean()\n"
            f"print(right.item(), torch.nn.functional.cross_entropy(net, torch.tensor(few.y_test)).item())"
        )

    def close(self):
        self._own = None
        super().close()

    def _untrained(self, s):
        if s.network == YOURS:
            return measure(self._own, weights_of(self._own), *_parts(few_digits(), s.samples))
        return _before(s.network, s.phi, s.draw, s.samples)


def _short(number):
    return f"{number + 0.0:.2g}"


def _curves(alt, s, run, at, rows, title, **axis):
    plot = Plot(alt, x=(0, s.epochs), title=title, x_label="epoch", moves=("epoch", None), **axis)
    number = np.arange(run.epochs + 1)
    rows = np.clip(np.nan_to_num(rows, nan=FARTHEST), 1e-6, FARTHEST)
    plot.rule(x=s.epoch, style="dotted")
    plot.line(number, rows[:, 0], 0).points(number, rows[:, 0], 0, "circle", size=0.7, label="known digits")
    plot.line(number, rows[:, 1], 1, "dashed").points(number, rows[:, 1], 1, "diamond", size=0.7, label="new digits")
    return plot


def _loss(s, run, at):
    known, new = run.loss[at]
    alt = (
        f"The loss over {s.epochs} epochs, on a logarithmic scale; {run.epochs} are done. In epoch {at} it is "
        f"{_short(known)} on the digits that were learnt and {_short(new)} on new ones; before training it was "
        f"{_short(run.loss[0, 0])} and {_short(run.loss[0, 1])}."
    )
    limits = nice_limits(np.clip(run.loss, 1e-4, FARTHEST), log=True, least=2)
    return _curves(alt, s, run, at, run.loss, "Loss", y=limits, y_log=True)


def _accuracy(s, run, at):
    known, new = run.accuracy[at]
    alt = (
        f"The share of digits that are right over {s.epochs} epochs; {run.epochs} are done. In epoch {at} it is "
        f"{known:.0%} of those that were learnt and {new:.0%} of new ones."
    )
    return _curves(alt, s, run, at, 100 * run.accuracy, "Right, in per cent", y=(0, 105))


def _gradients(s, run, at):
    now, first, number = run.gradient[at], run.gradient[0], np.arange(1, len(run.names) + 1)
    sizes = " ".join(f"{n}: {_power(g)}." for n, g in zip(number, now)) if len(now) <= 8 else ""
    alt = (
        f"The mean size of the numbers in each layer's gradient, on a logarithmic scale, in epoch {at}, from the first "
        f"layer with weights to the last. {sizes} The smallest is {_power(now.min())}, the largest {_power(now.max())}."
    )
    low, high = nice_limits(np.r_[now, first], log=True, least=2)
    middle, half = (len(now) + 1) / 2, max(len(now) / 2 + 0.2, 1.6)  # so wide that the ticks are whole numbers
    plot = Plot(alt, x=(middle - half, middle + half), y=(low, high), y_log=True, title="Gradient of each layer",
                x_label="layer with weights")  # fmt: skip
    plot.bars(number, now, 0, label=f"in epoch {at}")
    plot.line(number, first, 1, "dashed", width=1.5)
    for n in number[now == 0]:
        plot.text(n, low, "0", dy=-3)
    return plot.points(number, first, 1, "diamond", size=0.9, label="before training")


def _as_pictures(w):
    """The first weights of a layer as pictures: the masks of a convolution, or what each unit puts on the pixels."""
    if w.ndim > 2:
        return w[:MASKS, 0].reshape(min(MASKS, len(w)), w.shape[2], -1)
    side = round(w.shape[1] ** 0.5)
    return w[:MASKS].reshape(min(MASKS, len(w)), side if side * side == w.shape[1] else 1, -1)


def _masks(s, run, at):
    w = run.masks[at]
    shown = _as_pictures(w)
    limit = float(np.abs(shown).max()) or 1.0
    what = "masks" if w.ndim > 2 else "units"
    alt = (
        f"{len(shown)} of the {len(w)} {what} of the first layer in epoch {at}, each as {shown.shape[1]} by "
        f"{shown.shape[2]} weights: {np.mean(shown > 0):.0%} of them positive, up to {_short(limit)} in size. "
        f"The cosine with their random start is {run.cosine[at, 0]:.2f}."
    )
    signs = [f"{np.sum(mask > 0)} +  {np.sum(mask < 0)} −" for mask in shown]
    title = f"First layer: {len(shown)} of {len(w)} {what}"
    plot, _ = pictures(alt, list(shown), below=signs, columns=4, title=title, changes=range(len(shown)), limit=limit,
                       rows=shown.shape[1])  # fmt: skip
    return plot


def _power(number):
    return f"{number:.1e}" if 0 < number < 0.001 else _short(number)


def _steps(s):
    return s.epochs * -(-s.samples // s.batch)


def _caption(s, run, at, trained):
    known, new = run.accuracy[at]
    if not trained:
        return (
            f"Before training: {new:.0%} of 100 new digits are right. Train will make {_steps(s)} steps with {s.rule}, "
            f"η = {s.eta:g}: {s.epochs} epochs of {s.samples} digits in batches of {s.batch}."
        )
    return (
        f"Epoch {at} of {run.epochs}: {known:.0%} of {s.samples} known digits are right, and {new:.0%} of 100 new ones. "
        f"The loss is {_short(run.loss[at, 0])} and {_short(run.loss[at, 1])}."
    )


def _table(run, at):
    head = ("layer", "gradient at first", f"in epoch {at}", "cosine")
    numbers = zip(run.names, run.gradient[0], run.gradient[at], run.cosine[at])
    return [head, *((name, _power(before), _power(now), f"{cosine:.2f}") for name, before, now, cosine in numbers)]


def _notes(s, run):
    if run.lost:
        return [
            f"In epoch {run.epochs + 1} the loss was no finite number any more, and training ended: "
            f"is the learning rate {s.eta:g} too large?"
        ]
    return []


def explore_train(model=None, question=None, **settings):
    """Let a small network learn to read digits, live, with its curves, masks and gradients (parts b, c and e).

    With `model`, a network of pnnlib or of PyTorch for pictures (N, 1, 8, 8) and ten classes, a copy of it learns.
    What it learns with are pnnlib's components, or your own where `exercises.use_mine` has put them.
    `settings` are those of `state()`: `explore_train(rule="SGD", eta=0.1)`.
    The panel has `state()`, `load(state)`, `set(**settings)`, `press("train")`, `code()` and `close()`.

    Shapes: model (N, 1, 8, 8) → (N, 10).
    PyTorch: `code()` gives the lines.

    >>> panel = explore_train(epochs=2)
    >>> panel.press("train")
    >>> panel.caption[:13], panel.result.accuracy.shape
    ('Epoch 2 of 2:', (3, 2))
    """
    return Train(model, question, **settings)
