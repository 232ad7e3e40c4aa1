"""The Admin API but uploads and dead letters: subscriptions here, the rest in `admin_….py`. See `docs/admin-api.md`."""

from __future__ import annotations

from flask import Blueprint, Response, g, jsonify

from services.api_gateway.config import ApiGatewaySettings
from services.api_gateway.http import (
    admin_audit,
    admin_directory,
    admin_mesh,
    admin_oidc,
    admin_packages,
    admin_peers,
    admin_people,
    admin_sessions,
    admin_settings,
    admin_staging,
)
from services.api_gateway.http.auth import Guard
from services.api_gateway.http.bodies import read, read_query
from services.api_gateway.http.cookies import LoginCookie, SessionCookie
from services.api_gateway.http.describing import described
from services.api_gateway.http.keyed import keyed
from services.api_gateway.ports import Services
from shared.contracts.admin.base import Limit
from shared.contracts.admin.instance import (
    DeliveryList,
    NewSubscription,
    SubscriptionList,
    SubscriptionWish,
)


def doors(services: Services, settings: ApiGatewaySettings, guard: Guard, cookie: SessionCookie) -> Blueprint:
    """All of them."""
    api = Blueprint("admin", __name__, url_prefix="/api/v1")
    api.register_blueprint(admin_packages.doors(services, settings, guard))
    api.register_blueprint(admin_staging.doors(services, guard))
    api.register_blueprint(admin_peers.doors(services, guard))
    api.register_blueprint(admin_mesh.doors(services, settings, guard))
    api.register_blueprint(admin_audit.doors(services, guard))
    api.register_blueprint(admin_directory.doors(services, guard))
    api.register_blueprint(admin_people.doors(services, guard))
    api.register_blueprint(admin_settings.doors(services, settings, guard))
    api.register_blueprint(admin_sessions.doors(services, guard, cookie))
    api.register_blueprint(admin_oidc.doors(services, cookie, LoginCookie(settings.public_url)))
    _subscriptions(api, services, guard)
    return api


def _subscriptions(api: Blueprint, services: Services, guard: Guard) -> None:
    @api.post("/subscriptions")
    @guard.requires("administer")
    @keyed("see GET /api/v1/subscriptions")
    @described(body=SubscriptionWish, answers={201: NewSubscription})
    def subscribe() -> tuple[Response, int]:
        """Have events posted to a webhook; the answer holds its secret, this once."""
        wish = read(SubscriptionWish)
        return jsonify(services.call("notify", "subscribe", url=wish.url, events=wish.events, created_by=g.person)), 201

    @api.get("/subscriptions")
    @guard.requires("view")
    @described(answers={200: SubscriptionList})
    def list_subscriptions() -> Response:
        """List who is told of what."""
        return jsonify(services.call("notify", "list_subscriptions"))

    @api.delete("/subscriptions/<subscription_id>")
    @guard.requires("administer")
    @described(answers={204: None})
    def unsubscribe(subscription_id: str) -> tuple[str, int]:
        """End a subscription."""
        services.call("notify", "unsubscribe", subscription_id=subscription_id)
        return "", 204

    @api.get("/deliveries")
    @guard.requires("view")
    @described(query=Limit, answers={200: DeliveryList})
    def list_deliveries() -> Response:
        """List what was sent to subscribers, newest first."""
        return jsonify(services.call("notify", "list_deliveries", limit=read_query(Limit).limit))
