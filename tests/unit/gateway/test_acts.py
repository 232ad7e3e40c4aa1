"""Claims about what the doors tell the audit log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from services.api_gateway.http.acts import MOST_COUNTED, WINDOW_SECONDS, Acts
from shared.contracts.events import DoorActedV1
from shared.core.errors import Conflict, Forbidden, ServiceUnavailable, Unauthenticated
from tests.unit.gateway.gateway_fakes import Asker, ToldServices, a_gateway

TOKEN = {"Authorization": "Bearer t"}
KNOWN = {"person": "ada", "person_id": "p1", "role": "administrator", "rights": ["administer"], "token_id": "t1"}
SECRET = "odst_secret"


def gateway(folder: Path, known: Any = KNOWN, **answers: Any) -> Asker:
    """A gateway that knows ada, unless said otherwise."""
    return a_gateway(folder, ToldServices(directory__authorize=known, **answers))


def said(door: Asker) -> list[DoorActedV1]:
    """What was told."""
    return [event for event in door.events.said if isinstance(event, DoorActedV1)]


def call(door: Asker, method: str, path: str, address: str = "192.0.2.7", **more: Any) -> int:
    """A call with a token; its status."""
    return door.client.open(f"/api/v1{path}", method=method, headers=TOKEN, environ_base={"REMOTE_ADDR": address}, **more).status_code


def test_a_change_is_told_with_who_what_where_and_the_result(tmp_path: Path) -> None:
    """Once, and nothing that is secret is in it."""
    made = {"token_id": "t9", "name": "ci", "token": SECRET}
    door = gateway(tmp_path, directory__create_token=made)

    assert call(door, "POST", "/tokens", json={"name": "ci", "role": "viewer"}) == 201

    (act,) = said(door)
    assert act.model_dump() == {
        "operation": "create_token",
        "method": "POST",
        "path": "/api/v1/tokens",
        "person": "ada",
        "token_id": "t1",
        "session_id": None,
        "address": "192.0.2.7",
        "subject": "ci",
        "status": 201,
        "code": None,
        "times": 1,
        "details": {},
    }
    assert SECRET not in act.model_dump_json()


def test_a_change_that_failed_is_told_with_why(tmp_path: Path) -> None:
    """The subject is what the path names."""
    door = gateway(tmp_path, directory__revoke_token=Conflict("this is the last one", "LAST_ADMINISTRATOR"))

    call(door, "DELETE", "/tokens/t9")

    (act,) = said(door)
    assert (act.operation, act.subject, act.status, act.code) == ("revoke_token", "t9", 409, "LAST_ADMINISTRATOR")


def test_looking_is_not_told(tmp_path: Path) -> None:
    """Nor is what peers and clients ask for."""
    door = gateway(tmp_path, directory__list_tokens={"items": []})
    call(door, "GET", "/tokens")
    door.client.get("/healthz")
    door.client.get("/packages/x.pkg")
    door.ask("POST", "/ods/v1/announcements", {"epoch": "e", "seq": 1})
    call(door, "POST", "/nothing-there")

    assert said(door) == []


def test_refusals_are_counted_for_each_address(tmp_path: Path) -> None:
    """The first is told at once; a flood is one entry more, whoever is behind it and whatever was asked for."""
    door = gateway(tmp_path, Unauthenticated("no"))
    for number in range(300):
        call(door, "GET" if number % 2 else "POST", "/tokens", address="192.0.2.7")
    call(door, "DELETE", "/tokens/x", address="192.0.2.8")

    first, other = said(door)
    assert (first.operation, first.address, first.status, first.code) == ("refused", "192.0.2.7", 401, "UNAUTHENTICATED")
    assert (first.person, other.address) == (None, "192.0.2.8")

    door.client.application.extensions["odst_acts"].flush()
    (summary,) = said(door)[2:]
    assert (summary.address, summary.times) == ("192.0.2.7", 299)


@pytest.mark.parametrize("error", [Forbidden("not you"), ServiceUnavailable("directory is away")])
def test_all_that_happens_before_anybody_is_known_is_a_refusal(tmp_path: Path, error: Exception) -> None:
    """Nothing was changed by it."""
    door = gateway(tmp_path, error)
    call(door, "DELETE", "/tokens/x")

    (act,) = said(door)
    assert act.operation == "refused"


def test_a_flood_from_everywhere_is_bounded(tmp_path: Path) -> None:
    """So many addresses are told apart; all others are one."""
    door = gateway(tmp_path, Unauthenticated("no"))
    for number in range(3 * MOST_COUNTED):
        call(door, "POST", "/tokens", address=f"198.51.100.{number}")
    door.client.application.extensions["odst_acts"].flush()

    assert len(said(door)) == MOST_COUNTED + 2
    assert (said(door)[-1].address, said(door)[-1].times) == ("several", 2 * MOST_COUNTED - 1)


def test_a_window_ends_with_the_first_call_after_it(tmp_path: Path) -> None:
    """Then what was counted is told, and the next refusal is told at once again."""
    now = [100.0]
    told: list[DoorActedV1] = []
    door = gateway(tmp_path, Unauthenticated("no"))
    acts = Acts(told.append, lambda: now[0])

    def refuse() -> None:
        with door.client.application.test_request_context("/api/v1/tokens", method="POST", environ_base={"REMOTE_ADDR": "192.0.2.7"}):
            acts.note(door.client.application.full_dispatch_request())

    for _ in range(3):
        refuse()
    assert [act.times for act in told] == [1]
    now[0] += WINDOW_SECONDS
    refuse()
    assert [act.times for act in told] == [1, 2, 1]


def test_reading_the_log_is_told_once_in_a_while_and_an_export_each_time(tmp_path: Path) -> None:
    """Programs read the log again and again; an export says what was looked for."""
    page = {"items": [], "next": None}
    door = gateway(tmp_path, directory__list_audit=page, directory__export_audit={"lines": [], "next": None})
    for _ in range(3):
        call(door, "GET", "/audit")
        call(door, "GET", "/audit/export?format=csv&person=eve")

    acts = said(door)
    assert [act.operation for act in acts] == ["read_audit", "export_audit", "export_audit", "export_audit"]
    assert acts[1].details == {"format": "csv", "person": "eve"}


def test_every_changing_call_has_a_name_of_its_own(tmp_path: Path) -> None:
    """In the log two operations are never mistaken for each other; only an upload has two ways. Who is nobody yet is refused."""
    app = gateway(tmp_path).client.application
    told: dict[str, set[str]] = {}
    for rule in app.url_map.iter_rules():
        for method in {"POST", "PUT", "PATCH", "DELETE"} & set(rule.methods or ()):
            if rule.rule.startswith("/api/"):
                door = gateway(tmp_path)
                path = rule.rule.replace("<name:", "<").replace("<", "").replace(">", "").removeprefix("/api/v1")
                call(door, method, path)
                (act,) = said(door)
                told.setdefault(act.operation, set()).add(f"{method} {rule.rule}")

    uploads = {"PUT /api/v1/packages/<name:name>", "POST /api/v1/packages"}
    assert {operation: calls for operation, calls in told.items() if len(calls) > 1 and operation != "refused"} == {"upload": uploads}
    assert {call.partition(" /api/v1/session")[2] for call in told["refused"]} == {"", "/oidc", "/oidc/callback"}


def test_whom_directory_refused_is_told_to_the_log_and_to_nobody_else(tmp_path: Path) -> None:
    """Two people at one address are two entries; the answer is that of any refusal."""
    refused = Forbidden("this account or token may not delete")
    door = gateway(tmp_path, refused)

    for person in ("vera", "vera", "otto", None):
        refused.who = person and {"person": person, "token_id": "t7"}  # type: ignore[assignment]
        answer = door.client.delete("/api/v1/packages/x", headers=TOKEN)
        assert (answer.status_code, person is not None and person in answer.text) == (403, False)

    assert [(act.operation, act.person, act.token_id) for act in said(door)] == [
        ("refused", "vera", "t7"),
        ("refused", "otto", "t7"),
        ("refused", None, None),
    ]
