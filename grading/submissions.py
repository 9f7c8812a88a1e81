"""The hand-ins of a class, sorted by student: from a folder, or from a zip, Moodle's bulk download among them.

    class/ada/part_d_convolution.ipynb                         a folder for each student, any file name
    class/boris.ipynb                                          or a file for each student
    class.zip: Zoë Hill_4711_assignsubmission_file/work.ipynb  or the same in a zip, which is never unpacked

Nothing here trusts a name or a size: links are not followed, what points outside
is left out, and no more is read than a notebook may hold.
"""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from nbformat import NotebookNode

from .handin import Unreadable, grade_id, read
from .moodle import file_in

# what systems and editors put beside a notebook
IGNORED = {"__MACOSX", "__pycache__", ".ipynb_checkpoints", ".git", ".svn", ".Trash"}
MAX_BYTES = 50_000_000  # of one notebook
MAX_TOTAL = 100_000_000  # of all notebooks of a student


@dataclass(frozen=True)
class HandedIn:
    """What one student handed in, in memory.

    files   name and content of each notebook
    faults  a sentence for each notebook that could not be read
    others  the names of all other files
    """

    student: str
    files: tuple[tuple[str, bytes], ...] = ()
    faults: tuple[str, ...] = ()
    others: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """SHA-256 of all of it."""
        found = hashlib.sha256(repr((self.student, self.faults, self.others)).encode(errors="replace"))
        for name, content in self.files:
            found.update(f"{name!r} {len(content)} ".encode(errors="replace") + content)
        return found.hexdigest()


@dataclass(frozen=True)
class Member:
    """A file in a zip, with as much of `Path` as is needed here."""

    archive: Path
    info: zipfile.ZipInfo

    @property
    def name(self) -> str:
        return PurePosixPath(self.info.filename).name

    @property
    def size(self) -> int:
        return self.info.file_size

    def read_bytes(self) -> bytes:
        with zipfile.ZipFile(self.archive) as archive:
            return archive.read(self.info)  # no more than `size`, whatever is packed


@dataclass(frozen=True)
class OnDisk:
    """A file in a folder."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def size(self) -> int:
        return self.path.stat().st_size

    def read_bytes(self) -> bytes:
        return self.path.read_bytes()


@dataclass(frozen=True)
class Submission:
    """Where the files of one student are; `load` reads them.

    student   the name of the folder
    files     its notebooks
    archives  its zips, which are looked into if there is no notebook beside them
    others    the names of all other files
    """

    student: str
    files: list[Member | OnDisk] = field(default_factory=list)
    archives: list[Member | OnDisk] = field(default_factory=list)
    others: list[str] = field(default_factory=list)

    def load(self) -> HandedIn:
        """Read the notebooks; what is wrong with one of them is a fault and no error."""
        files, faults, room = [], [], MAX_TOTAL
        others = [*self.others, *(as_text(archive.name) for archive in self.archives)]
        for file in self.files or [found for archive in self.archives for found in _inside(archive, faults)]:
            name = as_text(file.name)
            try:
                if file.size > min(MAX_BYTES, room):
                    faults.append(f"{name} is larger than {min(MAX_BYTES, room) / 10**6:g} MB; clear its outputs.")
                    continue
                content = file.read_bytes()
            except Exception:  # what is damaged raises many kinds, zipped or not
                faults.append(f"{name} cannot be opened.")
                continue
            files.append((name, content))
            room -= len(content)
        return HandedIn(self.student, tuple(files), tuple(faults), tuple(others))


def submissions_in(place: Path) -> list[Submission]:
    """One submission for every student in a folder or a zip, also for those who handed in nothing.

    Links are not followed: whoever handed one in could have pointed it anywhere.

    Raises:
        FileNotFoundError: if there is no such place, or nobody in it.
        ValueError: if it is a file, but no zip.
    """
    if not place.exists():
        raise FileNotFoundError(f"There is no {place}.")
    if place.is_dir():
        found = _in_folder(place)
    elif zipfile.is_zipfile(place):
        found = _in_zip(place)
    else:
        raise ValueError(f"{place} is neither a folder nor a zip that can be read; was the download complete?")
    if not found:
        raise FileNotFoundError(
            f"There is no hand-in in {place}. It should hold a folder for each student, with a notebook in it."
        )
    return sorted(found.values(), key=lambda submission: submission.student)


def choose(handed_in: HandedIn, master_name: str, graded: set[str]) -> tuple[str, bytes, NotebookNode, list[str]]:
    """The notebook that counts: its name, its bytes, what is in it, and notes on the choice.

    Of several it is the one with the released name, else the one with the most graded cells.

    Args:
        handed_in: by one student.
        master_name: the released file's name without .ipynb.
        graded: names of the graded cells.

    Raises:
        Unreadable: when there is none.
    """
    readable, faults = [], list(handed_in.faults)
    for position, (name, raw) in enumerate(handed_in.files):
        try:
            content = read(name, raw)
        except Unreadable as error:
            faults.append(str(error))
            continue
        cells = len({grade_id(cell) for cell in content.cells} & graded)
        # most cells first among equals by name; the position makes the choice the same every time
        other = PurePosixPath(name).stem != master_name or not cells
        readable.append(((other, -cells, name, position), name, raw, content))
    if not readable:
        raise Unreadable(" ".join(faults) or _nothing(handed_in))
    _, chosen, raw, content = min(readable, key=lambda item: item[0])
    notes = faults
    if len(readable) > 1:
        names = ", ".join(sorted(name for _, name, _, _ in readable))
        notes = [*faults, f"There were {len(readable)} notebooks ({names}); {chosen} was marked."]
    return chosen, raw, content, notes


def as_text(name: str) -> str:
    """A file's name as text, also where its bytes are none."""
    return name.encode("utf-8", "backslashreplace").decode()


def _nothing(handed_in: HandedIn) -> str:
    if not handed_in.others:
        return "Nothing was handed in: the folder is empty."
    names = ", ".join(handed_in.others[:5])
    return f"There is no notebook, no file that ends in .ipynb, among what was handed in: {names}."


# A folder ---------------------------------------------------------------------------------


def _in_folder(folder: Path) -> dict[str, Submission]:
    found: dict[str, Submission] = {}
    for entry in sorted(folder.iterdir()):
        folder_of_a_student = entry.is_dir() and entry.name not in IGNORED  # whatever the name begins with
        if _ignored(entry.name) and not folder_of_a_student:
            continue
        if entry.is_dir() and not entry.is_symlink():
            _collect(entry, found.setdefault(as_text(entry.name), Submission(as_text(entry.name))))
        elif entry.suffix.lower() in (".ipynb", ".zip") or entry.is_symlink():
            student = as_text(entry.stem)
            _sort_in(entry, entry.name, found.setdefault(student, Submission(student)))
    return found


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
    else:
        _file(OnDisk(path), into)


# A zip ------------------------------------------------------------------------------------


def _in_zip(place: Path) -> dict[str, Submission]:
    found: dict[str, Submission] = {}
    with zipfile.ZipFile(place) as archive:
        for info in archive.infolist():
            path = PurePosixPath(info.filename.replace("\\", "/"))
            student = path.parts[0] if path.parts else ""
            if student in ("", "/", "..") or ":" in student[:2] or any(map(_ignored, path.parts[:-1])):
                continue  # outside of every student's folder, or what a system put there
            if len(path.parts) == 1 and not info.is_dir():  # Moodle without folders, or a file for each student
                own = file_in(student)
                if own is None and path.suffix.lower() not in (".ipynb", ".zip"):
                    continue
                student = student.removesuffix(own) if own else path.stem
            into = found.setdefault(as_text(student), Submission(as_text(student)))
            if not info.is_dir() and not _ignored(path.name):
                _sort_member(Member(place, info), path, into)
    return found


def _sort_member(member: Member, path: PurePosixPath, into: Submission) -> None:
    kind = member.info.external_attr >> 28  # 0 where it was not packed on Unix
    if ".." in path.parts:
        into.others.append(f"{as_text(path.name)} (outside of the folder)")
    elif kind not in (0, 8):
        into.others.append(f"{as_text(path.name)} (not a file)")
    elif member.info.flag_bits & 1:
        into.others.append(f"{as_text(path.name)} (locked with a password)")
    else:
        _file(member, into)


def _inside(archive: Member | OnDisk, faults: list[str]) -> list[Member]:
    """The notebooks in a zip that was handed in; one in a zip in a zip is not looked for."""
    name = as_text(archive.name)
    try:
        if archive.size > MAX_BYTES:
            faults.append(f"{name} is larger than {MAX_BYTES // 10**6} MB.")
            return []
        place = archive.path if isinstance(archive, OnDisk) else io.BytesIO(archive.read_bytes())
        within = Submission("")
        with zipfile.ZipFile(place) as opened:
            for info in opened.infolist():
                path = PurePosixPath(info.filename.replace("\\", "/"))
                if not info.is_dir() and not any(map(_ignored, path.parts)):
                    _sort_member(Member(place, info), path, within)
    except Exception:  # damaged in any of many ways
        faults.append(f"{name} cannot be opened.")
        return []
    return within.files


def _file(file: Member | OnDisk, into: Submission) -> None:
    suffix = PurePosixPath(file.name).suffix.lower()
    if suffix == ".ipynb":
        into.files.append(file)
    elif suffix == ".zip":
        into.archives.append(file)
    else:
        into.others.append(as_text(file.name))


def _ignored(name: str) -> bool:
    return name.startswith((".", "~")) or name in IGNORED
