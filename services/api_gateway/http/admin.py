"""The Admin API but uploads and dead letters: subscriptions and tokens here, the rest in `admin_….py`. See `docs/admin-api.md`."""

from __future__ import annotations

from typing import Annotated, Literal

from flask import Blueprint, Response, g, jsonify
from pydantic import Field, StringConstraints

from services.api_gateway.config import ApiGatewaySettings
from services.api_gateway.http import admin_mesh, admin_packages, admin_peers, admin_staging
from services.api_gateway.http.auth import Guard
from services.api_gateway.http.bodies import Body, page_limit, read
from services.api_gateway.ports import Services

_YEAR = 366 * 24 * 3600


class SubscriptionWish(Body):
    """Body of `POST /subscriptions`."""

    url: Annotated[str, StringConstraints(max_length=2000)]
    events: Annotated[list[Annotated[str, StringConstraints(max_length=80)]], Field(min_length=1, max_length=50)]


class TokenWish(Body):
    """Body of `POST /tokens`."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=60)]
    role: Literal["viewer", "uploader", "administrator"]
    valid_seconds: Annotated[int, Field(gt=0, le=10 * _YEAR)] | None = None


def doors(services: Services, settings: ApiGatewaySettings, guard: Guard) -> Blueprint:
    """All of them."""
    api = Blueprint("admin", __name__, url_prefix="/api/v1")
    api.register_blueprint(admin_packages.doors(services, settings, guard))
    api.register_blueprint(admin_staging.doors(services, guard))
    api.register_blueprint(admin_peers.doors(services, guard))
    api.register_blueprint(admin_mesh.doors(services, settings, guard))
    _subscriptions(api, services, guard)
    _tokens(api, services, guard)
    return api


def _subscriptions(api: Blueprint, services: Services, guard: Guard) -> None:
    @api.post("/subscriptions")
    @guard.requires("administer")
    def subscribe() -> tuple[Response, int]:
        wish = read(SubscriptionWish)
        return jsonify(services.call("notify", "subscribe", url=wish.url, events=wish.events, created_by=g.person)), 201

    @api.get("/subscriptions")
    @guard.requires("view")
    def list_subscriptions() -> Response:
        return jsonify(services.call("notify", "list_subscriptions"))

    @api.delete("/subscriptions/<subscription_id>")
    @guard.requires("administer")
    def unsubscribe(subscription_id: str) -> tuple[str, int]:
        services.call("notify", "unsubscribe", subscription_id=subscription_id)
        return "", 204

    @api.get("/deliveries")
    @guard.requires("view")
    def list_deliveries() -> Response:
        return jsonify(services.call("notify", "list_deliveries", limit=page_limit()))


def _tokens(api: Blueprint, services: Services, guard: Guard) -> None:
    @api.post("/tokens")
    @guard.requires("administer")
    def create_token() -> tuple[Response, int]:
        wish = read(TokenWish)
        made = services.call(
            "directory", "create_token", name=wish.name, role=wish.role, created_by=g.person, valid_seconds=wish.valid_seconds
        )
        return jsonify(made), 201

    @api.get("/tokens")
    @guard.requires("administer")
    def list_tokens() -> Response:
        return jsonify(services.call("directory", "list_tokens"))

    @api.delete("/tokens/<token_id>")
    @guard.requires("administer")
    def revoke_token(token_id: str) -> tuple[str, int]:
        services.call("directory", "revoke_token", token_id=token_id)
        return "", 204
