"""The initialisation explorable: signals and gradients against PyTorch, its points, words, and a student's weights."""

import math
import re

import numpy as np
import pytest
import torch

from pnnlib import gradflow, init, layers
from pnnlib.explore import explore_initialisation
from pnnlib.explore.initialisation import FREE, METHODS, PHI, SAMPLES, _counts, _different, factor, run_deep, share_flat

TORCH = {
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "ReLU": torch.relu,
    "LReLU, a = 0.1": lambda net: torch.nn.functional.leaky_relu(net, 0.1),
}


@pytest.mark.parametrize("phi", PHI)
@pytest.mark.parametrize(("m", "n", "depth"), [(2, 2, 2), (7, 3, 5), (20, 20, 12), (4, 9, 30)])
def test_signals_and_gradients_agree_with_pytorch(phi, m, n, depth):
    for seed in range(3):
        drawn = []

        def draw(shape, rng):
            drawn.append(rng.normal(0, 0.7, shape))
            return drawn[-1]

        deep = run_deep(phi, draw, m, n, depth, seed)
        rng = np.random.default_rng(seed)
        y = torch.tensor(rng.standard_normal((SAMPLES, m)))
        w = [torch.tensor(one, requires_grad=True) for one in drawn]
        for k in range(depth):
            rng.normal(0, 0.7, drawn[k].shape)
            y = TORCH[phi](y @ w[k].T)
            np.testing.assert_allclose(deep.y[k], y.detach().numpy(), rtol=1e-9, atol=1e-12)
        y.backward(torch.tensor(rng.standard_normal(y.shape)))
        for k in range(depth):
            assert deep.dw[k].shape == ((n, m) if k % 2 == 0 else (m, n))
            np.testing.assert_allclose(deep.dw[k], w[k].grad.numpy(), rtol=1e-8, atol=1e-12)
        sizes = [math.sqrt(one.grad.square().mean().item()) for one in w]
        np.testing.assert_allclose(deep.size_dw, sizes, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("name", METHODS)
def test_methods_draw_what_they_say(name):
    method, m, n = METHODS[name], 300, 200
    w = method.draw((n, m), 0.05, np.random.default_rng(0))
    assert w.shape == (n, m)
    expected = method.deviation(m, n, 0.05)
    assert (math.sqrt(np.mean(w**2)) if name == FREE[1] else w.std()) == pytest.approx(expected, rel=0.02)
    lines = {"m": m, "n": n, "rng": np.random.default_rng(0), "np": np}
    np.testing.assert_allclose(eval(method.numpy.format(deviation=0.05), lines), w)
    kind, *_ = name.lower().split(",")
    if kind in ("xavier", "kaiming"):
        theirs = torch.empty(n, m, dtype=torch.float64)
        options = {"nonlinearity": "relu"} if kind == "kaiming" else {}
        getattr(torch.nn.init, f"{kind}_{name.split(', ')[1]}_")(theirs, **options)
        assert theirs.std().item() == pytest.approx(expected, rel=0.02)
        assert theirs.abs().max().item() == pytest.approx(np.abs(w).max(), rel=0.01 if "uniform" in name else 0.4)


@pytest.mark.parametrize("phi", ["ReLU", "LReLU, a = 0.1"])
@pytest.mark.parametrize("deviation", [0.05, 0.1, 0.3])
def test_a_layer_multiplies_the_mean_square_by_the_factor(phi, deviation):
    found = []
    for seed in range(20):
        deep = run_deep(phi, lambda shape, rng: rng.normal(0, deviation, shape), 100, 100, 2, seed)
        found.append((deep.size_y[1] / deep.size_y[0]) ** 2)
    assert np.mean(found) == pytest.approx(factor(phi, 100, deviation), rel=0.1)


def test_the_share_that_is_flat_is_the_librarys():
    for phi, layer in (("tanh", layers.Tanh), ("sigmoid", layers.Sigmoid)):
        net = np.random.default_rng(0).normal(0, 4, (50, 20))
        table = gradflow.activation_statistics(layers.Sequential(layer()), net)
        assert share_flat(phi, layer()(net)) == table.saturated[0] > 0.2
    assert share_flat("LReLU, a = 0.1", np.array([-1.0, 1.0])) == 0


def test_counts_are_those_of_a_histogram():
    values = np.random.default_rng(0).normal(0, 1, 5000)
    expected, _ = np.histogram(values.clip(-1.3, 1.2999), 41, (-1.3, 1.3))
    np.testing.assert_array_equal(_counts(values, -1.3, 1.3), expected)


def test_different_neurons():
    rng = np.random.default_rng(0)
    y = rng.normal(size=(60, 9))
    assert _different(y) == 9 and _different(np.zeros((60, 4))) == 0
    y[:, 3:6] = y[:, :1]
    y[:, 8] = 0
    assert _different(y) == 5


@pytest.mark.parametrize("place", range(5))
@pytest.mark.parametrize("method", METHODS)
def test_code_gives_the_sizes_shown(place, method):
    panel = explore_initialisation()
    panel._do({"do": "preset", "place": place})
    panel.set(method=method, depth=6, layer=1, draw=3)
    ran = {}
    exec(panel.code(), ran)
    head, first, last = panel.picture["table"]
    assert (first[0], last[0]) == ("1", "6")
    for k, row in ((0, first), (-1, last)):
        assert float(row[1]) == pytest.approx(ran["size_y"][k], rel=6e-3)
        assert float(row[2]) == pytest.approx(ran["size_dw"][k], rel=6e-3)
    panel.close()


@pytest.mark.parametrize("method", ["Xavier, normal", "Kaiming, uniform", FREE[0]])
@pytest.mark.parametrize("phi", ["tanh", "ReLU", "LReLU, a = 0.1"])
@pytest.mark.parametrize("layer", [1, 2])
def test_what_is_written_out_is_the_number_below(method, phi, layer):
    panel = explore_initialisation(method=method, phi=phi, layer=layer, m=50, n=20)
    *_, (_, numbers), (_, result) = panel.picture["lines"]
    product = eval(numbers.replace("·", "*").replace("²", "**2"))
    assert product == pytest.approx(float(result.split(":")[0]), rel=0.02)


# Presets make their point, for other draws as well.


def in_preset(name, **values):
    panel = explore_initialisation()
    panel._do({"do": "preset", "place": [preset.name for preset in panel.presets].index(name)})
    panel.set(**values)
    return panel


def last_row(panel):
    return panel.picture["table"][-1]


def test_xaviers_weights_halve_the_mean_square_before_relu():
    assert in_preset("ReLU with Xavier's").picture["lines"][-1] == ["", "0.5: of the mean square; of the size, 0.707"]
    left = [float(last_row(in_preset("ReLU with Xavier's", draw=draw))[1]) for draw in range(5)]
    assert all(1e-4 < size < 4e-3 for size in left)  # 2 to the power of -10 is 0.001
    with_kaimings = (in_preset("ReLU with Xavier's", draw=draw, method="Kaiming, normal") for draw in range(5))
    assert all(0.2 < float(last_row(panel)[1]) < 4 for panel in with_kaimings)


def test_a_sigmoid_loses_the_gradient_whatever_the_weights():
    for draw in range(5):
        panel = in_preset("Sigmoid", draw=draw)
        lost = float(re.search(r"is \S+, (\S+) times that of layer 20", panel.caption)[1])
        assert 1e-13 < lost < 1e-11 and 0.4 < float(last_row(panel)[1]) < 0.6


def test_too_large_weights_saturate_tanh_and_the_gradient_explodes():
    for draw in range(5):
        panel = in_preset("tanh, too large", draw=draw)
        first, *_, last = panel.picture["table"][1:]
        assert 0.75 < float(panel.picture["table"][2][3].rstrip("%")) / 100 < 0.9
        assert 1e6 < float(first[2]) / float(last[2]) < 1e8


def test_unequal_layers():
    shares = {}
    for layer in (1, 2):
        for method in ("Xavier, normal", "Kaiming, normal"):
            lines = in_preset("Unequal layers", layer=layer, method=method).picture["lines"]
            shares[layer, method] = float(lines[-1][1])
    assert shares[1, "Xavier, normal"] > 1 > shares[2, "Xavier, normal"]
    assert shares[1, "Kaiming, normal"] == shares[2, "Kaiming, normal"] == 2


def test_equal_weights_make_twins():
    panel = in_preset("All equal")
    assert [row[-1] for row in panel.picture["table"][1:]] == ["1 of 100"] * 3
    assert panel.picture["notes"][0].startswith("Neurons with equal weights compute the same.")
    deep = run_deep("tanh", lambda shape, rng: np.full(shape, 0.01), 100, 100, 8, 0)
    for dw in deep.dw[:-1]:  # the same gradient for all of them, but for rounding
        np.testing.assert_allclose(dw, dw[:1].repeat(len(dw), 0), rtol=1e-9, atol=1e-15)


# Words.


def test_what_is_said():
    panel = explore_initialisation(phi="tanh", depth=3, layer=2)
    deep = run_deep("tanh", lambda shape, rng: init.xavier_normal(shape, rng=rng), 100, 100, 3, 0)
    assert panel.caption == (
        f"The signal comes in with size 1 and leaves 3 layers with {deep.size_y[2]:.3g}. The gradient of layer 1 is "
        f"{deep.size_dw[0]:.3g}, {deep.size_dw[0] / deep.size_dw[2]:.3g} times that of layer 3. "
        f"In layer 2, 0% of the activations are saturated."
    )
    activations, gradients, sizes, one = (plot["alt"] for plot in panel.picture["plots"])
    spreads = ", ".join(f"{y.std():.3g} in layer {k}" for k, y in enumerate(deep.y, start=1))
    assert activations.endswith(f"dark where many are. Their spread is {spreads}.")
    assert gradients.startswith("Histograms of the gradients of the weights, a row for each of 3 layers")
    assert f"in layer 2, {deep.size_y[1]:.3g} and {deep.size_dw[1]:.3g}." in sizes
    assert one.endswith("100 of its 100 neurons are different.")
    panel.press("draw_again")
    assert panel.state()["draw"] == 1 and panel.picture["plots"][0]["alt"] != activations


def test_a_signal_that_has_died():
    panel = explore_initialisation(method=FREE[0], deviation=0.001, m=2, n=2, depth=30, draw=1)
    assert panel.picture["notes"] == ["The signal has died: every activation of the last layer is 0."]
    assert panel.caption.endswith("No gradient comes back.")


# A student's weights.


def kaiming_normal(m, n, rng):
    return rng.normal(0, math.sqrt(2 / m), (n, m))


def xavier_uniform(m, n, rng):
    return rng.uniform(0, math.sqrt(6 / (m + n)), (n, m))


def tiny(m, n, rng):
    return rng.normal(0, 0.01, (n, m))


def transposed(m, n, rng):
    return rng.normal(0, 1, (m, n))


def unwritten(m, n, rng):
    raise NotImplementedError


@pytest.mark.parametrize(
    ("function", "agrees", "said"),
    [
        (kaiming_normal, True, "kaiming_normal: for m = 100 and n = 50 its weights have the standard deviation 0.14"),
        (xavier_uniform, False, "wanted is √(6 / (m + n)) / √3 = 0.115."),
        (tiny, True, "tiny: for m = 100 and n = 50 its weights have the standard deviation 0.0"),
        (transposed, False, "transposed must return weights (n, m) = (50, 100) for m = 100 and n = 50, got (100, 50)"),
        (lambda m, n, rng: np.full((n, m), np.nan), False, "function: some weights are infinite, or not a number."),
        (lambda m, n, rng: None, False, "your function did not give weights: "),
        (unwritten, False, "unwritten is not implemented yet."),
    ],
)
def test_a_students_weights(function, agrees, said):
    panel = explore_initialisation(function, n=50)
    verdict = panel.picture["verdict"]
    assert panel.state()["method"] == "your function" and verdict["agrees"] == agrees and said in verdict["sentence"]
    if agrees:
        assert f"{function.__name__}(m, n, rng)" in panel.code() and len(panel.picture["plots"]) == 4
        ran = {function.__name__: function}
        exec(panel.code(), ran)
        assert float(last_row(panel)[1]) == pytest.approx(ran["size_y"][-1], rel=6e-3)
    panel.set(method="Kaiming, normal")
    assert panel.picture["verdict"] is None and len(panel.picture["plots"]) == 4
    panel.close()
    assert panel._function is None


def test_what_is_no_function():
    with pytest.raises(TypeError, match="explore_initialisation: function must be a function, got 3"):
        explore_initialisation(3)
    with pytest.raises(ValueError, match="First weights must be"):
        explore_initialisation(method="your function")
