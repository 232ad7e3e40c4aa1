"""The catalogue of events: what each means, what is in it, who says it, who hears it. Read from the contracts themselves.

::

    events/      a class for each event: its docstring is the meaning, its fields are the schema, `right` says who may follow it
    spine.py     who dispatches it, who handles it, and what they do
    examples/    one golden example for each, as it stands on the bus
"""

from __future__ import annotations

import functools
import inspect
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from shared.contracts.events import ALL, Event
from shared.contracts.spine import STEPS

EXAMPLES = Path(__file__).parent / "examples"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
TELLS_SUBSCRIBERS = "notify"
"""The service that tells webhooks: what it handles, they can have."""
_GROUPS = {
    "package": "Packages",
    "promotion": "Promotions",
    "transfer": "Transfers",
    "peer": "Peers",
    "instance": "Instances",
    "trust": "Trust",
    "catalogue": "The catalogue and its change feed",
    "record": "Records",
    "meta": "Records",
    "census": "Records",
    "audit": "The audit log",
    "door": "The doors",
    "message": "Messages",
    "alarm": "Alarms",
}
"""By the first word of a type, in the order of the catalogue."""


@dataclass(frozen=True, slots=True)
class EventType:
    """One event of the catalogue."""

    type: str
    group: str
    meaning: str
    """One line."""
    source: str
    """The service that dispatches it."""
    handlers: dict[str, str]
    """By service: what it does with it."""
    right: str
    """The right that following it needs."""

    @property
    def to_subscribers(self) -> bool:
        """Whether webhooks can have it."""
        return TELLS_SUBSCRIBERS in self.handlers

    @property
    def exchange(self) -> str:
        """Where it is published on the bus, with its type as routing key."""
        return f"{self.source}.events"

    @property
    def data_schema(self) -> dict[str, Any]:
        """The JSON schema of its data."""
        return schema_of(ALL[self.type], self.type)

    @property
    def example(self) -> dict[str, Any]:
        """Its golden example, in its envelope."""
        return example_of(self.type)


def schema_of(model: type[BaseModel], name: str) -> dict[str, Any]:
    """The JSON schema of a model under this name."""
    return {"$schema": DIALECT, "$id": name} | model.model_json_schema(mode="serialization")


def example_of(event_type: str) -> dict[str, Any]:
    """The golden example of an event, as it stands on the bus."""
    document: dict[str, Any] = json.loads((EXAMPLES / f"{event_type}.json").read_text(encoding="utf-8"))
    return document


@functools.cache
def catalogue() -> tuple[EventType, ...]:
    """Every event, by group; within a group, in the order in which they happen."""
    titles = list(dict.fromkeys(_GROUPS.values()))
    found = [_described(event) for event in ALL.values()]
    return tuple(sorted(found, key=lambda one: titles.index(one.group) if one.group in titles else len(titles)))


def meaning_of(event: type[Event]) -> str:
    """What it says, in one line."""
    return " ".join((inspect.getdoc(event) or "").partition("\n\n")[0].split())


def _described(event: type[Event]) -> EventType:
    handlers = next((step.handlers for step in STEPS if step.event is event), {})
    first = event.type.partition(".")[0]
    return EventType(
        type=event.type,
        group=_GROUPS.get(first, first.capitalize()),
        meaning=meaning_of(event),
        source=event.source,
        handlers=dict(handlers),
        right=event.right,
    )
