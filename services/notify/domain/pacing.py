"""When what happened is sent: at once, or at the end of the time in which a channel collects."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from services.notify.domain.channels.base import Channel
from services.notify.domain.channels.email import EmailChannel, Pace

_HOUR = dt.timedelta(hours=1)
_DAY = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Pacing:
    """For how long mail collects."""

    collect: dt.timedelta = dt.timedelta(seconds=30)
    """After the first event, for those who are told at once."""
    hour: int = 7
    """Of the day, for those who are told daily."""
    zone: dt.tzinfo = dt.UTC
    """In which hours and days are counted."""

    def due(self, channel: Channel, now: dt.datetime) -> dt.datetime:
        """When something that happens now is to be sent there."""
        if not isinstance(channel, EmailChannel):
            return now
        if channel.pace is Pace.AT_ONCE:
            return now + self.collect
        return self._next_hour(now) if channel.pace is Pace.HOURLY else self._next_day(now)

    def _next_hour(self, now: dt.datetime) -> dt.datetime:
        past = now.astimezone(self.zone)
        return now - dt.timedelta(minutes=past.minute, seconds=past.second, microseconds=past.microsecond) + _HOUR

    def _next_day(self, now: dt.datetime) -> dt.datetime:
        today = now.astimezone(self.zone).replace(hour=self.hour, minute=0, second=0, microsecond=0, fold=0)
        # The day after is another day there, which may be 23 or 25 hours long.
        then = today if today.astimezone(dt.UTC) > now else today + _DAY
        return then.astimezone(dt.UTC)
