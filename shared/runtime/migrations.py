"""Each service's own Alembic migrations, run when it starts; several processes may start at once.

A service's `migrations/env.py` is one line: `migrations.run_in_env()`.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command, context
from alembic.config import Config
from sqlalchemy import text

from shared.runtime.database import Database

_ADVISORY_LOCK = 0x0D57


def upgrade(database: Database, folder: Path) -> None:
    """Bring the database to the newest version, under a lock."""
    config = Config()
    config.set_main_option("script_location", str(folder))
    config.set_main_option("path_separator", "os")
    with _alone(database):
        config.attributes["database"] = database
        command.upgrade(config, "head")


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
        with database.engine.connect() as connection, connection.begin():
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _ADVISORY_LOCK})
            yield
        return
    path = Path(str(database.engine.url.database)).with_suffix(".migrating")
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
