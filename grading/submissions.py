"""A folder of hand-ins, sorted by student.

    class/ada/part_d_convolution.ipynb      a folder for each student, any file name
    class/boris.ipynb                       or a file for each student
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from nbformat import NotebookNode

from .handin import Unreadable, grade_id, read

# what systems and editors put beside a notebook
IGNORED = {"__MACOSX", "__pycache__", ".ipynb_checkpoints", ".git", ".svn", ".Trash"}


@dataclass(frozen=True)
class Submission:
    """What one student handed in; `files` are its notebooks, `others` the names of all other files."""

    student: str
    files: list[Path] = field(default_factory=list)
    others: list[str] = field(default_factory=list)


def submissions_in(folder: Path) -> list[Submission]:
    """One submission for every student in `folder`, also for those who handed in nothing.

    Links are not followed: whoever handed one in could have pointed it anywhere.

    Raises:
        FileNotFoundError: if there is no such folder, or nobody in it.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"There is no folder {folder}.")
    found: dict[str, Submission] = {}
    for entry in sorted(folder.iterdir()):
        folder_of_a_student = entry.is_dir() and entry.name not in IGNORED  # whatever the name begins with
        if _ignored(entry.name) and not folder_of_a_student:
            continue
        if entry.is_dir() and not entry.is_symlink():
            _collect(entry, found.setdefault(as_text(entry.name), Submission(as_text(entry.name))))
        elif entry.suffix.lower() == ".ipynb" or entry.is_symlink():
            student = as_text(entry.stem)
            _sort_in(entry, entry.name, found.setdefault(student, Submission(student)))
    if not found:
        raise FileNotFoundError(
            f"There is no hand-in in {folder}. It should hold a folder for each student, with a notebook in it."
        )
    return list(found.values())


def choose(submission: Submission, master_name: str, graded: set[str]) -> tuple[Path, NotebookNode, list[str]]:
    """The notebook that counts, its content, and notes on the choice.

    Of several it is the one with the released name, else the one with the most graded cells.

    Args:
        submission: of one student.
        master_name: the released file's name without .ipynb.
        graded: names of the graded cells.

    Raises:
        Unreadable: when there is none.
    """
    readable, faults = [], []
    for path in submission.files:
        try:
            content = read(path)
        except (Unreadable, OSError) as error:
            faults.append(str(error) if isinstance(error, Unreadable) else f"{path.name} cannot be opened.")
            continue
        cells = len({grade_id(cell) for cell in content.cells} & graded)
        # most cells first among equals by name; the path makes the choice the same every time
        readable.append((path.stem != master_name or not cells, -cells, str(path), path, content))
    if not readable:
        raise Unreadable(" ".join(faults) or _nothing(submission))
    _, _, _, path, content = min(readable, key=lambda item: item[:3])
    notes = faults
    if len(readable) > 1:
        names = ", ".join(sorted(as_text(item[3].name) for item in readable))
        notes = [*faults, f"There were {len(readable)} notebooks ({names}); {as_text(path.name)} was marked."]
    return path, content, notes


def _nothing(submission: Submission) -> str:
    if not submission.others:
        return "Nothing was handed in: the folder is empty."
    names = ", ".join(submission.others[:5])
    return f"There is no notebook, no file that ends in .ipynb, among what was handed in: {names}."


def _collect(folder: Path, into: Submission) -> None:
    for place, folders, files in os.walk(folder, followlinks=False):
        folders[:] = sorted(name for name in folders if not _ignored(name))
        links = [name for name in folders if (Path(place) / name).is_symlink()]
        for name in sorted([*files, *links]):
            if not _ignored(name):
                _sort_in(Path(place) / name, name, into)


def _sort_in(path: Path, name: str, into: Submission) -> None:
    if path.is_symlink() or not path.is_file():
        into.others.append(f"{as_text(name)} (not a file)")
    elif path.suffix.lower() == ".ipynb":
        into.files.append(path)
    else:
        into.others.append(as_text(name))


def _ignored(name: str) -> bool:
    return name.startswith((".", "~")) or name in IGNORED


def as_text(name: str) -> str:
    """A file's name as text, also where its bytes are none."""
    return name.encode("utf-8", "backslashreplace").decode()
