"""Strangers: instances that have nothing to do with any package here, or with us. Keys cost nothing, so of those only some are kept.

Whose charter or rotation decides something is no stranger: ourselves, our peers, who made a package that is known, and whom one of
these names as a steward, over any number of steps. So what is refused here never changes what counts; and it is asked for again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

from shared.core.errors import RecordRefused
from shared.core.identity import InstanceId
from shared.core.trust import Trust

MOST_STRANGERS = 500
"""Their charters and rotations that are kept: with a full answer's worth of rotations, all of them can still be read at once."""


@dataclass
class Strangers:
    """Whether there is room for one more, as things stood when these records came."""

    trust: Trust
    concerned: Callable[[], Iterable[InstanceId]]
    """Ourselves, our peers, and who made packages. Only asked when there are many records."""
    most: int = MOST_STRANGERS
    taken: int = 0

    def admit(self, *instance_ids: InstanceId) -> None:
        """Make room for a first record about an instance, by any of its ids.

        Raises:
            RecordRefused: if it is of a stranger, and there are too many of those.
        """
        known = len(self.trust.charters) + len(self.trust.rotations) + self.taken
        if known < self.most:
            self.taken += 1
        elif not any(self.trust.present(one) in self._related for one in instance_ids):
            if self._strangers + self.taken >= self.most:
                raise RecordRefused("too much is known of instances that have nothing to do with any package here")
            self.taken += 1

    @cached_property
    def _related(self) -> frozenset[InstanceId]:
        found = {self.trust.present(one) for one in self.concerned()}
        waiting = list(found)
        while waiting:
            charter = self.trust.charter_of(waiting.pop())
            named = {self.trust.present(one) for one, _ in charter.stewards} - found if charter else set[InstanceId]()
            found |= named
            waiting.extend(named)
        return frozenset(found)

    @cached_property
    def _strangers(self) -> int:
        return sum(self.trust.present(one) not in self._related for one in (*self.trust.charters, *self.trust.rotations))
