"""Each service's own Alembic migrations, run when it starts; several processes may start at once.

A service's `migrations/env.py` is one line: `migrations.run_in_env()`. On PostgreSQL all services may share one database: each
has its tables, and Alembic's, in the schema that its URL names, which is made if it is missing.
"""

from __future__ import annotations

import fcntl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command, context
from alembic.config import Config
from sqlalchemy import func, inspect, select, text
from sqlalchemy.schema import CreateSchema

from shared.runtime.database import Database

_MIGRATING = 0x0D57
"""Tells this lock from the other advisory locks of a service."""
_ALEMBIC = threading.Lock()
"""Alembic's `op` and `context` are one for the process, where several services may start side by side."""


def upgrade(database: Database, folder: Path, revision: str = "head") -> None:
    """Bring the database to the newest version, or to an earlier one, under a lock."""
    config = Config()
    config.set_main_option("script_location", str(folder))
    config.set_main_option("path_separator", "os")
    with _ALEMBIC, _alone(database):
        config.attributes["database"] = database
        command.upgrade(config, revision)


def run_in_env() -> None:
    """Body of every `env.py`."""
    database: Database = context.config.attributes["database"]
    with database.engine.connect() as connection:
        context.configure(connection=connection, render_as_batch=database.is_sqlite)
        with context.begin_transaction():
            context.run_migrations()
        connection.commit()


@contextmanager
def _alone(database: Database) -> Iterator[None]:
    if not database.is_sqlite:
        with database.engine.begin() as connection:
            # A migration may take long: nobody who waits for it gives up, and who holds the lock meanwhile is not frozen.
            for limit in ("lock_timeout", "idle_in_transaction_session_timeout"):
                connection.execute(text(f"SET LOCAL {limit} = 0"))
            connection.execute(select(func.pg_advisory_xact_lock(database.lock_key(_MIGRATING))))
            _make_schema(database)
            yield
        return
    path = Path(str(database.engine.url.database)).with_suffix(".migrating")
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _make_schema(database: Database) -> None:
    """Only if it is missing: who has the schema made beforehand need not let us make any."""
    with database.engine.begin() as connection:
        if database.schema and not inspect(connection).has_schema(database.schema):
            connection.execute(CreateSchema(database.schema))
