"""Typed-in answers: what counts as one, and what is said about everything else."""

import math

import numpy as np
import pytest

from pnnlib.exercises import check_question
from pnnlib.exercises.answers import choice_in, numbers_in


@pytest.mark.parametrize("answer, count, numbers", [
    ([0.62, 0.1], 2, [0.62, 0.1]), ((1, 2), 2, [1, 2]), (np.array([1, 2]), 2, [1, 2]), (np.array([[1.0], [2]]), 2, [1, 2]),
    (3, 1, [3]), (3.5, 1, [3.5]), ([3.5], 1, [3.5]), (np.float32(0.5), 1, [0.5]), (np.int8(3), 1, [3]), (np.array(2.0), 1, [2]),
    ([np.float64(1), np.array(2)], 2, [1, 2]), ([0.62, None], 2, [0.62, None]), (True, 1, [1]), (range(2), 2, None),
])  # fmt: skip
def test_numbers(answer, count, numbers):
    if numbers is None:
        with pytest.raises(ValueError, match="expected 2 numbers"):
            numbers_in(answer, count)
    else:
        assert numbers_in(answer, count) == numbers


HOLDS_ITSELF = []
HOLDS_ITSELF.append(HOLDS_ITSELF)


@pytest.mark.parametrize("answer, count, said", [
    (None, 2, "no answer yet. It is 2 numbers, for instance ANSWER = [0.25, -3]"),
    (None, 1, "no answer yet. It is a number, for instance ANSWER = 0.25"),
    ([None, None], 2, "no answer yet"), ([], 2, "no answer yet"),
    ("0.62", 1, "is a text: write a number, for instance ANSWER = 0.25, without quotes."),
    (["0.62", 1], 2, "is a text"), ("a" * 10**6, 1, "is a text"),
    ([1, 2, 3], 2, "holds 3 numbers, expected 2 numbers"), (1.0, 2, "holds 1 number, expected 2 numbers"),
    ((0, 62), 1, "holds 2 numbers, expected a number, for instance ANSWER = 0.25. Python writes decimals with a point: 0.5, not 0,5."),
    ([0, 62, 0, 1], 2, "Python writes decimals with a point"), (np.zeros(10**6), 2, "holds more than 8 numbers"),
    ([1.0] * 10**6, 2, "holds more than 8 numbers"),
    ([1, math.nan], 2, "infinity or what is not a number"), ([1, -math.inf], 2, "infinity"), (10**400, 1, "infinity"),
    (1j, 1, "is a complex, expected a number"), (np.complex64(1), 1, "expected a number"), ({1: 2}, 1, "is a dict, expected a number"),
    (len, 1, "is a builtin_function_or_method, expected"), (object(), 2, "is an object"),
    (np.array([object()]), 1, "expected a number"), (np.array(["1"]), 1, "is a text"), (HOLDS_ITSELF, 1, ""),
])  # fmt: skip
def test_no_numbers(answer, count, said):
    with pytest.raises(ValueError) as caught:
        numbers_in(answer, count)
    assert said in str(caught.value) and len(str(caught.value)) < 250


@pytest.mark.parametrize("answer", ["b", "B", " (b) ", "b."])
def test_a_letter(answer):
    assert choice_in(answer, "abcd") == "b"


@pytest.mark.parametrize("answer, said", [
    (None, 'no answer yet. Write for instance ANSWER = "a"'), ("e", "ANSWER is 'e', but the choices are"),
    ("ab", "but the choices"), (3, "ANSWER is the number 3"), (["a"], "a list of 1"), ("", "the choices are"),
])  # fmt: skip
def test_no_letter(answer, said):
    with pytest.raises(ValueError) as caught:
        choice_in(answer, "abcd")
    assert said in str(caught.value)


@pytest.mark.parametrize("answer, said", [
    ("", "✗ question 7: no answer yet. It is 2 numbers, for instance answer_7 = [0.25, -3]"),
    ("answer_7 = None", "no answer yet"), ("answer_7 = 3", "✗ question 7: answer_7 holds 1 number, expected 2 numbers"),
    ("answer_7 = 'c'", "✗ question 7: answer_7 is a text"), ("answer_7 = [1, float('nan')]", "✗ question 7: answer_7 holds"),
    ("answer_7 = [1, 2.5]", "• question 7: your answer [1, 2.5] is recorded."),
    ("answer_7 = 1, None", "• question 7: your answer [1, None] is recorded."),
])  # fmt: skip
def test_check_question_tells_only_whether_there_is_an_answer(capsys, monkeypatch, answer, said):
    monkeypatch.setenv("NO_COLOR", "1")
    exec(f"{answer}\ncheck_question(7, numbers=2)", {"check_question": check_question})
    text = capsys.readouterr().out
    assert said in text and "✓" not in text and "ANSWER" not in text
