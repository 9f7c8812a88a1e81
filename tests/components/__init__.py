"""The table of the library's components. Whoever adds a function adds its row, or `test_components.py` fails.

A row, `Component`, names a function and its backward, and with what they are
heard: the lecture's sum in nested loops, PyTorch's counterpart, a grid of
cases, a strategy that draws any case, and arguments that must be refused. From
the rows `test_components.py` makes every test that holds for all of them, and
`python tests/components` prints the list.

Each module here has the name of the module of pnnlib whose components it holds,
in a tuple `COMPONENTS`. A public function that is no component (it has no
counterpart in PyTorch, or its result is a matter of chance) stands in its
module's `ELSEWHERE`, with the test that holds it.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Case:
    """One call: the arrays that have a gradient, in their places (None where one is left out), then options by name.

    smooth   whether the function has a derivative here. Where windows tie or a
             net input is on the corner there is none: then PyTorch alone says
             what the gradient is
    """

    arrays: tuple
    options: dict = field(default_factory=dict)
    smooth: bool = True


@dataclass(frozen=True)
class Wrong:
    """Arguments that must be refused, and the beginning of the sentence that says why."""

    arguments: tuple
    sentence: str
    options: dict = field(default_factory=dict)
    error: type = ValueError


@dataclass(frozen=True)
class Component:
    """A function with its backward, and its witnesses.

    loops     the lecture's sum, one number at a time, called as the forward
    torch     PyTorch's counterpart, called with tensors as the forward with arrays
    cases     rng → the grid: sizes that differ and do not divide, every option, N = 1, C = 1
    draw      a hypothesis strategy of any case
    wrong     what must be refused; the backward's are in `wrong_backward`
    forward   how the function is called with a case, if not as it is
    gradients how the backward is called, if not as it is: (dy, *arrays, **options) → a gradient for each array;
              alone, without `backward`, where value and gradient come together
    no_backward   why there is no gradient
    """

    function: Callable
    loops: Callable
    torch: Callable
    cases: Callable[[np.random.Generator], Iterable[Case]]
    draw: Callable
    wrong: tuple[Wrong, ...]
    backward: Callable | None = None
    wrong_backward: tuple[Wrong, ...] = ()
    forward: Callable | None = None
    gradients: Callable | None = None
    no_backward: str = ""

    def __post_init__(self):
        # the defaults stand for "as it is"
        object.__setattr__(self, "forward", self.forward or self.function)
        object.__setattr__(self, "gradients", self.gradients or self.backward)
        assert (self.gradients is None) == bool(self.no_backward), f"{self.name}: a backward, or why there is none"
        assert self.wrong and (self.backward is None or self.wrong_backward), f"{self.name}: what must be refused?"

    @property
    def name(self) -> str:
        return f"{self.function.__module__.rpartition('.')[2]}.{self.function.__name__}"


def modules():
    """The modules of this package, one for each module of pnnlib that holds components."""
    return [importlib.import_module(f"{__name__}.{m.name}") for m in pkgutil.iter_modules(__path__) if m.name[0] != "_"]


def components() -> list[Component]:
    return [component for module in modules() for component in module.COMPONENTS]


def public_functions(module_name: str) -> dict[str, Callable]:
    """The public functions that a module of pnnlib defines itself."""
    module = importlib.import_module(f"pnnlib.{module_name}")
    return {
        name: value
        for name, value in vars(module).items()
        if callable(value) and not isinstance(value, type) and name[0] != "_" and value.__module__ == module.__name__
    }
