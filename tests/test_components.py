"""Every component of the library has its three witnesses, and keeps what holds for all: see tests/components."""

import inspect
import re
from pathlib import Path

import numpy as np
import pytest
from components import components, modules, public_functions
from hypothesis import HealthCheck, given, settings, strategies as st
from witnesses import check_derivative, check_purity, check_torch, check_values

COMPONENTS = components()
EACH = pytest.mark.parametrize("component", COMPONENTS, ids=lambda component: component.name)
WITH_BACKWARD = pytest.mark.parametrize(
    "component", [c for c in COMPONENTS if c.backward], ids=lambda component: component.name
)
PNNLIB = Path(__file__).resolve().parents[1] / "pnnlib"

# Modules that hold no components, and what proves them.
OTHERS = {
    "architectures": "test_architectures.py",
    "arrays": "doctests, and every component",
    "bridge": "test_bridge.py",
    "columns": "doctests, test_conv.py, and every convolution",
    "data": "test_data.py",
    "layers": "test_layers.py",
    "networks": "test_networks.py",
    "pretrained": "test_pretrained.py",
    "train": "test_train.py",
}


def test_every_module_of_the_library_is_in_the_table_or_proven_elsewhere():
    in_the_table = {module.__name__.rpartition(".")[2] for module in modules()}
    of_the_library = {path.stem for path in PNNLIB.glob("*.py")} - {"__init__"}
    assert in_the_table | set(OTHERS) == of_the_library
    assert not in_the_table & set(OTHERS)


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.__name__)
def test_every_public_function_is_in_the_table_or_proven_elsewhere(module):
    in_the_table = {f.__name__ for c in module.COMPONENTS for f in (c.function, c.backward) if f}
    elsewhere = getattr(module, "ELSEWHERE", {})
    assert in_the_table | set(elsewhere) == set(public_functions(module.__name__.rpartition(".")[2]))
    assert not in_the_table & set(elsewhere)
    for name, where in elsewhere.items():
        test = PNNLIB.parent / "tests" / where.split()[0]
        assert re.search(rf"\b{name}\b", test.read_text(encoding="utf-8")), f"{where} does not speak of {name}"


def test_every_component_has_cases_in_which_it_has_a_derivative():
    for component in COMPONENTS:
        cases = list(component.cases(np.random.default_rng(0)))
        assert cases, component.name
        assert component.gradients is None or any(case.smooth for case in cases), component.name


def hear_all_witnesses(component, case, rng):
    check_values(component.forward(*case.arrays, **case.options), component.loops(*case.arrays, **case.options))
    check_torch(
        component.forward, component.torch, *case.arrays, backward=component.gradients, rng=rng, **case.options
    )
    if component.gradients and case.smooth:
        check_derivative(component.forward, component.gradients, *case.arrays, rng=rng, **case.options)


@EACH
def test_witnesses_on_the_grid(component):
    rng = np.random.default_rng(0)
    for case in component.cases(rng):
        hear_all_witnesses(component, case, rng)


@EACH
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(data=st.data())
def test_witnesses_on_any_case(component, data):
    hear_all_witnesses(component, data.draw(component.draw()), np.random.default_rng(0))


@EACH
def test_purity(component):
    rng = np.random.default_rng(0)
    for case in component.cases(rng):
        check_purity(component.forward, *case.arrays, **case.options)
        if component.gradients:
            dy = rng.normal(size=np.shape(component.forward(*case.arrays, **case.options)))
            check_purity(component.gradients, dy, *case.arrays, **case.options)


def refusals(of):
    return [pytest.param(getattr(c, of), wrong, id=f"{c.name}-{i}") for c in COMPONENTS
            for i, wrong in enumerate(getattr(c, "wrong_backward" if of == "backward" else "wrong"))]


@pytest.mark.parametrize("function, wrong", [*refusals("function"), *refusals("backward")])
def test_what_is_refused_and_how(function, wrong):
    with pytest.raises(wrong.error) as caught:
        function(*wrong.arguments, **wrong.options)
    assert str(caught.value).startswith(f"{function.__name__}: ")
    assert wrong.sentence in str(caught.value)


@EACH
def test_docstrings_have_what_a_reader_looks_for(component):
    for function in filter(None, (component.function, component.backward)):
        text = inspect.getdoc(function)
        assert "PyTorch:" in text and "Shapes:" in text and ">>>" in text, function.__name__


@WITH_BACKWARD
def test_the_backward_takes_dy_and_then_what_the_forward_took(component):
    forward = dict(inspect.signature(component.function).parameters)
    forward.pop("rng", None)  # a backward must never draw
    backward = list(inspect.signature(component.backward).parameters)
    assert backward[0] == "dy"
    assert list(forward) == [name for name in backward[1:] if name in forward], "same names, same order"
    for name, parameter in forward.items():
        assert parameter.default == inspect.signature(component.backward).parameters[name].default, name
