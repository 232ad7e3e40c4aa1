"""The Admin API but uploads and dead letters: subscriptions and tokens here, the rest in `admin_….py`. See `docs/admin-api.md`."""

from __future__ import annotations

from flask import Blueprint, Response, g, jsonify

from services.api_gateway.config import ApiGatewaySettings
from services.api_gateway.http import admin_audit, admin_mesh, admin_packages, admin_peers, admin_staging
from services.api_gateway.http.auth import Guard
from services.api_gateway.http.bodies import read, read_query
from services.api_gateway.http.describing import described
from services.api_gateway.ports import Services
from shared.contracts.admin.base import Limit
from shared.contracts.admin.instance import (
    DeliveryList,
    NewSubscription,
    NewToken,
    SubscriptionList,
    SubscriptionWish,
    TokenList,
    TokenWish,
)


def doors(services: Services, settings: ApiGatewaySettings, guard: Guard) -> Blueprint:
    """All of them."""
    api = Blueprint("admin", __name__, url_prefix="/api/v1")
    api.register_blueprint(admin_packages.doors(services, settings, guard))
    api.register_blueprint(admin_staging.doors(services, guard))
    api.register_blueprint(admin_peers.doors(services, guard))
    api.register_blueprint(admin_mesh.doors(services, settings, guard))
    api.register_blueprint(admin_audit.doors(services, guard))
    _subscriptions(api, services, guard)
    _tokens(api, services, guard)
    return api


def _subscriptions(api: Blueprint, services: Services, guard: Guard) -> None:
    @api.post("/subscriptions")
    @guard.requires("administer")
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


def _tokens(api: Blueprint, services: Services, guard: Guard) -> None:
    @api.post("/tokens")
    @guard.requires("administer")
    @described(body=TokenWish, answers={201: NewToken})
    def create_token() -> tuple[Response, int]:
        """Make an API token; the answer holds its text, this once."""
        wish = read(TokenWish)
        made = services.call(
            "directory", "create_token", name=wish.name, role=wish.role, created_by=g.person, valid_seconds=wish.valid_seconds
        )
        return jsonify(made), 201

    @api.get("/tokens")
    @guard.requires("administer")
    @described(answers={200: TokenList})
    def list_tokens() -> Response:
        """List the API tokens, without their text."""
        return jsonify(services.call("directory", "list_tokens"))

    @api.delete("/tokens/<token_id>")
    @guard.requires("administer")
    @described(answers={204: None})
    def revoke_token(token_id: str) -> tuple[str, int]:
        """Revoke an API token for good."""
        services.call("directory", "revoke_token", token_id=token_id)
        return "", 204
