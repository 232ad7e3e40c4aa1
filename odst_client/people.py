"""People and services: who may do what; what groups outside mean here."""

from __future__ import annotations

from collections.abc import Sequence

from odst_client.operations import Group, operation, wish
from shared.contracts.admin.directory import DirectoryTest, Finding, Findings
from shared.contracts.admin.people import (
    GrantWish,
    GroupGrant,
    GroupGrantList,
    GroupGrantWish,
    PasswordWish,
    Person,
    PersonChange,
    PersonList,
    PersonWish,
    RoleName,
)
from shared.contracts.admin.settings import RoleList, RoleRights


class People(Group):
    """`client.people`. A `reference` is a name or a person_id."""

    @operation("GET", "/api/v1/people")
    def all(self) -> list[Person]:
        """List all people and services, by name."""
        return self._read(self.all, PersonList).items

    @operation("GET", "/api/v1/people/{reference}")
    def show(self, reference: str) -> Person:
        """Show one."""
        return self._read(self.show, Person, reference=reference)

    @operation("GET", "/api/v1/roles")
    def roles(self) -> list[RoleRights]:
        """List the roles, and which rights each gives."""
        return self._read(self.roles, RoleList).items

    @operation("POST", "/api/v1/people", creates=True)
    def create(
        self,
        name: str,
        role: RoleName | None = None,
        *,
        grants: Sequence[GrantWish] | None = None,
        display_name: str | None = None,
        email: str | None = None,
        password: str | None = None,
        service: bool | None = None,
    ) -> Person:
        """Make a local account, or a service, which has tokens and no password.

        `role` is short for one grant that is not narrowed.
        """
        fields = {"role": role, "grants": _list(grants), "display_name": display_name, "email": email}
        return self._read(self.create, Person, wish(PersonWish, name=name, **fields, password=password, service=service))

    @operation("PATCH", "/api/v1/people/{reference}")
    def change(
        self,
        reference: str,
        role: RoleName | None = None,
        *,
        grants: Sequence[GrantWish] | None = None,
        display_name: str | None = None,
        email: str | None = None,
        if_match: str | None = None,
    ) -> Person:
        """Give these grants instead of those that there were, or other texts; what is left out stays."""
        fields = {"role": role, "grants": _list(grants), "display_name": display_name, "email": email}
        return self._read(self.change, Person, wish(PersonChange, **fields), if_match=if_match, reference=reference)

    @operation("POST", "/api/v1/people/{reference}/password")
    def set_password(self, reference: str, password: str, *, if_match: str | None = None) -> Person:
        """Give somebody another password; their sessions end."""
        return self._read(self.set_password, Person, wish(PasswordWish, password=password), if_match=if_match, reference=reference)

    @operation("POST", "/api/v1/people/{reference}/disable")
    def disable(self, reference: str, *, if_match: str | None = None) -> Person:
        """Shut somebody out at once: all their sessions and tokens end."""
        return self._read(self.disable, Person, if_match=if_match, reference=reference)

    @operation("POST", "/api/v1/people/{reference}/enable")
    def enable(self, reference: str, *, if_match: str | None = None) -> Person:
        """Let somebody in again."""
        return self._read(self.enable, Person, if_match=if_match, reference=reference)

    @operation("DELETE", "/api/v1/people/{reference}")
    def delete(self, reference: str, *, if_match: str | None = None) -> Person:
        """Shut somebody out for good; the name is never given again."""
        return self._read(self.delete, Person, if_match=if_match, reference=reference)


class GroupGrants(Group):
    """`client.group_grants`: what groups of LDAP, Active Directory or OpenID Connect may do here; and whether these can be asked."""

    @operation("GET", "/api/v1/group-grants")
    def all(self) -> list[GroupGrant]:
        """List what was given to groups."""
        return self._read(self.all, GroupGrantList).items

    @operation("POST", "/api/v1/group-grants", creates=True)
    def create(self, group: str, role: RoleName, tags: Sequence[str] = (), instances: Sequence[str] = ()) -> GroupGrant:
        """Give a role to everybody in the group with this distinguished name; within tags, at instances, if there are some."""
        body = wish(GroupGrantWish, group=group, role=role, tags=list(tags), instances=list(instances))
        return self._read(self.create, GroupGrant, body)

    @operation("DELETE", "/api/v1/group-grants/{grant_id}")
    def revoke(self, grant_id: str) -> None:
        """Take a grant back from its group."""
        self._do(self.revoke, grant_id=grant_id)

    @operation("POST", "/api/v1/directory/test")
    def try_directory(self, name: str | None = None) -> list[Finding]:
        """Try the connection to the directory step by step; with `name`, also look for this person, and list their groups."""
        return self._read(self.try_directory, Findings, wish(DirectoryTest, name=name)).items

    @operation("POST", "/api/v1/directory/oidc/test")
    def try_oidc(self) -> list[Finding]:
        """Try the connection to the provider of OpenID Connect step by step."""
        return self._read(self.try_oidc, Findings).items


def _list(grants: Sequence[GrantWish] | None) -> list[GrantWish] | None:
    return None if grants is None else list(grants)
