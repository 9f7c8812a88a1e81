"""The exercises of part e: pooling, fully connected layers, the whole network.

PyTorch is the oracle of all but the last. There a network is trained, so its predictions are judged
by their features.
"""

from __future__ import annotations

import functools
import math

import numpy as np

from .exercise import Case, exercise
from .given import Function, Seed

# Numbers for the cases --------------------------------------------------------------------


def numbers(rng, *shape):
    """Halves around 0, no two of them equal: short to read, exact in binary, and no region holds its maximum twice."""
    size = math.prod(shape)
    wide = max(19, size // 2 + 1)
    return rng.choice(np.arange(-wide, wide + 1), size, replace=False).reshape(shape) / 2


def negative(rng, *shape):
    """Numbers that are all below zero, no two of them equal."""
    return -rng.choice(np.arange(1, 2 * math.prod(shape) + 1), math.prod(shape), replace=False).reshape(shape) / 2


def tied(rng, *shape):
    """Few different whole numbers, so that most regions hold their maximum more than once."""
    return rng.integers(-1, 2, shape).astype(float)


def fits(n, size, stride):
    """How many regions lie along an axis of n pixels."""
    return (n - size) // stride + 1


def regions(x, size, stride):
    """All square regions of the maps, (C, OH, OW, size, size); where there are none, an axis is 0."""
    windows = np.lib.stride_tricks.sliding_window_view(x, (size, size), axis=(-2, -1))
    return windows[..., ::stride, ::stride, :, :]


# max_pool, average_pool -------------------------------------------------------------------


def in_torch(x):
    import torch

    return torch.from_numpy(np.array(x, float))


@exercise({"basic": 1.5, "edge cases": 0.5})
def max_pool(x, size, stride):
    """The maximum of every region of each map, an array (C, OH, OW)."""
    import torch

    return torch.nn.functional.max_pool2d(in_torch(x)[None], size, stride)[0].numpy()


@exercise({"basic": 0.75, "edge cases": 0.25})
def average_pool(x, size, stride):
    """The mean of every region of each map, an array (C, OH, OW)."""
    import torch

    return torch.nn.functional.avg_pool2d(in_torch(x)[None], size, stride)[0].numpy()


@max_pool.cases
@average_pool.cases
def _(rng):
    yield Case((numbers(rng, 2, 4, 6), 2, 2))
    yield Case((numbers(rng, 1, 4, 5), 2, 1))
    yield Case((numbers(rng, 2, 5, 7), 2, 2))  # a row and a column that belong to no region
    yield Case((numbers(rng, 3, 6, 7), 3, 2))
    yield Case((negative(rng, 2, 5, 6), 3, 1))
    yield Case((numbers(rng, 2, 7, 9), 2, 3))  # gaps between the regions
    yield Case((numbers(rng, 2, 8, 6), 3, 2))
    yield Case((numbers(rng, 3, 4, 3), 3, 3), criterion="edge cases")
    yield Case((numbers(rng, 1, 3, 5), 1, 2), criterion="edge cases")
    yield Case((numbers(rng, 4, 4, 4), 4, 1), criterion="edge cases")
    yield Case((numbers(rng, 2, 10, 7)[:, ::-2], 2, 3), criterion="edge cases")


def largest(x, size, stride):
    return regions(x, size, stride).max(axis=(-2, -1))


def mean(x, size, stride):
    return regions(x, size, stride).mean(axis=(-2, -1))


def partial_regions(reduce):
    """Pooling that rounds the number of regions up: those at the edge hold fewer pixels."""

    def pool(x, size, stride):
        (_, rows, columns) = x.shape
        begin = [range(0, stride * (math.ceil((n - size) / stride)) + 1, stride) for n in (rows, columns)]
        begin = [[i for i in places if i < n] for places, n in zip(begin, (rows, columns), strict=True)]
        return np.array([[[reduce(m[i : i + size, j : j + size]) for j in begin[1]] for i in begin[0]] for m in x])

    return pool


def same_mistakes(pooling, pool, reduce, does):
    """Declare the wrong answers that both kinds of pooling meet; `does` is what this one does to a region."""

    def wrong(why):
        def declare(function):
            # one name for each exercise
            function.__name__ = f"{pooling.name}_{function.__name__}"
            pooling.chaff(why)(function)

        return declare

    @wrong("The stride is left out: your region moves by one pixel each time.")
    def moved_by_one(x, size, stride):
        return pool(x, size, 1)

    @wrong("Your region moves by its own size; it moves by the stride, so that regions may overlap or leave gaps.")
    def side_by_side(x, size, stride):
        return pool(x, size, size)

    @wrong("Size and stride are exchanged: the region has size·size pixels and moves by the stride.")
    def exchanged(x, size, stride):
        return pool(x, stride, size)

    @wrong("Your regions are as large as the stride; they have size·size pixels.")
    def as_large_as_stride(x, size, stride):
        return pool(x, stride, stride)

    @wrong(
        "You rounded the number of regions up, so those at the edge hang over. A region that does not fit "
        "completely is left out: (H - size) // stride + 1."
    )
    def rounded_up(x, size, stride):
        return partial_regions(reduce)(x, size, stride)

    @wrong("The last row and the last column of regions are missing: there are (H - size) // stride + 1 of them.")
    def one_short(x, size, stride):
        return pool(x, size, stride)[:, :-1, :-1]

    @wrong(
        "There are as many outputs as there should be, but your regions begin at pixel i, j: multiply by the "
        "stride, x[:, i*stride : i*stride+size, …]."
    )
    def begins_at_index(x, size, stride):
        return pool(x, size, 1)[:, : fits(x.shape[1], size, stride), : fits(x.shape[2], size, stride)]

    @wrong(f"Your {does} goes over the channels as well. Each map is pooled by itself: the result has as many as x.")
    def over_channels(x, size, stride):
        return reduce(pool(x, size, stride), axis=0)

    @wrong(
        f"Your {does} goes over the channels as well, and all maps of the result are the same. Each map is "
        "pooled by itself."
    )
    def channels_alike(x, size, stride):
        return np.broadcast_to(reduce(pool(x, size, stride), axis=0), pool(x, size, stride).shape)

    @wrong("Only the first map is pooled, and its result stands in every channel.")
    def first_map(x, size, stride):
        return np.repeat(pool(x[:1], size, stride), len(x), axis=0)

    @wrong("The rows and columns of your output are exchanged: y[c, i, j] belongs to row i·stride, column j·stride.")
    def transposed(x, size, stride):
        return pool(x, size, stride).transpose(0, 2, 1)

    @wrong(f"Your region has one row only: take the {does} over size rows and size columns.")
    def one_row(x, size, stride):
        return reduce(regions(x, size, stride)[..., 0, :], axis=-1)


same_mistakes(max_pool, largest, np.max, "maximum")
same_mistakes(average_pool, mean, np.mean, "mean")


@max_pool.chaff("You took the mean of each region; max pooling takes its maximum.")
def mean_for_max(x, size, stride):
    return mean(x, size, stride)


@max_pool.chaff(
    "Your maximum starts from 0, so it can never be negative: start from -infinity, or from a number of the region."
)
def starts_from_zero(x, size, stride):
    return np.maximum(largest(x, size, stride), 0)


@max_pool.chaff("You took the largest size, whatever its sign; the maximum of -5 and 1 is 1.")
def largest_magnitude(x, size, stride):
    return abs(regions(x, size, stride)).max(axis=(-2, -1))


@max_pool.chaff("You took the number that is farthest from 0; the maximum of -5 and 1 is 1.")
def farthest_from_zero(x, size, stride):
    (low, high) = (regions(x, size, stride).min(axis=(-2, -1)), largest(x, size, stride))
    return np.where(-low > high, low, high)


@max_pool.chaff("You took the minimum of each region.")
def minimum(x, size, stride):
    return regions(x, size, stride).min(axis=(-2, -1))


@max_pool.chaff("These are sums; max pooling takes the largest number of each region.")
def sum_for_max(x, size, stride):
    return regions(x, size, stride).sum(axis=(-2, -1))


@max_pool.chaff("These are places (argmax), not values: return the largest number itself.")
def place_of_maximum(x, size, stride):
    return regions(x, size, stride).reshape(*regions(x, size, stride).shape[:3], -1).argmax(axis=-1)


@average_pool.chaff("You took the maximum of each region; average pooling takes its mean.")
def max_for_mean(x, size, stride):
    return largest(x, size, stride)


@average_pool.chaff("These are sums: divide by the number of pixels in a region, size·size.")
def sum_for_mean(x, size, stride):
    return regions(x, size, stride).sum(axis=(-2, -1))


@average_pool.chaff("You divided by size; a region has size·size pixels.")
def divided_by_size(x, size, stride):
    return regions(x, size, stride).sum(axis=(-2, -1)) / size


@average_pool.chaff("You divided by stride·stride; a region has size·size pixels.")
def divided_by_stride(x, size, stride):
    return regions(x, size, stride).sum(axis=(-2, -1)) / stride**2


@average_pool.chaff("You took the median of each region; average pooling takes the mean.")
def median(x, size, stride):
    return np.median(regions(x, size, stride), axis=(-2, -1))


@average_pool.chaff("Your means are cut to whole numbers: // drops the fraction, / keeps it.")
def floor_division(x, size, stride):
    return regions(x, size, stride).sum(axis=(-2, -1)) // size**2


# global_average_pool ----------------------------------------------------------------------


@exercise({"basic": 0.5})
def global_average_pool(x):
    """The mean of each map, an array (C,)."""
    import torch

    return torch.nn.functional.adaptive_avg_pool2d(in_torch(x)[None], 1)[0, :, 0, 0].numpy()


@global_average_pool.cases
def _(rng):
    yield Case((numbers(rng, 2, 2, 4),))
    yield Case((numbers(rng, 3, 4, 2),))
    yield Case((numbers(rng, 4, 5, 3),))
    yield Case((numbers(rng, 1, 3, 4),))
    yield Case((numbers(rng, 2, 1, 1),))


@global_average_pool.chaff("Your mean goes over the channels. It goes over the pixels of each map: axes 1 and 2.")
def over_the_channels(x):
    return x.mean(axis=0)


@global_average_pool.chaff("These are sums: divide by the number of pixels, H·W.")
def global_sum(x):
    return x.sum(axis=(1, 2))


@global_average_pool.chaff("You return one number for all maps together; each map has a mean of its own.")
def one_number(x):
    return x.mean()


@global_average_pool.chaff("You took the maximum of each map; average pooling takes the mean.")
def global_maximum(x):
    return x.max(axis=(1, 2))


@global_average_pool.chaff("The numbers are right, but axes of length 1 are left over: the result is (C,).")
def kept_axes(x):
    return x.mean(axis=(1, 2), keepdims=True)


@global_average_pool.chaff("Your mean goes over the rows only: average over the columns as well.")
def over_rows_only(x):
    return x.mean(axis=1)


@global_average_pool.chaff("Your mean goes over the columns only: average over the rows as well.")
def over_columns_only(x):
    return x.mean(axis=2)


@global_average_pool.chaff("You divided by the size of the whole array; the mean of a map divides by H·W.")
def divided_by_all(x):
    return x.sum(axis=(1, 2)) / x.size


# cross_channel_max_pool -------------------------------------------------------------------


@exercise({"basic": 1.0})
def cross_channel_max_pool(x, group):
    """The maximum over every `group` maps that follow each other, an array (C//group, H, W)."""
    return in_torch(x).unflatten(0, (-1, group)).max(1).values.numpy()


@cross_channel_max_pool.cases
def _(rng):
    yield Case((numbers(rng, 6, 1, 2), 2))
    yield Case((numbers(rng, 4, 2, 3), 2))
    yield Case((numbers(rng, 6, 3, 2), 3))
    yield Case((negative(rng, 8, 2, 3), 2))
    yield Case((numbers(rng, 8, 3, 2), 4))
    yield Case((numbers(rng, 3, 2, 4), 3))
    yield Case((numbers(rng, 2, 3, 2), 1))


def neighbours(x, group):
    return x.reshape(len(x) // group, group, *x.shape[1:])


@cross_channel_max_pool.chaff(
    "You grouped channels that lie apart (0 with C//group, …). A group are channels that follow each other: "
    "0 and 1, 2 and 3."
)
def apart(x, group):
    return x.reshape(group, -1, *x.shape[1:]).max(axis=0)


@cross_channel_max_pool.chaff(
    "You pooled the pixels of each map. Here every pixel stays, and the maximum goes over channels."
)
def over_pixels(x, group):
    return largest(x, group, group) if min(x.shape[1:]) >= group else x


@cross_channel_max_pool.chaff("You took the mean of each group; asked for is the maximum.")
def mean_of_group(x, group):
    return neighbours(x, group).mean(axis=1)


@cross_channel_max_pool.chaff("You added the channels of each group; asked for is their maximum.")
def sum_of_group(x, group):
    return neighbours(x, group).sum(axis=1)


@cross_channel_max_pool.chaff("You took the maximum over all channels; there is one for each group.")
def over_all_channels(x, group):
    return x.max(axis=0, keepdims=True)


@cross_channel_max_pool.chaff("`group` is how many channels are pooled into one, not how many come out.")
def so_many_groups(x, group):
    return x.reshape(group, -1, *x.shape[1:]).max(axis=1)


@cross_channel_max_pool.chaff("Your groups overlap: the next one begins `group` channels further on.")
def overlapping_groups(x, group):
    return np.stack([x[c : c + group].max(axis=0) for c in range(len(x) - group + 1)])


@cross_channel_max_pool.chaff("You kept the first channel of each group, and left the others out.")
def first_of_group(x, group):
    return x[::group]


@cross_channel_max_pool.chaff("Your maximum starts from 0, so it can never be negative.")
def group_from_zero(x, group):
    return np.maximum(neighbours(x, group).max(axis=1), 0)


@cross_channel_max_pool.chaff("The result has all channels still: each group becomes a single one.")
def group_repeated(x, group):
    return np.repeat(neighbours(x, group).max(axis=1), group, axis=0)


# max_pool_backward ------------------------------------------------------------------------


@exercise({"basic": 1.5, "edge cases": 1.0})
def max_pool_backward(dy, x, size, stride):
    """The gradient for x, an array (C, H, W), from the gradient dy of what max_pool gives."""
    import torch

    x = in_torch(x).requires_grad_()
    y = torch.nn.functional.max_pool2d(x[None], size, stride)[0]
    return torch.autograd.grad(y, x, in_torch(dy))[0].numpy()


@max_pool_backward.cases
def _(rng):
    def case(x, size, stride, criterion="basic"):
        (channels, rows, columns) = x.shape
        shape = (channels, fits(rows, size, stride), fits(columns, size, stride))
        return Case((numbers(rng, *shape), x, size, stride), criterion=criterion)

    def crowned(*shape):
        """A maximum where four regions of 2×2 overlap: it collects from all of them."""
        x = numbers(rng, *shape)
        x[:, 1, 1] = abs(x).max() + 1 + np.arange(len(x))
        return x

    yield case(numbers(rng, 1, 2, 4), 2, 2)
    yield case(crowned(1, 3, 4), 2, 1)
    yield case(numbers(rng, 2, 5, 6), 2, 2)
    yield case(crowned(2, 4, 5), 3, 1)
    yield case(numbers(rng, 2, 7, 6), 2, 3)
    yield case(negative(rng, 2, 5, 7), 3, 2)
    yield case(tied(rng, 1, 4, 4), 2, 2, "edge cases")
    yield case(tied(rng, 2, 5, 6), 3, 2, "edge cases")
    yield case(tied(rng, 2, 4, 5), 2, 1, "edge cases")
    yield case(np.full((1, 3, 4), float(rng.integers(-3, 4))), 2, 1, "edge cases")
    yield case(numbers(rng, 3, 3, 2), 1, 2, "edge cases")


def spread(dy, x, size, stride, weights, assign=False):
    """dx, where every region hands out its dy by `weights(region)`, an array like the region."""
    dx = np.zeros(x.shape)
    for c, i, j in np.ndindex(dy.shape):
        region = np.s_[c, i * stride : i * stride + size, j * stride : j * stride + size]
        share = weights(x[region])
        if assign:
            dx[region][share != 0] = (dy[c, i, j] * share)[share != 0]
        else:
            dx[region] += dy[c, i, j] * share
    return dx


def at(place_of):
    """Weights that are 1 at one place of the region and 0 elsewhere."""

    def weights(region):
        share = np.zeros(region.size)
        share[place_of(region.ravel())] = 1
        return share.reshape(region.shape)

    return weights


first = at(np.argmax)


@max_pool_backward.chaff(
    "Where regions overlap, a later one overwrites what an earlier one handed to the same pixel. It collects from "
    "all of them: use += for =."
)
def assigned(dy, x, size, stride):
    return spread(dy, x, size, stride, first, assign=True)


@max_pool_backward.chaff(
    "Every pixel that equals the maximum gets the whole gradient. One place decided, and it alone gets it: the first, "
    "as np.argmax gives it."
)
def every_equal_value(dy, x, size, stride):
    return spread(dy, x, size, stride, lambda region: (region == region.max()) * 1.0)


@max_pool_backward.chaff("Equal maxima share the gradient in your answer; PyTorch hands it to the first of them.")
def shared_by_equals(dy, x, size, stride):
    return spread(dy, x, size, stride, lambda region: (region == region.max()) / (region == region.max()).sum())


@max_pool_backward.chaff("Of several equal maxima you chose the last; PyTorch chooses the first, row by row.")
def last_maximum(dy, x, size, stride):
    return spread(dy, x, size, stride, at(lambda values: len(values) - 1 - values[::-1].argmax()))


@max_pool_backward.chaff(
    "Of several equal maxima you chose the first column by column; PyTorch reads a region row by row."
)
def first_by_columns(dy, x, size, stride):
    return spread(dy, x, size, stride, lambda region: first(region.T).T)


@max_pool_backward.chaff("Every pixel of a region gets its gradient; only the maximum had a say.")
def to_all(dy, x, size, stride):
    return spread(dy, x, size, stride, np.ones_like)


@max_pool_backward.chaff("You handed out equal shares: that is the gradient of average pooling.")
def shares(dy, x, size, stride):
    return spread(dy, x, size, stride, lambda region: np.full(region.shape, 1 / region.size))


@max_pool_backward.chaff("dy is left out: this only says where the maxima are.")
def only_places(dy, x, size, stride):
    return spread(np.ones_like(dy), x, size, stride, first)


@max_pool_backward.chaff("The value of the maximum is multiplied in. Its derivative is 1, so it gets dy itself.")
def times_value(dy, x, size, stride):
    return spread(dy, x, size, stride, first) * x


@max_pool_backward.chaff("Your gradient goes to the minimum of each region.")
def to_the_minimum(dy, x, size, stride):
    return spread(dy, x, size, stride, at(np.argmin))


@max_pool_backward.chaff("Your gradient goes to the number farthest from 0; the maximum is the largest, with its sign.")
def to_the_farthest(dy, x, size, stride):
    return spread(dy, x, size, stride, at(lambda values: abs(values).argmax()))


@max_pool_backward.chaff("Your regions begin at pixel i, j: multiply by the stride, as in the forward.")
def backward_without_stride(dy, x, size, stride):
    dx = np.zeros(x.shape)
    for c, i, j in np.ndindex(dy.shape):
        dx[c, i : i + size, j : j + size] += dy[c, i, j] * first(x[c, i : i + size, j : j + size])
    return dx


@max_pool_backward.chaff("Your gradient goes to the first pixel of each region, whatever its value.")
def to_the_corner(dy, x, size, stride):
    return spread(dy, x, size, stride, at(lambda values: 0))


@max_pool_backward.chaff("The sign is wrong; the minus belongs to the update of the weights, not here.")
def pooled_sign(dy, x, size, stride):
    return -spread(dy, x, size, stride, first)


# flatten ----------------------------------------------------------------------------------


@exercise({"basic": 1.0})
def flatten(x):
    """All numbers of each sample in one row, an array (N, C·H·W), in PyTorch's order."""
    import torch

    return torch.flatten(in_torch(x), 1).numpy()


@flatten.cases
def _(rng):
    yield Case((numbers(rng, 2, 2, 2, 3),))
    yield Case((numbers(rng, 3, 2, 3, 4),))
    yield Case((numbers(rng, 2, 3, 4, 2),))
    yield Case((numbers(rng, 1, 2, 3, 2),))
    yield Case((numbers(rng, 3, 1, 2, 2),))
    yield Case((numbers(rng, 2, 4, 3, 3).transpose(0, 1, 3, 2),))


@flatten.chaff("The whole batch became one vector. Each sample keeps a row of its own: (N, C·H·W).")
def batch_in_one_vector(x):
    return x.ravel()


@flatten.chaff("The whole batch became one row. Each sample keeps a row of its own: (N, C·H·W).")
def batch_in_one_row(x):
    return x.reshape(1, -1)


@flatten.chaff("The channels of a pixel stand side by side. In PyTorch's order all of the first map comes first.")
def channel_last(x):
    return x.transpose(0, 2, 3, 1).reshape(len(x), -1)


@flatten.chaff(
    "Each map is read column by column. That is the lecture's order; asked for is PyTorch's, row by row."
)
def column_by_column(x):
    return x.transpose(0, 1, 3, 2).reshape(len(x), -1)


@flatten.chaff(
    "You read the array in Fortran's order, the channel fastest. Asked for is: map by map, and each row by row."
)
def fortran_order(x):
    return x.reshape(len(x), -1, order="F")


@flatten.chaff("Your answer is transposed: samples are rows, (N, C·H·W).")
def samples_in_columns(x):
    return x.reshape(len(x), -1).T


@flatten.chaff("Your reshape mixes the samples: x.reshape(-1, N) does not put a sample into a column. Keep N first.")
def samples_mixed(x):
    return x.reshape(-1, len(x))


@flatten.chaff("The channels are still apart: all maps of a sample go into one row, one after the other.")
def channels_kept(x):
    return x.reshape(len(x), x.shape[1], -1)


@flatten.chaff("Only the first map of each sample is there; all maps follow each other in its row.")
def only_first_map(x):
    return x[:, 0].reshape(len(x), -1)


@flatten.chaff("Only the first sample is there; there is a row for each of the N samples.")
def only_first_sample(x):
    return x[0].reshape(1, -1)


# cross_entropy ----------------------------------------------------------------------------


@exercise({"basic": 1.5, "large numbers": 1.0}, results=("loss", "dlogits"))
def cross_entropy(logits, labels):
    """The loss, softmax inside, averaged over the batch, and its gradient for the logits."""
    import torch

    z = in_torch(logits).requires_grad_()
    loss = torch.nn.functional.cross_entropy(z, torch.from_numpy(np.array(labels)).long())
    return float(loss.detach()), torch.autograd.grad(loss, z)[0].numpy()


@cross_entropy.cases
def _(rng):
    def quarters(*shape):
        return rng.integers(-8, 9, shape) / 4

    def labels(n, classes):
        """Not all alike, and the first one not 0."""
        y = rng.integers(0, classes, n)
        y[0] = rng.integers(1, classes)
        return y

    yield Case((quarters(2, 3), labels(2, 3)))
    yield Case((quarters(3, 2), labels(3, 2)))
    yield Case((quarters(4, 5), labels(4, 5)))
    yield Case((quarters(3, 4), labels(3, 4)))
    yield Case((quarters(1, 4), labels(1, 4)))
    big = np.array([[1000.0, 0.0, -1000.0], [0.5, -0.5, 1.0]])
    big[1] += rng.integers(1, 9) / 4
    yield Case((big, np.array([0, 2])), criterion="large numbers")
    yield Case((big[:, ::-1], np.array([0, 2])), criterion="large numbers")
    yield Case((1000 + quarters(3, 4), labels(3, 4)), criterion="large numbers")
    yield Case((quarters(3, 4) - 1000, labels(3, 4)), criterion="large numbers")


def softmax(z):
    p = np.exp(z - z.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)


def log_softmax(z):
    z = z - z.max(axis=1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=1, keepdims=True))


def one_hot(labels, classes):
    return np.eye(classes)[labels]


def right_loss(z, labels):
    return -log_softmax(z)[np.arange(len(z)), labels].mean()


def right_gradient(z, labels):
    return (softmax(z) - one_hot(labels, z.shape[1])) / len(z)


@cross_entropy.chaff(
    "exp(1000) is too large for a number, and exp(-1000) is 0: subtract the largest logit of each row first, "
    "which changes no probability, and take the log of the sum, not of the quotient."
)
def not_stable(logits, labels):
    with np.errstate(all="ignore"):
        p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        return -np.log(p[np.arange(len(p)), labels]).mean(), (p - one_hot(labels, p.shape[1])) / len(p)


@cross_entropy.chaff(
    "The probabilities are right, but one of them is 0 after rounding, and log 0 is -infinity. Take the log before "
    "the division: log p = z - max - log(sum of exp(z - max))."
)
def log_of_zero(logits, labels):
    with np.errstate(divide="ignore"):
        log_p = np.log(softmax(logits))
    return -log_p[np.arange(len(log_p)), labels].mean(), right_gradient(logits, labels)


@cross_entropy.chaff(
    "A small number added inside the log hides log 0, but the loss stops growing there. Take the log before the "
    "division: log p = z - max - log(sum of exp(z - max))."
)
def small_number_in_log(logits, labels):
    p = softmax(logits)
    return -np.log(p[np.arange(len(p)), labels] + 1e-12).mean(), right_gradient(logits, labels)


@cross_entropy.chaff("Softmax is applied twice: the logits become probabilities once.")
def softmax_twice(logits, labels):
    return right_loss(softmax(logits), labels), right_gradient(softmax(logits), labels)


@cross_entropy.chaff("Loss and gradient are sums over the batch; divide both by N.")
def summed(logits, labels):
    return right_loss(logits, labels) * len(logits), right_gradient(logits, labels) * len(logits)


@cross_entropy.chaff("The loss is a sum over the batch; it is the mean, as its gradient is.")
def loss_summed(logits, labels):
    return right_loss(logits, labels) * len(logits), right_gradient(logits, labels)


@cross_entropy.chaff("The loss is right, but the gradient is not divided by N: the loss is a mean over the batch.")
def gradient_not_divided(logits, labels):
    return right_loss(logits, labels), right_gradient(logits, labels) * len(logits)


@cross_entropy.chaff("You divided by all numbers, N·C; the mean goes over the N samples.")
def divided_by_all_numbers(logits, labels):
    return right_loss(logits, labels) / logits.shape[1], right_gradient(logits, labels) / logits.shape[1]


@cross_entropy.chaff("The loss has the wrong sign: it is -log p, never negative.")
def sign_of_loss(logits, labels):
    return -right_loss(logits, labels), right_gradient(logits, labels)


@cross_entropy.chaff("The gradient has the wrong sign: it is p minus one-hot; the minus of the descent comes later.")
def sign_of_gradient(logits, labels):
    return right_loss(logits, labels), -right_gradient(logits, labels)


@cross_entropy.chaff("Loss and gradient have the wrong sign.")
def both_signs(logits, labels):
    return -right_loss(logits, labels), -right_gradient(logits, labels)


@cross_entropy.chaff("The 1 at the label is missing in your gradient: (p - one-hot) / N.")
def one_hot_missing(logits, labels):
    return right_loss(logits, labels), softmax(logits) / len(logits)


@cross_entropy.chaff(
    "Only the label's place has a gradient in your answer. The other logits pushed its probability down, so they "
    "have one, too."
)
def only_at_label(logits, labels):
    return right_loss(logits, labels), right_gradient(logits, labels) * one_hot(labels, logits.shape[1])


@cross_entropy.chaff(
    "Your gradient is the one for the probabilities, -1/p at the label; asked for is the one for the logits."
)
def for_the_probabilities(logits, labels):
    at_label, dlogits = (np.arange(len(logits)), labels), np.zeros(logits.shape)
    with np.errstate(divide="ignore"):
        dlogits[at_label] = -1 / softmax(logits)[at_label] / len(logits)
    return right_loss(logits, labels), dlogits


@cross_entropy.chaff("Softmax is missing: turn the logits into probabilities first.")
def softmax_missing(logits, labels):
    return -logits[np.arange(len(logits)), labels].mean(), (logits - one_hot(labels, logits.shape[1])) / len(logits)


@cross_entropy.chaff("Your softmax divides by the sum over the batch: it goes over the classes, axis 1.")
def softmax_over_batch(logits, labels):
    p = softmax(logits.T).T
    loss = -log_softmax(logits.T).T[np.arange(len(p)), labels].mean()
    return loss, (p - one_hot(labels, p.shape[1])) / len(p)


@cross_entropy.chaff("Your softmax divides by the sum of the whole array: every sample has a sum of its own.")
def softmax_over_all(logits, labels):
    p = softmax(logits.reshape(1, -1)).reshape(logits.shape)
    loss = -log_softmax(logits.reshape(1, -1)).reshape(logits.shape)[np.arange(len(p)), labels].mean()
    return loss, (p - one_hot(labels, p.shape[1])) / len(p)


@cross_entropy.chaff("Your loss is one number for each sample; return their mean.")
def loss_of_each(logits, labels):
    return -log_softmax(logits)[np.arange(len(logits)), labels], right_gradient(logits, labels)


@cross_entropy.chaff("Your log is of base 2; the cost has the natural one, np.log.")
def base_two(logits, labels):
    return right_loss(logits, labels) / math.log(2), right_gradient(logits, labels)


@cross_entropy.chaff("Your log is of base 10; the cost has the natural one, np.log.")
def base_ten(logits, labels):
    return right_loss(logits, labels) / math.log(10), right_gradient(logits, labels)


@cross_entropy.chaff("The log is missing: the loss is -log p at the label, not 1 - p.")
def log_missing(logits, labels):
    return 1 - softmax(logits)[np.arange(len(logits)), labels].mean(), right_gradient(logits, labels)


@cross_entropy.chaff("Your loss adds up the logs of all classes; only the label's counts.")
def all_classes(logits, labels):
    return -log_softmax(logits).sum(axis=1).mean(), right_gradient(logits, labels)


# cnn_shapes -------------------------------------------------------------------------------


@exercise({"basic": 1.0, "options": 1.0})
def cnn_shapes(input_shape, layers):
    """The shape after every layer, a list of tuples: (C, H, W), or (n,) once it is flat."""
    import torch

    x, shapes = torch.zeros(1, *input_shape), []
    for kind, *options in layers:
        if kind == "conv":
            (out, k, stride, padding) = options
            w = torch.zeros(out, x.shape[1], k, k)
            x = torch.nn.functional.conv2d(x, w, None, stride, padding)
        elif kind == "pool":
            x = torch.nn.functional.max_pool2d(x, *options)
        elif kind == "flatten":
            x = x.flatten(1)
        else:
            x = torch.nn.functional.linear(x, torch.zeros(options[0], x.shape[1]))
        shapes.append(tuple(x.shape[1:]))
    return shapes


@cnn_shapes.cases
def _(rng):
    def draw(low, high):
        return int(rng.integers(low, high + 1))

    flat, out = ("flatten",), ("linear", draw(5, 12))
    # H ≠ W, more masks than channels, and sizes that the strides do not divide
    h, w = draw(7, 9), draw(11, 13)
    yield Case(((1, h, w), [("conv", draw(3, 6), 3, 1, 0), flat]))
    yield Case(((2, 2 * draw(4, 6), 2 * draw(7, 9)), [("pool", 2, 2), ("conv", draw(3, 6), 3, 1, 0)]))
    yield Case(((1, 8, 10), [("conv", draw(4, 8), 3, 1, 0), ("pool", 2, 2), flat, ("linear", draw(20, 40)), out]))
    yield Case(((3, 2 * h, 2 * w), [("conv", draw(4, 6), 3, 1, 0), ("conv", draw(7, 9), 4, 1, 0)]))
    yield Case(((3, 9, 13), [("conv", draw(4, 8), 3, 2, 0)]), criterion="options")
    yield Case(((2, 8, 11), [("conv", draw(4, 8), 5, 2, 0)]), criterion="options")
    same = [("conv", draw(3, 6), 3, 1, 1), ("conv", draw(7, 9), 5, 1, 2)]  # the padding keeps the size
    yield Case(((1, 7, 10), [*same, flat, out]), criterion="options")
    yield Case(((2, 7, 10), [("conv", draw(3, 6), 3, 1, 2), ("conv", draw(7, 9), 5, 2, 1)]), criterion="options")
    yield Case(((3, 10, 14), [("pool", 3, 2), ("pool", 2, 1)]), criterion="options")
    yield Case(((2, 12, 15), [("pool", 2, 2), ("pool", 2, 2), flat]), criterion="options")
    yield Case(((3, 29, 38), [
        ("conv", draw(8, 12), 5, 2, 2), ("pool", 3, 2), ("conv", draw(16, 24), 3, 1, 1), ("pool", 2, 2), flat,
        ("linear", draw(30, 60)), out,
    ]), criterion="options")  # fmt: skip
    yield Case(((1, 6, 7), [flat, out]), criterion="options")


def shapes_with(conv=None, pool=None, flat=None, linear=None):
    """A chaff that does one kind of layer its own way; each way takes the shape and the layer's options."""

    def window(n, k, stride, padding=0):
        return (n + 2 * padding - k) // stride + 1

    ways = {
        "conv": conv or (lambda s, out, k, t, p: (out, window(s[1], k, t, p), window(s[2], k, t, p))),
        "pool": pool or (lambda s, k, t: (s[0], window(s[1], k, t), window(s[2], k, t))),
        "flatten": flat or (lambda s: (math.prod(s),)),
        "linear": linear or (lambda s, out: (out,)),
    }

    def walk(input_shape, layers):
        shapes, shape = [], tuple(input_shape)
        for kind, *options in layers:
            shape = tuple(ways[kind](shape, *options))
            shapes.append(shape)
        return shapes

    return walk


def sizes(size, *kinds):
    """`shapes_with`, where `size(n, k, stride, padding)` is the rule for one axis of these kinds of layers."""
    ways = {
        "conv": lambda s, out, k, t, p: (out, size(s[1], k, t, p), size(s[2], k, t, p)),
        "pool": lambda s, k, t: (s[0], size(s[1], k, t, 0), size(s[2], k, t, 0)),
    }
    return shapes_with(**{kind: ways[kind] for kind in kinds})


right_shapes = shapes_with()

for _name, _why, _walk in (
    ("channels_not_changed",
     "Your convolution keeps the number of channels; there are as many maps as masks, the first number after \"conv\".",
     shapes_with(conv=lambda s, out, k, t, p: (s[0], (s[1] + 2 * p - k) // t + 1, (s[2] + 2 * p - k) // t + 1))),
    ("channels_multiplied",
     "Your convolution makes out maps for each channel; every mask reads all channels, so there are `out` maps.",
     shapes_with(conv=lambda s, out, k, t, p: (s[0] * out, (s[1] + 2 * p - k) // t + 1, (s[2] + 2 * p - k) // t + 1))),
    ("windows_rounded_up",
     "You rounded up. A window that does not fit completely is left out: //.",
     sizes(lambda n, k, t, p: -((k - n - 2 * p) // t) + 1, "conv", "pool")),
    ("pooling_rounded_up",
     "You rounded up in pooling. A region that does not fit completely is left out: //.",
     sizes(lambda n, k, t, p: -((k - n) // t) + 1, "pool")),
    ("convolution_padded_once",
     "The padding is on both sides of each axis: n + 2·padding.",
     sizes(lambda n, k, t, p: (n + p - k) // t + 1, "conv")),
    ("padding_left_out", "The padding of the convolution is left out.",
     sizes(lambda n, k, t, p: (n - k) // t + 1, "conv")),
    ("stride_of_convolution_left_out", "The stride of the convolution is left out.",
     sizes(lambda n, k, t, p: n + 2 * p - k + 1, "conv")),
    ("strides_left_out", "All strides are left out; divide by them.",
     sizes(lambda n, k, t, p: n + 2 * p - k + 1, "conv", "pool")),
    ("pooled_side_by_side", "Your regions for pooling move by their size; they move by the stride, the third entry.",
     sizes(lambda n, k, t, p: (n - k) // k + 1, "pool")),
    ("pooling_divides_by_stride", "Pooling gives (n - k) // stride + 1, not n // stride.",
     sizes(lambda n, k, t, p: n // t, "pool")),
    ("plus_one_missing", "The 1 is missing: (n + 2·padding - k) // stride + 1.",
     sizes(lambda n, k, t, p: (n + 2 * p - k) // t, "conv", "pool")),
    ("padding_keeps_the_size", "Padding does not always keep the size of the map: compute with the padding that is given.",
     sizes(lambda n, k, t, p: -(-n // t) if p else (n - k) // t + 1, "conv")),
    ("map_stays", "Your convolution keeps the size of the map. It does so only with the right padding and stride 1.",
     sizes(lambda n, k, t, p: n, "conv")),
    ("flat_without_channels", "The channels are left out when flattening: the vector has C·H·W numbers.",
     shapes_with(flat=lambda s: (math.prod(s[1:]),))),
    ("rows_and_columns_exchanged", "Rows and columns are exchanged in your convolution: the order is (C, H, W).",
     shapes_with(conv=lambda s, out, k, t, p: (out, (s[2] + 2 * p - k) // t + 1, (s[1] + 2 * p - k) // t + 1))),
    ("square_maps", "You computed the rows, and took the columns to be as many. H and W may differ.",
     shapes_with(conv=lambda s, out, k, t, p: (out, *2 * ((s[1] + 2 * p - k) // t + 1,)),
                 pool=lambda s, k, t: (s[0], *2 * ((s[1] - k) // t + 1,)))),
    ("channels_pooled", "Your pooling works on the channels as well; it changes rows and columns only.",
     shapes_with(pool=lambda s, k, t: ((s[0] - k) // t + 1, (s[1] - k) // t + 1, (s[2] - k) // t + 1))),
    ("input_included", "The shape of the input is in your list; it begins with the shape after the first layer.",
     lambda input_shape, layers: [tuple(input_shape), *right_shapes(input_shape, layers)]),
    ("only_last_shape", "Only the last shape is there: return the shape after every layer.",
     lambda input_shape, layers: right_shapes(input_shape, layers)[-1:]),
    ("always_from_input",
     "Each of your shapes is computed from the input's; every layer works on the result of the one before.",
     lambda input_shape, layers: [s for layer in layers for s in (
         [(layer[1],)] if layer[0] == "linear" else right_shapes(input_shape, [layer]))]),
):  # fmt: skip
    _walk.__name__ = _name
    cnn_shapes.chaff(_why)(_walk)


# parallel ---------------------------------------------------------------------------------


@exercise({"basic": 1.0})
def parallel(x, branches):
    """The results of the branches, which all get x, one after the other along the channels."""
    import torch

    return torch.cat([in_torch(branch(x)) for branch in branches], dim=1).numpy()


@parallel.cases
def _(rng):
    def scale(n):
        return Function(f"branch_{n}", f"lambda x: {int(rng.integers(2, 9)) * rng.choice([-0.5, 0.5])} * x")

    def mix(n):
        w = rng.choice(np.delete(np.arange(-6, 7), 6), 2, replace=False) / 2
        return Function(f"branch_{n}", f"lambda x: {w[0]} * x[:, :1] + {w[1]} * x[:, -1:]")

    def square(n):
        return Function(f"branch_{n}", f"lambda x: x**2 + {int(rng.integers(1, 9))}")

    def shifted(n):
        return Function(f"branch_{n}", f"lambda x: np.roll(x, 1, axis=3) - {int(rng.integers(1, 9))}")

    yield Case((numbers(rng, 1, 2, 2, 3), [scale(1), shifted(2)]))
    yield Case((numbers(rng, 2, 2, 3, 2), [square(1), scale(2), shifted(3)]))
    yield Case((numbers(rng, 2, 2, 2, 3), [mix(1), square(2)]))
    yield Case((numbers(rng, 3, 3, 2, 2), [scale(1), mix(2), shifted(3)]))
    yield Case((numbers(rng, 2, 3, 3, 3), [shifted(1), scale(2)]))
    yield Case((numbers(rng, 2, 2, 2, 2), [square(1)]))


def results_of(x, branches):
    return [branch(x) for branch in branches]


@parallel.chaff("The results are added. That is a skip connection; parallel branches keep all maps, side by side.")
def added(x, branches):
    return sum(results_of(x, branches))


@parallel.chaff("You averaged the results; parallel branches keep all maps, side by side.")
def averaged(x, branches):
    return sum(results_of(x, branches)) / len(branches)


@parallel.chaff("You joined the samples (axis 0). Axis 0 counts samples; the maps stand on axis 1.")
def along_samples(x, branches):
    return np.concatenate(results_of(x, branches), axis=0)


@parallel.chaff("You joined the columns (the last axis); the maps stand on axis 1.")
def along_columns(x, branches):
    return np.concatenate(results_of(x, branches), axis=-1)


@parallel.chaff("You joined the rows (axis 2); the maps stand on axis 1.")
def along_rows(x, branches):
    return np.concatenate(results_of(x, branches), axis=2)


@parallel.chaff("Your branches work one after the other, each on the result of the one before. All of them get x.")
def in_sequence(x, branches):
    for branch in branches:
        x = branch(x)
    return x


@parallel.chaff("Each branch works on the result of the one before. All of them get x itself.")
def in_sequence_and_joined(x, branches):
    results = []
    for branch in branches:
        x = branch(x)
        results.append(x)
    return np.concatenate(results, axis=1)


@parallel.chaff("Only the first branch is used.")
def first_branch(x, branches):
    return branches[0](x)


@parallel.chaff("Only the last branch is used: a loop overwrites its result.")
def last_branch(x, branches):
    return branches[-1](x)


@parallel.chaff("The branches stand in reverse order.")
def reversed_branches(x, branches):
    return np.concatenate(results_of(x, branches)[::-1], axis=1)


@parallel.chaff("The input itself is joined on as well; only the results of the branches are.")
def input_joined(x, branches):
    return np.concatenate([x, *results_of(x, branches)], axis=1)


@parallel.chaff("The results have got an axis of their own (np.stack); np.concatenate joins them along the channels.")
def new_axis(x, branches):
    return np.stack(results_of(x, branches), axis=1)


@parallel.chaff("The maps of the branches take turns; all maps of a branch stay together.")
def taking_turns(x, branches):
    results = results_of(x, branches)
    most = max(y.shape[1] for y in results)
    return np.concatenate([y[:, c : c + 1] for c in range(most) for y in results if c < y.shape[1]], axis=1)


# train_cnn --------------------------------------------------------------------------------
#
# What is in x_test decides what can be said about an answer:
# - upright digits that are not in x_train, some of them twice, at different places;
# - digits that lie on their side, for whoever flattens in one order to learn and in another to predict;
# - in one case pictures that are all ink, for whoever normalises with the numbers of the batch itself.
# The labels are never the digits' own names, so weights brought along are no answer by themselves.
# What is judged is the share that is right: another good learner than a network cannot be told from one.

OWN_NAMES = "your labels are the digits' own names, but in y_train every digit has another label"
TWICE = "an image that stands in x_test twice gets two different labels"
OTHER_ORDER = f"{TWICE}, and hardly a digit is right"
CONSTANT = "every image gets the same label"
ON_THE_SIDE = "digits that lie on their side are recognised, upright ones are not"
NO_LABEL = "some of your labels do not occur in y_train"
SHARE = "the share of unseen digits that are right"
LEARNT = "at least a third of the unseen digits are right"
NEARLY = "at least 85 of 100 unseen digits are right"
ENOUGH = "about 95 of 100 unseen digits are right, or more"
BY_CHANCE = 0.02  # two standard errors of what is measured on 600 digits: a network that gets 95 of 100 right passes


@functools.cache
def all_digits():
    """Every digit that there is, (1797, 64), and its name; upright ones first, then all of them on their side."""
    from ..data import digits

    known = digits()
    x = np.concatenate([known.x_train, known.x_validation, known.x_test])[:, 0]
    y = np.concatenate([known.y_train, known.y_validation, known.y_test])
    return np.concatenate([x, x.transpose(0, 2, 1)]).reshape(2 * len(x), 64), y


def recognised(x):
    """What a picture shows, by the digit that it was made from: its name, or -1; and whether it stands upright."""
    return _recognised(x.tobytes())


@functools.lru_cache(maxsize=16)  # one check asks many times about the same few arrays
def _recognised(pixels):
    table, names = all_digits()
    x = np.frombuffer(pixels).reshape(-1, 64)
    distance = (x**2).sum(axis=1)[:, None] - 2 * x @ table.T + (table**2).sum(axis=1)
    nearest = distance.argmin(axis=1)
    known = distance[np.arange(len(x)), nearest] < 0.5
    return np.where(known, names[nearest % len(names)], -1), nearest < len(names)


def true_labels(x_train, y_train, x_test):
    """The label of every picture of x_test by the labels of y_train, or -1; and whether it stands upright."""
    label_of = np.full(11, -1)  # the last one for pictures that are no digits
    label_of[recognised(x_train)[0]] = y_train
    names, upright = recognised(x_test)
    return np.where(names < 0, -1, label_of[names]), upright & (names >= 0)


@exercise({"basic": 2.0, "edge cases": 1.5}, seconds=20.0, library=True)
def train_cnn(x_train, y_train, x_test, rng):
    """The labels that a network, trained on x_train and y_train, predicts for x_test, ints (M,)."""
    labels, upright = true_labels(x_train, y_train, x_test)
    return np.where(upright, labels, y_train[0])


@train_cnn.cases
def _(rng):
    from ..data import digits

    known = digits()
    pools = (known.x_train, known.y_train), (
        np.concatenate([known.x_validation, known.x_test]), np.concatenate([known.y_validation, known.y_test])
    )  # fmt: skip

    def drawn(pool, digits, each):
        """`each` pictures of every one of these digits, in no order, a little noise on them, and their names."""
        chosen = np.concatenate([rng.permutation(np.flatnonzero(pool[1] == digit))[:each] for digit in digits])
        chosen = rng.permutation(chosen)
        x = pool[0][chosen]
        return np.clip(x + rng.uniform(-1 / 32, 1 / 32, x.shape), 0, 1), pool[1][chosen]

    def case(digits, ink, criterion):
        labels = rng.permutation(10)
        while (labels == np.arange(10)).any() or set(labels[digits]) == set(range(len(digits))) != set(range(10)):
            labels = rng.permutation(10)
        x_train, names = drawn(pools[0], digits, 100)
        upright, _ = drawn(pools[1], digits, 60)
        lopsided = [digit for digit in digits if digit in (2, 3, 5, 6, 7, 9)]  # the others look alike on their side
        on_the_side = drawn(pools[1], lopsided, 60 // len(lopsided))[0].transpose(0, 1, 3, 2)
        full = 1 - rng.uniform(0, 1 / 8, (ink, 1, 8, 8))
        x_test = rng.permutation(np.concatenate([upright, upright[:80], on_the_side, full]))
        seed = Seed(int(rng.integers(1000)))
        return Case((x_train, labels[names], x_test, seed), criterion=criterion)

    yield case(np.arange(10), 0, "basic")
    # some labels do not occur, and the digits are not alone
    yield case(np.sort(rng.permutation(10)[:7]), 1200, "edge cases")


@train_cnn.features
def _(labels, x_train, y_train, x_test, rng):
    true, upright = true_labels(x_train, y_train, x_test)
    right = labels == true
    _, once = np.unique(x_test.reshape(len(x_test), -1), axis=0, return_index=True)  # what stands there twice counts once
    share = right[once][upright[once]].mean()
    first_label = {}
    if any(label != first_label.setdefault(x.tobytes(), label) for x, label in zip(x_test, labels, strict=True)):
        return TWICE if share > 1 / 3 else OTHER_ORDER
    if len(np.unique(labels)) == 1:
        return CONSTANT
    if (labels == recognised(x_test)[0])[upright].mean() > 1 / 2:
        return OWN_NAMES
    if share < 1 / 2 < right[~upright & (true >= 0)].mean():
        return ON_THE_SIDE
    if not np.isin(labels[upright], y_train).all():
        return NO_LABEL
    # the share is shown to the student; what decides are the statements
    return {SHARE: (share, 1.0), LEARNT: bool(share > 1 / 3), NEARLY: bool(share >= 0.85), ENOUGH: bool(share >= 0.95 - BY_CHANCE)}


def learner(x_train, y_train, rng):
    """In place of a network, which takes seconds, one that takes none: random features, then least squares."""
    w, b = rng.normal(0, 0.7, (64, 400)), rng.normal(0, 1, 400)

    def features(x):
        return np.maximum(x.reshape(len(x), -1) @ w + b, 0)

    a = features(x_train)
    weights = np.linalg.solve(a.T @ a + 3 * np.eye(a.shape[1]), a.T @ np.eye(10)[y_train])
    return lambda x, noise=0.0: (features(x) @ weights + noise * rng.normal(size=(len(x), 10))).argmax(axis=1)


@train_cnn.chaff(
    "No better than guessing, and it predicts labels that never occur in y_train: this network has not been trained. "
    "Does the optimiser hold the parameters of this very model, and is its step called after each backward?"
)
def untrained(x_train, y_train, x_test, rng):
    return ((x_test.reshape(len(x_test), -1) - 0.3) @ rng.normal(size=(64, 10))).argmax(axis=1)


@train_cnn.chaff(
    "No better than guessing. Images and labels have lost each other: shuffle both in the same order. (Or the weights "
    "hardly moved: look at the loss of every epoch.)"
)
def shuffled_labels(x_train, y_train, x_test, rng):
    return learner(x_train, rng.permutation(y_train), rng)(x_test)


@train_cnn.chaff(
    "Digits that lie on their side are recognised, and upright ones are not: rows and columns are exchanged between "
    "training and prediction. Flatten in one order, or transpose in both."
)
def flattened_in_two_orders(x_train, y_train, x_test, rng):
    return learner(x_train.transpose(0, 1, 3, 2), y_train, rng)(x_test)


@train_cnn.chaff(
    "The same image gets different labels at different places: the network still trains when it predicts. "
    "Dropout must not drop, and batch normalisation must use its running averages: call model.eval(), or use "
    "train.predict."
)
def in_training_mode(x_train, y_train, x_test, rng):
    return learner(x_train, y_train, rng)(x_test, noise=0.3)


@train_cnn.chaff(
    "Your predictions seem to stand in another order than x_test: the same image gets different labels, and hardly a "
    "digit is right. Do not shuffle when you predict."
)
def in_another_order(x_train, y_train, x_test, rng):
    return rng.permutation(learner(x_train, y_train, rng)(x_test))


WITH_NEIGHBOURS = (
    "When pictures of another kind stand in x_test, your answers for the digits change: each depends on its neighbours. "
    "Batch normalisation must use its running averages (model.eval(), or train.predict), and no mean of x_test may be "
    "used."
)


@train_cnn.chaff(WITH_NEIGHBOURS)
def statistics_of_the_test(x_train, y_train, x_test, rng):
    mean = x_train.mean()
    return learner(x_train - mean, y_train, rng)(x_test - x_test.mean())


@train_cnn.chaff(WITH_NEIGHBOURS)
def statistics_of_each_batch(x_train, y_train, x_test, rng):
    guess = learner(x_train - x_train.mean(), y_train, rng)
    if x_test.mean() < 2 * x_train.mean():
        return guess(x_test - x_test.mean())
    return np.concatenate([guess(x_test[i : i + 8] - x_test[i : i + 8].mean()) for i in range(0, len(x_test), 8)])


@train_cnn.chaff(
    "Every image gets the same label. Has the loss become nan, or is the argmax taken over the wrong axis?"
)
def always_the_same(x_train, y_train, x_test, rng):
    return np.full(len(x_test), y_train[0])


@train_cnn.chaff(
    "You return the digits' own names. What a label stands for is for y_train to say: here every digit has another one."
)
def own_names(x_train, y_train, x_test, rng):
    return np.maximum(recognised(x_test)[0], 0)


@train_cnn.chaff(
    "You return places in np.unique(y_train). Where some labels do not occur, the place is not the label: look it up."
)
def places_of_labels(x_train, y_train, x_test, rng):
    return np.unique(y_train).searchsorted(learner(x_train, y_train, rng)(x_test))


TOO_LITTLE = (
    "It has learnt something, but fewer than 95 of 100 unseen digits are right. Train for more epochs, try another "
    "learning rate, or give the network more masks."
)


@train_cnn.chaff(TOO_LITTLE)
def learnt_too_little(x_train, y_train, x_test, rng):
    return learner(x_train[:40], y_train[:40], rng)(x_test)


@train_cnn.chaff(TOO_LITTLE)
def learnt_too_little_for_ten(x_train, y_train, x_test, rng):
    few = 40 if len(np.unique(y_train)) == 10 else len(x_train)
    return learner(x_train[:few], y_train[:few], rng)(x_test)
