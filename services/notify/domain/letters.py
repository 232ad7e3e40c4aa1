"""Dead letters that wait, as an alarm."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from shared.core.alarms import AlarmKind, Condition, Severity
from shared.core.times import rfc3339


@dataclass(frozen=True, slots=True)
class Letter:
    """A message that could not be handled."""

    queue: str
    """Where it came from."""
    code: str
    time: dt.datetime | None
    """When it was given up, if that is known."""


def told(name: str, number: int, oldest: Letter | None) -> Condition:
    """That so many wait in the queue `name`. The oldest is not known while somebody else looks at it."""
    said = "1 message" if number == 1 else f"{number} messages"
    since = oldest.time if oldest else None
    detail = f"{said} could not be handled, in {name}{_described(oldest) if oldest else ''}"
    return Condition(AlarmKind.DEAD_LETTER_WAITING, name, Severity.WARNING, detail, since=since)


def _described(oldest: Letter) -> str:
    since = f", and waits since {rfc3339(oldest.time)}" if oldest.time else ""
    return f"; the oldest, {oldest.code}, was for {oldest.queue or 'no queue that is known'}{since}"
