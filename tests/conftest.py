"""Rules for every test.

In CI nothing may be skipped, because a skip there hides a missing tool.

Tests that run at the same time (`make test`) are handed out in units, each to one worker, so that what
a file sets up once is set up once. A unit is a file; where a file takes long, its tests say with
`pytest.mark.xdist_group` which of them belong together.
"""

import os

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    return _no_skip((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    return _no_skip((yield))  # a whole file


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist looks at the groups
def pytest_collection_modifyitems(config, items):
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: not _takes_long(item))  # the many short ones fill the end
    for item in items:
        if not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group(item.path.relative_to(config.rootpath).as_posix()))


def _takes_long(item):
    return any(item.get_closest_marker(name) for name in ("xdist_group", "jail", "browser"))


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
