"""Alarms of a whole instance: who is told, how often, and what monitoring sees of it."""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
import json
import ssl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pika
import pytest
import requests
from click.testing import CliRunner, Result

from cli.main import main
from shared.core.errors import NotFound
from shared.runtime.broker import PrivateBroker
from shared.runtime.bus.rpc import RpcClient
from shared.testing.certificates import Authority, Issued
from shared.testing.event_stream import Follower
from shared.testing.instance import Instance
from shared.testing.sites import audited, wait_audited
from shared.testing.waiting import wait_for
from tests.integration.notify_receivers import Receiver, receiver

LETTER, CERTIFICATE = "dead_letter.waiting", "certificate.expiring"
RAISED, CLEARED = "alarm.raised.v1", "alarm.cleared.v1"
REPEAT_SECONDS = 5
SOON = {
    "ODST_ALARM_SETTLE_SECONDS": "1",
    "ODST_ALARM_REPEAT_SECONDS": str(REPEAT_SECONDS),
    "ODST_CERTIFICATE_LOOK_SECONDS": "1",
    "ODST_DISK_LOW_MIB": "0",
    "ODST_WEBHOOK_POLL_SECONDS": "0.5",
}


class Front:
    """What stands in front of the instance: here only its TLS, with a certificate that can be renewed while it serves."""

    def __init__(self, authority: Authority) -> None:
        self._authority = authority
        self.tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.renew()

    def renew(self, days: float = 30) -> Issued:
        """From now on one is served that ends in so many days."""
        issued = self._authority.issue("127.0.0.1", days=days)
        self.tls.load_cert_chain(issued.certificate, issued.key)
        return issued


@pytest.fixture(scope="module")
def uri(broker: PrivateBroker, vhost_names: Iterator[str]) -> str:
    """A virtual host for the instance of this file."""
    return broker.uri(next(vhost_names))


@pytest.fixture(scope="module")
def front(authority: Authority) -> Front:
    """With a certificate that is good for a month."""
    return Front(authority)


@pytest.fixture(scope="module")
def instance(uri: str, front: Front, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """A whole instance that tells soon and often, behind TLS, with a clock that can be moved."""
    with receiver(tls=front.tls) as door:
        settings = SOON | {"ODST_PUBLIC_URL": f"https://127.0.0.1:{door.port}"}
        made = Instance("A", tmp_path_factory.mktemp("alarms") / "A", uri, settings=settings)
        made.shift_clock(0)
        with contextlib.closing(made.start()):
            made.wait_ready()
            yield made


@dataclass
class Ears:
    """All who are told of one kind: a webhook, and who follows the live events."""

    kind: str
    hook: Receiver
    live: Follower

    def posted(self, event_type: str) -> list[dict[str, Any]]:
        """What the webhook was told, in order."""
        bodies = (json.loads(body) for _, _, body in list(self.hook.requests))
        return [one["data"] for one in bodies if (one["type"], one["data"].get("kind")) == (event_type, self.kind)]

    def seen(self, event_type: str) -> list[dict[str, Any]]:
        """What came live, in order."""
        return [one.data for one in self.live.events if (one.event, one.data.get("kind")) == (event_type, self.kind)]

    def wait(self, event_type: str, number: int = 1) -> None:
        """Until both were told so often."""
        wait_for(lambda: len(self.seen(event_type)) >= number, f"{event_type} of {self.kind} comes live")
        wait_for(lambda: len(self.posted(event_type)) >= number, f"{event_type} of {self.kind} is posted")


@contextlib.contextmanager
def listening(instance: Instance, kind: str) -> Iterator[Ears]:
    """Subscribe to all alarms, in both ways."""
    with receiver() as hook, Follower(instance.url, instance.token, "?types=alarm.*") as live:
        wait_for(lambda: live.got, "the stream begins")
        instance.api("POST", "/subscriptions", json={"url": hook.url, "events": ["alarm.*"]}, expect=201)
        yield Ears(kind, hook, live)


def odst(instance: Instance, *words: str) -> Result:
    """The command, as the first administrator."""
    return CliRunner().invoke(main, words, env={"ODST_URL": instance.url, "ODST_TOKEN": instance.token}, catch_exceptions=False)


def spoil(uri: str) -> None:
    """Put what nobody can read into a queue of storage."""
    with contextlib.closing(pika.BlockingConnection(pika.URLParameters(uri))) as connection:
        connection.channel().basic_publish("", "odst.storage.package.hashed.v1.q1", b"no event")


def gauge(instance: Instance, service: str, kind: str) -> float:
    """What monitoring counts."""
    lines = requests.get(f"{instance.url}/metrics", timeout=60).text.splitlines()
    name = f'odst_alarms{{kind="{kind}",service="{service}"}} '
    return next(float(line.removeprefix(name)) for line in lines if line.startswith(name))


def gaps(times: Sequence[str]) -> list[float]:
    """Seconds between one and the next."""
    moments = [dt.datetime.fromisoformat(time) for time in times]
    return [(later - earlier).total_seconds() for earlier, later in itertools.pairwise(moments)]


def test_a_dead_letter_is_told_once_and_then_sparingly_until_it_is_gone(instance: Instance, uri: str) -> None:
    """Webhook and live events, over a restart of all services; and the command for monitoring agrees all the while."""
    with listening(instance, LETTER) as ears:
        before = odst(instance, "alarms", "--check")
        spoil(uri)
        ears.wait(RAISED)
        during = odst(instance, "alarms", "--check")
        counted = gauge(instance, "notify", LETTER)
        instance.stop("services")
        instance.start().wait_ready()
        ears.wait(RAISED, 3)
        for letter in instance.api("GET", "/dead-letters").json()["items"]:
            odst(instance, "dead-letters", "discard", letter["id"])
        ears.wait(CLEARED)
        after = odst(instance, "alarms", "--check")

    (over,) = ears.seen(CLEARED)
    told = ears.seen(RAISED)
    written = [entry["time"] for entry in reversed(audited(instance, RAISED, kind=LETTER))]
    assert (before.exit_code, during.exit_code, after.exit_code) == (0, 1, 0)
    assert during.stdout.startswith(f"WARNING: {LETTER}: 1 message could not be handled, in odst.dead-letters.c1; the oldest, MESSAGE_")
    assert [one["repeated"] for one in told] == list(range(len(told)))
    assert min(gaps(written)) >= REPEAT_SECONDS
    assert (over["about"], over["since"], over["repeated"]) == (told[0]["about"], told[0]["since"], len(told) - 1)
    assert ears.posted(RAISED) == told
    assert ears.posted(CLEARED) == [over]
    assert (counted, gauge(instance, "notify", LETTER)) == (1, 0)


def test_a_certificate_that_ends_soon_is_critical_until_it_is_renewed(instance: Instance, front: Front) -> None:
    """It is the one that stands in front, as it is served; nothing is restarted."""
    with listening(instance, CERTIFICATE) as ears:
        front.renew(days=1)
        ears.wait(RAISED)
        during = odst(instance, "alarms", "--check")
        front.renew(days=30)
        ears.wait(CLEARED)

    (over,) = ears.posted(CLEARED)
    assert during.exit_code == 2
    assert "CN=127.0.0.1 ends at " in during.stdout
    assert (over["about"], over["service"], over["severity"]) == ("ODST_PUBLIC_URL", "notify", "critical")


def test_a_token_that_ends_soon_is_told_by_directory(instance: Instance) -> None:
    """Twelve days pass, and it has three left; with its revocation the alarm is over."""
    made = instance.api("POST", "/tokens", json={"name": "old", "valid_seconds": 15 * 86400}, expect=201).json()
    requests.get(f"{instance.url}/api/v1/packages", headers={"Authorization": f"Bearer {made['token']}"}, timeout=60).raise_for_status()
    instance.shift_clock(12 * 86400)
    told = wait_audited(instance, RAISED, kind="token.expiring")
    instance.api("DELETE", f"/tokens/{made['token_id']}", expect=204)
    wait_audited(instance, CLEARED, kind="token.expiring")

    assert (told["data"]["about"], told["data"]["service"]) == (made["token_id"], "directory")
    assert made["token"] not in json.dumps(told)


def test_a_service_that_does_not_know_the_question_says_so(instance: Instance, uri: str) -> None:
    """As one does that is older than its alarms: so the gateway can name it among the silent."""
    with contextlib.closing(RpcClient(uri)) as client, pytest.raises(NotFound) as refused:
        client.call("hashing", "list_alarms")

    assert str(refused.value) == "hashing has no RPC method 'list_alarms'"
    assert instance.processes
