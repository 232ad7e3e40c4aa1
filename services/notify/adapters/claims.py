"""Claims in a database, with lease and fence: a claim is of a subscription, for its first delivery that is due.

`next_due` of a subscription follows from its waiting deliveries and its rest. Whoever changes these holds the lock of the
subscription's row when `next_due` is computed, so that nobody computes it from what is out of date.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, case, func, insert, or_, select, update

from services.notify.adapters.digests import tried_with
from services.notify.adapters.rows import attempt_row, health_of, health_row, subscription_of, subscription_row
from services.notify.adapters.schema import ATTEMPTS, DELIVERIES, SUBSCRIPTIONS
from services.notify.domain.deliveries import Claim, Delivery, DeliveryState
from services.notify.domain.judging import Outcome
from services.notify.domain.subscriptions import Subscription, SubscriptionState
from shared.core.times import to_text, to_text_or_none

IS_WAITING = DELIVERIES.c.state == DeliveryState.WAITING.value
DISABLED_TEXT = "the subscription is disabled: {}"
NARROWED_TEXT = "the subscription was narrowed to staging tags after this was made: replay what is to be sent all the same"


def due(now: dt.datetime, most: int) -> Select[Any]:
    """Ids of the subscriptions that may be claimed, locked; what another worker is just claiming is skipped."""
    time = to_text(now)
    free = or_(SUBSCRIPTIONS.c.lease_until.is_(None), SUBSCRIPTIONS.c.lease_until <= time)
    return (
        select(SUBSCRIPTIONS.c.subscription_id)
        .where(SUBSCRIPTIONS.c.state == SubscriptionState.ACTIVE.value, SUBSCRIPTIONS.c.next_due <= time, free)
        .order_by(SUBSCRIPTIONS.c.failures, SUBSCRIPTIONS.c.next_due)
        .limit(most)
        .with_for_update(skip_locked=True)
    )


def first_due(subscription_id: str, now: dt.datetime) -> Select[Any]:
    """The delivery of a subscription that is to be tried first."""
    this_one = and_(DELIVERIES.c.subscription_id == subscription_id, IS_WAITING, DELIVERIES.c.next_attempt <= to_text(now))
    return select(DELIVERIES).where(this_one).order_by(DELIVERIES.c.next_attempt, DELIVERIES.c.created, DELIVERIES.c.event_id).limit(1)


def taken(connection: Connection, subscription_id: str, lease_until: dt.datetime, delivery: Any) -> Any:
    """Claim a subscription for a delivery, and those that go out with it; the subscription's row."""
    this_one = SUBSCRIPTIONS.c.subscription_id == subscription_id
    lease = {"lease_until": to_text(lease_until), "fence": SUBSCRIPTIONS.c.fence + 1}
    connection.execute(update(SUBSCRIPTIONS).where(this_one).values(lease))
    these = tried_with(delivery.delivery_id, delivery.digest_id)
    connection.execute(update(DELIVERIES).where(these).values(attempts=DELIVERIES.c.attempts + 1))
    return connection.execute(select(SUBSCRIPTIONS).where(this_one)).one()


def rows_of_due(connection: Connection, now: dt.datetime, most: int) -> Iterator[Any]:
    """The first delivery of each subscription that is due."""
    for subscription_id in connection.execute(due(now, most)).scalars().all():
        row = connection.execute(first_due(subscription_id, now)).first()
        if row is None:
            set_due(connection, subscription_id)
        else:
            yield row


def claim_of(delivery: Delivery, subscription: Any, secrets: Any, now: dt.datetime) -> Claim:
    """A delivery and the row of its subscription as a claim."""
    kept = subscription_of(subscription)
    return Claim(delivery, kept, health_of(subscription), subscription.fence, now, secrets)


def give_back(connection: Connection, claim: Claim) -> Any:
    """End a claim; the subscription's row, or none if the claim is not this worker's any more."""
    values: dict[str, Any] = {"lease_until": None, "fence": SUBSCRIPTIONS.c.fence + 1}
    return connection.execute(update(SUBSCRIPTIONS).where(_held(claim)).values(values).returning(SUBSCRIPTIONS)).first()


def is_as_claimed(subscription: Any, claim: Claim) -> bool:
    """True if what a receiver answered still says something of the subscription's row: nobody has given it another one meanwhile."""
    then = claim.subscription
    return (subscription.changed, subscription.since) == (to_text_or_none(then.changed), to_text_or_none(then.since))


def write_health(connection: Connection, claim: Claim, outcome: Outcome) -> None:
    """Remember how the receiver answered."""
    this_one = SUBSCRIPTIONS.c.subscription_id == claim.subscription.subscription_id
    connection.execute(update(SUBSCRIPTIONS).where(this_one).values(health_row(outcome.health)))


def write_outcome(connection: Connection, claim: Claim, outcome: Outcome) -> None:
    """Write what became of what was tried, as far as nothing else became of it meanwhile."""
    these = and_(tried_with(claim.delivery.delivery_id, claim.delivery.digest_id), IS_WAITING)
    became: dict[str, Any] = {
        "state": outcome.state.value,
        "next_attempt": to_text_or_none(outcome.next_attempt),
        "last_status": outcome.attempt.status,
        "last_error": outcome.attempt.error,
    }
    if not outcome.counted:
        became["attempts"] = DELIVERIES.c.attempts - 1
    settled = connection.execute(update(DELIVERIES).where(these).values(became).returning(DELIVERIES.c.delivery_id)).scalars().all()
    if settled and outcome.counted:
        connection.execute(insert(ATTEMPTS), [attempt_row(one, outcome.attempt) for one in settled])


def is_held(connection: Connection, claim: Claim) -> bool:
    """True if a claim is this worker's still; nobody else can take it before the end of this transaction."""
    return connection.execute(update(SUBSCRIPTIONS).where(_held(claim)).values(fence=claim.fence)).rowcount > 0


def _held(claim: Claim) -> ColumnElement[bool]:
    return and_(SUBSCRIPTIONS.c.subscription_id == claim.subscription.subscription_id, SUBSCRIPTIONS.c.fence == claim.fence)


def write_disabled(connection: Connection, subscription: Subscription) -> bool:
    """Disable a subscription that is not disabled yet, and end all that waits for it; False if it was."""
    row = subscription_row(subscription)
    values = {name: row[name] for name in ("state", "reason", "since")}
    this_one = and_(SUBSCRIPTIONS.c.subscription_id == subscription.subscription_id, SUBSCRIPTIONS.c.state != row["state"])
    changed = connection.execute(update(SUBSCRIPTIONS).where(this_one).values(values)).rowcount > 0
    fail_waiting(connection, subscription.subscription_id, DISABLED_TEXT.format(subscription.reason))
    return changed


def fail_waiting(connection: Connection, subscription_id: str, reason: str) -> None:
    """End all deliveries that wait for a subscription."""
    rest = and_(DELIVERIES.c.subscription_id == subscription_id, IS_WAITING)
    ended = {"state": DeliveryState.FAILED.value, "next_attempt": None, "last_error": reason}
    connection.execute(update(DELIVERIES).where(rest).values(ended))


def set_due(connection: Connection, subscription_id: str) -> None:
    """Compute anew when a subscription is due. Its row is locked from here on, so what is computed in the second statement is so."""
    this_one = SUBSCRIPTIONS.c.subscription_id == subscription_id
    connection.execute(update(SUBSCRIPTIONS).where(this_one).values(next_due=None))
    first = select(func.min(DELIVERIES.c.next_attempt)).where(DELIVERIES.c.subscription_id == subscription_id, IS_WAITING).scalar_subquery()
    rest = SUBSCRIPTIONS.c.rests_until
    connection.execute(
        update(SUBSCRIPTIONS).where(this_one).values(next_due=case((and_(rest.is_not(None), rest > first), rest), else_=first))
    )


def have_new(connection: Connection, subscription_ids: list[str], now: dt.datetime) -> None:
    """Have subscriptions, which have got something new, looked at now, or when their rest is over."""
    rest, known, time = SUBSCRIPTIONS.c.rests_until, SUBSCRIPTIONS.c.next_due, to_text(now)
    when = case((and_(rest.is_not(None), rest > time), rest), else_=time)
    sooner = case((or_(known.is_(None), known > when), when), else_=known)
    for start in range(0, len(subscription_ids), 500):
        some = SUBSCRIPTIONS.c.subscription_id.in_(subscription_ids[start : start + 500])
        connection.execute(update(SUBSCRIPTIONS).where(some).values(next_due=sooner))
