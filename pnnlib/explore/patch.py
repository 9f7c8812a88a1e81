"""The patch explorable: a pattern that makes a network see what it wants, moved about in a picture.

`seen`, `everywhere` and `learn` are the model; `Patch` is the panel. The network is `pnnlib.pretrained`, which knows
the digits 0 to 4 in pictures of 12 by 12. Learning a patch for it takes half a second, too long for a change of the
aim, so one for each digit lies beside the weights; `python -m pnnlib.explore.patch` learns them anew. So can the panel.
"""

from functools import lru_cache
from pathlib import Path

import numpy as np

from pnnlib import adversarial, augment, pretrained, train
from pnnlib.activations import softmax
from pnnlib.explore.few_digits import few_digits, take_network
from pnnlib.explore.panel import Button, Choice, Look, Panel, Plot, Preset, Slider
from pnnlib.explore.pictures import framed

FILE = Path(__file__).parents[1] / "weights" / "patches.npz"
LEARNT, INK, RANDOM, PIECE, NONE = "learnt", "all ink", "random", "a piece of a digit", "none"
SIDE, SIZE, STEPS = 12, 5, 60
CLASSES = len(pretrained.CLASSES)


@lru_cache(maxsize=1)
def network():
    """Return the pre-trained network, in float64; the same one at every call.

    >>> network()(np.zeros((2, 1, 12, 12))).shape
    (2, 5)
    """
    return pretrained.model().astype(np.float64)


@lru_cache(maxsize=1)
def to_learn():
    """Return 250 digits from 0 to 4, each somewhere on 12 by 12 pixels: x (250, 1, 12, 12), y (250,).

    >>> to_learn()[0].shape
    (250, 1, 12, 12)
    """
    few = few_digits()
    x, y = pretrained.only(few.x_train, few.y_train, pretrained.CLASSES)
    return pretrained.anywhere(x, rng=0), y


@lru_cache(maxsize=1)
def to_try():
    """Return 50 other digits from 0 to 4, in turns, each somewhere on 12 by 12 pixels: x (50, 1, 12, 12), y (50,).

    >>> to_try()[1][:7]
    array([0, 1, 2, 3, 4, 0, 1])
    """
    few = few_digits()
    x, y = pretrained.only(few.x_test, few.y_test, pretrained.CLASSES)
    return pretrained.anywhere(x, rng=1), y


@lru_cache(maxsize=1)
def stored():
    """Return a learnt patch for each of the five digits, (5, 1, 5, 5).

    >>> stored().shape
    (5, 1, 5, 5)
    """
    with np.load(FILE) as file:
        return file["patches"].astype(np.float64)


def learn(model, target, size, steps=STEPS):
    """Learn a patch as `adversarial.learn_patch` does, and give it after every step.

        P ← P − 0.05 sign(Σ_n ∂J/∂P),   kept in [0, 1]

    J is the cost of the label `target`, in 64 pictures with the patch at random places.

    Shapes: → yields patches (1, size, size), `steps` times.
    PyTorch: a loop written by hand.

    >>> [patch.shape for patch in learn(network(), target=3, size=4, steps=2)]
    [(1, 4, 4), (1, 4, 4)]
    """
    x, rng, patch = to_learn()[0], np.random.default_rng(0), np.full((1, size, size), 0.5)
    for _ in range(steps):
        some = x[rng.choice(len(x), 64, replace=False)]
        top, left = adversarial.random_places(some, patch, rng)
        dy = adversarial.input_gradient(model, adversarial.paste(some, patch, top, left), np.full(64, target))
        patch = adversarial.fgsm(patch, -adversarial.paste_backward(dy, some, patch, top, left)[1], 0.05)
        yield patch


def unturned(kind, target, size):
    """Return a patch (1, size, size) of some kind, as it was printed; grey, where none of this size has been learnt.

    >>> unturned(INK, 3, 2)[0].tolist(), unturned(LEARNT, 3, 5).shape
    ([[1.0, 1.0], [1.0, 1.0]], (1, 5, 5))
    """
    if kind == LEARNT:
        return stored()[target] if size == SIZE else np.full((1, size, size), 0.5)
    if kind == RANDOM:
        return np.random.default_rng(target).integers(2, size=(1, size, size)).astype(float)
    if kind == PIECE:
        corner = (8 - size) // 2
        return augment.crop(few_digits().x_train[target], corner, corner, size, size)  # the label of picture n is n
    return np.ones((1, size, size))


def seen(x, patch, top, left, degrees=0.0, light=1.0):
    """Return pictures with the patch in them, turned, in some light.

        Y = light · (P, turned, on the patch; X elsewhere)

    Shapes: x (N, 1, H, W), patch (1, h, w), top and left ints or (N,) → as x.
    PyTorch: `y[:, :, top:top + h, left:left + w] = patch`.

    >>> seen(np.ones((1, 1, 2, 3)), np.zeros((1, 1, 2)), 0, 1, light=0.5)[0, 0]
    array([[0.5, 0. , 0. ],
           [0.5, 0.5, 0.5]])
    """
    return light * adversarial.paste(x, augment.rotate(patch, degrees), top, left)


def everywhere(model, x, patch, target, degrees=0.0, light=1.0):
    """Return the confidence in the target with the patch at every place of one picture, and whether it is the largest.

    Shapes: x (1, 1, H, W), patch (1, h, w) → p and wins, (H − h + 1, W − w + 1).

    >>> everywhere(network(), to_try()[0][:1], stored()[3], 3)[0].shape
    (8, 8)
    """
    rows, columns = np.subtract(x.shape[2:], patch.shape[1:]) + 1
    top, left = (place.ravel() for place in np.indices((rows, columns)))
    p = softmax(train.outputs(model, seen(x.repeat(len(top), axis=0), patch, top, left, degrees, light)), dim=1)
    return p[:, target].reshape(rows, columns), (p.argmax(axis=1) == target).reshape(rows, columns)


def obeyed(model, patch, target, degrees=0.0, light=1.0):
    """Return in how many pictures of other digits the target is seen, the patch at a random place; and of how many.

    >>> obeyed(network(), stored()[3], 3)[1]
    40
    """
    x, y = to_try()
    x = x[y != target]
    y = seen(x, patch, *adversarial.random_places(x, patch, rng=0), degrees, light)
    return int((train.predict(model, y) == target).sum()), len(x)


def _there(s):
    return s.kind != NONE


class Patch(Panel):
    """The panel of `explore_patch`."""

    title = "A patch: move it about"
    controls = [
        Slider("target", "Digit the patch aims at", 0, CLASSES - 1, start=3),
        Choice("kind", "Patch", [LEARNT, INK, RANDOM, PIECE, NONE], only_looks=True),
        Slider("size", "Its size", 3, 7, start=SIZE, shown=_there),
        Slider("left", "Column of its left edge", 0, lambda s: SIDE - s.size, start=7, only_looks=True, shown=_there),
        Slider("top", "Row of its top edge", 0, lambda s: SIDE - s.size, start=7, only_looks=True, shown=_there),
        Slider("picture", "Test picture", 0, 49, start=6, only_looks=True),
        Slider("degrees", "Patch turned by", -90, 90, 5, start=0, unit="°", only_looks=True, shown=_there),
        Slider("light", "Light", 0.1, 1.0, 0.1, start=1.0, only_looks=True),
        Button("learn", "Learn a patch", shown=lambda s: s.kind == LEARNT),
    ]
    presets = [
        Preset(
            "Move it about",
            "Move the patch, also off the digit. At how many places does the network say what it wants?",
            target=4, picture=2,
        ),
        Preset(
            "All ink", "As large, but plain. Is it enough that something covers the digit?",
            kind=INK, target=4, picture=2, left=4, top=4,
        ),
        Preset(
            "Turned", "A camera may see the patch turned. Up to which angle does it still work here?",
            picture=0, left=4,
        ),
        Preset(
            "Another light", "It gets dark. Which fails first, the patch or the network?",
            light=0.8, picture=1, left=0,
        ),
        Preset(
            "Learn your own",
            "Press “Learn”: what appears in the patch? Then make it smaller, and learn again. How small can it be?",
            size=6, target=2, picture=9, left=0, top=6,
        ),
    ]  # fmt: skip

    def __init__(self, model=None, question=None, **values):
        self._own = model is not None
        self._model = take_network("explore_patch", model, to_try()[0], CLASSES) if self._own else network()
        self._everywhere = lru_cache(maxsize=64)(self._find_everywhere)
        self._obeyed = lru_cache(maxsize=64)(self._find_obeyed)
        super().__init__(question, **values)

    def learn(self, s):
        """Learn a patch of this size for this digit, step by step."""
        for step, patch in enumerate(learn(self._model, s.target, s.size), 1):
            yield step / STEPS, f"step {step} of {STEPS}", (step, patch)

    def look(self, s):
        (x, y), patch = to_try(), self._patch(s)
        x = x[[s.picture]]
        without = x if s.kind == NONE else s.light * x
        with_it = s.light * x if s.kind == NONE else seen(x, patch, s.top, s.left, s.degrees, s.light)
        before, after = softmax(train.outputs(self._model, np.concatenate([without, with_it])), dim=1)
        plots = [_drawing(s, with_it[0, 0], after), _bars(s, before, after)]
        if s.kind == NONE:
            return Look(plots, caption=_first(s, int(y[s.picture]), before, after), notes=self._notes(s))
        settings = (patch.tobytes(), s.size, s.target, s.degrees, s.light)
        p, wins = self._everywhere(s.picture, *settings)
        plots.append(_map(s, p, wins))
        many, of = self._obeyed(*settings)
        control, _ = self._obeyed(unturned(INK, s.target, s.size).tobytes(), *settings[1:])
        caption = (
            f"{_first(s, int(y[s.picture]), before, after)} It says {s.target} at {int(wins.sum())} of the {wins.size} "
            f"places of this picture, and in {many} of {of} pictures of other digits, at a random place in each; with "
            f"a patch that is all ink in {control}."
        )
        return Look(plots, caption=caption, lines=_lines(s, patch), notes=self._notes(s))

    def lines(self, s):
        model = "to_torch(model)  # your network" if self._own else "to_torch(network())"
        text = (
            f"import torch\nfrom pnnlib.bridge import to_torch\nfrom pnnlib.explore.patch import network, to_try\n\n"
            f"module = {model}\nx = torch.tensor(to_try()[0][[{s.picture}]])\n"
        )
        if s.kind != NONE:
            patch = augment.rotate(self._patch(s), s.degrees)[0]
            text += f"patch = torch.tensor({patch.tolist()}, dtype=x.dtype)\n"
            text += f"x[:, :, {s.top}:{s.top + s.size}, {s.left}:{s.left + s.size}] = patch\n"
        return f"{text}p = torch.softmax(module({s.light} * x), dim=1)\nprint(p)"

    def _patch(self, s):
        if s.kind == LEARNT and self.result:
            return self.result[1]
        return unturned(s.kind, s.target, s.size)

    def _find_everywhere(self, picture, patch, size, *others):
        return everywhere(self._model, to_try()[0][[picture]], np.frombuffer(patch).reshape(1, size, size), *others)

    def _find_obeyed(self, patch, size, *others):
        return obeyed(self._model, np.frombuffer(patch).reshape(1, size, size), *others)

    def _notes(self, s):
        notes = []
        if to_try()[1][s.picture] == s.target:
            notes.append(f"This is a {s.target} anyway: take another picture, or another aim.")
        if s.kind == LEARNT and not self.result:
            if s.size != SIZE:
                notes.append("No patch of this size has been learnt yet: it is grey. Press “Learn a patch”.")
            elif self._own:
                notes.append("This patch was learnt for another network. Press “Learn a patch” for one against yours.")
        return notes


def _said(p):
    return f"{int(p.argmax())}, with {p.max():.2f}"


def _first(s, digit, before, after):
    light = f"in {s.light:.0%} of the light"
    if s.kind == NONE:
        return f"This is a {digit}, without a patch. The network says {_said(before)}; {light} it says {_said(after)}."
    shown = f"This is a {digit}{f', {light}' if s.light < 1 else ''}."
    return f"{shown} The network says {_said(before)}; with the patch ({s.kind}) it says {_said(after)}."


def _drawing(s, picture, after):
    h = (s.size - 1) / 2 if _there(s) else 0.0  # the pointer holds the patch in its middle
    where, turned = "No patch is in it.", f", turned by {s.degrees}°" if s.degrees else ""
    if _there(s):
        where = (
            f"A patch of {s.size} by {s.size} ({s.kind}{turned}) lies in rows {s.top} to {s.top + s.size - 1} "
            f"and columns {s.left} to {s.left + s.size - 1}."
        )
    digit = int(to_try()[1][s.picture])
    plot = Plot(
        f"A picture of 12 by 12 pixels of a digit {digit}. {where} The network says {_said(after)}.",
        x=(-0.5 - h, 11.5 - h), y=(11.5 - h, -0.5 - h), axes=False, title=f"The network says {_said(after)}",
        height=318, moves=("left", "top") if _there(s) else (None, None),
    )  # fmt: skip
    framed(plot, picture, -0.5 - h, -0.5 - h)
    if _there(s):
        x = s.left - h - 0.5 + s.size * np.array([0, 1, 1, 0, 0])
        y = s.top - h - 0.5 + s.size * np.array([0, 0, 1, 1, 0])
        plot.line(x, y, 1, width=2.5)
    return plot


def _bars(s, before, after):
    digits = np.arange(CLASSES)
    alt = "Confidence in each digit, without and with the patch: "
    alt += "; ".join(f"{digit}: {a:.2f} and {b:.2f}" for digit, a, b in zip(digits, before, after))
    plot = Plot(f"{alt}.", x=(-0.6, CLASSES - 0.4), y=(0, 1.05), title="Confidence in each digit", x_label="digit")
    plot.bars(digits - 0.2, before, "quiet", 0.36, hollow=True, label="without it" if _there(s) else "full light")
    return plot.bars(digits + 0.2, after, 0, 0.36, label="with the patch" if _there(s) else "this light")


def _map(s, p, wins):
    rows, columns = p.shape
    row, column = divmod(int(p.argmax()), columns)
    plot = Plot(
        f"For every place of the patch, how sure the network is of {s.target}. It is what it says at {int(wins.sum())} "
        f"of {p.size} places. The best one is row {row}, column {column}, with {p.max():.2f}; where the patch is now, "
        f"row {s.top}, column {s.left}, it is {p[s.top, s.left]:.2f}.",
        x=(-0.5, columns - 0.5), y=(rows - 0.5, -0.5), axes=False,
        title=f"Where does it make a {s.target}? Darker: surer",
        x_label="the place of its top left corner", height=354, moves=("left", "top"),
    )  # fmt: skip
    framed(plot, p, -0.5, -0.5)
    row, column = np.nonzero(wins)
    plot.points(column, row, 0, "diamond", label=f"the network says {s.target}", size=0.8)
    x, y = s.left + np.array([-0.5, 0.5, 0.5, -0.5, -0.5]), s.top + np.array([-0.5, -0.5, 0.5, 0.5, -0.5])
    return plot.line(x, y, 1, width=3, label="now")


def _lines(s, patch):
    lines = [("Y(i, j)", f"P(i − {s.top}, j − {s.left}) on the patch, X(i, j) elsewhere")]
    if s.kind == LEARNT:
        lines.append(("P", "learnt by P ← P − 0.05 sign(Σ ∂J/∂P), over many pictures and places"))
    return lines


def explore_patch(model=None, question=None, **settings):
    """Show a patch that makes a network see what it wants, wherever it lies; move it about (part f).

    `model` is a network of your own, of pnnlib or of PyTorch, in place of `pnnlib.pretrained`. `settings` are those of
    `state()`: `explore_patch(target=0, left=2, top=3)`. The panel has `state()`, `load(state)`, `set(**settings)`,
    `press("learn")`, `code()` and `close()`.

    Shapes: model takes (N, 1, 12, 12) and gives (N, 5), the digits 0 to 4.
    PyTorch: `code()` gives the lines.

    >>> panel = explore_patch(kind="none")
    >>> panel.caption[:28]
    'This is a 2, without a patch'
    """
    return Patch(model, question, **settings)


def write(path=FILE, steps=STEPS):
    """Learn a patch for each of the five digits, and write them into a file.

    >>> import tempfile
    >>> write(Path(tempfile.mkdtemp()) / "patches.npz", steps=1)
    """
    patches = [list(learn(network(), target, SIZE, steps))[-1] for target in range(CLASSES)]
    np.savez_compressed(path, patches=np.array(patches, np.float32))


if __name__ == "__main__":
    write()
