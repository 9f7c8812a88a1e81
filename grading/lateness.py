"""Points off for what came after the deadline."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True)
class Deadline:
    """When a hand-in is `due`, and the share of the maximum, `per_day`, that each day begun after it costs.

    >>> deadline = Deadline(datetime(2026, 11, 20, 17), per_day=0.1)
    >>> deadline.share_lost(datetime(2026, 11, 21, 18)), deadline.share_lost(datetime(2026, 11, 20, 17))
    (0.2, 0.0)
    """

    due: datetime
    per_day: float

    def __post_init__(self):
        if not 0 <= self.per_day <= 1:
            raise ValueError(f"a day late can cost between 0 and 100 percent, got {100 * self.per_day:g}")

    def late(self, submitted: datetime | None) -> timedelta:
        """How late it was; nothing, where no time is known."""
        return timedelta(0) if submitted is None else max(submitted - self.due, timedelta(0))

    def share_lost(self, submitted: datetime | None) -> float:
        """The share of the maximum that is taken off, at most all of it."""
        return min(1.0, math.ceil(self.late(submitted) / timedelta(days=1)) * self.per_day)

    def sentence(self, submitted: datetime | None, lost: float) -> str:
        """What the student is told."""
        minutes = math.ceil(self.late(submitted).total_seconds() / 60)
        days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
        parts = [_count(days, "day"), _count(hours, "hour"), "" if days else _count(minutes, "minute")]
        return f"Handed in {' '.join(filter(None, parts))} after the deadline: {lost:g} points are taken off."


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'s' * (number != 1)}" if number else ""
