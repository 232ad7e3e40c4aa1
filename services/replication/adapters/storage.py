"""The storage service, over RPC."""

from __future__ import annotations

import base64

from shared.core.errors import NotFound
from shared.runtime.bus.rpc import RpcClient


class RpcStorage:
    """`StorageService` on the bus."""

    def __init__(self, rpc: RpcClient) -> None:
        """`rpc` is shared by the process."""
        self._rpc = rpc

    def state_of(self, package_id: str) -> str | None:
        """State of a package there; None if it is unknown."""
        try:
            return str(self._rpc.call("storage", "show_package", reference=package_id)["state"])
        except NotFound:
            return None

    def offer_manifest(self, envelope: bytes, peer_id: str) -> str:
        """Hand over a manifest; the package's state."""
        text = base64.b64encode(envelope).decode()
        return str(self._rpc.call("storage", "offer_manifest", envelope=text, peer_id=peer_id)["state"])

    def manifest(self, package_id: str) -> bytes:
        """The envelope of a package that is here or wanted."""
        return base64.b64decode(self._rpc.call("storage", "read_manifest", package_id=package_id)["envelope"])

    def feed_position(self) -> tuple[str, int]:
        """Epoch and highest number of our own change feed."""
        position = self._rpc.call("storage", "feed_position")
        return str(position["epoch"]), int(position["seq"])

    def give_up(self, package_id: str, code: str, reason: str) -> None:
        """This package cannot be had."""
        self._rpc.call("storage", "give_up_package", package_id=package_id, code=code, reason=reason)
