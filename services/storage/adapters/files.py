"""What storage keeps in files beside its database, so that the loss of the one is noticed, and mended, by the other."""

from __future__ import annotations

import fcntl
import json
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

from shared.core.layout import Layout


class FeedToldFile:
    """`ToldFile` in `feed-told.json`. Written only when there is more to remember, synced before anybody is told."""

    def __init__(self, layout: Layout) -> None:
        """The file is made when somebody is told something."""
        self._path = layout.feed_told
        self._last: tuple[str, int] | None = None

    def read(self) -> tuple[str, int] | None:
        """Epoch and highest number that anybody was told. What cannot be read is no epoch of ours, so that everybody reads anew."""
        try:
            document = json.loads(self._path.read_text())
            return str(document["epoch"]), int(document["seq"])
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError):
            return "unreadable", 0

    def tell(self, epoch: str, seq: int) -> None:
        """Remember it; several processes may do so at once."""
        if self._last is not None and self._last[0] == epoch and self._last[1] >= seq:
            return
        with self._path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            told = self.read()
            if told is None or told[0] != epoch or told[1] < seq:
                _write(self._path, json.dumps({"epoch": epoch, "seq": seq}).encode(), sync=True)
        self._last = epoch, seq


class PackageRecordFiles:
    """`RecordFiles` in `records/ab/<package id>.json`. Not synced: what a power cut takes here, the database still has."""

    def __init__(self, layout: Layout) -> None:
        """Folders are made as they are needed."""
        self._folder = layout.records

    def keep(self, package_id: str, document: bytes) -> None:
        """Write or replace the file of a package."""
        path = self._folder / package_id[:2] / f"{uuid.UUID(package_id)}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, document, sync=False)

    def all(self) -> Iterator[bytes]:
        """Every document."""
        for path in sorted(self._folder.glob("*/*.json")):
            yield path.read_bytes()


def _write(path: Path, content: bytes, *, sync: bool) -> None:
    temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex}.tmp")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        if sync:
            os.fsync(file.fileno())
    temporary.replace(path)
