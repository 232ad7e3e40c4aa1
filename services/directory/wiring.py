"""Puts the directory service together: the only place that knows both handlers and adapters."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

from services.directory.adapters.argon2_passwords import Argon2Passwords
from services.directory.adapters.audit import DatabaseAuditLog
from services.directory.adapters.audit_files import HeadFile, SealedFiles
from services.directory.adapters.checkpoints import DatabaseCheckpoints
from services.directory.adapters.first_admin_file import FirstAdminFile
from services.directory.adapters.register import DatabaseRegister
from services.directory.adapters.signer import KeySigner
from services.directory.config import DirectorySettings
from services.directory.domain.checkpoints import Pace
from services.directory.handlers.audit import AuditTrail
from services.directory.handlers.checkpointing import Checkpointing
from services.directory.handlers.sealing import Sealing
from services.directory.handlers.tokens import DirectoryHandlers, FirstStart
from services.directory.handlers.verifying import Verifying
from shared.runtime import migrations
from shared.runtime.database import Database
from shared.runtime.keys import InstanceKey
from shared.runtime.loops import Loop


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
class Directory:
    """The wired service."""

    handlers: DirectoryHandlers
    audit: AuditKeeping
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
    audit = audit_on(database, settings)
    loops = (Loop("audit", audit.step, settings.sweep_seconds),)
    return Directory(DirectoryHandlers(register, _now), audit, database, loops)


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


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
