"""`nbgrader autograde` through the judge: two of its steps, replaced by ours.

nbgrader would run a hand-in with all the rights of whoever marks, and give full
marks for a check cell without any output. Here a hand-in is sanitised first and
judged from outside, and each check cell shows the verdict and, as its result,
the points. Database, formgrader, feedback and export are nbgrader's as ever.
"""

from __future__ import annotations

import secrets

import nbformat
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets import Bool, Dict, Float, Int, Unicode

from .masters import released, solutions
from .handin import grade_id, is_check, sanitise
from .judge import judge
from .limits import Limits
from .mark import NO_JAIL, student_seed


class Sanitise(NbGraderPreprocessor):
    """First step: every graded cell once, whatever was deleted, copied or renamed."""

    def preprocess(self, nb, resources):
        master = released(resources["nbgrader"]["assignment"])
        hand_in = sanitise(nb, master.content)
        for note in hand_in.notes:
            self.log.warning("%s: %s", resources["nbgrader"]["student"], note)
        return hand_in.notebook, resources


class Judge(NbGraderPreprocessor):
    """In place of nbgrader's Execute: runs the notebook in a jail and decides outside it."""

    seed = Unicode(help="Secret of the cases; a fresh one for every hand-in if it is empty.").tag(config=True)
    limits = Dict(
        per_key_traits={"seconds": Float(), "memory": Int(), "disk": Int(), "processes": Int(), "output": Int()},
        help="What one hand-in may use, where it is not the default of `limits.Limits`.",
    ).tag(config=True)
    jail = Bool(True, help="Run hand-ins in a jail; without one they run with all your rights.").tag(config=True)

    def preprocess(self, nb, resources):
        about = resources["nbgrader"]
        seed = student_seed(self.seed or secrets.token_hex(16), about["student"])
        self.log.info("Judging %s with the seed %s", about["student"], seed)
        references = solutions(about["assignment"])
        judgement = judge(nb, about["assignment"], seed, Limits(**self.limits), not self.jail, references)
        verdicts = {f"check-{verdict.exercise}": verdict for verdict in judgement.verdicts}
        for position, cell in enumerate(nb.cells):
            if is_check(cell):
                cell.outputs = _as_outputs(verdicts[grade_id(cell)], self.jail)
            elif cell.cell_type == "code":
                cell.outputs = nbformat.from_dict(judgement.outputs.get(position, []))
        return nb, resources


def _as_outputs(verdict, jail: bool) -> list:
    """The verdict to read, and the points, which nbgrader takes from the cell's result."""
    text = str(verdict) if jail else f"{verdict}\n\n{NO_JAIL}"
    return [
        nbformat.v4.new_output("stream", name="stdout", text=f"{text}\n"),
        nbformat.v4.new_output("execute_result", {"text/plain": f"{verdict.points!r}"}),
    ]
