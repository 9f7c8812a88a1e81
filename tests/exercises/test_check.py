"""`check` and the diagnosis behind it: what a student is told, and what the answer earns."""

import numpy as np
import pytest

from pnnlib.conv import conv2d
from pnnlib.conv import cross_correlate as right
from pnnlib.exercises import check, check_question, exercises_of
from pnnlib.exercises.calling import call
from pnnlib.exercises.check import PARTS
from pnnlib.exercises.diagnosis import diagnose
from pnnlib.exercises.hints import value_hint

EXERCISES = exercises_of("part_d")


@pytest.fixture(autouse=True)
def no_colour(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")


def verdict_on(name, function, seed="public"):
    exercise = EXERCISES[name]
    cases = exercise.draw(seed)
    outcomes = [call(function, *c.arguments, exercise.parameters, seconds=60) for c in cases]
    return diagnose(exercise, cases, outcomes)


# What is said, in this order of usefulness ------------------------------------------------


def stub(x, h):
    raise NotImplementedError("cross_correlate is not written yet")


def without_return(x, h):
    right(x, h)


def changes_x(x, h):
    y = right(x, h)
    x[0] = 0
    return y


def divides_by_zero(x, h):
    return right(x, h) / (1 // 0)


@pytest.mark.parametrize("function, kind, said", [
    (stub, "not implemented", "not written yet: replace the line"),
    (without_return, "wrong type", "is the `return` line missing?"),
    (lambda x, h: "6", "wrong type", "It returned a str, expected numbers."),
    (lambda x, h: right(x, h).T, "wrong shape", "rows and columns of your output are swapped"),
    (changes_x, "changed arguments", "It changed its argument `x`: work on a copy"),
    (divides_by_zero, "raised", "It stopped with ZeroDivisionError"),
    (lambda x, h: right(x, h) + 1, "wrong values", "off by the same amount, +1"),
    (lambda x, h: 3 * right(x, h), "wrong values", "3 times what they should be"),
    (lambda x, h: -right(x, h), "wrong values", "the wrong sign"),
    (lambda x, h: right(x, h) * np.nan, "wrong values", "not a number"),
    (lambda x, h: right(x, h).astype(int), "wrong values", "cut to whole numbers"),
])  # fmt: skip
def test_what_is_said(function, kind, said):
    verdict = verdict_on("cross_correlate", function)
    assert verdict.kind == kind and not verdict.passed and verdict.points == 0
    assert said in verdict.sentence
    assert "?." not in verdict.sentence and "Traceback" not in str(verdict)


def test_an_open_exercise_that_another_calls_is_named():
    verdict = verdict_on("convolve", lambda x, h: stub(x, h[::-1, ::-1]))
    assert verdict.sentence == "it calls `cross_correlate`, which is not written yet."


def test_an_earlier_kind_comes_first():
    """A wrong type in one case is said before wrong values in the others."""
    verdict = verdict_on("cross_correlate", lambda x, h: None if len(x) == 5 else right(x, h) + 1)
    assert verdict.kind == "wrong type"


def test_the_smallest_case_is_shown_with_both_answers():
    verdict = verdict_on("cross_correlate", lambda x, h: right(x, h) + (h.size == 6))
    cases = [case for case in EXERCISES["cross_correlate"].draw() if case.args[1].size == 6]
    smallest = min(cases, key=lambda case: case.args[0].size)
    assert np.array2string(smallest.args[1]).splitlines()[0] in verdict.detail
    assert "your answer, shape" in verdict.detail and "PyTorch's, shape" in verdict.detail
    assert all(len(line) <= 100 for line in verdict.detail.splitlines())


def test_a_case_without_options_is_shown_rather_than_one_with():
    verdict = verdict_on("cross_correlate_general", lambda x, h, *options, **named: right(x, h, *options, **named) + 1)
    assert "cross_correlate_general(x, h) with" in verdict.detail


# Misconceptions ---------------------------------------------------------------------------


def test_a_misconception_is_named_only_if_it_explains_every_case():
    turned = verdict_on("cross_correlate", lambda x, h: right(x, h[::-1, ::-1]))
    assert turned.chaff == "mask_rotated" and "You turned the mask by 180 degrees" in turned.sentence
    partly = verdict_on("cross_correlate", lambda x, h: right(x, h[::-1, ::-1] if h.size == 4 else h))
    assert partly.chaff == "" and "180" not in partly.sentence


def test_a_mask_that_does_not_fit_hides_no_misconception():
    """Transposed, it raises in one program and makes an empty array in another."""

    def transposed(x, h):
        h = h.T
        y = np.zeros((max(0, x.shape[0] - h.shape[0] + 1), max(0, x.shape[1] - h.shape[1] + 1)))
        for i, j in np.ndindex(y.shape):
            y[i, j] = (x[i : i + h.shape[0], j : j + h.shape[1]] * h).sum()
        return y

    assert verdict_on("convolve", transposed).chaff == "transposed_instead"


def test_no_misconception_fits_a_right_answer():
    for name, exercise in EXERCISES.items():
        verdict = verdict_on(name, exercise.oracle)
        assert verdict.passed and verdict.chaff == "" and verdict.points == exercise.points, name


# Hints ------------------------------------------------------------------------------------

ANSWER = np.arange(20.0).reshape(4, 5) ** 2 - 7


def border_wrong(y):
    y = y.copy()
    y[0] += 1
    y[-1, -1] = 99
    return y


@pytest.mark.parametrize("got, said", [
    (ANSWER * 0, "All your values are 0"), (ANSWER * 2.5, "2.5 times"), (ANSWER - 3, "by the same amount, -3"),
    (abs(ANSWER), "lost their sign"), (ANSWER[::-1], "reversed along axis 0"), (ANSWER[:, ::-1], "reversed along axis 1"),
    (ANSWER[::-1, ::-1], "turned by 180 degrees"), (np.random.default_rng(0).permuted(ANSWER), "in the wrong places"),
    (border_wrong(ANSWER), "only the border differs"), (ANSWER + [0, 1, 1, 1, 1], "the first column is right, the rest differs"),
    (ANSWER + [0, 0, 1, 0, 0], "only column 2 differs, counted from 0"), (ANSWER * np.inf, "infinite"),
    (ANSWER + np.eye(4, 5), "In the case below 4 of 20 values differ."),
])  # fmt: skip
def test_hints(got, said):
    assert said in value_hint([(got, ANSWER)])


def test_a_small_answer_has_no_border():
    got, expected = np.array([[1.0, 0, 0], [1, 1, 1], [0, 1, 1]]), np.array([[1.0, 1, 0], [0, 1, 0], [0, 0, 1]])
    assert "border" not in value_hint([(got, expected)])


def test_a_rounded_answer_is_told_from_a_cut_one():
    fine = np.array([1.23456, -2.34567])
    assert "rounded; return them as they are" in value_hint([(fine.round(2), fine)])
    assert "cut to whole numbers" in value_hint([(np.trunc(fine), fine)])


@pytest.mark.parametrize("change, said", [
    (lambda y: y * 2, "2 times"), (lambda y: y + 1, "the same amount, +1"), (lambda y: -y, "wrong sign"),
    (lambda y: y[::-1], "reversed along axis 0"), (lambda y: y * 0, "all your values are 0"),
])  # fmt: skip
def test_a_pattern_is_stated_only_if_it_holds_in_every_wrong_case(change, said):
    """What a small answer seems to show need not be the mistake."""
    one, other = np.array([[3.0], [5.0]]), ANSWER
    assert said in value_hint([(change(one), one), (change(other), other)])
    assert said not in value_hint([(change(one), one), (other + np.eye(4, 5), other)])


@pytest.mark.parametrize("option", ["stride", "padding", "dilation"])
def test_an_option_that_goes_wrong_is_named(option):
    def general(x, h, stride=1, padding=0, dilation=1):
        given = {"stride": stride, "padding": padding, "dilation": dilation}
        default = {"stride": 1, "padding": 0, "dilation": 1}[option]
        return right(x, h, **given) * (1 if given[option] in (default, (default, default)) else 2)

    verdict = verdict_on("cross_correlate_general", general)
    assert f"Right whenever {option} is left at its default" in verdict.sentence


def test_options_in_another_order_are_noticed():
    def general(x, h, padding=0, stride=1, dilation=1):
        return right(x, h, stride, padding, dilation)

    verdict = verdict_on("cross_correlate_general", general)
    assert "not right yet. Wrong only where the options are given without their names" in verdict.sentence
    assert "their order is stride, padding, dilation" in verdict.sentence
    assert "cross_correlate_general(x, h, 3, 1, 2) with" in verdict.detail


def test_an_answer_of_many_axes_is_told_in_few_words():
    verdict = verdict_on("cross_correlate", lambda x, h: np.ones((2,) * 20, bool))
    assert "(too many axes to show, 20)" in verdict.detail and len(str(verdict)) < 2000


def test_one_of_several_results_goes_by_its_name():
    layer = EXERCISES["conv_layer_backward"].oracle
    verdict = verdict_on("conv_layer_backward", lambda *a, **o: (None, *layer(*a, **o)[1:]))
    assert "`dx` is wrong: it is None." in verdict.sentence
    verdict = verdict_on("conv_layer_backward", lambda *a, **o: (*layer(*a, **o)[:2], layer(*a, **o)[2] * 3))
    assert "`db` is wrong: your values are 3 times" in verdict.sentence


# Points -----------------------------------------------------------------------------------


def test_points_are_earned_by_criterion():
    exercise = EXERCISES["conv_layer"]
    full = dict(exercise.criteria)

    def only(*criteria):
        def function(x, w, b, stride=1, padding=0, dilation=1):
            options = {"stride": stride, "padding": padding, "dilation": dilation}
            plain = options == {"stride": 1, "padding": 0, "dilation": 1}
            criterion = "options" if not plain else "edge cases" if 1 in w.shape[:2] or w.shape[2:] in ((1, 1), x.shape[1:]) else "basic"
            return conv2d(x[None], w, b, **options)[0] + (criterion not in criteria)

        return verdict_on("conv_layer", function).points

    assert only("basic", "options", "edge cases") == sum(full.values())
    assert only("basic", "options") == full["basic"] + full["options"]
    assert only("basic") == full["basic"]
    assert only("options", "edge cases") == 0


def test_state_that_leaks_between_calls_costs():
    calls = []

    def once(x, h):
        calls.append(1)
        return right(x, h) * (len(calls) < 11)

    verdict = verdict_on("cross_correlate", once)
    assert (verdict.agree, verdict.cases, verdict.points) == (10, 11, 0)
    assert "The same call gave the right answer first and a wrong one later" in verdict.sentence


def test_an_answer_kept_from_an_earlier_call_is_noticed():
    kept = {}
    verdict = verdict_on("cross_correlate", lambda x, h: kept.setdefault((x.shape, h.shape), right(x, h)))
    assert verdict.points == 0 and "the right answer to an earlier call" in verdict.sentence
    verdict = verdict_on("cross_correlate", lambda x, h: right(x, h) * 0 + right(*EXERCISES["cross_correlate"].draw()[0].args).max())
    assert "earlier call" not in verdict.sentence


def test_one_buffer_for_all_results_is_judged_as_the_judge_does_it():
    """The judge gets a value before the next call; `check` must not see it written over."""
    buffers = {}

    def buffered(x, h):
        y = right(x, h)
        buffers.setdefault(y.shape, np.empty(y.shape))[:] = y
        return buffers[y.shape]

    assert verdict_on("cross_correlate", buffered).passed


def test_changed_arguments_do_not_make_the_values_wrong():
    verdict = verdict_on("cross_correlate", changes_x)
    assert (verdict.agree, verdict.points) == (verdict.cases, 0) and "11 of 11 cases agree" in verdict.sentence


# check ------------------------------------------------------------------------------------


def convolve(x, h):
    (k, l), turned = h.shape, h[::-1, ::-1]
    places = np.ndindex(x.shape[0] - k + 1, x.shape[1] - l + 1)
    sums = [(x[i : i + k, j : j + l] * turned).sum() for i, j in places]
    return np.reshape(sums, (x.shape[0] - k + 1, x.shape[1] - l + 1))


def test_check_says_it_and_returns_it(capsys):
    verdict = check(convolve)
    said = capsys.readouterr().out
    assert verdict.passed and said == "✓ convolve: right. All 10 cases agree with PyTorch exactly.\n"


def test_check_stops_soon_at_an_endless_loop(capsys):
    def convolve(x, h):
        while True:
            pass

    assert check(convolve, seconds=0.2).kind == "out of time"
    assert "Does a loop wait for something that never happens?" in " ".join(capsys.readouterr().out.split())


def test_check_finds_the_exercise_by_the_name_it_is_bound_to():
    namespace = {"check": check, "right": right}
    exec("convolve = lambda x, h: right(x, h[::-1, ::-1])\nfound = check(convolve)", namespace)
    assert namespace["found"].exercise == "convolve" and namespace["found"].passed


@pytest.mark.parametrize("given, said", [
    ("convolve", "not its name in quotes"), (len, "no exercise is called 'len'"),
    (8, "without calling it, .*what came is the number 8"), (None, "what came is None"), ([1], "what came is a list of 1"),
])  # fmt: skip
def test_check_of_something_else(given, said):
    with pytest.raises(TypeError, match=said) as caught:
        check(given)
    (line,) = caught.value._render_traceback_()
    assert line.startswith("✗ check: ") and "Traceback" not in line


def test_a_name_that_is_nearly_right_is_found():
    namespace = {"check": check}
    for name, said in (("conv_layr", "is it conv_layer"), ("my_own_thing", "the exercise gives."), ("x" * 10_000, "the exercise gives.")):
        with pytest.raises(TypeError, match=said) as caught:
            exec(f"def {name}(x): pass\ncheck({name})", namespace)
        assert len(str(caught.value)) < 200 + len(name)


def test_the_parts_are_the_modules_that_there_are():
    assert list(PARTS) == sorted(PARTS) and "part_d" in PARTS
    for part in PARTS:
        assert {exercise.part for exercise in exercises_of(part).values()} == {part}
    with pytest.raises(ValueError, match="there is no 'part_z'; the parts are .*part_d"):
        exercises_of("part_z")


def test_check_warns_of_what_is_not_there_when_marking(capsys):
    import torch

    def helper(x, h):
        return torch.nn.functional.conv2d(torch.tensor(x[None, None]), torch.tensor(h[None, None]))[0, 0].numpy()

    namespace = {"check": check, "helper": lambda x, h: helper(x.copy(), h.copy()), "right": right}
    for answer, name in (
        ("def convolve(x, h):\n return helper(x, h[::-1, ::-1])", "`torch`"),
        ("def convolve(x, h):\n return right(x, h[::-1, ::-1])", "`right` from pnnlib"),
        ("def convolve(x, h):\n import pnnlib.conv as c\n return c.cross_correlate(x, h[::-1, ::-1])", "`pnnlib.conv` from pnnlib"),
        ("from pnnlib.conv import convolve", "`convolve` from pnnlib"),
    ):
        exec(f"{answer}\ncheck(convolve)", namespace)
        said = capsys.readouterr().out
        assert "✓ convolve: right." in said and f"✗ But it uses {name}, which is not there" in said


def test_check_says_nothing_about_a_leftover_import(capsys):
    exec("import torch\nimport pnnlib\ndef convolve(x, h):\n return 3 * x", namespace := {"check": check})
    exec("check(convolve)", namespace)
    assert "But it uses" not in capsys.readouterr().out


@pytest.mark.parametrize("answer, said", [
    ("", "no answer yet"), ("answer_7 = None", "no answer yet"), ("answer_7 = 'e'", "the choices are"), ("answer_7 = 3", "the choices are"),
    ("answer_7 = 'c'", "is recorded"), ("answer_7 = ' B) '", "is recorded"),
])  # fmt: skip
def test_check_question_tells_only_whether_there_is_an_answer(capsys, answer, said):
    exec(f"{answer}\ncheck_question(7)", {"check_question": check_question})
    text = capsys.readouterr().out
    assert said in text and "right." not in text and ("✗" in text) == (said != "is recorded") and "✓" not in text


def test_colour_is_never_all_there_is(capsys, monkeypatch):
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    check(convolve)
    coloured = capsys.readouterr().out
    assert coloured.startswith("\x1b[32;1m✓\x1b[0m convolve: right.")
