"""The adversarial explorable: a digit, changed along the gradient, by chance as much, or turned; what the network says.

`change` is the model: the changed pictures, for one or many; `Adversarial` is the panel. The network is
`few_digits.small_network`, trained at the first look in a twentieth of a second, or a student's own.
"""

from functools import lru_cache, partial

import numpy as np

from pnnlib import adversarial, augment, train
from pnnlib.activations import softmax
from pnnlib.explore.few_digits import few_digits, small_network, take_network
from pnnlib.explore.panel import Button, Choice, Look, Number, Panel, Plot, Preset, Slider, Verdict
from pnnlib.explore.panel import beside, take_function
from pnnlib.explore.pictures import pictures
from pnnlib.losses import cross_entropy

FGSM, ATTACK, RANDOM, ROTATION = "one step: fgsm", "small steps: attack", "signs by chance", "rotation"
LARGEST = 0.3
STEP = {FGSM: 0.01, ATTACK: 0.02, RANDOM: 0.01, ROTATION: 10}  # of the curves; a point of ATTACK's costs most
SHOWN = 50  # of the test pictures, to choose from


def change(model, x, labels, way, amount, steps=1, draw=0):
    """Return the pictures, changed in one of four ways: by `amount` in every pixel at most, or turned by it.

        one step       Y = X + ε sign(∂J/∂X)                    kept in [0, 1]
        small steps    Y ← Y + (ε / steps) sign(∂J/∂Y), again and again, from X
        by chance      Y = X + ε S,  S(i) = ±1
        rotation       X, turned by so many degrees

    Shapes: x (N, 1, 8, 8), labels (N,) → y as x.
    PyTorch: `code()` of the panel gives the lines.

    >>> x, y = few_digits().x_test, few_digits().y_test
    >>> float(abs(change(small_network(), x, y, FGSM, 0.25) - x).max())
    0.25
    """
    gradient = partial(adversarial.input_gradient, model)
    if way == FGSM:
        return adversarial.fgsm(x, gradient(x, labels), amount)
    if way == ATTACK:
        return adversarial.attack(gradient, x, labels, amount, steps)
    if way == RANDOM:
        return adversarial.random_control(x, amount, rng=draw)
    return augment.rotate(x, amount)


def curve(model, x, label, way, steps=1, draw=0):
    """Return amounts (K,) and the network's outputs p (K, 10) for the picture, changed by each of them.

    Shapes: x (1, 1, 8, 8), label (1,); p is softmax's.

    >>> amounts, p = curve(small_network(), few_digits().x_test[:1], [0], RANDOM)
    >>> amounts.shape, p.shape
    ((31,), (31, 10))
    """
    low, high = (-180, 180) if way == ROTATION else (0, LARGEST)
    amounts = np.linspace(low, high, round((high - low) / STEP[way]) + 1)
    if way == FGSM:  # one gradient serves for every ε
        dx = adversarial.input_gradient(model, x, label)
        changed = [adversarial.fgsm(x, dx, epsilon) for epsilon in amounts]
    else:
        changed = [change(model, x, label, way, amount, steps, draw) for amount in amounts]
    return amounts, softmax(train.outputs(model, np.concatenate(changed)), dim=1)


def stuck(x, y, epsilon):
    """Return where a pixel could not change by all of ε, for 0 or 1 was in its way.

    >>> stuck(np.array([0.0, 0.5, 0.95]), np.array([0.0, 0.6, 1.0]), 0.1)
    array([ True, False,  True])
    """
    return np.abs(y - x) < epsilon - 1e-9


def _small(s):
    return s.way != ROTATION


class Adversarial(Panel):
    """The panel of `explore_adversarial`."""

    title = "Adversarial examples: how little turns a digit into another one"
    controls = [
        Choice("way", "How the picture is changed", [FGSM, ATTACK, RANDOM, ROTATION]),
        Slider("picture", "Test picture", 0, SHOWN - 1, start=13),
        Slider("epsilon", "Largest change ε", 0.0, LARGEST, 0.01, start=0.1, shown=_small),
        Slider("steps", "Number of small steps", 1, 8, start=4, shown=lambda s: s.way == ATTACK),
        Slider("degrees", "Turned by", -180, 180, 5, start=30, unit="°", shown=lambda s: s.way == ROTATION),
        Number("draw", "Random draw", 0, 0, 1e6, whole=True, shown=lambda s: s.way == RANDOM),
        Button("draw_again", "Draw again", shown=lambda s: s.way == RANDOM),
    ]
    presets = [
        Preset("Along the gradient", "How small may ε be before the network takes this 3 for another digit?"),
        Preset(
            "By chance",
            "As much in every pixel, but up or down by chance. Draw again, several times: is the network fooled?",
            way=RANDOM, epsilon=0.2,
        ),
        Preset(
            "Small steps",
            "The same ε, in one step. Does it pay to look at the gradient again on the way, in 2, 4 or 8 steps?",
            way=ATTACK, epsilon=0.2, steps=1, picture=17,
        ),
        Preset(
            "Cut off",
            "Every pixel should change by ε = 0.2. How many cannot, and what do they have in common?",
            epsilon=0.2, picture=6,
        ),
        Preset(
            "Turned",
            "Turn this 6. At which angles is the network wrong, and is it less sure of itself there?",
            way=ROTATION, degrees=60, picture=16,
        ),
    ]  # fmt: skip

    def __init__(self, function=None, attack=None, model=None, question=None, **values):
        self._function = take_function("explore_adversarial", "function", function)
        self._attack = take_function("explore_adversarial", "attack", attack)
        few = few_digits()
        self._own = model is not None
        self._model = take_network("explore_adversarial", model, few.x_test, 10) if self._own else small_network()
        self._curve = lru_cache(maxsize=64)(self._find_curve)
        self._right = lru_cache(maxsize=256)(self._find_right)
        super().__init__(question, **values)

    def draw_again(self, s):
        return {"draw": s.draw + 1}

    def look(self, s):
        x, label = few_digits().x_test[[s.picture]], few_digits().y_test[[s.picture]]
        amount, steps, draw = _amount(s), s.steps if s.way == ATTACK else 1, s.draw if s.way == RANDOM else 0
        y = change(self._model, x, label, s.way, amount, steps, draw)
        before, after = softmax(train.outputs(self._model, np.concatenate([x, y])), dim=1)
        control = self._curve(s.picture, RANDOM, 1, 0) if s.way in (FGSM, ATTACK) else None
        plots = [
            _drawing(s, x[0, 0], y[0, 0], before, after),
            _bars(int(label[0]), before, after),
            _curves(s, int(label[0]), self._curve(s.picture, s.way, steps, draw), control),
        ]
        rights = [
            self._right(FGSM, 0.0, 1, 0),
            self._right(s.way, amount, steps, draw),
            self._right(RANDOM, amount, 1, 0) if s.way in (FGSM, ATTACK) else None,
        ]
        return Look(
            plots,
            caption=_caption(s, before, after, rights),
            lines=self._lines(s, x, y, label),
            notes=_notes(s, x, y, before, label),
            verdict=self._verdict(s, x, label, y),
        )

    def lines(self, s):
        network = "to_torch(small_network())" if not self._own else "to_torch(model)  # your network"
        text = "import torch\nfrom pnnlib.bridge import to_torch\nfrom pnnlib.explore.few_digits import few_digits"
        text += f"{'' if self._own else ', small_network'}\n\nmodule = {network}\n"
        text += f"x = torch.tensor(few_digits().x_test[[{s.picture}]])\n"
        loss = f"torch.nn.functional.cross_entropy(module({{}}), torch.tensor([{s.picture % 10}]))"
        if s.way == FGSM:
            text += f"x.requires_grad_()\n{loss.format('x')}.backward()\n"
            text += f"y = (x + {s.epsilon} * x.grad.sign()).clamp(0, 1)\n"
        elif s.way == ATTACK:
            text += f"y = x.clone()\nfor step in range({s.steps}):\n    y.requires_grad_()\n"
            text += f"    dy, = torch.autograd.grad({loss.format('y')}, y)\n"
            text += f"    y = (y + {s.epsilon} / {s.steps} * dy.sign()).clamp(0, 1).detach()\n"
        elif s.way == RANDOM:
            text = f"import numpy as np\n{text}"
            text += f"signs = np.random.default_rng({s.draw}).integers(2, size=x.shape) * 2.0 - 1\n"
            text += f"y = (x + {s.epsilon} * torch.tensor(signs)).clamp(0, 1)\n"
        else:
            text += f"t = torch.deg2rad(torch.tensor({s.degrees}, dtype=x.dtype))\n"
            text += "theta = torch.stack([t.cos(), -t.sin(), 0 * t, t.sin(), t.cos(), 0 * t]).reshape(1, 2, 3)\n"
            text += "grid = torch.nn.functional.affine_grid(theta, x.shape, align_corners=False)\n"
            text += "y = torch.nn.functional.grid_sample(x, grid, align_corners=False)\n"
        return f"{text}p = torch.softmax(module(y), dim=1)\nprint(p)"

    def close(self):
        self._function = self._attack = None
        super().close()

    def _find_curve(self, picture, way, steps, draw):
        few = few_digits()
        return curve(self._model, few.x_test[[picture]], few.y_test[[picture]], way, steps, draw)

    def _find_right(self, way, amount, steps, draw):
        few = few_digits()
        y = change(self._model, few.x_test, few.y_test, way, amount, steps, draw)
        p = softmax(train.outputs(self._model, y), dim=1)
        return int((p.argmax(axis=1) == few.y_test).sum()), float(p.max(axis=1).mean())

    def _lines(self, s, x, y, label):
        if s.way == ROTATION:
            return []
        dx = adversarial.input_gradient(self._model, x, label)
        before, after = (cross_entropy(train.outputs(self._model, z), label)[0] for z in (x, y))
        rise, most = float((dx * (y - x)).sum()), float(s.epsilon * np.abs(dx).sum())
        return [
            ("g", "∂J/∂x, the gradient of the cost for the 64 pixels"),
            ("Σ g Δ", f"{_short(rise)}, what it promises for the change Δ"),
            ("ε Σ |g|", f"{_short(most)}, the most it can promise"),
            ("ΔJ", f"{_short(after)} − {_short(before)} = {_short(after - before)}, the real rise"),
        ]

    def _verdict(self, s, x, label, y):
        if self._attack and s.way == ATTACK:
            names = ("gradient", "x", "label", "epsilon", "steps")
            gradient = _Gradient(self._model)
            return beside(self._attack, (gradient, x, label, s.epsilon, s.steps), y, names, ("y",))
        if self._function and s.way == FGSM:
            dx = adversarial.input_gradient(self._model, x, label)
            return beside(self._function, (x, dx, s.epsilon), y, ("x", "dx", "epsilon"), ("y",))
        ways = [f"“{w}”" for w, own in ((FGSM, self._function), (ATTACK, self._attack)) if own]
        return Verdict(f"Your function can be compared with {' or '.join(ways)}.") if ways else None


class _Gradient:
    """The gradient for the input, as a function (x, label) that is the same as its copy."""

    def __init__(self, model):
        self.model = model

    def __call__(self, x, label):
        return adversarial.input_gradient(self.model, x, label)

    def __deepcopy__(self, memo):
        return self


def _amount(s):
    return s.degrees if s.way == ROTATION else s.epsilon


def _short(number):
    return f"{number + 0.0:.3g}"


def _said(p):
    return f"{int(p.argmax())}, with {p.max():.2f}"


def _in_words(s):
    return f"turned by {s.degrees}°" if s.way == ROTATION else f"{s.way}, ε = {_short(s.epsilon)}"


def _drawing(s, x, y, before, after):
    cut = stuck(x, y, s.epsilon) & _small(s)
    moved = y - x
    up, down = int((moved > 1e-9).sum()), int((moved < -1e-9).sum())
    alt = (
        f"Three pictures of 8 by 8 pixels. Left a digit {s.picture % 10}, which the network calls {_said(before)}. "
        f"In the middle what is added ({_in_words(s)}): {up} pixels get darker, {down} lighter"
        f"{f', {int(cut.sum())} are crossed: cut off at 0 or 1' if cut.any() else ''}. "
        f"Right the changed picture, which it calls {_said(after)}."
    )
    plot, corners = pictures(
        alt, [x, moved, y], ["as it is", "what is added", "changed"],
        [f"{before.argmax()}: {before.max():.2f}", "blue +, orange −", f"{after.argmax()}: {after.max():.2f}"],
        changes=[1], limit=max(s.epsilon, 0.01) if _small(s) else 1.0,
        title="The network says", legend=int(cut.any()),
    )  # fmt: skip
    if cut.any():
        row, column = np.nonzero(cut)
        left, top = corners[1]
        plot.points(left + column + 0.5, top + row + 0.5, "ink", "cross", "cut off: black or white already", 0.55)
    return plot


def _bars(label, before, after):
    digits = np.arange(10)
    alt = (
        f"What the network gives each digit. As it is, {label}, the right one, has {before[label]:.2f}; changed, "
        f"{after[label]:.2f}. The largest then: {int(after.argmax())}, with {after.max():.2f}."
    )
    plot = Plot(alt, x=(-0.6, 9.6), y=(0, 1.05), title="Confidence in each digit", x_label="digit")
    plot.bars(digits - 0.2, before, "quiet", 0.36, hollow=True, label="as it is")
    plot.bars(digits + 0.2, after, 0, 0.36, label="changed")
    return plot


def _curves(s, label, seen, control=None):
    amounts, p = seen
    others = np.delete(p, label, axis=1).max(axis=1)
    wrong = amounts[others > p[:, label]]
    turned = s.way == ROTATION
    if not wrong.size:
        first = f"The right digit, {label}, is ahead everywhere."
    elif turned:
        first = f"The right digit, {label}, is behind at {len(wrong)} of {len(amounts)} angles."
    else:
        where = f"ε = {_short(wrong[0])}, in steps of {STEP[s.way]}"
        first = f"Another digit than {label} is ahead for the first time at {where}."
    low, high = amounts[0], amounts[-1]
    alt = (
        f"Confidence over {'the angle' if turned else 'ε'}, from {_short(low)} to {_short(high)}. {first} "
        f"The right one has {p[0, label]:.2f} at the left end and {p[-1, label]:.2f} at the right."
    )
    if control is not None:
        alt += f" After a change by chance it has {control[1][-1, label]:.2f} there."
    plot = Plot(
        f"{alt} The cursor is at {_short(_amount(s))}.",
        x=(low, high), y=(0, 1.05), title="Confidence, by the size of the change",
        x_label="turned by, in degrees" if turned else "ε", moves=("degrees" if turned else "epsilon", None),
    )  # fmt: skip
    plot.rule(x=_amount(s), style="dotted")
    if control is not None:
        plot.line(control[0], control[1][:, label], "quiet", "dashed", label="by chance")
    plot.line(amounts, others, 1, "dashdot", label="best other")
    return plot.line(amounts, p[:, label], 0, width=2.5, label=f"right: {label}")


def _caption(s, before, after, rights):
    (clean, sure), (changed, still_sure), control = rights
    control = "" if control is None else f", on {control[0]} after as much by chance"
    return (
        f"As it is, this {s.picture % 10} is called {_said(before)}; changed ({_in_words(s)}) {_said(after)}. "
        f"The network is right on {clean} of 100 test pictures as they are, on {changed} after this change{control}; "
        f"its mean confidence is {sure:.2f} and {still_sure:.2f}."
    )


def _notes(s, x, y, before, label):
    notes = []
    if before.argmax() != label[0]:
        notes.append("The network is wrong about this picture as it is: there is nothing to fool. Take another one.")
    if _small(s):
        cut = int(stuck(x, y, s.epsilon).sum())
        if cut:
            notes.append(f"{cut} of 64 pixels could not change by all of ε: they would be below 0 or above 1.")
    return notes


def explore_adversarial(function=None, attack=None, model=None, question=None, **settings):
    """Show a digit that is changed along the gradient, by chance, or turned, and what a network makes of it (part f).

    With `function(x, dx, epsilon)`, the exercise `fgsm`, or `attack(gradient, x, label, epsilon, steps)`, says whether
    it gives the same picture. `model` is a network of your own, of pnnlib or of PyTorch, in place of a small one that
    is trained on 500 digits. `settings` are those of `state()`: `explore_adversarial(epsilon=0.05, picture=7)`.
    The panel has `state()`, `load(state)`, `set(**settings)`, `code()` and `close()`.

    Shapes: model takes (N, 1, 8, 8) and gives (N, 10); function and attack as `pnnlib.adversarial` has them.
    PyTorch: `code()` gives the lines.

    >>> panel = explore_adversarial(epsilon=0.2)
    >>> panel.caption[:35]
    'As it is, this 3 is called 3, with '
    """
    return Adversarial(function, attack, model, question, **settings)
