"""Uploads through the door of a real instance: what is accepted, what is refused, and that a refusal leaves nothing behind."""

from __future__ import annotations

import contextlib
import hashlib
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from shared.runtime.broker import PrivateBroker
from shared.testing import raw_http
from shared.testing.instance import Instance, resident_bytes
from shared.testing.uploading import DATA, digest_field, form, put, refused
from shared.testing.waiting import wait_for

MIB = 1 << 20


@pytest.fixture(scope="module")
def instance(broker: PrivateBroker, vhost_names: Iterator[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """One instance for all tests here."""
    made = Instance("A", tmp_path_factory.mktemp("uploads") / "A", broker.uri(next(vhost_names)))
    with contextlib.closing(made):
        yield made.start().wait_ready()


@pytest.fixture(autouse=True)
def _nothing_left(instance: Instance) -> Iterator[None]:
    """Whatever a test here does, the incoming area is empty soon afterwards."""
    yield
    wait_for(lambda: not incoming(instance), "nothing is left in the incoming area")


def incoming(instance: Instance) -> list[Path]:
    """Files that wait to be verified."""
    return list((instance.data / "incoming").iterdir())


def test_a_put_with_a_length_is_published(instance: Instance) -> None:
    """A PUT is answered with 202, the upload and where to ask for it, and ends as a package with these bytes."""
    response = put(instance, "length.pkg")

    upload = response.json()
    assert response.status_code == 202
    assert response.headers["Location"] == f"/api/v1/uploads/{upload['upload_id']}"
    assert (upload["name"], upload["size"], upload["state"]) == ("length.pkg", len(DATA), "received")
    package_id = instance.uploaded(upload)["package_id"]
    assert instance.api("GET", f"/packages/{package_id}").json()["sha256"] == hashlib.sha256(DATA).hexdigest()
    assert requests.get(f"{instance.url}/packages/length.pkg", timeout=10).content == DATA


def test_a_put_in_chunks_is_published(instance: Instance) -> None:
    """A body of unknown length, in chunks of every size, is kept as it is."""
    blocks = [b"a", b"", b"b" * 70_000, b"c" * (MIB + 1), b"d"]
    whole = b"".join(blocks)

    upload = instance.upload("chunked.pkg", (block for block in blocks if block))

    assert instance.uploaded(upload)["size"] == len(whole)
    assert instance.download_sha256("chunked.pkg") == hashlib.sha256(whole).hexdigest()


def test_an_empty_package_is_a_package(instance: Instance) -> None:
    """`Content-Length: 0` uploads an empty file; a request without any body does not."""
    empty = instance.uploaded(instance.upload("empty.pkg", b""))
    request = raw_http.head("PUT", "/api/v1/packages/nobody.pkg", f"Authorization: Bearer {instance.token}")
    bodiless = raw_http.exchange(instance.port, request)

    assert empty["size"] == 0
    assert bodiless.status == 400
    assert b'"BODY_MISSING"' in bodiless.body


def test_a_browser_form_is_published(instance: Instance) -> None:
    """The file of a form is kept under its file name, with other fields around it, and bytes in it that look like a boundary."""
    data = b"\r\n--X\r\n--XY\r\n" * 50_000 + b"\r\n--X"
    body, headers = form(('name="note"', b"hello"), ('name="file"; filename="förm 🍏.pkg"', data), ('name="z"', b""))

    response = instance.api("POST", "/packages", data=body, headers=headers, expect=202)

    assert response.headers["Location"].endswith(response.json()["upload_id"])
    assert instance.uploaded(response.json())["name"] == "förm 🍏.pkg"
    assert instance.download_sha256("förm 🍏.pkg") == hashlib.sha256(data).hexdigest()


def test_the_digest_of_a_file_in_a_form_is_checked(instance: Instance) -> None:
    """`Content-Digest` in the part of the file counts; for the form as a whole it is refused, rather than passed over."""
    wrong, headers = form((f'name="file"; filename="f.pkg"\r\nContent-Digest: {digest_field("sha-256", b"other")}', DATA))
    right, _ = form((f'name="file"; filename="f.pkg"\r\nContent-Digest: {digest_field("sha-256", DATA)}', DATA))

    def post(body: bytes, **more: str) -> requests.Response:
        return instance.api("POST", "/packages", data=body, headers=headers | more, expect=None)

    refused(post(wrong), 400, "DIGEST_INVALID")
    refused(post(right, **{"Content-Digest": digest_field("sha-256", right)}), 400, "DIGEST_UNSUPPORTED")
    instance.uploaded(post(right).json())


FILE = form(('name="file"; filename="a.pkg"', b"x" * 9999))[0]
KIND = {"Content-Type": "multipart/form-data; boundary=XX"}
BROKEN_FORMS = {
    "no file": form(('name="note"', b"x")),
    "file in another field": form(('name="other"; filename="a.pkg"', b"x")),
    "two files": form(('name="file"; filename="a.pkg"', b"x"), ('name="file"; filename="b.pkg"', b"y")),
    "cut within the file": (FILE[:5000], KIND),
    "cut before the end": (FILE[:-6], KIND),
    "no boundary": (b"x", {"Content-Type": "multipart/form-data"}),
    "odd boundary": (b"x", {"Content-Type": "multipart/form-data; boundary*=utf-8''%c3%a4"}),
    "no form": (b"x", {"Content-Type": "application/octet-stream"}),
    "part without disposition": (b"--XX\r\nA: b\r\n\r\nx\r\n--XX--\r\n", KIND),
    "endless header": (b"--XX\r\nA: " + b"b" * MIB, KIND),
    "many parts": form(*[('name="n"', b"")] * 50),
}


@pytest.mark.parametrize("broken", BROKEN_FORMS)
def test_a_broken_form_is_refused(instance: Instance, broken: str) -> None:
    """A form that is cut, malformed or holds no single file in its place is refused."""
    body, headers = BROKEN_FORMS[broken]

    refused(instance.api("POST", "/packages", data=body, headers=headers, expect=None), 400, "FORM_INVALID")


def test_a_form_without_a_file_name_is_refused(instance: Instance) -> None:
    """A browser whose user chose no file sends an empty name."""
    body, headers = form(('name="file"; filename=""', b""))

    refused(instance.api("POST", "/packages", data=body, headers=headers, expect=None), 400, "NAME_INVALID")


@pytest.mark.parametrize("target", ["/api/v1/packages/", "/api/v1/packages", "/api/v1/packages?name=x"])
def test_an_upload_needs_a_name(instance: Instance, target: str) -> None:
    """A PUT to no name is told so."""
    lines = f"Authorization: Bearer {instance.token}", "Content-Length: 1"

    answer = raw_http.exchange(instance.port, raw_http.head("PUT", target, *lines) + b"x")

    assert answer.status == 400
    assert b'"NAME_INVALID"' in answer.body


@pytest.mark.parametrize("algorithm", ["sha-256", "sha-512"])
@pytest.mark.parametrize("header", ["Content-Digest", "Repr-Digest"])
def test_a_declared_digest_is_checked(instance: Instance, header: str, algorithm: str) -> None:
    """The right digest is accepted, and the wrong one refused."""
    right = put(instance, "declared.pkg", **{header: digest_field(algorithm, DATA)})

    assert right.status_code == 202
    instance.uploaded(right.json())
    refused(put(instance, "declared.pkg", **{header: digest_field(algorithm, b"other")}), 400, "DIGEST_INVALID")


def test_both_declared_digests_are_checked(instance: Instance) -> None:
    """Two fields and two algorithms must all fit; an algorithm that is not checked may stand beside one that is."""
    right, longer, wrong = digest_field("sha-256", DATA), digest_field("sha-512", DATA), digest_field("sha-256", b"other")
    both = {"Content-Digest": f"{right}, {longer}", "Repr-Digest": right}
    one_wrong = {"Content-Digest": f"{wrong}, {longer}"}
    contradicting = {"Content-Digest": right, "Repr-Digest": wrong}
    beside = {"Content-Digest": f"{digest_field('md5', b'other')}, {right}"}

    instance.uploaded(put(instance, "both.pkg", **both).json())
    instance.uploaded(put(instance, "both.pkg", **beside).json())
    refused(put(instance, "both.pkg", **one_wrong), 400, "DIGEST_INVALID")
    refused(put(instance, "both.pkg", **contradicting), 400, "DIGEST_INVALID")


MALFORMED = ["", "x", "sha-256", "sha-256=abc", "sha-256=:abc:", "sha-256=:####:", "sha-256=:YWJj:", "sha-256=(:YWJj:)", "sha-256=1"]
MALFORMED += ["md5=:YWJj:", ":::", "ä"]


@pytest.mark.parametrize("header", ["Content-Digest", "Repr-Digest"])
@pytest.mark.parametrize("text", MALFORMED)
def test_a_malformed_digest_is_refused(instance: Instance, header: str, text: str) -> None:
    """A declared digest that cannot be checked is not passed over."""
    lines = f"Authorization: Bearer {instance.token}", "Content-Length: 1", f"{header}: {text}"

    answer = raw_http.exchange(instance.port, raw_http.head("PUT", "/api/v1/packages/m.pkg", *lines) + b"x")

    assert answer.status == 400
    assert b'"DIGEST_MALFORMED"' in answer.body


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Content-Encoding": "gzip"}, "ENCODING_UNSUPPORTED"),
        ({"Content-Encoding": "identity, br"}, "ENCODING_UNSUPPORTED"),
        ({"Content-Range": "bytes 0-21/100"}, "PARTIAL_UNSUPPORTED"),
    ],
)
def test_bytes_that_are_not_the_package_are_refused(instance: Instance, headers: dict[str, str], code: str) -> None:
    """An encoded body, or a part of one, would be kept as something else than it is."""
    refused(put(instance, "encoded.pkg", **headers), 400, code)


@pytest.mark.parametrize(
    ("authorization", "status", "code"),
    [
        (None, 401, "UNAUTHENTICATED"),
        ("Bearer", 401, "UNAUTHENTICATED"),
        ("Bearer wrong", 401, "UNAUTHENTICATED"),
        ("Basic YWRtaW46YWRtaW4=", 401, "UNAUTHENTICATED"),
        ("viewer", 403, "FORBIDDEN"),
    ],
)
def test_only_an_uploader_may_upload(instance: Instance, authorization: str | None, status: int, code: str) -> None:
    """No token, a wrong one, and a viewer's are refused, by PUT and by form; the answer says which scheme is asked for."""
    if authorization == "viewer":
        made = instance.api("POST", "/tokens", json={"name": "looks", "role": "viewer"}, expect=201).json()
        authorization = f"Bearer {made['token']}"
    headers = {"Authorization": authorization} if authorization else {}
    body, kind = form(('name="file"; filename="a.pkg"', DATA))

    by_put = requests.put(f"{instance.url}/api/v1/packages/a.pkg", data=DATA, headers=headers, timeout=10)
    by_form = requests.post(f"{instance.url}/api/v1/packages", data=body, headers=headers | kind, timeout=10)

    refused(by_put, status, code)
    refused(by_form, status, code)
    assert ("WWW-Authenticate" in by_put.headers) == (status == 401)


def test_an_unknown_upload_is_not_found(instance: Instance) -> None:
    """Asking for an upload that never was, or for no id at all, is 404."""
    for upload_id in ("00000000-0000-4000-8000-000000000000", "nonsense", "%00", "a" * 500):
        refused(instance.api("GET", f"/uploads/{upload_id}", expect=None), 404, "NOT_FOUND")


def test_a_refusal_is_read_by_a_client_that_still_sends(instance: Instance) -> None:
    """A refusal comes before the body was read; the connection ends, but is not reset under a client that sends on: the answer is read."""
    size, faults = 16 * MIB, []

    def send(opened: socket.socket) -> None:
        try:
            opened.sendall(bytes(size))
        except OSError as error:
            faults.append(error)

    with raw_http.connection(instance.port) as opened:
        opened.sendall(raw_http.head("PUT", "/api/v1/packages/late.pkg", f"Content-Length: {size}"))
        sender = threading.Thread(target=send, args=[opened])
        sender.start()
        sender.join()
        answer = raw_http.read_answer(opened)
        end = opened.recv(1)

    assert not faults
    assert answer.status == 401
    assert answer.headers["Connection"] == "close"
    assert b'"UNAUTHENTICATED"' in answer.body
    assert end == b""


def test_clients_that_do_not_hang_up_delay_nobody(instance: Instance) -> None:
    """Twenty clients asked for the end of their connection and keep their side of it open: the next one is answered all the same."""
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            opened = stack.enter_context(raw_http.connection(instance.port))
            opened.sendall(raw_http.head("GET", "/healthz", "Connection: close"))

        assert requests.get(f"{instance.url}/healthz", timeout=15).status_code == 200


def aborted_uploads(instance: Instance) -> list[str]:
    """Ids of all uploads that storage gave up, in order."""
    return [line["upload_id"] for line in instance.log_events("services", "upload_aborted")]


CUT = {
    "within the length": (["Content-Length: 5000000"], b"x" * 2_000_000),
    "before the first byte": (["Content-Length: 5000000"], b""),
    "within a chunk": (["Transfer-Encoding: chunked"], b"100000\r\n" + b"x" * 1000),
    "between two chunks": (["Transfer-Encoding: chunked"], b"3\r\nabc\r\n"),
    "within a chunk's size": (["Transfer-Encoding: chunked"], b"3\r\nabc\r\n1"),
    "by a malformed chunk": (["Transfer-Encoding: chunked"], b"3\r\nabc\r\nzz\r\n"),
    "by a chunk without its end": (["Transfer-Encoding: chunked"], b"3\r\nabcd\r\n0\r\n\r\n"),
    "within a form": ([f"Content-Type: {KIND['Content-Type']}", "Content-Length: 5000000"], FILE[:-20] + bytes(2_000_000)),
}


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("cut", CUT)
def test_a_broken_connection_leaves_nothing(instance: Instance, cut: str, *, reset: bool) -> None:
    """A body that ends too soon, politely or by a reset, is never taken for the whole: the upload is aborted, and the next one works."""
    lines, body = CUT[cut]
    method, target = ("POST", "/api/v1/packages") if cut == "within a form" else ("PUT", "/api/v1/packages/cut.pkg")
    before = len(aborted_uploads(instance))

    with raw_http.connection(instance.port) as opened:
        opened.sendall(raw_http.head(method, target, f"Authorization: Bearer {instance.token}", *lines) + body)
        wait_for(lambda: incoming(instance) or aborted_uploads(instance)[before:], "the upload has begun")
        if reset:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        else:
            opened.shutdown(socket.SHUT_WR)
            answer = raw_http.read_answer(opened)
            assert answer.status == 400
            assert re.search(rb'"(UPLOAD_INCOMPLETE|FORM_INVALID)"', answer.body)

    aborted = wait_for(lambda: aborted_uploads(instance)[before:], "the upload is aborted")
    upload = instance.api("GET", f"/uploads/{aborted[0]}").json()
    assert (upload["state"], upload["error"]["code"]) == ("aborted", "UPLOAD_ABORTED")
    assert instance.api("GET", "/packages/cut.pkg", expect=None).status_code == 404
    instance.uploaded(instance.upload("next.pkg", DATA))


def test_the_same_name_and_bytes_are_already_here(instance: Instance) -> None:
    """The second upload of the same file makes no second package; the same bytes under another name do."""
    first = instance.uploaded(instance.upload("twice.pkg", b"twice"))
    second = instance.uploaded(instance.upload("twice.pkg", b"twice"))
    other = instance.uploaded(instance.upload("other.pkg", b"twice"))

    assert (first["state"], second["state"], other["state"]) == ("published", "already_here", "published")
    assert second["package_id"] == first["package_id"]
    assert other["package_id"] != first["package_id"]


def test_the_same_name_with_other_bytes_supersedes(instance: Instance) -> None:
    """New bytes under a known name are a new package; the old one is kept as superseded, and clients get the new one."""
    old = instance.uploaded(instance.upload("renewed.pkg", b"old"))["package_id"]
    new = instance.uploaded(instance.upload("renewed.pkg", b"new"))["package_id"]

    assert instance.api("GET", f"/packages/{old}").json()["state"] == "superseded"
    assert instance.api("GET", "/packages/renewed.pkg").json()["package_id"] == new
    assert requests.get(f"{instance.url}/packages/renewed.pkg", timeout=10).content == b"new"


def gateway_worker(instance: Instance) -> int:
    """Process id of gunicorn's worker."""
    master = instance.processes["services.api_gateway"].pid
    return int(Path(f"/proc/{master}/task/{master}/children").read_text().split()[0])


def peak_bytes(pid: int) -> int:
    """The most memory that a process had since `/proc/<pid>/clear_refs` was last told to forget."""
    match = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert match
    return int(match[1]) * 1024


@pytest.mark.parametrize("by_form", [False, True], ids=["put", "form"])
def test_an_upload_takes_constant_memory(instance: Instance, *, by_form: bool) -> None:
    """128 MiB pass through the door, and it never holds as much as a quarter of them."""
    instance.uploaded(instance.upload("warm.pkg", DATA))
    pid, blocks = gateway_worker(instance), 128
    start, _, end = form(('name="file"; filename="large.pkg"', b"|"))[0].partition(b"|")
    headers = KIND if by_form else {}
    body = (block for block in ([start] if by_form else []) + [bytes([by_form]) * MIB] * blocks + ([end] if by_form else []))
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    before = resident_bytes(pid)

    method, path = ("POST", "/packages") if by_form else ("PUT", "/packages/large.pkg")
    upload = instance.api(method, path, data=body, headers=headers, expect=202).json()

    assert upload["size"] == blocks * MIB
    assert peak_bytes(pid) - before < blocks * MIB // 4
    instance.uploaded(upload)


def test_a_full_disk_refuses_uploads(broker: PrivateBroker, vhost_names: Iterator[str], tmp_path: Path) -> None:
    """Without room above the floor, an upload is 507 with INSUFFICIENT_SPACE and when to come again, also when its size is not known."""
    settings = {"ODST_FREE_SPACE_FLOOR_MIB": str(1 << 40)}
    with contextlib.closing(Instance("full", tmp_path / "full", broker.uri(next(vhost_names)), settings=settings)) as full:
        full.start()
        faults = {"disk": "INSUFFICIENT_SPACE"}
        ready = f"{full.url}/readyz"
        away = (requests.RequestException,)
        wait_for(lambda: requests.get(ready, timeout=5).json()["faults"] == faults, "only space is missing", tolerate=away)
        body, headers = form(('name="file"; filename="a.pkg"', DATA))

        answers = [
            put(full, "length.pkg"),
            put(full, "chunked.pkg", iter([DATA])),
            full.api("POST", "/packages", data=body, headers=headers, expect=None),
        ]

        for answer in answers:
            refused(answer, 507, "INSUFFICIENT_SPACE")
            assert int(answer.headers["Retry-After"]) > 0
        assert not incoming(full)
