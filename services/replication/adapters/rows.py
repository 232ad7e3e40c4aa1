"""Between rows and values. Times are RFC 3339 text in UTC with microseconds, which sorts as it should everywhere."""

from __future__ import annotations

import base64
from typing import Any

from services.replication.domain.peer import OpenInvitation, Peer, PeerState
from services.replication.domain.records import Deferred
from services.replication.domain.transfer import Priority, Transfer, TransferState
from services.replication.domain.witnessing import Held
from shared.core.clock import Stamp
from shared.core.digest import Digest
from shared.core.identity import InstanceId
from shared.core.staging import Tags
from shared.core.times import to_text, to_text_or_none, to_time, to_time_or_none
from shared.runtime.keys import trusted_checkpoint
from shared.runtime.secret_columns import SecretColumn


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
        "tags": _tags_text(peer.tags),
        "ever_tags": _tags_text(peer.ever_tags),
        "view": peer.view,
        "steward": peer.steward,
        "steward_until": _text_or_none(peer.steward_until),
        "revoked_since": _text_or_none(peer.revoked_since),
        "protocol": peer.protocol,
        "announced_epoch": peer.announced_epoch,
        "announced_seq": peer.announced_seq,
        "news_correlation_id": peer.news_correlation_id,
        "last_pull": to_text_or_none(peer.last_pull),
        "clock_skew_seconds": peer.clock_skew_seconds,
        "next_drift_check": to_text_or_none(peer.next_drift_check),
        "drift_checks": peer.drift_checks,
        "drift_found": peer.drift_found,
        "catching_up": peer.catching_up,
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
        _tags(row.tags),
        _tags(row.ever_tags),
        row.view,
        row.steward,
        _stamp_or_none(row.steward_until),
        _stamp_or_none(row.revoked_since),
        row.protocol,
        row.announced_epoch,
        row.announced_seq,
        row.news_correlation_id,
        to_time_or_none(row.last_pull),
        row.clock_skew_seconds,
        to_time_or_none(row.next_drift_check),
        row.drift_checks,
        row.drift_found,
        row.catching_up,
    )


def invitation_row(invitation: OpenInvitation, secrets: SecretColumn) -> dict[str, Any]:
    """An invitation as a row."""
    return {
        "lookup": invitation.lookup,
        "encrypted_proof_key": secrets.encrypt(invitation.proof_key.hex(), invitation.lookup),
        "created_by": invitation.created_by,
        "expires": to_text(invitation.expires),
        "wrong_proofs": invitation.wrong_proofs,
        "used_by": invitation.used_by,
        "tags": None if invitation.tags is None else _tags_text(invitation.tags),
        "steward": invitation.steward,
    }


def invitation_of(row: Any, secrets: SecretColumn) -> OpenInvitation:
    """A row as an invitation.

    Raises:
        SecretUnreadable: if what proves it cannot be read.
    """
    return OpenInvitation(
        row.lookup,
        bytes.fromhex(secrets.decrypt(row.encrypted_proof_key, row.lookup)),
        row.created_by,
        to_time(row.expires),
        row.wrong_proofs,
        row.used_by,
        None if row.tags is None else _tags(row.tags),
        row.steward,
    )


def deferred_row(deferred: Deferred) -> dict[str, Any]:
    """A record that was not taken, as a row."""
    return {
        "peer_id": deferred.peer_id,
        "kind": deferred.key[0],
        "record_id": deferred.key[1],
        "digest": deferred.version,
        "code": deferred.code,
        "reason": deferred.reason,
        "first_seen": to_text(deferred.first_seen),
        "next_try": to_text(deferred.next_try),
        "attempts": deferred.attempts,
        "final": deferred.final,
    }


def deferred_of(row: Any) -> Deferred:
    """A row as a record that was not taken."""
    key, times = (row.kind, row.record_id), (to_time(row.first_seen), to_time(row.next_try))
    return Deferred(row.peer_id, key, row.digest, row.code, row.reason, *times, row.attempts)


def _tags_text(tags: Tags) -> str:
    return ",".join(sorted(tags))


def _tags(text: str) -> Tags:
    return frozenset(text.split(",")) if text else frozenset()


def _text_or_none(stamp: Stamp | None) -> str | None:
    return str(stamp) if stamp else None


def _stamp_or_none(text: str | None) -> Stamp | None:
    return Stamp.parse(text) if text else None


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
        "paused": transfer.paused,
        "priority": int(transfer.priority),
        "turn": f"{Priority.HIGH - transfer.priority}{to_text(transfer.planned)}" if transfer.is_in_turn else None,
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
        row.paused,
        Priority(row.priority),
    )


def witnessed_row(peer_id: str, held: Held) -> dict[str, Any]:
    """A peer's checkpoint as a row."""
    number, digest = held.key
    envelope = base64.b64encode(held.envelope).decode()
    place = {"peer_id": peer_id, "number": number, "hash": digest}
    return place | {"received": to_text(held.received), "contradicts": held.contradicts, "envelope": envelope}


def witnessed_of(row: Any) -> Held:
    """A row as a peer's checkpoint."""
    envelope = base64.b64decode(row.envelope)
    return Held(trusted_checkpoint(envelope), envelope, to_time(row.received), bool(row.contradicts))
