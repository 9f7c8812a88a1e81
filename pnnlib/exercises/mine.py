"""`use_mine`: the library's layers run on a student's own functions.

    use_mine("conv_layer", conv_layer)    # certified as by `check`; then Conv2d calls it
    whose()                               # which piece is whose
    use_library("conv_layer")             # back to the library's
    with use_library():                   # the library's for these lines alone
        train.fit(…)

A `Piece` is one function that a layer calls. It stands in an attribute of the
layer's class (a step of an optimiser and the loss, in their modules), and another can be put there;
the networks themselves hold nothing of it. An adapter translates the call: a
student's `conv_layer` takes one image, `Conv2d` has a batch of them. Where the
student's function does not cover what the layer is asked for, the adapter returns
NotImplemented, and the library's is used for that call.

At the end of this file stand the pieces; before them: plugging in, certifying, calling.
"""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pnnlib import layers, optim, train

from .borrowed import borrowed
from .calling import one_line
from .check import PARTS, WrongCall, _say, exercises_of, tried
from .comparing import describe
from .exercise import Exercise


class OwnCodeError(RuntimeError):
    """A student's own function, inside a layer, stopped or returned what the layer cannot use."""


@dataclass(frozen=True)
class Piece:
    """One function that a layer calls, under the name of its exercise."""

    name: str
    owner: object  # the class or module that has it as an attribute
    slot: str
    adapt: Callable  # of the student's function, the shape of the result, and what the layer passes
    uncovered: str  # when the library's is used all the same
    library: Callable

    @property
    def layer(self) -> str:
        """The name of the layer, of the optimiser, or of the function that takes the loss."""
        return _OPTIMISERS.get(self.name) or self.owner.__name__.replace("pnnlib.train", "train.fit").lstrip("_")

    def put(self, function: Callable) -> None:
        setattr(self.owner, self.slot, staticmethod(function) if isinstance(self.owner, type) else function)


@dataclass
class Plugged:
    """A student's function in its place, and how often it was called there."""

    piece: Piece
    function: Callable
    calls: int = 0
    left_out: int = 0  # calls for which the library's was used

    def __post_init__(self):
        self.adapted = _adapted(self)

    def put(self) -> None:
        _plugged[self.piece.name] = self
        self.piece.put(self.adapted)


PIECES: dict[str, Piece] = {}
_plugged: dict[str, Plugged] = {}
_OPTIMISERS = {
    "momentum_step": "SGD", "adagrad_step": "Adagrad", "rmsprop_step": "RMSprop", "adam_step": "Adam",
    "nadam_step": "NAdam",
}  # fmt: skip


def use_mine(name: str, function: Callable | None, seconds: float | None = None) -> bool:
    """Let the library's layers use your function, if it is right; say so, and return whether it is used.

    It is tried on the public cases there and then, as by `check`. One that is not
    right yet, or that is taken from torch or pnnlib, is refused with the reason,
    and the library's is used. `whose()` shows what is whose, `use_library()` undoes it.

    Args:
        name: of the exercise, for instance "conv_layer".
        function: yours; None, for one that you do not have, is refused like a wrong one.
        seconds: a call that takes longer is stopped; by default what the exercise allows.

    >>> use_mine("relu", lambda net: np.maximum(net, 0))
    ✓ relu: yours is in ReLU from here on. All 7 cases agree with PyTorch exactly.
    True
    >>> use_mine("relu", abs)  # doctest: +ELLIPSIS
    ✗ relu: the library's is in ReLU, not yours. Not right yet. ...
    False
    """
    piece = _piece_of("use_mine", name)
    use_library(name)
    refusal, praise = _judged(_exercise(name), function, seconds)
    if refusal:
        _say(f"✗ {name}: the library's is in {piece.layer}, not yours. {_sentence(refusal)}", False)
        return False
    Plugged(piece, function).put()
    uncovered = f" The library's stays for {piece.uncovered}." if piece.uncovered else ""
    _say(f"✓ {name}: yours is in {piece.layer} from here on. {_sentence(praise)}{uncovered}", True)
    return True


class use_library:  # noqa: N801, a function to whoever calls it
    """Put the library's own functions back: those of these names, or all. As a `with` block, for its lines alone.

    After the block everything is as it was before, also what was plugged in within it.

    >>> with use_library():
    ...     whose("relu")
    piece  layer  whose
    relu   ReLU   the library's
    """

    def __init__(self, *names: str):
        self._before = dict(_plugged)
        for name in names or list(_plugged):
            _piece_of("use_library", name)
            _take_out(name)

    def __enter__(self) -> use_library:
        return self

    def __exit__(self, *_) -> None:
        for name in list(_plugged):
            _take_out(name)
        for plugged in self._before.values():
            plugged.put()

    def _ipython_display_(self) -> None:
        """Nothing to see where it is the last line of a cell."""


def whose(*names: str) -> None:
    """Print which piece of the library's layers is yours: those of these names, or all.

    >>> whose("flatten", "max_pool")
    piece     layer      whose
    flatten   Flatten    the library's
    max_pool  MaxPool2d  the library's
    """
    rows = [("piece", "layer", "whose")]
    for name in names or PIECES:
        piece = _piece_of("whose", name)
        rows.append((name, piece.layer, _whose(piece, _plugged.get(name))))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    print("\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows))


def _whose(piece: Piece, plugged: Plugged | None) -> str:
    if plugged is None:
        return "the library's"
    text = f"yours, {_times(plugged.calls)}"
    if plugged.left_out:
        return f"{text}; the library's, {_times(plugged.left_out)}: {piece.uncovered}"
    return text


def _times(calls: int) -> str:
    return f"{calls:,} call{'s' * (calls != 1)}"


# Certifying


def _piece_of(operation: str, name: str) -> Piece:
    if not isinstance(name, str):
        name = getattr(name, "__name__", "conv_layer")
        given = f", {name}" if operation == "use_mine" else ""
        raise WrongCall(f'{operation}: give the name of the exercise in quotes, {operation}("{name}"{given})')
    if name not in PIECES:
        close = difflib.get_close_matches(name, PIECES, n=3, cutoff=0.6)
        hint = f"is it {' or '.join(close)}?" if close else f"they use {', '.join(PIECES)}"
        raise WrongCall(f"{operation}: the library's layers have no use for a function {name!r}; {hint}")
    return PIECES[name]


def _exercise(name: str) -> Exercise:
    for part in PARTS:
        if name in exercises_of(part):
            return exercises_of(part)[name]
    raise WrongCall(f"use_mine: there is no exercise {name!r} yet, so nothing says what is right")


def _judged(exercise: Exercise, function, seconds: float | None) -> tuple[str, str]:
    """Why an answer is refused, or "", and what speaks for it: the road that `check` takes."""
    if function is None:
        return f"You have no {exercise.name} yet.", ""
    if not callable(function):
        return f"What came is {describe(function)}: give the function itself, without calling it.", ""
    verdict = tried(exercise, function, seconds)
    if not verdict.passed:
        return verdict.sentence, ""
    foreign = borrowed(function, exercise.library)
    return f"It uses {foreign}: write it in NumPy." if foreign else "", verdict.sentence.removeprefix("right. ")


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


# Calling


def _take_out(name: str) -> None:
    if _plugged.pop(name, None):
        PIECES[name].put(PIECES[name].library)


def _adapted(plugged: Plugged) -> Callable:
    """What the layer calls instead of the library's function."""
    piece, known = plugged.piece, {}

    def run(x, *args, **options):
        x = np.asarray(x) if np.asarray(x).dtype.kind == "f" else np.asarray(x, float)
        like = _result_of(piece.library, known, x, *args, **options)
        y = piece.adapt(_Own(piece, plugged.function), like, x, *args, **options)
        if y is NotImplemented:
            plugged.left_out += 1
            return piece.library(x, *args, **options)
        plugged.calls += 1
        return y

    return run


def _result_of(library: Callable, known: dict, *args, **options):
    """What the result is like, by the library's own function, called once for every kind of input.

    It also refuses an input that does not fit, in its own words: a student's function may take it for right.
    """
    values = [*args, *options.values()]
    key = tuple((a.shape, a.dtype.str) if isinstance(a, np.ndarray) else a for a in values)
    lasting = not any(callable(a) or isinstance(a, list) for a in values)
    if lasting and key in known:
        return known[key]
    result = library(*args, **options)
    like = [_like(a) for a in result] if isinstance(result, tuple) else _like(result)
    if lasting:
        if len(known) == 100:  # such as one for each step of an optimiser, which has its number among its arguments
            known.clear()
        known[key] = like
    return like


def _like(a):
    """An array of the same shape and type that takes no memory; its parts serve as well."""
    return None if a is None else np.broadcast_to(np.zeros((), np.asarray(a).dtype), np.shape(a))


class _Own:
    """A student's function, called with arrays that cannot be changed; whatever goes wrong is said to be in it."""

    def __init__(self, piece: Piece, function: Callable):
        self.piece, self.function = piece, function

    def __call__(self, like, *args):
        """Call it, and return arrays like `like`: one, or a list of them."""
        try:
            value = self.function(*map(_lent, args))
            if not isinstance(like, list):
                return self._taken(value, like)
            many = len(value) if isinstance(value, (tuple, list, np.ndarray)) and np.ndim(value[:1]) else None
            if many != len(like):
                got = describe(value) if many is None else f"{many} results"
                self._fail(f"must return {len(like)} results here, got {got}")
            return [self._taken(a, expected) for a, expected in zip(value, like, strict=True)]
        except (OwnCodeError, KeyboardInterrupt):
            raise
        except Exception as error:
            if isinstance(error, ValueError) and "read-only" in str(error):
                self._fail("must not change what it is given, work on a copy", error)
            self._fail(f"stopped with {one_line(error, self.function)}", error)

    def _taken(self, value, like):
        if value is None:
            self._fail("returned nothing: is a `return` missing?")
        y = np.asarray(value)
        if y.shape != like.shape:
            self._fail(f"must return an array of shape {like.shape} here, got {y.shape}")
        return y.astype(like.dtype, copy=False) if y.ndim else float(y)

    def _fail(self, what: str, cause: Exception | None = None):
        raise OwnCodeError(
            f"your {self.piece.name}, in {self.piece.layer}, {what}. It passed the check, but here the input is "
            f'another one. use_library("{self.piece.name}") puts the library\'s back'
        ) from cause


def _lent(value):
    """An argument that whoever gets it may not change, or what comes from it: a function returns copies."""
    if isinstance(value, list):
        return [_lent(v) for v in value]
    if callable(value):
        return lambda *args: np.array(value(*args))
    if not isinstance(value, np.ndarray):
        return value
    view = value.view()
    view.flags.writeable = False
    return view


# The pieces. An adapter takes the student's function, `own`, what the result is like, and what the layer passes.


def _piece(owner, slot: str, uncovered: str = "") -> Callable:
    def declare(adapt: Callable) -> Callable:
        PIECES[adapt.__name__] = Piece(adapt.__name__, owner, slot, adapt, uncovered, getattr(owner, slot))
        return adapt

    return declare


def _stack(results):
    """What was done to each image, as a batch; for several results, a batch of each."""
    results = list(results)
    if isinstance(results[0], list):
        return [np.stack(column) for column in zip(*results, strict=True)]
    return np.stack(results)


def _rows(x):
    """(N, C) or (N, C, …) → the values of each channel as a column, (m, C)."""
    return np.moveaxis(x, 1, -1).reshape(-1, x.shape[1])


def _maps(rows, like):
    """The reverse of `_rows`."""
    return np.moveaxis(rows.reshape(np.moveaxis(like, 1, -1).shape), -1, 1)


@_piece(layers.Sigmoid, "function_backward")
def sigmoid_derivative(own, like, dy, x):
    return dy * own(like, x)


@_piece(layers.Tanh, "function_backward")
def tanh_derivative(own, like, dy, x):
    return dy * own(like, x)


@_piece(layers.ReLU, "function")
def relu(own, like, x):
    return own(like, x)


@_piece(layers.LeakyReLU, "function")
def leaky_relu(own, like, x, slope):
    return own(like, x, slope)


@_piece(layers.LeakyReLU, "function_backward")
def leaky_relu_derivative(own, like, dy, x, slope, at_zero):
    return dy * np.where(x == 0, at_zero, own(like, x, slope))  # at 0 either value is right, and networks must agree


@_piece(layers.PReLU, "function_backward")
def prelu_backward(own, like, dy, x, a, at_zero):
    shape = x.shape if len(a) > 1 else (x.size, 1)  # a single slope is that of all, in one column
    dx, da = own([_rows(like[0].reshape(shape)), like[1]], _rows(dy.reshape(shape)), _rows(x.reshape(shape)), a)
    slopes = at_zero.reshape(-1, *[1] * (x.ndim - 2))
    return np.where(x == 0, dy * slopes, _maps(dx, like[0].reshape(shape)).reshape(x.shape)), da


@_piece(layers._BatchNorm, "function", "usage, where there is no batch")
def batch_norm(own, like, x, mean, var, gamma, beta, training, momentum, eps):
    if not training:
        return NotImplemented
    gamma = np.ones(x.shape[1], x.dtype) if gamma is None else gamma
    beta = np.zeros(x.shape[1], x.dtype) if beta is None else beta
    return _maps(own(_rows(like), _rows(x), gamma, beta, eps), x)


@_piece(layers._BatchNorm, "update_running", "momentum None")
def update_running(own, like, x, mean, var, momentum, batches):
    return NotImplemented if momentum is None else own(like, _rows(x), mean, var, momentum)


@_piece(layers._BatchNorm, "function_backward", "usage, where there is no batch")
def batch_norm_backward(own, like, dy, x, mean, var, gamma, beta, training, momentum, eps):
    if not training:
        return NotImplemented
    each = np.ones(x.shape[1], x.dtype) if gamma is None else gamma
    dx, dgamma, dbeta = own([_rows(like[0]), _like(each), _like(each)], _rows(dy), _rows(x), each, eps)
    return _maps(dx, x), *((None, None) if gamma is None else (dgamma, dbeta))


@_piece(layers.Residual, "function")
def residual(own, like, x, f):
    return own(like, x, f)


@_piece(layers.Residual, "function_backward")
def residual_backward(own, like, dy, f_backward):
    return own(like, dy, f_backward)


@_piece(layers.Conv2d, "function")
def conv_layer(own, like, x, w, b, stride, padding, dilation):
    b = np.zeros(len(w), w.dtype) if b is None else b
    return _stack(own(y, image, w, b, stride, padding, dilation) for y, image in zip(like, x, strict=True))


@_piece(layers.Conv2d, "function_backward", "dilation")
def conv_layer_backward(own, like, dy, x, w, b, stride, padding, dilation):
    if dilation != 1:
        return NotImplemented
    like = [_like(x[0]), _like(w), _like(w[:, 0, 0, 0])]
    dx, dw, db = _stack(own(like, dy_of, image, w, stride, padding) for dy_of, image in zip(dy, x, strict=True))
    return dx, dw.sum(axis=0), None if b is None else db.sum(axis=0)


def _plain(kernel_size, stride, padding, **more) -> bool:
    """Whether a pooling layer's window is what the exercises of part e know: square, without padding."""
    return isinstance(kernel_size, int) and isinstance(stride, int) and padding == 0 and more.get("dilation", 1) == 1


_NOT_PLAIN = "a window that is not square, padding or dilation"


@_piece(layers.MaxPool2d, "function", _NOT_PLAIN)
def max_pool(own, like, x, size, stride, padding, dilation):
    if not _plain(size, stride, padding, dilation=dilation):
        return NotImplemented
    return _stack(own(y, image, size, stride) for y, image in zip(like, x, strict=True))


@_piece(layers.MaxPool2d, "function_backward", _NOT_PLAIN)
def max_pool_backward(own, like, dy, x, size, stride, padding, dilation):
    if not _plain(size, stride, padding, dilation=dilation):
        return NotImplemented
    return _stack(own(image, dy_of, image, size, stride) for dy_of, image in zip(dy, x, strict=True))


@_piece(layers.AvgPool2d, "function", "a window that is not square, or padding")
def average_pool(own, like, x, size, stride, padding, count_include_pad):
    if not _plain(size, stride, padding):
        return NotImplemented
    return _stack(own(y, image, size, stride) for y, image in zip(like, x, strict=True))


@_piece(layers.AdaptiveAvgPool2d, "function")
def global_average_pool(own, like, x):
    return _stack(own(y, image) for y, image in zip(like, x, strict=True))


@_piece(layers.CrossChannelMaxPool, "function", "what is not an image")
def cross_channel_max_pool(own, like, x, group):
    if x.ndim != 4:
        return NotImplemented
    return _stack(own(y, image, group) for y, image in zip(like, x, strict=True))


@_piece(layers.Flatten, "function", "the lecture's order, and what is not an image")
def flatten(own, like, x, order):
    return NotImplemented if order != "C" or x.ndim != 4 else own(like, x)


@_piece(layers.Parallel, "function", "what is not an image")
def parallel(own, like, x, branches):
    return NotImplemented if x.ndim != 4 else own(like, x, branches)


@_piece(train, "default_loss")
def cross_entropy(own, like, logits, labels):
    return own(like, logits, np.asarray(labels))


for _name in _OPTIMISERS:  # a step is called as the exercise is

    def _step(own, like, *args):
        return own(like, *args)

    _step.__name__ = _name
    _piece(optim, _name)(_step)
