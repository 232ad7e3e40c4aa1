"""Deliveries: one event on its way to one receiver.

::

    waiting ──2xx──▶ delivered
      │ ▲
      │ └── any other answer, or none: again after the schedule's wait
      └──── the schedule is used up, or 410 ──▶ failed
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from typing import Any

from services.notify.domain.schedule import next_attempt
from shared.contracts.happening import Happening

MAX_BODY_BYTES = 20_000
"""Standard Webhooks asks for small payloads; larger ones are refused by some receivers."""
_CUT_CHARACTERS = 400
_SHOWN_ERROR = 300
GONE_REASON = "the receiver said that it is gone (410): the subscription is switched off"


class DeliveryState(StrEnum):
    """Where a delivery stands."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event for one subscription. The body is frozen when the event happens, and the same at every try."""

    delivery_id: str
    subscription_id: str
    event_id: str
    event_type: str
    body: bytes
    created: dt.datetime
    next_attempt: dt.datetime | None
    state: DeliveryState = DeliveryState.WAITING
    attempts: int = 0
    last_status: int | None = None
    last_error: str | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """A delivery that this worker may try now. `fence` proves it: a later claim has a higher one."""

    delivery_id: str
    subscription_id: str
    fence: int
    attempts: int
    """This try included."""
    event_id: str
    body: bytes
    url: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """How a receiver answered: a status, or why there is none."""

    status: int | None = None
    retry_after: str | None = None
    error: str | None = None

    @property
    def is_success(self) -> bool:
        """True for 2xx."""
        return self.status is not None and HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    @property
    def is_gone(self) -> bool:
        """True if the receiver wants nothing any more."""
        return self.status == HTTPStatus.GONE


@dataclass(frozen=True, slots=True)
class Outcome:
    """What becomes of a delivery after a try."""

    state: DeliveryState
    when: dt.datetime
    """Time of the try's end."""
    next_attempt: dt.datetime | None = None
    last_status: int | None = None
    last_error: str | None = None
    switches_off: bool = False
    """The subscription is disabled, and its other waiting deliveries fail."""


def judge(answer: Answer, attempts: int, now: dt.datetime, jitter: float) -> Outcome:
    """What follows from the answer to try number `attempts`."""
    if answer.is_success:
        return Outcome(DeliveryState.DELIVERED, now, last_status=answer.status)
    if answer.is_gone:
        return Outcome(DeliveryState.FAILED, now, None, answer.status, GONE_REASON, switches_off=True)
    again = next_attempt(attempts, now, jitter, answer.retry_after)
    state = DeliveryState.WAITING if again else DeliveryState.FAILED
    error = answer.error or f"the receiver answered {answer.status}"
    return Outcome(state, now, again, answer.status, error[:_SHOWN_ERROR])


def body_of(event_type: str, happening: Happening, instance: str, data: dict[str, Any]) -> bytes:
    """The frozen body: `{type, timestamp, instance, data}`, under 20 KB.

    Data that is too large has its texts cut: events carry identifiers and reasons, and a reason may be long.
    """
    document = {"type": event_type, "timestamp": _timestamp(happening.time), "instance": instance, "data": data}
    body = _encode(document)
    if len(body) < MAX_BODY_BYTES:
        return body
    return _encode(document | {"data": {key: value[:_CUT_CHARACTERS] if isinstance(value, str) else value for key, value in data.items()}})


def _encode(document: dict[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _timestamp(time: dt.datetime) -> str:
    return time.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
