"""How fast a class is marked, in turns with plain `nbgrader autograde` on the same hand-ins.

    make bench-mark ARGS="--hand-ins 60 --block 6"

Both get the released notebook of part d, filled in: the same students, block by
block, first one, then the other. Plain nbgrader is nbgrader as it comes: it runs
the whole notebook with its checks, which need PyTorch in every kernel, in the
open. The ratio is of hand-ins per minute.
"""

import argparse
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat

from grading.build import build
from grading.handin import grade_id
from grading.masters import released, solutions
from grading.wheats import wheats_of

ASSIGNMENT = "part_d"
ROOT = Path(__file__).resolve().parents[1]
PLAIN = """c = get_config()
c.CourseDirectory.course_id = "plain"
c.ClearSolutions.enforce_metadata = False
c.ExecutePreprocessor.timeout = 120
"""

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--hand-ins", type=int, default=60)
parser.add_argument("--block", type=int, default=6, help="hand-ins that each marks before it is the other's turn")
parser.add_argument("--workers", type=int, default=os.cpu_count())
parser.add_argument("--plain", type=int, default=12, help="hand-ins that nbgrader marks, too; it takes long")


def class_of(count, folder):
    """Write hand-ins: a third all right, a third half done, a third with a wrong answer or two; none like another."""
    release, right = released(ASSIGNMENT), solutions(ASSIGNMENT)
    exercises = list(wheats_of(ASSIGNMENT))
    draw = random.Random(0)
    for number in range(count):
        notebook = nbformat.from_dict(nbformat.reads(nbformat.writes(release.content), 4))
        done = set(right) if number % 3 != 1 else set(list(right)[: draw.randrange(3, len(right))])
        spoilt = set(draw.sample(exercises, draw.randrange(1, 3))) if number % 3 == 2 else set()
        for position, cell in enumerate(notebook.cells):
            name = grade_id(cell)
            if name in done:
                cell.source = f"{right[name]}\n# student {number}"
            if name in spoilt:
                cell.source += f"\n_right = {name}\ndef {name}(*args, **options):\n    return _right(*args, **options) * 2"
            if cell.cell_type == "code":
                cell.execution_count = position
        path = folder / f"student{number:03}" / f"{release.notebook}.ipynb"
        path.parent.mkdir(parents=True)
        nbformat.write(notebook, path)
    return folder


def plain_course(folder):
    """nbgrader's own course with the same assignment, released and graded by nbgrader's defaults."""
    build(course=folder / "ours", notebooks=folder / "notebooks")
    course = folder / "plain"
    shutil.copytree(folder / "ours" / "source" / ASSIGNMENT, course / "source" / ASSIGNMENT)
    (course / "nbgrader_config.py").write_text(PLAIN)
    nbgrader(course, "generate_assignment", ASSIGNMENT, "--force")
    return course


def nbgrader(course, *command):
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return run([sys.executable, "-m", "nbgrader", *command], course, {"PATH": path, "PYTHONPATH": str(ROOT)})


def run(command, cwd, settings=()):
    """Run a command, and return the seconds that it took and those of all processors together."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, env=os.environ | dict(settings), capture_output=True, text=True, check=False
    )
    taken, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{done.stderr[-3000:]}")
    return taken, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def mark(students, out, workers):
    return run(
        [sys.executable, "-m", "grading", "mark", ASSIGNMENT, "--from", students, "--to", out, "--workers", workers], ROOT
    )


def students_own(folder):
    """Seconds that the students' own cells take, with each function called on nothing: what no marker can save."""
    start = time.process_time()
    for path in sorted(folder.rglob("*.ipynb")):
        names = {"check": lambda *_: None, "check_question": lambda *_, **__: None}
        for cell in nbformat.read(path, 4).cells:
            if cell.cell_type == "code" and "explore" not in cell.metadata.get("tags", ()) and "check" not in cell.source:
                exec(cell.source, names)
    return time.process_time() - start


def main():
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        place = Path(place)
        students = class_of(arguments.hand_ins, place / "class")
        plain = plain_course(place)
        folders = sorted(students.iterdir())

        ratios = []
        for number in range(0, arguments.plain, arguments.block):
            block = folders[number : number + arguments.block]
            some = place / f"block{number}"
            for folder in block:
                shutil.copytree(folder, some / folder.name)
                shutil.copytree(folder, plain / "submitted" / folder.name / ASSIGNMENT)
            ours, _ = mark(some, place / f"out{number}", arguments.workers)
            theirs, _ = nbgrader(plain, "autograde", ASSIGNMENT)  # without those that it has marked already
            ratios.append(theirs / ours)
            print(f"block of {len(block)}: ours {ours:6.1f} s, plain nbgrader {theirs:6.1f} s, ratio {theirs / ours:.1f}", flush=True)
        taken, cpu = mark(students, place / "all", arguments.workers)
        again, _ = mark(students, place / "all", arguments.workers)
        count = arguments.hand_ins
        print(f"the whole class of {count}: {taken:.1f} s, {60 * count / taken:.0f} a minute, "
              f"processor time {cpu / count:.2f} s each (the students' own cells: {students_own(students) / count:.3f} s)")
        print(f"the same class again, unchanged: {again:.1f} s")
        if ratios:
            print(f"throughput against plain nbgrader, block by block: {', '.join(f'{r:.1f}' for r in ratios)}")


if __name__ == "__main__":
    main()
