"""The cross-correlation explorable in Chromium: on a bare page, and in a real JupyterLab."""

import numpy as np
import pytest
from bare import bare  # noqa: F401
from browser import *  # noqa: F403
from browser import run_code, wait_for_kernel

from pnnlib.conv import cross_correlate
from pnnlib.explore import explore_cross_correlation

pytestmark = pytest.mark.browser
EQUATION = "y[0, 0] = (-1)(-1) + (1)(1) + (0)(0) + (-2)(-2) = 1 + 1 + 0 + 4 = 6"


def see(locator):
    from playwright.sync_api import expect

    return expect(locator)


def panel(page):
    return page.get_by_role("region", name="Cross-correlation, window by window")


def covered(page):
    """The cells of x under the mask, with the weight written in their corner."""
    cells = panel(page).get_by_role("table", name="Input x").locator("td.covered")
    return {
        cell.locator("input").get_attribute("aria-label"): cell.locator("small").text_content()
        for cell in cells.all()
        if cell.locator("input").count()
    }


def output(page, name):
    return panel(page).get_by_role("grid", name="Output", exact=True).get_by_role("gridcell", name=name)


def type_number(page, name, text):
    box = panel(page).get_by_role("textbox", name=name)
    box.fill(text)
    box.press("Enter")


def choose(page, name, number):
    box = panel(page).get_by_role("spinbutton", name=name)
    box.fill(str(number))
    box.press("Enter")


def equation(page):
    return panel(page).locator(".equation")


def status(page, start):
    return panel(page).get_by_role("status").filter(has_text=start)


# The bare page.


@pytest.mark.parametrize("kernel", [True, False])
def test_steps_forward_and_back(bare, kernel):  # noqa: F811
    page = bare(explore_cross_correlation(), kernel)
    see(equation(page)).to_have_text(EQUATION)
    assert covered(page) == {"x[0, 0]": "×-1", "x[0, 1]": "×1", "x[1, 0]": "×0", "x[1, 1]": "×-2"}
    see(panel(page).get_by_role("button", name="Step back")).to_be_disabled()
    panel(page).get_by_role("button", name="Step forward").click()
    see(status(page, "Step 2 of 9")).to_have_text(
        "Step 2 of 9: y[0, 1] = 1.5. The mask lies on rows 0 and 1 and columns 1 and 2 of x."
    )
    see(equation(page)).to_have_text("y[0, 1] = (1)(-1) + (0.5)(1) + (-2)(0) + (-1)(-2) = -1 + 0.5 + 0 + 2 = 1.5")
    panel(page).get_by_role("button", name="Last window").click()
    see(status(page, "Step 9 of 9")).to_be_visible()
    see(panel(page).get_by_role("button", name="Step forward")).to_be_disabled()
    panel(page).get_by_role("button", name="Step back").click()
    see(status(page, "Step 8 of 9")).to_be_visible()
    panel(page).get_by_role("button", name="First window").click()
    see(status(page, "Step 1 of 9")).to_be_visible()
    scrubber = panel(page).get_by_role("slider", name="Step")
    scrubber.press("End")
    see(status(page, "Step 9 of 9")).to_be_visible()
    see(scrubber).to_have_attribute("aria-valuetext", "y[2, 2], step 9 of 9")


def test_hover_shows_a_window_and_click_stays(bare):  # noqa: F811
    page = bare(explore_cross_correlation())
    output(page, "y[1, 1] = 3").hover()
    see(status(page, "Step 5 of 9")).to_be_visible()
    assert set(covered(page)) == {"x[1, 1]", "x[1, 2]", "x[2, 1]", "x[2, 2]"}
    page.mouse.move(0, 0)
    see(status(page, "Step 1 of 9")).to_be_visible()
    output(page, "y[2, 0] = -3.5").click()
    page.mouse.move(0, 0)
    see(status(page, "Step 7 of 9")).to_be_visible()
    see(output(page, "y[2, 0]")).to_have_attribute("aria-selected", "true")


def test_arrow_keys_walk_over_the_output(bare):  # noqa: F811
    widget = explore_cross_correlation()
    page = bare(widget)
    output(page, "y[0, 0]").focus()
    for key, cell in [
        ("ArrowRight", "y[0, 1]"),
        ("ArrowDown", "y[1, 1]"),
        ("ArrowUp", "y[0, 1]"),
        ("ArrowUp", "y[0, 1]"),  # the edge holds
        ("End", "y[0, 2]"),
        ("Control+End", "y[2, 2]"),
        ("ArrowLeft", "y[2, 1]"),
        ("Home", "y[2, 0]"),
        ("Control+Home", "y[0, 0]"),
        ("ArrowDown", "y[1, 0]"),
    ]:
        page.keyboard.press(key)
        see(output(page, cell)).to_be_focused()
        see(equation(page)).to_contain_text(cell)
    page.wait_for_function("document.querySelector('.status').textContent.startsWith('Step 4 of 9')")
    # one stop for the Tab key in the whole grid
    page.keyboard.press("Tab")
    see(panel(page).get_by_role("button", name="First window")).to_be_focused()


def test_numbers_are_edited_and_refused(bare):  # noqa: F811
    widget = explore_cross_correlation()
    page = bare(widget)
    type_number(page, "x[0, 0]", "3")
    see(equation(page)).to_have_text("y[0, 0] = (3)(-1) + (1)(1) + (0)(0) + (-2)(-2) = -3 + 1 + 0 + 4 = 2")
    see(output(page, "y[0, 0] = 2")).to_be_visible()
    box = panel(page).get_by_role("textbox", name="x[0, 0]")
    type_number(page, "x[0, 0]", "three")
    see(panel(page).get_by_role("alert")).to_have_text("x[0, 0] stays 3: “three” is not a number.")
    see(box).to_have_value("3")
    type_number(page, "x[0, 0]", "-1")
    see(panel(page).get_by_role("alert")).to_be_hidden()
    see(equation(page)).to_have_text(EQUATION)
    box.fill("77")
    box.press("Escape")
    see(box).to_have_value("-1")
    box.press("ArrowDown")
    see(panel(page).get_by_role("textbox", name="x[1, 0]")).to_be_focused()
    # what is being typed survives the answer to the number before
    panel(page).get_by_role("textbox", name="h[0, 0]").fill("5")
    page.keyboard.press("Tab")
    page.keyboard.type("12")
    see(equation(page)).to_contain_text("(-1)(5)")
    see(panel(page).get_by_role("textbox", name="h[0, 1]")).to_have_value("12")


def test_settings_rows_and_columns_apart(bare):  # noqa: F811
    widget = explore_cross_correlation()
    page = bare(widget)
    choose(page, "padding, rows", 1)
    choose(page, "stride, columns", 2)
    choose(page, "size of h, columns", 3)
    choose(page, "size of x, columns", 6)
    see(panel(page).get_by_role("grid", name="Output").get_by_role("gridcell")).to_have_count(5 * 2)
    see(panel(page).locator("dd")).to_have_text(
        ["⌊(4 + 2·1 − 1·(2 − 1) − 1) / 1⌋ + 1 = 5", "⌊(6 + 2·0 − 1·(3 − 1) − 1) / 2⌋ + 1 = 2"]
    )
    see(status(page, "Left over")).to_contain_text("1 column on the right of the padded x")
    assert panel(page).locator("td.unseen").count() == 6
    assert panel(page).locator("td.zero").count() == 12
    see(panel(page).locator(".legend")).to_contain_text("zero of the padding")
    expected = cross_correlate(widget.state()["x"], widget.state()["h"], (1, 2), (1, 0))
    for (i, j), value in np.ndenumerate(expected):
        see(output(page, f"y[{i}, {j}] = {value:g}")).to_have_count(1)
    choose(page, "stride, columns", 9)
    see(panel(page).get_by_role("alert")).to_contain_text("a whole number from 1 to 4")
    see(panel(page).get_by_role("spinbutton", name="stride, columns")).to_have_value("2")


def test_a_mask_that_does_not_fit_and_back(bare):  # noqa: F811
    page = bare(explore_cross_correlation())
    choose(page, "dilation, columns", 4)
    see(status(page, "The mask does not fit")).to_contain_text("it spans 5 columns")
    see(equation(page)).to_be_hidden()
    choose(page, "dilation, columns", 2)
    see(equation(page)).to_have_text("y[0, 0] = (-1)(-1) + (0.5)(1) + (0)(0) + (-1)(-2) = 1 + 0.5 + 0 + 2 = 3.5")
    assert set(covered(page)) == {"x[0, 0]", "x[0, 2]", "x[1, 0]", "x[1, 2]"}


def test_convolution_shows_the_rotated_mask(bare):  # noqa: F811
    page = bare(explore_cross_correlation())
    panel(page).get_by_role("radio", name="true convolution").check()
    rotated = panel(page).get_by_role("table", name="Mask h rotated by 180°")
    see(rotated.locator("td.number")).to_have_text(["-2", "0", "1", "-1"])
    see(equation(page)).to_contain_text("(-1)(-2) + (1)(0) + (0)(1) + (-2)(-1)")
    panel(page).get_by_role("radio", name="cross-correlation").check()
    see(rotated).to_have_count(0)
    see(equation(page)).to_have_text(EQUATION)


def test_the_weight_vector_in_both_orders(bare):  # noqa: F811
    page = bare(explore_cross_correlation())
    panel(page).get_by_text("The same output as one vector product").click()
    zeros = ", 0" * 10
    by_rows = panel(page).get_by_role("img", name=f"w = (-1, 1, 0, 0, 0, -2{zeros}), x = (-1, 1, 0.5, 1, 0, -2")
    see(by_rows).to_be_visible()
    panel(page).get_by_role("radio", name="column by column").check()
    # as the lecture prints it
    by_columns = panel(page).get_by_role("img", name=f"w = (-1, 0, 0, 0, 1, -2{zeros}), x = (-1, 0, 0.5, -1, 1, -2")
    see(by_columns).to_be_visible()
    see(panel(page).locator(".product")).to_have_text("w · x = 6 = y[0, 0]")


def test_examples_and_reset(bare):  # noqa: F811
    page = bare(explore_cross_correlation())
    panel(page).get_by_role("button", name="1-D signal").click()
    see(panel(page).get_by_text("Where in the signal")).to_be_visible()
    see(output(page, "y[0, 1] = 10")).to_be_visible()
    see(panel(page).get_by_role("button", name="1-D signal")).to_have_attribute("aria-pressed", "true")
    panel(page).get_by_role("button", name="Reset").click()
    see(equation(page)).to_have_text(EQUATION)
    see(panel(page).get_by_text("Which window gives the largest output")).to_be_visible()


def test_without_a_kernel_a_change_says_so(bare):  # noqa: F811
    page = bare(explore_cross_correlation(), kernel=False)
    type_number(page, "x[0, 0]", "3")
    see(panel(page).get_by_role("alert")).to_contain_text("No answer from the kernel yet")
    panel(page).get_by_role("button", name="Step forward").click()
    see(status(page, "Step 2 of 9")).to_be_visible()


def test_stops_at_the_first_difference(bare):  # noqa: F811
    def off(x, h):
        y = cross_correlate(x, h)
        y[1, 2:] += 1
        return y

    page = bare(explore_cross_correlation(off))
    see(status(page, "✗ The first output that differs")).to_contain_text(
        "y[1, 2]: yours is 0, the sum over the window is -1."
    )
    see(status(page, "Step 6 of 9")).to_be_visible()
    yours = panel(page).get_by_role("grid", name="Your output")
    see(yours.get_by_role("gridcell", name="differs")).to_have_text(["0"])
    panel(page).get_by_role("button", name="First window").click()
    see(status(page, "Step 1 of 9")).to_be_visible()
    panel(page).get_by_role("button", name="First difference").click()
    see(status(page, "Step 6 of 9")).to_be_visible()


def test_everything_is_reached_by_keyboard_and_has_a_name(bare):  # noqa: F811
    page = bare(explore_cross_correlation(cross_correlate, unfold=["settings", "vector", "code"]))
    panel(page).wait_for()
    # A group of radio buttons is one stop, and what is disabled or hidden is none.
    stops = page.evaluate(
        """() => [...document.querySelectorAll("input, button, summary, [tabindex='0']")]
            .filter((e) => e.checkVisibility() && !e.disabled && !(e.type === "radio" && !e.checked))
            .map((e) => {
                const label = e.ariaLabel || e.labels?.[0]?.textContent || e.textContent;
                return (e.dataset.stop = label.trim());
            })"""
    )
    assert all(stops) and {"x[3, 3]", "h[1, 1]", "y[0, 0] = 6", "yours[0, 0] = 6", "Step", "PyTorch code"} <= set(stops)
    assert len(set(stops)) == len(stops)  # no two with the same name
    reached = []
    for _ in stops:
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.dataset.stop"))
    assert reached == stops


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("state", [{}, {"padding": 3, "x": np.full((10, 10), -0.25), "h": np.full((5, 5), -0.125)}])
def test_fits_the_page_and_can_be_read(bare, scheme, state):  # noqa: F811
    page = bare(explore_cross_correlation(unfold=["settings", "vector", "code"], **state))
    page.emulate_media(color_scheme=scheme)
    for width in (1000, 480):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert panel(page).evaluate("e => e.scrollWidth <= e.clientWidth + 1")
    contrasts = page.evaluate(CONTRASTS)
    assert len(contrasts) > 50
    assert min(ratio for ratio, _ in contrasts) >= 4.5, sorted(contrasts)[:5]


# WCAG's contrast of every visible text with what lies behind it.
CONTRASTS = r"""() => {
    const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 1 });
    const pen = canvas.getContext("2d", { willReadFrequently: true });
    const rgba = (color) => {
        pen.clearRect(0, 0, 1, 1);
        pen.fillStyle = color;
        pen.fillRect(0, 0, 1, 1);
        return [...pen.getImageData(0, 0, 1, 1).data];
    };
    const light = (rgb) => {
        const [r, g, b] = rgb.map((v) => ((v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = (e) => {
        for (; e; e = e.parentElement) {
            const [r, g, b, a] = rgba(getComputedStyle(e).backgroundColor);
            if (a === 255) return [r, g, b];
        }
        return [255, 255, 255];
    };
    return [...document.querySelectorAll(".pnn-cross-correlation *")]
        .filter((e) => e.checkVisibility() && !e.disabled)
        .filter((e) => e.matches("[type=text], [type=number]") || [...e.childNodes].some((n) => n.data?.trim()))
        .map((e) => {
            const [a, b] = [light(rgba(getComputedStyle(e).color).slice(0, 3)), light(behind(e))].sort((p, q) => q - p);
            return [(a + 0.05) / (b + 0.05), `${e.tagName}.${e.className} ${e.textContent.slice(0, 30)}`];
        });
}"""


def test_leaving_frees_the_listeners(bare):  # noqa: F811
    page = bare(explore_cross_correlation())
    panel(page).wait_for()
    assert page.evaluate("listeners.length") == 3
    page.evaluate("leave()")
    assert page.evaluate("listeners.length") == 0


# JupyterLab.

SHOW = "from pnnlib.explore import explore_cross_correlation\nw = explore_cross_correlation()\nw"


def test_in_jupyterlab(notebook):
    page = notebook(SHOW)
    see(equation(page)).to_have_text(EQUATION)
    panel(page).get_by_role("button", name="Step forward").click()
    see(status(page, "Step 2 of 9")).to_be_visible()
    output(page, "y[0, 1]").focus()
    page.keyboard.press("ArrowDown")  # and JupyterLab does not take it for its own
    see(output(page, "y[1, 1]")).to_be_focused()
    see(status(page, "Step 5 of 9")).to_be_visible()
    wait_for_kernel(page, "w.state()['at']", "[1, 1]")

    choose(page, "padding, rows", 1)
    choose(page, "stride, columns", 2)
    choose(page, "dilation, rows", 2)
    type_number(page, "x[0, 1]", "2.5")
    see(panel(page).locator("dd")).to_have_text(
        ["⌊(4 + 2·1 − 2·(2 − 1) − 1) / 1⌋ + 1 = 4", "⌊(4 + 2·0 − 1·(2 − 1) − 1) / 2⌋ + 1 = 2"]
    )
    x = [[-1, 2.5, 0.5, 1], [0, -2, -1, 0], [0.5, -1, -1, 1], [-1, 1, 0, -2]]
    expected = cross_correlate(x, [[-1, 1], [0, -2]], (1, 2), (1, 0), (2, 1))
    for (i, j), value in np.ndenumerate(expected):
        see(output(page, f"y[{i}, {j}] = {value:g}")).to_have_count(1)
    # the lines in the panel give the same numbers when they are run
    shown = run_code(page, "exec(w.code()); y.flatten().tolist()")
    see(shown).to_have_text(str(expected.ravel().tolist()))

    type_number(page, "h[0, 0]", "minus one")
    see(panel(page).get_by_role("alert")).to_have_text("h[0, 0] stays -1: “minus one” is not a number.")
    run_code(page, "w.load({'at': [2, 2]})")
    see(status(page, "Step 9 of 9: y[2, 2] = 6.")).to_be_visible()
    run_code(page, "w.close()")
    see(panel(page)).to_have_count(0)


def test_a_students_function_in_jupyterlab(notebook):
    page = notebook(
        """import numpy as np
def cross_correlate(x, h):
    print("a stray print")
    y = np.zeros((len(x) - len(h) + 1, x.shape[1] - h.shape[1] + 1))
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            y[i, j] = (x[i:i + 2, j:j + 2] * h).sum() if i + j < 3 else x[9, 9]
    return y
""",
        "from pnnlib.explore import explore_cross_correlation\nw = explore_cross_correlation(cross_correlate)\nw",
    )
    see(status(page, "✗ cross_correlate stopped with an error. IndexError")).to_contain_text("(line 7 of your cell)")
    see(equation(page)).to_have_text(EQUATION)
    run_code(page, "w.close()")
    see(panel(page)).to_have_count(0)
    run_code(
        page,
        """def mean(x, h):
    y = np.array([[(x[i:i+2, j:j+2] * h).sum() for j in range(3)] for i in range(3)])
    y[2, 2] = (x[2:, 2:] * h).mean()
    return y
w = explore_cross_correlation(mean)
w""",
    )
    see(status(page, "✗ The first output that differs")).to_contain_text(
        "y[2, 2]: yours is 1.5, the sum over the window is 6."
    )
    see(status(page, "Step 9 of 9")).to_be_visible()
    choose(page, "stride, rows", 2)
    see(status(page, "✗ mean takes no stride")).to_be_visible()
    assert "Traceback" not in page.locator(".jp-Notebook").text_content()
    see(run_code(page, "6 * 7")).to_have_text("42")


def test_the_arrow_keys_move_the_scrubber_in_jupyterlab(notebook):
    page = notebook(SHOW)
    panel(page).get_by_role("slider", name="Step").press("ArrowRight")
    see(status(page, "Step 2 of 9")).to_be_visible()
    panel(page).get_by_role("button", name="Step back").press("Enter")
    see(status(page, "Step 1 of 9")).to_be_visible()
