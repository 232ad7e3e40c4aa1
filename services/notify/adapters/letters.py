"""The dead letters at the broker."""

from __future__ import annotations

import datetime as dt
from typing import Any

from services.notify.domain.facts import visible
from services.notify.domain.letters import Letter
from shared.runtime.bus import topology
from shared.runtime.bus.dead_letters import DeadLetters
from shared.runtime.bus.depth import QueueDepth

_SHOWN_CHARACTERS = 120


class BrokerLetterBox:
    """`LetterBox` on RabbitMQ."""

    name = topology.DEAD_LETTER_QUEUE.name

    def __init__(self, amqp_uri: str, timeout_seconds: float) -> None:
        """Nothing is opened before the first question."""
        self._depth = QueueDepth(amqp_uri, self.name, timeout_seconds)
        self._letters = DeadLetters(amqp_uri, timeout_seconds)

    def number(self) -> int:
        """How many wait."""
        return self._depth.ready()

    def oldest(self) -> Letter | None:
        """The first of them."""
        return next((_letter(found) for found in self._letters.list(1)), None)

    def close(self) -> None:
        """Close the connection."""
        self._depth.close()


def _letter(found: Any) -> Letter:
    return Letter(visible(found["queue"], _SHOWN_CHARACTERS), visible(found["code"], _SHOWN_CHARACTERS), _time(found["time"]))


def _time(text: Any) -> dt.datetime | None:
    """What the header says, if it is a time: anybody who may publish can write it."""
    try:
        time = dt.datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return time if time.tzinfo else None
