"""Stand-ins for the outside of the notify service; the fake keepers pass the same suite as the real ones."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from services.notify.domain.deliveries import GONE_REASON, Answer, Claim, Delivery, DeliveryState, Outcome
from services.notify.domain.subscriptions import Subscription, SubscriptionState
from shared.core.errors import InvalidInput
from shared.testing.fakes.clock import NOON

SECRET = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="


def a_subscription(subscription_id: str = "s1", url: str = "https://hooks.example/x", **fields: object) -> Subscription:
    """A subscription to everything, with the given differences."""
    known = {"events": ("*",), "created_by": "admin", "created": NOON}
    return Subscription(subscription_id=subscription_id, url=url, **known | fields)


def a_delivery(delivery_id: str = "d1", subscription_id: str = "s1", event_id: str = "e1", **fields: object) -> Delivery:
    """A delivery that is due, with the given differences."""
    known = {"event_type": "package.published.v1", "body": b"{}", "created": NOON, "next_attempt": NOON}
    return Delivery(delivery_id=delivery_id, subscription_id=subscription_id, event_id=event_id, **known | fields)


@dataclass
class FakeKeeper:
    """`Subscriptions` and `Deliveries` in memory."""

    subscriptions: dict[str, Subscription] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict, repr=False)
    deliveries: dict[str, Delivery] = field(default_factory=dict)
    leases: dict[str, dt.datetime] = field(default_factory=dict)
    fences: dict[str, int] = field(default_factory=dict)

    def add(self, subscription: Subscription, secret: str = SECRET) -> None:
        """Keep a new subscription."""
        self.secrets[subscription.subscription_id] = secret
        self.subscriptions[subscription.subscription_id] = subscription

    def all(self) -> Sequence[Subscription]:
        """All subscriptions, newest first."""
        return sorted(self.subscriptions.values(), key=lambda one: one.created, reverse=True)

    def remove(self, subscription_id: str) -> bool:
        """Forget a subscription with its deliveries."""
        self.deliveries = {key: one for key, one in self.deliveries.items() if one.subscription_id != subscription_id}
        return self.subscriptions.pop(subscription_id, None) is not None

    def make(self, choose: Callable[[Sequence[Subscription]], Sequence[Delivery]]) -> int:
        """Keep what is new."""
        known = {(one.subscription_id, one.event_id) for one in self.deliveries.values()}
        new = [one for one in choose(list(self.subscriptions.values())) if (one.subscription_id, one.event_id) not in known]
        self.deliveries |= {one.delivery_id: one for one in new}
        return len(new)

    def claim(self, now: dt.datetime, lease_until: dt.datetime) -> Claim | None:
        """Take a delivery that is due."""
        held = {key for key, until in self.leases.items() if until > now}
        busy = {self.deliveries[key].subscription_id for key in held if key in self.deliveries}
        due = [
            one
            for one in self.deliveries.values()
            if one.state is DeliveryState.WAITING and one.next_attempt and one.next_attempt <= now and one.subscription_id not in busy
        ]
        if not due:
            return None
        first = min(due, key=lambda one: (one.attempts, one.next_attempt))
        taken = self.deliveries[first.delivery_id] = replace(first, attempts=first.attempts + 1)
        self.leases[taken.delivery_id] = lease_until
        self.fences[taken.delivery_id] = fence = self.fences.get(taken.delivery_id, 0) + 1
        to = self.subscriptions[taken.subscription_id]
        secret = self.secrets[taken.subscription_id]
        return Claim(taken.delivery_id, taken.subscription_id, fence, taken.attempts, taken.event_id, taken.body, url=to.url, secret=secret)

    def settle(self, claim: Claim, outcome: Outcome) -> bool:
        """Write what became of a claim."""
        delivery = self.deliveries.get(claim.delivery_id)
        if not delivery or delivery.state is not DeliveryState.WAITING or self.fences[claim.delivery_id] != claim.fence:
            return False
        self.leases.pop(claim.delivery_id, None)
        self.deliveries[claim.delivery_id] = replace(
            delivery,
            state=outcome.state,
            next_attempt=outcome.next_attempt,
            last_status=outcome.last_status,
            last_error=outcome.last_error,
        )
        if outcome.switches_off:
            self._switch_off(claim.subscription_id)
        return True

    def _switch_off(self, subscription_id: str) -> None:
        self.subscriptions[subscription_id] = replace(self.subscriptions[subscription_id], state=SubscriptionState.DISABLED)
        for key, one in self.deliveries.items():
            if one.subscription_id == subscription_id and one.state is DeliveryState.WAITING:
                self.deliveries[key] = replace(one, state=DeliveryState.FAILED, next_attempt=None, last_error=GONE_REASON)
                self.leases.pop(key, None)

    def newest(self, limit: int) -> Sequence[Delivery]:
        """The newest deliveries."""
        return sorted(self.deliveries.values(), key=lambda one: one.created, reverse=True)[:limit]

    def prune(self, before: dt.datetime) -> int:
        """Forget old deliveries that are not waiting."""
        kept = {key: one for key, one in self.deliveries.items() if one.created >= before or one.state is DeliveryState.WAITING}
        pruned, self.deliveries = len(self.deliveries) - len(kept), kept
        return pruned

    def counts(self) -> dict[str, int]:
        """Numbers of subscriptions and of deliveries by state."""
        states = [one.state for one in self.deliveries.values()]
        return {
            "subscriptions": len(self.subscriptions),
            "deliveries_waiting": states.count(DeliveryState.WAITING),
            "deliveries_failed": states.count(DeliveryState.FAILED),
        }


@dataclass
class FakeWeb:
    """Remembers what was posted; answers as told, then with 200."""

    answers: list[Answer] = field(default_factory=list)
    posted: list[tuple[str, bytes, Mapping[str, str]]] = field(default_factory=list)
    forbidden: bool = False

    def check(self, url: str) -> None:
        """Refuse if told so."""
        if self.forbidden:
            raise InvalidInput(f"{url} leads inside", "WEBHOOK_TARGET_FORBIDDEN")

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Take a message."""
        self.posted.append((url, body, headers))
        return self.answers.pop(0) if self.answers else Answer(200)
