"""Storage's catalogue in memory."""

from __future__ import annotations

import copy
import datetime as dt
import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from services.storage.domain.package import Package, PackageState
from services.storage.domain.upload import Upload, UploadState
from services.storage.ports import FeedPage
from shared.contracts.events import Event, FileDigests
from shared.core.errors import InvalidInput

_OPEN = (UploadState.RECEIVING, UploadState.RECEIVED, UploadState.HASHED)


@dataclass
class FakeChanges:
    """`Changes` on a copy, which becomes the truth when the transaction ends well."""

    epoch: str = "first-epoch"
    seq: int = 0
    uploads: dict[str, Upload] = field(default_factory=dict)
    packages: dict[str, Package] = field(default_factory=dict)
    feed: dict[str, tuple[int, str, int, str]] = field(default_factory=dict)
    hashed: list[FileDigests] = field(default_factory=list)
    dispatched: list[Event] = field(default_factory=list)

    def upload(self, upload_id: str) -> Upload | None:
        """An upload."""
        return self.uploads.get(upload_id)

    def save_upload(self, upload: Upload) -> None:
        """Insert or replace an upload."""
        self.uploads[upload.upload_id] = upload

    def package(self, package_id: str) -> Package | None:
        """A package."""
        return self.packages.get(package_id)

    def current(self, name: str) -> Package | None:
        """The published package of this name."""
        return next((one for one in self.packages.values() if one.name == name and one.state is PackageState.PUBLISHED), None)

    def save_package(self, package: Package) -> None:
        """Insert or replace a package."""
        self.packages[package.package_id] = package

    def stamp(self, package: Package) -> None:
        """The next number of the change feed."""
        self.seq += 1
        digest = hashlib.sha256(package.envelope).hexdigest()
        self.feed[package.package_id] = (self.seq, package.package_id, package.manifest.revision, digest)

    def count_hashed(self, digests: FileDigests) -> None:
        """Add a digest pass to the totals."""
        self.hashed.append(digests)

    def dispatch(self, event: Event) -> None:
        """Remember what was said."""
        self.dispatched.append(event)


class FakeCatalogue:
    """`Catalogue` in memory."""

    def __init__(self) -> None:
        """Empty."""
        self._truth = FakeChanges()

    @property
    def dispatched(self) -> list[Event]:
        """What was said by transactions that ended well, in order."""
        return self._truth.dispatched

    @contextmanager
    def changing(self) -> Iterator[FakeChanges]:
        """A transaction; an error leaves everything as it was."""
        copied = copy.copy(self._truth)
        for name in ("uploads", "packages", "feed", "hashed", "dispatched"):
            setattr(copied, name, copy.copy(getattr(self._truth, name)))
        yield copied
        self._truth = copied

    def upload(self, upload_id: str) -> Upload | None:
        """An upload."""
        return self._truth.upload(upload_id)

    def package(self, package_id: str) -> Package | None:
        """A package by id."""
        return self._truth.package(package_id)

    def by_name(self, name: str) -> Package | None:
        """The published package of this name, else the newest."""
        named = [one for one in self._truth.packages.values() if one.name == name]
        return max(named, key=lambda one: (one.state is PackageState.PUBLISHED, one.manifest.created), default=None)

    def with_sha256(self, sha256: str) -> Package | None:
        """Any package whose bytes are here and have this digest."""
        return next((one for one in self._truth.packages.values() if one.is_here and one.sha256.hex == sha256), None)

    def page(self, after: str | None, limit: int) -> tuple[Sequence[Package], str | None]:
        """Packages by name and id; the cursor is the last one's."""
        if after and "\0" not in after:
            raise InvalidInput("the cursor in `after` is not one that this API gave", "CURSOR_INVALID")
        keys = sorted((one.name, one.package_id) for one in self._truth.packages.values())
        keys = [key for key in keys if not after or key > tuple(after.split("\0"))]
        items = [self._truth.packages[package_id] for _, package_id in keys[:limit]]
        return items, "\0".join(keys[limit - 1]) if len(keys) > limit else None

    def changes(self, epoch: str | None, since: int, limit: int) -> FeedPage:
        """A page of the change feed."""
        start = since if epoch == self._truth.epoch else 0
        found = sorted(item for item in self._truth.feed.values() if item[0] > start)
        items = tuple(found[:limit])
        return FeedPage(self._truth.epoch, items, items[-1][0] if items else start, len(found) > limit)

    def feed_position(self) -> tuple[str, int]:
        """Epoch and highest number of the change feed."""
        return self._truth.epoch, self._truth.seq

    def stale_uploads(self, before: dt.datetime, limit: int) -> Sequence[Upload]:
        """Open uploads that have not changed since, oldest first."""
        stale = [one for one in self._truth.uploads.values() if one.state in _OPEN and one.changed < before]
        return sorted(stale, key=lambda one: one.changed)[:limit]

    def stale_packages(self, before: dt.datetime, limit: int) -> Sequence[Package]:
        """Wanted packages that have not changed since, oldest first."""
        stale = [one for one in self._truth.packages.values() if one.state is PackageState.WANTED and one.changed < before]
        return sorted(stale, key=lambda one: one.changed)[:limit]

    def figures(self) -> dict[str, float]:
        """Counts by state and bytes here."""
        by_state = Counter(one.state for one in self._truth.packages.values())
        return {f"packages_{state.value}": by_state[state] for state in PackageState} | {
            "hashed_files": len(self._truth.hashed),
            "hashed_bytes": sum(one.size for one in self._truth.hashed),
            "hashed_seconds": sum(one.seconds for one in self._truth.hashed),
            "uploads_open": sum(one.state in _OPEN for one in self._truth.uploads.values()),
            "package_bytes": sum(one.manifest.size for one in self._truth.packages.values() if one.is_here),
            "feed_seq": self._truth.seq,
            "outbox_waiting": len(self._truth.dispatched),
        }
