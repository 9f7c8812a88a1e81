"""The optimisers explorable: seven rules that start at the same place of a cost surface, step by step.

`SURFACES` are the costs J(w1, w2), `walk` is a rule on its way down, and `behaviours` what becomes of momentum at each
learning rate and each β: these are the model. `Optimisers` is the panel.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from pnnlib import optim
from pnnlib.explore.panel import Choice, Look, Panel, Plot, Preset, Slider, Switch, Verdict
from pnnlib.explore.panel import beside, name_of, nice_limits, take_function

STEPS = 60
WIDE = 4.0  # the surfaces are shown from -4 to 4
FARTHEST = 1e3  # who is further out has left, and is followed no more
STEEP = 25.0  # the ravine's curvature across; along it is 1
HERE = 0.01  # a rule has arrived when 1 % of what can be gained is left


# The surfaces. Each is a J(w1, w2) and its gradient, for arrays of any shape.


def ravine(w1, w2, turn=0.0):
    """Return J and its gradient (∂J/∂w1, ∂J/∂w2) of a ravine: steep across, flat along, turned by some degrees.

        J = ½ (25 a² + b²),    a = w1 cos + w2 sin,    b = w2 cos − w1 sin

    The wide end lies on the w2-axis, and at 45° on the diagonal: then each weight is as steep as the other (part c).
    Shapes: w1 and w2 any → three arrays like them.

    >>> ravine(1.0, 2.0)
    (14.5, (25.0, 2.0))
    """
    cos, sin = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    a, b = w1 * cos + w2 * sin, w2 * cos - w1 * sin
    return 0.5 * (STEEP * a**2 + b**2), (STEEP * a * cos - b * sin, STEEP * a * sin + b * cos)


def plateau(w1, w2):
    """Return J and its gradient of a pit in a plateau, where the slope is nearly 0 (part c).

        J = 2 (1 − e^(−(w1² + w2²) / 2))

    >>> cost, _ = plateau(np.array([0.0, 1.0, 4.0]), 0.0)
    >>> cost.round(3)
    array([0.   , 0.787, 1.999])
    """
    pit = 2 * np.exp(-0.5 * (w1**2 + w2**2))
    return 2 - pit, (w1 * pit, w2 * pit)


def local_minimum(w1, w2):
    """Return J and its gradient of a bowl with a dent in its side, which is a local minimum (part c).

        J = 0.15 (w1 − 2)² + 0.3 w2² − 0.8 e^(−3 (w1 + 1)² − 3 w2²)

    >>> [float(local_minimum(w1, 0.0)[0].round(2)) for w1 in (-2, -0.84, -0.4, 2)]
    [2.36, 0.47, 0.59, -0.0]
    """
    dent = 0.8 * np.exp(-3 * (w1 + 1) ** 2 - 3 * w2**2)
    gradient = 0.3 * (w1 - 2) + 6 * (w1 + 1) * dent, 0.6 * w2 + 6 * w2 * dent
    return 0.15 * (w1 - 2) ** 2 + 0.3 * w2**2 - dent, gradient


@dataclass(frozen=True)
class Surface:
    """A cost of two weights: `cost(w1, w2)` → (J, gradient), and J as PyTorch writes it. Its lowest J is 0."""

    cost: object
    torch: str


SURFACES = {
    "ravine": Surface(ravine, "0.5 * (25 * a**2 + b**2)"),
    "plateau": Surface(plateau, "2 * (1 - torch.exp(-0.5 * (w1**2 + w2**2)))"),
    "local minimum": Surface(
        local_minimum, "0.15 * (w1 - 2)**2 + 0.3 * w2**2 - 0.8 * torch.exp(-3 * (w1 + 1)**2 - 3 * w2**2)"
    ),
}


def cost_at(surface, w1, w2, turn=0):
    """Return J and its gradient on a surface by its name; only the ravine is turned.

    >>> cost_at("ravine", 1.0, 2.0)
    (14.5, (25.0, 2.0))
    """
    return ravine(w1, w2, turn) if surface == "ravine" else SURFACES[surface].cost(w1, w2)


# The rules.


@dataclass(frozen=True)
class Rule:
    """One of `pnnlib.optim`'s rules: a step function, what it remembers, and how it is drawn.

    `remembers` are its arguments behind w and grad, `t` among them; the others come back behind the new w.
    `options(s)` are the numbers behind these.
    """

    step: object
    remembers: tuple
    options: object
    torch: str
    color: object
    style: str
    marker: str


def _plain(s):
    return (s.eta,)


def _fast(s):
    return (s.eta, s.beta)


def _adaptive(s):
    return (s.rate, s.beta, s.rho, 1e-8)


RULES = {
    "SGD": Rule(optim.sgd_step, (), _plain, "SGD([w], lr={s.eta})", "ink", "dotted", "cross"),
    "momentum": Rule(
        optim.momentum_step, ("v",), _fast, "SGD([w], lr={s.eta}, momentum={s.beta})", 0, "solid", "circle"
    ),
    "Nesterov": Rule(
        optim.nesterov_step, ("v",), _fast, "SGD([w], lr={s.eta}, momentum={s.beta}, nesterov=True)",
        5, "dashed", "square",
    ),
    "AdaGrad": Rule(
        optim.adagrad_step, ("s",), lambda s: (s.rate, 1e-10), "Adagrad([w], lr={s.rate})", 1, "dashdot", "triangle"
    ),
    "RMSprop": Rule(
        optim.rmsprop_step, ("s",), lambda s: (s.rate, s.rho, 1e-8), "RMSprop([w], lr={s.rate}, alpha={s.rho})",
        4, "dotted", "diamond",
    ),
    "Adam": Rule(
        optim.adam_step, ("m", "v", "t"), _adaptive, "Adam([w], lr={s.rate}, betas=({s.beta}, {s.rho}))",
        2, "solid", "square",
    ),
    "Nadam": Rule(
        optim.nadam_step, ("m", "v", "t", "mu_product"), lambda s: (*_adaptive(s), 4e-3),
        "NAdam([w], lr={s.rate}, betas=({s.beta}, {s.rho}))", 3, "dashed", "triangle",
    ),
}  # fmt: skip
WITH_MAP = ("SGD", "momentum", "Nesterov")
SQUARES = ("RMSprop", "Adam", "Nadam")  # whose averages of squares fade, by ρ or β₂
BY_EXERCISE = {rule.step.__name__: name for name, rule in RULES.items()}


@dataclass(frozen=True)
class Walk:
    """A rule's way down. w (n + 1, 2) and cost (n + 1,) begin at the start; grad (n, 2) and memory, a list of n dicts,
    belong to the steps: the gradient that a step saw, and what the rule remembered after it. n is less than `STEPS`
    for a rule that has left."""

    w: np.ndarray
    cost: np.ndarray
    grad: np.ndarray
    memory: list


def walk(surface, start, step, remembers, options, turn=0, steps=STEPS, farthest=FARTHEST):
    """Let a rule go down a surface, step by step, and return its `Walk`; it ends when a weight is beyond farthest.

    Shapes: start two numbers; step, remembers and options as in `Rule`.
    PyTorch: `zero_grad()`, `backward()` and `step()` in a loop; `code()` of the panel gives the lines.

    >>> way = walk("ravine", (1, 2), optim.momentum_step, ("v",), (0.02, 0.5), steps=2)
    >>> way.w, way.memory[0]
    (array([[1.    , 2.    ],
           [0.5   , 1.96  ],
           [0.    , 1.9008]]), {'v': array([25.,  2.])})
    """
    w, memory = np.array(start, float), {"v": np.zeros(2), "s": np.zeros(2), "m": np.zeros(2), "mu_product": 1.0}
    places, costs, grads, memories = [w], [], [], []
    kept = [name for name in remembers if name != "t"]
    for t in range(1, steps + 1):
        cost, grad = cost_at(surface, *w.tolist(), turn)
        costs.append(cost)
        grad = np.array(grad)
        given = {**memory, "t": t}
        new = step(w.copy(), grad.copy(), *(given[name] for name in remembers), *options)
        w, *rest = new if kept else (new,)
        w = np.asarray(w, float).reshape(2)
        memory = {**memory, **dict(zip(kept, rest))}
        grads.append(grad)
        memories.append({name: memory[name] for name in kept})
        places.append(w)
        if max(map(abs, w.tolist())) > farthest:
            break
    costs.append(cost_at(surface, *w.tolist(), turn)[0])
    return Walk(np.array(places), np.array(costs), np.array(grads), memories)


# What becomes of momentum, for each learning rate and each β.

RATES = np.geomspace(1e-3, 1, 31)
BETAS = np.linspace(0.0, 0.98, 25)
KINDS = ("arrives", "creeps", "swings", "stands still", "leaves")
GREYS = (1.0, 0.82, 0.64, 0.46, 0.2)


def behaviours(surface, start, turn=0, nesterov=False, rates=RATES, betas=BETAS, steps=STEPS):
    """Return what momentum does in so many steps, for each β (rows) and learning rate (columns), as places in KINDS.

    With the cost J above its lowest, as a part of the start's:

        arrives         less than 1 % is left
        leaves          more is there than at the start
        stands still    the last tenth of the steps has changed it by less than 0.1 %
        swings          in a tenth of the steps or more, J has become larger: it runs past the lowest place, and back
        creeps          what remains: it is on its way

    Shapes: rates (r,), betas (b,) → ints (b, r). The two lines of `optim.momentum_step` and `nesterov_step` stand here
    once more, for they take one learning rate and here each cell has its own.

    >>> behaviours("ravine", (1, 3), rates=np.array([0.001, 0.05, 0.1]), betas=np.array([0.0, 0.9]))
    array([[1, 0, 4],
           [2, 0, 0]])
    """
    rate, beta = (np.array(a) for a in np.broadcast_arrays(rates[None, :], np.asarray(betas)[:, None]))
    w = np.array(start, float)[:, None, None] * np.ones_like(rate)
    v, rises, before, cost = np.zeros_like(w), np.zeros(rate.shape, int), None, np.inf
    first = cost_at(surface, *map(float, start), turn)[0]
    for t in range(steps + 1):
        last, (cost, grad) = cost, cost_at(surface, *w, turn)
        rises += cost > last
        if t == steps - steps // 10:
            before = cost
        grad = np.stack(grad)
        v = np.clip(beta * v + grad, -1e12, 1e12)  # what has left for good must not become inf - inf
        w = np.clip(w - rate * (grad + beta * v if nesterov else v), -FARTHEST, FARTHEST)
    still = np.abs(cost - before) < 1e-3 * first
    return np.select([cost <= HERE * first, cost >= first, still, rises >= 0.1 * steps], [0, 4, 3, 2], 1)


@lru_cache(maxsize=64)
def _map(surface, start, turn, nesterov):
    return behaviours(surface, start, turn, nesterov)


@lru_cache(maxsize=256)  # one rule's settings change, and the others stay
def _walk(surface, start, turn, name, options):
    rule = RULES[name]
    return walk(surface, start, rule.step, rule.remembers, options, turn)


def _walk_of(s, name, turned=True):
    """A rule's walk on the present surface; not `turned`, on the ravine along the axes, from a start turned with it."""
    if turned:
        return _walk(s.surface, (s.w1, s.w2), s.turn if s.surface == "ravine" else 0, name, RULES[name].options(s))
    cos, sin = math.cos(math.radians(s.turn)), math.sin(math.radians(s.turn))
    start = (s.w1 * cos + s.w2 * sin, s.w2 * cos - s.w1 * sin)
    return _walk(s.surface, start, 0, name, RULES[name].options(s))


LEVELS = {
    "ravine": (0.5, 2, 5, 12, 25, 50, 100, 200),
    "plateau": (0.1, 0.4, 0.8, 1.2, 1.6, 1.9, 1.99),
    "local minimum": (0.1, 0.3, 0.5, 0.61, 1, 1.6, 2.5, 4, 6, 8),
}


@lru_cache(maxsize=32)
def _contours(surface, turn):
    """The lines of equal cost, as x and y with NaN between two of them."""
    from contourpy import contour_generator  # it comes with matplotlib

    w = np.linspace(-WIDE, WIDE, 121)
    generator = contour_generator(w, w, cost_at(surface, *np.meshgrid(w, w), turn)[0])
    lines = [line for level in LEVELS[surface] for line in generator.lines(level)]
    return np.concatenate([np.r_[line, [[np.nan, np.nan]]] for line in lines]).T


# The panel.


def _adapts(s):
    return s.others or s.rule not in WITH_MAP


class Optimisers(Panel):
    """The panel of `explore_optimisers`."""

    title = "Seven rules on their way down one cost surface"
    controls = [
        Choice("surface", "Cost surface", SURFACES),
        Slider("turn", "The ravine is turned by", 0, 90, 5, unit="°", shown=lambda s: s.surface == "ravine"),
        Slider("w1", "Start: w1", -WIDE, WIDE, 0.1, start=1.0),
        Slider("w2", "Start: w2", -WIDE, WIDE, 0.1, start=3.5),
        Slider("step", "Step", 1, STEPS, start=8),
        Choice("rule", "Rule in detail", RULES, start="momentum"),
        Switch("others", "Show the other rules", True),
        Slider("eta", "η of SGD, momentum, Nesterov", 1e-3, 1.0, log=True, start=0.02),
        Slider("beta", "Momentum β, Adam's and Nadam's β₁", 0.0, 0.98, 0.01, start=0.8),
        Slider("rate", "η of the adaptive rules", 0.01, 1.0, log=True, start=0.5, shown=_adapts),
        Slider("rho", "RMSprop's ρ, Adam's and Nadam's β₂", 0.5, 0.99, 0.01, start=0.9,
               shown=lambda s: s.rule in SQUARES),
    ]  # fmt: skip
    presets = [
        Preset(
            "Ravine",
            "Move Step. Steep across, flat along: which three of the seven are the first to have 1 % of the cost left?",
            rule="SGD", step=3,
        ),
        Preset(
            "Turned ravine",
            "The same ravine, turned by 45°. Which rules don't notice it? Compare the two costs in the table.",
            turn=45, w1=-1.8, w2=3.2, rule="AdaGrad", step=20,
        ),
        Preset(
            "Plateau",
            "Hardly any slope at the start. Which rules take long steps all the same? Move Step.",
            surface="plateau", w1=2.5, w2=-2.5, eta=0.316, beta=0.9, rate=0.316, rule="RMSprop", step=2,
        ),
        Preset(
            "Local minimum",
            "With β = 0.5 momentum is caught in the dent. From which β on does it roll through?",
            surface="local minimum", w1=-3.5, w2=0.6, eta=0.1, beta=0.5, rate=0.316, step=40, others=False,
        ),
        Preset(
            "Map",
            "What do η and β of momentum come to in 60 steps? With a larger β, may η be larger or must it be smaller?",
            eta=0.0794, beta=0.4, step=12, others=False,
        ),
    ]  # fmt: skip

    def __init__(self, function=None, question=None, **values):
        self._function = take_function("explore_optimisers", "function", function)
        self._own = None  # the rule's name, settings, and what came of the student's function
        if function is not None:
            name = BY_EXERCISE.get(getattr(function, "__name__", ""))
            if name is None:
                raise ValueError(
                    f"explore_optimisers: function must have the name of its rule, {', '.join(BY_EXERCISE)}, "
                    f"got {name_of(function)}: the name says what it remembers"
                )
            self._rule = name
            values = {"rule": name, **values}
        super().__init__(question, **values)

    def close(self):
        self._function = self._own = None
        super().close()

    def look(self, s):
        names = list(RULES) if s.others else [s.rule]
        walks = {name: _walk_of(s, name) for name in names}
        own = self._function and self._beside(s)
        plots = [_surface_plot(s, walks, own), _memory_plot(s, walks[s.rule]), _cost_plot(s, walks)]
        if s.rule in WITH_MAP:
            plots.append(_map_plot(s))
        return Look(
            plots,
            caption=_caption(s, walks),
            lines=_equations(s, walks[s.rule]),
            table=_table(s, walks),
            notes=_notes(walks),
            verdict=own,
        )

    def lines(self, s):
        rule, way = RULES[s.rule], _walk_of(s, s.rule)
        text = rule.torch.format(s=s)
        if s.rule in WITH_MAP and s.beta == 0:  # PyTorch has no look-ahead without momentum
            text = RULES["SGD"].torch.format(s=s)
        in_ravine = ""
        if s.surface == "ravine":
            cos, sin = (f"{f(math.radians(s.turn)):.17g}" for f in (math.cos, math.sin))
            in_ravine = f"    a, b = {cos} * w1 + {sin} * w2, {cos} * w2 - {sin} * w1\n"
        wide, back = "", ""
        if s.rule == "Nadam":
            wide = "torch.set_default_dtype(torch.float64)  # NAdam keeps its product in this type\n"
            back = "\ntorch.set_default_dtype(torch.float32)"
        return (
            f"import torch\n\n{wide}w = torch.tensor([{s.w1}, {s.w2}], dtype=torch.float64, requires_grad=True)\n"
            f"optimiser = torch.optim.{text}\n"
            f"for step in range({_at(s, way)}):\n    w1, w2 = w\n{in_ravine}    J = {SURFACES[s.surface].torch}\n"
            f"    optimiser.zero_grad()\n    J.backward()\n    optimiser.step()\nprint(w){back}"
        )

    def _beside(self, s):
        """The student's way beside ours: it is walked anew only when something has changed that it depends on."""
        rule, ours = RULES[self._rule], _walk_of(s, self._rule)
        turn = s.turn if s.surface == "ravine" else 0
        depends = (s.surface, s.w1, s.w2, turn, rule.options(s))
        if self._own is None or self._own[0] != depends:
            function, step = self._function, _checked(self._function, rule)

            def path(start):
                return walk(s.surface, start, step, rule.remembers, rule.options(s), turn, len(ours.grad), math.inf).w

            path.__name__ = name_of(function)
            verdict = beside(path, ((s.w1, s.w2),), ours.w, ("start",), ("the path w",))
            self._own = depends, verdict
        return self._own[1]


def _checked(function, rule):
    """A student's step, which says in words what it should have returned."""
    kept = [name for name in rule.remembers if name != "t"]
    wanted = " and ".join(["the new w", *kept])

    def step(w, *arguments):
        new = function(w, *arguments)
        parts = new if kept else (new,)
        if not isinstance(parts, (tuple, list)) or len(parts) != len(kept) + 1:
            raise ValueError(f"{name_of(function)} must return {wanted}, got {type(new).__name__}")
        if np.shape(parts[0]) != np.shape(w):
            raise ValueError(f"{name_of(function)} must return a w of shape (2,), got {np.shape(parts[0])}")
        return new

    return step


def _at(s, way):
    """The step that is looked at: the present one, or a rule's last before it left."""
    return min(s.step, len(way.grad))


def _short(number):
    return f"{number + 0.0:.3g}"


def _pair(numbers):
    return f"({_short(numbers[0])}, {_short(numbers[1])})"


def _arrived(way):
    """The first step after which less than 1 % is left, or None."""
    there = way.cost <= HERE * way.cost[0]
    return int(np.argmax(there)) if there.any() else None


def _there(s, walks):
    """Who has arrived up to the present step, and since when, in this order."""
    return sorted((n, name) for name, one in walks.items() if (n := _arrived(one)) is not None and n <= s.step)


def _surface_plot(s, walks, own):
    way, at = walks[s.rule], _at(s, walks[s.rule])
    names = {"ravine": f"a ravine, turned by {s.turn}°", "plateau": "a pit in a plateau",
             "local minimum": "a bowl with a dent, a local minimum, at w1 = -0.8"}  # fmt: skip
    alt = f"Lines of equal cost of {names[s.surface]}, and paths from {_pair((s.w1, s.w2))}. After step {s.step} "
    alt += ", ".join(f"{name} is at {_pair(one.w[_at(s, one)])}" for name, one in walks.items())
    plot = Plot(f"{alt}.", x=(-WIDE, WIDE), y=(-WIDE, WIDE), title=f"Paths up to step {s.step}",
                x_label="w1, with w2 upwards", height=290, moves=("w1", "w2"))  # fmt: skip
    plot.line(*_contours(s.surface, s.turn if s.surface == "ravine" else 0), "quiet", width=0.6)
    for name, one in walks.items():
        rule, here = RULES[name], _at(s, one)
        chosen = name == s.rule
        path = np.clip(one.w[: here + 1], -30, 30).T
        plot.line(*path, rule.color, rule.style, width=2.5 if chosen else 1.3)
        plot.points(*path[:, -1:], rule.color, rule.marker, size=1.5 if chosen else 1.0)
    if own is not None and np.shape(own.value) == way.w.shape:
        plot.line(*np.clip(own.value[: at + 1], -30, 30).T, 3, "dotted", label="the path of your function", width=3)
    plot.points([s.w1], [s.w2], "ink", "circle", size=0.8, label="start")
    plot.arrow(*way.w[at - 1], *way.w[at], "ink", width=2, label=f"step {at} of {s.rule}")
    return plot


def _memory(s, way):
    """What moves w in this step, as arrows: (label, vector, along the axes or not), in units of the gradient."""
    at = _at(s, way)
    g, memory = way.grad[at - 1], way.memory[at - 1]
    arrows = [("−g", -g, False)]
    if s.rule == "momentum":
        arrows.append(("−v", -memory["v"], False))
    if s.rule == "Nesterov":
        arrows += [("−v", -memory["v"], False), ("−(g + βv)", -(g + s.beta * memory["v"]), False)]
    if s.rule in ("AdaGrad", "RMSprop"):
        arrows.append(("√s", -np.sign(g) * np.sqrt(memory["s"]), True))
    if s.rule in ("Adam", "Nadam"):
        m_hat, v_hat = _fair(s, way)
        arrows += [("−m̂", -m_hat, False), ("√v̂", -np.sign(g) * np.sqrt(v_hat), True)]
    return arrows


def _schedule(s, t):
    """Nadam's μ_t, as in `optim.nadam_step`."""
    return s.beta * (1 - 0.5 * 0.96 ** (t * 4e-3))


def _fair(s, way):
    """m̂ and v̂ of Adam or Nadam in the present step."""
    t = _at(s, way)
    g, memory = way.grad[t - 1], way.memory[t - 1]
    v_hat = memory["v"] / (1 - s.rho**t)
    if s.rule == "Adam":
        return memory["m"] / (1 - s.beta**t), v_hat
    mu, ahead, product = _schedule(s, t), _schedule(s, t + 1), memory["mu_product"]
    return ahead * memory["m"] / (1 - product * ahead) + (1 - mu) * g / (1 - product), v_hat


def _memory_plot(s, way):
    arrows, at = _memory(s, way), _at(s, way)
    size = max(float(np.abs(vector).max()) for _, vector, _ in arrows)
    limit = nice_limits([-size, size], least=1e-9)[1] if np.isfinite(size) and size > 0 else 1.0
    said = ", ".join(f"{label} is {_pair(vector)}" for label, vector, _ in arrows)
    plot = Plot(f"Arrows of step {at} of {s.rule}, in units of the gradient: {said}.", x=(-limit, limit),
                y=(-limit, limit), title=f"Step {at} of {s.rule}, close up", ticks=False, height=290,
                x_label=f"w2 upwards; at the edges ±{limit:.3g}")  # fmt: skip
    plot.rule(x=0, style="dotted", width=1).rule(y=0, style="dotted", width=1)
    plot.text(limit, 0, "w1", "quiet", anchor="end", dx=-4, dy=-4).text(0, limit, "w2", "quiet", "start", dx=4, dy=14)
    looks = (("ink", "dotted", 2.0), (RULES[s.rule].color, "solid", 3.0), (1, "dashed", 2.0))
    for (label, vector, along), (color, style, width) in zip(arrows, looks):
        if along:
            label = f"{label} of each weight"
            plot.arrow(0, 0, vector[0], 0, color, style, label, width)
            plot.arrow(0, 0, 0, vector[1], color, style, label, width)
        else:
            plot.arrow(0, 0, *vector, color, style, label, width)
    return plot


def _cost_plot(s, walks):
    lowest = 1e-6 * max(one.cost[0] for one in walks.values()) or 1e-6
    start = walks[s.rule].cost[0]
    limits = nice_limits([lowest, 10 * start], log=True)
    so_far = [f"{name} since step {n}" for n, name in _there(s, walks)]
    alt = f"Cost on a logarithmic scale up to step {s.step} of {STEPS}, {_short(start)} at the start. "
    alt += f"Below 1 % of it: {', '.join(so_far) or 'none'}. "
    alt += "Now " + ", ".join(f"{name} has {_short(one.cost[_at(s, one)])}" for name, one in walks.items()) + "."
    plot = Plot(alt, x=(0, STEPS), y=limits, y_log=True, title="Cost J", x_label="step", height=290,
                moves=("step", None))  # fmt: skip
    plot.rule(x=s.step, style="dotted").rule(y=HERE * start, style="dotted", label="1 % of the start")
    for name, one in walks.items():
        rule, chosen = RULES[name], name == s.rule
        at = _at(s, one)
        cost = np.clip(one.cost[: at + 1], limits[0] * 1e-3, limits[1] * 1e3)
        plot.line(np.arange(at + 1), cost, rule.color, rule.style, width=2.5 if chosen else 1.3, label=name)
        plot.points([at], [cost[at]], rule.color, rule.marker, size=1.3 if chosen else 1.0)
    return plot


def _map_plot(s):
    turn = s.turn if s.surface == "ravine" else 0
    kinds = _map(s.surface, (s.w1, s.w2), turn, s.rule == "Nesterov")
    beta = 0.0 if s.rule == "SGD" else s.beta
    here = kinds[np.argmin(np.abs(BETAS - beta)), np.argmin(np.abs(np.log(RATES / s.eta)))]
    shares = ", ".join(f"{np.mean(kinds == k):.0%} {word}" for k, word in enumerate(KINDS) if (kinds == k).any())
    name = "Nesterov" if s.rule == "Nesterov" else "momentum"
    alt = f"What {name} does in {STEPS} steps, over η from 0.001 to 1 and β from 0 to 0.98: {shares}. "
    alt += f"The mark is at η = {_short(s.eta)} and β = {_short(beta)}: {KINDS[here]}."
    half_x, half_y = math.sqrt(RATES[1] / RATES[0]), (BETAS[1] - BETAS[0]) / 2
    plot = Plot(alt, x=(RATES[0] / half_x, RATES[-1] * half_x), y=(-half_y, BETAS[-1] + half_y), x_log=True,
                title=f"Map of {name}: η, with β upwards", x_label="η", height=290,
                moves=("eta", None if s.rule == "SGD" else "beta"))  # fmt: skip
    plot.image(np.array(GREYS)[kinds[::-1]])
    for kind, word in enumerate(KINDS):
        places = np.argwhere(kinds == kind)
        if len(places) > 0.04 * kinds.size:
            row, column = places[np.argmin(((places - np.median(places, 0)) ** 2).sum(1))]
            plot.text(RATES[column], min(BETAS[row], BETAS[-2]), word, size=12, bold=True)
    return plot.points([s.eta], [beta], 1, "diamond", size=1.6, label="present η and β")


def _caption(s, walks):
    way = walks[s.rule]
    at = _at(s, way)
    share = way.cost[at] / way.cost[0] if way.cost[0] else 1.0
    said = f"After step {at}, {s.rule} is at {_pair(way.w[at])}: the cost is {_short(way.cost[at])}, "
    said += f"{100 * share:.3g} % of the start's."
    if len(walks) > 1:
        so_far = ", ".join(f"{name} (step {n})" for n, name in _there(s, walks))
        said += f" Below 1 % so far: {so_far or 'none'}."
    return said


def _table(s, walks):
    turned = s.surface == "ravine" and s.turn > 0
    head = ["rule", f"cost after step {s.step}", *(["if not turned"] * turned), "below 1 % since step", "last step"]
    rows = [head]
    for name, one in walks.items():
        at, first = _at(s, one), _arrived(one)
        length = float(np.linalg.norm(one.w[at] - one.w[at - 1]))
        cells = [name, _short(one.cost[at]) if at == s.step else "has left"]
        if turned:
            other = _walk_of(s, name, turned=False)
            cells.append(_short(other.cost[s.step]) if s.step < len(other.cost) else "has left")
        rows.append([*cells, "–" if first is None or first > s.step else str(first), _short(length)])
    return rows


def _notes(walks):
    left = [f"{name} has left the picture with step {len(one.grad)}" for name, one in walks.items()
            if len(one.grad) < STEPS]  # fmt: skip
    return [f"{'; '.join(left)}: its steps grow. Make its η smaller."] if left else []


def _equations(s, way):
    """The step as its formula, with the numbers of both weights."""
    t = _at(s, way)
    w, g, new, now = way.w[t - 1], way.grad[t - 1], way.w[t], way.memory[t - 1]
    old = way.memory[t - 2] if t > 1 else {name: np.zeros(2) for name in now}
    W, G = _pair(w), _pair(g)
    lines = [("g", f"{G}, the gradient at w = {W}")]
    eta, beta, rate, rho = (_short(v) for v in (s.eta, s.beta, s.rate, s.rho))

    def average(name, share, old_share, square=""):
        part = _pair(g**2) if square else G
        return [
            (name, f"{share} {name} + (1 − {share}) g{square}"),
            ("", f"{old_share} · {_pair(old[name])} + {_short(1 - float(old_share))} · {part}"),
            ("", _pair(now[name])),
        ]

    if s.rule == "SGD":
        lines += [("w", "w − η g"), ("", f"{W} − {eta} · {G}")]
    elif s.rule in ("momentum", "Nesterov"):
        v = _pair(now["v"])
        lines += [("v", "β v + g"), ("", f"{beta} · {_pair(old['v'])} + {G}"), ("", v)]
        if s.rule == "momentum":
            lines += [("w", "w − η v"), ("", f"{W} − {eta} · {v}")]
        else:
            lines += [("w", "w − η (g + β v)"), ("", f"{W} − {eta} · ({G} + {beta} · {v})")]
    elif s.rule in ("AdaGrad", "RMSprop"):
        if s.rule == "AdaGrad":
            lines += [("s", "s + g²"), ("", f"{_pair(old['s'])} + {_pair(g**2)}"), ("", _pair(now["s"]))]
        else:
            lines += average("s", "ρ", rho, "²")
        lines += [("η / √s", f"{_pair(s.rate / np.maximum(np.sqrt(now['s']), 1e-10))}, a rate for each weight"),
                  ("w", "w − η g / √s"), ("", f"{W} − {rate} · {G} / {_pair(np.sqrt(now['s']))}")]  # fmt: skip
    else:
        m_hat, v_hat = _fair(s, way)
        lines += average("m", "β₁", beta) + average("v", "β₂", rho, "²")
        if s.rule == "Adam":
            lines += [("m̂", f"m / (1 − β₁ᵗ) = {_pair(m_hat)} with t = {t}")]
        else:
            lines += [("m̂", f"μₜ₊₁ m / (1 − Πₜ μₜ₊₁) + (1 − μₜ) g / (1 − Πₜ) = {_pair(m_hat)} with t = {t}")]
        lines += [("√v̂", f"√(v / (1 − β₂ᵗ)) = {_pair(np.sqrt(v_hat))}"),
                  ("w", "w − η m̂ / √v̂"),
                  ("", f"{W} − {rate} · {_pair(m_hat)} / {_pair(np.sqrt(v_hat))}")]  # fmt: skip
    return [*lines, ("", _pair(new))]


def explore_optimisers(function=None, question=None, **settings):
    """Show seven rules on their way down one cost surface, step by step, and what each of them remembers (part c).

    With `function`, one of the exercises `momentum_step`, `adagrad_step`, `rmsprop_step`, `adam_step` and
    `nadam_step` (its name says which), its path is drawn and compared with ours. `settings` are those of
    `state()`: `explore_optimisers(surface="plateau", rule="Adam")`.
    The panel has `state()`, `load(state)`, `set(**settings)`, `code()` and `close()`.

    Shapes: function gets and returns what its exercise says, with w of shape (2,).
    PyTorch: `code()` gives the lines.

    >>> panel = explore_optimisers(rule="momentum", step=2)
    >>> panel.caption[:71]
    'After step 2, momentum is at (-0.15, 3.31): the cost is 5.74, 30.8 % of'
    """
    return Optimisers(function, question, **settings)
