"""Print the table of components: who is heard for each, and on how many cases.

    python tests/components
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from components import components, modules  # noqa: E402  (tests/ has to be on the path first)

print(f"{'component':36} {'loops':>6} {'slope':>6} {'torch':>6} {'drawn':>6} {'refused':>8}   backward")
for component in components():
    cases = list(component.cases(np.random.default_rng(0)))
    smooth = sum(case.smooth for case in cases) if component.gradients else 0
    refused = len(component.wrong) + len(component.wrong_backward)
    backward = f"none: {component.no_backward}" if component.no_backward else "together with the value"
    backward = component.backward.__name__ if component.backward else backward
    print(f"{component.name:36} {len(cases):6} {smooth:6} {len(cases):6} {'yes':>6} {refused:8}   {backward}")
print("\nproven elsewhere")
for module in modules():
    for name, where in getattr(module, "ELSEWHERE", {}).items():
        print(f"{module.__name__.rpartition('.')[2] + '.' + name:36} {where}")
