"""In whose name subscriptions are: these may do so still, or nothing is sent any more; and others may take them over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from services.notify.domain.channels import Secrets
from services.notify.domain.subscriptions import Changed, Reason, Subscription, SubscriptionState, disabled
from services.notify.handlers.describing import check_version, describe_subscription
from services.notify.handlers.telling import Clock
from services.notify.ports import People, Standing, Subscriptions
from shared.core.errors import Conflict, Forbidden
from shared.runtime.logging import get_logger

log = get_logger(__name__)
RIGHT = "subscribe"


@dataclass
class Owners:
    """Looks again and again what owners may do: so no word about them can be lost."""

    subscriptions: Subscriptions
    people: People
    clock: Clock

    def sweep(self) -> int:
        """Disable what is in the name of somebody who may not any more, narrow what is in the name of who is narrowed; how many changed.

        Raises:
            ServiceUnavailable: if directory does not answer; then all stays as it is.
        """
        living = [one for one in self.subscriptions.all() if one.state is not SubscriptionState.DISABLED]
        if not living:
            return 0
        standings = self.people.standings({one.owner for one in living}, RIGHT)
        return sum(self._adapt(one, standings.get(one.owner)) for one in living)

    def _adapt(self, subscription: Subscription, standing: Standing | None) -> bool:
        reason = reason_against(standing)
        if reason:
            log.warning("subscription_disabled", subscription_id=subscription.subscription_id, reason=reason.value)
            return self._change(subscription, lambda kept: disabled(kept, reason, self.clock()))
        within = standing.within if standing else None
        if within is None or (subscription.within is not None and subscription.within <= within):
            return False

        def narrowed(kept: Subscription) -> Changed:
            return Changed(replace(kept, within=within if kept.within is None else kept.within & within))

        return self._change(subscription, narrowed)

    def _change(self, seen: Subscription, change: Callable[[Subscription], Changed]) -> bool:
        """Change it, if it is still in the name of who was asked about."""

        def changed(kept: Subscription, _secrets: Secrets) -> Changed:
            return change(kept) if kept.owner == seen.owner else Changed(kept)

        self.subscriptions.change(seen.subscription_id, changed)
        return True

    def take_over(self, subscription_id: str, person: str, by_id: str | None, within: Any, expected: object = None) -> dict[str, Any]:
        """Put a subscription into the name of who asks. All else stays: the channel, its secrets, its limit, and that it is disabled.

        Raises:
            NotFound: if there is none.
            Forbidden: NOT_THE_OWNER, for somebody who is narrowed to staging tags.
            PreconditionFailed: if it has none of the versions that are `expected`.
        """
        if within is not None:
            raise Forbidden("your grant is narrowed to staging tags: subscriptions of others stay in their name", "NOT_THE_OWNER")

        def changed(kept: Subscription, _secrets: Secrets) -> Changed:
            check_version(expected, kept)
            return Changed(replace(kept, created_by=person, owner_id=by_id, changed=self.clock()))

        return describe_subscription(self.subscriptions.change(subscription_id, changed))


def check_owner(people: People, subscription: Subscription) -> None:
    """Refuse to go on in the name of somebody who may not.

    Raises:
        Conflict: OWNER_MAY_NOT.
        ServiceUnavailable: if directory does not answer.
    """
    reason = reason_against(people.standings({subscription.owner}, RIGHT).get(subscription.owner))
    if reason:
        raise Conflict(
            f"this subscription is in the name of {subscription.created_by!r}, who may not subscribe ({reason}): take it over first",
            "OWNER_MAY_NOT",
        )


def reason_against(standing: Standing | None) -> Reason | None:
    """Why nothing is sent in the name of somebody; none if they may be told."""
    if standing is None or not standing.is_active:
        return Reason.OWNER_GONE
    return None if standing.may else Reason.OWNER_MAY_NOT
