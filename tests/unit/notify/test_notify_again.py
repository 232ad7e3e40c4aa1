"""Claims about what is sent again, secrets that change, messages to try, and how much is under way at once."""

from __future__ import annotations

import datetime as dt
import threading
from typing import Any

import pytest
from standardwebhooks import Webhook

from services.notify.domain.filters import Filters, Package
from services.notify.domain.pace import Pace
from services.notify.domain.subscriptions import SubscriptionState
from services.notify.ports import WebAnswer
from shared.contracts.events import PeerRevokedV1
from shared.core.errors import Conflict, Forbidden, InvalidInput, Locked, NotFound, ServiceUnavailable
from tests.unit.notify.notify_fakes import LEASE, PUBLISHED, Desk, an_id

REVOKED = PeerRevokedV1(peer_id="PEER", name="Bonn")


def ids(desk: Desk) -> list[str]:
    """What was posted, in order."""
    return [headers["webhook-id"] for _, _, headers in desk.web.posted]


def test_for_a_time_after_a_rotation_both_secrets_verify(desk: Desk) -> None:
    """A receiver with either accepts the message; after the time, only the new one does."""
    desk.clock.now = dt.datetime.now(dt.UTC)
    made = desk.subscribing.subscribe("https://hooks.example/x", ["*"], "ada", owner_id=an_id(1))
    rotated = desk.subscribing.rotate_secret(made["subscription_id"], an_id(1), None)

    desk.tell("e1")
    desk.deliver_all()
    desk.subscribing.secret_overlap = dt.timedelta(0)
    newest = desk.subscribing.rotate_secret(made["subscription_id"], None, None)
    desk.tell("e2")
    desk.deliver_all()

    (_, body, headers), (_, last_body, last_headers) = desk.web.posted
    for secret in (made["secret"], rotated["secret"]):
        assert Webhook(secret).verify(body, dict(headers))["type"] == PUBLISHED.type
    assert len(headers["webhook-signature"].split()) == 2
    assert len(last_headers["webhook-signature"].split()) == 1
    assert Webhook(newest["secret"]).verify(last_body, dict(last_headers))
    assert len({made["secret"], rotated["secret"], newest["secret"]}) == 3


def test_a_delivery_is_replayed_with_the_id_and_the_body_of_the_first_time(desk: Desk) -> None:
    """Whether it arrived or was given up, and also while the receiver rests; its tries are kept."""
    desk.add()
    desk.web.answers = [WebAnswer(500)]
    desk.tell()
    desk.deliver_all()
    (delivery,) = desk.newest()

    shown = desk.replaying.replay_delivery(delivery.delivery_id, None, None)
    assert (shown["state"], shown["attempts"]) == ("waiting", 0)
    assert desk.deliver_all() == 1
    desk.replaying.replay_delivery(delivery.delivery_id, None, None)
    assert desk.deliver_all() == 1

    assert ids(desk) == ["msg_e1"] * 3
    assert len({body for _, body, _ in desk.web.posted}) == 1
    assert [one["status"] for one in desk.log.show(delivery.delivery_id)["tries"]] == [500, 200, 200]
    with pytest.raises(NotFound):
        desk.replaying.replay_delivery("nothing", None, None)


def test_a_time_is_replayed_in_order_with_what_was_missed(desk: Desk) -> None:
    """Events from before it subscribed, or while it was paused, too; only what it wants; with the ids of the first time."""
    for number in range(4):
        desk.tell(f"e{number}", REVOKED if number == 1 else PUBLISHED)
        desk.clock.pass_seconds(60)
    desk.add(events=("package.*",))
    desk.tell("e4")
    desk.deliver_all()
    start = desk.clock() - dt.timedelta(seconds=240)
    done = desk.replaying.replay_events("s1", start.isoformat(), None, None, None)
    assert done == {"replayed": 3, "next": None}
    desk.clock.pass_seconds(1)
    desk.deliver_all()

    assert ids(desk) == ["msg_e4", "msg_e0", "msg_e2", "msg_e3"]
    some = desk.replaying.replay_events("s1", start.isoformat(), (start + dt.timedelta(seconds=61)).isoformat(), None, None)
    assert some == {"replayed": 1, "next": None}


def test_a_long_time_is_replayed_in_portions(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each answer says where to go on."""
    monkeypatch.setattr("services.notify.handlers.replaying.MAX_AT_ONCE", 2)
    desk.add(filters=Filters(tags=frozenset({"test"})))
    desk.packages.known[PUBLISHED.package_id] = Package("x.pkg", frozenset({"test"}))
    start = desk.clock()
    for number in range(5):
        desk.tell(f"e{number}")
        desk.clock.pass_seconds(1)

    since, numbers = start.isoformat(), []
    while since:
        done = desk.replaying.replay_events("s1", since, None, None, None)
        numbers.append(done["replayed"])
        since = done["next"]

    assert numbers == [2, 2, 1]


@pytest.mark.parametrize(
    ("since", "until"),
    [
        ("yesterday", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("2026-11-03T12:00:00", None),
        (None, None),
        ("2026-11-03T12:00:00Z", "2026-11-03T12:00:00Z"),
    ],
)
def test_a_time_that_is_none_is_refused(desk: Desk, since: Any, until: Any) -> None:
    """Also one without a zone, and one that is empty."""
    desk.add()

    with pytest.raises(InvalidInput) as caught:
        desk.replaying.replay_events("s1", since, until, None, None)

    assert caught.value.code == "TIME_INVALID"


def test_what_sends_nothing_replays_nothing_and_only_owners_replay_if_they_are_narrowed(desk: Desk) -> None:
    """Neither one nor a time."""
    desk.add("s1", state=SubscriptionState.PAUSED)
    with pytest.raises(Conflict) as caught:
        desk.replaying.replay_events("s1", "2026-11-03T11:00:00Z", None, None, None)
    with pytest.raises(Forbidden):
        desk.replaying.replay_events("s1", "2026-11-03T11:00:00Z", None, an_id(9), ["test"])

    assert caught.value.code == "SUBSCRIPTION_NOT_ACTIVE"


def test_a_test_says_what_came_of_it_and_is_kept_nowhere(desk: Desk) -> None:
    """A signed message of its own type; also to one that is paused; a failure is an answer and does not count."""
    desk.clock.now = dt.datetime.now(dt.UTC)
    secret = desk.subscribing.subscribe("https://hooks.example/x", ["*"], "ada")["secret"]
    subscription_id = desk.subscriptions.all()[0].subscription_id
    desk.subscribing.set_state(subscription_id, "paused", None, None)
    desk.web.answers = [WebAnswer(410, content=b"no\x1b"), WebAnswer(204)]

    failed, arrived = (desk.testing.test(subscription_id, None, None) for _ in range(2))

    assert (failed["delivered"], failed["status"], failed["answer"]) == (False, 410, "no\\x1b")
    assert (arrived["delivered"], arrived["status"], arrived["error"]) == (True, 204, None)
    _, body, headers = desk.web.posted[-1]
    assert headers["webhook-id"] == arrived["message_id"]
    assert Webhook(secret).verify(body, dict(headers))["type"] == "webhook.test"
    assert desk.newest() == []
    assert desk.subscriptions.all()[0].state is SubscriptionState.PAUSED


def test_a_subscription_is_tested_once_at_a_time(desk: Desk) -> None:
    """Receivers that hang hold no more workers than a few."""
    desk.add()
    refused: list[Locked] = []

    def ask_again(*_args: object) -> WebAnswer:
        with pytest.raises(Locked) as caught:
            desk.testing.test("s1", None, None)
        refused.append(caught.value)
        return WebAnswer(200)

    desk.web.post = ask_again  # type: ignore[method-assign]

    assert desk.testing.test("s1", None, None)["delivered"]
    assert len(refused) == 1


def test_who_is_slow_does_not_count_among_the_usual_ones() -> None:
    """Up to a bound."""
    pace = Pace(usual=2, most=4)

    assert [pace.room(found) for found in ([], [0.1], [0.1, 0.2], [5], [5, 5], [5, 5, 5], [5, 5, 5, 5], [5, 5, 0])] == [
        2,
        1,
        0,
        2,
        2,
        1,
        0,
        1,
    ]


def test_what_is_due_is_begun_as_far_as_there_is_room(desk: Desk) -> None:
    """Two at once; after a second they do not count any more; who ends rings for the next."""
    for number in range(5):
        desk.add(f"s{number}")
    desk.tell()

    assert desk.delivering.begin_due()
    assert not desk.delivering.begin_due()
    assert len(desk.crew.begun) == 2
    desk.clock.pass_seconds(1)
    desk.delivering.begin_due()
    assert len(desk.crew.begun) == 4
    assert not desk.delivering.begin_due()

    rings = desk.rings
    for work in desk.crew.begun:
        work()

    assert desk.rings == rings + 4
    desk.delivering.begin_due()
    assert len(desk.crew.begun) == 5


def test_a_try_that_cannot_be_made_now_gives_its_room_back(desk: Desk) -> None:
    """Its lease runs out, and it is tried again with the same id."""
    desk.add()
    desk.tell()
    desk.delivering.begin_due()
    desk.web.post = unavailable  # type: ignore[method-assign]
    with pytest.raises(ServiceUnavailable):
        desk.crew.begun[0]()
    del desk.web.post

    assert not desk.delivering.begin_due()
    desk.clock.pass_seconds(LEASE.total_seconds())
    desk.delivering.begin_due()
    desk.crew.begun[1]()

    assert ids(desk) == ["msg_e1"]


def unavailable(*_: object) -> WebAnswer:
    """The database is away."""
    raise ServiceUnavailable("not now")


def test_a_message_on_which_something_in_us_fails_holds_up_no_other_and_ends(desk: Desk) -> None:
    """It is tried by the schedule like others, and its receiver is not to blame."""
    desk.add()
    desk.tell("e1")
    desk.web.post = threading.Event  # type: ignore[method-assign,assignment]  # takes other arguments
    assert desk.delivering.deliver_one()
    del desk.web.post
    desk.tell("e2")

    assert desk.deliver_all() == 1
    assert ids(desk) == ["msg_e2"]
    waiting = next(one for one in desk.newest() if one.event_id == "e1")
    assert (waiting.attempts, waiting.next_attempt) == (1, desk.clock() + dt.timedelta(seconds=5))
    assert "TypeError" in (waiting.last_error or "")
    assert desk.subscriptions.all()[0].is_active
