"""The storage service, over RPC: it knows packages."""

from __future__ import annotations

from services.notify.domain.filters import Package
from shared.core.errors import NotFound
from shared.runtime.bus.rpc import RpcClient


class RpcPackages:
    """`Packages` on the bus."""

    def __init__(self, rpc: RpcClient) -> None:
        """`rpc` is shared by the process."""
        self._rpc = rpc

    def find(self, package_id: str) -> Package | None:
        """What is known of a package now."""
        try:
            found = self._rpc.call("storage", "show_package", reference=package_id)
        except NotFound:
            return None
        return Package(str(found["name"]), frozenset(found["tags"]), str(found["origin"]))
