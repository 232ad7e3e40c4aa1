"""The Admin API's promotions: a package to the next stage; at once or at a time, with a second person's approval where that is set."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

from flask import Blueprint, Response, g, jsonify
from pydantic import AwareDatetime, Field, StringConstraints

from services.api_gateway.http.auth import Guard
from services.api_gateway.http.bodies import Body, page_limit, read
from services.api_gateway.ports import Services
from shared.core.times import rfc3339_or_none

_NO_REASON = "no reason given"
_FIRST, _LAST = dt.datetime(2000, 1, 1, tzinfo=dt.UTC), dt.datetime(2200, 1, 1, tzinfo=dt.UTC)
"""Times that can be meant; beyond, calendars and stamps end."""


class PromotionWish(Body):
    """Body of `POST /packages/<reference>/promote`. Without a stage, the next one; without a time, at once."""

    to: Annotated[str, StringConstraints(max_length=60)] | None = None
    at: Annotated[AwareDatetime, Field(ge=_FIRST, le=_LAST)] | None = None


class RejectionWish(Body):
    """Body of `POST /promotions/<id>/reject`."""

    reason: Annotated[str, StringConstraints(min_length=1, max_length=300)] = _NO_REASON


def doors(services: Services, guard: Guard) -> Blueprint:
    """The four operations."""
    api = Blueprint("staging", __name__)
    _asking(api, services, guard)
    _deciding(api, services, guard)
    return api


def _asking(api: Blueprint, services: Services, guard: Guard) -> None:
    @api.post("/packages/<reference>/promote")
    @guard.requires("administer")
    def promote(reference: str) -> tuple[Response, int]:
        wish = read(PromotionWish)
        at = rfc3339_or_none(wish.at)
        promotion = services.call("storage", "promote_package", reference=reference, stage=wish.to, at=at, person=g.person)
        return jsonify(promotion), 201

    @api.get("/promotions")
    @guard.requires("view")
    def list_promotions() -> Response:
        return jsonify(services.call("storage", "list_promotions", limit=page_limit()))


def _deciding(api: Blueprint, services: Services, guard: Guard) -> None:
    @api.post("/promotions/<promotion_id>/approve")
    @guard.requires("administer")
    def approve(promotion_id: str) -> Response:
        return jsonify(services.call("storage", "approve_promotion", promotion_id=promotion_id, person=g.person))

    @api.post("/promotions/<promotion_id>/reject")
    @guard.requires("administer")
    def reject(promotion_id: str) -> Response:
        reason = read(RejectionWish).reason
        return jsonify(services.call("storage", "reject_promotion", promotion_id=promotion_id, person=g.person, reason=reason))
