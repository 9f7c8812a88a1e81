"""A question with choices: one letter is right, and every letter has its sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pnnlib.exercises.answers import choice_in
from pnnlib.exercises.calling import Outcome
from pnnlib.exercises.diagnosis import Verdict

from ..handin import answer_name


@dataclass(frozen=True)
class Question:
    """One question: `why` has a sentence for every choice, the right one included."""

    name: str
    right: str
    why: Mapping[str, str]
    points: float = 1.0

    @property
    def variable(self) -> str:
        """The name to which a student assigns the answer: answer_1 for question-1."""
        return answer_name(self.name)

    def diagnose(self, outcome: Outcome) -> Verdict:
        """The verdict on the value of `variable`."""
        common = {"exercise": self.name, "max_points": self.points, "cases": 1}
        if outcome.kind != "returned" or outcome.value is None:
            return Verdict(kind="missing", sentence="not answered.", **common)
        try:
            choice = choice_in(outcome.value, self.why)
        except ValueError:
            choices = ", ".join(f'"{c}"' for c in self.why)
            return Verdict(
                kind="wrong type", sentence=f"the answer is none of the choices {choices}.", **common
            )
        if choice != self.right:
            sentence = f'"{choice}" is not right. {self.why[choice]}'
            return Verdict(kind="wrong values", sentence=sentence, chaff=choice, **common)
        sentence = f"right. {self.why[choice]}"
        return Verdict(kind="passed", sentence=sentence, points=self.points, agree=1, **common)
