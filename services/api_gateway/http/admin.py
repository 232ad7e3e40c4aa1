"""The Admin API but uploads: packages, peers, transfers, subscriptions, tokens. See `docs/admin-api.md`."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import quote

from flask import Blueprint, Response, g, jsonify, request
from pydantic import Field, StringConstraints

from services.api_gateway.config import ApiGatewaySettings
from services.api_gateway.http.auth import Guard
from services.api_gateway.http.bodies import Body, read, whole_number
from services.api_gateway.ports import Services

_PAGE, _MOST = 100, 1000
_JOIN_SECONDS = 30.0
_YEAR = 366 * 24 * 3600


class InvitationWish(Body):
    """Body of `POST /invitations`."""

    valid_seconds: Annotated[int, Field(gt=0)] | None = None


class JoinWish(Body):
    """Body of `POST /peers`."""

    invitation: Annotated[str, StringConstraints(max_length=1000)]


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
    _packages(api, services, settings, guard)
    _peers(api, services, guard)
    _subscriptions(api, services, guard)
    _tokens(api, services, guard)
    return api


def _packages(api: Blueprint, services: Services, settings: ApiGatewaySettings, guard: Guard) -> None:
    def with_url(package: dict[str, Any]) -> dict[str, Any]:
        return package | {"url": f"{settings.public_url.rstrip('/')}/packages/{quote(package['name'])}"}

    @api.get("/packages")
    @guard.requires("view")
    def list_packages() -> Response:
        limit = whole_number("limit", _PAGE, 1, _MOST)
        page = services.call("storage", "list_packages", after=request.args.get("after"), limit=limit)
        return jsonify(page | {"items": [with_url(package) for package in page["items"]]})

    @api.get("/packages/<name:reference>")
    @guard.requires("view")
    def show_package(reference: str) -> Response:
        return jsonify(with_url(services.call("storage", "show_package", reference=reference)))

    @api.get("/transfers")
    @guard.requires("view")
    def list_transfers() -> Response:
        return jsonify(services.call("replication", "list_transfers", limit=whole_number("limit", _PAGE, 1, _MOST)))


def _peers(api: Blueprint, services: Services, guard: Guard) -> None:
    @api.post("/invitations")
    @guard.requires("administer")
    def create_invitation() -> tuple[Response, int]:
        wish = read(InvitationWish)
        return jsonify(services.call("replication", "create_invitation", created_by=g.person, valid_seconds=wish.valid_seconds)), 201

    @api.post("/peers")
    @guard.requires("administer")
    def join() -> tuple[Response, int]:
        wish = read(JoinWish)
        return jsonify(services.call("replication", "join", _timeout_seconds=_JOIN_SECONDS, invitation=wish.invitation)), 201

    @api.get("/peers")
    @guard.requires("view")
    def list_peers() -> Response:
        return jsonify(services.call("replication", "list_peers"))

    @api.delete("/peers/<peer_id>")
    @guard.requires("administer")
    def revoke_peer(peer_id: str) -> tuple[str, int]:
        services.call("replication", "revoke_peer", peer_id=peer_id, revoked_by=g.person)
        return "", 204


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
        return jsonify(services.call("notify", "list_deliveries", limit=whole_number("limit", _PAGE, 1, _MOST)))


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
