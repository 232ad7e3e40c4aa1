"""A hop between two instances: a peer of both that shows one what it read from the other, as a test wants it changed."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from shared.core.digest import ChunkDigests
from shared.runtime.keys import InstanceKey, seal, trusted_manifest
from shared.testing.instance import Instance
from shared.testing.peer import PeerPackage, TestPeer

Change = Callable[[PeerPackage], PeerPackage]
_NO_CHUNKS = ChunkDigests(b"")
_MOST = 200


class Relay(TestPeer):
    """Honest until told otherwise. `change` is done to every package that is read."""

    def __init__(self, name: str, origin: Instance) -> None:
        """It is a peer of the origin from now on, and is shown everything."""
        super().__init__(name)
        self.origin = origin
        self.change: Change = lambda package: package
        self.follows = False
        """True to read the origin anew each time that somebody reads here."""
        invitation = origin.api("POST", "/invitations", json={"tags": ["*"]}, expect=201).json()["invitation"]
        self.join(origin, invitation)

    def changes(self, epoch: str, since: int, limit: int) -> dict[str, Any]:
        """A page of the feed."""
        if self.follows:
            self.read_origin()
        return super().changes(epoch, since, limit)

    def read_origin(self) -> None:
        """Have what the origin has now, and nothing else of it."""
        feed = self.request(self.origin, "GET", "/ods/v1/changes?limit=1000").json()["items"]
        kinds = {item["id"]: item["kind"] for item in feed if item["kind"] in ("package", "record")}
        wish = {"packages": list(kinds)[-_MOST:], "charters": ["*"], "rotations": ["*"]}
        records = self.request(self.origin, "POST", "/ods/v1/records", json.dumps(wish).encode()).json()
        read = [self._as_read(document, kinds[document["id"]]) for document in records["packages"]]
        own = [one for one in self.packages if one.manifest.origin == self.instance_id]
        self.catalogue.packages[:] = [self.change(one) for one in read] + own
        self.catalogue.charters[:] = map(base64.b64decode, records["charters"])
        self.catalogue.rotations[:] = map(base64.b64decode, records["rotations"])

    def _as_read(self, document: dict[str, Any], kind: str) -> PeerPackage:
        envelope, *meta = (base64.b64decode(one) for one in (document["manifest"], *document["meta"]))
        known = self.catalogue.package(document["id"])
        if known is None or not known.data:
            chunks, data = self._bytes(document["id"]) if kind == "package" else (_NO_CHUNKS, b"")
        else:
            chunks, data = known.chunks, known.data
        return PeerPackage(trusted_manifest(envelope), envelope, chunks, data, tuple(meta), offered=kind == "package")

    def _bytes(self, package_id: str) -> tuple[ChunkDigests, bytes]:
        parts = [self.request(self.origin, "GET", f"/ods/v1/packages/{package_id}/{part}") for part in ("chunk-digests", "content")]
        assert all(part.ok for part in parts), [part.text for part in parts]
        return ChunkDigests(parts[0].content), parts[1].content


def edited(envelope: bytes, **fields: Any) -> bytes:
    """The same envelope with other fields in its payload; its signatures stay as they are."""
    document = json.loads(envelope)
    payload = json.loads(base64.b64decode(document["payload"])) | fields
    changed = json.dumps(payload, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
    return json.dumps(document | {"payload": base64.b64encode(changed).decode()}).encode()


def resigned(envelope: bytes, key: InstanceKey) -> bytes:
    """The same payload, signed by somebody else."""
    document = json.loads(envelope)
    return seal(base64.b64decode(document["payload"]), document["payloadType"], key)


def only(package_id: str, **fields: Any) -> Change:
    """Change these fields of one package, and leave the others as they are."""
    return lambda package: replace(package, **fields) if package.package_id == package_id else package
