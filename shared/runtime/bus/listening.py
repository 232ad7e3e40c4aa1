"""Hearing every event of an instance as it is said, without handling any: for whoever shows them to people.

A queue of one's own, which the broker removes with the connection. It is bound beside the queues of the services and takes nothing
from them. It has limits, so that a listener that hangs does not fill the broker: then the oldest are dropped, and one of them leaves a
mark in a second queue, so that the gap is known. After a lost connection, it listens again.
"""

from __future__ import annotations

import logging
from typing import Any, Final, Protocol

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError

from shared.contracts import spine
from shared.runtime.bus import topology
from shared.runtime.logging import get_logger
from shared.runtime.threads import Turning

log = get_logger(__name__)
MOST_WAITING: Final = 20_000
MOST_WAITING_BYTES: Final = 32 << 20
_AT_ONCE = 500
_TURN_SECONDS = 0.5
_PAUSE_SECONDS = 1.0
_HEARTBEAT_SECONDS = 20


class Listener(Protocol):
    """Who hears. Called in the thread of the ear, and must not wait."""

    def heard(self, body: bytes) -> None:
        """A message, whatever it is."""

    def listening(self) -> None:
        """From now on everything is heard."""

    def deaf(self, reason: str) -> None:
        """From now on nothing is, until `listening` is called."""

    def missed(self) -> None:
        """Some were dropped, because they waited too long."""


class Ear:
    """A thread that listens."""

    def __init__(self, amqp_uri: str, listener: Listener, timeout_seconds: float = 10, most_waiting: int = MOST_WAITING) -> None:
        """Nothing is connected before `start`."""
        self._parameters = pika.URLParameters(amqp_uri)
        self._parameters.socket_timeout = timeout_seconds
        self._parameters.stack_timeout = timeout_seconds * 1.5
        self._parameters.blocked_connection_timeout = timeout_seconds
        self._parameters.connection_attempts = 1
        self._parameters.heartbeat = _HEARTBEAT_SECONDS
        self._listener, self._most_waiting = listener, most_waiting
        self._turning = Turning("live-ear", self._turn)

    def start(self) -> None:
        """Listen from now on. What pika logs by itself is said here in one line."""
        logging.getLogger("pika").setLevel(logging.CRITICAL)
        self._turning.start()

    def stop(self) -> None:
        """Listen no more. Returns at once."""
        self._turning.stop()

    def _turn(self) -> None:
        try:
            self._listen()
        except (AMQPError, OSError) as error:
            reason = str(error) or type(error).__name__
            log.warning("live_events_deaf", reason=reason[:300])
            self._listener.deaf(reason)
            self._turning.pause(_PAUSE_SECONDS)

    def _listen(self) -> None:
        connection = pika.BlockingConnection(self._parameters)
        try:
            self._attach(connection.channel())
            self._listener.listening()
            while not self._turning.stopping:
                connection.process_data_events(time_limit=_TURN_SECONDS)
        finally:
            if connection.is_open:
                connection.close()

    def _attach(self, channel: BlockingChannel) -> None:
        marks = channel.queue_declare("", exclusive=True, arguments={"x-queue-type": "classic", "x-max-length": 1}).method.queue
        queue = channel.queue_declare("", exclusive=True, arguments=_limits(marks, self._most_waiting)).method.queue
        for source in sorted({step.source for step in spine.STEPS}):
            exchange = topology.events_exchange(source)
            channel.exchange_declare(exchange.name, exchange.type, durable=True)
            channel.queue_bind(queue, exchange.name, "#")
        channel.basic_qos(prefetch_count=_AT_ONCE)
        channel.basic_consume(marks, self._on_mark)
        channel.basic_consume(queue, self._on_message)

    def _on_message(self, channel: Any, method: Any, _properties: Any, body: bytes) -> None:
        self._listener.heard(body)
        channel.basic_ack(method.delivery_tag)

    def _on_mark(self, channel: Any, method: Any, _properties: Any, _body: bytes) -> None:
        self._listener.missed()
        channel.basic_ack(method.delivery_tag)


def _limits(marks: str, most_waiting: int) -> dict[str, Any]:
    return {
        "x-queue-type": "classic",
        "x-max-length": most_waiting,
        "x-max-length-bytes": MOST_WAITING_BYTES,
        # Never `reject-publish`: the publishers of the services would be refused what this queue does not take.
        "x-overflow": "drop-head",
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": marks,
    }
