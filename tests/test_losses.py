import inspect

import numpy as np
import pytest
import torch
from components.losses import WRONG_LABELS
from hypothesis import given, settings, strategies as st

from pnnlib.losses import cross_entropy, misclassified, mse_loss


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize("loss", [mse_loss, cross_entropy])
def test_reduction_goes_by_name_since_pytorch_has_other_arguments_in_between(loss):
    assert inspect.signature(loss).parameters["reduction"].kind == inspect.Parameter.KEYWORD_ONLY


def test_labels_may_be_a_list_or_integers_of_any_kind(rng):
    logits, labels = rng.normal(size=(4, 3)), [2, 0, 1, 2]
    expected = cross_entropy(logits, np.array(labels))
    for target in (labels, tuple(labels), *(np.array(labels, kind) for kind in ("u1", "i1", "u8", "i4"))):
        loss, dlogits = cross_entropy(logits, target)
        assert loss == expected[0]
        np.testing.assert_array_equal(dlogits, expected[1])
        assert misclassified(logits, target) == misclassified(logits, labels)


def test_an_untrained_network_is_as_surprised_as_by_throwing_dice():
    loss, dlogits = cross_entropy(np.zeros((6, 10)), [0, 1, 2, 3, 4, 9])
    np.testing.assert_allclose(loss, np.log(10), rtol=1e-14)
    np.testing.assert_allclose(dlogits.sum(axis=1), 0, atol=1e-16)  # what one output gains, the others lose


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_outputs_far_apart_neither_overflow_nor_give_nan(dtype):
    z = np.array([[1000, -1000], [1000, -1000], [-1000, -1000]], dtype)
    with np.errstate(all="raise", under="ignore"):
        loss, dlogits = cross_entropy(z, [0, 1, 1], reduction="sum")
    assert loss.dtype == dlogits.dtype == dtype
    np.testing.assert_allclose(loss, 2000 + np.log(2), rtol=1e-7)
    np.testing.assert_allclose(dlogits, [[0, 0], [1, -1], [0.5, -0.5]], rtol=1e-6)


def test_the_sum_over_an_empty_batch_is_zero():
    for loss, gradient in (
        mse_loss(np.ones((0, 3)), np.ones((0, 3)), reduction="sum"),
        cross_entropy(np.ones((0, 3)), np.zeros(0, int), reduction="sum"),
    ):
        assert loss == 0 and gradient.shape == (0, 3)
    assert misclassified(np.ones((0, 3)), np.zeros(0, int)) == 0


def test_a_sure_and_right_network_is_not_surprised_at_all():
    loss, _ = cross_entropy([[-np.inf, 0], [1000, -1000]], [1, 0])
    assert loss == 0 and not np.signbit(loss)


def test_mse_gradient_is_the_lectures_error_with_the_sign_turned(rng):
    y, t = rng.normal(size=(2, 3, 4))
    _, dy = mse_loss(y, t, reduction="sum")
    np.testing.assert_allclose(-dy / 2, t - y, rtol=1e-14)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 8), st.integers(1, 4), st.integers(0, 99))
def test_misclassified_counts_as_loops_and_as_pytorch(n, c, seed):
    rng = np.random.default_rng(seed)
    logits, target = rng.integers(0, 3, size=(n, c)).astype(float), rng.integers(0, c, n)  # often with ties
    count = 0
    for outputs, label in zip(logits.tolist(), target.tolist()):
        count += outputs.index(max(outputs)) != label
    assert misclassified(logits, target) == count
    assert type(misclassified(logits, target)) is int
    assert count == int((torch.tensor(logits).argmax(1) != torch.tensor(target)).sum())


def test_outputs_that_are_nan_are_no_right_answer():
    assert misclassified([[np.nan, np.nan], [1, np.nan], [1, 0]], [0, 1, 0]) == 2


def test_misclassified_is_flat_and_so_of_no_use_to_gradient_descent(rng):
    logits, target = rng.normal(size=(20, 5)), rng.integers(0, 5, 20)
    direction = 1e-6 * rng.normal(size=logits.shape)
    assert misclassified(logits + direction, target) == misclassified(logits - direction, target) > 0
    assert cross_entropy(logits + direction, target)[0] != cross_entropy(logits - direction, target)[0]


@pytest.mark.parametrize("wrong", WRONG_LABELS)
def test_misclassified_refuses_wrong_labels_as_cross_entropy_does(wrong):
    with pytest.raises(wrong.error) as caught:
        misclassified(*wrong.arguments)
    assert str(caught.value).startswith("misclassified: ") and wrong.sentence in str(caught.value)


def test_nothing_is_written_into(rng):
    logits, target = rng.normal(size=(4, 3)), rng.integers(0, 3, 4)
    logits.flags.writeable = target.flags.writeable = False
    misclassified(logits, target)
