"""What becomes of deliveries that are old, or that wait for what never comes, within the transactions of others."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import Connection, and_, delete, select, update

from services.notify.adapters.claims import IS_WAITING, set_due
from services.notify.adapters.schema import DELIVERIES, SUBSCRIPTIONS
from services.notify.domain.deliveries import DeliveryState
from shared.core.times import to_text

WAITED_TEXT = "it waited for too long: its subscription was paused, or its secret could not be read"
_LONGEST = dt.timedelta(hours=27)
"""No schedule, no receiver and no pace makes anything wait longer: a day, a tenth of it, and the hour that some days have more."""


def prune(connection: Connection, before: dt.datetime, most: int) -> int:
    """Forget some deliveries from before that time that do not wait; how many."""
    old = select(DELIVERIES.c.delivery_id).where(DELIVERIES.c.created < to_text(before), ~IS_WAITING).limit(most)
    return connection.execute(delete(DELIVERIES).where(DELIVERIES.c.delivery_id.in_(old))).rowcount


def give_up(connection: Connection, before: dt.datetime, most: int) -> int:
    """End some deliveries from before that time that still wait; how many."""
    old = select(DELIVERIES.c.delivery_id).where(DELIVERIES.c.created < to_text(before), IS_WAITING).limit(most)
    ended = {"state": DeliveryState.FAILED.value, "next_attempt": None, "last_error": WAITED_TEXT}
    return connection.execute(update(DELIVERIES).where(DELIVERIES.c.delivery_id.in_(old)).values(ended)).rowcount


def put_right(connection: Connection, now: dt.datetime) -> int:
    """Have tried now what was to wait for longer than anything may: a clock that was ahead wrote that; of how many subscriptions."""
    beyond = to_text(now + _LONGEST)
    found = connection.execute(select(SUBSCRIPTIONS.c.subscription_id).where(SUBSCRIPTIONS.c.next_due > beyond)).scalars().all()
    for subscription_id in found:
        connection.execute(update(SUBSCRIPTIONS).where(SUBSCRIPTIONS.c.subscription_id == subscription_id).values(rests_until=None))
        these = and_(DELIVERIES.c.subscription_id == subscription_id, IS_WAITING, DELIVERIES.c.next_attempt > beyond)
        connection.execute(update(DELIVERIES).where(these).values(next_attempt=to_text(now)))
        set_due(connection, subscription_id)
    return len(found)
