"""Logging in and out: by a local account, or by one that a source outside knows by a password; and what slows down who guesses.

::

    attempt ──▶ has to wait? ──▶ counted as failed ──▶ local account of that name? ──yes──▶ its password
                                                          │no
                                                          └──▶ each source outside, in turn
    right ──▶ not counted any more, a session      wrong ──▶ one constant refusal, and one hash computed, whoever was meant
"""

from __future__ import annotations

import datetime as dt
import math
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from services.directory.domain.accounts import LDAP, Admit, Recognised
from services.directory.domain.attempts import MAX_NAME_CHARACTERS, REFUSAL
from services.directory.domain.groups import group_key
from services.directory.domain.passwords import normalised
from services.directory.domain.people import Person, PersonState, checked_text, name_key
from services.directory.domain.sessions import MAX_AGENT_CHARACTERS, Session, SessionLimits
from services.directory.domain.throttle import Rule, account_key, address_key, person_key
from services.directory.domain.tokens import checked_fingerprint
from services.directory.handlers.admitting import Clock, Gate, principal
from services.directory.handlers.describing import describe_session
from services.directory.handlers.people import PasswordRules
from services.directory.ports import Accounts, Attempts, Passwords, Register, Sessions
from shared.core.errors import Conflict, Forbidden, InvalidInput, NotFound, OdstError, ServiceUnavailable, Unauthenticated
from shared.core.times import rfc3339
from shared.runtime.logging import get_logger

log = get_logger(__name__)


@dataclass(frozen=True)
class Throttle:
    """How many attempts are free, for one name and from one address."""

    person: Rule
    address: Rule

    def rules(self, name: str, address: str) -> dict[str, Rule]:
        """The keys under which an attempt counts."""
        return {person_key(name): self.person, address_key(address): self.address}


@dataclass
class Recogniser:
    """Finds out who somebody is."""

    register: Register
    passwords: Passwords
    sources: Sequence[Accounts]
    clock: Clock
    nobodys_hash: str
    """Of a password that nobody knows: checked where there is no other, so that every refusal takes as long."""

    def recognise(self, name: str, password: str, admit: Admit) -> Person | None:
        """Who this is; none if the name or the password is wrong, or the account is not to come in, or not admitted.

        Raises:
            ServiceUnavailable: if it could be somebody of a source that is away.
        """
        person = self.register.named(name_key(name))
        if person is not None and person.is_kept_here:
            return self._by_password(person, password)
        self.passwords.verify(self.nobodys_hash, normalised(password))
        found = self._by_sources(name, password, admit)
        return None if found is None else self._kept(found)

    def _by_password(self, person: Person, password: str) -> Person | None:
        text = normalised(password)
        kept = person.password_hash if person.has_password else None
        is_right = self.passwords.verify(kept or self.nobodys_hash, text)
        if kept is None or not is_right or not person.is_active:
            return None
        return self._with_present_hash(person, text) if self.passwords.is_outdated(kept) else person

    def _with_present_hash(self, person: Person, text: str) -> Person:
        try:
            better = self.passwords.hash(text)
        except ServiceUnavailable:
            return person  # at the next log-in

        def change(known: Person, _everybody: object) -> Person:
            return replace(known, password_hash=better) if known.password_hash == person.password_hash else known

        return self.register.change_person(person.person_id, self.clock(), change)

    def _by_sources(self, name: str, password: str, admit: Admit) -> Recognised | None:
        away: ServiceUnavailable | None = None
        for source in self.sources:
            try:
                return source.recognise(name, password, admit)
            except Unauthenticated:
                continue
            except ServiceUnavailable as error:
                away = error
        if away is not None:
            raise ServiceUnavailable(f"the directory that knows this account cannot be asked now ({away}); local accounts can log in")
        return None

    def _kept(self, found: Recognised) -> Person | None:
        """The person of an account outside, as it is known there now; none if they are not to come in."""
        person = self.register.named(name_key(found.name))
        if person is None:
            return Person(str(uuid.uuid4()), line_of(found.name), found.source, (), self.clock(), **as_told(found))
        if person.source != found.source:
            log.warning("account_has_the_name_of_another", name=person.name, source=found.source, known_by=person.source)
            return None
        if person.state in (PersonState.DISABLED, PersonState.DELETED):
            return None
        return replace(person, state=PersonState.ACTIVE, **as_told(found))

    def refresh(self, seen_before: dt.datetime) -> None:
        """Ask the sources about everybody of theirs who was not seen lately: new groups count, and who is gone is shut out."""
        if not self.sources:
            return
        for person in self.register.people():
            if person.is_active and person.source == LDAP and (person.seen or person.created) < seen_before:
                try:
                    self._look_again(person)
                except ServiceUnavailable as error:
                    log.warning("accounts_not_refreshed", error=str(error))
                    return

    def _look_again(self, person: Person) -> None:
        found = next((one for source in self.sources if (one := source.look_up(person.name)) is not None), None)
        now = self.clock()

        def change(known: Person, _everybody: object) -> Person:
            if not known.is_active:
                return known
            return replace(known.shut_out(PersonState.GONE) if found is None else replace(known, **as_told(found)), seen=now)

        if self.register.change_person(person.person_id, now, change).state is PersonState.GONE:
            log.warning("account_gone", name=person.name, source=person.source)


def as_told(found: Recognised) -> dict[str, Any]:
    """What a source says of somebody now, as fields of a person."""
    groups = frozenset(group_key(group) for group in found.groups)
    return {"display_name": line_of(found.display_name), "email": line_of(found.email or "") or None, "groups": groups}


def line_of(text: str) -> str:
    """A source's text as one visible line."""
    return checked_text("".join(one if one.isprintable() else " " for one in text)[:120], "a text of the source")


@dataclass
class SessionHandlers:
    """Sessions: begun by a password, ended by whoever has them."""

    register: Register
    sessions: Sessions
    attempts: Attempts
    recogniser: Recogniser
    gate: Gate
    throttle: Throttle
    limits: SessionLimits
    rules: PasswordRules
    clock: Clock

    def log_in(self, name: Any, password: Any, session_sha256: Any, address: Any, agent: Any) -> dict[str, Any]:
        """Open a session for who has this name and password: see `principal`; or `{wait_seconds}`, if an attempt has to wait.

        Raises:
            Unauthenticated: in one constant sentence.
            Forbidden: NO_GRANT, if the password is right and nothing was granted here.
            ServiceUnavailable: if a source outside is away that may know the account.
        """
        sha256, now = checked_fingerprint(session_sha256), self.clock()
        if not isinstance(name, str) or not isinstance(password, str) or len(name) > MAX_NAME_CHARACTERS:
            raise InvalidInput("logging in takes a name and a password", "BODY_INVALID")
        person, wait = self._attempt(name, password, str(address))
        if person is None:
            return {"wait_seconds": math.ceil(wait)}
        self.check_granted(person)
        return self.open(self._kept(person, now), sha256, address, agent)

    def check_granted(self, person: Person) -> None:
        """Let pass who may do anything here.

        Raises:
            Forbidden: NO_GRANT.
        """
        if not self.gate.allowed_to(person):
            raise Forbidden(f"{person.name} is known, but neither this account nor a group of it was granted anything here", "NO_GRANT")

    def open(self, person: Person, sha256: str, address: Any, agent: Any) -> dict[str, Any]:
        """A session for somebody who proved who they are, and is kept: see `principal`."""
        now, may = self.clock(), self.gate.allowed_to(person)
        session = Session(str(uuid.uuid4()), person.person_id, sha256, person.epoch, now, now, str(address)[:64], _agent(agent))
        self.sessions.add(session, now - self.limits.absolute, now - self.limits.idle)
        log.info("person_logged_in", person=person.name, source=person.source, address=session.address, session_id=session.session_id)
        return principal(person, may, None) | {"session_id": session.session_id, "expires": rfc3339(now + self.limits.absolute)}

    def _attempt(self, name: str, password: str, address: str) -> tuple[Person | None, float]:
        """Who it is; or nobody, and the seconds to wait before anybody looks."""
        rules = self.throttle.rules(name, address)
        wait = self.attempts.begin(rules, self.clock())
        if wait:
            log.warning("login_has_to_wait", address=address, seconds=math.ceil(wait.total_seconds()))
            return None, wait.total_seconds()
        accounts: dict[str, bool] = {}

        def admit(account: str) -> bool:
            """The attempt counts for the account too, by whatever name it was found; once, however many servers are asked."""
            key = account_key(account)
            if key not in accounts:
                accounts[key] = not self.attempts.begin({key: self.throttle.person}, self.clock())
            return accounts[key]

        try:
            person = self.recogniser.recognise(name, password, admit)
        except OdstError:
            self.attempts.give_back(rules | {key: self.throttle.person for key, counted in accounts.items() if counted})
            raise
        if person is None:
            log.warning("login_failed", address=address)
            raise Unauthenticated(REFUSAL)
        for key in (person_key(name), *accounts):
            self.attempts.forget(key)
        self.attempts.give_back({address_key(address): self.throttle.address})
        return person, 0

    def _kept(self, person: Person, now: dt.datetime) -> Person:
        """Write down that somebody logged in, and what a source said of them. The epoch stays that of the password that was right."""
        seen = replace(person, seen=now, last_login=now)
        if self.register.person(person.person_id) is None and self.register.add_person(seen):
            return seen

        def change(known: Person, _everybody: object) -> Person:
            if known.state in (PersonState.DISABLED, PersonState.DELETED):
                return known
            told = {} if known.is_kept_here else {name: getattr(seen, name) for name in ("display_name", "email", "groups", "state")}
            return replace(known, seen=now, last_login=now, **told)

        by_name = self.register.named(person.key)
        if by_name is None or by_name.source != person.source:
            raise Unauthenticated(REFUSAL)
        return replace(self.register.change_person(by_name.person_id, now, change), epoch=min(person.epoch, by_name.epoch))

    def change_own_password(self, person_id: str, password: Any, new_password: Any, address: Any) -> dict[str, Any]:
        """Another password for oneself, who knows the present one; every session ends. `{wait_seconds}`, if that has to wait.

        Raises:
            Unauthenticated: if the present password is wrong.
            Conflict: NO_PASSWORD_HERE, if it is kept elsewhere.
            InvalidInput: PASSWORD_WEAK.
        """
        known = self.register.person(person_id)
        if known is None or not known.has_password:
            raise Conflict("your password is not kept here: change it where it is", "NO_PASSWORD_HERE")
        checked = self.rules.checked(new_password, known)
        person, wait = self._attempt(known.name, str(password), str(address))
        if person is None:
            return {"wait_seconds": math.ceil(wait)}
        password_hash = self.recogniser.passwords.hash(checked)
        self.register.change_person(person_id, self.clock(), lambda one, _everybody: one.with_password(password_hash))
        log.info("person_got_password", person=known.name, name=known.name)
        return {"wait_seconds": 0}

    def listed(self, person_id: str) -> dict[str, Any]:
        """The open sessions of a person, newest first."""
        person, now = self.register.person(person_id), self.clock()
        found = [one for one in self.sessions.of(person_id) if person is not None and self.limits.is_open(one, person, now)]
        return {"items": [describe_session(session, self.limits) for session in found]}

    def end(self, person_id: str, session_id: str) -> None:
        """End a session of a person, at once.

        Raises:
            NotFound: if there is none.
        """
        if not self.sessions.end(person_id, session_id):
            raise NotFound(f"there is no session {session_id[:40]!r} of yours")
        log.info("session_ended", person_id=person_id, session_id=session_id)

    def figures(self) -> dict[str, int]:
        """How many sessions there are."""
        return {"sessions": self.sessions.count()}


def _agent(agent: Any) -> str:
    return "".join(one if one.isprintable() else "?" for one in str(agent or ""))[:MAX_AGENT_CHARACTERS]
