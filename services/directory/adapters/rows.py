"""Between rows and values. Grants, rights and groups are JSON in a column: they are read whole, and never asked for."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import json
from typing import Any

from services.directory.domain.audit import Entry, Kept
from services.directory.domain.groups import GroupGrant
from services.directory.domain.keyed_requests import KeyedRequest
from services.directory.domain.people import Person, PersonState
from services.directory.domain.rights import Grant, Right, read_grants
from services.directory.domain.sessions import Session
from services.directory.domain.throttle import Failures
from services.directory.domain.tokens import Token
from shared.core.audit_chain import Link, text_of
from shared.core.times import to_text, to_text_or_none, to_time, to_time_or_none

_PERSON_TIMES = ("created", "seen", "last_login")
_TOKEN_TIMES = ("created", "expires", "last_used", "revoked")
_KEYED_TIMES = ("begun", "ended")
_ENTRY_FIELDS = [field.name for field in dataclasses.fields(Entry)]
_PERSON_FIELDS = [field.name for field in dataclasses.fields(Person)]
_TOKEN_FIELDS = [field.name for field in dataclasses.fields(Token)]


def person_row(person: Person) -> dict[str, Any]:
    """A person as a row."""
    fields = {name: getattr(person, name) for name in _PERSON_FIELDS}
    written = {"key": person.key, "state": person.state.value, "grants": _text(person.grants), "groups": json.dumps(sorted(person.groups))}
    return fields | _written_times(fields, _PERSON_TIMES) | written


def person_of(row: Any) -> Person:
    """A row as a person."""
    fields = {name: getattr(row, name) for name in _PERSON_FIELDS}
    read = {"state": PersonState(row.state), "grants": _grants(row.grants), "groups": frozenset(json.loads(row.groups))}
    return Person(**fields | _read_times(fields, _PERSON_TIMES) | read)


def token_row(token: Token) -> dict[str, Any]:
    """A token as a row."""
    fields = {name: getattr(token, name) for name in _TOKEN_FIELDS}
    written = {
        "grants": None if token.grants is None else _text(token.grants),
        "rights": None if token.rights is None else json.dumps(sorted(token.rights)),
    }
    return fields | _written_times(fields, _TOKEN_TIMES) | written


def token_of(row: Any) -> Token:
    """A row as a token."""
    fields = {name: getattr(row, name) for name in _TOKEN_FIELDS}
    read = {
        "grants": None if row.grants is None else _grants(row.grants),
        "rights": None if row.rights is None else frozenset(Right(right) for right in json.loads(row.rights)),
    }
    return Token(**fields | _read_times(fields, _TOKEN_TIMES) | read)


def session_row(session: Session) -> dict[str, Any]:
    """A session as a row."""
    return dataclasses.asdict(session) | {"created": to_text(session.created), "last_used": to_text(session.last_used)}


def session_of(row: Any) -> Session:
    """A row as a session."""
    fields = {field.name: getattr(row, field.name) for field in dataclasses.fields(Session)}
    return Session(**fields | {"created": to_time(row.created), "last_used": to_time(row.last_used)})


def failures_row(key: str, failures: Failures) -> dict[str, Any]:
    """Failed attempts as a row."""
    return {"key": key, "count": failures.count, "last": to_text(failures.last), "blocked_until": to_text(failures.blocked_until)}


def failures_of(row: Any) -> Failures:
    """A row as failed attempts."""
    count: int = row._mapping["count"]  # noqa: SLF001 - SQLAlchemy's documented way; a row has a method of that name
    return Failures(count, to_time(row.last), to_time(row.blocked_until))


def group_grant_row(granted: GroupGrant) -> dict[str, Any]:
    """A group's grant as a row."""
    return {"grant_id": granted.grant_id, "group": granted.group, "grant": _text([granted.grant])}


def group_grant_of(row: Any) -> GroupGrant:
    """A row as a group's grant."""
    (grant,) = _grants(row.grant)
    return GroupGrant(row.grant_id, row.group, grant)


def keyed_request_row(request: KeyedRequest) -> dict[str, Any]:
    """A request with a key as a row."""
    fields = {field.name: getattr(request, field.name) for field in dataclasses.fields(KeyedRequest)}
    return fields | _written_times(fields, _KEYED_TIMES) | {"answer": None if request.answer is None else json.dumps(dict(request.answer))}


def keyed_request_of(row: Any) -> KeyedRequest:
    """A row as a request with a key."""
    fields = {field.name: getattr(row, field.name) for field in dataclasses.fields(KeyedRequest)}
    return KeyedRequest(**fields | _read_times(fields, _KEYED_TIMES) | {"answer": None if row.answer is None else json.loads(row.answer)})


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


def _written_times(fields: dict[str, Any], names: tuple[str, ...]) -> dict[str, str | None]:
    return {name: to_text_or_none(fields[name]) for name in names}


def _read_times(fields: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: to_time_or_none(fields[name]) for name in names}


def _text(grants: Any) -> str:
    return json.dumps([grant.as_json() for grant in grants])


def _grants(text: str) -> tuple[Grant, ...]:
    return read_grants(json.loads(text))
