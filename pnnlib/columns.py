"""What lies under the mask, as the columns of a matrix: the fast way to write the sum of a convolutional layer.

`windows.taps` is the same in its plain form. Here the taps of many images are
copied side by side (known as im2col), so that one matrix product does all sums.
"""

import math
from itertools import product

import numpy as np

from pnnlib.arrays import unbuffered


def portions(images, places, bytes_per_column, cache=1 << 20):
    """Yield slices of so many images, each with slices of so many places, that their columns fit into the cache.

    The columns are then still there when the product needs them, and a large
    image takes no more memory than many small ones. `cache` is in bytes, half of
    what a processor's core commonly has to itself.

    >>> [(images, list(parts)) for images, parts in portions(3, places=10, bytes_per_column=4, cache=80)]
    [(slice(0, 2, None), [slice(0, 10, None)]), (slice(2, 3, None), [slice(0, 10, None)])]
    >>> [(images, list(parts)) for images, parts in portions(1, places=10, bytes_per_column=4, cache=24)]
    [(slice(0, 1, None), [slice(0, 6, None), slice(6, 10, None)])]
    """
    at_once = max(1, cache // max(1, bytes_per_column))
    if places <= at_once:
        yield from ((some, [slice(0, places)]) for some in _slices(images, at_once // places))
    else:
        yield from ((one, list(_slices(places, at_once))) for one in _slices(images, 1))


def _slices(total, size):
    return (slice(start, min(start + size, total)) for start in range(0, total, size))


class Lines:
    """The padded input, each channel read as one line, row after row.

    One pixel down is then a row's length further on, so what a weight meets at
    all places, its tap, is one slice of the line, and one slice is copied many
    times faster than a window row by row. The mask also passes places where it
    runs over the end of a row: `cut` leaves them out.

    With stride s, a channel is read as s lines per axis, each of every s-th pixel,
    so that along its line a tap moves on by one again.

    >>> lines = Lines((1, 1, 2, 3), out=(1, 2), kernel=(2, 2), stride=(1, 1), padding=(0, 0), dilation=(1, 1))
    >>> x = np.array([[[[1, 2, 3], [4, 5, 6]]]])
    >>> lines.columns(lines.read(x), slice(0, lines.places), ones=False)[0]  # a row for each weight
    array([[1, 2],
           [2, 3],
           [4, 5],
           [5, 6]])
    """

    def __init__(self, shape, out, kernel, stride, padding, dilation):
        self.out, self.stride = out, stride
        self.inside = (..., *(slice(p, p + n) for p, n in zip(padding, shape[2:])))
        self.size = [-(-(n + 2 * p) // s) for n, p, s in zip(shape[2:], padding, stride)]  # of a line's picture
        steps = [math.prod(self.size[axis + 1:]) for axis in range(len(out))]  # one pixel further, on this axis
        self.wide = (out[0], *self.size[1:])
        self.places = 1 + sum((o - 1) * step for o, step in zip(out, steps))
        self.taps = []  # for each weight: which line it meets, and where on it
        for position in product(*map(range, kernel)):
            pixel = [k * d for k, d in zip(position, dilation)]
            line = tuple(i % s for i, s in zip(pixel, stride))
            self.taps.append((line, sum(i // s * step for i, s, step in zip(pixel, stride, steps))))

    def read(self, x):
        """Return x as lines (N, C, *stride, length)."""
        padded = np.zeros((*x.shape[:2], *(n * s for n, s in zip(self.size, self.stride))), x.dtype)
        padded[self.inside] = x
        return self._split(padded).reshape(*x.shape[:2], *self.stride, math.prod(self.size))

    def unread(self, lines):
        """Return what the lines say of the input: the inverse of `read`."""
        padded = np.empty((*lines.shape[:2], *(n * s for n, s in zip(self.size, self.stride))), lines.dtype)
        split = self._split(padded)
        split[...] = lines.reshape(split.shape)
        return padded[self.inside]

    def columns(self, lines, places, ones):
        """Return the columns of some places, (N, C·KH·KW, places), below them a row of ones if wanted."""
        n, c = lines.shape[:2]
        cols = np.empty((n, c * len(self.taps) + ones, places.stop - places.start), lines.dtype)
        by_channel = self._by_channel(cols, c)
        for t, (line, start) in enumerate(self.taps):
            by_channel[:, :, t] = lines[:, :, *line, places.start + start:places.stop + start]
        if ones:
            cols[:, -1] = 1
        return cols

    def add_columns(self, lines, places, cols):
        """Hand every pixel on the lines what is owed to it in the columns: windows overlap, so it adds up."""
        by_channel = self._by_channel(cols, lines.shape[1])
        with unbuffered():
            for t, (line, start) in enumerate(self.taps):
                lines[:, :, *line, places.start + start:places.stop + start] += by_channel[:, :, t]

    def widen(self, dy):
        """Return dy for all places, 0 where the mask runs over the end of a row: (N, O, OH·row)."""
        wide = np.zeros((*dy.shape[:2], *self.wide), dy.dtype)
        self.cut(wide)[...] = dy
        return wide.reshape(*dy.shape[:2], math.prod(self.wide))

    def cut(self, wide):
        """Return the places where the mask lies on the input, (N, O, *out)."""
        return wide.reshape(*wide.shape[:2], *self.wide)[(..., *map(slice, self.out))]

    def _by_channel(self, cols, channels):
        return cols[:, :channels * len(self.taps)].reshape(len(cols), channels, len(self.taps), cols.shape[2])

    def _split(self, padded):
        """View an array with its last axes as (*stride, *size): every s-th pixel side by side."""
        n, c, *_ = padded.shape
        axes = len(self.size)
        split = padded.reshape(n, c, *(m for pair in zip(self.size, self.stride) for m in pair))
        return split.transpose(0, 1, *range(3, 3 + 2 * axes, 2), *range(2, 2 + 2 * axes, 2))
