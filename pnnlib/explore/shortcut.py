"""The shortcut explorable: two cameras, one of them faulty, and a network that goes by the camera, not by the digit.

`taken`, `broken` and `learn` are the model; `Shortcut` is the panel. Whenever the cameras change, a network with 16
hidden neurons learns to tell odd digits from even ones, from 300 pictures: in about a hundredth of a second.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from pnnlib import adversarial, optim, train
from pnnlib.explore.few_digits import few_digits
from pnnlib.explore.panel import Choice, Look, Panel, Plot, Preset, Slider
from pnnlib.explore.panel import beside, take_function
from pnnlib.explore.pictures import framed, pictures
from pnnlib.layers import Flatten, Sequential
from pnnlib.losses import cross_entropy
from pnnlib.networks import mlp

PIXEL, LIGHT = "a dead pixel", "dim light"
GRADIENT, EXCHANGE = "size of the gradient", "loss by exchange"
LEARNT, EPOCHS = 300, 8  # so many pictures, so often
CONDITIONS = ("as in training", "shortcut broken", "cameras exchanged")


def cameras(y, share, rng):
    """Return which pictures camera A takes: this share of the odd digits, and as many of the even ones as B of the odd.

    Shapes: y (N,) digits → (N,) bools.

    >>> cameras([1, 2, 3, 4], share=1, rng=0)
    array([ True, False,  True, False])
    """
    odd = np.asarray(y) % 2 == 1
    return (np.random.default_rng(rng).random(len(odd)) < share) == odd


def taken(x, from_a, fault, strength, row=0, column=7):
    """Return the pictures as the cameras take them; those of camera A have its fault.

    A dead pixel is at least as dark as `strength`; dim light takes this part of all brightness away.

    Shapes: x (N, 1, 8, 8), from_a (N,) bools → as x. PyTorch: `x * (1 - strength)`, or `x[from_a, 0, row, column]`.

    >>> taken(np.ones((2, 1, 1, 2)), np.array([True, False]), LIGHT, 0.75)[:, 0, 0, 0]
    array([0.25, 1.  ])
    """
    x = x.copy()
    if fault == LIGHT:
        x[from_a] *= 1 - strength
    else:
        x[from_a, 0, row, column] = np.maximum(x[from_a, 0, row, column], strength)
    return x


def broken(x, fault, row=0, column=7):
    """Return the pictures with the shortcut broken, whoever took them: the pixel empty, or the darkest one at 1.

    Shapes: x (N, 1, 8, 8) → as x.

    >>> broken(np.array([[[[0.1, 0.2]]]]), LIGHT)
    array([[[[0.5, 1. ]]]])
    """
    if fault == LIGHT:
        return x / np.maximum(x.max(axis=(1, 2, 3), keepdims=True), 1e-6)
    x = x.copy()
    x[:, 0, row, column] = 0
    return x


@dataclass(frozen=True)
class Learnt:
    """What came of a training: the weights after every epoch, and the shares that are right, (epochs + 1, 3)."""

    states: tuple
    shares: np.ndarray

    def after(self, epoch):
        """Return the network as it was after so many epochs, in usage mode."""
        model = Sequential(Flatten(), *mlp([64, 16, 2], rng=0)).eval()
        model.load_state_dict(self.states[epoch])
        return model


def sets_of(fault, strength, share, row=0, column=7):
    """Return the three test sets, x (100, 1, 8, 8) each, in the order of `CONDITIONS`; their labels are odd or not.

    >>> [x.shape for x in sets_of(PIXEL, 1.0, 1.0)]
    [(100, 1, 8, 8), (100, 1, 8, 8), (100, 1, 8, 8)]
    """
    few = few_digits()
    from_a = cameras(few.y_test, share, rng=1)
    same = taken(few.x_test, from_a, fault, strength, row, column)
    return same, broken(same, fault, row, column), taken(few.x_test, ~from_a, fault, strength, row, column)


@lru_cache(maxsize=64)
def learn(fault, strength, share, row=0, column=7):
    """Let a network learn odd and even from 300 pictures of these cameras, and return the `Learnt`.

    PyTorch: a loop written by hand.

    >>> learn(PIXEL, 1.0, 1.0).shares.shape
    (9, 3)
    """
    few = few_digits()
    x, y = few.x_train[:LEARNT], few.y_train[:LEARNT]
    x = taken(x, cameras(y, share, rng=0), fault, strength, row, column)
    model = Sequential(Flatten(), *mlp([64, 16, 2], rng=0))
    sets, odd = np.concatenate(sets_of(fault, strength, share, row, column)), few.y_test % 2
    states, shares = [], []

    def keep(model, history=None):
        states.append(model.state_dict())
        shares.append((model(sets).argmax(axis=1).reshape(3, -1) == odd).mean(axis=1))

    keep(model.eval())
    optimizer = optim.Adam(model.parameters(), lr=0.03)
    train.fit(
        model, x, y % 2, optimizer, loss=cross_entropy, epochs=EPOCHS, batch_size=50, callbacks=keep, progress=False,
        rng=0,
    )  # fmt: skip
    return Learnt(tuple(states), np.array(shares))


def what_it_uses(model, x, y, instrument):
    """Return a map (8, 8) of what the network uses in the pictures x, by one of two instruments.

        gradient    the mean of |∂J/∂x| over the pictures
        exchange    the accuracy that is lost when one pixel is shuffled among the pictures

    Shapes: x (N, 1, 8, 8), y (N,) 1 for odd. PyTorch: `x.grad.abs().mean((0, 1))`.

    >>> few = few_digits()
    >>> what_it_uses(learn(PIXEL, 1.0, 1.0).after(8), few.x_test, few.y_test % 2, EXCHANGE).shape
    (8, 8)
    """
    if instrument == GRADIENT:
        return np.abs(adversarial.input_gradient(model, x, y)).mean(axis=(0, 1))
    places = np.arange(64)
    shuffled = np.repeat(x.reshape(1, len(x), 64), 64, axis=0)
    order = np.random.default_rng(0).permutation(len(x))
    shuffled[places, :, places] = x.reshape(len(x), 64)[order].T
    said = train.predict(model, shuffled.reshape(-1, *x.shape[1:]), batch_size=6400).reshape(64, -1)
    return (train.accuracy(model, x, y) - (said == y).mean(axis=1)).reshape(8, 8)


def _shares(model, *cameras_of):
    """What a network has right of the three test sets of some cameras, (3,)."""
    sets = np.concatenate(sets_of(*cameras_of))
    return (model(sets).argmax(axis=1).reshape(3, -1) == few_digits().y_test % 2).mean(axis=1)


@lru_cache(maxsize=256)
def _map(fault, strength, share, row, column, epoch, instrument):
    learnt = learn(fault, strength, share, row, column)
    x = sets_of(fault, strength, share, row, column)[0]
    return what_it_uses(learnt.after(epoch), x, few_digits().y_test % 2, instrument)


class Shortcut(Panel):
    """The panel of `explore_shortcut`."""

    title = "A shortcut: the network goes by the camera"
    controls = [
        Choice("fault", "What is wrong with camera A", [PIXEL, LIGHT]),
        Slider("strength", "How strong the fault is", 0.0, lambda s: 0.9 if s.fault == LIGHT else 1.0, 0.1, start=1.0),
        Slider("row", "Row of the dead pixel", 0, 7, start=0, shown=lambda s: s.fault == PIXEL),
        Slider("column", "Column of the dead pixel", 0, 7, start=7, shown=lambda s: s.fault == PIXEL),
        Slider("share", "A's part of the odd digits", 0.5, 1.0, 0.05, start=1.0),
        Slider("epoch", "Epochs of training", 0, EPOCHS, start=EPOCHS),
        Choice("instrument", "Map of", [GRADIENT, EXCHANGE]),
    ]
    presets = [
        Preset(
            "Dead pixel",
            "Camera A takes the odd digits, B the even ones. The test is excellent. And without the dead pixel?",
        ),
        Preset(
            "Where it looks", "Move the dead pixel. Does the map find it, at every place?",
            row=6, column=0, instrument=EXCHANGE,
        ),
        Preset("Dim light", "Camera A gets little light. Which pixel gives it away?", fault=LIGHT, strength=0.7),
        Preset(
            "Not always",
            "A takes 8 of 10 odd digits and 2 of 10 even ones. From which part on does the network lean on the pixel?",
            share=0.8,
        ),
        Preset(
            "While it learns",
            "Go back through the epochs. Which does the network learn first, the camera or the digits?",
            epoch=1,
        ),
    ]  # fmt: skip

    def __init__(self, function=None, question=None, **values):
        self._function = take_function("explore_shortcut", "function", function)
        super().__init__(question, **values)

    def look(self, s):
        cameras_of = (s.fault, s.strength, s.share, s.row, s.column)
        learnt = learn(*cameras_of)
        used = _map(*cameras_of, s.epoch, s.instrument)
        now, fair = learnt.shares[s.epoch], _shares(learn(PIXEL, 0.0, 1.0).after(s.epoch), *cameras_of)
        return Look(
            [_examples(s), _drawn_map(s, used), _bars(now, fair), _curves(s, learnt.shares)],
            caption=_caption(s, now, fair),
            lines=[
                ("gap", "right, as in training − right, shortcut broken"),
                ("", f"{now[0]:.2f} − {now[1]:.2f} = {now[0] - now[1]:.2f}"),
            ],
            notes=_notes(s, used),
            verdict=self._function and self._verdict(s, learnt),
        )

    def lines(self, s):
        cameras_of = f"{s.fault!r}, {s.strength}, {s.share}, {s.row}, {s.column}"
        return (
            f"import torch\nfrom pnnlib.bridge import to_torch\nfrom pnnlib.explore.few_digits import few_digits\n"
            f"from pnnlib.explore.shortcut import learn, sets_of\n\n"
            f"module = to_torch(learn({cameras_of}).after({s.epoch}))\n"
            f"odd = torch.tensor(few_digits().y_test % 2)\n"
            f"same, broken, exchanged = map(torch.tensor, sets_of({cameras_of}))\n"
            f"right = [(module(x).argmax(1) == odd).double().mean().item() for x in (same, broken, exchanged)]\n"
            f"same.requires_grad_()\ntorch.nn.functional.cross_entropy(module(same), odd).backward()\n"
            f"used = same.grad.abs().mean((0, 1))\nprint(right, right[0] - right[1], used)"
        )

    def close(self):
        self._function = None
        super().close()

    def _verdict(self, s, learnt):
        model, x = learnt.after(s.epoch), sets_of(s.fault, s.strength, s.share, s.row, s.column)[0]

        def predict(x):
            return train.predict(model, x)

        def break_shortcut(x):
            return broken(x, s.fault, s.row, s.column)

        gap = learnt.shares[s.epoch, 0] - learnt.shares[s.epoch, 1]
        arguments = (predict, x, few_digits().y_test % 2, break_shortcut)
        return beside(self._function, arguments, gap, ("predict", "x", "y", "break_shortcut"), ("the gap",))


def _in_words(s):
    if s.fault == LIGHT:
        return f"its pictures have lost {s.strength:.0%} of the light"
    return f"its pixel in row {s.row}, column {s.column} is {s.strength:g} dark at least"


def _examples(s):
    few = few_digits()
    a = cameras(few.y_train, s.share, rng=0)
    some = [n for of_this in (a, ~a) for n in np.flatnonzero(of_this)[:2].tolist()]
    shown = taken(few.x_train[some], a[some], s.fault, s.strength, s.row, s.column)[:, 0]
    names = [f"{'odd' if n % 2 else 'even'}, {camera}" for n, camera in zip(some, "AABB")]
    alt = f"Four training pictures: {', '.join(f'a {n % 10} by camera {name[-1]}' for n, name in zip(some, names))}. "
    alt += f"Camera A is faulty: {_in_words(s)}. It takes {s.share:.0%} of the odd digits "
    alt += f"and {1 - s.share:.0%} of the even ones."
    return pictures(alt, shown, names, columns=2, title="What the cameras take")[0]


def _drawn_map(s, used):
    row, column = divmod(int(used.argmax()), 8)
    mean = float(np.abs(used).mean())
    times = f"{used.max() / mean:.1f} times the mean" if mean > 0 else "as the others"
    most = f"{used.max():.2f}" if s.instrument == EXCHANGE else times
    plot = Plot(
        f"Map of the 8 by 8 pixels: {s.instrument}, with {s.fault}, at epoch {s.epoch}. It is largest in row {row}, "
        f"column {column}: {most}.",
        x=(-0.5, 7.5), y=(7.5, -0.5), title=f"Map: {s.instrument}", x_label="column; the rows stand on the left",
        height=296, moves=("column", "row") if s.fault == PIXEL else (None, None),
    )  # fmt: skip
    framed(plot, used / max(float(used.max()), 1e-12), -0.5, -0.5)
    if s.fault == PIXEL:
        x, y = s.column + np.array([-0.4, 0.4, 0.4, -0.4, -0.4]), s.row + np.array([-0.4, -0.4, 0.4, 0.4, -0.4])
        plot.line(x, y, 1, width=2.5, label="the dead pixel")
    return plot.points([column], [row], 0, "cross", label="largest", size=1.2)


def _bars(now, fair):
    places = np.arange(3)
    alt = "Share of the 100 test pictures that is right. " + "; ".join(
        f"{name}: {a:.2f}, with two good cameras in training {b:.2f}" for name, a, b in zip(CONDITIONS, now, fair)
    )
    plot = Plot(f"{alt}.", x=(-0.6, 2.6), y=(0, 1.12), title="Right on the test", ticks=False)
    for share in (0.5, 1):
        plot.rule(y=share, width=0.5).text(-0.58, share, f"{share:g}", "quiet", "start", dy=-3)
    plot.bars(places - 0.19, now, 0, 0.34, label="these cameras")
    plot.bars(places + 0.19, fair, "quiet", 0.34, hollow=True, label="two good cameras")
    for place, name in enumerate(CONDITIONS):
        plot.text(place - 0.19, now[place], f"{now[place]:.2f}", dy=-3, size=11)
        plot.text(place, 0, name.split()[-1], dy=-5, size=11.5)
    return plot


def _curves(s, shares):
    epochs = np.arange(len(shares))
    after = zip(CONDITIONS, *shares[[1, 3, -1]])
    alt = "; ".join(f"{name}: {a:.2f}, {b:.2f} and {c:.2f}" for name, a, b, c in after)
    plot = Plot(
        f"Share that is right, epoch by epoch. {alt} after 1, 3 and {EPOCHS} epochs. The cursor is at {s.epoch}.",
        x=(0, EPOCHS), y=(0, 1.05), title="Right, epoch by epoch", x_label="epoch", moves=("epoch", None),
    )  # fmt: skip
    plot.rule(x=s.epoch, style="dotted").rule(y=0.5, width=0.8)
    names = ("training", "broken", "exchanged")
    for name, share, color, style in zip(names, shares.T, (0, 2, 1), ("solid", "dashed", "dashdot")):
        plot.line(epochs, share, color, style, label=name)
    return plot


def _caption(s, now, fair):
    return (
        f"After {s.epoch} epoch{'s' * (s.epoch != 1)} the network is right on {now[0]:.2f} of test pictures from the "
        f"same cameras, on {now[1]:.2f} with the shortcut broken, and on {now[2]:.2f} with the cameras exchanged. One "
        f"that learnt from two good cameras: {fair[0]:.2f}, {fair[1]:.2f} and {fair[2]:.2f}."
    )


def _notes(s, used):
    if s.strength == 0:
        return ["Both cameras are good: there is no shortcut."]
    if s.share == 0.5:
        return ["Both cameras take odd and even digits alike: the fault says nothing about the class."]
    if s.fault == LIGHT:
        return ["The light is in all pixels together. A map of pixels cannot show it; breaking the shortcut does."]
    return []


def explore_shortcut(function=None, question=None, **settings):
    """Show a network that tells odd from even digits by a faulty camera, and how one finds that out (part f).

    With `function(predict, x, y, break_shortcut)`, the exercise `shortcut_gap`, says whether it gives the same gap.
    `settings` are those of `state()`: `explore_shortcut(fault="dim light", strength=0.5)`. The network is trained anew
    whenever the cameras change. The panel has `state()`, `load(state)`, `set(**settings)`, `code()` and `close()`.

    Shapes: function gets x (100, 1, 8, 8) and y (100,), and returns a number.
    PyTorch: `code()` gives the lines.

    >>> panel = explore_shortcut(strength=0)
    >>> panel.picture["notes"]
    ['Both cameras are good: there is no shortcut.']
    """
    return Shortcut(function, question, **settings)
