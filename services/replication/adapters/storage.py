"""The storage service, over RPC."""

from __future__ import annotations

import base64
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from services.replication.domain.catalogue import Holding, Outline, WhoIsWho
from services.replication.domain.records import CHARTER, PACKAGE, ROTATION, FeedItem, Key, Records, Refusal, Versions
from shared.core.errors import NotFound
from shared.runtime.bus.rpc import RpcClient

_BULK_SECONDS = 60.0
"""Longest wait for an answer about hundreds of records."""
_PAGE = 1000


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
        return base64.b64decode(self._rpc.call("storage", "read_manifest", package_id=package_id, tags=None)["envelope"])

    def feed_position(self) -> tuple[str, int]:
        """Epoch and highest number of our own change feed."""
        position = self._rpc.call("storage", "feed_position")
        return str(position["epoch"]), int(position["seq"])

    def give_up(self, package_id: str, code: str, reason: str) -> None:
        """This package cannot be had."""
        self._rpc.call("storage", "give_up_package", package_id=package_id, code=code, reason=reason)

    def compare_records(self, items: Sequence[FeedItem]) -> set[Key]:
        """Which records of a feed page are unknown or different here."""
        told = [_item(item) for item in items]
        found = self._rpc.call("storage", "compare_records", items=told, _timeout_seconds=_BULK_SECONDS)
        kinds = ((PACKAGE, "packages"), (CHARTER, "charters"), (ROTATION, "rotations"))
        return {(kind, str(record_id)) for kind, name in kinds for record_id in found[name]}

    def offer_records(self, records: Records, peer_id: str) -> Sequence[Refusal]:
        """Hand over what a peer gave; what was not taken."""
        answer = self._rpc.call(
            "storage",
            "offer_records",
            packages=[_package(one.id, one.manifest, one.meta) for one in records.packages],
            charters=list(records.charters),
            rotations=list(records.rotations),
            peer_id=peer_id,
            _timeout_seconds=_BULK_SECONDS,
        )
        return [_refusal(one) for one in answer["refused"]]

    def ring_wanted(self, package_ids: Sequence[str]) -> None:
        """A source has the bytes of these now."""
        self._rpc.call("storage", "ring_wanted", package_ids=list(package_ids), _timeout_seconds=_BULK_SECONDS)

    def read_rotations(self) -> Sequence[bytes]:
        """The envelopes of the rotations that lead to our present key."""
        return [base64.b64decode(envelope) for envelope in self._rpc.call("storage", "read_former_keys")["rotations"]]

    def withdraw_packages(self, package_ids: Sequence[str], peer_id: str) -> None:
        """No peer shows these to us any more."""
        self._rpc.call("storage", "withdraw_packages", package_ids=list(package_ids), peer_id=peer_id, _timeout_seconds=_BULK_SECONDS)

    def holdings(self, package_ids: Sequence[str], tags: Collection[str] | None = None) -> dict[str, Holding]:
        """What is here of these; with `tags`, of those that who bears them may have."""
        told = None if tags is None else sorted(tags)
        found = self._rpc.call("storage", "read_holdings", package_ids=list(package_ids), tags=told)["packages"]
        return {package_id: Holding(str(one["state"]), bool(one["bytes_here"])) for package_id, one in found.items()}

    def show(self, reference: str) -> Outline:
        """A package, by its id or a digest."""
        return _outline(self._rpc.call("storage", "show_package", reference=reference))

    def outlines(self, after: str | None) -> tuple[Sequence[Outline], str | None]:
        """The next packages by id, and after which to go on."""
        page = self._rpc.call("storage", "outline_packages", after=after, limit=_PAGE, _timeout_seconds=_BULK_SECONDS)
        return [_outline(item) for item in page["items"]], page["next"]

    def digest_buckets(self, shown: Collection[str], seen: Collection[str]) -> Sequence[str]:
        """256 digests of all packages that a peer and we may see."""
        answer = self._rpc.call("storage", "digest_buckets", shown=sorted(shown), seen=sorted(seen), _timeout_seconds=_BULK_SECONDS)
        return [str(digest) for digest in answer["buckets"]]

    def list_bucket(self, number: int, shown: Collection[str], seen: Collection[str]) -> Versions:
        """The packages of one bucket."""
        told = {"bucket": number, "shown": sorted(shown), "seen": sorted(seen)}
        answer = self._rpc.call("storage", "list_bucket", _timeout_seconds=_BULK_SECONDS, **told)
        return {str(item["id"]): (str(item["digest"]), str(item["meta"])) for item in answer["items"]}

    def declare_peers(
        self, stewards: Sequence[Mapping[str, str | None]], revoked: Sequence[Mapping[str, str]], registered: Sequence[Mapping[str, str]]
    ) -> None:
        """Who may write about our packages, whom we do not trust, and since when active peers are registered."""
        self._rpc.call("storage", "declare_peers", stewards=list(stewards), revoked=list(revoked), registered=list(registered))

    def revoked_among(self, instance_ids: Sequence[str]) -> Mapping[str, str]:
        """Which of these our stewards have revoked, and who did."""
        found = self._rpc.call("storage", "revoked_among", instance_ids=list(instance_ids))["revoked"]
        return {str(one): str(revoker) for one, revoker in found.items()}

    def who_is_who(self) -> WhoIsWho:
        """What instances say of themselves. While a new key has said nothing, the last word of the key before counts."""
        items = self._rpc.call("storage", "list_instances")["items"]
        said = sorted(items, key=lambda one: (one["instance_id"] == one["present_id"], one["issued"]))
        return WhoIsWho(
            {str(one["present_id"]): frozenset(one["tags"]) for one in said},
            {str(one["instance_id"]): str(one["present_id"]) for one in said},
        )


def _item(item: FeedItem) -> dict[str, str]:
    told = {"kind": item.kind, "id": item.id, "digest": item.digest, "meta": item.meta, "stamp": item.stamp}
    return {name: value for name, value in told.items() if value is not None}


def _package(package_id: str, manifest: str | None, meta: Sequence[str]) -> dict[str, Any]:
    return {"id": package_id, "meta": list(meta)} | ({"manifest": manifest} if manifest is not None else {})


def _refusal(one: dict[str, Any]) -> Refusal:
    kind = str(one["kind"])
    return Refusal((kind if kind in (CHARTER, ROTATION) else PACKAGE, str(one["id"])), str(one["code"]), str(one["reason"])[:300])


def _outline(item: dict[str, Any]) -> Outline:
    tags = frozenset(item["tags"])
    return Outline(
        str(item["package_id"]),
        str(item["name"]),
        int(item["size"]),
        tags,
        str(item["state"]),
        bool(item["bytes_here"]),
        str(item["origin"]),
    )
