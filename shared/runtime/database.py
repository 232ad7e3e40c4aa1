"""One database a service, by SQLAlchemy. Transactions are short: under eventlet they hold the whole process.

SQLite: WAL, `BEGIN IMMEDIATE` for writers, `synchronous=FULL` (a committed change survives a power cut), `busy_timeout` for
writers of other processes. Writers of one process queue on a lock instead, which lets other green threads run.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, create_engine, event, insert, update
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from shared.core.errors import ServiceUnavailable

_BUSY_TIMEOUT_MS = 10_000


class Database:
    """The database of one service."""

    def __init__(self, url: str) -> None:
        """Open lazily; the folder of a SQLite file is made."""
        self.url = url
        self.is_sqlite = make_url(url).get_backend_name() == "sqlite"
        if self.is_sqlite:
            Path(str(make_url(url).database)).parent.mkdir(parents=True, exist_ok=True)
        self.engine = create_engine(url, poolclass=QueuePool, pool_size=5, max_overflow=20, pool_pre_ping=not self.is_sqlite)
        self._write_lock = threading.Lock()
        if self.is_sqlite:
            event.listen(self.engine, "connect", _prepare_sqlite)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that may change things; commits at the end, rolls back on an error.

        Raises:
            ServiceUnavailable: if the database is locked or away.
        """
        with self._write_lock if self.is_sqlite else _no_lock(), _transient_errors(), self.engine.connect() as connection:
            if self.is_sqlite:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                self._end(connection, "ROLLBACK")
                raise
            self._end(connection, "COMMIT")

    def _end(self, connection: Connection, how: str) -> None:
        if self.is_sqlite:
            connection.exec_driver_sql(how)
        elif how == "COMMIT":
            connection.commit()
        else:
            connection.rollback()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view; changes nothing.

        Raises:
            ServiceUnavailable: if the database is away.
        """
        with _transient_errors(), self.engine.connect() as connection:
            if self.is_sqlite:
                connection.exec_driver_sql("BEGIN")
            try:
                yield connection
            finally:
                self._end(connection, "ROLLBACK")

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={_BUSY_TIMEOUT_MS}", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


@contextmanager
def _no_lock() -> Iterator[None]:
    yield


@contextmanager
def _transient_errors() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        if error.connection_invalidated or "OperationalError" in type(error).__name__:
            raise ServiceUnavailable(f"the database is not available: {error.orig}") from error
        raise


def replace_row(connection: Connection, table: Table, key: str, values: dict[str, Any]) -> None:
    """Update the row whose `key` column has the value in `values`, or insert it. Portable, within the caller's transaction."""
    found = connection.execute(update(table).where(table.c[key] == values[key]).values(values))
    if not found.rowcount:
        connection.execute(insert(table).values(values))
