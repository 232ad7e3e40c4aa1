"""The byte store in memory, for models that need thousands of packages a second. The contract is tested on the real one."""

from __future__ import annotations

from dataclasses import dataclass, field

from shared.core.digest import ChunkDigests, Digest
from shared.core.errors import NotFound
from shared.core.names import PackageName


@dataclass
class FakeByteStore:
    """The part of `ByteStore` that storage's handlers use, on whole files in memory."""

    incoming: dict[str, bytes] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    chunk_lists: dict[str, ChunkDigests] = field(default_factory=dict)
    public: dict[str, str] = field(default_factory=dict)
    """Name to SHA-256 of what clients get."""
    notes: list[dict[str, str]] = field(default_factory=list)

    def bring(self, incoming_id: str, content: bytes, chunks: ChunkDigests) -> None:
        """A whole incoming file with its chunk list, as the door, replication and hashing leave it."""
        self.incoming[incoming_id], self.chunk_lists[incoming_id] = content, chunks

    def free_bytes(self) -> int:
        """Room enough."""
        return 1 << 40

    def incoming_size(self, incoming_id: str) -> int | None:
        """Bytes of an incoming file."""
        content = self.incoming.get(incoming_id)
        return None if content is None else len(content)

    def incoming_age_seconds(self, incoming_id: str) -> float | None:
        """Just written."""
        return 0.0 if incoming_id in self.incoming else None

    def drop_incoming(self, incoming_id: str) -> None:
        """Remove an incoming file."""
        self.incoming.pop(incoming_id, None)
        self.chunk_lists.pop(incoming_id, None)

    def has_blob(self, sha256: Digest) -> bool:
        """True if verified bytes of this digest are here."""
        return sha256.hex in self.blobs

    def read_blob_chunks(self, sha256: Digest) -> ChunkDigests | None:
        """The chunk digests of a blob."""
        return self.chunk_lists.get(sha256.hex)

    def make_blob(self, incoming_id: str, sha256: Digest) -> None:
        """Make an incoming file the blob of its digest."""
        if incoming_id in self.incoming:
            self.blobs[sha256.hex] = self.incoming[incoming_id]
            self.chunk_lists[sha256.hex] = self.chunk_lists[incoming_id]
            self.drop_incoming(incoming_id)
        elif sha256.hex not in self.blobs:
            raise NotFound(f"there is neither incoming {incoming_id} nor a blob {sha256.hex}")

    def publish(self, sha256: Digest, name: PackageName) -> None:
        """Let clients see a blob."""
        if sha256.hex not in self.blobs:
            raise NotFound(f"there is no blob {sha256.hex}")
        self.public[name.text] = sha256.hex

    def unpublish(self, name: PackageName) -> None:
        """Let clients see nothing under a name."""
        self.public.pop(name.text, None)

    def remove_blob(self, sha256: Digest) -> None:
        """Remove verified bytes."""
        self.blobs.pop(sha256.hex, None)
        self.chunk_lists.pop(sha256.hex, None)

    def quarantine(self, incoming_id: str, note: dict[str, str]) -> None:
        """Put an incoming file aside."""
        self.drop_incoming(incoming_id)
        self.notes.append(note)
