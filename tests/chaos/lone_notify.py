"""A notify that is alone with a broker and its database, to be killed; and a flood of events for it."""

from __future__ import annotations

import contextlib
import datetime as dt
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from sqlalchemy import func, select

from services.notify.adapters.schema import outbox
from services.notify.config import NotifySettings
from shared.contracts.events import Envelope, PeerRevokedV1
from shared.core.errors import ServiceUnavailable
from shared.runtime.bus.dead_letters import DeadLetters
from shared.runtime.bus.dispatcher import publish_event
from shared.runtime.bus.rpc import RpcClient
from shared.runtime.bus.settings import BusSettings
from shared.runtime.database import Database
from shared.runtime.outbox import Outbox
from shared.testing.instance import Instance
from shared.testing.waiting import wait_for
from tests.contract.port_databases import migrated, outbox_table_of
from tests.integration.notify_receivers import Receiver, receiver

NOTIFY = "services.notify"
_LEASE_SECONDS = 5
IMPATIENT = {"ODST_WEBHOOK_LEASE_SECONDS": f"{_LEASE_SECONDS}", "ODST_WEBHOOK_POLL_SECONDS": "0.3", "ODST_WEBHOOK_TOTAL_SECONDS": "3"}
_BETWEEN_EVENTS_SECONDS = 0.2
_MORE = 5


def kept_in(new_database: Callable[[str], str], kind: str) -> dict[str, str]:
    """The settings by which all is kept in a database of this kind."""
    return {"ODST_DATABASE_URL": new_database(kind)} if kind == "postgresql" else {}


class Lone:
    """One notify, and somebody who asks it."""

    def __init__(self, instance: Instance) -> None:
        self.instance, self.uri = instance, instance.settings["ODST_AMQP_URI"]
        self._ahead_seconds = 0.0

    def begin_at(self, hour: int, minute: int) -> None:
        """Call before the first start: it believes that it is the next such time of the day, in UTC."""
        now = dt.datetime.now(dt.UTC)
        then = now.replace(hour=hour, minute=minute) + dt.timedelta(days=1)
        self.pass_seconds((then - now).total_seconds())

    def pass_seconds(self, seconds: float) -> None:
        """It believes that so much time went by, running or not, if its clock was set before its first start."""
        self._ahead_seconds += seconds
        self.instance.shift_clock(self._ahead_seconds)

    def live(self) -> None:
        """From now on no trap is set; until it answers."""
        self.instance.traps.clear()
        self.instance.start(NOTIFY)
        wait_for(lambda: self.ask("figures"), "notify answers", tolerate=(ServiceUnavailable,))

    def die_at(self, *points: str) -> None:
        """Start it once for each point of `shared.testing.crashing`; until it died there, and what it had claimed is free again."""
        for point in points:
            self._die_at(point)
            self.pass_seconds(_LEASE_SECONDS)

    def _die_at(self, point: str) -> None:
        flag = self.instance.crash_once_at(point, NOTIFY)
        self.instance.start(NOTIFY)
        process = self.instance.processes[NOTIFY]
        wait_for(lambda: process.poll() is not None, f"it died {point}")
        assert (process.poll(), flag.exists()) == (-signal.SIGKILL, False), self.instance.log(NOTIFY)[-3000:]

    def ask(self, method: str, **arguments: Any) -> Any:
        """One question, on a connection of its own."""
        client = RpcClient(self.uri)
        try:
            return client.call("notify", method, **arguments)
        finally:
            client.close()

    def subscribe(self, hook: Receiver, events: str = "peer.*") -> None:
        """By webhook."""
        self.ask("subscribe", url=hook.url, events=[events], created_by="admin")

    def publish(self, name: str = "Bonn") -> str:
        """Something happened; the id that its message has."""
        envelope = Envelope.around(a_revocation(name), "correlation")
        publisher = BusSettings(self.uri).publisher("replication")
        publish_event(publisher, envelope)
        publisher.close()
        return f"msg_{envelope.id}"

    def delivered(self) -> list[dict[str, Any]]:
        """The newest that arrived, as it is written down."""
        items: list[dict[str, Any]] = self.ask("list_deliveries", limit=1000, filters={"state": "delivered"})["items"]
        return items

    @property
    def database_url(self) -> str:
        """Of its database."""
        return NotifySettings.load(self.instance.settings).database_url_for("notify")

    def in_outbox(self) -> Sequence[str]:
        """Ids of events that it has committed, and not seen confirmed."""
        with contextlib.closing(Database(self.database_url)) as database, database.read() as connection:
            return connection.execute(select(outbox.c.event_id).order_by(outbox.c.number)).scalars().all()

    def dead_letters(self) -> list[dict[str, Any]]:
        """What its handlers gave up."""
        return DeadLetters(self.uri).list()


def a_revocation(name: str) -> PeerRevokedV1:
    """An event about a peer of this name."""
    return PeerRevokedV1(peer_id="A" * 52, name=name)


@dataclass
class Flood:
    """Events from an outbox as every service has one, relayed by the code of every service, until told to end."""

    uri: str
    database: Database
    ended: threading.Event = field(default_factory=threading.Event)
    ids: list[str] = field(default_factory=list)
    """Of the events that are committed, as their messages must have them."""

    def __post_init__(self) -> None:
        self._table, self._publisher = outbox_table_of("replication"), BusSettings(self.uri, timeout_seconds=3).publisher("replication")
        self._outbox = Outbox(self.database, self._table, self._publisher)
        self._threads = [threading.Thread(target=self._happen), threading.Thread(target=self._relay)]

    def __enter__(self) -> Self:
        """From now on something happens again and again."""
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        """Nothing more happens."""
        self.ended.set()
        for thread in self._threads:
            thread.join()
        self._publisher.close()

    def _happen(self) -> None:
        while not self.ended.wait(_BETWEEN_EVENTS_SECONDS):
            with self.database.write() as connection:
                self._outbox.add(connection, a_revocation(f"Bonn {len(self.ids)}"))
                newest = connection.execute(select(self._table.c.event_id).order_by(self._table.c.number.desc()).limit(1)).scalar_one()
            self.ids.append(f"msg_{newest}")

    def _relay(self) -> None:
        while not self.ended.wait(_BETWEEN_EVENTS_SECONDS):
            self._outbox.relay()

    def relay_the_rest(self) -> None:
        """Until the broker has all that happened."""
        wait_for(lambda: self._outbox.relay() == 0 and not self.waiting(), "the outbox is relayed", deadline_seconds=120)

    def waiting(self) -> int:
        """How many events are in the outbox."""
        with self.database.read() as connection:
            return connection.execute(select(func.count()).select_from(self._table)).scalar_one()


@dataclass
class UnderWay:
    """Events on their way to receivers, by a notify that lives or not."""

    lone: Lone
    events: Flood
    hooks: Sequence[Receiver]

    @property
    def known(self) -> int:
        """How many events have arrived everywhere."""
        return min(len(_ids_of(hook)) for hook in self.hooks)

    def goes_on(self) -> None:
        """Until more have arrived everywhere."""
        before = self.known
        wait_for(lambda: self.known >= before + _MORE, f"each receiver gets {_MORE} more", deadline_seconds=120)

    def ends_well(self) -> str:
        """Each receiver has each message, under the id that its event had in the outbox, with one body; the figures."""
        ids, hooks = set(self.events.ids), self.hooks
        wait_for(lambda: all(_ids_of(hook) == ids for hook in hooks), "everything arrives", deadline_seconds=120)
        figures = wait_for(lambda: (found := self.lone.ask("figures"))["deliveries_waiting"] == 0 and found, "all is written down")
        for hook in hooks:
            assert len({(headers["webhook-id"], body) for _, headers, body in hook.requests}) == len(ids), "a body changed"
        assert figures["deliveries_failed"] == 0
        assert self.lone.dead_letters() == []
        twice = sum(len(hook.requests) for hook in hooks) - len(ids) * len(hooks)
        return f"{len(ids)} events for {len(hooks)} receivers: all arrived, {twice} of them twice"


@contextmanager
def under_way(instance: Instance, folder: Path, what: str) -> Iterator[UnderWay]:
    """Events for two receivers before, while and after something dies inside; then they end well. `what` is for the figures."""
    lone = Lone(instance)
    with contextlib.closing(instance), receiver() as one, receiver() as another, migrated("replication", folder) as database:
        lone.live()
        for hook in (one, another):
            lone.ask("subscribe", url=hook.url, events=["peer.*"], created_by="admin")
        with Flood(lone.uri, database) as events:
            made = UnderWay(lone, events, (one, another))
            yield made
            made.goes_on()
        events.relay_the_rest()
        print(f"{what}: {made.ends_well()}")


def _ids_of(hook: Receiver) -> set[str]:
    return {headers["webhook-id"] for _, headers, _ in list(hook.requests)}
