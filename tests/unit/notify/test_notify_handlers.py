"""Claims about what notify answers and how it delivers."""

from __future__ import annotations

import datetime as dt
import json

import pytest
from standardwebhooks import Webhook

from services.notify.domain.deliveries import Answer
from services.notify.domain.judging import judge
from services.notify.domain.subscriptions import SubscriptionState
from services.notify.ports import WebAnswer
from shared.contracts.events import PeerRevokedV1
from shared.core.errors import InvalidInput, NotFound
from tests.unit.notify.notify_fakes import LEASE, Desk

REVOKED = PeerRevokedV1(peer_id="PEER", name="Bonn")


def test_subscribing_shows_the_secret_once(desk: Desk) -> None:
    """The answer has it, the list does not; both have the form of the Admin API."""
    made = desk.subscribing.subscribe("https://hooks.example/x", ["package.*"], "admin")
    (listed,) = desk.subscribing.listed()["items"]

    assert made.keys() - {"secret"} == listed.keys()
    assert made["secret"].startswith("whsec_")
    assert (listed["created"], listed["state"], listed["events"]) == ("2026-11-03T12:00:00Z", "active", ["package.*"])
    assert made["secret"] not in repr(desk.subscriptions.all())
    assert made["secret"] not in repr(desk.deliveries.claim(desk.clock(), desk.clock(), 1))


def test_a_target_inside_is_refused_and_nothing_is_kept(desk: Desk) -> None:
    """The guard is asked before anything is stored."""
    desk.web.forbidden = True

    with pytest.raises(InvalidInput) as caught:
        desk.subscribing.subscribe("https://hooks.example/x", ["package.*"], "admin")

    assert caught.value.code == "WEBHOOK_TARGET_FORBIDDEN"
    assert desk.subscribing.listed() == {"items": []}


def test_an_event_makes_one_delivery_for_each_who_wants_it(desk: Desk) -> None:
    """Others and switched-off ones get nothing; the loop is rung once."""
    desk.add("s1", events=("package.*",))
    desk.add("s2", events=("peer.*",))
    desk.add("s3", state=SubscriptionState.DISABLED)

    desk.tell()

    assert [one["subscription_id"] for one in desk.log.listed(10)["items"]] == ["s1"]
    assert desk.rings == 1


def test_an_event_seen_twice_makes_nothing_new(desk: Desk) -> None:
    """Not even when it was delivered meanwhile."""
    desk.add()

    desk.tell()
    desk.delivering.deliver_one()
    desk.tell()

    assert not desk.delivering.deliver_one()
    assert len(desk.web.posted) == 1
    assert desk.rings == 1


def test_a_delivery_is_signed_json(desk: Desk) -> None:
    """The reference library accepts it; it says what happened, where."""
    desk.clock.now = dt.datetime.now(dt.UTC)
    secret = desk.subscribing.subscribe("https://hooks.example/x", ["peer.revoked"], "admin")["secret"]
    desk.tell("e7", REVOKED)

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
    desk.add()
    desk.web.answers = [WebAnswer(500), WebAnswer(None, error="refused")]
    desk.tell()

    for _ in range(3):
        assert desk.delivering.deliver_one()
        assert not desk.delivering.deliver_one()
        desk.clock.pass_seconds(300)

    assert {headers["webhook-id"] for _, _, headers in desk.web.posted} == {"msg_e1"}
    assert len({body for _, body, _ in desk.web.posted}) == 1
    assert len({headers["webhook-timestamp"] for _, _, headers in desk.web.posted}) == 3
    (shown,) = desk.log.listed(10)["items"]
    assert (shown["state"], shown["attempts"], shown["last_status"], shown["last_error"], shown["next_attempt"]) == (
        "delivered",
        3,
        200,
        None,
        None,
    )


def test_a_failed_try_is_shown_with_the_next_one(desk: Desk) -> None:
    """People see the status, the reason and when it goes on; `Retry-After` counts."""
    desk.add()
    desk.web.answers = [WebAnswer(503, retry_after="120")]
    desk.tell()
    desk.delivering.deliver_one()

    (shown,) = desk.log.listed(10)["items"]
    assert (shown["state"], shown["last_status"], shown["next_attempt"]) == ("waiting", 503, "2026-11-03T12:02:00Z")


def test_a_receiver_that_never_answers_is_given_up_after_ten_tries(desk: Desk) -> None:
    """Then the delivery is failed and counted."""
    desk.add()
    desk.web.answers = [WebAnswer(None, error="refused")] * 20
    desk.tell()

    while desk.delivering.deliver_one() and desk.newest()[0].next_attempt:
        desk.clock.now = desk.newest()[0].next_attempt

    assert len(desk.web.posted) == 10
    assert desk.log.figures() == {"subscriptions": 1, "deliveries_waiting": 0, "deliveries_failed": 1}


def test_410_ends_everything_for_that_subscription(desk: Desk) -> None:
    """Its other deliveries are not tried any more, nor are new ones made; others go on."""
    desk.add("s1")
    desk.web.answers = [WebAnswer(410)]
    desk.tell("e1")
    desk.tell("e2")

    assert desk.delivering.deliver_one()
    assert not desk.delivering.deliver_one()
    desk.tell("e3")

    assert desk.subscribing.listed()["items"][0]["state"] == "disabled"
    assert desk.log.figures() == {"subscriptions": 1, "deliveries_waiting": 0, "deliveries_failed": 2}


def test_a_dead_worker_is_followed_by_another_and_cannot_write(desk: Desk) -> None:
    """After the lease another claims; the first one's late word changes nothing."""
    desk.add()
    desk.tell()
    (dead,) = desk.deliveries.claim(desk.clock(), desk.clock() + LEASE, 1)
    assert not desk.delivering.deliver_one()

    desk.clock.pass_seconds(LEASE.total_seconds())
    assert desk.delivering.deliver_one()

    assert not desk.deliveries.settle(dead, judge(dead, Answer(500, error="late"), desk.clock(), 0))
    assert len(desk.web.posted) == 1
    assert desk.log.listed(1)["items"][0]["state"] == "delivered"


def test_unsubscribing_forgets_and_an_unknown_one_is_not_found(desk: Desk) -> None:
    """With all its deliveries."""
    desk.add()
    desk.tell()

    desk.subscribing.unsubscribe("s1")

    assert desk.log.figures() == {"subscriptions": 0, "deliveries_waiting": 0, "deliveries_failed": 0}
    with pytest.raises(NotFound):
        desk.subscribing.unsubscribe("s1")


def test_old_deliveries_are_pruned_once_they_have_ended(desk: Desk) -> None:
    """What is waiting stays for as long as a schedule may last."""
    desk.add()
    desk.tell()
    desk.delivering.deliver_one()
    desk.web.answers = [WebAnswer(500)]
    desk.tell("e2")
    desk.delivering.deliver_one()
    desk.delivering.kept = dt.timedelta(days=1)
    desk.clock.pass_seconds(29 * 86400)

    assert desk.delivering.prune() == 1
    assert [one["event_id"] for one in desk.log.listed(10)["items"]] == ["e2"]


def test_what_a_paused_subscription_has_waiting_does_not_wait_for_ever(desk: Desk) -> None:
    """After a month it has failed, or after as long as the log is kept: no table grows for ever."""
    desk.add()
    desk.tell()
    desk.subscribing.set_state("s1", "paused", None, None)
    desk.delivering.kept = dt.timedelta(days=40)
    states = []
    for _ in range(2):
        desk.clock.pass_seconds(31 * 86400)
        desk.deliveries.give_up(desk.clock() - dt.timedelta(days=40))
        states += [(one["state"], one["last_error"] or "") for one in desk.log.listed(10)["items"]]

    assert [state for state, _ in states] == ["waiting", "failed"]
    assert states[1][1].startswith("it waited for too long")
    assert desk.delivering.prune() == 1


@pytest.mark.parametrize("limit", [-1, 0, 1])
def test_a_page_of_deliveries_has_at_least_one(desk: Desk, limit: int) -> None:
    """A silly limit is bounded."""
    desk.add()
    desk.tell("e1")
    desk.tell("e2")

    assert len(desk.log.listed(limit)["items"]) == 1
    json.dumps(desk.log.listed(limit))


def test_a_clock_that_was_ahead_for_a_while_makes_nothing_wait_for_years(desk: Desk) -> None:
    """Neither what was told then, nor a receiver that failed then, nor what a worker had that died then."""
    now = desk.clock()
    desk.add("s1")
    desk.add("s2")
    desk.clock.pass_seconds(10 * 365 * 86400)
    desk.web.answers = [WebAnswer(500)]
    desk.tell("e1")
    desk.delivering.deliver_one()
    assert desk.deliveries.claim(desk.clock(), desk.clock() + LEASE, 1)
    desk.clock.now = now

    assert desk.deliver_all() == 0
    desk.delivering.prune()

    assert desk.deliver_all() == 2
    assert {one["state"] for one in desk.log.listed(10)["items"]} == {"delivered"}
