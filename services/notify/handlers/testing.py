"""A message to try whether a subscriber can be reached: sent once, now, and kept nowhere."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

from services.notify.domain.channels import Told
from services.notify.domain.deliveries import Claim, Health
from services.notify.domain.judging import judge
from services.notify.domain.signing import message_id
from services.notify.handlers.describing import describe_attempt
from services.notify.handlers.subscribing import Subscribing
from services.notify.handlers.telling import delivery_of
from services.notify.handlers.waiting import Waiting
from services.notify.ports import Subscriptions

TEST_TYPE = "webhook.test"


@dataclass
class Testing:
    """Tries channels."""

    subscribing: Subscribing
    subscriptions: Subscriptions
    instance: str
    waiting: Waiting = field(default_factory=Waiting)

    def test(self, subscription_id: str, by_id: str | None, within: Any) -> dict[str, Any]:
        """Send a message of the type `webhook.test`, also to one that is paused or disabled; what came of it.

        `{message_id, delivered, time, milliseconds, status, error, answer}`. That nothing arrived is an answer, not an error.

        Raises:
            NotFound: if there is none.
            Forbidden: NOT_THE_OWNER.
            Locked: if it is being tested, or too many are.
        """
        subscription = self.subscribing.permitted(subscription_id, by_id, within)
        now, event_id = self.subscribing.clock(), str(uuid.uuid4())
        told = Told(event_id, TEST_TYPE, now, self.instance, {"subscription_id": subscription_id, "description": subscription.description})
        secrets = self.subscriptions.secrets_of(subscription_id)
        claim = Claim(delivery_of(subscription, told, now), subscription, Health(), 0, now, secrets)
        with self.waiting.for_(f"a test of {subscription_id}", alone=True):
            answer = self.subscribing.senders[subscription.channel.kind].send(claim)
        attempt = judge(claim, answer, self.subscribing.clock(), 0).attempt
        return {"message_id": message_id(event_id), "delivered": answer.is_success, **describe_attempt(attempt)}
