"""SHA-1 and SHA-256 of a whole file and of every 1 MiB chunk, read once from disk.

Two halves run side by side: one takes the whole, the other the chunks. hashlib releases the interpreter lock, so on two
cores this takes half the time; the second reader finds what the first one read in the page cache.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from shared.contracts.events import FileDigests
from shared.core.digest import CHUNK_SIZE, ChunkDigests

_READ_SIZE = 4 * CHUNK_SIZE
Parallel = Callable[[list[Callable[[], Any]]], list[Any]]
"""Runs functions side by side and gives their results in order."""


class ReadsAt(Protocol):
    """A file that several readers use at once."""

    def read_into(self, buffer: memoryview, offset: int) -> int:
        """Fill `buffer` from `offset`; fewer bytes only at the end of the file."""


@dataclass
class Progress:
    """How far the chunk half is; written by it, read by whoever tells people."""

    bytes_done: int = 0


@dataclass
class _Whole:
    algorithms: tuple[str, ...]
    digests: dict[str, str] = field(default_factory=dict)

    def run(self, file: ReadsAt) -> int:
        hashers = {name: hashlib.new(name, usedforsecurity=False) for name in self.algorithms}
        buffer, offset = memoryview(bytearray(_READ_SIZE)), 0
        while count := file.read_into(buffer, offset):
            for hasher in hashers.values():
                hasher.update(buffer[:count])
            offset += count
        self.digests = {name: hasher.hexdigest() for name, hasher in hashers.items()}
        return offset


def _digest_chunks(file: ReadsAt, progress: Progress) -> ChunkDigests:
    packed, buffer = bytearray(), memoryview(bytearray(_READ_SIZE))
    while count := file.read_into(buffer, progress.bytes_done):
        for start in range(0, count, CHUNK_SIZE):
            chunk = buffer[start : min(start + CHUNK_SIZE, count)]
            packed += hashlib.sha1(chunk, usedforsecurity=False).digest() + hashlib.sha256(chunk).digest()
        progress.bytes_done += count
    return ChunkDigests(bytes(packed))


def digest_file(file: ReadsAt, parallel: Parallel, progress: Progress) -> tuple[FileDigests, ChunkDigests]:
    """All four digests of a file that nobody writes to any more."""
    started = time.monotonic()
    whole = _Whole(("sha256", "sha1"))
    size, chunks = parallel([lambda: whole.run(file), lambda: _digest_chunks(file, progress)])
    digests = FileDigests(
        size=size,
        sha256=whole.digests["sha256"],
        sha1=whole.digests["sha1"],
        chunks_sha256=chunks.list_digest("sha256").hex,
        chunks_sha1=chunks.list_digest("sha1").hex,
        seconds=time.monotonic() - started,
    )
    return digests, chunks


def digest_whole(file: ReadsAt, chunks: ChunkDigests, parallel: Parallel) -> FileDigests:
    """SHA-256 and SHA-1 of the whole, one a core, for a file whose chunks were verified one by one as they came."""
    started = time.monotonic()
    sha256, sha1 = _Whole(("sha256",)), _Whole(("sha1",))
    size, _ = parallel([lambda: sha256.run(file), lambda: sha1.run(file)])
    return FileDigests(
        size=size,
        sha256=sha256.digests["sha256"],
        sha1=sha1.digests["sha1"],
        chunks_sha256=chunks.list_digest("sha256").hex,
        chunks_sha1=chunks.list_digest("sha1").hex,
        seconds=time.monotonic() - started,
    )
