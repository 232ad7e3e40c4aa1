"""The Admin API's peers: invite, join, what a peer may see and do, revoke."""

from __future__ import annotations

from typing import Annotated

from flask import Blueprint, Response, g, jsonify
from pydantic import Field, StringConstraints

from services.api_gateway.http.auth import Guard
from services.api_gateway.http.bodies import Body, TagList, page_limit, read
from services.api_gateway.ports import Services
from shared.core.errors import InvalidInput

PEER_SECONDS = 30.0
"""Longest wait for an answer of replication that asks other instances first."""


class InvitationWish(Body):
    """Body of `POST /invitations`: how long it holds, and what the joiner will see and do."""

    valid_seconds: Annotated[int, Field(gt=0)] | None = None
    tags: TagList | None = None
    steward: bool = False


class JoinWish(Body):
    """Body of `POST /peers`: the invitation, and what the inviter will see of here."""

    invitation: Annotated[str, StringConstraints(max_length=1000)]
    tags: TagList | None = None


class PeerWish(Body):
    """Body of `PATCH /peers/<peer_id>`; what is left out stays."""

    tags: TagList | None = None
    steward: bool | None = None


def doors(services: Services, guard: Guard) -> Blueprint:
    """All of them."""
    api = Blueprint("peers", __name__)
    _registering(api, services, guard)
    _changing(api, services, guard)
    _looking(api, services, guard)
    return api


def _registering(api: Blueprint, services: Services, guard: Guard) -> None:
    @api.post("/invitations")
    @guard.requires("administer")
    def create_invitation() -> tuple[Response, int]:
        wish = read(InvitationWish)
        made = services.call(
            "replication",
            "create_invitation",
            created_by=g.person,
            valid_seconds=wish.valid_seconds,
            tags=wish.tags,
            steward=wish.steward,
        )
        return jsonify(made), 201

    @api.post("/peers")
    @guard.requires("administer")
    def join() -> tuple[Response, int]:
        wish = read(JoinWish)
        return jsonify(services.call("replication", "join", _timeout_seconds=PEER_SECONDS, invitation=wish.invitation, tags=wish.tags)), 201


def _changing(api: Blueprint, services: Services, guard: Guard) -> None:
    @api.patch("/peers/<peer_id>")
    @guard.requires("administer")
    def change_peer(peer_id: str) -> Response:
        wish = read(PeerWish)
        if wish.tags is None and wish.steward is None:
            raise InvalidInput("say what is to change: `tags`, `steward`, or both", "BODY_INVALID")
        return jsonify(services.call("replication", "change_peer", peer_id=peer_id, tags=wish.tags, steward=wish.steward, person=g.person))

    @api.delete("/peers/<peer_id>")
    @guard.requires("administer")
    def revoke_peer(peer_id: str) -> tuple[str, int]:
        services.call("replication", "revoke_peer", peer_id=peer_id, revoked_by=g.person)
        return "", 204


def _looking(api: Blueprint, services: Services, guard: Guard) -> None:
    @api.get("/peers")
    @guard.requires("view")
    def list_peers() -> Response:
        return jsonify(services.call("replication", "list_peers"))

    @api.post("/peers/pull")
    @guard.requires("administer")
    def pull() -> tuple[Response, int]:
        services.call("replication", "pull_now")
        return jsonify({"state": "pulling"}), 202

    @api.get("/transfers")
    @guard.requires("view")
    def list_transfers() -> Response:
        return jsonify(services.call("replication", "list_transfers", limit=page_limit()))
