"""The directory of accounts outside of the instance (LDAP, Active Directory) in the Admin API."""

from __future__ import annotations

from typing import Annotated

from pydantic import StringConstraints

from shared.contracts.admin.base import Answer, Body


class DirectoryTest(Body):
    """Whom to look for in the directory, besides trying the connection; left out, nobody."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=256)] | None = None


class Finding(Answer):
    """One step of the test, and what came of it."""

    step: str
    ok: bool
    detail: str


class Findings(Answer):
    """Every step that was tried, in order."""

    items: list[Finding]
