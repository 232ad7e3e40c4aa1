"""API tokens: make, list, revoke. Whoever makes one gives away no more than they have."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from services.directory.domain.people import SERVICE, Everybody, Person, check_administered, name_key
from services.directory.domain.rights import Allowed, Right, covers, read_grants
from services.directory.domain.tokens import Lifetimes, Token, checked_name, fingerprint, new_token_text, read_rights
from services.directory.handlers.admitting import Clock, Gate
from services.directory.handlers.describing import describe_token
from services.directory.ports import Here, Register
from shared.core.errors import Forbidden, InvalidInput, NotFound


@dataclass(frozen=True)
class Maker:
    """Who asks for a token, and with which one, if not in a session."""

    person: Person
    token: Token | None
    may: Allowed


@dataclass
class TokenHandlers:
    """Tokens of people, and of services."""

    register: Register
    gate: Gate
    lifetimes: Lifetimes
    here: Here
    clock: Clock

    def create_token(  # noqa: PLR0913, PLR0917 - the whole wish
        self, name: Any, grants: Any, rights: Any, person: Any, valid_seconds: Any, never_expires: Any, maker: Any
    ) -> dict[str, Any]:
        """Make a token; its description, with the token itself as `token`. This is the only time that it is shown.

        Without `grants` it may do what its maker may, which includes the limits of the token that it is made with. `person` is a
        service, for which only an administrator makes tokens; without, it belongs to its maker.

        Raises:
            InvalidInput: TOKEN_NAME_INVALID, GRANT_INVALID, ROLE_UNKNOWN, RIGHT_UNKNOWN, VALIDITY_INVALID, PERSON_NOT_SERVICE.
            Forbidden: TOKEN_TOO_WIDE, if it were to do more than its maker may; FORBIDDEN, for what an administrator must do.
            NotFound: if there is no such service.
        """
        by, now, text = self._maker(maker), self.clock(), new_token_text()
        owner = self._owner(person, by)
        token = Token(
            str(uuid.uuid4()), checked_name(name), owner.person_id, fingerprint(text), by.person.name, now, *_limits(grants, rights, by)
        )
        if grants is not None and not covers(by.may, token.narrowed(dict.fromkeys(Right), self.here())):
            raise Forbidden("a token may do no more than who makes it, and with what", "TOKEN_TOO_WIDE")
        token = self._with_expiry(token, valid_seconds, by, never=never_expires is True)
        self.register.add_token(token)
        return describe_token(token, {owner.person_id: owner.name}, now) | {"token": text}

    def _maker(self, maker: Any) -> Maker:
        known = maker if isinstance(maker, Mapping) else {}
        person = self.register.person(str(known.get("person_id")))
        if person is None or not person.is_active:
            raise Forbidden("who makes a token must be somebody here")
        may, token = self.gate.allowed_to(person), None
        if known.get("token_id") is not None:
            token = next(one for one in self.register.tokens() if one.token_id == known["token_id"])
            may = token.narrowed(may, self.here())
        return Maker(person, token, may)

    def _owner(self, name: Any, by: Maker) -> Person:
        if name is None:
            return by.person
        _require_administrator(by, "make tokens for a service")
        found = self.register.named(name_key(str(name)))
        if found is None or not found.is_active:
            raise NotFound(f"there is no service {str(name)[:60]!r}")
        if found.source != SERVICE:
            raise InvalidInput("only services have tokens that others make; people make their own", "PERSON_NOT_SERVICE")
        return found

    def _with_expiry(self, token: Token, valid_seconds: Any, by: Maker, *, never: bool) -> Token:
        latest = by.token.expires if by.token else None
        if never:
            _require_administrator(by, "make tokens that do not expire")
            if valid_seconds is not None or latest is not None:
                raise InvalidInput("a token that does not expire has no validity, and is made with none that has", "VALIDITY_INVALID")
            return token
        return replace(token, expires=self.lifetimes.expiry(token.created, valid_seconds, latest))

    def list_tokens(self, of: str | None) -> dict[str, Any]:
        """Tokens, newest first, without their text: those of one person, or all."""
        now, names = self.clock(), {person.person_id: person.name for person in self.register.people()}
        found = [token for token in self.register.tokens() if of is None or token.person_id == of]
        return {"items": [describe_token(token, names, now) for token in found]}

    def revoke_token(self, token_id: str, of: str | None) -> None:
        """Close a door for good; doing so twice is fine. With `of`, only if it is this person's.

        Raises:
            NotFound: if there is no such token.
            Conflict: LAST_ADMINISTRATOR, if nobody could administer this instance any more.
        """
        now = self.clock()

        def check(everybody: Everybody) -> None:
            known = {token.token_id for token in everybody.tokens if of is None or token.person_id == of}
            if token_id not in known:
                raise NotFound(f"there is no token {token_id[:40]!r}")
            check_administered(everybody, everybody.without_token(token_id), self.here(), now)

        self.register.revoke_token(token_id, now, check)


def _limits(grants: Any, rights: Any, by: Maker) -> tuple[Any, Any]:
    """What is wished; where nothing is, the limits of the token that it is made with."""
    own = by.token
    wished = read_rights(rights)
    if grants is None:
        inherited = own.rights if own else None
        return own.grants if own else None, wished if inherited is None else inherited if wished is None else wished & inherited
    return read_grants(grants), wished


def _require_administrator(by: Maker, what: str) -> None:
    if Right.ADMINISTER not in by.may:
        raise Forbidden(f"only an administrator may {what}")
