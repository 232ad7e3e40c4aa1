"""People, tokens, sessions and grants as the Admin API shows them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from services.directory.domain.groups import GroupGrant
from services.directory.domain.people import Person
from services.directory.domain.rights import roles_of
from services.directory.domain.sessions import Session, SessionLimits
from services.directory.domain.tokens import Token
from shared.core.times import rfc3339, rfc3339_or_none


def describe_person(person: Person) -> dict[str, Any]:
    """A person, without the hash of the password."""
    return {
        "person_id": person.person_id,
        "name": person.name,
        "display_name": person.display_name,
        "email": person.email,
        "source": person.source,
        "state": person.state.value,
        "role": roles_of(person.grants),
        "grants": [grant.as_json() for grant in person.grants],
        "groups": sorted(person.groups),
        "has_password": person.has_password,
        "created": rfc3339(person.created),
        "last_login": rfc3339_or_none(person.last_login),
    }


def describe_token(token: Token, names: Mapping[str, str], now: dt.datetime) -> dict[str, Any]:
    """A token, without its text; `names` are those of people by their ids."""
    return {
        "token_id": token.token_id,
        "name": token.name,
        "person": names.get(token.person_id, ""),
        "role": None if token.grants is None else roles_of(token.grants),
        "grants": None if token.grants is None else [grant.as_json() for grant in token.grants],
        "rights": None if token.rights is None else sorted(token.rights),
        "created_by": token.created_by,
        "created": rfc3339(token.created),
        "expires": rfc3339_or_none(token.expires),
        "last_used": rfc3339_or_none(token.last_used),
        "state": token.state(now).value,
    }


def describe_session(session: Session, limits: SessionLimits) -> dict[str, Any]:
    """A session, without its text."""
    return {
        "session_id": session.session_id,
        "created": rfc3339(session.created),
        "last_used": rfc3339(session.last_used),
        "ends": rfc3339(limits.ends(session)),
        "address": session.address,
        "agent": session.agent,
    }


def describe_group_grant(granted: GroupGrant) -> dict[str, Any]:
    """A grant for a group."""
    return {"grant_id": granted.grant_id, "group": granted.group, **granted.grant.as_json()}
