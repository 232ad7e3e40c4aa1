"""A notify that is killed between any two steps, a broker that is killed, a database that breaks its connections: nothing is lost,
and nothing gets another id."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from services.notify.adapters import claims, deliveries
from services.notify.adapters.channels.webhook import WebhookSender
from services.notify.adapters.deliveries import DatabaseDeliveries
from shared.core.errors import DatabaseAway
from shared.runtime.broker import PrivateBroker
from shared.runtime.database import Database
from shared.testing.instance import Instance
from shared.testing.postgres import PrivatePostgres
from shared.testing.waiting import wait_for
from tests.chaos.lone_notify import IMPATIENT, NOTIFY, Lone, UnderWay, kept_in, under_way
from tests.contract.port_databases import KINDS, migrated
from tests.integration.notify_receivers import receiver
from tests.unit.notify.notify_fakes import Desk

LONG = os.environ.get("ODST_CHAOS") == "long"
ONE_LIFE = (
    "before-relay",
    "before-told",
    "within-told",
    "after-told",
    "within-claim",
    "after-claim",
    "before-answer",
    "after-sent",
    "within-settled",
    "after-settled",
)
"""From the row in an outbox to the record of the receiver's answer, in the order of a delivery's life."""
OTHER_LIVES = (("before-relay", "after-relay"), ("before-relay", "after-acked"))
"""Who dies there may be further with the delivery by then than the broker knows: so these are for deliveries of their own."""
FEW = ("before-relay", "within-told", "after-sent")
SENT_AGAIN = {"before-answer", "after-sent", "within-settled"}
"""Who dies there has posted, and has no record of it."""
DEATHS = 5 if LONG else 1
LAST_DELAY_SECONDS = 1
"""Of those in `FAST`."""


@pytest.mark.timeout(600 if LONG else 180)
@pytest.mark.parametrize(("kind", "points"), [*itertools.product(KINDS, (ONE_LIFE, *OTHER_LIVES))] if LONG else [("sqlite", FEW)])
def test_notify_may_be_killed_between_any_two_steps(
    make_instance: Callable[..., Instance], new_database: Callable[[str], str], kind: str, points: Sequence[str]
) -> None:
    """An event of notify's own lives through a death at every step, one after the other: it is told once, under the id that it had in the
    outbox; only an answer that was not written down costs a second message, which is the same."""
    lone = Lone(make_instance("N", programs=(NOTIFY,), settings=IMPATIENT | kept_in(new_database, kind)))
    with receiver((410, {})) as gone, receiver() as hook:
        lone.pass_seconds(0)
        lone.live()
        lone.subscribe(gone)
        lone.subscribe(hook, "subscription.*")
        lone.instance.stop(NOTIFY)
        lone.publish()
        lone.die_at(points[0])
        (event_id,) = lone.in_outbox()
        lone.die_at(*points[1:])
        lone.live()
        (told,) = wait_for(lone.delivered, "it is delivered")

    posts = [(headers["webhook-id"], body) for _, headers, body in hook.requests]
    print(f"{kind}: {len(points)} deaths of one delivery, posted {len(posts)} times")
    assert told["event_id"] == event_id
    assert set(posts) == {(f"msg_{event_id}", posts[0][1])}
    assert len(posts) == 1 + len(SENT_AGAIN.intersection(points))
    assert len(gone.requests) == 1
    assert lone.in_outbox() == []
    assert lone.dead_letters() == []


@pytest.mark.timeout(900 if LONG else 180)
def test_the_broker_may_be_killed_while_events_are_under_way(tmp_path: Path) -> None:
    """Events are committed before, while and after it is away: each arrives under the id of its row; no process dies of it."""
    with PrivateBroker(tmp_path / "broker", ["n"]) as broker:
        instance = Instance("N", tmp_path / "N", broker.uri("n"), programs=(NOTIFY,), settings=IMPATIENT)
        with under_way(instance, tmp_path, f"the broker died {DEATHS} times") as way:
            process = instance.processes[NOTIFY]
            for _ in range(DEATHS):
                way.goes_on()
                broker.kill()
                wait_for(lambda: way.events.waiting() > 2, "events wait for the broker")
                broker.start()
                broker.wait_until_ready()
            way.goes_on()

            assert process.poll() is None


@pytest.mark.timeout(900 if LONG else 180)
def test_the_database_may_be_killed_while_deliveries_are_made(make_instance: Callable[..., Instance], tmp_path: Path) -> None:
    """PostgreSQL is away for longer than all tries of a message take: each arrives, and nothing but PostgreSQL was started."""
    with PrivatePostgres() as postgres:
        instance = make_instance("N", programs=(NOTIFY,), settings=IMPATIENT | {"ODST_DATABASE_URL": postgres.new_database()})
        with under_way(instance, tmp_path, f"PostgreSQL died {DEATHS} times") as way:
            process = instance.processes[NOTIFY]
            for number in range(DEATHS):
                way.goes_on()
                (postgres.stop if number % 2 else postgres.kill)()
                one_waits_longer_than_all_tries(way)
                postgres.start()
            way.goes_on()

            assert process.poll() is None


def one_waits_longer_than_all_tries(way: UnderWay) -> None:
    """Until there were more waits of the longest kind than events that may be waiting."""

    def waits() -> int:
        lines = way.lone.instance.log_events(NOTIFY, "message_waits_for_database")
        return sum(line["delay_seconds"] == LAST_DELAY_SECONDS for line in lines)

    before, known = waits(), way.known
    wait_for(lambda: waits() - before > len(way.events.ids) - known, "an event has waited twice for as long as it can")


@pytest.mark.skipif(not LONG, reason="the short version of this is a death at each step: ODST_CHAOS=long")
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", KINDS)
def test_notify_may_be_killed_again_and_again(
    make_instance: Callable[..., Instance], new_database: Callable[[str], str], tmp_path: Path, kind: str
) -> None:
    """Wherever it is while events come and go."""
    instance = make_instance("N", programs=(NOTIFY,), settings=IMPATIENT | kept_in(new_database, kind))
    with under_way(instance, tmp_path, f"{kind}: notify died {2 * DEATHS} times") as way:
        for _ in range(2 * DEATHS):
            way.goes_on()
            instance.kill(NOTIFY)
            instance.start(NOTIFY)


STEPS = (
    (DatabaseDeliveries, "make"),
    (deliveries, "_insert"),
    (claims, "taken"),
    (DatabaseDeliveries, "claim"),
    (WebhookSender, "send"),
    (claims, "give_back"),
    (DatabaseDeliveries, "settle"),
)
"""Those of a delivery, which are a transaction, the last within it, or between two of them."""


@pytest.mark.parametrize(("owner", "name"), STEPS)
def test_the_database_may_break_every_connection_between_any_two_steps(
    tmp_path: Path, new_database: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, owner: object, name: str
) -> None:
    """PostgreSQL ends all connections at the end of a step, before its commit or after it: told once, and tried again with the same id."""
    url = new_database("postgresql")
    step = getattr(owner, name)
    breaks = iter([True])

    def step_and_break(*arguments: Any) -> Any:
        result = step(*arguments)
        if result and next(breaks, False):
            _break(url)
        return result

    with migrated("notify", url) as database:
        desk = Desk(tmp_path, database)
        desk.add()
        monkeypatch.setattr(owner, name, step_and_break)
        _until_it_is_done(desk.tell)
        _until_it_is_done(desk.deliver_all)
        desk.clock.pass_seconds(61)
        _until_it_is_done(desk.deliver_all)

        assert not next(breaks, False), "it did not break"
        assert [one.state.value for one in desk.newest()] == ["delivered"]
        assert {(headers["webhook-id"], body) for _, body, headers in desk.web.posted} == {("msg_e1", desk.web.posted[0][1])}
        assert len(desk.web.posted) == (2 if name == "give_back" else 1)


@pytest.mark.parametrize("number", range(3))
def test_a_commit_whose_answer_is_lost_is_no_second_delivery(
    tmp_path: Path, new_database: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """The database took what it was told, and nobody heard of it: of making, claiming and recording a delivery."""
    commits = itertools.count()
    end = Database._end

    def end_and_lose(self: Database, connection: Any, how: str) -> None:
        end(self, connection, how)
        if how == "COMMIT" and next(commits) == number:
            raise DatabaseAway

    with migrated("notify", new_database("postgresql")) as database:
        desk = Desk(tmp_path, database)
        desk.add()
        monkeypatch.setattr(Database, "_end", end_and_lose)
        _until_it_is_done(desk.tell)
        _until_it_is_done(desk.deliver_all)
        desk.clock.pass_seconds(61)
        _until_it_is_done(desk.deliver_all)

        assert next(commits) > number
        assert [one.state.value for one in desk.newest()] == ["delivered"]
        assert [headers["webhook-id"] for _, _, headers in desk.web.posted] == ["msg_e1"]


def _break(url: str) -> None:
    """End everybody else's connections."""
    engine = create_engine(url)
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    with engine.connect() as connection:
        connection.execute(text(others))
    engine.dispose()


def _until_it_is_done(step: Callable[[], object]) -> None:
    """Again while the database is away, as bus and loops do."""
    for _ in range(5):
        with contextlib.suppress(DatabaseAway):
            step()
            return
    raise AssertionError("the database is away too often")
