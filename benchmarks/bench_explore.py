"""How fast do the panels answer? Key press to changed picture, for each of them, in JupyterLab in Chromium.

    python benchmarks/bench_explore.py [--presses 60] [--only explore_chain]      or: make bench-explore

"first look" is the time from running `explore_…()` in a notebook to the picture; the first panel of all brings the
imports with it that they share. "answer" is the time from a key press on a control to the next frame with the changed
picture, over all controls of all presets in turns: the median, the 95th percentile, the worst. "python" is the part
of it that Python takes to make the new picture, measured without a browser.

The goals: a first look in under 1000 ms, an answer in under 50 ms (median) and 100 ms (95th percentile).
"""

import argparse
import os
import statistics
import sys
import time
from pathlib import Path

for library in ("OMP", "OPENBLAS", "MKL"):  # read when NumPy is imported
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

import pytest  # noqa: E402

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from browser import *  # noqa: E402, F403
from browser import run_code  # noqa: E402

from pnnlib import explore  # noqa: E402

# Run the cell at the end, and wait for the panel's picture.
FIRST_LOOK = """async (code) => {
    const app = window.jupyterapp;
    const notebook = app.shell.currentWidget.content;
    notebook.activeCellIndex = notebook.widgets.length - 1;
    await app.commands.execute("notebook:insert-cell-below");
    notebook.activeCell.model.sharedModel.setSource(code);
    await new Promise((done) => setTimeout(done, 300));
    const begin = performance.now();
    app.commands.execute("notebook:run-cell");
    while (!document.querySelector(".pnn-panel svg")) await new Promise(requestAnimationFrame);
    return performance.now() - begin;
}"""
# From the key press that the page hears first, to the frame in which the picture is another.
WATCH = """() => {
    const panel = document.querySelector(".pnn-panel");
    window.answers = [];
    let pressed = null;
    panel.addEventListener("keydown", (event) => (pressed = event.timeStamp), true);
    new MutationObserver(() => {
        if (pressed === null) return;
        const begin = pressed;
        pressed = null;
        requestAnimationFrame(() => setTimeout(() => window.answers.push(performance.now() - begin)));
    }).observe(panel.querySelector(".seen"), { subtree: true, childList: true, attributes: true, characterData: true });
}"""


# Controls that a key changes; a number is typed, and a button does what its own panel says.
KEYED = "input[type=range], select, input[type=checkbox]"
# The key that changes it: a slider or a list may stand at its end.
KEY = """(e) => {
    if (e.type === "checkbox") return "Space";
    const more = e.type === "range" ? Number(e.value) < Number(e.max) : e.selectedIndex < e.length - 1;
    return more ? "ArrowRight" : "ArrowLeft";
}"""


def press_keys(page, presses):
    """Press keys on every control of every preset, in turns, and return how long each took to show."""
    panel = page.locator(".pnn-panel")
    presets = panel.get_by_role("group", name="Examples").get_by_role("button").all()[:-1]  # the last is reset
    page.evaluate(WATCH)
    for preset in presets:
        preset.click()
        page.wait_for_timeout(200)
        controls = [control for control in panel.locator(".controls").locator(KEYED).all() if control.is_visible()]
        for i in range(presses // len(presets)):
            control = controls[i % len(controls)]
            control.focus()
            page.wait_for_timeout(50)
            page.evaluate("before = answers.length")
            page.keyboard.press(control.evaluate(KEY))
            page.wait_for_function("answers.length > before")
    return sorted(page.evaluate("answers"))


def python_part(name, rounds=40):
    """Return the median time, in ms, that Python takes to change one setting of the panel and make its picture."""
    panel = getattr(explore, name)()
    times = []
    for i in range(rounds):
        for control in panel.picture["controls"]:
            if control["kind"] == "slider" and not control["hidden"]:
                begin = time.perf_counter()
                panel._do({"do": "change", "place": {control["name"]: i % (control["last"] + 1)}})
                times.append(time.perf_counter() - begin)
    panel.close()
    return 1000 * statistics.median(times)


def row(*cells):
    print(f"{cells[0]:24}" + "".join(f"{cell:>12}" for cell in cells[1:]), flush=True)


def test_answers(notebook, request):
    presses, only = request.config.getoption("--presses"), request.config.getoption("--only")
    page = notebook("from pnnlib.exercises import check")  # as every notebook of the course begins
    print()
    row("panel", "first look", "median", "95 %", "worst", "python", "presses")
    for name in [only] if only else explore.PANELS:
        first = page.evaluate(FIRST_LOOK, f"from pnnlib.explore import {name}\nw = {name}()\nw")
        times = press_keys(page, presses)
        run_code(page, "w.close()")
        page.locator(".pnn-panel").wait_for(state="detached")
        numbers = (first, statistics.median(times), times[int(0.95 * len(times))], times[-1], python_part(name))
        row(name, *(f"{number:.0f} ms" for number in numbers), len(times))


class Options:
    """What the command line chose, for the function above."""

    @staticmethod
    def pytest_addoption(parser):
        parser.addoption("--presses", type=int, default=60)
        parser.addoption("--only")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presses", type=int, default=60, help="key presses for each panel (default 60)")
    parser.add_argument("--only", choices=explore.PANELS, help="only this panel")
    parser.parse_args()
    # The fixtures that open a notebook in JupyterLab are pytest's.
    sys.exit(pytest.main([__file__, "-s", "-q", "-p", "no:cacheprovider", *sys.argv[1:]], plugins=[Options]))
