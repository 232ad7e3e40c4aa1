"""What the hashing handlers need from outside."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from services.hashing.domain.digest_pass import ReadsAt
from shared.contracts.events import Event
from shared.core.digest import ChunkDigests


class Files(Protocol):
    """Incoming files, as far as hashing sees them."""

    def claimed(self, incoming_id: str) -> AbstractContextManager[ReadsAt | None]:
        """The file, held so that no other worker hashes it too; None if it is gone or held.

        A message may be delivered twice at once: the second worker has nothing to do.
        """

    def write_chunk_list(self, incoming_id: str, chunks: ChunkDigests) -> None:
        """Keep the chunk digests beside the file."""

    def read_chunk_list(self, incoming_id: str) -> ChunkDigests | None:
        """The chunk digests beside the file."""


class Blobs(Protocol):
    """Verified bytes, as far as hashing sees them."""

    def claimed(self, sha256: str) -> AbstractContextManager[ReadsAt | None]:
        """The bytes, held so that no other worker hashes them too; None if they are gone or held."""


class Dispatcher(Protocol):
    """The bus, outwards."""

    def dispatch(self, event: Event) -> None:
        """Say what happened; returns when the broker has it."""
