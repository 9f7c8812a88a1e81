"""The pre-trained network: good at what it learnt, made by the script beside it, a better start for other digits."""

import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
from witnesses import check_values

from pnnlib import optim, train
from pnnlib.augment import shift
from pnnlib.bridge import to_torch
from pnnlib.data import digits
from pnnlib.layers import Linear, Sequential
from pnnlib.pretrained import CLASSES, MARGIN, WEIGHTS, anywhere, learn, model, network, only, write

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def split():
    return digits(np.float32)


def accuracy_on_test(network_, split, classes=CLASSES):
    x, y = only(split.x_test, split.y_test, classes)
    return np.mean([train.accuracy(network_, anywhere(x, rng), y) for rng in range(3)])


def test_it_knows_its_digits_wherever_they_stand(split):
    assert accuracy_on_test(model(), split) >= 0.98
    x, y = only(split.x_test, split.y_test, CLASSES)
    for down, right in [(-MARGIN, -MARGIN), (MARGIN, -MARGIN), (0, MARGIN)]:
        wide = np.zeros((len(x), 1, 12, 12), np.float32)
        wide[..., 2:10, 2:10] = x
        assert train.accuracy(model(), shift(wide, down, right), y) >= 0.95


def test_each_call_makes_a_new_one_in_usage_mode():
    first, second = model(), model()
    first[0].weight.data += 1
    assert not np.array_equal(first[0].weight.data, second[0].weight.data)
    np.testing.assert_equal(model().state_dict(), second.state_dict())
    assert not any(layer.training for layer in second.modules())
    assert {p.data.dtype for p in second.parameters()} == {np.dtype(np.float32)}


def test_it_computes_what_pytorch_computes(split):
    ours = model().astype(np.float64)
    x = anywhere(split.x_test[:20].astype(np.float64), rng=0)
    theirs = to_torch(ours).eval()(torch.tensor(x)).detach().numpy()
    check_values(ours(x), theirs, atol=1e-10)


def test_the_script_makes_weights_as_good_as_those_that_are_shipped(split, tmp_path):
    path = tmp_path / "weights" / "made.npz"
    assert write(path) >= 0.98
    made = network(len(CLASSES))
    with np.load(path, allow_pickle=False) as state, np.load(WEIGHTS, allow_pickle=False) as shipped:
        assert {n: a.shape for n, a in state.items()} == {n: a.shape for n, a in shipped.items()}
        made.load_state_dict(state)
    assert abs(accuracy_on_test(made, split) - accuracy_on_test(model(), split)) <= 0.02


def test_learning_is_decided_by_rng_and_learns(split):
    np.testing.assert_equal(learn(epochs=1).state_dict(), learn(epochs=1).state_dict())
    assert not np.array_equal(learn(epochs=0, rng=1)[0].weight.data, learn(epochs=0)[0].weight.data)
    assert accuracy_on_test(learn(epochs=0), split) < 0.5


def test_the_weights_are_small_and_packed():
    assert WEIGHTS.stat().st_size < 50_000
    packed = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["package-data"]
    folder = ROOT / "pnnlib"
    assert WEIGHTS in {path for pattern in packed.get("pnnlib", []) for path in folder.glob(pattern)}


def test_importing_it_needs_neither_scikit_learn_nor_torch():
    code = (
        "import sys, numpy as np; from pnnlib import pretrained; pretrained.model()(np.zeros((1, 1, 12, 12), 'f')); "
        "assert not {'sklearn', 'scipy', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# Transfer: what it is for.

OTHERS = [5, 6, 7, 8, 9]


def few(split, n, rng):
    rng = np.random.default_rng(rng)
    x, y = only(split.x_train, split.y_train, OTHERS)
    some = np.concatenate([rng.choice(np.flatnonzero(y == c), n, replace=False) for c in range(5)])
    return anywhere(x[some], rng), y[some]


def test_with_two_examples_of_each_other_digit_it_is_the_better_start(split):
    """As means over five seeds; part f shows it for more examples."""
    scratch, frozen, tuned = [], [], []
    for seed in range(5):
        x, y = few(split, 2, seed)
        features = model()[:-1]
        last = Linear(32, 5, rng=seed).astype(np.float32)
        train.fit(last, train.outputs(features, x), y, optim.Adam(last.parameters(), lr=0.03), epochs=30,
                  progress=False, rng=seed)
        frozen.append(accuracy_on_test(Sequential(*features, last), split, OTHERS))
        starts = network(5, rng=seed), Sequential(*model()[:-1], Linear(32, 5, rng=seed).astype(np.float32))
        for start, scores in zip(starts, (scratch, tuned)):
            train.fit(start, x, y, optim.Adam(start.parameters(), lr=0.01), epochs=30, progress=False, rng=seed)
            scores.append(accuracy_on_test(start, split, OTHERS))
    assert np.mean(tuned) > np.mean(scratch) + 0.08, (scratch, tuned)
    assert np.mean(frozen) > np.mean(scratch) + 0.02, (scratch, frozen)


# Its tools


def test_anywhere_moves_the_whole_digit_to_any_place_alike():
    x = np.random.default_rng(0).random((1000, 1, 8, 8)) + 0.1
    before = x.copy()
    y = anywhere(x, rng=0)
    np.testing.assert_array_equal(x, before)
    assert y.shape == (1000, 1, 12, 12) and y.dtype == x.dtype
    corners = []
    for old, new in zip(x[:, 0], y[:, 0]):
        top, left = (int(np.flatnonzero(new.any(axis=axis))[0]) for axis in (1, 0))
        np.testing.assert_array_equal(new[top:top + 8, left:left + 8], old)
        assert np.count_nonzero(new) == 64
        corners.append((top, left))
    places, counts = np.unique(corners, axis=0, return_counts=True)
    assert len(places) == 25 and places.min() == 0 and places.max() == 2 * MARGIN and counts.min() > 20
    np.testing.assert_array_equal(anywhere(x, rng=0), y)
    assert anywhere(x.astype(np.float32), rng=0).dtype == np.float32


def test_only_selects_and_counts_from_zero():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 2, 3)), rng.integers(10, size=60)
    some, labels = only(x, y, OTHERS)
    expected = [i for i in range(60) if y[i] in OTHERS]
    np.testing.assert_array_equal(some, x[expected])
    assert [OTHERS[label] for label in labels] == y[expected].tolist()
    backwards = only(x, y, OTHERS[::-1])
    np.testing.assert_array_equal(backwards[0], some)
    np.testing.assert_array_equal(backwards[1], 4 - labels)
    assert [len(a) for a in only(x, y, [11])] == [0, 0]


@pytest.mark.parametrize("arguments, sentence", [
    ((np.ones((3, 2)), [1, 2], [1]), r"x must be \(N, …\) and y \(N,\), a label for each, got \(3, 2\) and \(2,\)"),
    ((np.ones((2, 2)), [[1], [2]], [1]), r"a label for each, got \(2, 2\) and \(2, 1\)"),
    ((np.ones((2, 2)), [1, 2], 1), "classes must be a list of different ones, such as .*, got 1"),
    ((np.ones((2, 2)), [1, 2], [1, 1]), r"different ones, such as .*, got \[1, 1\]"),
])
def test_what_only_refuses(arguments, sentence):
    with pytest.raises(ValueError, match=f"^only: .*{sentence}"):
        only(*arguments)
