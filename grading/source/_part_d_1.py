# ---
# jupyter:
#   course: {notebook: part_d_convolution, assignment: part_d}
#   jupytext: {text_representation: {extension: .py, format_name: percent}}
#   kernelspec: {display_name: Python 3 (ipykernel), language: python, name: python3}
# ---

# %% [markdown]
r"""
# Part d · Convolutional layers

How can a network find a pattern without being told where to look? By the end of this notebook you will have built the answer yourself, number by number, and seen it agree with PyTorch.

**You will be able to**

- say what makes a network convolutional, and what weight sharing saves;
- work out a cross-correlation and a true convolution by hand, and program both;
- use stride, padding and dilation, and predict the size of the output;
- write a whole layer with many channels and many masks, forwards and backwards;
- count weights, and say how much of the input one output can see.

**You need** NumPy arrays (indexing, slices, shapes), and from the lecture: the weighted sum of a neuron, and its threshold. No PyTorch; the notebook shows what you need of it.

**Time:** about 4 hours. It needn't be one sitting. Ten exercises and two questions give 20 points. Each says how long it takes, how hard it is and how much it matters.

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
## What makes a network convolutional?

**Guess first.** You show a friend a photograph and ask: is there a cat in it? Does it matter to them whether the cat sits on the left or on the right? Now think of a neuron that is connected to every pixel. Does it matter to *that*?

To the neuron it matters a great deal. Every pixel has a weight of its own. Move the cat, and it falls on other weights, which have learnt nothing about cats. What we want is **tolerance to location**: the same pattern should be recognised in another place.

A layer can get this from *how* it computes its net input. Instead of multiplying one long weight vector with the whole input, it slides a few weights along the input and repeats a small sum at every place. The name for that is **cross-correlation**, and its close relative is **convolution**. A network in which at least one layer does so is a **convolutional neural network**, CNN for short. The other layers may be of any kind.

The place need not be a place in space. In a recording, a word is the same word a second later. Here is a signal of that sort: one short pattern, at two moments, with some noise. Because of the noise the two peaks are not quite equal.
"""

# %% tags=["explore"]
import numpy as np
from matplotlib.figure import Figure
from pnnlib.conv import cross_correlate as slide
from pnnlib.explore.figure import show_figure

pattern = np.array([1, 0, -2, -2, -1.0])
signal = np.random.default_rng(3).normal(0, 0.3, 40)
signal[6:11] += pattern  # once early
signal[25:30] += pattern  # and once late
output = slide(signal, pattern)
print("the pattern answers to itself with", pattern @ pattern)
print("strongest outputs at", sorted(np.argsort(output)[-2:].tolist()), "with", np.sort(output)[-2:].round(1))

figure = Figure(figsize=(8, 3.6), layout="constrained")
top, bottom = figure.subplots(2, 1, sharex=True)
top.plot(signal, "o-", markersize=3)
top.set(title="the signal", ylabel="x(i)")
bottom.plot(output, "s-", markersize=3)
bottom.set(title="five weights slid along it", xlabel="place i", ylabel="y(i)")
for axes in (top, bottom):
    for place in (6, 25):
        axes.axvspan(place, place + 4, color="0.88")
show_figure(
    figure,
    alt="Above, a noisy signal of 40 numbers with the same dip of five numbers at places 6 and 25. Below, the "
    "weighted sum for every place: two peaks stand out, exactly at 6 and 25.",
    caption="The same five weights find the pattern early and late. Grey bands: where it was put.",
)

# %% [markdown]
r"""
## Learn it everywhere, or learn it once

There are two ways to recognise a pattern at every place.

**Separately.** Give each place its own small neuron with its own weights. Each must learn the pattern for itself, from examples in which the pattern lies just there. Most places will see few.

**Together.** Let all these neurons have *the same* weights. What is learnt at one place is known at all. This is **weight sharing**.

**Guess first.** The image has $28\times28$ pixels, and each small neuron reads a window of $5\times5$. Windows fit at $24\times24 = 576$ places. How many weights do you save by sharing: nine in ten, or more?

| 576 neurons, without biases | weights |
|---|---|
| each reads the whole image | $576\cdot 784 = 451\,584$ |
| each reads its own window, weights not shared | $576\cdot 25 = 14\,400$ |
| each reads its own window, weights shared | $25$ |

So two things save weights, and it pays to keep them apart. A neuron that reads only a small window has few inputs: its window is its **receptive field**. And neurons that share have one set of weights between them. In the last row, the number no longer depends on the size of the image at all.

Sharing makes learning cheaper, too. It doesn't make *computing* cheaper than the row above it: all 576 sums are still done.

## Mask, filter, kernel

The shared weights are written as a small array. It has three names that mean the same: **mask**, **filter**, **kernel**. We call it $H$. The input, an image or the output of the layer before, is $X$. Here are the two that will stay with us:

$$X = \begin{pmatrix} -1&1&0.5&1\\ 0&-2&-1&0\\ 0.5&-1&-1&1\\ -1&1&0&-2 \end{pmatrix}
\qquad
H = \begin{pmatrix} -1&1\\ 0&-2 \end{pmatrix}$$

The numbers in $H$ are weights like any others. Nobody has to invent them: backpropagation will learn them. We pick them by hand only so that you can follow the arithmetic.
"""

# %% [markdown]
r"""
## Cross-correlation, step by step

**Guess first.** At how many places does the $2\times2$ mask fit on the $4\times4$ input, if it mustn't hang over the edge: 4, 9 or 16?

Lay the mask on the top-left corner. Multiply each weight by the number under it. Add the products up, and write the sum into the output. Move one column to the right and do it again; at the end of a row, go down by one. As a formula:

$$Y(i, j) = (X \star H)(i, j) = \sum_{k,l} X(i+k,\, j+l)\; H(k, l)$$

Read it with a finger on the picture: $(i, j)$ says where the mask lies, $(k, l)$ runs over the weights. All counting starts at 0. There are $4 - 2 + 1 = 3$ places each way, so 9 outputs.

Do the first three with a pencil, and then look.

| place $(i,j)$ | under the mask | $-1\cdot$ | $+1\cdot$ | $0\cdot$ | $-2\cdot$ | sum |
|---|---|---|---|---|---|---|
| $(0,0)$ | $-1,\; 1,\; 0,\; -2$ | $1$ | $1$ | $0$ | $4$ | $6$ |
| $(0,1)$ | $1,\; 0.5,\; -2,\; -1$ | $-1$ | $0.5$ | $0$ | $2$ | $1.5$ |
| $(0,2)$ | $0.5,\; 1,\; -1,\; 0$ | $-0.5$ | $1$ | $0$ | $0$ | $0.5$ |
| $(1,0)$ | $0,\; -2,\; 0.5,\; -1$ | $0$ | $-2$ | $0$ | $2$ | $0$ |
| $(1,1)$ | $-2,\; -1,\; -1,\; -1$ | $2$ | $-1$ | $0$ | $2$ | $3$ |
| $(1,2)$ | $-1,\; 0,\; -1,\; 1$ | $1$ | $0$ | $0$ | $-2$ | $-1$ |
| $(2,0)$ | $0.5,\; -1,\; -1,\; 1$ | $-0.5$ | $-1$ | $0$ | $-2$ | $-3.5$ |
| $(2,1)$ | $-1,\; -1,\; 1,\; 0$ | $1$ | $-1$ | $0$ | $0$ | $0$ |
| $(2,2)$ | $-1,\; 1,\; 0,\; -2$ | $1$ | $1$ | $0$ | $4$ | $6$ |

Each line is the weighted sum of one neuron. There are nine neurons here, all with the same weights, each with a window of its own. Moving the mask is only our way to picture them.

In the panel below, step through the places and watch each product. Then change a number of $X$. How many outputs change with it: one, or up to four?
"""

# %% tags=["explore"]
from pnnlib.explore import explore_cross_correlation

explore_cross_correlation()

# %% [markdown]
r"""
### Exercise 1 · cross_correlate

about 15 minutes · difficulty 2 of 5 · importance 5 of 5 · 2 points

Program what you have just done by hand. Begin with the shape of the result: how many rows of places are there for a mask of $k$ rows on an input of $H$ rows? Then two loops over the places are enough. If you want it shorter, loop over the *weights* instead, and add a whole shifted piece of `x` at a time.
"""

# %% nbgrader={"grade_id": "cross_correlate", "solution": true}
def cross_correlate(x, h):
    """Slide a mask over an input: stride 1, no padding.

    Arguments: x (H, W), the input; h (k, l), the mask, not larger than x.
    Result: an array (H-k+1, W-l+1); neither x nor h is changed.

    Example: each output is 1 times a number plus 10 times its right neighbour.
    >>> cross_correlate(np.array([[1., 2., 4.]]), np.array([[1., 10.]]))
    array([[21., 42.]])
    """
    ### BEGIN SOLUTION
    rows, columns = x.shape[0] - h.shape[0] + 1, x.shape[1] - h.shape[1] + 1
    y = np.zeros((rows, columns))
    for k in range(h.shape[0]):
        for l in range(h.shape[1]):
            y += h[k, l] * x[k : k + rows, l : l + columns]  # one weight meets one shifted input
    return y
    ### END SOLUTION

# %% nbgrader={"grade_id": "check-cross_correlate", "grade": true}
check(cross_correlate)

# %% [markdown]
r"""
Now give your function to the panel. It shows your output beside ours and stops at the first number that differs. Try an input of one row, or a mask as large as the input.
"""

# %% tags=["explore"]
from pnnlib.explore import explore_cross_correlation

explore_cross_correlation(cross_correlate)

# %% [markdown]
r"""
**The same numbers in PyTorch.** Its function is called `conv2d`. It wants two axes more on each side, because it is made for many images, channels and masks at once; `[None, None]` puts axes of length 1 in front. Ignore them until we get to channels.
"""

# %% tags=["explore"]
import numpy as np
import torch
from pnnlib.bridge import compare

X = np.array([[-1, 1, 0.5, 1], [0, -2, -1, 0], [0.5, -1, -1, 1], [-1, 1, 0, -2]])
H = np.array([[-1.0, 1], [0, -2]])

def in_torch(x, h):
    return torch.nn.functional.conv2d(x[None, None], h[None, None])[0, 0]

print(in_torch(torch.tensor(X), torch.tensor(H)).numpy())
print(compare(cross_correlate, in_torch, X, H))

# %% [markdown]
r"""
**What goes wrong in practice.**

- *Indices swapped.* In an array the row comes first: `x[i, j]` is row $i$, column $j$. Someone who thinks "x, then y" gets a transposed answer. On square inputs nothing complains.
- *One place too few.* The mask fits $H - k + 1$ times. With $H - k$ the last row is lost, quietly.
- *Integers.* `np.zeros_like(x)` of an integer `x` holds integers. `y += 0.5` fails, and `y[0, 0] = 0.5` cuts the half off without a word.
- *A library's default.* `scipy.signal.correlate2d` lets the mask hang over all the edges unless you say `mode="valid"`.

## What the output tells you

The output is again an array of numbers, arranged as the input is. We call it a **feature map**: a map of where the feature was found, and how clearly.

**Guess first.** Look at the nine outputs. The largest is 6, and it occurs twice. What do the two windows have in common?

Both hold exactly the numbers of the mask. That is no accident, and there are two lessons in it.

**Same pattern, same output.** Both windows hold the same numbers and meet the same weights. So the sums are the same, wherever the windows lie. That is the tolerance to location we were after.

**A match is strong.** If the window equals the mask, each product is a square, and no square is negative: $(-1)^2 + 1^2 + 0^2 + (-2)^2 = 6$. Among all windows *of the same length* (the root of the sum of squares) none can beat it.

But be careful. **A large output is not the same as an equal window.** The next cell tries four windows. Guess the four outputs first; only one of the windows is the pattern.
"""

# %% tags=["explore"]
import numpy as np

H = np.array([[-1.0, 1], [0, -2]])
windows = {
    "the pattern itself": [[-1, 1], [0, -2]],
    "three times as strong": [[-3, 3], [0, -6]],
    "something else, but bright": [[-2, 2], [5, -2]],
    "the pattern, upside down": [[0, -2], [-1, 1]],
}
for name, window in windows.items():
    window = np.array(window, float)
    output = (window * H).sum()
    cosine = output / np.linalg.norm(window) / np.linalg.norm(H)
    print(f"{name:28} output {output:5.1f}   divided by both lengths {cosine:5.2f}")

# %% [markdown]
r"""
The third window beats the pattern, with 8 against 6. It has larger numbers, and the 5 in it goes unseen, as it meets the weight 0. Divide by the lengths of window and mask, and only windows in the direction of the mask reach 1. A layer doesn't do that. It computes the plain sum, and bright windows have the advantage. So people bring inputs to a common scale before the layer, and subtract a threshold after it.
"""

# %% [markdown]
r"""
## Experiment: shift the input

**Predict first, in writing.** A $5\times7$ input is zero, apart from our pattern near the left edge. You push it to the right, one column at a time, and zeros follow on. What happens to the feature map

1. while the whole pattern is still inside,
2. when half of it has been pushed over the edge?
"""

# %% tags=["explore"]
import numpy as np
from matplotlib.figure import Figure
from pnnlib.conv import cross_correlate as slide
from pnnlib.explore.figure import show_figure

H = np.array([[-1.0, 1], [0, -2]])
start = np.zeros((5, 7))
start[2:4, 1:3] = H
first = slide(start, H)

shifts = [0, 1, 4, 5]  # change these: any from 0 to 6
figure = Figure(figsize=(8, 3.4), layout="constrained")
for column, shift in zip(figure.subplots(2, len(shifts)).T, shifts):
    x = np.zeros_like(start)
    x[:, shift:] = start[:, : 7 - shift]
    y = slide(x, H)
    expected = np.zeros_like(first)
    expected[:, shift:] = first[:, : 6 - shift]
    differ = int((y != expected).sum())
    print(f"shift {shift}: largest output {y.max():g}; {differ} outputs differ from the first map shifted by {shift}")
    for axes, values, title in zip(column, (x, y), (f"input, shift {shift}", f"output, largest {y.max():g}")):
        axes.imshow(values, cmap="RdBu", vmin=-6, vmax=6)
        axes.set(title=title, xticks=[], yticks=[])
        for (i, j), value in np.ndenumerate(values):
            if value:
                axes.text(j, i, f"{value:g}", ha="center", va="center", color="white" if abs(value) > 3 else "black")
show_figure(
    figure,
    alt=f"Four inputs in which a pattern is shifted to the right by {shifts} columns, and below them their feature "
    "maps. As long as the pattern lies inside, the map shows the same numbers, shifted by as much, with a 6 at the "
    "pattern; when part of the pattern has left the input, the 6 is gone.",
    caption="Above the input, below its feature map. Only numbers other than 0 are written.",
)

# %% [markdown]
r"""
While the pattern is inside, the map moves along with it and keeps its numbers. The 6 stays a 6. So the layer is not blind to location. *What* it says stays the same, and *where* it says so moves. Mathematicians call this **equivariance**. To forget the place altogether takes a further step, for instance the maximum of the whole map.

At the border it ends. With shift 5, the output that said 6 has fallen off the map: to meet the whole pattern, the mask would have to hang over the edge. What is left comes from half a pattern. In a real photograph, something new also comes in on the other side. And pixels at the rim lie under the mask less often than those in the middle.

And tolerance to *location* is all you get for nothing. Turn the pattern or make it larger, and the mask no longer fits.
"""

# %% [markdown]
r"""
## True convolution

**Guess first.** A convolutional layer computes a cross-correlation. So what is a convolution?

Nearly the same. The weights are met in reverse order, in both directions:

$$Y(i, j) = (X * H)(i, j) = \sum_{k,l} X(i+k,\, j+l)\; H(-k, -l)$$

In other words: turn the mask by 180°, then cross-correlate.

$$\begin{pmatrix} -1&1\\ 0&-2 \end{pmatrix} \;\longrightarrow\; \begin{pmatrix} -2&0\\ 1&-1 \end{pmatrix}$$

A half turn flips the rows *and* the columns. It is not a mirror image, and not the transpose.

**Look closely at the indices.** $H(-k, -l)$ counts from the middle of the mask: a mask with three rows has the rows $-1, 0, 1$, and the minus sign swaps the outer two. In NumPy rows count from 0, and row $-1$ means *the last*. Typing `h[-k, -l]` runs without an error, and is wrong: with two rows, `h[0]` and `h[-1]` are the first and the second, so nothing has been turned. Counted from the corner, the formula is

$$Y(i, j) = \sum_{k,l} X(i+k,\, j+l)\; H(K-1-k,\; L-1-l) \qquad \text{for a mask of } K \times L .$$

The two formulas give the same numbers. They only disagree on which place is called $(0, 0)$. We use the second, so the result begins where the mask first lies wholly on the input.

> **Convention card: "convolution"**
>
> | | |
> |---|---|
> | **The lecture says** | Convolutional layers compute a cross-correlation. A true convolution is a cross-correlation with the mask turned. |
> | **PyTorch does** | `conv1d` and `conv2d` are cross-correlations, despite their names. |
> | **Ours** | `cross_correlate` doesn't turn the mask, `convolve` does, and `conv2d` is a cross-correlation, as in PyTorch. |
> | **The checks accept** | For `convolve`, any way of turning by 180°: two flips, two quarter turns, or indices. Not the unturned mask. |
>
> Why does nobody mind? The weights are learnt. A layer that turned its mask would simply learn the turned weights. It matters when you take over a mask from a book, or compare with SciPy: `scipy.signal.convolve2d` does turn it.

### Exercise 2 · convolve

about 5 minutes · difficulty 1 of 5 · importance 3 of 5 · 1 point

Use your `cross_correlate`. What is left to do takes one line.
"""

# %% nbgrader={"grade_id": "convolve", "solution": true}
def convolve(x, h):
    """Convolve an input with a mask, wherever the mask lies wholly on the input.

    Arguments: x (H, W), the input; h (k, l), the mask, not larger than x.
    Result: an array (H-k+1, W-l+1); neither x nor h is changed.

    Example: each output is 10 times a number plus 1 times its right neighbour.
    >>> convolve(np.array([[1., 2., 4.]]), np.array([[1., 10.]]))
    array([[12., 24.]])
    """
    ### BEGIN SOLUTION
    return cross_correlate(x, h[::-1, ::-1])
    ### END SOLUTION

# %% nbgrader={"grade_id": "check-convolve", "grade": true}
check(convolve)

# %% tags=["explore"]
import numpy as np
import torch
from pnnlib.bridge import compare

X = np.array([[-1, 1, 0.5, 1], [0, -2, -1, 0], [0.5, -1, -1, 1], [-1, 1, 0, -2]])
H = np.array([[-1.0, 1], [0, -2]])

def in_torch(x, h):
    return torch.nn.functional.conv2d(x[None, None], h.flip(0, 1)[None, None])[0, 0]

print(in_torch(torch.tensor(X), torch.tensor(H)).numpy())
print(compare(convolve, in_torch, X, H))

# %% [markdown]
r"""
## From sums to outputs

So far we have the net input. A neuron goes on to apply its activation function, and here that is done to each number of the feature map by itself. With **linear threshold units**, the neuron fires or it doesn't:

$$y = H\Big(\sum_i w_i x_i - \theta\Big), \qquad H(a) = \begin{cases} 1 & a > 0\\ 0 & a < 0 \end{cases}$$

Mind the letter: this $H$ is the Heaviside step, not the mask. All copies of the neuron share the threshold $\theta$, just as they share the weights.

**Guess first.** Our feature map is

$$\begin{pmatrix} 6&1.5&0.5\\ 0&3&-1\\ -3.5&0&6 \end{pmatrix}.$$

How many of the nine neurons fire with $\theta = 2$? Which $\theta$ leaves only the two where the window equals the mask?

With $\theta = 2$ three fire, all on the diagonal. Any $\theta$ between 3 and 6 leaves the two.

> **Convention card: the step at 0**
>
> | | |
> |---|---|
> | **The lecture says** | 1 above the threshold, 0 below. What happens *on* it stays open. |
> | **PyTorch does** | `torch.heaviside(a, values)` makes you say what it should be at 0. |
> | **Ours** | 1: reaching the threshold is enough to fire, as in `pnnlib.activations.threshold`. |
> | **The checks accept** | Both `>` and `>=`: no case lands on the threshold. And `True` for 1, `False` for 0. |

### Exercise 3 · threshold_layer

about 5 minutes · difficulty 1 of 5 · importance 4 of 5 · 1 point

A layer of linear threshold units with one mask. Again your `cross_correlate` does the heavy part. Is $\theta$ added or subtracted?
"""

# %% nbgrader={"grade_id": "threshold_layer", "solution": true}
def threshold_layer(x, h, theta):
    """Apply a layer of linear threshold units that share one mask.

    Arguments: x (H, W), the input; h (k, l), the mask; theta, a number.
    Result: an array (H-k+1, W-l+1) of zeros and ones.

    Example: the sums are 3 and 6, and only the second exceeds 4.
    >>> threshold_layer(np.array([[1., 2., 4.]]), np.array([[1., 1.]]), 4)
    array([[0., 1.]])
    """
    ### BEGIN SOLUTION
    return (cross_correlate(x, h) - theta >= 0).astype(float)
    ### END SOLUTION

# %% nbgrader={"grade_id": "check-threshold_layer", "grade": true}
check(threshold_layer)

# %% tags=["explore"]
import numpy as np
import torch
from pnnlib.bridge import compare

X = np.array([[-1, 1, 0.5, 1], [0, -2, -1, 0], [0.5, -1, -1, 1], [-1, 1, 0, -2]])
H = np.array([[-1.0, 1], [0, -2]])

def in_torch(x, h, theta):
    net = torch.nn.functional.conv2d(x[None, None], h[None, None])[0, 0] - theta
    return torch.heaviside(net, torch.ones_like(net))

def relu_in_torch(x, h):
    return torch.relu(torch.nn.functional.conv2d(x[None, None], h[None, None])[0, 0])

print("theta = 2\n", in_torch(torch.tensor(X), torch.tensor(H), 2).numpy())
print("ReLU\n", relu_in_torch(torch.tensor(X), torch.tensor(H)).numpy())
print(compare(threshold_layer, in_torch, X, H, theta=2))

# %% [markdown]
r"""
**ReLU after a feature map.** The same sums can go through another activation function. ReLU, $\varphi(a) = \max(a, 0)$, keeps what is positive and makes the rest 0:

$$\begin{pmatrix} 6&1.5&0.5\\ 0&3&-1\\ -3.5&0&6 \end{pmatrix} \;\longrightarrow\; \begin{pmatrix} 6&1.5&0.5\\ 0&3&0\\ 0&0&6 \end{pmatrix}$$

The step says only *whether*. ReLU also says *how much*. And it can be trained: it has a slope where its input is positive, while the step is flat on both sides, so no error gets back through it.

**What goes wrong in practice.** The sign: a *threshold* is subtracted, a *bias* is added, and $b = -\theta$. Take one for the other, and the neurons fire where they should be silent. Another: `torch.nn.functional.threshold` sounds right, but it is something else. It replaces what is small and leaves the rest as it is.

### Question 1

about 3 minutes · difficulty 2 of 5 · importance 4 of 5 · 1 point

A layer has one mask of $3\times3$ weights, stride 1, no padding and no activation function. It was trained on images of $10\times10$ pixels, in which its pattern always lay in the top-left quarter. Now it gets images of $100\times100$ pixels, with the pattern somewhere in the middle and zeros around it. Which statement is true?

- **a)** The layer now needs more than a hundred times as many weights, since there are more than a hundred times as many places.
- **b)** The nine weights remain, and the feature map has the same size and the same numbers as before, since the output doesn't depend on where the pattern lies.
- **c)** The nine weights remain. The feature map gets larger, and where the mask meets the pattern, the output is the same number as in the small images.
- **d)** The nine weights remain, but they recognise the pattern in the middle only after training with images in which it lies there.
"""

# %% nbgrader={"grade_id": "question-1", "solution": true}
# Assign one letter, in quotes,
# for instance: answer_1 = "a"
### BEGIN SOLUTION
answer_1 = "c"
### END SOLUTION

# %% nbgrader={"grade_id": "check-question-1", "grade": true}
check_question(1)
