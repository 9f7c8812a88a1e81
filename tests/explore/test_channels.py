"""The channels explorable: numbers against PyTorch and part d's exercise by hand, its sums, words, and functions."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from pnnlib.conv import conv2d
from pnnlib.explore import explore_channels
from pnnlib.explore.channels import DRAWN, HAND, MIXED, STROKE, channel_parts, draw, layer_of


def layer(panel):
    return layer_of(SimpleNamespace(**panel._values))


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (1, 5, 2, 3), (3, 4, 3, 3), (2, 4, 4, 1), (3, 6, 1, 1)])
def test_the_parts_agree_with_pytorch_and_add_up(shape):
    channels, side, *kernel = shape
    for seed in range(3):
        rng = np.random.default_rng(seed)
        x, w = rng.normal(size=(channels, side, side + 1)), rng.normal(size=(2, channels, *kernel))
        b = rng.normal(size=2)
        y = torch.nn.functional.conv2d(*map(torch.tensor, (x, w, b))).numpy()
        for o in range(2):
            theirs = torch.nn.functional.conv2d(torch.tensor(x), torch.tensor(w[o])[:, None], groups=channels).numpy()
            ours = channel_parts(x, w[o])
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)
            np.testing.assert_allclose(ours.sum(axis=0) + b[o], y[o], rtol=0, atol=1e-12)


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("more", [{}, {"row": 1, "column": 1}])
def test_code_gives_what_is_shown(place, more):
    panel = explore_channels()
    panel._do({"do": "preset", "place": place})
    panel.set(**more)
    ran = {}
    exec(panel.code(), ran)
    (x, w, b), s = layer(panel), panel.state()
    np.testing.assert_allclose(ran["y"].numpy(), conv2d(x[None], w, b)[0], rtol=0, atol=1e-12)
    np.testing.assert_allclose(ran["parts"].numpy(), channel_parts(x, w[s["mask"]]), rtol=0, atol=1e-12)
    here = ran["y"][s["mask"], s["row"], s["column"]].item()
    assert panel.picture["lines"][-1][1].endswith(f"= {here:g}")
    panel.close()


@pytest.mark.parametrize("settings", [{}, {"size": 3, "masks": 3, "mask": 2, "draw": 7}, {"numbers": HAND, "mask": 1},
                                      {"numbers": MIXED, "weight1": -1.5, "row": 3}])  # fmt: skip
def test_what_is_written_out_as_a_sum_is_that_sum(settings):
    panel = explore_channels(**settings)
    *parts, (_, whole) = panel.picture["lines"]
    for _, line in [*parts, ("", whole)]:
        products, result = line.split(" = ")
        assert eval(products.replace("·", "*")) == float(result)
    assert [float(line.split(" = ")[1]) for _, line in parts] == [
        eval(term) for term in whole.split(" = ")[0].split(" + ")[:-1]
    ]
    panel.close()


def test_the_worked_example_of_the_notebook():
    panel = explore_channels(numbers=HAND)
    x, w, b = layer(panel)
    np.testing.assert_array_equal(conv2d(x[None], w, b)[0], [[[0, -2], [-2, 3]], [[0, 1], [2, -1]]])
    assert panel.caption == (
        "Mask 0 lies on 2 channels at once; their parts 0 and 2 and the bias -2 make one number, 0. "
        "2 masks make 2 maps of 2×2, with 16 weights and 2 biases."
    )
    before = panel.picture["plots"][3]["alt"]
    assert before == "The output, 2 maps of 2×2. Map 0: 0 -2; -2 3. Map 1: 0 1; 2 -1."
    panel.set(mask=1, row=1)
    panel._do({"do": "change", "type": {"w10": [[[0, 0], "1"]], "b": [[[0, 1], "0"]]}})
    assert panel.picture["plots"][3]["alt"] == "The output, 2 maps of 2×2. Map 0: 0 -2; -2 3. Map 1: 0 0; 1 -1."
    shown = {c["label"] for c in panel.picture["controls"] if c["kind"] == "cells" and not c["hidden"]}
    assert shown == {"W(1, 0)", "W(1, 1)", "Bias b"}


def test_as_many_maps_as_masks_however_many_channels():
    panel = explore_channels()
    for channels in (1, 2, 3):
        for masks in (1, 2, 3):
            for size in (1, 2, 3):
                panel.set(channels=channels, masks=masks, size=size)
                table = {row[0]: row[1:] for row in panel.picture["table"]}
                rows = 5 - size
                assert table["y"][0] == str((masks, rows, rows))
                assert int(table["w"][2]) == masks * channels * size**2
    panel.set(channels=1)
    assert panel.caption.startswith("Mask 0 lies on the one channel: ")


def test_a_further_channel_or_mask_leaves_the_others_as_they_are():
    panel = explore_channels(channels=1, masks=1, draw=3)
    x, w, b = layer(panel)
    panel.set(channels=3, masks=2)
    more_x, more_w, more_b = layer(panel)
    np.testing.assert_array_equal(more_x[:1], x)
    np.testing.assert_array_equal(more_w[:1, :1], w)
    np.testing.assert_array_equal(more_b[:1], b)
    panel.press("draw_again")
    assert panel.state()["draw"] == 4 and not np.array_equal(layer(panel)[0], more_x)
    assert all(np.abs(numbers).max() <= 3 for seed in range(20) for numbers in draw(seed))


def test_two_weights_take_the_background_away():
    panel = explore_channels(numbers=MIXED)
    assert "0 of 16 outputs are 0" in panel.caption
    found = []
    for first in np.arange(-2, 2.5, 0.5):
        for second in np.arange(-2, 2.5, 0.5):
            panel.set(weight0=first, weight1=second)
            x, w, b = layer(panel)
            if first and (conv2d(x[None], w, b)[0, 0] == first * STROKE * np.fliplr(np.eye(4))).all():
                found.append((float(first), float(second)))
    assert found == [(w, -w) for w in (-2, -1.5, -1, -0.5, 0.5, 1, 1.5, 2)]
    panel.set(weight0=1, weight1=-1)
    assert panel.caption.endswith("12 of 16 outputs are 0; the background has 12 pixels.")


def conv_layer(x, w, b, stride=1, padding=0, dilation=1):
    return conv2d(x[None], w, b, stride, padding, dilation)[0]


def first_channel_only(x, w, b):
    return conv2d(x[None, :1], w[:, :1], b)[0]


def conv_1x1(x, w):
    return np.einsum("oc,chw->ohw", w, x)


def test_a_students_function():
    panel = explore_channels(conv_layer, masks=2)
    assert panel.picture["verdict"] == {"agrees": True, "sentence": "conv_layer: all 18 numbers agree with ours."}
    panel.close()
    assert panel._function is None
    panel = explore_channels(first_channel_only)
    assert "first_channel_only: the first number that differs is y[0, 0, 0]: yours is -3, ours is 10." in (
        panel.picture["verdict"]["sentence"]
    )
    panel.set(channels=1)
    assert panel.picture["verdict"]["agrees"]
    panel = explore_channels(conv_1x1, size=1, masks=3)
    assert panel.picture["verdict"]["sentence"] == "conv_1x1: all 48 numbers agree with ours."
    panel.set(numbers=MIXED)
    assert panel.picture["verdict"]["agrees"]
    panel.set(numbers=DRAWN, size=2)
    assert panel.picture["verdict"]["sentence"] == (
        "conv_1x1 takes masks of 1×1: it can be compared where the masks have one row and column."
    )
    with pytest.raises(TypeError, match="explore_channels: function must be a function, got 'conv'"):
        explore_channels("conv")
