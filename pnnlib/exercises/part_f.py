"""The exercises of part f: the limitations of deep networks, and what helps against them.

PyTorch is the oracle wherever it has the operation: it counts parameters, shifts, drops, steps and
attacks. Where chance is in the answer, its features are compared.
"""

from __future__ import annotations

import math

import numpy as np

from .. import augment as augmentation
from ..architectures import ARCHITECTURES
from .exercise import Case, exercise
from .given import Function, Seed

# Numbers for the cases --------------------------------------------------------------------


def nonzero(rng, *shape):
    """Halves between -4.5 and 4.5 without 0: short to read, and exact in binary."""
    return rng.integers(1, 10, shape) * rng.choice([-0.5, 0.5], shape)


def pixels(rng, *shape):
    """Sixteenths from 0 to 1, both ends among them where there is room: what the digits are made of."""
    x = rng.integers(0, 17, shape) / 16
    if x.size > 3:
        x.flat[rng.choice(x.size, 2, replace=False)] = 0.0, 1.0
    return x


def whole(rng, low, high):
    return int(rng.integers(low, high + 1))


def seed(rng):
    """A seed that no answer will have by chance as its own, see `OWN_SEEDS`."""
    return Seed(whole(rng, 1000, 9999))


def tensor(a, **options):
    import torch

    return torch.tensor(np.asarray(a, float), **options)


# count_cnn_parameters ---------------------------------------------------------------------

@exercise({"basic": 2.0, "edge cases": 1.0}, tolerance=1e-9)  # a count is exact
def count_cnn_parameters(input_shape, layers):
    """How many weights and biases the network has in all, an int."""
    import torch

    kinds = {
        "conv": lambda shape, out, k, stride, padding: torch.nn.Conv2d(shape[1], out, k, stride, padding),
        "pool": lambda shape, k, stride: torch.nn.MaxPool2d(k, stride),
        "flatten": lambda shape: torch.nn.Flatten(),
        "linear": lambda shape, out: torch.nn.Linear(shape[1], out),
    }
    total = 0
    with torch.device("meta"), torch.no_grad():  # shapes without numbers: VGG-16 would fill half a gigabyte
        x = torch.empty(1, *input_shape)
        for kind, *options in layers:
            module = kinds[kind](x.shape, *options)
            total += sum(parameter.numel() for parameter in module.parameters())
            x = module(x)
    return total


@count_cnn_parameters.cases
def _(rng):
    def case(shape, *layers, criterion="basic"):
        return Case((shape, list(layers)), criterion=criterion)

    def out():
        return whole(rng, 4, 9)

    yield case((3, 6, 5), ("conv", 4, 2, 1, 0))
    yield case((2, 6, 5), ("conv", out(), 3, 1, 1), ("conv", out() + 6, 2, 1, 0))
    yield case((2, 4, 3), ("flatten",), ("linear", out()))
    yield case((7,), ("linear", out()), ("linear", out() + 6))
    yield case((3, 8, 6), ("conv", out(), 3, 1, 1), ("pool", 2, 2), ("flatten",), ("linear", 10))
    yield case((1, 12, 8), ("conv", out(), 3, 1, 0), ("pool", 2, 2), ("conv", out() + 6, 3, 1, 1), ("flatten",),
               ("linear", 16), ("linear", out()))  # fmt: skip
    yield case((2, 9, 7), ("conv", out(), 3, 2, 1), ("flatten",), ("linear", 5), criterion="edge cases")
    yield case((2, 9, 8), ("pool", 2, 2), ("flatten",), ("linear", out()), criterion="edge cases")
    yield case((3, 10, 8), ("conv", out(), 3, 1, 2), ("pool", 3, 2), ("flatten",), ("linear", out()),
               criterion="edge cases")
    yield case((1, 15, 11), ("conv", out(), 5, 2, 2), ("pool", 3, 1), ("conv", out() + 6, 3, 2, 0), ("flatten",),
               ("linear", 12), criterion="edge cases")  # fmt: skip
    yield case((3, 224, 224), *ARCHITECTURES["VGG-16"].layers, criterion="edge cases")


def _size(n, k, stride, padding):
    return (n + 2 * padding - k) // stride + 1


def _count(
    input_shape,
    layers,
    conv=lambda c, out, k, places: (c * k * k + 1) * out,
    linear=lambda n, out: (n + 1) * out,
    pool=lambda c, k, places: 0,
    size=_size,
    pool_size=None,
    flat=math.prod,
):
    """The right count; each option is a place where one may go wrong. `places` are those of the output."""
    shape, total = tuple(input_shape), 0
    for kind, *options in layers:
        if kind == "flatten":
            shape = (flat(shape),)
        elif kind == "linear":
            total += linear(shape[0], options[0])
            shape = (options[0],)
        else:
            c = options.pop(0) if kind == "conv" else shape[0]
            k, stride, padding = (*options, 0)[:3]
            along = pool_size if pool_size and kind == "pool" else size
            before, shape = shape[0], (c, *(along(n, k, stride, padding) for n in shape[1:]))
            places = math.prod(shape[1:])
            total += conv(before, c, k, places) if kind == "conv" else pool(c, k, places)
    return total


def miscount(name, why, **faults):
    """Declare a chaff that counts as `_count` does with these faults."""

    def wrong(input_shape, layers):
        return _count(input_shape, layers, **faults)

    wrong.__name__ = name
    count_cnn_parameters.chaff(why)(wrong)


miscount("no_biases", "The biases are missing: each mask and each fully connected neuron has one of its own.",
         conv=lambda c, out, k, places: c * k * k * out, linear=lambda n, out: n * out)
miscount("no_biases_in_conv", "The biases of the convolutional layers are missing: each mask has one.",
         conv=lambda c, out, k, places: c * k * k * out)
miscount("no_biases_in_linear", "The biases of the fully connected layers are missing: each neuron has one.",
         linear=lambda n, out: n * out)
miscount("channels_in_left_out",
         "The input channels are left out: a mask is (C, k, k), it has weights for every channel of its input.",
         conv=lambda c, out, k, places: (k * k + 1) * out)
miscount("one_mask", "You counted one mask for each convolutional layer; there is one for each output channel.",
         conv=lambda c, out, k, places: c * k * k + 1)
miscount("kernel_not_squared", "A mask has k rows and k columns: k·k weights for each input channel, not k.",
         conv=lambda c, out, k, places: (c * k + 1) * out)
miscount("bias_for_each_channel_in", "A mask has one bias, not one for each input channel.",
         conv=lambda c, out, k, places: c * (k * k + 1) * out)
miscount("one_bias_for_a_layer", "You counted one bias for each layer; each mask and each neuron has one of its own.",
         conv=lambda c, out, k, places: c * k * k * out + 1, linear=lambda n, out: n * out + 1)
miscount("counts_outputs", "You counted the outputs of the layers. Parameters are what is learnt: weights and biases.",
         conv=lambda c, out, k, places: out * places, linear=lambda n, out: out)
miscount("weights_not_shared",
         "You counted a mask for every place of the output. The mask is the same everywhere: weights are shared.",
         conv=lambda c, out, k, places: (c * k * k + 1) * out * places)
miscount("bias_at_each_place",
         "You counted a bias for every place of the output; a mask has a single one, used everywhere.",
         conv=lambda c, out, k, places: c * k * k * out + out * places)
miscount("pooling_counted", "You counted weights for pooling. It has none: a maximum or a mean is not learnt.",
         pool=lambda c, k, places: k * k * c)
miscount("pooling_counted_as_conv", "You counted pooling as if it were a convolutional layer; it has nothing to learn.",
         pool=lambda c, k, places: (c * k * k + 1) * c)
miscount("pooling_counted_once", "You counted k·k weights for pooling. It has none: a maximum or a mean is not learnt.",
         pool=lambda c, k, places: k * k)
miscount("flattened_without_channels", "After flattening there are C·H·W numbers; you left the channels out.",
         flat=lambda shape: math.prod(shape[1:]))
miscount("flattened_to_channels", "After flattening there are C·H·W numbers; you kept the C channels only.",
         flat=lambda shape: shape[0])
miscount("padding_once", "Padding is added at both edges: 2·padding more rows and columns.",
         size=lambda n, k, stride, padding: (n + padding - k) // stride + 1)
miscount("padding_left_out", "The padding is left out of the size of the maps: 2·padding more rows and columns.",
         size=lambda n, k, stride, padding: (n - k) // stride + 1)
miscount("stride_left_out", "The stride is left out of the size of the maps: (n + 2·padding - k) // stride + 1.",
         size=lambda n, k, stride, padding: n + 2 * padding - k + 1)
miscount("rounded_up", "Sizes are rounded down: a window that hangs over the edge is left out.",
         size=lambda n, k, stride, padding: -(-(n + 2 * padding - k) // stride) + 1)
miscount("one_missing_in_the_size", "The +1 is missing in the size of the maps: (n + 2·padding - k) // stride + 1.",
         size=lambda n, k, stride, padding: (n + 2 * padding - k) // stride)
miscount("size_divided_by_stride",
         "You divided the size by the stride. The window's own size counts, too: "
         "(n + 2·padding - k) // stride + 1.",
         size=lambda n, k, stride, padding: n // stride)
miscount("pooled_by_size", "Your pooling windows move by their own size; they move by the stride.",
         pool_size=lambda n, k, stride, padding: n // k)


@count_cnn_parameters.chaff("The fully connected layers are left out: they have weights, too, and often most of them.")
def convolutions_only(input_shape, layers):
    return _count(input_shape, layers, linear=lambda n, out: 0)


# shift ------------------------------------------------------------------------------------


@exercise({"basic": 1.0, "edge cases": 0.5})
def shift(image, down, right):
    """The image moved down and to the right, with zeros moving in, an array (H, W) as before."""
    import torch

    return torch.nn.functional.pad(tensor(image), (right, -right, down, -down)).numpy()


@shift.cases
def _(rng):
    def case(h, w, down, right, criterion="basic"):
        return Case((nonzero(rng, h, w), down, right), criterion=criterion)

    yield case(2, 3, 1, 0)
    yield case(2, 3, 0, 1)
    yield case(4, 5, whole(rng, 1, 2), whole(rng, 3, 4))
    yield case(4, 3, -1, 1)
    yield case(5, 4, 1, -2)
    yield case(5, 6, -2, -1)
    yield case(3, 4, 0, 0, "edge cases")
    yield case(3, 4, 2, 0, "edge cases")
    yield case(4, 3, 0, -2, "edge cases")
    yield case(1, 5, 0, whole(rng, 2, 3), "edge cases")


def shifted(image, down, right):
    return augmentation.shift(image, down, right)


@shift.chaff("Your image wraps round (np.roll): what moves out on one side comes in on the other. Zeros move in.")
def wraps(image, down, right):
    return np.roll(image, (down, right), axis=(0, 1))


@shift.chaff("Your image moves the wrong way on both axes: positive numbers move it down and to the right.")
def wrong_way(image, down, right):
    return shifted(image, -down, -right)


@shift.chaff("Your image moves the wrong way along the columns: a positive `right` moves it to the right.")
def wrong_way_right(image, down, right):
    return shifted(image, down, -right)


@shift.chaff("Your image moves the wrong way along the rows: rows count from the top, a positive `down` moves it down.")
def wrong_way_down(image, down, right):
    return shifted(image, -down, right)


@shift.chaff("Your axes are swapped: `down` moves along the rows, axis 0, and `right` along the columns, axis 1.")
def axes_swapped(image, down, right):
    h, w = image.shape
    return shifted(image, int(np.clip(right, -h, h)), int(np.clip(down, -w, w)))


@shift.chaff("What moves in repeats the edge of the image; zeros move in.")
def edge_repeated(image, down, right):
    rows = np.clip(np.arange(image.shape[0]) - down, 0, image.shape[0] - 1)
    columns = np.clip(np.arange(image.shape[1]) - right, 0, image.shape[1] - 1)
    return image[np.ix_(rows, columns)]


@shift.chaff("Where your image has moved away, its old pixels still stand: start from an array of zeros.")
def old_pixels_stay(image, down, right):
    moved = shifted(np.ones_like(image), down, right)
    return np.where(moved == 1, shifted(image, down, right), image)


@shift.chaff("Your image moves along the rows only: `right` is left out.")
def right_left_out(image, down, right):
    return shifted(image, down, 0)


@shift.chaff("Your image moves along the columns only: `down` is left out.")
def down_left_out(image, down, right):
    return shifted(image, 0, right)


@shift.chaff("Your image moves by the amounts' sizes: negative numbers move it up and to the left.")
def always_down_and_right(image, down, right):
    return shifted(image, abs(down), abs(right))


@shift.chaff("Negative amounts do nothing in your function: they move the image up and to the left.")
def negative_ignored(image, down, right):
    return shifted(image, max(down, 0), max(right, 0))


@shift.chaff(
    "An amount of 0 leaves you with nothing, since x[:-0] is empty. Slice from the front, or treat 0 by itself."
)
def empty_slice(image, down, right):
    return shifted(image, down, right) if down and right else np.zeros_like(image)


@shift.chaff("Your image has grown: the zeros come in, but what moves out must be cut off, so that (H, W) stays.")
def grown(image, down, right):
    rows, columns = ((max(n, 0), max(-n, 0)) for n in (down, right))
    return np.pad(image, (rows, columns))


# augment ----------------------------------------------------------------------------------

OWN_SEEDS = (0, 1, 42, 123, 1234)  # what people write who make a generator of their own


@exercise({"basic": 1.5, "edge cases": 0.5})
def augment(x, rng, max_shift):
    """The pictures, each shifted by its own random amounts down and right, an array (N, H, W) as before."""
    return augmentation.augment(x, rng, max_shift)


@augment.cases
def _(rng):
    def case(n, h, w, max_shift, criterion="basic"):
        return Case((rng.integers(1, 10, (n, h, w)) / 2, seed(rng), max_shift), criterion=criterion)

    yield case(700, 4, 5, 2)
    yield case(1100, 6, 5, 3)
    yield case(700, 5, 7, 2)
    yield case(3, 3, 4, 0, "edge cases")  # by 0 pixels: the pictures themselves
    yield case(1100, 5, 6, 3, "edge cases")
    yield case(6000, 3, 4, 1)  # many, to tell whether all amounts are equally likely


@augment.features
def _(y, x, rng, max_shift):
    amounts = _amounts(y)
    if not np.array_equal(moved(x, amounts), y):
        if np.array_equal(*(np.sort(a.reshape(len(x), -1)) for a in (x, y))):
            return "what moves out of a picture on one side comes in on the other"
        return "some of the pictures are not the original, moved by whole pixels, with zeros moving in"
    if max_shift == 0:
        return {"the number of pictures that moved": np.count_nonzero(amounts.any(axis=1))}
    if (amounts == amounts[0]).all():
        return "all pictures are moved by the same amounts" if amounts.any() else "none of the pictures has moved"
    if _drawn_by_own_seed(amounts, max_shift):
        return "the amounts do not come from the generator rng"
    down, right = amounts.T
    return {
        "the largest amount down": down.max(),
        "the largest amount up": -down.min(),
        "the largest amount to the right": right.max(),
        "the largest amount to the left": -right.min(),
        "the number of different amounts down and up": len(set(down.tolist())),
        "the number of different amounts to the right and left": len(set(right.tolist())),
        "all combinations of both occur": len(set(map(tuple, amounts.tolist()))) >= (2 * max_shift + 1) ** 2,
        "the standard deviation of the amounts down": (down.std(), 0.2 * max_shift),
        "the standard deviation of the amounts to the right": (right.std(), 0.2 * max_shift),
        "the share of amounts that are 0": (np.mean(amounts == 0), 6.2 * len(x) ** -0.5),
    }


def _amounts(y):
    """By how much each picture seems to have moved, down and right, (N, 2): the pictures of the cases have no zeros,
    so it is the number of empty rows above minus that below, and likewise for the columns."""
    filled = [(y != 0).any(axis=axis) for axis in (2, 1)]
    return np.stack([side.argmax(axis=1) - side[:, ::-1].argmax(axis=1) for side in filled], axis=1)


def moved(x, amounts):
    """Each picture by its own amounts, down and right, zeros moving in."""
    (n, h, w), amounts = x.shape, np.asarray(amounts)
    framed = np.pad(x, ((0, 0), (h, h), (w, w)))
    rows, columns = (size + np.arange(size) - amounts[:, [axis]] for axis, size in enumerate((h, w)))
    return framed[np.arange(n)[:, None, None], rows[:, :, None], columns[:, None, :]]


def _drawn_by_own_seed(amounts, max_shift):
    """Whether they are those of a generator with one of `OWN_SEEDS`, picture after picture or axis after axis."""
    orders = [a.ravel()[:40] for one in (amounts, amounts[:, ::-1]) for a in (one, one.T)]
    drawn = [np.random.default_rng(own).integers(-max_shift, max_shift + 1, 40) for own in OWN_SEEDS]
    return any(np.array_equal(a, b) for a in drawn for b in orders)


def drawn(x, rng, max_shift):
    return rng.integers(-max_shift, max_shift + 1, (len(x), 2))


@augment.chaff("You drew once, so all pictures move by the same amounts: draw anew for each picture.")
def one_shift_for_all(x, rng, max_shift):
    return moved(x, [rng.integers(-max_shift, max_shift + 1, 2)] * len(x))


@augment.chaff("Your pictures wrap round (np.roll): what moves out on one side comes in on the other. Zeros move in.")
def augment_wraps(x, rng, max_shift):
    return np.array([np.roll(a, pair, axis=(0, 1)) for a, pair in zip(x, drawn(x, rng, max_shift))])


@augment.chaff(
    "You made a generator of your own, with a fixed seed, so every call moves the pictures by the same amounts: "
    "draw from rng, which goes on to new numbers."
)
def always_the_same(x, rng, max_shift):
    return moved(x, drawn(x, np.random.default_rng(0), max_shift))


@augment.chaff(
    "No picture ever moves by max_shift down or to the right: rng.integers leaves its upper end out, so it is "
    "max_shift + 1, or endpoint=True."
)
def end_left_out(x, rng, max_shift):
    return moved(x, rng.integers(-max_shift, max_shift, (len(x), 2)))


@augment.chaff("No picture ever moves up or to the left: the amounts go from -max_shift to max_shift.")
def never_negative(x, rng, max_shift):
    return moved(x, rng.integers(0, max_shift + 1, (len(x), 2)))


@augment.chaff("No picture ever keeps its height or its column: 0 is one of the amounts.")
def never_zero(x, rng, max_shift):
    return moved(x, rng.integers(1, max_shift + 1, (len(x), 2)) * rng.choice([-1, 1], (len(x), 2)))


@augment.chaff(
    "Your pictures move by max_shift only, one way or the other: all whole pixels in between are amounts, too."
)
def ends_only(x, rng, max_shift):
    return moved(x, max_shift * rng.choice([-1, 1], (len(x), 2)))


@augment.chaff(
    "Your amounts are cut to whole numbers towards 0 (int), so 0 is too frequent and max_shift does not occur: draw "
    "whole numbers, with rng.integers."
)
def cut_to_whole(x, rng, max_shift):
    return moved(x, rng.uniform(-max_shift, max_shift, (len(x), 2)).astype(int))


@augment.chaff(
    "Your amounts are not equally likely, 0 is more frequent than an end: draw whole numbers, with rng.integers, and do "
    "not round or cut others."
)
def rounded(x, rng, max_shift):
    return moved(x, np.round(rng.uniform(-max_shift, max_shift, (len(x), 2))).astype(int))


@augment.chaff("Each picture moves as far to the right as down: draw two amounts for it.")
def one_amount(x, rng, max_shift):
    return moved(x, np.repeat(rng.integers(-max_shift, max_shift + 1, (len(x), 1)), 2, axis=1))


@augment.chaff("Your pictures move up and down only: draw an amount for the columns, too.")
def down_only(x, rng, max_shift):
    return moved(x, drawn(x, rng, max_shift) * [1, 0])


@augment.chaff("Your pictures move left and right only: draw an amount for the rows, too.")
def right_only(x, rng, max_shift):
    return moved(x, drawn(x, rng, max_shift) * [0, 1])


@augment.chaff("Nothing has moved: you return the pictures as they came.")
def nothing_moves(x, rng, max_shift):
    return x.copy()


@augment.chaff("Your pictures have grown: what moves out must be cut off, so that they stay (N, H, W).")
def augment_grown(x, rng, max_shift):
    return np.pad(x, ((0, 0), (max_shift, max_shift), (max_shift, max_shift)))


@augment.chaff(
    "You return the originals together with the shifted pictures; only the shifted ones are asked for, (N, H, W)."
)
def originals_too(x, rng, max_shift):
    return np.concatenate([x, moved(x, drawn(x, rng, max_shift))])


# dropout ----------------------------------------------------------------------------------


@exercise({"basic": 1.5, "use": 1.0}, results=("y", "mask"))
def dropout(x, p, rng, training):
    """Two arrays like x: the values with a random share p of them dropped, and the mask, 1 where a value is kept."""
    import torch

    x, mask = tensor(x), torch.ones(np.shape(x), dtype=torch.float64)
    if training:
        mask.bernoulli_(1 - p, generator=torch.Generator().manual_seed(int(rng.integers(2**31))))
        return (x * mask / (1 - p)).numpy(), mask.numpy()
    return torch.nn.functional.dropout(x, p, training=False).numpy(), mask.numpy()


@dropout.cases
def _(rng):
    def case(p, training, *shape, criterion="basic"):
        return Case((nonzero(rng, *shape), p, seed(rng), training), criterion=criterion)

    yield case(0.25, True, 60, 80)
    yield case(0.75, True, 80, 50)
    yield case(0.125, True, 50, 90)
    yield case(0.375, True, 24, 3, 8, 7)
    yield case(0.25, False, 2, 3, criterion="use")
    yield case(0.75, False, 4, 5, criterion="use")
    yield case(0.0, True, 3, 4, criterion="use")  # nothing is dropped, as in use


@dropout.features
def _(values, x, p, rng, training):
    y, mask = values
    if not np.isin(mask, (0, 1)).all():
        return "the mask holds other values than 0 and 1"
    if np.any(y * (1 - mask)):
        return "where the mask is 0, y is not 0"
    kept, flat = mask == 1, mask.reshape(len(mask), -1)
    factors = (y / x)[kept] if kept.any() else np.zeros(1)
    if np.ptp(factors) > 1e-5:
        return "what is kept is not multiplied by one and the same factor"
    found = {
        "the factor by which y is larger than x, where the mask is 1": (factors.mean(), 1e-5),
        "the share of values that are dropped": (1 - mask.mean(), 18 * (p * (1 - p) / mask.size) ** 0.5 * training),
    }
    if training and 0 < p < 1:
        return found | {
            "the rows of the mask differ": bool((flat != flat[0]).any()),
            "in a row some values are kept and others dropped": bool(np.ptp(flat, axis=1).any()),
            "how much neighbours in the mask are alike, along some axis": (_alike(mask), 0.4),
            "the rows have different numbers of values that are kept": bool(np.ptp(flat.sum(axis=1)) > 0),
            "the mask comes from the generator rng": not _masked_by_own_seed(mask, p),
        }
    return found


def _alike(mask):
    """The largest correlation of neighbours, along any axis: 0 where every value is drawn by itself."""
    gaps = mask - mask.mean()
    pairs = ((gaps.swapaxes(0, axis)[1:], gaps.swapaxes(0, axis)[:-1]) for axis in range(mask.ndim))
    return max(abs(np.mean(a * b)) for a, b in pairs) / gaps.var() if gaps.any() else 1.0


def _masked_by_own_seed(mask, p):
    """Whether the mask is that of a generator with one of `OWN_SEEDS`."""
    for own in OWN_SEEDS:
        drawn = np.random.default_rng(own).random(mask.shape)
        if np.array_equal(drawn > p, mask == 1) or np.array_equal(drawn < 1 - p, mask == 1):
            return True
    return False


def kept(x, p, rng, training=True):
    """A right mask."""
    return (rng.random(x.shape) >= p * training).astype(float)


@dropout.chaff(
    "What is kept must be divided by 1 - p in training, so that the next layer receives about as much as in use."
)
def not_scaled(x, p, rng, training):
    mask = kept(x, p, rng, training)
    return x * mask, mask


@dropout.chaff("You keep a share p and drop the rest: p is the share that is dropped.")
def p_as_keep(x, p, rng, training):
    mask = kept(x, 1 - p, rng, training)
    return x * mask / (p if training and p else 1), mask


@dropout.chaff("You keep a share p, and divide by 1 - p: p is the share that is dropped.")
def p_as_keep_scaled_right(x, p, rng, training):
    mask = kept(x, 1 - p, rng, training)
    return x * mask / (1 - p if training else 1), mask


@dropout.chaff("You divided by p, the share that is dropped; divide by the share that is kept, 1 - p.")
def divided_by_p(x, p, rng, training):
    mask = kept(x, p, rng, training)
    return x * mask / (p if training and p else 1), mask


@dropout.chaff("You multiplied by 1 - p in training, which makes what is kept even smaller: divide by it.")
def multiplied_in_training(x, p, rng, training):
    mask = kept(x, p, rng, training)
    return x * mask * (1 - p if training else 1), mask


@dropout.chaff("You drop in use, too: when training is False, all neurons behave normally, and the mask is all ones.")
def drops_when_used(x, p, rng, training):
    mask = kept(x, p, rng)
    return x * mask / (1 - p), mask


@dropout.chaff("You have training and use exchanged: drop when training is True.")
def exchanged(x, p, rng, training):
    mask = kept(x, p, rng, not training)
    return x * mask / (1 if training else 1 - p), mask


@dropout.chaff(
    "You scale in use, by 1 - p: the division in training has done that already, so in use y is x."
)
def scales_when_used(x, p, rng, training):
    mask = kept(x, p, rng, training)
    return x * mask / (1 - p) if training else x * (1 - p), mask


@dropout.chaff(
    "You drop without scaling in training, and multiply by 1 - p in use. That is another convention: here "
    "training divides by 1 - p, and use changes nothing."
)
def scales_in_use_instead(x, p, rng, training):
    mask = kept(x, p, rng, training)
    return x * mask if training else x * (1 - p), mask


@dropout.chaff("You divide by 1 - p in use, too: there nothing is dropped, so y is x.")
def divides_when_used(x, p, rng, training):
    mask = kept(x, p, rng, training)
    return x * mask / (1 - p), mask


@dropout.chaff("You drew once for each row, so a row is dropped whole or kept whole: every value is drawn by itself.")
def one_for_each_row(x, p, rng, training):
    mask = np.zeros_like(x) + kept(x.reshape(len(x), -1)[:, 0], p, rng, training).reshape(-1, *[1] * (x.ndim - 1))
    return x * mask / (1 - p if training else 1), mask


@dropout.chaff("Your mask is the same for all rows: every sample of the batch has a mask of its own.")
def one_mask_for_all_rows(x, p, rng, training):
    mask = np.zeros_like(x) + kept(x[0], p, rng, training)
    return x * mask / (1 - p if training else 1), mask


@dropout.chaff(
    "Where x has maps, values share a draw, for instance all of a map: every value is drawn by itself."
)
def one_for_each_map(x, p, rng, training):
    mask = np.zeros_like(x) + kept(x[:, :, :1, :1] if x.ndim > 2 else x, p, rng, training)
    return x * mask / (1 - p if training else 1), mask


@dropout.chaff(
    "In each row you keep the same number of values. Every value is drawn by itself, so the numbers differ by "
    "chance."
)
def same_number_in_each_row(x, p, rng, training):
    flat = x.reshape(len(x), -1)
    order = rng.permuted(np.tile(np.arange(flat.shape[1]), (len(flat), 1)), axis=1)
    mask = (order >= round(p * training * flat.shape[1])).astype(float).reshape(x.shape)
    return x * mask / (1 - p if training else 1), mask


@dropout.chaff("Your mask is 1 where a value is dropped; it is 1 where a value is kept.")
def mask_upside_down(x, p, rng, training):
    mask = kept(x, p, rng, training)
    return x * mask / (1 - p if training else 1), 1 - mask


@dropout.chaff("Your mask is divided by 1 - p already. Return zeros and ones, and divide where you compute y.")
def mask_scaled(x, p, rng, training):
    mask = kept(x, p, rng, training) / (1 - p if training else 1)
    return x * mask, mask


@dropout.chaff(
    "You made a generator of your own, with a fixed seed, so every call drops the same values: draw from rng, which "
    "goes on to new numbers."
)
def dropout_always_the_same(x, p, rng, training):
    mask = kept(x, p, np.random.default_rng(0), training)
    return x * mask / (1 - p if training else 1), mask


@dropout.chaff("Mask and values come from two drawings: draw once, and use this mask for y.")
def drawn_twice(x, p, rng, training):
    return x * kept(x, p, rng, training) / (1 - p if training else 1), kept(x, p, rng, training)


@dropout.chaff("You return the mask first; the order is y, mask.")
def results_swapped(x, p, rng, training):
    mask = kept(x, p, rng, training)
    return mask, x * mask / (1 - p if training else 1)


# dropout_backward -------------------------------------------------------------------------


@exercise({"basic": 1.0})
def dropout_backward(dy, mask, p):
    """The gradient of the cost for the input of dropout, an array like dy."""
    x = tensor(np.zeros(np.shape(dy)), requires_grad=True)
    (x * tensor(mask) / (1 - p)).backward(tensor(dy))
    return x.grad.numpy()


@dropout_backward.cases
def _(rng):
    def case(p, *shape):
        while True:
            mask = (rng.random(shape) >= p).astype(float)
            if p == 0 or 0 < mask.mean() < 1:
                return Case((nonzero(rng, *shape), mask, p))

    yield case(0.5, 4)
    yield case(0.25, 2, 3)
    yield case(0.75, 4, 5)
    yield case(0.2, 2, 3, 2, 4)
    yield case(0.0, 2, 3)
    yield Case((nonzero(rng, 3, 2), np.ones((3, 2)), 0.5))  # chance may keep all of them


@dropout_backward.chaff(
    "You drew a new mask. The gradient goes back through the neurons that spoke in the forward: use the mask that "
    "comes in."
)
def new_mask(dy, mask, p):
    return dy * kept(dy, p, np.random.default_rng(0)) / (1 - p)


@dropout_backward.chaff("The scaling is missing: the forward divided by 1 - p, so the chain rule does, too.")
def gradient_not_scaled(dy, mask, p):
    return dy * mask


@dropout_backward.chaff("The mask is left out: what was dropped had no influence, so its gradient is 0.")
def mask_left_out(dy, mask, p):
    return dy / (1 - p)


@dropout_backward.chaff("You passed dy on as it is: multiply by the mask, and divide by 1 - p.")
def gradient_passed_on(dy, mask, p):
    return dy.copy()


@dropout_backward.chaff("You multiplied by 1 - p; the forward divided by it, so the chain rule divides, too.")
def gradient_multiplied(dy, mask, p):
    return dy * mask * (1 - p)


@dropout_backward.chaff("You divided by p, the share that is dropped; divide by the share that is kept, 1 - p.")
def gradient_divided_by_p(dy, mask, p):
    return dy * mask / np.float64(p or 1)


@dropout_backward.chaff("You multiplied by p; the forward divided by 1 - p, so the chain rule does, too.")
def gradient_times_p(dy, mask, p):
    return dy * mask * p


@dropout_backward.chaff("Your gradient goes to what was dropped: the mask is 1 where a value was kept.")
def gradient_to_the_dropped(dy, mask, p):
    return dy * (1 - mask) / (1 - p)


@dropout_backward.chaff("This is the gradient's part that is kept, divided twice: once by 1 - p is enough.")
def gradient_divided_twice(dy, mask, p):
    return dy * mask / (1 - p) ** 2


# fine_tune_step ---------------------------------------------------------------------------


@exercise({"basic": 1.0, "edge cases": 0.5})
def fine_tune_step(parameters, gradients, frozen, lr):
    """The parameters after one step of gradient descent, a list of arrays; the frozen ones as they were."""
    import torch

    moving = [tensor(p, requires_grad=not still) for p, still in zip(parameters, frozen)]
    for p, g in zip(moving, gradients):
        p.grad = tensor(g) if p.requires_grad else None
    torch.optim.SGD(moving, lr=lr).step()
    return [p.detach().numpy() for p in moving]


@fine_tune_step.cases
def _(rng):
    def case(frozen, *shapes, criterion="basic"):
        lr = float(rng.choice([0.25, 0.5]))
        parameters, gradients = ([nonzero(rng, *shape) for shape in shapes] for _ in range(2))
        return Case((parameters, gradients, frozen, lr), criterion=criterion)

    yield case([True, False], (2,), (3,))
    yield case([False, True], (2, 3), (2,))
    yield case([True, True, False, False], (3, 2), (3,), (2, 3), (2,))
    yield case([False, True, False, True], (2, 1, 3, 2), (2,), (4, 2), (4,))
    yield case([False, False], (2, 2), (3,), criterion="edge cases")
    yield case([True, True], (2, 2), (3,), criterion="edge cases")
    yield case([False], (3, 2), criterion="edge cases")


def stepped(parameters, gradients, moves, step):
    return [step(p, g) if move else p.copy() for p, g, move in zip(parameters, gradients, moves)]


@fine_tune_step.chaff("All parameters move: a frozen one stays as it is.")
def all_move(parameters, gradients, frozen, lr):
    return [p - lr * g for p, g in zip(parameters, gradients)]


@fine_tune_step.chaff("The frozen ones move and the others stay: frozen means that a parameter is not trained.")
def frozen_move(parameters, gradients, frozen, lr):
    return stepped(parameters, gradients, frozen, lambda p, g: p - lr * g)


@fine_tune_step.chaff("You walk uphill: the gradient is subtracted.")
def uphill(parameters, gradients, frozen, lr):
    return stepped(parameters, gradients, np.logical_not(frozen), lambda p, g: p + lr * g)


@fine_tune_step.chaff("The learning rate is left out: subtract lr times the gradient.")
def rate_left_out(parameters, gradients, frozen, lr):
    return stepped(parameters, gradients, np.logical_not(frozen), lambda p, g: p - g)


@fine_tune_step.chaff("You return the change, -lr times the gradient; the new parameter is the old one plus that.")
def change_only(parameters, gradients, frozen, lr):
    return [(not still) * -lr * g for g, still in zip(gradients, frozen)]


@fine_tune_step.chaff("You return lr times the gradient; the new parameter is the old one minus that.")
def step_only(parameters, gradients, frozen, lr):
    return [(not still) * lr * g for g, still in zip(gradients, frozen)]


@fine_tune_step.chaff("Nothing moves: those that are not frozen take a step.")
def nothing_moves_at_all(parameters, gradients, frozen, lr):
    return [p.copy() for p in parameters]


@fine_tune_step.chaff("Your frozen parameters have become 0; they keep their values, only their gradient counts as 0.")
def frozen_become_zero(parameters, gradients, frozen, lr):
    return [p * 0 if still else p - lr * g for p, g, still in zip(parameters, gradients, frozen)]


@fine_tune_step.chaff("The frozen ones are missing in your list: they stay in it, as they are.")
def frozen_removed(parameters, gradients, frozen, lr):
    return [p - lr * g for p, g, still in zip(parameters, gradients, frozen) if not still]


@fine_tune_step.chaff("You look at the first entry of frozen only; each parameter has its own.")
def first_entry_only(parameters, gradients, frozen, lr):
    return stepped(parameters, gradients, [not frozen[0]] * len(frozen), lambda p, g: p - lr * g)


@fine_tune_step.chaff(
    "Everything after the first frozen parameter stays, too: each parameter has its own entry in frozen."
)
def stops_at_the_first_frozen(parameters, gradients, frozen, lr):
    moves = np.cumsum(frozen) == 0
    return stepped(parameters, gradients, moves, lambda p, g: p - lr * g)


# fgsm -------------------------------------------------------------------------------------


@exercise({"basic": 1.0, "edge cases": 0.5})
def fgsm(x, dx, epsilon):
    """Every pixel changed by epsilon in the direction in which the cost rises, kept in [0, 1], an array like x."""
    return (tensor(x) + epsilon * tensor(dx).sign()).clamp(0, 1).numpy()


@fgsm.cases
def _(rng):
    def case(epsilon, *shape):
        x, dx = rng.integers(5, 12, shape) / 16, nonzero(rng, *shape) * rng.choice([0.01, 1.0], shape)
        return Case((x, dx, epsilon))

    def edge(epsilon, *shape):
        """Zeros in the gradient, and both ends of the range pushed outwards and inwards."""
        x, dx = pixels(rng, *shape), nonzero(rng, *shape) * rng.choice([0.01, 1.0], shape)
        order = rng.permutation(x.size)
        x.flat[order[:6]], dx.flat[order[:6]] = [0, 0, 1, 1, 0.5, 0.25], [1.5, -0.01, 0.01, -2, 0, 0]
        return Case((x, dx, epsilon), criterion="edge cases")

    yield case(0.25, 4)
    yield case(0.125, 2, 3)
    yield case(0.0625, 3, 4)
    yield case(0.1875, 2, 1, 3, 4)
    yield edge(0.25, 8)
    yield edge(0.125, 3, 4)
    yield edge(0.5, 2, 1, 4, 3)
    yield Case((pixels(rng, 3, 2), nonzero(rng, 3, 2), 0.0), criterion="edge cases")


@fgsm.chaff("You go downhill: this picture is easier for the network. Add epsilon times the sign.")
def minus(x, dx, epsilon):
    return np.clip(x - epsilon * np.sign(dx), 0, 1)


@fgsm.chaff("The sign is left out: every pixel changes by epsilon, however small its gradient is.")
def no_sign(x, dx, epsilon):
    return np.clip(x + epsilon * dx, 0, 1)


@fgsm.chaff("Your pixels leave the range from 0 to 1: cut them off (np.clip).")
def not_clipped(x, dx, epsilon):
    return x + epsilon * np.sign(dx)


@fgsm.chaff("You scaled the gradient by its norm; here each pixel takes its sign, so that all change by epsilon.")
def scaled_by_norm(x, dx, epsilon):
    return np.clip(x + epsilon * dx / np.linalg.norm(dx), 0, 1)


@fgsm.chaff(
    "You scaled the gradient by its largest value; here each pixel takes its sign, so that all change by epsilon."
)
def scaled_by_largest(x, dx, epsilon):
    return np.clip(x + epsilon * dx / abs(dx).max(), 0, 1)


@fgsm.chaff("Where the gradient is 0, your pixel goes down: its sign is 0, and it stays.")
def zero_goes_down(x, dx, epsilon):
    return np.clip(x + epsilon * np.where(dx > 0, 1, -1), 0, 1)


@fgsm.chaff("Where the gradient is 0, your pixel goes up: its sign is 0, and it stays.")
def zero_goes_up(x, dx, epsilon):
    return np.clip(x + epsilon * np.where(dx < 0, -1, 1), 0, 1)


@fgsm.chaff("You return the change alone; add it to the picture.")
def change_alone(x, dx, epsilon):
    return epsilon * np.sign(dx)


@fgsm.chaff("You cut off the change instead of the picture: add first, then keep the sum in [0, 1].")
def change_clipped(x, dx, epsilon):
    return x + np.clip(epsilon * np.sign(dx), 0, 1)


@fgsm.chaff("You took the sign of the picture; it is the gradient that tells the direction.")
def sign_of_the_picture(x, dx, epsilon):
    return np.clip(x + epsilon * np.sign(x), 0, 1)


@fgsm.chaff("Epsilon is left out: you change every pixel by 1.")
def epsilon_left_out(x, dx, epsilon):
    return np.clip(x + np.sign(dx), 0, 1)


@fgsm.chaff("Every pixel goes up in your picture: where the gradient is negative, it goes down.")
def always_up(x, dx, epsilon):
    return np.clip(x + epsilon * (dx != 0), 0, 1)


@fgsm.chaff("You cut off at 1 but not at 0.")
def clipped_above_only(x, dx, epsilon):
    return np.minimum(x + epsilon * np.sign(dx), 1)


@fgsm.chaff("You cut off at 0 but not at 1.")
def clipped_below_only(x, dx, epsilon):
    return np.maximum(x + epsilon * np.sign(dx), 0)


@fgsm.chaff("You stretched the picture to the range from 0 to 1: cut off what lies outside, and leave the rest.")
def stretched(x, dx, epsilon):
    y = x + epsilon * np.sign(dx)
    return (y - y.min()) / (y.max() - y.min() or 1)


# attack -----------------------------------------------------------------------------------


@exercise({"basic": 1.5, "edge cases": 1.0})
def attack(gradient, x, label, epsilon, steps):
    """The picture after so many steps of epsilon / steps up the cost, kept in [0, 1] after each, an array like x."""
    import torch

    start = y = tensor(x)
    for _ in range(steps):
        y = y + epsilon / steps * torch.sign(tensor(gradient(y.numpy().copy(), label)))
        y = torch.minimum(torch.maximum(y, start - epsilon), start + epsilon).clamp(0, 1)
    return y.numpy()


@attack.cases
def _(rng):
    def towards(*shape):
        """A gradient that leads to a goal, one for each label: near it a step leads past it, and back."""
        goals = (rng.integers(2, 14, (3, *shape)) / 16 + 1 / 32).tolist()
        return Function("gradient", f"lambda x, label: np.array({goals})[label] - x")

    def away(*shape):
        """A gradient that leads away from a place, one for each label, and is 0 in some pixels."""
        places = (rng.integers(2, 14, (3, *shape)) / 16 + 1 / 32).tolist()
        still = (rng.random(shape) < 0.7).astype(int).tolist()
        return Function("gradient", f"lambda x, label: (x - np.array({places})[label]) * np.array({still})")

    def turning(x, epsilon, steps):
        """A gradient that turns round on the way: its sign depends on the sum of all pixels, weighted."""
        a = epsilon / steps
        weights = rng.choice([-1, 1], x.shape)
        weights.flat[:2], x.flat[:2] = (1, -1), (1 - a / 2, a / 2)  # these two meet the ends of the range
        total = lambda y: float((y * weights).sum())  # noqa: E731
        y, totals = x, []
        for _ in range(steps):
            y = np.clip(y + a * weights, 0, 1)
            totals.append(total(y))
        turn = totals[1] - 1 / 256  # crossed in the second step
        return Function("gradient", f"lambda x, label: ({turn} - (x * np.array({weights.tolist()})).sum())"
                        f" * np.array({weights.tolist()}) * (1 + label)")  # fmt: skip

    def inner(*shape):
        return rng.integers(5, 12, shape) / 16

    def label():
        return whole(rng, 0, 2)

    yield Case((towards(3), inner(3), label(), 0.25, 2))
    yield Case((away(4), inner(4), label(), 0.125, 2))
    yield Case((towards(2, 3), inner(2, 3), label(), 0.25, 4))
    yield Case((away(3, 4), inner(3, 4), label(), 0.25, 4))
    x = inner(2, 4)
    yield Case((turning(x, 0.1875, 3), x, label(), 0.1875, 3))
    yield Case((towards(1, 4, 3), pixels(rng, 1, 4, 3), label(), 0.5, 8), criterion="edge cases")
    yield Case((away(3, 3), pixels(rng, 3, 3), label(), 0.5, 4), criterion="edge cases")
    x = pixels(rng, 3, 4)
    yield Case((turning(x, 0.375, 3), x, label(), 0.375, 3), criterion="edge cases")
    yield Case((away(5), inner(5), label(), 0.25, 1), criterion="edge cases")


def in_range(y):
    return np.clip(y, 0, 1)


def _attack(gradient, x, label, epsilon, steps, size=None, step=np.sign, keep=in_range):
    """The right attack; each option is a place where one may go wrong."""
    y = x.copy()
    for _ in range(steps):
        y = keep(y + (epsilon / steps if size is None else size) * step(gradient(y, label)))
    return y


@attack.chaff(
    "You took the gradient at the first picture only, which makes one step of epsilon: ask for it anew after each "
    "small step."
)
def one_step(gradient, x, label, epsilon, steps):
    return np.clip(x + epsilon * np.sign(gradient(x, label)), 0, 1)


@attack.chaff("Each of your steps is epsilon long, so the picture ends much further away: a step is epsilon / steps.")
def whole_steps(gradient, x, label, epsilon, steps):
    return _attack(gradient, x, label, epsilon, steps, size=epsilon)


@attack.chaff("Each of your steps is epsilon long, put back to at most epsilon from x: a step is epsilon / steps.")
def whole_steps_projected(gradient, x, label, epsilon, steps):
    return _attack(
        gradient, x, label, epsilon, steps, size=epsilon,
        keep=lambda y: np.clip(np.clip(y, x - epsilon, x + epsilon), 0, 1),
    )  # fmt: skip


@attack.chaff("You go downhill: the network gets better at your picture. Add the step.")
def attack_minus(gradient, x, label, epsilon, steps):
    return _attack(gradient, x, label, epsilon, steps, step=lambda dx: -np.sign(dx))


@attack.chaff("Your pixels drift out of the range from 0 to 1: cut them off after each step.")
def drifts_out(gradient, x, label, epsilon, steps):
    return _attack(gradient, x, label, epsilon, steps, keep=lambda y: y)


@attack.chaff(
    "You cut off at 0 and 1 only at the end: after each step, or the gradient is asked about what is no picture."
)
def clipped_at_the_end(gradient, x, label, epsilon, steps):
    return _attack(gradient, x, label, epsilon, steps, keep=lambda y: y).clip(0, 1)


@attack.chaff("The sign is left out: each pixel moves by epsilon / steps, however small its gradient is.")
def attack_without_sign(gradient, x, label, epsilon, steps):
    return _attack(gradient, x, label, epsilon, steps, step=lambda dx: dx)


@attack.chaff("You scaled the gradient by its norm; here each pixel takes its sign.")
def attack_scaled_by_norm(gradient, x, label, epsilon, steps):
    return _attack(gradient, x, label, epsilon, steps, step=lambda dx: dx / (np.linalg.norm(dx) or 1))


@attack.chaff("You took one step too few: range(1, steps) has steps - 1 numbers.")
def one_step_too_few(gradient, x, label, epsilon, steps):
    return _attack(gradient, x, label, epsilon, steps - 1, size=epsilon / steps)


@attack.chaff("You took one step too many, and end further than epsilon away.")
def one_step_too_many(gradient, x, label, epsilon, steps):
    return _attack(gradient, x, label, epsilon, steps + 1, size=epsilon / steps)


@attack.chaff("Each step starts from x again, so only the last one is left: start from where the one before has led.")
def starts_again(gradient, x, label, epsilon, steps):
    y = x
    for _ in range(steps):
        y = np.clip(x + epsilon / steps * np.sign(gradient(y, label)), 0, 1)
    return y


@attack.chaff("Where the gradient is 0, your pixel moves: its sign is 0, and it stays.")
def zero_moves(gradient, x, label, epsilon, steps):
    return _attack(gradient, x, label, epsilon, steps, step=lambda dx: np.where(dx > 0, 1, -1))


@attack.chaff("You return the change alone; the answer is the picture with it.")
def attack_change_alone(gradient, x, label, epsilon, steps):
    return _attack(gradient, x, label, epsilon, steps) - x


# shortcut_gap -----------------------------------------------------------------------------


@exercise({"basic": 1.0, "edge cases": 0.5})
def shortcut_gap(predict, x, y, break_shortcut):
    """How much accuracy the network loses when the shortcut is broken, a number."""
    clean, broken = (np.mean(np.asarray(predict(a)) == y) for a in (x, break_shortcut(x)))
    return float(clean - broken)


CLEAR = Function("clear", "def clear(x):\n    x = x.copy()\n    x[:, 0] = 0\n    return x")
MIRROR = Function("mirror", "lambda x: x[..., ::-1]")


@shortcut_gap.cases
def _(rng):
    def case(n, features, classes, break_shortcut, sign, criterion="basic"):
        """Draw until each wrong answer gives a number of its own."""
        while True:
            w = rng.integers(-4, 5, (features, classes))
            predict = Function("predict", f"lambda x: (x @ np.array({w.tolist()})).argmax(axis=1)")
            x = rng.integers(0, 5, (n, features)) / 4
            run, change = predict.make(), break_shortcut.make()
            first, second = run(x), run(change(x))
            y = np.where(rng.random(n) < 0.7, first if sign > 0 else second, rng.integers(classes, size=n))
            a, b, changed = np.mean(first == y), np.mean(second == y), np.mean(first != second)
            scores = [np.sort(v @ w, axis=1) for v in (x, change(x))]  # no ties between the best two
            apart = min((s[:, -1] - s[:, -2]).min() for s in scores) > 0.1
            others = {b - a, a / b, b, a, 1 - b, changed, 1 - changed, 0.0} if b else {a - b}
            if apart and sign * (a - b) > 0 and b < 1 and all(abs(a - b - other) > 0.01 for other in others):
                return Case((predict, x, y, break_shortcut), criterion=criterion)

    yield case(5, 3, 2, CLEAR, 1)
    yield case(8, 4, 3, CLEAR, 1)
    yield case(10, 3, 2, MIRROR, 1)
    yield case(12, 5, 3, MIRROR, 1)
    yield case(8, 3, 2, MIRROR, -1, "edge cases")  # the network is better without
    yield case(12, 4, 3, CLEAR, -1, "edge cases")


def _both(predict, x, y, break_shortcut):
    return np.mean(predict(x) == y), np.mean(predict(break_shortcut(x)) == y)


@shortcut_gap.chaff(
    "Your difference is the wrong way round: the accuracy with the shortcut minus the one without. (Errors give "
    "the same as that.)"
)
def gap_reversed(predict, x, y, break_shortcut):
    a, b = _both(predict, x, y, break_shortcut)
    return b - a


@shortcut_gap.chaff("You divided the two accuracies; the gap is their difference.")
def gap_as_ratio(predict, x, y, break_shortcut):
    a, b = _both(predict, x, y, break_shortcut)
    return a / b


@shortcut_gap.chaff("You divided the gap by the first accuracy; the difference itself is asked for.")
def gap_relative(predict, x, y, break_shortcut):
    a, b = _both(predict, x, y, break_shortcut)
    return (a - b) / a


@shortcut_gap.chaff(
    "This is the accuracy on the broken pictures alone: subtract it from the one on the pictures as they are."
)
def broken_only(predict, x, y, break_shortcut):
    return _both(predict, x, y, break_shortcut)[1]


@shortcut_gap.chaff("This is the accuracy with the shortcut alone: subtract the one without it.")
def with_shortcut_only(predict, x, y, break_shortcut):
    return _both(predict, x, y, break_shortcut)[0]


@shortcut_gap.chaff("This is the share of mistakes on the broken pictures: subtract two accuracies.")
def mistakes_only(predict, x, y, break_shortcut):
    return 1 - _both(predict, x, y, break_shortcut)[1]


@shortcut_gap.chaff("You took the size of the gap. If the network is better without the shortcut, it is negative.")
def gap_without_sign(predict, x, y, break_shortcut):
    a, b = _both(predict, x, y, break_shortcut)
    return abs(a - b)


@shortcut_gap.chaff(
    "You counted the answers that change. Some change from wrong to right: compare both with the labels."
)
def answers_that_change(predict, x, y, break_shortcut):
    return np.mean(predict(x) != predict(break_shortcut(x)))


@shortcut_gap.chaff("You counted pictures; an accuracy is a share: divide by their number.")
def gap_as_count(predict, x, y, break_shortcut):
    a, b = _both(predict, x, y, break_shortcut)
    return (a - b) * len(y)


@shortcut_gap.chaff("You return percent; an accuracy is a share from 0 to 1.")
def gap_in_percent(predict, x, y, break_shortcut):
    a, b = _both(predict, x, y, break_shortcut)
    return (a - b) * 100


@shortcut_gap.chaff("Both accuracies are those of the same pictures: break the shortcut before the second one.")
def never_broken(predict, x, y, break_shortcut):
    a, b = _both(predict, x, y, lambda x: x)
    return a - b
