"""`my_answers`: a student's functions out of another notebook of theirs.

A notebook is a list of cells, and only some of them make an answer. Of those
between, what may be needed is taken, and nothing else is run:

    a graded answer                     run as it is
    imports, functions, classes and     run, from every other cell of the student's
    values that are given a name
    checks, questions and their cells   not run
    cells tagged "explore"              not run, as when marking

So a helper that stands in a cell of its own is there, and no training starts anew.
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
import linecache
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from .calling import OutOfTime, one_line, time_limit
from .check import PARTS, exercises_of

# What is run of a cell that is no answer.
_DEFINITIONS = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign)


def my_answers(notebook: str | os.PathLike, seconds: float = 5.0) -> dict[str, Callable]:
    """Return your functions out of another notebook, by the names of the exercises, and say which there are.

    Left out is what is not written yet, and what stops when its cell is run. A file
    that is not there or cannot be read gives none.

    Args:
        notebook: its path; a name alone is a file beside this notebook.
        seconds: a cell that takes longer is stopped.

    >>> my_answers("part_z.ipynb")
    my_answers: there is no file part_z.ipynb here. Put your notebook beside this one, or give its path.
    {}
    """
    path = Path(notebook).expanduser()
    try:
        cells = _cells(path)
    except FileNotFoundError:
        print(f"my_answers: there is no file {path} here. Put your notebook beside this one, or give its path.")
        return {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        print(f"my_answers: {path} cannot be read as a notebook ({one_line(error, None)}). Save it anew from Jupyter.")
        return {}
    scope, answers, left_out = {"__name__": "__main__"}, {}, {}
    for number, (graded, source) in enumerate(cells):
        filename = f"<{path.name}, {graded or f'cell {number}'}>"
        try:
            tree = _parsed(source, filename)
        except SyntaxError as error:
            if graded:
                left_out[graded] = f"{type(error).__name__} in its cell"
            continue
        mine = {name: node for node in tree.body for name in _answers_in(node, graded)}
        stopped = _run(tree, filename, scope, seconds, whole=bool(graded or mine))
        for name, node in mine.items():
            answers.pop(name, None)  # of copies, the last counts
            left_out.pop(name, None)
            if _is_stub(node):
                left_out[name] = "not written yet"
            elif stopped:
                left_out[name] = f"its cell stops with {stopped}"
            elif callable(scope.get(name)):
                answers[name] = scope[name]
    print(f"{path.name}: {_in_words(answers, left_out)}.")
    return answers


def _in_words(answers: dict, left_out: dict[str, str]) -> str:
    said = [f"yours are {', '.join(answers)}" if answers else "there is no function of yours in it"]
    for why in dict.fromkeys(left_out.values()):
        said.append(f"{why}: {', '.join(name for name in left_out if left_out[name] == why)}")
    return "; ".join(said)


def _cells(path: Path) -> list[tuple[str, str]]:
    """The code cells that may be run, as (grade_id of an answer or "", source)."""
    found = []
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        metadata = cell.get("metadata", {})
        marked = metadata.get("nbgrader", {})
        name = marked.get("grade_id", "") if marked.get("solution") else ""
        if cell["cell_type"] != "code" or marked.get("grade") or name.startswith("question-"):
            continue
        if "explore" in metadata.get("tags", []):
            continue
        found.append((name, "".join(cell["source"])))
    return found


def _parsed(source: str, filename: str) -> ast.Module:
    """The cell as Python, without Jupyter's own lines such as `%time` or `!ls`."""
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)  # for tracebacks
    try:
        return ast.parse(source, filename)
    except SyntaxError:
        lines = ["" if line.lstrip().startswith(("%", "!", "?")) else line for line in source.splitlines()]
        return ast.parse("\n".join(lines), filename)


def _answers_in(node: ast.stmt, graded: str) -> Iterator[str]:
    """The names of exercises that a line at the top of a cell defines; its cell may have lost what marks it."""
    names = [node.name] if isinstance(node, ast.FunctionDef) else []
    if graded and isinstance(node, ast.Assign):  # a lambda, or another name for a function
        names = [target.id for target in node.targets if isinstance(target, ast.Name)]
    yield from (name for name in names if name == graded or any(name in exercises_of(part) for part in PARTS))


def _is_stub(node: ast.stmt) -> bool:
    """Whether a function does nothing but raise NotImplementedError."""
    body = node.body if isinstance(node, ast.FunctionDef) else []
    body = [n for n in body if not (isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant))]
    raised = body[0].exc if body and isinstance(body[0], ast.Raise) else None
    raised = raised.func if isinstance(raised, ast.Call) else raised
    return isinstance(raised, ast.Name) and raised.id == "NotImplementedError"


def _run(tree: ast.Module, filename: str, scope: dict, seconds: float, whole: bool) -> str:
    """Run a cell, or only what it defines, without its output; return what stopped it, or ""."""
    parts = [tree.body] if whole else [[node] for node in tree.body if isinstance(node, _DEFINITIONS)]
    stopped = ""
    for body in parts:
        code = compile(ast.Module(body, []), filename, "exec")
        try:
            with contextlib.redirect_stdout(io.StringIO()), time_limit(seconds):
                exec(code, scope)
        except OutOfTime:
            stopped = f"no end in sight after {seconds:g} seconds"
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # SystemExit among them
            stopped = one_line(error, None)
    return stopped
