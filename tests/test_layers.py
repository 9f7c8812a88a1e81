"""Every layer against its PyTorch module: result, gradients, statistics, training; and what a layer does besides."""

import inspect
import re

import numpy as np
import pytest
import torch

from pnnlib import init, layers
from pnnlib.bridge import compare, from_torch, to_torch
from pnnlib.layers import (
    RNN, AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveMaxPool1d, AdaptiveMaxPool2d, AvgPool1d, AvgPool2d,
    BatchNorm1d, BatchNorm2d, Conv1d, Conv2d, CrossChannelAvgPool, CrossChannelMaxPool, Dropout, Flatten, Identity,
    LastStep, LeakyReLU, Linear, MaxPool1d, MaxPool2d, Module, Parallel, Parameter, PReLU, ReLU, Residual, Sequential,
    Sigmoid, Softmax, Tanh, initialise, load, save,
)

# One row for each way to make a layer that matters, with the shape of an input.
LAYERS = [
    (lambda: Linear(5, 3, rng=0), (4, 5)),
    (lambda: Linear(5, 3, rng=0), (2, 4, 5)),
    (lambda: Linear(5, 3, bias=False, rng=0), (1, 5)),
    (lambda: Conv1d(2, 3, 4, stride=2, padding=1, rng=0), (3, 2, 9)),
    (lambda: Conv1d(2, 3, 2, dilation=3, bias=False, rng=0), (1, 2, 8)),
    (lambda: Conv2d(2, 3, (2, 3), stride=(2, 1), padding=(0, 2), rng=0), (2, 2, 7, 6)),
    (lambda: Conv2d(3, 2, 3, dilation=2, bias=False, rng=0), (1, 3, 8, 7)),
    (lambda: BatchNorm1d(3), (5, 3)),
    (lambda: BatchNorm1d(3, eps=0.1, momentum=None), (4, 3, 6)),
    (lambda: BatchNorm1d(3, affine=False, track_running_stats=False), (4, 3)),
    (lambda: BatchNorm2d(2, momentum=0.3), (3, 2, 4, 5)),
    (lambda: PReLU(), (4, 3)),
    (lambda: PReLU(3, init=0.1), (2, 3, 4, 5)),
    (lambda: RNN(3, 4, rng=0), (6, 2, 3)),
    (lambda: RNN(3, 4, num_layers=2, nonlinearity="relu", bias=False, batch_first=True, rng=0), (2, 6, 3)),
    (lambda: ReLU(), (4, 3)),
    (lambda: LeakyReLU(0.2), (4, 3)),
    (lambda: Sigmoid(), (4, 3)),
    (lambda: Tanh(), (4, 3)),
    (lambda: Softmax(dim=1), (4, 3, 2)),
    (lambda: Softmax(), (4, 3)),
    (lambda: Dropout(0.4, rng=0), (6, 7)),
    (lambda: Dropout(0.0, rng=0), (6, 7)),
    (lambda: Flatten(), (2, 3, 4, 5)),
    (lambda: Flatten(order="F"), (2, 3, 4, 5)),
    (lambda: Identity(), (2, 3)),
    (lambda: LastStep(), (5, 2, 3)),
    (lambda: LastStep(batch_first=True), (5, 2, 3)),
    (lambda: MaxPool1d(3, stride=2, padding=1), (2, 3, 8)),
    (lambda: MaxPool2d((2, 3), stride=(1, 2), padding=(1, 0)), (2, 3, 6, 7)),
    (lambda: MaxPool2d(2, dilation=2), (2, 3, 6, 7)),
    (lambda: AvgPool1d(2), (2, 3, 7)),
    (lambda: AvgPool2d(3, stride=2, padding=1, count_include_pad=False), (2, 3, 6, 7)),
    (lambda: AdaptiveMaxPool1d(1), (2, 3, 5)),
    (lambda: AdaptiveMaxPool2d(1), (2, 3, 5, 4)),
    (lambda: AdaptiveAvgPool1d(1), (2, 3, 5)),
    (lambda: AdaptiveAvgPool2d((1, 1)), (2, 3, 5, 4)),
    (lambda: CrossChannelMaxPool(2), (2, 6, 5, 4)),
    (lambda: CrossChannelAvgPool(3), (2, 6, 5)),
    (lambda: Sequential(Linear(5, 4, rng=0), Tanh(), Linear(4, 2, rng=1)), (3, 5)),
    (lambda: Sequential(), (3, 5)),
    (lambda: Residual(Linear(4, 4, rng=0)), (3, 4)),
    (lambda: Residual(Conv2d(2, 4, 3, stride=2, padding=1, rng=0), Conv2d(2, 4, 1, stride=2, rng=1)), (2, 2, 5, 7)),
    (lambda: Parallel(Conv2d(2, 3, 1, rng=0), Conv2d(2, 1, 3, padding=1, rng=1), Identity()), (2, 2, 5, 4)),
]
EACH = pytest.mark.parametrize(
    "make, shape", LAYERS, ids=[f"{i}-{type(make()).__name__}" for i, (make, _) in enumerate(LAYERS)]
)


def draw(shape, rng=1):
    return np.random.default_rng(rng).normal(size=shape)


def test_every_layer_is_in_the_table():
    made = {type(module) for make, _ in LAYERS for module in make().modules()}
    public = {c for _, c in inspect.getmembers(layers, inspect.isclass) if issubclass(c, Module) and c.__name__[0] != "_"}
    assert public - made == {Module}


@EACH
def test_layer_agrees_with_its_torch_module_in_both_modes(make, shape):
    model = make()
    # something to normalise with in usage, and slopes and statistics that differ from channel to channel
    for i, name in enumerate(model.state_dict()):
        if name in ("running_mean", "running_var", "weight", "bias") and not isinstance(model, (Linear, Conv1d, Conv2d)):
            model.load_state_dict({**model.state_dict(), name: np.abs(draw(model.state_dict()[name].shape, i)) + 0.1})
    for mode in (model.train(), model.eval()):
        report = compare(mode, to_torch(mode), draw(shape), steps=3)
        assert report, report


@EACH
def test_layer_goes_to_torch_and_back(make, shape):
    model = make().eval()
    model(draw(shape))
    back = from_torch(to_torch(model))
    assert repr(back) == repr(model)
    assert back.training is False
    for (name, a), (other, b) in zip(model.state_dict().items(), back.state_dict().items(), strict=True):
        assert name == other
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(back(draw(shape)), model(draw(shape)))


@EACH
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_layer_keeps_the_type_and_its_arguments(make, shape, dtype):
    model = make().astype(dtype)
    x = draw(shape).astype(dtype)
    x.flags.writeable = False
    y = model(x)
    dy = draw(y.shape, 2).astype(dtype)
    dy.flags.writeable = False
    dx = model.backward(dy)
    assert y.dtype == dx.dtype == dtype
    assert dx.shape == x.shape
    first = {name: parameter.grad for name, parameter in model.named_parameters()}
    assert all(gradient.dtype == dtype for gradient in first.values())
    assert {value.dtype for value in model.state_dict().values() if value.dtype.kind == "f"} <= {np.dtype(dtype)}
    np.testing.assert_array_equal(model.backward(dy), dx)  # assigned, not added up
    for name, parameter in model.named_parameters():
        np.testing.assert_array_equal(parameter.grad, first[name])


@EACH
def test_names_of_the_state_are_torchs(make, shape):
    model = make()
    module = to_torch(model)
    assert list(model.state_dict()) == list(module.state_dict())
    assert [n for n, _ in model.named_parameters()] == [n for n, _ in module.named_parameters()]
    assert all(np.shape(v) == tuple(module.state_dict()[n].shape) for n, v in model.state_dict().items())


@EACH
def test_backward_before_forward_says_so(make, shape):
    model = make()
    if not isinstance(model, (Sequential, Residual, Identity)):  # these hand on what others remember
        with pytest.raises(RuntimeError, match="backward needs the input of a forward: call the layer first"):
            model.backward(draw(shape))


def test_first_weights_are_drawn_as_torch_draws_them():
    for make, fan_in in ((lambda: Linear(50, 40, rng=0), 50), (lambda: Conv2d(4, 60, (3, 5), rng=0), 60)):
        model = make()
        bound = 1 / np.sqrt(fan_in)
        for parameter in model.parameters():
            assert np.abs(parameter.data).max() <= bound
        assert np.abs(model.weight.data).max() > 0.99 * bound
        theirs = to_torch(model)
        theirs.reset_parameters()
        assert float(theirs.weight.detach().abs().max()) <= bound
        assert abs(float(theirs.weight.detach().std()) / model.weight.data.std() - 1) < 0.05
    for a, b in zip(RNN(3, 5, num_layers=2, rng=3).parameters(), RNN(3, 5, num_layers=2, rng=3).parameters()):
        np.testing.assert_array_equal(a.data, b.data)
        assert np.abs(a.data).max() <= 1 / np.sqrt(5)


def test_initialise_draws_weights_and_clears_biases():
    model = Sequential(Conv2d(8, 40, 3, rng=0), BatchNorm2d(40), ReLU(), Flatten(), Linear(40, 50, rng=0), PReLU())
    assert initialise(model, init.kaiming_normal, rng=0) is model
    assert abs(model[0].weight.data.std() - np.sqrt(2 / 72)) < 0.01
    assert abs(model[4].weight.data.std() - np.sqrt(2 / 40)) < 0.02
    assert not model[0].bias.data.any() and not model[4].bias.data.any()
    assert (model[1].weight.data == 1).all() and model[5].weight.data == 0.25  # these are no sums of many inputs
    again = initialise(Sequential(Conv2d(8, 40, 3)), init.kaiming_normal, rng=0)
    np.testing.assert_array_equal(again[0].weight.data, model[0].weight.data)
    assert initialise(Linear(3, 3).astype(np.float32), init.xavier_uniform, rng=0).weight.data.dtype == np.float32


def test_train_and_eval_reach_every_layer():
    model = Sequential(Residual(Sequential(Dropout(0.5, rng=0), BatchNorm1d(4))), Dropout(0.5, rng=0))
    assert model.eval() is model
    assert not any(module.training for module in model.modules())
    np.testing.assert_array_equal(model(np.ones((1, 4))), model(np.ones((1, 4))))
    assert all(module.training for module in model.train().modules())


def test_dropout_draws_anew_every_time_and_repeats_from_its_seed():
    x = np.ones((20, 20))
    layer, twin = Dropout(0.5, rng=3), Dropout(0.5, rng=3)
    first, second = layer(x), layer(x)
    assert (first != second).any()
    np.testing.assert_array_equal(twin(x), first)
    np.testing.assert_array_equal(layer.backward(x), second)  # the mask of the last forward


def test_batch_norm_gathers_statistics_in_training_only():
    layer = BatchNorm1d(2)
    before = layer.state_dict()
    layer.eval()(draw((5, 2)))
    np.testing.assert_equal(layer.state_dict(), before)
    layer.train()(draw((5, 2)))
    assert layer.num_batches_tracked == 1
    kept = layer.running_mean
    layer(draw((5, 2), 2))
    assert kept is not layer.running_mean  # a new array: nobody's copy changes behind their back
    with pytest.raises(ValueError, match="BatchNorm2d: x must be .*N, C, H, W.*got"):
        BatchNorm2d(2)(draw((5, 2)))
    with pytest.raises(ValueError, match=r"BatchNorm1d: x must be \(N, C\) or \(N, C, L\), got"):
        BatchNorm1d(2)(draw((5, 2, 3, 4)))


def test_a_backward_in_the_mode_of_its_forward():
    model = BatchNorm1d(3)
    x, dy = draw((6, 3)), draw((6, 3), 2)
    model(x)
    model.eval()
    np.testing.assert_allclose(model.backward(dy).sum(axis=0), 0, atol=1e-12)  # the batch's own mean was taken off


# A network as a tree


def test_parameters_are_found_wherever_they_are():
    class Mine(Module):
        def __init__(self):
            self.scale = Parameter([2.0])
            self.inner = Sequential(Linear(3, 3, rng=0))

        def forward(self, x):
            return self.scale.data * self.inner(x)

        def backward(self, dy):
            self.scale.grad = np.array([(dy * self.inner(self.x)).sum()])
            return self.inner.backward(self.scale.data * dy)

    model = Sequential(Mine(), ReLU())
    assert list(model.state_dict()) == ["0.scale", "0.inner.0.weight", "0.inner.0.bias"]
    assert len(model.parameters()) == 3
    with pytest.raises(TypeError, match="to_torch: every layer must be one of pnnlib.layers, got .*Mine"):
        to_torch(model)


def test_sequential_is_a_list_of_layers():
    model = Sequential(Linear(3, 4, rng=0), ReLU(), Linear(4, 2, rng=1))
    assert len(model) == 3 and list(model)[1] is model[1] and model[-1].out_features == 2
    x = draw((5, 3))
    np.testing.assert_array_equal(model[:2](x), np.maximum(model[0](x), 0))
    assert model[1:][1] is model[2]


def test_a_layer_stands_in_one_place():
    layer = Linear(3, 3)
    for make in (
        lambda: Sequential(layer, ReLU(), layer),
        lambda: Residual(layer, layer),
        lambda: Parallel(Sequential(layer), layer),
    ):
        with pytest.raises(ValueError, match="every layer must stand in one place only, got Linear.*make another one"):
            make()


@pytest.mark.parametrize("make, message", [
    (lambda: Sequential(ReLU), "Sequential: every part must be a layer, got .*make an instance of it"),
    (lambda: Sequential([ReLU()]), "Sequential: every part must be a layer, got \\[ReLU"),
    (lambda: Residual(np.tanh), "Residual: every part must be a layer"),
    (lambda: Conv2d(1, 2, (3, 3, 3)), "Conv2d: kernel_size must be an int or 2 ints"),
])
def test_what_is_no_network(make, message):
    with pytest.raises(TypeError, match=message):
        make()


@pytest.mark.parametrize("model, shape, message", [
    (Residual(Linear(3, 4)), (2, 3), r"Residual: body and by-pass must have the same shape.*\(2, 4\).*\(2, 3\).*shortcut"),
    (Residual(Linear(3, 4), Linear(3, 5)), (2, 3), "give body and shortcut the same"),
    (Parallel(Conv2d(1, 2, 1), Conv2d(1, 2, 3)), (2, 1, 5, 5), "Parallel: the branches must agree.*padding"),
    (AdaptiveAvgPool2d(1), (2, 3, 4), r"AdaptiveAvgPool2d: x must be \(N, C, H, W\), got \(2, 3, 4\)"),
])
def test_shapes_that_do_not_fit_together(model, shape, message):
    with pytest.raises(ValueError, match=message):
        model(draw(shape))


def test_no_branch_and_no_other_output_size():
    with pytest.raises(ValueError, match="Parallel: at least one branch"):
        Parallel()
    with pytest.raises(ValueError, match="AdaptiveAvgPool2d: output_size must be 1, .* got 7"):
        AdaptiveAvgPool2d(7)


def test_an_error_says_in_which_layer():
    model = Sequential(Conv2d(1, 4, 3, rng=0), ReLU(), Flatten(), Linear(99, 10, rng=0))
    with pytest.raises(ValueError) as caught:
        model(draw((2, 1, 8, 8)))
    assert any("in layer 3 of the network: Linear(in_features=99, out_features=10)" in n for n in caught.value.__notes__)


def test_repr_shows_the_tree():
    model = Sequential(Residual(Linear(3, 3, bias=False)), Parallel(ReLU(), LeakyReLU(0.2)))
    assert repr(model) == (
        "Sequential(\n"
        "  (0): Residual(\n"
        "    (body): Linear(in_features=3, out_features=3, bias=False)\n"
        "  )\n"
        "  (1): Parallel(\n"
        "    (0): ReLU()\n"
        "    (1): LeakyReLU(negative_slope=0.2)\n"
        "  )\n"
        ")"
    )


# The table


def test_summary_counts_shapes_parameters_and_receptive_fields():
    model = Sequential(
        Conv2d(1, 4, 3, padding=1, rng=0), BatchNorm2d(4), ReLU(), MaxPool2d(2),
        Residual(Sequential(Conv2d(4, 4, 3, padding=1, rng=0), ReLU())),
        Parallel(Conv2d(4, 2, 1, rng=0), Conv2d(4, 3, (1, 5), padding=(0, 2), rng=0)),
        Flatten(), Linear(80, 10, rng=0),
    )
    table = model.summary((1, 8, 8))
    rows = {name: (shape, own, field) for name, _, shape, own, field in table.rows}
    assert rows["0"] == ((1, 4, 8, 8), 40, (3, 3))
    assert rows["1"] == ((1, 4, 8, 8), 8, (3, 3))
    assert rows["3"] == ((1, 4, 4, 4), 0, (4, 4))
    assert rows["4.body.0"] == ((1, 4, 4, 4), 148, (8, 8))
    assert rows["4"] == ((1, 4, 4, 4), 0, (8, 8))
    assert rows["5.1"] == ((1, 3, 4, 4), 63, (8, 16))
    assert rows["5"] == ((1, 5, 4, 4), 0, (8, 16))
    assert rows["7"] == ((1, 10), 810, None)
    assert table.total == sum(p.numel() for p in to_torch(model).parameters())
    text = str(table)
    assert "8 × 16" in text and "all" in text and re.search(r"total +1,079", text)


def test_summary_looks_along_each_axis_for_the_widest_branch():
    model = Parallel(Conv2d(1, 1, (3, 1), padding=(1, 0)), Conv2d(1, 1, (1, 5), padding=(0, 2)))
    assert model.summary((1, 9, 9)).rows[0][-1] == (3, 5)


def test_summary_of_what_it_does_not_know_claims_nothing():
    class Block(Module):
        def __init__(self):
            self.inner = Conv2d(1, 1, 3, padding=1, rng=0)

        def forward(self, x):
            return self.inner(x)

    assert Sequential(Block(), ReLU()).summary((1, 9, 9)).rows[-1][-1] is None
    assert BatchNorm1d(3, track_running_stats=False).summary((3,)).rows[0][2] == (1, 3)
    with pytest.raises(TypeError, match="summary: input_shape must be a shape without N"):
        Linear(3, 2).summary(3)


def test_a_layer_of_ones_own_that_keeps_no_options_can_be_shown():
    class Scale(Module):
        def __init__(self, width, start=np.ones(2)):
            self.w, self.start = Parameter(np.ones(width)), np.zeros(3)

        def forward(self, x):
            raise ValueError("a helpful sentence")

    assert repr(Sequential(Scale(3))).count("Scale(start=[0. 0. 0.])") == 1
    with pytest.raises(ValueError, match="a helpful sentence"):
        Sequential(Scale(3))(np.ones(3))


def test_batch_norm_keeps_its_type_whatever_comes_in():
    layer = BatchNorm1d(3).astype(np.float32)
    layer(draw((4, 3)))
    assert layer.running_mean.dtype == layer.running_var.dtype == np.float32
    assert layer.eval()(draw((4, 3)).astype(np.float32)).dtype == np.float32


@pytest.mark.parametrize("state, error", [
    ({"weight": np.ones((2, 3)), "bias": np.array(["a", "b"])}, TypeError),
    ({"weight": np.ones((2, 3)), "bias": np.ones(2) * 1j}, TypeError),
    ("model.npz", TypeError),
    (None, TypeError),
])
def test_a_state_is_taken_whole_or_not_at_all(state, error):
    model = Linear(3, 2, rng=0)
    before = model.state_dict()
    with pytest.raises(error, match="^load_state_dict: "):
        model.load_state_dict(state)
    np.testing.assert_equal(model.state_dict(), before)


@pytest.mark.parametrize("call, message", [
    (lambda: RNN(2, 3)(draw((4, 5, 3))), r"RNN: x must be \(T, N, 2\), got \(4, 5, 3\)"),
    (lambda: RNN(2, 3, batch_first=True)(draw((4, 5, 3))), r"RNN: x must be \(N, T, 2\), got \(4, 5, 3\)"),
    (lambda: BatchNorm1d(3)(draw((4, 5))), r"BatchNorm1d: x must have num_features = 3 channels, got \(4, 5\)"),
    (lambda: Linear(3.0, 2), "Linear: in_features must be an int, at least 1, got 3.0"),
    (lambda: Conv2d(1, 0, 3), "Conv2d: out_channels must be an int, at least 1, got 0"),
])
def test_a_layer_speaks_of_its_own_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_weights_stay_floats():
    with pytest.raises(TypeError, match="astype: dtype must be a type of floats, got int64"):
        Linear(2, 2).astype(int)


def test_summary_leaves_the_network_as_it_was():
    model = Sequential(BatchNorm1d(3), Dropout(0.5, rng=0), Linear(3, 2, rng=0))
    before = model.state_dict()
    model[1].eval()
    model.summary((3,))
    np.testing.assert_equal(model.state_dict(), before)
    assert [module.training for module in model.modules()] == [True, True, False, True]
    with pytest.raises(RuntimeError, match="call the layer first"):
        model.backward(np.ones((1, 2)))
    with pytest.raises(ValueError):
        model.summary((4,))
    assert [module.training for module in model.modules()] == [True, True, False, True]


@pytest.mark.parametrize("model, shape, field", [
    (Sequential(Conv1d(1, 1, 3, stride=2), AvgPool1d(2), Conv1d(1, 1, 3, dilation=2)), (1, 40), (3 + 2 + 16,)),
    (Sequential(Conv2d(1, 1, (3, 1)), MaxPool2d((1, 2), stride=1, dilation=3)), (1, 9, 9), (3, 4)),
    (Sequential(CrossChannelMaxPool(2), PReLU()), (2, 9, 9), (1, 1)),
    (Sequential(Conv2d(1, 1, 3), AdaptiveMaxPool2d(1), Conv2d(1, 1, 1)), (1, 9, 9), None),
])
def test_receptive_field_is_what_a_gradient_reaches(model, shape, field):
    assert model.summary(shape).rows[-1][-1] == field
    if field is not None:
        for parameter in model.parameters():
            parameter.data = np.ones_like(parameter.data)
        y = model(np.random.default_rng(0).normal(size=(1, *shape)))
        dy = np.zeros_like(y)
        middle = tuple(n // 2 for n in y.shape[2:])
        dy[(0, 0, *middle)] = 1
        reached = np.argwhere(model.backward(dy)[0].any(axis=0))
        if not any(isinstance(m, (layers._MaxPool, CrossChannelMaxPool)) for m in model.modules()):
            assert tuple(reached.max(axis=0) - reached.min(axis=0) + 1) == field


# Saving


def test_save_and_load(tmp_path):
    make = lambda seed: Sequential(Conv2d(1, 2, 3, rng=seed), BatchNorm2d(2), Flatten(), Linear(72, 3, rng=seed))
    model, other = make(0), make(1)
    model(draw((4, 1, 8, 8)))
    save(model, tmp_path / "model")
    assert [p.name for p in tmp_path.iterdir()] == ["model"]
    load(other, tmp_path / "model")
    np.testing.assert_equal(other.state_dict(), model.state_dict())
    x = draw((2, 1, 8, 8), 5)
    np.testing.assert_array_equal(other.eval()(x), model.eval()(x))
    state = model.state_dict()
    state["0.bias"][:] = 7
    assert not (model[0].bias.data == 7).any()  # a state is a copy


def test_torch_can_take_the_state_and_give_it_back(tmp_path):
    model = Sequential(Linear(3, 4, rng=0), BatchNorm1d(4))
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4)).double()
    module.load_state_dict({name: torch.tensor(value) for name, value in model.state_dict().items()})
    assert compare(model, module, draw((5, 3)))
    torch.nn.init.normal_(module[0].weight)
    model.load_state_dict(module.state_dict())
    np.testing.assert_array_equal(model[0].weight.data, module[0].weight.detach().numpy())


def test_a_file_that_does_not_fit_changes_nothing_and_says_what_is_wrong(tmp_path):
    path = tmp_path / "model.npz"
    save(Sequential(Linear(3, 4), ReLU(), Linear(4, 2)), path)
    model = Sequential(Linear(3, 5, rng=0), ReLU(), Linear(5, 2, rng=0))
    before = model.state_dict()
    with pytest.raises(ValueError, match=r"load: .*model.npz does not fit. load_state_dict: 0.weight must be \(5, 3\), got \(4, 3\)"):
        load(model, path)
    with pytest.raises(ValueError, match="missing: none; unknown here: 2.weight, 2.bias"):
        load(Sequential(Linear(3, 4)), path)
    with pytest.raises(ValueError, match="missing: 4.weight, 4.bias; unknown here: none"):
        load(Sequential(Linear(3, 4), ReLU(), Linear(4, 2), ReLU(), Linear(2, 2)), path)
    np.testing.assert_equal(model.state_dict(), before)


def test_a_file_of_another_kind_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError):
        load(Linear(1, 1), tmp_path / "none.npz")
    for content in (b"", b"hello", b"PK\x03\x04 cut off"):
        (tmp_path / "other").write_bytes(content)
        with pytest.raises(ValueError, match="load: .*other must be a file that save wrote"):
            load(Linear(1, 1), tmp_path / "other")
    np.savez(tmp_path / "pickled.npz", weight=np.array([{}], object), bias=np.zeros(1))
    with pytest.raises(ValueError, match="must be a file that save wrote"):  # objects could be code
        load(Linear(1, 1), tmp_path / "pickled.npz")


def test_a_parameter_is_a_copy_of_what_it_was_made_from():
    given = np.ones(3)
    parameter = Parameter(given)
    parameter.data[0] = 5
    assert given[0] == 1
    assert Parameter([1, 2]).data.dtype == np.float64
    assert Parameter(np.ones(2, np.float32)).data.dtype == np.float32


@EACH
def test_a_layer_calls_the_pair_that_stands_in_its_class(make, shape, monkeypatch):
    """What another function may be put in the place of: it is called for every result and every gradient."""
    called = []

    def counted(owner, slot):
        function = getattr(owner, slot)

        def count(*args, **options):
            called.append((owner, slot))
            return function(*args, **options)

        monkeypatch.setattr(owner, slot, staticmethod(count))

    model = make()
    places = {
        (next(c for c in type(module).__mro__ if slot in vars(c)), slot)
        for module in model.modules() for slot in ("function", "function_backward", "update_running")
        if hasattr(type(module), slot) and (slot != "update_running" or module.track_running_stats)
    }
    expected = model(draw(shape))
    for place in places:
        counted(*place)
    model = make()
    model.backward(model(draw(shape)))
    assert set(called) == places
    if not any(isinstance(module, Dropout) for module in model.modules()):
        np.testing.assert_array_equal(make()(draw(shape)), expected)
