"""Accounts outside, in memory; passes the same suite as LDAP (`tests/contract/test_port_accounts.py`)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from services.directory.domain.accounts import Admit, Finding, Recognised, everybody
from services.directory.domain.attempts import REFUSAL, check_attempt, is_possible_name
from shared.core.errors import ServiceUnavailable, Unauthenticated

MOST_FAILURES = 3
_AWAY = "the accounts are away"


@dataclass(frozen=True)
class FakeAccount:
    """Somebody, with a password."""

    who: Recognised
    password: str
    closed: bool = False


def somebody(name: str, password: str, *groups: str, closed: bool = False) -> FakeAccount:
    """An account with nothing but a name and groups."""
    return FakeAccount(Recognised("ldap", name, name.title(), None, frozenset(groups)), password, closed)


@dataclass
class FakeAccounts:
    """`Accounts` without a directory. Three wrong passwords in a row lock an account, as a directory's own policy does."""

    known: list[FakeAccount] = field(default_factory=list)
    is_away: bool = False
    failures: Counter[str] = field(default_factory=Counter)

    def recognise(self, name: str, password: str, admit: Admit = everybody) -> Recognised:
        """Who this is, proved by the password."""
        check_attempt(name, password)
        account = self._find(name)
        if account is None or not admit(f"fake:{account.who.name}"):
            raise Unauthenticated(REFUSAL)
        if account.closed or self.failures[account.who.name] >= MOST_FAILURES:
            raise Unauthenticated(REFUSAL)
        if account.password != password:
            self.failures[account.who.name] += 1
            raise Unauthenticated(REFUSAL)
        self.failures[account.who.name] = 0
        return account.who

    def look_up(self, name: str) -> Recognised | None:
        """Who this is, if the account is not closed."""
        account = self._find(name) if is_possible_name(name) else None
        return account.who if account and not account.closed else None

    def examine(self, name: str | None = None) -> list[Finding]:
        """One step, and one more for a person."""
        connected = Finding("connect", ok=not self.is_away, detail=_AWAY if self.is_away else "well")
        if name is None or self.is_away:
            return [connected]
        person = self.look_up(name)
        return [connected, Finding("person", ok=person is not None, detail=person.name if person else "nobody has that name")]

    def _find(self, name: str) -> FakeAccount | None:
        if self.is_away:
            raise ServiceUnavailable(_AWAY)
        found = [account for account in self.known if account.who.name.casefold() == name.casefold()]
        return found[0] if len(found) == 1 else None
