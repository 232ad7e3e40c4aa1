"""Who may do what: one table."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from shared.core.errors import Forbidden, InvalidInput


class Right(StrEnum):
    """What a call of the Admin API asks for."""

    VIEW = "view"
    UPLOAD = "upload"
    ADMINISTER = "administer"

    @classmethod
    def parse(cls, text: Any) -> Right:
        """Read a right.

        Raises:
            InvalidInput: RIGHT_UNKNOWN.
        """
        if text not in tuple(cls):
            raise InvalidInput(f"{str(text)[:40]!r} is no right: use one of {', '.join(cls)}", "RIGHT_UNKNOWN")
        return cls(text)


class Role(StrEnum):
    """What a person or a token is."""

    VIEWER = "viewer"
    UPLOADER = "uploader"
    ADMINISTRATOR = "administrator"

    @classmethod
    def parse(cls, text: Any) -> Role:
        """Read a role.

        Raises:
            InvalidInput: ROLE_UNKNOWN.
        """
        if text not in tuple(cls):
            raise InvalidInput(f"{str(text)[:40]!r} is no role: use one of {', '.join(cls)}", "ROLE_UNKNOWN")
        return cls(text)

    def require(self, right: Right) -> None:
        """Let pass who has the right.

        Raises:
            Forbidden: naming the roles that have it.
        """
        if right not in RIGHTS[self]:
            holders = " or ".join(role for role in Role if right in RIGHTS[role])
            raise Forbidden(f"a token with the role {self} may not {right}: use one with the role {holders}")


RIGHTS: dict[Role, frozenset[Right]] = {
    Role.VIEWER: frozenset({Right.VIEW}),
    Role.UPLOADER: frozenset({Right.VIEW, Right.UPLOAD}),
    Role.ADMINISTRATOR: frozenset({Right.VIEW, Right.UPLOAD, Right.ADMINISTER}),
}
"""Every right of every role."""
