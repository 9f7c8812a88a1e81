"""The network explorable: every number and its parts against PyTorch, what it sees, own networks, and its words."""

import re

import numpy as np
import pytest
import torch

from pnnlib import layers
from pnnlib.bridge import to_torch
from pnnlib.explore import explore_network
from pnnlib.explore.network import BACKWARD, FORWARD, default_network
from pnnlib.explore.network_cell import made_of, sees, walk

L = layers


def every_layer():
    """A network with each layer whose numbers are written out, unequal sizes everywhere."""
    rng = np.random.default_rng(0)
    model = L.Sequential(
        L.Conv2d(2, 3, (3, 2), stride=(2, 1), padding=(1, 2), dilation=(1, 2), rng=rng), L.BatchNorm2d(3), L.LeakyReLU(0.1),
        L.MaxPool2d((2, 3), stride=(1, 2), padding=(1, 1)), L.Conv2d(3, 4, 2, bias=False, rng=rng), L.Tanh(),
        L.AvgPool2d(2, stride=1, padding=1), L.PReLU(4), L.AvgPool2d(2, stride=2, padding=1, count_include_pad=False),
        L.Parallel(L.Conv2d(4, 2, 1, rng=rng), L.Sequential(L.Conv2d(4, 3, 3, padding=1, rng=rng), L.ReLU())),
        L.Residual(L.Sequential(L.Conv2d(5, 5, 3, padding=1, rng=rng), L.Sigmoid())),
        L.Flatten(order="F"), L.Linear(5 * 3 * 3, 6, rng=rng), L.BatchNorm1d(6), L.ReLU(), L.Dropout(0.5),
        L.Linear(6, 3, rng=rng),
    )  # fmt: skip
    model.train()
    model(rng.normal(size=(8, 2, 7, 6)))
    return model.eval(), rng.normal(size=(1, 2, 7, 6))


def kept_by_torch(model, x, label):
    """What each module gave, and the gradients that arrived and that it handed back, by hooks."""
    module, kept = to_torch(model).double().eval(), {}
    for name, one in module.named_modules():
        one.register_forward_hook(lambda m, x, y, name=name: kept.setdefault(name, {}).update(y=y[0].detach().numpy()))
        one.register_full_backward_hook(
            lambda m, dx, dy, name=name: kept[name].update(dx=dx[0][0].numpy(), dy=dy[0][0].numpy())
        )
    tensor = torch.tensor(x, requires_grad=True)
    loss = torch.nn.functional.cross_entropy(module(tensor), torch.tensor([label]))
    loss.backward()
    return kept, loss.item()


def check_parts(made):
    """What a number was made of gives the number."""
    n = made.numbers
    if made.kind == "sum":
        assert made.sums.sum() + made.bias == pytest.approx(made.value, abs=1e-12)
    elif made.kind == "max":
        assert max(n) == made.value
    elif made.kind == "mean":
        assert np.mean(n) == pytest.approx(made.value, abs=1e-12)
    elif made.kind == "norm":
        assert n[0] * (n[1] - n[2]) / n[3] ** 0.5 + n[4] == pytest.approx(made.value, abs=1e-12)
    elif made.kind == "slope":
        assert n[0] * n[1] == pytest.approx(made.value, abs=1e-15)


@pytest.mark.parametrize("label", [0, 2])
def test_every_number_and_its_parts_agree_with_pytorch(label):
    model, x = every_layer()
    way = walk(model, x, label)
    kept, loss = kept_by_torch(model, x, label)
    assert way.loss == pytest.approx(loss, abs=1e-12)
    kinds, rng = set(), np.random.default_rng(label)
    for name, stop in way.stops.items():
        theirs = kept[name]
        for ours, key in ((stop.y, "y"), (stop.dy, "dy"), (stop.dx, "dx")):
            np.testing.assert_allclose(ours, theirs[key], atol=1e-11, err_msg=f"{name} {key}")
        for backward in (False, True):
            shown = stop.dx if backward else stop.y
            places = list(np.ndindex(shown.shape))
            for n in rng.permutation(len(places))[:12]:
                made = made_of(stop, places[n], backward)
                assert made.value == shown[places[n]]
                check_parts(made)
                if made.kind == "copy":
                    assert (stop.dy if backward else stop.x)[made.source] == made.value
                kinds.add((made.kind, backward))
    assert kinds >= {
        ("sum", False), ("sum", True), ("max", False), ("mean", False), ("norm", False), ("value", False),
        ("slope", True), ("copy", False), ("copy", True), ("other", False),
    }  # fmt: skip


def test_the_sums_of_channels_are_those_of_pytorch():
    model, x, _ = default_network()
    way, module = walk(model, x[3:4], 2), to_torch(model).eval()
    stop = way.stops["4"]
    made = made_of(stop, (11, 2, 3))
    for c in range(8):
        one = torch.zeros(1, 8, 6, 6, dtype=torch.float64)
        one[0, c] = torch.tensor(stop.x[c])
        assert made.sums[c] == pytest.approx(module[4](one)[0, 11, 2, 3].item(), abs=1e-12)
    back = made_of(stop, (5, 0, 4), backward=True)
    for o in range(16):
        one = torch.zeros(1, 16, 6, 6, dtype=torch.float64)
        one[0, o] = torch.tensor(stop.dy[o])
        dx = torch.nn.functional.conv_transpose2d(one, module[4].weight, padding=1)
        assert back.sums[o] == pytest.approx(dx[0, 5, 0, 4].item(), abs=1e-15)


def test_the_shares_of_a_pooling_layer_add_up():
    model = L.Sequential(L.MaxPool2d(2, stride=1), L.AvgPool2d(2, stride=1), L.AdaptiveAvgPool2d(1), L.Flatten())
    x = np.random.default_rng(0).normal(size=(1, 2, 5, 4))
    for name, stop in walk(model, x, 1).stops.items():
        for place in np.ndindex(stop.x.shape):
            check_parts(made_of(stop, place, backward=True))
    model = L.Sequential(L.AdaptiveMaxPool2d(1), L.Flatten())
    stop = walk(model, x, 1).stops["0"]
    assert (stop.dx[0] != 0).sum() == 1 and stop.dx[0].ravel().argmax() != stop.x[0].ravel().argmin()


def test_it_sees_what_pytorch_sees():
    """The receptive field by a gradient, where weights are positive and nothing is switched off."""
    model, x = every_layer()
    way = walk(model, x, 0)
    module = to_torch(model).double().eval()
    with torch.no_grad():
        for one in module.modules():
            if isinstance(one, (torch.nn.Conv2d, torch.nn.Linear)):
                one.weight.fill_(0.01)

    def gradient(name, place):
        kept = {}
        for sub in module.modules():  # what hands on only one of its numbers hands on the mean instead
            if isinstance(sub, torch.nn.MaxPool2d):
                sub.forward = lambda x, s=sub: torch.nn.functional.avg_pool2d(x, s.kernel_size, s.stride, s.padding)
            if isinstance(sub, torch.nn.ReLU):
                sub.forward = lambda x: x
        handle = module.get_submodule(name).register_forward_hook(lambda m, x, y: kept.update(y=y))
        tensor = torch.tensor(x, requires_grad=True)
        module(tensor)
        handle.remove()
        kept["y"][(0, 0, *place)].backward()
        return tensor.grad[0].abs().sum(0).numpy() > 0

    seen = []
    for name, place in (("0", (1, 2)), ("3", (0, 0)), ("3", (2, 1)), ("6", (1, 1)), ("9.1.0", (0, 1)), ("10", (1, 0))):
        expected = gradient(name, place)
        seen.append(int(expected.sum()))
        np.testing.assert_array_equal(sees(way, name, place), expected, err_msg=name)
    assert 0 < min(seen) and len(set(seen)) >= 4  # parts of different sizes, not all of it each time
    np.testing.assert_array_equal(sees(way, "1", (1, 2), before=True), sees(way, "0", (1, 2)))
    assert sees(way, "16", ()).all()


@pytest.mark.parametrize("place", range(5))
def test_code_gives_the_number_shown(place, capsys):
    panel = explore_network()
    panel._do({"do": "preset", "place": place})
    for direction in (FORWARD, BACKWARD):
        panel.set(direction=direction)
        exec(panel.code(), {})
        number = float(capsys.readouterr().out)
        assert f"] is {number + 0.0:.3g}, one of" in panel.caption
    panel.close()


def evaluated(text):
    text = re.sub(r" \(all \d+ others\)", "", text)
    return eval(text.replace("·", "*").replace("−", "-").replace("√", "np.sqrt"), {"np": np, "max": lambda *n: max(n)})


@pytest.mark.parametrize("direction", [FORWARD, BACKWARD])
def test_what_is_written_out_is_the_number(direction):
    panel = explore_network(direction=direction, wanted="2", row=3, column=2)
    for layer in panel.controls[0].options:
        panel.set(layer=layer)
        lines = panel.picture["lines"]
        value = float(lines[2][1]) if len(lines) > 2 else float(lines[1][1])
        assert f"] is {lines[2 if len(lines) > 2 else 1][1]}, one of" in panel.caption
        if len(lines) > 2 and not re.search(r"…|√|max\(0, \S+\)$|^φ", lines[1][1]):
            size = sum(abs(float(n)) for n in re.findall(r"\d+\.?\d*(?:e-?\d+)?", lines[1][1]))
            assert evaluated(lines[1][1]) == pytest.approx(value, abs=0.02 * max(size, 1e-9)), layer
        if len(lines) > 3:  # the channel with the most say
            assert evaluated(lines[4][1]) == pytest.approx(float(lines[5][1]), abs=0.02 * abs(float(lines[5][1])) + 0.02)
    panel.close()


def test_presets_make_their_points():
    panel = explore_network()
    assert panel.picture["table"][1] == ["▸ 0 Conv2d", "8×12×12", "72", "3"]
    assert panel.picture["table"][8] == ["7 Conv2d", "32×6×6", "4,608", "12"]
    panel._do({"do": "preset", "place": 1})
    assert panel.caption == (
        "In layer 4 Conv2d, y[11, 2, 3] is 2.14, one of 16 × 6 × 6 numbers that it gives. "
        "The network takes picture 3 for class 3."
    )
    assert panel.picture["plots"][3]["alt"] == (
        "What each of 8 channels below adds to the chosen number: the most, 0.741, comes from channel 4; together 2.14."
    )
    panel._do({"do": "preset", "place": 2})
    assert "depends on 64 of them: rows 3 to 10, columns 3 to 10." in panel.picture["plots"][0]["alt"]
    panel.set(row=0, column=0)
    assert "depends on 25 of them: rows 0 to 4, columns 0 to 4." in panel.picture["plots"][0]["alt"]
    panel._do({"do": "preset", "place": 3})
    assert "1 of 36 are not 0" in panel.picture["plots"][2]["alt"]
    panel._do({"do": "preset", "place": 4})
    assert panel.picture["lines"][1:] == [["", "(-0.4) · 0"], ["", "0"]]
    panel.set(direction=FORWARD)
    assert panel.picture["lines"][1:] == [["", "max(0, -1.02)"], ["", "0"]]
    way = walk(default_network()[0], default_network()[1][3:4], 2)
    ended = (way.stops["2"].dx == 0) & (way.stops["2"].dy != 0)
    assert ended.any() and (way.stops["2"].x[ended] <= 0).all() and (way.stops["2"].y[ended] == 0).all()


def test_limits_follow_layer_and_direction():
    panel = explore_network(layer="3 MaxPool2d", row=5, column=5, channel=7)
    hidden = {c["name"]: (c["hidden"], c.get("last")) for c in panel.picture["controls"]}
    assert hidden["channel"] == (False, 7) and hidden["row"] == (False, 5) and hidden["wanted"][0]
    panel.set(direction=BACKWARD)
    hidden = {c["name"]: (c["hidden"], c.get("last")) for c in panel.picture["controls"]}
    assert hidden["row"] == (False, 11) and not hidden["wanted"][0]
    panel.set(layer="0 Conv2d")  # one channel below
    assert {c["name"]: c["hidden"] for c in panel.picture["controls"]}["channel"] and panel.state()["channel"] == 0
    with pytest.raises(ValueError, match="Row must be a whole number from 0 to 11, got 12"):
        panel.set(row=12)
    assert panel.set(layer="12 Linear", direction=FORWARD) is None and len(panel.picture["plots"]) == 3


def test_own_networks():
    from pnnlib.networks import mlp

    model = mlp([64, 20, 10], rng=0)
    before = model.state_dict()
    panel = explore_network(model, question="Mine?")
    assert panel.picture["question"] == "Mine?" and panel.caption.startswith("In layer 0 Linear, y[0] is")
    ran = {"your_network": model, "your_pictures": panel._x}
    for place in range(3):
        panel._do({"do": "preset", "place": place})
        exec(panel.code(), ran)
    assert all(np.array_equal(before[n], v) for n, v in model.state_dict().items()) and model[0].x is None
    panel.close()
    module = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.AvgPool2d(2), torch.nn.Flatten(), torch.nn.Linear(36, 10)
    )
    panel = explore_network(module, layer="2 AvgPool2d", row=1, column=2)
    assert "the mean of 4 numbers" in panel.picture["lines"][0][1]
    panel.close()
    model, x = every_layer()
    panel = explore_network(model, x)
    for title in panel.controls[0].options:
        for direction in (FORWARD, BACKWARD):
            panel.set(layer=title, direction=direction)
    panel.close()
    signal = L.Sequential(L.Conv1d(1, 3, 3, rng=0), L.ReLU(), L.MaxPool1d(2), L.Flatten(), L.Linear(9, 2, rng=0))
    panel = explore_network(signal, np.ones((2, 1, 9)), layer="0 Conv1d", column=4)
    assert "y[0, 4]" in panel.caption


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"model": 3}, TypeError, "model must be a network of pnnlib or PyTorch, got 3"),
        ({"model": L.Linear}, TypeError, "model must be a network of pnnlib or PyTorch"),
        ({"model": L.Linear(3, 2)}, ValueError, "linear: x must be"),
        ({"model": L.ReLU(), "x": np.ones((2, 1, 3, 3))}, ValueError, r"must give \(N, classes\)"),
        ({"model": L.Linear(3, 2), "x": np.ones((2, 3)), "y": [0, 2]}, ValueError, "classes from 0 to 1"),
        ({"model": L.Linear(3, 2), "x": np.ones(3)}, ValueError, r"x must be \(N, C, H, W\)"),
    ],
)
def test_what_cannot_be_shown_is_refused(arguments, error, said):
    with pytest.raises(error, match=said):
        explore_network(**arguments)
