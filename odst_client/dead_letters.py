"""Dead letters: messages of the bus that could not be handled."""

from __future__ import annotations

from odst_client.operations import Group, operation, wish
from shared.contracts.admin.instance import DeadLetter, DeadLetterList, Replayed, ReplayWish


class DeadLetters(Group):
    """`client.dead_letters`."""

    @operation("GET", "/api/v1/dead-letters")
    def oldest(self, limit: int | None = None) -> list[DeadLetter]:
        """List them with the reason of each, oldest first; at most `limit`."""
        return self._read(self.oldest, DeadLetterList, query={"limit": limit}).items

    @operation("POST", "/api/v1/dead-letters/replay")
    def replay(self, letter_id: str | None = None) -> Replayed:
        """Hand one back to its queue, or all."""
        return self._read(self.replay, Replayed, wish(ReplayWish, id=letter_id))

    @operation("DELETE", "/api/v1/dead-letters/{letter_id}")
    def discard(self, letter_id: str) -> None:
        """Remove one for good."""
        self._do(self.discard, letter_id=letter_id)
