"""What every component does first with its arguments: take them as arrays of floating-point numbers."""

import numpy as np


def as_floats(operation, **arrays):
    """Return the arrays, in the given order, all in the one floating-point type that holds them all.

    Floats keep their type, so float32 in is float32 out; mixed types are
    promoted as NumPy promotes them. Integers and booleans become float64, so
    that a uint8 image cannot overflow. Lists are fine, None stays None.

    Shapes: any. PyTorch: `torch.result_type`, except that it keeps integers.

    >>> x, b = as_floats("relu", x=[[1, 2]], b=None)
    >>> x.dtype, b
    (dtype('float64'), None)
    """
    arrays = {name: None if a is None else np.asarray(a) for name, a in arrays.items()}
    for name, a in arrays.items():
        if a is not None and a.dtype.kind not in "fiub":
            raise TypeError(f"{operation}: {name} must hold real numbers, got an array of dtype {a.dtype}")
    dtype = np.result_type(*(a.dtype for a in arrays.values() if a is not None))
    if dtype.kind != "f":
        dtype = np.dtype(np.float64)
    return [None if a is None else a.astype(dtype, copy=False) for a in arrays.values()]
