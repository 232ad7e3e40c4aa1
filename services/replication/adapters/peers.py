"""Peers, invitations, nonces and announcements in the service's own database."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import Connection, delete, insert, or_, select
from sqlalchemy.exc import IntegrityError

from services.replication.adapters import rows
from services.replication.adapters.schema import announcements, invitations, nonces, peers, sources
from services.replication.domain.peer import OpenInvitation, Peer, PeerState
from services.replication.ports import Announcement
from shared.contracts.events import Event
from shared.core.times import to_text
from shared.runtime.database import Database, replace_row
from shared.runtime.logging import correlation_id
from shared.runtime.outbox import Outbox


class SqlPeerChanges:
    """`PeerChanges` in one SQL transaction."""

    def __init__(self, connection: Connection, outbox: Outbox) -> None:
        """Made by `SqlPeers.changing`."""
        self._connection = connection
        self._outbox = outbox

    def peer(self, peer_id: str) -> Peer | None:
        """A peer."""
        return _peer(self._connection, peer_id)

    def save_peer(self, peer: Peer) -> None:
        """Insert or replace."""
        replace_row(self._connection, peers, "peer_id", rows.peer_row(peer))

    def active_peers(self) -> Sequence[Peer]:
        """All that may speak."""
        query = select(peers).where(peers.c.state == PeerState.ACTIVE.value)
        return [rows.peer_of(row) for row in self._connection.execute(query)]

    def invitation(self, lookup: str) -> OpenInvitation | None:
        """An invitation that we gave."""
        row = self._connection.execute(select(invitations).where(invitations.c.lookup == lookup)).first()
        return rows.invitation_of(row) if row else None

    def save_invitation(self, invitation: OpenInvitation) -> None:
        """Insert or replace."""
        replace_row(self._connection, invitations, "lookup", rows.invitation_row(invitation))

    def add_nonce(self, sender: str, nonce: str, expires: int) -> bool:
        """Remember a nonce; False if it was seen before."""
        try:
            with self._connection.begin_nested():
                self._connection.execute(insert(nonces).values(sender=sender, nonce=nonce, expires=expires))
        except IntegrityError:
            return False
        return True

    def add_sources(self, peer_id: str, package_ids: Sequence[str]) -> None:
        """This peer has these packages."""
        for package_id in package_ids:
            known = select(sources).where(sources.c.package_id == package_id, sources.c.peer_id == peer_id)
            if self._connection.execute(known).first() is None:
                self._connection.execute(insert(sources).values(package_id=package_id, peer_id=peer_id))

    def announce_to(self, peer_id: str, not_before: dt.datetime, attempts: int = 0) -> None:
        """Have the doorbell of this peer rung."""
        values = {
            "peer_id": peer_id,
            "attempts": attempts,
            "not_before": to_text(not_before),
            "correlation_id": correlation_id(),
        }
        replace_row(self._connection, announcements, "peer_id", values)

    def drop_announcement(self, peer_id: str) -> None:
        """It was rung, or it is no use."""
        self._connection.execute(delete(announcements).where(announcements.c.peer_id == peer_id))

    def dispatch(self, event: Event) -> None:
        """Write the event to the outbox of this transaction."""
        self._outbox.add(self._connection, event)


class SqlPeers:
    """`Peers` on SQLAlchemy."""

    def __init__(self, database: Database, outbox: Outbox) -> None:
        """The tables are made by the migrations."""
        self._database = database
        self._outbox = outbox

    @contextmanager
    def changing(self) -> Iterator[SqlPeerChanges]:
        """A transaction; afterwards the outbox is rung."""
        with self._database.write() as connection:
            yield SqlPeerChanges(connection, self._outbox)
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
        """Active peers whose feed is to be read now."""
        due = or_(peers.c.next_poll.is_(None), peers.c.next_poll <= to_text(now))
        with self._database.read() as connection:
            query = select(peers).where(peers.c.state == PeerState.ACTIVE.value, due)
            return [rows.peer_of(row) for row in connection.execute(query)]

    def due_announcements(self, now: dt.datetime) -> Sequence[Announcement]:
        """Doorbells to ring now."""
        query = select(announcements).where(announcements.c.not_before <= to_text(now))
        with self._database.read() as connection:
            return [Announcement(row.peer_id, row.attempts, row.correlation_id) for row in connection.execute(query)]

    def sources_of(self, package_id: str) -> Sequence[Peer]:
        """Peers that have this package."""
        query = select(peers).join(sources, sources.c.peer_id == peers.c.peer_id).where(sources.c.package_id == package_id)
        with self._database.read() as connection:
            return [rows.peer_of(row) for row in connection.execute(query)]

    def forget_nonces(self, before: int) -> None:
        """Drop nonces that expired before this Unix time."""
        with self._database.write() as connection:
            connection.execute(delete(nonces).where(nonces.c.expires < before))


def _peer(connection: Connection, peer_id: str) -> Peer | None:
    row = connection.execute(select(peers).where(peers.c.peer_id == peer_id)).first()
    return rows.peer_of(row) if row else None
