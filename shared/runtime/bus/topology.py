"""Exchanges and queues. Every name comes from the contract, so that renaming a Python method strands nothing.

::

    <source>.events (topic) ──<event type>──▶ odst.<service>.<event type>.q1 ──▶ handler
                                                     ▲                │ transient error
                                    default exchange │                ▼
                 odst.retry.<seconds>s.q1 ◀── odst.retry.<seconds>s (fanout)
                     (waits x-message-ttl)                            │ permanent error, tries used up
                                                                      ▼
                                              odst.dead-letters (fanout) ──▶ odst.dead-letters.c1

The suffix is a version: RabbitMQ refuses to change the arguments of an existing queue, so a change makes a new name. The
dead letters wait in a classic durable queue, because looking at a quorum queue counts as delivering, and RabbitMQ 4 drops
what was delivered twenty times.
"""

from __future__ import annotations

from collections.abc import Sequence

from kombu import Exchange, Queue

from shared.contracts import spine

RPC_EXCHANGE = Exchange("nameko-rpc", "topic", durable=True)
DEAD_LETTER_EXCHANGE = Exchange("odst.dead-letters", "fanout", durable=True)
DEAD_LETTER_QUEUE = Queue("odst.dead-letters.c1", DEAD_LETTER_EXCHANGE, durable=True)
MAX_BODY_BYTES = 2 << 20
"""A larger message is not one of ours: bytes of packages never ride the bus. As much as a peer's longest answer, and its framing."""

_QUORUM = {
    "x-queue-type": "quorum",
    "x-dead-letter-strategy": "at-least-once",
    "x-overflow": "reject-publish",
}
_DELIVERY_LIMIT = 20
"""Deliveries of a message that kills its consumer each time, before the broker itself puts it aside."""


def events_exchange(source: str) -> Exchange:
    """Where a service dispatches its events; Nameko's own name for it."""
    return Exchange(f"{source}.events", "topic", durable=True)


def event_queue(service: str, event_type: str) -> Queue:
    """The queue through which `service` handles `event_type`."""
    source = next(step.source for step in spine.STEPS if step.event.type == event_type)
    return Queue(
        f"odst.{service}.{event_type}.q1",
        events_exchange(source),
        routing_key=event_type,
        durable=True,
        queue_arguments={
            **_QUORUM,
            "x-delivery-limit": _DELIVERY_LIMIT,
            "x-dead-letter-exchange": DEAD_LETTER_EXCHANGE.name,
        },
    )


def retry_exchange(delay_seconds: float) -> Exchange:
    """Where a message goes that is to come back after `delay_seconds`; its routing key is the queue to come back to."""
    return Exchange(f"odst.retry.{delay_seconds:g}s", "fanout", durable=True)


def retry_queue(delay_seconds: float) -> Queue:
    """Where it waits. Dead-lettering to the default exchange brings it home."""
    return Queue(
        f"odst.retry.{delay_seconds:g}s.q1",
        retry_exchange(delay_seconds),
        durable=True,
        queue_arguments={**_QUORUM, "x-dead-letter-exchange": "", "x-message-ttl": int(delay_seconds * 1000)},
    )


def declared_by(service: str, retry_delays_seconds: Sequence[float]) -> list[Exchange | Queue]:
    """All that a service needs: its own queues, and those of whoever handles its events, so that nothing it says is lost."""
    dispatched = [*spine.dispatched_by(service), *spine.dispatched_by("bus")]
    queues = [event_queue(handler, event_type) for event_type in dispatched for handler in spine.handlers_of(event_type)]
    queues += [event_queue(service, event_type) for event_type in spine.handled_by(service)]
    queues += [retry_queue(delay) for delay in retry_delays_seconds]
    return [events_exchange(service), *queues, DEAD_LETTER_QUEUE]


def all_event_queues() -> list[Queue]:
    """Every event queue of an instance, for metrics and status."""
    return [event_queue(service, step.event.type) for step in spine.STEPS for service in step.handlers]
