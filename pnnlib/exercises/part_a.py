"""The exercises of part a: why deep?

PyTorch is the oracle: its modules where it has them, its autograd for the gradient.
"""

from __future__ import annotations

import math

import numpy as np

from .exercise import Case, exercise
from .given import Function

TANH = Function("tanh", "lambda net: np.tanh(net)")
RELU = Function("relu", "lambda net: np.maximum(net, 0)")
SIGMOID = Function("sigmoid", "lambda net: 1 / (1 + np.exp(-np.asarray(net)))")
BUMP = Function("bump", "lambda net: 1 / (1 + np.asarray(net) ** 2)")


# Numbers for the cases --------------------------------------------------------------------


def sizes(rng, layers, low=2, high=10):
    """Sizes of so many layers, no two of them equal."""
    return [int(n) for n in rng.choice(np.arange(low, high), layers, replace=False)]


def numbers(rng, *shape):
    """Eighths between -1.5 and 1.5 but not 0: exact in binary, and no tanh of a few of them is flat."""
    return rng.integers(1, 13, shape) * rng.choice([-1, 1], shape) / 8


def torch_numbers(*arrays):
    """The arrays as tensors of float64."""
    import torch

    return [torch.from_numpy(np.array(a, dtype=float)) for a in arrays]


# is_deep ----------------------------------------------------------------------------------


@exercise({"basic": 1.0})
def is_deep(layer_sizes):
    """True for a network of more than 3 layers, where the input layer counts as one."""
    return len(layer_sizes) > 3


@is_deep.cases
def _(rng):
    yield Case((sizes(rng, 3),))
    yield Case((sizes(rng, 4),))
    yield Case((sizes(rng, 5),))
    yield Case((sizes(rng, 6),))
    yield Case((sizes(rng, 2),))
    yield Case((sizes(rng, int(rng.integers(8, 12)), 2, 20),))
    yield Case((sizes(rng, 3, 100, 1000),))  # wide, and as shallow as before
    yield Case(([1, int(rng.integers(2, 4)), 3, 1],))  # narrow, and deep
    yield Case(([int(rng.integers(2, 10))] * 4,))  # a layer is not less of a layer for being like the last
    yield Case(([int(rng.integers(2, 10))] * 3,))


@is_deep.chaff("You call three layers deep. Deep means more than 3: three layers are still shallow.")
def three_are_deep(layer_sizes):
    return len(layer_sizes) >= 3


@is_deep.chaff(
    "You left out the input layer. The lecture counts it, so a network of four sizes has four layers and is deep."
)
def input_not_counted(layer_sizes):
    return len(layer_sizes) - 1 > 3


@is_deep.chaff("You counted only the hidden layers; the input layer and the output layer count, too.")
def only_hidden_counted(layer_sizes):
    return len(layer_sizes) - 2 > 3


@is_deep.chaff("You returned how many layers there are; the answer is True or False.")
def number_of_layers(layer_sizes):
    return len(layer_sizes)


@is_deep.chaff("Your True and False are exchanged: True is for deep networks.")
def true_for_shallow(layer_sizes):
    return len(layer_sizes) <= 3


@is_deep.chaff("You looked at the numbers of units. They make a network wide; the number of layers makes it deep.")
def asks_for_width(layer_sizes):
    return max(layer_sizes) > 3


@is_deep.chaff("You counted layers of equal size once; every layer counts.")
def equal_sizes_once(layer_sizes):
    return len(set(layer_sizes)) > 3


@is_deep.chaff("Your answer is True for every network.")
def always_deep(layer_sizes):
    return True


@is_deep.chaff("Your answer is False for every network.")
def never_deep(layer_sizes):
    return False


# count_parameters -------------------------------------------------------------------------


@exercise({"basic": 1.0, "edge cases": 0.5})
def count_parameters(layer_sizes):
    """The number of weights and biases of the fully connected network, an int."""
    import torch

    pairs = zip(layer_sizes, layer_sizes[1:])
    layers = (torch.nn.Linear(m, n, device="meta") for m, n in pairs)  # on "meta" nothing is allocated
    return sum(p.numel() for layer in layers for p in layer.parameters())


@count_parameters.cases
def _(rng):
    yield Case(([3, 4, 2],))
    yield Case((sizes(rng, 3),))
    yield Case((sizes(rng, 3, 2, 30),))
    yield Case((sizes(rng, 4),))
    yield Case((sizes(rng, 5, 10, 99),))
    yield Case(([784, int(rng.integers(50, 200)), 10],))
    yield Case((sizes(rng, 2),), criterion="edge cases")
    yield Case(([int(rng.integers(3, 9))] * int(rng.integers(5, 9)),), criterion="edge cases")
    yield Case(([1, int(rng.integers(3, 9)), 1],), criterion="edge cases")
    yield Case((sizes(rng, 4, 2_000, 9_000),), criterion="edge cases")


def _weights(layer_sizes):
    return sum(m * n for m, n in zip(layer_sizes, layer_sizes[1:]))


@count_parameters.chaff("The biases are missing: every neuron behind the input layer has one.")
def no_biases(layer_sizes):
    return _weights(layer_sizes)


@count_parameters.chaff("You gave the units of the input layer a bias, too. They only pass the input on: no bias.")
def input_has_biases(layer_sizes):
    return _weights(layer_sizes) + sum(layer_sizes)


@count_parameters.chaff("You counted the neurons; the question is how many weights and biases they have.")
def neurons(layer_sizes):
    return sum(layer_sizes)


@count_parameters.chaff("You counted the biases alone; the weights between the layers are missing.")
def biases_alone(layer_sizes):
    return sum(layer_sizes[1:])


@count_parameters.chaff("You counted the weights and biases between the first two layers only; go on to the last.")
def first_pair_only(layer_sizes):
    return (layer_sizes[0] + 1) * layer_sizes[1]


@count_parameters.chaff("You counted the weights between the first two layers only, and no bias.")
def first_pair_weights_only(layer_sizes):
    return layer_sizes[0] * layer_sizes[1]


@count_parameters.chaff(
    "Only the weights between the first two layers are in your sum, though all biases are: add the weights of "
    "every pair of neighbours."
)
def first_pair_weights_all_biases(layer_sizes):
    return layer_sizes[0] * layer_sizes[1] + sum(layer_sizes[1:])


@count_parameters.chaff("You counted the weights and biases between the last two layers only.")
def last_pair_only(layer_sizes):
    return (layer_sizes[-2] + 1) * layer_sizes[-1]


@count_parameters.chaff("The last pair of layers is missing from your sum: does the loop end one step too early?")
def last_pair_missing(layer_sizes):
    return _weights(layer_sizes[:-1]) + sum(layer_sizes[1:-1])


@count_parameters.chaff("You gave each layer one bias; each neuron has its own.")
def one_bias_for_a_layer(layer_sizes):
    return _weights(layer_sizes) + len(layer_sizes) - 1


@count_parameters.chaff(
    "You counted a bias for each unit that sends; the biases belong to the neurons that receive, (m + 1)·n for m "
    "inputs and n neurons."
)
def biases_of_the_senders(layer_sizes):
    return _weights(layer_sizes) + sum(layer_sizes[:-1])


@count_parameters.chaff("The biases of the output layer are missing; its neurons have one each, too.")
def output_without_biases(layer_sizes):
    return _weights(layer_sizes) + sum(layer_sizes[1:-1])


@count_parameters.chaff("You multiplied all sizes; multiply neighbours, and add the products up.")
def product_of_all(layer_sizes):
    return math.prod(layer_sizes)


@count_parameters.chaff("You took (m + 1)·(n + 1) for a pair of layers; a bias is an extra input, not an extra neuron.")
def an_extra_neuron(layer_sizes):
    return sum((m + 1) * (n + 1) for m, n in zip(layer_sizes, layer_sizes[1:]))


@count_parameters.chaff("You joined every layer to all later ones; here each is joined to the next one only.")
def all_pairs_joined(layer_sizes):
    later = [(m, n) for i, m in enumerate(layer_sizes) for n in layer_sizes[i + 1 :]]
    return sum(m * n for m, n in later) + sum(layer_sizes[1:])


@count_parameters.chaff("You added the sizes of two neighbours; every unit is joined to all of the next, so multiply.")
def sizes_added(layer_sizes):
    return sum(m + n for m, n in zip(layer_sizes, layer_sizes[1:])) + sum(layer_sizes[1:])


# mlp_forward ------------------------------------------------------------------------------


@exercise({"basic": 2.0, "edge cases": 1.0})
def mlp_forward(x, weights, biases, phi):
    """The output of the network for every row of x: φ(weight @ y + bias), one layer after the other, (N, n_L)."""
    import torch

    y = torch.from_numpy(np.array(x, dtype=float))
    for weight, bias in zip(weights, biases):
        weight, bias = torch_numbers(weight, bias)
        y = torch.from_numpy(np.array(phi(torch.nn.functional.linear(y, weight, bias).numpy())))
    return y.numpy()


def mlp_case(rng, n, layer_sizes, phi, criterion="basic"):
    pairs = list(zip(layer_sizes, layer_sizes[1:]))
    weights = [numbers(rng, b, a) for a, b in pairs]
    biases = [numbers(rng, b) for _, b in pairs]
    return Case((numbers(rng, n, layer_sizes[0]), weights, biases, phi), criterion=criterion)


@mlp_forward.cases
def _(rng):
    yield mlp_case(rng, 2, [2, 3, 1], TANH)
    yield mlp_case(rng, 3, [3, 2, 4], SIGMOID)
    yield mlp_case(rng, 4, [2, 4, 3, 2], TANH)
    yield mlp_case(rng, 3, [3, 3, 3], BUMP)  # square weights: nothing complains if they are transposed
    yield mlp_case(rng, 5, [4, 5, 3], RELU)
    yield mlp_case(rng, 2, [2, 3, 2, 4, 3, 2], BUMP)
    yield mlp_case(rng, 1, [3, 4, 2], SIGMOID, "edge cases")
    yield mlp_case(rng, 3, [3, 2], TANH, "edge cases")  # one layer of weights
    yield mlp_case(rng, 3, [1, 4, 1], TANH, "edge cases")
    yield mlp_case(rng, 4, [2, 1, 3], BUMP, "edge cases")
    yield mlp_case(rng, 4, [4, 4], SIGMOID, "edge cases")  # as many samples as neurons


def _layers(x, weights, biases, step):
    y = np.asarray(x)
    for i, (weight, bias) in enumerate(zip(weights, biases)):
        y = step(i, y, weight, bias)
    return y


def _forward(x, weights, biases, phi):
    return _layers(x, weights, biases, lambda i, y, w, b: phi(y @ w.T + b))


@mlp_forward.chaff(
    "φ is missing after the last layer. Here every layer has it, the last one included. (For regression and for "
    "softmax it is often left out.)"
)
def last_layer_linear(x, weights, biases, phi):
    last = len(weights) - 1
    return _layers(x, weights, biases, lambda i, y, w, b: y @ w.T + b if i == last else phi(y @ w.T + b))


@mlp_forward.chaff("φ is applied to the last layer only; every layer has it.")
def phi_on_the_last_only(x, weights, biases, phi):
    return phi(_layers(x, weights, biases, lambda i, y, w, b: y @ w.T + b))


@mlp_forward.chaff("The biases are left out.")
def bias_left_out(x, weights, biases, phi):
    return _layers(x, weights, biases, lambda i, y, w, b: phi(y @ w.T))


@mlp_forward.chaff("Only the first layer has its bias; every layer has one.")
def bias_in_the_first_layer_only(x, weights, biases, phi):
    return _layers(x, weights, biases, lambda i, y, w, b: phi(y @ w.T + (b if i == 0 else 0)))


@mlp_forward.chaff("The biases are subtracted; they are added: weight @ y + bias.")
def bias_subtracted(x, weights, biases, phi):
    return _layers(x, weights, biases, lambda i, y, w, b: phi(y @ w.T - b))


@mlp_forward.chaff("The bias is added after φ; it belongs to the net input, inside φ.")
def bias_after_phi(x, weights, biases, phi):
    return _layers(x, weights, biases, lambda i, y, w, b: phi(y @ w.T) + b)


@mlp_forward.chaff(
    "You applied φ before the weighted sum, to the input as well. First the sum, then φ of the result."
)
def phi_before_the_sum(x, weights, biases, phi):
    return _layers(x, weights, biases, lambda i, y, w, b: phi(y) @ w.T + b)


@mlp_forward.chaff("You applied φ to the input, too. The input layer only passes x on.")
def phi_on_the_input(x, weights, biases, phi):
    return _forward(phi(x), weights, biases, phi)


@mlp_forward.chaff("φ is missing everywhere: without it, all layers together are one linear layer.")
def all_layers_linear(x, weights, biases, phi):
    return _layers(x, weights, biases, lambda i, y, w, b: y @ w.T + b)


@mlp_forward.chaff("You applied φ twice to the last layer, once in the loop and once after it.")
def phi_twice_at_the_end(x, weights, biases, phi):
    return phi(_forward(x, weights, biases, phi))


@mlp_forward.chaff(
    "The weights are used transposed: row j of a weight matrix holds the weights of neuron j, so with samples in "
    "rows it is x @ weight.T."
)
def weights_transposed(x, weights, biases, phi):
    return _layers(x, weights, biases, lambda i, y, w, b: phi(y @ w + b))


@mlp_forward.chaff("The layers are used in reverse order; the first weights belong to the input.")
def layers_reversed(x, weights, biases, phi):
    return _forward(x, weights[::-1], biases[::-1], phi)


@mlp_forward.chaff("Your answer has a column for every sample: it is transposed. Samples stay in rows, (N, n_L).")
def output_transposed(x, weights, biases, phi):
    return _forward(x, weights, biases, phi).T


@mlp_forward.chaff("The last layer is missing: does the loop end one step too early?")
def last_layer_missing(x, weights, biases, phi):
    return _layers(x, weights[:-1], biases[:-1], lambda i, y, w, b: phi(y @ w.T + b))


@mlp_forward.chaff("Only the first layer is computed; was `x` used again where the result of the layer before belongs?")
def first_layer_only(x, weights, biases, phi):
    return _layers(x, weights[:1], biases[:1], lambda i, y, w, b: phi(y @ w.T + b))


@mlp_forward.chaff("This is the output of the first sample only; every row of x is a sample of its own.")
def first_sample_only(x, weights, biases, phi):
    return _forward(x[:1], weights, biases, phi)


@mlp_forward.chaff("This is the output of the first sample only, as one row of numbers; x holds N samples.")
def first_sample_as_a_vector(x, weights, biases, phi):
    return _forward(x[:1], weights, biases, phi)[0]


@mlp_forward.chaff("You always used tanh; call the φ that is handed in: phi(net).")
def tanh_always(x, weights, biases, phi):
    return _forward(x, weights, biases, np.tanh)


@mlp_forward.chaff("You always used the sigmoid; call the φ that is handed in: phi(net).")
def sigmoid_always(x, weights, biases, phi):
    return _forward(x, weights, biases, lambda net: 1 / (1 + np.exp(-net)))


@mlp_forward.chaff("You always used ReLU; call the φ that is handed in: phi(net).")
def relu_always(x, weights, biases, phi):
    return _forward(x, weights, biases, lambda net: np.maximum(net, 0))


@mlp_forward.chaff("You returned the outputs of all layers; the answer is that of the last one.")
def all_layers_returned(x, weights, biases, phi):
    outputs, y = [], np.asarray(x)
    for weight, bias in zip(weights, biases):
        y = phi(y @ np.asarray(weight).T + np.asarray(bias))
        outputs.append(y)
    return outputs


# count_linear_pieces ----------------------------------------------------------------------


@exercise({"basic": 1.5, "edge cases": 0.5})
def count_linear_pieces(x, y):
    """How many straight pieces the points (x, y) lie on, an int; neighbouring slopes differ, or it is one piece."""
    import torch

    x, y = torch_numbers(x, y)
    slopes = torch.diff(y) / torch.diff(x)
    return 1 + int((torch.diff(slopes).abs() > 1e-6).sum())


def pieces_case(rng, slopes, points, unit=0.125, start=None, criterion="basic"):
    """So many points on straight pieces of these slopes, with uneven gaps; each piece has a point inside or more."""
    knots = [2 * i for i in range(1, len(slopes))]  # at every knot a sample, and at least one between two
    gaps = rng.integers(1, 9, max(points - 1, 2 * len(slopes)))
    x = np.concatenate([[0], np.cumsum(gaps)]) * unit
    x = x + (float(rng.integers(-5, 1)) if start is None else start)
    spread = np.sort(rng.choice(len(gaps) - 2 * len(slopes) + 1, len(slopes) - 1)) if len(slopes) > 1 else []
    knots = np.array(knots, int) + np.array(spread, int)
    slope = np.array(slopes, float)[np.searchsorted(knots, np.arange(len(gaps)), side="right")]
    y = np.concatenate([[0], np.cumsum(slope * gaps)]) * unit + float(rng.integers(-3, 4))
    return Case((x, y), criterion=criterion)


@count_linear_pieces.cases
def _(rng):
    a = float(rng.integers(1, 9)) / 2
    yield pieces_case(rng, [a, -a], 5)
    yield pieces_case(rng, [1, 2, -1], 9)
    yield pieces_case(rng, [-0.5, a, -0.5, a, 0.25], 14)
    yield pieces_case(rng, [2, -2] * int(rng.integers(2, 5)), 20)  # a zigzag: the same two slopes again and again
    yield pieces_case(rng, [0.25, 0.5, 0.75, 1, 3], 13)  # the slope never changes its sign
    yield pieces_case(rng, [a, 0, -a, 0], 11)
    yield pieces_case(rng, [1, -1, 2, 0.5], 12, unit=0.1)  # slopes of one piece now differ by rounding
    yield pieces_case(rng, [a / 3], 16, unit=0.1, criterion="edge cases")
    yield Case((np.array([0.0, float(rng.integers(1, 5))]), np.array([1.0, a])), criterion="edge cases")
    x = np.cumsum(rng.permutation(np.arange(1, 9))) / 8.0  # every gap a piece of its own
    y = np.concatenate([[0], np.cumsum(np.diff(x) * np.array([1, -1, 2, -3, 0, 4, 1]))])
    yield Case((x, y), criterion="edge cases")
    yield pieces_case(rng, [-1, -1.25], 7, start=-3.0, criterion="edge cases")
    flat = np.arange(int(rng.integers(4, 9)), dtype=float)
    yield Case((flat, np.full(len(flat), a)), criterion="edge cases")


def _slopes(x, y):
    return np.diff(y) / np.diff(x)


def _changes(values):
    return int((np.abs(np.diff(values)) > 1e-6).sum())


@count_linear_pieces.chaff("You counted the corners; one corner separates two pieces, so there is one piece more.")
def corners_counted(x, y):
    return _changes(_slopes(x, y))


@count_linear_pieces.chaff("You counted the corners and both ends: that is one too many.")
def corners_and_ends(x, y):
    return _changes(_slopes(x, y)) + 2


@count_linear_pieces.chaff(
    "You counted only places where the slope changes its sign. A slope that goes from 1 to 3 makes a corner, too."
)
def only_changes_of_sign(x, y):
    signs = np.sign(np.round(_slopes(x, y), 9))
    return int((np.diff(signs) != 0).sum()) + 1


@count_linear_pieces.chaff(
    "You counted how often rising and falling are exchanged: a slope that goes from 1 to 3 makes a corner, too, and "
    "there is one piece more than there are corners."
)
def turning_points(x, y):
    signs = np.sign(np.round(_slopes(x, y), 9))
    return int((np.diff(signs) != 0).sum())


@count_linear_pieces.chaff("You counted the points.")
def points_counted(x, y):
    return len(x)


@count_linear_pieces.chaff(
    "You counted the gaps between neighbouring points; neighbouring gaps of one slope are one piece."
)
def gaps_counted(x, y):
    return len(x) - 1


@count_linear_pieces.chaff(
    "You counted different slopes. A slope that comes again after another one belongs to another piece."
)
def different_slopes(x, y):
    return len(np.unique(np.round(_slopes(x, y), 6)))


@count_linear_pieces.chaff(
    "The differences of y are not divided by those of x. The points are not equally far apart, so a straight piece "
    "has equal slopes, not equal steps."
)
def steps_for_slopes(x, y):
    return _changes(np.diff(y)) + 1


@count_linear_pieces.chaff(
    "You compared slopes with == or !=. Two slopes of one piece may differ in the last digit; allow a tolerance."
)
def no_tolerance(x, y):
    return int((np.diff(_slopes(x, y)) != 0).sum()) + 1


@count_linear_pieces.chaff(
    "You counted different slopes, and without a tolerance; count the changes of slope between neighbouring gaps."
)
def different_slopes_without_tolerance(x, y):
    return len(np.unique(_slopes(x, y)))


@count_linear_pieces.chaff("You compared the slopes without their signs; a slope of 2 and one of -2 meet in a corner.")
def without_signs(x, y):
    return _changes(np.abs(_slopes(x, y))) + 1


@count_linear_pieces.chaff(
    "You counted the gaps whose slope differs from the first one; compare each slope with the one before it."
)
def compared_with_the_first(x, y):
    slopes = _slopes(x, y)
    return int((np.abs(slopes - slopes[0]) > 1e-6).sum()) + 1


@count_linear_pieces.chaff("You left out the flat pieces; a piece of slope 0 is a straight piece as well.")
def flat_pieces_left_out(x, y):
    slopes = _slopes(x, y)
    first = np.concatenate([[True], np.abs(np.diff(slopes)) > 1e-6])
    return int((first & (np.abs(slopes) > 1e-6)).sum())


@count_linear_pieces.chaff("You rounded the slopes to whole numbers, or cut them: small changes of slope are lost.")
def slopes_as_whole_numbers(x, y):
    return _changes(np.round(_slopes(x, y))) + 1


@count_linear_pieces.chaff(
    "Your slopes are taken over two gaps at a time (np.gradient does so), and change twice at every corner: use the "
    "gap between neighbours, np.diff."
)
def by_gradient(x, y):
    return _changes(np.gradient(y, x)) + 1


# rnn_forward ------------------------------------------------------------------------------


def torch_rnn(x, h0, w_xh, w_hh, b):
    """`torch.nn.RNN` of these weights on one sequence: the hidden states (T, m)."""
    import torch

    x, h0, w_xh, w_hh, b = torch_numbers(x, h0, w_xh, w_hh, b)
    rnn = torch.nn.RNN(x.shape[1], h0.shape[0], dtype=torch.float64)
    weights = {"weight_ih_l0": w_xh, "weight_hh_l0": w_hh, "bias_ih_l0": b, "bias_hh_l0": torch.zeros_like(b)}
    rnn.load_state_dict(weights)
    with torch.no_grad():
        return rnn(x, h0[None])[0].numpy()


@exercise({"basic": 2.0, "edge cases": 1.0})
def rnn_forward(x, h0, w_xh, w_hh, b):
    """All hidden states h_t = tanh(w_xh x_t + w_hh h_{t-1} + b), one row for every step, an array (T, m)."""
    return torch_rnn(x, h0, w_xh, w_hh, b)


def rnn_numbers(rng, steps, inputs, hidden):
    """x, h0, w_xh, w_hh, b: no state near ±1, where all are alike, and no weights that equal their transpose."""
    while True:
        x, h0 = numbers(rng, steps, inputs), numbers(rng, hidden) / 2
        w_xh, w_hh, b = numbers(rng, hidden, inputs) / 2, numbers(rng, hidden, hidden) / 2, numbers(rng, hidden) / 2
        alike = any(w.size > 1 and w.shape == w.T.shape and (w == w.T).all() for w in (w_xh, w_hh))
        if not alike and np.abs(_states(x, h0, w_xh, w_hh, b)).max() < 0.995:
            return x, h0, w_xh, w_hh, b


@rnn_forward.cases
def _(rng):
    yield Case(rnn_numbers(rng, 2, 1, 2))
    yield Case(rnn_numbers(rng, 3, 2, 3))
    yield Case(rnn_numbers(rng, 4, 3, 2))
    yield Case(rnn_numbers(rng, 5, 2, 2))  # m = n: nothing complains about transposed weights
    yield Case(rnn_numbers(rng, 1, 3, 2), criterion="edge cases")
    yield Case(rnn_numbers(rng, 4, 2, 1), criterion="edge cases")
    yield Case(rnn_numbers(rng, 3, 1, 1), criterion="edge cases")
    yield Case(rnn_numbers(rng, 12, 1, 2), criterion="edge cases")


def _states(x, h0, w_xh, w_hh, b, step=None):
    """All states; `step(t, x_t, h)` gives the next one."""
    step = step or (lambda t, x_t, h: np.tanh(w_xh @ x_t + w_hh @ h + b))
    states, h = [], np.asarray(h0)
    for t, x_t in enumerate(np.asarray(x)):
        h = step(t, x_t, h)
        states.append(h)
    return np.array(states)


@rnn_forward.chaff("The recurrence is missing: w_hh h_{t-1}, what the neurons said a step ago, belongs into the sum.")
def no_recurrence(x, h0, w_xh, w_hh, b):
    return np.tanh(x @ w_xh.T + b)


@rnn_forward.chaff("You used h0 at every step; from the second step on it is the state of the step before.")
def h0_at_every_step(x, h0, w_xh, w_hh, b):
    return np.tanh(x @ w_xh.T + w_hh @ h0 + b)


@rnn_forward.chaff("You begin with zeros where h0 belongs.")
def h0_left_out(x, h0, w_xh, w_hh, b):
    return _states(x, np.zeros_like(h0), w_xh, w_hh, b)


@rnn_forward.chaff("Step t sees x_{t-1} (and the first step no input at all); it must see x_t.")
def input_a_step_late(x, h0, w_xh, w_hh, b):
    return _states(np.concatenate([np.zeros_like(x[:1]), x[:-1]]), h0, w_xh, w_hh, b)


@rnn_forward.chaff("Step t sees x_{t-1}, and the first step the last input, x[-1]; step t must see x_t.")
def input_a_step_late_and_round(x, h0, w_xh, w_hh, b):
    return _states(np.roll(x, 1, axis=0), h0, w_xh, w_hh, b)


@rnn_forward.chaff("Every step sees the first input; step t must see x_t.")
def first_input_always(x, h0, w_xh, w_hh, b):
    return _states(np.repeat(x[:1], len(x), axis=0), h0, w_xh, w_hh, b)


@rnn_forward.chaff("The sequence is read backwards; begin with x[0].")
def read_backwards(x, h0, w_xh, w_hh, b):
    return _states(x[::-1], h0, w_xh, w_hh, b)


@rnn_forward.chaff("The tanh is missing.")
def no_tanh(x, h0, w_xh, w_hh, b):
    return _states(x, h0, w_xh, w_hh, b, lambda t, x_t, h: w_xh @ x_t + w_hh @ h + b)


@rnn_forward.chaff(
    "You feed the net input back, before the tanh. It is the output of the neurons, after the tanh, that comes "
    "back at the next step."
)
def net_fed_back(x, h0, w_xh, w_hh, b):
    return np.tanh(no_tanh(x, h0, w_xh, w_hh, b))


@rnn_forward.chaff("Only the input's part is inside the tanh; the recurrent part and the bias belong inside, too.")
def recurrence_outside_tanh(x, h0, w_xh, w_hh, b):
    return _states(x, h0, w_xh, w_hh, b, lambda t, x_t, h: np.tanh(w_xh @ x_t) + w_hh @ h + b)


@rnn_forward.chaff("The recurrent part is outside the tanh; it belongs into the net input, inside.")
def only_recurrence_outside_tanh(x, h0, w_xh, w_hh, b):
    return _states(x, h0, w_xh, w_hh, b, lambda t, x_t, h: np.tanh(w_xh @ x_t + b) + w_hh @ h)


@rnn_forward.chaff("The bias is outside the tanh; it belongs into the net input, inside.")
def bias_outside_tanh(x, h0, w_xh, w_hh, b):
    return _states(x, h0, w_xh, w_hh, b, lambda t, x_t, h: np.tanh(w_xh @ x_t + w_hh @ h) + b)


@rnn_forward.chaff("The bias is left out.")
def rnn_bias_left_out(x, h0, w_xh, w_hh, b):
    return _states(x, h0, w_xh, w_hh, 0 * b)


@rnn_forward.chaff("Only the first step has the bias; every step has it.")
def rnn_bias_at_the_first_step_only(x, h0, w_xh, w_hh, b):
    step = lambda t, x_t, h: np.tanh(w_xh @ x_t + w_hh @ h + (b if t == 0 else 0))  # noqa: E731
    return _states(x, h0, w_xh, w_hh, b, step)


@rnn_forward.chaff("You returned only the last state; return all of them, one row for every step.")
def only_the_last(x, h0, w_xh, w_hh, b):
    return _states(x, h0, w_xh, w_hh, b)[-1]


@rnn_forward.chaff("You returned h0 as well: the first row must be h_1, after the first input.")
def h0_returned_too(x, h0, w_xh, w_hh, b):
    return np.concatenate([h0[None], _states(x, h0, w_xh, w_hh, b)])


@rnn_forward.chaff("Your states stand one row too low: the first row must be h_1, not h0.")
def a_row_too_low(x, h0, w_xh, w_hh, b):
    return np.concatenate([h0[None], _states(x, h0, w_xh, w_hh, b)])[:-1]


@rnn_forward.chaff(
    "All your rows are the last state: you stored one and the same array again and again and wrote it over. Make a "
    "new one at every step."
)
def one_array_for_all_states(x, h0, w_xh, w_hh, b):
    states = _states(x, h0, w_xh, w_hh, b)
    return np.repeat(states[-1:], len(states), axis=0)


@rnn_forward.chaff("w_hh is used transposed: row j holds the weights of neuron j, so it is w_hh @ h.")
def w_hh_transposed(x, h0, w_xh, w_hh, b):
    return _states(x, h0, w_xh, w_hh.T, b)


@rnn_forward.chaff("w_xh is used transposed: row j holds the weights of neuron j, so it is w_xh @ x[t].")
def w_xh_transposed(x, h0, w_xh, w_hh, b):
    return _states(x, h0, w_xh.T, w_hh, b)


@rnn_forward.chaff("Both weight matrices are used transposed: it is w_xh @ x[t] and w_hh @ h.")
def both_transposed(x, h0, w_xh, w_hh, b):
    return _states(x, h0, w_xh.T, w_hh.T, b)


@rnn_forward.chaff("The state is added without its weights: w_hh @ h, not h.")
def state_without_weights(x, h0, w_xh, w_hh, b):
    return _states(x, h0, w_xh, np.eye(len(h0)), b)


@rnn_forward.chaff("Each neuron hears only itself (the diagonal of w_hh); it hears all hidden neurons.")
def only_itself(x, h0, w_xh, w_hh, b):
    return _states(x, h0, w_xh, np.diag(np.diag(w_hh)), b)


@rnn_forward.chaff("You used the sigmoid; this network has tanh.")
def sigmoid_for_tanh(x, h0, w_xh, w_hh, b):
    return _states(x, h0, w_xh, w_hh, b, lambda t, x_t, h: 1 / (1 + np.exp(-(w_xh @ x_t + w_hh @ h + b))))


@rnn_forward.chaff("You used ReLU; this network has tanh.")
def relu_for_tanh(x, h0, w_xh, w_hh, b):
    return _states(x, h0, w_xh, w_hh, b, lambda t, x_t, h: np.maximum(w_xh @ x_t + w_hh @ h + b, 0))


@rnn_forward.chaff("Your answer is transposed: one row for every step, one column for every neuron.")
def states_transposed(x, h0, w_xh, w_hh, b):
    return _states(x, h0, w_xh, w_hh, b).T


# unfold -----------------------------------------------------------------------------------


@exercise({"basic": 1.0, "edge cases": 0.5}, results=("weight", "bias"))
def unfold(h0, x, w_xh, w_hh, b):
    """The network as T layers: a list of T pairs (weight, bias), so that h_t = tanh(weight @ h_{t-1} + bias)."""
    import torch

    x, w_xh, w_hh, b = torch_numbers(x, w_xh, w_hh, b)
    return [(w_hh.numpy(), torch.nn.functional.linear(x_t, w_xh, b).numpy()) for x_t in x]


def unfold_case(rng, *sizes, criterion="basic"):
    x, h0, w_xh, w_hh, b = rnn_numbers(rng, *sizes)
    return Case((h0, x, w_xh, w_hh, b), criterion=criterion)


@unfold.cases
def _(rng):
    yield unfold_case(rng, 2, 1, 2)
    yield unfold_case(rng, 3, 2, 3)
    yield unfold_case(rng, 4, 3, 2)
    yield unfold_case(rng, 3, 2, 2)
    yield unfold_case(rng, 1, 3, 2, criterion="edge cases")
    yield unfold_case(rng, 3, 2, 1, criterion="edge cases")
    yield unfold_case(rng, 7, 1, 2, criterion="edge cases")


@unfold.chaff("The input is missing: w_xh x_t is a part of the bias of layer t.")
def input_left_out(h0, x, w_xh, w_hh, b):
    return [(w_hh, b) for _ in x]


@unfold.chaff("The network's own bias b is missing: the bias of layer t is w_xh x_t + b.")
def own_bias_left_out(h0, x, w_xh, w_hh, b):
    return [(w_hh, w_xh @ x_t) for x_t in x]


@unfold.chaff("Your layers have new weights, each its own. Unfolding copies: all T layers share w_hh.")
def fresh_weights(h0, x, w_xh, w_hh, b):
    rng = np.random.default_rng(0)
    return [(rng.normal(size=w_hh.shape), w_xh @ x_t + b) for x_t in x]


@unfold.chaff(
    "Your weights are the powers of w_hh. Layer t begins with h_{t-1}, not with h0, so its weight is w_hh itself."
)
def powers_of_the_weight(h0, x, w_xh, w_hh, b):
    return [(np.linalg.matrix_power(w_hh, t), w_xh @ x_t + b) for t, x_t in enumerate(x, 1)]


@unfold.chaff("You have a layer for h0, too: T+1 in all. Layer t leads from h_{t-1} to h_t, so there are T.")
def a_layer_for_h0(h0, x, w_xh, w_hh, b):
    return [(w_hh, b), *((w_hh, w_xh @ x_t + b) for x_t in x)]


@unfold.chaff("There is one layer too many: after the last input no state follows. There are T layers.")
def a_layer_too_many(h0, x, w_xh, w_hh, b):
    return [*((w_hh, w_xh @ x_t + b) for x_t in x), (w_hh, b)]


@unfold.chaff("There is one layer too few: the step from h0 to h_1 is a layer, too.")
def a_layer_too_few(h0, x, w_xh, w_hh, b):
    return [(w_hh, w_xh @ x_t + b) for x_t in x[1:]]


@unfold.chaff("Layer t has x_{t-1} in its bias (and the first layer no input); it must be x_t.")
def unfold_input_a_step_late(h0, x, w_xh, w_hh, b):
    return [(w_hh, b), *((w_hh, w_xh @ x_t + b) for x_t in x[:-1])]


@unfold.chaff("Your pairs are (bias, weight); the weight comes first.")
def bias_first(h0, x, w_xh, w_hh, b):
    return [(w_xh @ x_t + b, w_hh) for x_t in x]


@unfold.chaff("w_hh is transposed in your layers; they compute weight @ h, so it stays as it is.")
def unfold_weight_transposed(h0, x, w_xh, w_hh, b):
    return [(w_hh.T, w_xh @ x_t + b) for x_t in x]


@unfold.chaff(
    "Your weight is w_xh. The layer leads from state to state, so its weight is w_hh; the input's part goes into the "
    "bias."
)
def input_weight_for_weight(h0, x, w_xh, w_hh, b):
    return [(w_xh, w_xh @ x_t + b) for x_t in x]


@unfold.chaff("You put both weight matrices side by side; a layer's input is the state alone, so its weight is w_hh.")
def weights_side_by_side(h0, x, w_xh, w_hh, b):
    return [(np.hstack([w_xh, w_hh]), b) for _ in x]


@unfold.chaff("The state's part w_hh h_{t-1} is in your bias, and the layer would add it once more.")
def state_in_the_bias(h0, x, w_xh, w_hh, b):
    before = [h0, *_states(x, h0, w_xh, w_hh, b)]
    return [(w_hh, w_xh @ x_t + b + w_hh @ h) for x_t, h in zip(x, before)]


@unfold.chaff("w_hh h0 is in your bias; the state comes in through the weight, at every layer the one before it.")
def h0_in_the_bias(h0, x, w_xh, w_hh, b):
    return [(w_hh, w_xh @ x_t + b + w_hh @ h0) for x_t in x]


@unfold.chaff("You returned pairs of weight and state; the second of a pair is the bias w_xh x_t + b.")
def states_for_biases(h0, x, w_xh, w_hh, b):
    return [(w_hh, h) for h in _states(x, h0, w_xh, w_hh, b)]


@unfold.chaff("There is a tanh in your bias; the layer takes the tanh of the whole sum, once.")
def tanh_in_the_bias(h0, x, w_xh, w_hh, b):
    return [(w_hh, np.tanh(w_xh @ x_t + b)) for x_t in x]


@unfold.chaff("Your layers stand in reverse order; the first belongs to x[0].")
def unfold_reversed(h0, x, w_xh, w_hh, b):
    return [(w_hh, w_xh @ x_t + b) for x_t in x[::-1]]


@unfold.chaff("Every layer has the bias of the first input; layer t has x_t.")
def unfold_first_input_always(h0, x, w_xh, w_hh, b):
    return [(w_hh, w_xh @ x[0] + b) for _ in x]


@unfold.chaff("Your biases are those of all layers before added up; the bias of layer t has x_t alone in it.")
def biases_added_up(h0, x, w_xh, w_hh, b):
    return [(w_hh, bias) for bias in np.cumsum(x @ w_xh.T + b, axis=0)]


@unfold.chaff("You returned one list of weights and one of biases; make pairs, one for every layer.")
def two_lists(h0, x, w_xh, w_hh, b):
    return [w_hh for _ in x], [w_xh @ x_t + b for x_t in x]


# bptt -------------------------------------------------------------------------------------


@exercise({"basic": 2.0, "edge cases": 1.0}, results=("dw_xh", "dw_hh", "db"))
def bptt(dh, x, h, h0, w_xh, w_hh):
    """(dw_xh, dw_hh, db): the gradients of w_xh, w_hh and b, given the gradient dh at the last state."""
    import torch

    dh, x, h, h0, w_xh, w_hh = torch_numbers(dh, x, h, h0, w_xh, w_hh)
    b = torch.atanh(h[0]) - w_xh @ x[0] - w_hh @ h0  # it follows from the first state
    weights = [w.requires_grad_() for w in (w_xh, w_hh, b)]
    state = h0
    for x_t in x:
        state = torch.tanh(w_xh @ x_t + w_hh @ state + b)
    return tuple(g.numpy() for g in torch.autograd.grad(state, weights, dh))


def bptt_case(rng, *sizes, criterion="basic"):
    x, h0, w_xh, w_hh, b = rnn_numbers(rng, *sizes)
    dh = numbers(rng, sizes[2]) * 8
    return Case((dh, x, _states(x, h0, w_xh, w_hh, b), h0, w_xh, w_hh), criterion=criterion)


@bptt.cases
def _(rng):
    yield bptt_case(rng, 2, 1, 2)
    yield bptt_case(rng, 3, 2, 3)
    yield bptt_case(rng, 4, 3, 2)
    yield bptt_case(rng, 3, 2, 2)
    yield bptt_case(rng, 1, 3, 2, criterion="edge cases")
    yield bptt_case(rng, 4, 2, 1, criterion="edge cases")
    yield bptt_case(rng, 9, 1, 2, criterion="edge cases")
    yield bptt_case(rng, 5, 3, 3, criterion="edge cases")


def _bptt(
    dh, x, h, h0, w_xh, w_hh, slope=lambda h: 1 - h**2, back=lambda delta, w: delta @ w, before=None, inputs=None,
    steps=None, arriving=False, last_slope=True, slopes_at=None,
):
    """Backpropagation through time, with one thing changed."""
    before = np.concatenate([h0[None], h[:-1]]) if before is None else before
    inputs = x if inputs is None else inputs
    slopes_at = h if slopes_at is None else slopes_at
    dw_xh, dw_hh, db, gradient = np.zeros_like(w_xh), np.zeros_like(w_hh), np.zeros_like(dh), dh
    for t in reversed(range(len(x))):
        delta = gradient * (slope(slopes_at[t]) if last_slope or t < len(x) - 1 else 1)
        if steps is None or t in steps(len(x)):
            dw_xh, dw_hh, db = dw_xh + np.outer(delta, inputs[t]), dw_hh + np.outer(delta, before[t]), db + delta
        gradient = back(delta, w_hh) + (dh if arriving else 0)
    return dw_xh, dw_hh, db


@bptt.chaff(
    "Only the last step is in your gradients. The weights were used at every step, so go back to the first and add "
    "the parts up."
)
def only_the_last_step(dh, x, h, h0, w_xh, w_hh):
    return _bptt(dh, x, h, h0, w_xh, w_hh, steps=lambda T: (T - 1,))


@bptt.chaff("Only the first step is in your gradients: is `=` written where `+=` belongs?")
def only_the_first_step(dh, x, h, h0, w_xh, w_hh):
    return _bptt(dh, x, h, h0, w_xh, w_hh, steps=lambda T: (0,))


@bptt.chaff("Only the last two steps are in your gradients; go on back to the first.")
def only_the_last_two_steps(dh, x, h, h0, w_xh, w_hh):
    return _bptt(dh, x, h, h0, w_xh, w_hh, steps=lambda T: range(T - 2, T))


@bptt.chaff("Your loop goes forwards in time. dh belongs to the last state: begin there and go back: reversed(range(T)).")
def forwards_in_time(dh, x, h, h0, w_xh, w_hh):
    dw_xh, dw_hh, db = np.zeros_like(w_xh), np.zeros_like(w_hh), np.zeros_like(dh)
    for x_t, h_t, before in zip(x, h, [h0, *h]):
        delta = dh * (1 - h_t**2)
        dw_xh, dw_hh, db = dw_xh + np.outer(delta, x_t), dw_hh + np.outer(delta, before), db + delta
        dh = delta @ w_hh
    return dw_xh, dw_hh, db


@bptt.chaff("db is dh itself; the bias sits inside the tanh, so db is the sum of the deltas of all steps.")
def db_is_dh(dh, x, h, h0, w_xh, w_hh):
    dw_xh, dw_hh, _ = _bptt(dh, x, h, h0, w_xh, w_hh)
    return dw_xh, dw_hh, dh


@bptt.chaff("The first step is missing: go back to t = 0, where the state before is h0.")
def first_step_missing(dh, x, h, h0, w_xh, w_hh):
    return _bptt(dh, x, h, h0, w_xh, w_hh, steps=lambda T: range(1, T))


@bptt.chaff("The derivative of tanh is 1 - h², not 1 - h.")
def without_the_square(dh, x, h, h0, w_xh, w_hh):
    return _bptt(dh, x, h, h0, w_xh, w_hh, slope=lambda h: 1 - h)


@bptt.chaff("The derivative of tanh is left out: multiply by 1 - h² at every step.")
def slope_left_out(dh, x, h, h0, w_xh, w_hh):
    return _bptt(dh, x, h, h0, w_xh, w_hh, slope=np.ones_like)


@bptt.chaff("h(1 - h) is the derivative of the sigmoid; that of tanh is 1 - h².")
def slope_of_the_sigmoid(dh, x, h, h0, w_xh, w_hh):
    return _bptt(dh, x, h, h0, w_xh, w_hh, slope=lambda h: h * (1 - h))


@bptt.chaff("You took 1 - tanh(h)²: h has been through the tanh already, so it is 1 - h².")
def tanh_of_h(dh, x, h, h0, w_xh, w_hh):
    return _bptt(dh, x, h, h0, w_xh, w_hh, slope=lambda h: 1 - np.tanh(h) ** 2)


@bptt.chaff("The derivative is missing at the last step: dh is the gradient at h, before it lies a tanh.")
def slope_missing_at_the_end(dh, x, h, h0, w_xh, w_hh):
    return _bptt(dh, x, h, h0, w_xh, w_hh, last_slope=False)


@bptt.chaff("Your derivative is that of the step before, 1 - h_{t-1}²; at step t it is 1 - h_t².")
def slope_of_the_step_before(dh, x, h, h0, w_xh, w_hh):
    return _bptt(dh, x, h, h0, w_xh, w_hh, slopes_at=np.concatenate([h0[None], h[:-1]]))


@bptt.chaff("For dw_hh you multiplied by h_t; w_hh met h_{t-1}, the state before, and at the first step h0.")
def state_after_for_state_before(dh, x, h, h0, w_xh, w_hh):
    return _bptt(dh, x, h, h0, w_xh, w_hh, before=h)


@bptt.chaff("h0 is left out: at the first step, the state before is h0, not zero.")
def h0_taken_for_zero(dh, x, h, h0, w_xh, w_hh):
    return _bptt(dh, x, h, h0, w_xh, w_hh, before=np.concatenate([0 * h0[None], h[:-1]]))


@bptt.chaff("At the first step your state before is h[-1], which in Python is the last; there it is h0.")
def last_state_for_h0(dh, x, h, h0, w_xh, w_hh):
    return _bptt(dh, x, h, h0, w_xh, w_hh, before=np.roll(h, 1, axis=0))


@bptt.chaff("At every step you took h0 for the state before; it is h_{t-1}.")
def h0_always(dh, x, h, h0, w_xh, w_hh):
    return _bptt(dh, x, h, h0, w_xh, w_hh, before=np.repeat(h0[None], len(h), axis=0))


@bptt.chaff("For dw_xh you multiplied by the input of the step before; step t has x_t.")
def input_of_the_step_before(dh, x, h, h0, w_xh, w_hh):
    return _bptt(dh, x, h, h0, w_xh, w_hh, inputs=np.concatenate([0 * x[:1], x[:-1]]))


@bptt.chaff("You averaged over time; the parts of all steps are added up.")
def average_over_time(dh, x, h, h0, w_xh, w_hh):
    return tuple(g / len(x) for g in _bptt(dh, x, h, h0, w_xh, w_hh))


@bptt.chaff(
    "w_hh is transposed on the way back. Forwards it is w_hh @ h, so backwards it is w_hh.T @ delta, the same as "
    "delta @ w_hh."
)
def not_transposed(dh, x, h, h0, w_xh, w_hh):
    return _bptt(dh, x, h, h0, w_xh, w_hh, back=lambda delta, w: w @ delta)


@bptt.chaff("w_hh is missing on the way back: from step to step the gradient is multiplied by it.")
def weight_missing(dh, x, h, h0, w_xh, w_hh):
    return _bptt(dh, x, h, h0, w_xh, w_hh, back=lambda delta, w: delta)


@bptt.chaff("dh arrives at every state in your answer; the loss looks at the last one only.")
def dh_at_every_step(dh, x, h, h0, w_xh, w_hh):
    return _bptt(dh, x, h, h0, w_xh, w_hh, arriving=True)


@bptt.chaff(
    "Every step receives dh itself in your answer; only the last does. The others receive what comes back through w_hh."
)
def dh_for_every_step(dh, x, h, h0, w_xh, w_hh):
    return _bptt(dh, x, h, h0, w_xh, w_hh, back=lambda delta, w: dh)


@bptt.chaff("Your gradients are negative: this is the direction of the step downhill; the gradient has no minus.")
def sign_of_the_step(dh, x, h, h0, w_xh, w_hh):
    return tuple(-g for g in _bptt(dh, x, h, h0, w_xh, w_hh))


@bptt.chaff("The order of your results is not (dw_xh, dw_hh, db): the first two are exchanged.")
def results_exchanged(dh, x, h, h0, w_xh, w_hh):
    dw_xh, dw_hh, db = _bptt(dh, x, h, h0, w_xh, w_hh)
    return dw_hh, dw_xh, db


@bptt.chaff("Your dw_xh and dw_hh are transposed: a gradient has the shape of its weight, np.outer(delta, x[t]).")
def gradients_transposed(dh, x, h, h0, w_xh, w_hh):
    dw_xh, dw_hh, db = _bptt(dh, x, h, h0, w_xh, w_hh)
    return dw_xh.T, dw_hh.T, db


@bptt.chaff("Your dw_hh is transposed: row j belongs to the neuron that receives, np.outer(delta, state before).")
def dw_hh_transposed(dh, x, h, h0, w_xh, w_hh):
    dw_xh, dw_hh, db = _bptt(dh, x, h, h0, w_xh, w_hh)
    return dw_xh, dw_hh.T, db


@bptt.chaff("db has only the last step in it; the bias, too, was used at every step.")
def db_of_the_last_step(dh, x, h, h0, w_xh, w_hh):
    dw_xh, dw_hh, _ = _bptt(dh, x, h, h0, w_xh, w_hh)
    return dw_xh, dw_hh, dh * (1 - h[-1] ** 2)


@bptt.chaff("Your db is the gradient at the first step alone; add up those of all steps.")
def db_of_the_first_step(dh, x, h, h0, w_xh, w_hh):
    dw_xh, dw_hh, _ = _bptt(dh, x, h, h0, w_xh, w_hh)
    return dw_xh, dw_hh, only_the_first_step(dh, x, h, h0, w_xh, w_hh)[2]
