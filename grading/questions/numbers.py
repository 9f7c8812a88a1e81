"""A question whose answer is a number or a few: a calculation by hand, its results typed in."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pnnlib.exercises.answers import numbers_in, shown_numbers
from pnnlib.exercises.calling import Outcome
from pnnlib.exercises.diagnosis import Verdict

from ..handin import answer_name


@dataclass(frozen=True)
class NumberQuestion:
    """One question: each right number earns its share of the points.

    Attributes:
        right: the numbers, in the order asked for.
        why: what is said with the full answer.
        names: what each number is called in the sentences, for instance "y2" or "the change of w1".
        wrong: whole answers that show a misconception, with the sentence that explains it.
        tolerance: how far off each number may be; by default one unit of its third significant
            digit, so an answer rounded or cut to three digits is right.
    """

    name: str
    right: Sequence[float]
    why: str
    names: Sequence[str] = ()
    wrong: Mapping[tuple[float, ...], str] = field(default_factory=dict)
    tolerance: float | None = None
    points: float = 1.0

    @property
    def variable(self) -> str:
        """The name to which a student assigns the answer: answer_1 for question-1."""
        return answer_name(self.name)

    def diagnose(self, outcome: Outcome) -> Verdict:
        """The verdict on the value of `variable`."""
        count = len(self.right)
        common = {"exercise": self.name, "max_points": self.points, "cases": count}
        if outcome.kind != "returned" or outcome.value is None:
            return Verdict(kind="missing", sentence="not answered.", **common)
        try:
            numbers = numbers_in(outcome.value, count)
        except ValueError as error:
            sentence = str(error).replace("ANSWER", self.variable)
            return Verdict(kind="wrong type", sentence=sentence, **common)
        good = [self.agrees(number, right) for number, right in zip(numbers, self.right, strict=True)]
        common |= {"agree": sum(good), "points": round(self.points * sum(good) / count, 4)}
        if all(good):
            return Verdict(kind="passed", sentence=f"right. {self.why}", **common)
        named = next((answer for answer in self.wrong if all(map(self.agrees, numbers, answer))), None)
        sentence = f"{self._which(numbers, good)} {self.wrong.get(named, '')}".strip()
        chaff = shown_numbers(list(named)) if named else ""
        return Verdict(kind="wrong values", sentence=sentence, chaff=chaff, **common)

    def agrees(self, number: float | None, right: float) -> bool:
        """Whether a number that was typed in is this one.

        >>> question = NumberQuestion("question-1", [2 / 3], "")
        >>> [question.agrees(number, 2 / 3) for number in (0.667, 0.666, 0.67, None)]
        [True, True, False, False]
        """
        if number is None:
            return False
        tolerance = self.tolerance
        if tolerance is None:
            tolerance = 10.0 ** (math.floor(math.log10(abs(right))) - 2) if right else 1e-3
        return abs(number - right) <= tolerance * (1 + 1e-6)

    def _which(self, numbers: list[float | None], good: list[bool]) -> str:
        """Which numbers are wrong, without what they should be."""
        if len(numbers) == 1:
            return f"{numbers[0]:.6g} is not right."
        wrong = [self._name(i) + (" is missing" if numbers[i] is None else "") for i, ok in enumerate(good) if not ok]
        if not any(good):
            return "none of the numbers is right."
        return f"{sum(good)} of {len(good)} numbers are right. Not right: {', '.join(wrong)}."

    def _name(self, i: int) -> str:
        return self.names[i] if self.names else f"number {i + 1}"
