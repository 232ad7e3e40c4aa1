"""What each service that has alarms does about them: it looks in its sweep, remembers what it found, and answers.

A service says at what it looks: `looks` of its subclass in `handlers/watching.py`.
"""

from __future__ import annotations

import datetime as dt
import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from shared.core.alarms import AlarmBook, AlarmKind, Condition, Severity, counted
from shared.core.errors import TransientError

Look = Callable[[dt.datetime], Iterable[Condition]]
"""What is the matter at this time, of one kind."""


class Watching(ABC):
    """Looks at what is there, and remembers what is the matter."""

    alarms: AlarmBook
    clock: Callable[[], dt.datetime]

    @abstractmethod
    def looks(self) -> Mapping[AlarmKind, Look]:
        """How each kind that this service has is found."""

    def sweep(self) -> None:
        """Raise, repeat and clear. Of a kind whose look fails, all stays as it is.

        Raises:
            TransientError: of the first look that failed, after the others were remembered.
        """
        now, failures = self.clock(), []
        found: dict[AlarmKind, list[Condition]] = {}
        for kind, look in self.looks().items():
            try:
                found[kind] = list(look(now))
            except TransientError as error:
                failures.append(error)
        self.alarms.note(tuple(found), [*itertools.chain(*found.values())], now)
        if failures:
            raise failures[0]

    def list_alarms(self) -> dict[str, Any]:
        """The alarms that are raised, oldest first."""
        return {"items": [alarm.document for alarm in self.alarms.present()]}

    def figures(self) -> dict[str, float]:
        """How many there are of each kind."""
        return counted(self.alarms.present(), self.looks())


def unreadable(count: int, whose: str) -> Iterator[Condition]:
    """So many secrets in the database cannot be read; `whose` is what they belong to, such as `invitations`."""
    if count:
        said = "1 secret" if count == 1 else f"{count} secrets"
        detail = f"{said} of {whose} cannot be read: the key that encrypted what is stored is not in the key file"
        yield Condition(AlarmKind.SECRET_UNREADABLE, whose, Severity.CRITICAL, detail)
