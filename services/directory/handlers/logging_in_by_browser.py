"""Logging in at a provider of OpenID Connect, in two steps that a browser walks between.

::

    begin ──▶ state and secret, of which digests are kept ──▶ the provider's address
    finish ──▶ has to wait? ──▶ counted as failed ──▶ state and secret taken, once ──▶ the provider says who it is
                                                         │right
                                                         └──▶ not counted any more, a session

The identity is the subject at the provider. The name is that of the first log-in and stays; one that somebody else has here is refused.
"""

from __future__ import annotations

import datetime as dt
import math
import uuid
from dataclasses import dataclass, replace
from typing import Any

from services.directory.domain.accounts import OIDC, Recognised
from services.directory.domain.pending_logins import (
    LASTS,
    PendingLogin,
    Proof,
    Returned,
    checked_loopback,
    checked_path,
    digest,
    new_secret,
)
from services.directory.domain.people import Person, PersonState, name_key
from services.directory.domain.throttle import Rule, address_key
from services.directory.domain.tokens import checked_fingerprint
from services.directory.handlers.admitting import Clock
from services.directory.handlers.logging_in import SessionHandlers, as_told, line_of
from services.directory.handlers.outside import AccountsOutside
from services.directory.ports import Attempts, PendingLogins, Register
from shared.core.errors import Forbidden, InvalidInput, ServiceUnavailable, TransientError, Unauthenticated
from shared.runtime.logging import get_logger

log = get_logger(__name__)
_NOT_BEGUN = "this log-in was not begun in this browser, is used up, or took more than ten minutes: begin anew"
_MOST_CODE_CHARACTERS = 4096


@dataclass
class BrowserLogins:
    """Log-ins that are finished at a provider."""

    register: Register
    attempts: Attempts
    pending: PendingLogins
    outside: AccountsOutside
    sessions: SessionHandlers
    trust: dt.timedelta
    """Who did not log in for so long is shut out until they do."""
    clock: Clock

    def begin(self, redirect_uri: Any, next_path: Any, address: Any) -> dict[str, Any]:
        """`{url, secret, expires_seconds}`: where to log in, and what has to be shown to finish it; or `{wait_seconds}`.

        Without `redirect_uri`, the provider sends its answer to this instance; with one, to a program at a loopback address.

        Raises:
            Conflict: OIDC_NOT_CONFIGURED.
            InvalidInput: REDIRECT_URI_INVALID, PATH_INVALID.
            ServiceUnavailable: OIDC_UNAVAILABLE; TOO_MANY_LOGINS, if too many were begun and not finished.
        """
        provider = self.outside.provider_here()
        target = self.outside.callback if redirect_uri is None else checked_loopback(redirect_uri)
        path, now = checked_path(next_path), self.clock()
        wait = self.attempts.wait(self._rules(address), now)
        if wait:
            return self._has_to_wait(address, wait)
        state, secret = new_secret(), new_secret()
        url = provider.address_for(target, state, Proof.of(secret))
        login = PendingLogin(digest(state), digest(secret), target, path, address_key(str(address)), now)
        if not self.pending.add(login, now - LASTS):
            log.warning("too_many_logins_begun", address=address)
            raise ServiceUnavailable("too many log-ins were begun and not finished: wait ten minutes", "TOO_MANY_LOGINS")
        return {"url": url, "secret": secret, "expires_seconds": int(LASTS.total_seconds())}

    def finish(self, returned: Any, secret: Any, session_sha256: Any, address: Any, agent: Any) -> dict[str, Any]:
        """Open a session for who comes back from the provider: see `principal`, and `next_path`; or `{wait_seconds}`.

        `returned` is what the provider sent along: `{state, code, iss, error}`.

        Raises:
            Unauthenticated: OIDC_NOT_BEGUN, OIDC_REFUSED.
            Forbidden: OIDC_CLAIM_UNUSABLE; ACCOUNT_NAME_TAKEN; ACCOUNT_DISABLED; NO_GRANT.
            ServiceUnavailable: OIDC_UNAVAILABLE.
        """
        sha256, now, rules = checked_fingerprint(session_sha256), self.clock(), self._rules(address)
        wait = self.attempts.begin(rules, now)
        if wait:
            return self._has_to_wait(address, wait)
        try:
            login, person = self._recognise(_texts(returned), secret, now)
        except TransientError:
            self.attempts.give_back(rules)
            raise
        self.attempts.give_back(rules)
        self.sessions.check_granted(person)
        return self.sessions.open(self._kept(person, now), sha256, address, agent) | {"next_path": login.next_path}

    def forget(self) -> None:
        """Shut out who did not log in for too long: the provider is not asked whether it still knows them."""
        now = self.clock()
        for person in self.register.people():
            if person.source == OIDC and person.is_active and (person.seen or person.created) < now - self.trust:
                self.register.change_person(person.person_id, now, self._forgotten(now))
                log.warning("account_gone", name=person.name, source=person.source)

    def _forgotten(self, now: dt.datetime) -> Any:
        def change(known: Person, _everybody: object) -> Person:
            is_old = known.is_active and (known.seen or known.created) < now - self.trust
            return known.shut_out(PersonState.GONE) if is_old else known

        return change

    def _rules(self, address: Any) -> dict[str, Rule]:
        return {address_key(str(address)): self.sessions.throttle.address}

    def _has_to_wait(self, address: Any, wait: dt.timedelta) -> dict[str, Any]:
        log.warning("login_has_to_wait", address=address, seconds=math.ceil(wait.total_seconds()))
        return {"wait_seconds": math.ceil(wait.total_seconds())}

    def _recognise(self, said: dict[str, str], secret: Any, now: dt.datetime) -> tuple[PendingLogin, Person]:
        provider = self.outside.provider_here()
        login = self.pending.take(digest(said.get("state", "")), digest(str(secret)), now - LASTS)
        if login is None:
            raise Unauthenticated(_NOT_BEGUN, "OIDC_NOT_BEGUN")
        if "error" in said or "code" not in said:
            error = "".join(one for one in said.get("error", "no code")[:60] if one.isalnum() or one in "_ ")
            log.info("oidc_login_refused", reason=error)
            raise Unauthenticated(f"the provider of single sign-on did not let you in ({error})", "OIDC_REFUSED")
        found = provider.recognise(Returned(said["code"], said.get("iss")), login.redirect_uri, Proof.of(str(secret)))
        return login, self._person(found, now)

    def _person(self, found: Recognised, now: dt.datetime) -> Person:
        """Who this is here, as the provider tells it now; nobody is taken for somebody because of a name."""
        known = self.register.known_as(str(found.subject))
        if known is None:
            self._check_free(found)
            return Person(
                str(uuid.uuid4()), line_of(found.name), OIDC, (), now, **as_told(found), seen=now, last_login=now, subject=found.subject
            )
        if known.state in (PersonState.DISABLED, PersonState.DELETED):
            log.warning("login_failed", name=known.name, reason=known.state.value)
            raise Forbidden(f"the account {known.name} was {known.state.value} here: ask an administrator", "ACCOUNT_DISABLED")
        return replace(known, state=PersonState.ACTIVE, **as_told(found))

    def _check_free(self, found: Recognised) -> None:
        holder = self.register.named(name_key(found.name))
        if holder is not None:
            log.warning("account_has_the_name_of_another", name=holder.name, source=OIDC, known_by=holder.source)
            raise Forbidden(
                f"the provider calls you {holder.name}, and another account ({holder.source}) has this name here: "
                "an administrator decides who keeps it",
                "ACCOUNT_NAME_TAKEN",
            )

    def _kept(self, person: Person, now: dt.datetime) -> Person:
        """Write down that somebody logged in, and what the provider said of them."""
        known = self.register.known_as(str(person.subject))
        if known is None and self.register.add_person(person):
            return person

        def change(present: Person, _everybody: object) -> Person:
            if present.state in (PersonState.DISABLED, PersonState.DELETED):
                return present
            told = {name: getattr(person, name) for name in ("display_name", "email", "groups", "state")}
            return replace(present, seen=now, last_login=now, **told)

        known = known or self.register.known_as(str(person.subject))
        if known is None:
            raise Forbidden("somebody else has taken this name here just now: ask an administrator", "ACCOUNT_NAME_TAKEN")
        return self.register.change_person(known.person_id, now, change)


def _texts(returned: Any) -> dict[str, str]:
    if not isinstance(returned, dict):
        raise InvalidInput("what the provider sent along is missing", "BODY_INVALID")
    known = {name: returned.get(name) for name in ("state", "code", "iss", "error")}
    return {name: value[:_MOST_CODE_CHARACTERS] for name, value in known.items() if isinstance(value, str)}
