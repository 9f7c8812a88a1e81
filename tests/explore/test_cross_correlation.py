"""The cross-correlation explorable without a browser: its numbers against PyTorch, what it says, and its state."""

import json
import subprocess
import sys
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from torch.nn.functional import conv2d

from pnnlib.conv import convolve, cross_correlate, mask_as_matrix
from pnnlib.explore import explore_cross_correlation
from pnnlib.explore.cross_correlation import PRESETS, beside, change, picture, setting

LECTURE = PRESETS["Lecture"][0]
SIZES = [((4, 4), (2, 2)), ((5, 3), (2, 3)), ((3, 7), (1, 2)), ((1, 8), (1, 5)), ((6, 4), (3, 1)), ((1, 1), (1, 1))]
PAIRS = [(1, 1), (2, 2), (1, 3), (2, 1)]
SETTINGS = [
    (shapes, stride, padding, dilation, operation)
    for shapes, stride, padding, dilation, operation in product(
        SIZES, PAIRS, [(0, 0), (1, 1), (2, 0), (0, 3)], PAIRS, ["cross-correlation", "convolution"]
    )
]


def drawn(shapes, stride, padding, dilation, operation):
    rng = np.random.default_rng([*shapes[0], *shapes[1], *stride, *padding, *dilation])
    # Quarters are exact in binary and have at most six digits, also their sums of products.
    x, h = (rng.integers(-8, 9, shape) / 4 for shape in shapes)
    return setting(x, h, stride, padding, dilation, operation)


def torch_output(present):
    x, h = torch.tensor(present.x), torch.tensor(present.h)
    if present.operation == "convolution":
        h = h.flip(0, 1)
    return conv2d(x[None, None], h[None, None], **present.options())[0, 0].numpy()


def number(text):
    return float(text)


@pytest.mark.parametrize("shapes", SIZES)
@pytest.mark.parametrize("operation", ["cross-correlation", "convolution"])
def test_every_number_agrees_with_pytorch(shapes, operation):
    compared = 0
    for chosen in SETTINGS:
        if chosen[0] != shapes or chosen[-1] != operation:
            continue
        present = drawn(*chosen)
        seen = picture(present)
        if not present.fits():
            with pytest.raises(RuntimeError):
                torch_output(present)
            assert seen["steps"] == [] and "does not fit" in seen["notes"][0]
            continue
        expected = torch_output(present)
        steps = seen["steps"]
        compared += len(steps)
        assert [tuple(step["at"]) for step in steps] == list(np.ndindex(expected.shape))
        np.testing.assert_allclose([number(step["sum"]) for step in steps], expected.ravel(), atol=1e-10)

        padded = np.pad(present.x, [(p, p) for p in present.padding])
        weights = np.array([[number(v) for v in row] for row in seen["mask"]]).ravel()
        x = {order: np.array(present.x).ravel(order) for order in "CF"}
        touched = np.zeros(padded.shape, bool)
        for step in steps:
            rows, columns = np.array(step["cells"]).T
            touched[rows, columns] = True
            values = np.array([number(v) for v in step["values"]])
            np.testing.assert_array_equal(values, padded[rows, columns])
            # what is written out as a sum is that sum
            terms = [number(t) for t in step["products"].replace(" + ", "|").replace(" - ", "|-").split("|")]
            np.testing.assert_allclose(terms, values * weights, atol=1e-10)
            np.testing.assert_allclose(sum(terms), number(step["sum"]), atol=1e-10)
            for order in "CF":
                w = np.zeros(x[order].size)
                for place, weight in zip(step["places"][order], weights, strict=True):
                    if place >= 0:
                        w[place] = weight
                np.testing.assert_allclose(w @ x[order], number(step["sum"]), atol=1e-10)
        assert sorted(map(tuple, seen["unseen"])) == sorted(map(tuple, np.argwhere(~touched)))
        assert [formula.split(" = ")[1] for formula in seen["sizes"]] == list(map(str, expected.shape))
    assert compared > 0


def test_weight_vectors_are_the_rows_of_the_matrix():
    present = setting(np.arange(12.0).reshape(3, 4), [[1, 2], [3, 4]], stride=(1, 2), padding=(1, 0))
    for order in "CF":
        matrix = mask_as_matrix(present.h, (3, 4), (1, 2), (1, 0), order=order)
        number_of = np.arange(len(matrix)).reshape(present.y().shape, order=order)
        for step in picture(present)["steps"]:
            w = np.zeros(12)
            for place, weight in zip(step["places"][order], present.mask().ravel(), strict=True):
                if place >= 0:
                    w[place] = weight
            np.testing.assert_array_equal(w, matrix[number_of[tuple(step["at"])]])


def test_starts_on_the_lectures_example():
    panel = explore_cross_correlation()
    seen = panel.picture
    assert seen["x"][0] == ["-1", "1", "0.5", "1"] and seen["h"] == [["-1", "1"], ["0", "-2"]]
    assert seen["y"][0][0] == "6" and seen["preset"] == "Lecture"
    assert seen["steps"][0]["products"] == "1 + 1 + 0 + 4"
    # the lecture's vector, repaired
    assert seen["vector"]["F"] == "-1 0 0.5 -1 1 -2 -1 1 0.5 -1 -1 0 1 0 1 -2".split()
    assert seen["steps"][0]["places"]["F"] == [0, 4, 1, 5]


def test_left_over_is_marked_and_said():
    seen = picture(PRESETS["Stride"][0])
    assert seen["notes"] == [
        "Left over: 1 row at the bottom and 1 column on the right of x. "
        "The next step of the stride would leave x, so no window looks there."
    ]
    assert seen["unseen"] == [[r, c] for r in range(5) for c in range(5) if r == 4 or c == 4]
    gap = picture(setting(np.ones((1, 7)), [1], stride=(1, 3)))
    assert "4 cells lie between" in gap["notes"][0] and len(gap["unseen"]) == 4
    assert picture(LECTURE)["notes"] == []


def test_a_mask_that_does_not_fit_is_a_sentence():
    panel = explore_cross_correlation(dilation=(4, 1))
    assert panel.picture["notes"] == [
        "The mask does not fit: it spans 5 rows (dilation 4: 4·(2 − 1) + 1), where x has only 4. "
        "Make x larger, the mask or its dilation smaller, or add padding."
    ]
    assert panel.picture["sizes"][0].endswith("= 0")
    assert panel.state()["at"] is None
    panel.load({**panel.state(), "dilation": [1, 1]})
    assert panel.picture["y"][0][0] == "6"


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("operation", ["cross-correlation", "convolution"])
def test_code_gives_the_output_shown(preset, operation):
    present = replace(PRESETS[preset][0], operation=operation)
    panel = explore_cross_correlation()
    panel.load(
        {**panel.state(), **{k: getattr(present, k) for k in ("x", "h", "stride", "padding", "dilation", "operation")}}
    )
    ran = {}
    exec(panel.code(), ran)
    np.testing.assert_allclose(ran["y"].numpy(), present.y(), atol=1e-10)
    assert repr(panel.code()) == str(panel.code())


# What a user does.


def do(panel, **intent):
    panel._handle_custom_msg(intent, [])
    return panel.picture


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("abc", "x[0, 1] stays 1: “abc” is not a number."),
        ("0,5", "x[0, 1] stays 1: “0,5” is not a number. Write a point, not a comma."),
        ("", "x[0, 1] stays 1: an empty cell is not a number."),
        ("nan", "x[0, 1] stays 1: it must be a number between -1000000 and 1000000."),
        ("1e9", "x[0, 1] stays 1: it must be a number between -1000000 and 1000000."),
        ("1_0", "x[0, 1] stays 1: “1_0” is not a number."),
    ],
)
def test_what_is_no_number_changes_nothing(text, said):
    panel = explore_cross_correlation()
    before = panel.state()
    answers = panel.picture["answers"]
    seen = do(panel, do="number", of="x", at=[0, 1], text=text)
    assert seen["message"] == said
    assert panel.state() == before
    assert seen["answers"] > answers  # so the page draws the last number again
    assert do(panel, do="number", of="x", at=[0, 1], text="−2.5")["message"] == ""
    assert panel.state()["x"][0][1] == -2.5


@pytest.mark.parametrize(
    ("intent", "said"),
    [
        (
            {"do": "size", "of": "x", "axis": 0, "text": "11"},
            "size of x, rows: stays 4, it must be a whole number from 1 to 10.",
        ),
        (
            {"do": "size", "of": "h", "axis": 1, "text": "0"},
            "size of h, columns: stays 2, it must be a whole number from 1 to 5.",
        ),
        (
            {"do": "option", "of": "stride", "axis": 1, "text": ""},
            "stride, columns: stays 1, it must be a whole number from 1 to 4.",
        ),
        (
            {"do": "option", "of": "padding", "axis": 0, "text": "1.5"},
            "padding, rows: stays 0, it must be a whole number from 0 to 3.",
        ),
        ({"do": "dance"}, "nothing changed: {'do': 'dance'} is not understood"),
        (
            {"do": "number", "of": "x", "at": [9, 9], "text": "1"},
            "That did not work (IndexError: list index out of range); nothing changed.",
        ),
        ({"do": "preset", "name": "none"}, "That did not work (KeyError: 'none'); nothing changed."),
    ],
)
def test_errors_are_said_in_the_panel(intent, said):
    panel = explore_cross_correlation()
    before = panel.state()
    assert do(panel, **intent)["message"] == said
    assert panel.state() == before


def test_arrays_grow_and_shrink_on_either_axis():
    wider = change(LECTURE, {"do": "size", "of": "x", "axis": 1, "text": "6"})
    np.testing.assert_array_equal(wider.x, np.array(LECTURE.x)[:, [0, 1, 2, 3, 0, 1]])
    taller = change(LECTURE, {"do": "size", "of": "h", "axis": 0, "text": "3"})
    np.testing.assert_array_equal(taller.h, [[-1, 1], [0, -2], [0, 0]])
    assert np.shape(change(taller, {"do": "size", "of": "h", "axis": 0, "text": "1"}).h) == (1, 2)
    tall = change(LECTURE, {"do": "size", "of": "x", "axis": 0, "text": "10"})
    np.testing.assert_array_equal(tall.x, np.array(LECTURE.x)[np.arange(10) % 4])


def test_a_change_keeps_the_place_as_far_as_it_exists():
    panel = explore_cross_correlation()
    panel.step = 8
    do(panel, do="number", of="x", at=[0, 0], text="7")
    assert panel.state()["at"] == [2, 2]
    do(panel, do="option", of="stride", axis=1, text="3")
    assert panel.state()["at"] == [2, 0]
    panel.step = 99
    assert panel.step == 2


def test_presets_and_reset():
    panel = explore_cross_correlation(x=[[1, 2, 3]], h=[[1, 1]], question="What now?")
    for name, (present, question) in PRESETS.items():
        seen = do(panel, do="preset", name=name)
        assert (seen["preset"], seen["question"], panel._setting) == (name, question, present)
        assert present.fits()
    seen = do(panel, do="reset")
    assert seen["x"] == [["1", "2", "3"]] and seen["question"] == "What now?" and seen["preset"] == ""


def test_state_comes_back_through_json():
    panel = explore_cross_correlation(stride=(1, 2), padding=(2, 0), dilation=(1, 2), operation="convolution")
    panel.step, panel.order = 3, "F"
    kept = json.loads(json.dumps(panel.state()))
    other = explore_cross_correlation()
    other.load(kept)
    assert other.state() == panel.state() == kept
    assert other.picture["y"] == panel.picture["y"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"x": [[1, 2], [3]]}, "x must be a table of numbers"),
        ({"x": np.ones((28, 28))}, "x must have 1 to 10 rows and columns here, got shape"),
        ({"h": np.ones((2, 2, 2))}, "h must have 1 to 5"),
        ({"x": [[np.nan]]}, "x must hold numbers between"),
        ({"stride": 9}, "stride must be at most 4"),
        ({"padding": -1}, "padding must be at least 0"),
        ({"operation": "correlation"}, "operation must be"),
        ({"unfold": "everything"}, "unfold must name"),
    ],
)
def test_wrong_arguments(arguments, said):
    with pytest.raises(ValueError, match=said):
        explore_cross_correlation(**arguments)


def test_my_function_must_be_one():
    with pytest.raises(TypeError, match="my_function must be a function"):
        explore_cross_correlation([[1, 2]])


# A student's function.


def off_at_one_place(x, h):
    y = cross_correlate(x, h)
    y[1, 1] += 0.25
    y[2, 0] = np.nan
    return y


def test_stops_at_the_first_output_that_differs():
    panel = explore_cross_correlation(off_at_one_place)
    yours = panel.picture["yours"]
    assert panel.state()["at"] == [1, 1]
    assert (yours["first"], yours["differs"]) == (4, [4, 6])
    assert yours["sentence"] == (
        "The first output that differs, row by row, is y[1, 1]: "
        "yours is 3.25, the sum over the window is 3. 2 of 9 differ."
    )
    assert yours["y"][1][1] == "3.25" and yours["y"][2][0] == "nan"


def test_a_difference_in_the_seventh_digit_is_still_told_apart():
    sentence = beside(lambda x, h: cross_correlate(x, h) * (1 + 5e-6), LECTURE)["sentence"]
    assert "yours is 6.00003, the sum over the window is 6." in sentence
    sentence = beside(lambda x, h: cross_correlate(x, h) + 4e-6, setting([[1000]], [[1 / 3]]))
    assert sentence["agrees"]


def loops(x, h):
    while True:
        pass


def quits(x, h):
    raise SystemExit("bye")


def spoils(x, h):
    y = cross_correlate(x, h)
    x[0, 0] = 9
    return y


def unwritten(x, h):
    raise NotImplementedError


def too_far(x, h):
    return x[4, 4]


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (unwritten, "unwritten is not implemented yet."),
        (lambda x, h: None, "Nothing to compare: it returned None: is the `return` line missing?"),
        (lambda x, h: "6", "it returned a str, expected numbers"),
        (lambda x, h: [[1, 2], [3]], "it returned a list of 2 that is no array of numbers: are its rows equally long?"),
        (lambda x, h: np.zeros((4, 4)), "has the wrong shape: its shape is (4, 4), expected (3, 3)"),
        (lambda x, h: np.zeros((0, 3)), "has the wrong shape"),
        (lambda x, h: 6.0, "has the wrong shape: it is one number, expected an array of shape (3, 3)."),
        (lambda x: x, "your function stopped with an error. TypeError"),
        (too_far, "too_far stopped with an error. IndexError: index 4 is out of bounds for axis 0 with size 4 (line "),
        (quits, "quits stopped with an error. SystemExit: bye"),
        (loops, "loops did not end: it was stopped after 2 seconds."),
        (convolve, "9 of 9 differ. Yours is the true convolution: the mask is rotated."),
        (spoils, "spoils: all 9 outputs agree with ours. It changed its own argument x: work on a copy."),
    ],
)
def test_wrong_functions_get_a_sentence(function, said):
    panel = explore_cross_correlation(function)
    yours = panel.picture["yours"]
    assert said in yours["sentence"] and not yours["agrees"]
    assert "Traceback" not in yours["sentence"]
    assert panel.picture["y"][0][0] == "6" and panel.picture["x"][0][0] == "-1"


def test_right_functions_agree():
    assert beside(cross_correlate, LECTURE)["sentence"] == "cross_correlate: all 9 outputs agree with ours."
    listed = beside(lambda x, h: cross_correlate(x, h).tolist(), LECTURE)
    assert listed["agrees"] and listed["sentence"].endswith("It returned a list: an array is better.")
    assert beside(convolve, replace(LECTURE, operation="convolution"))["agrees"]


def test_options_are_passed_to_a_function_that_takes_them():
    calls = []

    def general(x, h, stride=1, padding=0, dilation=1):
        calls.append((stride, padding, dilation))
        return cross_correlate(x, h, stride, padding, dilation)

    def some(x, h, stride):
        return cross_correlate(x, h, stride)

    assert beside(general, replace(LECTURE, stride=(2, 2), padding=(1, 0)))["agrees"]
    assert calls == [(2, (1, 0), 1)]
    assert beside(lambda x, h, **options: cross_correlate(x, h, **options), replace(LECTURE, dilation=(2, 1)))["agrees"]
    assert beside(some, replace(LECTURE, stride=(2, 1)))["agrees"]
    sentence = beside(some, replace(LECTURE, stride=(2, 1), padding=(1, 1), dilation=(2, 2)))["sentence"]
    assert sentence == (
        "some takes no padding and no dilation: it can be compared only while padding is 0 and dilation is 1."
    )
    assert "no output to compare" in beside(general, replace(LECTURE, dilation=(4, 4)))["sentence"]


def test_goes_to_the_first_difference_after_every_change_but_not_while_stepping():
    panel = explore_cross_correlation(off_at_one_place)
    panel.step = 0
    do(panel, do="number", of="x", at=[0, 0], text="abc")
    assert panel.step == 0  # nothing changed
    do(panel, do="number", of="x", at=[0, 0], text="3")
    assert panel.step == 4


def test_close_lets_go():
    panel = explore_cross_correlation(cross_correlate)
    panel.close()
    assert panel._my_function is None and panel.comm is None


def test_pnnlib_needs_no_widgets():
    code = (
        "import sys, pnnlib, pnnlib.conv, pnnlib.explore;"
        "assert not {'anywidget', 'ipywidgets', 'matplotlib', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    import pnnlib.explore

    assert {"explore_cross_correlation", "FigureView", "show_figure", "PANELS"} <= set(dir(pnnlib.explore))
    with pytest.raises(AttributeError, match="explore_nothing"):
        pnnlib.explore.explore_nothing  # noqa: B018
