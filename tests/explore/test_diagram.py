"""`draw`: what is on the picture of a network, what is said about it, and that nothing on it collides."""

import inspect
from itertools import combinations

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.patches import Circle, Polygon

from pnnlib import layers
from pnnlib.explore import diagram
from pnnlib.explore.diagram import draw, picture
from pnnlib.explore.figure import FigureView
from pnnlib.layers import (
    RNN, AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveMaxPool1d, AdaptiveMaxPool2d, AvgPool1d, AvgPool2d, BatchNorm1d,
    BatchNorm2d, Conv1d, Conv2d, CrossChannelAvgPool, CrossChannelMaxPool, Dropout, Flatten, Identity, LastStep,
    LeakyReLU, Linear, MaxPool1d, MaxPool2d, Module, Parallel, PReLU, ReLU, Residual, Sequential, Sigmoid, Softmax, Tanh,
)
from pnnlib.networks import digits_cnn, mlp

STYLES = ("maps", "cuboids")


def lenet():
    return Sequential(
        Conv2d(1, 6, 5, padding=2), ReLU(), MaxPool2d(2), Conv2d(6, 16, 5), ReLU(), MaxPool2d(2),
        Flatten(), Linear(400, 120), ReLU(), Linear(120, 84), ReLU(), Linear(84, 10),
    )  # fmt: skip


def inception():
    return Sequential(
        Conv2d(3, 16, 3, padding=1), ReLU(),
        Parallel(
            Conv2d(16, 8, 1), Sequential(Conv2d(16, 8, 1), ReLU(), Conv2d(8, 16, 3, padding=1)),
            Sequential(Conv2d(16, 4, 1), ReLU(), Conv2d(4, 8, 5, padding=2)), Sequential(MaxPool2d(3, 1, 1), Conv2d(16, 8, 1)),
        ),
        ReLU(), AdaptiveAvgPool2d(1), Flatten(), Linear(40, 10),
    )  # fmt: skip


def block(before, after, stride=1):
    body = Sequential(
        Conv2d(before, after, 3, stride, 1), BatchNorm2d(after), ReLU(), Conv2d(after, after, 3, 1, 1), BatchNorm2d(after)
    )
    return [Residual(body, None if before == after else Conv2d(before, after, 1, stride)), ReLU()]


def residual():
    head = AdaptiveAvgPool2d(1), Flatten(), Linear(32, 10)
    return Sequential(Conv2d(3, 16, 3, padding=1), ReLU(), *block(16, 16), *block(16, 32, 2), *head)


def signals():
    return Sequential(
        Conv1d(1, 8, 5), BatchNorm1d(8), ReLU(), MaxPool1d(2), Conv1d(8, 16, 3, dilation=2), LeakyReLU(), AvgPool1d(2),
        AdaptiveMaxPool1d(1), Flatten(), Linear(16, 3),
    )  # fmt: skip


def odd_ones():
    """What the others have not: nested forks, by-passes of nothing, branches without a picture, averages."""
    nested = Parallel(Identity(), MaxPool2d(3, 1, 1), Parallel(Conv2d(4, 2, 1), Conv2d(4, 2, (1, 3), padding=(0, 1))))
    return Sequential(
        Conv2d(1, 4, 3, padding=1), Residual(Sequential(BatchNorm2d(4), PReLU(4), Conv2d(4, 4, 3, padding=1))),
        Residual(Tanh()), Residual(Sequential()), nested, CrossChannelMaxPool(2), CrossChannelAvgPool(3), AvgPool2d(2),
        Dropout(0.3), AdaptiveMaxPool2d(1), Flatten(), Softmax(),
    )  # fmt: skip


def deep():
    parts, before = [], 3
    for maps, many in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(many):
            parts += [Conv2d(before, maps, 3, padding=1), ReLU()]
            before = maps
        parts.append(MaxPool2d(2))
    return Sequential(*parts, Flatten(), Linear(512, 4096), ReLU(), Dropout(0.5), Linear(4096, 1000))


def pooled_signals():
    return Sequential(Conv1d(1, 4, 3), Sigmoid(), AdaptiveAvgPool1d(1))


def recurrent():
    return Sequential(RNN(8, 16, batch_first=True), LastStep(batch_first=True), Linear(16, 10))


NETWORKS = {
    make.__name__: (make, shape) for make, shape in [
        (lenet, (1, 28, 28)), (inception, (3, 32, 32)), (residual, (3, 32, 32)), (signals, (1, 64)), (deep, (3, 32, 32)),
        (odd_ones, (1, 16, 12)), (pooled_signals, (1, 9)), (recurrent, (8, 8)), (digits_cnn, (1, 8, 8)),
    ]
}  # fmt: skip
NETWORKS["mlp"] = (lambda: mlp([64, 32, 16, 10]), (64,))
EACH = pytest.mark.parametrize("name, style", [(name, style) for name in NETWORKS for style in STYLES])


def drawn(name, style):
    make, shape = NETWORKS[name]
    return picture(make(), shape, style)


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts if text.get_text()]


def patches(figure, kind, colour):
    return [
        p for p in figure.axes[0].patches if isinstance(p, kind) and np.allclose(p.get_facecolor()[:3], to_rgb(colour))
    ]


def test_every_layer_is_in_one_of_the_networks():
    shown = {type(module) for make, _ in NETWORKS.values() for module in make().modules()}
    public = {c for _, c in inspect.getmembers(layers, inspect.isclass) if issubclass(c, Module) and c.__name__[0] != "_"}
    assert public - shown == {Module}


@EACH
def test_text_stays_on_the_paper_and_no_two_texts_collide(name, style):
    figure, _ = drawn(name, style)
    renderer = FigureCanvasAgg(figure).get_renderer()
    paper = figure.bbox
    boxes = [(t.get_text(), t.get_window_extent(renderer)) for t in figure.axes[0].texts if t.get_text()]
    for text, box in boxes:
        assert paper.x0 <= box.x0 and box.x1 <= paper.x1 and paper.y0 <= box.y0 and box.y1 <= paper.y1, text
    for (text, box), (other, beside) in combinations(boxes, 2):
        width = min(box.x1, beside.x1) - max(box.x0, beside.x0)
        height = min(box.y1, beside.y1) - max(box.y0, beside.y0)
        assert width <= 1 or height <= 3, (text, other)


@EACH
def test_the_picture_is_no_wider_than_a_notebook_and_its_text_no_smaller_than_the_page(name, style):
    figure, _ = drawn(name, style)
    width, height = figure.get_size_inches()
    assert width <= 10.1 and height <= 9
    assert min(text.get_size() for text in figure.axes[0].texts if text.get_text()) >= 7.5


def test_feature_maps_name_every_layer_and_every_size():
    figure, alt = drawn("lenet", "maps")
    said = texts(figure)
    for name, times in (("input", 1), ("conv 5×5", 2), ("ReLU", 4), ("max pooling 2×2", 2), ("flatten", 1), ("fc", 3)):
        assert said.count(name) == times, name
    for size in ("1 map", "28×28", "6 maps", "14×14", "16 maps", "10×10", "5×5", "400 units", "120 units", "10 units"):
        assert size in said, size
    assert alt == (
        "A network as stacks of feature maps, from left to right. input: 1 map of 28×28. conv 5×5, ReLU: 6 maps of 28×28. "
        "max pooling 2×2: 6 maps of 14×14. conv 5×5, ReLU: 16 maps of 10×10. max pooling 2×2: 16 maps of 5×5. flatten: "
        "400 units. fc, ReLU: 120 units. fc, ReLU: 84 units. fc: 10 units."
    )


def test_cuboids_have_three_sides_and_masks_inside_and_no_pooling():
    figure, alt = drawn("lenet", "cuboids")
    said = texts(figure)
    assert not any("pooling" in text or "flatten" in text for text in said)
    assert said.count("28") == 4 and said.count("10") == 2 and {"1", "6", "16"} <= set(said)  # two cuboids 28, one 10
    assert said.count("5×5") == 2
    assert len(patches(figure, Polygon, diagram.MASK)) == 2  # the fronts of two masks
    assert "conv 5×5, ReLU: 16 maps of 10×10, then max pooling 2×2 and flatten, not drawn. fc, ReLU: 120 units." in alt
    assert alt.startswith("A network as rotated cuboids, from left to right. ")


def test_a_mask_is_drawn_as_large_as_what_it_covers():
    """5 of 28 rows of the input; and 5 of 14 after the pooling that is not drawn."""
    figure, _ = drawn("lenet", "cuboids")
    fronts = {colour: patches(figure, Polygon, colour) for colour in (diagram.MASK, *diagram.COLOURS.values())}
    height = {colour: [np.ptp(p.get_xy()[:, 1]) for p in found] for colour, found in fronts.items()}
    masks, source, maps = height[diagram.MASK], height[diagram.COLOURS["input"]], height[diagram.COLOURS["conv"]]
    np.testing.assert_allclose([masks[0] / source[0], masks[1] / maps[0]], [5 / 28, 5 / 14])


def test_large_numbers_of_maps_and_units_are_cut_short():
    figure, _ = picture(Sequential(Conv2d(2, 300, 1), Flatten(), Linear(1200, 3)), (2, 2, 2))
    assert len(patches(figure, Polygon, diagram.COLOURS["input"])) == 2
    assert len(patches(figure, Polygon, diagram.COLOURS["conv"])) == 6
    assert len(patches(figure, Circle, diagram.COLOURS["other"])) == 7  # and a gap
    assert len(patches(figure, Circle, diagram.COLOURS["units"])) == 3
    assert {"300 maps", "1,200 units", "3 units"} <= set(texts(figure))


def test_branches_lie_side_by_side_and_are_concatenated():
    for style in STYLES:
        figure, alt = drawn("inception", style)
        where = {t.get_text(): t.get_position() for t in figure.axes[0].texts}
        assert {"‖", "concatenated", "conv 3×3", "conv 5×5"} <= set(where)
        assert where["conv 3×3"][1] > where["conv 5×5"][1]  # the second branch above the third
        assert "Side by side: (1) conv 1×1: 8 maps of 32×32; (2) conv 1×1, ReLU: 8 maps of 32×32; conv 3×3: 16 maps" in alt
        assert "concatenated, ReLU: 40 maps of 32×32" in alt
    assert "(4) conv 1×1: 8 maps of 32×32. concatenated" in alt  # pooling is not drawn in a branch either


def test_a_residual_has_a_line_past_its_body_or_a_shortcut_beside_it():
    figure, alt = drawn("residual", "maps")
    assert texts(figure).count("+") == 2
    assert "conv 3×3, batch norm: 16 maps of 32×32; (2) a line past the others. Then they are added up, ReLU." in alt
    assert "(2) conv 1×1, stride 2: 32 maps of 16×16. Then they are added up, ReLU." in alt
    plus = next(t for t in figure.axes[0].texts if t.get_text() == "+").get_position()
    by_pass = [line.get_xydata() for line in figure.axes[0].lines if len(line.get_xydata()) == 2]
    body_top = max(t.get_position()[1] for t in figure.axes[0].texts if t.get_text() == "16 maps")
    over = [line for line in by_pass if np.ptp(line[:, 1]) == 0 and line[0, 1] > body_top and np.isclose(line[1, 0], plus[0])]
    assert len(over) == 1 and np.ptp(over[0][:, 0]) > 2  # above everything, as long as the body


def test_signals_and_sequences():
    figure, alt = drawn("signals", "maps")
    assert "conv 3, dilation 2, LeakyReLU: 16 maps of 26 pixels." in alt and "dilation 2" in texts(figure)
    assert "input: 8 steps of 8 numbers. RNN: 8 steps of 16 numbers. last step: 16 units." in drawn("recurrent", "maps")[1]


def test_a_network_that_ends_with_pooling_shows_what_it_puts_out():
    assert drawn("pooled_signals", "cuboids")[1].endswith("not drawn. output: 4 maps of 1 pixel.")


def test_a_layer_of_ones_own_is_named_by_its_class():
    class Halve(Module):
        def forward(self, x):
            return x[:, ::2]

    for style in STYLES:
        figure, alt = picture(Sequential(Linear(5, 4), Halve()), (5,), style)
        assert alt.endswith("fc: 4 units. Halve: 2 units.") and "Halve" in texts(figure)
    assert picture(Halve(), (6, 2, 2, 2))[1].endswith("input: 6×2×2×2. Halve: 3×2×2×2.")


def test_one_layer_alone_and_none():
    assert picture(Linear(3, 2), (3,))[1].endswith("input: 3 units. fc: 2 units.")
    assert picture(Sequential(), (3,))[1].endswith("input: 3 units.")


def test_the_network_stays_as_it_was():
    model = digits_cnn(rng=0)
    before = model.state_dict()
    draw(model, (1, 8, 8))
    assert model.training and all(module.x is None for module in model.modules())
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


def test_draw_shows_it():
    view = draw(digits_cnn(rng=0), (1, 8, 8), style="cuboids", caption="Ours.")
    assert isinstance(view, FigureView) and view.png[1:4] == b"PNG" and view.caption == "Ours."
    assert view.alt == picture(digits_cnn(rng=0), (1, 8, 8), "cuboids")[1]


@pytest.mark.parametrize("shape", [(8, 8), 8, (3, 8, 8), (1, 12, 12)])
def test_a_shape_that_does_not_fit_is_refused_in_the_words_of_summary(shape):
    model = digits_cnn(rng=0)
    with pytest.raises((ValueError, TypeError)) as expected:
        model.summary(shape)
    with pytest.raises(expected.type) as caught:
        draw(model, shape)
    assert str(caught.value) == str(expected.value)


def test_wrong_calls_are_explained():
    with pytest.raises(ValueError, match="draw: style must be one of 'maps', 'cuboids', got 'boxes'"):
        draw(Linear(2, 2), (2,), style="boxes")
    with pytest.raises(TypeError, match="draw: model must be a network of pnnlib's layers, got type: make an instance"):
        draw(Linear, (2,))
