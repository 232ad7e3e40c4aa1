"""Claims about moving slices: nothing unverified is written, nothing is lost, and liars are found out."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path

import pytest

from services.replication.domain.transfer import TransferState
from shared.contracts import events
from shared.core.digest import CHUNK_SIZE
from shared.testing.builders import signed, some_bytes
from tests.unit.replication.replication_bench import Bench, published

PACKAGE = signed(some_bytes(4 * CHUNK_SIZE + 7))
"""Five chunks, in three slices of two, two and one."""


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A replication service that knows nobody."""
    return Bench(tmp_path)


def test_slices_are_moved_and_the_whole_is_assembled(bench: Bench) -> None:
    """Then hashing is asked, once, with what the manifest says."""
    _, site = bench.meet("B", PACKAGE)
    bench.want(PACKAGE)

    bench.move_all()

    transfer = bench.transfer()
    assert bench.moved() == PACKAGE.content
    assert (transfer.state, transfer.bytes_fetched) == (TransferState.ASSEMBLED, len(PACKAGE.content))
    assert [detail for what, detail in site.asked if what == "content"] == [(0, 0), (1, 2), (2, 4)]
    (said,) = bench.said
    assert isinstance(said, events.PackageAssembledV1)
    assert (said.size, said.sha256) == (len(PACKAGE.content), PACKAGE.manifest.sha256.hex)


def test_with_nothing_to_move_a_step_does_nothing(bench: Bench) -> None:
    """And says so."""
    assert not bench.moving.step()


def test_two_workers_share_a_package(bench: Bench) -> None:
    """Each slice is fetched once."""
    _, site = bench.meet("B", PACKAGE)
    bench.want(PACKAGE)

    bench.move_all([bench.worker("one"), bench.worker("two")])

    assert bench.moved() == PACKAGE.content
    assert len([what for what, _ in site.asked if what == "content"]) == 3
    assert len(bench.said) == 1


def test_a_bad_chunk_is_never_written(bench: Bench) -> None:
    """What came before it in the same answer is kept."""
    _, site = bench.meet("B", PACKAGE)
    site.bad_chunks = {1}
    bench.want(PACKAGE)

    bench.moving.step()

    moved = bench.moved()
    assert moved[:CHUNK_SIZE] == PACKAGE.content[:CHUNK_SIZE]
    assert moved[CHUNK_SIZE : 2 * CHUNK_SIZE] == bytes(CHUNK_SIZE)


def test_a_source_is_banned_after_three_bad_chunks(bench: Bench) -> None:
    """Promise B3: with an event that says why and until when; it is not asked again until then."""
    peer, site = bench.meet("liar", PACKAGE)
    site.bad_chunks = {1}
    bench.want(PACKAGE)
    for _ in range(3):
        assert not bench.peer(peer).banned_until
        bench.moving.step()

    until = bench.clock() + dt.timedelta(hours=1)
    assert bench.peer(peer).banned_until == until
    assert [event for event in bench.said if isinstance(event, events.PeerBannedV1)] == [
        events.PeerBannedV1(peer_id=str(peer.peer_id), reason="chunk 1 is not what the origin signed", until=until)
    ]
    site.asked.clear()
    bench.moving.step()
    assert site.asked == []
    assert bench.transfer().state is TransferState.MOVING


def test_what_was_cancelled_meanwhile_does_not_become_suspect(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second wrong answer comes when an administrator has decided already."""
    for name in ("one", "two"):
        bench.meet(name, PACKAGE)[1].bad_chunks = {3}
    bench.want(PACKAGE)
    failed, liars = bench.moving.sources.failed, []

    def cancel_at_the_second(peer_id: str, when: float) -> None:
        liars.append(peer_id)
        if len(liars) == 2:
            bench.steering.cancel(bench.transfer().transfer_id, "ada")
        failed(peer_id, when)

    monkeypatch.setattr(bench.moving.sources, "failed", cancel_at_the_second)
    bench.move_all()

    assert len(set(liars)) == 2
    assert bench.transfer().state is TransferState.CANCELLED
    assert bench.storage.given_up == []


def test_an_honest_source_completes_what_a_liar_began(bench: Bench) -> None:
    """Whichever of the two is asked first."""
    _, liar = bench.meet("liar", PACKAGE)
    liar.bad_chunks = {0}
    bench.meet("honest", PACKAGE)
    bench.want(PACKAGE)

    bench.move_all()

    assert bench.moved() == PACKAGE.content
    assert bench.transfer().state is TransferState.ASSEMBLED


def test_the_same_chunk_wrong_from_two_peers_makes_the_manifest_suspect(bench: Bench) -> None:
    """Promise B4: the transfer stops with an alarm, storage gives the package up, and nobody is banned."""
    both = [bench.meet(name, PACKAGE) for name in ("one", "two")]
    for _, site in both:
        site.bad_chunks = {3}
    bench.want(PACKAGE)

    bench.move_all()

    assert bench.transfer().state is TransferState.SUSPECT
    assert bench.storage.given_up == [(PACKAGE.package_id, "MANIFEST_SUSPECT")]
    assert [event.type for event in bench.said] == ["transfer.suspect.v1"]
    assert all(bench.peer(peer).banned_until is None for peer, _ in both)
    assert not bench.moving.step()


def test_different_chunks_wrong_from_two_peers_are_two_liars(bench: Bench) -> None:
    """The manifest is not to blame."""
    for name, bad in (("one", {1}), ("two", {0})):
        _, site = bench.meet(name, PACKAGE)
        site.bad_chunks = bad
    bench.want(PACKAGE)
    for _ in range(3):
        bench.moving.step()

    assert bench.transfer().state is TransferState.MOVING
    assert bench.storage.given_up == []


def test_a_broken_link_resumes_at_the_first_missing_chunk(bench: Bench) -> None:
    """What was written is read back, checked and not fetched again (promise B1)."""
    _, site = bench.meet("B", PACKAGE)
    site.breaks_after = 1
    bench.want(PACKAGE)
    bench.moving.step()
    site.breaks_after = None
    bench.clock.pass_seconds(30)

    bench.move_all()

    assert [detail for what, detail in site.asked if what == "content"][:2] == [(0, 0), (0, 1)]
    assert bench.moved() == PACKAGE.content
    assert bench.transfer().bytes_fetched == len(PACKAGE.content)


def test_a_chunk_that_is_damaged_on_the_disk_is_fetched_again(bench: Bench) -> None:
    """Resuming trusts nothing that it did not check."""
    _, site = bench.meet("B", PACKAGE)
    site.breaks_after = 1
    bench.want(PACKAGE)
    bench.moving.step()
    with bench.store.open_incoming(bench.transfer().transfer_id) as file:
        os.pwrite(file.fileno(), b"rot", 5)
    site.breaks_after = None
    bench.clock.pass_seconds(30)

    bench.move_all()

    assert [detail for what, detail in site.asked if what == "content"][:2] == [(0, 0), (0, 0)]
    assert bench.moved() == PACKAGE.content


def test_a_single_source_that_fails_is_given_time(bench: Bench) -> None:
    """Waits grow, so that a peer that starts is not hammered."""
    _, site = bench.meet("B", PACKAGE)
    bench.want(PACKAGE)
    site.away = True
    tries = []
    for second in range(70):
        while bench.moving.step():
            tries.append(second)
        bench.clock.pass_seconds(1)

    assert tries[:6] == [0, 0, 0, 1, 1, 1]
    assert len(tries) <= 3 * 7


def test_with_another_source_nobody_waits(bench: Bench) -> None:
    """The slice goes to the next one at once."""
    _, away = bench.meet("away", PACKAGE)
    bench.meet("there", PACKAGE)
    bench.want(PACKAGE)
    away.away = True

    bench.move_all()

    assert bench.transfer().state is TransferState.ASSEMBLED


def test_without_any_source_a_slice_waits(bench: Bench) -> None:
    """It is not lost, and there is no busy loop."""
    peer, _ = bench.meet("B", PACKAGE)
    bench.want(PACKAGE)
    with bench.peers.changing() as changes:
        changes.save_peer(peer.struck(1, bench.clock() + dt.timedelta(seconds=60)))

    assert bench.move_all() == 3
    assert not bench.moving.step()

    bench.clock.pass_seconds(61)
    bench.move_all()
    assert bench.transfer().state is TransferState.ASSEMBLED


def test_a_worker_that_lost_its_claim_changes_nothing(bench: Bench) -> None:
    """A zombie: its lease ran out while it worked, another finished the slice; both wrote the same verified bytes."""
    bench.meet("B", PACKAGE)
    bench.want(PACKAGE)
    other = bench.worker("other")

    def meanwhile(index: int) -> None:
        if index == 1 and bench.clock() < _after:
            bench.clock.pass_seconds(60)
            other.step()

    _after = bench.clock() + dt.timedelta(seconds=60)
    bench.client.on_chunk = meanwhile
    bench.moving.step()

    assert bench.transfers.figures()["slices_ready"] == 2
    bench.move_all()
    assert bench.moved() == PACKAGE.content
    assert [event.type for event in bench.said] == ["package.assembled.v1"]


def test_a_transfer_whose_files_are_gone_is_planned_anew(bench: Bench) -> None:
    """It fails once, without a loop, and the next ring of storage begins another."""
    bench.meet("B", PACKAGE)
    bench.want(PACKAGE)
    bench.store.drop_incoming(bench.transfer().transfer_id)

    assert bench.move_all() == 1
    assert bench.transfer().state is TransferState.FAILED
    bench.clock.pass_seconds(1)
    bench.want(PACKAGE)
    bench.move_all()

    assert bench.transfer().state is TransferState.ASSEMBLED
    assert bench.moved() == PACKAGE.content


def test_a_transfer_that_ended_meanwhile_stays_as_it_ended(bench: Bench) -> None:
    """The package came otherwise while a slice was on its way."""
    bench.meet("B", PACKAGE)
    bench.want(PACKAGE)
    bench.client.on_chunk = lambda _index: bench.planning.close(published(PACKAGE))

    bench.move_all()

    assert bench.transfer().state is TransferState.DONE
    assert bench.said == []


def test_a_full_disk_gives_the_slice_back_for_a_while(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Promise B7: the work waits and resumes by itself."""
    bench.meet("B", PACKAGE)
    bench.want(PACKAGE)

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        assert bench.move_all() == 3
    assert not bench.moving.step()

    bench.clock.pass_seconds(11)
    bench.move_all()
    assert bench.moved() == PACKAGE.content


def test_a_source_that_gives_nothing_is_left_for_another(bench: Bench) -> None:
    """It answers 403 or 404: asked once, and the next one that has the package at once."""
    _, lacking = bench.meet("lacking", PACKAGE)
    bench.want(PACKAGE)
    lacking.lacks, lacking.asked = {PACKAGE.package_id}, []
    bench.moving.step()

    bench.meet("honest", PACKAGE)
    bench.move_all()

    assert bench.transfer().state is TransferState.ASSEMBLED
    assert len([what for what, _ in lacking.asked if what == "content"]) == 1


def test_that_a_source_lacks_a_package_is_believed_for_a_while(bench: Bench) -> None:
    """Errors are not signed: a proxy on the way may have answered. The waits double, ten minutes at most."""
    _, site = bench.meet("B", PACKAGE)
    bench.want(PACKAGE)
    site.lacks, site.asked = {PACKAGE.package_id}, []
    tries = []
    for seconds in range(0, 3000, 10):
        before = len(site.asked)
        while bench.moving.step():
            pass
        tries += [seconds] if len(site.asked) > before else []
        bench.clock.pass_seconds(10)
    assert tries == [0, 30, 90, 210, 450, 930, 1530, 2130, 2730]

    site.lacks = set()
    bench.clock.pass_seconds(600)
    bench.move_all()
    assert bench.transfer().state is TransferState.ASSEMBLED


def test_a_source_that_names_a_package_anew_is_asked_at_once(bench: Bench) -> None:
    """Its feed is signed."""
    peer, site = bench.meet("B")
    site.shows(PACKAGE)
    bench.pull(peer)
    bench.want(PACKAGE)
    site.lacks = {PACKAGE.package_id}
    bench.moving.step()
    site.lacks = set()
    assert bench.peers.sources_of(PACKAGE.package_id) == [bench.peer(peer)]

    site.shows(PACKAGE)
    bench.pull(peer)
    bench.clock.pass_seconds(1)
    bench.move_all()

    assert bench.transfer().state is TransferState.ASSEMBLED


def test_a_liar_whose_key_is_replaced_meanwhile_does_not_rise_again(bench: Bench) -> None:
    """Under its old id nobody is known any more."""
    peer, site = bench.meet("liar", PACKAGE)
    site.bad_chunks = {0}
    bench.want(PACKAGE)
    bench.client.on_chunk = lambda _index: bench.rename(peer)

    bench.moving.step()

    assert bench.peers.get(str(peer.peer_id)) is None
    assert len(bench.peers.all()) == 1
