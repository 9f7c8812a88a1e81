"""How fast is our convolutional layer? Compared, in one run, with other ways to write it, and with PyTorch.

    python benchmarks/bench_conv.py

Every number is a time divided by ours: above 1, the other is slower. Times
vary from machine to machine, and ratios much less. One thread, float32, and the best of
several runs, in turns, so that a busy moment hits everyone.
"""

import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")  # before NumPy is imported

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from timing import best_times

from pnnlib.conv import conv2d, conv2d_backward
from pnnlib.windows import pad

torch.set_num_threads(1)

LAYERS = {  # name: x, w, options
    "first layer, digits": ((64, 1, 28, 28), (8, 1, 3, 3), {"padding": 1}),
    "second layer, digits": ((64, 16, 14, 14), (32, 16, 3, 3), {"padding": 1}),
    "colour pictures, 5x5, stride 2": ((32, 3, 64, 64), (16, 3, 5, 5), {"stride": 2, "padding": 2}),
    "many channels, dilation 2": ((16, 64, 16, 16), (64, 64, 3, 3), {"dilation": 2, "padding": 2}),
    "1x1": ((32, 64, 16, 16), (16, 64, 1, 1), {}),
}


def indices(shape, w, stride, padding, dilation):
    """For every column its pixels' rows and columns in the padded input: the well-known im2col by fancy indexing."""
    (kh, kw), (h, width) = w.shape[2:], (n + 2 * padding for n in shape[2:])
    i, j = np.mgrid[0:h - dilation * (kh - 1):stride, 0:width - dilation * (kw - 1):stride]
    k, l = np.mgrid[0:kh, 0:kw] * dilation
    return k.reshape(-1, 1) + i.ravel(), l.reshape(-1, 1) + j.ravel(), i.shape


def fancy(x, w, stride=1, padding=0, dilation=1):
    rows, columns, out = indices(x.shape, w, stride, padding, dilation)
    cols = pad(x, (padding, padding))[:, :, rows, columns].reshape(len(x), -1, rows.shape[1])
    return (w.reshape(len(w), -1) @ cols).reshape(len(x), len(w), *out)


def fancy_backward(dy, x, w, stride=1, padding=0, dilation=1):
    rows, columns, _ = indices(x.shape, w, stride, padding, dilation)
    padded = pad(x, (padding, padding))
    cols = padded[:, :, rows, columns].reshape(len(x), -1, rows.shape[1])
    dy = dy.reshape(len(x), len(w), -1)
    dw = (dy @ cols.swapaxes(1, 2)).sum(0).reshape(w.shape)
    dcols = (w.reshape(len(w), -1).T @ dy).reshape(len(x), x.shape[1], *rows.shape)
    dx = np.zeros_like(padded)
    np.add.at(dx, (slice(None), slice(None), rows, columns), dcols)
    return dx[:, :, padding:padding + x.shape[2], padding:padding + x.shape[3]], dw, dy.sum((0, 2))


def windows(x, w, stride=1, padding=0, dilation=1):
    span = [dilation * (k - 1) + 1 for k in w.shape[2:]]
    view = sliding_window_view(pad(x, (padding, padding)), span, axis=(2, 3))
    view = view[:, :, ::stride, ::stride, ::dilation, ::dilation]
    return np.moveaxis(np.tensordot(view, w, axes=([1, 4, 5], [1, 2, 3])), -1, 1)


def by_torch(x, w, **options):
    return torch.nn.functional.conv2d(torch.from_numpy(x), torch.from_numpy(w), **options).numpy()


def by_torch_backward(dy, x, w, **options):
    x, w = torch.from_numpy(x), torch.from_numpy(w)
    every = {name: [options.get(name, default)] * 2 for name, default in
             {"stride": 1, "padding": 0, "dilation": 1}.items()}
    dx, dw, db = torch.ops.aten.convolution_backward(
        torch.from_numpy(dy), x, w, [len(w)], **every, transposed=False, output_padding=[0, 0], groups=1,
        output_mask=[True, True, True])
    return dx.numpy(), dw.numpy(), db.numpy()


def main():
    rng = np.random.default_rng(0)
    print(f"{'':32} {'ours':>16} {'fancy index':>12} {'tensordot':>10} {'torch':>7}")
    for name, (x_shape, w_shape, options) in LAYERS.items():
        x, w = (rng.normal(size=shape).astype(np.float32) for shape in (x_shape, w_shape))
        b = np.zeros(len(w), np.float32)
        y = conv2d(x, w, b, **options)
        dy = rng.normal(size=y.shape).astype(np.float32)

        forwards = [lambda: conv2d(x, w, b, **options)]
        forwards += [lambda f=f: f(x, w, **options) for f in (fancy, windows, by_torch)]
        backwards = [lambda: conv2d_backward(dy, x, w, b, **options)]
        backwards += [lambda f=f: f(dy, x, w, **options) for f in (fancy_backward, by_torch_backward)]
        for other in forwards[1:]:  # a fast wrong answer is no rival
            np.testing.assert_allclose(other(), y, atol=1e-3)
        for other in backwards[1:]:
            for theirs, ours in zip(other(), backwards[0]()):
                np.testing.assert_allclose(theirs, ours, rtol=1e-3, atol=2e-2)

        ours, *others = best_times(forwards, rounds=10)
        a, t, p = (other / ours for other in others)
        print(f"{name:32} fwd {1e3 * ours:7.2f} ms {a:12.1f} {t:10.1f} {p:7.2f}")
        ours, *others = best_times(backwards, rounds=4)
        a, p = (other / ours for other in others)
        print(f"{'':32} bwd {1e3 * ours:7.2f} ms {a:12.1f} {'':10} {p:7.2f}")


if __name__ == "__main__":
    main()
