"""The training explorable: every step against PyTorch and `train.fit`, live and stopped, its words, an own network."""

import numpy as np
import pytest
import torch

from pnnlib import layers, optim, train
from pnnlib.bridge import to_torch
from pnnlib.explore import explore_train
from pnnlib.explore.few_digits import few_digits
from pnnlib.explore.train import CONV, DEEP, PHI, RULES, WIDE, learn, measure, start, weights_of

FEW = few_digits()
KNOWN, NEW = (FEW.x_train[:60], FEW.y_train[:60]), (FEW.x_test, FEW.y_test)
TORCH = {"SGD": torch.optim.SGD, "SGD, momentum 0.9": torch.optim.SGD, "Adam": torch.optim.Adam}


def torch_run(model, rule, lr, epochs, batch_size, rng):
    """Loss and accuracy after every epoch, and the weights at the end, by PyTorch."""
    module, rng = to_torch(model), np.random.default_rng(rng)
    optimiser = TORCH[rule](module.parameters(), lr=lr, **RULES[rule][1])
    loss, accuracy = [], []
    for epoch in range(epochs + 1):
        for x, y in train.batches(*KNOWN, batch_size, rng) if epoch else ():
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(module(torch.tensor(x)), torch.tensor(y)).backward()
            optimiser.step()
        nets = [(module(torch.tensor(x)), torch.tensor(y)) for x, y in (KNOWN, NEW)]
        loss.append([torch.nn.functional.cross_entropy(net, y).item() for net, y in nets])
        accuracy.append([(net.argmax(1) == y).double().mean().item() for net, y in nets])
    return np.array(loss), np.array(accuracy), module


@pytest.mark.parametrize("network", [CONV, WIDE, DEEP])
@pytest.mark.parametrize(("rule", "lr"), [("SGD", 0.1), ("SGD, momentum 0.9", 0.03), ("Adam", 0.01)])
def test_every_epoch_agrees_with_pytorch(network, rule, lr):
    for draw, phi in enumerate(PHI if network == DEEP else ["ReLU"]):
        model = start(network, phi, draw)
        loss, accuracy, module = torch_run(model, rule, lr, 3, 16, draw)
        optimizer = RULES[rule][0](model.parameters(), lr=lr, **RULES[rule][1])
        *_, (done, epoch, run) = learn(model, optimizer, KNOWN, NEW, 3, 16, draw)
        assert (done, epoch, run.epochs, run.lost) == (1.0, 3, 3, False)
        np.testing.assert_allclose(run.loss, loss, rtol=1e-8)
        np.testing.assert_allclose(run.accuracy, accuracy, atol=1e-12)
        for (name, ours), theirs in zip(model.named_parameters(), module.parameters()):
            np.testing.assert_allclose(ours.data, theirs.detach().numpy(), atol=1e-8, err_msg=name)


def test_gradients_and_cosines_agree_with_pytorch():
    model = start(DEEP, "sigmoid", 1)
    first = weights_of(start(DEEP, "sigmoid", 2))
    run, module = measure(model, first, KNOWN, NEW), to_torch(model)
    torch.nn.functional.cross_entropy(module(torch.tensor(KNOWN[0])), torch.tensor(KNOWN[1])).backward()
    weights = {name: p for name, p in module.named_parameters() if p.ndim > 1}
    assert run.names == tuple(weights) and len(run.names) == 6
    np.testing.assert_allclose(run.gradient[0], [p.grad.abs().mean().item() for p in weights.values()], rtol=1e-9)
    cosine = [
        torch.cosine_similarity(p.ravel(), torch.tensor(first[n].ravel()), dim=0).item() for n, p in weights.items()
    ]
    np.testing.assert_allclose(run.cosine[0], cosine, atol=1e-12)


def test_it_is_fit_to_look_into():
    ours, theirs = start(CONV, "ReLU", 3), start(CONV, "ReLU", 3)
    *_, (_, _, run) = learn(ours, optim.Adam(ours.parameters(), lr=0.01), KNOWN, NEW, 4, 25, 7)
    history = train.fit(theirs, *KNOWN, optim.Adam(theirs.parameters(), lr=0.01), epochs=4, batch_size=25,
                        validation=NEW, progress=False, rng=7)  # fmt: skip
    np.testing.assert_array_equal(run.loss[1:, 1], history.validation_loss)
    np.testing.assert_array_equal(run.accuracy[1:, 1], history.validation_accuracy)


def test_an_earlier_result_stays_as_it_was():
    model = start(WIDE)
    runs = [run for *_, run in learn(model, optim.SGD(model.parameters(), lr=0.5), KNOWN, NEW, 2, 30)]
    assert [run.epochs for run in runs] == [0, 1, 1, 2]
    assert not np.allclose(runs[0].masks[0], runs[-1].masks[2])
    np.testing.assert_array_equal(runs[0].masks[0], start(WIDE)[1].weight.data)
    np.testing.assert_array_equal(runs[-1].masks[1], runs[1].masks[1])


@pytest.mark.parametrize("place", range(5))
def test_code_gives_the_numbers_shown(place, capsys):
    panel = explore_train()
    panel._do({"do": "preset", "place": place})
    panel.set(samples=60, epochs=2)
    for epoch in (2, 0):
        if epoch:
            panel.press("train")
        panel.set(epoch=epoch)
        exec(panel.code(), {})
        right, loss = map(float, capsys.readouterr().out.split())
        assert panel.result.accuracy[epoch, 1] == pytest.approx(right)
        assert panel.result.loss[epoch, 1] == pytest.approx(loss, rel=1e-8)
        assert f"and {right:.0%} of 100 new ones. The loss is" in panel.caption
        assert panel.caption.endswith(f" and {loss:.2g}.")
    panel.close()


def test_words_before_and_after():
    panel = explore_train(epochs=2)
    assert panel.caption == (
        "Before training: 14% of 100 new digits are right. Train will make 40 steps with Adam, η = 0.01: "
        "2 epochs of 500 digits in batches of 25."
    )
    before = [plot["alt"] for plot in panel.picture["plots"]]
    assert before[0].startswith("The loss over 2 epochs, on a logarithmic scale; 0 are done. In epoch 0 it is 2.3")
    panel.press("train")
    loss, accuracy, gradients, masks = (plot["alt"] for plot in panel.picture["plots"])
    run = panel.result
    assert "2 are done. In epoch 2" in loss and f"it is {run.accuracy[2, 0]:.0%} of those that were learnt" in accuracy
    assert f"1: {run.gradient[2, 0]:.2g}. 2: {run.gradient[2, 1]:.2g}." in gradients
    assert f"{np.mean(run.masks[2] > 0):.0%} of them positive" in masks
    assert panel.picture["table"][1] == [
        "0.weight", f"{run.gradient[0, 0]:.2g}", f"{run.gradient[2, 0]:.2g}", f"{run.cosine[2, 0]:.2f}",
    ]  # fmt: skip
    panel.set(epoch=0)  # only another look
    assert panel.result is run and panel.caption.startswith("Epoch 0 of 2: ") and "1.00" in panel.picture["table"][1]
    panel.set(eta=0.1)  # what was learnt holds no longer
    assert panel.result is None and panel.caption.startswith("Before training")


def test_presets_make_their_points():
    """What the questions make one guess, and the answers that they hint at."""
    panel = explore_train()

    def trained(place, **settings):
        panel._do({"do": "preset", "place": place})
        panel.set(**settings)
        panel.press("train")
        return panel.result

    run = trained(0, epochs=4)
    assert run.accuracy[0, 1] < 0.2 and 0.4 < run.accuracy[1, 1] < 0.8 < run.accuracy[-1, 1]
    assert 0.5 < run.cosine[-1, 0] < 0.97
    assert [trained(1, eta=eta, draw=1).accuracy[-1, 1] > 0.8 for eta in (0.01, 0.3, 10.0)] == [0, 1, 0]
    gaps = [trained(2, samples=n, epochs=12, draw=1).accuracy[-1] @ [1, -1] for n in (40, 500)]
    assert gaps[0] > 0.1 > gaps[1]
    panel._do({"do": "preset", "place": 3})
    gradient = panel._untrained(type("s", (), panel.state())).gradient[0]
    assert gradient[-1] > 5000 * gradient[0] and (np.diff(np.log(gradient)) > 1).all()


def test_the_work_shows_how_far_it_is_and_stops(monkeypatch):
    monkeypatch.setattr("pnnlib.explore.panel.PIECE", 1e-9)
    panel = explore_train(network=WIDE, samples=100, batch=50, epochs=3)
    panel._do({"do": "press", "name": "train"})
    said = []
    for _ in range(4):
        panel._do({"do": "work", "after": panel.picture["answers"]})
        said.append((panel.picture["work"]["text"], round(panel.picture["work"]["part"], 3), panel.result.epochs))
    assert said == [
        ("epoch 1 of 3", 0.167, 0), ("epoch 1 of 3", 0.333, 1), ("epoch 2 of 3", 0.5, 1), ("epoch 2 of 3", 0.667, 2),
    ]  # fmt: skip
    panel._do({"do": "stop"})
    assert panel.caption.startswith("Epoch 2 of 2: ")


def test_a_loss_that_is_no_number_is_said():
    huge = layers.Sequential(layers.Flatten(), layers.Linear(64, 300, rng=0), layers.Linear(300, 10, rng=0))
    panel = explore_train(huge, rule="SGD", eta=10, samples=100, batch=5, epochs=30)
    panel.press("train")
    assert panel.result.lost and panel.picture["work"] is None
    assert panel.picture["notes"] == [
        f"In epoch {panel.result.epochs + 1} the loss was no finite number any more, and training ended: "
        f"is the learning rate 10 too large?"
    ]


def test_an_own_network():
    own = layers.Sequential(
        layers.Conv2d(1, 12, 3, rng=0), layers.BatchNorm2d(12), layers.Tanh(), layers.Flatten(), layers.Dropout(0.2),
        layers.Linear(12 * 36, 10, rng=0),
    )  # fmt: skip
    before = own.state_dict()
    panel = explore_train(own, samples=100, epochs=3)
    hidden = {c["name"]: c["hidden"] for c in panel.picture["controls"]}
    assert hidden["phi"] and "8 of the 12 masks" in panel.picture["plots"][3]["alt"]
    panel.press("train")
    assert panel.result.accuracy[-1, 0] > 0.8
    assert all(np.array_equal(before[name], value) for name, value in own.state_dict().items())
    panel.set(network=WIDE)
    assert "8 of the 32 units" in panel.picture["plots"][3]["alt"]
    panel.close()
    assert panel._own is None
    explore_train(to_torch(start(WIDE))).close()
    with pytest.raises(ValueError, match=r"explore_train: model must give \(N, 10\)"):
        explore_train(layers.Flatten())
