"""Times as text: as they are stored, and as people and programs outside read them. Always UTC."""

from __future__ import annotations

import datetime as dt


def to_text(time: dt.datetime) -> str:
    """A time as it is stored: RFC 3339 with microseconds, whose order as text is the order in time, on any database."""
    return _with_z(time, "microseconds")


def to_time(text: str) -> dt.datetime:
    """A stored time."""
    return dt.datetime.fromisoformat(text)


def to_text_or_none(time: dt.datetime | None) -> str | None:
    """`to_text` of a time that may not be."""
    return to_text(time) if time else None


def to_time_or_none(text: str | None) -> dt.datetime | None:
    """`to_time` of a text that may not be."""
    return to_time(text) if text else None


def rfc3339(time: dt.datetime) -> str:
    """A time as the APIs show it: whole seconds."""
    return _with_z(time, "seconds")


def rfc3339_or_none(time: dt.datetime | None) -> str | None:
    """The same, of a time that may not be."""
    return rfc3339(time) if time else None


def _with_z(time: dt.datetime, precision: str) -> str:
    """Not by `strftime`, which writes the year 900 with three digits."""
    return time.astimezone(dt.UTC).replace(tzinfo=None).isoformat(timespec=precision) + "Z"
