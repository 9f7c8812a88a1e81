"""What a check accepts as the right answer, and what it does not."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pnnlib.exercises.comparing import describe, difference
from pnnlib.exercises.showing import place_name

EXPECTED = np.array([[1.0, 0.0], [0.5, -2.0]])


@pytest.mark.parametrize("value", [
    EXPECTED, EXPECTED.tolist(), tuple(map(tuple, EXPECTED.tolist())), [EXPECTED[0], [0.5, -2]],
    EXPECTED.astype("float32"), np.asfortranarray(EXPECTED), EXPECTED + 1e-9,
    EXPECTED[::-1][::-1],
])  # fmt: skip
def test_accepted(value):
    assert difference(value, EXPECTED, 1e-6) is None


@pytest.mark.parametrize("value, expected", [
    (3, 3), (3.0, 3), (np.int8(3), 3), (np.float32(3), 3), (np.array(3), 3), (True, 1), (1, True), (np.bool_(False), 0),
    ([True, False], np.array([1.0, 0.0])), (np.array([1, 0], "uint8"), np.array([1.0, 0.0])),
])  # fmt: skip
def test_numbers_are_numbers(value, expected):
    assert difference(value, expected, 1e-6) is None


class Hostile:
    __array_priority__ = 1e9

    def __array__(self, *_, **__):
        raise RuntimeError("no")

    def __eq__(self, other):
        return True


@pytest.mark.parametrize("value, kind, said", [
    (None, "wrong type", "returned None: is the `return` line missing?"),
    ("1.0", "wrong type", "a str"), (b"1", "wrong type", "a bytes"), ({}, "wrong type", "a dict"), ({1.0}, "wrong type", "a set"),
    ([[1.0, 0.0], [0.5]], "wrong type", "a list of 2 that is no array of numbers: are its rows equally long?"),
    (EXPECTED + 0j, "wrong type", "an array of shape (2, 2) that holds complex numbers, expected real numbers"),
    (EXPECTED.astype(object), "wrong type", "holds Python objects"),
    (EXPECTED.astype(str), "wrong type", "holds texts"),
    (Hostile(), "wrong type", "a Hostile"), (len, "wrong type", "a builtin_function_or_method"),
    (EXPECTED[None], "wrong shape", "(1, 2, 2), expected (2, 2): 3 axes, not 2"),
    (6.0, "wrong shape", "it is one number, expected an array of shape (2, 2)"), (EXPECTED[:, :1], "wrong shape", "axis 1 has 1, not 2"), ([], "wrong shape", "1 axis, not 2"),
    (EXPECTED * np.nan, "wrong values", ""), (EXPECTED + [np.inf, 0], "wrong values", ""), (EXPECTED + 1e-4, "wrong values", ""),
    (EXPECTED > 0, "wrong values", ""),
])  # fmt: skip
def test_not_accepted(value, kind, said):
    found = difference(value, EXPECTED, 1e-6)
    assert found.kind == kind and said in found.sentence


@pytest.mark.parametrize("value, said", [
    ([3], "an array of shape (1,), expected one number"),
    pytest.param(1 << 20_000, "a number of 20001 bits, expected", id="more digits than Python prints"),
    (3j, "a complex, expected"),
])  # fmt: skip
def test_one_number_is_expected(value, said):
    assert said in difference(value, 3, 1e-6).sentence


def test_texts_in_a_list_make_no_array():
    """As an array every text would be as long as the longest: gigabytes."""
    found = difference(["a" * 10_000] + [""] * 900_000, EXPECTED, 1e-6)
    assert found.sentence == "it returned a list of 900001 that holds texts, expected real numbers"


def test_swapped_axes_are_suspected():
    assert "axes swapped?" in difference(np.ones((3, 2)), np.ones((2, 3)), 1e-6).sentence


def test_several_results():
    expected = (np.ones(2), np.zeros(3))
    assert difference([np.ones(2), [0, 0, 0]], expected, 1e-6) is None
    assert difference((np.ones(2),), expected, 1e-6).sentence == "it returned 1 result, expected 2 results, separated by commas"
    assert difference(np.ones(2), expected, 1e-6).kind == "wrong type"
    found = difference((np.ones(2), np.ones(3)), expected, 1e-6)
    assert (found.kind, found.place) == ("wrong values", (1,))


SHAPES = [(8, 26, 26), (8, 13, 13), (1352,), (10,)]
PAIRS = [(np.eye(2) * i, np.ones(2) * i) for i in range(3)]


@pytest.mark.parametrize("value, expected", [
    (SHAPES, SHAPES), ([list(shape) for shape in SHAPES], SHAPES), (tuple(map(np.array, SHAPES)), SHAPES),
    (PAIRS, PAIRS), ([[w.tolist(), b.tolist()] for w, b in PAIRS], PAIRS), (tuple(PAIRS), PAIRS),
    (np.eye(3), [np.eye(3)[0], np.eye(3)[1], np.eye(3)[2]]), (np.eye(3), [(1, 0, 0), (0, 1, 0), (0, 0, 1)]),
    (math.inf, math.inf), (np.inf, math.inf), (np.array([math.inf, 1]), np.array([math.inf, 1.0])), ((1, math.inf), (True, math.inf)),
    ([], np.zeros(0)), (np.zeros((0, 3)), np.zeros((0, 3))), ([np.zeros(0), np.zeros((2, 0))], [np.zeros(0), np.zeros((2, 0))]),
    ([[], []], np.zeros((2, 0))), ((), ()), ([], []),
])  # fmt: skip
def test_nested_infinite_and_empty_answers(value, expected):
    assert difference(value, expected, 1e-6) is None


@pytest.mark.parametrize("value, expected, kind, said, place", [
    (SHAPES[:3], SHAPES, "wrong type", "it returned a list of 3, expected a list of 4", ()),
    (None, SHAPES, "wrong type", "is the `return` line missing?", ()), (5, SHAPES, "wrong type", "the number 5, expected a list of 4", ()),
    ([*SHAPES[:3], (11,)], SHAPES, "wrong values", "", (3,)), ([*SHAPES[:3], 10], SHAPES, "wrong shape", "it is the number 10, expected a tuple of 1", (3,)),
    ([(8, 26), *SHAPES[1:]], SHAPES, "wrong shape", "it is a tuple of 2, expected a tuple of 3", (0,)),
    ([*SHAPES[:3], None], SHAPES, "wrong type", "it is None", (3,)), (["a"] * 4, SHAPES, "wrong type", "it is a str, expected numbers", (0,)),
    ([*PAIRS[:2], (np.eye(2) * 2, np.ones(2))], PAIRS, "wrong values", "", (2, 1)),
    ([*PAIRS[:2], (np.eye(2) * 2, np.ones(3))], PAIRS, "wrong shape", "its shape is (3,), expected (2,)", (2, 1)),
    ([*PAIRS[:2], (np.eye(2),)], PAIRS, "wrong type", "it is a tuple of 1, expected 2 entries", (2,)),
    ([*PAIRS[:2], np.eye(2)], PAIRS, "wrong type", "it is an array of shape (2, 2), expected 2 entries", (2,)),
    (([w for w, _ in PAIRS], [b for _, b in PAIRS]), PAIRS, "wrong type", "a tuple of 2, expected a list of 3", ()),
    (np.array(SHAPES + [0], object)[:4], SHAPES, "wrong type", "an array of shape (4,), expected a list of 4", ()),
    (3, math.inf, "wrong values", "", ()), (-math.inf, math.inf, "wrong values", "", ()), (math.nan, math.inf, "wrong values", "", ()),
    (math.inf, 3, "wrong values", "", ()), ([], np.zeros(1), "wrong shape", "", ()), ([], [np.zeros(1)], "wrong type", "a list of 0", ()),
])  # fmt: skip
def test_where_a_nested_answer_differs(value, expected, kind, said, place):
    found = difference(value, expected, 1e-6)
    assert (found.kind, found.place) == (kind, place) and said in found.sentence


@pytest.mark.parametrize("place, expected, results, name", [
    ((2, 1), PAIRS, ("weight", "bias"), "in the third pair `bias`"), ((2, 1), PAIRS, (), "in the third pair entry number 2"),
    ((1,), PAIRS, ("weight", "bias"), "the second pair"), ((1,), [np.eye(2), np.eye(2)], (), "the second array"),
    ((3,), SHAPES, (), "the fourth entry"), ((1,), (1, 2), ("loss", "dlogits"), "`dlogits`"), ((11,), [np.eye(2)] * 12, (), "the 12th array"),
])  # fmt: skip
def test_a_place_has_a_name(place, expected, results, name):
    assert place_name(place, expected, results) == name


finite = arrays.arrays(float, st.tuples(st.integers(1, 4), st.integers(1, 4)), elements=st.floats(-1e3, 1e3))


@given(finite)
def test_every_array_agrees_with_itself_and_with_its_list(expected):
    assert difference(expected, expected, 1e-6) is None
    assert difference(expected.tolist(), expected, 1e-6) is None


@given(finite, st.data())
def test_one_number_that_is_off_is_seen(expected, data):
    place = data.draw(st.tuples(*(st.integers(0, n - 1) for n in expected.shape)))
    value = expected.copy()
    value[place] += 0.01 * max(1, abs(expected).max())
    assert difference(value, expected, 1e-6).kind == "wrong values"


@given(st.one_of(st.none(), st.text(), st.lists(st.text()), st.dictionaries(st.text(), st.integers()), st.recursive(st.integers(), st.lists)))
def test_nothing_raises(value):
    for expected in (EXPECTED, PAIRS, SHAPES, (EXPECTED, 1.0)):
        assert difference(value, expected, 1e-6) is not None and describe(value)
