"""Between rows and values."""

from __future__ import annotations

import json
from typing import Any

from services.notify.domain.channels import Message, Secrets, restore_channel
from services.notify.domain.channels.webhook import SECRET
from services.notify.domain.deliveries import Attempt, Delivery, DeliveryState, Health
from services.notify.domain.filters import read_filters
from services.notify.domain.subscriptions import Reason, Subscription, SubscriptionState
from shared.core.times import to_text, to_text_or_none, to_time, to_time_or_none


def subscription_row(subscription: Subscription) -> dict[str, Any]:
    """A subscription as a row, but for its secrets; patterns hold no spaces."""
    return {
        "subscription_id": subscription.subscription_id,
        "kind": subscription.channel.kind,
        "settings": json.dumps(subscription.channel.shown()),
        "events": " ".join(subscription.events),
        "filters": json.dumps(subscription.filters.as_json()) if subscription.filters.are_any else "{}",
        "within": None if subscription.within is None else " ".join(sorted(subscription.within)),
        "created_by": subscription.created_by,
        "owner_id": subscription.owner_id,
        "description": subscription.description,
        "created": to_text(subscription.created),
        "changed": to_text_or_none(subscription.changed),
        "state": subscription.state.value,
        "reason": subscription.reason and subscription.reason.value,
        "since": to_text_or_none(subscription.since),
    }


def subscription_of(row: Any, *, secret_readable: bool = True) -> Subscription:
    """A row as a subscription."""
    return Subscription(
        row.subscription_id,
        restore_channel(row.kind, json.loads(row.settings)),
        tuple(row.events.split()),
        row.created_by,
        to_time(row.created),
        row.owner_id,
        read_filters(json.loads(row.filters)),
        None if row.within is None else frozenset(row.within.split()),
        row.description,
        SubscriptionState(row.state),
        Reason(row.reason) if row.reason else None,
        to_time_or_none(row.since),
        to_time_or_none(row.changed),
        secret_readable,
    )


def health_of(row: Any) -> Health:
    """How the receiver of a subscription's row has answered of late."""
    return Health(row.failures, to_time_or_none(row.failing_since), to_time_or_none(row.rests_until))


def health_row(health: Health) -> dict[str, Any]:
    """The same, to be written."""
    return {
        "failures": health.failures,
        "failing_since": to_text_or_none(health.failing_since),
        "rests_until": to_text_or_none(health.rests_until),
    }


def secrets_text(secrets: Secrets) -> str:
    """Secrets of a channel as what is encrypted."""
    return json.dumps(dict(secrets))


def secrets_of(text: str) -> Secrets:
    """The same, decrypted; before there were channels, it was the secret of a webhook alone."""
    return dict(json.loads(text)) if text.startswith("{") else {SECRET: text}


def delivery_row(delivery: Delivery) -> dict[str, Any]:
    """A delivery as a row."""
    return {
        "delivery_id": delivery.delivery_id,
        "subscription_id": delivery.subscription_id,
        "event_id": delivery.event_id,
        "event_type": delivery.event_type,
        "kind": delivery.kind,
        "body": delivery.message.content,
        "content_type": delivery.message.content_type,
        "created": to_text(delivery.created),
        "state": delivery.state.value,
        "attempts": delivery.attempts,
        "next_attempt": to_text_or_none(delivery.next_attempt),
        "last_status": delivery.last_status,
        "last_error": delivery.last_error,
        "digest_id": delivery.digest_id,
    }


def delivery_of(row: Any) -> Delivery:
    """A row as a delivery."""
    return Delivery(
        row.delivery_id,
        row.subscription_id,
        row.event_id,
        row.event_type,
        row.kind,
        Message(row.body, row.content_type),
        to_time(row.created),
        to_time_or_none(row.next_attempt),
        DeliveryState(row.state),
        row.attempts,
        row.last_status,
        row.last_error,
        row.digest_id,
    )


def attempt_row(delivery_id: str, attempt: Attempt) -> dict[str, Any]:
    """A try as a row."""
    return {
        "delivery_id": delivery_id,
        "time": to_text(attempt.time),
        "milliseconds": attempt.milliseconds,
        "status": attempt.status,
        "error": attempt.error,
        "answer": attempt.answer,
    }


def attempt_of(row: Any) -> Attempt:
    """A row as a try."""
    return Attempt(to_time(row.time), row.milliseconds, row.status, row.error, row.answer)
