"""What this machine has for marking, what it lacks, and the line that installs it."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from .walls import JailUnavailable, require_walls

INSTALL = {
    "apt-get": "sudo apt-get install bubblewrap",
    "dnf": "sudo dnf install bubblewrap",
    "pacman": "sudo pacman -S bubblewrap",
    "zypper": "sudo zypper install bubblewrap",
    "apk": "sudo apk add bubblewrap",
}
PACKAGES = ("numpy", "torch", "ipykernel", "nbgrader", "distributed")


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; `needed` if marking does not work without it."""

    good: bool
    what: str
    remedy: str = ""
    needed: bool = True

    def __str__(self) -> str:
        sign = "✓" if self.good else "✗" if self.needed else "–"
        return f"{sign} {self.what}" + (f"\n    {self.remedy}" if not self.good and self.remedy else "")


def findings() -> list[Finding]:
    """Everything that marking rests on, one after the other."""
    return [_system(), _python(), *_packages(), *_jail(), _memory(), _processors()]


def _system() -> Finding:
    name = platform.system()
    wsl = "microsoft" in platform.release().lower()
    remedies = {
        "Darwin": "mark in a Linux container: docker run -it --security-opt seccomp=unconfined "
        "-v \"$PWD\":/course -w /course python:3.11 bash, then apt-get install bubblewrap",
        "Windows": "mark in WSL2: wsl --install -d Ubuntu, then work inside it as on Linux",
    }
    shown = f"{name}{' in WSL' if wsl else ''} {platform.release()}"
    return Finding(name == "Linux", f"Linux, for the jail: {shown}", remedies.get(name, "mark on Linux"))


def _python() -> Finding:
    found = ".".join(map(str, sys.version_info[:3]))
    return Finding(sys.version_info >= (3, 11), f"Python 3.11 or later: {found}", "install Python 3.11")


def _packages() -> list[Finding]:
    found = []
    for name in PACKAGES:
        try:
            found.append(Finding(True, f"{name}: {version(name)}"))
        except PackageNotFoundError:
            found.append(Finding(False, f"{name}: missing", "make build"))
    return found


def _jail() -> list[Finding]:
    where = shutil.which("bwrap")
    tool = next((tool for tool in INSTALL if shutil.which(tool)), "apt-get")
    if not where:
        return [Finding(False, "bubblewrap: missing", INSTALL[tool])]
    said = subprocess.run([where, "--version"], capture_output=True, text=True, check=False).stdout.strip()
    found = [Finding(True, f"bubblewrap: {said or where}")]
    try:
        require_walls()
    except JailUnavailable as error:
        return [*found, Finding(False, f"a jail: {' '.join(str(error).split())}", _allow_namespaces())]
    return [*found, Finding(True, "a jail: a kernel starts in it"), _namespaces()]


def _namespaces() -> Finding:
    from .walls import _namespaces as options

    own = "--uid" in options()
    what = "user namespaces: hand-ins run as nobody" if own else "user namespaces: not allowed here, bubblewrap uses its own rights"
    return Finding(own, what, _allow_namespaces(), needed=False)


def _allow_namespaces() -> str:
    for path, line in (
        ("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0"),
        ("/proc/sys/kernel/unprivileged_userns_clone", "sudo sysctl kernel.unprivileged_userns_clone=1"),
    ):
        value = Path(path)
        if value.exists() and value.read_text().strip() != line[-1]:
            return line
    return "in a container: start it with --security-opt seccomp=unconfined, or with --privileged"


def _memory() -> Finding:
    import psutil

    free, limit = psutil.virtual_memory().available, _container_limit()
    room = min(free, limit) if limit else free
    return Finding(
        room > 4e9,
        f"memory: {room / 1e9:.1f} GB free; a hand-in may take 2 GB, watched by the guard, and each worker about 0.5 GB",
        "mark with fewer --workers, or with a smaller --memory",
        needed=False,
    )


def _container_limit() -> int:
    try:
        return int(Path("/sys/fs/cgroup/memory.max").read_text())
    except (OSError, ValueError):  # "max", or no such control
        return 0


def _processors() -> Finding:
    return Finding(True, f"processors: {os.cpu_count()}, so as many hand-ins are judged at once")
