"""From what a student's function did to what the student is told, and what it earns.

`diagnose` is a pure function of the exercise, the cases and their outcomes. The
notebook's `check` and the judge that marks a class both call it, so a student
reads the same sentences in both places.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from .calling import Outcome, call
from .comparing import Difference, as_numbers, leaves
from .exercise import Case, Chaff, Exercise
from .features import ByFeatures
from .hints import option_hint, order_hint
from .showing import WIDTH, answer_lines, labelled, place_name, side_by_side


@dataclass(frozen=True)
class Verdict:
    """What is said about one answer.

    exercise    its name
    kind        "passed", "not implemented", "missing", "raised", "out of time", "died",
                "wrong type", "wrong shape", "changed arguments" or "wrong values"
    sentence    one line: what is wrong, or that it is right
    detail      the smallest failing case with both answers, over several lines
    points, max_points   earned, and what there was to earn
    agree, cases         how many cases agree with PyTorch, of how many
    chaff       name of the misconception that was recognised, or ""
    criteria    for each criterion whether all its cases are right
    """

    exercise: str
    kind: str
    sentence: str
    detail: str = ""
    points: float = 0.0
    max_points: float = 0.0
    agree: int = 0
    cases: int = 0
    chaff: str = ""
    criteria: dict[str, bool] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        return self.kind == "passed"

    def __str__(self) -> str:
        mark = "✓" if self.passed else "✗"
        head = textwrap.fill(f"{mark} {self.exercise}: {self.sentence}", WIDTH)
        return f"{head}\n\n{self.detail}" if self.detail else head

    def _ipython_display_(self) -> None:
        """`check` has printed it; as the last value of a cell it is not shown again."""


class Known:
    """What is known about cases whatever the answer: PyTorch's values, and what each chaff does.

    Each is found when it is first asked for, and kept. Who diagnoses many answers to the same
    cases makes one and passes it on.

    >>> from pnnlib.exercises import exercises_of
    >>> convolve = exercises_of("part_d")["convolve"]
    >>> known = Known(convolve, convolve.draw())
    >>> known.outcome(convolve.chaffs[0], 0) is known.outcome(convolve.chaffs[0], 0)
    True
    """

    def __init__(self, exercise: Exercise, cases: Sequence[Case]):
        self.exercise, self.cases = exercise, cases
        self._outcomes: dict[tuple[str, int], Outcome] = {}

    @cached_property
    def expected(self) -> list:
        """PyTorch's value for each case."""
        return [self.exercise.oracle(*case.args, **case.options) for case in self.cases]

    def outcome(self, chaff: Chaff, number: int) -> Outcome:
        """What the chaff does in the case of this number."""
        key = chaff.name, number
        if key not in self._outcomes:
            arguments = self.cases[number].arguments
            self._outcomes[key] = call(chaff.function, *arguments, seconds=10 * self.exercise.seconds)
        return self._outcomes[key]


@dataclass(frozen=True)
class _Failure:
    case: Case
    outcome: Outcome
    expected: object
    kind: str
    sentence: str
    difference: Difference | None = None

    @property
    def value_is_right(self) -> bool:
        return self.kind == "changed arguments" and self.difference is None


# The first of these that occurs is what helps the learner most.
_USEFULNESS = (
    "missing",
    "not implemented",
    "died",
    "out of time",
    "raised",
    "wrong type",
    "wrong shape",
    "changed arguments",
    "wrong values",
)


def diagnose(
    exercise: Exercise, cases: Sequence[Case], outcomes: Sequence[Outcome], known: Known | None = None
) -> Verdict:
    """Judge the outcomes of `cases`; they may be fewer where a call ended everything. What is
    `known` about these cases is found out if it is not given.

    >>> from pnnlib.exercises import exercises_of
    >>> convolve = exercises_of("part_d")["convolve"]
    >>> cases = convolve.draw()
    >>> diagnose(convolve, cases, [Outcome("not implemented")] * len(cases)).sentence
    'not written yet: replace the line `raise NotImplementedError` by your own code.'
    """
    known = known or Known(exercise, cases)
    expected = known.expected
    found = [_failure(exercise, *three) for three in zip(cases, outcomes, expected, strict=False)]
    if not any(found):
        found = _chance(exercise, cases, outcomes, expected)
    failures = [failure for failure in found if failure]
    agree = sum(failure is None or failure.value_is_right for failure in found)
    right = _criteria(exercise, cases, failures, len(outcomes))
    common = {
        "exercise": exercise.name,
        "max_points": exercise.points,
        "points": _points(exercise, right),
        "agree": agree,
        "cases": len(cases),
        "criteria": right,
    }
    if not failures:
        closely = exercise.comparison.praise([outcome.value for outcome in outcomes], expected)
        sentence = f"right. All {len(cases)} cases {exercise.comparison.agrees[1]}{closely}."
        return Verdict(kind="passed", sentence=sentence, **common)

    differs = [failure is not None and failure.difference is not None for failure in found]
    named = recognise(known, outcomes, differs)
    rank = {kind: i for i, kind in enumerate(_USEFULNESS)}
    kind = min((f.kind for f in failures), key=rank.get)
    if named:  # show values where there are any: that is where the misconception is seen
        kind = min((f.kind for f in failures if f.outcome.kind == "returned"), key=rank.get)
    shown = min((f for f in failures if f.kind == kind), key=lambda f: f.case.size)
    if kind in ("missing", "not implemented") and agree == 0:
        return Verdict(kind=kind, sentence=shown.sentence, **common)
    memory = None if named else _memory(exercise, cases, outcomes, expected, failures)
    if memory:
        shown, remembered = memory
        kind = shown.kind

    count = counted(exercise, agree, len(cases))
    if memory:
        explanation = remembered
    elif named:
        explanation = named.why
    else:
        explanation = _explain(exercise, shown, failures, cases, agree)
    return Verdict(
        kind=kind,
        sentence=f"not right yet. {explanation} {count}",
        detail=_show(exercise, shown),
        chaff=named.name if named else "",
        **common,
    )


def counted(exercise: Exercise, agree: int, cases: int) -> str:
    return f"{agree} of {cases} cases {exercise.comparison.agrees[agree != 1]}."


def _failure(exercise: Exercise, case: Case, outcome: Outcome, expected) -> _Failure | None:
    sentences = {
        "missing": f"there is no function `{exercise.name}`"
        + (f" ({outcome.error})." if outcome.error else "; has its cell run without an error?"),
        "not implemented": _not_written(exercise, outcome),
        "died": f"the kernel died during the call: {outcome.error}.",
        "out of time": f"it did not come to an end: {outcome.error}. "
        "Does a loop wait for something that never happens?",
        "raised": f"it stopped with {outcome.error}.",
    }
    if outcome.kind in sentences:
        return _Failure(case, outcome, expected, outcome.kind, sentences[outcome.kind])
    found = exercise.comparison.difference(outcome.value, expected, case)
    if found and found.kind != "wrong values":
        full_stop = "" if found.sentence.endswith("?") else "."
        sentence = f"{_which(exercise, found, expected)}{found.sentence}{full_stop}"
        return _Failure(case, outcome, expected, found.kind, sentence, found)
    if outcome.changed:
        names = " and ".join(f"`{name}`" for name in outcome.changed)
        sentence = f"it changed its argument {names}: work on a copy or make a new array."
        return _Failure(case, outcome, expected, "changed arguments", sentence, found)
    if found:
        return _Failure(case, outcome, expected, found.kind, "", found)
    return None


def _not_written(exercise: Exercise, outcome: Outcome) -> str:
    other = re.search(r"(\w+) is not written yet", outcome.error)
    if other and other[1] != exercise.name:
        return f"it calls `{other[1]}`, which is not written yet."
    return "not written yet: replace the line `raise NotImplementedError` by your own code."


def _which(exercise: Exercise, found: Difference, expected) -> str:
    return f"{place_name(found.place, expected, exercise.results)} is wrong: " if found.place else ""


def _criteria(exercise, cases, failures, seen: int) -> dict[str, bool]:
    wrong = {f.case.criterion for f in failures} | {case.criterion for case in cases[seen:]}
    return {criterion: criterion not in wrong for criterion in exercise.criteria}


def _points(exercise: Exercise, right: dict[str, bool]) -> float:
    """Whoever is wrong on the first criterion, the basic one, earns nothing."""
    if not right[next(iter(exercise.criteria))]:
        return 0.0
    return sum(points for name, points in exercise.criteria.items() if right[name])


def recognise(known: Known, outcomes: Sequence[Outcome], differs: Sequence[bool]) -> Chaff | None:
    """The one chaff that does exactly what the student's function did, on all cases so far.

    `differs` tells of each outcome whether its value is wrong.
    """
    values = [o for o in outcomes if o.kind == "returned"]
    if not values or any(o.kind not in ("returned", "raised") for o in outcomes):
        return None
    matching = [c for c in known.exercise.chaffs if _reproduces(known, c, outcomes, differs)]
    return matching[0] if len(matching) == 1 else None


def _reproduces(known: Known, chaff: Chaff, outcomes: Sequence[Outcome], differs: Sequence[bool]) -> bool:
    telling = False  # at least one value must be wrong, and wrong in the chaff's way
    for number, outcome in enumerate(outcomes):
        wrong = known.outcome(chaff, number)
        if wrong.kind == "raised" and outcome.kind == "returned":
            # a mask that does not fit stops one program and gives another an empty array
            if not differs[number]:
                return False
            continue
        if wrong.kind != outcome.kind:
            return False
        if outcome.kind == "returned":
            if not known.exercise.comparison.alike(outcome.value, wrong.value, known.cases[number]):
                return False
            telling = telling or differs[number]
    return telling


def _memory(exercise, cases, outcomes, expected, failures) -> tuple[_Failure, str] | None:
    """The failure that only something kept from earlier calls explains, and a sentence about it."""
    wrong = {id(f.outcome): f for f in failures if f.difference is not None}
    last = wrong.get(id(outcomes[-1]))
    again = cases[-1] is cases[0] and len(outcomes) == len(cases)  # the last case is the first once more
    if last and again and id(outcomes[0]) not in {id(f.outcome) for f in failures}:
        return last, (
            "The same call gave the right answer first and a wrong one later, so something is kept "
            "between calls: a global, or a default such as out=[]?"
        )
    for i, outcome in enumerate(outcomes):
        failure = wrong.get(id(outcome))
        if failure and failure.kind == "wrong values" and any(
            exercise.comparison.repeats(outcome.value, earlier) for earlier in expected[:i]
        ):
            return failure, (
                "This is the right answer to an earlier call: is something kept between calls, or are the "
                "numbers of an example written into the code?"
            )
    return None


def _chance(exercise, cases, outcomes, expected) -> list[_Failure | None]:
    """Whether all chance comes from the generator of the call: the last two calls are the first one once more,
    with another generator and with the same."""
    found: list[_Failure | None] = [None] * len(cases)
    if exercise.library or not isinstance(exercise.comparison, ByFeatures):
        return found
    (first, other, again), sentence = (outcomes[i].value for i in (0, -2, -1)), ""
    like = expected[0]
    if not _equal(first, again, like):
        sentence = "the same call with the same generator gave two different answers"
    elif _equal(first, other, like):
        sentence = "another generator gave the very same answer"
    if sentence:
        said = f"{sentence}: draw all chance from `rng`, not from np.random or from a generator of your own."
        found[0] = _Failure(cases[0], outcomes[0], like, "wrong values", said, Difference("wrong values", said))
    return found


def _equal(one, two, like) -> bool:
    pairs = zip(leaves(one, like), leaves(two, like), strict=True)
    return all(np.array_equal(as_numbers(a), as_numbers(b)) for (_, a, _), (_, b, _) in pairs)


def _explain(exercise, shown: _Failure, failures, cases, agree: int) -> str:
    failing = [f.case for f in failures]
    if agree and order_hint(cases, failing):
        return order_hint(cases, failing)
    if shown.kind == "wrong values":
        others = [f.difference for f in failures if f.kind == shown.kind and f is not shown]
        values = exercise.comparison.explain(shown.difference, others)
        explanation = f"{_which(exercise, shown.difference, shown.expected)}{values[:1].lower()}{values[1:]}"
    else:
        explanation = shown.sentence
    pattern = option_hint(cases, failing) if agree else ""
    return " ".join(filter(None, [explanation[:1].upper() + explanation[1:], pattern]))


def _show(exercise: Exercise, failure: _Failure) -> str:
    case = failure.case
    options = "".join(f", {f'{name}=' if case.by_name else ''}{value!r}" for name, value in case.options.items())
    names = exercise.parameters[: len(case.args)]
    lines = [f"The smallest case that goes wrong: {exercise.name}({', '.join(names)}{options}) with"]
    for name, value in zip(names, case.args, strict=True):
        lines += labelled(name, value)
    value, found = failure.outcome.value, failure.difference
    if found is not None and found.got is not None:
        lines += ["", *side_by_side(found.got, found.expected)]
    elif found is not None and found.kind == "wrong values":
        lines += ["", *exercise.comparison.table(value, failure.expected, case)]
    elif failure.outcome.kind == "returned" and failure.kind != "changed arguments":
        lines += ["", "PyTorch's answer", *answer_lines(failure.expected)]
    return "\n".join(lines)
