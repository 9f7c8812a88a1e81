"""`use_mine`: networks that run on a student's functions, and `my_answers`: those functions out of another notebook."""

import copy
import inspect
import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from grading.wheats import wheats_of
from pnnlib import data, layers, optim, train
from pnnlib.conv import conv2d
from pnnlib.exercises import mine, my_answers, use_library, use_mine, whose
from pnnlib.exercises.check import PARTS, WrongCall, exercises_of
from pnnlib.exercises.mine import PIECES, OwnCodeError
from pnnlib.layers import (
    AdaptiveAvgPool2d, AvgPool2d, BatchNorm1d, BatchNorm2d, Conv2d, CrossChannelMaxPool, Flatten, LeakyReLU, Linear,
    MaxPool2d, Parallel, PReLU, ReLU, Residual, Sequential, Sigmoid, Tanh,
)

WHEATS = {  # those in single precision earn full marks, but have another curve
    name: [w for w in found if "single" not in w.__qualname__ and "float32" not in inspect.getsource(w)]
    for part in ("part_b", "part_c", "part_d", "part_e") for name, found in wheats_of(part).items()
}  # fmt: skip
DIGITS = data.digits()


@pytest.fixture(autouse=True)
def on_its_own(monkeypatch):
    """Every test begins with the library's functions, and leaves nothing plugged in."""
    monkeypatch.setenv("NO_COLOR", "1")
    with use_library():
        yield
    assert all(vars_of(piece) is piece.library for piece in PIECES.values())


@pytest.fixture
def unjudged(monkeypatch):
    """Functions are let in without a look at them: for those that go wrong only later."""
    monkeypatch.setattr(mine, "_judged", lambda *_: ("", "Fine."))
    monkeypatch.setattr(mine, "_exercise", lambda name: None)


def vars_of(piece):
    return getattr(piece.owner, piece.slot)


def said(capsys):
    return capsys.readouterr().out


# The same curve ---------------------------------------------------------------------------


def everything(rng):
    """A small network in which nearly every piece has work to do."""
    return Sequential(
        Conv2d(1, 4, 3, stride=(1, 2), padding=1, rng=rng), BatchNorm2d(4), PReLU(4),
        Parallel(Conv2d(4, 2, 1, bias=False, rng=rng), MaxPool2d(3, 1, 1), Conv2d(4, 2, (3, 1), 1, (1, 0), rng=rng)),
        Residual(Conv2d(8, 8, 3, padding=1, rng=rng)), LeakyReLU(0.1), CrossChannelMaxPool(2), MaxPool2d(3, 1),
        Residual(Sequential(Conv2d(4, 6, 1, rng=rng), ReLU()), Conv2d(4, 6, 1, rng=rng)), PReLU(), AvgPool2d(2, 1),
        Parallel(AdaptiveAvgPool2d(1), Conv2d(6, 3, (5, 1), rng=rng)), Flatten(), Linear(9, 12, rng=rng),
        BatchNorm1d(12), Tanh(), Linear(12, 12, rng=rng), Sigmoid(), Linear(12, 10, rng=rng),
    )  # fmt: skip


def curve(make=everything, optimizer=optim.SGD, samples=24, **options):
    model = make(np.random.default_rng(0)).astype(np.float64)
    x = DIGITS.x_train[:samples].astype(np.float64)
    history = train.fit(
        model, x, DIGITS.y_train[:samples], optimizer(model.parameters(), **options), epochs=2, batch_size=8,
        progress=False, rng=0,
    )  # fmt: skip
    return history.loss, train.outputs(model, x)


OPTIMISERS = {
    "momentum_step": (optim.SGD, {"lr": 0.1, "momentum": 0.9}), "adagrad_step": (optim.Adagrad, {}),
    "rmsprop_step": (optim.RMSprop, {}), "adam_step": (optim.Adam, {"lr": 0.01}), "nadam_step": (optim.NAdam, {}),
}  # fmt: skip


def test_every_piece_is_tried_and_has_an_exercise():
    assert set(PIECES) <= set(WHEATS) and all(WHEATS[name] for name in PIECES)
    assert set(PIECES) <= {name for part in PARTS for name in exercises_of(part)}


@pytest.mark.parametrize("which", [0, -1])
def test_a_network_on_own_functions_alone_has_the_librarys_curve(which, unjudged, capsys):
    losses, outputs = curve(lr=0.1)
    layer_pieces = [name for name in PIECES if name not in OPTIMISERS]
    for name in layer_pieces:
        assert use_mine(name, WHEATS[name][which])
    own_losses, own_outputs = curve(lr=0.1)
    np.testing.assert_allclose(own_losses, losses, rtol=0, atol=1e-10)
    np.testing.assert_allclose(own_outputs, outputs, rtol=0, atol=1e-10)
    assert losses[1] < losses[0]
    said(capsys)
    whose()
    for name, line in zip(PIECES, said(capsys).splitlines()[1:], strict=True):
        assert line.startswith(f"{name} ") and ("yours" in line) == (name in layer_pieces), line
        assert " 0 calls" not in line


@pytest.mark.parametrize("name", OPTIMISERS)
def test_an_own_step_moves_the_weights_as_the_librarys(name):
    optimizer, options = OPTIMISERS[name]

    def mlp(rng):
        return Sequential(AvgPool2d(4), Flatten(), Linear(4, 5, rng=rng), ReLU(), Linear(5, 10, rng=rng))

    losses, outputs = curve(mlp, optimizer, **options)
    for wheat in WHEATS[name]:
        assert use_mine(name, wheat)
        own_losses, own_outputs = curve(mlp, optimizer, **options)
        np.testing.assert_allclose(own_losses, losses, rtol=0, atol=1e-10)
        np.testing.assert_allclose(own_outputs, outputs, rtol=0, atol=1e-10)
        assert mine._plugged[name].calls == 6 * 4  # batches and parameters


@pytest.mark.parametrize("name", sorted(PIECES))
def test_it_is_the_own_function_that_runs(name, unjudged):
    """One that is slightly off moves the curve: so those that are right were not just left aside."""
    right = WHEATS[name][0]

    def off(*args):
        value = right(*args)
        if isinstance(value, (tuple, list)) and name not in ("average_pool", "cross_channel_max_pool"):
            return [1.01 * np.asarray(v) for v in value]
        return 1.01 * np.asarray(value)

    optimizer, options = OPTIMISERS.get(name, (optim.SGD, {"lr": 0.1}))
    before = curve(optimizer=optimizer, **options)[1]
    use_mine(name, off)
    after = curve(optimizer=optimizer, **options)[1]
    assert abs(after - before).max() > 1e-8
    use_library()
    np.testing.assert_array_equal(curve(optimizer=optimizer, **options)[1], before)


@pytest.mark.parametrize("name", ["conv_layer", "conv_layer_backward"])
def test_all_right_answers_of_part_d(name):
    def small(rng):
        return Sequential(
            Conv2d(1, 2, (3, 2), stride=(2, 1), padding=(0, 1), rng=rng), ReLU(),
            Conv2d(2, 3, 2, bias=False, rng=rng), Flatten(), Linear(48, 10, rng=rng),
        )  # fmt: skip

    losses, outputs = curve(small, lr=0.1)
    for wheat in WHEATS[name]:
        assert use_mine(name, wheat)
        own_losses, own_outputs = curve(small, lr=0.1)
        np.testing.assert_allclose(own_losses, losses, rtol=0, atol=1e-10)
        np.testing.assert_allclose(own_outputs, outputs, rtol=0, atol=1e-10)


def test_a_network_keeps_its_type():
    assert use_mine("conv_layer", WHEATS["conv_layer"][0])
    assert use_mine("conv_layer_backward", WHEATS["conv_layer_backward"][0])
    layer = Conv2d(1, 2, 3, rng=0).astype(np.float32)
    x = np.ones((2, 1, 4, 4), np.float32)
    assert layer(x).dtype == np.float32
    assert layer.backward(layer(x)).dtype == layer.weight.grad.dtype == layer.bias.grad.dtype == np.float32


@pytest.mark.parametrize("wheat", WHEATS["cross_entropy"])
def test_an_own_loss_is_the_default_and_counts_what_is_right(wheat):
    x, y = np.random.default_rng(0).normal(size=(20, 3)), np.arange(20) % 3
    histories = []
    for own in (False, True):
        model = Linear(3, 3, rng=0)
        if own:
            assert use_mine("cross_entropy", wheat)
        optimizer = optim.SGD(model.parameters(), lr=0.1)
        histories.append(train.fit(model, x, y, optimizer, epochs=3, validation=(x, y), progress=False, rng=0))
    library, own = histories
    assert own.accuracy == library.accuracy and own.validation_accuracy == library.validation_accuracy
    np.testing.assert_allclose(own.loss + own.validation_loss, library.loss + library.validation_loss, rtol=1e-12)
    assert mine._plugged["cross_entropy"].calls == 6
    assert max(train.check_gradients(model, x, y, rng=0).values()) < 1e-6
    assert mine._plugged["cross_entropy"].calls > 6


def test_gradients_copies_and_pickles_of_a_network_on_own_functions():
    assert use_mine("conv_layer", WHEATS["conv_layer"][0])
    assert use_mine("conv_layer_backward", WHEATS["conv_layer_backward"][0])
    model = Sequential(Conv2d(1, 2, 3, rng=0), Tanh(), Flatten(), Linear(8, 3, rng=0))
    x = np.random.default_rng(0).normal(size=(2, 1, 4, 4))
    assert max(train.check_gradients(model, x, [0, 2], rng=0).values()) < 1e-6
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(twin(x), model(x))


# Certified, or refused --------------------------------------------------------------------


def per_channel_bias(x, w, b, stride=1, padding=0, dilation=1):
    right = WHEATS["conv_layer"][0](x, w, 0 * b, stride, padding, dilation)
    return right + len(x) * b[:, None, None]


def librarys_own(x, w, b, stride=1, padding=0, dilation=1):
    return conv2d(x[None], w, b, stride, padding, dilation)[0]


def stub(x, w, b, stride=1, padding=0, dilation=1):
    raise NotImplementedError("conv_layer is not written yet")


@pytest.mark.parametrize("function, reason", [
    (per_channel_bias, "Not right yet."),
    (librarys_own, "It uses `conv2d` from pnnlib: write it in NumPy."),
    (conv2d, "Not right yet."),
    (stub, "Not written yet: replace the line"),
    (None, "You have no conv_layer yet."),
    (np.ones(3), "What came is an array"),
])  # fmt: skip
def test_one_that_is_not_certified_is_refused_and_the_librarys_is_used(function, reason, capsys):
    assert use_mine("conv_layer", WHEATS["conv_layer"][0])
    said(capsys)
    assert use_mine("conv_layer", function) is False
    line = said(capsys)
    assert line.startswith("✗ conv_layer: the library's is in Conv2d, not yours. ") and reason in line
    assert line.count("\n") == 1  # one plain line
    assert Conv2d.function is conv2d
    whose("conv_layer")
    assert said(capsys).endswith("conv_layer  Conv2d  the library's\n")


def test_one_that_never_ends_is_stopped(capsys):
    def endless(net):
        while True:
            pass

    assert use_mine("relu", endless, seconds=0.2) is False
    assert "It did not come to an end: stopped after 0.2 seconds" in said(capsys)


def test_a_certified_one_is_announced(capsys):
    assert use_mine("conv_layer_backward", WHEATS["conv_layer_backward"][0]) is True
    line = said(capsys)
    assert line.startswith("✓ conv_layer_backward: yours is in Conv2d from here on. All ")
    assert "agree with PyTorch" in line and line.endswith("The library's stays for dilation.\n")


@pytest.mark.parametrize("name, function, message", [
    ("conv_leyer", max, "no use for a function 'conv_leyer'; is it conv_layer"),
    ("zzz", max, "no use for a function 'zzz'; they use sigmoid_derivative"),
    (max, None, r'give the name of the exercise in quotes, use_mine\("max", max\)'),
])  # fmt: skip
def test_a_wrong_call_is_explained(name, function, message):
    with pytest.raises(WrongCall, match=message):
        use_mine(name, function)
    with pytest.raises(WrongCall, match=message.replace("use_mine", "use_library").split(", max\\)")[0]):
        use_library(name)


# Back to the library's --------------------------------------------------------------------


def test_one_or_all_are_put_back(capsys):
    for name in ("relu", "leaky_relu", "adam_step"):
        assert use_mine(name, WHEATS[name][0])
    use_library("relu")
    assert ReLU.function is PIECES["relu"].library and LeakyReLU.function is not PIECES["leaky_relu"].library
    use_library()
    assert LeakyReLU.function is PIECES["leaky_relu"].library and optim.adam_step is PIECES["adam_step"].library
    said(capsys)
    whose("relu", "adam_step")
    assert said(capsys).splitlines() == [
        "piece      layer  whose", "relu       ReLU   the library's", "adam_step  Adam   the library's"
    ]  # fmt: skip


def test_for_a_few_lines_alone():
    assert use_mine("relu", WHEATS["relu"][0])
    own = ReLU.function
    with use_library():
        assert ReLU.function is PIECES["relu"].library
        assert use_mine("leaky_relu", WHEATS["leaky_relu"][0])
    assert ReLU.function is own and LeakyReLU.function is PIECES["leaky_relu"].library
    ReLU()(np.ones(2))
    assert mine._plugged["relu"].calls == 1
    with pytest.raises(ZeroDivisionError), use_library("relu"):
        1 / 0
    assert ReLU.function is own


# What a student's function does not cover -------------------------------------------------


@pytest.mark.parametrize("name, make, shape", [
    ("conv_layer_backward", lambda: Conv2d(1, 2, 2, dilation=2, rng=0), (2, 1, 5, 6)),
    ("max_pool", lambda: MaxPool2d(2, padding=1), (2, 1, 5, 6)),
    ("max_pool", lambda: MaxPool2d((2, 3)), (2, 1, 5, 6)),
    ("max_pool", lambda: MaxPool2d(2, stride=(1, 2)), (2, 1, 5, 6)),
    ("max_pool_backward", lambda: MaxPool2d(2, dilation=2), (2, 1, 5, 6)),
    ("average_pool", lambda: AvgPool2d(2, padding=1), (2, 1, 5, 6)),
    ("cross_channel_max_pool", lambda: CrossChannelMaxPool(2), (2, 4, 6)),
    ("flatten", lambda: Flatten(order="F"), (2, 3, 4, 5)),
    ("flatten", lambda: Flatten(), (2, 3, 4)),
    ("parallel", lambda: Parallel(Linear(3, 2, rng=0), Linear(3, 1, rng=1)), (2, 3)),
    ("batch_norm", lambda: BatchNorm2d(2).eval(), (3, 2, 4, 5)),
    ("batch_norm_backward", lambda: BatchNorm2d(2).eval(), (3, 2, 4, 5)),
    ("update_running", lambda: BatchNorm2d(2, momentum=None), (3, 2, 4, 5)),
])  # fmt: skip
def test_the_librarys_is_used_for_what_an_own_one_does_not_cover(name, make, shape, unjudged, capsys):
    def not_called(*args):
        raise AssertionError("it was called")

    x = np.random.default_rng(0).normal(size=shape)
    expected = make()
    y = expected(x)
    dx = expected.backward(y)
    use_mine(name, not_called)
    layer = make()
    np.testing.assert_array_equal(layer(x), y)
    np.testing.assert_array_equal(layer.backward(y), dx)
    said(capsys)
    whose(name)
    assert f"yours, 0 calls; the library's, 1 call: {PIECES[name].uncovered}" in said(capsys)


@pytest.mark.parametrize("shape, slopes", [
    ((3, 4), 4), ((3, 4), 1), ((2, 3, 4, 5), 3), ((2, 3, 4, 5), 1), ((3, 1), 1), ((2, 3, 4), 3)
])  # fmt: skip
def test_slopes_of_every_kind_go_through_an_own_prelu(shape, slopes):
    x, dy = np.random.default_rng(0).normal(size=(2, *shape))
    x.flat[:2] = 0  # there, either value of the derivative is right; networks must agree
    layer = PReLU(slopes)
    layer(x)
    expected = layer.backward(dy), layer.weight.grad
    for wheat in WHEATS["prelu_backward"]:
        assert use_mine("prelu_backward", wheat)
        np.testing.assert_allclose(layer.backward(dy), expected[0], rtol=1e-12)
        np.testing.assert_allclose(layer.weight.grad, expected[1], rtol=1e-12)


def test_a_norm_without_gamma_and_beta_goes_through_own_functions():
    x, dy = np.random.default_rng(0).normal(size=(2, 3, 2, 4, 5))
    layer = BatchNorm2d(2, affine=False, eps=0.1)
    expected = layer(x), layer.backward(dy)
    assert use_mine("batch_norm", WHEATS["batch_norm"][0])
    assert use_mine("batch_norm_backward", WHEATS["batch_norm_backward"][0])
    np.testing.assert_allclose(layer(x), expected[0], rtol=0, atol=1e-12)
    np.testing.assert_allclose(layer.backward(dy), expected[1], rtol=0, atol=1e-12)


# What goes wrong while training -----------------------------------------------------------


def raises(x, w, b, *options):
    return x[100]


def writes(x, w, b, *options):
    x[0] = 0
    return x


@pytest.mark.parametrize("name, function, message", [
    ("conv_layer", raises, r"your conv_layer, in Conv2d, stopped with IndexError: .* \(line \d+ of your cell\)"),
    ("conv_layer", writes, "your conv_layer, in Conv2d, must not change what it is given, work on a copy"),
    ("conv_layer", lambda *args: None, "your conv_layer, in Conv2d, returned nothing: is a `return` missing"),
    ("conv_layer", lambda x, *args: x, r"in Conv2d, must return an array of shape \(2, 2, 2\) here, got \(1, 4, 4\)"),
    ("conv_layer", lambda *args: [[1], [1, 2]], "your conv_layer, in Conv2d, stopped with ValueError"),
    ("conv_layer", lambda *args: "abc", "your conv_layer, in Conv2d, must return an array of shape"),
    ("conv_layer", stub, "your conv_layer, in Conv2d, stopped with NotImplementedError: conv_layer is not written yet"),
    ("conv_layer_backward", lambda *args: args[:2], "your conv_layer_backward, .* must return 3 results here, got 2 results"),
    ("conv_layer_backward", lambda *args: None, "must return 3 results here, got None"),
    ("conv_layer_backward", lambda *args: 3, "must return 3 results here, got the number 3"),
    ("conv_layer_backward", lambda dy, x, w, *_: (x, w, dy), r"an array of shape \(2,\) here, got \(2, 2, 2\)"),
])  # fmt: skip
def test_what_goes_wrong_later_is_said_to_be_theirs(name, function, message, unjudged):
    use_mine(name, function)
    model = Sequential(Conv2d(1, 2, 3, rng=0))
    x = np.ones((2, 1, 4, 4))
    with pytest.raises(OwnCodeError, match=message) as caught:
        model.backward(model(x))
    assert f'use_library("{name}") puts the library\'s back' in str(caught.value)
    np.testing.assert_array_equal(x, 1)


def test_what_a_block_gives_may_be_written_into(unjudged):
    def adds_in_place(x, f):
        y = f(x)
        y += x
        return y

    use_mine("residual", adds_in_place)
    x = np.ones((2, 3))
    assert (Residual(layers.Identity())(x) == 2).all() and (x == 1).all()


def test_an_input_that_does_not_fit_is_the_librarys_to_explain():
    def forgiving(x, w, b, stride=1, padding=0, dilation=1):
        channels = min(len(x), w.shape[1])
        return WHEATS["conv_layer"][1](x[:channels], w[:, :channels], b, stride, padding, dilation)

    assert use_mine("conv_layer", forgiving)
    with pytest.raises(ValueError, match=r"conv2d: x must be \(N, 3, H, W\)"):
        Conv2d(3, 2, 3)(np.ones((2, 1, 5, 5)))


def test_an_interrupt_is_no_mistake_of_theirs(unjudged):
    def interrupted(net):
        raise KeyboardInterrupt

    use_mine("relu", interrupted)
    with pytest.raises(KeyboardInterrupt):
        ReLU()(np.ones(3))


# Out of another notebook ------------------------------------------------------------------

CONV = '''def cross_correlate(x, h):
    """Slide."""
    return windows_of(x, h.shape) @ h.ravel()
'''
STUB = '''def convolve(x, h):
    """Turned."""
    raise NotImplementedError("convolve is not written yet")  # replace this line
'''


def cell(source, grade_id="", grade=False, tags=(), cell_type="code"):
    marks = {"nbgrader": {"grade_id": grade_id, "grade": grade, "solution": not grade}} if grade_id else {}
    metadata = {"tags": list(tags), **marks}
    return {"cell_type": cell_type, "metadata": metadata, "source": source.splitlines(keepends=True)}


@pytest.fixture
def notebook(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(*cells, name="part_d.ipynb"):
        (tmp_path / name).write_text(json.dumps({"cells": cells, "nbformat": 4}), encoding="utf-8")
        return name

    return write


def test_answers_come_with_what_they_need_and_nothing_else_is_run(notebook, capsys):
    name = notebook(
        cell("# Part d", cell_type="markdown"),
        cell("import numpy as np\nfrom pnnlib.exercises import check"),
        cell("open('explored', 'w')\nwindows_of = None", tags=["explore"]),
        cell("%matplotlib inline\nSIZE = 2\nprint('seen')\nopen('trained', 'w')\n"
             "for i in range(3): open('looped', 'w')\n"
             "def windows_of(x, shape):\n"
             "    view = np.lib.stride_tricks.sliding_window_view(x, shape)\n"
             "    return view.reshape(*view.shape[:SIZE], -1)"),
        cell(CONV, "cross_correlate"),
        cell("open('checked', 'w')\ncheck(cross_correlate)", "check-cross_correlate", grade=True),
        cell(STUB, "convolve"),
        cell("answer_1 = open('asked', 'w')", "question-1"),
        cell("threshold_layer = lambda x, h, theta: cross_correlate(x, h) > theta", "threshold_layer"),
        cell("def output_size(n, k, stride=1, padding=0, dilation=1):\n    return 3\n1 / 0", "output_size"),
        cell("def mask_as_matrix(h, shape)\n    return 3", "mask_as_matrix"),
        cell("def conv_1x1(x, w):\n    return np.tensordot(w, x, 1)"),  # its cell lost what marks it
        cell("helper = 3\nimport no_such_module"),
    )  # fmt: skip
    answers = my_answers(name)
    assert list(answers) == ["cross_correlate", "threshold_layer", "conv_1x1"]
    assert said(capsys) == (
        "part_d.ipynb: yours are cross_correlate, threshold_layer, conv_1x1; not written yet: convolve; its cell stops "
        "with ZeroDivisionError: division by zero: output_size; SyntaxError in its cell: mask_as_matrix.\n"
    )
    assert answers["cross_correlate"](np.array([[1.0, 2, 4]]), np.array([[1.0, 10]])).tolist() == [[21, 42]]
    assert [path.name for path in Path.cwd().iterdir()] == [name]  # nothing else has run


def test_they_plug_in(notebook, capsys):
    source = "def relu(net):\n    return np.where(net > 0, net, 0)\n"
    answers = my_answers(notebook(cell("import numpy as np"), cell(source, "relu")))
    assert use_mine("relu", answers["relu"]) and not use_mine("conv_layer", answers.get("conv_layer"))
    assert ReLU()(np.array([-1.0, 2])).tolist() == [0, 2]
    assert "You have no conv_layer yet." in said(capsys)


def test_an_error_in_one_shows_the_students_own_line(notebook, unjudged):
    answers = my_answers(notebook(cell("def relu(net):\n    return net.no_such_thing\n", "relu")))
    use_mine("relu", answers["relu"])
    with pytest.raises(OwnCodeError, match=r"stopped with AttributeError: .*\(line 2 of your cell\)"):
        ReLU()(np.ones(2))


def test_the_last_of_copies_counts_also_where_it_is_worse(notebook):
    right, wrong = "def relu(net):\n    return net\n", "def relu(net):\n    raise NotImplementedError\n"
    assert my_answers(notebook(cell(wrong, "relu"), cell(right, "relu"))).keys() == {"relu"}
    assert my_answers(notebook(cell(right, "relu"), cell(wrong, "relu"))) == {}


def test_a_cell_that_never_ends_is_stopped(notebook, capsys):
    name = notebook(
        cell("import time\nslow = time.sleep(60)"), cell("def relu(net):\n    return net\n", "relu"),
        cell("def leaky_relu(net, a):\n    return net\nwhile True: pass", "leaky_relu"),
    )  # fmt: skip
    assert list(my_answers(name, seconds=0.2)) == ["relu"]
    assert "its cell stops with no end in sight after 0.2 seconds: leaky_relu" in said(capsys)


@pytest.mark.parametrize("content, message", [
    (None, "my_answers: there is no file lost.ipynb here. Put your notebook beside this one, or give its path."),
    ("PK\x03\x04", "my_answers: lost.ipynb cannot be read as a notebook (JSONDecodeError"),
    ("[1, 2]", "my_answers: lost.ipynb cannot be read as a notebook (TypeError"),
    ('{"cells": [{"cell_type": "code"}]}', "my_answers: lost.ipynb cannot be read as a notebook (KeyError"),
    ('{"cells": []}', "lost.ipynb: there is no function of yours in it."),
])  # fmt: skip
def test_a_file_that_is_missing_or_no_notebook_gives_none_and_says_so(content, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    if content is not None:
        (tmp_path / "lost.ipynb").write_text(content)
    assert my_answers("lost.ipynb") == {}
    assert message in said(capsys)


def test_the_course_notebook_has_no_answers_and_the_sample_has_all(capsys):
    root = Path(__file__).parents[2]
    assert my_answers(root / "notebooks" / "part_d_convolution.ipynb") == {}
    answers = my_answers(root / "grading" / "samples" / "part_d" / "all_right" / "part_d_convolution.ipynb")
    assert list(answers) == list(exercises_of("part_d"))
    assert all(use_mine(name, answers[name]) for name in ("conv_layer", "conv_layer_backward"))
