"""The audit log in a database. Rows are inserted and read; the only ones that are removed were sealed before."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, delete, exists, func, insert, or_, select

from services.directory.adapters.rows import audit_row, kept_of, link_of
from services.directory.adapters.schema import AUDIT
from services.directory.domain.audit import Entry, Kept
from services.directory.domain.search import Search
from shared.core.audit_chain import Link, Position
from shared.core.times import to_text
from shared.runtime.database import Database

_END = select(AUDIT.c.number, AUDIT.c.hash).order_by(AUDIT.c.number.desc()).limit(1)
_PORTION = 500
"""Values in one condition; SQLite allows no more than some thousands."""


class DatabaseAuditLog:
    """`AuditLog` by SQLAlchemy."""

    def __init__(self, database: Database) -> None:
        """`database` is migrated."""
        self._database = database

    def append(self, entry: Entry) -> Link | None:
        """Write an entry down; none if its event is written down already.

        One at a time, whoever writes: so a number is never given twice, and never skipped, each hash is made of the one before,
        and nothing appears below a number that somebody has read.
        """
        known = select(exists().where(AUDIT.c.event_id == entry.event_id))
        with self._database.write(alone=True) as connection:
            if connection.scalar(known):
                return None
            link = entry.link(_position(connection.execute(_END).first()))
            connection.execute(insert(AUDIT).values(audit_row(link, entry)))
        return link

    def page(self, search: Search, limit: int, *, above: int = 0, below: int | None = None, oldest_first: bool = False) -> Sequence[Kept]:
        """Up to `limit` entries that are looked for."""
        conditions = [AUDIT.c.number > above, *([] if below is None else [AUDIT.c.number < below]), *_conditions(search)]
        order = AUDIT.c.number if oldest_first else AUDIT.c.number.desc()
        with self._database.read() as connection:
            rows = connection.execute(select(AUDIT).where(*conditions).order_by(order).limit(limit)).all()
        return [kept_of(row) for row in rows]

    def newest(self) -> Position:
        """Where the chain ends."""
        with self._database.read() as connection:
            return _position(connection.execute(_END).first())

    def links(self, after: int, limit: int) -> Sequence[Link]:
        """Up to `limit` entries above this number, as they are found."""
        query = select(AUDIT).where(AUDIT.c.number > after).order_by(AUDIT.c.number).limit(limit)
        with self._database.read() as connection:
            return [link_of(row) for row in connection.execute(query)]

    def hashes(self, numbers: Collection[int]) -> dict[int, str]:
        """The hashes that stand with these entries."""
        wanted, found = list(numbers), dict[int, str]()
        with self._database.read() as connection:
            for start in range(0, len(wanted), _PORTION):
                part = AUDIT.c.number.in_(wanted[start : start + _PORTION])
                found |= {row.number: row.hash for row in connection.execute(select(AUDIT.c.number, AUDIT.c.hash).where(part))}
        return found

    def expired(self, before: dt.datetime, limit: int) -> Sequence[Link]:
        """The oldest entries, up to the first that happened no earlier than that; never the newest one of all."""
        newest = select(func.max(AUDIT.c.number)).scalar_subquery()
        young = select(func.min(AUDIT.c.number)).where(AUDIT.c.time >= to_text(before)).scalar_subquery()
        old = AUDIT.c.number < func.coalesce(young, newest)
        query = select(AUDIT).where(old, AUDIT.c.number < newest).order_by(AUDIT.c.number).limit(limit)
        with self._database.read() as connection:
            return [link_of(row) for row in connection.execute(query)]

    def remove(self, first: int, last: int) -> None:
        """Remove entries that were sealed."""
        with self._database.write(alone=True) as connection:
            connection.execute(delete(AUDIT).where(AUDIT.c.number.between(first, last)))


def _position(row: Any) -> Position:
    return Position(row.number, row.hash) if row else Position()


def _conditions(search: Search) -> Iterator[ColumnElement[bool]]:
    for name in ("person", "subject", "correlation_id"):
        value = getattr(search, name)
        if value is not None:
            yield AUDIT.c[name] == value
    if search.type is not None:
        yield AUDIT.c.type.like(_escaped(search.type).replace("*", "%"), escape="\\") if "*" in search.type else AUDIT.c.type == search.type
    if search.since is not None:
        yield AUDIT.c.time >= to_text(search.since)
    if search.until is not None:
        yield AUDIT.c.time < to_text(search.until)
    if search.text is not None:
        yield or_(*_has_text(search.text))


def _has_text(text: str) -> Iterator[ColumnElement[bool]]:
    for column in (AUDIT.c.person, AUDIT.c.subject):
        yield func.lower(column).like(f"%{_escaped(text.lower())}%", escape="\\")
    # Data is stored as JSON, in which whatever is not ASCII is escaped.
    yield func.lower(AUDIT.c.data).like(f"%{_escaped(json.dumps(text)[1:-1].lower())}%", escape="\\")


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
