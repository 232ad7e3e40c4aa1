"""The suite of log-ins that are under way, and of people who are known by a subject: in memory, SQLite and PostgreSQL."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import pytest

from services.directory.adapters.pending_logins import DatabasePendingLogins
from services.directory.adapters.register import DatabaseRegister
from services.directory.domain.pending_logins import LASTS, MOST_FROM_ADDRESS, PendingLogin, Proof
from services.directory.domain.people import Person
from services.directory.ports import PendingLogins, Register
from shared.testing.fakes.clock import NOON
from tests.contract.port_databases import KINDS, migrated
from tests.unit.directory.directory_fakes import FakePendingLogins, FakeRegister

LOGIN = PendingLogin("s" * 64, "x" * 64, "http://127.0.0.1:8080/callback", "/", "address:192.0.2.1", NOON)
ADA = Person("p1", "ada", "oidc", (), NOON, subject="https://id.example.org#1001")


@dataclass
class Kept:
    """What is kept."""

    logins: PendingLogins
    register: Register


@pytest.fixture(params=["fake", *KINDS])
def kept(request: pytest.FixtureRequest, new_database: Callable[[str], str]) -> Iterator[Kept]:
    """Each implementation of the ports in turn."""
    if request.param == "fake":
        yield Kept(FakePendingLogins(), FakeRegister())
        return
    with migrated("directory", new_database(request.param)) as database:
        yield Kept(DatabasePendingLogins(database), DatabaseRegister(database))


def test_a_log_in_is_taken_once_by_who_has_its_secret(kept: Kept) -> None:
    """Whoever knows the state alone neither takes it nor takes it away; of many at once, one has it."""
    assert kept.logins.add(LOGIN, NOON - LASTS)

    assert kept.logins.take(LOGIN.state_sha256, "y" * 64, NOON - LASTS) is None
    assert kept.logins.take("t" * 64, LOGIN.secret_sha256, NOON - LASTS) is None
    with ThreadPoolExecutor(4) as pool:
        taken = list(pool.map(lambda _: kept.logins.take(LOGIN.state_sha256, LOGIN.secret_sha256, NOON - LASTS), range(8)))
    assert sorted(taken, key=bool) == [None] * 7 + [LOGIN]


def test_a_log_in_that_took_too_long_is_over(kept: Kept) -> None:
    """It is not given, and it is gone."""
    kept.logins.add(LOGIN, NOON - LASTS)

    assert kept.logins.take(LOGIN.state_sha256, LOGIN.secret_sha256, NOON) is None
    assert kept.logins.take(LOGIN.state_sha256, LOGIN.secret_sha256, NOON - LASTS) is None


def test_of_one_address_only_so_many_are_kept(kept: Kept) -> None:
    """Others are not concerned; old ones make room."""
    several = [replace(LOGIN, state_sha256=f"{number:064}") for number in range(MOST_FROM_ADDRESS + 1)]

    assert [kept.logins.add(login, NOON - LASTS) for login in several] == [True] * MOST_FROM_ADDRESS + [False]
    assert kept.logins.add(replace(LOGIN, address="address:192.0.2.2"), NOON - LASTS)
    assert kept.logins.add(several[-1], NOON + dt.timedelta(seconds=1))


def test_a_subject_is_one_person(kept: Kept) -> None:
    """Found by it, and never given to a second; those without one are not mistaken for each other."""
    assert kept.register.add_person(ADA)

    assert kept.register.known_as("https://id.example.org#1001") == ADA
    assert kept.register.known_as("https://id.example.org#1002") is None
    assert not kept.register.add_person(replace(ADA, person_id="p2", name="bert"))
    assert kept.register.add_person(Person("p3", "carl", "ldap", (), NOON))
    assert kept.register.add_person(Person("p4", "dora", "ldap", (), NOON))


def test_what_proves_a_log_in_is_not_what_is_kept_of_it() -> None:
    """The same secret makes the same proof, another one another; neither part is the other, and neither is shown by accident."""
    first, other = Proof.of("secret"), Proof.of("another")

    assert first == Proof.of("secret")
    assert len({first.nonce, first.verifier, other.nonce, other.verifier}) == 4
    assert {len(first.nonce), len(first.verifier)} == {43}
    assert first.nonce not in repr(first)
