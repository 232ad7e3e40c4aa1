"""Transfers in memory or in a database, with words for what tests do to them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from services.replication.domain.transfer import Claim, Transfer
from services.replication.ports import Transfers
from shared.contracts.events import Event
from shared.core.digest import CHUNK_SIZE
from shared.core.slices import plan
from shared.testing.builders import a_transfer
from shared.testing.fakes.clock import NOON

LEASE = dt.timedelta(seconds=15)
SECOND = dt.timedelta(seconds=1)
DAY = dt.timedelta(days=1)


@dataclass
class Kept:
    """Transfers, and what was said to the bus."""

    transfers: Transfers
    said: Callable[[], Sequence[Event]]

    def begin(self, slices: int = 1, **fields: object) -> Transfer:
        """A transfer of so many slices of one chunk."""
        transfer = a_transfer(size=slices * CHUNK_SIZE, **fields)
        with self.transfers.changing() as changes:
            changes.save(transfer)
            changes.add_slices(transfer.transfer_id, plan(transfer.size, 1))
        return transfer

    def claim(self, at: dt.datetime = NOON) -> Claim:
        """Claim what must be there."""
        claim = self.transfers.claim("worker", at, LEASE)
        assert claim is not None
        return claim

    def nothing_to_claim(self, at: dt.datetime = NOON) -> bool:
        """True if there is nothing."""
        return self.transfers.claim("worker", at, LEASE) is None

    def finish(self, claim: Claim) -> bool:
        """Mark done; False for a zombie."""
        with self.transfers.changing() as changes:
            return changes.finish_slice(claim)

    def get(self, transfer_id: str) -> Transfer:
        """A transfer that must be there."""
        with self.transfers.changing() as changes:
            found = changes.get(transfer_id)
        assert found is not None
        return found
