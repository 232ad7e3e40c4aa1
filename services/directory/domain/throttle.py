"""Slowing down who guesses: after some failures each further try has to wait, twice as long each time.

An attempt counts as failed until it is known to be right, so that a hundred at once are not a hundred free ones. Names are
counted whether anybody has them or not.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from services.directory.domain.people import name_key

FORGOTTEN_AFTER = dt.timedelta(days=1)
"""Failures that are older than this are as good as none."""
_HIGHEST_POWER = 40
_NETWORK_BITS = 64
"""Whoever has an IPv6 address has so many that only the network counts."""


@dataclass(frozen=True, slots=True)
class Failures:
    """What is remembered of failed attempts under one key."""

    count: int
    last: dt.datetime
    blocked_until: dt.datetime


@dataclass(frozen=True, slots=True)
class Rule:
    """So many failures are free; then `first` is waited, and twice as long each time, up to `longest`."""

    free: int
    first: dt.timedelta
    longest: dt.timedelta

    def wait(self, known: Failures | None, now: dt.datetime) -> dt.timedelta:
        """How long until another attempt may be made."""
        blocked = known.blocked_until - now if known else dt.timedelta()
        # A clock that was set back must not keep anybody out for longer than any wait.
        return max(dt.timedelta(), min(blocked, self.longest))

    def after_failure(self, known: Failures | None, now: dt.datetime) -> Failures:
        """What is remembered after one more."""
        old = known.count if known and now - known.last < FORGOTTEN_AFTER else 0
        count = old + 1
        wait = dt.timedelta()
        if count >= self.free:
            wait = min(self.first * 2 ** min(count - self.free, _HIGHEST_POWER), self.longest) if self.first else wait
        return Failures(count, now, now + wait)

    def after_success(self, known: Failures) -> Failures:
        """One attempt that was counted was right: it does not count, and nothing is waited for."""
        return Failures(known.count - 1, known.last, known.last)


def person_key(name: str) -> str:
    """The key of a name that was tried. People type passwords there: so its digest."""
    return "person:" + hashlib.sha256(name_key(name).encode()).hexdigest()


def account_key(account: str) -> str:
    """The key of an account outside, by whatever name it was found: guesses at all its names count together."""
    return "account:" + hashlib.sha256(account.encode()).hexdigest()


def address_key(address: str) -> str:
    """The key of where an attempt came from."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return "address:unknown"
    if isinstance(parsed, IPv6Address):
        parsed = parsed.ipv4_mapped or IPv6Address(int(parsed) >> _NETWORK_BITS << _NETWORK_BITS)
    return f"address:{parsed}"
