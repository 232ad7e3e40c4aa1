"""Incoming files on disk, claimed by an advisory lock that ends with its process."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

from shared.core.digest import ChunkDigests, Digest
from shared.core.errors import NotFound
from shared.runtime.bytestore import ByteStore


class PositionedFile:
    """Reads at offsets, from any number of threads."""

    def __init__(self, file: BinaryIO) -> None:
        """`file` stays the caller's to close."""
        self._descriptor = file.fileno()

    def read_into(self, buffer: memoryview, offset: int) -> int:
        """Fill `buffer` from `offset`; fewer bytes only at the end of the file."""
        filled = 0
        while filled < len(buffer):
            count = os.preadv(self._descriptor, [buffer[filled:]], offset + filled)
            if not count:
                break
            filled += count
        return filled


class ClaimedFiles:
    """`Files` on a byte store."""

    def __init__(self, store: ByteStore) -> None:
        """`store` is shared with the services that write."""
        self._store = store

    @contextmanager
    def claimed(self, incoming_id: str) -> Iterator[PositionedFile | None]:
        """The file under an exclusive lock; None if it is gone or another worker has it."""
        with _claimed(lambda: self._store.open_incoming(incoming_id)) as file:
            yield file

    def write_chunk_list(self, incoming_id: str, chunks: ChunkDigests) -> None:
        """Keep the chunk digests beside the file."""
        self._store.write_chunk_list(incoming_id, chunks)

    def read_chunk_list(self, incoming_id: str) -> ChunkDigests | None:
        """The chunk digests beside the file."""
        return self._store.read_chunk_list(incoming_id)


class ClaimedBlobs:
    """`Blobs` on a byte store."""

    def __init__(self, store: ByteStore) -> None:
        """`store` is shared with the service that keeps them."""
        self._store = store

    @contextmanager
    def claimed(self, sha256: str) -> Iterator[PositionedFile | None]:
        """The bytes under an exclusive lock; None if they are gone or another worker has them."""
        with _claimed(lambda: self._store.open_blob(Digest("sha256", sha256))) as file:
            yield file


@contextmanager
def _claimed(opening: Callable[[], BinaryIO]) -> Iterator[PositionedFile | None]:
    try:
        file = opening()
    except NotFound:
        yield None
        return
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
            return
        yield PositionedFile(file)
