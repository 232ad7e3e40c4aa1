"""What has an end of its own, such as a certificate or a token; and when that is near enough to be told.

::

    begins                                                  warning             critical       ends
      ├────────────────────────────────────────────────────────┼────────────────────┼────────────┤
                                                               │◀──────────── lead ─────────────▶│
                                                                                    │◀─ lead / 7 ▶│

The lead is what the operator says, and a quarter of its life at most: what is renewed every week is not near its end from the day
on which it was made.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from shared.core.alarms import Severity

_SHARE_OF_LIFE = 4
_SHARE_OF_LEAD = 7


@dataclass(frozen=True, slots=True)
class Lifetime:
    """From when to when something is valid."""

    begins: dt.datetime
    ends: dt.datetime

    def nearing(self, now: dt.datetime, warning: dt.timedelta) -> Severity | None:
        """How bad it is that it ends, or has ended; none while its end is far, and always if `warning` is nothing."""
        lead = min(warning, (self.ends - self.begins) / _SHARE_OF_LIFE)
        left = self.ends - now
        if not warning or left > lead:
            return None
        return Severity.CRITICAL if left <= lead / _SHARE_OF_LEAD else Severity.WARNING


@dataclass(frozen=True, slots=True)
class Certificate:
    """What matters here of an X.509 certificate."""

    subject: str
    lifetime: Lifetime
