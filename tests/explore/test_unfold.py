"""The unfolding explorable: states, gradients and their sums against PyTorch and `rnn_backward`, words, an own bptt."""

import re

import numpy as np
import pytest
import torch

from pnnlib.explore import explore_unfold
from pnnlib.explore.unfold import ALTERNATING, CLICK, NOISE, ONES, PHI, network_of, run_unfolded
from pnnlib.rnn import rnn, rnn_backward


def settings(panel):
    return type("s", (), panel.state())


def shown(panel):
    s = settings(panel)
    return run_unfolded(*network_of(s), s.phi)


@pytest.mark.parametrize("phi", PHI)
@pytest.mark.parametrize(("steps", "m", "n"), [(1, 1, 1), (3, 1, 1), (7, 4, 2), (50, 16, 1)])
def test_every_number_agrees_with_pytorch(phi, steps, m, n):
    for seed in range(4):
        rng = np.random.default_rng([seed, steps])
        x, h0, b, dh = rng.normal(size=(steps, n)), rng.normal(size=m), rng.normal(size=m) / 3, rng.normal(size=m)
        w_xh, w_hh = rng.normal(size=(m, n)), rng.normal(size=(m, m)) / np.sqrt(m)
        run = run_unfolded(x, h0, w_xh, w_hh, b, dh, phi)
        leaves = [torch.tensor(a, requires_grad=True) for a in (w_xh, w_hh, b)]
        h, nets = [torch.tensor(h0, requires_grad=True)], []
        for x_t in torch.tensor(x):
            nets.append(leaves[0] @ x_t + leaves[1] @ h[-1] + leaves[2])
            nets[-1].retain_grad()
            h.append(getattr(torch, phi.lower())(nets[-1]))
            h[-1].retain_grad()
        h[-1].backward(torch.tensor(dh))
        tolerance = {"rtol": 1e-9, "atol": 1e-11}
        np.testing.assert_allclose(run.h, torch.stack(h).detach().numpy(), **tolerance)
        np.testing.assert_allclose(run.g, torch.stack([one.grad for one in h]).numpy(), **tolerance)
        np.testing.assert_allclose(run.delta, torch.stack([net.grad for net in nets]).numpy(), **tolerance)
        for ours, theirs in zip((run.dw_xh, run.dw_hh, run.delta), leaves):
            np.testing.assert_allclose(ours.sum(axis=0), theirs.grad.numpy(), **tolerance)


@pytest.mark.parametrize("phi", PHI)
def test_it_is_the_librarys_recurrent_network(phi):
    rng = np.random.default_rng(0)
    x, h0, w_xh, w_hh, b = (rng.normal(size=shape) for shape in ((9, 2), 5, (5, 2), (5, 5), 5))
    dh = rng.normal(size=5)
    run = run_unfolded(x, h0, w_xh, w_hh, b, dh, phi)
    arguments = x[:, None], h0[None], w_xh, w_hh, b, None, phi.lower()
    np.testing.assert_allclose(run.h[1:], rnn(*arguments)[:, 0], atol=1e-12)
    dy = np.zeros((9, 1, 5))
    dy[-1, 0] = dh
    dx, dh0, dw_ih, dw_hh, db, _ = rnn_backward(dy, *arguments)
    for ours, theirs in ((run.g[0], dh0[0]), (run.dw_xh.sum(0), dw_ih), (run.dw_hh.sum(0), dw_hh), (run.delta.sum(0), db),
                         (run.delta @ w_xh, dx[:, 0])):  # fmt: skip
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("phi", PHI)
def test_code_gives_the_gradients_shown(place, phi):
    panel = explore_unfold()
    panel._do({"do": "preset", "place": place})
    for sequence in (ALTERNATING, CLICK, ONES, NOISE):
        panel.set(phi=phi, sequence=sequence)
        ran = {}
        exec(panel.code(), ran)
        run = shown(panel)
        np.testing.assert_allclose(ran["reached"], np.linalg.norm(run.g, axis=1), rtol=1e-8, atol=1e-300)
        np.testing.assert_allclose(ran["w_hh"].grad.numpy(), run.dw_hh.sum(axis=0), rtol=1e-8, atol=1e-12)
        said = re.search(r"last state, (\S+) reaches", panel.caption)[1].replace("nothing", "0")
        assert float(said) == pytest.approx(ran["reached"][0], rel=0.05)
    panel.close()


def test_starts_on_the_worked_example_of_the_notebook():
    panel = explore_unfold()
    run = shown(panel)
    np.testing.assert_allclose(run.h.ravel(), [0, 0.7616, 0.3634, 0.8280], atol=5e-5)
    np.testing.assert_allclose(run.g.ravel()[1:], [0.0682, 0.1572, 1], atol=5e-5)
    np.testing.assert_allclose([run.dw_xh.sum(), run.dw_hh.sum(), run.delta.sum()], [0.3431, 0.2182, 0.4795], atol=5e-5)
    assert panel.caption == (
        "3 layers share 3 parameters. Of a gradient of 1 at the last state, 0.0143 reaches the start: "
        "each step back multiplies its size by 0.243 on average."
    )
    assert panel.picture["lines"] == [
        ["h₂", "tanh(w_xh·x₂ + w_hh·h₁ + b)"], ["", "tanh(1·0 + 0.5·0.762 + 0)"], ["", "0.363"],
        ["δ₂", "g₂ · (1 − h₂²)"], ["", "0.157 · (1 − 0.363²)"], ["", "0.136"],
        ["g₁", "w_hh · δ₂"], ["", "0.5 · 0.136"], ["", "0.0682"],
        ["dw_hh", "sum of δ·h before it, here 0.136·0.762"], ["", "0.218"],
    ]  # fmt: skip
    drawing, states, gradients = (plot["alt"] for plot in panel.picture["plots"])
    assert drawing.endswith("reaches a state: 1 at h 3, 0.157 at h 2, 0.0682 at h 1, 0.0143 at h 0.")
    assert "it is 0.363 at step 2 and 0.828 at the end" in states
    assert "1 at the last, 0.157 at step 2, 0.0143 before the first. Step 2 adds 0.104" in gradients


@pytest.mark.parametrize("phi", PHI)
@pytest.mark.parametrize(("step", "w_hh", "b"), [(1, 0.5, 0.0), (7, -1.1, 0.3), (12, 1.2, -0.2)])
def test_what_is_written_out_is_the_number(phi, step, w_hh, b):
    panel = explore_unfold(steps=12, step=step, phi=phi, w_hh=w_hh, b=b, w_xh=-0.75)
    lines = panel.picture["lines"]
    known = {"tanh": np.tanh, "relu": lambda net: max(net, 0.0)}
    for n in (1, 4, 7):
        written = lines[n][1].replace("·", "*").replace("−", "-").replace("²", "**2")
        assert eval(written, known) == pytest.approx(float(lines[n + 1][1]), rel=0.05, abs=0.006)
    panel.close()


def test_presets_make_their_points():
    panel = explore_unfold()

    def start(**values):
        panel.set(**values)
        return float(np.linalg.norm(shown(panel).g[0]))

    panel._do({"do": "preset", "place": 1})
    assert start() < 1e-9 and start(w_hh=0.75) < 1e-3 < start(w_hh=0.85)
    panel._do({"do": "preset", "place": 2})
    assert start() == pytest.approx(1.5**30) and start(w_hh=1.0) == 1
    panel._do({"do": "preset", "place": 3})
    reached = []
    for _ in range(20):
        reached.append(start())
        panel.press("draw_again")
    assert max(reached) > 100 * min(reached)
    assert "50 layers share 288 parameters." in panel.caption
    assert [line[0] for line in panel.picture["lines"]] == ["length of g₂₅", "length of δ₂₅", "length of g₂₄"]
    assert re.search(r"each a thin line, from -?0\.\d+ to 0\.\d+; at step 25", panel.picture["plots"][1]["alt"])


def test_a_dead_step_is_said():
    panel = explore_unfold(phi="ReLU", sequence=CLICK, w_hh=-1.0, steps=5)
    assert panel.caption.endswith("nothing reaches the start.")
    assert panel.picture["notes"] == [
        "At step 5 no net input is positive, so ReLU has the slope 0: no gradient gets past it."
    ]
    panel.set(phi="tanh")
    assert panel.picture["notes"] == []


def bptt(dh, x, h, h0, w_xh, w_hh):
    dw_xh, dw_hh, db, gradient = np.zeros(w_xh.shape), np.zeros(w_hh.shape), np.zeros(len(h0)), dh
    for t in reversed(range(len(x))):
        delta = gradient * (1 - h[t] ** 2)
        dw_xh += np.outer(delta, x[t])
        dw_hh += np.outer(delta, h[t - 1] if t else h0)
        db += delta
        gradient = w_hh.T @ delta
    return dw_xh, dw_hh, db


def half_too_much(dh, x, h, h0, w_xh, w_hh):
    dw_xh, dw_hh, db = bptt(dh, x, h, h0, w_xh, w_hh)
    return dw_xh, dw_hh + 0.5, db


def unwritten(dh, x, h, h0, w_xh, w_hh):
    raise NotImplementedError


def test_a_students_function():
    panel = explore_unfold(bptt)
    assert panel.picture["verdict"] == {"agrees": True, "sentence": "bptt: all 3 numbers agree with ours."}
    panel.set(units=16, steps=20, sequence=NOISE)
    assert panel.picture["verdict"]["sentence"] == "bptt: all 288 numbers agree with ours."
    panel.set(phi="ReLU")
    assert panel.picture["verdict"]["sentence"] == (
        "bptt goes back through tanh: it can be compared while φ is tanh."
    )
    panel.close()
    assert panel._function is None
    verdict = explore_unfold(half_too_much).picture["verdict"]
    assert verdict == {
        "agrees": False, "sentence": "half_too_much: dw_hh differs: yours is 0.718191, ours is 0.218191.",
    }  # fmt: skip
    assert explore_unfold(unwritten).picture["verdict"]["sentence"] == "unwritten is not implemented yet."
    with pytest.raises(TypeError, match="explore_unfold: function must be a function, got 3"):
        explore_unfold(3)
