"""Claims in a database, with lease and fence: a claim is of a subscription, for its first delivery that is due.

`next_due` of a subscription follows from its waiting deliveries and its rest. Whoever changes these holds the lock of the
subscription's row when `next_due` is computed, so that nobody computes it from what is out of date.
"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Integer, and_, bindparam, case, func, insert, or_, select, update

from services.notify.adapters.rows import attempt_row, health_of, health_row, subscription_of, subscription_row
from services.notify.adapters.schema import ATTEMPTS, DELIVERIES, SUBSCRIPTIONS
from services.notify.domain.deliveries import Claim, Delivery, DeliveryState
from services.notify.domain.judging import Outcome
from services.notify.domain.subscriptions import Subscription, SubscriptionState
from shared.core.times import to_text, to_text_or_none

IS_WAITING = DELIVERIES.c.state == DeliveryState.WAITING.value
_LONGEST_LEASE = dt.timedelta(hours=2)
DISABLED_TEXT = "the subscription is disabled: {}"
NARROWED_TEXT = "the subscription was narrowed to staging tags after this was made: replay what is to be sent all the same"


_THIS = SUBSCRIPTIONS.c.subscription_id == bindparam("this")
_MINE = and_(_THIS, SUBSCRIPTIONS.c.fence == bindparam("held"))
_OF_THIS = DELIVERIES.c.subscription_id == bindparam("this")
# Statements are made once: making one anew for each delivery costs more than executing it.
_DUE = (
    select(SUBSCRIPTIONS.c.subscription_id)
    .where(
        SUBSCRIPTIONS.c.state == SubscriptionState.ACTIVE.value,
        SUBSCRIPTIONS.c.next_due <= bindparam("now"),
        or_(
            SUBSCRIPTIONS.c.lease_until.is_(None),
            SUBSCRIPTIONS.c.lease_until <= bindparam("now"),
            SUBSCRIPTIONS.c.lease_until > bindparam("nonsense"),
        ),
    )
    .order_by(SUBSCRIPTIONS.c.failures, SUBSCRIPTIONS.c.next_due)
    .limit(bindparam("most", type_=Integer))
    .with_for_update(skip_locked=True)
)
"""What another worker is just claiming is skipped. A lease that is longer than any may be was given by a clock that was wrong."""
_FIRST_DUE = (
    select(DELIVERIES, SUBSCRIPTIONS.c.encrypted_secret)
    .join(SUBSCRIPTIONS)
    .where(_OF_THIS, IS_WAITING, DELIVERIES.c.next_attempt <= bindparam("now"))
    .order_by(DELIVERIES.c.next_attempt, DELIVERIES.c.created, DELIVERIES.c.event_id)
    .limit(1)
)
_TAKE = update(SUBSCRIPTIONS).where(_THIS).values(fence=SUBSCRIPTIONS.c.fence + 1).returning(SUBSCRIPTIONS)
_GIVE_BACK = update(SUBSCRIPTIONS).where(_MINE).values(lease_until=None, fence=SUBSCRIPTIONS.c.fence + 1).returning(SUBSCRIPTIONS)
_HOLD = update(SUBSCRIPTIONS).where(_MINE).values(fence=SUBSCRIPTIONS.c.fence)
_WRITE = update(SUBSCRIPTIONS).where(_THIS)
_LOCK = update(SUBSCRIPTIONS).where(_THIS).values(next_due=None)
_FIRST = select(func.min(DELIVERIES.c.next_attempt)).where(_OF_THIS, IS_WAITING).scalar_subquery()
_REST = SUBSCRIPTIONS.c.rests_until
_COMPUTE_DUE = update(SUBSCRIPTIONS).where(_THIS).values(next_due=case((and_(_REST.is_not(None), _REST > _FIRST), _REST), else_=_FIRST))


_ALONE, _TOGETHER = DELIVERIES.c.delivery_id == bindparam("tried"), DELIVERIES.c.digest_id == bindparam("tried")
"""The deliveries that a try is about."""
_COUNT_ALONE = update(DELIVERIES).where(_ALONE).values(attempts=DELIVERIES.c.attempts + 1).returning(DELIVERIES)
_COUNT_TOGETHER = update(DELIVERIES).where(_TOGETHER).values(attempts=DELIVERIES.c.attempts + 1)


@functools.cache
def _ending(*, alone: bool, counted: bool) -> Any:
    ending = update(DELIVERIES).where(_ALONE if alone else _TOGETHER, IS_WAITING).returning(DELIVERIES.c.delivery_id)
    return ending if counted else ending.values(attempts=DELIVERIES.c.attempts - 1)


def rows_of_due(connection: Connection, now: dt.datetime, most: int) -> Iterator[Any]:
    """The first delivery of each subscription that is due, with the subscription's encrypted secrets; the subscriptions are locked."""
    time = to_text(now)
    which = {"now": time, "nonsense": to_text(now + _LONGEST_LEASE), "most": most}
    for subscription_id in connection.execute(_DUE, which).scalars().all():
        row = connection.execute(_FIRST_DUE, {"this": subscription_id, "now": time}).first()
        if row is None:
            set_due(connection, subscription_id)
        else:
            yield row


def taken(connection: Connection, lease_until: dt.datetime, delivery: Any) -> tuple[Any, Any]:
    """Claim a subscription for a delivery, and those that go out with it; the rows of both, with this try."""
    subscription = connection.execute(_TAKE, {"this": delivery.subscription_id, "lease_until": to_text(lease_until)}).one()
    if delivery.digest_id is None:
        return subscription, connection.execute(_COUNT_ALONE, {"tried": delivery.delivery_id}).one()
    connection.execute(_COUNT_TOGETHER, {"tried": delivery.digest_id})
    return subscription, connection.execute(select(DELIVERIES).where(DELIVERIES.c.delivery_id == delivery.delivery_id)).one()


def claim_of(delivery: Delivery, subscription: Any, secrets: Any, now: dt.datetime) -> Claim:
    """A delivery and the row of its subscription as a claim."""
    kept = subscription_of(subscription)
    return Claim(delivery, kept, health_of(subscription), subscription.fence, now, secrets)


def give_back(connection: Connection, claim: Claim) -> Any:
    """End a claim; the subscription's row, or none if the claim is not this worker's any more."""
    return connection.execute(_GIVE_BACK, {"this": claim.subscription.subscription_id, "held": claim.fence}).first()


def is_as_claimed(subscription: Any, claim: Claim) -> bool:
    """True if what a receiver answered still says something of the subscription's row: nobody has given it another one meanwhile."""
    then = claim.subscription
    return (subscription.changed, subscription.since) == (to_text_or_none(then.changed), to_text_or_none(then.since))


def write_health(connection: Connection, claim: Claim, outcome: Outcome) -> None:
    """Remember how the receiver answered."""
    connection.execute(_WRITE, {"this": claim.subscription.subscription_id} | health_row(outcome.health))


def write_outcome(connection: Connection, claim: Claim, outcome: Outcome) -> None:
    """Write what became of what was tried, as far as nothing else became of it meanwhile."""
    delivery = claim.delivery
    became = {
        "tried": delivery.digest_id or delivery.delivery_id,
        "state": outcome.state.value,
        "next_attempt": to_text_or_none(outcome.next_attempt),
        "last_status": outcome.attempt.status,
        "last_error": outcome.attempt.error,
    }
    settled = connection.execute(_ending(alone=delivery.digest_id is None, counted=outcome.counted), became).scalars().all()
    if settled and outcome.counted:
        connection.execute(insert(ATTEMPTS), [attempt_row(one, outcome.attempt) for one in settled])


def is_held(connection: Connection, claim: Claim) -> bool:
    """True if a claim is this worker's still; nobody else can take it before the end of this transaction."""
    return connection.execute(_HOLD, {"this": claim.subscription.subscription_id, "held": claim.fence}).rowcount > 0


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
    connection.execute(_LOCK, {"this": subscription_id})
    compute_due(connection, subscription_id)


def compute_due(connection: Connection, subscription_id: str) -> None:
    """The same, for whoever has locked its row already by changing it."""
    connection.execute(_COMPUTE_DUE, {"this": subscription_id})


def have_new(connection: Connection, subscription_ids: list[str], now: dt.datetime) -> None:
    """Have subscriptions, which have got something new, looked at now, or when their rest is over."""
    rest, known, time = SUBSCRIPTIONS.c.rests_until, SUBSCRIPTIONS.c.next_due, to_text(now)
    when = case((and_(rest.is_not(None), rest > time), rest), else_=time)
    sooner = case((or_(known.is_(None), known > when), when), else_=known)
    for start in range(0, len(subscription_ids), 500):
        some = SUBSCRIPTIONS.c.subscription_id.in_(subscription_ids[start : start + 500])
        connection.execute(update(SUBSCRIPTIONS).where(some).values(next_due=sooner))
