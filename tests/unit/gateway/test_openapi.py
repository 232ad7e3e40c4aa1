"""Claims about the OpenAPI document: it is made from the doors, complete, and right by its own rules."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from openapi_spec_validator import OpenAPIV31SpecValidator

from services.api_gateway.http.describing import description_of, right_of
from services.api_gateway.http.openapi import document, operations
from services.api_gateway.http.reading_page import as_code, breakable, by_subject
from shared.contracts.admin.base import Problem
from tests.unit.gateway.gateway_fakes import ToldServices, a_gateway

OPEN_DOORS = {
    *("GET /api/v1/docs", "GET /api/v1/openapi.json", "GET /healthz", "GET /readyz"),
    *("POST /api/v1/session", "GET /api/v1/session/ways"),
    *(f"{method} /api/v1/session/oidc{end}" for method in ("GET", "POST") for end in ("", "/callback")),
}
"""Described doors that need no token."""
NOT_DESCRIBED = {"/api/v1/packages", "/api/v1/docs/<path:filename>"}
"""A PUT without a name, which only says what is missing; and the style of the page."""


@pytest.fixture
def gateway(tmp_path: Path) -> FlaskClient:
    """The real application, on prepared services."""
    allowed = {"person": "ada", "role": "viewer", "token_id": "t"}
    return a_gateway(tmp_path, ToldServices(directory__authorize=allowed)).client


def test_the_document_is_valid_openapi(gateway: FlaskClient) -> None:
    """By the specification's own schema, with every reference resolved."""
    OpenAPIV31SpecValidator(document(gateway.application)).validate()


def test_every_door_for_administrators_is_described(gateway: FlaskClient) -> None:
    """Each says what it takes and answers, in a sentence; but for those that are listed here."""
    app = gateway.application
    silent = {
        rule.rule
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/api/") and not getattr(description_of(app.view_functions[rule.endpoint]), "summary", "")
    }

    assert silent == NOT_DESCRIBED


def test_every_described_door_asks_for_a_right_but_for_those_listed(gateway: FlaskClient) -> None:
    """Nobody opens a door by forgetting a line."""
    opened = {f"{method} {path}" for path, method, _, right in operations(gateway.application) if right is None}

    assert opened == OPEN_DOORS


def test_undescribed_doors_for_administrators_ask_for_a_right_too(gateway: FlaskClient) -> None:
    """But for the style of the page."""
    app = gateway.application
    rules = [rule for rule in app.url_map.iter_rules() if rule.rule in NOT_DESCRIBED and "PUT" in (rule.methods or ())]

    assert [right_of(app.view_functions[rule.endpoint]) for rule in rules] == ["upload"]


def test_bodies_that_are_no_json_have_a_schema_too(gateway: FlaskClient) -> None:
    """Makers of clients leave out operations without one."""
    bodies = [
        content
        for methods in document(gateway.application)["paths"].values()
        for operation in methods.values()
        for content in operation.get("requestBody", {}).get("content", {}).values()
    ]

    assert [body for body in bodies if not body.get("schema")] == []


def test_the_document_is_served_without_a_token(gateway: FlaskClient) -> None:
    """For programs as JSON; each operation has an id of its own."""
    answer = gateway.get("/api/v1/openapi.json")

    found = [operation["operationId"] for methods in answer.json["paths"].values() for operation in methods.values()]
    assert answer.status_code == 200
    assert answer.json["openapi"] == "3.1.0"
    assert len(found) == len(set(found)) > 40


def test_the_page_shows_every_call_and_loads_nothing_from_elsewhere(gateway: FlaskClient) -> None:
    """No script, one style sheet of ours, which is there."""
    page = gateway.get("/api/v1/docs")

    text = page.get_data(as_text=True).replace("<wbr>", "")
    assert page.status_code == 200
    assert all(f"{method} {path}" in text for path, method, _, _ in operations(gateway.application))
    assert "<script" not in text
    assert "style-src 'self'" in page.headers["Content-Security-Policy"]
    assert gateway.get("/api/v1/docs/api.css").status_code == 200


def test_errors_are_what_the_document_says(gateway: FlaskClient) -> None:
    """Problem details, also of what is no door at all."""
    for path in ("/api/v1/packages", "/api/v1/nothing"):
        answer = gateway.get(path)

        assert answer.content_type == "application/problem+json"
        assert Problem.model_validate_json(answer.data).status == answer.status_code


def test_unknown_parameters_and_doubled_ones_are_refused(gateway: FlaskClient) -> None:
    """A typing error shows, and names the parameter."""
    for query, named in (("limt=5", "limt"), ("limit=5&limit=6", "limit"), ("limit=0", "limit"), ("limit=x", "limit")):
        answer = gateway.get(f"/api/v1/packages?{query}", headers={"Authorization": "Bearer t"})

        assert answer.status_code == 400
        assert json.loads(answer.data)["code"] == "QUERY_INVALID"
        assert named in json.loads(answer.data)["detail"]


def test_the_page_shows_text_as_text_and_code_as_code() -> None:
    """Whatever a description holds, none of it becomes markup but what stands between backticks."""
    assert as_code("a `<b>` & <script>") == "a <code>&lt;b&gt;</code> &amp; &lt;script&gt;"


def test_the_page_breaks_paths_before_slashes_only() -> None:
    """A long path stays readable on a narrow screen."""
    assert breakable("/api/v1/{<x>}") == "<wbr>/api<wbr>/v1<wbr>/{&lt;x&gt;}"


def test_the_page_lists_every_call_under_its_subject(gateway: FlaskClient) -> None:
    """None is lost by the grouping."""
    described = document(gateway.application)
    listed = {(call["method"], call["path"]) for _, calls in by_subject(described) for call in calls}

    assert listed == {(method.upper(), path) for path, methods in described["paths"].items() for method in methods}
