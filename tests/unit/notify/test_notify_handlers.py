"""Claims about what notify answers and how it delivers."""

from __future__ import annotations

import datetime as dt
import json

import pytest
from standardwebhooks import Webhook

from services.notify.domain.deliveries import Answer
from services.notify.domain.subscriptions import SubscriptionState
from services.notify.handlers import LEASE, Delivering, NotifyHandlers
from shared.contracts.events import PackagePublishedV1, PeerRevokedV1
from shared.contracts.happening import Happening
from shared.core.errors import InvalidInput, NotFound
from shared.testing.fakes.clock import NOON, FakeClock
from tests.unit.notify.notify_fakes import FakeKeeper, FakeWeb, a_delivery, a_subscription

PUBLISHED = PackagePublishedV1(
    package_id="00000000-0000-4000-8000-000000000001", name="Firefox.pkg", size=5, sha256="0" * 64, origin="ORIGIN"
)
REVOKED = PeerRevokedV1(peer_id="PEER", name="Bonn")


class Desk:
    """A notify service with its outside faked."""

    def __init__(self) -> None:
        self.clock, self.keeper, self.web, self.rings = FakeClock(), FakeKeeper(), FakeWeb(), 0
        self.handlers = NotifyHandlers(self.keeper, self.keeper, self.web, self._ring, "Berlin", self.clock)
        self.delivering = Delivering(self.keeper, self.web, self.clock, lambda: 0.0, dt.timedelta(days=30))

    def _ring(self) -> None:
        self.rings += 1

    def tell(self, event_id: str = "e1") -> None:
        """A package was published."""
        self.handlers.tell(PUBLISHED, Happening(event_id, NOON))


@pytest.fixture
def desk() -> Desk:
    """A service to which nobody subscribed."""
    return Desk()


def test_subscribing_shows_the_secret_once(desk: Desk) -> None:
    """The answer has it, the list does not; both have the form of the Admin API."""
    made = desk.handlers.subscribe("https://hooks.example/x", ["package.*"], "admin")
    (listed,) = desk.handlers.list_subscriptions()["items"]

    assert (
        made.keys() - {"secret"}
        == listed.keys()
        == {"subscription_id", "url", "events", "state", "created_by", "created", "secret_readable"}
    )
    assert made["secret"].startswith("whsec_")
    assert (listed["created"], listed["state"], listed["events"]) == ("2026-11-03T12:00:00Z", "active", ["package.*"])
    assert made["secret"] not in repr(desk.keeper)


def test_a_target_inside_is_refused_and_nothing_is_kept(desk: Desk) -> None:
    """The guard is asked before anything is stored."""
    desk.web.forbidden = True

    with pytest.raises(InvalidInput) as caught:
        desk.handlers.subscribe("https://hooks.example/x", ["package.*"], "admin")

    assert caught.value.code == "WEBHOOK_TARGET_FORBIDDEN"
    assert desk.handlers.list_subscriptions() == {"items": []}


def test_an_event_makes_one_delivery_for_each_who_wants_it(desk: Desk) -> None:
    """Others and switched-off ones get nothing; the loop is rung once."""
    desk.keeper.add(a_subscription("s1", events=("package.*",)))
    desk.keeper.add(a_subscription("s2", events=("peer.*",)))
    desk.keeper.add(a_subscription("s3", state=SubscriptionState.DISABLED))

    desk.tell()

    assert [one["subscription_id"] for one in desk.handlers.list_deliveries(10)["items"]] == ["s1"]
    assert desk.rings == 1


def test_an_event_seen_twice_makes_nothing_new(desk: Desk) -> None:
    """Not even when it was delivered meanwhile."""
    desk.keeper.add(a_subscription())

    desk.tell()
    desk.delivering.deliver_one()
    desk.tell()

    assert not desk.delivering.deliver_one()
    assert len(desk.web.posted) == 1
    assert desk.rings == 1


def test_a_delivery_is_signed_json(desk: Desk) -> None:
    """The reference library accepts it; it says what happened, where."""
    desk.clock.now = dt.datetime.now(dt.UTC)
    secret = desk.handlers.subscribe("https://hooks.example/x", ["peer.revoked"], "admin")["secret"]
    desk.handlers.tell(REVOKED, Happening("e7", NOON))

    assert desk.delivering.deliver_one()

    ((url, body, headers),) = desk.web.posted
    told = Webhook(secret).verify(body, dict(headers))
    assert (url, headers["content-type"], headers["webhook-id"]) == ("https://hooks.example/x", "application/json", "msg_e7")
    assert (told["type"], told["instance"], told["data"]) == (
        "peer.revoked.v1",
        "Berlin",
        {"peer_id": "PEER", "name": "Bonn", "person": None},
    )


def test_every_try_has_the_same_id_and_body_and_its_own_timestamp(desk: Desk) -> None:
    """So that a receiver drops what it has seen, and refuses what is old."""
    desk.keeper.add(a_subscription())
    desk.web.answers = [Answer(500), Answer(None, error="refused")]
    desk.tell()

    for _ in range(3):
        assert desk.delivering.deliver_one()
        assert not desk.delivering.deliver_one()
        desk.clock.pass_seconds(300)

    assert {headers["webhook-id"] for _, _, headers in desk.web.posted} == {"msg_e1"}
    assert len({body for _, body, _ in desk.web.posted}) == 1
    assert len({headers["webhook-timestamp"] for _, _, headers in desk.web.posted}) == 3
    (shown,) = desk.handlers.list_deliveries(10)["items"]
    assert (shown["state"], shown["attempts"], shown["last_status"], shown["last_error"], shown["next_attempt"]) == (
        "delivered",
        3,
        200,
        None,
        None,
    )


def test_a_failed_try_is_shown_with_the_next_one(desk: Desk) -> None:
    """People see the status, the reason and when it goes on; `Retry-After` counts."""
    desk.keeper.add(a_subscription())
    desk.web.answers = [Answer(503, retry_after="120")]
    desk.tell()
    desk.delivering.deliver_one()

    (shown,) = desk.handlers.list_deliveries(10)["items"]
    assert shown.keys() == {
        "delivery_id",
        "subscription_id",
        "event_id",
        "event_type",
        "state",
        "attempts",
        "last_status",
        "last_error",
        "next_attempt",
    }
    assert (shown["state"], shown["last_status"], shown["next_attempt"]) == ("waiting", 503, "2026-11-03T12:02:00Z")


def test_a_receiver_that_never_answers_is_given_up_after_ten_tries(desk: Desk) -> None:
    """Then the delivery is failed and counted."""
    desk.keeper.add(a_subscription())
    desk.web.answers = [Answer(None, error="refused")] * 20
    desk.tell()

    while desk.delivering.deliver_one():
        desk.clock.pass_seconds(2 * 86400)

    assert len(desk.web.posted) == 10
    assert desk.handlers.figures() == {"subscriptions": 1, "deliveries_waiting": 0, "deliveries_failed": 1}


def test_410_ends_everything_for_that_subscription(desk: Desk) -> None:
    """Its other deliveries are not tried any more, nor are new ones made; others go on."""
    desk.keeper.add(a_subscription("s1"))
    desk.web.answers = [Answer(410)]
    desk.tell("e1")
    desk.tell("e2")

    assert desk.delivering.deliver_one()
    assert not desk.delivering.deliver_one()
    desk.tell("e3")

    assert desk.handlers.list_subscriptions()["items"][0]["state"] == "disabled"
    assert desk.handlers.figures() == {"subscriptions": 1, "deliveries_waiting": 0, "deliveries_failed": 2}


def test_a_dead_worker_is_followed_by_another_and_cannot_write(desk: Desk) -> None:
    """After the lease another claims; the first one's late word changes nothing."""
    desk.keeper.add(a_subscription())
    desk.tell()
    dead = desk.keeper.claim(desk.clock(), desk.clock() + LEASE)
    assert not desk.delivering.deliver_one()

    desk.clock.pass_seconds(LEASE.total_seconds())
    assert desk.delivering.deliver_one()

    assert dead is not None
    assert len(desk.web.posted) == 1
    assert desk.handlers.list_deliveries(1)["items"][0]["state"] == "delivered"


def test_unsubscribing_forgets_and_an_unknown_one_is_not_found(desk: Desk) -> None:
    """With all its deliveries."""
    desk.keeper.add(a_subscription())
    desk.tell()

    desk.handlers.unsubscribe("s1")

    assert desk.handlers.figures() == {"subscriptions": 0, "deliveries_waiting": 0, "deliveries_failed": 0}
    with pytest.raises(NotFound):
        desk.handlers.unsubscribe("s1")


def test_old_deliveries_are_pruned_once_they_have_ended(desk: Desk) -> None:
    """What is waiting stays, however old."""
    desk.keeper.add(a_subscription())
    desk.tell()
    desk.delivering.deliver_one()
    desk.keeper.deliveries["d2"] = a_delivery("d2", event_id="e2")
    desk.clock.pass_seconds(31 * 86400)

    assert desk.delivering.prune() == 1
    assert [one["delivery_id"] for one in desk.handlers.list_deliveries(10)["items"]] == ["d2"]


@pytest.mark.parametrize("limit", [-1, 0, 1])
def test_a_page_of_deliveries_has_at_least_one(desk: Desk, limit: int) -> None:
    """A silly limit is bounded."""
    desk.keeper.add(a_subscription())
    desk.tell("e1")
    desk.tell("e2")

    assert len(desk.handlers.list_deliveries(limit)["items"]) == 1
    json.dumps(desk.handlers.list_deliveries(limit))
