"""Subscriptions in a database."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, delete, func, insert, or_, select, update

from services.notify.adapters.claims import DISABLED_TEXT, NARROWED_TEXT, fail_waiting, set_due
from services.notify.adapters.rows import health_row, secrets_of, secrets_text, subscription_of, subscription_row
from services.notify.adapters.schema import DELIVERIES, SUBSCRIPTIONS
from services.notify.domain.channels import Secrets
from services.notify.domain.deliveries import Health
from services.notify.domain.subscriptions import Changed, Subscription, SubscriptionState
from shared.core.errors import Conflict, NotFound
from shared.runtime.database import Database
from shared.runtime.outbox import Outbox
from shared.runtime.secret_columns import SecretColumn

MOST_SUBSCRIPTIONS = 10_000
"""Each makes a row of each event that it wants."""


class DatabaseSubscriptions:
    """`Subscriptions` by SQLAlchemy."""

    def __init__(self, database: Database, secrets: SecretColumn, events: Outbox) -> None:
        """`database` is migrated; `secrets` are those of the subscriptions."""
        self._database, self._secrets, self._events = database, secrets, events

    def add(self, subscription: Subscription, secrets: Secrets) -> None:
        """Keep a new one, its secrets encrypted."""
        encrypted = self._secrets.encrypt(secrets_text(secrets), subscription.subscription_id)
        with self._database.write(alone=True) as connection:
            if (connection.scalar(select(func.count()).select_from(SUBSCRIPTIONS)) or 0) >= MOST_SUBSCRIPTIONS:
                raise Conflict(f"there are {MOST_SUBSCRIPTIONS} subscriptions, and no more: end some of them", "SUBSCRIPTIONS_FULL")
            connection.execute(insert(SUBSCRIPTIONS).values(subscription_row(subscription) | {"encrypted_secret": encrypted}))

    def all(self) -> Sequence[Subscription]:
        """All of them, newest first."""
        newest_first = select(SUBSCRIPTIONS).order_by(SUBSCRIPTIONS.c.created.desc(), SUBSCRIPTIONS.c.subscription_id)
        with self._database.read() as connection:
            return [self._subscription(row) for row in connection.execute(newest_first)]

    def find(self, subscription_id: str) -> Subscription | None:
        """One of them."""
        with self._database.read() as connection:
            row = _row(connection, subscription_id)
            return self._subscription(row) if row else None

    def _subscription(self, row: Any) -> Subscription:
        return subscription_of(row, secret_readable=self._secrets.can_read(row.encrypted_secret, row.subscription_id))

    def secrets_of(self, subscription_id: str) -> Secrets:
        """What of its channel is secret."""
        with self._database.read() as connection:
            return dict(self._opened(_known(connection, subscription_id)))

    def _opened(self, row: Any) -> Secrets:
        return secrets_of(self._secrets.decrypt(row.encrypted_secret, row.subscription_id))

    def change(self, subscription_id: str, change: Callable[[Subscription, Secrets], Changed]) -> Subscription:
        """Let `change` decide in one transaction; keep that."""
        with self._database.write(alone=True) as connection:
            row = _known(connection, subscription_id)
            before = self._subscription(row)
            changed = change(before, _Lazily(lambda: self._opened(row)))
            values = subscription_row(changed.subscription)
            if changed.secrets is not None:
                values["encrypted_secret"] = self._secrets.encrypt(secrets_text(changed.secrets), subscription_id)
            if _begins_anew(before, changed):
                values |= health_row(Health())
            this_one = SUBSCRIPTIONS.c.subscription_id == subscription_id
            connection.execute(update(SUBSCRIPTIONS).where(this_one).values(values))
            if changed.subscription.state is SubscriptionState.DISABLED:
                fail_waiting(connection, subscription_id, DISABLED_TEXT.format(changed.subscription.reason))
            elif changed.subscription.is_narrower_than(before):
                fail_waiting(connection, subscription_id, NARROWED_TEXT)
            set_due(connection, subscription_id)
            self._events.add(connection, *changed.events)
        self._events.ring()
        return self._found(subscription_id)

    def _found(self, subscription_id: str) -> Subscription:
        with self._database.read() as connection:
            return self._subscription(_known(connection, subscription_id))

    def ask_for_packages(self) -> bool:
        """True if one that is active has filters or a limit."""
        asking = select(SUBSCRIPTIONS.c.subscription_id).where(
            SUBSCRIPTIONS.c.state == SubscriptionState.ACTIVE.value,
            or_(SUBSCRIPTIONS.c.filters != "{}", SUBSCRIPTIONS.c.within.is_not(None)),
        )
        with self._database.read() as connection:
            return connection.execute(asking.limit(1)).first() is not None

    def remove(self, subscription_id: str, check: Callable[[Subscription], None]) -> None:
        """Forget one with its deliveries, if `check` lets it pass."""
        with self._database.write(alone=True) as connection:
            # Its row first, as whoever settles does: two who lock in another order wait for each other.
            connection.execute(select(SUBSCRIPTIONS.c.fence).where(SUBSCRIPTIONS.c.subscription_id == subscription_id).with_for_update())
            check(self._subscription(_known(connection, subscription_id)))
            connection.execute(delete(DELIVERIES).where(DELIVERIES.c.subscription_id == subscription_id))
            connection.execute(delete(SUBSCRIPTIONS).where(SUBSCRIPTIONS.c.subscription_id == subscription_id))


def _begins_anew(before: Subscription, changed: Changed) -> bool:
    """True if how its receiver has answered of late says nothing of how it will."""
    is_elsewhere = changed.subscription.channel != before.channel or changed.secrets is not None
    return is_elsewhere or (changed.subscription.is_active and not before.is_active)


def _row(connection: Connection, subscription_id: str) -> Any:
    return connection.execute(select(SUBSCRIPTIONS).where(SUBSCRIPTIONS.c.subscription_id == subscription_id)).first()


def _known(connection: Connection, subscription_id: str) -> Any:
    row = _row(connection, subscription_id)
    if row is None:
        raise NotFound(f"there is no subscription {str(subscription_id)[:40]!r}")
    return row


class _Lazily(Mapping[str, str]):
    """Secrets that are decrypted when the first of them is asked for: what cannot be read can still be paused."""

    def __init__(self, open_: Callable[[], Secrets]) -> None:
        self._open = open_
        self._opened: Secrets | None = None

    def _known(self) -> Secrets:
        if self._opened is None:
            self._opened = self._open()
        return self._opened

    def __getitem__(self, name: str) -> str:
        return self._known()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._known())

    def __len__(self) -> int:
        return len(self._known())
