"""Deliveries in a database, claimed with lease and fence."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection, Select, and_, delete, exists, func, insert, or_, select, update

from services.notify.adapters.rows import claim_of, delivery_of, delivery_row, subscription_of
from services.notify.adapters.schema import DELIVERIES, SUBSCRIPTIONS
from services.notify.domain.deliveries import GONE_REASON, Claim, Delivery, DeliveryState, Outcome
from services.notify.domain.subscriptions import Subscription, SubscriptionState
from shared.core.errors import SecretUnreadable
from shared.core.times import to_text, to_text_or_none
from shared.runtime.database import Database
from shared.runtime.logging import get_logger
from shared.runtime.secret_columns import SecretColumn

log = get_logger(__name__)
_UNREADABLE_WAIT = dt.timedelta(minutes=1)
"""How long deliveries of a subscription whose secret cannot be read wait before it is tried to read it again."""
_IS_WAITING = DELIVERIES.c.state == DeliveryState.WAITING.value


class DatabaseDeliveries:
    """`Deliveries` by SQLAlchemy."""

    def __init__(self, database: Database, secrets: SecretColumn) -> None:
        """`database` is migrated; `secrets` are those of the subscriptions."""
        self._database, self._secrets = database, secrets

    def make(self, choose: Callable[[Sequence[Subscription]], Sequence[Delivery]]) -> int:
        """Keep what `choose` wants delivered and is not here yet, in one transaction; how many."""
        with self._database.write(alone=True) as connection:
            subscriptions = [subscription_of(row, self._secrets) for row in connection.execute(select(SUBSCRIPTIONS))]
            new = [one for one in choose(subscriptions) if not _is_known(connection, one)]
            for one in new:
                connection.execute(insert(DELIVERIES).values(delivery_row(one)))
        return len(new)

    def claim(self, now: dt.datetime, lease_until: dt.datetime) -> Claim | None:
        """Take a delivery that is due for this worker alone."""
        taken = (
            update(DELIVERIES)
            .where(DELIVERIES.c.delivery_id == _due(now).scalar_subquery())
            .values(lease_until=to_text(lease_until), fence=DELIVERIES.c.fence + 1, attempts=DELIVERIES.c.attempts + 1)
            .returning(DELIVERIES.c.delivery_id)
        )
        claimed = select(DELIVERIES, SUBSCRIPTIONS.c.url, SUBSCRIPTIONS.c.encrypted_secret).join(SUBSCRIPTIONS)
        with self._database.write() as connection:
            while delivery_id := connection.execute(taken).scalar_one_or_none():
                row = connection.execute(claimed.where(DELIVERIES.c.delivery_id == delivery_id)).one()
                try:
                    return claim_of(row, self._secrets)
                except SecretUnreadable as error:
                    log.warning("delivery_waits", subscription_id=row.subscription_id, code=error.code, reason=str(error))
                    _let_wait(connection, row, now + _UNREADABLE_WAIT, str(error))
        return None

    def settle(self, claim: Claim, outcome: Outcome) -> bool:
        """Write what became of a claim, if it still is this worker's."""
        this_claim = and_(DELIVERIES.c.delivery_id == claim.delivery_id, DELIVERIES.c.fence == claim.fence, _IS_WAITING)
        change = (
            update(DELIVERIES)
            .where(this_claim)
            .values(
                state=outcome.state.value,
                next_attempt=to_text_or_none(outcome.next_attempt),
                last_status=outcome.last_status,
                last_error=outcome.last_error,
                lease_until=None,
            )
        )
        with self._database.write(alone=outcome.switches_off) as connection:
            settled = connection.execute(change).rowcount > 0
            if settled and outcome.switches_off:
                _switch_off(connection, claim.subscription_id)
        return settled

    def newest(self, limit: int) -> Sequence[Delivery]:
        """Up to `limit` deliveries, newest first."""
        newest_first = select(DELIVERIES).order_by(DELIVERIES.c.created.desc(), DELIVERIES.c.delivery_id).limit(limit)
        with self._database.read() as connection:
            return [delivery_of(row) for row in connection.execute(newest_first)]

    def prune(self, before: dt.datetime) -> int:
        """Forget old deliveries that are not waiting; how many."""
        old = delete(DELIVERIES).where(DELIVERIES.c.created < to_text(before), ~_IS_WAITING)
        with self._database.write() as connection:
            return connection.execute(old).rowcount

    def counts(self) -> dict[str, int]:
        """Numbers of subscriptions and of deliveries by state."""
        by_state = select(DELIVERIES.c.state, func.count().label("number")).group_by(DELIVERIES.c.state)
        with self._database.read() as connection:
            subscriptions = connection.scalar(select(func.count()).select_from(SUBSCRIPTIONS)) or 0
            states = {row.state: row.number for row in connection.execute(by_state)}
        return {
            "subscriptions": subscriptions,
            "deliveries_waiting": states.get(DeliveryState.WAITING.value, 0),
            "deliveries_failed": states.get(DeliveryState.FAILED.value, 0),
        }


def _due(now: dt.datetime) -> Select[tuple[str]]:
    """The id of the delivery to try next.

    On PostgreSQL, workers skip what another is just claiming, so in a rare race two deliveries of one subscription are under
    way; SQLite has one writer at a time.
    """
    other = DELIVERIES.alias()
    under_way = exists().where(other.c.subscription_id == DELIVERIES.c.subscription_id, other.c.lease_until > to_text(now))
    unclaimed = or_(DELIVERIES.c.lease_until.is_(None), DELIVERIES.c.lease_until <= to_text(now))
    return (
        select(DELIVERIES.c.delivery_id)
        .where(_IS_WAITING, DELIVERIES.c.next_attempt <= to_text(now), unclaimed, ~under_way)
        .order_by(DELIVERIES.c.attempts, DELIVERIES.c.next_attempt)
        .limit(1)
        .with_for_update(skip_locked=True)
    )


def _is_known(connection: Connection, delivery: Delivery) -> bool:
    same = select(DELIVERIES.c.delivery_id).where(
        DELIVERIES.c.subscription_id == delivery.subscription_id, DELIVERIES.c.event_id == delivery.event_id
    )
    return connection.execute(same).first() is not None


def _let_wait(connection: Connection, claimed: Any, until: dt.datetime, reason: str) -> None:
    """The delivery was not tried, and all of its subscription wait."""
    back = {"attempts": claimed.attempts - 1, "lease_until": None}
    connection.execute(update(DELIVERIES).where(DELIVERIES.c.delivery_id == claimed.delivery_id).values(back))
    due = and_(DELIVERIES.c.subscription_id == claimed.subscription_id, _IS_WAITING, DELIVERIES.c.next_attempt < to_text(until))
    connection.execute(update(DELIVERIES).where(due).values(next_attempt=to_text(until), last_error=reason))


def _switch_off(connection: Connection, subscription_id: str) -> None:
    this_one = SUBSCRIPTIONS.c.subscription_id == subscription_id
    connection.execute(update(SUBSCRIPTIONS).where(this_one).values(state=SubscriptionState.DISABLED.value))
    rest = and_(DELIVERIES.c.subscription_id == subscription_id, _IS_WAITING)
    ended = {"state": DeliveryState.FAILED.value, "next_attempt": None, "lease_until": None, "last_error": GONE_REASON}
    connection.execute(update(DELIVERIES).where(rest).values(ended))
