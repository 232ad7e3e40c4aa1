"""Slices: runs of chunks that are moved in one request."""

from __future__ import annotations

from dataclasses import dataclass

from shared.core.digest import CHUNK_SIZE, chunk_count

SLICE_CHUNKS = 16
"""Chunks of a slice unless configured otherwise: 16 MiB, well under a minute on all but the thinnest links."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Chunks `first` to `first + count - 1` of a package of `size` bytes."""

    index: int
    first: int
    count: int
    size: int

    @property
    def stop_chunk(self) -> int:
        """Number of the chunk after the last one."""
        return self.first + self.count

    @property
    def start(self) -> int:
        """Offset of the first byte."""
        return self.first * CHUNK_SIZE

    @property
    def stop(self) -> int:
        """Offset after the last byte."""
        return min(self.size, self.stop_chunk * CHUNK_SIZE)


def plan(size: int, slice_chunks: int = SLICE_CHUNKS) -> list[Slice]:
    """Cut a package of `size` bytes in slices, in order. An empty package has none."""
    chunks = chunk_count(size)
    return [Slice(index, first, min(slice_chunks, chunks - first), size) for index, first in enumerate(range(0, chunks, slice_chunks))]
