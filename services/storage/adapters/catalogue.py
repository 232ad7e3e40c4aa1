"""The catalogue in the service's own database."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, case, func, select, tuple_, update

from services.storage.adapters import rows
from services.storage.adapters.schema import feed, feed_state, hash_totals, outbox, packages, uploads
from services.storage.domain.package import Package, PackageState
from services.storage.domain.upload import Upload, UploadState
from services.storage.ports import FeedPage
from shared.contracts.events import Event, FileDigests
from shared.core.errors import InvalidInput
from shared.core.times import to_text
from shared.runtime.database import Database, replace_row
from shared.runtime.outbox import Outbox

_HERE = (PackageState.PUBLISHED.value, PackageState.SUPERSEDED.value)
_OPEN = (UploadState.RECEIVING.value, UploadState.RECEIVED.value, UploadState.HASHED.value)


class SqlChanges:
    """`Changes` in one SQL transaction."""

    def __init__(self, connection: Connection, outbox_of_service: Outbox) -> None:
        """Made by `SqlCatalogue.changing`."""
        self._connection = connection
        self._outbox = outbox_of_service

    def upload(self, upload_id: str) -> Upload | None:
        """An upload."""
        return _upload(self._connection, upload_id)

    def save_upload(self, upload: Upload) -> None:
        """Insert or replace an upload."""
        replace_row(self._connection, uploads, "upload_id", rows.upload_row(upload))

    def package(self, package_id: str) -> Package | None:
        """A package."""
        return _package(self._connection, package_id)

    def current(self, name: str) -> Package | None:
        """The published package of this name."""
        query = select(packages).where(packages.c.name == name, packages.c.state == PackageState.PUBLISHED.value)
        row = self._connection.execute(query).first()
        return rows.package_of(row) if row else None

    def save_package(self, package: Package) -> None:
        """Insert or replace a package."""
        replace_row(self._connection, packages, "package_id", rows.package_row(package))

    def stamp(self, package: Package) -> None:
        """One counter row, taken in this transaction: on any database, what is numbered lower is committed earlier."""
        seq = self._connection.execute(
            update(feed_state).where(feed_state.c.one == 1).values(seq=feed_state.c.seq + 1).returning(feed_state.c.seq)
        ).scalar_one()
        record = {
            "package_id": package.package_id,
            "seq": seq,
            "revision": package.manifest.revision,
            "digest": hashlib.sha256(package.envelope).hexdigest(),
        }
        replace_row(self._connection, feed, "package_id", record)

    def count_hashed(self, digests: FileDigests) -> None:
        """Add a digest pass to the totals."""
        added = {
            "files": hash_totals.c.files + 1,
            "bytes": hash_totals.c.bytes + digests.size,
            "seconds": hash_totals.c.seconds + digests.seconds,
        }
        self._connection.execute(update(hash_totals).values(added))

    def dispatch(self, event: Event) -> None:
        """Write the event to the outbox of this transaction."""
        self._outbox.add(self._connection, event)


class SqlCatalogue:
    """`Catalogue` on SQLAlchemy."""

    def __init__(self, database: Database, outbox_of_service: Outbox) -> None:
        """The tables are made by the migrations."""
        self._database = database
        self._outbox = outbox_of_service

    @contextmanager
    def changing(self) -> Iterator[SqlChanges]:
        """A transaction; afterwards the outbox is rung."""
        with self._database.write() as connection:
            yield SqlChanges(connection, self._outbox)
        self._outbox.ring()

    def upload(self, upload_id: str) -> Upload | None:
        """An upload."""
        with self._database.read() as connection:
            return _upload(connection, upload_id)

    def package(self, package_id: str) -> Package | None:
        """A package by id."""
        with self._database.read() as connection:
            return _package(connection, package_id)

    def by_name(self, name: str) -> Package | None:
        """The published package of this name, else the newest."""
        published_first = case((packages.c.state == PackageState.PUBLISHED.value, 0), else_=1)
        query = select(packages).where(packages.c.name == name).order_by(published_first, packages.c.created.desc()).limit(1)
        return self._one_package(query)

    def with_sha256(self, sha256: str) -> Package | None:
        """Any package whose bytes are here and have this digest."""
        return self._one_package(select(packages).where(packages.c.sha256 == sha256, packages.c.state.in_(_HERE)).limit(1))

    def _one_package(self, query: Any) -> Package | None:
        with self._database.read() as connection:
            row = connection.execute(query).first()
        return rows.package_of(row) if row else None

    def page(self, after: str | None, limit: int) -> tuple[Sequence[Package], str | None]:
        """Packages by name and id; the cursor is the last one's."""
        query = select(packages).order_by(packages.c.name, packages.c.package_id).limit(limit + 1)
        if after:
            query = query.where(tuple_(packages.c.name, packages.c.package_id) > _read_cursor(after))
        with self._database.read() as connection:
            found = connection.execute(query).all()
        items = [rows.package_of(row) for row in found[:limit]]
        return items, _cursor(items[-1]) if len(found) > limit else None

    def changes(self, epoch: str | None, since: int, limit: int) -> FeedPage:
        """A page of the change feed."""
        with self._database.read() as connection:
            state = connection.execute(select(feed_state)).one()
            start = since if epoch == state.epoch else 0
            query = select(feed).where(feed.c.seq > start).order_by(feed.c.seq).limit(limit + 1)
            found = connection.execute(query).all()
        items = tuple((row.seq, row.package_id, row.revision, row.digest) for row in found[:limit])
        return FeedPage(state.epoch, items, items[-1][0] if items else start, len(found) > limit)

    def feed_position(self) -> tuple[str, int]:
        """Epoch and highest number of the change feed."""
        with self._database.read() as connection:
            state = connection.execute(select(feed_state)).one()
        return state.epoch, state.seq

    def stale_uploads(self, before: dt.datetime, limit: int) -> Sequence[Upload]:
        """Open uploads that have not changed since, oldest first."""
        query = select(uploads).where(uploads.c.state.in_(_OPEN), uploads.c.changed < to_text(before))
        with self._database.read() as connection:
            return [rows.upload_of(row) for row in connection.execute(query.order_by(uploads.c.changed).limit(limit))]

    def stale_packages(self, before: dt.datetime, limit: int) -> Sequence[Package]:
        """Wanted packages that have not changed since, oldest first."""
        query = select(packages).where(packages.c.state == PackageState.WANTED.value, packages.c.changed < to_text(before))
        with self._database.read() as connection:
            return [rows.package_of(row) for row in connection.execute(query.order_by(packages.c.changed).limit(limit))]

    def figures(self) -> dict[str, float]:
        """Counts by state and bytes here."""
        with self._database.read() as connection:
            by_state: dict[str, int] = dict(connection.execute(select(packages.c.state, func.count()).group_by(packages.c.state)).all())
            open_uploads = connection.execute(select(func.count()).select_from(uploads).where(uploads.c.state.in_(_OPEN))).scalar_one()
            held = connection.execute(select(func.coalesce(func.sum(packages.c.size), 0)).where(packages.c.state.in_(_HERE))).scalar_one()
            seq = connection.execute(select(feed_state.c.seq)).scalar_one()
            hashed = connection.execute(select(hash_totals)).one()
            waiting = connection.execute(select(func.count()).select_from(outbox)).scalar_one()
        states = {f"packages_{state.value}": by_state.get(state.value, 0) for state in PackageState}
        states |= {"hashed_files": hashed.files, "hashed_bytes": hashed.bytes, "hashed_seconds": hashed.seconds}
        return states | {"uploads_open": open_uploads, "package_bytes": int(held), "feed_seq": seq, "outbox_waiting": waiting}


def _upload(connection: Connection, upload_id: str) -> Upload | None:
    row = connection.execute(select(uploads).where(uploads.c.upload_id == upload_id)).first()
    return rows.upload_of(row) if row else None


def _package(connection: Connection, package_id: str) -> Package | None:
    row = connection.execute(select(packages).where(packages.c.package_id == package_id)).first()
    return rows.package_of(row) if row else None


def _cursor(package: Package) -> str:
    return base64.urlsafe_b64encode(f"{package.name}\0{package.package_id}".encode()).decode()


def _read_cursor(text: str) -> tuple[str, str]:
    try:
        name, package_id = base64.urlsafe_b64decode(text).decode().split("\0")
    except (ValueError, binascii.Error) as error:
        raise InvalidInput("the cursor in `after` is not one that this API gave", "CURSOR_INVALID") from error
    return name, package_id
