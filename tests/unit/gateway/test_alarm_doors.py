"""Claims about the door to the alarms: those of all services are one list, and who did not say is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from shared.core.errors import ServiceUnavailable
from tests.unit.gateway.gateway_fakes import ToldServices, a_gateway


def an_alarm(kind: str, since: str) -> dict[str, Any]:
    """As a service tells it."""
    return {"kind": kind, "about": "one", "severity": "warning", "detail": "Why.", "since": since, "repeated": 0}


def test_the_alarms_of_all_services_are_one_list(tmp_path: Path) -> None:
    """Oldest first, each with who looked; a service that is silent is named."""
    principal = {"person": "ada", "person_id": "p", "token_id": "t", "session_id": None, "rights": {}, "within": None}
    services = ToldServices(
        directory__authorize=principal,
        storage__list_alarms={"items": [an_alarm("disk.low", "2026-11-03T12:00:00Z")]},
        replication__list_alarms={"items": [an_alarm("peer.lagging", "2026-11-03T11:00:00Z")]},
    )
    gateway = a_gateway(tmp_path, services)

    whole = gateway.ask("GET", "/api/v1/alarms", Authorization="Bearer x").get_json()
    services.answers["replication__list_alarms"] = ServiceUnavailable("away")
    partly = gateway.ask("GET", "/api/v1/alarms", Authorization="Bearer x").get_json()

    assert [(one["service"], one["kind"]) for one in whole["items"]] == [("replication", "peer.lagging"), ("storage", "disk.low")]
    assert (whole["silent"], partly["silent"]) == ([], ["replication"])
    assert [one["service"] for one in partly["items"]] == ["storage"]
