"""Claims about what is an alarm for replication."""

from __future__ import annotations

import datetime as dt

import pytest

from services.replication.domain.peer import PeerState
from services.replication.domain.transfer import TransferState
from services.replication.handlers.watching import WatchingHandlers, patience_with_peers, patience_with_slices
from shared.contracts.events import AlarmClearedV1, AlarmRaisedV1
from shared.core.alarms import Patience
from shared.testing.builders import a_peer, a_transfer
from shared.testing.fakes.alarms import FakeAlarmBook
from shared.testing.fakes.clock import FakeClock
from shared.testing.fakes.peers import FakePeers
from shared.testing.fakes.transfers import FakeTransfers

HOUR, MINUTE = 3600, 60


class Watch:
    """The handlers on fakes; it settles in a minute."""

    def __init__(self) -> None:
        self.clock, self.peers, self.transfers, self.unreadable = FakeClock(), FakePeers(), FakeTransfers(), 0
        self.book = FakeAlarmBook("replication", Patience(dt.timedelta(minutes=1), dt.timedelta(days=1)))
        lagging, stalled = dt.timedelta(minutes=30), dt.timedelta(minutes=20)
        self.handlers = WatchingHandlers(self.peers, self.transfers, self.book, lambda: self.unreadable, self.clock, lagging, stalled)

    def passes(self, seconds: float) -> None:
        """Time, with a sweep every 30 seconds."""
        for _ in range(int(seconds // 30)):
            self.clock.pass_seconds(30)
            self.handlers.sweep()

    @property
    def said(self) -> list[tuple[str, str]]:
        """What was told, about what."""
        told = [event for event in self.book.dispatched if isinstance(event, AlarmRaisedV1 | AlarmClearedV1)]
        return [(event.type.split(".")[1], event.kind) for event in told]


@pytest.fixture
def watch() -> Watch:
    """Nothing is the matter."""
    return Watch()


def test_a_peer_whose_feed_is_not_read_is_behind_until_it_is(watch: Watch) -> None:
    """The alarm says since when, and the last reason; who is revoked is nobody's peer."""
    bremen = a_peer("Bremen", last_error="no answer within 5 s")
    revoked = a_peer("Oslo", state=PeerState.REVOKED)
    with watch.peers.changing() as changes:
        changes.save_peer(bremen)
        changes.save_peer(revoked)
    watch.passes(HOUR)
    alarms = watch.handlers.list_alarms()["items"]
    assert (alarms[0]["about"], alarms[0]["since"]) == (str(bremen.peer_id), "2026-11-03T12:00:00Z")
    assert "Bremen" in alarms[0]["detail"]
    assert "no answer within 5 s" in alarms[0]["detail"]
    assert watch.handlers.figures()["alarms_peer_lagging"] == 1

    with watch.peers.changing() as changes:
        changes.save_peer(a_peer("Bremen", last_pull=watch.clock()))
        changes.rename_peer(str(bremen.peer_id), a_peer("Bremen", last_pull=watch.clock()))
    watch.passes(5 * MINUTE)

    assert watch.said == [("raised", "peer.lagging"), ("cleared", "peer.lagging")]


def test_a_transfer_that_brings_nothing_is_stalled_until_it_moves(watch: Watch) -> None:
    """One that brings something every quarter of an hour is slow, and that is all."""
    stuck, slow = a_transfer(state=TransferState.MOVING), a_transfer(state=TransferState.MOVING)
    with watch.transfers.changing() as changes:
        changes.save(stuck)
        changes.save(slow)
    for _ in range(3):
        watch.passes(15 * MINUTE)
        with watch.transfers.changing() as changes:
            changes.add_fetched(slow.transfer_id, 1)
    assert [alarm["about"] for alarm in watch.handlers.list_alarms()["items"]] == [stuck.transfer_id]

    with watch.transfers.changing() as changes:
        changes.add_fetched(stuck.transfer_id, 1)
    watch.passes(2 * MINUTE)

    assert watch.said == [("raised", "transfer.stalled"), ("cleared", "transfer.stalled")]


def test_what_does_not_move_because_it_shall_not_is_not_stalled(watch: Watch) -> None:
    """It waits for its turn, is paused, was cancelled, or waits to be verified."""
    with watch.transfers.changing() as changes:
        changes.save(a_transfer())
        changes.save(a_transfer(state=TransferState.MOVING, paused=True))
        changes.save(a_transfer(state=TransferState.CANCELLED))
        changes.save(a_transfer(state=TransferState.ASSEMBLED))

    watch.passes(HOUR)

    assert watch.said == []


def test_secrets_that_cannot_be_read_are_an_alarm(watch: Watch) -> None:
    """The key file is not the one by which they were encrypted."""
    watch.unreadable = 2
    watch.passes(5 * MINUTE)

    assert [(alarm["kind"], alarm["severity"]) for alarm in watch.handlers.list_alarms()["items"]] == [("secret.unreadable", "critical")]


def test_patience_is_never_less_than_what_is_usual() -> None:
    """A feed that is read once a day is not late after half an hour, nor is a large slice from a slow source."""
    assert patience_with_peers(1800, 300) == dt.timedelta(minutes=30)
    assert patience_with_peers(1800, 86400) > dt.timedelta(days=2)
    assert patience_with_slices(900, 64 << 20, 16 << 10) > dt.timedelta(seconds=4096)
    assert patience_with_slices(900, 64 << 20, 0) == dt.timedelta(seconds=900)
