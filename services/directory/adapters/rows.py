"""Between rows and values."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from services.directory.domain.audit import Entry
from services.directory.domain.people import Person
from services.directory.domain.rights import Role
from services.directory.domain.tokens import Token
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


def audit_row(number: int, entry: Entry) -> dict[str, Any]:
    """An entry of the audit log as a row; JSON escapes whatever a database could not store."""
    data = json.dumps(entry.data, sort_keys=True, separators=(",", ":"))
    return dataclasses.asdict(entry) | {"number": number, "time": to_text(entry.time), "data": data}


def entry_of(row: Any) -> Entry:
    """A row as an entry of the audit log."""
    fields = {name: getattr(row, name) for name in _ENTRY_FIELDS}
    return Entry(**fields | {"time": to_time(row.time), "data": json.loads(row.data)})
