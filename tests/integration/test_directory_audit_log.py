"""One suite for the audit log, in memory and in a database."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Iterator

import pytest

from services.directory.adapters.audit import DatabaseAuditLog
from services.directory.domain.audit import Entry
from services.directory.ports import AuditLog
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
    assert list(log.page(None, 10)) == [(2, odd), (1, an_entry("e1"))]
    assert log.count() == 2


def test_a_known_event_changes_nothing(log: AuditLog) -> None:
    """What was written first stays, and no number is used up."""
    log.append(an_entry("e1"))

    assert not log.append(an_entry("e1", person="somebody else", subject="another"))
    log.append(an_entry("e2"))
    assert list(log.page(None, 10)) == [(2, an_entry("e2")), (1, an_entry("e1"))]


def test_pages_begin_below_a_number(log: AuditLog) -> None:
    """Newest first, no more than asked for; below the first there is nothing."""
    for number in range(1, 6):
        log.append(an_entry(f"e{number}"))

    assert [number for number, _ in log.page(None, 2)] == [5, 4]
    assert [number for number, _ in log.page(4, 2)] == [3, 2]
    assert [number for number, _ in log.page(2, 2)] == [1]
    assert list(log.page(1, 2)) == []


def test_an_empty_log_is_empty(log: AuditLog) -> None:
    """Before anything happened."""
    assert (list(log.page(None, 10)), log.count()) == ([], 0)


@pytest.mark.parametrize("kind", KINDS)
def test_writers_side_by_side_leave_no_gap_and_no_double(kind: str, new_database: Callable[[str], str]) -> None:
    """Several tell of the same events at once: each event has one number, and the numbers are 1 to the last."""
    with migrated("directory", new_database(kind)) as database:
        log, told = DatabaseAuditLog(database), []

        def write() -> None:
            told.extend(log.append(an_entry(f"e{number}")) for number in range(20))

        writers = [threading.Thread(target=write) for _ in range(_WRITERS)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        found = list(log.page(None, 100))

    assert sum(told) == 20
    assert [number for number, _ in found] == list(range(20, 0, -1))
    assert {entry.event_id for _, entry in found} == {f"e{number}" for number in range(20)}
