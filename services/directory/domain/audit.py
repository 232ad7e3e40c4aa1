"""The audit log: what happened, who asked for it, and to what. Entries are added, never changed."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.contracts.events import DoorActedV1, Event
from shared.contracts.happening import Happening
from shared.core.audit_chain import Link, Position
from shared.core.errors import InvalidInput
from shared.core.times import to_text

MAX_PAGE = 1000
WINDOW = 50_000
"""Entries that one search for a text looks through at most; the next page goes on behind them."""
_LONGEST = 500
"""Characters of a person or a subject: both are indexed."""
_CURSOR = re.compile(r"[0-9]{1,18}", re.ASCII)
_NAMES_OF_A_PACKAGE = ("name", "package_id")
_OTHER_NAMES = ("peer_id", "instance_id", "old_id", "subscription_id", "about")
"""Of an instance, of a subscription, or of what an alarm is about."""


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
    """The package's name, or the id of the instance, the subscription or what an alarm is about; none for what is about this instance."""
    data: dict[str, Any]

    @classmethod
    def about(cls, event: Event, happening: Happening) -> Entry:
        """The entry for an event."""
        data = event.model_dump(mode="json")
        return cls(
            event_id=happening.event_id,
            type=f"act.{event.operation}" if isinstance(event, DoorActedV1) else event.type,
            source=event.source,
            time=happening.time,
            correlation_id=happening.correlation_id,
            person=_short(data.get("person")),
            subject=_short(data.get("subject") if isinstance(event, DoorActedV1) else _subject_of(data)),
            data=data,
        )

    def link(self, after: Position) -> Link:
        """The entry as a link of the chain, behind `after`."""
        return Link.made(
            {
                "number": after.number + 1,
                "previous": after.hash,
                "event_id": self.event_id,
                "type": self.type,
                "source": self.source,
                "time": to_text(self.time),
                "correlation_id": self.correlation_id,
                "person": self.person,
                "subject": self.subject,
                "data": self.data,
            }
        )


@dataclass(frozen=True, slots=True)
class Kept:
    """An entry with its place in the chain."""

    number: int
    entry: Entry
    previous: str
    hash: str

    @property
    def link(self) -> Link:
        """The link that it is."""
        made = self.entry.link(Position(self.number - 1, self.previous))
        return Link(self.number, self.previous, made.text, self.hash)


def _subject_of(data: Mapping[str, Any]) -> str | None:
    names = _NAMES_OF_A_PACKAGE if "package_id" in data else _OTHER_NAMES
    return next((str(data[name]) for name in names if data.get(name)), None)


def _short(text: str | None) -> str | None:
    return None if text is None else text[:_LONGEST]


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
