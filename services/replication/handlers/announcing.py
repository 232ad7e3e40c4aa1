"""Announcing: ringing at peers, and hearing their rings. A ring is a hint; losing one costs time, never a package."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from services.replication.domain.peer import Announcement, Peer, PeerState
from services.replication.domain.refusals import ClocksDiffer, PeerRefused, PeerRotated
from services.replication.handlers.clocks import note_skew
from services.replication.ports import PeerChanges, PeerClient, Peers, StorageService
from shared.contracts import events
from shared.core.errors import OdstError, PeerLied, PeerUnreachable
from shared.runtime.logging import bound, correlation_id, get_logger

log = get_logger(__name__)
_LAST_ATTEMPT = 8
"""After so many tries the peer's own poll will find the news."""
_MOST_SEQ = 1 << 60


@dataclass
class AnnouncingHandlers:
    """Everything about announcements."""

    peers: Peers
    client: PeerClient
    storage: StorageService
    clock: Any
    ring_loop: Callable[[], None]
    _ringing: set[str] = field(default_factory=set)

    def announce(self, event: events.PackagePublishedV1 | events.CatalogueChangedV1) -> None:
        """Step 3 of the seed, and whatever else is new in our feed: every peer is to hear it, but the one that it came from."""
        with self.peers.changing() as changes:
            for peer in changes.active_peers():
                if str(peer.peer_id) != event.received_from:
                    changes.announce_to(str(peer.peer_id), self.clock())
        self.ring_loop()

    def ring_due(self) -> bool:
        """Ring at each peer that is due; True if any was rung. May be called side by side: a peer is rung once at a time."""
        due = self.peers.due_announcements(self.clock())
        if not due:
            return False
        epoch, seq = self.storage.feed_position()
        rang = False
        for announcement in sorted(due, key=lambda one: one.attempts):  # Who was away before comes last: it may be away again.
            rang = self._ring_alone(announcement, epoch, seq) or rang
        return rang

    def _ring_alone(self, announcement: Announcement, epoch: str, seq: int) -> bool:
        peer_id = announcement.peer_id
        if peer_id in self._ringing:
            return False
        self._ringing.add(peer_id)
        try:
            with bound(correlation_id=announcement.correlation_id):
                return self._ring(announcement, epoch, seq)
        finally:
            self._ringing.discard(peer_id)

    def _ring(self, announcement: Announcement, epoch: str, seq: int) -> bool:
        error: OdstError | None = None
        with self.peers.changing() as changes:
            is_ours = changes.drop_announcement(announcement.peer_id)
            peer = _active(changes, announcement.peer_id)
        if is_ours and peer is not None:
            try:
                self.client.announce(peer, peer.epoch_shown(epoch), seq)
                log.info("peer_announced_to", peer_id=announcement.peer_id, seq=seq)
            except (PeerUnreachable, PeerLied) as failure:
                error = failure
            self._note(announcement, error)
        return is_ours

    def _note(self, announcement: Announcement, error: OdstError | None) -> None:
        now = self.clock()
        with self.peers.changing() as changes:
            fresh = _active(changes, announcement.peer_id)
            if fresh is None:
                return  # It was revoked while we rang, or has another key: nobody is to be rung at under this id.
            if error is None:
                # Who has an error hears us again: its feed is read now, not at its next turn.
                next_poll = now if fresh.last_error else fresh.next_poll
                changes.save_peer(replace(fresh, last_contact=now, last_error=None, next_poll=next_poll))
                return
            if isinstance(error, ClocksDiffer):
                fresh = note_skew(changes, fresh, error.seconds, str(error))
            # A new key, theirs or ours, is dealt with by who reads the feed.
            next_poll = now if isinstance(error, PeerRotated | PeerRefused) else fresh.next_poll
            changes.save_peer(replace(fresh, last_error=str(error)[:300], next_poll=next_poll))
            if announcement.attempts < _LAST_ATTEMPT:
                wait = dt.timedelta(seconds=2**announcement.attempts)
                changes.announce_to(announcement.peer_id, now + wait, announcement.attempts + 1)
        log.warning("announcement_failed", peer_id=announcement.peer_id, attempt=announcement.attempts + 1, error=str(error))

    def hear(self, peer_id: str, epoch: str, seq: int) -> None:
        """A peer rang."""
        with self.peers.changing() as changes:
            peer = changes.peer(peer_id)
            if peer is not None:
                changes.save_peer(peer.heard_of(epoch[:64], min(seq, _MOST_SEQ), correlation_id()))
            changes.dispatch(events.PeerAnnouncedV1(peer_id=peer_id, epoch=epoch, seq=seq))


def _active(changes: PeerChanges, peer_id: str) -> Peer | None:
    peer = changes.peer(peer_id)
    return peer if peer is not None and peer.state is PeerState.ACTIVE else None
