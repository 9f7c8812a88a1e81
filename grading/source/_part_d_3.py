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
    Result: an int; without any layer it is 1.

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
| convolution | $\sum_{k,l} X(i+k, j+l)\,H(-k,-l)$ | `convolve` | `F.conv2d` with `h.flip(0, 1)` |
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
