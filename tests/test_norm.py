import numpy as np
import pytest
import torch
from torch.nn import functional as F
from witnesses import check_derivative, check_torch, check_values

import pnnlib.norm
from pnnlib.norm import batch_norm, batch_norm_backward, update_running


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def forward(x, weight, bias, **options):
    return batch_norm(x, weight=weight, bias=bias, **options)


def backward(dy, x, weight, bias, **options):
    return batch_norm_backward(dy, x, weight=weight, bias=bias, **options)


def torch_training(x, weight, bias, **options):
    return F.batch_norm(x, None, None, weight, bias, training=True, **options)


# What it is for


def test_every_channel_gets_mean_beta_and_standard_deviation_gamma(rng):
    x = rng.normal([[[0]], [[50]], [[-3]]], [[[1]], [[30]], [[0.01]]], size=(8, 3, 5, 6))
    gamma, beta = np.array([1, 2, 0.5]), np.array([0, -1, 7])
    y = batch_norm(x, weight=gamma, bias=beta, training=True, eps=1e-12)
    check_values(y.mean(axis=(0, 2, 3)), beta)
    np.testing.assert_allclose(y.std(axis=(0, 2, 3)), gamma, rtol=1e-6)


def test_shift_and_scale_of_the_input_are_forgotten(rng):
    x = rng.normal(size=(6, 4))
    moved = x * [1, 100, 0.1, 7] + [0, 3, -50, 2]
    check_values(batch_norm(x, eps=1e-12), batch_norm(moved, eps=1e-12), atol=1e-9)


def test_what_shifts_or_stretches_a_channel_has_no_gradient_in_training(rng):
    x, dy = rng.normal(3, 2, size=(2, 4, 3, 5))
    dx, _, _ = batch_norm_backward(dy, x, training=True, eps=1e-12)
    check_values(dx.sum(axis=(0, 2)), np.zeros(3))
    check_values((dx * x).sum(axis=(0, 2)), np.zeros(3))
    assert np.abs(dx).max() > 0.1
    dx, _, _ = batch_norm_backward(dy, x, np.zeros(3), np.ones(3), eps=1e-12)
    check_values(dx, dy)


def test_statistics_as_constants_give_the_same_y_and_another_dx(rng):
    """In use with the very statistics of the batch: the value cannot tell the modes apart, the gradient does."""
    x, dy = rng.normal(3, 2, size=(2, 4, 3, 5))
    statistics = x.mean(axis=(0, 2)), x.var(axis=(0, 2))
    check_values(batch_norm(x, *statistics), batch_norm(x, *statistics, training=True))
    constants, depending = (batch_norm_backward(dy, x, *statistics, training=t)[0] for t in (False, True))
    assert np.abs(constants - depending).max() > 0.01


def test_a_channel_without_spread_becomes_beta(rng):
    x = rng.normal(size=(4, 2, 3))
    x[:, 0] = 0.1  # no exact binary number, so that the mean is rounded
    y = batch_norm(x, bias=[5, 0], training=True)
    check_values(y[:, 0], np.full((4, 3), 5))
    assert np.isfinite(batch_norm_backward(rng.normal(size=x.shape), x, training=True)[0]).all()
    check_torch(forward, torch_training, x, np.ones(2), np.zeros(2), backward=backward, rng=rng, atol=1e-8)


# In the steps of a training


@pytest.mark.parametrize("momentum", [0.1, 0.6, None])
@pytest.mark.parametrize("shape", [(4, 3), (4, 3, 5), (2, 3, 4, 5)])
def test_a_training_and_then_use_follow_the_layer_of_pytorch(shape, momentum, rng):
    layer = (torch.nn.BatchNorm2d if len(shape) == 4 else torch.nn.BatchNorm1d)(3, momentum=momentum).double()
    mean, var = np.zeros(3), np.ones(3)
    for batches in range(5):
        x = rng.normal(batches, 1 + batches, size=shape)
        check_values(batch_norm(x, mean, var, training=True), layer(torch.tensor(x)).detach().numpy())
        mean, var = update_running(x, mean, var, momentum, batches)
        check_values(mean, layer.running_mean.numpy())
        check_values(var, layer.running_var.numpy())
    layer.eval()
    one = rng.normal(size=(1, *shape[1:]))
    check_values(batch_norm(one, mean, var), layer(torch.tensor(one)).detach().numpy())


def test_without_momentum_the_mean_is_that_of_all_data_so_far(rng):
    batches = rng.normal(2, 3, size=(6, 5, 4, 7))
    mean, var = np.full(4, 99.0), np.full(4, 99.0)  # forgotten with the first batch
    for seen, x in enumerate(batches):
        mean, var = update_running(x, mean, var, momentum=None, batches=seen)
    check_values(mean, batches.mean(axis=(0, 1, 3)))
    check_values(var, batches.var(axis=(1, 3), ddof=1).mean(axis=0))


@pytest.mark.parametrize("training", [False, True])
def test_without_running_statistics_the_batch_is_used_as_in_the_layer_of_pytorch(training, rng):
    x = rng.normal(size=(4, 3))
    layer = torch.nn.BatchNorm1d(3, track_running_stats=False).double().train(training)
    check_values(batch_norm(x, training=training), layer(torch.tensor(x)).detach().numpy())


@pytest.mark.parametrize("shape", [(0, 3), (0, 3, 4), (2, 3, 0), (0, 3, 4, 5)])
def test_an_empty_batch_as_in_pytorch(shape):
    x, w, b = (torch.ones(s, dtype=torch.float64, requires_grad=True) for s in (shape, 3, 3))
    mean, var = torch.full((2, 3), 4.0, dtype=torch.float64)
    y = F.batch_norm(x, mean, var, w, b, training=True)
    y.sum().backward()
    ours = batch_norm(np.ones(shape), weight=np.ones(3), bias=np.ones(3), training=True)
    check_values(ours, y.detach().numpy())
    gradients = batch_norm_backward(ours, np.ones(shape), None, None, np.ones(3), np.ones(3), training=True)
    for gradient, theirs in zip(gradients, (x.grad, w.grad, b.grad)):
        check_values(gradient, theirs.numpy())
    for new, theirs in zip(update_running(np.ones(shape), np.full(3, 4.0), np.full(3, 4.0)), (mean, var)):
        check_values(new, theirs.numpy())
    assert batch_norm(np.ones(shape), mean.numpy(), var.numpy()).shape == shape


def test_no_channels_are_nothing_to_do():
    x, none = np.ones((2, 0, 4)), np.ones(0)
    assert batch_norm(x, none, none, none, none).shape == batch_norm(x).shape == x.shape
    assert [a.shape for a in batch_norm_backward(x, x, none, none, none, none)] == [x.shape, (0,), (0,)]
    assert [a.shape for a in update_running(x, none, none)] == [(0,), (0,)]


# Numbers that are hard for float32


def in_float64(x, weight, bias, dy):
    tensors = [torch.tensor(a.astype(np.float64), requires_grad=True) for a in (x, weight, bias)]
    y = torch_training(*tensors)
    y.backward(torch.tensor(dy.astype(np.float64)))
    return [a.detach().numpy() for a in (y, *(t.grad for t in tensors))]


def in_float32_by_pytorch(x, weight, bias, dy):
    tensors = [torch.tensor(a, requires_grad=True) for a in (x, weight, bias)]
    y = torch_training(*tensors)
    y.backward(torch.tensor(dy))
    return [a.detach().numpy() for a in (y, *(t.grad for t in tensors))]


@pytest.mark.parametrize("mean", [0, 1e3, 1e6])
@pytest.mark.parametrize("shape", [(64, 3, 28, 28), (2048, 4), (3, 2, 7)])
def test_a_large_mean_breaks_float32_no_more_than_in_pytorch(shape, mean, rng):
    x, dy = (rng.normal(m, 1, size=shape).astype(np.float32) for m in (mean, 0))
    weight, bias = rng.normal(1, 1, size=(2, shape[1])).astype(np.float32)
    ours = batch_norm(x, weight=weight, bias=bias), *batch_norm_backward(dy, x, weight=weight, bias=bias)
    right, theirs = in_float64(x, weight, bias, dy), in_float32_by_pytorch(x, weight, bias, dy)
    for a, b, c in zip(ours, right, theirs):
        scale = max(1, np.abs(b).max())
        assert np.abs(a - b).max() <= max(np.abs(c - b).max(), 2e-6 * scale)


def test_the_textbook_formula_would_break(rng):
    """Why not Var = E(x²) − E(x)²: in float32 the spread of 1 is lost in the squares near 1e12."""
    x = rng.normal(1e6, 1, size=(64, 1, 28, 28)).astype(np.float32)
    short_cut = (x**2).mean() - x.mean() ** 2
    assert abs(short_cut - 1) > 0.5


@pytest.mark.parametrize("shape", [(64, 1, 28, 28), (50_000, 1), (50_000, 3)])
def test_running_statistics_of_a_large_mean_have_all_digits_of_float32(shape, rng):
    x = rng.normal(1e6, 1, size=shape).astype(np.float32)
    mean, var = update_running(x, np.zeros(shape[1], np.float32), np.ones(shape[1], np.float32), momentum=1)
    exact, axes = x.astype(np.float64), (0, *range(2, x.ndim))
    assert mean.dtype == var.dtype == np.float32
    np.testing.assert_allclose(mean, exact.mean(axes), rtol=1e-7)
    np.testing.assert_allclose(var, exact.var(axes, ddof=1), rtol=1e-5)


def test_what_is_not_finite_stays_in_its_channel(rng):
    x = rng.normal(size=(4, 3, 5))
    expected = batch_norm(x, training=True)
    x[1, 1, 2] = np.nan
    y = batch_norm(x, training=True)
    assert np.isnan(y[:, 1]).all()
    check_values(y[:, ::2], expected[:, ::2])
    dx, dweight, dbias = batch_norm_backward(np.ones_like(x), x, weight=np.ones(3), bias=np.ones(3), training=True)
    assert np.isnan(dx[:, 1]).all() and np.isfinite(dx[:, ::2]).all()
    assert np.isnan(dweight).tolist() == [False, True, False] and np.isfinite(dbias).all()


# Channels are taken in blocks


@pytest.mark.parametrize(
    "shape", [(40, 11, 20, 50), (3, 64, 90, 80), (90, 9000), (1, 1, 90, 80), (2, 5, 3), (0, 3), (3, 0)]
)
def test_the_blocks_are_all_channels_in_order(shape):
    x = np.ones((shape[0], shape[1], int(np.prod(shape[2:]))), np.float32)
    blocks = list(pnnlib.norm._channels(x))
    assert [i for c in blocks for i in range(shape[1])[c]] == (list(range(shape[1])) if x.size else [])
    for c in blocks:
        row = x[:, c].shape[1] * x.shape[2]
        assert row >= min(4096, x.shape[1] * x.shape[2])
    assert (len(blocks) > 1) == (x.nbytes > 1 << 20)


def test_many_blocks_are_as_one(rng, monkeypatch):
    x, weight, bias = rng.normal(3, 2, size=(3, 7, 4, 5)), rng.normal(size=7), rng.normal(size=7)
    for edges in ([0, 7], [0, 1, 2, 3, 4, 5, 6, 7], [0, 3, 5, 7]):
        blocks = [slice(a, b) for a, b in zip(edges, edges[1:])]
        monkeypatch.setattr(pnnlib.norm, "_channels", lambda x: iter(blocks))
        check_torch(forward, torch_training, x, weight, bias, backward=backward, rng=rng)
        check_derivative(forward, backward, x, weight, bias, rng=rng, training=True)
        mean, var = update_running(x, np.zeros(7), np.ones(7), momentum=1)
        check_values(mean, x.mean(axis=(0, 2, 3)))
        check_values(var, x.var(axis=(0, 2, 3), ddof=1))


def test_a_layer_of_several_blocks(rng):
    x, statistics = rng.normal(3, 2, size=(40, 11, 20, 50)), rng.uniform(1, 2, size=(2, 11))
    weight, bias = rng.normal(size=(2, 11))
    assert len(list(pnnlib.norm._channels(x.reshape(40, 11, 1000)))) > 1
    check_torch(forward, torch_training, x, weight, bias, backward=backward, rng=rng)
    check_torch(
        forward, lambda x, w, b, running_mean, running_var: F.batch_norm(x, running_mean, running_var, w, b),
        x, weight, bias, backward=backward, rng=rng, running_mean=statistics[0], running_var=statistics[1],
    )


# Whatever the arguments are made of


def test_nothing_is_written_into_the_running_statistics(rng):
    x, mean, var = rng.normal(size=(4, 3)), np.zeros(3), np.ones(3)
    batch_norm(x, mean, var, training=True, momentum=0.5)
    new_mean, new_var = update_running(x, mean, var, momentum=0)
    check_values(mean, np.zeros(3))
    check_values(var, np.ones(3))
    check_values(new_mean, mean)
    assert not np.shares_memory(new_mean, mean) and not np.shares_memory(new_var, var)


def test_broadcast_input(rng):
    # One number standing for many: strides of 0, read-only.
    x = np.broadcast_to(rng.normal(size=(3, 2, 1, 6)), (3, 2, 5, 6))
    dy = np.broadcast_to(rng.normal(size=(3, 1, 1, 1)), (3, 2, 5, 6))
    check_values(batch_norm(x), batch_norm(x.copy()))
    check_values(batch_norm_backward(dy, x)[0], batch_norm_backward(dy.copy(), x.copy())[0])


def test_integers_are_taken_as_float64():
    x = np.array([[200, 0], [0, 100]], np.uint8)
    y = batch_norm(x, running_mean=[100, 50], running_var=[4, 1], eps=0)
    np.testing.assert_array_equal(y, [[50, -50], [-50, 50]])
    assert y.dtype == np.float64
    assert all(a.dtype == np.float64 for a in update_running(x, [0, 0], [1, 1]))


def test_options_leave_float32_alone(rng):
    x, mean, var = (rng.uniform(1, 2, size=s).astype(np.float32) for s in ((5, 3), 3, 3))
    assert batch_norm(x, mean, var, eps=np.float64(1e-3)).dtype == np.float32
    dx, dweight, dbias = batch_norm_backward(x, x, mean, var, mean, var, np.True_, eps=np.float64(1e-3))
    assert dx.dtype == dweight.dtype == dbias.dtype == np.float32
    for options in ({"momentum": np.float64(0.3)}, {"momentum": None, "batches": np.int64(3)}):
        assert all(a.dtype == np.float32 for a in update_running(x, mean, var, **options))
