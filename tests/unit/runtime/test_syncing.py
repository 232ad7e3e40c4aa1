"""Claims about files that are synced while they are written: who is told of bytes is told of those on the disk."""

from __future__ import annotations

import threading
from io import BytesIO
from typing import Any

import pytest

from shared.core.errors import Conflict
from shared.runtime.bytestore import syncing
from shared.runtime.bytestore.syncing import SyncedWriter


class Disk:
    """A store of which the test says when a sync is done, and that knows what was written when it began."""

    def __init__(self) -> None:
        self.file, self.synced, self.may_sync = BytesIO(), 0, threading.Event()
        self.began = threading.Event()

    def write(self, file: BytesIO, block: memoryview) -> int:
        """Less than there is, as files may."""
        return file.write(block[:3])

    def sync(self, file: BytesIO) -> None:
        """All that was written before."""
        upto = file.tell()
        self.began.set()
        assert self.may_sync.wait(30)
        self.synced = upto


@pytest.fixture(autouse=True)
def _every_five_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A background sync as soon as five bytes came."""
    monkeypatch.setattr(syncing, "_SYNC_EVERY", 5)


def test_nobody_is_told_of_a_byte_that_is_not_on_the_disk() -> None:
    """What comes while a sync is under way is not part of it."""
    disk, told = Disk(), list[tuple[int, int]]()
    writer: Any = SyncedWriter(disk.file, disk, lambda count: told.append((count, disk.synced)))  # type: ignore[arg-type]
    with writer:
        writer.write(b"12345")
        assert disk.began.wait(30)
        writer.write(b"6789")
        disk.may_sync.set()
        writer.finish()

    assert disk.file.getvalue() == b"123456789"
    assert told
    assert all(count <= synced for count, synced in told)


def test_it_goes_no_further_once_nobody_wants_to_hear_of_it() -> None:
    """What is told raises: the next write, or the end, does so too."""
    disk, heard = Disk(), threading.Event()
    disk.may_sync.set()

    def refuse(_count: int) -> None:
        heard.set()
        raise Conflict("another one writes now")

    with SyncedWriter(disk.file, disk, refuse) as writer:  # type: ignore[arg-type]
        writer.write(b"12345")
        assert heard.wait(30)
        with pytest.raises(Conflict):
            writer.finish()
        with pytest.raises(Conflict):
            writer.write(b"6")
