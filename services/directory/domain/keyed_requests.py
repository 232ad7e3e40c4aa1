"""Requests that came with an `Idempotency-Key`, and what became of each: so that what is sent twice is done once.

::

    under_way ──▶ ended       the gateway wrote down what it answered
        │    └──▶ (gone)      nothing was done: the key is free again
        └───────▶ lost        nobody wrote anything down in time: whether it was done is not known
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

KEPT_FOR = dt.timedelta(hours=24)
"""After this the key means nothing any more."""
LEASE = dt.timedelta(seconds=60)
"""Longer than any door that takes a key works."""
MOST_OF_A_PERSON = 10_000
"""Keys that are kept for one person at once."""


class RequestState(StrEnum):
    """What is known of a request."""

    UNDER_WAY = "under_way"
    ENDED = "ended"
    LOST = "lost"


@dataclass(frozen=True)
class KeyedRequest:
    """One request. The key itself is not kept, only its SHA-256."""

    request_id: str
    """Made by the gateway that does it."""
    person_id: str
    key_sha256: str
    fingerprint: str
    """Differs for different requests."""
    begun: dt.datetime
    ended: dt.datetime | None = None
    status: int | None = None
    answer: Mapping[str, Any] | None = None
    """What was answered, without what is shown only once."""
    secret: bool = False
    """Whether something was left out of the answer."""

    def state(self, now: dt.datetime) -> RequestState:
        """At this moment."""
        if self.ended is not None:
            return RequestState.ENDED
        return RequestState.UNDER_WAY if now - self.begun < LEASE else RequestState.LOST
