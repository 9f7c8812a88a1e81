"""The patch explorable: its pictures, maps and counts against PyTorch, the patch that it learns, and its words."""

import numpy as np
import pytest
import torch

from pnnlib import adversarial, pretrained, train
from pnnlib.bridge import to_torch
from pnnlib.explore import explore_patch, patch
from pnnlib.explore.patch import (
    FILE, INK, LEARNT, NONE, PIECE, RANDOM, everywhere, learn, network, obeyed, seen, stored, to_learn, to_try,
    unturned, write,
)  # fmt: skip
from pnnlib.layers import Flatten, Linear, Sequential


@pytest.fixture
def panel():
    made = explore_patch()
    yield made
    made.close()


@pytest.mark.parametrize("place", range(5))
@pytest.mark.parametrize("other", [{}, {"picture": 49, "degrees": -55, "light": 0.3}, {"size": 7, "left": 5, "top": 0}])
def test_code_gives_the_confidences_shown(panel, place, other):
    panel._do({"do": "preset", "place": place})
    panel.set(**other)
    ran = {}
    exec(panel.code(), ran)
    p = ran["p"].detach().numpy()[0]
    assert f"{int(p.argmax())}, with {p.max():.2f}. It says " in panel.caption
    shown = panel.picture["plots"][1]["alt"].split(": ", 1)[1].rstrip(".").split("; ")
    np.testing.assert_allclose([float(one.split(" and ")[1]) for one in shown], p, atol=0.0051)
    assert panel.picture["plots"][0]["alt"].endswith(f"The network says {int(p.argmax())}, with {p.max():.2f}.")


def test_a_map_is_the_network_at_each_place():
    x, module = to_try()[0][[7]], to_torch(network())
    for size, degrees, light in ((5, 0, 1.0), (3, 30, 0.6), (7, -90, 1.0)):
        pattern = unturned(RANDOM, 2, size)
        p, wins = everywhere(network(), x, pattern, 2, degrees, light)
        assert p.shape == wins.shape == (13 - size, 13 - size)
        for top, left in ((0, 0), (12 - size, 3), (2, 12 - size)):
            y = torch.softmax(module(torch.tensor(seen(x, pattern, top, left, degrees, light))), 1)[0]
            assert p[top, left] == pytest.approx(y[2].item()) and wins[top, left] == (int(y.argmax()) == 2)


def test_how_many_obey_is_counted_in_pictures_of_other_digits():
    x, y = to_try()
    for target in range(5):
        others = x[y != target]
        top, left = adversarial.random_places(others, stored()[target], rng=0)
        pictures = others.copy()
        for n, picture in enumerate(pictures):
            picture[:, top[n] : top[n] + 5, left[n] : left[n] + 5] = stored()[target]
        said = to_torch(network())(torch.tensor(pictures)).argmax(1)
        assert obeyed(network(), stored()[target], target) == (int((said == target).sum()), 40)


def test_what_is_learnt_is_what_the_library_learns():
    patches = list(learn(network(), 3, 4, steps=6))
    np.testing.assert_array_equal(patches[-1], adversarial.learn_patch(network(), *to_learn(), 4, 3, steps=6, rng=0))
    assert not np.array_equal(patches[0], patches[1]) and patches[0].base is not patches[1]
    assert train.accuracy(network(), *to_try()) > 0.9
    np.testing.assert_array_equal(pretrained.CLASSES, np.arange(5))


def test_the_stored_patches_are_learnt_so(monkeypatch, tmp_path):
    monkeypatch.setattr(patch, "learn", lambda model, target, size, steps: iter([np.full((1, 5, 5), target / 4)]))
    write(tmp_path / "patches.npz")
    with np.load(tmp_path / "patches.npz") as new, np.load(FILE) as old:
        assert new["patches"].shape == old["patches"].shape == (5, 1, 5, 5) and new["patches"].dtype == np.float32
    monkeypatch.undo()
    np.testing.assert_allclose(list(learn(network(), 2, 5))[-1], stored()[2], atol=1e-6)


def test_a_learnt_patch_beats_the_controls():
    """What the first two presets claim, over all five targets and 40 pictures each."""
    learnt, ink, random, piece = (
        sum(obeyed(network(), unturned(kind, t, 5), t)[0] for t in range(5)) for kind in (LEARNT, INK, RANDOM, PIECE)
    )
    assert learnt > 2.5 * max(ink, random, piece)
    assert sum(obeyed(network(), stored()[t], t, degrees=30)[0] for t in range(5)) < 0.6 * learnt


def test_learning_fills_the_patch_and_holds_while_it_is_moved(panel, monkeypatch):
    monkeypatch.setattr(patch, "STEPS", 3)
    monkeypatch.setattr(
        patch, "learn", lambda model, target, size: iter([np.full((1, size, size), v) for v in (0.3, 0.6, 0.9)])
    )
    panel.set(size=4)
    assert panel.picture["notes"] == ["No patch of this size has been learnt yet: it is grey. Press “Learn a patch”."]
    panel.press("learn")
    assert panel.result[0] == 3 and panel.picture["notes"] == []
    panel.set(kind=INK)
    panel.set(kind=LEARNT, left=2, top=1, picture=8, degrees=90, light=0.5)
    assert panel.result and str([[0.9] * 4] * 4)[2:20] in panel.code()
    panel.set(target=1)
    assert panel.result is None


def test_words_and_limits(panel):
    caption = panel.caption
    p, wins = everywhere(network(), to_try()[0][[2]], stored()[4], 4)
    many, of = obeyed(network(), stored()[4], 4)
    control, _ = obeyed(network(), unturned(INK, 4, 5), 4)
    assert caption.endswith(
        f"It says 4 at {wins.sum()} of the 64 places of this picture, and in {many} of {of} pictures of other digits, "
        f"at a random place in each; with a patch that is all ink in {control}."
    )
    assert 0 < wins.sum() < 64
    where = panel.picture["plots"][2]["alt"]
    assert f"where the patch is now, row 7, column 7, it is {p[7, 7]:.2f}." in where
    panel.set(size=7)
    assert panel.state()["left"] == panel.state()["top"] == 5  # it must lie inside
    panel.set(picture=4)
    assert "This is a 4 anyway: take another picture, or another aim." in panel.picture["notes"]
    panel.set(kind=NONE)
    assert len(panel.picture["plots"]) == 2 and "No patch is in it." in panel.picture["plots"][0]["alt"]
    assert panel.caption.startswith("This is a 4, without a patch. The network says 4, with ")
    panel.set(kind=PIECE)
    assert "(a piece of a digit)" in panel.caption


def test_what_it_says_without_the_patch_is_in_the_same_light(panel):
    panel.set(light=0.3, picture=1)
    p = torch.softmax(to_torch(network())(torch.tensor(0.3 * to_try()[0][[1]])), 1)[0]
    said = f"{int(p.argmax())}, with {p.max():.2f}"
    assert panel.caption.startswith(f"This is a 1, in 30% of the light. The network says {said};")
    panel.set(kind=NONE)
    assert f"; in 30% of the light it says {said}." in panel.caption


def test_the_pointer_holds_the_patch_in_its_middle(panel):
    axes = panel.picture["plots"][0]["moves"]["axes"]
    assert [axis["control"] for axis in axes] == ["left", "top"]
    low, high = axes[0]["low"], axes[0]["high"]
    assert low + (high - low) * 6.5 / 12 == pytest.approx(4)  # the middle of pixel 6: pixels 4 to 8 are the patch's


def test_a_network_of_ones_own():
    model = Sequential(Flatten(), Linear(144, 5, rng=0))
    panel = explore_patch(model)
    p = torch.softmax(to_torch(model)(torch.tensor(to_try()[0][[2]])), 1)
    assert panel.caption.startswith(f"This is a 2. The network says {int(p.argmax())}, with {p.max():.2f}; with")
    assert panel.picture["notes"] == [
        "This patch was learnt for another network. Press “Learn a patch” for one against yours."
    ]
    assert "# your network" in panel.code()
    panel.close()
    with pytest.raises(ValueError, match=r"explore_patch: model must give \(N, 5\)"):
        explore_patch(Sequential(Flatten(), Linear(144, 10, rng=0)))
