"""The page that tells one student what was found, and why it earned what it earned.

What a hand-in wrote stays text: the template escapes everything, and its
Content-Security-Policy lets no script run and nothing be fetched.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

import jinja2

from pnnlib.exercises import exercises_of
from pnnlib.exercises.diagnosis import Verdict

from .cells import Cell
from .printed import PICTURES, plain_text

IN_WORDS = {"passed": "right", "raised": "stopped with an error", "not implemented": "not written yet"}
SHOWN = 20_000  # characters of one output or one cell; more helps nobody


def feedback_page(
    student: str,
    assignment: str,
    verdicts: list[Verdict],
    notes: list[str],
    file: str = "",
    cells: Iterable[Cell] = (),
    late: float = 0.0,
) -> str:
    """One HTML page.

    Args:
        student, assignment: names.
        verdicts: one for every exercise and question.
        notes: sentences about the hand-in as a whole.
        file: name of the notebook.
        cells: what was judged; none if nothing could be read.
        late: points that are taken off.
    """
    answers = {cell.name: cell for cell in cells}
    worth = {name: exercise.criteria for name, exercise in exercises_of(assignment).items()}
    items = []
    for verdict in verdicts:
        item, answer = _item(verdict, worth.get(verdict.exercise, {})), answers.get(verdict.exercise)
        item["code"] = None if answer is None else _text(answer.code)
        item["outputs"] = [_output(output) for output in answer.outputs] if answer else []
        items.append(item)
    return _template().render(
        student=_text(student),
        assignment=assignment,
        file=_text(file),
        notes=[_text(note) for note in notes],
        items=items,
        judged=bool(answers),
        score=f"{sum(verdict.points for verdict in verdicts) - late:g}",
        max_score=f"{sum(verdict.max_points for verdict in verdicts):g}",
    )


def _item(verdict: Verdict, worth: Mapping[str, float]) -> dict:
    """What the page says of one exercise; `worth` are the points of its criteria."""
    open_still = verdict.kind in ("missing", "not implemented")
    partly = not verdict.passed and verdict.points > 0
    names = list(verdict.criteria)
    kind = IN_WORDS.get(verdict.kind, verdict.kind)
    return {
        "name": verdict.exercise,
        "verdict": f"{kind}, but partly right" if partly else kind,
        "sign": "✓" if verdict.passed else "–" if open_still else "✗",
        "style": "right" if verdict.passed else "open" if open_still else "wrong",
        "sentence": _text(verdict.sentence),
        "detail": _text(verdict.detail),
        "points": f"{verdict.points:g}",
        "max_points": f"{verdict.max_points:g}",
        "criteria": [] if open_still or len(names) < 2 else [
            (name, f"{worth[name]:g}", right) for name, right in verdict.criteria.items()
        ],
        "basic": names[0] if names and not verdict.criteria[names[0]] else "",
    }  # fmt: skip


def _output(output: dict) -> dict:
    """What the page shows of one output: text, or a picture."""
    data = output.get("data", {})
    for kind in PICTURES:
        if data.get(kind):
            return {"kind": kind, "picture": data[kind], "text": ""}
    if output["output_type"] == "error":
        return {"picture": "", "text": _text(f"{output['ename']}: {output['evalue']}")}
    return {"picture": "", "text": _text(data.get("text/plain", output.get("text", "")))}


def _text(text: str) -> str:
    text = plain_text(text)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}\n… {len(text) - SHOWN} characters more"


@cache
def _template() -> jinja2.Template:
    source = Path(__file__).with_name("feedback.html").read_text(encoding="utf-8")
    return jinja2.Environment(autoescape=True, trim_blocks=True, undefined=jinja2.StrictUndefined).from_string(source)
