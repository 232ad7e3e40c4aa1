"""The audit log in a database. Rows are inserted and read; there is no code that changes or removes one."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import exists, func, insert, select

from services.directory.adapters.rows import audit_row, entry_of
from services.directory.adapters.schema import AUDIT
from services.directory.domain.audit import Entry
from shared.runtime.database import Database

_NEWEST = select(func.coalesce(func.max(AUDIT.c.number), 0))


class DatabaseAuditLog:
    """`AuditLog` by SQLAlchemy."""

    def __init__(self, database: Database) -> None:
        """`database` is migrated."""
        self._database = database

    def append(self, entry: Entry) -> bool:
        """Write an entry down; False if its event is written down already.

        One at a time, whoever writes: so a number is never given twice, and never skipped, and nothing appears below a number
        that somebody has read.
        """
        known = select(exists().where(AUDIT.c.event_id == entry.event_id))
        with self._database.write(alone=True) as connection:
            if connection.scalar(known):
                return False
            number = (connection.scalar(_NEWEST) or 0) + 1
            connection.execute(insert(AUDIT).values(audit_row(number, entry)))
        return True

    def page(self, before: int | None, limit: int) -> Sequence[tuple[int, Entry]]:
        """Up to `limit` entries with their numbers, newest first."""
        newest_first = select(AUDIT).order_by(AUDIT.c.number.desc()).limit(limit)
        with self._database.read() as connection:
            rows = connection.execute(newest_first if before is None else newest_first.where(AUDIT.c.number < before)).all()
        return [(row.number, entry_of(row)) for row in rows]

    def count(self) -> int:
        """How many entries there are: the newest one's number."""
        with self._database.read() as connection:
            return connection.scalar(_NEWEST) or 0
