"""Subscriptions in a database."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, insert, select

from services.notify.adapters.rows import subscription_of, subscription_row
from services.notify.adapters.schema import DELIVERIES, SUBSCRIPTIONS
from services.notify.domain.subscriptions import Subscription
from shared.runtime.database import Database
from shared.runtime.secret_columns import SecretColumn


class DatabaseSubscriptions:
    """`Subscriptions` by SQLAlchemy."""

    def __init__(self, database: Database, secrets: SecretColumn) -> None:
        """`database` is migrated; `secrets` are those of the subscriptions."""
        self._database, self._secrets = database, secrets

    def add(self, subscription: Subscription, secret: str) -> None:
        """Keep a new one, its secret encrypted."""
        encrypted = self._secrets.encrypt(secret, subscription.subscription_id)
        with self._database.write() as connection:
            connection.execute(insert(SUBSCRIPTIONS).values(subscription_row(subscription, encrypted)))

    def all(self) -> Sequence[Subscription]:
        """All of them, newest first."""
        newest_first = select(SUBSCRIPTIONS).order_by(SUBSCRIPTIONS.c.created.desc(), SUBSCRIPTIONS.c.subscription_id)
        with self._database.read() as connection:
            return [subscription_of(row, self._secrets) for row in connection.execute(newest_first)]

    def remove(self, subscription_id: str) -> bool:
        """Forget one with its deliveries; False if it is not there."""
        with self._database.write(alone=True) as connection:
            connection.execute(delete(DELIVERIES).where(DELIVERIES.c.subscription_id == subscription_id))
            gone = connection.execute(delete(SUBSCRIPTIONS).where(SUBSCRIPTIONS.c.subscription_id == subscription_id))
            return gone.rowcount > 0
