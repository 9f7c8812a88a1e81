"""Attacks on networks: against PyTorch's autograd, within their bounds, and on trained networks more than by chance."""

import copy
import inspect
from functools import partial
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from torch.nn import functional as F
from witnesses import check_purity, check_values

from components import public_functions
from pnnlib.adversarial import (
    _as_seen, attack, fgsm, input_gradient, learn_patch, object_mask, onto_background, paste, random_control,
    random_places,
)
from pnnlib.augment import (
    compose, random_crop, random_flip, random_noise, random_rotation, random_scale, random_shear, random_shift,
)
from pnnlib.bridge import to_torch
from pnnlib.data import digits
from pnnlib.layers import (
    RNN, BatchNorm1d, Conv2d, Dropout, Flatten, Identity, LastStep, Linear, Module, Parallel, PReLU, ReLU, Residual,
    Sequential, Tanh,
)
from pnnlib.losses import cross_entropy, mse_loss
from pnnlib.networks import digits_cnn, mlp
from pnnlib.optim import Adam
from pnnlib.train import accuracy, fit, numerical_gradient, outputs, predict


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def with_statistics(model, x):
    """Let batch normalisation see something, so that usage differs from training."""
    for _ in range(3):
        model.train()(x)
    return model


NETWORKS = {
    "digits_cnn": (lambda: digits_cnn(rng=0), (4, 1, 8, 8)),
    "mlp": (lambda: Sequential(Flatten(), mlp([64, 12, 10], Tanh, rng=0)), (3, 1, 8, 8)),
    "one layer": (lambda: Linear(6, 10, rng=0), (5, 6)),
    "dropout and statistics": (
        lambda: Sequential(Linear(6, 9, rng=0), BatchNorm1d(9), PReLU(9), Dropout(0.5, rng=0), Linear(9, 10, rng=1)),
        (5, 6),
    ),
    "blocks": (
        lambda: Sequential(
            Residual(Conv2d(2, 2, 3, padding=1, rng=0)), ReLU(),
            Parallel(Conv2d(2, 1, 1, rng=1), Conv2d(2, 2, 3, padding=1, rng=2)), Flatten(), Linear(60, 10, rng=3),
        ),
        (3, 2, 4, 5),
    ),
    "recurrent": (
        lambda: Sequential(RNN(3, 5, batch_first=True, rng=0), LastStep(batch_first=True), Linear(5, 10, rng=1)),
        (4, 6, 3),
    ),
}
EACH = pytest.mark.parametrize("make, shape", NETWORKS.values(), ids=NETWORKS)


def network(make, shape):
    rng = np.random.default_rng(7)
    x = rng.random(shape)
    return with_statistics(make(), x), x, rng.integers(10, size=len(x))


def torch_gradient(module, x, labels):
    x = x.detach().requires_grad_()
    (dx,) = torch.autograd.grad(F.cross_entropy(module(x), labels), x)
    return dx


def torch_attack(module, x, labels, epsilon, steps, step_size):
    y = x.clone()
    for _ in range(steps):
        y = y + step_size * torch_gradient(module, y, labels).sign()
        y = torch.max(torch.min(y, x + epsilon), x - epsilon).clamp(0, 1)
    return y


# Against PyTorch


@EACH
def test_attacks_agree_with_pytorch(make, shape):
    model, x, labels = network(make, shape)
    module = to_torch(model).eval()
    torch_x, torch_labels = torch.tensor(x), torch.tensor(labels)
    dx = input_gradient(model, x, labels)
    check_values(dx, torch_gradient(module, torch_x, torch_labels).numpy())
    for epsilon in (0.01, 0.2):
        theirs = (torch_x + epsilon * torch_gradient(module, torch_x, torch_labels).sign()).clamp(0, 1)
        check_values(fgsm(x, dx, epsilon), theirs.numpy())
        for steps, step_size in [(1, None), (5, None), (7, epsilon / 2), (3, 3 * epsilon)]:
            ours = attack(partial(input_gradient, model), x, labels, epsilon, steps, step_size=step_size)
            theirs = torch_attack(module, torch_x, torch_labels, epsilon, steps, step_size or epsilon / steps)
            check_values(ours, theirs.numpy())


def test_any_loss_will_do(rng):
    model, x, t = Linear(6, 2, rng=0), rng.random((5, 6)), rng.random((5, 2))
    tensor = torch.tensor(x, requires_grad=True)
    F.mse_loss(to_torch(model)(tensor), torch.tensor(t)).backward()
    check_values(input_gradient(model, x, t, loss=mse_loss), tensor.grad.numpy())


@EACH
def test_the_gradient_is_that_of_the_cost_in_usage(make, shape):
    model, x, labels = network(make, shape)
    numeric = numerical_gradient(lambda x: cross_entropy(outputs(model, x), labels)[0], x[:1] if len(x) == 1 else x)
    check_values(input_gradient(model, x, labels), numeric, atol=1e-7)


# The network is afterwards as it was


def everything(model):
    """All that a network holds, in copies."""
    return copy.deepcopy([vars(part) for part in (*model.modules(), *model.parameters())])


def same(a, b):
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, np.random.Generator):
        return a.bit_generator.state == b.bit_generator.state
    if hasattr(a, "__dict__"):
        return same(vars(a), vars(b))
    return np.array_equal(a, b)


@EACH
@pytest.mark.parametrize("state", ["new", "training", "usage", "mixed", "failed"])
def test_the_network_is_left_as_it_was(make, shape, state):
    model, x, labels = network(make, shape)
    if state == "new":
        model = make()
    elif state == "usage":
        model.eval()
    elif state == "mixed":  # as when the first layers are frozen
        next(iter(model.modules())).training = False
    if state in ("training", "mixed"):
        model.backward(cross_entropy(model(x), labels)[1])
    before = everything(model)
    data = [id(p.data) for p in model.parameters()]
    if state == "failed":
        with pytest.raises(ValueError):
            input_gradient(model, x, np.full(len(x), 99))
    else:
        input_gradient(model, 1 - x, labels)
        attack(partial(input_gradient, model), 1 - x, labels, 0.1, 2)
    assert same(before, everything(model))
    assert data == [id(p.data) for p in model.parameters()]


def test_an_attack_between_forward_and_backward_does_not_matter():
    x, labels = network(*NETWORKS["digits_cnn"])[1:]
    gradients = []
    for attacked in (False, True):
        model = digits_cnn(rng=0)
        _, dy = cross_entropy(model(x), labels)
        if attacked:
            input_gradient(model, 1 - x[:2], labels[:2])
        model.backward(dy)
        gradients.append([p.grad for p in model.parameters()])
    assert same(*gradients)


# What holds for every gradient


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_no_step_leaves_the_box_or_goes_further_than_epsilon(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 999)))
    dtype = data.draw(st.sampled_from([np.float32, np.float64]))
    shape = tuple(data.draw(st.lists(st.integers(0, 4), max_size=3)))
    x = np.asarray(rng.integers(9, size=shape) / 8 if data.draw(st.booleans()) else rng.random(shape), dtype)
    epsilon, steps = data.draw(st.floats(0, 2)), data.draw(st.integers(1, 12))
    step_size = data.draw(st.none() | st.floats(0, 3))
    seen, before = [], x.copy()

    def gradient(y, label):
        seen.append(np.array(y))
        return rng.normal(size=shape) * rng.choice([0, 1, 1e30, np.inf, 1e-300], size=shape)

    result = attack(gradient, x, None, epsilon, steps, step_size=step_size)
    one_step = fgsm(x, rng.normal(size=shape).astype(dtype), epsilon)
    for y in (*seen, result, one_step, random_control(x, epsilon, rng)):
        assert y.dtype == dtype and np.shape(y) == shape
        assert np.all(y >= 0) and np.all(y <= 1)
        assert np.all(y <= x + epsilon) and np.all(y >= x - epsilon)
    assert len(seen) == steps
    np.testing.assert_array_equal(seen[0], x)
    np.testing.assert_array_equal(x, before)


def test_where_the_gradient_is_zero_nothing_moves(rng):
    x = rng.random((3, 1, 4, 5))
    zero = rng.random(x.shape) < 0.5
    dx = np.where(zero, rng.choice([0.0, -0.0], size=x.shape), rng.normal(size=x.shape))
    for y in (fgsm(x, dx, 0.1), attack(lambda y, label: dx, x, 0, 0.1, 4)):
        np.testing.assert_array_equal(y[zero], x[zero])
        assert np.all(y[~zero] != x[~zero])
    np.testing.assert_array_equal(fgsm(x, 0 * dx, 0.5), x)


def test_one_step_is_fgsm_and_nothing_is_shared(rng):
    x, dx = rng.random((4, 3, 5)), rng.normal(size=(4, 3, 5))
    np.testing.assert_array_equal(attack(lambda y, label: dx, x, 0, 0.3, 1), fgsm(x, dx, 0.3))
    for y in (fgsm(x, dx, 0), attack(lambda y, label: dx, x, 0, 0, 3), random_control(x, 0)):
        np.testing.assert_array_equal(y, x)
        assert not np.shares_memory(x, y)


def test_a_gradient_that_writes_into_its_argument_does_not_reach_x(rng):
    x = rng.random((2, 3))
    x.flags.writeable = False

    def gradient(y, label):
        y[:] = 0
        return np.ones_like(y)

    attack(gradient, x, 0, 0.1, 3)


def test_the_label_is_handed_on_and_float32_stays():
    label = object()
    x = np.full((2, 3), 0.5, np.float32)

    def gradient(y, given):
        assert given is label and y.dtype == np.float32
        return np.full(y.shape, 1e-300)  # as float32 it would be 0

    y = attack(gradient, x, label, np.float64(0.25), 2)
    assert y.dtype == np.float32
    np.testing.assert_array_equal(y, 0.75)


def test_with_larger_steps_it_comes_back_from_the_border():
    # the cost is highest at 0.6; steps of ε/steps stop short, larger ones overshoot, and turn back
    peak = lambda y, label: 0.6 - y
    x = np.array([0.5])
    np.testing.assert_allclose(attack(peak, x, 0, 0.4, 4, step_size=0.3), [0.6 - 0.1])  # 0.8, 0.5, 0.8, 0.5
    np.testing.assert_allclose(attack(peak, x, 0, 0.4, 1), [0.9])  # one step overshoots for good
    np.testing.assert_allclose(attack(peak, x, 0, 0.4, 40), [0.6], atol=0.011)


def test_for_a_linear_network_it_is_the_worst_of_all_changes(rng):
    # two classes: what counts is the difference of their net inputs, and ε Σ |w| is all that it can lose
    model = Linear(30, 2, rng=0)
    x, labels = rng.uniform(0.3, 0.7, size=(20, 30)), rng.integers(2, size=20)
    w = model.weight.data[1] - model.weight.data[0]
    lead = lambda x: np.where(labels == 1, 1, -1) * (model(x)[:, 1] - model(x)[:, 0])
    for y in (
        fgsm(x, input_gradient(model, x, labels), 0.2), attack(partial(input_gradient, model), x, labels, 0.2, 5)
    ):
        np.testing.assert_allclose(lead(x) - lead(y), 0.2 * np.abs(w).sum())
    for seed in range(20):
        assert np.all(lead(x) - lead(random_control(x, 0.2, seed)) < 0.2 * np.abs(w).sum())


# The control


def test_the_control_changes_every_pixel_by_exactly_epsilon(rng):
    for dtype, epsilon in product([np.float32, np.float64], [0.01, 0.1, 0.25]):
        x = rng.uniform(0.3, 0.7, size=(50, 1, 8, 8)).astype(dtype)
        y = random_control(x, epsilon, rng=3)
        assert np.all((y == x + epsilon) | (y == x - epsilon))  # nothing to cut off here: no pixel less, none more
        up = y > x
        assert abs(up.mean() - 0.5) < 0.03
        assert abs(np.corrcoef(up.reshape(2, -1))[0, 1]) < 0.1 and abs(np.mean(up[:-1] == up[1:]) - 0.5) < 0.03
        attacked = fgsm(x, rng.normal(size=x.shape).astype(dtype), epsilon)
        assert np.all((attacked == x + epsilon) | (attacked == x - epsilon))


def test_the_control_is_cut_off_as_the_attack_is(rng):
    x = rng.integers(3, size=(40, 40)) / 2
    y = random_control(x, 0.1, rng)
    for value, results in [(0, {0, 0.1}), (0.5, {0.4, 0.6}), (1, {0.9, 1})]:
        assert set(y[x == value]) == results


def test_the_same_number_gives_the_same_control(rng):
    x = rng.random((4, 5))
    np.testing.assert_array_equal(random_control(x, 0.1, 5), random_control(x, 0.1, np.random.default_rng(5)))
    assert (random_control(x, 0.1, 5) != random_control(x, 0.1, 6)).any()
    assert (random_control(x, 0.1) != random_control(x, 0.1)).any()
    check_purity(random_control, x, epsilon=0.1, rng=2)
    check_purity(lambda x: attack(lambda y, label: np.cos(9 * y), x, 0, 0.1, 3), x)


# On trained networks, and pictures they have not seen. The mean over networks from several seeds, none of them chosen.

SEEDS = range(3)
DATA = digits(np.float32)
X, Y = DATA.x_test[:200], DATA.y_test[:200]


@pytest.fixture(scope="module")
def networks():
    trained = []
    for seed in SEEDS:
        model = digits_cnn(rng=seed).astype(np.float32)
        optimiser = Adam(model.parameters(), lr=3e-3)
        fit(model, DATA.x_train[:480], DATA.y_train[:480], optimiser, epochs=4, progress=False, rng=seed)
        trained.append(model)
    return trained


def cost(model, x, y=Y):
    return float(cross_entropy(outputs(model, x), y)[0])


def test_the_cost_rises_more_than_by_chance(networks):
    assert min(accuracy(model, X, Y) for model in networks) > 0.9
    for epsilon in (0.05, 0.2):
        rise = {"fgsm": [], "attack": [], "control": []}
        right = {name: [] for name in rise}
        for model, seed in zip(networks, SEEDS):
            changed = {
                "fgsm": fgsm(X, input_gradient(model, X, Y), epsilon),
                "attack": attack(partial(input_gradient, model), X, Y, epsilon, 5),
                "control": random_control(X, epsilon, seed),
            }
            for name, x in changed.items():
                rise[name].append(cost(model, x) - cost(model, X))
                right[name].append(accuracy(model, x, Y))
            assert rise["attack"][-1] > 5 * abs(rise["control"][-1])  # in every single network
        assert np.mean(rise["attack"]) > np.mean(rise["fgsm"]) > 5 * abs(np.mean(rise["control"]))
        assert np.mean(right["control"]) - np.mean(right["fgsm"]) > epsilon  # 5 pictures in 100 for ε = 0.05


def test_the_control_changes_as_much_as_the_attack_after_cutting_off_too(networks):
    # Squared changes, which are no longer the same where pixels are at 0 or 1.
    for model, seed in zip(networks, SEEDS):
        norm = lambda x: np.linalg.norm((x - X).reshape(len(X), -1), axis=1).mean()
        assert 0.9 < norm(random_control(X, 0.1, seed)) / norm(fgsm(X, input_gradient(model, X, Y), 0.1)) < 1.1


def test_an_attack_with_a_target(networks):
    for model in networks:
        goal = (Y + 1) % 10
        targeted = attack(lambda x, label: -input_gradient(model, x, label), X, goal, 0.3, 5)
        assert np.mean(predict(model, targeted) == goal) > 0.5 > 0.1 > np.mean(predict(model, X) == goal)


def changed_predictions(model, patch, rng):
    return np.mean(predict(model, paste(X, patch, *random_places(X, patch, rng))) != predict(model, X))


def test_a_patch_at_random_places_changes_more_than_a_random_one(networks):
    learnt, chance = [], []
    for model, seed in zip(networks, SEEDS):
        patch = learn_patch(model, DATA.x_train[:480], DATA.y_train[:480], 3, steps=20, rng=seed)
        learnt.append(changed_predictions(model, patch, rng=seed))
        rng = np.random.default_rng(seed)
        for _ in range(3):  # of greys, and of black and white
            chance.append(changed_predictions(model, rng.random(patch.shape).astype(np.float32), rng))
            chance.append(changed_predictions(model, rng.integers(2, size=patch.shape).astype(np.float32), rng))
    assert np.mean(learnt) > 1.3 * np.mean(chance)


def test_a_patch_with_a_target_makes_more_pictures_look_like_it(networks):
    learnt, chance = [], []
    for model, target in zip(networks, (4, 8, 9)):
        patch = learn_patch(model, DATA.x_train[:480], None, (4, 4), target=target, steps=20, rng=target)
        others = X[Y != target]
        for p, hits in [(patch, learnt), *((np.random.default_rng(i).random(patch.shape), chance) for i in range(3))]:
            hits.append(np.mean(predict(model, paste(others, p, *random_places(others, p, rng=target))) == target))
    assert np.mean(learnt) > 2 * np.mean(chance)


# The patch


def test_the_gradient_of_a_patch_comes_back_through_the_transformation(rng):
    dim = lambda x, rng: x * np.random.default_rng(rng).uniform(0.5, 1, size=(len(x), 1, 1, 1))
    for transform in (
        None, random_rotation(40), random_shift(1), random_scale(0.7, 1.3), random_shear(20), random_flip(), dim,
        compose(random_rotation(90), dim, random_shift(1)),
    ):
        patch, many = rng.random((2, 3, 4)), 5
        seen, backward = _as_seen(patch, many, transform, np.random.default_rng(3))
        dseen = rng.normal(size=(many, 2, 3, 4))
        if transform is None:
            assert seen is patch and backward(patch) is patch
            continue
        directly = transform(np.repeat(patch[None], many, axis=0), np.random.default_rng(3))
        check_values(seen, directly, atol=1e-12)
        move = lambda patch: np.sum(dseen * transform(np.repeat(patch[None], many, axis=0), np.random.default_rng(3)))
        check_values(backward(dseen), numerical_gradient(move, patch), atol=1e-8)


def test_a_patch_of_a_linear_network_is_the_best_there_is(rng):
    # One place only, as large as the picture: each pixel must end where the wrong class profits.
    model = Sequential(Flatten(), Linear(12, 2, rng=0))
    w = (model[1].weight.data[1] - model[1].weight.data[0]).reshape(1, 3, 4)
    x = rng.random((30, 1, 3, 4))
    for options in ({"labels": np.zeros(30, int)}, {"labels": None, "target": 1}):
        patch = learn_patch(model, x, size=(3, 4), steps=30, lr=0.05, rng=0, **options)
        np.testing.assert_array_equal(patch, w > 0)
    np.testing.assert_array_equal(learn_patch(model, x, None, (3, 4), target=0, lr=0.5, steps=2, rng=0), w < 0)
    flipped = learn_patch(model, x, None, (3, 4), target=1, steps=30, transform=random_flip(1), rng=0)
    np.testing.assert_array_equal(flipped, w[..., ::-1] > 0)


class Spy(Module):
    """Takes down the brightness of each picture, away from the patch, where the patch is, and what label was wanted."""

    def __init__(self):
        self.seen = []

    def forward(self, x):
        flat = x.reshape(len(x), 3)
        self.pictures = np.median(flat, axis=1)  # the patch covers one of three pixels
        self.places = np.abs(flat - self.pictures[:, None]).argmax(axis=1)
        return np.zeros((len(x), 4))

    def backward(self, dy):
        self.seen += zip(  # the list itself grows: what a layer puts in its place is taken back again
            self.pictures.tolist(), self.places.tolist(), dy.argmin(axis=1).tolist()
        )
        return np.zeros((len(dy), 1, 1, 3))


def test_a_patch_meets_every_picture_at_every_place_with_its_label(rng):
    brightness = rng.permutation(20) / 50  # below the grey of the patch
    labels = rng.integers(4, size=20)
    x = np.broadcast_to(brightness[:, None, None, None], (20, 1, 1, 3))
    for batch_size in (6, 20, 99):
        for target in (None, 2):
            model = Spy()
            learn_patch(model, x, labels, 1, target, steps=200, batch_size=batch_size, rng=0)
            assert len(model.seen) == 200 * min(batch_size, 20)
            wanted = dict(zip(brightness.tolist(), labels.tolist()))
            assert all(label == (wanted[picture] if target is None else 2) for picture, _, label in model.seen)
            assert {(picture, place) for picture, place, _ in model.seen} == set(product(brightness.tolist(), range(3)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_patch_keeps_type_range_and_network(dtype, rng):
    model = Sequential(Conv2d(2, 3, 3, rng=0), Flatten(), Linear(36, 4, rng=1)).astype(dtype)
    x, labels = rng.random((9, 2, 5, 6)).astype(dtype), rng.integers(4, size=9)
    before, copies = everything(model), (x.copy(), labels.copy())
    for transform in (None, compose(random_rotation(30), lambda x, rng: x * rng.uniform(size=(len(x), 1, 1, 1)))):
        options = {"size": (2, 3), "steps": 20, "lr": 0.1, "batch_size": 4, "transform": transform}
        patch = learn_patch(model, x, labels, rng=5, **options)
        assert patch.shape == (2, 2, 3) and patch.dtype == dtype
        assert patch.min() >= 0 and patch.max() <= 1 and np.ptp(patch) > 0.1
        np.testing.assert_array_equal(patch, learn_patch(model, x, labels, rng=5, **options))
        assert (patch != learn_patch(model, x, labels, rng=6, **options)).any()
        assert learn_patch(model, x.tolist(), labels.tolist(), 1, steps=1, rng=0).shape == (2, 1, 1)
    assert same(before, everything(model)) and same(copies, (x, labels))
    np.testing.assert_array_equal(learn_patch(model, x, labels, 2, steps=0), 0.5)


def test_random_places_are_all_as_likely():
    x, patch = np.zeros((3000, 1, 5, 7)), np.zeros((1, 3, 6))
    top, left = random_places(x, patch, rng=0)
    seen = np.zeros((3, 2), int)
    np.add.at(seen, (top, left), 1)
    assert seen.sum() == 3000 and seen.min() > 400 and seen.max() < 600
    for a, b in zip((top, left), random_places(x, patch, rng=np.random.default_rng(0))):
        np.testing.assert_array_equal(a, b)
    assert [p.tolist() for p in random_places(x[:2], np.zeros((2, 1, 5, 7)))] == [[0, 0], [0, 0]]


def test_nothing_of_nothing():
    x, patch = np.ones((0, 1, 5, 6)), np.ones((1, 2, 2))
    assert paste(x, patch, 0, 0).shape == paste(x, patch, *random_places(x, patch)).shape == x.shape
    for y in (onto_background(x, 0.5, object_mask(x)), fgsm(x, x, 0.1), random_control(x, 0.1)):
        assert y.shape == x.shape


# The context


def test_the_object_stays_as_it_is(rng):
    background = rng.random((8, 8)).astype(np.float32)
    mask = object_mask(X, 0.3)
    y = onto_background(X, background, mask)
    assert y.dtype == np.float32
    np.testing.assert_array_equal(y[mask == 1], X[mask == 1])
    np.testing.assert_array_equal(y[mask == 0], np.broadcast_to(background, X.shape)[mask == 0])
    soft = object_mask(X, 0.3, softness=0.2)
    np.testing.assert_array_equal(soft[X > 0.41], 1)
    np.testing.assert_array_equal(soft[X < 0.19], 0)
    assert 0 < np.mean((soft > 0) & (soft < 1)) < 0.3


def test_a_network_that_learnt_the_context_follows_it():
    # Below 5 or not? In training, the small digits always lie on black, and the others on grey.
    def context(x, y, swapped=False):
        grey = 0.5 * ((y >= 5) != swapped).astype(x.dtype)
        return onto_background(x, grey[:, None, None, None], object_mask(x, 0.3))

    kept, swapped, honest = [], [], []
    large = lambda y: (y >= 5).astype(int)
    x, y = DATA.x_train[:480], DATA.y_train[:480]
    for seed in SEEDS:
        for change, results in [(context, (kept, swapped)), (lambda x, y: x, (honest, []))]:
            model = Sequential(Flatten(), mlp([64, 24, 2], rng=seed)).astype(np.float32)
            fit(model, change(x, y), large(y), Adam(model.parameters(), 3e-3), epochs=15, progress=False, rng=seed)
            results[0].append(accuracy(model, change(X, Y), large(Y)))
            results[1].append(accuracy(model, context(X, Y, swapped=True), large(Y)))
    assert np.mean(kept) > 0.98 and np.mean(honest) > 0.85  # the digits alone would have been enough
    assert np.mean(swapped) < 0.2  # the same objects, the context of the other class: nearly all wrong


# Said so that the cause can be found

IMAGES = np.full((3, 1, 5, 6), 0.5)
LABELS = np.array([0, 1, 1])
MODEL = Sequential(Flatten(), Linear(30, 2, rng=0))
ONES = lambda x, label: np.ones_like(x)
learn = partial(learn_patch, MODEL)
WRONG = [
    (lambda: input_gradient(lambda x: x, IMAGES, LABELS), "input_gradient: model must be a network of pnnlib.layers, "
     "got a builtins.function: for a network of PyTorch, bridge.from_torch"),
    (lambda: input_gradient(Linear, IMAGES, LABELS), "input_gradient: model must be a network of pnnlib.layers, got "),
    (lambda: input_gradient(torch.nn.ReLU(), IMAGES, LABELS), "input_gradient: model must be a network of pnnlib.lay"),
    (lambda: input_gradient(MODEL, None, LABELS), "input_gradient: x must be an array of numbers, got None"),
    (lambda: input_gradient(MODEL, IMAGES, LABELS[:2]), "cross_entropy: target must be (3,) for logits of shape (3, 2"),
    (lambda: attack(MODEL.forward(IMAGES), IMAGES, LABELS, 0.1, 3), "attack: gradient must be a function (x, label) → "
     "dx, got a numpy.ndarray: for a network, functools.partial(input_gradient, model)"),
    (lambda: attack(MODEL, IMAGES, LABELS, 0.1, 3), "attack: gradient must be a function (x, label) → dx, got a "
     "pnnlib.layers.Sequential: for a network, functools.partial(input_gradient, model)"),
    (lambda: attack(lambda x, label: None, IMAGES, LABELS, 0.1, 3), "attack: gradient(x, label) must be an array of "
     "numbers, got None: does what made it return it?"),
    (lambda: attack(lambda x, label: 0.5, IMAGES, LABELS, 0.1, 3), "attack: gradient(x, label) must return dx of shape "
     "(3, 1, 5, 6), that of x, got (): does it return the cost, or the gradient for the weights?"),
    (lambda: attack(ONES, 255 * IMAGES, LABELS, 0.1, 3), "attack: x must be from 0 to 1, got 127.5 to 127.5"),
    (lambda: attack(ONES, IMAGES, LABELS, -0.1, 3), "attack: epsilon must be at least 0, got -0.1"),
    (lambda: attack(ONES, IMAGES, LABELS, 0.1, 0), "attack: steps must be at least 1, got 0"),
    (lambda: attack(ONES, IMAGES, LABELS, 0.1, 2.5), "attack: steps must be an int, got 2.5"),
    (lambda: attack(ONES, IMAGES, LABELS, 0.1, 3, step_size=-1), "attack: step_size must be at least 0, got -1"),
    (lambda: random_control(255 * IMAGES, 0.1), "random_control: x must be from 0 to 1, got 127.5"),
    (lambda: random_control(IMAGES, IMAGES), "random_control: epsilon must be one number, got array"),
    (lambda: random_control(IMAGES, -1), "random_control: epsilon must be at least 0, got -1"),
    (lambda: random_places(IMAGES, np.ones((2, 3))), "random_places: patch must be (1, h, w) or (3, 1, h, w) for x of"),
    (lambda: random_places(IMAGES, np.ones((1, 6, 3))), "random_places: the patch must fit into pictures of (5, 6), g"),
    (lambda: random_places(IMAGES[0], np.ones((1, 2, 3))), "random_places: x must be (N, C, H, W), got (1, 5, 6): for"),
    (lambda: learn(IMAGES[:, 0], LABELS, 2), "learn_patch: x must be (N, C, H, W), got (3, 5, 6): for grey pictures"),
    (lambda: learn(255 * IMAGES, LABELS, 2), "learn_patch: x must be from 0 to 1"),
    (lambda: learn(IMAGES, LABELS[:2], 2), "learn_patch: there must be pictures, and a label for each, got x of shape "
     "(3, 1, 5, 6) and labels of shape (2,)"),
    (lambda: learn(IMAGES, None, 2), "learn_patch: there must be pictures, and a label for each, got x of shape"),
    (lambda: learn(IMAGES[:0], LABELS[:0], 2), "learn_patch: there must be pictures"),
    (lambda: learn(IMAGES, LABELS, 0), "learn_patch: size must be at least 1, got 0"),
    (lambda: learn(IMAGES, LABELS, (1, 2, 3)), "learn_patch: size must be an int or 2 ints, got (1, 2, 3)"),
    (lambda: learn(IMAGES, LABELS, 6), "learn_patch: the patch must fit into pictures of (5, 6), got (6, 6)"),
    (lambda: learn(IMAGES, LABELS, 2, target=[1, 0, 0]), "learn_patch: target must be an int, got [1, 0, 0]"),
    (lambda: learn(IMAGES, LABELS, 2, target=7), "cross_entropy: target must be class numbers from 0 to 1"),
    (lambda: learn(IMAGES, LABELS, 2, steps=-1), "learn_patch: steps must be at least 0, got -1"),
    (lambda: learn(IMAGES, LABELS, 2, batch_size=0), "learn_patch: batch_size must be at least 1, got 0"),
    (lambda: learn(IMAGES, LABELS, 2, lr=-1), "learn_patch: lr must be at least 0, got -1"),
    (lambda: learn(IMAGES, LABELS, 2, transform=0.5), "learn_patch: transform must be a function (x, rng), as "
     "augment.random_rotation(20), got 0.5"),
    (lambda: learn(IMAGES, LABELS, 2, transform=random_noise(0.1)), "learn_patch: transform must be linear and do the "
     "same to all channels of a picture, this one is not: noise"),
    (lambda: learn(IMAGES, LABELS, 2, transform=lambda x, rng: 1 - x), "learn_patch: transform must be linear"),
    (lambda: learn(IMAGES, LABELS, 2, transform=lambda x, rng: None), "learn_patch: transform(patches, rng) must be an "
     "array of numbers, got None: does what made it return it?"),
    (lambda: learn(IMAGES, LABELS, 2, transform=random_crop(1, 2)), "learn_patch: transform must keep the shape of the "
     "patches, here (3, 5, 2, 2), got (3, 5, 1, 2): one that crops makes them smaller"),
]


@pytest.mark.parametrize("call, sentence", WRONG, ids=[sentence[:50] for _, sentence in WRONG])
def test_what_is_refused_and_how(call, sentence):
    with pytest.raises((ValueError, TypeError)) as caught:
        call()
    assert str(caught.value).startswith(sentence)


def test_docstrings_have_what_a_reader_looks_for():
    for name, function in public_functions("adversarial").items():
        text = inspect.getdoc(function)
        assert "PyTorch:" in text and "Shapes:" in text and ">>>" in text, name


def test_names_are_those_of_the_exercises():
    assert list(inspect.signature(fgsm).parameters) == ["x", "dx", "epsilon"]
    assert list(inspect.signature(attack).parameters)[:5] == ["gradient", "x", "label", "epsilon", "steps"]
