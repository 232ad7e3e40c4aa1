"""Who may speak: every request of a peer is checked here, and counts once."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field, replace
from typing import Any

from services.replication.domain.peer import Peer, PeerState, Sender
from services.replication.domain.refusals import SenderClockDiffers
from services.replication.handlers.clocks import is_news, note_skew
from services.replication.ports import Peers, Signatures
from shared.core.errors import Unauthenticated

_WAKE_WAIT = dt.timedelta(seconds=10)
"""A peer whose feed cannot be read is not asked for it more often because it asks us often."""


@dataclass
class AuthenticatingHandlers:
    """The doorkeeper."""

    peers: Peers
    signatures: Signatures
    clock: Any
    _woken: dict[str, dt.datetime] = field(default_factory=dict)

    def authenticate(self, request: dict[str, Any]) -> dict[str, Any]:
        """Which peer sent a request, and what it may see; each request counts once, also after a restart.

        Raises:
            Unauthenticated: if no active peer signed it, for us, now, for the first time; CLOCK_SKEW if only its time is wrong.
        """
        sender = self._sender(request)
        peer = self._active(sender.peer_id)
        if peer is None:
            raise Unauthenticated("the sender was revoked a moment ago")
        with self.peers.changing() as changes:
            if not changes.add_nonce(sender.peer_id, sender.nonce, sender.expires):
                raise Unauthenticated("the nonce was seen before")
            if peer.last_error and self._may_wake(sender.peer_id):
                fresh = changes.peer(sender.peer_id)
                if fresh is not None:
                    changes.save_peer(replace(fresh, next_poll=self.clock()))
        return {"peer_id": sender.peer_id, "view": peer.view_document}

    def _sender(self, request: dict[str, Any]) -> Sender:
        try:
            return self.signatures.verify(request, self._active_key)
        except SenderClockDiffers as error:
            self._note_skew(error)
            raise Unauthenticated(str(error), error.code) from error

    def _note_skew(self, error: SenderClockDiffers) -> None:
        peer = self._active(error.sender)
        if peer is None or not is_news(peer, error.seconds):
            return
        with self.peers.changing() as changes:
            fresh = changes.peer(error.sender)
            told = f"its requests are refused: its clock and ours differ by {error.seconds:.0f} seconds"
            if fresh is not None:
                changes.save_peer(note_skew(changes, fresh, round(error.seconds, 1), told))

    def _may_wake(self, peer_id: str) -> bool:
        now, before = self.clock(), self._woken.get(peer_id)
        if before is not None and now - before < _WAKE_WAIT:
            return False
        self._woken[peer_id] = now
        return True

    def _active(self, peer_id: str) -> Peer | None:
        peer = self.peers.get(peer_id)
        return peer if peer and peer.state is PeerState.ACTIVE else None

    def _active_key(self, peer_id: str) -> bytes | None:
        peer = self._active(peer_id)
        return peer.public_key if peer else None
