"""Sending a large file so that a lost connection, or the end of this command, costs a part at most: tus 1.0.

Which upload a file belongs to is remembered in a small file of the user's cache folder, so that the same command, given again, goes on.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from odst_client import CallFailed, Client, Progress
from odst_client.sending import FilePart
from shared.contracts.admin.packages import Upload

T = TypeVar("T")
PART_BYTES = 64 << 20
"""Bytes in one request."""
WORTHWHILE_BYTES = 16 << 20
"""Smaller files are sent in one request."""
_TRIES = 12
"""Failures in a row, without a byte more, after which it is given up: some two minutes."""
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.5, 15.0
_PASSING = frozenset({409, 423, 429, 500, 502, 503, 504})
_NOT_OURS = frozenset({403, 404, 410})


class Remembered:
    """Which upload a file belongs to. What cannot be written is not remembered, and nothing else is lost by that."""

    def __init__(self, folder: Path, url: str, file: Path, *also: str) -> None:
        """A file that changed, another instance, or another wish is another upload."""
        stat = file.stat()
        key = json.dumps([url, str(file.resolve()), stat.st_size, stat.st_mtime_ns, *also])
        self._path = folder / f"{hashlib.sha256(key.encode()).hexdigest()}.json"

    def read(self) -> str | None:
        """The id of the upload, if there is one."""
        try:
            return str(json.loads(self._path.read_text(encoding="utf-8"))["upload_id"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, upload_id: str) -> None:
        """Remember it."""
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._path.write_text(json.dumps({"upload_id": upload_id}), encoding="utf-8")

    def forget(self) -> None:
        """It is complete, or will never be."""
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)


def sha256_of(file: Path) -> str:
    """The file's SHA-256 in hex."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def cache_folder() -> Path:
    """Where uploads are remembered."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "odst" / "uploads"


@dataclass
class ResumableUpload:
    """One file on its way."""

    client: Client
    file: Path
    name: str
    tags: Sequence[str]
    sha256: str | None
    """In hex, if the instance shall compare, and say whether it has these bytes already."""
    remembered: Remembered
    progress: Progress = lambda _done: None
    pause: Callable[[float], None] = time.sleep
    part_bytes: int = PART_BYTES

    def __post_init__(self) -> None:
        """What the file is now, it must stay."""
        self._stat = self.file.stat()
        self._size = self._stat.st_size

    def send(self) -> Upload:
        """Send what is missing; the upload as it is then.

        Raises:
            CallFailed: if the instance refuses, or cannot be reached for long. What it has then, it keeps for a while.
        """
        upload_id = self._remembered() or self._create()
        self._send_rest(upload_id)
        self.remembered.forget()
        return self.client.uploads.show(upload_id)

    def _remembered(self) -> str | None:
        """The upload of an earlier command, if it can be continued; else another one is begun."""
        upload_id = self.remembered.read()
        try:
            return upload_id if upload_id and self._offset(upload_id) >= 0 else None
        except CallFailed as error:
            if error.status not in _NOT_OURS:
                raise
            self.remembered.forget()
            return None

    def _create(self) -> str:
        upload_id = self._patiently(lambda: self.client.uploads.begin(self.name, self._size, self.tags, self.sha256)).upload_id
        self.remembered.write(upload_id)
        return upload_id

    def _patiently(self, call: Callable[[], T]) -> T:
        for pause in _pauses():
            try:
                return call()
            except CallFailed as error:
                if not _may_pass(error):
                    raise
                self.pause(pause)
        return call()

    def _send_rest(self, upload_id: str) -> None:
        """Ask where it stands, and go on there; after whatever breaks off, again."""
        offset, pauses = self._offset(upload_id), _pauses()
        self.progress(offset)
        while offset < self._size:
            self._check_unchanged()
            before = offset
            try:
                offset = self._send_part(upload_id, offset)
            except CallFailed as error:
                if not _may_pass(error) or not pauses:
                    raise
                self.pause(pauses.pop(0))
                offset = self._offset(upload_id)
            if offset > before:
                pauses = _pauses()
            self.progress(offset)

    def _offset(self, upload_id: str) -> int:
        return self._patiently(lambda: self.client.uploads.offset(upload_id))

    def _send_part(self, upload_id: str, offset: int) -> int:
        with self.file.open("rb") as opened:
            part = FilePart(opened, offset, min(self.part_bytes, self._size - offset), self.progress)
            return self.client.uploads.send_part(upload_id, part)

    def _check_unchanged(self) -> None:
        now = self.file.stat()
        if (now.st_size, now.st_mtime_ns) != (self._stat.st_size, self._stat.st_mtime_ns):
            raise CallFailed("FILE_CHANGED", f"{self.file} changed while it was sent: give the command again")


def _pauses() -> list[float]:
    return [min(_FIRST_PAUSE_SECONDS * 2**number, _LONGEST_PAUSE_SECONDS) for number in range(_TRIES)]


def _may_pass(error: CallFailed) -> bool:
    return error.status in _PASSING or error.code in {"UNREACHABLE", "UPLOAD_INCOMPLETE"}
