"""The private RabbitMQ that `odst serve`, `odst demo` and the tests start."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from amqp.exceptions import AccessRefused
from kombu import Connection, Exchange, Queue

from shared.core.errors import InvalidInput, ServiceUnavailable
from shared.runtime import broker_programs
from shared.runtime.broker import PrivateBroker

QUEUE = Queue("kept", Exchange("kept", durable=True), routing_key="kept", queue_arguments={"x-queue-type": "quorum"})


def put(uri: str, body: str) -> None:
    """Publish a persistent message and have it confirmed."""
    with Connection(uri, transport_options={"confirm_publish": True}) as connection:
        connection.Producer().publish(body, exchange=QUEUE.exchange, routing_key="kept", declare=[QUEUE], delivery_mode=2)


def take(uri: str) -> str:
    """The next message of the queue."""
    with Connection(uri) as connection, connection.channel() as channel:
        message = QUEUE(channel).get(no_ack=True)
        assert message is not None, "the queue is empty"
        return str(message.payload)


def processes_of(folder: Path, epmd_port: int) -> list[str]:
    """Command lines of all processes of this machine that belong to the broker in `folder`."""
    listed = (" ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"]))
    return [line for line in listed if str(folder) in line or f"epmd -port {epmd_port}" in line]


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateBroker]:
    """A broker that was started once; tests may stop and start it."""
    with PrivateBroker(tmp_path_factory.mktemp("broker"), vhosts=("a", "b")) as started:
        yield started


def test_each_virtual_host_takes_and_gives_messages(broker: PrivateBroker) -> None:
    """`uri(vhost)` is enough for kombu, and the vhosts do not see one another."""
    put(broker.uri("a"), "for a")
    put(broker.uri("b"), "for b")

    assert (take(broker.uri("a")), take(broker.uri("b"))) == ("for a", "for b")


def test_further_virtual_hosts_are_made_while_it_runs(broker: PrivateBroker) -> None:
    """They take messages at once, and those that were there keep theirs."""
    put(broker.uri("b"), "earlier")

    broker.add_vhosts(["c", "d"])
    put(broker.uri("d"), "for d")

    assert (take(broker.uri("d")), take(broker.uri("b"))) == ("for d", "earlier")
    with pytest.raises(InvalidInput, match="cannot name a virtual host"):
        broker.add_vhosts(["no/slash"])


def test_there_is_no_guest_user(broker: PrivateBroker) -> None:
    """The well-known user with the well-known password is refused."""
    guest = f"amqp://guest:guest@127.0.0.1:{broker.ports.amqp}/a"

    with pytest.raises(AccessRefused), Connection(guest, connect_timeout=5) as connection:
        connection.connect()


def test_secrets_are_for_their_owner_only(broker: PrivateBroker) -> None:
    """Password, cookie and definitions cannot be read by other users of the machine."""
    modes = {name: stat.S_IMODE((broker.folder / name).stat().st_mode) for name in ("password", ".erlang.cookie", "definitions.json")}

    assert modes == {"password": 0o600, ".erlang.cookie": 0o400, "definitions.json": 0o600}
    assert stat.S_IMODE(broker.folder.stat().st_mode) == 0o700


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_restart_keeps_confirmed_messages_and_the_address(broker: PrivateBroker, end: str) -> None:
    """After a clean stop and after a power cut alike, a confirmed message is there, at the same URI."""
    uri = broker.uri("a")
    put(uri, f"before {end}")

    getattr(broker, end)()
    broker.start()
    broker.wait_until_ready()

    assert broker.uri("a") == uri
    assert take(uri) == f"before {end}"


def test_nothing_is_left_behind(broker: PrivateBroker) -> None:
    """After `stop` no process of the broker runs, epmd included; `start` brings it back."""
    broker.start()
    broker.wait_until_ready()
    ports = broker.ports
    assert processes_of(broker.folder, ports.epmd), "the check itself must see a running broker"

    broker.stop()

    assert processes_of(broker.folder, ports.epmd) == []
    assert ports.all_free


def test_a_supervised_broker_is_two_programs_without_secrets(broker: PrivateBroker) -> None:
    """The commands for a process supervisor name the folder, and nothing that must be hidden."""
    programs = broker.programs()

    assert [program.name for program in programs] == ["epmd", "broker"]
    password = (broker.folder / "password").read_text()
    assert not any(password in part for program in programs for part in program.command)


def test_a_hostile_vhost_is_refused(tmp_path: Path) -> None:
    """Names go into files and URIs, so they are plain words."""
    with pytest.raises(InvalidInput):
        PrivateBroker(tmp_path, vhosts=("a/../b",))


def test_a_missing_rabbitmq_is_named_with_its_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without RabbitMQ the error says how to install it."""
    monkeypatch.setattr(broker_programs, "_SERVER_PLACES", ())
    monkeypatch.setenv("PATH", os.fspath(tmp_path))

    with pytest.raises(ServiceUnavailable, match="apt-get install"):
        PrivateBroker(tmp_path).start()
