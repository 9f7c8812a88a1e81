"""How fast is the library? Forward and backward of each component, against PyTorch on the same processor threads.

    python benchmarks/bench_library.py [--threads 1] [--rounds 12]      or: make bench

A ratio is our time divided by PyTorch's: below 1, we are faster. Both take turns
in one run, and the best of all rounds counts, so that a busy moment hits
neither alone. "products" is the share that the matrix products alone take in
NumPy, with everything around them for nothing: the limit of this way to compute it.
"""

import argparse
import math
import os
import sys

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--threads", type=int, default=1, help="for NumPy's BLAS and PyTorch alike (default 1)")
parser.add_argument("--rounds", type=int, default=12, help="the best of so many counts (default 12)")
arguments = parser.parse_args()
for library in ("OMP", "OPENBLAS", "MKL"):  # read when NumPy is imported
    os.environ[f"{library}_NUM_THREADS"] = str(arguments.threads)

import pkgutil  # noqa: E402
import subprocess  # noqa: E402
import time  # noqa: E402
import tracemalloc  # noqa: E402
from collections.abc import Callable  # noqa: E402
from dataclasses import dataclass  # noqa: E402

import numpy as np  # noqa: E402
import torch  # noqa: E402
from timing import best_times  # noqa: E402
from torch.nn import functional as F  # noqa: E402

import pnnlib  # noqa: E402
from pnnlib import bridge, data, networks, optim  # noqa: E402
from pnnlib.augment import random_shift  # noqa: E402
from pnnlib.conv import conv2d, conv2d_backward  # noqa: E402
from pnnlib.linear import linear, linear_backward  # noqa: E402
from pnnlib.losses import cross_entropy  # noqa: E402
from pnnlib.norm import batch_norm, batch_norm_backward  # noqa: E402
from pnnlib.pool import avg_pool2d, avg_pool2d_backward, max_pool2d, max_pool2d_backward  # noqa: E402
from pnnlib.train import accuracy, batches, fit  # noqa: E402

CONVOLUTIONS = [  # x, w, padding
    ((64, 1, 28, 28), (16, 1, 3, 3), 1),
    ((64, 16, 28, 28), (32, 16, 3, 3), 1),
    ((64, 32, 14, 14), (64, 32, 3, 3), 1),
    ((32, 3, 32, 32), (64, 3, 5, 5), 2),
    ((128, 16, 8, 8), (32, 16, 3, 3), 1),
    ((8, 64, 56, 56), (64, 64, 3, 3), 1),
]


@dataclass
class Race:
    """Two ways to compute the same, and the matrix products in ours, if it is made of products."""

    name: str
    ours: Callable
    theirs: Callable
    products: Callable | None = None


def races(dtype):
    rng = np.random.default_rng(0)
    draw = lambda *shape: rng.normal(size=shape).astype(dtype)
    for x_shape, w_shape, p in CONVOLUTIONS:
        x, w, b = draw(*x_shape), draw(*w_shape), draw(w_shape[0])
        yield pair(
            f"conv {'×'.join(map(str, x_shape[:3]))}² k{w_shape[2]}→{w_shape[0]}",
            lambda x, w, b, p=p: conv2d(x, w, b, padding=p),
            lambda dy, x, w, b, p=p: conv2d_backward(dy, x, w, b, padding=p),
            lambda x, w, b, p=p: F.conv2d(x, w, b, padding=p),
            x, w, b, products=products_of_convolution(x, w),
        )
    x = draw(32, 32, 28, 28)
    yield pair("max pool 2×2", lambda x: max_pool2d(x, 2), lambda dy, x: max_pool2d_backward(dy, x, 2),
               lambda x: F.max_pool2d(x, 2), x)
    yield pair("average pool 2×2", lambda x: avg_pool2d(x, 2), lambda dy, x: avg_pool2d_backward(dy, x, 2),
               lambda x: F.avg_pool2d(x, 2), x)
    x, w, b = draw(256, 784), draw(512, 784), draw(512)
    dy = draw(256, 512)
    yield pair("linear 256×784→512", linear, linear_backward, F.linear, x, w, b,
               products=lambda: (x @ w.T, dy @ w, dy.T @ x))
    mean, variance = np.zeros(32, dtype), np.ones(32, dtype)
    yield pair(
        "batch norm 64×32×28²",
        lambda x, w, b: batch_norm(x, mean, variance, w, b, training=True),
        lambda dy, x, w, b: batch_norm_backward(dy, x, mean, variance, w, b, training=True),
        lambda x, w, b: F.batch_norm(x, torch.tensor(mean), torch.tensor(variance), w, b, training=True),
        draw(64, 32, 28, 28), draw(32), draw(32),
    )
    yield epoch(dtype)


def pair(name, forward, backward, torch_forward, *arrays, products=None):
    tensors = [torch.tensor(a, requires_grad=True) for a in arrays]
    dy = np.random.default_rng(1).normal(size=forward(*arrays).shape).astype(arrays[0].dtype)
    torch_dy = torch.tensor(dy)

    def ours():
        return forward(*arrays), backward(dy, *arrays)

    def theirs():
        y = torch_forward(*tensors)
        return y, torch.autograd.grad(y, tensors, torch_dy)

    for a, b in zip(flat(ours()), flat(theirs())):  # a fast wrong answer is no rival
        b = b.detach().numpy()
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-4 * np.abs(b).max())
    return Race(name, ours, theirs, products)


def products_of_convolution(x, w):
    """The three products of a layer that keeps the size of its input, with columns that are there already."""
    places, masks = x[0, 0].size, w.reshape(len(w), -1)
    cols = np.ones((len(x), masks.shape[1], places), x.dtype)
    dy = np.ones((len(x), len(w), places), x.dtype)

    def run():
        masks @ cols
        masks.T @ dy
        cols @ dy.swapaxes(1, 2)

    return run


def epoch(dtype):
    """One training epoch of the course's network on the digits."""
    digits = data.digits()
    x, labels = digits.x_train.astype(dtype), digits.y_train
    model = networks.digits_cnn(rng=0).astype(dtype)
    module = bridge.to_torch(model)
    optimizer, torch_optimizer = optim.Adam(model.parameters()), torch.optim.Adam(module.parameters())

    def ours():
        for some_x, some in batches(x, labels, 32, rng=0):
            loss, dy = cross_entropy(model(some_x), some)
            model.backward(dy)
            optimizer.step()
        return loss

    def theirs():
        for some_x, some in batches(x, labels, 32, rng=0):
            torch_optimizer.zero_grad()
            loss = F.cross_entropy(module(torch.from_numpy(some_x)), torch.from_numpy(some))
            loss.backward()
            torch_optimizer.step()
        return loss.item()

    np.testing.assert_allclose(ours(), theirs(), rtol=1e-2)
    return Race(f"epoch of digits, {len(x)} images", ours, theirs)


def flat(value):
    return [a for part in value for a in flat(part)] if isinstance(value, tuple) else [value]


def peak_memory():
    """What a convolution allocates at most, forward and backward, in sizes of its input and output."""
    for x_shape, w_shape, p in CONVOLUTIONS:
        x, w, b = np.ones(x_shape, np.float32), np.ones(w_shape, np.float32), np.ones(w_shape[0], np.float32)
        y = conv2d(x, w, b, padding=p)
        peaks = []
        for call in (lambda: conv2d(x, w, b, padding=p), lambda: conv2d_backward(y, x, w, b, padding=p)):
            tracemalloc.start()
            call()
            peaks.append(tracemalloc.get_traced_memory()[1] / (x.nbytes + y.nbytes))
            tracemalloc.stop()
        print(f"conv {'×'.join(map(str, x_shape[:3]))}² k{w_shape[2]}→{w_shape[0]:<12} "
              f"forward {peaks[0]:.2f}, backward {peaks[1]:.2f}")


def learning(seeds=3):
    """The course's network on the digits: how long it takes, and how many unseen digits it gets right."""
    split = data.digits()
    x, labels = np.concatenate([split.x_train, split.x_validation]), np.concatenate([split.y_train, split.y_validation])
    for seed in range(seeds):
        start = time.perf_counter()
        model = networks.digits_cnn(rng=seed)
        optimizer = optim.Adam(model.parameters(), lr=3e-3)

        def slow_down(model, history):
            optimizer.lr *= 0.85

        fit(model, x, labels, optimizer, epochs=20, transform=random_shift(1), callbacks=[slow_down],
            progress=False, rng=seed)
        taken = time.perf_counter() - start
        print(f"seed {seed}: {100 * accuracy(model, split.x_test, split.y_test):.1f} % after {taken:.1f} s")


def import_times(rounds=15):
    """How long `import pnnlib` takes, and with all its modules but the bridge, against `import numpy`; in new processes."""
    modules = [m.name for m in pkgutil.iter_modules(pnnlib.__path__) if not m.ispkg and m.name != "bridge"]
    everything = "import " + ", ".join(f"pnnlib.{name}" for name in modules)
    programs = {"import numpy": "import numpy", "import pnnlib": "import pnnlib, numpy", "and all its modules": everything}
    calls = [lambda p=p: subprocess.run([sys.executable, "-c", p], check=True) for p in ["pass", *programs.values()]]
    nothing, *times = best_times(calls, rounds)
    for name, taken in zip(programs, times):
        print(f"{name:28} {1e3 * (taken - nothing):6.1f} ms {(taken - nothing) / (times[0] - nothing):6.2f} times numpy")


def main():
    torch.set_num_threads(arguments.threads)
    for dtype in (np.float32, np.float64):
        print(f"\n{np.dtype(dtype).name}, {arguments.threads} thread(s)"
              f"\n{'':28} {'ours':>9} {'PyTorch':>9} {'ratio':>6} {'products':>9}")
        ratios = []
        for race in races(dtype):
            rounds = max(3, arguments.rounds // 4) if "epoch" in race.name else arguments.rounds
            calls = [race.ours, race.theirs, *([race.products] if race.products else [])]
            ours, theirs, *products = best_times(calls, rounds)
            ratios.append(ours / theirs)
            limit = f"{products[0] / theirs:9.2f}" if products else ""
            print(f"{race.name:28} {1e3 * ours:6.2f} ms {1e3 * theirs:6.2f} ms {ours / theirs:6.2f} {limit}", flush=True)
        print(f"{'geometric mean':28} {'':19} {math.exp(np.mean(np.log(ratios))):6.2f}")
    print("\npeak memory beyond the arguments, in sizes of input and output together (the result included)")
    peak_memory()
    print("\nthe course's network learns the digits, 20 epochs")
    learning()
    print("\nimports, beyond starting Python")
    import_times()


if __name__ == "__main__":
    sys.exit(main())
