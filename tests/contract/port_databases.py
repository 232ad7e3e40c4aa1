"""Migrated databases for the suites that hold a fake and the real adapter to the same promises."""

from __future__ import annotations

import atexit
import functools
import importlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Table, event, select

from shared.contracts.events import ALL, Envelope, Event
from shared.runtime import migrations
from shared.runtime.bus.publisher import Publisher
from shared.runtime.database import Database
from shared.runtime.outbox import Outbox

SERVICES = Path(migrations.__file__).parents[2] / "services"
_NOBODY = "amqp://nobody:nothing@127.0.0.1:1/"
KINDS = ("sqlite", "postgresql")
"""The databases that every adapter is held to."""


@functools.cache
def _template(service: str) -> Path:
    folder = Path(tempfile.mkdtemp(prefix=f"odst-{service}-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = folder / f"{service}.sqlite3"
    database = Database(f"sqlite:///{path}")
    migrations.upgrade(database, SERVICES / service / "migrations")
    database.close()
    return path


def copy_migrated(service: str, path: Path) -> None:
    """Put a SQLite database here, migrated as it is when a service starts for the first time; one that is there already is kept."""
    if not path.exists():
        shutil.copy(_template(service), path)


@contextmanager
def migrated(service: str, where: Path | str) -> Iterator[Database]:
    """A database of a service, at a URL or as SQLite in a folder; it does not wait for the disk, as no test here cuts the power."""
    database = Database(where if isinstance(where, str) else f"sqlite:///{where / service}.sqlite3")
    if database.is_sqlite:
        copy_migrated(service, Path(str(database.engine.url.database)))
        event.listen(database.engine, "connect", lambda connection, _record: connection.execute("PRAGMA synchronous=OFF"))
    migrations.upgrade(database, SERVICES / service / "migrations")
    yield database
    database.close()


def outbox_of(service: str, database: Database) -> Outbox:
    """The service's outbox, with nobody to relay it."""
    return Outbox(database, outbox_table_of(service), Publisher(_NOBODY))


def outbox_table_of(service: str) -> Table:
    """The table of the service's outbox."""
    table: Table = importlib.import_module(f"services.{service}.adapters.schema").outbox
    return table


def dispatched(service: str, database: Database) -> list[Event]:
    """What waits in the outbox, in order."""
    table = outbox_table_of(service)
    with database.read() as connection:
        envelopes = [Envelope.model_validate_json(row.envelope) for row in connection.execute(select(table).order_by(table.c.number))]
    return [ALL[envelope.type].model_validate(envelope.data) for envelope in envelopes]
