"""Every component of the lecture *Deep Discriminative Neural Networks*, in NumPy.

One module per idea: `activations`, `windows`, `conv`, … Each component is a
function and, right below it, its backward. `exercises` holds what students
implement and how it is checked, `explore` the interactive figures, `bridge`
the comparison with PyTorch. Importing pnnlib needs NumPy only.
"""

__version__ = "0.1.0"
