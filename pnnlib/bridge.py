"""The bridge to PyTorch: the same numbers on both sides, and how far the answers are apart.

    to_torch, from_torch   the same network on the other side
    to_onnx                the same network as a file for other tools, by way of PyTorch
    compare                a function, or a whole network and its training, against PyTorch's

The only module here that imports torch.
"""

import copy
import inspect
import logging
import warnings
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch

from pnnlib import layers, optim
from pnnlib.losses import mse_loss
from pnnlib.train import outputs


def compare(function, torch_function, *arrays, backward=None, rng=0, atol=1e-10, **options):
    """Run a NumPy function and its PyTorch counterpart on the same float64 numbers, and report how far they agree.

    Given two networks, `compare(model, module, x, steps=5)` compares the result
    for x, all gradients from a random dy, the running statistics, and what is
    learnt in so many steps with each optimiser, towards a random target. The networks stay
    as they are; both train or both don't, as `model` does; dropout gets the same masks.

    Given two functions, and a backward, the gradients are compared as well: it is called as
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
    if isinstance(function, layers.Module):
        return _compare_networks(function, torch_function, *arrays, rng=rng, atol=atol, **options)
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


# Networks


def to_torch(model):
    """Return the same network as a PyTorch module, with the same weights, and each layer in the same mode.

    PyTorch's own modules where there are some; `Residual`, `Parallel` and the few
    others that PyTorch leaves to be written by hand are in `MODULES`.

    >>> to_torch(layers.Sequential(layers.Linear(3, 2, rng=0), layers.ReLU()))
    Sequential(
      (0): Linear(in_features=3, out_features=2, bias=True)
      (1): ReLU()
    )
    """
    state = {name: torch.tensor(value) for name, value in model.state_dict().items()}
    floats = [value.dtype for value in state.values() if value.is_floating_point()]
    module = _build(model).to(floats[0] if floats else torch.float64)
    module.load_state_dict(state)
    return module


def from_torch(module):
    """Return the same network in NumPy, with the same weights, and each layer in the same mode.

    Takes the modules that `to_torch` makes. What has no counterpart here, such as
    groups or weights that are used in two places, is refused by name.

    >>> from_torch(torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.ReLU()))
    Sequential(
      (0): Linear(in_features=3, out_features=2)
      (1): ReLU()
    )
    """
    seen = set()
    for name, inner in module.named_modules(remove_duplicate=False):
        if id(inner) in seen and any(True for _ in inner.parameters()):
            raise ValueError(
                f"from_torch: every layer with weights must stand in one place only, got {name} a second time: "
                f"here, each layer has its own"
            )
        seen.add(id(inner))
    return _rebuild(module)


def to_onnx(model, path, input_shape):
    """Write a network into an ONNX file, which many other tools read and run: its layers as a graph, and its weights.

    It is written as it is in usage: dropout is gone, batch normalisation has its
    gathered statistics and may be worked into the weights before it. The numbers
    become float32. The file takes any number of inputs at a time, as "x", and
    gives the result as "y". The network itself stays as it is.

    `input_shape` is that of one input, without N, as in `summary`. Recurrent
    layers must have `batch_first`, so that N is the first axis. Needs the
    course's extra `onnx`. PyTorch: `torch.onnx.export`, which does the work.

    >>> import pathlib, tempfile, onnxruntime
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "model.onnx"
    >>> model = layers.Sequential(layers.Linear(3, 2, rng=0), layers.ReLU())
    >>> to_onnx(model, path, (3,))
    >>> x = np.ones((5, 3), np.float32)
    >>> (y,) = onnxruntime.InferenceSession(path).run(None, {"x": x})
    >>> y.shape, bool(np.abs(y - model(x)).max() < 1e-5)
    ((5, 2), True)
    """
    if not isinstance(model, layers.Module):
        hint = ": torch.onnx.export writes a torch.nn.Module" if isinstance(model, torch.nn.Module) else ""
        raise TypeError(f"to_onnx: model must be a network made of pnnlib.layers, got {_full_name(model)}{hint}")
    if not np.iterable(input_shape):
        raise TypeError(f"to_onnx: input_shape must be a shape without N, such as (1, 8, 8), got {input_shape!r}")
    for layer in model.modules():
        if isinstance(layer, (layers.RNN, layers.LastStep)) and not layer.batch_first:
            raise ValueError(
                f"to_onnx: {type(layer).__name__} must have batch_first=True, got False: the first axis of the input "
                f"must be N, the one whose size the file leaves open"
            )
    x = np.zeros((2, *input_shape), np.float32)  # of one, the exporter would take the 1 for fixed
    try:
        outputs(copy.deepcopy(model), x)  # a shape that does not fit is refused here, in the layer's own words
    except (ValueError, TypeError) as error:
        error.add_note(f"to_onnx tried an input of shape {x.shape}: input_shape is {tuple(input_shape)}, without N")
        raise
    try:
        import onnxscript  # noqa: F401  what the exporter builds on; it brings onnx along
    except ImportError as error:
        raise ImportError(
            f"to_onnx: the packages for ONNX files could not be imported ({error}): in the course's folder, "
            f'python -m pip install -c constraints.txt -e ".[onnx]"'
        ) from None
    with _quiet_exporter():
        program = torch.onnx.export(
            to_torch(model).float().eval(), (torch.from_numpy(x),), dynamo=True, verbose=False,
            input_names=["x"], output_names=["y"], dynamic_shapes=({0: torch.export.Dim("N")},),
            opset_version=18,  # the exporter's own; the higher ones are read by fewer tools
        )
    for node in program.model.graph:
        node.metadata_props.clear()  # the exporter notes where on this machine it found what
    program.save(path)


@contextmanager
def _quiet_exporter():
    """Keep back what the exporter says to those who work on it: packages it could also treat, changes to come."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


class _Residual(torch.nn.Module):
    def __init__(self, body, shortcut=None):
        super().__init__()
        self.body, self.shortcut = body, shortcut

    def forward(self, x):
        return self.body(x) + (x if self.shortcut is None else self.shortcut(x))


class _Parallel(torch.nn.ModuleList):
    def forward(self, x):
        return torch.cat([branch(x) for branch in self], dim=1)


class _RNN(torch.nn.RNN):
    def forward(self, x):
        return super().forward(x)[0]  # all hidden states, without the last once more


class _LastStep(torch.nn.Module):
    def __init__(self, batch_first=False):
        super().__init__()
        self.batch_first = batch_first

    def forward(self, x):
        return x[:, -1] if self.batch_first else x[-1]


class _Flatten(torch.nn.Module):
    def __init__(self, order="C"):
        super().__init__()
        self.order = order

    def forward(self, x):
        # column by column is row by row of the transposed map
        return (x.permute(0, 1, *reversed(range(2, x.ndim))) if self.order == "F" else x).flatten(1)


class _CrossChannelMaxPool(torch.nn.Module):
    def __init__(self, group):
        super().__init__()
        self.group = group

    def forward(self, x):
        return x.unflatten(1, (-1, self.group)).amax(dim=2)


class _CrossChannelAvgPool(_CrossChannelMaxPool):
    def forward(self, x):
        return x.unflatten(1, (-1, self.group)).mean(dim=2)


# What PyTorch has no module for, or one that gives something else.
MODULES = {
    "Residual": _Residual,
    "Parallel": _Parallel,
    "RNN": _RNN,
    "LastStep": _LastStep,
    "Flatten": _Flatten,
    "CrossChannelMaxPool": _CrossChannelMaxPool,
    "CrossChannelAvgPool": _CrossChannelAvgPool,
}

# Settings of PyTorch's modules that have no counterpart here, with the one value that is taken.
ONLY = {
    "groups": 1, "padding_mode": "zeros", "transposed": False, "ceil_mode": False, "return_indices": False,
    "divisor_override": None, "bidirectional": False, "dropout": 0.0, "proj_size": 0, "start_dim": 1, "end_dim": -1,
}  # fmt: skip


def _build(model):
    module = _module_for(model)
    module.training = model.training
    return module


def _module_for(model):
    name = type(model).__name__
    if type(model) is layers.Sequential:
        return torch.nn.Sequential(*map(_build, model))
    if type(model) is layers.Parallel:
        return _Parallel(map(_build, model.branches))
    if type(model) is layers.Residual:
        return _Residual(_build(model.body), None if model.shortcut is None else _build(model.shortcut))
    if type(model) is not getattr(layers, name, None):
        raise TypeError(
            f"to_torch: every layer must be one of pnnlib.layers, got {_full_name(model)}: "
            f"write it as a torch.nn.Module yourself"
        )
    options = model.options()
    if name == "Flatten" and options["order"] == "C":
        return torch.nn.Flatten()
    return MODULES.get(name, getattr(torch.nn, name, None))(**options)


def _rebuild(module):
    model = _layer_for(module)
    model.training = module.training
    return model


def _layer_for(module):
    if type(module).forward is torch.nn.Sequential.forward:
        return layers.Sequential(*map(_rebuild, module))
    if isinstance(module, _Parallel):
        return layers.Parallel(*map(_rebuild, module))
    if isinstance(module, _Residual):
        return layers.Residual(_rebuild(module.body), None if module.shortcut is None else _rebuild(module.shortcut))
    kind = type(module)
    # torch.nn.RNN as it is returns a pair, which nothing here can take on
    known = {value: name for name, value in MODULES.items()} | {torch.nn.Flatten: "Flatten"}
    name = known.get(kind) or (kind.__name__ if kind is getattr(torch.nn, kind.__name__, None) else "")
    counterpart = getattr(layers, name, None)
    if counterpart is None or kind is torch.nn.RNN:
        raise TypeError(
            f"from_torch: no counterpart in pnnlib.layers for {_full_name(module)}: the names are the same on both "
            f"sides, and for what PyTorch leaves to be written by hand see bridge.MODULES"
        )
    for setting, value in ONLY.items():
        if getattr(module, setting, value) != value:
            raise ValueError(
                f"from_torch: {kind.__name__} must have {setting}={value!r}, got {getattr(module, setting)!r}: "
                f"pnnlib has no counterpart for other values"
            )
    names = [p for p in inspect.signature(counterpart).parameters if p != "rng" and hasattr(module, p)]
    options = {name: getattr(module, name) for name in names}
    if "bias" in options and not isinstance(options["bias"], bool):
        options["bias"] = options["bias"] is not None
    if isinstance(options.get("padding"), str) or options.get("dim", 0) is None:
        raise ValueError(f"from_torch: {kind.__name__} must have numbers for its options, got {options}")
    return _with_weights_of(module, counterpart(**options))


def _with_weights_of(module, layer):
    state = module.state_dict()
    floats = {value.dtype for value in state.values() if value.is_floating_point()}
    if floats - {torch.float32, torch.float64}:
        raise ValueError(f"from_torch: weights must be float32 or float64, got {floats}: module.float() first")
    if floats:
        layer.astype(np.float64 if torch.float64 in floats else np.float32)
    layer.load_state_dict({name: value.detach().cpu().numpy() for name, value in state.items()})
    return layer


def _full_name(thing):
    kind = thing if isinstance(thing, type) else type(thing)
    return f"{kind.__module__}.{kind.__name__}"


OPTIMISERS = {
    "SGD": (optim.SGD, torch.optim.SGD, {"lr": 0.05}),
    "SGD with momentum": (optim.SGD, torch.optim.SGD, {"lr": 0.05, "momentum": 0.9}),
    "SGD with Nesterov": (optim.SGD, torch.optim.SGD, {"lr": 0.05, "momentum": 0.9, "nesterov": True}),
    "Adagrad": (optim.Adagrad, torch.optim.Adagrad, {}),
    "RMSprop": (optim.RMSprop, torch.optim.RMSprop, {}),
    "Adam": (optim.Adam, torch.optim.Adam, {}),
    "NAdam": (optim.NAdam, torch.optim.NAdam, {}),
}


def _compare_networks(model, module, x=None, *more, steps=5, rng, atol):
    if x is None or more:
        raise TypeError(
            f"compare: two networks need one input to be compared on, compare(model, module, x), got {1 + len(more)}"
            if more else "compare: two networks need an input to be compared on: compare(model, module, x)"
        )
    if not isinstance(module, torch.nn.Module):
        raise TypeError(f"compare: a network must be compared with a torch.nn.Module, got {_full_name(module)}")
    rng = np.random.default_rng(rng)
    x = np.array(x, np.float64)
    ours, theirs = _twins(model, module)
    pairs = _pairs(ours, theirs)
    with _same_masks(ours, theirs):
        tensor = torch.tensor(x, requires_grad=True)
        y, torch_y = ours(x), theirs(tensor)
        if not isinstance(torch_y, torch.Tensor):
            raise TypeError(
                f"compare: the module must return one tensor, got a {type(torch_y).__name__}: "
                f"to_torch makes an RNN that returns its hidden states alone"
            )
        lines = [_line("y", y, torch_y, atol)]
        if np.shape(y) != tuple(torch_y.shape):
            return Comparison(type(model).__name__, tuple(lines))
        dy = np.asarray(rng.normal(size=tuple(torch_y.shape)))
        dx = ours.backward(dy)
        torch_y.backward(torch.tensor(dy))
    lines.append(_line("dx", dx, torch.zeros_like(tensor) if tensor.grad is None else tensor.grad, atol))
    for name, parameter, torch_parameter in pairs:
        if torch_parameter.grad is not None:  # else it is frozen, or not used
            lines.append(_line(f"d {name}", parameter.grad, torch_parameter.grad, atol))
    state = ours.state_dict()
    lines += [_line(name, state[name], value, atol) for name, value in theirs.named_buffers() if name in state]
    target = rng.normal(size=dy.shape)
    for name in OPTIMISERS if pairs and steps else ():
        lines.append(_train_both(name, *_twins(model, module), x, target, steps, atol, rng))
    return Comparison(type(model).__name__, tuple(lines))


def _pairs(model, module):
    """Return (name, our parameter, PyTorch's): of the same name, or in order where only the names differ."""
    ours, theirs = list(model.named_parameters()), list(module.named_parameters())
    shapes = [[tuple(getattr(p, "data", p).shape) for _, p in side] for side in (ours, theirs)]
    names = [[name for name, _ in side] for side in (ours, theirs)]
    if sorted(names[0]) == sorted(names[1]):
        found = dict(ours)
        return [(name, found[name], p) for name, p in theirs]
    if shapes[0] == shapes[1]:
        return [(name, ours[i][1], p) for i, (name, p) in enumerate(theirs)]
    only = [", ".join(n for n in side if n not in other) or "none" for side, other in (names, names[::-1])]
    raise ValueError(
        f"compare: both networks must have the same parameters, only in pnnlib's: {only[0]}; only in PyTorch's: {only[1]}"
    )


def _train_both(name, model, module, x, target, steps, atol, rng):
    """Return the line that says how far the parameters, and the result, are apart after some steps.

    No two programs round alike, and steps can blow rounding up: an adaptive rate
    makes a large step of a gradient that is 0 but for rounding, such as that of a
    bias before batch normalisation. So PyTorch is trained a second time, with
    inputs that differ in the last digit. As far as it then differs from itself,
    times 100, we may differ from it.
    """
    ours, theirs, options = OPTIMISERS[name]
    shaken = copy.deepcopy(module)
    shaken_x = x * (1 + 1e-15 * rng.normal(size=x.shape))
    pairs, others = _pairs(model, module), dict(shaken.named_parameters())
    with _float64(), _same_masks(model, module), _same_masks(model, shaken):
        optimiser = ours([p for _, p, _ in pairs], **options)
        torch_optimisers = [theirs(m.parameters(), **options) for m in (module, shaken)]
        for _ in range(steps):
            y = model(x)
            torch_ys = [module(torch.tensor(x)), shaken(torch.tensor(shaken_x))]
            model.backward(mse_loss(y, target)[1])
            for _, parameter, torch_parameter in pairs:
                if not torch_parameter.requires_grad:
                    parameter.grad = None  # frozen in PyTorch
            optimiser.step()
            for torch_y, torch_optimiser in zip(torch_ys, torch_optimisers):
                torch_optimiser.zero_grad()
                torch.nn.functional.mse_loss(torch_y, torch.tensor(target)).backward()
                torch_optimiser.step()
    values = [(n, p.data, torch_p, others[n]) for n, p, torch_p in pairs] + [("y", y, *torch_ys)]
    lines = [_line(n, a, b, max(atol, 100 * float((b - c).detach().abs().max()))) for n, a, b, c in values if b.numel()]
    worst = max(lines, key=lambda line: (not line.agrees, line.difference))
    return Line(f"{name}, {steps} steps", (), worst.difference, worst.agrees,
                worst.remark + ("" if worst.agrees else f" (in {worst.name})"))


def _twins(model, module):
    """Return copies of both networks, in float64, each layer in the mode of its counterpart in the first."""
    ours, theirs = copy.deepcopy(model).astype(np.float64), copy.deepcopy(module).double().train(model.training)
    modes = {name: layer.training for name, layer in ours.named_modules()}
    for name, layer in theirs.named_modules():
        layer.training = modes.get(name, layer.training)
    return ours, theirs


@contextmanager
def _same_masks(model, module):
    """Let PyTorch's dropout use the masks that ours has just drawn. Call the model first."""
    ours = [layer for layer in model.modules() if isinstance(layer, layers.Dropout)]
    theirs = [layer for layer in module.modules() if isinstance(layer, torch.nn.Dropout)]
    if [layer.p for layer in ours] != [layer.p for layer in theirs]:
        raise ValueError(
            f"compare: the networks must have dropout layers with the same p, got "
            f"{[layer.p for layer in ours]} and {[layer.p for layer in theirs]}"
        )

    def use_mask_of(layer):
        def hook(_, inputs, output):
            if layer.mask is None:
                return output
            scale = 1 / (1 - layer.p) if layer.p < 1 else 0.0
            return inputs[0] * torch.tensor(layer.mask, dtype=inputs[0].dtype) * scale
        return hook

    hooks = [their.register_forward_hook(use_mask_of(our)) for our, their in zip(ours, theirs)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def _float64():
    """Let PyTorch keep what its optimisers remember as single numbers in float64; NAdam's product would be float32."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
