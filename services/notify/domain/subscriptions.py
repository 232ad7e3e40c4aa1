"""Subscriptions: who wants to be told what, on which channel, in whose name.

::

    active ◀──▶ paused          by a person: nothing is sent, and what happens meanwhile makes no deliveries; they can be replayed
      │           │
      └───────────┴──▶ disabled      the receiver is gone (410) or failed for days, or the owner may not any more
                          │
                          └──▶ active     by a person
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from services.notify.domain.channels import Channel, Secrets
from services.notify.domain.filters import Filters, Package, is_within
from shared.contracts.events import Event, SubscriptionDisabledV1
from shared.contracts.patterns import matches
from shared.core.errors import InvalidInput
from shared.core.staging import Tags

_LONGEST_TEXT = 200


class SubscriptionState(StrEnum):
    """Whether anything is sent."""

    ACTIVE = "active"
    PAUSED = "paused"
    DISABLED = "disabled"


class Reason(StrEnum):
    """Why a subscription is disabled."""

    RECEIVER_GONE = "RECEIVER_GONE"
    """The receiver said so (410)."""
    RECEIVER_FAILED = "RECEIVER_FAILED"
    """It only failed, for days."""
    OWNER_GONE = "OWNER_GONE"
    """The owner was disabled or deleted, or is not known any more."""
    OWNER_MAY_NOT = "OWNER_MAY_NOT"
    """The owner has the right no longer."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """Patterns and filters, a channel, and an owner. What of the channel is secret is kept beside it."""

    subscription_id: str
    channel: Channel
    events: tuple[str, ...]
    created_by: str
    """Name of the owner: in whose name this is."""
    created: dt.datetime
    owner_id: str | None = None
    """Their person_id; none for those that are older than this field, whose owner is known by name."""
    filters: Filters = field(default_factory=Filters)
    within: Tags | None = None
    """Staging tags within which the owner may be told; none for everything."""
    description: str = ""
    state: SubscriptionState = SubscriptionState.ACTIVE
    reason: Reason | None = None
    since: dt.datetime | None = None
    """Since when it is in this state; none for as long as it exists."""
    changed: dt.datetime | None = None
    secret_readable: bool = True
    """False if the key that encrypted its secrets is not there; its deliveries wait."""

    @property
    def owner(self) -> str:
        """By which directory knows the owner: names are never given twice."""
        return self.owner_id or self.created_by

    @property
    def asks_for_package(self) -> bool:
        """True if it must be known what an event's package is."""
        return self.filters.are_any or self.within is not None

    def wants(self, event_type: str, package: Package | None = None) -> bool:
        """True if an event of this type is sent here; `package` is what it is about, if it is about one."""
        if not self.has_pattern_for(event_type) or not is_within(package, self.within):
            return False
        return package is None or self.filters.pass_(package)

    def has_pattern_for(self, event_type: str) -> bool:
        """True if a pattern means this type."""
        return any(matches(pattern, event_type) for pattern in self.events)

    @property
    def is_active(self) -> bool:
        """True if anything is sent."""
        return self.state is SubscriptionState.ACTIVE

    def is_narrower_than(self, before: Subscription) -> bool:
        """True if there are packages of which it was told, and is told no longer."""
        return self.within is not None and (before.within is None or not before.within <= self.within)

    def in_state(self, state: SubscriptionState, now: dt.datetime, reason: Reason | None = None) -> Subscription:
        """In another state from now on; one that is in it already stays as it is."""
        return self if state is self.state else replace(self, state=state, reason=reason, since=now)


@dataclass(frozen=True, slots=True)
class Changed:
    """What becomes of a subscription in one transaction."""

    subscription: Subscription
    secrets: Secrets | None = field(default=None, repr=False)
    """What there is from now on; none if they stay."""
    events: tuple[Event, ...] = ()
    """What others are to be told of it."""


def disabled(subscription: Subscription, reason: Reason, now: dt.datetime) -> Changed:
    """Disabled for this reason, and told; one that is disabled already stays as it is, and nothing is told."""
    if subscription.state is SubscriptionState.DISABLED:
        return Changed(subscription)
    told = SubscriptionDisabledV1(
        subscription_id=subscription.subscription_id,
        kind=subscription.channel.kind,
        description=subscription.description,
        owner=subscription.created_by,
        owner_id=subscription.owner_id,
        reason=reason.value,
    )
    return Changed(subscription.in_state(SubscriptionState.DISABLED, now, reason), None, (told,))


def checked_description(value: Any) -> str:
    """What a subscription is for, in the words of who made it.

    Raises:
        InvalidInput: TEXT_INVALID.
    """
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT or not value.isprintable():
        raise InvalidInput(f"a description is a line of at most {_LONGEST_TEXT} visible characters", "TEXT_INVALID")
    return value.strip()


def merged_settings(channel: Channel, value: Any) -> dict[str, Any]:
    """A channel as JSON, after a change: what is left out of `settings` stays.

    Raises:
        InvalidInput: CHANNEL_KIND_FIXED, CHANNEL_INVALID.
    """
    if not isinstance(value, Mapping) or not isinstance(value.get("settings"), Mapping):
        raise InvalidInput("a channel is {kind, settings}", "CHANNEL_INVALID")
    if value.get("kind", channel.kind) != channel.kind:
        raise InvalidInput(f"this subscription has a {channel.kind} channel for good: make another one", "CHANNEL_KIND_FIXED")
    return {"kind": channel.kind, "settings": {**channel.shown(), **value["settings"]}}
