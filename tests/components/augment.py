"""Transformations of pictures that are not left to chance."""

import cmath
import math
from functools import partial
from itertools import product

import numpy as np
import torch
from hypothesis import strategies as st
from torch.nn import functional as F

from components import Case, Component, Wrong
from pnnlib.augment import crop, flip, rotate, scale, shear, shift

NO_BACKWARD = "pictures are not learnt"


# The loops know every pixel as a point in the plane, x to the right and y upwards from the centre, as one draws it.


def pixel_by_pixel(source):
    """Each pixel of the result from all pixels of the input: Σ X(k, l) Λ(r − k) Λ(c − l), seen from the point it shows.

    source   point, options → the point that comes to lie there
    """

    def loops(x, **options):
        y = np.zeros(x.shape)
        height, width = x.shape[-2:]
        for *picture, i, j in np.ndindex(x.shape):
            point = source(complex(j - (width - 1) / 2, (height - 1) / 2 - i), **options)
            r, c = (height - 1) / 2 - point.imag, point.real + (width - 1) / 2
            for k, l in product(range(height), range(width)):
                nearness = max(0, 1 - abs(r - k)) * max(0, 1 - abs(c - l))
                y[(*picture, i, j)] += nearness * x[(*picture, k, l)]
        return y

    return loops


def before_the_turn(point, degrees):
    distance, direction = cmath.polar(point)
    return cmath.rect(distance, direction - math.radians(degrees))


def before_the_scaling(point, factor):
    return point / factor


def before_the_shear(point, degrees, axis=-1):
    slope = math.tan(math.radians(degrees))
    x, y = point.real, point.imag
    return complex(x + slope * y, y) if axis == -1 else complex(x, y - slope * x)


def shift_loops(x, down, right):
    y = np.zeros(x.shape)
    for *picture, i, j in np.ndindex(x.shape):
        if 0 <= i + down < x.shape[-2] and 0 <= j + right < x.shape[-1]:
            y[(*picture, i + down, j + right)] = x[(*picture, i, j)]
    return y


def flip_loops(x, axis=-1):
    y = np.zeros(x.shape)
    for *picture, i, j in np.ndindex(x.shape):
        source = (i, x.shape[-1] - 1 - j) if axis == -1 else (x.shape[-2] - 1 - i, j)
        y[(*picture, i, j)] = x[(*picture, *source)]
    return y


def crop_loops(x, top, left, height, width):
    y = np.zeros((*x.shape[:-2], height, width))
    for *picture, i, j in np.ndindex(x.shape):
        if top <= i < top + height and left <= j < left + width:
            y[(*picture, i - top, j - left)] = x[(*picture, i, j)]
    return y


# PyTorch measures from the centre in units of half a picture, so an oblong one is distorted on the way there and back.


def torch_affine(theta):
    """theta   options → the matrix that leads back from (right, down) to (right, down), in pixels"""

    def resample(x, **options):
        height, width = x.shape[-2:]
        matrix = torch.tensor(theta(**options), dtype=x.dtype)
        size = torch.tensor([width, height], dtype=x.dtype)
        matrix = torch.cat([matrix * size / size[:, None], torch.zeros(2, 1, dtype=x.dtype)], dim=1)
        pictures = x.reshape(1, -1, height, width)
        grid = F.affine_grid(matrix[None], pictures.shape, align_corners=False)
        return F.grid_sample(pictures, grid, align_corners=False).reshape(x.shape)

    return resample


def turn(degrees):
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return [[cos, -sin], [sin, cos]]


def slide(degrees, axis=-1):
    slope = math.tan(math.radians(degrees))
    return [[1, -slope], [0, 1]] if axis == -1 else [[1, 0], [slope, 1]]


# Rows and columns of odd and even number, that differ; one picture, several, with channels; one pixel.

SHAPES = [(5, 7), (2, 6, 4), (2, 3, 3, 5), (1, 1, 1, 1), (1, 6)]


def pictures(options, rng):
    for shape, option in product(SHAPES, options):
        yield Case((rng.normal(size=shape),), option)


def crops(rng):
    yield Case((rng.normal(size=(5, 7)),), {"top": 0, "left": 0, "height": 5, "width": 7})
    yield Case((rng.normal(size=(2, 5, 7)),), {"top": 1, "left": 2, "height": 3, "width": 4})
    yield Case((rng.normal(size=(2, 3, 6, 4)),), {"top": 5, "left": 0, "height": 1, "width": 3})
    yield Case((rng.normal(size=(1, 1, 1, 1)),), {"top": 0, "left": 0, "height": 1, "width": 1})


@st.composite
def any_picture(draw, **options):
    """options   name → a strategy, or a function of the picture's (height, width) that gives one"""
    shape = tuple(draw(st.lists(st.integers(1, 3), max_size=2))) + (draw(st.integers(1, 6)), draw(st.integers(1, 6)))
    x = np.random.default_rng(draw(st.integers(0, 99))).normal(size=shape)
    return Case((x,), {name: draw(o(*shape[-2:]) if callable(o) else o) for name, o in options.items()})


@st.composite
def any_crop(draw):
    case = draw(any_picture())
    top, left = (draw(st.integers(0, n - 1)) for n in case.arrays[0].shape[-2:])
    height, width = (draw(st.integers(1, n - k)) for n, k in zip(case.arrays[0].shape[-2:], (top, left)))
    return Case(case.arrays, {"top": top, "left": left, "height": height, "width": width})


X = np.ones((2, 3, 5, 7))
AXIS = st.sampled_from([-1, -2])
ONE_VECTOR = np.ones(64)
NOT_A_PICTURE = "x must be (…, H, W), one picture or many, got (64,): a picture written as a vector needs x.reshape"

COMPONENTS = (
    Component(
        shift,
        loops=shift_loops,
        torch=lambda x, down, right: F.pad(x, (right, -right, down, -down)),
        cases=partial(pictures, [{"down": d, "right": r} for d, r in [(0, 0), (1, 0), (0, -1), (-1, 1)]]),
        draw=partial(
            any_picture, down=lambda h, _: st.integers(-h, h), right=lambda _, w: st.integers(-w, w)
        ),
        no_backward=NO_BACKWARD,
        wrong=(
            Wrong((ONE_VECTOR, 1, 1), NOT_A_PICTURE),
            Wrong((X, 0.5, 1), "down must be an int, a number of whole pixels, got 0.5", error=TypeError),
            Wrong((X, 1, [1, 2]), "right must be an int, a number of whole pixels, got [1, 2]", error=TypeError),
            Wrong((None, 1, 1), "x must be an array of numbers, got None", error=TypeError),
        ),
    ),
    Component(
        rotate,
        loops=pixel_by_pixel(before_the_turn),
        torch=torch_affine(turn),
        cases=partial(pictures, [{"degrees": d} for d in (0, 30, -45.5, 90, 180, 217, -3600)]),
        draw=partial(any_picture, degrees=st.floats(-400, 400)),
        no_backward=NO_BACKWARD,
        wrong=(
            Wrong((ONE_VECTOR, 10), NOT_A_PICTURE),
            Wrong((X, [10, 20]), "degrees must be one number, got [10, 20]: the functions random_… draw one for each",
                  error=TypeError),
            Wrong((X, "10"), "degrees must be one number, got '10'", error=TypeError),
            Wrong((X, np.nan), "degrees must be finite, got nan"),
        ),
    ),
    Component(
        scale,
        loops=pixel_by_pixel(before_the_scaling),
        torch=torch_affine(lambda factor: [[1 / factor, 0], [0, 1 / factor]]),
        cases=partial(pictures, [{"factor": f} for f in (1, 2, 0.5, 1.3, 0.01, 100)]),
        draw=partial(any_picture, factor=st.floats(0.1, 10)),
        no_backward=NO_BACKWARD,
        wrong=(
            Wrong((ONE_VECTOR, 2), NOT_A_PICTURE),
            Wrong((X, 0), "factor must be a positive number, 1 keeps the size, got 0"),
            Wrong((X, -1), "factor must be a positive number"),
            Wrong((X, 1e-320), "factor must be a positive number"),
            Wrong((X, (2, 2)), "factor must be one number, got (2, 2)", error=TypeError),
        ),
    ),
    Component(
        shear,
        loops=pixel_by_pixel(before_the_shear),
        torch=torch_affine(slide),
        cases=partial(
            pictures, [{"degrees": 20}, {"degrees": -45}, {"degrees": 60, "axis": -2}, {"degrees": -12.5, "axis": -2}]
        ),
        draw=partial(any_picture, degrees=st.floats(-80, 80), axis=AXIS),
        no_backward=NO_BACKWARD,
        wrong=(
            Wrong((ONE_VECTOR, 20), NOT_A_PICTURE),
            Wrong((X, 90), "degrees must be between -90 and 90, where a line lies flat, got 90"),
            Wrong((X, 20, 1), "axis must be -1, left and right, or -2, top and bottom, got 1"),
        ),
    ),
    Component(
        flip,
        loops=flip_loops,
        torch=lambda x, axis=-1: torch.flip(x, [axis]),
        cases=partial(pictures, [{}, {"axis": -2}]),
        draw=partial(any_picture, axis=AXIS),
        no_backward=NO_BACKWARD,
        wrong=(
            Wrong((ONE_VECTOR,), NOT_A_PICTURE),
            Wrong((X, 0), "axis must be -1, left and right, or -2, top and bottom, got 0"),
            Wrong((X, (-1, -2)), "axis must be -1, left and right, or -2, top and bottom, got (-1, -2)"),
            Wrong((X, "left"), "axis must be -1, left and right, or -2, top and bottom, got 'left'"),
        ),
    ),
    Component(
        crop,
        loops=crop_loops,
        torch=lambda x, top, left, height, width: x[..., top:top + height, left:left + width],
        cases=crops,
        draw=any_crop,
        no_backward=NO_BACKWARD,
        wrong=(
            Wrong((ONE_VECTOR, 0, 0, 1, 1), NOT_A_PICTURE),
            Wrong((X, 1, 4, 4, 4),
                  "the rectangle must lie inside pictures of (5, 7), got rows 1 to 4 and columns 4 to 7"),
            Wrong((X, -1, 0, 2, 2), "top must be at least 0, got -1"),
            Wrong((X, 0, 0, 0, 2), "height must be at least 1, got 0"),
            Wrong((X, 0, 0, 2, 2.5), "width must be an int, a number of whole pixels, got 2.5", error=TypeError),
        ),
    ),
)
ELSEWHERE = dict.fromkeys(
    [
        "noise", "augment", "random_shift", "random_rotation", "random_scale", "random_shear", "random_flip",
        "random_crop", "random_noise", "compose", "augmented",
    ],
    "test_augment.py",
)
