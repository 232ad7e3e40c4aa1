"""Deliveries in a database."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection, and_, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from services.notify.adapters import claims, digests, kept_events, pruning
from services.notify.adapters.rows import attempt_of, delivery_of, delivery_row, secrets_of, subscription_of
from services.notify.adapters.schema import ATTEMPTS, DELIVERIES, SUBSCRIPTIONS
from services.notify.adapters.together import Together
from services.notify.domain.channels import Message, Told
from services.notify.domain.deliveries import Attempt, Claim, Delivery, DeliveryState
from services.notify.domain.digests import Digest
from services.notify.domain.judging import Outcome
from services.notify.domain.subscriptions import Subscription, SubscriptionState
from services.notify.ports import DeliverySearch
from shared.core.errors import InvalidInput, NotFound, SecretUnreadable
from shared.core.times import to_text, to_text_or_none, to_time
from shared.runtime.database import Database
from shared.runtime.logging import get_logger
from shared.runtime.outbox import Outbox
from shared.runtime.secret_columns import SecretColumn

log = get_logger(__name__)
PORTION = 1000
"""Rows that are forgotten in one transaction."""
_UNREADABLE_WAIT = dt.timedelta(minutes=1)
"""How long a subscription whose secrets cannot be read waits before it is tried to read them again."""


class DatabaseDeliveries:
    """`Deliveries` by SQLAlchemy."""

    def __init__(self, database: Database, secrets: SecretColumn, events: Outbox) -> None:
        """`database` is migrated; `secrets` are those of the subscriptions."""
        self._database, self._secrets, self._events = database, secrets, events
        self._together = Together(database)

    def make(self, told: Told, choose: Callable[[Sequence[Subscription]], Sequence[Delivery]]) -> int:
        """Keep an event, and what `choose` wants delivered of it, in one transaction; how many deliveries are new."""
        active = select(SUBSCRIPTIONS).where(SUBSCRIPTIONS.c.state == SubscriptionState.ACTIVE.value)
        with self._database.write(alone=True) as connection:
            if not kept_events.keep(connection, told):
                return 0
            return _insert(connection, choose([subscription_of(row) for row in connection.execute(active)]))

    def claim(self, now: dt.datetime, lease_until: dt.datetime, most: int) -> Sequence[Claim]:
        """Take up to so many deliveries that are due for this worker alone."""
        with self._database.write() as connection:
            found = [self._claim(connection, row, now, lease_until) for row in claims.rows_of_due(connection, now, most)]
        return [claim for claim in found if claim]

    def _claim(self, connection: Connection, delivery: Any, now: dt.datetime, lease_until: dt.datetime) -> Claim | None:
        try:
            secrets = secrets_of(self._secrets.decrypt(delivery.encrypted_secret, delivery.subscription_id))
        except SecretUnreadable as error:
            log.warning("delivery_waits", subscription_id=delivery.subscription_id, code=error.code, reason=str(error))
            _let_wait(connection, delivery.subscription_id, now + _UNREADABLE_WAIT, str(error))
            return None
        subscription, counted = claims.taken(connection, lease_until, delivery)
        return claims.claim_of(digests.frozen(connection, delivery_of(counted)), subscription, secrets, now)

    def freeze(self, claim: Claim, digest_id: str, write: Callable[[Digest], Message]) -> Claim | None:
        """Make what waits with a claim one message, if the claim still is this worker's."""
        with self._database.write() as connection:
            return digests.freeze(connection, claim, digest_id, write) if claims.is_held(connection, claim) else None

    def settle(self, claim: Claim, outcome: Outcome) -> bool:
        """Write what became of a claim, if it still is this worker's."""
        settled = self._together.write(lambda connection: self._settle(connection, claim, outcome), alone=outcome.disabled is not None)
        if settled and outcome.disabled:
            self._events.ring()
        return settled

    def _settle(self, connection: Connection, claim: Claim, outcome: Outcome) -> bool:
        subscription = claims.give_back(connection, claim)
        if subscription is None:
            return False
        claims.write_outcome(connection, claim, outcome)
        _write_digest(connection, claim, outcome)
        if claims.is_as_claimed(subscription, claim):
            self._write_consequences(connection, claim, outcome)
        claims.compute_due(connection, claim.subscription.subscription_id)
        return True

    def _write_consequences(self, connection: Connection, claim: Claim, outcome: Outcome) -> None:
        claims.write_health(connection, claim, outcome)
        if outcome.disabled and claims.write_disabled(connection, outcome.disabled.subscription):
            self._events.add(connection, *outcome.disabled.events)

    def listed(self, search: DeliverySearch, after: str | None, limit: int) -> tuple[Sequence[Delivery], str | None]:
        """Up to `limit` deliveries, newest first, and the place after them."""
        wanted = [getattr(DELIVERIES.c, name) == value for name, value in _given(search)]
        newest_first = select(DELIVERIES).where(*wanted, *_behind(after)).order_by(DELIVERIES.c.created.desc(), DELIVERIES.c.delivery_id)
        with self._database.read() as connection:
            rows = connection.execute(newest_first.limit(limit + 1)).all()
        following = f"{rows[limit - 1].created}~{rows[limit - 1].delivery_id}" if len(rows) > limit else None
        return [delivery_of(row) for row in rows[:limit]], following

    def find(self, delivery_id: str) -> tuple[Delivery, Sequence[Attempt]] | None:
        """One of them, with its tries."""
        with self._database.read() as connection:
            row = connection.execute(select(DELIVERIES).where(DELIVERIES.c.delivery_id == delivery_id)).first()
            if row is None:
                return None
            tries = select(ATTEMPTS).where(ATTEMPTS.c.delivery_id == delivery_id).order_by(ATTEMPTS.c.attempt_id)
            return delivery_of(row), [attempt_of(one) for one in connection.execute(tries)]

    def again(self, subscription_id: str, deliveries: Sequence[Delivery], check: Callable[[Subscription], None]) -> None:
        """Have these delivered from the first try on."""
        this_one = SUBSCRIPTIONS.c.subscription_id == subscription_id
        with self._database.write(alone=True) as connection:
            row = connection.execute(select(SUBSCRIPTIONS).where(this_one).with_for_update()).first()
            if row is None:
                raise NotFound(f"there is no subscription {subscription_id!r} any more")
            check(subscription_of(row))
            _insert(connection, deliveries)
            for delivery in deliveries:
                kept = and_(DELIVERIES.c.subscription_id == subscription_id, DELIVERIES.c.event_id == delivery.event_id)
                begun = {"state": DeliveryState.WAITING.value, "attempts": 0, "next_attempt": to_text_or_none(delivery.next_attempt)}
                connection.execute(update(DELIVERIES).where(kept).values(begun | {"digest_id": None}))
            connection.execute(update(SUBSCRIPTIONS).where(this_one).values(rests_until=None))
            claims.set_due(connection, subscription_id)

    def event(self, event_id: str) -> Told | None:
        """A kept event."""
        with self._database.read() as connection:
            return kept_events.find(connection, event_id)

    def events_between(self, since: dt.datetime, until: dt.datetime, limit: int) -> Sequence[Told]:
        """Kept events of that time, oldest first."""
        with self._database.read() as connection:
            return kept_events.between(connection, since, until, limit)

    def prune(self, before: dt.datetime, most_events: int) -> int:
        """Forget old deliveries that are not waiting, and old events; how many deliveries."""
        self._in_portions(lambda connection: kept_events.prune(connection, before, most_events, PORTION))
        number = self._in_portions(lambda connection: pruning.prune(connection, before, PORTION))
        self._in_portions(lambda connection: digests.prune(connection, before, PORTION))
        return number

    def _in_portions(self, prune: Callable[[Connection], int]) -> int:
        """Do it until there is less than a portion, each in a transaction of its own: others get their turn in between."""
        number, portion = 0, PORTION
        while portion >= PORTION:
            with self._database.write() as connection:
                portion = prune(connection)
            number += portion
        return number

    def give_up(self, before: dt.datetime) -> int:
        """End deliveries that have waited since before that time; how many."""
        return self._in_portions(lambda connection: pruning.give_up(connection, before, PORTION))

    def put_right(self, now: dt.datetime) -> int:
        """Have tried now what was to wait for longer than anything may; of how many subscriptions."""
        with self._database.write() as connection:
            return pruning.put_right(connection, now)

    def counts(self) -> dict[str, int]:
        """Numbers of subscriptions, and of deliveries that wait or failed; those that arrived, which are most, are not looked at."""
        counted = DELIVERIES.c.state.in_((DeliveryState.WAITING.value, DeliveryState.FAILED.value))
        by_state = select(DELIVERIES.c.state, func.count().label("number")).where(counted).group_by(DELIVERIES.c.state)
        with self._database.read() as connection:
            subscriptions = connection.scalar(select(func.count()).select_from(SUBSCRIPTIONS)) or 0
            states = {row.state: row.number for row in connection.execute(by_state)}
        return {
            "subscriptions": subscriptions,
            "deliveries_waiting": states.get(DeliveryState.WAITING.value, 0),
            "deliveries_failed": states.get(DeliveryState.FAILED.value, 0),
        }


@functools.lru_cache(maxsize=2)
def _inserting(dialect: str) -> Any:
    return (sqlite if dialect == "sqlite" else postgresql).insert(DELIVERIES).on_conflict_do_nothing().returning(DELIVERIES.c.delivery_id)


def _insert(connection: Connection, deliveries: Sequence[Delivery]) -> int:
    """Keep those that are new, and have their subscriptions looked at; how many."""
    if not deliveries:
        return 0
    kept = connection.execute(_inserting(connection.dialect.name), [delivery_row(one) for one in deliveries]).all()
    claims.have_new(connection, list({one.subscription_id for one in deliveries}), deliveries[0].created)
    return len(kept)


def _write_digest(connection: Connection, claim: Claim, outcome: Outcome) -> None:
    if claim.delivery.digest_id is None:
        return
    if outcome.untaken:
        digests.count_untaken(connection, claim.delivery.digest_id)
    elif outcome.state is DeliveryState.DELIVERED:
        digests.thaw(connection, claim.subscription.subscription_id, claim.time)


def _let_wait(connection: Connection, subscription_id: str, until: dt.datetime, reason: str) -> None:
    """Nothing was tried; all of the subscription waits."""
    this_one = SUBSCRIPTIONS.c.subscription_id == subscription_id
    connection.execute(update(SUBSCRIPTIONS).where(this_one).values(rests_until=to_text(until)))
    waiting = and_(DELIVERIES.c.subscription_id == subscription_id, claims.IS_WAITING, DELIVERIES.c.last_error.is_distinct_from(reason))
    connection.execute(update(DELIVERIES).where(waiting).values(last_error=reason))
    claims.set_due(connection, subscription_id)


def _given(search: DeliverySearch) -> list[tuple[str, str]]:
    fields = {"subscription_id": search.subscription_id, "state": search.state, "event_type": search.event_type}
    return [(name, value) for name, value in fields.items() if value is not None]


def _behind(after: str | None) -> list[Any]:
    """What is further down the list than this place."""
    if after is None:
        return []
    created, _, delivery_id = after.partition("~")
    try:
        to_time(created)
    except ValueError as error:
        raise InvalidInput("`after` is the `next` of the page before", "CURSOR_INVALID") from error
    columns = DELIVERIES.c
    # The first condition follows from the second, but only by it an index leads to the place.
    return [columns.created <= created, or_(columns.created < created, and_(columns.created == created, columns.delivery_id > delivery_id))]
