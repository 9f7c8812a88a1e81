"""Transformations of pictures: what the table does not say, and those that are left to chance."""

import inspect
from functools import partial
from itertools import product

import numpy as np
import pytest
from witnesses import check_purity, check_values

import pnnlib.augment
from components import public_functions
from pnnlib.augment import (
    augment, augmented, compose, crop, flip, noise, random_crop, random_flip, random_noise, random_rotation,
    random_scale, random_shear, random_shift, rotate, scale, shear, shift,
)
from pnnlib.windows import pad


@pytest.fixture
def rng():
    return np.random.default_rng(0)


# Known in advance


@pytest.mark.parametrize("size", [1, 2, 3, 8, 9, 28])
def test_quarter_turns_of_squares_are_exact(size, rng):
    x = rng.random((2, 3, size, size))
    for quarters in range(-4, 8):
        np.testing.assert_array_equal(rotate(x, 90 * quarters), np.rot90(x, quarters, axes=(-2, -1)))
    np.testing.assert_array_equal(rotate(x, 90 * (4 * 10**9 + 1)), np.rot90(x, axes=(-2, -1)))


@pytest.mark.parametrize("height, width", [(5, 9), (9, 5), (4, 8), (8, 4), (2, 6)])
def test_quarter_turns_of_oblongs_are_exact_where_pixels_meet_pixels(height, width, rng):
    # Both sizes odd or both even: turn it with a border that makes it square, and cut the border off.
    x = rng.random((height, width))
    border = np.maximum(0, [width - height, height - width]) // 2
    for quarters in range(4):
        turned = np.rot90(pad(x, border), quarters)
        np.testing.assert_array_equal(rotate(x, 90 * quarters), crop(turned, *border, height, width))


@pytest.mark.parametrize("shape", [(5, 8), (8, 5), (4, 4), (7, 7), (1, 6), (1, 1)])
def test_nothing_done_is_the_identity(shape, rng):
    x = rng.random(shape)
    for y in (
        shift(x, 0, 0), rotate(x, 0), rotate(x, 360), rotate(x, -720), scale(x, 1), shear(x, 0), shear(x, 0, axis=-2),
        crop(x, 0, 0, *shape), noise(x, 0), flip(flip(x)), rotate(rotate(x, 180), 180),
    ):
        np.testing.assert_array_equal(y, x)
        assert not np.shares_memory(y, x)


def test_half_a_turn_is_two_flips_also_of_oblongs(rng):
    for shape in [(5, 8), (4, 7), (3, 5)]:
        x = rng.random(shape)
        np.testing.assert_array_equal(rotate(x, 180), flip(flip(x, -1), -2))


def test_shift_beyond_the_picture_leaves_nothing(rng):
    x = rng.random((2, 4, 6))
    for down, right in [(4, 0), (-4, 0), (0, 6), (0, -6), (99, 1), (-99, -99), (10**30, 0)]:
        np.testing.assert_array_equal(shift(x, down, right), np.zeros(x.shape))
    assert shift(x, 3, -5)[0, 3, 0] == x[0, 0, 5]
    assert np.count_nonzero(shift(x, 3, -5)) == 2


def test_as_one_sees_it_on_the_screen():
    upright = np.zeros((7, 7))
    upright[:4, 3] = 1  # from the centre to the top
    assert rotate(upright, 90)[3, :4].tolist() == [1, 1, 1, 1]  # now it points to the left
    left_leaning = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1.0]])
    np.testing.assert_array_equal(shear([[0, 1, 0]] * 3, 45), left_leaning)
    np.testing.assert_array_equal(shear([[0, 0, 0], [1, 1, 1], [0, 0, 0]], 45, axis=-2), left_leaning[::-1])
    np.testing.assert_array_equal(shift(upright, 1, 2)[1:5, 5], 1)
    larger = scale(upright, 2)
    assert larger[:, 3].tolist() == [1, 1, 1, 1, 0.5, 0, 0] and larger[0].tolist() == [0, 0, 0.5, 1, 0.5, 0, 0]


def test_a_small_turn_is_both_shears(rng):
    # Far inside a smooth picture, the two shears by a small angle, one after the other, turn it.
    down, right = np.mgrid[-10:11, -10:11] / 10
    x = np.sin(2 * down + right) + right
    inside = np.s_[5:-5, 5:-5]
    error = np.abs(shear(shear(x, 1), 1, axis=-2) - rotate(x, 1))[inside].max()
    assert error < 1e-3 < 1e-2 < np.abs(x - rotate(x, 1))[inside].max()


@pytest.mark.parametrize("images", [1, 2, 3, 7])
def test_many_pictures_are_transformed_as_each_alone(images, rng, monkeypatch):
    x = rng.random((7, 3, 5, 6))
    expected = random_rotation(40)(x, rng=0)
    monkeypatch.setattr(pnnlib.augment, "_resample", partial(pnnlib.augment._resample, cache=images * x[0].size))
    np.testing.assert_array_equal(random_rotation(40)(x, rng=0), expected)
    for function in (lambda x: rotate(x, 33), lambda x: scale(x, 1.7), lambda x: shear(x, -20, axis=-2)):
        y = function(x)
        for n, c in product(range(7), range(3)):
            np.testing.assert_array_equal(function(x[n, c]), y[n, c])


def test_between_pixels_a_picture_stays_in_its_range(rng):
    for x in (np.ones((6, 7, 9)), rng.random((6, 7, 9))):
        for y in (rotate(x, 37), scale(x, 1.3), shear(x, 30), random_rotation(180)(x, 0), random_scale(0.5, 3)(x, 0)):
            assert y.min() >= 0 and y.max() <= 1 + 1e-12


def test_whole_pixels_and_lists_are_fine():
    assert rotate([[1, 2], [3, 4]], np.int64(90)).tolist() == [[2, 4], [1, 3]]
    assert shift(np.array([[255]], np.uint8), np.int8(0), 0).dtype == np.float64


# At random

TRANSFORMS = {
    "augment": lambda x, rng=None: augment(x, rng, 2),
    "random_shift": random_shift(2),
    "random_rotation": random_rotation(40),
    "random_scale": random_scale(0.7, 1.5),
    "random_shear": random_shear(30),
    "random_shear -2": random_shear(30, axis=-2),
    "random_flip": random_flip(),
    "random_flip -2": random_flip(0.3, axis=-2),
    "random_crop": random_crop(4, 3),
    "random_crop padded": random_crop(4, 12, padding=(0, 3)),
    "random_noise": random_noise(0.2),
    "random_noise unclipped": random_noise(0.2, clip=None),
    "noise": lambda x, rng=None: noise(x, 0.3, rng),
    "compose": compose(random_rotation(10), random_shift(2), random_noise(0.1)),
    "nothing": compose(),
    "augmented": lambda x, rng=None: augmented(x, np.arange(len(x)), random_shift(1), copies=2, rng=rng)[0],
}
EACH = pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=TRANSFORMS)


@EACH
def test_the_same_number_gives_the_same_pictures(transform, rng):
    x = rng.random((20, 2, 6, 7))
    first, second = transform(x, rng=5), transform(x, rng=np.random.default_rng(5))
    other = transform(x, rng=6)
    for a, b in zip(first, second):
        np.testing.assert_array_equal(a, b)
    if transform is not TRANSFORMS["nothing"]:
        assert any(not np.array_equal(a, b) for a, b in zip(first, other))
        first, second = transform(x, rng=None), transform(x, rng=None)
        assert any(not np.array_equal(a, b) for a, b in zip(first, second))


@EACH
def test_random_functions_keep_type_and_arguments(transform, rng):
    for shape in [(5, 6, 7), (4, 2, 6, 7), (1, 1, 6, 7)]:
        check_purity(transform, rng.random(shape), rng=3)


@EACH
def test_no_pictures(transform):
    for shape in [(0, 6, 7), (0, 3, 6, 7)]:
        assert transform(np.ones(shape), rng=0).shape[:-2] == shape[:-2]


def test_no_pixels():
    for shape in [(2, 0, 5), (2, 5, 0), (2, 0, 4, 4), (0, 0)]:
        x = np.ones(shape)
        for y in (shift(x, 1, 1), rotate(x, 10), scale(x, 2), shear(x, 5), flip(x), noise(x, 1)):
            assert y.shape == shape
    for transform in (random_shift(2), random_rotation(5), random_scale(1, 2), random_flip(1), random_noise(1)):
        assert transform(np.ones((2, 0, 5)), 0).shape == (2, 0, 5)


# Each picture draws its own numbers: what comes out must be the plain function's answer to one of them.


def test_random_shift_draws_every_shift_for_itself(rng):
    x = rng.random((600, 2, 5, 6))
    y = random_shift(1)(x, rng=1)
    seen = np.zeros((3, 3), int)
    for before, after in zip(x, y):
        fits = [(d, r) for d, r in product((-1, 0, 1), repeat=2) if np.array_equal(shift(before, d, r), after)]
        assert len(fits) == 1  # both channels moved together
        seen[fits[0]] += 1
    assert seen.min() > 600 / 9 / 2 and seen.max() < 600 / 9 * 2
    np.testing.assert_array_equal(augment(x, 1, 1), y)


def test_random_shift_of_a_picture_smaller_than_the_shift(rng):
    x = rng.random((50, 2, 3))
    for before, after in zip(x, random_shift(4)(x, rng=0)):
        assert any(np.array_equal(shift(before, d, r), after) for d, r in product(range(-4, 5), repeat=2))
    np.testing.assert_array_equal(random_shift(10**9)(x, rng=0), 0 * x)  # and needs no memory for it


@pytest.mark.parametrize("make, plain, least, most", [
    (lambda: random_rotation(40), rotate, -40, 40),
    (lambda: random_scale(0.5, 1.5), scale, 0.5, 1.5),
    (lambda: random_shear(30), shear, -30, 30),
    (lambda: random_shear(30, axis=-2), lambda x, d: shear(x, d, axis=-2), -30, 30),
], ids=["rotation", "scale", "shear", "shear -2"])
def test_random_affine_maps_draw_every_number_for_itself(make, plain, least, most, rng):
    x = rng.random((200, 3, 7, 6))
    numbers = np.random.default_rng(2).uniform(least, most, size=200)
    y = make()(x, rng=2)
    for before, after, number in zip(x, y, numbers):
        check_values(after, plain(before, number), atol=1e-13)
    assert numbers.min() < least + 0.1 * (most - least) and numbers.max() > most - 0.1 * (most - least)
    check_values(make()(x[:, 0], rng=2), y[:, 0], atol=0)  # without channels


def test_random_flip(rng):
    x = rng.random((400, 2, 3, 4))
    for axis in (-1, -2):
        y = random_flip(0.25, axis)(x, rng=0)
        flipped = [np.array_equal(after, flip(before, axis)) for before, after in zip(x, y)]
        assert 60 < sum(flipped) < 140
        for before, after, f in zip(x, y, flipped):
            assert f or np.array_equal(after, before)
    np.testing.assert_array_equal(random_flip(0)(x, 0), x)
    np.testing.assert_array_equal(random_flip(1)(x, 0), flip(x))


def test_random_crop(rng):
    x = rng.random((300, 2, 4, 6))
    padded = pad(x, (1, 0))
    y = random_crop(5, 4, padding=(1, 0))(x, rng=0)
    assert y.shape == (300, 2, 5, 4)
    seen = np.zeros((2, 3), int)
    for before, after in zip(padded, y):
        places = [p for p in np.ndindex(2, 3) if np.array_equal(crop(before, *p, 5, 4), after)]
        assert len(places) == 1
        seen[places[0]] += 1
    assert seen.min() > 25
    np.testing.assert_array_equal(random_crop(4, 6)(x, 0), x)
    for before, after in zip(x, random_crop(4, 6, padding=2)(x, rng=0)):  # the same as a random shift
        assert any(np.array_equal(shift(before, d, r), after) for d, r in product(range(-2, 3), repeat=2))


def test_noise(rng):
    x = np.full((3, 2, 50, 50), 0.5)
    y = noise(x, 0.1, rng=0, clip=None)
    assert abs((y - x).mean()) < 0.005 and abs((y - x).std() - 0.1) < 0.005
    assert len(np.unique(y)) == y.size  # every pixel has its own
    clipped = noise(x, 0.5, rng=0)
    np.testing.assert_array_equal(clipped, np.clip(noise(x, 0.5, rng=0, clip=None), 0, 1))
    assert clipped.min() == 0 and clipped.max() == 1
    assert noise(255 * x, 1, rng=0, clip=(0, 255)).max() > 1
    np.testing.assert_array_equal(random_noise(0.5)(x, rng=0), clipped)
    np.testing.assert_array_equal(noise(x[0, 0], 0.5, rng=0), noise(x[:1, 0], 0.5, rng=0)[0])


def test_compose_hands_one_generator_on(rng):
    x = rng.random((30, 1, 9, 9))
    one, two = random_shift(1), random_rotation(20)
    generator = np.random.default_rng(7)
    expected = two(one(x, generator), generator)
    np.testing.assert_array_equal(compose(one, two)(x, rng=7), expected)
    # Were each started with 7, the second shift would always be the first once more.
    twice = compose(one, one)(x, rng=7)
    assert any(not np.array_equal(a, b) for a, b in zip(twice, one(one(x, 7), 7)))
    np.testing.assert_array_equal(compose(lambda x, rng: flip(x), compose(one))(x, 7), one(flip(x), 7))


def test_augmented_keeps_the_labels_and_the_originals(rng):
    x, y = rng.random((6, 1, 5, 5)), np.array([3, 1, 4, 1, 5, 9], np.int32)
    more, labels = augmented(x, y, random_shift(1), copies=3, rng=0)
    assert more.shape == (24, 1, 5, 5) and labels.dtype == np.int32
    np.testing.assert_array_equal(labels, [*y, *y, *y, *y])
    np.testing.assert_array_equal(more[:6], x)
    for n in range(6, 24):
        assert any(np.array_equal(shift(x[n % 6], d, r), more[n]) for d, r in product((-1, 0, 1), repeat=2))
    assert not np.array_equal(more[6:12], more[12:18])
    one_hot = np.eye(10)[y]
    np.testing.assert_array_equal(augmented(x, one_hot, random_shift(1), copies=1, rng=0)[1], [*one_hot, *one_hot])
    same, labels = augmented(x, y, random_shift(1), copies=0)
    assert not np.shares_memory(same, x) and not np.shares_memory(labels, y)
    assert augmented(x.astype(np.float32), y.tolist(), random_rotation(5))[0].dtype == np.float32


# Said so that the cause can be found

X = np.ones((3, 1, 6, 7))
WRONG = [
    (lambda: noise(X, -1), "noise: std must be at least 0, got -1"),
    (lambda: noise(X, 0.1, clip=1), "noise: clip must be (least, most) or None, got 1"),
    (lambda: noise(X, 0.1, clip=("a", "b")), "noise: clip must be (least, most) or None, got ('a', 'b')"),
    (lambda: noise(X, 0.1, clip=(1, 0)), "noise: clip must be (least, most) or None, got (1, 0)"),
    (lambda: noise(255 * X, 0.1), "noise: x must be from 0 to 1, where the result is cut off, got 255 to 255: divide"),
    (lambda: noise(np.ones(64), 0.1), "noise: x must be (…, H, W)"),
    (lambda: augment(X[0, 0], 0, 2), "augment: x must be (N, C, H, W) or (N, H, W), N pictures, got (6, 7): for one"),
    (lambda: augment(X, 2, np.random.default_rng(0)), "augment: max_shift must be an int, a number of whole pixels"),
    (lambda: augment(X, 0, -1), "augment: max_shift must be at least 0, got -1"),
    (lambda: random_shift(1.5), "random_shift: max_shift must be an int"),
    (lambda: random_shift(2)(np.ones(64)), "random_shift: x must be (N, C, H, W) or (N, H, W), N pictures, got (64,)"),
    (lambda: random_rotation(-5), "random_rotation: degrees must be at least 0, got -5"),
    (lambda: random_rotation((-5, 5)), "random_rotation: degrees must be one number, got (-5, 5)"),
    (lambda: random_rotation(5)(X[0, 0]), "random_rotation: x must be (N, C, H, W)"),
    (lambda: random_scale(1.2, 0.8), "random_scale: least must not be above most, got 1.2 and 0.8: swap them?"),
    (lambda: random_scale(0, 1), "random_scale: least must be a positive number"),
    (lambda: random_scale(1, 2)(X[0, 0]), "random_scale: x must be (N, C, H, W)"),
    (lambda: random_shear(90), "random_shear: degrees must be between -90 and 90"),
    (lambda: random_shear(-5), "random_shear: degrees must be at least 0"),
    (lambda: random_shear(5, axis=0), "random_shear: axis must be -1"),
    (lambda: random_shear(5)(X[0, 0]), "random_shear: x must be (N, C, H, W)"),
    (lambda: random_flip(1.5), "random_flip: p must be a probability, from 0 to 1, got 1.5"),
    (lambda: random_flip(axis=3), "random_flip: axis must be -1"),
    (lambda: random_flip()(X[0, 0]), "random_flip: x must be (N, C, H, W)"),
    (lambda: random_crop(8, 3)(X), "random_crop: the rectangle must fit into the pictures, got (8, 3) for pictures of"),
    (lambda: random_crop(0, 3), "random_crop: height must be at least 1"),
    (lambda: random_crop(3, 3, padding=-1), "random_crop: padding must be at least 0, got -1"),
    (lambda: random_crop(3, 3)(X[0, 0]), "random_crop: x must be (N, C, H, W)"),
    (lambda: random_noise(np.inf), "random_noise: std must be at least 0, got inf"),
    (lambda: random_noise(0.1)(255 * X), "random_noise: x must be from 0 to 1"),
    (lambda: random_noise(0.1)(X[0, 0]), "random_noise: x must be (N, C, H, W)"),
    (lambda: compose(random_shift(1), 2), "compose: every transformation must be a function (x, rng), as"),
    (lambda: augmented(X, [1, 2], random_shift(1)), "augmented: y must be (3,), a label for each picture in x"),
    (lambda: augmented(X, 1, random_shift(1)), "augmented: y must be (3,), a label for each picture in x"),
    (lambda: augmented(X, [[1], [1, 2], 3], random_shift(1)), "augmented: y must be an array of numbers, got rows of"),
    (lambda: augmented(X, [1, 2, 3], None), "augmented: transform must be a function (x, rng)"),
    (lambda: augmented(X, [1, 2, 3], random_crop(2, 2)), "augmented: transform must keep the shape (3, 1, 6, 7), got"),
    (lambda: augmented(X, [1, 2, 3], random_shift(1), copies=-1), "augmented: copies must be at least 0, got -1"),
    (lambda: augmented(X[0, 0], [1], random_shift(1)), "augmented: x must be (N, C, H, W)"),
]


@pytest.mark.parametrize("call, sentence", WRONG, ids=[sentence[:40] for _, sentence in WRONG])
def test_what_is_refused_and_how(call, sentence):
    with pytest.raises((ValueError, TypeError)) as caught:
        call()
    assert str(caught.value).startswith(sentence)


def test_docstrings_have_what_a_reader_looks_for():
    for name, function in public_functions("augment").items():
        text = inspect.getdoc(function)
        assert "PyTorch:" in text and "Shapes:" in text and ">>>" in text, name


def test_names_are_those_of_the_exercises():
    assert list(inspect.signature(shift).parameters) == ["x", "down", "right"]
    assert list(inspect.signature(augment).parameters) == ["x", "rng", "max_shift"]
