"""What a source of accounts outside of this instance (LDAP, Active Directory, OpenID Connect) says of people."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

LDAP, OIDC = "ldap", "oidc"
"""Sources of accounts that are kept outside."""
Admit = Callable[[str], bool]
"""Asked with the account that a name leads to, by a text that is the same for all its names, before its password is tried: may it be?"""


def everybody(_account: str) -> bool:
    """Let every account's password be tried."""
    return True


@dataclass(frozen=True, slots=True)
class Recognised:
    """Somebody whom a source knows, and who proved it if that was asked for."""

    source: str
    """Where the account is kept: `ldap` or `oidc`."""
    name: str
    """The name to log in with, as the source spells it."""
    display_name: str
    email: str | None
    groups: frozenset[str]
    """All groups, nested ones too; each by its name as the source spells it: in LDAP, its distinguished name."""
    subject: str | None = None
    """By which the source knows the account for ever, whatever its name is; none where the name is that."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One step of a test of a connection, and what came of it."""

    step: str
    """Such as `connect`, `tls`, `bind`, `search`, `groups`."""
    ok: bool
    detail: str
    """One sentence: what was found, and what to do if it is not well. Holds no secret."""
