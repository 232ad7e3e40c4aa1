"""Deliveries that are due are tried."""

from __future__ import annotations

import datetime as dt
import functools
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from services.notify.domain.deliveries import Answer, Claim
from services.notify.domain.judging import judge
from services.notify.domain.pace import Pace
from services.notify.handlers.telling import Clock
from services.notify.ports import Composers, Crew, Deliveries, Senders
from shared.core.errors import PermanentError

LONGEST_WAIT = dt.timedelta(days=30)
"""What a subscription that is paused, or whose secret cannot be read, has waiting does not wait for ever."""


@dataclass
class Delivering:
    """Tries deliveries. Any number of processes may do so side by side."""

    deliveries: Deliveries
    senders: Senders
    crew: Crew
    pace: Pace
    lease: dt.timedelta
    """How long a worker has for one try: longer than any conversation may last, connecting and resolving included."""
    clock: Clock
    jitter: Callable[[], float]
    """A random number from 0 to 1."""
    kept: dt.timedelta
    """How long events, and deliveries that have ended, are kept."""
    most_events: int
    """How many events are kept at most."""
    ring: Callable[[], None] = lambda: None
    """Wakes whoever calls `begin_due`."""
    composers: Composers = field(default_factory=dict)
    """Of kinds that collect."""
    _begun: dict[str, dt.datetime] = field(default_factory=dict)

    def begin_due(self) -> bool:
        """Begin what is due, as far as there is room; True if there may be more to begin at once."""
        now = self.clock()
        room = self.pace.room([(now - begun).total_seconds() for begun in self._begun.values()])
        if not room:
            return False  # whoever ends rings
        claims = self.deliveries.claim(now, now + self.lease, room)
        for claim in claims:
            self._begun[claim.subscription.subscription_id] = now
            self.crew.begin(functools.partial(self._beside, claim))
        return len(claims) == room

    def _beside(self, claim: Claim) -> None:
        try:
            self.attempt(claim)
        finally:
            self._begun.pop(claim.subscription.subscription_id, None)
            self.ring()

    def deliver_one(self) -> bool:
        """Try one delivery that is due, and wait for its end; False if there is none."""
        now = self.clock()
        found = self.deliveries.claim(now, now + self.lease, 1)
        for claim in found:
            self.attempt(claim)
        return bool(found)

    def attempt(self, claim: Claim) -> None:
        """Try what was claimed, and write down what came of it: also that no message could be made of it."""
        try:
            frozen = self._frozen(claim)
        except PermanentError as error:
            self._settle(claim, Answer(error=str(error), is_well=True))
            return
        if frozen:
            self._settle(frozen, self.senders[claim.delivery.kind].send(frozen))

    def _settle(self, claim: Claim, answer: Answer) -> None:
        self.deliveries.settle(claim, judge(claim, answer, self.clock(), self.jitter()))

    def _frozen(self, claim: Claim) -> Claim | None:
        """The claim with the message that goes out; none if it is another worker's by now."""
        composer = self.composers.get(claim.delivery.kind)
        if composer is None or claim.delivery.digest_id:
            return claim
        return self.deliveries.freeze(claim, str(uuid.uuid4()), lambda digest: composer.compose(claim.subscription, digest, claim.time))

    def prune(self) -> int:
        """Forget what is old, and let nothing wait for ever; how many deliveries are forgotten."""
        self.deliveries.put_right(self.clock())
        self.deliveries.give_up(self.clock() - max(self.kept, LONGEST_WAIT))
        return self.deliveries.prune(self.clock() - self.kept, self.most_events)
