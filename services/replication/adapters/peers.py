"""Peers, invitations, nonces, announcements, sources and deferred records in the service's own database.

A peer that is read within a transaction is locked until its end, so that two changes of one peer never undo each other.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Table, and_, delete, func, insert, or_, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError

from services.replication.adapters import rows
from services.replication.adapters.schema import announcements, deferred, invitations, nonces, peers, sources, witnessed
from services.replication.domain.peer import Announcement, OpenInvitation, Peer, PeerState
from services.replication.domain.records import Deferred, Key, portions
from services.replication.domain.witnessing import Held
from shared.contracts.events import Event
from shared.core.errors import RecordRefused, SecretUnreadable
from shared.core.times import to_text
from shared.runtime.database import Database, replace_row
from shared.runtime.logging import correlation_id, get_logger
from shared.runtime.outbox import Outbox
from shared.runtime.secret_columns import SecretColumn

log = get_logger(__name__)
_PORTION = 500
"""Values in one condition; SQLite allows no more than some thousands."""


class SqlPeerChanges:
    """`PeerChanges` in one SQL transaction."""

    def __init__(self, connection: Connection, outbox: Outbox, secrets: SecretColumn) -> None:
        """Made by `SqlPeers.changing`."""
        self._connection = connection
        self._outbox = outbox
        self._secrets = secrets

    def peer(self, peer_id: str) -> Peer | None:
        """A peer."""
        row = self._connection.execute(select(peers).where(peers.c.peer_id == peer_id).with_for_update()).first()
        return rows.peer_of(row) if row else None

    def save_peer(self, peer: Peer) -> None:
        """Insert or replace."""
        replace_row(self._connection, peers, "peer_id", rows.peer_row(peer))

    def active_peers(self) -> Sequence[Peer]:
        """All that may speak."""
        query = select(peers).where(peers.c.state == PeerState.ACTIVE.value).order_by(peers.c.peer_id).with_for_update()
        return [rows.peer_of(row) for row in self._connection.execute(query)]

    def invitation(self, lookup: str) -> OpenInvitation | None:
        """An invitation that we gave."""
        row = self._connection.execute(select(invitations).where(invitations.c.lookup == lookup)).first()
        try:
            return rows.invitation_of(row, self._secrets) if row else None
        except SecretUnreadable as error:
            log.warning("invitation_unreadable", reason=str(error))
            return None

    def save_invitation(self, invitation: OpenInvitation) -> None:
        """Insert or replace."""
        replace_row(self._connection, invitations, "lookup", rows.invitation_row(invitation, self._secrets))

    def add_nonce(self, sender: str, nonce: str, expires: int) -> bool:
        """Remember a nonce; False if it was seen before."""
        try:
            with self._connection.begin_nested():
                self._connection.execute(insert(nonces).values(sender=sender, nonce=nonce, expires=expires))
        except IntegrityError:
            return False
        return True

    def rename_peer(self, old_id: str, peer: Peer) -> None:
        """Replace a peer by itself under another id."""
        new_id = str(peer.peer_id)
        for table, same in ((sources, "package_id"), (deferred, "record_id")):
            known = select(table.c[same]).where(table.c.peer_id == new_id)
            self._connection.execute(delete(table).where(table.c.peer_id == old_id, table.c[same].in_(known)))
            self._connection.execute(update(table).where(table.c.peer_id == old_id).values(peer_id=new_id))
        self._rename_witnessed(old_id, new_id)
        self._connection.execute(delete(announcements).where(announcements.c.peer_id == new_id))
        self._connection.execute(update(announcements).where(announcements.c.peer_id == old_id).values(peer_id=new_id))
        self._connection.execute(delete(peers).where(peers.c.peer_id == old_id))
        self.save_peer(peer)

    def add_sources(self, peer_id: str, package_ids: Sequence[str], *, has_bytes: bool = True) -> None:
        """This peer has these packages; without bytes, it knows them."""
        values = [{"package_id": package_id, "peer_id": peer_id, "has_bytes": has_bytes} for package_id in dict.fromkeys(package_ids)]
        self._upsert(sources, ["package_id", "peer_id"], values)

    def drop_sources(self, peer_id: str, package_ids: Sequence[str] | None = None) -> None:
        """This peer has and knows these packages no longer, or none."""
        if package_ids is None:
            self._connection.execute(delete(sources).where(sources.c.peer_id == peer_id))
        for part in portions(package_ids or (), _PORTION):
            self._connection.execute(delete(sources).where(sources.c.peer_id == peer_id, sources.c.package_id.in_(part)))

    def save_deferred(self, records: Sequence[Deferred]) -> None:
        """Insert or replace."""
        self._upsert(deferred, ["peer_id", "kind", "record_id"], [rows.deferred_row(one) for one in records])

    def drop_deferred(self, peer_id: str, keys: Sequence[Key] | None = None) -> None:
        """These are not waited for any more, or none."""
        if keys is None:
            self._connection.execute(delete(deferred).where(deferred.c.peer_id == peer_id))
        for part in portions(keys or (), _PORTION):
            these = and_(deferred.c.peer_id == peer_id, tuple_(deferred.c.kind, deferred.c.record_id).in_(part))
            self._connection.execute(delete(deferred).where(these))

    def retry_refused(self, now: dt.datetime) -> None:
        """Have all that was refused for want of trust tried again."""
        waiting = and_(deferred.c.code == RecordRefused.default_code, deferred.c.next_try > to_text(now))
        self._connection.execute(update(deferred).where(waiting).values(next_try=to_text(now)))

    def _upsert(self, table: Table, keys: list[str], values: Sequence[Mapping[str, Any]]) -> None:
        if values:
            dialect: Any = sqlite if self._connection.dialect.name == "sqlite" else postgresql
            adding = dialect.insert(table)
            others = {column.name: adding.excluded[column.name] for column in table.c if column.name not in keys}
            self._connection.execute(adding.on_conflict_do_update(index_elements=keys, set_=others), values)

    def witnessed(self, peer_id: str) -> Sequence[Held]:
        """What this peer told of its audit log."""
        query = select(witnessed).where(witnessed.c.peer_id == peer_id).order_by(witnessed.c.number)
        return [rows.witnessed_of(row) for row in self._connection.execute(query)]

    def save_witnessed(self, peer_id: str, held: Held) -> None:
        """Insert or replace."""
        self._upsert(witnessed, ["peer_id", "number", "hash"], [rows.witnessed_row(peer_id, held)])

    def drop_witnessed(self, peer_id: str, keys: Sequence[tuple[int, str]]) -> None:
        """These need not be kept."""
        for part in portions(keys, _PORTION):
            these = and_(witnessed.c.peer_id == peer_id, tuple_(witnessed.c.number, witnessed.c.hash).in_(part))
            self._connection.execute(delete(witnessed).where(these))

    def _rename_witnessed(self, old_id: str, new_id: str) -> None:
        for held in self.witnessed(old_id):
            self.save_witnessed(new_id, held)
        self._connection.execute(delete(witnessed).where(witnessed.c.peer_id == old_id))

    def announce_to(self, peer_id: str, not_before: dt.datetime, attempts: int = 0) -> None:
        """Have the doorbell of this peer rung."""
        values = {
            "peer_id": peer_id,
            "attempts": attempts,
            "not_before": to_text(not_before),
            "correlation_id": correlation_id(),
        }
        replace_row(self._connection, announcements, "peer_id", values)

    def drop_announcement(self, peer_id: str) -> bool:
        """It is rung now, or it is no use; False if there was none, or somebody else took it."""
        return bool(self._connection.execute(delete(announcements).where(announcements.c.peer_id == peer_id)).rowcount)

    def dispatch(self, event: Event) -> None:
        """Write the event to the outbox of this transaction."""
        self._outbox.add(self._connection, event)


class SqlPeers:
    """`Peers` on SQLAlchemy."""

    def __init__(self, database: Database, outbox: Outbox, secrets: SecretColumn) -> None:
        """The tables are made by the migrations; `secrets` are what proves invitations."""
        self._database = database
        self._outbox = outbox
        self._secrets = secrets

    @contextmanager
    def changing(self) -> Iterator[SqlPeerChanges]:
        """A transaction that sees no other's half; afterwards the outbox is rung."""
        with self._database.write(alone=True) as connection:
            yield SqlPeerChanges(connection, self._outbox, self._secrets)
        self._outbox.ring()

    def all(self) -> Sequence[Peer]:
        """Every peer, in order of registration."""
        with self._database.read() as connection:
            return [rows.peer_of(row) for row in connection.execute(select(peers).order_by(peers.c.registered))]

    def get(self, peer_id: str) -> Peer | None:
        """A peer."""
        with self._database.read() as connection:
            return _peer(connection, peer_id)

    def due_for_poll(self, now: dt.datetime) -> Sequence[Peer]:
        """Active peers whose feed is to be read now, who waits longest first."""
        due = or_(peers.c.next_poll.is_(None), peers.c.next_poll <= to_text(now))
        with self._database.read() as connection:
            longest_first = func.coalesce(peers.c.next_poll, "")
            query = select(peers).where(peers.c.state == PeerState.ACTIVE.value, due).order_by(longest_first)
            return [rows.peer_of(row) for row in connection.execute(query)]

    def due_announcements(self, now: dt.datetime) -> Sequence[Announcement]:
        """Doorbells to ring now."""
        query = select(announcements).where(announcements.c.not_before <= to_text(now))
        with self._database.read() as connection:
            return [Announcement(row.peer_id, row.attempts, row.correlation_id) for row in connection.execute(query)]

    def sources_of(self, package_id: str) -> Sequence[Peer]:
        """Peers that have this package."""
        query = (
            select(peers).join(sources, sources.c.peer_id == peers.c.peer_id).where(sources.c.package_id == package_id, sources.c.has_bytes)
        )
        with self._database.read() as connection:
            return [rows.peer_of(row) for row in connection.execute(query)]

    def sources_among(self, package_ids: Sequence[str]) -> Mapping[str, set[str]]:
        """For each package the ids of the peers that have its bytes."""
        found: dict[str, set[str]] = {package_id: set() for package_id in package_ids}
        with self._database.read() as connection:
            for part in portions(found, _PORTION):
                query = select(sources.c.package_id, sources.c.peer_id).where(sources.c.package_id.in_(part), sources.c.has_bytes)
                for package_id, peer_id in connection.execute(query):
                    found[package_id].add(peer_id)
        return found

    def shown_among(self, package_ids: Sequence[str]) -> set[str]:
        """Those that at least one active peer knows."""
        active = select(sources.c.package_id).join(peers, peers.c.peer_id == sources.c.peer_id).where(peers.c.state == "active")
        with self._database.read() as connection:
            parts = [connection.execute(active.where(sources.c.package_id.in_(part))) for part in portions(package_ids, _PORTION)]
            return {package_id for part in parts for package_id in part.scalars()}

    def deferred_among(self, peer_id: str, record_ids: Sequence[str]) -> Sequence[Deferred]:
        """What this peer offered of these records, and was not taken."""
        query = select(deferred).where(deferred.c.peer_id == peer_id)
        with self._database.read() as connection:
            parts = [connection.execute(query.where(deferred.c.record_id.in_(part))) for part in portions(record_ids, _PORTION)]
            return [rows.deferred_of(row) for part in parts for row in part]

    def deferred_due(self, peer_id: str, now: dt.datetime, limit: int) -> Sequence[Deferred]:
        """What is to be tried again now, oldest first."""
        due = and_(deferred.c.peer_id == peer_id, deferred.c.final.is_(False), deferred.c.next_try <= to_text(now))
        with self._database.read() as connection:
            query = select(deferred).where(due).order_by(deferred.c.next_try, deferred.c.first_seen).limit(limit)
            return [rows.deferred_of(row) for row in connection.execute(query)]

    def deferred_count(self, peer_id: str) -> int:
        """How many records of this peer were not taken."""
        with self._database.read() as connection:
            return connection.execute(select(func.count()).select_from(deferred).where(deferred.c.peer_id == peer_id)).scalar_one()

    def figures(self) -> dict[str, float]:
        """Counts for metrics."""
        with self._database.read() as connection:
            waiting = connection.execute(select(func.count()).select_from(deferred)).scalar_one()
        known = self.all()
        return {
            "deferred": waiting,
            "drift_checks": sum(peer.drift_checks for peer in known),
            "drift_found": sum(peer.drift_found for peer in known),
            "feed_behind": sum(peer.behind or 0 for peer in known if peer.state is PeerState.ACTIVE),
        }

    def forget_nonces(self, before: int) -> None:
        """Drop nonces that expired before this Unix time."""
        with self._database.write() as connection:
            connection.execute(delete(nonces).where(nonces.c.expires < before))


def _peer(connection: Connection, peer_id: str) -> Peer | None:
    row = connection.execute(select(peers).where(peers.c.peer_id == peer_id)).first()
    return rows.peer_of(row) if row else None
