"""Claims about the door to the alarms: those of all services are one list, and who did not say is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shared.core.errors import NotFound, OdstError, ServiceUnavailable
from tests.unit.gateway.gateway_fakes import Asker, ToldServices, a_gateway

PRINCIPAL = {"person": "ada", "person_id": "p", "token_id": "t", "session_id": None, "rights": {}, "within": None}
NOTHING: dict[str, Any] = {"items": []}


def an_alarm(kind: str, since: str) -> dict[str, Any]:
    """As a service tells it."""
    return {"kind": kind, "about": "one", "severity": "warning", "detail": "Why.", "since": since, "repeated": 0}


@pytest.fixture
def services() -> ToldServices:
    """All that have alarms, two of them some."""
    return ToldServices(
        directory__authorize=PRINCIPAL,
        directory__list_alarms=NOTHING,
        notify__list_alarms=NOTHING,
        storage__list_alarms={"items": [an_alarm("disk.low", "2026-11-03T12:00:00Z")]},
        replication__list_alarms={"items": [an_alarm("peer.lagging", "2026-11-03T11:00:00Z")]},
    )


def asked(gateway: Asker) -> dict[str, Any]:
    """What the door answers."""
    answer = gateway.ask("GET", "/api/v1/alarms", Authorization="Bearer x")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.get_json()
    return found


def test_the_alarms_of_all_services_are_one_list(tmp_path: Path, services: ToldServices) -> None:
    """Oldest first, each with who looked."""
    whole = asked(a_gateway(tmp_path, services))

    assert [(one["service"], one["kind"]) for one in whole["items"]] == [("replication", "peer.lagging"), ("storage", "disk.low")]
    assert whole["silent"] == []


@pytest.mark.parametrize(
    "why", [ServiceUnavailable("away"), NotFound("directory has no RPC method 'list_alarms'"), OdstError("a defect", "INTERNAL")]
)
def test_who_did_not_say_is_named(tmp_path: Path, services: ToldServices, why: OdstError) -> None:
    """Because it is away, is older than the question, or failed; what the others said is answered all the same."""
    services.answers["directory__list_alarms"] = why

    partly = asked(a_gateway(tmp_path, services))

    assert partly["silent"] == ["directory"]
    assert [one["service"] for one in partly["items"]] == ["replication", "storage"]
