"""What replication answers about its transfers; nothing here changes anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from services.replication.domain.transfer import Transfer
from services.replication.ports import Peers, Transfers
from shared.core.times import to_text, to_text_or_none

_MOST = 1000


@dataclass
class Questions:
    """Reads transfers for the door."""

    transfers: Transfers
    peers: Peers

    def list_transfers(self, limit: int) -> dict[str, Any]:
        """Transfers, newest first."""
        return {"items": [describe_transfer(transfer, done) for transfer, done in self.transfers.listed(max(1, min(_MOST, limit)))]}

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
    }
