"""Promises M5, M6, M7 and M9: what happens to messages."""

from __future__ import annotations

import hashlib
import json
import pickle
import sqlite3
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pika
import pytest

from shared.contracts.events import Envelope, PackageWantedV1
from shared.runtime.bus import topology
from shared.testing.chaos_proxy import ChaosProxy
from shared.testing.instance import SEPARATE, Instance, random_file
from shared.testing.waiting import wait_for

_MIB = 1 << 20


@pytest.fixture
def channel(amqp_uri: str) -> Iterator[Any]:
    """A channel to the broker of one's own instance."""
    connection = pika.BlockingConnection(pika.URLParameters(amqp_uri))
    yield connection.channel()
    connection.close()


@pytest.fixture
def lone(amqp_uri: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Instance]:
    """One ready instance on the broker of `channel`."""
    programs = getattr(request, "param", ("services",))
    instance = Instance("L", tmp_path / "L", amqp_uri, programs=programs, settings={"ODST_RPC_TIMEOUT_SECONDS": "2"})
    try:
        yield instance.start().wait_ready()
    finally:
        instance.close()


_JUNK: tuple[tuple[str, bytes, dict[str, Any]], ...] = (
    ("bad JSON", b"{not json", {"content_type": "application/json"}),
    ("pickle", pickle.dumps({"a": 1}), {"content_type": "application/x-python-serialize"}),
    ("wrong content type", b"<xml/>", {"content_type": "text/xml"}),
    ("no content type", b"{}", {}),
    ("bad header", b"{}", {"content_type": "application/json", "headers": {"nameko.call_id_stack": "no list"}}),
    ("10 MB body", b"[" + b"1," * (5 * _MIB) + b"1]", {"content_type": "application/json"}),
    ("deep JSON", b"[" * 100_000, {"content_type": "application/json"}),
    ("no envelope", b'{"args": [], "kwargs": {}}', {"content_type": "application/json"}),
)


_QUEUES_OF_EACH = 2


def _letters(instance: Instance) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = instance.api("GET", "/dead-letters?limit=1000").json()["items"]
    return items


def _some_of_each_service(queues: list[str]) -> list[str]:
    """They all have the same way to deal with junk, and some services have twenty queues."""
    by_service: dict[str, list[str]] = {}
    for queue in queues:
        by_service.setdefault(queue.split(".")[1], []).append(queue)
    return [queue for found in by_service.values() for queue in found[:_QUEUES_OF_EACH]]


@pytest.mark.promise("M5")
def test_m5_junk_ends_among_the_dead_letters(lone: Instance, channel: Any) -> None:
    """M5: bad JSON, pickle, wrong content type, bad header, 10 MB body on queues of every service: the same process afterwards, each
    message among the dead letters with a reason, and the other queues answer meanwhile."""
    pid = lone.processes["services"].pid
    queues = _some_of_each_service([queue.name for queue in topology.all_event_queues() if "dead_lettered" not in queue.name])
    rpc = [f"rpc-{service}" for service in ("storage", "replication", "directory", "notify", "hashing")]
    big = {*rpc, *{queue.split(".")[1]: queue for queue in queues}.values()}  # 10 MB for one of each service
    junk = {queue: [one for one in _JUNK if queue in big or len(one[1]) < _MIB] for queue in (*queues, *rpc)}
    for queue, messages in junk.items():
        for _, body, properties in messages:
            channel.basic_publish("", queue, body, pika.BasicProperties(**properties))
    expected = sum(len(junk[queue]) for queue in queues)
    wait_for(lambda: lone.api("GET", "/packages", expect=None).ok, "the other queues answer meanwhile", deadline_seconds=30)
    letters = wait_for(lambda: (found := _letters(lone)) and len(found) >= expected and found, "all junk is put aside")
    assert lone.processes["services"].poll() is None
    assert lone.processes["services"].pid == pid
    assert {letter["queue"] for letter in letters} == set(queues)
    assert all(letter["code"] == "MESSAGE_MALFORMED" and letter["reason"] for letter in letters)
    lone.uploaded(lone.upload("after.pkg", b"still works"))


@pytest.mark.promise("M6")
@pytest.mark.parametrize("lone", [SEPARATE], indirect=True)
def test_m6_a_handler_that_always_fails_gives_up_spaced_and_aloud(lone: Instance, channel: Any) -> None:
    """M6: a bounded number of tries, spaced, then a dead letter and an alert; the queue is not blocked meanwhile.

    Replayed, it is tried again.
    """
    lone.stop("services.storage")
    queue = topology.event_queue("replication", PackageWantedV1.type).name
    _make_a_source(lone)
    lone.api("POST", "/subscriptions", json={"url": "http://127.0.0.1:9/", "events": ["message.*"]}, expect=201)
    for number in range(2):
        event = PackageWantedV1(package_id=str(uuid.uuid5(uuid.NAMESPACE_URL, str(number))), name="x.pkg", size=1)
        channel.basic_publish(
            "",
            queue,
            Envelope.around(event, f"correlation-{number}").model_dump_json().encode(),
            pika.BasicProperties(content_type="application/json"),
        )

    letters = wait_for(lambda: (found := _letters(lone)) and len(found) == 2 and found, "both gave up", deadline_seconds=60)
    retries = lone.log_events("services.replication", "message_retried_later")
    assert {letter["code"] for letter in letters} <= {"SERVICE_TIMEOUT", "SERVICE_UNAVAILABLE", "ANSWER_LOST"}
    assert all(letter["attempts"] == 4 for letter in letters)
    assert sorted(line["delay_seconds"] for line in retries) == [0.2, 0.2, 0.5, 0.5, 1, 1]
    wait_for(lambda: lone.api("GET", "/status").json()["dead_letters"] == 2, "status tells")
    wait_for(lambda: len(_alerts(lone)) == 2, "subscribers are alerted")
    lone.start("services.storage")
    lone.wait_ready()
    assert lone.api("POST", "/dead-letters/replay", json={}).json() == {"replayed": 2}
    wait_for(lambda: not _letters(lone), "replayed, and done: nothing wants these packages")


def _alerts(instance: Instance) -> list[dict[str, Any]]:
    deliveries = instance.api("GET", "/deliveries").json()["items"]
    return [delivery for delivery in deliveries if delivery["event_type"] == "message.dead_lettered.v1"]


def _make_a_source(instance: Instance) -> None:
    """Let replication believe that a peer has the packages of `test_m6`."""
    with sqlite3.connect(instance.data / "databases" / "replication.sqlite3", timeout=10) as database:
        database.execute(
            "INSERT INTO peers (peer_id, public_key, name, url, registered, state, cursor, strikes, next_poll) VALUES (?,?,?,?,?,?,?,?,?)",
            (
                "P" * 52,
                b"0" * 32,
                "ghost",
                "http://127.0.0.1:9",
                "2026-01-01T00:00:00.000000Z",
                "active",
                0,
                0,
                "2099-01-01T00:00:00.000000Z",
            ),
        )
        for number in range(2):
            database.execute(
                "INSERT INTO sources (package_id, peer_id, has_bytes) VALUES (?, ?, 1)",
                (str(uuid.uuid5(uuid.NAMESPACE_URL, str(number))), "P" * 52),
            )


@pytest.mark.promise("M7")
def test_m7_purged_queues_cost_time_only(make_instance: Callable[..., Instance]) -> None:
    """M7: all queues are purged again and again while packages are uploaded; everything is published everywhere all the same."""
    a, b = make_instance("A"), make_instance("B")
    for instance in (a, b):
        instance.start()
    for instance in (a, b):
        instance.wait_ready()
    b.join(a)
    connections = [pika.BlockingConnection(pika.URLParameters(instance.settings["ODST_AMQP_URI"])) for instance in (a, b)]
    channels = [connection.channel() for connection in connections]
    names = [queue.name for queue in topology.all_event_queues()]
    contents = {f"purged-{number}.pkg": bytes([number]) * (_MIB + number) for number in range(6)}
    uploads = []
    for name, data in contents.items():
        uploads.append(a.upload(name, data))
        for channel in channels:
            for queue in names:
                channel.queue_purge(queue)
    for connection in connections:
        connection.close()
    for upload in uploads:
        a.uploaded(upload, deadline_seconds=60)
    for name, data in contents.items():
        b.published(name, hashlib.sha256(data).hexdigest(), deadline_seconds=60)


@pytest.mark.promise("M9")
def test_m9_sigterm_under_load_stops_cleanly(make_instance: Callable[..., Instance], tmp_path: Path) -> None:
    """M9: SIGTERM in the middle of a transfer: every service exits 0 within a slice and 10 s, and the next start goes on."""
    a = make_instance("A")
    with ChaosProxy(a.port, bytes_per_second=16 * _MIB) as link:
        a.settings["ODST_PUBLIC_URL"] = link.url
        b = make_instance("B", programs=SEPARATE)
        a.start()
        b.start()
        a.wait_ready()
        b.wait_ready()
        b.join(a)
        sha256 = random_file(tmp_path / "big.pkg", 96 * _MIB, seed=9)
        with (tmp_path / "big.pkg").open("rb") as file:
            a.uploaded(a.upload("big.pkg", file))
        wait_for(lambda: link.bytes_from_target > 20 * _MIB, "the transfer is under way")

        assert set(b.stop(deadline_seconds=15).values()) == {0}
        assert set(a.stop(deadline_seconds=15).values()) == {0}
        link.bytes_per_second = None
        a.start()
        b.start()
        b.published("big.pkg", sha256, deadline_seconds=90)
        assert json.loads((a.data / "secrets" / "first-admin.json").read_text())["user"] == "admin"
