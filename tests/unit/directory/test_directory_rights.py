"""Claims about roles, rights, grants and tokens as values."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import pytest

from services.directory.domain import tokens
from services.directory.domain.people import Everybody, Person, PersonState, check_administered
from services.directory.domain.rights import RIGHTS, Grant, Right, Role, allowed, both, covers, read_grants, require
from services.directory.domain.tokens import Lifetimes, Token, TokenState
from shared.core.errors import Conflict, Forbidden, InvalidInput
from shared.testing.fakes.clock import NOON

LOOKING = {"self", "view"}
ALLOWED = {
    "viewer": LOOKING,
    "uploader": LOOKING | {"upload"},
    "promoter": LOOKING | {"tag", "promote", "approve", "raise"},
    "auditor": LOOKING | {"audit"},
    "administrator": set(Right),
}
HERE = ("Hamburg", "KZDV")


def a_token(token_id: str = "t1", person_id: str = "p1", **fields: Any) -> Token:
    """A token with the given differences."""
    return Token(
        **{"token_id": token_id, "name": "x", "person_id": person_id, "sha256": "0" * 64, "created_by": "admin", "created": NOON} | fields
    )


def a_person(person_id: str = "p1", role: Role = Role.ADMINISTRATOR, **fields: Any) -> Person:
    """Somebody with a password that was never used."""
    grants = (Grant(role),)
    return Person(
        **{"person_id": person_id, "name": person_id, "source": "local", "grants": grants, "created": NOON, "password_hash": "h"} | fields
    )


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("right", Right)
def test_each_role_has_exactly_the_rights_of_the_table(role: Role, right: Right) -> None:
    """Looking is everybody's; nobody changes what the role does not say."""
    found = allowed([Grant(role)], HERE)

    if right.value in ALLOWED[role.value]:
        assert require(found, right) is None
    else:
        with pytest.raises(Forbidden, match="it takes the role"):
            require(found, right)


@pytest.mark.parametrize("junk", ["", "root", "VIEW", None, 3, ["view"], {"view": 1}])
def test_unknown_roles_and_rights_are_refused(junk: object) -> None:
    """Whatever is no role or right is bad input, not an internal error."""
    with pytest.raises(InvalidInput, match="is no right"):
        Right.parse(junk)
    with pytest.raises(InvalidInput, match="is no role"):
        Role.parse(junk)


def test_a_grant_narrowed_to_tags_gives_what_can_be_narrowed_and_looking() -> None:
    """Not even an administrator of test packages administers."""
    found = allowed([Grant(Role.ADMINISTRATOR, frozenset({"test"}))], HERE)

    assert {right: limit for right, limit in found.items() if limit is None} == {Right.SELF: None, Right.VIEW: None}
    narrowed = {right for right, limit in found.items() if limit == {"test"}}
    assert narrowed == {"upload", "tag", "promote", "approve", "raise", "delete", "subscribe"}


def test_grants_add_up() -> None:
    """Tags of two grants are joined; one that is not narrowed lifts the limit of that right alone."""
    narrow = [Grant(Role.UPLOADER, frozenset({"test"})), Grant(Role.UPLOADER, frozenset({"development"}))]

    assert allowed(narrow, HERE)[Right.UPLOAD] == {"test", "development"}
    assert allowed([*narrow, Grant(Role.UPLOADER)], HERE)[Right.UPLOAD] is None


@pytest.mark.parametrize(("instances", "counts"), [((), True), (("hamburg",), True), (("Lyon", "KZDV"), True), (("Lyon",), False)])
def test_a_grant_narrowed_to_instances_counts_only_there(instances: tuple[str, ...], *, counts: bool) -> None:
    """By name in any case, or by id."""
    assert bool(allowed([Grant(Role.VIEWER, instances=frozenset(instances))], HERE)) == counts


def test_what_two_allow_is_what_both_allow() -> None:
    """Right by right and tag by tag; what has no tag in common is not allowed at all."""
    wide = allowed([Grant(Role.PROMOTER), Grant(Role.UPLOADER, frozenset({"test"}))], HERE)
    narrow = allowed([Grant(Role.PROMOTER, frozenset({"test"})), Grant(Role.UPLOADER, frozenset({"production"}))], HERE)

    found = both(wide, narrow)

    assert found[Right.TAG] == {"test"}
    assert Right.UPLOAD not in found
    assert covers(wide, found)
    assert covers(narrow, found)
    assert not covers(found, wide)


@pytest.mark.parametrize(
    "junk",
    [
        None,
        "viewer",
        [{"role": "viewer"}] * 33,
        ["viewer"],
        [{}],
        [{"role": "root"}],
        [{"role": "viewer", "more": 1}],
        [{"role": "viewer", "tags": ["test"]}],
        [{"role": "auditor", "tags": ["test"]}],
        [{"role": "uploader", "tags": ["Bad Tag"]}],
        [{"role": "uploader", "tags": ["*"]}],
        [{"role": "uploader", "instances": "Hamburg"}],
        [{"role": "uploader", "instances": ["a\nb"]}],
    ],
)
def test_grants_that_cannot_be_meant_are_refused(junk: Any) -> None:
    """Also a role that changes nothing, narrowed to tags: it would read as if something were limited."""
    with pytest.raises(InvalidInput):
        read_grants(junk)


def test_grants_read_as_they_are_written() -> None:
    """Each once."""
    grants = (Grant(Role.UPLOADER, frozenset({"test"}), frozenset({"Lyon"})), Grant(Role.VIEWER))

    assert read_grants([grant.as_json() for grant in (*grants, *grants)]) == grants


def test_a_new_token_can_be_recognised_and_is_never_the_same() -> None:
    """`odst_` and forty characters of base62."""
    made = {tokens.new_token_text() for _ in range(50)}

    assert len(made) == 50
    assert all(re.fullmatch(r"odst_[0-9A-Za-z]{40}", text) for text in made)


def test_a_token_is_active_until_it_expires_or_is_revoked() -> None:
    """Expiry counts from the very moment; revoked outweighs expired."""
    expiring = a_token(expires=NOON + dt.timedelta(seconds=10))

    assert expiring.state(NOON + dt.timedelta(seconds=9)) is TokenState.ACTIVE
    assert expiring.state(NOON + dt.timedelta(seconds=10)) is TokenState.EXPIRED
    assert a_token(expires=NOON, revoked=NOON).state(NOON) is TokenState.REVOKED


def test_a_token_opens_what_it_and_its_person_may() -> None:
    """Its grants and its list of rights each take away; without either it is its person."""
    person = allowed([Grant(Role.UPLOADER), Grant(Role.PROMOTER)], HERE)
    narrow = (Grant(Role.UPLOADER, frozenset({"test"})), Grant(Role.ADMINISTRATOR, instances=frozenset({"Lyon"})))

    assert a_token().narrowed(person, HERE) == person
    assert a_token(grants=narrow).narrowed(person, HERE) == {Right.SELF: None, Right.VIEW: None, Right.UPLOAD: {"test"}}
    assert a_token(grants=narrow, rights=frozenset({Right.UPLOAD, Right.DELETE})).narrowed(person, HERE) == {Right.UPLOAD: {"test"}}


@pytest.mark.parametrize("name", ["", "   ", None, 7, "a\nb", "right\u202eleft", "x" * 81])
def test_a_token_needs_a_visible_name(name: object) -> None:
    """The name is shown in logs and lists: nothing invisible, nothing empty."""
    with pytest.raises(InvalidInput) as caught:
        tokens.checked_name(name)

    assert caught.value.code == "TOKEN_NAME_INVALID"


LIFETIMES = Lifetimes(dt.timedelta(days=90), dt.timedelta(days=366))


@pytest.mark.parametrize("seconds", [0, -1, 1.5, "60", True, 10**12])
def test_validity_is_a_sensible_number_of_seconds(seconds: object) -> None:
    """No fractions, texts, booleans or eternities."""
    with pytest.raises(InvalidInput):
        LIFETIMES.expiry(NOON, seconds, None)


@pytest.mark.parametrize(
    ("seconds", "latest_days", "days"), [(None, None, 90), (None, 30, 30), (None, 400, 90), (86400, None, 1), (86400, 30, 1)]
)
def test_a_token_expires_and_not_after_the_one_that_it_is_made_with(seconds: int | None, latest_days: int | None, days: int) -> None:
    """By default, after the default."""
    latest = None if latest_days is None else NOON + dt.timedelta(days=latest_days)

    assert LIFETIMES.expiry(NOON, seconds, latest) == NOON + dt.timedelta(days=days)


def test_nobody_asks_for_longer_than_the_token_has_with_which_it_is_asked() -> None:
    """A token that leaks for a day is no use for a year."""
    with pytest.raises(InvalidInput):
        LIFETIMES.expiry(NOON, 2 * 86400, NOON + dt.timedelta(days=1))


WELL = Everybody([a_person()], [a_token()])


@pytest.mark.parametrize(
    "after",
    [
        Everybody([a_person(state=PersonState.DISABLED)], [a_token()]),
        Everybody([a_person(role=Role.AUDITOR)], [a_token()]),
        Everybody([a_person(grants=(Grant(Role.ADMINISTRATOR, frozenset({"test"})),))], [a_token()]),
        Everybody([a_person(grants=(Grant(Role.ADMINISTRATOR, instances=frozenset({"Lyon"})),))], [a_token()]),
        Everybody([a_person()], []),
        Everybody([a_person()], [a_token(expires=NOON)]),
        Everybody([a_person()], [a_token(revoked=NOON)]),
        Everybody([a_person()], [a_token(grants=(Grant(Role.UPLOADER),))]),
        Everybody([a_person()], [a_token(rights=frozenset({Right.UPLOAD}))]),
        Everybody([a_person(), a_person("p2")], [a_token(person_id="p3")]),
        Everybody([a_person(source="ldap", last_login=NOON)], []),
    ],
)
def test_the_last_way_in_for_an_administrator_stays(after: Everybody) -> None:
    """A way in is a usable token, or a password of ours that was used before; what depends on others does not count."""
    with pytest.raises(Conflict) as caught:
        check_administered(WELL, after, HERE, NOON)

    assert caught.value.code == "LAST_ADMINISTRATOR"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (WELL, Everybody([a_person(last_login=NOON)], [])),
        (WELL, Everybody([a_person(state=PersonState.DELETED), a_person("p2")], [a_token(person_id="p2")])),
        (Everybody([a_person()], []), Everybody([a_person(role=Role.VIEWER)], [])),
    ],
)
def test_whatever_leaves_one_or_takes_none_away_is_allowed(before: Everybody, after: Everybody) -> None:
    """An instance that nobody can administer any more is not locked further by this rule."""
    check_administered(before, after, HERE, NOON)


def test_only_administrators_and_auditors_read_the_audit_log() -> None:
    """As the issue asks."""
    assert {role for role in Role if Right.AUDIT in RIGHTS[role]} == {Role.ADMINISTRATOR, Role.AUDITOR}
