"""Right answers to the exercises of part f: with loops, with slices, with lists, in single precision."""

import math

import numpy as np

from . import wheat

# count_cnn_parameters


@wheat("count_cnn_parameters")
def count_step_by_step(input_shape, layers):
    shape, total = tuple(input_shape), 0
    for kind, *numbers in layers:
        if kind == "conv":
            out, k, stride, padding = numbers
            total += out * shape[0] * k * k + out
            shape = (out, *((n + 2 * padding - k) // stride + 1 for n in shape[1:]))
        elif kind == "pool":
            k, stride = numbers
            shape = (shape[0], *((n - k) // stride + 1 for n in shape[1:]))
        elif kind == "flatten":
            shape = (math.prod(shape),)
        else:
            total += (shape[0] + 1) * numbers[0]
            shape = (numbers[0],)
    return total


@wheat("count_cnn_parameters")
def count_arrays(input_shape, layers):
    """Makes the weights and counts them; a flattened map stays a shape of three."""
    shape, total = list(input_shape), 0
    for layer in layers:
        if layer[0] == "conv":
            _, out, k, stride, padding = layer
            w = np.broadcast_to(np.float32(0), (out, shape[0], k, k))
            total += w.size + len(w)
            shape = [out] + [1 + int((n - k + 2 * padding) / stride) for n in shape[1:]]
        elif layer[0] == "pool":
            shape[1:] = [math.floor((n - layer[1]) / layer[2]) + 1 for n in shape[1:]]
        elif layer[0] == "linear":
            w = np.broadcast_to(np.float32(0), (layer[1], np.prod(shape)))
            total += w.size + w.shape[0]
            shape = [layer[1]]
    return np.int64(total)


@wheat("count_cnn_parameters")
def count_recursively(input_shape, layers):
    if not layers:
        return 0
    (kind, *numbers), rest = layers[0], layers[1:]
    if kind == "flatten":
        return count_recursively((int(np.prod(input_shape)),), rest)
    if kind == "linear":
        return numbers[0] * input_shape[0] + numbers[0] + count_recursively((numbers[0],), rest)
    c, h, w = input_shape
    k, stride = numbers[-2:] if kind == "pool" else numbers[1:3]
    padding = numbers[3] if kind == "conv" else 0
    places = [len(range(0, n + 2 * padding - k + 1, stride)) for n in (h, w)]
    if kind == "pool":
        return count_recursively((c, *places), rest)
    return numbers[0] * (c * k**2 + 1) + count_recursively((numbers[0], *places), rest)


# shift


@wheat("shift")
def shift_loops(image, down, right):
    h, w = image.shape
    y = np.zeros((h, w))
    for i in range(h):
        for j in range(w):
            if 0 <= i - down < h and 0 <= j - right < w:
                y[i, j] = image[i - down, j - right]
    return y


@wheat("shift")
def shift_rolled_and_cleared(image, down, right):
    y = np.roll(image, (down, right), (0, 1)).astype(np.float32)
    if down > 0:
        y[:down] = 0
    elif down < 0:
        y[down:] = 0
    if right > 0:
        y[:, :right] = 0
    elif right < 0:
        y[:, right:] = 0
    return y


@wheat("shift")
def shift_framed(image, down, right):
    h, w = image.shape
    framed = np.pad(image, ((h, h), (w, w)))
    return framed[h - down : 2 * h - down, w - right : 2 * w - right]


@wheat("shift")
def shift_by_matrices(image, down, right):
    h, w = image.shape
    return np.eye(h, k=-down) @ image @ np.eye(w, k=right)


@wheat("shift")
def shift_lists(image, down, right):
    rows = [list(row) for row in image]
    h, w = len(rows), len(rows[0])
    get = lambda i, j: rows[i][j] if i in range(h) and j in range(w) else 0.0  # noqa: E731
    return [[get(i - down, j - right) for j in range(w)] for i in range(h)]


# augment


@wheat("augment")
def augment_one_by_one(x, rng, max_shift):
    pictures = []
    for picture in x:
        down, right = rng.integers(-max_shift, max_shift, size=2, endpoint=True)
        pictures.append(shift_framed(picture, down, right))
    return np.array(pictures)


@wheat("augment")
def augment_cut_out(x, rng, max_shift):
    n, h, w = x.shape
    framed = np.pad(x, ((0, 0), (max_shift, max_shift), (max_shift, max_shift)))
    top, left = rng.integers(0, 2 * max_shift + 1, n), rng.integers(0, 2 * max_shift + 1, n)
    return np.stack([framed[i, top[i] : top[i] + h, left[i] : left[i] + w] for i in range(n)])


@wheat("augment")
def augment_by_choice(x, rng, max_shift):
    amounts = list(range(-max_shift, max_shift + 1))
    return [shift_rolled_and_cleared(picture, int(rng.choice(amounts)), int(rng.choice(amounts))) for picture in x]


@wheat("augment")
def augment_by_floor(x, rng, max_shift):
    y = np.zeros_like(x)
    for i in range(len(x)):
        amounts = np.floor(rng.random(2) * (2 * max_shift + 1)).astype(int) - max_shift
        y[i] = shift_by_matrices(x[i], *amounts)
    return y


# dropout and its backward


@wheat("dropout")
def dropout_where(x, p, rng, training):
    if not training:
        return x, np.ones(x.shape)
    mask = rng.random(x.shape) > p
    return np.where(mask, x / (1 - p), 0), mask


@wheat("dropout")
def dropout_binomial(x, p, rng, training):
    mask = rng.binomial(1, 1 - p if training else 1, size=x.shape)
    return [x * mask / (1 - p * training), mask]


@wheat("dropout")
def dropout_on_a_copy(x, p, rng, training):
    y, mask = x.astype(np.float32), np.ones_like(x, dtype=np.float32)
    if training:
        gone = rng.uniform(size=x.shape) < p
        mask[gone] = 0
        y[gone] = 0
        y /= 1 - p
    return y, mask


@wheat("dropout")
def dropout_loops(x, p, rng, training):
    y, mask = np.zeros(x.size), np.zeros(x.size)
    for i, value in enumerate(x.ravel()):
        if not training:
            y[i], mask[i] = value, 1
        elif rng.choice([True, False], p=[1 - p, p]) if i < 3 else rng.random() >= p:
            y[i], mask[i] = value / (1 - p), 1
    return y.reshape(x.shape), mask.reshape(x.shape)


@wheat("dropout_backward")
def dropout_backward_product(dy, mask, p):
    return dy * mask / (1 - p)


@wheat("dropout_backward")
def dropout_backward_on_a_copy(dy, mask, p):
    dx = dy.copy() / (1 - p)
    dx[mask == 0] = 0
    return dx


@wheat("dropout_backward")
def dropout_backward_where(dy, mask, p):
    return np.where(np.asarray(mask, bool), dy, 0).astype(np.float32) * np.float32(1 / (1 - p))


# fine_tune_step


@wheat("fine_tune_step")
def fine_tune_comprehension(parameters, gradients, frozen, lr):
    return [p if still else p - lr * g for p, g, still in zip(parameters, gradients, frozen)]


@wheat("fine_tune_step")
def fine_tune_loop(parameters, gradients, frozen, lr):
    new = []
    for i in range(len(parameters)):
        w = parameters[i].astype(np.float32)
        if not frozen[i]:
            w -= lr * gradients[i]
        new.append(w)
    return tuple(new)


@wheat("fine_tune_step")
def fine_tune_factors(parameters, gradients, frozen, lr):
    rates = lr * (1 - np.array(frozen))
    return [np.subtract(p, rate * g).tolist() for p, rate, g in zip(parameters, rates, gradients)]


# fgsm, attack


@wheat("fgsm")
def fgsm_clip(x, dx, epsilon):
    return np.clip(x + epsilon * np.sign(dx), 0, 1)


@wheat("fgsm")
def fgsm_masks(x, dx, epsilon):
    y = x.astype(np.float32)
    y[dx > 0] += epsilon
    y[dx < 0] -= epsilon
    return np.minimum(np.maximum(y, 0), 1)


@wheat("fgsm")
def fgsm_elements(x, dx, epsilon):
    y = np.empty(x.shape)
    for place in np.ndindex(x.shape):
        step = 0 if dx[place] == 0 else math.copysign(epsilon, dx[place])
        y[place] = min(1, max(0, x[place] + step))
    return y


@wheat("attack")
def attack_plain(gradient, x, label, epsilon, steps):
    y = x
    for _ in range(steps):
        y = np.clip(y + epsilon / steps * np.sign(gradient(y, label)), 0, 1)
    return y


@wheat("attack")
def attack_projected(gradient, x, label, epsilon, steps):
    least, most = np.maximum(x - epsilon, 0), np.minimum(x + epsilon, 1)
    y, a = x.copy(), epsilon / steps
    for _ in range(steps):
        y += a * np.sign(gradient(y, label))
        np.clip(y, least, most, out=y)
    return y


@wheat("attack")
def attack_by_its_change(gradient, x, label, epsilon, steps):
    change = np.zeros(x.shape, np.float32)
    for _ in range(steps):
        change += np.float32(epsilon / steps) * np.sign(gradient(x + change, label)).astype(np.float32)
        change = np.clip(x + np.clip(change, -epsilon, epsilon), 0, 1) - x
    return x + change


@wheat("attack")
def attack_recursively(gradient, x, label, epsilon, steps):
    a = epsilon / steps
    for number in range(steps):
        x = fgsm_elements(x, gradient(x, label), a)
    return x


# shortcut_gap


@wheat("shortcut_gap")
def gap_of_means(predict, x, y, break_shortcut):
    return np.mean(predict(x) == y) - np.mean(predict(break_shortcut(x)) == y)


@wheat("shortcut_gap")
def gap_counted(predict, x, y, break_shortcut):
    right = 0
    for a, b, label in zip(predict(x), predict(break_shortcut(x)), y, strict=True):
        right += int(a == label) - int(b == label)
    return right / len(y)


@wheat("shortcut_gap")
def gap_of_errors(predict, x, y, break_shortcut):
    errors = [np.count_nonzero(predict(pictures) - y) for pictures in (break_shortcut(x), x)]
    return np.float32((errors[0] - errors[1]) / len(x))
