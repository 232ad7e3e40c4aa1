"""The directory service: table of contents."""

from __future__ import annotations

from typing import Any

from services.directory.config import DirectorySettings
from services.directory.wiring import build
from shared.runtime.bus.answers import answers
from shared.runtime.services import Hosted, Wired


class DirectoryService:
    """Who may do what."""

    name = "directory"
    wired = Wired(build)

    @answers
    def authorize(self, token_sha256: str, right: str) -> Any:
        """Who holds this token, if that is enough for the right."""
        return self.wired.handlers.authorize(token_sha256, right)

    @answers
    def create_token(self, name: str, role: str, created_by: str, valid_seconds: int | None = None) -> Any:
        """A new token: shown this once, through this answer."""
        return self.wired.handlers.create_token(name, role, created_by, valid_seconds)

    @answers
    def list_tokens(self) -> Any:
        """All tokens, without their text."""
        return self.wired.handlers.list_tokens()

    @answers
    def revoke_token(self, token_id: str) -> None:
        """Close a door for good."""
        self.wired.handlers.revoke_token(token_id)

    @answers
    def figures(self) -> Any:
        """How many people and tokens there are."""
        return self.wired.handlers.figures()


HOSTED = Hosted(DirectoryService, DirectorySettings)
