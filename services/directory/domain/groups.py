"""What groups outside mean here: a grant for whoever is in one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from services.directory.domain.distinguished_names import dn_key
from services.directory.domain.rights import Grant
from shared.core.errors import InvalidInput

OIDC_PREFIX = "oidc:"
"""Before the name of a group of OpenID Connect: whoever names groups there must not be able to name one of LDAP."""
_LONGEST = 1000


@dataclass(frozen=True, slots=True)
class GroupGrant:
    """A grant for everybody in a group."""

    grant_id: str
    group: str
    """Its distinguished name, or `oidc:` and its name at the provider, as it was given."""
    grant: Grant

    @property
    def key(self) -> str:
        """By which it is compared."""
        return group_key(self.group)


def group_key(name: str) -> str:
    """By which a group is compared: in LDAP as directories do, in OpenID Connect to the letter."""
    return name if name.startswith(OIDC_PREFIX) else dn_key(name)


def checked_group(group: Any) -> str:
    """A group's name from outside.

    Raises:
        InvalidInput: GROUP_INVALID.
    """
    if not isinstance(group, str) or len(group) > _LONGEST or not group.isprintable() or not _names_one(group.strip()):
        raise InvalidInput(
            "a group of LDAP is named by its distinguished name, such as cn=packagers,ou=groups,dc=example,dc=org; "
            "one of OpenID Connect as the groups claim has it, with oidc: before it",
            "GROUP_INVALID",
        )
    return group.strip()


def _names_one(group: str) -> bool:
    """Whether anybody could be in it: a grant for a misspelt group would look as if it held."""
    prefix, name = group[: len(OIDC_PREFIX)], group[len(OIDC_PREFIX) :]
    return bool(name.strip()) if prefix == OIDC_PREFIX else "=" in group and prefix.lower() != OIDC_PREFIX
