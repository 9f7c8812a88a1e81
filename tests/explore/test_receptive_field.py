"""The receptive field explorable: paths against PyTorch's gradient, sizes, sums, words, networks, and a function."""

import numpy as np
import pytest
import torch

from pnnlib.explore import explore_receptive_field
from pnnlib.explore.receptive_field import layers_of, paths
from pnnlib.layers import Conv1d, Conv2d, Flatten, Linear, MaxPool2d, ReLU, Residual, Sequential
from pnnlib.networks import digits_cnn
from pnnlib.windows import receptive_field

STACKS = [
    [(1, 1, 1)], [(3, 1, 1)] * 2, [(3, 2, 1)] * 4, [(3, 1, d) for d in (1, 2, 4, 8)], [(3, 1, 2)] * 4,
    [(5, 2, 3), (2, 2, 1), (3, 3, 2), (1, 1, 8)], [(2, 3, 1), (3, 1, 1)],
]  # fmt: skip


def by_gradient(layers, length, output=0):
    """How often each input is counted in one output of a stack with weights 1."""
    x = torch.zeros(1, 1, length, dtype=torch.float64, requires_grad=True)
    y = x
    for kernel, stride, dilation in layers:
        ones = torch.ones(1, 1, kernel, dtype=torch.float64)
        y = torch.nn.functional.conv1d(y, ones, stride=stride, dilation=dilation)
    return torch.autograd.grad(y[0, 0, output], x)[0][0, 0].numpy()


@pytest.mark.parametrize("layers", STACKS)
def test_paths_are_pytorchs_gradient(layers):
    levels = paths(layers)
    reach = receptive_field(layers)
    assert len(levels[0]) == reach and levels[-1].tolist() == [1]
    np.testing.assert_array_equal(levels[0], by_gradient(layers, reach))
    np.testing.assert_array_equal(np.r_[levels[0], [0] * 9], by_gradient(layers, reach + 9))
    for n in range(len(layers)):
        np.testing.assert_array_equal(levels[n], paths(layers[n:])[0])


@pytest.mark.parametrize("layers", STACKS)
def test_what_two_neurons_see_both(layers):
    panel = explore_receptive_field(layers=layers, both=True)
    apart = np.prod([stride for _, stride, _ in layers])
    first, second = (by_gradient(layers, receptive_field(layers) + apart, output) for output in (0, 1))
    both = int(((first > 0) & (second > 0)).sum())
    pixels = "pixel" if apart == 1 else "pixels"
    assert panel.caption.endswith(f"The one beside it lies {apart} {pixels} further; both look at {both} pixels.")
    panel.close()


@pytest.mark.parametrize("layers", STACKS)
def test_code_sum_and_table_give_the_size_shown(layers, capsys):
    panel = explore_receptive_field(layers=layers)
    reach = receptive_field(layers)
    ran = {}
    exec(panel.code(), ran)
    seen = int((ran["paths"] > 0).sum())
    assert capsys.readouterr().out == f"{reach} pixels, {seen} of them looked at\n"
    np.testing.assert_array_equal(ran["paths"].numpy(), paths(layers)[0])
    assert f"reaches {reach} pixel" in panel.caption
    assert ("looks at all of them" if seen == reach else f"looks at {seen} of them") in panel.caption
    terms, result = panel.picture["lines"][1][1].split(" = ")
    assert eval(terms.replace("·", "*")) == int(result) == reach
    last = panel.picture["table"][-1]
    assert last[5:] == [str(reach), str(np.prod([stride for _, stride, _ in layers]))]
    assert 1 + sum(int(row[4]) for row in panel.picture["table"][2:]) == reach
    panel.close()


@pytest.mark.parametrize("place", range(5))
def test_every_presets_code(place):
    panel = explore_receptive_field()
    panel._do({"do": "preset", "place": place})
    ran = {}
    exec(panel.code(), ran)
    assert f"reaches {len(ran['paths'])} pixels" in panel.caption
    panel.close()


def test_presets_make_their_point():
    panel = explore_receptive_field()
    panel.set(depth=2)
    assert panel.caption == (
        "One neuron on top of 2 layers with 6 weights reaches 5 pixels and looks at all of them. "
        "The first has 11% of the paths, the middle one 33%."
    )
    panel._do({"do": "preset", "place": 1})
    found = []
    for layer in range(1, 5):
        panel.set(**{f"stride{layer}": 2})
        found.append(int(panel.picture["table"][-1][5]))
        notes = panel.picture["notes"]
        panel.set(**{f"stride{layer}": 1})
    assert found == [15, 13, 11, 9]
    assert notes == ["The stride of the last layer moves its neurons apart; it makes none of them see more."]
    panel._do({"do": "preset", "place": 2})
    assert panel.picture["notes"] == ["8 of the 17 pixels are never looked at: they lie between the weights."]
    panel.set(dilation1=1, dilation3=4, dilation4=8)
    assert "reaches 31 pixels and looks at all of them" in panel.caption and panel.picture["notes"] == []
    # There are 3·3·3·3 paths, and a pixel without one is a hole: 81 pixels are the most.
    panel.set(dilation2=3, dilation3=9, dilation4=27)
    assert "reaches 81 pixels and looks at all of them" in panel.caption
    assert panel.picture["notes"] == [
        "One path to each pixel: with these weights no stack reaches further and leaves no holes."
    ]
    panel._do({"do": "preset", "place": 3})
    assert "The first has 0.41% of the paths, the middle one 21%." in panel.caption
    panel._do({"do": "preset", "place": 4})
    assert panel.caption.endswith("lies 4 pixels further; both look at 11 pixels.")
    panel.set(stride1=3, stride2=3, stride3=3)
    assert panel.caption.endswith("lies 27 pixels further; both look at 0 pixels.")


def test_only_the_chosen_layer_has_its_sliders():
    panel = explore_receptive_field(depth=3, layer=2)
    shown = [c["label"] for c in panel.picture["controls"] if not c["hidden"]]
    assert shown == [
        "Number of layers", "Layer to change", "Kernel of layer 2", "Stride of layer 2", "Dilation of layer 2",
        "Show the neuron beside it",
    ]  # fmt: skip
    panel.set(depth=1)
    assert panel.state()["layer"] == 1
    assert panel.picture["plots"][0]["alt"] == (
        "A neuron on top of 1 layer and what reaches it. "
        "From the top down it reaches 3 numbers, the last of them pixels. "
        "Of the 3 pixels it looks at 3. Layer 1 is chosen."
    )


def test_large_stacks_stay_small_pictures():
    panel = explore_receptive_field(layers=[(7, 3, 27)] * 6, both=True)
    assert "reaches 58,969 pixels" in panel.caption
    assert sum(len(plot["svg"]) for plot in panel.picture["plots"]) < 100_000
    panel.close()


def test_a_network_as_it_is():
    model = digits_cnn(rng=0)
    weights = [p.data.copy() for p in model.parameters()]
    assert layers_of(model) == [(3, 1, 1), (3, 1, 1), (2, 2, 1)]
    panel = explore_receptive_field(model=model)
    assert "on top of 3 layers with 8 weights reaches 6 pixels" in panel.caption
    assert all((p.data == w).all() for p, w in zip(model.parameters(), weights))
    net = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, (3, 5), stride=(1, 2)), torch.nn.ReLU(), torch.nn.MaxPool2d(2),
        torch.nn.Flatten(), torch.nn.Linear(8, 2),
    )  # fmt: skip
    assert layers_of(net) == [(5, 2, 1), (2, 2, 1)]
    signal = Sequential(Conv1d(1, 2, (5,), stride=(2,)), ReLU(), Sequential(Conv1d(2, 2, 3, dilation=2)))
    assert layers_of(signal) == [(5, 2, 1), (3, 1, 2)]


@pytest.mark.parametrize(
    ("model", "error", "said"),
    [
        (3, TypeError, "model must be a network of pnnlib or PyTorch, got 3"),
        (Sequential(Flatten(), Linear(4, 2)), ValueError, "model must begin with convolutional or pooling layers"),
        (Sequential(Residual(Conv2d(1, 1, 3, padding=1))), ValueError, "got a Residual: there is more than one way"),
        (Sequential(Conv2d(1, 1, 9)), ValueError, "Kernel of layer 1 must be a whole number from 1 to 7, got 9"),
        (Sequential(*(MaxPool2d(2) for _ in range(7))), ValueError, "there must be 1 to 6 layers here, got 7"),
    ],
)
def test_networks_that_cannot_be_shown(model, error, said):
    with pytest.raises(error, match=said):
        explore_receptive_field(model=model)


def sum_of_kernels(layers):
    return 1 + sum(kernel - 1 for kernel, _, _ in layers)


def test_layers_that_are_none_and_a_students_function():
    with pytest.raises(TypeError, match="receptive_field: every layer must be"):
        explore_receptive_field(layers=[3])
    panel = explore_receptive_field(receptive_field)
    panel.set(depth=3, stride1=2)
    assert panel.picture["verdict"] == {
        "agrees": True, "sentence": "receptive_field: the one number agrees with ours.",
    }  # fmt: skip
    panel.close()
    assert panel._function is None
    panel = explore_receptive_field(sum_of_kernels)
    assert panel.picture["verdict"]["agrees"]
    panel.set(depth=2, stride1=2)
    assert panel.picture["verdict"]["sentence"] == "sum_of_kernels: r differs: yours is 5, ours is 7."
