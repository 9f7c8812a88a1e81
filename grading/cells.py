"""The cells of a hand-in as they were judged: in the evidence, and back again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import nbformat
from nbformat import NotebookNode

from .handin import grade_id


@dataclass(frozen=True)
class Cell:
    """One cell: the name of its exercise or check ("" for others), its code, its tags, and what it printed.

    What cells without a name printed is not kept.
    """

    name: str
    code: str
    tags: list[str] = field(default_factory=list)
    outputs: list[dict] = field(default_factory=list)

    @classmethod
    def of(cls, cell: NotebookNode, outputs: list[dict]) -> Cell:
        name = grade_id(cell)
        return cls(name, cell.source, list(cell.metadata.get("tags", [])), outputs if name else [])


def notebook_of(cells: Iterable[Cell]) -> NotebookNode:
    """The notebook that was judged.

    >>> notebook_of([Cell("relu", "def relu(net): ...")]).cells[0].metadata.nbgrader.grade_id
    'relu'
    """
    made = []
    for cell in cells:
        metadata = {"tags": cell.tags} if cell.tags else {}
        if cell.name:
            metadata["nbgrader"] = {"grade_id": cell.name}
        made.append(nbformat.v4.new_code_cell(cell.code, metadata=metadata))
    return nbformat.v4.new_notebook(cells=made)
