"""The Admin API's events: the catalogue of what can happen."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify

from services.api_gateway.http.auth import Guard
from services.api_gateway.http.describing import described
from shared.contracts.admin.events import EventTypeDescription, EventTypeList
from shared.contracts.catalogue import EventType, catalogue
from shared.core.errors import NotFound


def doors(guard: Guard) -> Blueprint:
    """The catalogue, and one event of it."""
    api = Blueprint("events", __name__)

    @api.get("/event-types")
    @guard.requires("view")
    @described(answers={200: EventTypeList})
    def list_event_types() -> Response:
        """List every event: what it means, who says it, who hears it."""
        return jsonify({"items": [_shown(one) for one in catalogue()]})

    @api.get("/event-types/<event_type>")
    @guard.requires("view")
    @described(answers={200: EventTypeDescription})
    def show_event_type(event_type: str) -> Response:
        """Show one event with the JSON schema of its data and an example."""
        found = next((one for one in catalogue() if one.type == event_type), None)
        if found is None:
            raise NotFound(f"there is no event {event_type[:80]!r}; GET /api/v1/event-types lists them")
        return jsonify(_shown(found) | {"exchange": found.exchange, "data_schema": found.data_schema, "example": found.example})

    return api


def _shown(one: EventType) -> dict[str, Any]:
    return {
        "type": one.type,
        "group": one.group,
        "meaning": one.meaning,
        "dispatched_by": one.source,
        "handled_by": one.handlers,
        "to_subscribers": one.to_subscribers,
        "right": one.right,
    }
