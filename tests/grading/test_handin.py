"""Whatever a student hands in becomes a notebook that can be judged, or a sentence that says why not."""

import json
from pathlib import Path

import nbformat
import pytest

from grading.masters import released
from grading.handin import Unreadable, defined, grade_id, is_check, read, sanitise


@pytest.fixture(scope="module")
def master():
    return released("part_d").content


def names(master):
    return [grade_id(cell) for cell in master.cells if grade_id(cell)]


@pytest.fixture
def notebook(master):
    """A fresh copy of the released notebook, and how to find a cell in it."""
    copy = nbformat.reads(nbformat.writes(master), as_version=4)
    copy.at = lambda name: next(i for i, cell in enumerate(copy.cells) if grade_id(cell) == name)
    return copy


def graded(hand_in):
    return [grade_id(cell) for cell in hand_in.notebook.cells if grade_id(cell)]


def source(hand_in, name):
    (found,) = [cell.source for cell in hand_in.notebook.cells if grade_id(cell) == name]
    return found


def test_an_untouched_notebook_needs_no_repair(master, notebook):
    hand_in = sanitise(notebook, master)
    assert hand_in.notes == []
    assert graded(hand_in) == names(master)


def test_the_released_master_is_what_students_have(master):
    path = Path(__file__).parents[2] / "notebooks/part_d_convolution.ipynb"
    students = nbformat.read(path, as_version=4)
    assert [(grade_id(c), c.source) for c in students.cells] == [(grade_id(c), c.source) for c in master.cells]


@pytest.mark.parametrize("name", ["cross_correlate", "check-convolve", "question-1", "check-question-2"])
def test_a_deleted_cell_is_put_back_in_its_place(master, notebook, name):
    del notebook.cells[notebook.at(name)]
    hand_in = sanitise(notebook, master)
    assert graded(hand_in) == names(master)
    assert len(hand_in.notes) == 1 and name.removeprefix("check-") in hand_in.notes[0]


def test_a_copy_to_try_an_answer_out_is_no_answer(master, notebook):
    place = notebook.at("convolve")
    notebook.cells[place].source = "def convolve(x, h):\n    return 7"
    tried = nbformat.from_dict(json.loads(json.dumps(notebook.cells[place])))
    tried.source, tried.execution_count = "convolve(1, 2)", 99
    notebook.cells.insert(place + 1, tried)
    hand_in = sanitise(notebook, master)
    assert source(hand_in, "convolve").endswith("return 7") and hand_in.notes == []
    assert "convolve(1, 2)" in [cell.source for cell in hand_in.notebook.cells]


def test_a_split_answer_keeps_both_halves(master, notebook):
    place = notebook.at("convolve")
    half = nbformat.from_dict(json.loads(json.dumps(notebook.cells[place])))
    half.source = "def mix(x):\n    return x"
    notebook.cells[place].source = "def convolve(x, h):\n    return mix(x)"
    notebook.cells.insert(place, half)
    hand_in = sanitise(notebook, master)
    sources = [cell.source for cell in hand_in.notebook.cells]
    assert sources.index(half.source) == sources.index("def convolve(x, h):\n    return mix(x)") - 1


def test_answers_gathered_in_one_cell_are_not_called_missing(master, notebook):
    answers = [name for name in names(master) if not name.startswith("check-")][:3]
    for name in answers:
        del notebook.cells[notebook.at(name)]
    together = "\n".join(f"{name} = max" for name in answers)
    notebook.cells.insert(0, nbformat.v4.new_code_cell(together))
    assert not any("missing" in note for note in sanitise(notebook, master).notes)


def test_a_notebook_of_too_many_cells_is_refused():
    with pytest.raises(Unreadable, match="n.ipynb has 5001 cells; more than 5000"):
        read("n.ipynb", json.dumps({"cells": [{"cell_type": "code", "source": ""}] * 5001, "nbformat": 4}).encode())


def test_everything_deleted(master):
    hand_in = sanitise(nbformat.v4.new_notebook(), master)
    assert graded(hand_in) == names(master)
    assert all(cell.source == "" for cell in hand_in.notebook.cells if grade_id(cell) and not is_check(cell))
    assert hand_in.notebook.cells[0].source == next(c.source for c in master.cells if c.cell_type == "code")


@pytest.mark.parametrize("name, answer", [("convolve", "def convolve(x, h):\n    return h"), ("question-1", "answer_1 = 'c'")])
def test_an_answer_in_a_new_cell_is_found_by_the_name_it_defines(master, notebook, name, answer):
    notebook.cells[notebook.at(name)] = nbformat.v4.new_code_cell(answer)
    hand_in = sanitise(notebook, master)
    assert source(hand_in, name) == answer
    assert any("found in another cell" in note for note in hand_in.notes)


def test_of_copies_the_last_that_was_run_counts(master, notebook):
    at = notebook.at("convolve")
    for number, (answer, count) in enumerate([("first", 3), ("second", 5), ("never run", None)]):
        copy = nbformat.from_dict(notebook.cells[at])
        copy.source, copy.execution_count, copy.id = f"def convolve(x, h):\n    '{answer}'", count, f"copy-{number}"
        notebook.cells.insert(at + 1 + number, copy)
    hand_in = sanitise(notebook, master)
    assert graded(hand_in) == names(master)
    assert "second" in source(hand_in, "convolve")


def test_a_copy_in_which_nothing_was_written_never_counts(master, notebook):
    at = notebook.at("convolve")
    stub = nbformat.from_dict(notebook.cells[at])
    stub.id, stub.execution_count = "stub", 9
    notebook.cells[at].source = "def convolve(x, h):\n    return 1"
    notebook.cells.insert(at + 1, stub)
    assert "return 1" in source(sanitise(notebook, master), "convolve")


def test_a_changed_check_is_ours_again(master, notebook):
    notebook.cells[notebook.at("check-convolve")].source = "1.0"
    assert source(sanitise(notebook, master), "check-convolve") == "check(convolve)"


def test_a_check_above_its_answer_moves_below_it(master, notebook):
    notebook.cells.insert(0, notebook.cells.pop(notebook.at("check-receptive_field")))
    order = graded(sanitise(notebook, master))
    assert order.index("check-receptive_field") > order.index("receptive_field")


def test_cells_in_reverse_order(master, notebook):
    notebook.cells.reverse()
    order = graded(sanitise(notebook, master))
    assert sorted(order) == sorted(names(master))
    for name in order:
        assert name.startswith("check-") or order.index(f"check-{name}") > order.index(name)


def test_names_that_the_master_does_not_know_are_ordinary_cells(master, notebook):
    notebook.cells.insert(1, nbformat.v4.new_code_cell("x = 1", metadata={"nbgrader": {"grade_id": "bonus", "points": 99}}))
    hand_in = sanitise(notebook, master)
    assert graded(hand_in) == names(master)
    assert any(cell.source == "x = 1" for cell in hand_in.notebook.cells)


def test_a_solution_cell_tagged_explore_is_still_run(master, notebook):
    notebook.cells[notebook.at("convolve")].metadata["tags"] = ["explore"]
    (cell,) = [cell for cell in sanitise(notebook, master).notebook.cells if grade_id(cell) == "convolve"]
    assert "explore" not in cell.metadata.get("tags", [])


def test_a_graded_cell_turned_into_text_is_missing(master, notebook):
    at = notebook.at("convolve")
    notebook.cells[at] = nbformat.v4.new_markdown_cell("def convolve", metadata=notebook.cells[at].metadata)
    assert source(sanitise(notebook, master), "convolve") == ""


@pytest.mark.parametrize("text", ["def f(:", "f = (", "x = 1\n  y = 2", "\0", "(" * 5000])
def test_broken_code_still_tells_names(text):
    assert isinstance(defined(text), set)


def test_broken_code_defines_what_it_begins():
    assert defined("def f(x):\n    return (x\nanswer_1 = 'c") == {"f", "answer_1"}


# Files ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content, said",
    [
        (b"", "is empty"),
        (b"  \n", "is empty"),
        (b"hello", "not in the JSON format"),
        (b'{"cells": [', "cut off"),
        (b"[" * 100_000, "is not a notebook"),
        (b"[]", "not a notebook"),
        (b"3", "not a notebook"),
        (b"null", "not a notebook"),
        (b'{"cells": 3}', "no list of cells"),
        (b"\xff\xfe\x00\x01", "is not a notebook"),
    ],
)
def test_what_is_no_notebook_is_said_in_a_sentence(content, said):
    with pytest.raises(Unreadable, match=said):
        read("x.ipynb", content)


def test_wrong_types_within_a_notebook_are_put_up_with():
    cells = [
        3, None, {}, {"cell_type": "code"}, {"cell_type": "code", "source": 7, "metadata": []},
        {"cell_type": "code", "source": ["a = ", 1], "metadata": {"tags": "explore", "nbgrader": {"grade_id": 4}}},
        {"cell_type": "code", "source": "b", "execution_count": "x", "outputs": "none", "id": 12},
    ]  # fmt: skip
    found = read("x.ipynb", json.dumps({"nbformat": "four", "cells": cells, "metadata": 3}).encode())
    assert [cell.source for cell in found.notebook.cells] == ["", "7", "a = 1", "b"]
    assert found.notes == ["2 of its cells are no cells of a notebook and were left out."]


def test_an_old_notebook_is_read():
    cell = {"cell_type": "code", "input": "a = 1", "language": "python", "outputs": [], "collapsed": False}
    old = {"nbformat": 3, "nbformat_minor": 0, "metadata": {}, "worksheets": [{"cells": [cell]}]}
    found = read("old.ipynb", json.dumps(old).encode())
    assert [cell.source for cell in found.notebook.cells] == ["a = 1"]
    assert found.notes == ["It was saved in an old format of notebooks and was converted."]


def test_half_a_character_is_replaced():
    found = read("x.ipynb", b'{"nbformat": 4, "cells": [{"cell_type": "code", "source": "a = \'\\ud800\'"}]}')
    assert [cell.source for cell in found.notebook.cells] == ["a = '?'"]
    assert len(found.notes) == 1 and "half a character" in found.notes[0]
