"""Replication's peers in memory."""

from __future__ import annotations

import copy
import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from services.replication.domain.peer import Announcement, OpenInvitation, Peer, PeerState
from services.replication.domain.records import Deferred, Key
from services.replication.domain.witnessing import Held
from shared.contracts.events import Event
from shared.core.errors import RecordRefused
from shared.runtime.logging import correlation_id


@dataclass
class FakePeerChanges:
    """`PeerChanges` on a copy, which becomes the truth when the transaction ends well."""

    peers: dict[str, Peer] = field(default_factory=dict)
    invitations: dict[str, OpenInvitation] = field(default_factory=dict)
    nonces: dict[tuple[str, str], int] = field(default_factory=dict)
    sources: dict[tuple[str, str], bool] = field(default_factory=dict)
    deferred: dict[tuple[str, Key], Deferred] = field(default_factory=dict)
    announcements: dict[str, tuple[dt.datetime, Announcement]] = field(default_factory=dict)
    checkpoints: dict[tuple[str, tuple[int, str]], Held] = field(default_factory=dict)
    dispatched: list[Event] = field(default_factory=list)

    def peer(self, peer_id: str) -> Peer | None:
        """A peer."""
        return self.peers.get(peer_id)

    def save_peer(self, peer: Peer) -> None:
        """Insert or replace."""
        self.peers[str(peer.peer_id)] = peer

    def active_peers(self) -> Sequence[Peer]:
        """All that may speak."""
        return [peer for peer in self.peers.values() if peer.state is PeerState.ACTIVE]

    def invitation(self, lookup: str) -> OpenInvitation | None:
        """An invitation that we gave."""
        return self.invitations.get(lookup)

    def save_invitation(self, invitation: OpenInvitation) -> None:
        """Insert or replace."""
        self.invitations[invitation.lookup] = invitation

    def add_nonce(self, sender: str, nonce: str, expires: int) -> bool:
        """Remember a nonce; False if it was seen before."""
        new = (sender, nonce) not in self.nonces
        self.nonces.setdefault((sender, nonce), expires)
        return new

    def rename_peer(self, old_id: str, peer: Peer) -> None:
        """Replace a peer by itself under another id."""
        new_id = str(peer.peer_id)
        for (package_id, peer_id), has_bytes in list(self.sources.items()):
            if peer_id == old_id:
                del self.sources[package_id, peer_id]
                self.sources.setdefault((package_id, new_id), has_bytes)
        for (peer_id, key), one in list(self.deferred.items()):
            if peer_id == old_id:
                del self.deferred[peer_id, key]
                self.deferred[new_id, key] = replace(one, peer_id=new_id)
        for (peer_id, place), held in list(self.checkpoints.items()):
            if peer_id == old_id:
                del self.checkpoints[peer_id, place]
                self.checkpoints[new_id, place] = held
        if old_id in self.announcements:
            not_before, announcement = self.announcements.pop(old_id)
            self.announcements[new_id] = (not_before, replace(announcement, peer_id=new_id))
        self.peers.pop(old_id, None)
        self.save_peer(peer)

    def add_sources(self, peer_id: str, package_ids: Sequence[str], *, has_bytes: bool = True) -> None:
        """This peer has these packages; without bytes, it knows them."""
        self.sources |= {(package_id, peer_id): has_bytes for package_id in package_ids}

    def drop_sources(self, peer_id: str, package_ids: Sequence[str] | None = None) -> None:
        """This peer has and knows these packages no longer, or none."""
        for package_id, of in list(self.sources):
            if of == peer_id and (package_ids is None or package_id in package_ids):
                del self.sources[package_id, of]

    def save_deferred(self, deferred: Sequence[Deferred]) -> None:
        """Insert or replace."""
        self.deferred |= {(one.peer_id, one.key): one for one in deferred}

    def drop_deferred(self, peer_id: str, keys: Sequence[Key]) -> None:
        """These were taken after all."""
        for key in keys:
            self.deferred.pop((peer_id, key), None)

    def retry_refused(self, now: dt.datetime) -> None:
        """Have all that was refused for want of trust tried again."""
        for key, one in self.deferred.items():
            if one.code == RecordRefused.default_code:
                self.deferred[key] = replace(one, next_try=min(one.next_try, now))

    def witnessed(self, peer_id: str) -> Sequence[Held]:
        """What this peer told of its audit log."""
        held = [held for (of, _), held in self.checkpoints.items() if of == peer_id]
        return sorted(held, key=lambda one: one.key[0])

    def save_witnessed(self, peer_id: str, held: Held) -> None:
        """Insert or replace."""
        self.checkpoints[peer_id, held.key] = held

    def drop_witnessed(self, peer_id: str, keys: Sequence[tuple[int, str]]) -> None:
        """These need not be kept."""
        for key in keys:
            self.checkpoints.pop((peer_id, key), None)

    def announce_to(self, peer_id: str, not_before: dt.datetime, attempts: int = 0) -> None:
        """Have the doorbell of this peer rung."""
        self.announcements[peer_id] = (not_before, Announcement(peer_id, attempts, correlation_id()))

    def drop_announcement(self, peer_id: str) -> None:
        """It was rung, or it is no use."""
        self.announcements.pop(peer_id, None)

    def dispatch(self, event: Event) -> None:
        """Remember what was said."""
        self.dispatched.append(event)


class FakePeers:
    """`Peers` in memory."""

    def __init__(self) -> None:
        """Nobody yet."""
        self._truth = FakePeerChanges()

    @property
    def dispatched(self) -> list[Event]:
        """What was said by transactions that ended well, in order."""
        return self._truth.dispatched

    @contextmanager
    def changing(self) -> Iterator[FakePeerChanges]:
        """A transaction; an error leaves everything as it was."""
        copied = FakePeerChanges(**{name: copy.copy(value) for name, value in vars(self._truth).items()})
        yield copied
        self._truth = copied

    def all(self) -> Sequence[Peer]:
        """Every peer, in order of registration."""
        return sorted(self._truth.peers.values(), key=lambda peer: peer.registered)

    def get(self, peer_id: str) -> Peer | None:
        """A peer."""
        return self._truth.peer(peer_id)

    def due_for_poll(self, now: dt.datetime) -> Sequence[Peer]:
        """Active peers whose feed is to be read now."""
        return [peer for peer in self._truth.active_peers() if peer.next_poll is None or peer.next_poll <= now]

    def due_announcements(self, now: dt.datetime) -> Sequence[Announcement]:
        """Doorbells to ring now."""
        return [announcement for not_before, announcement in self._truth.announcements.values() if not_before <= now]

    def sources_of(self, package_id: str) -> Sequence[Peer]:
        """Peers that have this package."""
        return [peer for peer in self._truth.peers.values() if self._truth.sources.get((package_id, str(peer.peer_id)))]

    def sources_among(self, package_ids: Sequence[str]) -> Mapping[str, set[str]]:
        """For each package the ids of the peers that have its bytes."""
        there = {key for key, has_bytes in self._truth.sources.items() if has_bytes}
        return {one: {peer_id for package_id, peer_id in there if package_id == one} for one in package_ids}

    def shown_among(self, package_ids: Sequence[str]) -> set[str]:
        """Those that at least one active peer knows."""
        active = {str(peer.peer_id) for peer in self._truth.active_peers()}
        return {package_id for package_id, peer_id in self._truth.sources if package_id in package_ids and peer_id in active}

    def deferred_among(self, peer_id: str, record_ids: Sequence[str]) -> Sequence[Deferred]:
        """What this peer offered of these records, and was not taken."""
        return [one for one in self._truth.deferred.values() if one.peer_id == peer_id and one.key[1] in record_ids]

    def deferred_due(self, peer_id: str, now: dt.datetime, limit: int) -> Sequence[Deferred]:
        """What is to be tried again now, oldest first."""
        due = [one for one in self._truth.deferred.values() if one.peer_id == peer_id and not one.final and one.next_try <= now]
        return sorted(due, key=lambda one: (one.next_try, one.first_seen))[:limit]

    def deferred_count(self, peer_id: str) -> int:
        """How many records of this peer were not taken."""
        return sum(one.peer_id == peer_id for one in self._truth.deferred.values())

    def figures(self) -> dict[str, float]:
        """Counts for metrics."""
        known = self.all()
        return {
            "deferred": len(self._truth.deferred),
            "drift_checks": sum(peer.drift_checks for peer in known),
            "drift_found": sum(peer.drift_found for peer in known),
            "feed_behind": sum(peer.behind or 0 for peer in self._truth.active_peers()),
        }

    def forget_nonces(self, before: int) -> None:
        """Drop nonces that expired before this Unix time."""
        self._truth.nonces = {key: expires for key, expires in self._truth.nonces.items() if expires >= before}
