"""Claims about deliveries to real receivers over real sockets (promise D5)."""

from __future__ import annotations

import datetime as dt
import json
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from ipaddress import ip_network
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from standardwebhooks import Webhook

from services.notify.adapters.guarded_http import Guard, GuardedHttp
from services.notify.config import NotifySettings
from services.notify.wiring import Notify, build
from shared.contracts.events import PeerRevokedV1
from shared.contracts.happening import Happening
from shared.core.errors import InvalidInput
from shared.runtime.outbound import Limits, resolve_by_system, trusted_authorities
from shared.testing.fakes.clock import FakeClock
from tests.integration.notify_receivers import raw_receiver, receiver

pytestmark = pytest.mark.promise("D5")
LOOPBACK = [ip_network("127.0.0.0/8")]
REVOKED = PeerRevokedV1(peer_id="PEER", name="Bonn")
PATIENT = 60


@pytest.fixture
def notify(tmp_path: Path) -> Iterator[Notify]:
    """The wired service with its own database, allowed to post to this machine; its loop is not running."""
    made = build(NotifySettings(amqp_uri="amqp://nobody@127.0.0.1:1/", data=tmp_path, webhook_allowed_networks="127.0.0.0/8"))
    made.telling.clock = made.subscribing.clock = made.delivering.clock = FakeClock(dt.datetime.now(dt.UTC))
    yield made
    made.close()


def web(limits: Limits | None = None, guard: Guard | None = None, tls: ssl.SSLContext | None = None) -> GuardedHttp:
    """The way out, allowed to this machine."""
    return GuardedHttp(guard or Guard(LOOPBACK), limits or Limits(5, 30), tls or trusted_authorities())


def tell(notify: Notify, event_id: str) -> None:
    """Something happened."""
    notify.telling.tell(REVOKED, Happening(event_id, dt.datetime.now(dt.UTC)))


def test_a_failed_delivery_is_repeated_with_the_same_id(notify: Notify) -> None:
    """500, then success; the reference library accepts both; path, type and body are as promised."""
    with receiver((500, {})) as hook:
        secret = notify.subscribing.subscribe(hook.url, ["peer.*"], "admin")["secret"]
        tell(notify, "e1")
        assert notify.delivering.deliver_one()
        assert not notify.delivering.deliver_one()
        notify.delivering.clock.pass_seconds(6)
        assert notify.delivering.deliver_one()

    first, second = hook.requests
    assert first[0] == "/hook?x=1"
    assert first[1]["content-type"] == "application/json"
    assert first[1]["webhook-id"] == second[1]["webhook-id"] == "msg_e1"
    assert first[1]["webhook-timestamp"] != second[1]["webhook-timestamp"]
    for _, headers, body in hook.requests:
        assert Webhook(secret).verify(body, headers)["data"] == {"peer_id": "PEER", "name": "Bonn", "person": None}
    assert notify.log.listed(1)["items"][0]["state"] == "delivered"


def test_410_switches_off_a_real_subscription(notify: Notify) -> None:
    """One request, and never another."""
    with receiver((410, {})) as hook:
        notify.subscribing.subscribe(hook.url, ["*"], "admin")
        tell(notify, "e1")
        tell(notify, "e2")
        while notify.delivering.deliver_one():
            pass

    assert len(hook.requests) == 1
    assert notify.subscribing.listed()["items"][0]["state"] == "disabled"


def test_retry_after_of_a_real_answer_is_honoured(notify: Notify) -> None:
    """The next try waits as asked."""
    with receiver((429, {"Retry-After": "3000"})) as hook:
        notify.subscribing.subscribe(hook.url, ["*"], "admin")
        tell(notify, "e1")
        notify.delivering.deliver_one()
        notify.delivering.clock.pass_seconds(2999)
        assert not notify.delivering.deliver_one()
        notify.delivering.clock.pass_seconds(302)
        assert notify.delivering.deliver_one()

    assert len(hook.requests) == 2


def test_a_hanging_receiver_delays_no_other(notify: Notify) -> None:
    """While one worker is held by a receiver that says nothing, another serves the good one, event after event."""
    reached, release = threading.Event(), threading.Event()

    def hang(_connection: socket.socket) -> None:
        reached.set()
        release.wait(PATIENT)

    with raw_receiver(hang) as dead_url, receiver() as good:
        notify.subscribing.subscribe(dead_url, ["*"], "admin")
        tell(notify, "e1")
        held = threading.Thread(target=notify.delivering.deliver_one)
        held.start()
        assert reached.wait(PATIENT)
        notify.subscribing.subscribe(good.url, ["*"], "admin")
        for event_id in ("e2", "e3", "e4"):
            tell(notify, event_id)
        while notify.delivering.deliver_one():
            pass

        assert held.is_alive()
        assert [headers["webhook-id"] for _, headers, _ in good.requests] == ["msg_e2", "msg_e3", "msg_e4"]
        release.set()
        held.join(PATIENT)
    assert notify.log.figures()["deliveries_waiting"] == 4


def drip_headers(connection: socket.socket) -> None:
    """One header byte at a time, for ever."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nx: ")
    while True:
        connection.sendall(b"x")
        time.sleep(0.02)


def say_nothing(connection: socket.socket) -> None:
    """Read, for ever."""
    while connection.recv(65536):
        pass


def continue_for_ever(connection: socket.socket) -> None:
    """Promise an answer again and again."""
    while True:
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        time.sleep(0.02)


def pour_promises(connection: socket.socket) -> None:
    """The same, as fast as can be: whoever reads it never waits."""
    while True:
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)


@pytest.mark.parametrize("behave", [drip_headers, say_nothing, continue_for_ever, pour_promises])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_receiver_that_does_not_answer_in_time_is_cut(behave: object, scheme: str) -> None:
    """Silent, dripping or promising; in TLS's handshake too."""
    with raw_receiver(behave) as url:  # type: ignore[arg-type]
        answer = web(Limits(5, 0.5)).post(url.replace("http:", f"{scheme}:"), b"{}", {})

    assert answer.status is None
    assert answer.error


def test_an_endless_answer_is_not_read() -> None:
    """The status counts; after a few kilobytes the connection is closed in the receiver's face."""
    closed = threading.Event()

    def pour(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            while True:
                connection.sendall(b"x" * 65536)
        finally:
            closed.set()

    with raw_receiver(pour) as url:
        answer = web(Limits(5, 30)).post(url, b"{}", {})

        assert closed.wait(PATIENT)
    assert answer.status == 200


@pytest.mark.parametrize(
    "junk", [b"SSH-2.0-x\r\n", b"\x00" * 100, b"HTTP/1.1 abc\r\n\r\n", b"", b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 500]
)
def test_an_answer_that_is_no_http_is_a_failed_try(junk: bytes) -> None:
    """Whatever comes back, the loop gets an answer, not an error."""

    def answer_junk(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(junk)

    with raw_receiver(answer_junk) as url:
        answer = web().post(url, b"{}", {})

    assert answer.status is None
    assert answer.error


def test_a_closed_port_is_a_failed_try() -> None:
    """Refused connections are told as such."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        answer = web().post(f"http://127.0.0.1:{closed.getsockname()[1]}/", b"{}", {})

    assert "refused" in str(answer.error)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_an_answer_and_is_not_followed(status: int) -> None:
    """Inwards or outwards."""
    with receiver() as inside, receiver((status, {"Location": inside.url})) as hook:
        answer = web().post(hook.url, b"{}", {})

    assert answer.status == status
    assert inside.requests == []


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy would connect for us, unguarded."""
    with receiver() as proxy, receiver() as hook:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "https_proxy"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        answer = web().post(hook.url, b"{}", {})

    assert answer.status == 204
    assert proxy.requests == []


def test_the_name_is_asked_once_and_the_connection_goes_to_what_was_checked() -> None:
    """A DNS that answers differently the second time (rebinding) is never asked a second time; the Host header keeps the name."""
    asked: list[str] = []

    def rebinding(host: str, _port: int) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["10.0.0.1"]

    with receiver() as hook:
        answer = web(guard=Guard(LOOPBACK, rebinding)).post(f"http://hooks.example:{hook.port}/", b"{}", {})

    assert answer.status == 204
    assert asked == ["hooks.example"]
    assert hook.requests[0][1]["host"] == f"hooks.example:{hook.port}"


def test_a_target_that_turned_inside_since_it_was_subscribed_is_not_reached() -> None:
    """Every try is checked anew."""
    with receiver() as hook:
        answer = web(guard=Guard((), resolve_by_system)).post(hook.url, b"{}", {})

    assert answer.status is None
    assert str(answer.error).startswith("WEBHOOK_TARGET_FORBIDDEN")
    assert hook.requests == []


def test_a_dead_address_gives_way_to_the_next() -> None:
    """Names with several addresses: the first that takes the connection."""
    with receiver() as hook:
        answer = web(guard=Guard(LOOPBACK, lambda _host, _port: ["127.9.9.9", "127.0.0.1"])).post(hook.url, b"{}", {})

    assert answer.status == 204


class Authority:
    """A certificate authority of one's own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.key = folder, ec.generate_private_key(ec.SECP256R1())
        self.certificate = self._issue("test authority", self.key, authority=True)
        self.file = folder / "authority.pem"
        self.file.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def _issue(self, name: str, key: ec.EllipticCurvePrivateKey, *, authority: bool) -> x509.Certificate:
        now, issuer = dt.datetime.now(dt.UTC), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        if not authority:
            builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def server_context(self, name: str) -> ssl.SSLContext:
        """What a server by that name uses."""
        key = ec.generate_private_key(ec.SECP256R1())
        file = self.folder / f"{name}.pem"
        file.write_bytes(
            key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
            + self._issue(name, key, authority=False).public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context


def test_over_tls_the_certificate_must_be_the_names(tmp_path: Path) -> None:
    """The connection goes to an address; SNI and the check are for the name; another name's or authority's certificate is refused."""
    authority = Authority(tmp_path)
    context, asked = authority.server_context("hooks.example"), []
    context.sni_callback = lambda _socket, name, _context: asked.append(name)
    here = Guard(LOOPBACK, lambda _host, _port: ["127.0.0.1"])

    with receiver(tls=context) as hook:
        trusting = web(guard=here, tls=trusted_authorities(authority.file))
        right = trusting.post(f"https://hooks.example:{hook.port}/", b"{}", {})
        wrong_name = trusting.post(f"https://other.example:{hook.port}/", b"{}", {})
        stranger = web(guard=here).post(f"https://hooks.example:{hook.port}/", b"{}", {})

    assert right.status == 204
    assert asked == ["hooks.example", "other.example", "hooks.example"]
    assert (wrong_name.status, stranger.status) == (None, None)
    assert "CERTIFICATE_VERIFY_FAILED" in f"{wrong_name.error}"
    assert "CERTIFICATE_VERIFY_FAILED" in f"{stranger.error}"
    assert len(hook.requests) == 1


def test_a_subscription_to_the_inside_is_refused_by_the_wired_service(tmp_path: Path) -> None:
    """Without an allow-list, nothing on this machine can be subscribed."""
    made = build(NotifySettings(amqp_uri="amqp://nobody@127.0.0.1:1/", data=tmp_path))

    with pytest.raises(InvalidInput) as caught:
        made.subscribing.subscribe("http://127.0.0.1:9/", ["*"], "admin")
    made.close()

    assert caught.value.code == "WEBHOOK_TARGET_FORBIDDEN"


UNDER_EVENTLET = """
import eventlet
eventlet.monkey_patch()
import datetime as dt, json, sys
from pathlib import Path
from services.notify.config import NotifySettings
from services.notify.wiring import build
from shared.contracts.events import PeerRevokedV1
from shared.contracts.happening import Happening
from shared.core.errors import InvalidInput

folder, dead_url, drip_url, pour_url, good_url, inside = sys.argv[1:]
notify = build(NotifySettings(amqp_uri="amqp://nobody@127.0.0.1:1/", data=Path(folder), webhook_allowed_networks="127.0.0.0/8",
                              webhook_total_seconds=1, webhook_parallel=4))
threads = [eventlet.spawn(loop.run) for loop in notify.loops for _ in range(loop.copies)]
for url in (dead_url, drip_url, pour_url, good_url):
    notify.subscribing.subscribe(url, ["*"], "admin")
codes = []
for url in json.loads(inside):
    try:
        notify.subscribing.subscribe(url, ["*"], "admin")
    except InvalidInput as error:
        codes.append(error.code)
notify.telling.tell(PeerRevokedV1(peer_id="PEER", name="Bonn"), Happening("e1", dt.datetime.now(dt.UTC)))
def told():
    items = notify.log.listed(10)["items"]
    return sorted(one["state"] for one in items if one["last_status"] or one["last_error"])

with eventlet.Timeout(60):
    while told() != ["delivered", "waiting", "waiting", "waiting"]:
        eventlet.sleep(0.05)
for loop in notify.loops:
    loop.stop()
with eventlet.Timeout(20):
    for thread in threads:
        thread.wait()
notify.close()
print(json.dumps({"codes": codes}))
"""


def test_the_loop_delivers_under_eventlet_as_in_the_nameko_process(tmp_path: Path) -> None:
    """Monkey-patched: a good receiver is served, a hanging, a dripping and a pouring one are cut, the inside is refused, the loop stops."""
    inside = ["http://169.254.169.254/", "http://10.0.0.1/", "http://0x7f.1.x/", "http://nowhere.invalid/", f"http://{'x' * 70}.example/"]
    with raw_receiver(say_nothing) as dead, raw_receiver(drip_headers) as drip, raw_receiver(pour_promises) as pour, receiver() as good:
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", UNDER_EVENTLET, str(tmp_path), dead, drip, pour, good.url, json.dumps(inside)],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            cwd=Path(__file__).parents[2],
        )

    assert done.returncode == 0, done.stderr[-3000:]
    codes = json.loads(done.stdout.splitlines()[-1])["codes"]
    assert codes == ["WEBHOOK_TARGET_FORBIDDEN"] * 2 + ["WEBHOOK_TARGET_UNKNOWN"] * 3
    assert len(good.requests) == 1
