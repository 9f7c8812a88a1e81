"""From Moodle's download to Moodle's upload: zips in every form, joined with the worksheet, and what goes back."""

import csv
import io
import os
import re
import zipfile

import pytest
from typer.testing import CliRunner

from grading import mark
from grading.__main__ import app
from grading.judge import Judgement
from grading.mark import mark_class
from grading.moodle import participant_of
from grading.samples import part_d as samples
from grading.submissions import choose, submissions_in
from pnnlib.exercises.diagnosis import Verdict

FILE = "part_d_convolution.ipynb"
PEOPLE = {
    "101": "Zoë O'Neill-Smith", "7": "Müller, Jörg", "55": "Ann_Marie van_der Nguyễn", "8": "Łukasz Żółć-Świątek",
    "12": "D’Arcy, Seán (Jr.)", "300": "王 小明", "44": "Nobody, Nils",
}  # fmt: skip
FORMS = {
    "new": "{name}_{number}_assignsubmission_file/{file}",
    "old": "{name}_{number}_assignsubmission_file_/{file}",
    "flat": "{name}_{number}_assignsubmission_file_{file}",
}


def notebook(points=0.0):
    """A hand-in that the stand-in for the judge gives so many points."""
    student = samples.untouched()
    student.cell("convolve").source = f"points = {points}"
    return student.bytes()


def zipped(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def in_form(form, files):
    """Files by (number, own name) under the names that Moodle gives them."""
    return {
        FORMS[form].format(name=PEOPLE[number], number=number, file=file): content
        for (number, file), content in files.items()
    }


def handed_in(place):
    """What each participant handed in: names and contents."""
    loaded = [submission.load() for submission in submissions_in(place)]
    return {participant_of(one.student) or one.student: dict(one.files) for one in loaded}


# Forms ------------------------------------------------------------------------------------


@pytest.mark.parametrize("unpacked", [False, True])
@pytest.mark.parametrize("form", FORMS)
def test_everybody_is_found_by_number_whatever_the_name(tmp_path, form, unpacked):
    files = {(number, f"my_work {number}.ipynb"): number.encode() for number in PEOPLE}
    place = zipped(tmp_path / "download.zip", in_form(form, files))
    if unpacked:
        with zipfile.ZipFile(place) as archive:
            archive.extractall(tmp_path / "class")
        place = tmp_path / "class"
    assert handed_in(place) == {number: {f"my_work {number}.ipynb": number.encode()} for number in PEOPLE}


@pytest.mark.parametrize("form", FORMS)
def test_several_files_of_one_participant_stay_together(tmp_path, form):
    names = ("a.ipynb", "b_c.ipynb", "picture.png", "packed.zip")
    place = zipped(tmp_path / "d.zip", in_form(form, {("7", name): b"x" for name in names}))
    ((number, files),) = handed_in(place).items()
    assert number == "7" and sorted(files) == ["a.ipynb", "b_c.ipynb"]


def test_what_was_typed_in_online_is_nobody_else(tmp_path):
    files = in_form("new", {("7", FILE): notebook()})
    text = {f"{PEOPLE[number]}_{number}_assignsubmission_onlinetext/onlinetext.html": b"see my file" for number in ("7", "8")}
    found = {participant_of(s.student): s for s in submissions_in(zipped(tmp_path / "d.zip", files | text))}
    assert found.keys() == {"7", "8"}
    assert [file.name for file in found["7"].files] == [FILE] and found["7"].others == ["onlinetext.html"]
    assert found["8"].files == [] and found["8"].others == ["onlinetext.html"]


def test_a_zip_that_is_not_from_moodle(tmp_path):
    inner = zipped(tmp_path / "inner.zip", {"deep/work.ipynb": b"inner"}).read_bytes()
    place = zipped(tmp_path / "class.zip", {
        "ada/any name.ipynb": b"1", "boris.ipynb": b"2", "chen.zip": inner, "./dora/work.IPYNB": b"4",
        "emil\\deeper\\work.ipynb": b"5", "fritz/": b"", "~gerd/.hidden/x.ipynb": b"", "~gerd/x.ipynb": b"7",
        "hanna/work.ipynb.txt": b"8", "list.csv": b"", "__MACOSX/ada/._any name.ipynb": b"", ".DS_Store": b"",
    })  # fmt: skip
    assert handed_in(place) == {
        "ada": {"any name.ipynb": b"1"}, "boris": {"boris.ipynb": b"2"}, "chen": {"work.ipynb": b"inner"},
        "dora": {"work.IPYNB": b"4"}, "emil": {"work.ipynb": b"5"}, "fritz": {}, "~gerd": {"x.ipynb": b"7"},
        "hanna": {"work.ipynb.txt": b"8"},
    }  # fmt: skip


@pytest.mark.parametrize("name", ["ada/../../x.ipynb", "../x.ipynb", "/etc/x.ipynb", "C:/x.ipynb", "..\\..\\x.ipynb"])
def test_a_name_that_points_outside_is_told_and_goes_nowhere(tmp_path, name):
    place = zipped(tmp_path / "class.zip", {name: notebook(), "zoe/x.ipynb": notebook()})
    outside, zoe = submissions_in(place)
    assert outside.load().files == ()
    assert outside.load().faults == ("x.ipynb points to a place outside of the folder.",)
    assert [name for name, _ in zoe.load().files] == ["x.ipynb"]
    assert sorted(os.listdir(tmp_path)) == ["class.zip"]


def test_a_zip_is_never_unpacked_onto_the_disk(tmp_path, monkeypatch):
    place = zipped(tmp_path / "class.zip", {"ada/work.zip": zipped(tmp_path / "i.zip", {"x.ipynb": b"1"}).read_bytes()})
    monkeypatch.setattr(os, "mkdir", None)
    monkeypatch.setattr(zipfile.ZipFile, "extract", None)
    monkeypatch.setattr(zipfile.ZipFile, "extractall", None)
    assert handed_in(place) == {"ada": {"x.ipynb": b"1"}}


def test_a_damaged_member_is_a_fault_of_one(tmp_path):
    place = zipped(tmp_path / "class.zip", {"ada/x.ipynb": notebook(), "boris/x.ipynb": notebook(1)})
    raw = bytearray(place.read_bytes())
    raw[200:260] = bytes(60)  # in ada's
    place.write_bytes(raw)
    ada, boris = (submission.load() for submission in submissions_in(place))
    assert (ada.files, ada.faults) == ((), ("x.ipynb cannot be opened.",))
    assert boris.files == (("x.ipynb", notebook(1)),)


@pytest.mark.parametrize("raw, said", [
    (b"PK\x03\x04 and then nothing", "was the download complete"),
    (b"", "was the download complete"),
    (b"PK\x05\x06" + bytes(18), "There is no hand-in"),  # an empty zip
])  # fmt: skip
def test_what_is_no_class_is_refused(tmp_path, raw, said):
    place = tmp_path / "class.zip"
    place.write_bytes(raw)
    with pytest.raises((ValueError, FileNotFoundError), match=said):
        submissions_in(place)


# A class of Moodle's ----------------------------------------------------------------------

HEADING = (
    'Identifier,"Full name","Email address",Status,Grade,"Maximum Grade","Grade can be changed",'
    '"Last modified (submission)","Last modified (grade)","Feedback comments"'
)
SUBMITTED = {
    "101": "Friday, 20 November 2026, 4:59 PM", "7": "Friday, 20 November 2026, 5:01 PM",
    "55": "Sunday, 22 November 2026, 5:00 PM", "8": "Thursday, 31 December 2026, 11:59 PM",
    "12": "Friday, 20 November 2026, 5:00 PM", "300": "Monday, 16 November 2026, 9:00 AM", "44": "-",
}  # fmt: skip
POINTS = {"101": 20.0, "7": 17.5, "55": 3.0, "8": 20.0, "12": 0.0, "300": 20 / 3}
GRADES = {"101": "20.00", "7": "15.50", "55": "0.00", "8": "0.00", "12": "0.00", "300": "6.67"}  # 10 % a day begun


def worksheet(path, maximum="20.00", encoding="utf-8-sig", end="\r\n"):
    """As Moodle writes it; Jörg Müller has an old grade and an old comment."""
    rows = []
    for number, name in PEOPLE.items():
        status = "No submission" if SUBMITTED[number] == "-" else "Submitted for grading - "
        grade, comment = ("12.50", f'"<p>an ""old"" one,{end}in two lines</p>"') if number == "7" else ("", "")
        rows.append(
            f'"Participant {number}","{name}",p{number}@kcl.example,"{status}",{grade},{maximum},Yes,'
            f'"{SUBMITTED[number]}",-,{comment}'
        )
    path.write_bytes(end.join([HEADING, *rows, ""]).encode(encoding))
    return path


@pytest.fixture
def moodle(tmp_path, monkeypatch):
    """A download, its worksheet, and a judge that believes what it reads."""

    def judge(notebook, *_):
        (source,) = [cell.source for cell in notebook.cells if cell.source.startswith("points = ")]
        points = float(source.removeprefix("points = "))
        return Judgement([Verdict("convolve", "passed" if points == 20 else "wrong values", "said.", "", points, 20.0)])

    monkeypatch.setattr(mark, "judge", judge)
    monkeypatch.setattr(mark, "require_walls", lambda: None)
    monkeypatch.setattr(mark, "released", lambda assignment: samples.RELEASE)  # read once
    monkeypatch.setattr(mark, "solutions", lambda assignment: samples.SOLVED)
    (tmp_path / "in").mkdir()
    files = in_form("new", {(number, f"work {number}.ipynb"): notebook(points) for number, points in POINTS.items()})
    stranger = {"A. Stranger_999_assignsubmission_file/work.ipynb": notebook(11)}
    zipped(tmp_path / "in" / "download.zip", files | stranger)
    worksheet(tmp_path / "in" / "Grades-NN-Part D.csv")
    return tmp_path


def marked(moodle, *options, sheet="Grades-NN-Part D.csv"):
    return CliRunner().invoke(app, [
        "mark", "part_d", "--from", str(moodle / "in/download.zip"), "--to", str(moodle / "out"),
        "--worksheet", str(moodle / "in" / sheet), "--workers", "1", *map(str, options),
    ])  # fmt: skip


LATE = ("--due", "2026-11-20 17:00", "--late", "10")


def rows(path, encoding="utf-8-sig"):
    return {row["Identifier"].split()[1]: row for row in csv.DictReader(io.StringIO(path.read_bytes().decode(encoding), newline=""))}


def test_the_worksheet_comes_back_with_grades_and_comments_and_nothing_else_changed(moodle):
    old = moodle / "in/Grades-NN-Part D.csv"
    raw = old.read_bytes()
    result = marked(moodle, *LATE)
    assert result.exit_code == 0, result.output
    new = moodle / "out/Grades-NN-Part D.csv"
    assert old.read_bytes() == raw
    before, after = rows(old), rows(new)
    assert list(before) == list(after) == list(PEOPLE)
    for number in PEOPLE:
        changed = {name for name in before[number] if before[number][name] != after[number][name]}
        assert changed == ({"Grade", "Feedback comments"} if number in GRADES else set()), number
    assert {number: after[number]["Grade"] for number in GRADES} == GRADES
    # byte for byte: each cell as it stands in the file, with its quotes and what ends it
    assert new.read_bytes().startswith(b"\xef\xbb\xbfIdentifier,")
    old_cells, new_cells = (re.findall(rb'("(?:[^"]|"")*"|[^",\r\n]*)(,|\r\n)', file.read_bytes()) for file in (old, new))
    assert b"".join(cell + end for cell, end in new_cells) == new.read_bytes()
    for position, (was, is_now) in enumerate(zip(old_cells, new_cells, strict=True)):
        filled = list(PEOPLE)[position // 10 - 1] in GRADES and position >= 10 and position % 10 in (4, 9)
        assert was[1] == is_now[1] and (filled or was[0] == is_now[0]), (was, is_now)


@pytest.mark.parametrize("encoding, end", [("utf-8", "\n"), ("utf-16", "\r\n")])
def test_encoding_and_line_ends_stay(moodle, encoding, end):
    sheet = worksheet(moodle / "in/other.csv", encoding=encoding, end=end)
    assert marked(moodle, sheet="other.csv").exit_code == 0
    old, new = sheet.read_bytes().decode(encoding), (moodle / "out/other.csv").read_bytes().decode(encoding)
    assert [row[:4] for row in csv.reader(io.StringIO(new))] == [row[:4] for row in csv.reader(io.StringIO(old))]
    assert ("\r" in new) == (end == "\r\n") and rows(moodle / "out/other.csv", encoding)["300"]["Grade"] == "6.67"


def test_lateness_is_said_and_taken_off_but_never_judged(moodle):
    assert marked(moodle, *LATE).exit_code == 0
    comments = {number: row["Feedback comments"] for number, row in rows(moodle / "out/Grades-NN-Part D.csv").items()}
    assert comments["101"] == "20 of 20 points. Everything is right."
    assert comments["7"].startswith("15.5 of 20 points, 2 points off for lateness. Not full marks: convolve 17.5/20.")
    assert "lateness" not in comments["12"] and "lateness" not in comments["300"]
    assert comments["8"].startswith("0 of 20 points, 20 points off for lateness")
    pages = {number: (moodle / f"out/feedback/{number}/part_d_convolution.html").read_text() for number in POINTS}
    assert "Handed in 1 minute after the deadline: 2 points are taken off." in pages["7"] and "15.5 of 20 points" in pages["7"]
    assert "Handed in 2 days after the deadline: 3 points are taken off." in pages["55"]  # no more than there were
    assert "after the deadline" not in pages["12"]
    # another deadline changes what is taken off, and judges nobody again
    records = {path: path.stat().st_mtime_ns for path in (moodle / "out/evidence/students").rglob("*.json")}
    assert marked(moodle, "--due", "2027-01-01 00:00", "--late", "10").exit_code == 0
    assert {path: path.stat().st_mtime_ns for path in (moodle / "out/evidence/students").rglob("*.json")} == records
    assert rows(moodle / "out/Grades-NN-Part D.csv")["8"]["Grade"] == "20.00"


def test_feedback_goes_into_the_folders_that_moodle_takes(moodle):
    assert marked(moodle).exit_code == 0
    with zipfile.ZipFile(moodle / "out/feedback.zip") as archive:
        assert archive.testzip() is None
        found = {name: archive.read(name) for name in archive.namelist()}
    folders = {participant_of(name.partition("/")[0]): name for name in found}
    assert folders.keys() == POINTS.keys()  # nothing for who handed in nothing, nor for a stranger
    for number, name in folders.items():
        folder, _, page = name.partition("/")
        assert page == "part_d_convolution.html" and folder.split("_")[1:] == [number, "assignsubmission", "file"]
        assert found[name] == (moodle / f"out/feedback/{number}/{page}").read_bytes()
    assert folders["101"].startswith("Zoë O'Neill-Smith_101_") and folders["7"].startswith("Müller, Jörg_7_")


def test_who_handed_in_nothing_and_who_is_in_no_list(moodle):
    result = marked(moodle)
    assert "1 of 7 participants handed in nothing; their rows are as they were." in result.stderr
    assert "Not in the worksheet, so not for Moodle: A. Stranger_999_assignsubmission_file." in result.stderr
    with (moodle / "out/totals.csv").open(encoding="utf-8", newline="") as file:
        totals = {row["student"]: float(row["score"]) for row in csv.DictReader(file)}
    assert totals.pop("A. Stranger_999_assignsubmission_file") == 11  # marked all the same
    assert totals == {number: pytest.approx(points, rel=1e-5) for number, points in POINTS.items()}


def test_points_are_scaled_to_moodles_maximum(moodle):
    worksheet(moodle / "in/hundred.csv", maximum="100.00")
    marked(moodle, *LATE, sheet="hundred.csv")
    assert {number: rows(moodle / "out/hundred.csv")[number]["Grade"] for number in ("101", "7", "300")} == {
        "101": "100.00", "7": "77.50", "300": "33.33",
    }  # fmt: skip


def test_marking_twice_gives_the_same_bytes(moodle):
    marked(moodle, *LATE)
    files = ("Grades-NN-Part D.csv", "feedback.zip", "marks.csv", "totals.csv", "report.html", "report.csv")
    first = {name: (moodle / "out" / name).read_bytes() for name in files}
    marked(moodle, *LATE)
    assert {name: (moodle / "out" / name).read_bytes() for name in files} == first


def test_two_folders_of_one_participant_are_one_hand_in(moodle):
    with zipfile.ZipFile(moodle / "in/download.zip", "a") as archive:
        archive.writestr(f"Zoë (old name)_101_assignsubmission_file_/{FILE}", notebook(5))
    assert marked(moodle).exit_code == 0
    assert rows(moodle / "out/Grades-NN-Part D.csv")["101"]["Grade"] == "5.00"
    page = (moodle / "out/feedback/101/part_d_convolution.html").read_text()
    assert f"There were 2 notebooks ({FILE}, work 101.ipynb); {FILE} was marked." in page


def test_a_hand_in_that_the_marking_failed_on_keeps_its_row(moodle, monkeypatch):
    judge = mark.judge

    def failing(notebook, part, seed, *rest):
        if seed.endswith("/7"):
            raise RuntimeError("something of ours")
        return judge(notebook, part, seed, *rest)

    monkeypatch.setattr(mark, "judge", failing)
    assert marked(moodle).exit_code == 1
    row = rows(moodle / "out/Grades-NN-Part D.csv")["7"]
    assert (row["Grade"], row["Feedback comments"].split()) == ("12.50", "<p>an \"old\" one, in two lines</p>".split())
    assert not any("_7_" in name for name in zipfile.ZipFile(moodle / "out/feedback.zip").namelist())


@pytest.mark.parametrize("options, sheet, said", [
    (("--due", "2026-11-20 17:00"), "Grades-NN-Part D.csv", "Lateness needs all three"),
    (("--late", "10"), "Grades-NN-Part D.csv", "Lateness needs all three"),
    (("--due", "next week", "--late", "10"), "Grades-NN-Part D.csv", "is no time that can be read"),
    ((), "missing.csv", "missing.csv"),
    ((), "download.zip", "The worksheet"),
    ((), "marks.csv", "give it another name"),
])  # fmt: skip
def test_a_wrong_call_is_explained_before_anything_is_written(moodle, options, sheet, said):
    worksheet(moodle / "in/marks.csv")
    result = marked(moodle, *options, sheet=sheet)
    assert result.exit_code == 1 and said in result.stderr and "Traceback" not in result.output
    assert not (moodle / "out").exists()


def test_a_folder_named_after_the_number_is_joined_too(moodle):
    (moodle / "class/101").mkdir(parents=True)
    (moodle / "class/101/work.ipynb").write_bytes(notebook(19))
    sheet = moodle / "in/Grades-NN-Part D.csv"
    (result,) = mark_class("part_d", moodle / "class", moodle / "out", worksheet=sheet)
    assert result.student == "101" and rows(moodle / "out" / sheet.name)["101"]["Grade"] == "19.00"


def test_the_same_of_several_notebooks_is_chosen_in_folder_and_zip(tmp_path):
    files = {"ada/b.ipynb": notebook(1), "ada/a.ipynb": notebook(2), "ada/old/part_x.ipynb": notebook(3)}
    place = zipped(tmp_path / "class.zip", files)
    with zipfile.ZipFile(place) as archive:
        archive.extractall(tmp_path / "class")
    chosen = [choose(submissions_in(p)[0].load(), "part_x", {"convolve"})[:2] for p in (place, tmp_path / "class")]
    assert chosen == [("part_x.ipynb", notebook(3))] * 2
