"""Claims about in whose name subscriptions are, what they are narrowed to, and what is changed about them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from services.notify.domain.filters import Filters, Package
from services.notify.domain.subscriptions import Reason, SubscriptionState
from services.notify.ports import Standing, WebAnswer
from shared.contracts.events import PackageRetaggedV1, PeerRevokedV1, SubscriptionDisabledV1
from shared.core.errors import Conflict, Forbidden, InvalidInput, Locked, NotFound, ServiceUnavailable
from tests.unit.notify.notify_fakes import PUBLISHED, Desk, an_id

REVOKED = PeerRevokedV1(peer_id="PEER", name="Bonn")
TEST = frozenset({"test"})
ADA = an_id(1)


def told_to(desk: Desk) -> list[str]:
    """Who gets anything."""
    return sorted(one.subscription_id for one in desk.newest())


def test_filters_judge_the_package_and_let_other_events_pass(desk: Desk) -> None:
    """By tag, by name whatever its letters, by origin; all that is given must hold, and what storage knows counts."""
    desk.packages.known[PUBLISHED.package_id] = Package("Firefox.pkg", TEST, "ORIGIN")
    for name, filters in {
        "tag": Filters(tags=TEST),
        "another-tag": Filters(tags=frozenset({"production"})),
        "name": Filters(names=("fire*",)),
        "another-name": Filters(names=("Office*",)),
        "origin": Filters(origins=("ORIGIN",)),
        "one-of-two": Filters(tags=TEST, origins=("ELSEWHERE",)),
    }.items():
        desk.add(name, filters=filters)

    desk.tell()
    assert told_to(desk) == ["name", "origin", "tag"]
    desk.tell("e2", REVOKED)

    assert len(desk.newest()) == 3 + 6


def test_storage_is_asked_only_if_somebody_wants_to_know(desk: Desk) -> None:
    """Without filters, telling depends on nobody; of an unknown package, the name in the event counts."""
    desk.add("s1")
    desk.tell("e1")
    assert desk.packages.asked == []
    desk.add("s2", filters=Filters(names=("Firefox.pkg",)))
    desk.tell("e2")

    assert desk.packages.asked == [PUBLISHED.package_id]
    assert told_to(desk) == ["s1", "s1", "s2"]


def test_who_is_narrowed_is_told_of_packages_within_and_of_nothing_else(desk: Desk) -> None:
    """A package that has another tag too, or none, is not within; nor is what is about no package."""
    made = desk.subscribing.subscribe("https://hooks.example/x", ["*"], "ada", owner_id=ADA, within=["test"])
    for number, tags in enumerate([{"test"}, {"test", "production"}, set()]):
        desk.packages.known[an_id(number)] = Package("x.pkg", frozenset(tags))
        event = PackageRetaggedV1(package_id=an_id(number), name="x.pkg", tags=tuple(tags), author="A", person="p")
        desk.tell(f"e{number}", event)
    desk.tell("e9", REVOKED)

    assert made["within"] == ["test"]
    assert [one.event_id for one in desk.newest()] == ["e0"]
    with pytest.raises(InvalidInput) as caught:
        desk.subscribing.subscribe("https://hooks.example/x", ["peer.*"], "ada", owner_id=ADA, within=["test"])
    assert caught.value.code == "EVENT_PATTERN_INVALID"


def test_who_is_narrowed_changes_only_what_is_in_their_own_name(desk: Desk) -> None:
    """Whatever it is; and another administrator's change of theirs leaves the limit as it is."""
    mine = desk.subscribing.subscribe("https://hooks.example/x", ["*"], "ada", owner_id=ADA, within=["test"])["subscription_id"]
    desk.add("s1", owner_id=an_id(2))
    asks: list[Any] = [
        lambda: desk.subscribing.change("s1", {"events": ["package.*"]}, ADA, ["test"]),
        lambda: desk.subscribing.set_state("s1", "paused", ADA, ["test"]),
        lambda: desk.subscribing.unsubscribe("s1", ADA, ["test"]),
    ]

    for ask in asks:
        with pytest.raises(Forbidden) as caught:
            ask()
        assert caught.value.code == "NOT_THE_OWNER"
    assert desk.subscribing.change(mine, {"description": "tickets"}, ADA, ["test", "production"])["within"] == ["test"]
    assert desk.subscribing.change(mine, {"description": "tickets"}, an_id(2), None)["within"] == ["test"]
    assert desk.subscribing.set_state(mine, "paused", ADA, ["test"])["state"] == "paused"


def test_a_change_leaves_what_it_does_not_name(desk: Desk) -> None:
    """Events, address, filters, description: each alone; the secret stays, the kind is for good."""
    made = desk.subscribing.subscribe("https://hooks.example/x", ["package.*"], "ada", owner_id=ADA)
    secret = desk.subscriptions.secrets_of(made["subscription_id"])

    def change(**changes: Any) -> dict[str, Any]:
        return desk.subscribing.change(made["subscription_id"], changes, ADA, None)

    assert change(events=["peer.*"])["events"] == ["peer.*"]
    assert change(filters={"tags": ["test"], "names": [], "origins": []})["filters"]["tags"] == ["test"]
    assert change(description=" for the help desk ")["description"] == "for the help desk"
    became = change(channel={"settings": {"url": "https://hooks.example/y"}})

    assert (became["url"], became["events"], became["filters"]["tags"]) == ("https://hooks.example/y", ["peer.*"], ["test"])
    assert became["changed"] is not None
    assert desk.subscriptions.secrets_of(made["subscription_id"]) == secret
    for wrong, code in [
        ({"channel": {"kind": "email", "settings": {}}}, "CHANNEL_KIND_FIXED"),
        ({"channel": {"settings": {"uri": "x"}}}, "CHANNEL_INVALID"),
        ({"events": ["pear.*"]}, "EVENT_PATTERN_INVALID"),
        ({"filters": {"colour": []}}, "FILTER_INVALID"),
        ({"description": "two\nlines"}, "TEXT_INVALID"),
    ]:
        with pytest.raises(InvalidInput) as caught:
            change(**wrong)
        assert caught.value.code == code


@pytest.mark.parametrize(
    ("channel", "code"),
    [
        ({"kind": "pigeon", "settings": {}}, "CHANNEL_KIND_UNKNOWN"),
        ({"kind": ["webhook"], "settings": {}}, "CHANNEL_KIND_UNKNOWN"),
        ({"kind": "webhook"}, "CHANNEL_INVALID"),
        ({"kind": "webhook", "settings": {}}, "WEBHOOK_URL_INVALID"),
        (None, "CHANNEL_INVALID"),
    ],
)
def test_a_channel_that_cannot_be_is_refused(desk: Desk, channel: object, code: str) -> None:
    """With the rule that it breaks; nothing is kept."""
    with pytest.raises(InvalidInput) as caught:
        desk.subscribing.subscribe(None, ["*"], "ada", channel)

    assert caught.value.code == code
    assert desk.subscribing.listed() == {"items": []}


def test_a_paused_subscription_gets_nothing_and_what_waited_goes_on_when_it_is_resumed(desk: Desk) -> None:
    """What happens meanwhile is not kept for it."""
    desk.add()
    desk.tell("e1")
    desk.subscribing.set_state("s1", "paused", None, None)
    desk.tell("e2")
    assert desk.deliver_all() == 0

    desk.clock.pass_seconds(60)
    shown = desk.subscribing.set_state("s1", "active", None, None)

    assert desk.deliver_all() == 1
    assert (shown["state"], shown["since"]) == ("active", "2026-11-03T12:01:00Z")
    assert [one.event_id for one in desk.newest()] == ["e1"]
    with pytest.raises(InvalidInput):
        desk.subscribing.set_state("s1", "disabled", None, None)


def test_a_disabled_subscription_can_be_resumed_and_not_paused(desk: Desk) -> None:
    """It begins anew, as if its receiver had never failed; what failed stays so."""
    desk.add()
    desk.web.answers = [WebAnswer(410)]
    desk.tell("e1")
    desk.deliver_all()
    with pytest.raises(Conflict) as caught:
        desk.subscribing.set_state("s1", "paused", None, None)
    assert caught.value.code == "SUBSCRIPTION_DISABLED"

    shown = desk.subscribing.set_state("s1", "active", None, None)
    desk.tell("e2")

    assert (shown["state"], shown["reason"]) == ("active", None)
    assert desk.deliver_all() == 1
    assert desk.log.figures() == {"subscriptions": 1, "deliveries_waiting": 0, "deliveries_failed": 1}


@pytest.mark.parametrize(
    ("standing", "reason"),
    [
        (None, Reason.OWNER_GONE),
        (Standing(is_active=False, may=True, within=None), Reason.OWNER_GONE),
        (Standing(is_active=True, may=False, within=None), Reason.OWNER_MAY_NOT),
    ],
)
def test_nothing_is_sent_in_the_name_of_who_may_not_any_more(desk: Desk, standing: Standing | None, reason: Reason) -> None:
    """Waiting deliveries end, others hear of it once, and subscriptions of other people go on."""
    desk.add(an_id(7), owner_id=ADA)
    desk.add(an_id(8))
    desk.people.others[ADA] = standing
    desk.tell()

    assert [desk.owners.sweep(), desk.owners.sweep()] == [1, 0]

    states = {one["subscription_id"]: (one["state"], one["reason"]) for one in desk.subscribing.listed()["items"]}
    assert states == {an_id(7): ("disabled", reason.value), an_id(8): ("active", None)}
    (told,) = desk.told()
    assert isinstance(told, SubscriptionDisabledV1)
    assert (told.subscription_id, told.owner, told.owner_id, told.reason) == (an_id(7), "admin", ADA, reason.value)
    assert desk.deliver_all() == 1


def test_who_is_narrowed_later_is_told_less_from_then_on(desk: Desk) -> None:
    """And never more again by being widened: they may change their subscription."""
    desk.add("s1", owner_id=ADA)
    desk.people.others[ADA] = Standing(is_active=True, may=True, within=TEST)

    assert [desk.owners.sweep(), desk.owners.sweep()] == [1, 0]
    desk.people.others.clear()
    desk.owners.sweep()
    desk.tell("e1", REVOKED)

    assert desk.subscribing.show("s1")["within"] == ["test"]
    assert desk.newest() == []


def test_while_directory_is_away_all_stays_as_it_is(desk: Desk) -> None:
    """Nobody is taken for gone because nobody could be asked."""
    desk.add()
    desk.people.away = True

    with pytest.raises(ServiceUnavailable):
        desk.owners.sweep()

    assert desk.subscriptions.all()[0].state is SubscriptionState.ACTIVE


def test_a_subscription_with_filters_that_came_while_an_event_was_told_makes_it_come_again(desk: Desk, monkeypatch: Any) -> None:
    """Rather than judging without knowing the package."""
    desk.add("s1", filters=Filters(tags=TEST))
    monkeypatch.setattr(desk.subscriptions, "ask_for_packages", lambda: False)

    with pytest.raises(Locked):
        desk.tell()

    monkeypatch.undo()
    desk.packages.known[PUBLISHED.package_id] = Package("Firefox.pkg", TEST)
    desk.tell()
    assert told_to(desk) == ["s1"]


def test_a_delivery_is_shown_with_each_of_its_tries(desk: Desk) -> None:
    """When, how long, and what the receiver said, cut and with nothing invisible."""
    desk.add()
    desk.web.answers = [WebAnswer(500, content=b"\x1b[2Jno\nway\xff" + b"x" * 900), WebAnswer(None, error="refused")]
    desk.tell()
    desk.deliver_all()
    desk.clock.pass_seconds(5)
    desk.deliver_all()

    shown = desk.log.show(desk.newest()[0].delivery_id)

    assert [(one["status"], one["error"]) for one in shown["tries"]] == [(500, "the receiver answered 500"), (None, "refused")]
    assert shown["tries"][0]["answer"].startswith("\\x1b[2Jno\\nway")
    assert len(shown["tries"][0]["answer"]) == 500
    json.dumps(shown)
    with pytest.raises(NotFound):
        desk.log.show("nothing")


def test_the_log_is_read_in_pages_and_by_what_is_looked_for(desk: Desk) -> None:
    """Newest first; each delivery once; a place that nobody gave is refused."""
    desk.add("s1", events=("package.*",))
    desk.add("s2", events=("peer.*",))
    for number in range(5):
        desk.clock.pass_seconds(1)
        desk.tell(f"e{number}", REVOKED if number % 2 else PUBLISHED)

    first = desk.log.listed(2)
    second = desk.log.listed(2, first["next"])
    third = desk.log.listed(2, second["next"])

    assert [one["event_id"] for page in (first, second, third) for one in page["items"]] == ["e4", "e3", "e2", "e1", "e0"]
    assert third["next"] is None
    assert len(desk.log.listed(9, filters={"subscription_id": "s2", "state": "waiting"})["items"]) == 2
    assert len(desk.log.listed(9, filters={"event_type": PUBLISHED.type})["items"]) == 3
    for after, filters in [("nonsense", {}), (None, {"state": "lost"})]:
        with pytest.raises(InvalidInput):
            desk.log.listed(9, after, filters)


def test_there_are_not_more_subscriptions_than_can_be_told(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever may subscribe cannot have each event make rows without end."""
    monkeypatch.setattr("services.notify.adapters.subscriptions.MOST_SUBSCRIPTIONS", 2)
    for name in ("s1", "s2"):
        desk.add(name)

    with pytest.raises(Conflict) as caught:
        desk.subscribing.subscribe("https://hooks.example/x", ["*"], "ada")

    assert caught.value.code == "SUBSCRIPTIONS_FULL"
    assert len(desk.subscriptions.all()) == 2
