"""The Admin API's subscriptions: who is told of what, on which channel, and what became of it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Response, g, jsonify

from services.api_gateway.http.auth import Guard
from services.api_gateway.http.bodies import read, read_query
from services.api_gateway.http.describing import described
from services.api_gateway.http.keyed import keyed
from services.api_gateway.http.versioned import changes, shows
from services.api_gateway.ports import Services
from shared.contracts.admin.subscriptions import (
    Delivery,
    DeliveryList,
    DeliveryPage,
    DeliveryWithTries,
    EventsReplayed,
    EventsReplayWish,
    NewSecret,
    NewSubscription,
    Subscription,
    SubscriptionChange,
    SubscriptionList,
    SubscriptionWish,
    TestResult,
)
from shared.core.times import to_text, to_text_or_none
from shared.core.versions import SUBSCRIPTION

_LONGEST_TEST_SECONDS = 60
"""More than resolving a name and talking with a receiver can take."""


def doors(services: Services, guard: Guard) -> Blueprint:
    """All of them."""
    api = Blueprint("subscriptions", __name__)
    _making(api, services, guard)
    _looking(api, services, guard)
    _changing(api, services, guard)
    _using(api, services, guard)
    _deliveries(api, services, guard)
    return api


def _asker() -> dict[str, Any]:
    """Who asks, and within which tags they may."""
    return {"by_id": g.principal["person_id"], "within": g.within}


def _as_seen(found: dict[str, Any]) -> dict[str, Any]:
    """A subscription as the caller may see it: of its webhook the host alone, if they may not change it.

    Whoever knows the path of a chat or of an automation can often write there.
    """
    principal, channel = g.principal, found["channel"]
    rights = principal.get("rights", {})
    may_change = "subscribe" in rights and (rights["subscribe"] is None or found["owner_id"] == principal["person_id"])
    if may_change or channel["kind"] != "webhook":
        return found
    host = urlsplit(found["url"])
    veiled = f"{host.scheme}://{host.netloc}/…"
    return found | {"url": veiled, "channel": channel | {"settings": channel["settings"] | {"url": veiled}}}


def _making(api: Blueprint, services: Services, guard: Guard) -> None:
    @api.post("/subscriptions")
    @guard.requires("subscribe")
    @keyed("see GET /api/v1/subscriptions")
    @described(body=SubscriptionWish, answers={201: NewSubscription})
    def subscribe() -> tuple[Response, int]:
        """Have events sent somewhere, in one's own name.

        The answer holds the secret that was made for it, this once. Somebody whose grant is narrowed to staging tags is told of
        packages within these.
        """
        wish = read(SubscriptionWish).model_dump(exclude_unset=True)
        fields = {"url": None, "created_by": g.person, "owner_id": g.principal["person_id"], "within": g.within, **wish}
        return jsonify(services.call("notify", "subscribe", **fields)), 201

    @api.delete("/subscriptions/<subscription_id>")
    @guard.requires("subscribe")
    @changes(SUBSCRIPTION)
    @described(answers={204: None})
    def unsubscribe(subscription_id: str) -> tuple[str, int]:
        """End a subscription."""
        services.call("notify", "unsubscribe", subscription_id=subscription_id, expected=g.expected, **_asker())
        return "", 204


def _looking(api: Blueprint, services: Services, guard: Guard) -> None:
    @api.get("/subscriptions")
    @guard.requires("view")
    @described(answers={200: SubscriptionList})
    def list_subscriptions() -> Response:
        """List who is told of what; of webhooks of others, whoever may not change them sees the host."""
        found = services.call("notify", "list_subscriptions")
        return jsonify(found | {"items": [_as_seen(one) for one in found["items"]]})

    @api.get("/subscriptions/<subscription_id>")
    @guard.requires("view")
    @shows(SUBSCRIPTION)
    @described(answers={200: Subscription})
    def show_subscription(subscription_id: str) -> Response:
        """Show one subscription, as in the list."""
        return jsonify(_as_seen(services.call("notify", "show_subscription", subscription_id=subscription_id)))


def _changing(api: Blueprint, services: Services, guard: Guard) -> None:
    @api.patch("/subscriptions/<subscription_id>")
    @guard.requires("subscribe")
    @changes(SUBSCRIPTION)
    @described(body=SubscriptionChange, answers={200: Subscription})
    def change_subscription(subscription_id: str) -> Response:
        """Give a subscription other events, filters, settings, or another description; what is left out stays."""
        wished = {"changes": read(SubscriptionChange).model_dump(exclude_unset=True), "expected": g.expected, **_asker()}
        return jsonify(services.call("notify", "change_subscription", subscription_id=subscription_id, **wished))

    def set_state(subscription_id: str, state: str) -> Response:
        wished = {"state": state, "expected": g.expected, **_asker()}
        return jsonify(services.call("notify", "set_subscription_state", subscription_id=subscription_id, **wished))

    @api.post("/subscriptions/<subscription_id>/pause")
    @guard.requires("subscribe")
    @changes(SUBSCRIPTION)
    @described(answers={200: Subscription})
    def pause_subscription(subscription_id: str) -> Response:
        """Send nothing until it is resumed. What happens meanwhile is not kept for it; it can be replayed."""
        return set_state(subscription_id, "paused")

    @api.post("/subscriptions/<subscription_id>/resume")
    @guard.requires("subscribe")
    @changes(SUBSCRIPTION)
    @described(answers={200: Subscription})
    def resume_subscription(subscription_id: str) -> Response:
        """Send again, whether it was paused or disabled."""
        return set_state(subscription_id, "active")

    @api.post("/subscriptions/<subscription_id>/owner")
    @guard.requires("subscribe")
    @changes(SUBSCRIPTION)
    @described(answers={200: Subscription})
    def take_over_subscription(subscription_id: str) -> Response:
        """Put a subscription into the name of who asks, such as when its owner is gone.

        All else stays as it is: where it goes, its secret, the staging tags that limit it, and whether it is disabled. Somebody whose grant
        is narrowed to staging tags cannot.
        """
        wished = {"person": g.person, "expected": g.expected, **_asker()}
        return jsonify(services.call("notify", "take_over_subscription", subscription_id=subscription_id, **wished))


def _using(api: Blueprint, services: Services, guard: Guard) -> None:
    @api.post("/subscriptions/<subscription_id>/secret")
    @guard.requires("subscribe")
    @keyed("see GET /api/v1/subscriptions, and rotate once more")
    @described(answers={201: NewSecret})
    def rotate_secret(subscription_id: str) -> tuple[Response, int]:
        """Make a new secret for a webhook; the answer holds it, this once.

        For a time both sign each message, so that a receiver that knows either of them goes on.
        """
        return jsonify(services.call("notify", "rotate_secret", subscription_id=subscription_id, **_asker())), 201

    @api.post("/subscriptions/<subscription_id>/test")
    @guard.requires("subscribe")
    @described(answers={200: TestResult})
    def test_subscription(subscription_id: str) -> Response:
        """Send a message of the type `webhook.test`, and say what came of it.

        That nothing arrived is in the answer, with `delivered: false`; the call itself succeeds.
        """
        asked = {"subscription_id": subscription_id, **_asker(), "_timeout_seconds": _LONGEST_TEST_SECONDS}
        return jsonify(services.call("notify", "test_subscription", **asked))

    @api.post("/subscriptions/<subscription_id>/replay")
    @guard.requires("subscribe")
    @described(body=EventsReplayWish, answers={200: EventsReplayed})
    def replay_events(subscription_id: str) -> Response:
        """Send again what a subscription wants of the events of some time, those that it missed too.

        Each has the id that it had the first time: a receiver drops what it knows.
        """
        wish = read(EventsReplayWish)
        asked = {"since": to_text(wish.since), "until": to_text_or_none(wish.until), **_asker()}
        return jsonify(services.call("notify", "replay_events", subscription_id=subscription_id, **asked))


def _deliveries(api: Blueprint, services: Services, guard: Guard) -> None:
    @api.get("/deliveries")
    @guard.requires("view")
    @described(query=DeliveryPage, answers={200: DeliveryList})
    def list_deliveries() -> Response:
        """List what was sent to subscribers, newest first."""
        page = read_query(DeliveryPage)
        filters = page.model_dump(include={"subscription_id", "state", "event_type"}, exclude_none=True)
        return jsonify(services.call("notify", "list_deliveries", limit=page.limit, after=page.after, filters=filters))

    @api.get("/deliveries/<delivery_id>")
    @guard.requires("view")
    @described(answers={200: DeliveryWithTries})
    def show_delivery(delivery_id: str) -> Response:
        """Show what became of a delivery, try by try."""
        return jsonify(services.call("notify", "show_delivery", delivery_id=delivery_id))

    @api.post("/deliveries/<delivery_id>/replay")
    @guard.requires("subscribe")
    @described(answers={200: Delivery})
    def replay_delivery(delivery_id: str) -> Response:
        """Send a delivery again, now, with the id that it had the first time."""
        return jsonify(services.call("notify", "replay_delivery", delivery_id=delivery_id, **_asker()))
