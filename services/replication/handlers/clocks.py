"""Clocks that differ: told once for each time that they part, and forgotten when the peers understand each other again."""

from __future__ import annotations

from dataclasses import replace

from services.replication.domain.peer import Peer
from services.replication.ports import PeerChanges
from shared.contracts import events
from shared.runtime.logging import get_logger

log = get_logger(__name__)
_WORTH_NOTING_SECONDS = 5.0


def note_skew(changes: PeerChanges, peer: Peer, seconds: float, error: str) -> Peer:
    """The peer with its clock's difference noted; an event if it was not known before. The caller saves the peer."""
    if peer.clock_skew_seconds is None:
        changes.dispatch(events.PeerClockSkewedV1(peer_id=str(peer.peer_id), name=peer.name, seconds=seconds))
        log.warning("peer_clock_skewed", peer_id=str(peer.peer_id), name=peer.name, seconds=seconds)
    return replace(peer, clock_skew_seconds=seconds, last_error=error[:300])


def is_news(peer: Peer, seconds: float) -> bool:
    """True if the difference is another than the one that is noted."""
    return peer.clock_skew_seconds is None or abs(peer.clock_skew_seconds - seconds) > _WORTH_NOTING_SECONDS
