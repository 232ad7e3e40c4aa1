"""Dead letters: look at them, replay them, discard them."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from services.api_gateway.http.auth import Guard
from services.api_gateway.http.bodies import Body, read, whole_number
from shared.runtime.bus.dead_letters import DeadLetters


class ReplayWish(Body):
    """Body of `POST /dead-letters/replay`."""

    id: str | None = None


def doors(letters: DeadLetters, guard: Guard) -> Blueprint:
    """The three operations."""
    api = Blueprint("dead_letters", __name__, url_prefix="/api/v1/dead-letters")

    @api.get("")
    @guard.requires("view")
    def list_letters() -> Response:
        return jsonify({"items": letters.list(whole_number("limit", 100, 1, 1000))})

    @api.post("/replay")
    @guard.requires("administer")
    def replay() -> Response:
        return jsonify({"replayed": letters.replay(read(ReplayWish).id)})

    @api.delete("/<letter_id>")
    @guard.requires("administer")
    def discard(letter_id: str) -> tuple[str, int]:
        letters.discard(letter_id)
        return "", 204

    return api
