"""The wide-or-deep explorable: pieces against PyTorch's slopes, fits against least squares, and a student's count."""

import re

import numpy as np
import pytest
import torch

from pnnlib import layers
from pnnlib.bridge import to_torch
from pnnlib.explore import explore_wide_or_deep
from pnnlib.explore.wide_or_deep import curve, fitted, folds, parameters, random_network, straight_pieces
from pnnlib.networks import mlp


def slopes(model, x):
    """The slope of the graph at some places, by autograd."""
    x = torch.tensor(x[:, None], requires_grad=True)
    (slope,) = torch.autograd.grad(to_torch(model)(x).sum(), x)
    return slope[:, 0].numpy()


@pytest.mark.parametrize(("units", "depth"), [(1, 4), (2, 1), (2, 10), (3, 6), (4, 5), (5, 4), (10, 3), (32, 2), (256, 1)])
def test_folds_multiply(units, depth):
    model, pieces = folds(units, depth), units**depth
    x, y = straight_pieces(model, 0, 1)
    np.testing.assert_allclose(x, np.arange(pieces + 1) / pieces, atol=1e-12)
    np.testing.assert_allclose(y, np.arange(pieces + 1) % 2, atol=1e-9)
    middle = (np.arange(pieces) + 0.5) / pieces
    np.testing.assert_allclose(slopes(model, middle), pieces * (-1.0) ** np.arange(pieces), rtol=1e-9)
    assert parameters(model) == sum(p.numel() for p in to_torch(model).parameters())


def test_two_units_make_the_fold_of_the_lecture():
    x = np.linspace(0, 1, 33)
    fold = np.maximum(2 * x, 0) - np.maximum(4 * x - 2, 0)
    np.testing.assert_allclose(folds(2, 1)(x[:, None])[:, 0], fold, atol=1e-15)


@pytest.mark.parametrize(("units", "depth"), [(1, 1), (16, 1), (256, 1), (8, 5), (2, 8), (16, 10)])
def test_between_two_corners_the_slope_is_one_and_at_a_corner_it_changes(units, depth):
    for draw in range(3):
        model = random_network(units, depth, draw)
        x, y = straight_pieces(model, -3, 3)
        np.testing.assert_allclose(y, to_torch(model)(torch.tensor(x[:, None]))[:, 0].detach().numpy(), atol=1e-9)
        at = x[:-1, None] + np.diff(x)[:, None] * [0.02, 0.5, 0.98]
        slope = slopes(model, at.ravel()).reshape(at.shape)
        np.testing.assert_allclose(slope, slope[:, :1].repeat(3, 1), rtol=1e-9, atol=1e-12)
        assert (np.abs(np.diff(slope[:, 0])) > 0).all()
        assert len(x) - 1 <= units + 1 or depth > 1


def test_random_networks_are_kaimings():
    first, *_, last = (layer for layer in random_network(256, 1).layers if isinstance(layer, layers.Linear))
    assert first.weight.data.std() == pytest.approx(np.sqrt(2), rel=0.1)
    assert last.weight.data.std() == pytest.approx(np.sqrt(2 / 256), rel=0.1)
    assert first.bias.data.std() == pytest.approx(0.5, rel=0.1)


def test_a_fit_is_the_best():
    x = np.linspace(0, 1, 513)
    for n in (4, 16, 64):
        hidden = torch.relu(torch.tensor(x)[:, None] - torch.arange(n) / n)
        with_bias = torch.hstack([hidden, torch.ones(513, 1, dtype=torch.float64)])
        best = torch.linalg.lstsq(with_bias, torch.tensor(curve(x))[:, None], driver="gelsd").solution
        np.testing.assert_allclose(fitted(n)(x[:, None]), (with_bias @ best).numpy(), atol=1e-9)


@pytest.mark.parametrize("place", range(5))
def test_code_gives_the_numbers_shown(place, capsys):
    panel = explore_wide_or_deep()
    panel._do({"do": "preset", "place": place})
    exec(panel.code(), {})
    count, pieces, *error = re.findall(r"[\d.]+", capsys.readouterr().out)
    said = panel.caption.replace(",", "")
    assert f" {count} parameters" in said and f" {pieces} pieces." in said
    if error:
        assert panel.caption.endswith(f"The largest error is {float(error[0]):.2g}.")
    panel.close()


def test_presets_make_their_points():
    panel = explore_wide_or_deep()
    assert panel.caption == (
        "[1, 2, 2, 2, 1]: 3 hidden layers, 19 parameters, 8 pieces. "
        "One hidden layer with as many parameters has 6 units, so at most 7 pieces."
    )
    panel.set(depth=8)  # the answer to the first question
    assert "49 parameters, 256 pieces" in panel.caption
    panel._do({"do": "preset", "place": 1})
    panel.set(units=64)
    assert "[1, 64, 1]: 1 hidden layer, 193 parameters, 64 pieces." in panel.caption
    found = {}
    panel._do({"do": "preset", "place": 2})
    for depth in (1, 2, 4, 8):
        panel.set(depth=depth, units=16 // depth)
        found[depth] = tuple(map(int, re.search(r"(\d+) parameters, (\d+) pieces", panel.caption).groups()))
    assert found == {1: (49, 16), 2: (97, 64), 4: (73, 256), 8: (49, 256)}
    panel._do({"do": "preset", "place": 3})
    counts = []
    for _ in range(30):
        counts.append(int(re.search(r"(\d+) pieces\. Of", panel.caption)[1]))
        panel.press("draw_again")
    assert 10 < np.median(counts) < 60 and max(counts) < 105 and len(set(counts)) > 5
    panel._do({"do": "preset", "place": 4})
    assert panel.caption.endswith("The largest error is 0.06.")
    panel.set(units=52)
    assert float(panel.caption.split()[-1][:-1]) < 0.006


def test_parameters_are_written_out():
    panel = explore_wide_or_deep()
    for settings in ({"depth": 1, "units": 1}, {"depth": 2, "units": 7}, {"depth": 10, "units": 2}):
        panel.set(**settings)
        (_, terms), (_, result) = panel.picture["lines"][:2]
        assert eval(terms.replace("·", "*")) == int(result)
        assert f"{int(result)} parameters" in panel.caption
    assert panel.picture["lines"][2:] == [["pieces", "units to the power of layers"], ["", "2¹⁰ = 1,024"]]
    assert panel.picture["notes"] == ["The pieces are too short to be seen one by one."]


def test_words_and_limits():
    panel = explore_wide_or_deep()
    graph, pieces = (plot["alt"] for plot in panel.picture["plots"])
    assert graph == (
        "The graph of the network [1, 2, 2, 2, 1] over x from 0 to 1: 8 straight pieces, y from 0 to 1."
    )
    assert "This network has 8 pieces and 19 parameters." in pieces
    panel.set(depth=1, units=256)
    panel.set(depth=10)  # as many units as can still be drawn
    assert panel.state()["units"] == 2 and "1,024 pieces" in panel.caption
    with pytest.raises(ValueError, match="Units in each of them must be a whole number from 1 to 2, got 3"):
        panel.set(units=3)
    panel.set(weights="random", depth=1, units=1)
    assert "1 hidden layer, 4 parameters" in panel.caption


def test_a_students_count():
    def neurons(layer_sizes):
        return sum(layer_sizes)

    panel = explore_wide_or_deep(lambda sizes: sum((m + 1) * n for m, n in zip(sizes, sizes[1:])))
    assert panel.picture["verdict"] == {"agrees": True, "sentence": "your function: the one number agrees with ours."}
    verdict = explore_wide_or_deep(neurons).picture["verdict"]
    assert verdict == {"agrees": False, "sentence": "neurons: parameters differs: yours is 8, ours is 19."}
    with pytest.raises(TypeError, match="explore_wide_or_deep: function must be a function, got 3"):
        explore_wide_or_deep(3)


def test_a_students_network():
    model = mlp([1, 6, 6, 1], rng=3)
    before = model.state_dict()
    panel = explore_wide_or_deep(model=model)
    assert panel.caption.startswith("[1, 6, 6, 1]: 2 hidden layers, 61 parameters,")
    ran = {"your_network": model}
    exec(panel.code(), ran)
    assert f" {ran['pieces']} pieces." in panel.caption and ran["parameters"] == 61
    assert all(np.array_equal(before[name], value) for name, value in model.state_dict().items())
    assert model[0].x is None and model[0].weight.grad is None
    panel.set(weights="folds")
    assert panel.caption.startswith("[1, 2, 2, 2, 1]: 3 hidden layers")
    panel.close()
    assert panel._own is None
    for wrong, said in (
        (mlp([2, 3, 1]), "model must go from 1 number to 1, got \\[2, 1\\]"),
        (layers.Sequential(layers.Linear(1, 1), layers.Tanh()), "must be of Linear and ReLU layers, got Tanh"),
    ):
        with pytest.raises(ValueError, match=said):
            explore_wide_or_deep(model=wrong)
    with pytest.raises(TypeError, match="must be a network of pnnlib's layers"):
        explore_wide_or_deep(model=torch.nn.Linear(1, 1))
