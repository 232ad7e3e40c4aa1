"""A directory with its outside faked, and people in it, for the tests of its handlers."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Sequence
from typing import Any

from services.directory.config import DirectorySettings
from services.directory.domain.accounts import Admit, Recognised, everybody
from services.directory.handlers.first_start import FirstStart
from services.directory.ports import Attempts, GroupGrants, IdentityProvider, Register, Sessions
from services.directory.wiring import Outside, assemble
from shared.core.errors import OdstError
from shared.testing.fakes.accounts import FakeAccount, FakeAccounts
from shared.testing.fakes.clock import FakeClock
from tests.unit.directory.directory_fakes import (
    FakeAttempts,
    FakeGroupGrants,
    FakeHandOver,
    FakeKeyedRequests,
    FakePasswords,
    FakePendingLogins,
    FakeRegister,
    FakeSessions,
)

PASSWORD = "quiet rivers carry stones"
OTHER = "seven green lamps at noon"
HERE = "192.0.2.1"


def sha256(text: str) -> str:
    """As the gateway tells the directory of a token or a session."""
    return hashlib.sha256(text.encode()).hexdigest()


class Elsewhere(FakeAccounts):
    """A source outside, of which it is known how often somebody wanted to log in."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.aliases: dict[str, str] = {}
        """Other names by which somebody logs in there."""

    def put(self, name: str, password: str, *groups: str) -> None:
        """Let somebody be known, in these groups, and no longer in others."""
        self.remove(name)
        person = Recognised("ldap", name, f"{name.title()} of the directory", f"{name}@example.org", frozenset(groups))
        self.known.append(FakeAccount(person, password))

    def remove(self, name: str) -> None:
        """Let nobody have this name."""
        self.known = [account for account in self.known if account.who.name != name]

    def recognise(self, name: str, password: str, admit: Admit = everybody) -> Recognised:
        """Who this is."""
        self.asked += 1
        return super().recognise(self.aliases.get(name, name), password, admit)


class Desk:
    """Handlers, and shorter ways to ask them."""

    def __init__(
        self,
        *,
        sources: Sequence[FakeAccounts] = (),
        here: tuple[str, ...] = ("Hamburg", "ID"),
        provider: IdentityProvider | None = None,
        **settings: Any,
    ) -> None:
        self.clock, self.hand_over, self.passwords = FakeClock(), FakeHandOver(), FakePasswords()
        self.register = FakeRegister()
        self.here, self.sources, self.provider = here, list(sources), provider
        self.settings = DirectorySettings(amqp_uri="amqp://nobody@127.0.0.1:1/", instance_name="Hamburg", **settings)
        self.outside = self._outside(self.register, FakeSessions(self.register), FakeAttempts(), FakeGroupGrants())
        self.do = assemble(self.settings, self.outside)
        self.first_start = FirstStart(self.register, self.hand_over, self.passwords, self.clock)
        self._sessions = 0

    def _outside(self, register: Register, sessions: Sessions, attempts: Attempts, groups: GroupGrants) -> Outside:
        return Outside(
            register,
            sessions,
            attempts,
            groups,
            FakeKeyedRequests(),
            self.passwords,
            self.sources,
            lambda: self.here,
            self.clock,
            FakePendingLogins(),
            self.provider,
        )

    def authorize(self, token: str, right: str) -> dict[str, Any]:
        """Ask as the gateway does for a token."""
        return self.do.gate.authorize(sha256(token), right)

    def in_session(self, text: str, right: str = "self") -> dict[str, Any]:
        """Ask as the gateway does for a session."""
        return self.do.gate.authorize_session(sha256(text), right)

    def person(self, name: str, *grants: Any, password: str | None = PASSWORD, service: bool = False) -> dict[str, Any]:
        """Somebody new; a grant is a role, or one as JSON."""
        given = [{"role": grant} if isinstance(grant, str) else grant for grant in grants]
        return self.do.people.create(name, given, None, None, None if service else password, service, "admin")

    def log_in(self, name: str, password: str = PASSWORD, *, address: str = HERE) -> str:
        """A new session's text."""
        self._sessions += 1
        text = f"session {self._sessions}"
        answer = self.do.sessions.log_in(name, password, sha256(text), address, "a browser")
        assert "wait_seconds" not in answer, answer
        return text

    def waits(self, name: str, password: str = PASSWORD, *, address: str = HERE) -> int:
        """The seconds that an attempt has to wait; 0 if it was made, whatever came of it."""
        try:
            answer = self.do.sessions.log_in(name, password, sha256("never used"), address, "")
        except OdstError:
            return 0
        return int(answer.get("wait_seconds", 0))

    def maker(self, name: str, token_id: str | None = None) -> dict[str, Any]:
        """Who makes a token."""
        return {"person_id": self.do.people.show(name)["person_id"], "token_id": token_id}

    def token(
        self, by: str, *grants: Any, rights: Any = None, person: str | None = None, seconds: int | None = None, never: bool = False
    ) -> dict[str, Any]:
        """A token; without grants, of whatever its maker may."""
        given = [{"role": grant} if isinstance(grant, str) else grant for grant in grants] or None
        return self.do.tokens.create_token("a tool", given, rights, person, seconds, never, self.maker(by))

    def with_administrator(self, name: str = "root") -> str:
        """Somebody who may do everything, and has logged in; the session's text."""
        self.person(name, "administrator")
        text = self.log_in(name)
        self.clock.pass_seconds(1)
        return text


def later(clock: FakeClock, **delta: float) -> dt.datetime:
    """Let time pass."""
    return clock.pass_seconds(dt.timedelta(**delta).total_seconds())
