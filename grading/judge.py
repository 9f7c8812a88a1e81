"""Judge one hand-in: run it in the jail, ask its functions, decide outside.

Expected values, oracle and secret seeds stay in this process. Into the jail go
the student's cells and the arguments of each case; out of it come values. A
mark exists only where a verdict was reached here: whatever else happens, the
exercise has 0 points and a reason.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace

from nbformat import NotebookNode

from pnnlib.exercises import exercises_of
from pnnlib.exercises.calling import Outcome
from pnnlib.exercises.diagnosis import Verdict, diagnose
from pnnlib.exercises.exercise import Exercise

from .handin import grade_id, is_check
from .jail import Jail, Limits
from .questions import questions_of

NOTEBOOK_SECONDS = 600.0  # for everything together; a class must come to an end


@dataclass
class Judgement:
    """What judging one notebook gave.

    verdicts  one for every exercise and question, in the order of the notebook
    outputs   what the cells printed, by position, for those that were run
    seconds   how long it took
    """

    verdicts: list[Verdict] = field(default_factory=list)
    outputs: dict[int, list] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def score(self) -> float:
        return sum(verdict.points for verdict in self.verdicts)

    @property
    def max_score(self) -> float:
        return sum(verdict.max_points for verdict in self.verdicts)


def judge(
    notebook: NotebookNode, part: str, seed: str, limits: Limits = Limits(), bare: bool = False
) -> Judgement:
    """Judge a sanitised notebook.

    Args:
        notebook: from `handin.sanitise`; every graded cell stands in it once.
        part: the assignment, for instance "part_d".
        seed: what the secret cases are drawn from; differs from student to student.
        limits: of the jail.
        bare: without a jail.

    Raises:
        JailUnavailable: where no jail can be had and `bare` is False.
    """
    started = time.monotonic()
    run = _Run(notebook, part, seed, limits, bare, started + NOTEBOOK_SECONDS)
    while not run.finished:  # each round ends with a verdict or a cell to leave out
        run.play()
    order = [grade_id(c).removeprefix("check-") for c in notebook.cells if is_check(c)]
    verdicts = [run.verdicts[name] for name in order]
    return Judgement(verdicts, run.outputs, time.monotonic() - started)


class _Run:
    """The state that survives a kernel: verdicts reached, and cells that no kernel survives."""

    def __init__(self, notebook, part, seed, limits, bare, deadline):
        self.cells = [
            (i, cell) for i, cell in enumerate(notebook.cells) if "explore" not in cell.metadata.get("tags", [])
        ]
        self.exercises = exercises_of(part)
        self.questions = questions_of(part)
        self.seed, self.limits, self.bare, self.deadline = seed, limits, bare, deadline
        self.verdicts: dict[str, Verdict] = {}
        self.outputs: dict[int, list] = {}
        self.left_out: dict[int, str] = {}
        self.errors: dict[str, str] = {}
        self.finished = False

    def play(self) -> None:
        """Run the cells in a fresh kernel until the end, or until it does not survive one."""
        with Jail(self.limits, bare=self.bare) as jail:
            for i, cell in self.cells:
                if is_check(cell):
                    name = grade_id(cell).removeprefix("check-")
                    if name not in self.verdicts:
                        self.verdicts[name] = self._verdict(jail, name)
                elif i not in self.left_out and cell.source.strip() and not self._late:
                    self._run_cell(jail, i, cell)
                if not jail.alive:
                    return
        self.finished = True

    @property
    def _late(self) -> bool:
        return time.monotonic() > self.deadline

    def _run_cell(self, jail: Jail, i: int, cell: NotebookNode) -> None:
        result = jail.run_cell(cell.source)
        self.outputs[i] = result.outputs
        if result.status in ("out of time", "died"):
            self.left_out[i] = result.error
        if result.status != "ok":
            self.errors[grade_id(cell)] = result.error

    def _verdict(self, jail: Jail, name: str) -> Verdict:
        late = Outcome("out of time", error="the notebook as a whole took too long")
        if name in self.questions:
            question = self.questions[name]
            return question.diagnose(late if self._late else jail.read(question.variable))
        return self._ask(self.exercises[name], (lambda *_: late) if self._late else jail.call)

    def _ask(self, exercise: Exercise, ask) -> Verdict:
        cases = exercise.draw(self.seed)
        outcomes = []
        for case in cases:
            outcome = ask(exercise.name, case.args, dict(case.options), exercise.parameters)
            if outcome.kind == "missing" and self.errors.get(exercise.name):
                outcome = replace(outcome, error=f"its cell stopped with {self.errors[exercise.name]}")
            outcomes.append(outcome)
            if outcome.kind in ("out of time", "died", "missing"):
                break
        return diagnose(exercise, cases, outcomes)
