"""Small files for their owner's eyes only: there as a whole or not at all, on the disk before anybody counts on them."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def write_once(path: Path, content: bytes) -> None:
    """Make the file, mode 0600; one that is there stays as it is, also if several processes do this at once."""
    with _beside(path, content) as written, contextlib.suppress(FileExistsError):
        os.link(written, path)


def replace_file(path: Path, content: bytes) -> None:
    """Make the file, mode 0600, or put it in the place of the one that is there, for the same readers."""
    with _beside(path, content) as written:
        if path.exists():
            former = path.stat()
            os.chown(written, former.st_uid, former.st_gid)
            written.chmod(former.st_mode & 0o777)
        written.replace(path)


@contextmanager
def _beside(path: Path, content: bytes) -> Iterator[Path]:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor, name = tempfile.mkstemp(dir=path.parent)  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """What was named, renamed or removed in the folder stays so after a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
