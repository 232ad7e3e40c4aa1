"""What the storage handlers need from outside."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from services.storage.domain.package import Package
from services.storage.domain.upload import Upload
from shared.contracts.events import Event, FileDigests
from shared.core.manifest import Manifest


@dataclass(frozen=True, slots=True)
class FeedPage:
    """A page of the change feed: items are (seq, package_id, revision, manifest digest)."""

    epoch: str
    items: tuple[tuple[int, str, int, str], ...]
    next: int
    more: bool


class Changes(Protocol):
    """One transaction on the catalogue. What it dispatches is committed with what it saves."""

    def upload(self, upload_id: str) -> Upload | None:
        """An upload."""

    def save_upload(self, upload: Upload) -> None:
        """Insert or replace an upload."""

    def package(self, package_id: str) -> Package | None:
        """A package."""

    def current(self, name: str) -> Package | None:
        """The published package of this name."""

    def save_package(self, package: Package) -> None:
        """Insert or replace a package."""

    def stamp(self, package: Package) -> None:
        """Give its record the next number of the change feed."""

    def count_hashed(self, digests: FileDigests) -> None:
        """Add a digest pass to the totals."""

    def dispatch(self, event: Event) -> None:
        """Say so when the transaction is committed."""


class Catalogue(Protocol):
    """All that storage knows."""

    def changing(self) -> AbstractContextManager[Changes]:
        """A transaction; it commits at the end and rolls back on an error."""

    def upload(self, upload_id: str) -> Upload | None:
        """An upload."""

    def package(self, package_id: str) -> Package | None:
        """A package by id."""

    def by_name(self, name: str) -> Package | None:
        """The package of this name: the published one if there is one, else the newest."""

    def with_sha256(self, sha256: str) -> Package | None:
        """Any package whose verified bytes are here and have this digest."""

    def page(self, after: str | None, limit: int) -> tuple[Sequence[Package], str | None]:
        """Packages by name, and the cursor of the next page."""

    def changes(self, epoch: str | None, since: int, limit: int) -> FeedPage:
        """The change feed after `since`, or from the start if `epoch` is another."""

    def feed_position(self) -> tuple[str, int]:
        """Epoch and highest number of the change feed."""

    def stale_uploads(self, before: dt.datetime, limit: int) -> Sequence[Upload]:
        """Uploads that have not ended and have not changed since."""

    def stale_packages(self, before: dt.datetime, limit: int) -> Sequence[Package]:
        """Wanted packages that have not changed since."""

    def figures(self) -> dict[str, float]:
        """Counts by state, bytes, hashing totals, events that wait for the broker."""


class Signer(Protocol):
    """The instance's key."""

    @property
    def identity(self) -> tuple[str, bytes]:
        """Instance id and raw public key."""

    def sign(self, manifest: Manifest) -> bytes:
        """The envelope of a manifest."""

    def open(self, envelope: bytes) -> Manifest:
        """The manifest in an envelope.

        Raises:
            ManifestInvalid: if its origin did not sign it.
        """


class Clock(Protocol):
    """The time."""

    def __call__(self) -> dt.datetime:
        """Now, in UTC."""
