"""What a mark rests on: one record for each student, from which it can be made again.

    OUT/evidence/run.json                         how the class was marked, with the secret seed
    OUT/evidence/students/<student>/<notebook>.json

A record carries its `key`, the hash of everything that the marks depend on:
hand-in, master, engine, seed, limits. Marking again takes over a record whose
key is still the same. Records are written whole or not at all, so a marking
that was killed goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("pnnlib", "numpy", "torch", "ipykernel", "nbgrader")
_NO_JUDGES = ("grading/samples/", "grading/source/", "grading/wheats/", "pnnlib/explore/")
_ROOT = Path(__file__).resolve().parents[1]


@cache
def engine() -> str:
    """SHA-256 of the programs that decide about marks, and of the versions that they build on."""
    found = hashlib.sha256(json.dumps(versions()).encode())
    for folder in ("grading", "pnnlib"):
        for path in sorted((_ROOT / folder).rglob("*.py")):
            inner = path.relative_to(_ROOT).as_posix()
            if not inner.startswith(_NO_JUDGES):
                found.update(f"{inner} ".encode() + path.read_bytes())
    return found.hexdigest()


def versions() -> dict[str, str]:
    """Of Python and of what the marks depend on."""
    return {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}


def digest(value) -> str:
    """SHA-256 of data as JSON."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode(errors="replace")).hexdigest()


def folder_name(student: str) -> str:
    """The student's name, as far as the file system can take it.

    >>> folder_name("ada"), folder_name("..")[:3]
    ('ada', '.. ')
    """
    if len(student.encode()) <= 255 and student not in ("", ".", "..") and not set("/\0") & set(student):
        return student
    start = student[:40].replace("/", " ").replace("\0", " ")
    return f"{start} {hashlib.sha256(student.encode()).hexdigest()}"


def folder_of(parent: Path, student: str) -> Path:
    """A student's folder; it is made."""
    folder = parent / folder_name(student)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def write(path: Path, record: Mapping) -> None:
    """Write a record; whoever looks finds the old one or the new one, never half of it."""
    text = json.dumps(record, indent=1, ensure_ascii=False)
    write_whole(path, text.encode("utf-8", "replace"))


def write_whole(path: Path, content: bytes) -> None:
    part = path.with_name(f".{path.name[:200]}.part")
    part.write_bytes(content)
    os.replace(part, path)


def read(path: Path) -> dict:
    """The record in `path`; an empty one if there is none that can be read."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}
