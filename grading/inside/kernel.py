"""IPython's kernel, as the judge needs it.

It comes to the judge's doors instead of opening its own, answers one more
request, and holds back what a cell prints beyond a limit.
"""

import json
import sys

import harness
from ipykernel.iostream import OutStream
from ipykernel.ipkernel import IPythonKernel
from ipykernel.kernelapp import IPKernelApp
from jupyter_client.session import Session


def open_doors(doors, output):
    """The application, ready to start; `doors` is the directory of the judge's sockets."""
    Room.limit = output
    session = QuietSession()
    session.auth = None  # nothing is signed: students' code could read the key
    app = Application.instance(doors=doors, session=session)
    app.initialize(["--HistoryManager.enabled=False"])
    return app


class Room:
    """What the running cell may still print; every way to print takes from it."""

    limit = left = 0

    @classmethod
    def take(cls, wanted):
        given = min(wanted, max(cls.left, 0))
        cls.left -= wanted
        return given


class Printer(OutStream):
    """sys.stdout and sys.stderr: what is too much is dropped at once and never fills the memory."""

    def write(self, string):
        if not isinstance(string, str):
            return super().write(string)  # which says what is wrong with it
        kept = string[: Room.take(len(string))]
        if kept:
            super().write(kept)
        return len(string)


class QuietSession(Session):
    """Sends no more than the room that is left, and no text without end."""

    def msg(self, msg_type, content=None, *args, **kwargs):
        return super().msg(msg_type, _cut(content), *args, **kwargs)

    def send(self, stream, msg_or_type, content=None, *args, **kwargs):
        kind = msg_or_type["msg_type"] if isinstance(msg_or_type, dict) else msg_or_type
        if kind in ("display_data", "update_display_data", "clear_output") or kind.startswith("comm_"):
            shown = msg_or_type["content"] if isinstance(msg_or_type, dict) else content
            size = 500 + len(json.dumps(shown, default=repr)) + sum(map(len, kwargs.get("buffers") or []))
            if Room.take(size) < size:
                return None
        return super().send(stream, msg_or_type, content, *args, **kwargs)


def _cut(item):
    """`item` without texts longer than the limit."""
    if isinstance(item, str):
        return item[: Room.limit]
    if isinstance(item, dict):
        return {key: _cut(value) for key, value in item.items()}
    if isinstance(item, list):
        return [_cut(value) for value in item[: Room.limit]]
    return item


class Kernel(IPythonKernel):
    msg_types = [*IPythonKernel.msg_types, "judge_request"]

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.streams = sys.stdout, sys.stderr
        self.shell.ask_exit = lambda: None  # a leftover exit() ends no kernel

    async def do_shutdown(self, restart):
        """Asked for by a notebook that wants to restart its kernel; the judge never asks."""
        return {"status": "ok", "restart": restart}

    async def do_execute(self, *args, **kwargs):
        Room.left = Room.limit
        try:
            return await super().do_execute(*args, **kwargs)
        finally:
            # a cell that closed or redirected them would silence the kernel itself
            sys.stdout, sys.stderr = self.streams

    async def judge_request(self, stream, ident, parent):
        content, buffers = harness.answer(self.shell.user_ns, parent["content"], parent["buffers"])
        sys.stdout, sys.stderr = self.streams
        self.session.send(stream, "judge_reply", content, parent, ident=ident, buffers=buffers)


class Application(IPKernelApp):
    """Connects to sockets that exist, so that the kernel can write nowhere outside."""

    kernel_class = Kernel
    outstream_class = "kernel.Printer"
    transport = "ipc"
    doors = ""

    def __init__(self, doors="", **kwargs):
        super().__init__(**kwargs)
        self.doors = doors

    def init_connection_file(self):
        pass

    write_connection_file = log_connection_info = init_heartbeat = init_connection_file

    def init_iopub(self, context):
        # not earlier: the debugger connects to wherever it finds the shell socket
        self.shell_socket.connect(f"ipc://{self.doors}/shell")
        super().init_iopub(context)

    def _bind_socket(self, socket, port):
        if socket is self.iopub_socket:
            socket.connect(f"ipc://{self.doors}/iopub")
        return 0
