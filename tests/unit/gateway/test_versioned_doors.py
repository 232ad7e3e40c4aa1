"""Claims about changing what one looked at: the doors, and behind them the services' own handlers, agree on what was changed since."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import TestResponse

from services.api_gateway.http.openapi import operations
from services.api_gateway.http.versioned import IF_MATCH, IF_NONE_MATCH
from tests.unit.directory.desk import OTHER, Desk
from tests.unit.gateway.gateway_fakes import Asker, ToldServices, a_gateway
from tests.unit.notify.notify_fakes import Desk as Notify
from tests.unit.replication.replication_bench import Bench as Replication
from tests.unit.storage.storage_bench import Bench as Storage

NO_CONDITION = {
    "PUT /api/v1/packages/{name}": "makes a package; none is changed",
    "PATCH /api/v1/uploads/{upload_id}": "says at which offset it goes on",
    "POST /api/v1/uploads/{upload_id}": "the same, for those who know no other method",
    "DELETE /api/v1/uploads/{upload_id}": "an upload belongs to one person",
    "POST /api/v1/packages/{reference}/promote": "makes a promotion, which adds a stage and takes nothing away",
    "POST /api/v1/names/{name}/rollback": "says by `to` which version is meant",
    "DELETE /api/v1/tokens/{token_id}": "a token is never changed, only revoked",
    "POST /api/v1/subscriptions/{subscription_id}/jamf/test": "changes nothing",
    "POST /api/v1/subscriptions/{subscription_id}/jamf/distribution-point": "changes Jamf Pro, which knows no versions",
    "POST /api/v1/subscriptions/{subscription_id}/jamf/record": "changes Jamf Pro, which knows no versions",
    "POST /api/v1/subscriptions/{subscription_id}/secret": "the one before goes on for a time",
    "POST /api/v1/subscriptions/{subscription_id}/test": "changes nothing",
    "POST /api/v1/subscriptions/{subscription_id}/replay": "sends again, and changes nothing",
    "POST /api/v1/deliveries/{delivery_id}/replay": "the same",
    "PUT /api/v1/templates/{kind}": "the whole of it is given; a few administrators, and the audit log has who",
    "DELETE /api/v1/templates/{kind}": "the same",
    "POST /api/v1/templates/{kind}/preview": "changes nothing",
    "DELETE /api/v1/group-grants/{grant_id}": "a grant of a group is never changed, only taken",
    "DELETE /api/v1/sessions/{session_id}": "a session is never changed, only ended",
    "DELETE /api/v1/dead-letters/{letter_id}": "a dead letter is never changed",
}
"""Changes of single things that take no If-Match."""


class House:
    """A gateway in front of storage, replication, notify and directory as they are, but for their outsides."""

    def __init__(self, folder: Path) -> None:
        self.desk, self.storage, self.replication = (
            Desk(),
            Storage(folder / "s", approval_stages=("production",)),
            Replication(folder / "r"),
        )
        (folder / "n").mkdir()
        self.notify = Notify(folder / "n")
        self.desk.with_administrator()
        self.token = self.desk.token("root")["token"]
        do, people, relations = self.storage.do, self.desk.do.people, self.replication.relations
        self.services = ToldServices(
            directory__authorize=self.desk.do.gate.authorize,
            directory__show_person=people.show,
            directory__change_person=people.change,
            directory__set_person_state=people.set_state,
            directory__set_password=people.set_password,
            storage__show_package=do.questions.show_package,
            storage__retag_package=do.stewards.retag,
            storage__delete_package=do.stewards.delete,
            storage__undelete_package=do.stewards.undelete,
            storage__raise_package=do.stewards.raise_,
            storage__show_promotion=do.promotions.show,
            storage__approve_promotion=do.promotions.approve,
            storage__reject_promotion=do.promotions.reject,
            replication__show_peer=relations.show_peer,
            replication__change_peer=relations.change_peer,
            replication__revoke_peer=relations.revoke,
            notify__show_subscription=self.notify.subscribing.show,
            notify__change_subscription=self.notify.subscribing.change,
            notify__set_subscription_state=self.notify.subscribing.set_state,
            notify__take_over_subscription=self.notify.owners.take_over,
            notify__unsubscribe=self.notify.subscribing.unsubscribe,
        )
        self.gateway: Asker = a_gateway(folder / "g", self.services)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> TestResponse:
        """One call; `If_Match` is a header."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {} if body is None else {"data": json.dumps(body)}
        return self.gateway.client.open(f"/api/v1{path}", method=method, headers={"Authorization": f"Bearer {self.token}", **named}, **sent)

    def tag(self, path: str) -> str:
        """The tag of a thing now."""
        return self.ask("GET", path).headers["ETag"]


@pytest.fixture
def house(tmp_path: Path) -> House:
    """Nothing is in it but its administrator."""
    return House(tmp_path)


@dataclass(frozen=True)
class Change:
    """A thing, what somebody else does to it, and what one wanted to do."""

    thing: Callable[[House], str]
    theirs: tuple[str, str, Any]
    ours: tuple[str, str, Any]


def _person(house: House) -> str:
    house.desk.person("ada", "viewer")
    return "/people/ada"


def _package(house: House) -> str:
    return f"/packages/{house.storage.uploaded(b'bytes', tags=['test'])}"


def _deleted(house: House) -> str:
    path = _package(house)
    assert house.ask("DELETE", path).status_code == 200
    return path


def _peer(house: House) -> str:
    return f"/peers/{house.replication.meet('B')[0].peer_id}"


def _promotion(house: House) -> str:
    _package(house)
    return f"/promotions/{house.storage.do.promotions.promote('App.pkg', 'production', None, 'anna')['promotion_id']}"


def _subscription(house: House) -> str:
    return f"/subscriptions/{house.notify.add().subscription_id}"


_EVENTS, _TEXT = {"events": ["peer.*"]}, {"description": "the chat of the night shift"}
_ROLE, _NAME = {"role": "uploader"}, {"display_name": "Ada"}
_RETAG, _RETAG_MORE = {"tags": ["development"]}, {"tags": ["test", "development"]}
CHANGES = [
    Change(_person, ("PATCH", "", _ROLE), ("PATCH", "", _NAME)),
    Change(_person, ("POST", "/disable", None), ("POST", "/enable", None)),
    Change(_person, ("PATCH", "", _NAME), ("POST", "/password", {"password": OTHER})),
    Change(_person, ("PATCH", "", _NAME), ("POST", "/disable", None)),
    Change(_person, ("PATCH", "", _ROLE), ("DELETE", "", None)),
    Change(_package, ("POST", "/tags", _RETAG), ("POST", "/tags", _RETAG_MORE)),
    Change(_package, ("POST", "/tags", _RETAG), ("DELETE", "", None)),
    Change(_package, ("DELETE", "", None), ("DELETE", "", None)),
    Change(_package, ("POST", "/tags", _RETAG), ("POST", "/raise", None)),
    Change(_deleted, ("POST", "/tags", _RETAG), ("POST", "/undelete", None)),
    Change(_peer, ("PATCH", "", {"tags": ["test"]}), ("PATCH", "", {"steward": True})),
    Change(_peer, ("PATCH", "", {"tags": ["test"]}), ("DELETE", "", None)),
    Change(_subscription, ("PATCH", "", _EVENTS), ("PATCH", "", _TEXT)),
    Change(_subscription, ("POST", "/pause", None), ("PATCH", "", _EVENTS)),
    Change(_subscription, ("PATCH", "", _EVENTS), ("POST", "/pause", None)),
    Change(_subscription, ("POST", "/pause", None), ("POST", "/resume", None)),
    Change(_subscription, ("PATCH", "", _EVENTS), ("POST", "/owner", None)),
    Change(_subscription, ("PATCH", "", _EVENTS), ("DELETE", "", None)),
    Change(_promotion, ("POST", "/approve", None), ("POST", "/reject", {})),
    Change(_promotion, ("POST", "/reject", {}), ("POST", "/approve", None)),
]


@pytest.mark.parametrize("change", CHANGES, ids=[f"{one.thing.__name__[1:]}-{' '.join(one.ours[:2])}" for one in CHANGES])
def test_who_comes_second_is_told_so_and_changes_nothing(house: House, change: Change) -> None:
    """The first one's answer bears the new tag; with that the second one decides anew."""
    path = change.thing(house)
    seen = house.tag(path)
    method, below, body = change.theirs
    first = house.ask(method, path + below, body, If_Match=seen)
    between = house.ask("GET", path)

    method, below, body = change.ours
    second = house.ask(method, path + below, body, If_Match=seen)
    after = house.ask("GET", path)
    again = house.ask(method, path + below, body, If_Match=first.headers["ETag"])

    assert (first.status_code, first.headers["ETag"]) == (200, between.headers["ETag"])
    assert first.headers["ETag"] != seen
    assert (second.status_code, second.json["code"]) == (412, "PRECONDITION_FAILED")
    assert first.headers["ETag"].strip('"').partition(".")[0] in second.json["detail"]
    assert after.data == between.data
    assert again.status_code in (200, 204, 409)  # 409: a promotion that has ended


def test_what_changes_by_itself_hinders_nobody(house: House) -> None:
    """Who was in contact a moment ago is still the peer that was looked at; who wants the newest gets it."""
    path = _peer(house)
    seen = house.tag(path)
    known = house.ask("GET", path, If_None_Match=seen)
    (peer,) = house.replication.peers.all()
    with house.replication.peers.changing() as changes:
        changes.save_peer(replace(peer, last_contact=house.replication.clock.pass_seconds(5)))

    newer = house.ask("GET", path, If_None_Match=seen)

    assert (known.status_code, known.data, known.headers["ETag"]) == (304, b"", seen)
    assert (newer.status_code, newer.headers["ETag"] == seen) == (200, False)
    assert house.ask("PATCH", path, {"steward": True}, If_Match=seen).status_code == 200


@pytest.mark.parametrize(
    ("condition", "status"),
    [
        ("*", 200),
        ('"other", {tag}', 200),
        ('"other"', 412),
        ("W/{tag}", 412),
        ('W/"*"', 412),
        ('"*"', 412),
        ('""', 412),
        ("", 412),
        ("nonsense", 412),
    ],
)
def test_conditions_are_read_as_http_has_them(house: House, condition: str, status: int) -> None:
    """One tag of several is enough; weak tags never match; what is no tag matches nothing."""
    path = _person(house)

    answer = house.ask("PATCH", path, _NAME, If_Match=condition.format(tag=house.tag(path)))

    assert answer.status_code == status


def test_without_a_condition_all_is_as_it_was_and_a_condition_makes_nothing_appear(house: House) -> None:
    """Who says nothing changes what is there; what is not there is not found."""
    path = _person(house)

    assert house.ask("PATCH", path, _NAME).status_code == 200
    assert house.ask("PATCH", "/people/nobody", _NAME, If_Match="*").status_code == 404
    assert house.services.arguments("directory", "change_person")[0]["expected"] is None


def test_every_change_of_one_thing_takes_a_condition_or_is_listed_with_the_reason(house: House) -> None:
    """And whatever takes one can be looked at, with its tag."""
    found = {f"{method} {path}": described for path, method, described, _ in operations(house.gateway.client.application)}
    changing = {name for name in found if name.split()[0] != "GET" and "{" in name}
    conditional = {name for name, described in found.items() if IF_MATCH in described.headers}
    shown = {name.split()[1] for name, described in found.items() if IF_NONE_MATCH in described.headers}

    assert changing - conditional == set(NO_CONDITION)
    assert {_thing(name) for name in conditional} == shown


def _thing(name: str) -> str:
    return name.split()[1].partition("}")[0] + "}"
