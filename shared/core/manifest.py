"""The manifest: what the origin says, and signs, about a package.

The bytes that were signed are the bytes that are kept and relayed: a manifest is parsed to be read, never serialised again.
Fields that this version does not know survive in those bytes. The format is `application/vnd.odst.manifest+json`,
wrapped in a DSSE envelope (https://github.com/secure-systems-lab/dsse).
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import functools
import hashlib
import json
import re
import secrets
import unicodedata
import uuid
from dataclasses import dataclass
from typing import Any

from shared.core.digest import CHUNK_SIZE, ChunkDigests, Digest, chunk_count
from shared.core.documents import key_text, payload_of
from shared.core.errors import ManifestInvalid, OdstError
from shared.core.identity import InstanceId
from shared.core.names import PackageName
from shared.core.staging import Tags, read_tags
from shared.core.times import rfc3339

PAYLOAD_TYPE = "application/vnd.odst.manifest+json"
SCHEMA = "odst.manifest.v1"
MAX_PAYLOAD_BYTES = 4096
MAX_PACKAGE_BYTES = 1 << 50
MAX_REVISION = (1 << 31) - 1


_MINTED_VERSION = 8
_CREATED = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
_MINT = re.compile(r"[0-9a-f]{32}", re.ASCII)


def new_mint() -> str:
    """Random text to mint a package id from."""
    return secrets.token_hex(16)


def mint_id(origin_key: bytes, mint: str) -> str:
    """The package id that only the holder of this key can claim: a UUIDv8 (RFC 9562) of SHA-256 over key and mint."""
    raw = bytearray(hashlib.sha256(b"odst-package-id-v1|" + origin_key + mint.encode()).digest()[:16])
    raw[6], raw[8] = raw[6] & 0x0F | _MINTED_VERSION << 4, raw[8] & 0x3F | 0x80
    return str(uuid.UUID(bytes=bytes(raw)))


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
    tags: Tags = frozenset()
    """Staging tags at birth; signed here, so that nobody on the way can take them off."""
    mint: str | None = None
    """What `package_id` was minted from; none in manifests of the first version."""

    def payload(self) -> bytes:
        """The bytes to sign. Made once, by the origin."""
        fields = {
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
            "origin_key": key_text(self.origin_key),
            "created": rfc3339(self.created),
        }
        added = {"tags": sorted(self.tags), "mint": self.mint}
        return payload_of(fields | {name: value for name, value in added.items() if value})

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
        if manifest.is_minted and manifest.package_id != mint_id(manifest.origin_key, manifest.mint or ""):
            raise ManifestInvalid("the package id was not minted by the manifest's origin")
        return manifest

    @classmethod
    def _from_fields(cls, fields: dict[str, Any]) -> Manifest:
        if fields["schema"] != SCHEMA or fields["chunk_size"] != CHUNK_SIZE:
            raise ManifestInvalid(f"schema {fields['schema']!r} with chunks of {fields['chunk_size']!r} is not understood here")
        size, revision = fields["size"], fields["revision"]
        if type(size) is not int or not 0 <= size <= MAX_PACKAGE_BYTES or type(revision) is not int or not 1 <= revision <= MAX_REVISION:
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
            created=_created(fields["created"]),
            tags=read_tags(fields.get("tags", [])),
            mint=_mint(fields.get("mint")),
        )

    @classmethod
    def read_again(cls, payload: bytes) -> Manifest:
        """What `parse` made of this payload when it was taken: the same, without its checks, in a fifth of the time."""
        fields = json.loads(payload)
        origin, origin_key = _origin(fields["origin"], fields["origin_key"])
        return cls(
            package_id=str(uuid.UUID(fields["package_id"])),
            revision=fields["revision"],
            name=PackageName(unicodedata.normalize("NFC", fields["name"])),
            size=fields["size"],
            sha256=Digest("sha256", fields["sha256"].lower()),
            sha1=Digest("sha1", fields["sha1"].lower()),
            chunks_sha1=Digest("sha256", fields["chunks_sha1"].lower()),
            chunks_sha256=Digest("sha256", fields["chunks_sha256"].lower()),
            origin=origin,
            origin_key=origin_key,
            created=dt.datetime.fromisoformat(fields["created"]),
            tags=frozenset(fields.get("tags", ())),
            mint=fields.get("mint"),
        )

    @property
    def is_minted(self) -> bool:
        """True if the id proves its origin: version 8 of RFC 9562. The random ids of the first version do not."""
        return self.mint is not None or uuid.UUID(self.package_id).version == _MINTED_VERSION

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


@functools.lru_cache(maxsize=100)
def _origin(text: str, key: str) -> tuple[InstanceId, bytes]:
    """There are many manifests, and few who made them."""
    return InstanceId.parse(text), base64.b64decode(key)


def _created(text: str) -> dt.datetime:
    if not _CREATED.fullmatch(text):
        raise ManifestInvalid("the time of creation must be in UTC and whole seconds, such as 2026-11-23T09:00:00Z")
    return dt.datetime.fromisoformat(text)


def _mint(value: object) -> str | None:
    if value is None or (isinstance(value, str) and _MINT.fullmatch(value)):
        return value
    raise ManifestInvalid("the mint must be 32 hex digits")
