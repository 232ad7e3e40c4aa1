"""Subscriptions: who is told of what, on which channel, and what became of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from odst_client.operations import Group, operation, wish
from shared.contracts.admin.subscriptions import (
    ChannelChange,
    ChannelWish,
    Delivery,
    DeliveryList,
    DeliveryWithTries,
    EventsReplayed,
    EventsReplayWish,
    FiltersWish,
    NewSecret,
    NewSubscription,
    Subscription,
    SubscriptionChange,
    SubscriptionList,
    SubscriptionWish,
    TestResult,
)


class Webhooks(Group):
    """`client.webhooks`."""

    @operation("POST", "/api/v1/subscriptions", creates=True)
    def subscribe(
        self,
        url: str,
        events: Sequence[str],
        *,
        channel: ChannelWish | None = None,
        filters: FiltersWish | None = None,
        description: str | None = None,
    ) -> NewSubscription:
        """Have events posted to `url`, signed by Standard Webhooks; or, with an empty `url`, sent on another `channel`.

        `events` are types, or patterns such as `package.*`.

        Returns:
            The subscription with the secret that was made for it, which is shown only now.

        Raises:
            CallFailed: CHANNEL_INVALID, WEBHOOK_URL_INVALID, WEBHOOK_TARGET_FORBIDDEN, WEBHOOK_TARGET_UNKNOWN, EVENT_PATTERN_INVALID.
        """
        fields = {"url": url or None, "events": list(events), "channel": channel, "filters": filters, "description": description}
        return self._read(self.subscribe, NewSubscription, wish(SubscriptionWish, **fields))

    @operation("GET", "/api/v1/subscriptions")
    def all(self) -> list[Subscription]:
        """List who is told of what."""
        return self._read(self.all, SubscriptionList).items

    @operation("GET", "/api/v1/subscriptions/{subscription_id}")
    def show(self, subscription_id: str) -> Subscription:
        """Show one."""
        return self._read(self.show, Subscription, subscription_id=subscription_id)

    @operation("PATCH", "/api/v1/subscriptions/{subscription_id}")
    def change(
        self,
        subscription_id: str,
        *,
        events: Sequence[str] | None = None,
        channel: ChannelChange | None = None,
        filters: FiltersWish | None = None,
        description: str | None = None,
        if_match: str | None = None,
    ) -> Subscription:
        """Give it other events, filters, settings of its channel, or another description; what is left out stays."""
        patterns = None if events is None else list(events)
        body = wish(SubscriptionChange, events=patterns, channel=channel, filters=filters, description=description)
        return self._read(self.change, Subscription, body, if_match=if_match, subscription_id=subscription_id)

    @operation("POST", "/api/v1/subscriptions/{subscription_id}/pause")
    def pause(self, subscription_id: str, *, if_match: str | None = None) -> Subscription:
        """Send nothing until it is resumed."""
        return self._read(self.pause, Subscription, if_match=if_match, subscription_id=subscription_id)

    @operation("POST", "/api/v1/subscriptions/{subscription_id}/resume")
    def resume(self, subscription_id: str, *, if_match: str | None = None) -> Subscription:
        """Send again, whether it was paused or disabled."""
        return self._read(self.resume, Subscription, if_match=if_match, subscription_id=subscription_id)

    @operation("POST", "/api/v1/subscriptions/{subscription_id}/owner")
    def take_over(self, subscription_id: str, *, if_match: str | None = None) -> Subscription:
        """Put it into one's own name, such as when its owner is gone; all else stays as it is."""
        return self._read(self.take_over, Subscription, if_match=if_match, subscription_id=subscription_id)

    @operation("POST", "/api/v1/subscriptions/{subscription_id}/secret", creates=True)
    def rotate_secret(self, subscription_id: str) -> NewSecret:
        """Make a new secret, which is shown only now; for a time, the one before signs beside it."""
        return self._read(self.rotate_secret, NewSecret, subscription_id=subscription_id)

    @operation("POST", "/api/v1/subscriptions/{subscription_id}/test")
    def test(self, subscription_id: str) -> TestResult:
        """Send a message of the type `webhook.test`; what came of it."""
        return self._read(self.test, TestResult, subscription_id=subscription_id)

    @operation("POST", "/api/v1/subscriptions/{subscription_id}/replay")
    def replay(self, subscription_id: str, since: dt.datetime, until: dt.datetime | None = None) -> EventsReplayed:
        """Send again what it wants of the events from `since` up to `until`, with the ids that they had the first time."""
        return self._read(self.replay, EventsReplayed, wish(EventsReplayWish, since=since, until=until), subscription_id=subscription_id)

    @operation("POST", "/api/v1/deliveries/{delivery_id}/replay")
    def replay_delivery(self, delivery_id: str) -> Delivery:
        """Send a delivery again, now, with the id that it had the first time."""
        return self._read(self.replay_delivery, Delivery, delivery_id=delivery_id)

    @operation("DELETE", "/api/v1/subscriptions/{subscription_id}")
    def unsubscribe(self, subscription_id: str, *, if_match: str | None = None) -> None:
        """End a subscription."""
        self._do(self.unsubscribe, if_match=if_match, subscription_id=subscription_id)

    @operation("GET", "/api/v1/deliveries")
    def deliveries_page(
        self,
        limit: int | None = None,
        *,
        after: str | None = None,
        subscription_id: str | None = None,
        state: str | None = None,
        event_type: str | None = None,
    ) -> DeliveryList:
        """Show what was sent to subscribers and what waits to be sent again, newest first; `next` is the `after` of the next page."""
        query = {"limit": limit, "after": after, "subscription_id": subscription_id, "state": state, "event_type": event_type}
        return self._read(self.deliveries_page, DeliveryList, query=query)

    def deliveries(self, limit: int | None = None, **filters: str | None) -> list[Delivery]:
        """The newest, at most `limit`; `filters` as above."""
        return self.deliveries_page(limit, **filters).items

    @operation("GET", "/api/v1/deliveries/{delivery_id}")
    def delivery(self, delivery_id: str) -> DeliveryWithTries:
        """Show one, with each of its tries."""
        return self._read(self.delivery, DeliveryWithTries, delivery_id=delivery_id)
