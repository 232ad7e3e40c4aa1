"""What groups outside mean here: a grant for whoever is in one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from services.directory.domain.distinguished_names import dn_key
from services.directory.domain.rights import Grant
from shared.core.errors import InvalidInput

_LONGEST = 1000


@dataclass(frozen=True, slots=True)
class GroupGrant:
    """A grant for everybody in a group."""

    grant_id: str
    group: str
    """Its distinguished name, as it was given."""
    grant: Grant

    @property
    def key(self) -> str:
        """By which it is compared."""
        return dn_key(self.group)


def checked_group(group: Any) -> str:
    """A group's name from outside.

    Raises:
        InvalidInput: GROUP_INVALID.
    """
    if not isinstance(group, str) or not group.strip() or len(group) > _LONGEST or not group.isprintable():
        raise InvalidInput("a group is named by its distinguished name, such as cn=packagers,ou=groups,dc=example,dc=org", "GROUP_INVALID")
    return group.strip()
