"""The few digits at hand: are they those of the data set, does the small network know them? And rows of pictures."""

import numpy as np
import pytest
import torch

from pnnlib import train
from pnnlib.data import digits
from pnnlib.explore.few_digits import FILE, few_digits, small_network, take_network, write
from pnnlib.explore.pictures import pictures
from pnnlib.layers import Flatten, Linear, Sequential


def test_they_are_the_first_ones_of_the_data_set(tmp_path):
    few, split = few_digits(), digits()
    np.testing.assert_array_equal(few.x_train, split.x_train[:500])
    np.testing.assert_array_equal(few.y_train, split.y_train[:500])
    np.testing.assert_array_equal(few.x_test, split.x_test[:100])
    np.testing.assert_array_equal(few.y_test, split.y_test[:100])
    with pytest.raises(ValueError, match="read-only"):
        few.x_test[0] = 0  # all panels share them
    write(tmp_path / "few.npz")
    with np.load(tmp_path / "few.npz") as new, np.load(FILE) as old:
        assert sorted(new) == sorted(old) and all(np.array_equal(new[name], old[name]) for name in old)


def test_the_small_network_knows_them():
    few = few_digits()
    assert train.accuracy(small_network(), few.x_test, few.y_test) > 0.85
    assert train.accuracy(small_network(), few.x_train, few.y_train) > 0.95
    assert small_network() is small_network()


def test_a_network_of_ones_own():
    x = few_digits().x_test
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10)).double()
    taken = take_network("explore_x", module, x, 10)
    np.testing.assert_allclose(train.outputs(taken, x), module(torch.tensor(x)).detach().numpy(), atol=1e-12)
    mine = Sequential(Flatten(), Linear(64, 10, rng=0))
    assert take_network("explore_x", mine, x, 10) is mine
    with pytest.raises(ValueError, match=r"explore_x: model must give \(N, 10\) for x of shape \(100, 1, 8, 8\)"):
        take_network("explore_x", Sequential(Flatten(), Linear(64, 3, rng=0)), x, 10)
    with pytest.raises(TypeError, match="explore_x: model must be a network of pnnlib.layers or of PyTorch, got 3"):
        take_network("explore_x", 3, x, 10)


@pytest.mark.parametrize("columns", [1, 2, 3, 5])
@pytest.mark.parametrize("rows", [8, 12])
def test_pictures_stand_side_by_side_and_square(columns, rows):
    plot, corners = pictures("Five.", [np.ones((rows, rows))] * 5, ["above"] * 5, ["below"] * 5, columns, rows=rows)
    _, _, width, height = plot.box()
    assert width / (plot.x.high - plot.x.low) == pytest.approx(height / (plot.y.low - plot.y.high), rel=0.02)
    assert len(set(corners)) == 5 and corners[0] == (0, 0)
    svg = plot.svg()
    assert svg.count("<image") == 5 and svg.count(">above<") == svg.count(">below<") == 5
