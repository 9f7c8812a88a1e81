# ---
# jupyter:
#   course: {notebook: start_here}
#   jupytext: {text_representation: {extension: .py, format_name: percent}}
#   kernelspec: {display_name: Python 3 (ipykernel), language: python, name: python3}
# ---

# %% [markdown]
r"""
# Start here

In this course you build deep networks from their parts. You write each part yourself, in NumPy, and see it give the same numbers as PyTorch. When you can write a thing down so exactly that a machine agrees with you, you have understood it.

This page takes about 10 minutes. There is nothing to hand in from it.

## The parts

| part | topic | notebook |
|---|---|---|
| a | Why deep networks? | [part_a_why_deep.ipynb](part_a_why_deep.ipynb) |
| b | Vanishing and exploding gradients | [part_b_gradients.ipynb](part_b_gradients.ipynb) |
| c | What helps: activation functions, initial weights, optimisers, normalisation, skip connections | [part_c_training_deep_networks.ipynb](part_c_training_deep_networks.ipynb) |
| d | Convolutional layers | [part_d_convolution.ipynb](part_d_convolution.ipynb) |
| e | Pooling, fully connected layers, the whole network | [part_e_cnn.ipynb](part_e_cnn.ipynb) |
| f | What can go wrong with deep networks | [part_f_limitations.ipynb](part_f_limitations.ipynb) |
| | Summary: choosing among the possibilities, and other tools | [summary.ipynb](summary.ipynb) |

Part c builds on part b, part e on part d, and part f on part e. Parts a, b and d stand on their own: the lecture's idea of a neuron is all they need. The summary has nothing to hand in.

## Is everything installed?

Click into the cell below and press **Shift+Enter**. That runs the cell and goes on to the next. It says in plain words if something is missing.
"""

# %% tags=["explore"]
import importlib

needed = {
    "numpy": "every exercise",
    "pnnlib": "the checks and the explorables; it comes with the course",
    "torch": "comparing your numbers with PyTorch",
    "ipywidgets": "the panels with buttons and sliders",
    "anywidget": "the panels and the figures",
    "matplotlib": "the figures",
    "sklearn": "the handwritten digits (the package is called scikit-learn)",
}
missing = []
for name, purpose in needed.items():
    try:
        module = importlib.import_module(name)
        version = getattr(module, "__version__", "found")
        old = name == "numpy" and int(version.split(".")[0]) < 2
        print(f"{name:12} {version}" + (" is too old: the course needs version 2 or newer." if old else ""))
        if old:
            missing.append(name)
    except (ImportError, OSError):
        missing.append(name)
        print(f"{name:12} is missing. You need it for: {purpose}.")
if missing:
    print("\nTo install what is missing or too old, open a terminal in the course's folder and type:")
    print("    make lab")
    print("or, without make, the line for your system in README.md.")
    print("Then start the course again, and run this cell again.")
else:
    print("\nAll there. You can begin.")

# %% [markdown]
r"""
## Warm up: one neuron

A neuron multiplies each input by a weight, adds the products up, and fires if the sum reaches its threshold $\theta$:

$$y = \begin{cases} 1 & \sum_i w_i x_i - \theta \ge 0\\ 0 & \text{otherwise} \end{cases}$$

**Guess first:** does the neuron below fire? Run the cell. Then change *one* weight so that it changes its mind, and run it again.
"""

# %% tags=["explore"]
import numpy as np

x = np.array([1.0, 0.5, -1.0])
w = np.array([2.0, -1.0, 1.0])  # change one of these
theta = 1

total = (w * x).sum()
print("products", w * x, " sum", total, " threshold", theta)
print("fires" if total - theta >= 0 else "stays silent")

# %% [markdown]
r"""
## How a notebook works

A notebook is a row of **cells**: text, and code that you can run. What a cell prints or shows appears below it.

- **Order matters.** Python remembers what has been *run*, not what stands on the page. When something behaves oddly, choose *Kernel → Restart Kernel and Run All Cells*.
- **A star** in the brackets, `[*]`, means the cell is still running. *Kernel → Interrupt Kernel* stops it.
- **Save** with Ctrl+S (on a Mac, Cmd+S).

Each exercise has two cells. The first holds a function with a description: what goes in, what comes out, a small example. Replace `raise NotImplementedError` with your code and keep the function's name. The second calls `check(…)`. It tries your function on several inputs and tells you what it finds: a wrong shape, a changed argument, or often the very misconception behind a wrong number. You may run it as often as you like; nobody counts.

A question also has two cells. You answer it with a letter, or with numbers that you have worked out by hand. Its check tells you only that your answer is recorded.

## How marks are earned

- **Values count.** When your work is marked, your function meets inputs you haven't seen, and PyTorch gives the right answers. The right shape alone earns nothing, and neither does an answer that fits only the inputs of the check.
- **Each exercise has criteria**: the basic cases, and in many exercises options, edge cases or gradients as well. Each criterion brings its share of the points. If the basic cases are wrong, the exercise earns 0.
- **Don't change the arguments.** Return new arrays. If `x` looks different after your function was called, the case counts as wrong.
- **NumPy only** inside the exercises. Using PyTorch or the course's own `pnnlib` for an answer costs the points. A leftover `import torch` costs nothing. (One exercise of part e, `train_cnn`, is the exception, and says so: there `pnnlib` is the material.)
- **Explore cells don't count.** Panels, figures and comparisons with PyTorch are not run when marking. So don't define in them what an exercise needs.
- **Don't delete or copy the graded cells**, the ones with your answers and their checks. You may add cells of your own.
- **Partly done is fine.** Every exercise is marked by itself. Leave `raise NotImplementedError` where you have no answer. If a later exercise calls one that is wrong or open, it's tried once more with a right version in its place, so one mistake costs you once.

## What to hand in

One file: the notebook of the part, for instance `part_d_convolution.ipynb`.

1. Choose *Kernel → Restart Kernel and Run All Cells*. This shows whether everything works from top to bottom. Below an exercise that you have left open, `NotImplementedError` is to be expected.
2. Save.
3. Upload the one `.ipynb` file. No zip, no PDF.

## Keyboard and accessibility

Everything works without a mouse.

| you want to | press |
|---|---|
| run a cell and go on | Shift+Enter |
| leave a cell's text, to move between cells | Esc, then the up and down arrows |
| type in a cell again | Enter |
| see every command | Ctrl+Shift+C (on a Mac, Cmd+Shift+C) |
| move through a panel's buttons and fields | Tab, and Shift+Tab to go back |
| take over a number typed into a field | Enter; Esc undoes it |

Figures have a description in words for screen readers. No panel plays by itself, and nothing is told by colour alone. For larger type, use your browser's zoom, or *Settings → Theme*, which has a dark theme, too.

Ready? Go to [part a, why deep?](part_a_why_deep.ipynb), or to the part that you were told to begin with.
"""
