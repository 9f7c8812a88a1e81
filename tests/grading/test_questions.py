"""Questions: choices and numbers, what each answer earns, and what is said without giving the right one away."""

import math

import numpy as np
import pytest

from grading.questions import NumberQuestion, Question, questions_of
from pnnlib.exercises.calling import Outcome
from pnnlib.exercises.check import PARTS

QUESTION = NumberQuestion(
    "question-3",
    right=(0.62246, -0.1034, 12),
    names=("y2", "the change of w1", "the cost"),
    why="First y2, then the rest.",
    wrong={(0.62246, 0.1034, 12): "The sign of the change: downhill is minus.", (1, 2, 3): "You counted."},
    points=1.5,
)


def verdict_on(answer, question=QUESTION):
    return question.diagnose(Outcome("returned", answer))


@pytest.mark.parametrize("answer", [
    [0.62246, -0.1034, 12], (0.622, -0.103, 12), [0.623, -0.104, 12.0], np.array([0.6225, -0.1034, 12]), [np.float32(0.6225), -0.1034, np.int64(12)],
])  # fmt: skip
def test_right_answers(answer):
    verdict = verdict_on(answer)
    assert verdict.passed and verdict.points == 1.5 and verdict.sentence == "right. First y2, then the rest."
    assert (verdict.agree, verdict.cases) == (3, 3)


@pytest.mark.parametrize("answer, points, sentence", [
    ([0.622, -0.103, 13], 1.0, "2 of 3 numbers are right. Not right: the cost."),
    ([0.6, 5, 12], 0.5, "1 of 3 numbers are right. Not right: y2, the change of w1."),
    ([None, -0.103, 12], 1.0, "2 of 3 numbers are right. Not right: y2 is missing."),
    ([7, 7, 7], 0, "none of the numbers is right."),
    ([0.62, 0.103, 12], 0.5, "1 of 3 numbers are right. Not right: y2, the change of w1."),
    ([0.622, 0.103, 12], 1.0, "2 of 3 numbers are right. Not right: the change of w1. The sign of the change: downhill is minus."),
    ([1, 2, 3], 0, "none of the numbers is right. You counted."),
])  # fmt: skip
def test_parts_and_misconceptions(answer, points, sentence):
    verdict = verdict_on(answer)
    assert verdict.kind == "wrong values" and verdict.points == pytest.approx(points) and verdict.sentence == sentence


@pytest.mark.parametrize("answer, said", [
    ([0.622, -0.103, math.nan], "answer_3 holds an infinity or what is not a number"), ([math.inf] * 3, "infinity"),
    ("0.622", "answer_3 is a text"), (["0.622", "-0.103", "12"], "a text"), ([0.622, -0.103], "holds 2 numbers, expected 3"),
    ([0.622, -0.103, 12, 1], "holds 4 numbers, expected 3"), ([1] * 100_000, "more than 12 numbers"), (0.622, "holds 1 number, expected 3"),
    ([0, 622, 0, 103, 12, 0], "decimals with a point"), (QUESTION, "is a NumberQuestion"), ([None] * 3, "no answer yet"),
])  # fmt: skip
def test_no_answers(answer, said):
    verdict = verdict_on(answer)
    assert verdict.kind == "wrong type" and verdict.points == 0 and said in verdict.sentence
    assert "0.62246" not in verdict.sentence and "0.1034" not in verdict.sentence


@pytest.mark.parametrize("outcome", [Outcome("missing"), Outcome("returned", None), Outcome("died"), Outcome("raised")])
def test_not_answered(outcome):
    assert QUESTION.diagnose(outcome).sentence == "not answered." and QUESTION.diagnose(outcome).points == 0


def test_one_number():
    question = NumberQuestion("question-1", [0.25], "A quarter.", wrong={(0.5,): "Twice."})
    assert verdict_on(0.25, question).passed and verdict_on([0.2499], question).passed
    assert verdict_on(0.3, question).sentence == "0.3 is not right."
    assert verdict_on(0.5, question).sentence == "0.5 is not right. Twice."


@pytest.mark.parametrize("right, good, bad", [
    (0.9996, (1.0, 0.9996, 0.999), (1.01, 0.99)), (1234.5, (1230, 1240, 1235), (1200, 1250)), (-2 / 3, (-0.667, -0.666, -0.66667), (0.667, -0.67)),
    (0, (0, 0.0005), (0.01,)), (1e-9, (1e-9, 1.004e-9), (0, 1.1e-9)),
])  # fmt: skip
def test_three_significant_digits(right, good, bad):
    question = NumberQuestion("question-1", [right], "")
    assert all(question.agrees(number, right) for number in good)
    assert not any(question.agrees(number, right) for number in bad)


def test_a_tolerance_of_its_own():
    question = NumberQuestion("question-1", [100], "", tolerance=0.5)
    assert verdict_on(100.4, question).passed and not verdict_on(101, question).passed


# Every question that there is ---------------------------------------------------------------


ALL = [(part, q) for part in PARTS for q in questions_of(part).values()]


@pytest.mark.parametrize("part, question", ALL, ids=[f"{part}-{q.name}" for part, q in ALL])
def test_every_question_can_be_answered(part, question):
    if isinstance(question, Question):
        assert question.right in question.why and list(question.why) == list("abcdefgh"[: len(question.why)])
        assert len(set(question.why.values())) == len(question.why) > 2
        assert verdict_on(question.right, question).passed
    else:
        assert verdict_on(list(question.right), question).passed
        assert verdict_on([float(f"{n:.3g}") for n in question.right], question).passed, "rounded to three digits"
        assert not question.names or len(question.names) == len(question.right)
        for answer, sentence in question.wrong.items():
            verdict = verdict_on(list(answer), question)
            assert not verdict.passed and verdict.sentence.endswith(sentence), "a named answer must be wrong, and told by itself"


def test_the_numbers_of_the_questions_have_no_gap():
    for part in PARTS:
        assert list(questions_of(part)) == [f"question-{i + 1}" for i in range(len(questions_of(part)))]


def test_a_part_without_questions_has_none():
    assert questions_of("part_z") == {} and questions_of("no/part") == {} and questions_of("choice") == {}
