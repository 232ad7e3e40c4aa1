"""When which event happened: what its envelope says besides its data, for handlers that need to know."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Happening:
    """The identity of an event: the same each time that it is delivered."""

    event_id: str
    time: dt.datetime
    correlation_id: str = ""
