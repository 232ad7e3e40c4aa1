"""What replication answers about its transfers; nothing here changes anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from services.replication.domain.transfer import Transfer
from services.replication.ports import Peers, Transfers
from shared.core.cursors import question, read_cursor, write_cursor
from shared.core.errors import NotFound
from shared.core.times import to_text, to_text_or_none

_MOST = 1000


@dataclass
class Questions:
    """Reads transfers for the door."""

    transfers: Transfers
    peers: Peers

    def list_transfers(self, limit: int, after: str | None = None, states: Sequence[str] = (), name: str | None = None) -> dict[str, Any]:
        """A page of transfers in one of these states, or in any; newest first.

        Raises:
            InvalidInput: CURSOR_INVALID.
        """
        size, asked = max(1, min(_MOST, limit)), question("transfers", sorted(states), name)
        place = None if after is None else read_cursor(asked, after)
        found = self.transfers.listed(size + 1, None if place is None else (str(place[0]), place[1]), states, name)
        last = found[size - 1][0] if len(found) > size else None
        following = None if last is None else write_cursor(asked, (to_text(last.planned), last.transfer_id))
        return {"items": [describe_transfer(transfer, done) for transfer, done in found[:size]], "next": following}

    def show_transfer(self, transfer_id: str) -> dict[str, Any]:
        """One of them.

        Raises:
            NotFound: if there is none.
        """
        found = self.transfers.shown(transfer_id)
        if found is None:
            raise NotFound(f"there is no transfer {transfer_id[:60]!r}")
        return describe_transfer(*found)

    def figures(self) -> dict[str, float]:
        """Counts for metrics and status."""
        return self.transfers.figures() | self.peers.figures()

    def transfer_progress(self, package_ids: list[str]) -> dict[str, int]:
        """How far the packages that are on their way to here are, in percent."""
        return self.transfers.progress(package_ids[:_MOST])


def describe_transfer(transfer: Transfer, bytes_done: int) -> dict[str, Any]:
    """A transfer as the Admin API shows it."""
    return {
        "transfer_id": transfer.transfer_id,
        "package_id": transfer.package_id,
        "name": transfer.name,
        "size": transfer.size,
        "state": transfer.state.value,
        "bytes_done": min(bytes_done, transfer.size),
        "bytes_fetched": transfer.bytes_fetched,
        "planned": to_text(transfer.planned),
        "finished": to_text_or_none(transfer.finished),
        "error": transfer.error,
        "paused": transfer.paused,
        "priority": transfer.priority.word,
    }
