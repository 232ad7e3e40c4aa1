"""Claims about every door of the gateway and every role: who passes is what one table says, in code and in the documentation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from services.directory.domain.rights import RIGHTS as RIGHTS_OF_ROLES
from services.directory.domain.rights import Right, Role
from shared.core.errors import NotFound
from shared.runtime import migrations
from tests.contract.rights_table import OPEN, RIGHTS, door
from tests.unit.directory.desk import Desk
from tests.unit.gateway.gateway_fakes import ToldServices, a_gateway

PAGE = Path(migrations.__file__).parents[2] / "docs" / "admin-api.md"
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_ROW = re.compile(r"^\| `(GET|POST|PUT|PATCH|DELETE) (/api/v1/[^ `]+)`[^|]*\| ([a-z]+) \|", re.MULTILINE)


class Nobody(ToldServices):
    """Services behind the doors: directory as it is, and all others have nothing."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(directory__authorize=desk.do.gate.authorize)

    def call(self, service: str, method: str, /, *, _timeout_seconds: float | None = None, **arguments: Any) -> Any:
        """As the port has it."""
        if f"{service}__{method}" not in self.answers:
            raise NotFound("there is nothing here")
        return super().call(service, method, _timeout_seconds=_timeout_seconds, **arguments)


@pytest.fixture(scope="module")
def desk() -> Desk:
    """A directory with a person of each role, who has a token."""
    made = Desk()
    made.with_administrator()
    for role in Role:
        made.person(f"the-{role}", role.value)
    return made


@pytest.fixture(scope="module")
def app(desk: Desk, tmp_path_factory: pytest.TempPathFactory) -> Flask:
    """The real application."""
    return a_gateway(tmp_path_factory.mktemp("gateway"), Nobody(desk)).client.application


def doors(app: Flask) -> Iterator[tuple[str, str, str]]:
    """Every door but those of peers: its name in the table, its method, and a path that leads to it."""
    for rule in app.url_map.iter_rules():
        for method in _METHODS:
            if method in (rule.methods or ()) and not rule.rule.startswith("/ods/"):
                yield door(method, rule.rule), method, re.sub(r"<[^<>]*>", "x", rule.rule)


def test_the_table_is_about_all_doors_that_there_are(app: Flask) -> None:
    """None is missing, none is made up, none is in both parts."""
    found = {name for name, _, _ in doors(app)}

    assert found == set(RIGHTS) | OPEN
    assert not set(RIGHTS) & OPEN
    assert set(RIGHTS.values()) == {right.value for right in Right}


@pytest.mark.parametrize("role", Role)
def test_each_role_passes_the_doors_that_the_table_says_and_no_other(app: Flask, desk: Desk, role: Role) -> None:
    """403 or not; whatever is behind the door."""
    token = desk.token(f"the-{role}")["token"]
    client = app.test_client()

    passed = {
        name: client.open(path, method=method, headers={"Authorization": f"Bearer {token}"}).status_code not in (401, 403)
        for name, method, path in doors(app)
        if name in RIGHTS
    }

    assert passed == {name: Right(right) in RIGHTS_OF_ROLES[role] for name, right in RIGHTS.items()}


@pytest.mark.parametrize("header", [None, "Bearer odst_guess", "Bearer ", "Basic YWRtaW46YWRtaW4=", "odst_guess"])
def test_nobody_passes_without_a_credential(app: Flask, header: str | None) -> None:
    """401 at every door of the table; the open ones answer, or say what else is wrong."""
    client, headers = app.test_client(), {} if header is None else {"Authorization": header}

    refused = {name for name, method, path in doors(app) if client.open(path, method=method, headers=headers).status_code == 401}

    assert refused == set(RIGHTS)


def test_the_documentation_names_the_right_of_every_door() -> None:
    """The tables of docs/admin-api.md say the same."""
    told = {door(method, path): right for method, path, right in _ROW.findall(PAGE.read_text(encoding="utf-8"))}

    expected = RIGHTS | {name: "none" for name in OPEN if " /api/v1/session" in name}
    expected.pop("PUT /api/v1/packages")  # it only says what is missing
    assert told == expected


def test_no_door_ignores_a_parameter_that_it_does_not_know(app: Flask, desk: Desk) -> None:
    """400 at each, and the parameter is named; but for what a provider adds on the way back, a PUT without a name, and the page's style."""
    client, headers = app.test_client(), {"Authorization": f"Bearer {desk.token('the-administrator')['token']}", "Tus-Resumable": "1.0.0"}
    left_alone = {"GET /api/v1/session/oidc/callback", "GET /api/v1/docs/<>", "PUT /api/v1/packages"}

    silent = set()
    for name, method, path in doors(app):
        answer = client.open(f"{path}?spelt_wrong=1", method=method, headers=headers)
        refused = answer.status_code == 400 and answer.json["code"] == "QUERY_INVALID" and "spelt_wrong" in answer.json["detail"]
        if path.startswith("/api/") and not refused:
            silent.add(name)

    assert silent == left_alone
