"""How the weights move: from plain gradient descent to Nadam, in order of growing complexity (part c).

Every rule takes the weights w and the gradient g of the cost, and goes one step
downhill. Each grows out of those before it (left out here: ε, and Adam's
correction of its first steps):

    SGD        w ← w − lr·g                               follows the gradient of this batch alone
    momentum   w ← w − lr·v,         v ← βv + g           adds to g a moving average of the gradients before it
    Nesterov   w ← w − lr·(g + βv)                        looks ahead: βv is what momentum will add to the next g
    AdaGrad    w ← w − (lr/√s)·g,    s ← s + g²           adaptive: a learning rate lr/√s for each parameter; it falls
    RMSprop                          s ← ρs + (1−ρ)g²     a moving average, not a sum: the rate can rise again
    Adam       w ← w − (lr/√v)·m                          both: m is a moving average of g, v one of g²
    Nadam                                                 Adam that looks ahead as Nesterov does

The lecture lets an adaptive rate rise while the cost falls, and fall while it
rises. The four rules it names do not look at the cost, but at how large the
gradients of each parameter were: after large ones its steps become small.

Each rule is a pure function, the formula and no more. The classes below it have
PyTorch's names, and keep for each parameter what its rule remembers. Names are
those of the papers, so v is the velocity in momentum, but the average of the
squares in Adam.
"""

import math
import operator

import numpy as np

from pnnlib.arrays import as_floats


def sgd_step(w, grad, lr):
    """Go down the slope: against the gradient, by the learning rate.

    Gradient descent (η in parts b and c), with the gradient g of one batch:

        w ← w − lr·g

    Shapes: w any, grad as w, lr a number → w.
    PyTorch: one `step()` of `torch.optim.SGD([w], lr)`.

    >>> sgd_step([1, 2], grad=[10, -10], lr=0.1)
    array([0., 3.])
    """
    w, grad = _alike("sgd_step", w, grad)
    lr = _number("sgd_step", "lr", lr)
    return w - lr * grad


def momentum_step(w, grad, v, lr, beta=0.9):
    """Go down the slope with momentum: steps that agree grow longer, steps that contradict each other cancel.

    To the current gradient the moving average of the previous ones is added
    (part c), which helps across plateaus and out of local minima:

        v ← βv + g
        w ← w − lr·v

    While the gradient stays the same, v grows to g/(1−β): ten times g for β = 0.9.
    Some books have v ← βv + (1−β)g; the same steps then take an lr/(1−β).

    Shapes: w any, grad and v as w, numbers lr and beta → (w, v). v is 0 before
    the first step; PyTorch starts with v = g at the first step, which is the same.
    PyTorch: one `step()` of `torch.optim.SGD([w], lr, momentum=beta)`.

    >>> w, v = momentum_step([1.0], grad=[2.0], v=[10.0], lr=0.5)
    >>> w, v
    (array([-4.5]), array([11.]))
    """
    w, grad, v = _alike("momentum_step", w, grad, v=v)
    lr, beta = _numbers("momentum_step", lr=lr, beta=beta)
    v = beta * v + grad
    return w - lr * v, v


def nesterov_step(w, grad, v, lr, beta=0.9):
    """Go down the slope with momentum, and look ahead to where momentum is about to lead.

    Whatever the next gradient is, βv will be added to it. Nesterov goes that part
    of the way at once, so that the next gradient is taken from there:

        v ← βv + g
        w ← w − lr·(g + βv)

    In the original form w moves by −lr·v, as under momentum, and the gradient is
    taken elsewhere, at w − lr·βv. PyTorch's form is the same with the name w for
    that place: the gradient is taken at w, as by all other rules.

    Shapes: as `momentum_step`.
    PyTorch: one `step()` of `torch.optim.SGD([w], lr, momentum=beta, nesterov=True)`.

    >>> w, v = nesterov_step([1.0], grad=[2.0], v=[10.0], lr=0.5)
    >>> w, v
    (array([-4.95]), array([11.]))
    """
    w, grad, v = _alike("nesterov_step", w, grad, v=v)
    lr, beta = _numbers("nesterov_step", lr=lr, beta=beta)
    v = beta * v + grad
    return w - lr * (grad + beta * v), v


def adagrad_step(w, grad, s, lr=0.01, eps=1e-10):
    """Give each parameter a learning rate of its own, the smaller the larger its gradients have been.

    AdaGrad (part c, adaptive learning rate) divides by the root of the sum of
    all squared gradients so far, so that the rate lr/√s only falls:

        s ← s + g²
        w ← w − lr·g / (√s + ε)

    ε keeps the quotient finite where every gradient has been 0.

    Shapes: w any, grad and s as w, numbers lr and eps → (w, s). s is 0 before
    the first step. PyTorch: one `step()` of `torch.optim.Adagrad([w], lr, eps=eps)`.

    >>> w, s = adagrad_step([1.0, 1.0], grad=[3.0, 300.0], s=[16.0, 160000.0], lr=0.5)
    >>> w, s
    (array([0.7, 0.7]), array([2.5e+01, 2.5e+05]))
    """
    w, grad, s = _alike("adagrad_step", w, grad, s=s)
    lr, eps = _numbers("adagrad_step", lr=lr, eps=eps)
    s = s + grad**2
    return w - lr * grad / (np.sqrt(s) + eps), s


def rmsprop_step(w, grad, s, lr=0.01, rho=0.99, eps=1e-8):
    """Give each parameter a learning rate of its own, the smaller the larger its gradients have been of late.

    RMSprop (part c, adaptive learning rate) is AdaGrad with a moving average for
    the sum. What lies further back than about 1/(1−ρ) steps is forgotten, and
    the rate can rise again:

        s ← ρs + (1−ρ)g²
        w ← w − lr·g / (√s + ε)

    Shapes: w any, grad and s as w, numbers lr, rho and eps → (w, s). s is 0
    before the first step.
    PyTorch: one `step()` of `torch.optim.RMSprop([w], lr, alpha=rho, eps=eps)`.

    >>> w, s = rmsprop_step([1.0], grad=[2.0], s=[16.0], lr=0.5, rho=0.75, eps=0)
    >>> w.round(4), s
    (array([0.7226]), array([13.]))
    """
    w, grad, s = _alike("rmsprop_step", w, grad, s=s)
    lr, rho, eps = _numbers("rmsprop_step", lr=lr, rho=rho, eps=eps)
    s = rho * s + (1 - rho) * grad**2
    return w - lr * grad / (np.sqrt(s) + eps), s


def adam_step(w, grad, m, v, t, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8):
    """Take momentum's direction, at RMSprop's learning rate for each parameter.

    Adam (part c, adaptive learning rate and momentum), at step t = 1, 2, …:

        m ← β₁m + (1−β₁)g              the moving average of the gradients
        v ← β₂v + (1−β₂)g²             and that of their squares
        m̂ = m / (1−β₁ᵗ)
        v̂ = v / (1−β₂ᵗ)
        w ← w − lr·m̂ / (√v̂ + ε)

    Both averages start at 0, and are too small at first. 1−βᵗ is the share that
    gradients have in them by then: divided by it, the first step has m̂ = g, v̂ = g².

    Shapes: w any, grad, m and v as w, an int t, numbers lr, beta1, beta2 and
    eps → (w, m, v). m and v are 0 before the first step.
    PyTorch: one `step()` of `torch.optim.Adam([w], lr, (beta1, beta2), eps)`.

    >>> w, m, v = adam_step([1.0, 1.0], grad=[2.0, -200.0], m=[0, 0], v=[0, 0], t=1, lr=0.1)
    >>> w.round(6), m.round(6), v.round(6)
    (array([0.9, 1.1]), array([  0.2, -20. ]), array([4.e-03, 4.e+01]))
    """
    w, grad, m, v = _alike("adam_step", w, grad, m=m, v=v)
    lr, beta1, beta2, eps = _numbers("adam_step", lr=lr, beta1=beta1, beta2=beta2, eps=eps)
    t = _step_number("adam_step", t)
    m = beta1 * m + (1 - beta1) * grad
    v = beta2 * v + (1 - beta2) * grad**2
    m_hat = m / (1 - beta1**t)
    v_hat = v / (1 - beta2**t)
    return w - lr * m_hat / (np.sqrt(v_hat) + eps), m, v


def nadam_step(w, grad, m, v, t, mu_product, lr=2e-3, beta1=0.9, beta2=0.999, eps=1e-8, momentum_decay=4e-3):
    """Take Adam's step, with Nesterov's look ahead in its momentum.

    Nadam (part c, adaptive learning rate and momentum) has Adam's m, v and v̂.
    But as in Nesterov's rule, the current gradient g goes in by itself, and m
    with the factor it is about to get in the next step. These factors follow a
    schedule: with the momentum decay ψ, μ rises from β₁/2 to β₁.

        m, v, v̂                        as in `adam_step`
        μ_t = β₁(1 − ½·0.96^(t·ψ))
        Π_t = μ_1 μ_2 … μ_t            kept as mu_product
        m̂ = μ_{t+1} m / (1 − Π_t μ_{t+1}) + (1−μ_t) g / (1−Π_t)
        w ← w − lr·m̂ / (√v̂ + ε)

    Dozat's simpler form has no schedule, μ_t = β₁ and Π_t = β₁ᵗ:
    m̂ = β₁m / (1 − β₁^(t+1)) + (1−β₁)g / (1−β₁ᵗ). A momentum_decay of 1e6 gives it.

    Shapes: w any, grad, m and v as w, an int t, numbers mu_product, lr, beta1,
    beta2, eps and momentum_decay → (w, m, v, mu_product). Before the first step
    m and v are 0, and mu_product is 1. PyTorch: one `step()` of
    `torch.optim.NAdam([w], lr, (beta1, beta2), eps, momentum_decay=momentum_decay)`;
    it keeps mu_product in torch's default type, so usually in float32.

    >>> w, m, v, mu_product = nadam_step([1.0], grad=[2.0], m=[0], v=[0], t=1, mu_product=1, lr=0.1)
    >>> w.round(6), m.round(6), v.round(6), round(mu_product, 6)
    (array([0.894355]), array([0.2]), array([0.004]), 0.450073)
    """
    w, grad, m, v = _alike("nadam_step", w, grad, m=m, v=v)
    lr, beta1, beta2, eps = _numbers("nadam_step", lr=lr, beta1=beta1, beta2=beta2, eps=eps)
    mu_product, momentum_decay = _numbers("nadam_step", mu_product=mu_product, momentum_decay=momentum_decay)
    t = _step_number("nadam_step", t)
    m = beta1 * m + (1 - beta1) * grad
    v = beta2 * v + (1 - beta2) * grad**2
    mu = beta1 * (1 - 0.96 ** (t * momentum_decay) / 2)
    mu_next = beta1 * (1 - 0.96 ** ((t + 1) * momentum_decay) / 2)
    mu_product = mu_product * mu
    m_hat = mu_next * m / (1 - mu_product * mu_next) + (1 - mu) * grad / (1 - mu_product)
    v_hat = v / (1 - beta2**t)
    return w - lr * m_hat / (np.sqrt(v_hat) + eps), m, v, mu_product


class Optimizer:
    """What all optimisers share: a step for each parameter, and what its rule remembers between steps.

    A rule is a subclass with `start` and `update`. Options, such as `lr`, are
    attributes, and may be changed between two steps.

    With a `weight_decay` λ, λw is added to the gradient: that is the gradient of
    λ/2·Σw², a cost on large weights (L2 regularisation, as in PyTorch's classes).

    Arguments: params, a list, or anything to iterate over, of objects with an
    array `.data` and its gradient `.grad`, such as `layers.Parameter`; options,
    by name. PyTorch: `torch.optim.Optimizer`, with a single parameter group.
    """

    weight_decay = 0

    def __init__(self, params, **options):
        self.params = _parameters(self.name, params)
        self.option_names = tuple(options)
        for option, value in options.items():
            setattr(self, option, _option(self.name, option, value))
        self.state = [self.start(self._weights(i)) for i in range(len(self.params))]

    @property
    def name(self):
        return type(self).__name__

    def start(self, w):
        """Return what the rule remembers of the parameter w before its first step, as a dict."""
        raise NotImplementedError(f"{self.name}: a rule must say what it remembers, start(w) → dict")

    def update(self, w, grad, **remembered):
        """Return the new w, and the dict of what the rule remembers now."""
        raise NotImplementedError(f"{self.name}: a rule must have an update(w, grad, **remembered) → (w, remembered)")

    def step(self):
        """Move every parameter one step against its gradient.

        `p.data` becomes a new array; the old one is not written into. A parameter
        whose grad is None took no part: it stays, and so does its state. If one
        gradient does not fit, none of the parameters moves.
        """
        weight_decay = _number(self.name, "weight_decay", self.weight_decay)
        moving = [i for i, p in enumerate(self.params) if p.grad is not None]
        for i, w, grad in [(i, self._weights(i), self._gradient(i)) for i in moving]:
            if weight_decay:
                grad = grad + weight_decay * w
            new_w, self.state[i] = self.update(w, grad, **self.state[i])
            self.params[i].data = np.asarray(new_w, w.dtype)

    def zero_grad(self):
        """Forget the gradients. Not needed: `backward` assigns them anew."""
        for p in self.params:
            p.grad = None

    def state_dict(self):
        """Return all that is needed to continue exactly: the options, and each parameter's state as "0.m", "1.m", ….

        `np.savez(file, **optimizer.state_dict())` saves it. The parameters' data are not in it.

        >>> from types import SimpleNamespace
        >>> optimizer = Adagrad([SimpleNamespace(data=np.ones(2), grad=np.array([2.0, 3.0]))])
        >>> optimizer.step()
        >>> optimizer.state_dict()
        {'lr': 0.01, 'eps': 1e-10, 'weight_decay': 0.0, '0.s': array([4., 9.])}
        """
        options = {option: getattr(self, option) for option in self.option_names}
        states = {f"{i}.{key}": np.array(a) for i, state in enumerate(self.state) for key, a in state.items()}
        return options | states

    def load_state_dict(self, state_dict):
        """Continue where `state_dict` was called; takes its result, or `np.load(file)`. The options come with it."""
        if not hasattr(state_dict, "keys"):
            cause = "what state_dict() returned, or np.load(file)"
            raise TypeError(f"{self.name}: the state must be a dict, got {_kind(state_dict)}: {cause}")
        given = dict(state_dict)
        _check_entries(self.name, given, expected=self.state_dict())
        options = {option: _option(self.name, option, given[option]) for option in self.option_names}
        states = [
            {key: _restored(self.name, f"{i}.{key}", given, now) for key, now in state.items()}
            for i, state in enumerate(self.state)
        ]
        vars(self).update(options)
        self.state = states

    def _weights(self, i):
        (w,) = as_floats(self.name, **{f"params[{i}].data": self.params[i].data})
        return w

    def _gradient(self, i):
        w = self._weights(i)
        (grad,) = as_floats(self.name, **{f"params[{i}].grad": self.params[i].grad})
        if grad.shape != w.shape:
            cause = _other_shape(grad.shape, w.shape)
            raise ValueError(
                f"{self.name}: params[{i}].grad must be {w.shape}, the shape of its data, got {grad.shape}: {cause}"
            )
        return grad.astype(w.dtype, copy=False)  # a parameter keeps its type


class SGD(Optimizer):
    """Gradient descent: `sgd_step`, with a momentum `momentum_step`, and `nesterov_step` if asked for.

    PyTorch: `torch.optim.SGD`, without dampening and maximize.

    >>> from types import SimpleNamespace
    >>> p = SimpleNamespace(data=np.array([1.0, 2.0]), grad=np.array([10.0, -10.0]))
    >>> SGD([p], lr=0.1).step()
    >>> p.data
    array([0., 3.])
    """

    def __init__(self, params, lr=1e-3, momentum=0, *, nesterov=False, weight_decay=0):
        super().__init__(params, lr=lr, momentum=momentum, nesterov=nesterov, weight_decay=weight_decay)
        if self.nesterov and not self.momentum:
            raise ValueError("SGD: nesterov must have a momentum to look ahead with, got momentum 0: momentum=0.9?")

    def start(self, w):
        return {"v": _zeros(w)}

    def update(self, w, grad, v):
        if not self.momentum:
            return sgd_step(w, grad, self.lr), {"v": v}
        step = nesterov_step if self.nesterov else momentum_step
        w, v = step(w, grad, v, self.lr, self.momentum)
        return w, {"v": v}


class Adagrad(Optimizer):
    """AdaGrad: `adagrad_step` for each parameter.

    PyTorch: `torch.optim.Adagrad`, without lr_decay and initial_accumulator_value.
    """

    def __init__(self, params, lr=1e-2, *, weight_decay=0, eps=1e-10):
        super().__init__(params, lr=lr, eps=eps, weight_decay=weight_decay)

    def start(self, w):
        return {"s": _zeros(w)}

    def update(self, w, grad, s):
        w, s = adagrad_step(w, grad, s, self.lr, self.eps)
        return w, {"s": s}


class RMSprop(Optimizer):
    """RMSprop: `rmsprop_step` for each parameter; alpha is its ρ.

    PyTorch: `torch.optim.RMSprop`, without momentum and centered.
    """

    def __init__(self, params, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0):
        super().__init__(params, lr=lr, alpha=alpha, eps=eps, weight_decay=weight_decay)

    def start(self, w):
        return {"s": _zeros(w)}

    def update(self, w, grad, s):
        w, s = rmsprop_step(w, grad, s, self.lr, self.alpha, self.eps)
        return w, {"s": s}


class Adam(Optimizer):
    """Adam: `adam_step` for each parameter, which counts its own steps.

    PyTorch: `torch.optim.Adam`, without amsgrad and decoupled_weight_decay.
    """

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0):
        super().__init__(params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)

    def start(self, w):
        return {"m": _zeros(w), "v": _zeros(w), "t": 0}

    def update(self, w, grad, m, v, t):
        t = t + 1
        w, m, v = adam_step(w, grad, m, v, t, self.lr, *self.betas, self.eps)
        return w, {"m": m, "v": v, "t": t}


class NAdam(Optimizer):
    """Nadam: `nadam_step` for each parameter, which counts its own steps.

    PyTorch: `torch.optim.NAdam`, without decoupled_weight_decay.
    """

    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, momentum_decay=4e-3):
        super().__init__(
            params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, momentum_decay=momentum_decay
        )

    def start(self, w):
        return {"m": _zeros(w), "v": _zeros(w), "t": 0, "mu_product": 1.0}

    def update(self, w, grad, m, v, t, mu_product):
        t = t + 1
        w, m, v, mu_product = nadam_step(
            w, grad, m, v, t, mu_product, self.lr, *self.betas, self.eps, self.momentum_decay
        )
        return w, {"m": m, "v": v, "t": t, "mu_product": mu_product}


def _zeros(w):
    return np.zeros(w.shape, w.dtype)  # unlike zeros_like, takes no memory before it is used


# What can go wrong, said so that the cause can be found.


def _alike(operation, w, grad, **kept):
    """Take the arrays of a step as floats of one type, all of the shape of w."""
    w, *others = as_floats(operation, w=w, grad=grad, **kept)
    for name, a in zip(("grad", *kept), others):
        if a.shape != w.shape:
            cause = _other_shape(a.shape, w.shape)
            if name != "grad":
                cause = f"start with {name} = np.zeros_like(w), and pass on what each step returns"
            raise ValueError(f"{operation}: {name} must be {w.shape}, the shape of w, got {a.shape}: {cause}")
    return [w, *others]


def _other_shape(got, expected):
    if got == expected[::-1]:
        return "is it transposed?"
    if got[1:] == expected:
        return "is it one gradient for each sample, not yet summed over the batch?"
    return "is it the gradient of another parameter?"


def _numbers(operation, **values):
    return [_number(operation, name, value) for name, value in values.items()]


def _number(operation, name, value):
    """Take an option as a Python float, which leaves float32 alone, where a np.float64 would not."""
    try:
        if isinstance(value, str) or np.ndim(value) > 0:
            raise TypeError
        number = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{operation}: {name} must be a number, got {value!r}") from None
    if not 0 <= number < math.inf:
        cause = "did its computation go wrong?" if not math.isfinite(number) else "are two arguments swapped?"
        if number < 0 and name == "lr":
            cause = "the formula has its minus already, w − lr·grad"
        raise ValueError(f"{operation}: {name} must be finite and at least 0, got {number}: {cause}")
    if name in ("beta1", "beta2", "rho", "alpha", "betas") and number >= 1:
        raise ValueError(
            f"{operation}: {name} must be below 1, got {number}: it is the share of the old average that is kept"
        )
    if name == "mu_product" and number > 1:
        raise ValueError(f"{operation}: mu_product must be at most 1, got {number}: it is 1 before the first step")
    return number


def _step_number(operation, t):
    try:
        number = operator.index(t)
    except TypeError:
        raise TypeError(f"{operation}: t must be an int, the number of this step, got {t!r}") from None
    if number < 1:
        raise ValueError(f"{operation}: t must be at least 1, got {number}: the first step has t = 1")
    return number


def _option(operation, name, value):
    if name == "nesterov":
        return bool(value)
    if name != "betas":
        return _number(operation, name, value)
    try:
        beta1, beta2 = value
    except (TypeError, ValueError):
        raise TypeError(f"{operation}: betas must be a pair of numbers, such as (0.9, 0.999), got {value!r}") from None
    return _number(operation, "betas", beta1), _number(operation, "betas", beta2)


def _parameters(operation, params):
    cause = None
    if isinstance(params, np.ndarray):
        cause = "an array has no gradient with it, a Parameter(array) has"
    elif hasattr(params, "parameters"):
        cause = "model.parameters()?"
    elif not np.iterable(params):
        cause = "for one parameter alone: [parameter]"
    if cause:
        raise TypeError(f"{operation}: params must be a list of parameters, got {_kind(params)}: {cause}")
    params = list(params)
    if not params:
        cause = "has the network no weights, or was a generator used up before?"
        raise ValueError(f"{operation}: params must hold at least one parameter, got none: {cause}")
    for i, p in enumerate(params):
        if not (hasattr(p, "data") and hasattr(p, "grad")):
            cause = "parameters(), not named_parameters()?" if isinstance(p, (str, tuple)) else "Parameter(array)?"
            raise TypeError(f"{operation}: params[{i}] must have .data and .grad, got {_kind(p)}: {cause}")
    if len({id(p) for p in params}) < len(params):
        raise ValueError(f"{operation}: params must all be different, got one twice: it would move twice a step")
    return params


def _kind(value):
    return f"an array {value.shape}" if isinstance(value, np.ndarray) else f"an object of type {type(value).__name__}"


def _check_entries(operation, given, expected):
    missing = [name for name in expected if name not in given]
    extra = [name for name in given if name not in expected]
    if missing or extra:
        fault = f"lacks {missing[0]!r}" if missing else f"has {extra[0]!r}"
        raise ValueError(
            f"{operation}: the state must be that of {operation} for as many parameters, got one that {fault}: "
            f"was it saved by another optimiser, or for another network?"
        )


def _restored(operation, name, given, now):
    """Take an entry of a state as what stands there now: an int, a float, or an array of the same shape and type."""
    (value,), expected = as_floats(operation, **{f"the state's {name}": given[name]}), np.shape(now)
    if value.shape != expected:
        raise ValueError(
            f"{operation}: the state's {name} must be {expected}, got {value.shape}: was it saved for another network?"
        )
    return np.array(value, now.dtype) if isinstance(now, np.ndarray) else type(now)(value)
