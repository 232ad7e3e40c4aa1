"""Hybrid logical clocks: when something was written, in an order that all instances agree on.

A stamp is close to the author's wall clock, and always later than what its author had seen of the same fact. See Kulkarni,
Demirbas et al., "Logical Physical Clocks and Consistent Snapshots in Globally Distributed Databases", 2014.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from dataclasses import dataclass

from shared.core.errors import ClockAhead, InvalidInput

MAX_AHEAD = dt.timedelta(minutes=5)
"""A stamp further in the future than this is refused: its author's clock is wrong."""
_MOST_MILLISECONDS, _MOST_COUNTER = 10**13 - 1, 9999
_TEXT = re.compile(r"(\d{13})\.(\d{4})", re.ASCII)
_EPOCH = dt.datetime.fromtimestamp(0, dt.UTC)


@dataclass(frozen=True, slots=True, order=True)
class Stamp:
    """Milliseconds since 1970 in UTC, and a counter for what happened within one of them."""

    milliseconds: int
    counter: int = 0

    @classmethod
    def parse(cls, text: str) -> Stamp:
        """Read `1764000000000.0003`.

        Raises:
            InvalidInput: STAMP_INVALID, if it is not of that form.
        """
        match = _TEXT.fullmatch(text) if isinstance(text, str) else None
        if not match:
            raise InvalidInput(f"{str(text)[:40]!r} is no stamp: 13 digits, a dot, 4 digits", "STAMP_INVALID")
        return cls(int(match[1]), int(match[2]))

    @classmethod
    def of(cls, time: dt.datetime) -> Stamp:
        """The first stamp of a moment; one that has no 13 digits, because a clock is decades off, is the nearest that has."""
        return cls(min(max((time - _EPOCH) // dt.timedelta(milliseconds=1), 0), _MOST_MILLISECONDS))

    @property
    def time(self) -> dt.datetime:
        """The moment, in UTC."""
        return _EPOCH + dt.timedelta(milliseconds=self.milliseconds)

    def check_not_ahead(self, now: dt.datetime) -> None:
        """Accept a stamp of which our own clock can say that it is not from the future.

        Raises:
            ClockAhead: naming the difference.
        """
        ahead = self.time - now
        if ahead > MAX_AHEAD:
            raise ClockAhead(f"it was written {round(ahead.total_seconds())} seconds in the future: set the clock of its author, or ours")

    def __str__(self) -> str:
        """Fixed width, so that the order as text is the order in time."""
        return f"{self.milliseconds:013d}.{self.counter:04d}"


def next_stamp(now: dt.datetime, seen: Iterable[Stamp] = ()) -> Stamp:
    """The stamp of a write that happens now, at an author who has `seen` these of the same fact: later than all of them."""
    latest, present = max(seen, default=None), Stamp.of(now)
    if latest is None or latest < present:
        return present
    if latest.counter < _MOST_COUNTER:
        return Stamp(latest.milliseconds, latest.counter + 1)
    return Stamp(min(latest.milliseconds + 1, _MOST_MILLISECONDS), 0)
