"""Alarms of notify: secrets that cannot be read, dead letters, and the certificates of this instance's doors."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from services.notify.domain.letters import Letter, told
from services.notify.ports import LetterBox
from shared.core.alarms import AlarmBook, AlarmKind, Condition
from shared.core.watching import Look, Watching, unreadable


@dataclass
class WatchingHandlers(Watching):
    """Looks at what is there, and remembers what is the matter."""

    letters: LetterBox
    certificates: Look
    unreadable_secrets: Callable[[], int]
    alarms: AlarmBook
    clock: Callable[[], dt.datetime]
    _oldest: Letter | None = None
    _counted: int = field(default=0)

    def looks(self) -> Mapping[AlarmKind, Look]:
        """Three kinds."""
        return {
            AlarmKind.SECRET_UNREADABLE: lambda _now: unreadable(self.unreadable_secrets(), "subscriptions"),
            AlarmKind.CERTIFICATE_EXPIRING: self.certificates,
            AlarmKind.DEAD_LETTER_WAITING: self._dead_letters,
        }

    def _dead_letters(self, _now: dt.datetime) -> Iterator[Condition]:
        """The oldest is looked at when their number has changed: a letter that is looked at is out of sight for others."""
        number = self.letters.number()
        if number and (number != self._counted or self._oldest is None):
            self._oldest = self.letters.oldest()
        self._counted = number
        if number:
            yield told(self.letters.name, number, self._oldest)
