"""The augmentation explorable: digits that are shifted, turned, scaled, sheared or mirrored. Which keeps the class?

`transformed` is the model, `learn_from_few` the training; `Augmentation` is the panel. The network that is asked is
`few_digits.small_network`, trained at the first look in a twentieth of a second, or a student's own. It has only seen
upright digits, so it is no judge of what keeps its class; that is why the pictures are shown.
"""

import math
from functools import lru_cache

import numpy as np

from pnnlib import augment, optim, train
from pnnlib.activations import softmax
from pnnlib.explore.few_digits import few_digits, small_network, take_network
from pnnlib.explore.panel import Button, Choice, Look, Panel, Plot, Preset, Slider, Verdict
from pnnlib.explore.panel import beside, name_of, take_function
from pnnlib.explore.pictures import pictures
from pnnlib.layers import BatchNorm2d, Conv2d, Flatten, Linear, MaxPool2d, ReLU, Sequential
from pnnlib.losses import cross_entropy

SHIFT, ROTATION, SCALE, SHEAR, FLIP = "shift", "rotation", "scale", "shear", "flip"
SIDES = {"left and right": -1, "top and bottom": -2}
# Of each that has an amount: the setting that holds it, the amounts of the curve, and what stands below it.
AMOUNTS = {
    SHIFT: ("right", np.arange(-4, 5), "pixels to the right"),
    ROTATION: ("degrees", np.arange(-180, 181, 15), "turned by, in degrees"),
    SCALE: ("factor", np.round(np.arange(0.5, 2.01, 0.1), 1), "scaled by"),
    SHEAR: ("lean", np.arange(-60, 61, 10), "sheared by, in degrees"),
}
SHOWN = 50  # of the test pictures, to choose from
FEW, EPOCHS, DRAWS = 50, 30, 3  # to learn from so many pictures, so often, so many times


def transformed(x, s):
    """Return the pictures, changed as the settings say, all in the same way.

    Shapes: x (N, 1, 8, 8) → y as x; s has kind, right, down, degrees, factor, lean, side.
    PyTorch: `code()` of the panel gives the lines.

    >>> from types import SimpleNamespace
    >>> transformed(np.array([[[[1, 2], [3, 4]]]]), SimpleNamespace(kind=FLIP, side="left and right"))[0, 0]
    array([[2., 1.],
           [4., 3.]])
    """
    if s.kind == SHIFT:
        return augment.shift(x, s.down, s.right)
    if s.kind == ROTATION:
        return augment.rotate(x, s.degrees)
    if s.kind == SCALE:
        return augment.scale(x, s.factor)
    if s.kind == SHEAR:
        return augment.shear(x, s.lean)
    return augment.flip(x, SIDES[s.side])


def at_random(s):
    """Return the function (x, rng) → x for training: each picture changed at random, up to what the settings say.

    >>> from types import SimpleNamespace
    >>> at_random(SimpleNamespace(kind=ROTATION, degrees=-20))(np.ones((3, 1, 8, 8)), 0).shape
    (3, 1, 8, 8)
    """
    return {
        SHIFT: lambda: augment.random_shift(max(abs(s.right), abs(s.down))),
        ROTATION: lambda: augment.random_rotation(abs(s.degrees)),
        SCALE: lambda: augment.random_scale(min(s.factor, 1 / s.factor), max(s.factor, 1 / s.factor)),
        SHEAR: lambda: augment.random_shear(abs(s.lean)),
        FLIP: lambda: augment.random_flip(0.5, SIDES[s.side]),
    }[s.kind]()


def convolutional(rng=None):
    """Return a small convolutional network for digits, to be trained: 3,842 parameters, in float32.

    Shapes: → a `Sequential` that takes x (N, 1, 8, 8) and gives (N, 10).
    PyTorch: `bridge.to_torch(convolutional())`.

    >>> convolutional(0).summary((1, 8, 8)).total
    3842
    """
    rng = np.random.default_rng(rng)
    return Sequential(
        Conv2d(1, 8, 3, padding=1, bias=False, rng=rng), BatchNorm2d(8), ReLU(),
        Conv2d(8, 16, 3, padding=1, bias=False, rng=rng), BatchNorm2d(16), ReLU(),
        MaxPool2d(2), Flatten(), Linear(256, 10, rng=rng),
    ).astype(np.float32)  # fmt: skip


@lru_cache(maxsize=1)
def both_tests():
    """Return the test pictures twice, in float32: as they are, and turned by up to 20° and shifted by a pixel at most.

    >>> [x.shape for x in both_tests()]
    [(100, 1, 8, 8), (100, 1, 8, 8)]
    """
    x = few_digits().x_test.astype(np.float32)
    return x, augment.compose(augment.random_rotation(20), augment.random_shift(1))(x, 0)


def learn_from_few(transform, draw, epochs=EPOCHS):
    """Train a network on 50 digits, each changed anew in every epoch; after each epoch give the shares that are right.

    `draw` chooses the 50 pictures, five of each digit, and the first weights. The shares are of `both_tests()`.

    Shapes: transform a function (x, rng) → x, or None → yields (upright, moved), two numbers, `epochs` times.
    PyTorch: a loop written by hand.

    >>> [len(shares) for shares in learn_from_few(None, 0, epochs=2)]
    [2, 2]
    """
    few, rng, model = few_digits(), np.random.default_rng(draw), convolutional(draw)
    some = np.concatenate([rng.permutation(np.flatnonzero(few.y_train == digit))[: FEW // 10] for digit in range(10)])
    x, y = few.x_train[some].astype(np.float32), few.y_train[some]
    optimizer = optim.Adam(model.parameters(), lr=0.005)
    for _ in range(epochs):
        train.fit(
            model, x, y, optimizer, loss=cross_entropy, epochs=1, batch_size=25, transform=transform, progress=False,
            rng=rng,
        )  # fmt: skip
        yield tuple(train.accuracy(model, test, few.y_test) for test in both_tests())


def way_back(s):
    """Return where the pixel (i, j) of the result comes from: r = a (i − h) + b (j − w) + h, c likewise, (2, 2).

    >>> from types import SimpleNamespace
    >>> way_back(SimpleNamespace(kind=SCALE, factor=2))
    [[0.5, 0.0], [0.0, 0.5]]
    """
    if s.kind == SCALE:
        return [[1 / s.factor, 0.0], [0.0, 1 / s.factor]]
    if s.kind == SHEAR:
        return [[1.0, 0.0], [-math.tan(math.radians(s.lean)), 1.0]]
    cos, sin = math.cos(math.radians(s.degrees)), math.sin(math.radians(s.degrees))
    return [[cos, sin], [-sin, cos]]


def _only(*kinds):
    return lambda s: s.kind in kinds


class Augmentation(Panel):
    """The panel of `explore_augmentation`."""

    title = "Augmentation: which transformation keeps the class?"
    controls = [
        Choice("kind", "Transformation", [ROTATION, SHIFT, SCALE, SHEAR, FLIP]),
        Slider("degrees", "Turned by", -180, 180, 5, start=20, unit="°", shown=_only(ROTATION)),
        Slider("right", "Pixels to the right", -4, 4, start=1, shown=_only(SHIFT)),
        Slider("down", "Pixels down", -4, 4, start=0, shown=_only(SHIFT)),
        Slider("factor", "Scaled by", 0.5, 2.0, 0.05, start=0.75, shown=_only(SCALE)),
        Slider("lean", "Sheared by", -60, 60, 5, start=20, unit="°", shown=_only(SHEAR)),
        Choice("side", "What changes places", SIDES, shown=_only(FLIP)),
        Slider("picture", "Test picture", 0, SHOWN - 1, start=4, only_looks=True),
        Button("learn", "Learn with it, from 50 digits"),
    ]
    presets = [
        Preset("Lean", "How far may these digits lean before you would call one of them another digit?"),
        Preset(
            "Half a turn", "Which of these would get a wrong label, if it kept the one that it had?",
            degrees=180, picture=6,
        ),
        Preset("Mirror", "Which of the ten are still digits in the mirror?", kind=FLIP, picture=2),
        Preset(
            "Shift", "A shifted digit is the same digit. Does the network, which saw upright ones only, know that?",
            kind=SHIFT, right=2, picture=7,
        ),
        Preset(
            "Learn with it",
            "50 digits to learn from, shifted anew each time by a pixel at most. Press “Learn”: where does it pay?",
            kind=SHIFT, right=1, picture=3,
        ),
    ]  # fmt: skip

    def __init__(self, function=None, model=None, question=None, **values):
        self._function = take_function("explore_augmentation", "function", function)
        self._own = model is not None
        x = few_digits().x_test
        self._model = take_network("explore_augmentation", model, x, 10) if self._own else small_network()
        self._shares = lru_cache(maxsize=16)(self._find_shares)
        super().__init__(question, **values)

    def learn(self, s):
        """Train with and without the transformation, three times each."""
        ways = {"without": None, "with": at_random(s)}
        scores, done = {name: [] for name in ways}, 0
        for draw in range(DRAWS):
            for name, transform in ways.items():
                for epoch, shares in enumerate(learn_from_few(transform, draw), 1):
                    done += 1
                    result = {**scores, name: [*scores[name], shares]}
                    yield done / (2 * DRAWS * EPOCHS), f"{name} it, draw {draw + 1}, epoch {epoch} of {EPOCHS}", result
                scores = result

    def look(self, s):
        few = few_digits()
        x = few.x_test[[s.picture, *range(10)]]
        y = transformed(x, s)
        p = softmax(train.outputs(self._model, np.concatenate([x, y])), dim=1).reshape(2, 11, 10)
        after = train.predict(self._model, transformed(few.x_test, s))
        plots = [_one(s, x[0, 0], y[0, 0], *p[:, 0]), _ten(s, y[1:, 0], p[1, 1:]), self._third(s, after)]
        if self.result:
            plots.append(_learnt(self.result))
        return Look(
            plots,
            caption=_caption(s, p[:, 0], after == few.y_test, self.result),
            lines=_equations(s),
            notes=_notes(s),
            verdict=self._function and self._verdict(s, x[0, 0], y[0, 0]),
        )

    def lines(self, s):
        network = "to_torch(model)  # your network" if self._own else "to_torch(small_network())"
        first = (
            f"import torch\nfrom pnnlib.bridge import to_torch\nfrom pnnlib.explore.few_digits import few_digits"
            f"{'' if self._own else ', small_network'}\n\nmodule = {network}\n"
            f"x = torch.tensor(few_digits().x_test[[{s.picture}]])\n"
        )
        last = "p = torch.softmax(module(y), dim=1)\nprint(p)"
        if s.kind == SHIFT:
            return f"{first}y = torch.nn.functional.pad(x, ({s.right}, {-s.right}, {s.down}, {-s.down}))\n{last}"
        if s.kind == FLIP:
            return f"{first}y = torch.flip(x, [{SIDES[s.side]}])\n{last}"
        (a, b), (c, d) = way_back(s)
        # theta counts x before y, and both from -1 to 1
        theta = ", ".join(f"[{', '.join(f'{v + 0.0:.17g}' for v in row)}]" for row in ((d, c, 0), (b, a, 0)))
        return (
            f"{first}theta = torch.tensor([[{theta}]], dtype=x.dtype)\n"
            f"grid = torch.nn.functional.affine_grid(theta, x.shape, align_corners=False)\n"
            f"y = torch.nn.functional.grid_sample(x, grid, align_corners=False)\n{last}"
        )

    def close(self):
        self._function = None
        super().close()

    def _find_shares(self, kind, down):
        """The share that is right, over all amounts of a transformation."""
        few, (name, amounts, _) = few_digits(), AMOUNTS[kind]
        setting = type("s", (), {"kind": kind, "down": down})
        shares = []
        for amount in amounts:
            setattr(setting, name, amount)
            shares.append(train.accuracy(self._model, transformed(few.x_test, setting), few.y_test))
        return np.array(shares)

    def _third(self, s, after):
        if s.kind == FLIP:
            return _by_digit(s, after)
        return _curve(s, self._shares(s.kind, s.down if s.kind == SHIFT else 0))

    def _verdict(self, s, x, y):
        if s.kind != SHIFT:
            return Verdict(f"{name_of(self._function)} can be compared with the transformation “{SHIFT}”.")
        return beside(self._function, (x, s.down, s.right), y, ("image", "down", "right"), ("y",))


def _short(number):
    return f"{number + 0.0:.3g}"


def _said(p):
    return f"{int(p.argmax())}, with {p.max():.2f}"


def _in_words(s):
    return {
        SHIFT: lambda: f"shifted by {s.right} to the right and {s.down} down",
        ROTATION: lambda: f"turned by {s.degrees}°",
        SCALE: lambda: f"scaled by {_short(s.factor)}",
        SHEAR: lambda: f"sheared by {s.lean}°",
        FLIP: lambda: f"mirrored, {s.side}",
    }[s.kind]()


def _one(s, x, y, before, after):
    digit = s.picture % 10
    alt = (
        f"Left a digit {digit} of 8 by 8 pixels, right the same {_in_words(s)}, with {y.sum() / x.sum():.0%} of its "
        f"ink. The network calls the left one {_said(before)}, the right one {_said(after)}."
    )
    return pictures(
        alt, [x, y], [f"a digit {digit}", "transformed"],
        [f"network: {before.argmax()}, {before.max():.2f}", f"network: {after.argmax()}, {after.max():.2f}"],
        columns=2, title="One digit",
    )[0]  # fmt: skip


def _ten(s, y, p):
    says = p.argmax(axis=1)
    wrong = [f"the {digit} {said}" for digit, said in enumerate(says) if digit != said]
    alt = f"The digits 0 to 9, {_in_words(s)}. The network calls "
    alt += f"{', '.join(wrong)}; the others what they are." if wrong else "all of them what they are."
    below = [f"✗ {said}" if digit != said else f"✓ {said}" for digit, said in enumerate(says)]
    title = "All ten, and what it calls them"
    return pictures(alt, y, [str(digit) for digit in range(10)], below, columns=5, title=title)[0]


def _curve(s, shares):
    name, amounts, label = AMOUNTS[s.kind]
    here = getattr(s, name)
    alt = (
        f"Share of the 100 test pictures that the network calls right, for amounts ({label}) from {amounts[0]:g} to "
        f"{amounts[-1]:g}. It is {shares.max():.2f} at most, at {amounts[shares.argmax()]:g}, and {shares.min():.2f} "
        f"at least, at {amounts[shares.argmin()]:g}. The cursor is at {here:g}, where it is about "
        f"{np.interp(here, amounts, shares):.2f}."
    )
    plot = Plot(
        alt, x=(amounts[0], amounts[-1]), y=(0, 1.05), title="Share that the network calls right", x_label=label,
        moves=(name, None),
    )  # fmt: skip
    plot.rule(y=0.1, label="guessing").rule(x=here, style="dotted")
    return plot.line(amounts, shares, 0).points(amounts, shares, 0, size=0.8, label="of 100 pictures")


def _by_digit(s, after):
    shares = (after.reshape(-1, 10) == np.arange(10)).mean(axis=0)
    alt = "Share of ten pictures of each digit that the network still calls right, mirrored: "
    alt += ", ".join(f"{digit}: {share:.1f}" for digit, share in enumerate(shares))
    plot = Plot(f"{alt}.", x=(-0.6, 9.6), y=(0, 1.05), title="Share called right, digit by digit", x_label="digit")
    return plot.bars(np.arange(10), shares, 0)


def _learnt(result):
    means = {name: np.mean(scores, axis=0) if scores else None for name, scores in result.items()}
    alt = "Share that is right after learning from 50 digits. " + "; ".join(
        f"{name} the transformation {mean[0]:.2f} of the test as it is, {mean[1]:.2f} of the moved one, "
        f"{len(result[name])} times"
        for name, mean in means.items()
        if mean is not None
    )
    plot = Plot(f"{alt}.", x=(-0.8, 1.6), y=(0, 1.05), title="After learning from 50 digits", ticks=False)
    for share in (0.25, 0.5, 0.75, 1):  # the other axis has no numbers
        plot.rule(y=share, width=0.5).text(-0.78, share, f"{share:g}", "quiet", "start")
    for (name, scores), dx, color, marker in zip(result.items(), (-0.15, 0.15), ("quiet", 0), ("circle", "diamond")):
        for place in (0, 1):
            values = [score[place] for score in scores]
            plot.points(np.full(len(values), place + dx), values, color, marker, label=f"{name} it")
            if values:
                at = np.array([-0.1, 0.1]) + place + dx
                plot.line(at, [np.mean(values)] * 2, color, label="mean" if name == "with" else None)
    return plot.text(0, 0.03, "test as it is", dy=0).text(1, 0.03, "turned and shifted", dy=0)


def _caption(s, p, right, result):
    caption = (
        f"A digit {s.picture % 10}, {_in_words(s)}: the network calls it {_said(p[1])}, and {_said(p[0])} as it was. "
        f"Of 100 test pictures, it is right on {int(right.sum())}. Whether a class is kept, you must judge."
    )
    if result and result["with"]:
        (a, b), (c, d) = (np.mean(result[name], axis=0) for name in ("without", "with"))
        caption += (
            f" Learnt from 50 digits: on the test as it is {a:.2f} without the transformation and {c:.2f} with it, on "
            f"pictures that are turned and shifted a little {b:.2f} and {d:.2f}."
        )
    return caption


def _equations(s):
    if s.kind == SHIFT:
        return [("Y(i, j)", f"X(i − {_signed(s.down)}, j − {_signed(s.right)}), 0 where that is outside")]
    if s.kind == FLIP:
        return [("Y(i, j)", "X(i, 7 − j)" if SIDES[s.side] == -1 else "X(7 − i, j)")]
    r, c = ([f"{_signed(round(v, 3))}" for v in row] for row in way_back(s))
    return [
        ("r", f"3.5 + {r[0]} · (i − 3.5) + {r[1]} · (j − 3.5)"),
        ("c", f"3.5 + {c[0]} · (i − 3.5) + {c[1]} · (j − 3.5)"),
        ("Y(i, j)", "X at (r, c): of the four pixels around it, the nearer the more"),
    ]


def _signed(number):
    return f"({number:g})" if number < 0 else f"{number + 0.0:g}"


def _notes(s):
    if s.kind == SHIFT:
        return ["A crop of the picture's own size, after zeros were appended at its edges, is a shift as well."]
    return []


def explore_augmentation(function=None, model=None, question=None, **settings):
    """Show digits, shifted, turned, scaled, sheared or mirrored: which keep their class, and does it pay (part f).

    With `function(image, down, right)`, the exercise `shift`, says whether it gives the same picture. `model` is a
    network of your own, of pnnlib or of PyTorch, in place of a small one that is trained on 500 upright digits.
    `settings` are those of `state()`: `explore_augmentation(kind="flip", picture=3)`. The panel has `state()`,
    `load(state)`, `set(**settings)`, `press("learn")`, `code()` and `close()`.

    Shapes: function as `pnnlib.augment.shift`, image (8, 8); model takes (N, 1, 8, 8) and gives (N, 10).
    PyTorch: `code()` gives the lines.

    >>> panel = explore_augmentation(kind="rotation", degrees=180, picture=6)
    >>> panel.caption[:46]
    'A digit 6, turned by 180°: the network calls i'
    """
    return Augmentation(function, model, question, **settings)
