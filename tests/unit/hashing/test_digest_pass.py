"""Claims about the digest pass and the hashing handlers."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from services.hashing.domain.digest_pass import Progress, digest_file, digest_whole
from services.hashing.handlers import HashingHandlers
from shared.contracts import events
from shared.contracts.events import Event
from shared.core.digest import CHUNK_SIZE, ChunkDigests
from shared.runtime.offload import offload_all
from shared.testing.builders import chunk_digests, file_digests, some_bytes

MIB = CHUNK_SIZE
SIZES = [0, 1, MIB - 1, MIB, MIB + 1, 4 * MIB, 5 * MIB + 17, 9 * MIB - 1]


@dataclass
class FakeFile:
    """Bytes that are read at offsets."""

    content: bytes

    def read_into(self, buffer: memoryview, offset: int) -> int:
        """Fill the buffer."""
        part = self.content[offset : offset + len(buffer)]
        buffer[: len(part)] = part
        return len(part)


@dataclass
class FakeFiles:
    """`Files` in memory."""

    contents: dict[str, bytes] = field(default_factory=dict)
    chunk_lists: dict[str, ChunkDigests] = field(default_factory=dict)
    held: set[str] = field(default_factory=set)

    @contextmanager
    def claimed(self, incoming_id: str) -> Iterator[FakeFile | None]:
        """The file; None if it is gone or held."""
        gone = incoming_id not in self.contents or incoming_id in self.held
        yield None if gone else FakeFile(self.contents[incoming_id])

    def write_chunk_list(self, incoming_id: str, chunks: ChunkDigests) -> None:
        """Keep it."""
        self.chunk_lists[incoming_id] = chunks

    def read_chunk_list(self, incoming_id: str) -> ChunkDigests | None:
        """What was kept."""
        return self.chunk_lists.get(incoming_id)


@dataclass
class FakeDispatcher:
    """Remembers what was said."""

    said: list[Event] = field(default_factory=list)

    def dispatch(self, event: Event) -> None:
        """Say it."""
        self.said.append(event)


@contextmanager
def once_at_the_end(tick: Callable[[], None]) -> Iterator[None]:
    """Progress is told once, when the work is done."""
    yield
    tick()


class Bench:
    """Hashing with its outside faked."""

    def __init__(self, ticking: Callable[[Callable[[], None]], AbstractContextManager[Any]] = once_at_the_end) -> None:
        self.files, self.dispatcher = FakeFiles(), FakeDispatcher()
        self.handlers = HashingHandlers(self.files, self.dispatcher, offload_all, ticking)
        self.incoming_id = str(uuid.uuid4())

    def assembled(self, content: bytes, **fields: Any) -> events.PackageAssembledV1:
        """An event about a file that is said to have this content."""
        digests = file_digests(content)
        ids = {"package_id": str(uuid.uuid4()), "transfer_id": self.incoming_id}
        return events.PackageAssembledV1(**ids | {"size": digests.size, "sha256": digests.sha256, "sha1": digests.sha1} | fields)


@pytest.mark.parametrize("size", SIZES)
def test_the_pass_gives_what_hashlib_gives(size: int) -> None:
    """Whole and chunks, SHA-1 and SHA-256, around every edge of a chunk and of the read buffer."""
    content, progress = os.urandom(size), Progress()

    digests, chunks = digest_file(FakeFile(content), offload_all, progress)

    expected = file_digests(content)
    assert digests.model_dump(exclude={"seconds"}) == expected.model_dump(exclude={"seconds"})
    assert chunks == chunk_digests(content)
    assert progress.bytes_done == size


@pytest.mark.parametrize("size", SIZES)
def test_the_final_check_gives_what_hashlib_gives(size: int) -> None:
    """The whole is read again; the chunk list is only summed up."""
    content = some_bytes(size)

    digests = digest_whole(FakeFile(content), chunk_digests(content), offload_all)

    assert digests.sha256 == hashlib.sha256(content).hexdigest()
    assert digests.model_dump(exclude={"seconds"}) == file_digests(content).model_dump(exclude={"seconds"})


def test_an_upload_is_hashed_and_its_chunk_list_kept() -> None:
    """The list lies beside the bytes before anybody hears of the digests."""
    bench, content = Bench(), some_bytes(MIB + 1)
    bench.files.contents[bench.incoming_id] = content

    bench.handlers.hash_upload(events.PackageReceivedV1(upload_id=bench.incoming_id, name="App.pkg", size=len(content)))

    progressed, hashed = bench.dispatcher.said
    assert progressed == events.PackageHashProgressedV1(upload_id=bench.incoming_id, bytes_done=len(content))
    assert isinstance(hashed, events.PackageHashedV1)
    assert hashed.digests.sha256 == hashlib.sha256(content).hexdigest()
    assert bench.files.chunk_lists[bench.incoming_id] == chunk_digests(content)
    assert bench.handlers.figures()["bytes"] == len(content)


@pytest.mark.parametrize("held", [True, False])
def test_a_file_that_is_gone_or_held_is_nobodys_work(*, held: bool) -> None:
    """The message came twice, or the upload was given up: nothing is said."""
    bench = Bench()
    if held:
        bench.files.contents[bench.incoming_id] = b"bytes"
        bench.files.held.add(bench.incoming_id)

    bench.handlers.hash_upload(events.PackageReceivedV1(upload_id=bench.incoming_id, name="App.pkg", size=5))
    bench.handlers.verify_assembled(bench.assembled(b"bytes"))

    assert bench.dispatcher.said == []


def test_an_assembled_file_that_is_right_is_verified() -> None:
    """Size, SHA-256 and SHA-1."""
    bench = Bench()
    bench.files.contents[bench.incoming_id] = b"bytes"
    event = bench.assembled(b"bytes")

    bench.handlers.verify_assembled(event)

    (verdict,) = bench.dispatcher.said
    assert isinstance(verdict, events.PackageVerifiedV1)
    assert (verdict.package_id, verdict.transfer_id) == (event.package_id, event.transfer_id)


@pytest.mark.parametrize("fields", [{"sha1": "0" * 40}, {"sha256": "0" * 64}, {"size": 6}])
def test_an_assembled_file_with_anything_wrong_is_rejected(fields: dict[str, Any]) -> None:
    """SHA-1 alone being right is not enough (promise B5)."""
    bench = Bench()
    bench.files.contents[bench.incoming_id] = b"bytes"

    bench.handlers.verify_assembled(bench.assembled(b"bytes", **fields))

    (verdict,) = bench.dispatcher.said
    assert isinstance(verdict, events.PackageRejectedV1)
    assert verdict.code == "DIGEST_INVALID"
