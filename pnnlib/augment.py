"""More pictures out of few: shift, rotate, scale, shear, flip, crop and noise, each picture at random (part f).

A picture is the last two axes of an array, rows from the top, columns from the
left: (H, W), (N, H, W) and (N, C, H, W) are all fine. What comes in from outside
a picture is 0, empty. The first functions do the same to every picture they are
given. Those named `random_…` make a function (x, rng) → x, for which the first
axis counts the pictures: each draws its own numbers, and all its channels follow.

The label stays, so a transformation must keep the class: a digit may lean, but a
mirrored 2 is no 2, and half a turn makes a 9 of a 6.
"""

import math
import operator

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from pnnlib.arrays import as_floats
from pnnlib.windows import pad, per_axis


def shift(x, down, right):
    """Move every picture by whole pixels: zeros move in, and what moves out is lost.

    Shifts (part f): Y(i, j) = X(i − down, j − right), X = 0 outside; negative
    numbers move it up and to the left.

    Shapes: x (…, H, W), down and right ints → y as x.
    PyTorch: `torch.nn.functional.pad(x, (right, -right, down, -down))`.

    >>> shift([[1, 2], [3, 4]], down=1, right=0)
    array([[0., 0.],
           [1., 2.]])
    """
    x = _take("shift", x)
    h, w = x.shape[-2:]
    down, right = _whole("shift", "down", down), _whole("shift", "right", right)
    y = np.zeros(x.shape, x.dtype)
    y[..., _overlap(h, down), _overlap(w, right)] = x[..., _overlap(h, -down), _overlap(w, -right)]
    return y


def rotate(x, degrees):
    """Turn every picture about its centre, counter-clockwise as one sees it; the corners that get empty are 0.

    Rotations (part f). The pixel (i, j) takes what lay at (r, c) before the turn,
    and between pixels, the four neighbours have a say by their nearness (bilinear
    interpolation). With angle θ and (h, w) = ((H−1)/2, (W−1)/2), the centre:

        r = h + (i − h) cos θ + (j − w) sin θ
        c = w − (i − h) sin θ + (j − w) cos θ
        Y(i, j) = Σ_{k,l} X(k, l) Λ(r − k) Λ(c − l),   Λ(a) = max(0, 1 − |a|)

    Shapes: x (…, H, W), degrees a number → y as x. Quarter turns of a square are exact.
    PyTorch: `affine_grid(theta, x.shape)` and then `grid_sample(x, grid)`, both of
    `torch.nn.functional` and with `align_corners=False`; for every picture theta is
    [[cos θ, −sin θ · H/W, 0], [sin θ · W/H, cos θ, 0]].

    >>> rotate([[1, 2], [3, 4]], 90)
    array([[2., 4.],
           [1., 3.]])
    """
    x = _take("rotate", x)
    return _resample_all(x, _turning(_number("rotate", "degrees", degrees)))


def scale(x, factor):
    """Enlarge what every picture shows, or make it smaller, about its centre; its size in pixels stays.

    Changes to scale (part f): as `rotate`, with r = h + (i − h) / factor and
    c = w + (j − w) / factor. A factor of 2 shows the middle at twice its size; ½
    shows the whole at half its size, with 0 all around (and looks only at the four
    neighbours of every place, so that fine lines may fall through).

    Shapes: x (…, H, W), factor a positive number → y as x.
    PyTorch: as `rotate`, with theta [[1/factor, 0, 0], [0, 1/factor, 0]].

    >>> scale([[0, 4, 0]], 2)
    array([[2., 4., 2.]])
    """
    x = _take("scale", x)
    return _resample_all(x, _scaling(_positive("scale", "factor", factor)))


def shear(x, degrees, axis=-1):
    """Make every picture lean: its rows slide sideways, the further from the centre the further.

    Shears (part f). An upright line turns by θ, counter-clockwise as one sees it,
    so positive angles lean to the left and negative ones to the right, as italics
    do; level lines stay level. With axis −2 it is the other way round: columns
    slide up and down, level lines turn by θ, and upright ones stay upright. As `rotate`, with

        r = i,   c = j − (i − h) tan θ        axis −1
        r = i + (j − w) tan θ,   c = j        axis −2

    Shapes: x (…, H, W), −90 < degrees < 90, axis −1 or −2 → y as x.
    PyTorch: as `rotate`, with theta [[1, −tan θ · H/W, 0], [0, 1, 0]], or
    [[1, 0, 0], [tan θ · W/H, 1, 0]] for axis −2.

    >>> shear([[0, 1, 0], [0, 1, 0], [0, 1, 0]], 45)
    array([[1., 0., 0.],
           [0., 1., 0.],
           [0., 0., 1.]])
    """
    x = _take("shear", x)
    axis = _picture_axis("shear", axis)
    return _resample_all(x, _shearing(_lean("shear", degrees), axis))


def flip(x, axis=-1):
    """Mirror every picture: left and right change places, or with axis −2 top and bottom.

    Flips (part f): Y(i, j) = X(i, W − 1 − j), or X(H − 1 − i, j). Few classes keep
    their label when flipped: cats do, digits do not.

    Shapes: x (…, H, W), axis −1 or −2 → y as x. PyTorch: `torch.flip(x, [axis])`.

    >>> flip([[1, 2], [3, 4]])
    array([[2., 1.],
           [4., 3.]])
    """
    x = _take("flip", x)
    return np.flip(x, _picture_axis("flip", axis)).copy()


def crop(x, top, left, height, width):
    """Cut the same rectangle out of every picture.

    Crops (part f): Y(i, j) = X(top + i, left + j) for i < height, j < width.

    Shapes: x (…, H, W), four ints → y (…, height, width).
    PyTorch: `x[..., top:top + height, left:left + width]`.

    >>> crop([[1, 2, 3], [4, 5, 6]], top=1, left=0, height=1, width=2)
    array([[4., 5.]])
    """
    x = _take("crop", x)
    h, w = x.shape[-2:]
    top, left = _whole("crop", "top", top, least=0), _whole("crop", "left", left, least=0)
    height, width = _whole("crop", "height", height, least=1), _whole("crop", "width", width, least=1)
    if top + height > h or left + width > w:
        raise ValueError(
            f"crop: the rectangle must lie inside pictures of ({h}, {w}), got rows {top} to {top + height - 1} and "
            f"columns {left} to {left + width - 1}, counted from 0: append zeros first, with windows.pad?"
        )
    return x[..., top : top + height, left : left + width].copy()


def noise(x, std, rng=None, clip=(0, 1)):
    """Add to every pixel a random number of its own, from a normal distribution, and stay between 0 and 1.

    Y(i, j) = X(i, j) + ε, ε ~ N(0, std²), cut off at the two numbers in `clip`, by
    default the range of our pictures; `clip=None` cuts nothing off.

    Shapes: x (…, H, W), std a number from 0 up → y as x.
    PyTorch: `(x + std * torch.randn_like(x)).clamp(0, 1)`.

    >>> y = noise(np.full((100, 100), 0.5), std=0.1, rng=0)
    >>> float(y.mean().round(2)), float(y.std().round(2))
    (0.5, 0.1)
    """
    return _add_noise("noise", _take("noise", x), *_check_noise("noise", std, clip), np.random.default_rng(rng))


# At random, each picture for itself: these make functions (x, rng) → x. Given the same int as rng, they do the same.


def random_shift(max_shift):
    """Return a function that shifts every picture by its own random amounts, down and right.

    Both are whole pixels from −max_shift to max_shift, all equally likely; see `shift`.

    Shapes: max_shift an int → a function (x, rng): x (N, H, W) or (N, C, H, W) → y as x.
    PyTorch: `torchvision.transforms.RandomCrop((H, W), padding=max_shift)`, picture by picture.

    >>> x = np.ones((3, 1, 8, 8))
    >>> random_shift(2)(x, rng=0).shape
    (3, 1, 8, 8)
    """
    max_shift = _whole("random_shift", "max_shift", max_shift, least=0)
    return lambda x, rng=None: _shift_each("random_shift", x, rng, max_shift)


def augment(x, rng, max_shift):
    """Shift every picture by its own random amounts, down and right: `random_shift(max_shift)(x, rng)`.

    The simplest data augmentation (part f); both amounts are whole pixels from
    −max_shift to max_shift, all equally likely, and zeros move in.

    Shapes: x (N, H, W) or (N, C, H, W), max_shift an int → y as x.
    PyTorch: `torchvision.transforms.RandomCrop((H, W), padding=max_shift)`, picture by picture.

    >>> augment([[[0, 0, 0], [0, 1, 0], [0, 0, 0]]], rng=3, max_shift=1)
    array([[[0., 0., 0.],
            [0., 0., 0.],
            [1., 0., 0.]]])
    """
    return _shift_each("augment", x, rng, _whole("augment", "max_shift", max_shift, least=0))


def random_rotation(degrees):
    """Return a function that rotates every picture by an angle of its own, from −degrees to degrees.

    Shapes: degrees a number from 0 up → a function (x, rng): x (N, H, W) or
    (N, C, H, W) → y as x; see `rotate`.
    PyTorch: `torchvision.transforms.RandomRotation(degrees)`, picture by picture.

    >>> x = np.ones((2, 5, 5))
    >>> y = random_rotation(10)(x, rng=0)
    >>> bool((y[0] == y[1]).all()), float(y[0, 2, 2].round(6))
    (False, 1.0)
    """
    degrees = _number("random_rotation", "degrees", degrees, least=0)

    def transform(x, rng=None):
        x, rng = _take_many("random_rotation", x), np.random.default_rng(rng)
        return _resample_each(x, _turning(rng.uniform(-degrees, degrees, size=len(x))))

    return transform


def random_scale(least, most):
    """Return a function that scales every picture by a factor of its own, from least to most.

    Shapes: least and most positive numbers, around 1 → a function (x, rng):
    x (N, H, W) or (N, C, H, W) → y as x; see `scale`.
    PyTorch: `torchvision.transforms.RandomAffine(0, scale=(least, most))`, picture by picture.

    >>> random_scale(0.5, 2)(np.ones((2, 1, 7, 7)), rng=0)[:, 0, 3, 3]
    array([1., 1.])
    """
    least, most = _positive("random_scale", "least", least), _positive("random_scale", "most", most)
    if least > most:
        raise ValueError(f"random_scale: least must not be above most, got {least} and {most}: swap them?")

    def transform(x, rng=None):
        x, rng = _take_many("random_scale", x), np.random.default_rng(rng)
        return _resample_each(x, _scaling(rng.uniform(least, most, size=len(x))))

    return transform


def random_shear(degrees, axis=-1):
    """Return a function that makes every picture lean by an angle of its own, from −degrees to degrees.

    Shapes: 0 ≤ degrees < 90, axis −1 or −2 → a function (x, rng): x (N, H, W) or
    (N, C, H, W) → y as x; see `shear`.
    PyTorch: `torchvision.transforms.RandomAffine(0, shear=degrees)`, picture by picture.

    >>> x = np.ones((2, 5, 5))
    >>> y = random_shear(20)(x, rng=0)
    >>> bool((y[:, 2] == 1).all()), bool((y[:, 0] == 1).all())
    (True, False)
    """
    degrees = _lean("random_shear", degrees, least=0)
    axis = _picture_axis("random_shear", axis)

    def transform(x, rng=None):
        x, rng = _take_many("random_shear", x), np.random.default_rng(rng)
        return _resample_each(x, _shearing(rng.uniform(-degrees, degrees, size=len(x)), axis))

    return transform


def random_flip(p=0.5, axis=-1):
    """Return a function that flips every picture with probability p; see `flip`.

    Shapes: 0 ≤ p ≤ 1, axis −1 or −2 → a function (x, rng): x (N, H, W) or (N, C, H, W) → y as x.
    PyTorch: `torchvision.transforms.RandomHorizontalFlip(p)`, picture by picture.

    >>> random_flip(0.5)([[[1, 2]], [[1, 2]], [[1, 2]]], rng=0)[:, 0]
    array([[1., 2.],
           [2., 1.],
           [2., 1.]])
    """
    p = _number("random_flip", "p", p, least=0)
    if p > 1:
        raise ValueError(f"random_flip: p must be a probability, from 0 to 1, got {p}")
    axis = _picture_axis("random_flip", axis)

    def transform(x, rng=None):
        x, rng = _take_many("random_flip", x), np.random.default_rng(rng)
        chosen = rng.random(len(x)) < p
        y = x.copy()
        y[chosen] = np.flip(x[chosen], axis)
        return y

    return transform


def random_crop(height, width, padding=0):
    """Return a function that appends zeros at every edge and cuts out, for every picture, its own random rectangle.

    All places where the rectangle fits are equally likely. Where it has the
    picture's own size, this is `random_shift(padding)`; see `crop`.

    Shapes: height and width ints, padding an int or a pair of them → a function
    (x, rng): x (N, H, W) or (N, C, H, W) → y (N, height, width) or (N, C, height, width).
    PyTorch: `torchvision.transforms.RandomCrop((height, width), padding)`, picture by picture.

    >>> random_crop(1, 2)([[[1, 2, 3, 4, 5, 6]], [[1, 2, 3, 4, 5, 6]]], rng=0)[:, 0]
    array([[5., 6.],
           [4., 5.]])
    """
    height = _whole("random_crop", "height", height, least=1)
    width = _whole("random_crop", "width", width, least=1)
    padding = per_axis("random_crop", "padding", padding, 2, least=0)

    def transform(x, rng=None):
        x, rng = pad(_take_many("random_crop", x), padding), np.random.default_rng(rng)
        down, right = x.shape[-2] - height, x.shape[-1] - width
        if down < 0 or right < 0:
            raise ValueError(
                f"random_crop: the rectangle must fit into the pictures, got ({height}, {width}) for pictures of "
                f"{x.shape[-2:]}, their padding {padding} counted in: a smaller one, or more padding"
            )
        top = rng.integers(down, size=len(x), endpoint=True)
        left = rng.integers(right, size=len(x), endpoint=True)
        return _crop_each(x, top, left, height, width)

    return transform


def random_noise(std, clip=(0, 1)):
    """Return a function that adds noise to every pixel, and keeps it between 0 and 1; see `noise`.

    Shapes: std a number from 0 up → a function (x, rng): x (N, H, W) or (N, C, H, W) → y as x.
    PyTorch: `(x + std * torch.randn_like(x)).clamp(0, 1)`.

    >>> random_noise(0.1)(np.zeros((1, 2, 2)), rng=0).round(2)
    array([[[0.01, 0.  ],
            [0.06, 0.01]]])
    """
    std, clip = _check_noise("random_noise", std, clip)
    return lambda x, rng=None: _add_noise(
        "random_noise", _take_many("random_noise", x), std, clip, np.random.default_rng(rng)
    )


def compose(*transforms):
    """Return a function that applies one random transformation after the other.

    They share one generator, so that each draws numbers of its own. Of several
    that interpolate, each blurs a little.

    Shapes: functions (x, rng) → x make one more. PyTorch: `torchvision.transforms.Compose`.

    >>> transform = compose(random_rotation(10), random_shift(1), random_noise(0.05))
    >>> transform(np.ones((3, 1, 8, 8)), rng=0).shape
    (3, 1, 8, 8)
    """
    for t in transforms:
        if not callable(t):
            raise TypeError(f"compose: every transformation must be a function (x, rng), as random_shift(2), got {t!r}")

    def transform(x, rng=None):
        rng = np.random.default_rng(rng)
        for t in transforms:
            x = t(x, rng)
        return x

    return transform


def augmented(x, y, transform, copies=1, rng=None):
    """Return a data set with many more pictures: the given ones, then changed copies of all of them, labels with them.

    For each picture there are `copies` additional ones (part f), each changed
    by `transform` in its own way. Use it on the data to learn from, never on the
    data to be judged by. Where memory is short, transform every batch instead, when its turn comes.

    Shapes: x (N, C, H, W) or (N, H, W), y (N, …), transform a function (x, rng) →
    ((1 + copies)·N, …) of both, picture after picture, copy after copy.
    PyTorch: no function; there, a data set transforms each picture whenever it is asked for it.

    >>> x, y = augmented(np.ones((3, 1, 8, 8)), np.array([7, 1, 4]), random_shift(2), copies=2, rng=0)
    >>> x.shape, y
    ((9, 1, 8, 8), array([7, 1, 4, 7, 1, 4, 7, 1, 4]))
    """
    x, rng = _take_many("augmented", x), np.random.default_rng(rng)
    as_floats("augmented", y=y)  # are they numbers at all?
    y = np.asarray(y)
    copies = _whole("augmented", "copies", copies, least=0)
    if y.shape[:1] != x.shape[:1]:
        raise ValueError(f"augmented: y must be ({len(x)},), a label for each picture in x {x.shape}, got {y.shape}")
    if not callable(transform):
        raise TypeError(f"augmented: transform must be a function (x, rng), as random_shift(2), got {transform!r}")
    pictures = [x, *(transform(x, rng) for _ in range(copies))]
    for changed in pictures:
        if np.shape(changed) != x.shape:
            raise ValueError(
                f"augmented: transform must keep the shape {x.shape}, got {np.shape(changed)}: one that crops gives "
                f"pictures of another size than the originals"
            )
    return np.concatenate(pictures), np.concatenate([y] * (1 + copies))


# Each picture at its own place: cut out of the picture with zeros around it.


def _shift_each(operation, x, rng, max_shift):
    x, rng = _take_many(operation, x), np.random.default_rng(rng)
    down, right = rng.integers(-max_shift, max_shift, size=(2, len(x)), endpoint=True)
    h, w = (min(max_shift, n) for n in x.shape[-2:])  # beyond its own size, a picture is gone anyway
    down, right = np.clip(down, -h, h), np.clip(right, -w, w)
    return _crop_each(pad(x, (h, w)), h - down, w - right, *x.shape[-2:])


def _crop_each(x, top, left, height, width):
    windows = sliding_window_view(_with_channels(x), (height, width), axis=(-2, -1))  # (N, C, top, left, …)
    return windows[np.arange(len(x)), :, top, left].reshape(*x.shape[:-2], height, width)


def _overlap(n, by):
    """The part of an axis of n pixels that is covered by what was moved onto it by so many."""
    return slice(max(0, by), max(0, n + min(0, by)))


# Affine maps, each given by the way back: the matrix, or one for each of N pictures, (N, 2, 2), that leads from a
# pixel of the result, as (down, right) from the centre, to the place in the input that it shows.


def _turning(degrees):
    angle = np.deg2rad(np.remainder(degrees, 360))
    cos, sin = np.round([np.cos(angle), np.sin(angle)], 15)  # cos 90° is 0, not 6e-17, so that quarter turns are exact
    return _matrices([[cos, sin], [-sin, cos]])


def _scaling(factor):
    return _matrices([[1 / factor, 0], [0, 1 / factor]])


def _shearing(degrees, axis):
    tan = np.round(np.tan(np.deg2rad(degrees)), 15)
    return _matrices([[1, 0], [-tan, 1]] if axis == -1 else [[1, tan], [0, 1]])


def _matrices(rows):
    a, b, c, d = np.broadcast_arrays(*(np.atleast_1d(number) for row in rows for number in row))
    return np.stack([a, b, c, d], axis=1).reshape(-1, 2, 2)


def _resample_all(x, back):
    """Resample every picture of x (…, H, W) by the one matrix in back (1, 2, 2)."""
    return _resample(x.reshape(math.prod(x.shape[:-2]), 1, *x.shape[-2:]), back).reshape(x.shape)


def _resample_each(x, back):
    """Resample the pictures of x (N, …, H, W), each by its own matrix in back (N, 2, 2)."""
    return _resample(_with_channels(x), back).reshape(x.shape)


def _resample(x, back, cache=1 << 15):
    y = np.empty(x.shape, x.dtype)
    many = max(1, cache // max(1, math.prod(x.shape[1:])))  # so many that what is in between stays in the cache
    for start in range(0, len(x), many):
        images = slice(start, start + many)
        y[images] = _bilinear(x[images], back if len(back) == 1 else back[images])
    return y


def _bilinear(x, back):
    """Look x (N, C, H, W) up where back, of length N or 1, leads to: between pixels, by the nearness of the four."""
    n, c, h, w = x.shape
    down, right = np.arange(h)[:, None] - (h - 1) / 2, np.arange(w) - (w - 1) / 2
    back = back[:, :, :, None, None]
    row = back[:, 0, 0] * down + back[:, 0, 1] * right + (h - 1) / 2
    column = back[:, 1, 0] * down + back[:, 1, 1] * right + (w - 1) / 2
    # A frame of two zeros and nothing beyond: whatever lies further out is 0 as well.
    row, column = np.clip(row, -1, h), np.clip(column, -1, w)
    framed = pad(x, (2, 2)).reshape(-1)
    top, left = np.floor(row), np.floor(column)
    t, u = ((row - top)[:, None]).astype(x.dtype), ((column - left)[:, None]).astype(x.dtype)
    pixel = ((top + 2) * (w + 4) + left + 2).astype(int)[:, None]
    pixel = pixel + (np.arange(n * c) * (h + 4) * (w + 4)).reshape(n, c, 1, 1)
    above = (1 - u) * framed.take(pixel) + u * framed.take(pixel + 1)
    below = (1 - u) * framed.take(pixel + w + 4) + u * framed.take(pixel + w + 5)
    return (1 - t) * above + t * below


# Noise


def _check_noise(operation, std, clip):
    std = _number(operation, "std", std, least=0)
    if clip is not None:
        if np.shape(clip) != (2,) or np.asarray(clip).dtype.kind not in "fiu" or not clip[0] <= clip[1]:
            raise ValueError(f"{operation}: clip must be (least, most) or None, got {clip!r}")
    return std, clip


def _add_noise(operation, x, std, clip, rng):
    y = x + (std * rng.normal(size=x.shape)).astype(x.dtype)
    if clip is None:
        return y
    least, most = clip
    slack = 1e-3 * (most - least)  # what was interpolated may be a rounding error above
    if x.size and (x.min() < least - slack or x.max() > most + slack):
        raise ValueError(
            f"{operation}: x must be from {least} to {most}, where the result is cut off, got {x.min():g} to "
            f"{x.max():g}: divide bytes by 255, or clip=None"
        )
    return np.clip(y, least, most)


# What can go wrong, said so that the cause can be found.


def _take(operation, x):
    (x,) = as_floats(operation, x=x)
    if x.ndim < 2:
        raise ValueError(
            f"{operation}: x must be (…, H, W), one picture or many, got {x.shape}: "
            f"a picture written as a vector needs x.reshape(H, W)"
        )
    return x


def _take_many(operation, x):
    (x,) = as_floats(operation, x=x)
    if x.ndim < 3:
        cause = "for one picture alone add an axis: x[None]" if x.ndim == 2 else "pictures have rows and columns"
        raise ValueError(f"{operation}: x must be (N, C, H, W) or (N, H, W), N pictures, got {x.shape}: {cause}")
    return x


def _with_channels(x):
    return x.reshape(len(x), math.prod(x.shape[1:-2]), *x.shape[-2:])


def _picture_axis(operation, axis):
    if not np.isscalar(axis) or axis not in (-1, -2):
        raise ValueError(f"{operation}: axis must be -1, left and right, or -2, top and bottom, got {axis!r}")
    return axis


def _whole(operation, name, value, least=None):
    try:
        value = operator.index(value)
    except TypeError:
        raise TypeError(f"{operation}: {name} must be an int, a number of whole pixels, got {value!r}") from None
    if least is not None and value < least:
        raise ValueError(f"{operation}: {name} must be at least {least}, got {value}")
    return value


def _number(operation, name, value, least=-math.inf):
    if np.ndim(value) or np.asarray(value).dtype.kind not in "fiu":
        raise TypeError(
            f"{operation}: {name} must be one number, got {value!r}: the functions random_… draw one for each picture"
        )
    if not math.isfinite(value) or value < least:
        raise ValueError(f"{operation}: {name} must be {'finite' if least < 0 else f'at least {least}'}, got {value}")
    return float(value)


def _positive(operation, name, value):
    value = _number(operation, name, value)
    if value <= 0 or math.isinf(1 / value):
        raise ValueError(f"{operation}: {name} must be a positive number, 1 keeps the size, got {value}")
    return value


def _lean(operation, degrees, least=-math.inf):
    degrees = _number(operation, "degrees", degrees, least)
    if abs(degrees) >= 90:
        raise ValueError(f"{operation}: degrees must be between -90 and 90, where a line lies flat, got {degrees}")
    return degrees
