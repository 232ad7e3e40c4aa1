"""Nameko's queue consumer, made to survive what kills it.

Tried with Nameko 2.14.1: a bad header, a connection reset while acknowledging, or an error outside a worker end the whole
process. Here a message reaches its entrypoint raw; whatever goes wrong with one message is settled for that message.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Protocol

import eventlet
from nameko.messaging import QueueConsumer

from shared.runtime.bus.connection import CONNECTION_ERRORS
from shared.runtime.logging import get_logger

log = get_logger(__name__)
_LOOK_SECONDS = 0.2
"""How often it looks whether it is to stop, which takes two looks. Kombu's second would be most of the time that a stop takes."""


class RawProvider(Protocol):
    """An entrypoint that takes undecoded messages."""

    queue: Any

    def handle_raw(self, message: Any) -> None:
        """Settle one message; must not raise."""


class ResilientQueueConsumer(QueueConsumer):  # type: ignore[misc]
    """Delivers raw messages and never lets one of them end the process."""

    def get_consumers(self, consumer_cls: Any, channel: Any) -> Any:  # noqa: ARG002 - kombu's signature
        """Set up consumers with `on_message`, so that nothing is decoded before we look at it."""
        for provider in self._providers:
            consumer = consumer_cls(queues=[provider.queue], on_message=partial(self._deliver, provider), accept=None)
            consumer.qos(prefetch_count=getattr(provider, "prefetch", None) or self.prefetch_count)
            self._consumers[provider] = consumer
        return self._consumers.values()

    def consume(self, *args: Any, **kwargs: Any) -> Any:
        """As kombu's, with shorter looks."""
        return super().consume(*args, safety_interval=_LOOK_SECONDS, **kwargs)

    def _deliver(self, provider: RawProvider, message: Any) -> None:
        self.container.spawn_managed_thread(partial(self._settle, provider, message), identifier="deliver")

    def _settle(self, provider: RawProvider, message: Any) -> None:
        try:
            provider.handle_raw(message)
        except eventlet.greenlet.GreenletExit:
            raise
        except Exception:
            # The last line of defence; requeueing is bounded by the queue's delivery limit.
            log.exception("message_not_settled", queue=getattr(provider.queue, "name", "?"))
            self.requeue_message(message)

    def ack_message(self, message: Any) -> None:
        """Acknowledge, if the connection is still there; otherwise the broker already has the message back."""
        self._tell_broker(message, message.ack)

    def requeue_message(self, message: Any) -> None:
        """Give back, if the connection is still there."""
        self._tell_broker(message, message.requeue)

    def _tell_broker(self, message: Any, settle: Any) -> None:
        if not message.channel or not message.channel.connection or message.acknowledged:
            return
        try:
            settle()
        except CONNECTION_ERRORS as error:
            log.info("connection_lost_while_settling", error=str(error))
