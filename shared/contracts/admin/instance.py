"""The instance itself in the Admin API: status, dead letters, subscriptions, the audit log."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints

from shared.contracts.admin.base import Answer, Body, Bytes, ShownOnce, Time


class ReplayWish(Body):
    """Which dead letter; left out, all."""

    id: Annotated[str, StringConstraints(max_length=200)] | None = None


class SubscriptionWish(Body):
    """Where to post, and which events: types, or patterns such as `package.*`."""

    url: Annotated[str, StringConstraints(max_length=2000)]
    events: Annotated[list[Annotated[str, StringConstraints(max_length=80)]], Field(min_length=1, max_length=50)]


class Health(Answer):
    """This process answers."""

    status: Literal["alive"]


class Readiness(Answer):
    """Whether everything is usable; `faults` says what is not."""

    status: Literal["ready", "not ready"]
    faults: dict[str, str]


class ThisInstance(Answer):
    """Who this is."""

    instance_id: str
    instance_id_grouped: str
    name: str
    public_url: str
    version: str


class ServiceState(Answer):
    """A service: `up`, or the code of why not; and its figures."""

    model_config = ConfigDict(frozen=True, extra="allow")
    state: str


class Queue(Answer):
    """A queue of the bus."""

    name: str
    ready: int
    consumers: int


class Status(Answer):
    """What is waiting, and where."""

    instance: ThisInstance
    services: dict[str, ServiceState]
    queues: list[Queue]
    dead_letters: int
    free_bytes: Bytes


class DeadLetter(Answer):
    """A message that could not be handled."""

    id: str
    queue: str | None
    code: str | None
    reason: str | None
    attempts: int
    time: str | None
    size: int
    body: Any


class DeadLetterList(Answer):
    """Dead letters, oldest first."""

    items: list[DeadLetter]


class Replayed(Answer):
    """How many were handed back to their queues."""

    replayed: int


class Subscription(Answer):
    """Who is told of what by a webhook."""

    subscription_id: str
    url: str
    events: list[str]
    state: str
    created_by: str
    created: Time
    secret_readable: bool = True
    """False if the key that encrypted its secret is not there: its deliveries wait until it is."""


class NewSubscription(Subscription):
    """A subscription with its secret, which is shown only once."""

    secret: ShownOnce


class SubscriptionList(Answer):
    """All subscriptions."""

    items: list[Subscription]


class Delivery(Answer):
    """One event on its way to one subscriber."""

    delivery_id: str
    subscription_id: str
    event_id: str
    event_type: str
    state: str
    attempts: int
    last_status: int | None
    last_error: str | None
    next_attempt: Time | None


class DeliveryList(Answer):
    """Deliveries, newest first."""

    items: list[Delivery]


class ApiDocument(Answer):
    """An OpenAPI 3.1 document."""

    model_config = ConfigDict(frozen=True, extra="allow")
    openapi: str
    info: dict[str, Any]
    paths: dict[str, Any]
