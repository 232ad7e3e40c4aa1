"""Claims about doors that take an `Idempotency-Key`: what is sent twice is done once, and what is not known is said to be unknown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from services.api_gateway.http.keyed import KEY_HEADER, REPLAYED_HEADER
from services.api_gateway.http.openapi import operations
from services.directory.domain.keyed_requests import KEPT_FOR, LEASE
from shared.contracts.events import DoorActedV1
from shared.core.errors import AnswerLost, Conflict, Forbidden, InsufficientSpace, OdstError, ServiceTimeout, ServiceUnavailable
from tests.unit.directory.desk import PASSWORD, Desk
from tests.unit.gateway.gateway_fakes import Asker, ToldServices, a_gateway

NOT_KEYED = {
    "POST /api/v1/session": "nobody is known yet to whom the key could belong; a session that nobody has ends by itself",
    "POST /api/v1/session/oidc": "as above; what was begun and is not finished is forgotten after ten minutes",
    "POST /api/v1/session/oidc/callback": "as above; an answer of the provider opens one session",
    "POST /api/v1/session/password": "knows the present password, which is another one the second time",
    "POST /api/v1/packages": "bytes that are here already make no second package",
    "POST /api/v1/uploads": "an upload without bytes publishes nothing, and expires by itself",
    "POST /api/v1/uploads/{upload_id}": "says at which offset it goes on",
    "POST /api/v1/packages/{reference}/tags": "the tags are the same the second time",
    "POST /api/v1/packages/{reference}/undelete": "is refused the second time",
    "POST /api/v1/packages/{reference}/raise": "what is current stays current",
    "POST /api/v1/promotions/{promotion_id}/approve": "is refused the second time",
    "POST /api/v1/promotions/{promotion_id}/reject": "is refused the second time",
    "POST /api/v1/transfers/{transfer_id}/pause": "paused is paused",
    "POST /api/v1/transfers/{transfer_id}/resume": "what goes on goes on; of what was cancelled, one other is planned at most",
    "POST /api/v1/transfers/{transfer_id}/cancel": "cancelled is cancelled",
    "POST /api/v1/peers/pull": "reads what is new; the second time, nothing",
    "POST /api/v1/dead-letters/replay": "what was handed back is no dead letter any more",
    "POST /api/v1/people/{reference}/password": "the password is the same the second time",
    "POST /api/v1/people/{reference}/disable": "disabled is disabled",
    "POST /api/v1/people/{reference}/enable": "active is active",
    "POST /api/v1/subscriptions/{subscription_id}/pause": "paused is paused",
    "POST /api/v1/subscriptions/{subscription_id}/owner": "whose it is stays theirs",
    "POST /api/v1/subscriptions/{subscription_id}/test": "keeps nothing",
    "POST /api/v1/subscriptions/{subscription_id}/replay": "the same messages have the same ids: receivers drop what they know",
    "POST /api/v1/deliveries/{delivery_id}/replay": "as above",
    "POST /api/v1/subscriptions/{subscription_id}/resume": "active is active",
    "POST /api/v1/templates/{kind}/preview": "changes nothing",
    "POST /api/v1/subscriptions/{subscription_id}/jamf/test": "changes nothing",
    "POST /api/v1/subscriptions/{subscription_id}/jamf/distribution-point": "the second time there is nothing to write",
    "POST /api/v1/subscriptions/{subscription_id}/jamf/record": "the second time there is nothing to write",
    "POST /api/v1/directory/test": "changes nothing",
    "POST /api/v1/directory/oidc/test": "changes nothing",
    "POST /api/v1/audit/verify": "changes nothing",
    "POST /api/v1/audit/acknowledge-restore": "the second time there is nothing to acknowledge",
}
"""POSTs that make nothing new when they come twice, or cannot have a key."""
UUID_KEY = "8e03978e-40d5-43dd-bc93-6894a57f9324"
PROMOTION = {"promotion_id": "r1", "state": "scheduled"}


class House:
    """A gateway in front of a directory as it is, and of services that do what they are told."""

    def __init__(self, folder: Path) -> None:
        self.desk = Desk()
        self.desk.with_administrator()
        self.token = self.desk.token("root")["token"]
        do = self.desk.do
        self.services = ToldServices(
            directory__authorize=do.gate.authorize,
            directory__create_token=do.tokens.create_token,
            directory__create_person=do.people.create,
            directory__begin_request=do.keyed.begin,
            directory__finish_request=do.keyed.finish,
            directory__release_request=do.keyed.release,
            storage__promote_package=PROMOTION,
        )
        self.gateway: Asker = a_gateway(folder, self.services)

    def post(self, path: str, body: Any = None, key: str | None = UUID_KEY, token: str | None = None) -> TestResponse:
        """One call under a key."""
        headers = {"Authorization": f"Bearer {token or self.token}"} | ({} if key is None else {KEY_HEADER: key})
        return self.gateway.client.post(f"/api/v1{path}", data=json.dumps(body or {}), headers=headers)

    def promote(self, body: Any = None, key: str | None = UUID_KEY) -> tuple[int, str | None]:
        """Status and code of a promotion."""
        answer = self.post("/packages/x/promote", body, key)
        return answer.status_code, (answer.json or {}).get("code")

    def make_token(self, key: str | None = UUID_KEY) -> TestResponse:
        """Another token."""
        return self.post("/tokens", {"name": "ci"}, key)

    @property
    def promoted(self) -> int:
        """How often storage was asked to."""
        return len(self.services.arguments("storage", "promote_package"))

    @property
    def acts(self) -> list[DoorActedV1]:
        """What was said of these calls."""
        return [event for event in self.gateway.events.said if isinstance(event, DoorActedV1)]


@pytest.fixture
def house(tmp_path: Path) -> House:
    """Nobody called yet."""
    return House(tmp_path)


def test_every_post_takes_a_key_or_is_listed_with_the_reason(house: House) -> None:
    """So that nobody forgets it at the next door."""
    app: Flask = house.gateway.client.application
    posts = {f"{method} {path}": description for path, method, description, _ in operations(app) if method == "POST"}

    assert {name for name, description in posts.items() if KEY_HEADER not in description.headers} == set(NOT_KEYED)


def test_what_comes_again_is_answered_again_and_not_done_again(house: House) -> None:
    """Status and bytes are the same; a header and the audit log say that it is a replay."""
    first = house.post("/packages/x/promote", {"to": "production"})
    again = house.post("/packages/x/promote", {"to": "production"})
    quoted = house.post("/packages/x/promote", {"to": "production"}, f'"{UUID_KEY}"')

    assert (first.status_code, first.json, house.promoted) == (201, PROMOTION, 1)
    assert [(one.status_code, one.data) for one in (again, quoted)] == [(201, first.data)] * 2
    assert [one.headers.get(REPLAYED_HEADER) for one in (first, again, quoted)] == [None, "true", "true"]
    assert [act.details for act in house.acts] == [{}, {"replayed": "true"}, {"replayed": "true"}]


def test_without_a_key_and_under_another_one_it_is_done_again(house: House) -> None:
    """A key is asked of nobody."""
    for key in (None, None, "1", "2"):
        assert house.promote(key=key) == (201, None)

    assert house.promoted == 4


def test_another_request_under_the_same_key_is_refused(house: House) -> None:
    """Other body, other path, other query, other door; for another person it is a key like any other."""
    house.desk.person("ada", "administrator")
    adas = house.desk.token("ada")["token"]
    house.promote({"to": "test"})

    assert house.promote({"to": "production"}) == (422, "IDEMPOTENCY_KEY_REUSED")
    for path in ("/packages/y/promote", "/packages/x/promote?a=b", "/tokens"):
        assert house.post(path, {"to": "test"}).status_code == 422
    assert house.post("/packages/x/promote", {"to": "production"}, token=adas).status_code == 201
    assert house.promoted == 2


def test_a_narrower_token_is_not_told_what_a_wider_one_did(house: House) -> None:
    """Nor the other way round: what a key was taken for includes the tags within which its request might do it."""
    narrow, narrower = (house.desk.token("root", {"role": "promoter", "tags": tags})["token"] for tags in (["test", "a"], ["test"]))
    wish = {"to": "production"}
    house.promote(wish)
    house.post("/packages/x/promote", wish, "another", token=narrow)

    assert house.post("/packages/x/promote", wish, token=narrow).json["code"] == "IDEMPOTENCY_KEY_REUSED"
    assert [house.post("/packages/x/promote", wish, "another", token=token).status_code for token in (narrow, narrower)] == [201, 422]
    assert house.promoted == 2


@pytest.mark.parametrize("key", ["", '""', "x" * 256, "a\tb", "a\x7fb", "\xfc"])
def test_a_malformed_key_is_refused(house: House, key: str) -> None:
    """And nothing is done."""
    assert house.promote(key=key) == (400, "IDEMPOTENCY_KEY_INVALID")
    assert house.promoted == 0


def test_a_key_is_asked_about_after_the_right(house: House) -> None:
    """Who may not pass is told so, and takes no key."""
    assert house.post("/tokens", token="odst_guess").status_code == 401
    assert not house.services.arguments("directory", "begin_request")


def test_a_secret_is_kept_nowhere_and_shown_once(house: House) -> None:
    """The second time it is told what was made, so that it can be revoked; there is one token."""
    before = house.desk.register.counts()["tokens"]
    made = house.make_token().json
    again = house.make_token()

    assert made is not None
    assert (again.status_code, again.json["code"]) == (409, "IDEMPOTENCY_SECRET_SHOWN")
    assert f"token_id {made['token_id']}" in again.json["detail"]
    assert house.desk.register.counts()["tokens"] == before + 1
    assert made["token"] not in repr([house.desk.outside.keyed, house.services.arguments("directory", "finish_request")])


def test_nothing_of_a_password_is_kept_with_a_key(house: House) -> None:
    """Two people with one password have fingerprints that cannot be compared."""
    for key, name in (("1", "ada"), ("2", "bert")):
        assert house.post("/people", {"name": name, "password": PASSWORD}, key).status_code == 201
        house.post("/people", {"name": "nobody", "password": PASSWORD, "role": "wrong"}, f"{key}-same")

    told = house.services.arguments("directory", "begin_request")
    assert len({one["fingerprint"] for one in told}) == 4
    assert PASSWORD not in repr([told, house.services.arguments("directory", "finish_request")])


@pytest.mark.parametrize(
    "error", [Conflict("no"), Forbidden("no"), InsufficientSpace("full"), ServiceUnavailable("storage is not running")]
)
def test_what_was_refused_may_come_again(house: House, error: OdstError) -> None:
    """Nothing was done, so the key is free: for the same, and for what was mended."""
    house.services.answers["storage__promote_package"] = error
    refused = house.promote()
    house.services.answers["storage__promote_package"] = PROMOTION

    assert refused[1] == error.code
    assert house.promote({"to": "test"}) == (201, None)
    assert house.promote({"to": "test", "at": "never"})[0] == 422


def test_a_body_that_cannot_be_read_takes_no_key(house: House) -> None:
    """It is mended under the same key."""
    assert house.promote({"too": "test"}) == (400, "BODY_INVALID")
    assert house.promote({"to": "test"}) == (201, None)


@pytest.mark.parametrize(
    "error", [ServiceTimeout("slow"), AnswerLost("the broker went away"), OdstError("an internal error"), KeyError("a bug")]
)
def test_what_may_have_been_done_is_not_done_again(house: House, error: Exception) -> None:
    """While it may be under way, one is asked to wait; then it is said to be unknown, and where to look; a day later it is forgotten."""
    house.services.answers["storage__promote_package"] = error
    assert house.promote()[0] in (500, 503, 504)
    house.services.answers["storage__promote_package"] = PROMOTION

    waiting = house.post("/packages/x/promote")
    house.desk.clock.pass_seconds(LEASE.total_seconds())
    unknown = house.post("/packages/x/promote")
    done = house.promoted
    house.desk.clock.pass_seconds(KEPT_FOR.total_seconds())

    assert (waiting.status_code, waiting.json["code"], waiting.headers["Retry-After"]) == (409, "IDEMPOTENCY_IN_PROGRESS", "1")
    assert (unknown.status_code, unknown.json["code"], unknown.headers.get("Retry-After")) == (409, "IDEMPOTENCY_OUTCOME_UNKNOWN", None)
    assert "see GET /api/v1/promotions" in unknown.json["detail"]
    assert done == 1
    assert house.promote() == (201, None)


def test_a_gateway_that_is_killed_after_the_work_leaves_an_unknown_outcome(house: House) -> None:
    """What it did is not done again, and not said to be undone."""

    class Killed(BaseException):
        """The process ends here."""

    def kill(**_told: Any) -> None:
        raise Killed

    finish = house.services.answers["directory__finish_request"]
    house.services.answers["directory__finish_request"] = kill
    with pytest.raises(Killed):
        house.make_token()
    house.services.answers["directory__finish_request"] = finish

    assert house.make_token().json["code"] == "IDEMPOTENCY_IN_PROGRESS"
    house.desk.clock.pass_seconds(LEASE.total_seconds())
    assert house.make_token().json["code"] == "IDEMPOTENCY_OUTCOME_UNKNOWN"
    assert len(house.services.arguments("directory", "create_token")) == 1


def test_without_directory_nothing_is_begun(house: House) -> None:
    """503, before any work. If it is not known whether the key was taken, it is given back."""
    for error in (ServiceUnavailable("directory is not running"), ServiceTimeout("slow")):
        house.services.answers["directory__begin_request"] = error
        assert house.promote()[0] == (504 if isinstance(error, ServiceTimeout) else 503)

    asked = house.services.arguments("directory", "begin_request")
    assert [one["request_id"] for one in house.services.arguments("directory", "release_request")] == [asked[-1]["request_id"]]
    assert house.promoted == 0


def test_what_was_done_is_answered_also_if_it_cannot_be_written_down(house: House) -> None:
    """Whoever waits gets it; whoever comes again is told that it is not known."""
    house.services.answers["directory__finish_request"] = ServiceUnavailable("directory is not running")

    assert house.promote() == (201, None)
    assert house.promote() == (409, "IDEMPOTENCY_IN_PROGRESS")
