"""The class at a glance, two markings compared, points off for lateness, and what the doctor says."""

import csv
import platform
import re
import shutil
import sys
from datetime import datetime, timedelta
from html.parser import HTMLParser
from importlib import metadata

import pytest
from typer.testing import CliRunner

from grading import doctor, evidence, mark, walls
from grading.__main__ import app
from grading.compare import changes, marks_in
from grading.doctor import Finding, findings
from grading.explain import explained
from grading.judge import Judgement
from grading.lateness import Deadline
from grading.mark import Marked, mark_class
from grading.report import summaries, write_report
from grading.samples import part_d as samples
from pnnlib.exercises import exercises_of
from pnnlib.exercises.diagnosis import Verdict
from pnnlib.exercises.part_d import conv_1x1

CHAFFS = {chaff.name: chaff.why for chaff in conv_1x1.chaffs}
FIRST, SECOND = list(CHAFFS)[:2]


def verdict(name="conv_1x1", points=0.0, kind="wrong values", chaff="", of=1.0):
    return Verdict(name, "passed" if points == of else kind, "said.", "", points, of, chaff=chaff)


def result(student, *verdicts, **more):
    return Marked(student, verdicts=list(verdicts), **more)


CLASS = [
    result("ada", verdict(points=1.0), verdict("conv_layer", points=3.0, of=3.0)),
    result("boris", verdict(chaff=SECOND), verdict("conv_layer", points=1.5, of=3.0)),
    result("chen", verdict(chaff=FIRST), verdict("conv_layer", of=3.0, kind="out of time")),
    result("dora", verdict(chaff=SECOND), verdict("conv_layer", of=3.0, kind="not implemented"), late=0.0),
    result("emil", verdict(kind="missing"), verdict("conv_layer", points=3.0, of=3.0), late=2.0),
    result("fritz", verdict(kind="missing"), verdict("conv_layer", of=3.0, kind="missing"), fault="OSError: disk full"),
]


# The report -------------------------------------------------------------------------------


def test_misconceptions_are_counted_and_the_most_frequent_comes_first():
    one, layer = summaries("part_d", CLASS[:5])
    assert (one.exercise, one.answers, one.right, one.share, one.mean, one.max_points) == ("conv_1x1", 5, 1, 0.2, 0.2, 1.0)
    assert one.misconceptions == ((2, SECOND, CHAFFS[SECOND]), (1, FIRST, CHAFFS[FIRST]))
    assert (one.other, one.missing) == (0, 1)
    assert (layer.right, layer.mean, layer.misconceptions, layer.other, layer.missing) == (2, 1.5, (), 2, 1)


def test_every_answer_is_counted_once():
    for item in summaries("part_d", CLASS):
        assert item.answers == item.right + sum(times for times, *_ in item.misconceptions) + item.other + item.missing


class Page(HTMLParser):
    """The tables of a page, as texts, and every tag and attribute."""

    def __init__(self, text):
        super().__init__()
        self.tables, self.tags, self.attributes = [], set(), []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.attributes += attributes
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_data(self, data):
        if self.tables and self.tables[-1] and self.tables[-1][-1]:
            self.tables[-1][-1][-1] += data.strip()


@pytest.fixture
def report(tmp_path):
    write_report(tmp_path, "part_d", CLASS)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    with (tmp_path / "report.csv").open(encoding="utf-8", newline="") as file:
        return Page(text), text, list(csv.DictReader(file))


def test_the_page_shows_exercises_students_and_how_the_marks_are_spread(report):
    page, text, _ = report
    spread, exercises, students = page.tables
    # what the marking failed on counts for nobody, and is named at the top
    assert "6 hand-ins, 1.3 of 4 points on average" in text and "fritz: OSError: disk full" in text
    assert [row[1] for row in spread[1:]] == ["2", "0", "1", "1", "0", "0", "0", "0", "0", "1"]
    assert exercises[1][:4:3] + [exercises[1][1]] == ["conv_1x1", "0.2 of 1", "1 of 5"]
    assert exercises[1][4].startswith(f"2 × {CHAFFS[SECOND]}1 × {CHAFFS[FIRST]}") and "1 × not handed in" in exercises[1][4]
    assert "2 × wrong in another way" in exercises[2][4]
    assert students[0][3:] == ["conv_1x1", "conv_layer"]
    assert students[1] == ["ada", "4", "", "1", "3"] and students[5] == ["emil", "1", "−2", "0", "3"]


def test_the_plots_say_in_words_what_they_show(report):
    page, text, _ = report
    labels = [value for name, value in page.attributes if name == "aria-label"]
    assert "20 percent are right" in labels and "40 percent are right" in labels and labels.count("1 hand-ins") == 3
    assert text.count('class="bar"') == len(labels) == 12
    widths = [float(width) for width in re.findall(r"width: ([\d.]+)%", text)]
    assert widths[-2:] == [20.0, 40.0] and max(widths[:10]) == 100.0


def test_the_table_has_a_row_for_each_misconception(report):
    *_, rows = report
    assert [(row["exercise"], row["misconception"], row["times"]) for row in rows] == [
        ("conv_1x1", CHAFFS[SECOND], "2"), ("conv_1x1", CHAFFS[FIRST], "1"), ("conv_layer", "", "0"),
    ]  # fmt: skip
    assert {(row["answers"], row["right"], row["share_right"]) for row in rows} == {("5", "1", "0.2"), ("5", "2", "0.4")}


def test_names_stay_text(tmp_path):
    evil = "<script>alert(1)</script>\x1b[31m"
    write_report(tmp_path, "part_d", [result(evil, verdict(chaff="=1+1"), fault=""), result("b", verdict(), fault=evil)])
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert "script" not in page.tags and text.count("&lt;script&gt;") == 2 and "\x1b" not in text
    assert "default-src 'none'" in text and not {"src", "href"} & {name for name, _ in page.attributes}
    assert not any(name.startswith("on") for name, _ in page.attributes)


def test_a_class_of_one_and_a_class_of_faults(tmp_path):
    write_report(tmp_path, "part_d", [result("ada", verdict(points=1.0))])
    assert "1 of 1 points on average" in (tmp_path / "report.html").read_text()
    write_report(tmp_path, "part_d", [result("ada", verdict(kind="missing"), fault="X: y")])
    assert "– of 1 points on average" in (tmp_path / "report.html").read_text()


def test_a_marking_without_a_jail_is_told(tmp_path):
    for bare in (False, True):
        write_report(tmp_path, "part_d", [result("ada", verdict())], bare)
        assert ("without a jail" in (tmp_path / "report.html").read_text()) == bare
        assert ("jail" in (tmp_path / "report.csv").read_text()) == bare


def test_every_exercise_of_every_part_can_be_summarised():
    for part in ("part_a", "part_b", "part_c", "part_d"):
        for name, exercise in exercises_of(part).items():
            for chaff in exercise.chaffs:
                (item,) = summaries(part, [result("ada", verdict(name, chaff=chaff.name))])
                assert item.misconceptions == ((1, chaff.name, chaff.why),)


# Two markings compared --------------------------------------------------------------------


@pytest.fixture
def class_of_three(tmp_path, monkeypatch):
    """Marks a class into a folder, as a stand-in for the judge says; students by points, sentence and lateness."""
    monkeypatch.setattr(mark, "require_walls", lambda: None)
    monkeypatch.setattr(mark, "released", lambda assignment: samples.RELEASE)
    monkeypatch.setattr(mark, "solutions", lambda assignment: samples.SOLVED)

    def marked(name, said):
        def judge(notebook, part, seed, *_):
            points, sentence = said[seed.rpartition("/")[2]]
            return Judgement([Verdict("convolve", "wrong values", sentence, "", points, 2.0), verdict("relu", 1.0)])

        monkeypatch.setattr(mark, "judge", judge)
        place = tmp_path / f"class {name}"
        for student in said:
            (place / student).mkdir(parents=True)
            (place / student / "x.ipynb").write_bytes(samples.untouched().bytes())
        mark_class("part_d", place, tmp_path / name)
        return tmp_path / name

    return marked


def test_whose_marks_have_changed_and_why(class_of_three):
    old = class_of_three("old", {"ada": (1.0, "A."), "boris": (1.0, "B."), "chen": (2.0, "C."), "dora": (0.0, "D.")})
    new = class_of_three("new", {"ada": (2.0, "right."), "boris": (1.0, "another."), "chen": (0.5, "X."), "emil": (1.0, "E.")})
    assert changes(marks_in(old), marks_in(new)) == [
        "ada, convolve: 1 → 2 of 2. Before: A. Now: right.",
        "ada, total: 2 → 3 of 3.",
        "chen, convolve: 2 → 0.5 of 2. Before: C. Now: X.",
        "chen, total: 3 → 1.5 of 3.",
        "dora, total: is no longer there, 1 of 3.",
        "emil, total: is new, 2 of 3.",
    ]
    assert changes(marks_in(new), marks_in(new)) == []


def test_lateness_alone_is_a_change_too(class_of_three):
    old, new = (class_of_three(name, {"ada": (2.0, "right.")}) for name in ("old", "new"))
    text = (new / "totals.csv").read_text()
    (new / "totals.csv").write_text(text.replace(",3,3", ",2.7,3"))
    assert changes(marks_in(old), marks_in(new)) == ["ada, total: 3 → 2.7 of 3. Now: 0.3 points are taken off for lateness."]


def test_compare_as_an_option(class_of_three, tmp_path):
    old = class_of_three("old", {"ada": (1.0, "A.")})
    class_of_three("new", {"ada": (2.0, "right.")})  # leaves its judge
    arguments = ["mark", "part_d", "--from", str(tmp_path / "class new"), "--to", str(tmp_path / "out"), "--workers", "1"]
    done = CliRunner().invoke(app, [*arguments, "--compare", str(old)])
    assert done.exit_code == 0 and "ada, convolve: 1 → 2 of 2. Before: A. Now: right." in done.stdout
    # with itself: what it was before this marking
    done = CliRunner().invoke(app, [*arguments, "--compare", str(tmp_path / "out")])
    assert "No mark has changed." in done.stdout


@pytest.mark.parametrize("spoil, said", [
    (lambda out: (out / "marks.csv").unlink(), "marks.csv"),
    (lambda out: (out / "marks.csv").write_text("a,b\n1,2\n"), "not those of a marking"),
    (lambda out: (out / "totals.csv").write_bytes(b"student,score,max_score\nada,much,3\n"), "much"),
    (lambda out: (out / "totals.csv").write_bytes(b"\xff\xfe"), ""),
])  # fmt: skip
def test_what_cannot_be_compared_is_said_before_anything_is_marked(class_of_three, tmp_path, spoil, said):
    old = class_of_three("old", {"ada": (1.0, "A.")})
    spoil(old)
    arguments = ["mark", "part_d", "--from", str(tmp_path / "class old"), "--to", str(tmp_path / "out"), "--workers", "1"]
    done = CliRunner().invoke(app, [*arguments, "--compare", str(old)])
    assert done.exit_code == 1 and said in done.stderr and isinstance(done.exception, SystemExit)
    assert not (tmp_path / "out").exists()


# Evidence of what went wrong ----------------------------------------------------------------


def test_the_evidence_of_a_fault_says_what_failed(class_of_three, tmp_path, monkeypatch):
    out = class_of_three("out", {"ada": (1.0, "A.")})
    monkeypatch.setattr(mark, "judge", lambda *_: 1 / 0)
    mark_class("part_d", tmp_path / "class out", out, secret="another")
    assert evidence.read(out / "evidence/students/ada/part_d_convolution.json")["fault"].startswith("ZeroDivisionError")
    assert "The marking itself failed: ZeroDivisionError: division by zero" in explained(out, "ada", "convolve")


# Lateness ---------------------------------------------------------------------------------

DUE = datetime(2026, 11, 20, 17)


@pytest.mark.parametrize("late, share, said", [
    (timedelta(0), 0.0, None), (timedelta(seconds=-1), 0.0, None), (timedelta(seconds=1), 0.1, "1 minute after"),
    (timedelta(minutes=2), 0.1, "2 minutes after"), (timedelta(hours=24), 0.1, "1 day after"),
    (timedelta(hours=24, seconds=1), 0.2, "1 day after"), (timedelta(days=2, hours=3, minutes=5), 0.3, "2 days 3 hours after"),
    (timedelta(hours=1, minutes=30), 0.1, "1 hour 30 minutes after"), (timedelta(days=400), 1.0, "400 days after"),
])  # fmt: skip
def test_each_day_begun_costs_its_share_and_never_more_than_all(late, share, said):
    deadline = Deadline(DUE, 0.1)
    assert deadline.share_lost(DUE + late) == pytest.approx(share)
    assert bool(deadline.late(DUE + late)) == (said is not None)
    if said:
        assert deadline.sentence(DUE + late, 2) == f"Handed in {said} the deadline: 2 points are taken off."


def test_no_time_is_not_late():
    assert Deadline(DUE, 0.1).share_lost(None) == 0.0


@pytest.mark.parametrize("share", [-0.1, 1.01, float("nan")])
def test_a_penalty_is_a_share(share):
    with pytest.raises(ValueError, match="between 0 and 100 percent"):
        Deadline(DUE, share)


# The doctor -------------------------------------------------------------------------------


def test_a_finding_says_what_to_do_only_if_something_is_missing():
    assert str(Finding(True, "numpy: 2.0", "install it")) == "✓ numpy: 2.0"
    assert str(Finding(False, "numpy: missing", "install it")) == "✗ numpy: missing\n    install it"
    assert str(Finding(False, "little memory", "use less", needed=False)) == "– little memory\n    use less"


@pytest.mark.jail
def test_this_machine_is_fit_to_mark():
    found = findings()
    assert [str(finding) for finding in found if finding.needed and not finding.good] == []
    text = "\n".join(map(str, found))
    for what in ("Linux", "Python 3.11 or later", "numpy: ", "torch: ", "distributed: ", "bubblewrap", "a kernel starts in it",
                 "user namespaces", "memory", "processors"):  # fmt: skip
        assert what in text
    done = CliRunner().invoke(app, ["doctor"])
    assert done.exit_code == 0 and "✗" not in done.stdout


def files(contents):
    """In place of `Path`: a system with these files and no others."""

    class Files:
        def __init__(self, path):
            self.path = path

        def exists(self):
            return self.path in contents

        def read_text(self):
            if self.path not in contents:
                raise FileNotFoundError(self.path)
            return contents[self.path]

    return Files


@pytest.fixture
def no_jail(monkeypatch):
    """Every question about a jail gets an answer that the test gives."""

    def refuse():
        raise walls.JailUnavailable("it does not start:\nno permission")

    monkeypatch.setattr(doctor, "require_walls", refuse)
    return monkeypatch


@pytest.mark.parametrize("tool, line", doctor.INSTALL.items())
def test_without_bubblewrap_it_gives_the_line_that_installs_it(no_jail, tool, line):
    no_jail.setattr(shutil, "which", lambda name: f"/usr/bin/{name}" if name == tool else None)
    text = "\n".join(map(str, findings()))
    assert f"✗ bubblewrap: missing\n    {line}" in text and "bubblewrap" in line and line.startswith("sudo ")
    assert CliRunner().invoke(app, ["doctor"]).exit_code == 1


@pytest.mark.parametrize("setting, value, line", [
    ("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1", "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0"),
    ("/proc/sys/kernel/unprivileged_userns_clone", "0", "sudo sysctl kernel.unprivileged_userns_clone=1"),
    ("/proc/sys/kernel/unprivileged_userns_clone", "1", "in a container: start it with --security-opt seccomp=unconfined"),
    ("", "", "in a container: start it with --security-opt seccomp=unconfined"),
])  # fmt: skip
def test_with_bubblewrap_but_no_rights_it_says_how_to_get_them(no_jail, setting, value, line):
    no_jail.setattr(shutil, "which", lambda name: "/usr/bin/true" if name == "bwrap" else None)
    no_jail.setattr(doctor, "Path", files({setting: f"{value}\n"}))
    assert f"✗ a jail: it does not start: no permission\n    {line}" in "\n".join(map(str, findings()))


@pytest.mark.parametrize("system, remedy", [("Darwin", "docker run"), ("Windows", "wsl --install"), ("FreeBSD", "mark on Linux")])
def test_another_system_is_told_where_to_mark(no_jail, system, remedy):
    no_jail.setattr(platform, "system", lambda: system)
    found = findings()[0]
    assert not found.good and found.needed and remedy in found.remedy and system in found.what


def test_wsl_is_named(no_jail):
    no_jail.setattr(platform, "system", lambda: "Linux")
    no_jail.setattr(platform, "release", lambda: "5.15.90.1-microsoft-standard-WSL2")
    assert findings()[0].good and "Linux in WSL" in findings()[0].what


def test_missing_packages_and_an_old_python_are_named(no_jail):
    def version(name):
        if name == "distributed":
            raise metadata.PackageNotFoundError(name)
        return "1.0"

    no_jail.setattr(doctor, "version", version)
    no_jail.setattr(sys, "version_info", (3, 9, 1))
    text = "\n".join(map(str, findings()))
    assert "✗ distributed: missing\n    make build" in text and "✗ Python 3.11 or later: 3.9.1" in text
    assert "✓ torch: 1.0" in text


@pytest.mark.parametrize("free, limit, good", [(8e9, "max", True), (3e9, "max", False), (64e9, "2000000000", False)])
def test_little_memory_is_a_warning(monkeypatch, free, limit, good):
    import psutil

    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("Memory", (), {"available": free}))
    monkeypatch.setattr(doctor, "Path", files({"/sys/fs/cgroup/memory.max": limit}))
    found = doctor._memory()
    assert found.good == good and not found.needed and "--memory" in found.remedy
