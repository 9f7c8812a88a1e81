"""An exercise whose material is pnnlib: judged in a jail of its own, with pnnlib's layers in it and no other learner."""

import nbformat
import numpy as np
import pytest

from grading import judge as judging
from grading.jail import Jail
from grading.judge import judge
from grading.limits import Limits
from pnnlib.exercises.borrowed import borrowed
from pnnlib.exercises.diagnosis import Verdict
from pnnlib.exercises.exercise import Case, Exercise

LIMITS = Limits(seconds=10)
ASK = "import importlib\nfound = getattr(importlib.import_module({module!r}), {name!r})({arguments})"


@pytest.fixture(scope="module")
def jail():
    with Jail(LIMITS, library=True) as jail:
        yield jail


@pytest.mark.jail
def test_layers_learn_in_it(jail):
    done = jail.run_cell("""
import numpy as np
from pnnlib import layers, networks, optim, train

x = np.random.default_rng(0).normal(size=(64, 2))
model = layers.Linear(2, 2, rng=0)
history = train.fit(model, x, (x[:, 0] > 0).astype(int), optim.SGD(model.parameters(), lr=0.5), rng=0)
learnt = history.accuracy[-1] > 0.9
""")
    assert done.status == "ok", done.error
    assert jail.read("learnt").value is True


@pytest.mark.jail
@pytest.mark.parametrize("module, name, arguments", [
    ("torch", "ones", "2"),
    ("sklearn.datasets", "load_digits", ""),
    ("sklearn.svm", "SVC", ""),
    ("keras", "Sequential", ""),
    ("pnnlib.bridge", "to_torch", "None"),
    ("pnnlib.exercises", "exercises_of", "'part_e'"),
    ("pnnlib.exercises.part_d", "conv_layer", ""),
    ("pnnlib.pretrained", "model", ""),
])  # fmt: skip
def test_what_learns_without_the_layers_is_not_there(jail, module, name, arguments):
    done = jail.run_cell(ASK.format(module=module, name=name, arguments=arguments))
    assert done.status == "error" and f"{module}.{name} is not available" in done.error


@pytest.mark.jail
def test_nothing_of_it_is_on_the_disk(jail):
    done = jail.run_cell("""
import glob, os, sys
shown = sorted(os.listdir("/library/pnnlib"))
others = [path for place in sys.path for name in ("torch", "sklearn", "keras", "onnx", "onnxruntime", "pnnlib*")
          for path in glob.glob(f"{place}/{name}") if os.path.isdir(path) and os.listdir(path)]
""")
    assert done.status == "ok", done.error
    shown = jail.read("shown").value
    assert {"layers.py", "train.py"} < set(shown)
    assert not {"exercises", "explore", "bridge.py", "pretrained.py", "weights"} & set(shown)
    assert jail.read("others").value == ["/library/pnnlib"]
    assert jail.run_cell("open('/library/pnnlib/layers.py', 'a')").status == "error"


@pytest.mark.jail
def test_an_ordinary_jail_has_none_of_it():
    with Jail(LIMITS) as jail:
        assert jail.run_cell("import os\nassert not os.path.exists('/library')").status == "ok"
        assert jail.run_cell(ASK.format(module="pnnlib.layers", name="ReLU", arguments="")).status == "error"


# Judged -----------------------------------------------------------------------------------


def double(x):
    """Twice x."""
    return 2.0 * x


def rectified(x):
    """The positive part, by a layer of pnnlib."""
    return np.maximum(x, 0)


def made(function, **options):
    exercise = Exercise(function, {"basic": 1.0}, 1e-6, **options)
    exercise.cases(lambda rng: iter([Case((rng.integers(-9, 10, 6) / 2,)), Case((rng.integers(-9, 10, 8) / 2,))]))
    return exercise


EXERCISES = {"double": made(double), "rectified": made(rectified, seconds=6.0, library=True)}


def notebook(**answers):
    cells = [nbformat.v4.new_code_cell("import numpy as np")]
    for name, source in answers.items():
        for grade_id, text in ((name, source), (f"check-{name}", "")):
            cells.append(nbformat.v4.new_code_cell(text, metadata={"nbgrader": {"grade_id": grade_id, "grade": text == ""}}))
    return nbformat.v4.new_notebook(cells=cells)


@pytest.fixture
def judged(monkeypatch):
    monkeypatch.setattr(judging, "exercises_of", lambda part: EXERCISES)
    monkeypatch.setattr(judging, "questions_of", lambda part: {})

    def judged(limits=LIMITS, references=None, **answers) -> dict[str, Verdict]:
        result = judge(notebook(**answers), "part_x", "a seed", limits, references=references)
        return {verdict.exercise: verdict for verdict in result.verdicts}

    return judged


BY_LAYER = "from pnnlib.layers import ReLU\nlayer = ReLU()\ndef rectified(x):\n    return layer(x)"
BY_HAND = "def rectified(x):\n    return double(x) * (x > 0) / 2"


@pytest.mark.jail
def test_only_its_own_exercise_may_use_the_library(judged):
    verdicts = judged(
        double="def double(x):\n    from pnnlib.layers import Linear\n    return 2 * x + 0 * Linear(1, 1).weight.data[0]",
        rectified=BY_LAYER,
    )
    assert verdicts["rectified"].passed
    assert verdicts["double"].points == 0 and "not available" in verdicts["double"].sentence


@pytest.mark.jail
def test_a_cell_above_that_never_ends_costs_only_itself(judged):
    verdicts = judged(Limits(seconds=2), double="def double(x):\n    return 2 * x\nwhile True: pass", rectified=BY_LAYER)
    assert verdicts["rectified"].passed and verdicts["double"].points == 0


@pytest.mark.jail
def test_its_time_is_its_own(judged):
    slow = "import time\ndef rectified(x):\n    time.sleep(2.5)\n    return np.maximum(x, 0)"
    assert judged(Limits(seconds=2), rectified=slow)["rectified"].passed


@pytest.mark.jail
def test_it_is_tried_again_with_what_it_builds_on(judged):
    wrong = "def double(x):\n    return 3 * x"
    references = {"double": "def double(x):\n    return x + x", "rectified": BY_LAYER}
    verdicts = judged(references=references, double=wrong, rectified=BY_HAND)
    assert verdicts["double"].points == 0
    assert verdicts["rectified"].passed and "right double in place of yours" in verdicts["rectified"].sentence


@pytest.mark.jail
def test_a_kernel_that_dies_there_is_a_verdict(judged):
    verdicts = judged(rectified="import os\ndef rectified(x):\n    os._exit(1)", double="def double(x):\n    return 2 * x")
    assert verdicts["rectified"].kind == "died" and verdicts["double"].passed


def test_it_is_not_repeated_and_may_borrow_the_layers_only():
    assert len(EXERCISES["double"].draw()) == 4 and len(EXERCISES["rectified"].draw()) == 2
    from sklearn.svm import SVC

    from pnnlib import bridge, layers, train

    def network(x):
        return train.predict(layers.ReLU(), x)

    def compared(x):
        return bridge.to_torch(layers.ReLU())

    assert borrowed(network, library=True) == "" and borrowed(network) == "`train` from pnnlib"
    assert borrowed(lambda x: SVC().fit(x), library=True) == "`SVC` from sklearn"
    assert borrowed(compared, library=True) == "`bridge` from pnnlib"
