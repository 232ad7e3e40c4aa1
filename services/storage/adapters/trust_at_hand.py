"""Trust as it was read last: made of all charters and rotations, and needed by each write, so it is kept while they stay the same."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, func, select

from services.storage.adapters import rows
from services.storage.adapters.schema import charters, feed, rotations
from shared.core.trust import Trust

_VERSION = select(func.count(), func.max(feed.c.seq)).where(feed.c.kind.in_(("charter", "rotation")))
"""Each charter and rotation that is saved gets the next number of the feed, whichever process saves it."""


class TrustAtHand:
    """Shared by the transactions of a process."""

    def __init__(self) -> None:
        """Nothing was read yet."""
        self._known: tuple[Any, Trust] | None = None

    def read(self, connection: Connection) -> Trust:
        """What this transaction began with; parsed only if it is news."""
        version, known = tuple(connection.execute(_VERSION).one()), self._known
        if known is not None and known[0] == version:
            return known[1]
        trust = trust_in(connection)
        self._known = version, trust
        return trust

    def forget(self) -> None:
        """Something is about to be saved."""
        self._known = None


def trust_in(connection: Connection) -> Trust:
    """What the tables hold in this transaction."""
    known = (rows.charter_of(row).charter for row in connection.execute(select(charters)))
    return Trust.of(known, (rows.rotation_of(row).rotation for row in connection.execute(select(rotations))))
