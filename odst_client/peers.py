"""Peers: invite, join, what each may see and do."""

from __future__ import annotations

from collections.abc import Sequence

from odst_client.operations import Group, operation, wish
from shared.contracts.admin.mesh import (
    Invitation,
    InvitationWish,
    Joining,
    Peer,
    PeerChange,
    PeerList,
    Pulling,
)


class Peers(Group):
    """`client.peers`."""

    @operation("POST", "/api/v1/invitations", creates=True)
    def invite(self, valid_seconds: int | None = None, tags: Sequence[str] | None = None, *, steward: bool | None = None) -> Invitation:
        """Make a one-time invitation for another instance. It holds a secret, and is shown only now.

        Args:
            valid_seconds: how long it can be used; a day unless given.
            tags: which tagged packages the joiner may see of here, `*` for all; untagged ones it always may.
            steward: whether the joiner may tag, delete and raise packages from here.
        """
        return self._read(self.invite, Invitation, wish(InvitationWish, valid_seconds=valid_seconds, tags=_list(tags), steward=steward))

    @operation("POST", "/api/v1/peers", creates=True)
    def join(self, invitation: str, tags: Sequence[str] | None = None) -> Peer:
        """Join the instance that made an invitation; `tags` are what it may see of here.

        Raises:
            CallFailed: INVITATION_INVALID, INVITATION_REFUSED, INVITATION_IS_OWN, PEER_UNREACHABLE.
        """
        return self._read(self.join, Peer, wish(Joining, invitation=invitation, tags=_list(tags)))

    @operation("GET", "/api/v1/peers")
    def all(self) -> list[Peer]:
        """List the peers, with their lag and last contact."""
        return self._read(self.all, PeerList).items

    @operation("GET", "/api/v1/peers/{peer_id}")
    def show(self, peer_id: str) -> Peer:
        """Show a peer."""
        return self._read(self.show, Peer, peer_id=peer_id)

    @operation("PATCH", "/api/v1/peers/{peer_id}")
    def change(self, peer_id: str, tags: Sequence[str] | None = None, *, steward: bool | None = None, if_match: str | None = None) -> Peer:
        """Change what a peer may see and do; what is left out stays."""
        return self._read(self.change, Peer, wish(PeerChange, tags=_list(tags), steward=steward), if_match=if_match, peer_id=peer_id)

    @operation("DELETE", "/api/v1/peers/{peer_id}")
    def revoke(self, peer_id: str, *, if_match: str | None = None) -> None:
        """Revoke a peer: it is deaf and mute from now on."""
        self._do(self.revoke, if_match=if_match, peer_id=peer_id)

    @operation("POST", "/api/v1/peers/pull")
    def pull(self) -> Pulling:
        """Read the feeds of all peers now, instead of at the next poll."""
        return self._read(self.pull, Pulling)


def _list(tags: Sequence[str] | None) -> list[str] | None:
    return None if tags is None else list(tags)
