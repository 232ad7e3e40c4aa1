"""Webhooks: who is told of what, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence

from odst_client.operations import Group, operation, wish
from shared.contracts.admin.instance import Delivery, DeliveryList, NewSubscription, Subscription, SubscriptionList, SubscriptionWish


class Webhooks(Group):
    """`client.webhooks`."""

    @operation("POST", "/api/v1/subscriptions", creates=True)
    def subscribe(self, url: str, events: Sequence[str]) -> NewSubscription:
        """Have events posted to `url`, signed by Standard Webhooks; `events` are types, or patterns such as `package.*`.

        Returns:
            The subscription with its secret, which is shown only now.

        Raises:
            CallFailed: WEBHOOK_URL_INVALID, WEBHOOK_TARGET_FORBIDDEN, WEBHOOK_TARGET_UNKNOWN, EVENT_PATTERN_INVALID.
        """
        return self._read(self.subscribe, NewSubscription, wish(SubscriptionWish, url=url, events=list(events)))

    @operation("GET", "/api/v1/subscriptions")
    def all(self) -> list[Subscription]:
        """List who is told of what."""
        return self._read(self.all, SubscriptionList).items

    @operation("DELETE", "/api/v1/subscriptions/{subscription_id}")
    def unsubscribe(self, subscription_id: str) -> None:
        """End a subscription."""
        self._do(self.unsubscribe, subscription_id=subscription_id)

    @operation("GET", "/api/v1/deliveries")
    def deliveries(self, limit: int | None = None) -> list[Delivery]:
        """List what was sent to subscribers and what waits to be sent again, newest first; at most `limit`."""
        return self._read(self.deliveries, DeliveryList, query={"limit": limit}).items
