"""The augmentation explorable: its transformations against PyTorch, the training that it starts, and its words."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from pnnlib import augment, train
from pnnlib.bridge import to_torch
from pnnlib.explore import augmentation, explore_augmentation
from pnnlib.explore.augmentation import AMOUNTS, FLIP, ROTATION, SCALE, SHEAR, SHIFT, at_random, transformed
from pnnlib.explore.few_digits import few_digits, small_network
from pnnlib.layers import Flatten, Linear, Sequential


@pytest.fixture
def panel():
    made = explore_augmentation()
    yield made
    made.close()


SETTINGS = [
    {"kind": ROTATION, "degrees": 35}, {"kind": ROTATION, "degrees": -180}, {"kind": ROTATION, "degrees": 90},
    {"kind": SHIFT, "right": -4, "down": 3}, {"kind": SHIFT, "right": 0, "down": 0}, {"kind": SCALE, "factor": 0.5},
    {"kind": SCALE, "factor": 2.0}, {"kind": SHEAR, "lean": 60}, {"kind": SHEAR, "lean": -25}, {"kind": FLIP},
    {"kind": FLIP, "side": "top and bottom"},
]  # fmt: skip


@pytest.mark.parametrize("settings", SETTINGS)
def test_code_gives_the_picture_and_the_confidence_shown(panel, settings):
    for picture in (0, 17, 49):
        panel.set(**settings, picture=picture)
        ran = {}
        exec(panel.code(), ran)
        y = transformed(few_digits().x_test[[picture]], SimpleNamespace(**panel.state()))
        np.testing.assert_allclose(ran["y"].numpy(), y, atol=1e-10)
        p = torch.softmax(to_torch(small_network())(torch.tensor(y)), 1)
        np.testing.assert_allclose(ran["p"].detach().numpy(), p.detach().numpy(), atol=1e-10)
        assert f": the network calls it {int(p.argmax())}, with {p.max():.2f}, and " in panel.caption


@pytest.mark.parametrize("settings", [s for s in SETTINGS if s["kind"] in (ROTATION, SCALE, SHEAR)])
def test_the_equations_say_where_a_pixel_comes_from(panel, settings):
    panel.set(**settings)
    (_, r), (_, c), _ = panel.picture["lines"]
    s = SimpleNamespace(**panel.state())
    rng = np.random.default_rng(0)
    for i, j in rng.integers(8, size=(6, 2)).tolist():
        row, column = (eval(t.replace("−", "-").replace("·", "*"), {"i": i, "j": j}) for t in (r, c))
        ramps = np.indices((8, 8)).astype(float)[:, None]  # pictures whose values are their own row, their own column
        if 0 <= row <= 7 and 0 <= column <= 7:
            np.testing.assert_allclose(transformed(ramps, s)[:, 0, i, j], [row, column], atol=0.02)


@pytest.mark.parametrize("kind", AMOUNTS)
def test_the_curve_is_what_the_caption_counts(panel, kind):
    name, amounts, _ = AMOUNTS[kind]
    for n in (0, len(amounts) // 2, -1):
        panel.set(kind=kind, down=0, **{name: amounts[n]})
        count = round(100 * panel._shares(kind, 0)[n])
        assert f"Of 100 test pictures, it is right on {count}." in panel.caption
        assert f"where it is about {count / 100:.2f}." in panel.picture["plots"][2]["alt"]
    middle = {SHIFT: 0, ROTATION: 0, SCALE: 1, SHEAR: 0}[kind]
    panel.set(kind=kind, down=0, **{name: middle})
    right = train.accuracy(small_network(), few_digits().x_test, few_digits().y_test)
    assert f"it is right on {round(100 * right)}." in panel.caption


@pytest.mark.parametrize("settings", SETTINGS)
def test_random_changes_stay_within_what_is_chosen(settings):
    s = SimpleNamespace(**{"side": "left and right", "down": 0, **settings})
    x = np.zeros((200, 1, 9, 9))
    x[:, 0, 4, 4] = 1  # one pixel in the middle
    y = at_random(s)(x, 0)
    if s.kind in (ROTATION, SHEAR, FLIP):
        np.testing.assert_allclose(y[:, 0, 4, 4], 1)
    if s.kind == SHIFT:
        _, _, row, column = np.nonzero(y)
        most = max(abs(s.right), abs(s.down))
        assert (row.min(), row.max(), column.min(), column.max()) == (4 - most, 4 + most) * 2


def test_the_presets_make_their_points(panel):
    said = []
    for place in range(5):
        panel._do({"do": "preset", "place": place})
        said.append([plot["alt"] for plot in panel.picture["plots"]])
    assert "the 6 9" in said[1][1] and "the 9 6" in said[1][1]  # half a turn
    shares = [float(part.split(": ")[-1].strip(".")) for part in said[2][2].split("mirrored: ")[1].split(", ")]
    assert min(shares[0], shares[8]) > max(shares[3], shares[7])  # a mirrored 0 or 8 is one, a mirrored 3 or 7 is none
    panel._do({"do": "preset", "place": 3})
    upright = train.accuracy(small_network(), few_digits().x_test, few_digits().y_test)
    moved = train.accuracy(small_network(), augment.shift(few_digits().x_test, 0, 2), few_digits().y_test)
    assert moved < upright - 0.5 and f"it is right on {round(100 * moved)}." in panel.caption


def test_learning_shows_every_draw_and_is_dropped_by_another_amount(panel, monkeypatch):
    monkeypatch.setattr(augmentation, "EPOCHS", 2)
    shares = lambda transform, draw: iter([(0.5, 0.1), (0.6 + 0.1 * draw, 0.2)])  # noqa: E731
    monkeypatch.setattr(augmentation, "learn_from_few", shares)
    panel.set(kind=SHIFT)
    panel.press("learn")
    assert panel.result == {name: [(0.6, 0.2), (0.7, 0.2), (0.8, 0.2)] for name in ("without", "with")}
    assert panel.caption.endswith(
        "Learnt from 50 digits: on the test as it is 0.70 without the transformation and 0.70 with it, on pictures "
        "that are turned and shifted a little 0.20 and 0.20."
    )
    learnt = panel.picture["plots"][3]
    assert "after learning from 50 digits. without the transformation 0.70 of the test as it is" in learnt["alt"]
    assert learnt["svg"].count("mark diamond") == 6 + 1  # and one in the legend
    panel.set(picture=9)
    assert panel.result
    panel.set(right=2)
    assert panel.result is None and len(panel.picture["plots"]) == 3


def test_learning_is_the_librarys_training():
    shares = list(augmentation.learn_from_few(None, 1, epochs=3))
    assert len(shares) == 3 and shares == list(augmentation.learn_from_few(None, 1, epochs=3))
    assert shares != list(augmentation.learn_from_few(augment.random_shift(1), 1, epochs=3))
    assert shares[-1][0] > 0.3  # it learns
    model, x = augmentation.convolutional(0), few_digits().x_test[:5].astype(np.float32)
    np.testing.assert_allclose(to_torch(model)(torch.tensor(x)).detach().numpy(), model(x), atol=1e-5)


def shifted_the_wrong_way(image, down, right):
    return augment.shift(image, -down, -right)


def test_a_students_function_and_network():
    panel = explore_augmentation(augment.shift)
    assert panel.picture["verdict"]["sentence"] == "shift can be compared with the transformation “shift”."
    panel.set(kind=SHIFT, right=2, down=-1)
    assert panel.picture["verdict"] == {"agrees": True, "sentence": "shift: all 64 numbers agree with ours."}
    panel.close()
    assert panel._function is None
    verdict = explore_augmentation(shifted_the_wrong_way, kind=SHIFT).picture["verdict"]
    assert not verdict["agrees"] and "shifted_the_wrong_way: the first number that differs is y[" in verdict["sentence"]
    model = Sequential(Flatten(), Linear(64, 10, rng=0))
    panel = explore_augmentation(model=model)
    right = train.accuracy(model, augment.rotate(few_digits().x_test, 20), few_digits().y_test)
    assert f"it is right on {round(100 * right)}." in panel.caption and "# your network" in panel.code()
    with pytest.raises(TypeError, match="explore_augmentation: function must be a function, got 3"):
        explore_augmentation(3)
