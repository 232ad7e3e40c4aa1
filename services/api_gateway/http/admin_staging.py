"""The Admin API's promotions: a package to the next stage; at once or at a time, with a second person's approval where that is set."""

from __future__ import annotations

from flask import Blueprint, Response, g, jsonify

from services.api_gateway.http.auth import Guard
from services.api_gateway.http.bodies import read, read_query
from services.api_gateway.http.describing import described
from services.api_gateway.http.keyed import keyed
from services.api_gateway.http.versioned import changes, shows
from services.api_gateway.ports import Services
from shared.contracts.admin.packages import Promotion, PromotionList, PromotionQuery, PromotionWish, Rejection
from shared.core.times import rfc3339_or_none
from shared.core.versions import PROMOTION


def doors(services: Services, guard: Guard) -> Blueprint:
    """The four operations."""
    api = Blueprint("staging", __name__)
    _asking(api, services, guard)
    _deciding(api, services, guard)
    return api


def _asking(api: Blueprint, services: Services, guard: Guard) -> None:
    @api.post("/packages/<reference>/promote")
    @guard.requires("promote")
    @keyed("see GET /api/v1/promotions")
    @described(body=PromotionWish, answers={201: Promotion})
    def promote(reference: str) -> tuple[Response, int]:
        """Promote a package to a stage; at once or at a time, after approval where that is set."""
        wish = read(PromotionWish)
        at = rfc3339_or_none(wish.at)
        promotion = services.call("storage", "promote_package", reference=reference, stage=wish.to, at=at, person=g.person, within=g.within)
        return jsonify(promotion), 201

    @api.get("/promotions")
    @guard.requires("view")
    @described(query=PromotionQuery, answers={200: PromotionList})
    def list_promotions() -> Response:
        """List promotions, newest first."""
        asked = read_query(PromotionQuery)
        return jsonify(services.call("storage", "list_promotions", limit=asked.limit, after=asked.after, states=list(asked.state)))

    @api.get("/promotions/<promotion_id>")
    @guard.requires("view")
    @shows(PROMOTION)
    @described(answers={200: Promotion})
    def show_promotion(promotion_id: str) -> Response:
        """Show a promotion."""
        return jsonify(services.call("storage", "show_promotion", promotion_id=promotion_id))


def _deciding(api: Blueprint, services: Services, guard: Guard) -> None:
    @api.post("/promotions/<promotion_id>/approve")
    @guard.requires("approve")
    @changes(PROMOTION)
    @described(answers={200: Promotion})
    def approve(promotion_id: str) -> Response:
        """Approve a promotion that somebody else asked for."""
        return jsonify(
            services.call("storage", "approve_promotion", promotion_id=promotion_id, person=g.person, within=g.within, expected=g.expected)
        )

    @api.post("/promotions/<promotion_id>/reject")
    @guard.requires("approve")
    @changes(PROMOTION)
    @described(body=Rejection, answers={200: Promotion})
    def reject(promotion_id: str) -> Response:
        """Reject a promotion."""
        reason = read(Rejection).reason
        return jsonify(
            services.call(
                "storage",
                "reject_promotion",
                promotion_id=promotion_id,
                person=g.person,
                within=g.within,
                reason=reason,
                expected=g.expected,
            )
        )
