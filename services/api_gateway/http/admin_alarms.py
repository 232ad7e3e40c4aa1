"""The Admin API's door to what is the matter: the alarms of all services that have some."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify

from services.api_gateway.http.asking import ask_all
from services.api_gateway.http.auth import Guard
from services.api_gateway.http.describing import described
from services.api_gateway.ports import Services
from shared.contracts.admin.alarms import AlarmList


def doors(services: Services, guard: Guard) -> Blueprint:
    """One."""
    api = Blueprint("alarms", __name__)

    @api.get("/alarms")
    @guard.requires("view")
    @described(answers={200: AlarmList})
    def list_alarms() -> Response:
        """List what is the matter now, oldest first."""
        answered, silent = ask_all(services, "list_alarms")
        items: list[dict[str, Any]] = [{"service": service, **alarm} for service, found in answered.items() for alarm in found["items"]]
        return jsonify({"items": sorted(items, key=lambda alarm: alarm["since"]), "silent": silent})

    return api
