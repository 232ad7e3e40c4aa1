"""One transaction on the catalogue in the service's own database."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, Table, bindparam, delete, func, insert, select, update

from services.storage.adapters import rows
from services.storage.adapters.at_hand import PackagesAtHand
from services.storage.adapters.schema import charters, feed, feed_state, flags, hash_totals, meta, packages, promotions, rotations, uploads
from services.storage.adapters.trust_at_hand import TrustAtHand, trust_in
from services.storage.domain.facts import KeptMeta
from services.storage.domain.package import Package, PackageState
from services.storage.domain.promotion import Promotion
from services.storage.domain.upload import Upload, UploadState
from services.storage.ports import FeedRow, KeptCharter, KeptRotation
from shared.contracts.events import Event, FileDigests
from shared.core.identity import InstanceId
from shared.core.times import to_text
from shared.core.trust import Trust
from shared.runtime.database import replace_row, replace_rows, select_where
from shared.runtime.outbox import Outbox

_COUNT_ON = update(feed_state).where(feed_state.c.one == 1).values(seq=feed_state.c.seq + bindparam("many")).returning(feed_state.c.seq)


class SqlChanges:
    """`Changes` in one SQL transaction."""

    def __init__(self, connection: Connection, outbox_of_service: Outbox, trust: TrustAtHand) -> None:
        """Made by `SqlCatalogue.changing`, which makes sure that no other is open."""
        self._trust_at_hand = trust
        self._trust: Trust | None = None
        self._trust_changed = False
        self._connection = connection
        self._outbox = outbox_of_service
        self._packages = PackagesAtHand(connection)
        self._stamped: dict[tuple[str, str], FeedRow] = {}

    def upload(self, upload_id: str) -> Upload | None:
        """An upload."""
        row = self._one(uploads, upload_id=upload_id)
        return rows.upload_of(row) if row else None

    def save_upload(self, upload: Upload) -> None:
        """Insert or replace an upload."""
        replace_row(self._connection, uploads, "upload_id", rows.upload_row(upload))

    def expect(self, package_ids: Collection[str], names: Collection[str]) -> None:
        """Read all of these at once."""
        self._packages.expect(package_ids, names)

    def package(self, package_id: str) -> Package | None:
        """A package."""
        return self._packages.get(package_id)

    def named(self, name: str) -> Sequence[Package]:
        """All packages of a name."""
        return self._packages.named(name)

    def save_package(self, package: Package) -> None:
        """Insert or replace a package."""
        self._packages.save(package)

    def holds_blob(self, sha256: str, but_for: str) -> bool:
        """True if another package has or wants these bytes, or an upload of them is being completed."""
        self._packages.write()
        needed = packages.c.bytes_here.is_(True) | (packages.c.state == PackageState.WANTED.value)
        query = select(packages.c.package_id).where(packages.c.sha256 == sha256, needed, packages.c.package_id != but_for).limit(1)
        if self._connection.execute(query).first() is not None:
            return True
        hashed = (rows.upload_of(row) for row in self._all(uploads, state=UploadState.HASHED.value))
        return any(one.digests is not None and one.digests.sha256 == sha256 for one in hashed)

    def meta_of(self, package_id: str) -> Sequence[KeptMeta]:
        """All that was said about a package."""
        return [rows.meta_of(row) for row in self._all(meta, package_id=package_id)]

    def replace_meta(self, package_id: str, kept: Collection[KeptMeta]) -> None:
        """What is kept of it from now on."""
        self._connection.execute(delete(meta).where(meta.c.package_id == package_id))
        if kept:
            self._connection.execute(insert(meta), [rows.meta_row(one) for one in kept])

    def trust(self) -> Trust:
        """All charters and rotations."""
        if self._trust is None:
            self._trust = trust_in(self._connection) if self._trust_changed else self._trust_at_hand.read(self._connection)
        return self._trust

    def charter(self, instance_id: InstanceId) -> KeptCharter | None:
        """The latest charter of an instance."""
        row = self._one(charters, instance_id=str(instance_id))
        return rows.charter_of(row) if row else None

    def save_charter(self, kept: KeptCharter) -> None:
        """Insert or replace."""
        charter = kept.charter
        values = {"instance_id": str(charter.instance_id), "stamp": str(charter.stamp), "envelope": kept.envelope}
        replace_row(self._connection, charters, "instance_id", values)
        self._forget_trust()

    def rotation(self, old: InstanceId) -> KeptRotation | None:
        """The rotation away from a key."""
        row = self._one(rotations, old_id=str(old))
        return rows.rotation_of(row) if row else None

    def save_rotation(self, kept: KeptRotation) -> None:
        """Insert or replace."""
        rotation = kept.rotation
        values = {"old_id": str(rotation.old), "stamp": str(rotation.stamp), "envelope": kept.envelope}
        replace_row(self._connection, rotations, "old_id", values)
        self._forget_trust()

    def _forget_trust(self) -> None:
        self._trust, self._trust_changed = None, True
        self._trust_at_hand.forget()

    def flag(self, kind: str, about: str, value: str | None) -> bool:
        """Remember a value; True if that is news."""
        if (self.flag_value(kind, about) or None) == value:
            return False
        self._connection.execute(delete(flags).where(flags.c.kind == kind, flags.c.about == about))
        if value is not None:
            self._connection.execute(insert(flags).values(kind=kind, about=about, value=value))
        return True

    def flag_value(self, kind: str, about: str) -> str:
        """What is remembered; empty if nothing is."""
        row = self._one(flags, kind=kind, about=about)
        return str(row.value) if row else ""

    def promotion(self, promotion_id: str) -> Promotion | None:
        """A promotion."""
        row = self._one(promotions, promotion_id=promotion_id)
        return rows.promotion_of(row) if row else None

    def save_promotion(self, promotion: Promotion) -> None:
        """Insert or replace."""
        replace_row(self._connection, promotions, "promotion_id", rows.promotion_row(promotion))

    def stamp(self, row: FeedRow) -> None:
        """It gets its number when the transaction ends."""
        place = row.kind, row.record_id
        self._stamped.pop(place, None)
        self._stamped[place] = row

    def finish(self) -> None:
        """Write what was put off until the end of the transaction.

        There is one counter row, taken in this transaction: on any database, what is numbered lower is committed earlier.
        """
        self._packages.write()
        if self._stamped:
            last = self._connection.execute(_COUNT_ON, {"many": len(self._stamped)}).scalar_one()
            first = last - len(self._stamped) + 1
            numbered = [_feed_values(row, seq) for seq, row in enumerate(self._stamped.values(), first)]
            replace_rows(self._connection, feed, ("kind", "record_id"), numbered)

    def begin_epoch(self, epoch: str) -> None:
        """Name the numbering anew; the numbers may stay as they are."""
        self._connection.execute(update(feed_state).values(epoch=epoch))

    def rung_wanted(self, since: dt.datetime) -> int:
        """How many wanted packages replication was told of since then."""
        self._packages.write()
        rung = packages.c.rung >= to_text(since)  # Nothing else than what is wanted ever has it.
        return int(self._connection.execute(select(func.count()).select_from(packages).where(rung)).scalar_one())

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

    def _one(self, table: Table, **keys: str) -> Any:
        return self._connection.execute(select_where(table, *keys), keys).first()

    def _all(self, table: Table, **keys: str) -> Sequence[Any]:
        return self._connection.execute(select_where(table, *keys), keys).all()


def _feed_values(row: FeedRow, seq: int) -> dict[str, Any]:
    about = {"kind": row.kind, "record_id": row.record_id}
    return about | {"seq": seq, "revision": row.revision, "digest": row.digest, "stamp": row.stamp}
