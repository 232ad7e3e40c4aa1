"""Promise D3: whatever is sent, by whomever, however often and however it ends: the offset never exceeds the bytes that are synced."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from shared.runtime.broker import PrivateBroker
from shared.testing import raw_http
from shared.testing.instance import Instance
from shared.testing.tus import DATA, KIND, MIB, PART, SPEAK, b64, create, creation, finish, offset_of, patch, tus
from shared.testing.uploading import refused
from shared.testing.waiting import wait_for

pytestmark = pytest.mark.promise("D3")


@pytest.fixture(scope="module")
def instance(broker: PrivateBroker, vhost_names: Iterator[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """One instance for all tests here."""
    made = Instance("U", tmp_path_factory.mktemp("d3") / "U", broker.uri(next(vhost_names)))
    with contextlib.closing(made):
        yield made.start().wait_ready()


@pytest.fixture(autouse=True)
def _no_surprise(instance: Instance) -> Iterator[None]:
    """Nothing unexpected happened in the gateway."""
    yield
    assert not instance.log_events("services.api_gateway", "request_failed")


def test_what_is_offered_is_told(instance: Instance) -> None:
    """D3: version, extensions, the largest package, the checksums."""
    for path in ("", "/anything"):
        answer = tus(instance, "OPTIONS", path)

        assert answer.status_code == 204
        assert answer.headers["Tus-Version"] == "1.0.0"
        assert answer.headers["Tus-Extension"] == "creation,creation-with-upload,expiration,checksum,termination"
        assert answer.headers["Tus-Checksum-Algorithm"] == "sha1,sha256"
        assert int(answer.headers["Tus-Max-Size"]) > 1 << 40


def test_parts_become_a_package(instance: Instance) -> None:
    """D3: each part is answered with the new offset; the metadata come back; the last one publishes."""
    upload_id = create(instance, "parts.pkg")
    head = tus(instance, "HEAD", f"/{upload_id}", **SPEAK)
    assert head.headers["Upload-Length"] == str(len(DATA))
    assert head.headers["Upload-Metadata"] == f"filename {b64('parts.pkg')}"
    for start in range(0, len(DATA), MIB):
        answer = patch(instance, upload_id, start, DATA[start : start + MIB])
        assert (answer.status_code, answer.headers["Upload-Offset"]) == (204, str(start + MIB))
        assert answer.headers["Tus-Resumable"] == "1.0.0"
        assert ("Upload-Expires" in answer.headers) == (start + MIB < len(DATA))

    instance.uploaded({"upload_id": upload_id, "name": "parts.pkg"})
    assert instance.download_sha256("parts.pkg") == hashlib.sha256(DATA).hexdigest()
    assert offset_of(instance, upload_id) == len(DATA)
    assert patch(instance, upload_id, len(DATA), b"").status_code == 204
    listed = instance.api("GET", "/uploads?limit=5").json()["items"]
    assert upload_id in [item["upload_id"] for item in listed]
    wait_for(lambda: not list((instance.data / "incoming").glob(f"{upload_id}*")), "nothing is left in the incoming area")


def test_a_creation_may_bring_bytes_and_an_empty_package_has_none(instance: Instance) -> None:
    """D3: the first part with the creation, all of it, or nothing to send at all."""
    some = tus(instance, "POST", "", DATA[:MIB], **creation("with.pkg", len(DATA)), **KIND)
    whole = tus(instance, "POST", "", b"whole", **creation("whole.pkg", 5), **KIND)
    empty = tus(instance, "POST", "", **creation("nothing.pkg", 0))

    assert [answer.status_code for answer in (some, whole, empty)] == [201] * 3, some.text
    assert [answer.headers["Upload-Offset"] for answer in (some, whole, empty)] == [str(MIB), "5", "0"]
    assert some.headers["Upload-Expires"]
    finish(instance, some.json()["upload_id"], "with.pkg")
    for answer in (whole, empty):
        assert instance.uploaded(answer.json())["state"] == "published"


MATRIX: dict[str, tuple[dict[str, str | None], bytes, int, str]] = {
    "an offset before": ({"Upload-Offset": "0"}, b"x", 409, "OFFSET_MISMATCH"),
    "an offset beyond": ({"Upload-Offset": "6"}, b"x", 409, "OFFSET_MISMATCH"),
    "a huge offset": ({"Upload-Offset": "9" * 30}, b"x", 400, "HEADER_INVALID"),
    "a negative offset": ({"Upload-Offset": "-1"}, b"x", 400, "HEADER_INVALID"),
    "no number": ({"Upload-Offset": "five"}, b"x", 400, "HEADER_INVALID"),
    "no offset": ({"Upload-Offset": None}, b"x", 400, "HEADER_INVALID"),
    "no version": ({"Tus-Resumable": None}, b"x", 412, "TUS_VERSION_UNSUPPORTED"),
    "another version": ({"Tus-Resumable": "0.2.2"}, b"x", 412, "TUS_VERSION_UNSUPPORTED"),
    "another type": ({"Content-Type": "application/octet-stream"}, b"x", 415, "MEDIA_TYPE_UNSUPPORTED"),
    "no type": ({"Content-Type": None}, b"x", 415, "MEDIA_TYPE_UNSUPPORTED"),
    "encoded": ({"Content-Encoding": "gzip"}, b"x", 400, "ENCODING_UNSUPPORTED"),
    "beyond the length": ({}, b"x" * 6, 413, "UPLOAD_TOO_LONG"),
    "another checksum": ({"Upload-Checksum": f"sha1 {b64(hashlib.sha1(b'y').digest())}"}, b"x", 460, "CHECKSUM_MISMATCH"),
    "another SHA-256": ({"Upload-Checksum": f"sha256 {b64(hashlib.sha256(b'y').digest())}"}, b"x", 460, "CHECKSUM_MISMATCH"),
    "an unknown algorithm": ({"Upload-Checksum": "crc32 AAAA"}, b"x", 400, "CHECKSUM_UNSUPPORTED"),
    "no checksum": ({"Upload-Checksum": "sha1 ????"}, b"x", 400, "CHECKSUM_MALFORMED"),
}


@pytest.mark.parametrize("case", MATRIX)
def test_a_part_that_is_not_as_it_should_be_changes_nothing(instance: Instance, case: str) -> None:
    """D3: the status that the protocol asks for, and the offset is what it was."""
    headers, body, status, code = MATRIX[case]
    upload_id = create(instance, "matrix.pkg", 10)
    assert patch(instance, upload_id, 0, b"12345").status_code == 204

    answer = tus(instance, "PATCH", f"/{upload_id}", body, **{**PART, "Upload-Offset": "5", **headers})

    refused(answer, status, code)
    assert answer.headers["Tus-Resumable"] == "1.0.0"
    assert ("Tus-Version" in answer.headers) == (status == 412)
    assert offset_of(instance, upload_id) == 5
    finish(instance, upload_id, "matrix.pkg", b"1234567890")


CREATIONS: dict[str, tuple[dict[str, str | None], bytes, int, str]] = {
    "no version": ({"Tus-Resumable": None}, b"", 412, "TUS_VERSION_UNSUPPORTED"),
    "no length": ({"Upload-Length": None}, b"", 400, "HEADER_INVALID"),
    "a length to come": ({"Upload-Length": None, "Upload-Defer-Length": "1"}, b"", 400, "HEADER_INVALID"),
    "a negative length": ({"Upload-Length": "-5"}, b"", 400, "HEADER_INVALID"),
    "no number": ({"Upload-Length": "5.0"}, b"", 400, "HEADER_INVALID"),
    "a huge length": ({"Upload-Length": "9" * 17}, b"", 413, "SIZE_INVALID"),
    "a length beyond numbers": ({"Upload-Length": "9" * 400}, b"", 400, "HEADER_INVALID"),
    "more than the disk": ({"Upload-Length": str(1 << 49)}, b"", 507, "INSUFFICIENT_SPACE"),
    "no name": ({"Upload-Metadata": None}, b"", 400, "NAME_INVALID"),
    "a hostile name": ({"Upload-Metadata": f"filename {b64('../../etc/passwd')}"}, b"", 400, "NAME_INVALID"),
    "malformed base64": ({"Upload-Metadata": "filename a*b"}, b"", 400, "METADATA_INVALID"),
    "giant metadata": ({"Upload-Metadata": f"filename {b64('a' * 4000)}"}, b"", 400, "METADATA_INVALID"),
    "an unknown stage": ({"Upload-Metadata": f"filename {b64('a')},tags {b64('nowhere')}"}, b"", 400, "STAGE_UNKNOWN"),
    "a digest that is none": ({"Upload-Metadata": f"filename {b64('a')},sha256 {b64('12')}"}, b"", 400, "DIGEST_MALFORMED"),
    "a body that is no part": ({"Content-Type": "text/plain"}, b"x", 415, "MEDIA_TYPE_UNSUPPORTED"),
    "more than the length": ({"Content-Type": PART["Content-Type"]}, b"x" * 11, 413, "UPLOAD_TOO_LONG"),
    "another checksum": (
        {"Content-Type": PART["Content-Type"], "Upload-Checksum": f"sha1 {b64(b'0' * 20)}"},
        b"x",
        460,
        "CHECKSUM_MISMATCH",
    ),
}


@pytest.mark.parametrize("case", CREATIONS)
def test_a_creation_that_cannot_be_leaves_nothing(instance: Instance, case: str) -> None:
    """D3: refused with the status that the protocol asks for, and nothing waits in the incoming area."""
    headers, body, status, code = CREATIONS[case]
    before = set((instance.data / "incoming").iterdir())

    answer = tus(instance, "POST", "", body, **{**creation("cannot.pkg", 10), **headers})

    refused(answer, status, code)
    assert answer.headers["Tus-Resumable"] == "1.0.0"
    assert "Location" not in answer.headers
    assert set((instance.data / "incoming").iterdir()) - before == set()


def test_headers_that_no_server_reads_are_refused_by_the_server(instance: Instance) -> None:
    """D3: a field of a megabyte never becomes a request."""
    lines = f"Authorization: Bearer {instance.token}", "Tus-Resumable: 1.0.0", "Upload-Length: 1", "Upload-Metadata: filename " + "A" * MIB

    with contextlib.suppress(OSError):  # It may hang up before it has read all of that.
        assert raw_http.exchange(instance.port, raw_http.head("POST", "/api/v1/uploads", *lines)).status in (400, 431)
    assert requests.get(f"{instance.url}/healthz", timeout=10).status_code == 200


@pytest.mark.parametrize("upload_id", ["00000000-0000-4000-8000-000000000000", "nonsense", "..%2f..%2fx", "%00", "a" * 500])
def test_an_unknown_upload_is_not_found(instance: Instance, upload_id: str) -> None:
    """D3: by any method, and without an offset."""
    for method, headers in (("HEAD", SPEAK), ("PATCH", {**PART, "Upload-Offset": "0"}), ("DELETE", SPEAK)):
        answer = tus(instance, method, f"/{upload_id}", **headers)

        assert answer.status_code == 404
        assert "Upload-Offset" not in answer.headers


def test_a_terminated_upload_is_gone(instance: Instance) -> None:
    """D3: 204, then 410 to everything; its bytes are removed. What is published cannot be terminated."""
    upload_id = create(instance, "terminated.pkg")
    patch(instance, upload_id, 0, DATA[:MIB])

    assert tus(instance, "DELETE", f"/{upload_id}", **SPEAK).status_code == 204

    assert not list((instance.data / "incoming").glob(f"{upload_id}*"))
    assert tus(instance, "HEAD", f"/{upload_id}", **SPEAK).status_code == 410
    refused(patch(instance, upload_id, MIB, b"x"), 410, "UPLOAD_CANCELLED")
    refused(tus(instance, "DELETE", f"/{upload_id}", **SPEAK), 410, "UPLOAD_CANCELLED")
    whole = tus(instance, "POST", "", b"whole", **creation("stays.pkg", 5), **KIND).json()
    refused(tus(instance, "DELETE", f"/{whole['upload_id']}", **SPEAK), 409, "UPLOAD_ENDED")


@pytest.mark.parametrize("method", ["PATCH", "HEAD", "DELETE"])
def test_a_method_can_be_said_in_a_header(instance: Instance, method: str) -> None:
    """D3: for senders that know POST only; it asks for the same right, and nothing else can be said that way."""
    upload_id = create(instance, "override.pkg", 10)
    viewer = instance.api("POST", "/tokens", json={"name": f"v{method}", "role": "viewer"}, expect=201).json()["token"]
    headers = {**PART, "Upload-Offset": "0", "X-HTTP-Method-Override": method}

    refused(tus(instance, "POST", f"/{upload_id}", b"12345", **headers, Authorization=f"Bearer {viewer}"), 403, "FORBIDDEN")
    assert tus(instance, "POST", f"/{upload_id}", b"12345", **headers).status_code == (200 if method == "HEAD" else 204)
    assert tus(instance, "HEAD", f"/{upload_id}", **SPEAK).status_code == (410 if method == "DELETE" else 200)
    for other in ({}, {"X-HTTP-Method-Override": "PUT"}):
        refused(tus(instance, "POST", f"/{upload_id}", b"", **SPEAK, **other), 405, "METHOD_NOT_ALLOWED")
    assert tus(instance, "GET", f"/{upload_id}", **{"X-HTTP-Method-Override": "DELETE"}).status_code == 200


def test_an_upload_belongs_to_who_began_it(instance: Instance) -> None:
    """D3: another uploader neither sees its offset, nor adds to it, nor ends it; an administrator may."""
    for name in ("ann", "ben"):
        instance.api("POST", "/people", json={"name": name, "role": "uploader", "service": True}, expect=201)
    tokens = [instance.api("POST", "/tokens", json={"name": name, "person": name}, expect=201).json()["token"] for name in ("ann", "ben")]
    ann, ben = ({"Authorization": f"Bearer {token}"} for token in tokens)
    upload_id = instance.api("POST", "/uploads", headers={**creation("anns.pkg", 10), **ann}, expect=201).json()["upload_id"]

    assert tus(instance, "HEAD", f"/{upload_id}", **SPEAK, **ben).status_code == 403
    refused(patch(instance, upload_id, 0, b"evil", **ben), 403, "NOT_YOUR_UPLOAD")
    refused(tus(instance, "DELETE", f"/{upload_id}", **SPEAK, **ben), 403, "NOT_YOUR_UPLOAD")
    assert patch(instance, upload_id, 0, b"12345", **ann).status_code == 204
    assert patch(instance, upload_id, 5, b"67").status_code == 204
    assert tus(instance, "DELETE", f"/{upload_id}", **SPEAK).status_code == 204


def test_known_bytes_are_not_sent_again(instance: Instance) -> None:
    """D3: told beforehand by their SHA-256, they are published under another name at once; nothing is left to send."""
    sha256 = hashlib.sha256(DATA).hexdigest()
    first = create(instance, "known.pkg", sha256=sha256)
    finish(instance, first, "known.pkg")

    answer = instance.api("POST", "/uploads", headers=creation("twin.pkg", len(DATA), sha256=sha256), expect=201)

    assert answer.headers["Upload-Offset"] == str(len(DATA))
    assert "Upload-Expires" not in answer.headers
    assert answer.json()["state"] == "published"
    assert instance.download_sha256("twin.pkg") == sha256
    assert offset_of(instance, answer.json()["upload_id"]) == len(DATA)
    again = instance.api("POST", "/uploads", headers=creation("twin.pkg", len(DATA), sha256=sha256), expect=201)
    assert again.json()["state"] == "already_here"


def test_bytes_that_are_not_as_declared_are_rejected(instance: Instance) -> None:
    """D3: the whole is compared, whatever the parts were; nothing is published."""
    upload_id = create(instance, "wrong.pkg", 5, sha256="0" * 64)
    assert patch(instance, upload_id, 0, b"bytes").status_code == 204

    def rejected() -> dict[str, Any] | None:
        upload: dict[str, Any] = instance.api("GET", f"/uploads/{upload_id}").json()
        return upload if upload["state"] == "rejected" else None

    assert (wait_for(rejected, "it is rejected") or {})["error"]["code"] == "DIGEST_INVALID"
    assert tus(instance, "HEAD", f"/{upload_id}", **SPEAK).status_code == 410


def test_a_part_in_chunks_ends_at_the_length(instance: Instance) -> None:
    """D3: a body that does not say its length is taken up to the end of the package, and refused beyond."""
    upload_id = create(instance, "chunks.pkg", 10)

    refused(patch(instance, upload_id, 0, iter([b"12345", b"67890", b"!"])), 413, "UPLOAD_TOO_LONG")
    assert offset_of(instance, upload_id) == 0
    assert patch(instance, upload_id, 0, iter([b"12345", b"67"])).status_code == 204
    finish(instance, upload_id, "chunks.pkg", b"1234567890")
