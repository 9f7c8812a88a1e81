"""The activation explorable: φ, φ′ and a slope that learns against PyTorch, who hardly learns, and a student's φ."""

import numpy as np
import pytest
import torch

from pnnlib.explore import explore_activation
from pnnlib.explore.activation import NAMES, NET, UNITS, hardly_learn, learn_slope, phi_and_slope, take_own

TORCH = {
    "sigmoid": lambda net, a: torch.sigmoid(net),
    "tanh": lambda net, a: torch.tanh(net),
    "ReLU": lambda net, a: torch.relu(net),
    "LReLU": lambda net, a: torch.nn.functional.leaky_relu(net, a),
    "PReLU": lambda net, a: torch.nn.functional.prelu(net, torch.tensor([a], dtype=torch.float64)),
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("a", [0.0, 0.01, 0.25, -0.5])
def test_values_and_slopes_agree_with_pytorch(name, a):
    phi, phi_prime = phi_and_slope(name, a)
    net = torch.tensor(NET, requires_grad=True)
    y = TORCH[name](net, a)
    y.sum().backward()
    np.testing.assert_allclose(phi(NET), y.detach().numpy(), atol=1e-12)
    off_corner = NET != 0  # there, ours is the lecture's 1
    np.testing.assert_allclose(phi_prime(NET)[off_corner], net.grad.numpy()[off_corner], atol=1e-12)
    assert off_corner.sum() == NET.size - 1


@pytest.mark.parametrize(
    ("a", "target", "eta", "mean"), [(0.0, 0.6, 0.1, 0.0), (1.0, -1.0, 0.5, -2.0), (0.25, 0.3, 3.0, 1.5)]
)
def test_the_slope_learns_as_in_pytorch(a, target, eta, mean):
    units = mean + UNITS
    net = torch.tensor(units)
    phi = torch.nn.PReLU(init=a, dtype=torch.float64)
    wanted = torch.nn.functional.prelu(net, torch.tensor([target], dtype=torch.float64))
    optimiser = torch.optim.SGD(phi.parameters(), lr=eta)
    path = [a]
    for _ in range(60):
        optimiser.zero_grad()
        (0.5 * torch.nn.functional.mse_loss(phi(net), wanted)).backward()
        optimiser.step()
        path.append(phi.weight.item())
    # The second of these jumps over its target, further each time.
    np.testing.assert_allclose(learn_slope(units, a, target, eta), np.clip(path, -1000, 1000), rtol=1e-9)


def test_nothing_is_learnt_without_negative_net_inputs():
    panel = explore_activation(phi="PReLU", mean=5.0, spread=1.0, step=60, a=0.2)
    assert (5.0 + UNITS).min() > 0
    assert "No net input is negative" in panel.picture["notes"][0]
    assert "is 0.2 after 60 steps" in panel.picture["plots"][2]["alt"]
    panel.set(eta=10.0, spread=5.0, mean=-5.0)
    assert "too long" in panel.picture["notes"][0]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        # tanh: φ′ < 0.05 beyond |net| > 2.1783; ReLU: on the left; LReLU: a of 0.05 is enough
        ({"phi": "tanh", "spread": 3.0}, np.mean(np.abs(3.0 * UNITS) > np.arctanh(np.sqrt(0.95)))),
        ({"phi": "ReLU", "mean": -2.0}, np.mean(-2.0 + UNITS < 0)),
        ({"phi": "LReLU", "a": 0.04, "mean": -2.0}, np.mean(-2.0 + UNITS < 0)),
        ({"phi": "LReLU", "a": 0.05, "mean": -2.0}, 0.0),
        ({"phi": "sigmoid", "mean": 4.0}, np.mean(np.abs(4.0 + UNITS) > 2 * np.arctanh(np.sqrt(0.95)))),
    ],
)
def test_who_hardly_learns(settings, expected):
    panel = explore_activation(**settings)
    assert f"{expected:.0%} of this layer's units hardly learn" in panel.caption
    assert f"{expected:.0%} of the layer's units" in panel.picture["plots"][1]["alt"]
    panel.close()


def test_share_is_that_of_the_library():
    from pnnlib.gradflow import activation_statistics
    from pnnlib.layers import Sequential, Tanh

    table = activation_statistics(Sequential(Tanh()), 2 * UNITS[:, None])
    _, slope = phi_and_slope("tanh")
    assert hardly_learn(slope(2 * UNITS), 1.0) == table.saturated[0] > 0.1


@pytest.mark.parametrize("name", NAMES)
def test_code_gives_the_numbers_shown(name, capsys):
    panel = explore_activation(phi=name, net=-1.5, a=0.2)
    if name == "PReLU":
        ran = {"torch": torch}
        panel.set(step=10)
        exec(panel.code().replace("[...]", f"{UNITS.tolist()}"), ran)
        a = learn_slope(UNITS, 0.2, 0.6, 0.1)[10]
        assert ran["phi"].weight.item() == pytest.approx(a) and panel.picture["lines"][-1] == ["a", f"{a:.3g}"]
        return
    exec(panel.code(), {})
    y, slope = map(float, capsys.readouterr().out.split())
    shown = [right for _, right in panel.picture["lines"]]
    assert (shown[1], shown[3]) == (f"{y:.3g}", f"{slope:.3g}")


def test_the_corner_is_explained():
    panel = explore_activation(phi="ReLU", net=0.0)
    assert panel.picture["notes"] == [
        "There is a corner at net = 0. The lecture takes the slope on its right, 1; PyTorch the one on its left, 0."
    ]
    panel.set(phi="sigmoid")
    assert panel.picture["notes"] == []


# A student's φ.


def softplus(net):
    return np.log1p(np.exp(net))


def softplus_derivative(net):
    return 1 / (1 + np.exp(-net))


def relu(net):
    return np.maximum(net, 0)


def halved(net):
    return 0.5 * (net > 0)


def spoils(net):
    net *= 2
    return net


def unwritten(net):
    raise NotImplementedError


def scalar(net):
    return net if net > 0 else 0


@pytest.mark.parametrize(
    ("function", "derivative", "agrees", "said"),
    [
        (softplus, None, True, "softplus is drawn; its slope is found by differences."),
        (softplus, softplus_derivative, True, "softplus_derivative is the slope of softplus at all 241 net inputs."),
        (relu, lambda net: net > 0, True, "your function is the slope of relu at all 240 net inputs."),
        (relu, halved, False, "halved: the slope of relu at net = 0.05 is 1 by differences, yours is 0.5. 120 of 240 "),
        (spoils, None, False, "spoils changed its own argument: work on a copy."),
        (unwritten, None, False, "unwritten is not implemented yet."),
        (softplus, unwritten, False, "unwritten is not implemented yet."),
        (scalar, None, False, "scalar did not give numbers: ValueError: The truth value"),
        (lambda net: net[:3], None, False, "your function must return as many numbers as it gets, (241,), got (3,)"),
        (lambda net: None, None, False, "your function: it returned None"),
    ],
)
def test_own_functions(function, derivative, agrees, said):
    panel = explore_activation(function, derivative)
    verdict = panel.picture["verdict"]
    assert panel.state()["phi"] == "your function" and verdict["agrees"] == agrees and said in verdict["sentence"]
    panel.set(net=2.0)
    panel.set(phi="tanh")
    panel.close()


def test_own_slopes_by_differences():
    own = take_own(softplus)
    np.testing.assert_allclose(own.slope, softplus_derivative(NET), atol=1e-8)
    panel = explore_activation(softplus, net=0.0)
    assert panel.picture["lines"] == [["φ(0)", "0.693"], ["φ′(0)", "0.5"]]


def test_wrong_arguments():
    with pytest.raises(TypeError, match="explore_activation: function must be a function"):
        explore_activation("tanh")
    with pytest.raises(ValueError, match="a derivative needs its function"):
        explore_activation(derivative=np.cos)
    with pytest.raises(ValueError, match="must be 'sigmoid', 'tanh', 'ReLU', 'LReLU' or 'PReLU', got 'softplus'"):
        explore_activation(phi="softplus")
