"""One suite each for sessions, failed attempts and grants of groups, in memory and in a database."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytest

from services.directory.adapters.register import DatabaseRegister
from services.directory.adapters.sessions import DatabaseAttempts, DatabaseGroupGrants, DatabaseSessions
from services.directory.domain.groups import GroupGrant
from services.directory.domain.people import Person
from services.directory.domain.rights import Grant, Role
from services.directory.domain.sessions import Session
from services.directory.domain.throttle import Rule
from services.directory.ports import Attempts, GroupGrants, Register, Sessions
from shared.testing.fakes.clock import NOON
from tests.contract.port_databases import KINDS, migrated
from tests.unit.directory.directory_fakes import FakeAttempts, FakeGroupGrants, FakeRegister, FakeSessions

MINUTE = dt.timedelta(minutes=1)
LONG_AGO = NOON - dt.timedelta(days=300)
PERSON = Person("p1", "ada", "local", (), NOON)


@dataclass
class Kept:
    """All that is kept, of one kind."""

    register: Register
    sessions: Sessions
    attempts: Attempts
    groups: GroupGrants


@pytest.fixture(params=["fake", *KINDS])
def kept(request: pytest.FixtureRequest, new_database: Callable[[str], str]) -> Iterator[Kept]:
    """Each implementation of the ports in turn; Ada is there."""
    if request.param == "fake":
        register = FakeRegister()
        made = Kept(register, FakeSessions(register), FakeAttempts(), FakeGroupGrants())
        made.register.add_person(PERSON)
        yield made
        return
    with migrated("directory", new_database(request.param)) as database:
        made = Kept(DatabaseRegister(database), DatabaseSessions(database), DatabaseAttempts(database), DatabaseGroupGrants(database))
        made.register.add_person(PERSON)
        yield made


def a_session(number: int = 1, minutes: int = 0, person_id: str = "p1") -> Session:
    """A session that began some minutes after noon."""
    began = NOON + minutes * MINUTE
    return Session(f"s{number}", person_id, f"{number}" * 64, 0, began, began, "192.0.2.1", "a browser \N{GRINNING FACE}")


def test_sessions_come_back_as_they_were(kept: Kept) -> None:
    """By digest with their person, and in the list of that person, newest first; of nobody there are none."""
    for session in (a_session(1), a_session(2, 1), a_session(3, 2, "nobody")):
        kept.sessions.add(session, LONG_AGO, LONG_AGO)

    assert kept.sessions.find("1" * 64) == (a_session(1), PERSON)
    assert kept.sessions.find("3" * 64) is kept.sessions.find("9" * 64) is None
    assert list(kept.sessions.of("p1")) == [a_session(2, 1), a_session(1)]
    assert kept.sessions.count() == 3


def test_sessions_end_for_their_person_alone(kept: Kept) -> None:
    """Once; another's is not found."""
    kept.sessions.add(a_session(), LONG_AGO, LONG_AGO)

    assert not kept.sessions.end("p2", "s1")
    assert kept.sessions.end("p1", "s1")
    assert not kept.sessions.end("p1", "s1")
    assert kept.sessions.find("1" * 64) is None


def test_the_use_of_sessions_is_noted_forwards_only_and_what_is_over_goes(kept: Kept) -> None:
    """Too old, or not used for too long; with the next that begins."""
    for number in (1, 2, 3):
        kept.sessions.add(a_session(number, number), LONG_AGO, LONG_AGO)
    kept.sessions.note_use("s2", NOON + 30 * MINUTE)
    kept.sessions.note_use("s2", NOON)

    kept.sessions.add(a_session(4, 40), NOON + 2 * MINUTE, NOON + 10 * MINUTE)

    assert [one.session_id for one in kept.sessions.of("p1")] == ["s4", "s2"]
    assert kept.sessions.of("p1")[1].last_used == NOON + 30 * MINUTE


def test_sessions_of_another_epoch_end_with_the_change_that_makes_it(kept: Kept) -> None:
    """Within its transaction."""
    kept.sessions.add(a_session(), LONG_AGO, LONG_AGO)
    kept.register.change_person("p1", NOON, lambda person, _: replace(person, display_name="Ada"))
    assert kept.sessions.count() == 1

    kept.register.change_person("p1", NOON, lambda person, _: replace(person, epoch=person.epoch + 1))

    assert kept.sessions.count() == 0


def test_attempts_count_until_they_have_to_wait(kept: Kept) -> None:
    """The longest wait of all keys is told, and nothing is counted then; what is a day old is as good as nothing."""
    short, long = Rule(2, MINUTE, 4 * MINUTE), Rule(4, 10 * MINUTE, 10 * MINUTE)
    rules = {"person:x": short, "address:y": long}

    assert [kept.attempts.begin(rules, NOON) for _ in range(3)] == [dt.timedelta(), dt.timedelta(), MINUTE]
    assert kept.attempts.begin(rules, NOON + MINUTE) == dt.timedelta()
    assert kept.attempts.begin(rules, NOON + MINUTE) == 2 * MINUTE
    assert kept.attempts.begin({"address:y": long}, NOON + MINUTE) == dt.timedelta()
    assert kept.attempts.begin(rules, NOON + MINUTE) == 10 * MINUTE
    assert kept.attempts.begin(rules, NOON + dt.timedelta(days=2)) == dt.timedelta()
    assert kept.attempts.begin(rules, NOON + dt.timedelta(days=2)) == dt.timedelta()


def test_attempts_that_were_right_do_not_count(kept: Kept) -> None:
    """One key is forgotten, of the other one attempt is given back; what was never counted cannot be."""
    rule = Rule(2, MINUTE, 4 * MINUTE)
    for _ in range(2):
        kept.attempts.begin({"person:x": rule, "address:y": rule}, NOON)

    kept.attempts.forget("person:x")
    kept.attempts.give_back({"address:y": rule, "address:z": rule})

    assert kept.attempts.begin({"person:x": rule}, NOON) == dt.timedelta()
    assert kept.attempts.begin({"address:y": rule}, NOON) == dt.timedelta()
    assert kept.attempts.begin({"address:y": rule}, NOON) == MINUTE


def test_a_clock_that_was_set_back_keeps_nobody_out_for_longer(kept: Kept) -> None:
    """Than the longest wait."""
    rule = Rule(1, MINUTE, 4 * MINUTE)
    kept.attempts.begin({"person:x": rule}, NOON)

    assert kept.attempts.begin({"person:x": rule}, NOON - dt.timedelta(days=30)) == 4 * MINUTE


def test_grants_of_groups_come_back_as_they_were(kept: Kept) -> None:
    """By group; removed once."""
    later = GroupGrant("g1", "cn=viewers,dc=org", Grant(Role.VIEWER))
    first = GroupGrant("g2", "CN=Packagers, DC=org", Grant(Role.UPLOADER, frozenset({"test"}), frozenset({"Lyon"})))
    kept.groups.add(later)
    kept.groups.add(first)

    assert list(kept.groups.all()) == [first, later]
    assert kept.groups.remove("g1")
    assert not kept.groups.remove("g1")
    assert list(kept.groups.all()) == [first]
