"""Moodle's worksheet, byte for byte, and the names of its folders."""

import csv
import io
from datetime import datetime

import pytest
from hypothesis import given, strategies as st

from grading.moodle import (
    Row, Worksheet, WorksheetError, feedback_folder, file_in, moment, participant_of,
)  # fmt: skip

# as Moodle 4 writes it
HEADING = (
    'Identifier,"Full name","Email address",Status,Grade,"Maximum Grade","Grade can be changed",'
    '"Last modified (submission)","Last modified (grade)","Feedback comments"'
)
ROWS = (
    '"Participant 101","Zoë O\'Neill-Smith",z@kcl.example,"Submitted for grading - ",,20.00,Yes,'
    '"Friday, 20 November 2026, 4:59 PM",-,',
    '"Participant 7","Müller, Jörg",j@kcl.example,"Submitted for grading - ",12.50,20.00,Yes,'
    '"Saturday, 21 November 2026, 12:03 AM","Monday, 23 November 2026, 9:00 AM","<p>an ""old"" one,\nin two lines</p>"',
    '"Participant 55","Ann_Marie Nguyễn",a@kcl.example,"No submission",,20.00,Yes,-,-,',
)


def sheet(rows=ROWS, heading=HEADING, end="\r\n", encoding="utf-8", last=True):
    return end.join([heading, *rows, *([""] if last else [])]).encode(encoding)


def cells(raw, encoding="utf-8-sig", delimiter=","):
    return list(csv.DictReader(io.StringIO(raw.decode(encoding), newline=""), delimiter=delimiter))


def test_participants():
    rows = Worksheet(sheet()).rows
    assert list(rows) == ["101", "7", "55"]
    assert rows["101"] == Row("101", "Zoë O'Neill-Smith", 20.0, datetime(2026, 11, 20, 16, 59))
    assert rows["7"].submitted == datetime(2026, 11, 21, 0, 3) and rows["55"].submitted is None


@pytest.mark.parametrize("raw", [
    sheet(), sheet(end="\n"), sheet(end="\r"), sheet(last=False), sheet(encoding="utf-8-sig"), sheet(encoding="utf-16"),
    sheet([row.replace("ễ", "e") for row in ROWS], encoding="cp1252"), sheet([]), sheet() + b"\r\n",
])  # fmt: skip
def test_nothing_filled_in_is_nothing_changed(raw):
    assert Worksheet(raw).filled({}) == raw


def test_only_grade_and_comment_change():
    old, new = sheet(), Worksheet(sheet()).filled({"101": (17.456, "well done"), "7": (0, "nothing, alas")})
    for before, after in zip(cells(old), cells(new), strict=True):
        changed = {name for name in before if before[name] != after[name]}
        assert changed <= {"Grade", "Feedback comments"}
        assert bool(changed) == (after["Identifier"] != "Participant 55")
    assert [row["Grade"] for row in cells(new)] == ["17.46", "0.00", ""]
    assert [row["Feedback comments"] for row in cells(new)] == ["well done", "nothing, alas", ""]
    # quoting and line ends too: putting the old cells back gives the old bytes
    assert new.replace(b",17.46,", b",,", 1).replace(b",0.00,", b",12.50,", 1).replace(b"well done", b"", 1).replace(
        b'"nothing, alas"', b'"<p>an ""old"" one,\nin two lines</p>"'
    ) == old


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_other_delimiters(delimiter):
    raw = "\n".join(delimiter.join(row) for row in csv.reader(io.StringIO("\n".join((HEADING, ROWS[0])))))
    new = Worksheet(raw.encode()).filled({"101": (3, f"a{delimiter}b")})
    (row,) = cells(new, delimiter=delimiter)
    assert (row["Grade"], row["Feedback comments"].split()) == ("3.00", f"a{delimiter}b".split())


def test_a_comment_stays_text():
    (row, *_) = cells(Worksheet(sheet()).filled({"101": (1, '=HYPERLINK("x") <b>&\n+1')}))
    assert row["Feedback comments"] == "'=HYPERLINK(\"x\") &lt;b&gt;&amp; +1"


def test_a_grade_above_the_maximum_would_be_ignored_by_moodle():
    (row, *_) = cells(Worksheet(sheet()).filled({"101": (20.000001, "")}))
    assert row["Grade"] == "20.00"


@given(st.lists(st.tuples(st.text(alphabet='ab",;\n\r\t é', max_size=8), st.text(max_size=6)), max_size=5))
def test_any_names_and_comments(people):
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["Identifier", "Full name", "Grade", "Maximum Grade", "Feedback comments"])
    writer.writerows([f"Participant {i}", name, "", "10", old.replace("\0", "")] for i, (name, old) in enumerate(people))
    raw = text.getvalue().encode("utf-8", "replace")
    opened = Worksheet(raw)
    assert opened.filled({}) == raw
    assert [row.name for row in opened.rows.values()] == [name.strip() for name, _ in people]
    filled = cells(opened.filled({str(i): (i, "x") for i in range(len(people))}), encoding="utf-8")
    assert [row["Grade"] for row in filled] == [f"{i}.00" for i in range(len(people))]


@pytest.mark.parametrize("raw, said", [
    (b"", "no column 'Identifier'"),
    (b"a,b\n1,2\n", "no column 'Identifier' and no column 'Grade'"),
    (sheet(heading=HEADING.replace("Feedback comments", "Notes")), "allow offline grading worksheets and feedback comments"),
    (sheet([ROWS[0], ROWS[0]]), "Participant 101 stands twice"),
    (sheet([ROWS[0].replace("20.00", "-")]), "must be graded in points"),
    (sheet([ROWS[0][:40]]), "cut off"),
    (sheet(['"Participant 3","Jo']), "a quote is not closed"),
    (sheet(["Nobody" + ROWS[0][17:]]), "no participant number"),
    (b"\x00\x01\x02\xff", "no column"),
])  # fmt: skip
def test_a_file_that_is_no_worksheet_is_refused_with_the_reason(raw, said):
    with pytest.raises(WorksheetError, match=said):
        Worksheet(raw)


# Folders ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name, number", [
    ("Zoë O'Neill-Smith_101_assignsubmission_file", "101"),
    ("Zoë O'Neill-Smith_101_assignsubmission_file_", "101"),
    ("Ann_Marie Nguyễn_55_assignsubmission_file", "55"),
    ("Participant_9_assignsubmission_file", "9"),
    ("A_1_assignsubmission_file_2_assignsubmission_file", "2"),
    ("Jo_5_assignsubmission_file_part_d.ipynb", "5"),
    ("Jo_5_assignsubmission_onlinetext", None),
    ("ada", None),
    ("5_assignsubmission_file", None),
])  # fmt: skip
def test_participant_numbers(name, number):
    assert participant_of(name) == number


def test_the_students_own_file_name():
    assert file_in("Jo_5_assignsubmission_file_my_work (2).ipynb") == "my_work (2).ipynb"
    assert file_in("Jo_5_assignsubmission_file") is None


@pytest.mark.parametrize("name", ["Zoë O'Neill-Smith", "Müller, Jörg", "Ann_Marie Nguyễn", "A/B\\C", "", "a\nb", ".."])
def test_feedback_goes_back_to_whom_it_is_for(name):
    folder = feedback_folder(Row("55", name, 20.0, None))
    assert participant_of(folder) == "55" and folder.endswith("_55_assignsubmission_file")
    # Moodle takes the folder apart at its underscores
    assert folder.split("_")[1:] == ["55", "assignsubmission", "file"]
    assert not set("/\\\n") & set(folder)


@pytest.mark.parametrize("text", [
    "Friday, 20 November 2026, 4:59 PM", "Friday, 20 November 2026, 4:59\u202fPM", "Friday, 20 November 2026, 16:59",
    "Friday, November 20, 2026, 4:59 pm", "20 November 2026, 4:59 PM", "2026-11-20 16:59", "2026-11-20T16:59:00",
])  # fmt: skip
def test_times(text):
    assert moment(text) == datetime(2026, 11, 20, 16, 59)


def test_no_time_and_no_time_that_can_be_read():
    assert moment("-") is moment(" ") is None
    with pytest.raises(ValueError, match="write for instance 2026-11-20 17:00"):
        moment("next Friday")
