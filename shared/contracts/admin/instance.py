"""The instance itself in the Admin API: status, dead letters, the API's own description."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, StringConstraints

from shared.contracts.admin.base import Answer, Body, Bytes


class ReplayWish(Body):
    """Which dead letter; left out, all."""

    id: Annotated[str, StringConstraints(max_length=200)] | None = None


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


class ApiDocument(Answer):
    """An OpenAPI 3.1 document."""

    model_config = ConfigDict(frozen=True, extra="allow")
    openapi: str
    info: dict[str, Any]
    paths: dict[str, Any]
