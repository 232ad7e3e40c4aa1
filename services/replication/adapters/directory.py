"""The directory service, over RPC: it keeps our audit log."""

from __future__ import annotations

import base64

from services.replication.domain.witnessing import OwnCheckpoint
from shared.runtime.bus.rpc import RpcClient


class RpcDirectory:
    """`LatestCheckpoint` and `KeepReceipt` on the bus."""

    def __init__(self, rpc: RpcClient) -> None:
        """`rpc` is shared by the process."""
        self._rpc = rpc

    def latest_checkpoint(self) -> OwnCheckpoint | None:
        """Our last checkpoint."""
        found = self._rpc.call("directory", "latest_checkpoint")
        if found is None:
            return None
        return OwnCheckpoint(int(found["number"]), base64.b64decode(found["envelope"]), frozenset(found["witnesses"]))

    def keep_receipt(self, peer_id: str, receipt: bytes) -> None:
        """A peer has witnessed it."""
        self._rpc.call("directory", "keep_receipt", peer_id=peer_id, envelope=base64.b64encode(receipt).decode())
