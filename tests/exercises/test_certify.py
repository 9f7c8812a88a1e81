"""Certified: every wheat earns full marks, every chaff loses them and is named, on public and secret seeds."""

import numpy as np
import pytest
from typer.testing import CliRunner

from grading import certify as certifying
from grading.__main__ import app
from grading.certify import SECRET_SEEDS, certify
from grading.wheats import wheats_of
from pnnlib.exercises import exercises_of
from pnnlib.exercises.exercise import PUBLIC_SEED, Case, Exercise

# how many wrong answers the plan of the course lists for each exercise, at the least
LISTED = {
    "cross_correlate": 5, "convolve": 2, "threshold_layer": 3, "output_size": 5, "cross_correlate_general": 7,
    "mask_as_matrix": 3, "conv_layer": 6, "conv_1x1": 3, "conv_layer_backward": 5, "receptive_field": 4,
}  # fmt: skip


@pytest.fixture(scope="module")
def matrix():
    return {public.exercise: (public, secret) for public, secret in certify("part_d")}


def test_all_exercises_are_certified(matrix):
    assert list(matrix) == list(LISTED) == list(exercises_of("part_d"))
    assert len(SECRET_SEEDS) == 20 and PUBLIC_SEED not in SECRET_SEEDS


@pytest.mark.parametrize("name", LISTED)
def test_certified(matrix, name):
    chaffs = len(exercises_of("part_d")[name].chaffs)
    wheats = len(wheats_of("part_d")[name])
    assert chaffs > LISTED[name] and wheats >= 2
    for row, seeds in zip(matrix[name], (1, 20), strict=True):
        assert row.faults == ()
        assert (row.wheats, row.chaffs) == (wheats * seeds, chaffs * seeds)
        assert (row.accepted, row.killed, row.named) == (row.wheats, row.chaffs, row.chaffs)


@pytest.mark.parametrize("name", LISTED)
def test_points_are_split_and_every_case_is_drawn_anew(name):
    exercise = exercises_of("part_d")[name]
    first, second = exercise.draw("a"), exercise.draw("b")
    assert {case.criterion for case in first} == set(exercise.criteria)
    assert [c.criterion for c in first] == [c.criterion for c in second]
    changed = sum(str(a.args) != str(b.args) for a, b in zip(first, second, strict=True))
    assert changed >= len(first) / 2, "secret cases must not be the public ones"
    again = exercise.draw("a")
    assert all(str(a.args) == str(b.args) for a, b in zip(first, again, strict=True))
    assert first[-1] is first[0], "the first case comes again: state that leaks is seen"


def test_the_points_of_part_d():
    assert sum(exercise.points for exercise in exercises_of("part_d").values()) == 18  # and two questions


# What certify must notice -----------------------------------------------------------------


def double(x):
    """Twice x."""
    return np.asarray(x) * 2.0


@pytest.fixture
def rows(monkeypatch):
    """The rows of an exercise with these chaffs and wheats."""

    def of(chaffs, wheats):
        exercise = Exercise(double, {"basic": 1.0}, 1e-6)
        exercise.cases(lambda rng: iter([Case((rng.normal(size=3),))]))
        for function in chaffs:
            exercise.chaff(f"You did {function.__name__}.")(function)
        monkeypatch.setattr(certifying, "exercises_of", lambda part: {"double": exercise})
        monkeypatch.setattr(certifying, "wheats_of", lambda part: {"double": wheats})
        ((public, secret),) = certify("part_x")
        return public, secret

    return of


def right(x):
    return 2 * x


def also_right(x):
    return x + x


def triple(x):
    return 3 * x


def three_times(x):
    return x + x + x


def test_a_sound_exercise_has_no_fault(rows):
    public, secret = rows([triple], [right, also_right])
    assert public.faults == secret.faults == ()


@pytest.mark.parametrize("chaffs, wheats, said", [
    ([also_right], [right, also_right], "also_right"),
    ([triple], [right, three_times], "wheat three_times"),
    ([triple, three_times], [right, also_right], "triple"),
    ([triple], [right], "fewer than two wheats"),
])  # fmt: skip
def test_a_fault_is_found(rows, chaffs, wheats, said):
    public, secret = rows(chaffs, wheats)
    assert any(said in fault for fault in public.faults)
    assert any(said in fault for fault in secret.faults)


def test_the_command_prints_the_matrix(matrix, monkeypatch):
    monkeypatch.setattr(certifying, "certify", lambda part: list(matrix.values()))
    result = CliRunner().invoke(app, ["certify", "part_d"])
    assert result.exit_code == 0 and result.stdout.rstrip().endswith("certified")
    assert all(name in result.stdout for name in LISTED)


def test_the_command_fails_if_one_cell_is_wrong(rows, monkeypatch):
    faulty = [rows([triple], [right, three_times])]
    monkeypatch.setattr(certifying, "certify", lambda part: faulty)
    result = CliRunner().invoke(app, ["certify", "part_d"])
    assert result.exit_code == 1 and "certified" not in result.stdout
    assert "wheat three_times" in result.stderr
