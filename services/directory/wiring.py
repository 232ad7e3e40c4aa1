"""Puts the directory service together: the only place that knows both handlers and adapters."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

from services.directory.adapters.argon2_passwords import Argon2Passwords
from services.directory.adapters.audit import DatabaseAuditLog
from services.directory.adapters.first_admin_file import FirstAdminFile
from services.directory.adapters.ldap_accounts import LdapAccounts
from services.directory.adapters.register import DatabaseRegister
from services.directory.config import DirectorySettings
from services.directory.handlers import AccountsOutside, AuditTrail, DirectoryHandlers, FirstStart
from shared.runtime import migrations
from shared.runtime.database import Database
from shared.runtime.loops import Loop


@dataclass
class Directory:
    """The wired service."""

    handlers: DirectoryHandlers
    audit: AuditTrail
    outside: AccountsOutside
    database: Database
    loops: tuple[Loop, ...] = ()

    def close(self) -> None:
        """Close the database."""
        self.database.close()


def build(settings: DirectorySettings) -> Directory:
    """The directory service as configured, with its first administrator made."""
    database = Database(settings.database_url_for("directory"))
    migrations.upgrade(database, Path(__file__).parent / "migrations")
    register = DatabaseRegister(database)
    FirstStart(register, FirstAdminFile(settings.first_admin_file), Argon2Passwords(), _now).run()
    outside = AccountsOutside(LdapAccounts(settings.ldap) if settings.ldap else None)
    return Directory(DirectoryHandlers(register, _now), AuditTrail(DatabaseAuditLog(database)), outside, database)


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
