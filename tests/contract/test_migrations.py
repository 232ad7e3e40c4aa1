"""Claims about databases: what the migrations make is what the adapters use."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import MetaData

from shared.runtime import migrations
from shared.runtime.database import Database
from tests.contract.port_databases import KINDS

SERVICES = Path(migrations.__file__).parents[2] / "services"
WITH_DATABASE = sorted(path.parent.name for path in SERVICES.glob("*/migrations"))


def test_the_services_with_a_database_are_these() -> None:
    """The gateway and hashing keep nothing."""
    assert WITH_DATABASE == ["directory", "notify", "replication", "storage"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("service", WITH_DATABASE)
def test_migrations_make_the_tables_of_the_schema(service: str, kind: str, new_database: Callable[[str], str]) -> None:
    """Alembic, comparing the migrated database with the metadata, finds nothing to do: tables, columns, types, indexes, keys."""
    metadata = _metadata(service)
    database = Database(new_database(kind))

    migrations.upgrade(database, SERVICES / service / "migrations")
    with database.engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata)
    database.close()

    assert differences == []


def _metadata(service: str) -> MetaData:
    schema = importlib.import_module(f"services.{service}.adapters.schema")
    (found,) = (value for value in vars(schema).values() if isinstance(value, MetaData))
    return found


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("service", WITH_DATABASE)
def test_migrating_twice_is_migrating_once(service: str, kind: str, new_database: Callable[[str], str]) -> None:
    """Every start migrates; a second start changes nothing."""
    database = Database(new_database(kind))
    migrations.upgrade(database, SERVICES / service / "migrations")

    migrations.upgrade(database, SERVICES / service / "migrations")
    with database.engine.connect() as connection:
        heads = MigrationContext.configure(connection).get_current_heads()
    database.close()

    assert len(heads) == 1


@pytest.mark.parametrize("service", WITH_DATABASE)
def test_migrations_are_one_line(service: str) -> None:
    """Two migrations with one predecessor would leave it to chance which tables there are."""
    script = ScriptDirectory(str(SERVICES / service / "migrations"))

    assert len(script.get_heads()) == 1
