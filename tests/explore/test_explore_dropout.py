"""The dropout explorable: its numbers against PyTorch, the mean over all masks against theory, and its words."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from pnnlib.dropout import dropout as pnnlib_dropout
from pnnlib.dropout import dropout_mask
from pnnlib.explore import explore_dropout
from pnnlib.explore.dropout import W1, W2, X, all_masks, everything, last_weights, masks_of, net_inputs, probabilities


@pytest.fixture
def panel():
    made = explore_dropout()
    yield made
    made.close()


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("both", [True, False])
@pytest.mark.parametrize("p", [0.0, 0.35, 0.9])
def test_code_gives_the_net_input_shown(panel, p, both, training):
    for scaled, step, share, draw in ((True, 1, 0.2, 0), (False, 7, 1.0, 3), (True, 200, 0.0, 50)):
        panel.set(p=p, both=both, training=training, scaled=scaled, step=step, share=share, draw=draw)
        ran = {}
        exec(panel.code(), ran)
        assert f"the output's net input is {ran['net'].item() + 0.0:.3g}." in panel.caption
        s = SimpleNamespace(**panel.state())
        masks = masks_of(s, step)[-1:] if training else np.ones((1, 10))
        net = net_inputs(last_weights(share), masks, p, scaled, both, training)[2]
        np.testing.assert_allclose(ran["net"].detach().numpy(), net, atol=1e-12)


def test_the_network_is_pytorchs_where_its_masks_are_read_off():
    torch.manual_seed(0)
    for p in (0.1, 0.5, 0.8):
        y1 = torch.nn.functional.dropout(torch.relu(torch.tensor(W1 @ X)), p)
        y2 = torch.nn.functional.dropout(torch.relu(torch.tensor(W2) @ y1) + 1e-9, p)  # so that a kept one is not 0
        mask = np.r_[y1 != 0, y2 != 0].astype(float)
        got1, got2, net = net_inputs(last_weights(0.3), mask[None], p)
        np.testing.assert_allclose(got1[0], y1, atol=1e-12)
        np.testing.assert_allclose(got2[0], y2, atol=1e-7)
        np.testing.assert_allclose(net, last_weights(0.3)[0] @ y2.numpy(), atol=1e-7)


@pytest.mark.parametrize("p", [0.0, 0.2, 0.5, 0.9])
def test_the_mean_over_all_sub_networks(p):
    for share in (0.0, 0.2, 1.0):
        divided, plain = everything(share, p, True, False), everything(share, p, False, False)
        assert divided.use == plain.use == pytest.approx(1)
        assert divided.mean == pytest.approx(1) and plain.mean == pytest.approx(1 - p)
        # the spread of a sum of independent parts: p / (1 − p) times the squares of what each contributes
        parts = np.r_[np.full(4, (1 - share) / 4), share]
        assert divided.spread == pytest.approx(np.sqrt(p / (1 - p) * (parts**2).sum()))
    both = everything(0.2, p, True, True)
    masks = dropout_mask((20_000, 10), p, 0)
    nets = net_inputs(last_weights(0.2), masks, p)[2]
    assert abs(nets.mean() - both.mean) < 5 * both.spread / 140 + 1e-9 and both.probability.sum() == pytest.approx(1)
    assert both.mean >= both.use - 1e-9  # a ReLU of a mean is at most the mean of the ReLU


def test_all_masks_are_there_once():
    assert len(np.unique(all_masks(), axis=0)) == 1024
    np.testing.assert_allclose(probabilities(all_masks(), 0.5), 1 / 1024)


def test_every_step_has_a_mask_of_its_own_and_leaves_out_a_share_of_p():
    s = SimpleNamespace(p=0.3, both=True, draw=1)
    masks = masks_of(s, 200)
    assert abs((masks == 0).mean() - 0.3) < 0.04 and len(np.unique(masks, axis=0)) > 100
    np.testing.assert_array_equal(masks_of(s, 5), masks[:5])  # the same step is the same, however many are shown
    assert masks_of(SimpleNamespace(p=0.3, both=False, draw=1), 200)[:, :5].all()


def test_presets_make_their_points(panel):
    captions = []
    for place in range(5):
        panel._do({"do": "preset", "place": place})
        captions.append(panel.caption)
    assert captions[1].endswith("Over all 32 sub-networks it is 0.5 ± 0.224; in use it is 1, 2 times the mean.")
    assert "is 1 ± " in captions[2] and captions[2].endswith("in use it is 1, 1 times the mean.")
    assert captions[3].startswith("In use, all neurons take part, and the output's net input is 1.")
    assert "1 ± 0.901" in captions[4]
    panel.set(share=0.2)
    assert "1 ± 0.447" in panel.caption  # shared out, the spread is half as large


def test_no_neuron_takes_part_in_all_steps():
    masks = masks_of(SimpleNamespace(p=0.5, both=True, draw=0), 30)
    assert not masks.all(axis=0).any()


def test_the_sum_is_the_net_input(panel):
    for step in range(1, 12):
        panel.set(step=step, p=0.6, both=False)
        (_, letters), (_, terms), (_, net) = panel.picture["lines"]
        assert letters == "Σ w(i) z(i) x(i) / (1 − p)"
        value = 0 if terms.startswith("0: ") else eval(terms.replace("·", "*"))
        assert value == pytest.approx(float(net), abs=0.02)
    panel.set(training=False)
    assert panel.picture["lines"][0][1] == "Σ w(i) x(i)"


def test_words(panel):
    panel.set(step=4)
    s = SimpleNamespace(**panel.state())
    mask = masks_of(s, 4)[-1]
    gone = [str(n + 1) for n in range(5) if not mask[5 + n]]
    drawing = panel.picture["plots"][0]
    assert f"{', '.join(gone)} of hidden layer 2." in drawing["alt"] and "in step 4 of the training" in drawing["alt"]
    assert drawing["svg"].count("mark cross") == int((mask == 0).sum()) + 1  # one in the legend
    assert panel.picture["notes"][0].startswith("Two layers with a ReLU between them")
    panel.set(scaled=False)
    assert panel.picture["notes"] == ["The lecture mentions no scaling. PyTorch divides by 1 − p in training."]
    panel.set(p=0.9, both=False, draw=1)
    masks = masks_of(SimpleNamespace(p=0.9, both=False, draw=1), 60)
    panel.set(step=int(np.flatnonzero(~masks[:, 5:].any(axis=1))[0]) + 1)
    assert panel.picture["lines"][1][1] == "0: no neuron is left" and "net input is 0." in panel.caption


def right(x, p, rng, training):
    if not training:
        return x.copy(), np.ones(x.shape)
    mask = (rng.random(x.shape) >= p).astype(float)
    return pnnlib_dropout(x, p, mask=mask), mask


def not_divided(x, p, rng, training):
    y, mask = right(x, p, rng, training)
    return x * mask, mask


def also_in_use(x, p, rng, training):
    return right(x, p, rng, True)


@pytest.mark.parametrize(
    ("function", "settings", "agrees", "said"),
    [
        (right, {}, True, "right: all 10 numbers agree with ours."),
        (right, {"training": False}, True, "right: all 10 numbers agree with ours."),
        (not_divided, {"p": 0.25}, False, "not_divided: the first number that differs is y["),
        (also_in_use, {"training": False, "p": 0.9}, False, "also_in_use: the first number that differs is y[0]"),
        (lambda x, p, rng, training: x, {}, False, "your function must return two arrays, y and the mask."),
        (lambda x, p, rng, training: (x, x), {}, False, "the mask must be like x, (5,), and hold zeros and ones"),
        (lambda x, p, rng, training: 1 / 0, {}, False, "your function stopped with an error. ZeroDivisionError"),
    ],
)
def test_a_students_function(function, settings, agrees, said):
    panel = explore_dropout(function, **settings)
    verdict = panel.picture["verdict"]
    assert verdict["agrees"] == agrees and said in verdict["sentence"]
    panel.close()
    assert panel._function is None


def test_what_is_no_function():
    with pytest.raises(TypeError, match="explore_dropout: function must be a function, got 3"):
        explore_dropout(3)
