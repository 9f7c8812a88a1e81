"""Call a student's function once, and say plainly what happened.

`call` is what `check` uses inside a notebook. When a class is marked, the jail
makes the same `Outcome` on the far side of a process boundary, so everything
that reads outcomes (`diagnosis`) serves both.
"""

from __future__ import annotations

import contextlib
import copy
import ctypes
import functools
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FrameType

import numpy as np

from .given import Function, Seed, fresh


@dataclass(frozen=True)
class Outcome:
    """What one call did.

    kind    "returned", "not implemented", "raised", "out of time", "missing"
            (there is no such function) or "died" (the process did not survive)
    value   what was returned, when kind is "returned"
    error   one line for the learner, when something went wrong; "not implemented" carries
            what the stub says, which may be another exercise's stub
    changed names of the arguments that the call changed
    """

    kind: str
    value: object = None
    error: str = ""
    changed: tuple[str, ...] = ()


class OutOfTime(BaseException):
    """Raised inside a student's function; no `except Exception` in it catches this."""


def call(
    function: Callable,
    args: tuple,
    options: dict,
    names: tuple[str, ...] = (),
    seconds: float = 5.0,
) -> Outcome:
    """Call `function(*args, **options)` on copies and report what happened.

    Args:
        args, options: what to pass; the function gets copies of its own, see `given`.
        names: the names of `args`, to say which of them was changed.
        seconds: an endless loop is stopped after this long.

    >>> call(lambda x: x + 1, (np.array([1.0, 2.0]),), {}).value
    array([2., 3.])
    >>> call(lambda x: x / 0, (1,), {}).error
    'ZeroDivisionError: division by zero (line 1 of your cell)'
    """
    given_args, given_options = fresh((args, options))
    try:
        with time_limit(seconds):
            value = _kept(function(*given_args, **given_options))
    except NotImplementedError as error:
        return Outcome("not implemented", error=one_line(error, function))
    except OutOfTime:
        return Outcome("out of time", error=f"stopped after {seconds:g} seconds")
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit, and what a student derives from BaseException
        return Outcome("raised", error=one_line(error, function))
    labelled = [*zip(names, args, given_args, strict=False)]
    labelled += [(name, options[name], given_options[name]) for name in options]
    changed = tuple(name for name, before, after in labelled if not same(before, after))
    return Outcome("returned", value, changed=changed)


def _kept(value):
    """A copy where one can be made: what is returned may be one buffer, written over by the next call."""
    try:
        return copy.deepcopy(value)
    except Exception:
        return value


def same(before, after) -> bool:
    """Whether two arguments are equal in type, shape and every value (NaN equals NaN).

    A function or a generator that was made for the call is what it was.
    """
    if isinstance(before, (Function, Seed)) and not isinstance(after, (Function, Seed)):
        return before.is_still(after)
    if isinstance(before, np.ndarray):
        return (
            isinstance(after, np.ndarray)
            and (before.shape, before.dtype) == (after.shape, after.dtype)
            and (
                before.tobytes() == after.tobytes()  # nearly always, and soonest found out
                or np.array_equal(before, after, equal_nan=before.dtype.kind in "fc")
            )
        )
    if isinstance(before, (list, tuple)):
        return (
            type(before) is type(after)
            and len(before) == len(after)
            and all(map(same, before, after))
        )
    return type(before) is type(after) and before == after


def one_line(error: BaseException, function: Callable) -> str:
    """The error in one line, with the last line of the student's own code that led to it."""
    own_file = getattr(getattr(function, "__code__", None), "co_filename", None)
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == own_file]
    where = f" (line {lines[-1]} of your cell)" if lines else ""
    try:
        text = " ".join(str(error).split())
    except Exception:  # an exception of the student's own that cannot be printed
        text = ""
    return f"{type(error).__name__}{': ' if text else ''}{text[:300]}{where}"


def time_limit(seconds: float) -> contextlib.AbstractContextManager[None]:
    """Raise `OutOfTime` in this thread after `seconds`, and again until the block ends.

    An import that is under way is waited for.
    """
    signals = hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()
    return _alarm(seconds) if signals else _watchdog(seconds)


def _importing(frame: FrameType | None) -> bool:
    """Whether the student's call is inside an import.

    Broken off there, half a module would stay behind, and PyTorch, which imports some of its own
    parts at the first gradient, would fail until the kernel is restarted.
    """
    while frame and frame.f_code.co_filename != __file__:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


class _Again:
    """`-_Again()` lets the alarm ring again at once. It is an operator, because after a call Python
    looks for signals at once, still in `_ring`."""

    if hasattr(signal, "setitimer"):
        __neg__ = staticmethod(functools.partial(signal.setitimer, signal.ITIMER_REAL, 1e-6, 0.05))


_again = _Again()


def _ring(signum, frame):
    if frame.f_code.co_filename in (__file__, contextlib.__file__):
        return  # the call has just ended
    if _importing(frame):
        return  # it rings again soon
    # A bare `except:` in an endless loop catches this one, but not one that comes while
    # its handler runs. So the next one follows at once.
    -_again
    raise OutOfTime


@contextlib.contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    """By signal: also ends a sleep. Unix, main thread."""
    previous = signal.signal(signal.SIGALRM, _ring)
    signal.setitimer(signal.ITIMER_REAL, seconds, 0.05)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


@contextlib.contextmanager
def _watchdog(seconds: float) -> Iterator[None]:
    """By a second thread: everywhere else, Windows among them. A loop around a bare `except:` survives it."""
    thread = ctypes.c_ulong(threading.get_ident())
    done = threading.Event()
    lock = threading.Lock()

    def watch():
        wait = seconds
        while not done.wait(wait):
            with lock:
                if not done.is_set() and not _importing(sys._current_frames().get(thread.value)):
                    raise_in(thread, ctypes.py_object(OutOfTime))
            wait = 0.05

    raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc
    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        with lock:
            done.set()
            raise_in(thread, None)  # one that is still under way must not hit the caller
