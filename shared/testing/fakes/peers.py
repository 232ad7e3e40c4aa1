"""Replication's peers in memory."""

from __future__ import annotations

import copy
import datetime as dt
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from services.replication.domain.peer import OpenInvitation, Peer, PeerState
from services.replication.ports import Announcement
from shared.contracts.events import Event
from shared.runtime.logging import correlation_id


@dataclass
class FakePeerChanges:
    """`PeerChanges` on a copy, which becomes the truth when the transaction ends well."""

    peers: dict[str, Peer] = field(default_factory=dict)
    invitations: dict[str, OpenInvitation] = field(default_factory=dict)
    nonces: dict[tuple[str, str], int] = field(default_factory=dict)
    sources: set[tuple[str, str]] = field(default_factory=set)
    announcements: dict[str, tuple[dt.datetime, Announcement]] = field(default_factory=dict)
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

    def add_sources(self, peer_id: str, package_ids: Sequence[str]) -> None:
        """This peer has these packages."""
        self.sources |= {(package_id, peer_id) for package_id in package_ids}

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
        return [peer for peer in self._truth.peers.values() if (package_id, str(peer.peer_id)) in self._truth.sources]

    def forget_nonces(self, before: int) -> None:
        """Drop nonces that expired before this Unix time."""
        self._truth.nonces = {key: expires for key, expires in self._truth.nonces.items() if expires >= before}
