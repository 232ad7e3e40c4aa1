"""Keys that are replaced: a peer's new key is pinned if the old one signed it, and peers are told ours.

A rotation proves itself: both keys have signed it. It comes in the change feed, in the answer to a request for the old key, or
from the peer itself, and each of these ways may come first.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from services.replication.domain.peer import Peer, PeerState
from services.replication.domain.records import Records
from services.replication.handlers.relations import RelationsHandlers
from services.replication.ports import OpenRotation, PeerClient, Peers, Signatures, StorageService
from shared.contracts import events
from shared.core.charter import Rotation
from shared.core.errors import OdstError, RecordInvalid, Unauthenticated
from shared.core.identity import InstanceId
from shared.runtime.logging import get_logger

log = get_logger(__name__)
_MOST_ROTATIONS = 16
"""Longest chain that a peer which was away for long is told at once."""


@dataclass
class RotatingHandlers:
    """Everything about keys that change."""

    peers: Peers
    client: PeerClient
    storage: StorageService
    signatures: Signatures
    relations: RelationsHandlers
    clock: Any
    open_rotation: OpenRotation

    def rotated(self, event: events.InstanceRotatedV1) -> None:
        """Storage learned that an instance has a new key; if it is a peer, that key is pinned. Ours is not our concern."""
        new_key = base64.b64decode(event.new_key)
        if event.old_id != event.new_id and InstanceId.of_key(new_key) == InstanceId.parse(event.new_id):
            self._pin(event.old_id, InstanceId.parse(event.new_id), new_key)

    def accept_rotation(self, request: dict[str, Any]) -> dict[str, Any]:
        """`POST /ods/v1/rotations`: a peer tells its new key, and signs with it.

        Raises:
            Unauthenticated: if it is not signed by that key, for us, now, or no active peer had the old one.
        """
        body = str(request["body"]).encode()
        envelopes = _envelopes_in(body)
        try:
            chain = [self.open_rotation(envelope) for envelope in envelopes]
        except RecordInvalid as error:
            raise Unauthenticated(f"the rotation is not valid: {error}") from error
        self._check_sender(request, body, chain)
        old = self._old_peer(chain)
        if old is not None:
            given = tuple(base64.b64encode(envelope).decode() for envelope in envelopes)
            for refusal in self.storage.offer_records(Records(rotations=given), str(old.peer_id)):
                raise Unauthenticated(f"the rotation is refused: {refusal.code}: {refusal.reason}")
            self._pin(str(old.peer_id), chain[-1].new, chain[-1].new_key)
        return {"peer_id": str(chain[-1].new)}

    def _check_sender(self, request: dict[str, Any], body: bytes, chain: Sequence[Rotation]) -> None:
        new = chain[-1]
        if any(one.new != following.old for one, following in pairwise(chain)):
            raise Unauthenticated("the rotations are no chain")
        sender = self.signatures.verify(request, lambda key_id: new.new_key if key_id == str(new.new) else None)
        self.signatures.verify_body(request, body)
        with self.peers.changing() as changes:
            if not changes.add_nonce(sender.peer_id, sender.nonce, sender.expires):
                raise Unauthenticated("the rotation was seen before")

    def _old_peer(self, chain: Sequence[Rotation]) -> Peer | None:
        """The active peer whose pinned key was rotated away; None if the new one is pinned already."""
        present = self.peers.get(str(chain[-1].new))
        if present is not None and present.state is PeerState.ACTIVE:
            return None
        for rotation in chain:
            peer = self.peers.get(str(rotation.old))
            if peer is not None and peer.state is PeerState.ACTIVE and peer.public_key == rotation.old_key:
                return peer
        raise Unauthenticated("no active peer had the key that was rotated away")

    def follow(self, peer: Peer, envelope: bytes) -> bool:
        """A peer answered that it has a new key: pin it if the rotation proves that; True if it does."""
        try:
            rotation = self.open_rotation(envelope)
        except RecordInvalid as error:
            log.warning("rotation_refused", peer_id=str(peer.peer_id), reason=str(error))
            return False
        if rotation.old != peer.peer_id or rotation.old_key != peer.public_key:
            log.warning("rotation_refused", peer_id=str(peer.peer_id), reason="it is about another key")
            return False
        refused = self.storage.offer_records(Records(rotations=(base64.b64encode(envelope).decode(),)), str(peer.peer_id))
        if refused:
            log.warning("rotation_refused", peer_id=str(peer.peer_id), reason=refused[0].reason)
            return False
        self._pin(str(peer.peer_id), rotation.new, rotation.new_key)
        return True

    def introduce(self, peer: Peer) -> bool:
        """A peer does not accept our signature: if our key is new, tell it; True if it knows us now."""
        chain = self._our_chain()
        if not chain:
            return False
        try:
            self.client.rotate(peer, chain)
        except OdstError as error:
            log.warning("rotation_not_told", peer_id=str(peer.peer_id), code=error.code, error=str(error))
            return False
        log.info("rotation_told", peer_id=str(peer.peer_id))
        return True

    def our_ids(self) -> set[str]:
        """Our id, and those that we had."""
        former = {str(self.open_rotation(envelope).old) for envelope in self._our_chain()}
        return {self.signatures.identity[0], *former}

    def _our_chain(self) -> list[bytes]:
        """Envelopes of all rotations that lead to our present key, oldest first."""
        by_new: dict[str, tuple[Rotation, bytes]] = {}
        for envelope in self.storage.read_rotations():
            rotation = self.open_rotation(envelope)
            by_new.setdefault(str(rotation.new), (rotation, envelope))
        chain: list[bytes] = []
        key = self.signatures.identity[0]
        while key in by_new and len(chain) < _MOST_ROTATIONS:
            rotation, envelope = by_new.pop(key)
            chain.insert(0, envelope)
            key = str(rotation.old)
        return chain

    def _pin(self, old_id: str, new_id: InstanceId, new_key: bytes) -> None:
        now = self.clock()
        with self.peers.changing() as changes:
            peer = changes.peer(old_id)
            if peer is None:
                return
            present = changes.peer(str(new_id))
            renewed = present or replace(peer, peer_id=new_id, public_key=new_key, last_error=None, next_poll=now)
            changes.rename_peer(old_id, renewed)
        log.warning("peer_rotated", peer_id=old_id, new_id=str(new_id), name=renewed.name)
        self.relations.declare()


def _envelopes_in(body: bytes) -> list[bytes]:
    try:
        document = json.loads(body)
        texts = [*document.get("earlier", []), document["rotation"]]
        return [base64.b64decode(text, validate=True) for text in texts[-_MOST_ROTATIONS:]]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Unauthenticated(f"the body holds no rotation: {error}") from error
