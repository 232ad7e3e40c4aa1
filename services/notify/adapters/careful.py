"""Senders and composers of which nobody knows what they may raise: a message on which they fail must not come again for ever."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from services.notify.domain.channels import Channel, Message, Secrets
from services.notify.domain.deliveries import Answer, Claim
from services.notify.domain.digests import Digest
from services.notify.domain.subscriptions import Subscription
from services.notify.ports import Composer, Sender
from shared.core.errors import PermanentError
from shared.runtime.guarding import guarded


@dataclass(frozen=True)
class CarefulSender:
    """A `Sender` that keeps the promise that whatever goes wrong is an answer, but for what may pass: a database that is away."""

    sender: Sender

    def check(self, channel: Channel, secrets: Secrets) -> None:
        """As the sender does."""
        self.sender.check(channel, secrets)

    def send(self, claim: Claim) -> Answer:
        """As the sender does; where it fails, the receiver is not to blame."""
        about = {"delivery_id": claim.delivery.delivery_id, "kind": claim.delivery.kind}
        return guarded(lambda: self.sender.send(claim), lambda error: Answer(error=_said(error), is_well=True), **about)


@dataclass(frozen=True)
class CarefulComposer:
    """A `Composer` whose errors are known."""

    composer: Composer

    def compose(self, subscription: Subscription, digest: Digest, now: dt.datetime) -> Message:
        """As the composer does.

        Raises:
            PermanentError: MESSAGE_FAULTY, if it fails on it.
        """
        about = {"subscription_id": subscription.subscription_id, "digest_id": digest.digest_id}
        return guarded(lambda: self.composer.compose(subscription, digest, now), _raise, **about)


def _raise(error: Exception) -> Message:
    raise PermanentError(_said(error), "MESSAGE_FAULTY") from error


def _said(error: Exception) -> str:
    return f"this instance failed on it ({type(error).__name__}): its log says more"
