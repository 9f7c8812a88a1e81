"""The walls of the jail: what of this machine bubblewrap shows to a student's kernel.

A read-only system, the Python that runs the marking with its packages, and a
private /tmp. No network, no home, no repository, no torch, and no pnnlib but
its layers, where they are the material.
"""

from __future__ import annotations

import contextlib
import functools
import glob
import os
import shutil
import site
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from pnnlib.exercises.borrowed import absent

from .syscalls import filter_options

INSIDE = Path(__file__).resolve().parent / "inside"
REPOSITORY = INSIDE.parent.parent
INSTALL = (
    "Marking runs students' code in a jail made by bubblewrap, which is missing here or not allowed "
    "to work ({reason}). Install it with\n    sudo apt-get install bubblewrap      (Debian, Ubuntu)\n"
    "    sudo dnf install bubblewrap          (Fedora, RHEL)\n"
    "or mark without a jail by --no-jail: the hand-ins then run with all your rights."
)


class JailUnavailable(RuntimeError):
    """No jail can be had here; the message says how to get one."""


@contextlib.contextmanager
def walled(
    program: list[str], doors: str, disk: int, settings: dict[str, str], library: bool = False
) -> Iterator[tuple[list[str], tuple[int, ...]]]:
    """The command that runs `program` in a jail, and the file descriptors to start it with.

    Args:
        program: what to run.
        doors: a directory that it sees, read-only, as /doors.
        disk: bytes for each of /tmp and /dev/shm.
        settings: its environment.
        library: with pnnlib's layers in it, as /library.
    """
    environment = [word for item in settings.items() for word in ("--setenv", *item)]
    with filter_options() as (syscalls, descriptors):
        yield [
            *(_bubblewrap(), *_namespaces(), "--cap-drop", "ALL", "--die-with-parent", "--new-session"),
            *("--hostname", "jail", "--dev", "/dev", *_size(disk), "--tmpfs", "/dev/shm", "--remount-ro", "/dev"),
            # read-only, because root may write to much of it even without a single capability
            *("--proc", "/proc", "--remount-ro", "/proc"),
            # before Python, which may live below it
            *(*_size(disk), "--tmpfs", "/tmp", *_system(), *_python(library), *(_library() if library else ())),
            *("--ro-bind", str(INSIDE), "/inside", "--ro-bind", doors, "/doors", "--remount-ro", "/"),
            *(*syscalls, "--chdir", "/tmp", *environment, "--", *program),
        ], descriptors


@functools.cache
def require_walls() -> None:
    """Raise `JailUnavailable`, with the line that installs bubblewrap, unless it works here."""
    program = [sys.executable, "-c", "import ipykernel"]
    try:
        with walled(program, str(INSIDE), 10_000_000, {}) as (command, descriptors):
            probe = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, env={},
                pass_fds=descriptors, timeout=60,
            )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise JailUnavailable(INSTALL.format(reason=f"it does not run: {error}")) from None
    if probe.returncode:
        lines = probe.stderr.strip().splitlines() or ["it fails without a word"]
        raise JailUnavailable(INSTALL.format(reason=lines[-1][:300]))


def _bubblewrap() -> str:
    found = shutil.which("bwrap")
    if found is None:
        raise JailUnavailable(INSTALL.format(reason="there is no bwrap on the PATH"))
    return found


@functools.cache
def _options() -> str:
    """What this version of bubblewrap understands."""
    return subprocess.run([_bubblewrap(), "--help"], capture_output=True, text=True, check=False).stdout


def _size(disk: int) -> list[str]:
    # older versions cannot say it; the guard outside watches the size as well
    return ["--size", str(disk)] if "--size " in _options() else []


@functools.cache
def _namespaces() -> tuple[str, ...]:
    """New namespaces of every kind, a user namespace with a uid that owns nothing among them.

    Some systems forbid user namespaces and install bubblewrap set-uid instead; it then runs with
    the uid of the marker, without any of his files in sight. Never so for root.
    """
    best = ["--unshare-all", "--unshare-user", "--uid", "65534", "--gid", "65534"]
    if "--disable-userns" in _options():
        best.append("--disable-userns")
    command = [_bubblewrap(), *best, "--ro-bind", "/", "/", "--", "/usr/bin/env", "true"]
    works = subprocess.run(command, capture_output=True, check=False).returncode == 0
    return tuple(best) if works or os.getuid() == 0 else ("--unshare-all",)


def _system() -> list[str]:
    shown = ["--ro-bind", "/usr", "/usr"]
    for name in ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"):
        if os.path.islink(name):
            shown += ["--symlink", os.readlink(name), name]
        elif os.path.isdir(name):
            shown += ["--ro-bind", name, name]
    # where libraries are found; Debian's BLAS is chosen through /etc/alternatives
    for name in ("/etc/ld.so.cache", "/etc/alternatives", "/etc/localtime", "/nix/store", "/gnu/store"):
        if os.path.exists(name):
            shown += ["--ro-bind", name, name]
    return shown


def _library() -> list[str]:
    """The modules of pnnlib that are the material, one by one."""
    modules = [f"pnnlib.{path.stem}" for path in sorted((REPOSITORY / "pnnlib").glob("*.py"))]
    shown = [name for name in modules if name not in absent(library=True)]
    files = [f"{name.replace('.', '/')}.py" for name in shown]
    return [word for file in files for word in ("--ro-bind", str(REPOSITORY / file), f"/library/{file}")]


def _python(library: bool = False) -> list[str]:
    """This Python and its packages at their own places, with the answers taken out."""
    shown = {place: "--ro-bind" for place in _places()}
    hidden = dict.fromkeys(_answers(library), "--tmpfs")
    # outer before inner: a repository that holds the environment is hidden, the environment is not
    order = sorted({**hidden, **shown}.items(), key=lambda item: item[0].count("/"))
    inside = [place for place, how in order if any(_within(place, other) for other in ("/usr", *shown))]
    options = []
    for place, how in order:
        if how == "--ro-bind":
            options += [how, place, place]
        elif place not in inside:
            continue  # not in sight anyway
        elif os.path.isdir(place):
            options += ["--tmpfs", place]
        else:
            options += ["--ro-bind", "/dev/null", place]
    # read-only at last, because what is hidden may hold what is shown
    return options + [w for p, how in order if how == "--tmpfs" and p in inside and os.path.isdir(p)
                      for w in ("--remount-ro", p)]  # fmt: skip


def _places() -> list[str]:
    """Every directory that this Python needs."""
    link, places = sys.executable, [sys.prefix, sys.base_prefix, sys.base_exec_prefix]
    while os.path.islink(link):  # each link on the way to the real program must be there
        link = os.path.normpath(os.path.join(os.path.dirname(link), os.readlink(link)))
        places.append(os.path.dirname(os.path.dirname(link)))
    places += [os.path.realpath(place) for place in places]
    if site.ENABLE_USER_SITE and os.path.isdir(site.getusersitepackages()):
        places.append(site.getusersitepackages())
    return [place for place in dict.fromkeys(places) if not _within(place, "/usr") and place != "/"]


@functools.cache
def _answers(library: bool = False) -> tuple[str, ...]:
    """Where an answer might stand: every copy of what is absent, other environments, this repository."""
    folders = [f"{root}/{lib}/python3*/*-packages" for root in ("/usr", "/usr/local") for lib in ("lib", "lib64")]
    folders += [f"{place}/{lib}/python3*/site-packages" for place in _places() for lib in ("lib", "lib64")]
    folders += [place for place in _places() if place.endswith("-packages")]
    found = [str(REPOSITORY)]
    for folder in folders:
        for name in (*absent(library), "pnnlib"):  # what is shown of pnnlib is shown in a place of its own
            for pattern in (name, f"{name}-*", f"{name}.*", f"__editable__*{name}*", f"__pycache__/__editable__*{name}*"):
                found += glob.glob(f"{folder}/{pattern}")
    for place in _places():  # conda keeps its other environments and its downloads there
        found += [f"{place}/{name}" for name in ("envs", "pkgs") if os.path.isdir(f"{place}/{name}")]
    return tuple(dict.fromkeys(found))


def _within(place: str, other: str) -> bool:
    return place == other or place.startswith(other + "/")
