"""The flow through a network, against PyTorch's hooks and by hand."""

import copy
import math

import numpy as np
import pytest
import torch

from pnnlib import layers, losses, optim
from pnnlib.activations import relu, relu_derivative, sigmoid, sigmoid_derivative, tanh, tanh_derivative
from pnnlib.bridge import to_torch
from pnnlib.gradflow import (
    Table, activation_statistics, chain_factors, chain_forward, chain_updates, error_statistics, gradient_statistics,
    layer_errors, layer_outputs, update_ratios,
)
from pnnlib.layers import (
    RNN, AdaptiveAvgPool2d, BatchNorm2d, Conv2d, Dropout, Flatten, LastStep, LeakyReLU, Linear, MaxPool2d, Module,
    Parallel, PReLU, ReLU, Residual, Sequential, Sigmoid, Tanh,
)
from pnnlib.networks import digits_cnn, mlp


# The chain: what the table of components does not say


def test_the_lectures_three_equations():
    """Five neurons, four weights; every symbol is that of the lecture."""
    x, t, eta = 0.7, 0.2, 0.5
    w_21, w_32, w_43, w_54 = w = [1.5, -2.0, 0.8, 3.0]
    y_1 = x
    y_2 = math.tanh(w_21 * y_1)
    y_3 = math.tanh(w_32 * y_2)
    y_4 = math.tanh(w_43 * y_3)
    y_5 = math.tanh(w_54 * y_4)

    def phi_prime(net):
        return 1 - math.tanh(net) ** 2

    delta_w_54 = eta * (t - y_5) * phi_prime(w_54 * y_4) * y_4
    delta_w_43 = eta * (t - y_5) * phi_prime(w_54 * y_4) * w_54 * phi_prime(w_43 * y_3) * y_3
    delta_w_32 = (
        eta * (t - y_5) * phi_prime(w_54 * y_4) * w_54 * phi_prime(w_43 * y_3) * w_43 * phi_prime(w_32 * y_2) * y_2
    )
    np.testing.assert_allclose(chain_forward(x, w, tanh), [y_1, y_2, y_3, y_4, y_5], rtol=1e-14)
    for functions in ((tanh, tanh_derivative), (math.tanh, phi_prime)):
        updates = chain_updates(x, t, w, *functions, eta)
        np.testing.assert_allclose(updates[1:], [delta_w_32, delta_w_43, delta_w_54], rtol=1e-13)
    factor_54, factor_43 = chain_factors(x, w, tanh, tanh_derivative)[[3, 2]]
    last = eta * (t - y_5)
    assert updates[1] == pytest.approx(last * factor_54 * factor_43 * phi_prime(w_32 * y_2) * y_2, rel=1e-13)


@pytest.mark.parametrize("depth", [3, 5, 10, 20, 50])
def test_the_chain_at_every_depth(depth):
    """Where φ is the identity for what passes, all is known beforehand: y_j = x w^(j−1), and each factor is w."""
    n = depth - 1
    for w in (0.5, 1.0, 2.0):  # powers of two: exact
        assert (chain_factors(1, [w] * n, relu, relu_derivative) == w).all()
        y = chain_forward(1, [w] * n, relu)
        np.testing.assert_array_equal(y, w ** np.arange(depth))
        updates = chain_updates(1, y[-1] + 1, [w] * n, relu, relu_derivative, 1)
        np.testing.assert_array_equal(updates, w ** (n - 1.0))  # w^(later layers), times y_j = w^(earlier ones)
    # sigmoid: no weight below 4 can make a factor above 1, so the gradient shrinks
    for w in (0.5, 1, 3.9):
        assert (np.abs(chain_factors(0.3, [w] * n, sigmoid, sigmoid_derivative)) <= w / 4).all()
    x = torch.tensor(0.3, dtype=torch.float64)
    w = torch.full((n,), 1.1, dtype=torch.float64, requires_grad=True)
    y = x
    for w_j in w:
        y = torch.sigmoid(w_j * y)
    (0.5 * (1 - y) ** 2).backward()
    updates = chain_updates(0.3, 1, [1.1] * n, sigmoid, sigmoid_derivative, 0.2)
    np.testing.assert_allclose(updates, -0.2 * w.grad.numpy(), rtol=1e-12)  # relative: the first are tiny
    assert updates[0] / updates[-1] < 0.25 ** (depth - 3)


def test_a_chain_step_lowers_the_cost():
    w = np.array([0.9, -1.2, 0.7, 1.1])
    costs = []
    for _ in range(50):
        costs.append(0.5 * (0.4 - chain_forward(0.6, w, tanh)[-1]) ** 2)
        w = w + chain_updates(0.6, 0.4, w, tanh, tanh_derivative, 0.1)
    assert (np.diff(costs) < 0).all()


def test_the_chain_takes_what_there_is():
    np.testing.assert_array_equal(chain_forward(2, [1, 3], lambda net: net), [2, 2, 6])
    assert chain_forward(2, [1, 3], lambda net: net).dtype == np.float64
    assert chain_forward(np.array(2), [], tanh).tolist() == [2]
    assert chain_factors(2, [], tanh, tanh_derivative).shape == (0,)
    assert chain_updates(2, 1, [], tanh, tanh_derivative, 0.1).shape == (0,)
    single = np.float32([0.5, 2])
    for eta in (np.float64(0.1), 0.1, np.array(0.1)):
        assert chain_updates(np.float32(1), 0.5, single, tanh, tanh_derivative, eta).dtype == np.float32
    assert np.isfinite(chain_updates(1000, -1000, [1000, -1000, 1000], sigmoid, sigmoid_derivative, 0.1)).all()
    assert np.isnan(chain_forward(np.nan, [1], tanh)).all()


# Whole networks, against PyTorch


def deep_mlp(rng):
    """Twelve layers, with every φ that has something to tell."""
    parts, kinds = [], [Tanh, Sigmoid, ReLU, LeakyReLU, lambda: PReLU(9), lambda: LeakyReLU(0), lambda: PReLU(init=0)]
    for depth in range(11):
        parts += [Linear(9, 9, rng=rng), kinds[depth % len(kinds)]()]
    return Sequential(*parts, Linear(9, 3, rng=rng)), rng.normal(size=(17, 9))


def cnn(rng):
    return digits_cnn(rng), rng.normal(size=(6, 1, 8, 8))


def residual(rng):
    def block(m, n, stride=1):
        body = Sequential(Conv2d(m, n, 3, stride, 1, bias=False, rng=rng), BatchNorm2d(n), ReLU(),
                          Conv2d(n, n, 3, padding=1, rng=rng))
        return Residual(body, None if m == n else Conv2d(m, n, 1, stride, rng=rng))

    return Sequential(
        Conv2d(2, 4, 3, rng=rng), block(4, 4), ReLU(), block(4, 6, stride=2), Tanh(),
        Parallel(Conv2d(6, 2, 1, rng=rng), Sequential(Conv2d(6, 3, 3, padding=1, rng=rng), Sigmoid()),
                 MaxPool2d(3, 1, 1)),
        AdaptiveAvgPool2d(1), Flatten(), Linear(11, 3, rng=rng),
    ), rng.normal(size=(5, 2, 9, 7))


def recurrent(rng):
    return Sequential(RNN(4, 5, num_layers=2, rng=rng), LastStep(), Linear(5, 3, rng=rng)), rng.normal(size=(6, 7, 4))


def one_layer(rng):
    return Linear(4, 3, rng=rng), rng.normal(size=(8, 4))


def one_residual(rng):
    return Residual(Residual(Linear(3, 3, rng=rng))), rng.normal(size=(8, 3))


NETWORKS = [deep_mlp, cnn, residual, recurrent, one_layer, one_residual]
LOSSES = {losses.cross_entropy: torch.nn.functional.cross_entropy, losses.mse_loss: torch.nn.functional.mse_loss}


def flow_in_torch(model, x, y, loss):
    """What PyTorch's hooks note: outputs and errors by name, and the module with its gradients."""
    module, outputs = to_torch(model), {}

    def note(name):
        def hook(_, inputs, output):
            output.retain_grad()
            outputs[name] = output
        return hook

    for name, part in module.named_modules():
        if type(part) is not torch.nn.Sequential:
            part.register_forward_hook(note(name))
    LOSSES[loss](module(torch.tensor(x)), torch.tensor(y)).backward()
    return outputs, {name: output.grad for name, output in outputs.items()}, module


def a_target(loss, model, x, rng):
    shape = copy.deepcopy(model)(x).shape
    return rng.integers(0, shape[1], shape[0]) if loss is losses.cross_entropy else rng.normal(size=shape)


@pytest.mark.parametrize("training, loss", [(True, losses.cross_entropy), (False, losses.mse_loss)],
                         ids=["training", "usage"])
@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.__name__)
def test_the_same_numbers_as_pytorchs_hooks(network, loss, training):
    rng = np.random.default_rng(0)
    model, x = network(rng)
    if not training:
        model(x)  # so that the running statistics are some
        model.eval()
    y = a_target(loss, model, x, rng)
    outputs, errors, module = flow_in_torch(model, x, y, loss)

    ours = layer_outputs(model, x)
    assert set(ours) == set(outputs)
    for name, output in outputs.items():
        np.testing.assert_allclose(ours[name], output.detach().numpy(), rtol=0, atol=1e-10, err_msg=name)
    ours = layer_errors(model, x, y, loss)
    assert set(ours) == set(errors)
    for name, error in errors.items():
        np.testing.assert_allclose(ours[name], error.numpy(), rtol=1e-8, atol=1e-14, err_msg=name)

    table = activation_statistics(model, x)
    for name, layer, mean, std, _, _, zero in table:
        output = outputs[name].detach()
        assert mean == pytest.approx(output.mean().item(), abs=1e-12)
        assert std == pytest.approx(output.std(correction=0).item(), abs=1e-12)
        assert zero == (output == 0).double().mean().item()
        assert layer == type(dict(model.named_modules())[name]).__name__
    for name, _, norm, mean_abs, std in error_statistics(model, x, y, loss):
        error = errors[name]
        expected = error.norm().item(), error.abs().mean().item(), error.std(correction=0).item()
        assert (norm, mean_abs, std) == pytest.approx(expected, rel=1e-8, abs=1e-15)
    table = gradient_statistics(model, x, y, loss)
    weights = {name: p for name, p in module.named_parameters() if p.ndim >= 2}
    assert table.name.tolist() == list(weights)
    for name, norm, mean_abs, std, ratio in table:
        p = weights[name]
        expected = p.grad.norm().item(), p.grad.abs().mean().item(), p.grad.std(correction=0).item()
        assert (norm, mean_abs, std) == pytest.approx(expected, rel=1e-8, abs=1e-15)
        assert ratio == pytest.approx((p.grad.norm() / p.norm()).item(), rel=1e-8, abs=1e-15)


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.__name__)
def test_saturated_and_dead_by_pytorchs_slopes(network):
    """The slope that counts is autograd's: of the net input, not of the output, as it is computed here."""
    rng = np.random.default_rng(1)
    model, x = network(rng)
    x = 5 * x
    inputs = {}
    module = to_torch(model)
    for name, part in module.named_modules():
        part.register_forward_hook(lambda _, given, __, name=name: inputs.update({name: given[0].detach()}))
    module(torch.tensor(x))
    modules = dict(module.named_modules())
    for name, layer, _, _, saturated, dead, _ in activation_statistics(model, x, flat=0.1):
        if layer in ("Tanh", "Sigmoid", "ReLU", "LeakyReLU", "PReLU"):
            net = inputs[name].requires_grad_()
            slope = torch.autograd.grad(modules[name](net).sum(), net)[0]
        if layer in ("Tanh", "Sigmoid"):
            assert saturated == (slope < 0.1 * (1 if layer == "Tanh" else 0.25)).double().mean().item()
        elif layer != "RNN":
            assert math.isnan(saturated)
        if layer in ("ReLU", "LeakyReLU", "PReLU"):
            per_neuron = slope.movedim(1, 0).flatten(1)
            assert dead == (per_neuron == 0).all(dim=1).double().mean().item()
        else:
            assert math.isnan(dead)


@pytest.mark.parametrize("network", [deep_mlp, cnn, residual, one_residual], ids=lambda network: network.__name__)
def test_rows_are_those_of_the_summary(network):
    model, x = network(np.random.default_rng(0))
    rows = model.summary(x.shape[1:]).rows
    y = a_target(losses.cross_entropy, model, x, np.random.default_rng(0))
    for table in (activation_statistics(model, x), error_statistics(model, x, y)):
        assert table.name.tolist() == [row[0] for row in rows]
        assert table.layer.tolist() == [type(row[1]).__name__ for row in rows]


def state_of(model):
    """All that a network holds, by its layers and parameters: the objects themselves, and copies of what is in them."""
    parts = [*model.modules(), *model.parameters()]
    held = [{**vars(part)} for part in parts]
    no_copy = Module, layers.Parameter, list
    inside = [{k: copy.deepcopy(v) for k, v in vars(part).items() if not isinstance(v, no_copy)} for part in parts]
    return parts, held, inside


@pytest.mark.parametrize("used", [True, False], ids=["used", "new"])
def test_the_network_stays_as_it_is(used):
    rng = np.random.default_rng(0)
    model, x = residual(rng)
    model = Sequential(*model.layers[:-1], Dropout(0.4, rng=5), model[-1])
    model[1].eval()  # part of it in another mode
    y = rng.integers(0, 3, len(x))
    if used:
        model.backward(losses.cross_entropy(model(x[:2]), y[:2])[1])
    parts, held, inside = state_of(model)
    drawn = model[-2].rng.bit_generator.state
    given = x.copy(), y.copy()
    for _ in range(2):
        tables = [activation_statistics(model, x), error_statistics(model, x, y), gradient_statistics(model, x, y)]
        layer_outputs(model, x), layer_errors(model, x, y)
    for part, values, copies in zip(parts, held, inside):
        assert vars(part).keys() == values.keys()
        assert all(vars(part)[name] is value for name, value in values.items())
        for name, value in copies.items():
            if name != "rng":
                np.testing.assert_array_equal(vars(part)[name], value)
    assert model[-2].rng.bit_generator.state == drawn
    np.testing.assert_array_equal(x, given[0]), np.testing.assert_array_equal(y, given[1])
    # the numbers are those of the next forward and backward, with the mask that dropout draws then
    output = model(x)
    model.backward(losses.cross_entropy(output, y)[1])
    assert tables[0].mean[-1] == pytest.approx(output.mean(), abs=1e-14)
    assert tables[0].zero[tables[0].layer == "Dropout"] == np.mean(model[-2].mask == 0)
    norms = [np.linalg.norm(p.grad) for p in model.parameters() if p.data.ndim > 1]
    np.testing.assert_allclose(tables[2].norm, norms, rtol=1e-12)


def test_an_old_gradient_is_none_of_this_pass():
    class Half(Module):
        """Uses the first of its two layers only."""

        def __init__(self):
            self.used, self.spare = Linear(3, 2, rng=0), Linear(3, 2, rng=1)

        def forward(self, x):
            return self.used(x)

        def backward(self, dy):
            return self.used.backward(dy)

    model = Half()
    model.spare.weight.grad = np.ones((2, 3))
    assert gradient_statistics(model, np.ones((2, 3)), [0, 1]).name.tolist() == ["used.weight"]
    assert activation_statistics(model, np.ones((2, 3))).name.tolist() == ["", "used"]
    assert model.spare.weight.grad is not None


@pytest.mark.parametrize("network", [cnn, residual, recurrent], ids=lambda network: network.__name__)
def test_float32_is_measured_in_float32_passes(network):
    model, x = network(np.random.default_rng(0))
    y = a_target(losses.cross_entropy, model, x, np.random.default_rng(0))
    exact = gradient_statistics(model, x, y)
    model.astype(np.float32)
    x = x.astype(np.float32)
    assert {a.dtype for a in layer_outputs(model, x).values()} == {np.dtype(np.float32)}
    assert {a.dtype for a in layer_errors(model, x, y).values()} == {np.dtype(np.float32)}
    np.testing.assert_allclose(gradient_statistics(model, x, y).norm, exact.norm, rtol=1e-3)


# By hand


def test_saturation_begins_where_the_slope_falls_below_its_share():
    edge = np.arctanh(np.sqrt(0.95))  # 1 − tanh² = 0.05
    net = np.array([[-1000.0, -edge - 1e-6, -edge + 1e-6, 0.0], [edge - 1e-6, edge + 1e-6, 2 * edge, 1000.0]])
    assert activation_statistics(Tanh(), net).saturated == 5 / 8
    assert activation_statistics(Sigmoid(), 2 * net).saturated == 5 / 8  # sigmoid(2 net) is tanh(net), squeezed
    assert activation_statistics(Tanh(), net, flat=0).saturated == 0
    assert activation_statistics(Tanh(), net, flat=1).saturated == 7 / 8  # but where the slope is 1 itself
    assert np.isnan(activation_statistics(ReLU(), net).saturated)


def test_a_neuron_is_dead_if_no_sample_wakes_it():
    net = np.array([[-1.0, -1.0, 2.0, 0.0, 5.0], [-3.0, 4.0, 2.0, -1.0, -1.0]])
    table = activation_statistics(ReLU(), net)
    assert table.dead == 2 / 5 and table.zero == 6 / 10
    assert activation_statistics(ReLU(), net[:1]).dead == 3 / 5
    assert activation_statistics(LeakyReLU(0.1), net).dead == 0
    assert activation_statistics(LeakyReLU(0), net).dead == 2 / 5
    table = activation_statistics(PReLU(init=0.1), net)
    assert table.dead == 0 and table.zero == 1 / 10
    # a map is one neuron, copied: one pixel in one picture is enough
    maps = -np.ones((3, 4, 5, 2))
    maps[2, 1, 4, 0] = maps[0, 3] = 1
    table = activation_statistics(ReLU(), maps)
    assert table.dead == 2 / 4 and table.zero == 1 - 11 / 120


def test_recurrent_layers_have_their_own_activation():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(6, 3, 2))
    model = RNN(2, 4, nonlinearity="relu", rng=0)
    model.bias_ih_l0.data[1] = -100
    table = activation_statistics(model, x)
    assert table.dead == (model(x) == 0).all(axis=(0, 1)).mean() >= 1 / 4 and np.isnan(table.saturated)
    batch_first = RNN(2, 4, nonlinearity="relu", batch_first=True)
    batch_first.load_state_dict(model.state_dict())
    assert activation_statistics(batch_first, x.swapaxes(0, 1)).dead == table.dead
    model = RNN(2, 4, num_layers=2, rng=1)
    for p in model.parameters():
        p.data = 4 * p.data
    table = activation_statistics(model, x)
    assert table.saturated == np.mean(1 - model(x) ** 2 < 0.05) > 0 and np.isnan(table.dead)


def test_a_linear_layer_by_hand():
    model = Linear(2, 2)
    model.load_state_dict({"weight": np.array([[1.0, 2.0], [-1.0, 0.0]]), "bias": np.array([0.0, 1.0])})
    x, t = np.array([[1.0, 1.0], [2.0, 0.0]]), np.array([[3.0, 2.0], [2.0, -1.0]])
    # y = [[3, 0], [2, −1]], dy = 2/4 (y − t) = [[0, −1], [0, 0]], dw = dyᵀ x = [[0, 0], [−1, −1]]
    assert list(activation_statistics(model, x))[0][2:4] == pytest.approx((1, math.sqrt(2.5)))
    assert list(error_statistics(model, x, t, losses.mse_loss))[0][2:] == pytest.approx((1, 0.25, math.sqrt(3 / 16)))
    expected = (math.sqrt(2), 0.5, 0.5, math.sqrt(2 / 6))
    assert list(gradient_statistics(model, x, t, losses.mse_loss))[0][1:] == pytest.approx(expected)


# Vanishing and exploding


def deep(depth, activation, scale, width=12):
    model, rng = mlp([width] * depth, activation), np.random.default_rng(depth)
    return layers.initialise(model, lambda shape, rng: scale * rng.normal(size=shape) / math.sqrt(shape[1]), rng)


@pytest.mark.parametrize("depth", [3, 10, 30, 50])
def test_gradients_at_every_depth(depth):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 12)), rng.integers(0, 12, 20)
    norms = {}
    for name, activation, scale in [("vanish", Sigmoid, 1), ("explode", ReLU, 4), ("keep", ReLU, math.sqrt(2))]:
        model = deep(depth, activation, scale)
        _, _, module = flow_in_torch(model, x, y, losses.cross_entropy)
        norms[name] = gradient_statistics(model, x, y).norm
        expected = [p.grad.norm().item() for p in module.parameters() if p.ndim == 2]
        np.testing.assert_allclose(norms[name], expected, rtol=1e-8, atol=0)
        assert len(norms[name]) == depth - 1
    layers_between = depth - 2
    assert norms["vanish"][0] < norms["vanish"][-1] * 0.5**layers_between
    assert norms["explode"][0] > 1e-3 * 2**layers_between  # the loss's error is 1 at most
    assert 1e-3 < norms["keep"][0] / norms["keep"][-1] < 1e3


def test_what_vanished_or_exploded_still_has_a_norm():
    """The square of 1e-200 is 0 in float64, that of 1e200 inf: neither may be the answer."""
    for size in (5e-324, 1e-310, 1e-200, 1e200, 1e307):
        states = {"weight": np.full((2, 2), size)}, {"weight": np.full((2, 2), 2 * size)}
        ((_, update, weight, ratio),) = update_ratios(*states)
        assert update == pytest.approx(2 * size) and weight == pytest.approx(2 * size) and ratio == 1
        ((_, _, _, std, *_),) = activation_statistics(layers.Identity(), [[-size, size]])
        assert std == pytest.approx(size)


@pytest.mark.filterwarnings("error")
def test_what_is_not_finite_is_said():
    table = activation_statistics(layers.Identity(), [[1.0, np.inf], [0.0, 2.0]])
    assert table.mean == np.inf and np.isnan(table.std)
    table = activation_statistics(Sequential(Tanh(), ReLU()), [[1.0, np.nan], [0.0, 2.0]])
    assert np.isnan(table.mean).all() and "nan" in str(table)
    assert np.isnan(error_statistics(layers.Identity(), [[1.0, np.nan]], [0]).norm)


# Updates


def test_the_ratio_of_a_step_is_that_of_the_gradient_times_the_rate():
    rng = np.random.default_rng(0)
    model, x = residual(rng)
    y = rng.integers(0, 3, len(x))
    gradients = gradient_statistics(model, x, y)
    module = to_torch(model)
    theirs = torch.optim.SGD(module.parameters(), lr=0.05)
    before, torch_before = model.state_dict(), {k: v.clone() for k, v in module.state_dict().items()}
    model.backward(losses.cross_entropy(model(x), y)[1])
    optim.SGD(model.parameters(), lr=0.05).step()
    torch.nn.functional.cross_entropy(module(torch.tensor(x)), torch.tensor(y)).backward()
    theirs.step()
    table = update_ratios(before, model.state_dict())
    assert table.name.tolist() == gradients.name.tolist()
    np.testing.assert_allclose(table.ratio, 0.05 * gradients.ratio, rtol=1e-10)
    np.testing.assert_allclose(table.update, 0.05 * gradients.norm, rtol=1e-10)
    after = module.state_dict()
    expected = [((after[n] - torch_before[n]).norm() / torch_before[n].norm()).item() for n in table.name]
    np.testing.assert_allclose(table.ratio, expected, rtol=1e-10)
    np.testing.assert_allclose(update_ratios(torch_before, after).ratio, expected, rtol=1e-10)  # as it takes theirs


def test_updates_of_states_from_a_file_of_zeros_and_of_nothing(tmp_path):
    model = Linear(3, 2, rng=0)
    layers.save(model, tmp_path / "first.npz")
    model.weight.data = model.weight.data + 1
    with np.load(tmp_path / "first.npz") as before:
        assert update_ratios(before, model.state_dict()).update == pytest.approx(math.sqrt(6))
    zero, one = np.zeros((2, 2)), np.ones((2, 2))
    assert update_ratios({"w": zero}, {"w": one}).ratio == np.inf
    assert np.isnan(update_ratios({"w": zero}, {"w": zero}).ratio)
    assert update_ratios({"w": one}, {"w": one}).ratio == 0
    table = update_ratios({"bias": np.ones(3)}, {"bias": np.zeros(3)})
    assert len(table) == 0 and table.ratio.shape == (0,) and str(table) == "weights  update  weight  ratio"
    assert update_ratios({}, {}).name.shape == (0,)


# The table


def test_a_table_prints_as_it_is_read():
    model = Residual(Sequential(Linear(2, 2, rng=0), ReLU()))
    rows = str(activation_statistics(model, [[1.0, -1.0]])).splitlines()
    assert [row[:14].rstrip() for row in rows] == ["layer", "Residual", "  body.0  Line", "  body.1  ReLU"]
    assert rows[0].split() == ["layer", "mean", "std", "saturated", "dead", "zero"]
    assert all(row == row.rstrip() for row in rows)
    table = activation_statistics(model, [[1.0, -1.0]])
    assert repr(table) == str(table) and len(table) == len(list(table)) == 3
    assert [type(value) for value in next(iter(table))] == [str, str] + [float] * 5
    np.testing.assert_array_equal(table.std[table.layer == "ReLU"], [list(table)[2][3]])
    assert all(isinstance(column, np.ndarray) for column in vars(table).values())
    assert str(copy.deepcopy(table)) == str(table)


def test_a_table_prints_numbers_of_all_sizes():
    table = Table([("w", 1e-30, np.nan, np.inf), ("longer.w", 123456, 0, -1)], "name", "norm", "mean_abs", "ratio")
    assert str(table).splitlines() == [
        "weights       norm  mean abs  ratio",
        "w            1e-30       nan    inf",
        "longer.w  1.23e+05         0     -1",
    ]


# What is refused


X = np.ones((4, 3))
Y = [0, 1, 0, 1]
WITH_Y = [layer_errors, error_statistics, gradient_statistics]


@pytest.mark.parametrize("function", [layer_outputs, activation_statistics, *WITH_Y], ids=lambda f: f.__name__)
@pytest.mark.parametrize("model, x, error, sentence", [
    (torch.nn.Linear(3, 2), X, TypeError, "model must be a network of pnnlib.layers, got a "
     "torch.nn.modules.linear.Linear: for a network of PyTorch, bridge.from_torch"),
    (Linear, X, TypeError, "model must be a network of pnnlib.layers, got <class 'pnnlib.layers.Linear'>"),
    (Linear(3, 2), None, TypeError, "x must be an array of numbers, got None"),
    (Linear(3, 2), np.ones(3), ValueError, "x must be (N, …), with N samples, got (3,): for one sample alone add an "),
    (Linear(3, 2), 1.0, ValueError, "x must be (N, …), with N samples, got ()"),
    (Linear(3, 2), np.ones((0, 3)), ValueError, "x must be (N, …), with N samples, got (0, 3): of nothing there are"),
    (Linear(3, 2), np.ones(0), ValueError, "x must be (N, …), with N samples, got (0,): of nothing there are no"),
])
def test_what_is_refused(function, model, x, error, sentence):
    with pytest.raises(error) as caught:
        function(model, x, *([Y] if function in WITH_Y else []))
    assert str(caught.value).startswith(f"{function.__name__}: {sentence}")


@pytest.mark.parametrize("function", WITH_Y, ids=lambda f: f.__name__)
def test_a_loss_must_be_one_of_ours(function):
    sentence = rf"^{function.__name__}: loss must return \(value, gradient\), got a builtins.(int|NoneType): losses"
    for loss in (losses.misclassified, lambda output, y: None):
        with pytest.raises(TypeError, match=sentence):
            function(Linear(3, 2), X, Y, loss)
    with pytest.raises(ValueError, match="^cross_entropy: target must be"):
        function(Linear(3, 2), X, [0, 1])
    with pytest.raises(ValueError, match="^linear: ") as caught:
        function(Sequential(ReLU(), Linear(5, 2)), X, Y)
    assert "in layer 1 of the network" in caught.value.__notes__[0]


@pytest.mark.parametrize("flat, error, sentence", [
    (2, ValueError, "flat must be from 0 to 1, got 2: it is a share of the largest slope"),
    (-0.1, ValueError, "flat must be from 0 to 1, got -0.1"),
    (math.nan, ValueError, "flat must be from 0 to 1, got nan"),
    ([0.1, 0.2], ValueError, "flat must be one number, got (2,)"),
    (None, TypeError, "flat must be an array of numbers, got None"),
])
def test_a_share_is_from_0_to_1(flat, error, sentence):
    with pytest.raises(error) as caught:
        activation_statistics(Tanh(), X, flat)
    assert str(caught.value).startswith(f"activation_statistics: {sentence}")


STATE = {"0.weight": np.ones((2, 3)), "0.bias": np.ones(2)}


@pytest.mark.parametrize("before, after, error, sentence", [
    (STATE, Linear(3, 2), TypeError, "after must be a state, names and arrays, got a pnnlib.layers.Linear: a network "
     "itself moves on, its state_dict() is a copy"),
    (None, STATE, TypeError, "before must be a state, names and arrays, got a builtins.NoneType: what model.state"),
    (STATE, {"0.weight": np.ones((2, 3))}, ValueError, "before and after must have the same names, got 0.bias in one"),
    (STATE, {**STATE, "1.weight": X}, ValueError, "before and after must have the same names, got 1.weight in one"),
    (STATE, {**STATE, "0.weight": np.ones((3, 2))}, ValueError, "0.weight must be (2, 3) after as it was before, got"),
    (STATE, {**STATE, "0.weight": None}, TypeError, "after 0.weight must be an array of numbers, got None"),
])
def test_states_must_be_of_the_same_network(before, after, error, sentence):
    with pytest.raises(error) as caught:
        update_ratios(before, after)
    assert str(caught.value).startswith(f"update_ratios: {sentence}")
