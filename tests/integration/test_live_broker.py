"""Live events and the broker: what is heard of it, what is said when it is away, and that hanging listeners cost nobody anything."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pika
import pytest

from services.api_gateway.config import ApiGatewaySettings
from services.api_gateway.live.live import Live, Way
from services.api_gateway.live.wishes import Allowed, Wish
from shared.contracts.catalogue import example_of
from shared.runtime.bus.listening import Ear
from shared.testing.chaos_proxy import ChaosProxy
from shared.testing.event_stream import Got, parse
from shared.testing.waiting import wait_for

ADMIN = {"person": "ada", "role": "administrator", "rights": {"view": None, "audit": None}}
MANY = 700


@pytest.fixture
def channel(amqp_uri: str) -> Iterator[Any]:
    """A channel on which events can be said, with confirms."""
    with contextlib.closing(pika.BlockingConnection(pika.URLParameters(amqp_uri))) as connection:
        made = connection.channel()
        made.exchange_declare("storage.events", "topic", durable=True)
        made.confirm_delivery()
        yield made


@pytest.fixture
def link(amqp_uri: str) -> Iterator[tuple[ChaosProxy, str]]:
    """A link to the broker that can be cut, and the address at its near end."""
    port = urlsplit(amqp_uri).port
    assert port is not None
    with ChaosProxy(port) as proxy:
        yield proxy, amqp_uri.replace(f":{port}/", f":{proxy.port}/")


def say(channel: Any, name: str = "App.pkg") -> None:
    """A package was published."""
    envelope = example_of("package.published.v1") | {"id": str(uuid.uuid4())}
    envelope["data"] = envelope["data"] | {"name": name}
    channel.basic_publish("storage.events", envelope["type"], json.dumps(envelope).encode())


class Known:
    """A credential that always holds."""

    def principal(self, _services: Any, _right: str) -> dict[str, Any]:
        """An administrator."""
        return ADMIN


class Reader:
    """Reads what a `Live` in this process sends."""

    def __init__(self, live: Live) -> None:
        """Sits down and is handed over."""
        ours, self._theirs = socket.socketpair()
        live.seat(Allowed.to(ADMIN), Wish(), None, Known(), Way(ours, chunked=False))
        assert live.hand_over(ours)
        self._text = b""
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while block := self._theirs.recv(1 << 16):
            self._text += block

    def has(self, **wanted: Any) -> list[Got]:
        """Messages that have these values."""
        complete = self._text[: self._text.rfind(b"\n\n") + 2].decode()
        return [one for one in parse(complete) if all(getattr(one, key) == value for key, value in wanted.items())]


def test_a_stream_outlives_the_broker_and_says_what_it_may_have_missed(channel: Any, link: tuple[ChaosProxy, str], tmp_path: Path) -> None:
    """It stays open, says that the broker is away, listens again by itself, and tells the gap; at the end it says that it ends."""
    proxy, uri = link
    live = Live(ApiGatewaySettings(amqp_uri=uri, data=tmp_path), None)  # type: ignore[arg-type]  # no service is asked
    live.start()
    reader = Reader(live)
    wait_for(lambda: say(channel) or reader.has(event="package.published.v1"), "something is heard")
    began = len(reader.has(event="events.lost"))  # it sat down before anything was heard
    proxy.refusing = True
    proxy.cut()
    wait_for(lambda: reader.has(comment="the broker is away: nothing is heard until it is back"), "it is said that the broker is away")
    proxy.refusing = False
    gap = wait_for(lambda: reader.has(event="events.lost")[began:], "the gap is told")
    say(channel, "After.pkg")
    wait_for(lambda: [one for one in reader.has(event="package.published.v1") if one.data["name"] == "After.pkg"], "it listens again")
    live.stop()
    ended = wait_for(lambda: reader.has(event="events.ended"), "the end is told")

    assert gap[-1].data["reason"] == "BROKER_AWAY"
    assert ended[0].data["reason"] == "STOPPING"


class Hanging:
    """A listener that hangs until it is let go."""

    def __init__(self) -> None:
        """It hangs."""
        self.let_go = threading.Event()
        self.is_listening, self.count, self.marks = threading.Event(), 0, 0

    def heard(self, _body: bytes) -> None:
        """As the port has it."""
        self.let_go.wait(60)
        self.count += 1

    def listening(self) -> None:
        """As the port has it."""
        self.is_listening.set()

    def deaf(self, _reason: str) -> None:
        """As the port has it."""

    def missed(self) -> None:
        """As the port has it."""
        self.marks += 1


def test_a_gateway_that_hangs_fills_no_queue_refuses_nobody_and_knows_that_it_missed_some(channel: Any, amqp_uri: str) -> None:
    """What is said goes on being confirmed; the oldest of what waits for the hanging one are dropped, and that leaves a mark."""
    hanging = Hanging()
    ear = Ear(amqp_uri, hanging, most_waiting=10)
    ear.start()
    assert hanging.is_listening.wait(60)
    for _ in range(MANY):
        say(channel)
    hanging.let_go.set()
    wait_for(lambda: hanging.marks, "it is told that some are missing")
    ear.stop()

    assert hanging.count < MANY


def test_nothing_is_missed_by_who_listens(channel: Any, amqp_uri: str) -> None:
    """All of many, without a mark."""
    listener = Hanging()
    listener.let_go.set()
    ear = Ear(amqp_uri, listener)
    ear.start()
    assert listener.is_listening.wait(60)
    for _ in range(MANY):
        say(channel)
    wait_for(lambda: listener.count == MANY, "all are heard")
    ear.stop()

    assert listener.marks == 0
