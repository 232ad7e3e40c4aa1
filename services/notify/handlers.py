"""What notify does with events, what it answers, and how it delivers."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.notify.domain import signing
from services.notify.domain.deliveries import Delivery, DeliveryState, body_of, judge
from services.notify.domain.subscriptions import Subscription
from services.notify.domain.targets import checked_url
from services.notify.ports import Deliveries, Subscriptions, Web
from shared.contracts.events import Event
from shared.contracts.happening import Happening
from shared.contracts.patterns import checked_patterns
from shared.contracts.spine import handled_by
from shared.core.errors import NotFound
from shared.core.times import rfc3339

Clock = Callable[[], dt.datetime]
"""The present time, in UTC."""
LEASE = dt.timedelta(seconds=90)
"""How long a worker has for one try: longer than any conversation may last, connecting and resolving included."""
MAX_PAGE = 1000


@dataclass
class NotifyHandlers:
    """Subscriptions, and events becoming deliveries."""

    subscriptions: Subscriptions
    deliveries: Deliveries
    web: Web
    ring: Callable[[], None]
    """Wakes whoever delivers."""
    instance: str
    clock: Clock

    def tell(self, event: Event, happening: Happening) -> None:
        """Make a delivery for each subscription that wants this event; seen twice, it makes nothing new."""

        def choose(subscriptions: Sequence[Subscription]) -> list[Delivery]:
            wanting = [one for one in subscriptions if one.wants(event.type)]
            body = body_of(event.type, happening, self.instance, event.model_dump(mode="json"))
            return [self._delivery(one, event.type, happening, body) for one in wanting]

        if self.deliveries.make(choose):
            self.ring()

    def _delivery(self, subscription: Subscription, event_type: str, happening: Happening, body: bytes) -> Delivery:
        now = self.clock()
        return Delivery(str(uuid.uuid4()), subscription.subscription_id, happening.event_id, event_type, body, now, next_attempt=now)

    def subscribe(self, url: Any, events: Any, created_by: str) -> dict[str, Any]:
        """Add a receiver; its description with `secret`, the only time that it is shown.

        Raises:
            InvalidInput: WEBHOOK_URL_INVALID, EVENT_PATTERN_INVALID, WEBHOOK_TARGET_FORBIDDEN or WEBHOOK_TARGET_UNKNOWN.
        """
        patterns = checked_patterns(events, handled_by("notify"))
        target, secret = checked_url(url), signing.new_secret()
        self.web.check(target)
        subscription = Subscription(str(uuid.uuid4()), target, patterns, created_by, self.clock())
        self.subscriptions.add(subscription, secret)
        return describe_subscription(subscription) | {"secret": secret}

    def list_subscriptions(self) -> dict[str, Any]:
        """All subscriptions, newest first, without their secrets."""
        return {"items": [describe_subscription(one) for one in self.subscriptions.all()]}

    def unsubscribe(self, subscription_id: str) -> None:
        """Forget a receiver and its deliveries.

        Raises:
            NotFound: if there is no such subscription.
        """
        if not self.subscriptions.remove(subscription_id):
            raise NotFound(f"there is no subscription {str(subscription_id)[:40]!r}")

    def list_deliveries(self, limit: int) -> dict[str, Any]:
        """Up to `limit` deliveries, newest first."""
        return {"items": [describe_delivery(one) for one in self.deliveries.newest(max(1, min(MAX_PAGE, limit)))]}

    def figures(self) -> Mapping[str, int]:
        """Counts for metrics and status."""
        return self.deliveries.counts()


@dataclass
class Delivering:
    """Tries deliveries that are due. Any number of workers may do so side by side."""

    deliveries: Deliveries
    web: Web
    clock: Clock
    jitter: Callable[[], float]
    """A random number from 0 to 1."""
    kept: dt.timedelta
    """How long deliveries that have ended are kept."""

    def deliver_one(self) -> bool:
        """Try one delivery that is due; False if there is none."""
        claimed = self.clock()
        claim = self.deliveries.claim(claimed, claimed + LEASE)
        if claim is None:
            return False
        headers = signing.signed_headers(claim.secret, claim.event_id, claim.body, claimed)
        answer = self.web.post(claim.url, claim.body, {"content-type": "application/json"} | headers)
        self.deliveries.settle(claim, judge(answer, claim.attempts, self.clock(), self.jitter()))
        return True

    def prune(self) -> int:
        """Forget old deliveries that have ended; how many."""
        return self.deliveries.prune(self.clock() - self.kept)


def describe_subscription(subscription: Subscription) -> dict[str, Any]:
    """A subscription as the Admin API shows it."""
    return {
        "subscription_id": subscription.subscription_id,
        "url": subscription.url,
        "events": list(subscription.events),
        "state": subscription.state.value,
        "created_by": subscription.created_by,
        "created": rfc3339(subscription.created),
        "secret_readable": subscription.secret_readable,
    }


def describe_delivery(delivery: Delivery) -> dict[str, Any]:
    """A delivery as the Admin API shows it."""
    waiting = delivery.state is DeliveryState.WAITING and delivery.next_attempt
    return {
        "delivery_id": delivery.delivery_id,
        "subscription_id": delivery.subscription_id,
        "event_id": delivery.event_id,
        "event_type": delivery.event_type,
        "state": delivery.state.value,
        "attempts": delivery.attempts,
        "last_status": delivery.last_status,
        "last_error": delivery.last_error,
        "next_attempt": rfc3339(delivery.next_attempt) if waiting and delivery.next_attempt else None,
    }
