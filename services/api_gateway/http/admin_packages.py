"""The Admin API's packages: look, tag, delete, bring back, and which version of a name is current."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g, jsonify

from services.api_gateway.config import ApiGatewaySettings
from services.api_gateway.http import versions
from services.api_gateway.http.auth import Guard
from services.api_gateway.http.bodies import read, read_query
from services.api_gateway.http.describing import described
from services.api_gateway.http.keyed import keyed
from services.api_gateway.http.shown import Shown
from services.api_gateway.http.versioned import changes, shows
from services.api_gateway.ports import Services
from shared.contracts.admin.mesh import MatrixQuery
from shared.contracts.admin.packages import History, Package, PackageList, PackageQuery, Rollback, Tagging
from shared.core.versions import PACKAGE


def doors(services: Services, settings: ApiGatewaySettings, guard: Guard) -> Blueprint:
    """All of them. `reference` is a name or a package_id; a name has no slash, so it is one segment of the path."""
    api = Blueprint("packages", __name__)
    shown = Shown(settings)
    _looking(api, services, shown, guard)
    _changing(api, services, shown, guard)
    _versions(api, services, shown, guard)
    return api


def _looking(api: Blueprint, services: Services, shown: Shown, guard: Guard) -> None:
    @api.get("/packages")
    @guard.requires("view")
    @described(query=PackageQuery, answers={200: PackageList})
    def list_packages() -> Response:
        """List the packages that fit all filters; by name, unless another order is asked for."""
        return jsonify(shown.page(page_of_packages(services, read_query(PackageQuery))))

    @api.get("/packages/<name:reference>")
    @guard.requires("view")
    @shows(PACKAGE)
    @described(answers={200: Package})
    def show_package(reference: str) -> Response:
        """Show a package, by name or package_id."""
        return jsonify(shown.package(services.call("storage", "show_package", reference=reference)))

    @api.get("/names/<name>/history")
    @guard.requires("view")
    @described(answers={200: History})
    def list_history(name: str) -> Response:
        """List all that ever had a name, by falling precedence."""
        return jsonify(shown.page(services.call("storage", "list_history", name=name)))


def page_of_packages(services: Services, asked: PackageQuery | MatrixQuery) -> dict[str, Any]:
    """A page of packages, as storage has them."""
    page: dict[str, Any] = services.call(
        "storage", "list_packages", after=asked.after, limit=asked.limit, filters=asked.filters, sort=asked.sort
    )
    return page


def _changing(api: Blueprint, services: Services, shown: Shown, guard: Guard) -> None:
    @api.post("/packages/<reference>/tags")
    @guard.requires("tag")
    @changes(PACKAGE)
    @described(body=Tagging, answers={200: Package})
    def retag(reference: str) -> Response:
        """Replace all staging tags of a package."""
        wanted = read(Tagging).tags
        return jsonify(
            shown.package(
                services.call(
                    "storage", "retag_package", reference=reference, tags=wanted, person=g.person, within=g.within, expected=g.expected
                )
            )
        )

    @api.delete("/packages/<name:reference>")
    @guard.requires("delete")
    @changes(PACKAGE)
    @described(answers={200: Package})
    def delete(reference: str) -> Response:
        """Delete a package, everywhere; for some days it can be brought back."""
        return jsonify(
            shown.package(
                services.call("storage", "delete_package", reference=reference, person=g.person, within=g.within, expected=g.expected)
            )
        )

    @api.post("/packages/<reference>/undelete")
    @guard.requires("delete")
    @changes(PACKAGE)
    @described(answers={200: Package})
    def undelete(reference: str) -> Response:
        """Bring a deleted package back, everywhere."""
        return jsonify(
            shown.package(
                services.call("storage", "undelete_package", reference=reference, person=g.person, within=g.within, expected=g.expected)
            )
        )


def _versions(api: Blueprint, services: Services, shown: Shown, guard: Guard) -> None:
    @api.post("/packages/<reference>/raise")
    @guard.requires("raise")
    @changes(PACKAGE)
    @described(answers={200: Package})
    def raise_version(reference: str) -> Response:
        """Make a package current for its name, everywhere."""
        return jsonify(
            shown.package(
                services.call("storage", "raise_package", reference=reference, person=g.person, within=g.within, expected=g.expected)
            )
        )

    @api.post("/names/<name>/rollback")
    @guard.requires("raise")
    @keyed("see GET /api/v1/names/<name>/history")
    @described(body=Rollback, answers={200: Package})
    def roll_back(name: str) -> Response:
        """Make an earlier version of a name current again, everywhere."""
        wish = read(Rollback)
        history = services.call("storage", "list_history", name=name)["items"]
        chosen = versions.version_named(history, wish.to) if wish.to is not None else versions.version_before(history)
        return jsonify(shown.package(services.call("storage", "raise_package", reference=chosen, person=g.person, within=g.within)))
