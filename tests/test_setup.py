"""The files that set the course up agree with each other and with what is installed here."""

import re
import subprocess
import sysconfig
import tomllib
from importlib.metadata import distributions
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from typer.testing import CliRunner

from grading.__main__ import app

ROOT = Path(__file__).resolve().parents[1]

# Where conda-forge has another name; matplotlib-base is matplotlib without Qt.
ON_CONDA_FORGE = {"torch": "pytorch", "matplotlib": "matplotlib-base"}
OURS = {"pnnlib", "pip"}


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def requirements(*extras: str) -> list[Requirement]:
    """The direct requirements of pnnlib, and of some of its extras. (One extra takes others in, as pnnlib[…].)"""
    project = tomllib.loads(read("pyproject.toml"))["project"]
    lines = [*project["dependencies"], *(line for e in extras for line in project["optional-dependencies"][e])]
    return [requirement for requirement in map(Requirement, lines) if requirement.name not in OURS]


@pytest.fixture(scope="module")
def pins() -> dict[str, str]:
    """constraints.txt: version by name."""
    found = {}
    for line in read("constraints.txt").splitlines():
        line = line.partition("#")[0].strip()
        if line:
            name, version = line.split("==")  # anything but an exact pin fails here
            assert canonicalize_name(name) not in found, f"{name} is pinned twice"
            found[canonicalize_name(name)] = version
    return found


def test_every_requirement_is_pinned_to_a_version_that_it_allows(pins):
    project = tomllib.loads(read("pyproject.toml"))["project"]
    for requirement in requirements(*project["optional-dependencies"]):
        version = pins.get(canonicalize_name(requirement.name))
        assert version, f"constraints.txt does not pin {requirement.name}"
        assert requirement.specifier.contains(version), f"{requirement} forbids the pinned {version}"


def test_everything_installed_here_is_pinned_at_its_version(pins):
    """A local part, as in 2.13.0+cpu, says how a version was built, not which it is."""
    # not sys.path: setuptools puts what it carries with it on there when something imports it
    here = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    installed = {canonicalize_name(d.metadata["Name"]): Version(d.version).public for d in distributions(path=here)}
    found = {name: version for name, version in installed.items() if name not in OURS}
    assert len(found) > 100
    wrong = {name: version for name, version in found.items() if pins.get(name) != version}
    assert wrong == {}, "constraints.txt pins these at another version, or not at all"


def test_environment_yml_names_the_same_packages_and_versions(pins):
    environment = yaml.safe_load(read("environment.yml"))
    assert environment["channels"] == ["conda-forge", "nodefaults"]
    *conda, pip = environment["dependencies"]
    assert pip == {"pip": ["-e ."]}
    python, *packages = [line for line in conda if line != "pip"]
    assert python == "python=3.11"
    named = {}
    for line in packages:
        name, version = line.split("=")
        named[canonicalize_name(name)] = version
    wanted = [canonicalize_name(requirement.name) for requirement in requirements("course", "grading")]
    assert named == {ON_CONDA_FORGE.get(name, name): pins[name] for name in wanted}
    assert len(packages) == len(named), "a package is named twice"


def test_the_python_that_environment_yml_takes_is_allowed():
    project = tomllib.loads(read("pyproject.toml"))["project"]
    assert Requirement(f"python{project['requires-python']}").specifier.contains("3.11")


@pytest.mark.parametrize(
    ("target", "extras"), [("lab", "course"), ("build", "course,grading"), ("test", "course,grading,dev")]
)
def test_make_installs_the_extras_that_a_target_needs(target, extras):
    """`make -B -n` prints what it would do on a fresh machine, and does nothing."""
    command = ["make", "--always-make", "--dry-run", target]
    plan = subprocess.run(command, check=True, cwd=ROOT, capture_output=True, text=True).stdout
    assert re.findall(r"--constraint constraints\.txt --editable '\.\[(.*)\]'", plan) == [extras]


def test_every_make_target_that_is_spoken_of_exists():
    makefile = read("Makefile")
    targets = set(re.findall(r"^([a-z][\w-]*):", makefile, re.MULTILINE))
    # in code only: in a sentence "make" is a verb
    spoken = {
        *re.findall(r"^# make ([\w-]+)", makefile, re.MULTILINE),
        *re.findall(r"^\s*make ([\w-]+)", read(".ci/run"), re.MULTILINE),
        *re.findall(r"(?:`|^ *\$? *)make ([\w-]+)", read("README.md"), re.MULTILINE),
    }
    assert {"lab", "test", "build"} <= spoken <= targets


def test_every_extra_that_is_spoken_of_exists():
    known = set(tomllib.loads(read("pyproject.toml"))["project"]["optional-dependencies"])
    for name in ("README.md", "environment.yml"):
        spoken = {extra.strip() for group in re.findall(r"\.\[([\w, ]+)\]", read(name)) for extra in group.split(",")}
        assert spoken <= known, f"{name} names {spoken - known}"
    assert "course" in known


def test_every_file_that_the_readme_links_to_exists():
    links = re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", read("README.md"))
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_every_command_that_the_readme_speaks_of_exists():
    spoken = set(re.findall(r"-m grading (\w+)", read("README.md") + read("Makefile")))
    assert {"build", "mark", "certify"} <= spoken <= {command.callback.__name__ for command in app.registered_commands}
    options = set(re.findall(r"`(--[\w-]+)`", read("README.md")))
    helped = CliRunner().invoke(app, ["mark", "--help"], env={"COLUMNS": "200"}).output
    assert {"--seed", "--no-jail"} <= options and all(option in helped for option in options)
