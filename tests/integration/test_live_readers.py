"""A hundred readers of live events, ten of which do not read: nobody else is slowed, and the API answers all the while."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pika
import pytest
import requests

from shared.contracts.catalogue import example_of
from shared.runtime.broker import PrivateBroker
from shared.testing.instance import Instance, resident_bytes
from shared.testing.waiting import wait_for

LONG = os.environ.get("ODST_CHAOS") == "long"
PORTIONS = 120 if LONG else 14
"""Of events, each after all who read have the one before."""
PORTION, KEPT = 100, 500
READERS, IDLE = 100, 10
TYPE = "test.happened.v1"
"""Nobody handles it, so it costs nobody else anything."""
MOST_MORE_BYTES = 64 << 20
DEADLINE_SECONDS = 120


class Reader:
    """A raw connection that follows."""

    def __init__(self, instance: Instance) -> None:
        """With a small buffer of its own, so that not reading is noticed soon."""
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        self.socket.connect(("127.0.0.1", instance.port))
        request = f"GET /api/v1/events HTTP/1.0\r\nHost: x\r\nAuthorization: Bearer {instance.token}\r\n\r\n"
        self.socket.sendall(request.encode())
        self.begun, self.ended = False, b""
        self.numbers: list[int] = []
        """Of the events that came, in order."""

    def read(self) -> None:
        """Until it ends."""
        rest = b""
        with contextlib.suppress(OSError):
            while block := self.socket.recv(1 << 16):
                *lines, rest = (rest + block).split(b"\n")
                self._take(lines)

    def _take(self, lines: list[bytes]) -> None:
        for line in lines:
            self.begun = self.begun or line.startswith(b"retry: ")
            self.numbers += map(int, re.findall(rb'^data: .*"number":(\d+)', line))
            self.ended += line if b"events.ended" in line else b""


@pytest.fixture
def instance(amqp_uri: str, tmp_path: Path) -> Iterator[Instance]:
    """A whole instance with a short ring."""
    made = Instance("A", tmp_path / "A", amqp_uri, settings={"ODST_EVENTS_KEPT": str(KEPT)})
    with contextlib.closing(made.start()):
        yield made.wait_ready()


@pytest.fixture
def channel(amqp_uri: str, broker: PrivateBroker) -> Iterator[Any]:
    """A channel on which events can be said."""
    assert broker
    with contextlib.closing(pika.BlockingConnection(pika.URLParameters(amqp_uri))) as connection:
        yield connection.channel()


def say(channel: Any, number: int) -> None:
    """One event of 2 KB."""
    envelope = example_of("peer.changed.v1") | {"id": str(uuid.uuid4()), "type": TYPE, "data": {"number": number, "x": "y" * 2000}}
    channel.basic_publish("storage.events", TYPE, json.dumps(envelope).encode(), pika.BasicProperties(content_type="application/json"))


class Calls:
    """Somebody who uses the API meanwhile."""

    def __init__(self, instance: Instance) -> None:
        """Begins at once."""
        self.statuses: list[int] = []
        self._instance, self._ended = instance, threading.Event()
        self._thread = threading.Thread(target=self._call)
        self._thread.start()

    def _call(self) -> None:
        while not self._ended.is_set():
            self.statuses.append(self._instance.api("GET", "/packages", expect=None, timeout=20).status_code)

    def end(self) -> set[int]:
        """What was answered."""
        self._ended.set()
        self._thread.join()
        return set(self.statuses)


@pytest.mark.slow
@pytest.mark.timeout(1200 if LONG else 300)
def test_a_hundred_readers_ten_of_which_do_not_read(instance: Instance, channel: Any) -> None:
    """Who reads has everything in order; who does not is told and cut; memory has a bound, and every call of the API is answered."""
    worker = wait_for(lambda: _worker(instance), "the gateway's worker")
    before = resident_bytes(worker)
    readers = [Reader(instance) for _ in range(READERS)]
    reading, idle = readers[IDLE:], readers[:IDLE]
    threads = [threading.Thread(target=one.read, daemon=True) for one in reading]
    for thread in threads:
        thread.start()
    wait_for(lambda: all(one.begun for one in reading), "all streams have begun", deadline_seconds=DEADLINE_SECONDS)
    calls = Calls(instance)
    for portion in range(PORTIONS):
        for number in range(PORTION):
            say(channel, portion * PORTION + number)
        told = (portion + 1) * PORTION
        wait_for(lambda told=told: all(len(one.numbers) >= told for one in reading), f"all have {told}", deadline_seconds=DEADLINE_SECONDS)
    after = resident_bytes(worker)
    statuses = calls.end()
    cut = wait_for(lambda: instance.log_events("services.api_gateway", "live_reader_cut"), "somebody was cut")
    for one in idle:
        one.read()

    everything = list(range(PORTIONS * PORTION))
    assert all(one.numbers == everything for one in reading)
    assert not any(one.ended for one in reading)
    assert all(one.numbers == everything[: len(one.numbers)] != everything for one in idle)
    assert {one["reason"] for one in cut} == {"READER_TOO_SLOW"}
    assert statuses == {requests.codes.ok}
    assert len(calls.statuses) > PORTIONS
    assert after - before < MOST_MORE_BYTES


def _worker(instance: Instance) -> int | None:
    pid = instance.processes["services.api_gateway"].pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(children[0]) if children else None
