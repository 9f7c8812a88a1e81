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

The place need not be a place in space. In a recording, a word is the same word a second later. Here is a signal of that sort: one short pattern, at two moments, with some noise. Because of the noise the two peaks are not equal.
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

So two things save weights, and it pays to keep them apart. A neuron that reads only a small window has few inputs: its window is its **receptive field**. And neurons that share have one set of weights between them: of 576 sets one is left, so sharing alone saves 99.8 per cent. In the last row, the number no longer depends on the size of the image at all.

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

In the panel below, step through the places and watch each product. Then change a number of $X$. Up to four windows hold it. Why do at most three outputs change?
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
    print(f"shift {shift}: largest output {y.max():g}; {differ} outputs differ from the first map, shifted and cut off")
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

At the border it ends. The map is still the first one, shifted, but what passes the edge is cut off. With shift 5, the output that said 6 has fallen off: to meet the whole pattern, the mask would have to hang over the edge. What is left comes from half a pattern. In a real photograph, something new also comes in on the other side. And pixels at the rim lie under the mask less often than those in the middle.

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

# %% [markdown]
r"""
## The mask is the receptive field

A neuron of this layer sees only what lies under its mask. So the size of the mask is the size of its **receptive field**, as long as its weights lie side by side (dilation will change that). Here are three masks:

$$\underbrace{\begin{pmatrix} -1&1\\ 0&-2 \end{pmatrix}}_{2\times2}
\qquad \underbrace{\begin{pmatrix} -1&1&0\\ 0&-2&-2\\ -1&1&0.1 \end{pmatrix}}_{3\times3}
\qquad \underbrace{\begin{pmatrix} 1&0&-2&-2&-1 \end{pmatrix}}_{1\times5}$$

The last one is for a signal, which has one axis only: $y(i) = \sum_k x(i+k)\, h(k)$. It is the pattern that you saw twice in the noise at the beginning.

**Guess first.** Slide the $1\times5$ mask along the signal $(0, 0, 1, 0, -2, -2, -1, 0)$. The pattern lies at place 2. What is the output there? And is it zero at the three other places, where the pattern does *not* lie?

| place | under the mask | products | sum |
|---|---|---|---|
| $0$ | $0,\; 0,\; 1,\; 0,\; -2$ | $0 + 0 - 2 + 0 + 2$ | $0$ |
| $1$ | $0,\; 1,\; 0,\; -2,\; -2$ | $0 + 0 + 0 + 4 + 2$ | $6$ |
| $2$ | $1,\; 0,\; -2,\; -2,\; -1$ | $1 + 0 + 4 + 4 + 1$ | $10$ |
| $3$ | $0,\; -2,\; -2,\; -1,\; 0$ | $0 + 0 + 4 + 2 + 0$ | $6$ |

The pattern wins with 10, but its neighbours aren't silent: moved by one place, the pattern still resembles itself. Feature maps have hills, not needles.

How large should a mask be? A small one is cheap, has few weights to learn, and matches many things. A large one can tell more patterns apart, costs more, and fits at fewer places. On our $4\times4$ input the $2\times2$ mask fits at nine places, the $3\times3$ mask at four.
"""

# %% tags=["explore"]
import numpy as np
import torch

X = np.array([[-1, 1, 0.5, 1], [0, -2, -1, 0], [0.5, -1, -1, 1], [-1, 1, 0, -2]])
masks = [[[-1, 1], [0, -2]], [[-1, 1, 0], [0, -2, -2], [-1, 1, 0.1]]]
for mask in masks:
    h = torch.tensor(mask, dtype=torch.float64)
    y = torch.nn.functional.conv2d(torch.tensor(X)[None, None], h[None, None])[0, 0]
    print("a mask of", tuple(h.shape), "gives", tuple(y.shape), "\n", y.numpy())

signal, h = [0.0, 0, 1, 0, -2, -2, -1, 0], [1.0, 0, -2, -2, -1]
print(torch.nn.functional.conv1d(torch.tensor(signal)[None, None], torch.tensor(h)[None, None])[0, 0].numpy())

# %% [markdown]
r"""
## Padding, stride and dilation

Three numbers change how the mask is laid on the input. None of them changes the weights. We keep the input $X$ and the $2\times2$ mask $H$ from before, whose outputs were

$$\begin{pmatrix} 6&1.5&0.5\\ 0&3&-1\\ -3.5&0&6 \end{pmatrix}.$$

### Padding: zeros around the input

**Guess first.** Each layer trims the rim: with a $2\times2$ mask, $4\times4$ became $3\times3$. After twenty layers with $2\times2$ masks, what is left of an image of $28\times28$ pixels?

$8\times8$. If you don't want that, append $p$ zeros to *each* edge before you begin. The mask may then hang over the edge, and meets zeros there. With $p = 1$ our input is $6\times6$, and the mask fits at $5\times5$ places:

$$\begin{pmatrix} 0&0&0&0&0&0\\ 0&-1&1&0.5&1&0\\ 0&0&-2&-1&0&0\\ 0&0.5&-1&-1&1&0\\ 0&-1&1&0&-2&0\\ 0&0&0&0&0&0 \end{pmatrix}
\;\longrightarrow\;
\begin{pmatrix} 2&-2&-1&-2&0\\ -1&\mathbf{6}&\mathbf{1.5}&\mathbf{0.5}&-1\\ -1&\mathbf{0}&\mathbf{3}&\mathbf{-1}&0\\ 2.5&\mathbf{-3.5}&\mathbf{0}&\mathbf{6}&-1\\ -1&2&-1&-2&2 \end{pmatrix}$$

The old outputs are all still there, in bold. Around them stands a rim of new ones, in which part of the mask met zeros. Take the first: only the $-2$ in the corner of the mask meets a pixel, and $-2\cdot(-1) = 2$.

More padding, larger output. With a mask of $3\times3$ and $p = 1$, it is exactly as large as the input.

### Stride: larger steps

Move the mask by $s$ pixels instead of one, to the right and downwards. With $s = 2$ and no padding it stops at every second place:

$$\begin{pmatrix} \mathbf{6}&1.5&\mathbf{0.5}\\ 0&3&-1\\ \mathbf{-3.5}&0&\mathbf{6} \end{pmatrix}
\;\longrightarrow\;
\begin{pmatrix} 6&0.5\\ -3.5&6 \end{pmatrix}$$

No output gets a new value. Some are simply left out: output $(i, j)$ is the one that used to be at $(i\,s,\, j\,s)$. Larger stride, smaller output, and less work, if you never compute what you would throw away.

### Dilation: gaps in the mask

Pull the weights apart, so that neighbours in the mask meet pixels that are $d$ apart. With $d = 2$ there is *one* pixel between them that nobody looks at:

$$\begin{pmatrix} -1&1\\ 0&-2 \end{pmatrix}
\quad\text{acts like}\quad
\begin{pmatrix} -1&0&1\\ 0&0&0\\ 0&0&-2 \end{pmatrix},
\qquad\text{and gives}\qquad
\begin{pmatrix} 3.5&-2\\ -1&6 \end{pmatrix}$$

The first output in full: $-1\cdot X(0,0) + 1\cdot X(0,2) - 2\cdot X(2,2) = 1 + 0.5 + 2 = 3.5$.

Larger dilation, larger receptive field, at no further weight: four weights now span $3\times3$ pixels. In general, $k$ weights in a row span $d\,(k-1) + 1$ pixels: a first one, and then $k - 1$ steps of $d$.

### All in one formula

$$Y(i, j) = \sum_{k,l} X(i\,s + k\,d - p,\;\; j\,s + l\,d - p)\; H(k, l), \qquad X = 0 \text{ outside.}$$

Each letter has its own job: $s$ moves the window, $d$ spreads the weights, $p$ shifts the start to before the edge. Rows and columns may have different values, and then each is a pair (rows, columns).

Now try it. Guess before each step, and then look.

1. Padding 1 and stride 2: how many outputs are there? How many windows look at each pixel?
2. Stride 3, no padding: which pixels of $X$ does nobody look at?
3. Dilation 3, no padding, stride 1: how many outputs are there? And with dilation 4?

<details><summary>Answers</summary>

1. Nine, $3\times3$. The windows lie side by side, so each pixel is looked at once.
2. There is one window only, in the top-left corner. All pixels in the last two rows and the last two columns are left over.
3. One: the four weights lie on the four corners of $X$. With dilation 4 the mask spans 5 pixels and fits nowhere.

</details>
"""

# %% tags=["explore"]
from pnnlib.explore import explore_cross_correlation

explore_cross_correlation(padding=1, stride=2, question="What does each of the three do to the output?")

# %% [markdown]
r"""
## How large is the output?

You will need this number in every network you ever build, so let us derive it, along one axis. Take an input of $n$ pixels, a mask of $k$ weights, stride $s$, padding $p$ and dilation $d$. (From here on $k$ is a size. In the sums it was the index that runs over the weights.)

1. With its zeros the input is $n + 2p$ long: $p$ on *each* side.
2. The mask spans $d\,(k-1) + 1$ pixels.
3. Lay it at the very beginning. After it, $n + 2p - d\,(k-1) - 1$ pixels are still free: that is how far it can move.
4. It moves in steps of $s$. Whole steps only, so divide and round *down*.
5. The place where it started counts as well: add 1.

$$\text{size} = \left\lfloor \frac{n + 2p - d\,(k-1) - 1}{s} \right\rfloor + 1$$

Do it once for the rows and once for the columns. If it gives 0 or less, the mask fits nowhere.

**Guess first**, with a pencil: $n = 10$, $k = 3$, $s = 2$, $d = 2$ and no padding. The mask spans $2\cdot 2 + 1 = 5$ pixels. It can move by 5 more, which makes two steps of 2, with one pixel left over. Add the start: **3**.

> **Convention card: rounding, and dilation 1**
>
> | | |
> |---|---|
> | **The lecture says** | Padding enlarges the output, stride reduces it, dilation enlarges the receptive field. It gives no formula. |
> | **PyTorch does** | Rounds down: pixels that are left over at the end are not looked at. Dilation 1 means no gaps; it counts the distance between neighbours, not the pixels between them. |
> | **Elsewhere** | Some books call "no gaps" dilation 0. TensorFlow's `padding="same"` chooses the zeros itself, and may put one more at the end than at the beginning. |
> | **Ours** | As PyTorch. |
> | **The checks accept** | The number as an int or a float: 3 and 3.0. Not 3.5, and not rounded up. (Exercise 5 needs an int, so `//` saves you trouble.) |

### Exercise 4 · output_size

about 10 minutes · difficulty 2 of 5 · importance 4 of 5 · 1 point

Write the formula down, for one axis. Python's `//` divides and rounds down.
"""

# %% nbgrader={"grade_id": "output_size", "solution": true}
def output_size(n, k, stride=1, padding=0, dilation=1):
    """Return the size of the output along one axis.

    Arguments: n, the size of the input; k, the size of the mask; stride,
    padding (on each side) and dilation. All of them are ints.
    Result: an int. The mask always fits at least once.

    Example: the one you did with the pencil.
    >>> output_size(10, 3, stride=2, dilation=2)
    3
    """
    ### BEGIN SOLUTION
    span = dilation * (k - 1) + 1  # from the first weight to the last
    return (n + 2 * padding - span) // stride + 1
    ### END SOLUTION

# %% nbgrader={"grade_id": "check-output_size", "grade": true}
check(output_size)

# %% [markdown]
r"""
**The same numbers in PyTorch.** It has no function for this. You ask for an output, and look at its shape.
"""

# %% tags=["explore"]
import torch

def torch_says(n, k, **options):
    return torch.nn.functional.conv1d(torch.zeros(1, 1, n), torch.zeros(1, 1, k), **options).shape[-1]

for n, k, options in [(4, 2, {}), (28, 5, {}), (28, 3, {"padding": 1}), (224, 7, {"stride": 2, "padding": 3}),
                      (10, 3, {"stride": 2, "dilation": 2}), (8, 3, {"stride": 3, "padding": 1, "dilation": 2})]:
    print(f"n = {n}, k = {k}, {options}:  PyTorch {torch_says(n, k, **options)}, yours {output_size(n, k, **options)}")

# %% [markdown]
r"""
**What goes wrong in practice.**

- *Padding counted once.* There are two edges, so it is $2p$.
- *Rounding up.* With $n = 4$, $k = 3$, $s = 2$ the mask fits once, not twice. The last pixel is left over.
- *Sizes that drift.* With an even mask, stride 1 and dilation 1, there is no $p$ that keeps the size: $k = 2$ turns 28 into 27 with $p = 0$, and into 29 with $p = 1$. That is one reason why masks are mostly $3\times3$ or $5\times5$.
- *An error far away.* The layer with the wrong padding says nothing. The one that complains comes much later, where a fully connected layer expected another number. Print the shape after each layer.
"""

# %% [markdown]
r"""
### By hand, as in an exam

Cross-correlate with padding 1 and stride 2:

$$X = \begin{pmatrix} 2&0&1&3\\ 1&1&0&2\\ 0&2&1&1\\ 1&0&2&0 \end{pmatrix}
\qquad
H = \begin{pmatrix} 1&-1&2\\ 0&1&-1 \end{pmatrix}$$

Take a pencil before you read on. Write the shape of the answer down first.

**Shape.** Rows: $\lfloor (4 + 2 - 1 - 1)/2 \rfloor + 1 = 2 + 1 = 3$. Columns: $\lfloor (4 + 2 - 2 - 1)/2 \rfloor + 1 = \lfloor 1.5 \rfloor + 1 = 2$.

**Zeros around.** The windows begin in the rows 0, 2 and 4 and in the columns 0 and 2 of this:

$$\begin{pmatrix} 0&0&0&0&0&0\\ 0&2&0&1&3&0\\ 0&1&1&0&2&0\\ 0&0&2&1&1&0\\ 0&1&0&2&0&0\\ 0&0&0&0&0&0 \end{pmatrix}$$

**Sums.**

| place | upper row of the window | lower row | sum |
|---|---|---|---|
| $(0,0)$ | $0,\;0,\;0$ | $0,\;2,\;0$ | $0 + 2 = 2$ |
| $(0,1)$ | $0,\;0,\;0$ | $0,\;1,\;3$ | $0 + (1 - 3) = -2$ |
| $(1,0)$ | $0,\;1,\;1$ | $0,\;0,\;2$ | $(-1 + 2) + (-2) = -1$ |
| $(1,1)$ | $1,\;0,\;2$ | $2,\;1,\;1$ | $(1 + 4) + (1 - 1) = 5$ |
| $(2,0)$ | $0,\;1,\;0$ | $0,\;0,\;0$ | $-1 + 0 = -1$ |
| $(2,1)$ | $0,\;2,\;0$ | $0,\;0,\;0$ | $-2 + 0 = -2$ |

$$Y = \begin{pmatrix} 2&-2\\ -1&5\\ -1&-2 \end{pmatrix}$$

The last column of zeros was never looked at. Three slips are common: to move by one after the first window, to put zeros at the top and on the left only (which loses the last row here), and to round 1.5 up.

### Exercise 5 · cross_correlate_general

about 25 minutes · difficulty 3 of 5 · importance 5 of 5 · 3 points

Cross-correlation with all three options. One order of work that keeps a clear head:

1. Make a pair of each option. `down, right = stride if isinstance(stride, tuple) else (stride, stride)` does it for the first.
2. Append the zeros: lay `x` into a larger array of zeros, or use `np.pad`. From then on you can forget the padding.
3. Ask your `output_size` for the shape, once for the rows and once for the columns. Leave its `padding` at 0: the larger array already contains the zeros. (If exercise 4 is still open, write the formula here.)
4. Fill the output. For one place: where does its window begin, and which slice takes every $d$-th pixel from there?

Test each option alone before you combine them. The check does the same.
"""

# %% nbgrader={"grade_id": "cross_correlate_general", "solution": true}
def cross_correlate_general(x, h, stride=1, padding=0, dilation=1):
    """Slide a mask over an input, with stride, padding and dilation.

    Arguments: x (H, W), the input; h (k, l), the mask; stride, padding and
    dilation, each an int for both axes or a pair (rows, columns).
    Result: an array of the size that output_size gives; x is not changed.

    Example: every second place on the columns, one zero on the left and right.
    >>> cross_correlate_general(np.array([[1., 2., 4.]]), np.array([[1., 10.]]), (1, 2), (0, 1))
    array([[10., 42.]])
    """
    ### BEGIN SOLUTION
    s, t = stride if isinstance(stride, tuple) else (stride, stride)
    p, q = padding if isinstance(padding, tuple) else (padding, padding)
    d, e = dilation if isinstance(dilation, tuple) else (dilation, dilation)
    x = np.pad(x, ((p, p), (q, q)))
    rows = output_size(x.shape[0], h.shape[0], s, 0, d)
    columns = output_size(x.shape[1], h.shape[1], t, 0, e)
    y = np.zeros((rows, columns))
    for i in range(rows):
        for j in range(columns):
            # the window begins at (i·s, j·t); what is past its end, the mask's shape cuts off
            window = x[i * s :: d, j * t :: e][: h.shape[0], : h.shape[1]]
            y[i, j] = (window * h).sum()
    return y
    ### END SOLUTION

# %% nbgrader={"grade_id": "check-cross_correlate_general", "grade": true}
check(cross_correlate_general)

# %% [markdown]
r"""
Again, give your function to the panel. It calls it with the options that you set there. Set one option after the other.
"""

# %% tags=["explore"]
from pnnlib.explore import explore_cross_correlation

explore_cross_correlation(cross_correlate_general, dilation=2)

# %% tags=["explore"]
import numpy as np
import torch
from pnnlib.bridge import compare

def in_torch(x, h, **options):
    return torch.nn.functional.conv2d(x[None, None], h[None, None], **options)[0, 0]

x = np.array([[2.0, 0, 1, 3], [1, 1, 0, 2], [0, 2, 1, 1], [1, 0, 2, 0]])
h = np.array([[1.0, -1, 2], [0, 1, -1]])
print(in_torch(torch.tensor(x), torch.tensor(h), padding=1, stride=2).numpy())

rng = np.random.default_rng(0)
x, h = rng.normal(size=(9, 11)), rng.normal(size=(3, 2))
print(compare(cross_correlate_general, in_torch, x, h, stride=(2, 3), padding=(1, 2), dilation=(2, 1)))

# %% [markdown]
r"""
**What goes wrong in practice.**

- *Padding that is not neutral.* Zero is a number like any other. To a mask that looks for edges, the border of a bright image on black zeros *is* an edge, so the rim of the map lights up.
- *Too large a step.* With a stride larger than the mask, some pixels are never looked at by anyone.
- *Pairs in the wrong order.* (rows, columns), always. On square inputs with equal options you won't notice.
- *Changing the input.* `x[0] = 0` changes the array of whoever called you. Make a new one.
"""

# %% [markdown]
r"""
## The same thing as a vector product

So far we slid a mask. But each output is the weighted sum of *one neuron*, and a neuron multiplies a weight vector with the input vector: $\sum_i w_i x_i = \mathbf{w}\,\mathbf{x}$. Can we see that?

**Guess first.** The input has 16 numbers and the mask has 4. How long is the weight vector of the neuron at the top left? How many zeros are in it?

Write the input as one long vector. We may go through it column by column:

$$\mathbf{x} = (-1,0,0.5,-1,\;\; 1,-2,-1,1,\;\; 0.5,-1,-1,0,\;\; 1,0,1,-2)$$

Now lay the mask on an empty $4\times4$ array, with zeros wherever it does not lie, and read it in the same order:

$$\mathbf{w} = (-1,0,0,0,\;\; 1,-2,0,0,\;\; 0,0,0,0,\;\; 0,0,0,0)$$

Thirteen of the sixteen are zero: twelve because the mask does not lie there, and one because the mask itself has a 0. The product is $(-1)(-1) + 1\cdot 1 + (-2)(-2) = 6$, as before.

The neuron next door has the same weights at other places. So the layer is an ordinary fully connected layer of nine neurons, with two things about it: most weights are fixed at 0, and the rest are the same few numbers again and again.

> **Convention card: writing an array as a vector**
>
> | | |
> |---|---|
> | **The lecture says** | Column by column: first all of column 0, then all of column 1. |
> | **NumPy and PyTorch do** | Row by row: `x.ravel()`, `x.reshape(-1)`, `torch.flatten`. |
> | **Ours** | Row by row. In NumPy `x.ravel(order="F")` gives the lecture's order. |
> | **The checks accept** | For `mask_as_matrix`, rows only, because `M @ x.ravel()` must be right. |
>
> Neither is better. The sum is the same as long as $\mathbf{w}$ and $\mathbf{x}$ are read in the *same* order. The panel below shows either: step forward, and watch the weights move along the vector.
"""

# %% tags=["explore"]
from pnnlib.explore import explore_cross_correlation

explore_cross_correlation(unfold="vector", question="How far do the weights move when the mask goes down a row?")

# %% [markdown]
r"""
## All outputs at once: a matrix

Nine neurons, nine weight vectors. Put each into one row, and you have a matrix $M$. Then the whole cross-correlation is

$$\mathbf{y} = M\,\mathbf{x}, \qquad M \text{ of shape } 9\times16 .$$

**Guess first.** What does $M$ look like? Row 0 holds the mask at places 0, 1, 4 and 5 of $\mathbf{x}$ (at 4 its weight is 0, so that square will be blank). In row 1 everything has moved by one. And in row 3, where the mask goes down to the next row of the image?
"""

# %% tags=["explore"]
import numpy as np
from matplotlib.figure import Figure
from pnnlib.conv import mask_as_matrix as matrix_of
from pnnlib.explore.figure import show_figure

h = np.array([[-1.0, 1], [0, -2]])  # try another mask
m = matrix_of(h, (4, 4))

figure = Figure(figsize=(8, 4.6), layout="constrained")
axes = figure.subplots()
size = abs(m).max()
axes.imshow(m, cmap="RdBu", vmin=-size, vmax=size)
for (row, column), value in np.ndenumerate(m):
    if value:
        axes.text(column, row, f"{value:g}", ha="center", va="center", color="white" if abs(value) > 0.6 * size else "black")
for edge in range(4, 16, 4):
    axes.axvline(edge - 0.5, color="0.5", linewidth=1)
for edge in range(3, 9, 3):
    axes.axhline(edge - 0.5, color="0.5", linewidth=1)
axes.set(
    xticks=range(16), yticks=range(9), yticklabels=[f"({i},{j})" for i in range(3) for j in range(3)],
    xlabel="number in x, row by row (lines: a new row of the image)", ylabel="output (i, j)",
)
show_figure(
    figure,
    alt=f"A matrix of 9 rows and 16 columns with {np.count_nonzero(m)} numbers other than zero. They lie on "
    "diagonals: within three rows they move to the right by one each time, and to the next three rows by two.",
    caption="The mask as a matrix. Blank squares are zeros.",
)

# %% [markdown]
r"""
From row 2 to row 3 it moves by *two*: the mask may not stick out at the right, so it skips one place and starts at the next row of the image.

In the picture there are $9\cdot 16 = 144$ entries, a weight at 36 of them (27 show, as one weight is 0), and 4 weights. For a $28\times28$ image and a $5\times5$ mask:

| | numbers |
|---|---|
| entries of $M$: $576\cdot 784$ | $451\,584$ |
| of these, where a weight stands: $576\cdot 25$ | $14\,400$ |
| different weights to learn | $25$ |

These are the three numbers of the table at the beginning of this notebook. Fully connected, local, shared: each line is the line above with a restriction. 96.8 per cent of $M$ is zero, always, and the rest repeats itself.

### Exercise 6 · mask_as_matrix

about 20 minutes · difficulty 3 of 5 · importance 3 of 5 · 2 points

Build $M$ for any mask and any image size, row by row as in the picture. One way: for each output, lay the mask on an array of zeros that has the shape of the image, and `ravel` it.
"""

# %% nbgrader={"grade_id": "mask_as_matrix", "solution": true}
def mask_as_matrix(h, shape):
    """Write cross-correlation with a mask as a matrix.

    Arguments: h (k, l), the mask; shape, a tuple (H, W), the shape of the image,
    not smaller than the mask.
    Result: the matrix M, an array ((H-k+1)*(W-l+1), H*W), so that for every
    image x of this shape M @ x.ravel() equals cross_correlate(x, h).ravel().

    Example: two places on an image of one row.
    >>> mask_as_matrix(np.array([[1., 10.]]), (1, 3))
    array([[ 1., 10.,  0.],
           [ 0.,  1., 10.]])
    """
    ### BEGIN SOLUTION
    neurons = []
    for i in range(shape[0] - h.shape[0] + 1):
        for j in range(shape[1] - h.shape[1] + 1):
            weights = np.zeros(shape)
            weights[i : i + h.shape[0], j : j + h.shape[1]] = h
            neurons.append(weights.ravel())
    return np.array(neurons)
    ### END SOLUTION

# %% nbgrader={"grade_id": "check-mask_as_matrix", "grade": true}
check(mask_as_matrix)

# %% [markdown]
r"""
**The same numbers in PyTorch.** It has no function for $M$, but it can tell how much each output changes with each input. For $\mathbf{y} = M\mathbf{x}$ that *is* $M$. We get the matrix without ever having built one, and compare it with yours.
"""

# %% tags=["explore"]
import numpy as np
import torch
from pnnlib.bridge import compare

X = np.array([[-1, 1, 0.5, 1], [0, -2, -1, 0], [0.5, -1, -1, 1], [-1, 1, 0, -2]])
H = np.array([[-1.0, 1], [0, -2]])

def in_torch(h, shape):
    def slide(x):
        return torch.nn.functional.conv2d(x.reshape(1, 1, *shape), h[None, None]).flatten()

    return torch.autograd.functional.jacobian(slide, torch.zeros(shape[0] * shape[1], dtype=torch.float64))

print(compare(mask_as_matrix, in_torch, H, shape=(4, 4)))

M = mask_as_matrix(H, (4, 4))
print((M @ X.ravel()).reshape(3, 3))
layer = torch.nn.functional.linear(torch.tensor(X).flatten(), torch.tensor(M))  # a fully connected layer
print(layer.reshape(3, 3).numpy())

# %% [markdown]
r"""
**What goes wrong in practice.**

- *Two orders mixed.* A matrix made for rows, multiplied with a vector in columns, gives numbers of the right shape and no error. Check with an input that is not square and a mask that is not symmetric.
- *One shift for all rows.* Moving each row of $M$ by one from the row above lets the mask wrap round the border: half of it lies on the right edge of one row, the other half on the left edge of the next.
- *Building it at all.* For an image of $224\times224$ and one $3\times3$ mask, $M$ has $222^2\cdot 224^2 \approx 2.5$ billion entries, 20 gigabytes, for nine weights. $M$ is for thinking with. Fast libraries do turn the sum into a product of matrices, but the other way round: they copy the *windows* into a matrix and leave the mask small.

And it *is* good for thinking. $M$ shows at once that the layer is linear. It shows which output depends on which input (the rows) and which input reaches which output (the columns). When we run the layer backwards, we shall read it along its columns.
"""

# %% [markdown]
r"""
## Many masks, many feature maps

One mask looks for one pattern. A digit, though, is made of upright strokes, slanted strokes, corners and loops.

**Guess first.** You slide five different $3\times3$ masks over one $8\times8$ image, stride 1, no padding. How many numbers come out?

Each mask makes its own sheet of outputs, a **feature map**. Five masks make five maps, and each is $6\times6$, so 180 numbers come out of 64. We stack the maps and give the stack a first axis, the **channel**:

$$Y(o, i, j) = \sum_{k,l} X(i+k,\, j+l)\; W(o, k, l), \qquad o = 0, \dots, O-1 .$$

The masks do not know of each other. Change one, and only its own map changes. So the number of masks is yours to choose. The size of a map is not: it follows from `output_size`.
"""

# %% tags=["explore"]
import numpy as np
from matplotlib.figure import Figure
from sklearn.datasets import load_digits
from pnnlib.conv import conv2d
from pnnlib.explore.figure import show_figure

image = load_digits().images[5] / 16  # one handwritten digit, 8x8
masks = {
    "left to right": [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]],
    "top to bottom": [[-1, -2, -1], [0, 0, 0], [1, 2, 1]],
    "spot": [[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]],
}
w = np.array(list(masks.values()), float)[:, None]  # (O, C, k, l) with C = 1
maps = conv2d(image[None, None], w)[0]
print("input", image.shape, " masks", w.shape, " maps", maps.shape)

figure = Figure(figsize=(8, 2.3), layout="constrained")
for axes, picture, title in zip(figure.subplots(1, 4), [image, *maps], ["the digit", *masks]):
    size = abs(picture).max()
    axes.imshow(picture, cmap="RdBu", vmin=-size, vmax=size)
    axes.set(title=title, xticks=[], yticks=[])
show_figure(
    figure,
    alt="A handwritten five of 8 by 8 pixels, and its three feature maps of 6 by 6: the first is strong at "
    "upright edges, the second at level edges, the third where a pixel is brighter than those around it.",
    caption="One image, three masks, three maps. Blue is positive, red negative, white is zero.",
)

# %% [markdown]
r"""
## One mask for an input with many channels

Now the input itself is a stack: the red, green and blue of a photograph, or the five maps of the layer before.

**Guess first.** An input has 3 channels of $8\times8$ pixels. You apply *one* mask to it. How many maps come out: one or three?

**One.** The mask gets a slice for each channel. Every slice slides over its own channel, all of them at the same place, and the results are **added up**:

$$Y(i, j) = \sum_{c} \sum_{k,l} X(c,\, i+k,\, j+l)\; W(c, k, l) .$$

Think of the neuron again. Its receptive field is a small block: $k\times l$ pixels wide, and as deep as there are channels. It still computes *one* weighted sum. So a mask for red stripes on green ground is one mask, with a different pattern in each slice.

The mask slides along rows and columns. It never slides along the channels, for it already covers them all.
"""

# %% [markdown]
r"""
## The whole layer

Put both together. There are $C$ channels in and $O$ masks, each with $C$ slices. The output has $O$ channels, ready for the next layer:

$$Y(o, i, j) = b(o) + \sum_{c,k,l} X(c,\; i\,s + k\,d - p,\; j\,s + l\,d - p)\; W(o, c, k, l), \qquad X = 0 \text{ outside.}$$

| array | shape | read it as |
|---|---|---|
| `x` | $(C, H, W)$ | one sheet for each input channel |
| `w` | $(O, C, k, l)$ | $O$ masks, each with a slice for each input channel |
| `b` | $(O,)$ | one number for each mask, not for each slice |
| `y` | $(O, OH, OW)$ | one map for each mask; `OH` and `OW` come from `output_size` |

Stride $s$, padding $p$ and dilation $d$ are what they were before, and they act on rows and columns only.

**Where did the threshold go?** A neuron with threshold $\theta$ computes $\sum wx - \theta$. Call $b = -\theta$ and it computes $\sum wx + b$. It is the same number with its sign turned, and $b$ is learnt like any weight. One neuron, one bias: every place in a map shares it, since every place is a copy of the same neuron.

**How many parameters?** Each mask has $C\,k\,l$ weights and one bias, so the layer has $O\,(C\,k\,l + 1)$. The size of the image does not appear.
"""

# %% [markdown]
r"""
### By hand, as in an exam

Two channels go in, two masks are applied, stride 1, no padding:

$$X(0) = \begin{pmatrix} 1&0&2\\0&1&1\\2&1&0 \end{pmatrix} \quad
X(1) = \begin{pmatrix} 0&1&1\\1&0&2\\1&2&0 \end{pmatrix}$$

$$W(0,0) = \begin{pmatrix} 1&0\\0&-1 \end{pmatrix} \quad W(0,1) = \begin{pmatrix} 0&1\\1&0 \end{pmatrix} \quad
W(1,0) = \begin{pmatrix} 0&0\\0&0 \end{pmatrix} \quad W(1,1) = \begin{pmatrix} 1&-1\\0&0 \end{pmatrix}$$

The thresholds are $\theta = (2, -1)$, so $b = (-2, 1)$. Take a pencil before you read on. Write the shape of the answer down first.

**Shape.** Two masks, and $3 - 2 + 1 = 2$ places each way: $(2, 2, 2)$.

**First map.** Slide each slice over its own channel, then add, then add the bias:

$$\begin{pmatrix} 0&-1\\-1&1 \end{pmatrix} + \begin{pmatrix} 2&1\\1&4 \end{pmatrix} - 2 = \begin{pmatrix} 0&-2\\-2&3 \end{pmatrix}$$

The top-left number in full: $(1\cdot 1 + 1\cdot(-1)) + (1\cdot 1 + 1\cdot 1) - 2 = 0$.

**Second map.** Its first slice is zero, so channel 0 says nothing:

$$\begin{pmatrix} 0&0\\0&0 \end{pmatrix} + \begin{pmatrix} -1&0\\1&-2 \end{pmatrix} + 1 = \begin{pmatrix} 0&1\\2&-1 \end{pmatrix}$$

Three slips cost most of the marks here. Keeping the channels apart gives four maps. Adding the bias to every slice counts it twice. And writing $+\theta$ where $-\theta$ belongs moves the whole map.
"""

# %% [markdown]
r"""
### Exercise 7 · conv_layer

about 25 minutes · difficulty 4 of 5 · importance 5 of 5 · 3 points

Write the whole layer for one image. You already own the hard part: `cross_correlate_general` slides one slice over one channel and knows all three options. What is left is to decide what is added to what. If that exercise is still open, slide the block yourself: at each place take all the channels under the mask at once.

Before you type, say which loop makes a new map, and which only adds to one.
"""

# %% nbgrader={"grade_id": "conv_layer", "solution": true}
def conv_layer(x, w, b, stride=1, padding=0, dilation=1):
    """Apply a convolutional layer to one image.

    Arguments: x (C, H, W), the image; w (O, C, k, l), the masks; b (O,), the
    biases; stride, padding and dilation, each an int or a pair (rows, columns).
    Result: the feature maps, an array (O, OH, OW).

    Example: one channel, one mask of a single weight 2, bias 10.
    >>> conv_layer(np.array([[[1., 3.]]]), np.array([[[[2.]]]]), np.array([10.]))
    array([[[12., 16.]]])
    """
    ### BEGIN SOLUTION
    maps = []
    for mask, bias in zip(w, b):
        sheets = [cross_correlate_general(c, m, stride, padding, dilation) for c, m in zip(x, mask)]
        maps.append(sum(sheets) + bias)  # add the channels up, then the bias, once
    return np.array(maps)
    ### END SOLUTION

# %% nbgrader={"grade_id": "check-conv_layer", "grade": true}
check(conv_layer)

# %% [markdown]
r"""
**The same numbers in PyTorch.** First the example you did by hand, then a larger layer with random numbers. `torch.nn.functional.conv2d` is the layer you have just written.
"""

# %% tags=["explore"]
import numpy as np
import torch
from pnnlib.bridge import compare

x = np.array([[[1, 0, 2], [0, 1, 1], [2, 1, 0]], [[0, 1, 1], [1, 0, 2], [1, 2, 0]]], float)
w = np.array([[[[1, 0], [0, -1]], [[0, 1], [1, 0]]], [[[0, 0], [0, 0]], [[1, -1], [0, 0]]]], float)
b = np.array([-2.0, 1.0])
print("x", x.shape, " w", w.shape, " b", b.shape)
print(torch.nn.functional.conv2d(torch.tensor(x), torch.tensor(w), torch.tensor(b)).numpy())

print(conv_layer(x, w, b))

rng = np.random.default_rng(0)
x, w, b = rng.normal(size=(3, 9, 11)), rng.normal(size=(5, 3, 3, 2)), rng.normal(size=5)
print(compare(conv_layer, torch.nn.functional.conv2d, x, w, b, stride=(2, 1), padding=(1, 0), dilation=2))

# %% [markdown]
r"""
**What goes wrong in practice.**

- *Channels last.* Image files usually arrive as $(H, W, 3)$; the layer wants $(3, H, W)$. Write `np.moveaxis(image, -1, 0)`. A `reshape` to that shape also runs, and scrambles the picture without a word.
- *Masks the wrong way round.* In `w` the output comes first: $(O, C, k, l)$. When $O = C$, nothing complains if you swap them.
- *A whole batch.* PyTorch takes $(N, C, H, W)$, and also one image without the $N$. `pnnlib.conv.conv2d` always wants the $N$.
- *A forgotten reshape of the bias.* `y + b` lines `b` up with the *columns*. It has to be `b[:, None, None]`.
"""

# %% [markdown]
r"""
## 1×1 convolution

**Guess first.** A mask of $1\times1$ pixels cannot see an edge, nor any other pattern of neighbouring pixels. Is there any use in it?

With a single channel, hardly: it multiplies every pixel by the same number. With many channels it does something new. At every pixel it takes a **weighted sum of the channels**:

$$Y(o, i, j) = \sum_{c} W(o, c)\; X(c, i, j) .$$

The mask has one weight in each channel. It moves by stride 1 and gets no padding, so rows and columns stay as they were. Pixels never mix; channels do.

- With **fewer** masks than channels, the stack gets thinner: 256 maps become 64 mixtures of them.
- With **more** masks than channels, it gets thicker.

You can also see it as a small fully connected layer that reads the $C$ numbers at one pixel and gives $O$ numbers back, with the same weights at every pixel.

### What does it save?

Many masks find many patterns. But every map you add is another channel that each mask of the *next* layer must cover. **Guess:** 256 maps of $14\times14$, then a layer of 256 masks of $3\times3$ with padding 1. How many weights is that? Now put 64 masks of $1\times1$ in between. What is left of the cost: nine tenths, half, or less than a third?

Count without biases. A layer has $O\,C\,k\,l$ weights, and each of them is used once at each of the $14\cdot 14 = 196$ places:

| layers | weights | multiplications |
|---|---|---|
| $3\times3$, 256 → 256 | $256\cdot 256\cdot 9 = 589\,824$ | 115,605,504 |
| $1\times1$, 256 → 64, then $3\times3$, 64 → 256 | $16\,384 + 147\,456 = 163\,840$ | 32,112,640 |
| $1\times1$, 256 → 64, $3\times3$, 64 → 64, $1\times1$, 64 → 256 | $16\,384 + 36\,864 + 16\,384 = 69\,632$ | 13,647,872 |

The second row is a $1\times1$ layer put in front of an expensive one. It costs 3.6 times less. The third squeezes, looks, and widens again: 8.5 times less. People call it a **bottleneck**.

Don't believe the table. The next cell lets PyTorch count.
"""

# %% tags=["explore"]
import time

import torch
from torch.nn import Conv2d, Sequential
from torch.utils.flop_counter import FlopCounterMode

networks = {
    "3x3 alone": Conv2d(256, 256, 3, padding=1, bias=False),
    "1x1, 3x3": Sequential(Conv2d(256, 64, 1, bias=False), Conv2d(64, 256, 3, padding=1, bias=False)),
    "1x1, 3x3, 1x1": Sequential(
        Conv2d(256, 64, 1, bias=False), Conv2d(64, 64, 3, padding=1, bias=False), Conv2d(64, 256, 1, bias=False)
    ),
}
maps = torch.zeros(1, 256, 14, 14)
with torch.no_grad():
    for name, network in networks.items():
        with FlopCounterMode(display=False) as counter:
            y = network(maps)
        weights = sum(p.numel() for p in network.parameters())
        products = counter.get_total_flops() // 2  # it counts every product and every addition
        seconds = []
        for _ in range(20):
            start = time.perf_counter()
            network(maps)
            seconds.append(time.perf_counter() - start)
        print(f"{name:15} {tuple(y.shape)}  {weights:8,} weights  {products:12,} products  {1000 * min(seconds):.2f} ms")

# %% [markdown]
r"""
The counts are exact. The times are your computer's, and they need not shrink by the same factor: small layers are held up by other things than multiplications.

Nothing is free. After the bottleneck the $3\times3$ masks see 64 mixtures, no longer all 256 maps. It works well because maps tend to resemble each other, and because the mixtures are learnt.

### Exercise 8 · conv_1x1

about 10 minutes · difficulty 2 of 5 · importance 4 of 5 · 1 point

Write it *without* sliding anything. Hint: for one pixel it is a matrix times a vector, `w @ x[:, i, j]`. How do you say that for all pixels at once?
"""

# %% nbgrader={"grade_id": "conv_1x1", "solution": true}
def conv_1x1(x, w):
    """Take weighted sums of the channels, at every pixel.

    Arguments: x (C, H, W), the input; w (O, C), one row of weights for each mask.
    Result: an array (O, H, W).

    Example: one pixel with channels 1 and 2; one mask adds, the other subtracts.
    >>> conv_1x1(np.array([[[1.]], [[2.]]]), np.array([[1., 1.], [1., -1.]])).ravel()
    array([ 3., -1.])
    """
    ### BEGIN SOLUTION
    return np.einsum("oc,chw->ohw", w, x)
    ### END SOLUTION

# %% nbgrader={"grade_id": "check-conv_1x1", "grade": true}
check(conv_1x1)

# %% tags=["explore"]
import numpy as np
import torch
from pnnlib.bridge import compare

rng = np.random.default_rng(1)
x, w = rng.normal(size=(6, 4, 5)), rng.normal(size=(3, 6))
print(compare(conv_1x1, lambda x, w: torch.nn.functional.conv2d(x, w[:, :, None, None]), x, w))

# %% [markdown]
r"""
**What goes wrong in practice.** Two $1\times1$ layers with nothing in between are one: a matrix times a matrix is a matrix. Without a non-linearity such as ReLU between them you pay for two and get one. And a $1\times1$ layer with stride 2 is allowed, but it throws three pixels out of four away unread.
"""

# %% [markdown]
r"""
## Backward: how the masks learn

Nobody draws the masks of a network by hand. They start as random numbers, and the gradient shapes them. So the layer needs a way back: the loss $L$ sends in $dY = \partial L/\partial Y$, and we want $dX$, $dW$ and $db$, each the shape of its own array.

**Guess first.** In a $5\times5$ image under a $3\times3$ mask, which pixel has the greatest say in the output: the one in the corner or the one in the middle? How many outputs does each of them touch?

The corner pixel lies under the mask once. The middle one lies under it nine times, once under each weight. Its gradient has nine parts. Keep that in mind.

**Step 1: look at one product.** The whole layer is a long sum of products. Take a single one, with stride $s$ and padding $p$:

$$Y(o, i, j) \;\;\text{contains}\;\; X(c,\, m,\, n)\; W(o, c, k, l), \qquad m = i\,s + k - p, \quad n = j\,s + l - p .$$

Wiggle $W$ and $Y$ moves by $X$ times as much. Wiggle $X$ and $Y$ moves by $W$ times as much. So this product owes

$$dY(o,i,j)\; W(o,c,k,l) \;\text{ to its pixel,} \qquad dY(o,i,j)\; X(c,m,n) \;\text{ to its weight.}$$

The rest is bookkeeping: collect what is owed.

**Step 2: the bias.** $b(o)$ is added at every place of map $o$, with factor 1:

$$db(o) = \sum_{i,j} dY(o, i, j) .$$

A sum, not a mean. Every copy of the neuron shares this bias, and all of them report.

**Step 3: the weights.** $W(o,c,k,l)$ is used once at every place:

$$dW(o, c, k, l) = \sum_{i,j} dY(o, i, j)\; X(c,\, i\,s + k - p,\, j\,s + l - p) .$$

For stride 1 you know this sum. It is the cross-correlation of the padded channel $c$ with $dY(o)$ as the mask.

**Step 4: the pixels.** Here each product pays into a different place, and windows overlap, so several products pay into the same one:

$$dX(c,\; i\,s + k - p,\; j\,s + l - p) \;\mathrel{+}=\; dY(o, i, j)\; W(o, c, k, l) \qquad \text{for all } o, i, j, k, l .$$

That is why it says `+=`. With `=`, the last window would wipe out what the others had paid in.

**Step 5: the padding.** Some of these payments go to the zeros you appended. Collect them in an array as large as the *padded* input, then crop it. Nobody needs the gradient of a zero that never changes.
"""

# %% [markdown]
r"""
### Where the turned mask appears

Turn step 4 round. Instead of asking where a product pays, stand at one pixel and ask who pays in. For stride 1 and no padding, $m = i + k$ means $i = m - k$:

$$dX(c, m, n) = \sum_{o}\sum_{k,l} dY(o,\, m-k,\, n-l)\; W(o, c, k, l), \qquad dY = 0 \text{ outside.}$$

There is a *minus* before $k$ and $l$. This is true convolution: the mask turned by 180°, sliding over a $dY$ that has been padded by $k-1$ and $l-1$. The forward pass needs no turned mask. The backward pass brings it in by itself.

In one dimension you can see all of it. Take $x = (x_0, x_1, x_2)$ and $h = (h_0, h_1)$:

$$y_0 = h_0 x_0 + h_1 x_1, \qquad y_1 = h_0 x_1 + h_1 x_2 .$$

Collect what each pixel is owed:

$$dx_0 = h_0\, dy_0, \qquad dx_1 = h_1\, dy_0 + h_0\, dy_1, \qquad dx_2 = h_1\, dy_1 .$$

Now slide the turned mask $(h_1, h_0)$ over $(0, dy_0, dy_1, 0)$. You get the same three sums. And $x_1$, which both windows cover, has two parts: there is the `+=`.

Do you remember the matrix $M$ of `mask_as_matrix`, with $y = Mx$? Then $dx = M^\top dy$. The transposed matrix holds the same weights, and along its rows they stand in turned order.

### Exercise 9 · conv_layer_backward

about 35 minutes · difficulty 5 of 5 · importance 4 of 5 · 3 points

You are given `dy`, and the `x` and `w` of the forward pass. Return all three gradients. Dilation stays 1 here.

A plan that works: pad `x`; make an array of zeros as large as that for its gradient; visit every place of `dy`; there, pay the window and pay the mask; crop at the end. If the sizes do not divide, some pixels at the bottom and on the right lie under no window. Their gradient is 0, and `dx` still has the shape of `x`.
"""

# %% nbgrader={"grade_id": "conv_layer_backward", "solution": true}
def conv_layer_backward(dy, x, w, stride=1, padding=0):
    """Return the gradients of a loss at the input, the masks and the biases of a convolutional layer.

    Arguments: dy (O, OH, OW), the gradient at the output; x (C, H, W) and
    w (O, C, k, l), as in the forward pass; stride and padding, each an int or
    a pair (rows, columns), as in the forward pass.
    Result: (dx, dw, db), of shapes (C, H, W), (O, C, k, l) and (O,).

    Example: three pixels, a mask of two weights.
    >>> x, w, dy = np.array([[[1., 2., 3.]]]), np.array([[[[10., 20.]]]]), np.array([[[1., 4.]]])
    >>> dx, dw, db = conv_layer_backward(dy, x, w)
    >>> dx.ravel(), dw.ravel(), db
    (array([10., 60., 80.]), array([ 9., 14.]), array([5.]))
    """
    ### BEGIN SOLUTION
    s, t = stride if isinstance(stride, tuple) else (stride, stride)
    p, q = padding if isinstance(padding, tuple) else (padding, padding)
    padded = np.pad(x, ((0, 0), (p, p), (q, q)))
    dpadded, dw = np.zeros(padded.shape), np.zeros(w.shape)
    rows, columns = w.shape[2:]
    for o, i, j in np.ndindex(dy.shape):
        window = (slice(None), slice(i * s, i * s + rows), slice(j * t, j * t + columns))
        dpadded[window] += dy[o, i, j] * w[o]  # windows overlap: add, do not assign
        dw[o] += dy[o, i, j] * padded[window]
    dx = dpadded[:, p : p + x.shape[1], q : q + x.shape[2]]
    return dx, dw, dy.sum(axis=(1, 2))
    ### END SOLUTION

# %% nbgrader={"grade_id": "check-conv_layer_backward", "grade": true}
check(conv_layer_backward)

# %% [markdown]
r"""
**The same numbers in PyTorch.** PyTorch's autograd starts from a random `dy` and works out its own gradients. Yours should agree to some fifteen digits. `compare` calls its backward with the bias too, which the gradients do not depend on, so a small wrapper drops it.
"""

# %% tags=["explore"]
import numpy as np
import torch
from pnnlib.bridge import compare


def backward(dy, x, w, b, **options):
    return conv_layer_backward(dy, x, w, **options)


rng = np.random.default_rng(2)
x, w, b = rng.normal(size=(3, 8, 7)), rng.normal(size=(4, 3, 3, 2)), rng.normal(size=4)
for options in ({}, {"padding": 1}, {"stride": (2, 3), "padding": (1, 0)}):
    print(options)
    print(compare(conv_layer, torch.nn.functional.conv2d, x, w, b, backward=backward, **options))

# %% [markdown]
r"""
**And the turned mask, as a check.** For stride 1, your own layer can do the backward of the input. Turn the masks, swap their first two axes (each input channel now gathers from all the maps), pad by one less than the mask, and run it *forward*.
"""

# %% tags=["explore"]
import numpy as np

rng = np.random.default_rng(3)
x, w, dy = rng.normal(size=(2, 5, 6)), rng.normal(size=(3, 2, 3, 2)), rng.normal(size=(3, 3, 5))
turned = w[:, :, ::-1, ::-1].swapaxes(0, 1)
forwards = conv_layer(dy, turned, np.zeros(2), padding=(2, 1))
dx, dw, db = conv_layer_backward(dy, x, w)
print("shapes", forwards.shape, dx.shape, " largest difference", abs(forwards - dx).max())

# %% [markdown]
r"""
**What goes wrong in practice.** The nastiest backward bugs do not crash. A forgotten crop is caught by the shape. A `=` where `+=` belongs, or a missing sum over the maps, still gives arrays of the right shape, and often a loss that falls, only more slowly. Compare with a derivative you trust before you train. And pass the *same* stride and padding to both functions.
"""

# %% [markdown]
r"""
## Experiment: can your layer find a mask it has never seen?

Here is the game. A secret layer applies a Sobel mask to handwritten digits:

$$S = \begin{pmatrix} -1&0&1\\-2&0&2\\-1&0&1 \end{pmatrix}, \qquad b = 0 .$$

Your layer does not get to see $S$. It sees only digits $X$ and the secret outputs $T$. It starts with nine random weights and a bias, and at each step it takes one digit and moves downhill on

$$L = \frac{1}{2 \cdot 36} \sum_{i,j} \bigl(Y(i,j) - T(i,j)\bigr)^2, \qquad dY = \frac{Y - T}{36} .$$

The forward pass is *your* `conv_layer`. The backward pass is *your* `conv_layer_backward`.

**Predict first, and write it down.**

1. Will the nine weights come to equal $S$? Or some other mask that does the job equally well?
2. How many digits will it take until the loss is a thousand times smaller: about 10, 100 or 1000?
3. What becomes of the bias?
4. The step size is 0.5. What happens at 1?
"""

# %% tags=["explore"]
import numpy as np
from matplotlib.figure import Figure
from sklearn.datasets import load_digits
from pnnlib.conv import conv2d
from pnnlib.explore.figure import show_figure

digits = load_digits().images / 16
sobel = np.array([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
targets = conv2d(digits[:, None], sobel[None, None])  # all that is known of the secret layer


def learn(rate, steps, seed=0):
    """Return the loss and the mask before every step, and the last bias."""
    rng = np.random.default_rng(seed)
    w, b = rng.normal(0, 0.5, (1, 1, 3, 3)), np.array([0.5])
    losses, masks = [], []
    for _ in range(steps):
        n = rng.integers(len(digits))
        x, t = digits[n][None], targets[n]
        error = conv_layer(x, w, b) - t
        losses.append((error**2).mean() / 2)
        masks.append(w[0, 0].copy())
        dx, dw, db = conv_layer_backward(error / error.size, x, w)
        w, b = w - rate * dw, b - rate * db
    return np.array(losses), np.array(masks), b


losses, masks, b = learn(rate=0.5, steps=400)
print("the mask after 400 digits:\n", masks[-1].round(2), "\nthe bias:", b.round(3))
smooth = np.convolve(losses, np.ones(10) / 10, "valid")  # the mean of 10 digits: single ones differ a lot
print("the loss is 1000 times smaller after", int(np.argmax(smooth < smooth[0] / 1000)), "digits")
print("with step size 1, the losses at digits 0, 10 and 20:", *(f"{loss:.3g}" for loss in learn(rate=1.0, steps=21)[0][::10]))

figure = Figure(figsize=(9, 5), layout="constrained")
above, below = figure.subfigures(2, 1, height_ratios=[3, 2])
axes = above.subplots()
axes.semilogy(losses)
axes.set(xlabel="digits seen", ylabel="loss", title="The loss, on a logarithmic scale")
for axes, step in zip(below.subplots(1, 6), [0, 10, 30, 100, 399, None]):
    mask, title = (sobel, "secret mask") if step is None else (masks[step], f"after {step}")
    axes.imshow(mask, cmap="RdBu", vmin=-2, vmax=2)
    axes.set(title=title, xticks=[], yticks=[])
    for (k, l), value in np.ndenumerate(mask):
        axes.text(l, k, f"{value:.1f}", ha="center", va="center", color="white" if abs(value) > 1.2 else "black")
show_figure(
    figure,
    alt=f"Above, the loss falls from {losses[0]:.2g} to {losses[-1]:.1g} over 400 digits. Below, the learnt mask "
    f"before training and after 10, 30, 100 and 399 digits beside the secret Sobel mask: the largest difference "
    f"shrinks from {abs(masks[0] - sobel).max():.2g} to {abs(masks[-1] - sobel).max():.1g}.",
    caption="Nine random weights become the mask that made the targets.",
)

# %% [markdown]
r"""
<details><summary>Compare with your prediction</summary>

1. It becomes $S$. Every digit gives 36 equations for 10 unknowns (nine weights, one bias), and the first digit in the data set alone already settles all ten of them. No other mask does the job.
2. About a hundred. With this seed it takes 68; with the next four seeds between 72 and 136. The fall has two speeds. The large differences between left and right are learnt within ten digits, the fine detail takes hundreds.
3. It starts at 0.5 and goes to 0, the secret layer's bias.
4. The loss explodes. Averaged over the digits, the steepest direction of the loss has curvature 2.61, and a step larger than $2/2.61 = 0.77$ jumps further up the other side than where it came from. At 0.7 it learns; at 0.8 it does not.

</details>

You have just trained a convolutional layer, and every line of it is yours. A network does the same with thousands of masks. But nobody hands it the feature maps: the targets stand only at the very end, and `dx` carries the blame back to the masks.
"""

# %% [markdown]
r"""
## Receptive fields of a stack

**Guess first.** One neuron of a $3\times3$ layer sees 3 pixels each way. How many does a neuron see that sits on top of *two* such layers: 3, 5, 6 or 9?

**Five.** Its three inputs stand side by side, and each of them sees three pixels. But these threes overlap: the first sees pixels 0 to 2, the last sees 2 to 4.

Let us get a formula. Work along one axis, from the image upwards, and keep two numbers:

- $r$, the receptive field: how many input pixels one neuron sees. Before any layer, $r = 1$: a pixel sees itself.
- $a$, how far **apart** the fields of two neighbouring neurons lie, in input pixels. Before any layer, $a = 1$.

Add a layer with kernel $k$, stride $s$ and dilation $d$. Its mask spans from its first tap to its last, $d(k-1)$ steps of the layer below. Each such step is $a$ input pixels. So the field grows by $d(k-1)\,a$:

$$r \leftarrow r + d\,(k-1)\,a, \qquad \text{and only then} \qquad a \leftarrow a\, s .$$

Neighbours in the new layer are $s$ steps of the layer below apart, which is why $a$ is multiplied. And the order matters. A layer's own stride moves its neurons apart; it does not make any of them see more. All layers together:

$$r = 1 + \sum_{m} d_m\,(k_m - 1) \prod_{n < m} s_n .$$

Try one with the pencil: kernel 3 with stride 2, then kernel 3 with dilation 2. First $r = 1 + 2\cdot 1 = 3$ and $a = 2$. Then $r = 3 + 2\cdot 2\cdot 2 = 11$.

### Exercise 10 · receptive_field

about 10 minutes · difficulty 2 of 5 · importance 3 of 5 · 1 point

Write the formula as a loop that keeps the two numbers.
"""

# %% nbgrader={"grade_id": "receptive_field", "solution": true}
def receptive_field(layers):
    """Return how many input pixels, along one axis, one output of a stack of layers sees.

    Arguments: layers, a list of tuples of ints (kernel, stride, dilation), the
    first layer first.
    Result: an int.

    Example: the two layers you did with the pencil.
    >>> receptive_field([(3, 2, 1), (3, 1, 2)])
    11
    """
    ### BEGIN SOLUTION
    field = apart = 1
    for kernel, stride, dilation in layers:
        field += dilation * (kernel - 1) * apart
        apart *= stride
    return field
    ### END SOLUTION

# %% nbgrader={"grade_id": "check-receptive_field", "grade": true}
check(receptive_field)

# %% [markdown]
r"""
### How far does a stack reach?

**Predict.** Four layers of three weights each, so twelve weights in all (per axis). Rank these stacks by how far one output sees: all plain; strides 2, 2, 2, 2; dilations 1, 2, 4, 8; dilations 2, 2, 2, 2. And does it see *every* pixel between its first and its last?

The first cell asks PyTorch: it sends a gradient back from one output, and looks which pixels it gets to. The second asks your formula.
"""

# %% tags=["explore"]
import numpy as np
import torch
from matplotlib.figure import Figure
from pnnlib.explore.figure import show_figure

stacks = {
    "plain": [(3, 1, 1)] * 4,
    "strides 2, 2, 2, 2": [(3, 2, 1)] * 4,
    "dilations 1, 2, 4, 8": [(3, 1, d) for d in (1, 2, 4, 8)],
    "dilations 2, 2, 2, 2": [(3, 1, 2)] * 4,
}


def pixels_seen(layers, length=64):
    """Return which input pixels the first output of a stack depends on, counted from 0."""
    x = torch.zeros(1, 1, length, dtype=torch.float64, requires_grad=True)
    y = x
    for kernel, stride, dilation in layers:
        ones = torch.ones(1, 1, kernel, dtype=torch.float64)
        y = torch.nn.functional.conv1d(y, ones, stride=stride, dilation=dilation)
    (gradient,) = torch.autograd.grad(y[0, 0, 0], x)
    return gradient[0, 0].numpy().nonzero()[0]


seen = {name: pixels_seen(layers) for name, layers in stacks.items()}
words = [f"{name}: reaches {int(pixels[-1]) + 1} pixels, uses {len(pixels)} of them" for name, pixels in seen.items()]
print("\n".join(words))

figure = Figure(figsize=(8, 2.4), layout="constrained")
axes = figure.subplots()
for row, pixels in enumerate(seen.values()):
    axes.plot(pixels, np.full(len(pixels), row), "s", color="C0", markersize=7)
axes.set(yticks=range(len(seen)), yticklabels=list(seen), xlabel="input pixel", xlim=(-1, 32), ylim=(3.6, -0.6))
show_figure(
    figure,
    alt="Four rows of squares, one square for every input pixel that one output sees. " + "; ".join(words) + ".",
    caption="Which input pixels one output of four layers sees, along one axis.",
)

# %% tags=["explore"]
print("plain               ", receptive_field([(3, 1, 1)] * 4))
print("strides 2, 2, 2, 2  ", receptive_field([(3, 2, 1)] * 4))
print("dilations 1, 2, 4, 8", receptive_field([(3, 1, 1), (3, 1, 2), (3, 1, 4), (3, 1, 8)]))
print("dilations 2, 2, 2, 2", receptive_field([(3, 1, 2)] * 4))

# %% [markdown]
r"""
**What goes wrong in practice.** Plain layers reach slowly: each $3\times3$ layer adds 2 pixels, however many you stack. Strides reach far, but the map shrinks. Doubling dilations reach just as far, 31 pixels from the same twelve weights, and with enough padding they keep the map as large as it was. Equal dilations leave holes: with 2, 2, 2, 2 every other pixel is never looked at, and two neighbouring neurons have no pixel in common. The formula gives the *reach*; it says nothing of holes, and nothing of how much each pixel counts. Pixels in the middle are seen along many more paths than those at the rim.
"""

# %% [markdown]
r"""
### Question 2

about 5 minutes · difficulty 3 of 5 · importance 3 of 5 · 1 point

The input has 64 channels of $28\times28$ pixels. First come 16 masks of $1\times1$. Then come 32 masks of $3\times3$ with stride 1, no padding and dilation 2. Which statement is true?

- **a)** The output is $(32, 26, 26)$. One output value depends on a region of $3\times3$ pixels, in all 64 channels of the input. The second layer has $4\,608$ weights.
- **b)** The output is $(32, 24, 24)$. One output value depends on a region that is $5\times5$ pixels wide, in 16 of the 64 channels of the input. The second layer has $4\,608$ weights.
- **c)** The output is $(32, 24, 24)$. One output value depends on a region that is $5\times5$ pixels wide, in all 64 channels of the input. The second layer has $4\,608$ weights.
- **d)** The output is $(32, 24, 24)$. One output value depends on a region that is $5\times5$ pixels wide, in all 64 channels of the input. The second layer has $12\,800$ weights.
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
## Summary

A convolutional layer is a neuron copied to every place. Its weights are a mask, its inputs a small block of pixels and channels. Each mask makes one map. Because the copies share their weights, their gradients are added up.

| idea | formula | your function | PyTorch (`F` is `torch.nn.functional`) |
|---|---|---|---|
| cross-correlation | $\sum_{k,l} X(i+k, j+l)\,H(k,l)$ | `cross_correlate` | `F.conv2d` |
| convolution | $\sum_{k,l} X(i+k, j+l)\,H(-k,-l)$, counted from the middle of $H$ | `convolve` | `F.conv2d` with `h.flip(0, 1)` |
| threshold units | $H(\sum wx - \theta)$ | `threshold_layer` | `(F.conv2d(x, w, -theta) >= 0)` |
| size of the output | $\lfloor (n + 2p - d(k-1) - 1)/s \rfloor + 1$ | `output_size` | the shape of the result |
| stride, padding, dilation | $X(is + kd - p,\; js + ld - p)$ | `cross_correlate_general` | `stride=`, `padding=`, `dilation=` |
| as a matrix | $y = Mx$ | `mask_as_matrix` | none |
| the layer | $b(o) + \sum_{c,k,l} X\,W(o,c,k,l)$ | `conv_layer` | `F.conv2d(x, w, b)`, `torch.nn.Conv2d` |
| $1\times1$ convolution | $\sum_c W(o,c)\,X(c,i,j)$ | `conv_1x1` | `F.conv2d(x, w[:, :, None, None])` |
| backward | $dX \mathrel{+}= dY\,W,\;\; dW = \sum dY\,X,\;\; db = \sum dY$ | `conv_layer_backward` | `y.backward(dy)` |
| receptive field | $1 + \sum_m d_m(k_m-1)\prod_{n<m} s_n$ | `receptive_field` | none |

In the row of the threshold units, $H(\cdot)$ is the step function, not a mask. `F.conv2d` wants an axis for the channels, and `w` and `b` with an axis for the masks.
"""

# %% [markdown]
r"""
## Questions to think about

**1.** You train the layer of the experiment on images whose rows are all alike: upright stripes, nothing else. The loss goes to 0. Has the layer found the Sobel mask?

<details><summary>Answer</summary>

Most likely not. If all rows of the image are alike, the three weights in one column of the mask always meet three equal numbers, so only their sum shows in the output. Any mask whose columns add up to $-4, 0, 4$ (with bias 0) gives the right answer. The data could not tell them apart. On digits, this mask would be wrong. A loss of 0 says that you fit the data you have.

</details>

**2.** Two $3\times3$ layers see as far as one $5\times5$ layer. With $C$ channels everywhere, which has fewer weights? What else do you gain?

<details><summary>Answer</summary>

Two layers: $2\cdot 9\,C^2 = 18\,C^2$. One: $25\,C^2$. You save 28 per cent, and you may put a non-linearity between the two. With none in between, the two would only make another linear mask of $5\times5$.

</details>

**3.** How many parameters does a layer have that turns a $3\times32\times32$ image into 16 maps with $3\times3$ masks and padding 1? And a fully connected layer between arrays of the same two sizes?

<details><summary>Answer</summary>

The convolutional layer: $16\,(3\cdot 9 + 1) = 448$. The fully connected one: $3\,072$ inputs and $16\,384$ outputs make $3\,072\cdot 16\,384 + 16\,384 = 50\,348\,032$. That is what shared weights and small receptive fields save.

</details>

**4.** The pixels at the rim of an image lie under fewer windows than those in the middle. What does that do to `dx` there? Does padding help?

<details><summary>Answer</summary>

Their gradient has fewer parts, so they usually have less say in the output. Padding gives windows that hang over the rim, so the pixels there are looked at more often. With $3\times3$ masks and padding 1, a corner pixel lies under four windows, no longer under one.

</details>
"""

# %% [markdown]
r"""
## What to hand in

Hand in this notebook, one file, with your ten functions and your two answers. Before you do:

1. Choose *Restart kernel and run all cells*. What works only because of an old cell will not work for us either.
2. Look at every check. A ✓ means that your function agrees with PyTorch on the public cases. It will be marked on other numbers of the same kind.
3. Keep the names of the functions, and leave the check cells where they are.

Something is unfinished? Hand it in all the same. Each exercise earns its own points, and those for the ordinary cases count even if a rare one fails.

The next part makes maps smaller on purpose, and puts a whole network together.
"""
