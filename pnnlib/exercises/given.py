"""What a case stands in for: functions and random generators, which no two calls may share.

A case is data, drawn once and used for many calls. A function that one call
has tampered with, or a generator that one call has drawn from, must not reach
the next. So a case holds a `Function` or a `Seed`, and every call gets a
fresh one made from it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator, default_rng


@dataclass(frozen=True)
class Function:
    """Stands for a function of the name `name`; `source` is an expression or a `def`, and may use `np`.

    >>> tanh = Function("tanh", "lambda net: np.tanh(net)")
    >>> fresh(tanh)(0.0), fresh(tanh).__name__, tanh
    (np.float64(0.0), 'tanh', tanh)
    """

    name: str
    source: str

    @property
    def recipe(self) -> list:
        """How it travels to where a student's code runs."""
        return ["function", self.name, self.program]

    @property
    def program(self) -> str:
        """A text that defines it when it is run."""
        return self.source if self.source.lstrip().startswith("def ") else f"{self.name} = {self.source}"

    def make(self) -> Callable:
        names = {"np": np}
        exec(compile(self.program, f"<{self.name}>", "exec"), names)
        names[self.name].__name__ = names[self.name].__qualname__ = self.name
        return names[self.name]

    def is_still(self, value) -> bool:
        """Whether `value` can be what `make` gave. Its insides are the caller's own, nobody else has them."""
        return callable(value) and getattr(value, "__name__", "") == self.name

    def __repr__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Seed:
    """Stands for `np.random.default_rng(n)`; whoever draws from it changes nothing.

    >>> fresh(Seed(7)).integers(10) == fresh(Seed(7)).integers(10)
    np.True_
    """

    n: int

    @property
    def recipe(self) -> list:
        return ["seed", int(self.n)]

    def make(self) -> Generator:
        return default_rng(self.n)

    def is_still(self, value) -> bool:
        return isinstance(value, Generator)

    def __repr__(self) -> str:
        return f"np.random.default_rng({self.n})"


def fresh(value):
    """A copy of a case's arguments for one call, with real functions and generators in it.

    >>> fresh([Function("double", "lambda x: 2 * x"), 3])[0](4)
    8
    """
    if isinstance(value, (Function, Seed)):
        return value.make()
    if type(value) in (list, tuple):
        return type(value)(map(fresh, value))
    if type(value) is dict:
        return {key: fresh(item) for key, item in value.items()}
    return copy.deepcopy(value)


def recipe_of(value) -> list | None:
    """The recipe of what is made anew for every call; of anything else None.

    >>> recipe_of(Seed(7)), recipe_of(7)
    (['seed', 7], None)
    """
    return value.recipe if isinstance(value, (Function, Seed)) else None
