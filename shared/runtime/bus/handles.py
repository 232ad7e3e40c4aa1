"""`@handles(Event)`: an event handler whose message is settled by how it ends.

::

    returns            ─▶ acknowledged
    PermanentError     ─▶ dead letter, with code and reason, and an event
    DatabaseAway       ─▶ delayed retry, without end: by the last of the delays when they are used up
    anything else      ─▶ delayed retry (1 s, 5 s, 30 s, …); when the delays are used up, dead letter
    malformed message  ─▶ dead letter at once; the handler never sees it

A message is put elsewhere with a confirm before it is acknowledged, so it can be seen twice, never be lost.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from functools import partial
from typing import Any

from nameko.exceptions import ContainerBeingKilled
from nameko.extensions import Entrypoint

from shared.contracts.events import Envelope, Event, MessageDeadLetteredV1
from shared.core.errors import DatabaseAway, Malformed, OdstError, PermanentError, ServiceUnavailable
from shared.runtime.bus import messages, topology
from shared.runtime.bus.consumer import ResilientQueueConsumer
from shared.runtime.bus.dispatcher import publish_event
from shared.runtime.bus.settings import BusSettings
from shared.runtime.logging import correlation_id, get_logger

log = get_logger(__name__)
_KEPT_PROPERTIES = ("content_type", "content_encoding", "correlation_id", "message_id", "type")


class Handles(Entrypoint):  # type: ignore[misc]
    """The entrypoint behind `@handles(SomeEventV1)`. The method is called with the event."""

    queue_consumer = ResilientQueueConsumer()

    def __init__(self, event: type[Event], prefetch: int | None = None, **kwargs: Any) -> None:
        """`prefetch` limits how many of these run at once in one process."""
        self.event = event
        self.prefetch = prefetch
        super().__init__(**kwargs)

    def setup(self) -> None:
        """Declare the queue named by the contract and start to consume."""
        self.bus = BusSettings.of(self.container.config)
        self.publisher = self.bus.publisher(self.container.service_name)
        self.queue = topology.event_queue(self.container.service_name, self.event.type)
        self.queue_consumer.register_provider(self)

    def stop(self) -> None:
        """Stop consuming; running handlers finish."""
        self.queue_consumer.unregister_provider(self)

    def handle_raw(self, message: Any) -> None:
        """Decode and run, or put aside."""
        try:
            envelope, event = messages.read_event(message, self.event)
        except Malformed as error:
            self._bury(message, error)
            return
        context = {"correlation_id": envelope.correlation_id, "event_id": envelope.id, "event_time": envelope.time.isoformat()}
        try:
            self.container.spawn_worker(self, (event,), {}, context_data=context, handle_result=partial(self._handle_result, message))
        except ContainerBeingKilled:
            self.queue_consumer.requeue_message(message)

    def _handle_result(self, message: Any, _worker: Any, result: Any, exc_info: Any) -> tuple[Any, Any]:
        error = exc_info[1] if exc_info else None
        try:
            self._settle(message, error)
        except ServiceUnavailable as failure:
            log.warning("message_given_back", queue=self.queue.name, error=str(failure))
            self.queue_consumer.requeue_message(message)
        except Exception:
            # An error here would end the process; the queue's delivery limit bounds how often it comes back.
            log.exception("message_not_settled", queue=self.queue.name)
            self.queue_consumer.requeue_message(message)
        return result, exc_info

    def _settle(self, message: Any, error: Exception | None) -> None:
        attempt = messages.attempt_of(message)
        if error is None:
            self.queue_consumer.ack_message(message)
        elif isinstance(error, DatabaseAway) and self.bus.retry_delays_seconds:
            self._wait_for_database(message, attempt, error)
        elif isinstance(error, PermanentError) or attempt >= len(self.bus.retry_delays_seconds):
            self._bury(message, error)
        else:
            self._retry_later(message, attempt, error)

    def _retry_later(self, message: Any, attempt: int, error: Exception) -> None:
        delay = self.bus.retry_delays_seconds[attempt]
        unexpected = not isinstance(error, OdstError)
        log.warning(
            "message_retried_later",
            event_type=self.event.type,
            attempt=attempt + 1,
            delay_seconds=delay,
            error=str(error),
            exc_info=error if unexpected else None,
        )
        self._send_to_wait(message, delay, attempt + 1)

    def _wait_for_database(self, message: Any, attempt: int, error: Exception) -> None:
        """The last delay is used again and again; a failure that has another cause has one try left afterwards."""
        last = len(self.bus.retry_delays_seconds) - 1
        delay = self.bus.retry_delays_seconds[min(attempt, last)]
        log.warning("message_waits_for_database", event_type=self.event.type, attempt=attempt + 1, delay_seconds=delay, error=str(error))
        self._send_to_wait(message, delay, min(attempt + 1, last))

    def _send_to_wait(self, message: Any, delay: float, attempt: int) -> None:
        headers = dict(message.headers or {}) | {messages.ATTEMPT_KEY: attempt}
        self._republish(message, topology.retry_exchange(delay).name, self.queue.name, headers)
        self.queue_consumer.ack_message(message)

    def _bury(self, message: Any, error: Exception) -> None:
        code = error.code if isinstance(error, OdstError) else "INTERNAL"
        log.error("message_dead_lettered", queue=self.queue.name, code=code, reason=str(error))
        headers = {
            "odst-queue": self.queue.name,
            "odst-code": code,
            "odst-reason": str(error)[:500],
            "odst-attempts": messages.attempt_of(message) + 1,
            "odst-time": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        }
        correlation = messages.correlation_of(message)
        if correlation:
            headers[messages.CORRELATION_KEY] = correlation
        self._republish(message, topology.DEAD_LETTER_EXCHANGE.name, self.queue.name, headers)
        self._raise_alarm(code, str(error))
        self.queue_consumer.ack_message(message)

    def _republish(self, message: Any, exchange: str, routing_key: str, headers: dict[str, Any]) -> None:
        properties = {key: message.properties[key] for key in _KEPT_PROPERTIES if message.properties.get(key)}
        properties["content_type"] = message.content_type or "application/octet-stream"
        properties["content_encoding"] = message.content_encoding or "binary"
        self.publisher.publish(messages.body_of(message), exchange=exchange, routing_key=routing_key, headers=headers, **properties)

    def _raise_alarm(self, code: str, reason: str) -> None:
        if self.event is MessageDeadLetteredV1:
            return
        alarm = MessageDeadLetteredV1(queue=self.queue.name, code=code, reason=reason[:500], event_type=self.event.type)
        publish_event(self.publisher, Envelope.around(alarm, correlation_id()))


handles = Handles.decorator


def handles_all(*events: type[Event]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """`@handles` for a method that does the same with each of these events; each has its queue, as if it had its own method."""

    def decorate(method: Callable[..., None]) -> Callable[..., None]:
        for event in events:
            handles(event)(method)
        return method

    return decorate
