import subprocess
import sys


def test_the_library_needs_only_numpy_at_import():
    # Everything but the bridge, in a process of its own: here, torch has long been imported.
    program = """
import importlib, pkgutil, sys
before = set(sys.modules)  # what Python itself and its site have imported
import pnnlib
for module in pkgutil.iter_modules(pnnlib.__path__):
    if not module.ispkg and module.name != "bridge":
        importlib.import_module("pnnlib." + module.name)
assert {"pnnlib.conv", "pnnlib.layers", "pnnlib.data", "pnnlib.train"} <= set(sys.modules)
imported = {name.partition(".")[0] for name in set(sys.modules) - before}
print(*sorted(imported - set(sys.stdlib_module_names)))
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == ["numpy", "pnnlib"]
