"""Checkpoints of the audit log: made from time to time, handed to replication for the peers, and their receipts kept."""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from services.directory.domain.checkpoints import KeptCheckpoint, Pace
from services.directory.ports import AuditLog, Checkpoints, CheckpointSigner, Head
from shared.core.audit_chain import Position
from shared.core.errors import Conflict, RecordInvalid
from shared.runtime.logging import get_logger

log = get_logger(__name__)


@dataclass
class Checkpointing:
    """Signs where the chain stands."""

    log: AuditLog
    checkpoints: Checkpoints
    head: Head
    signer: CheckpointSigner
    pace: Pace
    clock: Callable[[], dt.datetime]
    broken: bool = False
    """True while the log is not what is remembered of it: then nothing is signed."""

    def step(self) -> None:
        """Make a checkpoint if one is due and the log still is what is remembered of it."""
        if not self._is_due(self.checkpoints.latest()):
            return
        made = self.checkpoints.add(self._make)
        if made is not None:
            log.info("audit_checkpoint_made", number=made.at.number)

    def _is_due(self, last: KeptCheckpoint | None) -> bool:
        return self.pace.is_due(self.log.newest(), last, self.signer.instance_id, self.clock())

    def _make(self, last: KeptCheckpoint | None) -> KeptCheckpoint | None:
        """Called while nobody else makes one: what was due may be done already."""
        if not self._is_due(last):
            return None
        remembered = [position for position in (last.at if last else None, self.head.read()) if position is not None]
        lost = next((position for position in remembered if not self._stands(position)), None)
        self.broken = lost is not None
        if lost is not None:
            log.error("audit_log_contradicts_what_is_remembered", number=lost.number, hash=lost.hash)
            return None
        newest, now = self.log.newest(), self.clock().replace(microsecond=0)
        previous = last.at if last else None
        return KeptCheckpoint(newest, now, self.signer.instance_id, self.signer.sign(newest, previous, now))

    def acknowledge_restore(self) -> dict[str, Any]:
        """Guard the log from its present end, because its database was restored: `{remembered, hash, number}`, where it ended and ends.

        Raises:
            Conflict: NOTHING_RESTORED, if the log is what is remembered of it; AUDIT_CONTRADICTED, if its own last checkpoint says
                otherwise, which no restored backup does.
        """
        remembered, last, newest = self.head.read(), self.checkpoints.latest(), self.log.newest()
        if last is not None and not self._stands(last.at):
            told = "its last checkpoint contradicts the audit log itself: no backup does that; look at odst audit verify"
            raise Conflict(told, "AUDIT_CONTRADICTED")
        if remembered is None or self._stands(remembered):
            raise Conflict("the audit log is what is remembered of it: there is nothing to acknowledge", "NOTHING_RESTORED")
        self.head.put_aside(remembered)
        self.broken = False
        log.warning("audit_restore_acknowledged", remembered=remembered.number, number=newest.number)
        return {"remembered": remembered.number, "hash": remembered.hash, "number": newest.number}

    def _stands(self, position: Position) -> bool:
        found = self.log.hashes([position.number]).get(position.number)
        oldest = self.log.links(0, 1)
        # What is sealed is not looked up each time: `odst audit verify` reads it.
        return found == position.hash if found is not None else bool(oldest) and position.number < oldest[0].number

    def latest_checkpoint(self) -> dict[str, Any] | None:
        """The last checkpoint, as `{number, envelope, witnesses}`; none if none was made with the present key."""
        last = self.checkpoints.latest()
        if last is None or last.signer != self.signer.instance_id:
            return None
        witnesses = [receipt.peer_id for receipt in self.checkpoints.receipts(last.at.number, last.at.number)]
        return {"number": last.at.number, "envelope": base64.b64encode(last.envelope).decode(), "witnesses": witnesses}

    def keep_receipt(self, peer_id: str, envelope: str) -> None:
        """Keep what a peer signed about a checkpoint of ours.

        Raises:
            RecordInvalid: if that peer did not sign it.
            Conflict: RECEIPT_DIFFERS, if it is about something that no checkpoint of ours says.
        """
        receipt = self.signer.read_receipt(base64.b64decode(envelope))
        if receipt.peer_id != peer_id:
            raise RecordInvalid("the receipt is signed by another than the peer that gave it")
        if receipt.at not in [one.at for one in self.checkpoints.among(receipt.at.number, receipt.at.number)]:
            raise Conflict("the receipt is for no checkpoint of ours", "RECEIPT_DIFFERS")
        self.checkpoints.add_receipt(receipt)

    def figures(self) -> dict[str, int]:
        """The last checkpoint, how many peers have it, and whether the log contradicts what is remembered of it."""
        last = self.checkpoints.latest()
        witnesses = self.checkpoints.receipts(last.at.number, last.at.number) if last else ()
        return {"audit_checkpoint": last.at.number if last else 0, "audit_witnesses": len(witnesses), "audit_broken": int(self.broken)}
