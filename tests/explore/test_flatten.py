"""The flatten explorable: slots against PyTorch, both ways, its formulas, the sizes that a network takes, and words."""

import numpy as np
import pytest
import torch

from pnnlib import linear
from pnnlib.explore import explore_flatten
from pnnlib.explore.flatten import BY_COLUMNS, NETWORK, reader, slots_of, through


def in_torch(shape, order):
    """The slot of each cell, found by flattening."""
    x = torch.arange(int(np.prod(shape))).reshape(1, *shape)
    vector = torch.flatten(x if order == "C" else x.transpose(2, 3), 1)[0]
    return vector.argsort().reshape(shape).numpy()


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 4, 4), (2, 3, 4), (3, 1, 5), (3, 4, 1), (5, 7, 2)])
def test_slots_agree_with_pytorch(shape, order):
    np.testing.assert_array_equal(slots_of(shape, order), in_torch(shape, order))


@pytest.mark.parametrize("place", range(5))
@pytest.mark.parametrize("more", [{}, {"order": BY_COLUMNS, "rows": 3, "columns": 4, "row": 1, "column": 2}])
def test_code_gives_what_is_shown(place, more, capsys):
    panel = explore_flatten()
    panel._do({"do": "preset", "place": place})
    panel.set(**more)
    exec(panel.code(), {})
    printed = capsys.readouterr().out
    if place < 3:
        assert f"stands in slot {printed.strip()} of" in panel.caption
    else:
        shown = [f"{name} {shape}" for name, shape in panel.picture["table"][2:]]
        theirs = [line for line in printed.splitlines() if line[0].isupper()]
        if shown[-1] == "Linear error":
            assert shown.pop() and theirs.pop().startswith("Linear cannot do its work: ")
        assert shown == theirs
    panel.close()


@pytest.mark.parametrize("shape", [(1, 4, 4), (3, 2, 3), (2, 3, 5)])
def test_formulas_and_both_ways_between_cell_and_slot(shape):
    panel = explore_flatten(maps=shape[0], rows=shape[1], columns=shape[2])
    for order, line in (("C", 0), ("F", 1)):
        panel.set(order=panel.controls[4].options[line])
        for (c, i, j), slot in np.ndenumerate(in_torch(shape, order)):
            panel.set(point="a cell of a map", map=c, row=i, column=j)
            formula = panel.picture["lines"][line][1].split(" = ")
            assert eval(formula[1].replace("·", "*")) == int(formula[2]) == slot
            assert f"row {i}, column {j} of map {c} stands in slot {slot} of {np.prod(shape)}" in panel.caption
            caption = panel.caption
            panel.set(point="a slot of the vector", slot=int(slot), map=0, row=0, column=0)
            assert panel.caption == caption
    panel.close()


def test_presets_make_their_point():
    panel = explore_flatten()
    panel.set(row=1, column=2)
    assert panel.caption == "In PyTorch's order, row 1, column 2 of map 0 stands in slot 6 of 16, counted from 0."
    panel.set(order=BY_COLUMNS)
    assert panel.caption == "In the lecture's order, row 1, column 2 of map 0 stands in slot 9 of 16, counted from 0."
    assert "Map 0, row by row: 0 4 8 12; 1 5 9 13; 2 6 10 14; 3 7 11 15." in panel.picture["plots"][0]["alt"]
    panel._do({"do": "preset", "place": 1})
    assert panel.picture["table"][1:] == [
        ["column", "1 slot", "2 slots"], ["row", "3 slots", "1 slot"], ["map", "6 slots", "6 slots"],
    ]  # fmt: skip
    panel._do({"do": "preset", "place": 2})
    panel.set(slot=17)
    assert "row 1, column 1 of map 1 stands in slot 17 of 24" in panel.caption
    panel.set(rows=1)
    assert panel.picture["notes"] == ["Maps of one row or one column: both orders agree."]


def test_the_lectures_vector():
    x = np.array([[-1, 1, 0.5, 1], [0, -2, -1, 0], [0.5, -1, -1, 1], [-1, 1, 0, -2]])
    vector = np.empty(16)
    vector[slots_of((1, 4, 4), "F")[0]] = x
    assert vector.tolist() == [-1, 0, 0.5, -1, 1, -2, -1, 1, 0.5, -1, -1, 0, 1, 0, 1, -2]


def torch_takes(rows, columns, average):
    pool = [torch.nn.AdaptiveAvgPool2d(1)] if average else []
    network = torch.nn.Sequential(
        torch.nn.Conv2d(1, 2, 3, padding=1), torch.nn.MaxPool2d(2), *pool, torch.nn.Flatten(),
        torch.nn.Linear(2 if average else 32, 3),
    )  # fmt: skip
    try:
        network(torch.zeros(1, 1, rows, columns))
    except RuntimeError:
        return False
    return True


@pytest.mark.parametrize("average", [False, True])
def test_which_sizes_a_network_takes(average):
    taken = []
    for rows in range(2, 17):
        for columns in range(2, 17):
            shapes, error = through(rows, columns, average)
            assert (not error) == torch_takes(rows, columns, average)
            if not error:
                taken.append((rows, columns))
    several = {(rows, columns) for rows in (8, 9) for columns in (8, 9)}
    other = {(4, 16), (5, 16), (16, 4), (16, 5)}
    assert set(taken) == (several | other if not average else {(r, c) for r in range(2, 17) for c in range(2, 17)})


@pytest.mark.parametrize(
    ("size", "caption", "note"),
    [
        ((8, 8), "They fit, and each reads the place that it was made for.", None),
        ((9, 8), "They fit, and each reads", "The last row of the maps is left out by pooling: that is why they fit."),
        ((9, 9), "They fit", "The last row and the last column of the maps are left out by pooling: that is why"),
        ((4, 16), "There is no error, but 24 of them read another place than they were made for.",
         "The weight of slot 5 was made for row 1, column 1 of map 0, and now reads row 0, column 5 of map 0."),
        ((10, 10), "makes 2 maps of 5×5, and a vector of 50. Each neuron of the last layer has 32 weights: "
         "there is none for 18 of the numbers.", "linear: x must be (N, 32) for w of shape (3, 32), got (1, 50): "
         "x has 50 features, every neuron in w has 32 weights."),
        ((6, 8), "has 32 weights: 8 of them have nothing to read.", "linear: x must be"),
    ],
)  # fmt: skip
def test_what_another_size_breaks(size, caption, note):
    panel = explore_flatten(view=NETWORK, height=size[0], width=size[1], slot=5)
    assert caption in panel.caption
    assert (panel.picture["notes"] or [None])[0] == note or panel.picture["notes"][0].startswith(note)
    panel.close()


def test_as_many_weights_move_as_are_told():
    panel = explore_flatten(view=NETWORK, height=4, width=16)
    cells = [list(np.ndindex(shape)) for shape in ((2, 4, 4), (2, 2, 8))]
    assert sum(a != b for a, b in zip(*cells)) == 24
    assert "but 24 of them" in panel.caption
    assert "Slot 0 is row 0, column 0 of map 0." in panel.picture["plots"][1]["alt"]
    panel.set(average=True, slot=1)
    assert panel.picture["plots"][1]["alt"] == (
        "The picture of 4×16 makes 2 maps of 2×8: slots 0 to 1. Each map has one slot, that of its mean. "
        "Slot 1 is all of map 1."
    )
    assert panel.caption.endswith("There is one number for each map, whatever the size.")
    assert reader(True)(np.zeros((1, 1, 5, 7))).shape == (1, 3)


def flatten(x):
    return x.reshape(len(x), -1)


def channel_last(x):
    return np.moveaxis(x, 1, -1).reshape(len(x), -1)


def test_a_students_function():
    panel = explore_flatten(flatten, maps=2, rows=2, columns=3)
    assert panel.picture["verdict"] == {"agrees": True, "sentence": "flatten: all 24 numbers agree with ours."}
    panel.set(order=BY_COLUMNS)
    assert panel.picture["verdict"] == {
        "agrees": False,
        "sentence": "flatten is compared in PyTorch's order, which the exercise asks for: choose that.",
    }
    panel.set(view=NETWORK)
    assert panel.picture["verdict"]["agrees"]
    panel.close()
    assert panel._function is None
    panel = explore_flatten(channel_last)
    assert panel.picture["verdict"]["agrees"]  # with one map it is the same
    panel.set(maps=2)
    assert "channel_last: the first number that differs is the vector[0, 1]" in panel.picture["verdict"]["sentence"]
    panel = explore_flatten(lambda x: linear.flatten(x)[0])
    assert "nothing to compare" in panel.picture["verdict"]["sentence"]
    with pytest.raises(TypeError, match="explore_flatten: function must be a function"):
        explore_flatten([1])
