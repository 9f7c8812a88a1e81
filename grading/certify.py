"""Certify the exercises of a part: every right answer passes, every wrong one fails and is named.

The matrix has a row for each exercise and two blocks of columns, for the public
cases and for those of secret seeds. A cell says how many of how many.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pnnlib.exercises import exercises_of
from pnnlib.exercises.calling import call
from pnnlib.exercises.diagnosis import Known, Verdict, diagnose
from pnnlib.exercises.exercise import PUBLIC_SEED, Exercise

from .chance import faults_of_chance
from .wheats import wheats_of

SECRET_SEEDS = tuple(f"certify {i}" for i in range(20))
LIBRARY_SEEDS = SECRET_SEEDS[:3]  # where each call trains a network


@dataclass(frozen=True)
class Row:
    """How one exercise stands on some seeds; the counts are over answers times seeds.

    faults   a sentence for everything that is wrong; empty when certified
    """

    exercise: str
    seeds: int
    wheats: int
    accepted: int
    chaffs: int
    killed: int
    named: int
    faults: tuple[str, ...]


def certify(part: str) -> list[tuple[Row, Row]]:
    """For each exercise of the part its row on the public cases and on the secret ones."""
    wheats = wheats_of(part)
    return [
        tuple(_row(e, wheats.get(e.name, []), seeds) for seeds in ((PUBLIC_SEED,), secret_seeds(e)))
        for e in exercises_of(part).values()
    ]


def secret_seeds(exercise: Exercise) -> tuple[str, ...]:
    """The seeds of the secret cases on which an exercise is certified."""
    return LIBRARY_SEEDS if exercise.library else SECRET_SEEDS


def _row(exercise: Exercise, wheats: list[Callable], seeds: tuple[str, ...]) -> Row:
    accepted = killed = named = 0
    faults = [] if len(wheats) >= 2 else [f"{exercise.name}: fewer than two wheats"]
    if PUBLIC_SEED in seeds:
        faults += faults_of_chance(exercise, exercise.draw())
    for seed in seeds:
        known = Known(exercise, exercise.draw(seed))
        for function in wheats:
            verdict = judge(function, known)
            accepted += verdict.points == exercise.points and verdict.passed
            if not verdict.passed:
                faults.append(f"{exercise.name}: wheat {function.__name__}, {seed}: {verdict.sentence}")
        for chaff in exercise.chaffs:
            verdict = judge(chaff.function, known)
            killed += verdict.points < exercise.points and not verdict.passed
            named += verdict.chaff == chaff.name
            if verdict.passed:
                faults.append(f"{exercise.name}: chaff {chaff.name} passes, {seed}")
            elif verdict.chaff != chaff.name:
                taken = verdict.chaff or "not named"
                faults.append(f"{exercise.name}: chaff {chaff.name} is taken for {taken}, {seed}")
    return Row(
        exercise.name,
        len(seeds),
        len(wheats) * len(seeds),
        accepted,
        len(exercise.chaffs) * len(seeds),
        killed,
        named,
        tuple(faults),
    )


def judge(function: Callable, known: Known) -> Verdict:
    """The verdict on a function of our own, called in this process on the cases of `known`.

    A chaff is called for itself, also where it is known what it does: one that does not do the same
    twice is not recognised.
    """
    exercise, cases = known.exercise, known.cases
    # a busy machine may be slow: time is nothing that is certified
    outcomes = [call(function, *c.arguments, exercise.parameters, 10 * exercise.seconds) for c in cases]
    return diagnose(exercise, cases, outcomes, known)
