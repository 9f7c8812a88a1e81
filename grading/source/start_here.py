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
| a | Why deep networks? | not there yet |
| b | Vanishing and exploding gradients | not there yet |
| c | What helps: activation functions, initial weights, optimisers, normalisation, skip connections | not there yet |
| **d** | **Convolutional layers** | [part_d_convolution.ipynb](part_d_convolution.ipynb) |
| e | Pooling, fully connected layers, the whole network | not there yet |
| f | What can go wrong with deep networks | not there yet |

Today only part d exists. It stands on its own: the lecture's idea of a neuron is all it builds on.

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
        print(f"{name:12} {getattr(module, '__version__', 'found')}")
    except ImportError:
        missing.append(name)
        print(f"{name:12} is missing. You need it for: {purpose}.")
if missing:
    print("\nInstall what is missing as the README says. Then choose Kernel, Restart, and run this cell again.")
else:
    print("\nAll there. You can begin.")
