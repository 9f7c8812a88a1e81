"""A kernel in a jail: bubblewrap around it, a watch on what it uses, data in and data out.

The kernel sees a read-only system, its Python, and a private /tmp. It has no
network, no repository, no gradebook, no torch and no pnnlib. It speaks Jupyter
over sockets in one private directory. When it takes too much of anything, or
too long, it is killed with everything it started.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import glob
import json
import os
import re
import shutil
import signal
import site
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import zmq
from jupyter_client import BlockingKernelClient
from jupyter_client.connect import write_connection_file

from pnnlib.exercises.calling import Outcome

from .inside import wire
from .inside.stand_in import NAMES

INSIDE = Path(__file__).parent / "inside"
START_SECONDS = 60.0
INSTALL = (
    "Marking runs students' code in a jail made by bubblewrap, which is missing here or not allowed "
    "to work ({reason}). Install it with\n    sudo apt-get install bubblewrap      (Debian, Ubuntu)\n"
    "    sudo dnf install bubblewrap          (Fedora, RHEL)\n"
    "or mark without a jail by --no-jail: the hand-ins then run with all your rights."
)


class JailUnavailable(RuntimeError):
    """No jail can be had here; the message says how to get one."""


@dataclass(frozen=True)
class Limits:
    """What one hand-in may use.

    seconds    for one cell and for one call
    memory     bytes, the whole process tree together
    disk       bytes, for each of /tmp and /dev/shm, and for one file
    processes  of the tree
    output     bytes that are kept of what one cell prints
    """

    seconds: float = 20.0
    memory: int = 2_000_000_000
    disk: int = 512_000_000
    processes: int = 128
    output: int = 1_000_000


@dataclass(frozen=True)
class CellResult:
    """How a cell ended: "ok", "error", "out of time" or "died"; `error` is one line."""

    status: str
    outputs: list[dict] = field(default_factory=list)
    error: str = ""


class Jail:
    """A fresh kernel; use it in a `with` statement.

    After "out of time" or "died" it is no longer `alive` and answers nothing more.

    Args:
        limits: see `Limits`.
        bare: run the kernel without bubblewrap. It then has the rights of whoever
            marks: only time, memory and processes are watched, and torch is hidden
            but not absent.

    Raises:
        JailUnavailable: where bubblewrap does not work and `bare` is False.
    """

    def __init__(self, limits: Limits = Limits(), bare: bool = False):
        if not bare:
            require_bubblewrap()
        self.limits, self.bare = limits, bare
        self.killed = ""  # why, once it is

    def __enter__(self) -> Jail:
        # short, because the path of a Unix socket has room for a hundred characters only
        self.directory = tempfile.mkdtemp(prefix="jail-", dir="/tmp" if os.path.isdir("/tmp") else None)
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_) -> None:
        self._kill("closed")
        with contextlib.suppress(AttributeError):
            self.client.stop_channels()
            self.context.destroy(linger=0)
        shutil.rmtree(self.directory, ignore_errors=True)

    @property
    def alive(self) -> bool:
        return not self.killed and self.process.poll() is None

    # What the judge uses ------------------------------------------------------------------

    def run_cell(self, source: str) -> CellResult:
        """Run a cell as Jupyter would."""
        outputs = _Outputs(self.limits.output)
        reply = self._execute(source, {}, outputs)
        if reply is None:
            return self._dead(outputs)
        if reply.get("status") == "ok":
            return CellResult("ok", outputs.kept)
        return CellResult("error", outputs.kept, _error_line(reply))

    def call(self, name: str, args: tuple, options: dict, names: tuple[str, ...] = ()) -> Outcome:
        """Call the student's function; `names` are those of the positional arguments."""
        request = json.dumps([name, wire.encode(tuple(args)), wire.encode(dict(options)), list(names)])
        return self._ask(f"__import__('_judge_harness').call({request!r})", names, options)

    def read(self, name: str) -> Outcome:
        """The value of one of the student's variables."""
        return self._ask(f"__import__('_judge_harness').read({name!r})", (), {})

    # How it is done -----------------------------------------------------------------------

    def _start(self) -> None:
        connection_file = os.path.join(self.directory, "kernel.json")
        write_connection_file(connection_file, transport="ipc", ip=os.path.join(self.directory, "s"))
        self.process = subprocess.Popen(
            self._command(connection_file),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={},  # what is cleared only inside can still be read in /proc/1/environ
            cwd=self.directory if self.bare else "/",
            start_new_session=True,
        )
        self._watch = threading.Thread(target=self._watchdog, daemon=True)
        self._watch.start()
        self.context = zmq.Context()
        self.context.setsockopt(zmq.MAXMSGSIZE, 2 * wire.MAX_BYTES)
        self.context.setsockopt(zmq.LINGER, 0)
        self.client = BlockingKernelClient(connection_file=connection_file, context=self.context)
        self.client.load_connection_file()
        self.client.start_channels(hb=False, stdin=False, control=False)
        self._await_kernel()

    def _await_kernel(self) -> None:
        end = time.monotonic() + START_SECONDS
        while self.alive and time.monotonic() < end:
            # asked again, because what is published before the subscription stands is lost
            message = self.client.kernel_info()
            if self._reply(message, time.monotonic() + 5, _Outputs(0)):
                return
        raise RuntimeError(f"the kernel does not start ({self.killed or 'no answer'})")

    def _command(self, connection_file: str) -> list[str]:
        limits = [str(self.limits.memory), str(self.limits.disk)]
        home = self.directory if self.bare else "/tmp"
        settings = {
            "HOME": home,
            "IPYTHONDIR": f"{home}/ipython",
            "MPLCONFIGDIR": f"{home}/matplotlib",
            "PATH": "/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "MPLBACKEND": "module://matplotlib_inline.backend_inline",
            # one thread: the class is marked in parallel, and threads count as memory
            **{f"{lib}_NUM_THREADS": "1" for lib in ("OMP", "OPENBLAS", "MKL")},
        }
        if self.bare:
            assignments = [f"{key}={value}" for key, value in settings.items()]
            return ["/usr/bin/env", "-i", *assignments, sys.executable, str(INSIDE / "kernel.py"),
                    connection_file, *limits]  # fmt: skip
        command = ["bwrap", *_walls(self.limits.disk), "--bind", self.directory, self.directory]
        for key, value in settings.items():
            command += ["--setenv", key, value]
        return [*command, "--", sys.executable, "/inside/kernel.py", connection_file, *limits]

    def _ask(self, expression: str, names: tuple, options: dict) -> Outcome:
        reply = self._execute("", {"answer": expression}, _Outputs(0))
        if reply is None:
            dead = self._dead(_Outputs(0))
            return Outcome(dead.status, error=dead.error)
        try:
            answer = json.loads(ast.literal_eval(reply["user_expressions"]["answer"]["data"]["text/plain"]))
            kind = answer["kind"]
            if kind == "returned":
                known = (*names, *options)
                changed = tuple(name for name in answer["changed"] if name in known)
                return Outcome(kind, wire.decode(answer["value"]), changed=changed)
            if kind in ("missing", "not implemented", "raised"):
                return Outcome(kind, error=plain_text(str(answer.get("error", "")))[:500])
        except Exception:  # whatever a tampered kernel sends, it is no answer
            pass
        return Outcome("raised", error="an answer that could not be read: is it data?")

    def _execute(self, source: str, expressions: dict, outputs: _Outputs) -> dict | None:
        """The reply's content, or None when the kernel did not survive."""
        if not self.alive:
            return None
        message = self.client.execute(
            source,
            silent=bool(expressions),
            store_history=not expressions,
            user_expressions=expressions,
            allow_stdin=False,
            stop_on_error=False,
        )
        return self._reply(message, time.monotonic() + self.limits.seconds, outputs)

    def _reply(self, message: str, end: float, outputs: _Outputs) -> dict | None:
        shell, iopub = self.client.shell_channel.socket, self.client.iopub_channel.socket
        poller = zmq.Poller()
        poller.register(shell, zmq.POLLIN)
        poller.register(iopub, zmq.POLLIN)
        reply, idle = None, False
        while reply is None or not idle:
            now = time.monotonic()
            if not self.alive or now > end:
                if reply is None and self.alive:
                    self._kill("out of time")
                return reply
            for socket, _ in poller.poll(min(50, 1000 * (end - now) + 1)):
                received = self._receive(socket)
                if received is None or received.get("parent_header", {}).get("msg_id") != message:
                    continue
                if socket is shell:
                    reply = received["content"]
                    end = min(end, time.monotonic() + 1)  # for the last of the output
                    idle = idle or not outputs.limit
                elif received["content"].get("execution_state") == "idle":
                    idle = True
                else:
                    outputs.take(received)
        return reply

    def _receive(self, socket) -> dict | None:
        try:
            return self.client.session.recv(socket, mode=zmq.NOBLOCK)[1]
        except Exception:  # forged or broken messages are no messages
            return None

    def _dead(self, outputs: _Outputs) -> CellResult:
        if self.killed == "out of time":
            return CellResult("out of time", outputs.kept, f"stopped after {self.limits.seconds:g} seconds")
        return CellResult("died", outputs.kept, self.killed or "the process ended by itself")

    # Watching and ending it ---------------------------------------------------------------

    def _watchdog(self) -> None:
        while self.alive:
            try:
                reason = self._excess()
            except (psutil.Error, OSError):
                reason = ""
            if reason:
                self._kill(reason)
            time.sleep(0.05)

    def _excess(self) -> str:
        tree = psutil.Process(self.process.pid).children(recursive=True)
        if len(tree) > self.limits.processes:
            return f"it started more than {self.limits.processes} processes"
        if _memory(tree, "rss") > self.limits.memory and _memory(tree, "pss") > self.limits.memory:
            return f"it took more than {self.limits.memory / 1e9:g} GB of memory"
        size = sum(entry.stat(follow_symlinks=False).st_size for entry in os.scandir(self.directory))
        if size > self.limits.disk:
            return "it wrote too much"
        return ""

    def _kill(self, reason: str) -> None:
        self.killed = self.killed or reason
        process = getattr(self, "process", None)
        if process is None:
            return
        with contextlib.suppress(psutil.Error):
            # in a jail the first of them takes all others along; a bare kernel's are counted out
            for child in psutil.Process(process.pid).children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    child.kill()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _memory(tree: list[psutil.Process], kind: str) -> int:
    """Bytes of the whole tree. "pss" divides shared pages fairly but is slow to ask for."""
    total = 0
    for process in tree:
        with contextlib.suppress(psutil.Error):
            info = process.memory_full_info() if kind == "pss" else process.memory_info()
            total += getattr(info, kind)
    return total


def _walls(disk: int) -> list[str]:
    """The options of bubblewrap: what the kernel sees."""
    walls = ["--unshare-all", "--unshare-user", "--uid", "65534", "--gid", "65534", "--cap-drop", "ALL",
             "--die-with-parent", "--new-session", "--hostname", "jail", "--ro-bind", "/usr", "/usr"]  # fmt: skip
    for name in ("/bin", "/sbin", "/lib", "/lib32", "/lib64"):
        if os.path.islink(name):
            walls += ["--symlink", os.readlink(name), name]
        elif os.path.isdir(name):
            walls += ["--ro-bind", name, name]
    walls += ["--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache", "--proc", "/proc", "--dev", "/dev"]
    walls += ["--size", str(disk), "--tmpfs", "/dev/shm", "--remount-ro", "/dev"]
    walls += ["--size", str(disk), "--tmpfs", "/tmp"]
    for place in dict.fromkeys((sys.base_prefix, sys.prefix)):
        if not place.startswith("/usr/"):
            walls += ["--ro-bind", place, place]
    for hidden in _hidden():
        if os.path.isdir(hidden):
            walls += ["--tmpfs", hidden, "--remount-ro", hidden]
        else:
            walls += ["--ro-bind", "/dev/null", hidden]
    return [*walls, "--ro-bind", str(INSIDE), "/inside", "--chdir", "/tmp"]


@functools.cache
def _hidden() -> tuple[str, ...]:
    """Every copy of torch and of pnnlib that Python could import."""
    places = {*site.getsitepackages(), *site.getsitepackages([sys.base_prefix])}
    places |= {*glob.glob("/usr/lib/python3*/dist-packages"), *glob.glob("/usr/local/lib/python3*/*-packages")}
    found = []
    for place in sorted(places):
        for name in NAMES:
            found += glob.glob(f"{place}/{name}") + glob.glob(f"{place}/{name}-*")
            found += glob.glob(f"{place}/__editable__*{name}*") + glob.glob(f"{place}/{name}.*")
    return tuple(found)


@functools.cache
def require_bubblewrap() -> None:
    """Raise `JailUnavailable`, with the line that installs it, unless bubblewrap works here."""
    if shutil.which("bwrap") is None:
        raise JailUnavailable(INSTALL.format(reason="there is no bwrap on the PATH"))
    probe = subprocess.run(
        ["bwrap", *_walls(1_000_000), "--", "/usr/bin/env", "true"], capture_output=True, text=True, check=False
    )
    if probe.returncode:
        raise JailUnavailable(INSTALL.format(reason=probe.stderr.strip()[:200] or "it fails"))


# What cells print -------------------------------------------------------------------------


class _Outputs:
    """Keeps the outputs of a cell up to a limit; what comes after is cut, not punished."""

    def __init__(self, limit: int):
        self.limit, self.room, self.kept = limit, limit, []

    def take(self, message: dict) -> None:
        kind, content = message.get("msg_type"), message.get("content", {})
        if self.room <= 0 or kind not in ("stream", "display_data", "execute_result", "error"):
            return
        if kind == "stream":
            text = str(content.get("text", ""))[: self.room]
            output = {"output_type": kind, "name": str(content.get("name", "stdout")), "text": text}
            last = self.kept[-1] if self.kept else {}
            if last.get("output_type") == kind and last["name"] == output["name"]:
                last["text"] += text
                self.room -= len(text)
                return
        elif kind == "error":
            lines = [str(line) for line in content.get("traceback", [])]
            output = {"output_type": kind, "ename": str(content.get("ename")),
                      "evalue": str(content.get("evalue")), "traceback": lines}  # fmt: skip
        else:
            output = {"output_type": kind, "data": dict(content.get("data", {})), "metadata": {}}
            if kind == "execute_result":
                output["execution_count"] = None
        size = len(json.dumps(output, default=str))
        if size <= self.room + 200:
            self.kept.append(output)
        self.room -= size


def _error_line(reply: dict) -> str:
    """"NameError: name 'y' is not defined (line 3)" from an error reply."""
    text = plain_text(" ".join(str(reply.get("evalue", "")).split()))[:300]
    name = plain_text(str(reply.get("ename", "an error")))[:80]
    text = re.sub(r"\(\S+\.py, (line \d+)\)", r"(\1)", text)
    trace = plain_text("\n".join(map(str, reply.get("traceback") or [])))
    lines = re.findall(r"(?:Cell )?In ?\[\d+\], line (\d+)", trace)
    where = f" (line {lines[-1]})" if lines and "(line" not in text else ""
    return f"{name}{': ' if text else ''}{text}{where}"


def plain_text(text: str) -> str:
    """Without terminal codes and control characters.

    >>> plain_text("\\x1b[31mred\\x1b[0m\\x07")
    'red'
    """
    text = re.sub(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|.)", "", text)
    return "".join(c for c in text if c in "\n\t" or c.isprintable())
