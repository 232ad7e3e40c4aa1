"""Subscriptions: who wants to be told what."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum

from shared.contracts.patterns import matches


class SubscriptionState(StrEnum):
    """Whether anything is sent."""

    ACTIVE = "active"
    DISABLED = "disabled"
    """The receiver said that it is gone (410)."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """A receiver and its patterns. The secret that it shares with us is kept beside it."""

    subscription_id: str
    url: str
    events: tuple[str, ...]
    created_by: str
    created: dt.datetime
    state: SubscriptionState = SubscriptionState.ACTIVE
    secret_readable: bool = True
    """False if the key that encrypted its secret is not there; its deliveries wait."""

    def wants(self, event_type: str) -> bool:
        """True if events of this type are sent here."""
        return self.state is SubscriptionState.ACTIVE and any(matches(pattern, event_type) for pattern in self.events)
