"""The explorables: figures that answer when a number is changed.

    explore_activation          φ, its slope, and which units of a layer hardly learn
    explore_chain               one neuron per layer: what becomes of the error on its way back
    explore_channels            a mask lies on all channels, its parts are added up; many masks make many maps
    explore_cross_correlation   the mask on the input, one window at a time
    explore_pooling             a pattern moves: how many numbers change before pooling, and how many after
    explore_batch_norm          two inputs before and after batch normalisation, in training and in use
    explore_initialisation      a signal through many layers of random weights, and the gradient back
    explore_optimisers          seven rules on their way down one cost surface
    explore_wide_or_deep        units and layers against the straight pieces of what a network computes
    explore_adversarial         a digit, changed along the gradient or by chance: what the network says
    explore_receptive_field     what one neuron sees of the input, through a stack of layers
    explore_augmentation        digits shifted, turned, mirrored …: which transformation keeps the class
    explore_train               a small network learns digits: curves, masks, and each layer's gradient
    explore_flatten             which cell of a map goes to which slot of the vector, and what another size breaks
    explore_dropout             the sub-network of a step, all of them together, and the network in use
    explore_shortcut            a faulty camera: the network goes by it, and how one finds out
    explore_network             any network, layer by layer, and one of its numbers written out, forward and backward
    explore_patch               a pattern that makes a network see what it wants; move it about
    explore_skip                what arrives of a gradient with skip connections and without
    explore_unfold              a recurrent network over a sequence, and the gradient that reaches each step
    show_figure, FigureView     a matplotlib figure with a description in words

`PANELS` names those that are built on `panel.Panel`. Each is imported when it
is first asked for, so that pnnlib itself needs no widgets.

>>> from pnnlib.explore import explore_cross_correlation
>>> explore_cross_correlation().state()["at"]
[0, 0]
"""

from importlib import import_module

_HOME = {
    "explore_activation": "activation",
    "explore_chain": "chain",
    "explore_channels": "channels",
    "explore_cross_correlation": "cross_correlation",
    "explore_pooling": "pooling",
    "explore_batch_norm": "batch_norm",
    "explore_initialisation": "initialisation",
    "explore_optimisers": "optimisers",
    "explore_wide_or_deep": "wide_or_deep",
    "explore_adversarial": "adversarial",
    "explore_receptive_field": "receptive_field",
    "explore_augmentation": "augmentation",
    "explore_train": "train",
    "explore_flatten": "flatten",
    "explore_dropout": "dropout",
    "explore_shortcut": "shortcut",
    "explore_network": "network",
    "explore_patch": "patch",
    "explore_skip": "skip",
    "explore_unfold": "unfold",
    "FigureView": "figure",
    "show_figure": "figure",
}
# Each of them opens without arguments; the tests and the benchmark run over all of them.
PANELS = tuple(name for name in _HOME if name.startswith("explore_") and name != "explore_cross_correlation")
__all__ = sorted([*_HOME, "PANELS"])


def __getattr__(name):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__():
    return __all__
