"""Certified: every wheat earns full marks, every chaff loses them and is named, on public and secret seeds."""

from collections import Counter

import numpy as np
import pytest
from typer.testing import CliRunner

from grading import certify as certifying
from grading.__main__ import app
from grading.masters import engine_points
from grading.certify import LIBRARY_SEEDS, SECRET_SEEDS, certify, judge, secret_seeds
from grading.wheats import wheats_of
from pnnlib.exercises import exercises_of
from pnnlib.exercises.check import PARTS
from pnnlib.exercises.diagnosis import Known
from pnnlib.exercises.exercise import PUBLIC_SEED, Case, Exercise

# the exercises of each part, and how many wrong answers the plan of the course lists for each, at the least
LISTED = {
    "part_a": {
        "is_deep": 2, "count_parameters": 4, "mlp_forward": 4, "count_linear_pieces": 3, "rnn_forward": 5, "unfold": 3,
        "bptt": 4,
    },
    "part_b": {
        "sigmoid_derivative": 3, "tanh_derivative": 3, "chain_forward": 3, "chain_updates": 6, "chain_factors": 3,
        "layers_to_vanish": 5, "gradient_norms": 5,
    },
    "part_c": {
        "relu": 2, "leaky_relu": 2, "leaky_relu_derivative": 3, "prelu_backward": 5, "xavier_uniform": 4,
        "xavier_normal": 4, "kaiming_uniform": 3, "kaiming_normal": 3, "momentum_step": 5, "adagrad_step": 4,
        "rmsprop_step": 3, "adam_step": 6, "nadam_step": 4, "batch_norm": 6, "update_running": 3,
        "batch_norm_backward": 4, "residual": 3, "residual_backward": 2,
    },
    "part_d": {
        "cross_correlate": 6, "convolve": 3, "threshold_layer": 4, "output_size": 6, "cross_correlate_general": 8,
        "mask_as_matrix": 4, "conv_layer": 7, "conv_1x1": 4, "conv_layer_backward": 6, "receptive_field": 5,
    },
    "part_e": {
        "max_pool": 4, "average_pool": 4, "global_average_pool": 3, "cross_channel_max_pool": 3, "max_pool_backward": 4,
        "flatten": 3, "cross_entropy": 6, "cnn_shapes": 4, "parallel": 3, "train_cnn": 4,
    },
    "part_f": {
        "count_cnn_parameters": 4, "shift": 3, "augment": 5, "dropout": 5, "dropout_backward": 3, "fine_tune_step": 4,
        "fgsm": 4, "attack": 4, "shortcut_gap": 3,
    },
}  # fmt: skip


@pytest.fixture(scope="module", params=PARTS)
def part(request):
    return request.param


@pytest.fixture(scope="module")
def matrix(part):
    return {public.exercise: (public, secret) for public, secret in certify(part)}


def test_all_exercises_are_there(part):
    assert set(exercises_of(part)) == set(LISTED[part])


def test_there_are_enough_secret_seeds():
    assert len(set(SECRET_SEEDS)) == 20 and PUBLIC_SEED not in SECRET_SEEDS
    assert len(set(LIBRARY_SEEDS)) == 3 and set(LIBRARY_SEEDS) < set(SECRET_SEEDS)


def test_a_name_belongs_to_one_exercise():
    assert max(Counter(name for part in PARTS for name in exercises_of(part)).values()) == 1


def test_certified(part, matrix):
    assert list(matrix) == list(exercises_of(part))
    for name, exercise in exercises_of(part).items():
        chaffs, wheats = len(exercise.chaffs), len(wheats_of(part)[name])
        assert chaffs >= LISTED[part][name] and wheats >= 2, name
        for row, seeds in zip(matrix[name], (1, len(secret_seeds(exercise))), strict=True):
            assert row.faults == ()
            assert (row.wheats, row.chaffs) == (wheats * seeds, chaffs * seeds)
            assert (row.accepted, row.killed, row.named) == (row.wheats, row.chaffs, row.chaffs)


def test_a_verdict_does_not_depend_on_who_was_judged_before(part):
    """All answers share what is known of the cases; in the other order they get the same verdicts."""
    for name, exercise in exercises_of(part).items():
        if not exercise.library:  # where each call trains a network
            answers = [*wheats_of(part)[name], *(chaff.function for chaff in exercise.chaffs)]
            known, again = (Known(exercise, exercise.draw()) for _ in range(2))
            verdicts = [judge(answer, known) for answer in answers]
            assert [judge(answer, again) for answer in reversed(answers)] == verdicts[::-1], name


def test_points_are_split_and_every_case_is_drawn_anew(part):
    for name, exercise in exercises_of(part).items():
        first, second = exercise.draw("a"), exercise.draw("b")
        assert {case.criterion for case in first} == set(exercise.criteria)
        assert [c.criterion for c in first] == [c.criterion for c in second]
        changed = sum(str(a.args) != str(b.args) for a, b in zip(first, second, strict=True))
        assert changed >= len(first) / 2, f"{name}: secret cases must not be the public ones"
        again = exercise.draw("a")
        assert all(str(a.args) == str(b.args) for a, b in zip(first, again, strict=True))
        assert exercise.library or first[-1] is first[0], "the first case comes again: state that leaks is seen"


def test_exercises_and_questions_make_20_points(part):
    assert sum(engine_points(part).values()) == pytest.approx(20)


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


def triple_every_other_time(x):
    triple_every_other_time.calls = getattr(triple_every_other_time, "calls", 0) + 1
    return x * (3 if triple_every_other_time.calls % 2 else 4)


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
    ([triple_every_other_time], [right, also_right], "triple_every_other_time is taken for not named"),
])  # fmt: skip
def test_a_fault_is_found(rows, chaffs, wheats, said):
    public, secret = rows(chaffs, wheats)
    assert any(said in fault for fault in public.faults)
    assert any(said in fault for fault in secret.faults)


def test_the_command_prints_the_matrix(part, matrix, monkeypatch):
    monkeypatch.setattr(certifying, "certify", lambda part: list(matrix.values()))
    result = CliRunner().invoke(app, ["certify", part])
    assert result.exit_code == 0 and result.stdout.rstrip().endswith("certified")
    assert all(name in result.stdout for name in LISTED[part])


def test_the_command_fails_if_one_cell_is_wrong(rows, monkeypatch):
    faulty = [rows([triple], [right, three_times])]
    monkeypatch.setattr(certifying, "certify", lambda part: faulty)
    result = CliRunner().invoke(app, ["certify", "part_d"])
    assert result.exit_code == 1 and "certified" not in result.stdout
    assert "wheat three_times" in result.stderr
