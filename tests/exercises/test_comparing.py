"""What a check accepts as the right answer, and what it does not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pnnlib.exercises.comparing import describe, difference

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
    assert difference((np.ones(2),), expected, 1e-6).sentence == "it returned 1 results, expected 2 results, separated by commas"
    assert difference(np.ones(2), expected, 1e-6).kind == "wrong type"
    found = difference((np.ones(2), np.ones(3)), expected, 1e-6)
    assert (found.kind, found.part) == ("wrong values", 1)


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
    found = difference(value, EXPECTED, 1e-6)
    assert found is not None and describe(value)
