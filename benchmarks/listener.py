"""Listens on an instance's bus beside its services, and notes when each event was made and when it arrived.

Its queue is its own, exclusive and gone with the connection; what the services get is not touched. Watching costs the
instance nothing, where polling its API would be part of what is measured.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from kombu import Consumer, Queue, binding

from shared.contracts.events import ALL, Envelope, Event
from shared.runtime.bus import topology
from shared.runtime.bus.connection import connect

_LOOK_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Heard:
    """An event. Times are those of the machine's clock, in seconds."""

    envelope: Envelope
    made: float
    """When the event was written, within the transaction of its change."""
    arrived: float
    """When it came out of the broker."""

    def field(self, name: str) -> Any:
        """A field of the event."""
        return self.envelope.data.get(name)


class Listener:
    """Hears every event of one instance from now on."""

    def __init__(self, amqp_uri: str) -> None:
        """The services' exchanges exist or are made here, as they would make them."""
        self._connection = connect(amqp_uri, timeout_seconds=10)
        exchanges = [topology.events_exchange(source) for source in sorted({event.source for event in ALL.values()})]
        for exchange in exchanges:
            exchange(self._connection.default_channel).declare()
        queue = Queue("", bindings=[binding(exchange, routing_key="#") for exchange in exchanges], exclusive=True, auto_delete=True)
        self._consumer = Consumer(self._connection.default_channel, [queue], on_message=self._hear, no_ack=True)
        self._consumer.consume()
        self._heard: list[Heard] = []
        self._news = threading.Condition()
        self._over = False
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        """As made."""
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        """Stop listening."""
        self._over = True
        self._thread.join()
        self._connection.release()

    def _listen(self) -> None:
        while not self._over:
            try:
                self._connection.drain_events(timeout=_LOOK_SECONDS)
            except TimeoutError:
                continue

    def _hear(self, message: Any) -> None:
        arrived = time.time()
        envelope = Envelope.model_validate_json(message.body)
        with self._news:
            self._heard.append(Heard(envelope, envelope.time.timestamp(), arrived))
            self._news.notify_all()

    def wait(self, event: type[Event], matches: Callable[[Heard], bool] = lambda _heard: True, deadline_seconds: float = 600) -> Heard:
        """The first such event, already heard or still to come.

        Raises:
            TimeoutError: if there is none by the deadline.
        """

        def found() -> Heard | None:
            return next((heard for heard in self._heard if heard.envelope.type == event.type and matches(heard)), None)

        with self._news:
            heard = self._news.wait_for(found, deadline_seconds)
        if heard is None:
            raise TimeoutError(f"no {event.type} within {deadline_seconds:g} s")
        return heard
