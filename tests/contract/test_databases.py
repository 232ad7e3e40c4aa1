"""Claims about databases themselves, on each kind: transactions, schemas, and what is refused."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, delete, insert, inspect, select, text, update

from shared.core.errors import DatabaseAway, InvalidInput, ServiceUnavailable
from shared.runtime import database as runtime_database
from shared.runtime import migrations
from shared.runtime.database import Database, ordered_text, replace_row
from shared.runtime.settings import Settings
from shared.testing.postgres import PrivatePostgres
from tests.contract.port_databases import KINDS, SERVICES

THINGS = Table(
    "things", MetaData(), Column("name", ordered_text(20), primary_key=True), Column("note", String(20)), Column("count", Integer)
)
THREADS = 4


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, new_database: Callable[[str], str]) -> Iterator[Database]:
    """A database with a table of things, of each kind."""
    opened = Database(new_database(request.param))
    THINGS.metadata.create_all(opened.engine)
    yield opened
    opened.close()


def at_once(action: Callable[[], object]) -> None:
    """Several threads do it, and begin together."""
    ready = threading.Barrier(THREADS)

    def run() -> None:
        ready.wait(30)
        for _ in range(10):
            action()

    with ThreadPoolExecutor(THREADS) as pool:
        for one in [pool.submit(run) for _ in range(THREADS)]:
            one.result()


def counted(database: Database) -> int:
    """What stands in the row."""
    with database.read() as connection:
        return connection.execute(select(THINGS.c.count)).scalar_one()


def test_who_writes_alone_loses_no_update(database: Database) -> None:
    """What was read is still so when it is written: the promise that handlers count on."""
    with database.write() as connection:
        connection.execute(insert(THINGS).values(name="one", count=0))

    def add_one() -> None:
        with database.write(alone=True) as connection:
            count = connection.execute(select(THINGS.c.count)).scalar_one()
            connection.execute(update(THINGS).values(count=count + 1))

    at_once(add_one)

    assert counted(database) == 10 * THREADS


def test_two_who_insert_the_same_row_both_succeed(database: Database) -> None:
    """The second one updates."""

    def once_more() -> None:
        with database.write() as connection:
            connection.execute(delete(THINGS))
        with database.write() as connection:
            replace_row(connection, THINGS, "name", {"name": "one", "count": 5})

    at_once(once_more)

    with database.write() as connection:
        replace_row(connection, THINGS, "name", {"name": "one", "count": 7})
    assert counted(database) == 7


def test_a_reader_sees_one_moment(database: Database) -> None:
    """What others commit meanwhile is not seen before the next reading."""
    with database.read() as reading:
        before = reading.execute(select(THINGS)).all()
        with database.write() as connection:
            connection.execute(insert(THINGS).values(name="one", count=1))

        assert reading.execute(select(THINGS)).all() == before == []
    assert counted(database) == 1


def test_rows_are_ordered_by_bytes(database: Database) -> None:
    """On any database, under any locale: cursors and digests of lists depend on it."""
    names = ["a", "B", "Z", "z", "Ä", "_", "-", "b-a", "ba", "10", "9", "É", "🜚"]
    with database.write() as connection:
        connection.execute(insert(THINGS), [{"name": name, "count": 0} for name in names])
    with database.read() as connection:
        found = list(connection.execute(select(THINGS.c.name).order_by(THINGS.c.name)).scalars())

    assert found == sorted(names, key=str.encode)


@pytest.mark.parametrize("values", [{"name": "a\0b"}, {"name": "x" * 21}, {"name": "one", "count": 1 << 31}])
def test_postgresql_refuses_what_does_not_fit_as_invalid_input(new_database: Callable[[str], str], values: dict[str, object]) -> None:
    """A hostile value is the caller's fault, not a broken database; nothing else of the transaction stays."""
    database = Database(new_database("postgresql"))
    THINGS.metadata.create_all(database.engine)

    with pytest.raises(InvalidInput), database.write() as connection:
        connection.execute(insert(THINGS).values(name="other"))
        connection.execute(insert(THINGS).values(values))

    with database.read() as connection:
        assert connection.execute(select(THINGS)).all() == []
    database.close()


def test_a_database_that_is_away_is_unavailable() -> None:
    """The error by which messages are tried again later."""
    database = Database("postgresql+psycopg://odst@127.0.0.1:1/odst")

    with pytest.raises(DatabaseAway), database.read():
        pass


def test_a_lock_is_not_waited_for_without_end(new_database: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever froze with a lock stops nobody for ever; the database is there, so what waits for it has a bound."""
    monkeypatch.setattr(runtime_database, "_BUSY_TIMEOUT_MS", 50)
    database = Database(new_database("postgresql"))

    with database.write(alone=True), pytest.raises(ServiceUnavailable) as raised, database.write(alone=True):
        pass
    assert not isinstance(raised.value, DatabaseAway)
    database.close()


def test_a_connection_that_broke_is_replaced(new_database: Callable[[str], str]) -> None:
    """After a restart of PostgreSQL the services go on by themselves."""
    database = Database(new_database("postgresql"))
    with pytest.raises(DatabaseAway), database.write() as connection:
        connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    with database.read() as connection:
        assert connection.execute(select(1)).scalar_one() == 1
    database.close()


def service_database(url: str, service: str) -> Database:
    """As a service opens it when the operator sets this URL."""
    settings = Settings.model_validate({"amqp_uri": "amqp://nobody@127.0.0.1:1/", "database_url": url})
    return Database(settings.database_url_for(service))


def tables_by_schema(url: str) -> dict[str, set[str]]:
    """What is in a PostgreSQL, but for its own."""
    with Database(url).engine.connect() as connection:
        looking = inspect(connection)
        found = {name: set(looking.get_table_names(schema=name)) for name in looking.get_schema_names()}
    return {name: tables for name, tables in found.items() if tables and name != "information_schema"}


def test_all_services_share_one_postgresql_with_a_schema_each(postgres: PrivatePostgres) -> None:
    """Starting at once and twice, each makes its schema, its tables and Alembic's in it, and nothing anywhere else."""
    url = postgres.new_database()
    services = sorted(path.parent.name for path in SERVICES.glob("*/migrations"))

    def start(service: str) -> None:
        database = service_database(url, service)
        migrations.upgrade(database, SERVICES / service / "migrations")
        database.close()

    with ThreadPoolExecutor(2 * len(services)) as pool:
        list(pool.map(start, services * 2))

    assert tables_by_schema(url) == {service: set(metadata_of(service).tables) | {"alembic_version"} for service in services}


def metadata_of(service: str) -> MetaData:
    """The tables that a service's adapters use."""
    schema = importlib.import_module(f"services.{service}.adapters.schema")
    (found,) = (value for value in vars(schema).values() if isinstance(value, MetaData))
    return found


def test_several_processes_of_a_service_may_start_at_once(postgres: PrivatePostgres) -> None:
    """One migrates, the others wait and find it done."""
    url = postgres.new_database()

    def start(_: int) -> None:
        database = service_database(url, "replication")
        migrations.upgrade(database, SERVICES / "replication" / "migrations")
        database.close()

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(start, range(THREADS)))

    assert set(tables_by_schema(url)) == {"replication"}


def test_services_do_not_wait_for_one_another(postgres: PrivatePostgres) -> None:
    """Alone means alone in the service."""
    url = postgres.new_database()
    one, other = service_database(url, "storage"), service_database(url, "notify")

    with one.write(alone=True), other.write(alone=True) as connection:
        assert connection.execute(select(1)).scalar_one() == 1
    one.close()
    other.close()


@pytest.mark.usefixtures("postgres")
def test_the_private_postgresql_leaves_nothing_behind() -> None:
    """No process, no file; while it runs, nobody gets in without its password."""
    with PrivatePostgres() as server:
        url, folder, pid = server.new_database(), server.folder, server.pid
        without = Database(url.replace(url.split(":")[2].split("@")[0], "wrong"))
        with pytest.raises(ServiceUnavailable, match="password"), without.read():
            pass

    assert not folder.exists()
    assert not Path(f"/proc/{pid}").exists()
