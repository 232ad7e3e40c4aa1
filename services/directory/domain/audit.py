"""The audit log: what happened, who asked for it, and to what. Entries are added, never changed."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.contracts.events import Event
from shared.contracts.happening import Happening
from shared.core.errors import InvalidInput

MAX_PAGE = 1000
_CURSOR = re.compile(r"[0-9]{1,18}")
_NAMES_OF_A_PACKAGE = ("name", "package_id")
_NAMES_OF_AN_INSTANCE = ("peer_id", "instance_id", "old_id")


@dataclass(frozen=True, slots=True)
class Entry:
    """One event, as it is written down."""

    event_id: str
    type: str
    source: str
    """The service that said so."""
    time: dt.datetime
    """When it happened; entries stand in the order in which they were heard."""
    correlation_id: str
    person: str | None
    """Who asked for it; none for what no person did."""
    subject: str | None
    """The package's name, or the instance's id; none for what is about this instance."""
    data: dict[str, Any]

    @classmethod
    def about(cls, event: Event, happening: Happening) -> Entry:
        """The entry for an event."""
        data = event.model_dump(mode="json")
        return cls(
            event_id=happening.event_id,
            type=event.type,
            source=event.source,
            time=happening.time,
            correlation_id=happening.correlation_id,
            person=data.get("person"),
            subject=_subject_of(data),
            data=data,
        )


def _subject_of(data: Mapping[str, Any]) -> str | None:
    names = _NAMES_OF_A_PACKAGE if "package_id" in data else _NAMES_OF_AN_INSTANCE
    return next((str(data[name]) for name in names if data.get(name)), None)


def read_cursor(after: Any) -> int | None:
    """The number behind a cursor; none for the first page.

    Raises:
        InvalidInput: CURSOR_INVALID.
    """
    if after is None:
        return None
    if not _CURSOR.fullmatch(str(after)):
        raise InvalidInput("the cursor in `after` is not one that this API gave", "CURSOR_INVALID")
    return int(after)
