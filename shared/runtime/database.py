"""One database a service, by SQLAlchemy. Transactions are short, on either database: somebody waits for them.

SQLite: WAL, `BEGIN IMMEDIATE` for writers, `synchronous=FULL` (a committed change survives a power cut), `busy_timeout` for
writers of other processes. Writers of one process queue on a lock instead, which lets other green threads run.

PostgreSQL: readers have a snapshot (`REPEATABLE READ`); writers see what was committed before each statement, side by side
unless they ask to be `alone`. Nobody waits for ever, neither for a lock nor for a process that froze in a transaction.
"""

from __future__ import annotations

import functools
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import eventlet
from eventlet.patcher import is_monkey_patched
from sqlalchemy import Connection, String, Table, bindparam, create_engine, event, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DataError, DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolExhausted
from sqlalchemy.pool import QueuePool

from shared.core.errors import DatabaseAway, InvalidInput, ServiceUnavailable

_BUSY_TIMEOUT_MS = 10_000
_FROZEN_MS = 60_000
"""After so long without a word in a transaction, a process is taken for dead: its transaction is undone, its locks are free."""
_CONNECT_SECONDS = 10
# Without hide_parameters, errors in the log would show what was stored: hashes of passwords, secrets of webhooks.
_POOL: dict[str, Any] = {"pool_size": 5, "max_overflow": 20, "hide_parameters": True}
_SHUTDOWN = "57P"
"""PostgreSQL's class of errors about ending and not being ready."""
_NO_SERVER = "SQLite: a file is never away"
_ONE_WRITER = 0x0D58
"""Tells the lock of writers that are `alone` from other advisory locks."""


class Database:
    """The database of one service."""

    def __init__(self, url: str) -> None:
        """Open lazily; the folder of a SQLite file is made."""
        self.url = url
        parsed = make_url(url)
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        self.schema = _schema_in(parsed)
        self._write_lock = threading.Lock()
        if self.is_sqlite:
            Path(str(parsed.database)).parent.mkdir(parents=True, exist_ok=True)
            self.engine = self._reading = create_engine(url, poolclass=QueuePool, **_POOL)
            event.listen(self.engine, "connect", _prepare_sqlite)
        else:
            _wait_as_green_threads_do()
            self.engine = create_engine(_within_limits(parsed), pool_pre_ping=True, **_POOL)
            self._reading = self.engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)

    @contextmanager
    def write(self, *, alone: bool = False) -> Iterator[Connection]:
        """A transaction that may change things; commits at the end, rolls back on an error.

        With `alone`, no other such transaction of this service goes on meanwhile, in any process: what was read is still so
        when it is written. On SQLite every writer is alone.

        Raises:
            ServiceUnavailable: if the database is locked; DatabaseAway, if it is away, and then the change may be committed all the same.
            InvalidInput: if a value cannot be stored, such as a text with a NUL.
        """
        with self._write_lock if self.is_sqlite else _no_lock(), _known_errors(), self.engine.connect() as connection:
            if self.is_sqlite:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            elif alone:
                connection.execute(select(func.pg_advisory_xact_lock(self.lock_key(_ONE_WRITER))))
            try:
                yield connection
            except BaseException:
                self._end(connection, "ROLLBACK")
                raise
            self._end(connection, "COMMIT")
        _let_others()

    def lock_key(self, purpose: int) -> Any:
        """The key of an advisory lock that is this service's own: services in other schemas are not kept waiting."""
        return func.hashtextextended(self.schema or "", purpose)

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
            ServiceUnavailable: if the database is locked; DatabaseAway, if it is away.
            InvalidInput: if it was asked for a value that cannot be.
        """
        with _known_errors(), self._reading.connect() as connection:
            if self.is_sqlite:
                connection.exec_driver_sql("BEGIN")
            try:
                yield connection
            finally:
                self._end(connection, "ROLLBACK")
        _let_others()

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={_BUSY_TIMEOUT_MS}", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _options(url: URL) -> str:
    return " ".join(url.normalized_query.get("options", ()))


def _schema_in(url: URL) -> str | None:
    """The schema that a PostgreSQL URL puts first on the search path, if it names one."""
    found = re.search(r"search_path=(\w+)", _options(url))
    return found.group(1) if found else None


def _within_limits(url: URL) -> URL:
    """The URL with a limit for every wait; those that the operator wrote are kept."""
    limits = f"-clock_timeout={_BUSY_TIMEOUT_MS} -cidle_in_transaction_session_timeout={_FROZEN_MS}"
    return url.update_query_dict({"connect_timeout": str(_CONNECT_SECONDS), **url.query, "options": f"{limits} {_options(url)}"})


def _wait_as_green_threads_do() -> None:
    """Under eventlet, let psycopg wait by the patched `select`.

    Its own way holds the whole process: a green thread that waits for a lock would wait for ever for the one that has it.
    """
    if is_monkey_patched("select"):
        from psycopg import waiting  # noqa: PLC0415 - only where PostgreSQL is used

        waiting.wait = waiting.wait_select


def _let_others() -> None:
    """Under eventlet a query holds the hub: between two of them others get a turn, so that nobody waits for the end of a long loop."""
    if is_monkey_patched("thread"):
        eventlet.sleep(0)


@contextmanager
def _no_lock() -> Iterator[None]:
    yield


@contextmanager
def _known_errors() -> Iterator[None]:
    try:
        yield
    except PoolExhausted as error:
        raise ServiceUnavailable("all connections to the database are in use") from error
    except DataError as error:
        raise InvalidInput("a value cannot be stored: it is too long, too large or has a NUL") from error
    except DBAPIError as error:
        is_away = _is_away(error)
        if is_away or "OperationalError" in type(error).__name__:
            raise (DatabaseAway if is_away else ServiceUnavailable)(f"the database is not available: {error.orig}") from error
        raise


def _is_away(error: DBAPIError) -> bool:
    """True if there is no connection: a server that refuses a single statement says why, by a code."""
    state = getattr(error.orig, "sqlstate", _NO_SERVER)
    return error.connection_invalidated or (isinstance(error, OperationalError) and (state is None or state.startswith(_SHUTDOWN)))


def ordered_text(length: int) -> String:
    """The type of a column by which rows are put in order: by its bytes, on any database and under any locale."""
    return String(length).with_variant(String(length, collation="C"), "postgresql")


def replace_row(connection: Connection, table: Table, key: str, values: dict[str, Any]) -> None:
    """Update the row whose `key` column has the value in `values`, or insert it; who comes second when two insert, updates.

    `key` is the primary key or unique; columns without a default are all in `values`. All is within the caller's transaction.
    """
    replace_rows(connection, table, (key,), [values])


def replace_rows(connection: Connection, table: Table, keys: tuple[str, ...], rows: Sequence[dict[str, Any]]) -> None:
    """The same for several rows, each of which has the same columns, and `keys` that belong together."""
    if rows:
        connection.execute(_upsert(connection.dialect.name, table, keys, tuple(rows[0])), rows)


@functools.lru_cache(maxsize=100)
def _upsert(dialect: str, table: Table, keys: tuple[str, ...], columns: tuple[str, ...]) -> Any:
    """Made once for each table: to make a statement costs more than to execute it."""
    inserting = (sqlite if dialect == "sqlite" else postgresql).insert(table)
    return inserting.on_conflict_do_update(index_elements=keys, set_={name: inserting.excluded[name] for name in columns})


@functools.lru_cache(maxsize=100)
def select_where(table: Table, *names: str) -> Any:
    """The rows of which these columns have the values that the execution gives by name; made once, as above."""
    return select(table).where(*(table.c[name] == bindparam(name) for name in names))
