"""When a checkpoint of the audit log is due, and what is kept of checkpoints and receipts."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from shared.core.audit_chain import Position


@dataclass(frozen=True, slots=True)
class KeptCheckpoint:
    """A checkpoint that this instance made."""

    at: Position
    time: dt.datetime
    signer: str
    """The instance id whose key signed it: ours, or one that we had."""
    envelope: bytes


@dataclass(frozen=True, slots=True)
class KeptReceipt:
    """What a peer said that it was told."""

    peer_id: str
    at: Position
    time: dt.datetime
    envelope: bytes


@dataclass(frozen=True, slots=True)
class Pace:
    """How often checkpoints are made: after so much time, or so many entries, whatever comes first."""

    seconds: float
    entries: int

    def is_due(self, newest: Position, last: KeptCheckpoint | None, signer: str, now: dt.datetime) -> bool:
        """True if there are entries that no checkpoint covers, and enough of them, or for long enough, or with another key."""
        if last is None:
            return newest.number > 0
        if newest.number <= last.at.number:
            return False
        age = (now - last.time).total_seconds()
        # A checkpoint from the future was made under a wrong clock, which must not keep the next one away.
        return not 0 <= age < self.seconds or newest.number - last.at.number >= self.entries or last.signer != signer
