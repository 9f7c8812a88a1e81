"""A few small exercises that no student sees: with functions, with generators, judged by features, with nested results."""

import math

import numpy as np

from pnnlib.exercises.exercise import Case, exercise
from pnnlib.exercises.given import Function, Seed

TANH = Function("tanh", "lambda net: np.tanh(net)")
TWICE = Function("twice", "def twice(x):\n    return 2 * x")
SQUARE = Function("square", "lambda x: x ** 2")


@exercise({"basic": 1.0})
def after_sum(x, w, phi):
    """φ of the weighted sum, one number."""
    return phi(float(w @ x))


@after_sum.cases
def _(rng):
    yield Case((rng.integers(1, 5, 2) / 4, rng.integers(1, 5, 2) / 4, TANH))
    yield Case((rng.integers(1, 5, 3) / 4, rng.integers(1, 5, 3) / 4, SQUARE))
    yield Case((rng.integers(1, 5, 3) / 4, rng.integers(1, 5, 3) / 4), {"phi": TANH})


@after_sum.chaff("You left φ out.")
def no_phi(x, w, phi):
    return w @ x


@after_sum.chaff("φ comes after the sum, not before it.")
def phi_before_the_sum(x, w, phi):
    return w @ phi(x)


@exercise({"basic": 1.0})
def side_by_side(x, branches):
    """What each branch makes of x, one after the other."""
    return np.concatenate([branch(x) for branch in branches])


@side_by_side.cases
def _(rng):
    yield Case((rng.integers(1, 9, 3) / 2, [TWICE, TANH]))
    yield Case((rng.integers(1, 9, 2) / 2, [SQUARE, TWICE, TANH]))


@side_by_side.chaff("You added the branches.")
def added(x, branches):
    return sum(branch(x) for branch in branches)


@exercise({"basic": 1.0})
def uniform_weights(m, n, rng):
    """Weights (n, m), uniform up to √(6/(m+n))."""
    a = math.sqrt(6 / (m + n))
    return rng.uniform(-a, a, (n, m))


@uniform_weights.cases
def _(rng):
    for m, n in ((150, 100), (90, 200)):
        yield Case((m, n, Seed(int(rng.integers(1000)))))


@uniform_weights.features
def _(w, m, n, rng):
    a = math.sqrt(6 / (m + n))
    return {
        "the largest weight": (np.abs(w).max(), 0.02 * a),
        "the standard deviation of the weights": (w.std(), 0.1 * a),
        "the weights differ from each other": bool(w.std() > 0),
    }


@uniform_weights.chaff("That is the standard deviation; the range is √3 times as large.")
def deviation_for_range(m, n, rng):
    return uniform_weights.oracle(m, n, rng) / math.sqrt(3)


@uniform_weights.chaff("Your weights are (inputs, outputs); they are (outputs, inputs).")
def shape_m_n(m, n, rng):
    return uniform_weights.oracle(m, n, rng).T


@exercise({"basic": 1.0}, results=("y", "mask"))
def drop(x, p, rng):
    """The values that are kept, scaled, and the mask."""
    mask = rng.random(x.shape) >= p
    return x * mask / (1 - p), mask


@drop.cases
def _(rng):
    yield Case((rng.integers(1, 9, (200, 100)) / 2, 0.25, Seed(int(rng.integers(1000)))))


@drop.features
def _(found, x, p, rng):
    (y, mask) = found
    if not np.isin(mask, (0, 1)).all():
        return "the mask holds other values than 0 and 1"
    kept = mask > 0
    return {
        "the share that is kept": (mask.mean(), 0.06),
        "the factor of what is kept": (np.median(y[kept] / x[kept]), 1e-6),
        "y is x times the mask and a factor": len(np.unique(np.round(y[kept] / x[kept], 6))) == 1 and not y[~kept].any(),
    }


@drop.chaff("You did not scale what is kept.")
def not_scaled(x, p, rng):
    mask = rng.random(x.shape) >= p
    return x * mask, mask


@exercise({"basic": 1.0}, results=("weight", "bias"))
def layers_of(x, w):
    """A pair (weight, bias) for each row of x."""
    return [(w, w @ row) for row in x]


@layers_of.cases
def _(rng):
    yield Case((rng.integers(1, 9, (3, 2)) / 2, rng.integers(1, 9, (2, 2)) / 2))
    yield Case((rng.integers(1, 9, (2, 4)) / 2, rng.integers(1, 9, (3, 4)) / 2))


@layers_of.chaff("The bias is left at zero.")
def no_bias(x, w):
    return [(w, np.zeros(len(w))) for _ in x]


EXERCISES = {e.name: e for e in (after_sum, side_by_side, uniform_weights, drop, layers_of)}
