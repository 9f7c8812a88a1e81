"""The optimisers explorable: paths and memory against torch.optim, the map against paths, words, a student's step."""

import re

import numpy as np
import pytest
import torch

from pnnlib import optim
from pnnlib.explore import explore_optimisers
from pnnlib.explore.optimisers import (
    BETAS, KINDS, RATES, RULES, STEPS, SURFACES, Optimisers, behaviours, cost_at, walk,
)  # fmt: skip

# One line each, by another way than the panel's.
TORCH_COST = {
    "ravine": lambda w, turn: 0.5 * w @ turned(turn) @ w,
    "plateau": lambda w, turn: 2 - 2 * torch.exp(-(w**2).sum() / 2),
    "local minimum": lambda w, turn: (
        (torch.tensor([0.15, 0.3]) * (w - torch.tensor([2.0, 0.0])) ** 2).sum()
        - 0.8 * torch.exp(-3 * ((w - torch.tensor([-1.0, 0.0])) ** 2).sum())
    ),
}


def turned(degrees):
    angle = torch.deg2rad(torch.tensor(float(degrees), dtype=torch.float64))
    axes = torch.stack([torch.stack([angle.cos(), angle.sin()]), torch.stack([-angle.sin(), angle.cos()])])
    return axes.T @ torch.diag(torch.tensor([25.0, 1.0], dtype=torch.float64)) @ axes


@pytest.fixture(autouse=True)
def wide():
    torch.set_default_dtype(torch.float64)  # NAdam keeps its product in the default type
    yield
    torch.set_default_dtype(torch.float32)


def settings(**values):
    given = {"eta": 0.02, "beta": 0.8, "rate": 0.3, "rho": 0.9, **values}
    return type("s", (), given)


def torch_optimiser(name, w, s):
    return {
        "SGD": lambda: torch.optim.SGD([w], s.eta),
        "momentum": lambda: torch.optim.SGD([w], s.eta, momentum=s.beta),
        "Nesterov": lambda: torch.optim.SGD([w], s.eta, momentum=s.beta, nesterov=s.beta > 0),
        "AdaGrad": lambda: torch.optim.Adagrad([w], s.rate),
        "RMSprop": lambda: torch.optim.RMSprop([w], s.rate, alpha=s.rho),
        "Adam": lambda: torch.optim.Adam([w], s.rate, (s.beta, s.rho)),
        "Nadam": lambda: torch.optim.NAdam([w], s.rate, (s.beta, s.rho)),
    }[name]()


KEYS = {"v": "momentum_buffer", "mu_product": "mu_product", "m": "exp_avg"}


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize(
    ("surface", "turn", "start", "values"),
    [
        ("ravine", 0, (1.0, 3.5), {}),
        ("ravine", 35, (-2.0, 3.0), {"beta": 0.0}),
        ("plateau", 0, (2.5, -2.0), {"eta": 1.0, "beta": 0.98, "rate": 1.0, "rho": 0.99}),
        ("local minimum", 0, (-3.5, 0.6), {"eta": 0.1, "beta": 0.5, "rho": 0.5, "rate": 0.01}),
    ],
)
def test_paths_and_memory_are_those_of_torch_optim(name, surface, turn, start, values):
    s, rule = settings(**values), RULES[name]
    way = walk(surface, start, rule.step, rule.remembers, rule.options(s), turn)
    w = torch.tensor(start, requires_grad=True)
    optimiser = torch_optimiser(name, w, s)
    costs, grads, places, states = [], [], [], []
    for _ in range(STEPS):
        cost = TORCH_COST[surface](w, turn)
        optimiser.zero_grad()
        cost.backward()
        costs.append(cost.item())
        grads.append(w.grad.numpy().copy())
        optimiser.step()
        places.append(w.detach().numpy().copy())
        states.append({key: value.clone().numpy() for key, value in optimiser.state[w].items() if value is not None})
    # A step that jumps across a ravine doubles what was rounded, so it grows from 1e-16 to 1e-8 in 60 steps.
    close = {"rtol": 1e-5, "atol": 1e-7}
    np.testing.assert_allclose(way.cost[:-1], costs, **close)
    np.testing.assert_allclose(way.grad, grads, **close)
    np.testing.assert_allclose(way.w[1:], places, **close)
    for key in way.memory[0]:
        squares = {"AdaGrad": "sum", "RMSprop": "square_avg"}.get(name, "exp_avg_sq")
        where = squares if key == "s" or (key == "v" and name in ("Adam", "Nadam")) else KEYS[key]
        if where != "momentum_buffer" or s.beta > 0:  # without momentum PyTorch keeps none
            found = [memory[key] for memory in way.memory]
            np.testing.assert_allclose(found, [state[where] for state in states], **close)


@pytest.mark.parametrize("surface", SURFACES)
def test_the_lowest_cost_is_0(surface):
    w = np.linspace(-4, 4, 161)
    cost, _ = cost_at(surface, *np.meshgrid(w, w), 30)
    assert -1e-9 < cost.min() < 1e-9


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("surface", ["ravine", "plateau", "local minimum"])
def test_the_map_says_what_the_paths_do(nesterov, surface):
    start = (-2.5, 2.0)
    kinds, seen = behaviours(surface, start, nesterov=nesterov), set()
    assert kinds.shape == (len(BETAS), len(RATES))
    step = optim.nesterov_step if nesterov else optim.momentum_step
    for row in range(0, len(BETAS), 6):
        for column in range(0, len(RATES), 3):
            way = walk(surface, start, step, ("v",), (RATES[column], BETAS[row]))
            kind = KINDS[kinds[row, column]]
            seen.add(kind)
            share = way.cost / way.cost[0]
            if len(way.cost) <= STEPS:
                assert kind == "leaves" or surface != "ravine"  # only a ravine is steeper and steeper outside
                continue
            rises, change = np.sum(np.diff(way.cost) > 0), abs(share[-1] - share[STEPS - STEPS // 10])
            expected = (
                "arrives" if share[-1] <= 0.01 else "leaves" if share[-1] >= 1 else "stands still" if change < 1e-3
                else "swings" if rises >= 6 else "creeps"
            )  # fmt: skip
            assert kind == expected, (row, column, share[-1], rises)
    assert len(seen) > 2


@pytest.mark.parametrize("place", range(5))
@pytest.mark.parametrize("rule", RULES)
def test_code_gives_the_weights_shown(place, rule):
    panel = explore_optimisers()
    panel._do({"do": "preset", "place": place})
    panel.set(rule=rule, step=7)
    ran = {}
    exec(panel.code(), ran)
    shown = re.search(r"is at \((\S+), (\S+)\)", panel.caption)
    for ours, theirs in zip(shown.groups(), ran["w"].tolist()):
        assert float(ours) == pytest.approx(theirs, rel=6e-3)
    assert panel.picture["lines"][-1][1] == f"({shown[1]}, {shown[2]})"
    panel.close()


def pairs(text):
    """A line of numbers and pairs, evaluated."""
    text = re.sub(r"\(([-\d.e+]+), ([-\d.e+]+)\)", r"np.array([\1, \2])", text)
    return eval(text.replace("·", "*").replace("−", "-"), {"np": np})


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("step", [1, 2, 9])
def test_what_is_written_out_comes_to_what_stands_below(rule, step):
    panel = explore_optimisers(rule=rule, step=step, surface="plateau", w1=1.3, w2=-0.8)
    lines, checked = panel.picture["lines"], 0
    for (_, above), (left, below) in zip(lines, lines[1:]):
        if left == "" and re.search(r"\d\) |\d · ", above):
            np.testing.assert_allclose(pairs(above), pairs(below), rtol=0.02, atol=2e-3)
            checked += 1
    assert checked == {"SGD": 1, "momentum": 2, "Nesterov": 2, "AdaGrad": 2, "RMSprop": 2, "Adam": 3, "Nadam": 3}[rule]
    panel.close()


def test_nadams_step_is_the_one_that_is_written_out():
    panel = explore_optimisers(rule="Nadam", step=5, beta=0.6, rho=0.8)
    said = panel.picture["lines"]
    way = walk("ravine", (1.0, 3.5), optim.nadam_step, RULES["Nadam"].remembers, (0.5, 0.6, 0.8, 1e-8, 4e-3))
    root = np.array([float(v) for v in re.findall(r"[-\d.e+]+(?=[,)])", dict(said)["√v̂"].split("=")[1])])
    m_hat = np.array([float(v) for v in re.findall(r"[-\d.e+]+(?=[,)])", dict(said)["m̂"].split("=")[1])])
    np.testing.assert_allclose(way.w[4] - 0.5 * m_hat / root, way.w[5], rtol=0.01, atol=5e-3)


# Presets make their point.


def in_preset(name, **values):
    panel = explore_optimisers()
    panel._do({"do": "preset", "place": [preset.name for preset in panel.presets].index(name)})
    panel.set(**values)
    return panel


def test_the_first_three_in_the_ravine():
    panel = in_preset("Ravine", step=10)
    assert panel.caption.endswith("Below 1 % so far: RMSprop (step 4), Adam (step 8), Nadam (step 9).")
    assert in_preset("Ravine").caption.endswith("Below 1 % so far: none.")


def test_momentum_does_not_notice_the_turn_and_adaptive_rules_do():
    head, *rows = in_preset("Turned ravine").picture["table"]
    assert head[:3] == ["rule", "cost after step 20", "if not turned"]
    for name, now, straight, *_ in rows:
        assert (now == straight) == (name in ("SGD", "momentum", "Nesterov")), name


def test_on_the_plateau_adaptive_rules_take_long_steps():
    for name, *_, length in in_preset("Plateau").picture["table"][1:]:
        assert (float(length) > 0.1) == (name in ("AdaGrad", "RMSprop", "Adam", "Nadam")), name


def test_from_some_beta_on_momentum_rolls_through_the_dent():
    ends = {beta: float(re.search(r"is at \((\S+),", in_preset("Local minimum", beta=beta, step=STEPS).caption)[1])
            for beta in (0.0, 0.5, 0.6, 0.7, 0.8)}  # fmt: skip
    assert [round(end) for end in ends.values()] == [-1, -1, -1, 2, 2]


def test_a_larger_beta_allows_a_larger_rate():
    kinds = behaviours("ravine", (1.0, 3.5))
    largest = [RATES[np.flatnonzero(row != KINDS.index("leaves"))[-1]] for row in kinds]
    assert largest[0] < 2 / 25 < largest[-1] and (np.diff(largest) >= 0).all()


# Words.


def test_what_is_said():
    panel = explore_optimisers(rule="momentum", step=2, others=False)
    assert panel.caption == "After step 2, momentum is at (-0.15, 3.31): the cost is 5.74, 30.8 % of the start's."
    assert panel.picture["lines"] == [
        ["g", "(12.5, 3.43), the gradient at w = (0.5, 3.43)"],
        ["v", "β v + g"],
        ["", "0.8 · (25, 3.5) + (12.5, 3.43)"],
        ["", "(32.5, 6.23)"],
        ["w", "w − η v"],
        ["", "(0.5, 3.43) − 0.02 · (32.5, 6.23)"],
        ["", "(-0.15, 3.31)"],
    ]
    paths, arrows, cost, chart = (plot["alt"] for plot in panel.picture["plots"])
    assert paths == (
        "Lines of equal cost of a ravine, turned by 0°, and paths from (1, 3.5). "
        "After step 2 momentum is at (-0.15, 3.31)."
    )
    assert arrows == (
        "Arrows of step 2 of momentum, in units of the gradient: −g is (-12.5, -3.43), −v is (-32.5, -6.23)."
    )
    assert cost == (
        "Cost on a logarithmic scale up to step 2 of 60, 18.6 at the start. Below 1 % of it: none. "
        "Now momentum has 5.74."
    )
    assert chart.endswith("The mark is at η = 0.02 and β = 0.8: arrives.")
    panel.set(rule="Adam")
    assert len(panel.picture["plots"]) == 3  # the map is of momentum


def test_who_leaves_is_said_and_the_code_stops_there():
    panel = explore_optimisers(eta=1.0, step=STEPS, rule="momentum")
    note = panel.picture["notes"][0]
    assert note.startswith("SGD has left the picture with step ") and note.endswith("Make its η smaller.")
    assert [row[1] for row in panel.picture["table"][1:4]] == ["has left"] * 3
    n = int(re.search(r"momentum has left the picture with step (\d+)", note)[1])
    assert f"for step in range({n}):" in panel.code() and f"After step {n}, momentum" in panel.caption


def test_a_start_at_the_lowest_place():
    panel = explore_optimisers(w1=0.0, w2=0.0)
    assert "the cost is 0, 100 % of the start's" in panel.caption
    assert {row[1] for row in panel.picture["table"][1:]} == {"0"}


# A student's step.


def momentum_step(w, grad, v, lr, beta):
    v = beta * v + grad
    return w - lr * v, v


def adam_step(w, grad, m, v, t, lr, beta1, beta2, eps):  # without the corrections
    m, v = beta1 * m + (1 - beta1) * grad, beta2 * v + (1 - beta2) * grad**2
    return w - lr * m / (np.sqrt(v) + eps), m, v


def rmsprop_step(w, grad, s, lr, rho, eps):
    return w - lr * grad


def adagrad_step(w, grad, s, lr, eps):
    raise NotImplementedError


@pytest.mark.parametrize(
    ("function", "rule", "agrees", "said"),
    [
        (momentum_step, "momentum", True, "momentum_step: all 122 numbers agree with ours."),
        (optim.nadam_step, "Nadam", True, "nadam_step: all 122 numbers agree with ours."),
        (adam_step, "Adam", False, "adam_step: the first number that differs is the path w[1, 0]: yours is"),
        (rmsprop_step, "RMSprop", False, "rmsprop_step must return the new w and s, got ndarray"),
        (adagrad_step, "AdaGrad", False, "adagrad_step is not implemented yet."),
    ],
)
def test_a_students_step(function, rule, agrees, said):
    panel = explore_optimisers(function)
    verdict = panel.picture["verdict"]
    assert panel.state()["rule"] == rule and verdict["agrees"] == agrees and said in verdict["sentence"]
    drawn = "the path of your function" in panel.picture["plots"][0]["svg"]
    assert drawn == (agrees or rule == "Adam")
    if agrees:
        panel.set(surface="plateau", eta=1.0, w1=-3.0, beta=0.0)
        assert panel.picture["verdict"]["agrees"]
        panel.set(surface="ravine", eta=1.0)  # leaves
        assert panel.picture["verdict"]["agrees"]
    panel.close()
    assert panel._function is None


def test_a_function_that_is_no_rule():
    with pytest.raises(TypeError, match="explore_optimisers: function must be a function, got 3"):
        explore_optimisers(3)
    with pytest.raises(ValueError, match="must have the name of its rule, sgd_step, .*got your function"):
        explore_optimisers(lambda w, grad, v, lr, beta: w)


def test_a_students_step_is_walked_only_when_its_settings_change():
    calls = []

    def momentum_step(w, grad, v, lr, beta):
        calls.append(1)
        return optim.momentum_step(w, grad, v, lr, beta)

    panel = Optimisers(momentum_step)
    before = len(calls)
    panel.set(step=30, rate=0.1)
    assert len(calls) == before
    panel.set(beta=0.5)
    assert len(calls) > before
