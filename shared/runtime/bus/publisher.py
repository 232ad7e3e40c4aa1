"""Publishing that is known to have arrived: confirms, mandatory, a deadline on every step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amqp.exceptions import ChannelError
from kombu import Connection, Exchange, Queue
from kombu.messaging import Producer

from shared.core.errors import ServiceUnavailable
from shared.runtime.bus.connection import CONNECTION_ERRORS, Reuse, connect
from shared.runtime.logging import redact


class Unroutable(ServiceUnavailable):
    """Nobody is bound to receive this message."""

    default_code = "MESSAGE_UNROUTABLE"


class _Line:
    """One connection with one producer in confirm mode."""

    def __init__(self, uri: str, timeout_seconds: float, declare: Sequence[Exchange | Queue]) -> None:
        self.connection: Connection = connect(uri, timeout_seconds=timeout_seconds, confirm=True)
        channel = self.connection.default_channel
        for entity in declare:
            entity(channel).declare()
        self.producer = Producer(channel, auto_declare=False)

    def close(self) -> None:
        """Close the connection."""
        self.connection.release()


class Publisher:
    """Publishes messages; safe to share between threads."""

    def __init__(self, uri: str, *, timeout_seconds: float = 10, declare: Sequence[Exchange | Queue] = (), keep: int = 4) -> None:
        """`declare` is declared on each new connection, so that a fresh broker knows where things go."""
        self._uri = uri
        self._timeout = timeout_seconds
        self._lines = Reuse(lambda: _Line(uri, timeout_seconds, declare), keep)

    def publish(self, body: bytes, *, exchange: str, routing_key: str, mandatory: bool = True, **properties: Any) -> None:
        """Publish persistent bytes and wait for the broker's confirm.

        `properties` are AMQP message properties (`headers`, `correlation_id`, `reply_to`, …); the content type is JSON
        unless said otherwise.

        Raises:
            Unroutable: if `mandatory` and no queue is bound.
            ServiceUnavailable: if the broker did not take it in time. It may have it all the same: receivers expect twice.
        """
        message = {"exchange": exchange, "routing_key": routing_key, "mandatory": mandatory, "content_type": "application/json"}
        message |= {"content_encoding": "utf-8"} | properties
        try:
            self._try(body, message, fresh=False)
        except ServiceUnavailable as error:
            if isinstance(error, Unroutable):
                raise
            self._try(body, message, fresh=True)

    def _try(self, body: bytes, message: dict[str, Any], *, fresh: bool) -> None:
        try:
            with self._lines.one(fresh=fresh) as line:
                line.producer.publish(
                    body,
                    delivery_mode=2,
                    retry=False,
                    timeout=self._timeout,
                    confirm_timeout=self._timeout,
                    **message,
                )
        except ChannelError as error:
            if "NO_ROUTE" in str(error):
                raise Unroutable(f"no queue is bound to {message['exchange']} for {message['routing_key']}") from error
            raise ServiceUnavailable(f"the broker refused a message: {error}") from error
        except CONNECTION_ERRORS as error:
            raise ServiceUnavailable(f"the broker at {redact(self._uri)} did not take a message: {error}") from error

    def close(self) -> None:
        """Close idle connections."""
        self._lines.clear()
