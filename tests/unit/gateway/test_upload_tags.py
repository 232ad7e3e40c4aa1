"""Claims about staging tags at upload: they arrive with the first byte, or nothing is taken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from shared.core.errors import InvalidInput
from shared.testing.uploading import form
from tests.unit.gateway.gateway_fakes import ToldServices, a_gateway

AUTHORISED = {"Authorization": "Bearer t"}
FILE = ('name="file"; filename="x.pkg"', b"bytes")
UPLOAD_ID = "9d7b1c1e-7a70-4d3a-8c36-0a1f3a1d5b10"


def a_door(folder: Path) -> tuple[FlaskClient, ToldServices]:
    """A gateway that takes uploads."""
    upload = {"upload_id": UPLOAD_ID, "name": "x.pkg", "size": 5, "state": "received"}
    services = ToldServices(
        directory__authorize={"person": "ada", "role": "uploader", "token_id": "t", "within": ["test"]},
        storage__begin_upload=upload,
        storage__finish_upload=upload,
        storage__abort_upload=upload,
    )
    return a_gateway(folder, services).client, services


def put(client: FlaskClient, **headers: str) -> TestResponse:
    """PUT five bytes."""
    return client.put("/api/v1/packages/x.pkg", data=b"bytes", headers={**AUTHORISED, **headers})


def post(client: FlaskClient, *parts: tuple[str, bytes], **headers: str) -> TestResponse:
    """POST a form."""
    body, own = form(*parts)
    return client.post("/api/v1/packages", data=body, headers={**AUTHORISED, **own, **headers})


def tags_of(services: ToldServices) -> list[Any]:
    """The tags with which uploads began."""
    return [arguments["tags"] for arguments in services.arguments("storage", "begin_upload")]


def test_storage_is_told_within_which_tags_somebody_may_upload(tmp_path: Path) -> None:
    """By PUT and by form; it refuses what is outside."""
    client, services = a_door(tmp_path)

    put(client)
    post(client, FILE)

    assert [arguments["within"] for arguments in services.arguments("storage", "begin_upload")] == [["test"], ["test"]]


@pytest.mark.parametrize(
    ("header", "tags"),
    [(None, []), ("", []), ("test", ["test"]), ("test, production", ["test", "production"]), (" , test,,*", ["test", "*"])],
)
def test_a_put_has_its_tags_in_a_header(tmp_path: Path, header: str | None, tags: list[str]) -> None:
    """With commas; none means everywhere."""
    client, services = a_door(tmp_path)

    assert put(client, **({} if header is None else {"Ods-Tags": header})).status_code == 202
    assert tags_of(services) == [tags]


@pytest.mark.parametrize(
    ("parts", "tags"),
    [
        ([FILE], []),
        ([('name="tags"', b"test, production"), FILE], ["test", "production"]),
        ([('name="tags"', b"test"), ('name="other"', b"development"), ('name="tags"', b"production"), FILE], ["test", "production"]),
        ([('name="tags"; filename="tags.txt"', b"test"), FILE], ["test"]),
        ([('name="tags"', b""), FILE], []),
    ],
)
def test_a_form_has_its_tags_in_a_field_before_the_file(tmp_path: Path, parts: list[tuple[str, bytes]], tags: list[str]) -> None:
    """One field with commas, or one for each, even as a file."""
    client, services = a_door(tmp_path)

    assert post(client, *parts).status_code == 202
    assert tags_of(services) == [tags]


def test_tags_that_storage_refuses_are_refused_before_a_byte_is_kept(tmp_path: Path) -> None:
    """Neither as a header nor as a field: its error comes out, and there is nothing to give up."""
    client, services = a_door(tmp_path)
    services.answers["storage__begin_upload"] = InvalidInput("there is no such stage here", "STAGE_UNKNOWN")

    answers = [put(client, **{"Ods-Tags": "staging"}), post(client, ('name="tags"', b"staging"), FILE)]

    assert [(answer.status_code, answer.json["code"]) for answer in answers] == [(400, "STAGE_UNKNOWN")] * 2
    assert services.arguments("storage", "abort_upload") == []
    assert list((tmp_path / "incoming").iterdir()) == []


@pytest.mark.parametrize("late", [b"production", b""])
def test_tags_after_the_file_are_refused_and_the_upload_is_given_up(tmp_path: Path, late: bytes) -> None:
    """The package would have gone everywhere."""
    client, services = a_door(tmp_path)

    answer = post(client, FILE, ('name="tags"', late))

    assert (answer.status_code, answer.json["code"]) == (400, "FORM_INVALID")
    assert "before the file" in answer.json["detail"]
    assert services.arguments("storage", "finish_upload") == []
    assert len(services.arguments("storage", "abort_upload")) == 1


@pytest.mark.parametrize("text", [b"test," * 2000, b"\xff\xfe"])
def test_a_field_that_is_no_list_of_tags_is_refused(tmp_path: Path, text: bytes) -> None:
    """Too long, or not in UTF-8."""
    client, services = a_door(tmp_path)

    answer = post(client, ('name="tags"', text), FILE)

    assert (answer.status_code, answer.json["code"]) == (400, "FORM_INVALID")
    assert tags_of(services) == []


def test_a_header_beside_a_form_is_not_passed_over(tmp_path: Path) -> None:
    """Tags that would be ignored are refused."""
    client, services = a_door(tmp_path)

    assert post(client, FILE, **{"Ods-Tags": "test"}).json["code"] == "FORM_INVALID"
    assert tags_of(services) == []
