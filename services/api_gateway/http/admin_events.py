"""The Admin API's events: live, and the catalogue of what can happen."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g, jsonify, request

from services.api_gateway.http.auth import Guard
from services.api_gateway.http.bodies import read_query, split
from services.api_gateway.http.closing import CONNECTION, GOES_ON
from services.api_gateway.http.describing import STREAM, described
from services.api_gateway.live.live import Live, Way
from services.api_gateway.live.wishes import Allowed, Wish
from shared.contracts.admin.events import EventsQuery, EventTypeDescription, EventTypeList
from shared.contracts.catalogue import EventType, catalogue
from shared.contracts.events import ALL
from shared.contracts.patterns import checked_patterns
from shared.core.errors import InvalidInput, NotFound

_HEADERS = {"Content-Type": STREAM, "Cache-Control": "no-store", "X-Accel-Buffering": "no", "Connection": "close"}
_LAST = "Last-Event-ID"
_MOST_WISHES = 100


def doors(live: Live, guard: Guard) -> Blueprint:
    """The stream, the catalogue, and one event of it."""
    api = Blueprint("events", __name__, url_prefix="/api/v1")
    _stream(api, live, guard)
    _catalogue(api, guard)
    return api


def _stream(api: Blueprint, live: Live, guard: Guard) -> None:
    @api.get("/events")
    @guard.requires("view")
    @described(
        query=EventsQuery, answers={200: STREAM}, headers={_LAST: "the id of the last event that was received: those since then come first"}
    )
    def follow_events() -> Response:
        """Follow events as they happen: Server-Sent Events that do not end."""
        query = read_query(EventsQuery)
        allowed, wish, after = Allowed.to(g.principal), _wish(query), _after(query)
        connection = request.environ.get(CONNECTION)
        if not query.live or request.method != "GET" or connection is None or not live.running:
            return Response(live.known(allowed, wish, after), headers=_HEADERS)
        live.seat(allowed, wish, after, guard.credential(), Way(connection, request.environ["SERVER_PROTOCOL"] != "HTTP/1.0"))
        request.environ[GOES_ON] = True
        return Response(iter(()), headers=_HEADERS)


def _after(query: EventsQuery) -> str | None:
    # A browser that connects again asks for the same address, and says in the header what it has had since.
    return request.headers.get(_LAST, "").strip()[:200] or query.after


def _wish(query: EventsQuery) -> Wish:
    names, tags = split(query.names), split(query.tags)
    if len(names) > _MOST_WISHES or len(tags) > _MOST_WISHES:
        raise InvalidInput(f"names and tags are at most {_MOST_WISHES} each", "QUERY_INVALID")
    return Wish(checked_patterns(split(query.types), ALL) if query.types is not None else (), frozenset(names), frozenset(tags))


def _catalogue(api: Blueprint, guard: Guard) -> None:

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
