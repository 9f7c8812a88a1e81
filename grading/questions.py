"""The multiple-choice questions: the right letters, and what is said about each choice.

They stand here and not in the masters, so that nothing a student receives was
ever near them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pnnlib.exercises.calling import Outcome
from pnnlib.exercises.check import normal_choice
from pnnlib.exercises.diagnosis import Verdict

from .handin import answer_name


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
        choice = normal_choice(outcome.value)
        if choice not in self.why:
            choices = ", ".join(f'"{c}"' for c in self.why)
            return Verdict(
                kind="wrong type", sentence=f"the answer is none of the choices {choices}.", **common
            )
        if choice != self.right:
            sentence = f'"{choice}" is not right. {self.why[choice]}'
            return Verdict(kind="wrong values", sentence=sentence, chaff=choice, **common)
        sentence = f"right. {self.why[choice]}"
        return Verdict(kind="passed", sentence=sentence, points=self.points, agree=1, **common)


def questions_of(part: str) -> dict[str, Question]:
    """The questions of a part, by name."""
    return {question.name: question for question in _QUESTIONS.get(part, ())}


_QUESTIONS: dict[str, tuple[Question, ...]] = {
    "part_d": (
        Question(
            "question-1",
            right="c",
            why={
                "a": "The weights belong to the mask, not to the places: more places mean more sums with the "
                "same nine weights, not more weights.",
                "b": "Tolerance to location means the same number at another place in the map, not a map that "
                "never changes; and on a larger image the mask fits at more places, so the map grows from "
                "8×8 to 98×98.",
                "c": "All places share the nine weights, so the same window gives the same sum wherever it "
                "lies; only the map gets larger.",
                "d": "That would be so if each place had weights of its own; with shared weights, what was "
                "learnt at one place holds at all.",
            },
        ),
        Question(
            "question-2",
            right="c",
            why={
                "a": "The dilation is ignored: with dilation 2 the mask spans 2·(3−1)+1 = 5 pixels, so the maps "
                "are 24×24 and the region is 5×5.",
                "b": "The 1×1 masks do not choose 16 of the channels: each of the 16 maps is a weighted sum of "
                "all 64, so the output depends on all 64.",
                "c": "The 3×3 mask spans 5 pixels, and 28 − 5 + 1 = 24; the 1×1 layer mixes all 64 channels "
                "without widening the region; and dilation adds no weights: 32·16·9 = 4608.",
                "d": "Dilation spreads the nine weights out and adds none: the gaps hold no weights, so there "
                "are 32·16·9 = 4608, not 32·16·25.",
            },
        ),
    ),
}
