"""The judge's hand inside the kernel: calls a student's function and sends back what came of it.

It shares the process with the student's code, which may do to it what it
likes: no expected value is ever here, so it can only be made to lie about the
student's own answers.
"""

import json
import sys
import traceback

import wire


def call(request):
    """Answer one request of the judge; both are JSON texts."""
    name, args, options, names = json.loads(request)
    function = _user_names().get(name)
    if not callable(function):
        return json.dumps({"kind": "missing"})
    values, keywords = wire.decode(args), wire.decode(options)
    try:
        result = function(*values, **keywords)
    except NotImplementedError:
        return json.dumps({"kind": "not implemented"})
    except BaseException as error:
        return json.dumps({"kind": "raised", "error": _one_line(error)})
    changed = []
    if wire.encode(values) != args or wire.encode(keywords) != options:
        before, old = wire.decode(args), wire.decode(options)
        pairs = [*zip(names, before, values), *((key, old[key], keywords.get(key)) for key in old)]
        changed = [label for label, a, b in pairs if wire.encode(a) != wire.encode(b)]
    return json.dumps({"kind": "returned", "value": wire.encode(result), "changed": changed})


def read(name):
    """Send back the value of a variable."""
    names = _user_names()
    if name not in names:
        return json.dumps({"kind": "missing"})
    return json.dumps({"kind": "returned", "value": wire.encode(names[name]), "changed": []})


def _user_names():
    from IPython import get_ipython

    return get_ipython().user_ns


def _one_line(error):
    """The error and the last line of the notebook that led to it."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f.lineno for f in frames if "ipykernel" in f.filename and "site-packages" not in f.filename]
    text = " ".join(str(error).split())[:300]
    where = f" (line {own[-1]} of your cell)" if own else ""
    return f"{type(error).__name__}{': ' if text else ''}{text}{where}"


sys.modules["_judge_harness"] = sys.modules[__name__]
