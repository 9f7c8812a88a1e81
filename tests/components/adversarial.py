"""Changes to pictures that need no network."""

from functools import partial
from itertools import product

import numpy as np
import torch
from hypothesis import strategies as st

from components import Case, Component, Wrong
from pnnlib.adversarial import fgsm, object_mask, onto_background, paste, paste_backward

NO_BACKWARD = "the picture is the result: nothing is learnt through it"


def fgsm_loops(x, dx, epsilon):
    y = np.empty(x.shape)
    for place in np.ndindex(x.shape):
        if dx[place] > 0:
            y[place] = min(x[place] + epsilon, 1)
        elif dx[place] < 0:
            y[place] = max(x[place] - epsilon, 0)
        else:
            y[place] = x[place]
    return y


def object_mask_loops(x, threshold=0.5, softness=0):
    m = np.empty((len(x), 1, *x.shape[2:]))
    for n, _, i, j in np.ndindex(m.shape):
        brightest = max(x[n, c, i, j] for c in range(x.shape[1]))
        if softness == 0:
            m[n, 0, i, j] = 1 if brightest > threshold else 0
        elif brightest >= threshold + softness / 2:
            m[n, 0, i, j] = 1
        elif brightest <= threshold - softness / 2:
            m[n, 0, i, j] = 0
        else:
            m[n, 0, i, j] = 0.5 + (brightest - threshold) / softness
    return m


def onto_background_loops(x, background, mask):
    y = np.empty(x.shape)
    for place in np.ndindex(x.shape):
        # an axis that is missing, or 1 long, is the same all along
        b, m = (
            a[tuple(0 if size == 1 else i for i, size in zip(place[4 - a.ndim:], a.shape))] for a in (background, mask)
        )
        y[place] = m * x[place] + (1 - m) * b
    return y


def paste_loops(x, patch, top, left):
    y = np.empty(x.shape)
    for n, c, i, j in np.ndindex(x.shape):
        own = patch[n] if patch.ndim == 4 else patch
        t, l = (p if np.ndim(p) == 0 else p[n] for p in (top, left))
        inside = t <= i < t + own.shape[1] and l <= j < l + own.shape[2]
        y[n, c, i, j] = own[c, i - t, j - l] if inside else x[n, c, i, j]
    return y


def torch_object_mask(x, threshold=0.5, softness=0):
    brightest = x.amax(1, keepdim=True)
    if softness == 0:
        return (brightest > threshold).to(x.dtype)
    return ((brightest - threshold) / softness + 0.5).clamp(0, 1)


def torch_paste(x, patch, top, left):
    y = x.clone()
    h, w = patch.shape[-2:]
    for n in range(len(x)):
        t, l = (int(p) if np.ndim(p) == 0 else int(p[n]) for p in (top, left))
        y[n, :, t:t + h, l:l + w] = patch[n] if patch.ndim == 4 else patch
    return y


def gradients_with_zeros(rng):
    for shape, epsilon in product([(7,), (2, 3, 5, 4), (1, 1, 1, 1), (1, 2, 3)], [0, 0.01, 0.3, 1.5]):
        yield Case((rng.random(shape), rng.normal(size=shape) * (rng.random(shape) < 0.7)), {"epsilon": epsilon})
    ends = np.array([0.0, 1.0, 0.0, 1.0, 0.5, 0.5, 0.5])
    yield Case((ends, np.array([-1.0, 1.0, 1e-30, -1e30, 0.0, -0.0, np.inf])), {"epsilon": 0.1})


def pictures(rng):
    for shape in [(2, 3, 5, 7), (1, 1, 4, 6), (3, 1, 1, 1), (1, 2, 3, 2)]:
        for options in ({}, {"threshold": 0.2}, {"threshold": 0.6, "softness": 0.3}, {"softness": 2}):
            yield Case((rng.random(shape),), options)
    yield Case((np.array([[[[0.25, 0.5, 0.75]]]]),), {"threshold": 0.5})  # on the threshold


def backgrounds(rng):
    n, c, h, w = shape = (2, 3, 5, 7)
    for b, m in product([(), (h, w), (c, h, w), (n, 1, h, w), shape], [(h, w), (n, 1, h, w), shape, ()]):
        yield Case((rng.random(shape), rng.random(b), rng.random(m)))
    yield Case((rng.random((1, 1, 4, 3)), rng.random((1, 1, 4, 3)), rng.integers(2, size=(1, 1, 4, 3)).astype(float)))


def patches(rng):
    for (n, c, height, width), (h, w) in [
        ((3, 2, 6, 8), (2, 3)), ((1, 1, 5, 4), (5, 4)), ((4, 1, 4, 7), (1, 1)), ((2, 3, 3, 5), (3, 2))
    ]:
        top, left = rng.integers(height - h + 1, size=n), rng.integers(width - w + 1, size=n)
        for own in ((), (n,)):
            x, patch = rng.normal(size=(n, c, height, width)), rng.normal(size=(*own, c, h, w))
            yield Case((x, patch), {"top": top, "left": left})
            yield Case((x, patch), {"top": height - h, "left": left})
            yield Case((x, patch), {"top": 0, "left": width - w})


@st.composite
def any_gradient(draw):
    shape = tuple(draw(st.lists(st.integers(0, 4), min_size=1, max_size=4)))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    dx = rng.normal(size=shape) * rng.integers(2, size=shape)
    return Case((rng.integers(5, size=shape) / 4, dx), {"epsilon": draw(st.floats(0, 2))})


def sizes(draw):
    return tuple(draw(st.integers(1, most)) for most in (3, 3, 6, 6)), np.random.default_rng(draw(st.integers(0, 99)))


@st.composite
def any_picture(draw):
    shape, rng = sizes(draw)
    options = {"threshold": draw(st.floats(-0.2, 1.2)), "softness": draw(st.sampled_from([0, 0.1, 1]))}
    return Case((rng.random(shape),), options)


@st.composite
def any_background(draw):
    shape, rng = sizes(draw)
    broadcast = [
        tuple(1 if draw(st.booleans()) else size for size in shape)[draw(st.integers(0, 4)):] for _ in range(2)
    ]
    return Case((rng.random(shape), *map(rng.random, broadcast)))


@st.composite
def any_patch(draw):
    (n, c, height, width), rng = sizes(draw)
    h, w = draw(st.integers(1, height)), draw(st.integers(1, width))
    own = draw(st.sampled_from([(), (n,)]))
    top, left = (
        rng.integers(most + 1, size=n) if draw(st.booleans()) else draw(st.integers(0, most))
        for most in (height - h, width - w)
    )
    arrays = rng.normal(size=(n, c, height, width)), rng.normal(size=(*own, c, h, w))
    return Case(arrays, {"top": top, "left": left})


X = np.full((2, 3, 5, 7), 0.5)
P = np.ones((3, 2, 3))
NOT_PICTURES = "x must be (N, C, H, W), got (8, 8): for one grey picture alone add axes: x[None, None]"
BAD_PATCHES = (
    Wrong((X, np.ones((2, 3)), 0, 0),
          "patch must be (3, h, w) or (2, 3, h, w) for x of shape (2, 3, 5, 7), got (2, 3): "
          "add the axis of the channels: patch[None]"),
    Wrong((X, np.ones((1, 2, 3)), 0, 0), "patch must be (3, h, w) or (2, 3, h, w) for x of shape (2, 3, 5, 7), got (1"),
    Wrong((X, np.ones((4, 3, 2, 3)), 0, 0), "got (4, 3, 2, 3): one patch for all, or one for each"),
    Wrong((X, np.ones((3, 0, 2)), 0, 0), "got (3, 0, 2)"),
    Wrong((X, np.ones((3, 6, 2)), 0, 0), "the patch must fit into pictures of (5, 7), got (6, 2): use a smaller one"),
    Wrong((X, P, 4, 0), "top must be from 0 to 3, so that a patch of (2, 3) lies inside pictures of (5, 7), got 4"),
    Wrong((X, P, 0, [0, -1]),
          "left must be from 0 to 4, so that a patch of (2, 3) lies inside pictures of (5, 7), got -1"),
    Wrong((X, P, 0.5, 0), "top must be an int, or one for each picture, (2,), got float64 of shape (): whole pixels",
          error=TypeError),
    Wrong((X, P, 0, [1, 2, 3]), "left must be an int, or one for each picture, (2,), got int64 of shape (3,)",
          error=TypeError),
    Wrong((X, P, None, 0), "top must be an array of numbers, got None", error=TypeError),
    Wrong((X, P, 0, [1, [2]]), "left must be an array of numbers, got rows of unequal length"),
    Wrong((np.ones((8, 8)), P, 0, 0), NOT_PICTURES),
    Wrong((X, None, 0, 0), "patch must be an array of numbers, got None", error=TypeError),
)

COMPONENTS = (
    Component(
        fgsm,
        loops=fgsm_loops,
        torch=lambda x, dx, epsilon: (x + epsilon * dx.sign()).clamp(0, 1),
        cases=gradients_with_zeros,
        draw=any_gradient,
        no_backward=NO_BACKWARD,
        wrong=(
            Wrong((X, X[0], 0.1), "dx must be (2, 3, 5, 7), the shape of x, got (3, 5, 7): it is the gradient for the "
                  "input, see input_gradient"),
            Wrong((X, 1, 0.1), "dx must be (2, 3, 5, 7), the shape of x, got ()"),
            Wrong((X, None, 0.1), "dx must be an array of numbers, got None", error=TypeError),
            Wrong((255 * X, X, 0.1), "x must be from 0 to 1, got 127.5 to 127.5: divide bytes by 255"),
            Wrong((X - 1, X, 0.1), "x must be from 0 to 1, got -0.5 to -0.5"),
            Wrong((X, X, -0.1), "epsilon must be at least 0, got -0.1"),
            Wrong((X, X, [0.1, 0.2]), "epsilon must be one number, got [0.1, 0.2]", error=TypeError),
            Wrong((X, X, np.inf), "epsilon must be one number, got inf", error=TypeError),
            Wrong((X, X, "small"), "epsilon must be one number, got 'small'", error=TypeError),
        ),
    ),
    Component(
        object_mask,
        loops=object_mask_loops,
        torch=torch_object_mask,
        cases=pictures,
        draw=any_picture,
        no_backward=NO_BACKWARD,
        wrong=(
            Wrong((np.ones((8, 8)),), NOT_PICTURES),
            Wrong((np.ones((5, 8, 8)),), "x must be (N, C, H, W), got (5, 8, 8): for grey pictures add the axis of the "
                  "channels, x[:, None]; for one picture alone x[None]"),
            Wrong((np.ones(64),), "x must be (N, C, H, W), got (64,): pictures, channels, rows, columns"),
            Wrong((np.ones((2, 0, 3, 3)),), "x must have at least one channel, got (2, 0, 3, 3)"),
            Wrong((X, [0.1, 0.2]), "threshold must be one number, got [0.1, 0.2]", error=TypeError),
            Wrong((X, 0.5, -1), "softness must be at least 0, got -1"),
        ),
    ),
    Component(
        onto_background,
        loops=onto_background_loops,
        torch=lambda x, background, mask: torch.lerp(background.expand_as(x), x, mask.expand_as(x)),
        cases=backgrounds,
        draw=any_background,
        no_backward=NO_BACKWARD,
        wrong=(
            Wrong((X, np.ones((5, 6)), 1),
                  "background must broadcast to x (N, C, H, W) = (2, 3, 5, 7), such as (5, 7) or (2, 1, 5, 7), "
                  "got (5, 6): is it for pictures of another size?"),
            Wrong((X, 0, np.ones((4, 1, 5, 7))), "mask must broadcast to x (N, C, H, W) = (2, 3, 5, 7)"),
            Wrong((X, np.ones((1, 2, 3, 5, 7)), 1), "background must broadcast to x"),
            Wrong((X, 128, 1), "background must be from 0 to 1, got 128 to 128: divide bytes by 255"),
            Wrong((X, 0, 2 * X - 2), "mask must be from 0 to 1, got -1 to -1"),
            Wrong((np.ones((8, 8)), 0, 1), NOT_PICTURES),
            Wrong((X, 0, None), "mask must be an array of numbers, got None", error=TypeError),
        ),
    ),
    Component(
        paste,
        backward=paste_backward,
        loops=paste_loops,
        torch=torch_paste,
        cases=patches,
        draw=any_patch,
        wrong=BAD_PATCHES,
        wrong_backward=(
            *(Wrong((X, *wrong.arguments), wrong.sentence, error=wrong.error) for wrong in BAD_PATCHES),
            Wrong((X[:1], X, P, 0, 0),
                  "dy must be (2, 3, 5, 7), the shape of x and of the result of the forward, got (1, 3, 5, 7)"),
        ),
    ),
)
ELSEWHERE = dict.fromkeys(
    ["input_gradient", "attack", "random_control", "random_places", "learn_patch"], "test_adversarial.py"
)
