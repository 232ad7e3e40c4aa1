"""Witnessing: peers sign what they are told of our audit log, and we what they tell of theirs; each remembers what it was told."""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from services.replication.domain.peer import Peer, PeerState
from services.replication.domain.refusals import SourceLacks
from services.replication.domain.witnessing import KEPT_CONTRADICTIONS, Held, OwnCheckpoint, contradiction, to_forget
from services.replication.ports import KeepReceipt, LatestCheckpoint, OpenCheckpoint, PeerChanges, PeerClient, Peers, SignReceipt, Together
from shared.contracts import events
from shared.core.checkpoint import Checkpoint, Receipt
from shared.core.errors import Conflict, OdstError, RecordInvalid
from shared.runtime.logging import get_logger

log = get_logger(__name__)
CONTRADICTED = "AUDIT_CONTRADICTED"
_SECOND = 2
_SECONDS = 10.0
"""Longest wait for all peers together."""
_MOST_SHOWN = 200
_AGAIN_SOON, _AGAIN_LATER = dt.timedelta(seconds=10), dt.timedelta(hours=1)
"""When a peer is asked again that did not answer, or that does not witness."""


@dataclass
class WitnessingHandlers:
    """Both sides of it."""

    peers: Peers
    client: PeerClient
    latest_checkpoint: LatestCheckpoint
    keep_receipt: KeepReceipt
    open_checkpoint: OpenCheckpoint
    sign_receipt: SignReceipt
    our_ids: Callable[[], Collection[str]]
    together: Together
    clock: Callable[[], dt.datetime]
    _not_before: dict[str, dt.datetime] = field(default_factory=dict)

    def witness(self, peer_id: str, envelope: str) -> dict[str, str]:
        """`POST /ods/v1/witnesses`: keep a peer's checkpoint, and sign that we were told: `{receipt}`.

        Raises:
            RecordInvalid: if the peer did not sign it, or it is about another's log.
            Conflict: AUDIT_CONTRADICTED, after an alarm, if it cannot be true beside what the peer signed before.
        """
        told = self._read(peer_id, envelope)
        with self.peers.changing() as changes:
            held = changes.witnessed(peer_id)
            against = contradiction(told.checkpoint, [one.checkpoint for one in held if not one.contradicts])
            if against is None:
                self._keep(changes, peer_id, told, held)
            else:
                self._raise_alarm(changes, peer_id, told, held, against)
        if against is not None:
            raise Conflict(f"this cannot be true beside what you signed before: {against[1]}", CONTRADICTED)
        return {"receipt": base64.b64encode(self._receipt(told)).decode()}

    def _read(self, peer_id: str, envelope: str) -> Held:
        try:
            raw = base64.b64decode(envelope, validate=True)
        except ValueError as error:
            raise RecordInvalid("the checkpoint is no base64") from error
        checkpoint = self.open_checkpoint(raw)
        if str(checkpoint.instance_id) != peer_id:
            raise RecordInvalid("the checkpoint is about the audit log of another instance")
        return Held(checkpoint, raw, self.clock())

    def _keep(self, changes: PeerChanges, peer_id: str, told: Held, held: Sequence[Held]) -> None:
        if told.key in {one.key for one in held}:
            return
        changes.save_witnessed(peer_id, told)
        changes.drop_witnessed(peer_id, [one.key for one in to_forget([*held, told], self.clock())])

    def _raise_alarm(self, changes: PeerChanges, peer_id: str, told: Held, held: Sequence[Held], against: tuple[Checkpoint, str]) -> None:
        proofs = [one for one in held if one.contradicts]
        if told.key in {one.key for one in proofs} or len(proofs) >= KEPT_CONTRADICTIONS:
            return
        known, why = against
        log.error("audit_contradicted", peer_id=peer_id, reason=why)
        changes.save_witnessed(peer_id, Held(told.checkpoint, told.envelope, told.received, contradicts=True))
        peer = changes.peer(peer_id)
        changes.dispatch(
            events.AuditContradictedV1(
                peer_id=peer_id,
                name=peer.name if peer else "",
                held_number=known.at.number,
                held_hash=known.at.hash,
                told_number=told.checkpoint.at.number,
                told_hash=told.checkpoint.at.hash,
                reason=why,
            )
        )

    def _receipt(self, told: Held) -> bytes:
        about = told.checkpoint
        now = told.received.replace(microsecond=0)
        return self.sign_receipt(lambda witness, key: Receipt(about.instance_id, about.at, witness, key, now))

    def list_witnessed(self, peer_id: str) -> dict[str, list[str]]:
        """`GET /ods/v1/witnesses`: what a peer told us of its audit log, the newest first: `{checkpoints}`."""
        with self.peers.changing() as changes:
            held = [one for one in changes.witnessed(peer_id) if not one.contradicts]
        newest = sorted(held, key=lambda one: one.checkpoint.at.number, reverse=True)[:_MOST_SHOWN]
        return {"checkpoints": [base64.b64encode(one.envelope).decode() for one in newest]}

    def step(self) -> bool:
        """Have the peers witness our last checkpoint that have not; nothing more is to be done at once."""
        waiting = [peer for peer in self._witnesses() if self._not_before.get(str(peer.peer_id), self.clock()) <= self.clock()]
        last = self.latest_checkpoint() if waiting else None
        for peer in waiting if last is not None else ():
            if last is not None and str(peer.peer_id) not in last.witnesses:
                self._tell(peer, last)
        return False

    def _witnesses(self) -> list[Peer]:
        return [peer for peer in self.peers.all() if peer.state is PeerState.ACTIVE and peer.protocol >= _SECOND]

    def _tell(self, peer: Peer, last: OwnCheckpoint) -> None:
        peer_id = str(peer.peer_id)
        try:
            receipt = self.client.witness(peer, last.envelope)
            self.keep_receipt(peer_id, receipt)
        except SourceLacks:
            self._not_before[peer_id] = self.clock() + _AGAIN_LATER
            log.info("peer_does_not_witness", peer_id=peer_id)
        except OdstError as error:
            self._not_before[peer_id] = self.clock() + _AGAIN_SOON
            log.warning("checkpoint_not_witnessed", peer_id=peer_id, number=last.number, code=error.code, error=str(error))
        else:
            self._not_before.pop(peer_id, None)
            log.info("checkpoint_witnessed", peer_id=peer_id, number=last.number)

    def ask_witnesses(self) -> dict[str, Any]:
        """What each peer holds of what it was told of our audit log: `{peers: [{peer_id, name, state, checkpoints}]}`.

        `state` is `answered`, or `silent` for who is away or does not witness. What we did not sign says nothing about us, and is
        left out.
        """
        asked, ours = self._witnesses(), set(self.our_ids())
        answers = self.together([partial(self.client.witnessed, peer) for peer in asked], _SECONDS)
        return {"peers": [self._told(peer, answer, ours) for peer, answer in zip(asked, answers, strict=True)]}

    def _told(self, peer: Peer, answer: Sequence[bytes] | None, ours: Collection[str]) -> dict[str, Any]:
        found = [one for one in map(self._open, answer or ()) if one is not None and str(one.instance_id) in ours]
        return {
            "peer_id": str(peer.peer_id),
            "name": peer.name,
            "state": "silent" if answer is None else "answered",
            "checkpoints": [{"number": one.at.number, "hash": one.at.hash} for one in found],
        }

    def _open(self, envelope: bytes) -> Checkpoint | None:
        try:
            return self.open_checkpoint(envelope)
        except RecordInvalid:
            return None
