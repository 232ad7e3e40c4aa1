"""The instance's key, for checkpoints of the audit log."""

from __future__ import annotations

import datetime as dt

from services.directory.domain.checkpoints import KeptReceipt
from shared.core.audit_chain import Position
from shared.core.checkpoint import Checkpoint
from shared.runtime.keys import InstanceKey, open_checkpoint, open_receipt


class KeySigner:
    """`CheckpointSigner` with the key of this instance."""

    def __init__(self, key: InstanceKey) -> None:
        """What `key` holds is looked up each time: it may be rotated."""
        self._key = key

    @property
    def instance_id(self) -> str:
        """Ours, now."""
        return str(self._key.instance_id)

    def sign(self, at: Position, previous: Position | None, time: dt.datetime) -> bytes:
        """The envelope of a checkpoint."""
        return self._key.sign_checkpoint(Checkpoint(self._key.instance_id, self._key.public_bytes, at, previous, time))

    def read_checkpoint(self, envelope: bytes) -> tuple[str, Position]:
        """Whose it is and what it says."""
        checkpoint = open_checkpoint(envelope)
        return str(checkpoint.instance_id), checkpoint.at

    def read_receipt(self, envelope: bytes) -> KeptReceipt:
        """What it says."""
        receipt = open_receipt(envelope)
        return KeptReceipt(str(receipt.witness), receipt.at, receipt.time, envelope)
