"""Claims about roles, rights and tokens as values."""

from __future__ import annotations

import datetime as dt
import re

import pytest

from services.directory.domain import tokens
from services.directory.domain.rights import Right, Role
from services.directory.domain.tokens import Token, TokenState
from shared.core.errors import Conflict, Forbidden, InvalidInput, NotFound
from shared.testing.fakes.clock import NOON

ALLOWED = {
    ("viewer", "view"),
    ("uploader", "view"),
    ("uploader", "upload"),
    ("administrator", "view"),
    ("administrator", "upload"),
    ("administrator", "administer"),
}


def a_token(token_id: str = "t1", role: Role = Role.ADMINISTRATOR, **fields: object) -> Token:
    """A token with the given differences."""
    return Token(**{"token_id": token_id, "name": "x", "role": role, "sha256": "0" * 64, "created_by": "admin", "created": NOON} | fields)


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("right", Right)
def test_each_role_has_exactly_the_rights_of_the_table(role: Role, right: Right) -> None:
    """A viewer views, an uploader also uploads, an administrator also administers; all else is refused."""
    if (role.value, right.value) in ALLOWED:
        role.require(right)
    else:
        with pytest.raises(Forbidden):
            role.require(right)


@pytest.mark.parametrize("junk", ["", "root", "VIEW", None, 3, ["view"], {"view": 1}])
def test_unknown_roles_and_rights_are_refused(junk: object) -> None:
    """Whatever is no role or right is bad input, not an internal error."""
    with pytest.raises(InvalidInput, match="is no right"):
        Right.parse(junk)
    with pytest.raises(InvalidInput, match="is no role"):
        Role.parse(junk)


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


@pytest.mark.parametrize("name", ["", "   ", None, 7, "a\nb", "right\u202eleft", "x" * 81])
def test_a_token_needs_a_visible_name(name: object) -> None:
    """The name is shown in logs and lists: nothing invisible, nothing empty."""
    with pytest.raises(InvalidInput) as caught:
        tokens.checked_name(name)

    assert caught.value.code == "TOKEN_NAME_INVALID"


@pytest.mark.parametrize("seconds", [0, -1, 1.5, "60", True, 10**12])
def test_validity_is_a_sensible_number_of_seconds(seconds: object) -> None:
    """No fractions, texts, booleans or eternities."""
    with pytest.raises(InvalidInput):
        tokens.expiry(NOON, seconds)


def test_the_last_usable_administrator_token_stays() -> None:
    """Expired, revoked and lesser tokens do not count as a way in."""
    others = [a_token("t2", expires=NOON), a_token("t3", revoked=NOON), a_token("t4", role=Role.UPLOADER)]

    with pytest.raises(Conflict) as caught:
        tokens.check_revocation("t1", [a_token("t1"), *others], NOON)

    assert caught.value.code == "LAST_ADMINISTRATOR"


@pytest.mark.parametrize("token_id", ["t2", "t4"])
def test_other_tokens_may_be_revoked(token_id: str) -> None:
    """An unusable or lesser token may always go."""
    tokens.check_revocation(token_id, [a_token("t1"), a_token("t2", expires=NOON), a_token("t4", role=Role.VIEWER)], NOON)


def test_an_unknown_token_cannot_be_revoked() -> None:
    """It is not found."""
    with pytest.raises(NotFound):
        tokens.check_revocation("nobody", [a_token("t1")], NOON)
