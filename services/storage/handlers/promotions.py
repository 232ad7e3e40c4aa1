"""Promotions: a package to its next stage, at once or at a time, with a second person's approval where that is asked for."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from typing import Any

from services.storage.domain.listing import Newest
from services.storage.domain.narrowing import Within
from services.storage.domain.package import Package
from services.storage.domain.promotion import Promotion, PromotionState
from services.storage.handlers.describing import find_package
from services.storage.handlers.stewarding import StewardHandlers
from services.storage.ports import Catalogue, Changes, Clock, People
from shared.contracts import events
from shared.core.errors import Conflict, Forbidden, InvalidInput, NotFound, PermanentError, ServiceUnavailable
from shared.core.meta import MetaField
from shared.core.times import rfc3339, rfc3339_or_none
from shared.core.versions import PROMOTION, check_expected
from shared.runtime.logging import get_logger

log = get_logger(__name__)
_LONGEST_WAIT = dt.timedelta(days=366)


@dataclass
class PromotionHandlers:
    """From a wish to a tag."""

    catalogue: Catalogue
    clock: Clock
    stewards: StewardHandlers
    people: People

    def promote(self, reference: str, stage: str | None, at: str | None, person: str, within: object = None) -> dict[str, Any]:
        """Ask for a promotion; without a stage, to the one after the package's present stage.

        `within` are the tags that this person may add, if not all.

        Raises:
            InvalidInput: STAGE_UNKNOWN, or TIME_INVALID.
            Conflict: STAGE_UNCLEAR, if there is no next one, or the package goes everywhere already; ALREADY_THERE; PACKAGE_DELETED.
            Forbidden: OUTSIDE_GRANT.
        """
        package, now, narrow = find_package(self.catalogue, reference), self.clock(), Within.read(within)
        wanted = self._stage(package, stage)
        due = _read_time(at, now)
        waits = wanted in self.stewards.approval_stages
        state = PromotionState.WAITS_FOR_APPROVAL if waits else PromotionState.SCHEDULED
        promotion = Promotion(str(uuid.uuid4()), package.package_id, package.name, wanted, person, now, due, state)
        with self.catalogue.changing() as changes:
            present = (changes.package(package.package_id) or package).tags
            narrow.check_retag(present, present | {wanted})
            changes.save_promotion(promotion)
            changes.dispatch(_requested(promotion))
        log.info("promotion_requested", promotion_id=promotion.promotion_id, name=package.name, stage=wanted, person=person)
        return describe_promotion(self._done_if_due(promotion, person))

    def _stage(self, package: Package, stage: str | None) -> str:
        stages = self.stewards.stages
        wanted = stage or stages.after(package.tags)
        if wanted is None:
            known = ", ".join(stages.names)
            raise Conflict(f"{package.name} has no stage after its present one: name the stage, one of {known}", "STAGE_UNCLEAR")
        stages.check([wanted])
        if wanted in package.tags:
            raise Conflict(f"{package.name} has the stage {wanted} already", "ALREADY_THERE")
        _check_can_widen(package)
        return wanted

    def approve(self, promotion_id: str, person: str, within: object = None, expected: object = None) -> dict[str, Any]:
        """A second person agrees.

        Raises:
            NotFound: if there is no such promotion.
            Conflict: PROMOTION_ENDED.
            PreconditionFailed: if it has none of the versions that are `expected`.
            Forbidden: SAME_PERSON; OUTSIDE_GRANT, if the stage is not one of those `within`.
        """
        narrow = Within.read(within)
        with self.catalogue.changing() as changes:
            promotion = _existing(changes, promotion_id)
            check_expected(expected, describe_promotion(promotion), PROMOTION)
            narrow.check_stage(promotion.stage)
            promotion = promotion.approved(person)
            changes.save_promotion(promotion)
        log.info("promotion_approved", promotion_id=promotion_id, person=person)
        try:
            return describe_promotion(self._done_if_due(promotion, person))
        except ServiceUnavailable:
            return describe_promotion(promotion)  # the sweep will ask whether whoever asked for it still may

    def reject(self, promotion_id: str, person: str, reason: str, within: object = None, expected: object = None) -> dict[str, Any]:
        """It is not to be; whoever asked may take it back this way too.

        Raises:
            NotFound: if there is no such promotion.
            Conflict: PROMOTION_ENDED.
            PreconditionFailed: if it has none of the versions that are `expected`.
            Forbidden: OUTSIDE_GRANT.
        """
        narrow = Within.read(within)
        with self.catalogue.changing() as changes:
            promotion = _existing(changes, promotion_id)
            check_expected(expected, describe_promotion(promotion), PROMOTION)
            narrow.check_stage(promotion.stage)
            promotion = promotion.rejected(person, reason, self.clock())
            changes.save_promotion(promotion)
            changes.dispatch(_ended(promotion))
        return describe_promotion(promotion)

    def listed(self, limit: int, after: str | None = None, states: Collection[str] = ()) -> dict[str, Any]:
        """A page of promotions in one of these states, or in any; newest first.

        Raises:
            InvalidInput: CURSOR_INVALID.
        """
        items, following = self.catalogue.promotions(Newest(frozenset(states)), after, max(1, min(1000, limit)))
        return {"items": [describe_promotion(one) for one in items], "next": following}

    def show(self, promotion_id: str) -> dict[str, Any]:
        """One of them.

        Raises:
            NotFound: if there is no such promotion.
        """
        return describe_promotion(_existing(self.catalogue, promotion_id))

    def sweep(self) -> None:
        """Do what is due.

        Raises:
            ServiceUnavailable: if directory does not say whether people still may; the next sweep asks again.
        """
        for promotion in self.catalogue.due_promotions(self.clock()):
            self._done_if_due(promotion)

    def _done_if_due(self, promotion: Promotion, caller: str | None = None) -> Promotion:
        """`caller` was just let in for this, and is not asked about."""
        if promotion.state is not PromotionState.SCHEDULED or promotion.due > self.clock():
            return promotion
        lost = self._lost_right(promotion, caller)
        if lost is not None:
            return self._failed(promotion, f"{Forbidden.default_code}: {lost}")
        try:
            return self._ended(promotion.promotion_id, self._write)
        except PermanentError as error:
            return self._failed(promotion, f"{error.code}: {error}")

    def _lost_right(self, promotion: Promotion, caller: str | None) -> str | None:
        """Why it is not to be done: who asked, or who approved, may no longer."""
        asked = ((promotion.requested_by, "promote"), (promotion.approved_by, "approve"))
        reasons = (self.people.why_not(person, right, promotion.stage) for person, right in asked if person and person != caller)
        return next((reason for reason in reasons if reason is not None), None)

    def _failed(self, promotion: Promotion, reason: str) -> Promotion:
        return self._ended(promotion.promotion_id, lambda _, one: one.ended_as(PromotionState.FAILED, self.clock(), reason[:500]))

    def _ended(self, promotion_id: str, end: Callable[[Changes, Promotion], Promotion]) -> Promotion:
        """End a promotion in one transaction, unless somebody else, who may have rejected it, was first."""
        with self.catalogue.changing() as changes:
            present = _existing(changes, promotion_id)
            if present.state is not PromotionState.SCHEDULED:
                return present
            ended = end(changes, present)
            changes.save_promotion(ended)
            changes.dispatch(_ended(ended))
        log.info("promotion_ended", promotion_id=ended.promotion_id, name=ended.name, stage=ended.stage, state=ended.state.value)
        return ended

    def _write(self, changes: Changes, promotion: Promotion) -> Promotion:
        person = f"{promotion.requested_by}, approved by {promotion.approved_by}" if promotion.approved_by else promotion.requested_by
        tags = partial(_tags_with, stage=promotion.stage)
        self.stewards.write_within(changes, promotion.package_id, MetaField.TAGS, tags, person[:120])
        return promotion.ended_as(PromotionState.DONE, self.clock())


def _check_can_widen(package: Package) -> None:
    """A promotion lets more instances have a package; it must not take it from any."""
    if package.deleted:
        raise Conflict(f"{package.name} is deleted: undelete it first", "PACKAGE_DELETED")
    if not package.tags:
        raise Conflict(f"{package.name} has no stage, so it goes to every instance already: give it tags, to restrict it", "STAGE_UNCLEAR")


def _tags_with(package: Package, stage: str) -> tuple[str, ...]:
    _check_can_widen(package)
    return tuple(sorted(package.tags | {stage}))


def _existing(kept: Catalogue | Changes, promotion_id: str) -> Promotion:
    promotion = kept.promotion(promotion_id)
    if promotion is None:
        raise NotFound(f"there is no promotion {promotion_id[:40]!r}")
    return promotion


def _read_time(text: str | None, now: dt.datetime) -> dt.datetime:
    if text is None:
        return now
    try:
        time = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput(f"{text[:40]!r} is no time: write it as 2026-12-01T02:00:00+01:00", "TIME_INVALID") from error
    if time.tzinfo is None:
        raise InvalidInput(f"{text[:40]!r} names no time zone: end it with Z or an offset such as +01:00", "TIME_INVALID")
    if not now - dt.timedelta(minutes=5) <= time <= now + _LONGEST_WAIT:
        raise InvalidInput("the time must be within a year from now", "TIME_INVALID")
    return time.astimezone(dt.UTC)


def _requested(promotion: Promotion) -> events.PromotionRequestedV1:
    return events.PromotionRequestedV1(
        promotion_id=promotion.promotion_id,
        package_id=promotion.package_id,
        name=promotion.name,
        stage=promotion.stage,
        person=promotion.requested_by,
        state=promotion.state.value,
    )


def _ended(promotion: Promotion) -> events.PromotionEndedV1:
    return events.PromotionEndedV1(
        promotion_id=promotion.promotion_id,
        package_id=promotion.package_id,
        name=promotion.name,
        stage=promotion.stage,
        person=promotion.approved_by or promotion.requested_by,
        state=promotion.state.value,
        reason=promotion.reason,
    )


def describe_promotion(promotion: Promotion) -> dict[str, Any]:
    """A promotion as the Admin API shows it."""
    return {
        "promotion_id": promotion.promotion_id,
        "package_id": promotion.package_id,
        "name": promotion.name,
        "stage": promotion.stage,
        "state": promotion.state.value,
        "requested_by": promotion.requested_by,
        "requested": rfc3339(promotion.requested),
        "at": rfc3339(promotion.due),
        "approved_by": promotion.approved_by,
        "ended": rfc3339_or_none(promotion.ended),
        "reason": promotion.reason,
    }
