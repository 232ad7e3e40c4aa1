"""Relations to peers: what a registration lets them see and say, how it ends, and what our charter says about that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from services.replication.domain.peer import Peer, PeerState
from services.replication.ports import PeerChanges, Peers, StorageService
from shared.contracts import events
from shared.core.errors import NotFound, OdstError
from shared.core.staging import Stages
from shared.core.times import rfc3339_or_none
from shared.core.versions import PEER, check_expected
from shared.runtime.logging import get_logger

log = get_logger(__name__)


@dataclass
class RelationsHandlers:
    """Everything about registrations once they stand."""

    peers: Peers
    storage: StorageService
    clock: Any
    stages: Stages
    ring_loop: Callable[[], None]

    def list_peers(self) -> dict[str, Any]:
        """Every peer."""
        return {"items": [describe_peer(peer) for peer in self.peers.all()]}

    def show_peer(self, peer_id: str) -> dict[str, Any]:
        """One of them.

        Raises:
            NotFound: if there is no such peer.
        """
        found = self.peers.get(peer_id)
        if found is None:
            raise _unknown(peer_id)
        return describe_peer(found)

    def change_peer(
        self,
        peer_id: str,
        tags: object,
        steward: bool | None,  # noqa: FBT001 - as it comes
        person: str,
        expected: object = None,
    ) -> dict[str, Any]:
        """Let a peer see other staging tags, or make it a steward of our packages, or dismiss it; None changes nothing.

        Raises:
            NotFound: if there is no such peer.
            InvalidInput: STAGE_UNKNOWN or TAG_INVALID.
            PreconditionFailed: if it has none of the versions that are `expected`.
        """
        seen = None if tags is None else self.stages.check(tags, bearer=True)
        with self.peers.changing() as changes:
            before = _known(changes, peer_id)
            check_expected(expected, describe_peer(before), PEER)
            peer = before if seen is None else before.seeing(seen)
            peer = peer if steward is None else peer.as_steward(steward, self.clock())
            changes.save_peer(peer)
            changes.dispatch(_changed(peer, person))
            if peer.view != before.view and peer.state is PeerState.ACTIVE:
                changes.announce_to(peer_id, self.clock())
        log.info("peer_changed", peer_id=peer_id, name=peer.name, tags=sorted(peer.tags), steward=peer.steward, person=person)
        self.declare()
        self.ring_loop()
        return describe_peer(peer)

    def revoke(self, peer_id: str, revoked_by: str, expected: object = None) -> None:
        """This peer is deaf and mute from now on, and our charter says so. What it told of itself is dropped.

        Raises:
            NotFound: if there is no such peer.
            PreconditionFailed: as above.
        """
        with self.peers.changing() as changes:
            peer = _known(changes, peer_id)
            check_expected(expected, describe_peer(peer), PEER)
            self._shut_out(changes, peer, revoked_by)
        self.declare()

    def _shut_out(self, changes: PeerChanges, peer: Peer, revoked_by: str) -> None:
        peer_id = str(peer.peer_id)
        changes.save_peer(peer.revoked(self.clock()))
        changes.drop_announcement(peer_id)
        changes.drop_sources(peer_id)
        changes.drop_deferred(peer_id)
        changes.dispatch(events.PeerRevokedV1(peer_id=peer_id, name=peer.name, person=revoked_by))
        log.warning("peer_revoked", peer_id=peer_id, name=peer.name, revoked_by=revoked_by)

    def follow_stewards(self) -> None:
        """Whom a steward of ours has revoked is no peer of ours, by whichever of its ids either of us knows it, and whenever that was.

        If storage cannot be reached, the next sweep does it.
        """
        active = [str(peer.peer_id) for peer in self.peers.all() if peer.state is PeerState.ACTIVE]
        try:
            revoked = self.storage.revoked_among(active) if active else {}
        except OdstError as error:
            log.warning("stewards_not_asked", code=error.code, error=str(error))
            return
        with self.peers.changing() as changes:
            for peer_id, revoked_by in revoked.items():
                peer = changes.peer(peer_id)
                if peer is not None and peer.state is PeerState.ACTIVE:
                    self._shut_out(changes, peer, revoked_by)
        if revoked:
            self.declare()

    def declare(self) -> None:
        """Tell storage all that we know of stewards and revoked peers. If it cannot be reached, the next sweep does it."""
        known = self.peers.all()
        stewards = [one for peer in known if (one := peer.stewardship)]
        revoked = [gone for peer in known if (gone := peer.revocation)]
        registered = [here for peer in known if (here := peer.admission)]
        try:
            self.storage.declare_peers(stewards, revoked, registered)
        except OdstError as error:
            log.warning("peers_not_declared", code=error.code, error=str(error))


def _known(changes: PeerChanges, peer_id: str) -> Peer:
    peer = changes.peer(peer_id)
    if peer is None:
        raise _unknown(peer_id)
    return peer


def _unknown(peer_id: str) -> NotFound:
    return NotFound(f"there is no peer {peer_id[:60]!r}")


def _changed(peer: Peer, person: str) -> events.PeerChangedV1:
    tags = tuple(sorted(peer.tags))
    return events.PeerChangedV1(peer_id=str(peer.peer_id), name=peer.name, tags=tags, steward=peer.steward, person=person)


def describe_peer(peer: Peer) -> dict[str, Any]:
    """A peer as the Admin API shows it."""
    return {
        "peer_id": str(peer.peer_id),
        "name": peer.name,
        "url": peer.url,
        "state": peer.state.value,
        "tags": sorted(peer.tags),
        "steward": peer.steward,
        "protocol": peer.protocol,
        "behind": peer.behind,
        "last_contact": rfc3339_or_none(peer.last_contact),
        "last_pull": rfc3339_or_none(peer.last_pull),
        "last_error": peer.last_error,
        "clock_skew_seconds": peer.clock_skew_seconds,
        "banned_until": rfc3339_or_none(peer.banned_until),
    }
