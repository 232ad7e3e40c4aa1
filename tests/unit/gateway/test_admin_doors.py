"""Claims about the doors for administrators: which right each asks for, what it asks of whom, and what it refuses by itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import TestResponse

from shared.contracts.rpc import ANSWERS
from shared.core.errors import Conflict, Forbidden, NotFound, ServiceUnavailable
from tests.unit.gateway.gateway_fakes import ToldServices, a_gateway

VIEWER, ADMINISTRATOR = "viewer", "administrator"
WITHIN = ["test"]
"""The staging tags within which the caller may do what needs more than looking."""
ID = "6f1c9a52-3b0e-4c59-9d0a-2f5f1f0f7a11"
PACKAGE = {"package_id": ID, "name": "a b.pkg", "state": "published", "bytes_here": True, "created": "2026-01-02T00:00:00Z", "raised": None}
SHOWN = {**PACKAGE, "url": "http://127.0.0.1:8080/packages/a%20b.pkg"}
PROMOTION = {"promotion_id": "r1", "state": "scheduled"}
FINDINGS = {"items": [{"step": "connect", "ok": True, "detail": "well"}]}
OLD, OLDER = "0" * 8 + ID[8:], "1" * 8 + ID[8:]


@dataclass(frozen=True)
class Call:
    """One call of the Admin API, what it needs, and what it asks of a service."""

    method: str
    path: str
    right: str
    asks: str
    arguments: dict[str, Any]
    body: Any = None
    status: int = 200
    answer: Any = field(default_factory=lambda: {"items": []})

    def __str__(self) -> str:
        """Names the case."""
        return f"{self.method} {self.path}"


def _administer(method: str, path: str, asks: str, arguments: dict[str, Any], body: Any = None, **more: Any) -> Call:
    return Call(method, path, "administer", asks, arguments, body, **more)


CALLS = [
    Call("GET", "/packages?after=k&limit=7", "view", "storage__list_packages", {"after": "k", "limit": 7, "filters": {}, "sort": "name"}),
    Call(
        "GET",
        "/packages?tag=a,b&tag=c&state=wanted&state=deleted&text=%25_&bytes_here=false&created_after=2026-01-02T03:04:05%2B02:00&sort=-size",
        "view",
        "storage__list_packages",
        {
            "after": None,
            "limit": 100,
            "sort": "-size",
            "filters": {
                "tags": ["a", "b", "c"],
                "states": ["wanted", "deleted"],
                "text": "%_",
                "bytes_here": False,
                "created_after": "2026-01-02T03:04:05+02:00",
            },
        },
    ),
    Call(
        "GET",
        "/packages?untagged=true&origin=O&created_before=2026-01-02T03:04:05Z",
        "view",
        "storage__list_packages",
        {
            "after": None,
            "limit": 100,
            "sort": "name",
            "filters": {"untagged": True, "origin": "O", "created_before": "2026-01-02T03:04:05+00:00"},
        },
    ),
    Call("GET", "/packages/a%20b.pkg", "view", "storage__show_package", {"reference": "a b.pkg"}, answer=PACKAGE),
    Call("GET", "/names/tags/history", "view", "storage__list_history", {"name": "tags"}),
    _administer(
        "POST",
        "/packages/a%20b.pkg/tags",
        "storage__retag_package",
        {"reference": "a b.pkg", "tags": ["test", "production", "test"], "person": "ada"},
        {"tags": ["test", "production", "test"]},
        answer=PACKAGE,
    ),
    _administer("DELETE", "/packages/tags", "storage__delete_package", {"reference": "tags", "person": "ada"}, answer=PACKAGE),
    _administer("POST", "/packages/x/undelete", "storage__undelete_package", {"reference": "x", "person": "ada"}, answer=PACKAGE),
    _administer("POST", f"/packages/{ID}/raise", "storage__raise_package", {"reference": ID, "person": "ada"}, answer=PACKAGE),
    _administer(
        "POST",
        "/packages/x/promote",
        "storage__promote_package",
        {"reference": "x", "stage": None, "at": None, "person": "ada"},
        status=201,
        answer=PROMOTION,
    ),
    _administer(
        "POST",
        "/packages/promote/promote",
        "storage__promote_package",
        {"reference": "promote", "stage": "production", "at": "2030-01-02T01:04:05Z", "person": "ada"},
        {"to": "production", "at": "2030-01-02T03:04:05.6+02:00"},
        status=201,
        answer=PROMOTION,
    ),
    Call("GET", "/promotions", "view", "storage__list_promotions", {"limit": 100, "after": None, "states": []}),
    Call(
        "GET",
        "/promotions?after=k&state=done,failed",
        "view",
        "storage__list_promotions",
        {"limit": 100, "after": "k", "states": ["done", "failed"]},
    ),
    _administer("POST", "/promotions/r1/approve", "storage__approve_promotion", {"promotion_id": "r1", "person": "ada"}, answer=PROMOTION),
    _administer(
        "POST",
        "/promotions/r1/reject",
        "storage__reject_promotion",
        {"promotion_id": "r1", "person": "ada", "reason": "crashes"},
        {"reason": "crashes"},
        answer=PROMOTION,
    ),
    _administer(
        "POST",
        "/invitations",
        "replication__create_invitation",
        {"created_by": "ada", "valid_seconds": None, "tags": None, "steward": False},
        {},
        status=201,
    ),
    _administer(
        "POST",
        "/invitations",
        "replication__create_invitation",
        {"created_by": "ada", "valid_seconds": 60, "tags": ["*"], "steward": True},
        {"valid_seconds": 60, "tags": ["*"], "steward": True},
        status=201,
    ),
    _administer(
        "POST",
        "/peers",
        "replication__join",
        {"invitation": "odst1:x", "tags": ["test"]},
        {"invitation": "odst1:x", "tags": ["test"]},
        status=201,
    ),
    Call("GET", "/peers", "view", "replication__list_peers", {}),
    _administer(
        "PATCH",
        "/peers/P",
        "replication__change_peer",
        {"peer_id": "P", "tags": [], "steward": None, "person": "ada"},
        {"tags": []},
    ),
    _administer(
        "PATCH",
        "/peers/P",
        "replication__change_peer",
        {"peer_id": "P", "tags": None, "steward": False, "person": "ada"},
        {"steward": False},
    ),
    _administer("DELETE", "/peers/P", "replication__revoke_peer", {"peer_id": "P", "revoked_by": "ada"}, status=204),
    _administer("POST", "/peers/pull", "replication__pull_now", {}, status=202),
    Call("GET", "/plan", "view", "replication__plan", {"package_id": None, "tags": None}),
    Call("GET", "/instances", "view", "storage__list_instances", {}),
    _administer("POST", "/instance/rotate-key", "storage__rotate_key", {"person": "ada"}, answer={"old": "O", "new": "N"}),
    _administer("POST", "/directory/test", "directory__examine_ldap", {"name": None}, answer=FINDINGS),
    _administer("POST", "/directory/test", "directory__examine_ldap", {"name": "ada"}, {"name": "ada"}, answer=FINDINGS),
    Call("GET", "/audit?after=9&limit=5", "administer", "directory__list_audit", {"after": "9", "limit": 5, "filters": {}}),
    Call(
        "GET",
        "/audit?type=act.*&person=ada&since=2026-01-02T03:04:05Z",
        "administer",
        "directory__list_audit",
        {"after": None, "limit": 100, "filters": {"type": "act.*", "person": "ada", "since": "2026-01-02T03:04:05+00:00"}},
    ),
    _administer("POST", "/audit/verify", "directory__verify_audit", {"after": "x"}, {"after": "x"}, answer={"faults": [], "next": None}),
]


class Door:
    """The Admin API of a gateway whose services answer what they were told."""

    def __init__(self, folder: Path, role: str = "administrator", **answers: Any) -> None:
        """The caller is ada, with this role."""

        def authorize(token_sha256: str, right: str) -> dict[str, str]:  # noqa: ARG001 - as the contract has it
            if role == VIEWER and right != "view":
                raise Forbidden(f"a {role} may not {right}")
            return {"person": "ada", "person_id": "a", "role": role, "token_id": "t", "within": WITHIN, "rights": {right: WITHIN}}

        self.services = ToldServices(directory__authorize=authorize, **answers)
        self._client = a_gateway(folder, self.services).client

    def ask(self, method: str, path: str, body: Any = None) -> TestResponse:
        """A call with a token."""
        content: dict[str, Any] = {"data": body} if isinstance(body, bytes) else {} if body is None else {"json": body}
        return self._client.open(f"/api/v1{path}", method=method, headers={"Authorization": "Bearer t"}, **content)

    def asked(self) -> list[tuple[str, str, dict[str, Any]]]:
        """What was asked of services, but for the right to ask."""
        return [question for question in self.services.asked if question[:2] != ("directory", "authorize")]


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_a_call_asks_one_question_as_the_contract_has_it(tmp_path: Path, call: Call) -> None:
    """The parameters are those of `shared.contracts.rpc`; the person is who holds the token."""
    door = Door(tmp_path, **{call.asks: call.answer})

    answer = door.ask(call.method, call.path, call.body)

    assert answer.status_code == call.status, answer.text
    service, method = call.asks.split("__")
    narrowed = {"within": WITHIN} if "within" in ANSWERS[service][method] else {}
    if "expected" in ANSWERS[service][method]:
        narrowed["expected"] = None
    assert door.asked() == [(service, method, call.arguments | narrowed)]
    assert set(call.arguments | narrowed) == set(ANSWERS[service][method])


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_a_call_needs_its_right(tmp_path: Path, call: Call) -> None:
    """A viewer sees everything and changes nothing; without a token nothing is answered."""
    door = Door(tmp_path, "viewer", **{call.asks: call.answer})

    answer = door.ask(call.method, call.path, call.body)

    assert (answer.status_code == 403) == (call.right == "administer")
    assert bool(door.asked()) == (call.right == "view")
    assert door._client.open(f"/api/v1{call.path}", method=call.method).status_code == 401


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_a_refusal_of_a_service_comes_out_as_it_is(tmp_path: Path, call: Call) -> None:
    """Status by the kind of error; its code and its sentence."""
    door = Door(tmp_path, **{call.asks: Conflict("it is not the time for that", "NOT_NOW")})

    answer = door.ask(call.method, call.path, call.body)

    assert (answer.status_code, answer.json["code"], answer.json["detail"]) == (409, "NOT_NOW", "it is not the time for that")


@pytest.mark.parametrize(
    ("method", "path", "body", "code"),
    [
        ("POST", "/packages/x/tags", {"tags": "test"}, "BODY_INVALID"),
        ("POST", "/packages/x/tags", {"tags": [7]}, "BODY_INVALID"),
        ("POST", "/packages/x/tags", {"tags": ["test"] * 33}, "BODY_INVALID"),
        ("POST", "/packages/x/tags", {}, "BODY_INVALID"),
        ("POST", "/packages/x/tags", b"{", "BODY_INVALID"),
        ("POST", "/packages/x/promote", {"stage": "test"}, "BODY_INVALID"),
        ("POST", "/packages/x/promote", {"at": "2030-01-02T03:04:05"}, "BODY_INVALID"),
        ("POST", "/packages/x/promote", {"at": 1893553445}, "BODY_INVALID"),
        ("POST", "/packages/x/promote", {"at": "0001-01-01T00:00:00+14:00"}, "BODY_INVALID"),
        ("POST", "/packages/x/promote", {"at": "9999-12-31T23:59:59-14:00"}, "BODY_INVALID"),
        ("POST", "/promotions/r1/reject", {"reason": ""}, "BODY_INVALID"),
        ("POST", "/names/x/rollback", {"to": 3}, "BODY_INVALID"),
        ("POST", "/invitations", {"steward": 1}, "BODY_INVALID"),
        ("PATCH", "/peers/P", {}, "BODY_INVALID"),
        ("POST", "/directory/test", {"name": ""}, "BODY_INVALID"),
        ("POST", "/directory/test", {"user": "ada"}, "BODY_INVALID"),
        ("GET", "/plan?tags=test", None, "QUERY_INVALID"),
        ("GET", "/matrix?limit=201", None, "QUERY_INVALID"),
        ("GET", "/audit?limit=0", None, "QUERY_INVALID"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anybody_is_asked(tmp_path: Path, method: str, path: str, body: Any, code: str) -> None:
    """400 with the code."""
    door = Door(tmp_path)

    answer = door.ask(method, path, body)

    assert (answer.status_code, answer.json["code"]) == (400, code)
    assert door.asked() == []


@pytest.mark.parametrize("path", ["/packages/a%2Fb/tags", "/packages/a/b/raise", "/packages//undelete", "/names/a%2Fb/rollback"])
def test_a_name_is_one_segment_of_the_path(tmp_path: Path, path: str) -> None:
    """A slash in it, encoded or not, leads nowhere."""
    assert Door(tmp_path).ask("POST", path, {}).status_code in (404, 405)


def test_packages_are_shown_with_their_address(tmp_path: Path) -> None:
    """One, in a list, and after a change."""
    door = Door(tmp_path, storage__show_package=PACKAGE, storage__delete_package=PACKAGE, storage__list_history={"items": [PACKAGE]})

    assert door.ask("GET", f"/packages/{ID}").json == SHOWN
    assert door.ask("DELETE", f"/packages/{ID}").json == SHOWN
    assert door.ask("GET", "/names/a%20b.pkg/history").json == {"items": [SHOWN]}


def _version(package_id: str, state: str, created: str, **more: Any) -> dict[str, Any]:
    return {**PACKAGE, "package_id": package_id, "state": state, "created": f"2026-01-{created}T00:00:00Z", **more}


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        ([_version(ID, "published", "03"), _version(OLD, "superseded", "02"), _version(OLDER, "superseded", "01")], OLD),
        ([_version(OLD, "published", "02", raised="r"), _version(ID, "superseded", "03"), _version(OLDER, "superseded", "01")], OLDER),
        ([_version(ID, "wanted", "03", bytes_here=False), _version(OLD, "published", "02")], OLD),
        (
            [_version(ID, "published", "03"), _version(OLD, "superseded", "02", bytes_here=False), _version(OLDER, "superseded", "01")],
            OLDER,
        ),
        ([_version(OLD, "deleted", "03"), _version(ID, "published", "02"), _version(OLDER, "superseded", "01")], OLDER),
        ([_version(ID, "published", "02"), _version(OLD, "superseded", "02"), _version(OLDER, "superseded", "02")], OLD),
    ],
    ids=["the one before", "twice is two back", "of one on its way", "bytes gone", "deleted in between", "all of one second"],
)
def test_rolling_back_takes_the_version_that_was_made_before_the_current_one(tmp_path: Path, history: list[Any], expected: str) -> None:
    """The newest of those whose bytes are here; never one that is newer than the current one."""
    door = Door(tmp_path, storage__list_history={"items": history}, storage__raise_package=PACKAGE)

    assert door.ask("POST", "/names/x/rollback", {}).json == SHOWN
    assert door.services.arguments("storage", "raise_package") == [{"reference": expected, "person": "ada", "within": WITHIN}]


@pytest.mark.parametrize(
    ("history", "wish", "status", "code"),
    [
        ([_version(ID, "published", "03")], {}, 409, "NOTHING_BEFORE"),
        ([_version(OLD, "published", "02", raised="r"), _version(ID, "superseded", "02")], {}, 409, "NOTHING_BEFORE"),
        ([_version(ID, "deleted", "03"), _version(OLD, "superseded", "02", bytes_here=False)], {}, 409, "NOTHING_BEFORE"),
        ([_version(ID, "published", "03")], {"to": OLD}, 404, "NOT_FOUND"),
    ],
)
def test_where_there_is_nothing_to_roll_back_to_nothing_is_changed(
    tmp_path: Path, history: list[Any], wish: dict[str, str], status: int, code: str
) -> None:
    """The refusal says what to look at."""
    door = Door(tmp_path, storage__list_history={"items": history}, storage__raise_package=PACKAGE)

    answer = door.ask("POST", "/names/x/rollback", wish)

    assert (answer.status_code, answer.json["code"]) == (status, code)
    assert door.services.arguments("storage", "raise_package") == []


def test_a_version_can_be_named_even_without_its_bytes(tmp_path: Path) -> None:
    """Somebody may know better where they are."""
    history = {"items": [_version(ID, "published", "03"), _version(OLD, "superseded", "02", bytes_here=False)]}
    door = Door(tmp_path, storage__list_history=history, storage__raise_package=PACKAGE)

    assert door.ask("POST", "/names/x/rollback", {"to": OLD}).status_code == 200
    assert door.services.arguments("storage", "raise_package") == [{"reference": OLD, "person": "ada", "within": WITHIN}]


def test_the_matrix_is_a_page_of_packages_with_their_state_everywhere(tmp_path: Path) -> None:
    """What replication says nothing of is at no instance."""
    there = {"I": {"state": "there", "percent": None}}
    other = {**PACKAGE, "package_id": OLD}
    door = Door(
        tmp_path,
        storage__list_packages={"items": [PACKAGE, other], "next": "k"},
        replication__matrix={"instances": [{"instance_id": "I", "name": "A"}], "packages": {ID: there}},
    )

    page = door.ask("GET", "/matrix?after=j&limit=2&tag=test&sort=-created").json

    assert page == {
        "instances": [{"instance_id": "I", "name": "A"}],
        "items": [{**SHOWN, "at": there}, {**SHOWN, "package_id": OLD, "at": {}}],
        "next": "k",
    }
    assert door.services.arguments("storage", "list_packages") == [
        {"after": "j", "limit": 2, "filters": {"tags": ["test"]}, "sort": "-created"}
    ]
    assert door.services.arguments("replication", "matrix") == [{"package_ids": [ID, OLD]}]


@pytest.mark.parametrize(("query", "tags"), [("", None), ("&tags=", []), ("&tags=test,%20development,", ["test", "development"])])
def test_a_plan_can_be_made_for_tags_that_a_package_does_not_have(tmp_path: Path, query: str, tags: list[str] | None) -> None:
    """The name becomes an id; no tags at all are tags too."""
    door = Door(tmp_path, storage__show_package=PACKAGE, replication__plan={"items": []})

    assert door.ask("GET", f"/plan?package=a%20b.pkg{query}").status_code == 200
    assert door.services.arguments("replication", "plan") == [{"package_id": ID, "tags": tags}]


@pytest.mark.parametrize(("error", "status"), [(NotFound("no such package"), 404), (ServiceUnavailable("storage is away"), 503)])
def test_a_plan_for_a_package_that_cannot_be_found_asks_nobody_else(tmp_path: Path, error: Exception, status: int) -> None:
    """The first refusal is the answer."""
    door = Door(tmp_path, storage__show_package=error)

    assert door.ask("GET", "/plan?package=x").status_code == status
    assert door.services.arguments("replication", "plan") == []
