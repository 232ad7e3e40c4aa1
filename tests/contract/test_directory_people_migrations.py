"""Claims about databases of earlier versions of the directory: who was there is there, and what opened still opens."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import text

from services.directory.adapters.register import DatabaseRegister
from services.directory.adapters.sessions import DatabaseSessions
from services.directory.domain.people import Person
from services.directory.domain.rights import Grant, Role
from services.directory.domain.tokens import Token
from shared.core.times import to_text
from shared.runtime import migrations
from shared.runtime.database import Database
from shared.testing.fakes.clock import NOON
from tests.contract.port_databases import KINDS, SERVICES

FOLDER = SERVICES / "directory" / "migrations"
_PERSON = "INSERT INTO people (person_id, name, role, password_hash, created) VALUES ('p1', 'admin', 'administrator', 'hash', :noon)"
_TOKEN = (
    "INSERT INTO tokens (token_id, name, role, sha256, created_by, created, last_used, revoked) "
    "VALUES (:id, :id, :role, :id, 'admin', :noon, :noon, NULL)"
)


@pytest.mark.parametrize("kind", KINDS)
def test_people_and_tokens_of_the_second_version_become_those_of_the_fourth(kind: str, new_database: Callable[[str], str]) -> None:
    """Roles become grants; tokens, which belonged to nobody, become the one person's, limited as they were."""
    database = Database(new_database(kind))
    migrations.upgrade(database, FOLDER, "0002")
    with database.write() as connection:
        connection.execute(text(_PERSON), {"noon": to_text(NOON)})
        for token, role in (("admin", "administrator"), ("ci", "uploader")):
            connection.execute(text(_TOKEN), {"id": token, "role": role, "noon": to_text(NOON)})

    migrations.upgrade(database, FOLDER)
    register = DatabaseRegister(database)

    assert list(register.people()) == [Person("p1", "admin", "local", (Grant(Role.ADMINISTRATOR),), NOON, "hash")]
    expected = [("admin", Role.ADMINISTRATOR), ("ci", Role.UPLOADER)]
    assert list(register.tokens()) == [Token(one, one, "p1", one, "admin", NOON, (Grant(role),), last_used=NOON) for one, role in expected]
    assert DatabaseSessions(database).count() == 0
    database.close()


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_database_of_the_second_version_has_nobody(kind: str, new_database: Callable[[str], str]) -> None:
    """The first start is still to come."""
    database = Database(new_database(kind))
    migrations.upgrade(database, FOLDER, "0002")

    migrations.upgrade(database, FOLDER)

    assert not DatabaseRegister(database).has_people()
    database.close()
