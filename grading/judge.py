"""Judge one hand-in: run it in the jail, ask its functions, decide outside.

Expected values, oracle and secret seeds stay in this process. Into the jail go
the student's cells and the arguments of each case; out of it come values. A
mark exists only where a verdict was reached here: whatever else happens, the
exercise has 0 points and a reason.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from nbformat import NotebookNode

from pnnlib.exercises import exercises_of
from pnnlib.exercises.calling import Outcome
from pnnlib.exercises.diagnosis import Verdict, counted, diagnose
from pnnlib.exercises.exercise import Exercise

from .handin import grade_id, is_check
from .jail import Jail
from .limits import Limits
from .questions import questions_of

NOTEBOOK_SECONDS = 600.0  # for everything together; a class must come to an end


@dataclass
class Judgement:
    """What judging one notebook gave.

    verdicts  one for every exercise and question, in the order of the notebook
    outputs   what the cells printed, by position, for those that were run
    notes     a sentence for every cell that had to be left out
    seconds   how long it took
    """

    verdicts: list[Verdict] = field(default_factory=list)
    outputs: dict[int, list] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def score(self) -> float:
        return sum(verdict.points for verdict in self.verdicts)

    @property
    def max_score(self) -> float:
        return sum(verdict.max_points for verdict in self.verdicts)


def judge(
    notebook: NotebookNode,
    part: str,
    seed: str,
    limits: Limits = Limits(),
    bare: bool = False,
    references: Mapping[str, str] | None = None,
) -> Judgement:
    """Judge a sanitised notebook.

    An exercise whose material is pnnlib is judged in a jail of its own, with
    pnnlib in it; the others never see that one.

    An exercise that builds on another is not made to pay for it: what is wrong
    is tried once more with the reference in place of every wrong answer above
    it, and the better of the two verdicts counts. A reference goes into the jail
    only after the verdict on the answer that it replaces.

    Args:
        notebook: from `handin.sanitise`; every graded cell stands in it once.
        part: the assignment, for instance "part_d".
        seed: what the secret cases are drawn from; differs from student to student.
        limits: of the jail.
        bare: without a jail.
        references: a cell with a right answer, by exercise; `build.solutions` has them.

    Raises:
        JailUnavailable: where no jail can be had and `bare` is False.
    """
    started = time.monotonic()
    run = _Run(notebook, part, seed, limits, bare, started + NOTEBOOK_SECONDS)
    for library in (False, True):
        while run.open(library):  # each round ends with a verdict or a cell to leave out
            run.play(library)
    for library in (False, True):
        run.try_again(references or {}, library)
    order = [grade_id(c).removeprefix("check-") for c in notebook.cells if is_check(c)]
    verdicts = [run.verdicts[name] for name in order]
    notes = [_left_out(notebook.cells[i], error) for i, error in sorted(run.left_out.items())]
    return Judgement(verdicts, run.outputs, notes, time.monotonic() - started)


def _left_out(cell: NotebookNode, error: str) -> str:
    name = grade_id(cell)
    which = f"of {name}" if name else f'that begins with "{cell.source.strip().splitlines()[0][:60]}"'
    return f"The cell {which} could not be run to its end ({error}); the rest was judged without it."


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
        self.checks = [grade_id(cell).removeprefix("check-") for _, cell in self.cells if is_check(cell)]

    def open(self, library: bool) -> bool:
        """Whether there is still something to do in a jail of this kind. The ordinary one runs to its
        end, for what the cells print; the one with pnnlib only as far as something is judged there."""
        waiting = any(self._in_library(name) and name not in self.verdicts for name in self.checks)
        return waiting if library else not self.finished

    def play(self, library: bool) -> None:
        """Run the cells in a fresh kernel until the end, or until it does not survive one."""
        with Jail(self._limits(library), self.bare, library) as jail:
            for i, cell in self.cells:
                if is_check(cell):
                    name = grade_id(cell).removeprefix("check-")
                    if name not in self.verdicts and self._in_library(name) == library:
                        self.verdicts[name] = self._verdict(jail, name)
                elif self._can_run(i, cell, library) and not self._late:
                    self._run_cell(jail, i, cell)
                if not jail.alive or (library and not self.open(library)):
                    return
            self.finished = True
            self._ask_late(jail, library)

    def _ask_late(self, jail: Jail, library: bool) -> None:
        """Ask once more, now that all cells have been run, for what stopped with an error at its own
        place: cells may have been moved, and what it needs may stand below it."""
        for name in self.checks:
            old = self.verdicts.get(name)
            if old and old.kind in ("raised", "missing") and self._in_library(name) == library and jail.alive:
                new = self._verdict(jail, name)
                if new.points > old.points:
                    said = f"{new.sentence} (Only after all cells had been run: it needs something that stands below it.)"
                    self.verdicts[name] = replace(new, sentence=said)

    def _can_run(self, i: int, cell: NotebookNode, library: bool) -> bool:
        """An answer that is made of pnnlib may need it as soon as its cell is run."""
        needs_library = self._in_library(grade_id(cell)) and not library
        return bool(cell.source.strip()) and i not in self.left_out and not needs_library

    def _in_library(self, name: str) -> bool:
        return name in self.exercises and self.exercises[name].library

    def _limits(self, library: bool) -> Limits:
        """A call may take what `check` allows, and more if the limits do."""
        longest = [self.exercises[name].seconds for name in self.checks if library and self._in_library(name)]
        return replace(self.limits, seconds=max([self.limits.seconds, *longest]))

    def try_again(self, references: Mapping[str, str], library: bool) -> None:
        """Judge wrong exercises with references in place of the wrong ones above them."""
        answers = {grade_id(cell): cell.source for _, cell in self.cells if not is_check(cell)}
        order = [name for name in self.checks if name in references and name in self.exercises]
        wrong = [name for name in order if not self.verdicts[name].passed]
        waiting = [
            name
            for name in wrong[1:]
            if self._in_library(name) == library and self._may_be_anothers_fault(name, wrong, answers[name])
        ]
        while waiting and not self._late:
            self._round_with(references, wrong, waiting, library)

    def _may_be_anothers_fault(self, name: str, wrong: list[str], source: str) -> bool:
        kind = self.verdicts[name].kind
        if kind in ("out of time", "died"):
            return any(self.verdicts[above].kind == kind for above in wrong[: wrong.index(name)])
        if kind == "not implemented":
            return "NotImplementedError" not in source
        return kind != "missing"

    def _round_with(
        self, references: Mapping[str, str], wrong: list[str], waiting: list[str], library: bool
    ) -> None:
        """Judge those in `waiting` again, and take them out of it, until a kernel does not survive one."""
        replaced: list[str] = []
        with Jail(self._limits(library), self.bare, library) as jail:
            for i, cell in self.cells:
                name = grade_id(cell).removeprefix("check-")
                if not is_check(cell):
                    if self._can_run(i, cell, library):
                        self._run_cell(jail, i, cell)
                elif name in wrong:
                    if name in waiting:
                        waiting.remove(name)
                        self._improve(name, self._verdict(jail, name), replaced)
                    if not self.verdicts[name].passed and not self._needed_later(name, waiting):
                        jail.run_cell(f"import numpy as np\n{references[name]}")
                        replaced.append(name)
                        if not jail.alive:  # only a notebook that meddles with its kernel can do this
                            waiting.clear()
                if not jail.alive or not waiting or self._late:
                    return

    def _needed_later(self, name: str, waiting: list[str]) -> bool:
        """Whether an exercise that the course puts above `name` is judged below it in this hand-in.

        It must not find there what it is asked to write.
        """
        order = list(self.exercises)
        return any(order.index(other) < order.index(name) for other in waiting)

    def _improve(self, name: str, verdict: Verdict, replaced: list[str]) -> None:
        """Take the better verdict. Of one that is not all right nothing is shown that the student's
        code could have said: it ran next to a reference, and might quote it."""
        if verdict.points > self.verdicts[name].points:
            sentence, detail = verdict.sentence, ""
            if not verdict.passed:
                sentence = f"not right yet. {counted(self.exercises[name], verdict.agree, verdict.cases)}"
            said = f"{sentence} (Tried with a right {' and '.join(replaced)} in place of yours.)"
            self.verdicts[name] = replace(verdict, sentence=said, detail=detail)

    @property
    def _late(self) -> bool:
        return time.monotonic() > self.deadline

    def _run_cell(self, jail: Jail, i: int, cell: NotebookNode) -> None:
        result = jail.run_cell(cell.source)
        self.outputs.setdefault(i, result.outputs)  # of the first time, without any reference
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
            outcome = ask(exercise.name, *case.arguments, exercise.parameters)
            if outcome.kind == "missing" and self.errors.get(exercise.name):
                outcome = replace(outcome, error=f"its cell stopped with {self.errors[exercise.name]}")
            outcomes.append(outcome)
            if outcome.kind in ("out of time", "died", "missing"):
                break
        return diagnose(exercise, cases, outcomes)
