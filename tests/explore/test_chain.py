"""The chain explorable: its numbers against PyTorch and the library, its equation, words, and a student's function."""

import re

import numpy as np
import pytest
import torch

from pnnlib import gradflow
from pnnlib.explore import explore_chain
from pnnlib.explore.chain import PHI, run_chain, weights_of
from pnnlib.gradflow import chain_updates

TORCH = {
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "ReLU": torch.relu,
    "LReLU, a = 0.1": lambda net: torch.nn.functional.leaky_relu(net, 0.1),
}


def torch_chain(x, t, w, phi, eta, skip):
    """Outputs, factors, errors and Δw, all by autograd."""
    w = torch.tensor(w, requires_grad=True)
    y = [torch.tensor(float(x), dtype=torch.float64, requires_grad=True)]
    for j in range(len(w)):
        y.append(phi(w[j] * y[j]) + (y[j] if skip else 0))
    factors = [torch.autograd.grad(y[j + 1], y[j], retain_graph=True)[0].item() for j in range(len(w))]
    cost = 0.5 * (t - y[-1]) ** 2
    errors = [-torch.autograd.grad(cost, one, retain_graph=True)[0].item() for one in y]
    dw = -eta * torch.autograd.grad(cost, w)[0].numpy()
    return np.array([one.item() for one in y]), factors, errors, dw


@pytest.mark.parametrize("phi", PHI)
@pytest.mark.parametrize("depth", [1, 3, 17, 50])
@pytest.mark.parametrize("skip", [False, True])
def test_every_number_agrees_with_pytorch(phi, depth, skip):
    for seed in range(5):
        rng = np.random.default_rng([seed, depth])
        w = rng.normal(0.3, 1, depth)
        if phi == "ReLU" and seed < 2:
            w = np.abs(w)  # or it is soon dead
        x, t, eta = rng.normal(size=3)
        run = run_chain(x, t, w, *PHI[phi][:2], eta, skip)
        y, factors, errors, dw = torch_chain(x, t, w, TORCH[phi], eta, skip)
        for ours, theirs in ((run.y, y), (run.factor, factors), (run.error, errors), (run.dw, dw)):
            # With by-passes net inputs grow, and 1 - tanh² of a large one is mostly rounding.
            np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12 if skip else 1e-300)
        if not skip:
            two = PHI[phi][:2]
            np.testing.assert_allclose(run.y, gradflow.chain_forward(x, w, two[0]), rtol=1e-12)
            np.testing.assert_allclose(run.factor, gradflow.chain_factors(x, w, *two), rtol=1e-12)
            np.testing.assert_allclose(run.dw, chain_updates(x, t, w, *two, eta), rtol=1e-12, atol=1e-300)


def shown_dw(panel):
    s = type("s", (), panel.state())
    phi, phi_prime, _ = PHI[s.phi]
    return run_chain(s.x, s.t, weights_of(s), phi, phi_prime, s.eta, s.skip).dw


@pytest.mark.parametrize("place", range(5))
@pytest.mark.parametrize("phi", PHI)
def test_code_gives_the_changes_shown(place, phi):
    panel = explore_chain()
    panel._do({"do": "preset", "place": place})
    panel.set(phi=phi)
    ran = {}
    exec(panel.code(), ran)
    atol = 1e-12 if panel.state()["skip"] else 0
    np.testing.assert_allclose(ran["dw"].numpy(), shown_dw(panel), rtol=1e-9, atol=atol)
    panel.close()


def test_starts_on_the_worked_example_of_the_notebook():
    panel = explore_chain()
    np.testing.assert_allclose(shown_dw(panel), [0.0053, -0.0446, -0.0358, 0.1708], atol=5e-5)
    assert panel.caption == (
        "The error is 0.783 at the last neuron and 0.0253 at neuron 2: 3 factors have multiplied it by 0.0323. "
        "The last weight changes by 0.171, the first by 0.00531."
    )
    assert panel.picture["lines"] == [
        ["Δw₃₂", "η (t − y₅) · (φ′(w₅₄y₄) w₅₄) · (φ′(w₄₃y₃) w₄₃) · φ′(w₃₂y₂) y₂"],
        ["", "2 · 0.783 · (0.17 · (-2)) · (0.23 · 2) · 0.207 · 0.881"],
        ["", "-0.0446"],
    ]
    drawing, sizes = (plot["alt"] for plot in panel.picture["plots"])
    assert drawing.endswith(
        "past neuron 5 by -0.34, past neuron 4 by 0.459, past neuron 3 by -0.207, past neuron 2 by 0.21."
    )
    assert sizes.endswith("The largest change is 0.171 at w₅₄, the smallest 0.00531 at w₂₁.")


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize(("depth", "edge"), [(4, 1), (4, 4), (5, 2), (30, 1), (30, 12), (30, 26), (30, 30)])
def test_what_is_written_out_as_a_product_is_that_product(skip, depth, edge):
    panel = explore_chain(depth=depth, edge=edge, skip=skip, phi="tanh", mean=0.8, spread=0.5)
    _, (_, numbers), (_, result) = panel.picture["lines"]
    product = eval(numbers.replace("·", "*").replace("−", "-"))
    # every factor is rounded to three digits, or to two when it is very small
    assert product == pytest.approx(float(result), rel=0.06)
    letters = panel.picture["lines"][0][1]
    behind = letters.count("φ′") - 1  # factors of later weights
    more = re.search(r"\((\d+) more factors\)", letters)
    assert behind + (int(more[1]) if more else 0) == depth - edge
    panel.close()


def test_weights_one_by_one_or_drawn():
    panel = explore_chain()
    sliders = {c["label"]: c["hidden"] for c in panel.picture["controls"] if c["kind"] == "slider"}
    assert not sliders["Weight w₅₄"] and sliders["Weight w₆₅"] and sliders["Mean of the weights"]
    panel.set(depth=6)
    sliders = {c["label"]: c["hidden"] for c in panel.picture["controls"] if c["kind"] == "slider"}
    assert sliders["Weight w₂₁"] and not sliders["Mean of the weights"]
    panel.set(depth=50, mean=0.5, spread=2)
    first = weights_of(type("s", (), panel.state()))
    panel.press("draw_again")
    second = weights_of(type("s", (), panel.state()))
    assert panel.state()["draw"] == 1 and not np.allclose(first, second)
    for w in (first, second):
        assert abs(w.mean() - 0.5) < 1 and 1.5 < w.std() < 2.6
    panel.load({**panel.state(), "draw": 0})
    np.testing.assert_array_equal(weights_of(type("s", (), panel.state())), first)


def test_a_dead_neuron_and_no_error_are_said():
    panel = explore_chain(phi="ReLU")
    assert panel.picture["notes"] == [
        "The slope of neuron 5 is 0: its net input is not positive. No error gets past it."
    ]
    assert "No weight changes." in panel.picture["plots"][1]["alt"]
    panel.set(skip=True)
    assert "only by the skip connection" in panel.picture["notes"][0]
    panel.set(skip=False, w1=1.0, w2=1.0, w3=1.0, w4=1.0)
    assert panel.caption == "Output and target are both 1: there is no error, and no weight changes."


def wrong_sign(x, t, w, phi, phi_prime, eta):
    return -chain_updates(x, t, w, phi, phi_prime, eta)


def test_a_students_function():
    panel = explore_chain(chain_updates)
    verdict = panel.picture["verdict"]
    assert verdict == {"agrees": True, "sentence": "chain_updates: all 4 numbers agree with ours."}
    panel.set(skip=True)
    assert panel.picture["verdict"]["sentence"] == (
        "chain_updates takes no skip connections: it can be compared while they are off."
    )
    panel.close()
    assert panel._function is None
    verdict = explore_chain(wrong_sign, depth=20).picture["verdict"]
    assert not verdict["agrees"] and "wrong_sign: the first number that differs is Δw[" in verdict["sentence"]
    with pytest.raises(TypeError, match="explore_chain: function must be a function, got 3"):
        explore_chain(3)
