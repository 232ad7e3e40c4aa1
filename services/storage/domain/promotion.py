"""A promotion: a package on its way to the next stage.

::

    waits_for_approval ──approve──▶ scheduled ──its time──▶ done | failed
            └──reject──▶ rejected        └──reject──▶ rejected
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from enum import StrEnum

from shared.core.errors import Conflict, Forbidden


class PromotionState(StrEnum):
    """Where a promotion is."""

    WAITS_FOR_APPROVAL = "waits_for_approval"
    SCHEDULED = "scheduled"
    DONE = "done"
    REJECTED = "rejected"
    FAILED = "failed"


OPEN_STATES = (PromotionState.WAITS_FOR_APPROVAL, PromotionState.SCHEDULED)


@dataclass(frozen=True, slots=True)
class Promotion:
    """One package, one stage, and who asked."""

    promotion_id: str
    package_id: str
    name: str
    stage: str
    requested_by: str
    requested: dt.datetime
    due: dt.datetime
    """When it is to be done; at once, if that is past."""
    state: PromotionState
    approved_by: str | None = None
    reason: str | None = None
    ended: dt.datetime | None = None

    def approved(self, person: str) -> Promotion:
        """A second person agrees.

        Raises:
            Conflict: PROMOTION_ENDED, if it does not wait for that.
            Forbidden: SAME_PERSON, if it is the one who asked.
        """
        if self.state is not PromotionState.WAITS_FOR_APPROVAL:
            raise Conflict(f"the promotion is {self.state.value}: it does not wait for an approval", "PROMOTION_ENDED")
        if person == self.requested_by:
            raise Forbidden("a second person must approve: whoever asked for the promotion cannot", "SAME_PERSON")
        return replace(self, state=PromotionState.SCHEDULED, approved_by=person)

    def rejected(self, person: str, reason: str, now: dt.datetime) -> Promotion:
        """It is not to be.

        Raises:
            Conflict: PROMOTION_ENDED, if it has ended.
        """
        if self.state not in OPEN_STATES:
            raise Conflict(f"the promotion is {self.state.value} already", "PROMOTION_ENDED")
        return replace(self, state=PromotionState.REJECTED, reason=f"{person}: {reason}"[:500], ended=now)

    def ended_as(self, state: PromotionState, now: dt.datetime, reason: str | None = None) -> Promotion:
        """It was done, or could not be."""
        return replace(self, state=state, ended=now, reason=reason)
