"""The Admin API's doors to what is configured, and to who may do what by which role. They show; nothing is changed here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, jsonify

from services.api_gateway.config import ApiGatewaySettings
from services.api_gateway.http.asking import ask_all
from services.api_gateway.http.auth import Guard
from services.api_gateway.http.describing import described
from services.api_gateway.ports import Services
from shared.contracts.admin.settings import RoleList, SettingList
from shared.contracts.rpc import ANSWERS
from shared.runtime.settings import PREFIX

_SHARED = ("default", "unit", "meaning", "secret")


def doors(services: Services, settings: ApiGatewaySettings, guard: Guard) -> Blueprint:
    """Both."""
    api = Blueprint("settings", __name__)

    @api.get("/settings")
    @guard.requires("audit")
    @described(answers={200: SettingList})
    def list_settings() -> Response:
        """List the settings that each service goes by since it was started, where they came from, and where services differ."""
        answered = ask_all(services, "list_settings")[0] | {"api_gateway": settings.in_effect()}
        silent = sorted(set(ANSWERS) - set(answered))
        return jsonify({"items": merged(answered), "unknown": _unknown(answered), "silent": silent})

    @api.get("/roles")
    @guard.requires("view")
    @described(answers={200: RoleList})
    def list_roles() -> Response:
        """List the roles, and which rights each gives."""
        return jsonify(services.call("directory", "list_roles"))

    return api


def merged(answered: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What services go by, as one list by name."""
    by_key: dict[str, dict[str, dict[str, Any]]] = {}
    for service, found in answered.items():
        for item in found["items"]:
            by_key.setdefault(item["key"], {})[service] = item
    return [_merged(key, by_key[key]) for key in sorted(by_key)]


def _merged(key: str, items: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    first = next(iter(items.values()))
    differs = len({item["value"] for item in items.values()}) > 1
    each = [{"service": service, "value": item["value"], "origin": item["origin"]} for service, item in items.items()]
    return {
        "name": _variable(key),
        "value": first["value"],
        "origin": first["origin"],
        **{name: first[name] for name in _SHARED},
        "services": list(items),
        "differs": differs,
        "in_services": each if differs else [],
    }


def _unknown(answered: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What no service knows; while one is silent, nobody can say."""
    if set(ANSWERS) - set(answered):
        return []
    known = {item["key"] for found in answered.values() for item in found["items"]}
    return sorted({_variable(key) for found in answered.values() for key in found["unknown"] if key not in known})


def _variable(key: str) -> str:
    return f"{PREFIX}{key.upper()}"
