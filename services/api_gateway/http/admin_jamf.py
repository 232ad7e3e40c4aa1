"""The Admin API's doors to Jamf Pro, by the subscription that has it as its channel."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g, jsonify

from services.api_gateway.http.auth import Guard
from services.api_gateway.http.bodies import read, read_query
from services.api_gateway.http.describing import described
from services.api_gateway.ports import Services
from shared.contracts.admin.directory import Findings
from shared.contracts.admin.jamf import DriftPlace, JamfDriftPage, JamfWrites, PointWishBody, RecordWish

_LONGEST_SECONDS = 85
"""Longer than one conversation with Jamf Pro may last."""


def doors(services: Services, guard: Guard) -> Blueprint:
    """All of them."""
    api = Blueprint("jamf", __name__)
    _asking(api, services, guard)
    _writing(api, services, guard)
    return api


def _asker() -> dict[str, Any]:
    return {"by_id": g.principal["person_id"], "within": g.within, "_timeout_seconds": _LONGEST_SECONDS}


def _asking(api: Blueprint, services: Services, guard: Guard) -> None:
    @api.post("/subscriptions/<subscription_id>/jamf/test")
    @guard.requires("subscribe")
    @described(answers={200: Findings})
    def try_jamf(subscription_id: str) -> Response:
        """Try the connection to Jamf Pro step by step. Nothing is written there."""
        return jsonify(services.call("notify", "examine_jamf", subscription_id=subscription_id, **_asker()))

    @api.get("/subscriptions/<subscription_id>/jamf/drift")
    @guard.requires("subscribe")
    @described(query=DriftPlace, answers={200: JamfDriftPage})
    def compare_with_jamf(subscription_id: str) -> Response:
        """Compare the package records of Jamf Pro with the files here, a page at a time. Nothing is changed."""
        after = read_query(DriftPlace).after
        return jsonify(services.call("notify", "compare_with_jamf", subscription_id=subscription_id, after=after, **_asker()))


def _writing(api: Blueprint, services: Services, guard: Guard) -> None:
    @api.post("/subscriptions/<subscription_id>/jamf/distribution-point")
    @guard.requires("subscribe")
    @described(body=PointWishBody, answers={200: JamfWrites})
    def register_jamf_point(subscription_id: str) -> Response:
        """Make this instance an HTTPS-only distribution point in Jamf Pro. Done twice is done once."""
        wish = read(PointWishBody)
        return jsonify(services.call("notify", "register_jamf_point", subscription_id=subscription_id, dry_run=wish.dry_run, **_asker()))

    @api.post("/subscriptions/<subscription_id>/jamf/record")
    @guard.requires("subscribe")
    @described(body=RecordWish, answers={200: JamfWrites})
    def record_in_jamf(subscription_id: str) -> Response:
        """Make the record of one package in Jamf Pro right, or make it. Done twice is done once."""
        wish = read(RecordWish).model_dump()
        return jsonify(services.call("notify", "record_in_jamf", subscription_id=subscription_id, **wish, **_asker()))
