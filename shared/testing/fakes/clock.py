"""Time that moves when told."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

NOON = dt.datetime(2026, 11, 3, 12, tzinfo=dt.UTC)


@dataclass
class FakeClock:
    """A clock that stands still."""

    now: dt.datetime = NOON

    def __call__(self) -> dt.datetime:
        """The present time."""
        return self.now

    def pass_seconds(self, seconds: float) -> dt.datetime:
        """Let time pass; the new time."""
        self.now += dt.timedelta(seconds=seconds)
        return self.now
