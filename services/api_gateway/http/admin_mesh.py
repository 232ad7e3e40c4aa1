"""The Admin API's view over instances: what is where, what would move and why, who is known, who did what."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g, jsonify, request

from services.api_gateway.config import ApiGatewaySettings
from services.api_gateway.http.admin_peers import PEER_SECONDS
from services.api_gateway.http.auth import Guard
from services.api_gateway.http.bodies import page_limit, split, whole_number
from services.api_gateway.http.shown import Shown
from services.api_gateway.ports import Services
from shared.core.errors import InvalidInput

_ROWS, _MOST_ROWS = 100, 200
"""Packages in a page of the matrix; peers are asked about that many at once."""


def doors(services: Services, settings: ApiGatewaySettings, guard: Guard) -> Blueprint:
    """All of them."""
    api = Blueprint("mesh", __name__)
    _views(api, services, settings, guard)
    _instances(api, services, guard)
    return api


def _views(api: Blueprint, services: Services, settings: ApiGatewaySettings, guard: Guard) -> None:
    shown = Shown(settings)

    @api.get("/matrix")
    @guard.requires("view")
    def matrix() -> Response:
        limit = whole_number("limit", _ROWS, 1, _MOST_ROWS)
        return jsonify(
            _matrix(services, shown.page(services.call("storage", "list_packages", after=request.args.get("after"), limit=limit)))
        )

    @api.get("/plan")
    @guard.requires("view")
    def plan() -> Response:
        reference, wanted = request.args.get("package"), request.args.get("tags")
        if reference is None and wanted is not None:
            raise InvalidInput("tags are those that one package would have: name it with `package`", "QUERY_INVALID")
        package_id = services.call("storage", "show_package", reference=reference)["package_id"] if reference is not None else None
        supposed = None if wanted is None else split(wanted)
        return jsonify(services.call("replication", "plan", _timeout_seconds=PEER_SECONDS, package_id=package_id, tags=supposed))


def _matrix(services: Services, page: dict[str, Any]) -> dict[str, Any]:
    """A page of packages, each with its state `at` every instance that is one of `instances`."""
    ids = [package["package_id"] for package in page["items"]]
    found = services.call("replication", "matrix", _timeout_seconds=PEER_SECONDS, package_ids=ids)
    rows = [package | {"at": found["packages"].get(package["package_id"], {})} for package in page["items"]]
    return page | {"instances": found["instances"], "items": rows}


def _instances(api: Blueprint, services: Services, guard: Guard) -> None:
    @api.get("/instances")
    @guard.requires("view")
    def list_instances() -> Response:
        return jsonify(services.call("storage", "list_instances"))

    @api.post("/instance/rotate-key")
    @guard.requires("administer")
    def rotate_key() -> Response:
        return jsonify(services.call("storage", "rotate_key", person=g.person))

    @api.get("/audit")
    @guard.requires("administer")
    def list_audit() -> Response:
        return jsonify(services.call("directory", "list_audit", after=request.args.get("after"), limit=page_limit()))
