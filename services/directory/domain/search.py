"""What of the audit log somebody looks for."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, fields
from typing import Any

from services.directory.domain.audit import Entry
from shared.core.errors import InvalidInput

_LONGEST = 500
_TIMES = ("since", "until")


@dataclass(frozen=True, slots=True)
class Search:
    """All that is given must be so; what is none is not asked for."""

    person: str | None = None
    type: str | None = None
    """A type, in which `*` stands for anything."""
    subject: str | None = None
    correlation_id: str | None = None
    text: str | None = None
    """Somewhere in person, subject or data; capital letters or not."""
    since: dt.datetime | None = None
    until: dt.datetime | None = None
    """The first moment that is not meant any more."""

    @classmethod
    def read(cls, filters: Any) -> Search:
        """What was asked for, from outside.

        Raises:
            InvalidInput: QUERY_INVALID, if a name is unknown, a text too long, or a time none.
        """
        if not isinstance(filters, dict | None):
            raise InvalidInput("filters are an object", "QUERY_INVALID")
        given = {name: value for name, value in (filters or {}).items() if value is not None}
        unknown = given.keys() - {field.name for field in fields(cls)}
        if unknown:
            raise InvalidInput(f"there is no filter {', '.join(sorted(map(str, unknown)))[:200]}", "QUERY_INVALID")
        read: dict[str, Any] = {name: _time(name, value) if name in _TIMES else _text(name, value) for name, value in given.items()}
        return cls(**read)

    def finds(self, entry: Entry, data: str) -> bool:
        """True if an entry is looked for; `data` is its data as JSON."""
        texts = (entry.person or "", entry.subject or "", data)
        return all(
            (
                self.person in (None, entry.person),
                self.subject in (None, entry.subject),
                self.correlation_id in (None, entry.correlation_id),
                self.type is None or re.fullmatch(re.escape(self.type).replace(r"\*", ".*"), entry.type) is not None,
                self.text is None or any(self.text.lower() in text.lower() for text in texts),
                self.since is None or entry.time >= self.since,
                self.until is None or entry.time < self.until,
            )
        )


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST or "\x00" in value:
        raise InvalidInput(f"{name} is a text of 1 to {_LONGEST} characters", "QUERY_INVALID")
    return value


def _time(name: str, value: Any) -> dt.datetime:
    try:
        time = dt.datetime.fromisoformat(value)
        if time.tzinfo is not None:
            return time.astimezone(dt.UTC)
    except (TypeError, ValueError, OverflowError):
        pass
    raise InvalidInput(f"{name} is a time as in RFC 3339, such as 2026-01-31T12:00:00Z", "QUERY_INVALID")
