"""What happens to those who are told."""

from __future__ import annotations

from typing import ClassVar

from shared.contracts.events.base import Event


class SubscriptionDisabledV1(Event):
    """Nothing is sent to a subscriber any more, until a person says so."""

    type: ClassVar[str] = "subscription.disabled.v1"
    source: ClassVar[str] = "notify"
    subscription_id: str
    kind: str
    """Of the channel. Where it leads is not told: that may be secret."""
    description: str
    owner: str
    """In whose name it was."""
    owner_id: str | None = None
    reason: str
    """RECEIVER_GONE, RECEIVER_FAILED, OWNER_GONE or OWNER_MAY_NOT."""
