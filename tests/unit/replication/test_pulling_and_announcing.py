"""Claims about doorbells and change feeds."""

from __future__ import annotations

import uuid
from dataclasses import replace
from pathlib import Path

import pytest

from services.replication.domain.peer import Peer, PeerState
from services.replication.domain.refusals import SourceLacks
from shared.contracts import events
from shared.core.errors import ClockAhead, ManifestInvalid, OdstError, PeerLied, PeerUnreachable, RecordRefused, ServiceTimeout
from shared.testing.builders import signed
from tests.unit.replication.replication_bench import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A replication service that knows nobody."""
    return Bench(tmp_path)


def published(received_from: Peer | None = None) -> events.PackagePublishedV1:
    """A package is downloadable here."""
    origin = str(received_from.peer_id) if received_from else None
    return events.PackagePublishedV1(
        package_id=str(uuid.uuid4()), name="App.pkg", size=1, sha256="0" * 64, origin="A" * 52, received_from=origin
    )


def test_every_peer_hears_of_a_package_but_the_one_it_came_from(bench: Bench) -> None:
    """Nor does one that was revoked."""
    source, from_site = bench.meet("source")
    _, other_site = bench.meet("other")
    _, gone_site = bench.meet("gone", state=PeerState.REVOKED)

    bench.announcing.announce(published(source))
    while bench.announcing.ring_due():
        pass

    assert other_site.rung == [bench.storage.position]
    assert from_site.rung == gone_site.rung == []


def test_many_packages_are_one_ring(bench: Bench) -> None:
    """The feed has the rest."""
    _, site = bench.meet("B")
    for _ in range(5):
        bench.announcing.announce(published())

    assert bench.announcing.ring_due()
    assert not bench.announcing.ring_due()

    assert len(site.rung) == 1
    assert bench.rings == 5


def test_a_peer_that_is_away_is_rung_again_with_growing_waits(bench: Bench) -> None:
    """And not for ever: its own poll will find the news."""
    peer, site = bench.meet("B")
    site.away = True
    bench.announcing.announce(published())
    waits = []
    for seconds in range(2000):
        if bench.announcing.ring_due():
            waits.append(seconds)
        bench.clock.pass_seconds(1)

    assert waits[:5] == [0, 1, 3, 7, 15]
    assert len(waits) == 9
    assert "away" in str(bench.peer(peer).last_error)


def test_a_ring_that_is_heard_ends_the_tries(bench: Bench) -> None:
    """And clears the error."""
    peer, site = bench.meet("B", last_error="away")
    bench.announcing.announce(published())

    bench.announcing.ring_due()

    assert len(site.rung) == 1
    assert (bench.peer(peer).last_error, bench.peer(peer).last_contact) == (None, bench.clock())


@pytest.mark.parametrize("away", [False, True])
def test_a_peer_that_is_revoked_while_we_ring_is_not_rung_again(bench: Bench, away: bool, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: FBT001 - both ways
    """Nothing of it is left to do: otherwise the loop would find it due for ever."""
    peer, site = bench.meet("B")
    site.away = away
    ring = bench.client.announce

    def revoked_meanwhile(to: Peer, epoch: str, seq: int) -> None:
        bench.revoke(peer)
        ring(to, epoch, seq)

    monkeypatch.setattr(bench.client, "announce", revoked_meanwhile)
    bench.announcing.announce(published())

    assert bench.announcing.ring_due()
    bench.clock.pass_seconds(3600)
    assert not bench.announcing.ring_due()
    assert bench.peer(peer).state is PeerState.REVOKED


def test_a_ring_that_waits_for_nobody_is_dropped(bench: Bench) -> None:
    """Whoever left it behind."""
    peer, site = bench.meet("B", state=PeerState.REVOKED)
    with bench.peers.changing() as changes:
        changes.announce_to(str(peer.peer_id), bench.clock())
        changes.announce_to("NOBODY", bench.clock())

    assert bench.announcing.ring_due()

    assert not bench.announcing.ring_due()
    assert site.rung == []


def test_who_answers_is_rung_before_who_was_away(bench: Bench) -> None:
    """Nobody waits for a peer that does not answer, again."""
    rung = list[str]()
    peers = [bench.meet(name)[0] for name in ("away", "there")]
    with bench.peers.changing() as changes:
        for peer, attempts in zip(peers, (3, 0), strict=True):
            changes.announce_to(str(peer.peer_id), bench.clock(), attempts)
    bench.client.announce = lambda peer, _epoch, _seq: rung.append(peer.name)  # type: ignore[method-assign]

    bench.announcing.ring_due()

    assert rung == ["there", "away"]


def test_a_ring_at_the_door_becomes_an_event(bench: Bench) -> None:
    """Only a hint; the feed is read by whoever handles it."""
    bench.announcing.hear("PEER", "epoch", 3)

    assert bench.said == [events.PeerAnnouncedV1(peer_id="PEER", epoch="epoch", seq=3)]


def test_a_feed_is_read_to_its_end_in_order(bench: Bench) -> None:
    """Each manifest is handed over, and the peer is known as a source of each."""
    packages = [signed(bytes([number]), f"{number}.pkg") for number in range(5)]
    peer, _ = bench.meet("B")
    bench.client.site(peer).has(*packages)

    bench.pulling.pull(str(peer.peer_id))

    assert [envelope for envelope, _ in bench.storage.offered] == [package.envelope for package in packages]
    assert (bench.peer(peer).epoch, bench.peer(peer).cursor) == ("their-epoch", 5)
    assert all(bench.peers.sources_of(package.package_id) for package in packages)


def test_a_second_pull_moves_nothing(bench: Bench) -> None:
    """The cursor stands at the end; what is known is not asked for."""
    package = signed()
    peer, site = bench.meet("B", package)
    bench.pulling.pull(str(peer.peer_id))
    site.asked.clear()

    bench.pulling.pull(str(peer.peer_id))

    assert site.asked == [("changes", 1)]


def test_a_package_that_storage_knows_is_a_source_and_no_question(bench: Bench) -> None:
    """It may have come from another peer already."""
    package = signed()
    peer, site = bench.meet("B")
    site.has(package)
    bench.storage.wants(package)

    bench.pulling.pull(str(peer.peer_id))

    assert "manifest" not in [what for what, _ in site.asked]
    assert bench.peers.sources_of(package.package_id) == [bench.peer(peer)]


def test_the_cursor_moves_only_after_the_whole_page(bench: Bench) -> None:
    """Storage being away in the middle of a page costs that page again, never a package."""
    packages = [signed(bytes([number]), f"{number}.pkg") for number in range(4)]
    peer, site = bench.meet("B")
    site.has(*packages)
    bench.storage.refuses[packages[3].envelope] = ServiceTimeout("storage did not answer")

    with pytest.raises(ServiceTimeout):
        bench.pulling.pull(str(peer.peer_id))
    assert bench.peer(peer).cursor == 2

    bench.storage.refuses.clear()
    bench.pulling.pull(str(peer.peer_id))

    assert bench.peer(peer).cursor == 4
    assert {envelope for envelope, _ in bench.storage.offered} == {package.envelope for package in packages}


@pytest.mark.parametrize(
    ("error", "tries"),
    [(ManifestInvalid("forged"), []), (RecordRefused("revoked"), [30, 90, 210]), (ClockAhead("tomorrow"), [30, 90, 210])],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_a_refused_manifest_does_not_block_the_rest(bench: Bench, error: OdstError, tries: list[int]) -> None:
    """It is told once, and tried again later unless it is forged: as in the second version of the protocol."""
    bad, good = signed(b"bad", "Bad.pkg"), signed(b"good", "Good.pkg")
    peer, site = bench.meet("B")
    site.has(bad, good)
    bench.storage.refuses[bad.envelope] = error
    bench.pull(peer)
    assert [envelope for envelope, _ in bench.storage.offered] == [good.envelope]
    assert bench.peer(peer).cursor == 2

    site.epoch = "read-anew"
    tried = []
    for seconds in range(0, 400, 10):
        site.asked.clear()
        bench.pull(peer)
        tried += [seconds] if ("manifest", bad.package_id) in site.asked else []
        bench.clock.pass_seconds(10)
    assert tried == tries
    told = [(event.record_id, event.code) for event in bench.said if isinstance(event, events.RecordRefusedV1)]
    assert told == [(bad.package_id, error.code)]

    bench.storage.refuses.clear()
    bench.clock.pass_seconds(3600)
    bench.pull(peer)
    assert (bad.envelope, str(peer.peer_id)) in bench.storage.offered or not tries
    assert bench.peers.deferred_count(str(peer.peer_id)) == (0 if tries else 1)


@pytest.mark.parametrize("error", [SourceLacks("404"), PeerLied("too long")])
def test_a_manifest_that_is_not_given_does_not_block_the_rest(bench: Bench, error: PeerLied, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked for again, and not for ever; nobody keeps that this peer named it."""
    package = signed()
    peer, site = bench.meet("B")
    site.has(package)
    asked = list[str]()

    def refused(_peer: Peer, package_id: str) -> bytes:
        asked.append(package_id)
        raise error

    monkeypatch.setattr(bench.client, "manifest", refused)

    for _ in range(12):
        bench.pull(peer)
        bench.clock.pass_seconds(3601)

    assert (bench.peer(peer).cursor, len(asked), bench.said) == (1, 9, [])
    assert bench.peers.deferred_count(str(peer.peer_id)) == 0
    assert bench.peers.shown_among([package.package_id]) == set()


def test_a_new_epoch_is_read_from_the_start(bench: Bench) -> None:
    """The peer was restored from a backup."""
    peer, site = bench.meet("B", signed(b"1", "1.pkg"))
    bench.pulling.pull(str(peer.peer_id))
    site.epoch = "after-the-restore"

    bench.pulling.pull(str(peer.peer_id))

    assert bench.peer(peer).epoch == "after-the-restore"
    assert bench.peer(peer).cursor == 1
    assert [what for what, _ in site.asked].count("manifest") == 2


def test_old_news_is_not_worth_a_question(bench: Bench) -> None:
    """A ring about what was read already."""
    peer, site = bench.meet("B", epoch="their-epoch", cursor=5)

    bench.pulling.heard(events.PeerAnnouncedV1(peer_id=str(peer.peer_id), epoch="their-epoch", seq=5))
    bench.pulling.heard(events.PeerAnnouncedV1(peer_id="NOBODY", epoch="their-epoch", seq=9))

    assert site.asked == []


def test_a_peer_that_is_away_is_asked_again_soon(bench: Bench) -> None:
    """Sooner than the ordinary poll; and it keeps nobody else waiting."""
    away, away_site = bench.meet("away")
    away_site.away = True
    package = signed()
    there, _ = bench.meet("there")
    bench.client.site(there).has(package)

    bench.pulling.poll_due()

    assert len(bench.storage.offered) == 1
    due = bench.peer(away).next_poll
    assert due is not None
    assert 0 < (due - bench.clock()).total_seconds() <= 36
    assert "away" in str(bench.peer(away).last_error)
    with pytest.raises(PeerUnreachable):
        bench.pulling.pull(str(away.peer_id))


def test_peers_are_polled_at_their_own_time(bench: Bench) -> None:
    """With a fifth of jitter, so that a thousand instances do not knock at once."""
    peer, site = bench.meet("B")
    bench.pulling.poll_due()
    bench.pulling.poll_due()
    assert len(site.asked) == 1

    due = bench.peer(peer).next_poll
    assert due is not None
    assert 240 <= (due - bench.clock()).total_seconds() <= 360


def test_pulling_now_makes_every_peer_due(bench: Bench) -> None:
    """At the next sweep."""
    peer, site = bench.meet("B")
    bench.pulling.poll_due()

    bench.pulling.pull_all()
    bench.pulling.poll_due()

    assert len(site.asked) == 2
    assert bench.peers.get(str(peer.peer_id)) is not None


def test_a_revoked_peer_is_not_asked(bench: Bench) -> None:
    """It is mute, and we are deaf."""
    peer, site = bench.meet("B")
    with bench.peers.changing() as changes:
        changes.save_peer(replace(peer, state=PeerState.REVOKED))

    bench.pulling.pull(str(peer.peer_id))

    assert site.asked == []
