"""Claims about nested groups: what is asked in each style, and where a walk ends. Active Directory is a strict stand-in here."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from services.directory.adapters.ldap_connection import Found
from services.directory.adapters.ldap_groups import GroupCache, Member, groups_of
from services.directory.adapters.ldap_plan import GroupStyle
from services.directory.domain.distinguished_names import dn_key

BASE = "ou=groups,dc=x"
IN_CHAIN = "1.2.840.113556.1.4.1941"


def ada(*member_of: str) -> Member:
    """Somebody, with what `memberOf` says."""
    return Member("cn=Ada (ops),dc=x", "ada", member_of)


class Groups:
    """Groups by their members, as any server but Active Directory answers; counts the searches."""

    def __init__(self, members: dict[str, set[str]], uids: dict[str, set[str]] | None = None) -> None:
        """`members` by group; `uids` are members in the style of `posixGroup`."""
        self.members, self.uids, self.asked = members, uids or {}, 0

    def search(self, base: str, query: str, attributes: Sequence[str] = (), *, most: int = 0) -> list[Found]:
        """Groups with one of the members that are asked for; nothing for a rule that it does not know."""
        assert (base, attributes) == (BASE, ())
        self.asked += 1
        found = [dn for dn, members in self.members.items() if any(f"(member={_escaped(member)})" in query for member in members)]
        found += [dn for dn, uids in self.uids.items() if any(f"(memberUid={uid})" in query for uid in uids)]
        return [Found(dn.upper(), {}) for dn in found][: most + 1]


class ActiveDirectory:
    """Answers the one question that is right for it, and fails at any other."""

    def __init__(self, *groups: str) -> None:
        """What it answers."""
        self.groups = groups

    def search(self, base: str, query: str, attributes: Sequence[str] = (), *, most: int = 0) -> list[Found]:
        """Groups of Ada, through all nesting."""
        assert (base, query) == (BASE, f"(&(objectClass=group)(member:{IN_CHAIN}:=cn=Ada \\28ops\\29,dc=x))")
        assert attributes == ()
        return [Found(dn, {}) for dn in self.groups][: most + 1]


def _escaped(dn: str) -> str:
    return dn.replace("(", "\\28").replace(")", "\\29")


def keys(groups: frozenset[str]) -> set[str]:
    """Groups, however they are spelled."""
    return set(map(dn_key, groups))


def a_chain(length: int) -> Groups:
    """Ada is in the first of groups, each of which is in the next."""
    return Groups({f"cn=g{n},{BASE}": {ada().dn if n == 0 else f"cn=g{n - 1},{BASE}".upper()} for n in range(length)})


@pytest.mark.parametrize("style", [GroupStyle.AD, GroupStyle.AUTO])
def test_active_directory_looks_through_nested_groups_itself(style: GroupStyle) -> None:
    """In one search by its matching rule; `memberOf` has the direct ones only, and is not needed."""
    server = ActiveDirectory("CN=a,DC=x", "CN=b,DC=x")

    assert groups_of(ada("CN=a,DC=x"), server, BASE, style, is_active_directory=True) == {"CN=a,DC=x", "CN=b,DC=x"}


def test_another_server_is_never_asked_by_that_rule() -> None:
    """It would answer nothing, as if nobody were in any group."""
    server = a_chain(2)

    assert keys(groups_of(ada(), server, BASE, GroupStyle.AUTO, is_active_directory=False)) == {f"cn=g0,{BASE}", f"cn=g1,{BASE}"}


@pytest.mark.parametrize(
    ("style", "found"),
    [
        (GroupStyle.MEMBER, {"own", "up", "unix"}),
        (GroupStyle.MEMBEROF, {"said", "over"}),
        (GroupStyle.AUTO, {"own", "up", "unix", "said", "over"}),
    ],
)
def test_each_style_begins_somewhere_else(style: GroupStyle, found: set[str]) -> None:
    """And all go upwards from there."""
    server = Groups(
        {f"cn=own,{BASE}": {ada().dn}, f"cn=up,{BASE}": {f"cn=own,{BASE}".upper()}, f"cn=over,{BASE}": {f"cn=said,{BASE}"}},
        {f"cn=unix,{BASE}": {"ada"}},
    )

    groups = groups_of(ada(f"cn=said,{BASE}"), server, BASE, style, is_active_directory=False)

    assert keys(groups) == {f"cn={name},{BASE}" for name in found}


def test_groups_that_contain_each_other_end_a_walk() -> None:
    """Each is gone to once, whatever its spelling."""
    server = Groups({f"cn=a,{BASE}": {ada().dn, f"cn=b,{BASE}".upper()}, f"cn=b,{BASE}": {f"cn=a,{BASE}".upper()}})

    assert keys(groups_of(ada(), server, BASE, GroupStyle.MEMBER, is_active_directory=False)) == {f"cn=a,{BASE}", f"cn=b,{BASE}"}
    assert server.asked == 3


def test_many_groups_of_one_level_are_asked_for_together() -> None:
    """Fifty in one search: a level of 120 groups costs three."""
    server = Groups({f"cn=g{n},{BASE}": {ada().dn} for n in range(120)})

    groups_of(ada(), server, BASE, GroupStyle.MEMBER, is_active_directory=False)

    assert server.asked == 1 + 3


def test_a_walk_has_an_end() -> None:
    """After twenty levels, or two thousand groups: whoever has more gets less, never more."""
    deep = groups_of(ada(), a_chain(30), BASE, GroupStyle.MEMBER, is_active_directory=False)
    wide = groups_of(ada(), ActiveDirectory(*map(str, range(5000))), BASE, GroupStyle.AD, is_active_directory=True)

    assert (len(deep), len(wide)) == (20, 2000)


def test_groups_are_believed_for_a_while() -> None:
    """By person, however the name is spelled; then they are looked up again."""
    now = 0.0
    asked: list[str] = []
    cache = GroupCache(60, lambda: now)

    def look_up() -> frozenset[str]:
        asked.append("x")
        return frozenset({str(len(asked))})

    assert cache.get("cn=Ada,dc=x", look_up) == {"1"}
    assert cache.get("CN=ada, DC=x", look_up) == {"1"}
    assert cache.get("cn=bert,dc=x", look_up) == {"2"}
    now = 60.0
    assert cache.get("cn=Ada,dc=x", look_up) == {"3"}


def test_a_look_up_that_fails_is_not_remembered() -> None:
    """The next one tries again."""
    cache = GroupCache(60, lambda: 0.0)

    def fail() -> frozenset[str]:
        raise LookupError

    with pytest.raises(LookupError):
        cache.get("cn=x", fail)
    assert cache.get("cn=x", lambda: frozenset({"a"})) == {"a"}
