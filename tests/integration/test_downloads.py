"""Downloads as client machines make them: two real instances, the same bytes and the same headers from both."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import signal
import subprocess
import unicodedata
from collections.abc import Iterator
from email.utils import format_datetime, parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests
from flask import Flask

from services.api_gateway.http.sending import Representation, Sending
from shared.core.digest import Digest
from shared.core.layout import Layout
from shared.runtime.broker import PrivateBroker
from shared.runtime.bytestore.filesystem import FilesystemByteStore
from shared.testing import raw_http
from shared.testing.instance import Instance
from shared.testing.waiting import wait_for

MIB = 1 << 20
DATA = os.urandom(3 * MIB + 17)
SIZE = len(DATA)
HARD_NAME = "Ünï 🍏 100% (v1.0) [ß];a=b,'c'+d&e#f.pkg"
SAME_EVERYWHERE = ("Content-Type", "Content-Length", "Content-Range", "Content-Disposition", "ETag", "Last-Modified", "Accept-Ranges")

Pair = tuple[Instance, Instance]


@pytest.fixture(scope="module")
def pair(broker: PrivateBroker, vhost_names: Iterator[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """A, where three packages were uploaded, and B, which has them from A."""
    folder = tmp_path_factory.mktemp("downloads")
    with contextlib.ExitStack() as stack:
        a, b = (stack.enter_context(contextlib.closing(Instance(name, folder / name, broker.uri(next(vhost_names))))) for name in "AB")
        for instance in (a.start(), b.start()):
            instance.wait_ready()
        b.join(a)
        for name, data in (("App.pkg", DATA), ("empty.pkg", b""), (HARD_NAME, b"hard")):
            a.upload(quote(name, safe=""), data)
        for name in ("App.pkg", "empty.pkg", HARD_NAME):
            b.published(quote(name, safe=""))
        yield a, b


@pytest.fixture(scope="module")
def a(pair: Pair) -> Instance:
    """The instance where the packages were uploaded."""
    return pair[0]


def get(instance: Instance, path: str = "/packages/App.pkg", method: str = "GET", **headers: str) -> requests.Response:
    """A client's request, without anything that libraries add."""
    return requests.request(method, f"{instance.url}{path}", headers={"Accept-Encoding": "identity", **headers}, timeout=30)


def test_a_download_is_the_package(a: Instance) -> None:
    """GET gives every byte, and the headers that a client needs to keep and resume it."""
    response = get(a)

    package = a.api("GET", "/packages/App.pkg").json()
    assert response.status_code == 200
    assert response.content == DATA
    assert response.headers["ETag"] == f'"sha256:{hashlib.sha256(DATA).hexdigest()}"'
    assert response.headers["Content-Length"] == str(SIZE)
    assert response.headers["Accept-Ranges"] == "bytes"
    assert response.headers["Content-Type"] == "application/octet-stream"
    assert parsedate_to_datetime(response.headers["Last-Modified"]).strftime("%Y-%m-%dT%H:%M:%SZ") == package["created"]
    assert get(a, package["url"].removeprefix(a.url)).content == DATA


def test_head_is_get_without_the_body(a: Instance) -> None:
    """HEAD has the same headers and no byte, also if it asks for a range, which only GET can."""
    whole = get(a)

    for response in (get(a, method="HEAD"), get(a, method="HEAD", Range="bytes=0-1")):
        assert (response.status_code, response.content) == (200, b"")
        assert {name: response.headers.get(name) for name in SAME_EVERYWHERE} == {name: whole.headers.get(name) for name in SAME_EVERYWHERE}


def test_jamf_clients_find_it_too(a: Instance) -> None:
    """`/CasperShare/Packages/<name>` is the same representation."""
    ours, theirs = get(a), get(a, "/CasperShare/Packages/App.pkg")

    assert theirs.content == DATA
    assert {name: theirs.headers.get(name) for name in SAME_EVERYWHERE} == {name: ours.headers.get(name) for name in SAME_EVERYWHERE}
    assert get(a, "/OtherShare/Packages/App.pkg").status_code == 404


RANGES = {
    "bytes=0-0": (0, 1),
    "bytes=0-99": (0, 100),
    "bytes=100-199": (100, 200),
    f"bytes={MIB - 1}-{MIB}": (MIB - 1, MIB + 1),
    "bytes=3000000-": (3_000_000, SIZE),
    f"bytes={SIZE - 1}-": (SIZE - 1, SIZE),
    f"bytes={SIZE - 1}-{SIZE - 1}": (SIZE - 1, SIZE),
    f"bytes=5-{SIZE + 999}": (5, SIZE),
    "bytes=-1": (SIZE - 1, SIZE),
    "bytes=-100": (SIZE - 100, SIZE),
    f"bytes=-{SIZE + 1}": (0, SIZE),
    "BYTES= 5-6 ": (5, 7),
}


@pytest.mark.parametrize("asked", RANGES)
def test_a_range_is_exactly_that(a: Instance, asked: str) -> None:
    """First, middle, last, open and suffix ranges give 206, these bytes, and say which."""
    start, stop = RANGES[asked]

    response = get(a, Range=asked)

    assert response.status_code == 206
    assert response.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{SIZE}"
    assert response.headers["Content-Length"] == str(stop - start)
    assert response.content == DATA[start:stop]


@pytest.mark.parametrize("asked", [f"bytes={SIZE}-", f"bytes={SIZE + 5}-{SIZE + 9}", "bytes=99999999999999999999-", "bytes=-0"])
def test_a_range_beyond_the_end_is_416(a: Instance, asked: str) -> None:
    """What begins after the last byte cannot be had; the answer tells the size."""
    response = get(a, Range=asked)

    assert response.status_code == 416
    assert response.headers["Content-Range"] == f"bytes */{SIZE}"
    assert response.json()["code"] == "RANGE_NOT_SATISFIABLE"


SEVERAL = ["bytes=0-1,5-6", "bytes=0-1, -1"]
MALFORMED = ["bytes=5-2", "bytes=a-b", "bytes", "bytes=", "bytes=-", f"bytes={'9' * 5000}-", "lines=0-1", "bytes=--1", "bytes=1-x", "\xff"]


@pytest.mark.parametrize("asked", SEVERAL + MALFORMED)
def test_other_ranges_give_the_whole(a: Instance, asked: str) -> None:
    """Several ranges, malformed ones and other units are ignored, as RFC 9110 allows."""
    response = get(a, Range=asked)

    assert response.status_code == 200
    assert response.content == DATA


def dates(instance: Instance) -> tuple[str, str, str]:
    """A moment before the package was made, that moment, and one after."""
    made = parsedate_to_datetime(get(instance, method="HEAD").headers["Last-Modified"])
    return tuple(format_datetime(made.replace(year=made.year + years), usegmt=True) for years in (-1, 0, 1))  # type: ignore[return-value]


def test_a_client_that_has_it_gets_304(a: Instance) -> None:
    """If-None-Match by strong or weak tag, in a list or `*`, and If-Modified-Since; the tag decides when both are there."""
    tag = get(a, method="HEAD").headers["ETag"]
    before, then, after = dates(a)

    for condition in (tag, f"W/{tag}", f'"x", {tag}', "*"):
        response = get(a, **{"If-None-Match": condition})
        assert (response.status_code, response.content, response.headers["ETag"]) == (304, b"", tag), condition
    assert get(a, **{"If-Modified-Since": then}).status_code == 304
    assert get(a, **{"If-Modified-Since": after}).status_code == 304
    assert get(a, **{"If-Modified-Since": before}).status_code == 200
    assert get(a, **{"If-Modified-Since": "nonsense"}).status_code == 200
    assert get(a, **{"If-None-Match": '"x"', "If-Modified-Since": after}).status_code == 200
    assert get(a, method="HEAD", **{"If-None-Match": tag}).status_code == 304


def test_if_range_guards_a_resume(a: Instance) -> None:
    """A range is given only if the client's bytes are of this representation; otherwise the whole."""
    tag = get(a, method="HEAD").headers["ETag"]
    before, then, _ = dates(a)

    def status(condition: str) -> int:
        return get(a, Range="bytes=10-19", **{"If-Range": condition}).status_code

    assert [status(condition) for condition in (tag, then)] == [206, 206]
    assert [status(condition) for condition in ('"other"', f"W/{tag}", before, "nonsense")] == [200, 200, 200, 200]


def test_if_match_guards_against_another_version(a: Instance) -> None:
    """If-Match and If-Unmodified-Since give 412 when what is here is something else."""
    tag = get(a, method="HEAD").headers["ETag"]
    before, then, _ = dates(a)

    assert [get(a, **{"If-Match": condition}).status_code for condition in (tag, "*", f'"x", {tag}')] == [200, 200, 200]
    assert [get(a, **{"If-Match": condition}).status_code for condition in ('"x"', f"W/{tag}")] == [412, 412]
    assert get(a, **{"If-Unmodified-Since": then}).status_code == 200
    refused = get(a, Range="bytes=0-1", **{"If-Unmodified-Since": before})
    assert (refused.status_code, refused.json()["code"]) == (412, "PRECONDITION_FAILED")


def test_an_empty_package_downloads(a: Instance) -> None:
    """No bytes, with all headers; every range of it lies beyond its end."""
    response = get(a, "/packages/empty.pkg")

    assert (response.status_code, response.content, response.headers["Content-Length"]) == (200, b"", "0")
    assert response.headers["ETag"] == f'"sha256:{hashlib.sha256(b"").hexdigest()}"'
    assert get(a, "/packages/empty.pkg", Range="bytes=0-").status_code == 416
    assert get(a, "/packages/empty.pkg", method="HEAD").headers["Content-Length"] == "0"


def test_a_name_of_any_script_downloads(a: Instance) -> None:
    """Percent-encoded in full or in part, a name finds its package, and is told in a header that nothing can break."""
    every_byte = "".join(f"%{byte:02x}" for byte in HARD_NAME.encode())
    decomposed = quote(unicodedata.normalize("NFD", HARD_NAME), safe="")
    for spelling in (quote(HARD_NAME, safe=""), quote(HARD_NAME, safe="()[];=,'+&"), every_byte, decomposed):
        response = get(a, f"/packages/{spelling}")
        assert response.content == b"hard", spelling

    disposition = response.headers["Content-Disposition"]
    assert disposition.isascii()
    assert disposition.isprintable()
    assert re.fullmatch(r"attachment; filename=\"[^\"\\]*\"; filename\*=UTF-8''[A-Za-z0-9._~%-]+", disposition)
    assert disposition.endswith(quote(HARD_NAME, safe=""))


def test_both_instances_answer_alike(pair: Pair) -> None:
    """Every header about the package is the same at A and B, byte for byte, for the whole, a part, and nothing."""
    for path in ("/packages/App.pkg", "/packages/empty.pkg", f"/packages/{quote(HARD_NAME, safe='')}"):
        for headers in ({}, {"Range": "bytes=1-3"}, {"If-None-Match": "*"}):
            answers = [get(instance, path, **headers) for instance in pair]
            told = [{name: answer.headers.get(name) for name in SAME_EVERYWHERE} for answer in answers]
            assert answers[0].status_code == answers[1].status_code
            assert told[0] == told[1]


def test_a_download_resumes_at_another_site(pair: Pair) -> None:
    """Half from A, the rest from B with If-Range by A's tag: the whole package."""
    first = get(pair[0], Range="bytes=0-1499999")
    rest = get(pair[1], Range="bytes=1500000-", **{"If-Range": first.headers["ETag"]})

    assert rest.status_code == 206
    assert first.content + rest.content == DATA


def test_the_time_follows_the_package_not_the_bytes(a: Instance) -> None:
    """Old bytes published anew under their name are a new package: Last-Modified is that of the record, not of the file."""

    def told(data: bytes) -> tuple[str, str]:
        package_id = a.uploaded(a.upload("again.pkg", data))["package_id"]
        created = a.api("GET", f"/packages/{package_id}").json()["created"]
        modified = parsedate_to_datetime(get(a, "/packages/again.pkg").headers["Last-Modified"])
        return created, modified.strftime("%Y-%m-%dT%H:%M:%SZ")

    for data in (b"one", b"two", b"one", b"two"):
        created, modified = told(data)
        assert created == modified


@pytest.mark.parametrize(
    "target",
    [
        "/packages/unknown.pkg",
        "/packages/",
        "/packages/App.pkg/",
        "/packages//App.pkg",
        "/packages/app.pkg",
        "/packages/./App.pkg",
        "/packages/../secrets/instance.key",
        "/packages/%2e%2e/secrets/instance.key",
        "/packages/..%2fsecrets%2finstance.key",
        "/packages/%252e%252e/secrets/instance.key",
        "/packages/..\\secrets\\instance.key",
        "/packages//etc/passwd",
        "/packages/%2fetc%2fpasswd",
        "/packages/App.pkg%00",
        "/packages/App.pkg%00.txt",
        "/packages/%ff%fe",
        "/packages/.",
        "/packages/..",
        "/packages/%c0%ae%c0%ae/secrets/instance.key",
        "/packages/" + "a" * 4000,
        "/CasperShare/Packages/../../secrets/instance.key",
        "/secrets/instance.key",
        "/data/secrets/instance.key",
        "/_blobs/",
    ],
)
def test_nothing_else_can_be_had(a: Instance, target: str) -> None:
    """What is not published is 404, by whatever path it is asked for; nothing outside the public folder is ever sent."""
    answer = raw_http.exchange(a.port, raw_http.head("GET", target))

    assert answer.status == 404
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_what_is_no_longer_published_is_not_found(a: Instance) -> None:
    """Without its file in the public folder a package is not served, even if it was a moment ago."""
    a.uploaded(a.upload("gone.pkg", b"gone"))
    assert get(a, "/packages/gone.pkg").status_code == 200

    (a.data / "public" / "gone.pkg").unlink()

    assert get(a, "/packages/gone.pkg").status_code == 404


def test_only_reading_is_allowed(a: Instance) -> None:
    """A download address takes no other method, and says which it takes."""
    for method in ("PUT", "POST", "DELETE", "PATCH"):
        response = get(a, method=method)
        assert (response.status_code, response.json()["code"]) == (405, "METHOD_NOT_ALLOWED")
        assert set(response.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}


def test_the_server_is_handed_a_positioned_file(tmp_path: Path) -> None:
    """The bytes of a range never pass through Python: the server's own file wrapper gets the file, at the right place."""
    store, data = FilesystemByteStore(Layout(tmp_path)), b"0123456789"
    digest = Digest("sha256", hashlib.sha256(data).hexdigest())
    store.layout.blob(digest).parent.mkdir(parents=True)
    store.layout.blob(digest).write_bytes(data)
    handed: list[Any] = []

    def wrapper(file: Any, _block: int) -> list[bytes]:
        handed.append((file.fileno(), file.tell()))
        return [b"sent by the kernel"]

    with Flask("x").test_request_context(headers={"Range": "bytes=4-6"}, environ_overrides={"wsgi.file_wrapper": wrapper}):
        response = Sending(store, "").answer(Representation(digest, 10, parsedate_to_datetime("Mon, 23 Nov 2026 00:00:00 GMT")))

        assert response.direct_passthrough
        assert [position for _, position in handed] == [4]
        assert response.headers["Content-Length"] == "3"


def test_the_kernel_sends_the_bytes(a: Instance, tmp_path: Path) -> None:
    """Seen from outside with strace: the gateway calls sendfile for the whole of a download, at the offset that was asked for."""
    if not shutil.which("strace"):
        pytest.skip("strace is not installed; the test above shows that the file is handed to the server")
    trace, worker = tmp_path / "trace", gateway_worker(a)
    command = ["strace", "-f", "-e", "trace=sendfile,sendfile64", "-o", str(trace), "-p", str(worker)]
    tracer = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert tracer.stderr
    said = tracer.stderr.readline().decode()
    if "attached" not in said:
        tracer.wait(10)
        pytest.skip(f"strace may not look at processes here: {said.strip()}")
    try:
        assert get(a, Range="bytes=1000-").content == DATA[1000:]
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.wait(10)

    calls = re.findall(r"sendfile\w*\((\d+, \d+), \[(\d+)\].*= (\d+)$", trace.read_text(), re.MULTILINE)
    files = next(files for files, offset, _ in calls if offset == "1000")
    assert sum(int(sent) for pair, _, sent in calls if pair == files) == SIZE - 1000


def gateway_worker(instance: Instance) -> int:
    """Process id of gunicorn's worker."""
    master = instance.processes["services.api_gateway"].pid
    path = Path(f"/proc/{master}/task/{master}/children")
    return int(wait_for(lambda: path.read_text().split(), "the gateway has a worker")[0])
