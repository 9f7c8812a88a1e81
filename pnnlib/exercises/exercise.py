"""What an exercise is: cases drawn from a seed, an oracle, and the wrong answers people give.

A part of the lecture declares its exercises like this:

    @exercise({"basic": 1.5, "edge cases": 0.5})     # criteria and their points
    def cross_correlate(x, h):                       # name and signature: the student's
        "The feature map of x under the mask h."     # what the function returns
        return <the answer, by PyTorch>              # the oracle

    @cross_correlate.cases
    def _(rng):
        yield Case((x, h), criterion="basic")

    @cross_correlate.chaff("You rotated the mask: …")
    def rotated(x, h):
        return <the wrong answer>

Arguments that are functions or random generators stand in a case as `given`
has them. Where chance is in the answer, `@cross_correlate.features` says what
is compared instead of its values: see `features`.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import default_rng  # a student may patch np.random

from .calling import same
from .case import Case
from .comparing import ByValues
from .features import ByFeatures
from .given import Seed, fresh

PUBLIC_SEED = "public"
SECONDS = 5.0  # for one call


@dataclass(frozen=True)
class Chaff:
    """A wrong answer that people give, and the sentence that explains the misconception."""

    name: str
    why: str
    function: Callable


def _prepared(oracle: Callable) -> Callable:
    """The oracle, with fresh arguments and on one thread: sums of a few numbers are not worth waking
    other threads for, it takes many times longer."""

    @functools.wraps(oracle)
    def run(*args, **options):
        import torch

        before = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            return oracle(*fresh(args), **fresh(options))
        finally:
            torch.set_num_threads(before)

    return run


class Exercise:
    """An exercise: see the top of this file for how one is declared.

    Attributes:
        name: also the name of the student's function.
        part: "part_d", from the module that declares it.
        parameters: names of the arguments.
        points: what it is worth; `criteria` says which cases decide which share.
        comparison: of a student's value with the oracle's, by values or by features.
        results: names of the results, where there are several.
        seconds: how long one call may take, in `check`; when marked, at least as long.
        library: whether pnnlib is the material. The answer is then judged where pnnlib can be
            imported. Each call trains a network and takes seconds, so none is repeated.
        chaffs: the wrong answers that are recognised.
    """

    def __init__(
        self,
        oracle: Callable,
        criteria: Mapping[str, float],
        tolerance: float,
        results: tuple[str, ...] = (),
        seconds: float = SECONDS,
        library: bool = False,
    ):
        self.name = oracle.__name__
        self.part = oracle.__module__.rpartition(".")[2]
        self.returns = " ".join(inspect.getdoc(oracle).split())
        self.parameters = tuple(inspect.signature(oracle).parameters)
        self.signature = f"{self.name}{inspect.signature(oracle)}"
        self.oracle = _prepared(oracle)
        self.criteria = dict(criteria)
        self.points = sum(criteria.values())
        self.comparison: ByValues | ByFeatures = ByValues(tolerance)
        self.results = results
        self.seconds, self.library = seconds, library
        self.chaffs: list[Chaff] = []
        self._cases: Callable[[np.random.Generator], Iterator[Case]] | None = None

    def cases(self, draw: Callable[[np.random.Generator], Iterator[Case]]) -> Callable:
        """Declare the cases: `draw(rng)` yields them."""
        self._cases = draw
        return draw

    def features(self, describe: Callable) -> Callable:
        """Declare what right answers have in common where chance is in them: see `features`."""
        self.comparison = ByFeatures(describe)
        return describe

    def chaff(self, why: str) -> Callable[[Callable], Callable]:
        """Declare a wrong answer together with the sentence that explains it."""

        def declare(function: Callable) -> Callable:
            self.chaffs.append(Chaff(function.__name__, why, function))
            return function

        return declare

    def draw(self, seed: str = PUBLIC_SEED) -> list[Case]:
        """The cases of one seed. A right answer does not depend on what was called before, so at the
        end come one of them with other numbers of the same shape, and the first once more
        (not where each call trains a network).

        >>> from pnnlib.exercises import exercises_of
        >>> convolve = exercises_of("part_d")["convolve"]
        >>> len(convolve.draw("my seed")) == len(convolve.draw("another"))
        True
        """
        # what a student sees of the cases, seeds of generators among them, comes from a hash and not from the secret
        digest = hashlib.sha256(f"{seed}/{self.name}".encode()).digest()
        rng = default_rng(list(digest))
        cases, others = list(self._cases(rng)), list(self._cases(rng))
        twin = next((b for a, b in zip(cases, others, strict=True) if not same(a.args, b.args)), None)
        if twin is None:
            raise ValueError(f"{self.name}: no case is drawn from rng, so all could be learnt by heart")
        unknown = {case.criterion for case in cases} ^ set(self.criteria)
        if unknown:
            raise ValueError(f"{self.name}: criteria and cases disagree about {sorted(unknown)}")
        if self.library:
            return cases
        if isinstance(self.comparison, ByFeatures):  # the first case once more, but for its generators
            twin = replace(cases[0], args=_reseeded(cases[0].args))
        return [*cases, twin, cases[0]]

    def __repr__(self) -> str:
        return f"<exercise {self.signature}, {self.points:g} points>"


def _reseeded(args: tuple) -> tuple:
    return tuple(Seed(value.n + 1) if isinstance(value, Seed) else value for value in args)


def exercise(
    criteria: Mapping[str, float],
    tolerance: float = 1e-6,
    results: tuple[str, ...] = (),
    seconds: float = SECONDS,
    library: bool = False,
) -> Callable:
    """Make an oracle function an `Exercise`. `criteria` maps each criterion to its points,
    `results` names what it returns where that is more than one thing; for `seconds` and
    `library` see `Exercise`.

    The tolerance lets a float32 answer pass; every wrong answer is off by far more.
    """

    def declare(oracle: Callable) -> Exercise:
        return Exercise(oracle, criteria, tolerance, results, seconds, library)

    return declare
