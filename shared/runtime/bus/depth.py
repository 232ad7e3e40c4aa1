"""How many messages wait in a queue, asked again and again over one connection."""

from __future__ import annotations

from amqp.exceptions import NotFound

from shared.core.errors import ServiceUnavailable
from shared.runtime.bus.connection import CONNECTION_ERRORS, Reuse, connect


class QueueDepth:
    """The depth of one queue. Works in plain threads and in green ones."""

    def __init__(self, amqp_uri: str, queue: str, timeout_seconds: float = 10) -> None:
        """Nothing is opened before the first question."""
        self._queue = queue
        self._connections = Reuse(lambda: connect(amqp_uri, timeout_seconds=timeout_seconds), keep=1)

    def ready(self) -> int:
        """Messages that wait and are with no consumer; none if there is no such queue.

        Raises:
            ServiceUnavailable: if the broker does not answer.
        """
        for fresh in (False, True):
            try:
                with self._connections.one(fresh=fresh) as connection:
                    return int(connection.default_channel.queue_declare(self._queue, passive=True).message_count)
            except NotFound:
                return 0
            except CONNECTION_ERRORS as error:
                if fresh:
                    raise ServiceUnavailable(f"the broker cannot be asked for {self._queue}: {error}") from error
        raise ServiceUnavailable(f"the broker cannot be asked for {self._queue}")

    def close(self) -> None:
        """Close the connection."""
        self._connections.clear()
