"""Settings of the directory service."""

from __future__ import annotations

from pathlib import Path

from shared.runtime.settings import Settings


class DirectorySettings(Settings):
    """What the directory service reads from the configuration: nothing of its own yet."""

    @property
    def first_admin_file(self) -> Path:
        """Where the first administrator's credentials wait for the launcher, which shows and deletes them."""
        return self.layout.secrets / "first-admin.json"
