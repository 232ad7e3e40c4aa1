"""Claims about the doors of transfers: what each asks of replication."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.gateway.test_admin_doors import Door

ASKED = {"transfer_id": "t", "person": "ada", "expected": None}


@pytest.mark.parametrize(
    ("method", "path", "body", "asks", "arguments"),
    [
        (
            "GET",
            "/transfers?limit=3&after=k&state=moving,planned&state=done&name=a.pkg",
            None,
            "list_transfers",
            {"limit": 3, "after": "k", "states": ["moving", "planned", "done"], "name": "a.pkg"},
        ),
        ("GET", "/transfers/t", None, "show_transfer", {"transfer_id": "t"}),
        ("PATCH", "/transfers/t", {"priority": "high"}, "prioritise_transfer", {**ASKED, "priority": "high"}),
        ("POST", "/transfers/t/pause", {}, "pause_transfer", ASKED),
        ("POST", "/transfers/t/resume", {}, "resume_transfer", ASKED),
        ("POST", "/transfers/t/cancel", {}, "cancel_transfer", ASKED),
    ],
)
def test_a_door_asks_replication(tmp_path: Path, method: str, path: str, body: Any, asks: str, arguments: dict[str, Any]) -> None:  # noqa: PLR0913, PLR0917 - a case
    """In the name of whoever calls."""
    door = Door(tmp_path, **{f"replication__{asks}": {"transfer_id": "t"}})

    assert door.ask(method, path, body).json == {"transfer_id": "t"}
    assert door.services.arguments("replication", asks) == [arguments]


@pytest.mark.parametrize("body", [{}, {"priority": "urgent"}, {"priority": 1}, {"priority": "low", "more": 1}])
def test_a_priority_that_is_none_is_refused(tmp_path: Path, body: Any) -> None:
    """Before anybody is asked."""
    answer = Door(tmp_path).ask("PATCH", "/transfers/t", body)

    assert (answer.status_code, (answer.json or {})["code"]) == (400, "BODY_INVALID")
