"""All panels in JupyterLab in Chromium, in one notebook: worked by keyboard, described, and gone when closed.

    python -m pytest tests/explore/test_panels_browser.py -k explore_chain

A panel that is in `pnnlib.explore.PANELS` is tested here without a line of its own.
"""

import secrets
import shutil
from pathlib import Path

import nbformat
import pytest
from browser import *  # noqa: F403
from browser import LAB_NOISE, RUN_ALL, open_page, run_code
from playwright.sync_api import expect

from pnnlib import explore

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def open_saved(chromium, jupyter):
    """`open_saved(notebook)` opens a notebook in a page of its own, with one kernel, and runs nothing."""
    address, token, root = jupyter
    opened = []

    def open_notebook(notebook, noise=LAB_NOISE):
        name = secrets.token_hex(4)
        file = root / f"{name}.ipynb"
        if isinstance(notebook, Path):
            shutil.copy(notebook, file)  # byte by byte, so that JupyterLab trusts what it trusted
        else:
            notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
            nbformat.write(notebook, file)
        context = open_page(chromium, noise)
        page = context.__enter__()
        opened.append(context)
        page.file = file
        page.goto(f"{address}/lab/workspaces/{name}/tree/{name}.ipynb?token={token}&reset")
        page.wait_for_selector(".jp-NotebookPanel .jp-Cell")
        return page

    yield open_notebook
    for context in opened:
        context.__exit__(None, None, None)


@pytest.fixture(scope="module")
def lab(open_saved):
    page = open_saved(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("import pnnlib.explore as explore")]))
    page.evaluate(RUN_ALL)
    page.evaluate("window.jupyterapp.commands.execute('application:toggle-left-area')")  # the files: room for a panel
    return page


@pytest.fixture
def shown(lab):
    """`shown(name)` shows a panel in the notebook and returns it; afterwards it is closed, and nothing is left."""

    def show(name, *cell):
        run_code(lab, "\n".join([f"w = explore.{name}()", *cell, "w"]))
        panel = lab.locator(".pnn-panel")
        expect(panel).to_be_visible()
        return panel

    lab.set_viewport_size({"width": 1280, "height": 1400})
    yield show
    run_code(lab, "w.close()")
    expect(lab.locator(".pnn-panel")).to_have_count(0)
    assert not lab.locator(".pnn-still img").count()
    assert lab.errors == [] and lab.strays == []


def seen(panel):
    """All that a picture says: the descriptions of the plots, then the sentences."""
    return panel.evaluate(
        """e => [...e.querySelectorAll("[role=img]")].map((plot) => plot.ariaLabel)
            .concat(e.querySelector(".caption").textContent)"""
    )


def wait_until_other(panel, before):
    """Wait until the picture is another one: the drawing itself, not only its words."""
    other = "before => document.querySelector('.pnn-panel .seen').innerHTML !== before"
    panel.page.wait_for_function(other, arg=before)


def picture(panel):
    return panel.locator(".seen").evaluate("e => e.innerHTML")


def controls(panel):
    return [c for c in panel.locator(".controls").locator("input, select").all() if c.is_visible()]


def operate(control):
    """Change a control by keyboard only."""
    kind, last = control.evaluate(
        "e => [e.type, e.type === 'range' ? e.value === e.max : e.selectedIndex + 1 === e.length]"
    )
    control.focus()
    if kind == "text":
        value = control.input_value()
        control.press("Control+a")
        control.page.keyboard.type(str(float(value) + 1 if float(value) < 1 else float(value) - 1).removesuffix(".0"))
        control.press("Enter")
    else:
        control.press("Space" if kind == "checkbox" else "ArrowLeft" if last else "ArrowRight")


# A stop of the Tab key, and what it is called. What is disabled or hidden is none.
STOPS = """() => [...document.querySelectorAll(".pnn-panel :is(input, select, button, summary, [tabindex='0'])")]
    .filter((e) => e.checkVisibility() && !e.disabled)
    .map((e) => (e.dataset.stop = (e.ariaLabel || e.labels?.[0]?.textContent || e.textContent).trim()))"""


@pytest.mark.parametrize("name", explore.PANELS)
def test_panel(shown, lab, name):
    panel = shown(name)
    title = getattr(explore, name)().title
    expect(lab.get_by_role("region", name=title)).to_be_visible()
    expect(panel.get_by_role("alert")).to_be_hidden()
    assert panel.locator(".question").inner_text().endswith("?")

    # Tab comes by everything, and everything has a name of its own.
    stops = lab.evaluate(STOPS)
    assert all(stops) and len(set(stops)) == len(stops), stops
    panel.get_by_role("button").first.focus()
    reached = [lab.evaluate("document.activeElement.dataset.stop")]
    while len(reached) < len(stops):
        lab.keyboard.press("Tab")
        reached.append(lab.evaluate("document.activeElement.dataset.stop"))
    assert reached == stops

    # Each example has its question and another picture; each control changes it, by keyboard; each plot's words change.
    presets = panel.get_by_role("group", name="Examples").get_by_role("button").all()[:-1]
    assert 2 <= len(presets) <= 5
    words, questions, operated = [], set(), set()
    for n, preset in enumerate(presets):
        before = picture(panel)
        preset.focus()
        preset.press("Enter")
        expect(preset).to_have_attribute("aria-pressed", "true")
        if n:
            wait_until_other(panel, before)
        questions.add(panel.locator(".question").inner_text())
        words.append(seen(panel))
        for control in controls(panel):
            key = control.get_attribute("id") or control.get_attribute("aria-label")
            if key in operated or not control.is_visible():  # another control may have hidden it
                continue
            before = picture(panel)
            operate(control)
            wait_until_other(panel, before)
            expect(panel.get_by_role("alert")).to_be_hidden()
            operated.add(key)
            words.append(seen(panel))
    assert len(questions) == len(presets)
    for place in range(max(map(len, words))):
        said = {one[place] for one in words if place < len(one)}
        assert all(said) and len(said) > 1, f"plot {place + 1} always says {said}"

    # And back; and in a narrow window nothing sticks out.
    panel.get_by_role("button", name="Reset").press("Enter")
    expect(presets[0]).to_have_attribute("aria-pressed", "true")
    lab.set_viewport_size({"width": 400, "height": 900})
    assert panel.evaluate("e => e.scrollWidth <= e.clientWidth && e.getBoundingClientRect().right <= innerWidth")


def test_what_is_typed_wrong_is_said(shown):
    panel = shown("explore_chain", "w.set(depth=20, spread=1)")
    draw = panel.get_by_role("textbox", name="Random draw")
    draw.fill("1,5")
    draw.press("Enter")
    said = "Random draw stays 0: “1,5” is not a number. Write a point, not a comma."
    expect(panel.get_by_role("alert")).to_have_text(said)
    expect(draw).to_have_value("0")
    draw.fill("7")
    draw.press("Escape")
    expect(draw).to_have_value("0")


def test_pointer_and_arrow_keys_in_a_plot(shown, lab):
    panel = shown("explore_activation")
    pad = panel.get_by_role("application", name="Picture 1: arrow keys move Cursor: net input")
    cursor = panel.get_by_role("slider", name="Cursor: net input")
    pad.press("ArrowLeft")
    expect(cursor).to_have_attribute("aria-valuetext", "0.95")
    pad.press("Shift+ArrowRight")
    expect(cursor).to_have_attribute("aria-valuetext", "1.45")
    box = pad.bounding_box()
    lab.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20)
    lab.mouse.down()
    expect(cursor).to_have_attribute("aria-valuetext", "0")
    lab.mouse.move(box["x"] + 2 * box["width"], box["y"] + 20)  # dragged out of the plot: as far as it goes
    expect(cursor).to_have_attribute("aria-valuetext", "6")
    lab.mouse.up()


LONG_WORK = '''
from pnnlib.explore.panel import Button, Look, Panel, Plot, Preset, Slider
import time
class Counting(Panel):
    title = "Counting"
    controls = [Button("count", "Count"), Slider("n", "Number", 0, 9)]
    presets = [Preset("One", "How far?")]
    def count(self, s):
        for n in range(1, 10_000):
            time.sleep(0.01)
            yield n / 10_000, f"{n} counted", n
    def look(self, s):
        return Look([Plot(f"Counted {self.result}.")], f"Counted {self.result}, number {s.n}.")
    def lines(self, s):
        return "# nothing"
w = Counting()
w'''


def test_long_work_shows_how_far_it_is_and_stops(shown, lab):
    run_code(lab, LONG_WORK)
    panel = lab.locator(".pnn-panel")
    expect(panel.get_by_role("button", name="Stop")).to_be_hidden()
    panel.get_by_role("button", name="Count").press("Enter")
    expect(panel.get_by_role("progressbar", name="Count")).to_be_visible()
    lab.wait_for_function("parseInt(document.querySelector('.pnn-panel .work span').textContent) > 20")
    panel.get_by_role("button", name="Stop").press("Enter")
    expect(panel.get_by_role("button", name="Stop")).to_be_hidden()
    counted = panel.locator(".caption").inner_text()
    expect(run_code(lab, "w.result > 20")).to_have_text("True")  # the kernel is free
    assert panel.locator(".caption").inner_text() == counted
    panel.get_by_role("slider", name="Number").press("ArrowRight")  # what was counted holds no longer
    expect(panel.locator(".caption")).to_have_text("Counted None, number 1.")


def test_opened_and_closed_twenty_times(lab):
    count = "import gc; from ipywidgets.widgets.widget import _instances; before = len(_instances)"
    expect(run_code(lab, count)).to_have_count(0)
    for _ in range(20):
        run_code(lab, "w = explore.explore_chain(); w")
        lab.locator(".pnn-panel").wait_for()
        run_code(lab, "w.close()")
        lab.locator(".pnn-panel").wait_for(state="detached")
    expect(run_code(lab, "del w; gc.collect(); len(_instances) - before")).to_have_text("0")
    assert not lab.locator(".pnn-still img, .pnn-panel, .pnn-plot").count()


def test_a_saved_notebook_shows_a_picture_and_a_sentence(lab, open_saved):
    run_code(lab, "w = explore.explore_activation(); w")
    caption = lab.locator(".pnn-panel .caption").inner_text()
    expect(lab.locator(".pnn-still")).to_be_hidden()  # the panel stands in its place
    lab.evaluate("window.jupyterapp.commands.execute('docmanager:save')")
    run_code(lab, "w.close()")

    # The notebook of someone else, which JupyterLab does not trust; and one's own, where it looks for the widget, and
    # complains, in the console, that there is none.
    saved = nbformat.read(lab.file, as_version=4)
    saved.cells = [cell for cell in saved.cells if "data:image/svg+xml" in str(cell.get("outputs"))][-1:]
    for opened, trusted in ((saved, False), (lab.file, True)):
        page = open_saved(opened, noise=["widget model not found"])
        image = page.get_by_role("img", name="φ = sigmoid over net inputs from -6 to 6.").last
        expect(image).to_be_visible()
        assert image.evaluate("e => e.decode().then(() => e.naturalWidth)") > 0
        sentence = page.locator(".pnn-still figcaption").last
        expect(sentence).to_have_text(f"{caption} Run the cell to change the settings.")
        if trusted:
            page.wait_for_function("document.body.textContent.includes('model not found')")
            expect(page.get_by_text("model not found").last).to_be_hidden()

    from nbconvert import HTMLExporter

    html, _ = HTMLExporter().from_notebook_node(saved)
    assert html.count('<img alt="φ = sigmoid') == 1
    assert html.count("Run the cell to change the settings.") == 1 and "Activation(" not in html


# WCAG's contrast of the panel's and the plots' colours with their paper, as the theme has them.
CONTRASTS = r"""() => {
    const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 1 });
    const pen = canvas.getContext("2d", { willReadFrequently: true });
    const light = (color) => {
        pen.clearRect(0, 0, 1, 1);
        pen.fillStyle = color;
        pen.fillRect(0, 0, 1, 1);
        const linear = (v) => ((v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        const [r, g, b] = [...pen.getImageData(0, 0, 1, 1).data].map(linear);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const panel = document.querySelector(".pnn-panel");
    const probe = panel.appendChild(document.createElement("i"));
    const value = (name) => ((probe.style.color = `var(--${name})`), getComputedStyle(probe).color);
    const ratio = (...names) => {
        const [a, b] = names.map((name) => light(value(name))).sort((p, q) => q - p);
        return (a + 0.05) / (b + 0.05);
    };
    const names = ["ink", "quiet", "accent", "wrong", "right", "k-0", "k-1", "k-2", "k-3", "k-4", "k-5"];
    const found = Object.fromEntries(names.map((name) => [name, ratio(name, "paper")]));
    found["quiet on panel"] = ratio("quiet", "panel");
    found["ink on soft"] = ratio("ink", "soft");
    probe.remove();
    return found;
}"""


def test_colours_can_be_told_from_the_paper_in_both_themes(shown, lab):
    shown("explore_chain")
    for theme, dark in (("JupyterLab Dark", True), ("JupyterLab Light", False)):
        lab.evaluate(f"window.jupyterapp.commands.execute('apputils:change-theme', {{ theme: '{theme}' }})")
        lab.wait_for_function(f"document.body.dataset.jpThemeLight === '{str(not dark).lower()}'")
        lab.wait_for_timeout(500)  # JupyterLab still takes its old style sheet away, and stumbles over the next change
        contrasts = lab.evaluate(CONTRASTS)
        assert len(contrasts) == 13 and min(contrasts.values()) >= 4.5, (theme, contrasts)
