"""A network that has learnt some of the digits, ready to be taught the others: transfer learning (part f).

Train a network on a related task with lots of data, then go on from its weights
where there is little:

    features = pretrained.model()[:-1]                     # all but the last layer, which knows the digits in CLASSES
    adapted = Sequential(*features, Linear(32, 5, rng=0))  # a new last layer, for five other classes

*Frozen*, the features stay as they are and only the new layer learns: on
`train.outputs(features, x)`, computed once. *Fine-tuned*, all of `adapted` goes on learning.

The weights lie in a file beside this one. `python -m pnnlib.pretrained` learns them
anew in a few seconds; they come out the same but for rounding.
"""

from pathlib import Path

import numpy as np

from pnnlib import data, optim, train
from pnnlib.arrays import as_floats
from pnnlib.augment import random_shift
from pnnlib.layers import (
    AdaptiveMaxPool2d, BatchNorm2d, Conv2d, Flatten, Linear, MaxPool2d, ReLU, Sequential, load, save,
)
from pnnlib.windows import pad

# The digits that the network has learnt, in the order of its outputs.
CLASSES = (0, 1, 2, 3, 4)

WEIGHTS = Path(__file__).parent / "weights" / "digits_0_to_4.npz"

MARGIN = 2  # how far, in pixels, a digit may stand from the centre


def model():
    """Return the network with what it has learnt, in usage mode; each call makes a new one.

    Shapes: → a `Sequential` that takes x (N, 1, 12, 12), digits as `anywhere` makes them, and gives (N, 5), a net
    input for each of `CLASSES`; all but its last layer give features, (N, 32).
    PyTorch: `torchvision.models.resnet18(weights="DEFAULT").eval()` is such a network, from the internet.

    >>> split = data.digits()
    >>> x, y = only(split.x_test, split.y_test, CLASSES)
    >>> train.accuracy(model(), anywhere(x, rng=0), y) > 0.95
    True
    """
    made = network(len(CLASSES))
    load(made, WEIGHTS)
    return made.eval()


def network(classes, rng=None):
    """Make the same network with random weights and an output for each of so many classes.

    Three convolutional layers, and then the largest number of every map (global max
    pooling, part e): what was seen counts, not where. In float32, as the weights are stored.

    Shapes: classes an int → a `Sequential` that takes x (N, 1, 12, 12) and gives (N, classes).
    PyTorch: the same layers in `torch.nn.Sequential`, see `bridge.to_torch`.

    >>> network(5, rng=0).summary((1, 12, 12)).total
    6109
    """
    rng = np.random.default_rng(rng)
    return Sequential(
        Conv2d(1, 8, 3, padding=1, bias=False, rng=rng), BatchNorm2d(8), ReLU(),
        MaxPool2d(2),
        Conv2d(8, 16, 3, padding=1, bias=False, rng=rng), BatchNorm2d(16), ReLU(),
        Conv2d(16, 32, 3, padding=1, bias=False, rng=rng), BatchNorm2d(32), ReLU(),
        AdaptiveMaxPool2d(1),
        Flatten(),
        Linear(32, classes, rng=rng),
    ).astype(np.float32)


def anywhere(x, rng=None):
    """Put every digit on a larger, empty picture, up to two pixels away from its centre in both directions.

    So there is something to learn that few examples do not show: that the place does not matter.

    Shapes: x (N, 1, 8, 8) → (N, 1, 12, 12).
    PyTorch: `torchvision.transforms.RandomCrop(12, padding=4)`, picture by picture.

    >>> anywhere(np.ones((1, 1, 8, 8)), rng=3)[0, 0].any(axis=0).astype(int)
    array([1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0])
    """
    return _move(_widen(x), rng)


def only(x, y, classes):
    """Return the samples of some classes, in their order, with labels from 0: the places of their classes in `classes`.

    Shapes: x (N, …), y (N,) ints, classes different ints → as many of both as belong to these classes.
    PyTorch: `torch.isin(y, classes)` selects them.

    >>> only(np.arange(5) * 10, np.array([7, 5, 9, 5, 7]), classes=[7, 5])
    (array([ 0, 10, 30, 40]), array([0, 1, 1, 0]))
    """
    as_floats("only", y=y, classes=classes)  # are they numbers at all?
    x, y, classes = np.asarray(x), np.asarray(y), np.asarray(classes)
    if y.ndim != 1 or x.shape[:1] != y.shape:
        raise ValueError(f"only: x must be (N, …) and y (N,), a label for each, got {x.shape} and {y.shape}")
    if classes.ndim != 1 or len(np.unique(classes)) != classes.size:
        raise ValueError(f"only: classes must be a list of different ones, such as [5, 6, 7], got {classes.tolist()}")
    sample, place = np.nonzero(y[:, None] == classes)
    return x[sample], place


def learn(epochs=30, rng=0):
    """Train the network on the training set of `data.digits`, and return it: how the stored weights were made.

    It meets the digits of `CLASSES` at new places in every epoch, with a learning rate that falls by a tenth each time.

    >>> learn(epochs=0)[-1]
    Linear(in_features=32, out_features=5)
    """
    rng = np.random.default_rng(rng)
    made = network(len(CLASSES), rng)
    optimizer = optim.Adam(made.parameters(), lr=3e-3)

    def slow_down(model, history):
        optimizer.lr *= 0.9

    split = data.digits(np.float32)
    x, y = only(split.x_train, split.y_train, CLASSES)
    train.fit(made, _widen(x), y, optimizer, epochs=epochs, transform=_move, callbacks=slow_down, progress=False,
              rng=rng)
    return made


def write(path=WEIGHTS, epochs=30):
    """Let the network `learn`, write its weights into a file, and return its accuracy on the validation set.

    >>> import tempfile
    >>> write(Path(tempfile.mkdtemp()) / "digits.npz", epochs=0) < 0.5
    True
    """
    learnt = learn(epochs)
    path.parent.mkdir(exist_ok=True)
    save(learnt, path)
    split = data.digits(np.float32)
    x, y = only(split.x_validation, split.y_validation, CLASSES)
    return train.accuracy(learnt, anywhere(x, rng=0), y)


def _widen(x):
    return pad(x, (MARGIN, MARGIN))


_move = random_shift(MARGIN)


if __name__ == "__main__":
    print(f"{WEIGHTS.name}: {write():.3f} right of the validation set")
