"""No hand-in is lost: workers die, the marker dies, everything else comes out as if nothing had happened.

Worker processes judge for real, so hand-ins are small here; what is not about
processes has a stand-in for the judge.
"""

import copy
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from grading import evidence, mark, parallel
from grading.explain import explained
from grading.judge import Judgement
from grading.limits import Limits
from grading.mark import Marking, mark_class
from grading.samples.part_d import RELEASE, SOLVED, Student
from grading.submissions import HandedIn
from pnnlib.exercises.diagnosis import Verdict

ROOT = Path(__file__).resolve().parents[2]
FILE = "part_d_convolution"
SECONDS = 120.0  # until a test gives up waiting


def class_of(folder, count, solved=("convolve", "output_size", "question-1")):
    """So many hand-ins, of a few kinds."""
    for number in range(count):
        path = folder / f"student {number}" / f"{FILE}.ipynb"
        path.parent.mkdir(parents=True)
        path.write_bytes(Student("cross_correlate", *solved[: number % 4]).bytes())
    return folder


def marks(results):
    return {result.student: {v.exercise: v.points for v in result.verdicts} for result in results}


def records(out):
    """The evidence there is: which file it is and when it was written."""
    paths = (out / "evidence/students").glob("*/*.json")
    return {path.parent.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in paths}


def wait_for(condition, what):
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.02)


def kill(process):
    """SIGKILL, first the process itself, so that nothing in it can react; then what it started."""
    tree = [process, *process.children(recursive=True)]
    for one in tree:
        one.kill()
    psutil.wait_procs(tree, timeout=SECONDS)


# Workers die ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A scheduler and two workers, each a process of its own: its address, and the workers."""
    started = []

    def start(*command):
        started.append(psutil.Popen([sys.executable, "-m", *command], cwd=ROOT, stderr=subprocess.DEVNULL))
        return started[-1]

    about = tmp_path_factory.mktemp("cluster") / "scheduler.json"
    start("distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard",
          "--scheduler-file", str(about))  # fmt: skip
    wait_for(lambda: about.exists() and about.read_text().strip().endswith("}"), "the scheduler")
    address = json.loads(about.read_text())["address"]
    workers = [start("grading", "worker", address, "--workers", "1") for _ in range(2)]
    yield address, workers
    for process in reversed(started):
        if process.is_running():
            kill(process)


def test_hand_ins_are_drawn_only_as_fast_as_they_are_marked(cluster):
    """So a class need not fit into memory."""

    class Marks:
        def mark(self, hand_in):
            return hand_in

    drawn, ahead = [], []

    def hand_ins():
        for number in range(40):
            drawn.append(number)
            yield number

    for done, _ in enumerate(parallel.judged(Marks(), hand_ins(), None, scheduler=cluster[0]), start=1):
        ahead.append(len(drawn) - done)
    assert len(drawn) == len(ahead) == 40 and max(ahead) <= 4


@pytest.mark.jail
def test_a_worker_that_is_killed_loses_no_hand_in(tmp_path, cluster):
    address, workers = cluster
    place, out = class_of(tmp_path / "class", 6), tmp_path / "out"
    killed_at = []

    def kill_one():
        wait_for(lambda: len(records(out)) >= 2, "two results")
        killed_at.append(len(records(out)))
        kill(workers[0])

    killer = threading.Thread(target=kill_one)
    killer.start()
    results = mark_class("part_d", place, out, secret="s", scheduler=address)
    killer.join()
    assert 2 <= killed_at[0] < 6 and workers[1].is_running()
    assert {result.student: result.fault for result in results if result.fault} == {}
    assert [result.score for result in results] == [2, 3, 4, 5, 2, 3] and len(records(out)) == 6


def test_who_kills_every_worker_gets_a_fault_and_nobody_else():
    class Killer:
        """In place of a marking; workers get it by value, as they do not know this file."""

        def mark(self, hand_in):
            import os
            import signal

            if hand_in == "killer":
                os.kill(os.getpid(), signal.SIGKILL)
            return hand_in, "marked"

    hand_ins = [f"a{number}" for number in range(5)] + ["killer"] + [f"z{number}" for number in range(30)]
    found = list(parallel.judged(Killer(), hand_ins, lambda hand_in, error: (hand_in, str(error)), workers=2))
    assert sorted(found) == sorted(
        (hand_in, "every worker that judged it died" if hand_in == "killer" else "marked") for hand_in in hand_ins
    )


def test_a_worker_of_another_version_marks_nobody():
    marking = Marking(RELEASE, SOLVED, "s", engine="another")
    result = marking.mark(HandedIn("ada", (("work.ipynb", Student().bytes()),)))
    assert "another version of the course" in result.fault
    assert result.score == 0 and result.max_score == 20 and "by hand" in result.verdicts[0].sentence


@pytest.mark.parametrize("scheduler", ["tcp://127.0.0.1:1", "no address"])
def test_a_scheduler_that_is_not_there_is_an_error(monkeypatch, scheduler):
    monkeypatch.setattr(parallel, "START_SECONDS", 1.0)
    with pytest.raises((OSError, ValueError)):
        list(parallel.judged(None, ["a"], None, scheduler=scheduler))


def test_a_scheduler_without_workers_is_an_error_that_says_how_to_start_some(monkeypatch):
    from distributed import LocalCluster

    monkeypatch.setattr(parallel, "START_SECONDS", 1.0)
    with LocalCluster(n_workers=0, processes=False, dashboard_address="127.0.0.1:0") as empty:
        with pytest.raises(OSError, match=f"no workers. Start some: python -m grading worker {empty.scheduler_address}"):
            list(parallel.judged(None, ["a"], None, scheduler=empty.scheduler_address))


def test_a_scheduler_that_is_lost_is_an_error_that_says_what_to_do():
    from distributed import LocalCluster

    class Slow:
        def mark(self, hand_in):
            time.sleep(0.2)
            return hand_in

    with LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0") as cluster:
        results = parallel.judged(Slow(), range(20), None, scheduler=cluster.scheduler_address)
        assert next(results) == 0
        cluster.close()
        with pytest.raises(OSError, match="was lost. Mark again: what is judged is not judged again"):
            list(results)


# The marker dies --------------------------------------------------------------------------


@pytest.mark.jail
def test_a_marker_that_is_killed_goes_on_where_it_was(tmp_path):
    place, out = class_of(tmp_path / "class", 5), tmp_path / "out"
    command = [sys.executable, "-m", "grading", "mark", "part_d", "--from", place, "--to", out, "--workers"]
    first = psutil.Popen([*command, "2", "--seed", "s"], cwd=ROOT, stderr=subprocess.DEVNULL)
    wait_for(lambda: len(records(out)) >= 2, "two results")
    below = first.children(recursive=True)
    first.kill()
    first.wait()
    gone, left = psutil.wait_procs(below, timeout=SECONDS)
    assert below and left == []  # neither workers nor jails outlive it
    before = records(out)
    assert 2 <= len(before) < 5 and not (out / "marks.csv").exists()

    # the secret is that of the first marking
    again = subprocess.run([*command, "1"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    after = records(out)
    assert len(after) == 5 and {student: after[student] for student in before} == before  # only the rest was judged

    undisturbed = tmp_path / "undisturbed"
    results = mark_class("part_d", place, undisturbed, secret="s")
    assert [result.score for result in results] == [2, 3, 4, 5, 2]
    for name in ("marks.csv", "totals.csv", "report.html", "report.csv"):
        assert (out / name).read_bytes() == (undisturbed / name).read_bytes(), name
    for student in after:
        page = f"feedback/{student}/{FILE}.html"
        assert (out / page).read_bytes() == (undisturbed / page).read_bytes()
        one, other = (json.loads((o / f"evidence/students/{student}/{FILE}.json").read_text()) for o in (out, undisturbed))
        assert one | {"seconds": 0} == other | {"seconds": 0}


# What is not judged again -----------------------------------------------------------------


@pytest.fixture
def asked(monkeypatch):
    """Whom the judge was asked about, of which this is a stand-in, since the last time."""
    seeds = []

    def judge(notebook, part, seed, *_):
        seeds.append(seed)
        return Judgement([Verdict("convolve", "passed", "right.", "", 1.0, 1.0)])

    monkeypatch.setattr(mark, "judge", judge)
    monkeypatch.setattr(mark, "require_walls", lambda: None)
    monkeypatch.setattr(mark, "released", lambda assignment: RELEASE)  # read once
    monkeypatch.setattr(mark, "solutions", lambda assignment: SOLVED)

    def since():
        found = [seed.rpartition("/")[2] for seed in seeds]
        seeds.clear()
        return sorted(found)

    return since


EVERYBODY = ["student 0", "student 1", "student 2"]


@pytest.fixture
def marked(tmp_path, asked):
    """A class of three that has been marked, and a function that marks it again."""
    class_of(tmp_path / "class", 3)

    def again(**options):
        return mark_class("part_d", tmp_path / "class", tmp_path / "out", **{"secret": "s"} | options)

    again()
    assert asked() == EVERYBODY
    return again


def test_an_unchanged_class_is_not_judged_again(tmp_path, marked, asked):
    files = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file() and path.name != "run.json"}
    first = marks(marked())
    assert asked() == [] and first == dict.fromkeys(EVERYBODY, {"convolve": 1.0})
    assert {path: path.read_bytes() for path in files} == files
    marked(secret="")  # that of the last marking
    assert asked() == []


def test_only_what_has_changed_is_judged_again(tmp_path, marked, asked):
    path = tmp_path / "class/student 1" / f"{FILE}.ipynb"
    path.write_bytes(path.read_bytes() + b"\n")
    (tmp_path / "class/student 2/notes.txt").write_text("another file")
    marked()
    assert asked() == ["student 1", "student 2"]
    os.utime(path)
    marked()
    assert asked() == []


def test_a_newcomer_alone_is_judged(tmp_path, marked, asked):
    class_of(tmp_path / "more", 1)
    (tmp_path / "more/student 0").rename(tmp_path / "class/zoe")
    assert len(marked()) == 4
    assert asked() == ["zoe"]


def test_another_secret_judges_all(marked, asked):
    marked(secret="t")
    assert asked() == EVERYBODY


def test_other_limits_judge_all(marked, asked):
    marked(limits=Limits(seconds=7))
    assert asked() == EVERYBODY


def test_another_version_of_the_course_judges_all(marked, asked, monkeypatch):
    monkeypatch.setattr(evidence, "PACKAGES", ("numpy",))
    evidence.engine.cache_clear()
    try:
        marked()
        assert asked() == EVERYBODY
    finally:
        evidence.engine.cache_clear()


def test_other_right_answers_or_another_release_judge_all(marked, asked, monkeypatch):
    monkeypatch.setattr(mark, "solutions", lambda assignment: SOLVED | {"convolve": "another"})
    marked()
    assert asked() == EVERYBODY
    changed = copy.deepcopy(RELEASE)
    changed.content.cells[0].source += " "
    monkeypatch.setattr(mark, "released", lambda assignment: changed)
    marked()
    assert asked() == EVERYBODY


@pytest.mark.parametrize("spoil", [
    lambda path: path.write_text(path.read_text()[:200]),
    lambda path: path.write_bytes(b""),
    lambda path: path.write_text("[]"),
    lambda path: path.unlink(),
    lambda path: path.write_text(json.dumps({"key": json.loads(path.read_text())["key"]})),
    lambda path: path.write_text(path.read_text().replace('"verdicts"', '"verdict"')),
])  # fmt: skip
def test_evidence_that_cannot_be_read_is_made_anew(tmp_path, marked, asked, spoil):
    path = tmp_path / "out/evidence/students/student 1" / f"{FILE}.json"
    whole = path.read_bytes()
    spoil(path)
    assert marks(marked())["student 1"] == {"convolve": 1.0}
    assert asked() == ["student 1"] and path.read_bytes() == whole


def test_a_fault_of_the_marking_is_tried_again(tmp_path, marked, asked, monkeypatch):
    working = mark.judge

    def failing(notebook, part, seed, *rest):
        if seed.endswith("student 1"):
            raise MemoryError
        return working(notebook, part, seed, *rest)

    monkeypatch.setattr(mark, "judge", failing)
    assert [result.fault for result in marked(secret="t")] == ["", "MemoryError: ", ""]
    monkeypatch.setattr(mark, "judge", working)
    asked()
    assert [result.fault for result in marked(secret="t")] == ["", "", ""]
    assert asked() == ["student 1"]


def test_evidence_is_never_half_written(tmp_path, monkeypatch):
    path = tmp_path / "record.json"
    evidence.write(path, {"a": 1})

    def dies(*_):
        raise KeyboardInterrupt  # as near as a test comes to being killed

    monkeypatch.setattr(os, "replace", dies)
    with pytest.raises(KeyboardInterrupt):
        evidence.write(path, {"a": "b" * 1000})
    assert evidence.read(path) == {"a": 1}


# Evidence ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def evident(tmp_path_factory):
    """A marking of which only the evidence is left."""
    place, out = tmp_path_factory.mktemp("class"), tmp_path_factory.mktemp("out")
    student = Student("cross_correlate", "convolve")
    student.write("output_size", "return n")
    student.cell("question-1").source = "answer_1 = 'a'"
    (place / "ada").mkdir()
    (place / "ada/work.ipynb").write_bytes(student.bytes())
    (place / "boris").mkdir()
    (place / "boris/work.ipynb").write_bytes(b"{")
    mark_class("part_d", place, out, secret="s", limits=Limits(seconds=30))
    (place / "ada/work.ipynb").unlink()
    for name in ("marks.csv", "totals.csv"):
        (out / name).unlink()
    return out


@pytest.mark.jail
@pytest.mark.parametrize("exercise, points", [("convolve", "1 of 1"), ("output_size", "0 of 1"), ("question-1", "0 of 1")])
def test_evidence_alone_reproduces_a_mark(evident, exercise, points):
    text = explained(evident, "ada", exercise)
    assert text.startswith(f"ada, {exercise}: {points}")
    assert f"Judged again just now: the same, {points}." in text
    for what in ("criteria", "file       work.ipynb, SHA-256 ", "judged     SHA-256", "master     SHA-256", "seed       s/ada",
                 'limits     {"seconds": 30', '"numpy": ', "repaired   nothing"):  # fmt: skip
        assert what in text


@pytest.mark.jail
def test_a_mark_that_was_tampered_with_comes_out_differently(evident):
    path = evident / f"evidence/students/ada/{FILE}.json"
    whole = path.read_text()
    record = json.loads(whole)
    (verdict,) = [v for v in record["verdicts"] if v["exercise"] == "output_size"]
    verdict |= {"points": 1.0, "kind": "passed"}
    record["engine"] = "older"
    try:
        path.write_text(json.dumps(record))
        text = explained(evident, "ada", "output_size")
    finally:
        path.write_text(whole)
    assert text.startswith("ada, output_size: 1 of 1, passed") and "Judged again just now: 0 of 1." in text
    assert text.endswith("The course has changed since it was marked.")


@pytest.mark.jail
def test_what_could_not_be_read_has_evidence_too(evident):
    text = explained(evident, "boris", "convolve")
    assert "not in the JSON format" in text and text.endswith("Nothing could be judged, so there is nothing to judge again.")


@pytest.mark.jail
@pytest.mark.parametrize("student, exercise, error", [("zoe", "convolve", FileNotFoundError), ("ada", "relu", ValueError)])
def test_what_there_is_no_mark_for_is_said(evident, student, exercise, error):
    with pytest.raises(error, match="There is no"):
        explained(evident, student, exercise)
