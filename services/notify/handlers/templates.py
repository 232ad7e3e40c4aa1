"""Templates of chats: used, shown, changed, tried.

A template that fails loses no message: the built-in one takes its place, and the message says so.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from services.notify.domain.cards import card_of, payload
from services.notify.domain.channels import Message, Told
from services.notify.domain.templates import BUILT_IN, Template, checked_kind, small_line, values_of
from services.notify.handlers.telling import Clock
from services.notify.ports import Engine, Templates
from shared.contracts.catalogue import example_of
from shared.contracts.patterns import checked_patterns
from shared.contracts.spine import handled_by
from shared.core.errors import InvalidInput
from shared.core.times import rfc3339_or_none, to_time
from shared.runtime.logging import get_logger

log = get_logger(__name__)
_BROKEN = "the template is broken, so this is the built-in form"


@dataclass
class Shaping:
    """Events become messages of a chat."""

    templates: Templates
    engine: Engine

    def shape(self, kind: str, told: Told) -> Message:
        """The message of this kind about an event, whatever the template does."""
        kept = self.templates.find(kind)
        message, fault = self.worded(kind, told, kept.source if kept else BUILT_IN)
        if fault:
            log.warning("template_failed", kind=kind, event_type=told.event_type, reason=fault)
        return message

    def worded(self, kind: str, told: Told, source: str) -> tuple[Message, str | None]:
        """The message by this template; or by the built-in one, and why."""
        values = values_of(told)
        try:
            return payload(kind, card_of(self.engine.render(source, values), small_line(told))), None
        except InvalidInput as error:
            text = self.engine.render(BUILT_IN, values)
            return payload(kind, card_of(text, f"{small_line(told)} · {_BROKEN}")), str(error)


@dataclass
class TemplateHandlers:
    """What administrators do with templates."""

    shaping: Shaping
    clock: Clock

    def show(self, kind: Any) -> dict[str, Any]:
        """The template of a kind of chat.

        Raises:
            NotFound: if the kind has none.
        """
        kept = self.shaping.templates.find(checked_kind(kind))
        changed = {"changed": rfc3339_or_none(kept.changed if kept else None), "changed_by": kept.changed_by if kept else None}
        return {"kind": kind, "source": kept.source if kept else BUILT_IN, "built_in": kept is None, **changed}

    def put(self, kind: Any, source: Any, by: str) -> dict[str, Any]:
        """Take this template for a kind, from the next message on.

        Raises:
            NotFound: if the kind has none.
            InvalidInput: TEMPLATE_INVALID.
        """
        self.shaping.templates.put(Template(checked_kind(kind), self.shaping.engine.check(source), self.clock(), by))
        return self.show(kind)

    def reset(self, kind: Any) -> None:
        """Take the built-in template again.

        Raises:
            NotFound: if the kind has none.
        """
        self.shaping.templates.remove(checked_kind(kind))

    def preview(self, kind: Any, event_type: Any, source: Any = None) -> dict[str, Any]:
        """What would be sent of the example of an event: by `source`, or else by the template in use.

        Raises:
            NotFound: if the kind has no template.
            InvalidInput: EVENT_PATTERN_INVALID, if subscribers cannot have such an event.
        """
        used = self.show(kind)["source"] if source is None else str(source)
        message, fault = self.shaping.worded(kind, _example(event_type), used)
        return {"kind": kind, "event_type": event_type, "payload": json.loads(message.content), "fault": fault}


def _example(event_type: Any) -> Told:
    told = handled_by("notify")
    if event_type not in told:
        checked_patterns([event_type], told)
        raise InvalidInput("give one type of event, with its version, such as package.published.v1", "EVENT_PATTERN_INVALID")
    example = example_of(event_type)
    return Told(example["id"], event_type, to_time(example["time"]), "Example", example["data"])
