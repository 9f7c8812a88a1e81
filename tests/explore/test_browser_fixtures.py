"""The fixtures that watch a page do notice what they watch for."""

from pathlib import Path

import pytest
from browser import *  # noqa: F403
from browser import PATIENCE, open_page, run_code

pytestmark = pytest.mark.browser


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("console.error('broken')", "broken"),
        ("throw new Error('thrown')", "thrown"),
        ("Promise.reject(new Error('nobody cared'))", "nobody cared"),
        ("fetch('http://example.org/data.json').catch(() => {})", "http://example.org/data.json"),
        ("new WebSocket('ws://example.org/socket')", "ws://example.org/socket"),
        ("document.body.append(Object.assign(new Image(), {src: 'https://example.org/pixel.png'}))", "pixel.png"),
    ],
)
def test_errors_and_strangers_are_noticed(chromium, site, tmp_path, script, said):
    (tmp_path / "index.html").write_text(
        f'<link rel="icon" href="data:,"><body><script>{script}; document.title = "done"</script></body>'
    )
    with pytest.raises(AssertionError, match=said), open_page(chromium) as page:
        page.goto(site(tmp_path))
        for _ in range(PATIENCE // 50):  # what was refused is reported a little later
            if page.errors or page.strays:
                break
            page.wait_for_timeout(50)


def test_a_page_that_stays_here_is_fine(page, site, tmp_path):
    (tmp_path / "index.html").write_text('<link rel="icon" href="data:,"><script>console.log("fine")</script>')
    page.goto(site(tmp_path))


def test_a_notebook_is_run_until_the_first_error(notebook, tmp_path):
    import nbformat
    from playwright.sync_api import expect

    cells = [nbformat.v4.new_code_cell(code) for code in ("a = 6", "a * 7", "raise NotImplementedError", "a * 8")]
    path = Path(tmp_path / "some.ipynb")
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    page = notebook(path)
    outputs = page.locator(".jp-OutputArea-output")
    expect(outputs).to_have_count(2)
    expect(outputs.first).to_have_text("42")
    expect(outputs.last).to_contain_text("NotImplementedError")
    assert run_code(page, "a").inner_text().strip() == "6"


def test_jupyter_keeps_to_its_own_folder(notebook, jupyter):
    page = notebook("import os, pathlib; print(pathlib.Path.home() == pathlib.Path.cwd().parent)")
    assert page.locator(".jp-OutputArea-output").inner_text().strip() == "True"
