"""Columns for secrets. Their type takes nothing that is not encrypted, so that no secret is stored as it is by mistake.

::

    Column("encrypted_secret", EncryptedText, nullable=False)                 in schema.py
    secrets = SecretColumn(vault, "notify", SUBSCRIPTIONS.c.encrypted_secret) in wiring.py

    insert(SUBSCRIPTIONS).values(…, encrypted_secret=secrets.encrypt(plain, subscription_id))
    plain = secrets.decrypt(row.encrypted_secret, row.subscription_id)

A service calls `renew` when it starts and in its sweep: what was stored before there was a vault, or under an older key, is encrypted
by the newest one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Connection, Dialect, Text, select, type_coerce, update
from sqlalchemy.types import TypeDecorator

from shared.core.errors import SecretUnreadable
from shared.runtime.database import Database
from shared.runtime.logging import get_logger
from shared.runtime.vault import Encrypted, Place, Vault

log = get_logger(__name__)
_AT_ONCE = 100
"""Secrets that are encrypted anew in one transaction."""


class EncryptedText(TypeDecorator[Encrypted]):
    """Text that is encrypted: `Encrypted` in Python, and nothing else."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:  # noqa: ARG002 - as SQLAlchemy calls it
        """What is stored.

        Raises:
            TypeError: if it is not encrypted.
        """
        if value is not None and not isinstance(value, Encrypted):
            raise TypeError("a secret is stored encrypted: use SecretColumn.encrypt")
        return value.text if value else None

    def process_result_value(self, value: Any, dialect: Dialect) -> Encrypted | None:  # noqa: ARG002 - as above
        """What was stored."""
        return None if value is None else Encrypted(value)


@dataclass(frozen=True)
class SecretColumn:
    """One column of type `EncryptedText` of a service, in a table with one primary key."""

    vault: Vault
    service: str
    column: Column[Encrypted]

    def encrypt(self, plain: str, row: str) -> Encrypted:
        """What is to be stored in the row with this primary key."""
        return self.vault.encrypt(plain, self._place(row))

    def decrypt(self, encrypted: Encrypted, row: str) -> str:
        """The secret that was stored in the row with this primary key.

        Raises:
            SecretUnreadable: if its key is not there, or it was changed or copied from another row.
        """
        return self.vault.decrypt(encrypted, self._place(row))

    def can_read(self, encrypted: Encrypted, row: str) -> bool:
        """Whether `decrypt` would read it."""
        try:
            self.decrypt(encrypted, row)
        except SecretUnreadable:
            return False
        return True

    def renew(self, database: Database) -> int:
        """Encrypt by the newest key whatever is not; how many secrets. Those that cannot be read stay, and are told in the log.

        What was plain is wiped from a SQLite file, as far as no other process is just reading it. PostgreSQL keeps old versions of
        rows until it vacuums them.
        """
        renewed = 0
        outdated = self._outdated(database)
        for start in range(0, len(outdated), _AT_ONCE):
            with database.write() as connection, _wiping(connection):
                renewed += sum(self._renew_one(connection, *one) for one in outdated[start : start + _AT_ONCE])
        if renewed:
            log.info("secrets_encrypted", table=self.column.table.name, number=renewed, key_id=self.vault.newest)
            _forget_journal(database)
        return renewed

    def figures(self, database: Database) -> dict[str, int]:
        """How many secrets there are, are not encrypted by the newest key, and cannot be read."""
        with database.read() as connection:
            kept = [(row[0], row[1]) for row in connection.execute(select(self._key, self.column).where(self.column.is_not(None)))]
        newest = self.vault.newest
        return {
            "secrets": len(kept),
            "secrets_outdated": sum(one.key_id != newest for _, one in kept),
            "secrets_unreadable": sum(not self.can_read(one, row) for row, one in kept),
        }

    @property
    def _key(self) -> Column[str]:
        (key,) = self.column.table.primary_key.columns
        return key

    def _place(self, row: str) -> Place:
        return Place(self.service, self.column.table.name, self.column.name, row)

    def _outdated(self, database: Database) -> list[tuple[str, Encrypted]]:
        text = type_coerce(self.column, Text)
        query = select(self._key, self.column).where(self.column.is_not(None), ~text.startswith(f"enc1:{self.vault.newest}:"))
        with database.read() as connection:
            return [(row[0], row[1]) for row in connection.execute(query)]

    def _renew_one(self, connection: Connection, row: str, stored: Encrypted) -> bool:
        try:
            # What is no encrypted text was stored before there was a vault.
            plain = self.decrypt(stored, row) if stored.key_id else stored.text
        except SecretUnreadable as error:
            log.warning("secret_unreadable", reason=str(error))
            return False
        unchanged = (self._key == row, self.column == stored)
        change = update(self.column.table).where(*unchanged).values({self.column: self.encrypt(plain, row)})
        return connection.execute(change).rowcount > 0


@contextmanager
def _wiping(connection: Connection) -> Iterator[None]:
    """SQLite writes zeros over what is replaced meanwhile."""
    if connection.dialect.name != "sqlite":
        yield
        return
    connection.exec_driver_sql("PRAGMA secure_delete=ON")
    try:
        yield
    finally:
        connection.exec_driver_sql("PRAGMA secure_delete=OFF")


def _forget_journal(database: Database) -> None:
    """Pages as they were before are in SQLite's journal until it is begun anew."""
    if database.is_sqlite:
        with database.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
