"""What one hand-in may use while it is marked."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What one hand-in may use.

    seconds    for one cell and for one call; also the computing time of all that runs beside the
               kernel's main thread, its other threads and the programs it starts, together
    memory     bytes, the whole process tree together
    disk       bytes, for each of /tmp and /dev/shm, and for one file
    processes  of the tree
    output     characters that are kept of what one cell prints
    """

    seconds: float = 20.0
    memory: int = 2_000_000_000
    disk: int = 512_000_000
    processes: int = 128
    output: int = 1_000_000
