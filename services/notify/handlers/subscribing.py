"""Subscriptions: make, list, show, change, pause, resume, forget.

`by_id` is who asks, and `within` are the staging tags within which they may, or none for all. Who is narrowed may be told of packages
within these, and changes only what is in their own name.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from services.notify.domain.channels import Channel, Secrets, read_channel
from services.notify.domain.channels.email import EmailChannel
from services.notify.domain.channels.webhook import FORMER_UNTIL, SECRET, rotated
from services.notify.domain.filters import about_packages, read_filters
from services.notify.domain.subscriptions import (
    Changed,
    Subscription,
    SubscriptionState,
    checked_description,
    merged_settings,
)
from services.notify.handlers.describing import check_version, describe_subscription
from services.notify.handlers.owners import RIGHT, check_owner
from services.notify.handlers.telling import Clock
from services.notify.ports import People, Senders, Subscriptions
from shared.contracts.patterns import checked_patterns
from shared.contracts.spine import handled_by
from shared.core.errors import Conflict, Forbidden, InvalidInput, Locked, NotFound
from shared.core.staging import Tags, read_tags


@dataclass
class Subscribing:
    """What people do with subscriptions."""

    subscriptions: Subscriptions
    senders: Senders
    ring: Callable[[], None]
    """Wakes whoever delivers."""
    clock: Clock
    secret_overlap: dt.timedelta = dt.timedelta(days=1)
    """How long the secret before a rotation signs too."""
    people: People | None = None
    """Knows the addresses of those who are narrowed; without it, none of them has one."""

    def subscribe(  # noqa: PLR0913, PLR0917 - the whole wish
        self,
        url: Any,
        events: Any,
        created_by: str,
        channel: Any = None,
        filters: Any = None,
        description: Any = "",
        owner_id: str | None = None,
        within: Any = None,
    ) -> dict[str, Any]:
        """Add a subscriber; its description, with the secrets that were made for it, the only time that they are shown.

        `url` is short for a webhook's channel. It is in the name of who makes it.

        Raises:
            Forbidden: ADDRESS_NOT_YOURS, for mail to others by somebody who is narrowed.
            Conflict: SUBSCRIPTIONS_FULL.
            InvalidInput: CHANNEL_INVALID and finer codes of the channel, EVENT_PATTERN_INVALID, FILTER_INVALID, TAG_INVALID, TEXT_INVALID.
        """
        if (url is None) == (channel is None):
            raise InvalidInput("give a url, or a channel", "CHANNEL_INVALID")
        limit = _limit(within)
        patterns = _patterns(events, limit)
        read, given = read_channel(channel if url is None else {"kind": "webhook", "settings": {"url": url}})
        made = read.made_secrets()
        self._check_reach(read, owner_id or created_by, limit)
        self.senders[read.kind].check(read, {**made, **given})
        subscription = Subscription(str(uuid.uuid4()), read, patterns, created_by, self.clock(), owner_id, read_filters(filters), limit)
        subscription = replace(subscription, description=checked_description(description or ""))
        self.subscriptions.add(subscription, {**made, **given})
        return describe_subscription(subscription) | {"secret": "", **made}

    def listed(self) -> dict[str, Any]:
        """All subscriptions, newest first, without their secrets."""
        return {"items": [describe_subscription(one) for one in self.subscriptions.all()]}

    def show(self, subscription_id: str) -> dict[str, Any]:
        """One of them.

        Raises:
            NotFound: if there is none.
        """
        return describe_subscription(self.find(subscription_id))

    def find(self, subscription_id: str) -> Subscription:
        """One of them, as a value.

        Raises:
            NotFound: if there is none.
        """
        found = self.subscriptions.find(subscription_id)
        if found is None:
            raise NotFound(f"there is no subscription {str(subscription_id)[:40]!r}")
        return found

    def change(
        self, subscription_id: str, changes: Mapping[str, Any], by_id: str | None, within: Any, expected: object = None
    ) -> dict[str, Any]:
        """Other events, filters, settings of the channel, or another description; what is left out stays.

        Raises:
            NotFound: if there is none.
            Forbidden: NOT_THE_OWNER.
            InvalidInput: as in `subscribe`, and CHANNEL_KIND_FIXED.
            PreconditionFailed: if it has none of the versions that are `expected`.
            Locked: if somebody else gave it another channel just now.
        """
        limit = _limit(within)
        before = self.permitted(subscription_id, by_id, within)
        channel, given = self._channel(before.channel, subscription_id, changes.get("channel"))
        self._check_reach(channel, before.owner, limit)
        wished: dict[str, Any] = {"changed": self.clock()}
        if changes.get("events") is not None:
            wished["events"] = _patterns(changes["events"], limit)
        if changes.get("filters") is not None:
            wished["filters"] = read_filters(changes["filters"])
        if changes.get("description") is not None:
            wished["description"] = checked_description(changes["description"])

        if changes.get("channel") is not None:
            wished["channel"] = channel

        def changed(kept: Subscription, secrets: Secrets) -> Changed:
            _check_asker(kept, by_id, within)
            check_version(expected, kept)
            if "channel" in wished and kept.channel != before.channel:
                raise Locked("somebody else gave this subscription another channel just now: look again, and decide again")
            return Changed(replace(kept, **wished, within=_narrower(kept.within, limit)), {**secrets, **given} if given else None)

        return describe_subscription(self.subscriptions.change(subscription_id, changed))

    def _check_reach(self, channel: Channel, owner: str, limit: Tags | None) -> None:
        """Who is narrowed may have mail sent to themselves, and to nobody else."""
        if limit is None or not isinstance(channel, EmailChannel):
            return
        standing = self.people.standings({owner}, RIGHT).get(owner) if self.people else None
        own = standing.email if standing else None
        if own is None or own.casefold() != channel.to.casefold():
            raise Forbidden("your grant is narrowed to staging tags: mail goes to the address kept of you", "ADDRESS_NOT_YOURS")

    def _channel(self, before: Channel, subscription_id: str, wished: Any) -> tuple[Channel, Secrets]:
        if wished is None:
            return before, {}
        channel, given = read_channel(merged_settings(before, wished))
        self.senders[channel.kind].check(channel, {**self.subscriptions.secrets_of(subscription_id), **given})
        return channel, given

    def set_state(self, subscription_id: str, state: Any, by_id: str | None, within: Any, expected: object = None) -> dict[str, Any]:
        """Pause a subscription, or have it told again; what happened meanwhile was not kept for it, but can be replayed.

        Raises:
            NotFound: if there is none.
            Forbidden: NOT_THE_OWNER.
            InvalidInput: STATE_INVALID.
            Conflict: SUBSCRIPTION_DISABLED, if one is to be paused that is disabled; OWNER_MAY_NOT, if one is to be made active whose
                owner may not subscribe.
            PreconditionFailed: as above.
        """
        if state not in (SubscriptionState.ACTIVE, SubscriptionState.PAUSED):
            raise InvalidInput("a subscription can be made active or paused", "STATE_INVALID")
        wished, now = SubscriptionState(state), self.clock()
        if wished is SubscriptionState.ACTIVE and self.people:
            check_owner(self.people, self.permitted(subscription_id, by_id, within))

        def changed(kept: Subscription, _secrets: Secrets) -> Changed:
            _check_asker(kept, by_id, within)
            check_version(expected, kept)
            if wished is SubscriptionState.PAUSED and kept.state is SubscriptionState.DISABLED:
                raise Conflict("this subscription is disabled already: nothing is sent to it", "SUBSCRIPTION_DISABLED")
            return Changed(kept.in_state(wished, now))

        became = self.subscriptions.change(subscription_id, changed)
        self.ring()
        return describe_subscription(became)

    def unsubscribe(self, subscription_id: str, by_id: str | None = None, within: Any = None, expected: object = None) -> None:
        """Forget a subscriber and its deliveries.

        Raises:
            NotFound: if there is none.
            Forbidden: NOT_THE_OWNER.
            PreconditionFailed: as above.
        """

        def check(kept: Subscription) -> None:
            _check_asker(kept, by_id, within)
            check_version(expected, kept)

        self.subscriptions.remove(subscription_id, check)

    def rotate_secret(self, subscription_id: str, by_id: str | None, within: Any) -> dict[str, Any]:
        """Make a new secret, shown only now; until `former_until` the one before signs beside it.

        Raises:
            NotFound: if there is none.
            Forbidden: NOT_THE_OWNER.
            Conflict: NO_SECRET_HERE, if its channel has none that we made.
        """
        now, made = self.clock(), dict[str, str]()

        def changed(kept: Subscription, secrets: Secrets) -> Changed:
            _check_asker(kept, by_id, within)
            if not kept.channel.made_secrets():
                raise Conflict(f"a {kept.channel.kind} channel has no secret that is made here", "NO_SECRET_HERE")
            made.update(rotated(secrets, now, self.secret_overlap))
            return Changed(replace(kept, changed=now), made)

        self.subscriptions.change(subscription_id, changed)
        return {"subscription_id": subscription_id, "secret": made[SECRET], "former_until": made[FORMER_UNTIL]}

    def permitted(self, subscription_id: str, by_id: str | None, within: Any) -> Subscription:
        """The subscription, if this person may change it.

        Raises:
            NotFound: if there is none.
            Forbidden: NOT_THE_OWNER.
        """
        found = self.find(subscription_id)
        _check_asker(found, by_id, within)
        return found


def _check_asker(kept: Subscription, by_id: str | None, within: Any) -> None:
    if within is not None and (by_id is None or kept.owner_id != by_id):
        raise Forbidden("your grant is narrowed to staging tags: it changes only subscriptions in your own name", "NOT_THE_OWNER")


def _limit(within: Any) -> Tags | None:
    return None if within is None else read_tags(within)


def _narrower(one: Tags | None, other: Tags | None) -> Tags | None:
    if one is None or other is None:
        return other if one is None else one
    return one & other


def _patterns(events: Any, limit: Tags | None) -> tuple[str, ...]:
    told = handled_by("notify")
    return checked_patterns(events, told if limit is None else about_packages(told))
