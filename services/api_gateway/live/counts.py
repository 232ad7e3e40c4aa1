"""What is counted about live events, for metrics."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

LEFT: Final = "LEFT"
"""Why a stream ended whose reader closed it."""
STALLED: Final = "READER_STALLED"
"""Why a stream was cut that took nothing for long; its reader cannot be told."""

TOO_SLOW: Final = "READER_TOO_SLOW"
"""Why a stream was cut whose reader did not read what has been forgotten meanwhile."""


@dataclass
class Counts:
    """Since this gateway was started. Each number is written by one thread, and read by any."""

    refused: Counter[str] = field(default_factory=lambda: Counter({"READERS_FULL": 0, "TOO_MANY_READERS": 0}))
    """Those who asked for a stream beyond the limits, by the code of the refusal."""
    ended: Counter[str] = field(default_factory=lambda: Counter({LEFT: 0, STALLED: 0, TOO_SLOW: 0}))
    """Streams, by what ended them: LEFT, READER_STALLED, or the `reason` of `events.ended`."""
    heard_events: int = 0
    """Of the bus."""
    sent_events: int = 0
    """Each counts as often as it was sent."""
    sent_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Figures:
    """The same, with what is so now."""

    counts: Counts
    readers: int
    waiting_bytes: int
    """Framed for readers whose connections did not take them yet."""
    behind_events: int
    """Those that the reader who is the furthest behind was not told of yet."""
    listening: bool
    """Whether the broker is heard."""
