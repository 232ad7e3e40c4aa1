"""Events in the Admin API: live, and the catalogue of what can happen."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, StringConstraints

from shared.contracts.admin.base import Answer, Query, Time

_List = Annotated[str, StringConstraints(min_length=1, max_length=4000)]


class EventsQuery(Query):
    """Which events are followed; all that is given must be so."""

    types: Annotated[_List | None, Field(description="types or patterns such as `package.*`, with commas")] = None
    names: Annotated[_List | None, Field(description="of packages, with commas")] = None
    tags: Annotated[_List | None, Field(description="of packages: staging tags with commas; one of them is enough")] = None
    after: Annotated[
        str | None, StringConstraints(min_length=1, max_length=200), Field(description="as Last-Event-ID, for who cannot send that")
    ] = None
    live: Annotated[bool, Field(description="false: what is known, and then the end")] = True


class LiveEvent(Answer):
    """An event as it is told, or a message about the stream: `events.lost` and `events.ended`, with `reason` and `detail` in `data`."""

    id: str
    type: str
    source: str
    time: Time
    correlation_id: str
    data: dict[str, Any]


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
