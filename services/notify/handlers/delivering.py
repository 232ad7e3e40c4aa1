"""Deliveries that are due are tried."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

from services.notify.domain.deliveries import Claim
from services.notify.domain.judging import judge
from services.notify.handlers.telling import Clock
from services.notify.ports import Deliveries, Senders

LEASE = dt.timedelta(seconds=90)
"""How long a worker has for one try: longer than any conversation may last, connecting and resolving included."""


@dataclass
class Delivering:
    """Tries deliveries. Any number of workers may do so side by side."""

    deliveries: Deliveries
    senders: Senders
    clock: Clock
    jitter: Callable[[], float]
    """A random number from 0 to 1."""
    kept: dt.timedelta
    """How long events, and deliveries that have ended, are kept."""
    most_events: int
    """How many events are kept at most."""

    def deliver_one(self) -> bool:
        """Try one delivery that is due; False if there is none."""
        now = self.clock()
        found = self.deliveries.claim(now, now + LEASE, 1)
        for claim in found:
            self.attempt(claim)
        return bool(found)

    def attempt(self, claim: Claim) -> None:
        """Try what was claimed, and write down what came of it."""
        answer = self.senders[claim.delivery.kind].send(claim)
        self.deliveries.settle(claim, judge(claim, answer, self.clock(), self.jitter()))

    def prune(self) -> int:
        """Forget what is old; how many deliveries."""
        return self.deliveries.prune(self.clock() - self.kept, self.most_events)
