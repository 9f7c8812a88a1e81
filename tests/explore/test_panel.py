"""The base of the panels: what is chosen, what is refused, long work, a student's function, plots, and no leak."""

import base64
import gc
import json
import re
import weakref
from io import BytesIO
from xml.etree import ElementTree

import numpy as np
import pytest
from ipywidgets.widgets.widget import _instances

from pnnlib import explore
from pnnlib.explore.panel import (
    Button, Cells, Choice, Look, Number, Panel, Plot, Preset, Slider, Switch, beside, nice_limits,
)  # fmt: skip
from pnnlib.explore.panel_plot import Axis


class Every(Panel):
    """A panel with a control of each kind, a limit that depends on another setting, and long work."""

    title = "Every control"
    controls = [
        Slider("n", "Rows n", 1, 9, start=4),
        Slider("row", "Row", 1, lambda s: s.n, start=2, only_looks=True),
        Slider("eta", "Rate η", 0.01, 10, log=True, start=0.1),
        Choice("kind", "Kind", ["one", "two"]),
        Switch("on", "On"),
        Number("t", "Target t", 0.5, -10, 10),
        Number("draw", "Draw", 0, 0, 100, whole=True, shown=lambda s: s.on),
        Cells("x", "x", [[1, 2], [3, 4]]),
        Button("next_draw", "Draw again"),
        Button("count", "Count"),
    ]
    presets = [Preset("First", "Is it first?"), Preset("Two", "Is it two?", kind="two", n=7, row=7)]

    def __init__(self, *args, **values):
        self.looks = 0
        super().__init__(*args, **values)

    def next_draw(self, s):
        return {"draw": s.draw + 1}

    def count(self, s):
        for n in range(1, 4):
            yield n / 3, f"{n} of 3", n

    def look(self, s):
        self.looks += 1
        if s.kind == "two" and s.on:
            raise ValueError("every: on must be off for kind 'two'")
        if s.t == 10:
            raise KeyError("t")
        plot = Plot(f"Row {s.row} of {s.n}.", moves=("row", "eta")).points([s.row / 10], [s.eta / 10])
        return Look([plot], f"Row {s.row} of {s.n}, counted {self.result}.", lines=[("a", "b")], notes=["note"] * s.on)

    def lines(self, s):
        return f"n = {s.n}"


@pytest.fixture
def panel():
    made = Every()
    yield made
    made.close()


def do(panel, **intent):
    panel._handle_custom_msg(intent, [])
    return panel.picture


def work(panel):
    return do(panel, do="work", after=panel.picture["answers"])


def change(panel, **changes):
    return do(panel, do="change", **changes)


def control(panel, name):
    return next(one for one in panel.picture["controls"] if one["name"] == name)


# What is chosen.


def test_starts_at_the_first_preset_and_knows_it(panel):
    assert panel.state() == {
        "n": 4, "row": 2, "eta": 0.1, "kind": "one", "on": False, "t": 0.5, "draw": 0, "x": [[1, 2], [3, 4]],
    }  # fmt: skip
    seen = panel.picture
    assert (seen["preset"], seen["question"], seen["caption"]) == (0, "Is it first?", "Row 2 of 4, counted None.")
    json.dumps(seen)  # the page gets it as JSON
    assert panel.code() == "n = 4" and repr(panel.code()) == "n = 4"
    assert Every("My own question?", n=5).picture["question"] == "My own question?"
    assert Every(n=5).picture["preset"] == -1


@pytest.mark.parametrize(
    ("changes", "name", "value"),
    [
        ({"place": {"n": 8}}, "n", 9),
        ({"place": {"n": 99}}, "n", 9),
        ({"place": {"eta": 21}}, "eta", 0.112),
        ({"place": {"eta": 0}}, "eta", 0.01),
        ({"place": {"kind": 1}}, "kind", "two"),
        ({"place": {"on": 1}}, "on", True),
        ({"type": {"t": [[[], "−2.5"]]}}, "t", -2.5),
        ({"type": {"x": [[[0, 1], "7"], [[1, 0], "8"]]}}, "x", ((1, 7), (8, 4))),
        ({"point": {"row": 2.6}}, "row", 3),
        ({"point": {"row": -5}}, "row", 1),
        ({"move": {"row": 1}}, "row", 3),
        ({"move": {"row": 10}}, "row", 4),
        ({"move": {"eta": -2}}, "eta", 0.0794),
    ],
)
def test_each_control_does_what_the_page_asks(panel, changes, name, value):
    seen = change(panel, **changes)
    assert seen["message"] == "" and seen["preset"] == -1
    assert getattr(type("s", (), panel._values), name) == value


def test_several_changes_come_at_once(panel):
    seen = change(panel, place={"n": 5, "on": 1}, type={"t": [[[], "1"]]})
    assert (panel.state()["n"], panel.state()["on"], panel.state()["t"]) == (6, True, 1) and seen["notes"] == ["note"]


def test_a_limit_follows_another_setting(panel):
    assert control(panel, "row")["last"] == 3
    panel.set(row=4)
    panel.set(n=3)
    assert panel.state()["row"] == 3 and control(panel, "row")["last"] == 2
    with pytest.raises(ValueError, match="Row must be a whole number from 1 to 3, got 4"):
        panel.set(row=4)
    panel.set(n=5, row=5)
    assert panel.state()["row"] == 5


def test_sliders_show_where_they_stand_also_between_two_stops(panel):
    panel.set(eta=0.105)
    assert control(panel, "eta")["text"] == "0.105" and control(panel, "eta")["place"] == 20
    assert control(panel, "draw")["hidden"] and not control(panel, "t")["hidden"]
    panel.set(on=True)
    assert not control(panel, "draw")["hidden"]
    stops = Slider("v", "v", -1.0, 1.0, 0.1).stops(None)
    assert stops[3] == -0.7 and stops[10] == 0 and len(stops) == 21
    logarithmic = Slider("v", "v", 1e-3, 1e3, log=True).stops(None)
    assert len(logarithmic) == 121 and {0.001, 0.01, 1, 10, 1000} <= set(logarithmic)
    np.testing.assert_allclose(np.diff(np.log10(logarithmic)), 0.05, atol=0.005)


def test_presets_reset_and_state(panel):
    panel.set(t=3, x=[[0, 0], [0, 5]])
    kept = json.loads(json.dumps(panel.state()))
    seen = do(panel, do="preset", place=1)
    assert (seen["preset"], seen["question"], panel.state()["row"]) == (1, "Is it two?", 7)
    assert panel.state()["t"] == 0.5  # a preset says all
    panel.load(kept)
    assert panel.state() == kept
    panel.load({"n": 2})
    assert (panel.state()["n"], panel.state()["row"], panel.state()["t"]) == (2, 2, 0.5)
    other = Every(n=8)
    do(other, do="preset", place=1)
    seen = do(other, do="reset")
    assert other.state()["n"] == 8 and seen["question"] == "Is it first?"


def test_buttons(panel):
    do(panel, do="press", name="next_draw")
    panel.press("next_draw")
    assert panel.state()["draw"] == 2
    with pytest.raises(ValueError, match="there is no button 'n'"):
        panel.press("n")


# What is refused.


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"type": {"t": [[[], "abc"]]}}, "Target t stays 0.5: “abc” is not a number."),
        ({"type": {"t": [[[], "0,5"]]}}, "Target t stays 0.5: “0,5” is not a number. Write a point, not a comma."),
        ({"type": {"t": [[[], ""]]}}, "Target t stays 0.5: an empty field is not a number."),
        ({"type": {"t": [[[], "nan"]]}}, "Target t stays 0.5: it must be a finite number."),
        ({"type": {"t": [[[], "1_0"]]}}, "Target t stays 0.5: “1_0” is not a number."),
        ({"type": {"t": [[[], "11"]]}}, "Target t stays 0.5: it must be a number from -10 to 10."),
        ({"type": {"draw": [[[], "1.5"]]}}, "Draw stays 0: it must be a whole number from 0 to 100."),
        ({"type": {"x": [[[0, 1], "two"]]}}, "x[0, 1] stays 2: “two” is not a number."),
        ({"type": {"n": [[[], "2"]]}}, "Rows n cannot be typed"),
        ({"place": {"kind": 1, "on": 1}}, "every: on must be off for kind 'two'"),
        ({"type": {"t": [[[], "10"]]}}, "That did not work (KeyError: 't'); nothing changed."),
        ({"place": {"none": 1}}, "That did not work (KeyError: 'none'); nothing changed."),
    ],
)
def test_what_cannot_be_changes_nothing_and_is_said_in_the_panel(panel, changes, said):
    before, picture = panel.state(), panel.picture
    seen = change(panel, **changes)
    assert seen["message"] == said
    assert panel.state() == before and seen["plots"] == picture["plots"]
    assert seen["answers"] > picture["answers"]  # so that the page draws the last state again
    assert change(panel, place={"n": 2})["message"] == ""


def test_an_acknowledgement_is_no_question(panel):
    before = panel.picture
    assert do(panel, do="nothing") is before


def test_what_is_not_understood(panel):
    assert do(panel, do="dance")["message"] == "nothing changed: {'do': 'dance'} is not understood"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"n": 10}, "Rows n must be a whole number from 1 to 9, got 10"),
        ({"n": 2.5}, "Rows n must be a whole number from 1 to 9, got 2.5"),
        ({"n": "2"}, "Rows n must be a whole number from 1 to 9, got '2'"),
        ({"eta": np.nan}, "Rate η must be a number from 0.01 to 10, got nan"),
        ({"kind": "three"}, "Kind must be 'one' or 'two', got 'three'"),
        ({"on": 1}, "On must be True or False, got 1"),
        ({"t": 11}, "Target t must be a number from -10 to 10, got 11"),
        ({"x": [[1, 2]]}, "x must be (2, 2), got (1, 2)"),
        ({"x": [[1, 2], [3, np.inf]]}, "x must hold numbers from -1000000 to 1000000"),
        ({"m": 1}, "Every control: there is no setting 'm', only n, row, eta"),
        ({"kind": "two", "on": True}, "every: on must be off for kind 'two'"),
    ],
)
def test_wrong_settings_from_python_raise(panel, values, said):
    before, widgets = panel.state(), set(_instances)
    for attempt in (panel.set, lambda **v: panel.load({**before, **v}), Every):
        with pytest.raises(ValueError, match=re.escape(said)):
            attempt(**values)
    assert panel.state() == before and set(_instances) == widgets  # and what could not start left nothing behind


# Long work.


def test_work_is_done_piece_by_piece_and_can_be_stopped(panel, monkeypatch):
    monkeypatch.setattr("pnnlib.explore.panel.PIECE", 1e-9)  # one step for each piece
    seen = do(panel, do="press", name="count")
    assert seen["work"] == {"label": "Count", "part": 0.0, "text": ""} and seen["caption"].endswith("counted None.")
    seen = work(panel)
    assert seen["work"]["text"] == "1 of 3" and seen["caption"].endswith("counted 1.")
    assert do(panel, do="work", after=seen["answers"] - 1) is seen  # a second view had asked for the same piece
    asked = seen["answers"]
    seen = do(panel, do="stop")
    assert seen["work"] is None and panel.result == 1
    assert do(panel, do="work", after=asked) is seen  # the page had already asked for more
    panel.press("count")
    assert panel.result == 3 and panel.picture["work"] is None


def test_a_result_holds_for_its_settings_only(panel):
    panel.press("count")
    panel.set(row=1)  # only looks at it
    assert panel.result == 3
    with pytest.raises(ValueError, match="every"):
        panel.set(kind="two", on=True)
    assert panel.result == 3
    do(panel, do="press", name="count")
    panel.set(n=7)
    assert panel.result is None and panel.picture["work"] is None


def test_work_that_fails_ends_and_says_so(panel, monkeypatch):
    def count(s):
        yield 0.5, "half", 1
        raise ValueError("count: no more")

    monkeypatch.setattr(panel, "count", count)
    do(panel, do="press", name="count")
    seen = work(panel)
    assert seen["message"] == "count: no more" and panel._work is None and seen["work"] is None


# A student's function.


def spoils(x):
    x[0] = 9
    return np.array([1.0, 2.0])


def unwritten(x):
    raise NotImplementedError


@pytest.mark.parametrize(
    ("function", "agrees", "said"),
    [
        (lambda x: x + 0.0, True, "your function: all 2 numbers agree with ours."),
        (lambda x: [1, 2], True, "your function: all 2 numbers agree with ours."),
        (lambda x: x * [1, 1.5], False, "the first number that differs is y[1]: yours is 3, ours is 2. 1 of 2 differ."),
        (lambda x: x * [1, np.nan], False, "y[1]: yours is nan, ours is 2."),
        (lambda x: x + 3e-6, False, "y[0]: yours is 1.000003, ours is 1. 2 of 2 differ."),
        (lambda x: None, False, "nothing to compare. It returned None: is the `return` line missing?"),
        (lambda x: x[:1], False, "nothing to compare. Its shape is (1,), expected (2,): axis 0 has 1, not 2."),
        (lambda x: x[5], False, "your function stopped with an error. IndexError"),
        (unwritten, False, "unwritten is not implemented yet."),
        (spoils, False, "spoils: all 2 numbers agree with ours. It changed its own argument x: work on a copy."),
    ],
)
def test_a_function_beside_ours(function, agrees, said):
    verdict = beside(function, (np.array([1.0, 2.0]),), np.array([1.0, 2.0]), ["x"], ["y"])
    assert verdict.agrees == agrees and said in verdict.sentence


def test_small_numbers_and_several_results_are_compared_as_well():
    tiny = np.array([1e-9, 2e-9])
    assert not beside(lambda x: x * 2, (tiny,), tiny, ["x"]).agrees
    verdict = beside(lambda x: (x, x + 1), (tiny,), (tiny, tiny), ["x"], ["dx", "dw"])
    assert "the first number that differs is dw[0]: yours is 1, ours is 1e-09." in verdict.sentence
    assert beside(lambda x: (x, 3.0), (tiny,), (tiny, 3.0), ["x"], ["dx", "db"]).agrees
    assert "db differs: yours is 4, ours is 3." in beside(lambda x: 4.0, (tiny,), 3.0, ["x"], ["db"]).sentence


def endless(x):
    while True:
        pass


def test_an_endless_function_is_stopped(monkeypatch):
    monkeypatch.setattr("pnnlib.explore.panel_yours.SECONDS", 0.1)
    said = beside(endless, (1.0,), 1.0).sentence
    assert said == "endless did not end: it was stopped after 0.1 seconds. Is there a loop that never stops?"


# Plots.


def elements(plot, kind, standalone=False):
    tree = ElementTree.fromstring(plot.svg(standalone))
    return [e for e in tree.iter() if kind in e.get("class", "").split()]


def numbers(path):
    return np.array(re.findall(r"-?\d+\.?\d*", path.get("d")), float)


def test_places_are_exact():
    plot = Plot("A line.", x=(0, 10), y=(-1, 1), ticks=False)
    left, top, width, height = plot.box()
    plot.line([0, 5, 10], [-1, 0, 1])
    np.testing.assert_allclose(
        numbers(elements(plot, "line")[0]), [0, height, width / 2, height / 2, width, 0], atol=0.06
    )
    assert (left, top) == (8, 8)
    logarithmic = Plot("Bars.", x=(0, 3), y=(1e-4, 1), y_log=True).bars([1, 2], [1e-2, 0.0])
    bars = numbers(elements(logarithmic, "bar")[0])
    _, _, width, height = logarithmic.box()
    np.testing.assert_allclose(bars[:5], [width * 0.2, height / 2, width * 1.4 / 3, height, width * 0.2], atol=0.06)
    assert bars[6] > height  # nothing: its top lies below the axis, outside


def test_what_is_no_number_is_left_out():
    plot = Plot("A gap.", x=(0, 4), y=(0, 1))
    plot.line([0, 1, 2, 3, 4], [0, 1, np.nan, np.inf, 1]).points([1, 2], [0.5, np.nan]).bars([1, 2], [0.5, np.nan])
    path = elements(plot, "line")[0].get("d")
    assert path.count("M") == 2 and "nan" not in plot.svg() and "inf" not in plot.svg()
    assert len(elements(plot, "mark")) == 1
    assert not elements(Plot("Nothing.").arrow(0.5, 0.5, 0.5, 0.5), "head")


def test_every_shape_is_well_formed_and_names_are_escaped():
    nasty = "a < b & 'c' \"d\""
    plot = Plot(nasty, x=(0, 4), y=(4, 0), title=nasty, x_label=nasty, axes=False)
    plot.line([0, 1], [0, 1], label=nasty).area([0, 1], 0, [1, 2], label="area").rule(x=1).rule(y=1, style="dotted")
    plot.bars([1, 2], [1, 2], hollow=[True, False], label="bars").points([1], [1], marker="cross", label="points")
    plot.text(1, 1, nasty).arrow(0, 0, 1, 1, label="arrow").disc(1, 1, nasty, filled=True)
    plot.cells([[1, -2], [0, 3]], marked=[[True, False], [False, False]])
    plot.image(np.eye(3)).image(-np.eye(2), signed=True)
    for standalone in (False, True):
        text = " ".join(ElementTree.fromstring(plot.svg(standalone)).itertext())
        assert text.count(nasty) == 5
    assert len(elements(plot, "cell")) == 4 and len(elements(plot, "marked")) == 1
    assert [e.get("fill-opacity") for e in elements(plot, "cell")] == ["0.18", "0.37", "0.00", "0.55"]


def test_an_image_holds_its_pixels():
    from matplotlib.image import imread

    values = np.array([[0.0, 0.5, 1.0], [1.0, 0.0, 0.25]])
    data = re.search(r'base64,([^"]+)"', Plot("x").image(values).svg())[1]
    pixels = imread(BytesIO(base64.b64decode(data)))
    np.testing.assert_allclose(pixels[..., 0], values, atol=0.003)
    assert pixels.shape == (2, 3, 3)


@pytest.mark.parametrize("alt", ["", "  "])
def test_a_plot_needs_words(alt):
    with pytest.raises(ValueError, match="alt must say in words"):
        Plot(alt)


@pytest.mark.parametrize("limits", [(0, 0), (0, np.nan), (-1, 1)])
def test_impossible_limits(limits):
    with pytest.raises(ValueError, match="limits must be two different"):
        Axis(*limits, log=limits == (-1, 1))


@pytest.mark.parametrize("low, high", [(0, 1), (-3, 17), (1e-6, 3e-6), (-0.2, 12345)])
def test_ticks_are_round_and_lie_within(low, high):
    ticks = Axis(low, high).ticks()
    assert 3 <= len(ticks) <= 8
    assert all(low - 1e-9 <= value <= high + 1e-9 and float(text) == pytest.approx(value) for value, text in ticks)
    assert Axis(high, low).ticks() == ticks


def test_nice_limits_hold_everything():
    rng = np.random.default_rng(0)
    for scale in 10.0 ** np.arange(-8, 9):
        values = rng.normal(rng.normal(), 1, 20) * scale
        low, high = nice_limits(values)
        assert low < values.min() and high > values.max() and high - low < 3 * np.ptp(values)
    assert nice_limits([]) == (0, 1) and nice_limits([np.nan], log=True) == (0.1, 1)
    assert nice_limits([1, 1]) != (1, 1) and nice_limits([0, np.inf, 0.001], log=True, least=2) == (1e-5, 1e-3)


# No leak, and what every panel has.


@pytest.mark.parametrize("name", explore.PANELS)
def test_opened_and_closed_twenty_times(name):
    make = getattr(explore, name)
    make().close()  # what is imported at first use stays
    gc.collect()
    before, made = set(_instances), []
    for _ in range(20):
        panel = make()
        made.append(weakref.ref(panel))
        panel.close()
        assert panel.comm is None
    del panel
    gc.collect()
    assert set(_instances) == before
    assert [ref for ref in made if ref() is not None] == []


@pytest.mark.parametrize("name", explore.PANELS)
def test_every_panel(name):
    panel = getattr(explore, name)()
    assert 2 <= len(panel.presets) <= 5 and panel.title
    assert len({control.label for control in panel.controls}) == len(panel.controls)
    captions, codes = set(), set()
    for place, preset in enumerate(panel.presets):
        seen = do(panel, do="preset", place=place)
        assert seen["message"] == "" and seen["preset"] == place and seen["question"] == preset.question
        assert preset.question.strip().endswith(("?", "."))
        assert seen["caption"] and all(plot["alt"] and len(plot["alt"]) < 600 for plot in seen["plots"])
        for plot in seen["plots"]:
            ElementTree.fromstring(plot["svg"])
        compile(seen["code"], "code", "exec")
        assert len(json.dumps(seen)) < 200_000  # more is slow on its way to the page
        captions.add(seen["caption"])
        codes.add(seen["code"])
        kept = json.loads(json.dumps(panel.state()))
        other = getattr(explore, name)()
        other.load(kept)
        assert other.state() == kept and other.picture["plots"] == seen["plots"]
        other.close()
    assert len(captions) == len(panel.presets)
    panel.close()


@pytest.mark.parametrize("name", explore.PANELS)
def test_every_stop_of_every_slider_can_be_shown(name):
    panel = getattr(explore, name)()
    for place in range(len(panel.presets)):
        do(panel, do="preset", place=place)
        for one in list(panel.picture["controls"]):
            by_kind = {"slider": one.get("last", 0) + 1, "choice": len(one.get("options", ())), "switch": 2}
            stops = by_kind.get(one["kind"], 0)
            for at in sorted({0, 1, stops // 3, stops // 2, stops - 1} & set(range(stops))):
                do(panel, do="preset", place=place)
                seen = change(panel, place={one["name"]: at})
                # What the library refuses is said in its words; anything else would be a mistake of the panel.
                assert "did not work" not in seen["message"], (one["label"], at, seen["message"])
                drawn = re.sub('href="[^"]*"', "", "".join(plot["svg"] for plot in seen["plots"]))
                assert not re.search(r"\b(nan|inf)\b", drawn), (one["label"], at)
    panel.close()
