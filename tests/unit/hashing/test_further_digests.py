"""Claims about digests that programs outside ask for."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from services.hashing.handlers import FurtherHandlers
from shared.contracts.events import PackageDigestedV1, PackageDigestsWantedV1
from shared.core.errors import DigestMismatch
from shared.runtime.offload import offload_all
from shared.testing.builders import some_bytes
from tests.unit.hashing.test_digest_pass import FakeDispatcher, FakeFile

PACKAGE = "00000000-0000-4000-8000-000000000001"


@dataclass
class FakeBlobs:
    """`Blobs` in memory."""

    contents: dict[str, bytes] = field(default_factory=dict)

    @contextmanager
    def claimed(self, sha256: str) -> Iterator[FakeFile | None]:
        """The bytes; None if they are gone."""
        yield FakeFile(self.contents[sha256]) if sha256 in self.contents else None


def wanted(content: bytes) -> PackageDigestsWantedV1:
    """Somebody asks for the digests of these bytes."""
    return PackageDigestsWantedV1(package_id=PACKAGE, sha256=hashlib.sha256(content).hexdigest(), size=len(content))


@pytest.mark.parametrize("size", [0, 1, 999, 1000, 1001, 3000, 5017])
def test_md5_and_sha512_are_those_of_hashlib_however_the_slices_fall(size: int) -> None:
    """Slices of 1000 bytes: none, one, just one, more; a last one that is whole or not."""
    content, dispatcher = some_bytes(size), FakeDispatcher()
    asked = wanted(content)

    FurtherHandlers(FakeBlobs({asked.sha256: content}), dispatcher, offload_all, slice_size=1000).digest_blob(asked)

    (said,) = dispatcher.said
    assert isinstance(said, PackageDigestedV1)
    assert said.sha512 == hashlib.sha512(content).hexdigest()
    assert said.md5 == hashlib.md5(content, usedforsecurity=False).hexdigest()


def test_nothing_is_said_of_bytes_that_have_rotted() -> None:
    """A wrong digest in a record would keep every Mac from installing; here it is an alarm instead."""
    asked, dispatcher = wanted(b"what it was"), FakeDispatcher()

    with pytest.raises(DigestMismatch, match="check the disk"):
        FurtherHandlers(FakeBlobs({asked.sha256: b"what it is now"}), dispatcher, offload_all).digest_blob(asked)

    assert dispatcher.said == []


def test_bytes_that_are_gone_or_held_by_another_worker_are_left_alone() -> None:
    """A message that comes twice, or late."""
    dispatcher = FakeDispatcher()

    FurtherHandlers(FakeBlobs(), dispatcher, offload_all).digest_blob(wanted(b"gone"))

    assert dispatcher.said == []
