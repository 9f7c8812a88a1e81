"""Weights are drawn by chance: here are the fans they depend on, and whether chance keeps to the lecture's table."""

import math
from functools import partial

import numpy as np
import pytest
import torch

from pnnlib.activations import relu, tanh
from pnnlib.conv import conv2d
from pnnlib.init import fans, kaiming_normal, kaiming_uniform, xavier_normal, xavier_uniform

SHAPES = [(4, 6), (1, 1), (10, 784), (3, 5, 2), (16, 3, 5, 4), (7, 1, 1, 1), (2, 3, 4, 5, 6)]
FUNCTIONS = {
    "xavier_uniform": (xavier_uniform, torch.nn.init.xavier_uniform_),
    "xavier_normal": (xavier_normal, torch.nn.init.xavier_normal_),
    "kaiming_uniform": (kaiming_uniform, torch.nn.init.kaiming_uniform_),
    "kaiming_normal": (kaiming_normal, torch.nn.init.kaiming_normal_),
}
XAVIER_OPTIONS = [{}, {"gain": 5 / 3}, {"gain": 0.5}]
KAIMING_OPTIONS = [{}, {"a": 0.2}, {"a": math.sqrt(5)}, {"mode": "fan_out"}, {"a": -0.5, "mode": "fan_out"}]
CASES = [
    pytest.param(*FUNCTIONS[name], shape, options, id=f"{name}-{shape}-{options}")
    for name in FUNCTIONS
    for shape in SHAPES
    for options in (XAVIER_OPTIONS if "xavier" in name else KAIMING_OPTIONS)
]
EACH = pytest.mark.parametrize("init", [ours for ours, _ in FUNCTIONS.values()])


# The fans.


@pytest.mark.parametrize("shape", SHAPES)
def test_fans_are_pytorchs(shape):
    assert fans(shape) == torch.nn.init._calculate_fan_in_and_fan_out(torch.empty(shape))


def test_fans_count_the_connections_of_a_layer():
    # All weights and pixels are 1, so an output is the number of its inputs, the gradient that of an input's outputs.
    x, w = torch.ones(1, 3, 9, 9, requires_grad=True), torch.ones(4, 3, 2, 5)
    y = torch.nn.functional.conv2d(x, w)
    y.sum().backward()
    assert fans(w.shape) == (y[0, 0, 0, 0], x.grad[0, 0, 4, 4]) == (30, 40)


def test_fans_take_a_shape_of_any_kind():
    assert fans([4, 6]) == fans(np.array([4, 6])) == fans(torch.Size([4, 6])) == (6, 4)


# The distributions. Those of PyTorch are what it asks its own generator for.


def asked_by_torch(torch_init, shape, options, monkeypatch):
    """The scale that PyTorch's initialisation gives to the numbers it draws: half the range, or standard deviation."""
    asked = []

    def uniform(tensor, low, high, generator=None):
        assert low == -high
        asked.append(high)

    def normal(tensor, mean, std, generator=None):
        assert mean == 0
        asked.append(std)

    monkeypatch.setattr(torch.Tensor, "uniform_", uniform)
    monkeypatch.setattr(torch.Tensor, "normal_", normal)
    torch_init(torch.empty(shape), **options)
    (scale,) = asked
    return scale


@pytest.mark.parametrize("init, torch_init, shape, options", CASES)
def test_the_scale_is_exactly_pytorchs(init, torch_init, shape, options, monkeypatch):
    """Divided by the scale, the same seed gives the same numbers for every shape and option: those of `unscaled`."""
    w = init(shape, **options, rng=7)
    assert w.shape == shape and w.dtype == np.float64
    unscaled = np.random.default_rng(7)
    expected = unscaled.uniform(-1, 1, shape) if "uniform" in init.__name__ else unscaled.normal(size=shape)
    np.testing.assert_allclose(w / asked_by_torch(torch_init, shape, options, monkeypatch), expected, rtol=1e-12)


def test_the_scale_is_the_lectures():
    m, n = 300, 500
    for shape, area in [((n, m), 1), ((n, m, 2, 3), 6)]:
        assert largest(xavier_uniform(shape, rng=0)) == pytest.approx(math.sqrt(6 / (area * (m + n))), rel=1e-4)
        assert largest(kaiming_uniform(shape, rng=0)) == pytest.approx(math.sqrt(6 / (area * m)), rel=1e-4)
        check_spread(xavier_normal(shape, rng=0), math.sqrt(2 / (area * (m + n))), kurtosis=3)
        check_spread(kaiming_normal(shape, rng=0), math.sqrt(2 / (area * m)), kurtosis=3)


SHAPE = (400, 500)
CDF = {
    "uniform": np.vectorize(lambda z: (1 + z / math.sqrt(3)) / 2),
    "normal": np.vectorize(lambda z: (1 + math.erf(z / math.sqrt(2))) / 2),
}


@pytest.mark.parametrize("seed", range(3))
@EACH
def test_the_distribution(init, seed):
    w = init(SHAPE, rng=seed)
    m, n = fans(SHAPE)
    std = math.sqrt(2 / (m + n) if "xavier" in init.__name__ else 2 / m)
    uniform = "uniform" in init.__name__
    check_spread(w, std, kurtosis=1.8 if uniform else 3)
    if uniform:
        assert np.abs(w).max() <= std * math.sqrt(3)
    # Kolmogorov and Smirnov: the shape, too. Chance alone is further off once in 3 million times.
    z = np.sort(w.ravel()) / std
    share = (np.arange(z.size) + 0.5) / z.size
    assert np.abs(CDF["uniform" if uniform else "normal"](z) - share).max() < 2.8 / math.sqrt(z.size)
    # and no pattern: neighbours are unrelated, along both axes
    for a, b in [(w[1:], w[:-1]), (w[:, 1:], w[:, :-1])]:
        assert abs(np.mean(a * b)) < 5 * std**2 / math.sqrt(a.size)


def check_spread(w, std, kurtosis):
    """Mean 0 and the standard deviation, as near as so many numbers come to it (five standard errors)."""
    assert abs(w.mean()) < 5 * std / math.sqrt(w.size)
    assert abs(w.std() / std - 1) < 5 * math.sqrt((kurtosis - 1) / 4 / w.size)


def largest(w):
    return float(np.abs(w).max())


# Chance.


@EACH
def test_a_seed_repeats_and_a_generator_goes_on(init):
    first = init(SHAPE, rng=0)
    np.testing.assert_array_equal(init(SHAPE, rng=0), first)
    rng = np.random.default_rng(0)
    np.testing.assert_array_equal(init(SHAPE, rng=rng), first)
    for other in (init(SHAPE, rng=rng), init(SHAPE, rng=1), init(SHAPE), init(SHAPE)):
        assert not np.any(other == first)
    assert not np.any(init(SHAPE) == init(SHAPE))


@EACH
def test_numpys_hidden_seed_plays_no_part(init):
    np.random.seed(0)
    init(SHAPE)
    after = np.random.random()
    np.random.seed(0)
    assert np.random.random() == after


# What it is for.


@pytest.mark.parametrize("init, phi, kept", [
    (kaiming_uniform, relu, True),
    (kaiming_normal, relu, True),
    (partial(xavier_uniform, gain=5 / 3), tanh, True),
    (partial(xavier_normal, gain=5 / 3), tanh, True),
    (xavier_normal, relu, False),
    (partial(xavier_normal, gain=0.5), tanh, False),
], ids=["kaiming_uniform-relu", "kaiming_normal-relu", "xavier_uniform-tanh", "xavier_normal-tanh",
        "xavier_normal-relu", "too_small-tanh"])
def test_activations_of_a_deep_network_neither_vanish_nor_explode(init, phi, kept):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20, 100))
    for _ in range(20):
        x = phi(x @ init((100, 100), rng=rng).T)
    size = np.sqrt(np.mean(x**2))
    assert 0.3 < size < 3 if kept else size < 0.01


def test_the_masks_area_counts_in_a_deep_convolutional_network():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 16, 24, 30))
    for _ in range(7):
        x = relu(conv2d(x, kaiming_normal((16, 16, 4, 5), rng=rng)))
    assert 0.3 < np.sqrt(np.mean(x**2)) < 3


def test_fan_out_keeps_the_size_of_gradients():
    rng = np.random.default_rng(0)
    dy = rng.normal(size=(500, 400))
    w = kaiming_normal((400, 100), mode="fan_out", rng=rng)
    assert np.mean((dy @ w) ** 2) == pytest.approx(2, rel=0.05)  # relu then lets half of it pass


# What is refused.


@pytest.mark.parametrize("shape, error, sentence", [
    ((5,), ValueError, "shape must be that of weights, (outputs, inputs) or (outputs, inputs, *kernel), got (5,): "
                       "biases have no inputs to count"),
    ((), ValueError, "got (): biases have no inputs"),
    (5, ValueError, "got 5: biases have no inputs"),
    (None, ValueError, "got None"),
    (np.ones((3, 2)), TypeError, "got an array (3, 2): w.shape?"),
    ([[1, 2], [3]], TypeError, "every size in shape must be an int or 2 ints, got [[1, 2], [3]]"),
    ((3, 0), ValueError, "every size in shape must be at least 1, got (3, 0)"),
    ((3, -1, 2), ValueError, "every size in shape must be at least 1, got (3, -1, 2)"),
    ((3, 2.0), TypeError, "every size in shape must be an int"),
])
def test_shapes_that_are_refused(shape, error, sentence):
    for function in (fans, xavier_uniform, xavier_normal, kaiming_uniform, kaiming_normal):
        with pytest.raises(error) as caught:
            function(shape)
        assert str(caught.value).startswith(f"{function.__name__}: ")
        assert sentence in str(caught.value)


@pytest.mark.parametrize("options, error, sentence", [
    ({"gain": -1}, ValueError, "gain must be a number, at least 0, got -1"),
    ({"gain": math.nan}, ValueError, "gain must be a number, at least 0, got nan"),
    ({"gain": [1, 2]}, ValueError, "gain must be a number, at least 0, got [1, 2]"),
    ({"gain": "tanh"}, TypeError, "gain must be an array of real numbers"),
    ({"a": math.inf}, ValueError, "a must be a number, got inf"),
    ({"a": None}, TypeError, "a must be an array of numbers, got None"),
    ({"mode": "in"}, ValueError, 'mode must be "fan_in", to count inputs, or "fan_out", outputs, got \'in\''),
])
def test_options_that_are_refused(options, error, sentence):
    functions = (xavier_uniform, xavier_normal) if "gain" in options else (kaiming_uniform, kaiming_normal)
    for function in functions:
        with pytest.raises(error) as caught:
            function((2, 3), **options)
        assert str(caught.value).startswith(f"{function.__name__}: {sentence}")
