"""The networks that the course comes back to, each in one place.

>>> from pnnlib.networks import digits_cnn
>>> digits_cnn(rng=0)(np.zeros((2, 1, 8, 8))).shape
(2, 10)
"""

import numpy as np

from pnnlib.layers import BatchNorm2d, Conv2d, Flatten, Linear, MaxPool2d, ReLU, Sequential


def mlp(sizes, activation=ReLU, rng=None):
    """A multilayer perceptron: fully connected layers of these sizes, the input's first, and φ between them.

    After the last layer there is no φ: `losses.cross_entropy` wants net inputs.

    >>> mlp([64, 32, 10])
    Sequential(
      (0): Linear(in_features=64, out_features=32)
      (1): ReLU()
      (2): Linear(in_features=32, out_features=10)
    )
    """
    if len(sizes) < 2:
        raise ValueError(f"mlp: sizes must hold at least those of input and output, got {list(sizes)}")
    rng = np.random.default_rng(rng)
    layers = []
    for m, n in zip(sizes, sizes[1:]):
        layers += [Linear(m, n, rng=rng), activation()]
    return Sequential(*layers[:-1])


def digits_cnn(rng=None):
    """The course's network for the digits of `data.digits`: (N, 1, 8, 8) → ten net inputs, one for each class.

    Two convolutional layers, batch normalisation, pooling, and two fully
    connected layers (parts d and e).

    >>> print(digits_cnn(rng=0).summary((1, 8, 8)))
    layer              result         parameters  receptive field
    input              (N, 1, 8, 8)                             1
    0  Conv2d          (N, 16, 8, 8)         144                3
    1  BatchNorm2d     (N, 16, 8, 8)          32                3
    2  ReLU            (N, 16, 8, 8)           0                3
    3  Conv2d          (N, 32, 8, 8)       4,608                5
    4  BatchNorm2d     (N, 32, 8, 8)          64                5
    5  ReLU            (N, 32, 8, 8)           0                5
    6  MaxPool2d       (N, 32, 4, 4)           0                6
    7  Flatten         (N, 512)                0              all
    8  Linear          (N, 64)            32,832              all
    9  ReLU            (N, 64)                 0              all
    10  Linear         (N, 10)               650              all
    total                                 38,330
    """
    rng = np.random.default_rng(rng)
    return Sequential(
        Conv2d(1, 16, 3, padding=1, bias=False, rng=rng),
        BatchNorm2d(16),
        ReLU(),
        Conv2d(16, 32, 3, padding=1, bias=False, rng=rng),
        BatchNorm2d(32),
        ReLU(),
        MaxPool2d(2),
        Flatten(),
        Linear(32 * 4 * 4, 64, rng=rng),
        ReLU(),
        Linear(64, 10, rng=rng),
    )
