"""Promotions: a package to its next stage, with a second person's approval where the instance asks for it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from odst_client.operations import Group, operation, wish
from shared.contracts.admin.packages import Promotion, PromotionList, PromotionWish, Rejection


class Promotions(Group):
    """`client.promotions`."""

    @operation("POST", "/api/v1/packages/{reference}/promote", creates=True)
    def promote(self, reference: str, to: str | None = None, at: dt.datetime | None = None) -> Promotion:
        """Promote a package to the stage `to`, by default the one after its last; `at` a time with a zone, by default at once.

        Raises:
            CallFailed: STAGE_UNKNOWN, STAGE_UNCLEAR, ALREADY_THERE, TIME_INVALID, NOT_STEWARD.
        """
        return self._read(self.promote, Promotion, wish(PromotionWish, to=to, at=at), reference=reference)

    @operation("GET", "/api/v1/promotions")
    def page(self, after: str | None = None, limit: int | None = None, state: Sequence[str] = ()) -> PromotionList:
        """List promotions in one of these states, or in any, newest first: one page of at most `limit`."""
        return self._read(self.page, PromotionList, query={"after": after, "limit": limit, "state": state or None})

    def latest(self, limit: int | None = None, state: Sequence[str] = ()) -> list[Promotion]:
        """List promotions, newest first; at most `limit`."""
        return self.page(None, limit, state).items

    @operation("GET", "/api/v1/promotions/{promotion_id}")
    def show(self, promotion_id: str) -> Promotion:
        """Show a promotion."""
        return self._read(self.show, Promotion, promotion_id=promotion_id)

    @operation("POST", "/api/v1/promotions/{promotion_id}/approve")
    def approve(self, promotion_id: str, *, if_match: str | None = None) -> Promotion:
        """Approve a promotion that somebody else asked for.

        Raises:
            CallFailed: SAME_PERSON, PROMOTION_ENDED.
        """
        return self._read(self.approve, Promotion, if_match=if_match, promotion_id=promotion_id)

    @operation("POST", "/api/v1/promotions/{promotion_id}/reject")
    def reject(self, promotion_id: str, reason: str | None = None, *, if_match: str | None = None) -> Promotion:
        """Reject a promotion that has not been done; also one's own. The reason is kept.

        Raises:
            CallFailed: PROMOTION_ENDED.
        """
        return self._read(self.reject, Promotion, wish(Rejection, reason=reason), if_match=if_match, promotion_id=promotion_id)
