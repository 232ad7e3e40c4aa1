"""The Admin API's packages: look, tag, delete, bring back, and which version of a name is current."""

from __future__ import annotations

from typing import Annotated

from flask import Blueprint, Response, g, jsonify, request
from pydantic import StringConstraints

from services.api_gateway.config import ApiGatewaySettings
from services.api_gateway.http import versions
from services.api_gateway.http.auth import Guard
from services.api_gateway.http.bodies import Body, TagList, page_limit, read
from services.api_gateway.http.shown import Shown
from services.api_gateway.ports import Services


class TagsWish(Body):
    """Body of `POST /packages/<reference>/tags`: all that the package has from now on."""

    tags: TagList


class RollbackWish(Body):
    """Body of `POST /names/<name>/rollback`."""

    to: Annotated[str, StringConstraints(max_length=60)] | None = None


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
    def list_packages() -> Response:
        return jsonify(shown.page(services.call("storage", "list_packages", after=request.args.get("after"), limit=page_limit())))

    @api.get("/packages/<name:reference>")
    @guard.requires("view")
    def show_package(reference: str) -> Response:
        return jsonify(shown.package(services.call("storage", "show_package", reference=reference)))

    @api.get("/names/<name>/history")
    @guard.requires("view")
    def list_history(name: str) -> Response:
        return jsonify(shown.page(services.call("storage", "list_history", name=name)))


def _changing(api: Blueprint, services: Services, shown: Shown, guard: Guard) -> None:
    @api.post("/packages/<reference>/tags")
    @guard.requires("administer")
    def retag(reference: str) -> Response:
        wanted = read(TagsWish).tags
        return jsonify(shown.package(services.call("storage", "retag_package", reference=reference, tags=wanted, person=g.person)))

    @api.delete("/packages/<name:reference>")
    @guard.requires("administer")
    def delete(reference: str) -> Response:
        return jsonify(shown.package(services.call("storage", "delete_package", reference=reference, person=g.person)))

    @api.post("/packages/<reference>/undelete")
    @guard.requires("administer")
    def undelete(reference: str) -> Response:
        return jsonify(shown.package(services.call("storage", "undelete_package", reference=reference, person=g.person)))


def _versions(api: Blueprint, services: Services, shown: Shown, guard: Guard) -> None:
    @api.post("/packages/<reference>/raise")
    @guard.requires("administer")
    def raise_version(reference: str) -> Response:
        return jsonify(shown.package(services.call("storage", "raise_package", reference=reference, person=g.person)))

    @api.post("/names/<name>/rollback")
    @guard.requires("administer")
    def roll_back(name: str) -> Response:
        wish = read(RollbackWish)
        history = services.call("storage", "list_history", name=name)["items"]
        chosen = versions.version_named(history, wish.to) if wish.to is not None else versions.version_before(history)
        return jsonify(shown.package(services.call("storage", "raise_package", reference=chosen, person=g.person)))
