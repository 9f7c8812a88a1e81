"""The judge's hand inside the kernel: calls a student's function and sends back what came of it.

It shares the process with the student's code, which may do to it what it
likes: no expected value is ever here, so it can only be made to lie about the
student's own answers.
"""

import re
import traceback

import numpy
import wire
from numpy.random import default_rng


def answer(names, request, buffers):
    """Answer one request of the judge: a description and the value, both as the wire wants them.

    Args:
        names: the notebook's namespace.
        request: {"do": "call" or "read", "name": of what, "names": of the positional arguments}.
        buffers: the arguments and the options.
    """
    missing = object()
    found = names.get(request["name"], missing)
    if found is missing:
        return {"kind": "missing"}, []
    try:
        if request["do"] == "read":
            return _returned(found)
        if not callable(found):
            return {"kind": "missing", "error": f"{request['name']} is not a function"}, []
        frames = [bytes(buffer) for buffer in buffers]
        kitchen = Kitchen()
        args, options = wire.decode(frames, kitchen.cook)
        value = found(*args, **options)
        return _returned(value, _changed(frames, args, options, request["names"], kitchen))
    except NotImplementedError as error:
        return {"kind": "not implemented", "error": _one_line(error)}, []
    except BaseException as error:  # SystemExit too: it must not end the kernel
        return {"kind": "raised", "error": _one_line(error)}, []


class Kitchen:
    """Makes the functions and generators of one call, and knows them again."""

    def __init__(self):
        self.made = {}

    def cook(self, recipe):
        kind, *parts = recipe
        if kind == "function":
            name, program = parts
            names = {"np": numpy}
            exec(program, names)
            made = names[name]
            made.__name__ = made.__qualname__ = name
        else:
            made = default_rng(*parts)
        self.made[id(made)] = made, recipe
        return made

    def recipe(self, value):
        made, recipe = self.made.get(id(value), (None, None))
        return recipe if made is value else None


def _returned(value, changed=()):
    return {"kind": "returned", "changed": list(changed)}, wire.encode(value)


def _changed(frames, args, options, names, kitchen):
    """The names of the arguments that are no longer what `frames` holds."""

    def data(value):
        return wire.encode(value, recipe=kitchen.recipe)

    if data((args, options)) == frames:
        return []
    # not `kitchen`: a recipe stays a recipe, whatever became of the object
    old_args, old_options = wire.decode(frames, Recipe)
    pairs = [*zip(names, old_args, args), *((key, old_options[key], options[key]) for key in old_options)]
    return [name for name, old, new in pairs if wire.encode(old, recipe=Recipe.of) != data(new)]


class Recipe:
    def __init__(self, recipe):
        self.recipe = recipe

    @staticmethod
    def of(value):
        return value.recipe if isinstance(value, Recipe) else None


def _one_line(error):
    """The error, and the last line of the notebook's own code that led to it."""
    try:
        text = " ".join(str(error).split())[:300]
    except BaseException:
        text = ""
    lines = [
        line
        for frame, line in traceback.walk_tb(error.__traceback__)
        if re.search(r"/ipykernel_\d+/", frame.f_code.co_filename)
    ]
    where = f" (line {lines[-1]} of your cell)" if lines else ""
    return f"{type(error).__name__}{': ' if text else ''}{text}{where}"
