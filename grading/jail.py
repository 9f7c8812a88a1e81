"""A kernel in a jail: walls around it, a guard at its door, data in and data out.

The kernel sees a read-only system, its Python, and a private /tmp. It has no
network, no repository, no gradebook, no torch, and no pnnlib unless that is the
material (`walls`). It
speaks Jupyter over two sockets that the guard counts and cuts off (`guard`).
When it takes too much of anything, or too long, it is killed with everything
it started. Nothing it sends is believed: whatever comes is an `Outcome`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field

import zmq
from jupyter_client.session import Session

from pnnlib.exercises.borrowed import absent
from pnnlib.exercises.calling import Outcome
from pnnlib.exercises.given import recipe_of

from .guard import Guard
from .inside import wire
from .limits import Limits
from .printed import Printed, error_line, plain_text
from .walls import INSIDE, JailUnavailable, require_walls, walled

__all__ = ["CellResult", "Jail", "JailUnavailable"]

START_SECONDS = 60.0


@dataclass(frozen=True)
class CellResult:
    """How a cell ended: "ok", "error", "out of time" or "died"; `error` is one line."""

    status: str
    outputs: list[dict] = field(default_factory=list)
    error: str = ""


class Jail:
    """A fresh kernel; use it in a `with` statement, in one thread.

    After "out of time" or "died" it is no longer `alive` and answers nothing more.

    Args:
        limits: see `Limits`.
        bare: run the kernel without bubblewrap. It then has the rights of whoever
            marks, can read and write his files and reach the network. Time,
            memory, processes and output are still watched, torch and pnnlib are
            hidden but not absent, and a process that hides well may outlive it.
        library: with pnnlib's layers in it.

    Raises:
        JailUnavailable: where bubblewrap does not work and `bare` is False.
    """

    def __init__(self, limits: Limits = Limits(), bare: bool = False, library: bool = False):
        if not bare:
            require_walls()
        self.limits, self.bare, self.library = limits, bare, library

    def __enter__(self) -> Jail:
        # not TMPDIR: the path of a Unix socket has room for a hundred characters only
        self._directory = tempfile.mkdtemp(prefix="jail-", dir="/tmp")
        self._context = zmq.Context()
        self._guard = Guard(self.limits, 4 * (wire.MAX_BYTES + self.limits.output))
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_) -> None:
        self._guard.end("closed")
        self._context.destroy(linger=0)
        shutil.rmtree(self._directory, ignore_errors=True)

    @property
    def alive(self) -> bool:
        return not self._guard.reason

    # What the judge uses ------------------------------------------------------------------

    def run_cell(self, source: str) -> CellResult:
        """Run a cell as Jupyter would."""
        printed = Printed(self.limits.output)
        request = {"code": source, "silent": False, "store_history": True, "user_expressions": {},
                   "allow_stdin": False, "stop_on_error": False}  # fmt: skip
        reply = self._ask("execute_request", request, printed=printed)
        if reply is None:
            return CellResult(*self._end(printed.kept))
        content = reply["content"]
        if content.get("status") == "ok":
            return CellResult("ok", printed.kept)
        return CellResult("error", printed.kept, error_line(content))

    def call(self, name: str, args: tuple, options: dict, names: tuple[str, ...] = ()) -> Outcome:
        """Call the student's function; `names` are those of the positional arguments."""
        frames = wire.encode((tuple(args), dict(options)), strict=True, recipe=recipe_of)
        reply = self._ask("judge_request", {"do": "call", "name": name, "names": list(names)}, frames)
        return self._outcome(reply, (*names, *options))

    def read(self, name: str) -> Outcome:
        """The value of one of the student's variables."""
        return self._outcome(self._ask("judge_request", {"do": "read", "name": name}))

    # How it is done -----------------------------------------------------------------------

    def _start(self) -> None:
        doors, own = f"{self._directory}/doors", f"{self._directory}/own"
        os.mkdir(doors)
        os.mkdir(own)
        self._session = Session()
        self._session.auth = None  # nothing is signed: whoever is inside could read the key
        self._shell = self._socket(zmq.DEALER, f"{own}/shell")
        self._iopub = self._socket(zmq.SUB, f"{own}/iopub")
        self._iopub.subscribe(b"")
        for name in ("shell", "iopub"):
            self._guard.open_door(f"{doors}/{name}", f"{own}/{name}")
        with self._command(doors) as (command, descriptors):
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,  # of the start only: `boot` lets go of it
                env=self._settings() if self.bare else {},  # cleared inside, it would show in /proc/1/environ
                cwd=self._directory if self.bare else "/",
                start_new_session=True,
                pass_fds=descriptors,
            )
        with process.stderr:
            self._guard.watch(process, mark=self._directory if self.bare else "")
            if not self._wait():
                self._guard.end("it did not answer")
                os.set_blocking(process.stderr.fileno(), False)
                said = (process.stderr.read(10_000) or b"").decode(errors="replace").strip()
                raise JailUnavailable(f"The kernel does not start: {self._guard.reason}. {said[-1000:]}")
        self._guard.know_kernel()
        if not self.bare:  # nothing is left behind even if the marking is killed
            shutil.rmtree(self._directory, ignore_errors=True)

    def _socket(self, kind: int, path: str) -> zmq.Socket:
        found = self._context.socket(kind)
        # no queue that fills up and blocks the guard: he counts, and the kernel cannot send more
        found.set_hwm(0)
        found.setsockopt(zmq.MAXMSGSIZE, 2 * wire.MAX_BYTES)
        found.setsockopt(zmq.LINGER, 0)
        found.setsockopt(zmq.SNDTIMEO, 1000)
        found.bind(f"ipc://{path}")
        return found

    def _settings(self) -> dict[str, str]:
        home = self._directory if self.bare else "/tmp"
        settings = {
            "HOME": home,
            "USER": "student",
            "IPYTHONDIR": f"{home}/ipython",
            "MPLCONFIGDIR": f"{home}/matplotlib",
            "PATH": "/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "MPLBACKEND": "module://matplotlib_inline.backend_inline",
            # one thread: the class is marked in parallel, and threads count as memory
            **{f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")},
        }
        if self.bare:
            settings["MARKING_JAIL"] = self._directory
        return settings

    def _command(self, doors: str):
        limits = [str(number) for number in (self.limits.memory, self.limits.disk, self.limits.output)]
        settings = [",".join(absent(self.library)), *limits]
        if self.bare:
            return contextlib.nullcontext(([sys.executable, str(INSIDE / "boot.py"), doors, *settings], ()))
        program = [sys.executable, "/inside/boot.py", "/doors", *settings]
        return walled(program, doors, self.limits.disk, self._settings(), self.library)

    def _wait(self) -> bool:
        """Whether the kernel answers, and can be heard."""
        end = time.monotonic() + START_SECONDS
        while self.alive and time.monotonic() < end:
            if self._shell.poll(50, zmq.POLLOUT):
                # asked again, because what is printed before the subscription stands is lost
                message = self._session.send(self._shell, "kernel_info_request", {})
                reply, heard = self._collect(message, time.monotonic() + 2, Printed(0))
                if reply and heard:
                    return True
        return False

    def _ask(self, kind: str, content: dict, frames: list[bytes] = (), printed: Printed | None = None):
        """The kernel's reply, or None when it did not survive."""
        if not self.alive:
            return None
        end = time.monotonic() + self.limits.seconds
        self._guard.renew_allowance()
        try:
            message = self._session.send(self._shell, kind, content, buffers=list(frames))
        except zmq.ZMQError:
            self._guard.end("the kernel closed its connection")
            return None
        reply, _ = self._collect(message, end, printed)
        if reply is None:
            self._guard.end("out of time")
        return reply

    def _collect(self, request: dict, end: float, printed: Printed | None) -> tuple[dict | None, bool]:
        """The reply to `request`, and whether all was heard that was printed on the way."""
        poller = zmq.Poller()
        poller.register(self._shell, zmq.POLLIN)
        poller.register(self._iopub, zmq.POLLIN)
        reply, heard = None, printed is None
        while not (reply and heard) and time.monotonic() < end:
            ready = poller.poll(50)
            if not ready and not self.alive:
                break
            for found, _ in ready:
                message = self._receive(found, request)
                if message is None:
                    continue
                if found is self._shell:
                    reply = message
                    end = min(end, time.monotonic() + 1)  # for the last of the output
                elif message["content"].get("execution_state") == "idle":
                    heard = True
                elif printed is not None:
                    printed.take(message)
        return reply, heard

    def _receive(self, found: zmq.Socket, request: dict) -> dict | None:
        """The next message, if it is one and belongs to `request`."""
        try:
            _, frames = self._session.feed_identities(found.recv_multipart(zmq.NOBLOCK))
            message = self._session.deserialize(frames)
            if message["parent_header"]["msg_id"] != request["header"]["msg_id"]:
                return None
            if not isinstance(message["content"], dict):
                message["content"] = {}
            return message
        except Exception:  # forged or broken messages are no messages
            return None

    def _outcome(self, reply: dict | None, names: tuple[str, ...] = ()) -> Outcome:
        if reply is None:
            kind, _, error = self._end([])
            return Outcome(kind, error=error)
        try:
            content = reply["content"]
            kind = content["kind"]
            if kind == "returned":
                changed = tuple(name for name in names if name in content["changed"])
                return Outcome(kind, wire.decode(reply["buffers"]), changed=changed)
            if kind in ("missing", "not implemented", "raised"):
                return Outcome(kind, error=plain_text(str(content.get("error", ""))[:500]))
        except Exception:  # whatever a tampered kernel sends, it is no answer
            pass
        return Outcome("raised", error="an answer that is no data and could not be read")

    def _end(self, outputs: list[dict]) -> tuple[str, list[dict], str]:
        """How it ended, once it is dead: kind, outputs and a sentence."""
        if self._guard.reason == "out of time":
            return "out of time", outputs, f"stopped after {self.limits.seconds:g} seconds"
        return "died", outputs, self._guard.reason
