"""to_onnx: every layer, written to a file and run by ONNX Runtime, gives what it gives here."""

import sys

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from pnnlib import layers
from pnnlib.bridge import to_onnx
from pnnlib.layers import (
    RNN, AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveMaxPool1d, AdaptiveMaxPool2d, AvgPool1d, AvgPool2d, BatchNorm1d,
    BatchNorm2d, Conv1d, Conv2d, CrossChannelAvgPool, CrossChannelMaxPool, Dropout, Flatten, Identity, LastStep,
    LeakyReLU, Linear, MaxPool1d, MaxPool2d, Module, Parallel, PReLU, ReLU, Residual, Sequential, Sigmoid, Softmax,
    Tanh,
)

# An export takes a second, so all layers that take the same input are written at once, side by side.
ALIKE = {
    "images": ((6, 7, 9), [
        Conv2d(6, 3, (3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2), rng=0),
        Sequential(Conv2d(6, 4, 3, bias=False, rng=1), BatchNorm2d(4), ReLU()), BatchNorm2d(6, eps=0.1),
        BatchNorm2d(6, affine=False), BatchNorm2d(6, track_running_stats=False),
        PReLU(), PReLU(6), LeakyReLU(0.2), Sigmoid(), Tanh(), Softmax(1), Dropout(0.5),
        MaxPool2d((3, 2), (2, 1), (1, 0)), MaxPool2d(2, 2, 1, dilation=2), AdaptiveMaxPool2d(1),
        AvgPool2d((3, 2), (2, 1), (1, 0)), AvgPool2d(3, 2, 1, count_include_pad=False), AdaptiveAvgPool2d(1),
        CrossChannelMaxPool(2), CrossChannelAvgPool(3), Flatten(), Flatten(order="F"), Linear(9, 2, rng=3),
        Residual(Conv2d(6, 6, 3, padding=1, rng=4)),
        Residual(Conv2d(6, 4, 3, stride=2, padding=1, rng=5), Conv2d(6, 4, 1, stride=2, rng=6)),
        Parallel(Conv2d(6, 2, 1, rng=7), MaxPool2d(3, 1, 1), Identity()),
    ]),
    "signals and sequences": ((4, 11), [
        Conv1d(4, 3, 3, stride=2, padding=2, dilation=2, rng=0), BatchNorm1d(4), PReLU(4),
        MaxPool1d(3, 2, 1, dilation=2), AdaptiveMaxPool1d(1), AvgPool1d(3, 2, 1),
        AvgPool1d(3, 2, 1, count_include_pad=False), AdaptiveAvgPool1d(1), CrossChannelMaxPool(2), Flatten(order="F"),
        RNN(11, 3, num_layers=2, batch_first=True, rng=2),
        Sequential(RNN(11, 3, nonlinearity="relu", bias=False, batch_first=True, rng=3), LastStep(batch_first=True)),
    ]),
    "vectors": ((6,), [
        Linear(6, 4, rng=0), Linear(6, 3, bias=False, rng=1), BatchNorm1d(6), PReLU(6), Softmax(),
        CrossChannelAvgPool(3),
    ]),
}  # fmt: skip


def run(path, x):
    (y,) = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(["y"], {"x": x})
    return y


def gathered(model, seed=0):
    """The network, with statistics as a training might have left them."""
    rng = np.random.default_rng(seed)
    for layer in (inner for inner in model.modules() if isinstance(inner, (BatchNorm1d, BatchNorm2d))):
        n = layer.num_features
        if layer.track_running_stats:
            layer.running_mean, layer.running_var = rng.normal(size=n), rng.uniform(0.5, 2, size=n)
        if layer.affine:
            layer.weight.data, layer.bias.data = rng.normal(size=n), rng.normal(size=n)
    return model


def test_no_layer_is_forgotten():
    tried = {type(inner) for _, some in ALIKE.values() for layer in some for inner in layer.modules()}
    every = {kind for name, kind in vars(layers).items()
             if isinstance(kind, type) and issubclass(kind, Module) and not name.startswith("_")}
    assert tried == every - {Module}


@pytest.mark.parametrize("inputs", ALIKE)
def test_each_layer_gives_the_same_in_onnx_runtime(tmp_path, capfd, recwarn, inputs):
    shape, some = ALIKE[inputs]
    branches = [gathered(layer, seed) for seed, layer in enumerate(some)]
    to_onnx(Parallel(*(Sequential(layer, Flatten()) for layer in branches)), tmp_path / "model.onnx", shape)
    assert capfd.readouterr() == ("", "") and not recwarn.list
    for n in (1, 5):
        x = np.random.default_rng(n).normal(size=(n, *shape)).astype(np.float32)
        y, start = run(tmp_path / "model.onnx", x), 0
        for layer in branches:
            expected = layer.eval()(x.astype(np.float64)).reshape(n, -1)
            got = y[:, start:start + expected.shape[1]]
            np.testing.assert_allclose(got, expected, rtol=0, atol=1e-5, err_msg=f"{layer!r}, {n} at a time")
            start += expected.shape[1]
        assert y.shape == (n, start)


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """A small network in the midst of its training, and its file."""
    model = gathered(Sequential(
        Conv2d(1, 2, 3, rng=0), BatchNorm2d(2), Tanh(), Flatten(), Dropout(0.5, rng=1), Linear(24, 3, rng=2),
    ))
    model[1].eval()
    model(np.ones((2, 1, 5, 6)))
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    before, remembered = model.state_dict(), model.x
    to_onnx(model, path, (1, 5, 6))
    np.testing.assert_equal(model.state_dict(), before)
    assert model.x is remembered and [m.training for m in model] == [True, False, True, True, True, True]
    return model, path


def test_a_network_that_trains_is_written_as_it_is_in_usage(network):
    model, path = network
    x = np.random.default_rng(3).normal(size=(4, 1, 5, 6)).astype(np.float32)
    np.testing.assert_allclose(run(path, x), model.eval()(x), rtol=0, atol=1e-5)


def test_the_file_keeps_to_the_standard_and_to_itself(network):
    _, path = network
    file = onnx.load(path)
    onnx.checker.check_model(file, full_check=True)
    (x,), (y,) = file.graph.input, file.graph.output
    assert [(entry.domain, entry.version) for entry in file.opset_import] == [("", 18)]
    assert (x.name, y.name) == ("x", "y")
    assert [d.dim_param or d.dim_value for d in x.type.tensor_type.shape.dim] == ["N", 1, 5, 6]
    assert [d.dim_param or d.dim_value for d in y.type.tensor_type.shape.dim] == ["N", 3]
    kinds = {onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).name for tensor in file.graph.initializer}
    assert "float32" in kinds and kinds <= {"float32", "int64"}  # integers are shapes
    for place in (sys.prefix, torch.__path__[0], layers.__file__):
        assert place.encode() not in path.read_bytes()


class Own(Module):
    def forward(self, x):
        return x


@pytest.mark.parametrize("model, shape, error, message", [
    (torch.nn.ReLU(), (3,), TypeError, "made of pnnlib.layers, got torch.*ReLU: torch.onnx.export writes"),
    (np.tanh, (3,), TypeError, "^to_onnx: model must be a network made of pnnlib.layers, got numpy.ufunc$"),
    (ReLU(), 3, TypeError, r"input_shape must be a shape without N, such as \(1, 8, 8\), got 3"),
    (RNN(3, 4), (5, 3), ValueError, "RNN must have batch_first=True"),
    (Sequential(LastStep()), (5, 3), ValueError, "LastStep must have batch_first=True"),
    (Sequential(Own()), (3,), TypeError, "to_torch: every layer must be one of pnnlib.layers, got .*Own"),
])
def test_what_cannot_be_written_is_refused(tmp_path, model, shape, error, message):
    with pytest.raises(error, match=message):
        to_onnx(model, tmp_path / "model.onnx", shape)
    assert not list(tmp_path.iterdir())


def test_an_input_shape_that_does_not_fit_is_refused_in_the_layers_words(tmp_path):
    with pytest.raises(ValueError, match="conv2d: x must be") as caught:
        to_onnx(Sequential(Conv2d(1, 2, 3)), tmp_path / "model.onnx", (5, 1, 8, 8))
    assert "input_shape is (5, 1, 8, 8), without N" in caught.value.__notes__[-1]


def test_without_the_extra_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(ImportError, match=r'-c constraints.txt -e ".\[onnx\]"'):
        to_onnx(ReLU(), tmp_path / "model.onnx", (3,))
