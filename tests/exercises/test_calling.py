"""A student's function is called once, on copies, for a limited time, and what happened is said plainly."""

import importlib
import signal
import threading
import time

import numpy as np
import pytest

from pnnlib.exercises.calling import OutOfTime, call, same, time_limit


def loop():
    while True:
        pass


def stubborn_loop():
    while True:
        try:
            while True:
                pass
        except:  # noqa: E722 (what students write)
            pass


def very_stubborn_loop():
    while True:
        try:
            sum(range(10))
        except BaseException:
            try:
                sum(range(10))
            except BaseException:
                continue


def sleep():
    time.sleep(60)


def in_thread(function):
    found = []
    thread = threading.Thread(target=lambda: found.append(function()))
    thread.start()
    thread.join(20)
    return found[0]


@pytest.mark.parametrize("function", [loop, stubborn_loop, very_stubborn_loop, sleep])
def test_what_never_ends_is_stopped(function):
    started = time.monotonic()
    outcome = call(function, (), {}, seconds=0.3)
    assert (outcome.kind, outcome.error) == ("out of time", "stopped after 0.3 seconds")
    assert time.monotonic() - started < 5


def test_also_where_there_are_no_signals():
    assert in_thread(lambda: call(loop, (), {}, seconds=0.3)).kind == "out of time"


def test_being_stopped_never_reaches_the_caller():
    for _ in range(50):
        assert call(loop, (), {}, seconds=0.002).kind == "out of time"
        assert call(lambda: sum(range(50_000)), (), {}, seconds=0.0005).kind in ("returned", "out of time")


def test_the_alarm_is_off_afterwards():
    before = signal.getsignal(signal.SIGALRM)
    call(loop, (), {}, seconds=0.1)
    call(lambda: None, (), {}, seconds=0.1)
    time.sleep(0.2)
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_no_late_exception_hits_the_caller_of_a_thread():
    def caller():
        for _ in range(20):
            with pytest.raises(OutOfTime), time_limit(0.01):
                loop()
        time.sleep(0.1)
        return "survived"

    assert in_thread(caller) == "survived"


@pytest.mark.parametrize("where", [lambda run: run(), in_thread], ids=["signal", "thread"])
def test_an_import_is_not_broken_off(tmp_path, monkeypatch, where):
    package = f"slow_to_import_{where.__name__.strip('<>')}"
    (tmp_path / package).mkdir()
    (tmp_path / package / "__init__.py").write_text(f"import time, {package}.part\ntime.sleep(0.5)\nwhole = True\n")
    (tmp_path / package / "part.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)

    def use_it():
        importlib.import_module(package)
        loop()

    assert where(lambda: call(use_it, (), {}, seconds=0.1)).kind == "out of time"
    module = importlib.import_module(package)
    assert module.whole and module.part


def shape_error(x):
    return x.reshape(5)


def bare_error(x):
    raise ValueError


def long_error(x):
    raise ValueError("word\n" * 1000)


def leave(x):
    raise SystemExit(3)


@pytest.mark.parametrize("function, error", [
    (shape_error, "ValueError: cannot reshape array of size 3 into shape (5,)"),
    (bare_error, "ValueError"),
    (leave, "SystemExit: 3"),
])  # fmt: skip
def test_an_error_is_one_line_with_the_line_of_the_students_code(function, error):
    outcome = call(function, (np.ones(3),), {})
    line = function.__code__.co_firstlineno + 1
    assert (outcome.kind, outcome.error) == ("raised", f"{error} (line {line} of your cell)")


class Unprintable(BaseException):
    def __str__(self):
        raise ValueError


def raise_unprintable(x):
    raise Unprintable


def test_an_exception_of_any_kind_is_told():
    assert call(raise_unprintable, (1,), {}).error.startswith("Unprintable (line ")


def test_whoever_interrupts_is_obeyed():
    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        call(interrupted, (), {})


def test_a_long_error_is_cut():
    error = call(long_error, (1,), {}).error
    assert len(error) < 400 and "\n" not in error


def test_not_implemented_says_whose_stub_it_was():
    def stub():
        raise NotImplementedError("convolve is not written yet")

    outcome = call(stub, (), {})
    assert outcome.kind == "not implemented" and "convolve is not written yet" in outcome.error


def change(x, items, scale=None):
    x[0] = 9
    items.append(1)
    scale[0] = 0
    return x


def test_changed_arguments_are_named_and_the_callers_stay():
    x, items, scale = np.zeros(2), [0], [1]
    outcome = call(change, (x, items), {"scale": scale}, ("x", "items"))
    assert outcome.kind == "returned" and outcome.changed == ("x", "items", "scale")
    assert (x.tolist(), items, scale) == ([0, 0], [0], [1])


def test_a_result_may_share_memory_with_an_argument():
    assert call(lambda x: x.reshape(2, 1), (np.zeros(2),), {}, ("x",)).changed == ()


@pytest.mark.parametrize("before, after, equal", [
    (np.array([1.0, np.nan]), np.array([1.0, np.nan]), True),
    (np.array([1.0]), np.array([1]), False),
    (np.array([1.0]), [1.0], False),
    (np.zeros((1, 2)), np.zeros((2, 1)), False),
    ([1, (2, 3)], [1, (2, 3)], True),
    ([1, (2, 3)], [1, [2, 3]], False),
    ((1, 2), (1, 2, 3), False),
    (1, 1.0, False), (1, True, False), ("a", "a", True), (None, None, True),
])  # fmt: skip
def test_same(before, after, equal):
    assert same(before, after) == equal
