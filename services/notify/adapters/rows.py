"""Between rows and values."""

from __future__ import annotations

import dataclasses
from typing import Any

from services.notify.domain.deliveries import Claim, Delivery, DeliveryState
from services.notify.domain.subscriptions import Subscription, SubscriptionState
from shared.core.times import to_text, to_text_or_none, to_time
from shared.runtime.secret_columns import SecretColumn
from shared.runtime.vault import Encrypted

_CLAIM_FIELDS = [field.name for field in dataclasses.fields(Claim) if field.name != "secret"]
_DELIVERY_FIELDS = [field.name for field in dataclasses.fields(Delivery)]


def subscription_row(subscription: Subscription, encrypted: Encrypted) -> dict[str, Any]:
    """A subscription as a row; patterns hold no spaces."""
    changed = {"events": " ".join(subscription.events), "state": subscription.state.value, "created": to_text(subscription.created)}
    fields = dataclasses.asdict(subscription) | changed | {"encrypted_secret": encrypted}
    del fields["secret_readable"]
    return fields


def subscription_of(row: Any, secrets: SecretColumn) -> Subscription:
    """A row as a subscription."""
    fields = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's documented way to a mapping
    readable = secrets.can_read(fields.pop("encrypted_secret"), row.subscription_id)
    changed = {"events": tuple(row.events.split()), "state": SubscriptionState(row.state), "created": to_time(row.created)}
    return Subscription(**fields | changed, secret_readable=readable)


def delivery_row(delivery: Delivery) -> dict[str, Any]:
    """A delivery as a row."""
    changed = {"state": delivery.state.value, "created": to_text(delivery.created), "next_attempt": to_text_or_none(delivery.next_attempt)}
    return dataclasses.asdict(delivery) | changed


def delivery_of(row: Any) -> Delivery:
    """A row as a delivery."""
    fields = {name: getattr(row, name) for name in _DELIVERY_FIELDS}
    again = to_time(row.next_attempt) if row.next_attempt else None
    return Delivery(**fields | {"state": DeliveryState(row.state), "created": to_time(row.created), "next_attempt": again})


def claim_of(row: Any, secrets: SecretColumn) -> Claim:
    """A joined row as a claim.

    Raises:
        SecretUnreadable: if its secret cannot be read.
    """
    secret = secrets.decrypt(row.encrypted_secret, row.subscription_id)
    return Claim(**{name: getattr(row, name) for name in _CLAIM_FIELDS}, secret=secret)
