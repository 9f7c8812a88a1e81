# ---
# jupyter:
#   course: {notebook: summary}
#   jupytext: {text_representation: {extension: .py, format_name: percent}}
#   kernelspec: {display_name: Python 3 (ipykernel), language: python, name: python3}
# ---

# %% [markdown]
r"""
# Summary · Choosing among the possibilities

Six parts have given you the building blocks of deep networks. They can be put together in more ways than anyone can try. This notebook lists the blocks and their settings in one table, shows how to choose among them without fooling yourself, and takes one network to other tools, with the same weights and the same answers.

**You will be able to**

- name the building blocks and the hyper-parameters of each, and say where to look them up;
- plan a search: its budget, its seeds, and a test set that is touched once;
- say why the best of many trials looks better than it is;
- write the same network in PyTorch and in Keras, and carry weights from one to the other;
- hand a network to a tool that speaks neither, as an ONNX file.

**You need** parts c to f. From statistics: mean and standard deviation.

**Time:** about 1 hour. There is nothing to hand in from this notebook, and it has no exercises. Where it says *guess first* or *predict*, write your guess down before you read on.
"""

# %% [markdown]
r"""
## The building blocks and their hyper-parameters

Weights are learnt. A **hyper-parameter** is what you have to decide before anything is learnt: how many masks, which activation function, which learning rate. The last column leads to the place where you met it. (If a link opens a notebook at its top, click it once more. It then goes to the place.)

| building block | you choose | to begin with | where you met it |
|---|---|---|---|
| **convolutional layer** | number of masks | 16, and twice as many after each pooling | [Many masks, many feature maps](part_d_convolution.ipynb#Many-masks,-many-feature-maps) |
| | size of the masks | $3\times3$ | [The mask is the receptive field](part_d_convolution.ipynb#The-mask-is-the-receptive-field) |
| | padding, stride, dilation | padding that keeps the size, stride 1, dilation 1 | [Padding, stride and dilation](part_d_convolution.ipynb#Padding,-stride-and-dilation) |
| **pooling layer** | type (max, mean, global), region, stride | max, $2\times2$, stride 2 | [One number for a region](part_e_cnn.ipynb#One-number-for-a-region), [Global pooling](part_e_cnn.ipynb#Global-pooling), [Per channel, or across channels](part_e_cnn.ipynb#Per-channel,-or-across-channels) |
| **fully connected layer** | number of layers and neurons | one, with a neuron for each class | [Fully connected layers decide](part_e_cnn.ipynb#Fully-connected-layers-decide), [Larger networks](part_a_why_deep.ipynb#Larger-networks:-wide-or-deep) |
| **activation function** | ReLU, LReLU, PReLU, tanh, sigmoid | ReLU | [Slopes that do not vanish](part_c_training_deep_networks.ipynb#Activation-functions-whose-slope-does-not-vanish), [PReLU](part_c_training_deep_networks.ipynb#PReLU:-a-slope-that-is-learnt) |
| **dropout** | which layers, which fraction | before the last layer, a quarter to a half | [Overfitting, and dropout](part_f_limitations.ipynb#Overfitting,-and-dropout) |
| **batch normalisation** | where, momentum of the statistics | after each convolution, before the activation function | [Batch normalisation](part_c_training_deep_networks.ipynb#Batch-normalisation), [The batch of one](part_c_training_deep_networks.ipynb#The-batch-of-one:-training-and-use) |
| **skip connection** | around which layers | around every two, once there are many | [Skip connections](part_c_training_deep_networks.ipynb#Skip-connections) |
| **the whole network** | depth, and how layers are connected | as shallow as does the job | [Width adds, depth multiplies](part_a_why_deep.ipynb#Width-adds,-depth-multiplies), [The whole network](part_e_cnn.ipynb#The-whole-network), [Parallel branches](part_e_cnn.ipynb#Side-by-side:-parallel-branches) |
| **the loss** | cross-entropy, mean squared error | cross-entropy for classes | [How wrong is it? The loss](part_e_cnn.ipynb#How-wrong-is-it?-The-loss) |
| **its first weights** | Xavier's or Kaiming's rule, uniform or normal | Kaiming's for ReLU | [The size of the first weights](part_b_gradients.ipynb#The-size-of-the-first-weights), [Better first weights](part_c_training_deep_networks.ipynb#Better-first-weights) |
| **the learning algorithm** | SGD, momentum, AdaGrad, RMSprop, Adam, Nadam | Adam | [Momentum](part_c_training_deep_networks.ipynb#Momentum), [Adaptive learning rates](part_c_training_deep_networks.ipynb#Adaptive-learning-rates), [Adam](part_c_training_deep_networks.ipynb#Adam:-momentum-and-an-adaptive-rate) |
| | learning rate, $\beta_1$, $\beta_2$, $\varepsilon$, size of a batch, number of epochs | 0.001 to 0.01 with Adam; search this one first | [The ladder](part_e_cnn.ipynb#The-ladder), [Why one learning rate doesn't fit](part_c_training_deep_networks.ipynb#The-cost-surface,-and-why-one-learning-rate-doesn't-fit) |
| **regularisation** by other means | stopping early, weight decay (a pull of every weight towards 0) | stop when the validation loss no longer falls, no weight decay | [Overfitting](part_f_limitations.ipynb#Overfitting,-and-dropout); `patience` in `train.fit`, `weight_decay` in `pnnlib.optim` |
| **data augmentation** | which changes, how far | those that a person would not notice | [More data out of little](part_f_limitations.ipynb#More-data-out-of-little:-augmentation) |

"To begin with" is a habit, not a law. Each entry is a first guess that a search may overturn.

**Guess first.** Take the few choices in the next cell, a handful for each hyper-parameter. You try one network a minute, day and night. How long does it take to try all networks with one convolutional layer: a week, a year, a lifetime?
"""

# %% tags=["explore"]
import math

each_layer = {"masks": 5, "size": 3, "stride": 2, "dilation": 2, "pooling": 3, "activation": 5, "normalised": 2}
whole_network = {"dropout": 4, "first weights": 4, "augmentation": 4, "algorithm": 6, "learning rate": 8, "batch size": 4}

one_layer = math.prod(each_layer.values())
rest = math.prod(whole_network.values())
print(f"one convolutional layer: {one_layer} ways, everything else: {rest} ways")
for layers in (1, 2, 4, 8):
    many = one_layer**layers * rest
    print(f"convolutional layers: {layers}, networks: {many:.1e}, years: {many / 60 / 24 / 365:.2g}")

# %% [markdown]
r"""
One convolutional layer keeps you busy for 42 years, and every further layer multiplies that by 1800. So nobody tries them all. The possibilities are explored by **trial and error**: a few settings are tried, the better ones are kept. The next section is about doing that honestly.

## Trial and error, made honest

Trial and error goes wrong quietly. You try forty settings, keep the best, and report its score. The score is too high, and not because the network is good. **Predict:** forty networks are all equally good, each right on 95 of 100 digits in the long run. You measure each on 300 validation digits and keep the best. What does its validation accuracy look like: 95, 96, 97.5 or 99 per cent?

No network is needed to find out. If a network is right with probability 0.95 on each of 300 digits, the number of its right answers is **binomial**: what you get if you toss a biased coin 300 times and count. (Real networks are measured on the same digits and often fail on the same ones, so the effect is somewhat smaller.)
"""

# %% tags=["explore"]
import numpy as np
from matplotlib.figure import Figure
from pnnlib.explore.figure import show_figure

true_accuracy, images = 0.95, 300
trials = np.array([1, 2, 5, 10, 20, 40, 100])
rng = np.random.default_rng(0)
best = [rng.binomial(images, true_accuracy, size=(10_000, k)).max(axis=1) / images for k in trials]
low, middle, high = (100 * np.array([np.quantile(s, q) for s in best]) for q in (0.05, 0.5, 0.95))
for k, scores, least, most in zip(trials, best, low, high):
    print(f"best of {k:3}: looks like {scores.mean():.1%} on average, in nine runs of ten {least:.1f} to {most:.1f}; is {true_accuracy:.0%}")

figure = Figure(figsize=(7, 3), layout="constrained")
axes = figure.subplots()
axes.fill_between(trials, low, high, alpha=0.2, label="nine runs in ten")
axes.plot(trials, middle, "o-", label="validation accuracy of the best, median")
axes.axhline(100 * true_accuracy, color="black", linestyle="--", label="what it really is")
axes.set(xscale="log", xticks=trials, xticklabels=trials, xlabel="number of equally good networks", ylabel="per cent right")
axes.minorticks_off()
axes.legend(loc="lower right")
show_figure(
    figure,
    alt="A curve that rises with the number of networks tried, "
    + ", ".join(f"{m:.1f} per cent for {k}" for k, m in zip(trials, middle))
    + "; a band around it holds nine runs in ten. A dashed line, at 95 per cent, is what each network really is: "
    f"from {trials[low > 100 * true_accuracy][0]} networks on, the whole band lies above it.",
    caption="The best of many equally good networks, as the 300 validation digits see it.",
)

# %% [markdown]
r"""
**What to see.** The best of forty looks like 97.5 per cent on average, though every one of them is 95. From about five networks on, the whole band lies above the line.

So the number that made you choose a network can't also be the number that says how good it is. The remedy is old: keep data aside that has no part in any choice.

| data | used for | how often |
|---|---|---|
| training | learning the weights | every step |
| validation | choosing the hyper-parameters | every trial |
| test | saying how good the result is | **once**, at the end |

Before the first trial, write down five things. Here are ours.

1. **The question.** Which small network reads the digits best, if it may learn from 400 of them? (Few, so that the search takes seconds, on a busy computer half a minute, and the choices matter.)
2. **The space.** The table in the next cell: six hyper-parameters with their ranges.
3. **The budget.** 20 settings, drawn at random, 6 epochs each, one seed. Then the three best, and the setting that we would have taken without any search, with five new seeds each: 40 trainings in all.
4. **The measure and the rule.** Validation accuracy. The highest mean over the five new seeds is chosen; of equal ones, the one with fewer parameters.
5. **The test.** The five networks of the chosen setting, on the test set, once. That number is reported, whatever it is.

Two details. The learning rate and the number of masks are drawn on a logarithmic scale, because a step from 0.001 to 0.002 matters as much as one from 0.01 to 0.02. And the settings are drawn at random, not laid out as a grid: with 20 trials, a grid of six hyper-parameters could not even try two values of each, while random settings try 20 learning rates.
"""

# %% tags=["explore"]
import numpy as np
from pnnlib import data, optim, train
from pnnlib.augment import random_shift
from pnnlib.layers import BatchNorm2d, Conv2d, Dropout, Flatten, Linear, MaxPool2d, ReLU, Sequential

digits = data.digits(np.float32)
x_train, y_train = digits.x_train[:400], digits.y_train[:400]
x_validation, y_validation = digits.x_validation, digits.y_validation


def network(masks, size, dropout, rng=None):
    """Two convolutional layers, the second with twice as many masks, and one fully connected layer."""
    rng = np.random.default_rng(rng)
    return Sequential(
        Conv2d(1, masks, size, padding=size // 2, bias=False, rng=rng), BatchNorm2d(masks), ReLU(), MaxPool2d(2),
        Conv2d(masks, 2 * masks, size, padding=size // 2, bias=False, rng=rng), BatchNorm2d(2 * masks), ReLU(), MaxPool2d(2),
        Flatten(), Dropout(dropout), Linear(2 * masks * 2 * 2, 10, rng=rng),
    ).astype(np.float32)


def learnt(seed, masks, size, dropout, optimiser, lr, shift, epochs=6):
    """A trained network: the setting says how, the seed decides what chance decides."""
    model = network(masks, size, dropout, rng=seed)
    parameters = model.parameters()
    steps = optim.Adam(parameters, lr=lr) if optimiser == "Adam" else optim.SGD(parameters, lr=lr, momentum=0.9)
    transform = random_shift(shift) if shift else None
    train.fit(model, x_train, y_train, steps, epochs=epochs, transform=transform, progress=False, rng=seed)
    return model


# a pair: drawn between, on a logarithmic scale; a list: one of these
space = {
    "lr": (0.0001, 0.1), "masks": (4, 24), "size": [3, 5], "dropout": [0.0, 0.25, 0.5],
    "optimiser": ["Adam", "SGD with momentum"], "shift": [0, 1],
}
# what we'd take without any search; below it is called "no search"
habit = {"lr": 0.003, "masks": 16, "size": 3, "dropout": 0.25, "optimiser": "Adam", "shift": 0}
settings = train.random_settings(20, rng=0, **space)
results = train.search(lambda **setting: train.accuracy(learnt(0, **setting), x_validation, y_validation), settings)

print("validation    lr      masks  size  dropout  shift  optimiser")
for score, s in results:
    print(f"{score:8.1%}   {s['lr']:.5f}  {s['masks']:5}  {s['size']:4}  {s['dropout']:7}  {s['shift']:5}  {s['optimiser']}")
print()
for optimiser in space["optimiser"]:
    for shift in space["shift"]:
        some = [score for score, s in results if (s["optimiser"], s["shift"]) == (optimiser, shift)]
        found = f", {min(some):.0%} to {max(some):.0%}" if some else ""
        print(f"{optimiser}, {'shifted' if shift else 'not shifted'}: {len(some)} settings{found}")

# %% tags=["explore"]
figure = Figure(figsize=(7, 3.4), layout="constrained")
axes = figure.subplots()
markers = {("Adam", 0): "o", ("Adam", 1): "D", ("SGD with momentum", 0): "s", ("SGD with momentum", 1): "x"}
words = []
for (optimiser, shift), marker in markers.items():
    points = sorted((s["lr"], 100 - 100 * score) for score, s in results if (s["optimiser"], s["shift"]) == (optimiser, shift))
    if points:
        label = f"{optimiser}, shifted images" if shift else optimiser
        axes.plot(*zip(*points), marker, fillstyle="none" if marker == "s" else "full", markersize=8, label=label)
        words.append(f"{label}: " + ", ".join(f"{y:.1f} at {lr:.1g}" for lr, y in points))
best = [(s["lr"], 100 - 100 * score) for score, s in results[:3]]
axes.plot(*zip(*best), "o", color="black", fillstyle="none", markersize=16, label="the three best")
ticks = [3, 5, 10, 20, 50, 90]
axes.set(xscale="log", yscale="log", yticks=ticks, yticklabels=ticks, xlabel="learning rate", ylabel="per cent wrong")
axes.minorticks_off()
axes.legend(fontsize="small")
show_figure(
    figure,
    alt="Per cent of the validation digits read wrong over the learning rate, both on a logarithmic scale, one mark for each of the "
    "20 settings. " + "; ".join(words) + ". The three best have a ring: " + ", ".join(f"{y:.1f} at {lr:.1g}" for lr, y in best) + ".",
    caption="20 random settings; lower is better. Marks at about the same learning rate differ in the other hyper-parameters.",
)

# %% [markdown]
r"""
Look at the crosses first, the settings that shift the images. By chance, all 7 were drawn with SGD. They are right on 10 to 84 per cent of the digits, the 7 with SGD and without shifts on 86 to 96. Does shifting harm, then? Five of the crosses prove little: their learning rates are also lower than any of the other settings with SGD. The two at 0.007 and 0.03 got 75 and 76 per cent, where the squares around them got 86 to 96. So with SGD, and in 6 epochs, it looks as if shifting harms. Whether it does with Adam, this search can't say. We'll come back to that.

Leave the crosses aside. Among the others the learning rate decides most: at 0.00018 and 0.00025 Adam had not learnt enough after 6 epochs (66 and 90 per cent right), and near 0.04 all are a little worse (86 to 94). The eight best lie between 0.002 and 0.012.

Now the finals. **Predict:** the winner of the search gets five new seeds. Will its mean be higher than in the search, the same, or lower? (As long as the search, up to half a minute.)
"""

# %% tags=["explore"]
finalists = {f"{place} in the search": (score, s) for place, (score, s) in zip(("first", "second", "third"), results)}
finalists["no search"] = (None, habit)

finals = {}
for name, (before, setting) in finalists.items():
    models = [learnt(seed, **setting) for seed in range(1, 6)]
    scores = np.array([train.accuracy(model, x_validation, y_validation) for model in models])
    count = sum(p.data.size for p in models[0].parameters())
    finals[name] = (scores, count, models, setting)
    searched = "" if before is None else f", in the search {before:.1%}"
    print(f"{name:20} {scores.mean():.2%} ± {scores.std(ddof=1):.1%}, {count:6,} parameters{searched}")

chosen = max(finals, key=lambda name: (round(finals[name][0].mean(), 6), -finals[name][1]))
print("\nchosen:", chosen)

figure = Figure(figsize=(7, 2.6), layout="constrained")
axes = figure.subplots()
for row, (name, (scores, *_)) in enumerate(finals.items()):
    places = row + np.linspace(-0.15, 0.15, 5)  # so that equal scores don't hide one another
    axes.plot(100 * scores, places, "o", fillstyle="none", color="C0", label="one seed" if row == 0 else None)
    axes.plot(100 * scores.mean(), row, "|", color="black", markersize=20, label="mean" if row == 0 else None)
    if finalists[name][0] is not None:
        axes.plot(100 * finalists[name][0], row, "x", color="C3", markersize=9, label="in the search" if row == 0 else None)
axes.set(yticks=range(len(finals)), yticklabels=list(finals), xlabel="validation accuracy, per cent", ylim=(len(finals) - 0.5, -0.5))
axes.legend(markerscale=0.6)
show_figure(
    figure,
    alt="Four rows of five circles, one for each seed, with the mean marked; in the first three rows a cross is the score in the search. "
    + "; ".join(
        f"{name}: from {s.min():.1%} to {s.max():.1%}, mean {s.mean():.1%}"
        + ("" if finalists[name][0] is None else f", cross at {finalists[name][0]:.1%}")
        for name, (s, *_) in finals.items()
    ) + ".",
    caption="Three finalists and the setting without a search, five new seeds each. That circles lie a little higher or lower means nothing.",
)

# %% [markdown]
r"""
Lower, for all three: from 97.3 to 96.5, from 97.3 to 95.5, and from 95.7 to 94.3 per cent in our run. A place in the finals takes ability and luck. This is the first figure again, now with real networks, but there are two kinds of luck in it. One is the luck of the seed: first weights, order of the images, dropout. Five new seeds renew it, and the scores fall. The other is the luck of the digits, the one in the first figure: which 300 of them are in the validation set. All networks saw the same 300, so it is still in these numbers. Only other digits can show it, those of the test set.

The setting without any search reaches 96.3 per cent. That is about 0.3 below the chosen one, with little more than half of the parameters, and a fraction of what the seeds alone change. So the honest sentence is: *20 trials found nothing that is clearly better than habit.* That happens often, and it is a result. (Habit, too, comes from trials: other people's.) The rule was fixed before, so we follow it all the same.

One thing was left open: does shifting harm with Adam, too? To know, change one factor and keep all others. We take the setting without a search, shift the images or don't, and do that for 6 epochs and for four times as many. The choice is made, so this has no part in it. **Predict:** what will the shift cost in 6 epochs, and what in 24? (Up to half a minute.)
"""

# %% tags=["explore"]
for epochs, seeds in ((6, range(1, 6)), (24, range(1, 4))):
    for shift in (0, 1):
        models = [learnt(seed, **(habit | {"shift": shift}), epochs=epochs) for seed in seeds]
        scores = np.array([train.accuracy(model, x_validation, y_validation) for model in models])
        print(f"{epochs:2} epochs, {'shifted' if shift else 'not shifted':11}  {scores.mean():.1%} ± {scores.std(ddof=1):.1%} over {len(seeds)} seeds")

# %% [markdown]
r"""
In 6 epochs the shift costs about 4 per cent with Adam, too: from 96.3 to 92.1 in our run. In 24 epochs it costs 1.4, from 98.3 to 96.9, with a spread of 1 over only three seeds, so the true cost may be twice that, or next to nothing. Six epochs are too few for a network that hardly sees the same image twice.

And look at 98.3. Four times the epochs did more than the whole search. A search finds a good setting. It doesn't explain why it is good, and what it finds holds for its budget.

Now the test set is opened. This is the only cell of this notebook that looks at it.
"""

# %% tags=["explore"]
scores, _, models, setting = finals[chosen]
tested = np.array([train.accuracy(model, digits.x_test, digits.y_test) for model in models])
error = math.sqrt(tested.mean() * (1 - tested.mean()) / len(digits.y_test))
print("setting:   ", setting)
print(f"validation: {scores.mean():.1%} ± {scores.std(ddof=1):.1%} over five seeds")
print(f"test:       {tested.mean():.1%} ± {tested.std(ddof=1):.1%} over five seeds")
print(f"chance in the choice of {len(digits.y_test)} test digits alone: ± {error:.1%}")
print(f"in the difference of two such numbers: ± {math.sqrt(2) * error:.1%}")

# %% [markdown]
r"""
In our run the test says 95.3 per cent, where the validation digits said 96.5. Part of that may be the choice: even the mean over five seeds is the best of four such means, and three of the four had been picked with the same 300 digits. Part may be chance: other 300 digits would give another number, 1.2 per cent more or less. The validation number is as uncertain as that. Their difference is therefore uncertain by 1.7 ($\sqrt2$ times as much), and 1.2 is nothing unusual. Whatever the reason, 95.3 is what we report. The validation number isn't.

Running this cell again is no second look, as long as you change nothing because of it. To be strict: other parts measured on these test digits, too. No choice here was made from those numbers.

**What goes wrong in practice.** You look at the test result, aren't content, change something and test again. From then on the test set is a second validation set, and you have none left. The same happens when a whole field works on one test set for years. If you must go on, say so in the report, or get new data.

A report of a search states the five things from above and what came out. Without the number of trials, the result can't be judged.
"""

# %% [markdown]
r"""
## The same network in PyTorch

`pnnlib` has shown you what is inside. For larger work you'd take a tool that runs on graphics cards and finds the gradients by itself. We take the first of the chosen networks there, with its weights.

In PyTorch the layers have the same names, and so have the weights. (That is why `pnnlib` uses them.) Importing PyTorch takes several seconds.
"""

# %% tags=["explore"]
import torch
from pnnlib.bridge import compare

model = models[0].eval()
masks, size, dropout = setting["masks"], setting["size"], setting["dropout"]


def torch_network(masks, size, dropout):
    nn = torch.nn
    return nn.Sequential(
        nn.Conv2d(1, masks, size, padding=size // 2, bias=False), nn.BatchNorm2d(masks), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(masks, 2 * masks, size, padding=size // 2, bias=False), nn.BatchNorm2d(2 * masks), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Dropout(dropout), nn.Linear(2 * masks * 2 * 2, 10),
    )


def apart(y, expected):
    """The largest difference, for numbers above 1 relative to the largest of them."""
    assert y.shape == expected.shape
    return float(np.abs(y - expected).max() / max(1, np.abs(expected).max()))


module = torch_network(masks, size, dropout)
module.load_state_dict({name: torch.as_tensor(array) for name, array in model.state_dict().items()})
module.eval()

ours = train.outputs(model, x_validation)
with torch.no_grad():
    theirs = module(torch.as_tensor(x_validation)).numpy()
print(f"outputs for {len(ours)} digits, largest difference: {apart(theirs, ours):.1g}")
assert apart(theirs, ours) < 1e-5
print()
agreement = compare(model.train(), module.train(), x_validation[:16], steps=3)
model.eval(), module.eval()
print(agreement)

# %% [markdown]
r"""
The outputs differ by what rounding in 32 bits does. `compare` uses 64 bits, and we put both networks into training mode, so batch normalisation takes the batch's statistics and dropout works, with the same masks. All that is left is in the last digits: outputs, gradients, the statistics that are gathered (`num_batches_tracked` only counts batches), and three steps of every optimiser.

This is how it is trained there, with our learning rate. The loop is the one of `train.fit`, without its comforts.
"""

# %% tags=["explore"]
torch.manual_seed(0)
module = torch_network(masks, size, dropout)  # a new one, with PyTorch's first weights
optimiser = torch.optim.Adam(module.parameters(), lr=setting["lr"])
samples = torch.utils.data.TensorDataset(torch.as_tensor(x_train), torch.as_tensor(y_train))

for epoch in range(6):
    module.train()
    for x, labels in torch.utils.data.DataLoader(samples, batch_size=32, shuffle=True):
        loss = torch.nn.functional.cross_entropy(module(x), labels)
        optimiser.zero_grad()  # PyTorch adds gradients up until told otherwise
        loss.backward()
        optimiser.step()

module.eval()
with torch.no_grad():
    right = module(torch.as_tensor(x_validation)).argmax(dim=1).numpy() == y_validation
print(f"PyTorch, 6 epochs: {right.mean():.1%} of the validation digits")

# %% [markdown]
r"""
One seed, so this is no better and no worse than ours.

## The same network in Keras

Keras is a layer above such tools. Since version 3 the same Keras program runs on PyTorch, on TensorFlow or on JAX (Google's tool for arrays and their gradients). Which one is decided *before* it is imported, by the variable in the next cell. Here it is PyTorch, so nothing else has to be installed but Keras itself. Without the variable, Keras looks for TensorFlow, and stops with `No module named 'tensorflow'` where there is none. If you set it too late, only restarting the kernel helps. The import takes several seconds.
"""

# %% tags=["explore"]
import importlib.util
import os
import sys

os.environ["KERAS_BACKEND"] = "torch"  # "tensorflow" and "jax" are the others
has_keras = importlib.util.find_spec("keras") is not None
if has_keras:
    import keras

    print("Keras", keras.__version__, "on", keras.config.backend())
else:
    print("Keras is not installed, so the cells on Keras do nothing. To install it, type in the course's folder:")
    print(f'    "{sys.executable}" -m pip install -c constraints.txt -e ".[keras]"')

# %% [markdown]
r"""
Most names are familiar. But Keras grew up with other habits, and each of them matters when weights are carried over.

> **Convention card: two families of tools**
>
> | | PyTorch and `pnnlib` | Keras |
> |---|---|---|
> | **axes of images** | (N, C, H, W), channels first | (N, H, W, C), channels last |
> | **weights of a convolution** | (out, in, KH, KW) | (KH, KW, in, out) |
> | **weights of a fully connected layer** | (out, in), $y = xW^\mathsf{T} + b$ | (in, out), $y = xW + b$ |
> | **flatten** | channel by channel, in each row by row | pixel by pixel, row by row, in each all channels |
> | **padding** | a number for each axis; in PyTorch also `"same"` (with stride 1 only) and `"valid"` | `"same"` or `"valid"`; with stride 2, `"same"` may pad one side more than the other |
> | **first weights** of $m$ inputs | uniform within $\pm1/\sqrt{m}$, biases too | Xavier's (there called Glorot's) uniform rule, biases 0 |
> | **batch normalisation, $\varepsilon$** | $10^{-5}$ | $10^{-3}$ |
> | **batch normalisation, momentum** | 0.1, the weight of the *new* value | 0.99, the weight of the *old* value |
> | **variance that is gathered** | unbiased, $1/(n-1)$ | biased, $1/n$ |
> | **Adam, $\varepsilon$** | $10^{-8}$ | $10^{-7}$ |
> | **training or usage** | `train()`, `eval()`: a state of the network | an argument of the call; `fit` and `predict` set it |
>
> $m$ is the number of inputs of one neuron: in for a fully connected layer, in · KH · KW for a mask.
>
> None of these is better. Each is a trap, because nothing complains as long as the shapes fit.

The next cell asks both tools for most entries of this card.
"""

# %% tags=["explore"]
if has_keras:
    keras.utils.set_random_seed(0)  # for PyTorch, too
    torch_convolution, torch_dense = torch.nn.Conv2d(5, 16, (3, 2)), torch.nn.Linear(4, 7)
    with keras.device("cpu"):
        convolution, dense = keras.layers.Conv2D(16, (3, 2)), keras.layers.Dense(7)
        norm, torch_norm = keras.layers.BatchNormalization(momentum=0.0), torch.nn.BatchNorm1d(1, momentum=1.0)
        convolution.build((None, 8, 8, 5))
        dense.build((None, 4))
        batch = np.array([[1.0], [2.0], [6.0]], np.float32)
        norm(batch, training=True)
        torch_norm(torch.as_tensor(batch))
        defaults = keras.layers.BatchNormalization()
        maps = np.arange(12).reshape(1, 2, 2, 3)  # two rows, two columns, three channels
        flat = keras.ops.convert_to_numpy(keras.layers.Flatten()(maps)).ravel().tolist()
    torch_flat = torch.nn.Flatten()(torch.as_tensor(maps.transpose(0, 3, 1, 2))).ravel().tolist()
    m, n = 5 * 3 * 2, 16 * 3 * 2  # as in part c; n counts the weights that one input goes to
    rows = {
        "16 masks of 3×2 on 5 channels": (tuple(torch_convolution.weight.shape), tuple(convolution.kernel.shape)),
        "7 neurons on 4 inputs": (tuple(torch_dense.weight.shape), tuple(dense.kernel.shape)),
        "flatten, by Keras's order": (torch_flat, flat),
        "first weights of the masks": (
            f"largest weight {abs(torch_convolution.weight).max():.3f}, bias {abs(torch_convolution.bias).max():.3f}; 1/√m = {1 / math.sqrt(m):.3f}",
            f"largest weight {abs(convolution.kernel.numpy()).max():.3f}, bias {abs(convolution.bias.numpy()).max():.3f}; "
            f"√(6/(m+n)) = {math.sqrt(6 / (m + n)):.3f}",
        ),
        "ε of batch normalisation": (torch_norm.eps, defaults.epsilon),
        "momentum of it": (torch.nn.BatchNorm1d(1).momentum, defaults.momentum),
        "variance of 1, 2, 6": (round(torch_norm.running_var.item(), 3), round(float(norm.moving_variance[0]), 3)),
        "ε of Adam": (torch.optim.Adam([torch.zeros(1)]).defaults["eps"], keras.optimizers.Adam().epsilon),
    }
    for name, (pytorchs, kerass) in rows.items():
        print(f"{name}\n    PyTorch  {pytorchs}\n    Keras    {kerass}")

# %% [markdown]
r"""
Now the network, and the same weights. Convolutions need their axes turned. The fully connected layer needs more: its inputs come in another order, so its columns have to be sorted anew, from channel, row, column to row, column, channel.
"""

# %% tags=["explore"]
def keras_network(masks, size, dropout, epsilon=1e-5):
    kl = keras.layers
    same = {"padding": "same", "use_bias": False}
    norm = {"epsilon": epsilon, "momentum": 0.9}
    return keras.Sequential([
        keras.Input((8, 8, 1)),
        kl.Conv2D(masks, size, **same), kl.BatchNormalization(**norm), kl.ReLU(), kl.MaxPooling2D(2),
        kl.Conv2D(2 * masks, size, **same), kl.BatchNormalization(**norm), kl.ReLU(), kl.MaxPooling2D(2),
        kl.Flatten(), kl.Dropout(dropout), kl.Dense(10),
    ])


def carry_over(state, model, sort_flatten=True):
    """Put the weights of a pnnlib or PyTorch network into the same network in Keras."""
    for i in (0, 4):  # (out, in, KH, KW) → (KH, KW, in, out)
        model.layers[i].set_weights([state[f"{i}.weight"].transpose(2, 3, 1, 0)])
    for i in (1, 5):
        model.layers[i].set_weights([state[f"{i}.{name}"] for name in ("weight", "bias", "running_mean", "running_var")])
    w = state["10.weight"]  # (10, C·H·W) → (10, C, H, W) → (H, W, C, 10) → (H·W·C, 10)
    if sort_flatten:
        w = w.reshape(10, -1, 2, 2).transpose(2, 3, 1, 0).reshape(-1, 10)
    else:
        w = w.T
    model.layers[10].set_weights([w, state["10.bias"]])


if has_keras:
    channels_last = x_validation.transpose(0, 2, 3, 1)
    with keras.device("cpu"):
        keras_model = keras_network(masks, size, dropout)
        carry_over(model.state_dict(), keras_model)
        theirs = keras_model.predict(channels_last, verbose=0)
    print(f"Keras, outputs for {len(theirs)} digits, largest difference: {apart(theirs, ours):.1g}")
    assert apart(theirs, ours) < 1e-5

# %% [markdown]
r"""
Three networks, one set of weights, the same answers.

**What goes wrong in practice.** **Predict:** two mistakes, each made alone. Once, Keras keeps its own $\varepsilon$ of 0.001. Once, the columns after the flatten are not sorted; the shape fits all the same. Which of the two costs more right answers?
"""

# %% tags=["explore"]
if has_keras:
    with keras.device("cpu"):
        for mistake, epsilon, sort_flatten in (
            ("none", 1e-5, True), ("Keras's own ε", 1e-3, True), ("columns not sorted", 1e-5, False),
        ):
            keras_model = keras_network(masks, size, dropout, epsilon)
            carry_over(model.state_dict(), keras_model, sort_flatten)
            theirs = keras_model.predict(channels_last, verbose=0)
            answers, before = theirs.argmax(axis=1), ours.argmax(axis=1)
            print(f"mistake: {mistake}")
            print(f"    difference, relative to the largest output: {apart(theirs, ours):.1g}")
            print(f"    digits read differently: {(answers != before).sum()}, right: {(answers == y_validation).mean():.1%}")

# %% [markdown]
r"""
With unsorted columns the network is no better than guessing. Everybody sees that. With another $\varepsilon$ one digit of the 300 is read differently, and wrongly. Nobody sees that, and this makes it the worse mistake: the network you use is no longer the one you tested.

So compare *outputs*, on real inputs, whenever you carry weights over. Shapes and a look at a few predictions are not enough.

This is how a new network is trained in Keras. There is no loop to write: `compile` names the loss and the optimiser, `fit` does the rest. (Up to half a minute.)
"""

# %% tags=["explore"]
if has_keras:
    keras.utils.set_random_seed(0)
    with keras.device("cpu"):
        keras_model = keras_network(masks, size, dropout)  # a new one, with Keras's first weights
        keras_model.compile(
            optimizer=keras.optimizers.Adam(setting["lr"]),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),  # like ours, it takes net inputs
            metrics=["accuracy"],
        )
        keras_model.fit(x_train.transpose(0, 2, 3, 1), y_train, batch_size=32, epochs=6, verbose=0)
        _, accuracy = keras_model.evaluate(channels_last, y_validation, verbose=0)
    print(f"Keras, 6 epochs: {accuracy:.1%} of the validation digits")

# %% [markdown]
r"""
One seed again, so don't read anything into the difference to PyTorch.

## The other tools

The lecture names eight tools. Some of them have since been given up. This is where they stand, as far as we know; look again before you build on one.

| tool | by | where it stands |
|---|---|---|
| PyTorch | began at Facebook; since 2022 the PyTorch Foundation | alive. What this course compares with. Its forerunner Torch, in the language Lua, is no longer developed. |
| TensorFlow | Google | alive |
| Keras | François Chollet, later at Google | alive. Version 3 runs on PyTorch, TensorFlow and JAX. |
| Deep Learning Toolbox | MathWorks, for MATLAB | alive, part of a commercial product |
| Cognitive Toolkit, CNTK | Microsoft | retired. The last main release, 2.7, is from 2019. |
| Caffe | Berkeley | no longer developed (1.0 is from 2017). Its successor Caffe2, from Facebook, became part of PyTorch in 2018. |
| MXNet | Apache | retired in 2023 |
| PyBrain | IDSIA and TU Munich | retired, no longer developed |

What to take from this list: half of the tools are gone, and the ideas have outlived them. A network that you understand can be written anew in an afternoon. One that you only know how to call is lost with its tool.

There is one more way not to be lost.

## ONNX: one file for many tools

ONNX, *Open Neural Network Exchange*, is a file format. A file holds a graph of simple operations and the weights, and nothing of the program that made it. Many tools write it, and many read it:

- **ONNX Runtime** runs such files from Python, C++, C#, Java and JavaScript, on servers, phones and in browsers. It needs neither PyTorch nor `pnnlib`.
- **MATLAB** reads them into its Deep Learning Toolbox: `importNetworkFromONNX("digits.onnx")`, with MathWorks' add-on for ONNX.
- **TensorFlow** doesn't read them itself; converters made by others do. The straight way to TensorFlow is Keras, with the weights carried over as above.

`to_onnx` writes a network of `pnnlib` into such a file, by way of PyTorch's exporter. Then ONNX Runtime reads it, and has to give our numbers. **Guess first:** the network has eleven layers. How many operations are in the file? (The cell takes several seconds.)
"""

# %% tags=["explore"]
import importlib.util
import sys
import tempfile
from pathlib import Path

has_onnx = all(importlib.util.find_spec(name) is not None for name in ("onnx", "onnxruntime", "onnxscript"))
if has_onnx:
    import onnx
    import onnxruntime
    from pnnlib.bridge import to_onnx

    path = Path(tempfile.mkdtemp()) / "digits.onnx"
    to_onnx(model, path, (1, 8, 8))

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for n in (1, 5, 300):
        (theirs,) = session.run(["y"], {"x": x_validation[:n]})
        print(f"ONNX Runtime, {n:3} at a time: largest difference {apart(theirs, ours[:n]):.1g}")
        assert apart(theirs, ours[:n]) < 1e-5

    graph = onnx.load(path).graph
    print(f"\n{path}\n{path.stat().st_size / 1024:.0f} KB, {len(graph.node)} operations on {len(model)} layers:")
    for node in graph.node:
        print("   ", node.op_type)
else:
    print("The packages for ONNX are not installed, so this cell does nothing. To install them, type in the course's folder:")
    print(f'    "{sys.executable}" -m pip install -c constraints.txt -e ".[onnx]"')

# %% [markdown]
r"""
Eight. In usage, batch normalisation multiplies each channel by a number and adds another (part c). The exporter has worked both into the weights and biases of the convolution before it (ours had no biases, so now it has some), and the layer is gone. Dropout does nothing in usage, so it is gone, too. *Gemm*, general matrix multiplication, is the fully connected layer.

What is *not* in the file: the training. It holds no loss, no optimiser and no dropout. Keep your program and `layers.save`, too, if you want to go on learning.

## Summary

- Building blocks and their hyper-parameters make more networks than can be tried. What can be tried is chosen by trial and error.
- The best of many trials looks better than it is. So write the five things down first, choose on validation data, and test once.
- Differences between settings mean something only beside the spread over seeds.
- A network is its layers and its weights. Carried to another tool, it must give the same outputs; axes, orders and defaults are what goes wrong.
- ONNX takes a finished network to tools that know nothing of the one that made it.

## Questions to think about

**1.** Three settings have mean validation accuracies of 97.1, 97.0 and 96.8 per cent over five seeds, each with a standard deviation of 0.6. Which is the best?

<details><summary>Answer</summary>

These numbers can't tell. The mean of five seeds is itself uncertain by about $0.6/\sqrt5 \approx 0.27$, and the difference of two such means by about $\sqrt2\cdot0.27 \approx 0.4$. So differences of 0.1 to 0.3 are within chance. Take the one that is smallest or fastest, or spend more seeds.

</details>

**2.** A paper reports 99.2 per cent on the test set, "after tuning the hyper-parameters". It doesn't mention a validation set. What would you ask?

<details><summary>Answer</summary>

On which data the settings were chosen, and how many were tried. If they were chosen on the test set, the 99.2 is the best of many and too high, as in the first figure. Nobody can tell by how much, because the number of trials isn't there.

</details>

**3.** Why does the fully connected layer need its columns sorted for Keras, while the batch normalisation after a convolution doesn't?

<details><summary>Answer</summary>

Batch normalisation has one $\gamma$, one $\beta$, one mean and one variance for each channel, and the channels are in the same order on both sides; they just stand on another axis of the images. After flattening, every weight of the fully connected layer belongs to one place in one channel. The two tools list these places in different orders.

</details>

**4.** After global average pooling, would the sorting still be needed?

<details><summary>Answer</summary>

No. There is then one number for each channel, and no rows and columns that could be listed in another order. The matrix still has to be transposed.

</details>

**5.** Your validation set has only 50 images. What does that do to the search?

<details><summary>Answer</summary>

The scores become coarse, in steps of 2 per cent, and noisy: at 95 per cent right, chance alone makes them vary by $\sqrt{0.95\cdot0.05/50} \approx 3$ per cent. The best of many is then mostly the luckiest. Use cross-validation, where every part of the data takes its turn as the validation set, or try fewer settings.

</details>
"""
