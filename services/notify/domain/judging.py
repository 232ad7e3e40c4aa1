"""What follows from the answer to a try: for the delivery, and for the subscription.

A delivery is tried again by the schedule. Beside that, a receiver that failed is left alone for a time that doubles with each failure in
a row, whatever else waits for it: so one that hangs holds up nobody for long.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from services.notify.domain.deliveries import MAX_ERROR_CHARACTERS, Answer, Attempt, Claim, DeliveryState, Health, escaped
from services.notify.domain.schedule import DELAYS_SECONDS, next_attempt
from services.notify.domain.subscriptions import Changed, Reason, disabled

FIRST_REST_SECONDS, LONGEST_REST_SECONDS = 5.0, 300.0
FAILED_FOR = dt.timedelta(days=5)
FAILED_TIMES = len(DELAYS_SECONDS)
"""A receiver that only failed for so long, and so often, is disabled: not one that was tried twice, before this instance was off for days
(or its clock jumped) and after."""

MOST_PATIENCE = dt.timedelta(days=1)
"""What could not be tried for so long has failed like anything else."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What becomes of a delivery and its subscription after a try."""

    state: DeliveryState
    attempt: Attempt
    next_attempt: dt.datetime | None
    health: Health
    disabled: Changed | None = None
    """The subscription, if it is disabled; its other waiting deliveries fail."""
    counted: bool = True
    """False if this was no try: it is not kept as one."""
    untaken: bool = False
    """The message was certainly not taken."""


def judge(claim: Claim, answer: Answer, now: dt.datetime, jitter: float) -> Outcome:
    """What follows from the answer, which came `now`; `jitter` is a random number from 0 to 1."""
    attempt = _attempt(claim, answer, now)
    if answer.is_success:
        return Outcome(DeliveryState.DELIVERED, attempt, None, Health())
    if answer.not_yet_seconds is not None and now - claim.delivery.created < MOST_PATIENCE:
        again = now + dt.timedelta(seconds=answer.not_yet_seconds)
        return Outcome(DeliveryState.WAITING, attempt, again, claim.health, counted=False)
    health = _health(claim.health, answer, now)
    reason = _reason_to_disable(answer, health, now)
    if reason:
        return Outcome(DeliveryState.FAILED, attempt, None, health, disabled(claim.subscription, reason, now))
    if answer.is_final:
        return Outcome(DeliveryState.FAILED, attempt, None, health)
    then = next_attempt(claim.delivery.attempts, now, jitter, answer.retry_after_seconds)
    return Outcome(DeliveryState.WAITING if then else DeliveryState.FAILED, attempt, then, health, untaken=answer.is_untaken)


def _attempt(claim: Claim, answer: Answer, now: dt.datetime) -> Attempt:
    milliseconds = round((now - claim.time).total_seconds() * 1000)
    error = None if answer.error is None else escaped(answer.error, MAX_ERROR_CHARACTERS)
    return Attempt(claim.time, milliseconds, answer.status, error, answer.text)


def _health(health: Health, answer: Answer, now: dt.datetime) -> Health:
    if answer.is_well:
        return Health()
    return health if answer.not_yet_seconds is not None else _worse(health, answer, now)


def _worse(health: Health, answer: Answer, now: dt.datetime) -> Health:
    rest = min(LONGEST_REST_SECONDS, FIRST_REST_SECONDS * 2 ** min(health.failures, 10))
    until = now + dt.timedelta(seconds=max(rest, answer.retry_after_seconds))
    since = min(health.failing_since or now, now)  # a clock that went back
    return Health(health.failures + 1, since, until)


def _reason_to_disable(answer: Answer, health: Health, now: dt.datetime) -> Reason | None:
    if answer.is_gone:
        return Reason.RECEIVER_GONE
    failed_for_days = health.failing_since is not None and now - health.failing_since >= FAILED_FOR
    return Reason.RECEIVER_FAILED if failed_for_days and health.failures >= FAILED_TIMES else None
