"""One event as it is sent to readers (Server-Sent Events, WHATWG HTML, section 9.2), and what it is chosen by."""

from __future__ import annotations

import datetime as dt
import json
import re
import uuid
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from shared.contracts.events import ALL, Envelope

LOST: Final = "events.lost"
ENDED: Final = "events.ended"
MOST_BYTES: Final = 256 * 1024
"""A larger event is none of ours: events carry identifiers and small values."""
_TYPE = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*){1,2}")
_UNKNOWN_RIGHT = "audit"
"""Who may see what only a newer version of a service says."""
_ABOUT_PACKAGES = ("package.", "promotion.")


@dataclass(frozen=True, slots=True)
class Told:
    """An event, ready to be sent."""

    event_id: str | None
    """None for what is only about the stream."""
    type: str
    right: str
    frame: bytes
    about_package: bool = False
    name: str | None = None
    """Of a package, if it is about one and says so."""
    tags: frozenset[str] | None = None
    """Of that package, or the stage that it is promoted to; none if it does not say."""


def read(body: bytes) -> Told | None:
    """A message of the bus; None if it is no event."""
    if len(body) > MOST_BYTES:
        return None
    try:
        envelope = Envelope.model_validate_json(body)
    except ValidationError:
        return None
    if not _TYPE.fullmatch(envelope.type):
        return None
    known = ALL.get(envelope.type)
    about_package = envelope.type.startswith(_ABOUT_PACKAGES)
    name = envelope.data.get("name")
    return Told(
        envelope.id,
        envelope.type,
        known.right if known else _UNKNOWN_RIGHT,
        frame(envelope.type, envelope.model_dump(mode="json"), envelope.id),
        about_package,
        name if about_package and isinstance(name, str) else None,
        _tags_of(envelope.data) if about_package else None,
    )


def _tags_of(data: dict[str, Any]) -> frozenset[str] | None:
    if isinstance(data.get("stage"), str):
        return frozenset({data["stage"]})
    tags = data.get("tags")
    return frozenset(tag for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else None


def lost(reason: str, detail: str) -> Told:
    """Says that events may be missing here."""
    return Told(None, LOST, "view", about_stream(LOST, reason, detail))


def about_stream(event_type: str, reason: str, detail: str) -> bytes:
    """A message about the stream itself, in the form of the others and without an id."""
    document = {
        "id": str(uuid.uuid4()),
        "type": event_type,
        "source": "api_gateway",
        "time": dt.datetime.now(dt.UTC).isoformat().replace("+00:00", "Z"),
        "correlation_id": "",
        "data": {"reason": reason, "detail": detail},
    }
    return frame(event_type, document)


def frame(event_type: str, document: dict[str, Any], event_id: str | None = None) -> bytes:
    """One message; its JSON is on one line."""
    named = f"id: {event_id}\n" if event_id else ""
    return f"{named}event: {event_type}\ndata: {json.dumps(document, ensure_ascii=False, separators=(',', ':'))}\n\n".encode()


def comment(text: str) -> bytes:
    """What clients throw away: it shows that the connection lives."""
    return f": {text}\n\n".encode()


def position(event_id: str) -> bytes:
    """Lets a client remember this id without telling it anything."""
    return f"id: {event_id}\n\n".encode()
