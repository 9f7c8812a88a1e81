# ---
# jupyter:
#   course: {notebook: part_c_training_deep_networks, assignment: part_c}
#   jupytext: {text_representation: {extension: .py, format_name: percent}}
#   kernelspec: {display_name: Python 3 (ipykernel), language: python, name: python3}
# ---

# %% [markdown]
r"""
# Part c · Training deep networks

A network of twenty layers may be able to do what one of three cannot. But part b showed that it hardly learns: the gradient vanishes on its way back, or explodes. This notebook is about five remedies. You build each of them, and you measure what each is worth.

**You will be able to**

- say why ReLU, LReLU and PReLU let gradients pass, and what a dead unit is;
- choose first weights by Xavier's and Kaiming's rules;
- take steps with momentum, AdaGrad, RMSprop, Adam and Nadam, by hand and in code;
- normalise a batch, forwards and backwards, and use the trained layer on a single sample;
- explain how a skip connection carries the gradient past fifty layers.

**You need** part b: the factor $\varphi'(\text{net})\cdot w$ and what many of them do to a gradient. From calculus: the chain rule.

**Time:** about 5 hours. It needn't be one sitting. Eighteen short exercises and four questions give 20 points. Many of the functions are three lines long; each says how long it takes, how hard it is and how much it matters.

**How to use it**

1. Run the cells from the top, one after the other, with Shift+Enter.
2. Where it says *guess first* or *predict*, write your guess down before you read on.
3. In an exercise, replace `raise NotImplementedError` with your code and run the check below it. Try as often as you like.
4. Use NumPy only in your answers. The cells with figures and with PyTorch are for exploring. They are never marked.
"""

# %%
import math

import numpy as np
from pnnlib.exercises import check, check_question

# %% [markdown]
r"""
## Where we stand

On its way back through one layer, the error is multiplied by $\varphi'(\text{net})\cdot w$. Twenty layers make twenty factors. If they are mostly smaller than 1, nothing arrives at the first layer; if they are mostly larger, far too much does. There are two numbers in the factor, so there are two obvious places to begin: the slope $\varphi'$, and the weights $w$. The other remedies act on the step (adaptive versions of backpropagation), on the net inputs (batch normalisation) and on the shape of the network (skip connections).

| remedy | what it changes |
|---|---|
| activation functions whose slope does not vanish | $\varphi'$ |
| better first weights | $w$ |
| momentum, adaptive learning rates | the step that a gradient causes |
| batch normalisation | the size of $\text{net}$: neither so large that $\varphi'$ is near 0, nor so small that the factor $w$ shrinks everything |
| skip connections | the way back: there is one without factors |

**Guess first.** A sigmoid's slope is at most ¼. Take a network with twenty weight layers of sigmoid neurons, its first weights normal with a standard deviation of 0.1. How much smaller is the gradient at the first layer than at the last: a hundred times, a million times, or more?
"""

# %% tags=["explore"]
import numpy as np
from pnnlib.data import digits
from pnnlib.gradflow import gradient_statistics
from pnnlib.layers import Sigmoid, initialise
from pnnlib.networks import mlp

data = digits()
x, y = data.x_train[:200].reshape(200, 64) - 0.3, data.y_train[:200]

def small(shape, rng=None):
    return np.random.default_rng(rng).normal(0, 0.1, shape)

for seed in range(5):
    model = initialise(mlp([64] + 19 * [32] + [10], Sigmoid, seed), small, seed)
    norms = gradient_statistics(model, x, y).norm
    print(f"seed {seed}: first layer {norms[0]:.1e}, last layer {norms[-1]:.1e}, ratio {norms[0] / norms[-1]:.0e}")

# %% [markdown]
r"""
About $10^{-16}$ of it arrives: less than what a 64-bit number keeps of a 1. All five seeds agree on that. Keep this network in mind. At the end you will train it, with and without each remedy.

## Activation functions whose slope does not vanish

**Guess first.** What is the simplest function whose slope is 1 for every positive net input, and which still isn't a straight line?

The **rectified linear unit**, ReLU, keeps what is positive and makes the rest 0. The **leaky** one, LReLU, lets a small part $a$ of the negative side through. The **parametric** one, PReLU, learns that part, one $a_j$ for each neuron $j$.

$$\varphi(\text{net}) = \begin{cases} \text{net} & \text{net} \ge 0\\ a\cdot\text{net} & \text{net} < 0 \end{cases} \qquad
\varphi'(\text{net}) = \begin{cases} 1 & \text{net} \ge 0\\ a & \text{net} < 0 \end{cases}
\qquad \begin{aligned} &\text{ReLU: } a = 0\\ &\text{LReLU: } a \text{ fixed, the same for all}\\ &\text{PReLU: } a_j \text{ learnt} \end{aligned}$$
"""

# %% tags=["explore"]
import numpy as np
from matplotlib.figure import Figure
from pnnlib.explore.figure import show_figure

net = np.linspace(-5, 5, 401)
sigmoid = 1 / (1 + np.exp(-net))
curves = {
    "sigmoid": (sigmoid, sigmoid * (1 - sigmoid), "-"),
    "tanh": (np.tanh(net), 1 - np.tanh(net) ** 2, "--"),
    "ReLU": (net * (net > 0), (net > 0) * 1.0, "-."),
    "LReLU, a = 0.1": (net * np.where(net > 0, 1, 0.1), np.where(net > 0, 1, 0.1), ":"),
}
figure = Figure(figsize=(9, 3.2), layout="constrained")
left, right = figure.subplots(1, 2)
for name, (value, slope, style) in curves.items():
    left.plot(net, value, style, label=name, linewidth=2)
    right.plot(net, slope, style, label=name, linewidth=2)
left.set(title="φ(net)", xlabel="net", ylim=(-1.5, 3))
right.set(title="its slope φ′(net)", xlabel="net", ylim=(-0.05, 1.1))
left.legend()
show_figure(
    figure,
    alt="Left, four activation functions over net inputs from -5 to 5. Right, their slopes: sigmoid has a low bump of "
    "at most 0.25, tanh a bump that reaches 1 at 0 and is nearly 0 beyond 3, ReLU is 0 on the left and 1 on the right, LReLU 0.1 and 1.",
    caption="The slope of sigmoid and tanh dies out on both sides, that of ReLU on one side only.",
)

# %% [markdown]
r"""
> **Convention card: the slope at 0**
>
> | | |
> |---|---|
> | **The lecture says** | $\varphi'(0) = 1$: it writes $\text{net} \ge 0$. |
> | **PyTorch does** | 0 for ReLU, $a$ for LReLU and PReLU. |
> | **Ours** | `pnnlib.activations` has the lecture's 1 unless told otherwise; the layers use PyTorch's. |
> | **The checks accept** | Both: no case has a net input of exactly 0 where it would matter. |
>
> There is a corner at 0, so the slope there is a matter of taste. Net inputs rarely hit it exactly.

### Exercise 1 · relu

about 3 minutes · difficulty 1 of 5 · importance 5 of 5 · 0.5 points

`net` is an array of any shape. The result has the same one. Don't change `net` itself.
"""

# %% nbgrader={"grade_id": "relu", "solution": true}
def relu(net):
    """Apply the rectified linear unit to every number.

    Arguments: net, an array of any shape.
    Result: an array like net.

    Example:
    >>> relu(np.array([-2., 3.]))
    array([0., 3.])
    """
    ### BEGIN SOLUTION
    return np.where(net > 0, net, 0.0)
    ### END SOLUTION

# %% nbgrader={"grade_id": "check-relu", "grade": true}
check(relu)

# %% [markdown]
r"""
### Exercise 2 · leaky_relu

about 3 minutes · difficulty 1 of 5 · importance 4 of 5 · 0.5 points

The same with a leak. Here $0 \le a < 1$.
"""

# %% nbgrader={"grade_id": "leaky_relu", "solution": true}
def leaky_relu(net, a):
    """Apply the leaky rectified linear unit to every number.

    Arguments: net, an array of any shape; a, the slope for negative net inputs.
    Result: an array like net.

    Example:
    >>> leaky_relu(np.array([-2., 3.]), 0.1)
    array([-0.2,  3. ])
    """
    ### BEGIN SOLUTION
    return np.where(net < 0, a * net, net)
    ### END SOLUTION

# %% nbgrader={"grade_id": "check-leaky_relu", "grade": true}
check(leaky_relu)

# %% [markdown]
r"""
### Exercise 3 · leaky_relu_derivative

about 3 minutes · difficulty 1 of 5 · importance 4 of 5 · 0.5 points

Its slope. Does the *size* of net matter? With $a = 0$ you get ReLU's slope.
"""

# %% nbgrader={"grade_id": "leaky_relu_derivative", "solution": true}
def leaky_relu_derivative(net, a):
    """Return the slope of leaky_relu at every number.

    Arguments: net, an array of any shape; a, the slope for negative net inputs.
    Result: an array like net. At net = 0 you may return 1 or a.

    Example:
    >>> leaky_relu_derivative(np.array([-2., 3.]), 0.1)
    array([0.1, 1. ])
    """
    ### BEGIN SOLUTION
    return np.where(net >= 0, 1.0, a)
    ### END SOLUTION

# %% nbgrader={"grade_id": "check-leaky_relu_derivative", "grade": true}
check(leaky_relu_derivative)

# %% [markdown]
r"""
**The same numbers in PyTorch.** `compare` calls both on the same numbers, and checks the gradient, too.
"""

# %% tags=["explore"]
import numpy as np
import torch
from pnnlib.bridge import compare

net = np.random.default_rng(0).normal(size=(3, 4))

def backward(dy, net, a):
    return dy * leaky_relu_derivative(net, a)

def torch_leaky(net, a):
    return torch.nn.functional.leaky_relu(net, a)

print(compare(relu, torch.relu, net))
print(compare(leaky_relu, torch_leaky, net, backward=backward, a=0.1))

# %% [markdown]
r"""
## PReLU: a slope that is learnt

The slope $a_j$ is a parameter like a weight, so it needs a gradient. Take a batch of $N$ samples and $n$ neurons: net is $(N, n)$. We write $dy$ for $\partial J/\partial y$, the gradient of the cost for $y$, and likewise $d\text{net}$, $da$, $dx$. The gradient `dy` arrives at the output. Where net is negative, $y = a_j\,\text{net}$, and

$$\frac{\partial y}{\partial \text{net}} = a_j, \qquad \frac{\partial y}{\partial a_j} = \text{net}.$$

Where it is positive, $y = \text{net}$ has nothing to do with $a_j$. By the chain rule, both are multiplied by `dy`. All samples share the slope of a neuron, so its gradient collects a part from each of them:

$$d\text{net}_{ij} = dy_{ij}\,\varphi'(\text{net}_{ij}), \qquad da_j = \sum_{i:\ \text{net}_{ij} < 0} dy_{ij}\,\text{net}_{ij}.$$

> **Convention card: whose slope?**
>
> | | |
> |---|---|
> | **The lecture says** | One slope for each neuron. |
> | **PyTorch does** | `torch.nn.PReLU()` has one for all; `PReLU(num_parameters=n)` has one for each of $n$ channels. |
> | **Ours** | One for each neuron, as in the lecture. |

### Exercise 4 · prelu_backward

about 12 minutes · difficulty 3 of 5 · importance 3 of 5 · 1.5 points
"""

# %% nbgrader={"grade_id": "prelu_backward", "solution": true}
def prelu_backward(dy, net, a):
    """Return the gradients of the cost for the net inputs and for the slopes.

    Arguments: dy (N, n), the gradient of the cost for the output; net (N, n);
    a (n,), a slope for each neuron.
    Result: two arrays, dnet (N, n) and da (n,).

    Example: the second sample is negative, 3·0.5 and 3·(-2).
    >>> prelu_backward(np.array([[1.], [3.]]), np.array([[4.], [-2.]]), np.array([0.5]))
    (array([[1. ],
           [1.5]]), array([-6.]))
    """
    ### BEGIN SOLUTION
    dnet = dy * np.where(net >= 0, 1, a)
    da = (dy * np.where(net >= 0, 0, net)).sum(axis=0)
    return dnet, da
    ### END SOLUTION

# %% nbgrader={"grade_id": "check-prelu_backward", "grade": true}
check(prelu_backward)

# %% tags=["explore"]
import numpy as np
import torch
from pnnlib.bridge import compare

def prelu(net, a):
    return np.maximum(net, 0) + a * np.minimum(net, 0)

rng = np.random.default_rng(1)
print(compare(prelu, torch.nn.functional.prelu, rng.normal(size=(4, 3)), np.array([0.25, 0.1, -0.5]), backward=prelu_backward))

# %% [markdown]
r"""
## What goes wrong in practice: the dead unit

ReLU has a price. If the net input of a unit is negative for *every* sample, its slope is 0 for every sample. It outputs 0, and it gets no gradient. With plain gradient descent its own weights stand still: it is **dead**. Only a change of its inputs, by the layers before it, could wake it up. One large step can do that.

**Predict first.** A network with two hidden layers of 32 ReLU units learns the digits with learning rates 0.1, 0.5, 1 and 2. At which does a good part of the units die? And does LReLU, which cannot die, recognise more digits then? Five seeds each.
"""

# %% tags=["explore"]
import numpy as np
from pnnlib import init, optim
from pnnlib.data import digits
from pnnlib.gradflow import activation_statistics
from pnnlib.layers import LeakyReLU, ReLU, initialise
from pnnlib.networks import mlp
from pnnlib.train import accuracy, fit

data = digits(np.float32)
x, x_test = (a.reshape(-1, 64) - np.float32(0.3) for a in (data.x_train, data.x_test))

for rate in (0.1, 0.5, 1.0, 2.0):
    dead, right = [], {"ReLU": [], "LReLU": []}
    for seed in range(5):
        for name, phi in (("ReLU", ReLU), ("LReLU", LeakyReLU)):
            model = initialise(mlp([64, 32, 32, 10], phi, seed), init.kaiming_normal, seed).astype(np.float32)
            try:
                with np.errstate(all="ignore"):
                    fit(model, x, data.y_train, optim.SGD(model.parameters(), lr=rate), epochs=3, progress=False, rng=seed)
                right[name].append(accuracy(model, x_test, data.y_test))
            except FloatingPointError:  # the cost has left the numbers
                right[name].append(0.1)
            if phi is ReLU:
                dead.append(np.nanmean(activation_statistics(model, x).dead))
    shares = ", ".join(f"{name} {np.mean(a):.2f} ± {np.std(a):.2f}" for name, a in right.items())
    print(f"learning rate {rate}: {np.mean(dead):4.0%} of the ReLU units are dead; right on the test: {shares}")

# %% [markdown]
r"""
Up to 1 hardly any unit dies. At 2 most of them do, and the network is lost. But look at LReLU: none of its units can die, and at that rate it is nearly as lost. The dead units are a symptom of steps that were too long. At sensible rates the two don't differ by more than chance. A leak is cheap insurance; it isn't a miracle.

## Better first weights

**Guess first.** A neuron adds up $m$ products $w_i x_i$. The inputs have mean 0 and variance 1, the weights have mean 0 and variance $\sigma^2$, and all are independent. What is the variance of the sum?

It is $m\,\sigma^2$. (For inputs whose mean isn't 0, put the mean of their squares in place of the variance: that is the size which goes from layer to layer.) So with $\sigma^2 = 1/m$ the signal keeps its size from layer to layer. On its way back, an error is a sum over $n$ outputs, which asks for $\sigma^2 = 1/n$. **Xavier's** (or Glorot's) method takes the middle, $\sigma^2 = 2/(m+n)$. It is meant for tanh, whose slope at 0 is 1, and it is the usual choice for the sigmoid, too, though there the slope of at most ¼ remains. ReLU sets half of the net inputs to 0, and with them half of the mean square, so twice the variance is needed: **Kaiming's** (or He's) method has $\sigma^2 = 2/m$.

A uniform distribution from $-r$ to $r$ has the variance $r^2/3$. Hence the two columns:

| method | for | uniform between ± | normal with standard deviation |
|---|---|---|---|
| Xavier / Glorot | sigmoid, tanh | $\sqrt{6/(m+n)}$ | $\sqrt{2/(m+n)}$ |
| Kaiming / He | ReLU, LReLU, PReLU | $\sqrt{6/m}$ | $\sqrt{2/m}$ |

The weights of a layer with $m$ inputs and $n$ outputs are an array $(n, m)$: one row for each neuron. `rng` is a random generator; `rng.uniform(low, high, shape)` and `rng.normal(mean, deviation, shape)` draw from it. As your weights are random, the check looks at their shape, their mean, their spread and their kind of distribution.

> **Convention card: Kaiming with a leak**
>
> | | |
> |---|---|
> | **The lecture says** | $\sqrt{2/m}$ for ReLU, LReLU and PReLU. |
> | **PyTorch does** | $\sqrt{2/((1+a^2)\,m)}$ with the slope $a$ of the negative side. Its layers begin with $a=\sqrt5$ and the uniform distribution, which is $\pm 1/\sqrt m$. |
> | **Ours** | The lecture's; in `pnnlib.init`, `a=0` gives it. |

### Exercise 5 · xavier_uniform

about 4 minutes · difficulty 2 of 5 · importance 4 of 5 · 0.5 points
"""

# %% nbgrader={"grade_id": "xavier_uniform", "solution": true}
def xavier_uniform(m, n, rng):
    """Draw first weights for sigmoid or tanh neurons from a uniform distribution.

    Arguments: m inputs, n outputs; rng, a numpy.random.Generator.
    Result: an array (n, m).

    Example: ±√(6/6) = ±1
    >>> xavier_uniform(4, 2, np.random.default_rng(0)).shape
    (2, 4)
    """
    ### BEGIN SOLUTION
    limit = math.sqrt(6 / (m + n))
    return rng.uniform(-limit, limit, (n, m))
    ### END SOLUTION

# %% nbgrader={"grade_id": "check-xavier_uniform", "grade": true}
check(xavier_uniform)

# %% [markdown]
r"""
### Exercise 6 · xavier_normal

about 3 minutes · difficulty 1 of 5 · importance 3 of 5 · 0.5 points
"""

# %% nbgrader={"grade_id": "xavier_normal", "solution": true}
def xavier_normal(m, n, rng):
    """Draw first weights for sigmoid or tanh neurons from a normal distribution.

    Arguments: m inputs, n outputs; rng, a numpy.random.Generator.
    Result: an array (n, m).

    Example:
    >>> xavier_normal(4, 2, np.random.default_rng(0)).shape
    (2, 4)
    """
    ### BEGIN SOLUTION
    return rng.normal(0, math.sqrt(2 / (m + n)), (n, m))
    ### END SOLUTION

# %% nbgrader={"grade_id": "check-xavier_normal", "grade": true}
check(xavier_normal)

# %% [markdown]
r"""
### Exercise 7 · kaiming_uniform

about 3 minutes · difficulty 1 of 5 · importance 4 of 5 · 0.5 points
"""

# %% nbgrader={"grade_id": "kaiming_uniform", "solution": true}
def kaiming_uniform(m, n, rng):
    """Draw first weights for neurons of the ReLU family from a uniform distribution.

    Arguments: m inputs, n outputs; rng, a numpy.random.Generator.
    Result: an array (n, m).

    Example: ±√(6/6) = ±1
    >>> kaiming_uniform(6, 2, np.random.default_rng(0)).shape
    (2, 6)
    """
    ### BEGIN SOLUTION
    limit = math.sqrt(6 / m)
    return rng.uniform(-limit, limit, (n, m))
    ### END SOLUTION

# %% nbgrader={"grade_id": "check-kaiming_uniform", "grade": true}
check(kaiming_uniform)

# %% [markdown]
r"""
### Exercise 8 · kaiming_normal

about 3 minutes · difficulty 1 of 5 · importance 5 of 5 · 0.5 points
"""

# %% nbgrader={"grade_id": "kaiming_normal", "solution": true}
def kaiming_normal(m, n, rng):
    """Draw first weights for neurons of the ReLU family from a normal distribution.

    Arguments: m inputs, n outputs; rng, a numpy.random.Generator.
    Result: an array (n, m).

    Example:
    >>> kaiming_normal(4, 2, np.random.default_rng(0)).shape
    (2, 4)
    """
    ### BEGIN SOLUTION
    return rng.normal(0, math.sqrt(2 / m), (n, m))
    ### END SOLUTION

# %% nbgrader={"grade_id": "check-kaiming_normal", "grade": true}
check(kaiming_normal)

# %% [markdown]
r"""
**The same in PyTorch.** The numbers are random, so compare their spread.
"""

# %% tags=["explore"]
import numpy as np
import torch

yours = {"xavier_uniform": xavier_uniform, "xavier_normal": xavier_normal,
         "kaiming_uniform": kaiming_uniform, "kaiming_normal": kaiming_normal}
for name, draw in yours.items():
    ours = draw(300, 100, np.random.default_rng(0))
    options = {"nonlinearity": "relu"} if "kaiming" in name else {}
    theirs = getattr(torch.nn.init, name + "_")(torch.empty(100, 300), **options)
    print(f"{name:16} yours: deviation {ours.std():.4f}, largest {abs(ours).max():.3f}"
          f"   PyTorch's: {theirs.std():.4f}, {theirs.abs().max():.3f}")

# %% [markdown]
r"""
### Experiment: the signal through twenty layers

**Predict first.** A signal of 100 numbers with standard deviation 1 goes through twenty layers of 100 neurons, with *your* `relu` or with tanh. How large is it after twenty layers with Kaiming's weights, with Xavier's weights before ReLU, and with weights of standard deviation 0.01 or 1? For ReLU with Xavier's, you can work it out.
"""

# %% tags=["explore"]
import numpy as np
from matplotlib.figure import Figure
from pnnlib.explore.figure import show_figure

def spreads(phi, draw, seed, depth=20):
    rng = np.random.default_rng(seed)
    x, sizes = rng.normal(size=(100, 200)), [1.0]
    for _ in range(depth):
        x = phi(draw(100, 100, rng) @ x)
        sizes.append(np.sqrt((x**2).mean()))
    return sizes

settings = {
    "ReLU, Kaiming": (relu, kaiming_normal, "o-"),
    "ReLU, Xavier": (relu, xavier_normal, "s--"),
    "tanh, Xavier": (np.tanh, xavier_normal, "^-"),
    "tanh, deviation 1": (np.tanh, lambda m, n, rng: rng.normal(0, 1, (n, m)), "v:"),
    "ReLU, deviation 0.01": (relu, lambda m, n, rng: rng.normal(0, 0.01, (n, m)), "x-."),
    "ReLU, deviation 1": (relu, lambda m, n, rng: rng.normal(0, 1, (n, m)), "+-."),
}
figure = Figure(figsize=(8, 4), layout="constrained")
axes = figure.subplots()
words = []
for name, (phi, draw, style) in settings.items():
    sizes = np.array([spreads(phi, draw, seed) for seed in range(5)])
    axes.semilogy(sizes.mean(axis=0), style, label=name, markersize=4)
    words.append(f"{name}: {sizes[:, -1].min():.2g} to {sizes[:, -1].max():.2g}")
axes.set(xlabel="layer", ylabel="size of its output (root mean square)", xticks=range(0, 21, 5), ylim=(1e-25, 1e20))
axes.legend(loc="lower left", ncols=2, fontsize="small")
print("after twenty layers, five seeds\n" + "\n".join(words))
show_figure(
    figure,
    alt="The size of the signal over twenty layers, on a logarithmic scale. After the last layer, over five seeds: " + "; ".join(words) + ".",
    caption="Kaiming's weights roughly keep the size with ReLU; with tanh, Xavier's lose it only slowly. The mean of five seeds.",
)

# %% [markdown]
r"""
With Kaiming's weights the size stays within a factor of about two. With Xavier's, each layer of ReLU keeps $1/\sqrt2$ of it, and $2^{-10} \approx 0.001$ is left after twenty. With a deviation of 0.01 a factor of $0.01\sqrt{50} = 0.07$ remains of every layer; with a deviation of 1 it is $\sqrt{50} = 7.1$. For tanh, a deviation of 1 looks harmless in this picture, as tanh cannot exceed 1. But most of its neurons are saturated there, where the slope is close to 0: such layers can hardly learn. With Xavier's weights tanh shrinks the signal to about a sixth in twenty layers, because it bends: slowly, compared with the others.

### Part b's experiment, repeated

The gradient that each of twenty layers gets, at the start of learning the digits. Only $\varphi$ and the first weights change.
"""

# %% tags=["explore"]
import numpy as np
from matplotlib.figure import Figure
from pnnlib import init
from pnnlib.data import digits
from pnnlib.explore.figure import show_figure
from pnnlib.gradflow import gradient_statistics
from pnnlib.layers import ReLU, Sigmoid, Tanh, initialise
from pnnlib.networks import mlp

data = digits()
x, y = data.x_train[:200].reshape(200, 64) - 0.3, data.y_train[:200]

def small(shape, rng=None):
    return np.random.default_rng(rng).normal(0, 0.1, shape)

settings = {
    "sigmoid, deviation 0.1": (Sigmoid, small, "x-."),
    "sigmoid, Xavier": (Sigmoid, init.xavier_normal, "+:"),
    "ReLU, deviation 0.1": (ReLU, small, "s--"),
    "tanh, Xavier": (Tanh, init.xavier_normal, "^-"),
    "ReLU, Kaiming": (ReLU, init.kaiming_normal, "o-"),
}
figure = Figure(figsize=(8, 4), layout="constrained")
axes = figure.subplots()
words = []
for name, (phi, method, style) in settings.items():
    norms = np.array([
        gradient_statistics(initialise(mlp([64] + 19 * [32] + [10], phi, s), method, s), x, y).norm for s in range(5)
    ])
    axes.semilogy(range(1, 21), np.exp(np.log(norms).mean(axis=0)), style, label=name, markersize=4)
    words.append(f"{name}: {norms[:, 0].min():.1e} to {norms[:, 0].max():.1e}")
axes.set(xlabel="layer, the first on the left", ylabel="norm of its gradient", xticks=[1, 5, 10, 15, 20])
axes.legend(fontsize="small")
print("gradient at the first layer, five seeds\n" + "\n".join(words))
show_figure(
    figure,
    alt="The norm of the gradient for each of twenty layers, on a logarithmic scale. At the first layer, over five "
    "seeds: " + "; ".join(words) + ".",
    caption="Slope and first weights together let the gradient arrive. The geometric mean of five seeds.",
)

# %% [markdown]
r"""
Each remedy alone does too little here. Sigmoid with Xavier's weights still loses nearly everything, as its slope is at most ¼. ReLU with small weights has the right slope and the wrong weights: the signal shrinks on its way forward, so that *all* its gradients are tiny. Together they work.

**What goes wrong in practice.** All weights 0, or all equal: then all neurons of a layer compute the same, get the same gradient, and stay twins for ever. Random weights break that symmetry. Biases may begin at 0.

### Question 1

about 3 minutes · difficulty 2 of 5 · importance 4 of 5 · 1 point

In a network with ReLU, the net input of one hidden unit is negative for every training sample. It is trained with plain gradient descent. Which statement is true?

- **a)** ReLU's slope is 1, so with ReLU no gradient can vanish or explode, whatever the first weights are.
- **b)** The unit gets a gradient of 0 from every sample, so its own weights stay as they are, as long as its net inputs stay negative.
- **c)** The unit still learns, because the gradient of a weight also contains its input, and that may be large.
- **d)** The unit still learns if the learning rate is large enough, because a large rate makes a step even of a small gradient.
"""

# %% nbgrader={"grade_id": "question-1", "solution": true}
# Assign one letter, in quotes,
# for instance: answer_1 = "a"
### BEGIN SOLUTION
answer_1 = "b"
### END SOLUTION

# %% nbgrader={"grade_id": "check-question-1", "grade": true}
check_question(1)

# %% [markdown]
r"""
## The cost surface, and why one learning rate doesn't fit

Backpropagation walks downhill on the cost $J(w)$, with a step of $\eta\cdot\text{gradient}$. So where it is steep, the steps are long, and where it is flat, they are short. Often one would want the opposite. Gradients differ

- from layer to layer: you have just seen that;
- from place to place: on a **plateau** the slope is nearly 0, next to a cliff it is huge; and in a **local minimum** it is 0, though there may be a better one next door;
- from direction to direction: a **ravine** is steep across and flat along.

**Guess first.** On the ravine $J = \tfrac12 (25\,w_1^2 + w_2^2)$ we start at $(1, 10)$. Which learning rate is the largest that doesn't blow up? And with that one, how fast does $w_2$ get home?

Along $w_1$ a step multiplies by $1 - 25\eta$. Its size is below 1 only if $\eta < 2/25 = 0.08$. Along $w_2$, then, a step multiplies by $1 - 0.08 = 0.92$ at best: the steep direction dictates a rate that is far too small for the flat one.
"""

# %% tags=["explore"]
import numpy as np
from matplotlib.figure import Figure
from pnnlib.explore.figure import show_figure

figure = Figure(figsize=(9, 3.6), layout="constrained")
left, right = figure.subplots(1, 2)
w = np.linspace(-4, 6, 500)
cost = 2 - 1.2 * np.exp(-((w + 1) ** 2)) - 1.9 * np.exp(-((w - 3) ** 2) / 0.5)
left.plot(w, cost)
for place, word, where in ((-1, "local\nminimum", (-1, 0.2)), (3, "global\nminimum", (1.1, 0.1)), (5.2, "plateau", (5, 2.3))):
    height = np.interp(place, w, cost)
    left.annotate(word, (place, height), where, ha="center", arrowprops={"arrowstyle": "->"})
left.set(xlabel="w", ylabel="J(w)", title="one weight", ylim=(0, 2.7))

h = np.array([25.0, 1.0])
one, two = np.meshgrid(np.linspace(-1.5, 1.5, 80), np.linspace(-2, 11, 80))
right.contour(one, two, 0.5 * (h[0] * one**2 + h[1] * two**2), levels=[1, 5, 12, 25, 45, 65], colors="0.6")
for rate, style in ((0.02, "o-"), (0.075, "s--")):
    path = [np.array([1.0, 10.0])]
    for _ in range(30):
        path.append(path[-1] - rate * h * path[-1])
    path = np.array(path)
    right.plot(*path.T, style, markersize=3, linewidth=1, label=f"η = {rate}")
    print(f"η = {rate}: after 30 steps w = {path[-1].round(3)}")
right.set(xlabel="w1 (steep)", ylabel="w2 (flat)", title="two weights: a ravine")
right.legend()
show_figure(
    figure,
    alt="Left, a cost with a shallow local minimum at -1, a deep global one at 3, and plateaus where it is nearly "
    "flat. Right, the contours of a ravine, and two paths of 30 steps from (1, 10): with rate 0.02 the path first runs "
    "to the bottom and then creeps along it, with 0.075 it jumps from side to side on its way; neither arrives.",
    caption="Gradient descent in a ravine creeps or zigzags.",
)

# %% [markdown]
r"""
## Momentum

**Guess first.** A ball that rolls down the ravine doesn't stop at every moment to look where it is steepest. What does it do across the ravine, where the slope changes its sign at each step? And along it?

**Momentum** keeps a velocity $v$, a running sum of gradients that fades by $\beta$ at every step:

$$v \leftarrow \beta v + g, \qquad w \leftarrow w - \eta\, v.$$

Gradients that agree add up, to $g/(1-\beta)$ in the end: ten times as far for $\beta = 0.9$. Gradients that contradict each other cancel. It helps across plateaus, and it may carry $w$ through a shallow local minimum.

### By hand, as in an exam

One weight, $w = 1$, and three gradients that someone has worked out for us: $g = 4, 2, -1$. Momentum with $\beta = 0.5$, $\eta = 0.1$ and $v = 0$:

| step | $g$ | $v \leftarrow 0.5\,v + g$ | $w \leftarrow w - 0.1\,v$ |
|---|---|---|---|
| 1 | $4$ | $0 + 4 = 4$ | $1 - 0.4 = 0.6$ |
| 2 | $2$ | $2 + 2 = 4$ | $0.6 - 0.4 = 0.2$ |
| 3 | $-1$ | $2 - 1 = 1$ | $0.2 - 0.1 = 0.1$ |

In the third step the gradient has changed its sign, and $w$ still moves the old way: that's momentum.

> **Convention card: momentum**
>
> | | |
> |---|---|
> | **The lecture says** | A moving average of the gradients before is added to the present one. |
> | **PyTorch does** | $v \leftarrow \beta v + g$, and $w \leftarrow w - \eta v$. |
> | **Elsewhere** | $v \leftarrow \beta v + (1-\beta) g$: the same steps take an $\eta/(1-\beta)$. Or $v$ holds the step itself, $v \leftarrow \beta v - \eta g$. |
> | **The checks accept** | PyTorch's, because the $v$ that you return is part of the answer. |

### Exercise 9 · momentum_step

about 6 minutes · difficulty 2 of 5 · importance 5 of 5 · 1 point

A step is a function: it gets what is remembered, and returns what is to be remembered next, in new arrays. Nothing is kept elsewhere. Don't change the arrays that come in (no `v *= beta`): the caller may still need them, and may pass one array of zeros as both $m$ and $v$.
"""

# %% nbgrader={"grade_id": "momentum_step", "solution": true}
def momentum_step(w, grad, v, lr, beta):
    """Take one step of gradient descent with momentum.

    Arguments: w, the weights, grad, their gradient, and v, the velocity: arrays
    of one shape; lr, the learning rate η; beta.
    Result: the new w and the new v.

    Example: the second step of the table.
    >>> momentum_step(np.array([0.6]), np.array([2.]), np.array([4.]), 0.1, 0.5)
    (array([0.2]), array([4.]))
    """
    ### BEGIN SOLUTION
    velocity = beta * v + grad
    return w - lr * velocity, velocity
    ### END SOLUTION

# %% nbgrader={"grade_id": "check-momentum_step", "grade": true}
check(momentum_step)

# %% [markdown]
r"""
**The same numbers in PyTorch.** Its optimisers keep the state themselves.
"""

# %% tags=["explore"]
import numpy as np
import torch

w, v = np.array([1.0]), np.zeros(1)
parameter = torch.tensor([1.0], dtype=torch.float64, requires_grad=True)
optimiser = torch.optim.SGD([parameter], lr=0.1, momentum=0.5)
for g in (4.0, 2.0, -1.0):
    w, v = momentum_step(w, np.array([g]), v, 0.1, 0.5)
    parameter.grad = torch.tensor([g], dtype=torch.float64)
    optimiser.step()
    print(f"yours {w[0]:.6f}   PyTorch's {parameter.item():.6f}")

# %% [markdown]
r"""
Now back into the ravine, with *your* step. **Predict:** with $\eta = 0.02$, how many steps does it take until the cost is below 0.01, without momentum ($\beta = 0$), with 0.5, with 0.8, and with 0.95?
"""

# %% tags=["explore"]
import numpy as np

h = np.array([25.0, 1.0])
for beta in (0.0, 0.5, 0.8, 0.95):
    w, v, steps = np.array([1.0, 10.0]), np.zeros(2), 0
    while 0.5 * (h * w**2).sum() > 0.01 and steps < 5000:
        w, v = momentum_step(w, h * w, v, 0.02, beta)
        steps += 1
    print(f"β = {beta}: {steps} steps")

# %% [markdown]
r"""
Momentum saves most of the steps, but 0.95 takes longer than 0.8: the ball is so fast that it runs past the minimum and back, again and again.

And a local minimum? Take a wide bowl with a dent in its left side, $J = 0.1\,(w-3)^2 - 1.2\,e^{-(w+1)^2}$. The bottom of the bowl is at 3, and the dent has a local minimum at $-0.7$. We let eight balls go, from $-6$ to $-3$. **Guess:** how large must $\beta$ be for them to roll through the dent?
"""

# %% tags=["explore"]
import numpy as np

def slope(w):
    return 0.2 * (w - 3) + 2.4 * (w + 1) * np.exp(-((w + 1) ** 2))

for beta in (0.0, 0.5, 0.8, 0.9, 0.95):
    w, v = np.linspace(-6, -3, 8), np.zeros(8)
    for _ in range(2000):
        w, v = momentum_step(w, slope(w), v, 0.02, beta)
    print(f"β = {beta}: they end at {w.round(1).tolist()}")

# %% [markdown]
r"""
Up to 0.8 all of them stay in the dent; with 0.9 and 0.95 all roll through it. Momentum *may* carry you out of a local minimum, if it is shallow and you come in fast enough. A ball with friction never gets out of one that is deeper than it has fallen.

## Adaptive learning rates

Momentum still has one learning rate for all. The next idea: give each parameter its own, and let it follow from the gradients that this parameter has had. After large gradients, take smaller steps; after small ones, larger.

**AdaGrad** adds up all squared gradients and divides by the root of the sum. **RMSprop** lets the old ones fade, so that the rate can rise again:

$$\text{AdaGrad: } s \leftarrow s + g^2 \qquad \text{RMSprop: } s \leftarrow \rho s + (1-\rho)\, g^2 \qquad \text{both: } w \leftarrow w - \frac{\eta}{\sqrt s + \varepsilon}\, g$$

$\varepsilon$ is a small number that prevents a division by 0. In the tables it is a large one, 0.1, so that you can see where it goes.

The lecture describes the aim: a larger rate while the cost falls, a smaller one while it rises. Look closely: these rules don't look at the cost at all. They look at the size of the gradients.

**By hand.** Again $w = 1$, $g = 4, 2, -1$. Now $\eta = 0.5$, $\varepsilon = 0.1$, and $\rho = 0.75$ for RMSprop.

| step | $g$ | AdaGrad: $s$ | $\sqrt s$ | step $0.5\,g/(\sqrt s + 0.1)$ | $w$ |
|---|---|---|---|---|---|
| 1 | $4$ | $0 + 16 = 16$ | $4$ | $2/4.1 = 0.488$ | $0.512$ |
| 2 | $2$ | $16 + 4 = 20$ | $4.472$ | $1/4.572 = 0.219$ | $0.293$ |
| 3 | $-1$ | $20 + 1 = 21$ | $4.583$ | $-0.5/4.683 = -0.107$ | $0.400$ |

| step | $g$ | RMSprop: $s$ | $\sqrt s$ | step $0.5\,g/(\sqrt s + 0.1)$ | $w$ |
|---|---|---|---|---|---|
| 1 | $4$ | $0 + 0.25\cdot16 = 4$ | $2$ | $2/2.1 = 0.952$ | $0.048$ |
| 2 | $2$ | $3 + 0.25\cdot4 = 4$ | $2$ | $1/2.1 = 0.476$ | $-0.429$ |
| 3 | $-1$ | $3 + 0.25\cdot1 = 3.25$ | $1.803$ | $-0.5/1.903 = -0.263$ | $-0.166$ |

### Exercise 10 · adagrad_step

about 5 minutes · difficulty 2 of 5 · importance 3 of 5 · 0.75 points

The operations work on every number of the arrays by itself, so each parameter gets a rate of its own without a loop.
"""

# %% nbgrader={"grade_id": "adagrad_step", "solution": true}
def adagrad_step(w, grad, s, lr, eps):
    """Take one step of AdaGrad.

    Arguments: w, grad and s, the sum of the squared gradients so far, arrays of
    one shape; lr, the learning rate η; eps, added to the root.
    Result: the new w and the new s.

    Example: √(16 + 9) = 5
    >>> adagrad_step(np.array([1.]), np.array([3.]), np.array([16.]), 0.5, 0.0)
    (array([0.7]), array([25.]))
    """
    ### BEGIN SOLUTION
    total = s + grad**2
    return w - lr * grad / (np.sqrt(total) + eps), total
    ### END SOLUTION

# %% nbgrader={"grade_id": "check-adagrad_step", "grade": true}
check(adagrad_step)

# %% [markdown]
r"""
### Exercise 11 · rmsprop_step

about 4 minutes · difficulty 2 of 5 · importance 4 of 5 · 0.75 points
"""

# %% nbgrader={"grade_id": "rmsprop_step", "solution": true}
def rmsprop_step(w, grad, s, lr, rho, eps):
    """Take one step of RMSprop.

    Arguments: w, grad and s, the moving average of the squared gradients, arrays
    of one shape; lr, the learning rate η; rho, what the old s weighs; eps, added
    to the root.
    Result: the new w and the new s.

    Example: 0.75·16 + 0.25·16 = 16
    >>> rmsprop_step(np.array([1.]), np.array([4.]), np.array([16.]), 0.5, 0.75, 0.0)
    (array([0.5]), array([16.]))
    """
    ### BEGIN SOLUTION
    average = rho * s + (1 - rho) * grad**2
    return w - lr * grad / (np.sqrt(average) + eps), average
    ### END SOLUTION

# %% nbgrader={"grade_id": "check-rmsprop_step", "grade": true}
check(rmsprop_step)

# %% [markdown]
r"""
## Adam: momentum and an adaptive rate

**Adam** takes the direction from a moving average $m$ of the gradients, and the rate from a moving average $v$ of their squares. (This $v$ is no velocity. The letters are those of the papers.)

$$m \leftarrow \beta_1 m + (1-\beta_1)\, g, \qquad v \leftarrow \beta_2 v + (1-\beta_2)\, g^2$$

**Guess first.** Both begin at 0. After one step with $g = 4$ and $\beta_1 = 0.9$, what is $m$? Is that a good guess for the average gradient?

It is 0.4, ten times too small, because nine tenths of the average are still the 0 of the beginning. After $t$ steps, the gradients have a share of $1-\beta^t$ in it. Divide by that share and the average is fair. This is the **bias correction**, with $t = 1$ in the first step:

$$\hat m = \frac{m}{1-\beta_1^t}, \qquad \hat v = \frac{v}{1-\beta_2^t}, \qquad w \leftarrow w - \eta\,\frac{\hat m}{\sqrt{\hat v} + \varepsilon}$$

**By hand.** $w = 1$, $g = 4, 2, -1$, $\eta = 0.5$, $\beta_1 = 0.5$, $\beta_2 = 0.75$, $\varepsilon = 0.1$:

| $t$ | $m$ | $v$ | $1-\beta_1^t$ | $1-\beta_2^t$ | $\hat m$ | $\hat v$ | $\sqrt{\hat v}$ | step | $w$ |
|---|---|---|---|---|---|---|---|---|---|
| 1 | $0 + 2 = 2$ | $0 + 4 = 4$ | $0.5$ | $0.25$ | $4$ | $16$ | $4$ | $0.5\cdot4/4.1 = 0.488$ | $0.512$ |
| 2 | $1 + 1 = 2$ | $3 + 1 = 4$ | $0.75$ | $0.4375$ | $2.667$ | $9.143$ | $3.024$ | $0.5\cdot2.667/3.124 = 0.427$ | $0.085$ |
| 3 | $1 - 0.5 = 0.5$ | $3 + 0.25 = 3.25$ | $0.875$ | $0.5781$ | $0.571$ | $5.622$ | $2.371$ | $0.5\cdot0.571/2.471 = 0.116$ | $-0.030$ |

In the first step $\hat m = g$ and $\hat v = g^2$: the step is nearly $\eta$, however large the gradient.

### Exercise 12 · adam_step

about 10 minutes · difficulty 3 of 5 · importance 5 of 5 · 1.5 points

Return $m$ and $v$ as they are, not the corrected ones. The next step needs them.
"""

# %% nbgrader={"grade_id": "adam_step", "solution": true}
def adam_step(w, grad, m, v, t, lr, beta1, beta2, eps):
    """Take one step of Adam.

    Arguments: w, grad, m and v, arrays of one shape; t, the number of this step,
    counted from 1; lr, the learning rate η; beta1 for m, beta2 for v; eps, added
    to the root.
    Result: the new w, m and v.

    Example: the first step of the table.
    >>> w, m, v = adam_step(np.array([1.]), np.array([4.]), np.zeros(1), np.zeros(1), 1, 0.5, 0.5, 0.75, 0.1)
    >>> w.round(3), m, v
    (array([0.512]), array([2.]), array([4.]))
    """
    ### BEGIN SOLUTION
    first = beta1 * m + (1 - beta1) * grad
    second = beta2 * v + (1 - beta2) * grad**2
    first_fair, second_fair = first / (1 - beta1**t), second / (1 - beta2**t)
    return w - lr * first_fair / (np.sqrt(second_fair) + eps), first, second
    ### END SOLUTION

# %% nbgrader={"grade_id": "check-adam_step", "grade": true}
check(adam_step)

# %% [markdown]
r"""
### Question 2

about 10 minutes · difficulty 3 of 5 · importance 4 of 5 · 1 point

Now you, with pencil and a calculator. $w = 2$, $m = v = 0$, and two gradients: $g = 3$, then $g = -2$. Adam with $\eta = 0.5$, $\beta_1 = 0.5$, $\beta_2 = 0.75$, $\varepsilon = 0.1$. Make the table. Then type in, with three significant digits: $w$ after the first step; then $m$, $v$ and $w$ after the second.
"""

# %% nbgrader={"grade_id": "question-2", "solution": true}
# Four numbers: w after step 1, then m, v and w after step 2,
# for instance: answer_2 = [0.5, -1, 12, 0.25]
### BEGIN SOLUTION
answer_2 = [1.516, -0.25, 2.6875, 1.581]
### END SOLUTION

# %% nbgrader={"grade_id": "check-question-2", "grade": true}
check_question(2, numbers=4)

# %% [markdown]
r"""
## Nadam: Adam that looks ahead

Momentum will add $\beta v$ to the next gradient, whatever that is. **Nesterov's** idea: go that part of the way at once. **Nadam** does it in Adam: the present gradient goes in by itself, and $m$ with the weight that it is about to get in the *next* step. PyTorch lets these weights $\mu_t$ grow slowly, from about $\beta_1/2$ to $\beta_1$, by a schedule with the momentum decay $\psi$:

$$\mu_t = \beta_1\,\big(1 - \tfrac12\cdot 0.96^{\,t\psi}\big), \qquad \Pi_t = \mu_1\mu_2\cdots\mu_t$$

$$m, v, \hat v \text{ as in Adam}, \qquad \hat m = \frac{\mu_{t+1}\, m}{1 - \Pi_t\,\mu_{t+1}} + \frac{(1-\mu_t)\, g}{1-\Pi_t}, \qquad w \leftarrow w - \eta\,\frac{\hat m}{\sqrt{\hat v}+\varepsilon}$$

Compare with Adam: $\Pi_t$ plays the part of $\beta_1^t$, so $1 - \Pi_t$ is the bias correction for weights that change from step to step. The part with $m$ belongs to the next step, so its correction has one more factor, $\Pi_{t+1} = \Pi_t\,\mu_{t+1}$. And $m$ itself is still updated with $\beta_1$.

The product $\Pi_t$ is one more thing to remember. It comes in as `mu_product` $= \Pi_{t-1}$ (1 before the first step) and goes out as $\Pi_t$.

**By hand.** As for Adam, with $\psi = 10$. First the schedule: $\mu_1 = 0.5\,(1 - 0.5\cdot0.96^{10}) = 0.334$, $\mu_2 = 0.389$, $\mu_3 = 0.427$, $\mu_4 = 0.451$. The columns $m$, $v$ and $\sqrt{\hat v}$ are those of Adam.

| $t$ | $\Pi_t$ | $m$ | part of $m$ | part of $g$ | $\hat m$ | $\sqrt{\hat v}$ | $w$ |
|---|---|---|---|---|---|---|---|
| 1 | $0.334$ | $2$ | $0.389\cdot2/(1 - 0.334\cdot0.389) = 0.895$ | $0.666\cdot4/0.666 = 4$ | $4.895$ | $4$ | $0.403$ |
| 2 | $0.130$ | $2$ | $0.427\cdot2/(1 - 0.130\cdot0.427) = 0.903$ | $0.611\cdot2/0.870 = 1.403$ | $2.307$ | $3.024$ | $0.034$ |
| 3 | $0.0555$ | $0.5$ | $0.451\cdot0.5/(1 - 0.0555\cdot0.451) = 0.231$ | $-0.573/0.945 = -0.607$ | $-0.376$ | $2.371$ | $0.110$ |

In the third step Nadam turns round, where Adam still goes on: the present gradient has a larger say.

> **Convention card: Nadam**
>
> | | |
> |---|---|
> | **The lecture says** | Names it: an adaptive rate and momentum. |
> | **PyTorch does** | The schedule above, $\psi = 0.004$ by default. |
> | **Dozat's simpler form** | No schedule: $\mu_t = \beta_1$, $\Pi_t = \beta_1^t$. A huge $\psi$ gives it. |
> | **The checks accept** | PyTorch's. |

### Exercise 13 · nadam_step

about 12 minutes · difficulty 4 of 5 · importance 2 of 5 · 1.5 points
"""

# %% nbgrader={"grade_id": "nadam_step", "solution": true}
def nadam_step(w, grad, m, v, t, mu_product, lr, beta1, beta2, eps, momentum_decay):
    """Take one step of Nadam, as PyTorch does.

    Arguments: as adam_step; and mu_product, a number, the product of all μ before
    this step; momentum_decay, the ψ of the schedule.
    Result: the new w, m, v and mu_product.

    Example: the first step of the table.
    >>> zero = np.zeros(1)
    >>> w, m, v, product = nadam_step(np.array([1.]), np.array([4.]), zero, zero, 1, 1.0, 0.5, 0.5, 0.75, 0.1, 10)
    >>> w.round(3), round(product, 3)
    (array([0.403]), 0.334)
    """
    ### BEGIN SOLUTION
    mu, mu_next = (beta1 * (1 - 0.5 * 0.96 ** (step * momentum_decay)) for step in (t, t + 1))
    first = beta1 * m + (1 - beta1) * grad
    second = beta2 * v + (1 - beta2) * grad**2
    product = mu_product * mu
    ahead = mu_next * first / (1 - product * mu_next) + (1 - mu) * grad / (1 - product)
    return w - lr * ahead / (np.sqrt(second / (1 - beta2**t)) + eps), first, second, product
    ### END SOLUTION

# %% nbgrader={"grade_id": "check-nadam_step", "grade": true}
check(nadam_step)

# %% [markdown]
r"""
**The same numbers in PyTorch**, all four rules, on the three gradients of the tables.
"""

# %% tags=["explore"]
import numpy as np
import torch

def torch_says(kind, **options):
    w = torch.tensor([1.0], dtype=torch.float64, requires_grad=True)
    optimiser, steps = kind([w], lr=0.5, eps=0.1, **options), []
    for g in (4.0, 2.0, -1.0):
        w.grad = torch.tensor([g], dtype=torch.float64)
        optimiser.step()
        steps.append(w.item())
    return np.array(steps)

def you_say(step, *state, settings, counted=False):
    w, steps = np.array([1.0]), []
    for t, g in enumerate((4.0, 2.0, -1.0), start=1):
        given = (*state[:2], t, *state[2:]) if counted else state
        w, *state = step(w, np.array([g]), *given, *settings)
        steps.append(w[0])
    return np.array(steps)

torch.set_default_dtype(torch.float64)  # NAdam keeps its product in the default type
zero, betas = np.zeros(1), {"betas": (0.5, 0.75)}
rules = {
    "AdaGrad": (torch_says(torch.optim.Adagrad), lambda: you_say(adagrad_step, zero, settings=(0.5, 0.1))),
    "RMSprop": (torch_says(torch.optim.RMSprop, alpha=0.75), lambda: you_say(rmsprop_step, zero, settings=(0.5, 0.75, 0.1))),
    "Adam": (torch_says(torch.optim.Adam, **betas),
             lambda: you_say(adam_step, zero, zero, settings=(0.5, 0.5, 0.75, 0.1), counted=True)),
    "Nadam": (torch_says(torch.optim.NAdam, momentum_decay=10, **betas),
              lambda: you_say(nadam_step, zero, zero, 1.0, settings=(0.5, 0.5, 0.75, 0.1, 10), counted=True)),
}
torch.set_default_dtype(torch.float32)
for name, (theirs, yours) in rules.items():
    print(f"{name:8} PyTorch's {theirs.round(4)}   yours {np.round(yours(), 4)}")

# %% [markdown]
r"""
### Experiment: the same ravine, and a turned one

**Predict first.** In the ravine, one weight is steep and the other flat. An adaptive rate gives each weight its own scale, so it should make the ravine round. But what if the ravine is turned by 45°, so that both weights have the same mixture of steep and flat? Rank momentum, AdaGrad, RMSprop and Adam, for both.
"""

# %% tags=["explore"]
import numpy as np
from matplotlib.figure import Figure
from pnnlib.explore.figure import show_figure

turn = np.array([[1, -1], [1, 1]]) / np.sqrt(2)
straight = np.diag([25.0, 1.0])
surfaces = {"the ravine along an axis": straight, "turned by 45°": turn @ straight @ turn.T}

def costs(surface, step, state, settings, counted=False, start=(1.0, 10.0), many=100):
    w = np.array(start) if surface is straight else turn @ np.array(start)
    state, found = list(state), []
    for t in range(1, many + 1):
        found.append(0.5 * w @ surface @ w)
        given = (*state, t) if counted else state
        w, *state = step(w, surface @ w, *given, *settings)
    return found

zero = np.zeros(2)
rules = {
    "momentum": (momentum_step, (zero,), (0.02, 0.8)),
    "AdaGrad": (adagrad_step, (zero,), (1.5, 1e-8)),
    "RMSprop": (rmsprop_step, (zero,), (0.2, 0.9, 1e-8)),
    "Adam": (adam_step, (zero, zero), (0.5, 0.9, 0.99, 1e-8), True),
}
figure = Figure(figsize=(9, 3.6), layout="constrained")
words = []
for axes, (title, surface) in zip(figure.subplots(1, 2, sharey=True), surfaces.items()):
    ends = []
    for (name, rule), style in zip(rules.items(), ("-", "--", "-.", ":")):
        found = costs(surface, *rule)
        axes.semilogy(found, style, label=name, linewidth=2)
        ends.append(f"{name} {found[-1]:.1g}")
    axes.set(title=title, xlabel="step", ylim=(1e-8, 200))
    words.append(f"{title}: cost after 100 steps {', '.join(ends)}")
    axes.legend(fontsize="small")
print("\n".join(words))
show_figure(figure, alt="The cost over 100 steps for four rules. " + "; ".join(words) + ".",
            caption="Four rules on the same ravine. Only the axes differ between left and right.")

# %% [markdown]
r"""
Momentum doesn't notice the turn, its two curves are the same: to it, only the ravine counts, not the names of the axes. The adaptive rules do notice. AdaGrad comes down to $5\cdot10^{-5}$ on the left, where each weight can have the rate that it needs, and only to 0.01 on the right, where a rate for each weight cannot tell steep from flat; Adam's cost ends ten times lower on the left than on the right. RMSprop stops getting better: however small the gradient, its steps stay about as long as $\eta$, so it jumps about the minimum.

And momentum beats them all here? Its rate was chosen for this ravine. One surface and one rate for each rule don't tell you which rule is the best. They show what each of them can see.

**What goes wrong in practice.** AdaGrad's sum only grows, so its rate dies in long trainings. Adam's default $\eta = 0.001$ is a good first guess; SGD with momentum usually wants a far larger one. And whoever forgets to *keep* $m$, $v$ or $t$ between steps still gets a network that learns, just worse. No error message tells you. The check does.

## Batch normalisation

**Guess first.** A layer deep in the network has learnt what to do with its inputs. Then the layers before it change. What has become of its inputs?

They have another distribution now, and, so the idea goes, the layer has to learn it anew: every layer is chasing those before it. And there is a second trouble. If one input of a neuron lies between 0 and 1000 and another between 0 and 1, the first has most of the influence, even if the second tells the classes apart.

**Batch normalisation** scales the values of each single neuron to mean 0 and standard deviation 1, and then lets the network choose another mean $\beta$ and spread $\gamma$, by backpropagation:

$$BN(x) = \beta + \gamma\,\frac{x - E(x)}{\sqrt{\text{Var}(x) + \varepsilon}}$$

$E$ and Var are taken over the batch, for each neuron by itself: in an array $(N, D)$, down the columns. $\varepsilon$ prevents the division by 0 where a neuron gives the same for all samples. It can be put before the activation function, $\varphi(BN(wx))$, or after it, $BN(\varphi(wx))$. Before is where it keeps net inputs out of the flat parts of sigmoid and tanh.

### By hand, as in an exam

One neuron, a batch of four: $x = (0, 1, 2, 5)$, with $\gamma = 2$, $\beta = 1$, $\varepsilon = 0.5$.

| | | | | | |
|---|---|---|---|---|---|
| $x$ | $0$ | $1$ | $2$ | $5$ | $E = 8/4 = 2$ |
| $x - E$ | $-2$ | $-1$ | $0$ | $3$ | sum $0$ |
| squared | $4$ | $1$ | $0$ | $9$ | $\text{Var} = 14/4 = 3.5$, and $\sqrt{3.5 + 0.5} = 2$ |
| $\hat x$ | $-1$ | $-0.5$ | $0$ | $1.5$ | divided by 2 |
| $y = 1 + 2\hat x$ | $-1$ | $0$ | $1$ | $4$ | mean $1 = \beta$ |

### Exercise 14 · batch_norm

about 8 minutes · difficulty 2 of 5 · importance 5 of 5 · 1.5 points
"""

# %% nbgrader={"grade_id": "batch_norm", "solution": true}
def batch_norm(x, gamma, beta, eps):
    """Normalise a batch as in training, each column with its own mean and variance.

    Arguments: x (N, D), N samples of D neurons; gamma (D,) and beta (D,); eps.
    Result: an array (N, D).

    Example: the one by hand.
    >>> batch_norm(np.array([[0.], [1.], [2.], [5.]]), np.array([2.]), np.array([1.]), 0.5).ravel()
    array([-1.,  0.,  1.,  4.])
    """
    ### BEGIN SOLUTION
    centred = x - x.mean(axis=0)
    return beta + gamma * centred / np.sqrt((centred**2).mean(axis=0) + eps)
    ### END SOLUTION

# %% nbgrader={"grade_id": "check-batch_norm", "grade": true}
check(batch_norm)

# %% [markdown]
r"""
## The batch of one: training and use

**Guess first.** Training is over, and one single image is to be recognised. What would your `batch_norm` make of a batch of one?

The mean of one value is the value, so $x - E(x) = 0$, and the answer is $\beta$, whatever the image. (PyTorch refuses to do that in training.) And even in a larger batch, an image's answer would depend on the company it comes in. So in *use*, $E$ and Var are constants: averages over the batches of the training. These **running statistics** are updated with every batch.

> **Convention card: the statistics**
>
> | | |
> |---|---|
> | **The lecture says** | $E$ and Var from the current batch, or from all training data so far. |
> | **PyTorch does** | To normalise in training: the batch's, with the variance divided by $N$. For use: running averages, $(1-\alpha)\cdot\text{old} + \alpha\cdot\text{new}$ with $\alpha$ = `momentum` = 0.1, and into `running_var` goes the *unbiased* variance, divided by $N-1$. With `momentum=None`, the plain average of all batches so far. |
> | **Ours** | PyTorch's. |
> | **Beware** | The momentum of an optimiser weighs the *old* value, the one of batch normalisation the *new* one. |

**By hand, continued.** Before the batch $(0, 1, 2, 5)$: running mean 0, running variance 1. With `momentum` 0.1 they become $0.9\cdot0 + 0.1\cdot2 = 0.2$ and $0.9\cdot1 + 0.1\cdot14/3 = 1.367$.

### Exercise 15 · update_running

about 6 minutes · difficulty 2 of 5 · importance 4 of 5 · 1 point
"""

# %% nbgrader={"grade_id": "update_running", "solution": true}
def update_running(x, running_mean, running_var, momentum):
    """Take one more batch into the running statistics, as PyTorch does.

    Arguments: x (N, D), N at least 2; running_mean (D,) and running_var (D,);
    momentum, what the new batch weighs.
    Result: the new running_mean and running_var.

    Example: the one by hand.
    >>> mean, var = update_running(np.array([[0.], [1.], [2.], [5.]]), np.zeros(1), np.ones(1), 0.1)
    >>> mean.round(3), var.round(3)
    (array([0.2]), array([1.367]))
    """
    ### BEGIN SOLUTION
    new_mean = (1 - momentum) * running_mean + momentum * x.mean(axis=0)
    new_var = (1 - momentum) * running_var + momentum * x.var(axis=0, ddof=1)
    return new_mean, new_var
    ### END SOLUTION

# %% nbgrader={"grade_id": "check-update_running", "grade": true}
check(update_running)

# %% [markdown]
r"""
### Question 3

about 8 minutes · difficulty 2 of 5 · importance 4 of 5 · 1 point

Now you. The batch is $x = (1, 2, 2, 7)$, with $\gamma = 0.5$, $\beta = -1$, $\varepsilon = 0.75$. Before it the running mean is 1 and the running variance 2; `momentum` is 0.1. Type in, with three significant digits: $y$ of the first value, $y$ of the last value, the new running mean, the new running variance.
"""

# %% nbgrader={"grade_id": "question-3", "solution": true}
# Four numbers: y of the first, y of the last, running mean, running variance,
# for instance: answer_3 = [0.5, -1, 12, 0.25]
### BEGIN SOLUTION
answer_3 = [-1.4, -0.2, 1.2, 2.533]
### END SOLUTION

# %% nbgrader={"grade_id": "check-question-3", "grade": true}
check_question(3, numbers=4)

# %% [markdown]
r"""
## Backwards through the batch

In training, every $x$ of the batch has moved the mean and the variance, and through them *all* outputs of its column. So the gradient has three ways back to an $x$: directly, through $E$, and through Var. With $\hat x$ as above, and sums over the batch:

$$d\beta = \sum_i dy_i, \qquad d\gamma = \sum_i dy_i\,\hat x_i, \qquad dx_i = \frac{\gamma}{\sqrt{\text{Var}+\varepsilon}}\Big(dy_i - \frac{d\beta}{N} - \hat x_i\,\frac{d\gamma}{N}\Big)$$

The second part in the bracket comes through the mean, the third through the variance. **Guess:** what is the sum of all $dx_i$ of a column? (What happens to the output if you add the same number to all $x$?)

It is 0: moving them all together changes nothing.

**By hand, continued.** In the batch $(0, 1, 2, 5)$ let $dy = (1, 0, 0, 1)$. Then $d\beta = 2$, $d\gamma = -1 + 1.5 = 0.5$, and $\gamma/2 = 1$:

| $dy$ | $-\,d\beta/4$ | $-\,\hat x\cdot d\gamma/4$ | $dx$ |
|---|---|---|---|
| $1$ | $-0.5$ | $+0.125$ | $0.625$ |
| $0$ | $-0.5$ | $+0.0625$ | $-0.4375$ |
| $0$ | $-0.5$ | $0$ | $-0.5$ |
| $1$ | $-0.5$ | $-0.1875$ | $0.3125$ |

The sum is 0, as it should be.

### Exercise 16 · batch_norm_backward

about 20 minutes · difficulty 4 of 5 · importance 4 of 5 · 2 points

If you like a challenge, derive the formula before you use it. Hint: $\partial \text{Var}/\partial x_i = 2\,(x_i - E)/N$.
"""

# %% nbgrader={"grade_id": "batch_norm_backward", "solution": true}
def batch_norm_backward(dy, x, gamma, eps):
    """Return the gradients of the cost for the input of batch_norm and its parameters.

    Arguments: dy (N, D), the gradient for the output; x (N, D), gamma (D,) and
    eps as batch_norm took them.
    Result: three arrays, dx (N, D), dgamma (D,), dbeta (D,).

    Example: the one by hand.
    >>> x, dy = np.array([[0.], [1.], [2.], [5.]]), np.array([[1.], [0.], [0.], [1.]])
    >>> dx, dgamma, dbeta = batch_norm_backward(dy, x, np.array([2.]), 0.5)
    >>> dx.ravel(), dgamma, dbeta
    (array([ 0.625 , -0.4375, -0.5   ,  0.3125]), array([0.5]), array([2.]))
    """
    ### BEGIN SOLUTION
    deviation = np.sqrt(x.var(axis=0) + eps)
    normal = (x - x.mean(axis=0)) / deviation
    dgamma, dbeta = (dy * normal).sum(axis=0), dy.sum(axis=0)
    dx = gamma / deviation * (dy - dbeta / len(x) - normal * dgamma / len(x))
    return dx, dgamma, dbeta
    ### END SOLUTION

# %% nbgrader={"grade_id": "check-batch_norm_backward", "grade": true}
check(batch_norm_backward)

# %% tags=["explore"]
import numpy as np
import torch
from pnnlib.bridge import compare

def torch_norm(x, gamma, beta, eps):
    return torch.nn.functional.batch_norm(x, None, None, gamma, beta, training=True, eps=eps)

def backward(dy, x, gamma, beta, eps):
    return batch_norm_backward(dy, x, gamma, eps)

rng = np.random.default_rng(0)
x, gamma, beta = rng.normal(3, 2, (5, 3)), np.array([0.5, 2.0, -1.0]), np.array([1.0, 0.0, 3.0])
print(compare(batch_norm, torch_norm, x, gamma, beta, backward=backward, eps=0.01))

layer = torch.nn.BatchNorm1d(3, dtype=torch.float64)
layer(torch.tensor(x))
print("running, PyTorch's", layer.running_mean.numpy().round(4), layer.running_var.numpy().round(4))
print("running, yours    ", *(a.round(4) for a in update_running(x, np.zeros(3), np.ones(3), 0.1)))

# %% [markdown]
r"""
### Experiment: distributions that shift

**Predict first.** A network with six weight layers and tanh learns the digits. We watch the net inputs of its fourth layer on the same 200 pictures, before the training and after each of six epochs. How far does their spread move, without and with batch normalisation before $\varphi$? And what about the values *before* they are normalised?
"""

# %% tags=["explore"]
import numpy as np
from matplotlib.figure import Figure
from pnnlib import init, optim
from pnnlib.data import digits
from pnnlib.explore.figure import show_figure
from pnnlib.gradflow import layer_outputs
from pnnlib.layers import BatchNorm1d, Linear, Sequential, Tanh, initialise
from pnnlib.train import fit

data = digits(np.float32)
x = data.x_train.reshape(-1, 64) - np.float32(0.3)

def network(norm, seed):
    rng, layers = np.random.default_rng(seed), []
    for m, n in zip([64, 32, 32, 32, 32], [32, 32, 32, 32, 32]):
        layers += [Linear(m, n, rng=rng), *([BatchNorm1d(n)] if norm else []), Tanh()]
    return initialise(Sequential(*layers, Linear(32, 10, rng=rng)), init.xavier_normal, seed).astype(np.float32)

results = {}
for norm in (False, True):
    for seed in range(3):
        model, spreads = network(norm, seed), []
        places = ("9", "10") if norm else ("6",)  # the fourth Linear, and what goes into the fourth φ

        def note(model, history=None):
            model.train()  # as training sees it
            outputs = layer_outputs(model, x[:200])
            spreads.append([outputs[place].std() for place in places])
            model.eval()

        note(model)
        fit(model, x, data.y_train, optim.SGD(model.parameters(), lr=0.1), epochs=6, callbacks=[note], progress=False, rng=seed)
        results[norm, seed] = spreads

figure = Figure(figsize=(7, 3.4), layout="constrained")
axes, words = figure.subplots(), []
lines = [(False, 0, "o-", "without"), (True, 0, "^:", "with, before it is normalised"), (True, 1, "s--", "with, after")]
for color, (norm, which, style, name) in enumerate(lines):
    runs = np.array([results[norm, seed] for seed in range(3)])[:, :, which]
    for seed, run in enumerate(runs):
        axes.plot(run, style, color=f"C{color}", markersize=4, label=name if seed == 0 else None)
    words.append(f"{name}: from {runs[:, 0].mean():.2f} to {runs[:, -1].mean():.2f} (seeds {runs[:, -1].min():.2f} to {runs[:, -1].max():.2f})")
axes.set(xlabel="epoch", ylabel="spread", ylim=(0, None))
axes.legend()
print("\n".join(words))
show_figure(figure, alt="The standard deviation of the fourth layer's net inputs over six epochs, three seeds each. " + "; ".join(words) + ".",
            caption="The spread of what the fourth layer computes, before and while the network learns. Three seeds each.")

# %% [markdown]
r"""
Without it the spread trebles, from 0.27 to 0.81. Part of that comes from the layer's own weights, part from the layers before it; this picture cannot tell them apart. With it, what the layer computes still drifts, from 0.65 to 0.75, but what $\varphi$ gets is put back to a spread of 1 in every batch. (That is what the formula does, as long as $\gamma$ stays near 1. The network is free to move $\gamma$, and in six epochs it hardly did.)

**Part b's experiment, repeated.** Sigmoid and the small weights of the beginning, twenty layers deep, now with batch normalisation before or after $\varphi$. What arrives at the first layer?
"""

# %% tags=["explore"]
import numpy as np
from pnnlib.data import digits
from pnnlib.gradflow import gradient_statistics
from pnnlib.layers import BatchNorm1d, Linear, Sequential, Sigmoid, initialise

data = digits()
x, y = data.x_train[:200].reshape(200, 64) - 0.3, data.y_train[:200]

def small(shape, rng=None):
    return np.random.default_rng(rng).normal(0, 0.1, shape)

for where in ("nowhere", "before φ", "after φ"):
    for seed in range(3):
        layers = []
        for m, n in zip([64] + 18 * [32], 19 * [32]):
            part = {"nowhere": [Sigmoid()], "before φ": [BatchNorm1d(n), Sigmoid()], "after φ": [Sigmoid(), BatchNorm1d(n)]}
            layers += [Linear(m, n, rng=seed), *part[where]]
        model = initialise(Sequential(*layers, Linear(32, 10, rng=seed)), small, seed).train()
        norms = gradient_statistics(model, x, y).norm
        print(f"batch norm {where}: first layer {norms[0]:.1e}, last layer {norms[-1]:.1e}")

# %% [markdown]
r"""
From $10^{-17}$ to a few tenths or about 1, before or after $\varphi$, with the same sigmoid and the same small weights. Each normalisation divides by the spread it finds, and where that is small it makes the error larger again. So the factor on the way back no longer depends on how small the weights were. That is why it makes the first weights less critical.

**What goes wrong in practice.**

- *Forgetting to switch.* A network that is used in training mode normalises with the batch at hand: its answer to an image depends on the other images. In PyTorch, `model.eval()` switches.
- *Small batches.* With two or three samples the batch's mean is mostly chance.
- *A bias before it.* The mean is taken out, and a bias with it: it does nothing, $\beta$ does its work.

### Question 4

about 3 minutes · difficulty 2 of 5 · importance 4 of 5 · 1 point

A network with batch normalisation was trained with batches of 32. Now it is to recognise one image. What should the normalisation use for $E$ and Var?

- **a)** The mean and variance of this batch of one, as in training.
- **b)** Nothing: in use, the normalisation is left out, with $\gamma$ and $\beta$.
- **c)** The mean and variance of a new batch that is put together from the image and 31 others.
- **d)** The running mean and variance that were kept during training.
"""

# %% nbgrader={"grade_id": "question-4", "solution": true}
# Assign one letter, in quotes,
# for instance: answer_4 = "a"
### BEGIN SOLUTION
answer_4 = "d"
### END SOLUTION

# %% nbgrader={"grade_id": "check-question-4", "grade": true}
check_question(4)

# %% [markdown]
r"""
## Skip connections

**Guess first.** All remedies so far try to keep fifty factors near 1. Could the gradient do without the factors?

A **skip connection** leads the input of some layers round them, and adds it to their output:

$$y = x + f(x), \qquad dx = dy + f\text{'s backward of } dy.$$

The plus sign does it. Whatever happens inside $f$, the whole $dy$ also arrives at $x$, multiplied by nothing. If the gradient has vanished in $f$, it by-passes $f$. At the beginning, when $f$ does little, the network acts as if it were shallow; as $f$ learns, it becomes deep.

In exercises 17 and 18, `f` and `f_backward` are functions that you call. For the sum, $x$ and $f(x)$ must have the same shape.

### Exercise 17 · residual

about 2 minutes · difficulty 1 of 5 · importance 4 of 5 · 0.5 points
"""

# %% nbgrader={"grade_id": "residual", "solution": true}
def residual(x, f):
    """Apply some layers with a skip connection around them.

    Arguments: x, an array of any shape; f, a function that returns an array of
    the same shape.
    Result: an array like x.

    Example:
    >>> residual(np.array([1., 2.]), lambda x: 10 * x)
    array([11., 22.])
    """
    ### BEGIN SOLUTION
    return x + f(x)
    ### END SOLUTION

# %% nbgrader={"grade_id": "check-residual", "grade": true}
check(residual)

# %% [markdown]
r"""
### Exercise 18 · residual_backward

about 3 minutes · difficulty 2 of 5 · importance 4 of 5 · 0.5 points

`f_backward(dy)` returns what the layers inside pass back, for a `dy` at their output. What goes back to $x$ in all?
"""

# %% nbgrader={"grade_id": "residual_backward", "solution": true}
def residual_backward(dy, f_backward):
    """Return the gradient of the cost for the input of residual.

    Arguments: dy, the gradient for the output; f_backward, the backward of f.
    Result: an array like dy.

    Example:
    >>> residual_backward(np.array([1., 2.]), lambda dy: 10 * dy)
    array([11., 22.])
    """
    ### BEGIN SOLUTION
    return dy + f_backward(dy)
    ### END SOLUTION

# %% nbgrader={"grade_id": "check-residual_backward", "grade": true}
check(residual_backward)

# %% tags=["explore"]
import numpy as np
import torch
from pnnlib.bridge import compare

w = np.random.default_rng(0).normal(size=(3, 3))
x = np.random.default_rng(1).normal(size=(4, 3))

def block(x):
    return residual(x, lambda x: np.tanh(x @ w.T))

def block_backward(dy, x):
    return residual_backward(dy, lambda dy: (dy * (1 - np.tanh(x @ w.T) ** 2)) @ w)

def torch_block(x):
    return x + torch.tanh(x @ torch.tensor(w).T)

print(compare(block, torch_block, x, backward=block_backward))

# %% [markdown]
r"""
### The gradient through fifty layers

Fifty layers $f(x) = \tanh(wx)$ of 20 neurons, with weights a little too small. How much of the gradient arrives at the input, without and with *your* skip connection? **Predict** both to a power of ten.
"""

# %% tags=["explore"]
import numpy as np

def share_that_arrives(skip, seed, depth=50, n=20):
    rng = np.random.default_rng(seed)
    weights = [rng.normal(0, 0.5 / np.sqrt(n), (n, n)) for _ in range(depth)]
    x, inputs = rng.normal(size=n), []
    for w in weights:
        inputs.append(x)
        x = residual(x, lambda x: np.tanh(w @ x)) if skip else np.tanh(w @ x)
    dy = start = rng.normal(size=n)
    for w, x in zip(weights[::-1], inputs[::-1]):
        inside = lambda dy: w.T @ (dy * (1 - np.tanh(w @ x) ** 2))
        dy = residual_backward(dy, inside) if skip else inside(dy)
    return np.linalg.norm(dy) / np.linalg.norm(start)

for skip in (False, True):
    shares = [share_that_arrives(skip, seed) for seed in range(5)]
    print("with skip connections:" if skip else "without:", ", ".join(f"{share:.1e}" for share in shares))

# %% [markdown]
r"""
Without: nothing, about $10^{-16}$. With: all of it, and even some ten times more, because what comes back through each $f$ is added on. So it doesn't vanish, but many blocks can make it grow: that is why the weights inside are kept small, or normalised.

## Experiment: which remedy is worth what?

The network of the beginning, twenty weight layers, learns the digits for five epochs. Guessing at random gives 0.10.

**Predict first, in writing.** Rank them: (1) sigmoid and weights with deviation 0.1, as in part b; (2) ReLU, with the same weights; (3) ReLU with Kaiming's weights; (4) that, with Adam; (5) sigmoid and small weights again, but with batch normalisation; (6) ReLU and small weights with skip connections; (7) ReLU, Kaiming, batch normalisation and skip connections. Three seeds each, with SGD and $\eta = 0.1$; with Adam $\eta = 0.003$. It takes a while.
"""

# %% tags=["explore"]
import numpy as np
from matplotlib.figure import Figure
from pnnlib import init, optim
from pnnlib.data import digits
from pnnlib.explore.figure import show_figure
from pnnlib.layers import BatchNorm1d, Linear, ReLU, Residual, Sequential, Sigmoid, initialise
from pnnlib.train import accuracy, fit

data = digits(np.float32)
x, x_test = (a.reshape(-1, 64) - np.float32(0.3) for a in (data.x_train, data.x_test))

def deviation(size):
    return lambda shape, rng=None: np.random.default_rng(rng).normal(0, size, shape)

def deep(depth, phi, method, norm, skip, seed, n=32):
    """A network with `depth` weight layers."""
    rng, layers = np.random.default_rng(seed), []
    for i in range(depth - 1):
        part = [Linear(n if i else 64, n, rng=rng), *([BatchNorm1d(n)] if norm else []), phi()]
        layers += [Residual(Sequential(*part))] if skip and i else part
    return initialise(Sequential(*layers, Linear(n, 10, rng=rng)), method, rng).astype(np.float32)

def learn(depth, phi, method, norm, skip, adam, seed, epochs=5):
    """The share of test digits that are right after the training."""
    model = deep(depth, phi, method, norm, skip, seed)
    optimiser = optim.Adam(model.parameters(), lr=0.003) if adam else optim.SGD(model.parameters(), lr=0.1)
    try:
        with np.errstate(all="ignore"):
            fit(model, x, data.y_train, optimiser, epochs=epochs, batch_size=50, progress=False, rng=seed)
    except FloatingPointError:  # the cost has left the numbers
        return 0.1
    return accuracy(model, x_test, data.y_test)

small, kaiming = deviation(0.1), init.kaiming_normal
settings = {
    "1  sigmoid, small weights": (20, Sigmoid, small, False, False, False),
    "2  ReLU, small weights": (20, ReLU, small, False, False, False),
    "3  ReLU, Kaiming": (20, ReLU, kaiming, False, False, False),
    "4  ReLU, Kaiming, Adam": (20, ReLU, kaiming, False, False, True),
    "5  sigmoid, small, batch norm": (20, Sigmoid, small, True, False, False),
    "6  ReLU, small, skip": (20, ReLU, small, False, True, False),
    "7  ReLU, Kaiming, batch norm, skip": (20, ReLU, kaiming, True, True, False),
}
found = {name: [learn(*setting, seed) for seed in range(3)] for name, setting in settings.items()}
words = [f"{name}: {np.mean(a):.2f} (seeds {min(a):.2f} to {max(a):.2f})" for name, a in found.items()]
print("\n".join(words))

figure = Figure(figsize=(8, 3.4), layout="constrained")
axes = figure.subplots()
for row, a in enumerate(found.values()):
    axes.plot([0, np.mean(a)], [row, row], color="0.8", linewidth=8, solid_capstyle="butt", zorder=0)
    axes.plot(a, [row] * 3, "o", color="C0")
axes.axvline(0.1, color="0.3", linestyle=":")
axes.set(yticks=range(len(found)), yticklabels=list(found), xlim=(0, 1), xlabel="share of the test digits that are right")
axes.invert_yaxis()
show_figure(figure, alt="Test accuracy after five epochs for seven settings, three seeds each. " + "; ".join(words) + ".",
            caption="Dots: three seeds. Bar: their mean. Dotted line: guessing.")

# %% [markdown]
r"""
<details><summary>Compare with your prediction</summary>

On our machine (yours may differ in the last digit): (1) and (2) have learnt nothing: 0.10. Kaiming's weights (3) let the gradient through, but five epochs of plain SGD at this rate come to 0.22 only, and the seeds differ a lot. With Adam (4) the same network gets to 0.74. The surprise is (5): the very sigmoid that was lost reaches 0.84 as soon as its net inputs are normalised. Skip connections alone (6) make 0.55, and together with Kaiming and batch normalisation (7) 0.92.

Be careful with the ranking. Three seeds and five epochs say that 0.10 is not 0.84. They don't say that Adam is worse than batch normalisation: another learning rate may turn that round. And all of this is for twenty layers on a small problem: a network with one hidden layer of 32 ReLU units gets to between 0.85 and 0.88 in the same five epochs (try it: change the depth in the cell above).

</details>

And **fifty** weight layers, with ReLU and Adam? First Kaiming's weights without skip connections, then small weights (deviation 0.03) without, then the same small weights with skip connections.
"""

# %% tags=["explore"]
for name, setting in {
    "Kaiming, no skip      ": (50, ReLU, kaiming, False, False, True),
    "small weights, no skip": (50, ReLU, deviation(0.03), False, False, True),
    "small weights, skip   ": (50, ReLU, deviation(0.03), False, True, True),
}.items():
    right = [learn(*setting, seed) for seed in range(3)]
    print(f"50 layers, {name}: " + ", ".join(f"{share:.2f}" for share in right))

# %% [markdown]
r"""
With fifty layers, Kaiming's weights and Adam together are near to guessing in the time given, and small weights without by-pass are guessing. The same small weights *with* skip connections learn: 0.64 to 0.80. Only the `+ x` has been added.

## Summary

| idea | formula | your function | PyTorch (`F` is `torch.nn.functional`) |
|---|---|---|---|
| ReLU, LReLU | $\text{net}$ or $a\,\text{net}$ | `relu`, `leaky_relu`, `leaky_relu_derivative` | `F.relu`, `F.leaky_relu` |
| PReLU | $da_j = \sum dy\,\text{net}$ where $\text{net}<0$ | `prelu_backward` | `F.prelu` |
| Xavier | $\sqrt{6/(m+n)}$, $\sqrt{2/(m+n)}$ | `xavier_uniform`, `xavier_normal` | `torch.nn.init.xavier_…_` |
| Kaiming | $\sqrt{6/m}$, $\sqrt{2/m}$ | `kaiming_uniform`, `kaiming_normal` | `torch.nn.init.kaiming_…_` |
| momentum | $v \leftarrow \beta v + g$ | `momentum_step` | `torch.optim.SGD(momentum=)` |
| AdaGrad | $s \leftarrow s + g^2$ | `adagrad_step` | `torch.optim.Adagrad` |
| RMSprop | $s \leftarrow \rho s + (1-\rho) g^2$ | `rmsprop_step` | `torch.optim.RMSprop` |
| Adam | $\hat m/(\sqrt{\hat v} + \varepsilon)$ | `adam_step` | `torch.optim.Adam` |
| Nadam | $\mu_{t+1}$ looks ahead | `nadam_step` | `torch.optim.NAdam` |
| batch normalisation | $\beta + \gamma\,(x-E)/\sqrt{\text{Var}+\varepsilon}$ | `batch_norm`, `update_running`, `batch_norm_backward` | `torch.nn.BatchNorm1d` |
| skip connection | $x + f(x)$ | `residual`, `residual_backward` | `x + f(x)` |

None of this comes for nothing. Deep networks have many parameters, so they need many labelled examples and much computation. The next part saves parameters by the million: convolutional layers.

## Questions to think about

**1.** Why does a network with batch normalisation before $\varphi$ care less about the scale of its first weights?

<details><summary>Answer</summary>

Multiply all weights of a neuron by 10: its net inputs grow tenfold, their mean and standard deviation too, and $\hat x$ is what it was (but for $\varepsilon$).

</details>

**2.** Adam's first step is about $\eta$ long for every weight, however small its gradient. Is the vanishing gradient cured by that?

<details><summary>Answer</summary>

Not quite. The step has a sensible length again, but a gradient that went through many layers with saturated neurons or shrunken signals says little about what the weight should do. And one that is smaller than $\varepsilon$ is divided by $\varepsilon$, not by itself: below about $10^{-8}$ the steps vanish, too.

</details>

**3.** Skip connections need $x$ and $f(x)$ of the same shape. What if $f$ changes the number of neurons?

<details><summary>Answer</summary>

Then the by-pass gets a matrix of its own, $y = Wx + f(x)$. The way back is no longer free of factors there, but there are few such places in a network.

</details>
"""

# %% [markdown]
r"""
## What to hand in

Hand in this notebook, one file, with your eighteen functions and your four answers. Before you do:

1. Choose *Restart kernel and run all cells*. What works only because of an old cell will not work for us either.
2. Look at every check. A ✓ means that your function agrees with PyTorch on the public cases. It will be marked on other numbers of the same kind.
3. Keep the names of the functions, and leave the check cells where they are.

Something is unfinished? Hand it in all the same. Each exercise earns its own points.
"""
