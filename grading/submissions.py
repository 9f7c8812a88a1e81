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
import re
import zipfile
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from nbformat import NotebookNode

from .handin import Unreadable, grade_id, read
from .moodle import file_in

# what systems and editors put beside a notebook
IGNORED = {"__MACOSX", "__pycache__", ".ipynb_checkpoints", ".git", ".svn", ".Trash"}
MAX_BYTES = 50_000_000  # of one notebook
MAX_TOTAL = 100_000_000  # of all notebooks of a student
MAX_FILES = 50  # notebooks of a student that are looked into, and a hundred times as many files in a zip
# browsers add an ending to what they take for text
NOTEBOOK = re.compile(r"\.ipynb(\.txt|\.json)?$", re.IGNORECASE)


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
        return _own_name(_path(self.info).name)

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
        return _own_name(self.path.name)

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
    faults    a sentence for each file that is not looked at, because of what it is
    others    the names of all other files
    """

    student: str
    files: list[Member | OnDisk] = field(default_factory=list)
    archives: list[Member | OnDisk] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)

    def load(self) -> HandedIn:
        """Read the notebooks; what is wrong with one of them is a fault and no error."""
        files, room = [], MAX_TOTAL
        found = self if self.files else self._unpacked()
        faults = list(found.faults)
        if len(found.files) > MAX_FILES:
            faults.append(f"There are {len(found.files)} notebooks, of which only {MAX_FILES} were looked into.")
        for file in found.files[:MAX_FILES]:
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
        archives = [as_text(archive.name) for archive in self.archives]
        return HandedIn(self.student, tuple(files), tuple(faults[:MAX_FILES]), (*found.others, *archives))

    def _unpacked(self) -> Submission:
        """The same with what is in the zips; one in a zip in a zip is not looked for."""
        found = replace(self, files=[], archives=[], faults=list(self.faults), others=list(self.others))
        for archive in self.archives:
            _look_into(archive, found)
        found.faults.extend(
            f"{as_text(inner.name)} lies packed in another zip; hand in the notebook itself." for inner in found.archives
        )
        return found


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
        cells = len({grade_id(cell) for cell in content.notebook.cells} & graded)
        # most cells first among equals by name; the position makes the choice the same every time
        other = NOTEBOOK.sub("", name) != master_name or not cells
        readable.append(((other, -cells, name, position), name, raw, content))
    if not readable:
        raise Unreadable(" ".join(faults) or _nothing(handed_in))
    _, chosen, raw, content = min(readable, key=lambda item: item[0])
    if len(readable) > 1:
        names = ", ".join(sorted(name for _, name, _, _ in readable))
        faults.append(f"There were {len(readable)} notebooks ({names}); {chosen} was marked.")
    return chosen, raw, content.notebook, [*faults, *content.notes]


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
        if entry.is_dir() and not entry.is_symlink():
            if entry.name not in IGNORED:  # whatever the name begins with
                _collect(entry, _of(_student(entry.name), found))
        elif entry.is_symlink() or (_owner(entry.name) and not _ignored(entry.name)):
            _sort_in(entry, entry.name, _of(_owner(entry.name) or entry.name, found))
    return found


def _of(student: str, found: dict[str, Submission]) -> Submission:
    return found.setdefault(as_text(student), Submission(as_text(student)))


def _student(folder: str) -> str:
    """Whose folder it is: for what was typed in online Moodle has another one beside that of the files."""
    return re.sub("_assignsubmission_onlinetext_?$", "_assignsubmission_file", folder)


def _own_name(file: str) -> str:
    """What the student called it."""
    return file_in(file) or file


def _owner(file: str) -> str:
    """Whose file it is, where there are no folders: Moodle puts the student before the name. "" for nobody's.

    >>> _owner("Jo_5_assignsubmission_file_work.zip"), _owner("ada.ipynb"), _owner("list.csv")
    ('Jo_5_assignsubmission_file_', 'ada', '')
    """
    own = file_in(file)
    if own:
        return file.removesuffix(own)
    stem = NOTEBOOK.sub("", file)
    return PurePosixPath(file).stem if file.lower().endswith(".zip") else stem if stem != file else ""


def _collect(folder: Path, into: Submission) -> None:
    for place, folders, files in os.walk(folder, followlinks=False):
        folders[:] = sorted(name for name in folders if not _ignored(name))
        links = [name for name in folders if (Path(place) / name).is_symlink()]
        for name in sorted([*files, *links]):
            if not _ignored(name):
                _sort_in(Path(place) / name, name, into)


def _sort_in(path: Path, name: str, into: Submission) -> None:
    if path.is_symlink() or not path.is_file():
        into.faults.append(f"{as_text(name)} is not a file but points to one, or to a device.")
    else:
        _file(OnDisk(path), into)


# A zip ------------------------------------------------------------------------------------


def _in_zip(place: Path) -> dict[str, Submission]:
    found: dict[str, Submission] = {}
    with zipfile.ZipFile(place) as archive:
        for info in archive.infolist():
            path = _path(info)
            if not path.parts or path.parts[0] in IGNORED or any(map(_ignored, path.parts[1:])):
                continue  # what a system put there
            student = _student(path.parts[0])
            if len(path.parts) == 1 and not info.is_dir():
                student = "" if _ignored(student) else _owner(student)
                if not student:
                    continue
            into = _of(student, found)
            if not info.is_dir():
                _sort_member(Member(place, info), path, into)
    return found


def _look_into(archive: Member | OnDisk, into: Submission) -> None:
    """Sort the files in a zip that was handed in."""
    name = as_text(archive.name)
    if archive.size > MAX_BYTES:
        into.faults.append(f"{name} is larger than {MAX_BYTES / 10**6:g} MB.")
        return
    try:
        place = archive.path if isinstance(archive, OnDisk) else io.BytesIO(archive.read_bytes())
        with zipfile.ZipFile(place) as opened:
            members = opened.infolist()
    except Exception:  # damaged in any of many ways
        into.faults.append(f"{name} cannot be opened.")
        return
    if len(members) > 100 * MAX_FILES:
        into.faults.append(f"{name} holds {len(members)} files; more than {100 * MAX_FILES} are not looked through.")
        return
    for info in members:
        if not info.is_dir() and not any(map(_ignored, _path(info).parts)):
            _sort_member(Member(place, info), _path(info), into)


def _path(info: zipfile.ZipInfo) -> PurePosixPath:
    return PurePosixPath(info.filename.replace("\\", "/"))


def _sort_member(member: Member, path: PurePosixPath, into: Submission) -> None:
    name = as_text(path.name)
    kind = member.info.external_attr >> 28  # 0 where it was not packed on Unix
    if ".." in path.parts or path.is_absolute() or ":" in path.parts[0][:2]:
        into.faults.append(f"{name} points to a place outside of the folder.")
    elif kind not in (0, 8):
        into.faults.append(f"{name} is not a file but points to one, or to a device.")
    elif member.info.flag_bits & 1:
        into.faults.append(f"{name} is locked with a password.")
    else:
        _file(member, into)


def _file(file: Member | OnDisk, into: Submission) -> None:
    if NOTEBOOK.search(file.name):
        into.files.append(file)
    elif file.name.lower().endswith(".zip"):
        into.archives.append(file)
    else:
        into.others.append(as_text(file.name))


def _ignored(name: str) -> bool:
    return name.startswith((".", "~")) and name != ".." or name in IGNORED
