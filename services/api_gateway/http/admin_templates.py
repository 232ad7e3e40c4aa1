"""The Admin API's templates: how chats word events."""

from __future__ import annotations

from flask import Blueprint, Response, g, jsonify

from services.api_gateway.http.auth import Guard
from services.api_gateway.http.bodies import read
from services.api_gateway.http.describing import described
from services.api_gateway.ports import Services
from shared.contracts.admin.templates import Preview, PreviewWish, Template, TemplateWish


def doors(services: Services, guard: Guard) -> Blueprint:
    """All of them."""
    api = Blueprint("templates", __name__)

    @api.get("/templates/<kind>")
    @guard.requires("view")
    @described(answers={200: Template})
    def show_template(kind: str) -> Response:
        """Show how a kind of chat (`slack`, `teams`) words events."""
        return jsonify(services.call("notify", "show_template", kind=kind))

    @api.put("/templates/<kind>")
    @guard.requires("administer")
    @described(body=TemplateWish, answers={200: Template})
    def set_template(kind: str) -> Response:
        """Have it word events by another template, from the next message on."""
        source = read(TemplateWish).source
        return jsonify(services.call("notify", "set_template", kind=kind, source=source, person=g.person))

    @api.delete("/templates/<kind>")
    @guard.requires("administer")
    @described(answers={204: None})
    def reset_template(kind: str) -> tuple[str, int]:
        """Have it word events as built in again."""
        services.call("notify", "reset_template", kind=kind)
        return "", 204

    @api.post("/templates/<kind>/preview")
    @guard.requires("administer")
    @described(body=PreviewWish, answers={200: Preview})
    def preview_template(kind: str) -> Response:
        """Say what would be sent of the example of an event; nothing is sent."""
        wish = read(PreviewWish)
        return jsonify(services.call("notify", "preview_template", kind=kind, event_type=wish.event_type, source=wish.source))

    return api
