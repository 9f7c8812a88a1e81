# ---
# jupyter:
#   course: {notebook: part_f_limitations, assignment: part_f}
#   jupytext: {text_representation: {extension: .py, format_name: percent}}
#   kernelspec: {display_name: Python 3 (ipykernel), language: python, name: python3}
# ---

# %% [markdown]
r"""
# Part f · The limitations of deep networks

Your network from part e recognises digits. What does it take to train a large one? And what has it learnt when it is right? This notebook is about the price of deep networks, about three ways to pay less, and about the ways in which a network with excellent marks still fails.

**You will be able to**

- count the parameters of any convolutional network, from LeNet-5 to VGG-16;
- make more training data out of little, without spoiling the labels;
- re-use a trained network for another task, frozen or fine-tuned;
- drop neurons at random in training, and none in use, with the right scaling, forwards and backwards;
- find out whether a network uses a shortcut;
- fool a network: by changes that nobody sees, by the context, and by a patch that can be printed.

**You need** parts d and e: convolution, pooling, and how a network is trained. From calculus: the chain rule.

**Time:** about 4 hours. It needn't be one sitting. Nine exercises and three questions give 20 points. Each says how long it takes, how hard it is and how much it matters.

**How to use it**

1. Run the cells from the top, one after the other, with Shift+Enter.
2. Where it says *guess first* or *predict*, write your guess down before you read on.
3. In an exercise, replace `raise NotImplementedError` with your code and run the check below it. Try as often as you like.
4. Use NumPy only in your answers. The cells with figures, with training and with PyTorch are for exploring. They are never marked.
"""

# %%
import numpy as np
from pnnlib.exercises import check, check_question

# %% [markdown]
r"""
## How many parameters?

**Guess first.** A network that tells 1000 kinds of objects apart in colour pictures of 224 × 224 pixels: how many weights and biases does it have, to a power of ten? And in which layer are most of them?
"""

# %% tags=["explore"]
from matplotlib.figure import Figure
from pnnlib.architectures import ARCHITECTURES
from pnnlib.explore.figure import show_figure
from pnnlib.networks import digits_cnn

networks = [(a.year, name, a.total) for name, a in ARCHITECTURES.items()]
ours = sum(p.data.size for p in digits_cnn().parameters())
figure = Figure(figsize=(8, 4.2), layout="constrained")
axes = figure.subplots()
axes.axvspan(4e6, 1.4e8, color="0.92", label="4 to 140 million")
for row, (year, name, total) in enumerate([("here", "the course's digits_cnn", ours), *networks]):
    axes.plot(total, row, "o" if row else "s", color="C0" if row else "C1")
    axes.annotate(f"{total:,}", (total, row), (6, 0), textcoords="offset points", va="center", fontsize="small")
axes.set(xscale="log", xlim=(1e4, 2e9), xlabel="number of parameters", yticks=range(len(networks) + 1),
         yticklabels=["digits_cnn (here)", *(f"{name} ({year})" for year, name, _ in networks)])
axes.legend(loc="lower right")
words = ", ".join(f"{name} {total:,}" for _, name, total in networks)
print(ARCHITECTURES["VGG-16"])
show_figure(figure, alt=f"The number of parameters on a logarithmic axis. The course's network for digits has {ours:,}; {words}. "
            "All from AlexNet on lie in or next to the band from 4 to 140 million.",
            caption="Networks that made history. All but LeNet-5 and ours are for colour pictures of 1000 classes.")

# %% [markdown]
r"""
Typical networks for colour pictures have between 4 and 140 million parameters, and there is a trend to deeper and more complex ones. But look closely: most of those above VGG in the figure are deeper still, and all of them have *fewer* parameters. VGG-16 spends three quarters of its 138 million on a single layer, the first fully connected one. GoogLeNet, the ResNets, DenseNet and MobileNet take the mean of each map instead (global pooling), so nothing large is left to connect.

So many parameters mean three things:

1. You need a lot of training data.
2. Training takes a lot of computation.
3. The network may learn the training data by heart (overfitting).

How does one count? A layer's parameters are its weights and its biases:

| layer | weights | biases |
|---|---|---|
| convolution: $C_{out}$ masks of $k\times k$ on $C_{in}$ channels | $C_{out}\cdot C_{in}\cdot k\cdot k$ | $C_{out}$ |
| fully connected: $n$ neurons on $m$ inputs | $n\cdot m$ | $n$ |
| pooling, flattening | none | none |

The size of the picture is not in the first row: the weights are shared by all places. It matters only for $m$, the first fully connected layer after flattening. So you have to follow the shape through the layers, as in part e: along one axis, $n$ pixels become $\lfloor (n + 2p - k)/s\rfloor + 1$, with stride $s$ and padding $p$ (in pooling, $p = 0$).

**By hand.** A colour picture of 9 × 9, `("conv", 4, 3, 1, 0)`, `("pool", 2, 2)`, `("flatten",)`, `("linear", 10)`:

| layer | shape | parameters |
|---|---|---|
| input | $(3, 9, 9)$ | |
| conv, 4 masks of 3 × 3, stride 1, padding 0 | $(4, 7, 7)$ | $4\cdot 3\cdot 9 + 4 = 112$ |
| pool 2 × 2, stride 2 | $(4, 3, 3)$ | $0$ |
| flatten | $(36,)$ | $0$ |
| linear, 10 neurons | $(10,)$ | $10\cdot 36 + 10 = 370$ |
| total | | $482$ |

### Exercise 1 · count_cnn_parameters

about 25 minutes · difficulty 3 of 5 · importance 4 of 5 · 3 points

`input_shape` is $(C, H, W)$, or $(m,)$ if there are fully connected layers only. `layers` has the form of part e: `("conv", out, k, stride, padding)`, `("pool", k, stride)`, `("flatten",)`, `("linear", out)`. Every convolutional and every fully connected layer has biases.
"""

# %% nbgrader={"grade_id": "count_cnn_parameters", "solution": true}
def count_cnn_parameters(input_shape, layers):
    """Count the weights and biases of a network.

    Arguments: input_shape, (C, H, W) or (m,); layers, a list of tuples
    ("conv", out, k, stride, padding), ("pool", k, stride), ("flatten",), ("linear", out).
    Result: an int.

    Example: the one by hand.
    >>> count_cnn_parameters((3, 9, 9), [("conv", 4, 3, 1, 0), ("pool", 2, 2), ("flatten",), ("linear", 10)])
    482
    """
    ### BEGIN SOLUTION
    shape, count = tuple(input_shape), 0
    for kind, *options in layers:
        if kind == "flatten":
            shape = (int(np.prod(shape)),)
        elif kind == "linear":
            count += options[0] * (shape[0] + 1)
            shape = (options[0],)
        else:
            maps = options[0] if kind == "conv" else shape[0]
            window, stride, edge = (*options[1:],) if kind == "conv" else (*options, 0)
            if kind == "conv":
                count += maps * (shape[0] * window**2 + 1)
            shape = (maps, *((side + 2 * edge - window) // stride + 1 for side in shape[1:]))
    return count
    ### END SOLUTION

# %% nbgrader={"grade_id": "check-count_cnn_parameters", "grade": true}
check(count_cnn_parameters)

# %% [markdown]
r"""
**The same numbers in PyTorch.** On the device `"meta"` it makes layers without their numbers, so VGG-16 fits into any computer.
"""

# %% tags=["explore"]
import numpy as np
import torch
from pnnlib.architectures import ARCHITECTURES, VARIANTS

def in_pytorch(shape, layers):
    modules = []
    with torch.device("meta"):
        x = torch.empty(1, *shape)
        for kind, *options in layers:
            make = {"conv": lambda: torch.nn.Conv2d(x.shape[1], *options), "pool": lambda: torch.nn.MaxPool2d(*options),
                    "flatten": torch.nn.Flatten, "linear": lambda: torch.nn.Linear(x.shape[1], *options)}
            modules.append(make[kind]())
            x = modules[-1](x)
    return sum(p.numel() for module in modules for p in module.parameters())

for name, network in {**ARCHITECTURES, **VARIANTS}.items():
    if network.sequential:  # only layers of these four kinds
        yours, theirs = (count(network.input_shape, network.layers) for count in (count_cnn_parameters, in_pytorch))
        print(f"{name:20} yours {yours:>11,}   PyTorch's {theirs:>11,}   published {network.total:>11,}")

vgg = ARCHITECTURES["VGG-16"]
print(f"\nVGG-16: {4 * vgg.total / 1e6:.0f} MB in float32, and with Adam's m, v and the gradient four times as much")
print(f"its first fully connected layer has {max(row.parameters for row in vgg.rows) / vgg.total:.0%} of the parameters")
places = [row.shape[1] * row.shape[2] if len(row.shape) == 3 else 1 for row in vgg.rows]
parameters = np.array([row.parameters for row in vgg.rows])
multiplications = parameters * places
print(f"one picture, forwards: about {multiplications.sum() / 1e9:.1f} thousand million multiplications")
maps = np.array([len(row.shape) == 3 for row in vgg.rows])
print(f"its convolutional layers have {parameters[maps].sum() / vgg.total:.0%} of the parameters "
      f"and {multiplications[maps].sum() / multiplications.sum():.0%} of the multiplications")

# %% [markdown]
r"""
Two more things are to be seen here. The convolutional layers have 11 % of the parameters, but each of these is used at every place, so they do 99 % of the multiplications. And the backward takes about twice as many as the forward, so a batch of 100 pictures needs some 300 times what one picture needs forwards, in every step.

> **Convention card: how many has LeNet-5?**
>
> | | |
> |---|---|
> | **Published in 1998** | 60,000. Its second convolution looks at 3, 4 or 6 of the 6 maps, its pooling layers have two parameters per map, and its last layer compares with pictures of the characters that were drawn by hand. |
> | **As it is built today** | 61,706. Every map looks at all six, pooling learns nothing, the last layer is learnt. |
> | **The lesson** | A name is not an architecture. To compare counts, ask for the table of layers. The same goes for AlexNet, which was published in two halves for two graphics cards. |

### Question 1

about 6 minutes · difficulty 2 of 5 · importance 4 of 5 · 1 point

Now you, with pencil and paper. A grey picture of 28 × 28 pixels, `("conv", 6, 5, 1, 0)`, `("pool", 2, 2)`, `("conv", 16, 3, 1, 1)`, `("pool", 2, 2)`, `("flatten",)`, `("linear", 10)`. How many parameters have the first convolutional layer, the second one, the fully connected layer, and the whole network?
"""

# %% nbgrader={"grade_id": "question-1", "solution": true}
# Four numbers: first conv, second conv, linear, total,
# for instance: answer_1 = [10, 200, 3000, 3210]
### BEGIN SOLUTION
answer_1 = [156, 880, 5770, 6806]
### END SOLUTION

# %% nbgrader={"grade_id": "check-question-1", "grade": true}
check_question(1, numbers=4)

# %% [markdown]
r"""
## More data out of little: augmentation

Labelled pictures are expensive. But a cat that is shifted by three pixels is still a cat. **Data augmentation** makes many pictures out of each one, by transformations that keep the class: shifts, rotations, changes to scale, flips, shears (the rows are pushed sideways, as in slanted writing), crops.

In all pictures of this notebook, a pixel is a number from 0, the empty background, to 1, the stroke of the pen. We draw 0 white and 1 black, like ink on paper.

**Guess first.** Which of these keep the class of a *digit*?
"""

# %% tags=["explore"]
import numpy as np
from matplotlib.figure import Figure
from pnnlib import augment as transformations
from pnnlib.data import digits
from pnnlib.explore.figure import show_figure
from pnnlib.windows import pad

data = digits()
pictures = np.stack([data.x_test[data.y_test == digit][0] for digit in (6, 2)])
shown = {
    "original": pictures,
    "shift": transformations.shift(pictures, 1, -1),
    "rotation": transformations.rotate(pictures, 20),
    "scale": transformations.scale(pictures, 0.75),
    "shear": transformations.shear(pictures, -20),
    "crop": transformations.crop(pad(pictures, (1, 1)), 2, 0, 8, 8),
    "flip": transformations.flip(pictures),
    "half a turn": transformations.rotate(pictures, 180),
}
figure = Figure(figsize=(10, 2.9), layout="constrained")
for column, (axes, (name, changed)) in enumerate(zip(figure.subplots(2, len(shown)).T, shown.items())):
    for row in range(2):
        axes[row].imshow(changed[row, 0], cmap="gray_r", vmin=0, vmax=1)
        axes[row].set(xticks=[], yticks=[])
    axes[0].set_title(name, fontsize="medium")
show_figure(figure, alt="A handwritten 6 and a 2, each as it is and changed in seven ways: shifted, rotated by 20 degrees, made smaller, "
            "sheared, cropped, flipped left to right, and turned by half a turn. The flipped ones are no digits any more, "
            "and the 6 after half a turn looks like a 9.",
            caption="One picture, seven more. Do all of them keep their label?")

# %% [markdown]
r"""
| transformation | a digit | a cat |
|---|---|---|
| shift, crop, as long as all of it stays in the picture | keeps its class | keeps its class |
| small rotation, scale, shear | keeps its class | keeps its class |
| flip, left to right | a mirrored 2 is no digit | still a cat |
| half a turn | a 6 becomes a 9 | still a cat, though such pictures are rare |

Which transformations keep the class is knowledge about the *task*. The network cannot know it; you tell it by choosing.

For what follows, we need some well-trained networks. Five of them, from five seeds, learn the digits from all 1197 training pictures. We show them test pictures of a 6, turned by half a turn.
"""

# %% tags=["explore"]
import numpy as np
from pnnlib import optim
from pnnlib.augment import rotate
from pnnlib.data import digits
from pnnlib.networks import digits_cnn
from pnnlib.train import accuracy, fit, predict

data = digits(np.float32)

def trained(seed, transform=None):
    model = digits_cnn(seed).astype(np.float32)
    fit(model, data.x_train, data.y_train, optim.Adam(model.parameters(), lr=0.002), epochs=3, transform=transform,
        progress=False, rng=seed)
    return model

def spread(values):
    return f"{np.mean(values):.2f} ± {np.std(values):.2f}"

models = [trained(seed) for seed in range(5)]
print("right on the test set:", spread([accuracy(model, data.x_test, data.y_test) for model in models]))
turned = rotate(data.x_test[data.y_test == 6], 180)
for digit in range(10):
    share = [np.mean(predict(model, turned) == digit) for model in models]
    if np.mean(share) > 0.01:
        print(f"a 6 after half a turn is taken for {digit}: {spread(share)}")

# %% [markdown]
r"""
(Mean and standard deviation over five seeds, here and in all that follows unless it says otherwise. The texts quote what came out on our machine; on yours the last digit may differ.) The networks say 9, and who would blame them? Whoever trains with half turns and keeps the label 6 asks the network to call a 9 a 6.

### By hand

A shift by `down` rows and `right` columns: $Y(i, j) = X(i - \text{down}, j - \text{right})$, and 0 where that is outside of the picture. Negative numbers move it up and to the left.

$$X = \begin{pmatrix}1&2&3\\4&5&6\end{pmatrix} \qquad \text{down } 1:\ \begin{pmatrix}0&0&0\\1&2&3\end{pmatrix} \qquad \text{right } {-1}:\ \begin{pmatrix}2&3&0\\5&6&0\end{pmatrix}$$

### Exercise 2 · shift

about 12 minutes · difficulty 2 of 5 · importance 3 of 5 · 1.5 points

`down` is from $-H$ to $H$, `right` from $-W$ to $W$. Return a new array. Don't change `image`.
"""

# %% nbgrader={"grade_id": "shift", "solution": true}
def shift(image, down, right):
    """Move a picture by whole pixels; zeros move in, and what moves out is lost.

    Arguments: image (H, W); down and right, ints, negative for up and left.
    Result: an array (H, W).

    Example:
    >>> shift(np.array([[1., 2., 3.], [4., 5., 6.]]), 1, 0)
    array([[0., 0., 0.],
           [1., 2., 3.]])
    """
    ### BEGIN SOLUTION
    height, width = image.shape
    result = np.zeros_like(image)
    for i in range(height):
        for j in range(width):
            if 0 <= i - down < height and 0 <= j - right < width:
                result[i, j] = image[i - down, j - right]
    return result
    ### END SOLUTION

# %% nbgrader={"grade_id": "check-shift", "grade": true}
check(shift)

# %% [markdown]
r"""
### Exercise 3 · augment

about 10 minutes · difficulty 2 of 5 · importance 4 of 5 · 2 points

Now many pictures, each shifted by its *own* random amounts, `down` and `right`. Both are whole numbers from `-max_shift` to `max_shift`, all equally likely, the two ends included. Draw them from the generator `rng`: `rng.integers(low, high)` leaves `high` out. You may call your `shift`. In which order you draw them is up to you: the check looks at how the pictures have moved.
"""

# %% nbgrader={"grade_id": "augment", "solution": true}
def augment(x, rng, max_shift):
    """Shift every picture by its own random amounts.

    Arguments: x (N, H, W); rng, a numpy.random.Generator; max_shift, an int, 0 or more.
    Result: an array (N, H, W).

    Example:
    >>> augment(np.ones((5, 8, 6)), np.random.default_rng(0), 2).shape
    (5, 8, 6)
    """
    ### BEGIN SOLUTION
    height, width = x.shape[1:]
    framed = np.pad(x, ((0, 0), (max_shift, max_shift), (max_shift, max_shift)))
    corners = rng.integers(0, 2 * max_shift + 1, size=(len(x), 2))
    return np.array([one[i:i + height, j:j + width] for one, (i, j) in zip(framed, corners)])
    ### END SOLUTION

# %% nbgrader={"grade_id": "check-augment", "grade": true}
check(augment)

# %% [markdown]
r"""
**The same in PyTorch.** Padding with negative numbers cuts off. So a shift is one call, and a random one is a random crop.
"""

# %% tags=["explore"]
import numpy as np
import torch
from pnnlib.bridge import compare

def torch_shift(image, down, right):
    return torch.nn.functional.pad(image, (right, -right, down, -down))

image = np.random.default_rng(0).normal(size=(5, 6))
for down, right in ((1, -2), (-3, 0), (2, 4)):
    print(compare(shift, torch_shift, image, down=down, right=right))

# %% [markdown]
r"""
### Experiment: fifty digits

Only 50 training pictures. In each epoch, every picture is changed anew, so that the network hardly ever sees the same one twice. We try *your* `augment` and other transformations. There are two test sets: the 300 test pictures as they are, and the same pictures moved by up to one pixel and turned by up to 20°, as a hasty writer might.

**Predict first.** Which transformations help on the test set as it is? On the moved one? Which do harm?
"""

# %% tags=["explore"]
import numpy as np
from pnnlib import augment as transformations
from pnnlib import optim
from pnnlib.data import digits
from pnnlib.layers import BatchNorm2d, Conv2d, Flatten, Linear, MaxPool2d, ReLU, Sequential
from pnnlib.train import accuracy, fit

def one_layer_cnn(seed):
    rng = np.random.default_rng(seed)
    return Sequential(Conv2d(1, 16, 3, padding=1, bias=False, rng=rng), BatchNorm2d(16), ReLU(), MaxPool2d(2), Flatten(),
                      Linear(256, 10, rng=rng)).astype(np.float32)

data = digits(np.float32)
hasty = transformations.compose(transformations.random_rotation(20), transformations.random_shift(1))
x_moved = hasty(data.x_test, rng=0)

def your_shift(x, rng):
    return augment(x[:, 0], rng, 1)[:, None].astype(np.float32)

settings = {
    "none": None,
    "your shift, up to 1 pixel": your_shift,
    "rotation, up to 20°": transformations.random_rotation(20),
    "flip, every second one": transformations.random_flip(0.5),
    "rotation, any angle": transformations.random_rotation(180),
    # more to try: random_crop(8, 8, padding=1), random_scale(0.8, 1.25), random_shear(20), all of transformations
}
right = {}
for name, transform in settings.items():
    right[name] = np.empty((5, 2))
    for seed in range(5):
        some = np.random.default_rng(seed).permutation(len(data.x_train))[:50]
        model = one_layer_cnn(seed)
        fit(model, data.x_train[some], data.y_train[some], optim.Adam(model.parameters(), lr=0.01), epochs=80, batch_size=50,
            transform=transform, progress=False, rng=seed)
        right[name][seed] = [accuracy(model, x, data.y_test) for x in (data.x_test, x_moved)]
    gain = right[name] - right["none"]  # of the same seed, so with the same fifty pictures
    print(f"{name:26}" + "   ".join(f"{test} {m:.2f} ± {s:.2f} (gain {g:+.2f} ± {gs:.2f})" for test, m, s, g, gs in zip(
        ("as it is", "moved"), right[name].mean(axis=0), right[name].std(axis=0), gain.mean(axis=0), gain.std(axis=0))))

# %% [markdown]
r"""
<details><summary>Compare with your prediction</summary>

On the moved test set, shifts help most: from 0.39 to 0.63 with your `augment`. (Crops of the picture's own size, after padding, are the same thing.) Rotations up to 20° add no more than chance makes. On the test set as it is, shifts gain 0.03 ± 0.05: perhaps a little, but five runs don't settle it. Its digits stand upright and in the middle, just as the 50 training digits do.

Augmentation teaches a network what should *not* matter. Where the test hardly asks for that, there is little to win. Two transformations do harm on the test set as it is: flips cost 0.06, and turns by any angle 0.31. They don't keep the class.

These networks trained for 80 epochs. When hardly any picture comes twice, learning takes longer: try `epochs=20`, and see what is left of the gains.

</details>

**What goes wrong in practice.**

- *Augmenting the test set.* What is to be measured is the performance on real pictures. Transform the training data only.
- *Augmenting first, splitting later.* Then copies of one picture stand in the training set and in the test set, and the test is worthless.
- *Transformations that change the class.* No error message will tell you.

## Borrowed weights: transfer learning

**Guess first.** You know five digits well. Would you have to learn to see again before you can learn five more?

The first layers of a network look for edges and curves, which are useful for many tasks. So: train a network on a related task for which there is plenty of data (or copy a pre-trained network from the internet), and go on from *its* weights on your task with little data, for fewer epochs. That helps with two of the three problems: the data, and the computation. There are two ways:

- **frozen**: the copied layers stay as they are, only a new last layer is trained;
- **fine-tuned**: all layers, or the last few of them, go on learning from where they are.

A step of gradient descent with frozen parameters, where $g_i$ is the gradient of the cost for $w_i$ and $\eta$ the learning rate:

$$w_i \leftarrow \begin{cases} w_i & i \text{ frozen}\\ w_i - \eta\, g_i & \text{otherwise}\end{cases}$$

### Exercise 4 · fine_tune_step

about 5 minutes · difficulty 1 of 5 · importance 4 of 5 · 1.5 points

`parameters` and `gradients` are lists of arrays, `frozen` a list of as many bools. Return a new list, with new arrays for those that move. Don't change the arrays that come in: no `p -= …`.
"""

# %% nbgrader={"grade_id": "fine_tune_step", "solution": true}
def fine_tune_step(parameters, gradients, frozen, lr):
    """Take one step of gradient descent with those parameters that are not frozen.

    Arguments: parameters, a list of arrays; gradients, a list of arrays of the
    same shapes; frozen, a list of bools; lr, the learning rate η.
    Result: a list of arrays, the frozen ones as they were.

    Example:
    >>> fine_tune_step([np.array([1.]), np.array([1.])], [np.array([2.]), np.array([2.])], [True, False], 0.25)
    [array([1.]), array([0.5])]
    """
    ### BEGIN SOLUTION
    return [w if stays else w - lr * g for w, g, stays in zip(parameters, gradients, frozen)]
    ### END SOLUTION

# %% nbgrader={"grade_id": "check-fine_tune_step", "grade": true}
check(fine_tune_step)

# %% [markdown]
r"""
**The same numbers in PyTorch.** There, a frozen parameter has `requires_grad = False`. The network is one that comes with the course: it has learnt the digits 0 to 4, wherever they stand in a picture of 12 × 12. It gets a new last layer, for the digits 5 to 9, and three steps in which only that layer moves.
"""

# %% tags=["explore"]
import numpy as np
import torch
from pnnlib import pretrained
from pnnlib.bridge import to_torch
from pnnlib.data import digits
from pnnlib.layers import Linear, Sequential
from pnnlib.losses import cross_entropy

data, others = digits(), (5, 6, 7, 8, 9)
x, labels = pretrained.only(data.x_train, data.y_train, others)
x, labels = pretrained.anywhere(x, rng=0)[:40], labels[:40]
model = Sequential(*pretrained.model()[:-1], Linear(32, 5, rng=0)).astype(np.float64).eval()
module, before = to_torch(model), [p.data for p in model.parameters()]
frozen = [True] * (len(before) - 2) + [False] * 2  # all but the last weights and biases
for p, still in zip(module.parameters(), frozen):
    p.requires_grad = not still
optimiser = torch.optim.SGD(module.parameters(), lr=0.01)

for step in range(3):
    loss, dy = cross_entropy(model(x), labels)
    model.backward(dy)
    new = fine_tune_step([p.data for p in model.parameters()], [p.grad for p in model.parameters()], frozen, 0.01)
    for p, data_now in zip(model.parameters(), new):
        p.data = data_now
    optimiser.zero_grad()
    torch_loss = torch.nn.functional.cross_entropy(module(torch.tensor(x)), torch.tensor(labels))
    torch_loss.backward()
    optimiser.step()
    print(f"step {step + 1}: loss {loss:.6f}, PyTorch's {torch_loss.item():.6f}")

now = [p.data for p in model.parameters()]
gap = max(abs(a - b.detach().numpy()).max() for a, b in zip(now, module.parameters()))
print(f"largest difference between your parameters and PyTorch's: {gap:.0e}")
print("unchanged:", sum(np.array_equal(a, b) for a, b in zip(before, now)), "of", len(now), "parameter arrays; frozen:", sum(frozen))

# %% [markdown]
r"""
### Experiment: five new digits

The pre-trained network knows 0 to 4. Now it is to learn 5 to 9, from 1, 3 or 10 pictures of each. We compare three ways: the same network from scratch, frozen with a new last layer, and fine-tuned.

**Predict first.** Which is best with one picture of each digit? With ten? Is frozen always better than from scratch?
"""

# %% tags=["explore"]
import numpy as np
from matplotlib.figure import Figure
from pnnlib import optim, pretrained
from pnnlib.data import digits
from pnnlib.explore.figure import show_figure
from pnnlib.layers import Linear, Sequential
from pnnlib.train import accuracy, fit, outputs

data, others = digits(np.float32), (5, 6, 7, 8, 9)
x_all, y_all = pretrained.only(data.x_train, data.y_train, others)
x_test, y_test = pretrained.only(data.x_test, data.y_test, others)
x_test = pretrained.anywhere(x_test, rng=0)

def few(many, seed):
    """So many pictures of each of the five digits, drawn by chance."""
    rng = np.random.default_rng(seed)
    some = np.concatenate([rng.permutation(np.flatnonzero(y_all == c))[:many] for c in range(5)])
    return pretrained.anywhere(x_all[some], rng=rng), y_all[some]

def learn(model, x, y, seed, lr, steps):
    fit(model, x, y, optim.Adam(model.parameters(), lr=lr), epochs=steps * 10 // max(10, len(x)), batch_size=10, progress=False, rng=seed)
    return model

def last_layer(seed):
    return Linear(32, 5, rng=seed).astype(np.float32)

def from_scratch(x, y, seed):
    return accuracy(learn(pretrained.network(5, rng=seed), x, y, seed, 0.003, 60), x_test, y_test)

def frozen_features(x, y, seed):
    features = pretrained.model()[:-1]
    layer = learn(last_layer(seed), outputs(features, x), y, seed, 0.01, 200)  # what does not change is computed once
    return accuracy(layer, outputs(features, x_test), y_test)

def fine_tuned(x, y, seed):
    return accuracy(learn(Sequential(*pretrained.model()[:-1], last_layer(seed)), x, y, seed, 0.003, 60), x_test, y_test)

counts, found = (1, 3, 10), {}
for name, way in {"from scratch": from_scratch, "frozen": frozen_features, "fine-tuned": fine_tuned}.items():
    found[name] = np.array([[way(*few(many, seed), seed) for seed in range(5)] for many in counts])
    print(f"{name:12}", "   ".join(f"{n} of each: {a.mean():.2f} ± {a.std():.2f}" for n, a in zip(counts, found[name])))

figure = Figure(figsize=(7, 3.4), layout="constrained")
axes = figure.subplots()
for (name, a), style in zip(found.items(), ("s--", "^:", "o-")):
    axes.errorbar(range(len(counts)), a.mean(axis=1), a.std(axis=1), fmt=style, capsize=4, label=name)
axes.axhline(0.2, color="0.5", linewidth=1)
axes.text(0.02, 0.205, "guessing", color="0.3", fontsize="small", transform=axes.get_yaxis_transform())
axes.set(xticks=range(len(counts)), xticklabels=counts, xlabel="training pictures of each digit", ylabel="right on the test", ylim=(0.15, 1))
axes.legend(loc="lower right")
words = "; ".join(f"{name} " + ", ".join(f"{m:.2f}" for m in a.mean(axis=1)) for name, a in found.items())
show_figure(figure, alt=f"Test accuracy with 1, 3 and 10 training pictures of each digit. {words}.",
            caption="Mean and standard deviation over five seeds. Each seed also draws its own pictures.")

# %% [markdown]
r"""
<details><summary>Compare with your prediction</summary>

From scratch and fine-tuned took the same 60 steps; the last layer alone took 200 steps, which are much cheaper. With one and with three pictures of each digit, fine-tuning is ahead: 0.56 against 0.44, and 0.70 against 0.59. With ten pictures, 0.84 and 0.82 don't differ by more than chance makes. Borrowed weights are worth most where there is least data. (Is the training merely too short? Multiply the 60 and the 200 by three and see for yourself.)

The frozen features are the disappointment: with few pictures they are about as good as from scratch, and with ten they are far behind, 0.67. What tells 0 to 4 apart is not all that is needed to tell 5 to 9 apart. Networks from the internet have seen a million pictures of a thousand classes, so their features usually carry further than those of five digits. But measure it: that they fit your task is a hope, not a law.

</details>

**What goes wrong in practice.**

- *Too large a learning rate.* A few long steps, and what was learnt before is gone.
- *Frozen, but in training mode.* The running statistics of batch normalisation (part c) are no parameters, so no optimiser moves them, but every forward in training mode does. A frozen part must be in usage mode, as above. The dropout of the next section is a similar case: it must be off in a frozen part.
- *Another kind of input.* The network expects its pictures as it had them: the same size, the same range of brightness.
"""

# %% [markdown]
r"""
## Overfitting, and dropout

A network with many parameters can learn its training data by heart. How would you notice? Give it something that *cannot* be understood, only memorised: wrong labels. We take 300 digits and make each label wrong with probability one fifth. The network has two hidden layers of 128 neurons.

**Predict first.** How many of the wrong labels does the network know in the end? And what becomes of its accuracy on the test set, whose labels are all right: does it rise to the end?
"""

# %% tags=["explore"]
import numpy as np
from matplotlib.figure import Figure
from pnnlib import init, optim
from pnnlib.data import digits
from pnnlib.explore.figure import show_figure
from pnnlib.layers import Dropout, Linear, ReLU, Sequential, initialise
from pnnlib.train import accuracy, fit

data = digits(np.float32)
flat, flat_test = data.x_train.reshape(-1, 64), data.x_test.reshape(-1, 64)

def memoriser(seed, dropout):
    """Two hidden layers; `dropout(rng)` makes the layer that follows each of them."""
    rng = np.random.default_rng(seed)
    layers = [Linear(64, 128), ReLU(), dropout(rng), Linear(128, 128), ReLU(), dropout(rng), Linear(128, 10)]
    return initialise(Sequential(*layers), init.kaiming_normal, seed).astype(np.float32)

def overfit(seed, dropout, wrong_share, epochs=40):
    """The network, its history, and after each epoch the share of the wrong labels that it knows by heart."""
    rng = np.random.default_rng(seed)
    some = rng.permutation(len(flat))[:300]
    labels = data.y_train[some].copy()
    wrong = rng.random(300) < wrong_share
    labels[wrong] = (labels[wrong] + rng.integers(1, 10, wrong.sum())) % 10
    model, known = memoriser(seed, dropout), []

    def ask(model, history):  # after each epoch
        known.append(accuracy(model, flat[some][wrong], labels[wrong]) if wrong.any() else np.nan)

    history = fit(model, flat[some], labels, optim.Adam(model.parameters(), lr=0.002), epochs=epochs, batch_size=30,
                  validation=(flat_test, data.y_test),  # looked at only, to draw the curve
                  callbacks=ask, progress=False, rng=seed)
    return model, history, known

without = [overfit(seed, lambda rng: Dropout(0), 0.2) for seed in range(5)]
figure = Figure(figsize=(7, 3.2), layout="constrained")
axes, words = figure.subplots(), []
for name, style in (("accuracy", "o-"), ("validation_accuracy", "s--")):
    curves = np.array([getattr(history, name) for _, history, _ in without])
    title = "training set, a fifth of its labels wrong" if name == "accuracy" else "test set"
    axes.errorbar(range(1, 41), curves.mean(axis=0), curves.std(axis=0), fmt=style, markersize=3, linewidth=1, label=title)
    best = curves.mean(axis=0).argmax()
    words.append(f"{title}: {curves[:, -1].mean():.2f} at the end, at best {curves.mean(axis=0).max():.2f} in epoch {best + 1}")
axes.set(xlabel="epoch", ylabel="share that is right", ylim=(0, 1.02))
axes.legend(loc="lower right")
print(f"{sum(p.data.size for p in without[0][0].parameters()):,} parameters")
print("\n".join(words))
print(f"wrong labels that are known by heart: {np.mean([known[-1] for *_, known in without]):.0%}")
show_figure(figure, alt="Accuracy over forty epochs. " + "; ".join(words) + ".", caption="Mean and standard deviation over five seeds.")

# %% [markdown]
r"""
The network has 26,122 parameters for 300 pictures. In the end it knows 95 % of the wrong labels by heart. On the test set it was best in epoch 10, with 0.87, and then fell to 0.82, while it got better and better on the training set, up to 0.99. That is **overfitting**.

So one could simply **stop early**. But when? Don't choose the epoch by the test set, or it is no test any more. Put a part of the training set aside as a validation set. Then `fit(…, validation=(x_val, y_val), patience=5)` stops as soon as the validation loss has not fallen for five epochs, and puts back the weights of the best one.

Stopping early is a kind of **regularisation**: any change of the learning algorithm that is meant to improve generalisation, that is, how well the network does on data that it has not seen. One of the most effective is **dropout**.

- In **training**, in each iteration, a random share $p$ of the neurons is chosen and their activity is set to 0.
- In **use**, all neurons behave normally.
"""

# %% tags=["explore"]
import numpy as np
from matplotlib.figure import Figure
from pnnlib.explore.figure import show_figure

sizes, rng = (3, 5, 5, 2), np.random.default_rng(1)
figure = Figure(figsize=(10, 2.6), layout="constrained")
titles = ["training, one batch", "training, the next batch", "training, another one", "use"]
for axes, title in zip(figure.subplots(1, 4), titles):
    places = [np.stack([np.full(n, float(layer)), np.arange(n) - (n - 1) / 2], axis=1) for layer, n in enumerate(sizes)]
    hidden = [np.zeros(5) if title == "use" else rng.permutation([0, 0, 0, 1, 1]) for _ in range(2)]
    dropped = [np.zeros(3), *hidden, np.zeros(2)]
    for layer in range(3):
        for i, a in enumerate(places[layer]):
            for j, b in enumerate(places[layer + 1]):
                if not dropped[layer][i] and not dropped[layer + 1][j]:
                    axes.plot(*zip(a, b), color="0.7", linewidth=0.8, zorder=0)
    for spots, gone in zip(places, dropped):
        axes.plot(*spots[gone == 0].T, "o", color="C0", markersize=9)
        axes.plot(*spots[gone == 1].T, "x", color="C3", markersize=9)
    axes.set(title=title, xticks=[], yticks=[], xlim=(-0.4, 3.4), ylim=(-2.6, 2.6))
show_figure(figure, alt="A small network four times. In the first three, in training, two of five neurons in each hidden layer are crossed out, "
            "each time others, and have no connections. In the fourth, in use, all neurons are connected.",
            caption="Circles: neurons that take part. Crosses: neurons that are dropped. Every batch trains another sub-network.")

# %% [markdown]
r"""
**Guess first.** Ten hidden neurons can be dropped or kept, each by itself. How many different sub-networks are there?

$2^{10} = 1024$, and they all share their weights. Each must classify every sample correctly *without* the neurons that happen to be missing. So the recognition of an individual sample cannot rely on individual neurons.

### The scale

**Guess first.** A neuron of the next layer adds up 100 inputs. In training half of them are 0, in use none is. What does it notice?

If nothing is done, its net input is about twice as large in use as what its weights were trained for. Something must be scaled. **Inverted dropout** does it in training: what is kept is divided by the share that is kept.

$$y = \frac{z\cdot x}{1-p} \text{ in training}, \qquad y = x \text{ in use}, \qquad z_i = 0 \text{ with probability } p, \text{ else } 1, \text{ each by itself}$$

Then the mean of $y$ over all masks is $(1-p)\cdot\frac{x}{1-p} + p\cdot 0 = x$, exactly what comes in use.

**By hand.** $x = (2, -1, 4, 3)$, $p = 0.25$, and the mask $z = (1, 1, 0, 1)$: $y = (2, -1, 0, 3)/0.75 = (2.667, -1.333, 0, 4)$.

> **Convention card: dropout**
>
> | | |
> |---|---|
> | **The lecture says** | In training, set a random fraction of the activities to 0; in use, all neurons behave normally. Scaling isn't mentioned. |
> | **The first papers** | No scaling in training; in use, everything is multiplied by $1-p$. Some of them write $p$ for the share that is *kept*. |
> | **PyTorch does** | Inverted dropout: divided by $1-p$ in training, nothing in use. $p$ is the share that is dropped. |
> | **Ours, and the checks** | PyTorch's, with the mask as zeros and ones, not scaled. |

### Exercise 5 · dropout

about 10 minutes · difficulty 2 of 5 · importance 5 of 5 · 2.5 points

Return both $y$ and the mask: the backward will need it. When `training` is False, $y$ is $x$, and the mask is all ones. `rng.random(shape)` draws numbers from 0 to 1, uniformly. As the mask is random, the check looks at shares and factors, and at whether every value has its own chance.
"""

# %% nbgrader={"grade_id": "dropout", "solution": true}
def dropout(x, p, rng, training):
    """Drop a random share of the values in training; in use, change nothing.

    Arguments: x, an array of any shape; p, the share that is dropped, 0 ≤ p < 1;
    rng, a numpy.random.Generator; training, True or False.
    Result: two arrays like x: y, and the mask, 1 where a value is kept and 0 where it is dropped.

    Example:
    >>> y, mask = dropout(np.array([1., 2., 3.]), 0.5, np.random.default_rng(0), training=False)
    >>> y, mask
    (array([1., 2., 3.]), array([1., 1., 1.]))
    """
    ### BEGIN SOLUTION
    if not training:
        return x.copy(), np.ones(x.shape)
    stays = rng.random(x.shape) >= p
    return np.where(stays, x / (1 - p), 0.0), stays.astype(float)
    ### END SOLUTION

# %% nbgrader={"grade_id": "check-dropout", "grade": true}
check(dropout)

# %% [markdown]
r"""
**What the division does.** One neuron with 1000 inputs, $p = 0.5$. Its net input in training, over 2000 masks of *your* `dropout`, and in use:
"""

# %% tags=["explore"]
import numpy as np

rng = np.random.default_rng(0)
x, w = rng.random(1000), rng.normal(0.05, 0.05, 1000)
nets, unscaled = [], []
for _ in range(2000):
    y, mask = dropout(x, 0.5, rng, training=True)
    nets.append(w @ y)
    unscaled.append(w @ (x * mask))
print(f"in use: net = {w @ dropout(x, 0.5, rng, training=False)[0]:.2f}")
print(f"in training: {np.mean(nets):.2f} ± {np.std(nets):.2f}; without the division it would be {np.mean(unscaled):.2f} ± {np.std(unscaled):.2f}")

# %% [markdown]
r"""
On average, the neuron receives in training what it will receive in use. The ± is the noise that dropout makes, and that the network has to live with.

### Backwards

Where the mask is 0, $x$ had no influence. Elsewhere $y = x/(1-p)$. So by the chain rule

$$dx = \frac{z\cdot dy}{1-p}.$$

**By hand, continued.** $dy = (3, 0, 6, -3)$, so $dx = (3, 0, 0, -3)/0.75 = (4, 0, 0, -4)$.

### Exercise 6 · dropout_backward

about 3 minutes · difficulty 1 of 5 · importance 3 of 5 · 1 point

`mask` is the one that `dropout` has returned.
"""

# %% nbgrader={"grade_id": "dropout_backward", "solution": true}
def dropout_backward(dy, mask, p):
    """Return the gradient of the cost for the input of dropout, in training.

    Arguments: dy, the gradient for the output; mask, as dropout returned it, an
    array like dy; p, the share that is dropped.
    Result: an array like dy.

    Example: the one by hand.
    >>> dropout_backward(np.array([3., 0., 6., -3.]), np.array([1., 1., 0., 1.]), 0.25)
    array([ 4.,  0.,  0., -4.])
    """
    ### BEGIN SOLUTION
    return np.where(mask == 1, dy / (1 - p), 0.0)
    ### END SOLUTION

# %% nbgrader={"grade_id": "check-dropout_backward", "grade": true}
check(dropout_backward)

# %% [markdown]
r"""
**The same numbers in PyTorch.** It draws its own mask. We read the mask off its answer, and compare the rest.
"""

# %% tags=["explore"]
import numpy as np
import torch

x = torch.tensor(np.random.default_rng(0).normal(size=(4, 6)), requires_grad=True)
dy = np.random.default_rng(1).normal(size=(4, 6))
theirs = torch.nn.functional.dropout(x, 0.25, training=True)
theirs.backward(torch.tensor(dy))
mask = (theirs.detach().numpy() != 0).astype(float)
print("kept:", int(mask.sum()), "of", mask.size)
print("forward, largest difference: ", abs(x.detach().numpy() * mask / 0.75 - theirs.detach().numpy()).max())
print("backward, largest difference:", abs(dropout_backward(dy, mask, 0.25) - x.grad.numpy()).max())

# %% [markdown]
r"""
### Experiment: what does dropout prevent?

Your two functions become a layer, and the layer goes into the network that learnt wrong labels by heart. Everything else stays as it was, only that it may now train longer: 80 epochs.

**Predict first.** With $p = 0.5$: how many of the wrong labels does it know after 40 epochs? After 80? What is the accuracy on the test set? And if all labels are *right*, does dropout help then, too?
"""

# %% tags=["explore"]
# Needs `overfit` and `without`: run the first cell under "Overfitting, and dropout" before this one.
import numpy as np
from matplotlib.figure import Figure
from pnnlib.data import digits
from pnnlib.explore.figure import show_figure
from pnnlib.layers import Dropout, Module

class YourDropout(Module):
    def __init__(self, p, rng):
        self.p, self.rng = p, rng

    def forward(self, x):
        y, self.mask = dropout(x, self.p, self.rng, self.training)
        return np.asarray(y, x.dtype)

    def backward(self, dy):
        return np.asarray(dropout_backward(dy, self.mask, self.p), dy.dtype)

def none(rng):
    return Dropout(0)

def half(rng):
    return YourDropout(0.5, rng)

def report(name, runs, epoch):
    tests = [history.validation_accuracy[epoch - 1] for _, history, _ in runs]
    known = np.mean([known[epoch - 1] for *_, known in runs])
    by_heart = "" if np.isnan(known) else f", wrong labels known by heart {known:.0%}"
    print(f"{name:25} epoch {epoch}: test {np.mean(tests):.3f} ± {np.std(tests):.3f}{by_heart}")

with_dropout = [overfit(seed, half, 0.2, epochs=80) for seed in range(5)]
print("a fifth of the labels wrong, five seeds")
report("without", without, 40)
for epoch in (40, 80):
    report("p = 0.5", with_dropout, epoch)
print("all labels right, three seeds")
report("without", [overfit(seed, none, 0) for seed in range(3)], 40)
all_right = [overfit(seed, half, 0, epochs=80) for seed in range(3)]
for epoch in (40, 80):
    report("p = 0.5", all_right, epoch)

def of_sub_networks(model):
    """Test accuracy when half of the hidden neurons are dropped, for each sample others."""
    data = digits(np.float32)
    for layer in model:
        if isinstance(layer, (Dropout, YourDropout)):
            layer.p = 0.5
    right = model.train()(data.x_test.reshape(-1, 64)).argmax(axis=1) == data.y_test
    model.eval()
    return right.mean()

for name, runs in (("without", without), ("with", with_dropout)):
    right = [of_sub_networks(model) for model, _, _ in runs]
    print(f"trained {name} dropout: random sub-networks of half of the neurons, test {np.mean(right):.3f} ± {np.std(right):.3f}")

figure, words = Figure(figsize=(9, 3.2), layout="constrained"), []
left, right = figure.subplots(1, 2)
for name, runs, style in (("without", without, "o-"), ("p = 0.5", with_dropout, "s--")):
    for axes, curves in ((left, np.array([known for *_, known in runs])), (right, np.array([h.validation_accuracy for _, h, _ in runs]))):
        axes.errorbar(range(1, curves.shape[1] + 1), curves.mean(axis=0), curves.std(axis=0), fmt=style, markersize=3, linewidth=1,
                      elinewidth=0.5, label=name)
        words.append(f"{name} {curves.mean(axis=0)[-1]:.2f} in epoch {curves.shape[1]}")
left.set(xlabel="epoch", ylabel="share of the wrong labels known", ylim=(0, 1.02))
right.set(xlabel="epoch", ylabel="right on the test set", ylim=(0.4, 1.02))
left.legend(loc="lower right")
right.legend(loc="lower right")
show_figure(figure, alt="Two curves over the epochs in each of two figures. Wrong labels known by heart, left: " + words[0] + ", " + words[2] + ". "
            "Right on the test set, right: " + words[1] + ", " + words[3] + ". With dropout, the wrong labels are learnt much more slowly.",
            caption="A fifth of the training labels is wrong. Mean and standard deviation over five seeds.")

# %% [markdown]
r"""
<details><summary>Compare with your prediction</summary>

After 40 epochs, the network with dropout knows 15 % of the wrong labels instead of 95 %, and on the test set it is right on 0.873 instead of 0.822. But dropout slows learning by heart down, it doesn't forbid it: after 80 epochs it knows 49 %, and the share grows on, while on the test set nothing more is won (0.865). Stopping early makes sense with dropout, too.

If all labels are right, there is less to prevent, and dropout doesn't help here: 0.921 against 0.930 after 40 epochs, and 0.928 after 80. It makes learning slower, so give it more epochs before you judge it.

The last two lines show how it works. Take half of the hidden neurons away, by chance. The network that was trained without dropout is then right on 0.439 of the test pictures, the other one on 0.771, because it could never rely on any single neuron.

</details>

**What goes wrong in practice.**

- *Dropout in use.* Whoever forgets `model.eval()` gets another answer each time.
- *The other $p$.* In some papers and older programs it is the share that is kept. With $p = 0.5$ nobody notices.
- *Too much of it.* With a large $p$ and a small network, too little is left to learn with.

### Question 2

about 6 minutes · difficulty 2 of 5 · importance 4 of 5 · 1 point

Now you. A layer gives $x = (2, -4, 1, 6)$, dropout has $p = 0.2$, and the mask is $(1, 0, 1, 1)$. The next neuron has the weights $w = (0.4, 1, -2, 0.5)$. What is its net input in training? And in use? Then, in training, the gradient of the cost for that net input is 2: what is the gradient for the first and for the third of the $x$?
"""

# %% nbgrader={"grade_id": "question-2", "solution": true}
# Four numbers: net in training, net in use, gradient for the first x, for the third x,
# for instance: answer_2 = [0.5, -1, 12, 0.25]
### BEGIN SOLUTION
answer_2 = [2.25, -2.2, 1.0, -5.0]
### END SOLUTION

# %% nbgrader={"grade_id": "check-question-2", "grade": true}
check_question(2, numbers=4)

# %% [markdown]
r"""
## Shortcuts

Suppose that you took all precautions against overfitting, and the accuracy on the test set is excellent. Has the network learnt what the objects look like?

Two cameras take pictures of digits. Camera A takes the odd ones, camera B the even ones. The network is to tell odd from even. It so happens that camera A has a **dead pixel** that is always 1 (black, as we draw it), in the upper right corner, where most digits have nothing. Or that the pictures of camera A are taken in **dim light**: all their numbers are halved. The test pictures come from the same two cameras.

**Predict first.** How good are the networks on this test set: better or worse than with two good cameras? And if the cameras change places, so that B's pictures have the dead pixel, or the dim light?
"""

# %% tags=["explore"]
import numpy as np
from pnnlib import optim
from pnnlib.data import digits
from pnnlib.layers import Conv2d, Flatten, Linear, MaxPool2d, ReLU, Sequential
from pnnlib.train import accuracy, fit

data = digits(np.float32)
odd_train, odd_test = data.y_train % 2, data.y_test % 2

def small_cnn(seed):
    rng = np.random.default_rng(seed)
    return Sequential(Conv2d(1, 8, 3, padding=1, rng=rng), ReLU(), MaxPool2d(2), Flatten(), Linear(128, 32, rng=rng), ReLU(),
                      Linear(32, 2, rng=rng)).astype(np.float32)

def with_pixel(x, from_a):
    x = x.copy()
    x[from_a, 0, 0, 7] = 1
    return x

def dimmed(x, from_a):
    return x * np.where(from_a, np.float32(0.5), np.float32(1))[:, None, None, None]

cameras = {"two good cameras": lambda x, from_a: x, "dead pixel": with_pixel, "dim light": dimmed}
suspects = {}
for name, take in cameras.items():
    suspects[name] = [small_cnn(seed) for seed in range(5)]
    found = []
    for seed, model in enumerate(suspects[name]):
        fit(model, take(data.x_train, odd_train == 1), odd_train, optim.Adam(model.parameters(), lr=0.003), epochs=4,
            progress=False, rng=seed)
        found.append([accuracy(model, take(data.x_test, odd_test == from_a), odd_test) for from_a in (1, 0)])
    (same, exchanged), (s1, s2) = np.mean(found, axis=0), np.std(found, axis=0)
    print(f"{name:17} same cameras {same:.2f} ± {s1:.2f}   cameras exchanged {exchanged:.2f} ± {s2:.2f}")

# %% [markdown]
r"""
<details><summary>Compare with your prediction</summary>

On the test set from the same cameras, the networks with a shortcut are *better* than those with two good cameras: 1.00 instead of 0.91. Exchange the cameras, and with the dead pixel 0.23 are right, with the dim light 0.01. That is far below the 0.5 of guessing: these networks go by the camera.

</details>

And if camera A is repaired? The **gap** tells how much a network needs a shortcut:

$$\text{gap} = \text{accuracy on the pictures as they are} - \text{accuracy on the same pictures with the shortcut broken}$$

**By hand.** Five pictures with the labels 0, 1, 1, 0, 1. The network says 0, 1, 1, 0, 0 for the pictures as they are, and 0, 0, 1, 0, 0 when the pixel is repaired: the gap is $\tfrac45 - \tfrac35 = 0.2$.

### Exercise 7 · shortcut_gap

about 5 minutes · difficulty 1 of 5 · importance 4 of 5 · 1.5 points

`predict(x)` returns the predicted labels of many pictures, `break_shortcut(x)` returns pictures in which the shortcut is broken. Both are functions that you call.
"""

# %% nbgrader={"grade_id": "shortcut_gap", "solution": true}
def shortcut_gap(predict, x, y, break_shortcut):
    """Return how much accuracy is lost when the shortcut is broken.

    Arguments: predict, a function x -> labels (N,); x (N, ...), the pictures;
    y (N,), their labels; break_shortcut, a function x -> x.
    Result: a number, negative if the network is better without the shortcut.

    Example: this "network" looks at the first number only, which is then cleared.
    >>> x, y = np.array([[1., 5.], [0., 5.]]), np.array([1, 0])
    >>> float(shortcut_gap(lambda x: (x[:, 0] > 0.5).astype(int), x, y, lambda x: x * [0, 1]))
    0.5
    """
    ### BEGIN SOLUTION
    with_it = np.mean(predict(x) == y)
    without_it = np.mean(predict(break_shortcut(x)) == y)
    return with_it - without_it
    ### END SOLUTION

# %% nbgrader={"grade_id": "check-shortcut_gap", "grade": true}
check(shortcut_gap)

# %% [markdown]
r"""
To break the shortcut, the dead pixel is set to what it should be, 0, and the pictures are all made equally bright.

**Predict first.** How large are the three gaps?
"""

# %% tags=["explore"]
# Needs `cameras` and `suspects`: run the cell with the two cameras before this one.
from functools import partial

import numpy as np
from pnnlib.data import digits
from pnnlib.train import predict

def repaired(x):
    x = x.copy()
    x[:, 0, 0, 7] = 0
    return x

def equally_bright(x):
    return x / x.max(axis=(1, 2, 3), keepdims=True)

data = digits(np.float32)
for name, break_shortcut in (("two good cameras", repaired), ("dead pixel", repaired), ("two good cameras", equally_bright), ("dim light", equally_bright)):
    x = cameras[name](data.x_test, odd_test == 1)
    gaps = [shortcut_gap(partial(predict, model), x, odd_test, break_shortcut) for model in suspects[name]]
    even = [np.mean(predict(model, break_shortcut(x)) == 0) for model in suspects[name]]
    print(f"{name:17} {break_shortcut.__name__:15} gap {np.mean(gaps):.2f} ± {np.std(gaps):.2f}, says even {np.mean(even):.2f}")

# %% [markdown]
r"""
<details><summary>Compare with your prediction</summary>

The dead pixel: 0.41 of the accuracy is gone with it. The dim light: 0.49, so that no more than guessing is left. The last column tells why. Without the dead pixel, all pictures seem to come from camera B, and 0.91 of the answers are *even*; with equal brightness, 0.99 are. Whatever such a network has learnt about what digits look like, it hardly uses it. It had no reason to. (Nor does it come with time: train for 30 epochs instead of 4, and the gaps are no smaller.) The networks with two good cameras lose nothing, neither way: to break what isn't used is harmless.

</details>

A smudge on the lens or the context does the same, as long as it goes with the class in *all* pictures that you have. No test set of the same origin will tell you. Is the gap as large in another task? Try 0 to 4 against 5 to 9: in the cell with the two cameras, replace both `% 2` by `// 5`, and run it and the last cell again.

### Find out what the network uses

You were told where to look. What if you don't know? Two instruments, for a network that is suspected:

- **The gradient for the input.** $\partial J/\partial x$ tells for every pixel how much the cost changes with it. (You will need it again soon, for another purpose.)
- **Exchange.** Take one pixel and shuffle it among the test pictures. If the accuracy falls, the network uses that pixel.

**Predict first.** Each instrument gives a map of 8 × 8. Which pixels stand out in it, for the networks with the dead pixel, and for those with good cameras? And for the dim light?
"""

# %% tags=["explore"]
# Needs `cameras` and `suspects`: run the cell with the two cameras before this one.
import numpy as np
from matplotlib.figure import Figure
from pnnlib.adversarial import input_gradient
from pnnlib.data import digits
from pnnlib.explore.figure import show_figure
from pnnlib.train import accuracy

data = digits(np.float32)

def exchange(model, x, y, rng):
    """How much accuracy is lost when one pixel is shuffled among the pictures, for each pixel."""
    lost = np.empty((8, 8))
    for i, j in np.ndindex(8, 8):
        shuffled = x.copy()
        shuffled[:, 0, i, j] = rng.permutation(x[:, 0, i, j])
        lost[i, j] = accuracy(model, x, y) - accuracy(model, shuffled, y)
    return lost

figure, words = Figure(figsize=(8, 4.6), layout="constrained"), []
for column, (name, trained_models) in zip(figure.subplots(2, 3).T, suspects.items()):
    x = cameras[name](data.x_test, odd_test == 1)[:150]
    gradients = np.mean([abs(input_gradient(model, x, odd_test[:150])).mean(axis=(0, 1)) for model in trained_models], axis=0)
    lost = np.mean([exchange(model, x, odd_test[:150], np.random.default_rng(0)) for model in trained_models[:2]], axis=0)
    titles = f"gradient, up to {gradients.max() / gradients.mean():.1f} times the mean", f"lost by exchange, up to {lost.max():.2f}"
    for axes, picture, title in zip(column, (gradients, lost), titles):
        axes.imshow(picture, cmap="gray_r", vmin=0, vmax=picture.max() + 1e-9)
        axes.set(title=f"{name}:\n{title}", xticks=[], yticks=[])
        axes.title.set_fontsize("small")
    places = [tuple(map(int, np.unravel_index(p.argmax(), (8, 8)))) for p in (gradients, lost)]
    words.append(f"{name}: largest gradient at row {places[0][0]}, column {places[0][1]}, {gradients.max() / gradients.mean():.1f} times the mean; "
                 + (f"exchange costs most, {lost.max():.2f}, at row {places[1][0]}, column {places[1][1]}" if lost.max() >= 0.005
                    else f"exchange costs {lost.max():.2f} at most"))
print("\n".join(words))
show_figure(figure, alt="Two maps of 8 by 8 pixels for each of three networks. " + "; ".join(words) + ". Counted from 0.",
            caption="Dark: this pixel matters. Each map has its own scale, black is the number above it. Upper row: mean of five networks, lower row: of two.")

# %% [markdown]
r"""
With two good cameras, several pixels share the work: none of them costs more than 0.06. With the dead pixel, the gradient in the corner is 9 times the mean, and to exchange this one pixel costs 0.39.

And the dim light? To exchange any single pixel costs 0.00, and the gradient shows nothing unusual. Yet the gap of 0.49 is there. The shortcut isn't in one pixel, it is in all of them together: the brightness. An instrument finds what it asks for. So ask for properties, too, and not only for places. Your `shortcut_gap`, with `equally_bright`, found it.

### Question 3

about 4 minutes · difficulty 2 of 5 · importance 5 of 5 · 1 point

A network tells two kinds of screws apart, with an accuracy of 0.99 on its test set. You suspect that it uses a dead pixel of the camera that took all the pictures of one kind. What tells you whether it does?

- **a)** A larger test set from the same cameras.
- **b)** To train it again with dropout, and see whether the accuracy on the test set stays.
- **c)** To test it on pictures in which the pixel no longer goes with the class: repaired, or in both classes alike.
- **d)** To add a little random noise to the test pictures, and see whether the accuracy stays.
"""

# %% nbgrader={"grade_id": "question-3", "solution": true}
# Assign one letter, in quotes,
# for instance: answer_3 = "a"
### BEGIN SOLUTION
answer_3 = "c"
### END SOLUTION

# %% nbgrader={"grade_id": "check-question-3", "grade": true}
check_question(3)

# %% [markdown]
r"""
## Failure to generalise: rotation

Even without such a shortcut, a network that is excellent on its test set may fail on what looks harmless to us. We turn the test pictures, degree by degree. The five networks are those from above; three others were trained with random rotations up to 45°.

**Predict first.** From which angle on are half of the answers wrong? Does the curve come back at 180°, and if so, why?
"""

# %% tags=["explore"]
# Needs `trained` and `models`: run the cell that trains five networks, above Exercise 2, before this one.
import numpy as np
from matplotlib.figure import Figure
from pnnlib.augment import random_rotation, rotate
from pnnlib.data import digits
from pnnlib.explore.figure import show_figure
from pnnlib.train import accuracy, predict

data = digits(np.float32)
angles = np.arange(-180, 181, 30)
turned = [rotate(data.x_test, angle) for angle in angles]
turning = [trained(seed, random_rotation(45)) for seed in range(3)]
figure = Figure(figsize=(8, 3.4), layout="constrained")
axes, words = figure.subplots(), []
for name, some, style in (("trained on upright digits", models, "o-"), ("trained with rotations up to 45°", turning, "s--")):
    right = np.array([[accuracy(model, x, data.y_test) for x in turned] for model in some])
    axes.errorbar(angles, right.mean(axis=0), right.std(axis=0), fmt=style, markersize=4, capsize=3, label=name)
    words.append(f"{name}: " + ", ".join(f"{m:.2f} at {a}°" for a, m in zip(angles, right.mean(axis=0)) if a in (0, 30, 60, 90, 180)))
axes.axhline(0.1, color="0.5", linewidth=1)
axes.set(xlabel="turned by (degrees, counter-clockwise)", ylabel="right on the test set", xticks=range(-180, 181, 60), ylim=(0, 1))
axes.legend()
print("\n".join(words))
ten = data.x_test[:10]  # one of each digit
said = np.array([predict(models[0], rotate(ten, angle)) for angle in range(0, 181, 30)]).T
print("the first network's answers at 0°, 30°, 60°, 90°, 120°, 150°, 180°:")
for digit, answers in zip(data.y_test, said):
    print(f"  digit {digit}: ", *answers)
show_figure(figure, alt="Test accuracy over the angle by which the pictures are turned. " + "; ".join(words) + ".",
            caption="Mean and standard deviation, of five and of three networks. The line at 0.1: guessing.")

# %% [markdown]
r"""
<details><summary>Compare with your prediction</summary>

At 30° the networks are right on 0.57, at 90° they guess. At half a turn the curve comes back to 0.42: a 0, a 1 or an 8 looks much the same then. The list shows how arbitrary the answers get: one and the same digit is called this and that as it turns. Training with rotations up to 45° helps a lot at 30°, 0.90, and costs something at 0°, 0.92 instead of 0.97 after the same three epochs (there is more to learn, so a longer training makes up for part of it). At 90° it helps little, 0.24. The network has learnt what it was shown, and not what a rotation is.

</details>
"""

# %% [markdown]
r"""
## Adversarial examples: changes that nobody sees

Rotations happen by chance. The next failure is made on purpose. In training, one follows the gradient of the cost for the *weights*, downhill. Backpropagate one layer further, and you have its gradient for the *pixels*, $dx = \partial J/\partial x$. Follow that one *uphill*, and you have a picture that the network gets wrong: an **adversarial example**.

**Guess first.** Every pixel may change by at most $\varepsilon$. Which change raises the cost most, as far as the gradient can tell?

The cost changes by $\sum_i dx_i\,\Delta_i$. Each term is largest if $\Delta_i = \varepsilon$ where $dx_i$ is positive and $-\varepsilon$ where it is negative. This is the **fast gradient sign method**:

$$y = x + \varepsilon\,\text{sign}(dx), \quad \text{kept in } [0, 1].$$

By the gradient, the cost rises by $\varepsilon\sum_i |dx_i|$: every pixel adds its little, and there are many. In a photograph with 150,000 numbers, an $\varepsilon$ that nobody sees is usually enough. Our digits have 64 pixels, so we shall need a larger one.

**By hand.** $x = (0.5, 0.5, 0.5, 0.95)$, $dx = (0.001, -7, 0, 2)$ and $\varepsilon = 0.1$: $y = (0.6, 0.4, 0.5, 1)$. The size of the gradient does not matter, its sign does. And the last pixel cannot go above 1.

### Exercise 8 · fgsm

about 4 minutes · difficulty 1 of 5 · importance 4 of 5 · 1.5 points

`np.sign` is 1, 0 or −1, `np.clip` keeps numbers within limits.
"""

# %% nbgrader={"grade_id": "fgsm", "solution": true}
def fgsm(x, dx, epsilon):
    """Change every pixel by epsilon in the direction in which the cost rises.

    Arguments: x, pixels from 0 to 1, an array of any shape; dx, the gradient of
    the cost for x, an array like x; epsilon, a number, 0 or more.
    Result: an array like x, from 0 to 1.

    Example: the one by hand.
    >>> fgsm(np.array([0.5, 0.5, 0.5, 0.95]), np.array([0.001, -7., 0., 2.]), 0.1)
    array([0.6, 0.4, 0.5, 1. ])
    """
    ### BEGIN SOLUTION
    changed = x + epsilon * np.sign(dx)
    return changed.clip(0.0, 1.0)
    ### END SOLUTION

# %% nbgrader={"grade_id": "check-fgsm", "grade": true}
check(fgsm)

# %% [markdown]
r"""
### In small steps

The gradient is right only nearby: after a large step it may point elsewhere. So take many small ones, of $\varepsilon/\text{steps}$ each, and ask for the gradient anew at every new picture:

$$y \leftarrow y + \tfrac{\varepsilon}{\text{steps}}\,\text{sign}\big(\partial J/\partial y\big), \quad \text{kept in } [0, 1] \text{ after each step}.$$

That many steps of this length cannot lead further than $\varepsilon$ away from $x$.

**By hand.** One pixel, $x = 0.5$, $\varepsilon = 0.2$. Let the gradient at $y$ be $0.55 - y$. One step of 0.2: the gradient is positive, $y = 0.7$. Two steps of 0.1: first $y = 0.6$. There the gradient is $-0.05$, so back to $y = 0.5$.

### Exercise 9 · attack

about 10 minutes · difficulty 2 of 5 · importance 4 of 5 · 2.5 points

`gradient(x, label)` is a function: it returns the gradient of the cost for a picture `x` whose right label is `label`. Begin at `x`.
"""

# %% nbgrader={"grade_id": "attack", "solution": true}
def attack(gradient, x, label, epsilon, steps):
    """Go uphill in small steps.

    Arguments: gradient, a function (x, label) -> an array like x; x, pixels from
    0 to 1, of any shape; label, what gradient wants; epsilon, how far all steps
    together may lead in each pixel; steps, their number.
    Result: an array like x, from 0 to 1.

    Example: the one by hand.
    >>> attack(lambda x, label: 0.55 - x, np.array([0.5]), 0, 0.2, 2)
    array([0.5])
    """
    ### BEGIN SOLUTION
    now = x.copy()
    for _ in range(steps):
        now = np.clip(now + epsilon / steps * np.sign(gradient(now, label)), 0, 1)
    return now
    ### END SOLUTION

# %% nbgrader={"grade_id": "check-attack", "grade": true}
check(attack)

# %% [markdown]
r"""
**The same numbers in PyTorch.** There, the gradient for the input is `x.grad`, if `x.requires_grad` is set.
"""

# %% tags=["explore"]
from functools import partial

import numpy as np
import torch
from pnnlib.adversarial import input_gradient
from pnnlib.bridge import to_torch
from pnnlib.data import digits
from pnnlib.networks import digits_cnn

data = digits()
x, labels = data.x_test[:8], data.y_test[:8]
model = digits_cnn(0).eval()
module = to_torch(model).eval()

def torch_gradient(x, label):
    x = torch.tensor(x, requires_grad=True)
    torch.nn.functional.cross_entropy(module(x), torch.tensor(label)).backward()
    return x.grad

def torch_attack(x, label, epsilon, steps):
    y = torch.tensor(x)
    for _ in range(steps):
        y = (y + epsilon / steps * torch_gradient(y.numpy(), label).sign()).clamp(0, 1)
    return y.numpy()

gradient = partial(input_gradient, model)
print("gradient:", abs(gradient(x, labels) - torch_gradient(x, labels).numpy()).max())
print("fgsm:    ", abs(fgsm(x, gradient(x, labels), 0.1) - torch_attack(x, labels, 0.1, 1)).max())
print("attack:  ", abs(attack(gradient, x, labels, 0.1, 8) - torch_attack(x, labels, 0.1, 8)).max())

# %% [markdown]
r"""
### Experiment: how much is needed?

A network that fails after a change of $\varepsilon$ might fail after *any* such change. So there is a control: every pixel goes up or down by $\varepsilon$ by the toss of a coin. It is the same amount, without the knowledge of the gradient.

**Predict first.** The pictures have 17 grey values, so $\varepsilon = \tfrac1{16}$ is one step of grey. What is left of the accuracy then? (It is 0.96 on the hundred test pictures that we take.) With the random control? And at which $\varepsilon$ is half of the answers wrong, with *your* `fgsm`, and with *your* `attack` in 8 steps?
"""

# %% tags=["explore"]
# Needs `models`: run the cell that trains five networks, above Exercise 2, before this one.
from functools import partial

import numpy as np
from matplotlib.figure import Figure
from pnnlib.adversarial import input_gradient, random_control
from pnnlib.data import digits
from pnnlib.explore.figure import show_figure
from pnnlib.train import accuracy

data = digits(np.float32)
epsilons = np.array([0, 1, 2, 3, 4]) / 16
x, labels = data.x_test[:100], data.y_test[:100]

def attacked(model, how, epsilon):
    if epsilon == 0:
        return x
    gradient = partial(input_gradient, model)
    return {
        "random control": lambda: random_control(x, epsilon, rng=0),
        "your fgsm": lambda: fgsm(x, gradient(x, labels), epsilon),
        "your attack, 8 steps": lambda: attack(gradient, x, labels, epsilon, 8),
    }[how]().astype(np.float32)

figure = Figure(figsize=(7, 3.4), layout="constrained")
axes, words = figure.subplots(), []
for how, style in (("random control", "o-"), ("your fgsm", "s--"), ("your attack, 8 steps", "^:")):
    right = np.array([[accuracy(model, attacked(model, how, e), labels) for e in epsilons] for model in models[:3]])
    axes.errorbar(epsilons, right.mean(axis=0), right.std(axis=0), fmt=style, markersize=5, capsize=3, label=how)
    words.append(f"{how}: " + ", ".join(f"{m:.2f} ± {s:.2f}" for m, s in zip(right.mean(axis=0), right.std(axis=0))))
axes.set(xlabel="ε, the largest change of a pixel", ylabel="right on the test", ylim=(0, 1), xticks=epsilons,
         xticklabels=["0", "1/16", "2/16", "3/16", "4/16"])
axes.legend(loc="lower left")
print("ε = 0, 1/16, 2/16, 3/16, 4/16\n" + "\n".join(words))
show_figure(figure, alt="Test accuracy over ε from 0 to 4/16. " + "; ".join(words) + ".", caption="Mean and standard deviation over three networks, 100 pictures.")

# %% tags=["explore"]
# Needs `attacked`, `x` and `labels`: run the cell above before this one.
import numpy as np
from matplotlib.figure import Figure
from pnnlib.adversarial import random_control
from pnnlib.explore.figure import show_figure
from pnnlib.train import predict

model = models[0]
fooled = attacked(model, "your attack, 8 steps", 2 / 16)
before, after = predict(model, x), predict(model, fooled)
some = np.flatnonzero((before == labels) & (after != labels))[:4]
noisy = random_control(x, 2 / 16, rng=0).astype(np.float32)
figure, words = Figure(figsize=(6.5, 5), layout="constrained"), []
for column, i in zip(figure.subplots(3, len(some), squeeze=False).T, some):
    for axes, pictures, name in zip(column, (x, fooled, noisy), ("as it is", "attacked", "random")):
        said = predict(model, pictures[i:i + 1])[0]
        axes.imshow(pictures[i, 0], cmap="gray_r", vmin=0, vmax=1)
        axes.set(xticks=[], yticks=[])
        axes.set_title(f"{name}: {said}", fontsize="medium")
    words.append(f"a digit {labels[i]} is taken for {after[i]}")
print("when attacked, " + "; ".join(words))
show_figure(figure, alt="Digits in three versions: as they are, attacked with ε = 2/16, and changed as much by chance. When attacked, " + "; ".join(words) + ". "
            "The second and the third row both look like the first one with grey specks.",
            caption="The first four test pictures that the attack with ε = 2/16 turns. The number is the network's answer.")

# %% [markdown]
r"""
<details><summary>Compare with your prediction</summary>

One step of grey takes the accuracy from 0.96 to 0.82 with `fgsm`; the random control has 0.95. With two steps about half is left, 0.57 with `fgsm` and 0.50 with `attack`, and the control has 0.94. With four steps, `attack` leaves nothing at all, and the control still has 0.86. The small steps pay from 2/16 on, where the gradient at the beginning is no longer the gradient on the way.

</details>

These changes are not imperceptible: with 64 pixels, $\varepsilon$ must be large. But you can still read the digits, and a change of the same size by chance does nearly nothing. It is not the size of a change that fools a network, it is its direction.

**What goes wrong in practice.**

- *No control.* Without it, you cannot say whether the network fails because of the attack or because of any change.
- *A weak attack.* "Our network is safe from `fgsm`" says little: try more steps, before someone else does.

## Changed context

One can manipulate a picture without touching the object at all. Every pixel above one half counts as the digit, and stays exactly as it is. Around it, there is now a grey wall instead of nothing.

**Predict first.** The wall gets darker, up to grey 0.5. The digit is always darker than the wall. How many of the answers are still right with a wall of 0.25, and of 0.5? Do the five networks agree?
"""

# %% tags=["explore"]
# Needs `models`: run the cell that trains five networks, above Exercise 2, before this one.
import numpy as np
from matplotlib.figure import Figure
from pnnlib.adversarial import object_mask, onto_background
from pnnlib.data import digits
from pnnlib.explore.figure import show_figure
from pnnlib.train import accuracy, predict

data = digits(np.float32)
levels = np.array([0, 0.125, 0.25, 0.375, 0.5])
mask = object_mask(data.x_test, 0.5)

def before_a_wall(level, x=data.x_test, mask=mask):
    return onto_background(x, level, mask).astype(np.float32)

right = np.array([[accuracy(model, before_a_wall(level), data.y_test) for level in levels] for model in models])
for level, m, s in zip(levels, right.mean(axis=0), right.std(axis=0)):
    print(f"grey {level:.3f}: right {m:.2f} ± {s:.2f}")

figure, words = Figure(figsize=(10, 2.8), layout="constrained"), []
for row, level in zip(figure.subplots(2, 10), (0, 0.5)):
    pictures = before_a_wall(level)[:10]  # one of each digit
    said = np.array([predict(model, pictures) for model in models]).T
    for axes, picture, answers in zip(row, pictures, said):
        axes.imshow(picture[0], cmap="gray_r", vmin=0, vmax=1)
        axes.set(xticks=[], yticks=[])
        axes.set_title(" ".join(map(str, answers)), fontsize="medium")
    words.append(f"with grey {level}, {np.sum(said == np.arange(10)[:, None])} of their 50 answers are right")
print("; ".join(words))
show_figure(figure, alt="The digits 0 to 9, above before white and below before a middle grey. Their dark pixels are the same. Above each are the answers "
            "of five networks: " + "; ".join(words) + ".", caption="The objects are the same in both rows. The numbers are the answers of the five networks.")

# %% [markdown]
r"""
<details><summary>Compare with your prediction</summary>

Up to a light grey nothing happens. At 0.375 the accuracy is 0.84, at 0.5 it is 0.58, though not one pixel of the digits has changed, and none of the wall is as dark as they are. (The first row, too, loses something to the mask, which removes the soft edges: 0.94 instead of 0.97.) And look at the spread, ± 0.14: five networks that are equally good on the test set differ a lot here. No training picture had a background, so nothing has decided what each of them makes of one.

</details>

## The real world: a patch

Whoever changes pixels must have the picture in his hands. But one can also change the *world*: print a patch, and stick it onto a sign. Then the picture is taken by someone else, from another place and in another light. So the patch must work wherever it is, turned, lighter or darker.

Such a patch is learnt just like the weights: paste it into many pictures at random places, go along the gradient, and only the patch may change. The victim is the pre-trained network for the digits 0 to 4 in pictures of 12 × 12, copied from the internet, so to speak. For each of the five digits we learn a patch of 5 × 5 that shall make everything a 0, a 1, … The controls are a plain black patch, a random one, and a piece cut out of a real digit of that class.

**Predict first.** How often does the network say what the patch wants, if the patch is (1) pasted at random places; (2) the same, with the whole picture in dimmer light; (3) turned by up to 30°? And does it help to *learn* it with such turns?
"""

# %% tags=["explore"]
import numpy as np
from matplotlib.figure import Figure
from pnnlib import pretrained
from pnnlib.adversarial import learn_patch, paste, random_places
from pnnlib.augment import random_rotation
from pnnlib.data import digits
from pnnlib.explore.figure import show_figure
from pnnlib.train import predict

data = digits(np.float32)
victim, classes = pretrained.model(), pretrained.CLASSES
x_train, y_train = pretrained.only(data.x_train, data.y_train, classes)
x_test, y_test = pretrained.only(data.x_test, data.y_test, classes)
x_train, x_test = pretrained.anywhere(x_train, rng=0), pretrained.anywhere(x_test, rng=1)

def wants(patch, target, turn, light, rng):
    """How often the network says `target` for pictures of other digits with the patch, and how often it is right."""
    others = y_test != target
    patches = np.repeat(patch[None], others.sum(), axis=0)
    if turn:
        patches = random_rotation(turn)(patches, rng)
    pictures = paste(x_test[others], patches, *random_places(x_test[others], patches, rng))
    pictures = pictures * rng.uniform(light, 1, (len(pictures), 1, 1, 1))
    said = predict(victim, pictures.astype(np.float32))
    return np.mean(said == target), np.mean(said == y_test[others])

def patches_for(target):
    piece = x_train[y_train == target][0]
    row, column = (piece[0].any(axis=axis).argmax() + 1 for axis in (1, 0))
    return {
        "learnt": learn_patch(victim, x_train, None, 5, target, steps=40, rng=target),
        "learnt with turns": learn_patch(victim, x_train, None, 5, target, steps=40, transform=random_rotation(30), rng=target),
        "plain black": np.ones((1, 5, 5), np.float32),
        "random": np.random.default_rng(target).random((1, 5, 5), dtype=np.float32),
        "piece of a digit": piece[:, row:row + 5, column:column + 5],
    }

patches = [patches_for(target) for target in classes]
situations = {"any place": (0, 1), "any place, dimmer": (0, 0.6), "any place, turned": (30, 1), "all of it": (30, 0.6)}
print(f"without a patch, right on {np.mean(predict(victim, x_test) == y_test):.2f}")
print(f"{'says what the patch wants':26}" + "".join(f"{name:>20}" for name in situations) + "      right, any place")
for name in patches[0]:
    found = np.array([[wants(patches[t][name], t, *how, np.random.default_rng(t)) for how in situations.values()] for t in classes])
    shares = "".join(f"{m:>12.2f} ± {s:.2f} " for m, s in zip(found[..., 0].mean(axis=0), found[..., 0].std(axis=0)))
    print(f"{name:26}{shares}{found[:, 0, 1].mean():>16.2f}")
    if name == "learnt":
        print("   of these at any place, for 0 to 4: " + ", ".join(f"{share:.2f}" for share in found[:, 0, 0]))

figure, words = Figure(figsize=(8, 6.6), layout="constrained"), []
rng = np.random.default_rng(0)
for column, target in zip(figure.subplots(4, 5).T, classes):
    patch = patches[target]["learnt"]
    clean = x_test[rng.choice(np.flatnonzero(y_test != target), 3, replace=False)]
    stuck = paste(clean, patch, *random_places(clean, patch, rng))
    answers = list(zip(predict(victim, clean).tolist(), predict(victim, stuck).tolist()))
    titles = [f"patch for {target}", *(f"{before} → {after}" + " ✓" * (after == target) for before, after in answers)]
    for axes, picture, title in zip(column, (patch, *stuck), titles):
        axes.imshow(picture[0], cmap="gray_r", vmin=0, vmax=1)
        axes.set(xticks=[], yticks=[])
        axes.set_title(title, fontsize="medium")
    words.append(f"for {target}: " + ", ".join(f"{before} becomes {after}" for before, after in answers))
print("the network's answers without and with the patch " + "; ".join(words))
show_figure(figure, alt="Above, five learnt patches of 5 by 5 pixels, patterns of black, white and grey. Below each, three digits with the patch at "
            "random places. The network's answers without and with the patch " + "; ".join(words) + ".",
            caption="A patch for each class, and three pictures with it, drawn by chance. The numbers: the answer without the patch → with it. ✓: what the patch wants.")

# %% [markdown]
r"""
<details><summary>Compare with your prediction</summary>

At any place, the learnt patch gets what it wants in 0.53 of the pictures; a plain black one in 0.07, a random one in 0.07, a piece of a real digit in 0.16. So it is the pattern that does it. Dimmer light takes nothing away. Turns of up to 30° take about half, 0.28 remain. A patch that was learnt with turns has 0.31 there and 0.43 where nothing is turned; with five aims and such a spread, neither difference means much. With everything together, 0.30 and 0.31: four times what a plain black patch does.

The spread is large, because it is over five different aims, and some are easier than others: see the line for 0 to 4. And a patch hides things: even the plain black one brings the share of right answers from 0.99 down to 0.70.

</details>

Nobody had to touch a pixel of these pictures. That is the uncomfortable part: stickers on a road sign, a pattern on a shirt or on a pair of glasses are changes of the real world, and every camera takes them in.

## Experiment: one number, and six others

The five networks of this notebook are right on 0.97 of the test pictures. Here are the same pictures under six conditions.

**Predict first, in writing.** Rank them from harmless to fatal: (1) noise on every pixel, with a standard deviation of 0.1; (2) half of the light, so that all numbers are halved; (3) moved by one pixel to the right; (4) turned by 30°; (5) a wall of grey 0.375 behind the digit; (6) your `fgsm` with $\varepsilon = \tfrac1{16}$.
"""

# %% tags=["explore"]
# Needs `models`: run the cell that trains five networks, above Exercise 2, before this one.
import numpy as np
from pnnlib.adversarial import input_gradient, object_mask, onto_background
from pnnlib.augment import noise, rotate
from pnnlib.data import digits
from pnnlib.train import accuracy

data = digits(np.float32)
x = data.x_test
conditions = {
    "as they are": lambda model: x,
    "1  noise, 0.1": lambda model: noise(x, 0.1, rng=0),
    "2  half of the light": lambda model: x / 2,
    "3  one pixel to the right": lambda model: np.array([[shift(image[0], 0, 1)] for image in x]),
    "4  turned by 30°": lambda model: rotate(x, 30),
    "5  a wall of grey 0.375": lambda model: onto_background(x, 0.375, object_mask(x, 0.5)),
    "6  fgsm, ε = 1/16": lambda model: fgsm(x, input_gradient(model, x, data.y_test), 1 / 16),
}
for name, change in conditions.items():
    right = [accuracy(model, change(model).astype(np.float32), data.y_test) for model in models]
    print(f"{name:26} {np.mean(right):.2f} ± {np.std(right):.2f}")

# %% [markdown]
r"""
<details><summary>Compare with your prediction</summary>

Noise is harmless, 0.96. Half of the light 0.88, the wall 0.84, the attack 0.83. And then two things that happen every day: one pixel to the right, 0.75, and a turn by 30°, 0.57. The shift does more harm than an attack that was computed against this very network. (One pixel is an eighth of the picture here. But a person doesn't mind.)

The 0.97 is not wrong. It says how good the network is on pictures that are drawn like those of the training. If yours will be others, measure it on others.

</details>

## Summary

| idea | formula | your function | PyTorch |
|---|---|---|---|
| counting | $C_{out}(C_{in}k^2 + 1)$, $n(m+1)$ | `count_cnn_parameters` | `sum(p.numel() for p in model.parameters())` |
| augmentation | $Y(i, j) = X(i - d, j - r)$, $d$ and $r$ random | `shift`, `augment` | `F.pad`, torchvision's `RandomCrop` |
| transfer | frozen: $w$ stays | `fine_tune_step` | `p.requires_grad = False` |
| dropout | $z\,x/(1-p)$ in training, $x$ in use | `dropout`, `dropout_backward` | `torch.nn.Dropout` |
| shortcuts | gap of two accuracies | `shortcut_gap` | – |
| adversarial | $x + \varepsilon\,\text{sign}(dx)$ | `fgsm`, `attack` | `x.grad.sign()` |

Deep networks have many parameters, so they need data, computation, and care against overfitting: augmentation, transfer learning and dropout help. What they have learnt may be something else than what you wanted. A test set that is drawn like the training set does not tell. The next notebook puts all the building blocks on one table, and makes the choice among them honest.

## Questions to think about

**1.** Why does VGG-16 lose three quarters of its parameters if its last pooling is replaced by the mean of each map?

<details><summary>Answer</summary>

Then 512 numbers are left instead of 512 · 7 · 7 = 25,088, so the first fully connected layer has 512 · 4096 + 4096 = 2.1 million parameters instead of 102.8 million.

</details>

**2.** Dropout before batch normalisation: what goes wrong between training and use?

<details><summary>Answer</summary>

In training, dropout leaves the mean as it is but makes the variance larger. Batch normalisation gathers that larger variance, and in use, where nothing is dropped, it divides by too large a number.

</details>

**3.** Could one train on adversarial examples, with the right labels?

<details><summary>Answer</summary>

Yes, that is augmentation with the worst case, called adversarial training. It helps against the attacks that one trains with, costs a second backward for every step, and usually some accuracy on ordinary pictures.

</details>

**4.** The random control changes each pixel by as much as the attack. Why is it so much weaker?

<details><summary>Answer</summary>

Its sum $\sum_i dx_i\,\Delta_i$ has terms of both signs, which cancel: for $n$ pixels it grows like $\sqrt n$, that of the attack like $n$. The more pixels a picture has, the larger the difference.

</details>
"""

# %% [markdown]
r"""
## What to hand in

Hand in this notebook, one file, with your nine functions and your three answers. Before you do:

1. Choose *Restart kernel and run all cells*. What works only because of an old cell will not work for us either.
2. Look at every check. A ✓ means that your function agrees with PyTorch on the public cases. It will be marked on other numbers of the same kind.
3. Keep the names of the functions, and leave the check cells where they are.

Something is unfinished? Hand it in all the same. Each exercise earns its own points.
"""
