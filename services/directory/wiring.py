"""Puts the directory service together: the only place that knows both handlers and adapters."""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from services.directory.adapters.argon2_passwords import Argon2Passwords
from services.directory.adapters.audit import DatabaseAuditLog
from services.directory.adapters.first_admin_file import FirstAdminFile
from services.directory.adapters.ldap_accounts import LdapAccounts
from services.directory.adapters.register import DatabaseRegister
from services.directory.adapters.sessions import DatabaseAttempts, DatabaseGroupGrants, DatabaseSessions
from services.directory.config import DirectorySettings
from services.directory.handlers.admitting import Clock, Gate
from services.directory.handlers.audit import AuditTrail
from services.directory.handlers.first_start import FirstStart
from services.directory.handlers.logging_in import Recogniser, SessionHandlers, Throttle
from services.directory.handlers.outside import AccountsOutside
from services.directory.handlers.people import GroupHandlers, PasswordRules, PeopleHandlers
from services.directory.handlers.tokens import TokenHandlers
from services.directory.ports import Accounts, Attempts, AuditLog, GroupGrants, Here, Passwords, Register, Sessions
from shared.runtime import migrations
from shared.runtime.database import Database
from shared.runtime.keys import InstanceKey
from shared.runtime.loops import Loop


@dataclass
class Outside:
    """All that the handlers need."""

    register: Register
    sessions: Sessions
    attempts: Attempts
    groups: GroupGrants
    passwords: Passwords
    audit: AuditLog
    sources: Sequence[Accounts]
    here: Here
    clock: Clock


@dataclass
class Handlers:
    """All handlers of the service, on whatever outside."""

    gate: Gate
    tokens: TokenHandlers
    people: PeopleHandlers
    groups: GroupHandlers
    sessions: SessionHandlers
    audit: AuditTrail
    outside: AccountsOutside
    refresh_after: dt.timedelta

    def figures(self) -> dict[str, int]:
        """How many people, tokens, sessions and entries in the audit log there are."""
        return self.gate.register.counts() | self.sessions.figures() | self.audit.figures()

    def sweep(self) -> None:
        """Ask the sources outside about accounts that were not seen lately."""
        if self.gate.has_sources:
            self.sessions.recogniser.refresh(self.sessions.clock() - self.refresh_after)


def assemble(settings: DirectorySettings, outside: Outside) -> Handlers:
    """The handlers as configured."""
    register, here, clock, limits = outside.register, outside.here, outside.clock, settings.session_limits
    rules = PasswordRules(settings.password_least_characters, settings.instance_name)
    gate = Gate(register, outside.sessions, outside.groups, limits, bool(outside.sources), here, clock)
    nobodys_hash = outside.passwords.hash(secrets.token_urlsafe())
    recogniser = Recogniser(register, outside.passwords, outside.sources, clock, nobodys_hash)
    throttle = Throttle(settings.login_rule(settings.login_tries), settings.login_rule(settings.login_tries_from_address))
    return Handlers(
        gate,
        TokenHandlers(register, gate, settings.token_lifetimes, here, clock),
        PeopleHandlers(register, outside.passwords, rules, here, clock),
        GroupHandlers(outside.groups),
        SessionHandlers(register, outside.sessions, outside.attempts, recogniser, gate, throttle, limits, rules, clock),
        AuditTrail(outside.audit),
        AccountsOutside(outside.sources),
        dt.timedelta(seconds=settings.accounts_refresh_seconds),
    )


@dataclass
class Directory:
    """The wired service."""

    do: Handlers
    database: Database
    loops: tuple[Loop, ...] = ()

    def close(self) -> None:
        """Close the database."""
        self.database.close()


def build(settings: DirectorySettings) -> Directory:
    """The directory service as configured, with its first administrator made."""
    database = Database(settings.database_url_for("directory"))
    migrations.upgrade(database, Path(__file__).parent / "migrations")
    register, passwords = DatabaseRegister(database), Argon2Passwords()
    FirstStart(register, FirstAdminFile(settings.first_admin_file), passwords, _now).run()
    kept = DatabaseSessions(database), DatabaseAttempts(database), DatabaseGroupGrants(database)
    sources = [LdapAccounts(settings.ldap)] if settings.ldap else []
    outside = Outside(register, *kept, passwords, DatabaseAuditLog(database), sources, _here(settings), _now)
    return Directory(assemble(settings, outside), database)


def _here(settings: DirectorySettings) -> Here:
    key = InstanceKey.load_or_create(settings.layout)
    return lambda: (settings.instance_name, str(key.instance_id))


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
