"""Data to learn from: real digits, toy sets in the plane, a pattern somewhere in a signal, and MNIST and its likes.

Inputs come as layers take them, pictures as (N, 1, H, W) from 0 for empty to 1
for ink; labels as (N,) ints from 0. Real data is divided once and for all into
the three parts of a `Split`. Toy data is drawn anew at each call, from `rng`: the
same number gives the same data, so draw a test set with another one.
"""

import gzip
import hashlib
import math
import os
import tempfile
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pnnlib.arrays import as_floats, as_int

# What the labels 0 to 9 of Fashion-MNIST stand for.
FASHION = ("T-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")


class Split(NamedTuple):
    """A data set in three parts: one to learn from, one to choose with, one to be judged by, once, at the end."""

    x_train: np.ndarray
    y_train: np.ndarray
    x_validation: np.ndarray
    y_validation: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray

    def __repr__(self):
        return f"Split({', '.join(f'{name} {a.shape}' for name, a in self._asdict().items())})"


# Real pictures


def digits(dtype=np.float64):
    """Return 1797 handwritten digits of 8×8 pixels, in a split that is always the same.

    The pictures lie in scikit-learn, so no network is needed. 30 of every digit
    are for validation, 30 for the test, and the rest, 1197, for training. Which
    ones follows from their pixels alone: sorted by their SHA-256 hash, as good as
    shuffled, the first 30 of a digit go to the test and the next 30 to the
    validation. No random generator and no version of a library has a say in it.
    In each part the digits take turns, 0 1 2 … 9 0 1 2 …, until one runs out.

    Shapes: → a `Split`, x (N, 1, 8, 8) from 0 to 1 in steps of 1/16, y (N,).
    PyTorch: `torch.from_numpy` of the arrays; it has no such data set of its own.

    >>> digits()  # doctest: +NORMALIZE_WHITESPACE
    Split(x_train (1197, 1, 8, 8), y_train (1197,), x_validation (300, 1, 8, 8), y_validation (300,),
          x_test (300, 1, 8, 8), y_test (300,))
    """
    dtype = _check_dtype("digits", dtype)
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ImportError(
            f"digits: the pictures come with scikit-learn, which could not be imported ({error}): "
            f"pip install scikit-learn"
        ) from None
    sixteenths, y = load_digits(return_X_y=True)
    sixteenths, y = sixteenths.astype(np.uint8), y.astype(np.int64)
    x = np.divide(sixteenths, 16, dtype=dtype).reshape(-1, 1, 8, 8)
    shuffled = np.array(sorted(range(len(y)), key=lambda i: hashlib.sha256(sixteenths[i].tobytes()).digest()))
    place = np.empty(len(y), int)  # of each picture among those of its digit
    for digit in range(10):
        its = shuffled[y[shuffled] == digit]
        place[its] = np.arange(len(its))
    order = np.lexsort([y, place])
    x, y, place = x[order], y[order], place[order]
    test, validation, train = place < 30, (place >= 30) & (place < 60), place >= 60
    return Split(x[train], y[train], x[validation], y[validation], x[test], y[test])


def mnist(folder=None, validation=0, dtype=np.float64):
    """Return MNIST, 70,000 handwritten digits of 28×28 pixels: from a local copy, else fetched once and kept.

    The folder is the argument, else the environment variable PNNLIB_DATA, else
    ~/.cache/pnnlib. In it, or in its subfolder `mnist`, lie either `mnist.npz`,
    with the arrays x_train, y_train, x_test and y_test of bytes (as Keras has
    them), or the four files in which the data set is published:
    train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and
    t10k-labels-idx1-ubyte, unpacked or not (.gz). The four are looked for in the
    subfolder, and in the folder itself only if it was given as the argument,
    because those of Fashion-MNIST have the same names. Where there is none of
    them, scikit-learn fetches the data set from openml.org.

    The test set is the published one, 10,000 pictures. Of the other 60,000,
    `validation` many, the last ones, are kept back to choose with, by default none.

    Shapes: → a `Split`, x (N, 1, 28, 28) from 0 to 1, y (N,). In float64 it takes
    440 MB of memory, with `dtype=np.float32` half of it.
    PyTorch: `torchvision.datasets.MNIST(folder, train)`.

    >>> mnist(validation=-1)
    Traceback (most recent call last):
    ValueError: mnist: validation must be at least 0, got -1
    """
    return _mnist_or_alike("mnist", "mnist_784", folder, validation, dtype)


def fashion_mnist(folder=None, validation=0, dtype=np.float64):
    """Return Fashion-MNIST: as `mnist` in everything, but the pictures show clothes, and are harder to tell apart.

    Its subfolder is `fashion_mnist`, its file `fashion_mnist.npz`. `FASHION` has
    the names of the ten classes.

    Shapes: → a `Split`, x (N, 1, 28, 28) from 0 to 1, y (N,).
    PyTorch: `torchvision.datasets.FashionMNIST(folder, train)`.

    >>> FASHION[9]
    'ankle boot'
    """
    return _mnist_or_alike("fashion_mnist", "Fashion-MNIST", folder, validation, dtype)


# Toy sets: points in the plane. Their classes take turns, so that any part of a set has them all.


def moons(n=200, noise=0.1, rng=0):
    """Return points on two half circles that reach into each other, so that no straight line parts the two classes.

    Class 0 is (cos t, sin t), class 1 is (1 − cos t, ½ − sin t), with t from 0 to
    π; `noise` is the standard deviation of what is added to both coordinates.

    Shapes: → x (n, 2), y (n,). PyTorch: no function; scikit-learn has `make_moons`.

    >>> x, y = moons(4, noise=0)
    >>> y, bool((x[y == 0, 1] >= 0).all())
    (array([0, 1, 0, 1]), True)
    """
    y, rng = _start("moons", n, noise, 2, rng)
    t = rng.uniform(0, np.pi, size=n)
    upper, lower = np.stack([np.cos(t), np.sin(t)], axis=1), np.stack([1 - np.cos(t), 0.5 - np.sin(t)], axis=1)
    return _blur(np.where(y[:, None] == 0, upper, lower), noise, rng), y


def circles(n=200, noise=0.1, factor=0.5, rng=0):
    """Return points on two circles, one in the other, so that no straight line parts the two classes.

    Class 0 has radius 1, class 1 radius `factor`, both the centre (0, 0).

    Shapes: → x (n, 2), y (n,). PyTorch: no function; scikit-learn has `make_circles`.

    >>> x, y = circles(4, noise=0)
    >>> y, np.hypot(*x.T).round(6)
    (array([0, 1, 0, 1]), array([1. , 0.5, 1. , 0.5]))
    """
    y, rng = _start("circles", n, noise, 2, rng)
    t = rng.uniform(0, 2 * np.pi, size=n)
    radius = np.where(y == 0, 1, _number("circles", "factor", factor))
    return _blur(np.stack([radius * np.cos(t), radius * np.sin(t)], axis=1), noise, rng), y


def spirals(n=200, noise=0.02, classes=2, turns=1, rng=0):
    """Return points on spirals that wind about each other: a hard case for a shallow network.

    Each goes from radius 0.1 to 1 in a number of turns, and starts 2π / classes after the one before.

    Shapes: → x (n, 2), y (n,). PyTorch: no function.

    >>> x, y = spirals(6, classes=3)
    >>> x.shape, y
    ((6, 2), array([0, 1, 2, 0, 1, 2]))
    """
    y, rng = _start("spirals", n, noise, classes, rng)
    radius = rng.uniform(0.1, 1, size=n)
    t = 2 * np.pi * (_number("spirals", "turns", turns) * radius + y / classes)
    return _blur(np.stack([radius * np.cos(t), radius * np.sin(t)], axis=1), noise, rng), y


def xor(n=200, noise=0.2, rng=0):
    """Return points about the corners of a square, where opposite corners are one class: no single neuron can do it.

    Exclusive or, with −1 for false and 1 for true: class 1 is where the signs of
    the two coordinates differ. The corners are (−1, −1), (−1, 1), (1, 1), (1, −1).

    Shapes: → x (n, 2), y (n,). PyTorch: no function.

    >>> x, y = xor(4, noise=0)
    >>> x.tolist(), y
    ([[-1.0, -1.0], [-1.0, 1.0], [1.0, 1.0], [1.0, -1.0]], array([0, 1, 0, 1]))
    """
    y, rng = _start("xor", n, noise, 2, rng)
    corners = np.array([[-1.0, -1.0], [-1.0, 1.0], [1.0, 1.0], [1.0, -1.0]])
    return _blur(corners[np.arange(n) % 4], noise, rng), y


def blobs(n=200, noise=0.3, classes=3, rng=0):
    """Return a round cloud of points for each class: what the simplest network can learn.

    The clouds lie about evenly spaced places on the circle of radius 1; `noise` is their standard deviation.

    Shapes: → x (n, 2), y (n,). PyTorch: no function; scikit-learn has `make_blobs`.

    >>> x, y = blobs(4, noise=0, classes=2)
    >>> x.round(6).tolist(), y
    ([[1.0, 0.0], [-1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]], array([0, 1, 0, 1]))
    """
    y, rng = _start("blobs", n, noise, classes, rng)
    t = 2 * np.pi * y / classes
    return _blur(np.stack([np.cos(t), np.sin(t)], axis=1), noise, rng), y


# Signals


def pattern_at_random_place(n=400, length=32, noise=0.2, patterns=None, places=None, rng=0):
    """Return noisy signals, in each of which the pattern of its class begins at a place of its own.

    Convolution and pooling give tolerance to location (part d), here in time: a
    network with shared weights has to learn a pattern once, others for each place
    anew. Row c of `patterns` is added to the noise in every signal of class c. By
    default there are two, a ramp of 8 samples that rises from −1 to 1 and one that
    falls: the same numbers, so that only their order tells the classes apart.
    `places` are those to draw from, by default all where the pattern fits: train
    with some, test with the others.

    Shapes: patterns (classes, K), places any number of ints → x (n, 1, length), y (n,).
    PyTorch: no function.

    >>> x, y = pattern_at_random_place(2, length=5, noise=0, patterns=[[1, 2], [3, 4]], places=[1])
    >>> x[:, 0], y
    (array([[0., 1., 2., 0., 0.],
           [0., 3., 4., 0., 0.]]), array([0, 1]))
    """
    name = "pattern_at_random_place"
    ramp = np.linspace(-1, 1, 8)
    (patterns,) = as_floats(name, patterns=[ramp, ramp[::-1]] if patterns is None else patterns)
    if patterns.ndim != 2 or 0 in patterns.shape:
        raise ValueError(f"{name}: patterns must be (classes, K), one row for each class, got {patterns.shape}")
    classes, k = patterns.shape
    length = as_int(name, "length", length, least=1)
    y, rng = _start(name, n, noise, classes, rng)
    (places,) = as_floats(name, places=np.arange(length - k + 1) if places is None else places)
    if places.size == 0 or np.any(places % 1) or places.min() < 0 or places.max() > length - k:
        raise ValueError(
            f"{name}: places must be ints from 0 to length − K = {length - k}, so that the patterns of {k} samples "
            f"fit into the signals of {length}, got {places.tolist()}"
        )
    begin = rng.choice(places.ravel().astype(int), size=n)
    x = np.zeros((n, 1, length), patterns.dtype)
    x[np.arange(n)[:, None], 0, begin[:, None] + np.arange(k)] = patterns[y]
    return _blur(x, noise, rng), y


def _start(operation, n, noise, classes, rng):
    """Check what all toy sets have in common, and return the labels and the generator."""
    n = as_int(operation, "n", n, least=0)
    classes = as_int(operation, "classes", classes, least=1)
    if _number(operation, "noise", noise) < 0:
        raise ValueError(f"{operation}: noise must be a standard deviation, from 0 up, got {noise}")
    return np.arange(n) % classes, np.random.default_rng(rng)


def _blur(x, noise, rng):
    return x + noise * rng.normal(size=x.shape)


def _number(operation, name, value):
    if np.ndim(value) or np.asarray(value).dtype.kind not in "fiu" or not math.isfinite(value):
        raise TypeError(f"{operation}: {name} must be a number, got {value!r}")
    return float(value)


def _check_dtype(operation, dtype):
    dtype = np.dtype(dtype)
    if dtype.kind != "f":
        raise TypeError(f"{operation}: dtype must be np.float32 or np.float64, for numbers from 0 to 1, got {dtype}")
    return dtype


# MNIST and Fashion-MNIST: where they are looked for, and what can be wrong with a copy. As long as they are bytes,
# they are a dictionary of the arrays x_train (N, 28, 28), y_train (N,), x_test and y_test.

_FILES = {
    "x_train": "train-images-idx3-ubyte",
    "y_train": "train-labels-idx1-ubyte",
    "x_test": "t10k-images-idx3-ubyte",
    "y_test": "t10k-labels-idx1-ubyte",
}
_TRAINING, _TEST = 60_000, 10_000  # the published division, the test set last


def _mnist_or_alike(name, openml_name, folder, validation, dtype):
    dtype = _check_dtype(name, dtype)
    validation = as_int(name, "validation", validation, least=0)
    if folder is not None and not isinstance(folder, (str, os.PathLike)):
        raise TypeError(f"{name}: folder must be the path of a folder, got {folder!r}: is it for validation=?")
    root = Path(folder or os.environ.get("PNNLIB_DATA") or "~/.cache/pnnlib").expanduser()
    data = _local_copy(name, root, [root / name, root] if folder else [root / name])
    if data is None:
        data = _fetch(name, openml_name, root)
    train = len(data["y_train"]) - validation
    if train < 0:
        raise ValueError(
            f"{name}: validation must be at most {len(data['y_train'])}, the pictures to learn from, got {validation}"
        )
    x, x_test = (np.divide(data[key][:, None], 255, dtype=dtype) for key in ("x_train", "x_test"))
    y, y_test = (data[key].astype(np.int64) for key in ("y_train", "y_test"))
    return Split(x[:train], y[:train], x[train:], y[train:], x_test, y_test)


def _local_copy(name, root, folders):
    """Return the bytes of a data set from what lies in root, or None where nothing does."""
    if root.is_file():
        return _check_bytes(name, root, _read_npz(name, root))
    for path in (root / f"{name}.npz", root / name / f"{name}.npz"):
        if path.is_file():
            return _check_bytes(name, path, _read_npz(name, path))
    for folder in folders:
        paths = {key: _find(folder, file) for key, file in _FILES.items()}
        missing = [_FILES[key] for key, path in paths.items() if path is None]
        if not missing:
            return _check_bytes(name, folder, {key: _read_idx(name, path) for key, path in paths.items()})
        if len(missing) < len(_FILES):
            raise FileNotFoundError(
                f"{name}: {folder} must hold all four files, of which are missing {', '.join(missing)} "
                f"(with or without .gz)"
            )
    return None


def _find(folder, file):
    # some archives name them train-images.idx3-ubyte
    names = [file, f"{file}.gz", file.replace("-idx", ".idx"), f"{file.replace('-idx', '.idx')}.gz"]
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _read_idx(name, path):
    """Read an idx file: two zeros, 8 for "bytes", the number of axes; their sizes, four bytes each; the numbers."""
    raw = path.read_bytes()
    if raw[:2] == b"\x1f\x8b":  # what it holds counts: browsers unpack files and leave them their .gz
        try:
            raw = gzip.decompress(raw)
        except (OSError, EOFError, zlib.error):
            raise ValueError(f"{name}: {path} is cut off or damaged, and cannot be unpacked: fetch it again") from None
    start = 4 + 4 * raw[3] if raw[:3] == b"\0\0\x08" and len(raw) > 3 else math.inf
    if len(raw) < start:
        raise ValueError(
            f"{name}: {path} must be an idx file of bytes, beginning with 00 00 08, got {raw[:3].hex(' ') or 'nothing'}"
            f": is it another file, or a web page saved in its place?"
        )
    shape = np.frombuffer(raw, ">u4", raw[3], offset=4).tolist()
    if len(raw) - start != math.prod(shape):
        raise ValueError(
            f"{name}: {path} must hold {math.prod(shape)} bytes after its first {start}, for {tuple(shape)}, "
            f"got {len(raw) - start}: was it cut off? Fetch it again"
        )
    return np.frombuffer(raw, np.uint8, offset=start).reshape(shape)


def _read_npz(name, path):
    if not zipfile.is_zipfile(path):
        raise ValueError(
            f"{name}: {path} must be an .npz file, but is cut off, or something else: delete it, or replace it"
        )
    try:
        with np.load(path) as file:
            missing = [key for key in _FILES if key not in file]
            if missing:
                raise ValueError(f"it has no {', '.join(missing)}, but {', '.join(file) or 'nothing'}")
            return {key: file[key] for key in _FILES}
    except (ValueError, OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{name}: {path} must be an .npz file with the arrays {', '.join(_FILES)}: {error}; "
            f"delete it, or replace it"
        ) from None


def _check_bytes(name, where, data):
    for part in ("train", "test"):
        x, y = data[f"x_{part}"], data[f"y_{part}"]
        if x.ndim != 3 or x.shape[1:] != (28, 28) or x.dtype != np.uint8:
            raise ValueError(
                f"{name}: the pictures to {part} must be (N, 28, 28) bytes, got {x.shape} of {x.dtype} in {where}: "
                f"is it another data set, or are pictures and labels mixed up?"
            )
        if y.shape != x.shape[:1] or y.dtype.kind not in "iu" or y.max(initial=0) > 9 or y.min(initial=0) < 0:
            raise ValueError(
                f"{name}: the labels to {part} must be ({len(x)},), from 0 to 9, one for each picture, got {y.shape} "
                f"of {y.dtype}{f', up to {y.max()}' if y.size else ''} in {where}: is a file of another data set?"
            )
    return data


def _fetch(name, openml_name, root):
    """Have scikit-learn fetch a data set, and keep it in root as an .npz file."""
    copy = root / f"{name}.npz"
    print(f"{name}: no copy in {root}; fetching it from openml.org, once, which may take minutes", flush=True)
    try:
        from sklearn.datasets import fetch_openml

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it tries again: what counts is how it ends
            # its other parser needs pandas
            bunch = fetch_openml(openml_name, version=1, as_frame=False, parser="liac-arff", n_retries=1)
        x, y = np.asarray(bunch.data), np.asarray(bunch.target).astype(np.int64)
        if x.shape != (_TRAINING + _TEST, 784):
            raise ValueError(f"it must be ({_TRAINING + _TEST}, 784), got {x.shape}")
    except Exception as error:  # whatever went wrong far away, the way out is the same
        raise FileNotFoundError(
            f"{name}: there is no copy in {root}, and fetching one failed ({type(error).__name__}: {error}). "
            f"Put the four files {', '.join(f'{file}.gz' for file in _FILES.values())} into {root / name}, "
            f"or one file {name}.npz with {', '.join(_FILES)} into {root}, or name the folder that has them: "
            f"{name}(folder) or the environment variable PNNLIB_DATA. digits() needs no network"
        ) from None
    x = x.astype(np.uint8).reshape(-1, 28, 28)
    data = {"x_train": x[:_TRAINING], "y_train": y[:_TRAINING], "x_test": x[_TRAINING:], "y_test": y[_TRAINING:]}
    data = _check_bytes(name, "openml.org", data)
    try:
        _save(copy, data)
    except OSError as error:
        warnings.warn(f"{name}: fetched, but no copy could be kept in {copy} ({error})", stacklevel=4)
    return data


def _save(path, data):
    """Write an .npz file in one go: there is either all of it or nothing, whenever it is interrupted."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        whole = Path(folder) / path.name
        np.savez_compressed(whole, **data)
        os.replace(whole, path)
