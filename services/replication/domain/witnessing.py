"""Checkpoints of peers' audit logs: when two of them contradict each other, and which of them are kept.

A peer with its key in wrong hands, or whose database was written anew, can sign whatever it likes; it cannot make us forget what it
signed before.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from shared.core.checkpoint import Checkpoint

KEPT_NEWEST, KEPT_DAYS = 100, 400
"""Of each peer the newest ones are kept, and of older ones the first of each day, for so many days."""
KEPT_CONTRADICTIONS = 20
"""Checkpoints of a peer that contradict others and are kept as a proof."""


@dataclass(frozen=True, slots=True)
class Held:
    """A checkpoint of a peer, as it was signed."""

    checkpoint: Checkpoint
    envelope: bytes
    received: dt.datetime
    contradicts: bool = False
    """Kept as a proof only: it cannot be true if the others are."""

    @property
    def key(self) -> tuple[int, str]:
        """What it says: two that say the same are one."""
        return self.checkpoint.at.number, self.checkpoint.at.hash


@dataclass(frozen=True, slots=True)
class OwnCheckpoint:
    """Our own last checkpoint, and who has signed that it was told of it."""

    number: int
    envelope: bytes
    witnesses: frozenset[str]


def contradiction(told: Checkpoint, held: Sequence[Checkpoint]) -> tuple[Checkpoint, str] | None:
    """The checkpoint that cannot be true beside the one that is told now, and why; none if all can be."""
    for known in held:
        earlier, later = sorted((known, told), key=lambda one: one.at.number)
        why = _differ(earlier, later) or _went_back(told, known)
        if why is not None:
            return known, why
    return None


def _differ(earlier: Checkpoint, later: Checkpoint) -> str | None:
    number = earlier.at.number
    if number == later.at.number:
        return None if earlier.at == later.at else f"two hashes for entry {number}"
    before = later.previous
    if before is None or before.number < number:
        return f"the checkpoint of entry {later.at.number} has forgotten that of entry {number}"
    if before.number == number and before != earlier.at:
        return f"two hashes for entry {number}"
    return None


def _went_back(told: Checkpoint, known: Checkpoint) -> str | None:
    """A log that is shorter than it was; one that was told late says itself that it is older."""
    if told.at.number < known.at.number and told.time > known.time:
        return f"the log ends at entry {told.at.number}, and ended at entry {known.at.number} before"
    return None


def to_forget(held: Sequence[Held], now: dt.datetime) -> list[Held]:
    """Those that need not be kept any more."""
    good = sorted((one for one in held if not one.contradicts), key=lambda one: one.checkpoint.at.number, reverse=True)
    older = good[KEPT_NEWEST:]
    firsts: dict[dt.date, Held] = {}
    for one in reversed(older):
        firsts.setdefault(one.received.date(), one)
    oldest_day = (now - dt.timedelta(days=KEPT_DAYS)).date()
    kept = {one.key for day, one in firsts.items() if day >= oldest_day}
    return [one for one in older if one.key not in kept]
