"""The pooling explorable: its numbers against PyTorch, its counts, its words, and a student's functions."""

import numpy as np
import pytest
import torch

from pnnlib.explore import explore_pooling
from pnnlib.explore.pooling import ACROSS, PATTERNS, REGIONS, WHOLE
from pnnlib.explore.pooling import changed, looked_at, pattern, pattern_maps, pool_maps


def in_torch(x, kind, over, size, stride, group):
    x = torch.tensor(x)
    if over == REGIONS:
        return getattr(torch.nn.functional, {"max": "max_pool2d", "mean": "avg_pool2d"}[kind])(x, size, stride)
    if over == WHOLE:
        return getattr(torch.nn.functional, {"max": "adaptive_max_pool2d", "mean": "adaptive_avg_pool2d"}[kind])(x, 1)
    members = x.unflatten(0, (-1, group))
    return members.amax(1) if kind == "max" else members.mean(1)


def numbers(panel):
    """The last numbers of the two equations: the chosen output before and now."""
    lines = panel.picture["lines"]
    return float(lines[1][1]), float(lines[3][1])


def counted(panel):
    return [(row[0], int(row[1]), int(row[2])) for row in panel.picture["table"][1:]]


@pytest.mark.parametrize("kind", ["max", "mean"])
@pytest.mark.parametrize("over", [REGIONS, WHOLE, ACROSS])
@pytest.mark.parametrize(("size", "stride"), [(1, 1), (2, 2), (3, 1), (3, 2), (2, 5), (6, 6)])
def test_pooling_agrees_with_pytorch(kind, over, size, stride):
    for seed in range(3):
        x = np.random.default_rng(seed).normal(size=(4, 6, 7))
        for group in (2, 4):
            ours = pool_maps(x, kind, over, size, stride, group)
            theirs = in_torch(x, kind, over, size, stride, group)
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)


def test_pixels_that_no_region_looks_at():
    for side, size, stride in ((8, 2, 2), (8, 3, 3), (8, 3, 2), (7, 2, 3), (8, 8, 1), (4, 1, 2)):
        x = torch.zeros(1, side, side, requires_grad=True)
        torch.nn.functional.avg_pool2d(x, size, stride).sum().backward()
        np.testing.assert_array_equal(looked_at(side, size, stride), (x.grad[0] * size**2).round().int())


def test_what_counts_as_changed():
    marks, by = changed(np.array([0.1 + 0.2, 2.0]), np.array([0.3, 1.0]))  # the same sum, but for rounding
    assert marks.tolist() == [False, True] and by == pytest.approx(1 / np.hypot(0.3, 2))
    assert np.isnan(changed(np.zeros(2), np.ones(2))[1])


@pytest.mark.parametrize("place", range(5))
@pytest.mark.parametrize("kind", ["max", "mean"])
@pytest.mark.parametrize("moved", [{}, {"row": 0, "column": 1, "map": 3, "apart": 2}])
def test_code_gives_what_is_shown(place, kind, moved, capsys):
    panel = explore_pooling()
    panel._do({"do": "preset", "place": place})
    panel.set(kind=kind, **moved)
    ran = {}
    exec(panel.code(), ran)
    (_, many, of_x), *both = counted(panel)
    _, fewer, of_y = both[kind == "mean"]
    assert capsys.readouterr().out == f"{of_x} of {many} changed before pooling\n{of_y} of {fewer} after\n"
    s = panel.state()
    ours = pool_maps(ran["now"].numpy(), kind, s["over"], s["size"], s["stride"], int(s["group"]))
    np.testing.assert_allclose(ran["y"].numpy(), ours, rtol=0, atol=1e-12)
    shown = numbers(panel)
    at = np.argmin(abs(ours - shown[1]))
    assert ours.flat[at] == pytest.approx(shown[1], rel=6e-3)
    panel.close()


def test_every_region_written_out_gives_its_number():
    for over, settings in ((REGIONS, {"size": 3, "stride": 2}), (ACROSS, {"map": 2, "group": "2"})):
        for kind, of in (("max", max), ("mean", lambda *n: sum(n) / len(n))):
            panel = explore_pooling(over=over, kind=kind, pattern=PATTERNS[1], row=1, column=1, **settings)
            for (_, region), (_, result) in zip(*[iter(panel.picture["lines"])] * 2):
                assert eval(region, {"max": max, "mean": of}) == pytest.approx(float(result), rel=6e-3)
            panel.close()


def test_a_peak_may_move_within_its_region():
    panel = explore_pooling()
    for row in range(8):
        for column in range(8):
            panel.set(row=row, column=column)
            before, after, _ = (changes for _, _, changes in counted(panel))
            still = (row, column) == (2, 2)
            assert before == (0 if still else 2)
            assert after == (0 if row in (2, 3) and column in (2, 3) else 2)
    panel.set(row=2, column=3)
    assert panel.caption == (
        "The pattern has gone 1 right. 2 of 64 numbers changed before pooling, 0 of 16 after it."
    )
    panel.press("from_here")
    panel.set(column=4, row=1)
    assert panel.caption == (
        "The pattern has gone 1 up and 1 right. 2 of 64 numbers changed before pooling, 2 of 16 after it."
    )


def test_means_change_in_more_places_than_maxima():
    panel = explore_pooling()
    panel._do({"do": "preset", "place": 1})
    found = {}
    for column in range(4):
        panel.set(column=column)
        (_, _, found[column]), (_, _, largest), (_, _, mean) = counted(panel)
        assert (largest, mean) == [(0, 0), (0, 0), (1, 2), (2, 2)][column]
    alt = panel.picture["plots"][1]["alt"]
    assert alt == (
        "After pooling, the maximum of regions of 4×4, stride 4: one map of 2×2. The numbers are 2 9; 0 0. "
        "2 of 4 numbers changed."
    )


def test_nothing_moves_the_number_of_a_whole_map():
    panel = explore_pooling()
    panel._do({"do": "preset", "place": 2})
    for apart in (1, 4, 7):
        for row in (0, 7):
            for kind in ("max", "mean"):
                panel.set(apart=apart, row=row, column=8 - apart - 1, kind=kind)
                assert [changes for _, _, changes in counted(panel)][1:] == [0, 0]
    assert panel.picture["notes"] == ["One number is left of the map. It says what is there, and not where."]


def test_across_maps_the_place_is_noticed_and_the_map_is_not():
    panel = explore_pooling()
    panel._do({"do": "preset", "place": 3})
    for which in (1, 2, 3):
        panel.set(map=which)
        assert [changes for _, _, changes in counted(panel)] == [2, 0, 0]
    panel.set(column=2)
    assert panel.caption == (
        "The pattern has gone 1 right and from map 0 to map 3. "
        "2 of 64 numbers changed before pooling, 2 of 16 after it."
    )
    panel.set(column=1, group="2")  # maps 2 and 3 are another group
    assert [changes for _, _, changes in counted(panel)] == [2, 2, 2]
    assert panel.picture["plots"][1]["moves"] is None


def test_two_inputs_with_the_same_output():
    panel = explore_pooling()
    panel._do({"do": "preset", "place": 4})
    assert panel.caption == (
        "A and B differ in 2 of 16 pixels, and pooling makes the same of both: nothing behind it can tell them apart."
    )
    assert [changes for _, _, changes in counted(panel)] == [2, 0, 2]
    panel._do({"do": "change", "type": {"two": [[[0, 2], "6"]]}})
    assert panel.caption == "A and B differ in 2 of 16 pixels, and still in 1 of 4 outputs: pooling keeps them apart."
    panel.press("another_way")
    assert [changes for _, _, changes in counted(panel)] == [16, 0, 0]
    panel.set(kind="mean")
    assert "differ in 16 of 16 pixels, and pooling makes the same" in panel.caption
    panel.set(two=panel.state()["one"])
    assert panel.caption == "B is the same input as A. Change it."


def test_notes():
    panel = explore_pooling(size=3, stride=3)
    assert panel.picture["notes"] == ["28 of 64 pixels lie in no region: what happens there is not seen at all."]
    panel.set(stride=1)
    assert panel.picture["notes"] == ["Regions overlap: a pixel lies in up to 9 of them."]
    panel.set(size=1)
    assert panel.picture["notes"] == ["Regions of one pixel, stride 1: nothing is pooled."]


def test_the_pattern_stays_on_the_map():
    panel = explore_pooling(pattern="two parts", apart=3, column=4, row=7)
    panel.set(apart=6)
    assert panel.state()["column"] == 1
    panel.set(over=ACROSS)
    assert (panel.state()["apart"], panel.state()["column"], panel.state()["row"]) == (3, 0, 3)
    with pytest.raises(ValueError, match="Column of the pattern must be a whole number from 0 to 0, got 1"):
        panel.set(column=1)
    np.testing.assert_array_equal(pattern_maps(pattern("two parts", 1), 1, 1, (2, 2, 3), 1)[1], [[0, 0, 0], [0, 9, 5]])


def max_pool(x, size, stride):
    return pool_maps(x, "max", REGIONS, size, stride)


def average_pool(x, size, stride):
    return max_pool(x, size, stride)


def global_average_pool(x):
    return x.mean((1, 2))


def cross_channel_max_pool(x, group):
    return x.reshape(-1, group, *x.shape[1:]).max(1)


@pytest.mark.parametrize(
    ("function", "opens", "said"),
    [
        (max_pool, ("max", REGIONS), "max_pool: all 16 numbers agree with ours."),
        (average_pool, ("mean", REGIONS), "the first number that differs is y[0, 1, 1]: yours is 9, ours is 2.25."),
        (global_average_pool, ("mean", WHOLE), "global_average_pool: the one number agrees with ours."),
        (cross_channel_max_pool, ("max", ACROSS), "cross_channel_max_pool: all 16 numbers agree with ours."),
        (lambda x, size, stride: x, ("max", REGIONS), "Its shape is (1, 8, 8), expected (1, 4, 4)"),
    ],
)  # fmt: skip
def test_a_students_function(function, opens, said):
    panel = explore_pooling(function)
    assert (panel.state()["kind"], panel.state()["over"]) == opens
    assert said in panel.picture["verdict"]["sentence"]
    panel.close()
    assert panel._function is None


def test_a_function_that_does_something_else():
    panel = explore_pooling(max_pool, kind="mean")
    assert panel.picture["verdict"]["sentence"] == (
        "max_pool keeps the maximum of regions of each map: choose these, and it can be compared."
    )
    with pytest.raises(TypeError, match="explore_pooling: function must be a function, got 2"):
        explore_pooling(2)
