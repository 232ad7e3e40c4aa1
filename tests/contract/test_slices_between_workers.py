"""Several workers on the same slices: one is the last, and none does what another holds."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule, run_state_machine_as_test

from services.replication.adapters.transfers import SqlTransfers
from services.replication.domain.transfer import Claim
from shared.core.digest import CHUNK_SIZE
from shared.testing.builders import a_transfer
from shared.testing.fakes.clock import FakeClock
from shared.testing.fakes.transfers import FakeTransfers
from tests.contract.kept_transfers import LEASE, SECOND, Kept
from tests.contract.port_databases import KINDS, migrated, outbox_of


@pytest.mark.parametrize("kind", KINDS)
def test_of_workers_that_finish_side_by_side_one_is_the_last(kind: str, new_database: Callable[[str], str]) -> None:
    """Each sees what the one before it finished; were it not so, nobody would have the whole verified."""
    with migrated("replication", new_database(kind)) as database, ThreadPoolExecutor(4) as pool:
        kept = Kept(SqlTransfers(database, outbox_of("replication", database)), list)
        transfer = kept.begin(20)

        def work(_: int) -> int:
            claim = kept.claim()
            with kept.transfers.changing() as changes:
                assert changes.finish_slice(claim)
                return changes.slices_left(transfer.transfer_id)

        left = list(pool.map(work, range(20)))

    assert sorted(left) == list(range(20))


class SlicesBetweenWorkers(RuleBasedStateMachine):
    """Workers claim, renew, finish, give back and die in any order, while time passes.

    The fake and the database give the same answers, and whatever happens: no slice is held by two, fences only grow, and what
    is done stays done.
    """

    claims = Bundle("claims")

    def __init__(self, database_url: str) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.stack = ExitStack()
        database = self.stack.enter_context(migrated("replication", database_url))
        self.both = [
            Kept(FakeTransfers(), list),
            Kept(SqlTransfers(database, outbox_of("replication", database)), list),
        ]
        self.fences: dict[int, int] = {}
        self.leases: dict[int, tuple[Claim, dt.datetime]] = {}
        self.done: set[int] = set()

    @initialize(slices=st.integers(1, 4))
    def begin(self, slices: int) -> None:
        """One transfer."""
        transfer = a_transfer(size=slices * CHUNK_SIZE)
        for kept in self.both:
            kept.begin(slices, transfer_id=transfer.transfer_id, package_id=transfer.package_id)
        self.slices = slices

    @rule(target=claims)
    def claim(self) -> object:
        """A worker takes what there is."""
        one, other = (kept.transfers.claim("worker", self.clock(), LEASE) for kept in self.both)
        assert one == other
        if one is None:
            return multiple()
        held = self.leases.get(one.slice.index)
        assert one.slice.index not in self.done
        assert held is None or held[1] < self.clock()
        assert one.fence > self.fences.get(one.slice.index, 0)
        self.fences[one.slice.index] = one.fence
        self.leases[one.slice.index] = (one, self.clock() + LEASE)
        return one

    @rule(claim=claims)
    def renew(self, claim: Claim) -> None:
        """A worker shows that it is alive."""
        until = self.clock() + LEASE
        answers = {kept.transfers.renew(claim, until) for kept in self.both}
        assert answers == {self._holds(claim)}
        if self._holds(claim):
            self.leases[claim.slice.index] = (claim, until)

    @rule(claim=claims)
    def finish(self, claim: Claim) -> None:
        """A worker says that it is done."""
        answers = {kept.finish(claim) for kept in self.both}
        assert answers == {self._holds(claim)}
        if self._holds(claim):
            self.done.add(claim.slice.index)
            del self.leases[claim.slice.index]

    @rule(claim=claims, seconds=st.integers(0, 20))
    def give_back(self, claim: Claim, seconds: int) -> None:
        """A worker gives up."""
        for kept in self.both:
            kept.transfers.give_back(claim, self.clock() + seconds * SECOND)
        if self._holds(claim):
            del self.leases[claim.slice.index]

    @rule(seconds=st.integers(1, 20))
    def time_passes(self, seconds: int) -> None:
        """Leases may run out."""
        self.clock.pass_seconds(seconds)

    def _holds(self, claim: Claim) -> bool:
        held = self.leases.get(claim.slice.index)
        return held is not None and held[0] == claim

    @invariant()
    def what_is_left_is_what_is_not_done(self) -> None:
        """In both."""
        for kept in self.both:
            for transfer, _ in kept.transfers.listed(1):
                with kept.transfers.changing() as changes:
                    assert changes.slices_left(transfer.transfer_id) == self.slices - len(self.done)

    def teardown(self) -> None:
        """Close the database."""
        self.stack.close()


@pytest.mark.parametrize("kind", KINDS)
def test_slices_between_workers(kind: str, new_database: Callable[[str], str]) -> None:
    """Each example has a database of its own."""
    run_state_machine_as_test(lambda: SlicesBetweenWorkers(new_database(kind)), settings=settings(max_examples=15, stateful_step_count=20))
