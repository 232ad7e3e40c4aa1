"""Claims about what the directory answers of tokens."""

from __future__ import annotations

from typing import Any

import pytest

from shared.core.errors import Conflict, Forbidden, InvalidInput, NotFound, Unauthenticated
from tests.unit.directory.desk import Desk


@pytest.fixture
def desk() -> Desk:
    """A directory with an administrator, an uploader and a service."""
    made = Desk()
    made.with_administrator()
    made.person("ursula", "uploader")
    made.person("ci", "uploader", "promoter", service=True)
    return made


def test_the_first_start_makes_one_administrator_and_later_ones_none() -> None:
    """Made and handed over once; what was handed over opens everything, the password too."""
    desk = Desk()

    assert desk.first_start.run()
    assert not desk.first_start.run()
    (credentials,) = desk.hand_over.written
    assert desk.authorize(credentials.token, "administer")["person"] == "admin"
    assert desk.in_session(desk.log_in("admin", credentials.password), "administer")["person"] == "admin"
    assert desk.do.figures() == {"people": 1, "tokens": 1, "sessions": 1, "audit_entries": 0}
    assert len(credentials.password) >= 20


def test_credentials_do_not_show_in_logs() -> None:
    """Their text form has neither password nor token."""
    desk = Desk()
    desk.first_start.run()
    (credentials,) = desk.hand_over.written

    assert credentials.password not in f"{credentials!r} {credentials}"
    assert credentials.token not in f"{credentials!r} {credentials}"


def test_a_created_token_opens_what_its_person_may(desk: Desk) -> None:
    """The answer has the token once, in the form of the Admin API; the list never has it."""
    created = desk.token("ursula", seconds=60)

    assert (created["person"], created["created"], created["expires"]) == ("ursula", "2026-11-03T12:00:01Z", "2026-11-03T12:01:01Z")
    found = desk.authorize(created["token"], "upload")
    assert (found["person"], found["role"], found["token_id"], found["within"]) == ("ursula", "uploader", created["token_id"], None)
    assert found["rights"] == {"self": None, "upload": None, "view": None}
    with pytest.raises(Forbidden):
        desk.authorize(created["token"], "administer")
    assert created["token"] not in str(desk.do.tokens.list_tokens(None))
    assert created["token"] not in str(desk.register.kept)


@pytest.mark.parametrize(
    "grant", ["administrator", "promoter", {"role": "administrator", "tags": ["test"]}, {"role": "auditor", "instances": ["Hamburg"]}]
)
def test_nobody_makes_a_token_that_may_more_than_they(desk: Desk, grant: Any) -> None:
    """Neither more rights nor more tags."""
    with pytest.raises(Forbidden) as caught:
        desk.token("ursula", grant)

    assert caught.value.code == "TOKEN_TOO_WIDE"


def test_a_token_can_be_narrowed_to_tags_and_to_rights(desk: Desk) -> None:
    """What is left is said with each call: the tags within which the right holds."""
    narrow = desk.token("root", {"role": "administrator", "tags": ["test"]})["token"]
    reading = desk.token("root", rights=["audit"])["token"]

    assert desk.authorize(narrow, "delete")["within"] == ["test"]
    assert desk.authorize(reading, "audit")["within"] is None
    for token, right in ((narrow, "administer"), (reading, "view"), (reading, "administer")):
        with pytest.raises(Forbidden):
            desk.authorize(token, right)


def test_a_token_made_with_a_token_has_its_limits_and_does_not_outlive_it(desk: Desk) -> None:
    """Also if nothing is said of them."""
    first = desk.token("root", {"role": "administrator", "tags": ["test"]}, rights=["self", "upload"], seconds=3600)
    maker = desk.maker("root", first["token_id"])

    second = desk.do.tokens.create_token("child", None, None, None, None, never_expires=None, maker=maker)

    assert second["expires"] == first["expires"]
    assert desk.authorize(second["token"], "upload")["within"] == ["test"]
    with pytest.raises(Forbidden):
        desk.authorize(second["token"], "delete")
    for grants, rights, seconds, never in (
        ([{"role": "uploader"}], None, None, False),
        ([{"role": "administrator", "tags": ["test"]}], None, None, False),
        (None, None, 7200, False),
        (None, None, None, True),
    ):
        with pytest.raises((Forbidden, InvalidInput)):
            desk.do.tokens.create_token("child", grants, rights, None, seconds, never, maker)


def test_a_token_loses_what_its_person_loses(desk: Desk) -> None:
    """At once; and it gains nothing that was not given to it."""
    token = desk.token("ursula", "uploader")["token"]
    desk.do.people.change("ursula", [{"role": "viewer"}], None, None, "root")
    with pytest.raises(Forbidden):
        desk.authorize(token, "upload")

    desk.do.people.change("ursula", [{"role": "administrator"}], None, None, "root")

    assert desk.authorize(token, "upload")["person"] == "ursula"
    with pytest.raises(Forbidden):
        desk.authorize(token, "administer")


def test_only_an_administrator_makes_tokens_for_services_and_for_ever(desk: Desk) -> None:
    """And none for other people, in whose name something could then be done."""
    made = desk.token("root", person="ci", never=True)

    assert (made["person"], made["created_by"], made["expires"]) == ("ci", "root", None)
    assert desk.authorize(made["token"], "promote")["person"] == "ci"
    for by, more in (("ursula", {"person": "ci"}), ("ursula", {"never": True})):
        with pytest.raises(Forbidden):
            desk.token(by, **more)
    with pytest.raises(InvalidInput) as caught:
        desk.token("root", person="ursula")
    assert caught.value.code == "PERSON_NOT_SERVICE"
    with pytest.raises(NotFound):
        desk.token("root", person="nobody")


def test_a_service_approves_nothing(desk: Desk) -> None:
    """Whatever its role: it is nobody's second person."""
    token = desk.token("root", person="ci")["token"]

    assert "approve" not in desk.authorize(token, "promote")["rights"]
    with pytest.raises(Forbidden):
        desk.authorize(token, "approve")


def test_a_service_keeps_its_token_when_who_made_it_goes(desk: Desk) -> None:
    """It ends with the service."""
    token = desk.token("root", person="ci")["token"]
    desk.person("second", "administrator")
    desk.log_in("second")
    desk.do.people.set_state("root", "disabled", "second")
    assert desk.authorize(token, "upload")["person"] == "ci"

    desk.do.people.set_state("ci", "disabled", "second")

    with pytest.raises(Unauthenticated):
        desk.authorize(token, "upload")


def test_unknown_expired_revoked_and_disabled_get_the_same_words(desk: Desk) -> None:
    """Nobody learns from the refusal whether a token ever existed."""
    desk.person("gone", "viewer")
    expired, revoked, disabled = desk.token("root", seconds=10), desk.token("root"), desk.token("gone")
    desk.do.tokens.revoke_token(revoked["token_id"], None)
    desk.do.people.set_state("gone", "disabled", "root")
    desk.clock.pass_seconds(10)
    words = set()

    for token in ("odst_guess", expired["token"], revoked["token"], disabled["token"]):
        with pytest.raises(Unauthenticated) as caught:
            desk.authorize(token, "view")
        words.add(str(caught.value))
    for junk in (None, "", 7, "A" * 64, ["x"]):
        for ask in (desk.do.gate.authorize, desk.do.gate.authorize_session):
            with pytest.raises(Unauthenticated) as caught:
                ask(junk, "view")
            words.add(str(caught.value))

    assert len(words) == 1


def test_an_unknown_right_is_refused_for_what_it_is(desk: Desk) -> None:
    """The gateway asking nonsense is not the caller's missing token."""
    with pytest.raises(InvalidInput):
        desk.authorize("odst_guess", "fly")


def test_the_last_use_is_written_once_a_minute(desk: Desk) -> None:
    """A hundred calls a minute write once."""
    token = desk.token("ursula")["token"]

    for _ in range(121):
        desk.authorize(token, "view")
        desk.clock.pass_seconds(1)

    assert desk.register.uses_written == 3
    assert desk.do.tokens.list_tokens(None)["items"][0]["last_used"] == "2026-11-03T12:02:01Z"


def test_tokens_are_listed_and_revoked_for_one_or_for_all(desk: Desk) -> None:
    """Of others there is nothing to be seen for whom only the own ones are meant."""
    hers, mine = desk.token("ursula"), desk.token("root")
    ursula = desk.maker("ursula")["person_id"]

    assert [item["token_id"] for item in desk.do.tokens.list_tokens(ursula)["items"]] == [hers["token_id"]]
    assert len(desk.do.tokens.list_tokens(None)["items"]) == 2
    with pytest.raises(NotFound):
        desk.do.tokens.revoke_token(mine["token_id"], ursula)
    desk.do.tokens.revoke_token(hers["token_id"], ursula)
    desk.do.tokens.revoke_token(hers["token_id"], ursula)
    assert desk.do.tokens.list_tokens(ursula)["items"][0]["state"] == "revoked"


def test_the_last_token_of_the_last_administrator_stays_until_a_password_was_used() -> None:
    """Locking everybody out is a conflict; a second way in makes it none."""
    desk = Desk()
    desk.first_start.run()
    (credentials,) = desk.hand_over.written
    (token,) = desk.do.tokens.list_tokens(None)["items"]
    with pytest.raises(Conflict):
        desk.do.tokens.revoke_token(token["token_id"], None)

    desk.log_in("admin", credentials.password)

    desk.do.tokens.revoke_token(token["token_id"], None)
    assert desk.do.tokens.list_tokens(None)["items"][0]["state"] == "revoked"
