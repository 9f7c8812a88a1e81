"""Training: the same few lines for every network, its measures, and a check of its gradients.

    for x, labels in batches(…):          # a part of the data at a time, in a new order every epoch
        loss, dy = cross_entropy(model(x), labels)
        model.backward(dy)
        optimizer.step()

`fit` is this loop with a progress bar, a history, early stopping and callbacks.
Part e describes it for a whole network: forward, error, backward, and then usage.
"""

import copy
import numbers
from dataclasses import dataclass, field
from itertools import product

import numpy as np

from pnnlib.layers import _BatchNorm
from pnnlib.losses import cross_entropy, misclassified

default_loss = cross_entropy  # what `fit` and `check_gradients` take; `exercises.use_mine` puts a student's own here


def batches(x, y, size, rng=None):
    """Yield (x, y) in batches of `size` samples, every sample once, in random order; the last batch may be smaller.

    Shapes: x (N, …), y (N, …) → (size, …) of each. PyTorch: `torch.utils.data.DataLoader(…, shuffle=True)`.

    >>> for x, y in batches(np.arange(5), np.arange(5) * 10, 2, rng=0):
    ...     print(x, y)
    [2 4] [20 40]
    [3 0] [30  0]
    [1] [10]
    """
    x, y = _same_number("batches", x, y)
    _check_count("batches", "size", size)
    order = np.random.default_rng(rng).permutation(len(x))
    for start in range(0, len(x), size):
        some = order[start:start + size]
        yield x[some], y[some]


@dataclass
class History:
    """What `fit` wrote down, one number for each epoch in every list.

    loss, accuracy               over the training data, as the weights were while each batch was learnt
    validation_loss, validation_accuracy   after the epoch, in usage mode; empty without validation data
    accuracy                     empty where the loss is not for classes
    best   the epoch (from 0) with the least validation loss, or training loss without validation data
    """

    loss: list = field(default_factory=list)
    accuracy: list = field(default_factory=list)
    validation_loss: list = field(default_factory=list)
    validation_accuracy: list = field(default_factory=list)

    @property
    def best(self):
        losses = self.validation_loss or self.loss
        if not losses:
            raise ValueError("History.best: there must be an epoch to look at, got none")
        return int(np.argmin(losses))

    def __len__(self):
        return len(self.loss)


def fit(
    model, x, y, optimizer, *, loss=None, epochs=10, batch_size=32, validation=None, patience=None,
    transform=None, callbacks=(), progress=True, rng=None
):
    """Train a network, and return the `History`. The network ends in usage mode (`eval`).

    Arguments: x (N, …) and y (N,) or whatever the loss takes; `optimizer` from
    `optim`, holding the network's parameters; `loss(output, y)` → (value, gradient), by default the cross-entropy;
    `validation`, a pair (x, y) that is only looked at. With `patience`, training
    stops after so many epochs without a smaller validation loss, and the best
    weights are put back. `transform(x, rng)` augments each batch, see `augment`.
    After each epoch every callback is called as `callback(model, history)`; one
    that returns True ends the training, and so does interrupting it: the history
    up to then is returned. One `rng` decides all that chance does
    here: the order, the transform, and dropout.
    PyTorch: a loop written by hand.

    >>> from pnnlib import layers, optim
    >>> x = np.random.default_rng(0).normal(size=(64, 2))
    >>> model = layers.Linear(2, 2, rng=0)
    >>> history = fit(model, x, (x[:, 0] > 0).astype(int), optim.SGD(model.parameters(), lr=0.5), progress=False, rng=0)
    >>> len(history), history.accuracy[-1] > 0.9
    (10, True)
    """
    x, y = _same_number("fit", x, y)
    _check_fit(model, x, optimizer, epochs, batch_size, validation, patience)
    callbacks = [callbacks] if callable(callbacks) else callbacks
    rng = np.random.default_rng(rng)
    _seed_dropout(model, rng)
    history, best = History(), None
    loss = default_loss if loss is None else loss
    classes = loss in (default_loss, cross_entropy)
    bar = _progress_bar(epochs, progress)
    try:
        for epoch in range(epochs):
            total = right = 0
            model.train()
            for some_x, some_y in batches(x, y, batch_size, rng):
                output = model(some_x if transform is None else transform(some_x, rng))
                value, dy = loss(output, some_y)
                _check_finite("loss", value, epoch, optimizer)
                model.backward(dy)
                optimizer.step()
                total += float(value) * len(some_x)
                right += len(some_x) - misclassified(output, some_y) if classes else 0
            model.eval()
            history.loss.append(total / len(x))
            if classes:
                history.accuracy.append(right / len(x))
            if validation is not None:
                value, share = _measure(model, *validation, loss, classes)
                _check_finite("validation loss", value, epoch, optimizer)
                history.validation_loss.append(value)
                if classes:
                    history.validation_accuracy.append(share)
            bar.update(1)
            bar.set_postfix({name: f"{values[-1]:.3f}" for name, values in vars(history).items() if values})
            if patience is not None and history.best == epoch:
                best = model.state_dict()
            stop = [callback(model, history) for callback in callbacks]
            if any(isinstance(answer, (bool, np.bool_)) and answer for answer in stop) or (patience is not None and epoch - history.best >= patience):
                break
    except KeyboardInterrupt:
        pass  # in a notebook the way to end a training that takes too long: what was learnt stays
    finally:
        bar.close()
        model.eval()
    if best is not None:
        model.load_state_dict(best)
    return history


def outputs(model, x, batch_size=256):
    """Return the network's output for every sample, in usage mode, a batch at a time; its mode stays as it is.

    What the layers remembered of an earlier input is gone: a backward needs a new forward.

    >>> from pnnlib import layers
    >>> outputs(layers.Linear(2, 3, rng=0), np.ones((5, 2)), batch_size=2).shape
    (5, 3)
    """
    x = np.asarray(x)
    if x.ndim == 0 or len(x) == 0:
        raise ValueError(f"outputs: x must be (N, …) with at least one sample, got {x.shape}: one alone is x[None]")
    _check_count("outputs", "batch_size", batch_size)
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        return np.concatenate([model(x[start:start + batch_size]) for start in range(0, len(x), batch_size)])
    finally:
        for module, training in modes:
            module.training, module.x = training, None


def predict(model, x, batch_size=256):
    """Return the predicted class of every sample, the place of the largest output (part e, usage).

    Shapes: x (N, …) → (N,) ints. PyTorch: `module.eval()(x).argmax(dim=1)`.

    >>> from pnnlib import layers
    >>> predict(layers.Identity(), [[0, 1], [3, 2]])
    array([1, 0])
    """
    return outputs(model, x, batch_size).argmax(axis=1)


def accuracy(model, x, y, batch_size=256):
    """Return the share of samples whose class is predicted right.

    Shapes: x (N, …), y (N,) ints → a float. PyTorch: `(module(x).argmax(dim=1) == y).float().mean()`.

    >>> from pnnlib import layers
    >>> accuracy(layers.Identity(), [[0, 1], [3, 2]], [1, 1])
    0.5
    """
    x, y = _same_number("accuracy", x, y)
    output = outputs(model, x, batch_size)
    return (len(output) - misclassified(output, y)) / len(output)


def numerical_gradient(f, a, step=1e-5):
    """Return the gradient of f at a by differences: every number is moved a little, both ways.

    ∂f/∂a_i ≈ (f(a + h e_i) − f(a − h e_i)) / 2h. Slow, and right: what a backward is checked against.

    Shapes: f takes an array like a and returns a number; a any → as a, float64.
    PyTorch: `torch.autograd.gradcheck`.

    >>> numerical_gradient(lambda a: (a ** 2).sum(), np.array([1.0, 3.0])).round(6)
    array([2., 6.])
    """
    a = np.array(a, np.float64)
    gradient = np.empty_like(a)
    for place in np.ndindex(a.shape):
        moved = a.copy()
        moved[place] += step
        higher = f(moved)
        moved[place] = a[place] - step
        gradient[place] = (higher - f(moved)) / (2 * step)
    return gradient


def check_gradients(model, x, y, loss=None, step=1e-5, rng=None):
    """Compare every gradient of a network with a difference, and return the relative error by name.

    Each parameter is moved a little along a random direction v, both ways: the
    loss must change by v·grad. Two forwards for each, however large it is. About
    1e-7 is right, above 1e-3 is a mistake; in between may lie a corner of ReLU.
    Runs in float64, in the mode the network is in, on a copy; dropout keeps its mask.
    PyTorch: `torch.autograd.gradcheck`.

    >>> from pnnlib import layers
    >>> errors = check_gradients(layers.Linear(3, 2, rng=0), np.ones((4, 3)), [0, 1, 0, 1], rng=0)
    >>> sorted(errors), max(errors.values()) < 1e-6
    (['bias', 'weight', 'x'], True)
    """
    rng = np.random.default_rng(rng)
    x = np.array(x, np.float64)
    seed = int(rng.integers(2**32))
    loss = default_loss if loss is None else loss

    def value(x=x, name=None, moved=None):
        """The loss, with one parameter changed; the copy's running statistics and dropout begin the same each time."""
        twin = copy.deepcopy(model).astype(np.float64)
        _seed_dropout(twin, np.random.default_rng(seed))
        if name is not None:
            dict(twin.named_parameters())[name].data = moved
        return twin, *loss(twin(x), y)

    twin, _, dy = value()
    gradients = {"x": twin.backward(dy)} | {name: p.grad for name, p in twin.named_parameters()}
    for name, gradient in gradients.items():
        expected = x.shape if name == "x" else dict(twin.named_parameters())[name].data.shape
        if np.shape(gradient) != expected or gradient is None:
            got = "none" if gradient is None else np.shape(gradient)
            raise ValueError(
                f"check_gradients: the gradient of {name} must be {expected}, got {got}: "
                f"does every backward return dx, and set the .grad of its parameters?"
            )
    # What has next to no influence, such as a bias before batch normalisation, has a gradient of rounding alone.
    least = 1e-6 * max(np.linalg.norm(gradient) for gradient in gradients.values()) + 1e-12
    errors = {}
    for name, gradient in gradients.items():
        v = rng.normal(size=gradient.shape)
        if name == "x":
            ends = [value(x=x + h * v)[1] for h in (step, -step)]
        else:
            data = dict(twin.named_parameters())[name].data
            ends = [value(name=name, moved=data + h * v)[1] for h in (step, -step)]
        numeric, exact = (ends[0] - ends[1]) / (2 * step), np.sum(gradient * v)
        scale = max(np.linalg.norm(gradient), abs(numeric), least)  # what such a derivative is on average
        errors[name] = float(abs(numeric - exact) / scale)
    return errors


def grid(**space):
    """Yield every combination of some hyper-parameters, as dictionaries.

    >>> list(grid(lr=[0.1, 0.01], size=[3]))
    [{'lr': 0.1, 'size': 3}, {'lr': 0.01, 'size': 3}]
    """
    for name, values in space.items():
        if isinstance(values, str) or not np.iterable(values):
            raise TypeError(f"grid: {name} must be a list of values, got {values!r}: [{values!r}]")
    return (dict(zip(space, values)) for values in product(*space.values()))


def random_settings(trials, rng=None, **space):
    """Return so many random combinations: a list is drawn from, a pair (low, high) is drawn between, by powers.

    Learning rates and the like are drawn evenly on a logarithmic scale: as often between
    0.001 and 0.01 as between 0.01 and 0.1. Between two ints an int is drawn.

    >>> [round(s["lr"], 4) for s in random_settings(3, rng=0, lr=(0.001, 0.1))]
    [0.0188, 0.0035, 0.0012]
    """
    rng = np.random.default_rng(rng)
    return [{name: _draw(name, values, rng) for name, values in space.items()} for _ in range(trials)]


def _draw(name, values, rng):
    if isinstance(values, list) and values:
        return values[int(rng.integers(len(values)))]
    pair = isinstance(values, tuple) and len(values) == 2 and all(isinstance(v, numbers.Real) for v in values)
    if not pair or not 0 < values[0] <= values[1]:
        raise ValueError(
            f"random_settings: {name} must be a list of values, or a pair (low, high) with 0 < low ≤ high, got {values!r}"
        )
    drawn = float(np.exp(rng.uniform(*np.log(values))))
    return round(drawn) if all(isinstance(v, numbers.Integral) for v in values) else drawn


def search(score, settings):
    """Try hyper-parameters, and return (score, setting) pairs, the best first: trial and error, as the lecture says.

    `score(**setting)` builds and trains a network and returns a number, larger is
    better, measured on validation data: the test set is for the one that is chosen.
    `settings` come from `grid` or `random_settings`. A trial that diverges
    (`FloatingPointError` from `fit`, or nan) counts as −inf, and the search goes on.

    >>> search(lambda lr: -abs(lr - 0.1), grid(lr=[1, 0.1]))
    [(-0.0, {'lr': 0.1}), (-0.9, {'lr': 1})]
    """
    results = []
    for setting in settings:
        try:
            value = score(**setting)
        except FloatingPointError:
            value = -np.inf
        if not isinstance(value, numbers.Real):
            raise TypeError(f"search: score must return a number, got {value!r} for {setting}: does it have a return?")
        results.append((-np.inf if np.isnan(value) else value, setting))
    return sorted(results, key=lambda result: result[0], reverse=True)


def _check_fit(model, x, optimizer, epochs, batch_size, validation, patience):
    if len(x) == 0:
        raise ValueError("fit: there must be samples to learn from, got none")
    _check_count("fit", "batch_size", batch_size)
    _check_count("fit", "epochs", epochs, least=0)
    if isinstance(optimizer, type):
        raise TypeError(f"fit: optimizer must be made first: {optimizer.__name__}(model.parameters())")
    held = {id(p) for p in optimizer.params}
    if model.parameters() and not any(id(p) in held for p in model.parameters()):
        raise ValueError(
            "fit: optimizer must hold the parameters of this network, got those of another: "
            "make it again after the network, with model.parameters()"
        )
    if validation is not None and not (isinstance(validation, (tuple, list)) and len(validation) == 2):
        raise ValueError(f"fit: validation must be a pair (x, y), got {type(validation).__name__}")
    if validation is not None and len(_same_number("fit, validation", *validation)[0]) == 0:
        raise ValueError("fit: validation must hold samples, got none")
    if patience is not None and validation is None:
        raise ValueError("fit: patience needs validation data to look at: validation=(x, y)")
    norms = any(isinstance(module, _BatchNorm) for module in model.modules())
    if norms and len(x) > 1 and len(x) % batch_size == 1:
        raise ValueError(
            f"fit: {len(x)} samples in batches of {batch_size} leave a last batch of one, which has no variance for "
            f"batch normalisation: batch_size={batch_size + 1}, or leave one sample out"
        )


def _check_count(operation, name, value, least=1):
    if not isinstance(value, numbers.Integral) or value < least:
        raise ValueError(f"{operation}: {name} must be an int, at least {least}, got {value!r}")


def _check_finite(what, value, epoch, optimizer):
    if not np.isfinite(value):
        raise FloatingPointError(
            f"fit: the {what} must stay a finite number, got {value} in epoch {epoch}: "
            f"is the learning rate {getattr(optimizer, 'lr', '')} too large, or is there nan in the data?"
        )


def _measure(model, x, y, loss, classes):
    """Return loss and accuracy on data that is only looked at; `outputs` takes it a batch at a time."""
    output = outputs(model, x)
    value, _ = loss(output, y)
    return float(value), (len(output) - misclassified(output, y)) / len(output) if classes else None


def _seed_dropout(model, rng):
    for module in model.modules():
        if hasattr(module, "rng"):
            (module.rng,) = rng.spawn(1)


def _progress_bar(epochs, progress):
    if progress:
        try:
            from tqdm.auto import tqdm
        except ImportError:  # pnnlib itself needs NumPy only, and training does not need a bar
            progress = False
    return tqdm(total=epochs, unit="epoch") if progress else _NoBar()


class _NoBar:
    def update(self, _):
        pass

    set_postfix = update

    def close(self):
        pass


def _same_number(operation, x, y):
    x, y = np.asarray(x), np.asarray(y)
    if x.ndim == 0 or y.ndim == 0 or len(x) != len(y):
        raise ValueError(
            f"{operation}: x and y must hold as many samples, got x of shape {x.shape} and y of shape {y.shape}: "
            f"the first axis counts samples"
        )
    return x, y
