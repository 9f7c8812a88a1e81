"""A filter for the jail: system calls that no exercise needs and that would do harm.

Some take memory that no process is seen to hold, so that the guard could not
count it; some are where the holes in the operating system were found in the past.
Each of them fails with "not permitted", as it does in many containers.
"""

from __future__ import annotations

import contextlib
import os
import platform
import struct
from collections.abc import Iterator

# name: number on x86_64, on aarch64
DENIED = {
    "memfd_create": (319, 279), "memfd_secret": (447, 447), "shmget": (29, 194), "msgget": (68, 186),
    "semget": (64, 190), "mq_open": (240, 180), "add_key": (248, 217), "request_key": (249, 218),
    "keyctl": (250, 219), "io_uring_setup": (425, 425), "bpf": (321, 280), "userfaultfd": (323, 282),
    "perf_event_open": (298, 241), "ptrace": (101, 117), "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271), "mount": (165, 40), "umount2": (166, 39), "unshare": (272, 97),
    "setns": (308, 268),
}  # fmt: skip
ARCHITECTURES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}

# the instructions of a classic BPF program that are needed here
LOAD, JUMP_EQUAL, JUMP_GREATER_EQUAL, RETURN = 0x20, 0x15, 0x35, 0x06
ALLOW, NOT_PERMITTED, KILL = 0x7FFF0000, 0x00050001, 0x80000000
X32 = 0x40000000  # a second set of numbers for the same calls, on x86_64


@contextlib.contextmanager
def filter_options() -> Iterator[tuple[list[str], tuple[int, ...]]]:
    """The options of bubblewrap that load the filter, and the file descriptors that it needs for them."""
    program = compiled(platform.machine())
    if not program:
        yield [], ()
        return
    reader, writer = os.pipe()
    try:
        os.write(writer, program)
        os.close(writer)
        yield ["--seccomp", str(reader)], (reader,)
    finally:
        os.close(reader)


def compiled(machine: str) -> bytes:
    """The filter as a BPF program; nothing for a machine whose numbers are not known here."""
    if machine not in ARCHITECTURES:
        return b""
    architecture, column = ARCHITECTURES[machine]
    numbers = [both[column] for both in DENIED.values()]
    count = len(numbers)
    # jumps say how many instructions to leave out: if so, if not; at the end stand allow, deny, kill
    program = [
        (LOAD, 0, 0, 4),  # the architecture of the call, which on x86_64 may be another
        (JUMP_EQUAL, 0, count + 4, architecture),
        (LOAD, 0, 0, 0),  # its number
        (JUMP_GREATER_EQUAL, count + 1, 0, X32),
        *((JUMP_EQUAL, count - i, 0, number) for i, number in enumerate(numbers)),
        (RETURN, 0, 0, ALLOW),
        (RETURN, 0, 0, NOT_PERMITTED),
        (RETURN, 0, 0, KILL),
    ]
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)
