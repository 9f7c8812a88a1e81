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

The place need not be a place in space. In a recording, a word is the same word a second later. Here is a signal of that sort: one short pattern, at two moments, with some noise.
"""
