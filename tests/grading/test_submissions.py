"""A folder of hand-ins, sorted by student."""

import os

import nbformat
import pytest

from grading.handin import Unreadable
from grading.submissions import choose, submissions_in


def notebook(path, *grade_ids):
    cells = [nbformat.v4.new_code_cell("1", metadata={"nbgrader": {"grade_id": name}}) for name in grade_ids]
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


def choose_in(folder, graded=("a", "b")):
    (submission,) = submissions_in(folder)
    name, _, _, notes = choose(submission.load(), "part_x", set(graded))
    return name, notes


def test_a_folder_or_a_file_for_each_student(tmp_path):
    notebook(tmp_path / "ada/any name.ipynb")
    notebook(tmp_path / "boris.ipynb")
    notebook(tmp_path / "chen/deeper/down/work.IPYNB")
    (tmp_path / "nobody").mkdir()
    (tmp_path / "list.csv").write_text("not a student")
    found = submissions_in(tmp_path)
    assert {s.student: [f.name for f in s.files] for s in found} == {
        "ada": ["any name.ipynb"], "boris": ["boris.ipynb"], "chen": ["work.IPYNB"], "nobody": [],
    }  # fmt: skip


def test_what_systems_put_beside_a_notebook_is_ignored(tmp_path):
    notebook(tmp_path / "ada/part_x.ipynb")
    for name in (".ipynb_checkpoints/part_x-checkpoint.ipynb", "__MACOSX/._part_x.ipynb", "._part_x.ipynb"):
        notebook(tmp_path / "ada" / name)
    notebook(tmp_path / ".ipynb_checkpoints/part_x.ipynb")
    (submission,) = submissions_in(tmp_path)
    assert [path.name for path in submission.files] == ["part_x.ipynb"] and submission.others == []


def test_links_and_pipes_are_not_followed(tmp_path):
    secret = notebook(tmp_path / "elsewhere.ipynb", "a")
    folder = tmp_path / "class"
    (folder / "ada").mkdir(parents=True)
    (folder / "ada/part_x.ipynb").symlink_to(secret)
    (folder / "ada/more").symlink_to(tmp_path)
    os.mkfifo(folder / "ada/pipe.ipynb")
    (folder / "boris").symlink_to(tmp_path)
    for submission in submissions_in(folder):
        assert submission.files == []
        with pytest.raises(Unreadable, match="is not a file but points to one, or to a device"):
            choose(submission.load(), "part_x", {"a"})


@pytest.mark.parametrize("files, chosen", [
    ({"part_x.ipynb": ("a",), "other.ipynb": ("a", "b")}, "part_x.ipynb"),
    ({"notes.ipynb": (), "my work.ipynb": ("a",), "old.ipynb": ("a", "b")}, "old.ipynb"),
    ({"part_x.ipynb": (), "my work.ipynb": ("a",)}, "my work.ipynb"),
    ({"b.ipynb": ("a",), "a.ipynb": ("a",)}, "a.ipynb"),
])  # fmt: skip
def test_of_several_the_released_name_or_the_most_graded_cells(tmp_path, files, chosen):
    for name, cells in files.items():
        notebook(tmp_path / "ada" / name, *cells)
    name, notes = choose_in(tmp_path)
    assert name == chosen
    assert len(notes) == 1 and f"{chosen} was marked" in notes[0]


def test_a_broken_notebook_beside_a_good_one_is_mentioned(tmp_path):
    notebook(tmp_path / "ada/work.ipynb", "a")
    (tmp_path / "ada/part_x.ipynb").write_text("{")
    name, notes = choose_in(tmp_path)
    assert name == "work.ipynb"
    assert len(notes) == 1 and notes[0].startswith("part_x.ipynb is not a notebook")


@pytest.mark.parametrize("files, said", [
    ([], "the folder is empty"), (["work.pdf"], "handed in: work.pdf."), (["work.pdf", "work.zip"], "work.zip cannot be opened."),
])  # fmt: skip
def test_nothing_to_mark_is_said(tmp_path, files, said):
    (tmp_path / "ada").mkdir()
    for name in files:
        (tmp_path / "ada" / name).write_text("x")
    with pytest.raises(Unreadable, match=said):
        choose_in(tmp_path)


def test_a_name_that_is_no_text(tmp_path):
    folder = os.fsencode(tmp_path) + b"/a\xff"
    os.mkdir(folder)
    assert [s.student for s in submissions_in(tmp_path)] == ["a\\udcff"]


def test_no_class_is_an_error(tmp_path):
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(FileNotFoundError, match="There is no"):
            submissions_in(folder)


def test_a_student_whose_folder_begins_oddly_is_not_forgotten(tmp_path):
    for name in (".hidden", "~ada", "..a"):
        notebook(tmp_path / name / "part_x.ipynb")
    assert sorted(s.student for s in submissions_in(tmp_path)) == ["..a", ".hidden", "~ada"]
