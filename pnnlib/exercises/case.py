"""One call of a student's function."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Case:
    """Positional arguments, then options by name; functions and generators stand in it as `given` has them.

    `criterion` names the share of the points that this case decides. A right
    answer to "basic" is the ground for all others. Without `by_name` the
    options, which then are the first of the signature, are passed in their
    places.
    """

    args: tuple
    options: Mapping = field(default_factory=dict)
    criterion: str = "basic"
    by_name: bool = True

    @property
    def arguments(self) -> tuple[tuple, dict]:
        """What the function is called with: arguments in their places, and by name.

        >>> Case((7, 3), {"stride": 2}, by_name=False).arguments
        ((7, 3, 2), {})
        """
        if self.by_name:
            return self.args, dict(self.options)
        return (*self.args, *self.options.values()), {}

    @property
    def size(self) -> int:
        """How much a reader has to think of; the smallest failing case is shown. An option is worth many numbers."""
        return _count(self.args) + 50 * len(self.options)


def _count(value) -> int:
    return sum(map(_count, value)) if isinstance(value, (list, tuple)) else np.size(value)
