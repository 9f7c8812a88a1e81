"""The bridge to PyTorch: the same numbers on both sides, and how far the answers are apart.

The only module here that imports torch.
"""

import inspect
from dataclasses import dataclass

import numpy as np
import torch


def compare(function, torch_function, *arrays, backward=None, rng=0, atol=1e-10, **options):
    """Run a NumPy function and its PyTorch counterpart on the same float64 numbers, and report how far they agree.

    Given a backward, the gradients are compared as well: it is called as
    `backward(dy, *arrays, **options)` with a random dy, from which PyTorch's
    autograd starts, too. (Were dy all ones, a gradient handed to the wrong output
    would go unnoticed.)

    Arguments: arrays, the differentiable inputs, converted to float64 (None
    stays None); options, passed on to both functions, where an array becomes a
    tensor of its own type; rng, an int or a `numpy.random.Generator`, for dy;
    atol, the largest difference that counts as agreement, relative to the
    largest number of PyTorch's answer where this is above 1.
    Returns a `Comparison`: print it, or test it, `assert compare(…)`.

    >>> from pnnlib.activations import relu, relu_backward
    >>> compare(relu, torch.nn.functional.relu, [[-1, 0.5, 2]], backward=relu_backward)
    relu agrees with PyTorch
      y   (1, 3)  difference 0
      dx  (1, 3)  difference 0
    """
    arrays = [None if a is None else np.array(a, dtype=np.float64) for a in arrays]

    # PyTorch gets copies, so that a function that writes into its arguments deceives nobody.
    tensors = [None if a is None else torch.tensor(a, requires_grad=backward is not None) for a in arrays]
    torch_options = {k: torch.tensor(v) if isinstance(v, np.ndarray) else v for k, v in options.items()}
    torch_y = torch_function(*tensors, **torch_options)

    y = function(*_copies(arrays), **options)
    lines = [_line("y", y, torch_y, atol)]
    if backward is not None:
        dy = np.asarray(np.random.default_rng(rng).normal(size=tuple(torch_y.shape)))
        gradients = backward(dy.copy(), *_copies(arrays), **options)
        gradients = gradients if isinstance(gradients, (tuple, list)) else [gradients]
        if len(gradients) < len(arrays):
            raise ValueError(
                f"compare: {_name(backward)} must return a gradient for each of the {len(arrays)} arrays, "
                f"got {len(gradients)}"
            )
        torch_y.backward(torch.tensor(dy))
        for name, tensor, gradient in zip(_parameters(function, len(arrays)), tensors, gradients):
            if tensor is not None:
                # PyTorch leaves None where the result does not depend on the input at all.
                torch_gradient = torch.zeros_like(tensor) if tensor.grad is None else tensor.grad
                lines.append(_line(f"d{name}", gradient, torch_gradient, atol))
    return Comparison(_name(function), tuple(lines))


@dataclass(frozen=True)
class Comparison:
    """What `compare` found: a `Line` for the result y and for each gradient; true if all of them agree."""

    name: str
    lines: tuple

    @property
    def differences(self):
        """The largest absolute difference by name, nan where the shapes differ or only one side is nan."""
        return {line.name: line.difference for line in self.lines}

    def __bool__(self):
        return all(line.agrees for line in self.lines)

    def __str__(self):
        width = [max(len(str(field)) for field in column) for column in zip(*((l.name, l.shape) for l in self.lines))]
        verdict = "agrees with PyTorch" if self else "differs from PyTorch"
        rows = [f"  {l.name:<{width[0]}}  {str(l.shape):<{width[1]}}  {l.remark}" for l in self.lines]
        return "\n".join([f"{self.name} {verdict}", *rows])

    __repr__ = __str__  # what a notebook shows


@dataclass(frozen=True)
class Line:
    """One line of a `Comparison`: what is compared, its shape, the largest absolute difference, and what to say."""

    name: str
    shape: tuple
    difference: float
    agrees: bool
    remark: str


def _line(name, ours, theirs, atol):
    theirs = theirs.detach().numpy()
    if ours is None:
        return Line(name, None, np.nan, False, f"None, but PyTorch's has shape {theirs.shape}")
    ours = np.asarray(ours)
    if ours.shape != theirs.shape:
        return Line(name, ours.shape, np.nan, False, f"but PyTorch's has shape {theirs.shape}")
    same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))  # inf − inf would be nan
    with np.errstate(invalid="ignore"):
        apart = np.where(same, 0.0, np.abs(ours - theirs))
    difference = float(apart.max(initial=0))
    scale = max(1.0, float(np.abs(theirs).max(initial=0, where=np.isfinite(theirs))))
    if difference <= atol * scale:
        return Line(name, ours.shape, difference, True, f"difference {difference:.2g}")
    worst = np.unravel_index(np.argmax(np.where(np.isnan(apart), np.inf, apart)), apart.shape)
    place = f"[{', '.join(map(str, worst))}]" if worst else ""
    remark = f"DIFFERENCE {difference:.2g}: {name}{place} is {ours[worst]:.6g}, PyTorch's is {theirs[worst]:.6g}"
    return Line(name, ours.shape, difference, False, remark)


def _parameters(function, many):
    """Name the first parameters of a function, x, w, b, so that its gradients are dx, dw, db."""
    names = [p.name for p in inspect.signature(function).parameters.values() if p.kind != p.KEYWORD_ONLY]
    return names[:many] if len(names) >= many else range(many)


def _name(function):
    return getattr(function, "__name__", type(function).__name__)


def _copies(arrays):
    return [None if a is None else a.copy() for a in arrays]
