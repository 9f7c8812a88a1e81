import numpy as np
import pytest
import torch

from pnnlib import layers, optim, train
from pnnlib.bridge import to_torch
from pnnlib.layers import BatchNorm1d, Dropout, Linear, ReLU, Sequential
from pnnlib.losses import cross_entropy, mse_loss
from pnnlib.train import (
    accuracy, batches, check_gradients, fit, grid, numerical_gradient, outputs, predict, random_settings, search,
)


@pytest.fixture
def points():
    """Two classes, by the sign of a product: no straight line divides them."""
    x = np.random.default_rng(0).uniform(-1, 1, (200, 2))
    return x, (x[:, 0] * x[:, 1] > 0).astype(int)


def network(seed=0, extra=()):
    return Sequential(Linear(2, 24, rng=seed), ReLU(), *extra, Linear(24, 2, rng=seed + 1))


def test_batches_hold_every_sample_once_and_keep_pairs():
    x, y = np.arange(10), np.arange(10) * 7
    parts = list(batches(x, y, 4, rng=0))
    assert [len(a) for a, _ in parts] == [4, 4, 2]
    seen = np.concatenate([a for a, _ in parts])
    assert sorted(seen) == list(range(10)) and list(seen) != list(range(10))
    assert all((b == a * 7).all() for a, b in parts)
    rng = np.random.default_rng(0)
    first, second = ([a.tolist() for a, _ in batches(x, y, 4, rng)] for _ in range(2))
    assert first != second  # another order every epoch
    assert first == [a.tolist() for a, _ in parts]


def test_a_small_network_learns_what_a_line_cannot(points):
    x, y = points
    model = network()
    history = fit(model, x, y, optim.Adam(model.parameters(), lr=0.01), epochs=40, progress=False, rng=0)
    assert len(history) == len(history.accuracy) == 40 and not history.validation_loss
    assert history.loss[-1] < history.loss[0] / 3
    assert accuracy(model, x, y) > 0.95
    assert model.training is False


def test_fit_is_the_loop_that_one_writes_in_pytorch(points):
    x, y = points
    model = network()
    module = to_torch(model)
    theirs = torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9)
    losses, rng = [], np.random.default_rng(3)
    for _ in range(3):
        total = 0
        for some_x, some_y in batches(x, y, 32, rng):
            theirs.zero_grad()
            loss = torch.nn.functional.cross_entropy(module(torch.tensor(some_x)), torch.tensor(some_y))
            loss.backward()
            theirs.step()
            total += loss.item() * len(some_x)
        losses.append(total / len(x))
    history = fit(model, x, y, optim.SGD(model.parameters(), lr=0.1, momentum=0.9), epochs=3, progress=False, rng=3)
    np.testing.assert_allclose(history.loss, losses, rtol=0, atol=1e-10)
    for ours, parameter in zip(model.parameters(), module.parameters()):
        np.testing.assert_allclose(ours.data, parameter.detach().numpy(), rtol=0, atol=1e-10)


def test_one_seed_decides_everything(points):
    x, y = points

    def run(seed, dropout_seed):
        model = network(extra=(Dropout(0.3, rng=dropout_seed),))
        noisy = lambda x, rng: x + rng.normal(0, 0.1, x.shape)
        history = fit(model, x, y, optim.Adam(model.parameters()), epochs=3, transform=noisy, progress=False, rng=seed)
        return history.loss, model.state_dict()

    (first, state), (second, same), (third, other) = run(5, 1), run(5, 2), run(6, 1)
    assert first == second
    np.testing.assert_equal(state, same)
    assert first != third


def test_history_of_training_is_that_of_the_batches_and_validation_is_in_usage_mode(points):
    x, y = points
    model = network(extra=(BatchNorm1d(24), Dropout(0.5)))
    history = fit(model, x, y, optim.SGD(model.parameters(), lr=0.0), epochs=2, validation=(x, y), batch_size=50,
                  progress=False, rng=0)
    assert history.validation_loss[-1] == pytest.approx(cross_entropy(outputs(model, x), y)[0], abs=1e-12)
    assert history.validation_accuracy[-1] == accuracy(model, x, y)
    assert history.loss[-1] != pytest.approx(history.validation_loss[-1], abs=1e-3)  # dropout was on


def test_early_stop_puts_the_best_weights_back(points):
    x, y = points
    model = network()
    # labels by chance: nothing to generalise, so validation gets worse
    chance = np.random.default_rng(0).integers(0, 2, len(x))
    history = fit(model, x[:60], chance[:60], optim.Adam(model.parameters(), lr=0.05), epochs=200,
                  validation=(x[60:], chance[60:]), patience=4, progress=False, rng=0)
    assert len(history) < 200
    assert len(history) == history.best + 1 + 4
    assert cross_entropy(outputs(model, x[60:]), chance[60:])[0] == pytest.approx(min(history.validation_loss))


def test_callbacks_see_every_epoch_and_may_end_the_training(points):
    seen = []

    def callback(model, history):
        seen.append((model.training, len(history)))
        return len(history) == 3

    model = network()
    fit(model, *points, optim.SGD(model.parameters()), epochs=9, callbacks=[callback], progress=False)
    assert seen == [(False, 1), (False, 2), (False, 3)]


def test_another_loss_has_no_accuracy():
    x = np.random.default_rng(0).normal(size=(50, 3))
    y = x @ np.array([[1.0], [-2.0], [0.5]])
    model = Linear(3, 1, rng=0)
    history = fit(model, x, y, optim.SGD(model.parameters(), lr=0.1), loss=mse_loss, epochs=30, validation=(x, y),
                  progress=False, rng=0)
    assert history.validation_loss[-1] < 1e-3
    assert history.accuracy == history.validation_accuracy == []


def test_the_bar_shows_epochs_and_loss(points, capsys):
    model = network()
    fit(model, *points, optim.SGD(model.parameters()), epochs=2)
    shown = capsys.readouterr().err
    assert "2/2" in shown and "loss" in shown


def test_without_tqdm_there_is_no_bar(points, monkeypatch, capsys):
    import sys

    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    model = network()
    assert len(fit(model, *points, optim.SGD(model.parameters()), epochs=2)) == 2
    assert capsys.readouterr().err == ""


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid")
def test_a_loss_that_explodes_is_named(points):
    x, y = points
    model = network()
    with pytest.raises(FloatingPointError, match="fit: the loss must stay a finite number.*learning rate 1e\\+200"):
        fit(model, x, y, optim.SGD(model.parameters(), lr=1e200), epochs=5, progress=False)
    assert model.training is False


@pytest.mark.parametrize("arguments, options, message", [
    ((np.ones((3, 2)), [0, 1]), {}, r"fit: x and y must hold as many samples, got x of shape \(3, 2\) and y of shape \(2,\)"),
    ((np.ones((0, 2)), []), {}, "fit: there must be samples"),
    ((np.ones((2, 2)), [0, 1]), {"patience": 2}, "fit: patience needs validation data"),
    ((np.ones((2, 2)), [0, 1]), {"batch_size": 0}, "fit: batch_size must be an int, at least 1, got 0"),
])
def test_what_fit_refuses(arguments, options, message):
    model = network()
    with pytest.raises(ValueError, match=message):
        fit(model, *arguments, optim.SGD(model.parameters()), progress=False, **options)


def test_predictions_are_those_of_usage_mode_in_batches_of_any_size(points):
    x, y = points
    model = network(extra=(BatchNorm1d(24), Dropout(0.5)))
    model(x)
    model[2].eval()
    expected = to_torch(model).eval()(torch.tensor(x)).argmax(dim=1).numpy()
    for size in (1, 7, 1000):
        np.testing.assert_array_equal(predict(model, x, batch_size=size), expected)
    assert accuracy(model, x, y) == np.mean(expected == y)
    assert [m.training for m in model.modules()] == [True, True, True, False, True, True]
    with pytest.raises(ValueError, match="outputs: x must be .* at least one sample"):
        predict(model, x[:0])


@pytest.mark.parametrize("labels", [np.arange(4)[:, None], np.eye(4), np.arange(4) + 1, np.arange(4.0) + 0.5])
def test_accuracy_refuses_what_are_no_labels(labels):
    with pytest.raises((ValueError, TypeError)):
        accuracy(layers.Identity(), np.eye(4), labels)


def test_a_prediction_in_between_is_noticed_by_the_next_backward(points):
    x, _ = points
    model = network()
    y = model(x)
    predict(model, x[:10])
    with pytest.raises(RuntimeError, match="call the layer first"):
        model.backward(y)


def test_fit_wants_the_optimiser_of_this_network(points):
    model, other = network(), network()
    with pytest.raises(ValueError, match="fit: optimizer must hold the parameters of this network"):
        fit(model, *points, optim.SGD(other.parameters()), progress=False)
    with pytest.raises(TypeError, match=r"fit: optimizer must be made first: SGD\(model.parameters\(\)\)"):
        fit(model, *points, optim.SGD, progress=False)


@pytest.mark.parametrize("options, message", [
    ({"validation": np.ones((3, 2))}, "fit: validation must be a pair"),
    ({"validation": (np.ones((0, 2)), [])}, "fit: validation must hold samples"),
    ({"epochs": -1}, "fit: epochs must be an int, at least 0, got -1"),
    ({"batch_size": 32.0}, "fit: batch_size must be an int"),
])
def test_what_fit_refuses_before_it_begins(points, options, message):
    model = network()
    before = model.state_dict()
    with pytest.raises(ValueError, match=message):
        fit(model, *points, optim.SGD(model.parameters()), progress=False, **options)
    np.testing.assert_equal(model.state_dict(), before)


def test_one_sample_left_over_is_no_batch_for_batch_normalisation(points):
    x, y = points
    model = network(extra=(BatchNorm1d(24),))
    with pytest.raises(ValueError, match="fit: 65 samples in batches of 32 leave a last batch of one.*batch_size=33"):
        fit(model, x[:65], y[:65], optim.SGD(model.parameters()), progress=False)
    assert len(fit(model, x[:65], y[:65], optim.SGD(model.parameters()), epochs=1, batch_size=33, progress=False)) == 1


def test_nan_in_the_validation_data_is_named(points):
    x, y = points
    model = network()
    with pytest.raises(FloatingPointError, match="fit: the validation loss must stay a finite number"):
        fit(model, x, y, optim.SGD(model.parameters()), validation=(np.full((1, 2), np.nan), [0]), progress=False)


def test_an_interrupted_training_keeps_what_it_learnt(points):
    x, y = points

    def interrupt(model, history):
        if len(history) == 3:
            raise KeyboardInterrupt

    model = network()
    history = fit(model, x, y, optim.Adam(model.parameters()), validation=(x, y), patience=5, callbacks=interrupt,
                  progress=False)
    assert len(history) == 3
    assert cross_entropy(outputs(model, x), y)[0] == pytest.approx(min(history.validation_loss))


def test_a_callback_may_answer_with_numpys_true(points):
    model = network()
    assert len(fit(model, *points, optim.SGD(model.parameters()), callbacks=[lambda m, h: np.bool_(len(h) == 2)],
                   progress=False)) == 2


# Gradients by differences


def test_numerical_gradient_is_autograds():
    a = np.random.default_rng(0).normal(size=(3, 4))
    tensor = torch.tensor(a, requires_grad=True)
    (tensor.sin() * tensor.roll(1, 0)).sum().backward()
    ours = numerical_gradient(lambda a: (np.sin(a) * np.roll(a, 1, axis=0)).sum(), a)
    np.testing.assert_allclose(ours, tensor.grad.numpy(), rtol=0, atol=1e-8)
    before = a.copy()
    numerical_gradient(lambda a: a.sum(), a)
    np.testing.assert_array_equal(a, before)


def test_check_gradients_finds_right_ones_right():
    model = Sequential(Linear(3, 8, rng=0), BatchNorm1d(8), layers.Tanh(), Dropout(0.3, rng=0), Linear(8, 4, rng=1))
    x, y = np.random.default_rng(0).normal(size=(6, 3)), [0, 1, 2, 3, 0, 1]
    before = model.state_dict()
    errors = check_gradients(model, x, y, rng=0)
    assert set(errors) == {"x", *(name for name, _ in model.named_parameters())}
    assert max(errors.values()) < 1e-6
    np.testing.assert_equal(model.state_dict(), before)
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("wrong", ["dw", "dx"])
def test_check_gradients_finds_the_wrong_one(wrong):
    class Wrong(Linear):
        def backward(self, dy):
            dx = super().backward(dy)
            if wrong == "dw":
                self.weight.grad = self.weight.grad * 1.01
            return dx * 0.99 if wrong == "dx" else dx

    model = Sequential(Linear(3, 5, rng=0), layers.Tanh(), Wrong(5, 4, rng=1))
    errors = check_gradients(model, np.random.default_rng(0).normal(size=(6, 3)), [0, 1, 2, 3, 0, 1], rng=0)
    found = {name for name, error in errors.items() if error > 1e-4}
    assert found == ({"2.weight"} if wrong == "dw" else {"x", "0.weight", "0.bias"})


def test_check_gradients_does_not_blame_a_parameter_without_influence():
    for seed in range(20):
        model = Sequential(Linear(3, 4, rng=seed), BatchNorm1d(4), layers.Tanh(), Linear(4, 2, rng=seed))
        x = np.random.default_rng(seed).normal(size=(6, 3))
        assert max(check_gradients(model, x, [0, 1] * 3, rng=seed).values()) < 1e-3


def test_check_gradients_says_which_gradient_is_not_there():
    class Forgets(Linear):
        def backward(self, dy):
            return dy @ self.weight.data

    with pytest.raises(ValueError, match=r"check_gradients: the gradient of 0.weight must be \(4, 3\), got none"):
        check_gradients(Sequential(Forgets(3, 4), Linear(4, 2)), np.ones((2, 3)), [0, 1])


# Search


def test_grid_and_random_settings():
    assert list(grid(a=[1, 2], b=["x", "y"])) == [
        {"a": 1, "b": "x"}, {"a": 1, "b": "y"}, {"a": 2, "b": "x"}, {"a": 2, "b": "y"},
    ]
    drawn = list(random_settings(300, rng=0, lr=(1e-4, 1e-1), size=[8, 16]))
    rates = np.log10([setting["lr"] for setting in drawn])
    assert rates.min() >= -4 and rates.max() <= -1
    counts, _ = np.histogram(rates, bins=[-4, -3, -2, -1])
    assert counts.min() > 70  # as many in every power of ten
    assert {setting["size"] for setting in drawn} == {8, 16}
    assert drawn == list(random_settings(300, rng=0, lr=(1e-4, 1e-1), size=[8, 16]))
    assert {type(setting["width"]) for setting in random_settings(20, rng=0, width=(8, 64))} == {int}
    with pytest.raises(TypeError, match="grid: lr must be a list of values, got 0.1"):
        grid(lr=0.1)
    for space in ((0, 1), (2, 1), (1, 2, 3), ("relu", "tanh"), 0.1, []):
        with pytest.raises(ValueError, match="random_settings: lr must be a list of values, or a pair"):
            list(random_settings(1, lr=space))


def test_search_ranks_and_survives_what_diverges(points):
    x, y = points

    def score(lr, width):
        model = Sequential(Linear(2, width, rng=0), ReLU(), Linear(width, 2, rng=1))
        with np.errstate(all="ignore"):
            fit(model, x[:150], y[:150], optim.SGD(model.parameters(), lr=lr), epochs=15, progress=False, rng=0)
        return accuracy(model, x[150:], y[150:])

    results = search(score, grid(lr=[1e-6, 0.5, 1e200], width=[16]))
    assert [setting["lr"] for _, setting in results] == [0.5, 1e-6, 1e200]
    assert results[-1][0] == -np.inf
    assert train.search(lambda a: a, []) == []
    ranked = search(lambda a: {1: 0.5, 2: np.nan, 3: 0.9}[a], grid(a=[1, 2, 3]))
    assert [setting["a"] for _, setting in ranked] == [3, 1, 2]
    with pytest.raises(TypeError, match="search: score must return a number, got None .* does it have a return"):
        search(lambda a: None, grid(a=[1]))
