"""Every hand-in ends with a result and a sentence, costs no more than what it broke, and touches nobody else.

The table below is one class. It is marked once; each of its hand-ins has then to have earned exactly
what it says, and to be told why. `python tests/grading/test_robust.py` prints the table.
"""

import io
import json
import os
import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nbformat
import psutil
import pytest

from grading.limits import Limits
from grading.mark import mark_class
from grading.masters import engine_points
from grading.samples.part_d import EVERYTHING, Student

pytestmark = pytest.mark.jail

# Seconds long enough for an honest call on a busy machine; loops that wait for them mostly sleep.
LIMITS = Limits(seconds=5, memory=600_000_000, disk=30_000_000, processes=40, output=100_000)
FULL = engine_points("part_d")
FILE = "part_d_convolution.ipynb"
HONEST = ("a honest neighbour", "z honest neighbour")  # marked first and last
MARK = "98765"  # seconds that left over processes would sleep: no other process has this number


@dataclass(frozen=True)
class HandIn:
    """One line of the table: `put` writes it, `said` stands in its feedback, `lost` is what it costs."""

    put: Callable[[Path], None]
    said: tuple[str, ...]
    lost: tuple[str, ...] = ()

    @property
    def marks(self):
        return {name: 0.0 if name in self.lost else points for name, points in FULL.items()}


CLASS: dict[str, HandIn] = {}
ALL = tuple(FULL)


def hand_in(*said, lost=()):
    """Add a function to the class: it returns the bytes of the notebook, its making, or several files."""

    def add(make):
        def put(folder):
            made = make()
            for name, content in (made if isinstance(made, dict) else {FILE: made}).items():
                content = content.bytes() if isinstance(content, Student) else content
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(content)

        CLASS[make.__name__] = HandIn(put, said, lost)
        return make

    return add


def right():
    return Student(*EVERYTHING)


def with_cell(source, before="convolve"):
    """Everything right, and one more cell."""
    student = right()
    cell = nbformat.v4.new_code_cell(source, execution_count=99)
    student.notebook.cells.insert(student.notebook.cells.index(student.cell(before)), cell)
    return student


def with_body(name, body):
    """Everything right but one exercise."""
    student = right()
    student.write(name, body)
    return student


def data(student=None):
    """A right notebook as JSON that can be spoilt."""
    return json.loads((student or right()).bytes())


def cell_of(notebook, name):
    return next(cell for cell in notebook["cells"] if cell["metadata"].get("nbgrader", {}).get("grade_id") == name)


def dumped(notebook):
    return json.dumps(notebook).encode()


def zipped(files):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


# Files that are no notebook ---------------------------------------------------------------


@hand_in("is not in the JSON format", lost=ALL)
def not_json():
    return b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj"


@hand_in("cut off when it was saved or uploaded", lost=ALL)
def truncated():
    return right().bytes()[:5000]


@hand_in(f"{FILE} is empty.", lost=ALL)
def empty():
    return b""


@hand_in(f"{FILE} is empty.", lost=ALL)
def nothing_but_null_bytes():
    return b"\0" * 4096


@hand_in("is not in the JSON format", lost=ALL)
def conflict_of_git():
    return right().bytes().replace(b'"cells": [', b'<<<<<<< HEAD\n "cells": [', 1)


@hand_in("is not a notebook", lost=ALL)
def nested_a_hundred_thousand_deep():
    return b'{"cells": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"


@hand_in("it has no list of cells", lost=ALL)
def json_of_something_else():
    return b'{"type": "FeatureCollection", "features": []}'


@hand_in("has 5001 cells; more than 5000 are not marked", lost=ALL)
def too_many_cells():
    return dumped({"nbformat": 4, "cells": [{"cell_type": "code", "source": ""}] * 5001})


@hand_in("There is no notebook, no file that ends in .ipynb, among what was handed in: report.docx", lost=ALL)
def a_report_instead():
    return {"report.docx": b"PK\x03\x04"}


@hand_in("Nothing was handed in: the folder is empty.", lost=ALL)
def nothing():
    return {}


# What a file system may hold --------------------------------------------------------------


def in_folder(*said, lost=()):
    """Add a function that puts into the folder what it likes."""

    def add(put):
        CLASS[put.__name__] = HandIn(put, said, lost)
        return put

    return add


@in_folder(f"{FILE} is not a file but points to one", lost=ALL)
def link_to_a_neighbour(folder):
    (folder / FILE).symlink_to(folder.parent / HONEST[0] / FILE)


@in_folder("neighbours is not a file but points to one", lost=ALL)
def link_to_the_class(folder):
    (folder / "neighbours").symlink_to(folder.parent)


@in_folder(f"{FILE} is not a file but points to one, or to a device.", lost=ALL)
def pipe(folder):
    os.mkfifo(folder / FILE)


@in_folder("is larger than 50 MB; clear its outputs", lost=ALL)
def larger_than_any_notebook(folder):
    with (folder / FILE).open("wb") as file:
        file.truncate(60_000_000)


# Zips -------------------------------------------------------------------------------------


@hand_in(f"who handed in {FILE}")
def packed():
    return {"work.zip": zipped({f"my work/{FILE}": right().bytes(), "__MACOSX/._x.ipynb": b"\0"})}


@hand_in("evil.ipynb points to a place outside of the folder.", lost=ALL)
def zip_that_climbs_out():
    return {"work.zip": zipped({"../../evil.ipynb": right().bytes()})}


@hand_in("evil.ipynb points to a place outside of the folder.", lost=ALL)
def zip_from_the_root():
    return {"work.zip": zipped({"/etc/evil.ipynb": right().bytes()})}


@hand_in("x.ipynb is not a file but points to one", lost=ALL)
def zip_with_a_link():
    info = zipfile.ZipInfo("x.ipynb")
    info.external_attr = 0o120777 << 16
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(info, "/etc/passwd")
    return {"work.zip": packed.getvalue()}


@hand_in("x.ipynb is larger than 50 MB", lost=ALL)
def zip_bomb():
    return {"work.zip": zipped({"x.ipynb": b"0" * 60_000_000})}


@hand_in("x.ipynb cannot be opened.", lost=ALL)
def zip_bomb_that_lies_about_its_size():
    packed = bytearray(zipped({"x.ipynb": b" " * 60_000_000}))
    at = packed.rindex(b"PK\x01\x02") + 24  # its size, in the directory at the end
    packed[at : at + 4] = (1000).to_bytes(4, "little")
    return {"work.zip": bytes(packed)}


@hand_in("There are 200 notebooks, of which only 50 were looked into.", lost=ALL)
def zip_of_many():
    return {"work.zip": zipped({f"{number}.ipynb": b"{" for number in range(200)})}


@hand_in("holds 6000 files; more than 5000 are not looked through", lost=ALL)
def zip_of_too_many():
    return {"work.zip": zipped(dict.fromkeys(map(str, range(6000)), b""))}


@hand_in("inner.zip lies packed in another zip; hand in the notebook itself.", lost=ALL)
def zip_in_a_zip():
    return {"work.zip": zipped({"inner.zip": zipped({FILE: right().bytes()})})}


@hand_in(f"{FILE} is locked with a password.", lost=ALL)
def zip_with_a_password():
    packed = bytearray(zipped({FILE: right().bytes()}))
    for start, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        packed[packed.index(start) + flags] |= 1
    return {"work.zip": bytes(packed)}


@hand_in("work.zip cannot be opened.", lost=ALL)
def zip_cut_off():
    return {"work.zip": zipped({FILE: right().bytes()})[:3000]}


# Notebooks that are written in another way ------------------------------------------------


@hand_in("20 of 20 points", "who handed in my work (final) (2).ipynb")
def renamed_with_byte_order_mark_and_ends_of_windows():
    student = right()
    for cell in student.notebook.cells:
        cell.source = cell.source.replace("\n", "\r\n")
    content = b"\xef\xbb\xbf" + student.bytes().replace(b"\n", b"\r\n")
    return {"deep/down/my work (final) (2).ipynb": content}


@hand_in(
    "is written in UTF-16 instead of UTF-8; it was read all the same",
    "It asks for a kernel of julia; it was run with Python.",
)
def utf_16_and_a_kernel_of_another_language():
    notebook = data()
    notebook["metadata"]["kernelspec"] = {"name": "julia-1.9", "language": "julia", "display_name": "Julia"}
    return json.dumps(notebook).encode("utf-16")


@hand_in("is not written in UTF-8; characters that cannot be read were replaced", f"who handed in {FILE}.txt")
def latin_1_taken_for_text_by_the_browser():
    student = right()
    student.cell("convolve").source += "\n# für später"
    return {f"{FILE}.txt": nbformat.writes(student.notebook, ensure_ascii=False).encode("latin-1")}


@hand_in("A cell held null bytes or half a character", "ended in bytes that are no text; they were left out")
def half_characters_and_null_bytes():
    notebook = data()
    for name, line in (("convolve", "# \ud83d\n"), ("conv_1x1", "# \0\n")):
        cell_of(notebook, name)["source"] = [line, *cell_of(notebook, name)["source"]]
    return dumped(notebook).replace(b"\\u0000", b"\0") + b"\0" * 1000


@hand_in("has 23 MB because of its outputs", "A cell with 3000000 characters was left out")
def twenty_megabytes_of_output_and_three_of_numbers_pasted_in():
    student = with_cell("x = 0".ljust(3_000_000, "0"))
    student.cell("convolve").outputs = [nbformat.v4.new_output("stream", text="x" * 20_000_000)]
    return student


@hand_in("It was saved in an old format of notebooks and was converted.")
def format_3():
    cells = [
        {"cell_type": "code", "language": "python", "input": cell.source, "prompt_number": number, "collapsed": False,
         "metadata": cell.metadata, "outputs": [{"output_type": "pyout", "nonsense": True}]}
        for number, cell in enumerate(right().notebook.cells)
    ]  # fmt: skip
    return dumped({"nbformat": 3, "nbformat_minor": 0, "metadata": {"name": ""}, "worksheets": [{"cells": cells}]})


@hand_in("nbgrader's metadata in another version", "There are cells of another assignment (check-relu, relu)")
def foreign_cells_and_metadata_of_schema_2():
    student = right()
    for name, source in (("relu", "def relu(net):\n    return net"), ("check-relu", "check(relu)")):
        metadata = {"nbgrader": {"grade_id": name, "grade": True, "solution": False, "locked": True, "points": 99}}
        student.notebook.cells.insert(3, nbformat.v4.new_code_cell(source, metadata=metadata))
    notebook = data(student)
    for cell in notebook["cells"]:
        if "nbgrader" in cell["metadata"]:
            old = cell["metadata"]["nbgrader"]
            cell["metadata"]["nbgrader"] = {key: old[key] for key in ("grade_id", "grade", "solution", "locked")}
            cell["metadata"]["nbgrader"]["schema_version"] = 2
    return dumped(notebook)


@hand_in("5 of its cells are no cells of a notebook and were left out.")
def cells_that_are_none():
    notebook = data()
    notebook["cells"] += [3, None, "text", [], True, {}, {"cell_type": "code", "metadata": 7, "source": {"a": 1}}]
    notebook["metadata"] = ["none"]
    for cell in notebook["cells"][:3]:
        cell |= {"outputs": "none", "execution_count": "first", "id": 7}
    return dumped(notebook)


# Names and numbers of files ---------------------------------------------------------------


@hand_in(f"There were 3 notebooks (notes.ipynb, old.ipynb, {FILE}); {FILE} was marked.")
def several():
    return {"old.ipynb": Student(), FILE: right(), "notes.ipynb": b'{"cells": []}', "broken.ipynb": b"{"}


@hand_in("and others); they were run, but earn nothing here", lost=ALL)
def another_assignment():
    return (Path(__file__).parents[2] / "notebooks" / "part_a_why_deep.ipynb").read_bytes()


# Cells that are not where or what they were -----------------------------------------------


@hand_in("There were 3 cells of convolve; the last one that was run counts.")
def duplicate_cells():
    student = right()
    cells, cell = student.notebook.cells, student.cell("convolve")
    for source in ("def convolve(x, h):\n    return x", "def convolve(x, h):\n    return [h]"):
        copy = nbformat.from_dict(cell | {"id": f"copy-{len(source)}", "source": source, "execution_count": None})
        cells.insert(cells.index(cell) + 1, copy)
    cells.append(nbformat.from_dict(student.cell("check-conv_layer") | {"id": "again"}))
    return student


@hand_in("The cell of conv_1x1 is missing.", lost=["conv_1x1"])
def missing_cell():
    student = right()
    student.notebook.cells.remove(student.cell("conv_1x1"))
    return student


@hand_in("The check cell of convolve was deleted; it was put back.", "The cell with the imports was changed or deleted")
def missing_checks_and_imports():
    student = right()
    student.notebook.cells[0].source = "import seaborn as sns\n" + student.notebook.cells[0].source
    student.notebook.cells = [c for c in student.notebook.cells if not str(c.get("id")).startswith("check-")]
    return student


@hand_in("it needs something that stands below it")
def reordered_cells():
    student = right()
    student.notebook.cells.reverse()
    return student


@hand_in("The cell of convolve was replaced; the answer was found in another cell.")
def cells_without_metadata():
    student = right()
    for cell in student.notebook.cells:
        cell.metadata = {}
    return student


# Cells that are no Python, or go wrong ----------------------------------------------------


@hand_in("20 of 20 points")
def magics_and_shell():
    student = with_cell("!pip install torch\n!echo hello > note.txt\nfiles = !ls\n%time x = 1\n%no_such_magic")
    student.notebook.cells.insert(0, nbformat.v4.new_code_cell("%reset -f\n%load_ext autoreload\n%autoreload 2"))
    student.notebook.cells.insert(3, nbformat.v4.new_code_cell("%%bash\ncat /no/such/file\nexit 3"))
    student.cell("convolve").source = "%cd /tmp\n" + student.cell("convolve").source + "\n!ls"
    return student


@hand_in("20 of 20 points")
def cells_that_stop():
    student = with_cell("raise SystemExit(1)")
    for source in ("1 / 0", "raise KeyboardInterrupt", "quit()", "exit(3)", "import sys; sys.exit()",
                   "await 3", "import IPython\nIPython.Application.instance().kernel.do_shutdown(True)", "answer = input('name? ')", "class E(BaseException):\n    __str__ = None\nraise E"):  # fmt: skip
        student.notebook.cells.insert(3, nbformat.v4.new_code_cell(source))
    return student


@hand_in(
    "NameError: name 'helper' is not defined", "its cell stopped with SyntaxError", "input requests",
    lost=["convolve", "conv_1x1", "receptive_field"],
)  # fmt: skip
def answers_that_stop():
    student = with_cell("this is no Python")
    student.write("convolve", "return helper(x, h)")
    student.cell("conv_1x1").source += "\n    return (x"
    student.cell("receptive_field").source = "size = int(input('? '))\n" + student.cell("receptive_field").source
    return student


# Kernels that die, and those that do not end ----------------------------------------------


@hand_in(
    'The cell that begins with "import os" could not be run to its end (the kernel ended',
    'The cell that begins with "import ctypes" could not be run to its end (the kernel ended',
)
def ends_the_kernel_and_crashes_it():
    student = with_cell("import os\nos._exit(0)")
    student.notebook.cells.append(nbformat.v4.new_code_cell("import ctypes\nctypes.string_at(0)"))
    return student


@hand_in("the kernel ended", lost=["conv_1x1"])
def ends_the_kernel_in_a_call():
    return with_body("conv_1x1", "import os\nos._exit(1)")


@hand_in(
    "it took more than 0.6 GB of memory", "did not come to an end: stopped after 5 seconds", lost=["conv_1x1", "receptive_field"]
)
def out_of_memory_and_out_of_time_in_calls():
    student = with_body("conv_1x1", """
import time
blocks = []
while True:
    blocks.append(np.ones(2_500_000))
    time.sleep(0.01)""")
    student.write("receptive_field", "import time\ntime.sleep(10_000)")
    return student


@hand_in(
    'that begins with "import signal, time" could not be run to its end (stopped after 5 seconds); the rest was judged without it',
    'that begins with "import sys, time" could not be run to its end (stopped after 5 seconds)',
    "it started more than 40 processes",
)
def cells_that_never_end():
    student = with_cell("""
import signal, time
signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
while True:  # whatever interrupts it
    try:
        time.sleep(0.1)
    except BaseException:
        pass""".strip())
    endless_output = "import sys, time\nwhile True:\n    print('spam ' * 100_000)\n    time.sleep(0.05)"
    processes = f"import subprocess\nall = [subprocess.Popen(['sleep', '{MARK}']) for _ in range(200)]\ninput()"
    student.notebook.cells += [nbformat.v4.new_code_cell(source) for source in (endless_output, processes)]
    return student


@hand_in("20 of 20 points")
def fills_the_disk_and_leaves_processes_behind():
    student = with_cell(f"""
import os, subprocess, threading, time
subprocess.Popen(["sleep", "{MARK}"], start_new_session=True)
if os.fork() == 0:
    os.setsid()
    time.sleep({MARK})
threading.Thread(target=lambda: [print("still here") or time.sleep(0.05) for _ in iter(int, 1)]).start()""".strip())
    full = "for name in range(9):\n    open(f'{name}.bin', 'wb').write(bytes(10_000_000))"
    student.notebook.cells.append(nbformat.v4.new_code_cell(full))
    return student


# What is right earns its marks, whatever noise surrounds it --------------------------------


@hand_in("20 of 20 points")
def noise():
    student = with_cell("""
import torch, tensorflow, keras, sklearn, pnnlib, matplotlib
import os, sys, warnings
warnings.warn("old")
print("to the other stream", file=sys.stderr)
for i in range(2000):
    print(f"{i} of 2000", end="\\r")
os.environ.clear()
os.chdir("/")
np.set_printoptions(precision=1)
np.random.seed(0)
sys.stdout = sys.stderr = None""".strip())
    student.cell("convolve").source += "\nprint(convolve(np.eye(3), np.eye(2)))\nnp.float64(1) / 0"
    student.write("output_size", """
import warnings
warnings.warn("careful")
print("n =", n)
np.array([1.0]) / 0
return (n + 2 * padding - dilation * (k - 1) - 1) // stride + 1""")
    return student


@hand_in("20 of 20 points", "list")
def numbers_of_numpy_and_lists_instead_of_arrays():
    student = with_body("output_size", "return np.int64((n + 2 * padding - dilation * (k - 1) - 1) // stride + 1)")
    student.cell("question-1").source += "\nanswer_1 = np.str_(answer_1)"
    student.cell("convolve").source += "\n_convolve = convolve\ndef convolve(x, h):\n    return _convolve(x, h).tolist()"
    return student


# The class ----------------------------------------------------------------------------------


def mark_everybody(place):
    for name, case in CLASS.items():
        folder = place / "class" / name
        folder.mkdir(parents=True)
        case.put(folder)
    for name in HONEST:
        folder = place / "class" / name
        folder.mkdir()
        (folder / FILE).write_bytes(right().bytes())
    before = {path: path.stat().st_mtime_ns for path in (place / "class").rglob("*")}
    results = mark_class("part_d", place / "class", place / "out", workers=2, secret="robust", limits=LIMITS)
    assert {path: path.stat().st_mtime_ns for path in (place / "class").rglob("*")} == before
    return {result.student: result for result in results}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("robust")


@pytest.fixture(scope="module")
def marked(place):
    return mark_everybody(place)


def feedback(place, student):
    page = (place / "out" / "feedback" / student / FILE.replace("ipynb", "html")).read_text(encoding="utf-8")
    text = re.sub(r"<[^>]*>", "", page.partition("<body>")[2])
    return text.replace("&#34;", '"').replace("&#39;", "'").replace("&lt;", "<").replace("&gt;", ">")


def test_everybody_has_a_result(marked):
    assert sorted(marked) == sorted([*CLASS, *HONEST])
    assert {name: result.fault for name, result in marked.items() if result.fault} == {}


@pytest.mark.parametrize("student", CLASS)
def test_it_costs_what_it_broke(marked, student):
    assert {v.exercise: v.points for v in marked[student].verdicts} == CLASS[student].marks, marked[student].notes


@pytest.mark.parametrize("student", CLASS)
def test_it_is_told_why(place, marked, student):
    text = feedback(place, student)
    assert [said for said in CLASS[student].said if said not in text] == []


@pytest.mark.parametrize("student", CLASS)
def test_what_was_lost_has_a_sentence(marked, student):
    assert all(v.sentence for v in marked[student].verdicts)


@pytest.mark.parametrize("student", HONEST)
def test_the_neighbours_keep_their_marks(place, marked, student):
    assert {v.exercise: v.points for v in marked[student].verdicts} == FULL
    assert marked[student].notes == [] and "20 of 20 points" in feedback(place, student)


def test_nothing_is_left_behind(marked):
    left = [p.info["cmdline"] for p in psutil.process_iter(["cmdline"]) if MARK in " ".join(p.info["cmdline"] or ())]
    assert left == []


def test_feedback_and_evidence_stay_small(place, marked):
    """Twenty megabytes that were handed in are not handed on."""
    sizes = {path: path.stat().st_size for path in (place / "out").rglob("*") if path.is_file()}
    assert {str(path): size for path, size in sizes.items() if size > 1_000_000} == {}


def table(place, marked):
    lines = ["| hand-in | points | it is told |", "|---|---:|---|"]
    for name, case in CLASS.items():
        result, told = marked[name], []
        for said in case.said:
            sentence = next(line.strip() for line in feedback(place, name).splitlines() if said in line)
            told.append(sentence if len(sentence) < 200 else f"… {said} …")
        told = " ".join(dict.fromkeys(told)).replace("|", "\\|")
        lines.append(f"| {name.replace('_', ' ')} | {result.score:g} of {result.max_score:g} | {told} |")
    return "\n".join(lines)


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        print(table(Path(folder), mark_everybody(Path(folder))))
