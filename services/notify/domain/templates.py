"""Templates: how a kind of chat words an event. One kind has one; where nobody changed it, it is the built-in one."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from services.notify.domain.channels import Told
from services.notify.domain.channels.chat import CHAT_KINDS
from services.notify.domain.facts import moment, plain, visible
from services.notify.domain.sentences import said
from shared.core.errors import NotFound

BUILT_IN = """{% if weight == "alarm" %}Alarm: {% elif weight == "warning" %}Look: {% endif %}{{ headline }}
{{ sentence }}

{{ action }}
"""
"""The first line is the headline; empty lines part paragraphs."""


@dataclass(frozen=True, slots=True)
class Template:
    """What an administrator made of it."""

    kind: str
    source: str
    changed: dt.datetime
    changed_by: str


def checked_kind(value: Any) -> str:
    """A kind of channel that has a template.

    Raises:
        NotFound: if this one has none.
    """
    if value not in CHAT_KINDS:
        raise NotFound(f"there is no template of {str(value)[:40]!r}: there are {', '.join(CHAT_KINDS)}")
    return str(value)


def values_of(told: Told) -> dict[str, Any]:
    """What a template may speak of."""
    one = said(told)
    return {
        "headline": one.headline,
        "sentence": one.sentence,
        "action": one.action,
        "weight": one.weight.value,
        "instance": visible(told.instance),
        "time": moment(told.time),
        "type": visible(told.event_type),
        "data": plain(told.data),
    }


def small_line(told: Told) -> str:
    """Where, when, and which event: below every message, whatever the template says."""
    return f"{told.instance} · {moment(told.time)} · {told.event_type}"
