"""What instructors own: masters, solutions, the jail, the judge. `python -m grading` is its command line."""

import sys

# nbformat imports jsonschema, which compiles 39 grammars for web addresses if it finds this package,
# a second of every start. No notebook is checked for addresses; without it jsonschema does without.
sys.modules.setdefault("rfc3987_syntax", None)
