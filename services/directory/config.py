"""Settings of the directory service."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated

from pydantic import Field

from services.directory.domain.sessions import SessionLimits
from services.directory.domain.throttle import Rule
from services.directory.domain.tokens import Lifetimes
from shared.runtime.settings import Settings

_YEAR_SECONDS = 366 * 86400


class DirectorySettings(Settings):
    """What the directory service reads from the configuration."""

    audit_checkpoint_seconds: Annotated[float, Field(ge=1, le=30 * 86400)] = 3600
    """How long entries of the audit log may wait for a checkpoint."""
    audit_checkpoint_entries: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    """After so many entries a checkpoint is made earlier."""
    audit_keep_days: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """After so many days entries are moved out of the database into sealed files; for ever in the database, if it is not set."""
    password_least_characters: Annotated[int, Field(ge=8, le=64)] = 12
    """How long a new password has to be."""
    session_idle_seconds: Annotated[int, Field(ge=60, le=30 * 86400)] = 3600
    """A session that is not used for so long ends."""
    session_longest_seconds: Annotated[int, Field(ge=60, le=90 * 86400)] = 12 * 3600
    """A session ends after so long, however much it is used."""
    token_default_seconds: Annotated[int, Field(ge=60, le=10 * _YEAR_SECONDS)] = 90 * 86400
    """How long an API token is valid if nothing else is asked for."""
    token_longest_seconds: Annotated[int, Field(ge=60, le=10 * _YEAR_SECONDS)] = _YEAR_SECONDS
    """How long an API token can be made valid."""
    login_tries: Annotated[int, Field(ge=1, le=1000)] = 3
    """Wrong passwords for one name before the next attempt has to wait; fewer than the directory's own lockout."""
    login_tries_from_address: Annotated[int, Field(ge=1, le=100_000)] = 20
    """Wrong passwords from one address before the next attempt has to wait."""
    login_first_wait_seconds: Annotated[int, Field(ge=1, le=86400)] = 300
    """The first wait; each further one is twice as long."""
    login_longest_wait_seconds: Annotated[int, Field(ge=1, le=86400)] = 3600
    """The longest wait."""
    accounts_refresh_seconds: Annotated[int, Field(ge=10, le=86400)] = 900
    """How often a source outside is asked whether its accounts that came in here are still there."""

    @property
    def first_admin_file(self) -> Path:
        """Where the first administrator's credentials wait for the launcher, which shows and deletes them."""
        return self.layout.secrets / "first-admin.json"

    @property
    def session_limits(self) -> SessionLimits:
        """How long a session lasts."""
        return SessionLimits(dt.timedelta(seconds=self.session_idle_seconds), dt.timedelta(seconds=self.session_longest_seconds))

    @property
    def token_lifetimes(self) -> Lifetimes:
        """How long tokens are valid."""
        return Lifetimes(dt.timedelta(seconds=self.token_default_seconds), dt.timedelta(seconds=self.token_longest_seconds))

    def login_rule(self, tries: int) -> Rule:
        """How much is waited after so many free tries."""
        first, longest = self.login_first_wait_seconds, self.login_longest_wait_seconds
        return Rule(tries, dt.timedelta(seconds=first), dt.timedelta(seconds=longest))
