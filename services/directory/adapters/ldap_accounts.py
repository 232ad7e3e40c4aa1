"""People by LDAP or Active Directory: `LdapAccounts` is what logging in meets."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from services.directory.adapters import ldap_examination
from services.directory.adapters.deadlines import Deadline, Monotonic
from services.directory.adapters.ldap_connection import Found, RefusesUs, ServerFault, Session, opened
from services.directory.adapters.ldap_entries import find, groups_for, introduce, is_disabled, names_of
from services.directory.adapters.ldap_groups import GroupCache
from services.directory.adapters.ldap_plan import Endpoint, LdapPlan, trusted
from services.directory.adapters.ldap_servers import Ring
from services.directory.domain.accounts import Admit, Finding, Recognised, everybody
from services.directory.domain.attempts import REFUSAL, check_attempt, is_possible_name
from services.directory.domain.distinguished_names import dn_key
from shared.core.errors import ServiceUnavailable, Unauthenticated
from shared.runtime.logging import get_logger

log = get_logger(__name__)
T = TypeVar("T")
_AWAY = "the directory of accounts does not answer as it should: local accounts work; `odst ldap test` says what is wrong"
_AT_ONCE = 6
"""Conversations under way at once: a frozen directory must not hold all workers of this service, which tokens need too."""
_SOURCE = "ldap"


@dataclass(frozen=True, slots=True)
class _Refused:
    """Why somebody was not let in, for the log; `dn` only of an entry that exists."""

    reason: str
    dn: str | None = None


class LdapAccounts:
    """`Accounts` by ldap3. Each log-in has connections of its own, and one deadline for all that it asks."""

    def __init__(self, plan: LdapPlan, clock: Monotonic = time.monotonic) -> None:
        """Connects to nobody yet.

        Raises:
            ValueError: if the file of authorities cannot be used.
        """
        self._plan, self._clock = plan, clock
        self._context = trusted(plan.ca_file)
        self._servers = Ring(plan.servers, clock)
        self._groups = GroupCache(plan.group_cache_seconds, clock)
        self._is_active_directory: dict[Endpoint, bool] = {}
        self._places = threading.BoundedSemaphore(_AT_ONCE)

    def recognise(self, name: str, password: str, admit: Admit = everybody) -> Recognised:
        """Who this is, proved by the password, if it may be tried.

        Raises:
            Unauthenticated: in one sentence for whatever is wrong with the name, the password or the account.
            ServiceUnavailable: if no server answers within the deadline, or none as it should.
        """
        check_attempt(name, password)
        answer = self._ask(lambda server, session, deadline: self._recognise(server, session, deadline, (name, password), admit))
        if isinstance(answer, Recognised):
            return answer
        log.info("ldap_login_refused", reason=answer.reason, dn=answer.dn)
        raise Unauthenticated(REFUSAL)

    def look_up(self, name: str) -> Recognised | None:
        """Who this is, if the directory has the account and it is not disabled. Proves nothing.

        Raises:
            ServiceUnavailable: as above.
        """
        if not is_possible_name(name):
            return None
        answer = self._ask(lambda server, session, _: self._known(server, session, name))
        return answer if isinstance(answer, Recognised) else None

    def examine(self, name: str | None = None) -> list[Finding]:
        """Try everything that a log-in needs, step by step; with a name, also what is known of that person."""
        return ldap_examination.examine(self._plan, self._context, self._clock, name)

    def _ask(self, question: Callable[[Endpoint, Session, Deadline], T]) -> T:
        if not self._places.acquire(blocking=False):
            log.warning("ldap_too_many_at_once", most=_AT_ONCE)
            raise ServiceUnavailable(_AWAY)
        try:
            return self._ask_in_turn(question)
        finally:
            self._places.release()

    def _ask_in_turn(self, question: Callable[[Endpoint, Session, Deadline], T]) -> T:
        deadline, candidates = Deadline(self._plan.timeout_seconds, self._clock), self._servers.candidates()
        for number, server in enumerate(candidates):
            try:
                answer = self._ask_one(server, deadline.share(len(candidates) - number), question)
            except ServerFault as fault:
                self._servers.note_failure(server)
                log.warning("ldap_server_failed", server=str(server), step=fault.step, reason=str(fault))
                if isinstance(fault, RefusesUs):
                    break
            else:
                self._servers.note_answer(server)
                return answer
        raise ServiceUnavailable(_AWAY)

    def _ask_one(self, server: Endpoint, deadline: Deadline, question: Callable[[Endpoint, Session, Deadline], T]) -> T:
        with opened(server, self._plan, self._context, deadline) as session:
            introduce(session, self._plan)
            return question(server, session, deadline)

    def _recognise(
        self, server: Endpoint, session: Session, deadline: Deadline, said: tuple[str, str], admit: Admit
    ) -> Recognised | _Refused:
        name, password = said
        found = find(session, self._plan, name)
        is_known, admitted = len(found) == 1, len(found) == 1 and admit(f"{_SOURCE}:{dn_key(found[0].dn)}")
        dn = found[0].dn if admitted else f"cn={uuid.uuid4()},{self._plan.base_dn}"
        # Whoever is not known is tried too, as nobody: so the time to an answer does not tell who is known.
        with opened(server, self._plan, self._context, deadline) as attempt:
            refusal = attempt.bind(dn, password)
        if not is_known:
            return _Refused("ambiguous" if found else "unknown")
        if not admitted:
            return _Refused("has_to_wait", found[0].dn)
        return _Refused(refusal, dn) if refusal else self._described(server, session, found[0])

    def _known(self, server: Endpoint, session: Session, name: str) -> Recognised | _Refused:
        found = find(session, self._plan, name)
        return self._described(server, session, found[0]) if len(found) == 1 else _Refused("unknown")

    def _described(self, server: Endpoint, session: Session, entry: Found) -> Recognised | _Refused:
        is_active_directory = self._ask_what_it_is(server, session)
        names = names_of(entry, self._plan, is_active_directory=is_active_directory)
        if len(names) != 1 or is_disabled(entry):
            return _Refused("disabled" if is_disabled(entry) else "no_single_name", entry.dn)
        groups = self._groups.get(
            entry.dn, lambda: groups_for(entry, names[0], session, self._plan, is_active_directory=is_active_directory)
        )
        shown = entry.first(self._plan.display_attribute) or entry.first("cn") or names[0]
        return Recognised(_SOURCE, names[0], shown, entry.first(self._plan.mail_attribute), groups)

    def _ask_what_it_is(self, server: Endpoint, session: Session) -> bool:
        if server not in self._is_active_directory:
            self._is_active_directory[server] = session.is_active_directory()
        return self._is_active_directory[server]
