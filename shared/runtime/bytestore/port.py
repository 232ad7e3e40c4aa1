"""The port through which services put, check and publish bytes."""

from __future__ import annotations

from typing import BinaryIO, Protocol

from shared.core.digest import ChunkDigests, Digest
from shared.core.names import PackageName


class ByteStore(Protocol):
    """Bytes on their way in (`incoming`), verified (`blobs`), and downloadable (`public`)."""

    def free_bytes(self) -> int:
        """Space that may still be used, keeping the floor."""

    def reserve(self, incoming_id: str, size: int | None) -> None:
        """Make the place for an incoming file, with `size` bytes preallocated if known.

        Raises:
            InsufficientSpace: if it does not fit.
        """

    def open_incoming(self, incoming_id: str) -> BinaryIO:
        """The incoming file, unbuffered, for reading and writing at any offset.

        Raises:
            NotFound: if there is none.
        """

    def write(self, file: BinaryIO, block: memoryview) -> int:
        """Write at the file's position; how many bytes were taken.

        Raises:
            InsufficientSpace: if the disk is full.
        """

    def sync(self, file: BinaryIO) -> None:
        """Return only when all that was written is on the disk."""

    def incoming_size(self, incoming_id: str) -> int | None:
        """Bytes of an incoming file; None if there is none."""

    def incoming_age_seconds(self, incoming_id: str) -> float | None:
        """Seconds since an incoming file was last written; None if there is none."""

    def drop_incoming(self, incoming_id: str) -> None:
        """Remove an incoming file and its chunk list, if there."""

    def write_chunk_list(self, incoming_id: str, chunks: ChunkDigests) -> None:
        """Keep the chunk digests of an incoming file beside it, atomically and synced."""

    def read_chunk_list(self, incoming_id: str) -> ChunkDigests | None:
        """The chunk digests of an incoming file, if there."""

    def has_blob(self, sha256: Digest) -> bool:
        """True if verified bytes of this digest are here."""

    def open_blob(self, sha256: Digest) -> BinaryIO:
        """Verified bytes, for reading.

        Raises:
            NotFound: if they are not here.
        """

    def read_blob_chunks(self, sha256: Digest) -> ChunkDigests | None:
        """The chunk digests of a blob, if there."""

    def make_blob(self, incoming_id: str, sha256: Digest) -> None:
        """Make a verified incoming file the blob of its digest: synced, moved atomically. Done twice is done once.

        Raises:
            NotFound: if there is neither such an incoming file nor such a blob.
        """

    def publish(self, sha256: Digest, name: PackageName) -> None:
        """Let clients see a blob under `name`, replacing what was there, atomically.

        Raises:
            NotFound: if the blob is not here.
        """

    def unpublish(self, name: PackageName) -> None:
        """Let clients no longer see anything under `name`; nothing being there is success."""

    def remove_blob(self, sha256: Digest) -> None:
        """Remove verified bytes and their chunk list; nothing being there is success. Who reads them now may read on."""

    def quarantine(self, incoming_id: str, note: dict[str, str]) -> None:
        """Put an incoming file aside with a note of why. Nothing is deleted."""
