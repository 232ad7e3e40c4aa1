"""nginx in front, with the example that administrators are given: the same answers as without it, and nothing more to be had."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from email.utils import format_datetime, parsedate_to_datetime
from pathlib import Path
from urllib.parse import quote

import pytest
import requests

from shared.runtime.broker import PrivateBroker
from shared.testing import raw_http
from shared.testing.builders import some_bytes
from shared.testing.event_stream import Follower
from shared.testing.instance import Instance, free_port
from shared.testing.peer import TestPeer
from shared.testing.tus import PART, create, offset_of
from shared.testing.waiting import wait_for

MIB = 1 << 20
DATA = some_bytes(2 * MIB + 5)
EXAMPLE = Path(__file__).resolve().parents[2] / "deploy" / "nginx" / "odst.conf"
HOP_BY_HOP = {"server", "date", "connection", "keep-alive", "transfer-encoding", "ods-correlation-id"}
MAIN = """
daemon off;
worker_processes 1;
pid nginx.pid;
error_log error.log;
events {}
http {
    access_log off;
    client_body_temp_path tmp/body;
    proxy_temp_path tmp/proxy;
    fastcgi_temp_path tmp/fastcgi;
    uwsgi_temp_path tmp/uwsgi;
    scgi_temp_path tmp/scgi;
    include odst.conf;
}
"""


class Front:
    """A private nginx before an instance, with the example configuration."""

    def __init__(self, folder: Path, instance: Instance, without: tuple[str, ...] = ()) -> None:
        """Only the lines that the example says to adapt are adapted, and what it is to do `without` is left out."""
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        (folder / "tmp").mkdir(parents=True)
        folder.chmod(0o755)
        example = EXAMPLE.read_text("utf-8")
        for given, adapted in {
            "server 127.0.0.1:8080;": f"server 127.0.0.1:{instance.port};",
            "listen 80;": f"listen 127.0.0.1:{self.port};",
            "alias /var/lib/odst/data/": f"alias {instance.data}/",
            **dict.fromkeys(without, ""),
        }.items():
            assert given in example
            example = example.replace(given, adapted)
        (folder / "odst.conf").write_text(example, "utf-8")
        user = "user root;\n" if os.geteuid() == 0 else ""
        (folder / "nginx.conf").write_text(user + MAIN, "utf-8")
        self.log = folder / "error.log"
        command = [nginx(), "-p", f"{folder}/", "-c", "nginx.conf", "-e", "error.log"]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(lambda: requests.get(f"{self.url}/healthz", timeout=5).ok, "nginx answers", tolerate=(requests.RequestException,))

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(10)


def nginx() -> str:
    """Where nginx is, also if the path of a plain user does not lead there."""
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin") or ""


@pytest.fixture(scope="module")
def instance(broker: PrivateBroker, vhost_names: Iterator[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """An instance that leaves the sending to nginx, with two packages."""
    if not nginx():
        pytest.skip("nginx is not installed (Debian: nginx-light)")
    folder = tmp_path_factory.mktemp("nginx") / "A"
    made = Instance("A", folder, broker.uri(next(vhost_names)), settings={"ODST_ACCEL_PREFIX": "/_blobs"})
    with contextlib.closing(made):
        made.start().wait_ready()
        for name, data in (("App.pkg", DATA), ("ä 🍏.pkg", b"apple"), ("empty.pkg", b"")):
            made.uploaded(made.upload(quote(name), data))
        for blob in made.data.glob("blobs/sha256/*/*/*"):
            os.utime(blob, (0, 0))  # as at an instance that got it later or earlier: its own time must not show
        yield made


@pytest.fixture(scope="module")
def front(instance: Instance, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """Before it, nginx."""
    with contextlib.closing(Front(tmp_path_factory.mktemp("front"), instance)) as made:
        yield made


@pytest.fixture(scope="module")
def plain(instance: Instance, front: Front, broker: PrivateBroker, vhost_names: Iterator[str]) -> Iterator[str]:  # noqa: ARG001 - after nginx
    """URL of a second gateway of the same instance that sends by itself: what answers are held against."""
    port = free_port()
    settings = {**instance.settings, "ODST_ACCEL_PREFIX": "", "ODST_LISTEN": f"127.0.0.1:{port}"}
    other = Instance("A", instance.folder / "plain", instance.settings["ODST_AMQP_URI"], programs=(), settings=settings)
    other.url = f"http://127.0.0.1:{port}"
    with contextlib.closing(other):
        yield other.start().wait_ready().url


def told(response: requests.Response) -> dict[str, str]:
    """Headers that are about the package, and not about the connection."""
    return {name.lower(): value for name, value in response.headers.items() if name.lower() not in HOP_BY_HOP}


def modified(plain: str, years: int) -> str:
    """The time of the package, years earlier or later."""
    made = parsedate_to_datetime(requests.head(f"{plain}/packages/App.pkg", timeout=10).headers["Last-Modified"])
    return format_datetime(made.replace(year=made.year + years), usegmt=True)


TAG = f'"sha256:{hashlib.sha256(DATA).hexdigest()}"'
ASKED: list[dict[str, str]] = [
    {},
    {"Range": "bytes=0-0"},
    {"Range": "bytes=1000-1048577"},
    {"Range": "bytes=-7"},
    {"Range": "bytes=-99999999"},
    {"Range": "bytes=2000000-"},
    {"Range": f"bytes={len(DATA)}-"},
    {"Range": "bytes=0-1,5-6"},
    {"Range": "bytes=5-2"},
    {"Range": "nonsense"},
    {"If-None-Match": TAG},
    {"If-None-Match": '"other"'},
    {"If-Modified-Since": "now"},
    {"If-Modified-Since": "before"},
    {"If-Match": TAG},
    {"If-Match": '"other"'},
    {"If-Unmodified-Since": "now"},
    {"If-Unmodified-Since": "before"},
    {"Range": "bytes=5-9", "If-Range": TAG},
    {"Range": "bytes=5-9", "If-Range": '"other"'},
    {"Range": "bytes=5-9", "If-Range": "now"},
    {"Range": "bytes=5-9", "If-Range": "before"},
    {"Range": "bytes=5-9", "If-Match": TAG},
    {"Range": "bytes=5-9", "If-None-Match": TAG},
]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("asked", ASKED, ids=str)
def test_nginx_answers_as_the_gateway_does(front: Front, plain: str, asked: dict[str, str], method: str) -> None:
    """Whole, part, 304, 412, 416 and HEAD: status, headers and bytes are those of the gateway alone."""
    times = {"now": modified(plain, 0), "before": modified(plain, -1)}
    headers = {"Accept-Encoding": "identity", **{name: times.get(value, value) for name, value in asked.items()}}

    ours, theirs = (requests.request(method, f"{url}/packages/App.pkg", headers=headers, timeout=30) for url in (plain, front.url))

    assert theirs.status_code == ours.status_code
    assert told(theirs) == told(ours)
    if ours.status_code < 400:
        assert theirs.content == ours.content


PATHS = [f"/packages/{quote('ä 🍏.pkg')}", "/packages/empty.pkg", "/CasperShare/Packages/App.pkg", "//packages/App.pkg"]


@pytest.mark.parametrize("path", [*PATHS, "/packages/unknown"])
def test_every_address_answers_alike(front: Front, plain: str, path: str) -> None:
    """Odd names, the empty package, Jamf's address, and what is not there."""
    ours, theirs = (requests.get(f"{url}{path}", headers={"Accept-Encoding": "identity"}, timeout=30) for url in (plain, front.url))

    assert theirs.status_code == ours.status_code
    assert {name: value for name, value in told(theirs).items() if name != "x-accel-redirect"} == told(ours)
    if ours.ok:
        assert theirs.content == ours.content


def test_the_gateway_sends_no_byte(instance: Instance) -> None:
    """Behind nginx, the gateway answers a download with an internal address and no body."""
    answer = requests.get(f"{instance.url}/packages/App.pkg", timeout=10)

    digest = hashlib.sha256(DATA).hexdigest()
    assert answer.headers["X-Accel-Redirect"] == f"/_blobs/{digest[:2]}/{digest[2:4]}/{digest}"
    assert answer.content == b""


def test_blobs_cannot_be_asked_for_directly(front: Front) -> None:
    """The internal location is 404 for everybody, however it is written."""
    digest = hashlib.sha256(DATA).hexdigest()
    inside = f"_blobs/{digest[:2]}/{digest[2:4]}/{digest}"

    for target in (f"/{inside}", f"//{inside}", f"/x/../{inside}", f"/%5f{inside[1:]}", f"/{inside}.chunks", "/_blobs/"):
        assert raw_http.exchange(front.port, raw_http.head("GET", target)).status == 404, target


def test_metrics_are_denied(front: Front) -> None:
    """Figures are not shown to the world, however they are asked for."""
    for target in ("/metrics", "/metrics?x=1", "/%6detrics", "/x/../metrics", "/./metrics", "//metrics", "///metrics"):
        assert raw_http.exchange(front.port, raw_http.head("GET", target)).status == 403, target
    for target in ("/metrics/", "/metrics%00", "/metrics;x", "/packages/../metrics/."):
        answer = raw_http.exchange(front.port, raw_http.head("GET", target))
        assert b"odst_http_requests" not in answer.body, target


def test_an_upload_passes_through(front: Front, instance: Instance) -> None:
    """A body larger than nginx takes by itself, with and without a length, is uploaded; a refusal comes before the last byte was sent."""
    headers = {"Authorization": f"Bearer {instance.token}"}
    blocks = [os.urandom(MIB)] * 8
    for name, body in (("length.pkg", b"".join(blocks)), ("chunked.pkg", iter(blocks))):
        response = requests.put(f"{front.url}/api/v1/packages/{name}", data=body, headers=headers, timeout=60)
        assert response.status_code == 202, response.text
        instance.uploaded(response.json())
    with raw_http.connection(front.port) as opened:
        opened.sendall(raw_http.head("PUT", "/api/v1/packages/late.pkg", "Content-Length: 100000000") + bytes(MIB))
        early = raw_http.read_answer(opened)

    assert early.status == 401


def test_a_resumable_upload_passes_through_as_it_comes(front: Front, instance: Instance) -> None:
    """Its parts are not kept back until they are whole: what came before a cut counts, and the rest goes on from there."""
    data = os.urandom(8 * MIB)
    upload_id = create(instance, "parts.pkg", len(data))
    head = [f"{name}: {value}" for name, value in PART.items()]
    head += [f"Authorization: Bearer {instance.token}", "Upload-Offset: 0", f"Content-Length: {len(data)}"]
    with raw_http.connection(front.port) as opened:
        opened.sendall(raw_http.head("PATCH", f"/api/v1/uploads/{upload_id}", *head) + data[: 4 * MIB])
        wait_for(lambda: (instance.data / "incoming" / f"{upload_id}.part").read_bytes()[:MIB] == data[:MIB], "some of it is written")

    stands = wait_for(lambda: offset_of(instance, upload_id), "what came counts")
    assert MIB <= stands <= 4 * MIB
    headers = {**PART, "Upload-Offset": str(stands), "Authorization": f"Bearer {instance.token}"}
    answer = requests.patch(f"{front.url}/api/v1/uploads/{upload_id}", data=data[stands:], headers=headers, timeout=60)
    assert (answer.status_code, answer.headers["Upload-Offset"]) == (204, str(len(data)))
    instance.published("parts.pkg", hashlib.sha256(data).hexdigest())


def test_peers_speak_through_it(front: Front, instance: Instance) -> None:
    """Signatures hold through nginx, also for a path and query that a proxy might tidy up; bytes for a peer come by nginx too."""
    package_id = instance.api("GET", "/packages/App.pkg").json()["package_id"]
    with TestPeer("behind") as peer:
        peer.join(instance)
        direct, instance.url = instance.url, front.url
        try:
            peer.announce(instance).raise_for_status()
            path = f"/ods/v1/packages/{package_id}/content"
            part = peer.request(instance, "GET", path, headers={"Range": f"bytes={MIB}-", "Accept-Encoding": "identity"})
            odd = "/ods/v1/%63hanges?epoch=a%2fb%20c&&since=0&limit=%31"
            lines = [f"{name}: {value}" for name, value in peer.signed(instance, "GET", odd).items()]
        finally:
            instance.url = direct
    feed = raw_http.exchange(front.port, raw_http.head("GET", odd, *lines))

    assert (part.status_code, part.headers["Content-Range"]) == (206, f"bytes {MIB}-{len(DATA) - 1}/{len(DATA)}")
    assert "Transfer-Encoding" not in part.headers
    assert part.content == DATA[MIB:]
    assert (feed.status, len(json.loads(feed.body)["items"])) == (200, 1)


@pytest.mark.parametrize("without", [(), ("proxy_http_version 1.1;", "proxy_buffering off;")])
def test_live_events_go_through_as_they_come(instance: Instance, tmp_path: Path, without: tuple[str, ...]) -> None:
    """Nginx holds nothing back: the stream begins at once, and an event is there while it stays open; by the answer's own header, too."""
    with (
        contextlib.closing(Front(tmp_path / "front", instance, without)) as front,
        Follower(front.url, instance.token, "?types=package.published") as follower,
    ):
        wait_for(lambda: follower.got, "the stream begins")
        name = f"Live{len(without)}.pkg"
        instance.uploaded(instance.upload(name, name.encode()))

        assert follower.wait("package.published.v1", name=name)
        assert not follower.ended.is_set()
