"""What every component does first with its arguments, taking them as arrays of floats, and how it adds up rows."""

import operator
from contextlib import contextmanager

import numpy as np


_FLOATS = {np.dtype(np.float64), np.dtype(np.float32)}


def as_floats(operation, optional=(), **arrays):
    """Return the arrays, in the given order, all in the one floating-point type that holds them all.

    Floats keep their type, so float32 in is float32 out; mixed types are
    promoted as NumPy promotes them, where a plain Python number gives way to any
    array. Integers and booleans become float64, so that a uint8 image cannot
    overflow. Lists are fine. None stays None for the names in `optional`.

    Shapes: any. PyTorch: `torch.result_type`, except that it keeps integers.

    >>> x, b = as_floats("relu", x=[[1, 2]], b=None, optional=["b"])
    >>> x, b
    (array([[1., 2.]]), None)
    """
    kinds = {getattr(a, "dtype", None) for name, a in arrays.items() if a is not None or name not in optional}
    if len(kinds) == 1 and kinds <= _FLOATS and all(type(a) in (np.ndarray, type(None)) for a in arrays.values()):
        return list(arrays.values())  # nothing to do: by far the most frequent case, and layers call this often
    result, types = [], []
    for name, given in arrays.items():
        if given is None and name in optional:
            result.append(None)
            continue
        a = _as_numbers(operation, name, given)
        result.append(a)
        types.append(float(given) if isinstance(given, (int, float)) else a.dtype)  # np.float64 is a float, too
    dtype = np.result_type(*types)
    if dtype.kind != "f":
        dtype = np.dtype(np.float64)
    return [None if a is None else a.astype(dtype, copy=False) for a in result]


def as_int(operation, name, value, least):
    """Return a count as an int, if it is one that makes sense.

    >>> as_int("digits", "n", np.int64(3), least=1)
    3
    """
    try:
        value = operator.index(value)
    except TypeError:
        raise TypeError(f"{operation}: {name} must be an int, got {value!r}") from None
    if value < least:
        raise ValueError(f"{operation}: {name} must be at least {least}, got {value}")
    return value


@contextmanager
def unbuffered():
    """Add up rows where they lie.

    By default, NumPy first copies rows that do not follow each other in memory
    into a buffer of 8192 numbers, and for `a[:, i:j] += b[:, k:l]` that takes three
    times as long as the sum. With short rows, under about 50 numbers, it pays.

    >>> a = np.zeros((2, 5))
    >>> with unbuffered():
    ...     a[:, 1:4] += 1
    >>> a[1]
    array([0., 1., 1., 1., 0.])
    """
    before = np.setbufsize(16)  # the least: rows are longer, so they are not collected
    try:
        yield
    finally:
        np.setbufsize(before)


def _as_numbers(operation, name, given):
    if given is None:
        raise TypeError(f"{operation}: {name} must be an array of numbers, got None: does what made it return it?")
    try:
        a = np.asarray(given)
    except ValueError:
        raise ValueError(f"{operation}: {name} must be an array of numbers, got rows of unequal length") from None
    if a.dtype.kind not in "fiub":
        raise TypeError(f"{operation}: {name} must be an array of real numbers, got one of dtype {a.dtype}")
    return a
