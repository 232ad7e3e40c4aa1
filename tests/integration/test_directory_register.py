"""One suite for the register, in memory and in a database; and the first start on real parts."""

from __future__ import annotations

import datetime as dt
import json
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import argon2
import pytest
from sqlalchemy import select

from services.directory.adapters import schema
from services.directory.adapters.first_admin_file import FirstAdminFile
from services.directory.adapters.register import DatabaseRegister
from services.directory.config import DirectorySettings
from services.directory.domain.people import Credentials, Person
from services.directory.domain.rights import Role
from services.directory.domain.tokens import Token, fingerprint
from services.directory.handlers.tokens import FirstStart
from services.directory.ports import Register
from services.directory.wiring import build
from shared.core.errors import Conflict
from shared.runtime.database import Database
from shared.testing.fakes.clock import NOON, FakeClock
from tests.contract.port_databases import KINDS, migrated
from tests.unit.directory.directory_fakes import FakePasswords, FakeRegister


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, new_database: Callable[[str], str]) -> Iterator[Database]:
    """A migrated database of its own, of each kind."""
    with migrated("directory", new_database(request.param)) as opened:
        yield opened


@pytest.fixture(params=["fake", *KINDS])
def register(request: pytest.FixtureRequest, new_database: Callable[[str], str]) -> Iterator[Register]:
    """Each implementation of the port in turn."""
    if request.param == "fake":
        yield FakeRegister()
        return
    with migrated("directory", new_database(request.param)) as opened:
        yield DatabaseRegister(opened)


def a_person(person_id: str = "p1", name: str = "admin") -> Person:
    """A person."""
    return Person(person_id, name, Role.ADMINISTRATOR, "hash", NOON)


def a_token(token_id: str = "t1", minutes: int = 0) -> Token:
    """A token made some minutes after noon."""
    created = NOON + dt.timedelta(minutes=minutes)
    return Token(
        token_id, f"name of {token_id}", Role.ADMINISTRATOR, fingerprint(token_id), "admin", created, created + dt.timedelta(days=1)
    )


def test_register_keeps_tokens_as_they_are(register: Register) -> None:
    """What is kept comes back equal, by digest and in the list, newest first."""
    register.add_token(a_token("t1"))
    register.add_token(a_token("t2", minutes=1))

    assert register.find_token(fingerprint("t1")) == a_token("t1")
    assert register.find_token(fingerprint("t3")) is None
    assert [token.token_id for token in register.tokens()] == ["t2", "t1"]
    assert register.counts() == {"people": 0, "tokens": 2}


def test_register_adds_only_one_first_person(register: Register) -> None:
    """The second is told no, and nothing is handed over for it."""
    handed_over: list[str] = []

    assert not register.has_people()
    assert register.add_first(a_person(), a_token(), lambda: handed_over.append("first"))
    assert not register.add_first(a_person("p2", "other"), a_token("t2"), lambda: handed_over.append("second"))

    assert handed_over == ["first"]
    assert register.has_people()
    assert register.counts() == {"people": 1, "tokens": 1}


def test_register_adds_nobody_whose_credentials_were_not_handed_over(register: Register) -> None:
    """A full disk, say: the next start begins anew."""

    def fail() -> None:
        raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        register.add_first(a_person(), a_token(), fail)

    assert register.counts() == {"people": 0, "tokens": 0}


def test_register_notes_uses_forwards_only(register: Register) -> None:
    """A late message does not turn the clock back."""
    register.add_token(a_token())

    register.note_use("t1", NOON + dt.timedelta(minutes=2))
    register.note_use("t1", NOON)

    assert register.tokens()[0].last_used == NOON + dt.timedelta(minutes=2)


def test_register_revokes_once_and_not_against_the_check(register: Register) -> None:
    """The check sees all tokens; a refusal changes nothing; a second revocation keeps the first time."""
    register.add_token(a_token())
    seen: list[str] = []

    def refuse(_tokens: object) -> None:
        raise Conflict("no")

    with pytest.raises(Conflict):
        register.revoke_token("t1", NOON, refuse)
    assert register.tokens()[0].revoked is None
    register.revoke_token("t1", NOON, lambda tokens: seen.extend(token.token_id for token in tokens))
    register.revoke_token("t1", NOON + dt.timedelta(minutes=1), lambda _: None)

    assert seen == ["t1"]
    assert register.tokens()[0].revoked == NOON


def test_directory_migrations_make_the_tables_that_the_code_uses(database: Database) -> None:
    """Every column of the schema can be read."""
    with database.read() as connection:
        for table in schema.METADATA.sorted_tables:
            assert connection.execute(select(table)).all() == []


def test_the_first_admin_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    """Mode 0600 in a folder of mode 0700, whole, with nothing else left behind; a stale one is replaced."""
    path = tmp_path / "secrets" / "first-admin.json"
    FirstAdminFile(path).write(Credentials("admin", "stale", "stale"))
    FirstAdminFile(path).write(Credentials("admin", "p", "odst_t"))

    assert json.loads(path.read_text()) == {"user": "admin", "password": "p", "token": "odst_t"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert list(path.parent.iterdir()) == [path]


def settings(folder: Path) -> DirectorySettings:
    """Settings with everything below one folder."""
    return DirectorySettings(amqp_uri="amqp://nobody@127.0.0.1:1/", data=folder)


def test_a_first_start_on_real_parts_makes_an_administrator_who_gets_in(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The file's token opens; the password is kept by Argon2id; a second start changes nothing; nothing secret is printed."""
    directory = build(settings(tmp_path))
    told = json.loads((tmp_path / "secrets" / "first-admin.json").read_text())
    (tmp_path / "secrets" / "first-admin.json").unlink()
    with directory.database.read() as connection:
        kept = connection.scalar(select(schema.PEOPLE.c.password_hash))
    directory.close()
    again = build(settings(tmp_path))

    assert again.handlers.authorize(fingerprint(told["token"]), "administer")["person"] == told["user"] == "admin"
    assert again.handlers.figures() == {"people": 1, "tokens": 1}
    assert kept.startswith("$argon2id$")
    assert argon2.PasswordHasher().verify(kept, told["password"])
    assert not (tmp_path / "secrets" / "first-admin.json").exists()
    printed = "".join(capfd.readouterr())
    assert told["token"] not in printed
    assert told["password"] not in printed
    again.close()


class Crash(BaseException):
    """The process ends here."""


def test_a_crash_between_file_and_commit_neither_loses_nor_doubles_the_administrator(tmp_path: Path, database: Database) -> None:
    """What the lost start wrote opens nothing; the next start's file does; there is one person."""
    path = tmp_path / "first-admin.json"

    class CrashingAfterwards(FirstAdminFile):
        """Writes the file, and gets no further."""

        def write(self, credentials: Credentials) -> None:
            """Write, then die."""
            super().write(credentials)
            raise Crash

    register = DatabaseRegister(database)
    with pytest.raises(Crash):
        FirstStart(register, CrashingAfterwards(path), FakePasswords(), FakeClock()).run()
    lost = json.loads(path.read_text())
    assert register.counts() == {"people": 0, "tokens": 0}

    assert FirstStart(register, FirstAdminFile(path), FakePasswords(), FakeClock()).run()
    told = json.loads(path.read_text())

    assert register.find_token(fingerprint(lost["token"])) is None
    assert register.find_token(fingerprint(told["token"])) is not None
    assert register.counts() == {"people": 1, "tokens": 1}


def test_two_first_starts_at_once_make_one_administrator(tmp_path: Path, database: Database) -> None:
    """Whichever comes second makes nobody and leaves the first one's file alone."""
    path, both = tmp_path / "first-admin.json", threading.Barrier(2)

    class Together(FakePasswords):
        """Both have seen an empty table when they go on."""

        def hash(self, password: str) -> str:
            """Wait for the other."""
            both.wait(30)
            return super().hash(password)

    register, made = DatabaseRegister(database), []
    starts = [
        threading.Thread(target=lambda: made.append(FirstStart(register, FirstAdminFile(path), Together(), FakeClock()).run()))
        for _ in range(2)
    ]
    for start in starts:
        start.start()
    for start in starts:
        start.join(30)

    assert sorted(made) == [False, True]
    assert register.find_token(fingerprint(json.loads(path.read_text())["token"])) is not None
    assert register.counts() == {"people": 1, "tokens": 1}
