"""The skip connection explorable: every number against PyTorch and the library, its points, words, a student's pair."""

import numpy as np
import pytest
import torch

from pnnlib import gradflow
from pnnlib.explore import explore_skip
from pnnlib.explore.skip import MOST, NEURONS, PHI, SAMPLES, run_blocks

TORCH = {
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "ReLU": torch.relu,
    "LReLU, a = 0.1": lambda net: torch.nn.functional.leaky_relu(net, 0.1),
}


def torch_blocks(phi, gain, over, blocks, draw, skip):
    """The x in front of each block, the gradients that arrive there, and those of the weights, by autograd."""
    rng = np.random.default_rng(draw)
    shape = (NEURONS, NEURONS)
    w = [torch.tensor(rng.normal(0, gain / np.sqrt(NEURONS), shape), requires_grad=True) for _ in range(blocks * over)]
    x = [torch.tensor(rng.standard_normal((SAMPLES, NEURONS)), requires_grad=True)]
    dy = torch.tensor(rng.standard_normal((SAMPLES, NEURONS)))
    for block in range(blocks):
        f = x[-1]
        for one in w[block * over : (block + 1) * over]:
            f = TORCH[phi](f @ one.T)
        x.append(x[-1] + f if skip else f)
    grads = torch.autograd.grad(x[-1], [*x, *w], dy)
    return [one.detach().numpy() for one in x], [g.numpy() for g in grads[: blocks + 1]], grads[blocks + 1 :]


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("phi", PHI)
@pytest.mark.parametrize(("over", "blocks", "gain"), [(1, 2, 3.0), (1, 60, 0.5), (6, 10, 1.0), (3, 4, 0.02)])
def test_every_number_agrees_with_pytorch(phi, over, blocks, gain, skip):
    for draw in range(2):
        run = run_blocks(phi, gain, over, blocks, draw, skip)
        x, dy, dw = torch_blocks(phi, gain, over, blocks, draw, skip)
        for ours, theirs in ((run.x, x), (run.dy, dy)):
            for one, other in zip(ours, theirs, strict=True):
                size = np.abs(other).max()
                np.testing.assert_allclose(one, other, rtol=1e-8, atol=1e-10 * size)
        np.testing.assert_allclose(run.dw, [one.norm().item() for one in dw], rtol=1e-8)
        np.testing.assert_allclose(run.error, [np.linalg.norm(one) / np.linalg.norm(dy[-1]) for one in dy], rtol=1e-8)
        np.testing.assert_allclose(run.signal, [np.linalg.norm(one) / np.linalg.norm(x[0]) for one in x], rtol=1e-8)


def test_the_gradients_are_those_of_the_library():
    from pnnlib.layers import Residual, Sequential

    run = run_blocks("tanh", 0.8, 2, 5, 0, skip=True)
    model = Sequential(*map(Residual, run.bodies))
    table = gradflow.gradient_statistics(model, run.x[0], run.dy[-1], loss=lambda y, dy: (0.0, dy))
    np.testing.assert_allclose(run.dw, table.norm, rtol=1e-12)


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("phi", PHI)
def test_code_gives_what_is_shown(place, phi):
    panel = explore_skip()
    panel._do({"do": "preset", "place": place})
    panel.set(phi=phi, gain=0.4, draw=2)
    ran = {}
    exec(panel.code(), ran)
    _, at_input, _, first, last = panel.picture["table"]
    for column, skip in ((1, False), (2, True)):
        assert float(at_input[column]) == pytest.approx(ran["arrives"][skip], rel=6e-2)  # two digits of a small one
        assert float(first[column]) == pytest.approx(ran["dw"][skip][0], rel=6e-2)
        assert float(last[column]) == pytest.approx(ran["dw"][skip][-1], rel=6e-2)
    assert len(ran["w"]) == 50
    panel.close()


@pytest.mark.parametrize(("block", "phi", "gain"), [(1, "tanh", 0.5), (7, "tanh", 0.5), (20, "sigmoid", 2.0)])
def test_what_is_written_out_as_a_sum_is_that_sum(block, phi, gain):
    panel = explore_skip(blocks=20, block=block, phi=phi, gain=gain)
    lines = panel.picture["lines"]
    for at in (1, 4):
        assert eval(lines[at][1]) == pytest.approx(float(lines[at + 1][1]), rel=0.01, abs=0.02)


# Presets make their point, for other draws as well.


def in_preset(name, **values):
    panel = explore_skip()
    panel._do({"do": "preset", "place": [preset.name for preset in panel.presets].index(name)})
    panel.set(**values)
    return panel


def arrives(panel):
    return [float(cell) for cell in panel.picture["table"][1][1:]]


def first_weights(panel):
    return [float(cell) for cell in panel.picture["table"][3][1:]]


def test_nothing_arrives_without_and_all_with():
    for draw in range(5):
        without, with_skip = arrives(in_preset("Fifty layers", draw=draw))
        assert without < 1e-14 and 1 < with_skip < 20


def test_it_explodes_unless_the_weights_are_small():
    for draw in range(5):
        assert arrives(in_preset("It explodes", draw=draw))[1] > 1e6
        by_gain = [arrives(in_preset("It explodes", draw=draw, gain=gain))[1] for gain in (0.05, 0.1, 0.3, 1.0)]
        assert by_gain == sorted(by_gain) and by_gain[1] < 10 < by_gain[2]


def test_with_weights_near_0_the_first_layer_learns_by_the_by_passes_only():
    for draw in range(5):
        without, with_skip = first_weights(in_preset("Weights near 0", draw=draw))
        assert without < 1e-60 and 50 < with_skip < 200


def test_past_five_layers_less_of_it_goes_through_the_weights():
    for draw in range(5):
        panels = (in_preset("Past five layers", draw=draw, over=over, blocks=50 // over) for over in (5, 1))
        past_five, past_one = (first_weights(panel)[1] for panel in panels)
        assert past_one > 30 * past_five > 30


# Words.


def test_what_is_said():
    panel = explore_skip(blocks=20, block=3)
    assert panel.caption == (
        "At the input of 20 layers 6.2e-07 of the gradient arrives without by-passes, and 4.05 with them. The weights "
        "of layer 1 get 7.6e-05 and 240. The signal leaves with 6.0e-07 and 2.85 times its size."
    )
    plain, with_skip = (run_blocks("tanh", 0.5, 1, 20, 0, skip) for skip in (False, True))
    drawing, errors, weights = (plot["alt"] for plot in panel.picture["plots"])
    dy, dx = with_skip.dy[3], with_skip.dy[2]
    sizes = [f"{np.linalg.norm(one):.3g}" for one in (dy, dx - dy, dx)]
    assert drawing == (
        f"Block 3 of 20 with its by-pass. On the way back a gradient of size {sizes[0]} arrives. "
        f"Past f goes all of it, {sizes[0]}; through f come {sizes[1]}; together {sizes[2]}."
    )
    assert errors.endswith(f"In front of block 3: {plain.error[2]:.1e} and {with_skip.error[2]:.3g}.")
    assert "In layer 3: without by-passes " in weights
    panel.set(over=3, blocks=5)
    assert "In layers 7 to 9, of block 3: without by-passes " in panel.picture["plots"][2]["alt"]


def test_there_are_never_too_many_layers():
    panel = explore_skip(blocks=MOST)
    panel.set(over=6)
    assert panel.state()["blocks"] == 10 and panel.caption.startswith(f"At the input of {MOST} layers")
    with pytest.raises(ValueError, match="Blocks must be a whole number from 2 to 10, got 11"):
        panel.set(blocks=11)


def test_draw_again():
    panel = explore_skip()
    before = panel.caption
    panel.press("draw_again")
    assert panel.state()["draw"] == 1 and panel.caption != before


# A student's functions.


def residual(x, f):
    return x + f(x)


def residual_backward(dy, f_backward):
    return dy + f_backward(dy)


def identity_lost(dy, f_backward):
    return f_backward(dy)


def test_a_students_pair():
    panel = explore_skip(residual, residual_backward, block=4, over=2)
    agrees = "all 400 numbers agree with ours."
    assert panel.picture["verdict"] == {
        "agrees": True, "sentence": f"residual: {agrees} residual_backward: {agrees}",
    }  # fmt: skip
    panel.close()
    assert panel._function is None and panel._backward is None
    verdict = explore_skip(residual, identity_lost).picture["verdict"]
    assert not verdict["agrees"] and "identity_lost: the first number that differs is dx[0, 0]" in verdict["sentence"]
    verdict = explore_skip(lambda x, f: x).picture["verdict"]
    assert not verdict["agrees"]
    assert verdict["sentence"].startswith("your function: the first number that differs is y[0, 0]")
    assert explore_skip(backward=residual_backward).picture["verdict"]["agrees"]
    with pytest.raises(TypeError, match="explore_skip: backward must be a function, got 3"):
        explore_skip(residual, 3)


def test_a_student_who_calls_f_with_something_else_spoils_nothing():
    def odd(x, f):
        f(np.zeros_like(x))
        return x + f(x)

    panel = explore_skip(odd, residual_backward, block=2)
    assert panel.picture["verdict"]["agrees"]
    panel.set(block=3)
    panel.set(block=2)
    assert panel.picture["verdict"]["agrees"]
