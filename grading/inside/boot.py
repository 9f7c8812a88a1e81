"""Start the student's kernel: limits first, then stand-ins, then IPython.

    python boot.py DOORS ABSENT MEMORY DISK OUTPUT

ABSENT are the modules for which there are stand-ins, with commas.
"""

import contextlib
import os
import resource
import select
import sys

doors, absent, (memory, disk, output) = sys.argv[1], sys.argv[2].split(","), map(int, sys.argv[3:])

# The tree as a whole is watched from outside; these make single mistakes fail early and plainly.
for limit, value in (
    (resource.RLIMIT_CORE, 0),
    (resource.RLIMIT_FSIZE, disk),
    (resource.RLIMIT_NOFILE, 256),
    (resource.RLIMIT_NPROC, 4096),
    (resource.RLIMIT_AS, 4 * memory),
):
    hard = resource.getrlimit(limit)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    with contextlib.suppress(ValueError, OSError):  # not every system has every limit
        resource.setrlimit(limit, (value, value))

sys.path[0] = os.path.dirname(os.path.abspath(__file__))
import kernel  # noqa: E402
import stand_in  # noqa: E402

stand_in.install(absent)
# Bubblewrap ends with whoever marks, but not if that was killed while it was still starting.
pipe = select.poll()
pipe.register(2, 0)
if pipe.poll(0):  # nobody reads it any more
    sys.exit("nobody is marking")
# From here on nothing inside writes to the marker's pipe, which was for what goes wrong above.
os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
app = kernel.open_doors(doors, output)
# a student's module of the same name must not meet ours
for name in ("harness", "kernel", "stand_in", "wire"):
    sys.modules.pop(name)
sys.path[0] = ""
if os.path.isdir("/library"):  # pnnlib, where it is the material
    sys.path.append("/library")
app.start()
