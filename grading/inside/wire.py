"""Values as bytes: what goes into the jail and comes out of it. Both sides use this file.

A value is a list of byte strings: a JSON text for its structure, then the bytes
of its arrays in order. The decoder runs in the marking process on whatever a
hostile kernel sends, so it believes nothing: types from a fixed list, sizes
that must add up, no pickle.

Functions and random generators travel into the jail as recipes, lists of texts
and numbers, which only the jail cooks.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator

import numpy as np

MAX_BYTES = 8_000_000
MAX_DEPTH = 20
MAX_TEXT = 10_000
MAX_BITS = 1_000  # of an int
_DTYPES = {np.dtype(code).newbyteorder("<").str for code in "? b B h H i I l L q Q e f d F D".split()}


class WireError(ValueError):
    """What came over the wire is no value."""


class Opaque:
    """Stands for an object that is no data; its class has the name of the original's type."""


# Encoding ---------------------------------------------------------------------------------


def encode(value, strict: bool = False, recipe: Callable = lambda value: None) -> list[bytes]:
    """`value` as byte strings. What is no data becomes {"opaque": name of its type}.

    Args:
        strict: refuse what is no data.
        recipe: gives the recipe of an object that travels as one, of others None.

    Raises:
        WireError: if `strict` and something in it is no data.

    >>> decode(encode((1, [2.5, None], np.array([[True]]))))
    (1, [2.5, None], array([[ True]]))
    """
    packer = _Packer(strict, recipe)
    try:
        frames = [json.dumps(packer.pack(value, MAX_DEPTH)).encode(), *packer.buffers]
    except _TooLarge:
        frames = []
    if not frames or sum(map(len, frames)) > MAX_BYTES:
        if strict:
            raise WireError(f"more than {MAX_BYTES} bytes")
        return [json.dumps(_opaque(value, f" of more than {MAX_BYTES // 10**6} MB")).encode()]
    return frames


class _TooLarge(Exception):
    pass


class _Packer:
    def __init__(self, strict: bool, recipe: Callable):
        self.strict, self.recipe, self.buffers, self.room = strict, recipe, [], MAX_BYTES

    def pack(self, value, depth: int):
        self.room -= 8  # so that a list that holds itself many times comes to an end
        if self.room < 0:
            raise _TooLarge
        recipe = self.recipe(value)
        if recipe is not None:
            return {"recipe": recipe}
        if isinstance(value, str):
            return value[:MAX_TEXT]
        if isinstance(value, np.ndarray | np.generic | complex):
            return self._pack_array(value)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int) and value.bit_length() <= MAX_BITS:
            return int(value)
        if isinstance(value, float):
            return float(value)
        if isinstance(value, range):
            value = list(value[: self.room])
        if not depth:
            return self._refuse(value, " nested too deeply")
        if isinstance(value, list | tuple):
            kind = "list" if isinstance(value, list) else "tuple"
            return {kind: [self.pack(item, depth - 1) for item in value]}
        if type(value) is dict and all(isinstance(key, str) for key in value):
            return {"dict": [[key[:MAX_TEXT], self.pack(value[key], depth - 1)] for key in value]}
        return self._pack_array(value)

    def _pack_array(self, value):
        try:
            array = np.asarray(value)
            if array.dtype.char in "gG":  # long doubles differ from machine to machine
                array = array.astype("d" if array.dtype.char == "g" else "D")
            array = array.astype(array.dtype.newbyteorder("<"), copy=False)
            if array.dtype.str not in _DTYPES:
                raise TypeError
        except Exception:  # a student's object may do anything when asked to be an array
            return self._refuse(value, " of objects" if isinstance(value, np.ndarray) else "")
        self.room -= array.nbytes
        if self.room < 0:
            raise _TooLarge
        self.buffers.append(np.ascontiguousarray(array).tobytes())
        shape = list(array.shape)
        return {"array": [array.dtype.str, shape], "scalar": not (shape or isinstance(value, np.ndarray))}

    def _refuse(self, value, more: str):
        if self.strict:
            raise WireError(f"{type(value).__name__} is no data")
        return _opaque(value, more)


def _opaque(value, more: str = "") -> dict:
    return {"opaque": f"{type(value).__name__}"[:60] + more}


# Decoding ---------------------------------------------------------------------------------


def decode(frames: list[bytes], cook: Callable | None = None):
    """The value in `frames`.

    Args:
        cook: makes an object from its recipe. Never given outside the jail: a recipe is a program.

    Raises:
        WireError: on anything that `encode` does not write.
    """
    try:
        if sum(len(frame) for frame in frames) > MAX_BYTES + 1000:
            raise WireError("too long")
        buffers = iter(frames[1:])
        value = _unpack(json.loads(bytes(frames[0])), buffers, MAX_DEPTH, cook)
        if next(buffers, None) is not None:
            raise WireError("bytes left over")
        return value
    except WireError:
        raise
    except Exception as error:  # nothing that was sent may stop the marking
        raise WireError(f"{type(error).__name__}: {error}"[:200]) from None


def _unpack(item, buffers: Iterator[bytes], depth: int, cook: Callable | None = None):
    if depth < 0:
        raise WireError("nested too deeply")
    if item is None or isinstance(item, bool | float):
        return item
    if isinstance(item, int) and item.bit_length() <= MAX_BITS:
        return item
    if isinstance(item, str) and len(item) <= MAX_TEXT:
        return item.encode("utf-8", "replace").decode()  # lone surrogates cannot be written to a file
    if not isinstance(item, dict) or not item:
        raise WireError("an unknown kind")
    kind, content = next(iter(item.items()))
    if kind in ("list", "tuple") and isinstance(content, list):
        values = [_unpack(value, buffers, depth - 1, cook) for value in content]
        return values if kind == "list" else tuple(values)
    if kind == "dict" and isinstance(content, list):
        pairs = [(_unpack(key, buffers, 0), _unpack(v, buffers, depth - 1, cook)) for key, v in content]
        if not all(isinstance(key, str) for key, _ in pairs):
            raise WireError("keys are texts")
        return dict(pairs)
    if kind == "array":
        array = _unpack_array(*content, next(buffers))
        return array[()] if item.get("scalar") is True and not array.shape else array
    if kind == "recipe" and cook:
        return cook(content)
    if kind == "opaque" and isinstance(content, str):
        name = "".join(c for c in content[:80] if c.isascii() and (c.isalnum() or c in "_ "))
        return type(name or "object", (Opaque,), {})()
    raise WireError("an unknown kind")


def _unpack_array(dtype, shape, raw: bytes) -> np.ndarray:
    if not isinstance(dtype, str) or dtype not in _DTYPES:
        raise WireError("an array of an unknown type")
    if not isinstance(shape, list) or len(shape) > 32:
        raise WireError("no shape")
    if not all(type(n) is int and 0 <= n <= MAX_BYTES for n in shape):
        raise WireError("no shape")
    # also with a 0 among them, the others must be a size that someone could allocate
    if math.prod(max(n, 1) for n in shape) > MAX_BYTES:
        raise WireError("a shape too large")
    if len(raw) != math.prod(shape) * np.dtype(dtype).itemsize:
        raise WireError("shape and data disagree")
    return np.frombuffer(bytes(raw), dtype).reshape(shape).copy()
