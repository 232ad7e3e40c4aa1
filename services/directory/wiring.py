"""Puts the directory service together: the only place that knows both handlers and adapters."""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from services.directory.adapters.argon2_passwords import Argon2Passwords
from services.directory.adapters.audit import DatabaseAuditLog
from services.directory.adapters.audit_files import HeadFile, SealedFiles
from services.directory.adapters.checkpoints import DatabaseCheckpoints
from services.directory.adapters.first_admin_file import FirstAdminFile
from services.directory.adapters.keyed_requests import DatabaseKeyedRequests
from services.directory.adapters.ldap_accounts import LdapAccounts
from services.directory.adapters.oidc_provider import OidcProvider
from services.directory.adapters.pending_logins import DatabasePendingLogins
from services.directory.adapters.register import DatabaseRegister
from services.directory.adapters.schema import alarms, outbox
from services.directory.adapters.sessions import DatabaseAttempts, DatabaseGroupGrants, DatabaseSessions
from services.directory.adapters.signer import KeySigner
from services.directory.config import DirectorySettings
from services.directory.domain.accounts import LDAP, OIDC
from services.directory.domain.checkpoints import Pace
from services.directory.handlers.admitting import Clock, Gate
from services.directory.handlers.audit import AuditTrail
from services.directory.handlers.checkpointing import Checkpointing
from services.directory.handlers.first_start import FirstStart
from services.directory.handlers.keyed_requests import KeyedRequestHandlers
from services.directory.handlers.logging_in import Recogniser, SessionHandlers, Throttle
from services.directory.handlers.logging_in_by_browser import BrowserLogins
from services.directory.handlers.outside import AccountsOutside
from services.directory.handlers.people import GroupHandlers, PasswordRules, PeopleHandlers
from services.directory.handlers.sealing import Sealing
from services.directory.handlers.tokens import TokenHandlers
from services.directory.handlers.verifying import Verifying
from services.directory.handlers.watching import WatchingHandlers
from services.directory.ports import (
    Accounts,
    Attempts,
    GroupGrants,
    Here,
    IdentityProvider,
    KeyedRequests,
    Passwords,
    PendingLogins,
    Register,
    Sessions,
)
from shared.runtime import migrations
from shared.runtime.alarms import SqlAlarmBook
from shared.runtime.certificates import CertificateLook
from shared.runtime.database import Database
from shared.runtime.keys import InstanceKey
from shared.runtime.loops import Loop
from shared.runtime.outbox import Outbox


@dataclass
class AuditKeeping:
    """Everything about the audit log."""

    trail: AuditTrail
    checkpointing: Checkpointing
    verifying: Verifying
    sealing: Sealing

    def step(self) -> bool:
        """What is to be done from time to time; there is never more to do at once."""
        self.checkpointing.step()
        self.sealing.step()
        return False

    def figures(self) -> dict[str, int]:
        """Counts for metrics and status."""
        return self.trail.figures() | self.checkpointing.figures()


@dataclass
class Outside:
    """All that the handlers need."""

    register: Register
    sessions: Sessions
    attempts: Attempts
    groups: GroupGrants
    keyed: KeyedRequests
    passwords: Passwords
    sources: Sequence[Accounts]
    here: Here
    clock: Clock
    pending: PendingLogins
    provider: IdentityProvider | None = None


@dataclass
class Handlers:
    """All handlers of the service, on whatever outside."""

    gate: Gate
    tokens: TokenHandlers
    people: PeopleHandlers
    groups: GroupHandlers
    sessions: SessionHandlers
    keyed: KeyedRequestHandlers
    browser: BrowserLogins
    outside: AccountsOutside
    refresh_after: dt.timedelta

    def figures(self) -> dict[str, int]:
        """How many people, tokens, and sessions there are."""
        return self.gate.register.counts() | self.sessions.figures()

    def sweep(self) -> None:
        """Ask the sources outside about accounts that were not seen lately; forget keys of requests whose time is over."""
        self.keyed.prune()
        self.sessions.recogniser.refresh(self.sessions.clock() - self.refresh_after)
        self.browser.forget()


def assemble(settings: DirectorySettings, outside: Outside) -> Handlers:
    """The handlers as configured."""
    register, here, clock, limits = outside.register, outside.here, outside.clock, settings.session_limits
    rules = PasswordRules(settings.password_least_characters, settings.instance_name)
    gate = Gate(register, outside.sessions, outside.groups, limits, _names_of(outside), here, clock)
    nobodys_hash = outside.passwords.hash(secrets.token_urlsafe())
    recogniser = Recogniser(register, outside.passwords, outside.sources, clock, nobodys_hash)
    throttle = Throttle(settings.login_rule(settings.login_tries), settings.login_rule(settings.login_tries_from_address))
    sessions = SessionHandlers(register, outside.sessions, outside.attempts, recogniser, gate, throttle, limits, rules, clock)
    elsewhere = AccountsOutside(outside.sources, outside.provider, settings.oidc_callback)
    return Handlers(
        gate,
        TokenHandlers(register, gate, settings.token_lifetimes, here, clock),
        PeopleHandlers(register, outside.passwords, rules, here, clock, gate.allowed_to),
        GroupHandlers(outside.groups),
        sessions,
        KeyedRequestHandlers(outside.keyed, clock),
        BrowserLogins(register, outside.attempts, outside.pending, elsewhere, sessions, settings.oidc_trust, clock),
        elsewhere,
        dt.timedelta(seconds=settings.accounts_refresh_seconds),
    )


def _names_of(outside: Outside) -> frozenset[str]:
    return frozenset(name for name, is_there in ((LDAP, bool(outside.sources)), (OIDC, outside.provider is not None)) if is_there)


@dataclass
class Directory:
    """The wired service."""

    do: Handlers
    audit: AuditKeeping
    watching: WatchingHandlers
    database: Database
    loops: tuple[Loop, ...] = ()

    def sweep(self) -> None:
        """Who is gone outside is shut out here, old keys of requests are forgotten, and what is the matter is found."""
        with ExitStack() as looked:
            looked.callback(self.watching.sweep)  # also if something of this does not succeed
            self.do.sweep()

    def figures(self) -> dict[str, float]:
        """Counts for metrics and status."""
        return {**self.do.figures(), **self.audit.figures(), **self.watching.figures()}

    def close(self) -> None:
        """Close the database."""
        self.database.close()


def build(settings: DirectorySettings) -> Directory:
    """The directory service as configured, with its first administrator made."""
    database = Database(settings.database_url_for("directory"))
    migrations.upgrade(database, Path(__file__).parent / "migrations")
    register, passwords = DatabaseRegister(database), Argon2Passwords(settings.passwords_at_once, settings.passwords_waiting)
    FirstStart(register, FirstAdminFile(settings.first_admin_file), passwords, _now).run()
    kept = DatabaseSessions(database), DatabaseAttempts(database), DatabaseGroupGrants(database), DatabaseKeyedRequests(database)
    sources = [LdapAccounts(settings.ldap)] if settings.ldap else []
    provider = OidcProvider(settings.oidc) if settings.oidc else None
    outside = Outside(register, *kept, passwords, sources, _here(settings), _now, DatabasePendingLogins(database), provider)
    audit = audit_on(database, settings)
    events = Outbox(database, outbox, settings.bus.publisher("directory"))
    loops = (events.as_loop(settings.sweep_seconds), Loop("audit", audit.step, settings.sweep_seconds))
    return Directory(assemble(settings, outside), audit, _watching(settings, database, events, register), database, loops)


def _watching(settings: DirectorySettings, database: Database, events: Outbox, register: Register) -> WatchingHandlers:
    book = SqlAlarmBook("directory", database, alarms, events, settings.alarm_patience)
    book.begin()
    look = CertificateLook.of(settings, settings.certificates, book)
    return WatchingHandlers(register, look, book, _now, settings.expiry_warning)


def audit_on(database: Database, settings: DirectorySettings) -> AuditKeeping:
    """The audit log in a migrated database, with its files."""
    log, checkpoints = DatabaseAuditLog(database), DatabaseCheckpoints(database)
    head, seals, signer = HeadFile(settings.layout), SealedFiles(settings.layout), KeySigner(InstanceKey.load_or_create(settings.layout))
    keep = None if settings.audit_keep_days is None else dt.timedelta(days=settings.audit_keep_days)
    pace = Pace(settings.audit_checkpoint_seconds, settings.audit_checkpoint_entries)
    return AuditKeeping(
        AuditTrail(log, head),
        Checkpointing(log, checkpoints, head, signer, pace, _now),
        Verifying(log, checkpoints, seals, head, signer),
        Sealing(log, seals, keep, _now),
    )


def _here(settings: DirectorySettings) -> Here:
    key = InstanceKey.load_or_create(settings.layout)
    return lambda: (settings.instance_name, str(key.instance_id))


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
