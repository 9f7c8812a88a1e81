"""The jail: what comes out of it, what it stops, and what is left behind."""

import json
import os
import platform
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

from grading import syscalls, walls
from grading.guard import lives
from grading.inside import wire
from grading.jail import Jail, JailUnavailable
from grading.limits import Limits
from grading.printed import Printed, plain_text
from grading.walls import require_walls

needs_walls = pytest.mark.jail

# Long enough that a slow machine with a cold disk does not fail what is not about time (see `hurry`).
SECONDS = 60.0
SMALL = Limits(seconds=SECONDS, memory=500_000_000, disk=20_000_000, processes=20, output=10_000)


@pytest.fixture(scope="module")
def shared():
    """One jail for everything that leaves it alive."""
    with Jail(Limits(seconds=SECONDS)) as jail:
        yield jail
        assert jail.alive


@pytest.fixture
def jail():
    with Jail(SMALL) as jail:
        yield jail


def hurry(jail):
    """From here on a second is all it gets: what comes is expected to run out of time."""
    jail.limits = replace(jail.limits, seconds=1.0)


def run(jail, source):
    """What a cell prints; it must not fail."""
    result = jail.run_cell(source)
    assert result.status == "ok", result
    return "".join(output.get("text", "") for output in result.outputs)


def call(jail, source, *args, names=("x",), **options):
    """Define f and call it."""
    run(jail, source)
    return jail.call("f", args, options, names)


def wait_until(condition, seconds=SECONDS):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False


# What comes back --------------------------------------------------------------------------


@needs_walls
def test_value_comes_back_as_it_was(shared):
    x = np.arange(6.0).reshape(2, 3)
    outcome = call(shared, "def f(x, k=1):\n    return x * k", x, k=3)
    assert (outcome.kind, outcome.changed, outcome.error) == ("returned", (), "")
    assert outcome.value.dtype == np.float64
    np.testing.assert_array_equal(outcome.value, 3 * x)


@needs_walls
@pytest.mark.parametrize(
    "expression, expected",
    [
        ("None", None),
        ("True", True),
        ("7", 7),
        ("-2 ** 200", -(2**200)),
        ("0.1", 0.1),
        ("float('inf')", float("inf")),
        ("'grün'", "grün"),
        ("(1, [2.5, (3,)], {'a': [None]})", (1, [2.5, (3,)], {"a": [None]})),
        ("range(3)", [0, 1, 2]),
        ("np.float32(0.5)", np.float32(0.5)),
        ("np.bool_(True)", np.True_),
        ("1 + 2j", np.complex128(1 + 2j)),
        ("np.array(5)", np.array(5)),
        ("np.zeros((0, 3), np.int8)", np.zeros((0, 3), np.int8)),
        ("np.arange(6).reshape(2, 3).T[::-1]", np.arange(6).reshape(2, 3).T[::-1]),
        ("np.matrix([[1, 2]])", np.array([[1, 2]])),
        ("np.array([1, 2], '>i4')", np.array([1, 2], "<i4")),
        ("np.array([1.5], np.longdouble)", np.array([1.5])),
    ],
)
def test_values_of_every_kind(shared, expression, expected):
    value = call(shared, f"import numpy as np\ndef f():\n    return {expression}").value
    assert type(value) is type(expected)
    if isinstance(expected, np.ndarray | np.generic):
        assert (value.dtype, value.shape) == (expected.dtype, expected.shape)
        np.testing.assert_array_equal(value, expected)
    else:
        assert value == expected


@needs_walls
@pytest.mark.parametrize(
    "expression, name",
    [
        ("object()", "object"),
        ("(i for i in range(3))", "generator"),
        ("np.array([1, 'a', None], object)", "ndarray of objects"),
        ("[[1], [2, 3]] and {1: 2}", "dict"),
        ("np.zeros(10 ** 7)", "ndarray of more than 8 MB"),
        ("loop", "list of more than 8 MB"),
        ("type('<b>', (), {})()", "b"),
    ],
)
def test_what_is_no_data_comes_back_as_a_name(shared, expression, name):
    source = f"import numpy as np\nloop = []\nloop += [loop] * 9\ndef f():\n    return {expression}"
    value = call(shared, source).value
    assert isinstance(value, wire.Opaque)
    assert type(value).__name__ == name


@needs_walls
def test_each_kind_of_outcome(shared):
    assert shared.call("nowhere", (), {}).kind == "missing"
    assert call(shared, "f = 3").kind == "missing"
    assert call(shared, "def f():\n    raise NotImplementedError").kind == "not implemented"
    raised = call(shared, "def f():\n    y = 1\n    raise ValueError('no\\n way')")
    assert (raised.kind, raised.error) == ("raised", "ValueError: no way (line 3 of your cell)")
    assert call(shared, "def f():\n    raise SystemExit(2)").kind == "raised"
    assert call(shared, "def f():\n    return f()").error.startswith("RecursionError")
    class_without_words = "class E(Exception):\n    def __str__(self): raise E\ndef f(): raise E"
    assert call(shared, class_without_words).error == "E (line 3 of your cell)"


@needs_walls
def test_variables_are_read(shared):
    run(shared, "answer_1 = 'b'\nanswer_2 = [1, 2]")
    assert shared.read("answer_1").value == "b"
    assert shared.read("answer_2").value == [1, 2]
    assert shared.read("answer_3").kind == "missing"


@needs_walls
def test_changed_arguments_are_named(shared):
    source = "def f(x, w, *, b=None):\n    x += 1\n    b.append(4)\n    return w"
    outcome = call(shared, source, np.ones(2), np.ones(2), b=[3], names=("x", "w"))
    assert (outcome.kind, outcome.changed) == ("returned", ("x", "b"))
    outcome = call(shared, "def f(x):\n    x.shape = (2, 1)\n    return x", np.ones(2))
    assert outcome.changed == ("x",)
    assert call(shared, "def f(x):\n    return x", np.array([np.nan])).changed == ()


@needs_walls
def test_arguments_must_be_data(shared):
    with pytest.raises(wire.WireError):
        shared.call("f", (object(),), {})


@needs_walls
def test_cells_report_their_errors_in_one_line(shared):
    assert shared.run_cell("x = 1\ny = 2 +").error == "SyntaxError: invalid syntax (line 2)"
    result = shared.run_cell("x = 1\n\nunknown")
    assert (result.status, result.error) == ("error", "NameError: name 'unknown' is not defined (line 3)")
    assert result.outputs[-1]["output_type"] == "error"
    assert "\x1b" not in "".join(result.outputs[-1]["traceback"])


@needs_walls
def test_outputs_are_kept_in_order(shared):
    result = shared.run_cell("import sys\nprint('a')\nprint('b', file=sys.stderr)\n3 + 4")
    assert [output.get("name", output["output_type"]) for output in result.outputs] == [
        "stdout", "stderr", "execute_result",
    ]  # fmt: skip
    assert result.outputs[-1]["data"] == {"text/plain": "7"}


@needs_walls
def test_outputs_hold_text_and_pictures_only(shared):
    source = """from IPython.display import display
display({'text/html': '<script>', 'image/png': 'iVBOR/+=', 'image/jpeg': '"><script>', 'text/plain': 'p'}, raw=True)"""
    assert shared.run_cell(source).outputs[0]["data"] == {"image/png": "iVBOR/+=", "text/plain": "p"}


@needs_walls
def test_input_is_an_error_and_exit_is_none(shared):
    assert shared.run_cell("input('?')").status == "error"
    assert shared.run_cell("import sys; sys.exit()").status == "error"
    assert shared.run_cell("exit()\nafter_exit = 1").status == "ok"
    time.sleep(0.3)  # IPython would leave 0.1 s after the cell
    assert shared.read("after_exit").value == 1


# Noise that must not cost a right answer --------------------------------------------------


@needs_walls
@pytest.mark.parametrize(
    "noise",
    [
        "list = dict = tuple = sum = print = len = str = type = int = isinstance = callable = 3",
        "np = json = sys = wire = harness = numpy = get_ipython = 3",
        "import numpy, warnings\nnumpy.seterr(all='raise')\nwarnings.simplefilter('error')",
        "import numpy\nnumpy.set_printoptions(precision=1, threshold=2)\n%precision 2",
        "import sys\nsys.stdout.close()",
        "import sys\nsys.stdout = sys.stderr = open('/dev/null', 'w')\nsys.stdout.close()",
        "import sys\nsys.stdout = None",
        "import os\nos.close(1)\nos.close(2)",
        "import os\nos.mkdir('/tmp/gone')\nos.chdir('/tmp/gone')\nos.rmdir('/tmp/gone')",
        "import builtins\nbuiltins.print = lambda *a: 1 / 0",
        "import random, numpy\nrandom.seed(1)\nnumpy.random.seed(1)",
        "import torch, torch.nn as nn, torch.nn.functional as F\nfrom torch.nn import Module, Linear as L\n"
        "import pnnlib.explore\nfrom pnnlib.exercises import check, check_question\nfrom pnnlib import anything\n"
        "from pnnlib.conv import conv2d\ntorch.manual_seed(0)\ntorch.set_default_dtype(torch.float64)\n"
        "def g(x: torch.Tensor | None) -> list[torch.Tensor]: return isinstance(x, torch.Tensor)\n"
        "class Net(nn.Module): pass\ncheck(g)\ncheck_question('question-1', 'b')",
        "import subprocess, threading, time\nsubprocess.Popen(['sleep', '60'])\n"
        "threading.Thread(target=time.sleep, args=(60,)).start()",
        "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)",
        "import asyncio\nawait asyncio.sleep(0)\nasyncio.ensure_future(asyncio.sleep(60))",
        "%reset -f",
        "%xmode Minimal\n%pprint\n%colors Linux",
        "import sys\nfor name in list(sys.modules):\n    if name[0] in 'hjkw': del sys.modules[name]",
    ],
)  # fmt: skip
def test_noise_costs_nothing(noise):
    with Jail(Limits(seconds=SECONDS)) as jail:
        jail.run_cell(noise)
        source = "import numpy as _n\ndef f(x):\n    print('noise')\n    return _n.exp(x) / 2"
        assert jail.run_cell(source.replace("    print('noise')\n", "")).status == "ok"
        outcome = jail.call("f", (np.array([0.0]),), {})
        assert (outcome.kind, outcome.error) == ("returned", "")
        np.testing.assert_array_equal(outcome.value, [0.5])


@needs_walls
@pytest.mark.parametrize(
    "use",
    ["torch.conv2d(x)", "torch.nn.functional.conv2d(x)", "pnnlib.conv.conv2d(x)", "torch.tensor([1.0])",
     "importlib.import_module('torch.nn.functional').relu(x)", "sys.modules['pnnlib'].conv2d(x)"],
)  # fmt: skip
def test_using_torch_or_pnnlib_says_so(shared, use):
    source = f"import importlib, sys, torch, pnnlib, pnnlib.conv\ndef f(x):\n    return {use}"
    outcome = call(shared, source, np.ones(3))
    assert outcome.kind == "raised"
    assert "is not available where exercises are marked: write it in NumPy (line 3 of your cell)" in outcome.error


# Limits -----------------------------------------------------------------------------------


@needs_walls
@pytest.mark.parametrize(
    "source, status, why",
    [
        ("while True: pass", "out of time", "stopped after 1 seconds"),
        ("while True:\n  try:\n    while True: pass\n  except BaseException: pass", "out of time", ""),
        ("import time; time.sleep(60)", "out of time", ""),
        ("import os; os._exit(0)", "died", "ended"),
        ("import ctypes; ctypes.string_at(0)", "died", "ended"),
        ("import os; os.kill(os.getpid(), 9)", "died", "ended"),
        ("import os; os.execv('/bin/sleep', ['sleep', '60'])", "died", "closed its connection"),
        ("import os; os.closerange(3, 1000)\nwhile True: pass", "died", "closed its connection"),
        ("x = [bytearray(10 ** 7) for _ in range(200)]\nwhile True: pass", "died", "0.5 GB of memory"),
        ("import subprocess, time\np = [subprocess.Popen(['sleep', '60']) for _ in range(40)]\ntime.sleep(60)",
         "died", "more than 20 processes"),
    ],
)  # fmt: skip
def test_what_is_too_much_ends_the_jail(jail, source, status, why):
    if status == "out of time":
        hurry(jail)
    result = jail.run_cell(source)
    assert result.status == status
    assert why in result.error
    assert not jail.alive
    # what is dead answers at once, and says the same
    assert jail.call("f", (), {}).kind == status
    assert jail.read("x").error == result.error
    assert jail.run_cell("1").status == status


@needs_walls
def test_limits_hold_within_a_call(jail):
    run(jail, "def f():\n  while True:\n    try:\n      pass\n    except: pass")
    hurry(jail)
    outcome = jail.call("f", (), {})
    assert (outcome.kind, outcome.error) == ("out of time", "stopped after 1 seconds")


@needs_walls
@pytest.mark.parametrize("source", [
    "import subprocess\nfor _ in range(15): subprocess.Popen('while :; do :; done', shell=True, start_new_session=True)",
    "import threading, numpy as np\ndef busy():\n  a = np.ones((400, 400))\n  while True: a @ a\n"
    "for _ in range(15): threading.Thread(target=busy, daemon=True).start()",
])  # fmt: skip
def test_what_computes_in_the_background_is_ended(source):
    """Busy loops in number would starve the hand-ins that are marked at the same time."""
    with Jail(Limits(seconds=4)) as jail:
        assert jail.run_cell(source).status == "ok"
        assert wait_until(lambda: not jail.alive)
        assert jail.read("x").error == "the threads and programs that it started computed for more than 4 seconds"


@needs_walls
def test_a_long_computation_of_the_kernel_itself_is_no_excess():
    """Only what runs beside it counts; a hand-in may compute through all of its cells."""
    with Jail(Limits(seconds=4)) as jail:
        for _ in range(3):
            assert jail.run_cell("import time\nend = time.time() + 1.5\nwhile time.time() < end: pass").status == "ok"


@needs_walls
def test_memory_of_children_counts(jail):
    result = jail.run_cell(
        "import os, time\nfor _ in range(4):\n    if not os.fork():\n"
        "        x = bytearray(150_000_000); time.sleep(60)\ntime.sleep(60)"
    )
    assert (result.status, result.error) == ("died", "it took more than 0.5 GB of memory")


@needs_walls
def test_forked_children_share_their_memory(jail):
    """Ten children see the same 200 MB; they do not take 2 GB."""
    source = """import os, time
x = bytearray(200_000_000)
children = [os.fork() or (time.sleep(0.5), os._exit(0)) for _ in range(10)]
for child in children: os.waitpid(child, 0)"""
    assert jail.run_cell(source).status == "ok"


@needs_walls
def test_fork_bomb_is_put_out(jail):
    """Each child forks at most once more every 2 ms, so that the machine survives a broken jail."""
    result = jail.run_cell(
        "import os, time\nend = time.time() + 3\nwhile time.time() < end:\n    os.fork(); time.sleep(0.05)"
    )
    assert (result.status, result.error) == ("died", "it started more than 20 processes")


@needs_walls
def test_disk_is_limited(jail):
    source = """import os
def fill(folder):
    try:
        for i in range(60):
            with open(f'{folder}/big{i}', 'wb') as file: file.write(bytes(1_000_000))
    except OSError as error:
        return type(error).__name__, i
print(fill('/tmp'), fill('/dev/shm'))"""
    result = jail.run_cell(source)
    text = "".join(o.get("text", "") for o in result.outputs)
    assert "(\'OSError\', 1" in text or "filled" in result.error, (result, text)
    assert "None" not in text


@needs_walls
def test_disk_is_limited_where_bubblewrap_cannot(monkeypatch):
    """Before 0.7 it did not know --size; the guard looks as well."""
    monkeypatch.setattr(walls, "_size", lambda disk: [])
    with Jail(SMALL) as jail:
        result = jail.run_cell(
            "import time\nfor i in range(3): open(f'/dev/shm/{i}', 'wb').write(bytes(10 ** 7))\ntime.sleep(60)"
        )
        assert (result.status, result.error) == ("died", "it filled /dev/shm")


@needs_walls
def test_one_file_is_limited(shared):
    result = shared.run_cell("file = open('/tmp/x', 'wb')\nfile.truncate(513_000_000)")
    assert result.error.startswith("OSError: [Errno 27] File too large")


@needs_walls
@pytest.mark.parametrize("name", ["memfd_create", "shmget", "mq_open", "unshare", "ptrace", "keyctl", "io_uring_setup"])
def test_memory_and_holes_out_of_the_guards_sight_are_shut(shared, name):
    number = syscalls.DENIED[name][syscalls.ARCHITECTURES[platform.machine()][1]]
    source = f"""import ctypes
libc = ctypes.CDLL(None, use_errno=True)
print([(libc.syscall(n, 0, 0, 0, 0, 0, 0), ctypes.get_errno()) for n in ({number}, {number} | 0x40000000)])"""
    assert run(shared, source) == "[(-1, 1), (-1, 1)]\n"


@needs_walls
@pytest.mark.parametrize("loop", ["print('x' * 1000)", "print('x', flush=True)", "display('x' * 100)",
                                  "os.write(1, b'x' * 1000)", "print(end='x' * 10 ** 6)"])  # fmt: skip
def test_endless_output_is_only_a_matter_of_time(loop):
    before = psutil.Process().memory_info().rss
    with Jail(Limits(seconds=1.0, output=10_000)) as jail:
        result = jail.run_cell(f"import os\nwhile True: {loop}")
        assert result.status == "out of time"
        assert 500 < len(json.dumps(result.outputs)) < 20_000
    assert psutil.Process().memory_info().rss - before < 100_000_000


@needs_walls
@pytest.mark.parametrize("statement", ["print('x' * 10 ** 8)", "raise ValueError('x' * 10 ** 8)",
                                       "from IPython.display import display; display({'text/plain': 'x' * 10 ** 7}, raw=True)",
                                       "'x' * 10 ** 7"])  # fmt: skip
def test_giant_output_is_cut_not_punished(statement):
    with Jail(Limits(seconds=SECONDS, output=10_000)) as jail:
        result = jail.run_cell(f"kept = 1\n{statement}")
        assert result.status == ("error" if "raise" in statement else "ok")
        assert len(json.dumps(result.outputs)) < 50_000
        assert len(result.error) < 500
        assert jail.read("kept").value == 1
        assert run(jail, "print('next')") == "next\n"


# Walls ------------------------------------------------------------------------------------


@needs_walls
def test_no_network(shared):
    with socket.create_server(("127.0.0.1", 0)) as server:
        source = f"""import socket
def attempt(f):
    try: f()
    except OSError: return 'refused'
    return 'through'
print(attempt(lambda: socket.create_connection(('127.0.0.1', {server.getsockname()[1]}), 2)),
      attempt(lambda: socket.create_connection(('1.1.1.1', 53), 2)),
      attempt(lambda: socket.getaddrinfo('example.org', 80)))"""
        assert run(shared, source) == "refused refused refused\n"
        server.settimeout(0.1)
        with pytest.raises(TimeoutError):
            server.accept()


@needs_walls
def test_nothing_of_the_marker_is_in_sight(tmp_path, monkeypatch):
    """A secret in the environment, in files and in an open file, sought everywhere, in /proc too."""
    secret = "xyzzy-" + os.urandom(8).hex()
    monkeypatch.setenv("MARKING_SECRET", secret)
    (tmp_path / "gradebook.db").write_text(secret)
    at_home = Path.home() / f".{secret}"
    at_home.write_text(secret)
    inherited = os.open(tmp_path / "gradebook.db", os.O_RDONLY)
    os.set_inheritable(inherited, True)
    source = """import os, stat
found = []
def look(path):
    try:
        with open(path, 'rb') as file: text = file.read(100_000)
    except OSError: return
    if SECRET.encode() in text: found.append(path)
for top in os.listdir('/proc'):
    if top.isdigit():
        for name in ('environ', 'cmdline', 'maps', 'mountinfo'): look(f'/proc/{top}/{name}')
        for folder in ('fd', 'root', 'cwd'):
            try: names = os.listdir(f'/proc/{top}/{folder}')
            except OSError: continue
            for name in names:
                try: regular = stat.S_ISREG(os.stat(f'/proc/{top}/{folder}/{name}').st_mode)
                except OSError: continue
                if regular: look(f'/proc/{top}/{folder}/{name}')
for folder in ('/tmp', '/dev/shm', HOME, TMP, os.path.expanduser('~'), REPO, REPO + '/grading', '/home', '/var', '/run', '/srv', '/mnt', '/sys'):
    try: print(folder, sorted(os.listdir(folder)))
    except OSError: print(folder, 'absent')
print(found, SECRET in str(os.environ))"""
    repo = Path(__file__).resolve().parents[2]
    for key, value in {"SECRET": secret, "HOME": str(Path.home()), "TMP": str(tmp_path), "REPO": str(repo)}.items():
        source = f"{key} = {value!r}.replace('~', '')\n" + source
    # the secret stands in the cell's own source, in memory and in IPython's cache; not in a file
    try:
        with Jail(Limits()) as jail:
            text = run(jail, source)
    finally:
        at_home.unlink()
        os.close(inherited)
    lines = text.splitlines()
    assert lines[-1] == "[] False"
    assert f"{tmp_path} absent" in lines
    assert f"{repo}/grading absent" in lines
    assert all(line.endswith("absent") for line in lines if line.split()[0] in ("/var", "/run", "/srv", "/mnt", "/sys"))
    assert ".git" not in text and "masters" not in text and "gradebook" not in text
    (home,) = (line for line in lines if line.startswith(f"{Path.home()} "))
    assert home.endswith("absent") or home.endswith("['.pyenv']") or secret not in home


@needs_walls
def test_nothing_can_be_written_outside_tmp(shared):
    source = """import os
written = []
for folder, folders, _ in os.walk('/'):
    if folder.startswith(('/proc', '/tmp', '/dev/shm')):
        folders.clear()
    else:
        try:
            with open(folder + '/written', 'w'): written.append(folder)
        except OSError: pass
    folders[:] = [name for name in folders if not name.startswith('python3') or 'site' in name][:200]
for path in ('/proc/sys/kernel/core_pattern', '/proc/sysrq-trigger', '/proc/self/oom_score_adj_', '/dev/sda'):
    try:
        with open(path, 'w'): written.append(path)
    except OSError: pass
print(written)"""
    assert run(shared, source) == "[]\n"


def test_a_kernel_that_nobody_waits_for_ends(tmp_path):
    """The marker may be killed while a jail is still starting."""
    boot = walls.INSIDE / "boot.py"
    command = [sys.executable, str(boot), str(tmp_path), "torch", str(10**9), str(10**9), "1000"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        process.stderr.close()
        assert process.wait(60) == 1


@needs_walls
def test_answers_are_not_on_the_disk(shared):
    source = """import os, sys
found = []
for top in ('/', *sys.path):
    for folder, folders, files in os.walk(top):
        if folder == '/proc': folders.clear()
        path = folder.split('/')
        if 'array_api_compat' in path: continue  # scipy's few lines about torch
        if files and ({'torch', 'torchgen', 'functorch', 'pnnlib', 'wheats'} & set(path)
                      or any(p.startswith(('torch-', 'pnnlib-')) for p in path)):
            found.append(folder)
        found += [f'{folder}/{name}' for name in files if 'pnnlib' in name and os.path.isfile(f'{folder}/{name}')]
        found += [f'{folder}/{name}' for name in files if name.startswith('libtorch')]
print([p for p in found if '/etc/' not in p])"""
    assert run(shared, source) == "[]\n"


def test_environment_in_repository_in_python(monkeypatch, tmp_path):
    """The environment is shown, what lies around it is not, whichever of them holds the other."""
    python = tmp_path / "python"
    course = python / "course"
    torch = course / "venv" / "torch"
    torch.mkdir(parents=True)
    monkeypatch.setattr(walls, "_places", lambda: [str(course / "venv"), str(python)])
    monkeypatch.setattr(walls, "_answers", lambda library: (str(course), str(torch), str(tmp_path / "elsewhere")))
    assert walls._python() == [
        *("--ro-bind", str(python), str(python)),
        *("--tmpfs", str(course)),
        *("--ro-bind", str(course / "venv"), str(course / "venv")),
        *("--tmpfs", str(torch)),
        *("--remount-ro", str(course), "--remount-ro", str(torch)),
    ]


@needs_walls
def test_no_rights_inside(shared):
    source = """import os, re, subprocess
status = open('/proc/self/status').read()
print(os.getuid(), re.search(r'CapEff:\\s*(\\w+)', status)[1], re.search(r'CapBnd:\\s*(\\w+)', status)[1],
      re.search(r'NoNewPrivs:\\s*(\\d)', status)[1], os.uname().nodename)
print(sorted(int(n) for n in os.listdir('/proc') if n.isdigit())[-1] < 100)
for command in ('mount -t tmpfs x /tmp', 'unshare -Ur true', 'ls /root/.ssh', 'kill -9 1'):
    print(subprocess.run(command, shell=True, capture_output=True).returncode != 0 or command == 'kill -9 1', end=' ')"""
    lines = run(shared, source).splitlines()
    assert lines == ["65534 0000000000000000 0000000000000000 1 jail", "True", "True True True True "]


@needs_walls
def test_environment_is_empty_from_the_first_process_on(shared):
    assert run(shared, "print(open('/proc/1/environ').read() == '', sorted(__import__('os').environ))").startswith(
        "True "
    ) or "PermissionError" in str(shared.run_cell("open('/proc/1/environ')").error)


# Forged messages --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "frames",
    [
        [],
        [b""],
        [b"nonsense"],
        [b"\xff\xfe"],
        [b"[1]"],
        [b"{}"],
        [b'{"list": 3}'],
        [b'{"dict": [[1, 2]]}'],
        [b'{"dict": [1]}'],
        [b'{"array": ["<f8", [2]]}', bytes(15)],
        [b'{"array": ["<f8", [2]]}'],
        [b'{"array": ["<f8", [2]]}', bytes(16), b"more"],
        [b'{"array": ["<f8", [-1]]}', b""],
        [b'{"array": ["<f8", [1.0]]}', bytes(8)],
        [b'{"array": ["<f8", [true]]}', bytes(8)],
        [b'{"array": ["<f8", "2"]}', bytes(16)],
        [b'{"array": ["<f8", [0, 8000000, 8000000]]}', b""],
        [b'{"array": ["<f8", [1000000, 1000000, 1000000]]}', bytes(8)],
        [b'{"array": ["|u1", [' + b", ".join([b"1"] * 33) + b"]]}", b"1"],
        [b'{"array": ["|O", [1]]}', bytes(8)],
        [b'{"array": ["V8", [1]]}', bytes(8)],
        [b'{"array": ["<M8[s]", [1]]}', bytes(8)],
        [b'{"array": ["f8,O", [1]]}', bytes(16)],
        [b'{"array": [["a", "O"], [1]]}', bytes(16)],
        [b'{"pickle": "gASVAAAAAAAA"}'],
        [b'{"opaque": 3}'],
        [b"9" * 400],
        [b"9" * 5000],
        [b'{"list": [' * 30 + b"1" + b"]}" * 30],
        [b"[" * 100_000],
        [b'"' + b"x" * 20_000 + b'"'],
        [b'"' + b"x" * 9_000_000 + b'"'],
    ],
)
def test_forged_values_are_refused(frames):
    with pytest.raises(wire.WireError):
        wire.decode(frames)


def test_wire_keeps_values():
    value = (None, True, 3, 0.1, float("-inf"), "a\u00e4", [(), {"k": np.float32(2)}], np.eye(2, dtype="F"))
    back = wire.decode(wire.encode(value))
    assert repr(back) == repr(value)
    assert wire.decode(wire.encode("\ud800")) == "?"
    back[-1][0, 0] = 5  # the copy may be written to


PATCH = """import gc, json, sys
kernel = get_ipython().kernel
session = kernel.session
send = type(session).send
def forge(reply):
    # what the kernel sends instead of the judge's reply
    def patched(stream, kind, *args, **kwargs):
        if kind == 'judge_reply':
            return reply(stream, kind, *args, **kwargs)
        return send(session, stream, kind, *args, **kwargs)
    session.send = patched
def f(x=0): return 1
"""


@needs_walls
@pytest.mark.parametrize(
    "forgery",
    [
        "content = []",
        "content = None",
        "content = 'returned'",
        "content = {}",
        "content = {'kind': ['returned']}",
        "content = {'kind': 'returned'}",
        "content = {'kind': 'returned', 'changed': 3}",
        "content = {'kind': 'returned', 'changed': []}; buffers = []",
        "content = {'kind': 'returned', 'changed': []}; buffers = [b'{\"array\": [\"<f8\", [9999999]]}', b'']",
        "content = {'kind': 'full marks', 'points': 10}",
        "content = {'kind': 'raised', 'error': {'a': 1}}",
        "content = {'kind': 'raised', 'error': 'x' * 10 ** 6 + '\\x1b[31m'}",
    ],
)
def test_forged_replies_are_no_answers(shared, forgery):
    source = f"""{PATCH}
def reply(stream, kind, content, parent, ident=None, buffers=None):
    {forgery}
    parts = session.msg(kind, {{}}, parent)
    parts = [json.dumps(part, default=str).encode() for part in (parts['header'], parts['parent_header'], {{}}, content)]
    stream.send_multipart([*ident, b'<IDS|MSG>', b'', *parts, *(buffers or [])])
forge(reply)"""
    run(shared, source)
    outcome = shared.call("f", (), {"x": 1})
    assert outcome.kind == "raised"
    assert outcome.value is None
    assert len(outcome.error) <= 500
    assert "\x1b" not in outcome.error
    run(shared, "del session.send")
    assert shared.call("f", (), {"x": 1}).value == 1


@needs_walls
@pytest.mark.parametrize(
    "attack, kind",
    [
        # a reply that belongs to another request, or to none, is none
        ("lambda s, k, c, p, **w: send(session, s, k, c, {'header': {'msg_id': 'x'}}, **w)", "out of time"),
        ("lambda s, k, c, p, **w: s.send_multipart([*w['ident'], b'<IDS|MSG>', b'', b'[]', b'[]', b'{}', b'3'])", "out of time"),
        ("lambda s, k, c, p, **w: s.send_multipart([*w['ident'], b'', b'\\xff' * 1000])", "out of time"),
        ("lambda s, k, c, p, **w: s.send_multipart([*w['ident'], b'<IDS|MSG>', b'', b'[' * 10**6, b'{}', b'{}', b'{}'])", "out of time"),
        ("lambda s, k, c, p, **w: s.send_multipart([*w['ident'], bytes(10 ** 7)] * 5)", "died"),
        ("lambda s, k, c, p, **w: [s.send_multipart([*w['ident'], bytes(10 ** 6)]) for _ in range(100)]", "died"),
        ("lambda s, k, c, p, **w: s.send_multipart([*w['ident'], bytes(5 * 10 ** 7)])", "died"),
    ],
)  # fmt: skip
def test_forged_messages_are_no_messages(jail, attack, kind):
    run(jail, f"{PATCH}\nforge({attack})")
    if kind == "out of time":
        hurry(jail)
    assert jail.call("f", (), {}).kind == kind


@needs_walls
def test_bytes_without_end_are_cut_off():
    """Frames of a message that never ends, written past ZeroMQ into the socket itself."""
    before = psutil.Process().memory_info().rss
    source = """import os, stat
def pour(fd):
    rest = frames = (b'\\x01\\x10' + bytes(16)) * 10_000
    while True:
        try: rest = rest[os.write(fd, rest):] or frames
        except BlockingIOError: pass
import threading
for name in os.listdir('/proc/self/fd'):
    try:
        if stat.S_ISSOCK(os.stat(int(name)).st_mode): threading.Thread(target=pour, args=(int(name),)).start()
    except OSError: pass
import time; time.sleep(100)"""
    with Jail(Limits(seconds=SECONDS)) as jail:
        result = jail.run_cell(source)
    # either it was too much, or it was no message of ZeroMQ's any more
    assert result.status == "died"
    assert result.error in ("it sent more than any answer needs", "the kernel ended, or closed its connection")
    # one small frame takes 64 bytes outside, so four times the allowance is to be expected
    assert psutil.Process().memory_info().rss - before < 400_000_000


@needs_walls
def test_doors_are_walled_up(shared):
    assert run(shared, "import os\nprint(os.listdir('/doors'))") == "[]\n"


@needs_walls
def test_lying_objects_come_as_data(shared):
    source = """import numpy as np
class Liar(np.ndarray):
    __eq__ = __ne__ = lambda *a: True
    __class__ = float
    def __array_function__(self, *a, **k): return True
class Proxy:
    def __array__(self, *a, **k): return np.array([1.0])
    __eq__ = lambda *a: True
class Bomb:
    def __array__(self, *a, **k): raise SystemExit
    def __len__(self): raise ValueError
def f(kind):
    return {'liar': np.zeros(2).view(Liar), 'proxy': Proxy(), 'bomb': Bomb(), 'list': [Proxy()]}[kind]"""
    run(shared, source)
    for kind, expected in {"liar": [0.0, 0.0], "proxy": [1.0]}.items():
        value = shared.call("f", (kind,), {}).value
        assert type(value) is np.ndarray
        assert value.tolist() == expected
    assert shared.call("f", ("list",), {}).value[0].tolist() == [1.0]
    assert shared.call("f", ("bomb",), {}).error == "SystemExit (line 10 of your cell)"


# Outputs that lie --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "message",
    [
        {"msg_type": "stream", "content": {}},
        {"msg_type": "stream", "content": {"text": ["a"], "name": {}}},
        {"msg_type": "error", "content": {"traceback": {"a": 1}, "ename": [], "evalue": None}},
        {"msg_type": "error", "content": {"traceback": [1, None, "x"], "ename": "\x1b[1m"}},
        {"msg_type": "display_data", "content": {"data": []}},
        {"msg_type": "display_data", "content": {"data": {"text/plain": {"a": 1}, "image/png": "<script>"}}},
        {"msg_type": "execute_result", "content": {"data": {"text/html": "<b>"}, "execution_count": "x"}},
        {"msg_type": "anything", "content": {}},
    ],
)
def test_forged_outputs_make_valid_notebooks(message):
    nbformat = pytest.importorskip("nbformat")
    printed = Printed(1000)
    printed.take(message)
    cell = nbformat.v4.new_code_cell("x", outputs=[nbformat.from_dict(output) for output in printed.kept])
    nbformat.validate(nbformat.v4.new_notebook(cells=[cell]))
    assert "script" not in json.dumps(printed.kept)
    assert "\\u001b" not in json.dumps(printed.kept)


def test_plain_text_is_plain():
    assert plain_text("a\x1b]8;;http://x\x07b\x1b]8;;\x1b\\c\x1b[2J\x00\x08\u202e\ud800") == "abc"


def test_plain_text_of_a_million_returns_comes_to_an_end():
    assert plain_text("\r" * 1_000_000 + "a\r\r\nb") == "a\nb"


# What is left behind ----------------------------------------------------------------------


def jailed_processes():
    """Everything that runs below this process."""
    return psutil.Process().children(recursive=True)


@needs_walls
@pytest.mark.parametrize("how", ["leave", "interrupt", "time", "death"])
def test_nothing_is_left_behind(how):
    processes, threads = set(jailed_processes()), threading.active_count()
    try:
        with Jail(SMALL) as jail:
            # children of children that left their session
            run(jail, "import subprocess\nsubprocess.Popen('setsid sleep 71 & setsid sleep 71 &', shell=True).wait()")
            inside = set(jailed_processes()) - processes
            assert len(inside) >= 5
            if how == "interrupt":
                raise KeyboardInterrupt
            if how == "time":
                hurry(jail)
                jail.run_cell("while True: pass")
            if how == "death":
                jail.run_cell("import os; os._exit(1)")
    except KeyboardInterrupt:
        pass
    assert not any(map(lives, inside))
    assert set(jailed_processes()) == processes
    assert not os.path.exists(jail._directory)
    assert wait_until(lambda: threading.active_count() <= threads)


@needs_walls
def test_a_killed_marker_leaves_nothing(tmp_path):
    """SIGKILL to the marker; its jail dies with it and leaves no directory."""
    ready, pid = tmp_path / "ready", os.fork()
    if pid == 0:
        try:
            os.setsid()
            with Jail(SMALL) as jail:
                jail.run_cell("import subprocess; subprocess.Popen(['setsid', 'sleep', '72'])")
                ready.with_suffix(".new").write_text(jail._directory)
                ready.with_suffix(".new").rename(ready)
                time.sleep(SECONDS)
        finally:
            os._exit(1)
    assert wait_until(ready.exists)
    inside = psutil.Process(pid).children(recursive=True)
    assert len(inside) >= 4
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    assert wait_until(lambda: not any(map(lives, inside)))
    assert ready.read_text().startswith("/tmp/jail-")
    assert not os.path.exists(ready.read_text())


@needs_walls
def test_jails_do_not_meet():
    """Three at once in threads, each with its own names and its own /tmp."""
    answers = {}

    def use(number):
        with Jail(Limits(seconds=SECONDS)) as jail:
            run(jail, f"import os\nopen('/tmp/{number}', 'w').close()\ndef f(): return [{number}, os.listdir('/tmp')]")
            answers[number] = jail.call("f", (), {}).value

    threads = [threading.Thread(target=use, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(3):
        found, names = answers[number]
        assert found == number
        assert [name for name in names if name in "012"] == [str(number)]


# Without walls ----------------------------------------------------------------------------


def test_a_bare_kernel_answers_and_ends(monkeypatch):
    monkeypatch.setenv("MARKING_SECRET", "xyzzy")
    with Jail(SMALL, bare=True) as jail:
        source = """import os, subprocess, torch
from pnnlib.conv import conv2d
subprocess.Popen('setsid sleep 73 & setsid sleep 73 &', shell=True).wait()
def f(x): return x + 1
def g(x): return conv2d(x)
print(os.environ.get('MARKING_SECRET'), os.getcwd())"""
        assert run(jail, source).startswith("None /tmp/jail-")
        assert jail.call("f", (np.zeros(2),), {}).value.tolist() == [1.0, 1.0]
        assert "not available" in jail.call("g", (np.zeros(2),), {}).error
        hurry(jail)
        assert jail.run_cell("while True: pass").status == "out of time"
    asleep = [p for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"] == ["sleep", "73"]]
    assert not any(map(lives, asleep))
    assert not os.path.exists(jail._directory)


def test_a_bare_kernel_is_watched():
    with Jail(SMALL, bare=True) as jail:
        result = jail.run_cell("x = [bytearray(10 ** 7) for _ in range(200)]\nwhile True: pass")
        assert (result.status, result.error) == ("died", "it took more than 0.5 GB of memory")


def test_without_bubblewrap_the_message_helps(monkeypatch, tmp_path):
    require_walls.cache_clear()
    monkeypatch.setenv("PATH", str(tmp_path))
    try:
        with pytest.raises(JailUnavailable, match=r"sudo apt-get install bubblewrap[\s\S]*--no-jail"):
            Jail()
    finally:
        require_walls.cache_clear()


def test_a_bubblewrap_that_fails_is_quoted(monkeypatch, tmp_path):
    (tmp_path / "bwrap").write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    (tmp_path / "bwrap").chmod(0o755)
    require_walls.cache_clear()
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    try:
        with pytest.raises(JailUnavailable, match="No permissions to create new namespace"):
            Jail()
    finally:
        require_walls.cache_clear()
