from functools import partial

import numpy as np
import pytest
from components.rnn import WRONG_ARGUMENTS, network
from hypothesis import given, settings, strategies as st
from witnesses import check_purity, check_values, layouts

import pnnlib.rnn
from pnnlib.activations import relu, relu_backward, tanh, tanh_backward
from pnnlib.linear import linear, linear_backward
from pnnlib.rnn import rnn, rnn_backward, unfold

PHI = {"tanh": (tanh, tanh_backward), "relu": (relu, partial(relu_backward, at_zero=0))}


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def long_network(rng, steps, sequences, inputs, hidden):
    """Weights so large that neither states nor gradients die out or explode within the sequence."""
    shapes = (steps, sequences, inputs), (sequences, hidden), (hidden, inputs), (hidden, hidden), (hidden,), (hidden,)
    x, h0, w_ih, w_hh, b_ih, b_hh = (rng.normal(size=shape) for shape in shapes)
    return x, h0, w_ih, np.linalg.qr(w_hh)[0], b_ih / 4, b_hh / 4


def through_the_layers(layers, h0, phi):
    states, h = [], h0
    for weight, bias in layers:
        h = phi(h @ weight.T + bias)
        states.append(h)
    return np.array(states)


@pytest.mark.parametrize("nonlinearity", PHI)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_the_unfolded_network_is_the_recurrent_one_bit_for_bit(dtype, nonlinearity, data):
    size = lambda most: data.draw(st.one_of(st.just(1), st.integers(1, most)))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    arrays = [a.astype(dtype) for a in long_network(rng, size(60), size(40), size(20), size(70))]
    arrays = arrays[:4] if data.draw(st.booleans()) else arrays
    arrays = [data.draw(st.sampled_from([a, *layouts(a).values()])) for a in arrays]
    layers = unfold(*arrays)
    assert len(layers) == len(arrays[0]) and all(weight is layers[0][0] for weight, _ in layers)
    states = through_the_layers(layers, arrays[1], PHI[nonlinearity][0])
    expected = rnn(*arrays, nonlinearity=nonlinearity)
    assert states.dtype == expected.dtype == dtype
    assert states.tobytes() == expected.tobytes()


@pytest.mark.parametrize("nonlinearity", PHI)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("sizes", [(1, 1, 1), (1, 3, 64), (7, 4, 33), (64, 10, 128)])
def test_fifty_steps_are_fifty_layers_bit_for_bit(rng, dtype, nonlinearity, sizes):
    arrays = [a.astype(dtype) for a in long_network(rng, 50, *sizes)]
    layers = unfold(*arrays)
    assert len(layers) == 50
    expected = rnn(*arrays, nonlinearity=nonlinearity)
    assert through_the_layers(layers, arrays[1], PHI[nonlinearity][0]).tobytes() == expected.tobytes()
    # and built of the library's layers
    h = arrays[1]
    for (weight, bias), state in zip(layers, expected):
        h = PHI[nonlinearity][0](linear(h, weight) + bias)
        np.testing.assert_array_equal(h, state)


@pytest.mark.parametrize("nonlinearity", PHI)
def test_gradients_through_fifty_steps_are_those_through_fifty_layers(rng, nonlinearity):
    phi, phi_backward = PHI[nonlinearity]
    x, h0, w_ih, w_hh, b_ih, b_hh = arrays = long_network(rng, 50, 3, 4, 5)
    dy = rng.normal(size=(50, 3, 5))

    inputs, nets, h = [], [], h0
    for weight, bias in unfold(*arrays):
        inputs.append(h)
        nets.append(linear(h, weight) + bias)
        h = phi(nets[-1])

    dh, dbias, dw_hh = np.zeros_like(h0), np.zeros((50, 3, 5)), np.zeros_like(w_hh)
    for t in reversed(range(50)):
        dbias[t] = phi_backward(dy[t] + dh, nets[t])
        dh, dweight, _ = linear_backward(dbias[t], inputs[t], w_hh)
        dw_hh += dweight  # the layers share it, so their gradients add up
    dx, dw_ih, db_ih = linear_backward(dbias, x, w_ih, b_ih)

    expected = dx, dh, dw_ih, dw_hh, db_ih, dbias.sum((0, 1))
    for ours, theirs in zip(rnn_backward(dy, *arrays, nonlinearity), expected, strict=True):
        check_values(ours, theirs, atol=1e-12 * max(1, np.abs(theirs).max()))
    assert np.abs(dh).max() > 1e-9, "a gradient that has vanished would prove nothing"


def test_the_weights_of_one_neuron_make_the_lectures_chain(rng):
    # Part b: every step back multiplies the error by φ′(w·y)·w. One neuron, no input, the loss at the last step.
    w, steps = 0.7, 6
    x, h0, w_ih, w_hh = np.zeros((steps, 1, 1)), np.array([[0.9]]), np.zeros((1, 1)), np.array([[w]])
    dy = np.zeros((steps, 1, 1))
    dy[-1] = 1
    y, chain = 0.9, 1.0
    for _ in range(steps):
        chain *= (1 - np.tanh(w * y) ** 2) * w
        y = np.tanh(w * y)
    _, dh0, *_ = rnn_backward(dy, x, h0, w_ih, w_hh)
    np.testing.assert_allclose(dh0, chain, rtol=1e-13)


@pytest.mark.parametrize("nonlinearity", PHI)
def test_states_at_hand_give_the_same_gradients(rng, nonlinearity):
    arrays = network(rng, (5, 3, 4, 2), (True, True), nonlinearity).arrays
    h, dy = rnn(*arrays, nonlinearity), rng.normal(size=(5, 3, 2))
    for with_h, without in zip(rnn_backward(dy, *arrays, nonlinearity, h=h), rnn_backward(dy, *arrays, nonlinearity)):
        np.testing.assert_array_equal(with_h, without)
    check_purity(rnn_backward, dy, *arrays, nonlinearity=nonlinearity, h=h)


def test_states_at_hand_are_not_computed_again(rng, monkeypatch):
    arrays = network(rng, (5, 3, 4, 2), (True, True), "tanh").arrays
    h = rnn(*arrays)
    monkeypatch.setattr(pnnlib.rnn, "rnn", None)
    rnn_backward(np.ones_like(h), *arrays, h=h)


def test_the_gradients_of_both_biases_are_two_arrays(rng):
    arrays = network(rng, (3, 2, 2, 2), (True, True), "tanh").arrays
    *_, db_ih, db_hh = rnn_backward(rng.normal(size=(3, 2, 2)), *arrays)
    np.testing.assert_allclose(db_ih, db_hh, rtol=1e-14)
    assert not np.shares_memory(db_ih, db_hh)


def test_unfold_writes_into_nothing_and_keeps_the_type(rng):
    arrays = network(rng, (3, 2, 2, 4), (True, True), "tanh").arrays
    check_purity(lambda *a: unfold(*a)[-1], *arrays)


def test_no_sequences_at_all():
    arrays = np.ones((5, 0, 3)), np.ones((0, 4)), np.ones((4, 3)), np.ones((4, 4)), np.ones(4), np.ones(4)
    assert rnn(*arrays).shape == (5, 0, 4)
    gradients = rnn_backward(np.ones((5, 0, 4)), *arrays)
    for gradient, a in zip(gradients, arrays, strict=True):
        np.testing.assert_array_equal(gradient, np.zeros(a.shape))


@pytest.mark.parametrize("wrong", WRONG_ARGUMENTS)
def test_unfold_refuses_what_rnn_refuses(wrong):
    with pytest.raises(wrong.error) as caught:
        unfold(*wrong.arguments)
    assert str(caught.value).startswith("unfold: ") and wrong.sentence in str(caught.value)
