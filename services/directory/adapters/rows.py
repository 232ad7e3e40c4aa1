"""Between rows and values."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import json
from typing import Any

from services.directory.domain.audit import Entry, Kept
from services.directory.domain.people import Person
from services.directory.domain.rights import Role
from services.directory.domain.tokens import Token
from shared.core.audit_chain import Link, text_of
from shared.core.times import to_text, to_time

_TIMES = ("created", "expires", "last_used", "revoked")
_ENTRY_FIELDS = [field.name for field in dataclasses.fields(Entry)]


def row_of(value: Person | Token) -> dict[str, Any]:
    """A person or a token as a row: the columns are its fields."""
    fields = dataclasses.asdict(value)
    times = {name: to_text(fields[name]) for name in _TIMES if fields.get(name)}
    return fields | times | {"role": value.role.value}


def token_of(row: Any) -> Token:
    """A row as a token."""
    fields = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's documented way to a mapping
    times = {name: to_time(fields[name]) for name in _TIMES if fields[name]}
    return Token(**fields | times | {"role": Role(fields["role"])})


def audit_row(link: Link, entry: Entry) -> dict[str, Any]:
    """An entry of the audit log as a row; JSON escapes whatever a database could not store."""
    place = {"number": link.number, "previous": link.previous, "hash": link.hash}
    return dataclasses.asdict(entry) | place | {"time": to_text(entry.time), "data": json_of(entry.data)}


def json_of(data: Any) -> str:
    """Data as it is stored, and as a search for a text sees it."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"))


def kept_of(row: Any) -> Kept:
    """A row as an entry; what somebody made unreadable is shown as it is."""
    fields = {name: getattr(row, name) for name in _ENTRY_FIELDS}
    entry = Entry(**fields | {"time": _time_in(row.time), "data": _data_in(row.data)})
    return Kept(row.number, entry, row.previous, row.hash)


def link_of(row: Any) -> Link:
    """A row as a link of the chain, exactly as it stands there."""
    fields = {name: getattr(row, name) for name in (*_ENTRY_FIELDS, "number", "previous")}
    # What is no JSON stays a text, and so has another hash than it had.
    with contextlib.suppress(ValueError, RecursionError):
        fields["data"] = json.loads(row.data)
    return Link(row.number, row.previous, text_of(fields), row.hash)


def _time_in(text: str) -> dt.datetime:
    try:
        return to_time(text)
    except ValueError:
        return dt.datetime.min.replace(tzinfo=dt.UTC)


def _data_in(text: str) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return {"unreadable": text}
    return data if isinstance(data, dict) else {"unreadable": text}
