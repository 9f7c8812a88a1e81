"""The data sets: always the same, what they say they are, and MNIST from every kind of copy, whole or broken."""

import gzip
import hashlib
import inspect
import subprocess
import sys
import warnings
from types import SimpleNamespace
from urllib.error import URLError

import numpy as np
import pytest
import sklearn.datasets
from witnesses import check_values

import pnnlib.data
from components import public_functions
from pnnlib.conv import conv1d
from pnnlib.data import (
    FASHION, Split, blobs, circles, digits, fashion_mnist, mnist, moons, pattern_at_random_place, spirals, xor,
)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


# Digits


def test_digits_are_those_of_scikit_learn_each_once():
    split = digits()
    parts = [(split.x_train, split.y_train), (split.x_validation, split.y_validation), (split.x_test, split.y_test)]
    ours = sorted((*(16 * x).ravel().tolist(), int(label)) for xs, ys in parts for x, label in zip(xs, ys))
    theirs = sklearn.datasets.load_digits()
    assert ours == sorted((*x.tolist(), int(label)) for x, label in zip(theirs.data, theirs.target))


def test_the_split_of_the_digits_is_stratified_and_mixed():
    split = digits()
    assert [x.shape for x in split[::2]] == [(1197, 1, 8, 8), (300, 1, 8, 8), (300, 1, 8, 8)]
    for x, y in zip(split[::2], split[1::2]):
        assert x.dtype == np.float64 and y.dtype == np.int64 and x.flags.c_contiguous
        assert x.min() == 0 and x.max() == 1
        np.testing.assert_array_equal(y[:300], np.tile(np.arange(10), 30))
    assert np.bincount(split.y_test).tolist() == np.bincount(split.y_validation).tolist() == [30] * 10
    assert np.bincount(split.y_train).min() == 114 and np.bincount(split.y_train).max() == 123


def test_the_split_of_the_digits_never_changes():
    # Whoever must change this number changes every accuracy in the notebooks.
    whole = b"".join((16 * x).astype(np.uint8).tobytes() + y.astype(np.uint8).tobytes()
                     for x, y in zip(digits()[::2], digits()[1::2]))
    assert hashlib.sha256(whole).hexdigest() == "41385d181f346c2d67a59baee558d2b257dc55b68d482708966ce9001dd2fc94"


def test_the_split_does_not_depend_on_scikit_learns_order(monkeypatch, rng):
    expected = digits()
    x, y = sklearn.datasets.load_digits(return_X_y=True)
    order = rng.permutation(len(y))
    monkeypatch.setattr(sklearn.datasets, "load_digits", lambda return_X_y: (x[order], y[order]))
    for a, b in zip(digits(), expected):
        np.testing.assert_array_equal(a, b)


def test_digits_are_new_arrays_of_the_type_asked_for():
    split = digits(np.float32)
    assert {x.dtype for x in split[::2]} == {np.dtype(np.float32)}
    check_values(split.x_test, digits().x_test, atol=0)  # sixteenths are exact in both
    split.x_train[:] = 7
    assert digits(np.float32).x_train.max() == 1
    with pytest.raises(TypeError, match="^digits: dtype must be np.float32 or np.float64, for numbers from 0 to 1"):
        digits(np.uint8)


def test_digits_without_scikit_learn(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ImportError, match="^digits: the pictures come with scikit-learn, .*: pip install"):
        digits()


def test_the_module_needs_scikit_learn_only_when_asked():
    code = "import sys, pnnlib.data; pnnlib.data.moons(); assert not {'sklearn', 'scipy', 'torch'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_split_shows_its_shapes():
    split = Split(*(np.zeros(n) for n in range(6)))
    assert repr(split) == (
        "Split(x_train (0,), y_train (1,), x_validation (2,), y_validation (3,), x_test (4,), y_test (5,))"
    )


# Toy sets

TOYS = {
    "moons": moons,
    "circles": circles,
    "spirals": spirals,
    "xor": xor,
    "blobs": blobs,
    "pattern_at_random_place": pattern_at_random_place,
}
EACH_TOY = pytest.mark.parametrize("name", TOYS)


@EACH_TOY
def test_a_toy_set_is_the_same_for_the_same_number(name):
    toy = TOYS[name]
    (x, y), (again, y_again), (other, y_other) = toy(50), toy(50, rng=np.random.default_rng(0)), toy(50, rng=1)
    np.testing.assert_array_equal(x, again)
    np.testing.assert_array_equal(y, y_again)
    np.testing.assert_array_equal(y, y_other)
    assert not np.array_equal(x, other)
    assert not np.array_equal(toy(50, rng=None)[0], toy(50, rng=None)[0])


@EACH_TOY
def test_a_toy_set_has_its_shape_and_all_classes_alike(name):
    for n in (0, 1, 2, 7, 60):
        x, y = TOYS[name](n)
        assert x.shape == ((n, 1, 32) if name == "pattern_at_random_place" else (n, 2))
        assert x.dtype == np.float64 and y.shape == (n,) and y.dtype == np.int64
        if n >= 7:
            counts = np.bincount(y)
            assert len(counts) >= 2 and counts.max() - counts.min() <= 1


@EACH_TOY
def test_noise_is_added_to_every_number(name):
    toy = TOYS[name]
    clean, _ = toy(4000, noise=0)
    for noise in (0.1, 2):
        added = toy(4000, noise=noise)[0] - clean
        assert abs(added.mean()) < 0.06 * noise and abs(added.std() / noise - 1) < 0.05
        assert len(np.unique(added.round(12))) > 0.99 * added.size


@EACH_TOY
@pytest.mark.parametrize("options, sentence", [
    ({"n": -1}, "n must be at least 0, got -1"),
    ({"n": 10.0}, "n must be an int, got 10.0"),
    ({"noise": -0.1}, "noise must be a standard deviation, from 0 up, got -0.1"),
    ({"noise": (0.1, 0.2)}, "noise must be a number, got (0.1, 0.2)"),
    ({"noise": "much"}, "noise must be a number, got 'much'"),
    ({"noise": np.nan}, "noise must be a number, got nan"),
])
def test_what_toy_sets_refuse(name, options, sentence):
    with pytest.raises((ValueError, TypeError)) as caught:
        TOYS[name](**options)
    assert str(caught.value) == f"{name}: {sentence}"


def on_the_moons(x, y):
    upper, lower = x[y == 0], x[y == 1]
    check_values(np.hypot(*upper.T), np.ones(len(upper)))
    check_values(np.hypot(1 - lower[:, 0], 0.5 - lower[:, 1]), np.ones(len(lower)))
    assert upper[:, 1].min() > -1e-12 and lower[:, 1].max() < 0.5 + 1e-12
    assert upper[:, 0].min() < -0.9 and upper[:, 0].max() > 0.9 and lower[:, 0].min() < 0.1 < 1.9 < lower[:, 0].max()


def test_moons_and_circles_are_scikit_learns():
    on_the_moons(*moons(300, noise=0))
    on_the_moons(*sklearn.datasets.make_moons(300, noise=0))
    for x, y in (circles(300, noise=0, factor=0.3), sklearn.datasets.make_circles(300, noise=0, factor=0.3)):
        check_values(np.hypot(*x.T), np.where(y == 0, 1, 0.3))
    quarter = np.arctan2(*circles(400, noise=0)[0].T) // (np.pi / 2)
    assert np.unique(quarter, return_counts=True)[1].min() > 70  # all the way round


def test_spirals():
    for classes, turns in ((2, 1), (3, 1.5), (1, -0.25)):
        x, y = spirals(300, noise=0, classes=classes, turns=turns)
        radius, angle = np.hypot(*x.T), np.arctan2(x[:, 1], x[:, 0])
        assert 0.1 <= radius.min() < 0.12 and 0.98 < radius.max() <= 1
        check_values(np.exp(1j * angle), np.exp(2j * np.pi * (turns * radius + y / classes)))


def test_xor_and_blobs():
    x, y = xor(200)
    assert np.mean((x[:, 0] * x[:, 1] < 0) == y) > 0.99
    assert len(np.unique(np.sign(x), axis=0)) == 4
    assert abs(np.corrcoef(x.T, y)[2, :2]).max() < 0.1  # no coordinate says anything alone
    x, y = blobs(400, noise=0.1, classes=4)
    for c, centre in enumerate([(1, 0), (0, 1), (-1, 0), (0, -1)]):
        check_values(x[y == c].mean(axis=0), centre, atol=0.05)


@pytest.mark.parametrize("make, sentence", [
    (lambda: spirals(classes=0), "spirals: classes must be at least 1, got 0"),
    (lambda: spirals(turns=None), "spirals: turns must be a number, got None"),
    (lambda: blobs(classes=2.5), "blobs: classes must be an int, got 2.5"),
    (lambda: circles(factor=[1]), "circles: factor must be a number, got [1]"),
])
def test_what_a_toy_set_refuses(make, sentence):
    with pytest.raises((ValueError, TypeError)) as caught:
        make()
    assert str(caught.value) == sentence


# Signals


def test_each_signal_has_its_pattern_once_and_nothing_else():
    patterns = np.array([[1.0, 2, 3], [3, -1, 1], [5, 5, 5]])
    x, y = pattern_at_random_place(300, length=9, noise=0, patterns=patterns)
    seen = []
    for signal, label in zip(x[:, 0], y):
        begins = [p for p in range(7) if np.array_equal(signal[p:p + 3], patterns[label])]
        assert len(begins) == 1
        assert np.count_nonzero(signal) == 3
        seen += begins
    assert np.bincount(seen, minlength=7).min() > 300 / 7 / 2


def test_signals_at_given_places():
    for places in ([0, 24], np.array([[3], [17]]), 24):
        x, y = pattern_at_random_place(60, noise=0, places=places)
        begins = {int(np.flatnonzero(signal)[0]) for signal in x[:, 0]}
        assert begins == set(np.ravel(places).tolist())
    ramp = np.linspace(-1, 1, 8)
    np.testing.assert_array_equal(x[0, 0, 24:], ramp)
    np.testing.assert_array_equal(x[1, 0, 24:], ramp[::-1])
    assert pattern_at_random_place(5, patterns=np.ones((2, 32)))[0].shape == (5, 1, 32)


def test_shared_weights_tolerate_a_new_place_and_a_weight_for_each_place_does_not():
    x, y = pattern_at_random_place(400, places=range(12), rng=0)
    x_new, y_new = pattern_at_random_place(400, places=range(12, 25), rng=1)
    ramp = np.linspace(-1, 1, 8)
    net = conv1d(x_new, np.stack([ramp, -ramp])[:, None])  # one mask for each class, looked for everywhere
    assert np.mean(net.max(axis=-1).argmax(axis=1) == y_new) > 0.99

    one_for_each_place = np.linalg.lstsq(x[:, 0], 2 * y - 1, rcond=None)[0]
    assert np.mean((x[:, 0] @ one_for_each_place > 0) == y) > 0.6
    assert np.mean((x_new[:, 0] @ one_for_each_place > 0) == y_new) < 0.6


@pytest.mark.parametrize("options, sentence", [
    ({"length": 7}, "places must be ints from 0 to length − K = -1, so that the patterns of 8 samples fit into the"),
    ({"length": 2.5}, "length must be an int, got 2.5"),
    ({"places": [25]}, "places must be ints from 0 to length − K = 24"),
    ({"places": [-1]}, "places must be ints from 0 to length − K = 24"),
    ({"places": [0.5]}, "places must be ints from 0 to length − K = 24"),
    ({"places": [[1], [1, 2]]}, "places must be an array of numbers, got rows of unequal length"),
    ({"places": [np.nan]}, "places must be ints from 0 to length − K = 24"),
    ({"places": []}, "places must be ints from 0 to length − K = 24"),
    ({"patterns": [1, 2, 3]}, "patterns must be (classes, K), one row for each class, got (3,)"),
    ({"patterns": np.ones((0, 3))}, "patterns must be (classes, K), one row for each class, got (0, 3)"),
    ({"patterns": [[1], [1, 2]]}, "patterns must be an array of numbers, got rows of unequal length"),
])
def test_what_the_signals_refuse(options, sentence):
    with pytest.raises((ValueError, TypeError)) as caught:
        pattern_at_random_place(**options)
    assert str(caught.value).startswith(f"pattern_at_random_place: {sentence}")


# MNIST and Fashion-MNIST, from small copies that are written here. Nothing here may reach for the network.

NAMES = {
    "x_train": "train-images-idx3-ubyte",
    "y_train": "train-labels-idx1-ubyte",
    "x_test": "t10k-images-idx3-ubyte",
    "y_test": "t10k-labels-idx1-ubyte",
}
REAL_FETCH = sklearn.datasets.fetch_openml
EACH_SET = pytest.mark.parametrize("load", [mnist, fashion_mnist])


@pytest.fixture(autouse=True)
def nowhere(monkeypatch, tmp_path):
    """Neither a copy nor a network, until a test brings one."""

    def fetch_openml(*args, **kwargs):
        raise URLError("the network is closed in tests")

    monkeypatch.setattr(sklearn.datasets, "fetch_openml", fetch_openml)
    monkeypatch.delenv("PNNLIB_DATA", raising=False)
    for home in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(home, str(tmp_path / "home"))


@pytest.fixture
def small(rng):
    data = {"x_train": rng.integers(256, size=(12, 28, 28)), "y_train": rng.integers(10, size=12),
            "x_test": rng.integers(256, size=(5, 28, 28)), "y_test": rng.integers(10, size=5)}
    return {key: a.astype(np.uint8) for key, a in data.items()}


def idx(a):
    return bytes([0, 0, 8, a.ndim]) + b"".join(n.to_bytes(4, "big") for n in a.shape) + a.tobytes()


def write(folder, data, name=lambda file: file, pack=bytes):
    folder.mkdir(parents=True, exist_ok=True)
    for key, a in data.items():
        (folder / name(NAMES[key])).write_bytes(pack(idx(a)))


def write_npz(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **data)


def check_split(split, data, kept_back=0):
    end = len(data["y_train"]) - kept_back
    parts = [("x_train", slice(end), split.x_train), ("x_train", slice(end, None), split.x_validation),
             ("x_test", slice(None), split.x_test)]
    for key, part, x in parts:
        check_values(x, data[key][part][:, None] / 255, atol=1e-15 if x.dtype == np.float64 else 1e-7)
        assert len(x) == 0 or 0 <= x.min() and x.max() <= 1
    for key, part, y in [("y_train", slice(end), split.y_train), ("y_train", slice(end, None), split.y_validation),
                         ("y_test", slice(None), split.y_test)]:
        np.testing.assert_array_equal(y, data[key][part])
        assert y.dtype == np.int64


@EACH_SET
@pytest.mark.parametrize("name, pack", [
    (lambda file: file, bytes),
    (lambda file: f"{file}.gz", gzip.compress),
    (lambda file: file.replace("-idx", ".idx"), bytes),
    (lambda file: file.replace("-idx", ".idx") + ".gz", gzip.compress),
    (lambda file: f"{file}.gz", bytes),  # a browser unpacked it
], ids=["plain", "gz", "dotted", "dotted gz", "gz by name only"])
def test_four_files(load, name, pack, small, tmp_path, monkeypatch):
    write(tmp_path / "own", small, name, pack)
    check_split(load(tmp_path / "own"), small)
    check_split(load(str(tmp_path / "own")), small)
    write(tmp_path / "many" / load.__name__, small, name, pack)
    check_split(load(tmp_path / "many"), small)
    monkeypatch.setenv("PNNLIB_DATA", str(tmp_path / "many"))
    check_split(load(), small)
    monkeypatch.setenv("PNNLIB_DATA", "")
    write(tmp_path / "home" / ".cache" / "pnnlib" / load.__name__, small, name, pack)
    check_split(load(), small)


@EACH_SET
def test_one_file(load, small, tmp_path, monkeypatch):
    write_npz(tmp_path / f"{load.__name__}.npz", small)
    check_split(load(tmp_path), small)
    check_split(load(tmp_path / f"{load.__name__}.npz"), small)
    monkeypatch.setenv("PNNLIB_DATA", str(tmp_path))
    check_split(load(), small)
    write_npz(tmp_path / "sub" / load.__name__ / f"{load.__name__}.npz", small)
    check_split(load(tmp_path / "sub"), small)
    write_npz(tmp_path / "home" / ".cache" / "pnnlib" / f"{load.__name__}.npz", small)
    monkeypatch.delenv("PNNLIB_DATA")
    check_split(load(), small)


def test_the_four_files_of_one_set_are_not_taken_for_the_other(small, tmp_path, monkeypatch):
    # They have the same names, so a folder for both must say which is which.
    write(tmp_path / "mnist", small)
    write(tmp_path, small)
    monkeypatch.setenv("PNNLIB_DATA", str(tmp_path))
    check_split(mnist(), small)
    with pytest.raises(FileNotFoundError, match="^fashion_mnist: there is no copy"):
        fashion_mnist()


def test_validation_and_type(small, tmp_path):
    write(tmp_path, small)
    for kept_back in (0, 1, 5, 12):
        check_split(mnist(tmp_path, validation=kept_back), small, kept_back)
    split = mnist(tmp_path, validation=4, dtype=np.float32)
    check_split(split, small, 4)
    assert {x.dtype for x in split[::2]} == {np.dtype(np.float32)}
    assert mnist(tmp_path).x_validation.shape == (0, 1, 28, 28)
    for options, sentence in [
        ({"validation": 13}, "validation must be at most 12, the pictures to learn from, got 13"),
        ({"validation": -1}, "validation must be at least 0, got -1"),
        ({"validation": 0.1}, "validation must be an int, got 0.1"),
        ({"folder": 5000}, "folder must be the path of a folder, got 5000: is it for validation=?"),
        ({"dtype": int}, "dtype must be np.float32 or np.float64"),
    ]:
        with pytest.raises((ValueError, TypeError)) as caught:
            mnist(**{"folder": tmp_path, **options})
        assert str(caught.value).startswith(f"mnist: {sentence}")


HTML = b"<!DOCTYPE html><html><body>Not found</body></html>"
BROKEN_FILES = {
    "cut off": ("x_train", lambda raw: raw[:-1], "must hold 9408 bytes after its first 16, for (12, 28, 28), got 9407"),
    "too long": ("y_test", lambda raw: raw + b"\0", "must hold 5 bytes after its first 8, for (5,), got 6"),
    "packed and cut off": ("x_train", lambda raw: gzip.compress(raw)[:-100], "is cut off or damaged, and cannot be"),
    "packed, nearly nothing": ("x_train", lambda raw: gzip.compress(raw)[:5], "is cut off or damaged"),
    "packed and damaged": ("x_test", lambda raw: gzip.compress(raw)[:10] + b"\xff" + gzip.compress(raw)[11:],
                           "is cut off or damaged"),
    "checksum": ("x_test", lambda raw: gzip.compress(raw)[:-8] + b"\1" * 8, "is cut off or damaged"),
    "a web page": ("y_train", lambda raw: HTML, "must be an idx file of bytes, beginning with 00 00 08, got 3c 21 44"),
    "empty": ("y_train", lambda raw: b"", "must be an idx file of bytes, beginning with 00 00 08, got nothing"),
    "four bytes": ("x_test", lambda raw: raw[:4], "must be an idx file of bytes"),
    "another type": ("x_test", lambda raw: b"\0\0\x0d" + raw[3:], "must be an idx file of bytes, beginning with 00 00"),
    "huge": ("x_test", lambda raw: b"\0\0\x08\x03" + b"\xff" * 12, "must hold"),
}


@pytest.mark.parametrize("case", BROKEN_FILES)
def test_broken_files_get_a_sentence(case, small, tmp_path):
    key, spoil, sentence = BROKEN_FILES[case]
    write(tmp_path, small)
    (tmp_path / NAMES[key]).write_bytes(spoil(idx(small[key])))
    with pytest.raises(ValueError) as caught:
        mnist(tmp_path)
    assert str(caught.value).startswith(f"mnist: {tmp_path / NAMES[key]} {sentence}")


WRONG_SETS = {
    "pictures and labels mixed up": (lambda d: {**d, "x_train": d["y_train"], "y_train": d["x_train"]},
                                     "the pictures to train must be (N, 28, 28) bytes, got (12,) of uint8"),
    "small pictures": (lambda d: {**d, "x_test": d["x_test"][:, :8, :8]},
                       "the pictures to test must be (N, 28, 28) bytes, got (5, 8, 8) of uint8"),
    "labels of the other part": (lambda d: {**d, "y_test": d["y_train"]},
                                 "the labels to test must be (5,), from 0 to 9, one for each picture, got (12,)"),
    "letters": (lambda d: {**d, "y_train": d["y_train"] + np.uint8(20)}, "the labels to train must be (12,), from 0"),
}


@pytest.mark.parametrize("kind", ["idx", "npz"])
@pytest.mark.parametrize("case", WRONG_SETS)
def test_sets_that_are_another_get_a_sentence(case, kind, small, tmp_path):
    change, sentence = WRONG_SETS[case]
    if kind == "idx":
        write(tmp_path, change(small))
    else:
        write_npz(tmp_path / "mnist.npz", change(small))
    with pytest.raises(ValueError) as caught:
        mnist(tmp_path)
    assert str(caught.value).startswith(f"mnist: {sentence}")


def test_files_that_are_missing_are_named(small, tmp_path):
    write(tmp_path, small)
    (tmp_path / NAMES["y_train"]).unlink()
    (tmp_path / NAMES["x_test"]).unlink()
    with pytest.raises(FileNotFoundError) as caught:
        mnist(tmp_path)
    assert str(caught.value) == (
        f"mnist: {tmp_path} must hold all four files, of which are missing train-labels-idx1-ubyte, "
        f"t10k-images-idx3-ubyte (with or without .gz)"
    )


BROKEN_NPZ = {
    "a web page": (lambda raw: HTML, "must be an .npz file, but is cut off, or something else"),
    "cut off": (lambda raw: raw[:-30], "must be an .npz file, but is cut off, or something else"),
    "damaged": (lambda raw: raw[:200] + b"\xff" * 50 + raw[250:], "must be an .npz file with the arrays x_train, y"),
}


@pytest.mark.parametrize("case", BROKEN_NPZ)
def test_broken_npz_files_get_a_sentence(case, small, tmp_path):
    spoil, sentence = BROKEN_NPZ[case]
    path = tmp_path / "mnist.npz"
    write_npz(path, small)
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(ValueError) as caught:
        mnist(tmp_path)
    assert str(caught.value).startswith(f"mnist: {path} {sentence}")


def test_npz_files_with_something_else(small, tmp_path):
    path = tmp_path / "mnist.npz"
    for data, sentence in [
        ({"weight": np.ones(3)}, "it has no x_train, y_train, x_test, y_test, but weight; delete it, or replace it"),
        ({**small, "y_train": np.array(["a"] * 12, object)}, "Object arrays cannot be loaded"),
    ]:
        write_npz(path, data)
        with pytest.raises(ValueError) as caught:
            mnist(tmp_path)
        beginning = f"mnist: {path} must be an .npz file with the arrays x_train, y_train, x_test, y_test: "
        assert str(caught.value).startswith(beginning + sentence)
    write_npz(path, {**small, "x_train": small["x_train"] / 255})  # would be divided by 255 once more
    with pytest.raises(ValueError, match="^mnist: the pictures to train must be .* bytes, got .* of float64"):
        mnist(tmp_path)
    write_npz(path, {**small, "y_train": small["y_train"].astype(np.int64)})
    check_split(mnist(tmp_path), small)


# With a network and without one


@pytest.fixture
def network(monkeypatch, small):
    """A network with openml.org in it, where the sets are small: as scikit-learn gives them, floats and words."""
    calls = []

    def fetch_openml(name, **options):
        calls.append((name, options))
        x = np.concatenate([small["x_train"], small["x_test"]]).reshape(-1, 784).astype(np.float64)
        y = np.concatenate([small["y_train"], small["y_test"]]).astype(str).astype(object)
        return SimpleNamespace(data=x, target=y)

    monkeypatch.setattr(sklearn.datasets, "fetch_openml", fetch_openml)
    monkeypatch.setattr(pnnlib.data, "_TRAINING", 12)
    monkeypatch.setattr(pnnlib.data, "_TEST", 5)
    return calls


@EACH_SET
def test_fetched_once_and_kept(load, network, small, tmp_path, monkeypatch, capsys):
    folder = tmp_path / "deep" / "down"
    check_split(load(folder, validation=2), small, 2)
    assert capsys.readouterr().out.startswith(f"{load.__name__}: no copy in {folder}; fetching it from openml.org")
    assert [name for name, _ in network] == ["mnist_784" if load is mnist else "Fashion-MNIST"]
    assert [path.name for path in folder.iterdir()] == [f"{load.__name__}.npz"]
    check_split(load(folder), small)
    assert len(network) == 1 and capsys.readouterr().out == ""

    check_split(load(), small)
    assert (tmp_path / "home" / ".cache" / "pnnlib" / f"{load.__name__}.npz").is_file()
    monkeypatch.setenv("PNNLIB_DATA", str(tmp_path / "data"))
    check_split(load(), small)
    assert (tmp_path / "data" / f"{load.__name__}.npz").is_file()
    assert len(network) == 3


def test_what_is_asked_of_scikit_learn_is_something_it_takes(network, tmp_path):
    mnist(tmp_path)
    (_, options), = network
    real = inspect.signature(inspect.unwrap(REAL_FETCH)).parameters
    assert set(options) <= set(real)
    assert options["version"] == 1 and options["as_frame"] is False and options["parser"] == "liac-arff"


@EACH_SET
def test_without_a_network_the_way_out_is_said(load, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(FileNotFoundError) as caught:
            load(tmp_path)
    name = load.__name__
    assert str(caught.value) == (
        f"{name}: there is no copy in {tmp_path}, and fetching one failed (URLError: <urlopen error the network is "
        f"closed in tests>). Put the four files train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz, "
        f"t10k-images-idx3-ubyte.gz, t10k-labels-idx1-ubyte.gz into {tmp_path / name}, or one file {name}.npz with "
        f"x_train, y_train, x_test, y_test into {tmp_path}, or name the folder that has them: {name}(folder) or the "
        f"environment variable PNNLIB_DATA. digits() needs no network"
    )
    assert caught.value.__suppress_context__ and caught.value.__cause__ is None
    assert list(tmp_path.iterdir()) == []


def test_scikit_learns_own_warnings_do_not_distract(network, tmp_path, monkeypatch, recwarn):
    def fetch_openml(*args, **kwargs):
        warnings.warn("A network error occurred. Retrying...")
        raise TimeoutError("timed out")

    monkeypatch.setattr(sklearn.datasets, "fetch_openml", fetch_openml)
    with pytest.raises(FileNotFoundError, match=r"fetching one failed \(TimeoutError: timed out\)"):
        mnist(tmp_path)
    assert not recwarn.list


def test_without_scikit_learn_the_way_out_is_said(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(FileNotFoundError, match="^mnist: there is no copy in .*ModuleNotFoundError: .*sklearn"):
        mnist(tmp_path)


def test_something_else_fetched_is_not_kept(network, tmp_path, monkeypatch):
    monkeypatch.setattr(pnnlib.data, "_TRAINING", 11)
    with pytest.raises(FileNotFoundError, match=r"ValueError: it must be \(16, 784\), got \(17, 784\)"):
        mnist(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_where_no_copy_can_be_kept(network, small, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.warns(UserWarning, match="^mnist: fetched, but no copy could be kept in .*mnist.npz") as caught:
        check_split(mnist(tmp_path / "file" / "folder"), small)
    assert caught[0].filename == __file__  # the warning points at the caller


def test_a_copy_is_whole_or_not_there(network, tmp_path, monkeypatch):
    def interrupted(path, **data):
        path.write_bytes(b"half of it")
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez_compressed", interrupted)
    with pytest.raises(KeyboardInterrupt):
        mnist(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_fashion_has_a_name_for_each_class():
    assert len(set(FASHION)) == 10


def test_docstrings_have_what_a_reader_looks_for():
    for name, function in public_functions("data").items():
        text = inspect.getdoc(function)
        assert "PyTorch:" in text and "Shapes:" in text and ">>>" in text, name
