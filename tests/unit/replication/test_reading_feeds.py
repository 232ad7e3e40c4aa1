"""Claims about reading a feed: its versions, its numbering, and where it ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.replication.domain.records import RECORD, FeedPage, Records, Refusal
from shared.contracts import events
from shared.core.errors import PeerLied
from shared.testing.builders import Signed, signed
from shared.testing.fakes.peer_client import FakeSite
from tests.unit.replication.replication_bench import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A replication service that knows nobody."""
    return Bench(tmp_path)


def some(count: int) -> list[Signed]:
    """Packages with names of their own."""
    return [signed(bytes([number]), f"{number}.pkg") for number in range(count)]


def asked(site: FakeSite, what: str) -> list[object]:
    """The details of all questions of one kind."""
    return [detail for asked_for, detail in site.asked if asked_for == what]


def test_an_instance_of_the_first_version_reads_a_new_feed_as_before(bench: Bench) -> None:
    """One manifest at a time, and only what has bytes."""
    with_bytes, without = some(2)
    peer, site = bench.meet("B")
    site.shows(with_bytes)
    site.shows(without, kind=RECORD)

    bench.puller((1,)).pull(str(peer.peer_id))

    assert [envelope for envelope, _ in bench.storage.offered] == [with_bytes.envelope]
    assert asked(site, "records") == []
    assert bench.peer(peer).protocol == 1


def test_a_feed_is_read_anew_in_a_version_that_was_not_spoken_before(bench: Bench) -> None:
    """What the first version could not say stands before the cursor that it left."""
    with_bytes, without = some(2)
    peer, site = bench.meet("B")
    site.shows(with_bytes)
    site.shows(without, kind=RECORD)
    bench.puller((1,)).pull(str(peer.peer_id))

    bench.pull(peer)

    assert bench.storage.versions() == site.versions()
    assert (bench.peer(peer).protocol, bench.peer(peer).cursor) == (2, 2)


def test_a_feed_that_went_back_is_an_alarm_and_read_anew(bench: Bench) -> None:
    """Under the same epoch it ends before what it had told."""
    peer, site = bench.meet("B")
    for package in some(4):
        site.shows(package)
    bench.pull(peer)
    for record_id in list(site.feed)[2:]:
        del site.feed[record_id]
    site._number = 2

    bench.pull(peer)
    bench.pull(peer)

    assert bench.said == [events.PeerFeedWentBackV1(peer_id=str(peer.peer_id), told_seq=4, found_seq=2)]
    assert bench.peer(peer).cursor == 2


def test_a_restored_peer_is_the_source_of_nothing_until_it_says_so(bench: Bench) -> None:
    """Another epoch is another truth; another view within it is not."""
    lost, kept = some(2)
    peer, site = bench.meet("B")
    for package in (lost, kept):
        site.shows(package)
    bench.pull(peer)
    del site.feed[lost.package_id]

    site.epoch = "their-epoch.1"
    bench.pull(peer)
    assert bench.peers.sources_of(lost.package_id) != []

    site.epoch = "after-the-restore"
    bench.pull(peer)
    assert bench.peers.sources_of(lost.package_id) == []
    assert bench.peers.sources_of(kept.package_id) != []


@pytest.mark.parametrize(
    "pages",
    [
        [FeedPage("their-epoch", (), 0, more=True, protocol=2)],
        [FeedPage(f"epoch-{number}", (), 0, more=True, protocol=2) for number in range(9)],
        [FeedPage("their-epoch", (), 5 - number % 2 * 3, more=True, protocol=2) for number in range(9)],
    ],
    ids=["stands still", "numbers anew", "goes back and forth"],
)
def test_a_feed_without_end_is_a_lie(bench: Bench, pages: list[FeedPage]) -> None:
    """It keeps nobody busy for ever."""
    peer, _ = bench.meet("B", epoch="their-epoch", cursor=0, protocol=2)
    coming = iter(pages)
    bench.client.changes = lambda *_: next(coming)  # type: ignore[method-assign]

    with pytest.raises(PeerLied):
        bench.pull(peer)


def test_nothing_is_fetched_from_a_peer_before_the_end_of_its_long_feed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it told so far may be superseded by what follows; what is wanted in the end is rung for once all is known."""
    packages, seen = some(3), list[bool]()
    peer, site = bench.meet("B")
    site.page_size = 2
    for package in packages:
        site.shows(package)
    offer = bench.storage.offer_records

    def watched(records: Records, peer_id: str) -> list[Refusal]:
        seen.append(bench.peer(peer).catching_up)
        bench.want(packages[0])
        assert bench.transfers.listed(10) == []
        return offer(records, peer_id)

    monkeypatch.setattr(bench.storage, "offer_records", watched)
    bench.pull(peer)

    assert (seen, bench.peer(peer).catching_up) == ([True, True], False)
    assert packages[2].package_id in bench.storage.rung
    bench.want(packages[0])
    assert len(bench.transfers.listed(10)) == 1
