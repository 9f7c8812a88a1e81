# %% [markdown]
r"""
## The mask is the receptive field

A neuron of this layer sees only what lies under its mask. So the size of the mask is the size of its **receptive field**. Here are three masks:

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

**Guess first.** Each output costs the input a little of its rim: $4\times4$ became $3\times3$. After twenty such layers, what is left of an image of $28\times28$ pixels?

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

explore_cross_correlation(padding=1, stride=2)

# %% [markdown]
r"""
## How large is the output?

You will need this number in every network you ever build, so let us derive it, along one axis. Take an input of $n$ pixels, a mask of $k$ weights, stride $s$, padding $p$ and dilation $d$.

1. With its zeros the input is $n + 2p$ long: $p$ on *each* side.
2. The mask spans $d\,(k-1) + 1$ pixels.
3. Lay it at the very beginning. Behind it, $n + 2p - d\,(k-1) - 1$ pixels are still free: that is how far it can move.
4. It moves in steps of $s$. Whole steps only, so divide and round *down*.
5. The place where it started counts as well: add 1.

$$\text{size} = \left\lfloor \frac{n + 2p - d\,(k-1) - 1}{s} \right\rfloor + 1$$

Do it once for the rows and once for the columns.

**Guess first**, with a pencil: $n = 10$, $k = 3$, $s = 2$, $d = 2$ and no padding. The mask spans $2\cdot 2 + 1 = 5$ pixels. It can move by 5 more, which makes two steps of 2, with one pixel left over. Add the start: **3**.

> **Convention card: rounding, and dilation 1**
>
> | | |
> |---|---|
> | **The lecture says** | Padding enlarges the output, stride reduces it, dilation enlarges the receptive field. It gives no formula. |
> | **PyTorch does** | Rounds down: pixels that are left over at the end are not looked at. Dilation 1 means no gaps; it counts the distance between neighbours, not the pixels between them. |
> | **Elsewhere** | Some books call "no gaps" dilation 0. TensorFlow's `padding="same"` chooses the zeros itself, and may put one more at the end than at the beginning. |
> | **Ours** | As PyTorch. |
> | **The checks accept** | The number as an int or a float: 3 and 3.0. Not 3.5, and not rounded up. |

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
- *Sizes that drift.* With an even mask (and dilation 1) no padding keeps the size: $k = 2$, $p = 1$ turns 28 into 29. That is one reason why masks are mostly $3\times3$ or $5\times5$.
- *An error far away.* The layer with the wrong padding says nothing. The one that complains comes much later, where a fully connected layer expected another number. Print the shape after each layer.
"""

# %% [markdown]
r"""
### By hand, as in an exam

Cross-correlate with padding 1 and stride 2:

$$X = \begin{pmatrix} 2&0&1&3\\ 1&1&0&2\\ 0&2&1&1 \end{pmatrix}
\qquad
H = \begin{pmatrix} 1&-1&2\\ 0&1&-1 \end{pmatrix}$$

Take a pencil before you read on. Write the shape of the answer down first.

**Shape.** Rows: $\lfloor (3 + 2 - 1 - 1)/2 \rfloor + 1 = \lfloor 1.5 \rfloor + 1 = 2$. Columns: $\lfloor (4 + 2 - 2 - 1)/2 \rfloor + 1 = \lfloor 1.5 \rfloor + 1 = 2$.

**Zeros around.** The windows begin in the rows 0 and 2 and in the columns 0 and 2 of this:

$$\begin{pmatrix} 0&0&0&0&0&0\\ 0&2&0&1&3&0\\ 0&1&1&0&2&0\\ 0&0&2&1&1&0\\ 0&0&0&0&0&0 \end{pmatrix}$$

**Sums.**

| place | upper row of the window | lower row | sum |
|---|---|---|---|
| $(0,0)$ | $0,\;0,\;0$ | $0,\;2,\;0$ | $0 + 2 = 2$ |
| $(0,1)$ | $0,\;0,\;0$ | $0,\;1,\;3$ | $0 + (1 - 3) = -2$ |
| $(1,0)$ | $0,\;1,\;1$ | $0,\;0,\;2$ | $(-1 + 2) + (-2) = -1$ |
| $(1,1)$ | $1,\;0,\;2$ | $2,\;1,\;1$ | $(1 + 4) + (1 - 1) = 5$ |

$$Y = \begin{pmatrix} 2&-2\\ -1&5 \end{pmatrix}$$

The last row and the last column of zeros were never looked at. Three slips are common: to move by one after the first window, to put zeros at the top and on the left only, and to round 2.5 up.

### Exercise 5 · cross_correlate_general

about 25 minutes · difficulty 3 of 5 · importance 5 of 5 · 3 points

Cross-correlation with all three options. One order of work that keeps a clear head:

1. Make a pair of each option. `s, t = stride if isinstance(stride, tuple) else (stride, stride)` does it for the first.
2. Append the zeros: lay `x` into a larger array of zeros, or use `np.pad`. From then on you can forget the padding.
3. Ask your `output_size` for the shape, now without padding. Two calls.
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

x = np.array([[2.0, 0, 1, 3], [1, 1, 0, 2], [0, 2, 1, 1]])
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
