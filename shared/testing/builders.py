"""Values for tests: say what matters, the rest is filled in."""

from __future__ import annotations

import datetime as dt
import hashlib
import uuid
from dataclasses import dataclass, replace
from typing import Any

from services.replication.domain.peer import Peer
from services.replication.domain.transfer import Transfer
from services.storage.domain.package import Package, PackageState
from services.storage.domain.upload import Upload
from shared.contracts.events import FileDigests
from shared.core.digest import CHUNK_SIZE, ChunkDigests, Digest
from shared.core.manifest import Manifest
from shared.core.names import PackageName
from shared.runtime.keys import InstanceKey
from shared.testing.fakes.clock import NOON

ORIGIN = InstanceKey.generate()
"""Where packages come from unless said otherwise."""


def some_bytes(size: int, seed: str = "odst") -> bytes:
    """`size` bytes that are the same each time and that no other seed gives."""
    return hashlib.shake_128(seed.encode()).digest(size)


def chunk_digests(content: bytes) -> ChunkDigests:
    """The chunk list of `content`, computed in the plainest way."""
    chunks = [content[start : start + CHUNK_SIZE] for start in range(0, len(content), CHUNK_SIZE)]
    return ChunkDigests(b"".join(hashlib.sha1(one, usedforsecurity=False).digest() + hashlib.sha256(one).digest() for one in chunks))


def file_digests(content: bytes) -> FileDigests:
    """All digests of `content`, computed in the plainest way."""
    chunks = chunk_digests(content)
    return FileDigests(
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        sha1=hashlib.sha1(content, usedforsecurity=False).hexdigest(),
        chunks_sha256=chunks.list_digest("sha256").hex,
        chunks_sha1=chunks.list_digest("sha1").hex,
        seconds=0.1,
    )


def a_manifest(content: bytes = b"bytes", name: str = "App.pkg", origin: InstanceKey = ORIGIN, **fields: Any) -> Manifest:
    """A true manifest of `content`, but for the given fields."""
    digests = file_digests(content)
    manifest = Manifest(
        package_id=str(uuid.uuid4()),
        revision=1,
        name=PackageName.parse(name),
        size=digests.size,
        sha256=Digest("sha256", digests.sha256),
        sha1=Digest("sha1", digests.sha1),
        chunks_sha1=Digest("sha256", digests.chunks_sha1),
        chunks_sha256=Digest("sha256", digests.chunks_sha256),
        origin=origin.instance_id,
        origin_key=origin.public_bytes,
        created=NOON,
    )
    return replace(manifest, **fields)


@dataclass(frozen=True)
class Signed:
    """Bytes, the manifest about them, and its envelope."""

    content: bytes
    manifest: Manifest
    envelope: bytes

    @property
    def package_id(self) -> str:
        """Its id."""
        return self.manifest.package_id

    @property
    def chunks(self) -> ChunkDigests:
        """The true chunk list."""
        return chunk_digests(self.content)


def signed(content: bytes = b"bytes", name: str = "App.pkg", origin: InstanceKey = ORIGIN, **fields: Any) -> Signed:
    """A package as its origin has it."""
    manifest = a_manifest(content, name, origin, **fields)
    return Signed(content, manifest, origin.sign_manifest(manifest))


def a_package(
    content: bytes = b"bytes", name: str = "App.pkg", *, created: dt.datetime = NOON, origin: InstanceKey = ORIGIN, **fields: Any
) -> Package:
    """A record of the catalogue: wanted, unless said otherwise."""
    made = signed(content, name, origin, created=created)
    return replace(Package(made.manifest, made.envelope, PackageState.WANTED, "correlation-1", NOON), **fields)


def an_upload(name: str = "App.pkg", **fields: Any) -> Upload:
    """An upload that receives, unless said otherwise."""
    return replace(Upload(str(uuid.uuid4()), name, None, "admin", "correlation-1", NOON, NOON), **fields)


def a_peer(name: str = "B", key: InstanceKey | None = None, **fields: Any) -> Peer:
    """An active peer with a key of its own."""
    key = key or InstanceKey.generate()
    return replace(Peer(key.instance_id, key.public_bytes, name, f"http://{name.lower()}.example", NOON), **fields)


def a_transfer(manifest: Manifest | None = None, **fields: Any) -> Transfer:
    """A planned transfer."""
    about = manifest or a_manifest()
    transfer = Transfer(
        str(uuid.uuid4()), about.package_id, about.name.text, about.size, about.sha256, about.sha1, "correlation-1", NOON, NOON
    )
    return replace(transfer, **fields)
