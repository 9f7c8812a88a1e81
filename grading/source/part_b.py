# ---
# jupyter:
#   course: {notebook: part_b_gradients, assignment: part_b}
#   jupytext: {text_representation: {extension: .py, format_name: percent}}
#   kernelspec: {display_name: Python 3 (ipykernel), language: python, name: python3}
# ---

# %% [markdown]
r"""
# Part b · Vanishing and exploding gradients

Part a gave good reasons to build deep networks. This part shows why that does not simply work. You will follow an error on its way back through a network, see what becomes of it, and measure what that does to learning.

**You will be able to**

- work out by hand how backpropagation changes the weights of a deep chain of neurons, and program it for any depth;
- name the factor by which an error is multiplied from layer to layer, and say what makes it small or large;
- say after how many layers an error has vanished;
- measure the gradients in a real deep network, and recognise vanishing and exploding gradients by what they do to learning;
- name the remedies, and say where each of them acts.

**You need** NumPy arrays, the chain rule, and from the lecture: net input, activation function, gradient descent. No PyTorch; the notebook shows what you need of it.

**Time:** about 3 hours. It needn't be one sitting. Seven exercises and five questions give 20 points. Each says how long it takes, how hard it is and how much it matters.

**How to use it**

1. Run the cells from the top, one after the other, with Shift+Enter.
2. Where it says *guess first*, do guess. Write it down. A wrong guess helps you more than a quick look.
3. In an exercise, replace `raise NotImplementedError` with your code and run the check below it. The check tells you what is wrong, not just that something is. Try as often as you like.
4. Two questions are calculations by hand. Type your numbers in. A pocket calculator will do, and so will Python as one.
5. Use NumPy only in your answers. The cells with figures and with PyTorch are for exploring. They are never marked, and you may change anything in them.

New to this kind of notebook? Begin with [Start here](start_here.ipynb).
"""

# %%
import math
import numpy as np
from pnnlib.exercises import check, check_question

# %% [markdown]
r"""
## The simplest deep network

**Guess first.** A message is whispered from one person to the next, and each of them passes on only a quarter of what was said. After five people, how much is left: about a fifth, a twentieth, a hundredth, a thousandth?

About a thousandth: $0.25^5 = 0.00098$. Keep that in mind. It is all that goes wrong in this notebook, in many forms.

To see what happens in a deep network, take one that has depth and nothing else: **one neuron per layer**, no biases. Neuron 1 is the input. Each further neuron multiplies what it gets by one weight and applies the activation function:

$$y_1 = x, \qquad \text{net}_j = w_{ji}\,y_i, \qquad y_j = \varphi(\text{net}_j) \qquad\text{with } i = j - 1 .$$

The weight $w_{54}$ leads *to* neuron 5 *from* neuron 4. Only the last neuron has a target $t$, and the cost is $J = \tfrac12 (t - y_5)^2$.
"""

# %% tags=["explore"]
from matplotlib.figure import Figure
from pnnlib.explore.figure import show_figure

figure = Figure(figsize=(8, 1.9), layout="constrained")
axes = figure.subplots()
for j in range(1, 6):
    axes.plot(j, 0, "o", markersize=34, markerfacecolor="white", markeredgecolor="black")
    axes.text(j, 0, f"$y_{j}$", ha="center", va="center", fontsize=13)
    if j < 5:
        axes.annotate("", (j + 0.72, 0), (j + 0.27, 0), arrowprops={"arrowstyle": "->"})
        axes.text(j + 0.5, 0.2, f"$w_{{{j + 1}{j}}}$", ha="center", fontsize=13)
axes.annotate("the signal goes forward", (3.9, 0.85), (2.1, 0.85), va="center", arrowprops={"arrowstyle": "->"})
axes.annotate("the error comes back", (2.1, -0.75), (3.9, -0.75), va="center", ha="center",
              arrowprops={"arrowstyle": "->", "linestyle": "--"})
axes.text(0.62, 0, "$x$", fontsize=13, va="center", ha="right")
axes.text(5.4, 0, "$t - y_5$", fontsize=13, va="center")
axes.set(xlim=(0.3, 6), ylim=(-1.1, 1.2))
axes.axis("off")
show_figure(
    figure,
    alt="Five circles in a row, y1 to y5, joined by four arrows with the weights w21, w32, w43 and w54. x enters at "
    "y1. At y5 stands the error t minus y5. The signal goes from left to right, the error from right to left.",
    caption="One neuron per layer: five layers, four weights.",
)

# %% [markdown]
r"""
## By hand: three changes

How should $w_{54}$ change, so that the cost falls? Go down the slope, $\Delta w = -\eta\, \partial J/\partial w$. The chain rule walks from the cost to the weight. From $J$ to $y_5$ it picks up $-(t - y_5)$, from $y_5$ to its net input the slope $\varphi'(w_{54}y_4)$, and from the net input to the weight the number that the weight multiplies, $y_4$. The two minus signs cancel:

$$\Delta w_{54} = \eta\,(t - y_5)\;\varphi'(w_{54}\,y_4)\;y_4 .$$

**Guess first.** For $w_{43}$ the walk is longer by one neuron. Which two things come in on the way past neuron 5?

Its slope, which was there before. And, since the walk now goes on to $y_4$ and not to the weight, the weight $w_{54}$:

$$\Delta w_{43} = \eta\,(t - y_5)\;\underbrace{\varphi'(w_{54}\,y_4)\,w_{54}}_{\text{past neuron 5}}\;\varphi'(w_{43}\,y_3)\;y_3 ,$$

$$\Delta w_{32} = \eta\,(t - y_5)\;\underbrace{\varphi'(w_{54}\,y_4)\,w_{54}}_{\text{past neuron 5}}\;\underbrace{\varphi'(w_{43}\,y_3)\,w_{43}}_{\text{past neuron 4}}\;\varphi'(w_{32}\,y_2)\;y_2 .$$

Every step further back brings one more factor of the same form, $\varphi'(\text{net})\cdot w$. The last two factors of each line are those of the weight's own neuron: its slope and its input.

### Worked example: a chain of sigmoids

Take $x = 1$, $t = 1$, $\eta = 2$, the weights $w_{21} = 2$, $w_{32} = -1$, $w_{43} = 2$, $w_{54} = -2$, and the sigmoid, $\varphi(\text{net}) = 1/(1 + e^{-\text{net}})$. Its slope is easy to get from its output: $\varphi' = y\,(1 - y)$.

**Forward.** From top to bottom; each output is the next neuron's input.

| neuron | input | weight | net = weight · input | $y = \varphi(\text{net})$ | slope $y(1-y)$ |
|---|---|---|---|---|---|
| 2 | $1$ | $2$ | $2$ | $0.8808$ | $0.1050$ |
| 3 | $0.8808$ | $-1$ | $-0.8808$ | $0.2930$ | $0.2072$ |
| 4 | $0.2930$ | $2$ | $0.5860$ | $0.6425$ | $0.2297$ |
| 5 | $0.6425$ | $-2$ | $-1.2849$ | $0.2167$ | $0.1698$ |

**Error.** $t - y_5 = 1 - 0.2167 = 0.7833$.

**Back.** From the last weight to the first. In each line: take the error that arrives, multiply it by the slope of the neuron; that is the error at its net input. From there two things follow. Times $\eta$ and the input, it is the change of the weight. Times the weight, it is the error that arrives one neuron earlier.

| weight | error that arrives | times slope | change: times $\eta$, times input | passed on: times weight |
|---|---|---|---|---|
| $w_{54}$ | $0.7833$ | $0.7833\cdot0.1698 = 0.1330$ | $2\cdot0.1330\cdot0.6425 = 0.1708$ | $0.1330\cdot(-2) = -0.2659$ |
| $w_{43}$ | $-0.2659$ | $-0.2659\cdot0.2297 = -0.0611$ | $2\cdot(-0.0611)\cdot0.2930 = -0.0358$ | $-0.0611\cdot2 = -0.1222$ |
| $w_{32}$ | $-0.1222$ | $-0.1222\cdot0.2072 = -0.0253$ | $2\cdot(-0.0253)\cdot0.8808 = -0.0446$ | $-0.0253\cdot(-1) = 0.0253$ |
| $w_{21}$ | $0.0253$ | $0.0253\cdot0.1050 = 0.0027$ | $2\cdot0.0027\cdot1 = 0.0053$ | |

Look down the second column. The error goes 0.78, 0.27, 0.12, 0.03: on its way past three neurons it has lost all but a thirtieth. The changes need not shrink in step with it. $\Delta w_{32}$ is larger in size than $\Delta w_{43}$, because the input of neuron 3 is three times the input of neuron 4.

(The numbers are rounded to four places after each was worked out exactly. If you go on with rounded ones, your last digit may differ.)

> **Convention card: $\Delta w$ and the gradient**
>
> | | |
> |---|---|
> | **The lecture says** | $\Delta w = \eta\,(t - y)\ldots$ The error is target minus output, and the change is *added* to the weight. |
> | **PyTorch does** | `w.grad` is $\partial J/\partial w$, which has $(y - t)$ in it and no $\eta$. The optimiser *subtracts* `lr * w.grad`. |
> | **Ours** | $\Delta w = -\eta\,\partial J/\partial w$: the lecture's. The last exercise works with the gradient itself, $\partial J/\partial w$, and returns how large it is. |
> | **The checks accept** | For $\Delta w$, only the sign that makes the cost fall. A norm has no sign. |
>
> The cost has a $\tfrac12$ in front, so that no 2 is left when it is differentiated.

### Practice, with a check at every step

Before you do one for marks, do one with help. Sigmoids again: $x = 1$, $t = 0$, $\eta = 4$, and the weights $w_{21} = 1$, $w_{32} = 2$, $w_{43} = -2$, $w_{54} = 1$. Type in one number after the other in place of `None`, at least three digits that are not leading zeros, and run the cell after each. It stops at the first number that isn't right.
"""

# %% tags=["explore"]
import numpy as np
from pnnlib import activations, gradflow

yours = {
    "y_2": None,
    "y_3": None,
    "y_4": None,
    "y_5": None,
    "error t - y_5": None,
    "change of w_54": None,
    "change of w_43": None,
    "change of w_32": None,
}

x, t, eta, w = 1, 0, 4, [1, 2, -2, 1]
y = gradflow.chain_forward(x, w, activations.sigmoid)
changes = gradflow.chain_updates(x, t, w, activations.sigmoid, activations.sigmoid_derivative, eta)
steps = [*y[1:], t - y[-1], *changes[:0:-1]]
hints = {
    "y": "Weight times input, then the sigmoid 1/(1 + e^(-net)). The input of neuron 2 is x, of neuron 3 y_2, and so on.",
    "e": "Target minus output, with its sign.",
    "c": "The error that arrives, times the slope y(1 - y) of this neuron, times η, times the input of this neuron. For an "
    "earlier weight the error was first multiplied by the later neuron's slope and weight.",
}
for (name, typed), step in zip(yours.items(), steps):
    if typed is None:
        print(f"{name}: next. {hints[name[0]]}")
        break
    if abs(typed - step) > 0.006 * abs(step):
        print(f"{name}: {typed} is not right yet. {hints[name[0]]}")
        break
    print(f"{name}: {typed} is right")

# %% [markdown]
r"""
### Question 1

about 20 minutes · difficulty 3 of 5 · importance 5 of 5 · 1 point

Now do one alone. The chain has five neurons again, this time with **tanh**, whose slope is $\varphi' = 1 - y^2$. Take $x = 0.5$, $t = 1$, $\eta = 2$, and the weights $w_{21} = 1$, $w_{32} = -2$, $w_{43} = 1$, $w_{54} = 0.5$.

Work out $y_2, y_3, y_4, y_5$, and then $\Delta w_{54}$, $\Delta w_{43}$ and $\Delta w_{32}$. Make the two tables. Carry at least five decimals, and type in at least three digits of each number that are not leading zeros. Each right number counts, so an early slip costs you what follows from it, but not what came before.
"""

# %% nbgrader={"grade_id": "question-1", "solution": true}
# Seven numbers: y_2, y_3, y_4, y_5, and the changes of w_54, w_43 and w_32,
# for instance: answer_1 = [0.881, 0.293, 0.642, 0.217, 0.171, -0.0358, -0.0446]
### BEGIN SOLUTION
answer_1 = [0.46212, -0.72789, -0.62178, -0.30124, -1.47132, -0.52827, 0.15768]
### END SOLUTION

# %% nbgrader={"grade_id": "check-question-1", "grade": true}
check_question(1, numbers=7)

# %% [markdown]
r"""
You may check yourself. Exercises 1 to 4 build the function that does all this, and after Exercise 4 you can run it on these numbers.

### Exercise 1 · chain_forward

about 10 minutes · difficulty 1 of 5 · importance 4 of 5 · 2 points

The first of your two tables, for any number of neurons and any $\varphi$. Weights are counted from 0 in Python: `w[0]` is $w_{21}$, the weight that $y_1 = x$ meets. And `phi` is a function; you call it as `phi(net)` with one number.
"""

# %% nbgrader={"grade_id": "chain_forward", "solution": true}
def chain_forward(x, w, phi):
    """Run a deep network with one neuron per layer.

    Arguments: x, a number; w (n,), the weights in the order in which the
    signal meets them; phi, a function that takes one net input.
    Result: an array (n + 1,) of all outputs, the input x first.

    Example: a phi that squares. 2 · 1 = 2 becomes 4, and 0.5 · 4 = 2 again 4.
    >>> chain_forward(1.0, np.array([2.0, 0.5]), lambda net: net**2)
    array([1., 4., 4.])
    """
    ### BEGIN SOLUTION
    outputs = [x]
    for weight in w:
        outputs.append(phi(weight * outputs[-1]))
    return np.array(outputs)
    ### END SOLUTION

# %% nbgrader={"grade_id": "check-chain_forward", "grade": true}
check(chain_forward)

# %% [markdown]
r"""
**The same numbers in PyTorch.** The worked example, with tensors for numbers.
"""

# %% tags=["explore"]
import numpy as np
import torch

y = torch.tensor(1.0, dtype=torch.float64)
for weight in [2, -1, 2, -2]:
    y = torch.sigmoid(weight * y)
    print(f"PyTorch {y:.4f}")
print("yours  ", chain_forward(1.0, np.array([2.0, -1, 2, -2]), lambda net: 1 / (1 + np.exp(-net))).round(4))

# %% [markdown]
r"""
## The slope of φ

In the tables we took the slopes for granted. They deserve a closer look, because every factor has one of them in it.

**The sigmoid.** Write it as $y = (1 + e^{-\text{net}})^{-1}$ and differentiate:

$$\varphi'(\text{net}) = \frac{e^{-\text{net}}}{(1 + e^{-\text{net}})^2} = \frac{1}{1 + e^{-\text{net}}}\cdot\frac{e^{-\text{net}}}{1 + e^{-\text{net}}} = y\,(1 - y).$$

**tanh.** The quotient rule gives

$$\varphi'(\text{net}) = 1 - \tanh^2(\text{net}) = 1 - y^2 .$$

**Guess first.** Where are the two steepest, and how steep are they there? And at a net input of 3, what is left of that: half, a tenth, a hundredth?

Mind what goes into the bracket. $\varphi'$ is a function of the *net input*. The short forms $y(1-y)$ and $1-y^2$ want the *output*. Mixing the two up is the most common mistake in this part.

### Exercise 2 · sigmoid_derivative

about 5 minutes · difficulty 1 of 5 · importance 4 of 5 · 1.5 points

`net` is one number or an array of any shape, of moderate size (from −60 to 60 is enough). Use `np.exp`, which takes both.
"""

# %% nbgrader={"grade_id": "sigmoid_derivative", "solution": true}
def sigmoid_derivative(net):
    """Return the slope of the sigmoid at every net input.

    Arguments: net, a number or an array of any shape: net inputs, not outputs.
    Result: a number, or an array of the same shape.

    Example: at 0 it is steepest.
    >>> float(sigmoid_derivative(0.0))
    0.25
    """
    ### BEGIN SOLUTION
    squashed = 1 / (1 + np.exp(-net))
    return squashed * (1 - squashed)
    ### END SOLUTION

# %% nbgrader={"grade_id": "check-sigmoid_derivative", "grade": true}
check(sigmoid_derivative)

# %% [markdown]
r"""
### Exercise 3 · tanh_derivative

about 3 minutes · difficulty 1 of 5 · importance 4 of 5 · 1 point

The same for tanh. NumPy has `np.tanh`.
"""

# %% nbgrader={"grade_id": "tanh_derivative", "solution": true}
def tanh_derivative(net):
    """Return the slope of tanh at every net input.

    Arguments: net, a number or an array of any shape: net inputs, not outputs.
    Result: a number, or an array of the same shape.

    Example: at 0 it is steepest.
    >>> float(tanh_derivative(0.0))
    1.0
    """
    ### BEGIN SOLUTION
    squashed = np.tanh(net)
    return 1 - squashed * squashed
    ### END SOLUTION

# %% nbgrader={"grade_id": "check-tanh_derivative", "grade": true}
check(tanh_derivative)

# %% [markdown]
r"""
**The same numbers in PyTorch**, which differentiates on its own.
"""

# %% tags=["explore"]
import numpy as np
import torch
from pnnlib.bridge import compare


def slope_of(phi):
    def slope(net):
        net = net.detach().requires_grad_()
        return torch.autograd.grad(phi(net).sum(), net)[0]

    return slope


net = np.array([[-3.0, -1, 0], [0.5, 1, 3]])
print(compare(sigmoid_derivative, slope_of(torch.sigmoid), net))
print(compare(tanh_derivative, slope_of(torch.tanh), net))

# %% [markdown]
r"""
**What to see in the figure.** Both slopes are hills, high in the middle and nearly 0 outside. The sigmoid's hill is low: it never gets above a quarter.
"""

# %% tags=["explore"]
import numpy as np
from matplotlib.figure import Figure
from pnnlib import activations
from pnnlib.explore.figure import show_figure

net = np.linspace(-6, 6, 301)
figure = Figure(figsize=(8, 3.2), layout="constrained")
left, right = figure.subplots(1, 2)
for name, line in (("sigmoid", "-"), ("tanh", "--")):
    left.plot(net, getattr(activations, name)(net), line, label=name)
    right.plot(net, getattr(activations, f"{name}_derivative")(net), line, label=name)
left.set(title="φ(net)", xlabel="net")
right.set(title="its slope φ′(net)", xlabel="net")
right.axhline(0.25, color="0.6", linewidth=0.8)
right.text(-6, 0.27, "0.25", color="0.3")
for axes in (left, right):
    axes.legend()

at_3 = {name: float(getattr(activations, f"{name}_derivative")(3)) for name in ("sigmoid", "tanh")}
print(f"at net = 3 the slope of the sigmoid is {at_3['sigmoid']:.3f}, of tanh {at_3['tanh']:.3f}")
rng = np.random.default_rng(0)
for spread in (1, 3):
    nets = rng.normal(0, spread, 100_000)
    for name in ("sigmoid", "tanh"):
        slopes = getattr(activations, f"{name}_derivative")(nets)
        print(f"net inputs with standard deviation {spread}, {name:7}: mean slope {slopes.mean():.2f}, "
              f"and {np.mean(slopes < 0.1):.0%} of the slopes are below 0.1")
show_figure(
    figure,
    alt="Left, the sigmoid rises from 0 to 1 and tanh from -1 to 1, both flat outside of the middle. Right, their "
    f"slopes: tanh has a hill of height 1, the sigmoid one of height 0.25. At 3 they have fallen to {at_3['tanh']:.3f} and "
    f"{at_3['sigmoid']:.3f}.",
    caption="Two activation functions and their slopes.",
)

# %% [markdown]
r"""
At 3, the sigmoid keeps a fifth of its best slope and tanh a hundredth. Where $\varphi$ is flat, a neuron is called **saturated**: its output hardly depends on its net input, so hardly any error passes. With net inputs that spread as far as 3, half of all the slopes are below 0.1.

## Any depth

**Guess first.** To get all changes of a chain with $n$ weights, how often do you have to walk back through it: once, or once for every weight?

Once. The error that arrives at a neuron was already multiplied by everything behind it. Keep that one number and go on from it, as in the second table. Write $e$ for it. Begin with $e = t - y_{\text{last}}$, and then for each weight, from the last to the first:

$$d = e\;\varphi'(w_j y_j), \qquad \Delta w_j = \eta\; d\; y_j, \qquad e \leftarrow d\; w_j .$$

In this formula we count weights as Python will: $w_j$ takes $y_j$ to $y_{j+1}$.

### Exercise 4 · chain_updates

about 20 minutes · difficulty 3 of 5 · importance 5 of 5 · 4 points

Backpropagation for a chain of any depth. Start with your `chain_forward`. Then walk back: `for j in reversed(range(len(w)))` counts down. Every $e$ goes back through the *old* weights, so don't change `w` on the way.
"""

# %% nbgrader={"grade_id": "chain_updates", "solution": true}
def chain_updates(x, t, w, phi, phi_prime, eta):
    """Return the change of every weight of a chain, for one step of gradient descent.

    Arguments: x, t and eta, numbers: input, target and learning rate; w (n,),
    the weights; phi and phi_prime, functions of one net input. The cost is
    half the square of t minus the last output.
    Result: an array (n,), the changes in the order of w; w itself stays as it is.

    Example: with a phi that changes nothing, y is 3, 6, 12, and the error 1.
    >>> chain_updates(3.0, 13.0, np.array([2.0, 2.0]), lambda net: net, lambda net: 1.0, 0.5)
    array([3., 3.])
    """
    ### BEGIN SOLUTION
    y = chain_forward(x, w, phi)
    changes = np.zeros(len(w))
    error = t - y[-1]
    for j in reversed(range(len(w))):
        error_at_net = error * phi_prime(w[j] * y[j])
        changes[j] = eta * error_at_net * y[j]
        error = error_at_net * w[j]
    return changes
    ### END SOLUTION

# %% nbgrader={"grade_id": "check-chain_updates", "grade": true}
check(chain_updates)

# %% [markdown]
r"""
**The same numbers in PyTorch.** It keeps a record of what was done to the weights, and `backward` walks back along it. No formula of yours goes in: it finds the same changes by itself. Here for the worked example; put your numbers from Question 1 in as well, with tanh and its derivative in place of the sigmoid's.
"""

# %% tags=["explore"]
import numpy as np
import torch

x, t, eta = 1.0, 1.0, 2.0
w = torch.tensor([2.0, -1, 2, -2], dtype=torch.float64, requires_grad=True)
y = torch.tensor(x, dtype=torch.float64)
for weight in w:
    y = torch.sigmoid(weight * y)
cost = 0.5 * (t - y) ** 2
cost.backward()
print("PyTorch", (-eta * w.grad).numpy().round(4), " for w_21, w_32, w_43, w_54")


def sigmoid(net):
    return 1 / (1 + np.exp(-net))


print("yours  ", chain_updates(x, t, w.detach().numpy(), sigmoid, sigmoid_derivative, eta).round(4))

# %% [markdown]
r"""
**What goes wrong in practice.**

- *The wrong bracket.* `phi_prime(y[j + 1])` in place of `phi_prime(w[j] * y[j])`. It runs, the signs are right, the cost even falls. Only a comparison with PyTorch, or with small differences, shows it.
- *Weights changed too early.* If `w[j]` is changed inside the loop, the error goes on through a weight that was not there when the output was computed.
- *Steps that are too small for the number format.* In float32, a weight near 1 cannot change by $10^{-8}$: the sum is rounded back to the old weight. An error that has vanished may have no effect at all.

## The factor

Here are the changes once more, sorted: what all weights have in common, what each has of its own, and between them the factors.

$$\Delta w_{32} = \underbrace{\eta\,(t - y_5)}_{\text{the same for all}}\;\cdot\;\underbrace{\varphi'(w_{54}y_4)\,w_{54}}_{\text{factor}}\;\cdot\;\underbrace{\varphi'(w_{43}y_3)\,w_{43}}_{\text{factor}}\;\cdot\;\underbrace{\varphi'(w_{32}y_2)\,y_2}_{\text{its own}}$$

A weight that lies $n$ layers before the last has $n$ factors. Suppose they are all about alike, of size $f$. Then the error that reaches it is $f^n$ times what it was:

- $f < 1$: it shrinks with every layer. The **gradient vanishes**.
- $f > 1$: it grows with every layer. The **gradient explodes**.
- Only $f \approx 1$ keeps it, and nothing in backpropagation sees to that.

### Exercise 5 · chain_factors

about 5 minutes · difficulty 2 of 5 · importance 5 of 5 · 2 points

All the factors of a chain. The sign belongs to them.
"""

# %% nbgrader={"grade_id": "chain_factors", "solution": true}
def chain_factors(x, w, phi, phi_prime):
    """Return the factor by which an error is multiplied on its way back past each neuron.

    Arguments: x, a number; w (n,), the weights; phi and phi_prime, functions
    of one net input.
    Result: an array (n,): for each weight w_j the slope at its net input, times w_j.

    Example: with a phi that changes nothing, only the weights are left.
    >>> chain_factors(1.0, np.array([3.0, -2.0]), lambda net: net, lambda net: 1.0)
    array([ 3., -2.])
    """
    ### BEGIN SOLUTION
    y = chain_forward(x, w, phi)
    factors = []
    for j in range(len(w)):
        factors.append(phi_prime(w[j] * y[j]) * w[j])
    return np.array(factors)
    ### END SOLUTION

# %% nbgrader={"grade_id": "check-chain_factors", "grade": true}
check(chain_factors)

# %% [markdown]
r"""
In PyTorch a factor is the derivative of one output by the output before it, and the product of the last few is the derivative across several layers.
"""

# %% tags=["explore"]
import numpy as np
import torch

w = np.array([2.0, -1, 2, -2])
y = [torch.tensor(1.0, dtype=torch.float64, requires_grad=True)]
for weight in w:
    y.append(torch.sigmoid(weight * y[-1]))
print("PyTorch", [round(torch.autograd.grad(b, a, retain_graph=True)[0].item(), 4) for a, b in zip(y, y[1:])])
print("from y_5 back to y_1 in one go:", f"{torch.autograd.grad(y[-1], y[0])[0].item():.6f}")


def sigmoid(net):
    return 1 / (1 + np.exp(-net))


factors = chain_factors(1.0, w, sigmoid, sigmoid_derivative)
print("yours  ", factors.round(4), "with the product", f"{np.prod(factors):.6f}")

# %% [markdown]
r"""
## Why the factor is so often small

Two things make it small, and they come together.

**The slope.** With the sigmoid it is at most 0.25. So a weight has to be larger than 4 in size before a factor can even reach 1. With tanh it is at most 1, and only at a net input of 0.

**The weight.** First weights are usually drawn at random around 0, and not large. Then most of them are below 1 in size, and the factor is smaller still.

**Guess first.** The cure seems plain: draw larger weights. A tanh neuron gets the input 1. Its weight goes from 0.5 to 1, to 2, to 4. Does its factor grow all the way?
"""

# %% tags=["explore"]
import numpy as np
from matplotlib.figure import Figure
from pnnlib.activations import tanh_derivative as slope
from pnnlib.explore.figure import show_figure

w = np.linspace(0, 8, 401)
figure = Figure(figsize=(8, 3.4), layout="constrained")
axes = figure.subplots()
words = []
for y, line in ((0.1, "-"), (0.3, "--"), (1.0, ":")):
    factor = slope(w * y) * w
    best = factor.argmax()
    words.append(f"with input {y:g} the largest factor is {factor[best]:.2f}, at weight {w[best]:.1f}")
    axes.plot(w, factor, line, linewidth=2, label=f"input y = {y:g}")
axes.axhline(1, color="0.5", linewidth=0.8)
axes.set(xlabel="weight w", ylabel="factor φ′(w·y)·w", title="tanh: a large weight is not yet a large factor")
axes.legend()
print("\n".join(words))
print("at input 1:", ", ".join(f"weight {v:g} gives {slope(v) * v:.3f}" for v in (0.5, 1, 2, 4)))
show_figure(
    figure,
    alt="The factor against the weight, for three inputs. Each curve rises, has a peak and falls again: " + "; ".join(words)
    + ". Only the curves of the smaller inputs rise above 1.",
    caption="A larger weight also pushes the net input into the flat part of tanh. The thin line is 1.",
)

# %% [markdown]
r"""
It doesn't. The weight stands in the factor *twice*: once as itself, and once inside the slope, where it pushes the net input into the flat part. Multiply the factor by the input, and you have $\varphi'(\text{net})\cdot\text{net}$, which for tanh is at most 0.448 in size. So a tanh neuron's factor can only exceed 1 if its input is smaller than 0.448 in size. For the sigmoid the limit is 0.224.

### Question 2

about 3 minutes · difficulty 2 of 5 · importance 4 of 5 · 1 point

A tanh neuron in a chain has the input $y = 1$ and the weight $w = 1$. Its factor is $0.420$. Then the weight is doubled, and the input stays as it is. What happens to the factor?

- **a)** It doubles, since the error is multiplied by the weight.
- **b)** It stays about as it is: the larger weight and the smaller slope cancel.
- **c)** It falls to about a third, because the slope falls to a sixth.
- **d)** It becomes negative, because the neuron is now in the flat part of tanh.
"""

# %% nbgrader={"grade_id": "question-2", "solution": true}
# Assign one letter, in quotes,
# for instance: answer_2 = "a"
### BEGIN SOLUTION
answer_2 = "c"
### END SOLUTION

# %% nbgrader={"grade_id": "check-question-2", "grade": true}
check_question(2)

# %% [markdown]
r"""
### Many chains with random weights

**Predict first, in writing.** Draw 500 chains with 50 weights each from a normal distribution with mean 0 and standard deviation $s$. How large is the product of the factors after $n$ layers? For tanh, which $s$ of 0.5, 1, 2 and 5 lets it vanish most slowly? Is there one for which it explodes? And if $\varphi$ never gets flat (we take a leaky ReLU with slope 1 on the right and 0.5 on the left)?
"""

# %% tags=["explore"]
import re
import numpy as np
from matplotlib.figure import Figure
from pnnlib import activations
from pnnlib.explore.figure import show_figure

kinds = {
    "tanh": (activations.tanh, activations.tanh_derivative),
    "leaky ReLU, slopes 1 and 0.5": (
        lambda net: activations.leaky_relu(net, 0.5),
        lambda net: activations.leaky_relu_derivative(net, 0.5),
    ),
}
rng = np.random.default_rng(0)
figure = Figure(figsize=(9, 3.6), layout="constrained")
words = []
for axes, (name, (phi, phi_prime)) in zip(figure.subplots(1, 2), kinds.items()):
    for s, line in ((0.5, "-"), (1, "--"), (2, "-."), (5, ":")):
        y, product, sizes = np.ones(500), np.ones(500), []  # 500 chains at once, layer by layer
        for w in rng.normal(0, s, (50, 500)):
            product = product * phi_prime(w * y) * w
            y = phi(w * y)
            sizes.append(np.maximum(np.quantile(abs(product), [0.1, 0.5, 0.9]), 1e-40))
        low, middle, high = np.array(sizes).T
        axes.semilogy(range(1, 51), middle, line, linewidth=2, label=f"s = {s:g}")
        axes.fill_between(range(1, 51), low, high, alpha=0.15)
        words.append(f"{name}, s = {s:g}: half of the products are below {middle[9]:.1g} after 10 layers, "
                     f"{middle[19]:.1g} after 20; middle 80 % after 10: {low[9]:.1g} to {high[9]:.1g}")
    axes.axhline(1, color="0.5", linewidth=0.8)
    axes.set(title=name, xlabel="layers passed", ylabel="size of the product", ylim=(1e-22, 1e20))
    axes.legend()
print("\n".join(words))
show_figure(
    figure,
    alt="Two figures: the size of the product of factors against the number of layers, on a logarithmic scale, for four "
    "sizes of random weights. For tanh all four curves fall steadily. For the leaky ReLU those of s = 0.5, 1 and 2 fall, "
    "the first steeply and the third slowly, and that of s = 5 rises steadily. After 10 layers the middle of s = 2 is at "
    + " and ".join(re.search(r"below (\S+)", w)[1] for w in words if "s = 2" in w) + ", of s = 5 at "
    + " and ".join(re.search(r"below (\S+)", w)[1] for w in words if "s = 5" in w) + ".",
    caption="Middle (line) and middle 80 % (band) of 500 random chains. The thin line is 1: nothing lost, nothing gained.",
)

# %% [markdown]
r"""
<details><summary>Compare with your prediction</summary>

All these tanh chains lose their error, whatever the weights. The slowest are $s = 1$ and $s = 2$: after 10 layers half of the products are below 0.0006 and 0.0001, and after 20 layers both are down to millionths. With $s = 5$ the neurons saturate, and the error vanishes fastest of all.

With the leaky ReLU the slope is never below 0.5, so the size of the weights decides. $s = 2$ still loses, slowly; $s = 5$ explodes, nearly doubling in each layer.

Look at the bands as well. With the leaky ReLU and $s = 2$, the middle 80 per cent of the products after 10 layers go from 0.0004 to 6. Chains that were drawn in the same way differ by a factor of ten thousand. That is what "unstable" means.

</details>

So does tanh never explode? With a single neuron per layer it cannot keep it up: large weights make large outputs, and those saturate it. In a wide layer, each neuron adds up many inputs. Some sums lie near 0 and have a steep slope, while the weights are large. Then the gradient does explode, as you will see below in a real network.
"""

# %% [markdown]
r"""
## How deep is too deep?

In this section each neuron may also have a bias, which is added to its net input. It does not appear in the factor. We assume that the biases hold all net inputs at the same value; without them the net inputs would drift from layer to layer.

**Guess first.** With the sigmoid held at its best, slope 0.25, and weights of 1: after how many layers is less than a millionth of the error left?

Ten: $0.25^{10} \approx 9.5\cdot10^{-7}$. In general we ask for the smallest whole $n$ with $|f|^n < \theta$. Take logarithms. $\log|f|$ is negative, so the sign turns round when you divide by it:

$$n > \frac{\log\theta}{\log|f|} .$$

### Worked example: until nothing is left

A long chain of sigmoids. Biases hold every net input at 1, every weight is 2. After how many layers is less than a thousandth of the error left?

| step | calculation | result |
|---|---|---|
| output | $\varphi(1) = 1/(1 + e^{-1})$ | $0.7311$ |
| slope | $0.7311\cdot(1 - 0.7311)$ | $0.1966$ |
| factor | $0.1966\cdot 2$ | $0.3932$ |
| quotient | $\log 0.001 / \log 0.3932 = -6.908 / -0.933$ | $7.40$ |
| layers | the next whole number | $8$ |

Check it by multiplying: after 1, 2, …, 8 layers there is left

| 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 |
|---|---|---|---|---|---|---|---|
| $0.393$ | $0.155$ | $0.0608$ | $0.0239$ | $0.00940$ | $0.00370$ | $0.00145$ | $0.00057$ |

Explosion works the same way. With net inputs held at 0 and weights of 8, the factor is $0.25\cdot 8 = 2$. The error is more than a thousand times as large after $\log 1000/\log 2 = 9.97$, so after 10 layers. Any base of the logarithm will do, as long as both have the same.

### Question 3

about 10 minutes · difficulty 2 of 5 · importance 4 of 5 · 1 point

In a long chain of **tanh** neurons, every weight is $1.2$, and biases hold every net input at $0.8$.

1. What is the slope of each neuron?
2. What is the factor?
3. After how many layers is less than $1/100$ of the error left?
4. Now the biases hold every net input at $0.1$ instead, with the same weights. After how many layers is the error more than $100$ times as large?
"""

# %% nbgrader={"grade_id": "question-3", "solution": true}
# Four numbers: the slope, the factor, and the two numbers of layers,
# for instance: answer_3 = [0.197, 0.393, 8, 10]
### BEGIN SOLUTION
answer_3 = [0.559, 0.671, 12, 27]
### END SOLUTION

# %% nbgrader={"grade_id": "check-question-3", "grade": true}
check_question(3, numbers=4)

# %% [markdown]
r"""
### Exercise 6 · layers_to_vanish

about 10 minutes · difficulty 2 of 5 · importance 3 of 5 · 1.5 points

Multiply in a loop or use logarithms, as you like. Think of the factors that don't fit in: those of size 1 or more, negative ones, and 0. A product that just *reaches* the threshold is not yet below it; this is checked only where floats reach it exactly, as with $0.5^3 = 0.125$. For "never" return `math.inf`.
"""

# %% nbgrader={"grade_id": "layers_to_vanish", "solution": true}
def layers_to_vanish(factor, threshold):
    """Return after how many layers the size of an error has fallen below a threshold.

    Arguments: factor, the factor of every layer, any number, also negative or
    0; threshold, a number above 0, at most 1.
    Result: an int, the fewest layers n, at least 1, with abs(factor)**n < threshold;
    math.inf if it never falls below.

    Example: 0.5, 0.25, 0.125, and then 0.0625, which is below 0.1.
    >>> layers_to_vanish(0.5, 0.1)
    4
    """
    ### BEGIN SOLUTION
    if abs(factor) >= 1:
        return math.inf
    left, passed = abs(factor), 1
    while left >= threshold:
        left *= abs(factor)
        passed += 1
    return passed
    ### END SOLUTION

# %% nbgrader={"grade_id": "check-layers_to_vanish", "grade": true}
check(layers_to_vanish)

# %% tags=["explore"]
print("factor  layers until less than a thousandth is left")
for factor in (0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1.0):
    print(f"{factor:6}  {layers_to_vanish(factor, 0.001)}")

# %% [markdown]
r"""
Two lessons. A factor that looks harmless is not: 0.9 leaves a thousandth after 66 layers, and networks of that depth are in daily use. And near 1, little improvements buy a lot of depth: from 0.9 to 0.99 it is ten times as many layers.

## A real network: many neurons in each layer

With many neurons in each layer, weights become matrices $W_i$ of shape (neurons of this layer, neurons of the layer before). A batch of $N$ samples goes through at once, one sample in each row:

$$\text{net}_i = Y_{i-1} W_i^{\mathsf T}, \qquad Y_i = \varphi(\text{net}_i), \qquad Y_0 = X .$$

On the way back, the three lines of Exercise 4 return, with matrices. From here on, $d$ in front of a name means *the gradient of the cost for it*: $dY_i$, $d\text{net}_i$ and $dW_i$ have the shapes of $Y_i$, $\text{net}_i$ and $W_i$. There is $(y - t)$ in the gradient, so all signs are opposite to Exercise 4, and there is no $\eta$. Let $dY$ be the gradient of the cost by the outputs of a layer:

$$d\text{net}_i = dY_i \odot \varphi'(\text{net}_i), \qquad dW_i = d\text{net}_i^{\mathsf T}\, Y_{i-1}, \qquad dY_{i-1} = d\text{net}_i\, W_i .$$

$\odot$ multiplies number by number. The product in $dW_i$ adds up over the samples: each one has its say. The factor is still slope times weight, only that every neuron now adds up the errors of all neurons behind it.

To compare layers we want one number for each matrix, and take the **Frobenius norm**, the root of the sum of all its squares: $\lVert dW\rVert = \sqrt{\sum_{r,c} dW_{rc}^2}$, over all rows $r$ and columns $c$.

### Exercise 7 · gradient_norms

about 25 minutes · difficulty 4 of 5 · importance 5 of 5 · 3 points

Forward first, and keep the net inputs and the outputs. Then back. `phi` and `phi_prime` take whole arrays here. `@` multiplies matrices, `.T` transposes. Watch the shapes: each result must have the shape of the array whose gradient it is, which leaves one arrangement (unless widths coincide). `weights[0]` is $W_1$.
"""

# %% nbgrader={"grade_id": "gradient_norms", "solution": true}
def gradient_norms(x, dy, weights, phi, phi_prime):
    """Return the size of the gradient of each layer's weights, in a network without biases.

    Arguments: x (N, n_0), a batch; dy (N, n_L), the gradient of the cost by the
    outputs of the last layer, behind its phi; weights, a list of arrays, the
    matrix of layer i of shape (n_i, n_{i-1}); phi and phi_prime, functions of an
    array of net inputs. Every layer has a phi, the last one too.
    Result: an array (L,): for each layer, the first one first, the Frobenius
    norm of the gradient of its weights, summed over the batch.

    Example: one layer with two weights, a phi that changes nothing, two samples.
    The gradient is 1 · (3, 0) + 2 · (0, 2) = (3, 4).
    >>> x, dy = np.array([[3.0, 0], [0, 2]]), np.array([[1.0], [2]])
    >>> gradient_norms(x, dy, [np.array([[1.0, 1]])], lambda net: net, lambda net: np.ones_like(net))
    array([5.])
    """
    ### BEGIN SOLUTION
    outputs, nets = [x], []
    for w in weights:
        nets.append(outputs[-1] @ w.T)
        outputs.append(phi(nets[-1]))
    norms = np.zeros(len(weights))
    for i in reversed(range(len(weights))):
        error_at_net = dy * phi_prime(nets[i])
        norms[i] = np.linalg.norm(error_at_net.T @ outputs[i])
        dy = error_at_net @ weights[i]
    return norms
    ### END SOLUTION

# %% nbgrader={"grade_id": "check-gradient_norms", "grade": true}
check(gradient_norms)

# %% [markdown]
r"""
**The same numbers in PyTorch**, on 200 handwritten digits and a network of 20 sigmoid layers, with 32 neurons in each but the last. The weights are drawn from a normal distribution with standard deviation $1/\sqrt{m}$ for $m$ inputs. Before you run it: by how many powers of ten will the first layer's gradient be smaller than the last one's?
"""

# %% tags=["explore"]
import numpy as np
import torch
from pnnlib.data import digits

data = digits()
x, labels = data.x_train[:200].reshape(200, 64), data.y_train[:200]
rng = np.random.default_rng(0)
sizes = [64] + [32] * 19 + [10]
weights = [rng.normal(size=(n, m)) / np.sqrt(m) for m, n in zip(sizes, sizes[1:])]

tensors = [torch.tensor(w, requires_grad=True) for w in weights]
y = torch.tensor(x)
for w in tensors:
    y = torch.sigmoid(y @ w.T)
target = torch.nn.functional.one_hot(torch.tensor(labels), 10)
cost = 0.5 * ((target - y) ** 2).sum(dim=1).mean()
cost.backward()
in_torch = np.array([w.grad.norm() for w in tensors])
print("PyTorch, layers 1, 2, 10, 19, 20:", [f"{in_torch[i]:.2g}" for i in (0, 1, 9, 18, 19)])

dy = (y - target).detach().numpy() / len(x)  # the gradient of the cost by y
norms = gradient_norms(x, dy, weights, lambda net: 1 / (1 + np.exp(-net)), sigmoid_derivative)
print("yours,   layers 1, 2, 10, 19, 20:", [f"{norms[i]:.2g}" for i in (0, 1, 9, 18, 19)])
print("largest relative difference:", f"{np.max(abs(norms / in_torch - 1)):.1g}")

# %% [markdown]
r"""
### From 3 layers to 50

Now networks as people build them: fully connected, with biases, 32 neurons in each layer, PyTorch's way to draw the first weights, and softmax with cross-entropy at the end. From here on, **depth** means the number of layers with weights. `gradient_statistics` of `pnnlib.gradflow` runs the digits through and returns the size of each layer's gradient, before any training.

**Predict.** Draw two curves on paper, for depth 20: the gradient's size from layer 1 to layer 20, for the sigmoid and for tanh. Which is steeper, and are they straight on a logarithmic scale?
"""

# %% tags=["explore"]
import numpy as np
from matplotlib.figure import Figure
from pnnlib.data import digits
from pnnlib.explore.figure import show_figure
from pnnlib.gradflow import gradient_statistics, layer_outputs
from pnnlib.layers import Sigmoid, Tanh
from pnnlib.networks import mlp

data = digits()
x, labels = data.x_train[:200].reshape(200, 64), data.y_train[:200]
figure = Figure(figsize=(9, 4), layout="constrained")
words = []
for axes, activation in zip(figure.subplots(1, 2), (Sigmoid, Tanh)):
    name = activation.__name__
    for depth, marker in zip((3, 5, 10, 20, 50), "osD^v"):
        networks = [mlp([64] + [32] * (depth - 1) + [10], activation, rng=seed) for seed in range(3)]
        norms = np.array([gradient_statistics(network, x, labels).norm for network in networks])
        layer = np.arange(1, depth + 1)
        line = axes.semilogy(layer, np.median(norms, axis=0), marker=marker, markersize=4, label=f"depth {depth}")
        axes.fill_between(layer, norms.min(axis=0), norms.max(axis=0), alpha=0.2, color=line[0].get_color())
        ratio = norms[:, -1] / norms[:, 0]
        words.append(f"{name}, depth {depth}: the last layer's gradient is {ratio.min():.2g} to {ratio.max():.2g} times "
                     "the first layer's")
    axes.set(title=name, xlabel="layer", ylabel="size of the gradient", ylim=(1e-46, 10))
    axes.legend(loc="lower right")
print("\n".join(words))
for activation in (Sigmoid, Tanh):
    outputs = list(layer_outputs(mlp([64] + [32] * 19 + [10], activation, rng=0), x).values())[1::2]
    first, last = (y.std(axis=0).mean() for y in (outputs[0], outputs[-1]))  # over the pictures, neuron by neuron
    print(f"{activation.__name__}, depth 20: from picture to picture, the outputs of layer 1 differ by {first:.2g}, of layer 19 by {last:.1g}")
show_figure(
    figure,
    alt="Two figures, sigmoid and tanh: the size of the gradient against the layer, on a logarithmic scale, for networks "
    "of depth 3, 5, 10, 20 and 50. The sigmoid's curves are straight and rise steeply towards the last layer. Those of tanh "
    "are level for a few layers and then rise, far less steeply. At depth 50: " + "; ".join(w for w in words if "50" in w) + ".",
    caption="Before training. Line: middle of three networks, band: all three.",
)

# %% [markdown]
r"""
Straight lines on a logarithmic scale: about the same factor in each layer, $f^n$ as in the chain. The sigmoid loses a factor of about seven in each layer, tanh not quite two. With 50 sigmoid layers, the first layer's gradient is more than forty powers of ten below the last one's.

The last two printed lines say something more. Not only the error shrinks on its way back. With these weights the *differences between the pictures* shrink on their way forward, too: in layer 19, all pictures look nearly the same. A small difference is multiplied by weights and slopes in each layer, just as the error is, so this is no surprise, but it matters. The gradient of a weight is the error that arrives *times* the input. With tanh the outputs themselves shrink as well. That is why its curves are level at the beginning: there the error gets smaller, while the inputs are still large. The sigmoid's outputs stay near 0.5, so its curves show the error alone.
"""

# %% [markdown]
r"""
### The size of the first weights

**Guess first.** PyTorch's weights are small. The next figure draws them from a normal distribution with standard deviation $g/\sqrt{m}$ for $m$ inputs, with $g$ = 0.5, 1, 2 and 4, for tanh at depth 50. Biases begin at 0. For which $g$ does the error vanish on its way back, for which does it explode, and for which does it do neither?

On the left is the error that arrives at each tanh layer, on the right what each weight makes of it: its gradient, error times input.
"""

# %% tags=["explore"]
import numpy as np
from matplotlib.figure import Figure
from pnnlib.data import digits
from pnnlib.explore.figure import show_figure
from pnnlib.gradflow import activation_statistics, error_statistics, gradient_statistics
from pnnlib.layers import Tanh, initialise
from pnnlib.networks import mlp

data = digits()
x, labels = data.x_train[:200].reshape(200, 64), data.y_train[:200]
depth = 50
figure = Figure(figsize=(9, 4), layout="constrained")
left, right = figure.subplots(1, 2, sharey=True)
words = []
for g, marker in ((0.5, "o"), (1, "s"), (2, "D"), (4, "^")):
    errors, gradients, saturated = [], [], []
    for seed in range(3):
        network = mlp([64] + [32] * (depth - 1) + [10], Tanh)
        initialise(network, lambda shape, rng: g * rng.normal(size=shape) / np.sqrt(shape[1]), rng=seed)
        table = error_statistics(network, x, labels)
        errors.append(table.norm[table.layer == "Tanh"])
        gradients.append(gradient_statistics(network, x, labels).norm)
        saturated.append(np.nanmean(activation_statistics(network, x).saturated))
    for axes, values in ((left, np.array(errors)), (right, np.array(gradients))):
        layer = np.arange(1, values.shape[1] + 1)
        line = axes.semilogy(layer, np.median(values, axis=0), marker=marker, markersize=4, label=f"g = {g:g}")
        axes.fill_between(layer, values.min(axis=0), values.max(axis=0), alpha=0.2, color=line[0].get_color())
    ratio = np.array([error[0] / error[-1] for error in errors])
    words.append(f"g = {g:g}: from layer 49 back to layer 1 the error is multiplied by {ratio.min():.1g} to {ratio.max():.1g}; "
                 f"gradient in layer 1 about {np.median(gradients, axis=0)[0]:.1g}, in layer 50 {np.median(gradients, axis=0)[-1]:.1g}; "
                 f"{np.mean(saturated):.0%} of the tanh outputs are saturated")
left.set(title="the error that arrives", xlabel="layer", ylabel="size")
right.set(title="the gradient of the weights", xlabel="layer")
left.legend()
print("\n".join(words))
show_figure(
    figure,
    alt="Two figures over the 50 layers, on a logarithmic scale. Left, the error that arrives: towards the first layer it falls "
    "steeply for g = 0.5, falls only slightly for g = 1, and rises for g = 2 and more so for g = 4. Right, the gradient of the "
    "weights: nearly level and very small for g = 0.5, level for g = 1, rising towards the first layer for g = 2 and 4. "
    + "; ".join(words) + ".",
    caption="Line: middle of three networks, band: all three. Read it from right to left: that is how the error travels.",
)

# %% [markdown]
r"""
So a wide tanh network does explode, with $g = 2$ and even more with $g = 4$. Many of its outputs are saturated, but the others have steep slopes, and the weights are large.

With $g = 0.5$ the error vanishes, but look at the gradients: they are about equally tiny in *all* layers. As all biases are still 0, the signal shrinks forwards as fast as the error shrinks backwards. A layer in front gets a large input and hardly any error, a layer at the end a large error and hardly any input. To see what is going on, look at both.

In between, with $g = 1$, the error loses only a factor of five to ten on its way through fifty layers. That is no accident. Part c derives it.
"""

# %% [markdown]
r"""
## What vanishing does to learning

Now train. All networks are alike but for their depth: tanh, 32 neurons in each layer, PyTorch's first weights, 10 epochs (10 times through all 1197 digits) of plain gradient descent with learning rate 0.2 and 64 digits a batch. Afterwards we ask each layer how far its weights have moved from where they were drawn: the size of the change, divided by the size of the first weights.

**Predict first, in writing.**

1. Depth 2 gets more than 90 per cent of the test digits right. What will depths 3, 5, 7, 10 and 20 get? (Guessing gets 10 per cent.)
2. At depth 20, how far have the weights of the first layer moved: by a tenth, a hundredth, a ten-thousandth of their size?
3. Does deeper help anywhere?
"""

# %% tags=["explore"]
import numpy as np
from matplotlib.figure import Figure
from pnnlib.data import digits
from pnnlib.explore.figure import show_figure
from pnnlib.gradflow import update_ratios
from pnnlib.layers import Tanh
from pnnlib.networks import mlp
from pnnlib.optim import SGD
from pnnlib.train import accuracy, fit

data = digits()
x, x_test = data.x_train.reshape(-1, 64), data.x_test.reshape(-1, 64)
depths, seeds = (2, 3, 5, 7, 10, 20), range(5)
right, moved = {}, {}
for depth in depths:
    right[depth], moved[depth] = [], []
    for seed in seeds:
        network = mlp([64] + [32] * (depth - 1) + [10], Tanh, rng=seed)
        before = network.state_dict()
        fit(network, x, data.y_train, SGD(network.parameters(), lr=0.2), epochs=10, batch_size=64, progress=False, rng=seed)
        right[depth].append(accuracy(network, x_test, data.y_test))
        moved[depth].append(update_ratios(before, network.state_dict()).ratio)

figure = Figure(figsize=(9, 3.8), layout="constrained")
left, middle = figure.subplots(1, 2)
words = []
for depth in depths:
    values, ratios = np.array(right[depth]), np.mean(moved[depth], axis=0)
    words.append(f"depth {depth}: {values.mean():.0%} right (from {values.min():.0%} to {values.max():.0%}); first layer moved "
                 f"by {ratios[0]:.1g}, last by {ratios[-1]:.1g} of its size")
    left.plot([depth] * len(values), values, "o", color="C0", alpha=0.5, markersize=5)
left.plot(depths, [np.mean(right[depth]) for depth in depths], "k-", label="mean of 5 networks")
left.axhline(0.1, color="0.5", linewidth=0.8, linestyle="--")
left.set(title="test digits right", xlabel="depth", ylim=(0, 1), xticks=depths)
left.legend()
for depth, marker in ((3, "o"), (5, "s"), (7, "D"), (10, "^"), (20, "v")):
    ratios = np.array(moved[depth])
    layer = np.arange(1, depth + 1)
    line = middle.semilogy(layer, ratios.mean(axis=0), marker=marker, markersize=4, label=f"depth {depth}")
    middle.fill_between(layer, ratios.min(axis=0), ratios.max(axis=0), alpha=0.2, color=line[0].get_color())
middle.set(title="how far the weights moved, relative", xlabel="layer", xticks=(1, 5, 10, 15, 20), ylim=(3e-5, 300))
middle.legend(ncol=2, loc="upper right")
print("\n".join(words))
show_figure(
    figure,
    alt="Left, the share of test digits that are right against the depth: it falls from above 90 per cent at depths 2 and 3 "
    "to guessing at depth 20. Right, how far each layer's weights moved, on a logarithmic scale: at depth 20 the early layers "
    "moved least. " + "; ".join(words) + ".",
    caption="Left: every dot is a network, the dashed line is guessing. Right: mean and range of five networks.",
)

# %% [markdown]
r"""
<details><summary>Compare with your prediction</summary>

1. Depth 3 still gets 92 per cent, depth 5 gets 77, depth 7 gets 50 and depth 10 gets 14. At depth 20 all five networks guess.
2. By a ten-thousandth of their size, and even the last layer has moved by only 6 per cent.
3. No. Between depths 2 and 3 there is no difference that chance could not make; from there on, deeper is worse.

</details>

All three consequences can be seen here.

- **Early layers learn much more slowly.** At depth 20 the first layer moved several hundred times less than the last one. At depths 5 and 7 it does learn, only slowly: with 40 epochs, three networks of depth 7 got 90 to 94 per cent. (Change `epochs=10` and see.)
- **Early layers keep their random first weights**, at depth 20 to the fourth decimal, so they contribute nothing that was learnt.
- **Depth doesn't help.** It even hurts, because the late layers have to work with what the random ones leave of the pictures, and that is little. At depth 20, four times as many epochs changed nothing: it still guessed.

"""

# %% [markdown]
r"""
### Question 4

about 5 minutes · difficulty 3 of 5 · importance 5 of 5 · 1 point

You train a tanh network with 20 layers of weights for 10 epochs, and it only guesses. Compared with its first weights, layer 1 has moved by 0.0001 of its size, layer 10 by 0.0003, and layer 20 by 0.05. You may change one thing. Which is most likely to help?

- **a)** Train for twice as many epochs, so that the early layers have time to learn as well.
- **b)** Add ten more layers, so that the network has more weights to learn with.
- **c)** Draw somewhat larger first weights, so that the factors φ′(net)·w come closer to 1.
- **d)** Multiply the learning rate by a thousand, so that the early layers move about as far as the last one does now.
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
## What exploding does to learning

Now the opposite: first weights with $g = 2$, where the gradient grows on its way back. The early layers get large gradients and make large steps. What they give on to the late layers is different after every step. The late layers, so the lecture says, cannot learn from inputs that keep changing.

Can that be tested? If it is true, then *stopping* the early layers must help. So we train each network twice, from the same first weights:

- **all layers learn**, as always;
- **only the late half learns**; the early half keeps its random first weights, and does nothing but pass the digits on.

And once more with all layers, but with a learning rate ten times smaller, because a careful person would try that.

**Predict first, in writing.** At depth 20, which of the three gets most test digits right? And at depth 3, 5 and 10? Remember that in the second run half of the weights are never trained.

To see the cause at work, we also measure how much the outputs of the early half, for the same 200 digits, change in each of the first steps, compared with their size. And at the end, how much these outputs still differ from digit to digit.
"""

# %% tags=["explore"]
import numpy as np
from matplotlib.figure import Figure
from pnnlib.data import digits
from pnnlib.explore.figure import show_figure
from pnnlib.layers import Linear, Tanh, initialise
from pnnlib.losses import cross_entropy
from pnnlib.networks import mlp
from pnnlib.optim import SGD
from pnnlib.train import accuracy, batches

data = digits()
x, x_test = data.x_train.reshape(-1, 64), data.x_test.reshape(-1, 64)
depths, seeds, watched = (3, 5, 10, 20), range(5), 15  # the first 15 steps are watched


def train(depth, seed, late_only=False, lr=0.2, g=2):
    """Return the share of test digits that are right, the change of the early half's outputs in each of the first
    steps, how much these outputs differ from digit to digit before and after training, and how far the first step
    moved the weights of the first layer and of the last, compared with their size."""
    network = mlp([64] + [32] * (depth - 1) + [10], Tanh)
    initialise(network, lambda shape, rng: g * rng.normal(size=shape) / np.sqrt(shape[1]), rng=seed)
    early = depth - depth // 2  # how many layers of weights the early half has: at depth 3 two
    learning = [layer for layer in network if isinstance(layer, Linear)][early if late_only else 0:]
    optimiser = SGD([p for layer in learning for p in layer.parameters()], lr=lr)

    def early_half():
        y = x[:200]
        for layer in list(network)[: 2 * early]:  # each with its tanh
            y = layer(y)
        return y

    weights = [layer.weight for layer in network if isinstance(layer, Linear)]
    drawn = [w.data.copy() for w in (weights[0], weights[-1])]
    rng, outputs = np.random.default_rng(seed), [early_half()]
    for epoch in range(10):
        for digits_of_batch, labels in batches(x, data.y_train, 64, rng):
            _, dy = cross_entropy(network(digits_of_batch), labels)
            network.backward(dy)
            optimiser.step()
            if len(outputs) == 1:
                moved = [np.linalg.norm(w.data - a) / np.linalg.norm(a) for w, a in zip((weights[0], weights[-1]), drawn)]
            if len(outputs) <= watched:
                outputs.append(early_half())
    changes = [np.linalg.norm(b - a) / np.linalg.norm(a) for a, b in zip(outputs, outputs[1:])]
    differences = [y.std(axis=0).mean() for y in (outputs[0], early_half())]
    return accuracy(network, x_test, data.y_test), changes, differences, moved


figure = Figure(figsize=(9, 3.8), layout="constrained")
left, middle = figure.subplots(1, 2)
words, runs = [], {}
ways = {
    "all layers learn": {},
    "only the late half": {"late_only": True},
    "all, a tenth of the rate": {"lr": 0.02},
}
for (name, options), marker, line, color, shift in zip(ways.items(), "os^", ("-", "--", ":"), ("C0", "C1", "C2"), (-0.08, 0, 0.08)):
    runs[name] = [[train(depth, seed, **options) for seed in seeds] for depth in depths]
    values = np.array([[run[0] for run in of_depth] for of_depth in runs[name]])
    places = np.arange(len(depths)) + shift
    left.plot(np.repeat(places, len(seeds)), values.ravel(), marker, color=color, alpha=0.5, markersize=4)
    left.plot(places, values.mean(axis=1), line + marker, color=color, label=name)
    words += [f"depth {depth}, {name}: {v.mean():.0%} right (from {v.min():.0%} to {v.max():.0%})" for depth, v in zip(depths, values)]
for depth, of_depth, marker in zip(depths, runs["all layers learn"], "osD^"):
    changes = np.array([run[1] for run in of_depth])
    before, after = np.mean([run[2] for run in of_depth], axis=0)
    first, last = np.mean([run[3] for run in of_depth], axis=0)
    middle.plot(range(1, watched + 1), changes.mean(axis=0), marker=marker, markersize=4, label=f"depth {depth}")
    middle.fill_between(range(1, watched + 1), changes.min(axis=0), changes.max(axis=0), alpha=0.15)
    words.append(f"depth {depth}, all layers learn: the first step moves the weights of layer 1 by {first:.1%} of their size, those of "
                 f"the last by {last:.1%}, and changes the early half's outputs by {changes[:, 0].mean():.0%}; from digit to digit they differ by {before:.2f} before training and by {after:.2f} after it")
left.axhline(0.1, color="0.5", linewidth=0.8, linestyle="--")
left.set(title="test digits right", xlabel="depth", ylim=(0, 1), xticks=range(len(depths)), xticklabels=depths)
left.legend(loc="lower left")
middle.set(title="change of the early half's outputs", xlabel="step", ylabel="relative", ylim=(0, None))
middle.legend()
print("\n".join(words))
show_figure(
    figure,
    alt="Left, the share of test digits right against the depth, for the three ways to train. Right, how much the outputs of the "
    "early half change in each of the first 15 steps when all layers learn: at depth 20 it begins highest and falls lowest. "
    "At depth 20: " + "; ".join(w.removeprefix("depth 20, ") for w in words if w.startswith("depth 20")) + ".",
    caption="Weights of g = 2. Left: every small mark is a network, lines join the means, the thin dashed line is guessing. "
    "Right: mean and range of five networks.",
)

# %% [markdown]
r"""
<details><summary>Compare with your prediction</summary>

At depth 20: all layers 13 per cent, hardly better than guessing; only the late half 41; all layers with a tenth of the rate 64.

At depths 3, 5 and 10, training all layers with the ordinary rate is best: 94, 94 and 88 per cent. There, holding half of the network still costs you a fifth of the digits, and so small a rate is simply too slow for 10 epochs.

</details>

- **Early layers make large steps.** At depth 20, the very first step moves the weights of layer 1 by 22 per cent of their size, those of the last layer by 3. It changes what the early half gives on by 143 per cent of its size. For the late layers that is a new set of inputs.
- **The late layers are not at fault.** The same late layers, from the same first weights, get 41 per cent where 13 were right before, if only the early half holds still.
- **Going deeper makes it worse**, from 94 per cent at depth 3 to 13 at depth 20.

Look at the right figure for how it happens, because it isn't quite what one expects. At depth 10, the early half's outputs keep changing by about half of their size in each step, and the network learns nevertheless. At depth 20 they jump, and after ten steps they hardly move any more. The large steps have brought the early half into a state in which nearly the same comes out whatever digit goes in: the outputs differ by 0.11 from digit to digit, where they differed by 0.52 before training. The late half has little left to tell the digits apart by.

A smaller learning rate helps, at depth 20 more than anything else here. But at depth 3 the same rate is ten times too small. There is no one rate for all depths, nor for all layers of one network, whose gradients differ by powers of ten.

"""

# %% [markdown]
r"""
### Question 5

about 5 minutes · difficulty 3 of 5 · importance 4 of 5 · 1 point

At depth 20 the network got more digits right when its first ten layers were not trained at all. What does that show?

- **a)** Random early layers are a good solution; there is no need to train them in deep networks.
- **b)** With all layers learning, the late half had too small a learning rate.
- **c)** The gradient of the early layers had vanished, so that training them made no difference.
- **d)** The late layers are able to learn. What kept them from it were the large steps of the early layers, which spoilt what the late ones get as input.
"""

# %% nbgrader={"grade_id": "question-5", "solution": true}
# Assign one letter, in quotes,
# for instance: answer_5 = "a"
### BEGIN SOLUTION
answer_5 = "d"
### END SOLUTION

# %% nbgrader={"grade_id": "check-question-5", "grade": true}
check_question(5)

# %% [markdown]
r"""
**What goes wrong in practice.** Neither of the two usually announces itself. The program runs, the loss is mostly still a number, and it just doesn't fall.

| what you see | vanishing | exploding |
|---|---|---|
| loss | stays at the value of guessing, here $\ln 10 = 2.30$ | jumps, may become inf or nan |
| gradients | smallest in the first layers, or tiny in all | largest in the first layers |
| weights | early layers stay at their random first values | early layers make large steps, the first ones most of all |
| going deeper | doesn't help, or makes it worse | makes it worse |

So look at the gradients, layer by layer, before you train for an hour. In PyTorch it takes one line after `loss.backward()`: `for name, p in model.named_parameters(): print(name, p.grad.norm())`. A quick cure for explosions is to shorten every gradient that is too long, `torch.nn.utils.clip_grad_norm_`. It keeps the steps small. It doesn't tell the early layers where to go.

## What can be done

Most of what helps acts on the factor $\varphi'(\text{net})\cdot w$, or leads around it. Adaptive steps leave the factor as it is and suit the step to the gradient that arrives. Part c takes these one by one, with the formula, the code, and the experiments you have just seen.

| remedy | what it acts on |
|---|---|
| activation functions whose slope doesn't vanish (ReLU and its relatives) | $\varphi'$ is 1 wherever the neuron is active |
| better first weights | $w$ is drawn so that the factors are about 1 at the start |
| momentum and adaptive learning rates (AdaGrad, RMSprop, Adam, Nadam) | the size of the step: momentum adds up earlier gradients, the others give each weight a step of its own size |
| batch normalisation | net inputs are kept where $\varphi$ has a slope |
| skip connections | the error has a way round the layer, with factor 1 |

**And the price.** Even with all this, a deep network has many weights. It takes much labelled data to pin them down, and much computation to train them. The next cell counts both for our small networks, and takes the time.
"""

# %% tags=["explore"]
import time
from pnnlib.data import digits
from pnnlib.layers import Tanh
from pnnlib.networks import mlp
from pnnlib.optim import SGD
from pnnlib.train import fit

data = digits()
x = data.x_train.reshape(-1, 64)
print("depth  weights and biases  per digit to learn from  one epoch on this machine")
for depth in (3, 10, 50):
    network = mlp([64] + [32] * (depth - 1) + [10], Tanh, rng=0)
    count = sum(p.data.size for p in network.parameters())
    start = time.perf_counter()
    fit(network, x, data.y_train, SGD(network.parameters(), lr=0.2), epochs=1, batch_size=64, progress=False, rng=0)
    print(f"{depth:5}  {count:18,}  {count / len(x):23.0f}  {time.perf_counter() - start:22.2f} s")

# %% [markdown]
r"""
At depth 50 there are 44 weights for every digit to learn from, in a network that is a toy. Networks in use have millions of weights or more, and are trained on millions of labelled samples, for days. Depth is not free even when it works.

## Summary

Backpropagation multiplies. From layer to layer the error gets a factor $\varphi'(\text{net})\cdot w$, and a product of many factors either vanishes or explodes, unless something keeps them near 1.

| idea | formula | your function | PyTorch |
|---|---|---|---|
| the chain, forward | $y_{j+1} = \varphi(w_j y_j)$ | `chain_forward` | `y = phi(w * y)` in a loop |
| slope of the sigmoid | $y(1 - y)$, at most 0.25 | `sigmoid_derivative` | autograd |
| slope of tanh | $1 - y^2$, at most 1 | `tanh_derivative` | autograd |
| change of a weight | $\eta\,(t - y)\cdot$ factors $\cdot\,\varphi'(w_j y_j)\,y_j$ | `chain_updates` | `-eta * w.grad` after `backward()` |
| the factor | $\varphi'(w_j y_j)\,w_j$ | `chain_factors` | `torch.autograd.grad(y[j + 1], y[j])` |
| how deep it reaches | $n > \log\theta / \log\lvert f\rvert$ | `layers_to_vanish` | none |
| a real network | $dW_i = d\text{net}_i^{\mathsf T}\,Y_{i-1}$ | `gradient_norms` | `w.grad.norm()` |

**Vanishing** ($|f| < 1$): early layers keep their random first weights and add nothing; more depth doesn't help. **Exploding** ($|f| > 1$): early layers jump; what they then give on changes wildly, or becomes nearly the same for every sample, and the late layers cannot learn from it; more depth makes it worse.

## Questions to think about

**1.** In the worked example, $w_{21}$ gets the smallest change of all. Is it therefore the least important weight of the chain?

<details><summary>Answer</summary>

No. A small gradient says that a small change of this weight has a small effect *here*, where four slopes of at most a quarter lie on the way. It doesn't say that the weight is right. Everything that the later neurons ever get to see has passed through $w_{21}$.

</details>

**2.** All factors of a chain are $-1$. Does the gradient vanish, explode, or neither? What is odd about it?

<details><summary>Answer</summary>

Neither: its size stays the same. But its sign turns from layer to layer. That is as it should be. If a neuron's output is turned round by the next weight, then to raise the end you must lower the beginning.

</details>

**3.** Why not give each layer its own learning rate, so that all layers move equally far?

<details><summary>Answer</summary>

In principle you could, and adaptive methods (part c) do something of the kind. But the sizes differ by powers of ten, from network to network and from step to step, so nobody can set those rates by hand. And a rate of $10^{20}$ multiplies rounding errors as well as the gradient. It is better not to lose the error in the first place.

</details>

**4.** A recurrent network reads a text of 500 words, with the same weights at every step. Part a unfolded it into a deep network. What follows from this part?

<details><summary>Answer</summary>

Unfolded, it has 500 layers. The same weight matrix stands in every factor, so there is no averaging out: if it shrinks errors, it does so 500 times. What was read at the beginning can hardly influence the learning at the end.

</details>

## What to hand in

Hand in this notebook, one file, with your seven functions and your five answers. Before you do:

1. Choose *Restart kernel and run all cells*. What works only because of an old cell will not work for us either.
2. Look at every check. A ✓ means that your function agrees with PyTorch on the public cases. It will be marked on other numbers of the same kind. For the questions it only means that your answer is recorded.
3. Keep the names of the functions, and leave the check cells where they are.

Something is unfinished? Hand it in all the same. Each exercise earns its own points, and those for the ordinary cases count even if a rare one fails.

The next part takes the remedies one by one, and repeats today's experiments with each of them.
"""
