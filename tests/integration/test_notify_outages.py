"""Claims about receivers that are down for hours and for days, by a clock that is told; on both databases, every message verified."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest
from standardwebhooks import Webhook, webhooks

from services.notify.domain.deliveries import DeliveryState
from services.notify.domain.judging import LONGEST_REST_SECONDS
from services.notify.domain.subscriptions import Reason, SubscriptionState
from services.notify.ports import WebAnswer
from shared.contracts.events import SubscriptionDisabledV1
from shared.testing.fakes.clock import NOON, FakeClock
from tests.contract.port_databases import KINDS, migrated
from tests.unit.notify.notify_fakes import SECRET, Desk, an_id

HOUR = 3600
_SCHEDULE = [5, 300, 1800, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR]


@dataclass
class Receiver:
    """Is down for a time, and verifies whatever comes, by the same clock."""

    clock: FakeClock = field(default_factory=FakeClock)
    down: dt.timedelta = dt.timedelta(0)
    came: list[tuple[float, str, bytes]] = field(default_factory=list)
    """Seconds since the start, id, body."""

    def check(self, url: str) -> None:
        """Anything goes."""

    def post(self, _url: str, body: bytes, headers: Mapping[str, str]) -> WebAnswer:
        """Take a message; 503 while it is down."""
        Webhook(SECRET).verify(body, dict(headers))
        self.came.append(((self.clock() - NOON).total_seconds(), headers["webhook-id"], body))
        return WebAnswer(200 if self.clock() - NOON >= self.down else 503)

    def waits(self, webhook_id: str) -> list[float]:
        """Seconds between the tries of a message."""
        times = [seconds for seconds, name, _ in self.came if name == webhook_id]
        return [second - first for first, second in pairwise(times)]


@pytest.fixture(params=KINDS)
def desk(
    request: pytest.FixtureRequest, tmp_path: Path, new_database: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Desk]:
    """A service on each kind of database, whose clock is the reference library's, too."""
    with migrated("notify", new_database(request.param)) as database:
        receiver = Receiver()
        made = Desk(tmp_path, database, receiver, receiver.clock)

        class Clock(dt.datetime):
            @classmethod
            def now(cls, tz: dt.tzinfo | None = None) -> dt.datetime:  # type: ignore[override]
                return made.clock().astimezone(tz)

        monkeypatch.setattr(webhooks, "datetime", Clock)
        made.add(an_id(7))
        yield made


def is_by_the_schedule(waits: Sequence[float]) -> bool:
    """Each try comes when it is due, or when the rest of the receiver is over, which is never more than five minutes later."""
    return all(0 <= found - due <= LONGEST_REST_SECONDS + 1 for found, due in zip(waits, _SCHEDULE, strict=False))


def let_pass(desk: Desk, until: dt.datetime) -> None:
    """Time goes from one delivery that is due to the next."""
    desk.deliver_all()
    while (following := _next(desk)) and following <= until:
        desk.clock.now = following
        desk.deliver_all()
    desk.clock.now = until


def _next(desk: Desk) -> dt.datetime | None:
    waiting = [one.next_attempt for one in desk.newest() if one.state is DeliveryState.WAITING and one.next_attempt]
    return max(min(waiting), desk.clock() + dt.timedelta(seconds=1)) if waiting else None


def test_a_receiver_that_was_down_for_six_hours_has_everything_in_the_end(desk: Desk) -> None:
    """Each message is tried by the schedule, with one id and one body, and arrives once it is up; nothing is disabled."""
    receiver: Receiver = desk.web
    receiver.down = dt.timedelta(hours=6)
    desk.tell("e1")
    let_pass(desk, NOON + dt.timedelta(hours=1))
    desk.tell("e2")
    let_pass(desk, NOON + dt.timedelta(hours=24))

    assert is_by_the_schedule(receiver.waits("msg_e1"))
    assert len(receiver.waits("msg_e1")) == 5
    assert [one.state for one in desk.newest()] == [DeliveryState.DELIVERED] * 2
    assert len({body for _, name, body in receiver.came if name == "msg_e1"}) == 1
    assert desk.subscriptions.all()[0].state is SubscriptionState.ACTIVE
    assert [json.loads(body)["type"] for _, _, body in receiver.came] == ["package.published.v1"] * len(receiver.came)


def test_a_receiver_that_is_down_for_six_days_is_disabled_after_five(desk: Desk) -> None:
    """A message is given up after ten tries; with news every day, the subscription ends after five days, and its owner can hear of it."""
    receiver: Receiver = desk.web
    receiver.down = dt.timedelta(days=6)
    for day in range(6):
        desk.tell(f"e{day}")
        let_pass(desk, NOON + dt.timedelta(days=day + 1))

    (subscription,) = desk.subscriptions.all()
    (told,) = desk.told()
    assert is_by_the_schedule(receiver.waits("msg_e0"))
    assert len(receiver.waits("msg_e0")) == 9
    assert (subscription.state, subscription.reason) == (SubscriptionState.DISABLED, Reason.RECEIVER_FAILED)
    assert subscription.since is not None
    assert dt.timedelta(days=5) <= subscription.since - NOON < dt.timedelta(days=6)
    assert max(seconds for seconds, _, _ in receiver.came) == (subscription.since - NOON).total_seconds()
    assert isinstance(told, SubscriptionDisabledV1)
    assert (told.reason, told.owner) == ("RECEIVER_FAILED", "admin")
    assert {one.state for one in desk.newest()} == {DeliveryState.FAILED}
