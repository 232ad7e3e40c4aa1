"""What the notify handlers need from outside."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from services.notify.domain.deliveries import Answer, Claim, Delivery, Outcome
from services.notify.domain.subscriptions import Subscription


class Subscriptions(Protocol):
    """Subscriptions, kept."""

    def add(self, subscription: Subscription, secret: str) -> None:
        """Keep a new one, its secret encrypted."""

    def all(self) -> Sequence[Subscription]:
        """All of them, newest first."""

    def remove(self, subscription_id: str) -> bool:
        """Forget one with its deliveries; False if it is not there."""


class Deliveries(Protocol):
    """Deliveries, kept until they are told."""

    def make(self, choose: Callable[[Sequence[Subscription]], Sequence[Delivery]]) -> int:
        """In one transaction: let `choose` see all subscriptions, keep what it wants delivered. Returns how many are new.

        There is one delivery for a subscription and an event; what is there already stays as it is.
        """

    def claim(self, now: dt.datetime, lease_until: dt.datetime) -> Claim | None:
        """Take a delivery that is due, if any, for this worker alone until `lease_until`; the try is counted.

        Not one of a subscription with a delivery under way: a receiver that hangs holds one worker. Fewer tries go
        first, so that receivers that are down yield to those that are not. Those whose secret cannot be read wait, and no
        try is counted.
        """

    def settle(self, claim: Claim, outcome: Outcome) -> bool:
        """Write what became of a claim; False, and nothing written, if another worker has claimed it since."""

    def newest(self, limit: int) -> Sequence[Delivery]:
        """Up to `limit` deliveries, newest first."""

    def prune(self, before: dt.datetime) -> int:
        """Forget deliveries made before that time, if they are not waiting. Returns how many."""

    def counts(self) -> dict[str, int]:
        """Numbers of `subscriptions`, `deliveries_waiting` and `deliveries_failed`."""


class Web(Protocol):
    """The way out, guarded."""

    def check(self, url: str) -> None:
        """Look where a URL leads now.

        Raises:
            InvalidInput: WEBHOOK_TARGET_FORBIDDEN, or WEBHOOK_TARGET_UNKNOWN if its name does not resolve.
        """

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Post, within time limits, without following redirects. Whatever goes wrong is an answer, not an error."""
