"""Files on their way: read in blocks, watched, and their digest as it is declared."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

BLOCK = 1024 * 1024
"""Bytes that are read or written at once."""

Progress = Callable[[int], None]
"""Told how many bytes are done, in all."""


class FilePart:
    """A part of a file that says how far it was read; requests streams it because it has `read` and a length."""

    def __init__(self, file: BinaryIO, offset: int, length: int, progress: Progress) -> None:
        """`length` bytes from `offset` on."""
        file.seek(offset)
        self.offset = offset
        self._file, self._length, self._left, self._progress = file, length, length, progress

    def __len__(self) -> int:
        return self._length

    def __bool__(self) -> bool:
        # An empty file is still a body.
        return True

    def read(self, size: int = -1) -> bytes:
        """The next block; all that is left if `size` is negative."""
        # http.client asks for a few KiB at a time; larger blocks cost fewer calls.
        block = self._file.read(min(self._left, BLOCK if size >= 0 else self._left))
        self._left -= len(block)
        self._progress(self._file.tell())
        return block


def whole(file: BinaryIO, progress: Progress) -> FilePart:
    """All of a file."""
    return FilePart(file, 0, file.seek(0, 2), progress)


def content_digest(file: Path) -> str:
    """The file's SHA-256 as a `Content-Digest` field (RFC 9530)."""
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").digest()
    return f"sha-256=:{base64.b64encode(digest).decode()}:"
