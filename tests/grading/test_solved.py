"""Every master with solutions runs from top to bottom with them, as the instructor has it.

The others are what students open, and run in test_notebooks_browser.py.
"""

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from grading.masters import BEGIN, read_master

SOURCE = Path(__file__).resolve().parents[2] / "grading" / "source"
MASTERS = [path for path in sorted(SOURCE.glob("[!_]*.py")) if BEGIN in path.read_text(encoding="utf-8")]


@pytest.mark.parametrize("path", MASTERS, ids=lambda path: path.stem)
def test_a_solved_notebook_runs_from_top_to_bottom(path, tmp_path):
    """nbval also sees what goes wrong inside of a panel, where no cell fails."""
    master = read_master(path)
    nbformat.write(master.content, tmp_path / f"{master.notebook}.ipynb")
    command = [sys.executable, "-m", "pytest", "-q", "--nbval-lax", "--nbval-cell-timeout=60", "-p", "no:cacheprovider"]
    done = subprocess.run(command, check=False, cwd=tmp_path, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
