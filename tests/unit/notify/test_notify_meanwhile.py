"""Claims about what happens to a subscription while deliveries wait or are under way: other owners, other limits, other receivers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from services.notify.domain.channels.webhook import WebhookChannel
from services.notify.domain.filters import Package
from services.notify.domain.subscriptions import Changed, SubscriptionState
from services.notify.ports import Standing, WebAnswer
from shared.core.errors import Conflict, Forbidden, Locked, NotFound
from tests.unit.notify.notify_fakes import PUBLISHED, Desk, an_id

ADA, BOB = an_id(1), an_id(2)
TEST = frozenset({"test"})
NARROWED = Standing(is_active=True, may=True, within=TEST)


def give_to_bob(desk: Desk) -> None:
    """Somebody else takes it over."""
    desk.subscriptions.change("s1", lambda kept, _: Changed(replace(kept, owner_id=BOB, created_by="bob")))


def test_who_owns_a_subscription_is_looked_at_when_it_is_changed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not only before: whoever lost it in between changes nothing."""
    desk.add("s1", owner_id=ADA)
    before = desk.subscriptions.find("s1")
    give_to_bob(desk)
    monkeypatch.setattr(desk.subscriptions, "find", lambda _: before)
    asks: list[Any] = [
        lambda: desk.subscribing.change("s1", {"description": "mine"}, ADA, ["test"]),
        lambda: desk.subscribing.set_state("s1", "paused", ADA, ["test"]),
        lambda: desk.subscribing.rotate_secret("s1", ADA, ["test"]),
        lambda: desk.subscribing.unsubscribe("s1", ADA, ["test"]),
    ]

    for ask in asks:
        with pytest.raises(Forbidden):
            ask()

    (kept,) = desk.subscriptions.all()
    assert (kept.description, kept.state, kept.owner_id) == ("", SubscriptionState.ACTIVE, BOB)


def test_of_two_who_give_a_subscription_another_address_the_second_is_told(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was merged with the former settings is not written over the new ones."""
    desk.add("s1")
    before = desk.subscriptions.find("s1")
    desk.subscribing.change("s1", {"channel": {"settings": {"url": "https://hooks.example/theirs"}}}, None, None)
    monkeypatch.setattr(desk.subscriptions, "find", lambda _: before)

    with pytest.raises(Locked):
        desk.subscribing.change("s1", {"channel": {"settings": {"url": "https://hooks.example/ours"}}}, None, None)

    assert desk.subscriptions.all()[0].channel == WebhookChannel("https://hooks.example/theirs")


@pytest.mark.parametrize(("state", "error"), [(SubscriptionState.PAUSED, Conflict), (None, NotFound)])
def test_what_was_paused_or_forgotten_a_moment_ago_replays_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, state: SubscriptionState | None, error: type[Exception]
) -> None:
    """Deliveries of a subscription that sends nothing would wait for ever."""
    desk.add("s1")
    before = desk.subscriptions.find("s1")
    desk.tell()
    if state:
        desk.subscribing.set_state("s1", state, None, None)
    else:
        desk.subscribing.unsubscribe("s1")
    monkeypatch.setattr(desk.subscriptions, "find", lambda _: before)

    with pytest.raises(error):
        desk.replaying.replay_events("s1", "2026-11-03T11:00:00Z", "2026-11-03T13:00:00Z", None, None)


def test_what_waits_is_not_sent_once_its_owner_is_narrowed(desk: Desk) -> None:
    """It was made when more was allowed; nor can it be replayed, but for what is within."""
    desk.add("s1", owner_id=ADA)
    desk.packages.known = {PUBLISHED.package_id: Package("Firefox.pkg", frozenset({"production"})), an_id(5): Package("b.pkg", TEST)}
    desk.tell("e1")
    desk.tell("e2", PUBLISHED.model_copy(update={"package_id": an_id(5)}))
    desk.people.others[ADA] = NARROWED

    desk.owners.sweep()

    assert desk.deliver_all() == 0
    outside, within = sorted(desk.newest(), key=lambda one: one.event_id)
    assert outside.last_error is not None
    assert "narrowed" in outside.last_error
    with pytest.raises(Forbidden) as caught:
        desk.replaying.replay_delivery(outside.delivery_id, ADA, ["test"])
    assert caught.value.code == "NOT_ENTITLED"
    desk.replaying.replay_delivery(within.delivery_id, ADA, ["test"])
    assert desk.deliver_all() == 1
    assert [headers["webhook-id"] for _, _, headers in desk.web.posted] == ["msg_e2"]


def test_a_change_that_narrows_nothing_leaves_what_waits(desk: Desk) -> None:
    """Whoever was narrowed before, and changes the description, loses nothing."""
    made = desk.subscribing.subscribe("https://hooks.example/x", ["*"], "ada", owner_id=ADA, within=["test"])["subscription_id"]
    desk.packages.known[PUBLISHED.package_id] = Package("Firefox.pkg", TEST)
    desk.tell()

    desk.subscribing.change(made, {"description": "mine"}, ADA, ["test", "production"])

    assert desk.deliver_all() == 1


def test_a_subscription_is_taken_over_and_goes_on_as_it_was(desk: Desk) -> None:
    """In the name of who takes it: with its secret and its limit; whoever is narrowed takes nothing."""
    desk.add("s1", owner_id=ADA, within=TEST)
    desk.people.others[ADA] = None
    desk.owners.sweep()
    with pytest.raises(Conflict) as caught:
        desk.subscribing.set_state("s1", "active", BOB, None)
    with pytest.raises(Forbidden):
        desk.owners.take_over("s1", "bob", BOB, ["test"])
    secrets = desk.subscriptions.secrets_of("s1")

    taken = desk.owners.take_over("s1", "bob", BOB, None)
    resumed = desk.subscribing.set_state("s1", "active", BOB, None)

    assert caught.value.code == "OWNER_MAY_NOT"
    assert (taken["created_by"], taken["owner_id"], taken["state"], taken["within"]) == ("bob", BOB, "disabled", ["test"])
    assert resumed["state"] == "active"
    assert desk.subscriptions.secrets_of("s1") == secrets
    assert desk.owners.sweep() == 0


def test_a_subscription_that_was_taken_over_a_moment_ago_is_not_disabled_for_its_former_owner(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever directory said of that one."""
    desk.add("s1", owner_id=ADA)
    desk.people.others[ADA] = None
    seen = desk.subscriptions.all()
    give_to_bob(desk)
    monkeypatch.setattr(desk.subscriptions, "all", lambda: seen)

    desk.owners.sweep()

    kept = desk.subscriptions.find("s1")
    assert kept is not None
    assert kept.is_active


@pytest.mark.parametrize("answer", [WebAnswer(410), WebAnswer(500)])
def test_an_answer_of_a_former_receiver_says_nothing_of_the_new_one(desk: Desk, answer: WebAnswer) -> None:
    """It is written to its delivery; the next message goes to the new address, at once."""
    desk.add("s1")
    desk.tell("e1")
    desk.tell("e2")

    def moved_meanwhile(*_: object) -> WebAnswer:
        del desk.web.post
        desk.clock.pass_seconds(1)
        desk.subscribing.change("s1", {"channel": {"settings": {"url": "https://hooks.example/new"}}}, None, None)
        return answer

    desk.web.post = moved_meanwhile  # type: ignore[method-assign]

    assert desk.deliver_all() == 2
    assert [url for url, _, _ in desk.web.posted] == ["https://hooks.example/new"]
    assert desk.subscriptions.all()[0].is_active
    assert desk.told() == []


def test_a_receiver_at_another_address_is_as_one_that_never_failed(desk: Desk) -> None:
    """Neither is it left alone for what the former one did, nor disabled for it."""
    desk.add("s1")
    desk.web.answers = [WebAnswer(503, retry_after="80000")]
    desk.tell("e1")
    desk.deliver_all()

    desk.subscribing.change("s1", {"channel": {"settings": {"url": "https://hooks.example/new"}}}, None, None)
    desk.tell("e2")

    assert desk.deliver_all() == 1
