"""Some of the course's digits, at hand in a millisecond, and a small network that knows them: for a first look.

    few_digits      500 pictures to learn from and 100 to try, the first ones of `pnnlib.data.digits`
    small_network   two layers, trained on the 500 when it is first asked for, in a twentieth of a second
    take_network    a student's network in its place, of pnnlib or of PyTorch

`pnnlib.data.digits` needs scikit-learn, whose import takes longer than a panel may take to open. So these few lie in
a file of their own; `python -m pnnlib.explore.few_digits` writes it anew.
"""

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pnnlib import optim, train
from pnnlib.layers import Flatten, Module, Sequential
from pnnlib.losses import cross_entropy
from pnnlib.networks import mlp

FILE = Path(__file__).parents[1] / "weights" / "few_digits.npz"
TRAIN, TEST = 500, 100


class FewDigits(NamedTuple):
    """Pictures x (N, 1, 8, 8) from 0 to 1, and labels y (N,), to learn from and to try."""

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


@lru_cache(maxsize=1)
def few_digits():
    """Return the first 500 training and the first 100 test pictures of `data.digits`, to be looked at, not changed.

    In both parts the digits take turns: picture n shows the digit n mod 10.

    Shapes: → x_train (500, 1, 8, 8), y_train (500,), x_test (100, 1, 8, 8), y_test (100,).
    PyTorch: `torch.tensor` of the arrays.

    >>> few_digits().x_train.shape, few_digits().y_test[:12]
    ((500, 1, 8, 8), array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]))
    """
    with np.load(FILE) as file:
        parts = [file[name] / 16 for name in ("x_train", "x_test")]
    few = FewDigits(parts[0], np.arange(TRAIN) % 10, parts[1], np.arange(TEST) % 10)
    for array in few:
        array.flags.writeable = False
    return few


@lru_cache(maxsize=1)
def small_network():
    """Return a network with one hidden layer of 32 neurons, trained on the 500 pictures of `few_digits`.

    It is the same one at every call, in usage mode; it is trained at the first.

    Shapes: → a `Sequential` that takes x (N, 1, 8, 8) and gives (N, 10).
    PyTorch: `bridge.to_torch(small_network())`.

    >>> train.accuracy(small_network(), few_digits().x_test, few_digits().y_test) > 0.85
    True
    """
    few, model = few_digits(), Sequential(Flatten(), *mlp([64, 32, 10], rng=0))
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    train.fit(
        model, few.x_train, few.y_train, optimizer, loss=cross_entropy, epochs=10, batch_size=50, progress=False, rng=0
    )
    return model


def take_network(panel, model, x, classes):
    """Return a student's network as one of pnnlib, or say why it cannot be used here.

    Shapes: x (N, …), pictures that it must take; classes, the number of its outputs.

    >>> take_network("explore_x", Flatten(), np.zeros((2, 1, 8, 8)), 10)
    Traceback (most recent call last):
    ...
    ValueError: explore_x: model must give (N, 10) for x of shape (2, 1, 8, 8), got (2, 64): another kind of network?
    """
    if not isinstance(model, Module):
        if not hasattr(model, "named_modules"):
            raise TypeError(f"{panel}: model must be a network of pnnlib.layers or of PyTorch, got {model!r}")
        from pnnlib.bridge import from_torch

        model = from_torch(model)
    shape = train.outputs(model, x).shape
    if shape != (len(x), classes):
        raise ValueError(
            f"{panel}: model must give (N, {classes}) for x of shape {x.shape}, got {shape}: another kind of network?"
        )
    return model


def write(path=FILE):
    """Write the file anew, from `data.digits`; pixels as they are there, in sixteenths.

    >>> import tempfile
    >>> write(Path(tempfile.mkdtemp()) / "few.npz")
    """
    from pnnlib.data import digits

    split = digits()
    x_train, x_test = (np.rint(16 * x).astype(np.uint8) for x in (split.x_train[:TRAIN], split.x_test[:TEST]))
    np.savez_compressed(path, x_train=x_train, x_test=x_test)


if __name__ == "__main__":
    write()
