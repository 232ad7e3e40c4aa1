"""Claims about what the directory answers."""

from __future__ import annotations

import hashlib

import pytest

from services.directory.handlers.tokens import DirectoryHandlers, FirstStart
from shared.core.errors import Conflict, Forbidden, InvalidInput, Unauthenticated
from shared.testing.fakes.clock import FakeClock
from tests.unit.directory.directory_fakes import FakeHandOver, FakePasswords, FakeRegister


class Desk:
    """A directory with its outside faked."""

    def __init__(self) -> None:
        self.clock, self.register, self.hand_over = FakeClock(), FakeRegister(), FakeHandOver()
        self.handlers = DirectoryHandlers(self.register, self.clock)
        self.first_start = FirstStart(self.register, self.hand_over, FakePasswords(), self.clock)

    def authorize(self, token: str, right: str) -> dict[str, str]:
        """Ask as the gateway does."""
        return self.handlers.authorize(hashlib.sha256(token.encode()).hexdigest(), right)


@pytest.fixture
def desk() -> Desk:
    """A directory in which nobody is yet."""
    return Desk()


def test_the_first_start_makes_one_administrator_and_later_ones_none(desk: Desk) -> None:
    """Made and handed over once; what was handed over opens everything."""
    assert desk.first_start.run()
    assert not desk.first_start.run()

    (credentials,) = desk.hand_over.written
    assert desk.authorize(credentials.token, "administer")["person"] == "admin"
    assert desk.handlers.figures() == {"people": 1, "tokens": 1}
    assert len(credentials.password) >= 20


def test_credentials_do_not_show_in_logs(desk: Desk) -> None:
    """Their text form has neither password nor token."""
    desk.first_start.run()
    (credentials,) = desk.hand_over.written

    assert credentials.password not in f"{credentials!r} {credentials}"
    assert credentials.token not in f"{credentials!r} {credentials}"


def test_a_created_token_opens_what_its_role_may(desk: Desk) -> None:
    """The answer has the token once, in the form of the Admin API; the list never has it."""
    created = desk.handlers.create_token("autopkg", "uploader", "admin", 60)

    assert created.keys() == {"token_id", "name", "role", "created", "expires", "last_used", "state", "token"}
    assert (created["created"], created["expires"]) == ("2026-11-03T12:00:00Z", "2026-11-03T12:01:00Z")
    assert desk.authorize(created["token"], "upload") == {"person": "autopkg", "role": "uploader", "token_id": created["token_id"]}
    with pytest.raises(Forbidden):
        desk.authorize(created["token"], "administer")
    assert created["token"] not in str(desk.handlers.list_tokens())


def test_only_the_digest_of_a_token_is_kept(desk: Desk) -> None:
    """Nothing in the register contains the token."""
    created = desk.handlers.create_token("autopkg", "uploader", "admin")

    assert created["token"] not in str(desk.register.kept)


def test_unknown_expired_and_revoked_tokens_get_the_same_words(desk: Desk) -> None:
    """Nobody learns from the refusal whether a token ever existed."""
    desk.handlers.create_token("other", "administrator", "admin")
    expired = desk.handlers.create_token("old", "viewer", "admin", 10)
    revoked = desk.handlers.create_token("gone", "viewer", "admin")
    desk.handlers.revoke_token(revoked["token_id"])
    desk.clock.pass_seconds(10)
    words = set()

    for token in ("odst_guess", expired["token"], revoked["token"]):
        with pytest.raises(Unauthenticated) as caught:
            desk.authorize(token, "view")
        words.add(str(caught.value))
    for junk in (None, "", 7, "A" * 64, ["x"]):
        with pytest.raises(Unauthenticated) as caught:
            desk.handlers.authorize(junk, "view")
        words.add(str(caught.value))

    assert len(words) == 1
    assert [item["state"] for item in desk.handlers.list_tokens()["items"]].count("active") == 1


def test_an_unknown_right_is_refused_for_what_it_is(desk: Desk) -> None:
    """The gateway asking nonsense is not the caller's missing token."""
    with pytest.raises(InvalidInput):
        desk.authorize("odst_guess", "fly")


def test_the_last_use_is_written_once_a_minute(desk: Desk) -> None:
    """A hundred calls a minute write once."""
    token = desk.handlers.create_token("busy", "viewer", "admin")["token"]

    for _ in range(121):
        desk.authorize(token, "view")
        desk.clock.pass_seconds(1)

    assert desk.register.uses_written == 3
    assert desk.handlers.list_tokens()["items"][0]["last_used"] == "2026-11-03T12:02:00Z"


def test_revoking_twice_is_fine_and_the_last_way_in_stays(desk: Desk) -> None:
    """Knowing is success; locking everybody out is a conflict."""
    desk.first_start.run()
    second = desk.handlers.create_token("second", "administrator", "admin")

    desk.handlers.revoke_token(second["token_id"])
    desk.handlers.revoke_token(second["token_id"])

    with pytest.raises(Conflict):
        desk.handlers.revoke_token(next(item["token_id"] for item in desk.handlers.list_tokens()["items"] if item["name"] == "admin"))
