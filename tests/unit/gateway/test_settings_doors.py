"""Claims about the door to the settings: what services say is one list, and where they differ is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from services.api_gateway.http.admin_settings import merged
from shared.contracts.rpc import ANSWERS
from shared.core.errors import ServiceUnavailable
from tests.unit.gateway.gateway_fakes import ToldServices, a_gateway


def a_setting(key: str, value: str | None, origin: str = "default") -> dict[str, Any]:
    """As a service tells it."""
    return {"key": key, "value": value, "default": "10", "origin": origin, "unit": "s", "meaning": "How often.", "secret": False}


def told(*settings: dict[str, Any], unknown: tuple[str, ...] = ()) -> dict[str, Any]:
    """A service's answer."""
    return {"items": list(settings), "unknown": list(unknown)}


def test_where_services_differ_each_ones_value_is_told() -> None:
    """One was not started again; another origin of the same value is no difference."""
    answered = {
        "storage": told(a_setting("sweep_seconds", "10"), a_setting("stale_seconds", "20")),
        "notify": told(a_setting("sweep_seconds", "3", "environment ODST_SWEEP_SECONDS"), a_setting("stale_seconds", "20", "file x")),
    }

    stale, sweep = merged(answered)

    assert (sweep["name"], sweep["value"], sweep["services"], sweep["differs"]) == ("ODST_SWEEP_SECONDS", "10", ["storage", "notify"], True)
    assert [(one["service"], one["value"]) for one in sweep["in_services"]] == [("storage", "10"), ("notify", "3")]
    assert (stale["differs"], stale["in_services"]) == (False, [])


def test_a_variable_that_no_service_knows_is_a_typing_error(tmp_path: Path) -> None:
    """One that only another service knows is none; a service that is silent is named, and then nobody can say."""
    answers: dict[str, Any] = {f"{service}__list_settings": told() for service in ANSWERS}
    answers["storage__list_settings"] = told(a_setting("trash_seconds", "1"), unknown=("swep_seconds", "poll_seconds"))
    answers["replication__list_settings"] = told(a_setting("poll_seconds", "1"), unknown=("swep_seconds", "trash_seconds"))
    principal = {"person": "ada", "person_id": "p", "token_id": "t", "session_id": None, "rights": {}, "within": None}
    services = ToldServices(directory__authorize=principal, **answers)
    gateway = a_gateway(tmp_path, services)

    whole = gateway.ask("GET", "/api/v1/settings", Authorization="Bearer x").get_json()
    services.answers["notify__list_settings"] = ServiceUnavailable("away")
    partly = gateway.ask("GET", "/api/v1/settings", Authorization="Bearer x").get_json()

    assert (whole["unknown"], whole["silent"]) == (["ODST_SWEP_SECONDS"], [])
    assert (partly["unknown"], partly["silent"]) == ([], ["notify"])
    assert services.arguments("directory", "authorize")[0]["right"] == "audit"
    assert {"api_gateway"} == {one for item in whole["items"] if item["name"] == "ODST_LISTEN" for one in item["services"]}
