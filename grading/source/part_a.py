# ---
# jupyter:
#   course: {notebook: part_a_why_deep, assignment: part_a}
#   jupytext: {text_representation: {extension: .py, format_name: percent}}
#   kernelspec: {display_name: Python 3 (ipykernel), language: python, name: python3}
# ---

# %% [markdown]
r"""
# Part a · Why deep?

Three layers are enough to approximate any continuous function. So why does anybody build networks with more? This notebook looks for the answer with a pencil, with NumPy, and with experiments whose outcome you predict first. Some of them will not come out as the slogans have it.

**You will be able to**

- say which networks are deep, and count their layers and parameters;
- compute the output of a network of any depth, by hand and in NumPy;
- explain what the universal approximation theorem promises, and what it doesn't;
- show how depth multiplies where width adds, and say when that helps in practice;
- unfold a recurrent network, and see why a long sequence makes it very deep;
- send a gradient back through time.

**You need** NumPy arrays (shapes, `@`, `.T`), derivatives and the chain rule, and from the lecture: a neuron's weighted sum and its activation function φ, and that training changes the weights step by step against the gradient of a cost. No PyTorch; the notebook shows what you need of it.

**Time:** about 3½ hours. It needn't be one sitting. Seven exercises and five questions give 20 points. Each says how long it takes, how hard it is and how much it matters.

**How to use it**

1. Run the cells from the top, one after the other, with Shift+Enter.
2. Where it says *guess first*, do guess. Write it down. A wrong guess helps you more than a quick look.
3. In an exercise, replace `raise NotImplementedError` with your code and run the check below it. The check tells you what is wrong, not just that something is. Try as often as you like.
4. Use NumPy only in your answers. The cells with figures and with PyTorch are for exploring. They are never marked, and you may change anything in them.

New to this kind of notebook? Begin with [Start here](start_here.ipynb).
"""

# %%
import numpy as np
from pnnlib.exercises import check, check_question

# %% [markdown]
r"""
## What is deep?

**Guess first.** A network takes the $28\times28$ pixels of an image, has one layer of 5000 hidden neurons, and ends in 10 output neurons. It has almost four million weights. Is it deep?

No. Deep is a statement about *layers*, not about weights or neurons. The rule:

- a network with **more than 3 layers** is **deep** (and most that go by this name have many more);
- a network with **3 layers or fewer** is **shallow**;
- training a deep network is called **deep learning**.

What makes it easy to go wrong is how layers are counted. The **input layer counts as one**, though it computes nothing: it only passes $x$ on. So our network has three layers, input, hidden and output, and is shallow. One more hidden layer, however small, makes it deep.

In this notebook a network is written as the list of its layer sizes, the input's first: `[784, 5000, 10]`.

> **Convention card: counting layers**
>
> | | |
> |---|---|
> | **The lecture says** | All layers count, the input layer included. Deep is more than 3. |
> | **PyTorch does** | It has no input layer. `torch.nn.Linear` is what lies *between* two layers of neurons, so `[784, 5000, 10]` takes two of them. |
> | **Elsewhere** | Many papers count layers of weights: "a two-layer network" is then the lecture's three. Some count hidden layers only. |
> | **Ours** | As the lecture. `len(layer_sizes)` is the number of layers. |
> | **The checks accept** | `True` or `1`, `False` or `0`. |

### Exercise 1 · is_deep

about 3 minutes · difficulty 1 of 5 · importance 3 of 5 · 1 point

One line. Mind the border: what about exactly 3 layers?
"""

# %% nbgrader={"grade_id": "is_deep", "solution": true}
def is_deep(layer_sizes):
    """Tell whether a network is deep.

    Arguments: layer_sizes, a list of ints: the number of units in every layer,
    the input layer first.
    Result: True if the network has more than 3 layers, the input layer counted.

    Example: two hidden layers.
    >>> is_deep([784, 30, 30, 10])
    True
    """
    ### BEGIN SOLUTION
    return len(layer_sizes) > 3
    ### END SOLUTION

# %% nbgrader={"grade_id": "check-is_deep", "grade": true}
check(is_deep)

# %% [markdown]
r"""
**What goes wrong in practice.** Someone tells you of "a three-layer network", and you build one hidden layer where they had two. Ask which layers they count, or ask for the list of sizes.

## Larger networks: wide or deep

A harder task needs a more complex mapping from inputs to outputs, and that needs a larger network: one with **more parameters**. A parameter is a number that training can change: a weight or a bias.

Between a layer of $m$ units and the next one with $n$ neurons lie $m\cdot n$ weights, as everyone is connected to everyone. Each of the $n$ neurons has one bias. Together

$$m\,n + n = (m + 1)\,n .$$

Units of the input layer have neither: they compute nothing.

For `[784, 30, 10]`: first $784\cdot30 + 30 = 23\,550$, then $30\cdot10 + 10 = 310$, together $23\,860$.

There are two ways to get more parameters: make the hidden layer **wider**, or put in **more layers**.

**Guess first.** A network has a hidden part of $k$ layers, at least two, with 100 neurons each. You double the number of neurons, either by making every layer twice as wide, or by taking twice as many layers. Which adds more parameters?

### Exercise 2 · count_parameters

about 8 minutes · difficulty 1 of 5 · importance 4 of 5 · 1.5 points

All weights and all biases of a fully connected network. Which pairs of numbers do you need from the list? `zip(a, a[1:])` goes through neighbours.
"""

# %% nbgrader={"grade_id": "count_parameters", "solution": true}
def count_parameters(layer_sizes):
    """Count the weights and biases of a fully connected network.

    Arguments: layer_sizes, a list of at least two ints, the input layer first.
    Result: an int.

    Example: 3·4 weights and 4 biases, then 4·2 weights and 2 biases.
    >>> count_parameters([3, 4, 2])
    26
    """
    ### BEGIN SOLUTION
    total = 0
    for m, n in zip(layer_sizes, layer_sizes[1:]):
        total += m * n + n
    return total
    ### END SOLUTION

# %% nbgrader={"grade_id": "check-count_parameters", "grade": true}
check(count_parameters)

# %% [markdown]
r"""
**The same numbers in PyTorch.** Build the layers, and ask every parameter how many numbers it holds.
"""

# %% tags=["explore"]
import torch

def torch_says(layer_sizes):
    layers = [torch.nn.Linear(m, n) for m, n in zip(layer_sizes, layer_sizes[1:])]
    return sum(p.numel() for p in torch.nn.Sequential(*layers).parameters())

for layer_sizes in ([784, 30, 10], [784, 5000, 10], [64, 100, 100, 10], [64, 100, 100, 100, 100, 10], [64, 200, 200, 10]):
    print(f"{layer_sizes}:  PyTorch {torch_says(layer_sizes):,}, yours {count_parameters(layer_sizes):,}")

# %% [markdown]
r"""
Here is your guess from above, drawn: a network with two hidden layers of 100, made larger in both ways.
"""

# %% tags=["explore"]
from matplotlib.figure import Figure
from pnnlib.explore.figure import show_figure

neurons = [200, 400, 600, 800, 1000]
wider = [count_parameters([64, n // 2, n // 2, 10]) for n in neurons]
deeper = [count_parameters([64] + [100] * (n // 100) + [10]) for n in neurons]

figure = Figure(figsize=(7, 3.4), layout="constrained")
axes = figure.subplots()
axes.plot(neurons, wider, "o-", label="two layers, made wider")
axes.plot(neurons, deeper, "s--", label="more layers of 100")
axes.set(xlabel="hidden neurons", ylabel="parameters", title="Parameters by width and by depth")
axes.legend()
print("neurons", neurons, "\nwider  ", wider, "\ndeeper ", deeper)
show_figure(
    figure,
    alt=f"Two curves over the number of hidden neurons. Made wider, the network grows ever faster from {wider[0]:,} to "
    f"{wider[-1]:,} parameters; made deeper, it grows in a straight line to {deeper[-1]:,}.",
    caption="Width costs its square, depth costs only its number.",
)

# %% [markdown]
r"""
Twice as wide means four times as many weights between hidden layers, because both ends of each connection double. Twice as deep means $2k-1$ such matrices instead of $k-1$: three times as many weights for $k = 2$, and about twice as many when $k$ is large. So depth buys neurons more cheaply. Whether those neurons do as much is the question of this notebook.

## Forward through many layers

The output of a network is computed one layer after the other. Call the input $\mathbf{y}_0 = \mathbf{x}$. Layer after layer,

$$\mathbf{y}_{i+1} = \varphi(W_i\,\mathbf{y}_i + \mathbf{b}_i) .$$

Row $j$ of $W_i$ holds the weights of neuron $j$, so $W_i$ has one row for each neuron of the next layer and one column for each unit of this one. The sum $W_i\mathbf{y}_i + \mathbf{b}_i$ is the **net input**; φ makes the output of it.

**Guess first.** What would be left of a network of 50 layers without φ?

A single layer. Two weighted sums in a row, $W_1(W_0\mathbf{x} + \mathbf{b}_0) + \mathbf{b}_1$, are one weighted sum with the matrix $W_1W_0$. Depth is only worth something with a nonlinear φ between the layers.

### By hand, as in an exam

A network `[2, 2, 1]` with ReLU, $\varphi(\text{net}) = \max(0, \text{net})$, in every layer, the last included:

$$\mathbf{x} = \begin{pmatrix} 1\\ 2 \end{pmatrix}, \quad
W_0 = \begin{pmatrix} 1&-1\\ 0.5&1 \end{pmatrix}, \;
\mathbf{b}_0 = \begin{pmatrix} 0.5\\ -1 \end{pmatrix}, \quad
W_1 = \begin{pmatrix} 2&3 \end{pmatrix}, \;
b_1 = -1 .$$

Take a pencil before you read on.

| neuron | products | plus bias | net input | $y = \max(0, \text{net})$ |
|---|---|---|---|---|
| layer 2, first | $1\cdot 1 = 1, \;\; -1\cdot 2 = -2$ | $0.5$ | $-0.5$ | $0$ |
| layer 2, second | $0.5\cdot 1 = 0.5, \;\; 1\cdot 2 = 2$ | $-1$ | $1.5$ | $1.5$ |
| layer 3 | $2\cdot 0 = 0, \;\; 3\cdot 1.5 = 4.5$ | $-1$ | $3.5$ | $3.5$ |

The output is 3.5. The network has $(2+1)\cdot 2 + (2+1)\cdot 1 = 9$ parameters. Two slips are common: to carry the net input $-0.5$ on instead of its $y = 0$, and to forget a bias.
"""

# %% [markdown]
r"""
### Question 1

about 10 minutes · difficulty 2 of 5 · importance 4 of 5 · 1 point

Now alone, with a pencil. A network `[2, 3, 2, 1]` has ReLU in every layer, the last included:

$$\mathbf{x} = \begin{pmatrix} 2\\ -1 \end{pmatrix}, \quad
W_0 = \begin{pmatrix} 1&2\\ -1&1\\ 0.5&-1 \end{pmatrix}, \;
\mathbf{b}_0 = \begin{pmatrix} 0.5\\ 2\\ -1 \end{pmatrix}, \quad
W_1 = \begin{pmatrix} 1&5&-1\\ 2&-1&1 \end{pmatrix}, \;
\mathbf{b}_1 = \begin{pmatrix} 0.25\\ -0.5 \end{pmatrix}, \quad
W_2 = \begin{pmatrix} 4&2 \end{pmatrix}, \;
b_2 = -1 .$$

Give four numbers, in this order: how many parameters the network has; the output $y$ of the first neuron of layer 3; that of its second neuron; the output of the network. (Layer 1 is the input.)
"""

# %% nbgrader={"grade_id": "question-1", "solution": true}
### BEGIN SOLUTION
answer_1 = [20, 0, 1.5, 2]
### END SOLUTION

# %% nbgrader={"grade_id": "check-question-1", "grade": true}
check_question(1, numbers=4)

# %% [markdown]
r"""
> **Convention card: φ after the last layer, and the shape of weights**
>
> | | |
> |---|---|
> | **The lecture says** | Every neuron has an activation function, those of the output layer too. |
> | **PyTorch does** | `torch.nn.Linear` has no φ; you put one behind it, or none. For classification the last layer has none: PyTorch's loss for classes, `cross_entropy`, applies the last φ (called softmax) itself. Weights are (out, in), samples stand in rows: `x @ weight.T + bias`. |
> | **Ours** | In `mlp_forward` φ comes after every layer, the last included. Shapes as PyTorch. |
> | **The checks accept** | Loops or matrices, arrays or lists. Not a last layer without φ. |

### Exercise 3 · mlp_forward

about 15 minutes · difficulty 2 of 5 · importance 5 of 5 · 3 points

The forward pass for a whole batch: `x` has one sample in each row. `phi` is a function that is handed in; call it on the net inputs. Watch the shapes: with samples in rows, is it `y @ weight` or `y @ weight.T`?
"""

# %% nbgrader={"grade_id": "mlp_forward", "solution": true}
def mlp_forward(x, weights, biases, phi):
    """Compute the output of a fully connected network, with phi after every layer.

    Arguments: x (N, n0), a sample in each row; weights and biases, lists of
    arrays, weights[i] (n_{i+1}, n_i) and biases[i] (n_{i+1},); phi, a function
    that takes an array and returns one of the same shape.
    Result: an array (N, n_L); no argument is changed.

    Example: one neuron with the net input 2·3 + 1, squared.
    >>> mlp_forward(np.array([[3.0]]), [np.array([[2.0]])], [np.array([1.0])], np.square)
    array([[49.]])
    """
    ### BEGIN SOLUTION
    y = x
    for weight, bias in zip(weights, biases):
        net = y @ weight.T + bias
        y = phi(net)
    return y
    ### END SOLUTION

# %% nbgrader={"grade_id": "check-mlp_forward", "grade": true}
check(mlp_forward)

# %% [markdown]
r"""
**The same numbers in PyTorch.** The example from above, then a network of five layers with random numbers.
"""

# %% tags=["explore"]
import numpy as np
import torch
from pnnlib.bridge import compare

def in_numpy(x, w0, b0, w1, b1, w2, b2, w3, b3):
    return mlp_forward(x, [w0, w1, w2, w3], [b0, b1, b2, b3], np.tanh)

def in_torch(x, *parameters):
    for weight, bias in zip(parameters[0::2], parameters[1::2]):
        x = torch.tanh(torch.nn.functional.linear(x, weight, bias))
    return x

def relu(net):
    return np.maximum(net, 0)

weights, biases = [np.array([[1, -1], [0.5, 1]]), np.array([[2.0, 3]])], [np.array([0.5, -1]), np.array([-1.0])]
print("by hand 3.5, yours", mlp_forward(np.array([[1.0, 2]]), weights, biases, relu))

rng = np.random.default_rng(0)
layer_sizes = [3, 5, 4, 6, 2]
parameters = [rng.normal(size=shape) for m, n in zip(layer_sizes, layer_sizes[1:]) for shape in ((n, m), (n,))]
print(compare(in_numpy, in_torch, rng.normal(size=(7, 3)), *parameters))

# %% [markdown]
r"""
**What goes wrong in practice.**

- *Transposed weights.* If two layers are equally large, `y @ weight` runs without complaint and is wrong.
- *φ in the wrong place.* φ before the sum, or bias after φ: the shapes are right, the numbers are not.
- *`x += bias`.* In the first layer that would write into the array of whoever called you.

## Three layers can do anything

**Guess first.** A network `[1, n, 1]` with ReLU in the hidden layer and a plain sum at the end. Which curves can it draw?

Each hidden neuron gives a line with one corner: 0 up to a point, then straight. A weighted sum of $n$ of these is a chain of straight pieces. You may choose where the corners are and how steep each piece is. And a chain of short enough straight pieces follows any curve as closely as you like.

That is the idea of a famous theorem. A network with **three layers**, with a suitable φ (ReLU and tanh are) in the hidden one, enough neurons there, and a plain sum at the end, **approximates any continuous function on a closed and bounded region, such as $0 \le x \le 1$, as closely as you want**. Such a family of networks is called a **universal approximator**. In theory, three layers solve every pattern recognition task.

The theorem says that *enough* neurons will do. How many are enough? Let us fit a curve. The corners are put at equal distances, and the weights of the output neuron are found by least squares. The hidden layer is *your* `mlp_forward`.

**Predict first.** With 16 hidden neurons the largest error is about 0.06. How many neurons will it take for an error ten times smaller: 32, 64, 160 or 1600?
"""

# %% tags=["explore"]
import numpy as np
from matplotlib.figure import Figure
from pnnlib.explore.figure import show_figure


def curve(x):  # try another one
    return np.sin(2 * np.pi * x) + 0.5 * np.sin(6 * np.pi * x)


def fitted(n, x):
    """The network [1, n, 1] with its corners at 0, 1/n, 2/n, …, its output weights fitted at the points x."""
    corners = np.arange(n) / n
    hidden = mlp_forward(x[:, None], [np.ones((n, 1))], [-corners], lambda net: np.maximum(net, 0))
    with_bias = np.hstack([hidden, np.ones((len(x), 1))])
    return with_bias @ np.linalg.lstsq(with_bias, curve(x), rcond=None)[0]


x = np.linspace(0, 1, 2001)
units = [4, 8, 16, 32, 64, 128, 256]
errors = [abs(fitted(n, x) - curve(x)).max() for n in units]
for n, error in zip(units, errors):
    print(f"{n:4} hidden neurons, {3 * n + 1:4} parameters: largest error {error:.5f}")

figure = Figure(figsize=(9, 3.4), layout="constrained")
left, right = figure.subplots(1, 2)
left.plot(x, curve(x), color="0.6", linewidth=4, label="the curve")
for n, style in ((4, ":"), (8, "--"), (16, "-")):
    left.plot(x, fitted(n, x), style, label=f"{n} neurons")
left.set(xlabel="x", title="Fits by three layers")
left.legend()
right.loglog(units, errors, "o-")
right.set(xlabel="hidden neurons", ylabel="largest error", title="How many it takes", xticks=units, xticklabels=units)
right.minorticks_off()
show_figure(
    figure,
    alt=f"On the left a wavy curve and its fits: 4 neurons miss it, 8 follow it roughly, 16 closely. On the right, the "
    f"largest error falls along nearly a straight line on logarithmic axes from {errors[0]:.2f} with 4 neurons to "
    f"{errors[-1]:.5f} with 256.",
    caption="Twice as many neurons, a quarter of the error.",
)

# %% [markdown]
r"""
<details><summary>Compare with your prediction</summary>

64: the error there is 0.0038, and 32 neurons leave 0.0154. From 8 neurons on, each doubling divides the error by about four. For a smooth curve of *one* variable that is cheap.

</details>

With more inputs it becomes dear. To cover a square at the same fineness as $n$ pieces cover a line takes about $n^2$ small patches; with ten inputs, $n^{10}$. For $n = 16$ that is a million million. So "in theory" carries a lot of weight in that sentence. Deep networks don't repeal this. But they can spend their neurons better where the function has a structure that suits them, as we shall see.
"""

# %% [markdown]
r"""
### Question 2

about 4 minutes · difficulty 2 of 5 · importance 4 of 5 · 1 point

What does the theorem about three-layer networks say?

- **a)** A fixed number of hidden neurons, the same for all continuous functions of one variable, is enough.
- **b)** For each continuous function on a closed and bounded region and each accuracy there is some number of hidden neurons that is enough, and weights with which the network is that accurate.
- **c)** If a three-layer network is trained on enough samples of a continuous function, gradient descent finds weights that approximate it.
- **d)** A three-layer network that approximates a function on the interval from 0 to 1 also approximates it everywhere else.
"""

# %% nbgrader={"grade_id": "question-2", "solution": true}
# Assign one letter, in quotes,
# for instance: answer_2 = "a"
### BEGIN SOLUTION
answer_2 = "b"
### END SOLUTION

# %% nbgrader={"grade_id": "check-question-2", "grade": true}
check_question(2)

# %% [markdown]
r"""
## Width adds, depth multiplies

Take a strip of paper and fold it in the middle. Fold it again, and again. With three folds it has 8 layers of paper, with ten it would have 1024. Cut a notch into the folded strip, and you have cut 1024.

Two ReLU neurons can fold the line from 0 to 1:

$$\text{fold}(x) = \max(0, 2x) - \max(0, 4x - 2)$$

Up to $x = \frac12$ only the first is at work, and the value rises to 1. From there the second takes away twice as much, and the value falls to 0. So two different $x$ end at the same value, as with the strip. What the *next* layer does with that value, it does for both.

| $x$ | 0 | 1/8 | 1/4 | 3/8 | 1/2 | 5/8 | 3/4 | 7/8 | 1 |
|---|---|---|---|---|---|---|---|---|---|
| one fold | 0 | 1/4 | 1/2 | 3/4 | 1 | 3/4 | 1/2 | 1/4 | 0 |
| fold of the fold | 0 | 1/2 | 1 | 1/2 | 0 | 1/2 | 1 | 1/2 | 0 |
| a third fold | 0 | 1 | 0 | 1 | 0 | 1 | 0 | 1 | 0 |

To measure this we count **straight pieces**: how many straight lines the graph of the network is made of.

**Guess first.** A wide network `[1, n, 1]` makes at most how many pieces? And a deep one with $k$ hidden layers of 2 neurons, each a fold?

### Exercise 4 · count_linear_pieces

about 15 minutes · difficulty 3 of 5 · importance 2 of 5 · 2 points

You get points $(x, y)$ on such a graph, from left to right, not equally far apart, with a point at every corner. How many straight pieces are there? Compute the slope between neighbours, and compare it with the next one. Computed slopes of one and the same piece may differ in the last digit, so don't compare with `==`. In the cases here, different slopes differ by at least 0.25.
"""

# %% nbgrader={"grade_id": "count_linear_pieces", "solution": true}
def count_linear_pieces(x, y):
    """Count the straight pieces of a piecewise-linear function that is given by points.

    Arguments: x (n,), increasing, n at least 2; y (n,), the values there. At
    every corner there is a point.
    Result: an int. Where the slope stays the same, it is one piece.

    Example: up for two gaps, then down.
    >>> count_linear_pieces(np.array([0.0, 1, 2, 3]), np.array([0.0, 1, 2, 1]))
    2
    """
    ### BEGIN SOLUTION
    slopes = np.diff(y) / np.diff(x)
    corners = abs(np.diff(slopes)) > 1e-6
    return 1 + int(corners.sum())
    ### END SOLUTION

# %% nbgrader={"grade_id": "check-count_linear_pieces", "grade": true}
check(count_linear_pieces)

# %% [markdown]
r"""
PyTorch has no such function, so here the check computes the slopes with `torch.diff`. Now count. The deep network has $k$ hidden layers of two neurons, each layer a fold; the wide one has one hidden layer with as many neurons in all, $2k$, and random weights. They have exactly the same number of parameters. Both are computed by *your* `mlp_forward`, with ReLU in all layers.

**Predict first.** How many pieces do they have for $k = 8$, so 16 neurons?
"""

# %% tags=["explore"]
import numpy as np
from matplotlib.figure import Figure
from pnnlib.explore.figure import show_figure


def relu(net):
    return np.maximum(net, 0)


def folds(k, x):
    """k folds, one after the other: the network [1, 2, …, 2, 1]."""
    weights = [np.array([[2.0], [4.0]])] + [np.array([[2.0, -2], [4, -4]])] * (k - 1) + [np.array([[1.0, -1]])]
    biases = [np.array([0.0, -2])] * k + [np.zeros(1)]
    return mlp_forward(x[:, None], weights, biases, relu)[:, 0]


def wide(n, x, rng):
    """One hidden layer, [1, n, 1], with n corners at random places of x and an output that stays above 0."""
    corners = rng.choice(x[1:-1], n, replace=False)
    slopes = rng.choice([-1, 1], n) * rng.uniform(1, 3, n)
    return mlp_forward(x[:, None], [np.ones((n, 1)), slopes[None]], [-corners, np.array([50.0])], relu)[:, 0]


x = np.arange(2**12 + 1) / 2**12  # every corner of the folds lies on one of these
rng = np.random.default_rng(0)
depths = [1, 2, 3, 4, 6, 8]
deep_pieces, wide_pieces = [], []
for k in depths:
    deep_pieces.append(count_linear_pieces(x, folds(k, x)))
    wide_pieces.append(count_linear_pieces(x, wide(2 * k, x, rng)))
    print(f"{2 * k:2} hidden neurons, {6 * k + 1:2} parameters:  {deep_pieces[-1]:3} pieces deep, {wide_pieces[-1]:2} pieces wide")

figure = Figure(figsize=(9, 3.2), layout="constrained")
left, middle, right = figure.subplots(1, 3)
for axes, k in ((left, 1), (middle, 4)):
    axes.plot(x, folds(k, x))
    axes.set(xlabel="x", title=f"{k} fold{'s' * (k > 1)}, {2 * k} neurons")
right.semilogy(depths, deep_pieces, "s-", label="deep: folds")
right.semilogy(depths, wide_pieces, "o--", label="wide")
right.set(xlabel="k (2k neurons)", ylabel="straight pieces", title="Pieces")
right.legend()
show_figure(
    figure,
    alt=f"Left, a tent of two pieces. In the middle, four folds give a zigzag with eight teeth. On the right, on a "
    f"logarithmic axis, the pieces of the folds rise along a straight line from {deep_pieces[0]} to {deep_pieces[-1]}, "
    f"those of the wide network from {wide_pieces[0]} to {wide_pieces[-1]}.",
    caption="With each layer the pieces double; with each two further neurons in one layer there are two more.",
)

# %% [markdown]
r"""
One neuron of a single hidden layer bends the line at one place. So $n$ neurons make at most $n + 1$ pieces: width **adds**. One fold doubles what all folds before it have made, so $k$ of them make $2^k$ pieces: depth **multiplies**. For the zigzag of eight folds the deep network needs 49 parameters. A wide one needs one neuron for each of the 255 corners and one more for the slope at the start: 256 neurons and 769 parameters.

That proves that *there are* functions for which depth is immensely cheaper. It doesn't say that an ordinary deep network is one of them. **Predict first:** how many pieces do deep networks have if their weights are random, as at the beginning of training?
"""

# %% tags=["explore"]
import numpy as np

def pieces_of_a_random_network(layer_sizes, seed):
    """Where a hidden neuron switches on or off, a new piece begins; found on a fine grid from -3 to 3."""
    rng = np.random.default_rng(seed)
    y, on = np.linspace(-3, 3, 10001)[:, None], []
    for m, n in zip(layer_sizes[:-1], layer_sizes[1:-1]):
        net = y @ rng.normal(0, np.sqrt(2 / m), (m, n)) + rng.normal(0, 0.5, n)
        on.append(net > 0)
        y = np.maximum(net, 0)
    on = np.hstack(on)
    return 1 + int((on[1:] != on[:-1]).any(axis=1).sum())

for layer_sizes in ([1, 16, 1], [1, 2, 2, 2, 2, 2, 2, 2, 2, 1], [1, 100, 1], [1, 15, 15, 1], [1, 8, 8, 8, 8, 8, 1]):
    found = [pieces_of_a_random_network(layer_sizes, seed) for seed in range(50)]
    parameters = sum((m + 1) * n for m, n in zip(layer_sizes, layer_sizes[1:]))
    print(f"{str(layer_sizes):34} {parameters:3} parameters: {np.mean(found):5.1f} pieces on average, "
          f"from {min(found)} to {max(found)} in 50 networks")

# %% [markdown]
r"""
At random, depth multiplies nothing: there are about as many pieces as hidden neurons, or fewer, and so the *wide* networks have more of them at equal parameters. Folding is something a deep network *can* do, and training would have to find it. Keep that in mind for the next experiment.
"""

# %% [markdown]
r"""
### Question 3

about 6 minutes · difficulty 3 of 5 · importance 3 of 5 · 1 point

A network for functions of one variable shall have 1024 straight pieces. Its last layer is a plain sum. Which statement is true?

- **a)** Any function with 1024 straight pieces can be had from ten hidden layers of two ReLU neurons.
- **b)** One hidden layer of 20 ReLU neurons can do it, if its weights are well chosen.
- **c)** A network of ten hidden layers of two ReLU neurons has 1024 pieces, whatever its weights are.
- **d)** Ten hidden layers of two ReLU neurons can do it with 61 parameters; with one hidden layer it takes more than 3000.
"""

# %% nbgrader={"grade_id": "question-3", "solution": true}
# Assign one letter, in quotes,
# for instance: answer_3 = "a"
### BEGIN SOLUTION
answer_3 = "d"
### END SOLUTION

# %% nbgrader={"grade_id": "check-question-3", "grade": true}
check_question(3)

# %% [markdown]
r"""
## Experiment: wide against deep, trained

Now the networks must learn. The claim to test has two halves. A **wide** network needs many more parameters for the same performance, and it tends to **memorise**: it does well on the samples it was trained with, and badly on new ones. A **deep** network gets by with fewer, because its layers can follow the natural steps of the task, and so it **generalises** better.

**Task 1: shells.** Points in six dimensions belong to class 0 or 1 by their distance from the origin: the innermost ball is class 0, the shell around it class 1, the next shell class 0 again. This task has steps: first the distance, from all six coordinates, then the class, from the distance. There are 600 points to learn from.

**Task 2: digits.** 300 handwritten digits of $8\times8$ pixels, each as a row of 64 numbers.

For each task, one wide network `[inputs, n, outputs]` meets two deep ones of about the same number of parameters, all with ReLU, and all trained in the same way. For the shells there is also a wide one with four times as many. Everything is repeated for eight *seeds* (starting numbers of the random generator): other weights, other samples to learn from.

**Predict first, in writing.** For each task: which network makes the fewest errors on new samples? Which has the larger gap between known and new samples? Can the large wide network catch up?
"""

# %% tags=["explore"]
import numpy as np
from matplotlib.figure import Figure
from pnnlib.data import digits
from pnnlib.explore.figure import show_figure
from pnnlib.networks import mlp
from pnnlib.optim import Adam
from pnnlib.train import accuracy, fit

SEEDS = 8


def shells(n, rng):
    """n points in six dimensions, and whether they lie in the second of three shells."""
    distance = rng.uniform(0, 1, n)
    x = rng.normal(size=(n, 6))
    x *= (1.5 * distance / np.linalg.norm(x, axis=1))[:, None]
    return x.astype(np.float32), (3 * distance).astype(int) % 2


def some_digits(n, rng):
    """n of the digits to learn from, and the test set."""
    chosen = rng.permutation(len(all_digits.x_train))[:n]
    return all_digits.x_train[chosen].reshape(n, 64), all_digits.y_train[chosen]


def learn(layer_sizes, samples, test, seed, epochs):
    """Train a network on these samples; return its share of errors on them and on the test set, in per cent."""
    model = mlp(layer_sizes, rng=seed).astype(np.float32)
    optimizer = Adam(model.parameters(), lr=0.01)
    fit(model, *samples, optimizer, epochs=epochs, batch_size=100, progress=False, rng=seed)
    return [100 - 100 * accuracy(model, *data) for data in (samples, test)]


all_digits = digits(np.float32)
digits_test = all_digits.x_test.reshape(-1, 64), all_digits.y_test
tasks = {
    "shells": ([6, 44, 2], [6, 16, 16, 2], [6, 12, 12, 12, 2], [6, 176, 2]),
    "digits": ([64, 40, 10], [64, 29, 29, 10], [64, 24, 24, 24, 10]),
}
results = {}
for task, networks in tasks.items():
    for layer_sizes in networks:
        errors = []
        for seed in range(SEEDS):
            rng = np.random.default_rng(seed)
            if task == "shells":
                errors.append(learn(layer_sizes, shells(600, rng), shells(1000, rng), seed, epochs=100))
            else:
                errors.append(learn(layer_sizes, some_digits(300, rng), digits_test, seed, epochs=40))
        known, new = np.array(errors).T
        results[task, str(layer_sizes)] = known, new
        parameters = sum((m + 1) * n for m, n in zip(layer_sizes, layer_sizes[1:]))
        print(f"{task}: {str(layer_sizes):20} {parameters:5} parameters, errors on known samples {known.mean():4.1f} %, "
              f"on new ones {new.mean():4.1f} % (from {new.min():.1f} to {new.max():.1f}, "
              f"standard deviation {new.std():.1f})")

figure = Figure(figsize=(9, 3.6), layout="constrained")
for axes, (task, networks) in zip(figure.subplots(1, 2), tasks.items()):
    for place, layer_sizes in enumerate(networks):
        known, new = results[task, str(layer_sizes)]
        axes.plot(np.full(SEEDS, place - 0.12), known, "x", color="C0", label="known samples" if place == 0 else None)
        axes.plot(np.full(SEEDS, place + 0.12), new, "o", color="C1", markerfacecolor="none", label="new samples" if place == 0 else None)
        axes.plot([place - 0.02, place + 0.26], [new.mean()] * 2, color="0.3")
    names = [", ".join(map(str, layer_sizes)) for layer_sizes in networks]
    highest = max(new.max() for (name, _), (_, new) in results.items() if name == task)
    axes.set(title=task, ylabel="errors in per cent", ylim=(-0.05 * highest, 1.3 * highest))
    axes.set(xticks=range(len(networks)), xlim=(-0.5, len(networks) - 0.5))
    axes.set_xticklabels(names, fontsize=8)
    axes.legend(loc="upper right", ncols=2)
means = "; ".join(f"{task} {name}: {new.mean():.1f} per cent" for (task, name), (known, new) in results.items())
show_figure(
    figure,
    alt=f"Two panels, shells and digits. For every network {SEEDS} crosses, its errors on known samples, mostly near 0, "
    f"and {SEEDS} circles above them, its errors on new samples. The means on new samples: {means}.",
    caption="Eight seeds for each network. Crosses: known samples. Circles: new ones; the line is their mean.",
)

# %% [markdown]
r"""
<details><summary>Compare with your prediction</summary>

**Shells: the claim holds, and clearly.** At about 400 parameters, the wide network makes 19.2 per cent errors on new points (standard deviation 1.7 over the seeds), the one with two hidden layers 9.9 (1.6). On the points they had learnt from, the wide one is at 3.2 and the deep one at 0.1. With four times the parameters the wide network knows all its points by heart, and is still at 13.7 (1.0) on new ones. Nothing is left to improve on the known samples, and yet one new point in seven is wrong: that gap is what *memorising* looks like. Note, though, that the larger wide network is better on new points than the small one, not worse. Here more width helps, but far less than one more layer does.

**But deeper was not better still.** With a third hidden layer the errors are 12.9 per cent on average, and less reliable: from 8.6 to 20.2, depending on the seed. Some of these networks did not even learn the known points. More layers are harder to train, and that is the subject of part b.

**Digits: the other way round.** All networks learn the 300 digits nearly without an error. On new ones the wide network is best, 7.2 per cent (1.2), then 10.0 (0.6), then 12.6 (1.4) with three hidden layers. A row of 64 numbers, fully connected, offers depth no steps that it could follow.

</details>

So what to make of the claim? Depth is no charm. It pays if the layers can follow the way the task is built, as with the shells, and if training succeeds. If not, it costs. For images there is a kind of layer that follows the way images are built, from neighbouring pixels upwards; that is the convolutional layer of part d. And one more warning: these are small networks and two tasks. Eight seeds tell you how much *chance* is in a number, not how it would be with other sizes or learning rates. Change them and see.
"""

# %% [markdown]
r"""
## A hierarchy of representations

What could the "natural steps" of a task be, outside of a laboratory? Many things in the world are made of parts, which are made of parts. A deep network can follow: each layer builds its features from those of the layer before, a little more abstract each time.

| task | from the smallest to the largest |
|---|---|
| recognising images | pixel → edge → contour, texture → part → object |
| recognising text | character → word → clause → sentence → story |
| recognising speech | sound → phone → phoneme → word → clause → sentence |

The gain is that parts are *shared*. An edge is useful to nearly all objects, and needs to be learnt once. A shallow network has to go from pixels to objects in one step, and must find each combination for itself.

Let us look into a network that has learnt. It is a small convolutional one, the subject of parts d and e: its first layers don't connect every pixel with every neuron but slide small masks of weights over the image. Here you only need to know that each mask makes one map, and that the map is bright where the mask found what it looks for. Behind the masks stands a *normalisation*, which shifts and scales each map; part c explains it.

**Guess first.** What will the masks of the first layer look like? And what happens, from layer to layer, to maps of one digit?
"""

# %% tags=["explore"]
import numpy as np
from matplotlib.figure import Figure
from pnnlib.data import digits
from pnnlib.explore.figure import show_figure
from pnnlib.networks import digits_cnn
from pnnlib.optim import Adam
from pnnlib.train import accuracy, fit

data = digits(np.float32)


def fresh(seed):
    """The course's network for digits, with random weights."""
    model = digits_cnn(rng=seed).astype(np.float32)
    model.train()
    model(data.x_train[:800])  # so that its normalisation knows the data
    model.eval()
    return model


def trained(seed):
    """The same network after two rounds through 800 digits."""
    model = fresh(seed)
    optimizer = Adam(model.parameters(), lr=0.01)
    fit(model, data.x_train[:800], data.y_train[:800], optimizer, epochs=2, progress=False, rng=seed)
    return model


untrained, models = [fresh(seed) for seed in range(3)], [trained(seed) for seed in range(3)]
print("right on new digits:", ", ".join(f"{accuracy(model, data.x_test, data.y_test):.1%}" for model in models))

model, digit = models[0], data.x_test[3:4]
first = model[:3](digit)[0]  # after the first layer, its normalisation and ReLU
second = model[3:6](model[:3](digit))[0]
masks, before = model[0].weight.data[:, 0], untrained[0][0].weight.data[:, 0]
alike = [float((a * b).sum() / np.linalg.norm(a) / np.linalg.norm(b)) for a, b in zip(masks, before)]
print(f"cosine between each mask and its random start: {np.mean(alike):.2f} on average, "
      f"from {min(alike):.2f} to {max(alike):.2f}")

figure = Figure(figsize=(9, 4), layout="constrained")
rows = figure.subfigures(3, 1)
rows[0].suptitle("8 of the 16 masks of the first layer", fontsize=10)
for axes, mask in zip(rows[0].subplots(1, 9), [None, *masks[:8]]):
    axes.set(xticks=[], yticks=[])
    if mask is None:
        axes.axis("off")
        continue
    axes.imshow(mask, cmap="RdBu", vmin=-abs(masks).max(), vmax=abs(masks).max())
    for (k, l), weight in np.ndenumerate(mask):
        axes.text(l, k, "+" if weight > 0 else "−", ha="center", va="center", fontsize=8)
titles = ("the digit, and below each mask the map it makes (after normalisation and ReLU)",
          "the digit, and 8 of its 32 maps after the second layer")
for row, title, maps in zip(rows[1:], titles, (first, second)):
    row.suptitle(title, fontsize=10)
    for axes, picture in zip(row.subplots(1, 9), [digit[0, 0], *maps[:8]]):
        axes.imshow(picture, cmap="gray", vmin=0, vmax=max(float(picture.max()), 1e-6))
        axes.set(xticks=[], yticks=[])
share = [float((maps > 0.25 * maps.max()).mean()) for maps in (first, second)]
print(f"brighter than a quarter of the brightest: {share[0]:.0%} of the pixels after the first layer, "
      f"{share[1]:.0%} after the second")
show_figure(
    figure,
    alt=f"Above, eight masks of 3 by 3 weights, positive and negative ones mixed, two of them with one sign above or on "
    f"the left and the other below or on the right. In the middle a handwritten {data.y_test[3]} and eight maps of it "
    f"after the first layer, in most of which its strokes can still be made out. Below, eight maps after the second "
    f"layer, with fewer and smaller bright spots. Brighter than a quarter of the brightest: {share[0]:.0%} of the pixels "
    f"after the first layer, {share[1]:.0%} after the second.",
    caption="From pixels to strokes and their edges, and on to small combinations of them.",
)

# %% [markdown]
r"""
Look from top to bottom. The first layer's maps still show the 3, each in its own way. The fourth mask has its plus signs at the upper left and its minus signs at the lower right; it answers where ink ends on the right, and its map shows right-hand edges. The fifth answers where ink ends below. The seventh is nearly all minus, and is bright where there is *no* ink. In the second layer's maps the digit is hard to recognise. What is left are fewer and smaller bright spots (the share of bright pixels falls from 20 to 10 per cent), at places where some *combination* of strokes was found.

Now be strict with the picture. In books one sees beautiful edge detectors at this place. Ours are rough, and the number printed above tells why: after this little training, the masks still point in nearly the same direction as at their random start (cosine 0.95; 1 would be no change). Among random masks of $3\times3$ some happen to answer to edges, and that was good enough to build on. So the picture alone doesn't prove that a hierarchy was *learnt*.

**Predict first.** Here is a test that does better. After each layer, take for each digit class the mean of all its maps. Then assign each new digit to the nearest mean. If layers become more abstract, this simple rule should get better from layer to layer: the same class comes to lie together, whatever the handwriting. What do you expect for a network with random weights, and for a trained one?
"""

# %% tags=["explore"]
import numpy as np

# the networks and the data are those of the cell above
def readable(model, end):
    """The share of new digits whose nearest class mean, after so many layers, is that of their own class."""
    known, new = data.x_train[:800], data.x_test
    if end:
        known, new = model[:end](known), model[:end](new)
    known, new = known.reshape(len(known), -1), new.reshape(len(new), -1)
    means = np.array([known[data.y_train[:800] == c].mean(axis=0) for c in range(10)])
    nearest = ((new[:, None] - means) ** 2).sum(axis=2).argmin(axis=1)
    return (nearest == data.y_test).mean()

steps = {"pixels": 0, "first layer": 3, "second layer": 6, "its maximum over 2 by 2 pixels": 7, "fully connected layer": 10}
for name, end in steps.items():
    before, after = ([readable(model, end) for model in group] for group in (untrained, models))
    print(f"{name:31} random weights {np.mean(before):.1%} (from {min(before):.1%} to {max(before):.1%}),  "
          f"trained {np.mean(after):.1%} (from {min(after):.1%} to {max(after):.1%})")

# %% [markdown]
r"""
With random weights the digits become *harder* to tell apart by this rule on their way through the layers, if not at every step: 89.7 per cent on the pixels, 81.4 at the end. In the trained networks each layer makes it easier, up to 95.2. The steps are small, on an easy task, but all three networks agree on the direction. That is the hierarchy at work: each layer takes what the one below has found, and brings it closer to what the task asks for.
"""

# %% [markdown]
r"""
## Recurrent networks are deep, too

So far the input was there all at once. A sentence or a tune comes bit by bit: $\mathbf{x}$ changes over time, and what came before matters. A **recurrent network** has a memory for this. In the **simple recurrent network**, the output of every hidden neuron is fed back, as an additional input, at the next time step:

$$\mathbf{h}_t = \tanh(W_{xh}\,\mathbf{x}_t + W_{hh}\,\mathbf{h}_{t-1} + \mathbf{b}), \qquad t = 1, \dots, T .$$

$\mathbf{h}_t$ is called the **state**. $W_{xh}$ weighs what comes in, $W_{hh}$ weighs what the hidden neurons themselves said a step ago. $\mathbf{h}_0$ is the state before the first step, often zero.

**Guess first.** The network reads 50 characters. How many weight matrices does it have: 2, 50 or 100?

Two. They are the same at every step, which is why the network can read sequences of any length.

### Exercise 5 · rnn_forward

about 15 minutes · difficulty 2 of 5 · importance 5 of 5 · 3 points

Return all states, one row for each step. (`x[0]` is the lecture's $\mathbf{x}_1$, as Python counts from 0, and the first row is $\mathbf{h}_1$.) Make a new array at each step: a row that you write over again and again ends up as the last state everywhere.
"""

# %% nbgrader={"grade_id": "rnn_forward", "solution": true}
def rnn_forward(x, h0, w_xh, w_hh, b):
    """Run a simple recurrent network over one sequence.

    Arguments: x (T, n), an input for every step; h0 (m,), the state before the
    first step; w_xh (m, n), w_hh (m, m) and b (m,).
    Result: an array (T, m), the state after every step; no argument is changed.

    Example: one neuron, no bias. tanh(1), then tanh(0.5·tanh(1)).
    >>> rnn_forward(np.array([[1.0], [0.0]]), np.zeros(1), np.eye(1), np.eye(1) / 2, np.zeros(1)).round(4)
    array([[0.7616],
           [0.3634]])
    """
    ### BEGIN SOLUTION
    states = []
    h = h0
    for x_t in x:
        h = np.tanh(w_xh @ x_t + w_hh @ h + b)
        states.append(h)
    return np.array(states)
    ### END SOLUTION

# %% nbgrader={"grade_id": "check-rnn_forward", "grade": true}
check(rnn_forward)

# %% [markdown]
r"""
> **Convention card: the simple recurrent network**
>
> | | |
> |---|---|
> | **The lecture says** | Each hidden neuron's output comes back as an additional input at the next step. |
> | **PyTorch does** | `torch.nn.RNN` has two biases, `bias_ih` and `bias_hh`, which are always added. Its weights are called `weight_ih_l0` and `weight_hh_l0`, for "input to hidden" and "hidden to hidden" of layer 0. |
> | **Ours** | One bias, `b`. `w_xh` and `w_hh` have PyTorch's shapes. One sequence at a time. |
> | **The checks accept** | Loops or matrix products, arrays or lists. |

**The same numbers in PyTorch.** Set its second bias to 0.
"""

# %% tags=["explore"]
import numpy as np
import torch
from pnnlib.bridge import compare

def in_torch(x, h0, w_xh, w_hh, b):
    rnn = torch.nn.RNN(x.shape[1], h0.shape[0], dtype=torch.float64)
    rnn.load_state_dict({"weight_ih_l0": w_xh, "weight_hh_l0": w_hh, "bias_ih_l0": b, "bias_hh_l0": 0 * b})
    return rnn(x, h0[None])[0]

rng = np.random.default_rng(0)
T, n, m = 20, 3, 5
numbers = rng.normal(size=(T, n)), rng.normal(size=m), rng.normal(size=(m, n)), rng.normal(size=(m, m)), rng.normal(size=m)
print(compare(rnn_forward, in_torch, *numbers))

# %% [markdown]
r"""
## Unfolding

Now draw the network anew for each time step, side by side. The state of step 1 goes, as an input, into the network of step 2, and so on. The loop is gone. What you see is a network with **one layer for each time step**, through which the state travels from left to right.
"""

# %% tags=["explore"]
import numpy as np
from matplotlib.figure import Figure
from pnnlib.explore.figure import show_figure

figure = Figure(figsize=(9, 3), layout="constrained")
left, right = figure.subplots(1, 2, width_ratios=[1, 3])


def neurons(axes, x, y, text):
    axes.text(x, y, text, ha="center", va="center", bbox={"boxstyle": "circle,pad=0.3", "facecolor": "white"}, zorder=2)


def arrow(axes, start, end, text, place, **more):
    axes.annotate("", end, start, arrowprops={"arrowstyle": "->", "shrinkA": 16, "shrinkB": 16, **more})
    axes.text(*place, text, ha="center", va="center")


neurons(left, 0, 1, "$h_t$")
neurons(left, 0, 0, "$x_t$")
arrow(left, (0, 0), (0, 1), "$W_{xh}$", (-0.3, 0.5))
angle = np.linspace(2.5, -2.4, 60)
left.plot(0.38 + 0.26 * np.cos(angle), 1 + 0.16 * np.sin(angle), color="black", linewidth=1)
left.annotate("", (0.13, 0.94), (0.22, 0.873), arrowprops={"arrowstyle": "->", "shrinkA": 0, "shrinkB": 0})
left.text(0.9, 1.0, "$W_{hh}$", ha="center", va="center")
left.set(xlim=(-0.8, 1.2), ylim=(-0.4, 1.5), title="folded")
for t in range(5):
    neurons(right, t, 1, f"$h_{t}$")
    if t:
        neurons(right, t, 0, f"$x_{t}$")
        arrow(right, (t, 0), (t, 1), "$W_{xh}$", (t - 0.22, 0.5))
        arrow(right, (t - 1, 1), (t, 1), "$W_{hh}$", (t - 0.5, 1.18))
right.set(xlim=(-0.4, 4.4), ylim=(-0.4, 1.5), title="unfolded over four time steps: four layers, one behind the other")
for axes in (left, right):
    axes.axis("off")
show_figure(
    figure,
    alt="Left, the folded network: an arrow with the weights W_xh from the input x_t up to the state h_t, and an arrow "
    "with W_hh from h_t back to itself. Right, the unfolded network: the states h_0 to h_4 in a row, an arrow with W_hh from each "
    "to the next, and below each of h_1 to h_4 its input x_1 to x_4 with an arrow W_xh upwards.",
    caption="The same weights stand at every arrow of a kind.",
)

# %% [markdown]
r"""
Look at one layer of the unfolded network. Its input is the state before, its weight matrix is $W_{hh}$. What about $\mathbf{x}_t$? The sequence is given, so $W_{xh}\mathbf{x}_t$ is just a vector of known numbers that is added. We can count it as part of the bias:

$$\mathbf{h}_t = \tanh\big(\underbrace{W_{hh}}_{\text{weight}}\,\mathbf{h}_{t-1} + \underbrace{W_{xh}\,\mathbf{x}_t + \mathbf{b}}_{\text{bias of layer } t}\big) .$$

This is exactly a layer of the kind that `mlp_forward` computes. All layers have the same weight, and each has a bias of its own.

### Exercise 6 · unfold

about 10 minutes · difficulty 2 of 5 · importance 4 of 5 · 1.5 points

Return the unfolded network as a list of $T$ pairs `(weight, bias)`. (`h0` is handed in because it belongs to the network. Do you need it?)
"""

# %% nbgrader={"grade_id": "unfold", "solution": true}
def unfold(h0, x, w_xh, w_hh, b):
    """Unfold a simple recurrent network into feed-forward layers.

    Arguments: h0 (m,), the state before the first step; x (T, n), the sequence;
    w_xh (m, n), w_hh (m, m) and b (m,).
    Result: a list of T pairs (weight, bias), weight (m, m) and bias (m,), such
    that h_t = tanh(weight @ h_{t-1} + bias) for the pair of step t.

    Example: one neuron, two steps.
    >>> unfold(np.zeros(1), np.array([[1.0], [3.0]]), np.array([[10.0]]), np.array([[0.5]]), np.array([2.0]))
    [(array([[0.5]]), array([12.])), (array([[0.5]]), array([32.]))]
    """
    ### BEGIN SOLUTION
    layers = []
    for x_t in x:
        layers.append((w_hh, w_xh @ x_t + b))
    return layers
    ### END SOLUTION

# %% nbgrader={"grade_id": "check-unfold", "grade": true}
check(unfold)

# %% [markdown]
r"""
Is the unfolded network really the same? PyTorch has no such function, so let us test it against your own two. Hand the layers to *your* `mlp_forward`, with the first state as its input, and compare with *your* `rnn_forward`. In exact arithmetic they must agree. On a computer the order of the additions makes a difference in the last digit: `mlp_forward` multiplies rows, `rnn_forward` columns. The last line therefore lets both add in the same order, and then not a single bit may differ.
"""

# %% tags=["explore"]
import numpy as np

rng = np.random.default_rng(1)
T, n, m = 50, 3, 8
x, h0 = rng.normal(size=(T, n)), rng.normal(size=m)
w_xh, w_hh, b = rng.normal(size=(m, n)), rng.normal(size=(m, m)) / np.sqrt(m), rng.normal(size=m)

layers = unfold(h0, x, w_xh, w_hh, b)
weights, biases = [weight for weight, _ in layers], [bias for _, bias in layers]
deep = mlp_forward(h0[None], weights, biases, np.tanh)[0]
recurrent = rnn_forward(x, h0, w_xh, w_hh, b)[-1]
print("layers of the unfolded network, its input counted:", len(layers) + 1)
print("largest difference after 50 steps, by mlp_forward and rnn_forward:", abs(deep - recurrent).max())

h = g = h0
for (weight, bias), x_t in zip(layers, x):
    h = np.tanh(weight @ h + bias)  # a layer of the deep network
    g = np.tanh(w_hh @ g + (w_xh @ x_t + b))  # a step of the recurrent network
print("the same to the last bit, if both add in the same order:", np.array_equal(h, g))

# %% [markdown]
r"""
So this is no comparison: a recurrent network that reads 50 inputs **is** a deep network with 50 layers behind its input. (Strictly, it is one whose layers share their weights.) Whoever wants to train recurrent networks on long sequences must be able to train very deep networks. That is a second reason for what comes in parts b and c.

### Question 4

about 4 minutes · difficulty 2 of 5 · importance 4 of 5 · 1 point

A simple recurrent network with 3 inputs and 20 hidden neurons reads a sequence of 100 time steps, and is unfolded. Which statement is true?

- **a)** The unfolded network has 100 layers behind its first state, each with its own $W_{hh}$. Training it means learning 100 times as many parameters.
- **b)** The network has one hidden layer, so it is shallow, however long the sequence is.
- **c)** The unfolded network has 100 layers behind its first state, which share 480 parameters.
- **d)** The unfolded network has 20 layers, one for each hidden neuron, of 100 neurons each.
"""

# %% nbgrader={"grade_id": "question-4", "solution": true}
# Assign one letter, in quotes,
# for instance: answer_4 = "a"
### BEGIN SOLUTION
answer_4 = "c"
### END SOLUTION

# %% nbgrader={"grade_id": "check-question-4", "grade": true}
check_question(4)

# %% [markdown]
r"""
## Back through time

A recurrent network is trained by **unfolding it and using backpropagation on the unfolded network**. The name for it is *backpropagation through time*.

**Guess first.** The loss looks at the last state only. Which steps' inputs have a part in the gradient of $W_{xh}$: only the last, or all?

All, because the same weights were used at every step, and each use had its effect on the last state. So we go back, layer by layer. The *loss* is the number that says how wrong the network is. Its *gradient* for a quantity is the array of its partial derivatives, in the shape of that quantity. We write $d\mathbf{h}$ for the gradient at the last state, $dW_{xh}$ for that of $W_{xh}$, and so on; these are not differentials. Let $\mathbf{g}_t$ be the gradient at the state $\mathbf{h}_t$; at the end it is given, $\mathbf{g}_T = d\mathbf{h}$. For $t = T, T-1, \dots, 1$:

$$\boldsymbol\delta_t = \mathbf{g}_t \odot (1 - \mathbf{h}_t^2), \qquad \mathbf{g}_{t-1} = W_{hh}^{\mathsf T}\,\boldsymbol\delta_t .$$

The first is the step back through tanh, whose derivative is $1 - \tanh^2$, number by number (that is what $\odot$ says). The second is the step back through the weights. $\boldsymbol\delta_t$ is the gradient at the net input of step $t$. Each step owes its part to the shared weights, and the parts are **added up**:

$$dW_{xh} = \sum_t \boldsymbol\delta_t\,\mathbf{x}_t^{\mathsf T}, \qquad
dW_{hh} = \sum_t \boldsymbol\delta_t\,\mathbf{h}_{t-1}^{\mathsf T}, \qquad
d\mathbf{b} = \sum_t \boldsymbol\delta_t .$$

Mind the index: $W_{hh}$ met the state *before*, $\mathbf{h}_{t-1}$, and at the first step that is $\mathbf{h}_0$.

### By hand, as in an exam

One neuron: $w_{xh} = 1$, $w_{hh} = 0.5$, $b = 0$, $h_0 = 0$, the inputs $1, 0, 1$, and $dh = 1$ at the last state.

Forwards:

| $t$ | $w_{xh}x_t$ | $w_{hh}h_{t-1}$ | net | $h_t = \tanh(\text{net})$ | $1 - h_t^2$ |
|---|---|---|---|---|---|
| 1 | $1$ | $0.5\cdot 0 = 0$ | $1$ | $0.7616$ | $0.4200$ |
| 2 | $0$ | $0.5\cdot 0.7616 = 0.3808$ | $0.3808$ | $0.3634$ | $0.8679$ |
| 3 | $1$ | $0.5\cdot 0.3634 = 0.1817$ | $1.1817$ | $0.8280$ | $0.3144$ |

Backwards, from the last step to the first:

| $t$ | $g_t$ | $\delta_t = g_t(1 - h_t^2)$ | for $w_{xh}$: $\delta_t x_t$ | for $w_{hh}$: $\delta_t h_{t-1}$ | $g_{t-1} = 0.5\,\delta_t$ |
|---|---|---|---|---|---|
| 3 | $1$ | $0.3144$ | $0.3144$ | $0.3144\cdot 0.3634 = 0.1143$ | $0.1572$ |
| 2 | $0.1572$ | $0.1365$ | $0$ | $0.1365\cdot 0.7616 = 0.1039$ | $0.0682$ |
| 1 | $0.0682$ | $0.0287$ | $0.0287$ | $0.0287\cdot 0 = 0$ | |
| sum | | $db = 0.4795$ | $dw_{xh} = 0.3431$ | $dw_{hh} = 0.2182$ | |

(The table was computed with all digits and rounded for printing, so with four decimals your last digit may differ.) See how $\delta$ shrinks: $0.3144$, $0.1365$, $0.0287$. Each step back multiplies it by 0.5 and by a derivative below 1.
"""

# %% [markdown]
r"""
### Question 5

about 15 minutes · difficulty 3 of 5 · importance 4 of 5 · 1 point

Now alone. One neuron: $w_{xh} = 1$, $w_{hh} = 0.5$, $b = -0.25$, $h_0 = 0.5$, two inputs $x_1 = 0.5$ and $x_2 = 1$, and $dh = 2$ at the last state. Carry five decimals along; three digits of each answer are compared. You may use `np.tanh` as a pocket calculator.

Give five numbers: $h_1$, $h_2$, and the gradients of $w_{xh}$, $w_{hh}$ and $b$.
"""

# %% nbgrader={"grade_id": "question-5", "solution": true}
### BEGIN SOLUTION
answer_5 = [0.4621, 0.7535, 1.0344, 0.5694, 1.2043]
### END SOLUTION

# %% nbgrader={"grade_id": "check-question-5", "grade": true}
check_question(5, numbers=5)

# %% [markdown]
r"""
### Exercise 7 · bptt

about 25 minutes · difficulty 4 of 5 · importance 4 of 5 · 3 points

Now for any number of neurons and steps. The states `h` are handed in, as the forward pass has computed them (`h[0]` is $\mathbf{h}_1$). Keep one vector that travels back, and add into the three gradients at each step. `np.outer(delta, x_t)` is $\boldsymbol\delta\,\mathbf{x}_t^{\mathsf T}$. And test your loop on the example above.
"""

# %% nbgrader={"grade_id": "bptt", "solution": true}
def bptt(dh, x, h, h0, w_xh, w_hh):
    """Send a gradient back through time, from the last state of a simple recurrent network.

    Arguments: dh (m,), the gradient of the loss at the last state; x (T, n), the
    inputs; h (T, m), the states after every step; h0 (m,), the state before the
    first; w_xh (m, n) and w_hh (m, m).
    Result: (dw_xh, dw_hh, db), the gradients of the weights and of the bias,
    summed over all steps; no argument is changed.

    Example: one neuron, one step, from h0 = 0.5 to h = 0. There tanh has slope 1.
    >>> bptt(np.array([3.0]), np.array([[2.0]]), np.array([[0.0]]), np.array([0.5]), np.eye(1), np.eye(1))
    (array([[6.]]), array([[1.5]]), array([3.]))
    """
    ### BEGIN SOLUTION
    dw_xh, dw_hh, db = np.zeros(w_xh.shape), np.zeros(w_hh.shape), np.zeros(len(h0))
    gradient = dh
    for t in reversed(range(len(x))):
        before = h[t - 1] if t > 0 else h0
        delta = gradient * (1 - h[t] ** 2)
        dw_xh += np.outer(delta, x[t])
        dw_hh += np.outer(delta, before)
        db += delta
        gradient = w_hh.T @ delta
    return dw_xh, dw_hh, db
    ### END SOLUTION

# %% nbgrader={"grade_id": "check-bptt", "grade": true}
check(bptt)

# %% [markdown]
r"""
**The same numbers in PyTorch.** Its autograd remembers every step of the forward pass, and goes back through them by itself. `compare` starts both from the same random gradient at the last state.
"""

# %% tags=["explore"]
import numpy as np
import torch
from pnnlib.bridge import compare

rng = np.random.default_rng(0)
T, n, m = 20, 3, 5
x, h0 = rng.normal(size=(T, n)), rng.normal(size=m)
numbers = rng.normal(size=(m, n)), rng.normal(size=(m, m)) / 2, rng.normal(size=m)

def last_state(w_xh, w_hh, b):
    return rnn_forward(x, h0, w_xh, w_hh, b)[-1]

def last_state_backward(dh, w_xh, w_hh, b):
    return bptt(dh, x, rnn_forward(x, h0, w_xh, w_hh, b), h0, w_xh, w_hh)

def in_torch(w_xh, w_hh, b):
    h = torch.tensor(h0)
    for x_t in torch.tensor(x):
        h = torch.tanh(w_xh @ x_t + w_hh @ h + b)
    return h

print(compare(last_state, in_torch, *numbers, backward=last_state_backward))

# %% [markdown]
r"""
**What goes wrong in practice.**

- *`=` for `+=`.* Then only one step's part is left.
- *`h[t - 1]` at $t = 0$.* In Python that is `h[-1]`, the last state. No error, a wrong gradient.
- *Derivative of the wrong thing.* $1 - h^2$ already uses the output $h$. $1 - \tanh(h)^2$ applies tanh twice.
- *Memory.* The states of all steps must be kept for the way back. For very long sequences people stop going back after some number of steps ("truncated").

## Experiment: a gradient on its way through 50 steps

The gradient that arrives at step $t$ has been through $W_{hh}$ and through the slope of tanh once for each step after it. Let us see how much of it is left.

**Predict first.** A network of 16 neurons reads 50 random inputs. At the last state, a gradient of length 1 sets out. How long is it when it arrives at the first step: about 1, a thousandth, or less? Does it matter how large the weights in $W_{hh}$ are? Here they are drawn from a normal distribution with standard deviation $s/\sqrt{16}$, for three values of $s$, and with 20 seeds each.
"""

# %% tags=["explore"]
import numpy as np
from matplotlib.figure import Figure
from pnnlib.explore.figure import show_figure


def lengths_on_the_way_back(scale, seed, T=50, n=4, m=16):
    """The length of the gradient at the states h_T, …, h_0, for weights of this scale."""
    rng = np.random.default_rng(seed)
    w_xh, w_hh = rng.normal(0, 0.1, (m, n)), rng.normal(0, scale / np.sqrt(m), (m, m))
    h = rnn_forward(rng.normal(size=(T, n)), np.zeros(m), w_xh, w_hh, np.zeros(m))
    gradient = rng.normal(size=m)
    gradient /= np.linalg.norm(gradient)
    lengths = [1.0]
    for t in reversed(range(T)):
        gradient = w_hh.T @ (gradient * (1 - h[t] ** 2))
        lengths.append(np.linalg.norm(gradient))
    return lengths


figure = Figure(figsize=(8, 4), layout="constrained")
axes = figure.subplots()
words = []
for scale, style in ((0.5, ":"), (1.0, "--"), (2.0, "-")):
    lengths = np.array([lengths_on_the_way_back(scale, seed) for seed in range(20)])
    middle = np.median(lengths, axis=0)
    axes.semilogy(middle, style, label=f"s = {scale:g}")
    axes.fill_between(range(51), lengths.min(axis=0), lengths.max(axis=0), alpha=0.2)
    last = lengths[:, -1]
    words.append(f"s = {scale:g}: {np.median(last):.1g} after 50 steps (from {last.min():.1g} to {last.max():.1g})")
print("\n".join(words))
axes.set(xlabel="steps back", ylabel="length of the gradient", title="How much of a gradient arrives")
axes.legend()
show_figure(
    figure,
    alt="Three curves over the number of steps back, on a logarithmic axis, each the median of 20 networks within a "
    "band from the smallest to the largest. The lengths: " + "; ".join(words) + ".",
    caption="Lines: the median of 20 networks. Bands: from the smallest to the largest.",
)

# %% [markdown]
r"""
<details><summary>Compare with your prediction</summary>

It depends on the weights, enormously. With $s = 0.5$ about $10^{-15}$ of the gradient is left after 50 steps, so the first inputs might as well not exist. With $s = 1$ it is a few thousandths, and between single networks it differs by a factor of thousands. With $s = 2$ the median has grown, to about 30; single networks lie anywhere between 0.03 and 20 000.

</details>

On a logarithmic axis the lines are more or less straight: each step back multiplies the length by about the same number. A bit less than 1, fifty times, is almost nothing. A bit more than 1, fifty times, is huge. This is the problem of **vanishing and exploding gradients**, and it is not special to recurrent networks. It can befall every deep network.
"""

# %% [markdown]
r"""
## Summary

A deep network has more than three layers, the input's counted. Three layers are enough in theory; more can be cheaper, where the task is made of steps or of parts. A recurrent network that reads a long sequence is a very deep one, whether one likes it or not.

| idea | formula | your function | PyTorch |
|---|---|---|---|
| deep | more than 3 layers, input counted | `is_deep` | none |
| parameters | $\sum (m + 1)\,n$ over neighbouring layers | `count_parameters` | `sum(p.numel() for p in net.parameters())` |
| forward pass | $\mathbf{y}_{i+1} = \varphi(W_i\mathbf{y}_i + \mathbf{b}_i)$ | `mlp_forward` | `torch.nn.Linear`, then φ |
| straight pieces | width: at most $n + 1$; folds: $2^k$ | `count_linear_pieces` | none |
| recurrent network | $\mathbf{h}_t = \tanh(W_{xh}\mathbf{x}_t + W_{hh}\mathbf{h}_{t-1} + \mathbf{b})$ | `rnn_forward` | `torch.nn.RNN` |
| unfolding | weight $W_{hh}$, bias $W_{xh}\mathbf{x}_t + \mathbf{b}$ | `unfold` | none |
| back through time | $\boldsymbol\delta_t = \mathbf{g}_t\odot(1 - \mathbf{h}_t^2)$, $\;\mathbf{g}_{t-1} = W_{hh}^{\mathsf T}\boldsymbol\delta_t$, sums | `bptt` | `h[-1].backward(dh)` |
"""

# %% [markdown]
r"""
## Questions to think about

**1.** A network without φ, `[10, 50, 50, 2]`, is trained. Which network with fewer parameters can do exactly the same?

<details><summary>Answer</summary>

`[10, 2]` without φ: three weighted sums in a row are one. It has 22 parameters, where the large one has 3202. (This works because the layers between are at least as wide as the output: `[10, 1, 2]` can do *less* than `[10, 2]`.)

</details>

**2.** Eight folds make 256 pieces with 49 parameters. Can such a network approximate *any* function with 256 pieces?

<details><summary>Answer</summary>

No. The 256 slopes and corners would need some hundreds of numbers that can be chosen freely, and it has 49. What it draws must repeat itself. Depth is cheap where the function has a structure that layers can share, and only there.

</details>

**3.** In the shells task, why might a second hidden layer help?

<details><summary>Answer</summary>

The class depends on one number only, the distance from the origin, and that is a smooth sum over the coordinates. A first layer can approximate the parts of this sum, and the second can cut it into shells. A single hidden layer must build the shells in six dimensions at once, out of half-spaces. This is an explanation that fits the result; the experiment alone does not prove it.

</details>

**4.** Two networks read the same 1000 characters. One has $W_{hh}$ of scale 0.5, the other 2. Which will learn that the first character decides the class?

<details><summary>Answer</summary>

Most likely neither. In the first, the gradient from the end has vanished long before it reaches the first character. In the second it arrives huge, or in random directions, so that a step along it leads anywhere. Parts b and c are about just this.

</details>
"""

# %% [markdown]
r"""
## What to hand in

Hand in this notebook, one file, with your seven functions and your five answers. Before you do:

1. Choose *Restart kernel and run all cells*. What works only because of an old cell will not work for us either.
2. Look at every check. A ✓ means that your function agrees with PyTorch on the public cases. It will be marked on other numbers of the same kind.
3. Keep the names of the functions, and leave the check cells where they are.

Something is unfinished? Hand it in all the same. Each exercise earns its own points, and those for the ordinary cases count even if a rare one fails.

You have seen gradients fade within 50 steps. The next part, part b, asks why that happens in deep networks of any kind, and measures what it does to the layers. Part c shows what helps.
"""
