"""Deliveries: one event on its way to one subscriber.

::

    waiting ──success──▶ delivered
      │ ▲                    │
      │ └── replayed ◀───────┤
      │ └── anything else, or no answer: again after the schedule's wait
      └──── the schedule is used up, or the subscription is disabled ──▶ failed
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from enum import StrEnum

from services.notify.domain.channels import Message, Secrets
from services.notify.domain.subscriptions import Subscription

MAX_ANSWER_CHARACTERS = 500
MAX_ERROR_CHARACTERS = 300


class DeliveryState(StrEnum):
    """Where a delivery stands."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event for one subscription. The message is frozen when the event happens, and the same at every try."""

    delivery_id: str
    subscription_id: str
    event_id: str
    event_type: str
    kind: str
    """Of the channel."""
    message: Message
    created: dt.datetime
    next_attempt: dt.datetime | None
    state: DeliveryState = DeliveryState.WAITING
    attempts: int = 0
    last_status: int | None = None
    last_error: str | None = None
    digest_id: str | None = None
    """Of the digest in which it goes out with others; none for what goes alone, and for what is still collected."""


@dataclass(frozen=True, slots=True)
class Answer:
    """How a receiver answered: a status of its own, or why there is none."""

    status: int | None = None
    retry_after_seconds: float = 0
    """How long it wants to be left alone."""
    error: str | None = None
    """Why this is no success; none for a success."""
    text: str = ""
    """The beginning of what it said."""
    is_gone: bool = False
    """The receiver wants nothing any more."""
    is_final: bool = False
    """This message will never be taken: trying again would change nothing."""
    is_untaken: bool = False
    """It was certainly not taken: what went out together may go out in another message."""
    is_well: bool = False
    """The receiver answers as it should: that it did not take this message is no sign of trouble with it."""
    not_yet_seconds: float | None = None
    """It could not be tried yet, through nobody's fault: again after so many seconds, and this was no try."""

    @property
    def is_success(self) -> bool:
        """True if the message has arrived."""
        return self.error is None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try, for people to look at."""

    time: dt.datetime
    """When it began."""
    milliseconds: int
    status: int | None
    error: str | None
    answer: str
    """Cut, and harmless to show on a terminal."""


@dataclass(frozen=True, slots=True)
class Health:
    """How a subscription's receiver has answered of late."""

    failures: int = 0
    """In a row, over all its deliveries."""
    failing_since: dt.datetime | None = None
    """Since when it only failed."""
    rests_until: dt.datetime | None = None
    """Nothing is sent there before."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A delivery that this worker may try now. `fence` proves it: a later claim of the subscription has a higher one."""

    delivery: Delivery
    """This try is counted."""
    subscription: Subscription
    health: Health
    fence: int
    time: dt.datetime
    """When the try begins."""
    secrets: Secrets = field(repr=False)


def shown_answer(content: bytes) -> str:
    """The beginning of what a receiver said, with everything invisible escaped: it may be meant for whoever reads the log."""
    return escaped(content.decode("utf-8", "replace"), MAX_ANSWER_CHARACTERS)


def escaped(text: str, most: int) -> str:
    """Text from outside, in one line of at most so many characters."""
    visible = "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text[:most])
    return visible[:most]
