"""The exercises of part d: convolutional layers.

PyTorch is the oracle of every one of them. The chaffs are written with
pnnlib's own functions, so that each shows its one mistake and nothing else.
"""

from __future__ import annotations

import math

import numpy as np

from ..conv import conv2d, conv2d_backward, cross_correlate as correlate
from .exercise import Case, exercise

LECTURE_X = np.array([[-1, 1, 0.5, 1], [0, -2, -1, 0], [0.5, -1, -1, 1], [-1, 1, 0, -2]])
LECTURE_H = np.array([[-1.0, 1.0], [0.0, -2.0]])


# Numbers for the cases --------------------------------------------------------------------


def numbers(rng, *shape):
    """Halves between -4.5 and 4.5: short to read, and exact in binary."""
    return rng.integers(-9, 10, shape) / 2


def fine_numbers(rng, *shape):
    """Multiples of 1/1024: too fine for an answer that is rounded."""
    return rng.integers(-4096, 4097, shape) / 1024


def distinct(rng, *shape):
    """Halves of which none is zero and no two are equal: a mask that nothing maps onto itself."""
    size = math.prod(shape)
    pool = np.setdiff1d(np.arange(-size - 1, size + 2), 0)
    return rng.choice(pool, size, replace=False).reshape(shape) / 2


def swapped(value):
    """(rows, columns) as (columns, rows); an int stays as it is."""
    return value[::-1] if isinstance(value, tuple) else value


def pair(value):
    return value if isinstance(value, tuple) else (value, value)


# The oracle -------------------------------------------------------------------------------


def torch_conv2d(x, w, b=None, **options):
    """`torch.nn.functional.conv2d` of one image (C, H, W), on NumPy arrays."""
    import torch

    x, w, b = (None if a is None else torch.from_numpy(np.ascontiguousarray(a)) for a in (x, w, b))
    return torch.nn.functional.conv2d(x[None], w, b, **options)[0].numpy()


# cross_correlate --------------------------------------------------------------------------


@exercise({"basic": 1.5, "edge cases": 0.5})
def cross_correlate(x, h):
    """The sums of the products of h with every window of x, an array (H-k+1, W-l+1)."""
    return torch_conv2d(x[None], h[None, None])[0]


@cross_correlate.cases
def _(rng):
    yield Case((LECTURE_X, LECTURE_H))
    yield Case((numbers(rng, 3, 4), distinct(rng, 2, 2)))
    yield Case((numbers(rng, 5, 6), distinct(rng, 2, 3)))
    yield Case((numbers(rng, 4, 7), distinct(rng, 3, 2)))
    yield Case((fine_numbers(rng, 6, 7), distinct(rng, 2, 2)))
    yield Case((numbers(rng, 3, 4), distinct(rng, 3, 4)), criterion="edge cases")
    yield Case((numbers(rng, 1, 6), distinct(rng, 1, 3)), criterion="edge cases")
    yield Case((numbers(rng, 3, 2), distinct(rng, 1, 1)), criterion="edge cases")
    yield Case((numbers(rng, 8, 5)[::2, ::-1], distinct(rng, 2, 2).T), criterion="edge cases")


ROTATED = (
    "You turned the mask by 180 degrees. That is true convolution; cross-correlation lays the "
    "mask on the window as it is."
)


@cross_correlate.chaff(ROTATED)
def mask_rotated(x, h):
    return correlate(x, h[::-1, ::-1])


@cross_correlate.chaff("You transposed the mask: its rows must lie along the rows of the window.")
def mask_transposed(x, h):
    return correlate(x, h.T)


@cross_correlate.chaff("You flipped the mask top to bottom; cross-correlation does not flip it.")
def mask_flipped_rows(x, h):
    return correlate(x, h[::-1])


@cross_correlate.chaff("You flipped the mask left to right; cross-correlation does not flip it.")
def mask_flipped_columns(x, h):
    return correlate(x, h[:, ::-1])


@cross_correlate.chaff(
    "Your output is as large as the input: at the bottom and on the right your window hangs over "
    "the edge. Without padding there are only (H-k+1, W-l+1) places where it fits."
)
def as_large_as_input(x, h):
    (k, l) = h.shape
    return correlate(np.pad(x, ((0, k - 1), (0, l - 1))), h)


@cross_correlate.chaff(
    "Your output is as large as the input: you centred the mask on every pixel, which pads the "
    "input with zeros. Without padding there are only (H-k+1, W-l+1) places where it fits."
)
def centred_on_every_pixel(x, h):
    (k, l) = h.shape
    return correlate(np.pad(x, (((k - 1) // 2, k // 2), ((l - 1) // 2, l // 2))), h)


@cross_correlate.chaff(
    "Your output has the size of the input, with zeros at the bottom and on the right. Make it as "
    "large as the number of places where the mask fits: (H-k+1, W-l+1)."
)
def output_filled_with_zeros(x, h):
    y = np.zeros_like(x)
    (k, l) = h.shape
    y[: len(x) - k + 1, : x.shape[1] - l + 1] = correlate(x, h)
    return y


@cross_correlate.chaff(
    "Your mask also hangs over the edge on all sides (what SciPy calls mode='full'). Here it stays "
    "inside: (H-k+1, W-l+1) places."
)
def full_output(x, h):
    (k, l) = h.shape
    return correlate(x, h, padding=(k - 1, l - 1))


@cross_correlate.chaff(
    "Your window does not move along the columns: the column index j is missing in X(i+k, j+l)."
)
def columns_not_moved(x, h):
    return np.repeat(correlate(x, h)[:, :1], x.shape[1] - h.shape[1] + 1, axis=1)


@cross_correlate.chaff(
    "Your window does not move along the rows: the row index i is missing in X(i+k, j+l)."
)
def rows_not_moved(x, h):
    return np.repeat(correlate(x, h)[:1], x.shape[0] - h.shape[0] + 1, axis=0)


@cross_correlate.chaff("You took the mean of the products; cross-correlation takes their sum.")
def mean_for_sum(x, h):
    return correlate(x, h) / h.size


@cross_correlate.chaff(
    "The last row and the last column of your output are missing: the mask fits H-k+1 times, not H-k."
)
def one_place_short(x, h):
    return correlate(x, h)[:-1, :-1]


@cross_correlate.chaff(
    "Your window moves on by the size of the mask, so windows do not overlap. It moves by one pixel."
)
def moved_by_mask_size(x, h):
    return correlate(x, h, stride=h.shape)


@cross_correlate.chaff("You added up the window but left out the weights of the mask.")
def weights_left_out(x, h):
    return correlate(x, np.ones_like(h))


@cross_correlate.chaff(
    "The rows and columns of your output are swapped: y[i, j] belongs to the window that begins at "
    "row i, column j."
)
def output_transposed(x, h):
    return correlate(x, h).T


# convolve ---------------------------------------------------------------------------------


@exercise({"basic": 0.75, "edge cases": 0.25})
def convolve(x, h):
    """True convolution: the cross-correlation with the mask turned by 180 degrees."""
    return torch_conv2d(x[None], h[None, None, ::-1, ::-1])[0]


@convolve.cases
def _(rng):
    yield Case((LECTURE_X, LECTURE_H))
    yield Case((numbers(rng, 3, 4), distinct(rng, 2, 2)))
    yield Case((numbers(rng, 5, 6), distinct(rng, 2, 3)))
    yield Case((numbers(rng, 4, 7), distinct(rng, 3, 2)))
    yield Case((numbers(rng, 4, 5), distinct(rng, 3, 3)))
    yield Case((fine_numbers(rng, 6, 7), distinct(rng, 2, 2)))
    yield Case((numbers(rng, 3, 4), distinct(rng, 3, 4)), criterion="edge cases")
    yield Case((numbers(rng, 1, 6), distinct(rng, 1, 3)), criterion="edge cases")


@convolve.chaff(
    "This is cross-correlation: the mask was not turned. (Turning it twice also leaves it as it was.)"
)
def cross_correlation(x, h):
    return correlate(x, h)


@convolve.chaff("You flipped only the rows of the mask; turning by 180 degrees flips both axes.")
def only_rows_flipped(x, h):
    return correlate(x, h[::-1])


@convolve.chaff("You flipped only the columns of the mask; turning by 180 degrees flips both axes.")
def only_columns_flipped(x, h):
    return correlate(x, h[:, ::-1])


@convolve.chaff("You transposed the mask; turning it by 180 degrees is not transposing.")
def transposed_instead(x, h):
    return correlate(x, h.T)


@convolve.chaff("You turned the mask and transposed it as well; turn it only: h[::-1, ::-1].")
def turned_and_transposed(x, h):
    return correlate(x, h[::-1, ::-1].T)


@convolve.chaff("You turned the mask by 90 degrees; it takes 180 (np.rot90 twice).")
def quarter_turn(x, h):
    return correlate(x, np.rot90(h))


@convolve.chaff(
    "The values are right but the output is turned by 180 degrees: only the mask is turned, neither "
    "the input nor the output."
)
def input_turned(x, h):
    return correlate(x[::-1, ::-1], h)


@convolve.chaff(
    "Your mask also hangs over the edge on all sides (SciPy's mode='full'). Here it stays inside: "
    "(H-k+1, W-l+1) places."
)
def full_convolution(x, h):
    return correlate(x, h[::-1, ::-1], padding=(h.shape[0] - 1, h.shape[1] - 1))


# threshold_layer --------------------------------------------------------------------------


@exercise({"basic": 1.0})
def threshold_layer(x, h, theta):
    """1 where the cross-correlation of x and h reaches theta, else 0, an array (H-k+1, W-l+1)."""
    net = torch_conv2d(x[None], h[None, None])[0] - theta
    return (net >= 0).astype(float)


@threshold_layer.cases
def _(rng):
    def case(shape, mask, share, sign):
        while True:  # until θ has its sign, and cutting off its fraction makes a difference
            x, h = numbers(rng, *shape), distinct(rng, *mask)
            net = correlate(x, h)
            # products of halves are quarters, so an odd eighth is never hit
            theta = float(np.floor(4 * np.quantile(net, share)) / 4 + 0.125)
            if sign * theta > 1 and ((net >= theta) != (net >= int(theta))).any():
                return Case((x, h, theta))

    yield Case((LECTURE_X, LECTURE_H, 1.25))
    yield case((4, 5), (2, 2), 0.75, sign=1)
    yield case((5, 4), (2, 3), 0.25, sign=-1)
    yield case((6, 7), (3, 2), 0.8, sign=1)
    yield case((4, 6), (3, 3), 0.4, sign=-1)


@threshold_layer.chaff("The threshold is added where it must be subtracted: H(Σ wx - θ).")
def theta_added(x, h, theta):
    return (correlate(x, h) + theta >= 0).astype(float)


@threshold_layer.chaff("The threshold θ is left out: you compare the weighted sum with 0.")
def theta_left_out(x, h, theta):
    return (correlate(x, h) >= 0).astype(float)


@threshold_layer.chaff("The threshold θ is left out: you ask whether the weighted sum is above 0.")
def theta_left_out_and_strict(x, h, theta):
    return (correlate(x, h) > 0).astype(float)


@threshold_layer.chaff(
    "Your second replacement meets what the first one has written: compute the sums, compare them all "
    "with θ at once, (y >= theta), and turn that into numbers."
)
def zeros_compared_again(x, h, theta):
    y = correlate(x, h)
    y[y < theta] = 0
    y[y >= theta] = 1
    return y


@threshold_layer.chaff(
    "Your second replacement meets what the first one has written: compute the sums, compare them all "
    "with θ at once, (y >= theta), and turn the result into numbers."
)
def ones_compared_again(x, h, theta):
    y = correlate(x, h)
    y[y >= theta] = 1
    y[y < theta] = 0
    return y


@threshold_layer.chaff("This is the weighted sum minus θ; the step H(…) that makes it 0 or 1 is missing.")
def no_step(x, h, theta):
    return correlate(x, h) - theta


@threshold_layer.chaff("This is the weighted sum; neither θ nor the step H(…) has been applied.")
def weighted_sum(x, h, theta):
    return correlate(x, h)


@threshold_layer.chaff(
    "You thresholded the input and then correlated; the threshold comes after the weighted sum."
)
def input_thresholded(x, h, theta):
    return correlate((x >= theta).astype(float), h)


@threshold_layer.chaff(
    "Your zeros and ones are exchanged: a 1 must stand where the sum reaches θ, a 0 where it does not."
)
def step_reversed(x, h, theta):
    return (correlate(x, h) < theta).astype(float)


@threshold_layer.chaff("Your units answer -1 or 1 (a sign function); the lecture's step H gives 0 or 1.")
def sign_for_step(x, h, theta):
    return np.where(correlate(x, h) >= theta, 1.0, -1.0)


@threshold_layer.chaff("You kept the weighted sum where it reaches θ; the step H puts a 1 there.")
def sum_kept(x, h, theta):
    net = correlate(x, h)
    return np.where(net >= theta, net, 0.0)


@threshold_layer.chaff("You applied ReLU to the weighted sum minus θ; the step H gives only 0 or 1.")
def relu_for_step(x, h, theta):
    return np.maximum(correlate(x, h) - theta, 0)


@threshold_layer.chaff("You subtracted θ from every input; it is subtracted once, from the sum.")
def theta_from_inputs(x, h, theta):
    return (correlate(x - theta, h) >= 0).astype(float)


@threshold_layer.chaff("Your mask is turned by 180 degrees before the sum; lay it on the window as it is.")
def rotated_before_step(x, h, theta):
    return (correlate(x, h[::-1, ::-1]) >= theta).astype(float)


# output_size ------------------------------------------------------------------------------


@exercise({"basic": 0.5, "options": 0.5})
def output_size(n, k, stride=1, padding=0, dilation=1):
    """How many times a mask of size k fits along an axis of size n, an int."""
    import torch

    x, w = torch.zeros(1, 1, n), torch.zeros(1, 1, k)
    return torch.nn.functional.conv1d(x, w, None, stride, padding, dilation).shape[-1]


@output_size.cases
def _(rng):
    yield Case((4, 2))
    yield Case((int(rng.integers(8, 20)), int(rng.integers(3, 6))))
    k, s = (int(v) for v in rng.integers(3, 5, 2))
    whole = k + s * int(rng.integers(2, 6))
    yield Case((whole, k), {"stride": s})
    yield Case((whole + s - 1, k), {"stride": s})  # one pixel more would give another place
    yield Case((whole + 1, k), {"stride": s})  # here the nearest number is the one below
    yield Case((int(rng.integers(6, 20)), 3), {"padding": int(rng.integers(1, 4))})
    yield Case((int(rng.integers(14, 24)), int(rng.integers(3, 5))), {"dilation": int(rng.integers(2, 4))})
    for _ in range(4):
        n, k = int(rng.integers(14, 40)), int(rng.integers(2, 6))
        stride, padding, dilation = (int(v) for v in rng.integers(2, 4, 3))
        options = {"stride": stride, "padding": padding, "dilation": dilation}
        yield Case((n, k), options, "options")
    yield Case((int(rng.integers(20, 30)), 3), {"stride": 2, "padding": 4, "dilation": 3}, "options")
    yield Case((int(rng.integers(30, 40)), 4), {"stride": 2, "padding": 4, "dilation": 3}, "options", by_name=False)
    yield Case((int(rng.integers(5, 9)),) * 2, {"padding": 1, "stride": 2}, "options")


def _fits(n, k, s, p, d, plus=1):
    return (n + 2 * p - d * (k - 1) - 1) // s + plus


@output_size.chaff(
    "You rounded up. A window that does not fit completely is left out, so the division is floored: //."
)
def rounded_up(n, k, stride=1, padding=0, dilation=1):
    return math.ceil((n + 2 * padding - dilation * (k - 1) - 1) / stride) + 1


@output_size.chaff("You rounded to the nearest whole number; a part of a window does not count, so floor: //.")
def rounded_to_nearest(n, k, stride=1, padding=0, dilation=1):
    return round((n + 2 * padding - dilation * (k - 1) - 1) / stride) + 1


@output_size.chaff("The division is not floored: use //, a part of a window does not count.")
def not_floored(n, k, stride=1, padding=0, dilation=1):
    return (n + 2 * padding - dilation * (k - 1) - 1) / stride + 1


@output_size.chaff("Padding is counted once, but it is added on both sides: n + 2p.")
def padding_once(n, k, stride=1, padding=0, dilation=1):
    return (n + padding - dilation * (k - 1) - 1) // stride + 1


@output_size.chaff("The padding is left out: the padded input has n + 2p pixels.")
def padding_ignored(n, k, stride=1, padding=0, dilation=1):
    return _fits(n, k, stride, 0, dilation)


@output_size.chaff(
    "The +1 is missing: the first window counts as well, before any step has been made."
)
def plus_one_missing(n, k, stride=1, padding=0, dilation=1):
    return _fits(n, k, stride, padding, dilation, plus=0)


@output_size.chaff("The stride is left out: divide the room that is left by the stride.")
def stride_ignored(n, k, stride=1, padding=0, dilation=1):
    return _fits(n, k, 1, padding, dilation)


@output_size.chaff("The dilation is left out: a dilated mask spans d(k-1)+1 pixels, not k.")
def dilation_ignored(n, k, stride=1, padding=0, dilation=1):
    return _fits(n, k, stride, padding, 1)


@output_size.chaff(
    "You took dilation 0 for 'none'. As in PyTorch none is 1: neighbours lie d pixels apart, and the "
    "mask spans d(k-1)+1."
)
def dilation_zero_is_none(n, k, stride=1, padding=0, dilation=1):
    return _fits(n, k, stride, padding, dilation + 1)


@output_size.chaff("A dilated mask spans d(k-1)+1 pixels, not d·k: there are only k-1 gaps.")
def dilation_times_k(n, k, stride=1, padding=0, dilation=1):
    return (n + 2 * padding - dilation * k) // stride + 1


@output_size.chaff(
    "One pixel too many: the mask spans d(k-1)+1, so it is (n + 2p - d(k-1) - 1) that is divided."
)
def minus_one_missing(n, k, stride=1, padding=0, dilation=1):
    return (n + 2 * padding - dilation * (k - 1)) // stride + 1


@output_size.chaff("The +1 belongs outside the division: first divide by the stride, then add 1.")
def plus_one_before_division(n, k, stride=1, padding=0, dilation=1):
    return (n + 2 * padding - dilation * (k - 1)) // stride


# cross_correlate_general ------------------------------------------------------------------


@exercise({"basic": 1.5, "options": 1.0, "edge cases": 0.5})
def cross_correlate_general(x, h, stride=1, padding=0, dilation=1):
    """The cross-correlation of x and h, each option an int or a pair (rows, columns)."""
    options = {"stride": stride, "padding": padding, "dilation": dilation}
    return torch_conv2d(x[None], h[None, None], **options)[0]


@cross_correlate_general.cases
def _(rng):
    def case(shape, mask, criterion="basic", by_name=True, **options):
        return Case((numbers(rng, *shape), distinct(rng, *mask)), options, criterion, by_name)

    yield case((4, 5), (2, 2))
    yield case((5, 7), (3, 3), stride=2)
    yield case((6, 5), (2, 3), stride=2)  # does not divide
    yield case((3, 4), (2, 3), padding=1)
    yield case((4, 3), (2, 2), padding=2)
    yield case((5, 6), (2, 2), dilation=2)
    yield case((7, 8), (3, 2), dilation=3)
    yield case((6, 7), (2, 3), "options", stride=(2, 1))
    yield case((6, 7), (3, 2), "options", stride=(1, 3))
    yield case((3, 4), (2, 2), "options", padding=(0, 2))
    yield case((4, 3), (3, 2), "options", padding=(2, 1))
    yield case((6, 5), (2, 2), "options", dilation=(3, 1))
    yield case((5, 8), (2, 3), "options", dilation=(1, 2))
    yield case((7, 9), (2, 3), "edge cases", stride=(3, 2), padding=(1, 2), dilation=(2, 1))
    yield case((8, 6), (3, 2), "edge cases", stride=2, padding=1, dilation=(1, 3))
    yield case((3, 3), (2, 2), "edge cases", dilation=2)  # fits exactly once
    yield case((4, 5), (1, 1), "edge cases", stride=(2, 3), padding=1)
    yield case((7, 8), (2, 3), "edge cases", stride=3, padding=1, dilation=2)
    yield case((8, 9), (2, 3), "edge cases", by_name=False, stride=3, padding=1, dilation=2)


@cross_correlate_general.chaff("You padded only at the top and on the left; padding adds zeros to all four sides.")
def padded_top_left(x, h, stride=1, padding=0, dilation=1):
    (p, q) = pair(padding)
    return correlate(np.pad(x, ((p, 0), (q, 0))), h, stride, 0, dilation)


@cross_correlate_general.chaff(
    "You padded only at the bottom and on the right; padding adds zeros to all four sides."
)
def padded_bottom_right(x, h, stride=1, padding=0, dilation=1):
    (p, q) = pair(padding)
    return correlate(np.pad(x, ((0, p), (0, q))), h, stride, 0, dilation)


@cross_correlate_general.chaff("You padded the output; it is the input that gets the zeros, before the sums.")
def padded_after(x, h, stride=1, padding=0, dilation=1):
    (p, q) = pair(padding)
    return np.pad(correlate(x, h, stride, 0, dilation), ((p, p), (q, q)))


@cross_correlate_general.chaff("You padded with copies of the edge; padding appends zeros.")
def padded_with_edge(x, h, stride=1, padding=0, dilation=1):
    (p, q) = pair(padding)
    return correlate(np.pad(x, ((p, p), (q, q)), mode="edge"), h, stride, 0, dilation)


@cross_correlate_general.chaff("Padding is ignored.")
def no_padding(x, h, stride=1, padding=0, dilation=1):
    return correlate(x, h, stride, 0, dilation)


@cross_correlate_general.chaff(
    "Your output has the right size, but the window moves by one pixel and not by the stride: "
    "output (i, j) looks at row i·s, column j·s."
)
def window_not_moved_by_stride(x, h, stride=1, padding=0, dilation=1):
    (rows, columns) = correlate(x, h, stride, padding, dilation).shape
    return correlate(x, h, 1, padding, dilation)[:rows, :columns]


@cross_correlate_general.chaff("The stride is ignored: your output is larger than PyTorch's.")
def no_stride(x, h, stride=1, padding=0, dilation=1):
    return correlate(x, h, 1, padding, dilation)


@cross_correlate_general.chaff("The stride acts on the rows only; it must act on the columns as well.")
def stride_on_rows_only(x, h, stride=1, padding=0, dilation=1):
    return correlate(x, h, (pair(stride)[0], 1), padding, dilation)


@cross_correlate_general.chaff("The stride acts on the columns only; it must act on the rows as well.")
def stride_on_columns_only(x, h, stride=1, padding=0, dilation=1):
    return correlate(x, h, (1, pair(stride)[1]), padding, dilation)


@cross_correlate_general.chaff(
    "You put d zeros between neighbours of the mask. Neighbours lie d pixels apart, so there are "
    "d-1 zeros between them, and dilation 1 changes nothing."
)
def d_zeros_between(x, h, stride=1, padding=0, dilation=1):
    (d, e) = pair(dilation)
    return correlate(x, h, stride, padding, (d + 1, e + 1))


@cross_correlate_general.chaff(
    "Neighbours of your dilated mask lie d-1 pixels apart; they must lie d apart (with d-1 zeros between)."
)
def dilated_by_d_minus_1(x, h, stride=1, padding=0, dilation=1):
    (d, e) = pair(dilation)
    return correlate(x, h, stride, padding, (max(1, d - 1), max(1, e - 1)))


@cross_correlate_general.chaff("Dilation is ignored.")
def no_dilation(x, h, stride=1, padding=0, dilation=1):
    return correlate(x, h, stride, padding, 1)


@cross_correlate_general.chaff("Dilation acts on the rows only; it must act on the columns as well.")
def dilation_on_rows_only(x, h, stride=1, padding=0, dilation=1):
    return correlate(x, h, stride, padding, (pair(dilation)[0], 1))


@cross_correlate_general.chaff("Stride and dilation are exchanged: the stride moves the window, the dilation spreads the mask.")
def stride_for_dilation(x, h, stride=1, padding=0, dilation=1):
    return correlate(x, h, dilation, padding, stride)


@cross_correlate_general.chaff("Your pairs are read as (columns, rows); the order is (rows, columns).")
def pairs_swapped(x, h, stride=1, padding=0, dilation=1):
    return correlate(x, h, swapped(stride), swapped(padding), swapped(dilation))


def _swapping(*names):
    """Cross-correlation that reads the pairs of these options as (columns, rows)."""

    def general(x, h, stride=1, padding=0, dilation=1):
        options = {"stride": stride, "padding": padding, "dilation": dilation}
        return correlate(x, h, **{n: swapped(v) if n in names else v for n, v in options.items()})

    return general


for _name in ("stride", "padding", "dilation"):
    _chaff = _swapping(_name)
    _chaff.__name__ = f"{_name}_pair_swapped"
    cross_correlate_general.chaff(f"Your {_name} is read as (columns, rows); the order is (rows, columns).")(_chaff)


@cross_correlate_general.chaff("Of a pair you use the first number for both axes; the second is for the columns.")
def first_of_pair_for_both(x, h, stride=1, padding=0, dilation=1):
    return correlate(x, h, pair(stride)[0], pair(padding)[0], pair(dilation)[0])


@cross_correlate_general.chaff(ROTATED)
def general_rotated(x, h, stride=1, padding=0, dilation=1):
    return correlate(x, h[::-1, ::-1], stride, padding, dilation)


@cross_correlate_general.chaff("All options are ignored: this is plain cross-correlation.")
def all_options_ignored(x, h, stride=1, padding=0, dilation=1):
    return correlate(x, h)


@cross_correlate_general.chaff("You took the mean of the products; cross-correlation takes their sum.")
def general_mean(x, h, stride=1, padding=0, dilation=1):
    return correlate(x, h, stride, padding, dilation) / h.size


# mask_as_matrix ---------------------------------------------------------------------------


@exercise({"basic": 1.5, "edge cases": 0.5})
def mask_as_matrix(h, shape):
    """The matrix M with M @ x.ravel() equal to cross_correlate(x, h).ravel(), for x of this shape."""
    import torch

    units = torch.eye(math.prod(shape), dtype=torch.float64).reshape(-1, 1, *shape)
    mask = torch.from_numpy(np.ascontiguousarray(h))[None, None]
    return torch.nn.functional.conv2d(units, mask).flatten(1).T.numpy()  # column by column of M


@mask_as_matrix.cases
def _(rng):
    yield Case((distinct(rng, 2, 2), (3, 4)))  # the first of a size is shown, and 6 x 12 can be read
    yield Case((LECTURE_H, (4, 4)))
    yield Case((distinct(rng, 2, 3), (4, 5)))
    yield Case((distinct(rng, 3, 2), (5, 3)))
    yield Case((distinct(rng, 2, 3), (2, 3)), criterion="edge cases")
    yield Case((distinct(rng, 1, 1), (2, 3)), criterion="edge cases")
    yield Case((distinct(rng, 1, 3), (1, 6)), criterion="edge cases")


def _matrix(h, shape, order_in="C", order_out="C"):
    """Row by row: the mask laid into an empty image at each place, then the image as a vector."""
    places = [(i, j) for i in range(shape[0] - h.shape[0] + 1) for j in range(shape[1] - h.shape[1] + 1)]
    if order_out == "F":
        places.sort(key=lambda place: place[::-1])
    rows = []
    for i, j in places:
        image = np.zeros(shape)
        image[i : i + h.shape[0], j : j + h.shape[1]] = h
        rows.append(image.ravel(order_in))
    return np.array(rows)


@mask_as_matrix.chaff(ROTATED)
def matrix_rotated(h, shape):
    return _matrix(h[::-1, ::-1], shape)


@mask_as_matrix.chaff(
    "Your matrix expects the image column by column, as the lecture writes it. x.ravel() goes row by row."
)
def columns_in(h, shape):
    return _matrix(h, shape, "F", "C")


@mask_as_matrix.chaff(
    "Your matrix reads the image and writes the output column by column, as the lecture does. "
    "ravel() goes row by row."
)
def columns_in_and_out(h, shape):
    return _matrix(h, shape, "F", "F")


@mask_as_matrix.chaff(
    "The rows of your matrix stand in the order of the output's columns; ravel() goes row by row."
)
def columns_out(h, shape):
    return _matrix(h, shape, "C", "F")


@mask_as_matrix.chaff(
    "Each of your rows is the one above moved by one. At the end of an image row the window must "
    "jump to the next row; yours wraps round the border."
)
def wraps_round(h, shape):
    m = _matrix(h, shape)
    return np.array([np.roll(m[0], i) for i in range(len(m))])


@mask_as_matrix.chaff("Your matrix is transposed: one row for every output, one column for every input.")
def matrix_transposed(h, shape):
    return _matrix(h, shape).T


@mask_as_matrix.chaff(
    "You used the mask transposed: its rows must lie along the rows of the image."
)
def matrix_of_transposed_mask(h, shape):
    return _matrix(h.T, shape)


@mask_as_matrix.chaff(
    "Every row of your matrix still holds the mask from the places before: begin each row with fresh zeros."
)
def zeros_not_fresh(h, shape):
    m = np.zeros(shape)
    rows = []
    for i, j in np.ndindex(shape[0] - h.shape[0] + 1, shape[1] - h.shape[1] + 1):
        m[i : i + h.shape[0], j : j + h.shape[1]] = h
        rows.append(m.ravel().copy())
    return np.array(rows)


@mask_as_matrix.chaff(
    "All rows of your matrix are one and the same array, written over again and again: begin each row "
    "with fresh zeros."
)
def one_array_for_all_rows(h, shape):
    m = zeros_not_fresh(h, shape)
    return np.repeat(m[-1:], len(m), axis=0)


@mask_as_matrix.chaff(
    "All rows of your matrix are the last one: you emptied one array again and again and appended it each "
    "time; append a copy, or begin each row with a fresh array."
)
def one_emptied_array_for_all_rows(h, shape):
    m = _matrix(h, shape)
    return np.repeat(m[-1:], len(m), axis=0)


@mask_as_matrix.chaff("You flipped the mask left to right; lay it into the row as it is.")
def matrix_flipped_columns(h, shape):
    return _matrix(h[:, ::-1], shape)


@mask_as_matrix.chaff("You flipped the mask top to bottom; lay it into the row as it is.")
def matrix_flipped_rows(h, shape):
    return _matrix(h[::-1], shape)


@mask_as_matrix.chaff("There is a 1 wherever a weight belongs; put the weights of the mask there.")
def ones_for_weights(h, shape):
    return _matrix(np.ones_like(h), shape)


@mask_as_matrix.chaff(
    "One row for every pixel is too many: without padding there are only (H-k+1)·(W-l+1) outputs."
)
def row_for_every_pixel(h, shape):
    grown = (shape[0] + h.shape[0] - 1, shape[1] + h.shape[1] - 1)
    m = _matrix(h, grown).reshape(-1, *grown)[:, : shape[0], : shape[1]]
    return m.reshape(len(m), -1)


# conv_layer -------------------------------------------------------------------------------


@exercise({"basic": 1.5, "options": 1.0, "edge cases": 0.5})
def conv_layer(x, w, b, stride=1, padding=0, dilation=1):
    """The feature maps (O, OH, OW) of x (C, H, W) under the masks w (O, C, k, l), plus b (O,)."""
    return torch_conv2d(x, w, b, stride=stride, padding=padding, dilation=dilation)


@conv_layer.cases
def _(rng):
    def case(shape, masks, criterion="basic", by_name=True, **options):
        w = distinct(rng, masks[0], shape[0], *masks[1:])
        return Case((numbers(rng, *shape), w, distinct(rng, masks[0])), options, criterion, by_name)

    yield case((2, 3, 4), (3, 2, 2))
    yield case((3, 4, 5), (2, 2, 3))
    yield case((4, 5, 4), (3, 3, 2))
    yield case((2, 5, 6), (3, 2, 3), "options", stride=2)
    yield case((2, 3, 4), (3, 2, 2), "options", padding=1)
    yield case((2, 5, 6), (3, 2, 2), "options", dilation=2)
    yield case((3, 6, 7), (2, 3, 2), "options", stride=(2, 3), padding=(1, 2), dilation=(1, 2))
    yield case((2, 7, 5), (3, 2, 2), "options", stride=(3, 1), padding=(0, 1), dilation=(2, 1))
    yield case((2, 7, 8), (2, 2, 3), "options", stride=3, padding=1, dilation=2)
    yield case((2, 8, 9), (2, 2, 3), "options", by_name=False, stride=3, padding=1, dilation=2)
    yield case((1, 3, 4), (3, 2, 2), "edge cases")
    yield case((3, 4, 3), (1, 2, 2), "edge cases")
    yield case((3, 2, 4), (2, 1, 1), "edge cases")
    yield case((2, 3, 2), (3, 3, 2), "edge cases")


def _layer(x, w, b, stride=1, padding=0, dilation=1):
    return conv2d(x[None], w, b, stride, padding, dilation)[0]


@conv_layer.chaff(
    "The channels are not summed: each mask has one slice per input channel, and all of them add up "
    "to one feature map, so the output is (O, OH, OW)."
)
def channels_not_summed(x, w, b, stride=1, padding=0, dilation=1):
    maps = [_layer(x[c : c + 1], w[:, c : c + 1], b, stride, padding, dilation) for c in range(len(x))]
    return np.stack(maps, axis=1)


@conv_layer.chaff("Only the first input channel is used; sum over all of them.")
def first_channel_only(x, w, b, stride=1, padding=0, dilation=1):
    return _layer(x[:1], w[:, :1], b, stride, padding, dilation)


@conv_layer.chaff(
    "Only the last input channel is left: in the loop over channels the sum is overwritten, use +=."
)
def last_channel_only(x, w, b, stride=1, padding=0, dilation=1):
    return _layer(x[-1:], w[:, -1:], b, stride, padding, dilation)


@conv_layer.chaff("The bias is left out.")
def no_bias(x, w, b, stride=1, padding=0, dilation=1):
    return _layer(x, w, None, stride, padding, dilation)


@conv_layer.chaff("The bias is added once for every input channel; add it once for every output.")
def bias_per_channel(x, w, b, stride=1, padding=0, dilation=1):
    return _layer(x, w, b * len(x), stride, padding, dilation)


@conv_layer.chaff("The bias is added once for every weight of the mask; add it once for every output.")
def bias_per_weight(x, w, b, stride=1, padding=0, dilation=1):
    return _layer(x, w, b * w[0].size, stride, padding, dilation)


@conv_layer.chaff("The bias is subtracted. A threshold is subtracted, a bias is added: b = -θ.")
def bias_subtracted(x, w, b, stride=1, padding=0, dilation=1):
    return _layer(x, w, -b, stride, padding, dilation)


@conv_layer.chaff(
    "Every feature map gets the first bias; the map of mask o gets b[o]."
)
def same_bias_for_all(x, w, b, stride=1, padding=0, dilation=1):
    return _layer(x, w, np.full_like(b, b[0]), stride, padding, dilation)


@conv_layer.chaff(
    "You turned the masks by 180 degrees. Despite its name a convolutional layer computes cross-correlation."
)
def layer_rotated(x, w, b, stride=1, padding=0, dilation=1):
    return _layer(x, w[:, :, ::-1, ::-1], b, stride, padding, dilation)


@conv_layer.chaff("You took the mean over the channels; they are summed.")
def mean_over_channels(x, w, b, stride=1, padding=0, dilation=1):
    return _layer(x, w / len(x), b, stride, padding, dilation)


@conv_layer.chaff("You took the mean over channels and mask; the products are summed.")
def mean_over_all(x, w, b, stride=1, padding=0, dilation=1):
    return _layer(x, w / w[0].size, b, stride, padding, dilation)


@conv_layer.chaff("The channels stand last in your output; PyTorch's order is (O, OH, OW).")
def channels_last(x, w, b, stride=1, padding=0, dilation=1):
    return np.moveaxis(_layer(x, w, b, stride, padding, dilation), 0, -1)


@conv_layer.chaff(
    "All your feature maps come from the first mask: use w[o] for the map o."
)
def first_mask_for_all(x, w, b, stride=1, padding=0, dilation=1):
    return _layer(x, np.repeat(w[:1], len(w), axis=0), b, stride, padding, dilation)


@conv_layer.chaff("Stride, padding and dilation are ignored.")
def layer_options_ignored(x, w, b, stride=1, padding=0, dilation=1):
    return _layer(x, w, b)


@conv_layer.chaff("You applied ReLU as well; the layer here ends with the bias.")
def layer_with_relu(x, w, b, stride=1, padding=0, dilation=1):
    return np.maximum(_layer(x, w, b, stride, padding, dilation), 0)


@conv_layer.chaff("Your pairs are read as (columns, rows); the order is (rows, columns).")
def layer_pairs_swapped(x, w, b, stride=1, padding=0, dilation=1):
    return _layer(x, w, b, swapped(stride), swapped(padding), swapped(dilation))


# conv_1x1 ---------------------------------------------------------------------------------


@exercise({"basic": 0.75, "edge cases": 0.25})
def conv_1x1(x, w):
    """At every pixel the weighted sums of its channels, an array (O, H, W)."""
    return torch_conv2d(x, w[:, :, None, None])


@conv_1x1.cases
def _(rng):
    yield Case((numbers(rng, 2, 2, 3), distinct(rng, 2, 2)))
    yield Case((numbers(rng, 3, 2, 4), distinct(rng, 2, 3)))
    yield Case((numbers(rng, 2, 3, 4), distinct(rng, 4, 2)))
    yield Case((numbers(rng, 3, 4, 2), distinct(rng, 3, 3)))
    yield Case((numbers(rng, 3, 1, 1), distinct(rng, 2, 3)), criterion="edge cases")
    yield Case((numbers(rng, 1, 2, 3), distinct(rng, 2, 1)), criterion="edge cases")
    yield Case((numbers(rng, 3, 2, 3), distinct(rng, 1, 3)), criterion="edge cases")


@conv_1x1.chaff(
    "Your reshape mixes pixels: x.reshape(-1, C) does not put the channels of a pixel side by side. "
    "Use x.reshape(C, -1), or move the channel axis last first."
)
def mixes_pixels(x, w):
    (channels, rows, columns) = x.shape
    return (w @ x.reshape(-1, channels).T).reshape(len(w), rows, columns)


@conv_1x1.chaff(
    "The sums are right, but the last reshape mixes channels and pixels: the result of "
    "pixels times weights is (H·W, O), turn it to (O, H·W) before reshaping."
)
def mixes_outputs(x, w):
    (channels, rows, columns) = x.shape
    return (x.reshape(channels, -1).T @ w.T).reshape(len(w), rows, columns)


@conv_1x1.chaff("You used w transposed: output o is the sum over c of w[o, c]·x[c].")
def w_transposed(x, w):
    return np.tensordot(w.T, x, 1)


@conv_1x1.chaff(
    "You scaled each channel by its own weight but did not add the channels up."
)
def products_not_summed(x, w):
    return w[:, :, None, None] * x


@conv_1x1.chaff(
    "Each channel is only scaled: use every row of w, and add up the channels for each output."
)
def channels_scaled(x, w):
    return w[0][:, None, None] * x


@conv_1x1.chaff(
    "Each output takes only the channel of the same number; it takes all channels."
)
def diagonal_only(x, w):
    return np.stack([w[o, o % len(x)] * x[o % len(x)] for o in range(len(w))])


@conv_1x1.chaff("You took the mean over the channels; they are summed.")
def mean_of_channels(x, w):
    return np.tensordot(w, x, 1) / len(x)


@conv_1x1.chaff("The channels stand last in your output; the order is (O, H, W).")
def one_by_one_channels_last(x, w):
    return np.moveaxis(np.tensordot(w, x, 1), 0, -1)


@conv_1x1.chaff("The sum went over the pixels of a channel as well; every pixel keeps an output of its own.")
def summed_over_pixels(x, w):
    return w @ x.sum(axis=(1, 2))


# conv_layer_backward ----------------------------------------------------------------------


@exercise({"basic": 1.5, "options": 1.0, "edge cases": 0.5}, results=("dx", "dw", "db"))
def conv_layer_backward(dy, x, w, stride=1, padding=0):
    """The gradients (dx, dw, db) of a convolutional layer, from the gradient dy of its output."""
    import torch

    x, w, dy = (torch.from_numpy(np.array(a, float)) for a in (x, w, dy))
    b = torch.zeros(len(w), dtype=torch.float64)
    for a in (x, w, b):
        a.requires_grad_()
    y = torch.nn.functional.conv2d(x[None], w, b, stride, padding)[0]
    return tuple(g.numpy() for g in torch.autograd.grad(y, (x, w, b), dy))


@conv_layer_backward.cases
def _(rng):
    def case(shape, masks, criterion="basic", by_name=True, **options):
        x, w = numbers(rng, *shape), distinct(rng, masks[0], shape[0], *masks[1:])
        dy = numbers(rng, *conv2d(x[None], w, **options).shape[1:])
        return Case((dy, x, w), options, criterion, by_name)

    yield case((1, 3, 4), (1, 2, 2))
    yield case((2, 4, 3), (3, 2, 2))
    yield case((3, 4, 5), (2, 3, 2))
    yield case((2, 5, 6), (3, 3, 2), "options", stride=2)
    yield case((2, 3, 4), (3, 2, 2), "options", padding=1)
    yield case((2, 4, 4), (3, 2, 3), "options", padding=2)
    yield case((2, 5, 7), (3, 2, 2), "options", stride=(2, 3), padding=(1, 2))
    yield case((2, 6, 4), (3, 3, 2), "options", stride=(1, 2), padding=(2, 0))
    yield case((2, 5, 6), (2, 2, 3), "options", stride=1, padding=2)
    yield case((2, 6, 7), (2, 2, 3), "options", by_name=False, stride=1, padding=2)
    yield case((2, 6, 6), (3, 2, 3), "edge cases", stride=3)  # pixels that no window covers
    yield case((2, 5, 4), (3, 1, 1), "edge cases", stride=2)
    yield case((2, 3, 2), (3, 3, 2), "edge cases")


def _backward(dy, x, w, stride=1, padding=0):
    dx, dw, db = conv2d_backward(dy[None], x[None], w, np.zeros(len(w)), stride, padding)
    return dx[0], dw, db


def _sums(dy):
    return dy.sum(axis=(1, 2))


@conv_layer_backward.chaff(
    "The stride is left out: output (i, j) came from row i·s, column j·s, and its gradient goes back there."
)
def stride_left_out(dy, x, w, stride=1, padding=0):
    (p, q) = pair(padding)
    (s, t) = pair(stride)
    xp = np.pad(x, ((0, 0), (p, p), (q, q)))
    dxp, dw = np.zeros_like(xp), np.zeros_like(w)
    (rows, columns) = dy.shape[1:]
    for k in range(w.shape[2]):
        for l in range(w.shape[3]):
            dxp[:, k : k + rows, l : l + columns] += np.tensordot(w[:, :, k, l].T, dy, 1)
            dw[:, :, k, l] = np.tensordot(dy, xp[:, k : k + rows, l : l + columns], ((1, 2), (1, 2)))
    return dxp[:, p : p + x.shape[1], q : q + x.shape[2]], dw, _sums(dy)


@conv_layer_backward.chaff(
    "In dx the mask lies the wrong way round. Whoever adds dy[o, i, j]·w[o] to a window of dx takes the "
    "mask as it is; whoever slides a mask over dy turns it by 180 degrees."
)
def rotation_left_out(dy, x, w, stride=1, padding=0):
    _, dw, db = _backward(dy, x, w, stride, padding)
    return _backward(dy, x, w[:, :, ::-1, ::-1], stride, padding)[0], dw, db


@conv_layer_backward.chaff(
    "Where windows overlap in dx the later one overwrites the earlier: a pixel that several windows "
    "read collects from all of them, use += (and so for the output channels)."
)
def assigned_for_added(dy, x, w, stride=1, padding=0):
    (p, q) = pair(padding)
    (s, t) = pair(stride)
    dxp = np.zeros((len(x), x.shape[1] + 2 * p, x.shape[2] + 2 * q))
    for o in range(len(w)):
        for i in range(dy.shape[1]):
            for j in range(dy.shape[2]):
                window = np.s_[:, i * s : i * s + w.shape[2], j * t : j * t + w.shape[3]]
                dxp[window] = dy[o, i, j] * w[o]
    dx = dxp[:, p : p + x.shape[1], q : q + x.shape[2]]
    return dx, *_backward(dy, x, w, stride, padding)[1:]


@conv_layer_backward.chaff(
    "In dw each window overwrites the one before: every output used the same weights, so their "
    "contributions add up, use +=."
)
def dw_assigned(dy, x, w, stride=1, padding=0):
    (p, q) = pair(padding)
    (s, t) = pair(stride)
    xp = np.pad(x, ((0, 0), (p, p), (q, q)))
    (i, j) = dy.shape[1] - 1, dy.shape[2] - 1
    window = xp[:, i * s : i * s + w.shape[2], j * t : j * t + w.shape[3]]
    dx, _, db = _backward(dy, x, w, stride, padding)
    return dx, dy[:, i, j][:, None, None, None] * window, db


@conv_layer_backward.chaff(
    "dx still has the padding on: its shape must be that of x, so cut the padded rows and columns off."
)
def padding_not_cropped(dy, x, w, stride=1, padding=0):
    (p, q) = pair(padding)
    return _backward(dy, np.pad(x, ((0, 0), (p, p), (q, q))), w, stride, 0)


@conv_layer_backward.chaff("db is a mean; the bias was added at every place, so its gradient is the sum of dy.")
def db_mean(dy, x, w, stride=1, padding=0):
    dx, dw, _ = _backward(dy, x, w, stride, padding)
    return dx, dw, dy.mean(axis=(1, 2))


@conv_layer_backward.chaff("db is one number for all masks; every mask has a bias of its own: sum dy[o] for each o.")
def db_summed_over_all(dy, x, w, stride=1, padding=0):
    dx, dw, db = _backward(dy, x, w, stride, padding)
    return dx, dw, db.sum()


@conv_layer_backward.chaff("dw is a mean over the places; every place adds its share, so it is a sum.")
def dw_mean(dy, x, w, stride=1, padding=0):
    dx, dw, db = _backward(dy, x, w, stride, padding)
    return dx, dw / dy[0].size, db


@conv_layer_backward.chaff("dw is turned by 180 degrees: dw(k, l) is the sum of dy(i, j)·x(i+k, j+l).")
def dw_rotated(dy, x, w, stride=1, padding=0):
    dx, dw, db = _backward(dy, x, w, stride, padding)
    return dx, dw[:, :, ::-1, ::-1], db


@conv_layer_backward.chaff(
    "dx collects from one output channel only; every mask read x, so sum over all masks."
)
def first_mask_only(dy, x, w, stride=1, padding=0):
    dx, _, _ = _backward(dy[:1], x, w[:1], stride, padding)
    return dx, *_backward(dy, x, w, stride, padding)[1:]


@conv_layer_backward.chaff(
    "In dx only the last mask is left: in the loop over masks the sum is overwritten, use +=."
)
def last_mask_only(dy, x, w, stride=1, padding=0):
    dx, _, _ = _backward(dy[-1:], x, w[-1:], stride, padding)
    return dx, *_backward(dy, x, w, stride, padding)[1:]


@conv_layer_backward.chaff("The results stand in another order than asked for: return (dx, dw, db).")
def dw_before_dx(dy, x, w, stride=1, padding=0):
    dx, dw, db = _backward(dy, x, w, stride, padding)
    return dw, dx, db


@conv_layer_backward.chaff("All three gradients have the wrong sign; the minus belongs to the update, not here.")
def descent_sign(dy, x, w, stride=1, padding=0):
    return tuple(-g for g in _backward(dy, x, w, stride, padding))


@conv_layer_backward.chaff("Stride and padding are ignored.")
def backward_options_ignored(dy, x, w, stride=1, padding=0):
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for o in range(len(w)):
        for i in range(dy.shape[1]):
            for j in range(dy.shape[2]):
                window = np.s_[:, i : i + w.shape[2], j : j + w.shape[3]]
                dx[window] += dy[o, i, j] * w[o]
                dw[o] += dy[o, i, j] * x[window]
    return dx, dw, _sums(dy)


# receptive_field --------------------------------------------------------------------------


@exercise({"basic": 0.5, "options": 0.5})
def receptive_field(layers):
    """How many input pixels, along one axis, one output of the stack of layers can see, an int."""
    import torch

    # As long as it could be at most; then ask autograd how far back the first output reaches.
    length = 1 + sum(d * (k - 1) for k, _, d in layers) * math.prod(s for _, s, _ in layers)
    x = torch.ones(1, 1, length + 1, dtype=torch.float64, requires_grad=True)
    y = x
    for k, s, d in layers:
        y = torch.nn.functional.conv1d(y, torch.ones(1, 1, k, dtype=torch.float64), None, s, 0, d)
    (gradient,) = torch.autograd.grad(y[0, 0, 0], x)
    return int(gradient[0, 0].nonzero().max()) + 1


@receptive_field.cases
def _(rng):
    def stack(depth, strides, dilations):
        draw = lambda low, high: int(rng.integers(low, high + 1))  # noqa: E731
        return [(draw(2, 5), draw(*strides), draw(*dilations)) for _ in range(depth)]

    yield Case(([(3, 1, 1)],))
    yield Case(([(3, 1, 1), (3, 1, 1)],))
    yield Case(([(4, 3, 1)],))
    yield Case(([(3, 2, 1), (2, 1, 1)],))
    yield Case(([(1, 2, 1), (3, 1, 1)],))  # a kernel of one pixel has a stride, too
    yield Case((stack(2, (2, 3), (1, 1)),))
    yield Case((stack(3, (2, 3), (1, 1)),))
    yield Case((stack(4, (1, 3), (1, 1)),))
    yield Case(([(3, 1, 2)],), criterion="options")
    yield Case((stack(2, (1, 1), (2, 4)),), criterion="options")
    yield Case((stack(3, (2, 3), (2, 3)),), criterion="options")
    yield Case((stack(4, (1, 3), (1, 3)),), criterion="options")


def _field(layers, grow=lambda k, d: d * (k - 1), start=1):
    field, apart = start, 1
    for k, s, d in layers:
        field += grow(k, d) * apart
        apart *= s
    return field


@receptive_field.chaff("You added the kernel sizes. A second layer adds only k-1 pixels: its windows overlap.")
def sum_of_kernels(layers):
    return sum(k for k, _, _ in layers)


@receptive_field.chaff("You multiplied the kernel sizes; overlapping windows add k-1 pixels each.")
def product_of_kernels(layers):
    return math.prod(k for k, _, _ in layers)


@receptive_field.chaff(
    "The strides are left out: behind a stride of s neighbouring pixels lie s input pixels apart."
)
def strides_left_out(layers):
    return 1 + sum(d * (k - 1) for k, _, d in layers)


@receptive_field.chaff(
    "Only the stride of the layer just before counts in your sum; the strides of all layers before multiply."
)
def strides_not_multiplied(layers):
    before = [1, *(s for _, s, _ in layers)]
    return 1 + sum(d * (k - 1) * s for (k, _, d), s in zip(layers, before, strict=False))


@receptive_field.chaff("The strides of the layers before are added; they multiply.")
def strides_added(layers):
    field, apart = 1, 1
    for number, (k, s, d) in enumerate(layers):
        field += d * (k - 1) * apart
        apart = s if number == 0 else apart + s
    return field


@receptive_field.chaff("The strides of the layers before are added (to 1); they multiply.")
def strides_added_to_one(layers):
    field, apart = 1, 1
    for k, s, d in layers:
        field += d * (k - 1) * apart
        apart += s
    return field


@receptive_field.chaff(
    "A layer's own stride is applied to its own kernel; it only spreads out the layers that come after."
)
def own_stride_applied(layers):
    field, apart = 1, 1
    for k, s, d in layers:
        apart *= s
        field += d * (k - 1) * apart
    return field


@receptive_field.chaff("The dilation is left out: a dilated kernel spans d(k-1)+1 pixels.")
def field_dilation_ignored(layers):
    return _field(layers, lambda k, d: k - 1)


@receptive_field.chaff("A dilated kernel adds d(k-1) pixels, not d·k-1.")
def field_dilation_times_k(layers):
    return _field(layers, lambda k, d: d * k - 1)


@receptive_field.chaff("You took dilation 0 for 'none'; as in PyTorch none is 1, neighbours lie d pixels apart.")
def field_dilation_zero_is_none(layers):
    return _field(layers, lambda k, d: (d + 1) * (k - 1))


@receptive_field.chaff("The output's own pixel is missing: start from 1 and add to it.")
def started_from_zero(layers):
    return _field(layers, start=0)


@receptive_field.chaff(
    "Your kernels are spread by the strides of the layers after them; it is the strides before them that "
    "spread them. (The recursion r = (r-1)·s + … goes from the last layer to the first.)"
)
def strides_after(layers):
    return _field(layers[::-1])


@receptive_field.chaff("Every layer adds its whole kernel; it adds k-1 pixels, times the strides before it.")
def whole_kernels_added(layers):
    return _field(layers, lambda k, d: d * (k - 1) + 1, start=0)
