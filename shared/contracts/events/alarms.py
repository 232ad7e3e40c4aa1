"""Alarms: a condition that lasts began, or is over. One pair of events for all kinds."""

from __future__ import annotations

import datetime as dt
from typing import ClassVar

from shared.contracts.events.base import Event, Size


class AlarmRaisedV1(Event):
    """An alarm: something is the matter, and stays so until `alarm.cleared.v1`. Told again now and then while it lasts."""

    type: ClassVar[str] = "alarm.raised.v1"
    source: ClassVar[str] = "bus"
    service: str
    """The service that looked."""
    kind: str
    """Such as `peer.lagging`; docs/alarms.md says what each means, and what to do."""
    about: str
    """Which one: the id of a peer, of a transfer, the name of a setting. With `kind` and `service` it names the alarm."""
    severity: str
    """`warning` or `critical`."""
    since: dt.datetime
    """When it began."""
    detail: str
    """One sentence for people."""
    repeated: Size = 0
    """How often it was told before."""


class AlarmClearedV1(Event):
    """What an alarm was raised about is over."""

    type: ClassVar[str] = "alarm.cleared.v1"
    source: ClassVar[str] = "bus"
    service: str
    """The service that looked."""
    kind: str
    about: str
    """As when it was raised."""
    severity: str
    since: dt.datetime
    """When it began."""
    detail: str
    """What was said of it last."""
    repeated: Size = 0
    """How often it was told again."""
