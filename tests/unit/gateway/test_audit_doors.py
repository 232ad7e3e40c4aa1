"""Claims about the Admin API's audit log: exports, and checks with witnesses."""

from __future__ import annotations

import csv
import io
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from shared.core.audit_chain import NOTHING, Link
from shared.core.errors import InvalidInput, ServiceUnavailable
from tests.unit.gateway.gateway_fakes import Asker, ToldServices, a_gateway

TOKEN = {"Authorization": "Bearer t"}
KNOWN = {"person": "ada", "role": "administrator", "token_id": "t1"}
PORTION = {"first": 1, "last": 9, "entries": 9, "checkpoints": 1, "other_keys": 0, "faults": [], "more_faults": 0}


def gateway(folder: Path, **answers: Any) -> Asker:
    """A gateway in front of these services."""
    return a_gateway(folder, ToldServices(directory__authorize=KNOWN, **answers))


def a_line(number: int, **fields: Any) -> str:
    """One entry of an export."""
    said = {"type": "x", "source": "y", "time": "2026", "correlation_id": "c", "event_id": f"e{number}", "person": None, "subject": None}
    return Link.made({"number": number, "previous": NOTHING, "data": {}, **said, **fields}).line


def paged(lines: list[str], asked: list[Any]) -> Any:
    """Two lines a page."""

    def export_audit(after: str | None, limit: int, filters: dict[str, str]) -> dict[str, Any]:
        asked.append((after, limit, filters))
        start = int(after or 0)
        return {"lines": lines[start : start + 2], "next": str(start + 2) if start + 2 < len(lines) else None}

    return export_audit


def test_an_export_is_the_very_lines_that_are_hashed(tmp_path: Path) -> None:
    """All pages of it, for what was looked for."""
    lines, asked = [a_line(number, person="Zo\N{LATIN SMALL LETTER E WITH DIAERESIS}") for number in range(1, 6)], list[Any]()
    door = gateway(tmp_path, directory__export_audit=paged(lines, asked))

    answer = door.client.get("/api/v1/audit/export?person=ada&type=act.*", headers=TOKEN)

    assert answer.text == "".join(f"{line}\n" for line in lines)
    assert answer.mimetype == "application/jsonl"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="odst-audit.jsonl"'
    assert asked == [(after, 500, {"person": "ada", "type": "act.*"}) for after in (None, "2", "4")]


@pytest.mark.parametrize("formula", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx"])
def test_a_spreadsheet_computes_nothing_that_somebody_wrote(tmp_path: Path, formula: str) -> None:
    """A cell that begins like a formula is a text."""
    door = gateway(tmp_path, directory__export_audit=paged([a_line(1, subject=formula, person='a "b", c')], []))

    answer = door.client.get("/api/v1/audit/export?format=csv", headers=TOKEN)

    (row,) = csv.DictReader(io.StringIO(answer.text, newline=""))
    assert (row["subject"], row["person"], row["number"]) == (f"'{formula}", 'a "b", c', "1")
    assert answer.mimetype == "text/csv"


def test_a_refused_export_is_an_answer_of_its_own(tmp_path: Path) -> None:
    """Not half a file."""
    door = gateway(tmp_path, directory__export_audit=InvalidInput("since is no time", "QUERY_INVALID"))

    for form in ("csv", "jsonl"):
        answer = door.client.get(f"/api/v1/audit/export?format={form}", headers=TOKEN)
        assert (answer.status_code, answer.json["code"]) == (400, "QUERY_INVALID")


def test_an_export_takes_no_more_memory_for_more_entries(tmp_path: Path) -> None:
    """One page at a time is in it, however many there are."""
    line = a_line(1, data={"x": "y" * 10_000})

    def export_audit(after: str | None, limit: int, filters: dict[str, str]) -> dict[str, Any]:  # noqa: ARG001 - as it is asked
        page = int(after or 0) + 1
        return {"lines": [line] * 100, "next": str(page) if page < 40 else None}

    door = gateway(tmp_path, directory__export_audit=export_audit)
    tracemalloc.start()
    length = sum(len(block) for block in door.client.get("/api/v1/audit/export", headers=TOKEN, buffered=False).response)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert length > 40_000_000
    assert peak < 10_000_000


def test_peers_are_asked_once_at_the_end_of_a_check(tmp_path: Path) -> None:
    """What each holds is compared; who is silent or holds nothing says nothing."""
    told = [{"number": 7, "hash": "a" * 64}, {"number": 9, "hash": "b" * 64}]
    peers = [
        {"peer_id": "K", "name": "Kiel", "state": "answered", "checkpoints": told},
        {"peer_id": "L", "name": "Lyon", "state": "answered", "checkpoints": told[:1]},
        {"peer_id": "P", "name": "Porto", "state": "answered", "checkpoints": []},
        {"peer_id": "O", "name": "Oslo", "state": "silent", "checkpoints": []},
    ]
    fault = {"kind": "rewritten", "first": 1, "last": 7, "detail": "Lyon has another hash"}

    def compare(checkpoints: list[dict[str, Any]]) -> dict[str, Any]:
        assert all(one["witness"] in ("Kiel", "Lyon") for one in checkpoints)
        return {"agree": 0, "faults": [fault] if checkpoints[0]["witness"] == "Lyon" else []}

    def verify(after: str | None) -> dict[str, Any]:
        return PORTION | {"next": None if after else "place"}

    door = gateway(
        tmp_path, directory__verify_audit=verify, directory__compare_checkpoints=compare, replication__ask_witnesses={"peers": peers}
    )
    wish = {"witnesses": True}
    first = door.client.post("/api/v1/audit/verify", json=wish, headers=TOKEN).json
    last = door.client.post("/api/v1/audit/verify", json=wish | {"after": "place"}, headers=TOKEN).json

    assert "witnesses" not in first
    assert [(one["name"], one["state"], one["newest"]) for one in last["witnesses"]] == [
        ("Kiel", "agrees", 9),
        ("Lyon", "contradicts", 7),
        ("Porto", "holds_nothing", None),
        ("Oslo", "silent", None),
    ]
    assert [one["faults"] for one in last["witnesses"]] == [[], [fault], [], []]


def test_a_check_without_witnesses_asks_nobody(tmp_path: Path) -> None:
    """Replication may be away."""
    door = gateway(tmp_path, directory__verify_audit=PORTION | {"next": None}, replication__ask_witnesses=ServiceUnavailable("away"))

    assert door.client.post("/api/v1/audit/verify", json={}, headers=TOKEN).status_code == 200
    assert door.client.post("/api/v1/audit/verify", json={"witnesses": True}, headers=TOKEN).status_code == 503
