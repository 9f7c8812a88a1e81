"""Adversarial examples: pictures, changed so that a network is mistaken and a person is not (part f).

Three ways to manipulate a picture, as the lecture has them:

    imperceptible changes   every pixel by ε at most, along the gradient: `fgsm`, and `attack`, which goes in small
                            steps; `random_control` changes as much by chance, to compare with
    the context             `onto_background` leaves the object as it is and replaces what is around it
    the real world          a patch, printed and stuck on: `learn_patch` finds one, `paste` puts it into pictures

Training goes down the gradient of the cost for the weights. All attacks here use
the same backpropagation, one layer further, to the input: `input_gradient`.
Pictures are from 0 to 1, and stay so.
"""

import math
from contextlib import contextmanager

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from pnnlib.arrays import as_floats, as_int
from pnnlib.layers import Module
from pnnlib.losses import cross_entropy
from pnnlib.windows import per_axis

# Imperceptible changes


def input_gradient(model, x, labels, loss=cross_entropy):
    """Return dx, the gradient of the cost for the input: how to change the pixels so that the network gets worse.

    dX = ∂J/∂X, from the backward of all layers, the first one included. The
    network runs in usage mode, as the one that is attacked does, and is afterwards
    as it was: its mode, what its layers remember of their last input, its
    gradients and its running statistics.

    Shapes: x as the network takes it, (N, …), labels (N,) ints, or whatever
    `loss(output, labels)` → (value, gradient) takes → dx as x.
    PyTorch: `module.eval()`, `loss(module(x), labels).backward()`, then `x.grad`.

    >>> from pnnlib.layers import Linear
    >>> input_gradient(Linear(3, 2, rng=0), np.ones((4, 3)), [0, 1, 0, 1]).shape
    (4, 3)
    """
    if not isinstance(model, Module):
        raise TypeError(
            f"input_gradient: model must be a network of pnnlib.layers, got {_kind(model)}: "
            f"for a network of PyTorch, bridge.from_torch"
        )
    (x,) = as_floats("input_gradient", x=x)
    with _left_as_it_was(model):
        _, dy = loss(model.eval()(x), labels)
        return model.backward(dy)


def fgsm(x, dx, epsilon):
    """Change every pixel by ε, in the direction in which the cost rises: the fast gradient sign method.

    Imperceptible changes to the pixel values (part f):

        Y = X + ε sign(∂J/∂X),   kept in [0, 1]

    Of all changes by at most ε in every pixel, this raises the cost most, as far
    as the gradient can tell: by ε Σ |∂J/∂X|. Each pixel adds its little, and there
    are many. Where the gradient is 0, nothing changes.

    Shapes: x any, from 0 to 1, dx as x, epsilon a number from 0 up → y as x.
    −dx lowers the cost: with the dx for a wrong label, the attack has a target.
    PyTorch: `(x + epsilon * x.grad.sign()).clamp(0, 1)`.

    >>> fgsm([0.5, 0.5, 0.5, 0.95], dx=[0.001, -7, 0, 2], epsilon=0.1)
    array([0.6, 0.4, 0.5, 1. ])
    """
    x, dx = as_floats("fgsm", x=x, dx=dx)
    _check_range("fgsm", x)
    epsilon = _amount("fgsm", "epsilon", epsilon)
    if dx.shape != x.shape:
        raise ValueError(
            f"fgsm: dx must be {x.shape}, the shape of x, got {dx.shape}: "
            f"it is the gradient for the input, see input_gradient"
        )
    return np.clip(x + epsilon * np.sign(dx), 0, 1)


def attack(gradient, x, label, epsilon, steps, *, step_size=None):
    """Look for the worst change by at most ε in every pixel, in small steps, each along the gradient at its place.

    The gradient is right only nearby, so `fgsm` may overshoot. Iterated, with steps of size α:

        Y ← Y + α sign(∂J/∂Y),   then put back into [X − ε, X + ε] and [0, 1]

    By default α = ε / steps, which just reaches ε. With larger steps, such as
    2ε / steps, it can also come back from the border, where projection holds it.

    Shapes: x any, from 0 to 1; `gradient(x, label)` → dx as x, the gradient of the
    cost; label whatever it takes; numbers epsilon and steps → y as x.
    PyTorch: no function; this loop, with `torch.autograd.grad(loss(module(y), label), y)`.

    >>> from functools import partial
    >>> from pnnlib.layers import Linear
    >>> x, model = np.full((1, 3), 0.5), Linear(3, 2, rng=0)
    >>> np.abs(attack(partial(input_gradient, model), x, [1], epsilon=0.1, steps=4) - x).round(3)
    array([[0.1, 0.1, 0.1]])
    """
    if isinstance(gradient, Module) or not callable(gradient):
        raise TypeError(
            f"attack: gradient must be a function (x, label) → dx, got {_kind(gradient)}: "
            f"for a network, functools.partial(input_gradient, model)"
        )
    (x,) = as_floats("attack", x=x)
    _check_range("attack", x)
    epsilon, steps = _amount("attack", "epsilon", epsilon), as_int("attack", "steps", steps, least=1)
    step_size = epsilon / steps if step_size is None else _amount("attack", "step_size", step_size)
    least, most = np.maximum(x - epsilon, 0), np.minimum(x + epsilon, 1)
    y = np.clip(x, 0, 1)
    for _ in range(steps):
        (dx,) = as_floats("attack", **{"gradient(x, label)": gradient(y, label)})
        if dx.shape != x.shape:
            raise ValueError(
                f"attack: gradient(x, label) must return dx of shape {x.shape}, that of x, got {dx.shape}: "
                f"does it return the cost, or the gradient for the weights?"
            )
        y = np.clip(y + step_size * np.sign(dx).astype(x.dtype), least, most)
    return y


def random_control(x, epsilon, rng=None):
    """Change every pixel by ε, up or down by chance: the same amount as `fgsm`, without its knowledge.

    What an attack does must be compared with this, or it might be that any change as large does the same:

        Y = X + ε S,   S(i) = ±1 with equal probability,   kept in [0, 1]

    Shapes: x any, from 0 to 1, epsilon a number from 0 up → y as x.
    PyTorch: `(x + epsilon * torch.randn_like(x).sign()).clamp(0, 1)`.

    >>> random_control(np.full(6, 0.5), epsilon=0.1, rng=0)
    array([0.6, 0.6, 0.6, 0.4, 0.4, 0.4])
    """
    (x,) = as_floats("random_control", x=x)
    _check_range("random_control", x)
    epsilon = _amount("random_control", "epsilon", epsilon)
    signs = np.random.default_rng(rng).integers(2, size=x.shape).astype(x.dtype) * 2 - 1
    return fgsm(x, signs, epsilon)


# The context


def object_mask(x, threshold=0.5, softness=0):
    """Return where the object is, in pictures of bright objects on a dark background: 1 on the object, 0 around it.

    M = 1 where X > θ in any channel, else 0. With a softness s, the edge is a ramp instead, s wide in brightness:

        M = (X − θ) / s + ½,   kept in [0, 1]

    Shapes: x (N, C, H, W), numbers threshold θ and softness s ≥ 0 → m (N, 1, H, W).
    PyTorch: `(x.amax(1, keepdim=True) > threshold).to(x.dtype)`, or for the ramp
    `((x.amax(1, keepdim=True) - threshold) / softness + 0.5).clamp(0, 1)`.

    >>> x = [[[[0, 0.25, 0.5, 1]]]]
    >>> object_mask(x, 0.4).ravel(), object_mask(x, 0.5, softness=1).ravel()
    (array([0., 0., 1., 1.]), array([0.  , 0.25, 0.5 , 1.  ]))
    """
    x = _take_pictures("object_mask", x)
    threshold = _number("object_mask", "threshold", threshold)
    softness = _amount("object_mask", "softness", softness)
    brightest = x.max(axis=1, keepdims=True)
    if softness == 0:
        return (brightest > threshold).astype(x.dtype)
    return np.clip((brightest - threshold) / softness + 0.5, 0, 1)


def onto_background(x, background, mask):
    """Leave the object as it is, and replace what is around it: the context changes.

    Changing the context (part f): nothing in the object tells the network anything
    else than before, and yet it may be mistaken.

        Y = M · X + (1 − M) · B

    Shapes: x (N, C, H, W), background and mask from 0 to 1 of shapes that
    broadcast to x, such as (H, W) or (N, 1, H, W), or a number for a plain grey
    background; mask from `object_mask`, or drawn by hand → y as x.
    PyTorch: `torch.lerp(background, x, mask)`.

    >>> x = np.array([[[[0, 0.25, 0.75, 1]]]])
    >>> onto_background(x, 0.5, object_mask(x)).ravel()
    array([0.5 , 0.5 , 0.75, 1.  ])
    """
    x = _take_pictures("onto_background", x)
    x, background, mask = as_floats("onto_background", x=x, background=background, mask=mask)
    for name, a in (("background", background), ("mask", mask)):
        if not _fits(a.shape, x.shape):
            raise ValueError(
                f"onto_background: {name} must broadcast to x (N, C, H, W) = {x.shape}, such as {x.shape[2:]} or "
                f"{(len(x), 1, *x.shape[2:])}, got {a.shape}: is it for pictures of another size?"
            )
        _check_range("onto_background", a, name)
    return mask * x + (1 - mask) * background


# The real world


def paste(x, patch, top, left):
    """Put a patch into pictures, over what was there: as a sticker does in the real world.

    Manipulating the real world (part f), with the corner (t, l) at a place of its own in every picture:

        Y(n, c, i, j) = P(c, i − t(n), j − l(n)) on the patch, X(n, c, i, j) elsewhere

    Shapes: x (N, C, H, W), patch (C, h, w), or (N, C, h, w) for one of its own in
    every picture; top and left ints, or (N,) ints → y as x.
    PyTorch: `y = x.clone()`, then for each n `y[n, :, t:t + h, l:l + w] = patch`.

    >>> paste(np.zeros((2, 1, 2, 3)), [[[1, 2]]], top=0, left=[0, 1])[:, 0, 0]
    array([[1., 2., 0.],
           [0., 1., 2.]])
    """
    x, patch = as_floats("paste", x=x, patch=patch)
    top, left = _check_patch("paste", x, patch, top, left)
    return _pasted(x, patch, top, left)


def paste_backward(dy, x, patch, top, left):
    """Return (dx, dpatch), the gradients of a loss, given its gradient dy at the result of `paste`.

    Each pixel of the result comes from one place. The patch is in every picture, so what it is owed adds up:

        dX(n, c, i, j) = 0 under the patch, dY(n, c, i, j) elsewhere
        dP(c, k, l) = Σ_n dY(n, c, k + t(n), l + l(n))

    Shapes: dy as x, the rest as given to `paste` → dx as x, dpatch as patch; where
    every picture has its own patch, without the sum.
    PyTorch: `y.backward(dy)`, then `x.grad, patch.grad`.

    >>> dx, dpatch = paste_backward([[[[1, 2, 3]]], [[[4, 5, 6]]]], np.zeros((2, 1, 1, 3)), [[[0, 0]]], 0, [0, 1])
    >>> dx[:, 0, 0], dpatch
    (array([[0., 0., 3.],
           [4., 0., 0.]]), array([[[6., 8.]]]))
    """
    dy, x, patch = as_floats("paste_backward", dy=dy, x=x, patch=patch)
    top, left = _check_patch("paste_backward", x, patch, top, left)
    if dy.shape != x.shape:
        raise ValueError(
            f"paste_backward: dy must be {x.shape}, the shape of x and of the result of the forward, got {dy.shape}: "
            f"is it the gradient of another layer?"
        )
    dpatch = _places(dy, patch)[np.arange(len(x)), :, top, left]
    return _pasted(dy, np.zeros_like(patch), top, left), dpatch if patch.ndim == 4 else dpatch.sum(axis=0)


def random_places(x, patch, rng=None):
    """Draw a place for the patch in every picture, (top, left) as `paste` takes them; all where it fits are as likely.

    Shapes: x (N, C, H, W), patch (C, h, w) or (N, C, h, w) → top (N,) from 0 to H − h, left (N,) from 0 to W − w.
    PyTorch: `torch.randint(H - h + 1, (N,)), torch.randint(W - w + 1, (N,))`.

    >>> random_places(np.zeros((4, 1, 8, 8)), np.zeros((1, 3, 3)), rng=0)
    (array([5, 3, 3, 1]), array([1, 0, 0, 0]))
    """
    x, patch = as_floats("random_places", x=x, patch=patch)
    _check_patch("random_places", x, patch, 0, 0)
    rng = np.random.default_rng(rng)
    down, right = np.subtract(x.shape[-2:], patch.shape[-2:])
    return rng.integers(down, size=len(x), endpoint=True), rng.integers(right, size=len(x), endpoint=True)


def learn_patch(
    model, x, labels, size, target=None, *, steps=100, lr=0.05, batch_size=64, transform=None, rng=None
):
    """Find a patch that misleads the network in whatever picture, and at whatever place, it is pasted.

    It starts grey. In every step it is pasted into a few pictures, at random places,
    and moves along the sign of its gradient, summed over them: up the cost of the
    right labels, or with a `target` down the cost of this class, so that everything
    seems to be one. What helps in one picture or at one place only cancels out.

        P ← P ± lr sign(Σ_n ∂J/∂P),   kept in [0, 1]

    A patch can work under rotation or in other light if it is learnt so:
    `transform(patches, rng)`, from `augment` or your own, changes how the patch
    looks in each picture. It must be linear (turn, shift, scale, dim; not noise):
    applied to patches with a single pixel, it tells what each pixel becomes, and so
    the gradient. The corners that a turned patch leaves empty are 0.

    Shapes: x (N, C, H, W) from 0 to 1, labels (N,) ints (with a target, None will
    do), size h or (h, w), target a class number or None → patch (C, h, w). Try it
    on other pictures, and there against one that is plain white, or random:

        paste(x, patch, *random_places(x, patch, rng))
        paste(x, transform(np.repeat(patch[None], len(x), axis=0), rng), *random_places(x, patch, rng))

    PyTorch: no function; the same loop, with autograd.

    >>> from pnnlib.layers import Flatten, Linear, Sequential
    >>> x, model = np.random.default_rng(0).random((20, 1, 6, 6)), Sequential(Flatten(), Linear(36, 2, rng=0))
    >>> learn_patch(model, x, np.zeros(20, int), size=(2, 3), steps=5, rng=0).shape
    (1, 2, 3)
    """
    x, rng = _take_pictures("learn_patch", x), np.random.default_rng(rng)
    _check_range("learn_patch", x)
    size = per_axis("learn_patch", "size", size, 2, least=1)
    steps, batch_size = as_int("learn_patch", "steps", steps, 0), as_int("learn_patch", "batch_size", batch_size, 1)
    lr = _amount("learn_patch", "lr", lr)
    labels = np.asarray(labels if target is None else [as_int("learn_patch", "target", target, least=0)] * len(x))
    if len(x) == 0 or labels.shape != x.shape[:1]:
        raise ValueError(
            f"learn_patch: there must be pictures, and a label for each, got x of shape {x.shape} and labels of shape "
            f"{labels.shape}"
        )
    if transform is not None and not callable(transform):
        raise TypeError(
            f"learn_patch: transform must be a function (x, rng), as augment.random_rotation(20), got {transform!r}"
        )
    patch = np.full((x.shape[1], *size), 0.5, x.dtype)
    _check_patch("learn_patch", x, patch, 0, 0)
    for _ in range(steps):
        some = rng.choice(len(x), min(batch_size, len(x)), replace=False)
        seen, backward = _as_seen(patch, len(some), transform, rng)
        top, left = random_places(x[some], seen, rng)
        dy = input_gradient(model, paste(x[some], seen, top, left), labels[some])
        dpatch = backward(paste_backward(dy, x[some], seen, top, left)[1])
        patch = fgsm(patch, dpatch if target is None else -dpatch, lr).astype(x.dtype)
    return patch


def _as_seen(patch, many, transform, rng):
    """Return how the patch looks in so many pictures, and the function that takes the gradient back from there.

    A transform of `augment` does the same to all channels of a picture. So patches
    with one pixel each, stacked as more channels, show what it does to each pixel:
    patch k becomes basis(n, k), and any patch their sum, weighted by its pixels.
    """
    c, h, w = patch.shape
    if transform is None:
        return patch, lambda dseen: dseen
    pixels = np.eye(h * w, dtype=patch.dtype).reshape(h * w, h, w)
    together = np.repeat(np.concatenate([pixels, patch])[None], many, axis=0)
    (changed,) = as_floats("learn_patch", **{"transform(patches, rng)": transform(together, rng)})
    if changed.shape != together.shape:
        raise ValueError(
            f"learn_patch: transform must keep the shape of the patches, here {together.shape}, got {changed.shape}: "
            f"one that crops makes them smaller"
        )
    basis, seen = changed[:, : h * w], changed[:, h * w :].astype(patch.dtype)
    if not np.allclose(np.tensordot(patch.reshape(c, h * w), basis, axes=(1, 1)).swapaxes(0, 1), seen, atol=1e-4):
        raise ValueError(
            "learn_patch: transform must be linear and do the same to all channels of a picture, this one is not: "
            "noise and cutting off are not, turning, shifting, scaling and dimming are"
        )
    return seen, lambda dseen: np.tensordot(dseen, basis, axes=((0, 2, 3), (0, 2, 3))).reshape(patch.shape)


def _pasted(x, patch, top, left):
    y = x.copy()
    _places(y, patch)[np.arange(len(x)), :, top, left] = patch
    return y


def _places(x, patch):
    """View x (N, C, H, W) as (N, C, top, left, h, w): what lies under the patch, wherever it may be."""
    return sliding_window_view(x, patch.shape[-2:], axis=(-2, -1), writeable=True)


@contextmanager
def _left_as_it_was(model):
    """Let a network be used, then put back what its layers and parameters held: they replace arrays, edit none."""
    before = [(part, dict(vars(part))) for part in (*model.modules(), *model.parameters())]
    try:
        yield
    finally:
        for part, held in before:
            vars(part).clear()
            vars(part).update(held)


# What can go wrong, said so that the cause can be found.


def _take_pictures(operation, x):
    (x,) = as_floats(operation, x=x)
    if x.ndim != 4:
        cause = {
            2: "for one grey picture alone add axes: x[None, None]",
            3: "for grey pictures add the axis of the channels, x[:, None]; for one picture alone x[None]",
        }.get(x.ndim, "pictures, channels, rows, columns")
        raise ValueError(f"{operation}: x must be (N, C, H, W), got {x.shape}: {cause}")
    if x.shape[1] == 0:
        raise ValueError(f"{operation}: x must have at least one channel, got {x.shape}")
    return x


def _check_range(operation, a, name="x", slack=1e-3):
    # what was interpolated may be a rounding error outside
    if a.size and (a.min() < -slack or a.max() > 1 + slack):
        raise ValueError(
            f"{operation}: {name} must be from 0 to 1, got {a.min():g} to {a.max():g}: divide bytes by 255"
        )


def _check_patch(operation, x, patch, top, left):
    """Return top and left, one of each for every picture, or say why the patch does not fit."""
    _take_pictures(operation, x)
    n, c, height, width = x.shape
    if patch.shape[:-2] not in ((c,), (n, c)) or 0 in patch.shape[-2:]:
        cause = "add the axis of the channels: patch[None]" if patch.ndim == 2 else "one patch for all, or one for each"
        raise ValueError(
            f"{operation}: patch must be ({c}, h, w) or ({n}, {c}, h, w) for x of shape {x.shape}, got {patch.shape}: "
            f"{cause}"
        )
    h, w = patch.shape[-2:]
    if h > height or w > width:
        raise ValueError(
            f"{operation}: the patch must fit into pictures of ({height}, {width}), got ({h}, {w}): use a smaller one"
        )
    corner = []
    for name, place, most in (("top", top, height - h), ("left", left, width - w)):
        as_floats(operation, **{name: place})  # are they numbers at all?
        place = np.asarray(place)
        if place.dtype.kind not in "iu" or place.shape not in ((), (n,)):
            raise TypeError(
                f"{operation}: {name} must be an int, or one for each picture, ({n},), got {place.dtype} of shape "
                f"{place.shape}: whole pixels, see random_places"
            )
        if place.size and (place.min() < 0 or place.max() > most):
            raise ValueError(
                f"{operation}: {name} must be from 0 to {most}, so that a patch of ({h}, {w}) lies inside pictures of "
                f"({height}, {width}), got {place.min() if place.min() < 0 else place.max()}"
            )
        corner.append(place)
    return corner


def _fits(shape, whole):
    try:
        return np.broadcast_shapes(shape, whole) == whole
    except ValueError:
        return False


def _number(operation, name, value):
    if np.ndim(value) or np.asarray(value).dtype.kind not in "fiu" or not math.isfinite(value):
        raise TypeError(f"{operation}: {name} must be one number, got {value!r}")
    return float(value)


def _amount(operation, name, value):
    value = _number(operation, name, value)
    if value < 0:
        raise ValueError(f"{operation}: {name} must be at least 0, got {value:g}")
    return value


def _kind(value):
    return f"a {type(value).__module__}.{type(value).__name__}" if not isinstance(value, type) else repr(value)
