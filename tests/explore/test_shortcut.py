"""The shortcut explorable: cameras, training and maps against PyTorch, what the presets claim, and a student's gap."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from pnnlib import train
from pnnlib.bridge import to_torch
from pnnlib.explore import explore_shortcut
from pnnlib.explore.few_digits import few_digits
from pnnlib.explore.shortcut import (
    EPOCHS, EXCHANGE, GRADIENT, LIGHT, PIXEL, broken, cameras, learn, sets_of, taken, what_it_uses,
)  # fmt: skip


@pytest.fixture
def panel():
    made = explore_shortcut()
    yield made
    made.close()


def test_cameras_take_the_share_that_is_asked_for():
    y = np.arange(4000) % 10
    for share in (0.5, 0.75, 1.0):
        from_a = cameras(y, share, 3)
        assert from_a[y % 2 == 1].mean() == pytest.approx(share, abs=0.03)
        assert from_a[y % 2 == 0].mean() == pytest.approx(1 - share, abs=0.03)


def test_faults_and_how_they_are_broken():
    x, from_a = few_digits().x_test, few_digits().y_test % 2 == 1
    for strength in (0.0, 0.4, 0.9):
        pixel, light = (taken(x, from_a, fault, strength, 2, 3) for fault in (PIXEL, LIGHT))
        changed = np.argwhere(pixel != x)
        assert not len(changed) or set(map(tuple, changed[:, 1:])) == {(0, 2, 3)}
        np.testing.assert_allclose(pixel[from_a, 0, 2, 3], np.maximum(x[from_a, 0, 2, 3], strength))
        np.testing.assert_allclose(light[from_a], x[from_a] * (1 - strength))
        for seen in (pixel, light):
            np.testing.assert_array_equal(seen[~from_a], x[~from_a])
        assert not broken(pixel, PIXEL, 2, 3)[:, 0, 2, 3].any()
        np.testing.assert_allclose(broken(light, LIGHT).max(axis=(1, 2, 3)), 1)
        np.testing.assert_allclose(broken(light, LIGHT), broken(x, LIGHT), atol=1e-12)
    assert few_digits().x_test is x and not x.flags.writeable


@pytest.mark.parametrize("place", range(5))
def test_code_gives_what_is_shown(panel, place):
    panel._do({"do": "preset", "place": place})
    panel.set(instrument=GRADIENT)
    ran = {}
    exec(panel.code(), ran)
    right = ran["right"]
    assert f"is right on {right[0]:.2f} of test pictures from the same cameras, on {right[1]:.2f} with" in panel.caption
    assert f"broken, and on {right[2]:.2f} with the cameras exchanged" in panel.caption
    assert panel.picture["lines"][1][1] == f"{right[0]:.2f} − {right[1]:.2f} = {right[0] - right[1]:.2f}"
    used = ran["used"].numpy()
    row, column = divmod(int(used.argmax()), 8)
    words = panel.picture["plots"][1]["alt"]
    assert words.endswith(f"largest in row {row}, column {column}: {used.max() / used.mean():.1f} times the mean.")


def test_maps_are_pytorchs_and_exchange_is_what_it_says():
    x, y = sets_of(PIXEL, 1.0, 1.0, 4, 0)[0], few_digits().y_test % 2
    model = learn(PIXEL, 1.0, 1.0, 4, 0).after(EPOCHS)
    tensor = torch.tensor(x, requires_grad=True)
    torch.nn.functional.cross_entropy(to_torch(model)(tensor), torch.tensor(y)).backward()
    np.testing.assert_allclose(what_it_uses(model, x, y, GRADIENT), tensor.grad.abs().mean((0, 1)).numpy(), atol=1e-12)
    lost = what_it_uses(model, x, y, EXCHANGE)
    order = np.random.default_rng(0).permutation(len(x))
    for row, column in ((4, 0), (0, 0), (3, 3), (7, 5)):
        shuffled = x.copy()
        shuffled[:, 0, row, column] = x[order, 0, row, column]
        loss = train.accuracy(model, x, y) - train.accuracy(model, shuffled, y)
        assert lost[row, column] == pytest.approx(loss)


def test_a_learnt_network_is_the_same_again_and_its_shares_are_counted():
    one = learn(PIXEL, 1.0, 1.0)
    for epoch in (0, 1, EPOCHS):
        model = one.after(epoch)
        for x, share in zip(sets_of(PIXEL, 1.0, 1.0), one.shares[epoch]):
            assert train.accuracy(model, x, few_digits().y_test % 2) == pytest.approx(share)
    learn.cache_clear()
    np.testing.assert_array_equal(learn(PIXEL, 1.0, 1.0).shares, one.shares)


def test_the_presets_make_their_points():
    """At several places of the pixel, as no single one proves it."""
    gaps, exchanged, found = [], [], 0
    places = [(0, 7), (6, 0), (4, 0), (7, 7), (0, 0)]
    for row, column in places:
        learnt = learn(PIXEL, 1.0, 1.0, row, column)
        same, without, other = learnt.shares[-1]
        assert same > 0.95
        gaps.append(same - without)
        exchanged.append(other)
        for instrument in (GRADIENT, EXCHANGE):
            x = sets_of(PIXEL, 1.0, 1.0, row, column)[0]
            used = what_it_uses(learnt.after(EPOCHS), x, few_digits().y_test % 2, instrument)
            found += divmod(int(used.argmax()), 8) == (row, column)
    assert min(gaps) > 0.1 and max(exchanged) < 0.7 and found >= 9
    same, without, other = learn(LIGHT, 0.7, 1.0).shares[-1]
    assert same > 0.95 and same - without > 0.15 and other < 0.5
    half = learn(PIXEL, 1.0, 0.8).shares[-1]
    assert abs(half[0] - half[1]) < 0.08


def test_words(panel):
    examples, seen, bars, curves = (plot["alt"] for plot in panel.picture["plots"])
    assert "a 1 by camera A, a 3 by camera A, a 0 by camera B, a 2 by camera B." in examples
    assert "in row 0, column 7 is 1 dark at least. It takes 100% of the odd digits and 0% of the even ones." in examples
    assert "It is largest in row 0, column 7:" in seen
    assert "as in training: " in bars and f"after 1, 3 and {EPOCHS} epochs. The cursor is at {EPOCHS}." in curves
    panel.set(fault=LIGHT)
    assert panel.state()["strength"] == 0.9 and "lost 90% of the light" in panel.picture["plots"][0]["alt"]
    assert panel.picture["notes"][0].startswith("The light is in all pixels together.")
    hidden = {c["name"]: c["hidden"] for c in panel.picture["controls"]}
    assert hidden["row"] and hidden["column"] and not hidden["share"]
    panel.set(strength=0.0)
    assert panel.picture["notes"] == ["Both cameras are good: there is no shortcut."]
    assert " = 0.00" in panel.picture["lines"][1][1]
    panel.set(strength=0.5, share=0.5)
    assert panel.picture["notes"][0].startswith("Both cameras take odd and even digits alike")
    panel.set(epoch=1)
    assert panel.caption.startswith("After 1 epoch the network is right on ")


def shortcut_gap(predict, x, y, break_shortcut):
    return np.mean(predict(x) == y) - np.mean(predict(break_shortcut(x)) == y)


def the_other_way_round(predict, x, y, break_shortcut):
    return -shortcut_gap(predict, x, y, break_shortcut)


def one_by_one(predict, x, y, break_shortcut):
    gap = 0
    for i in range(len(x)):
        gap += float(predict(x[i : i + 1])[0] == y[i]) - float(predict(break_shortcut(x[i : i + 1]))[0] == y[i])
    return gap / len(x)


@pytest.mark.parametrize("settings", [{}, {"fault": LIGHT, "share": 0.9}])
def test_a_students_function(settings):
    for function in (shortcut_gap, one_by_one):
        panel = explore_shortcut(function, **settings)
        said = {"agrees": True, "sentence": f"{function.__name__}: the one number agrees with ours."}
        assert panel.picture["verdict"] == said
        panel.close()
    verdict = explore_shortcut(the_other_way_round, **settings).picture["verdict"]
    assert not verdict["agrees"] and "the_other_way_round: the gap differs: yours is -0." in verdict["sentence"]
    with pytest.raises(TypeError, match="explore_shortcut: function must be a function, got 3"):
        explore_shortcut(3)
