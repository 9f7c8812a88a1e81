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

