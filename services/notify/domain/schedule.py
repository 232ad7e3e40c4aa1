"""When to try again: the schedule that Standard Webhooks recommends, with jitter, never before a receiver's `Retry-After`."""

from __future__ import annotations

import datetime as dt
from email.utils import parsedate_to_datetime

_MINUTE, _HOUR = 60, 3600
DELAYS_SECONDS = (
    0,
    5,
    5 * _MINUTE,
    30 * _MINUTE,
    2 * _HOUR,
    5 * _HOUR,
    10 * _HOUR,
    14 * _HOUR,
    20 * _HOUR,
    24 * _HOUR,
)
"""The wait before each try; there are as many tries as entries."""
MAX_RETRY_AFTER_SECONDS = 24 * _HOUR
"""No receiver can make us wait longer."""
JITTER_SHARE = 0.1
"""By how much a wait is stretched at most, so that not all receivers are tried at once after an outage."""


def next_attempt(attempts: int, now: dt.datetime, jitter: float, retry_after: float = 0) -> dt.datetime | None:
    """When to try again after `attempts` tries, the last of them now; None if that was the last.

    `jitter` is a random number from 0 to 1; `retry_after` are the seconds that the receiver asks for.
    """
    if attempts >= len(DELAYS_SECONDS):
        return None
    wait = max(DELAYS_SECONDS[attempts], retry_after)
    return now + dt.timedelta(seconds=wait * (1 + JITTER_SHARE * jitter))


def retry_after_seconds(header: str | None, now: dt.datetime) -> float:
    """Seconds that a `Retry-After` header asks for (RFC 9110, 10.2.3: seconds or a date); 0 for none and for nonsense."""
    text = (header or "").strip()
    if text.isascii() and text.isdigit():
        return min(int(text[:9]), MAX_RETRY_AFTER_SECONDS)
    try:
        when = parsedate_to_datetime(text)
        seconds = (when.replace(tzinfo=when.tzinfo or dt.UTC) - now).total_seconds()
    except (ValueError, OverflowError):
        return 0
    return min(max(0.0, seconds), MAX_RETRY_AFTER_SECONDS)
