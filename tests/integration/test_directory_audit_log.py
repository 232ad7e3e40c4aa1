"""One suite for the audit log, in memory and in a database."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from services.directory.adapters.audit import DatabaseAuditLog
from services.directory.domain.audit import Entry
from services.directory.domain.search import Search
from services.directory.ports import AuditLog
from shared.core.audit_chain import NOTHING, Position, check_run
from shared.testing.fakes.clock import NOON
from tests.contract.port_databases import KINDS, migrated
from tests.unit.directory.directory_fakes import FakeAuditLog

_WRITERS = 8


@pytest.fixture(params=["fake", *KINDS])
def log(request: pytest.FixtureRequest, new_database: Callable[[str], str]) -> Iterator[AuditLog]:
    """Each implementation of the port in turn."""
    if request.param == "fake":
        yield FakeAuditLog()
        return
    with migrated("directory", new_database(request.param)) as opened:
        yield DatabaseAuditLog(opened)


def an_entry(event_id: str = "e1", **fields: object) -> Entry:
    """An entry, with the given differences."""
    known = {"type": "peer.revoked.v1", "source": "replication", "time": NOON, "correlation_id": "c", "person": None, "subject": "PEER"}
    return Entry(event_id=event_id, **{"data": {"peer_id": "PEER", "name": "Bonn"}, **known, **fields})


def page(log: AuditLog) -> list[tuple[int, Entry]]:
    """All entries with their numbers, newest first."""
    return [(kept.number, kept.entry) for kept in log.page(Search(), 100)]


def numbers(log: AuditLog, limit: int, **where: Any) -> list[int]:
    """The numbers on a page."""
    return [kept.number for kept in log.page(Search(), limit, **where)]


def test_entries_come_back_as_they_were_written(log: AuditLog) -> None:
    """Equal in every field, whatever peers put into their names."""
    odd = an_entry(
        "e2",
        time=NOON + dt.timedelta(microseconds=7),
        person="Zoë \N{GRINNING FACE}",
        subject=None,
        data={"name": "a\x00b\ud800 'c\" ; --", "tags": ["test"], "seconds": -1.5, "reason": None, "long": "ä" * 20_000},
    )

    assert log.append(an_entry("e1"))
    assert log.append(odd)
    assert page(log) == [(2, odd), (1, an_entry("e1"))]
    assert log.newest().number == 2


def test_a_known_event_changes_nothing(log: AuditLog) -> None:
    """What was written first stays, and no number is used up."""
    log.append(an_entry("e1"))

    assert not log.append(an_entry("e1", person="somebody else", subject="another"))
    log.append(an_entry("e2"))
    assert page(log) == [(2, an_entry("e2")), (1, an_entry("e1"))]


def test_pages_begin_below_a_number(log: AuditLog) -> None:
    """Newest first, no more than asked for; below the first there is nothing."""
    for number in range(1, 6):
        log.append(an_entry(f"e{number}"))

    assert numbers(log, 2) == [5, 4]
    assert numbers(log, 2, below=4) == [3, 2]
    assert numbers(log, 2, below=2) == [1]
    assert numbers(log, 2, below=1) == []
    assert numbers(log, 2, above=3) == [5, 4]
    assert numbers(log, 2, above=1, oldest_first=True) == [2, 3]


def test_an_empty_log_is_empty(log: AuditLog) -> None:
    """Before anything happened."""
    assert (page(log), log.newest(), list(log.links(0, 10)), list(log.expired(NOON, 10))) == ([], Position(), [], [])


def test_entries_are_chained(log: AuditLog) -> None:
    """Each hash is of the entry and of the hash before; what comes back holds, and is what was said when it was written."""
    written = [log.append(an_entry(f"e{number}", data={"name": f"\N{GREEK SMALL LETTER BETA} {number}", "x": 0.1})) for number in range(3)]

    found = log.links(0, 10)
    assert list(found) == written
    assert check_run(found, Position()) == []
    assert [link.previous for link in found] == [NOTHING, found[0].hash, found[1].hash]
    assert log.newest() == Position(3, found[2].hash)
    assert log.hashes([1, 3, 9]) == {1: found[0].hash, 3: found[2].hash}
    assert [kept.link for kept in log.page(Search(), 10, oldest_first=True)] == written
    assert list(log.links(1, 1)) == [found[1]]


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ({"person": "Ada"}, [1]),
        ({"type": "package.*"}, [2, 1]),
        ({"type": "peer.revoked.v1"}, [3]),
        ({"type": "%"}, []),
        ({"type": "p*.v1"}, [3, 2, 1]),
        ({"subject": "100%_sure.pkg"}, [1]),
        ({"correlation_id": "c2"}, [2]),
        ({"text": "SURE"}, [1]),
        ({"text": "%"}, [1]),
        ({"text": "\N{LATIN SMALL LETTER U WITH DIAERESIS}ber"}, [2]),
        ({"since": "2026-11-03T12:00:01Z"}, [3, 2]),
        ({"until": "2026-11-03T13:00:01+01:00"}, [1]),
        ({"since": "2026-11-03T12:00:01Z", "until": "2026-11-03T12:00:02Z", "type": "*"}, [2]),
        ({"person": "ada"}, []),
    ],
)
def test_entries_are_found(log: AuditLog, search: dict[str, str], found: list[int]) -> None:
    """By all that is asked for; signs that mean something to a database mean nothing."""
    log.append(an_entry("e1", type="package.deleted.v1", person="Ada", subject="100%_sure.pkg", data={}))
    later = {"time": NOON + dt.timedelta(seconds=1), "correlation_id": "c2", "data": {"name": "\N{LATIN SMALL LETTER U WITH DIAERESIS}ber"}}
    log.append(an_entry("e2", type="package.raised.v1", **later))
    log.append(an_entry("e3", time=NOON + dt.timedelta(seconds=2), data={}))

    assert [kept.number for kept in log.page(Search.read(search), 10)] == found


def test_what_is_old_can_be_moved_out(log: AuditLog) -> None:
    """Up to the first that is young, and never the newest; the numbers and the chain go on."""
    for number in range(1, 5):
        log.append(an_entry(f"e{number}", time=NOON + dt.timedelta(seconds=number)))

    assert [link.number for link in log.expired(NOON + dt.timedelta(seconds=3), 10)] == [1, 2]
    assert [link.number for link in log.expired(NOON + dt.timedelta(days=3), 2)] == [1, 2]
    assert [link.number for link in log.expired(NOON + dt.timedelta(days=3), 10)] == [1, 2, 3]
    last = log.links(3, 1)[0]
    log.remove(1, 3)
    after = log.append(an_entry("e5"))
    assert after is not None
    assert (after.number, after.previous) == (5, last.hash)
    assert numbers(log, 10) == [5, 4]


@pytest.mark.parametrize("kind", KINDS)
def test_writers_side_by_side_leave_no_gap_and_no_double(kind: str, new_database: Callable[[str], str]) -> None:
    """Several tell of the same events at once: each event has one number, and the numbers are 1 to the last."""
    with migrated("directory", new_database(kind)) as database:
        log, told = DatabaseAuditLog(database), []

        def write() -> None:
            told.extend(log.append(an_entry(f"e{number}")) is not None for number in range(20))

        writers = [threading.Thread(target=write) for _ in range(_WRITERS)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        found, chain = page(log), log.links(0, 100)

    assert sum(told) == 20
    assert [number for number, _ in found] == list(range(20, 0, -1))
    assert {entry.event_id for _, entry in found} == {f"e{number}" for number in range(20)}
    assert check_run(chain, Position()) == []
