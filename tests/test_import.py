import subprocess
import sys

HEAVY = ["torch", "matplotlib", "ipywidgets", "sklearn"]


def test_the_library_needs_only_numpy_at_import():
    # Everything but the bridge, in a process of its own: here, torch has long been imported.
    program = f"""
import importlib, pkgutil, sys, pnnlib
for module in pkgutil.iter_modules(pnnlib.__path__):
    if not module.ispkg and module.name != "bridge":
        importlib.import_module("pnnlib." + module.name)
assert "pnnlib.conv" in sys.modules
print(*(name for name in {HEAVY} if name in sys.modules))
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == []
