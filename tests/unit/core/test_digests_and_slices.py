"""Claims about digests, chunk lists and slices."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.digest import CHUNK_SIZE, RECORD_SIZE, ChunkDigests, Digest, chunk_count, chunk_length
from shared.core.errors import InvalidInput, ManifestInvalid
from shared.core.slices import plan
from shared.testing.builders import chunk_digests, some_bytes

SIZES = st.integers(0, 1 << 45)
MIB = CHUNK_SIZE


@pytest.mark.parametrize(("algorithm", "length"), [("sha1", 40), ("sha256", 64), ("sha512", 128)])
def test_a_digest_is_read_and_written_the_same(algorithm: str, length: int) -> None:
    """In lower case, whatever came."""
    assert str(Digest.parse(f"{algorithm}:{'AB' * (length // 2)}")) == f"{algorithm}:{'ab' * (length // 2)}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sha256",
        "sha256:",
        "sha256:" + "a" * 63,
        "sha256:" + "g" * 64,
        "sha1:" + "a" * 64,
        "md5:" + "a" * 32,
        ":",
        "a" * 64,
        "sha256: " + "a" * 63,
    ],
)
def test_what_is_no_digest_is_refused(text: str) -> None:
    """With a code."""
    with pytest.raises(InvalidInput) as caught:
        Digest.parse(text)

    assert caught.value.code == "DIGEST_MALFORMED"


@given(SIZES)
def test_chunks_cover_a_package_exactly(size: int) -> None:
    """All full but the last; an empty package has none."""
    count = chunk_count(size)

    assert (count == 0) == (size == 0)
    if count:
        assert (count - 1) * CHUNK_SIZE + chunk_length(count - 1, size) == size
        assert 1 <= chunk_length(count - 1, size) <= CHUNK_SIZE


@given(SIZES.filter(lambda size: size < 1 << 36), st.integers(1, 64))
def test_slices_cover_a_package_exactly(size: int, slice_chunks: int) -> None:
    """In order, without gap or overlap, none empty, none larger than asked for."""
    slices = plan(size, slice_chunks)

    edges = [(part.start, part.stop) for part in slices]
    assert [start for start, _ in edges] == [0, *(stop for _, stop in edges)][: len(edges)]
    assert (edges[-1][1] if edges else 0) == size
    assert [part.index for part in slices] == list(range(len(slices)))
    assert all(1 <= part.count <= slice_chunks for part in slices)
    assert sum(part.count for part in slices) == chunk_count(size)


@pytest.mark.parametrize("size", [0, 1, MIB - 1, MIB, MIB + 1, 3 * MIB])
def test_a_chunk_list_holds_both_digests_of_every_chunk(size: int) -> None:
    """52 bytes a chunk, in order, and it is what hashlib says."""
    content = some_bytes(size)
    chunks = chunk_digests(content)

    assert len(chunks) == chunk_count(size)
    assert len(chunks.packed) == len(chunks) * RECORD_SIZE
    for index, (sha1, sha256) in enumerate(chunks):
        chunk = content[index * CHUNK_SIZE : (index + 1) * CHUNK_SIZE]
        assert (sha1, sha256) == (hashlib.sha1(chunk).digest(), hashlib.sha256(chunk).digest())


def test_a_chunk_matches_only_with_both_digests() -> None:
    """SHA-1 alone is not enough, nor is SHA-256."""
    chunks = chunk_digests(b"one")
    sha1, sha256 = chunks.pair(0)

    assert chunks.matches(0, sha1, sha256)
    assert not chunks.matches(0, bytes(20), sha256)
    assert not chunks.matches(0, sha1, bytes(32))


def test_the_digest_of_a_list_is_over_its_raw_digests_in_order() -> None:
    """So that anybody can compute it with a few lines."""
    content = some_bytes(2 * MIB + 1)
    chunks = chunk_digests(content)
    parts = [content[start : start + MIB] for start in range(0, len(content), MIB)]

    assert chunks.list_digest("sha256").hex == hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()
    assert chunks.list_digest("sha1").hex == hashlib.sha256(b"".join(hashlib.sha1(part).digest() for part in parts)).hexdigest()


@pytest.mark.parametrize("length", [1, 51, 53, 103])
def test_a_cut_list_is_refused(length: int) -> None:
    """A list is whole records."""
    with pytest.raises(ManifestInvalid):
        ChunkDigests(bytes(length))
