from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from pnnlib import layers
from pnnlib.activations import relu, relu_backward
from pnnlib.bridge import compare, from_torch, to_torch
from pnnlib.conv import conv2d, conv2d_backward


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    return SimpleNamespace(x=rng.normal(size=(2, 3, 6, 7)), w=rng.normal(size=(4, 3, 2, 3)), b=rng.normal(size=4))


def test_agreement_shows_result_and_gradients(arrays):
    report = compare(conv2d, F.conv2d, arrays.x, arrays.w, arrays.b, stride=2, backward=conv2d_backward)
    assert report
    assert list(report.differences) == ["y", "dx", "dw", "db"]
    assert max(report.differences.values()) < 1e-12
    first, *rest = str(report).splitlines()
    assert first == "conv2d agrees with PyTorch"
    assert [line.split("  difference")[0] for line in rest] == [
        "  y   (2, 4, 3, 3)", "  dx  (2, 3, 6, 7)", "  dw  (4, 3, 2, 3)", "  db  (4,)        ",
    ]
    assert repr(report) == str(report)


def test_without_a_backward_only_the_result_is_compared(arrays):
    assert list(compare(conv2d, F.conv2d, arrays.x, arrays.w).differences) == ["y"]


def test_none_has_no_gradient(arrays):
    report = compare(conv2d, F.conv2d, arrays.x, arrays.w, None, backward=conv2d_backward)
    assert report and list(report.differences) == ["y", "dx", "dw"]


def test_lists_integers_and_float32_are_compared_in_float64():
    seen = []

    def double(x):
        seen.append(x.dtype)
        return 2 * x

    for x in ([1, 2], np.array([1, 2], np.uint8), np.array([1, 2], np.float32)):
        assert compare(double, lambda x: 2 * x, x)
    assert seen == [np.float64] * 3


def test_arrays_among_the_options_become_tensors_of_their_own_type():
    def pick(x, index):
        return x[np.arange(len(x)), index]

    def torch_pick(x, index):
        return x.gather(1, index[:, None])[:, 0]

    assert compare(pick, torch_pick, np.random.default_rng(0).normal(size=(3, 4)), index=np.array([2, 0, 3]))


@pytest.mark.parametrize("wrong", [0, 1, 2])
def test_each_wrong_gradient_is_named_with_its_place(arrays, wrong):
    def backward(*arguments, **options):
        gradients = list(conv2d_backward(*arguments, **options))
        gradients[wrong].ravel()[-1] += 1e-8
        return gradients

    report = compare(conv2d, F.conv2d, arrays.x, arrays.w, arrays.b, backward=backward)
    assert not report
    assert [line.agrees for line in report.lines] == [i != wrong + 1 for i in range(4)]
    place = ["dx[1, 2, 5, 6]", "dw[3, 2, 1, 2]", "db[3]"][wrong]
    assert "conv2d differs from PyTorch" in str(report)
    assert f"DIFFERENCE 1e-08: {place} is " in str(report)


def test_a_gradient_that_is_right_only_when_dy_is_all_ones():
    def backward(dy, x):
        return np.full_like(x, dy.mean())

    assert not compare(relu, F.relu, np.ones((3, 4)), backward=backward)


def test_wrong_values():
    report = compare(lambda x: np.where(x > 2, 7, x), lambda x: x, [[1, 2], [3, 4]])
    assert not report
    assert str(report).splitlines()[1] == "  y  (2, 2)  DIFFERENCE 4: y[1, 0] is 7, PyTorch's is 3"


def test_other_shapes_are_not_broadcast():
    report = compare(lambda x: x[:, None], lambda x: x, np.ones(3))
    assert not report and np.isnan(report.differences["y"])
    assert "y  (3, 1)  but PyTorch's has shape (3,)" in str(report)


def test_a_missing_gradient(arrays):
    def without_db(dy, x, w, b):
        return *conv2d_backward(dy, x, w), None

    report = compare(conv2d, F.conv2d, arrays.x, arrays.w, arrays.b, backward=without_db)
    assert not report and "None, but PyTorch's has shape (4,)" in str(report)
    with pytest.raises(ValueError, match="^compare: <lambda> must return a gradient for each of the 3 arrays, got 1"):
        compare(conv2d, F.conv2d, arrays.x, arrays.w, arrays.b, backward=lambda *_: arrays.x)


def test_infinities_and_nans():
    x = [-np.inf, np.inf, np.nan, 1]
    assert compare(lambda x: x + 0, lambda x: x, x)
    assert not compare(lambda x: np.nan_to_num(x, posinf=np.inf, neginf=-np.inf), lambda x: x, x)
    assert not compare(np.abs, lambda x: x, x)


def test_a_function_that_writes_into_its_argument_deceives_nobody():
    def doubled_in_place(x):
        x *= 2
        return x

    def halved_dy(dy, x):
        dy /= 2
        return dy

    assert not compare(doubled_in_place, lambda x: x, [1, 2])
    assert not compare(relu, F.relu, [1, 2], backward=halved_dy)

    def squared_in_place(x):
        x *= x
        return x

    # The backward still gets the x that PyTorch got.
    assert compare(squared_in_place, torch.square, [3, 4], backward=lambda dy, x: 2 * x * dy)
    x = np.ones(2)
    compare(doubled_in_place, lambda x: x, x)
    np.testing.assert_array_equal(x, [1, 1])


def test_the_tolerance_is_absolute_for_small_and_relative_for_large_numbers():
    assert not compare(lambda x: x + 1e-9, lambda x: x, [1e-12])
    assert compare(lambda x: x + 1e-9, lambda x: x, [1e-12], atol=1e-8)
    assert compare(lambda x: x + 1e-3, lambda x: x, [1e8])
    assert not compare(lambda x: x + 1, lambda x: x, [1e8])


def test_scalars_and_inputs_that_do_not_matter():
    def loss(x, unused):
        return np.sum(x**2)

    def loss_backward(dy, x, unused):
        return 2 * x * dy, np.zeros_like(unused)

    report = compare(loss, lambda x, unused: (x**2).sum(), [1, 2, 3], [4], backward=loss_backward)
    assert report and list(report.differences) == ["y", "dx", "dunused"]


def test_dy_comes_from_the_seed():
    seen = []

    def spying_backward(dy, x):
        seen.append(dy)
        return relu_backward(dy, x)

    for rng in (0, 0, 1, np.random.default_rng(1)):
        assert compare(relu, F.relu, [1, 2], backward=spying_backward, rng=rng)
    np.testing.assert_array_equal(seen[0], seen[1])
    np.testing.assert_array_equal(seen[2], seen[3])
    assert not np.array_equal(seen[0], seen[2])


def test_any_callable_has_a_name(arrays):
    assert str(compare(np.sin, torch.sin, [1.0])).startswith("sin agrees")


# Networks


def net(seed=0, dropout=0.2):
    return layers.Sequential(layers.Linear(3, 4, rng=seed), layers.Tanh(), layers.Dropout(dropout, rng=1), layers.Linear(4, 2, rng=seed))


X = np.random.default_rng(0).normal(size=(5, 3))


class ByHand(torch.nn.Module):
    def __init__(self, extra=False):
        super().__init__()
        self.fc1, self.fc2 = torch.nn.Linear(3, 4), torch.nn.Linear(4, 2)
        if extra:
            self.more = torch.nn.Parameter(torch.ones(1))

    def forward(self, x):
        return self.fc2(torch.tanh(self.fc1(x)))


def test_a_module_written_by_hand_is_compared_in_the_order_of_its_parameters():
    model = layers.Sequential(layers.Linear(3, 4, rng=0), layers.Tanh(), layers.Linear(4, 2, rng=1))
    module = ByHand().double()
    with torch.no_grad():
        for ours, theirs in zip(model.parameters(), module.parameters()):
            theirs.copy_(torch.tensor(ours.data))
    report = compare(model, module, X)
    assert report, report
    assert "d fc1.weight" in report.differences
    with pytest.raises(ValueError, match="only in PyTorch's: .*more"):
        compare(model, ByHand(extra=True), X)


def test_another_weight_in_one_place_is_seen():
    module = to_torch(net())
    with torch.no_grad():
        module[3].weight[1, 2] += 1e-8
    report = compare(net(), module, X)
    assert not report and any(not line.agrees for line in report.lines)


def test_a_difference_in_training_alone_is_seen():
    class Slow(layers.Tanh):
        def backward(self, dy):
            return super().backward(dy) * (1 + 1e-6)

    model = layers.Sequential(layers.Linear(3, 4, rng=0), Slow(), layers.Linear(4, 2, rng=1))
    same = layers.Sequential(layers.Linear(3, 4, rng=0), layers.Tanh(), layers.Linear(4, 2, rng=1))
    report = compare(model, to_torch(same), X)
    found = {line.name for line in report.lines if not line.agrees}
    assert {"dx", "d 0.weight", "SGD, 5 steps"} <= found and "y" not in found


@pytest.mark.parametrize("call, error, message", [
    (lambda: compare(net(), to_torch(net(dropout=0.5)), X), ValueError, "dropout layers with the same p"),
    (lambda: compare(net(), net(), X), TypeError, "must be compared with a torch.nn.Module, got pnnlib"),
    (lambda: compare(layers.ReLU(), torch.relu, X), TypeError, "must be compared with a torch.nn.Module"),
    (lambda: compare(net(), to_torch(net())), TypeError, "need an input"),
    (lambda: compare(net(), to_torch(net()), X, [0]), TypeError, "one input to be compared on"),
    (lambda: compare(layers.RNN(3, 4), torch.nn.RNN(3, 4), X[None]), TypeError, "must return one tensor, got a tuple"),
])
def test_what_networks_cannot_be_compared(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_result_of_another_shape_is_a_line_of_the_report():
    report = compare(layers.Sequential(layers.Linear(3, 2, bias=False, rng=0), layers.Identity()),
                     torch.nn.Sequential(torch.nn.Linear(3, 2, bias=False), torch.nn.Flatten(0)), X)
    assert not report and "PyTorch's has shape (10,)" in str(report)


def test_a_bias_without_influence_does_not_spoil_the_comparison():
    for seed in range(5):
        model = layers.Sequential(layers.Linear(3, 4, rng=seed), layers.BatchNorm1d(4), layers.Linear(4, 2, rng=seed))
        report = compare(model, to_torch(model), X, steps=20)
        assert report, report


def test_every_layer_keeps_its_mode():
    model = layers.Sequential(layers.Linear(3, 4, rng=0), layers.BatchNorm1d(4), layers.Dropout(0.5, rng=0))
    model(X)
    model[1].eval()
    module = to_torch(model)
    assert [m.training for m in module] == [True, False, True]
    assert [m.training for m in from_torch(module)] == [True, False, True]
    assert compare(model, module, X)


def test_types_of_what_has_statistics_only():
    model = layers.Sequential(layers.BatchNorm1d(3, affine=False)).astype(np.float32)
    assert to_torch(model)[0].running_mean.dtype == torch.float32
    assert from_torch(to_torch(model))[0].running_mean.dtype == np.float32


class Twice(torch.nn.Sequential):
    def forward(self, x):
        return 2 * super().forward(x)


TIED = torch.nn.Linear(3, 3)


@pytest.mark.parametrize("module, error, message", [
    (Twice(torch.nn.Linear(2, 2)), TypeError, "no counterpart in pnnlib.layers for .*Twice"),
    (torch.nn.Sequential(TIED, TIED), ValueError, "must stand in one place only, got 1 a second time"),
    (torch.nn.Conv2d(4, 4, 3, groups=2), ValueError, "Conv2d must have groups=1, got 2"),
    (torch.nn.Conv2d(4, 4, 3, padding="same"), ValueError, "from_torch: Conv2d must have numbers for its options"),
    (torch.nn.Softmax(), ValueError, "from_torch: Softmax must have numbers for its options"),
    (torch.nn.RNN(3, 4), TypeError, "no counterpart in pnnlib.layers for torch.nn.*RNN"),
    (torch.nn.Linear(2, 2).bfloat16(), ValueError, "weights must be float32 or float64"),
    (torch.nn.GELU(), TypeError, "no counterpart"),
])
def test_what_has_no_counterpart_is_refused(module, error, message):
    with pytest.raises(error, match=message):
        from_torch(module)


def test_a_sequential_with_names_of_its_own():
    from collections import OrderedDict

    module = torch.nn.Sequential(OrderedDict(first=torch.nn.Linear(3, 2), act=torch.nn.ReLU())).double()
    np.testing.assert_allclose(from_torch(module)(X), module(torch.tensor(X)).detach().numpy(), rtol=0, atol=1e-12)
