"""Choosing where to fetch from."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from services.replication.domain.peer import Peer

_FORGIVEN_SECONDS = 60.0
SLOW_AFTER_SECONDS = 30.0
_FIRST_WAIT, _LONGEST_WAIT = dt.timedelta(seconds=30), dt.timedelta(minutes=10)
_MOST_DOUBLINGS = 8
_MOST_KEPT = 10_000


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


@dataclass
class LackBook:
    """Who answered lately that it lacks a package, or does not give it.

    Such an answer is not signed, and whoever is on the way can make one up. So it is no fact, and only good for a while: the source
    is left alone for 30 seconds, then for twice as long each time, ten minutes at most, or until its feed names the package again.
    """

    _waits: dict[tuple[str, str], tuple[int, dt.datetime]] = field(default_factory=dict)

    def lacks(self, peer_id: str, package_id: str, now: dt.datetime) -> None:
        """This source answered so just now. Beyond 10,000 such answers the oldest are forgotten."""
        times, _ = self._waits.pop((peer_id, package_id), (0, now))
        wait = min(_FIRST_WAIT * 2 ** min(times, _MOST_DOUBLINGS), _LONGEST_WAIT)
        self._waits[peer_id, package_id] = times + 1, now + wait
        if len(self._waits) > _MOST_KEPT:
            del self._waits[next(iter(self._waits))]

    def named(self, peer_id: str, package_ids: Iterable[str]) -> None:
        """The feed of this source says that it has these."""
        for package_id in package_ids:
            self._waits.pop((peer_id, package_id), None)

    def is_left_alone(self, peer_id: str, package_id: str, now: dt.datetime) -> bool:
        """True while it is not to be asked again; a wait that is longer than any was planned with a wrong clock, and is past."""
        _, until = self._waits.get((peer_id, package_id), (0, now))
        return now < until <= now + _LONGEST_WAIT


def longest_seconds(size: int, floor_bytes_per_second: int) -> float | None:
    """How long `size` bytes may take from a source that is not too slow; None if no source is."""
    return SLOW_AFTER_SECONDS + size / floor_bytes_per_second if floor_bytes_per_second else None


def is_too_slow(bytes_done: int, seconds: float, floor_bytes_per_second: int) -> bool:
    """True if a source has stayed below the floor for long enough to be dropped."""
    return seconds > SLOW_AFTER_SECONDS and bytes_done < seconds * floor_bytes_per_second
