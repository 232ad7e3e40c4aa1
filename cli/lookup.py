"""Finding one peer by what people know of it."""

from __future__ import annotations

import click

from odst_client import Client
from shared.contracts.admin.mesh import Peer
from shared.core.identity import InstanceId

_LEAST_PREFIX = 4
_SHORT = 8


def short_id(peer_id: str) -> str:
    """The start of an id: enough to name a peer by, almost always."""
    return peer_id[:_SHORT]


def find_peer(client: Client, reference: str) -> Peer:
    """The peer with this name or id, or with an id that begins so.

    Of several with one name, revoked ones do not count.

    Raises:
        click.ClickException: if there is none, or more than one.
    """
    peers = client.peers.all()
    found = [peer for peer in peers if peer.name == reference] or [peer for peer in peers if _begins(peer.peer_id, reference)]
    if len(found) > 1:
        found = [peer for peer in found if peer.state == "active"] or found
    if len(found) > 1:
        candidates = ", ".join(f"{short_id(peer.peer_id)} ({peer.name})" for peer in found)
        raise click.ClickException(f"PEER_AMBIGUOUS: {reference!r} may be one of {candidates}: give more of the id")
    if not found:
        raise click.ClickException(
            f"PEER_UNKNOWN: there is no peer {reference!r}; give a name or the start of an id, as `odst peers` has them"
        )
    return found[0]


def _begins(peer_id: str, reference: str) -> bool:
    """In either form: plain, or in groups with check characters."""
    start = reference.replace("-", "").upper()
    grouped = InstanceId(peer_id).grouped().replace("-", "")
    return len(start) >= _LEAST_PREFIX and (peer_id.startswith(start) or grouped.startswith(start))
