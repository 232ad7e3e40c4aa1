"""The suite of the byte store: what is verified is never lost, and nothing else is ever seen."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from shared.core.digest import Digest
from shared.core.errors import InsufficientSpace, Locked, NotFound
from shared.core.layout import Layout
from shared.core.names import PackageName
from shared.runtime.bytestore.filesystem import FilesystemByteStore
from shared.testing.builders import chunk_digests, some_bytes

NAME = PackageName.parse("App.pkg")


@pytest.fixture
def store(tmp_path: Path) -> FilesystemByteStore:
    """An empty store."""
    return FilesystemByteStore(Layout(tmp_path))


def arrive(store: FilesystemByteStore, content: bytes, *, chunk_list: bool = True) -> tuple[str, Digest]:
    """Bytes in the incoming area: their id and digest."""
    incoming_id = str(uuid.uuid4())
    store.reserve(incoming_id, len(content))
    with store.open_incoming(incoming_id) as file:
        store.write(file, memoryview(content))
        store.sync(file)
    if chunk_list:
        store.write_chunk_list(incoming_id, chunk_digests(content))
    return incoming_id, Digest("sha256", hashlib.sha256(content).hexdigest())


def read(store: FilesystemByteStore, digest: Digest) -> bytes:
    """A blob's bytes."""
    with store.open_blob(digest) as file:
        return file.read()


def test_a_reserved_place_has_its_size_and_its_space(store: FilesystemByteStore) -> None:
    """A full disk is found now, not at 90 %."""
    incoming_id = str(uuid.uuid4())
    store.reserve(incoming_id, 100_000)

    assert store.incoming_size(incoming_id) == 100_000
    assert store.layout.part(incoming_id).stat().st_blocks * 512 >= 100_000


def test_reserving_again_keeps_what_is_there(store: FilesystemByteStore) -> None:
    """A second try goes on where the first one stopped."""
    incoming_id, _ = arrive(store, b"12345")

    store.reserve(incoming_id, 5)

    with store.open_incoming(incoming_id) as file:
        assert file.read() == b"12345"


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    """The floor counts as full, and nothing is left behind that looks like a file of that size."""
    store = FilesystemByteStore(Layout(tmp_path), free_floor_bytes=1 << 60)
    incoming_id = str(uuid.uuid4())

    with pytest.raises(InsufficientSpace):
        store.reserve(incoming_id, 1)

    assert store.free_bytes() == 0
    assert not store.incoming_size(incoming_id)


def test_what_is_not_there_is_not_found(store: FilesystemByteStore) -> None:
    """Questions say None, openings raise."""
    incoming_id, digest = str(uuid.uuid4()), Digest("sha256", "0" * 64)

    assert store.incoming_size(incoming_id) is None
    assert store.incoming_age_seconds(incoming_id) is None
    assert store.read_chunk_list(incoming_id) is None
    assert store.read_blob_chunks(digest) is None
    assert not store.has_blob(digest)
    for opening in (
        lambda: store.open_incoming(incoming_id),
        lambda: store.open_blob(digest),
        lambda: store.make_blob(incoming_id, digest),
    ):
        with pytest.raises(NotFound):
            opening()


def test_promoted_bytes_are_a_blob_with_its_chunk_list(store: FilesystemByteStore) -> None:
    """Nothing of it stays in the incoming area, and nobody writes to it any more."""
    incoming_id, digest = arrive(store, b"12345")

    store.make_blob(incoming_id, digest)

    assert read(store, digest) == b"12345"
    assert store.read_blob_chunks(digest) == chunk_digests(b"12345")
    assert list(store.layout.incoming.iterdir()) == []
    assert store.layout.blob(digest).stat().st_mode & 0o222 == 0


def test_promoting_twice_is_promoting_once(store: FilesystemByteStore) -> None:
    """After a crash the sweep does it again."""
    incoming_id, digest = arrive(store, b"12345")
    store.make_blob(incoming_id, digest)

    store.make_blob(incoming_id, digest)

    assert read(store, digest) == b"12345"


def test_the_same_bytes_from_two_sides_are_one_blob(store: FilesystemByteStore) -> None:
    """The second copy is dropped, the first one stays the file that it was."""
    first, digest = arrive(store, b"12345")
    second, _ = arrive(store, b"12345")
    store.make_blob(first, digest)
    inode = store.layout.blob(digest).stat().st_ino

    store.make_blob(second, digest)

    assert store.layout.blob(digest).stat().st_ino == inode
    assert store.incoming_size(second) is None


def test_publishing_shows_the_blob_without_copying(store: FilesystemByteStore) -> None:
    """Twice is once."""
    incoming_id, digest = arrive(store, b"12345")
    store.make_blob(incoming_id, digest)

    store.publish(digest, NAME)
    store.publish(digest, NAME)

    assert store.layout.public_file(NAME).samefile(store.layout.blob(digest))
    assert list(store.layout.incoming.iterdir()) == []


def test_publishing_replaces_atomically(store: FilesystemByteStore) -> None:
    """Who has the old file open keeps reading it; who opens now gets the new one; the old blob stays."""
    digests = []
    for content in (b"old", b"new"):
        incoming_id, digest = arrive(store, content)
        store.make_blob(incoming_id, digest)
        digests.append(digest)
    store.publish(digests[0], NAME)

    with store.layout.public_file(NAME).open("rb") as reader:
        store.publish(digests[1], NAME)

        assert reader.read() == b"old"
    assert store.layout.public_file(NAME).read_bytes() == b"new"
    assert read(store, digests[0]) == b"old"


def test_a_published_name_is_never_without_its_file(store: FilesystemByteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the very moment of the replacement the old file is still there."""
    for content in (b"old", b"new"):
        incoming_id, digest = arrive(store, content)
        store.make_blob(incoming_id, digest)
        if content == b"old":
            store.publish(digest, NAME)
    target, seen, replace = store.layout.public_file(NAME), list[bytes](), Path.replace

    def look_then_replace(source: Path, to: Path) -> Path:
        seen.append(target.read_bytes())
        return replace(source, to)

    monkeypatch.setattr(Path, "replace", look_then_replace)
    store.publish(digest, NAME)

    assert seen == [b"old"]
    assert target.read_bytes() == b"new"


def test_what_is_not_here_cannot_be_published(store: FilesystemByteStore) -> None:
    """And what was published stays."""
    incoming_id, digest = arrive(store, b"12345")
    store.make_blob(incoming_id, digest)
    store.publish(digest, NAME)

    with pytest.raises(NotFound):
        store.publish(Digest("sha256", "0" * 64), NAME)

    assert store.layout.public_file(NAME).read_bytes() == b"12345"


def test_quarantine_never_deletes(store: FilesystemByteStore) -> None:
    """The bytes are kept as they came, with a note of why."""
    incoming_id, _ = arrive(store, b"bad bytes")

    store.quarantine(incoming_id, {"reason": "because"})

    kept = store.layout.quarantined(incoming_id)
    assert kept.read_bytes() == b"bad bytes"
    assert json.loads(kept.with_name(f"{incoming_id}.note.json").read_text()) == {"reason": "because"}
    assert list(store.layout.incoming.iterdir()) == []


def test_quarantining_twice_keeps_the_bytes(store: FilesystemByteStore) -> None:
    """A message that comes twice, or a crash in between."""
    incoming_id, _ = arrive(store, b"bad bytes")
    store.quarantine(incoming_id, {"reason": "first"})

    store.quarantine(incoming_id, {"reason": "again"})

    assert store.layout.quarantined(incoming_id).read_bytes() == b"bad bytes"


def test_dropping_leaves_nothing_and_may_be_repeated(store: FilesystemByteStore) -> None:
    """Of the bytes and of their chunk list."""
    incoming_id, _ = arrive(store, b"12345")

    store.drop_incoming(incoming_id)
    store.drop_incoming(incoming_id)

    assert list(store.layout.incoming.iterdir()) == []


def test_the_age_of_incoming_bytes_is_that_of_the_last_write(store: FilesystemByteStore) -> None:
    """By which an upload that nobody continues is known."""
    incoming_id, _ = arrive(store, b"12345")
    os.utime(store.layout.part(incoming_id), (0, 0))

    age = store.incoming_age_seconds(incoming_id)

    assert age is not None
    assert age > 3600


def test_a_file_has_one_writer_at_a_time(store: FilesystemByteStore) -> None:
    """Who comes second is refused, until the first one has let go; others are not kept waiting."""
    (incoming_id, _), (other, _) = arrive(store, b"12345"), arrive(store, b"67890")
    for one in (incoming_id, other):
        store.make_lockable(one)

    with store.locked(incoming_id, 0):
        with pytest.raises(Locked), store.locked(incoming_id, 0):
            pass
        with store.locked(other, 0):
            pass
    with store.locked(incoming_id, 0):
        pass


def test_a_writer_that_dies_keeps_nothing(store: FilesystemByteStore) -> None:
    """The lock ends with its process, however that ends."""
    incoming_id, _ = arrive(store, b"12345")
    store.make_lockable(incoming_id)
    program = "import fcntl, sys; file = open(sys.argv[1]); fcntl.flock(file, fcntl.LOCK_EX); print('held', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", program, str(store.layout.part_lock(incoming_id))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"held\n"
        with pytest.raises(Locked), store.locked(incoming_id, 0):
            pass
        writer.kill()

    with store.locked(incoming_id, 30):
        pass


@pytest.mark.parametrize("end", ["make_blob", "drop_incoming", "quarantine"])
def test_what_is_no_longer_received_cannot_be_locked(store: FilesystemByteStore, end: str) -> None:
    """Nothing of the lock stays; nor is a lock made for an id that somebody made up."""
    incoming_id, digest = arrive(store, b"12345")
    store.make_lockable(incoming_id)
    ends = {
        "make_blob": lambda: store.make_blob(incoming_id, digest),
        "drop_incoming": lambda: store.drop_incoming(incoming_id),
        "quarantine": lambda: store.quarantine(incoming_id, {}),
    }
    ends[end]()

    for one in (incoming_id, str(uuid.uuid4()), "../../etc/passwd", "\0"):
        with pytest.raises(NotFound), store.locked(one, 0):
            pass
    assert list(store.layout.incoming.iterdir()) == []


@pytest.mark.parametrize("hostile", ["../../etc/passwd", "", ".", "a/b", "0" * 36, "3f0e8a2c-5b1d-4c7e-9a60-1f2e3d4c5b6a/..", "\0"])
def test_an_id_that_is_none_never_becomes_a_path(store: FilesystemByteStore, hostile: str) -> None:
    """Whichever operation it is given to."""
    operations = (
        lambda: store.reserve(hostile, 1),
        lambda: store.open_incoming(hostile),
        lambda: store.drop_incoming(hostile),
        lambda: store.write_chunk_list(hostile, chunk_digests(b"")),
        lambda: store.quarantine(hostile, {}),
        lambda: store.make_blob(hostile, Digest("sha256", "0" * 64)),
    )
    for operation in operations:
        with pytest.raises(ValueError, match="not an id"):
            operation()


def test_writing_goes_anywhere_in_the_file(store: FilesystemByteStore) -> None:
    """Chunk i is written at i MiB, so recombining is free."""
    incoming_id = str(uuid.uuid4())
    store.reserve(incoming_id, 10)
    with store.open_incoming(incoming_id) as file:
        file.seek(5)
        store.write(file, memoryview(b"world"))
        file.seek(0)
        store.write(file, memoryview(b"hello"))
        store.sync(file)

        file.seek(0)
        assert file.read() == b"helloworld"


def test_a_chunk_list_is_replaced_whole(store: FilesystemByteStore) -> None:
    """The last one written is read; no temporary file stays."""
    content = some_bytes(3 << 20)
    incoming_id, _ = arrive(store, content)
    store.write_chunk_list(incoming_id, chunk_digests(b"other"))

    assert store.read_chunk_list(incoming_id) == chunk_digests(b"other")
    assert len(list(store.layout.incoming.iterdir())) == 2
