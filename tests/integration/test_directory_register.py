"""One suite for the register, in memory and in a database; and the first start on real parts."""

from __future__ import annotations

import datetime as dt
import json
import stat
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import argon2
import pytest
from sqlalchemy import select

from services.directory.adapters import schema
from services.directory.adapters.first_admin_file import FirstAdminFile
from services.directory.adapters.register import DatabaseRegister
from services.directory.config import DirectorySettings
from services.directory.domain.people import Credentials, Everybody, Person, PersonState
from services.directory.domain.rights import Grant, Right, Role
from services.directory.domain.tokens import Token, fingerprint
from services.directory.handlers.first_start import FirstStart
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
    grants = (Grant(Role.ADMINISTRATOR), Grant(Role.UPLOADER, frozenset({"test"}), frozenset({"Lyon"})))
    texts = {
        "password_hash": "hash",
        "display_name": "Zoë \N{GRINNING FACE}",
        "email": "z@example.org",
        "groups": frozenset({"cn=a", "cn=b"}),
    }
    return Person(person_id, name, "local", grants, NOON, last_login=NOON, **texts)


def a_token(token_id: str = "t1", minutes: int = 0, person_id: str = "p1") -> Token:
    """A token made some minutes after noon, narrowed in every way."""
    created = NOON + dt.timedelta(minutes=minutes)
    limits = (Grant(Role.UPLOADER, frozenset({"test"})),), frozenset({Right.UPLOAD})
    expires = created + dt.timedelta(days=1)
    return Token(token_id, f"name of {token_id}", person_id, fingerprint(token_id), "admin", created, *limits, expires)


def test_register_keeps_tokens_as_they_are(register: Register) -> None:
    """What is kept comes back equal, by digest with its person and in the list, newest first."""
    register.add_person(a_person())
    register.add_token(a_token("t1"))
    register.add_token(a_token("t2", minutes=1))
    register.add_token(a_token("t0", minutes=2, person_id="nobody"))

    assert register.bearer(fingerprint("t1")) == (a_token("t1"), a_person())
    assert register.bearer(fingerprint("t3")) is None
    assert register.bearer(fingerprint("t0")) is None
    assert list(register.tokens()) == [a_token("t0", 2, "nobody"), a_token("t2", 1), a_token("t1")]
    assert register.counts() == {"people": 1, "tokens": 3}


def test_register_finds_tokens_by_their_end(register: Register) -> None:
    """With whose they are, the first to end first; none that is revoked, never ends, or whose person is not known."""
    register.add_person(a_person())
    for token in (
        a_token("later", 20),
        a_token("sooner", 10),
        a_token("too soon", 0),
        a_token("too late", 21),
        replace(a_token("revoked", 15), revoked=NOON),
        replace(a_token("endless", 15), expires=None),
        a_token("of nobody", 15, "nobody"),
    ):
        register.add_token(token)
    day = NOON + dt.timedelta(days=1)

    found = register.ending(day, day + dt.timedelta(minutes=20))

    assert list(found) == [(a_token("sooner", 10), a_person()), (a_token("later", 20), a_person())]
    assert list(register.ending(NOON, NOON)) == []


def test_register_keeps_people_as_they_are(register: Register) -> None:
    """Found by id and by the key of the name, which nobody else gets."""
    assert register.add_person(a_person("p1", "Zed"))
    assert register.add_person(a_person("p2", "ada"))
    assert not register.add_person(a_person("p3", "ADA"))

    assert register.person("p1") == register.named("zed") == a_person("p1", "Zed")
    assert register.person("p3") is register.named("nobody") is None
    assert [person.name for person in register.people()] == ["ada", "Zed"]


def test_register_changes_a_person_within_one_transaction(register: Register) -> None:
    """The change sees everybody; a refusal changes nothing; what is changed comes back, and stays."""
    register.add_person(a_person())
    register.add_person(a_person("p2", "other"))
    register.add_token(a_token())
    seen: list[Everybody] = []

    def refuse(_person: Person, everybody: Everybody) -> Person:
        seen.append(everybody)
        raise Conflict("no")

    with pytest.raises(Conflict):
        register.change_person("p1", NOON, refuse)
    assert register.person("p1") == a_person()
    changed = register.change_person("p1", NOON, lambda person, _: replace(person, display_name="another", grants=()))

    assert changed == register.person("p1") == replace(a_person(), display_name="another", grants=())
    assert ([one.person_id for one in seen[0].people], [one.token_id for one in seen[0].tokens]) == (["p1", "p2"], ["t1"])


@pytest.mark.parametrize("state", PersonState)
def test_register_revokes_tokens_of_who_is_disabled_or_deleted(register: Register, state: PersonState) -> None:
    """Of that person alone; those that were revoked before keep their time, and those of who is gone rest."""
    register.add_person(a_person())
    for token in (a_token(), a_token("t2"), a_token("t3", person_id="p2")):
        register.add_token(token)
    register.revoke_token("t2", NOON, lambda _: None)

    register.change_person("p1", NOON + dt.timedelta(minutes=1), lambda person, _: person.shut_out(state))

    ends = NOON + dt.timedelta(minutes=1) if state in ("disabled", "deleted") else None
    assert {token.token_id: token.revoked for token in register.tokens()} == {"t1": ends, "t2": NOON, "t3": None}


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
    register.revoke_token("t1", NOON, lambda everybody: seen.extend(token.token_id for token in everybody.tokens))
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

    assert again.do.gate.authorize(fingerprint(told["token"]), "administer")["person"] == told["user"] == "admin"
    assert again.do.sessions.log_in("admin", told["password"], fingerprint("s"), "127.0.0.1", "")["person"] == "admin"
    assert again.do.figures() == {"people": 1, "tokens": 1, "sessions": 1}
    assert again.audit.figures()["audit_entries"] == 0
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

    assert register.bearer(fingerprint(lost["token"])) is None
    assert register.bearer(fingerprint(told["token"])) is not None
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
    assert register.bearer(fingerprint(json.loads(path.read_text())["token"])) is not None
    assert register.counts() == {"people": 1, "tokens": 1}
