"""Changes that are asked for at the same time, in one transaction: on SQLite each commit waits for the disk, and all else with it.

Whoever asks first writes for all who wait by then. Each is answered when the transaction is committed, so nothing is said to be written
that is not; and if they cannot be written together, each is written by itself, so that nobody fails because of another one.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection

from shared.runtime.database import Database

T = TypeVar("T")
Change = Callable[[Connection], T]
"""What is to be written; it may be called again if its transaction was undone."""


@dataclass(eq=False)
class _Asked(Generic[T]):
    change: Change[T]
    answers: list[T] = field(default_factory=list)
    """One, when it is written."""


class Together:
    """Writes to one SQLite database for all who ask. On PostgreSQL each has a transaction of its own, side by side."""

    def __init__(self, database: Database) -> None:
        """Nothing is asked for yet."""
        self._database = database
        self._turn = threading.Lock()
        self._waiting: list[_Asked[Any]] = []

    def write(self, change: Change[T], *, alone: bool = False) -> T:
        """What `change` answers, when it is committed. Raises what it raises, and as `Database.write` does, to which `alone` is given."""
        if self._database.is_sqlite:
            asked = _Asked(change)
            self._waiting.append(asked)
            with self._turn:
                if asked in self._waiting:
                    self._write_all()
            if asked.answers:
                return asked.answers[0]
        with self._database.write(alone=alone) as connection:
            return change(connection)

    def _write_all(self) -> None:
        asked, self._waiting = self._waiting, []
        # What cannot be written together, each writes by itself: who is at fault is told so then, and nobody else.
        with contextlib.suppress(Exception):
            with self._database.write() as connection:
                answers = [one.change(connection) for one in asked]
            for one, answer in zip(asked, answers, strict=True):
                one.answers.append(answer)
