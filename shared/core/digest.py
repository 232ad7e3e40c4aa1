"""Digests and chunks: how bytes are known.

A package is cut in chunks of 1 MiB, numbered from 0. SHA-1 and SHA-256 are kept of the whole and of every chunk, as the
seed asks; **SHA-256 decides** (SHA-1 collisions are practical: Stevens et al., "The first collision for full SHA-1", 2017),
and a chunk is accepted only if both match.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from shared.core.errors import InvalidInput, ManifestInvalid

CHUNK_SIZE = 1024 * 1024
"""Bytes of every chunk but the last, which may be shorter."""

_HEX_LENGTHS = {"sha1": 40, "sha256": 64, "sha512": 128}
_SHA1_SIZE, _SHA256_SIZE = 20, 32
RECORD_SIZE = _SHA1_SIZE + _SHA256_SIZE
"""Bytes of one entry of a chunk-digest list: raw SHA-1, then raw SHA-256."""


@dataclass(frozen=True, slots=True)
class Digest:
    """A digest as `algorithm:hex`, always valid and in lower case."""

    algorithm: str
    hex: str

    @classmethod
    def parse(cls, text: str) -> Digest:
        """Read `algorithm:hex`.

        Raises:
            InvalidInput: DIGEST_MALFORMED, if it is not of that form or the algorithm is unknown.
        """
        algorithm, _, value = text.partition(":")
        value = value.lower()
        if len(value) != _HEX_LENGTHS.get(algorithm) or not re.fullmatch(r"[0-9a-f]+", value):
            known = ", ".join(_HEX_LENGTHS)
            raise InvalidInput(f"{text[:150]!r} is no digest: write algorithm:hex with one of {known}", "DIGEST_MALFORMED")
        return cls(algorithm, value)

    def __str__(self) -> str:
        """`algorithm:hex`."""
        return f"{self.algorithm}:{self.hex}"


def chunk_count(size: int) -> int:
    """Chunks of a package of `size` bytes; an empty package has none."""
    return -(-size // CHUNK_SIZE)


def chunk_length(index: int, size: int) -> int:
    """Bytes of chunk `index` in a package of `size` bytes."""
    return min(CHUNK_SIZE, size - index * CHUNK_SIZE)


@dataclass(frozen=True, slots=True)
class ChunkDigests:
    """The ordered digests of all chunks of one package, in the form that is stored and sent: 52 bytes a chunk."""

    packed: bytes

    def __post_init__(self) -> None:
        """Refuse a list that is cut.

        Raises:
            ManifestInvalid: if its length is no multiple of 52 bytes.
        """
        if len(self.packed) % RECORD_SIZE:
            raise ManifestInvalid(f"a chunk-digest list of {len(self.packed)} bytes is cut: not a multiple of {RECORD_SIZE}")

    def __len__(self) -> int:
        """Number of chunks."""
        return len(self.packed) // RECORD_SIZE

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        """Pairs of raw SHA-1 and raw SHA-256."""
        return (self.pair(index) for index in range(len(self)))

    def pair(self, index: int) -> tuple[bytes, bytes]:
        """Raw SHA-1 and SHA-256 of chunk `index`."""
        start = index * RECORD_SIZE
        return self.packed[start : start + _SHA1_SIZE], self.packed[start + _SHA1_SIZE : start + RECORD_SIZE]

    def matches(self, index: int, sha1: bytes, sha256: bytes) -> bool:
        """True only if both digests of chunk `index` are these."""
        return self.pair(index) == (sha1, sha256)

    def list_digest(self, algorithm: str) -> Digest:
        """SHA-256 over the concatenated raw digests of one algorithm, `"sha1"` or `"sha256"`.

        This is what a manifest signs, so that the list itself can travel unsigned.
        """
        column = 0 if algorithm == "sha1" else 1
        return Digest("sha256", hashlib.sha256(b"".join(pair[column] for pair in self)).hexdigest())
