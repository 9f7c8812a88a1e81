"""The guard at the jail's door: passes bytes on, and ends the jail when it takes too much.

Everything a kernel sends goes through here and is counted, because the sockets
behind the door would take in any amount. The same thread looks every tenth of
a second at what the kernel and all that it started use.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import subprocess
import threading
import time

import psutil

TICK = 0.1
CHUNK = 1 << 18


class Guard(threading.Thread):
    """Watches over one kernel.

    Args:
        limits: see `limits.Limits`.
        allowance: bytes that the kernel may send in answer to one request.
    """

    def __init__(self, limits, allowance: int):
        super().__init__(daemon=True)
        self.limits, self.allowance = limits, allowance
        self.left = allowance
        self.reason = ""  # why the kernel was ended, once it was
        self.mark = ""  # in the environment of every process of a kernel without walls
        self.process: subprocess.Popen | None = None
        self._tree: list[psutil.Process] = []  # all below it, as last seen
        self._kernel: psutil.Process | None = None
        self._lock = threading.Lock()
        self._selector = selectors.DefaultSelector()

    def open_door(self, outer: str, inner: str) -> None:
        """Let one caller at the socket `outer` through to the socket `inner`."""
        door = socket.socket(socket.AF_UNIX)
        door.bind(outer)
        door.listen(1)
        self._selector.register(door, selectors.EVENT_READ, inner)

    def watch(self, process: subprocess.Popen, mark: str = "") -> None:
        self.process, self.mark = process, mark
        self.start()

    def know_kernel(self) -> None:
        """Remember which process is the kernel; called before anything of a hand-in has run."""
        root = psutil.Process(self.process.pid)
        self._kernel = [root, *root.children(recursive=True)][-1]

    def renew_allowance(self) -> None:
        self.left = self.allowance

    def end(self, reason: str) -> None:
        """Kill the kernel and everything it started; only the first reason is kept."""
        with self._lock:
            if not self.reason:
                self.reason = reason
                if self.process is not None:
                    _kill(self.process, self._tree, self.mark)

    def run(self) -> None:
        look = 0.0
        try:
            while not self.reason:
                for key, _ in self._selector.select(TICK):
                    self._pass_on(key)
                if time.monotonic() >= look:
                    self._look()
                    look = time.monotonic() + TICK
        except Exception as error:  # without its guard no kernel runs on
            self.end(f"its guard failed: {type(error).__name__}: {error}")
        finally:
            for key in list(self._selector.get_map().values()):
                key.fileobj.close()
            self._selector.close()

    def _pass_on(self, key: selectors.SelectorKey) -> None:
        if isinstance(key.data, str):  # a door: one caller, then it is walled up
            caller, _ = key.fileobj.accept()
            self._selector.unregister(key.fileobj)
            key.fileobj.close()
            ours = socket.socket(socket.AF_UNIX)
            ours.connect(key.data)
            for end in (caller, ours):
                end.settimeout(2)  # for a kernel that is sent something and does not read it
            self._selector.register(caller, selectors.EVENT_READ, (ours, True))
            self._selector.register(ours, selectors.EVENT_READ, (caller, False))
            return
        other, from_kernel = key.data
        try:
            data = key.fileobj.recv(CHUNK)
            if data:
                other.sendall(data)
        except OSError:
            data = b""
        if not data:
            return self.end("the kernel ended, or closed its connection")
        if from_kernel:
            self.left -= len(data)
            if self.left < 0:
                self.end("it sent more than any answer needs")

    def _look(self) -> None:
        if self.process.poll() is not None:
            return self.end("the kernel ended by itself")
        with contextlib.suppress(psutil.Error, OSError):
            reason = self._excess()
            if reason:
                self.end(reason)

    def _excess(self) -> str:
        limits = self.limits
        root = psutil.Process(self.process.pid)
        self._tree = root.children(recursive=True)
        tree = [*([root] if self.mark else []), *self._tree]
        if len(tree) > limits.processes:
            return f"it started more than {limits.processes} processes"
        if _memory(tree, "rss") > limits.memory and _memory(tree, "pss") > limits.memory:
            return f"it took more than {limits.memory / 1e9:g} GB of memory"
        if self._kernel and _seconds(tree) - _main_thread(self._kernel) > limits.seconds:
            return f"the threads and programs that it started computed for more than {limits.seconds:g} seconds"
        if tree and self._kernel and not self.mark:  # before it answers, its /tmp may still be the machine's
            for place in ("tmp", "dev/shm"):
                with contextlib.suppress(OSError):
                    disk = os.statvfs(f"/proc/{tree[0].pid}/root/{place}")
                    used = (disk.f_blocks - disk.f_bfree) * disk.f_frsize
                    if used > limits.disk or disk.f_files - disk.f_ffree > 100_000:
                        return f"it filled /{place}"
        return ""


def _seconds(tree: list[psutil.Process]) -> float:
    """Computing time of the whole tree, that of children which have ended included.

    A hundred busy loops leave little of the machine to the hand-ins marked next to them.
    """
    total = 0.0
    for process in tree:
        with contextlib.suppress(psutil.Error):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def _main_thread(kernel: psutil.Process) -> float:
    return sum(t.user_time + t.system_time for t in kernel.threads() if t.id == kernel.pid)


def _memory(tree: list[psutil.Process], kind: str) -> int:
    """Bytes of the whole tree. "pss" divides shared pages fairly but is slow to ask for."""
    total = 0
    for process in tree:
        with contextlib.suppress(psutil.Error):
            info = process.memory_full_info() if kind == "pss" else process.memory_info()
            total += getattr(info, kind, info.rss)
    return total


def _kill(process: subprocess.Popen, tree: list[psutil.Process], mark: str) -> None:
    """Kill `process` and all below it, and wait until they are gone."""
    with contextlib.suppress(psutil.Error):
        tree = [*tree, *psutil.Process(process.pid).children(recursive=True)]
    # The first child of bubblewrap is the first process of its world, with which all others die;
    # bubblewrap then ends by itself, and leaves no zombie as it would if it were killed first.
    for child in tree:
        with contextlib.suppress(psutil.Error):
            child.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(0 if mark or not tree else 5)
    process.kill()
    process.wait()
    if mark:
        _kill_marked(mark)
    end = time.monotonic() + 5
    while any(map(lives, tree)) and time.monotonic() < end:
        time.sleep(0.005)


def lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _kill_marked(mark: str) -> None:
    """Kill the orphans of a kernel without walls, known by their environment."""
    for other in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if other.environ().get("MARKING_JAIL") == mark:
                os.kill(other.pid, signal.SIGKILL)
