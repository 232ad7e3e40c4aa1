"""Who may do what: one table of rights, and grants, which give a role to somebody.

A grant may be narrowed. To staging tags: it then gives of its role only what can be narrowed, and looking. To instances: it then
counts only there, which matters where people and groups are the same at all sites.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from shared.core.errors import Forbidden, InvalidInput
from shared.core.staging import Tags, read_tags

MAX_GRANTS = 32
MAX_INSTANCES = 32
_MOST_CHARACTERS = 60


class Right(StrEnum):
    """What a call of the Admin API asks for."""

    SELF = "self"
    """One's own account: who am I, my sessions, my tokens, my password."""
    VIEW = "view"
    UPLOAD = "upload"
    TAG = "tag"
    PROMOTE = "promote"
    APPROVE = "approve"
    """Say yes or no to a promotion; never given to a service, which is nobody's second person."""
    RAISE = "raise"
    """Decide which version of a name is current: roll back, and forth."""
    DELETE = "delete"
    """Delete a package everywhere, and bring it back."""
    SUBSCRIBE = "subscribe"
    """Have events sent somewhere, in one's own name; who is narrowed to tags, those of packages within."""
    ADMINISTER = "administer"
    AUDIT = "audit"
    """Read the audit log, and who may do what."""

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
    PROMOTER = "promoter"
    AUDITOR = "auditor"
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


_LOOKING = frozenset({Right.SELF, Right.VIEW})

RIGHTS: dict[Role, frozenset[Right]] = {
    Role.VIEWER: _LOOKING,
    Role.UPLOADER: _LOOKING | {Right.UPLOAD},
    # No upload: who lets a package further is not who brought it, unless somebody is given both roles.
    Role.PROMOTER: _LOOKING | {Right.TAG, Right.PROMOTE, Right.APPROVE, Right.RAISE},
    Role.AUDITOR: _LOOKING | {Right.AUDIT},
    Role.ADMINISTRATOR: frozenset(Right),
}
"""Every right of every role."""

NARROWABLE = frozenset({Right.UPLOAD, Right.TAG, Right.PROMOTE, Right.APPROVE, Right.RAISE, Right.DELETE, Right.SUBSCRIBE})
"""Rights over packages: what a grant narrowed to tags gives, beside looking."""

Limit = Tags | None
"""The staging tags within which a right holds; none for everywhere."""
Allowed = Mapping[Right, Limit]
"""What somebody may do, and within which tags."""


@dataclass(frozen=True, slots=True)
class Grant:
    """A role, given to somebody; `tags` and `instances` narrow it if there are any."""

    role: Role
    tags: Tags = frozenset()
    instances: frozenset[str] = frozenset()
    """Names or ids."""

    def counts(self, here: Collection[str]) -> bool:
        """True at an instance that is known by these names."""
        return not self.instances or not {name.casefold() for name in here}.isdisjoint(name.casefold() for name in self.instances)

    def rights(self) -> frozenset[Right]:
        """What it gives."""
        rights = RIGHTS[self.role]
        return rights & (NARROWABLE | _LOOKING) if self.tags else rights

    def limit(self, right: Right) -> Limit:
        """Within which tags it gives a right. Looking is never narrowed."""
        return self.tags if self.tags and right in NARROWABLE else None

    def as_json(self) -> dict[str, Any]:
        """As it is stored, and as the Admin API shows it."""
        return {"role": self.role.value, "tags": sorted(self.tags), "instances": sorted(self.instances)}


def read_grants(values: Any) -> tuple[Grant, ...]:
    """Grants out of JSON from outside: `[{role, tags?, instances?}]`, each once.

    Raises:
        InvalidInput: GRANT_INVALID, ROLE_UNKNOWN, TAG_INVALID.
    """
    if not isinstance(values, list | tuple) or len(values) > MAX_GRANTS:
        raise InvalidInput(f"grants are a list of at most {MAX_GRANTS}, each with a role", "GRANT_INVALID")
    return tuple(dict.fromkeys(_read_grant(value) for value in values))


def _read_grant(value: Any) -> Grant:
    if not isinstance(value, Mapping) or not set(value) <= {"role", "tags", "instances"}:
        raise InvalidInput("a grant is {role, tags, instances}; the last two may be left out", "GRANT_INVALID")
    grant = Grant(Role.parse(value.get("role")), read_tags(value.get("tags") or []), _read_instances(value.get("instances") or []))
    if grant.tags and RIGHTS[grant.role].isdisjoint(NARROWABLE):
        raise InvalidInput(f"{grant.role} changes no packages: it cannot be narrowed to tags", "GRANT_INVALID")
    return grant


def _read_instances(values: Any) -> frozenset[str]:
    if not isinstance(values, list | tuple) or len(values) > MAX_INSTANCES:
        raise InvalidInput(f"instances are a list of at most {MAX_INSTANCES} names or ids", "GRANT_INVALID")
    if not all(isinstance(value, str) and 0 < len(value) <= _MOST_CHARACTERS and value.isprintable() for value in values):
        raise InvalidInput("an instance is named by its name or its id", "GRANT_INVALID")
    return frozenset(values)


def allowed(grants: Iterable[Grant], here: Collection[str]) -> dict[Right, Limit]:
    """What grants give together at an instance that is known by these names."""
    found: dict[Right, Limit] = {}
    for grant in grants:
        if grant.counts(here):
            for right in grant.rights():
                found[right] = _wider(found.get(right, frozenset()), grant.limit(right))
    return found


def _wider(one: Limit, other: Limit) -> Limit:
    return None if one is None or other is None else one | other


def both(one: Allowed, other: Allowed) -> dict[Right, Limit]:
    """What is allowed by both; where the tags of the two have nothing in common, nothing is."""
    found = {right: _narrower(one[right], other[right]) for right in one if right in other}
    return {right: limit for right, limit in found.items() if limit is None or limit}


def _narrower(one: Limit, other: Limit) -> Limit:
    if one is None or other is None:
        return other if one is None else one
    return one & other


def covers(wider: Allowed, narrower: Allowed) -> bool:
    """True if everything that the second allows, the first allows too."""
    return all(right in wider and _within(limit, wider[right]) for right, limit in narrower.items())


def _within(limit: Limit, other: Limit) -> bool:
    return other is None or (limit is not None and limit <= other)


def require(allowed_here: Allowed, right: Right) -> Limit:
    """Let pass who has the right; the tags within which.

    Raises:
        Forbidden: naming the roles that have it.
    """
    if right not in allowed_here:
        holders = " or ".join(role for role in Role if right in RIGHTS[role])
        raise Forbidden(f"this account or token may not {right}: it takes the role {holders}")
    return allowed_here[right]


def roles_of(grants: Iterable[Grant]) -> str:
    """The roles that are given, for people who read: `uploader`, or `promoter, uploader`."""
    return ", ".join(sorted({grant.role.value for grant in grants}))


def describe_allowed(allowed_here: Allowed) -> dict[str, list[str] | None]:
    """What is allowed, as JSON."""
    return {right.value: None if limit is None else sorted(limit) for right, limit in sorted(allowed_here.items())}


def describe_roles() -> dict[str, Any]:
    """The table of rights, as JSON: `{items: [{role, rights, narrowable}]}`, the latter being those that tags narrow."""
    items = [{"role": role.value, "rights": sorted(rights), "narrowable": sorted(rights & NARROWABLE)} for role, rights in RIGHTS.items()]
    return {"items": items}
