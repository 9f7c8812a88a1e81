"""The questions: the right answers, and what is said about the wrong ones. One file per part.

They stand here and not in the masters, so that nothing a student receives was
ever near them.
"""

from __future__ import annotations

import importlib
import importlib.util
import re

from .choice import Question
from .numbers import NumberQuestion

__all__ = ["NumberQuestion", "Question", "questions_of"]


def questions_of(part: str) -> dict[str, Question | NumberQuestion]:
    """The questions of a part, by name."""
    module = f"{__name__}.{part}"
    if not re.fullmatch(r"part_\w+", part) or importlib.util.find_spec(module) is None:
        return {}
    return {question.name: question for question in importlib.import_module(module).QUESTIONS}
