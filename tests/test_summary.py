"""What the summary promises: links that lead somewhere, a test set touched once, other tools that CI does run."""

import importlib.util
import re
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pytest

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
LINK = re.compile(r"\]\(([^)\s]+\.ipynb)(?:#([^)\s]*))?\)")


def cells(name, kind):
    return [cell.source for cell in nbformat.read(NOTEBOOKS / name, as_version=4).cells if cell.cell_type == kind]


def anchors(name):
    """The anchors of a notebook: JupyterLab makes one of each heading, with a dash for every space."""
    text = "\n\n".join(cells(name, "markdown"))
    return {heading.strip().replace(" ", "-") for heading in re.findall(r"^#{1,6} (.+)$", text, re.MULTILINE)}


@pytest.mark.parametrize("name", sorted(path.name for path in NOTEBOOKS.glob("*.ipynb")))
def test_links_to_other_notebooks_lead_somewhere(name):
    for target, anchor in LINK.findall("\n".join(cells(name, "markdown"))):
        assert (NOTEBOOKS / target).is_file(), f"{name} links to {target}, which is not there"
        anchor = unquote(anchor)
        assert not anchor or anchor in anchors(target), f"{name} links to #{anchor}, which {target} does not have"
        assert anchor.isascii(), f"{name} links to #{anchor}: JupyterLab finds only places in plain letters"


def test_the_table_leads_to_every_part():
    linked = {target for target, _ in LINK.findall("\n".join(cells("summary.ipynb", "markdown")))}
    assert {f"part_{part}" for part in "abcdef"} <= {target[:6] for target in linked}


def test_the_test_set_is_touched_in_one_cell_only():
    touching = [source for source in cells("summary.ipynb", "code") if re.search(r"[xy]_test\b", source)]
    assert len(touching) == 1 and "digits.x_test" in touching[0]


@pytest.mark.parametrize("package", ["keras", "onnx", "onnxruntime", "onnxscript"])
def test_the_other_tools_are_here(package):
    """Where one is missing, the summary says so and goes on; where it is tested, it must not have to."""
    assert importlib.util.find_spec(package)
