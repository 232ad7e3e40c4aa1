"""The byte store in one folder of one file system: every step is an atomic move, and durable before it is relied upon."""

from __future__ import annotations

import errno
import json
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import BinaryIO

from shared.core.digest import ChunkDigests, Digest
from shared.core.errors import InsufficientSpace, NotFound
from shared.core.layout import Layout
from shared.core.names import PackageName
from shared.runtime.bytestore.locking import locked, make_lockable

_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class FilesystemByteStore:
    """`ByteStore` on a local disk. See `shared.core.layout` for the tree."""

    def __init__(self, layout: Layout, *, free_floor_bytes: int = 0) -> None:
        """Make the folders; `free_floor_bytes` of the disk are never used."""
        self.layout = layout
        self._floor = free_floor_bytes
        for folder in (layout.incoming, layout.blobs, layout.public, layout.quarantine):
            folder.mkdir(parents=True, exist_ok=True)

    def free_bytes(self) -> int:
        """Space that may still be used, keeping the floor."""
        return max(0, shutil.disk_usage(self.layout.root).free - self._floor)

    def reserve(self, incoming_id: str, size: int | None) -> None:
        """Make the place for an incoming file; preallocating finds a full disk now, not at 90 %."""
        path = self.layout.part(incoming_id)
        held = path.stat().st_blocks * 512 if path.exists() else 0
        if (size or 0) - held > self.free_bytes():
            raise InsufficientSpace(
                f"no room for {size or 0} bytes: {self.free_bytes()} bytes are free above the floor; make space on the data disk"
            )
        with _space_errors(), path.open("ab") as file:
            if size:
                os.posix_fallocate(file.fileno(), 0, size)

    def open_incoming(self, incoming_id: str) -> BinaryIO:
        """The incoming file, unbuffered."""
        return _open(self.layout.part(incoming_id), "r+b")

    def make_lockable(self, incoming_id: str) -> None:
        """Let an incoming file have several writers, one at a time; that it is there at all is on the disk afterwards."""
        make_lockable(self.layout.part_lock(incoming_id))
        _sync_folders(self.layout.incoming)

    def locked(self, incoming_id: str, patience_seconds: float) -> AbstractContextManager[None]:
        """Be the only one who writes to an incoming file, among all processes, until the end of the context or of the process.

        Raises:
            NotFound: if there is no such file that can be locked.
            Locked: if somebody else still has it after so long.
        """
        try:
            path = self.layout.part_lock(incoming_id)
        except ValueError as error:
            raise NotFound(f"there is no upload {incoming_id[:40]!r}") from error
        return locked(path, patience_seconds)

    def write(self, file: BinaryIO, block: memoryview) -> int:
        """Write at the file's position."""
        with _space_errors():
            return file.write(block)

    def sync(self, file: BinaryIO) -> None:
        """Flush data, and the size where it matters, to the disk."""
        with _space_errors():
            os.fdatasync(file.fileno())

    def incoming_size(self, incoming_id: str) -> int | None:
        """Bytes of an incoming file."""
        try:
            return self.layout.part(incoming_id).stat().st_size
        except FileNotFoundError:
            return None

    def incoming_age_seconds(self, incoming_id: str) -> float | None:
        """Seconds since it was last written."""
        try:
            return max(0.0, time.time() - self.layout.part(incoming_id).stat().st_mtime)
        except FileNotFoundError:
            return None

    def drop_incoming(self, incoming_id: str) -> None:
        """Remove an incoming file, its chunk list and its lock."""
        self.layout.part(incoming_id).unlink(missing_ok=True)
        self.layout.part_chunks(incoming_id).unlink(missing_ok=True)
        self.layout.part_lock(incoming_id).unlink(missing_ok=True)

    def write_chunk_list(self, incoming_id: str, chunks: ChunkDigests) -> None:
        """Written aside, synced and moved into place."""
        _write_atomically(self.layout.part_chunks(incoming_id), chunks.packed)

    def read_chunk_list(self, incoming_id: str) -> ChunkDigests | None:
        """The chunk digests of an incoming file."""
        return _read_chunks(self.layout.part_chunks(incoming_id))

    def has_blob(self, sha256: Digest) -> bool:
        """True if verified bytes are here."""
        return self.layout.blob(sha256).exists()

    def open_blob(self, sha256: Digest) -> BinaryIO:
        """Verified bytes."""
        return _open(self.layout.blob(sha256), "rb")

    def read_blob_chunks(self, sha256: Digest) -> ChunkDigests | None:
        """The chunk digests of a blob."""
        return _read_chunks(self.layout.blob_chunks(sha256))

    def make_blob(self, incoming_id: str, sha256: Digest) -> None:
        """Chunk list first, then the bytes: a blob is never without its list."""
        part, blob = self.layout.part(incoming_id), self.layout.blob(sha256)
        blob.parent.mkdir(parents=True, exist_ok=True)
        if blob.exists():
            self.drop_incoming(incoming_id)
            return
        with _open(part, "r+b") as file:
            os.fsync(file.fileno())
        if self.layout.part_chunks(incoming_id).exists():
            self.layout.part_chunks(incoming_id).replace(self.layout.blob_chunks(sha256))
        part.chmod(0o444)
        part.replace(blob)
        self.layout.part_lock(incoming_id).unlink(missing_ok=True)
        _sync_folders(blob.parent, blob.parent.parent, self.layout.blobs)

    def publish(self, sha256: Digest, name: PackageName) -> None:
        """A hard link beside the target, then a rename over it: clients see the old file or the new one."""
        target = self.layout.public_file(name)
        blob = self.layout.blob(sha256)
        if target.exists() and blob.exists() and target.samefile(blob):
            return
        temporary = self.layout.incoming / f"{uuid.uuid4()}.link"
        try:
            os.link(blob, temporary)
        except FileNotFoundError as error:
            raise NotFound(f"the bytes {sha256} are not here") from error
        temporary.replace(target)
        _sync_folders(self.layout.public)

    def unpublish(self, name: PackageName) -> None:
        """Remove the link, if there is one; the folder is synced only then, as this is called for names that never had one."""
        try:
            self.layout.public_file(name).unlink()
        except FileNotFoundError:
            return
        _sync_folders(self.layout.public)

    def remove_blob(self, sha256: Digest) -> None:
        """The bytes first: a blob is never without its list."""
        self.layout.blob(sha256).unlink(missing_ok=True)
        self.layout.blob_chunks(sha256).unlink(missing_ok=True)

    def quarantine(self, incoming_id: str, note: dict[str, str]) -> None:
        """Move it aside; the note is written first."""
        target = self.layout.quarantined(incoming_id)
        _write_atomically(target.with_name(f"{incoming_id}.note.json"), json.dumps(note, indent=2).encode())
        part = self.layout.part(incoming_id)
        if part.exists():
            part.replace(target)
            _sync_folders(self.layout.quarantine)
        self.layout.part_chunks(incoming_id).unlink(missing_ok=True)
        self.layout.part_lock(incoming_id).unlink(missing_ok=True)


@contextmanager
def _space_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _NO_SPACE:
            raise InsufficientSpace("the data disk is full; make space, the work resumes by itself") from error
        raise


def _open(path: Path, mode: str) -> BinaryIO:
    try:
        return path.open(mode, buffering=0)  # type: ignore[return-value]
    except FileNotFoundError as error:
        raise NotFound(f"{path.name} is not in the byte store") from error


def _read_chunks(path: Path) -> ChunkDigests | None:
    try:
        return ChunkDigests(path.read_bytes())
    except FileNotFoundError:
        return None


def _write_atomically(path: Path, content: bytes) -> None:
    temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex}.tmp")
    with _space_errors(), temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    _sync_folders(path.parent)


def _sync_folders(*folders: Path) -> None:
    for folder in folders:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
