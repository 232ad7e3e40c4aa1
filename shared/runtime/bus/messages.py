"""Reading messages of which nothing is trusted: each comes out as a value or as `Malformed`, never as a surprise."""

from __future__ import annotations

import json
from typing import Any

from pydantic import ValidationError

from shared.contracts.events import ALL, Envelope, Event
from shared.core.errors import Malformed
from shared.runtime.bus.topology import MAX_BODY_BYTES

CORRELATION_KEY = "nameko.correlation_id"
ATTEMPT_KEY = "odst-attempt"
_JSON_TYPES = frozenset({"application/json", "application/vnd.odst.event+json"})


def body_of(message: Any) -> bytes:
    """The raw body of a kombu message."""
    body = message.body
    return body.encode("utf-8", "surrogatepass") if isinstance(body, str) else bytes(body or b"")


def read_json(message: Any) -> Any:
    """Decode a kombu message that says it is JSON, and is.

    Raises:
        Malformed: for another content type, a compressed, too large or broken body, or headers that Nameko would die of.
    """
    headers = message.headers or {}
    if not isinstance(headers.get("nameko.call_id_stack", []), list):
        raise Malformed("the header nameko.call_id_stack is no list")
    if message.content_type not in _JSON_TYPES or headers.get("compression"):
        raise Malformed(f"content type {str(message.content_type)[:60]!r} is not read here")
    body = body_of(message)
    if len(body) > MAX_BODY_BYTES:
        raise Malformed(f"a body of {len(body)} bytes is not one of ours: the limit is {MAX_BODY_BYTES}")
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"the body is no JSON: {type(error).__name__}") from error


def read_event(message: Any, expected: type[Event]) -> tuple[Envelope, Event]:
    """Decode an event.

    Raises:
        Malformed: if it is no envelope, or not around the expected event.
    """
    document = read_json(message)
    try:
        envelope = Envelope.model_validate(document)
        if envelope.type != expected.type:
            raise Malformed(f"an event of type {envelope.type[:60]!r} came on the queue of {expected.type}")
        return envelope, ALL[envelope.type].model_validate(envelope.data)
    except ValidationError as error:
        raise Malformed(f"the event does not fit its contract: {error.errors(include_url=False, include_input=False)}"[:500]) from error


def attempt_of(message: Any) -> int:
    """How often this message was tried before; 0 for the first time and for nonsense."""
    value = (message.headers or {}).get(ATTEMPT_KEY, 0)
    return value if type(value) is int and 0 <= value < 1000 else 0  # noqa: PLR2004 - any bound serves


def correlation_of(message: Any) -> str | None:
    """The correlation id that came with the message, if any."""
    value = (message.headers or {}).get(CORRELATION_KEY)
    return value if isinstance(value, str) else None
