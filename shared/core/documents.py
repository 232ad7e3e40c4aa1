"""What signed documents have in common: JSON payloads of which nothing is trusted until it was read."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from typing import Any, TypeVar

from shared.core.errors import OdstError, RecordInvalid
from shared.core.identity import InstanceId

T = TypeVar("T")


def payload_of(fields: dict[str, Any]) -> bytes:
    """The bytes to sign: JSON with sorted keys and no spaces. Made once, by the author."""
    return json.dumps(fields, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def read_payload(payload: bytes, limit: int, schema: str, read: Callable[[dict[str, Any]], T]) -> T:
    """What `read` makes of the fields of a payload whose signature the caller checks.

    Raises:
        RecordInvalid: if it is too long, no JSON object, of another schema, or `read` finds a field missing or malformed.
    """
    if len(payload) > limit:
        raise RecordInvalid(f"the record has {len(payload)} bytes; at most {limit} are read")
    try:
        fields = json.loads(payload)
        if fields["schema"] != schema:
            raise RecordInvalid(f"schema {str(fields['schema'])[:60]!r} is not {schema}")
        return read(fields)
    except OdstError as error:
        raise RecordInvalid(f"the record is malformed: {error}") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError, binascii.Error) as error:
        raise RecordInvalid(f"the record is malformed: {type(error).__name__}: {error}"[:300]) from error


def read_text(value: object, limit: int) -> str:
    """Text for people out of a payload, cut to `limit`; what cannot be shown, or stored by every database, is replaced.

    Raises:
        RecordInvalid: if it is no text.
    """
    if not isinstance(value, str):
        raise RecordInvalid("a text was expected")
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in value[:limit])


def key_text(raw: bytes) -> str:
    """Raw key bytes as they stand in a payload."""
    return base64.b64encode(raw).decode()


def read_key(text: str, owner: InstanceId) -> bytes:
    """The raw public key in a payload, if it is its owner's.

    Raises:
        RecordInvalid: if the id does not belong to the key.
    """
    raw = base64.b64decode(text, validate=True)
    if not owner.belongs_to(raw):
        raise RecordInvalid("the key in the record is not that of its author")
    return raw
