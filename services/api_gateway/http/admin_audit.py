"""The Admin API's audit log: look, export, check."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

from flask import Blueprint, Response, jsonify

from services.api_gateway.http import acts
from services.api_gateway.http.admin_peers import PEER_SECONDS
from services.api_gateway.http.auth import Guard
from services.api_gateway.http.bodies import read, read_query
from services.api_gateway.http.describing import described
from services.api_gateway.ports import Services
from shared.contracts.admin.audit import AcknowledgedRestore, AuditExportQuery, AuditPage, AuditQuery, AuditReport, AuditVerification

_PORTION = 500
"""Lines that are asked for at once: an export takes that much memory, and no more."""
_VERIFY_SECONDS = 60.0
_JSON_LINES, _CSV = "application/jsonl", "text/csv"
_COLUMNS = ("number", "time", "type", "source", "person", "subject", "correlation_id", "data", "hash")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A cell that begins so is computed by spreadsheets."""


def doors(services: Services, guard: Guard) -> Blueprint:
    """All of them."""
    api = Blueprint("audit", __name__)
    _looking(api, services, guard)
    _checking(api, services, guard)
    return api


def _looking(api: Blueprint, services: Services, guard: Guard) -> None:
    @api.get("/audit")
    @guard.requires("audit")
    @described(query=AuditQuery, answers={200: AuditPage})
    def list_audit() -> Response:
        """List the audit log, newest first."""
        asked = read_query(AuditQuery)
        return jsonify(services.call("directory", "list_audit", after=asked.after, limit=asked.limit, filters=asked.filters))

    @api.get("/audit/export")
    @guard.requires("audit")
    @described(query=AuditExportQuery, answers={200: (_JSON_LINES, _CSV)})
    def export_audit() -> Response:
        """Export the audit log, oldest first: JSON lines that can be checked offline, or CSV."""
        asked = read_query(AuditExportQuery)
        acts.about(**{"format": asked.format, **asked.filters})
        pages = _begun(_pages(services, asked.filters))
        lines = _as_csv(pages) if asked.format == "csv" else (f"{line}\n" for page in pages for line in page)
        media = _CSV if asked.format == "csv" else _JSON_LINES
        name = {"Content-Disposition": f'attachment; filename="odst-audit.{asked.format}"'}
        return Response(lines, headers=name, mimetype=media)


def _checking(api: Blueprint, services: Services, guard: Guard) -> None:
    @api.post("/audit/verify")
    @guard.requires("audit")
    @described(body=AuditVerification, answers={200: AuditReport})
    def verify_audit() -> Response:
        """Check a portion of the audit log: its chain, what is remembered of it here, and in the end what peers hold."""
        wish = read(AuditVerification)
        report = services.call("directory", "verify_audit", _timeout_seconds=_VERIFY_SECONDS, after=wish.after)
        if wish.witnesses and report["next"] is None:
            report |= {"witnesses": _witnesses(services)}
        return jsonify(report)

    @api.post("/audit/acknowledge-restore")
    @guard.requires("administer")
    @described(answers={200: AcknowledgedRestore})
    def acknowledge_restore() -> Response:
        """Say that the audit log was cut by a restored backup: it is guarded from its present end on, and this is written down in it."""
        found = services.call("directory", "acknowledge_restore")
        acts.about(f"entry {found['remembered']}", hash=found["hash"], ends_at=str(found["number"]))
        return jsonify(found)


def _witnesses(services: Services) -> list[dict[str, Any]]:
    asked = services.call("replication", "ask_witnesses", _timeout_seconds=PEER_SECONDS)["peers"]
    return [_witness(services, peer) for peer in asked]


def _witness(services: Services, peer: dict[str, Any]) -> dict[str, Any]:
    """What a peer holds, compared with the log."""
    held = [one | {"witness": peer["name"]} for one in peer["checkpoints"]]
    compared: dict[str, Any] = {"agree": 0, "faults": []}
    if held:
        compared = services.call("directory", "compare_checkpoints", _timeout_seconds=_VERIFY_SECONDS, checkpoints=held)
    if peer["state"] == "silent":
        state = "silent"
    elif not held:
        state = "holds_nothing"
    else:
        state = "contradicts" if compared["faults"] else "agrees"
    return {
        "peer_id": peer["peer_id"],
        "name": peer["name"],
        "state": state,
        "checkpoints": len(held),
        "newest": max((one["number"] for one in held), default=None),
        "faults": compared["faults"],
    }


def _pages(services: Services, filters: dict[str, str]) -> Iterator[list[str]]:
    after = None
    while True:
        page = services.call("directory", "export_audit", after=after, limit=_PORTION, filters=filters)
        yield page["lines"]
        after = page["next"]
        if after is None:
            return


def _begun(pages: Iterator[list[str]]) -> Iterator[list[str]]:
    """The same pages; the first one is asked for at once, so that a refusal still is an answer of its own."""
    first = next(pages)

    def go_on() -> Iterator[list[str]]:
        yield first
        yield from pages

    return go_on()


def _as_csv(pages: Iterator[list[str]]) -> Iterator[str]:
    yield _row(_COLUMNS)
    for page in pages:
        for line in page:
            document = json.loads(line)
            fields = document["entry"] | {"hash": document["hash"], "data": json.dumps(document["entry"]["data"], ensure_ascii=False)}
            yield _row([fields[name] for name in _COLUMNS])


def _row(values: Any) -> str:
    text = io.StringIO()
    csv.writer(text).writerow([_cell(value) for value in values])
    return text.getvalue().encode(errors="replace").decode()


def _cell(value: Any) -> Any:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
