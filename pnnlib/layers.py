"""Layers: a thin skin over the functions, so that they can be stacked into networks and learn.

A layer holds its parameters and remembers its last input. Called, it applies
its function; `backward(dy)` then applies the function's backward, writes the
gradients into its parameters, and returns dx for the layer before it:

    y = model(x)                          # forward, layer by layer
    loss, dy = cross_entropy(y, labels)
    model.backward(dy)                    # backward: every parameter has its .grad now
    optimizer.step()

Names, arguments and `state_dict` keys are PyTorch's. `Residual` and `Parallel`
stand for what in PyTorch is written by hand. Each layer belongs in one place: a
second use would overwrite what it remembers of the first.

The pair that a layer calls stands in its class, as `function` and `function_backward`.
`exercises.use_mine` puts a student's own functions there.

In this file, in order: `Parameter` and `Module`; layers with weights; layers
without; layers made of layers; saving and loading.
"""

import inspect
import math
import numbers

import numpy as np

from pnnlib import init
from pnnlib.activations import (
    leaky_relu, leaky_relu_backward, prelu, prelu_backward, relu, relu_backward, sigmoid, sigmoid_backward, softmax,
    softmax_backward, tanh, tanh_backward,
)
from pnnlib.arrays import as_floats
from pnnlib.conv import conv1d, conv1d_backward, conv2d, conv2d_backward
from pnnlib.dropout import dropout, dropout_backward, dropout_mask
from pnnlib.linear import flatten, flatten_backward, linear, linear_backward
from pnnlib.norm import batch_norm, batch_norm_backward, update_running
from pnnlib.pool import (
    avg_pool1d, avg_pool1d_backward, avg_pool2d, avg_pool2d_backward, cross_channel_avg_pool,
    cross_channel_avg_pool_backward, cross_channel_max_pool, cross_channel_max_pool_backward, global_avg_pool,
    global_avg_pool_backward, global_max_pool, global_max_pool_backward, max_pool1d, max_pool1d_backward, max_pool2d,
    max_pool2d_backward,
)
from pnnlib.rnn import rnn, rnn_backward
from pnnlib.windows import per_axis, receptive_field


class Parameter:
    """An array that is learnt, `data`, and the gradient of the loss for it, `grad` (None before any backward).

    PyTorch: `torch.nn.Parameter`.

    >>> Parameter([1, 2]).data
    array([1., 2.])
    """

    def __init__(self, data):
        data = np.array(data)  # a copy: what it was made from stays as it is
        self.data = data if data.dtype.kind == "f" else data.astype(np.float64)
        self.grad = None

    def __repr__(self):
        return f"Parameter{self.data.shape}"


class Module:
    """What all layers share. A layer of your own needs `forward(self, x)` and `backward(self, dy)`.

    Assign `Parameter`s and other layers to attributes, and they are found: by
    `parameters()`, `state_dict()`, `train()` and the rest. `self.x` is the last input.
    PyTorch: `torch.nn.Module`, where autograd finds the backward by itself.

    >>> class Double(Module):
    ...     def forward(self, x):
    ...         return 2 * x
    ...     def backward(self, dy):
    ...         return 2 * dy
    >>> double = Double()
    >>> double(np.ones(2)), double.backward(np.ones(2))
    (array([2., 2.]), array([2., 2.]))
    """

    buffers = ()  # names of arrays that are saved, but not learnt
    training = True
    x = None

    def __call__(self, x):
        y = self.forward(x)
        self.x = x
        return y

    def forward(self, x):
        raise NotImplementedError(f"{type(self).__name__} has no forward(self, x) yet")

    def backward(self, dy):
        raise NotImplementedError(f"{type(self).__name__} has no backward(self, dy) yet")

    @property
    def remembered(self):
        """The last input, or an error that says that there is none yet."""
        if self.x is None:
            raise RuntimeError(f"{type(self).__name__}: backward needs the input of a forward: call the layer first")
        return self.x

    def named_children(self):
        """Yield (name, layer) for the layers that this one is directly made of."""
        return ((name, value) for name, value in vars(self).items() if isinstance(value, Module))

    def modules(self):
        """Yield this layer and all that it is made of, the outer before the inner."""
        return (module for _, module in self.named_modules())

    def named_modules(self, prefix=""):
        """Yield (name, layer) likewise, with names such as "0.body.1"; this layer's is "".

        >>> [name for name, _ in Sequential(ReLU(), Sequential(Tanh())).named_modules()]
        ['', '0', '1', '1.0']
        """
        yield prefix, self
        for name, child in self.named_children():
            yield from child.named_modules(f"{prefix}.{name}" if prefix else name)

    def named_parameters(self):
        """Yield (name, parameter), the name as in `state_dict`."""
        for prefix, module in self.named_modules():
            for name, value in vars(module).items():
                if isinstance(value, Parameter):
                    yield (f"{prefix}.{name}" if prefix else name), value

    def parameters(self):
        """List all parameters, as an optimiser takes them."""
        return [parameter for _, parameter in self.named_parameters()]

    def train(self, mode=True):
        """Switch to training: dropout drops, batch normalisation uses the batch. Returns the layer itself."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self):
        """Switch to usage: dropout passes all, batch normalisation uses what it has gathered."""
        return self.train(False)

    def astype(self, dtype):
        """Turn all parameters into float32 or float64. PyTorch: `module.to(dtype)`. Returns the layer itself."""
        if np.dtype(dtype).kind != "f":
            raise TypeError(f"astype: dtype must be a type of floats, got {np.dtype(dtype)}: weights are no integers")
        for module in self.modules():
            for name, value in vars(module).items():
                if isinstance(value, Parameter):
                    value.data, value.grad = value.data.astype(dtype), None
                elif name in module.buffers and value is not None and np.asarray(value).dtype.kind == "f":
                    setattr(module, name, value.astype(dtype))
        return self

    def state_dict(self):
        """Return all that was learnt, a copy of each array by name, with PyTorch's names.

        >>> list(Sequential(Linear(3, 2), ReLU()).state_dict())
        ['0.weight', '0.bias']
        """
        return {name: np.array(get()) for name, get, _ in self._state()}

    def load_state_dict(self, state):
        """Take over what `state_dict` returned, here or in PyTorch; nothing changes if a name or a shape does not fit.

        >>> Linear(3, 2).load_state_dict(Linear(3, 4).state_dict())
        Traceback (most recent call last):
        ValueError: load_state_dict: weight must be (2, 3), got (4, 3): was it saved from a layer of another size?
        """
        own = {name: (get, put) for name, get, put in self._state()}
        if not hasattr(state, "keys"):
            raise TypeError(
                f"load_state_dict: state must be what state_dict returned, got {type(state).__name__}: "
                f"a file is read by load(model, path)"
            )
        missing, unknown = [n for n in own if n not in state], [n for n in state if n not in own]
        if missing or unknown:
            raise ValueError(
                f"load_state_dict: the names must be those of this network, "
                f"missing: {', '.join(missing) or 'none'}; unknown here: {', '.join(unknown) or 'none'}: "
                f"is it the state of another network?"
            )
        taken = {}
        for name, (get, _) in own.items():
            given = state[name].detach() if hasattr(state[name], "detach") else state[name]  # a tensor of PyTorch
            (values,) = as_floats("load_state_dict", **{name: given})
            if values.shape != np.shape(get()):
                raise ValueError(
                    f"load_state_dict: {name} must be {np.shape(get())}, got {values.shape}: "
                    f"was it saved from a layer of another size?"
                )
            taken[name] = values.astype(np.asarray(get()).dtype)  # a copy
        for name, (_, put) in own.items():
            put(taken[name])

    def _state(self):
        """Yield (name, how to get the array, how to put another) for everything that is saved."""
        for prefix, module in self.named_modules():
            dot = f"{prefix}." if prefix else ""
            for name, value in vars(module).items():
                if isinstance(value, Parameter):
                    yield dot + name, lambda p=value: p.data, lambda a, p=value: setattr(p, "data", a)
                elif name in module.buffers and value is not None:
                    yield dot + name, lambda m=module, n=name: getattr(m, n), lambda a, m=module, n=name: setattr(m, n, a)

    def options(self):
        """Return what the layer was made with, by the names of its arguments.

        >>> Linear(3, 2, bias=False).options()
        {'in_features': 3, 'out_features': 2, 'bias': False}
        """
        names = [p.name for p in inspect.signature(type(self)).parameters.values() if p.kind != p.VAR_POSITIONAL]
        values = {name: getattr(self, name) for name in names if name != "rng" and hasattr(self, name)}
        if "bias" in values:
            values["bias"] = isinstance(self.bias, Parameter) if not isinstance(self.bias, bool) else self.bias
        return values

    def __repr__(self):
        children = dict(self.named_children())
        if children:
            inner = "".join(f"  ({name}): {child!r}\n".replace("\n", "\n  ").rstrip(" ") for name, child in children.items())
            return f"{type(self).__name__}(\n{inner})"
        defaults = inspect.signature(type(self)).parameters
        changed = [f"{n}={value}" for n, value in self.options().items() if repr(value) != repr(defaults[n].default)]
        return f"{type(self).__name__}({', '.join(changed)})"

    def summary(self, input_shape):
        """Return a table of the layers: shape of the result, number of parameters, receptive field.

        `input_shape` is that of one input, without N. The receptive field is how
        many pixels of the input, along each axis, one number of the result depends
        on (part d); "all" from the first layer on that looks at everything.

        >>> print(Sequential(Conv2d(1, 4, 3), MaxPool2d(2), Flatten(), Linear(36, 10)).summary((1, 8, 8)))
        layer              result        parameters  receptive field
        input              (N, 1, 8, 8)                            1
        0  Conv2d          (N, 4, 6, 6)          40                3
        1  MaxPool2d       (N, 4, 3, 3)           0                4
        2  Flatten         (N, 36)                0              all
        3  Linear          (N, 10)              370              all
        total                                   410
        """
        return Summary(self, input_shape)

    def windows(self, axes):
        """Return how the layer widens the receptive field: (kernel, stride, dilation) per axis, or None for "all".

        A layer of your own that is made of others has to say it; one that is not works pixel by pixel, as far as is known.
        """
        return None if any(True for _ in self.named_children()) else [()] * axes


# Layers with weights


class Linear(Module):
    """A fully connected layer, y = x Wᵀ + b. PyTorch: `torch.nn.Linear`, and its way to draw the first weights.

    Shapes: x (N, in_features) → (N, out_features); weight (out_features, in_features), bias (out_features,).
    `rng` draws the weights, here and in every layer that has some: an int, a Generator, or None.

    >>> layer = Linear(3, 2, rng=0)
    >>> layer(np.ones((5, 3))).shape
    (5, 2)
    """

    def __init__(self, in_features, out_features, bias=True, *, rng=None):
        self.in_features, self.out_features = _counts("Linear", in_features=in_features, out_features=out_features)
        self.weight, self.bias = _first_weights((out_features, in_features), bias, rng)

    def forward(self, x):
        return linear(x, self.weight.data, _data(self.bias))

    def backward(self, dy):
        dx, dw, db = linear_backward(dy, self.remembered, self.weight.data, _data(self.bias))
        self.weight.grad = dw
        if self.bias is not None:
            self.bias.grad = db
        return dx

    def windows(self, axes):
        return None


class _Convolution(Module):
    """What `Conv1d` and `Conv2d` share; the function and its backward are theirs."""

    def __init__(
        self, in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1, *, bias=True, rng=None
    ):
        self.in_channels, self.out_channels = _counts(
            type(self).__name__, in_channels=in_channels, out_channels=out_channels
        )
        _keep_windows(self, kernel_size=kernel_size, stride=stride, padding=padding, dilation=dilation)
        kernel = per_axis("", "", self.kernel_size, self.axes, least=1)
        self.weight, self.bias = _first_weights((out_channels, in_channels, *kernel), bias, rng)

    def forward(self, x):
        return self.function(x, self.weight.data, _data(self.bias), self.stride, self.padding, self.dilation)

    def backward(self, dy):
        dx, dw, db = self.function_backward(
            dy, self.remembered, self.weight.data, _data(self.bias), self.stride, self.padding, self.dilation
        )
        self.weight.grad = dw
        if self.bias is not None:
            self.bias.grad = db
        return dx

    def windows(self, axes):
        return _windows(axes, self.kernel_size, self.stride, self.dilation)


class Conv1d(_Convolution):
    """A convolutional layer for signals (part d). PyTorch: `torch.nn.Conv1d`, without groups.

    Shapes: x (N, in_channels, L) → (N, out_channels, OL); weight (out_channels, in_channels, K), bias (out_channels,).

    >>> Conv1d(2, 4, 3, rng=0)(np.ones((1, 2, 9))).shape
    (1, 4, 7)
    """

    axes, function, function_backward = 1, staticmethod(conv1d), staticmethod(conv1d_backward)


class Conv2d(_Convolution):
    """A convolutional layer for images (part d). PyTorch: `torch.nn.Conv2d`, without groups.

    Shapes: x (N, in_channels, H, W) → (N, out_channels, OH, OW); weight (out_channels, in_channels, KH, KW).

    >>> Conv2d(3, 8, 3, stride=2, padding=1, rng=0)(np.ones((1, 3, 8, 8))).shape
    (1, 8, 4, 4)
    """

    axes, function, function_backward = 2, staticmethod(conv2d), staticmethod(conv2d_backward)


class _BatchNorm(Module):
    """What `BatchNorm1d` and `BatchNorm2d` share: they differ in the shapes that they take."""

    buffers = ("running_mean", "running_var", "num_batches_tracked")
    function, function_backward = staticmethod(batch_norm), staticmethod(batch_norm_backward)
    update_running = staticmethod(update_running)

    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True):
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self.weight = Parameter(np.ones(num_features)) if affine else None
        self.bias = Parameter(np.zeros(num_features)) if affine else None
        self.running_mean = np.zeros(num_features) if track_running_stats else None
        self.running_var = np.ones(num_features) if track_running_stats else None
        self.num_batches_tracked = np.array(0) if track_running_stats else None

    def forward(self, x):
        if np.ndim(x) not in self.dimensions:
            raise ValueError(
                f"{type(self).__name__}: x must be {self.shapes}, got {np.shape(x)}: "
                f"there is BatchNorm1d for neurons and signals, and BatchNorm2d for images"
            )
        if np.shape(x)[1] != self.num_features:
            raise ValueError(
                f"{type(self).__name__}: x must have num_features = {self.num_features} channels, got {np.shape(x)}"
            )
        y = self.function(x, *self._arguments())
        self.used_batch = self.training
        if self.training and self.track_running_stats:
            dtype = self.running_mean.dtype  # a layer keeps its type, whatever comes in
            self.running_mean, self.running_var = (a.astype(dtype, copy=False) for a in self.update_running(
                x, self.running_mean, self.running_var, self.momentum, int(self.num_batches_tracked)
            ))
            self.num_batches_tracked = self.num_batches_tracked + 1
        return y

    def backward(self, dy):
        dx, dw, db = self.function_backward(dy, self.remembered, *self._arguments(self.used_batch))
        if self.affine:
            self.weight.grad, self.bias.grad = dw, db
        return dx

    def _arguments(self, training=None):
        training = self.training if training is None else training
        return (self.running_mean, self.running_var, _data(self.weight), _data(self.bias), training, self.momentum,
                self.eps)


class BatchNorm1d(_BatchNorm):
    """Batch normalisation of neurons, x (N, C), or of signals, x (N, C, L) (part c). PyTorch: `torch.nn.BatchNorm1d`.

    `momentum=None` averages over all training data so far; `affine` learns γ (weight) and β (bias).

    >>> BatchNorm1d(1)(np.array([[1.0], [3.0]])).round(3).ravel()
    array([-1.,  1.])
    """

    dimensions, shapes = (2, 3), "(N, C) or (N, C, L)"


class BatchNorm2d(_BatchNorm):
    """Batch normalisation of feature maps, x (N, C, H, W): each channel is one neuron, copied. PyTorch: `BatchNorm2d`.

    >>> BatchNorm2d(2)(np.ones((3, 2, 4, 4))).shape
    (3, 2, 4, 4)
    """

    dimensions, shapes = (4,), "(N, C, H, W)"


class PReLU(Module):
    """ReLU with a learnt slope for negative net inputs, one per channel (part c). PyTorch: `torch.nn.PReLU`.

    `num_parameters` slopes, 1 for a shared one as PyTorch's default, else one per channel; they start at `init`.

    >>> PReLU(2)(np.array([[-4.0, -4.0]]))
    array([[-1., -1.]])
    """

    function, function_backward = staticmethod(prelu), staticmethod(prelu_backward)

    def __init__(self, num_parameters=1, init=0.25):
        self.num_parameters, self.init = num_parameters, init
        self.weight = Parameter(np.full(num_parameters, float(init)))

    def forward(self, x):
        return self.function(x, self.weight.data)

    def backward(self, dy):
        dx, self.weight.grad = self.function_backward(dy, self.remembered, self.weight.data, at_zero=self.weight.data)
        return dx


class RNN(Module):
    """A simple recurrent network (part a): h_t = φ(W_ih x_t + b_ih + W_hh h_(t−1) + b_hh), from h_0 = 0.

    Shapes: x (T, N, input_size), or (N, T, input_size) with `batch_first` → all
    hidden states, (T, N, hidden_size) or (N, T, hidden_size); `LastStep` takes
    the last. `train.fit` and `train.predict` cut a data set along its first axis, so
    for them take `batch_first`. With `num_layers`, each takes the hidden states of the one before.
    PyTorch: `torch.nn.RNN`, which also returns the last hidden states.

    >>> RNN(3, 5, rng=0)(np.ones((7, 2, 3))).shape
    (7, 2, 5)
    """

    def __init__(
        self, input_size, hidden_size, num_layers=1, nonlinearity="tanh", bias=True, batch_first=False, *, rng=None
    ):
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.nonlinearity, self.bias, self.batch_first = nonlinearity, bias, batch_first
        rng = np.random.default_rng(rng)
        bound = 1 / math.sqrt(hidden_size)
        for layer in range(num_layers):
            shapes = {"weight_ih": (hidden_size, hidden_size if layer else input_size),
                      "weight_hh": (hidden_size, hidden_size)}
            if bias:
                shapes |= {"bias_ih": (hidden_size,), "bias_hh": (hidden_size,)}
            for name, shape in shapes.items():
                setattr(self, f"{name}_l{layer}", Parameter(rng.uniform(-bound, bound, shape)))

    def forward(self, x):
        if np.ndim(x) != 3 or np.shape(x)[2] != self.input_size:
            axes = "(N, T" if self.batch_first else "(T, N"
            raise ValueError(f"RNN: x must be {axes}, {self.input_size}), got {np.shape(x)}: steps of vectors, for each sequence")
        h = np.swapaxes(x, 0, 1) if self.batch_first else x
        self.inputs = []  # of each layer
        for layer in range(self.num_layers):
            self.inputs.append(h)
            h = rnn(h, *self._arguments(h, layer))
        self.h = h
        return np.swapaxes(h, 0, 1) if self.batch_first else h

    def backward(self, dy):
        self.remembered
        dy = np.swapaxes(dy, 0, 1) if self.batch_first else dy
        hidden = [*self.inputs[1:], self.h]
        for layer in reversed(range(self.num_layers)):
            x = self.inputs[layer]
            dy, _, *gradients = rnn_backward(dy, x, *self._arguments(x, layer), h=hidden[layer])
            for name, gradient in zip(("weight_ih", "weight_hh", "bias_ih", "bias_hh"), gradients):
                if gradient is not None:
                    getattr(self, f"{name}_l{layer}").grad = gradient
        return np.swapaxes(dy, 0, 1) if self.batch_first else dy

    def _arguments(self, x, layer):
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        weights = [_data(getattr(self, f"{name}_l{layer}", None)) for name in names]
        h0 = np.zeros((np.shape(x)[1], self.hidden_size), weights[0].dtype)
        return h0, *weights, self.nonlinearity

    def windows(self, axes):
        return None


# Layers without weights: an instance remembers its input, and calls the pair.


class ReLU(Module):
    """max(0, net) (part c), with slope 0 at 0 as in PyTorch. PyTorch: `torch.nn.ReLU`.

    >>> ReLU()(np.array([-1.0, 2.0]))
    array([0., 2.])
    """

    function, function_backward = staticmethod(relu), staticmethod(relu_backward)

    def forward(self, x):
        return self.function(x)

    def backward(self, dy):
        return self.function_backward(dy, self.remembered, at_zero=0)


class LeakyReLU(Module):
    """ReLU with a small fixed slope for negative net inputs (part c). PyTorch: `torch.nn.LeakyReLU`.

    >>> LeakyReLU(0.1)(np.array([-1.0, 2.0]))
    array([-0.1,  2. ])
    """

    function, function_backward = staticmethod(leaky_relu), staticmethod(leaky_relu_backward)

    def __init__(self, negative_slope=0.01):
        self.negative_slope = negative_slope

    def forward(self, x):
        return self.function(x, self.negative_slope)

    def backward(self, dy):
        return self.function_backward(dy, self.remembered, self.negative_slope, at_zero=self.negative_slope)


class Sigmoid(Module):
    """1 / (1 + exp(−net)) (part b). PyTorch: `torch.nn.Sigmoid`.

    >>> Sigmoid()(np.zeros(1))
    array([0.5])
    """

    function, function_backward = staticmethod(sigmoid), staticmethod(sigmoid_backward)

    def forward(self, x):
        return self.function(x)

    def backward(self, dy):
        return self.function_backward(dy, self.remembered)


class Tanh(Module):
    """tanh(net) (part b). PyTorch: `torch.nn.Tanh`.

    >>> Tanh()(np.zeros(1))
    array([0.])
    """

    function, function_backward = staticmethod(tanh), staticmethod(tanh_backward)

    def forward(self, x):
        return self.function(x)

    def backward(self, dy):
        return self.function_backward(dy, self.remembered)


class Softmax(Module):
    """Numbers turned into probabilities along one axis. PyTorch: `torch.nn.Softmax`.

    Not before `losses.cross_entropy`, which has its own.

    >>> Softmax(dim=1)(np.zeros((1, 4)))
    array([[0.25, 0.25, 0.25, 0.25]])
    """

    def __init__(self, dim=-1):
        self.dim = dim

    def forward(self, x):
        return softmax(x, self.dim)

    def backward(self, dy):
        return softmax_backward(dy, self.remembered, self.dim)


class Dropout(Module):
    """In training, a random share p of the neurons is silent, the rest is scaled by 1/(1−p) (part f).

    Every forward draws anew, from the layer's own `rng`. PyTorch: `torch.nn.Dropout`.

    >>> Dropout(0.5, rng=0).eval()(np.ones(4))
    array([1., 1., 1., 1.])
    """

    def __init__(self, p=0.5, *, rng=None):
        self.p, self.rng = p, np.random.default_rng(rng)

    def forward(self, x):
        self.mask = dropout_mask(np.shape(x), self.p, self.rng) if self.training else None
        return dropout(x, self.p, self.mask is not None, self.mask)

    def backward(self, dy):
        return dropout_backward(dy, self.remembered, self.p, self.mask is not None, self.mask)


class Flatten(Module):
    """(N, C, H, W) → (N, C·H·W), what a fully connected layer takes (part e). PyTorch: `torch.nn.Flatten`.

    `order="F"` is the lecture's: each map column by column, then the maps one after the other.

    >>> Flatten()(np.ones((2, 3, 4, 5))).shape
    (2, 60)
    """

    function, function_backward = staticmethod(flatten), staticmethod(flatten_backward)

    def __init__(self, order="C"):
        self.order = order

    def forward(self, x):
        return self.function(x, self.order)

    def backward(self, dy):
        return self.function_backward(dy, self.remembered, self.order)

    def windows(self, axes):
        return None


class Identity(Module):
    """x as it is; a place to look at what passes. PyTorch: `torch.nn.Identity`.

    >>> Identity()(np.ones(1))
    array([1.])
    """

    def forward(self, x):
        return x

    def backward(self, dy):
        return dy


class LastStep(Module):
    """The last hidden state of a sequence, on which its class is decided. PyTorch: `output[-1]`.

    >>> LastStep()(np.arange(6.0).reshape(3, 2, 1)).ravel()
    array([4., 5.])
    """

    def __init__(self, batch_first=False):
        self.batch_first = batch_first

    def forward(self, x):
        return x[:, -1] if self.batch_first else x[-1]

    def backward(self, dy):
        dx = np.zeros_like(self.remembered)
        (dx.swapaxes(0, 1) if self.batch_first else dx)[-1] = dy
        return dx


class _Pool(Module):
    """What the pooling layers with a window share; the function and its backward are theirs."""

    def __init__(self, kernel_size, stride=None, padding=0):
        stride = kernel_size if stride is None else stride
        _keep_windows(self, kernel_size=kernel_size, stride=stride, padding=padding)

    def forward(self, x):
        return self.function(x, self.kernel_size, self.stride, self.padding, **self.more())

    def backward(self, dy):
        return self.function_backward(
            dy, self.remembered, self.kernel_size, self.stride, self.padding, **self.more()
        )

    def more(self):
        return {}

    def windows(self, axes):
        return _windows(axes, self.kernel_size, self.stride, self.more().get("dilation", 1))


class _MaxPool(_Pool):
    def __init__(self, kernel_size, stride=None, padding=0, dilation=1):
        super().__init__(kernel_size, stride, padding)
        _keep_windows(self, dilation=dilation)

    def more(self):
        return {"dilation": self.dilation}


class MaxPool1d(_MaxPool):
    """The largest number of each window of a signal (part e). PyTorch: `torch.nn.MaxPool1d`.

    >>> MaxPool1d(2)(np.array([[[1.0, 2.0, 4.0, 3.0]]]))
    array([[[2., 4.]]])
    """

    axes, function, function_backward = 1, staticmethod(max_pool1d), staticmethod(max_pool1d_backward)


class MaxPool2d(_MaxPool):
    """The largest number of each window of a feature map (part e). PyTorch: `torch.nn.MaxPool2d`.

    >>> MaxPool2d(2)(np.arange(16.0).reshape(1, 1, 4, 4)).ravel()
    array([ 5.,  7., 13., 15.])
    """

    axes, function, function_backward = 2, staticmethod(max_pool2d), staticmethod(max_pool2d_backward)


class _AvgPool(_Pool):
    def __init__(self, kernel_size, stride=None, padding=0, *, count_include_pad=True):
        super().__init__(kernel_size, stride, padding)
        self.count_include_pad = count_include_pad

    def more(self):
        return {"count_include_pad": self.count_include_pad}


class AvgPool1d(_AvgPool):
    """The mean of each window of a signal (part e). PyTorch: `torch.nn.AvgPool1d`.

    >>> AvgPool1d(2)(np.array([[[1.0, 2.0, 4.0, 3.0]]]))
    array([[[1.5, 3.5]]])
    """

    axes, function, function_backward = 1, staticmethod(avg_pool1d), staticmethod(avg_pool1d_backward)


class AvgPool2d(_AvgPool):
    """The mean of each window of a feature map (part e). PyTorch: `torch.nn.AvgPool2d`.

    >>> AvgPool2d(2)(np.arange(16.0).reshape(1, 1, 4, 4)).ravel()
    array([ 2.5,  4.5, 10.5, 12.5])
    """

    axes, function, function_backward = 2, staticmethod(avg_pool2d), staticmethod(avg_pool2d_backward)


class _GlobalPool(Module):
    """What the pooling layers over a whole map share. Only the one that PyTorch calls adaptive, with one output."""

    def __init__(self, output_size=1):
        if per_axis(type(self).__name__, "output_size", output_size, self.axes, least=1) != (1,) * self.axes:
            raise ValueError(
                f"{type(self).__name__}: output_size must be 1, a single number for the whole map, got {output_size}: "
                f"other sizes are not part of the lecture, use a pooling layer with a window"
            )
        self.output_size = output_size

    def forward(self, x):
        if np.ndim(x) != 2 + self.axes:
            shape = ("(N, C, L)", "(N, C, H, W)")[self.axes - 1]
            raise ValueError(f"{type(self).__name__}: x must be {shape}, got {np.shape(x)}")
        y = self.function(x)
        return y.reshape(*y.shape, *(1,) * self.axes)

    def backward(self, dy):
        x = self.remembered
        return self.function_backward(np.reshape(dy, np.shape(x)[:2]), x)

    def windows(self, axes):
        return None


class AdaptiveMaxPool1d(_GlobalPool):
    """Global max pooling of signals, (N, C, L) → (N, C, 1) (part e). PyTorch: `torch.nn.AdaptiveMaxPool1d(1)`.

    >>> AdaptiveMaxPool1d(1)(np.array([[[1.0, 3.0]]]))
    array([[[3.]]])
    """

    axes, function, function_backward = 1, staticmethod(global_max_pool), staticmethod(global_max_pool_backward)


class AdaptiveMaxPool2d(_GlobalPool):
    """Global max pooling, (N, C, H, W) → (N, C, 1, 1) (part e). PyTorch: `torch.nn.AdaptiveMaxPool2d(1)`.

    >>> AdaptiveMaxPool2d(1)(np.array([[[[1.0, 3.0]]]]))
    array([[[[3.]]]])
    """

    axes, function, function_backward = 2, staticmethod(global_max_pool), staticmethod(global_max_pool_backward)


class AdaptiveAvgPool1d(_GlobalPool):
    """Global average pooling of signals, (N, C, L) → (N, C, 1) (part e). PyTorch: `torch.nn.AdaptiveAvgPool1d(1)`.

    >>> AdaptiveAvgPool1d(1)(np.array([[[1.0, 3.0]]]))
    array([[[2.]]])
    """

    axes, function, function_backward = 1, staticmethod(global_avg_pool), staticmethod(global_avg_pool_backward)


class AdaptiveAvgPool2d(_GlobalPool):
    """Global average pooling, (N, C, H, W) → (N, C, 1, 1) (part e). PyTorch: `torch.nn.AdaptiveAvgPool2d(1)`.

    >>> AdaptiveAvgPool2d(1)(np.array([[[[1.0, 3.0]]]]))
    array([[[[2.]]]])
    """

    axes, function, function_backward = 2, staticmethod(global_avg_pool), staticmethod(global_avg_pool_backward)


class _CrossChannelPool(Module):
    """What both cross-channel poolings share: neighbouring channels, `group` of them, become one."""

    def __init__(self, group):
        self.group = group

    def forward(self, x):
        return self.function(x, self.group)

    def backward(self, dy):
        return self.function_backward(dy, self.remembered, self.group)


class CrossChannelMaxPool(_CrossChannelPool):
    """At every pixel the largest of `group` neighbouring channels (part e). PyTorch: no layer, known as maxout.

    >>> CrossChannelMaxPool(2)(np.array([[[1.0], [3.0]]]))
    array([[[3.]]])
    """

    function, function_backward = staticmethod(cross_channel_max_pool), staticmethod(cross_channel_max_pool_backward)


class CrossChannelAvgPool(_CrossChannelPool):
    """At every pixel the mean of `group` neighbouring channels (part e). PyTorch: no layer.

    >>> CrossChannelAvgPool(2)(np.array([[[1.0], [3.0]]]))
    array([[[2.]]])
    """

    function, function_backward = staticmethod(cross_channel_avg_pool), staticmethod(cross_channel_avg_pool_backward)


# Layers made of layers


class Sequential(Module):
    """Layers one after the other (part e). PyTorch: `torch.nn.Sequential`.

    >>> model = Sequential(Linear(4, 8, rng=0), ReLU(), Linear(8, 3, rng=1))
    >>> model(np.ones((2, 4))).shape, len(model), model[1]
    ((2, 3), 3, ReLU())
    """

    def __init__(self, *layers):
        self.layers = _check_layers("Sequential", layers)

    def named_children(self):
        return ((str(i), layer) for i, layer in enumerate(self.layers))

    def forward(self, x):
        for i, layer in enumerate(self.layers):
            try:
                x = layer(x)
            except (ValueError, TypeError) as error:
                error.add_note(f"in layer {i} of the network: {layer!r}")
                raise
        return x

    def backward(self, dy):
        for layer in reversed(self.layers):
            dy = layer.backward(dy)
        return dy

    def __len__(self):
        return len(self.layers)

    def __iter__(self):
        return iter(self.layers)

    def __getitem__(self, place):
        """Return a layer, or for a slice a `Sequential` of the same layers (not of copies)."""
        return Sequential(*self.layers[place]) if isinstance(place, slice) else self.layers[place]


class Residual(Module):
    """A skip connection (part c): y = body(x) + x, or body(x) + shortcut(x) where the shapes differ.

    Backward: dx = body.backward(dy) + dy: the gradient by-passes the body.
    PyTorch: written by hand, `body(x) + x`.

    >>> Residual(Linear(3, 3, rng=0))(np.zeros((1, 3))).shape
    (1, 3)
    """

    function = staticmethod(lambda x, f: f(x) + x)
    function_backward = staticmethod(lambda dy, f_backward: f_backward(dy) + dy)

    def __init__(self, body, shortcut=None):
        self.body, self.shortcut = body, shortcut
        _check_layers("Residual", [body] if shortcut is None else [body, shortcut])

    def forward(self, x):
        y = self.body(x)
        by_pass = x if self.shortcut is None else self.shortcut(x)
        if np.shape(y) != np.shape(by_pass):
            cause = (
                "give a shortcut that changes the shape too, such as a 1×1 convolution with the same stride"
                if self.shortcut is None else "give body and shortcut the same stride and number of channels"
            )
            raise ValueError(
                f"Residual: body and by-pass must have the same shape to be added, got {np.shape(y)} from the body "
                f"and {np.shape(by_pass)} beside it: {cause}"
            )
        return self.function(by_pass, lambda _: y)  # what is worked out and checked, handed on as the f of part c

    def backward(self, dy):
        dx = self.body.backward(dy)
        return self.function_backward(dy if self.shortcut is None else self.shortcut.backward(dy), lambda _: dx)


class Parallel(Module):
    """Branches side by side, their results stacked as channels (part e). PyTorch: `torch.cat([…], dim=1)`.

    >>> Parallel(Conv2d(3, 2, 1), Conv2d(3, 4, 3, padding=1))(np.ones((1, 3, 5, 5))).shape
    (1, 6, 5, 5)
    """

    function = staticmethod(lambda x, branches: np.concatenate([branch(x) for branch in branches], axis=1))

    def __init__(self, *branches):
        self.branches = _check_layers("Parallel", branches)
        if not branches:
            raise ValueError("Parallel: at least one branch is needed")

    def named_children(self):
        return ((str(i), branch) for i, branch in enumerate(self.branches))

    def forward(self, x):
        results = [branch(x) for branch in self.branches]
        apart = {(*np.shape(y)[:1], *np.shape(y)[2:]) for y in results}
        if len(apart) > 1 or min(map(np.ndim, results)) < 2:
            raise ValueError(
                f"Parallel: the branches must agree in all axes but the channels, got "
                f"{', '.join(str(np.shape(y)) for y in results)}: give every mask the padding that keeps the size"
            )
        self.channels = [np.shape(y)[1] for y in results]
        return self.function(x, [lambda _, y=y: y for y in results])  # worked out and checked already

    def backward(self, dy):
        self.remembered
        parts = np.split(dy, np.cumsum(self.channels)[:-1], axis=1)
        return sum(branch.backward(part) for branch, part in zip(self.branches, parts))


# Saving and loading, drawing weights anew, the table


def save(model, path):
    """Write the state of a network into a file, in NumPy's npz form: numbers only, no code.

    PyTorch: `torch.save(module.state_dict(), path)`.

    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "model.npz"
    >>> save(Linear(3, 2, rng=0), path)
    >>> model = Linear(3, 2, rng=1)
    >>> load(model, path)
    >>> bool((model.weight.data == Linear(3, 2, rng=0).weight.data).all())
    True
    """
    with open(path, "wb") as file:  # given a name, savez would add an ending to it
        np.savez(file, **model.state_dict())


def load(model, path):
    """Read the state of a network from a file that `save` wrote. What does not fit is refused, by name and shape.

    PyTorch: `module.load_state_dict(torch.load(path))`.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            state = dict(file)
    except FileNotFoundError:
        raise
    except Exception as error:  # whatever NumPy and zipfile make of a file of another kind
        raise ValueError(f"load: {path} must be a file that save wrote, NumPy could not read it: {error}") from None
    try:
        model.load_state_dict(state)
    except ValueError as error:
        raise ValueError(f"load: {path} does not fit. {error}") from None


def initialise(model, method, rng=None):
    """Draw all weights of a network anew by one method of `init`, and set the biases to 0. Returns the network.

    For weights with at least two axes, linear and convolutional (part c).
    PyTorch: a loop over `module.modules()` with `torch.nn.init.…_(m.weight)`.

    >>> model = initialise(Linear(100, 100), init.kaiming_normal, rng=0)
    >>> round(float(model.weight.data.std()), 2), float(model.bias.data[0])
    (0.14, 0.0)
    """
    rng = np.random.default_rng(rng)
    for module in model.modules():
        if isinstance(module, (Linear, _Convolution, RNN)):
            for parameter in (value for value in vars(module).values() if isinstance(value, Parameter)):
                shape, dtype = parameter.data.shape, parameter.data.dtype
                drawn = method(shape, rng=rng) if len(shape) > 1 else np.zeros(shape)
                parameter.data, parameter.grad = drawn.astype(dtype), None
    return model


class Summary:
    """The table that `Module.summary` returns: print it, or look at its `rows` (name, layer, shape, parameters, field).

    `field` is the receptive field, one int per spatial axis, or None for the whole input.
    """

    def __init__(self, model, input_shape):
        if not np.iterable(input_shape):
            raise TypeError(f"summary: input_shape must be a shape without N, such as (1, 8, 8), got {input_shape!r}")
        input_shape = tuple(input_shape)
        modes = [(module, module.training) for module in model.modules()]
        dtype = next((p.data.dtype for p in model.parameters()), np.float64)
        try:
            model.eval()(np.zeros((2, *input_shape), dtype))  # of one, batch normalisation may have no variance
            shapes = {
                id(module): (1, *np.shape(module.forward(module.x))[1:])
                for module in model.modules() if module.x is not None
            }
        finally:
            for module, training in modes:
                module.training, module.x = training, None
        self.input_shape = input_shape
        self.rows = []
        self.total = sum(p.data.size for p in model.parameters())
        self._add("", model, shapes, [()] * max(0, len(input_shape) - 1))

    def _add(self, name, module, shapes, path):
        """Add the rows of a layer, and return the layers (kernel, stride, dilation) on the way up to its end."""
        if isinstance(module, Sequential):
            for child_name, child in module.named_children():
                path = self._add(f"{name}.{child_name}" if name else child_name, child, shapes, path)
            return path
        if isinstance(module, (Residual, Parallel)):
            place = len(self.rows)
            ends = [path] if isinstance(module, Residual) and module.shortcut is None else []
            ends += [
                self._add(f"{name}.{child_name}" if name else child_name, child, shapes, path)
                for child_name, child in module.named_children()
            ]
            # what is added or stacked sees, along each axis, as far as the widest does
            path = None if None in ends else [max(axis, key=receptive_field) for axis in zip(*ends)]
            self.rows.insert(place, (name, module, shapes[id(module)], 0, _fields(path)))
            return path
        windows = module.windows(len(path)) if path is not None else None
        path = None if windows is None or path is None else [(*p, *([w] if w else [])) for p, w in zip(path, windows)]
        own = sum(p.data.size for p in module.parameters())
        self.rows.append((name, module, shapes[id(module)], own, _fields(path)))
        return path

    def __str__(self):
        lines = [("layer", "result", "parameters", "receptive field")]
        lines.append(("input", _with_n(self.input_shape), "", _field_in_words((1,) * max(0, len(self.input_shape) - 1))))
        for name, module, shape, own, field in self.rows:
            title = f"{'  ' * name.count('.')}{name}  {type(module).__name__}" if name else type(module).__name__
            lines.append((title, _with_n(shape[1:]), f"{own:,}", _field_in_words(field)))
        lines.append(("total", "", f"{self.total:,}", ""))
        widths = [max(map(len, column)) for column in zip(*lines)]
        widths[0] = max(widths[0], 17)
        return "\n".join(
            f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:>{widths[2]}}  {d:>{widths[3]}}".rstrip() for a, b, c, d in lines
        )

    __repr__ = __str__  # what a notebook shows


def _fields(path):
    return None if path is None else tuple(receptive_field(layers) for layers in path)


def _field_in_words(field):
    if field is None:
        return "all"
    return " × ".join(map(str, field if len(set(field)) > 1 else field[:1]))


def _with_n(shape):
    return f"({', '.join(['N', *map(str, shape)])})"


def _keep_windows(layer, **options):
    """Keep the options of a window in the layer, checked: an int where it holds for every axis, or a tuple."""
    for name, option in options.items():
        values = per_axis(type(layer).__name__, name, option, layer.axes, least=0 if name == "padding" else 1)
        setattr(layer, name, values[0] if len(set(values)) == 1 else values)


def _windows(axes, kernel, stride, dilation):
    """Return one (kernel, stride, dilation) per axis, each given as an int or one int per axis."""
    return list(zip(*(per_axis("summary", "an option", option, axes, least=1) for option in (kernel, stride, dilation))))


def _first_weights(shape, bias, rng):
    """Draw weight and bias as PyTorch does: uniform within ±1/√m, for m inputs of each neuron."""
    rng = np.random.default_rng(rng)
    weight = Parameter(init.kaiming_uniform(shape, a=math.sqrt(5), rng=rng))
    bound = 1 / math.sqrt(max(1, math.prod(shape[1:])))
    return weight, Parameter(rng.uniform(-bound, bound, shape[0])) if bias else None


def _counts(layer, **sizes):
    for name, size in sizes.items():
        if isinstance(size, bool) or not isinstance(size, numbers.Integral) or size < 1:
            raise ValueError(f"{layer}: {name} must be an int, at least 1, got {size!r}")
    return sizes.values()


def _data(parameter):
    return None if parameter is None else parameter.data


def _check_layers(owner, layers):
    """Return the layers as a list, if they are layers, and each stands in one place only."""
    seen = set()
    for layer in layers:
        if not isinstance(layer, Module):
            hint = ": make an instance of it, with brackets" if isinstance(layer, type) else ""
            hint = f": give the layers themselves, {owner}(*layers)" if isinstance(layer, (list, tuple)) else hint
            raise TypeError(f"{owner}: every part must be a layer, got {layer!r}{hint}")
        for module in layer.modules():
            if id(module) in seen:
                raise ValueError(
                    f"{owner}: every layer must stand in one place only, got {module!r} twice: "
                    f"its second use would overwrite what it remembers of the first, make another one"
                )
            seen.add(id(module))
    return list(layers)
