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

