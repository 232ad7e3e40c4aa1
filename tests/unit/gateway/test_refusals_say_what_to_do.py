"""Claims about what a stranger to the API reads when something is refused before any service is asked."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask.testing import FlaskClient

from tests.unit.gateway.gateway_fakes import ToldServices, a_gateway


@pytest.fixture
def client(tmp_path: Path) -> FlaskClient:
    """The real application; whoever comes may all, and no service has anything."""
    allowed = {"person": "ada", "person_id": "p", "token_id": "t", "within": None}
    return a_gateway(tmp_path, ToldServices(directory__authorize=allowed)).client


@pytest.mark.parametrize(
    ("call", "status", "code", "words"),
    [
        ("GET /", 404, "NOT_FOUND", ("nothing at /;", "/api/v1/docs")),
        ("GET /api/v1/peers/", 404, "NOT_FOUND", ("nothing at /api/v1/peers/,", "without the slash")),
        ("PUT /api/v1/tokens", 405, "METHOD_NOT_ALLOWED", ("PUT", "GET", "POST")),
        ("GET /api/v1/peers?nope=1", 400, "QUERY_INVALID", ("nope", "takes none")),
        ("GET /api/v1/dead-letters?nope=1", 400, "QUERY_INVALID", ("nope", "there are limit")),
        ("GET /api/v1/packages?text=%00", 400, "QUERY_INVALID", ("NUL",)),
        ("HEAD /api/v1/peers?nope=1", 400, None, ()),
    ],
)
def test_a_refusal_names_what_is_wrong_and_what_there_is(
    client: FlaskClient, call: str, status: int, code: str | None, words: tuple[str, ...]
) -> None:
    """As problem details, whatever the address was."""
    method, path = call.split()

    answer = client.open(path, method=method, headers={"Authorization": "Bearer odst_x"})

    assert answer.status_code == status
    assert answer.content_type == "application/problem+json"
    assert code is None or answer.json["code"] == code
    assert [word for word in words if word not in answer.json["detail"]] == []


def test_an_unknown_field_is_told_with_those_that_there_are(client: FlaskClient) -> None:
    """A typing error is seen at once."""
    answer = client.post("/api/v1/tokens", json={"name": "ci", "valid_second": 60}, headers={"Authorization": "Bearer odst_x"})

    assert answer.json["code"] == "BODY_INVALID"
    assert "valid_second: is not known here; there are" in answer.json["detail"]
    assert "valid_seconds" in answer.json["detail"]


def test_a_body_that_is_compressed_is_not_taken_for_broken_json(client: FlaskClient) -> None:
    """The encoding is what is wrong."""
    headers = {"Authorization": "Bearer odst_x", "Content-Encoding": "gzip"}

    answer = client.post("/api/v1/tokens", data=b"\x1f\x8b", headers=headers)

    assert (answer.status_code, answer.json["code"]) == (400, "ENCODING_UNSUPPORTED")


def test_probes_may_add_parameters_of_their_own(client: FlaskClient) -> None:
    """Machines that ask for health are not people who mistype."""
    assert client.get("/healthz?cache=1").status_code == 200
