"""The Admin API's view over instances: what is where, what would move and why, who is known."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g, jsonify

from services.api_gateway.config import ApiGatewaySettings
from services.api_gateway.http.admin_packages import page_of_packages
from services.api_gateway.http.admin_peers import PEER_SECONDS
from services.api_gateway.http.auth import Guard
from services.api_gateway.http.bodies import read_query, split
from services.api_gateway.http.describing import described
from services.api_gateway.http.keyed import keyed
from services.api_gateway.http.shown import Shown
from services.api_gateway.ports import Services
from shared.contracts.admin.mesh import InstanceList, Matrix, MatrixQuery, Plan, PlanQuery, Rotation
from shared.core.errors import InvalidInput


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
    @described(query=MatrixQuery, answers={200: Matrix})
    def matrix() -> Response:
        """Show a page of the packages that fit all filters, and where each of them is."""
        return jsonify(_matrix(services, shown.page(page_of_packages(services, read_query(MatrixQuery)))))

    @api.get("/plan")
    @guard.requires("view")
    @described(query=PlanQuery, answers={200: Plan})
    def plan() -> Response:
        """Say what will move and why; or what would, if a package had other tags."""
        asked = read_query(PlanQuery)
        reference, wanted = asked.package, asked.tags
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
    @described(answers={200: InstanceList})
    def list_instances() -> Response:
        """List all instances that said something of themselves, over any number of hops."""
        return jsonify(services.call("storage", "list_instances"))

    @api.post("/instance/rotate-key")
    @guard.requires("administer")
    @keyed("see GET /api/v1/status")
    @described(answers={200: Rotation})
    def rotate_key() -> Response:
        """Replace the key of this instance."""
        return jsonify(services.call("storage", "rotate_key", person=g.person))
