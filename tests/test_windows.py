import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

from pnnlib.windows import cure_for_axes, geometry, output_size, pad, per_axis, receptive_field, taps

GRID = [(n, k, s, p, d) for n in (1, 4, 5, 8) for k in (1, 2, 3) for s in (1, 2, 3) for p in (0, 1, 2) for d in (1, 2)]
FITTING = [case for case in GRID if case[4] * (case[1] - 1) + 1 <= case[0] + 2 * case[3]]


@pytest.mark.parametrize("n, k, s, p, d", FITTING)
def test_output_size_is_the_number_of_places_and_pytorchs(n, k, s, p, d):
    places = 0
    while places * s + d * (k - 1) < n + 2 * p:
        places += 1
    theirs = torch.nn.functional.conv1d(torch.zeros(1, 1, n), torch.zeros(1, 1, k), None, s, p, d).shape[-1]
    assert output_size(n, k, s, p, d) == places == theirs


@pytest.mark.parametrize("n, k, s, p, d", [case for case in GRID if case not in FITTING])
def test_output_size_refuses_a_mask_that_does_not_fit_as_pytorch_does(n, k, s, p, d):
    with pytest.raises(RuntimeError):
        torch.nn.functional.conv1d(torch.zeros(1, 1, n), torch.zeros(1, 1, k), None, s, p, d)
    with pytest.raises(ValueError, match=f"^output_size: the mask must fit .* size {k}.*{n} pixels with padding {p}"):
        output_size(n, k, s, p, d)


def test_options_of_no_use_are_refused_by_name():
    with pytest.raises(ValueError, match="^output_size: stride must be at least 1, got 0$"):
        output_size(5, 2, stride=0)
    with pytest.raises(ValueError, match="^output_size: dilation must be at least 1, got 0$"):
        output_size(5, 2, dilation=0)
    with pytest.raises(ValueError, match="^output_size: padding must be at least 0, got -1$"):
        output_size(5, 2, padding=-1)
    with pytest.raises(ValueError, match="^output_size: the mask's size must be at least 1, got 0$"):
        output_size(5, 0)
    with pytest.raises(TypeError, match="^output_size: stride must be an int, got 1.5$"):
        output_size(5, 2, stride=1.5)
    with pytest.raises(TypeError, match="^output_size: the mask's size must be an int, got \\(2, 3\\)$"):
        output_size(5, (2, 3))


def test_per_axis_takes_an_int_or_one_for_each_axis():
    assert per_axis("f", "stride", 2, 2, least=1) == (2, 2)
    assert per_axis("f", "stride", [1, 3], 2, least=1) == (1, 3)
    assert per_axis("f", "stride", np.array([1, 3]), 2, least=1) == (1, 3)
    assert per_axis("f", "stride", np.int64(3), 1, least=1) == (3,)
    with pytest.raises(TypeError, match=r"^f: stride must be an int or 2 ints, got \(1, 2, 3\)$"):
        per_axis("f", "stride", (1, 2, 3), 2, least=1)
    with pytest.raises(TypeError, match="^f: padding must be an int or 2 ints, got 'same'$"):
        per_axis("f", "padding", "same", 2, least=0)
    with pytest.raises(ValueError, match=r"^f: padding must be at least 0, got \(1, -2\)$"):
        per_axis("f", "padding", (1, -2), 2, least=0)


def test_geometry_keeps_the_axes_apart():
    assert geometry("f", (7, 9), (2, 3), (1, 2), (0, 4), (3, 1)) == ((4, 8), (2, 3), (1, 2), (0, 4), (3, 1))


@pytest.mark.parametrize("padding, theirs", [((1, 2), (2, 2, 1, 1)), ((0, 3), (3, 3, 0, 0)), ((2,), (2, 2))])
@pytest.mark.parametrize("value", [0, -np.inf])
def test_pad_appends_to_both_ends_of_the_last_axes(padding, theirs, value):
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 5))[:, ::-1, :, ::2]
    before = x.copy()
    expected = torch.nn.functional.pad(torch.tensor(x.copy()), theirs, value=value).numpy()
    np.testing.assert_array_equal(pad(x, padding, value), expected)
    np.testing.assert_array_equal(x, before)


def test_pad_keeps_the_type():
    assert pad(np.ones((2, 2), np.float32), (1, 1)).dtype == np.float32


@pytest.mark.parametrize("padding", [1, (), (1, 1, 1)])
def test_pad_wants_to_know_the_axes(padding):
    with pytest.raises(TypeError, match="^pad: padding must hold one int for each spatial axis"):
        pad(np.ones((2, 2)), padding)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_taps_are_the_shifted_inputs_of_the_sum(data):
    kh, kw, sh, sw, dh, dw = (data.draw(st.integers(1, 3)) for _ in range(6))
    h = data.draw(st.integers(dh * (kh - 1) + 1, 9))
    w = data.draw(st.integers(dw * (kw - 1) + 1, 9))
    x = np.arange(2 * h * w).reshape(2, h, w)
    seen = []
    for (k, l), tap in taps(x, (kh, kw), (sh, sw), (dh, dw)):
        seen.append((k, l))
        assert tap.shape == (2, output_size(h, kh, sh, 0, dh), output_size(w, kw, sw, 0, dw))
        for i, j in np.ndindex(tap.shape[1:]):
            np.testing.assert_array_equal(tap[:, i, j], x[:, i * sh + k * dh, j * sw + l * dw])
    assert seen == list(np.ndindex(kh, kw))


def test_taps_are_views_so_that_a_backward_can_add_into_them():
    x = np.zeros((3, 5))[::-1]
    for _, tap in taps(x, (2, 3)):
        tap += 1
    np.testing.assert_array_equal(x, [[1, 2, 3, 2, 1], [2, 4, 6, 4, 2], [1, 2, 3, 2, 1]])


def test_taps_of_a_mask_that_does_not_fit():
    with pytest.raises(ValueError, match="^taps: the mask must fit .* size 3, with dilation 2 it spans 5, .* 4 pixels"):
        list(taps(np.zeros((4, 6)), (3, 3), dilation=2))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 2), st.integers(1, 3)), min_size=1, max_size=3))
def test_receptive_field_is_what_a_gradient_reaches(layers):
    # All weights 1: the input pixels whose gradient is not 0 are those that the output depends on.
    size = receptive_field(layers)
    x = torch.zeros(1, 1, size, requires_grad=True)
    y = x
    for k, s, d in layers:
        y = torch.nn.functional.conv1d(y, torch.ones(1, 1, k), stride=s, dilation=d)
    assert y.shape[-1] == 1
    y.sum().backward()
    reached = torch.nonzero(x.grad[0, 0]).ravel()
    assert int(reached.max() - reached.min()) + 1 == size


def test_receptive_field_of_no_layer_is_the_pixel_itself():
    assert receptive_field([]) == 1


@pytest.mark.parametrize("layers", [[3, 3], [()], [(3, 1, 1, 1)]])
def test_receptive_field_explains_what_a_layer_is(layers):
    with pytest.raises(TypeError, match="^receptive_field: every layer must be \\(kernel, stride, dilation\\), got"):
        receptive_field(layers)


@pytest.mark.parametrize("axes", [1, 2])
def test_cure_for_axes_leads_to_the_right_number_of_axes(axes):
    x = np.ones((5,) * axes)
    assert "x[None, None]" in cure_for_axes(x, axes)
    assert "x[None]" in cure_for_axes(x[None], axes)
    assert cure_for_axes(x[None, None], axes) == ""
    assert cure_for_axes(x[None, None, None], axes) == f"x needs {axes + 2} axes, it has {axes + 3}"
