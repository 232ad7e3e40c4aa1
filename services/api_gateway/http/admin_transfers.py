"""The Admin API's transfers: what is moved to here, what waits, and whose turn it is."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g, jsonify

from services.api_gateway.http.auth import Guard
from services.api_gateway.http.bodies import read, read_query
from services.api_gateway.http.describing import described
from services.api_gateway.http.versioned import changes, shows
from services.api_gateway.ports import Services
from shared.contracts.admin.mesh import Transfer, TransferList, TransferQuery, TransferWish
from shared.core.versions import TRANSFER


def doors(services: Services, guard: Guard) -> Blueprint:
    """All of them."""
    api = Blueprint("transfers", __name__)
    _looking(api, services, guard)
    _changing(api, services, guard)
    return api


def _looking(api: Blueprint, services: Services, guard: Guard) -> None:
    @api.get("/transfers")
    @guard.requires("view")
    @described(query=TransferQuery, answers={200: TransferList})
    def list_transfers() -> Response:
        """List what is moved to here, newest first."""
        asked = read_query(TransferQuery)
        found = services.call(
            "replication", "list_transfers", limit=asked.limit, after=asked.after, states=list(asked.state), name=asked.name
        )
        return jsonify(found)

    @api.get("/transfers/<transfer_id>")
    @guard.requires("view")
    @shows(TRANSFER)
    @described(answers={200: Transfer})
    def show_transfer(transfer_id: str) -> Response:
        """Show a transfer."""
        return jsonify(services.call("replication", "show_transfer", transfer_id=transfer_id))


def _changing(api: Blueprint, services: Services, guard: Guard) -> None:
    def asked(method: str, transfer_id: str, **wish: Any) -> Response:
        return jsonify(services.call("replication", method, transfer_id=transfer_id, person=g.person, expected=g.expected, **wish))

    @api.patch("/transfers/<transfer_id>")
    @guard.requires("administer")
    @changes(TRANSFER)
    @described(body=TransferWish, answers={200: Transfer})
    def change_transfer(transfer_id: str) -> Response:
        """Give a transfer another turn, from its next slice on."""
        return asked("prioritise_transfer", transfer_id, priority=read(TransferWish).priority)

    @api.post("/transfers/<transfer_id>/pause")
    @guard.requires("administer")
    @changes(TRANSFER)
    @described(answers={200: Transfer})
    def pause_transfer(transfer_id: str) -> Response:
        """Pause a transfer: slices under way are finished, and no others begin until it is resumed."""
        return asked("pause_transfer", transfer_id)

    @api.post("/transfers/<transfer_id>/resume")
    @guard.requires("administer")
    @changes(TRANSFER)
    @described(answers={200: Transfer})
    def resume_transfer(transfer_id: str) -> Response:
        """Resume a transfer: it goes on with what is here. For one that was cancelled, another is planned."""
        return asked("resume_transfer", transfer_id)

    @api.post("/transfers/<transfer_id>/cancel")
    @guard.requires("administer")
    @changes(TRANSFER)
    @described(answers={200: Transfer})
    def cancel_transfer(transfer_id: str) -> Response:
        """Cancel a transfer: what is here of it is dropped, and its package is not fetched here until it is resumed."""
        return asked("cancel_transfer", transfer_id)
