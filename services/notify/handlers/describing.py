"""Subscriptions and deliveries as the Admin API shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from services.notify.domain.deliveries import Attempt, Delivery, DeliveryState
from services.notify.domain.subscriptions import Subscription
from shared.core.times import rfc3339, rfc3339_or_none
from shared.core.versions import SUBSCRIPTION, check_expected


def describe_subscription(subscription: Subscription) -> dict[str, Any]:
    """A subscription, without what of its channel is secret."""
    shown = subscription.channel.shown()
    return {
        "subscription_id": subscription.subscription_id,
        "channel": {"kind": subscription.channel.kind, "settings": shown},
        "url": shown.get("url"),
        "events": list(subscription.events),
        "filters": subscription.filters.as_json(),
        "within": None if subscription.within is None else sorted(subscription.within),
        "description": subscription.description,
        "state": subscription.state.value,
        "reason": subscription.reason and subscription.reason.value,
        "since": rfc3339(subscription.since or subscription.created),
        "created_by": subscription.created_by,
        "owner_id": subscription.owner_id,
        "created": rfc3339(subscription.created),
        "changed": rfc3339_or_none(subscription.changed),
        "secret_readable": subscription.secret_readable,
    }


def check_version(expected: object, kept: Subscription) -> None:
    """Let pass a subscription as it was expected; ask within the transaction of its change.

    Raises:
        PreconditionFailed: if it has none of the versions that are `expected`.
    """
    check_expected(expected, describe_subscription(kept), SUBSCRIPTION)


def describe_delivery(delivery: Delivery) -> dict[str, Any]:
    """A delivery, without its message."""
    waits = delivery.state is DeliveryState.WAITING
    return {
        "delivery_id": delivery.delivery_id,
        "subscription_id": delivery.subscription_id,
        "event_id": delivery.event_id,
        "event_type": delivery.event_type,
        "kind": delivery.kind,
        "created": rfc3339(delivery.created),
        "state": delivery.state.value,
        "attempts": delivery.attempts,
        "last_status": delivery.last_status,
        "last_error": delivery.last_error,
        "next_attempt": rfc3339_or_none(delivery.next_attempt) if waits else None,
    }


def describe_tries(delivery: Delivery, attempts: Sequence[Attempt]) -> dict[str, Any]:
    """A delivery with each of its tries, oldest first."""
    return describe_delivery(delivery) | {"tries": [describe_attempt(one) for one in attempts]}


def describe_attempt(attempt: Attempt) -> dict[str, Any]:
    """A try."""
    return {
        "time": rfc3339(attempt.time),
        "milliseconds": attempt.milliseconds,
        "status": attempt.status,
        "error": attempt.error,
        "answer": attempt.answer,
    }
