"""Claims about planning transfers and ending them."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.replication.domain.transfer import TransferState
from shared.contracts import events
from shared.core.digest import CHUNK_SIZE, ChunkDigests
from shared.testing.builders import Signed, a_transfer, signed, some_bytes
from tests.unit.replication.replication_bench import Bench, published

PACKAGE = signed(some_bytes(5 * CHUNK_SIZE + 3))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A replication service that knows nobody."""
    return Bench(tmp_path)


def quarantined(package: Signed) -> events.PackageQuarantinedV1:
    """The package was refused here."""
    return events.PackageQuarantinedV1(package_id=package.package_id, name="App.pkg", code="DIGEST_INVALID", reason="not it")


def test_a_wanted_package_is_cut_in_slices(bench: Bench) -> None:
    """Space is reserved, the chunk list lies beside it, the workers are rung."""
    bench.meet("B", PACKAGE)

    bench.want(PACKAGE)

    transfer = bench.transfer()
    assert (transfer.state, transfer.package_id) == (TransferState.PLANNED, PACKAGE.package_id)
    assert bench.store.incoming_size(transfer.transfer_id) == len(PACKAGE.content)
    assert bench.store.read_chunk_list(transfer.transfer_id) == PACKAGE.chunks
    assert bench.transfers.figures()["slices_ready"] == 3
    assert bench.rings == 1


def test_a_wanted_event_seen_twice_plans_once(bench: Bench) -> None:
    """But rings the workers, as they may have missed the first."""
    bench.meet("B", PACKAGE)
    bench.want(PACKAGE)

    bench.want(PACKAGE)

    assert len(bench.transfers.listed(10)) == 1
    assert bench.rings == 2


def test_without_a_source_nothing_is_planned(bench: Bench) -> None:
    """A banned peer is none. Storage will ring again."""
    peer, _ = bench.meet("B", PACKAGE)
    with bench.peers.changing() as changes:
        changes.save_peer(peer.struck(1, bench.clock.pass_seconds(0).replace(year=2030)))

    bench.want(PACKAGE)

    assert bench.transfers.listed(10) == []
    assert list(bench.store.layout.incoming.iterdir()) == []


def test_without_space_nothing_is_planned(tmp_path: Path) -> None:
    """And nothing is left behind; other work goes on."""
    bench = Bench(tmp_path, free_floor_bytes=1 << 60)
    bench.meet("B", PACKAGE)

    bench.want(PACKAGE)

    assert bench.transfers.listed(10) == []
    assert list(bench.store.layout.incoming.iterdir()) == []


def test_a_source_with_a_wrong_chunk_list_is_passed_over(bench: Bench) -> None:
    """The next one is asked."""
    _, liar = bench.meet("liar", PACKAGE)
    liar.packages[PACKAGE.package_id] = signed(some_bytes(5 * CHUNK_SIZE + 3, "another"))
    _, away = bench.meet("away", PACKAGE)
    away.away = True
    bench.meet("honest", PACKAGE)

    bench.want(PACKAGE)

    assert bench.store.read_chunk_list(bench.transfer().transfer_id) == PACKAGE.chunks


def test_when_no_source_has_the_chunk_list_nothing_is_planned(bench: Bench) -> None:
    """Nothing is left behind, and a later ring may find one that has."""
    _, site = bench.meet("B", PACKAGE)
    site.away = True
    bench.want(PACKAGE)
    assert bench.transfers.listed(10) == []
    assert list(bench.store.layout.incoming.iterdir()) == []

    site.away = False
    bench.want(PACKAGE)

    assert bench.transfer().state is TransferState.PLANNED


def test_an_empty_package_is_assembled_at_once(bench: Bench) -> None:
    """It has no slice that could finish it."""
    empty = signed(b"")
    bench.meet("B", empty)

    bench.want(empty)

    assert bench.transfer().state is TransferState.ASSEMBLED
    assert [event.type for event in bench.said] == ["package.assembled.v1"]
    assert bench.store.read_chunk_list(bench.transfer().transfer_id) == ChunkDigests(b"")


def test_of_two_that_plan_at_once_one_wins(bench: Bench) -> None:
    """The other one's file is dropped, and nothing else."""
    bench.meet("B", PACKAGE)
    rival = a_transfer(PACKAGE.manifest)
    ask = bench.client.chunk_digests

    def plan_meanwhile(*arguments: object) -> bytes:
        with bench.transfers.changing() as changes:
            changes.save(rival)
        return ask(*arguments)  # type: ignore[arg-type]

    bench.client.chunk_digests = plan_meanwhile  # type: ignore[method-assign]
    bench.want(PACKAGE)

    assert [transfer.transfer_id for transfer, _ in bench.transfers.listed(10)] == [rival.transfer_id]
    assert list(bench.store.layout.incoming.iterdir()) == []


@pytest.mark.parametrize("state", [TransferState.FAILED, TransferState.DONE, TransferState.SUSPECT])
def test_after_a_transfer_that_ended_another_may_be_planned(bench: Bench, state: TransferState) -> None:
    """If storage wants the package still, or again."""
    bench.meet("B", PACKAGE)
    with bench.transfers.changing() as changes:
        changes.save(a_transfer(PACKAGE.manifest, state=state))
    bench.clock.pass_seconds(1)

    bench.want(PACKAGE)

    assert bench.transfer().state is TransferState.PLANNED
    assert len(bench.transfers.listed(10)) == 2


def test_publication_ends_the_transfer(bench: Bench) -> None:
    """Once; a package that came otherwise leaves no half-moved file behind."""
    bench.meet("B", PACKAGE)
    bench.want(PACKAGE)

    for _ in range(2):
        bench.planning.close(published(PACKAGE))

    assert (bench.transfer().state, bench.transfer().finished) == (TransferState.DONE, bench.clock())
    assert list(bench.store.layout.incoming.iterdir()) == []


def test_quarantine_fails_the_transfer(bench: Bench) -> None:
    """With the reason."""
    bench.meet("B", PACKAGE)
    bench.want(PACKAGE)

    bench.planning.fail(quarantined(PACKAGE))
    bench.planning.close(published(PACKAGE))

    assert (bench.transfer().state, bench.transfer().error) == (TransferState.FAILED, "DIGEST_INVALID: not it")


def test_what_was_never_moved_has_no_transfer_to_end(bench: Bench) -> None:
    """A local upload."""
    bench.planning.close(published(PACKAGE))
    bench.planning.fail(quarantined(PACKAGE))

    assert bench.transfers.listed(10) == []


def test_an_assembled_transfer_is_rung_again(bench: Bench) -> None:
    """Each time after `stale_seconds`, until there is a verdict."""
    empty = signed(b"")
    bench.meet("B", empty)
    bench.want(empty)
    for seconds in (10, 11, 10, 11):
        bench.clock.pass_seconds(seconds)
        bench.planning.sweep(20)

    assert [event.type for event in bench.said] == ["package.assembled.v1"] * 3


@pytest.mark.parametrize(
    ("there", "here"), [("published", TransferState.DONE), ("superseded", TransferState.DONE), ("quarantined", TransferState.FAILED)]
)
def test_an_assembled_transfer_whose_end_was_not_heard_is_ended(bench: Bench, there: str, here: TransferState) -> None:
    """Storage has settled the package, and its word was lost."""
    empty = signed(b"")
    bench.meet("B", empty)
    bench.want(empty)
    bench.storage.states[empty.package_id] = there
    bench.clock.pass_seconds(21)

    bench.planning.sweep(20)

    assert bench.transfer().state is here
    assert len(bench.said) == 1


@pytest.mark.parametrize("state", ["superseded", "deleted", "withheld", "published", None])
def test_what_is_not_wanted_any_more_is_not_planned(bench: Bench, state: str | None) -> None:
    """The ring may be late."""
    bench.meet("B", PACKAGE)
    bench.storage.wants(PACKAGE)
    bench.storage.states = {PACKAGE.package_id: state} if state else {}
    manifest = PACKAGE.manifest

    bench.planning.plan_wanted(events.PackageWantedV1(package_id=manifest.package_id, name=manifest.name.text, size=manifest.size))

    assert bench.transfers.listed(10) == []


@pytest.mark.parametrize("state", ["superseded-without-bytes", "deleted", "withheld", None])
def test_a_transfer_of_what_is_not_wanted_any_more_is_ended(bench: Bench, state: str | None) -> None:
    """A newer one has the name, for example, and nobody said so; its bytes are dropped."""
    bench.meet("B", PACKAGE)
    bench.want(PACKAGE)
    bench.storage.states = {PACKAGE.package_id: state} if state else {}
    bench.clock.pass_seconds(21)

    bench.planning.sweep(20)

    assert bench.transfer().state is TransferState.FAILED
    assert list(bench.store.layout.incoming.iterdir()) == []


def test_a_transfer_of_what_is_wanted_goes_on(bench: Bench) -> None:
    """However long it takes."""
    bench.meet("B", PACKAGE)
    bench.want(PACKAGE)
    bench.clock.pass_seconds(3600)

    bench.planning.sweep(20)

    assert bench.transfer().state is TransferState.PLANNED


def test_a_source_that_has_no_chunk_list_is_left_alone_for_a_while(bench: Bench) -> None:
    """It is not asked at each ring of storage; nor is it forgotten, as errors are not signed."""
    _, site = bench.meet("B", PACKAGE)
    site.lacks = {PACKAGE.package_id}
    for _ in range(2):
        bench.want(PACKAGE)
    assert [what for what, _ in site.asked] == ["chunk_digests"]
    assert bench.transfers.listed(10) == []

    site.lacks = set()
    bench.clock.pass_seconds(30)
    bench.want(PACKAGE)

    assert bench.transfer().state is TransferState.PLANNED


def test_many_transfers_are_looked_after_in_portions(bench: Bench) -> None:
    """Storage answers for 200 at a time; the others are not taken for unwanted."""
    transfers = [a_transfer() for _ in range(201)]
    bench.storage.states = dict.fromkeys((transfer.package_id for transfer in transfers), "wanted")
    with bench.transfers.changing() as changes:
        for transfer in transfers:
            changes.save(transfer)
    bench.clock.pass_seconds(21)

    bench.planning.sweep(20)

    assert {transfer.state for transfer, _ in bench.transfers.listed(300)} == {TransferState.PLANNED}


def test_what_was_cancelled_is_not_planned_again_until_somebody_asks(bench: Bench) -> None:
    """However often storage rings; matrix and plan say why. Afterwards it is a transfer like others."""
    bench.meet("B", PACKAGE)
    bench.want(PACKAGE)
    first = bench.transfer().transfer_id
    bench.moving.step()
    bench.steering.cancel(first, "ada")

    bench.want(PACKAGE)
    bench.planning.sweep(0)

    assert len(bench.transfers.listed(10)) == 1
    assert list(bench.store.layout.incoming.iterdir()) == []
    here = bench.surveying.matrix([PACKAGE.package_id])["packages"][PACKAGE.package_id][bench.signatures.identity[0]]
    assert here == {"state": "cancelled", "percent": None}
    assert bench.move_all() == 0
    assert bench.steering.resume(first, "ben")["state"] == "failed"
    bench.clock.pass_seconds(1)
    bench.want(PACKAGE)
    bench.move_all()
    assert bench.transfer().transfer_id != first
    assert bench.moved() == PACKAGE.content


def test_a_cancelled_package_that_came_by_another_way_is_done(bench: Bench) -> None:
    """Nothing is remembered of that it was cancelled."""
    bench.meet("B", PACKAGE)
    bench.want(PACKAGE)
    bench.steering.cancel(bench.transfer().transfer_id, "ada")

    bench.planning.close(published(PACKAGE))

    assert bench.transfer().state is TransferState.DONE


def test_a_paused_transfer_is_no_stale_one(bench: Bench) -> None:
    """The sweep leaves it as it is; a worker that was rung finds nothing, and goes on once it is resumed."""
    bench.meet("B", PACKAGE)
    bench.want(PACKAGE)
    bench.moving.step()
    paused = bench.transfer().transfer_id
    bench.steering.pause(paused, "ada")
    bench.clock.pass_seconds(3600)

    bench.want(PACKAGE)
    bench.planning.sweep(60)

    assert bench.move_all() == 0
    assert (bench.transfer().transfer_id, bench.transfer().paused) == (paused, True)
    bench.steering.resume(paused, "ada")
    bench.move_all()
    assert (bench.moved(), bench.transfer().bytes_fetched) == (PACKAGE.content, len(PACKAGE.content))
