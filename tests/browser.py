"""Fixtures for tests in a real Chromium: a bare page, and a real JupyterLab.

A test file takes what it needs with

    from browser import *  # noqa: F403

and is marked with `pytestmark = pytest.mark.browser`. The fixtures:

    page      an empty page. At the end of the test it must have logged no error
              and asked for nothing outside this machine.
    site      serve(folder) serves a folder's files on localhost and returns its address.
    notebook  notebook("w = explore_…(); w", …), or notebook(Path("notebooks/x.ipynb")),
              opens a notebook in JupyterLab, runs all its cells, waits until they are
              done, and returns the page.

`run_code(page, code)` runs one more cell and returns its outputs;
`wait_for_kernel(page, code, text)` runs it until it shows the text.
"""

import contextlib
import functools
import http.server
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import pytest

__all__ = [
    "chromium", "jupyter", "notebook", "open_page", "page", "run_code", "serve", "site", "stop_server", "wait_for_kernel",
]  # fmt: skip

ROOT = Path(__file__).parents[1]
CHROMIUM_OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Whatever is not on this machine has no address.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
]
# How long, in ms, what must come in the end may take. Only a test that fails waits for it.
PATIENCE = 120_000
# Noise of JupyterLab itself, each with its reason. Nothing else may be logged as an error.
LAB_NOISE = {}


def find_chromium():
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
    return next(filter(None, map(shutil.which, names)), None)


# One module at a time: while Playwright runs in a thread, asyncio.run does not, and other tests need it.
@pytest.fixture(scope="module")
def chromium():
    """A headless Chromium, started once for a test file."""
    path = find_chromium()
    if path is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_OPTIONS)
        yield browser
        browser.close()


def stays_here(url):
    parts = urlsplit(url)
    return parts.scheme in ("data", "blob", "about") or parts.hostname in ("127.0.0.1", "localhost")


@contextlib.contextmanager
def open_page(chromium, noise=(), **options):
    """A page that is watched: errors in its console, and requests that leave the machine, fail the test."""
    context = chromium.new_context(viewport={"width": 1280, "height": 1400}, **options)
    context.set_default_timeout(PATIENCE)
    errors, strays = [], []

    def logged(entry):
        if entry.type == "error" and not any(re.search(pattern, entry.text) for pattern in noise):
            errors.append(f"{entry.text} ({entry.location.get('url', '')})")

    def asked(url):
        if not stays_here(url):
            strays.append(url)

    context.on("console", logged)
    context.on("weberror", lambda error: errors.append(f"uncaught: {error.error}"))
    context.on("request", lambda request: asked(request.url))
    page = context.new_page()
    page.on("websocket", lambda connection: asked(connection.url))
    page.errors, page.strays = errors, strays
    yield page
    context.close()
    assert not errors, f"the page logged errors: {errors}"
    assert not strays, f"the page asked for things outside this machine: {strays}"


@pytest.fixture
def page(chromium):
    """An empty page, watched (see `open_page`)."""
    with open_page(chromium) as page:
        yield page


# A bare page.


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@contextlib.contextmanager
def serve(folder, handler=_Quiet):
    """Serve a folder on localhost; the value is its address."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def site():
    """`site(folder)` serves a folder until the test ends, and returns its address."""
    with contextlib.ExitStack() as stack:
        yield lambda folder, handler=_Quiet: stack.enter_context(serve(folder, handler))


# JupyterLab.


@pytest.fixture(scope="session")
def jupyter(tmp_path_factory):
    """A JupyterLab server of its own: (address, token, its folder). Nothing of the user's is read or written."""
    home = tmp_path_factory.mktemp("jupyter")
    root = home / "root"
    settings = home / "settings"
    for name, value in {
        # Nothing is asked of the network, and every cell stays in the page for the tests to see.
        "apputils-extension/notification": {"checkForUpdates": False, "fetchNews": "false"},
        "notebook-extension/tracker": {"windowingMode": "none"},
    }.items():
        file = settings / "@jupyterlab" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(value))
    root.mkdir()
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    token = secrets.token_hex(16)
    environment = {
        **os.environ,
        "HOME": str(home),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(settings),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "IPYTHONDIR": str(home / "ipython"),
        "PYTHONPATH": str(ROOT),
    }
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root",
        "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", "--ServerApp.port_retries=0",
        f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={root}",
        "--LabApp.expose_app_in_browser=True", "--LabApp.extension_manager=readonly",
    ]  # fmt: skip
    log = home / "log"
    with log.open("w") as out:
        server = subprocess.Popen(command, env=environment, cwd=root, stdout=out, stderr=out, start_new_session=True)
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(server, f"{address}/api/status?token={token}", log)
        yield address, token, root
    finally:
        stop_server(server)


def stop_server(server):
    """End a server that was started in a session of its own, and its kernels."""
    os.killpg(server.pid, signal.SIGTERM)
    try:
        server.wait(20)
    except subprocess.TimeoutExpired:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def _wait_for(server, url, log):
    end = time.monotonic() + PATIENCE / 1000
    while time.monotonic() < end and server.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise RuntimeError(f"JupyterLab did not start:\n{log.read_text()}")


@pytest.fixture
def notebook(chromium, jupyter):
    """`notebook(*cells)` or `notebook(path)`: open it in JupyterLab, run all, wait, return the page.

    `color_scheme` and other options of a browser context can be given by name.
    """
    import nbformat

    address, token, root = jupyter
    with contextlib.ExitStack() as stack:

        def open_notebook(*cells, **options):
            name = f"{secrets.token_hex(4)}.ipynb"
            if isinstance(cells[0], Path):
                opened = nbformat.read(cells[0], as_version=4)
            else:
                opened = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
            # Without a kernel's name, JupyterLab would ask for one and wait.
            opened.metadata.setdefault("kernelspec", {"name": "python3", "display_name": "Python 3"})
            nbformat.write(opened, root / name)
            page = stack.enter_context(open_page(chromium, LAB_NOISE, **options))
            # Every notebook in a workspace of its own: nothing is left open from the one before.
            page.goto(f"{address}/lab/workspaces/{name[:8]}/tree/{name}?token={token}&reset")
            page.wait_for_selector(".jp-NotebookPanel .jp-Cell")
            page.evaluate(RUN_ALL)
            stack.callback(_forget_kernels, address, token)
            return page

        yield open_notebook


# The commands resolve when every cell is done. An error in a cell stops them, as it does for a student.
RUN_ALL = """async () => {
    const app = window.jupyterapp;
    await app.restored;
    await app.shell.currentWidget.context.ready;
    await app.shell.currentWidget.sessionContext.ready;
    const late = new Promise((_, reject) => setTimeout(() => reject(Error("not done after 5 minutes")), 300_000));
    await Promise.race([late, app.commands.execute("notebook:run-all-cells")]);
}"""
RUN_MORE = """async (code) => {
    const app = window.jupyterapp;
    await app.commands.execute("notebook:move-cursor-down");
    const notebook = app.shell.currentWidget.content;
    notebook.activeCellIndex = notebook.widgets.length - 1;
    await app.commands.execute("notebook:insert-cell-below");
    notebook.activeCell.model.sharedModel.setSource(code);
    await app.commands.execute("notebook:run-cell");
}"""


def run_code(page, code):
    """Run code in a new cell at the end of the notebook, and return its outputs."""
    page.evaluate(RUN_MORE, code)
    return page.locator(".jp-Notebook .jp-CodeCell").last.locator(".jp-OutputArea-output")


def wait_for_kernel(page, code, text):
    """Run code again and again until it shows the text.

    What is moved in a widget may reach the kernel after the next cell: ipywidgets
    holds a change back until the kernel is done with the one before.
    """
    from playwright.sync_api import expect

    end = time.monotonic() + PATIENCE / 1000
    while True:
        shown = run_code(page, code)
        expect(shown).to_have_count(1)
        if shown.inner_text().strip() == text:
            return
        assert time.monotonic() < end, f"the kernel still says {shown.inner_text()!r}, not {text!r}"


def _forget_kernels(address, token):
    """End the kernels: the next test gets a fresh one, and two cores are few."""
    headers = {"Authorization": f"token {token}"}
    with urllib.request.urlopen(urllib.request.Request(f"{address}/api/sessions", headers=headers)) as answer:
        sessions = json.load(answer)
    for session in sessions:
        request = urllib.request.Request(f"{address}/api/sessions/{session['id']}", headers=headers, method="DELETE")
        urllib.request.urlopen(request).close()
