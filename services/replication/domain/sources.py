"""Choosing where to fetch from."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from services.replication.domain.peer import Peer

_FORGIVEN_SECONDS = 60.0
SLOW_AFTER_SECONDS = 30.0


@dataclass
class SourceBook:
    """What this process learned about its sources: who failed lately, who is busy."""

    chance: random.Random = field(default_factory=random.Random)
    _failed_at: dict[str, list[float]] = field(default_factory=dict)
    _in_flight: dict[str, int] = field(default_factory=dict)

    def choose(self, candidates: Sequence[Peer], now_seconds: float) -> Peer | None:
        """The one with the fewest recent failures, then the fewest requests in flight; ties at random."""
        if not candidates:
            return None
        return min(candidates, key=lambda peer: self._rank(str(peer.peer_id), now_seconds))

    def _rank(self, peer_id: str, now_seconds: float) -> tuple[int, int, float]:
        recent = [at for at in self._failed_at.get(peer_id, []) if now_seconds - at < _FORGIVEN_SECONDS]
        self._failed_at[peer_id] = recent
        return len(recent), self._in_flight.get(peer_id, 0), self.chance.random()

    def failed(self, peer_id: str, now_seconds: float) -> None:
        """A request to this source failed."""
        self._failed_at.setdefault(peer_id, []).append(now_seconds)

    def began(self, peer_id: str) -> None:
        """A request to this source is under way."""
        self._in_flight[peer_id] = self._in_flight.get(peer_id, 0) + 1

    def ended(self, peer_id: str) -> None:
        """It ended."""
        self._in_flight[peer_id] = self._in_flight.get(peer_id, 1) - 1


def is_too_slow(bytes_done: int, seconds: float, floor_bytes_per_second: int) -> bool:
    """True if a source has stayed below the floor for long enough to be dropped."""
    return seconds > SLOW_AFTER_SECONDS and bytes_done < seconds * floor_bytes_per_second
