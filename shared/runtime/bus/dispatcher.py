"""Dispatching an event at once, for a service that keeps no state and so needs no outbox."""

from __future__ import annotations

from shared.contracts import spine
from shared.contracts.events import Envelope, Event
from shared.runtime.bus import messages, topology
from shared.runtime.bus.publisher import Publisher
from shared.runtime.logging import correlation_id


class BusDispatcher:
    """Publishes with a confirm; the caller's own message is settled only after that."""

    def __init__(self, publisher: Publisher) -> None:
        """`publisher` has declared where the service's events go."""
        self._publisher = publisher

    def dispatch(self, event: Event) -> None:
        """Put an event on the bus.

        Raises:
            ServiceUnavailable: if the broker did not take it.
        """
        publish_event(self._publisher, Envelope.around(event, correlation_id()))


def publish_event(publisher: Publisher, envelope: Envelope) -> None:
    """Put an event on the bus.

    Raises:
        ServiceUnavailable: if the broker did not take it.
    """
    publisher.publish(
        envelope.model_dump_json().encode(),
        exchange=topology.events_exchange(envelope.source).name,
        routing_key=envelope.type,
        headers={messages.CORRELATION_KEY: envelope.correlation_id},
        message_id=envelope.id,
        mandatory=bool(spine.handlers_of(envelope.type)),
    )
