"""The catalogue in the service's own database."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import case, func, select

from services.storage.adapters import rows
from services.storage.adapters.changes import SqlChanges
from services.storage.adapters.listing import newest_of, page_of
from services.storage.adapters.schema import charters, feed, feed_state, hash_totals, meta, outbox, packages, promotions, rotations, uploads
from services.storage.adapters.trust_at_hand import TrustAtHand
from services.storage.domain.facts import KeptMeta
from services.storage.domain.listing import Listing, Newest
from services.storage.domain.package import Package, PackageState
from services.storage.domain.promotion import Promotion, PromotionState
from services.storage.domain.upload import Upload, UploadState
from services.storage.ports import FeedPage, FeedRow, KeptCharter, KeptRotation, Known
from shared.core.charter import Census
from shared.core.clock import Stamp
from shared.core.identity import InstanceId
from shared.core.meta import digest_of
from shared.core.times import to_text
from shared.runtime.database import Database
from shared.runtime.outbox import Outbox

_OPEN = (UploadState.RECEIVING.value, UploadState.RECEIVED.value, UploadState.HASHED.value)
_OFFERED = (PackageState.PUBLISHED.value, PackageState.SUPERSEDED.value)
_AT_ONCE = 500
_BEYOND = dt.timedelta(hours=2)
"""A ring so long after the time in question was noted with a clock that was ahead: it counts as old."""
"""Values in one IN list: below the limits of every database."""

_AFTER_DIGITS = "g"
"""Sorts after all hexadecimal digits."""
_BRIEF = (packages.c.package_id, packages.c.manifest_digest, packages.c.meta_digest, packages.c.tags, packages.c.gone, packages.c.state)
_REFUSED = PackageState.REFUSED.value


class SqlCatalogue:
    """`Catalogue` on SQLAlchemy."""

    def __init__(self, database: Database, outbox_of_service: Outbox) -> None:
        """The tables are made by the migrations."""
        self._database = database
        self._outbox = outbox_of_service
        self._trust = TrustAtHand()

    @contextmanager
    def changing(self) -> Iterator[SqlChanges]:
        """A transaction, alone among all writers on any database; afterwards the outbox is rung."""
        with self._database.write(alone=True) as connection:
            changes = SqlChanges(connection, self._outbox, self._trust)
            yield changes
            changes.finish()
        self._outbox.ring()

    def _rows(self, query: Any) -> Sequence[Any]:
        with self._database.read() as connection:
            return connection.execute(query).all()

    def _packages(self, query: Any) -> list[Package]:
        return [rows.package_of(row) for row in self._rows(query)]

    def upload(self, upload_id: str) -> Upload | None:
        """An upload."""
        found = self._rows(select(uploads).where(uploads.c.upload_id == upload_id))
        return rows.upload_of(found[0]) if found else None

    def package(self, package_id: str) -> Package | None:
        """A package by id."""
        return next(iter(self._packages(select(packages).where(packages.c.package_id == package_id))), None)

    def packages(self, package_ids: Collection[str]) -> Sequence[Package]:
        """Those of these that are known."""
        return [
            package for part in _parts(package_ids) for package in self._packages(select(packages).where(packages.c.package_id.in_(part)))
        ]

    def by_name(self, name: str) -> Package | None:
        """The published package of this name, else the one of greatest precedence that is not refused."""
        published_first = case((packages.c.state == PackageState.PUBLISHED.value, 0), (packages.c.state == _REFUSED, 2), else_=1)
        order = (published_first, packages.c.precedence.desc(), packages.c.package_id.desc())
        return next(iter(self._packages(select(packages).where(packages.c.name == name).order_by(*order).limit(1))), None)

    def named(self, name: str) -> Sequence[Package]:
        """All packages of a name."""
        return self._packages(select(packages).where(packages.c.name == name))

    def with_sha256(self, sha256: str) -> Package | None:
        """Any package whose bytes are here and have this digest."""
        query = select(packages).where(packages.c.sha256 == sha256, packages.c.bytes_here.is_(True)).limit(1)
        return next(iter(self._packages(query)), None)

    def offered_with_sha256(self, sha256: str) -> Package | None:
        """A package with these bytes that can be had."""
        offered = packages.c.state.in_([PackageState.PUBLISHED.value, PackageState.SUPERSEDED.value])
        query = select(packages).where(packages.c.sha256 == sha256, packages.c.bytes_here.is_(True), offered)
        # "published" sorts before "superseded".
        return next(iter(self._packages(query.order_by(packages.c.state, packages.c.package_id).limit(1))), None)

    def page(self, listing: Listing, after: str | None, limit: int) -> tuple[Sequence[Package], str | None]:
        """A page of a list."""
        with self._database.read() as connection:
            return page_of(connection, listing, after, limit)

    def uploads(self, asked: Newest, after: str | None, limit: int) -> tuple[Sequence[Upload], str | None]:
        """Uploads, newest first."""
        with self._database.read() as connection:
            found, following = newest_of(connection, (uploads.c.created, uploads.c.upload_id), asked, after, limit)
        return [rows.upload_of(row) for row in found], following

    def outline(self, after: str | None, limit: int) -> Sequence[Package]:
        """Packages by id, after one."""
        return self._packages(select(packages).where(packages.c.package_id > (after or "")).order_by(packages.c.package_id).limit(limit))

    def changes(self, after: int, limit: int) -> FeedPage:
        """The change feed after a number."""
        about = packages.c.package_id == feed.c.record_id
        columns = (feed, packages.c.meta_digest, packages.c.tags, packages.c.ever, packages.c.bytes_here, packages.c.state)
        query = (
            select(*columns).select_from(feed.outerjoin(packages, about)).where(feed.c.seq > after).order_by(feed.c.seq).limit(limit + 1)
        )
        with self._database.read() as connection:
            state = connection.execute(select(feed_state)).one()
            found = connection.execute(query).all()
        items = tuple(_feed_row(row) for row in found[:limit])
        return FeedPage(state.epoch, items, items[-1].seq if items else min(after, state.seq), len(found) > limit)

    def feed_position(self) -> tuple[str, int]:
        """Epoch and highest number of the change feed."""
        state = self._rows(select(feed_state))[0]
        return state.epoch, state.seq

    def known(self, package_ids: Collection[str]) -> Sequence[Known]:
        """Those of these packages that are known, in brief."""
        return [_known(row) for part in _parts(package_ids) for row in self._rows(select(*_BRIEF).where(packages.c.package_id.in_(part)))]

    def known_from(self, prefix: str) -> Iterator[Known]:
        """All packages whose id begins so, in brief, by id; read as they are asked for, because there may be many."""
        query = select(*_BRIEF).order_by(packages.c.package_id)
        if prefix:
            query = query.where(packages.c.package_id >= prefix, packages.c.package_id < f"{prefix}{_AFTER_DIGITS}")
        with self._database.read() as connection:
            yield from map(_known, connection.execute(query.execution_options(yield_per=_AT_ONCE)))

    def meta(self, package_ids: Collection[str]) -> Mapping[str, Sequence[KeptMeta]]:
        """What was said about these packages."""
        found: defaultdict[str, list[KeptMeta]] = defaultdict(list)
        for part in _parts(package_ids):
            for row in self._rows(select(meta).where(meta.c.package_id.in_(part))):
                found[row.package_id].append(rows.meta_of(row))
        return found

    def meta_ahead(self, author: InstanceId, after: Stamp) -> Sequence[KeptMeta]:
        """What an author wrote with a later stamp than this."""
        query = select(meta).where(meta.c.author == str(author), meta.c.stamp > str(after))
        return [rows.meta_of(row) for row in self._rows(query)]

    def manifests_ahead(self, origin: InstanceId, after: dt.datetime) -> Sequence[Package]:
        """Packages of an origin that were made after this."""
        return self._packages(select(packages).where(packages.c.origin == str(origin), packages.c.created > to_text(after)))

    def origins(self) -> Collection[InstanceId]:
        """Whoever made a package that is known."""
        return [InstanceId(row.origin) for row in self._rows(select(packages.c.origin).distinct())]

    def to_reconsider(self, origins: Collection[InstanceId]) -> Sequence[str]:
        """Ids of all packages about which somebody wrote, that are refused, or that one of these made."""
        found = {row.package_id for row in self._rows(select(meta.c.package_id).distinct())}
        found |= {row.package_id for row in self._rows(select(packages.c.package_id).where(packages.c.state == _REFUSED))}
        for part in _parts([str(one) for one in origins]):
            found |= {row.package_id for row in self._rows(select(packages.c.package_id).where(packages.c.origin.in_(part)))}
        return sorted(found)

    def charters(self) -> Sequence[KeptCharter]:
        """The latest of each instance."""
        return [rows.charter_of(row) for row in self._rows(select(charters).order_by(charters.c.instance_id))]

    def rotations(self) -> Sequence[KeptRotation]:
        """All of them."""
        return [rows.rotation_of(row) for row in self._rows(select(rotations).order_by(rotations.c.stamp))]

    def census(self, author: InstanceId, until: Stamp) -> Census:
        """What is here of an author's records about packages without tags, as far as they were made by then."""
        untagged = (packages.c.tags == "") & (packages.c.state != _REFUSED)
        by_then = packages.c.created <= to_text(until.time)
        made = select(packages.c.manifest_digest).where(packages.c.origin == str(author), untagged, by_then)
        about = select(meta.c.digest).join(packages, packages.c.package_id == meta.c.package_id)
        said = about.where(meta.c.author == str(author), meta.c.stamp <= str(until), untagged)
        digests = [row[0] for row in (*self._rows(made), *self._rows(said))]
        return Census(len(digests), digest_of(digests))

    def promotion(self, promotion_id: str) -> Promotion | None:
        """A promotion."""
        found = self._rows(select(promotions).where(promotions.c.promotion_id == promotion_id))
        return rows.promotion_of(found[0]) if found else None

    def promotions(self, asked: Newest, after: str | None, limit: int) -> tuple[Sequence[Promotion], str | None]:
        """Promotions, newest first."""
        with self._database.read() as connection:
            found, following = newest_of(connection, (promotions.c.requested, promotions.c.promotion_id), asked, after, limit)
        return [rows.promotion_of(row) for row in found], following

    def due_promotions(self, now: dt.datetime) -> Sequence[Promotion]:
        """Scheduled ones whose time has come."""
        due = select(promotions).where(promotions.c.state == PromotionState.SCHEDULED.value, promotions.c.due <= to_text(now))
        return [rows.promotion_of(row) for row in self._rows(due.order_by(promotions.c.due))]

    def due_removals(self, now: dt.datetime, limit: int) -> Sequence[Package]:
        """Packages whose bytes are no longer to be kept."""
        due = select(packages).where(packages.c.remove_after <= to_text(now)).order_by(packages.c.remove_after).limit(limit)
        return self._packages(due)

    def with_bytes(self, after: str | None, limit: int) -> Sequence[Package]:
        """Packages that are said to have their bytes here, by id."""
        query = select(packages).where(packages.c.bytes_here.is_(True), packages.c.package_id > (after or ""))
        return self._packages(query.order_by(packages.c.package_id).limit(limit))

    def stale_uploads(self, before: dt.datetime, now: dt.datetime, limit: int) -> Sequence[Upload]:
        """Open uploads that have not changed since, oldest first; but for those that may still be resumed."""
        receives = uploads.c.state == UploadState.RECEIVING.value
        due = ~receives | uploads.c.expires.is_(None) | (uploads.c.expires <= to_text(now))
        query = select(uploads).where(uploads.c.state.in_(_OPEN), uploads.c.changed < to_text(before), due)
        return [rows.upload_of(row) for row in self._rows(query.order_by(uploads.c.changed).limit(limit))]

    def wanted_to_ring(self, before: dt.datetime, limit: int) -> Sequence[Package]:
        """Wanted packages of which replication was not told since then, those that changed least recently first."""
        rung = packages.c.rung
        waits = rung.is_(None) | (rung < to_text(before)) | (rung > to_text(before + _BEYOND))
        query = select(packages).where(packages.c.state == PackageState.WANTED.value, waits)
        return self._packages(query.order_by(packages.c.changed).limit(limit))

    def figures(self) -> dict[str, float]:
        """Counts by state and bytes here."""
        with self._database.read() as connection:
            by_state: dict[str, int] = dict(connection.execute(select(packages.c.state, func.count()).group_by(packages.c.state)).all())
            open_uploads = connection.execute(select(func.count()).select_from(uploads).where(uploads.c.state.in_(_OPEN))).scalar_one()
            here = packages.c.bytes_here.is_(True)
            held = connection.execute(select(func.coalesce(func.sum(packages.c.size), 0)).where(here)).scalar_one()
            seq = connection.execute(select(feed_state.c.seq)).scalar_one()
            hashed = connection.execute(select(hash_totals)).one()
            waiting = connection.execute(select(func.count()).select_from(outbox)).scalar_one()
        states = {f"packages_{state.value}": by_state.get(state.value, 0) for state in PackageState}
        states |= {"hashed_files": hashed.files, "hashed_bytes": hashed.bytes, "hashed_seconds": hashed.seconds}
        return states | {"uploads_open": open_uploads, "package_bytes": int(held), "feed_seq": seq, "outbox_waiting": waiting}


def _known(row: Any) -> Known:
    return Known(row[0], row[1], row[2], rows.read_tags_text(row[3]), bool(row[4]), row[5] == _REFUSED)


def _feed_row(row: Any) -> FeedRow:
    if row.kind != "package":
        return FeedRow(row.seq, row.kind, row.record_id, row.revision, row.digest, row.stamp)
    return FeedRow(
        row.seq,
        row.kind,
        row.record_id,
        row.revision,
        row.digest,
        meta=row.meta_digest,
        tags=rows.read_tags_text(row.tags),
        ever=rows.read_tags_text(row.ever),
        offered=bool(row.bytes_here) and row.state in _OFFERED,
        refused=row.state == _REFUSED,
    )


def _parts(values: Collection[str]) -> Iterator[list[str]]:
    listed = list(values)
    return (listed[start : start + _AT_ONCE] for start in range(0, len(listed), _AT_ONCE))
