"""Registration: invitations, and both sides of joining. See `shared.core.invitation`."""

from __future__ import annotations

import base64
import datetime as dt
import hmac
import json
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from services.replication.domain.peer import OpenInvitation, Peer, PeerState
from services.replication.handlers.relations import RelationsHandlers, describe_peer
from services.replication.ports import PeerChanges, PeerClient, Peers, Signatures
from shared.contracts import events
from shared.core.errors import Forbidden, InvalidInput, PeerLied, Unauthenticated
from shared.core.identity import InstanceId
from shared.core.invitation import ADDRESS, MAX_WRONG_PROOFS, VALID_SECONDS, Invitation, proof
from shared.core.staging import Tags
from shared.core.times import rfc3339
from shared.runtime.logging import get_logger

log = get_logger(__name__)
_LONGEST_INVITATION_SECONDS = 30 * 24 * 3600
_LONGEST_URL = 500
_NAME = re.compile(r"[\w .-]{1,60}")
"""As in the settings of an instance: it is shown on terminals and web pages."""
_NONCE = re.compile(r"[\w-]{8,128}", re.ASCII)


@dataclass
class RegistrationHandlers:
    """How instances come to trust each other."""

    peers: Peers
    client: PeerClient
    signatures: Signatures
    clock: Any
    relations: RelationsHandlers
    instance_name: str
    public_url: str
    protocols: Sequence[int] = (1, 2)
    """Versions of the peer protocol that we speak."""

    def create_invitation(
        self,
        created_by: str,
        valid_seconds: int | None,
        tags: object = None,
        steward: bool = False,  # noqa: FBT001, FBT002 - as it comes over RPC
    ) -> dict[str, Any]:
        """An invitation to this instance; the text holds the secret and is not kept.

        Who joins is let see packages with these staging tags, and may write about ours if it is to be a `steward`.

        Raises:
            InvalidInput: if it would be valid for longer than 30 days; STAGE_UNKNOWN or TAG_INVALID.
        """
        seen = self._checked(tags)
        seconds = VALID_SECONDS if valid_seconds is None else valid_seconds
        if not 0 < seconds <= _LONGEST_INVITATION_SECONDS:
            raise InvalidInput(f"an invitation is valid for 1 to {_LONGEST_INVITATION_SECONDS} seconds", "VALIDITY_INVALID")
        invitation = Invitation.create(self.public_url, InstanceId(self.signatures.identity[0]))
        expires = self.clock() + dt.timedelta(seconds=seconds)
        with self.peers.changing() as changes:
            changes.save_invitation(
                OpenInvitation(invitation.lookup, invitation.proof_key, created_by, expires, tags=seen, steward=bool(steward))
            )
        log.info("peer_invited", created_by=created_by, expires=expires.isoformat())
        return {"invitation": str(invitation), "expires": rfc3339(expires)}

    def join(self, invitation_text: str, tags: object = None) -> dict[str, Any]:
        """Register with the instance that invited us, and pin its key; it becomes a steward of our packages.

        It is let see packages with these staging tags; None leaves it at what it saw before, or at none.

        Raises:
            InvalidInput: if the invitation cannot be read or is our own; STAGE_UNKNOWN or TAG_INVALID.
            PeerUnreachable: if nobody answers at its address.
            Forbidden: if it is refused there.
            PeerLied: if who answers does not know the secret.
        """
        invitation, seen = Invitation.parse(invitation_text), self._checked(tags)
        my_id, my_key = self.signatures.identity
        if str(invitation.instance_id) == my_id:
            raise InvalidInput("this invitation is to this very instance: paste it at the other one", "INVITATION_IS_OWN")
        nonce = secrets.token_urlsafe(18)
        request = {
            "protocol": sorted(self.protocols),
            "instance_id": my_id,
            "public_key": base64.b64encode(my_key).decode(),
            "name": self.instance_name,
            "url": self.public_url,
            "nonce": nonce,
            "lookup": invitation.lookup,
            "proof": proof(invitation.proof_key, InstanceId(my_id), invitation.instance_id, nonce, joining=True),
        }
        answer = self.client.register(invitation, request)
        peer = self._peer_of(answer, invitation.url)
        expected = proof(invitation.proof_key, invitation.instance_id, InstanceId(my_id), nonce, joining=False)
        if peer.peer_id != invitation.instance_id or not hmac.compare_digest(expected, str(answer.get("proof"))):
            raise PeerLied("who answered at that address is not who invited: nothing was pinned")
        with self.peers.changing() as changes:
            pinned = self._pin(changes, peer, seen, steward=True)
        self.relations.declare()
        return describe_peer(pinned)

    def accept_registration(self, public_key: str, request: dict[str, Any]) -> dict[str, Any]:
        """The other side of `join`: a request signed with a key that is not known yet, proved by an invitation.

        Raises:
            Unauthenticated: if the request is not signed by that key, for us, now.
            Forbidden: INVITATION_REFUSED, the same for every reason; the reason is in our log.
        """
        body = str(request["body"]).encode()
        raw_key = _decoded(public_key)
        claimed = InstanceId.of_key(raw_key)
        sender = self.signatures.verify(request, lambda key_id: raw_key if key_id == str(claimed) else None)
        self.signatures.verify_body(request, body)
        wish = _object(body)
        joining = self._peer_of(wish, str(wish.get("url", "")))
        if str(joining.peer_id) != sender.peer_id:
            raise Unauthenticated("the registration is about another instance than the one that signed it")
        if not _NONCE.fullmatch(str(wish.get("nonce"))):
            raise Unauthenticated("the registration has no usable nonce")
        with self.peers.changing() as changes:
            if not changes.add_nonce(sender.peer_id, sender.nonce, sender.expires):
                raise Unauthenticated("the registration was seen before")
        return self._accept(joining, wish)

    def _accept(self, joining: Peer, wish: dict[str, Any]) -> dict[str, Any]:
        with self.peers.changing() as changes:
            invitation = self._proven(changes, joining, wish)
            if invitation is not None:
                changes.save_invitation(replace(invitation, used_by=str(joining.peer_id)))
                self._pin(changes, joining, invitation.tags, steward=invitation.steward)
        if invitation is None:
            raise Forbidden("the invitation is unknown, used, expired or not proved; ask for a new one", "INVITATION_REFUSED")
        self.relations.declare()
        my_id, my_key = self.signatures.identity
        return {
            "protocol": sorted(self.protocols),
            "instance_id": my_id,
            "public_key": base64.b64encode(my_key).decode(),
            "name": self.instance_name,
            "proof": proof(invitation.proof_key, InstanceId(my_id), joining.peer_id, str(wish["nonce"]), joining=False),
        }

    def _proven(self, changes: PeerChanges, joining: Peer, wish: dict[str, Any]) -> OpenInvitation | None:
        invitation = changes.invitation(str(wish.get("lookup")))
        if invitation is None or not invitation.is_usable(self.clock(), MAX_WRONG_PROOFS):
            log.warning("invitation_refused", peer_id=str(joining.peer_id), reason="unknown, used, expired or burnt")
            return None
        me = InstanceId(self.signatures.identity[0])
        expected = proof(invitation.proof_key, joining.peer_id, me, str(wish.get("nonce")), joining=True)
        if not hmac.compare_digest(expected, str(wish.get("proof"))):
            changes.save_invitation(replace(invitation, wrong_proofs=invitation.wrong_proofs + 1))
            log.warning("invitation_refused", peer_id=str(joining.peer_id), reason="wrong proof", wrong=invitation.wrong_proofs + 1)
            return None
        return invitation

    def _pin(self, changes: PeerChanges, peer: Peer, tags: Tags | None, *, steward: bool) -> Peer:
        """Who is made a steward by either side of crossing registrations is one; a dismissed one needs to be made one again."""
        known = changes.peer(str(peer.peer_id))
        now = self.clock()
        if known:
            # What a lower version could not say, and what was dropped at the revocation, stands before the cursor.
            known = known.unread() if peer.protocol > known.protocol or known.state is PeerState.REVOKED else known
            peer = replace(known.admitted(now), name=peer.name, url=peer.url, protocol=peer.protocol, banned_until=None, strikes=0)
        peer = peer if tags is None else peer.seeing(tags)
        peer = replace(peer.as_steward(peer.steward or steward, now), last_contact=now, next_poll=now)
        changes.save_peer(peer)
        changes.dispatch(events.PeerRegisteredV1(peer_id=str(peer.peer_id), name=peer.name))
        log.info("peer_registered", peer_id=str(peer.peer_id), name=peer.name, url=peer.url, tags=sorted(peer.tags), steward=peer.steward)
        return peer

    def _checked(self, tags: object) -> Tags | None:
        return None if tags is None else self.relations.stages.check(tags, bearer=True)

    def _peer_of(self, document: dict[str, Any], url: str) -> Peer:
        try:
            raw_key = _decoded(str(document["public_key"]))
            peer_id = InstanceId.parse(str(document["instance_id"]))
            name = str(document["name"] or "")
            spoken = {version for version in self.protocols if version in document["protocol"]}
        except (KeyError, TypeError, ValueError) as error:
            raise PeerLied(f"the registration lacks a field: {error}") from error
        if not peer_id.belongs_to(raw_key):
            raise PeerLied("the instance id does not belong to the key")
        if not spoken:
            raise PeerLied("no version of the peer protocol is spoken by both sides")
        if not _NAME.fullmatch(name):
            raise PeerLied("the name is no name of an instance")
        if len(url) > _LONGEST_URL or not ADDRESS.fullmatch(url):
            raise PeerLied("the address is no URL")
        return Peer(peer_id, raw_key, name, url.rstrip("/"), self.clock(), protocol=max(spoken))


def _decoded(public_key: str) -> bytes:
    try:
        raw = base64.b64decode(public_key, validate=True)
    except ValueError as error:
        raise Unauthenticated("the public key is no base64") from error
    if len(raw) != 32:  # noqa: PLR2004 - Ed25519, RFC 8032
        raise Unauthenticated("the public key has not 32 bytes")
    return raw


def _object(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Unauthenticated("the body is no JSON") from error
    if not isinstance(document, dict):
        raise Unauthenticated("the body is no object")
    return document
