"""The styles of finding groups, on a real server that is not Active Directory."""

from __future__ import annotations

import pytest

from services.directory.adapters.ldap_accounts import LdapAccounts
from services.directory.adapters.ldap_plan import GroupStyle
from services.directory.domain.distinguished_names import dn_key
from shared.testing.slapd import PrivateSlapd
from shared.testing.slapd_tree import ADAS_GROUPS, BASE, EVERYTHING, PACKAGERS, PASSWORD, RING_A, RING_B, UNIX, WEST

NESTED = {PACKAGERS, WEST, EVERYTHING}


def groups(slapd: PrivateSlapd, name: str, style: GroupStyle) -> set[str]:
    """Keys of somebody's groups."""
    return set(map(dn_key, LdapAccounts(slapd.plan(group_style=style)).recognise(name, PASSWORD).groups))


@pytest.mark.parametrize(
    ("style", "found"),
    [(GroupStyle.AUTO, ADAS_GROUPS), (GroupStyle.MEMBER, ADAS_GROUPS), (GroupStyle.MEMBEROF, NESTED), (GroupStyle.AD, set())],
)
def test_each_style_finds_what_it_can(slapd: PrivateSlapd, style: GroupStyle, found: set[str]) -> None:
    """`memberOf` knows `groupOfNames` only; the rule of Active Directory is answered with nothing, not with an error."""
    assert groups(slapd, "ada", style) == set(map(dn_key, found))


@pytest.mark.parametrize("style", [GroupStyle.AUTO, GroupStyle.MEMBER, GroupStyle.MEMBEROF])
def test_members_are_found_whatever_their_names_are(slapd: PrivateSlapd, style: GroupStyle) -> None:
    """A comma in the name of a person, a space in those of groups, a star in a name of a Unix account."""
    assert groups(slapd, "jane", style) == {dn_key(RING_A), dn_key(RING_B)}
    assert groups(slapd, "st*r", style) == ({dn_key(UNIX)} if style is not GroupStyle.MEMBEROF else set())


def test_groups_are_looked_for_where_the_settings_say(slapd: PrivateSlapd) -> None:
    """Not elsewhere."""
    found = LdapAccounts(slapd.plan(group_base_dn=f"ou=guests,{BASE}", group_style=GroupStyle.MEMBER)).look_up("ada")

    assert found is not None
    assert found.groups == frozenset()
