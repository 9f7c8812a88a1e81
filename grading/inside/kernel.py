"""Start the student's kernel: limits first, then stand-ins, then IPython.

    python kernel.py CONNECTION_FILE MEMORY DISK
"""

import os
import resource
import sys

connection_file, memory, disk = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])

# The tree as a whole is watched from outside; these make single mistakes fail early and plainly.
for limit, value in (
    (resource.RLIMIT_CORE, 0),
    (resource.RLIMIT_FSIZE, disk),
    (resource.RLIMIT_NPROC, 1024),
    (resource.RLIMIT_AS, 4 * memory),
):
    hard = resource.getrlimit(limit)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(limit, (value, value))

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402, F401
import stand_in  # noqa: E402

stand_in.install()
# a student's module of the same name must not meet ours
for name in ("harness", "stand_in", "wire"):
    sys.modules.pop(name)
del sys.path[0]
sys.path.insert(0, "")

from ipykernel.kernelapp import launch_new_instance  # noqa: E402

launch_new_instance(argv=["-f", connection_file, "--HistoryManager.enabled=False"])
