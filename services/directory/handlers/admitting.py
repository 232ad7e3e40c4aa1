"""Who may pass: what a token or a session opens, at this moment."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from services.directory.domain.people import SERVICE, Person, name_key
from services.directory.domain.rights import Allowed, Limit, Right, allowed, describe_allowed, require, roles_of
from services.directory.domain.sessions import NOTE_INTERVAL, Session, SessionLimits
from services.directory.domain.tokens import REFUSAL, TokenState, checked_fingerprint
from services.directory.ports import GroupGrants, Here, Register, Sessions
from shared.core.errors import Forbidden, Unauthenticated
from shared.core.times import rfc3339_or_none

Clock = Callable[[], dt.datetime]
"""The present time, in UTC."""


@dataclass
class Gate:
    """Asked about every call of the Admin API."""

    register: Register
    sessions: Sessions
    groups: GroupGrants
    limits: SessionLimits
    sources: frozenset[str]
    """Where accounts are kept outside; groups of a source that there is no longer mean nothing."""
    here: Here
    clock: Clock

    def authorize(self, token_sha256: Any, right: Any) -> dict[str, Any]:
        """Who holds this token, if it has the right: see `principal`.

        Raises:
            Unauthenticated: if it is unknown, expired or revoked, or its person is not to come in, all in the same words.
            Forbidden: if neither its person nor it have the right.
        """
        wanted, now = Right.parse(right), self.clock()
        found = self.register.bearer(checked_fingerprint(token_sha256))
        if found is None or found[0].state(now) is not TokenState.ACTIVE or not found[1].is_active:
            raise Unauthenticated(REFUSAL)
        token, person = found
        if token.use_is_worth_writing(now):
            self.register.note_use(token.token_id, now)
        may = token.narrowed(self.allowed_to(person), self.here())
        within = _require(may, wanted, person, token_id=token.token_id)
        return principal(person, may, within) | {"token_id": token.token_id, "expires": rfc3339_or_none(token.expires)}

    def authorize_session(self, session_sha256: Any, right: Any) -> dict[str, Any]:
        """Whose session this is, if they have the right: see `principal`.

        Raises:
            Unauthenticated: if it is unknown or over, in the same words as above.
            Forbidden: if its person does not have the right.
        """
        wanted, now = Right.parse(right), self.clock()
        session, person = self.limits.check(self.sessions.find(checked_fingerprint(session_sha256)), now)
        if now - session.last_used >= min(NOTE_INTERVAL, self.limits.idle / 2):
            self.sessions.note_use(session.session_id, now)
        may = self.allowed_to(person)
        within = _require(may, wanted, person, session_id=session.session_id)
        return principal(person, may, within) | {"session_id": session.session_id, "expires": self._ends(session)}

    def _ends(self, session: Session) -> str | None:
        return rfc3339_or_none(session.created + self.limits.absolute)

    def check_right(self, person: Any, right: Any, tag: Any) -> dict[str, Any]:
        """`{may, reason}`: whether somebody has a right within a staging tag now, not who asks; `reason` says why not.

        Raises:
            InvalidInput: RIGHT_UNKNOWN.
        """
        wanted, known = Right.parse(right), self.register.named(name_key(str(person)))
        if known is None or not known.is_active:
            return {"may": False, "reason": f"{str(person)[:60]} may not come in any more"}
        may = self.allowed_to(known)
        limit = may.get(wanted)
        has_it = wanted in may and (limit is None or tag in limit)
        return {"may": has_it, "reason": None if has_it else f"{known.name} has no longer the right to {wanted} within {str(tag)[:60]}"}

    def allowed_to(self, person: Person) -> Allowed:
        """What somebody may do here, by their own grants and those of their groups."""
        grants = list(person.grants)
        if person.groups and person.source in self.sources:
            grants += [granted.grant for granted in self.groups.all() if granted.key in person.groups]
        may = allowed(grants, self.here())
        if person.source == SERVICE:
            may.pop(Right.APPROVE, None)
        return may


def _require(may: Allowed, wanted: Right, person: Person, **by: str) -> Limit:
    """As `require`; the refusal says to our own services whom it is about."""
    try:
        return require(may, wanted)
    except Forbidden as error:
        error.who = {"person": person.name, **by}
        raise


def principal(person: Person, may: Allowed, within: Limit) -> dict[str, Any]:
    """Who calls, and what they may do.

    `{person, person_id, display_name, source, role, rights, within, token_id, session_id, expires}`: `rights` has the tags within
    which each holds, or null for everywhere; `within` is that of the right that was asked for.
    """
    return {
        "person": person.name,
        "person_id": person.person_id,
        "display_name": person.display_name,
        "source": person.source,
        "role": roles_of(person.grants),
        "rights": describe_allowed(may),
        "within": None if within is None else sorted(within),
        "token_id": None,
        "session_id": None,
    }
