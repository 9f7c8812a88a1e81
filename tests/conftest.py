"""Rules for every test.

In CI nothing may be skipped, because a skip there hides a missing tool.

Tests that run at the same time (`make test`) are handed out in units, each to one worker, so that what
a file sets up once is set up once. A unit is a file, or one part of the lecture in it where a file does
the same for every part and takes long.
"""

import os
from pathlib import Path

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    return _no_skip((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    return _no_skip((yield))  # a whole file


# Files of which each parameter is a unit of its own, because it sets up its own.
BY_PARAMETER = ("test_certify.py", "test_solved.py", "test_notebooks_browser.py")


def unit_of(nodeid):
    """The name of the unit that a test belongs to: its file, or its file and parameter."""
    file, _, test = nodeid.partition("::")
    parameter = test.partition("[")[2]
    return f"{file}[{parameter}" if parameter and Path(file).name in BY_PARAMETER else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class ByUnit(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return unit_of(nodeid)

    return ByUnit(config, log)


def pytest_collection_modifyitems(config, items):
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: not _takes_long(item))  # the many short ones fill the end


def _takes_long(item):
    marked = item.get_closest_marker("jail") or item.get_closest_marker("browser")
    return bool(marked or item.path.name in (*BY_PARAMETER, "test_build.py"))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    if item.get_closest_marker("jail"):
        from grading.walls import JailUnavailable, require_walls

        try:
            require_walls()
        except JailUnavailable as error:
            pytest.skip(str(error))


def _no_skip(report):
    if report.skipped and os.environ.get("CI") == "true":
        report.outcome = "failed"
        report.longrepr = f"skipped in CI: {report.longrepr}"
    return report
