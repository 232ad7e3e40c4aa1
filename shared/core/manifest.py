"""The manifest: what the origin says, and signs, about a package.

The bytes that were signed are the bytes that are kept and relayed: a manifest is parsed to be read, never serialised again.
Fields that this version does not know survive in those bytes. The format is `application/vnd.odst.manifest+json`,
wrapped in a DSSE envelope (https://github.com/secure-systems-lab/dsse).
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import json
import uuid
from dataclasses import dataclass
from typing import Any

from shared.core.digest import CHUNK_SIZE, ChunkDigests, Digest, chunk_count
from shared.core.errors import ManifestInvalid, OdstError
from shared.core.identity import InstanceId
from shared.core.names import PackageName

PAYLOAD_TYPE = "application/vnd.odst.manifest+json"
SCHEMA = "odst.manifest.v1"
MAX_PAYLOAD_BYTES = 4096
MAX_PACKAGE_BYTES = 1 << 50


@dataclass(frozen=True, slots=True)
class Manifest:
    """Identity, size and digests of one package. `chunks_sha1` and `chunks_sha256` are digests of the two chunk lists."""

    package_id: str
    revision: int
    name: PackageName
    size: int
    sha256: Digest
    sha1: Digest
    chunks_sha1: Digest
    chunks_sha256: Digest
    origin: InstanceId
    origin_key: bytes
    created: dt.datetime

    def payload(self) -> bytes:
        """The bytes to sign: JSON with sorted keys. Called once, by the origin."""
        return json.dumps(
            {
                "schema": SCHEMA,
                "package_id": self.package_id,
                "revision": self.revision,
                "name": str(self.name),
                "size": self.size,
                "chunk_size": CHUNK_SIZE,
                "sha256": self.sha256.hex,
                "sha1": self.sha1.hex,
                "chunks_sha1": self.chunks_sha1.hex,
                "chunks_sha256": self.chunks_sha256.hex,
                "origin": str(self.origin),
                "origin_key": base64.b64encode(self.origin_key).decode(),
                "created": self.created.strftime("%Y-%m-%dT%H:%M:%SZ"),
            },
            sort_keys=True,
            ensure_ascii=False,
            separators=(",", ":"),
        ).encode()

    @classmethod
    def parse(cls, payload: bytes) -> Manifest:
        """Read a payload whose signature the caller checks.

        Raises:
            ManifestInvalid: if a field is missing, malformed or contradicts another.
        """
        if len(payload) > MAX_PAYLOAD_BYTES:
            raise ManifestInvalid(f"the manifest has {len(payload)} bytes; at most {MAX_PAYLOAD_BYTES} are read")
        try:
            fields = json.loads(payload)
            manifest = cls._from_fields(fields)
        except OdstError as error:
            raise ManifestInvalid(f"the manifest is malformed: {error}") from error
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, binascii.Error) as error:
            raise ManifestInvalid(f"the manifest is malformed: {type(error).__name__}: {error}") from error
        if not manifest.origin.belongs_to(manifest.origin_key):
            raise ManifestInvalid("the manifest's key is not that of its origin")
        return manifest

    @classmethod
    def _from_fields(cls, fields: dict[str, Any]) -> Manifest:
        if fields["schema"] != SCHEMA or fields["chunk_size"] != CHUNK_SIZE:
            raise ManifestInvalid(f"schema {fields['schema']!r} with chunks of {fields['chunk_size']!r} is not understood here")
        size, revision = fields["size"], fields["revision"]
        if type(size) is not int or not 0 <= size <= MAX_PACKAGE_BYTES or type(revision) is not int or revision < 1:
            raise ManifestInvalid("size and revision must be whole numbers in range")
        return cls(
            package_id=str(uuid.UUID(fields["package_id"])),
            revision=revision,
            name=PackageName.parse(fields["name"]),
            size=size,
            sha256=Digest.parse(f"sha256:{fields['sha256']}"),
            sha1=Digest.parse(f"sha1:{fields['sha1']}"),
            chunks_sha1=Digest.parse(f"sha256:{fields['chunks_sha1']}"),
            chunks_sha256=Digest.parse(f"sha256:{fields['chunks_sha256']}"),
            origin=InstanceId.parse(fields["origin"]),
            origin_key=base64.b64decode(fields["origin_key"], validate=True),
            created=dt.datetime.strptime(fields["created"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=dt.UTC),
        )

    @property
    def precedence(self) -> tuple[dt.datetime, str]:
        """Of two packages with one name, the greater one is current: the same answer on every instance."""
        return self.created, self.package_id

    def check_chunk_list(self, chunks: ChunkDigests) -> None:
        """Accept a chunk-digest list only if it is the one that the origin signed.

        Raises:
            ManifestInvalid: if the count or either of the two list digests differs (promise B5: both must fit).
        """
        if len(chunks) != chunk_count(self.size):
            raise ManifestInvalid(f"the chunk list has {len(chunks)} entries, the package {chunk_count(self.size)} chunks")
        if chunks.list_digest("sha256") != self.chunks_sha256:
            raise ManifestInvalid("the list of SHA-256 chunk digests is not the one that the origin signed")
        if chunks.list_digest("sha1") != self.chunks_sha1:
            raise ManifestInvalid("the list of SHA-1 chunk digests is not the one that the origin signed")
