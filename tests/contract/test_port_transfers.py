"""One suite for replication's transfers and their slices, in memory and in a database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from services.replication.adapters.transfers import SqlTransfers
from services.replication.domain.transfer import Claim, TransferState
from shared.contracts.events import TransferSuspectV1
from shared.core.digest import CHUNK_SIZE
from shared.core.errors import Conflict
from shared.core.slices import plan
from shared.testing.builders import a_transfer
from shared.testing.fakes.clock import NOON
from shared.testing.fakes.transfers import FakeTransfers
from tests.contract.kept_transfers import DAY, LEASE, SECOND, Kept
from tests.contract.port_databases import KINDS, dispatched, migrated, outbox_of


@pytest.fixture(params=["memory", *KINDS])
def kept(request: pytest.FixtureRequest, new_database: Callable[[str], str]) -> Iterator[Kept]:
    """No transfers yet, of each kind."""
    if request.param == "memory":
        fake = FakeTransfers()
        yield Kept(fake, lambda: fake.dispatched)
        return
    with migrated("replication", new_database(request.param)) as database:
        yield Kept(SqlTransfers(database, outbox_of("replication", database)), lambda: dispatched("replication", database))


def test_transfers_are_kept_as_they_are(kept: Kept) -> None:
    """Every field comes back but the count of bytes, which is added to beside it."""
    transfer = a_transfer(state=TransferState.FAILED, finished=NOON, error="why")
    with kept.transfers.changing() as changes:
        changes.save(a_transfer(transfer_id=transfer.transfer_id))
        changes.save(transfer)
        changes.add_fetched(transfer.transfer_id, 7)

    with kept.transfers.changing() as changes:
        changes.save(transfer)

        assert changes.get(transfer.transfer_id) == replace(transfer, bytes_fetched=7)
        assert changes.get("nothing") is None


def test_a_transaction_that_fails_leaves_nothing(kept: Kept) -> None:
    """Neither transfer, nor slices, nor event."""
    transfer = a_transfer(size=CHUNK_SIZE)

    with pytest.raises(Conflict), kept.transfers.changing() as changes:
        changes.save(transfer)
        changes.add_slices(transfer.transfer_id, plan(transfer.size))
        changes.dispatch(TransferSuspectV1(transfer_id=transfer.transfer_id, package_id=transfer.package_id, chunk=0))
        raise Conflict

    assert kept.transfers.listed(10) == []
    assert kept.nothing_to_claim()
    assert kept.said() == []


def test_the_transfer_of_a_package_is_the_latest(kept: Kept) -> None:
    """After a failure another may be planned."""
    first = kept.begin(state=TransferState.FAILED)
    second = kept.begin(package_id=first.package_id, planned=NOON + SECOND)

    with kept.transfers.changing() as changes:
        found = changes.of_package(first.package_id)

    assert found is not None
    assert found.transfer_id == second.transfer_id


def test_slices_are_claimed_in_order_each_once(kept: Kept) -> None:
    """The oldest transfer first, from its start."""
    young, old = kept.begin(1, planned=NOON + SECOND), kept.begin(2)

    claims = [kept.claim() for _ in range(3)]

    assert [(claim.transfer_id, claim.slice.index) for claim in claims] == [
        (old.transfer_id, 0),
        (old.transfer_id, 1),
        (young.transfer_id, 0),
    ]
    assert kept.nothing_to_claim()


def test_a_claim_says_what_to_move(kept: Kept) -> None:
    """Package, correlation id and the slice within the whole size."""
    transfer = kept.begin(2)

    claim = kept.claim()

    assert claim == Claim(transfer.transfer_id, transfer.package_id, transfer.correlation_id, plan(transfer.size, 1)[0], 1, 0)


def test_the_first_claim_makes_a_transfer_move(kept: Kept) -> None:
    """For people who watch."""
    transfer = kept.begin()

    kept.claim(NOON + SECOND)

    moving = kept.get(transfer.transfer_id)
    assert (moving.state, moving.changed) == (TransferState.MOVING, NOON + SECOND)


def test_a_lease_that_ran_out_lets_another_in(kept: Kept) -> None:
    """Not a moment before; the newcomer has a higher fence and knows of the earlier try."""
    kept.begin()
    first = kept.claim()

    assert kept.nothing_to_claim(NOON + LEASE)
    second = kept.claim(NOON + LEASE + SECOND)

    assert second.slice == first.slice
    assert (second.fence, second.attempts) == (first.fence + 1, 1)


def test_times_that_a_wrong_clock_set_are_past(kept: Kept) -> None:
    """Given back, or claimed, by a worker whose clock was a day ahead: taken at once when the clock is right."""
    kept.begin()
    ahead = kept.claim(NOON + DAY)
    late = kept.claim()
    assert late.fence == ahead.fence + 1

    kept.transfers.give_back(late, NOON + DAY)
    assert kept.claim().fence == late.fence + 1


def test_a_zombie_is_refused(kept: Kept) -> None:
    """A worker whose slice went to another can neither finish, nor renew, nor give back."""
    transfer = kept.begin()
    zombie = kept.claim()
    heir = kept.claim(NOON + 2 * LEASE)

    assert not kept.finish(zombie)
    assert not kept.transfers.renew(zombie, NOON + 10 * LEASE)
    kept.transfers.give_back(zombie, NOON)
    assert kept.nothing_to_claim(NOON + 2 * LEASE)
    with kept.transfers.changing() as changes:
        assert changes.slices_left(transfer.transfer_id) == 1
    assert kept.finish(heir)


def test_renewing_keeps_a_slice(kept: Kept) -> None:
    """Until the new end of the lease."""
    kept.begin()
    claim = kept.claim()

    assert kept.transfers.renew(claim, NOON + 3 * LEASE)

    assert kept.nothing_to_claim(NOON + 3 * LEASE)
    assert kept.claim(NOON + 3 * LEASE + SECOND).fence == claim.fence + 1


def test_a_slice_given_back_waits_until_its_time(kept: Kept) -> None:
    """Then anybody may take it."""
    kept.begin()
    claim = kept.claim()

    kept.transfers.give_back(claim, NOON + SECOND)

    assert kept.nothing_to_claim(NOON)
    assert kept.claim(NOON + SECOND).attempts == 1
    assert not kept.finish(claim)


def test_a_finished_slice_is_done_once_and_for_all(kept: Kept) -> None:
    """It is not claimed again, and finishing it twice is told."""
    transfer = kept.begin(2)
    claim = kept.claim()

    assert kept.finish(claim)
    assert not kept.finish(claim)

    with kept.transfers.changing() as changes:
        assert changes.slices_left(transfer.transfer_id) == 1
    assert kept.claim(NOON + 10 * LEASE).slice.index == 1


@pytest.mark.parametrize("state", [TransferState.ASSEMBLED, TransferState.DONE, TransferState.FAILED, TransferState.SUSPECT])
def test_slices_of_a_transfer_that_is_over_are_not_claimed(kept: Kept, state: TransferState) -> None:
    """Whatever state they were left in."""
    kept.begin(state=state)

    assert kept.nothing_to_claim()


def test_bad_chunks_are_counted_by_peer(kept: Kept) -> None:
    """The same peer twice is one; another chunk or transfer is another matter."""
    with kept.transfers.changing() as changes:
        counts = [changes.note_bad_chunk("t1", 7, "B"), changes.note_bad_chunk("t1", 7, "B"), changes.note_bad_chunk("t1", 7, "C")]
        others = [changes.note_bad_chunk("t1", 8, "D"), changes.note_bad_chunk("t2", 7, "D")]

    assert (counts, others) == ([1, 1, 2], [1, 1])


def test_the_list_is_newest_first_with_progress(kept: Kept) -> None:
    """Bytes of finished slices while it moves, all of them afterwards."""
    moving, done = kept.begin(3), kept.begin(2, planned=NOON + SECOND, state=TransferState.DONE)
    kept.finish(kept.claim())

    listed = [(transfer.transfer_id, count) for transfer, count in kept.transfers.listed(10)]

    assert listed == [(done.transfer_id, 2 * CHUNK_SIZE), (moving.transfer_id, CHUNK_SIZE)]
    assert len(kept.transfers.listed(1)) == 1


def test_stale_assembled_transfers_are_found(kept: Kept) -> None:
    """Those that wait for their verdict since before the given time."""
    waiting = kept.begin(state=TransferState.ASSEMBLED)
    kept.begin(state=TransferState.ASSEMBLED, changed=NOON + 2 * SECOND)
    kept.begin(state=TransferState.DONE)

    assert [one.transfer_id for one in kept.transfers.stale_assembled(NOON + SECOND)] == [waiting.transfer_id]


def test_figures_count_states_and_bytes(kept: Kept) -> None:
    """For metrics and status."""
    transfer = kept.begin(3)
    kept.finish(kept.claim())
    kept.claim()
    with kept.transfers.changing() as changes:
        changes.add_fetched(transfer.transfer_id, 5)

    figures = kept.transfers.figures()

    expected = {"transfers_moving": 1, "transfers_done": 0, "slices_ready": 1, "slices_claimed": 1, "bytes_fetched": 5}
    assert {name: figures[name] for name in expected} == expected


def test_open_transfers_are_known_with_how_far_they_are(kept: Kept) -> None:
    """Not those that ended; what is assembled and not yet verified is not done."""
    moving = kept.begin(4)
    kept.finish(kept.claim())
    assembled = kept.begin(1, state=TransferState.ASSEMBLED)
    done = kept.begin(1, state=TransferState.DONE)

    assert [one.transfer_id for one in kept.transfers.open_since(NOON + SECOND)] == [moving.transfer_id]
    assert kept.transfers.open_since(NOON) == []
    ids = [moving.package_id, assembled.package_id, done.package_id, "another"]
    assert kept.transfers.progress(ids) == {moving.package_id: 25, assembled.package_id: 0}
    assert kept.transfers.progress([]) == {}
