"""What an answer takes from torch, pnnlib or another library that is not there where exercises are marked."""

from __future__ import annotations

import contextlib
import dis
import sys
from collections.abc import Callable, Iterator
from types import CodeType, ModuleType

# What holds ready answers, some of them in NumPy (onnx, keras).
_LIBRARIES = (
    "torch", "torchgen", "functorch", "keras", "tensorflow", "jax", "onnx", "onnx_ir", "onnxscript", "onnxruntime",
    "sklearn",
)  # fmt: skip
# Where pnnlib is the material, not what was learnt before, and not the answers to other exercises.
_NOT_MATERIAL = ("pnnlib.bridge", "pnnlib.exercises", "pnnlib.explore", "pnnlib.pretrained")


def absent(library: bool = False) -> tuple[str, ...]:
    """The modules that are not there where an exercise is judged; with `library`, one whose material is pnnlib.

    >>> "pnnlib" in absent(), "pnnlib" in absent(library=True)
    (True, False)
    """
    return (*_LIBRARIES, *(_NOT_MATERIAL if library else ("pnnlib",)))


def borrowed(function: Callable, library: bool = False) -> str:
    """The first thing in the code of `function`, or in what it calls of yours, that is `absent`; else "".

    >>> from pnnlib.conv import cross_correlate as slide
    >>> borrowed(lambda x, h: slide(x, h))
    '`slide` from pnnlib'
    >>> borrowed(lambda x, h: x + h)
    ''
    """
    missing = absent(library)
    home, name = sys.modules.get(getattr(function, "__module__", None)), getattr(function, "__name__", "")
    if _among(missing, _module_of(home)) and getattr(home, name, None) is function:
        return f"`{name}` from {_top(_module_of(home))}"
    waiting, seen = [function], set()
    while waiting:
        code, scope = _code_of(waiting.pop())
        if code is None or code in seen:
            continue
        seen.add(code)
        for name, imported in _names_in(code):
            value = scope.get(name)
            module = name if imported else _module_of(value)
            if _among(missing, module):
                return f"`{name}`" if name == _top(module) else f"`{name}` from {_top(module)}"
            if _top(module) != "pnnlib":
                waiting.append(value)
    return ""


def _code_of(value) -> tuple[CodeType | None, dict]:
    value = getattr(value, "__wrapped__", None) or getattr(value, "func", None) or value
    value = getattr(value, "__func__", value)
    code, scope = getattr(value, "__code__", None), dict(getattr(value, "__globals__", {}))
    for name, cell in zip(getattr(code, "co_freevars", ()), getattr(value, "__closure__", None) or (), strict=False):
        with contextlib.suppress(ValueError):  # a cell that is still empty
            scope[name] = cell.cell_contents
    return code, scope


def _names_in(code: CodeType) -> Iterator[tuple[str, bool]]:
    """Names from outside that the code reads, and names of modules that it imports, its inner functions included."""
    for instruction in dis.get_instructions(code):
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_DEREF"):
            yield instruction.argval, False
        elif instruction.opname == "IMPORT_NAME":
            yield instruction.argval, True
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names_in(constant)


def _module_of(value) -> str:
    """The name of a module, or of the module that a class or function belongs to."""
    home = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
    return home if isinstance(home, str) else ""


def _top(module: str) -> str:
    return module.partition(".")[0]


def _among(names: tuple[str, ...], module: str) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in names)
