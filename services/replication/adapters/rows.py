"""Between rows and values. Times are RFC 3339 text in UTC with microseconds, which sorts as it should everywhere."""

from __future__ import annotations

from typing import Any

from services.replication.domain.peer import OpenInvitation, Peer, PeerState
from services.replication.domain.transfer import Transfer, TransferState
from shared.core.digest import Digest
from shared.core.identity import InstanceId
from shared.core.times import to_text, to_text_or_none, to_time, to_time_or_none


def peer_row(peer: Peer) -> dict[str, Any]:
    """A peer as a row."""
    return {
        "peer_id": str(peer.peer_id),
        "public_key": peer.public_key,
        "name": peer.name,
        "url": peer.url,
        "registered": to_text(peer.registered),
        "state": peer.state.value,
        "last_contact": to_text_or_none(peer.last_contact),
        "last_error": peer.last_error,
        "epoch": peer.epoch,
        "cursor": peer.cursor,
        "next_poll": to_text_or_none(peer.next_poll),
        "strikes": peer.strikes,
        "banned_until": to_text_or_none(peer.banned_until),
    }


def peer_of(row: Any) -> Peer:
    """A row as a peer."""
    return Peer(
        InstanceId(row.peer_id),
        bytes(row.public_key),
        row.name,
        row.url,
        to_time(row.registered),
        PeerState(row.state),
        to_time_or_none(row.last_contact),
        row.last_error,
        row.epoch,
        row.cursor,
        to_time_or_none(row.next_poll),
        row.strikes,
        to_time_or_none(row.banned_until),
    )


def invitation_row(invitation: OpenInvitation) -> dict[str, Any]:
    """An invitation as a row."""
    return {
        "lookup": invitation.lookup,
        "proof_key": invitation.proof_key,
        "created_by": invitation.created_by,
        "expires": to_text(invitation.expires),
        "wrong_proofs": invitation.wrong_proofs,
        "used_by": invitation.used_by,
    }


def invitation_of(row: Any) -> OpenInvitation:
    """A row as an invitation."""
    return OpenInvitation(row.lookup, bytes(row.proof_key), row.created_by, to_time(row.expires), row.wrong_proofs, row.used_by)


def transfer_row(transfer: Transfer) -> dict[str, Any]:
    """A transfer as a row, without the count of bytes, which workers add to beside it."""
    return {
        "transfer_id": transfer.transfer_id,
        "package_id": transfer.package_id,
        "name": transfer.name,
        "size": transfer.size,
        "sha256": transfer.sha256.hex,
        "sha1": transfer.sha1.hex,
        "correlation_id": transfer.correlation_id,
        "planned": to_text(transfer.planned),
        "changed": to_text(transfer.changed),
        "state": transfer.state.value,
        "finished": to_text_or_none(transfer.finished),
        "error": transfer.error,
    }


def transfer_of(row: Any) -> Transfer:
    """A row as a transfer."""
    return Transfer(
        row.transfer_id,
        row.package_id,
        row.name,
        row.size,
        Digest("sha256", row.sha256),
        Digest("sha1", row.sha1),
        row.correlation_id,
        to_time(row.planned),
        to_time(row.changed),
        TransferState(row.state),
        to_time_or_none(row.finished),
        row.bytes_fetched,
        row.error,
    )
