"""Claims about the looks of a service: one that fails takes no other with it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import pytest

from shared.core.alarms import AlarmBook, AlarmKind, Condition, Patience, Severity
from shared.core.errors import ServiceUnavailable
from shared.core.watching import Look, Watching
from shared.testing.fakes.alarms import FakeAlarmBook
from shared.testing.fakes.clock import FakeClock

LOW = Condition(AlarmKind.DISK_LOW, "data", Severity.WARNING, "little is left")
LETTERS = Condition(AlarmKind.DEAD_LETTER_WAITING, "letters", Severity.WARNING, "one waits")


@dataclass
class Two(Watching):
    """Looks at two kinds, of which the first cannot be looked at while the broker is away."""

    alarms: AlarmBook
    clock: Callable[[], dt.datetime]
    is_away: bool = False
    found: list[Condition] = field(default_factory=lambda: [LOW, LETTERS])

    def looks(self) -> Mapping[AlarmKind, Look]:
        """Both."""
        return {AlarmKind.DEAD_LETTER_WAITING: self._letters, AlarmKind.DISK_LOW: lambda _: self._of(AlarmKind.DISK_LOW)}

    def _letters(self, _now: dt.datetime) -> Iterator[Condition]:
        if self.is_away:
            raise ServiceUnavailable("the broker is away")
        yield from self._of(AlarmKind.DEAD_LETTER_WAITING)

    def _of(self, kind: AlarmKind) -> Iterator[Condition]:
        return (one for one in self.found if one.kind is kind)


def test_what_cannot_be_looked_at_stays_as_it_is_and_the_rest_goes_on() -> None:
    """Not to know is neither to raise nor to clear; that it failed is said, after all else was done."""
    clock = FakeClock()
    book = FakeAlarmBook("notify", Patience(dt.timedelta(0), dt.timedelta(days=1)))
    two = Two(book, clock)
    two.sweep()
    two.is_away, two.found = True, []
    with pytest.raises(ServiceUnavailable):
        two.sweep()
    partly = two.figures()
    two.is_away = False
    two.sweep()

    assert partly == {"alarms_dead_letter_waiting": 1, "alarms_disk_low": 0}
    assert two.figures() == {"alarms_dead_letter_waiting": 0, "alarms_disk_low": 0}
