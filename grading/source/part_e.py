# ---
# jupyter:
#   course: {notebook: part_e_cnn, assignment: part_e}
#   jupytext: {text_representation: {extension: .py, format_name: percent}}
#   kernelspec: {display_name: Python 3 (ipykernel), language: python, name: python3}
# ---

# %% [markdown]
r"""
# Part e · Pooling, fully connected layers, the whole network

A convolutional layer says where a pattern was found, to the pixel. Whoever asks *what* is in the picture doesn't want to know it that exactly. This notebook adds the layers that throw the exact place away, and those that decide. Then you put everything together, and your own functions learn to read digits.

**You will be able to**

- pool maps by maximum and by mean, forwards and backwards, and say what pooling buys and what it costs;
- flatten maps in the lecture's order and in PyTorch's, and say why the size of the input is then fixed;
- compute a loss and its gradient without overflow;
- predict the shapes in a whole network, draw it in two ways, and join branches that work side by side;
- train a network in steps that find mistakes early, look at what it has learnt, and use it.

**You need** part d: windows, stride, channels, and the backward of a convolutional layer. Batch normalisation is from part c. If you have your functions of parts c and d, put those notebooks beside this one.

**Time:** about 5 hours. It needn't be one sitting. Ten exercises and three questions give 20 points. Each says how long it takes, how hard it is and how much it matters.

**How to use it**

1. Run the cells from the top, one after the other, with Shift+Enter.
2. Where it says *guess first* or *predict*, write your guess down before you read on.
3. In an exercise, replace `raise NotImplementedError` with your code and run the check below it. Try as often as you like.
4. Use NumPy only in your answers; in the last exercise alone `pnnlib` is allowed. The cells with figures and with PyTorch are for exploring. They are never marked.
"""

# %%
import numpy as np
from pnnlib.exercises import check, check_question

# %% [markdown]
r"""
## One number for a region

**Guess first.** In part d you made this map. It has two clear peaks. A neuron further up wants to know whether the pattern occurs *somewhere in the top left*. What single number would you give it for the four values in that corner?

$$X = \begin{pmatrix} 6&1.5&0.5\\ 0&3&-1\\ -3.5&0&6 \end{pmatrix}$$

There are two usual answers. The **maximum**, 6, says how clearly the pattern was found at the best place. The **mean**, 2.625, says how much of it there is on the whole. A layer that does this for every region of a map is a **pooling layer**: max pooling or average pooling. With regions of $s\times s$ pixels that move on by a stride $t$:

$$\text{max: } \; Y(i,j) = \max_{k,l<s} X(i\,t+k,\; j\,t+l) \qquad\qquad \text{mean: } \; Y(i,j) = \frac1{s^2}\sum_{k,l<s} X(i\,t+k,\; j\,t+l)$$

The region slides as a mask does. But there are no weights in these formulas. You choose the kind of pooling, the size and the stride; nothing of it is learnt.

Usually the stride is larger than 1, and often it equals the size, so that the regions lie side by side. Then the map gets smaller. Hence two other names for pooling: **sub-sampling** and **down-sampling**. Along an axis of $n$ pixels there are $\lfloor (n - s)/t \rfloor + 1$ regions, as for a mask. A region that would hang over the edge is left out.

Here is the same with a real digit. The map is that of a mask for edges with ink on their right (`mask` in the code).
"""

# %% tags=["explore"]
import numpy as np
from matplotlib.figure import Figure
from pnnlib import pool
from pnnlib.conv import conv2d
from pnnlib.data import digits
from pnnlib.explore.figure import show_figure

digit = digits().x_test[3:4]
mask = np.array([[[[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]]])
found = np.maximum(conv2d(digit, mask, padding=1), 0)
pictures = {
    "a digit": digit,
    "its map, 8×8": found,
    "max, 2×2": pool.max_pool2d(found, 2),
    "mean, 2×2": pool.avg_pool2d(found, 2),
    "max, 4×4": pool.max_pool2d(found, 4),
}
figure = Figure(figsize=(10, 2.6), layout="constrained")
for axes, (name, picture) in zip(figure.subplots(1, 5), pictures.items()):
    axes.imshow(picture[0, 0], cmap="gray_r", vmin=0, vmax=1 if name == "a digit" else found.max())
    axes.set(title=name, xticks=[], yticks=[])
    if picture[0, 0].size <= 16:
        for (i, j), value in np.ndenumerate(picture[0, 0]):
            axes.text(j, i, f"{value:.1f}", ha="center", va="center", color="white" if value > found.max() / 2 else "black")
print("the map as a whole: maximum", found.max().round(2), "mean", found.mean().round(2))
show_figure(
    figure,
    alt="A handwritten 3 of 8 by 8 pixels; the map of a mask for left edges; the map pooled to 4 by 4 by maximum and by mean; "
    "and pooled to 2 by 2 by maximum, the numbers written in. The further it is pooled, the more coarsely one can tell where the "
    "edges were; the largest number stays. The means are smaller than the maxima.",
    caption="Pooling keeps what was found, and forgets where exactly.",
)

# %% [markdown]
r"""
### Exercise 1 · max_pool

about 15 minutes · difficulty 2 of 5 · importance 5 of 5 · 2 points

First the shape: how many regions are there along each axis? Then the loops. You may loop over the regions, or over the $s\cdot s$ positions within a region, which is faster: each position meets a shifted, thinned-out copy of `x`.
"""

# %% nbgrader={"grade_id": "max_pool", "solution": true}
def max_pool(x, size, stride):
    """Replace every region of each map by its maximum.

    Arguments: x (C, H, W); size, the rows and columns of a region; stride, by how
    much it moves on. A region that does not fit completely is left out.
    Result: an array (C, OH, OW).

    Example: two regions of 2×2, side by side.
    >>> max_pool(np.array([[[1., 2., 0., 0.], [3., 4., 0., 5.]]]), 2, 2)
    array([[[4., 5.]]])
    """
    ### BEGIN SOLUTION
    rows, columns = ((n - size) // stride + 1 for n in x.shape[1:])
    best = np.full((len(x), rows, columns), -np.inf)
    for k in range(size):
        for l in range(size):
            tap = x[:, k : k + (rows - 1) * stride + 1 : stride, l : l + (columns - 1) * stride + 1 : stride]
            best = np.maximum(best, tap)
    return best
    ### END SOLUTION

# %% nbgrader={"grade_id": "check-max_pool", "grade": true}
check(max_pool)

# %% [markdown]
r"""
### Exercise 2 · average_pool

about 5 minutes · difficulty 1 of 5 · importance 4 of 5 · 1 point

The same with means.
"""

# %% nbgrader={"grade_id": "average_pool", "solution": true}
def average_pool(x, size, stride):
    """Replace every region of each map by its mean.

    Arguments: x (C, H, W); size and stride as in max_pool.
    Result: an array (C, OH, OW).

    Example:
    >>> average_pool(np.array([[[1., 2., 0., 0.], [3., 4., 0., 5.]]]), 2, 2)
    array([[[2.5 , 1.25]]])
    """
    ### BEGIN SOLUTION
    rows, columns = ((n - size) // stride + 1 for n in x.shape[1:])
    total = np.zeros((len(x), rows, columns))
    for k in range(size):
        for l in range(size):
            total += x[:, k : k + (rows - 1) * stride + 1 : stride, l : l + (columns - 1) * stride + 1 : stride]
    return total / size**2
    ### END SOLUTION

# %% nbgrader={"grade_id": "check-average_pool", "grade": true}
check(average_pool)

# %% [markdown]
r"""
**The same numbers in PyTorch.** Its functions take the size first and the stride second. Left out, the stride is the size.
"""

# %% tags=["explore"]
import numpy as np
import torch
from pnnlib.bridge import compare

def torch_max(x, size, stride):
    return torch.nn.functional.max_pool2d(x, size, stride)

def torch_mean(x, size, stride):
    return torch.nn.functional.avg_pool2d(x, size, stride)

x = np.random.default_rng(0).normal(size=(3, 7, 9))
print(compare(max_pool, torch_max, x, size=3, stride=2))
print(compare(average_pool, torch_mean, x, size=3, stride=2))

# %% [markdown]
r"""
> **Convention card: at the edge, and where maxima are equal**
>
> | | |
> |---|---|
> | **The lecture says** | Nothing about either. |
> | **PyTorch does** | It leaves out a region that hangs over the edge (`ceil_mode=True` would keep it). Padding for max pooling is $-\infty$, so it never wins; for the mean it is 0. Of equal maxima the first one counts, row by row: that matters on the way back. |
> | **Ours** | As PyTorch. |

## Global pooling

If the region is as large as the map, one number is left of each map. That is **global pooling**. Its maximum says whether the pattern is anywhere; its mean, how much of it there is. The result has a fixed length, one number for each channel, however large the picture was. We shall come back to that.

### Exercise 3 · global_average_pool

about 3 minutes · difficulty 1 of 5 · importance 4 of 5 · 0.5 points

One number for each map: its mean.
"""

# %% nbgrader={"grade_id": "global_average_pool", "solution": true}
def global_average_pool(x):
    """Replace each map by its mean.

    Arguments: x (C, H, W).
    Result: an array (C,).

    Example:
    >>> global_average_pool(np.array([[[1., 2.], [3., 6.]], [[0., 0.], [0., 2.]]]))
    array([3. , 0.5])
    """
    ### BEGIN SOLUTION
    (channels, height, width) = x.shape
    return x.reshape(channels, height * width).mean(axis=1)
    ### END SOLUTION

# %% nbgrader={"grade_id": "check-global_average_pool", "grade": true}
check(global_average_pool)

# %% [markdown]
r"""
## What it buys: tolerance to location

Part d showed: shift the input, and the map shifts along. Every number of it still stands, but each in another place. For a layer that looks at fixed places, the map has changed completely.

**Predict first.** Take test digits, 16 random masks, ReLU. Move each digit by one pixel. How long is the difference, compared with the map itself (both as vectors): 5, 20 or 70 per cent? And the pooled map, with regions of $2\times2$, of $4\times4$, and of the whole map? Five draws of masks.
"""

# %% tags=["explore"]
import numpy as np
from pnnlib import pool
from pnnlib.augment import shift
from pnnlib.conv import conv2d
from pnnlib.data import digits

still = digits(np.float32).x_test
moved = [shift(still, *by) for by in ((0, 1), (0, -1), (1, 0), (-1, 0))]
ways = {
    "the map itself": lambda maps: maps,
    "max, 2×2": lambda maps: pool.max_pool2d(maps, 2),
    "max, 4×4": lambda maps: pool.max_pool2d(maps, 4),
    "max, global": pool.global_max_pool,
    "mean, 2×2": lambda maps: pool.avg_pool2d(maps, 2),
    "mean, 4×4": lambda maps: pool.avg_pool2d(maps, 4),
    "mean, global": pool.global_avg_pool,
}


def seen_by_the_next_layer(x, way, seed):
    masks = np.random.default_rng(seed).normal(size=(16, 1, 3, 3)).astype(np.float32)
    return way(np.maximum(conv2d(x, masks, padding=1), 0)).reshape(len(x), -1)


for name, way in ways.items():
    changes = []
    for seed in range(5):
        before = seen_by_the_next_layer(still, way, seed)
        after = [seen_by_the_next_layer(x, way, seed) for x in moved]
        size = np.linalg.norm(before, axis=1)
        changes.append(np.mean([np.linalg.norm(a - before, axis=1) / size for a in after]))
    print(f"{name:14} changes by {np.mean(changes):4.0%} ± {np.std(changes):.0%}")

# %% [markdown]
r"""
One pixel changes the map by some 70 per cent. Regions of $2\times2$ bring that down to a half, $4\times4$ to a quarter or a little more, global pooling to a few per cent. (It isn't 0, because ink at the edge is pushed out of the picture.) The tolerance isn't perfect, either: a peak that crosses the border between two regions changes both.

## Tolerance to configuration

A pattern may be made of parts that don't always stand at the same distance. A face is a face when its eyes stand a little further apart. If each part has a mask of its own, and each map is pooled, then each part may move within its region, *independently of the others*. That is **tolerance to configuration**.

**Predict first.** There are two parts of $2\times2$ pixels each, a falling stroke and a rising one:

$$\begin{pmatrix} 1&0\\ 0&1 \end{pmatrix} \qquad\qquad \begin{pmatrix} 0&1\\ 1&0 \end{pmatrix}$$

The first lies somewhere in the upper left quarter of an $8\times8$ picture, the second somewhere in the lower right one. In each quarter there are 9 places, so there are 81 pictures. Two masks answer to exactly these parts. How many *different* results are there for the 81 pictures: without pooling, with $2\times2$ regions, with $4\times4$?
"""

# %% tags=["explore"]
import numpy as np
from pnnlib import pool
from pnnlib.conv import conv2d

falling, rising = np.array([[1.0, 0], [0, 1]]), np.array([[0.0, 1], [1, 0]])
masks = np.stack([falling - rising, rising - falling])[:, None]
thresholds = np.array([1.0, 1.0])  # a whole part makes 2; one pixel of it is not enough


def picture_with(first, second):
    """The first part in the upper left quarter, the second in the lower right one, at all 81 places."""
    pictures = []
    for i, j, k, l in np.ndindex(3, 3, 3, 3):
        x = np.zeros((1, 8, 8))
        x[0, i : i + 2, j : j + 2] += first
        x[0, 4 + k : 6 + k, 4 + l : 6 + l] += second
        pictures.append(x)
    return np.array(pictures)


def maps_of(x):
    x = np.pad(x, ((0, 0), (0, 0), (0, 1), (0, 1)))  # so that the maps have 8×8 places
    return np.maximum(conv2d(x, masks, -thresholds), 0)


pictures, exchanged = picture_with(falling, rising), picture_with(rising, falling)
for name, way in {
    "no pooling": lambda maps: maps,
    "max, 2×2": lambda maps: pool.max_pool2d(maps, 2),
    "max, 4×4": lambda maps: pool.max_pool2d(maps, 4),
    "max, global": pool.global_max_pool,
}.items():
    results, others = way(maps_of(pictures)), way(maps_of(exchanged))
    different = len(np.unique(results.reshape(81, -1), axis=0))
    told_apart = not (results[0] == others[0]).all()
    print(f"{name:12} {different:2} different results; told from the two parts exchanged: {told_apart}")

# %% [markdown]
r"""
Without pooling all 81 differ, and a network would have to learn that they mean the same. With $2\times2$ the 9 places of each part fall into 4 regions: $4\cdot4 = 16$. With $4\times4$ regions they are one. Still, a picture in which the two parts have changed places is told apart: the regions say roughly where. Global pooling can't say that any more.

## What it costs: discrimination

What makes two inputs alike can no longer tell them apart. Sometimes that is what you want. It is never free.

**Find it yourself.** Here are two inputs of $4\times4$. Change them so that they are as different as you can make them, and their results still agree: first for max pooling, then for average pooling, then for both at once.
"""

# %% tags=["explore"]
import numpy as np
from pnnlib import pool

one = np.array([[9, 0, 0, 0], [0, 0, 0, 5], [0, 0, 7, 0], [0, 3, 0, 0]])  # change these two
two = np.array([[0, 0, 0, 5], [0, 9, 0, 0], [0, 3, 7, 0], [0, 0, 0, 6]])

print("pixels that differ:", int((one != two).sum()), "of 16")
for name, way in (("max", pool.max_pool2d), ("mean", pool.avg_pool2d)):
    a, b = (way(x[None, None], 2)[0, 0] for x in (one, two))
    print(f"{name}, 2×2: {a.tolist()} and {b.tolist()}: {'the same' if (a == b).all() else 'they differ'}")

# %% [markdown]
r"""
<details><summary>A way to do it</summary>

Move numbers about *within* a region: neither maximum nor mean can see it. If in each region the four numbers are different, and each goes to another place, all 16 pixels differ, and both results agree. For max pooling alone, you may also change everything that isn't the maximum, as long as it stays below it. In the cell as it was given the results differ in one region only: the 6 changes its mean, but not its maximum.

</details>

How much is lost? Take all pictures of $4\times4$ pixels that are black or white. There are $2^{16} = 65\,536$. **Guess first:** how many different results has max pooling with $2\times2$ regions? And average pooling?
"""

# %% tags=["explore"]
import numpy as np
from pnnlib import pool

pictures = (np.arange(2**16)[:, None] >> np.arange(16) & 1).reshape(-1, 1, 4, 4).astype(np.float32)
for name, way in (("max", pool.max_pool2d), ("mean", pool.avg_pool2d)):
    print(f"{name}, 2×2: {len(np.unique(way(pictures, 2).reshape(-1, 4), axis=0))} different results for {len(pictures)} pictures")

# %% [markdown]
r"""
Four regions, each with a maximum of 0 or 1, make $2^4 = 16$. A mean has five values, which makes $5^4 = 625$. The mean keeps more of such a picture. But it lets a single peak drown among zeros, where the maximum doesn't.

### Question 1

about 4 minutes · difficulty 2 of 5 · importance 4 of 5 · 1 point

A map of $8\times8$ is 0 everywhere, apart from one positive value in row 3, column 3 (counted from 0). It is pooled with regions of $4\times4$ and stride 4. Now the value moves one pixel to the right. Which is true?

- **a)** The result of max pooling doesn't change: it tolerates a shift by one pixel.
- **b)** The result changes in two places, for max pooling and for average pooling.
- **c)** The result of max pooling changes, that of average pooling doesn't.
- **d)** Neither result changes, because the regions don't overlap.
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
## Experiment: how much pooling is right?

A small network learns the digits: 16 masks of $3\times3$, ReLU, pooling, one fully connected layer. It is tested twice: on the test digits as they are, and on the same digits moved by one pixel, which it never saw in training.

**Predict first, in writing.** Which region is best on the digits as they are: none, $2\times2$, $4\times4$ or the whole map of $8\times8$? Which is best on the moved ones? And is the mean better or worse than the maximum? Six epochs of training, five seeds each.
"""

# %% tags=["explore"]
import numpy as np
from matplotlib.figure import Figure
from pnnlib.augment import shift
from pnnlib.data import digits
from pnnlib.explore.figure import show_figure
from pnnlib.layers import AvgPool2d, Conv2d, Flatten, Linear, MaxPool2d, ReLU, Sequential
from pnnlib.optim import Adam
from pnnlib.train import accuracy, fit

data = digits(np.float32)
moved = [shift(data.x_test, *by) for by in ((0, 1), (0, -1), (1, 0), (-1, 0))]
kinds = {"no pooling": (None, 1), "max, 2×2": (MaxPool2d, 2), "max, 4×4": (MaxPool2d, 4), "max, global": (MaxPool2d, 8),
         "mean, 4×4": (AvgPool2d, 4), "mean, global": (AvgPool2d, 8)}
epochs = 6  # later try 54: that takes about two minutes
right = {name: ([], []) for name in kinds}
for name, (kind, size) in kinds.items():
    for seed in range(5):
        rng = np.random.default_rng(seed)
        pooling = [kind(size)] if kind else []
        model = Sequential(Conv2d(1, 16, 3, padding=1, rng=rng), ReLU(), *pooling, Flatten(), Linear(16 * (8 // size) ** 2, 10, rng=rng))
        model.astype(np.float32)
        fit(model, data.x_train, data.y_train, Adam(model.parameters(), lr=0.01), epochs=epochs, progress=False, rng=seed)
        right[name][0].append(accuracy(model, data.x_test, data.y_test))
        right[name][1].append(np.mean([accuracy(model, x, data.y_test) for x in moved]))
    as_they_are, after_a_pixel = right[name]
    print(f"{name:12} as they are {np.mean(as_they_are):.3f} ± {np.std(as_they_are):.3f}   "
          f"moved {np.mean(after_a_pixel):.3f} ± {np.std(after_a_pixel):.3f}")

figure = Figure(figsize=(7.5, 3.2), layout="constrained")
axes = figure.subplots()
for values, marker, label in zip(zip(*right.values()), "os", ("as they are", "moved by one pixel")):
    axes.errorbar(range(len(kinds)), np.mean(values, axis=1), np.std(values, axis=1), marker=marker, linestyle="none", capsize=4, label=label)
axes.set(xticks=range(len(kinds)), xticklabels=list(kinds), ylabel="share that is right", ylim=(0.2, 1))
axes.legend(loc="lower left")
show_figure(
    figure,
    alt="Share of test digits that are right, for six kinds of pooling, on the digits as they are and on digits moved by one pixel. "
    + "; ".join(f"{name}: {np.mean(still):.2f} and {np.mean(shifted):.2f}" for name, (still, shifted) in right.items()) + ".",
    caption=f"After {epochs} epochs: mean and standard deviation over five seeds.",
)

# %% [markdown]
r"""
<details><summary>Compare with your prediction</summary>

After six epochs, no pooling and $2\times2$ are equal within chance on the digits as they are; $4\times4$ is about two points in a hundred behind, global pooling some twenty. On moved digits the order is another: without pooling more than half are lost, and $4\times4$ keeps the most, about two thirds. So there is a best amount, and it depends on what the inputs will do. In this network the maximum is better than the mean in both respects.

Two warnings. Six epochs are few. Set `epochs = 54` in the cell: $4\times4$ catches up on the digits as they are, the mean comes closer to the maximum, and on moved digits global pooling comes close to $4\times4$. Less pooling stays far behind there. And the last layer gets 1024 numbers without pooling, but 16 with global pooling. So part of what is lost may be lost there.

One layer isn't the whole story. Networks that go deep pool a little, convolve, and pool again.

</details>

## Per channel, or across channels

Pooling as we had it works on every map by itself: as many channels come out as went in. One can also pool *across* channels, at each pixel. Then the map keeps its size, and there are fewer channels. With $G$ channels in a group:

$$Y(o, i, j) = \max_{g<G} X(o\,G + g,\; i,\; j)$$

What for? Suppose four masks find the same edge, each in another direction. Their maximum says "an edge, in whatever direction": tolerance to something other than location.
"""

# %% tags=["explore"]
import numpy as np
from matplotlib.figure import Figure
from pnnlib import pool
from pnnlib.conv import conv2d
from pnnlib.explore.figure import show_figure

right, down = np.array([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]), np.array([[-1.0, -2, -1], [0, 0, 0], [1, 2, 1]])
masks = {"ink on the right": right, "on the left": -right, "below": down, "above": -down}
disc = 1.0 * (np.hypot(*np.mgrid[-12:12, -12:12] + 0.5) < 8)[None, None]
maps = np.maximum(conv2d(disc, np.stack(list(masks.values()))[:, None], padding=1), 0)
pooled = pool.cross_channel_max_pool(maps, 4)
print("before", maps.shape, "after", pooled.shape)

figure = Figure(figsize=(11, 2.4), layout="constrained")
titles = ["a disc", *masks, "maximum of the four"]
for axes, title, picture in zip(figure.subplots(1, 6), titles, [disc[0, 0], *maps[0], pooled[0, 0]]):
    axes.imshow(picture, cmap="gray_r", vmin=0, vmax=picture.max())
    axes.set(title=title, xticks=[], yticks=[])
show_figure(
    figure,
    alt="A disc; four maps, in each of which one side of its edge is dark: the left, the right, the top, the bottom; and their maximum, "
    "a closed ring.",
    caption="Four channels become one: an edge, in whatever direction.",
)

# %% [markdown]
r"""
### Exercise 4 · cross_channel_max_pool

about 7 minutes · difficulty 2 of 5 · importance 3 of 5 · 1 point

A group are channels that follow each other. `group` divides their number.
"""

# %% nbgrader={"grade_id": "cross_channel_max_pool", "solution": true}
def cross_channel_max_pool(x, group):
    """Replace every `group` maps that follow each other by their maximum at each pixel.

    Arguments: x (C, H, W); group, an int that divides C.
    Result: an array (C // group, H, W).

    Example: four channels of one pixel each.
    >>> cross_channel_max_pool(np.array([[[1.]], [[5.]], [[2.]], [[0.]]]), 2)
    array([[[5.]],
    <BLANKLINE>
           [[2.]]])
    """
    ### BEGIN SOLUTION
    groups = np.split(x, len(x) // group)
    return np.array([members.max(axis=0) for members in groups])
    ### END SOLUTION

# %% nbgrader={"grade_id": "check-cross_channel_max_pool", "grade": true}
check(cross_channel_max_pool)

# %% [markdown]
r"""
**What goes wrong in practice.** `x.reshape(group, -1, H, W).max(axis=0)` gives the right shape, too. But it groups channels that lie far apart. A shape that is right says little; look at the numbers.

And a relative: a $1\times1$ convolution also changes the number of channels. It adds them up with weights that are learnt. Cross-channel pooling has none.

## Backwards through a maximum

Pooling has no weights. But the layers before it do, so the gradient must find its way through.

**Guess first.** In a region stand 1, 4, 2 and 3. The gradient at its output is 10. You make the 4 a little larger: the output grows by as much. You make the 3 a little larger: what happens? So what is the gradient for the four numbers?

Only the maximum had a say. It gets the whole 10, the others get 0. In a formula, with $(k, l)$ the place of the maximum in region $(i, j)$:

$$dX(i\,t + k,\; j\,t + l) \mathrel{+}= dY(i, j)$$

The $+$ counts. Where regions overlap, one pixel may be the maximum of several, and it collects from each. Average pooling is gentler: each of the $s^2$ pixels had the same say, so each gets $dY/s^2$.

### Exercise 5 · max_pool_backward

about 20 minutes · difficulty 3 of 5 · importance 5 of 5 · 2.5 points

If several numbers of a region are equal and largest, the first one, row by row, gets it all. `argmax` gives exactly that one; `np.unravel_index` or `divmod` turns its place into a row and a column.
"""

# %% nbgrader={"grade_id": "max_pool_backward", "solution": true}
def max_pool_backward(dy, x, size, stride):
    """Return the gradient for the input of max_pool.

    Arguments: dy (C, OH, OW), the gradient of the loss for the output; x (C, H, W),
    size and stride, as max_pool got them.
    Result: dx, an array (C, H, W).

    Example:
    >>> max_pool_backward(np.array([[[10., 20.]]]), np.array([[[1., 2., 0., 0.], [3., 4., 0., 5.]]]), 2, 2)
    array([[[ 0.,  0.,  0.,  0.],
            [ 0., 10.,  0., 20.]]])
    """
    ### BEGIN SOLUTION
    dx = np.zeros(x.shape)
    for c, i, j in np.ndindex(dy.shape):
        top, left = i * stride, j * stride
        place = x[c, top : top + size, left : left + size].argmax()
        dx[c, top + place // size, left + place % size] += dy[c, i, j]
    return dx
    ### END SOLUTION

# %% nbgrader={"grade_id": "check-max_pool_backward", "grade": true}
check(max_pool_backward)

# %% [markdown]
r"""
Two more witnesses. A derivative by differences needs no knowledge of calculus: move each number of `x` a little, and see what the loss does. And PyTorch, with overlapping regions.
"""

# %% tags=["explore"]
import numpy as np
import torch
from pnnlib.bridge import compare
from pnnlib.train import numerical_gradient

def torch_max(x, size, stride):
    return torch.nn.functional.max_pool2d(x, size, stride)

rng = np.random.default_rng(1)
x, dy = rng.normal(size=(2, 5, 6)), rng.normal(size=(2, 2, 2))
by_differences = numerical_gradient(lambda x: (max_pool(x, 3, 2) * dy).sum(), x)
print(f"largest difference: {abs(by_differences - max_pool_backward(dy, x, 3, 2)).max():.0e}")
print(compare(max_pool, torch_max, x, backward=max_pool_backward, size=3, stride=2))

# %% [markdown]
r"""
## Fully connected layers decide

After some layers of convolution and pooling, there are many small maps: this feature is rather at the top left, that one hardly anywhere. Somebody has to weigh all that against each other and decide. For classification that is usually done by one or more **fully connected layers**, the same as in a multilayer perceptron: every neuron reads every number. The last one has a neuron for each class, and the largest output is the answer.

A neuron reads a vector, and we have maps. So they are **flattened**: written into one long vector. The maps follow each other. But how is one map written down?

> **Convention card: flattening**
>
> | | |
> |---|---|
> | **The lecture says** | Column by column, as vectors are made from matrices in mathematics, then the next map. |
> | **PyTorch does** | Row by row, then the next map: the channel first, the column last. That is how the numbers lie in memory, so nothing has to move. |
> | **Ours** | `pnnlib.linear.flatten(x)` is PyTorch's, `flatten(x, order="F")` the lecture's (not NumPy's `order="F"`, which would also mix the maps). |
> | **The check wants** | PyTorch's. |
>
> To a network that starts from random weights, the order is all the same. To one that has learnt, it isn't: you will see.
"""

# %% tags=["explore"]
import numpy as np
import torch
from pnnlib import linear

X = np.array([[-1, 1, 0.5, 1], [0, -2, -1, 0], [0.5, -1, -1, 1], [-1, 1, 0, -2]])
print("the lecture's:", linear.flatten(X[None, None], order="F")[0].tolist())
print("PyTorch's:    ", torch.flatten(torch.tensor(X)[None, None], 1)[0].tolist())
two_maps = np.arange(12).reshape(1, 2, 2, 3)
print("two maps:", two_maps[0].tolist())
print("the lecture's:", linear.flatten(two_maps, order="F")[0].astype(int).tolist())
print("PyTorch's:    ", torch.flatten(torch.tensor(two_maps), 1)[0].tolist())

# %% [markdown]
r"""
### Exercise 6 · flatten

about 5 minutes · difficulty 1 of 5 · importance 5 of 5 · 1 point

Here there is a batch: `x` has $N$ samples, and each keeps a row of its own.
"""

# %% nbgrader={"grade_id": "flatten", "solution": true}
def flatten(x):
    """Write all numbers of each sample into one row, in PyTorch's order.

    Arguments: x (N, C, H, W).
    Result: an array (N, C·H·W): map by map, each of them row by row.

    Example: one sample with two maps of two pixels.
    >>> flatten(np.array([[[[1., 2.]], [[3., 4.]]]]))
    array([[1., 2., 3., 4.]])
    """
    ### BEGIN SOLUTION
    numbers_of_a_sample = x[0].size
    return x.reshape(-1, numbers_of_a_sample)
    ### END SOLUTION

# %% nbgrader={"grade_id": "check-flatten", "grade": true}
check(flatten)

# %% [markdown]
r"""
### Why the input must have one size

A mask fits on pictures of any size. A fully connected neuron doesn't: it has one weight for each number that it reads. The length of the flattened vector depends on the size of the last maps, and that on the size of the picture. So a network with a flatten layer takes pictures of one size only. Others must be scaled or cropped first.

Here are two networks that were made for pictures of $8\times8$. One flattens its maps, the other averages each map first (`AdaptiveAvgPool2d(1)`, PyTorch's name for global average pooling).

**Guess first.** Which of the two takes a picture of $10\times10$?
"""

# %% tags=["explore"]
import numpy as np
from pnnlib.layers import AdaptiveAvgPool2d, Conv2d, Flatten, Linear, MaxPool2d, ReLU, Sequential

flattened = Sequential(Conv2d(1, 8, 3, padding=1, rng=0), ReLU(), MaxPool2d(2), Flatten(), Linear(8 * 4 * 4, 10, rng=0))
averaged = Sequential(Conv2d(1, 8, 3, padding=1, rng=0), ReLU(), AdaptiveAvgPool2d(1), Flatten(), Linear(8, 10, rng=0))
for name, model in (("flattened", flattened), ("averaged over each map", averaged)):
    for size in (8, 10):
        try:
            print(f"{name}, {size}×{size}: the result has shape {model(np.ones((1, 1, size, size))).shape}")
        except ValueError as error:
            print(f"{name}, {size}×{size}: {error}")

# %% [markdown]
r"""
With global average pooling in front, the vector has one number for each channel, whatever the size. Many modern networks end like that. Our experiment showed the price on small pictures (*mean, global*): after six epochs only about a third was right. Such a vector no longer says where anything was, and 16 numbers are few to decide by.

### Question 2

about 5 minutes · difficulty 3 of 5 · importance 4 of 5 · 1 point

A network for $8\times8$ pictures: 16 masks of $3\times3$ with padding 1; max pooling $2\times2$; 32 masks of $3\times3$ with padding 1; max pooling $2\times2$; flatten; a fully connected layer with 10 neurons. Somebody gives it a picture of $12\times12$. Which layer is the first that can't do its work?

- **a)** The first convolution: its masks were made for $8\times8$ pictures.
- **b)** The first pooling: its regions don't fit on the larger map.
- **c)** The fully connected layer: it gets 288 numbers, and its neurons have 128 weights each.
- **d)** The flatten layer: it can't make a vector of 128 numbers.
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
## How wrong is it? The loss

The last layer puts out a number for each class, $z_1 \dots z_C$, the **logits**. The softmax turns them into probabilities, and the **cross-entropy** asks how surprised the network is by the right label $y$:

$$p_c = \frac{e^{z_c}}{\sum_k e^{z_k}} \qquad\qquad J = -\ln p_y$$

It is 0 where the network is sure and right, and it has no upper limit where it is sure and wrong. For a batch, take the mean over the $N$ samples. The gradient is as simple as can be:

$$\frac{\partial J}{\partial z_c} = \frac1N\,(p_c - [c = y])$$

The bracket is 1 at the label and 0 elsewhere. Read it as an instruction: pull the label's logit up, push every other one down, by as much as the network believed in it. The sum over the classes is 0.

**Guess first.** A fresh network knows nothing: it gives each of 10 classes about the same. What is its loss?

$-\ln\frac1{10} = \ln 10 \approx 2.303$. Remember that number. If your first loss is far from it, something is wrong before the training has begun.

### Why it needs care

$e^{1000}$ is too large for a float, and $e^{-1000}$ is 0 in one. Both happen in practice. There are two remedies, and you need both:

1. Subtract the largest logit of each row first. That multiplies numerator and denominator by the same number, so no $p_c$ changes, and no exponent is above 0.
2. Don't take the logarithm of a rounded $p$. Write it out: $\ln p_y = z_y - m - \ln\sum_k e^{z_k - m}$, with $m$ the largest logit. The sum is at least 1, so its logarithm is harmless.

### Exercise 7 · cross_entropy

about 20 minutes · difficulty 3 of 5 · importance 5 of 5 · 2.5 points

One of the 2.5 points is for logits as large as ±1000. `z[np.arange(N), labels]` picks one number from each row.
"""

# %% nbgrader={"grade_id": "cross_entropy", "solution": true}
def cross_entropy(logits, labels):
    """Return the loss and its gradient for the logits.

    Arguments: logits (N, C), before any softmax; labels (N,), ints from 0 to C-1.
    Result: a pair: the loss, a number, the mean over the batch; dlogits (N, C).

    Example: two classes, both equally likely, so the loss is ln 2.
    >>> loss, dlogits = cross_entropy(np.array([[0., 0.]]), np.array([1]))
    >>> round(float(loss), 4), dlogits
    (0.6931, array([[ 0.5, -0.5]]))
    """
    ### BEGIN SOLUTION
    many = len(logits)
    shifted = logits - np.max(logits, axis=1, keepdims=True)  # no exponent above 0
    log_of_p = shifted - np.log(np.sum(np.exp(shifted), axis=1, keepdims=True))
    hit = np.zeros(logits.shape)
    hit[np.arange(many), labels] = 1
    return -(log_of_p * hit).sum() / many, (np.exp(log_of_p) - hit) / many
    ### END SOLUTION

# %% nbgrader={"grade_id": "check-cross_entropy", "grade": true}
check(cross_entropy)

# %% [markdown]
r"""
**The same numbers in PyTorch.** `torch.nn.functional.cross_entropy` wants logits, too. Whoever puts a softmax layer before it applies softmax twice. Nothing complains. But the second softmax makes the probabilities more alike, as you see below, and the gradient is no longer that of the loss you meant.
"""

# %% tags=["explore"]
import numpy as np
import torch
from pnnlib.bridge import compare

z, labels = np.array([[2.0, -1, 0.5], [1000, 0, -1000]]), np.array([2, 2])

def loss(z):
    return np.array(cross_entropy(z, labels)[0])

def loss_backward(dy, z):
    return dy * cross_entropy(z, labels)[1]

def torch_loss(z):
    return torch.nn.functional.cross_entropy(z, torch.tensor(labels))

print(compare(loss, torch_loss, z, backward=loss_backward))
p = np.exp(z[:1]) / np.exp(z[:1]).sum()
print("softmax once", p.round(2).tolist(), "twice", (np.exp(p) / np.exp(p).sum()).round(2).tolist())

# %% [markdown]
r"""
### Question 3

about 8 minutes · difficulty 3 of 5 · importance 4 of 5 · 1 point

By hand or with a pocket calculator. One image, three classes, logits $0$, $\ln 2$ and $\ln 5$; the label is the second class. Give the loss and the gradients of the three logits: four numbers, to three digits after the point.
"""

# %% nbgrader={"grade_id": "question-3", "solution": true}
# Assign a list of four numbers: the loss, then the three gradients,
# for instance: answer_3 = [0.5, 0.1, 0.2, 0.3]
### BEGIN SOLUTION
answer_3 = [1.386, 0.125, -0.75, 0.625]
### END SOLUTION

# %% nbgrader={"grade_id": "check-question-3", "grade": true}
check_question(3, numbers=4)

# %% [markdown]
r"""
## The whole network

Now stack them: convolution, normalisation, ReLU, pooling; convolution, ReLU, pooling; flatten; decide. (Only the first has a normalisation, so that you can compare.) This is the network that we train below.
"""

# %% tags=["explore"]
import numpy as np
from pnnlib.layers import BatchNorm2d, Conv2d, Flatten, Linear, MaxPool2d, ReLU, Sequential


def digit_reader(seed):
    """A network for 8×8 pictures: two convolutional layers, each with pooling, then one fully connected layer."""
    rng = np.random.default_rng(seed)
    return Sequential(
        Conv2d(1, 8, 3, padding=1, rng=rng), BatchNorm2d(8), ReLU(), MaxPool2d(2),
        Conv2d(8, 16, 3, padding=1, rng=rng), ReLU(), MaxPool2d(2),
        Flatten(), Linear(16 * 2 * 2, 10, rng=rng),
    )


print(digit_reader(0).summary((1, 8, 8)))

# %% [markdown]
r"""
There are two usual ways to draw a network. The first shows the maps that every layer puts out.
"""

# %% tags=["explore"]
from pnnlib.explore.diagram import draw

draw(
    digit_reader(0),
    (1, 8, 8),
    caption="Each layer's maps, from the picture to the ten classes. At most six are drawn; the number stands above.",
)

# %% [markdown]
r"""
The second draws an array as a box. Its sides are height, width and the number of channels; the box is turned so that the channels run to the right. A small box inside is the mask of the next layer. The mask passes through all channels: that is what this drawing shows best. Pooling isn't drawn: you see it where height and width shrink. There, the mask is shown as large as what it sees of the box before it: $3\times3$ of the pooled numbers are $6\times6$ here. A pooling just before the flatten can't be seen at all.
"""

# %% tags=["explore"]
from pnnlib.explore.diagram import draw

draw(digit_reader(0), (1, 8, 8), style="cuboids", caption="The same network as boxes.")

# %% [markdown]
r"""
**Guess first.** From left to right, what gets smaller, and what gets larger? Why would one want that?

Height and width shrink, the number of channels grows. The further to the right, the less exactly the network says *where*, and the more it can say about *what*.

### Exercise 8 · cnn_shapes

about 15 minutes · difficulty 2 of 5 · importance 4 of 5 · 2 points

Before you build a network, you should know its shapes. The layers come as tuples:

| layer | tuple | shape after it |
|---|---|---|
| convolution, square masks | `("conv", out, k, stride, padding)` | `(out, …, …)` |
| pooling, square regions | `("pool", k, stride)` | as many channels as before |
| flatten | `("flatten",)` | `(n,)` |
| fully connected | `("linear", out)` | `(out,)` |

Height and width follow $\lfloor (n + 2p - k)/\text{stride} \rfloor + 1$; for pooling $p = 0$.
"""

# %% nbgrader={"grade_id": "cnn_shapes", "solution": true}
def cnn_shapes(input_shape, layers):
    """Return the shape after every layer of a network.

    Arguments: input_shape (C, H, W); layers, a list of tuples as in the table.
    Result: a list of tuples, one for each layer.

    Example:
    >>> cnn_shapes((1, 8, 8), [("conv", 4, 3, 1, 0), ("pool", 2, 2), ("flatten",), ("linear", 10)])
    [(4, 6, 6), (4, 3, 3), (36,), (10,)]
    """
    ### BEGIN SOLUTION
    found, now = [], tuple(input_shape)
    for kind, *options in layers:
        if kind in ("conv", "pool"):
            channels = options.pop(0) if kind == "conv" else now[0]
            k, step, around = options if kind == "conv" else (*options, 0)
            now = (channels, *((n + 2 * around - k) // step + 1 for n in now[1:]))
        else:
            now = (options[0] if kind == "linear" else int(np.prod(now)),)
        found.append(now)
    return found
    ### END SOLUTION

# %% nbgrader={"grade_id": "check-cnn_shapes", "grade": true}
check(cnn_shapes)

# %% [markdown]
r"""
Try it on the network above, and on LeNet-5, a famous early network for digits.
"""

# %% tags=["explore"]
reader = [("conv", 8, 3, 1, 1), ("pool", 2, 2), ("conv", 16, 3, 1, 1), ("pool", 2, 2), ("flatten",), ("linear", 10)]
print("ours:    ", cnn_shapes((1, 8, 8), reader))
lenet = [("conv", 6, 5, 1, 0), ("pool", 2, 2), ("conv", 16, 5, 1, 0), ("pool", 2, 2), ("flatten",), ("linear", 120), ("linear", 84), ("linear", 10)]
print("LeNet-5: ", cnn_shapes((1, 32, 32), lenet))

# %% [markdown]
r"""
## Side by side: parallel branches

Must one decide for $3\times3$ masks or $5\times5$ masks? One can have both. In a block with **parallel branches**, all branches get the same input, and their maps are put together, one branch after the other, along the channels. Height and width must agree, so each branch gets the padding that keeps them.

On the way back, `dy` is cut into the branches' parts. Each branch takes its part back to the input. There the gradients *add*, since all branches read the same `x`.
"""

# %% tags=["explore"]
from pnnlib.explore.diagram import draw
from pnnlib.layers import Conv2d, Flatten, Linear, MaxPool2d, Parallel, ReLU, Sequential


def with_branches(seed):
    rng = np.random.default_rng(seed)
    block = Parallel(
        Conv2d(1, 4, 1, rng=rng),
        Conv2d(1, 4, 3, padding=1, rng=rng),
        Conv2d(1, 4, 5, padding=2, rng=rng),
        Sequential(MaxPool2d(3, stride=1, padding=1), Conv2d(1, 4, 1, rng=rng)),
    )
    return Sequential(block, ReLU(), MaxPool2d(2), Flatten(), Linear(16 * 4 * 4, 10, rng=rng))


draw(with_branches(0), (1, 8, 8), caption="Four branches read the same picture. ‖: put together along the channels.")

# %% [markdown]
r"""
### Exercise 9 · parallel

about 5 minutes · difficulty 1 of 5 · importance 3 of 5 · 1 point

`branches` is a list of functions. Call each with `x`.
"""

# %% nbgrader={"grade_id": "parallel", "solution": true}
def parallel(x, branches):
    """Give x to every branch, and put their results together along the channels.

    Arguments: x (N, C, H, W); branches, a list of functions, each from (N, C, H, W)
    to (N, its own number of channels, H, W).
    Result: an array (N, sum of these numbers, H, W).

    Example: one branch doubles, one takes the negative.
    >>> parallel(np.array([[[[3.]]]]), [lambda x: 2 * x, lambda x: -x])
    array([[[[ 6.]],
    <BLANKLINE>
            [[-3.]]]])
    """
    ### BEGIN SOLUTION
    maps_of_each = [branch(x) for branch in branches]
    return np.hstack(maps_of_each)
    ### END SOLUTION

# %% nbgrader={"grade_id": "check-parallel", "grade": true}
check(parallel)

# %% [markdown]
r"""
**Predict first.** Is the network with four branches better on the digits than one with 16 masks of $3\times3$ in their place? Both have 16 maps. Five seeds.
"""

# %% tags=["explore"]
import numpy as np
from pnnlib.data import digits
from pnnlib.layers import Conv2d, Flatten, Linear, MaxPool2d, ReLU, Sequential
from pnnlib.optim import Adam
from pnnlib.train import accuracy, fit

data = digits(np.float32)


def one_size(seed):
    rng = np.random.default_rng(seed)
    return Sequential(Conv2d(1, 16, 3, padding=1, rng=rng), ReLU(), MaxPool2d(2), Flatten(), Linear(16 * 4 * 4, 10, rng=rng))


for name, make in (("four branches", with_branches), ("3×3 alone", one_size)):
    shares = []
    for seed in range(5):
        model = make(seed).astype(np.float32)
        fit(model, data.x_train, data.y_train, Adam(model.parameters(), lr=0.01), epochs=6, progress=False, rng=seed)
        shares.append(accuracy(model, data.x_test, data.y_test))
    print(f"{name:14} {np.mean(shares):.3f} ± {np.std(shares):.3f}")

# %% [markdown]
r"""
No difference beyond chance. Probably there is little on $8\times8$ pictures that a $5\times5$ mask could find and a $3\times3$ mask could not. One expects branches to pay where patterns come in very different sizes; this experiment can't show it.

## Training: forward, error, backward

A whole network is trained as a single neuron is:

1. **Forward.** The input is presented, and activation passes through all layers to the last.
2. **Error.** The output is compared with the label: the loss, and its gradient `dy`.
3. **Backward.** `dy` goes back through all layers in reverse order. Each layer gets the gradient of its output, gives the gradients of its own parameters, and hands `dx` on.
4. **Step.** Every parameter moves a little against its gradient.

**Guess first.** Which layers of our network have parameters? For one of these parameters the gradient will be 0. Which?
"""

# %% tags=["explore"]
import numpy as np
from pnnlib import losses
from pnnlib.data import digits

data = digits()
model = digit_reader(0)
loss, dy = losses.cross_entropy(model(data.x_train[:64]), data.y_train[:64])
model.backward(dy)
meaning = {"0.weight": "masks", "0.bias": "thresholds", "1.weight": "γ of the normalisation", "1.bias": "β of the normalisation",
           "4.weight": "masks", "4.bias": "thresholds", "8.weight": "weights, fully connected", "8.bias": "thresholds"}
for name, parameter in model.named_parameters():
    print(f"{name:9} {meaning[name]:25} {str(parameter.data.shape):14} length of the gradient {np.linalg.norm(parameter.grad):.1e}")

# %% [markdown]
r"""
Masks, thresholds, the weights of the fully connected layer, and the two parameters of the normalisation, $\gamma$ and $\beta$, all learn. (A threshold $\theta$ is a bias with the opposite sign, $b = -\theta$.) ReLU, pooling and flatten have nothing to learn; they only pass the gradient on.

The first thresholds get nothing but rounding errors. Batch normalisation subtracts each channel's mean over the whole batch, and with it whatever a threshold added. $\beta$ does their work. That is why one often leaves the bias out before a normalisation.

## The ladder

A network that doesn't learn gives no error message. So climb in small steps, and don't take the next one before the last one holds.

**Step 1: the first loss.** Before any training, it must be near $\ln C$.
"""

# %% tags=["explore"]
import numpy as np
from pnnlib import losses
from pnnlib.data import digits

data = digits()
for name, scale in (("as it should be", 1), ("last weights 10 times too large", 10)):
    first = []
    for seed in range(5):
        model = digit_reader(seed)
        model[-1].weight.data = model[-1].weight.data * scale
        first.append(losses.cross_entropy(model(data.x_train[:200]), data.y_train[:200])[0])
    print(f"{name:32}", np.round(first, 2), f"ln 10 = {np.log(10):.2f}")

# %% [markdown]
r"""
The first row is within two tenths of 2.30. In the second, the network begins by being sure of wrong answers, and must first take that back.

**Step 2: overfit fifty examples.** A network that works can learn fifty pictures by heart. If it can't, there is a mistake in it, and more data won't help.

**Predict first.** What if the fifty labels are shuffled, so that they have nothing to do with the pictures? Can it still learn them? And what will it do on the test digits?
"""

# %% tags=["explore"]
import numpy as np
from pnnlib.data import digits
from pnnlib.optim import Adam
from pnnlib.train import accuracy, fit

data = digits(np.float32)
x, y = data.x_train[:50], data.y_train[:50]
for name in ("right labels", "shuffled labels"):
    rows = []
    for seed in range(5):
        model = digit_reader(seed).astype(np.float32)
        labels = y if name == "right labels" else np.random.default_rng(seed).permutation(y)
        history = fit(model, x, labels, Adam(model.parameters(), lr=0.01), epochs=60, batch_size=50, progress=False, rng=seed)
        rows.append([history.loss[-1], accuracy(model, x, labels), accuracy(model, data.x_test, data.y_test)])
    (loss, known, unseen), (_, _, spread) = np.mean(rows, axis=0), np.std(rows, axis=0)
    print(f"{name:16} loss {loss:.4f}, right on the fifty {known:.0%}, on the test {unseen:.0%} ± {spread:.0%}")

# %% [markdown]
r"""
It learns both by heart. So this step proves that gradients flow and that the loss can fall. It doesn't prove that images and labels belong together: shuffled labels pass it, too, and leave the network guessing on unseen digits. That is what the third step is for.

**Step 3: train, and watch data that it doesn't learn from.**
"""

# %% tags=["explore"]
import numpy as np
from matplotlib.figure import Figure
from pnnlib.data import digits
from pnnlib.explore.figure import show_figure
from pnnlib.optim import Adam
from pnnlib.train import accuracy, fit

data = digits(np.float32)
readers, histories = [], []
for seed in range(3):
    model = digit_reader(seed).astype(np.float32)
    histories.append(fit(
        model, data.x_train, data.y_train, Adam(model.parameters(), lr=0.005), epochs=12,
        validation=(data.x_validation, data.y_validation), progress=False, rng=seed,
    ))
    readers.append(model)
shares = [accuracy(model, data.x_test, data.y_test) for model in readers]
print("right on the test:", np.round(shares, 3), f"mean {np.mean(shares):.3f} ± {np.std(shares):.3f}")

figure = Figure(figsize=(8, 3.2), layout="constrained")
axes = figure.subplots()
for number, history in enumerate(histories):
    epochs = range(1, len(history.loss) + 1)
    axes.semilogy(epochs, history.loss, "-", color="C0", label=None if number else "digits it learns from")
    axes.semilogy(epochs, history.validation_loss, "--", color="C1", label=None if number else "digits kept back")
axes.set(xlabel="epoch", ylabel="loss")
axes.legend()
show_figure(
    figure,
    alt="Loss over twelve epochs, on a logarithmic scale, for three seeds. The solid lines, for the digits it learns from, fall from "
    f"about {np.mean([h.loss[0] for h in histories]):.1f} to {np.mean([h.loss[-1] for h in histories]):.2f}. The dashed lines, for "
    f"digits kept back, fall with them for about three epochs, then much less, and end at about {np.mean([h.validation_loss[-1] for h in histories]):.2f}.",
    caption="Both losses fall. The gap between them is what part f is about.",
)

# %% [markdown]
r"""
At first the digits kept back have the smaller loss. That is no mistake: the solid line is the mean over the epoch, while the network was still learning; the dashed one is measured at its end. From about the fourth epoch on a gap opens.

## With your own functions

The library's layers are a thin skin around functions. You can put yours in their place. Each is checked again when it is plugged in; one that isn't right yet is refused, and the library's is used. Your functions of parts c and d are read from the notebooks beside this one, if they are there.
"""

# %% tags=["explore"]
from pnnlib.exercises import my_answers, use_mine

earlier = {**my_answers("part_c_training_deep_networks.ipynb"), **my_answers("part_d_convolution.ipynb")}
pieces = ["relu", "batch_norm", "batch_norm_backward", "update_running", "adam_step", "conv_layer", "conv_layer_backward",
          "max_pool", "max_pool_backward", "flatten", "cross_entropy"]
functions = {**earlier, "max_pool": max_pool, "max_pool_backward": max_pool_backward, "flatten": flatten, "cross_entropy": cross_entropy}
for name in pieces:
    use_mine(name, functions.get(name))

# %% [markdown]
r"""
Now the same network learns twice: with your functions, and with the library's alone. The pictures, their order and the first weights are the same. Your functions take one image at a time, so give them a hundred digits and a little patience.

**Predict first.** How far will the two curves be apart?
"""

# %% tags=["explore"]
import time

import numpy as np
from pnnlib import train
from pnnlib.data import digits
from pnnlib.exercises import use_library, whose
from pnnlib.optim import Adam

data = digits()


def curve(model):
    """The loss of every batch: two epochs over a hundred digits."""
    optimizer, order, values = Adam(model.parameters(), lr=0.01), np.random.default_rng(0), []
    for _ in range(2):
        for x, labels in train.batches(data.x_train[:100], data.y_train[:100], 20, order):
            value, dy = train.default_loss(model(x), labels)  # yours, if it is plugged in
            model.backward(dy)
            optimizer.step()
            values.append(float(value))
    return np.array(values)


start = time.perf_counter()
yours = curve(digit_reader(0))
seconds = time.perf_counter() - start
whose(*pieces)
with use_library():
    start = time.perf_counter()
    librarys = curve(digit_reader(0))
    faster = seconds / (time.perf_counter() - start)
print("yours:        ", yours.round(4))
print("the library's:", librarys.round(4))
print(f"largest difference {abs(yours - librarys).max():.0e}; the library was {faster:.0f} times as fast")

# %% [markdown]
r"""
Every piece that is yours has just taken part in learning to read. The difference is rounding: sums in another order.

**The same network in PyTorch.** `to_torch` builds the same modules and copies the weights. Then PyTorch learns from the same batches with its own optimiser.
"""

# %% tags=["explore"]
import numpy as np
import torch
from pnnlib.bridge import compare, to_torch
from pnnlib.exercises import use_library
from pnnlib.train import batches

module = to_torch(digit_reader(0))
print(module)
optimizer, order, torchs = torch.optim.Adam(module.parameters(), lr=0.01), np.random.default_rng(0), []
for _ in range(2):
    for x, labels in batches(data.x_train[:100], data.y_train[:100], 20, order):
        loss = torch.nn.functional.cross_entropy(module(torch.tensor(x)), torch.tensor(labels))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        torchs.append(loss.item())
print(f"largest difference from the curve above: {abs(np.array(torchs) - yours).max():.0e}")
use_library()  # from here on the library's again, it is faster
print(compare(digit_reader(1), to_torch(digit_reader(1)), data.x_train[:8]))

# %% [markdown]
r"""
## What has it learnt?

The masks of the first layer can be looked at: each is a small picture. Those further up can't, as they have many channels; look at their maps instead.

**Guess first.** Will the eight masks look like something you could name: an edge, a corner, a spot?
"""

# %% tags=["explore"]
import numpy as np
from matplotlib.figure import Figure
from pnnlib.data import digits
from pnnlib.explore.figure import show_figure

reader, picture = readers[0], digits(np.float32).x_test[3:4]
masks = reader[0].weight.data[:, 0]
first, second = reader[:3](picture)[0], reader[:6](picture)[0]

figure = Figure(figsize=(10, 5.2), layout="constrained")
rows = figure.subplots(4, 8)
largest = abs(masks).max()
for axes, mask in zip(rows[0], masks):
    axes.imshow(mask, cmap="RdBu", vmin=-largest, vmax=largest)
    for (k, l), value in np.ndenumerate(mask):
        axes.text(l, k, f"{value:z.1f}", ha="center", va="center", fontsize=7, color="white" if abs(value) > 0.6 * largest else "black")
for axes, found in zip(rows[1:].ravel(), [*first, *second]):
    axes.imshow(found, cmap="gray_r", vmin=0, vmax=max(found.max(), 1e-9))
for axes in rows.ravel():
    axes.set(xticks=[], yticks=[])
for axes, name in zip(rows[:, 0], ("first layer,\nmasks", "their maps", "second layer,\n1–8", "second layer,\n9–16")):
    axes.set_ylabel(name)
print(f"share of 0 in the maps: first layer {(first == 0).mean():.0%}, second layer {(second == 0).mean():.0%}")
show_figure(
    figure,
    alt="First row: the eight learnt masks of 3 by 3 numbers, positive and negative. Second row: their maps for a handwritten 3, each "
    "with other strokes or edges of it. Third and fourth row: the sixteen maps of the second layer, 4 by 4 pixels, in which some "
    "places stand out and about half are empty.",
    caption="What the network sees in a 3. Masks: blue is positive, red negative. Maps: darker is larger; each is scaled to its "
    "own maximum.",
)

# %% [markdown]
r"""
Some masks can be read as edges: positive on one side, negative on the other. Others can't be named, and nothing obliges them to be. The loss asked for digits that are told apart; it never asked for masks that please the eye. In the second layer a map answers to combinations of the first layer's features. A map can be grey where there is no ink. There every mask of the first layer finds 0; what remains is the normalisation, which subtracts the channel's mean and adds $\beta$, and that may come out above 0. For this 3, about half of the numbers (47 %) are 0 in both layers: there the sum was negative, and ReLU has cut it off.

## Usage

When a trained network is used, its input is presented, activation passes through, and the largest output is the predicted class. No label, no error, no backward. And what chance or the batch decided in training must be off: dropout (which comes in part f) passes all, and batch normalisation uses its running averages. In the library that is `model.eval()`; `train.predict` does it for you.

**Predict first.** The trained network gets a test digit alone, and then the same digit beside ten pictures that are all ink. Does its answer change? In usage mode, and in training mode?
"""

# %% tags=["explore"]
import copy

import numpy as np
from pnnlib.activations import softmax
from pnnlib.data import digits

data = digits(np.float32)
some, ink = data.x_test[:100, None], np.ones((10, 1, 8, 8), np.float32)
for mode in ("usage", "training"):
    changes = []
    for reader in readers:
        twin = copy.deepcopy(reader).train(mode == "training")  # a copy: training mode changes the running averages
        alone = [twin(x).argmax() for x in some]
        beside = [twin(np.concatenate([x, ink]))[0].argmax() for x in some]
        changes.append(int(np.not_equal(alone, beside).sum()))
    print(f"{mode} mode: the answer changes for {changes} of 100 digits, in three networks")
print("probabilities for one digit:", softmax(readers[0](data.x_test[3:4]), 1)[0].round(3), "its label:", data.y_test[3])

# %% [markdown]
r"""
In usage mode nothing changes. In training mode the ink moves the means of its batch, and with them the answers for 10 to 19 of 100 digits. The last exercise will ask you about that.

And which digits does the network get wrong?
"""

# %% tags=["explore"]
import numpy as np
from matplotlib.figure import Figure
from pnnlib.data import digits
from pnnlib.explore.figure import show_figure
from pnnlib.train import predict

data = digits(np.float32)
answers = predict(readers[0], data.x_test)
wrong = np.flatnonzero(answers != data.y_test)
print(f"{len(wrong)} of {len(answers)} test digits are wrong")
figure = Figure(figsize=(10, 1.9), layout="constrained")
for axes, n in zip(figure.subplots(1, 8), wrong):
    axes.imshow(data.x_test[n, 0], cmap="gray_r")
    axes.set(title=f"{data.y_test[n]}, taken for {answers[n]}", xticks=[], yticks=[])
    axes.title.set_fontsize(8)
show_figure(
    figure,
    alt="The first wrong answers on the test digits: "
    + "; ".join(f"a {data.y_test[n]} taken for {answers[n]}" for n in wrong[:8]) + ".",
    caption="Look at the mistakes, always. Would you have read these right?",
)

# %% [markdown]
r"""
### What goes wrong in practice: the order of flattening

A trained network is carried to another program. There, maps are flattened column by column. No shape differs, and no error is raised.

**Predict first.** How many digits are still right? And can the network be saved without training it again?
"""

# %% tags=["explore"]
import numpy as np
from pnnlib import linear
from pnnlib.data import digits
from pnnlib.layers import Flatten, Sequential
from pnnlib.train import accuracy

x, y = digits(np.float32).x_test, digits().y_test
places = linear.flatten(np.arange(64.0).reshape(1, 16, 2, 2), order="F")[0].astype(int)  # what stands where, in the lecture's order
shares = []
for reader in readers:
    elsewhere = Sequential(*reader[:7], Flatten(order="F"), reader[8])
    row = [accuracy(reader, x, y), accuracy(elsewhere, x, y)]
    weights = reader[8].weight.data
    reader[8].weight.data = weights[:, places]  # put the weights into the same order
    shares.append([*row, accuracy(elsewhere, x, y)])
    reader[8].weight.data = weights
for name, values in zip(("as trained", "flattened in the other order", "weights put in that order, too"), np.transpose(shares)):
    print(f"{name:31} {np.mean(values):.3f} ± {np.std(values):.3f}")

# %% [markdown]
r"""
The network isn't destroyed. Its weights meet the wrong numbers, and a permutation of their columns puts everything right. Some 61 of 100 are right even without it: in $2\times2$ maps two of the four places, the diagonal, are the same in both orders. In larger maps fewer are, $n$ of $n^2$. So whoever hands on weights must say in which order the maps were flattened.

## Exercise: your own network

Now it is your turn to decide: how many masks, which pooling, how many layers, which optimiser, how long.

### Exercise 10 · train_cnn

about 40 minutes · difficulty 3 of 5 · importance 5 of 5 · 3.5 points

Write a function that trains a network and returns what it predicts for pictures that it has never seen. In this exercise `pnnlib` is allowed, except `pnnlib.pretrained` (weights trained beforehand), `pnnlib.bridge`, `pnnlib.exercises` and `pnnlib.explore`. Build the network from `pnnlib.layers`, and train it with `pnnlib.optim` and `pnnlib.train`, or write it all by hand. Import what you need inside the function; PyTorch and scikit-learn aren't there when it is marked.

- About 95 of 100 unseen digits must be right (what chance does to 600 digits is forgiven). A call may take 20 seconds; a good network needs a few. The network of step 3 only just reaches that share; twice as many masks give you room. You get about 100 pictures of each digit to learn from. (`astype(np.float32)`, for the network and the pictures, makes it faster.)
- The labels are ints from 0 to 9, but they aren't the digits' own names: they were dealt out anew. And not every label needs to occur in `y_train`.
- In `x_test` there are other pictures among the digits. What you answer for those doesn't count. But they must not change your answer for a digit.
- Don't change the arguments, and draw all chance from `rng`.

The check trains your network twice, so it takes a few seconds. (Much longer? Then your own functions are still plugged in: call `use_library()`.) Climb the ladder on `data.x_train` first.
"""

# %% nbgrader={"grade_id": "train_cnn", "solution": true}
def train_cnn(x_train, y_train, x_test, rng):
    """Train a convolutional network, and return its labels for other pictures.

    Arguments: x_train (N, 1, 8, 8), pixels from 0 to 1; y_train (N,), ints from 0
    to 9, not all of which need occur; x_test (M, 1, 8, 8); rng, a
    numpy.random.Generator.
    Result: an array (M,) of ints, a label for each picture of x_test.
    """
    ### BEGIN SOLUTION
    from pnnlib import layers as nn
    from pnnlib import optim, train

    network = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1, bias=False, rng=rng), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1, bias=False, rng=rng), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(128, 10, rng=rng),
    )
    network.astype(np.float32)
    adam = optim.Adam(network.parameters(), lr=0.005)
    train.fit(network, x_train.astype(np.float32), y_train, adam, epochs=8, progress=False, rng=rng)
    return train.predict(network, x_test.astype(np.float32))
    ### END SOLUTION

# %% nbgrader={"grade_id": "check-train_cnn", "grade": true}
check(train_cnn)

# %% [markdown]
r"""
How good is it really? One run says little. Five seeds on the course's own split:
"""

# %% tags=["explore"]
import numpy as np
from pnnlib.data import digits

data = digits()
shares = [np.mean(train_cnn(data.x_train, data.y_train, data.x_test, np.random.default_rng(seed)) == data.y_test) for seed in range(5)]
print(f"right on unseen digits: {np.mean(shares):.3f} ± {np.std(shares):.3f}")

# %% [markdown]
r"""
## Summary

| idea | formula | your function | PyTorch (`F` is `torch.nn.functional`) |
|---|---|---|---|
| max pooling | $\max_{k,l} X(it+k,\, jt+l)$ | `max_pool` | `F.max_pool2d(x, size, stride)` |
| average pooling | $\frac1{s^2}\sum_{k,l} X(it+k,\, jt+l)$ | `average_pool` | `F.avg_pool2d(x, size, stride)` |
| global pooling | one number for each map | `global_average_pool` | `x.mean((-2, -1))` |
| across channels | $\max_g X(oG+g,\, i,\, j)$ | `cross_channel_max_pool` | `x.unflatten(0, (-1, G)).max(1).values` |
| backward of the maximum | $dX \mathrel{+}= dY$ at the first maximum | `max_pool_backward` | `y.backward(dy)` |
| flattening | map by map, row by row | `flatten` | `torch.flatten(x, 1)` |
| loss | $-\ln p_y$; gradient $(p - \text{one-hot})/N$ | `cross_entropy` | `F.cross_entropy(z, labels)` |
| shapes | $\lfloor (n+2p-k)/\text{stride}\rfloor + 1$ | `cnn_shapes` | the shape of the result |
| parallel branches | joined along the channels | `parallel` | `torch.cat([b(x) for b in branches], 1)` |
| training | forward, error, backward, step | `train_cnn` | the loop above |

- Pooling replaces a region by its maximum or its mean. Its kind, size and stride are chosen, not learnt.
- It buys tolerance to location and to configuration, and pays with discrimination. How much is right depends on what the inputs do.
- Fully connected layers decide. Flattening fixes the size of the input; its order must be the same wherever the weights go.
- Masks, thresholds, weights, $\gamma$ and $\beta$ learn; ReLU, pooling and flatten pass the gradient on.
- Climb: first loss near $\ln C$, fifty examples by heart, then train and watch data that is kept back.
"""

# %% [markdown]
r"""
## Questions to think about

**1.** Max pooling with regions of $3\times3$ and stride 1 doesn't make the map smaller by much. What does it do to the receptive field? What is it good for, in a parallel branch for instance?

<details><summary>Answer</summary>

Each output sees one pixel more on every side, as behind a $3\times3$ mask. With padding 1 the map keeps its size, so it can stand in a branch beside convolutions. It makes every strong answer spread to its neighbours: a little tolerance, without losing pixels.

</details>

**2.** Could a convolution with stride 2 replace pooling?

<details><summary>Answer</summary>

It makes the map smaller as well, and its weights are learnt. Average pooling is even a special case of it: for each channel one mask, with $1/s^2$ in that channel and 0 in the others. The maximum isn't, because it isn't a weighted sum. Some networks have no pooling layers at all.

</details>

**3.** After max pooling with $2\times2$ regions, three in four pixels get no gradient. Isn't that a waste?

<details><summary>Answer</summary>

They had no say in the result, so there is nothing to tell them. With other inputs other pixels win. And the masks are shared: a mask learns from every place where it won.

</details>

**4.** A network ends in global average pooling and a fully connected layer. You exchange the left and the right half of its last maps. What changes in its answer? And if it flattens instead?

<details><summary>Answer</summary>

With global pooling nothing: the mean doesn't know where its numbers stood. With flattening, the numbers meet other weights, and the answer may change.

</details>
"""

# %% [markdown]
r"""
## What to hand in

Hand in this notebook, one file, with your ten functions and your three answers. Before you do:

1. Choose *Restart kernel and run all cells*. What works only because of an old cell will not work for us either.
2. Look at every check. A ✓ means that your function is right on the public cases. It will be marked on other numbers of the same kind.
3. Keep the names of the functions, and leave the check cells where they are.

Something is unfinished? Hand it in all the same. Each exercise earns its own points.

The next part shows where such networks fail.
"""
