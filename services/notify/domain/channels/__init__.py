"""Channels: ways on which subscribers are told. This table is all the kinds that there are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.notify.domain.channels.base import Channel, Message, Secrets, Told
from services.notify.domain.channels.chat import SlackChannel, TeamsChannel
from services.notify.domain.channels.email import EmailChannel
from services.notify.domain.channels.jamf_pro import JamfChannel
from services.notify.domain.channels.webhook import WebhookChannel
from shared.core.errors import InvalidInput

__all__ = ["KINDS", "Channel", "Message", "Secrets", "Told", "read_channel", "restore_channel"]

KINDS: dict[str, type[Channel]] = {kind.kind: kind for kind in (WebhookChannel, EmailChannel, SlackChannel, TeamsChannel, JamfChannel)}
"""Every kind, by its name."""


def read_channel(value: Any) -> tuple[Channel, Secrets]:
    """A channel out of JSON from outside, `{kind, settings}`, and what of it is secret.

    Raises:
        InvalidInput: CHANNEL_KIND_UNKNOWN, CHANNEL_INVALID, or what the kind says.
    """
    if not isinstance(value, Mapping) or not isinstance(value.get("settings"), Mapping):
        raise InvalidInput("a channel is {kind, settings}", "CHANNEL_INVALID")
    kind = KINDS.get(value["kind"]) if isinstance(value.get("kind"), str) else None
    if kind is None:
        raise InvalidInput(
            f"there is no channel of the kind {str(value.get('kind'))[:40]!r}: there are {', '.join(KINDS)}", "CHANNEL_KIND_UNKNOWN"
        )
    return kind.read(value["settings"])


def restore_channel(kind: str, shown: Mapping[str, Any]) -> Channel:
    """A channel that was kept."""
    return KINDS[kind].restore(shown)
