"""The storage service, over RPC: what clients can download here, and its digests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from services.notify.adapters.storage import RpcPackages
from services.notify.domain.filters import Package
from services.notify.domain.jamf.comparing import Here
from services.notify.domain.jamf.records import Digests
from shared.core.errors import NotFound
from shared.runtime.bus.rpc import RpcClient


class RpcFiles:
    """`PublishedFiles` on the bus."""

    def __init__(self, rpc: RpcClient) -> None:
        """`rpc` is shared by the process."""
        self._rpc = rpc

    def current(self, name: str) -> Here | None:
        """What clients get under exactly this name."""
        try:
            return _here(self._rpc.call("storage", "locate_public", name=name))
        except NotFound:
            return None

    def about(self, package_id: str) -> Package | None:
        """What is known of a package."""
        return RpcPackages(self._rpc).find(package_id)

    def digests(self, package_id: str) -> Digests | None:
        """MD5 and SHA-512 of a package's bytes, if they are known already."""
        try:
            found = self._rpc.call("storage", "further_digests", package_id=package_id)
        except NotFound:
            return None
        return Digests(str(found["md5"]), str(found["sha512"])) if found["known"] else None

    def page(self, after: str | None, limit: int) -> tuple[Sequence[tuple[Here, Package]], str | None]:
        """Files that clients get, and where the next page begins."""
        found = self._rpc.call("storage", "list_packages", after=after, limit=limit)
        published = [one for one in found["items"] if one["state"] == "published"]
        return [(_here(one), Package(str(one["name"]), frozenset(one["tags"]), str(one["origin"]))) for one in published], found["next"]


def _here(document: Any) -> Here:
    return Here(str(document["package_id"]), str(document["name"]), str(document["sha256"]), int(document["size"]))
