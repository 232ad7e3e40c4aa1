"""Claims about people and services: made, shown, disabled, enabled, granted, deleted; and about passwords that are good enough."""

from __future__ import annotations

from typing import Any

import pytest

from services.directory.domain.passwords import checked_password, is_obvious
from shared.core.errors import Conflict, Forbidden, InvalidInput, NotFound, Unauthenticated
from tests.unit.directory.desk import OTHER, PASSWORD, Desk


@pytest.fixture
def desk() -> Desk:
    """A directory with an administrator, and Ada."""
    made = Desk()
    made.with_administrator()
    made.person("Ada", "uploader")
    return made


def test_somebody_is_shown_without_the_password(desk: Desk) -> None:
    """By name in any case, or by id; the hash is nowhere."""
    shown = desk.do.people.show("ada")

    assert (shown["name"], shown["source"], shown["state"], shown["role"], shown["has_password"]) == (
        "Ada",
        "local",
        "active",
        "uploader",
        True,
    )
    assert shown["grants"] == [{"role": "uploader", "tags": [], "instances": []}]
    assert desk.do.people.show(shown["person_id"]) == shown
    assert "new:" not in str(desk.do.people.listed())
    with pytest.raises(NotFound):
        desk.do.people.show("nobody")


@pytest.mark.parametrize("name", ["", " ada", "a b", "a/b", "ä", ".ada", "a" * 65, None, 7, "a\x00"])
def test_a_name_is_plain(desk: Desk, name: Any) -> None:
    """So that no two look alike, and each is one segment of an address."""
    with pytest.raises(InvalidInput) as caught:
        desk.person(name, "viewer")

    assert caught.value.code == "PERSON_NAME_INVALID"


@pytest.mark.parametrize("state", ["active", "disabled", "deleted"])
def test_a_name_is_given_once(desk: Desk, state: str) -> None:
    """In no other case either, and not after its person is gone: the audit log means one person by one name."""
    desk.do.people.set_state("Ada", state, "root")

    with pytest.raises(Conflict) as caught:
        desk.person("ADA", "viewer")

    assert caught.value.code == "PERSON_EXISTS"


def test_whoever_is_disabled_is_out_at_once_and_comes_back_with_nothing_open(desk: Desk) -> None:
    """Sessions and tokens end; after enabling, the password opens a new session, and the old token stays closed."""
    session, token = desk.log_in("Ada"), desk.token("Ada")["token"]

    desk.do.people.set_state("Ada", "disabled", "root")
    for ask in (lambda: desk.in_session(session), lambda: desk.authorize(token, "view"), lambda: desk.log_in("Ada")):
        with pytest.raises(Unauthenticated):
            ask()
    desk.do.people.set_state("Ada", "active", "root")

    assert desk.in_session(desk.log_in("Ada"))["person"] == "Ada"
    for ask in (lambda: desk.in_session(session), lambda: desk.authorize(token, "view")):
        with pytest.raises(Unauthenticated):
            ask()


def test_whoever_is_deleted_stays_deleted(desk: Desk) -> None:
    """Nothing about them changes any more."""
    desk.do.people.set_state("Ada", "deleted", "root")

    for change in (
        lambda: desk.do.people.set_state("Ada", "active", "root"),
        lambda: desk.do.people.set_password("Ada", OTHER, "root"),
        lambda: desk.do.people.change("Ada", [{"role": "viewer"}], None, None, "root"),
    ):
        with pytest.raises(Conflict) as caught:
            change()
        assert caught.value.code == "PERSON_DELETED"
    assert desk.do.people.show("Ada")["state"] == "deleted"


def test_other_grants_hold_from_the_next_call_on(desk: Desk) -> None:
    """In the session that is open; texts change beside, or stay."""
    session = desk.log_in("Ada")
    desk.do.people.change("Ada", None, "Ada Lovelace", "ada@example.org", "root")
    desk.do.people.change("Ada", [{"role": "promoter", "tags": ["test"]}], None, None, "root")

    assert desk.in_session(session, "tag")["within"] == ["test"]
    with pytest.raises(Forbidden):
        desk.in_session(session, "upload")
    shown = desk.do.people.show("Ada")
    assert (shown["display_name"], shown["email"], shown["role"]) == ("Ada Lovelace", "ada@example.org", "promoter")


@pytest.mark.parametrize("state", ["disabled", "deleted"])
def test_the_last_administrator_can_be_neither_shut_out_nor_demoted(desk: Desk, state: str) -> None:
    """Until another one has come in."""
    desk.person("second", "administrator")
    for change in (
        lambda: desk.do.people.set_state("root", state, "root"),
        lambda: desk.do.people.change("root", [{"role": "auditor"}], None, None, "root"),
    ):
        with pytest.raises(Conflict) as caught:
            change()
        assert caught.value.code == "LAST_ADMINISTRATOR"

    desk.log_in("second")

    assert desk.do.people.set_state("root", state, "root")["state"] == state


def test_a_service_has_no_password_and_cannot_log_in(desk: Desk) -> None:
    """It has tokens only."""
    desk.person("ci", "uploader", service=True)

    with pytest.raises(Conflict) as caught:
        desk.do.people.set_password("ci", OTHER, "root")
    assert caught.value.code == "NO_PASSWORD_HERE"
    with pytest.raises(Conflict):
        desk.do.people.create("cd", [], None, None, PASSWORD, service=True, by="root")
    with pytest.raises(Unauthenticated):
        desk.log_in("ci")


def test_another_password_ends_every_session_and_no_token(desk: Desk) -> None:
    """Whoever knew the old one is out; what tools use goes on."""
    session, token = desk.log_in("Ada"), desk.token("Ada")["token"]

    desk.do.people.set_password("Ada", OTHER, "root")

    for ask in (lambda: desk.in_session(session), lambda: desk.log_in("Ada", PASSWORD)):
        with pytest.raises(Unauthenticated):
            ask()
    assert desk.in_session(desk.log_in("Ada", OTHER))["person"] == "Ada"
    assert desk.authorize(token, "view")["person"] == "Ada"


@pytest.mark.parametrize("change", ["password", "disabled"])
def test_a_login_that_began_before_the_change_opens_nothing(desk: Desk, change: str) -> None:
    """The old password was right when it was looked at; by then it was somebody else's turn."""
    verify = desk.passwords.verify

    def verify_and_be_late(password_hash: str, password: str) -> bool:
        desk.passwords.verify = verify  # type: ignore[method-assign]
        found = verify(password_hash, password)
        if change == "password":
            desk.do.people.set_password("Ada", OTHER, "root")
        else:
            desk.do.people.set_state("Ada", "disabled", "root")
            desk.do.people.set_state("Ada", "active", "root")
        return found

    desk.passwords.verify = verify_and_be_late  # type: ignore[method-assign]
    session = desk.log_in("Ada")

    with pytest.raises(Unauthenticated):
        desk.in_session(session)
    assert desk.do.sessions.listed(desk.do.people.show("Ada")["person_id"])["items"] == []


@pytest.mark.parametrize("state", ["", "gone", None, 3, ["active"]])
def test_a_state_is_one_of_three(desk: Desk, state: Any) -> None:
    """Nobody is made gone by hand."""
    with pytest.raises(InvalidInput):
        desk.do.people.set_state("Ada", state, "root")


@pytest.mark.parametrize("password", ["correct horse battery", "ünïcödé wörks töö", "x9!kR2#vB7$m", "жёлтый кит плывёт", PASSWORD, OTHER])
def test_long_passwords_of_any_kind_are_good(password: str) -> None:
    """No rules about which characters there are."""
    assert checked_password(password, 12, ("ada", "Hamburg"))


@pytest.mark.parametrize(
    "password",
    [
        "short",
        "elevenchars",
        None,
        7,
        "x9!kR2#vB7$m" * 22,
        "passwordpassword",
        "Password123456",
        "qwertyuiop123",
        "123456789012",
        "aaaaaaaaaaaaaaaa",
        "abababababababab",
        "administrator1",
        "ada.lovelace1",
        "HamburgHamburg1",
        "odst-hamburg-ada",
        "Willkommen2026!",
    ],
)
def test_short_and_obvious_passwords_are_not(password: Any) -> None:
    """Neither those that are guessed first, nor those made of the names that everybody knows."""
    with pytest.raises(InvalidInput) as caught:
        checked_password(password, 12, ("ada", "Ada Lovelace", "ada@example.org", "Hamburg"))

    assert caught.value.code == "PASSWORD_WEAK"


def test_a_password_is_the_same_however_the_keyboard_wrote_it() -> None:
    """One form of Unicode (NFKC)."""
    assert checked_password("cafe\u0301 au lait noir", 12, ()) == checked_password("caf\u00e9 au lait noir", 12, ())
    assert not is_obvious("caf\u00e9 au lait noir", ("",))
