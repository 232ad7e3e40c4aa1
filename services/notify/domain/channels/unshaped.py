"""An event as it is kept for channels whose messages get their form later: in a digest, or by a template."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

from services.notify.domain.channels.base import Message, Told

CONTENT_TYPE = "application/vnd.odst.told+json"


def unshaped(told: Told) -> Message:
    """All that there is to tell of an event, frozen."""
    document: dict[str, Any] = {"event_id": told.event_id, "event_type": told.event_type, "time": told.time.astimezone(dt.UTC).isoformat()}
    document |= {"instance": told.instance, "data": dict(told.data)}
    return Message(json.dumps(document).encode(), CONTENT_TYPE)


def told_of(message: Message) -> Told:
    """The event of such a message."""
    document = json.loads(message.content)
    time = dt.datetime.fromisoformat(document["time"])
    return Told(document["event_id"], document["event_type"], time, document["instance"], document["data"])
