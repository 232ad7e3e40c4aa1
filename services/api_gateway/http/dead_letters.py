"""Dead letters: look at them, replay them, discard them."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from services.api_gateway.http.auth import Guard
from services.api_gateway.http.bodies import read, read_query
from services.api_gateway.http.describing import described
from shared.contracts.admin.base import Limit
from shared.contracts.admin.instance import DeadLetterList, Replayed, ReplayWish
from shared.runtime.bus.dead_letters import DeadLetters


def doors(letters: DeadLetters, guard: Guard) -> Blueprint:
    """The three operations."""
    api = Blueprint("dead_letters", __name__, url_prefix="/api/v1/dead-letters")

    @api.get("")
    @guard.requires("view")
    @described(query=Limit, answers={200: DeadLetterList})
    def list_letters() -> Response:
        """List messages that could not be handled, oldest first."""
        return jsonify({"items": letters.list(read_query(Limit).limit)})

    @api.post("/replay")
    @guard.requires("administer")
    @described(body=ReplayWish, answers={200: Replayed})
    def replay() -> Response:
        """Hand one dead letter, or all, back to their queues."""
        return jsonify({"replayed": letters.replay(read(ReplayWish).id)})

    @api.delete("/<letter_id>")
    @guard.requires("administer")
    @described(answers={204: None})
    def discard(letter_id: str) -> tuple[str, int]:
        """Remove a dead letter for good."""
        letters.discard(letter_id)
        return "", 204

    return api
