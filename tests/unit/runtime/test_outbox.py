"""Claims about the outbox: relayed in order, and kept until the broker has it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import MetaData

from shared.contracts.events import Event, PeerRegisteredV1
from shared.core.errors import Conflict, ServiceUnavailable
from shared.runtime.bus.publisher import Publisher
from shared.runtime.database import Database
from shared.runtime.logging import bound
from shared.runtime.outbox import Outbox, outbox_table


@dataclass
class FakePublisher:
    """A broker that takes so many messages."""

    takes: int = 1000
    taken: list[dict[str, Any]] = field(default_factory=list)
    sent: list[dict[str, Any]] = field(default_factory=list)

    def publish(self, body: bytes, **properties: Any) -> None:
        """Take it, or refuse."""
        if len(self.taken) >= self.takes:
            raise ServiceUnavailable("the broker is away")
        self.taken.append(json.loads(body))
        self.sent.append(properties)


@dataclass
class Bench:
    """An outbox in a database of its own."""

    database: Database
    outbox: Outbox
    broker: FakePublisher

    def add(self, *events: Event) -> None:
        """Commit events."""
        with self.database.write() as connection:
            self.outbox.add(connection, *events)
        self.outbox.ring()

    @property
    def names(self) -> list[str]:
        """What the broker has, in order."""
        return [message["data"]["name"] for message in self.broker.taken]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """An empty outbox."""
    database, metadata, broker = Database(f"sqlite:///{tmp_path}/outbox.sqlite3"), MetaData(), FakePublisher()
    table = outbox_table(metadata)
    metadata.create_all(database.engine)
    yield Bench(database, Outbox(database, table, cast("Publisher", broker)), broker)
    database.close()


def fact(name: object) -> PeerRegisteredV1:
    """Some event."""
    return PeerRegisteredV1(peer_id="A" * 52, name=str(name))


def test_events_are_relayed_in_the_order_of_their_commits(bench: Bench) -> None:
    """More than fit one batch."""
    for number in range(0, 250, 50):
        bench.add(*(fact(number + offset) for offset in range(50)))

    assert bench.outbox.relay() == 250

    assert bench.names == [str(number) for number in range(250)]
    assert bench.outbox.waiting() == 0


def test_what_the_broker_does_not_take_stays(bench: Bench) -> None:
    """In order, and goes with the next relay: committed means said, sooner or later."""
    bench.add(fact(1), fact(2), fact(3))
    bench.broker.takes = 1
    assert bench.outbox.relay() == 1
    assert bench.outbox.waiting() == 2

    bench.broker.takes = 1000
    assert bench.outbox.relay() == 2

    assert bench.names == ["1", "2", "3"]


def test_what_is_rolled_back_is_never_said(bench: Bench) -> None:
    """The fact and its announcement are one."""
    with pytest.raises(Conflict), bench.database.write() as connection:
        bench.outbox.add(connection, fact("never"))
        raise Conflict

    assert bench.outbox.relay() == 0
    assert bench.names == []


def test_an_event_goes_where_its_source_dispatches_with_its_correlation_id(bench: Bench) -> None:
    """Exchange, routing key and header; mandatory, as somebody handles it; persistent by the publisher."""
    with bound(correlation_id="of-the-request"):
        bench.add(fact(1))

    bench.outbox.relay()

    (sent,) = bench.broker.sent
    assert (sent["exchange"], sent["routing_key"], sent["mandatory"]) == ("replication.events", "peer.registered.v1", True)
    assert sent["headers"] == {"nameko.correlation_id": "of-the-request"}
    assert sent["message_id"] == bench.broker.taken[0]["id"]


def test_a_relay_that_dies_after_publishing_says_it_again(bench: Bench) -> None:
    """With the same id, by which receivers know it."""
    bench.add(fact(1))
    real_publish = bench.broker.publish

    def publish_and_die(body: bytes, **properties: Any) -> None:
        real_publish(body, **properties)
        raise KeyboardInterrupt

    bench.broker.publish = publish_and_die  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        bench.outbox.relay()
    bench.broker.publish = real_publish  # type: ignore[method-assign]
    bench.outbox.relay()

    assert len({message["id"] for message in bench.broker.taken}) == 1
    assert len(bench.broker.taken) == 2
