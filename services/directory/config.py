"""Settings of the directory service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from shared.runtime.settings import Settings


class DirectorySettings(Settings):
    """What the directory service reads from the configuration."""

    audit_checkpoint_seconds: Annotated[float, Field(ge=1, le=30 * 86400)] = 3600
    """How long entries of the audit log may wait for a checkpoint."""
    audit_checkpoint_entries: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    """After so many entries a checkpoint is made earlier."""
    audit_keep_days: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """After so many days entries are moved out of the database into sealed files; for ever in the database, if it is not set."""

    @property
    def first_admin_file(self) -> Path:
        """Where the first administrator's credentials wait for the launcher, which shows and deletes them."""
        return self.layout.secrets / "first-admin.json"
