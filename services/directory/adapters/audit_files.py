"""What the directory keeps of the audit log in files: sealed entries, and where the log ends.

::

    audit/000000000001-000000010000.jsonl.gz   one line for each entry, as in an export
    audit/.lock                                whose turn it is to seal
    audit/head.json                            {"number", "hash"} of the last entry
"""

from __future__ import annotations

import fcntl
import gzip
import json
import os
import re
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from services.directory.ports import SealUnreadable
from shared.core.audit_chain import Link, Position
from shared.core.errors import InvalidInput
from shared.core.layout import Layout
from shared.runtime.logging import get_logger
from shared.runtime.offload import offload
from shared.runtime.secret_files import sync_folder

log = get_logger(__name__)
_NAME = re.compile(r"([0-9]{12,18})-([0-9]{12,18})\.jsonl\.gz", re.ASCII)
_MOST_BYTES = 1 << 30
"""Of a sealed file when it is unpacked: far more than ten thousand entries have."""


class SealedFiles:
    """`Seals` in the folder `audit/`. A file is there as a whole or not at all, and is never changed."""

    def __init__(self, layout: Layout) -> None:
        """The folder is made when something is sealed."""
        self._folder = layout.audit

    def write(self, links: Sequence[Link]) -> None:
        """Write a file with these entries; the same entries make the same file."""
        path = self._folder / f"{links[0].number:012}-{links[-1].number:012}.jsonl.gz"
        packed = offload(gzip.compress, "".join(f"{link.line}\n" for link in links).encode(), mtime=0)
        _write(path, packed)

    def after(self, number: int) -> Sequence[Link] | None:
        """The entries above this number in the first file that has such."""
        found = self._first_after(number)
        if found is None:
            return None
        path, first, last = found
        try:
            links = offload(_read, path)
        except (OSError, EOFError, ValueError, InvalidInput) as error:
            raise SealUnreadable(f"the sealed file {path.name} cannot be read: {error}"[:300], first, last) from error
        return [link for link in links if link.number > number]

    def go_on(self, number: int) -> bool:
        """True if there is a file that should have entries above this number."""
        return self._first_after(number) is not None

    @contextmanager
    def turn(self) -> Iterator[bool]:
        """True for who may seal now."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self._folder / ".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield True

    def _first_after(self, number: int) -> tuple[Path, int, int] | None:
        for path in sorted(self._folder.glob("*.jsonl.gz")):
            name = _NAME.fullmatch(path.name)
            if name and int(name.group(2)) > number:
                return path, int(name.group(1)), int(name.group(2))
        return None


def _read(path: Path) -> list[Link]:
    with gzip.open(path, "rb") as file:
        content = file.read(_MOST_BYTES)
    return [Link.of_line(line) for line in content.decode("ascii").splitlines()]


class HeadFile:
    """`Head` in `audit/head.json`, synced; several processes may write."""

    def __init__(self, layout: Layout) -> None:
        """The file is made with the first entry."""
        self._path = layout.audit_head

    def read(self) -> Position | None:
        """What is remembered. A file that cannot be read remembers nothing, and is replaced."""
        try:
            document = json.loads(self._path.read_text(encoding="utf-8"))
            return Position(int(document["number"]), str(document["hash"]))
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError, OSError) as error:
            log.warning("audit_head_unreadable", error=str(error))
            return None

    def advance(self, link: Link, is_known: Callable[[Position], bool]) -> None:
        """Remember that the log ends with this entry. A disk that does not take it costs this check, not the entry."""
        remembered = self.read()
        if remembered is not None and remembered.number < link.number and not _follows(link, remembered) and not is_known(remembered):
            log.error("audit_log_contradicts_what_is_remembered", number=remembered.number, hash=remembered.hash)
            return
        try:
            self._replace(remembered, link)
        except OSError as error:
            log.warning("audit_head_not_written", number=link.number, error=str(error))

    def put_aside(self, position: Position) -> None:
        """Rename the file, so that it stays as evidence, if it still says this."""
        with self._locked():
            if self.read() == position:
                self._path.rename(self._path.with_name(f"head-{position.number}-{uuid.uuid4().hex[:8]}.json"))
                sync_folder(self._path.parent)

    def _replace(self, seen: Position | None, link: Link) -> None:
        """Nothing in here may let other green threads go on: one of them could wait for this lock, and with it the process."""
        with self._locked():
            remembered = self.read()
            if remembered is None or (remembered.number < link.number and (remembered == seen or _follows(link, remembered))):
                _write(self._path, json.dumps({"number": link.number, "hash": link.hash}).encode())

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _follows(link: Link, position: Position) -> bool:
    return position == Position(link.number - 1, link.previous)


def _write(path: Path, content: bytes) -> None:
    """A file with this content, synced with its folder; as a whole or not at all."""
    temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex}.tmp")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_folder(path.parent)
