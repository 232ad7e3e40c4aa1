"""Claims about mail on real sockets: what a mail server is told, and what follows from what it says."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cli.main import main
from services.notify.config import NotifySettings
from services.notify.wiring import Notify, build
from shared.contracts.events import PeerRevokedV1
from shared.contracts.happening import Happening
from shared.testing.certificates import Authority
from shared.testing.fakes.clock import FakeClock
from shared.testing.instance import Instance
from shared.testing.waiting import wait_for
from tests.integration.mail_server import PASSWORD, mail_server, variables
from tests.integration.notify_receivers import Receiver, receiver

REVOKED = PeerRevokedV1(peer_id="PEER", name="Bonn")
COLLECTING = {"ODST_MAIL_COLLECT_SECONDS": "3", "ODST_MAIL_TIME_ZONE": "Europe/Berlin"}
"""For a short time."""


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Whom our side trusts."""
    return Authority(tmp_path)


def settings(folder: Path, port: int, authority: Authority, **others: Any) -> NotifySettings:
    """A mail server is set up."""
    known: dict[str, Any] = {
        "amqp_uri": "amqp://nobody@127.0.0.1:1/",
        "data": folder / "data",
        "smtp_host": "localhost",
        "smtp_port": port,
        "smtp_user": "odst",
        "smtp_password": PASSWORD,
        "smtp_ca_file": authority.file,
        "smtp_from": "odst@example.org",
        "instance_name": "Berlin",
    }
    return NotifySettings(**known | others)


@contextmanager
def notify(made_of: NotifySettings) -> Iterator[Notify]:
    """The wired service, to whose events Ada has subscribed by mail; its loop is not running."""
    made = build(made_of)
    made.telling.clock = made.delivering.clock = FakeClock(dt.datetime.now(dt.UTC))
    made.subscribing.subscribe(None, ["*"], "ada", {"kind": "email", "settings": {"to": "ada@example.org"}})
    try:
        yield made
    finally:
        made.close()


def tell(service: Notify, *event_ids: str) -> None:
    """Something happened, and the time in which it is collected is over."""
    for event_id in event_ids:
        service.telling.tell(REVOKED, Happening(event_id, dt.datetime.now(dt.UTC)))
    service.delivering.clock.pass_seconds(31)


def last(service: Notify) -> dict[str, Any]:
    """What became of the newest delivery."""
    found: dict[str, Any] = service.log.listed(1)["items"][0]
    return found


@pytest.mark.parametrize("first_byte", [False, True])
def test_a_person_gets_one_mail_over_tls_by_a_login(tmp_path: Path, authority: Authority, first_byte: bool) -> None:  # noqa: FBT001
    """By STARTTLS, and by TLS from the first byte; text and HTML, headers whole."""
    with mail_server(authority, first_byte=first_byte) as server:
        way = "tls" if first_byte else "starttls"
        with notify(settings(tmp_path, server.port, authority, smtp_security=way)) as service:
            tell(service, "e1", "e2")
            assert service.delivering.deliver_one()
            assert not service.delivering.deliver_one()
            assert last(service)["last_error"] is None

    (mail,) = server.taken
    text = mail.get_body(("plain",))
    assert (mail["To"], mail["Subject"]) == ("ada@example.org", "[Berlin] The peer Bonn was revoked, and 1 more")
    assert text is not None
    assert text.get_content().count("The peer Bonn was revoked") == 2


@pytest.mark.parametrize(
    ("others", "said"),
    [
        ({"smtp_password": "wrong"}, "refused the login (535)"),
        ({"smtp_ca_file": None}, "certificate is not trusted"),
        ({"smtp_host": "127.0.0.1"}, "certificate is not trusted"),
        ({"smtp_security": "none", "smtp_user": None, "smtp_password": None}, "refused the sender (530)"),
    ],
)
def test_what_is_set_up_wrong_is_tried_again_and_says_why(tmp_path: Path, authority: Authority, others: dict[str, Any], said: str) -> None:
    """Wrong password, a strange certificate, one of another name, no TLS where it is asked for: nothing is sent or given away."""
    with mail_server(authority) as server, notify(settings(tmp_path, server.port, authority, **others)) as service:
        tell(service, "e1")
        service.delivering.deliver_one()
        found = last(service)

    assert server.taken == []
    assert (found["state"], said in found["last_error"]) == ("waiting", True), found["last_error"]
    assert PASSWORD not in str(found)


@pytest.mark.parametrize(
    ("at", "answer", "state"),
    [
        ("at_recipient", "550 no such user", "failed"),
        ("at_recipient", "451 come back", "waiting"),
        ("at_recipient", "421 closing", "waiting"),
        ("at_data", "554 not this", "failed"),
        ("at_data", "452 full", "waiting"),
    ],
)
def test_a_refusal_counts_by_its_first_digit(tmp_path: Path, authority: Authority, at: str, answer: str, state: str) -> None:
    """5 is for good; 4 is tried again, and then goes through."""
    with mail_server(authority) as server, notify(settings(tmp_path, server.port, authority)) as service:
        getattr(server, at).append(answer)
        tell(service, "e1")
        service.delivering.deliver_one()
        found = last(service)
        service.delivering.clock.pass_seconds(30)
        service.delivering.deliver_one()

    assert (found["state"], found["last_status"]) == (state, int(answer[:3]))
    assert len(server.taken) == (state == "waiting")


def test_a_connection_that_drops_at_the_end_of_a_mail_makes_no_second_id(tmp_path: Path, authority: Authority) -> None:
    """Nobody knows whether it was taken: the same mail comes again, and a receiver knows it by its Message-ID."""
    with mail_server(authority) as server, notify(settings(tmp_path, server.port, authority)) as service:
        server.at_data.append("drop")
        tell(service, "e1")
        service.delivering.deliver_one()
        tell(service, "e2")
        while service.delivering.deliver_one():
            pass

    assert server.dropped[0].as_bytes() == server.taken[0].as_bytes()
    assert len({mail["Message-ID"] for mail in server.taken}) == len(server.taken) == 2


@pytest.mark.parametrize("greeting", [b"", b"2"])
def test_a_server_that_hangs_or_drips_is_cut_off(tmp_path: Path, authority: Authority, greeting: bytes) -> None:
    """It costs as long as the limit says, and no more."""
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as listening, contextlib.ExitStack() as held:
        end = threading.Event()

        def drip() -> None:
            connection = held.enter_context(listening.accept()[0])
            while not end.wait(0.1):
                with contextlib.suppress(OSError):
                    connection.sendall(greeting)

        thread = threading.Thread(target=drip)
        thread.start()
        others = {"smtp_host": "127.0.0.1", "smtp_total_seconds": 0.5}
        with notify(settings(tmp_path, listening.getsockname()[1], authority, **others)) as service:
            tell(service, "e1")
            service.delivering.deliver_one()
            found = last(service)
        end.set()
        thread.join()

    assert (found["state"], found["last_error"]) == ("waiting", "the mail server did not finish within 0.5 s")


@contextmanager
def rooms(authority: Authority) -> Iterator[tuple[Receiver, Receiver]]:
    """Two rooms of a chat, or of two: stand-ins with TLS."""
    issued = authority.issue("127.0.0.1")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(issued.certificate, issued.key)
    with receiver(tls=tls) as one, receiver(tls=tls) as other:
        yield one, other


def odst(instance: Instance, *words: str) -> Result:
    """What became of the command."""
    return CliRunner(env={"ODST_URL": instance.url, "ODST_TOKEN": instance.token}).invoke(main, [*words, "--json"])


def done(instance: Instance, *words: str) -> Any:
    """What it prints, as JSON; it must end well."""
    result = odst(instance, *words)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.mark.mesh
def test_a_running_instance_tells_mailboxes_and_rooms_by_the_command(
    tmp_path: Path, authority: Authority, make_instance: Callable[..., Instance]
) -> None:
    """A test message in each kind of channel, another URL for a room, and nothing more to the one before; a URL is never shown."""
    with mail_server(authority) as server, rooms(authority) as (one, other):
        chosen = variables(server, authority) | COLLECTING | {"ODST_WEBHOOK_CA_FILE": str(authority.file)}
        berlin = make_instance("Berlin", settings=chosen).start().wait_ready()
        for name, room in (("one", one), ("other", other)):
            (tmp_path / name).write_text(f"{room.url}\n", "utf-8")
        first, second = str(tmp_path / "one"), str(tmp_path / "other")
        ways = {"slack": ("--slack", first), "teams": ("--teams", first), "email": ("--email", "ada@example.org")}
        made = {kind: done(berlin, "subscribe", *way, "--events", "peer.*")["subscription_id"] for kind, way in ways.items()}
        tried = {kind: done(berlin, "subscriptions", "test", made[kind])["delivered"] for kind in made}
        changed = [done(berlin, "subscriptions", "change", made[kind], f"--{kind}", second) for kind in ("slack", "teams")]
        other.replies.append((404, {}))
        refused = odst(berlin, "subscriptions", "test", made["slack"])
        done(berlin, "subscriptions", "test", made["teams"])
        wrong = odst(berlin, "subscriptions", "change", made["slack"], "--teams", second)

    assert tried == dict.fromkeys(ways, True)
    assert [set(json.loads(body)) for *_, body in one.requests + other.requests] == [
        {"text", "blocks"},
        {"type", "attachments"},
        {"text", "blocks"},
        {"type", "attachments"},
    ]
    assert "Berlin" in str(server.taken[0]["Subject"])
    assert all("hook?x=1" not in json.dumps(shown) for shown in changed)
    assert (refused.exit_code, "NOT_DELIVERED: the chat answered 404" in refused.output) == (1, True)
    assert (wrong.exit_code, "CHANNEL_KIND_FIXED" in wrong.output) == (1, True)


@pytest.mark.mesh
def test_a_running_instance_mails_a_burst_once_and_has_templates_for_chats(
    authority: Authority, make_instance: Callable[..., Instance]
) -> None:
    """Under green threads, by STARTTLS and a login: a test at once; two uploads are one mail, also if the first try of it breaks off."""
    with mail_server(authority) as server:
        berlin = make_instance("Berlin", settings=variables(server, authority) | COLLECTING).start().wait_ready()
        channel = {"kind": "email", "settings": {"to": "ada@example.org"}}
        made = berlin.api("POST", "/subscriptions", json={"channel": channel, "events": ["package.*"]}, expect=201).json()
        tried = berlin.api("POST", f"/subscriptions/{made['subscription_id']}/test").json()
        server.at_data.append("drop")
        for name in ("One.pkg", "Two.pkg"):
            berlin.uploaded(berlin.upload(name, name.encode()))
        wait_for(lambda: len(server.taken) == 2, "the mail came, after the test")
        asked = {"event_type": "package.published.v1", "source": "New: {{ data.name }}"}
        preview = berlin.api("POST", "/templates/slack/preview", json=asked).json()

    assert tried["delivered"], tried
    assert server.dropped[0].as_bytes() == server.taken[1].as_bytes()
    assert str(server.taken[1]["Subject"]).endswith(".pkg can be downloaded, and 1 more")
    assert preview["payload"]["blocks"][0]["text"]["text"] == "New: Firefox-128.0.pkg"
