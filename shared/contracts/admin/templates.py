"""How chats word events, in the Admin API."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import StringConstraints

from shared.contracts.admin.base import Answer, Body, Time

_Source = Annotated[str, StringConstraints(min_length=1, max_length=10_000)]


class TemplateWish(Body):
    """Another template: text, values, `if`, `for`, a few filters."""

    source: _Source


class PreviewWish(Body):
    """What would be sent of the example of this event."""

    event_type: Annotated[str, StringConstraints(min_length=1, max_length=80)]
    """With its version, such as `package.published.v1`."""
    source: _Source | None = None
    """By this template; without it, by the one in use."""


class Template(Answer):
    """How a kind of chat words events."""

    kind: str
    source: str
    built_in: bool
    """Nobody changed it."""
    changed: Time | None
    changed_by: str | None


class Preview(Answer):
    """What would be sent."""

    kind: str
    event_type: str
    payload: dict[str, Any]
    """As it is posted to the chat."""
    fault: str | None
    """Why the template failed, if it did: then the payload is that of the built-in one."""
