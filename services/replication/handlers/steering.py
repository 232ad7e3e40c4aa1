"""People decide about transfers: pause, resume, cancel, and whose turn it is.

All of it is a property or a state of the transfer, kept where the workers look for slices: what is decided survives every restart, and
counts from the next slice on. That a package is not to be fetched here is kept as its cancelled transfer; storage goes on to want it
and to ring.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from services.replication.domain.transfer import Priority, Transfer, TransferState
from services.replication.handlers.questions import describe_transfer
from services.replication.ports import StorageService, TransferChanges, Transfers
from shared.contracts import events
from shared.core.errors import NotFound, OdstError
from shared.core.versions import TRANSFER, check_expected
from shared.runtime.bytestore.port import ByteStore
from shared.runtime.logging import get_logger

log = get_logger(__name__)


@dataclass
class SteeringHandlers:
    """What administrators do with transfers. Asking twice is asking once."""

    transfers: Transfers
    storage: StorageService
    store: ByteStore
    clock: Any
    ring_workers: Callable[[], None]

    def pause(self, transfer_id: str, person: str, expected: object = None) -> dict[str, Any]:
        """Claim none of its slices any more; those under way are finished, and all that is here stays.

        Raises:
            NotFound: if there is no such transfer.
            Conflict: TRANSFER_ENDED.
            PreconditionFailed: if it has none of the versions that are `expected`.
        """
        return self._change(
            transfer_id, "paused", person, expected, lambda one: one if one.paused else one.pausing(self.clock(), paused=True)
        )

    def resume(self, transfer_id: str, person: str, expected: object = None) -> dict[str, Any]:
        """Go on with what is here; of one that was cancelled, have the package planned anew.

        Raises:
            NotFound: if there is no such transfer.
            Conflict: TRANSFER_ENDED.
            PreconditionFailed: if it has none of the versions that are `expected`.
        """
        shown = self._change(transfer_id, "resumed", person, expected, self._resumed)
        if shown["state"] == TransferState.FAILED:
            self._ask_again(shown["package_id"])
        self.ring_workers()
        return shown

    def _resumed(self, transfer: Transfer) -> Transfer:
        if transfer.state is TransferState.CANCELLED:
            return transfer.released(self.clock())
        return transfer if transfer.is_in_turn else transfer.pausing(self.clock(), paused=False)

    def _ask_again(self, package_id: str) -> None:
        """If storage is away, its sweep rings later, as for all that is wanted."""
        try:
            self.storage.ring_wanted([package_id])
        except OdstError as error:
            log.warning("package_not_rung", package_id=package_id, code=error.code, error=str(error))

    def cancel(self, transfer_id: str, person: str, expected: object = None) -> dict[str, Any]:
        """End it, drop what is here, and do not fetch its package until somebody resumes it.

        Raises:
            NotFound: if there is no such transfer.
            Conflict: TRANSFER_ENDED; also if all bytes are here.
            PreconditionFailed: as above.
        """
        ended = TransferState.CANCELLED
        shown = self._change(
            transfer_id, "cancelled", person, expected, lambda one: one if one.state is ended else one.cancelled(self.clock(), person)
        )
        # Also if it was cancelled before: whoever crashed between the two is helped by asking again.
        self.store.drop_incoming(transfer_id)
        return shown

    def prioritise(self, transfer_id: str, priority: object, person: str, expected: object = None) -> dict[str, Any]:
        """Give it another turn, from its next slice on.

        Raises:
            NotFound: if there is no such transfer.
            InvalidInput: PRIORITY_INVALID.
            Conflict: TRANSFER_ENDED.
            PreconditionFailed: if it has none of the versions that are `expected`.
        """
        wanted = Priority.read(priority)
        return self._change(
            transfer_id,
            "prioritised",
            person,
            expected,
            lambda one: one if one.priority is wanted else one.prioritised(wanted, self.clock()),
        )

    def _change(
        self, transfer_id: str, change: events.TransferChange, person: str, expected: object, decide: Callable[[Transfer], Transfer]
    ) -> dict[str, Any]:
        with self.transfers.changing() as changes:
            before = _existing(changes, transfer_id)
            check_expected(expected, describe_transfer(before, 0), TRANSFER)
            after = decide(before)
            if after != before:
                changes.save(after)
                changes.dispatch(_changed(after, change, person))
                log.info("transfer_changed", transfer_id=transfer_id, change=change, person=person)
                if after.state is TransferState.CANCELLED:
                    changes.drop_slices(transfer_id)
        found = self.transfers.shown(transfer_id)
        return describe_transfer(*(found or (after, 0)))


def _existing(changes: TransferChanges, transfer_id: str) -> Transfer:
    transfer = changes.get(transfer_id)
    if transfer is None:
        raise NotFound(f"there is no transfer {transfer_id[:60]!r}")
    return transfer


def _changed(transfer: Transfer, change: events.TransferChange, person: str) -> events.TransferChangedV1:
    return events.TransferChangedV1(
        transfer_id=transfer.transfer_id,
        package_id=transfer.package_id,
        name=transfer.name,
        change=change,
        priority=transfer.priority.word,
        person=person,
    )
