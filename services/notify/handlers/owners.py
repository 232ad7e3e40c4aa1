"""In whose name subscriptions are: these may do so still, or nothing is sent any more."""

from __future__ import annotations

from dataclasses import dataclass, replace

from services.notify.domain.channels import Secrets
from services.notify.domain.subscriptions import Changed, Reason, Subscription, SubscriptionState, disabled
from services.notify.handlers.telling import Clock
from services.notify.ports import People, Standing, Subscriptions
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
        reason = _reason(standing)
        if reason:
            log.warning("subscription_disabled", subscription_id=subscription.subscription_id, reason=reason.value)
            self.subscriptions.change(subscription.subscription_id, lambda kept, _secrets: disabled(kept, reason, self.clock()))
            return True
        within = standing.within if standing else None
        if within is None or (subscription.within is not None and subscription.within <= within):
            return False

        def narrowed(kept: Subscription, _secrets: Secrets) -> Changed:
            return Changed(replace(kept, within=within if kept.within is None else kept.within & within))

        self.subscriptions.change(subscription.subscription_id, narrowed)
        return True


def _reason(standing: Standing | None) -> Reason | None:
    if standing is None or not standing.is_active:
        return Reason.OWNER_GONE
    return None if standing.may else Reason.OWNER_MAY_NOT
