"""Call a student's function once, and say plainly what happened.

`call` is what `check` uses inside a notebook. When a class is marked, the jail
makes the same `Outcome` from the far side of a process boundary, so everything
that reads outcomes (`diagnosis`) serves both.
"""

from __future__ import annotations

import contextlib
import copy
import ctypes
import signal
import threading
import traceback
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Outcome:
    """What one call did.

    kind    "returned", "not implemented", "raised", "out of time" or "missing"
            (the function is not there, or the call could not be made at all)
    value   what was returned, when kind is "returned"
    error   one line for the learner, when something went wrong
    changed names of the arguments that the call changed
    """

    kind: str
    value: object = None
    error: str = ""
    changed: tuple[str, ...] = ()
