"""Conversations with the outside for which somebody waits: few at once in one process, since each holds a worker that does nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from shared.core.errors import Locked

MOST_AT_ONCE = 3
"""Of all kinds together. Others answer meanwhile, and handle events."""


@dataclass
class Waiting:
    """Counts them."""

    most: int = MOST_AT_ONCE
    _under_way: list[str] = field(default_factory=list)

    @contextmanager
    def for_(self, what: str, *, alone: bool = False) -> Iterator[None]:
        """Hold a conversation about this; `alone` is one beside which there is no other about the same.

        Raises:
            Locked: if there is one, or there are too many.
        """
        if len(self._under_way) >= self.most or (alone and what in self._under_way):
            raise Locked("others wait for the outside just now: try again when they have ended, which takes some seconds at most")
        self._under_way.append(what)
        try:
            yield
        finally:
            self._under_way.remove(what)
