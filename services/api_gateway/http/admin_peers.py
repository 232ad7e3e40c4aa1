"""The Admin API's peers: invite, join, what a peer may see and do, revoke."""

from __future__ import annotations

from flask import Blueprint, Response, g, jsonify

from services.api_gateway.http.auth import Guard
from services.api_gateway.http.bodies import read
from services.api_gateway.http.describing import described
from services.api_gateway.http.keyed import keyed
from services.api_gateway.http.versioned import changes, shows
from services.api_gateway.ports import Services
from shared.contracts.admin.mesh import Invitation, InvitationWish, Joining, Peer, PeerChange, PeerList, Pulling
from shared.core.errors import InvalidInput
from shared.core.versions import PEER

PEER_SECONDS = 30.0
"""Longest wait for an answer of replication that asks other instances first."""


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
    @keyed("an invitation that nobody has expires by itself")
    @described(body=InvitationWish, answers={201: Invitation})
    def create_invitation() -> tuple[Response, int]:
        """Invite another instance; the answer holds a one-time secret, this once."""
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
    @keyed("see GET /api/v1/peers")
    @described(body=Joining, answers={201: Peer})
    def join() -> tuple[Response, int]:
        """Join the instance that made an invitation."""
        wish = read(Joining)
        return jsonify(services.call("replication", "join", _timeout_seconds=PEER_SECONDS, invitation=wish.invitation, tags=wish.tags)), 201


def _changing(api: Blueprint, services: Services, guard: Guard) -> None:
    @api.patch("/peers/<peer_id>")
    @guard.requires("administer")
    @changes(PEER)
    @described(body=PeerChange, answers={200: Peer})
    def change_peer(peer_id: str) -> Response:
        """Change what a peer may see and do."""
        wish = read(PeerChange)
        if wish.tags is None and wish.steward is None:
            raise InvalidInput("say what is to change: `tags`, `steward`, or both", "BODY_INVALID")
        return jsonify(
            services.call(
                "replication", "change_peer", peer_id=peer_id, tags=wish.tags, steward=wish.steward, person=g.person, expected=g.expected
            )
        )

    @api.delete("/peers/<peer_id>")
    @guard.requires("administer")
    @changes(PEER)
    @described(answers={204: None})
    def revoke_peer(peer_id: str) -> tuple[str, int]:
        """Revoke a peer: it is deaf and mute from now on."""
        services.call("replication", "revoke_peer", peer_id=peer_id, revoked_by=g.person, expected=g.expected)
        return "", 204


def _looking(api: Blueprint, services: Services, guard: Guard) -> None:
    @api.get("/peers")
    @guard.requires("view")
    @described(answers={200: PeerList})
    def list_peers() -> Response:
        """List the peers, with their lag and last contact."""
        return jsonify(services.call("replication", "list_peers"))

    @api.get("/peers/<peer_id>")
    @guard.requires("view")
    @shows(PEER)
    @described(answers={200: Peer})
    def show_peer(peer_id: str) -> Response:
        """Show a peer."""
        return jsonify(services.call("replication", "show_peer", peer_id=peer_id))

    @api.post("/peers/pull")
    @guard.requires("administer")
    @described(answers={202: Pulling})
    def pull() -> tuple[Response, int]:
        """Read the feeds of all peers now."""
        services.call("replication", "pull_now")
        return jsonify({"state": "pulling"}), 202
