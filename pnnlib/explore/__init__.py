"""The explorables: figures that answer when a number is changed.

    explore_activation          φ, its slope, and which units of a layer hardly learn
    explore_chain               one neuron per layer: what becomes of the error on its way back
    explore_cross_correlation   the mask on the input, one window at a time
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
    "explore_cross_correlation": "cross_correlation",
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
