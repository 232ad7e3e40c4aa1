"""The page `docs/events.md`, made from the catalogue."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

from shared.contracts.catalogue import EventType, catalogue, schema_of
from shared.contracts.events import Envelope

_HEAD = """# Events

Made from `shared/contracts` by `make schemas`; do not edit.

Every event that an instance says of itself, and how to have it:

- posted to a webhook: `odst subscribe` ([admin-api](admin-api.md#the-instance)), for those that are marked so
- live, over HTTP: `GET /api/v1/events` ([admin-api](admin-api.md#live-events)), `odst events --follow`, or `client.events.follow()`
- from the broker itself: [amqp](amqp.md)

The same for programs is `GET /api/v1/event-types` and `/api/v1/event-types/<type>`; at the command line, `odst events types`.

A type is for ever: fields may be added, never changed or taken away; another meaning is another version. Whoever reads ignores what
it does not know.
"""
_ENVELOPE = """## The envelope

On the bus and in the stream, an event stands in `data` of an envelope. `id` is the same each time that the event comes.
"""


def events_page() -> str:
    """The whole page."""
    groups = [(group, list(events)) for group, events in itertools.groupby(catalogue(), key=lambda one: one.group)]
    parts = [_HEAD, *_overview(groups), _ENVELOPE, _fields(schema_of(Envelope, "envelope"))]
    for group, events in groups:
        parts += [f"## {group}\n", *(_section(one) for one in events)]
    return "\n".join(parts)


def _overview(groups: list[tuple[str, list[EventType]]]) -> Iterator[str]:
    yield "| event | meaning | webhooks | right |\n|---|---|---|---|"
    for group, events in groups:
        yield f"| **{group}** | | | |"
        for one in events:
            webhooks = "yes" if one.to_subscribers else ""
            yield f"| [`{one.type}`](#{_anchor(one.type)}) | {_cell(one.meaning)} | {webhooks} | {one.right} |"
    yield ""


def _section(one: EventType) -> str:
    handlers = "; ".join(f"{service}: {does}" for service, does in one.handlers.items()) or "nobody"
    schema = f"[{one.type}.json](../shared/contracts/schemas/{one.type}.json)"
    example = json.dumps(one.example, indent=2, ensure_ascii=False)
    return (
        f"### {one.type}\n\n{one.meaning}\n\n"
        f"- Said by {one.source}, on the exchange `{one.exchange}`.\n"
        f"- Handled by {handlers}.\n"
        f"- {'Posted to webhooks' if one.to_subscribers else 'Not posted to webhooks'}; following it needs the right `{one.right}`.\n"
        f"- Schema: {schema}.\n\n{_fields(one.data_schema)}\n```json\n{example}\n```\n"
    )


def _fields(schema: dict[str, Any]) -> str:
    required, known = set(schema.get("required", ())), schema.get("$defs", {})
    rows = [_row(name, part, known, optional=name not in required) for name, part in schema.get("properties", {}).items()]
    return "\n".join(["| field | type | |", "|---|---|---|", *rows]) + "\n" if rows else "It has no fields.\n"


def _row(name: str, part: dict[str, Any], known: dict[str, Any], *, optional: bool) -> str:
    return f"| `{name}` | {_type(part, known)}{', optional' if optional else ''} | {_cell(part.get('description', ''))} |"


def _type(part: dict[str, Any], known: dict[str, Any]) -> str:
    if "anyOf" in part:
        return " or ".join(_type(one, known) for one in part["anyOf"])
    if "$ref" in part:
        inner = known[part["$ref"].rpartition("/")[2]]
        return "{" + ", ".join(inner.get("properties", {})) + "}"
    if part.get("type") == "array":
        return f"list of {_type(part.get('items', {}), known)}"
    return str(part.get("format") or part.get("type") or "any")


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _anchor(event_type: str) -> str:
    """As GitHub makes it from a heading."""
    return event_type.replace(".", "")
