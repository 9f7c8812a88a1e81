"""Whole networks follow PyTorch for twenty steps with every optimiser; the course's network learns the digits."""

import numpy as np
import pytest
import torch

from pnnlib import optim, train
from pnnlib.augment import random_shift
from pnnlib.bridge import OPTIMISERS, compare, to_torch
from pnnlib.data import digits
from pnnlib.layers import (
    RNN, AvgPool2d, BatchNorm1d, BatchNorm2d, Conv2d, Dropout, Flatten, LastStep, LeakyReLU, Linear, MaxPool2d,
    Module, Parallel, PReLU, ReLU, Residual, Sequential, Tanh,
)
from pnnlib.networks import digits_cnn, mlp
from pnnlib.rnn import unfold


def lenet():
    return Sequential(
        Conv2d(1, 4, 5, padding=2, rng=0), Tanh(), AvgPool2d(2), Conv2d(4, 6, 3, rng=1), Tanh(), MaxPool2d(2),
        Flatten(), Linear(24, 12, rng=2), Tanh(), Linear(12, 5, rng=3),
    )


def everything():
    """Batch normalisation, dropout, skip connections of both kinds, and branches side by side.

    No bias before a batch normalisation: its gradient is 0 but for rounding, which
    Adagrad would blow up into steps that differ.
    """
    body = Sequential(Conv2d(6, 8, 3, stride=2, padding=1, bias=False, rng=1), BatchNorm2d(8), PReLU(8))
    return Sequential(
        Conv2d(2, 6, 3, padding=1, bias=False, rng=0), BatchNorm2d(6), ReLU(),
        Residual(Sequential(Conv2d(6, 6, 3, padding=1, rng=4), Tanh())),
        Residual(body, Conv2d(6, 8, 1, stride=2, rng=2)),
        Parallel(Conv2d(8, 3, 1, rng=5), Sequential(Conv2d(8, 4, 3, padding=1, rng=6), LeakyReLU(0.1)), MaxPool2d(3, 1, 1)),
        Flatten(order="F"), Dropout(0.3, rng=7), Linear(240, 6, bias=False, rng=8), BatchNorm1d(6), Linear(6, 4, rng=9),
    )


NETWORKS = {
    "mlp": (lambda: mlp([6, 9, 7, 4], Tanh, rng=0), (8, 6)),
    "lenet": (lenet, (5, 1, 12, 12)),
    "everything": (everything, (6, 2, 7, 8)),
    "recurrent": (lambda: Sequential(RNN(3, 5, num_layers=2, rng=0), LastStep(), Linear(5, 4, rng=1)), (9, 6, 3)),
    "digits_cnn": (lambda: digits_cnn(rng=0), (6, 1, 8, 8)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_network_follows_pytorch_for_twenty_steps_with_every_optimiser(name):
    make, shape = NETWORKS[name]
    x = np.random.default_rng(1).normal(size=shape)
    report = compare(make(), to_torch(make()), x, steps=20)
    assert report, report
    assert {line.name for line in report.lines} >= {f"{name}, 20 steps" for name in OPTIMISERS}
    assert compare(make().eval(), to_torch(make()), x, steps=2)


class Unfolded(Module):
    """The simple recurrent network as what it is when unfolded: one layer for each step, all with the same weights."""

    def __init__(self, recurrent):
        self.weights = [recurrent.weight_ih_l0, recurrent.weight_hh_l0, recurrent.bias_ih_l0, recurrent.bias_hh_l0]

    def forward(self, x):
        w_ih, w_hh, b_ih, b_hh = (p.data for p in self.weights)
        self.hidden = [np.zeros((x.shape[1], len(w_hh)))]
        self.pairs = unfold(x, self.hidden[0], w_ih, w_hh, b_ih, b_hh)
        for weight, bias in self.pairs:
            self.hidden.append(np.tanh(self.hidden[-1] @ weight.T + bias))
        return self.hidden[-1]

    def backward(self, dy):
        w_ih, w_hh, b_ih, b_hh = self.weights
        for parameter in self.weights:
            parameter.grad = np.zeros_like(parameter.data)
        dx = np.empty_like(self.x)
        for t in reversed(range(len(self.pairs))):
            dnet = dy * (1 - self.hidden[t + 1] ** 2)
            w_hh.grad += dnet.T @ self.hidden[t]
            w_ih.grad += dnet.T @ self.x[t]
            b_ih.grad += dnet.sum(axis=0)
            b_hh.grad += dnet.sum(axis=0)
            dx[t] = dnet @ w_ih.data
            dy = dnet @ w_hh.data
        return dx


@pytest.mark.parametrize("name", OPTIMISERS)
def test_an_unfolded_network_learns_as_the_recurrent_one_does_in_pytorch(name):
    recurrent = RNN(3, 5, rng=0)
    unfolded = Unfolded(recurrent)
    module = to_torch(recurrent)
    ours, theirs, options = OPTIMISERS[name]
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        optimiser, torch_optimiser = ours(unfolded.weights, **options), theirs(module.parameters(), **options)
        rng = np.random.default_rng(1)
        for _ in range(20):
            x, dy = rng.normal(size=(12, 4, 3)), rng.normal(size=(4, 5))
            h = unfolded(x)
            torch_h = module(torch.tensor(x))[-1]
            np.testing.assert_allclose(h, torch_h.detach().numpy(), rtol=0, atol=1e-10)
            unfolded.backward(dy)
            optimiser.step()
            torch_optimiser.zero_grad()
            torch_h.backward(torch.tensor(dy))
            torch_optimiser.step()
        for parameter, (_, theirs) in zip(unfolded.weights, module.named_parameters()):
            np.testing.assert_allclose(parameter.data, theirs.detach().numpy(), rtol=0, atol=1e-10)
    finally:
        torch.set_default_dtype(before)


@pytest.mark.parametrize("phi", [Tanh, ReLU])
def test_mlp_has_an_activation_between_layers_and_none_at_the_end(phi):
    model = mlp([3, 4, 5, 2], phi, rng=0)
    assert [type(layer) for layer in model] == [Linear, phi, Linear, phi, Linear]
    assert [p.data.shape for p in model.parameters()] == [(4, 3), (4,), (5, 4), (5,), (2, 5), (2,)]
    again = mlp([3, 4, 5, 2], phi, rng=0)
    np.testing.assert_equal(again.state_dict(), model.state_dict())
    assert (model[0].weight.data[0, 0] != model[2].weight.data[0, 0])
    with pytest.raises(ValueError, match="mlp: sizes must hold at least those of input and output, got \\[3\\]"):
        mlp([3])


def test_the_courses_network_learns_the_digits():
    """98 of 100 unseen digits, as the mean over three seeds, in float32 as in the course; `make bench` says
    how long it takes."""
    split = digits(np.float32)
    x, labels = np.concatenate([split.x_train, split.x_validation]), np.concatenate([split.y_train, split.y_validation])
    scores = []
    for seed in range(3):
        model = digits_cnn(rng=seed).astype(np.float32)
        optimizer = optim.Adam(model.parameters(), lr=3e-3)

        def slow_down(model, history):
            optimizer.lr *= 0.85

        train.fit(model, x, labels, optimizer, epochs=20, transform=random_shift(1), callbacks=[slow_down],
                  progress=False, rng=seed)
        scores.append(train.accuracy(model, split.x_test, split.y_test))
    assert np.mean(scores) >= 0.98, scores
    assert min(scores) >= 0.97, scores
