"""Checkpoints and receipts: what an instance says of its audit log, and what a peer says that it was told.

A checkpoint says: my entry `number` has this hash. It names the checkpoint before it, so that a peer that has seen both notices
when the log was written anew in between. A receipt is the peer's signature over what it was told, with the time at its clock.
(Compare the signed tree heads of RFC 9162, which gossip is for.)
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import Any

from shared.core.audit_chain import Position
from shared.core.documents import key_text, payload_of, read_key, read_payload
from shared.core.errors import RecordInvalid
from shared.core.identity import InstanceId
from shared.core.times import rfc3339

CHECKPOINT_TYPE = "application/vnd.odst.checkpoint+json"
CHECKPOINT_SCHEMA = "odst.checkpoint.v1"
RECEIPT_TYPE = "application/vnd.odst.receipt+json"
RECEIPT_SCHEMA = "odst.receipt.v1"
MAX_PAYLOAD_BYTES = 4096
_MAX_NUMBER = 1 << 53
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What an instance says of its audit log."""

    instance_id: InstanceId
    instance_key: bytes
    at: Position
    previous: Position | None
    """The checkpoint before this one; none for the first."""
    time: dt.datetime
    """In whole seconds."""

    def payload(self) -> bytes:
        """The bytes to sign."""
        return payload_of(
            {
                "schema": CHECKPOINT_SCHEMA,
                "instance_id": str(self.instance_id),
                "instance_key": key_text(self.instance_key),
                "number": self.at.number,
                "hash": self.at.hash,
                "previous": {"number": self.previous.number, "hash": self.previous.hash} if self.previous else None,
                "time": rfc3339(self.time),
            }
        )

    @classmethod
    def parse(cls, payload: bytes) -> Checkpoint:
        """Read a payload whose signature the caller checks.

        Raises:
            RecordInvalid: if a field is missing or malformed, or the checkpoint before it is not before it.
        """
        return read_payload(payload, MAX_PAYLOAD_BYTES, CHECKPOINT_SCHEMA, cls._from_fields)

    @classmethod
    def _from_fields(cls, fields: dict[str, Any]) -> Checkpoint:
        instance_id = InstanceId.parse(fields["instance_id"])
        at, previous = _position(fields), fields["previous"]
        before = None if previous is None else _position(previous)
        if before is not None and before.number >= at.number:
            raise RecordInvalid("a checkpoint is after the one before it")
        return cls(instance_id, read_key(fields["instance_key"], instance_id), at, before, _time(fields["time"]))


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a peer was told of the audit log of an instance."""

    instance_id: InstanceId
    at: Position
    witness: InstanceId
    witness_key: bytes
    time: dt.datetime
    """When, at the witness's clock; in whole seconds."""

    def payload(self) -> bytes:
        """The bytes to sign."""
        return payload_of(
            {
                "schema": RECEIPT_SCHEMA,
                "instance_id": str(self.instance_id),
                "number": self.at.number,
                "hash": self.at.hash,
                "witness": str(self.witness),
                "witness_key": key_text(self.witness_key),
                "time": rfc3339(self.time),
            }
        )

    @classmethod
    def parse(cls, payload: bytes) -> Receipt:
        """Read a payload whose signature the caller checks.

        Raises:
            RecordInvalid: if a field is missing or malformed.
        """
        return read_payload(payload, MAX_PAYLOAD_BYTES, RECEIPT_SCHEMA, cls._from_fields)

    @classmethod
    def _from_fields(cls, fields: dict[str, Any]) -> Receipt:
        instance_id, witness = InstanceId.parse(fields["instance_id"]), InstanceId.parse(fields["witness"])
        return cls(instance_id, _position(fields), witness, read_key(fields["witness_key"], witness), _time(fields["time"]))


def _position(fields: dict[str, Any]) -> Position:
    number, digest = fields["number"], fields["hash"]
    if type(number) is not int or not 0 < number < _MAX_NUMBER or not _SHA256.fullmatch(digest):
        raise RecordInvalid("a place in an audit log is a number from 1 and a SHA-256")
    return Position(number, digest)


def _time(text: str) -> dt.datetime:
    time = dt.datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise RecordInvalid("a time has an offset from UTC")
    return time.astimezone(dt.UTC).replace(microsecond=0)
