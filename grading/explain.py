"""Judge one answer again, from the evidence, and show what its mark rests on."""

from __future__ import annotations

import json
from pathlib import Path

from . import evidence
from .masters import solutions
from .cells import Cell, notebook_of
from .judge import judge
from .limits import Limits


def explained(out: Path, student: str, exercise: str) -> str:
    """What the mark of one exercise rests on, and whether it comes out the same today.

    Args:
        out: where the marking went.
        student: as in marks.csv.
        exercise: its name.

    Raises:
        FileNotFoundError, ValueError: if there is no such mark.
    """
    folder = out / "evidence" / "students" / evidence.folder_name(student)
    records = [evidence.read(path) for path in sorted(folder.glob("*.json"))]
    record = next((r for r in records if r.get("key")), records[0] if records else None)
    if not record:
        raise FileNotFoundError(f"There is no evidence about {student} in {out}.")
    verdicts = {verdict["exercise"]: verdict for verdict in record["verdicts"]}
    if exercise not in verdicts:
        raise ValueError(f"There is no exercise {exercise}; the exercises are {', '.join(verdicts)}.")
    old = verdicts[exercise]
    lines = [
        f"{student}, {exercise}: {old['points']:g} of {old['max_points']:g}, {old['kind']}",
        old["sentence"],
        *(["", old["detail"]] if old["detail"] else []),
        "",
        f"criteria   {', '.join(f'{name} {chr(10003) if right else chr(10007)}' for name, right in old['criteria'].items()) or '–'}",
        f"file       {record['file']}, SHA-256 {record['sha256 of the file']}",
        f"judged     SHA-256 {record['sha256 of what was judged']}",
        f"master     SHA-256 {record['sha256 of the master']}",
        f"seed       {record['seed']}",
        f"limits     {json.dumps(record['limits'])}",
        f"versions   {json.dumps(record['versions'])}",
        f"repaired   {' '.join(record['notes']) or 'nothing'}",
        f"took       {record['seconds']:g} s for the whole notebook",
        *([f"The marking itself failed: {record['fault']}"] if record["fault"] else []),
    ]
    if not record["cells"]:
        return "\n".join([*lines, "", "Nothing could be judged, so there is nothing to judge again."])
    return "\n".join([*lines, "", *_again(record, exercise, old)])


def _again(record: dict, exercise: str, old: dict) -> list[str]:
    """What judging it once more gives, with the same seed and the same limits."""
    notebook = notebook_of(Cell(**cell) for cell in record["cells"])
    assignment = record["assignment"]
    judgement = judge(
        notebook, assignment, record["seed"], Limits(**record["limits"]), not record["jail"], solutions(assignment)
    )
    (new,) = [verdict for verdict in judgement.verdicts if verdict.exercise == exercise]
    changed = [] if record["engine"] == evidence.engine() else ["The course has changed since it was marked."]
    if (new.points, new.kind) == (old["points"], old["kind"]):
        return [f"Judged again just now: the same, {new.points:g} of {new.max_points:g}.", *changed]
    return [f"Judged again just now: {new.points:g} of {new.max_points:g}. {new.sentence}", *changed]
