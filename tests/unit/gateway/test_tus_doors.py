"""Claims about the doors of resumable uploads: what storage is asked, when, and that the bytes are where they belong by then."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from services.api_gateway.http import tus_receiving
from shared.core.errors import Conflict, Forbidden, InsufficientSpace, Locked, NotFound, ServiceTimeout
from shared.core.layout import Layout
from shared.runtime.bytestore import syncing
from shared.runtime.bytestore.filesystem import FilesystemByteStore
from shared.testing.tus import KIND, PART, SPEAK, b64
from tests.unit.gateway.gateway_fakes import ToldServices, a_gateway

UPLOAD_ID = "9d7b1c1e-7a70-4d3a-8c36-0a1f3a1d5b10"
AUTHORISED = {"Authorization": "Bearer t"}
CREATION = {**SPEAK, "Upload-Length": "10", "Upload-Metadata": f"filename {b64('x.pkg')},tags {b64('test')}"}
NOT_YOURS = Forbidden("it is ann's", "NOT_YOUR_UPLOAD")


def an_upload(received: int = 0, **fields: Any) -> dict[str, Any]:
    """As storage tells of it."""
    expires = "2026-01-01T00:00:00Z"
    return {
        "upload_id": UPLOAD_ID,
        "name": "x.pkg",
        "size": 10,
        "state": "receiving",
        "bytes_hashed": 0,
        "package_id": None,
        "error": None,
        "uploaded_by": "ada",
        "created": expires,
        "bytes_received": received,
        "expires": expires,
        "fence": 7,
        "metadata": "",
        **fields,
    }


class Door:
    """A gateway with a place for one upload, whose storage answers this."""

    def __init__(self, folder: Path, **answers: Any) -> None:
        told = {
            "directory__authorize": {"person": "ada", "role": "uploader", "token_id": "t"},
            "storage__begin_resumable": an_upload(),
            "storage__read_offset": an_upload(),
            "storage__claim_upload": lambda offset, **_: an_upload(offset),
            "storage__advance_upload": lambda offset, **_: an_upload(offset),
            "storage__cancel_upload": None,
            "storage__abort_upload": None,
        }
        self.services = ToldServices(**{**told, **answers})
        self.client: FlaskClient = a_gateway(folder, self.services).client
        self.store = FilesystemByteStore(Layout(folder))

    def with_place(self) -> Door:
        """Somewhere to write."""
        self.store.reserve(UPLOAD_ID, 10)
        self.store.make_lockable(UPLOAD_ID)
        return self

    def send(self, method: str, path: str = f"/{UPLOAD_ID}", data: bytes = b"", **headers: str) -> TestResponse:
        """A request."""
        return self.client.open(f"/api/v1/uploads{path}", method=method, data=data, headers={**AUTHORISED, **headers})

    def patch(self, offset: int, data: bytes) -> TestResponse:
        """A part."""
        return self.send("PATCH", data=data, **PART, **{"Upload-Offset": str(offset)})

    def asked(self) -> list[str]:
        """What storage was asked, in order."""
        return [method for service, method, _ in self.services.asked if service == "storage"]

    def content(self) -> bytes:
        """What is in the incoming file."""
        return self.store.layout.part(UPLOAD_ID).read_bytes()


@pytest.mark.parametrize(
    ("method", "path"), [("POST", ""), ("HEAD", f"/{UPLOAD_ID}"), ("PATCH", f"/{UPLOAD_ID}"), ("DELETE", f"/{UPLOAD_ID}")]
)
def test_who_speaks_another_version_is_told_ours_and_nothing_is_done(tmp_path: Path, method: str, path: str) -> None:
    """412, whatever else is wrong."""
    door = Door(tmp_path)

    answer = door.send(method, path, **{"Tus-Resumable": "2.0.0"})

    assert (answer.status_code, answer.headers["Tus-Version"], answer.headers["Tus-Resumable"]) == (412, "1.0.0", "1.0.0")
    assert door.asked() == []


def test_a_creation_says_all_that_is_known(tmp_path: Path) -> None:
    """To storage; then there is a place of that size, which can be locked."""
    door = Door(tmp_path)

    answer = door.send("POST", "", **CREATION)

    assert (answer.status_code, answer.headers["Location"]) == (201, f"/api/v1/uploads/{UPLOAD_ID}")
    assert answer.headers["Upload-Expires"] == "Thu, 01 Jan 2026 00:00:00 GMT"
    assert "fence" not in (answer.json or {})
    wish = {"name": "x.pkg", "size": 10, "tags": ["test"], "sha256": None, "metadata": CREATION["Upload-Metadata"]}
    assert door.services.arguments("storage", "begin_resumable") == [{**wish, "uploaded_by": "ada", "within": None}]
    with door.store.locked(UPLOAD_ID, 0):
        assert door.store.incoming_size(UPLOAD_ID) == 10


def test_known_bytes_need_no_place(tmp_path: Path) -> None:
    """Nothing is reserved, and nothing is read, even if it came along."""
    door = Door(tmp_path, storage__begin_resumable=an_upload(10, state="published", expires=None, package_id="p"))

    answer = door.send("POST", "", b"0123456789", **CREATION, **KIND)

    assert (answer.status_code, answer.headers["Upload-Offset"]) == (201, "10")
    assert list((tmp_path / "incoming").iterdir()) == []


def test_a_creation_without_room_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """507, and storage forgets it."""
    door = Door(tmp_path)

    def full(*_: object) -> None:
        raise InsufficientSpace("the data disk is full")

    monkeypatch.setattr(FilesystemByteStore, "reserve", full)

    assert door.send("POST", "", **CREATION).status_code == 507
    assert door.asked() == ["begin_resumable", "abort_upload"]


def test_a_part_is_in_its_place_before_storage_hears_of_it(tmp_path: Path) -> None:
    """The file is closed, synced, and nobody else can write to it, while storage says what follows from the last byte."""
    seen: list[Any] = []

    def advanced(offset: int, fence: int, **_: Any) -> dict[str, Any]:
        with pytest.raises(Locked), door.store.locked(UPLOAD_ID, 0):
            pass
        opened = {one.readlink() for one in Path("/proc/self/fd").iterdir() if one.exists()}
        seen.append((offset, fence, door.content(), door.store.layout.part(UPLOAD_ID) in opened))
        return an_upload(offset, state="received", expires=None)

    door = Door(tmp_path, storage__advance_upload=advanced).with_place()

    answer = door.patch(5, b"56789")

    assert (answer.status_code, answer.headers["Upload-Offset"]) == (204, "10")
    assert seen == [(10, 7, b"\0" * 5 + b"56789", False)]
    assert door.asked() == ["claim_upload", "advance_upload"]


def test_long_parts_count_while_they_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Storage is told in between; that it is away then is no reason to stop. It is never told of the last byte from there."""
    monkeypatch.setattr(syncing, "_SYNC_EVERY", 2)
    monkeypatch.setattr(tus_receiving, "_BLOCK", 2)
    told: list[int] = []

    def advanced(offset: int, **_: Any) -> dict[str, Any]:
        told.append(offset)
        if offset < 10:
            raise ServiceTimeout("storage is slow")
        return an_upload(offset)

    door = Door(tmp_path, storage__advance_upload=advanced).with_place()

    assert door.patch(0, b"0123456789").status_code == 204
    assert told == sorted(set(told))
    assert told[-1] == 10


def test_a_part_that_does_not_count_any_more_is_refused(tmp_path: Path) -> None:
    """Another one took over, says storage."""
    door = Door(tmp_path, storage__advance_upload=Conflict("another", "UPLOAD_TAKEN_OVER")).with_place()

    answer = door.patch(0, b"01234")

    assert (answer.status_code, answer.json and answer.json["code"]) == (409, "UPLOAD_TAKEN_OVER")


def test_whoever_holds_the_lock_is_not_disturbed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """423 before storage is asked: a claim would take the word from the one who writes."""
    monkeypatch.setattr(tus_receiving, "_PATIENCE_SECONDS", 0)
    door = Door(tmp_path).with_place()

    with door.store.locked(UPLOAD_ID, 0):
        answer = door.patch(0, b"01234")

    assert (answer.status_code, answer.headers["Retry-After"]) == (423, "1")
    assert door.asked() == []


@pytest.mark.parametrize(("upload", "status", "code"), [(an_upload(), 410, "BYTES_LOST"), (NotFound("none"), 404, "NOT_FOUND")])
def test_what_has_no_place_takes_no_bytes(tmp_path: Path, upload: Any, status: int, code: str) -> None:
    """No file is made for an id that somebody made up."""
    door = Door(tmp_path, storage__read_offset=upload)

    answer = door.patch(0, b"01234")

    assert (answer.status_code, answer.json and answer.json["code"]) == (status, code)
    assert list((tmp_path / "incoming").iterdir()) == []


@pytest.mark.parametrize(("method", "asks"), [("HEAD", "read_offset"), ("DELETE", "cancel_upload")])
@pytest.mark.parametrize("administrator", [True, False])
def test_uploads_of_others_are_for_administrators(tmp_path: Path, method: str, asks: str, *, administrator: bool) -> None:
    """Directory is asked only then; whoever is none gets storage's refusal."""

    def authorize(right: str, **_: Any) -> dict[str, str]:
        if right == "administer" and not administrator:
            raise Forbidden("not with this token")
        return {"person": "ben", "role": "uploader", "token_id": "t"}

    def answered(*, of_others: bool, **_: Any) -> dict[str, Any]:
        if not of_others:
            raise NOT_YOURS
        return an_upload()

    door = Door(tmp_path, directory__authorize=authorize, **{f"storage__{asks}": answered})

    assert (door.send(method, **SPEAK).status_code < 300) == administrator
    assert door.asked() == [asks] * (2 if administrator else 1)


def test_looking_is_for_everybody_and_speaks_no_tus(tmp_path: Path) -> None:
    """A list in pages, and one upload, as JSON."""
    page = {"items": [], "next": None}
    door = Door(tmp_path, storage__list_uploads=page, storage__show_upload=an_upload())

    listed, shown = door.send("GET", "?limit=7&after=k&state=received&state=aborted&name=a.pkg"), door.send("GET")

    assert (listed.json, shown.json) == (page, an_upload())
    assert door.services.arguments("storage", "list_uploads") == [
        {"after": "k", "limit": 7, "states": ["received", "aborted"], "name": "a.pkg"}
    ]
    assert "Tus-Resumable" not in shown.headers
