"""How instances of a mesh in memory ask each other: `PeerClient` on the RPC methods of the other's storage."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from services.replication.adapters import peer_answers
from services.replication.domain.peer import Peer, PeerState
from services.replication.domain.records import Buckets, FeedPage, Records, Versions
from services.storage.domain.package import Package
from shared.core.errors import PeerUnreachable

if TYPE_CHECKING:
    from shared.testing.mesh_model import Site

PAGE = 3
"""Feed items of a page: few, so that a pull has several."""


class Crashed(BaseException):
    """The process of an instance ended; no handler may catch that."""


class ModelClient:
    """`PeerClient` between sites of one mesh; only what pulling and moving need."""

    def __init__(self, site: Site) -> None:
        """Asks in the name of `site`."""
        self.site = site
        self.crash_after: int | None = None
        """How many more questions are answered before the process of the asker ends."""

    def _ask(self, other: Site, method: str, **arguments: Any) -> Any:
        if not self.site.mesh.are_linked(self.site, other):
            raise PeerUnreachable(f"{other.name} cannot be reached")
        if other.registration(self.site).state is not PeerState.ACTIVE:
            raise PeerUnreachable(f"{other.name} has revoked us")
        if self.crash_after is not None:
            self.crash_after -= 1
            if self.crash_after < 0:
                raise Crashed
        answer = other.call("storage", method, **arguments)
        other.deliver()
        return answer

    def _view(self, other: Site) -> dict[str, Any]:
        return other.registration(self.site).view_document

    def changes(self, peer: Peer, epoch: str | None, since: int) -> FeedPage:
        """A page of the feed."""
        other = self.site.mesh.site_of(str(peer.peer_id))
        page = self._ask(other, "read_changes", epoch=epoch, since=since, limit=PAGE, view=self._view(other))
        return peer_answers.feed_page(page | {"protocol": 2}, PAGE)

    def records(self, peer: Peer, packages: Sequence[str], charters: Sequence[str], rotations: Sequence[str]) -> Records:
        """Records by id."""
        other = self.site.mesh.site_of(str(peer.peer_id))
        asked = {"packages": list(packages), "charters": list(charters), "rotations": list(rotations)}
        answer = self._ask(other, "read_records", view=self._view(other), **asked)
        for one in answer["packages"]:
            if "manifest" in one:
                self.site.mesh.gave(other, self.site, one["id"])
        return peer_answers.records(answer)

    def buckets(self, peer: Peer, tags: Collection[str]) -> Buckets:
        """Bucket digests."""
        other = self.site.mesh.site_of(str(peer.peer_id))
        shown = self._view(other)["tags"]
        answer = self._ask(other, "digest_buckets", shown=shown, seen=sorted(tags))
        return peer_answers.buckets(answer | {"tags": shown})

    def bucket(self, peer: Peer, number: int, tags: Collection[str]) -> Versions:
        """One bucket."""
        other = self.site.mesh.site_of(str(peer.peer_id))
        answer = self._ask(other, "list_bucket", bucket=number, shown=self._view(other)["tags"], seen=sorted(tags))
        return peer_answers.bucket(answer)

    def content(self, other: Site, package: Package) -> bytes:
        """The bytes of a package, verified."""
        located = self._ask(other, "locate_blob", package_id=package.package_id, tags=self._view(other)["tags"])
        self.site.mesh.gave(other, self.site, package.package_id)
        assert located["sha256"] == package.sha256.hex
        return other.store.blobs[package.sha256.hex]


def through_json(value: Any) -> Any:
    """A value as it comes out on the other side of the bus."""
    return json.loads(json.dumps(value))
