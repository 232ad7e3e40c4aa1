"""What was told already, or missed, is told again: with the id that it had the first time, so that a receiver drops what it knows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from services.notify.domain.channels import Told
from services.notify.domain.deliveries import Delivery
from services.notify.domain.filters import Package, is_within
from services.notify.domain.subscriptions import Subscription
from services.notify.handlers.describing import describe_delivery
from services.notify.handlers.subscribing import Subscribing
from services.notify.handlers.telling import About, delivery_of
from services.notify.ports import Deliveries
from shared.core.errors import Conflict, Forbidden, InvalidInput, NotFound
from shared.core.times import to_text

MAX_AT_ONCE = 1000
"""Events that one replay looks at; the answer says where to go on."""
_MOMENT = dt.timedelta(microseconds=1)


@dataclass
class Replaying:
    """Sends again."""

    subscribing: Subscribing
    deliveries: Deliveries
    about: About

    def replay_delivery(self, delivery_id: str, by_id: str | None, within: Any) -> dict[str, Any]:
        """Have one delivery sent again, now, as if it had never been tried.

        Raises:
            NotFound: if there is none.
            Forbidden: NOT_THE_OWNER, or NOT_ENTITLED, if the subscription is narrowed and may not be told of this any more.
            Conflict: SUBSCRIPTION_NOT_ACTIVE.
            ServiceUnavailable: if the subscription is narrowed, and storage does not answer.
        """
        found = self.deliveries.find(delivery_id)
        if found is None:
            raise NotFound(f"there is no delivery {str(delivery_id)[:40]!r}; old ones are forgotten")
        delivery, _ = found
        self._check_limit(self._active(delivery.subscription_id, by_id, within), delivery)
        self._send(delivery.subscription_id, [delivery])
        again = self.deliveries.find(delivery_id)
        return describe_delivery(again[0] if again else delivery)

    def _check_limit(self, subscription: Subscription, delivery: Delivery) -> None:
        if subscription.within is None:
            return
        told = self.deliveries.event(delivery.event_id)
        if told is None or not is_within(self.about.package_of(told), subscription.within):
            raise Forbidden("this is outside of the staging tags within which the subscription may be told", "NOT_ENTITLED")

    def replay_events(self, subscription_id: str, since: Any, until: Any, by_id: str | None, within: Any) -> dict[str, Any]:
        """Have everything sent again that happened from `since` up to but not including `until`, and that it wants as it is now.

        Times are RFC 3339. Of packages, what they are now is judged. At most 1,000 events are looked at: `{replayed, next}`, where `next`
        is the `since` of the next call, or none.

        Raises:
            NotFound: if there is no such subscription.
            InvalidInput: TIME_INVALID.
            Forbidden: NOT_THE_OWNER.
            Conflict: SUBSCRIPTION_NOT_ACTIVE.
            ServiceUnavailable: if the subscription has filters, and storage does not answer.
        """
        subscription = self._active(subscription_id, by_id, within)
        start, end = _time(since), self.subscribing.clock() if until is None else _time(until)
        if not start < end:
            raise InvalidInput("since must be before until", "TIME_INVALID")
        events = self.deliveries.events_between(start, end, MAX_AT_ONCE + 1)
        wanted = [delivery_of(subscription, told, self.subscribing.clock()) for told in self._wanted(subscription, events[:MAX_AT_ONCE])]
        if wanted:
            self._send(subscription_id, wanted)
        return {"replayed": len(wanted), "next": to_text(events[MAX_AT_ONCE].time) if len(events) > MAX_AT_ONCE else None}

    def _wanted(self, subscription: Subscription, events: Sequence[Told]) -> Iterator[Told]:
        known: dict[Any, Package | None] = {}
        for told in events:
            package_id = told.data.get("package_id")
            if subscription.asks_for_package and subscription.has_pattern_for(told.event_type) and package_id not in known:
                known[package_id] = self.about.package_of(told)
            if subscription.wants(told.event_type, known.get(package_id)):
                yield told

    def _active(self, subscription_id: str, by_id: str | None, within: Any) -> Subscription:
        found = self.subscribing.permitted(subscription_id, by_id, within)
        _check_active(found)
        return found

    def _send(self, subscription_id: str, deliveries: Sequence[Delivery]) -> None:
        now = self.subscribing.clock()
        in_order = [replace(one, next_attempt=now + _MOMENT * place) for place, one in enumerate(deliveries)]
        self.deliveries.again(subscription_id, in_order, _check_active)
        self.subscribing.ring()


def _check_active(subscription: Subscription) -> None:
    if not subscription.is_active:
        raise Conflict(f"this subscription is {subscription.state}: resume it first", "SUBSCRIPTION_NOT_ACTIVE")


def _time(text: Any) -> dt.datetime:
    try:
        time = dt.datetime.fromisoformat(text)
        if time.tzinfo is None:
            raise InvalidInput("a time says in which zone it is: such as 2030-01-31T22:00:00Z", "TIME_INVALID")
        return time.astimezone(dt.UTC)
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidInput("a time is RFC 3339, such as 2030-01-31T22:00:00Z", "TIME_INVALID") from error
