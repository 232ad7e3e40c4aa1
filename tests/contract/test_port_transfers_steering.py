"""Pausing, cancelling and turns of transfers, in memory and in a database: also while workers claim and finish."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy.dialects import sqlite

from services.replication.adapters.transfers import SqlTransfers, _claimable
from services.replication.domain.transfer import TransferState
from services.replication.handlers.planning import assemble
from services.replication.handlers.questions import Questions
from services.replication.handlers.steering import SteeringHandlers
from shared.contracts.events import TransferChangedV1
from shared.core.digest import CHUNK_SIZE
from shared.core.errors import Conflict, InvalidInput, NotFound, PreconditionFailed, ServiceUnavailable
from shared.core.layout import Layout
from shared.core.versions import TRANSFER, version_of
from shared.runtime.bytestore.filesystem import FilesystemByteStore
from shared.testing.fakes.clock import NOON, FakeClock
from shared.testing.fakes.peers import FakePeers
from shared.testing.fakes.storage_service import FakeStorageService
from shared.testing.fakes.transfers import FakeTransfers
from tests.contract.kept_transfers import LEASE, SECOND, Kept
from tests.contract.port_databases import KINDS, dispatched, migrated, outbox_of


@dataclass
class Desk:
    """Transfers, and who decides about them."""

    kept: Kept
    steering: SteeringHandlers
    store: FilesystemByteStore

    def begin(self, slices: int = 2, planned: dt.datetime = NOON) -> str:
        """A transfer with room for its bytes; its id."""
        transfer = self.kept.begin(slices, planned=planned)
        self.store.reserve(transfer.transfer_id, transfer.size)
        return transfer.transfer_id

    def finish(self) -> bool:
        """Claim and finish a slice, as a worker does; False for a zombie."""
        claim = self.kept.claim()
        with self.kept.transfers.changing() as changes:
            done = changes.finish_slice(claim)
            transfer = changes.get(claim.transfer_id)
            if transfer and not changes.slices_left(claim.transfer_id):
                assemble(changes, transfer, NOON)
        return done


@pytest.fixture(params=["memory", *KINDS])
def desk(request: pytest.FixtureRequest, new_database: Callable[[str], str], tmp_path: Path) -> Iterator[Desk]:
    """No transfers yet, of each kind."""
    store = FilesystemByteStore(Layout(tmp_path), free_floor_bytes=0)

    def over(kept: Kept) -> Desk:
        return Desk(kept, SteeringHandlers(kept.transfers, FakeStorageService(), store, FakeClock(), lambda: None), store)

    if request.param == "memory":
        fake = FakeTransfers()
        yield over(Kept(fake, lambda: fake.dispatched))
        return
    with migrated("replication", new_database(request.param)) as database:
        yield over(Kept(SqlTransfers(database, outbox_of("replication", database)), lambda: dispatched("replication", database)))


def test_a_paused_transfer_is_not_claimed_and_goes_on_where_it_was(desk: Desk) -> None:
    """What is under way is finished; neither a lease that runs out nor asking twice changes that. Who did it is said once."""
    transfer_id = desk.begin(3)
    under_way = desk.kept.claim()

    shown = [desk.steering.pause(transfer_id, "ada") for _ in range(2)][-1]

    assert (shown["paused"], shown["state"]) == (True, "moving")
    assert desk.kept.nothing_to_claim(NOON + 2 * LEASE)
    assert desk.kept.finish(under_way)
    package_id = desk.kept.get(transfer_id).package_id
    assert desk.kept.transfers.held_back([package_id, "other"]) == {package_id: "paused"}
    assert desk.kept.transfers.progress([package_id]) == {package_id: 33}
    assert [desk.steering.resume(transfer_id, "ben")["paused"] for _ in range(2)] == [False, False]
    assert [desk.kept.claim().slice.index, desk.kept.claim().slice.index] == [1, 2]
    said = [event for event in desk.kept.said() if isinstance(event, TransferChangedV1)]
    assert [(event.change, event.person) for event in said] == [("paused", "ada"), ("resumed", "ben")]


def test_a_transfer_whose_last_slice_was_under_way_is_assembled_although_it_was_paused(desk: Desk) -> None:
    """All its bytes are there: nothing is left to wait with."""
    transfer_id = desk.begin(1)
    claim = desk.kept.claim()
    desk.steering.pause(transfer_id, "ada")

    with desk.kept.transfers.changing() as changes:
        assert changes.finish_slice(claim)
        transfer = changes.get(transfer_id)
        assert transfer is not None
        assemble(changes, transfer, NOON)

    assert (desk.kept.get(transfer_id).state, desk.kept.get(transfer_id).paused) == (TransferState.ASSEMBLED, False)


def test_what_somebody_else_decided_meanwhile_is_not_overruled(desk: Desk) -> None:
    """Who expects what they saw is told; that bytes came meanwhile does not hinder."""
    transfer_id = desk.begin(3)
    seen = [version_of(Questions(desk.kept.transfers, FakePeers()).show_transfer(transfer_id), TRANSFER)]
    assert desk.finish()
    assert desk.steering.prioritise(transfer_id, "high", "ada", seen)["priority"] == "high"

    with pytest.raises(PreconditionFailed):
        desk.steering.cancel(transfer_id, "ben", seen)

    assert desk.kept.get(transfer_id).state is TransferState.MOVING
    assert list(desk.store.layout.incoming.iterdir())


def test_turns_are_by_priority_then_age(desk: Desk) -> None:
    """From the next slice on; what is not known as a priority is refused."""
    old, young, late = (desk.begin(2, NOON + number * SECOND) for number in range(3))
    assert desk.kept.claim().transfer_id == old

    assert desk.steering.prioritise(late, "high", "ada")["priority"] == "high"
    assert desk.kept.claim().transfer_id == late
    desk.steering.prioritise(old, "low", "ada")

    assert [desk.kept.claim().transfer_id for _ in range(4)] == [late, young, young, old]
    with pytest.raises(InvalidInput, match="low, normal, high") as caught:
        desk.steering.prioritise(old, "urgent", "ada")
    assert caught.value.code == "PRIORITY_INVALID"


def test_a_cancelled_transfer_leaves_nothing(desk: Desk) -> None:
    """No slice, no bytes; who has claimed a slice has lost it, and that it was cancelled stays known."""
    transfer_id = desk.begin(2)
    claim = desk.kept.claim()

    shown = [desk.steering.cancel(transfer_id, "ada") for _ in range(2)][-1]

    assert (shown["state"], shown["bytes_done"], shown["error"]) == ("cancelled", 0, "cancelled here by ada")
    assert not desk.kept.transfers.renew(claim, NOON + LEASE)
    assert not desk.kept.finish(claim)
    assert desk.kept.nothing_to_claim(NOON + 2 * LEASE)
    assert not desk.store.layout.incoming.exists() or not list(desk.store.layout.incoming.iterdir())
    package_id = desk.kept.get(transfer_id).package_id
    assert desk.kept.transfers.held_back([package_id]) == {package_id: "cancelled"}
    with pytest.raises(Conflict):
        desk.steering.pause(transfer_id, "ada")
    assert desk.steering.resume(transfer_id, "ben")["state"] == "failed"
    assert desk.kept.transfers.held_back([package_id]) == {}


@pytest.mark.parametrize("change", ["pause", "resume", "cancel"])
def test_what_has_all_its_bytes_is_left_alone(desk: Desk, change: str) -> None:
    """It is being verified: whoever is late is told so. So is who names a transfer that is not."""
    transfer_id = desk.begin(1)
    assert desk.finish()

    with pytest.raises(Conflict) as caught:
        getattr(desk.steering, change)(transfer_id, "ada")

    assert caught.value.code == "TRANSFER_ENDED"
    assert desk.kept.get(transfer_id).state is TransferState.ASSEMBLED
    with pytest.raises(NotFound):
        getattr(desk.steering, change)("nothing", "ada")


def test_lists_are_narrowed_and_paged(desk: Desk) -> None:
    """Newest first, each once; a cursor belongs to one list."""
    ids = [desk.begin(1, NOON + number // 2 * SECOND) for number in range(5)]
    desk.steering.cancel(ids[1], "ada")
    questions = Questions(desk.kept.transfers, FakePeers())

    first = questions.list_transfers(2)
    second = questions.list_transfers(2, first["next"])
    third = questions.list_transfers(2, second["next"])

    listed = [one["transfer_id"] for page in (first, second, third) for one in page["items"]]
    assert (sorted(listed), listed[0], third["next"]) == (sorted(ids), ids[4], None)
    assert [one["transfer_id"] for one in questions.list_transfers(9, None, ["cancelled"])["items"]] == [ids[1]]
    assert questions.list_transfers(9, None, [], "Other.pkg")["items"] == []
    assert questions.show_transfer(ids[1])["state"] == "cancelled"
    with pytest.raises(InvalidInput) as caught:
        questions.list_transfers(2, first["next"], ["cancelled"])
    assert caught.value.code == "CURSOR_INVALID"


@pytest.mark.parametrize("kind", KINDS)
def test_workers_and_a_pause_side_by_side(kind: str, new_database: Callable[[str], str], tmp_path: Path) -> None:
    """After the pause was answered no slice is claimed; after the resume each of the others is, once."""
    with migrated("replication", new_database(kind)) as database, ThreadPoolExecutor(3) as pool:
        kept = Kept(SqlTransfers(database, outbox_of("replication", database)), list)
        store = FilesystemByteStore(Layout(tmp_path), free_floor_bytes=0)
        steering = SteeringHandlers(kept.transfers, FakeStorageService(), store, FakeClock(), lambda: None)
        transfer_id = kept.begin(60).transfer_id

        def work(_: int) -> list[int]:
            claimed = []
            while (claim := kept.transfers.claim("worker", NOON, LEASE)) is not None:
                claimed.append(claim.slice.index)
                kept.finish(claim)
            return claimed

        workers = [pool.submit(work, number) for number in range(2)]
        pool.submit(steering.pause, transfer_id, "ada").result()
        assert kept.nothing_to_claim()
        before = [index for worker in workers for index in worker.result()]
        steering.resume(transfer_id, "ada")
        after = work(0)

    assert sorted([*before, *after]) == list(range(60))


@pytest.mark.parametrize("kind", KINDS)
def test_a_cancel_and_the_last_slices_side_by_side(kind: str, new_database: Callable[[str], str], tmp_path: Path) -> None:
    """Either it is cancelled and no worker's word counts, or all its bytes are there and it is too late."""
    with migrated("replication", new_database(kind)) as database, ThreadPoolExecutor(3) as pool:
        kept = Kept(SqlTransfers(database, outbox_of("replication", database)), list)
        store = FilesystemByteStore(Layout(tmp_path), free_floor_bytes=0)
        desk = Desk(kept, SteeringHandlers(kept.transfers, FakeStorageService(), store, FakeClock(), lambda: None), store)
        for _ in range(8):
            transfer_id = desk.begin(2)
            claims = [kept.claim(), kept.claim()]

            def end(claim: object, desk: Desk = desk) -> bool:
                with desk.kept.transfers.changing() as changes:
                    done = changes.finish_slice(claim)  # type: ignore[arg-type]
                    transfer = changes.get(claim.transfer_id)  # type: ignore[attr-defined]
                    if done and transfer and not changes.slices_left(transfer.transfer_id):
                        assemble(changes, transfer, NOON)
                return done

            finishing = [pool.submit(end, claim) for claim in claims]
            cancelling = pool.submit(desk.steering.cancel, transfer_id, "ada")
            finished = [one.result() for one in finishing]
            state = kept.get(transfer_id).state

            if cancelling.exception() is None:
                assert state is TransferState.CANCELLED
                assert not all(finished)
            else:
                assert isinstance(cancelling.exception(), Conflict)
                assert (state, finished) == (TransferState.ASSEMBLED, [True, True])


def test_storage_that_is_away_keeps_nobody_from_resuming(desk: Desk) -> None:
    """What is wanted is rung for by its sweep, later."""
    transfer_id = desk.begin()
    desk.steering.cancel(transfer_id, "ada")
    storage = desk.steering.storage

    def away(_ids: object) -> None:
        raise ServiceUnavailable("storage is away")

    storage.ring_wanted = away  # type: ignore[method-assign]

    assert desk.steering.resume(transfer_id, "ada")["state"] == "failed"


def test_sqlite_finds_the_next_slice_by_the_index_of_turns(new_database: Callable[[str], str]) -> None:
    """Of all that wait it reads no more than the slices of the transfer whose turn it is."""
    with migrated("replication", new_database("sqlite")) as database, database.read() as connection:
        made = str(_claimable(NOON).compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True}))
        plan = [row.detail for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {made}")]

    assert "transfers_by_turn" in plan[0]
    assert "USE TEMP B-TREE FOR ORDER BY" not in plan


def test_bytes_of_a_slice_that_is_done_count(desk: Desk) -> None:
    """Of a paused transfer too."""
    transfer_id = desk.begin(2)
    assert desk.finish()

    assert desk.steering.pause(transfer_id, "ada")["bytes_done"] == CHUNK_SIZE
