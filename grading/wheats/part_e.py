"""Right answers to the exercises of part e: with loops, with views, by sorting, with lists, in single precision."""

import math

import numpy as np

from . import wheat

# max_pool, average_pool


@wheat("max_pool")
def max_loops(x, size, stride):
    (channels, rows, columns) = x.shape
    y = np.empty((channels, (rows - size) // stride + 1, (columns - size) // stride + 1))
    for c, i, j in np.ndindex(y.shape):
        y[c, i, j] = max(x[c, i * stride + k, j * stride + l] for k in range(size) for l in range(size))
    return y


@wheat("max_pool")
def max_taps(x, size, stride):
    rows, columns = ((n - size) // stride + 1 for n in x.shape[1:])
    y = np.full((len(x), rows, columns), -np.inf)
    for k in range(size):
        for l in range(size):
            tap = x[:, k : k + rows * stride : stride, l : l + columns * stride : stride]
            y = np.maximum(y, tap[:, :rows, :columns])
    return y


@wheat("max_pool")
def max_windows(x, size, stride):
    windows = np.lib.stride_tricks.sliding_window_view(x, (size, size), axis=(1, 2))
    return windows[:, ::stride, ::stride].max(axis=(3, 4)).astype(np.float32)


@wheat("max_pool")
def max_lists(x, size, stride):
    return [
        [[m[i : i + size, j : j + size].max() for j in range(0, m.shape[1] - size + 1, stride)]
         for i in range(0, m.shape[0] - size + 1, stride)]
        for m in x
    ]  # fmt: skip


@wheat("average_pool")
def average_loops(x, size, stride):
    (channels, rows, columns) = x.shape
    y = np.zeros((channels, (rows - size) // stride + 1, (columns - size) // stride + 1))
    for i in range(y.shape[1]):
        for j in range(y.shape[2]):
            y[:, i, j] = x[:, i * stride : i * stride + size, j * stride : j * stride + size].mean(axis=(1, 2))
    return y


@wheat("average_pool")
def average_integral(x, size, stride):
    """By the summed-area table: four of its corners give the sum of a region."""
    table = np.pad(x.cumsum(1).cumsum(2), ((0, 0), (1, 0), (1, 0)))
    sums = table[:, size:, size:] - table[:, :-size, size:] - table[:, size:, :-size] + table[:, :-size, :-size]
    return sums[:, ::stride, ::stride] / size**2


@wheat("average_pool")
def average_einsum(x, size, stride):
    windows = np.lib.stride_tricks.sliding_window_view(x.astype(np.float32), (size, size), axis=(1, 2))
    return np.einsum("cijkl->cij", windows[:, ::stride, ::stride]) / size / size


# global_average_pool


@wheat("global_average_pool")
def global_axes(x):
    return x.mean(axis=(1, 2))


@wheat("global_average_pool")
def global_rows(x):
    return x.reshape(len(x), -1).sum(axis=1) / (x.shape[1] * x.shape[2])


@wheat("global_average_pool")
def global_list(x):
    return [float(np.mean(m)) for m in x]


# cross_channel_max_pool


@wheat("cross_channel_max_pool")
def groups_reshaped(x, group):
    return x.reshape(-1, group, *x.shape[1:]).max(axis=1)


@wheat("cross_channel_max_pool")
def groups_loop(x, group):
    return np.stack([x[c : c + group].max(axis=0) for c in range(0, len(x), group)])


@wheat("cross_channel_max_pool")
def groups_shifted(x, group):
    y = x[::group].astype(np.float32)
    for g in range(1, group):
        y = np.maximum(y, x[g::group])
    return y


@wheat("cross_channel_max_pool")
def groups_reduceat(x, group):
    return np.maximum.reduceat(x, np.arange(0, len(x), group), axis=0)


# max_pool_backward


@wheat("max_pool_backward")
def backward_loops(dy, x, size, stride):
    dx = np.zeros(x.shape)
    for c, i, j in np.ndindex(dy.shape):
        window = x[c, i * stride : i * stride + size, j * stride : j * stride + size]
        k, l = divmod(int(window.argmax()), size)
        dx[c, i * stride + k, j * stride + l] += dy[c, i, j]
    return dx


@wheat("max_pool_backward")
def backward_add_at(dy, x, size, stride):
    windows = np.lib.stride_tricks.sliding_window_view(x, (size, size), axis=(1, 2))[:, ::stride, ::stride]
    k, l = np.divmod(windows.reshape(*dy.shape, -1).argmax(axis=-1), size)
    c, i, j = np.indices(dy.shape)
    dx = np.zeros_like(x)
    np.add.at(dx, (c, i * stride + k, j * stride + l), dy)
    return dx


@wheat("max_pool_backward")
def backward_taps(dy, x, size, stride):
    rows, columns = dy.shape[1:]
    taps = [
        np.s_[:, k : k + (rows - 1) * stride + 1 : stride, l : l + (columns - 1) * stride + 1 : stride]
        for k in range(size) for l in range(size)
    ]  # fmt: skip
    y = np.maximum.reduce([x[tap] for tap in taps])
    dx, waiting = np.zeros(x.shape, np.float32), np.ones(y.shape, bool)
    for tap in taps:
        here = waiting & (x[tap] == y)
        dx[tap] += dy * here
        waiting &= ~here
    return dx


# flatten


@wheat("flatten")
def flatten_reshape(x):
    return x.reshape(len(x), -1)


@wheat("flatten")
def flatten_samples(x):
    return np.stack([sample.ravel() for sample in x])


@wheat("flatten")
def flatten_lists(x):
    return [[v for m in sample for row in m for v in row] for sample in x]


@wheat("flatten")
def flatten_maps(x):
    return np.concatenate([x[:, c].reshape(len(x), -1) for c in range(x.shape[1])], axis=1, dtype=np.float32)


# cross_entropy


@wheat("cross_entropy")
def entropy_shifted(logits, labels):
    z = logits - logits.max(axis=1, keepdims=True)
    log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    n = np.arange(len(z))
    dlogits = np.exp(log_p)
    dlogits[n, labels] -= 1
    return -log_p[n, labels].mean(), dlogits / len(z)


@wheat("cross_entropy")
def entropy_logaddexp(logits, labels):
    total = np.logaddexp.reduce(logits, axis=1, keepdims=True)
    one_hot = np.eye(logits.shape[1])[labels]
    loss = np.sum((total - logits) * one_hot) / len(logits)
    return [float(loss), (np.exp(logits - total) - one_hot) / len(logits)]


@wheat("cross_entropy")
def entropy_samples(logits, labels):
    loss, gradient = 0.0, []
    for z, label in zip(logits.tolist(), labels.tolist()):
        top = max(z)
        total = sum(math.exp(v - top) for v in z)
        loss += top + math.log(total) - z[label]
        gradient.append([(math.exp(v - top) / total - (c == label)) / len(labels) for c, v in enumerate(z)])
    return loss / len(labels), np.array(gradient)


# cnn_shapes


@wheat("cnn_shapes")
def shapes_walked(input_shape, layers):
    shapes = []
    shape = input_shape
    for layer in layers:
        if layer[0] == "conv":
            _, out, k, stride, padding = layer
            shape = (out, *((n + 2 * padding - k) // stride + 1 for n in shape[1:]))
        elif layer[0] == "pool":
            _, k, stride = layer
            shape = (shape[0], *((n - k) // stride + 1 for n in shape[1:]))
        elif layer[0] == "flatten":
            shape = (math.prod(shape),)
        else:
            shape = (layer[1],)
        shapes.append(shape)
    return shapes


@wheat("cnn_shapes")
def shapes_by_counting(input_shape, layers):
    shapes = [list(input_shape)]
    for kind, *rest in layers:
        before = shapes[-1]
        if kind in ("conv", "pool"):
            out = rest.pop(0) if kind == "conv" else before[0]
            k, stride, padding = (*rest, 0)[:3]
            shapes.append([out] + [len(range(0, n + 2 * padding - k + 1, stride)) for n in before[1:]])
        else:
            shapes.append([int(np.prod(before)) if kind == "flatten" else rest[0]])
    return shapes[1:]


@wheat("cnn_shapes")
def shapes_recursive(input_shape, layers):
    if not layers:
        return []
    (kind, *o), rest = layers[0], layers[1:]
    shape = {
        "conv": lambda: (o[0], *(1 + (n - o[1] + 2 * o[3]) // o[2] for n in input_shape[1:])),
        "pool": lambda: (input_shape[0], *(1 + (n - o[0]) // o[1] for n in input_shape[1:])),
        "flatten": lambda: (np.prod(input_shape),),
        "linear": lambda: (o[0],),
    }[kind]()
    return [shape, *shapes_recursive(shape, rest)]


# parallel


@wheat("parallel")
def branches_joined(x, branches):
    return np.concatenate([branch(x) for branch in branches], axis=1)


@wheat("parallel")
def branches_stacked(x, branches):
    y = branches[0](x)
    for branch in branches[1:]:
        y = np.append(y, branch(x), axis=1)
    return y


@wheat("parallel")
def branches_filled(x, branches):
    results = [branch(x) for branch in branches]
    y = np.empty((len(x), sum(r.shape[1] for r in results), *x.shape[2:]), np.float32)
    start = 0
    for r in results:
        y[:, start : start + r.shape[1]] = r
        start += r.shape[1]
    return y


@wheat("parallel")
def branches_lists(x, branches):
    results = [branch(x) for branch in branches]
    return [[m.tolist() for r in results for m in r[n]] for n in range(len(x))]


# train_cnn


@wheat("train_cnn")
def cnn_of_layers(x_train, y_train, x_test, rng):
    from pnnlib import layers, optim, train

    x_train, x_test = x_train.astype(np.float32), x_test.astype(np.float32)
    model = layers.Sequential(
        layers.Conv2d(1, 16, 3, padding=1, rng=rng), layers.BatchNorm2d(16), layers.ReLU(), layers.MaxPool2d(2),
        layers.Conv2d(16, 32, 3, padding=1, rng=rng), layers.BatchNorm2d(32), layers.ReLU(), layers.MaxPool2d(2),
        layers.Flatten(), layers.Linear(32 * 2 * 2, 10, rng=rng),
    ).astype(np.float32)  # fmt: skip
    train.fit(model, x_train, y_train, optim.Adam(model.parameters(), lr=5e-3), epochs=8, progress=False, rng=rng)
    return train.predict(model, x_test)


@wheat("train_cnn")
def cnn_with_branches(x_train, y_train, x_test, rng):
    """Branches side by side, the lecture's order of flattening, dropout, pictures turned a little; the loop by hand."""
    from pnnlib.augment import random_rotation
    from pnnlib.layers import BatchNorm2d, Conv2d, Dropout, Flatten, Linear, MaxPool2d, Parallel, ReLU, Sequential
    from pnnlib.losses import cross_entropy
    from pnnlib.optim import Adam
    from pnnlib.train import batches

    x_train, x_test = x_train.astype(np.float32), x_test.astype(np.float32)
    model = Sequential(
        Parallel(Conv2d(1, 12, 3, padding=1, rng=rng), Conv2d(1, 12, 5, padding=2, rng=rng)), BatchNorm2d(24), ReLU(),
        MaxPool2d(2), Conv2d(24, 32, 3, padding=1, rng=rng), ReLU(), MaxPool2d(2),
        Flatten("F"), Dropout(0.2, rng=rng), Linear(32 * 2 * 2, y_train.max() + 1, rng=rng),
    ).astype(np.float32)  # fmt: skip
    optimizer, turn = Adam(model.parameters(), lr=5e-3), random_rotation(8)
    for epoch in range(12):
        optimizer.lr = 5e-3 if epoch < 9 else 5e-4
        for x, y in batches(x_train, y_train, 32, rng):
            _, dy = cross_entropy(model(turn(x, rng)), y)
            model.backward(dy)
            optimizer.step()
    return model.eval()(x_test).argmax(axis=1).tolist()


@wheat("train_cnn")
def cnn_by_hand(x_train, y_train, x_test, rng):
    """Sixteen masks of 3×3, ReLU, max pooling and one fully connected layer, in NumPy alone; momentum."""

    def windows(x):  # (N, 9, 64), a row for each weight of a mask
        x = np.pad(x[:, 0], ((0, 0), (1, 1), (1, 1)))
        taps = [x[:, k : k + 8, l : l + 8] for k in range(3) for l in range(3)]
        return np.stack(taps, axis=1).reshape(len(x), 9, 64)

    def forward(columns):
        net = (w @ columns + b[:, None]).reshape(-1, 16, 4, 2, 4, 2)
        pooled = net.max(axis=(3, 5))
        flat = np.maximum(pooled, 0).reshape(len(net), -1)
        return net, pooled, flat, flat @ v + c

    x_train, x_test = windows(x_train.astype(np.float32) - 0.3), windows(x_test.astype(np.float32) - 0.3)
    targets = np.eye(10, dtype=np.float32)[y_train]
    w = rng.normal(0, np.sqrt(2 / 9), (16, 9)).astype(np.float32)
    v = rng.normal(0, np.sqrt(2 / 256), (256, 10)).astype(np.float32)
    b, c = np.zeros(16, np.float32), np.zeros(10, np.float32)
    velocity = [0 * p for p in (w, b, v, c)]
    for epoch in range(40):
        order = rng.permutation(len(x_train))
        for some in np.split(order, range(32, len(order), 32)):
            net, pooled, flat, z = forward(x_train[some])
            p = np.exp(z - z.max(axis=1, keepdims=True))
            dz = (p / p.sum(axis=1, keepdims=True) - targets[some]) / len(some)
            dpooled = (dz @ v.T).reshape(pooled.shape) * (pooled > 0)
            dnet = (net == pooled[:, :, :, None, :, None]) * dpooled[:, :, :, None, :, None]  # ties are rare
            dnet = dnet.reshape(len(some), 16, 64)
            dw = np.einsum("nop,nkp->ok", dnet, x_train[some], optimize=True)
            gradients = dw, dnet.sum(axis=(0, 2)), flat.T @ dz, dz.sum(axis=0)
            for parameter, change, gradient in zip((w, b, v, c), velocity, gradients):
                change *= 0.9
                change -= (0.05 if epoch < 30 else 0.01) * gradient
                parameter += change
    return forward(x_test)[3].argmax(axis=1)
