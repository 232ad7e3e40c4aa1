"""Requests with an `Idempotency-Key`, in a database."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from services.directory.adapters.rows import keyed_request_of, keyed_request_row
from services.directory.adapters.schema import KEYED_REQUESTS as KEPT
from services.directory.domain.keyed_requests import KeyedRequest
from shared.core.errors import TooMany
from shared.core.times import to_text
from shared.runtime.database import Database


class DatabaseKeyedRequests:
    """`KeyedRequests` by SQLAlchemy."""

    def __init__(self, database: Database) -> None:
        """`database` is migrated."""
        self._database = database

    def take(self, wished: KeyedRequest, begun_before: dt.datetime, most: int) -> KeyedRequest | None:
        """Keep it, alone, so that of two with one key exactly one is kept."""
        theirs = KEPT.c.person_id == wished.person_id
        with self._database.write(alone=True) as connection:
            _forget(connection, begun_before)
            known = connection.execute(select(KEPT).where(theirs, KEPT.c.key_sha256 == wished.key_sha256)).one_or_none()
            if known is not None:
                return keyed_request_of(known)
            if (connection.scalar(select(func.count()).select_from(KEPT).where(theirs)) or 0) >= most:
                raise TooMany(f"more than {most} keys within a day: wait, or send this without Idempotency-Key", "TOO_MANY_KEYS")
            connection.execute(insert(KEPT).values(keyed_request_row(wished)))
        return None

    def end(self, request_id: str, when: dt.datetime, status: int, answer: Mapping[str, Any] | None, *, secret: bool) -> None:
        """Write down what was answered."""
        told = {"ended": to_text(when), "status": status, "answer": None if answer is None else json.dumps(dict(answer)), "secret": secret}
        with self._database.write() as connection:
            connection.execute(update(KEPT).where(KEPT.c.request_id == request_id, KEPT.c.ended.is_(None)).values(told))

    def release(self, request_id: str) -> None:
        """Forget one that was not answered."""
        with self._database.write() as connection:
            connection.execute(delete(KEPT).where(KEPT.c.request_id == request_id, KEPT.c.ended.is_(None)))

    def forget(self, begun_before: dt.datetime) -> None:
        """Forget older ones."""
        with self._database.write() as connection:
            _forget(connection, begun_before)


def _forget(connection: Connection, begun_before: dt.datetime) -> None:
    connection.execute(delete(KEPT).where(KEPT.c.begun < to_text(begun_before)))
