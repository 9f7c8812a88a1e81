"""FigureView: a picture with its description, updated in place."""

import pytest
from browser import *  # noqa: F403
from browser import run_code
from matplotlib.figure import Figure

from pnnlib.explore import show_figure


def figure(width):
    made = Figure(figsize=(width, 1), dpi=100)
    made.subplots().plot([0, 1])
    return made


def width_of(png):
    return int.from_bytes(png[16:20], "big")  # as the PNG's header says


def test_update_changes_picture_and_words_together():
    view = show_figure(figure(3), alt="A line.", caption="Figure 1")
    assert (width_of(view.png), view.alt, view.caption) == (300, "A line.", "Figure 1")
    seen = []
    view.observe(lambda change: seen.append((width_of(view.png), view.alt)), "png")
    view.update(figure(2), alt="A shorter line.")
    assert seen == [(200, "A shorter line.")]
    assert view.caption == "Figure 1"
    view.close()
    assert view.png == b"" and view.comm is None


@pytest.mark.parametrize("alt", ["", "  "])
def test_a_picture_needs_words(alt):
    with pytest.raises(ValueError, match="alt must say in words"):
        show_figure(figure(1), alt=alt)


@pytest.mark.browser
def test_in_jupyterlab(notebook):
    from playwright.sync_api import expect

    page = notebook(
        "from matplotlib.figure import Figure\n"
        "from pnnlib.explore import show_figure\n"
        "view = show_figure(Figure(figsize=(3, 1), dpi=100), alt='Nothing yet.', caption='Figure 1')\nview"
    )
    image = page.get_by_role("img", name="Nothing yet.")
    expect(image).to_be_visible()
    width = "document.querySelector('.pnn-figure img').naturalWidth"
    assert page.evaluate(width) == 300
    expect(page.get_by_text("Figure 1", exact=True)).to_be_visible()
    run_code(page, "view.update(Figure(figsize=(2, 1), dpi=100), alt='Still nothing.')")
    expect(page.get_by_role("img", name="Still nothing.")).to_be_visible()
    page.wait_for_function(f"{width} === 200")
    run_code(page, "view.close()")
    expect(page.locator(".pnn-figure")).to_have_count(0)
