"""The sample class of part d: `python -m grading.samples.part_d` writes it to grading/samples/part_d.

Every student starts from the released notebook. Only the cells that are run when
marking are kept: no text, and nothing to explore.
"""

from __future__ import annotations

import sys
from copy import deepcopy
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from ..masters import released, solutions
from ..handin import grade_id

ASSIGNMENT = "part_d"
FOLDER = Path(__file__).with_name(ASSIGNMENT)
EXERCISES_1_TO_5 = ("cross_correlate", "convolve", "threshold_layer", "output_size", "cross_correlate_general")


class Student:
    """A hand-in in the making."""

    def __init__(self, *solved: str):
        """Start with the released notebook, in which the named exercises and questions are solved."""
        self.release = RELEASE
        cells = [
            deepcopy(cell) for cell in self.release.content.cells
            if cell.cell_type == "code" and "explore" not in cell.metadata.get("tags", ())
        ]  # fmt: skip
        self.notebook = nbformat.v4.new_notebook(cells=cells, metadata=self.release.content.metadata)
        self.file = f"{self.release.notebook}.ipynb"
        for number, cell in enumerate(cells, start=1):
            cell.execution_count = number
        self.stubs = {grade_id(cell): cell.source for cell in cells}
        for name in solved:
            self.cell(name).source = SOLVED[name]

    def cell(self, name: str) -> NotebookNode:
        return next(cell for cell in self.notebook.cells if grade_id(cell) == name)

    def write(self, name: str, body: str) -> None:
        """Replace the last line of the exercise's stub by `body`."""
        head, _, _ = self.stubs[name].rpartition("    raise NotImplementedError")
        self.cell(name).source = head + "\n".join(f"    {line}" for line in body.strip().splitlines())

    def bytes(self) -> bytes:
        return (nbformat.writes(self.notebook) + "\n").encode()


RELEASE = released(ASSIGNMENT)
SOLVED = solutions(ASSIGNMENT)
EVERYTHING = tuple(SOLVED)


def all_right() -> Student:
    return Student(*EVERYTHING)


def half_done() -> Student:
    return Student(*EXERCISES_1_TO_5, "question-1")


def untouched() -> Student:
    return Student()


def turns_the_mask() -> Student:
    """Takes convolution for cross-correlation, and the other way round; the rest follows from it."""
    student = Student(*EVERYTHING)
    student.write("cross_correlate", """
h = h[::-1, ::-1]
rows, columns = x.shape[0] - h.shape[0] + 1, x.shape[1] - h.shape[1] + 1
return np.array([[(x[i:i + len(h), j:j + len(h[0])] * h).sum() for j in range(columns)] for i in range(rows)])""")
    return student


def pads_one_side() -> Student:
    """Puts the zeros at the top and on the left only."""
    student = Student("cross_correlate", "convolve", "threshold_layer", "question-1")
    student.write("output_size", "return (n + padding - dilation * (k - 1) - 1) // stride + 1")
    student.write("cross_correlate_general", """
s, t = stride if isinstance(stride, tuple) else (stride, stride)
p, q = padding if isinstance(padding, tuple) else (padding, padding)
d, e = dilation if isinstance(dilation, tuple) else (dilation, dilation)
x = np.pad(x, ((p, 0), (q, 0)))
rows = (x.shape[0] - d * (h.shape[0] - 1) - 1) // s + 1
columns = (x.shape[1] - e * (h.shape[1] - 1) - 1) // t + 1
y = np.zeros((rows, columns))
for k in range(h.shape[0]):
    for l in range(h.shape[1]):
        y += h[k, l] * x[k * d:, l * e:][::s, ::t][:rows, :columns]
return y""")
    student.cell("question-1").source = 'answer_1 = "B) "'
    return student


def bias_for_each_channel() -> Student:
    """Adds the bias once for each channel, and takes the mean of the places where the sum belongs."""
    student = Student(*EXERCISES_1_TO_5, "mask_as_matrix", "receptive_field", "question-1")
    student.write("conv_layer", """
y = []
for mask, bias in zip(w, b):
    y.append(sum(cross_correlate_general(c, m, stride, padding, dilation) + bias for c, m in zip(x, mask)))
return np.array(y)""")
    student.write("conv_1x1", "return np.tensordot(w, x, axes=(0, 0))")
    student.cell("question-2").source = 'answer_2 = "b"'
    return student


def typo() -> Student:
    """One bracket is missing; it costs this exercise and no other."""
    student = Student(*EVERYTHING)
    student.cell("mask_as_matrix").source = SOLVED["mask_as_matrix"].replace("np.array(neurons)", "np.array(neurons")
    return student


def loops_for_ever() -> Student:
    """A call that never ends, and a cell that never ends."""
    student = Student(*EVERYTHING)
    student.write("output_size", "while n > 0:\n    size = n // stride\nreturn size")
    student.notebook.cells.insert(4, nbformat.v4.new_code_cell("while True:\n    pass", id="waiting"))
    return student


def fakes() -> Student:
    """Has done nothing, and tries to be marked all the same."""
    student = Student()
    student.write("cross_correlate", """
class Right(float):
    __eq__ = __le__ = __ge__ = lambda *_: True
return Right()""")
    student.write("convolve", """
import inspect
for frame in inspect.stack():
    for value in frame.frame.f_locals.values():
        if hasattr(value, "oracle"):
            return value.oracle(x, h)
raise SystemExit(0)""")
    student.write("threshold_layer", """
from torch.nn.functional import conv2d
return (conv2d(x[None, None], h[None, None])[0, 0] >= theta).numpy()""")
    student.write("output_size", "from pnnlib.windows import output_size\nreturn output_size(n, k, stride, padding, dilation)")
    student.write("conv_1x1", "from pnnlib.conv import conv2d\nreturn conv2d(x[None], w[:, :, None, None])[0]")
    student.cell("check-cross_correlate").source = 'print("✓ cross_correlate: right.")\n2.0'
    student.cell("check-conv_layer").source = "class Full:\n    points = 3.0\nFull()"
    student.notebook.cells.insert(1, nbformat.v4.new_code_cell("""
import numpy as np
import pnnlib.exercises.check
pnnlib.exercises.check.diagnose = lambda *_: True
np.allclose = np.array_equal = lambda *_, **__: True
check = check_question = lambda *_: print("✓")
answer_1 = ["a", "b", "c", "d"]""".strip(), id="before"))  # fmt: skip
    student.cell("question-1").source = "pass"
    return student


def copied_cell() -> Student:
    """Copied a cell to try something, and left the copy that was never run."""
    student = Student(*EVERYTHING)
    position = student.notebook.cells.index(student.cell("convolve"))
    copy = nbformat.from_dict(student.cell("convolve"))
    copy.source = "def convolve(x, h):\n    return x"
    copy.id, copy.execution_count = "a-copy", None
    student.notebook.cells.insert(position + 1, copy)
    return student


def deleted_cells() -> Student:
    """Deleted checks and an answer, and wrote another answer into a new cell."""
    student = Student(*EVERYTHING)
    anew = nbformat.v4.new_code_cell(student.cell("conv_1x1").source, id="made-anew")
    student.notebook.cells[student.notebook.cells.index(student.cell("conv_1x1"))] = anew
    for name in ("check-convolve", "check-conv_1x1", "receptive_field"):
        student.notebook.cells.remove(student.cell(name))
    return student


def renamed() -> Student:
    student = Student(*EVERYTHING)
    student.file = "deep learning part d (final) (2).ipynb"
    return student


CLASS = (
    all_right, half_done, untouched, turns_the_mask, pads_one_side, bias_for_each_channel, typo,
    loops_for_ever, fakes, copied_cell, deleted_cells, renamed,
)  # fmt: skip


def write(folder: Path = FOLDER) -> None:
    """Write the class to `folder`."""
    files = {f"{make.__name__}/{student.file}": student.bytes() for make in CLASS for student in [make()]}
    whole = all_right()
    files[f"cut_off/{whole.file}"] = whole.bytes()[:5000]
    files["wrong_file/report.txt"] = b"Dear all, please find my results below.\n"
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


if __name__ == "__main__":
    write(*map(Path, sys.argv[1:]))
