"""torch, pnnlib and whatever else is absent where exercises are marked: it can be imported, and says so when used.

A leftover import must not cost marks, and the answer must not be on the disk.
One kind of object stands in for every module, class and function of it.
"""

import importlib.abc
import importlib.machinery
import sys
import types

# Set-up and checks that a student leaves in a cell; they do nothing for an answer.
HARMLESS = {
    "manual_seed", "set_default_dtype", "set_printoptions", "set_num_threads", "is_available",
    "device", "seed", "set_grad_enabled", "use_deterministic_algorithms",
    "check", "check_question", "show_figure", "draw", "use_mine", "use_library", "whose",
}  # fmt: skip


class NotAvailable(Exception):
    """Shown to the student in the feedback."""


class StandIn(types.ModuleType):
    """A module, class or function of a library that is not there."""

    def __init__(self, name):
        super().__init__(name)
        self.__path__ = []

    def __getattr__(self, name):
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        child = StandIn(f"{self.__name__}.{name}")
        setattr(self, name, child)  # torch.float64 is torch.float64
        return child

    def __call__(self, *args, **kwargs):
        name = self.__name__.rpartition(".")[2]
        if name in HARMLESS or name.startswith("explore_"):
            return None
        raise NotAvailable(f"{self.__name__} is not available where exercises are marked: write it in NumPy")

    def __instancecheck__(self, instance):
        return False

    def __mro_entries__(self, bases):  # class Net(torch.nn.Module) in a leftover cell
        return ()

    def __or__(self, other):  # a type hint such as torch.Tensor | None
        return self

    __ror__ = __getitem__ = __or__

    def __repr__(self):
        return f"<{self.__name__}, not available where exercises are marked>"


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds every module that is not there, and what would be in it."""

    def __init__(self, names):
        self.names = names

    def find_spec(self, name, path=None, target=None):
        if any(name == absent or name.startswith(f"{absent}.") for absent in self.names):
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec):
        return StandIn(spec.name)

    def exec_module(self, module):
        pass


def install(names):
    sys.meta_path.insert(0, Finder(names))
