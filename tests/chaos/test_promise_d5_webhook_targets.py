"""Promise D5: webhooks go nowhere inside, however that is spelled, and receivers that hang, drip or pour are cut while others are told.

Everything is on real sockets: 127.0.0.2 is outside, because it is allowed; 127.0.0.1 and all else on this machine is inside.
"""

from __future__ import annotations

import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from ipaddress import ip_network
from typing import Any

import pytest

from services.notify.adapters.guarded_http import Guard, GuardedHttp
from shared.core.errors import InvalidInput
from shared.runtime.outbound import Limits, trusted_authorities
from shared.testing.instance import Instance
from shared.testing.waiting import wait_for
from tests.integration.notify_receivers import raw_receiver, receiver

pytestmark = pytest.mark.promise("D5")
OUTSIDE = "127.0.0.2"
CUT_MILLISECONDS = 20_000
SPELLINGS = [
    "http://127.0.0.1:{port}/",
    "http://127.1:{port}/",
    "http://127.0.1:{port}/",
    "http://2130706433:{port}/",
    "http://0x7f000001:{port}/",
    "http://0x7f.1:{port}/",
    "http://017700000001:{port}/",
    "http://0177.0.0.1:{port}/",
    "http://0:{port}/",
    "http://0.0.0.0:{port}/",
    "http://localhost:{port}/",
    "http://LOCALHOST.:{port}/",
    "http://[::1]:{port}/",
    "http://[::]:{port}/",
    "http://[::ffff:127.0.0.1]:{port}/",
    "http://[::ffff:7f00:1]:{port}/",
    "http://[0:0:0:0:0:ffff:7f00:1]:{port}/",
    "http://%31%32%37.0.0.1:{port}/",
    "http://127.0.0.1:{port}\\@outside.example/",
]
METADATA = ["http://169.254.169.254/latest/meta-data/", "http://2852039166/", "http://[fd00:ec2::254]/", "http://[fe80::1]/"]


class Inside(socketserver.ThreadingTCPServer):
    """Counts who connects, to any address of this machine."""

    daemon_threads = True
    block_on_close = False
    address_family = socket.AF_INET6

    def __init__(self) -> None:
        self.connected = 0
        super().__init__(("::", 0), socketserver.BaseRequestHandler)

    def server_bind(self) -> None:
        """Also for what comes by IPv4."""
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()

    def verify_request(self, _request: Any, _client: Any) -> bool:
        """Nobody is answered."""
        self.connected += 1
        return False

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])


@pytest.fixture(scope="module")
def inside() -> Iterator[Inside]:
    """A server that nobody may reach."""
    with Inside() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def web(resolve: Callable[[str, int], Sequence[str]] | None = None) -> GuardedHttp:
    """The way out, of which 127.0.0.2 alone is allowed."""
    allowed = [ip_network(f"{OUTSIDE}/32")]
    return GuardedHttp(Guard(allowed, resolve) if resolve else Guard(allowed), Limits(2, 5), trusted_authorities())


def test_the_server_inside_can_be_reached_by_who_is_not_guarded(inside: Inside) -> None:
    """Otherwise the claims below would say nothing."""
    before = inside.connected
    for address in ("127.0.0.1", "::1", OUTSIDE):
        socket.create_connection((address, inside.port), 5).close()

    wait_for(lambda: inside.connected == before + 3, "all three came")


@pytest.mark.parametrize("spelling", [*SPELLINGS, *METADATA])
def test_no_spelling_of_the_inside_is_connected_to(inside: Inside, spelling: str) -> None:
    """Neither at subscribing nor at posting, whoever wrote it."""
    url, before = spelling.format(port=inside.port), inside.connected

    with pytest.raises(InvalidInput):
        web().check(url)
    answer = web().post(url, b"{}", {})

    assert answer.status is None
    assert answer.error
    assert inside.connected == before


def test_a_name_that_is_rebound_leads_where_it_was_checked_or_nowhere(inside: Inside) -> None:
    """Outside at first and inside later: the connection goes outside. Inside at first: there is none. Both at once: there is none."""
    asked: list[str] = []

    def rebinding(host: str, _port: int) -> Sequence[str]:
        asked.append(host)
        return [OUTSIDE] if len(asked) % 2 else ["127.0.0.1"]

    before = inside.connected
    with receiver(host=OUTSIDE) as hook:
        first = web(rebinding).post(f"http://rebound.example:{hook.port}/", b"{}", {})
        second = web(rebinding).post(f"http://rebound.example:{inside.port}/", b"{}", {})
        both = web(lambda _host, _port: [OUTSIDE, "127.0.0.1"]).post(f"http://rebound.example:{inside.port}/", b"{}", {})

    assert (first.status, second.status, both.status) == (204, None, None)
    assert "WEBHOOK_TARGET_FORBIDDEN" in f"{second.error}"
    assert inside.connected == before


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_inwards_leads_nowhere(inside: Inside, status: int) -> None:
    """It is an answer like any other, and no success."""
    before = inside.connected
    with receiver((status, {"Location": f"http://127.0.0.1:{inside.port}/"}), host=OUTSIDE) as hook:
        assert web().post(hook.url, b"{}", {}).status == status

    assert inside.connected == before


def hang(connection: socket.socket) -> None:
    """Take everything, and say nothing."""
    while connection.recv(65536):
        pass


def drip(connection: socket.socket) -> None:
    """A header byte now and then, for ever."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nx: ")
    while True:
        connection.sendall(b"x")
        time.sleep(0.05)


def pour(connection: socket.socket) -> None:
    """A header that never ends, as fast as can be."""
    while True:
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)


def test_bad_receivers_are_cut_within_twenty_seconds_while_others_are_told(
    make_instance: Callable[..., Instance], inside: Inside, *, long_run: bool
) -> None:
    """A whole instance: its door refuses the inside, and three bad receivers of each kind delay no good one."""
    settings = {"ODST_WEBHOOK_ALLOWED_NETWORKS": f"{OUTSIDE}/32"} | ({} if long_run else {"ODST_WEBHOOK_TOTAL_SECONDS": "4"})
    lone = make_instance("D", settings=settings).start().wait_ready()
    before = inside.connected
    codes = {_refused(lone, spelling.format(port=inside.port)) for spelling in SPELLINGS}
    with ExitStack() as stack:
        bad = [stack.enter_context(raw_receiver(behave, OUTSIDE)) for behave in (hang, drip, pour) for _ in range(3)]
        good = [stack.enter_context(receiver(host=OUTSIDE)) for _ in range(3)]
        for url in [*bad, *(hook.url for hook in good)]:
            lone.api("POST", "/subscriptions", json={"url": url, "events": ["package.published"]}, expect=201)
        for number in range(3):
            lone.uploaded(lone.upload(f"{number}.pkg", f"{number}".encode()))
        wait_for(lambda: all(len(hook.requests) == 3 for hook in good), "the good ones have all three")
        tries = wait_for(lambda: _tried(lone, len(bad)), "each bad one was tried, and cut", deadline_seconds=90)

    assert codes <= {"WEBHOOK_TARGET_FORBIDDEN", "WEBHOOK_TARGET_UNKNOWN", "WEBHOOK_URL_INVALID"}
    assert inside.connected == before
    assert all(one["status"] is None and one["error"] and one["milliseconds"] <= CUT_MILLISECONDS for one in tries)


def _refused(lone: Instance, url: str) -> str:
    answer = lone.api("POST", "/subscriptions", json={"url": url, "events": ["*"]}, expect=400)
    return str(answer.json()["code"])


def _tried(lone: Instance, receivers: int) -> list[dict[str, Any]] | None:
    """The first tries at each of the bad ones, once there are any of all."""
    waiting = lone.api("GET", "/deliveries?state=waiting&limit=1000").json()["items"]
    shown = [lone.api("GET", f"/deliveries/{one['delivery_id']}").json() for one in waiting if one["attempts"]]
    tried = {one["subscription_id"]: one["tries"][0] for one in shown if one["tries"]}
    return list(tried.values()) if len(tried) == receivers else None
