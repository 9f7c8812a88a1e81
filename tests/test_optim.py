"""Whole runs of the optimisers: beside PyTorch's, and from the history of all gradients.

Single steps of the rules (adagrad_step, adam_step, …), one number at a time, are in `components/optim.py`.
"""

import io
import math
from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from pnnlib import optim
from pnnlib.optim import (
    SGD, Adagrad, Adam, NAdam, Optimizer, RMSprop, adam_step, momentum_step, nadam_step, nesterov_step, sgd_step,
)

CLASSES = [SGD, Adagrad, RMSprop, Adam, NAdam]
EACH = pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
SHAPES = [(3, 4), (4,), (2, 1, 3, 2), (0, 3), ()]
STEPS = 30


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def torch_in_float64():
    """PyTorch keeps NAdam's mu_product in its default type."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def parameter(data, grad=None):
    """A stand-in for `layers.Parameter`: an optimiser asks for no more."""
    return SimpleNamespace(data=data, grad=grad)


def parameters(rng, dtype=np.float64):
    return [parameter(np.asarray(rng.normal(size=shape), dtype)) for shape in SHAPES]


def gradient(rng, step, place, shape):
    """A gradient that changes: its size by orders of magnitude, now and then 0, now and then none at all."""
    if (step + place) % 7 == 3:
        return None
    return np.asarray(rng.normal(size=shape) * 10.0 ** rng.integers(-3, 2) * (step % 5 != 2))


def history(rng, steps=STEPS):
    """The gradients of a run: a list for each step, in it one for each of the `SHAPES`."""
    return [[gradient(rng, step, place, shape) for place, shape in enumerate(SHAPES)] for step in range(steps)]


def run(optimizer, gradients, dtype=np.float64):
    for of_step in gradients:
        for p, grad in zip(optimizer.params, of_step):
            p.grad = None if grad is None else grad.astype(dtype)
        optimizer.step()
    return [p.data for p in optimizer.params]


def every(**options):
    return [dict(zip(options, values)) for values in product(*options.values())]


LRS, DECAYS, EPSS, BETAS = [0.1, 0.003], [0, 0.2], [1e-8, 0.03], [(0.9, 0.999), (0.5, 0.8)]
OPTIONS = [
    *((cls, {}) for cls in CLASSES),
    *((SGD, o) for o in every(lr=LRS, momentum=[0, 0.9, 0.4], weight_decay=DECAYS)),
    *((SGD, o) for o in every(lr=LRS, momentum=[0.9, 0.4], nesterov=[True], weight_decay=DECAYS)),
    *((Adagrad, o) for o in every(lr=LRS, eps=EPSS, weight_decay=DECAYS)),
    *((RMSprop, o) for o in every(lr=LRS, alpha=[0.99, 0.6, 0], eps=EPSS, weight_decay=DECAYS)),
    *((Adam, o) for o in every(lr=LRS, betas=BETAS, eps=EPSS, weight_decay=DECAYS)),
    *((NAdam, o) for o in every(lr=LRS, betas=BETAS, eps=EPSS, weight_decay=DECAYS, momentum_decay=[4e-3, 0.7])),
]


@pytest.mark.parametrize("cls, options", OPTIONS, ids=lambda value: getattr(value, "__name__", str(value)))
def test_follows_pytorch_step_by_step(cls, options, rng, torch_in_float64):
    ours = cls(parameters(rng), **options)
    tensors = [torch.nn.Parameter(torch.tensor(p.data)) for p in ours.params]
    theirs = getattr(torch.optim, cls.__name__)(tensors, **options)
    for of_step in history(rng):
        for p, tensor, grad in zip(ours.params, tensors, of_step):
            p.grad, tensor.grad = grad, None if grad is None else torch.tensor(grad)
        ours.step()
        theirs.step()
        for p, tensor in zip(ours.params, tensors):
            scale = tensor.abs().max().item() if tensor.numel() else 1
            np.testing.assert_allclose(p.data, tensor.detach().numpy(), rtol=1e-12, atol=1e-12 * scale)


@EACH
def test_follows_pytorch_where_the_gradient_depends_on_the_weights(cls, rng, torch_in_float64):
    # what the optimiser gets wrong in one step comes back in the next gradient
    curvature = rng.uniform(0.1, 3, size=(3, 4))
    p = parameter(rng.normal(size=(3, 4)))
    tensor = torch.nn.Parameter(torch.tensor(p.data))
    ours, theirs = cls([p], lr=0.05), getattr(torch.optim, cls.__name__)([tensor], lr=0.05)
    for _ in range(STEPS):
        p.grad = curvature * p.data
        theirs.zero_grad()
        (torch.tensor(curvature) * tensor**2 / 2).sum().backward()
        ours.step()
        theirs.step()
    np.testing.assert_allclose(p.data, tensor.detach().numpy(), rtol=1e-12, atol=1e-12)


@EACH
def test_options_have_pytorchs_names_and_defaults(cls):
    ours = cls([parameter(np.ones(2))])
    theirs = getattr(torch.optim, cls.__name__)([torch.nn.Parameter(torch.ones(2))]).defaults
    assert "lr" in ours.option_names and "weight_decay" in ours.option_names
    for option in ours.option_names:
        assert getattr(ours, option) == theirs[option], option


# The rules in another form: from all gradients so far, with no state


@pytest.fixture
def g(rng):
    return rng.normal(size=(STEPS, 5)) * 10.0 ** rng.integers(-2, 2, size=(STEPS, 1))


def weights_after(cls, g, **options):
    """The weights, from 0, after the steps along the gradients g (T, D): (T, D)."""
    p = parameter(np.zeros(g.shape[1]))
    optimizer, path = cls([p], lr=0.1, **options), []
    for p.grad in g:
        optimizer.step()
        path.append(p.data)
    return np.array(path)


def average(beta, g, t):
    """What a moving average of g from 0 is after t steps: Σ_i (1−β) β^(t−i) g_i."""
    return sum((1 - beta) * beta ** (t - i) * g[i - 1] for i in range(1, t + 1))


def walk(step):
    """The weights, from 0, for lr = 0.1 and the direction of each step t = 1, 2, …."""
    return -0.1 * np.cumsum([step(t) for t in range(1, STEPS + 1)], axis=0)


def test_momentum_is_a_moving_average_of_all_gradients(g):
    expected = walk(lambda t: average(0.8, g, t) / 0.2)
    np.testing.assert_allclose(weights_after(SGD, g, momentum=0.8), expected, rtol=1e-10)


def test_sgd_and_adagrad_from_sums_over_all_gradients(g):
    np.testing.assert_allclose(weights_after(SGD, g), walk(lambda t: g[t - 1]), rtol=1e-10)
    expected = walk(lambda t: g[t - 1] / ((g[:t] ** 2).sum(axis=0) ** 0.5 + 0.02))
    np.testing.assert_allclose(weights_after(Adagrad, g, eps=0.02), expected, rtol=1e-10)


def test_rmsprop_from_a_moving_average_of_all_squares(g):
    expected = walk(lambda t: g[t - 1] / (average(0.7, g**2, t) ** 0.5 + 0.02))
    np.testing.assert_allclose(weights_after(RMSprop, g, alpha=0.7, eps=0.02), expected, rtol=1e-10)


def test_adam_from_weighted_means_of_all_gradients(g):
    def mean(beta, g, t):
        return np.average(g[:t], axis=0, weights=beta ** np.arange(t)[::-1])  # weights of sum 1: no start to correct

    expected = walk(lambda t: mean(0.8, g, t) / (mean(0.95, g**2, t) ** 0.5 + 0.02))
    np.testing.assert_allclose(weights_after(Adam, g, betas=(0.8, 0.95), eps=0.02), expected, rtol=1e-10)


def test_nadam_from_all_gradients_and_the_whole_schedule(g):
    mu = [None, *(0.8 * (1 - 0.5 * 0.96 ** (0.3 * t)) for t in range(1, STEPS + 2))]

    def direction(t):
        ahead = mu[t + 1] * average(0.8, g, t) / (1 - math.prod(mu[1 : t + 2]))
        now = (1 - mu[t]) * g[t - 1] / (1 - math.prod(mu[1 : t + 1]))
        squares = average(0.95, g**2, t) / (1 - 0.95**t)
        return (ahead + now) / (squares**0.5 + 0.02)

    nadam = weights_after(NAdam, g, betas=(0.8, 0.95), eps=0.02, momentum_decay=0.3)
    np.testing.assert_allclose(nadam, walk(direction), rtol=1e-10)


def test_dozats_simpler_nadam_is_the_one_without_schedule(g):
    def direction(t):
        m = 0.8 * average(0.8, g, t) / (1 - 0.8 ** (t + 1)) + 0.2 * g[t - 1] / (1 - 0.8**t)
        squares = average(0.95, g**2, t) / (1 - 0.95**t)
        return m / (squares**0.5 + 0.02)

    nadam = weights_after(NAdam, g, betas=(0.8, 0.95), eps=0.02, momentum_decay=1e6)
    np.testing.assert_allclose(nadam, walk(direction), rtol=1e-10)


def test_nesterov_in_its_original_form(rng):
    # the gradient of Σ w⁴ is taken ahead of the weights, at w − lr·βv
    lr, beta = 0.01, 0.9
    original = ahead = rng.normal(size=6)
    v = ours_v = np.zeros(6)
    for _ in range(STEPS):
        ahead, ours_v = nesterov_step(ahead, 4 * ahead**3, ours_v, lr, beta)
        v = beta * v + 4 * (original - lr * beta * v) ** 3
        original = original - lr * v
        np.testing.assert_allclose(ahead, original - lr * beta * v, rtol=1e-10)


# What the docstrings say


def test_under_a_constant_gradient_momentum_grows_to_ten_times_the_gradient():
    w, v = np.zeros(2), np.zeros(2)
    for _ in range(300):
        w, v = momentum_step(w, np.array([1.0, -2.0]), v, lr=0.1)
    np.testing.assert_allclose(v, [10, -20])


def test_adaptive_rates_make_steps_of_one_size_out_of_gradients_of_any_size():
    for cls in (Adagrad, RMSprop, Adam, NAdam):
        p = parameter(np.zeros(3), np.array([1e-3, 1.0, 1e3]))
        cls([p], eps=0).step()
        assert p.data.max() < 0
        np.testing.assert_allclose(p.data, p.data[0], rtol=1e-12)


def test_the_first_step_of_adam_is_the_learning_rate():
    w, m, v = adam_step(np.zeros(2), np.array([5.0, -0.01]), np.zeros(2), np.zeros(2), t=1, lr=0.1, eps=0)
    np.testing.assert_allclose(w, [-0.1, 0.1])


def test_the_rate_of_adagrad_only_falls_that_of_rmsprop_recovers():
    gradients = np.array([[100.0]] + [[1.0]] * 1000)
    for cls, recovers in ((Adagrad, False), (RMSprop, True)):
        steps = np.diff(weights_after(cls, gradients)[:, 0])
        assert (abs(steps[-1]) > abs(steps[0])) == recovers


# Every class, whatever its parameters are


@EACH
def test_float32_stays_float32_and_near_float64(cls, rng):
    options = [o for c, o in OPTIONS if c is cls][-1]
    options = {name: np.float64(value) if isinstance(value, float) else value for name, value in options.items()}
    start, gradients = parameters(rng), history(rng)
    double = cls([parameter(p.data) for p in start], **options)
    single = cls([parameter(p.data.astype(np.float32)) for p in start], **options)
    for result, right in zip(run(single, gradients, np.float32), run(double, gradients)):
        assert result.dtype == np.float32 and right.dtype == np.float64
        np.testing.assert_allclose(result, right, rtol=1e-4, atol=1e-4)
    # a gradient, an option or a state in float64 does not change the type either
    single.lr = single.weight_decay = np.float64(0.1)
    assert all(w.dtype == np.float32 for w in run(single, gradients[:2], np.float64))
    for state in single.state:
        assert all(np.asarray(a).dtype == np.float32 for name, a in state.items() if name in "msv")
    single.state = [cls.start(single, p.data.astype(np.float64)) for p in single.params]
    assert all(w.dtype == np.float32 for w in run(single, gradients[:2], np.float32))


def test_steps_leave_float32_alone_when_options_are_numpy_numbers():
    one, half = np.ones(3, np.float32), np.float64(0.5)
    results = [
        sgd_step(one, one, half),
        *momentum_step(one, one, one, half, half),
        *nesterov_step(one, one, one, half, half),
        *optim.adagrad_step(one, one, one, half, half),
        *optim.rmsprop_step(one, one, one, half, half, half),
        *adam_step(one, one, one, one, np.int64(2), half, half, half, half),
        *nadam_step(one, one, one, one, np.int64(2), half, half, half, half, half, half)[:3],
    ]
    assert {a.dtype for a in results} == {np.dtype(np.float32)}
    assert type(nadam_step(one, one, one, one, 2, half)[3]) is float


def test_integers_become_floats():
    p = parameter(np.array([1, 2]), np.array([1, 1], np.int8))
    SGD([p], lr=0.5).step()
    np.testing.assert_array_equal(p.data, [0.5, 1.5])


@EACH
def test_nothing_is_written_into(cls, rng):
    options = [o for c, o in OPTIONS if c is cls][-1]
    optimizer = cls(parameters(rng), **options)
    run(optimizer, history(rng, steps=2))
    held = [a for state in optimizer.state for a in state.values() if isinstance(a, np.ndarray)]
    held += [p.data for p in optimizer.params]
    for p in optimizer.params:
        p.grad = np.asarray(rng.normal(size=p.data.shape))
        held.append(p.grad)
    copies = [a.copy() for a in held]
    for a in held:
        a.flags.writeable = False
    optimizer.step()
    for a, copy in zip(held, copies):
        np.testing.assert_array_equal(a, copy)
    for p in optimizer.params:
        assert isinstance(p.data, np.ndarray)
        assert not any(np.shares_memory(p.data, a) for a in held)


@EACH
def test_any_memory_layout(cls, rng):
    data, grad = rng.normal(size=(2, 4, 6))
    expected, p = parameter(data, grad), parameter(np.asfortranarray(data), np.flip(np.flip(grad).copy()))
    for each in (expected, p):
        optimizer = cls([each], weight_decay=0.1)
        optimizer.step()
        optimizer.step()
    np.testing.assert_array_equal(p.data, expected.data)


@EACH
def test_without_a_gradient_nothing_moves(cls, rng):
    p, q = parameter(np.ones(3), np.zeros(3)), parameter(np.ones(3))
    optimizer = cls([p, q], weight_decay=0)
    before = optimizer.state_dict()
    for _ in range(3):
        optimizer.step()
    np.testing.assert_array_equal(p.data, np.ones(3))
    np.testing.assert_array_equal(q.data, np.ones(3))
    after = optimizer.state_dict()
    for name in after:
        if name.startswith("1."):
            np.testing.assert_array_equal(after[name], before[name])  # no step was counted for q
    optimizer.zero_grad()
    assert p.grad is None
    optimizer.step()


@EACH
def test_weight_decay_pulls_towards_0(cls):
    p = parameter(np.array([2.0, -2.0]), np.zeros(2))
    cls([p], lr=0.01, weight_decay=0.5).step()
    assert 0 < p.data[0] < 2 and -2 < p.data[1] < 0


@EACH
def test_every_one_finds_the_bottom_of_a_bowl(cls):
    # a sanity check: a valley, ten times as steep on one axis as on the other
    curvature = np.array([1.0, 10.0])
    for options in ({}, {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True}) if cls is SGD else ({},):
        p = parameter(np.array([1.0, -1.0]))
        optimizer = cls([p], lr=0.5 if cls is Adagrad else 0.1, **options)
        for step in range(500):
            optimizer.lr *= 0.99  # an RMSprop whose lr stays never comes to rest
            p.grad = curvature * p.data
            optimizer.step()
        assert np.abs(p.data).max() < 1e-3, options


@pytest.mark.parametrize("make", [list, tuple, iter, lambda ps: dict(enumerate(ps)).values()])
def test_parameters_come_in_any_iterable(make):
    ps = [parameter(np.ones(2), np.ones(2)), parameter(np.ones(3), np.ones(3))]
    SGD(make(ps), lr=0.5).step()
    for p in ps:
        np.testing.assert_array_equal(p.data, 0.5)


def test_options_may_change_between_steps(rng, torch_in_float64):
    p = parameter(rng.normal(size=3))
    tensor = torch.nn.Parameter(torch.tensor(p.data))
    ours, theirs = SGD([p], lr=0.1), torch.optim.SGD([tensor], lr=0.1)
    for step in range(9):
        ours.lr = theirs.param_groups[0]["lr"] = 0.1 / (1 + step)
        ours.momentum = theirs.param_groups[0]["momentum"] = [0, 0.9, 0.5][step // 3]
        p.grad = rng.normal(size=3)
        tensor.grad = torch.tensor(p.grad)
        ours.step()
        theirs.step()
    np.testing.assert_allclose(p.data, tensor.detach().numpy(), rtol=1e-12)


def test_a_rule_of_ones_own():
    class SignSGD(Optimizer):
        def start(self, w):
            return {"flips": 0}

        def update(self, w, grad, flips):
            return w - self.lr * np.sign(grad), {"flips": flips + 1}

    p = parameter(np.zeros(2), np.array([3.0, -4.0]))
    optimizer = SignSGD([p], lr=0.5)
    optimizer.step()
    np.testing.assert_array_equal(p.data, [-0.5, 0.5])
    assert optimizer.state_dict()["0.flips"] == 1


def test_a_rule_that_is_not_finished():
    class NoUpdate(Optimizer):
        def start(self, w):
            return {}

    with pytest.raises(NotImplementedError, match="^Optimizer: a rule must say what it remembers"):
        Optimizer([parameter(np.ones(2))])
    with pytest.raises(NotImplementedError, match=r"^NoUpdate: a rule must have an update\("):
        NoUpdate([parameter(np.ones(2), np.ones(2))]).step()


# Saved and continued


@EACH
@pytest.mark.parametrize("through_a_file", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_run_can_be_saved_and_continued_exactly(cls, through_a_file, dtype, rng):
    options = [o for c, o in OPTIONS if c is cls][-1]
    gradients = history(rng)
    whole = cls(parameters(rng, dtype), **options)
    run(whole, gradients[:13], dtype)
    whole.lr = 0.07  # what was changed on the way is continued, too
    saved = whole.state_dict()
    continued = cls([parameter(p.data.copy()) for p in whole.params])  # other options than before: saved ones win
    expected = run(whole, gradients[13:], dtype)
    if through_a_file:
        file = io.BytesIO()
        np.savez(file, **saved)
        file.seek(0)
        saved = np.load(file)  # allow_pickle=False
    continued.load_state_dict(saved)
    assert {name: getattr(continued, name) for name in options} == {**options, "lr": 0.07}
    for result, right in zip(run(continued, gradients[13:], dtype), expected):
        np.testing.assert_array_equal(result, right)
        assert result.dtype == dtype


def test_what_was_saved_stays_as_it_was(rng):
    optimizer, other = (Adam([parameter(np.ones(3), np.ones(3))]) for _ in range(2))
    optimizer.step()
    saved = optimizer.state_dict()
    other.load_state_dict(saved)
    for each in (optimizer, other):
        assert not np.shares_memory(each.state[0]["m"], saved["0.m"])
        each.step()
    np.testing.assert_allclose(saved["0.m"], 0.1)
    assert saved["0.t"] == 1


def test_a_state_takes_the_type_of_the_parameter_it_is_loaded_for():
    double, single = parameter(np.ones(3), np.ones(3)), parameter(np.ones(3, np.float32), np.ones(3, np.float32))
    saving, loading = Adam([double]), Adam([single])
    saving.step()
    loading.load_state_dict(saving.state_dict())
    assert loading.state[0]["m"].dtype == np.float32
    assert type(loading.state[0]["t"]) is int


@pytest.mark.parametrize("state, error, sentence", [
    ("adam.npz", TypeError, "Adam: the state must be a dict, got an object of type str: what state_dict() returned"),
    (Adam([parameter(np.ones((3, 2)))]).state_dict(), ValueError,
     "Adam: the state's 0.m must be (2, 3), got (3, 2): was it saved for another network?"),
    (Adam([parameter(np.ones((2, 3))), parameter(np.ones(2))]).state_dict(), ValueError,
     "Adam: the state must be that of Adam for as many parameters, got one that has '1.m': was it saved by another"),
    (SGD([parameter(np.ones((2, 3)))]).state_dict(), ValueError, "got one that lacks 'betas'"),
    ({**Adam([parameter(np.ones((2, 3)))]).state_dict(), "0.m": None}, TypeError,
     "Adam: the state's 0.m must be an array of numbers, got None"),
    (NAdam([parameter(np.ones((2, 3)))]).state_dict(), ValueError, "got one that has 'momentum_decay'"),
    ({**Adam([parameter(np.ones((2, 3)))]).state_dict(), "lr": -1}, ValueError, "Adam: lr must be finite and at least"),
])
def test_a_state_that_does_not_fit_is_refused_and_changes_nothing(state, error, sentence):
    optimizer = Adam([parameter(np.ones((2, 3)), np.ones((2, 3)))], lr=0.5)
    optimizer.step()
    before = optimizer.state_dict()
    with pytest.raises(error) as caught:
        optimizer.load_state_dict(state)
    assert sentence in str(caught.value)
    after = optimizer.state_dict()
    assert before.keys() == after.keys()
    for name in before:
        np.testing.assert_array_equal(before[name], after[name])


# Errors

P = parameter(np.ones((2, 3)))
MODEL = SimpleNamespace(parameters=lambda: [P])


@pytest.mark.parametrize("cls, params, options, error, sentence", [
    (SGD, [], {}, ValueError, "SGD: params must hold at least one parameter, got none: has the network no weights"),
    (Adam, iter(()), {}, ValueError, "or was a generator used up before?"),
    (SGD, np.ones((2, 3)), {}, TypeError,
     "SGD: params must be a list of parameters, got an array (2, 3): an array has no gradient with it"),
    (SGD, P, {}, TypeError, "got an object of type SimpleNamespace: for one parameter alone: [parameter]"),
    (SGD, MODEL, {}, TypeError, "got an object of type SimpleNamespace: model.parameters()?"),
    (SGD, 0.1, {}, TypeError, "SGD: params must be a list of parameters, got an object of type float"),
    (SGD, None, {}, TypeError, "SGD: params must be a list of parameters, got an object of type NoneType"),
    (SGD, [P, np.ones(2)], {}, TypeError, "SGD: params[1] must have .data and .grad, got an array (2,): Parameter("),
    (SGD, [("weight", P)], {}, TypeError, "SGD: params[0] must have .data and .grad, got an object of type tuple: para"),
    (SGD, {"weight": P}, {}, TypeError, "SGD: params[0] must have .data and .grad, got an object of type str"),
    (SGD, [P, P], {}, ValueError, "SGD: params must all be different, got one twice: it would move twice a step"),
    (SGD, [parameter(None)], {}, TypeError, "SGD: params[0].data must be an array of numbers, got None"),
    (SGD, [P], {"lr": -1e-3}, ValueError, "SGD: lr must be finite and at least 0, got -0.001: the formula has its"),
    (Adam, [P], {"lr": float("nan")}, ValueError, "Adam: lr must be finite and at least 0, got nan"),
    (Adam, [P], {"lr": None}, TypeError, "Adam: lr must be a number, got None"),
    (SGD, [P], {"momentum": -0.9}, ValueError, "SGD: momentum must be finite and at least 0, got -0.9"),
    (SGD, [P], {"weight_decay": -1}, ValueError, "SGD: weight_decay must be finite and at least 0, got -1.0"),
    (SGD, [P], {"nesterov": True}, ValueError, "SGD: nesterov must have a momentum to look ahead with, got momentum 0"),
    (RMSprop, [P], {"alpha": 1}, ValueError, "RMSprop: alpha must be below 1, got 1.0"),
    (Adagrad, [P], {"eps": -1}, ValueError, "Adagrad: eps must be finite and at least 0, got -1.0"),
    (Adam, [P], {"betas": 0.9}, TypeError, "Adam: betas must be a pair of numbers, such as (0.9, 0.999), got 0.9"),
    (Adam, [P], {"betas": ("a", "b")}, TypeError, "Adam: betas must be a number, got 'a'"),
    (NAdam, [P], {"betas": (0.9, 1)}, ValueError, "NAdam: betas must be below 1, got 1.0"),
    (NAdam, [P], {"momentum_decay": "no"}, TypeError, "NAdam: momentum_decay must be a number, got 'no'"),
])
def test_errors_when_it_is_made(cls, params, options, error, sentence):
    with pytest.raises(error) as caught:
        cls(params, **options)
    assert str(caught.value).startswith(f"{cls.__name__}: ")
    assert sentence in str(caught.value)


@pytest.mark.parametrize("grad, error, sentence", [
    (np.ones((3, 2)), ValueError,
     ": params[1].grad must be (2, 3), the shape of its data, got (3, 2): is it transposed?"),
    (np.ones((8, 2, 3)), ValueError, "is it one gradient for each sample, not yet summed over the batch?"),
    (np.ones(3), ValueError, "got (3,): is it the gradient of another parameter?"),
    (1.0, ValueError, "params[1].grad must be (2, 3), the shape of its data, got ()"),
    ("downhill", TypeError, ": params[1].grad must be an array of real numbers, got one of dtype <U8"),
])
@EACH
def test_a_gradient_that_does_not_fit_moves_no_parameter(cls, grad, error, sentence):
    fits, other = parameter(np.ones(2), np.ones(2)), parameter(np.ones((2, 3)), grad)
    optimizer = cls([fits, other])
    with pytest.raises(error) as caught:
        optimizer.step()
    assert str(caught.value).startswith(cls.__name__) and sentence in str(caught.value)
    np.testing.assert_array_equal(fits.data, np.ones(2))


@EACH
@pytest.mark.parametrize("option", ["lr", "weight_decay"])
def test_an_option_that_went_wrong_on_the_way_is_refused(cls, option):
    p = parameter(np.ones(2), np.ones(2))
    optimizer = cls([p])
    setattr(optimizer, option, float("nan"))
    with pytest.raises(ValueError, match=f"{option} must be finite and at least 0, got nan"):
        optimizer.step()
    np.testing.assert_array_equal(p.data, np.ones(2))
