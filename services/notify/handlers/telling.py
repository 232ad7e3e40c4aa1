"""Events become deliveries."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from services.notify.domain.channels import Told
from services.notify.domain.deliveries import Delivery
from services.notify.domain.filters import Package
from services.notify.domain.pacing import Pacing
from services.notify.domain.subscriptions import Subscription
from services.notify.ports import Deliveries, Packages, Subscriptions
from shared.contracts.events import Event
from shared.contracts.happening import Happening
from shared.core.errors import Locked

Clock = Callable[[], dt.datetime]
"""The present time, in UTC."""


@dataclass
class About:
    """Finds out what an event is about."""

    packages: Packages

    def package_of(self, told: Told) -> Package | None:
        """The package that an event is about, with what is known of it now; None if it is about none.

        Of a package that storage does not know, there is the name alone that the event has.

        Raises:
            ServiceUnavailable: if storage does not answer.
        """
        package_id = told.data.get("package_id")
        if not isinstance(package_id, str):
            return None
        name = told.data.get("name")
        return self.packages.find(package_id) or Package(str(name) if name else None)


@dataclass
class Telling:
    """Makes deliveries."""

    subscriptions: Subscriptions
    deliveries: Deliveries
    about: About
    ring: Callable[[], None]
    """Wakes whoever delivers."""
    instance: str
    clock: Clock
    pacing: Pacing = field(default_factory=Pacing)
    """When what is collected is sent."""

    def tell(self, event: Event, happening: Happening) -> None:
        """Make a delivery for each subscription that wants this event; seen twice, it makes nothing new.

        Raises:
            ServiceUnavailable: if somebody wants to know what its package is, and storage does not answer.
        """
        told = Told(happening.event_id, event.type, happening.time, self.instance, event.model_dump(mode="json"))
        is_known = self.subscriptions.ask_for_packages()
        package = self.about.package_of(told) if is_known else None

        def choose(subscriptions: Sequence[Subscription]) -> list[Delivery]:
            if not is_known and any(one.asks_for_package for one in subscriptions):
                raise Locked("a subscription with filters was made just now")
            return [delivery_of(one, told, self.clock(), self.pacing) for one in subscriptions if one.wants(told.event_type, package)]

        if self.deliveries.make(told, choose):
            self.ring()


def delivery_of(subscription: Subscription, told: Told, now: dt.datetime, pacing: Pacing | None = None) -> Delivery:
    """A delivery, its message frozen, that is due now, or by the pace of its channel."""
    return Delivery(
        str(uuid.uuid4()),
        subscription.subscription_id,
        told.event_id,
        told.event_type,
        subscription.channel.kind,
        subscription.channel.message(told),
        now,
        pacing.due(subscription.channel, now) if pacing else now,
    )
