"""How many deliveries are under way at once.

So many as a usual machine can do at once; and one more for each that is slow: whoever waits for a receiver that says nothing costs no
processor, and is not to keep others waiting. There is a bound to that too.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

SLOW_SECONDS = 1.0
"""A try that takes longer does not count among the usual ones."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Bounds for one process."""

    usual: int
    most: int

    def room(self, seconds_under_way: Collection[float]) -> int:
        """How many more may begin, while others have been under way for so long."""
        quick = sum(seconds < SLOW_SECONDS for seconds in seconds_under_way)
        return max(0, min(self.usual - quick, self.most - len(seconds_under_way)))
