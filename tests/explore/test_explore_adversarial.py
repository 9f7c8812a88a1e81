"""The adversarial explorable: its pictures and confidences against PyTorch, its words, and a student's functions."""

import numpy as np
import pytest
import torch

from pnnlib import adversarial
from pnnlib.bridge import to_torch
from pnnlib.explore import explore_adversarial
from pnnlib.explore.adversarial import ATTACK, FGSM, LARGEST, RANDOM, ROTATION, change, curve, stuck
from pnnlib.explore.few_digits import few_digits, small_network
from pnnlib.layers import Flatten, Linear, Sequential


@pytest.fixture
def panel():
    made = explore_adversarial()
    yield made
    made.close()


def bars(panel):
    """The confidences that are shown: as it is, and changed, (10,) each; read off the second picture's words."""
    s = type("s", (), panel.state())
    few = few_digits()
    y = change(
        small_network(), few.x_test[[s.picture]], few.y_test[[s.picture]], s.way,
        s.degrees if s.way == ROTATION else s.epsilon, s.steps, s.draw,
    )  # fmt: skip
    return y, torch.softmax(to_torch(small_network())(torch.tensor(y)), 1).detach().numpy()


@pytest.mark.parametrize("place", range(5))
@pytest.mark.parametrize("other", [{}, {"picture": 42, "epsilon": LARGEST, "degrees": -135, "steps": 8, "draw": 3}])
def test_code_gives_what_is_shown(panel, place, other):
    panel._do({"do": "preset", "place": place})
    panel.set(**other)
    ran = {}
    exec(panel.code(), ran)
    y, p = bars(panel)
    np.testing.assert_allclose(ran["y"].detach().numpy(), y, atol=1e-10)
    np.testing.assert_allclose(ran["p"].detach().numpy(), p, atol=1e-10)
    said = f"{int(p.argmax())}, with {p.max():.2f}"
    assert f") {said}. The network" in panel.caption
    assert panel.picture["plots"][1]["alt"].endswith(f"The largest then: {said}.")


@pytest.mark.parametrize("way", [FGSM, ATTACK, RANDOM])
def test_nothing_changes_by_more_than_epsilon_nor_leaves_its_limits(way):
    few = few_digits()
    for epsilon in (0.0, 0.07, LARGEST):
        y = change(small_network(), few.x_test, few.y_test, way, epsilon, steps=3, draw=1)
        assert y.min() >= 0 and y.max() <= 1 and np.abs(y - few.x_test).max() <= epsilon + 1e-12
        cut = stuck(few.x_test, y, epsilon)
        if way != ATTACK:  # whatever is not cut off moves by all of ε, or has no gradient
            np.testing.assert_allclose(np.abs(y - few.x_test)[~cut], epsilon, atol=1e-9)
            assert np.isin(y[cut], (0, 1)).all() or way == FGSM


@pytest.mark.parametrize("way", [FGSM, ATTACK, RANDOM, ROTATION])
def test_the_curve_is_what_the_cursor_shows(panel, way):
    amounts, p = curve(small_network(), few_digits().x_test[[7]], few_digits().y_test[[7]], way, 3, 2)
    for i in (0, len(amounts) // 3, -1):
        amount = round(float(amounts[i]), 10)
        panel.set(way=way, picture=7, steps=3, draw=2, **{"degrees" if way == ROTATION else "epsilon": amount})
        np.testing.assert_allclose(bars(panel)[1][0], p[i], atol=1e-10)


def test_the_gradient_does_more_harm_than_chance():
    """What the presets claim, on all 100 test pictures: fgsm, more steps, and as much by chance."""
    few = few_digits()
    right = {}
    for way, steps in ((FGSM, 1), (ATTACK, 8), (RANDOM, 1)):
        y = change(small_network(), few.x_test, few.y_test, way, 0.1, steps)
        right[way] = np.mean(small_network()(y).argmax(1) == few.y_test)
    assert right[RANDOM] > right[FGSM] + 0.2 and right[FGSM] >= right[ATTACK] - 0.02


def test_words(panel):
    said = "As it is, this 3 is called 3, with 0.99; changed (one step: fgsm, ε = 0.1) 3, with 0."
    assert panel.caption.startswith(said)
    drawing = panel.picture["plots"][0]["alt"]
    assert "Left a digit 3, which the network calls 3, with 0.99." in drawing and "cut off at 0 or 1" in drawing
    assert "Another digit than 3 is ahead for the first time at ε = 0.1" in panel.picture["plots"][2]["alt"]
    panel.set(epsilon=0)
    assert panel.picture["notes"] == [] and "0 pixels get darker, 0 lighter." in panel.picture["plots"][0]["alt"]
    assert panel.picture["lines"][-1][1].endswith(" = 0, the real rise")
    panel.set(way=RANDOM, epsilon=0.2)
    before = panel.picture["plots"]
    panel.press("draw_again")
    assert panel.state()["draw"] == 1 and panel.picture["plots"] != before
    hidden = {c["name"]: c["hidden"] for c in panel.picture["controls"]}
    assert hidden["degrees"] and hidden["steps"] and not hidden["draw"]
    panel.set(way=ROTATION, degrees=0)
    assert "turned by 0°" in panel.caption and panel.picture["lines"] == [] and panel.picture["notes"] == []


def test_the_rise_of_the_cost_is_the_sum_that_is_written(panel):
    panel._do({"do": "preset", "place": 3})
    few, module = few_digits(), to_torch(small_network())
    x = torch.tensor(few.x_test[[6]], requires_grad=True)
    cost = torch.nn.functional.cross_entropy(module(x), torch.tensor([6]))
    cost.backward()
    y = (x + 0.2 * x.grad.sign()).clamp(0, 1)
    rise, most = (x.grad * (y - x)).sum().item(), 0.2 * x.grad.abs().sum().item()
    after = torch.nn.functional.cross_entropy(module(y), torch.tensor([6])).item()
    assert panel.picture["lines"][1:] == [
        ["Σ g Δ", f"{rise:.3g}, what it promises for the change Δ"],
        ["ε Σ |g|", f"{most:.3g}, the most it can promise"],
        ["ΔJ", f"{after:.3g} − {cost.item():.3g} = {after - cost.item():.3g}, the real rise"],
    ]
    cut = int(((y - x).abs() < 0.2 - 1e-9).sum())
    said = f"{cut} of 64 pixels could not change by all of ε: they would be below 0 or above 1."
    assert panel.picture["notes"] == [said]


def not_clipped(x, dx, epsilon):
    return x + epsilon * np.sign(dx)


def test_a_students_functions():
    panel = explore_adversarial(adversarial.fgsm, adversarial.attack)
    assert panel.picture["verdict"] == {"agrees": True, "sentence": "fgsm: all 64 numbers agree with ours."}
    panel.set(way=ATTACK, steps=5)
    assert panel.picture["verdict"] == {"agrees": True, "sentence": "attack: all 64 numbers agree with ours."}
    panel.set(way=RANDOM)
    said = "Your function can be compared with “one step: fgsm” or “small steps: attack”."
    assert panel.picture["verdict"]["sentence"] == said
    panel.close()
    assert panel._function is None and panel._attack is None
    verdict = explore_adversarial(not_clipped).picture["verdict"]
    assert not verdict["agrees"] and "not_clipped: the first number that differs is y[0, 0, " in verdict["sentence"]
    with pytest.raises(TypeError, match="explore_adversarial: attack must be a function, got 3"):
        explore_adversarial(attack=3)


def test_a_network_of_ones_own():
    model = Sequential(Flatten(), Linear(64, 10, rng=0))
    before = model.state_dict()
    panel = explore_adversarial(model=model)
    p = torch.softmax(to_torch(model)(torch.tensor(few_digits().x_test[[13]])), 1)
    assert f"As it is, this 3 is called {int(p.argmax())}, with {p.max():.2f};" in panel.caption
    assert "to_torch(model)  # your network" in panel.code()
    assert any("wrong about this picture as it is" in note for note in panel.picture["notes"]) == (int(p.argmax()) != 3)
    panel.set(way=ATTACK, epsilon=0.3)
    assert all(np.array_equal(before[name], now) for name, now in model.state_dict().items())
    panel.close()
    with pytest.raises(ValueError, match=r"explore_adversarial: model must give \(N, 10\)"):
        explore_adversarial(model=Sequential(Flatten(), Linear(64, 2, rng=0)))
