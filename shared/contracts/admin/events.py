"""Events in the Admin API: the catalogue of what can happen."""

from __future__ import annotations

from typing import Any

from shared.contracts.admin.base import Answer


class EventType(Answer):
    """One event of the catalogue: what it means, who says it, who does what with it, and who may follow it."""

    type: str
    group: str
    meaning: str
    dispatched_by: str
    handled_by: dict[str, str]
    to_subscribers: bool
    right: str


class EventTypeList(Answer):
    """The whole catalogue, by group."""

    items: list[EventType]


class EventTypeDescription(EventType):
    """One event with all that is known of it: its exchange on the bus, the JSON schema of its data, and an example."""

    exchange: str
    data_schema: dict[str, Any]
    example: dict[str, Any]
