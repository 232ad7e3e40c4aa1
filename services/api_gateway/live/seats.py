"""How many may follow at once, in all and by person."""

from __future__ import annotations

import threading
from collections import Counter

from shared.core.errors import ServiceUnavailable, TooMany

RETRY_SECONDS = 15


class Seats:
    """Counted places; safe to share between threads."""

    def __init__(self, most: int, most_by_person: int) -> None:
        """None is taken."""
        self._most, self._most_by_person = most, most_by_person
        self._taken: Counter[str] = Counter()
        self._lock = threading.Lock()

    @property
    def taken(self) -> int:
        """How many are."""
        return self._taken.total()

    def take(self, person: str) -> None:
        """Take one.

        Raises:
            TooMany: TOO_MANY_READERS, if this person has too many already.
            ServiceUnavailable: READERS_FULL, if there is none left.
        """
        with self._lock:
            if self._taken[person] >= self._most_by_person:
                raise TooMany(
                    f"{person} follows {self._most_by_person} streams of events already; close one",
                    "TOO_MANY_READERS",
                    retry_after_seconds=RETRY_SECONDS,
                )
            if self._taken.total() >= self._most:
                raise ServiceUnavailable(f"all {self._most} places for readers of events are taken; come back later", "READERS_FULL")
            self._taken[person] += 1

    def give_back(self, person: str) -> None:
        """One that was taken is free again."""
        with self._lock:
            self._taken[person] -= 1
            if self._taken[person] <= 0:
                del self._taken[person]
