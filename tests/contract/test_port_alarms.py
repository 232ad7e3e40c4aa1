"""One suite for remembered alarms, in memory and in the databases of the services that have some."""

from __future__ import annotations

import datetime as dt
import importlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import pytest

from shared.contracts.events import AlarmClearedV1, AlarmRaisedV1, Event
from shared.core.alarms import AlarmKind, Condition, Patience, Severity
from shared.runtime.alarms import SqlAlarmBook
from shared.testing.fakes.alarms import FakeAlarmBook
from shared.testing.fakes.clock import NOON
from tests.contract.port_databases import KINDS, dispatched, migrated, outbox_of

PATIENCE = Patience(dt.timedelta(seconds=60), dt.timedelta(days=1))
BOTH = (AlarmKind.PEER_LAGGING, AlarmKind.TRANSFER_STALLED)
LAGGING = Condition(AlarmKind.PEER_LAGGING, "BREMEN", Severity.WARNING, "no answer", since=NOON - dt.timedelta(hours=1))
STALLED = Condition(AlarmKind.TRANSFER_STALLED, "t-1", Severity.WARNING, "nothing arrives", mark="77")


@dataclass
class Book:
    """Remembered alarms, what was said, and how the service starts anew."""

    restarted: Callable[[], FakeAlarmBook | SqlAlarmBook]
    said: Callable[[], list[Event]]

    def look(self, second: float, *found: Condition, kinds: tuple[AlarmKind, ...] = BOTH) -> None:
        """A look by a process that runs."""
        self.book.note(kinds, found, NOON + dt.timedelta(seconds=second))

    def __post_init__(self) -> None:
        self.book = self.restarted()

    def restart(self) -> None:
        """As a service starts."""
        self.book = self.restarted()
        self.book.begin()


@pytest.fixture(
    params=["memory", *(f"{service} {kind}" for service in ("directory", "notify", "replication", "storage") for kind in KINDS)]
)
def book(request: pytest.FixtureRequest, new_database: Callable[[str], str]) -> Iterator[Book]:
    """No alarms yet, of each kind."""
    if request.param == "memory":
        fake = FakeAlarmBook("replication", PATIENCE)
        yield Book(lambda: fake, lambda: fake.dispatched)
        return
    service, kind = request.param.split()
    table = importlib.import_module(f"services.{service}.adapters.schema").alarms
    with migrated(service, new_database(kind)) as database:
        outbox = outbox_of(service, database)
        yield Book(lambda: SqlAlarmBook("replication", database, table, outbox, PATIENCE), lambda: dispatched(service, database))


def test_an_alarm_is_raised_and_cleared_by_events_of_its_own(book: Book) -> None:
    """With since when, and what about; in between it is present."""
    book.look(0, LAGGING, STALLED)
    book.look(60, LAGGING)
    present = [(one.key, one.since, one.detail) for one in book.book.present()]
    book.look(120)
    book.look(180)

    about = {"service": "replication", "kind": "peer.lagging", "about": "BREMEN", "severity": "warning", "detail": "no answer"}
    since = NOON - dt.timedelta(hours=1)
    assert present == [(("peer.lagging", "BREMEN"), since, "no answer")]
    assert book.said() == [AlarmRaisedV1(**about, since=since), AlarmClearedV1(**about, since=since)]
    assert book.book.present() == []


def test_a_restart_neither_raises_again_nor_forgets_to_clear(book: Book) -> None:
    """What was raised stays so; what was only suspected has to show itself anew."""
    book.look(0, LAGGING)
    book.look(60, LAGGING, STALLED)
    book.restart()
    book.look(120, LAGGING, STALLED)
    book.restart()
    book.look(180)
    book.restart()
    book.look(240)

    assert [type(event) for event in book.said()] == [AlarmRaisedV1, AlarmClearedV1]


def test_what_was_not_looked_at_stays(book: Book) -> None:
    """A look at one kind says nothing of another."""
    book.look(0, LAGGING)
    book.look(60, LAGGING)
    book.look(1000, kinds=(AlarmKind.TRANSFER_STALLED,))
    book.look(2000, kinds=(AlarmKind.TRANSFER_STALLED,))

    assert [one.kind for one in book.book.present()] == [AlarmKind.PEER_LAGGING]


def test_what_is_remembered_can_be_found_again_as_it_was(book: Book) -> None:
    """For who cannot look just now: the alarm goes on, and is not told again."""
    book.look(0, LAGGING, STALLED)
    book.look(60, LAGGING, STALLED)
    book.look(7200, *(alarm.condition for alarm in book.book.present()))

    assert [alarm.condition for alarm in book.book.present()] == [LAGGING, replace(STALLED, since=NOON)]
    assert [type(event) for event in book.said()] == [AlarmRaisedV1, AlarmRaisedV1]


def test_two_that_look_at_once_raise_once(book: Book) -> None:
    """Several processes of a service share the alarms."""
    now = replace(LAGGING, hold=dt.timedelta(0))
    with ThreadPoolExecutor(1 if isinstance(book.book, FakeAlarmBook) else 4) as pool:
        list(pool.map(lambda _: book.restarted().note(BOTH, [now], NOON), range(8)))

    assert [type(event) for event in book.said()] == [AlarmRaisedV1]
