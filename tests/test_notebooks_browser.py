"""The notebooks in a real JupyterLab, as a student opens them."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from browser import *  # noqa: F403

from grading.handin import grade_id, is_check

ROOT = Path(__file__).parents[1]
NOTEBOOKS = ROOT / "notebooks"

pytestmark = pytest.mark.browser


PICTURES = {"part_d_convolution": 8}  # at the least; of other notebooks those that are there must show


@pytest.mark.parametrize("name", sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb")))
def test_an_untouched_notebook_runs_to_its_end_and_says_only_what_is_not_written(notebook, name):
    """Exercises that are still open must not stop "run all cells"."""
    from playwright.sync_api import expect

    path = NOTEBOOKS / f"{name}.ipynb"
    page = notebook(path)
    code = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    page.wait_for_function(RAN, arg=len(code))
    exercises = [cell for cell in code if re.match("check-(?!question-)", grade_id(cell))]
    expect(page.get_by_text(re.compile("not written yet: replace the line"))).to_have_count(len(exercises))
    page.wait_for_function(SHOWN, arg=PICTURES.get(name, 0))
    shown = page.locator("[data-mime-type='application/vnd.jupyter.stderr']").all_inner_texts()  # panels' too
    assert [text for text in shown if "NotImplementedError" not in text] == []

    ran = [cell for cell in nbformat.from_dict(page.evaluate(CONTENT)).cells if cell.cell_type == "code"]
    assert [cell.source for cell in ran] == [cell.source for cell in code]
    outputs = [output for cell in ran for output in cell.outputs]
    errors = [o for o in outputs if o.output_type == "error" and o.ename != "NotImplementedError"]
    assert [f"{o.ename}: {o.evalue}" for o in errors] == []
    assert [o.text for o in outputs if o.get("name") == "stderr"] == []
    for cell in filter(is_check, ran):
        said = "".join(o.get("text", "") for o in cell.outputs)
        assert "✗" in said and "✓" not in said, f"{grade_id(cell)}: {said or cell.outputs}"


@pytest.fixture
def made_lab(tmp_path):
    """What `make lab ARGS=--no-browser` starts, and the address that it prints."""
    bin_folder = Path(sys.executable).parent
    command = ["make", "--old-file=.venv/course.stamp", f"BIN={bin_folder}", "lab", "ARGS=--no-browser --port=0"]
    homes = {name: str(tmp_path) for name in ("HOME", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")}
    log = tmp_path / "log"
    with log.open("w") as out:
        server = subprocess.Popen(command, cwd=ROOT, env=os.environ | homes, stderr=out, start_new_session=True)
    try:
        for _ in range(600):
            found = re.findall(r"http://127\.0\.0\.1:\S+", log.read_text())
            if found or server.poll() is not None:
                break
            time.sleep(0.2)
        assert found, log.read_text()
        yield found[-1]
    finally:
        stop_server(server)  # noqa: F405


def test_make_lab_opens_the_course(made_lab, chromium):
    with open_page(chromium) as page:  # noqa: F405
        page.goto(made_lab)
        page.get_by_role("heading", name="Start here").wait_for()
        page.get_by_text("part_d_convolution.ipynb").first.wait_for()


CONTENT = "() => window.jupyterapp.shell.currentWidget.context.model.toJSON()"
RAN = """count => {
    const prompts = [...document.querySelectorAll(".jp-CodeCell .jp-InputPrompt")].map(p => p.innerText);
    return prompts.length === count && prompts.every(text => /\\[\\d+\\]/.test(text));
}"""
SHOWN = """least => {  // panels and figures, none of them empty
    const shown = [...document.querySelectorAll(".jp-OutputArea-output.lm-Panel")];
    return shown.length >= least && shown.every(widget => widget.offsetHeight > 50);
}"""
