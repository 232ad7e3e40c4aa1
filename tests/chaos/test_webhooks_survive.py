"""A notify that is killed between any two steps, a broker that is killed, a database that breaks its connections: nothing is lost,
and nothing gets another id."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, text

from services.notify.domain.deliveries import Answer, Claim
from shared.contracts.events import Envelope, PeerRevokedV1
from shared.core.errors import ServiceUnavailable
from shared.runtime.broker import PrivateBroker
from shared.runtime.bus.handles import publish_event
from shared.runtime.bus.rpc import RpcClient
from shared.runtime.bus.settings import BusSettings
from shared.testing.instance import Instance
from shared.testing.waiting import wait_for
from tests.contract.port_databases import migrated
from tests.integration.notify_receivers import Receiver, receiver
from tests.unit.notify.notify_fakes import Desk

NOTIFY = "services.notify"
IMPATIENT = {"ODST_WEBHOOK_LEASE_SECONDS": "5", "ODST_WEBHOOK_POLL_SECONDS": "0.3", "ODST_WEBHOOK_TOTAL_SECONDS": "3"}
FEW, ALL = ("after-claim", "after-sent"), ("after-told", "after-claim", "after-sent", "after-settled")


class Lone:
    """One notify, and somebody who asks it."""

    def __init__(self, instance: Instance) -> None:
        self.instance, self.uri = instance, instance.settings["ODST_AMQP_URI"]

    def start(self) -> None:
        """Until it answers."""
        self.instance.start(NOTIFY)
        wait_for(lambda: self.ask("figures"), "notify answers", tolerate=(ServiceUnavailable,))

    def ask(self, method: str, **arguments: Any) -> Any:
        """One question, on a connection of its own."""
        client = RpcClient(self.uri)
        try:
            return client.call("notify", method, **arguments)
        finally:
            client.close()

    def subscribe(self, hook: Receiver) -> None:
        """To everything about peers."""
        self.ask("subscribe", url=hook.url, events=["peer.*"], created_by="admin")

    def publish(self) -> str:
        """Something happened; the id that its message has."""
        envelope = Envelope.around(PeerRevokedV1(peer_id="A" * 52, name="Bonn"), "correlation")
        publisher = BusSettings(self.uri).publisher("replication")
        publish_event(publisher, envelope)
        publisher.close()
        return f"msg_{envelope.id}"

    def delivered(self) -> list[dict[str, Any]]:
        """What arrived, as it is written down."""
        items: list[dict[str, Any]] = self.ask("list_deliveries", limit=10, filters={"state": "delivered"})["items"]
        return items


def posted(hook: Receiver) -> set[str]:
    """Ids of what came."""
    return {headers["webhook-id"] for _, headers, _ in hook.requests}


def test_notify_may_be_killed_between_any_two_steps(make_instance: Callable[..., Instance], *, long_run: bool) -> None:
    """After its death the next one goes on: the message arrives, once more at most, with the id that it had."""
    lone = Lone(make_instance("N", programs=(NOTIFY,), settings=IMPATIENT))
    with receiver() as hook:
        lone.start()
        lone.subscribe(hook)
        for number, point in enumerate(ALL if long_run else FEW, 1):
            lone.instance.stop(NOTIFY)
            flag = lone.instance.crash_once_at(point, NOTIFY)
            lone.start()
            message, before = lone.publish(), len(hook.requests)
            wait_for(lambda: not flag.exists() and lone.instance.processes[NOTIFY].poll() is not None, f"it died {point}")  # noqa: B023
            lone.start()
            wait_for(lambda: len(lone.delivered()) == number, f"it is delivered, although it died {point}")  # noqa: B023

            assert {headers["webhook-id"] for _, headers, _ in hook.requests[before:]} == {message}
            assert len(hook.requests) - before == (2 if point == "after-sent" else 1)


def test_the_broker_may_be_killed_with_an_event_on_it(tmp_path: Path) -> None:
    """What it confirmed is told when it is back; the process lives on."""
    with PrivateBroker(tmp_path / "broker", ["n"]) as broker, receiver() as hook:
        lone = Lone(Instance("N", tmp_path / "N", broker.uri("n"), programs=(NOTIFY,), settings=IMPATIENT))
        try:
            lone.start()
            lone.subscribe(hook)
            message, process = lone.publish(), lone.instance.processes[NOTIFY]
            broker.kill()
            broker.start()
            broker.wait_until_ready()
            wait_for(lone.delivered, "it is delivered", tolerate=(ServiceUnavailable,), deadline_seconds=60)

            assert process.poll() is None
            assert posted(hook) == {message}
            assert len(lone.delivered()) == 1
        finally:
            lone.instance.close()


def test_the_database_may_break_every_connection_between_any_two_steps(tmp_path: Path, new_database: Callable[[str], str]) -> None:
    """PostgreSQL ends all connections before, between and after the steps of a try: it is tried again with the same id."""
    url = new_database("postgresql")
    with migrated("notify", url) as database:
        desk = Desk(tmp_path, database)
        desk.add()
        desk.tell("e1")
        send = desk.subscribing.senders["webhook"].send

        def break_and_send(claim: Claim) -> Answer:
            answer = send(claim)
            _break(url)
            return answer

        desk.subscribing.senders["webhook"].send = break_and_send  # type: ignore[method-assign]
        for _ in range(3):
            _break(url)
            _tolerantly(desk.delivering.deliver_one)
            desk.clock.pass_seconds(61)
        desk.subscribing.senders["webhook"].send = send  # type: ignore[method-assign]
        _tolerantly(desk.delivering.deliver_one)
        desk.clock.now += dt.timedelta(seconds=61)
        desk.deliver_all()

        assert [one.state.value for one in desk.newest()] == ["delivered"]
        assert {headers["webhook-id"] for _, _, headers in desk.web.posted} == {"msg_e1"}
        assert len({body for _, body, _ in desk.web.posted}) == 1


def _break(url: str) -> None:
    """End everybody else's connections."""
    engine = create_engine(url)
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    with engine.connect() as connection:
        connection.execute(text(others))
    engine.dispose()


def _tolerantly(step: Callable[[], bool]) -> None:
    try:
        step()
    except ServiceUnavailable:
        return
