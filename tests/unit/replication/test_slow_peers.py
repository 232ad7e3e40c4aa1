"""Claims about peers that are slow, or never come to an end: they keep nobody else waiting."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from services.replication.domain.peer import Peer
from services.replication.domain.sources import LackBook, longest_seconds
from services.replication.handlers.pulling import TurnOver
from shared.contracts import events
from shared.testing.builders import signed
from shared.testing.fakes.clock import NOON, FakeClock
from shared.testing.fakes.peer_client import FakeSite
from tests.unit.replication.replication_bench import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A replication service that knows nobody."""
    return Bench(tmp_path)


def meet(bench: Bench, name: str, count: int) -> tuple[Peer, FakeSite]:
    """A peer whose feed has so many packages, two on a page."""
    peer, site = bench.meet(name)
    for number in range(count):
        site.shows(signed(f"{name}{number}".encode(), f"{name}{number}.pkg"))
    return peer, site


def at_each_page(bench: Bench, of: Peer, happens: Callable[[], object]) -> None:
    """Let something happen while a page of this peer's feed is on its way."""
    changes = bench.client.changes

    def asked(peer: Peer, epoch: str | None, since: int) -> Any:
        if peer.peer_id == of.peer_id:
            happens()
        return changes(peer, epoch, since)

    bench.client.changes = asked  # type: ignore[method-assign]


def ring(bench: Bench, peer: Peer, seq: int) -> None:
    """A peer has news."""
    bench.announcing.hear(str(peer.peer_id), "their-epoch", seq)
    bench.pulling.heard(events.PeerAnnouncedV1(peer_id=str(peer.peer_id), epoch="their-epoch", seq=seq))


def test_a_feed_that_is_being_read_is_left_by_the_other_loops(bench: Bench) -> None:
    """However often the peer rings; they read those of others, and its own is read once more afterwards."""
    slow, slow_site = meet(bench, "slow", 1)
    steps = []

    def meanwhile() -> None:
        if not steps:
            steps.append(True)
            meet(bench, "other", 1)
            ring(bench, slow, 9)
            steps.extend([bench.pulling.step(), bench.pulling.step()])

    at_each_page(bench, slow, meanwhile)

    bench.pulling.step()
    assert steps == [True, True, False]
    assert len(bench.storage.manifests) == 2

    slow_site.asked.clear()
    bench.pulling.poll_due()
    assert [what for what, _ in slow_site.asked] == ["changes"]


def test_reading_a_feed_that_is_being_read_does_nothing(bench: Bench) -> None:
    """It does not wait either."""
    peer, site = meet(bench, "B", 1)
    at_each_page(bench, peer, lambda: bench.pull(peer))

    bench.pull(peer)

    assert [what for what, _ in site.asked].count("changes") == 1


def test_the_claim_of_a_feed_is_renewed_at_each_page(bench: Bench) -> None:
    """Otherwise other processes would begin to read a long one too."""
    peer, _ = meet(bench, "B", 6)
    claims = []

    def a_while() -> None:
        until = bench.peer(peer).next_poll
        claims.append(until is not None and until > bench.clock())
        bench.clock.pass_seconds(35)

    at_each_page(bench, peer, a_while)

    bench.pulling.step()

    assert claims == [True, True, True]


def test_a_feed_that_takes_long_is_read_in_turn_with_others(bench: Bench) -> None:
    """After two minutes those come first that are due; nothing is read twice, and nothing of it is an error."""
    slow, slow_site = meet(bench, "slow", 12)
    at_each_page(bench, slow, lambda: bench.clock.pass_seconds(50))
    with pytest.raises(TurnOver):
        bench.pull(slow)
    assert (bench.peer(slow).cursor, bench.peer(slow).last_error, bench.peer(slow).last_pull) == (6, None, None)

    other, _ = meet(bench, "other", 1)
    bench.change(other, next_poll=bench.clock())
    bench.clock.pass_seconds(1)
    bench.change(slow, next_poll=bench.clock())
    bench.pulling.step()
    assert bench.peer(other).cursor == 1

    bench.pulling.poll_due()
    assert (bench.peer(slow).cursor, len(bench.storage.manifests)) == (12, 13)
    assert [since for what, since in slow_site.asked if what == "changes"] == [0, 2, 4, 6, 8, 10]


def test_a_peer_that_takes_long_to_hear_a_ring_keeps_nobody_else_waiting(bench: Bench) -> None:
    """The loops beside ring at others, each once; news that come meanwhile are told afterwards."""
    slow, _ = bench.meet("slow")
    rung, beside = list[str](), list[bool]()
    with bench.peers.changing() as changes:
        changes.announce_to(str(slow.peer_id), bench.clock())

    def hears(peer: Peer, _epoch: str, _seq: int) -> None:
        rung.append(peer.name)
        if len(rung) == 1:
            bench.meet("other")
            bench.announcing.announce(events.CatalogueChangedV1())
            beside.extend([bench.announcing.ring_due(), bench.announcing.ring_due()])

    bench.client.announce = hears  # type: ignore[method-assign]

    assert bench.announcing.ring_due()
    assert (rung, beside) == (["slow", "other"], [True, False])

    assert bench.announcing.ring_due()
    assert rung == ["slow", "other", "slow"]


def test_each_size_has_its_time() -> None:
    """A thin link that is honest has enough of it: a MiB at 16 KiB a second, and 30 seconds besides."""
    assert longest_seconds(1 << 20, 16 << 10) == 94
    assert longest_seconds(1 << 20, 0) is None


def test_what_sources_lack_is_remembered_within_bounds() -> None:
    """And a wait that a wrong clock planned is past."""
    book, now = LackBook(), NOON
    for number in range(10_001):
        book.lacks("B", f"p{number}", now)

    assert [book.is_left_alone("B", one, now) for one in ("p0", "p1", "p10000")] == [False, True, True]
    assert not book.is_left_alone("B", "p1", FakeClock().pass_seconds(-3600))
