"""The batch normalisation explorable: all numbers against PyTorch, what presets show, words, a student's function."""

import re

import numpy as np
import pytest
import torch

from pnnlib.explore import explore_batch_norm
from pnnlib.explore.batch_norm import FIRST, MODES, normalised, running_statistics, samples, shares


def seen(panel):
    """x, y of the settings that the panel shows."""
    s = type("s", (), panel.state())
    x = samples(s.n, s.draw, (s.scale1, s.scale2), s.mean + s.drift)
    means, variances = running_statistics((s.scale1, s.scale2), s.mean)
    running = (means[s.batches], variances[s.batches]) if s.mode == "use" else None
    return x, normalised(x, s.gamma, s.beta, s.eps, running)[0]


def test_a_draw_keeps_its_first_sample():
    for draw in range(5):
        x = samples(200, draw, (3.0, 0.5), mean=2.0)
        np.testing.assert_allclose(x[0], (np.array(FIRST) + 2) * (3, 0.5))
        np.testing.assert_allclose(x.mean(0), (6, 1), atol=0.9)
        np.testing.assert_allclose(x.std(0), (3, 0.5), rtol=0.2)
    assert not np.allclose(samples(3, 0, (1, 1))[1:], samples(3, 1, (1, 1))[1:])


@pytest.mark.parametrize("scales", [(1.0, 1.0), (1000.0, 0.01), (2.0, 50.0)])
@pytest.mark.parametrize("eps", [1e-5, 10.0])
@pytest.mark.parametrize("n", [2, 3, 200])
def test_training_and_use_agree_with_pytorch(scales, eps, n):
    for draw, (gamma, beta) in enumerate([(1.0, 0.0), (-2.5, 4.0), (0.0, -5.0)]):
        layer = torch.nn.BatchNorm1d(2, eps=eps, dtype=torch.float64)
        torch.nn.init.constant_(layer.weight, gamma)
        torch.nn.init.constant_(layer.bias, beta)
        means, variances = running_statistics(scales, mean=1.5)
        for t, z in enumerate(np.random.default_rng(1).standard_normal((60, 32, 2)), start=1):
            layer(torch.tensor((1.5 + z) * scales))
            if t in (1, 7, 60):
                np.testing.assert_allclose(means[t], layer.running_mean.numpy(), rtol=1e-10)
                np.testing.assert_allclose(variances[t], layer.running_var.numpy(), rtol=1e-10)
        x = samples(n, draw, scales, mean=-0.5)
        use = layer.eval()(torch.tensor(x)).detach().numpy()
        training = layer.train()(torch.tensor(x)).detach().numpy()
        y, mean, var = normalised(x, gamma, beta, eps)
        np.testing.assert_allclose(y, training, rtol=1e-9, atol=1e-10)
        np.testing.assert_allclose((mean, var), (x.mean(0), x.var(0)))
        y, mean, var = normalised(x, gamma, beta, eps, (means[60], variances[60]))
        np.testing.assert_allclose(y, use, rtol=1e-9, atol=1e-10)
        np.testing.assert_array_equal((mean, var), (means[60], variances[60]))


def test_a_batch_of_one_is_the_formula_and_its_limit():
    x = np.array([[7.0, -3.0]])
    y, mean, var = normalised(x, 2.0, 0.5, 1e-5)
    np.testing.assert_array_equal(y, [[0.5, 0.5]])
    np.testing.assert_array_equal((mean, var), (x[0], [0, 0]))
    twins, *_ = normalised(np.repeat(x, 2, 0), 2.0, 0.5, 1e-5)  # of two that are the same, the library takes care
    np.testing.assert_array_equal(twins, [[0.5, 0.5]] * 2)


def test_shares():
    x = samples(200, 3, (4.0, 3.0))
    assert shares(x).sum() == pytest.approx(1) and shares(x)[0] == pytest.approx(x[:, 0].var() / x.var(0).sum())
    assert np.isnan(shares(x[:1])).all()


@pytest.mark.parametrize("place", range(5))
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("drift", [-1.5, 2.0])
def test_code_gives_the_y_shown(place, mode, drift):
    panel = explore_batch_norm()
    panel._do({"do": "preset", "place": place})
    panel.set(mode=mode, drift=drift, gamma=0.7, eps=0.1, draw=4)
    ran = {}
    exec(panel.code(), ran)
    x, y = seen(panel)
    np.testing.assert_allclose(ran["x"].numpy(), x, rtol=1e-12)
    np.testing.assert_allclose(ran["y"].detach().numpy(), y, rtol=1e-9, atol=1e-10)
    assert panel.picture["lines"][-1] == ["", f"{y[0, 0]:.3g}"]
    panel.close()


@pytest.mark.parametrize(("mode", "n", "beta", "mean"), [("training", 50, -2.0, 1.0), ("use", 1, 0.5, -2.0)])
def test_what_is_written_out_is_the_y_below(mode, n, beta, mean):
    panel = explore_batch_norm(mode=mode, n=n, beta=beta, mean=mean, scale1=3.0)
    *_, (_, numbers), (_, y) = panel.picture["lines"]
    text = numbers.replace("·", "*").replace("−", "-").replace("√", "np.sqrt")
    assert eval(text, {"np": np}) == pytest.approx(float(y), abs=0.03)


# Presets make their point.


def in_preset(name, **values):
    panel = explore_batch_norm()
    panel._do({"do": "preset", "place": [preset.name for preset in panel.presets].index(name)})
    panel.set(**values)
    return panel


def test_two_scales():
    table = in_preset("Two scales").picture["table"]
    assert [row[3] for row in table[1:]] == ["99 %", "1.04 %"] and [row[-1] for row in table[1:]] == ["50 %", "50 %"]
    assert "Input 2 decides 1.04 % of the neuron's answer before, 50 % after." in in_preset("Two scales").caption


def test_drift_is_taken_out_in_training_only():
    numbers = {}
    for drift in (-3.0, 1.0, 3.0):
        panel = in_preset("Drift", drift=drift)
        numbers[drift] = [float(v) for v in re.findall(r"mean (\S+) and", panel.caption)]
        panel.set(mode="use")
        numbers[drift].append(float(re.findall(r"mean (\S+) and", panel.caption)[1]))
    x, training, use = np.array(list(numbers.values())).T
    assert np.ptp(x) == pytest.approx(12, abs=0.1) and np.ptp(training) == 0
    assert np.ptp(use) == pytest.approx(6, rel=0.1)
    alt = in_preset("Drift").picture["plots"][2]["alt"]
    assert "y in training from 0 to 0" in alt and alt.endswith("The mark is at 1.")


def test_gamma_and_beta_undo_it():
    differences = {}
    for gamma, beta in [(1.0, 0.0), (2.0, 0.0), (1.0, 2.0), (2.0, 2.0), (2.0, 1.9)]:
        x, y = seen(in_preset("γ and β", gamma=gamma, beta=beta))
        differences[gamma, beta] = np.abs(y - x).max()
    assert min(differences, key=differences.get) in ((2.0, 2.0), (2.0, 1.9)) and min(differences.values()) < 0.3


def test_one_sample_has_beta_in_training_and_its_own_y_in_use():
    panel = in_preset("Batch of one")
    assert panel.caption == (
        "One value is its own mean: x − E is 0, and y is β = 0.5 for x = 2.2 and for x = 0.4 alike."
    )
    (note,) = panel.picture["notes"]
    assert "batch_norm: x must have more than one value in every channel when training, got (1, 2)" in note
    panel.set(mode="use")
    first = seen(panel)[1]
    panel.set(drift=2.0)
    assert panel.picture["notes"] == [] and (np.abs(seen(panel)[1] - first) > 0.5).all()


def test_in_use_the_company_does_not_matter():
    in_use, in_training = [], []
    for draw in range(5):
        panel = explore_batch_norm(n=4, draw=draw)
        in_training.append(seen(panel)[1][0, 0])
        panel.set(mode="use")
        in_use.append(seen(panel)[1][0, 0])
    assert np.ptp(in_use) == 0 and np.ptp(in_training) > 0.1
    panel.press("draw_again")
    assert panel.state()["draw"] == 5


def test_use_comes_near_training_after_many_batches():
    off = [np.abs(seen(in_preset("Training and use", batches=b))[1].mean(0)).max() for b in (0, 5, 20, 40, 60)]
    assert off[0] > 3 and off[1] > 1 and max(off[3:]) < 0.3 and off == sorted(off, reverse=True)[:3] + off[3:]
    assert in_preset("Training and use").caption.endswith("Training would give it mean 0, spread 1 and y = 1.31.")


# Words.


def test_what_is_said():
    panel = explore_batch_norm(scale1=2.0, mean=1.0, n=100)
    before, after, _ = (plot["alt"] for plot in panel.picture["plots"])
    x, y = seen(panel)
    assert before.startswith(
        f"Histograms before the normalisation, 100 samples. Input 1 has mean {x[:, 0].mean():.3g} and spread "
        f"{x[:, 0].std():.3g}; its first sample is 4.4."
    )
    assert "after the normalisation, 100 samples. Input 1 has mean 0 and spread 1;" in after
    assert panel.caption.endswith(f"The largest difference of y and x is {np.abs(y - x).max():.3g}.")
    panel.set(eps=10, gamma=0.0)
    assert len(panel.picture["notes"]) == 2 and panel.picture["notes"][0].startswith("ε is no longer small")
    assert "decides" in panel.picture["table"][0] and panel.picture["table"][1][-1] == "–"


# A student's function.


def batch_norm(x, gamma, beta, eps):
    return beta + gamma * (x - x.mean(0)) / np.sqrt(x.var(0) + eps)


def unbiased(x, gamma, beta, eps):
    return beta + gamma * (x - x.mean(0)) / np.sqrt(x.var(0, ddof=1) + eps)


def test_a_students_function():
    panel = explore_batch_norm(batch_norm, n=20, gamma=2.0, beta=1.0, eps=0.1)
    verdict = panel.picture["verdict"]
    assert verdict == {"agrees": True, "sentence": "batch_norm: all 40 numbers agree with ours."}
    panel.set(n=1)
    assert panel.picture["verdict"]["agrees"]
    panel.set(mode="use")
    assert panel.picture["verdict"]["sentence"] == (
        "batch_norm takes no running statistics: it can be compared in training mode."
    )
    panel.close()
    assert panel._function is None
    verdict = explore_batch_norm(unbiased, n=20).picture["verdict"]
    assert not verdict["agrees"] and "unbiased: the first number that differs is y[0, 0]" in verdict["sentence"]
    with pytest.raises(TypeError, match="explore_batch_norm: function must be a function, got 3"):
        explore_batch_norm(3)
